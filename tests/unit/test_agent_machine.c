/* machine/agent: what is asked, and what is believed, before any of it has a socket or a disk
 * (3.2-3.7). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/counters.h>

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

/* 3.9: no recovery could rise above what one forged answer had written to every disk. */
static void a_generation_too_far_above_ours_is_not_taken(void **state)
{
    const uint64_t last = 1 + BW_GENERATION_JUMP_MAX;
    const uint64_t made_up[] = {UINT64_MAX, UINT64_C(1) << 63, BW_GENERATION_MAX, last + 1};
    struct reply reply;
    struct rig rig;

    (void)state;
    for (size_t i = 0; i < sizeof made_up / sizeof made_up[0]; i++) {
        begin_welcomed(&rig);
        reply_of(&rig, BW_ORDER_RUN, 7, &reply);
        reply.answer.generation = made_up[i];
        answered(&rig, 0, &reply);
        assert_asks_not(&rig, "SAVE");
        assert_asks_not(&rig, "order:");
        assert_asks(&rig, "note:3"); /* WITNESS_REFUSED */
        assert_int_equal(rig.state.generation, 1);
    }
    reply.answer.generation = last;
    answered(&rig, 1, &reply);
    assert_asks(&rig, "SAVE");
    assert_int_equal(rig.saving_generation, last);
}

