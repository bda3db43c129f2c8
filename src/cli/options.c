#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

/* ---- mistyped words ---- */

#define WORD_MAX 32 /* longer words get no suggestion */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment (Damerau-Levenshtein with one edit per place). */
static size_t distance(const char *a, const char *b)
{
    const size_t a_length = strlen(a);
    const size_t b_length = strlen(b);
    size_t rows[WORD_MAX + 1][WORD_MAX + 1];

    if (a_length > WORD_MAX || b_length > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= a_length; i++)
        rows[i][0] = i;
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        for (size_t j = 1; j <= b_length; j++) {
            const size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;

            rows[i][j] = smaller(smaller(rows[i - 1][j], rows[i][j - 1]) + 1,
                                 rows[i - 1][j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                rows[i][j] = smaller(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    }
    return rows[a_length][b_length];
}

void bw_suggestion_consider(struct bw_suggestion *suggestion, const char *candidate)
{
    const size_t found = distance(suggestion->word, candidate);

    if (found > 1 + strlen(candidate) / 4)
        return;
    if (suggestion->best != NULL && found >= suggestion->best_distance)
        return;
    suggestion->best = candidate;
    suggestion->best_distance = found;
}

/* ---- exit status ---- */

enum bw_exit bw_exit_of_err(enum bw_err err)
{
    switch (err) {
    case BW_OK:
        return BW_EXIT_FINE;
    case BW_ERR_REFUSED:
        return BW_EXIT_UNSAFE;
    case BW_ERR_NOT_LEADER:
    case BW_ERR_UNREACHABLE:
    case BW_ERR_TIMEOUT:
        return BW_EXIT_NO_QUORUM;
    case BW_ERR_UNKNOWN:
        return BW_EXIT_UNKNOWN;
    case BW_ERR_INVALID:
    case BW_ERR_CORRUPT:
    case BW_ERR_LIMIT:
    case BW_ERR_NOMEM:
    case BW_ERR_IO:
    case BW_ERR_NOT_FOUND:
    case BW_ERR_EXISTS:
    case BW_ERR_BUSY:
    case BW_ERR_STALE:
    case BW_ERR_AUTH:
    case BW_ERR_CANCELED:
    case BW_ERR_NO_ROOM:
    case BW_ERR_OUTDATED:
    case BW_ERR_VERSION:
        return BW_EXIT_FAILED;
    }
    return BW_EXIT_FAILED;
}

/* ---- verbs with parts ---- */

/* Words of before, and others that people try. What is written is `word`. Where a command has the option `word`, it
 * takes `other` too. */
static const struct {
    const char *word;
    const char *other;
} other_words[] = {
    {"confirm-fenced", "force-release"}, {"transfer-leader", "lead"}, {"gate", "can-run"},
    {"enter", "exec"},                   {"condition", "loop-check"}, {"standalone", "legacy-loop"},
}, other_options[] = {
    {"service-is-stopped", "holder-is-off"}, {"stop", "end"}, {"skip", "without"}, {"plan", "dry-run"},
};
#define OTHER_OPTIONS (sizeof other_options / sizeof other_options[0])

const char *bw_word_meant(const char *typed)
{
    for (size_t i = 0; i < sizeof other_words / sizeof other_words[0]; i++)
        if (strcmp(typed, other_words[i].other) == 0)
            return other_words[i].word;
    return typed;
}

static const char *word_of(const struct bw_part *part)
{
    return strchr(part->command->name, ' ') + 1;
}

static int verb_length(const struct bw_part *parts)
{
    return (int)strcspn(parts->command->name, " ");
}

static void print_help(const struct bw_part *parts, size_t count, FILE *out)
{
    (void)fprintf(out, "usage: breakwater %.*s ", verb_length(parts), parts->command->name);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "%s%s", i > 0 ? "|" : "", word_of(&parts[i]));
    (void)fputs(" [ARGUMENT]...\n\n", out);
    for (size_t i = 0; i < count; i++) {
        bw_options_print_help(parts[i].command, out);
        (void)fputs(i + 1 < count ? "\n" : "", out);
    }
}

enum bw_exit bw_parts_run(const struct bw_part *parts, size_t count, int argc, char **argv)
{
    const char *verb = parts->command->name;
    struct bw_suggestion suggestion = {.word = argc < 2 ? "" : argv[1]};

    if (argc < 2) {
        print_help(parts, count, stderr);
        return BW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(parts, count, stdout);
        return BW_EXIT_FINE;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(bw_word_meant(argv[1]), word_of(&parts[i])) == 0)
            return parts[i].run(argc - 1, argv + 1);
        bw_suggestion_consider(&suggestion, word_of(&parts[i]));
    }
    (void)fprintf(stderr, "error: %.*s: unknown \"%s\"", verb_length(parts), verb, argv[1]);
    if (suggestion.best != NULL)
        (void)fprintf(stderr, " (did you mean \"%s\"?)", suggestion.best);
    (void)fprintf(stderr, "\n  see:  breakwater %.*s --help\n", verb_length(parts), verb);
    return BW_EXIT_USAGE;
}

/* ---- options ---- */

#define HELP_VALUE   1000 /* getopt's values are BASE + row; letters are below */
#define VALUE_BASE   1001
#define HELP_COLUMN  30
#define SPELLING_MAX 64

/* The table in getopt's form. */
struct tables {
    struct option longs[BW_OPTIONS_MAX + OTHER_OPTIONS + 2];
    char shorts[3 * BW_OPTIONS_MAX + 4];
    size_t count;
};

static void add_other_options(struct tables *tables)
{
    const size_t rows = tables->count;
    size_t used = rows;

    for (size_t i = 0; i < OTHER_OPTIONS; i++)
        for (size_t row = 0; row < rows; row++)
            if (strcmp(tables->longs[row].name, other_options[i].word) == 0) {
                tables->longs[used] = tables->longs[row];
                tables->longs[used++].name = other_options[i].other;
            }
    tables->longs[used] = (struct option){"help", no_argument, NULL, HELP_VALUE};
}

static void build_tables(const struct bw_cli_command *command, struct tables *tables)
{
    size_t used = 0;
    size_t row;

    memset(tables, 0, sizeof *tables);
    tables->shorts[used++] = ':'; /* tell a missing argument from an unknown option */
    tables->shorts[used++] = 'h';
    for (row = 0; command->options[row].name != NULL; row++) {
        const struct bw_option *option = &command->options[row];
        const int has_argument = option->argument == NULL                    ? no_argument
                                 : option->kind == BW_OPTION_KIND_MAYBE ? optional_argument
                                                                        : required_argument;

        BW_ASSERT(row < BW_OPTIONS_MAX);
        tables->longs[row] = (struct option){option->name, has_argument, NULL,
                                             VALUE_BASE + (int)row};
        if (option->letter == '\0')
            continue;
        tables->shorts[used++] = option->letter;
        if (option->argument != NULL)
            tables->shorts[used++] = ':';
        if (option->kind == BW_OPTION_KIND_MAYBE)
            tables->shorts[used++] = ':'; /* "x::": only with its letter, -x2s */
    }
    tables->count = row;
    add_other_options(tables);
}

/* The table's row for what getopt returned or complained about; NULL when there is none. */
static const struct bw_option *find_option(const struct bw_cli_command *command, int value)
{
    for (size_t row = 0; command->options[row].name != NULL; row++) {
        const struct bw_option *option = &command->options[row];

        if (value == VALUE_BASE + (int)row || (option->letter != '\0' && value == option->letter))
            return option;
    }
    return NULL;
}

static bool parse_number(const char *text, const struct bw_option *option, uint64_t *out)
{
    char *end;
    unsigned long long value;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < option->min || value > option->max)
        return false;
    *out = value;
    return true;
}

