/* trio_life.h - what the tests of three witnesses begin and end with: a trio for each. Include it after cmocka.h. */
#ifndef TRIO_LIFE_H
#define TRIO_LIFE_H

#include "trio.h"

static struct trio trio;

/* None of them runs yet. */
static inline int trio_set_up(void **state)
{
    (void)state;
    trio_init(&trio);
    return 0;
}

static inline int trio_set_up_led(void **state)
{
    (void)trio_set_up(state);
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    return 0;
}

static inline int trio_tear_down(void **state)
{
    (void)state;
    trio_deinit(&trio);
    return 0;
}

#endif
