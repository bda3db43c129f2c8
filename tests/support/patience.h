/* patience.h - bounds of waits that scale with how slow the machine is, and claims about time that tell a stalled
 * machine from a late program. For the thread that runs the test. */
#ifndef BW_TEST_PATIENCE_H
#define BW_TEST_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The exit status of a test program if each failed test of it failed in a wait (sysexits EX_TEMPFAIL). */
#define PATIENCE_STATUS 75
/* A bound is scaled at most by this factor. */
#define PATIENCE_SLOWEST 8

/* One wait for another process, thread, file, log line or answer. */
struct patience {
    uint64_t begin_ns;    /* CLOCK_MONOTONIC */
    uint64_t measured_ns; /* when slowness was measured last; 0: never */
    unsigned limit_ms;    /* the bound on an idle machine */
    double slowness;      /* the largest that was measured: 1 (idle) to PATIENCE_SLOWEST */
};

/* Returns a wait that begins now. `limit_ms` is its bound on an idle machine: an ASan build, two cores of 2.6 GHz. */
struct patience patience_begin(unsigned limit_ms);

/* Returns whether the wait has taken longer than its bound allows. True at limit_ms * slowness, and always at
 * PATIENCE_SLOWEST * limit_ms. Measures slowness after limit_ms, at most every limit_ms / 8; a measurement forks a child
 * and takes 20 ms on an idle machine. If the machine cannot fork, its slowness counts as 1. */
bool patience_is_over(struct patience *patience);

/* Fails the running test like fail_msg, and records that a wait failed it, unless a child process has failed: then the
 * test fails like any other. The line has the numbers of the last wait that was over. Does not return. */
#define patience_fail(...) patience_failed(__FILE__, __LINE__, __VA_ARGS__)

/* Starts one thread for each core this process may use, pinned, SCHED_OTHER. Each sleeps 2 ms at a time and records by
 * how much the longest sleep was exceeded. Returns when all threads run. Ends a probe that was left running. */
void stall_probe_begin(void);

/* Ends the threads. Returns the longest stall of a core since stall_probe_begin in ms. */
unsigned stall_probe_end(void);

/* Runs `claim` under a stall probe. `claim` returns whether a promise about time held, within its own bound, which is
 * never widened; it is run up to three times. If the promise did not hold, the longest stall decides:
 * - at most slack_ms: the test fails, like any other.
 * - more: `claim` is run again. After the third time the test fails, and the failure is recorded as that of a wait. */
#define claim_in_time(slack_ms, claim, user)                                                       \
    patience_claim(__FILE__, __LINE__, slack_ms, claim, user)

/* For tests of this file: what is measured otherwise. */
struct patience_hooks {
    double slowness;           /* 0: it is measured */
    const unsigned *stalls_ms; /* one for each run of a claim; NULL: they are measured */
    unsigned measured;         /* how often slowness was asked for */
};
extern struct patience_hooks patience_hooks;

/* Returns how many times slower than an idle machine this one is now; not clamped. */
double patience_measure(void);

void patience_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void patience_claim(const char *file, int line, unsigned slack_ms, bool (*claim)(void *user),
                    void *user);
/* Returns a child of the calling thread that has ended with another status than 0, or by another signal than SIGKILL and
 * SIGTERM, and was not waited for; 0: there is none. */
pid_t patience_failed_child(void);
/* Records that the running test fails because of a wait; the caller fails the test. In patience_status.c. */
void patience_record(void);

#endif
