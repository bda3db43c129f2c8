/* looks: a thousand groups do not look at one instant, and nobody is forgotten (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/looks.h>

static struct bw_looks looks;
static struct bw_instant now;

static int begin(void **state)
{
    (void)state;
    bw_looks_init(&looks);
    now = (struct bw_instant){.boot_ns = BW_NS_PER_S, .raw_ns = BW_NS_PER_S};
    return 0;
}

static void advance(uint64_t ns)
{
    now = bw_instant_add(now, ns);
}

static void fill(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        (void)bw_looks_ask(&looks, i, now);
}

/* How many begin now of those that wait; each ends at once if `they_end`. */
static uint32_t begin_more(bool they_end, uint32_t *first)
{
    struct bw_instant at;
    uint32_t group;
    uint32_t count = 0;

    while (count < BW_GROUPS_MAX && bw_looks_next(&looks, now, &group, &at)) {
        if (count++ == 0 && first != NULL)
            *first = group;
        if (they_end)
            bw_looks_leave(&looks, group);
    }
    return count;
}

static void a_few_begin_at_once(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < BW_LOOKS_AT_ONCE; i++)
        assert_true(bw_looks_ask(&looks, i, now));
}

static void of_many_only_so_many_begin_at_one_instant(void **state)
{
    uint32_t begun = 0;

    (void)state;
    for (uint32_t i = 0; i < BW_GROUPS_MAX; i++)
        begun += bw_looks_ask(&looks, i, now);
    assert_int_equal(begun, BW_LOOKS_AT_ONCE);
    assert_int_equal(begin_more(false, NULL), 0);
}

static void who_waits_the_longest_begins_when_one_has_ended(void **state)
{
    uint32_t group = 0;

    (void)state;
    fill(BW_LOOKS_AT_ONCE + 3);
    bw_looks_leave(&looks, 5);
    assert_int_equal(begin_more(false, &group), 1);
    assert_int_equal(group, BW_LOOKS_AT_ONCE);
    bw_looks_leave(&looks, 6);
    assert_false(bw_looks_ask(&looks, 5, now)); /* it has come back: behind those that wait */
    assert_int_equal(begin_more(false, &group), 1);
    assert_int_equal(group, BW_LOOKS_AT_ONCE + 1);
}

static void what_hangs_holds_nobody_up(void **state)
{
    struct bw_instant at;
    uint32_t group = 0;

    (void)state;
    fill(BW_LOOKS_AT_ONCE * 2);
    assert_false(bw_looks_next(&looks, now, &group, &at));
    assert_int_equal(bw_instant_left_ns(now, at), BW_LOOK_YOUNG_NS); /* looked at again then */
    advance(BW_LOOK_YOUNG_NS);
    assert_int_equal(begin_more(false, NULL), BW_LOOKS_AT_ONCE);
}

/* Two scripts a group and check_interval (10 s) never fall behind, however long each takes. */
static void a_full_site_of_scripts_that_hang_has_all_begun_in_half_an_interval(void **state)
{
    uint32_t begun = BW_LOOKS_AT_ONCE;

    (void)state;
    fill(BW_GROUPS_MAX);
    for (uint64_t ns = 0; ns < 5 * BW_NS_PER_S; ns += BW_LOOK_YOUNG_NS) {
        begun += begin_more(false, NULL);
        advance(BW_LOOK_YOUNG_NS);
    }
    assert_int_equal(begun, BW_GROUPS_MAX);
}

static void who_leaves_the_queue_does_not_begin(void **state)
{
    uint32_t group = 0;

    (void)state;
    fill(BW_LOOKS_AT_ONCE + 2);
    bw_looks_leave(&looks, BW_LOOKS_AT_ONCE);
    bw_looks_leave(&looks, 0);
    assert_int_equal(begin_more(true, &group), 1);
    assert_int_equal(group, BW_LOOKS_AT_ONCE + 1);
    assert_int_equal(looks.young_count, BW_LOOKS_AT_ONCE - 1);
}

