/* machine/agent: what is asked, and what is believed, before any of it has a socket or a disk
 * (3.2-3.7). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent_rig.h"

/* ---- answers --------------------------------------------------------------------------------- */

static void an_answer_of_a_generation_before_ours_is_dropped(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    rig.state.generation = 2;
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    assert_asks_not(&rig, "order:");
    assert_asks(&rig, "note:3"); /* WITNESS_REFUSED */
}

static void a_newer_generation_is_durable_before_anything_of_an_answer_counts(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.answer.generation = 5;
    answered(&rig, 0, &reply);
    assert_asks_not(&rig, "order:");
    assert_asks(&rig, "SAVE");
    assert_int_equal(rig.saving_generation, 5);
    assert_int_equal(rig.state.generation, 1);

    forget(&rig);
    saved(&rig, BW_OK);
    assert_int_equal(rig.state.generation, 5);
    assert_asks(&rig, "HELLO"); /* the guard is told at once */
    answered(&rig, 1, &reply);
    assert_asks(&rig, "order:0");
}

static void only_a_leader_names_the_cluster_and_not_before_it_is_durable(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin(&rig, 0);
    guard_welcomes(&rig);
    wake(&rig);
    forget(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.answer.is_leader = false;
    answered(&rig, 0, &reply);
    assert_asks_not(&rig, "SAVE");
    reply.answer.is_leader = true;
    answered(&rig, 1, &reply);
    assert_asks(&rig, "SAVE");
    assert_true(bw_id_equal(rig.saving_cluster, rig_cluster));
    saved(&rig, BW_ERR_IO); /* a full disk: nothing is known, and it is told of again */
    assert_true(bw_id_is_none(rig.state.cluster_id));
    answered(&rig, 2, &reply);
    saved(&rig, BW_OK);
    assert_true(bw_id_equal(rig.state.cluster_id, rig_cluster));
    assert_asks_not(&rig, "order:");
}

static void another_cluster_is_refused_and_said_once(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.answer.cluster_id = (struct bw_id){{8}};
    answered(&rig, 0, &reply);
    assert_asks(&rig, "note:3");
    live_until(&rig, rig.now_ms + 1500);
    forget(&rig);
    answered(&rig, 0, &reply);
    assert_asks_not(&rig, "note:3");
    assert_asks_not(&rig, "order:");
}

static void an_answer_to_another_session_is_dropped(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.answer.session = (struct bw_id){{6}};
    answered(&rig, 0, &reply);
    assert_asks_not(&rig, "order:");
    assert_asks(&rig, "note:4"); /* ANSWER_DROPPED */
}

/* 3.2.3: of when the answer came nothing depends. */
static void a_lease_counts_from_the_instant_that_was_noted_when_the_renewal_left(void **state)
{
    struct reply reply;
    struct rig rig;
    uint64_t sent_ms;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    saved(&rig, BW_OK);
    live_until(&rig, rig.now_ms + 10);
    assert_int_equal(rig.said[0].renew_epoch, 1);
    sent_ms = rig.machine.sync_sent.boot_ns / MS;

    rig.now_ms += 700;
    reply_of(&rig, BW_ORDER_RUN, 8, &reply);
    reply.groups[0].confirmed_epoch = 1;
    answered(&rig, 1, &reply);
    assert_asks(&rig, "confirmed:0");
    assert_asks(&rig, "ARM");
    assert_int_equal(rig.arm.arm.end.boot_ns, (sent_ms + 10000) * MS);
}

static void a_follower_confirms_nothing(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.answer.is_leader = false;
    reply.groups[0].confirmed_epoch = 1;
    answered(&rig, 0, &reply);
    assert_asks(&rig, "order:0");
    assert_asks_not(&rig, "confirmed:");
}

/* ---- when ------------------------------------------------------------------------------------ */

static void deadlines_go_before_what_waited_in_a_queue(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
    rig.groups[1].wake_at = (struct bw_instant){1, 1};
    answered(&rig, 0, &reply);
    assert_true(strstr(rig.log, "tick:1") != NULL &&
                strstr(rig.log, "tick:1") < strstr(rig.log, "order:0"));
}

static void each_group_steps_with_clocks_that_were_read_for_it(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    rig.step_ms = 1;
    answered(&rig, 0, &reply);
    assert_int_not_equal(rig.groups[0].site.unsaved_own_since.boot_ns,
                         rig.groups[1].site.unsaved_own_since.boot_ns);
}

static void a_witness_has_two_unanswered_syncs_at_most_and_then_the_newest_at_once(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    live_until(&rig, rig.now_ms + 1500); /* the second one, to all */
    answered(&rig, 0, reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply));
    forget(&rig);
    live_until(&rig, rig.now_ms + 2100);
    assert_asks(&rig, "SYNC:0");
    assert_asks_not(&rig, "SYNC:1");
    forget(&rig);
    answered(&rig, 1, reply_of(&rig, BW_ORDER_STAND_BY, 8, &reply));
    live_until(&rig, rig.now_ms + 3);
    assert_asks(&rig, "SYNC:1");
    assert_asks_not(&rig, "SYNC:2");
}

