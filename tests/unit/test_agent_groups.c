/* An agent's machine and a site file that is read again: groups that it names besides, and no more. Design 5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent_rig.h"

#define HARBOR 0
#define SHOP   1

static const struct bw_site_limits rig_limits = {
    .check_interval_ns = 5000 * MS,
    .failure_threshold = 3,
    .has_script = {[BW_ACTION_START] = true, [BW_ACTION_STOP] = true, [BW_ACTION_STATUS] = true}};

static void leave_shop(struct rig *rig)
{
    assert_int_equal(bw_agent_machine_keeps(&rig->machine, SHOP), BW_KEEPS_NOTHING);
    bw_agent_machine_leave_group(&rig->machine, SHOP);
}

static int take_shop(struct rig *rig)
{
    return bw_agent_machine_take_group(&rig->machine, "shop", &rig_limits, true,
                                       &rig->kept[SHOP].memory);
}

static void a_group_that_is_held_is_kept(void **state) /* I1, 3.2.4 */
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    assert_int_equal(bw_agent_machine_keeps(&rig.machine, SHOP), BW_KEEPS_NOTHING);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    assert_int_equal(bw_agent_machine_keeps(&rig.machine, SHOP), BW_KEEPS_EPOCH);
    saved(&rig, BW_OK);
    assert_int_equal(bw_agent_machine_keeps(&rig.machine, SHOP), BW_KEEPS_EPOCH);
}

static void of_a_group_that_was_left_nothing_is_said_or_heard(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    leave_shop(&rig);
    live_until(&rig, rig.now_ms + 10);
    assert_asks(&rig, "MAKE");
    assert_int_equal(rig.sync.group_count, 1);
    assert_string_equal(rig.sent_groups[0].name, "harbor");

    forget(&rig);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 9, &reply));
    assert_asks(&rig, "order:0");
    assert_asks_not(&rig, "order:1");
    guard_welcomes(&rig);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CLOSED, .text = "gone"});
    live_until(&rig, rig.now_ms + 3000);
    assert_asks(&rig, "lost:0");
    assert_asks_not(&rig, "state:1");
    assert_asks_not(&rig, "lost:1");
    assert_asks_not(&rig, "tick:1");
    assert_int_equal(bw_agent_machine_find(&rig.machine, "shop"), -1);
}

static void a_mirror_that_was_read_too_late_is_nobodys(void **state)
{
    struct bw_agent_mirror_reading reading = {.group = SHOP, .err = BW_ERR_IO, .text = "late"};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CLOSED, .text = "gone"});
    assert_asks(&rig, "READ");
    leave_shop(&rig);
    forget(&rig);
    happen(&rig, (struct bw_agent_event){
                     .kind = BW_AGENT_EVENT_MIRRORS_READ, .readings = &reading, .reading_count = 1});
    assert_asks_not(&rig, "mirror:1");
}

/* The guard may have read the file before: it is asked, in the connection that there is. */
static void a_group_that_is_taken_begins_when_its_guard_has_told_of_it(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    leave_shop(&rig);
    live_until(&rig, rig.now_ms + 10);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply));
    forget(&rig);
    assert_int_equal(take_shop(&rig), SHOP);
    assert_asks(&rig, "HELLO");
    assert_false(bw_site_is_greeted(&rig.groups[SHOP].site));
    live_until(&rig, rig.now_ms + 10);
    assert_int_equal(rig.sync.group_count, 2);
    assert_asks_not(&rig, "SAY"); /* no look before its guard is known to have it */

    guard_welcomes(&rig);
    assert_true(bw_site_is_greeted(&rig.groups[SHOP].site));
    assert_asks(&rig, "state:1");
}

/* It would be told how a run of before has ended as if it were one of its own. */
static void a_group_that_is_taken_again_goes_on_with_its_run_ids(void **state)
{
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    rig.groups[SHOP].site.next_run_id = 41;
    leave_shop(&rig);
    assert_int_equal(take_shop(&rig), SHOP);
    assert_int_equal(rig.groups[SHOP].site.next_run_id, 41);
}

/* 3.7: what it was given back with is known, as after a restart. */
static void a_group_that_is_taken_again_remembers(void **state)
{
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    leave_shop(&rig);
    rig.kept[SHOP].memory.epoch = 6;
    rig.kept[SHOP].memory.given_back = true;
    assert_int_equal(take_shop(&rig), SHOP);
    assert_int_equal(rig.groups[SHOP].site.memory.epoch, 6);
}

/* I1: the lease of one goes on while the other comes and goes, and the guard is greeted anew for it. */
static void the_lease_of_another_group_goes_on(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.groups[SHOP].order.kind = BW_ORDER_STAND_BY;
    answered(&rig, 0, &reply);
    saved(&rig, BW_OK);
    live_until(&rig, rig.now_ms + 10);
    leave_shop(&rig);
    live_until(&rig, rig.now_ms + 10);
    assert_int_equal(take_shop(&rig), SHOP);
    guard_welcomes(&rig);
    live_until(&rig, rig.now_ms + 10);
    assert_int_equal(rig.sent_groups[0].renew_epoch, 1);

    forget(&rig);
    reply_of(&rig, BW_ORDER_RUN, 8, &reply);
    reply.groups[HARBOR].confirmed_epoch = 1;
    answered(&rig, 1, &reply);
    assert_asks(&rig, "confirmed:0");
    assert_asks(&rig, "ARM");
    assert_asks_not(&rig, "lost:0");
}

static void there_is_room_for_those_of_before_and_for_no_others(void **state)
{
    static const char *const again[] = {"harbor", "shop"};
    static const char *const more[] = {"harbor", "third"};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    leave_shop(&rig);
    assert_true(bw_agent_machine_has_room(&rig.machine, again, 2));
    assert_false(bw_agent_machine_has_room(&rig.machine, more, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_that_is_held_is_kept),
        cmocka_unit_test(of_a_group_that_was_left_nothing_is_said_or_heard),
        cmocka_unit_test(a_mirror_that_was_read_too_late_is_nobodys),
        cmocka_unit_test(a_group_that_is_taken_begins_when_its_guard_has_told_of_it),
        cmocka_unit_test(a_group_that_is_taken_again_goes_on_with_its_run_ids),
        cmocka_unit_test(a_group_that_is_taken_again_remembers),
        cmocka_unit_test(the_lease_of_another_group_goes_on),
        cmocka_unit_test(there_is_room_for_those_of_before_and_for_no_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
