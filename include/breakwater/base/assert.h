/* assert.h - facts that we can prove. Stays on in release builds: a dead process is no worse than
 * an unplugged one. Never for facts about the outside world. */
#ifndef BW_BASE_ASSERT_H
#define BW_BASE_ASSERT_H

#define BW_ASSERT(fact)                                                                           \
    do {                                                                                          \
        if (__builtin_expect(!(fact), 0))                                                         \
            bw_assert_failed(#fact, __FILE__, __LINE__);                                          \
    } while (0)

/* The same of a sentence that says what does not hold: NULL where all does. */
#define BW_ASSERT_NONE(wrong)                                                                     \
    do {                                                                                          \
        const char *const bw_wrong = (wrong);                                                     \
                                                                                                  \
        if (__builtin_expect(bw_wrong != (void *)0, 0))                                           \
            bw_assert_failed(bw_wrong, __FILE__, __LINE__);                                       \
    } while (0)

/* Ends the process with abort(), after one line on stderr. */
__attribute__((noreturn, cold)) void bw_assert_failed(const char *fact, const char *file, int line);

#endif
