/* wrap.h - what people read, in lines that fit their screen. Design 5.2. */
#ifndef BW_CLI_WRAP_H
#define BW_CLI_WRAP_H

#include <stddef.h>
#include <stdio.h>

/* Unless COLUMNS (POSIX, environment) is another number, from MIN to MAX. */
#define BW_SCREEN_COLUMNS     80
#define BW_SCREEN_COLUMNS_MIN 40
#define BW_SCREEN_COLUMNS_MAX 10000

/* Text that is written to `stream` until it ends, and then to `out`. */
struct bw_wrapped {
    FILE *stream;
    FILE *out;
    char *text;
    size_t size;
    size_t columns;
};

/* Where memory is short, `stream` is `out` itself, and nothing is wrapped. */
void bw_wrap_begin(struct bw_wrapped *wrapped, FILE *out);
/* Longer lines go on in the next one, two columns further in than they began: behind the last gap
 * of two columns that fits, else between two words. A command of ours at the end of a line is one
 * word, so that it can be copied: it has a line of its own, and is the only thing that may be
 * longer than the screen. */
void bw_wrap_end(struct bw_wrapped *wrapped);

#endif
