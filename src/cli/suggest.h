/* suggest.h - "did you mean ...?" for a mistyped word. Pure. */
#ifndef BW_CLI_SUGGEST_H
#define BW_CLI_SUGGEST_H

#include <stddef.h>

/* Keeps the candidate nearest to one word. Start with {.word = word}. */
struct bw_suggestion {
    const char *word;
    const char *best; /* NULL: nothing near enough */
    size_t best_distance;
};

/* Compares one more candidate, which is kept by pointer. Near enough is an edit distance of at most
 * 1 + length/4 (of the candidate), where swapping two neighbours counts as one edit. */
void bw_suggestion_consider(struct bw_suggestion *suggestion, const char *candidate);

#endif