static void nor_is_it_of_a_cluster_that_was_not_met_yet(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin(&rig, 0);
    guard_welcomes(&rig);
    wake(&rig);
    forget(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.answer.generation = UINT64_C(1) << 61;
    answered(&rig, 0, &reply);
    assert_asks_not(&rig, "SAVE");
    reply.answer.generation = 1;
    answered(&rig, 1, &reply);
    assert_asks(&rig, "SAVE");
}

static void only_a_leader_names_a_newer_generation(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.answer.generation = 5;
    reply.answer.is_leader = false;
    answered(&rig, 0, &reply);
    assert_asks_not(&rig, "SAVE");
    assert_asks_not(&rig, "order:");
    reply.answer.is_leader = true;
    answered(&rig, 1, &reply);
    assert_asks(&rig, "SAVE");
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
    assert_int_equal(rig.sent_groups[0].renew_epoch, 1);
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

/* 3.7: what waits to adopt hears of it, and of no epoch where nobody serves. */
static void that_another_site_serves_is_told_of_its_group(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
    reply.groups[1].other_serves_epoch = 3;
    answered(&rig, 0, &reply);
    assert_asks(&rig, "other:1");
    assert_asks_not(&rig, "other:0");
}

/* 3.3: who does not lead knows neither whether the epoch is closed still, nor who else was asked.
 */
static void only_a_leader_asks_for_a_remote_fence(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
    reply.groups[1].remote_fence = (struct bw_remote_fence_ask){.epoch = 3, .term = 1, .number = 1};
    reply.answer.is_leader = false;
    answered(&rig, 0, &reply);
    assert_asks(&rig, "order:1");
    assert_asks_not(&rig, "asked:");

    reply.answer.is_leader = true;
    answered(&rig, 1, &reply);
    assert_asks(&rig, "asked:1");
    assert_asks_not(&rig, "asked:0");
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

static void a_witness_has_four_unanswered_syncs_at_most_and_then_the_newest_at_once(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    for (int i = 1; i < BW_AGENT_SYNCS_MAX; i++)
        live_until(&rig, rig.now_ms + 1500); /* one more, to all */
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

static void whoever_answers_first_of_witnesses_that_all_owe_four_gets_the_newest_at_once(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    for (int i = 1; i < BW_AGENT_SYNCS_MAX; i++)
        live_until(&rig, rig.now_ms + 1500); /* one more, to all */
    live_until(&rig, rig.now_ms + 1500); /* the fifth, to none */
    forget(&rig);
    answered(&rig, 1, reply_of(&rig, BW_ORDER_STAND_BY, 8, &reply));
    live_until(&rig, rig.now_ms + 3);
    assert_asks(&rig, "SYNC:1");
    assert_asks_not(&rig, "SYNC:0");
}

/* Over a long network path each answer is later than request_timeout, and renews all the same (3.2.1). */
static void an_answer_that_is_late_keeps_no_sync_from_leaving(void **state)
{
    const struct bw_agent_event given_up = {.kind = BW_AGENT_EVENT_UNANSWERED,
                                            .witness = 1,
                                            .exchange = BW_AGENT_SYNC,
                                            .text = "no answer"};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    for (int beat = 0; beat < 10; beat++) {
        if (beat >= BW_AGENT_ANSWER_LIMITS)
            happen(&rig, given_up); /* the oldest has had its whole limit */
        forget(&rig);
        live_until(&rig, rig.now_ms + 1000);
        assert_asks(&rig, "SYNC:1");
        assert_int_equal(rig.limit_ms, 3000);
    }
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

/* Of the one witness, each of which ends at once so. */
static int polls_within(struct rig *rig, unsigned ms, struct bw_agent_event so)
{
    int polls = 0;

    for (unsigned passed = 0; passed < ms; passed += 20) {
        rig->now_ms += 20;
        wake(rig);
        if (!rig->machine.witnesses[1].is_polled)
            continue;
        polls++;
        happen(rig, so);
    }
    return polls;
}

static void a_poll_that_is_answered_at_once_without_news_is_slowed_down(void **state)
{
    const struct bw_agent_event nothing_new = {
        .kind = BW_AGENT_EVENT_ANSWERED, .witness = 1, .exchange = BW_AGENT_POLL};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    assert_in_range(polls_within(&rig, 4000, nothing_new), 3, 12);

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
    forget(&rig);
    live_until(&rig, rig.now_ms + 2100);
    assert_asks(&rig, "SYNC:0 ");
    assert_asks_not(&rig, "SYNC:3 ");
}

/* An order changes how often the next epoch is renewed; the one that is held goes on as it was granted (4). */
static void what_is_held_is_renewed_as_often_as_it_was_granted(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    saved(&rig, BW_OK);
    live_until(&rig, rig.now_ms + 10);
    for (uint64_t index = 8; index < 11; index++) {
        reply_of(&rig, BW_ORDER_RUN, index, &reply);
        for (uint32_t i = 0; i < RIG_GROUPS; i++)
            reply.groups[i].order.terms.renew_interval_ms = 5000;
        answered(&rig, 0, &reply);
        forget(&rig);
        live_until(&rig, rig.now_ms + 2001);
        assert_asks(&rig, "MAKE:");
    }
}

/* 3.2, 5.3: a renewal that no leader hears for half as long again goes a detour. */
static void whoever_hears_no_leader_wants_its_syncs_passed_on(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    for (int i = 0; i < 3; i++) {
        answered(&rig, 0, reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply));
        live_until(&rig, rig.now_ms + 2100);
        assert_false(rig.sync.wants_relay);
    }
    for (int i = 0; i < 2; i++) {
        reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
        reply.answer.is_leader = false;
        answered(&rig, 0, &reply);
        live_until(&rig, rig.now_ms + 2100);
    }
    assert_true(rig.sync.wants_relay);
}

/* w1 leads, and its address is silent: w2 passes on what wants it, and speaks for itself otherwise. */
static void heard_by_way_of_w2(struct rig *rig)
{
    struct reply reply;

    reply_of(rig, BW_ORDER_STAND_BY, 7, &reply);
    reply.answer.is_leader = rig->sync.wants_relay;
    memcpy(reply.answer.witness, rig->sync.wants_relay ? "w1" : "w2", sizeof "w1");
    answered(rig, 1, &reply);
    live_until(rig, rig->now_ms + 2100);
}

/* 5.3: a leader that is passed each second sync only takes the site for one that does not hear it (4). */
static void relayed_answers_leave_each_sync_wanting_to_be_passed_on(void **state)
{
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    for (int i = 0; i < 3; i++)
        heard_by_way_of_w2(&rig);
    for (int i = 0; i < 6; i++) {
        assert_true(rig.sync.wants_relay);
        heard_by_way_of_w2(&rig);
    }
}

/* w1, whose address is heard again, or w2, which leads now and had passed on before that w1 does not. */
static void nothing_is_passed_on_once_the_leader_answers_itself(void **state)
{
    (void)state;
    for (uint32_t leader = 0; leader < 2; leader++) {
        struct reply reply;
        struct rig rig;

        begin_welcomed(&rig);
        for (int i = 0; i < 4; i++)
            heard_by_way_of_w2(&rig);
        reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
        reply.answer.is_leader = false;
        answered(&rig, 1, &reply);
        live_until(&rig, rig.now_ms + 2100);
        assert_true(rig.sync.wants_relay);
        reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
        memcpy(reply.answer.witness, leader == 0 ? "w1" : "w2", sizeof "w1");
        answered(&rig, leader, &reply);
        live_until(&rig, rig.now_ms + 2100);
        assert_false(rig.sync.wants_relay);
    }
}

/* 3.8, 4: by which a witness measures the clocks here, and sees that it is heard. */
static void a_sync_says_which_answers_were_heard(void **state)
{
    struct reply reply;
    uint64_t number;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
    number = reply.answer.number;
    answered(&rig, 0, &reply);
    live_until(&rig, rig.now_ms + 2100);
    assert_int_equal(rig.sync.exchange_count, 1);
    assert_string_equal(rig.sync.exchanges[0].witness, "w1");
    assert_int_equal(rig.sync.exchanges[0].number, number);
}

static void a_guard_that_is_not_there_has_no_feature_level(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    live_until(&rig, rig.now_ms + 2100);
    assert_int_equal(rig.sync.guard_level, 1);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply));
    rig.connect_err = BW_ERR_UNREACHABLE;
    happen(&rig, (struct bw_agent_event){.kind = BW_AGENT_EVENT_GUARD_CLOSED, .text = "gone"});
    live_until(&rig, rig.now_ms + 2100);
    assert_int_equal(rig.sync.guard_level, 0);
}

static void a_poll_asks_for_what_is_newer_than_the_newest_order_of_any_group(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    reply_of(&rig, BW_ORDER_STAND_BY, 7, &reply);
    reply.groups[1].order.index = 9;
    answered(&rig, 0, &reply);
    live_until(&rig, rig.now_ms + 1100);
    happen(&rig, (struct bw_agent_event){
                     .kind = BW_AGENT_EVENT_ANSWERED, .witness = 1, .exchange = BW_AGENT_POLL});
    wake(&rig);
    assert_asks(&rig, "POLL:1");
    assert_int_equal(rig.after, 9);
}

static void a_poll_that_fails_is_asked_again_ever_more_slowly(void **state)
{
    const struct bw_agent_event unanswered = {.kind = BW_AGENT_EVENT_UNANSWERED,
                                              .witness = 1,
                                              .exchange = BW_AGENT_POLL,
                                              .text = "refused"};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    assert_in_range(polls_within(&rig, 20000, unanswered), 10, 26); /* at least each 2 s */
}

static void limits_that_are_read_anew_are_those_of_the_site(void **state)
{
    const struct bw_site_limits limits = {.check_interval_ns = 123 * MS};
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    bw_agent_machine_set_limits(&rig.machine, 1, &limits);
    assert_int_equal(rig.groups[1].site.limits.check_interval_ns, 123 * MS);
    assert_int_equal(rig.groups[0].site.limits.check_interval_ns, 5000 * MS);
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
    assert_int_equal(rig.sent_groups[0].renew_epoch, 0);
    saved(&rig, BW_OK);
    live_until(&rig, rig.now_ms + 10);
    assert_int_equal(rig.sent_groups[0].renew_epoch, 1);
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
    assert_int_equal(rig.sent_groups[0].renew_epoch, 0);
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

/* 3.4: of another group's write nothing is known of this one's. */
static void a_write_answers_for_the_groups_that_were_in_it(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin(&rig, 1);
    guard_welcomes_with(&rig, true);
    saved(&rig, BW_OK); /* that one is enforced, and that the other is */
    saved(&rig, BW_OK);
    wake(&rig);
    reply_of(&rig, BW_ORDER_RUN, 7, &reply);
    reply.answer.group_count = 1;
    answered(&rig, 1, &reply);
    assert_asks(&rig, "SAVE");
    forget(&rig);
    saved(&rig, BW_ERR_IO);
    assert_asks(&rig, "saved:0");
    assert_asks_not(&rig, "saved:1");
}

static void what_is_durable_is_written_once(void **state)
{
    struct reply reply;
    struct rig rig;

    (void)state;
    begin_welcomed(&rig);
    answered(&rig, 0, reply_of(&rig, BW_ORDER_RUN, 7, &reply));
    saved(&rig, BW_OK);
    forget(&rig);
    wake(&rig);
    assert_asks_not(&rig, "SAVE");
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

/* 3.7: in one boot of the kernel a copy has another run_dir, and so it is another boot of the site. */
static void boot_of_a_site_is_one_of_its_kernel_in_one_run_dir(void **state)
{
    const struct bw_run_dir own = {.device = 0x1d, .inode = 0x0102030405060708};
    const struct bw_run_dir others[] = {{.device = 0x1d, .inode = 0x0102030405060709},
                                        {.device = 0x1e, .inode = 0x0102030405060708},
                                        {.device = own.inode, .inode = own.device}};
    const struct bw_id boot = bw_agent_boot_id(rig_boot, &own);

    (void)state;
    assert_true(bw_id_equal(boot, bw_agent_boot_id(rig_boot, &own)));
    assert_false(bw_id_equal(boot, bw_agent_boot_id(rig_site_boot, &own))); /* another kernel's */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(bw_id_equal(boot, bw_agent_boot_id(rig_boot, &others[i])));
}

static void what_an_older_release_has_begun_goes_on_in_its_boot(void **state)
{
    static const struct bw_id instance = {{7}};
    struct bw_agent_group group = {.name = "harbor", .memory = {.epoch = 4, .boot_id = rig_boot}};
    const struct bw_agent_state kept = {
        .instance = instance, .site = "a", .group_count = 1, .groups = &group};
    const struct bw_guard_mirror_file armed = {
        .group = "harbor",
        .boot_id = rig_boot,
        .mirror = {.armed_epoch = 4, .armed_instance = instance}};
    struct bw_guard_mirror_file mirror = armed;

    (void)state;
    assert_true(bw_agent_state_goes_on(&kept, &group, rig_boot, &mirror));
    assert_false(bw_agent_state_goes_on(&kept, &group, rig_site_boot, &mirror));
    mirror.boot_id = rig_site_boot;
    assert_false(bw_agent_state_goes_on(&kept, &group, rig_boot, &mirror));
    mirror = armed;
    mirror.mirror.armed_epoch = 5; /* what the copy has armed itself is no word of its original */
    assert_false(bw_agent_state_goes_on(&kept, &group, rig_boot, &mirror));
    mirror = armed;
    mirror.mirror.armed_instance = rig_boot;
    assert_false(bw_agent_state_goes_on(&kept, &group, rig_boot, &mirror));
    mirror = armed;
    (void)strcpy(mirror.group, "island");
    assert_false(bw_agent_state_goes_on(&kept, &group, rig_boot, &mirror));
    group.memory.given_back = true;
    assert_false(bw_agent_state_goes_on(&kept, &group, rig_boot, &armed));
    group.memory = (struct bw_site_memory){.override = BW_OVERRIDE_OVERRIDING, .override_boot_id = rig_boot};
    assert_false(bw_agent_state_goes_on(&kept, &group, rig_boot, &armed));
    mirror = armed;
    mirror.mirror.armed_serial = 1;
    assert_true(bw_agent_state_goes_on(&kept, &group, rig_boot, &mirror));
}

/* 3.4: a second enforcer in the agent's own boot of the kernel would be lost with it. */
static void second_enforcer_is_elsewhere_in_another_boot_of_the_kernel(void **state)
{
    struct rig rig;
    struct bw_second_ask_group group = {.report = {.service = BW_SERVICE_STARTED}};
    struct bw_second_ask ask = {.session = {{9}}, .group_count = 1, .groups = &group};
    const struct bw_id boots[] = {{{0}}, rig_boot, {{77}}};

    (void)state;
    begin_welcomed(&rig);
    memcpy(group.name, rig.machine.groups[0].site.group, sizeof group.name);
    for (size_t i = 0; i < sizeof boots / sizeof boots[0]; i++) {
        ask.boot_id = boots[i];
        bw_agent_machine_step(&rig.machine, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_SECOND, .second = &ask});
        assert_int_equal(rig.machine.groups[0].site.seconds[0].runs_elsewhere, i == 2);
    }
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
        cmocka_unit_test(a_generation_too_far_above_ours_is_not_taken),
        cmocka_unit_test(nor_is_it_of_a_cluster_that_was_not_met_yet),
        cmocka_unit_test(only_a_leader_names_a_newer_generation),
        cmocka_unit_test(only_a_leader_names_the_cluster_and_not_before_it_is_durable),
        cmocka_unit_test(another_cluster_is_refused_and_said_once),
        cmocka_unit_test(an_answer_to_another_session_is_dropped),
        cmocka_unit_test(a_lease_counts_from_the_instant_that_was_noted_when_the_renewal_left),
        cmocka_unit_test(a_follower_confirms_nothing),
        cmocka_unit_test(that_another_site_serves_is_told_of_its_group),
        cmocka_unit_test(only_a_leader_asks_for_a_remote_fence),
        cmocka_unit_test(deadlines_go_before_what_waited_in_a_queue),
        cmocka_unit_test(each_group_steps_with_clocks_that_were_read_for_it),
        cmocka_unit_test(an_answer_that_is_late_keeps_no_sync_from_leaving),
        cmocka_unit_test(a_witness_has_four_unanswered_syncs_at_most_and_then_the_newest_at_once),
        cmocka_unit_test(
            whoever_answers_first_of_witnesses_that_all_owe_four_gets_the_newest_at_once),
        cmocka_unit_test(what_was_not_answered_makes_room_for_the_next_sync),
        cmocka_unit_test(a_poll_that_is_answered_at_once_without_news_is_slowed_down),
        cmocka_unit_test(witnesses_that_a_leader_tells_of_are_asked_and_left_again),
        cmocka_unit_test(what_is_held_is_renewed_as_often_as_it_was_granted),
        cmocka_unit_test(whoever_hears_no_leader_wants_its_syncs_passed_on),
        cmocka_unit_test(relayed_answers_leave_each_sync_wanting_to_be_passed_on),
        cmocka_unit_test(nothing_is_passed_on_once_the_leader_answers_itself),
        cmocka_unit_test(a_sync_says_which_answers_were_heard),
        cmocka_unit_test(a_guard_that_is_not_there_has_no_feature_level),
        cmocka_unit_test(a_poll_asks_for_what_is_newer_than_the_newest_order_of_any_group),
        cmocka_unit_test(a_poll_that_fails_is_asked_again_ever_more_slowly),
        cmocka_unit_test(limits_that_are_read_anew_are_those_of_the_site),
        cmocka_unit_test(one_write_does_for_all_groups_of_a_step),
        cmocka_unit_test(a_write_says_nothing_of_what_was_asked_for_meanwhile),
        cmocka_unit_test(nothing_rests_on_a_write_that_failed),
        cmocka_unit_test(a_disk_in_doubt_ends_the_process),
        cmocka_unit_test(a_write_answers_for_the_groups_that_were_in_it),
        cmocka_unit_test(what_is_durable_is_written_once),
        cmocka_unit_test(state_of_another_site_or_machine_is_foreign),
        cmocka_unit_test(boot_of_a_site_is_one_of_its_kernel_in_one_run_dir),
        cmocka_unit_test(what_an_older_release_has_begun_goes_on_in_its_boot),
        cmocka_unit_test(second_enforcer_is_elsewhere_in_another_boot_of_the_kernel),
        cmocka_unit_test(a_closed_machine_asks_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