static bool add_item(struct bw_option_list *list, const char *item)
{
    if (list->count == BW_OPTION_LIST_MAX)
        return false;
    list->items[list->count++] = item;
    return true;
}

/* Stores one value. False after a message. */
static bool store(const struct bw_cli_command *command, const struct bw_option *option,
                  const char *text, void *values)
{
    void *member = (char *)values + option->offset;

    switch (option->kind) {
    case BW_OPTION_KIND_FLAG:
        *(bool *)member = true;
        return true;
    case BW_OPTION_KIND_TEXT:
        *(const char **)member = text;
        return true;
    case BW_OPTION_KIND_MAYBE:
        *(const char **)member = text == NULL ? "" : text;
        return true;
    case BW_OPTION_KIND_LIST:
        if (add_item(member, text))
            return true;
        (void)bw_usage_error(command, "--%s: given more than %d times", option->name,
                             BW_OPTION_LIST_MAX);
        return false;
    case BW_OPTION_KIND_NUMBER:
        if (parse_number(text, option, member))
            return true;
        (void)bw_usage_error(command,
                             "--%s %s: expected a whole number from %" PRIu64 " to %" PRIu64,
                             option->name, text, option->min, option->max);
        return false;
    case BW_OPTION_KIND_OUTPUT:
        if (strcmp(text, "table") == 0 || strcmp(text, "json") == 0) {
            *(enum bw_output *)member = text[0] == 't' ? BW_OUTPUT_TABLE : BW_OUTPUT_JSON;
            return true;
        }
        (void)bw_usage_error(command, "--%s %s: expected table or json", option->name, text);
        return false;
    }
    return false;
}

