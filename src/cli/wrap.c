#include "wrap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/utf8.h>

#define INDENT_MAX 16 /* of what goes on; a name is 63 long at most, and shall fit */

static size_t columns_of_screen(void)
{
    const char *text = getenv("COLUMNS");
    const unsigned long columns = text != NULL ? strtoul(text, NULL, 10) : 0;

    return columns >= BW_SCREEN_COLUMNS_MIN && columns <= BW_SCREEN_COLUMNS_MAX ? columns
                                                                                : BW_SCREEN_COLUMNS;
}

void bw_wrap_begin(struct bw_wrapped *wrapped, FILE *out)
{
    *wrapped = (struct bw_wrapped){.out = out, .columns = columns_of_screen()};
    wrapped->stream = open_memstream(&wrapped->text, &wrapped->size);
    if (wrapped->stream == NULL)
        wrapped->stream = out;
}

static size_t spaces_at(const char *line, size_t at, size_t bytes)
{
    size_t count = 0;

    while (at + count < bytes && line[at + count] == ' ')
        count++;
    return count;
}

/* Where the text behind "  label:   " begins; 0: there is no label. */
static size_t labeled_at(const char *line, size_t begin, size_t bytes)
{
    size_t at = begin;

    while (at < bytes && line[at] >= 'a' && line[at] <= 'z')
        at++;
    if (at == begin || at >= bytes || line[at] != ':' || spaces_at(line, at + 1, bytes) < 2)
        return 0;
    return at + 1 + spaces_at(line, at + 1, bytes);
}

/* Where the last command of ours begins that goes on to the end; `bytes`: there is none, as in the lines of an alarm, whose
 * commands have lines of their own. */
static size_t command_at(const char *line, size_t bytes)
{
    static const char name[] = "breakwater";
    const size_t length = sizeof name - 1;

    if (line[0] == '!' || line[0] == '-' || labeled_at(line, spaces_at(line, 0, bytes), bytes) > 0)
        return bytes;
    for (size_t at = bytes; at-- > 0;)
        if (bytes - at > length && memcmp(line + at, name, length) == 0 &&
            (line[at + length] == ' ' || line[at + length] == '-') &&
            (at == 0 || line[at - 1] == ' '))
            return at;
    return bytes;
}

/* The spaces at which the line is cut, so that what is before them fits; `bytes`: nowhere. */
static size_t cut_of(const char *line, size_t bytes, size_t room)
{
    const size_t begin = spaces_at(line, 0, bytes);
    const size_t command = command_at(line, bytes);
    size_t columns = begin;
    size_t gap = bytes;
    size_t word = bytes;

    for (size_t at = begin; at < bytes && at < command; at++) {
        const size_t spaces = at > begin && line[at - 1] != ' ' ? spaces_at(line, at, bytes) : 0;

        if (columns > room && (word < bytes || gap < bytes))
            break;
        if (spaces > 0 && at + spaces < bytes) {
            word = at;
            gap = spaces > 1 && columns > room / 2 ? at : gap;
        }
        columns += !bw_utf8_continues(line[at]);
    }
    return gap < bytes ? gap : word;
}

static void print_line(const char *line, size_t bytes, size_t columns, FILE *out)
{
    const size_t begin = spaces_at(line, 0, bytes);
    const size_t after_label = labeled_at(line, begin, bytes);
    const size_t wanted = after_label > 0 ? after_label : begin + 2;
    const size_t indent = wanted < INDENT_MAX ? wanted : INDENT_MAX;
    size_t before = 0; /* columns that the indent of this part takes */

    while (before + bw_utf8_columns(line, bytes) > columns) {
        const size_t cut = cut_of(line, bytes, columns - before);
        size_t next;

        if (cut == bytes)
            break;
        next = cut + spaces_at(line, cut, bytes);
        (void)fprintf(out, "%*s%.*s\n", (int)before, "", (int)cut, line);
        line += next;
        bytes -= next;
        before = indent;
    }
    (void)fprintf(out, "%*s%.*s", (int)before, "", (int)bytes, line);
}

void bw_wrap_end(struct bw_wrapped *wrapped)
{
    if (wrapped->stream == wrapped->out)
        return;
    if (fclose(wrapped->stream) != 0) /* memory ended: its verb says what it could not print */
        (void)fputs("(memory ended: the rest cannot be shown)\n", wrapped->out);
    for (const char *line = wrapped->text; line != NULL && *line != '\0';) {
        const size_t bytes = strcspn(line, "\n");

        print_line(line, bytes, wrapped->columns, wrapped->out);
        line += bytes;
        if (*line == '\n')
            (void)fputc(*line++, wrapped->out);
    }
    free(wrapped->text);
}
