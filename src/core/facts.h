/* facts.h - how a file states what must hold of a machine between its steps: one fact a line, each with
 * the sentence that says what is wrong where it does not hold, and beside it the section that demands
 * it. A function of facts returns the first such sentence, or NULL. */
#ifndef BW_CORE_FACTS_H
#define BW_CORE_FACTS_H

#include <stddef.h>

#define FACT(holds, wrong)                                                                        \
    do {                                                                                          \
        if (!(holds))                                                                             \
            return (wrong);                                                                       \
    } while (0)

/* All facts of a part hold too. */
#define FACTS(of)                                                                                 \
    do {                                                                                          \
        const char *const wrong_part = (of);                                                      \
                                                                                                  \
        if (wrong_part != NULL)                                                                   \
            return wrong_part;                                                                    \
    } while (0)

#endif
