#include "suggest.h"

#include <string.h>

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