static void who_asks_twice_waits_once(void **state)
{
    (void)state;
    fill(BW_LOOKS_AT_ONCE);
    assert_false(bw_looks_ask(&looks, 100, now));
    assert_false(bw_looks_ask(&looks, 100, now));
    assert_int_equal(looks.waiting_count, 1);
    assert_false(bw_looks_ask(&looks, 101, now));
    advance(BW_LOOK_YOUNG_NS);
    assert_int_equal(begin_more(false, NULL), 2);
}

static void with_nobody_waiting_there_is_nothing_to_wake_for(void **state)
{
    struct bw_instant at;
    uint32_t group;

    (void)state;
    fill(BW_LOOKS_AT_ONCE);
    assert_false(bw_looks_next(&looks, now, &group, &at));
    assert_true(bw_instant_is_never(at));
}

/* 1: what held a place has lost it once either clock says so. */
static void one_clock_is_enough_to_make_room(void **state)
{
    struct bw_instant at;
    uint32_t group;

    (void)state;
    fill(BW_LOOKS_AT_ONCE + 1);
    now.boot_ns += BW_LOOK_YOUNG_NS - 1;
    assert_false(bw_looks_next(&looks, now, &group, &at));
    now.boot_ns++;

    assert_true(bw_looks_next(&looks, now, &group, &at));
}

static void the_last_of_all_that_wait_leaves_nobody_elses_place(void **state)
{
    static struct {
        struct bw_looks looks;
        uint8_t beyond[sizeof(struct bw_looks)];
    } kept;

    (void)state;
    for (size_t i = 0; i < sizeof kept.beyond; i++)
        kept.beyond[i] = (uint8_t)i;
    bw_looks_init(&kept.looks);
    for (uint32_t i = 0; i < BW_GROUPS_MAX; i++)
        (void)bw_looks_ask(&kept.looks, i, now);

    bw_looks_leave(&kept.looks, BW_GROUPS_MAX - 1);

    assert_int_equal(kept.looks.waiting_count, BW_GROUPS_MAX - BW_LOOKS_AT_ONCE - 1);
    for (size_t i = 0; i < sizeof kept.beyond; i++)
        assert_int_equal(kept.beyond[i], (uint8_t)i);
}

static void who_waits_is_told_when_the_first_place_is_free(void **state)
{
    const struct bw_instant begun = now;
    struct bw_instant at;
    uint32_t group;

    (void)state;
    assert_true(bw_looks_ask(&looks, 0, now));
    advance(BW_NS_PER_MS);
    for (uint32_t i = 1; i <= BW_LOOKS_AT_ONCE; i++)
        (void)bw_looks_ask(&looks, i, now);

    assert_false(bw_looks_next(&looks, now, &group, &at));

    assert_int_equal(at.boot_ns, bw_instant_add(begun, BW_LOOK_YOUNG_NS).boot_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_few_begin_at_once, begin),
        cmocka_unit_test_setup(of_many_only_so_many_begin_at_one_instant, begin),
        cmocka_unit_test_setup(who_waits_the_longest_begins_when_one_has_ended, begin),
        cmocka_unit_test_setup(what_hangs_holds_nobody_up, begin),
        cmocka_unit_test_setup(a_full_site_of_scripts_that_hang_has_all_begun_in_half_an_interval, begin),
        cmocka_unit_test_setup(who_leaves_the_queue_does_not_begin, begin),
        cmocka_unit_test_setup(who_asks_twice_waits_once, begin),
        cmocka_unit_test_setup(with_nobody_waiting_there_is_nothing_to_wake_for, begin),
        cmocka_unit_test_setup(one_clock_is_enough_to_make_room, begin),
        cmocka_unit_test_setup(the_last_of_all_that_wait_leaves_nobody_elses_place, begin),
        cmocka_unit_test_setup(who_waits_is_told_when_the_first_place_is_free, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
