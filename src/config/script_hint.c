#include <breakwater/config/script_hint.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/config/site_config.h>

#define TEXT_BYTES_MAX (64 * 1024)
#define WORD_ENDS      " \t;|&(){}`\"'\n"

static const struct {
    const char *word;
    enum bw_script_hint_kind kind;
} elsewhere[] = {
    {"docker", BW_SCRIPT_HINT_CONTAINERS},  {"docker-compose", BW_SCRIPT_HINT_CONTAINERS},
    {"podman", BW_SCRIPT_HINT_CONTAINERS},  {"podman-compose", BW_SCRIPT_HINT_CONTAINERS},
    {"nerdctl", BW_SCRIPT_HINT_CONTAINERS}, {"crictl", BW_SCRIPT_HINT_ELSEWHERE},
    {"kubectl", BW_SCRIPT_HINT_ELSEWHERE},  {"oc", BW_SCRIPT_HINT_ELSEWHERE},
    {"helm", BW_SCRIPT_HINT_ELSEWHERE},     {"ssh", BW_SCRIPT_HINT_ELSEWHERE},
};

/* The next word of a line, its length in `*out_length`; 0: there is none. */
static const char *next_word(const char *at, size_t *out_length)
{
    while (*at != '\0' && *at != '\n' && strchr(WORD_ENDS, *at) != NULL)
        at++;
    *out_length = strcspn(at, WORD_ENDS);
    return at;
}

static bool is_word(const char *word, size_t length, const char *wanted)
{
    return strlen(wanted) == length && strncmp(word, wanted, length) == 0;
}

/* As systemd names units: what else is there is a variable, or not meant for people. */
static bool is_plain(const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr("$*?[]\\<>=#,", word[i]) != NULL || (unsigned char)word[i] <= 0x20 ||
            (unsigned char)word[i] >= 0x7f)
            return false;
    return true;
}

/* Behind `systemctl`: a start, and of what, where that is written plainly. */
static bool read_unit(const char *at, struct bw_script_hint *hint)
{
    bool starts = false;
    size_t length;

    for (at = next_word(at, &length); length > 0; at = next_word(at + length, &length)) {
        if (at[0] == '-')
            continue;
        if (!starts) {
            starts = is_word(at, length, "start") || is_word(at, length, "restart") ||
                     is_word(at, length, "reload-or-restart") || is_word(at, length, "enable");
            if (!starts)
                return false;
            continue;
        }
        if (is_plain(at, length) && length + sizeof ".service" <= sizeof hint->unit)
            (void)snprintf(hint->unit, sizeof hint->unit, "%.*s%s", (int)length, at,
                           memchr(at, '.', length) == NULL ? ".service" : "");
        return true;
    }
    return starts;
}

/* A path before the name of a program says nothing. */
static const char *base_of(const char *word, size_t *length)
{
    for (size_t i = *length; i > 0; i--)
        if (word[i - 1] == '/') {
            *length -= i;
            return word + i;
        }
    return word;
}

static bool read_line(const char *line, struct bw_script_hint *hint)
{
    size_t length;
    size_t base_length;

    for (const char *at = next_word(line, &length); length > 0; at = next_word(at + length, &length)) {
        const char *base;

        if (at[0] == '#')
            return false;
        base_length = length;
        base = base_of(at, &base_length);
        if (is_word(base, base_length, "systemctl") && read_unit(at + length, hint)) {
            hint->kind = BW_SCRIPT_HINT_UNIT;
            (void)bw_copy_text(hint->word, sizeof hint->word, "systemctl"); /* fits */
            return true;
        }
        for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
            if (!is_word(base, base_length, elsewhere[i].word))
                continue;
            hint->kind = elsewhere[i].kind;
            (void)bw_copy_text(hint->word, sizeof hint->word, elsewhere[i].word); /* fits */
            return true;
        }
    }
    return false;
}

struct bw_script_hint bw_script_hint_of(const char *text)
{
    struct bw_script_hint hint = {.line = 1};

    for (const char *line = text; line != NULL; hint.line++) {
        if (read_line(line, &hint))
            return hint;
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return (struct bw_script_hint){.kind = BW_SCRIPT_HINT_NONE};
}

struct bw_script_hint bw_script_hint_read(const char *file)
{
    struct bw_script_hint hint = {.kind = BW_SCRIPT_HINT_NONE};
    char *text = malloc(TEXT_BYTES_MAX + 1);
    const int fd = text == NULL ? -1 : bw_script_file_open(file);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");

    if (stream != NULL) {
        const size_t size = fread(text, 1, TEXT_BYTES_MAX, stream);

        for (size_t i = 0; i < size; i++)
            if (text[i] == '\0')
                text[i] = ' '; /* a program, not a text: then nothing is found in it */
        text[size] = '\0';
        hint = bw_script_hint_of(text);
        (void)fclose(stream); /* read only */
    } else if (fd >= 0) {
        (void)close(fd);
    }
    free(text);
    return hint;
}
