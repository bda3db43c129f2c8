/* The machine of the enforcer. Design 3.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/core/enforcer.h>
#include <breakwater/wire/guard_message.h>

#define MS       BW_NS_PER_MS
#define FENCE_MS 3000

static struct bw_enforcer enforcer;
static uint32_t due[BW_ENFORCER_GROUPS_MAX];

static struct bw_instant at_ms(uint64_t ms)
{
    return (struct bw_instant){ms * MS, ms * MS};
}

static struct bw_enforcer_order order_of(const char *group, uint64_t epoch, uint64_t end_ms)
{
    struct bw_enforcer_order order = {
        .epoch = epoch, .end = at_ms(end_ms), .fence_ns = FENCE_MS * MS};

    (void)snprintf(order.group, sizeof order.group, "%s", group);
    return order;
}

static enum bw_err arm(const char *group, uint64_t epoch, uint64_t end_ms, uint64_t now_ms)
{
    const struct bw_enforcer_order order = order_of(group, epoch, end_ms);

    return bw_enforcer_arm(&enforcer, &order, at_ms(now_ms));
}

static uint64_t kill_ms(uint64_t end_ms)
{
    return bw_lease_plan_fence(at_ms(end_ms), FENCE_MS * MS).kill_at.boot_ns / MS;
}

static uint32_t due_at(uint64_t ms, struct bw_instant *out_wake_at)
{
    return bw_enforcer_due(&enforcer, at_ms(ms), due, out_wake_at);
}

static int begin(void **state)
{
    (void)state;
    bw_enforcer_init(&enforcer);
    return 0;
}

static void it_kills_at_the_instant_of_the_plan_and_not_before(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);

    assert_int_equal(due_at(kill_ms(100000) - 1, &wake_at), 0);
    assert_int_equal(wake_at.boot_ns / MS, kill_ms(100000));
    assert_int_equal(due_at(kill_ms(100000), &wake_at), 1);
    assert_true(wake_at.boot_ns <= at_ms(100000).boot_ns);
}

/* Either clock: a right has ended when one of them has reached its end (1). */
static void one_clock_is_enough(void **state)
{
    const struct bw_instant raw_ahead = {0, kill_ms(100000) * MS};
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    assert_int_equal(bw_enforcer_due(&enforcer, raw_ahead, due, &wake_at), 1);
}

static void it_kills_again_until_the_lease_has_ended_and_then_no_more(void **state)
{
    struct bw_instant wake_at = at_ms(kill_ms(100000));
    uint32_t kills = 0;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    for (uint32_t turns = 0; !bw_instant_is_never(wake_at); turns++) {
        const struct bw_instant now = wake_at;

        assert_true(turns < 100);
        kills += bw_enforcer_due(&enforcer, now, due, &wake_at);
        assert_true(!bw_instant_is_later(now, at_ms(100000)));
    }
    assert_in_range(kills, 2, 100);
    assert_int_equal(enforcer.groups[0].state, BW_ENFORCER_SPENT);
    assert_int_equal(due_at(200000, &wake_at), 0);
}

static void a_deadline_only_moves_later_within_its_epoch(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    assert_int_equal(arm("g", 7, 101000, 91000), BW_OK);
    assert_int_equal(arm("g", 7, 99000, 91000), BW_ERR_STALE); /* not held, so not armed */

    assert_int_equal(due_at(kill_ms(101000) - 1, &wake_at), 0);
    assert_int_equal(due_at(kill_ms(101000), &wake_at), 1);
}

/* 3.2.4: a fence that has begun is finished; a later confirmation extends nothing. */
/* The descriptors by which it ends a group came short: it could not keep a deadline that it takes. */
static void without_all_that_ends_a_group_no_deadline_of_it_is_taken(void **state)
{
    (void)state;
    assert_int_equal(arm("a", 1, 10000, 0), BW_OK);
    bw_enforcer_note_means(&enforcer, "a", false);
    assert_int_equal(arm("a", 1, 11000, 0), BW_ERR_IO);
    assert_int_equal(arm("a", 2, 11000, 0), BW_ERR_IO);
    assert_int_equal(arm("b", 1, 11000, 0), BW_OK);
    assert_int_equal(enforcer.groups[0].order.end.boot_ns / MS, 10000); /* as it was */

    bw_enforcer_note_means(&enforcer, "a", true);

    assert_int_equal(arm("a", 1, 11000, 0), BW_OK);
}

