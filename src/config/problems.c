#include <breakwater/config/problems.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/utf8.h>
#include <breakwater/obs/log.h>

#define LISTED_BOTH_MAX (2 * BW_PROBLEMS_LISTED_MAX)

void bw_problems_init(struct bw_problems *problems)
{
    *problems = (struct bw_problems){0};
}

void bw_problems_deinit(struct bw_problems *problems)
{
    if (problems == NULL)
        return;
    for (uint32_t i = 0; i < problems->file_count; i++)
        free(problems->files[i]);
    free(problems->files);
    free(problems->listed);
    bw_problems_init(problems);
}

uint32_t bw_problems_file(struct bw_problems *problems, const char *file)
{
    for (uint32_t i = 0; i < problems->file_count; i++) {
        if (strcmp(problems->files[i], file) == 0)
            return i;
    }
    problems->files = reallocarray(problems->files, problems->file_count + 1,
                                   sizeof *problems->files);
    BW_ASSERT(problems->files != NULL);
    problems->files[problems->file_count] = strdup(file);
    BW_ASSERT(problems->files[problems->file_count] != NULL);
    return problems->file_count++;
}

struct bw_problem *bw_problems_add(struct bw_problems *problems, bool is_warning)
{
    uint32_t *count = is_warning ? &problems->warning_count : &problems->error_count;
    struct bw_problem *problem;

    (*count)++;
    if (*count > BW_PROBLEMS_LISTED_MAX)
        return NULL;
    if (problems->listed == NULL) {
        problems->listed = calloc(LISTED_BOTH_MAX, sizeof *problems->listed);
        BW_ASSERT(problems->listed != NULL);
    }
    BW_ASSERT(problems->listed_count < LISTED_BOTH_MAX);
    problem = &problems->listed[problems->listed_count];
    problem->is_warning = is_warning;
    problem->serial = problems->listed_count++;
    return problem;
}

void bw_problems_add_file(struct bw_problems *problems, bool is_warning, const char *file,
                          const char *format, ...)
{
    va_list args;
    uint32_t index = bw_problems_file(problems, file);
    struct bw_problem *problem = bw_problems_add(problems, is_warning);

    if (problem == NULL)
        return;
    problem->file = index;
    va_start(args, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, args); /* bounded by its paths */
    va_end(args);
}

static int compare(const void *left, const void *right)
{
    const struct bw_problem *a = left;
    const struct bw_problem *b = right;

    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return a->serial < b->serial ? -1 : 1;
}

/* A failed write stays in ferror(out), here and below. The source line and the caret under it. Tabs
 * before the caret stay tabs, so that both lines meet whatever the tab width. */
static void print_excerpt(const struct bw_problem *problem, FILE *out)
{
    uint32_t column = 1;

    (void)fprintf(out, "%5" PRIu32 " |%s%s\n      | ", problem->line,
                  problem->excerpt[0] != '\0' ? " " : "", problem->excerpt);
    for (const char *p = problem->excerpt; *p != '\0' && column < problem->excerpt_column; p++) {
        if (bw_utf8_continues(*p))
            continue; /* the rest of a character */
        (void)fputc(*p == '\t' ? '\t' : ' ', out);
        column++;
    }
    for (; column < problem->excerpt_column; column++)
        (void)fputc(' ', out);
    (void)fputc('^', out);
    for (uint32_t i = 1; i < problem->width; i++)
        (void)fputc('~', out);
    (void)fputc('\n', out);
}

static void print_problem(const struct bw_problems *problems, const struct bw_problem *problem,
                          FILE *out)
{
    const char *file = problems->files[problem->file];
    const char *word = problem->is_warning ? "warning" : "error";

    if (problem->line == 0) {
        (void)fprintf(out, "%s: %s: %s\n", file, word, problem->text);
        return;
    }
    (void)fprintf(out, "%s:%" PRIu32 ":%" PRIu32 ": %s: %s\n", file, problem->line, problem->column,
                  word, problem->text);
    print_excerpt(problem, out);
}

static void print_unlisted(uint32_t count, const char *what, FILE *out)
{
    if (count > BW_PROBLEMS_LISTED_MAX)
        (void)fprintf(out, "%" PRIu32 " more %s are not listed\n", count - BW_PROBLEMS_LISTED_MAX,
                      what);
}

static void print_all(const struct bw_problems *problems, const char *consequence, FILE *out)
{
    uint32_t first_file = UINT32_MAX;
    uint32_t files = 0;

    for (uint32_t i = 0; i < problems->listed_count; i++) {
        const struct bw_problem *problem = &problems->listed[i];

        print_problem(problems, problem, out);
        if (problem->is_warning || (files > 0 && problem->file == first_file))
            continue;
        if (files++ == 0)
            first_file = problem->file;
    }
    print_unlisted(problems->error_count, "errors", out);
    print_unlisted(problems->warning_count, "warnings", out);
    if (problems->error_count == 0)
        return;
    (void)fprintf(out, "%" PRIu32 " problem%s in ", problems->error_count,
                  problems->error_count == 1 ? "" : "s");
    if (files == 1)
        (void)fprintf(out, "%s; %s\n", problems->files[first_file], consequence);
    else
        (void)fprintf(out, "several files; %s\n", consequence);
}

static void sort(struct bw_problems *problems)
{
    if (problems->listed_count > 0) /* else there is no list */
        qsort(problems->listed, problems->listed_count, sizeof *problems->listed, compare);
}

void bw_problems_print(struct bw_problems *problems, const char *consequence, FILE *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *whole;

    if (problems->listed_count == 0)
        return;
    sort(problems);
    whole = open_memstream(&text, &size);
    if (whole == NULL) { /* out of memory: in pieces, then */
        print_all(problems, consequence, out);
        return;
    }
    print_all(problems, consequence, whole);
    if (fclose(whole) == 0)
        (void)fwrite(text, 1, size, out);
    else
        print_all(problems, consequence, out);
    free(text);
}

static void log_problem(const struct bw_problems *problems, const struct bw_problem *problem,
                        struct bw_log *log)
{
    const char *file = problems->files[problem->file];
    char at[BW_LOG_LINE_BYTES_MAX];

    if (problem->line == 0)
        (void)snprintf(at, sizeof at, "%s", file); /* no path is longer */
    else
        (void)snprintf(at, sizeof at, "%s:%" PRIu32 ":%" PRIu32, file, problem->line, problem->column);
    bw_log_write(log, problem->is_warning ? BW_LOG_WARN : BW_LOG_ERROR, "config.problem",
                 "error=%s at=%s", bw_log_quote(problem->text), bw_log_quote(at));
}

static void log_unlisted(uint32_t count, enum bw_log_level level, struct bw_log *log)
{
    if (count > BW_PROBLEMS_LISTED_MAX)
        bw_log_write(log, level, "config.problem", "mistakes=%" PRIu32 " error=\"more are not listed\"",
                     count - BW_PROBLEMS_LISTED_MAX);
}

void bw_problems_log(struct bw_problems *problems, struct bw_log *log)
{
    sort(problems);
    for (uint32_t i = 0; i < problems->listed_count; i++)
        log_problem(problems, &problems->listed[i], log);
    log_unlisted(problems->error_count, BW_LOG_ERROR, log);
    log_unlisted(problems->warning_count, BW_LOG_WARN, log);
}
