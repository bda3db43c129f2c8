/* on_terminal.h - a program that asks a person, on a terminal of its own. Include it after cmocka.h. */
#ifndef TEST_ON_TERMINAL_H
#define TEST_ON_TERMINAL_H

#include <string.h>
#include <unistd.h>

/* Reads what it says, behind what is in `out`, until `word`, or its end (NULL: that alone). */
static inline void hear_until(int terminal, const char *word, char *out, size_t size)
{
    size_t used = strlen(out);
    ssize_t got = 1;

    while ((word == NULL || strstr(out, word) == NULL) && used + 1 < size && got > 0) {
        got = read(terminal, out + used, size - 1 - used);
        used += got > 0 ? (size_t)got : 0;
        out[used] = '\0';
    }
    if (word != NULL && strstr(out, word) == NULL)
        fail_msg("it never said \"%s\": %s", word, out);
}

#endif