static void a_kill_that_has_begun_is_not_taken_back(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    assert_int_equal(arm("g", 7, 110000, kill_ms(100000)), BW_ERR_STALE); /* due, if not done */
    assert_int_equal(due_at(kill_ms(100000), &wake_at), 1);
    assert_int_equal(arm("g", 7, 110000, kill_ms(100000) + 1), BW_ERR_STALE);
    assert_int_equal(due_at(100000, &wake_at), 1);
    assert_int_equal(arm("g", 7, 110000, 100001), BW_ERR_STALE);
}

static void a_lower_epoch_is_refused_and_a_higher_one_takes_the_place(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    assert_int_equal(arm("g", 6, 105000, 90000), BW_ERR_STALE);
    assert_int_equal(due_at(100000, &wake_at), 1);
    assert_int_equal(arm("g", 8, 120000, 105000), BW_OK);
    assert_int_equal(due_at(kill_ms(120000) - 1, &wake_at), 0);
    assert_int_equal(due_at(kill_ms(120000), &wake_at), 1);
}

static void what_is_over_is_not_killed(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    bw_enforcer_disarm(&enforcer, "g", 6); /* of an epoch before: says nothing of this one */
    assert_int_equal(bw_enforcer_held_count(&enforcer), 1);
    bw_enforcer_disarm(&enforcer, "g", 7);
    assert_int_equal(due_at(100000, &wake_at), 0);
    assert_true(bw_instant_is_never(wake_at));
}

static void come_into(enum bw_enforcer_state state)
{
    struct bw_instant wake_at;

    bw_enforcer_init(&enforcer);
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    if (state == BW_ENFORCER_IDLE)
        bw_enforcer_disarm(&enforcer, "g", 7);
    if (state == BW_ENFORCER_KILLING)
        assert_int_equal(due_at(kill_ms(100000), &wake_at), 1);
    if (state == BW_ENFORCER_SPENT)
        assert_int_equal(due_at(100000, &wake_at), 1);
    assert_int_equal(enforcer.groups[0].state, state);
}

/* Whose end nobody may call off any more. */
static void what_is_killed_or_was_is_ending(void **state)
{
    (void)state;
    for (int of = BW_ENFORCER_IDLE; of <= BW_ENFORCER_SPENT; of++) {
        come_into((enum bw_enforcer_state)of);
        assert_int_equal(bw_enforcer_is_ending(&enforcer.groups[0]),
                         of == BW_ENFORCER_KILLING || of == BW_ENFORCER_SPENT);
    }
}

static void in_each_state_a_higher_epoch_arms_it_and_what_is_over_is_dropped(void **state)
{
    (void)state;
    for (int of = BW_ENFORCER_IDLE; of <= BW_ENFORCER_SPENT; of++) {
        come_into((enum bw_enforcer_state)of);
        assert_int_equal(arm("g", 8, 120000, 105000), BW_OK);
        assert_int_equal(bw_enforcer_held_count(&enforcer), 1);
        assert_int_equal(enforcer.groups[0].state, BW_ENFORCER_ARMED);

        come_into((enum bw_enforcer_state)of);
        bw_enforcer_disarm(&enforcer, "g", 7);
        assert_int_equal(bw_enforcer_held_count(&enforcer), 0);
        assert_int_equal(enforcer.groups[0].state, BW_ENFORCER_IDLE);
    }
}

/* A cluster that is made anew begins at epoch 1. */
static void what_is_over_is_no_bound_for_what_comes(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    bw_enforcer_disarm(&enforcer, "g", 7);
    assert_int_equal(arm("g", 1, 120000, 105000), BW_OK);
    assert_int_equal(due_at(kill_ms(120000), &wake_at), 1);
}

static void arm_as_many_as_there_may_be(void)
{
    for (int i = 0; i < BW_ENFORCER_GROUPS_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "g%d", i);
        assert_int_equal(arm(name, 1, 100000, 90000), BW_OK);
    }
}

/* Each KILL that is due is asked for at once: none waits for what another takes. */
static void all_that_is_due_is_killed_in_one_turn(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    arm_as_many_as_there_may_be();
    assert_int_equal(arm("one-more", 1, 100000, 90000), BW_ERR_LIMIT);
    assert_int_equal(due_at(kill_ms(100000), &wake_at), BW_ENFORCER_GROUPS_MAX);
}

