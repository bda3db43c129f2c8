/* advice.h - the commands that the error of a witness whose disk is lost tells a person to type. Include it after
 * cmocka.h. */
#ifndef BW_TEST_ADVICE_H
#define BW_TEST_ADVICE_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TYPED_MAX 4

/* What a person reads there: commands to type in this order, and one that prints an id (in quotes). */
struct advice {
    char typed[TYPED_MAX][128];
    unsigned typed_count;
    char prints_id[128];
};

#define OF_USER "breakwater --)"

/* Of the part of the text that is about a disk that is lost. */
static inline void read_advice(const char *text, struct advice *advice)
{
    const char *at = strstr(text, "it is lost");

    *advice = (struct advice){0};
    assert_non_null(at);
    while ((at = strstr(at, "breakwater ")) != NULL) {
        const bool is_quoted = at[-1] == '`';
        const size_t size = strcspn(at, ";(`\"\n");
        char *into = is_quoted ? advice->prints_id : advice->typed[advice->typed_count];

        assert_true(advice->typed_count < TYPED_MAX && size < sizeof advice->typed[0]);
        if (strncmp(at, OF_USER, strlen(OF_USER)) == 0) { /* as whom, and no command */
            at += strlen(OF_USER);
            continue;
        }
        (void)snprintf(into, sizeof advice->typed[0], "%.*s", (int)size, at);
        advice->typed_count += !is_quoted;
        at += size;
    }
}

/* What stands for what a person fills in: a word in capitals. */
static inline bool is_placeholder(const char *word)
{
    for (; *word != '\0'; word++)
        if (!isupper((unsigned char)*word))
            return false;
    return true;
}

#endif
