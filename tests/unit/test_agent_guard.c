/* An agent's machine and its guard: when it is there and when it is lost, what waits for it, and what its mirrors
 * say without it. Design 3.2, 3.4, 3.7. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent_rig.h"

/* ---- the guard ------------------------------------------------------------------------------- */

static void a_guard_that_says_nothing_for_a_second_is_lost(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 1);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CONNECTED});
    live_until(&rig, rig.now_ms + 999);
    assert_asks_not(&rig, "CLOSE");
    live_until(&rig, rig.now_ms + 10);
    assert_asks(&rig, "CLOSE");
    assert_asks(&rig, "lost:0");
    assert_asks(&rig, "lost:1");
}

static void a_welcome_may_take_long_as_long_as_words_come(void **state)
{
    struct bw_guard_message of_a_group = {.kind = BW_GUARD_MESSAGE_GROUP_STATE, .group = "harbor"};
    struct rig rig;

    (void)state;
    begin(&rig, 1);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CONNECTED});
    guard_says(&rig,
               (struct bw_guard_message){.kind = BW_GUARD_MESSAGE_WELCOME,
                                         .welcome = {.boot_id = rig_boot, .time_namespace = 1}});
    for (int i = 0; i < 5; i++) {
        live_until(&rig, rig.now_ms + 900);
        guard_says(&rig, of_a_group);
    }
    assert_asks_not(&rig, "CLOSE");
    live_until(&rig, rig.now_ms + 1100);
    assert_asks(&rig, "CLOSE");
}

/* 1: a wait is over with the second of the two clocks, a renewal is due with the first. */
static void a_wait_is_over_with_both_clocks_and_a_renewal_is_due_with_one(void **state)
{
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CLOSED, .text = "gone"});
    forget(&rig);
    rig.raw_behind_ms = 1600;
    rig.now_ms += 1500;
    wake(&rig);
    assert_asks_not(&rig, "CONNECT"); /* it is soon after the loss by one of them */
    assert_asks(&rig, "MAKE:");
    rig.now_ms += 1600;
    wake(&rig);
    assert_asks(&rig, "CONNECT");
}

static void a_guard_with_other_clocks_is_of_no_use(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 1);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CONNECTED});
    guard_says(&rig,
               (struct bw_guard_message){.kind = BW_GUARD_MESSAGE_WELCOME,
                                         .welcome = {.boot_id = rig_boot, .time_namespace = 2}});
    assert_asks(&rig, "CLOSE");
    assert_asks(&rig, "lost:0");
}

static void it_is_tried_again_ever_more_slowly_and_said_lost_once(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 1);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CLOSED, .text = "gone"});
    rig.connect_err = BW_ERR_UNREACHABLE;
    assert_asks(&rig, "lost:0");
    forget(&rig);
    live_until(&rig, rig.now_ms + 60);
    assert_asks(&rig, "CONNECT");
    assert_asks_not(&rig, "lost:");
    live_until(&rig, rig.now_ms + 3000);
    forget(&rig);
    live_until(&rig, rig.now_ms + 900);
    rig.connect_err = BW_OK;
    live_until(&rig, rig.now_ms + 1100);
    assert_asks(&rig, "CONNECT");
}

/* 3.4: whoever is not told fences nothing by itself. */
static void a_guard_is_lost_as_often_as_it_was_there(void **state)
{
    const struct bw_agent_event closed = {.kind = BW_AGENT_EVENT_GUARD_CLOSED, .text = "gone"};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    for (int i = 0; i < 3; i++) {
        forget(&rig);
        happen(&rig, closed);
        assert_asks(&rig, "lost:0");
        assert_asks(&rig, "lost:1");
        live_until(&rig, rig.now_ms + 2000);
        assert_asks(&rig, "CONNECT");
        guard_welcomes(&rig);
    }
}

static void a_guard_that_refuses_hello_is_lost_and_asked_again(void **state)
{
    struct rig rig;

    (void)state;
    begin(&rig, 1);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CONNECTED});
    forget(&rig);
    guard_says(&rig, (struct bw_guard_message){.kind = BW_GUARD_MESSAGE_HELLO_REFUSED,
                                               .refused = {.why = BW_REFUSAL_WRONG_INSTANCE}});
    assert_asks(&rig, "CLOSE");
    assert_asks(&rig, "lost:0");
    live_until(&rig, rig.now_ms + 60);
    assert_asks(&rig, "CONNECT");
}

