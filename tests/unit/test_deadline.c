/* deadline: served when reached, on whichever clock gets there first (design 1, 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <time.h>

#include <breakwater/sys/clock.h>
#include <breakwater/sys/deadline.h>

#include "patience.h"

struct fixture {
    uv_loop_t loop;
    struct bw_deadline deadline;
    struct bw_instant due_at;
    int due_count;
    int closed_count;
    bool close_when_due;
};

static uint64_t real_boot_ns(void)
{
    struct timespec at;

    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &at), 0);
    return (uint64_t)at.tv_sec * BW_NS_PER_S + (uint64_t)at.tv_nsec;
}

/* What chrony's largest slew does: BOOTTIME 8 % behind RAW. */
static struct bw_instant raw_runs_faster(void)
{
    uint64_t boot_ns = real_boot_ns();

    return (struct bw_instant){.boot_ns = boot_ns, .raw_ns = boot_ns + boot_ns / 25 * 2};
}

/* BOOTTIME stands still for this many looks, and is far ahead then: which clock got there first does not
 * depend on how long the machine took. */
#define LOOKS_STILL 40

static unsigned look_count;

static struct bw_instant boot_stands_still(void)
{
    look_count++;
    return (struct bw_instant){
        .boot_ns = BW_NS_PER_S * (look_count > LOOKS_STILL ? 3600 : 1),
        .raw_ns = real_boot_ns(),
    };
}

static void on_closed(struct bw_deadline *deadline, void *user)
{
    struct fixture *f = user;

    (void)deadline;
    f->closed_count++;
}

static void on_due(struct bw_deadline *deadline, void *user)
{
    struct fixture *f = user;

    f->due_at = bw_clock_now();
    f->due_count++;
    if (f->close_when_due)
        bw_deadline_close(deadline, on_closed);
}

static void set_up(struct fixture *f)
{
    struct bw_diag diag = {0};

    *f = (struct fixture){0};
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(bw_deadline_init(&f->deadline, &f->loop, on_due, f, &diag), BW_OK);
}

static void tear_down(struct fixture *f)
{
    bw_deadline_close(&f->deadline, on_closed);
    bw_deadline_close(&f->deadline, on_closed);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->closed_count, 1);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    bw_clock_set_source(NULL);
}

static void run_until_due(struct fixture *f)
{
    while (f->due_count == 0)
        (void)uv_run(&f->loop, UV_RUN_ONCE); /* 0 once it is closed from inside */
}

static void deadline_is_served_when_reached_and_never_before(void **state)
{
    struct fixture f;
    struct bw_instant at;

    (void)state;
    set_up(&f);
    at = bw_instant_add(bw_clock_now(), 50 * BW_NS_PER_MS);
    bw_deadline_set(&f.deadline, at, BW_DEADLINE_RIGHT);
    run_until_due(&f);
    assert_true(bw_instant_right_is_over(f.due_at, at));
    assert_false(f.deadline.is_set);
    tear_down(&f);
}

/* True if a right of three seconds is over with RAW, before BOOTTIME gets there. */
static bool is_over_with_raw(void *user)
{
    struct fixture f;
    struct bw_instant at;

    (void)user;
    bw_clock_set_source(raw_runs_faster);
    set_up(&f);
    at = bw_instant_add(bw_clock_now(), 3 * BW_NS_PER_S);
    bw_deadline_set(&f.deadline, at, BW_DEADLINE_RIGHT);
    run_until_due(&f);
    assert_true(f.due_at.raw_ns >= at.raw_ns);
    tear_down(&f);
    return f.due_at.boot_ns < at.boot_ns;
}

/* Design 1: RAW may get there first; a timer set once to BOOTTIME's remainder would be late, however
 * long the right is. RAW gets there 0.2 s sooner. */
static void right_is_over_with_the_faster_clock(void **state)
{
    (void)state;
    claim_in_time(100, is_over_with_raw, NULL);
}

static void wait_is_over_with_the_slower_clock(void **state)
{
    struct fixture f;
    struct bw_instant at;

    (void)state;
    look_count = 0;
    bw_clock_set_source(boot_stands_still);
    set_up(&f);
    at = bw_instant_add(bw_clock_now(), 20 * BW_NS_PER_MS);
    bw_deadline_set(&f.deadline, at, BW_DEADLINE_WAIT);
    run_until_due(&f);
    assert_true(f.due_at.boot_ns >= at.boot_ns);
    tear_down(&f);
}

static void deadline_in_the_past_is_served_by_the_loop_not_by_set(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    bw_deadline_set(&f.deadline, bw_clock_now(), BW_DEADLINE_RIGHT);
    assert_int_equal(f.due_count, 0);
    run_until_due(&f);
    tear_down(&f);
}

static void serve_calls_a_due_deadline_once_and_no_other(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    bw_deadline_set(&f.deadline, bw_instant_add(bw_clock_now(), BW_NS_PER_S * 600),
                    BW_DEADLINE_RIGHT);
    assert_false(bw_deadline_serve(&f.deadline));
    bw_deadline_set(&f.deadline, bw_clock_now(), BW_DEADLINE_RIGHT);
    assert_true(bw_deadline_serve(&f.deadline));
    assert_false(bw_deadline_serve(&f.deadline));
    assert_int_equal(f.due_count, 1);
    tear_down(&f);
}

static void cleared_or_never_is_not_served(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    bw_deadline_set(&f.deadline, bw_clock_now(), BW_DEADLINE_RIGHT);
    bw_deadline_clear(&f.deadline);
    uv_run(&f.loop, UV_RUN_NOWAIT);
    bw_deadline_set(&f.deadline, BW_INSTANT_NEVER, BW_DEADLINE_RIGHT);
    uv_run(&f.loop, UV_RUN_NOWAIT);
    assert_int_equal(f.due_count, 0);
    tear_down(&f);
}

static void deadline_may_be_closed_from_inside_on_due(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    f.close_when_due = true;
    bw_deadline_set(&f.deadline, bw_clock_now(), BW_DEADLINE_RIGHT);
    run_until_due(&f);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadline_is_served_when_reached_and_never_before),
        cmocka_unit_test(right_is_over_with_the_faster_clock),
        cmocka_unit_test(wait_is_over_with_the_slower_clock),
        cmocka_unit_test(deadline_in_the_past_is_served_by_the_loop_not_by_set),
        cmocka_unit_test(serve_calls_a_due_deadline_once_and_no_other),
        cmocka_unit_test(cleared_or_never_is_not_served),
        cmocka_unit_test(deadline_may_be_closed_from_inside_on_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