static void whoever_answers_first_of_witnesses_that_all_owe_two_gets_the_newest_at_once(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    live_until(&rig, rig.now_ms + 1500); /* the second one, to all */
    live_until(&rig, rig.now_ms + 1500); /* the third, to none */
    forget(&rig);
    answered(&rig, 1, reply_of(&rig, BW_ORDER_STAND_BY, 8, &reply));
    live_until(&rig, rig.now_ms + 3);
    assert_asks(&rig, "SYNC:1");
    assert_asks_not(&rig, "SYNC:0");
}

/* A connection that broke, a certificate that is refused: the next sync is asked all the same. */
static void what_was_not_answered_makes_room_for_the_next_sync(void **state)
{
    const struct bw_agent_event unanswered = {.kind = BW_AGENT_EVENT_UNANSWERED,
                                              .witness = 1,
                                              .exchange = BW_AGENT_SYNC,
                                              .text = "certificate has expired"};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    for (int i = 0; i < 5; i++) {
        happen(&rig, unanswered);
        forget(&rig);
        live_until(&rig, rig.now_ms + 2100);
        assert_asks(&rig, "SYNC:1");
    }
}

static void a_poll_that_is_answered_at_once_without_news_is_slowed_down(void **state)
{
    const struct bw_agent_event nothing_new = {
        .kind = BW_AGENT_EVENT_ANSWERED, .witness = 1, .exchange = BW_AGENT_POLL};
    struct rig rig;
    int polls = 0;

    (void)state;
    begin_welcomed(&rig);
    for (int i = 0; i < 200; i++) {
        rig.now_ms += 20;
        wake(&rig);
        if (!rig.machine.witnesses[1].is_polled)
            continue;
        polls++;
        happen(&rig, nothing_new);
    }
    assert_in_range(polls, 3, 12); /* within 4 s */

    live_until(&rig, rig.now_ms + 2100);
    assert_true(rig.machine.witnesses[1].is_polled);
    rig.now_ms += 20000;
    happen(&rig, nothing_new); /* after a wait it is well */
    wake(&rig);
    assert_true(rig.machine.witnesses[1].is_polled);
}

static void witnesses_that_a_leader_tells_of_are_asked_and_left_again(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
    reply.answer.member_count = 2;
    (void)snprintf(reply.answer.members[0].address, BW_ADDRESS_MAX, "w1:7400");
    (void)snprintf(reply.answer.members[1].address, BW_ADDRESS_MAX, "w4:7400");
    answered(&rig, 0, &reply);
    wake(&rig);
    assert_asks(&rig, "USE:3 ");
    assert_asks(&rig, "POLL:3 ");

    live_until(&rig, rig.now_ms + 2100);
    forget(&rig);
    reply_of(&rig, BW_ORDER_STAND_BY, 8, &reply);
    reply.answer.member_count = 1;
    (void)snprintf(reply.answer.members[0].address, BW_ADDRESS_MAX, "w1:7400");
    answered(&rig, 0, &reply);
    assert_asks(&rig, "CANCEL:3 ");
    assert_asks_not(&rig, "CANCEL:1 "); /* it is in the site file */
}

/* ---- the disk -------------------------------------------------------------------------------- */

static void one_write_does_for_all_groups_of_a_step(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    assert_asks(&rig, "SAVE");
    assert_int_equal(rig.saving_epoch[0], 1);
    assert_int_equal(rig.saving_epoch[1], 1);
    forget(&rig);
    saved(&rig, BW_OK);
    assert_asks(&rig, "saved:0");
    assert_asks(&rig, "saved:1");
}

/* 3.4: a write answers for what was in it, not for what was asked for while it ran. */
static void a_write_says_nothing_of_what_was_asked_for_meanwhile(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin(&rig, 1);
    guard_welcomes_with(&rig, true);
    assert_asks(&rig, "SAVE"); /* that it is enforced */
    wake(&rig);
    forget(&rig);
    answered(&rig, 1, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    assert_asks_not(&rig, "SAVE"); /* one at a time */
    saved(&rig, BW_OK);
    assert_asks(&rig, "SAVE");
    live_until(&rig, rig.now_ms + 1100);
    assert_int_equal(rig.said[0].renew_epoch, 0);
    saved(&rig, BW_OK);
    live_until(&rig, rig.now_ms + 10);
    assert_int_equal(rig.said[0].renew_epoch, 1);
}

static void nothing_rests_on_a_write_that_failed(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    saved(&rig, BW_ERR_IO);
    live_until(&rig, rig.now_ms + 10);
    assert_int_equal(rig.said[0].renew_epoch, 0);
    assert_asks_not(&rig, "END");
}

static void a_disk_in_doubt_ends_the_process(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    saved(&rig, BW_ERR_UNKNOWN);
    assert_asks(&rig, "END");
}

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

static void a_mirror_of_another_boot_or_instance_is_not_ours(void **state)
{
    struct bw_guard_mirror_file file = {
        .group = "harbor",
        .boot_id = rig_boot,
        .time_namespace = 1,
        .mirror = {.armed_epoch = 4, .armed_instance = rig_instance}};
    struct bw_agent_mirror_reading reading = {.file = &file};
    struct rig rig;

    (void)state;
    begin_without_guard(&rig);
    file.time_namespace = 2;
    forget(&rig);
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_MIRRORS_READ,
                                         .readings = &reading,
                                         .reading_count = 1});
    assert_asks(&rig, "note:9");
    assert_int_equal(rig.groups[0].mirror_err, BW_ERR_STALE);
}