static void nothing_counts_that_a_guard_says_before_its_welcome_or_after_it_was_given_up(void **state)
{
    const struct bw_guard_message of_a_group = {.kind = BW_GUARD_MESSAGE_GROUP_STATE,
                                                .group = "harbor"};
    const struct bw_guard_message armed = {.kind = BW_GUARD_MESSAGE_ARMED, .group = "harbor"};
    struct rig rig;

    (void)state;
    begin(&rig, 1);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CONNECTED});
    guard_says(&rig, of_a_group);
    guard_says(&rig, armed);
    assert_asks_not(&rig, "state:");
    assert_asks_not(&rig, "message:");
    live_until(&rig, rig.now_ms + 1001);
    assert_asks(&rig, "CLOSE");
    forget(&rig);
    guard_says(&rig, of_a_group);
    guard_says(&rig, armed);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CONNECTED});
    assert_string_equal(rig.log, "");
}

/* The newest says all that the older ones did. */
static void arms_that_the_guard_does_not_read_wait_and_only_the_newest_is_sent(void **state)
{
    struct reply reply;
    struct rig rig;
    uint64_t newest_ns;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    saved(&rig, BW_OK);
    live_until(&rig, rig.now_ms + 10);
    rig.guard_reads_nothing = true;
    for (uint32_t i = 1; i <= 2; i++) {
        reply_of(&rig, BW_ORDER_RUN, 7 + i, &reply);
        reply.groups[0].confirmed_epoch = 1;
        answered(&rig, i, &reply);
        live_until(&rig, rig.now_ms + 2100);
    }
    assert_asks_not(&rig, "ARM");
    newest_ns = rig.groups[0].arm.arm.end.boot_ns;
    rig.guard_reads_nothing = false;
    live_until(&rig, rig.now_ms + 5);
    assert_asks(&rig, "ARM");
    assert_int_equal(rig.arm.arm.end.boot_ns, newest_ns);
}

/* Each of both groups was confirmed, and nothing of it could be sent. */
static void hold_back_arms(struct rig *rig)
{
    struct reply reply;

    begin_welcomed(rig);
    answered(rig, 0, reply_of(rig, BW_ORDER_RUN, 7, &reply));
    saved(rig, BW_OK);
    live_until(rig, rig->now_ms + 10);
    rig->guard_reads_nothing = true;
    reply_of(rig, BW_ORDER_RUN, 8, &reply);
    reply.groups[0].confirmed_epoch = reply.groups[1].confirmed_epoch = 1;
    answered(rig, 1, &reply);
    assert_true(rig->groups[0].has_arm && rig->groups[1].has_arm);
    live_until(rig, rig->now_ms + 2100);
    forget(rig);
}

/* A later arm that is read says all that the one held back did: that one is not sent after it. */
static void an_arm_that_is_read_voids_the_one_that_waits(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    hold_back_arms(&rig);
    rig.guard_reads_nothing = false;
    reply_of(&rig, BW_ORDER_RUN, 9, &reply);
    reply.groups[0].confirmed_epoch = 1;
    answered(&rig, 2, &reply);
    assert_asks(&rig, "ARM");
    assert_false(rig.groups[0].has_arm);
    assert_true(rig.groups[1].has_arm);
}

static void arms_that_wait_are_void_with_their_guard(void **state)
{
    struct rig rig;

    (void)state;
    hold_back_arms(&rig);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CLOSED, .text = "gone"});
    assert_false(rig.groups[0].has_arm || rig.groups[1].has_arm);
    assert_true(bw_instant_is_never(rig.machine.guard.arm_at));
}

/* ---- its mirrors ----------------------------------------------------------------------------- */

static void begin_without_guard(struct rig *rig)
{
    begin(rig, 1);
    rig->connect_err = BW_ERR_UNREACHABLE;
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CLOSED, .text = "gone"});
}

static void a_lost_guards_mirrors_are_read_at_once_of_all_groups(void **state)
{
    struct rig rig;

    (void)state;
    begin_without_guard(&rig);
    assert_asks(&rig, "READ:2");
}

static void what_does_not_answer_within_a_second_cannot_be_read(void **state)
{
    struct rig rig;

    (void)state;
    begin_without_guard(&rig);
    forget(&rig);
    live_until(&rig, rig.now_ms + 990);
    assert_asks_not(&rig, "mirror:");
    live_until(&rig, rig.now_ms + 20);
    assert_asks(&rig, "mirror:0");
    assert_asks(&rig, "mirror:1");
    assert_asks(&rig, "note:9");   /* MIRROR_UNREADABLE */
    assert_asks_not(&rig, "READ"); /* one at a time */
}

