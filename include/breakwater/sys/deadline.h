/* deadline.h - one deadline on the loop: when an instant is reached, `on_due` is called.
 *
 * Design 1. The timer is a timerfd on CLOCK_BOOTTIME (it goes on through suspend, a uv_timer does
 * not), set to 7/8 of what is left and again until the deadline is reached, because the other clock
 * may get there first. Loop rule: all calls on the loop's thread. */
#ifndef BW_SYS_DEADLINE_H
#define BW_SYS_DEADLINE_H

#include <stdbool.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/base/instant.h>

/* The shortest time the timer is set to, so that a remainder of nanoseconds cannot make the loop
 * spin. A deadline is served at most this much (and the loop's own delay) late, never early. */
#define BW_DEADLINE_FLOOR_NS UINT64_C(100000)

enum bw_deadline_kind {
    BW_DEADLINE_RIGHT, /* due when either clock has reached it: a lease, a fence window */
    BW_DEADLINE_WAIT,  /* due when both have: expiry, a promise, an ordinary timeout */
};

struct bw_deadline;
/* Called from the loop, never from `set`; the deadline is then no longer set, and may be set again
 * or closed in here. */
typedef void (*bw_deadline_on_due)(struct bw_deadline *deadline, void *user);
typedef void (*bw_deadline_on_closed)(struct bw_deadline *deadline, void *user);

/* In the caller's memory; the loop's from init until on_closed. Private but for reading. */
struct bw_deadline {
    uv_poll_t poll;
    int fd;
    struct bw_instant at;
    enum bw_deadline_kind kind;
    bool is_set;
    bool is_closing;
    bw_deadline_on_due on_due;
    bw_deadline_on_closed on_closed;
    void *user;
};

/* Keeps `user`. On an error nothing is left that needs closing. */
BW_MUST_CHECK enum bw_err bw_deadline_init(struct bw_deadline *deadline, uv_loop_t *loop,
                                           bw_deadline_on_due on_due, void *user,
                                           struct bw_diag *diag);

/* Replaces what was set. An instant that has passed is due in the next turn of the loop;
 * BW_INSTANT_NEVER clears. */
void bw_deadline_set(struct bw_deadline *deadline, struct bw_instant at,
                     enum bw_deadline_kind kind);
void bw_deadline_clear(struct bw_deadline *deadline);

/* Serves the deadline now if it is due: the order in which the loop serves its files is chance, and
 * deadlines go before messages (design 3.4). True when on_due was called. */
bool bw_deadline_serve(struct bw_deadline *deadline);

/* In any state, twice, and from inside on_due. on_closed (may be NULL) is called later, from the
 * loop, exactly once; on_due never again. */
void bw_deadline_close(struct bw_deadline *deadline, bw_deadline_on_closed on_closed);

#endif
