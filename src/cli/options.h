/* options.h - the arguments of a verb: options, parts, a word that was mistyped; and its exit status. */
#ifndef BW_CLI_OPTIONS_H
#define BW_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <breakwater/base/err.h>

/* What the program's exit status says. Design 5.2. */

/* X(NAME, status, "meaning"): `breakwater help` prints it, and deploy/man/reference writes breakwater(1) from it. From 70 on
 * they are those of daemons (sysexits.h). */
#define BW_EXIT_LIST(X)                                                                                                \
    X(FINE, 0, "success")                                                                                              \
    X(FAILED, 1, "failure")                                                                                            \
    X(USAGE, 2, "wrong usage")                                                                                         \
    X(WARNINGS, 3, "success, but something needs attention")                                                           \
    X(NO_SITE, 4, "a group lacks a primary")                                                                           \
    X(NO_QUORUM, 5, "the quorum is lost, or all witnesses are silent")                                                 \
    X(UNSAFE, 6, "refused as unsafe")                                                                                  \
    X(UNKNOWN, 7, "timed out with unknown result: see `breakwater history`")                                           \
    X(OPERATOR, 70, "a daemon stopped, and an operator has to act")                                                    \
    X(RESTART, 75, "a daemon stopped, and has to be restarted")                                                        \
    X(CONFIG, 78, "a daemon did not start: the configuration is invalid")
enum bw_exit {
#define X(name, status, meaning) BW_EXIT_##name = status,
    BW_EXIT_LIST(X)
#undef X
};

/* The status of a command that ended with `err`. BW_ERR_TIMEOUT is BW_EXIT_NO_QUORUM: a command
 * that may have changed something reports BW_ERR_UNKNOWN instead. */
enum bw_exit bw_exit_of_err(enum bw_err err);

enum bw_option_kind {
    BW_OPTION_KIND_FLAG,   /* bool, becomes true */
    BW_OPTION_KIND_TEXT,   /* const char *, from argv; the last one counts */
    BW_OPTION_KIND_LIST,   /* struct bw_option_list, in order */
    BW_OPTION_KIND_NUMBER, /* uint64_t within [min, max], decimal */
    BW_OPTION_KIND_OUTPUT, /* enum bw_output */
    BW_OPTION_KIND_MAYBE,  /* const char *: --watch gives "", --watch=2s gives "2s" */
};

enum bw_output { BW_OUTPUT_TABLE, BW_OUTPUT_JSON };

#define BW_OPTION_LIST_MAX 32
struct bw_option_list {
    const char *items[BW_OPTION_LIST_MAX]; /* from argv */
    size_t count;
};

#define BW_OPTIONS_MAX 32 /* rows of one table */
struct bw_option {
    const char *name;     /* "days": --days; NULL ends the table */
    char letter;          /* 'o': -o; 0: none */
    const char *argument; /* what help calls its value; NULL for a flag */
    const char *help;     /* one line, lower case, no full stop */
    enum bw_option_kind kind;
    size_t offset; /* of the member in the command's struct */
    uint64_t min;  /* of a number */
    uint64_t max;
};

#define BW_OPTION_FLAG(type, member, name, letter, help)                                           \
    {                                                                                              \
        name, letter, NULL, help, BW_OPTION_KIND_FLAG, offsetof(type, member), 0, 0                \
    }
#define BW_OPTION_TEXT(type, member, name, letter, argument, help)                                 \
    {                                                                                              \
        name, letter, argument, help, BW_OPTION_KIND_TEXT, offsetof(type, member), 0, 0            \
    }
#define BW_OPTION_LIST(type, member, name, letter, argument, help)                                 \
    {                                                                                              \
        name, letter, argument, help, BW_OPTION_KIND_LIST, offsetof(type, member), 0, 0            \
    }
#define BW_OPTION_NUMBER(type, member, name, letter, argument, min, max, help)                     \
    {                                                                                              \
        name, letter, argument, help, BW_OPTION_KIND_NUMBER, offsetof(type, member), min, max      \
    }
#define BW_OPTION_MAYBE(type, member, name, letter, argument, help)                                \
    {                                                                                              \
        name, letter, argument, help, BW_OPTION_KIND_MAYBE, offsetof(type, member), 0, 0           \
    }
#define BW_OPTION_OUTPUT(type, member)                                                             \
    {                                                                                              \
        "output", 'o', "table|json", "output format (table)", BW_OPTION_KIND_OUTPUT,               \
            offsetof(type, member), 0, 0                                                           \
    }
#define BW_OPTIONS_END                                                                             \
    {                                                                                              \
        NULL, 0, NULL, NULL, BW_OPTION_KIND_FLAG, 0, 0, 0                                          \
    }

/* One command, or one sub-command such as `pki issue`. */
struct bw_cli_command {
    const char *program;  /* "breakwater-chaos"; NULL: breakwater */
    const char *name;     /* "pki issue" */
    const char *operands; /* "ROLE/NAME|agent/SITE/NAME"; "" when there are none */
    size_t operands_min;
    size_t operands_max;
    const char *help; /* a sentence or a few, for --help; lines of at most 80 bytes */
    const struct bw_option *options;
};

/* What to do after parsing. */
struct bw_operands {
    char **items; /* within argv */
    size_t count;
};

/* Parse argv (argv[0] is skipped) into `out_values`, the command's struct, which the caller has
 * filled with the defaults. True: run it. False: end with `*out_exit`; help was printed to stdout,
 * or the mistake and the next step to stderr. */
bool bw_options_parse(const struct bw_cli_command *command, int argc, char **argv, void *out_values,
                      struct bw_operands *out_operands, enum bw_exit *out_exit);

/* Usage, help and the options of `command`. */
void bw_options_print_help(const struct bw_cli_command *command, FILE *out);

/* One "error: ..." line (and a line of help on usage) to stderr; returns BW_EXIT_USAGE. */
enum bw_exit bw_usage_error(const struct bw_cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What each daemon takes; its options are of this struct. */
struct bw_daemon_values {
    const char *config;
};
/* Parses, and runs the daemon of the file that was named; `needs`: the mistake of naming none. */
enum bw_exit bw_daemon_verb(const struct bw_cli_command *command, int argc, char **argv,
                            const char *needs, enum bw_daemon_end (*run)(const char *config_file));

/* "did you mean ...?" for a mistyped word. Pure. */

/* Keeps the candidate nearest to one word. Start with {.word = word}. */
struct bw_suggestion {
    const char *word;
    const char *best; /* NULL: nothing near enough */
    size_t best_distance;
};

/* Compares one more candidate, which is kept by pointer. Near enough is an edit distance of at most
 * 1 + length/4 (of the candidate), where swapping two neighbours counts as one edit. */
void bw_suggestion_consider(struct bw_suggestion *suggestion, const char *candidate);

/* A verb that has parts and does nothing by itself: `breakwater pki init|issue|...`. */

struct bw_part {
    const struct bw_cli_command *command;       /* its name is "VERB PART" */
    enum bw_exit (*run)(int argc, char **argv); /* argv[0] is PART */
};

/* The verb, or the part of one, that a former or another word for it means; else what was typed. */
const char *bw_word_meant(const char *typed);

/* Runs the part that argv[1] names. None: the help of all; no such part: says so, and which is
 * near. */
enum bw_exit bw_parts_run(const struct bw_part *parts, size_t count, int argc, char **argv);

#endif