/* A reading of one mirror, of a guard that has armed epoch 4 for this instance. */
static struct bw_guard_mirror_file mirror_of_ours(void)
{
    return (struct bw_guard_mirror_file){.group = "harbor",
                                         .boot_id = rig_boot,
                                         .time_namespace = 1,
                                         .mirror = {.armed_epoch = 4,
                                                    .armed_instance = rig_instance,
                                                    .armed_end = {7000, 8000},
                                                    .fence_ns = 9}};
}

static void read_first(struct rig *rig, const struct bw_guard_mirror_file *file)
{
    const struct bw_agent_mirror_reading reading = {.file = file};

    begin_without_guard(rig);
    forget(rig);
    happen(rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_MIRRORS_READ,
                                        .readings = &reading,
                                        .reading_count = 1});
    assert_asks(rig, "mirror:0");
}

static void what_a_mirror_has_armed_for_us_is_told_whole(void **state)
{
    const struct bw_guard_mirror_file file = mirror_of_ours();
    struct rig rig;

    (void)state;
    read_first(&rig, &file);
    assert_asks_not(&rig, "note:9");
    assert_true(rig.mirror.ok);
    assert_false(rig.mirror.mirror_is_anothers);
    assert_int_equal(rig.mirror.mirror_epoch, 4);
    assert_int_equal(rig.mirror.mirror_end.boot_ns, 7000);
    assert_int_equal(rig.mirror.mirror_end.raw_ns, 8000);
    assert_int_equal(rig.mirror.mirror_fence_ns, 9);
}

static void assert_stale(const struct bw_guard_mirror_file *file)
{
    struct rig rig;

    read_first(&rig, file);
    assert_asks(&rig, "note:9");
    assert_int_equal(rig.groups[0].mirror_err, BW_ERR_STALE);
    assert_false(rig.mirror.ok || rig.mirror.mirror_is_anothers);
}

static void a_mirror_of_another_boot_time_namespace_or_group_arms_nothing(void **state)
{
    struct bw_guard_mirror_file file = mirror_of_ours();

    (void)state;
    file.time_namespace = 2;
    assert_stale(&file);
    file = mirror_of_ours();
    file.boot_id = (struct bw_id){{4}};
    assert_stale(&file);
    file = mirror_of_ours();
    (void)snprintf(file.group, sizeof file.group, "shop");
    assert_stale(&file);
}

/* 3.4, 3.5: its lease is enforced, and nothing of it is ours. */
static void what_a_mirror_has_armed_for_another_instance_is_anothers(void **state)
{
    struct bw_guard_mirror_file file = mirror_of_ours();
    struct rig rig;

    (void)state;
    file.mirror.armed_instance = (struct bw_id){{2}};
    read_first(&rig, &file);
    assert_false(rig.mirror.ok);
    assert_true(rig.mirror.mirror_is_anothers);
    assert_int_equal(rig.mirror.mirror_epoch, 4);
    file.mirror.armed_epoch = 0;
    read_first(&rig, &file);
    assert_false(rig.mirror.ok || rig.mirror.mirror_is_anothers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guard_that_says_nothing_for_a_second_is_lost),
        cmocka_unit_test(a_welcome_may_take_long_as_long_as_words_come),
        cmocka_unit_test(a_wait_is_over_with_both_clocks_and_a_renewal_is_due_with_one),
        cmocka_unit_test(a_guard_with_other_clocks_is_of_no_use),
        cmocka_unit_test(it_is_tried_again_ever_more_slowly_and_said_lost_once),
        cmocka_unit_test(a_guard_is_lost_as_often_as_it_was_there),
        cmocka_unit_test(a_guard_that_refuses_hello_is_lost_and_asked_again),
        cmocka_unit_test(nothing_counts_that_a_guard_says_before_its_welcome_or_after_it_was_given_up),
        cmocka_unit_test(arms_that_the_guard_does_not_read_wait_and_only_the_newest_is_sent),
        cmocka_unit_test(an_arm_that_is_read_voids_the_one_that_waits),
        cmocka_unit_test(arms_that_wait_are_void_with_their_guard),
        cmocka_unit_test(a_lost_guards_mirrors_are_read_at_once_of_all_groups),
        cmocka_unit_test(what_does_not_answer_within_a_second_cannot_be_read),
        cmocka_unit_test(what_a_mirror_has_armed_for_us_is_told_whole),
        cmocka_unit_test(a_mirror_of_another_boot_time_namespace_or_group_arms_nothing),
        cmocka_unit_test(what_a_mirror_has_armed_for_another_instance_is_anothers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