static void it_outlives_its_guard_until_its_last_deadline(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    assert_false(bw_enforcer_may_end(&enforcer));
    bw_enforcer_on_guard_gone(&enforcer);

    assert_false(bw_enforcer_may_end(&enforcer));
    assert_int_equal(due_at(kill_ms(100000), &wake_at), 1);
    assert_false(bw_enforcer_may_end(&enforcer));
    assert_int_equal(due_at(100000, &wake_at), 1);
    assert_true(bw_enforcer_may_end(&enforcer));
}

static void without_a_deadline_it_ends_with_its_guard(void **state)
{
    (void)state;
    assert_false(bw_enforcer_may_end(&enforcer));
    bw_enforcer_on_guard_gone(&enforcer);
    assert_true(bw_enforcer_may_end(&enforcer));
}

/* 3.4: never one that enforces a group whose mirror was not found. */
static void a_successor_relieves_it_only_of_what_it_knows(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("known", 7, 100000, 90000), BW_OK);
    assert_int_equal(arm("older", 7, 100000, 90000), BW_OK);
    assert_int_equal(arm("unheard", 7, 100000, 90000), BW_OK);
    bw_enforcer_on_guard_gone(&enforcer);

    assert_true(bw_enforcer_hand_over(&enforcer, "known", 7));
    assert_false(bw_enforcer_hand_over(&enforcer, "older", 6));
    assert_true(bw_enforcer_hand_over(&enforcer, "of-no-interest", 1));
    assert_false(bw_enforcer_may_end(&enforcer));
    assert_int_equal(due_at(kill_ms(100000), &wake_at), 2);
    assert_string_equal(enforcer.groups[due[0]].order.group, "older");
    assert_string_equal(enforcer.groups[due[1]].order.group, "unheard");
}

/* ---- the frames ------------------------------------------------------------------------------ */

static void a_frame_says_what_was_put_into_it(void **state)
{
    static struct bw_enforcer_message in, out;
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    size_t size;

    (void)state;
    in = (struct bw_enforcer_message){.kind = BW_ENFORCER_MESSAGE_REACH,
                                      .number = UINT64_C(1) << 40,
                                      .order_count = 2,
                                      .means_count = 2};
    in.orders[0] = order_of("g", 7, 100000);
    in.orders[1] = order_of("a-longer-name", UINT64_MAX, 5);
    in.orders[0].end = (struct bw_instant){11, 12}; /* by either clock (1): no two numbers are equal */
    in.means[1] = BW_ENFORCER_BY_PIDFD;
    size = bw_enforcer_message_encode(&in, frame);

    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_OK);
    assert_int_equal(out.kind, in.kind);
    assert_true(out.number == in.number);
    assert_int_equal(out.order_count, 2);
    assert_memory_equal(&out.orders[0], &in.orders[0], sizeof in.orders[0]);
    assert_memory_equal(&out.orders[1], &in.orders[1], sizeof in.orders[1]);
    assert_int_equal(out.means[0], BW_ENFORCER_BY_KILL_FILE);
    assert_int_equal(out.means[1], BW_ENFORCER_BY_PIDFD);
}

static void a_frame_of_any_other_length_or_kind_is_none(void **state)
{
    static struct bw_enforcer_message in, out;
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX + 1] = {0};
    size_t size;

    (void)state;
    in = (struct bw_enforcer_message){.kind = BW_ENFORCER_MESSAGE_OVER, .order_count = 1};
    in.orders[0] = order_of("g", 7, 100000);
    size = bw_enforcer_message_encode(&in, frame);

    for (size_t bytes = 0; bytes <= size + 1; bytes++)
        assert_int_equal(bw_enforcer_message_decode(frame, bytes, &out) == BW_OK, bytes == size);
    frame[4] = BW_ENFORCER_MESSAGE_COUNT;
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_ERR_CORRUPT);
    frame[4] = BW_ENFORCER_MESSAGE_OVER;
    frame[3]++;
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_ERR_VERSION);
    frame[3]--;
    frame[7] = 1; /* nothing is told by it yet */
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_ERR_CORRUPT);
    frame[7] = 0;
    frame[0]++;
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_ERR_CORRUPT);
    frame[0]--;
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_OK);
    memset(frame + BW_ENFORCER_HEAD_BYTES, 'x', BW_NAME_MAX + 1); /* a name without an end */
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_ERR_CORRUPT);
}