/* getopt met something that is not in the table (also: an ambiguous beginning). */
static void complain_unknown(const struct bw_cli_command *command, const char *text)
{
    struct bw_suggestion suggestion = {0};
    char word[SPELLING_MAX];

    if (strncmp(text, "--", 2) != 0) {
        (void)bw_usage_error(command, "unknown option -%c", optopt);
        return;
    }
    if (optopt == HELP_VALUE || find_option(command, optopt) != NULL) {
        (void)bw_usage_error(command, "%s: takes no value", text);
        return;
    }
    (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(text + 2, "="), text + 2);
    suggestion.word = word;
    for (size_t row = 0; command->options[row].name != NULL; row++)
        bw_suggestion_consider(&suggestion, command->options[row].name);
    bw_suggestion_consider(&suggestion, "help");
    if (suggestion.best != NULL)
        (void)bw_usage_error(command, "unknown option --%s (did you mean --%s?)", word,
                             suggestion.best);
    else
        (void)bw_usage_error(command, "unknown option --%s", word);
}

static bool check_operands(const struct bw_cli_command *command, const struct bw_operands *operands)
{
    if (operands->count < command->operands_min) {
        (void)bw_usage_error(command, "expected %s", command->operands);
        return false;
    }
    if (operands->count > command->operands_max) {
        (void)bw_usage_error(command, "unexpected \"%s\"", operands->items[command->operands_max]);
        return false;
    }
    return true;
}

bool bw_options_parse(const struct bw_cli_command *command, int argc, char **argv, void *out_values,
                      struct bw_operands *out_operands, enum bw_exit *out_exit)
{
    struct tables tables;
    int value;

    build_tables(command, &tables);
    opterr = 0;
    optind = 0; /* glibc: begin anew */
    *out_exit = BW_EXIT_USAGE;
    while ((value = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
        const struct bw_option *option = find_option(command, value);

        if (value == HELP_VALUE || value == 'h') {
            bw_options_print_help(command, stdout);
            *out_exit = BW_EXIT_FINE;
            return false;
        }
        if (value == ':') {
            (void)bw_usage_error(command, "%s: expects a value", argv[optind - 1]);
            return false;
        }
        if (option == NULL) {
            complain_unknown(command, argv[optind > 0 ? optind - 1 : 0]);
            return false;
        }
        if (!store(command, option, optarg, out_values))
            return false;
    }
    out_operands->items = argv + optind;
    out_operands->count = (size_t)(argc - optind);
    return check_operands(command, out_operands);
}

static void print_option(const struct bw_option *option, FILE *out)
{
    char spelling[SPELLING_MAX];
    char letter[8] = "    ";

    if (option->letter != '\0')
        (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
    (void)snprintf(spelling, sizeof spelling, "%s--%s%s%s%s", letter, option->name,
                   option->argument == NULL             ? ""
                   : option->kind == BW_OPTION_KIND_MAYBE ? "[="
                                                          : " ",
                   option->argument == NULL ? "" : option->argument,
                   option->kind == BW_OPTION_KIND_MAYBE ? "]" : "");
    if (strlen(spelling) + 2 > HELP_COLUMN)
        (void)fprintf(out, "  %s\n  %*s%s\n", spelling, HELP_COLUMN, "", option->help);
    else
        (void)fprintf(out, "  %-*s%s\n", HELP_COLUMN, spelling, option->help);
}

static const char *program_of(const struct bw_cli_command *command)
{
    return command->program != NULL ? command->program : "breakwater";
}

void bw_options_print_help(const struct bw_cli_command *command, FILE *out)
{
    static const struct bw_option help = {.name = "help", .letter = 'h', .help = "print this"};

    (void)fprintf(out, "usage: %s %s%s%s [OPTION]...\n\n%s\n\noptions:\n",
                  program_of(command), command->name,
                  command->operands[0] == '\0' ? "" : " ", command->operands, command->help);
    for (size_t row = 0; command->options[row].name != NULL; row++)
        print_option(&command->options[row], out);
    print_option(&help, out);
}

enum bw_exit bw_usage_error(const struct bw_cli_command *command, const char *format, ...)
{
    va_list args;

    (void)fprintf(stderr, "error: %s: ", command->name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\n  see:  %s %s --help\n", program_of(command), command->name);
    return BW_EXIT_USAGE;
}

enum bw_exit bw_daemon_verb(const struct bw_cli_command *command, int argc, char **argv,
                            const char *needs, enum bw_daemon_end (*run)(const char *config_file))
{
    struct bw_daemon_values values = {0};
    struct bw_operands operands;
    enum bw_exit status;

    if (!bw_options_parse(command, argc, argv, &values, &operands, &status))
        return status;
    if (values.config == NULL)
        return bw_usage_error(command, "%s", needs);
    switch (run(values.config)) {
    case BW_DAEMON_STOPPED:
        return BW_EXIT_FINE;
    case BW_DAEMON_CONFIG:
        return BW_EXIT_CONFIG;
    case BW_DAEMON_RESTART:
        return BW_EXIT_RESTART;
    }
    return BW_EXIT_FAILED;
}