/* ---- whose state ----------------------------------------------------------------------------- */

static void state_of_another_site_or_machine_is_foreign(void **state)
{
    struct bw_agent_group group = {.name = "harbor", .memory = {.epoch = 1, .boot_id = rig_boot}};
    struct bw_agent_state kept = {
        .site = "a", .machine_id = {{1}}, .group_count = 1, .groups = &group};
    const struct bw_id machine = {{1}};
    const struct bw_id none = {{0}};
    const struct bw_id other = {{2}};

    (void)state;
    assert_null(bw_agent_state_foreigner(&kept, "a", machine, rig_boot));
    assert_string_equal(bw_agent_state_foreigner(&kept, "b", machine, rig_boot), "another site");
    assert_string_equal(bw_agent_state_foreigner(&kept, "a", other, rig_boot), "another machine");
    /* Without a machine id it is known again by its boot, as long as an epoch is open. */
    assert_null(bw_agent_state_foreigner(&kept, "a", none, rig_boot));
    assert_non_null(bw_agent_state_foreigner(&kept, "a", none, other));
    group.memory.given_back = true;
    assert_null(bw_agent_state_foreigner(&kept, "a", none, other));
}

static void a_closed_machine_asks_for_nothing(void **state)
{
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    bw_agent_machine_close(&rig.machine);
    assert_asks(&rig, "CLOSE");
    forget(&rig);
    rig.now_ms += 60000;
    wake(&rig);
    assert_string_equal(rig.log, "");
    assert_true(bw_instant_is_never(bw_agent_machine_wake_at(&rig.machine)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_of_a_generation_before_ours_is_dropped),
        cmocka_unit_test(a_newer_generation_is_durable_before_anything_of_an_answer_counts),
        cmocka_unit_test(only_a_leader_names_the_cluster_and_not_before_it_is_durable),
        cmocka_unit_test(another_cluster_is_refused_and_said_once),
        cmocka_unit_test(an_answer_to_another_session_is_dropped),
        cmocka_unit_test(a_lease_counts_from_the_instant_that_was_noted_when_the_renewal_left),
        cmocka_unit_test(a_follower_confirms_nothing),
        cmocka_unit_test(deadlines_go_before_what_waited_in_a_queue),
        cmocka_unit_test(each_group_steps_with_clocks_that_were_read_for_it),
        cmocka_unit_test(a_witness_has_two_unanswered_syncs_at_most_and_then_the_newest_at_once),
        cmocka_unit_test(
            whoever_answers_first_of_witnesses_that_all_owe_two_gets_the_newest_at_once),
        cmocka_unit_test(what_was_not_answered_makes_room_for_the_next_sync),
        cmocka_unit_test(a_poll_that_is_answered_at_once_without_news_is_slowed_down),
        cmocka_unit_test(witnesses_that_a_leader_tells_of_are_asked_and_left_again),
        cmocka_unit_test(one_write_does_for_all_groups_of_a_step),
        cmocka_unit_test(a_write_says_nothing_of_what_was_asked_for_meanwhile),
        cmocka_unit_test(nothing_rests_on_a_write_that_failed),
        cmocka_unit_test(a_disk_in_doubt_ends_the_process),
        cmocka_unit_test(a_guard_that_says_nothing_for_a_second_is_lost),
        cmocka_unit_test(a_welcome_may_take_long_as_long_as_words_come),
        cmocka_unit_test(a_guard_with_other_clocks_is_of_no_use),
        cmocka_unit_test(it_is_tried_again_ever_more_slowly_and_said_lost_once),
        cmocka_unit_test(arms_that_the_guard_does_not_read_wait_and_only_the_newest_is_sent),
        cmocka_unit_test(a_lost_guards_mirrors_are_read_at_once_of_all_groups),
        cmocka_unit_test(what_does_not_answer_within_a_second_cannot_be_read),
        cmocka_unit_test(a_mirror_of_another_boot_or_instance_is_not_ours),
        cmocka_unit_test(state_of_another_site_or_machine_is_foreign),
        cmocka_unit_test(a_closed_machine_asks_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