static void the_paths_of_units_come_whole_or_not_at_all(void **state)
{
    static const char paths[] = "/sys/fs/cgroup/a.service\0/sys/fs/cgroup/b.service"; /* and a NUL */
    static struct bw_enforcer_message in, out;
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    size_t size;

    (void)state;
    in = (struct bw_enforcer_message){.kind = BW_ENFORCER_MESSAGE_PATHS, .order_count = 1};
    in.orders[0] = order_of("g", 7, 100000);
    assert_int_equal(bw_enforcer_message_decode(frame, bw_enforcer_message_encode(&in, frame), &out), BW_OK);
    assert_int_equal(out.path_bytes, 0);

    memcpy(in.paths, paths, sizeof paths);
    in.path_bytes = sizeof paths;
    size = bw_enforcer_message_encode(&in, frame);
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_OK);
    assert_int_equal(out.path_bytes, sizeof paths);
    assert_memory_equal(out.paths, paths, sizeof paths);
    assert_int_equal(bw_enforcer_message_decode(frame, size - 1, &out), BW_ERR_CORRUPT); /* the NUL */
    frame[6] = 1; /* descriptors come in a frame of their own */
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_ERR_CORRUPT);

    memset(in.paths, 'x', sizeof in.paths);
    in.paths[sizeof in.paths - 1] = '\0';
    in.path_bytes = sizeof in.paths;
    size = bw_enforcer_message_encode(&in, frame);
    assert_int_equal(bw_enforcer_message_decode(frame, size, &out), BW_OK);
    frame[size] = '\0';
    assert_int_equal(bw_enforcer_message_decode(frame, size + 1, &out), BW_ERR_CORRUPT);
}

/* What follows is taken from an array of that size: a byte more would be written behind it. */
static void a_frame_of_more_than_it_may_hold_is_none(void **state)
{
    static struct bw_enforcer_message in, out;
    static uint8_t frame[BW_ENFORCER_HEAD_BYTES + UINT8_MAX * BW_ENFORCER_ORDER_BYTES + UINT8_MAX];
    const uint8_t head[] = {BW_ENFORCER_ORDERS_MAX, BW_ENFORCER_MEANS_MAX};

    (void)state;
    for (int i = 0; i < 2; i++) {
        in = (struct bw_enforcer_message){.kind = BW_ENFORCER_MESSAGE_REACH};
        (void)bw_enforcer_message_encode(&in, frame);
        memset(frame + BW_ENFORCER_HEAD_BYTES, 0, sizeof frame - BW_ENFORCER_HEAD_BYTES);
        for (uint32_t n = 0; i == 0 && n <= BW_ENFORCER_ORDERS_MAX; n++)
            frame[BW_ENFORCER_HEAD_BYTES + n * BW_ENFORCER_ORDER_BYTES] = 'g';
        for (uint32_t n = head[i]; n <= head[i] + 1U; n++) {
            frame[5 + i] = (uint8_t)n;
            assert_int_equal(bw_enforcer_message_decode(
                                 frame,
                                 BW_ENFORCER_HEAD_BYTES +
                                     (i == 0 ? n * BW_ENFORCER_ORDER_BYTES : n),
                                 &out),
                             n == head[i] ? BW_OK : BW_ERR_CORRUPT);
        }
    }
    frame[6] = 1;
    frame[BW_ENFORCER_HEAD_BYTES] = BW_ENFORCER_MEANS_COUNT;
    assert_int_equal(bw_enforcer_message_decode(frame, BW_ENFORCER_HEAD_BYTES + 1, &out),
                     BW_ERR_CORRUPT);
}

static void an_order_for_no_group_or_no_epoch_is_none(void **state)
{
    (void)state;
    assert_int_equal(arm("", 7, 100000, 90000), BW_ERR_INVALID);
    assert_int_equal(arm("g", 0, 100000, 90000), BW_ERR_INVALID);
    assert_int_equal(enforcer.group_count, 0);
}

