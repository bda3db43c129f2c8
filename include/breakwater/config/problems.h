/* problems.h - what is wrong with a configuration file, all at once, for the person who wrote it.
 *
 * Each problem is one line `file:line:col: error: path: text`, then the source line and a caret
 * under what is meant. One thread at a time. */
#ifndef BW_CONFIG_PROBLEMS_H
#define BW_CONFIG_PROBLEMS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <breakwater/base/err.h>

#define BW_PROBLEMS_LISTED_MAX 50 /* errors, and as many warnings; further ones are counted */
#define BW_PROBLEM_TEXT_BYTES 1024 /* a longer text ends in "..." */
#define BW_PROBLEM_EXCERPT_BYTES 384

struct bw_problem {
    bool is_warning;
    uint32_t file;       /* index of the file; a configuration may name a second one */
    uint32_t line;       /* from 1; 0: the file as a whole */
    uint32_t column;     /* from 1, in characters */
    uint32_t width;      /* characters that the caret underlines, at least 1 */
    uint32_t serial;     /* order of finding: breaks ties of line and column */
    char text[BW_PROBLEM_TEXT_BYTES];
    char excerpt[BW_PROBLEM_EXCERPT_BYTES]; /* the source line, or its part around the column */
    uint32_t excerpt_column;                /* where the caret goes in it, from 1 */
};

struct bw_problems {
    struct bw_problem *listed;
    uint32_t listed_count;
    uint32_t error_count;   /* all, listed or not */
    uint32_t warning_count; /* all, listed or not */
    char **files;
    uint32_t file_count;
};

/* Empty; needs no memory yet. */
void bw_problems_init(struct bw_problems *problems);
/* Accepts NULL; afterwards it is empty again. */
void bw_problems_deinit(struct bw_problems *problems);

/* The number of a file, by the name under which people know it; the same name, the same number. */
uint32_t bw_problems_file(struct bw_problems *problems, const char *file);

/* Counts a problem. NULL: enough of its kind are listed. Otherwise the place to describe it in,
 * valid until the next call; `is_warning` and `serial` are set. */
struct bw_problem *bw_problems_add(struct bw_problems *problems, bool is_warning);

/* Notes a problem of a file as a whole (it cannot be opened, it is too large, it is empty). */
void bw_problems_add_file(struct bw_problems *problems, bool is_warning, const char *file,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Writes them in the order of the files, lines and columns, then, with any error,
 * "N problems in FILE; CONSEQUENCE". `consequence`: what breakwater did about it, such as "nothing
 * was started" or "nothing was changed". Writes nothing where there is nothing, and all at once. Waits for whoever reads
 * `out`: not for a daemon that runs. A failed write stays in ferror(out), for the caller. */
void bw_problems_print(struct bw_problems *problems, const char *consequence, FILE *out);

struct bw_log;
/* In the same order, each a line of the log: what a daemon found that read its file again. On the log's thread. */
void bw_problems_log(struct bw_problems *problems, struct bw_log *log);

#endif