/* 3.4: of a group that it has not met the means may come short too. */
static void means_are_those_of_their_group_before_its_first_deadline(void **state)
{
    (void)state;
    bw_enforcer_note_means(&enforcer, "a", false);
    bw_enforcer_note_means(&enforcer, "b", true);

    assert_int_equal(arm("b", 1, 10000, 0), BW_OK);
    assert_int_equal(arm("a", 1, 10000, 0), BW_ERR_IO);
    assert_int_equal(enforcer.group_count, 2);
}

static void each_group_is_found_whichever_was_found_before(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    uint32_t at;

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(bw_enforcer_add(&enforcer, names[i], &at), BW_OK);
    for (uint32_t before = 0; before < 3; before++)
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(bw_enforcer_find(&enforcer, names[before]), before);
            assert_int_equal(bw_enforcer_find(&enforcer, names[i]), i);
        }
}

/* 3.4: once a tenth of a second, and the last one at D. */
static void it_kills_again_after_its_pause_and_at_the_end(void **state)
{
    const uint64_t pause_ms = BW_ENFORCER_AGAIN_NS / MS;
    struct bw_instant wake_at;
    uint64_t now = kill_ms(100000);

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    for (; now + pause_ms < 100000; now += pause_ms) {
        assert_int_equal(due_at(now, &wake_at), 1);
        assert_int_equal(wake_at.boot_ns / MS, now + pause_ms);
    }
    assert_int_equal(due_at(now, &wake_at), 1);
    assert_int_equal(wake_at.boot_ns / MS, 100000);
}

/* 3.4: one clock that has come to the KILL is enough for a deadline to move no more. */
static void a_deadline_that_one_clock_has_reached_is_not_moved(void **state)
{
    const struct bw_enforcer_order later = order_of("g", 7, 101000);
    const struct bw_instant raw_ahead = {0, kill_ms(100000) * MS};

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);

    assert_int_equal(bw_enforcer_arm(&enforcer, &later, raw_ahead), BW_ERR_STALE);
}

/* Also where there is no place left for it. */
static void the_end_of_a_group_that_it_has_not_met_touches_none(void **state)
{
    (void)state;
    bw_enforcer_disarm(&enforcer, "one-more", 1);
    assert_int_equal(enforcer.group_count, 0);
    arm_as_many_as_there_may_be();

    bw_enforcer_disarm(&enforcer, "one-more", 1);

    assert_int_equal(bw_enforcer_held_count(&enforcer), BW_ENFORCER_GROUPS_MAX);
    assert_true(bw_enforcer_hand_over(&enforcer, "one-more", 1));
    assert_int_equal(bw_enforcer_held_count(&enforcer), BW_ENFORCER_GROUPS_MAX);
}

/* 1: a right has ended when one clock has reached its end. */
static void the_last_kill_is_at_the_end_by_whichever_clock_is_first(void **state)
{
    struct bw_instant now = at_ms(kill_ms(100000));
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    now.raw_ns = at_ms(100000).raw_ns;

    assert_int_equal(bw_enforcer_due(&enforcer, now, due, &wake_at), 1);

    assert_int_equal(enforcer.groups[0].state, BW_ENFORCER_SPENT);
    assert_true(bw_instant_is_never(wake_at));
}

/* Also of one that begins with no memory of any epoch. */
static void of_what_is_over_any_successor_relieves_it(void **state)
{
    (void)state;
    assert_int_equal(arm("g", 7, 100000, 90000), BW_OK);
    assert_false(bw_enforcer_hand_over(&enforcer, "g", 0));
    bw_enforcer_disarm(&enforcer, "g", 7);

    assert_true(bw_enforcer_hand_over(&enforcer, "g", 0));
}

static void it_wakes_for_whichever_is_due_first(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("a", 1, 105000, 90000), BW_OK);
    assert_int_equal(arm("b", 1, 100000, 90000), BW_OK);
    assert_int_equal(arm("c", 1, 110000, 90000), BW_OK);

    assert_int_equal(due_at(90000, &wake_at), 0);

    assert_int_equal(wake_at.boot_ns / MS, kill_ms(100000));
}

static void what_lies_behind_the_groups_is_none(void **state)
{
    struct bw_instant wake_at;

    (void)state;
    assert_int_equal(arm("a", 1, 105000, 90000), BW_OK);
    assert_int_equal(arm("b", 1, 100000, 90000), BW_OK);
    enforcer.group_count = 1;

    assert_int_equal(bw_enforcer_held_count(&enforcer), 1);
    assert_int_equal(due_at(90000, &wake_at), 0);
    assert_int_equal(wake_at.boot_ns / MS, kill_ms(105000));
}

/* The facts of an entry between messages: each is broken by hand, and named. */
static void an_entry_is_held_as_its_order_says(void **state) /* 3.2.4, 3.4 */
{
    struct bw_enforced *entry = &enforcer.groups[0];
    struct bw_enforced sound;

    (void)state;
    bw_enforcer_init(&enforcer);
    assert_int_equal(arm("harbor", 3, 60000, 1000), BW_OK);
    assert_null(bw_enforced_unsound(entry));
    sound = *entry;
    entry->order.group[0] = '\0';
    assert_string_equal(bw_enforced_unsound(entry), "the enforcer's entry: it is of a group");
    *entry = sound;
    entry->order.epoch = 0;
    assert_string_equal(bw_enforced_unsound(entry), "the enforcer's entry: what is armed has an epoch");
    *entry = sound;
    entry->kill_at = at_ms(60001);
    assert_string_equal(bw_enforced_unsound(entry), "the enforcer's entry: its KILL comes before D");
    *entry = sound;
    entry->kill_at = at_ms(59999);
    assert_string_equal(bw_enforced_unsound(entry), "the enforcer's entry: its first KILL comes when the fence window says");
    entry->state = BW_ENFORCER_KILLING;
    assert_null(bw_enforced_unsound(entry)); /* the next one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_kills_at_the_instant_of_the_plan_and_not_before, begin),
        cmocka_unit_test_setup(one_clock_is_enough, begin),
        cmocka_unit_test_setup(it_kills_again_until_the_lease_has_ended_and_then_no_more, begin),
        cmocka_unit_test_setup(a_deadline_only_moves_later_within_its_epoch, begin),
        cmocka_unit_test_setup(without_all_that_ends_a_group_no_deadline_of_it_is_taken, begin),
        cmocka_unit_test_setup(a_kill_that_has_begun_is_not_taken_back, begin),
        cmocka_unit_test_setup(a_lower_epoch_is_refused_and_a_higher_one_takes_the_place, begin),
        cmocka_unit_test_setup(what_is_over_is_not_killed, begin),
        cmocka_unit_test(what_is_killed_or_was_is_ending),
        cmocka_unit_test(in_each_state_a_higher_epoch_arms_it_and_what_is_over_is_dropped),
        cmocka_unit_test_setup(all_that_is_due_is_killed_in_one_turn, begin),
        cmocka_unit_test_setup(it_outlives_its_guard_until_its_last_deadline, begin),
        cmocka_unit_test_setup(without_a_deadline_it_ends_with_its_guard, begin),
        cmocka_unit_test_setup(what_is_over_is_no_bound_for_what_comes, begin),
        cmocka_unit_test_setup(a_successor_relieves_it_only_of_what_it_knows, begin),
        cmocka_unit_test(a_frame_says_what_was_put_into_it),
        cmocka_unit_test(a_frame_of_any_other_length_or_kind_is_none),
        cmocka_unit_test(the_paths_of_units_come_whole_or_not_at_all),
        cmocka_unit_test(a_frame_of_more_than_it_may_hold_is_none),
        cmocka_unit_test_setup(an_order_for_no_group_or_no_epoch_is_none, begin),
        cmocka_unit_test_setup(means_are_those_of_their_group_before_its_first_deadline, begin),
        cmocka_unit_test_setup(each_group_is_found_whichever_was_found_before, begin),
        cmocka_unit_test_setup(it_kills_again_after_its_pause_and_at_the_end, begin),
        cmocka_unit_test_setup(a_deadline_that_one_clock_has_reached_is_not_moved, begin),
        cmocka_unit_test_setup(the_end_of_a_group_that_it_has_not_met_touches_none, begin),
        cmocka_unit_test_setup(the_last_kill_is_at_the_end_by_whichever_clock_is_first, begin),
        cmocka_unit_test_setup(of_what_is_over_any_successor_relieves_it, begin),
        cmocka_unit_test_setup(it_wakes_for_whichever_is_due_first, begin),
        cmocka_unit_test_setup(what_lies_behind_the_groups_is_none, begin),
        cmocka_unit_test(an_entry_is_held_as_its_order_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
