/* core/decide/forced.c: the end of an epoch on a person's word. Design 3.1, 3.3, 4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/foretell.h>

#include "core_world.h"

static struct world world;
static struct bw_diag diag;

static void assert_acts(const char *rule)
{
    assert_string_equal(world_act(&world), rule);
}

static void assert_decides(const char *rule)
{
    assert_string_equal(world_decide(&world), rule);
}

static void assert_says(const char *part)
{
    if (strstr(diag.text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, diag.text);
}

/* dc-a served, its fence has failed, and nobody hears of it any more. */
static void begin_held(void)
{
    struct bw_command failed = {.kind = BW_COMMAND_FENCE_FAILED, .group = "harbor"};

    world_begin(&world, 2);
    failed.epoch = world_group(&world)->epoch;
    assert_string_equal(world_apply(&world, &failed), "G12");
    world.sites[A].renew_epoch = 0;
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 60000);
    diag = (struct bw_diag){0};
}

/* dc-a serves under a policy by which time alone ends nothing. */
static void begin_fenced(void)
{
    struct bw_spec spec;

    world_init(&world, 2);
    spec = world_group(&world)->spec;
    spec.handover_by_time = BW_HANDOVER_NEVER;
    world_begin_with(&world, 2, &spec);
    diag = (struct bw_diag){0};
}

static enum bw_err force(const char *site, bool holder_is_off, uint64_t epoch)
{
    struct bw_wish wish = {.kind = BW_WISH_FORCE_RELEASE,
                           .holder_is_off = holder_is_off,
                           .epoch = epoch,
                           .by = "operator/anna",
                           .text = "the rack burns"};

    (void)strcpy(wish.to, site);
    return bw_witness_ask(&world.witness, 0, &wish, world.now, &diag);
}

static uint64_t epoch(void)
{
    return world_group(&world)->epoch;
}

/* ---- does time end it? ------------------------------------------------------------------------ */

static void assert_waits(const char *gate)
{
    struct bw_end_waits waits = {0};
    const bool does_wait = bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                                    &world.witness.leadership, &waits);

    if (gate == NULL) {
        assert_false(does_wait);
        return;
    }
    assert_true(does_wait);
    assert_string_equal(bw_gate_id_text(waits.gate), gate);
    assert_non_null(waits.why);
}

/* What every text is made by is what A3 and A4 decide by. */
static void time_ends_what_the_arbiter_lets_expire_and_nothing_else(void **state) /* 3.3, 3.4 */
{
    (void)state;
    world_init(&world, 2);
    assert_waits(NULL); /* VACANT */
    world_begin(&world, 2);
    assert_waits(NULL);
    world_group(&world)->terms.reach = BW_REACH_REMOTE;
    assert_waits("end_reach");
    world_group(&world)->terms.second_enforcer = true;
    assert_waits(NULL);
    world_group(&world)->terms.second_enforcer = false;
    world_group(&world)->adopting = true; /* every site reports before anybody is granted (3.9) */
    assert_waits(NULL);
    world_group(&world)->adopting = false;
    assert_waits("end_reach");
    world_group(&world)->spec.handover_by_time = BW_HANDOVER_ALWAYS;
    assert_waits(NULL);
    world_group(&world)->terms.reach = BW_REACH_NONE;
    assert_waits("end_reach");
    world_begin(&world, 2);
    world_group(&world)->sight.seen = BW_REACH_OUTSIDE;
    assert_waits("end_reach");
    bw_witness_on_not_leading(&world.witness); /* a follower confirms nothing: that proves nothing */
    assert_waits("end_reach");
    begin_fenced();
    assert_waits("end_reach");
    begin_held();
    assert_waits("held");
}

/* ---- the way ---------------------------------------------------------------------------------- */

static void a_held_epoch_ends_by_a_persons_word_and_the_record_says_whose(void **state) /* 3.1 */
{
    const struct bw_voucher *voucher;

    (void)state;
    begin_held();
    assert_decides("A0");
    assert_true(world_holds(&world, "vouched", -1));

    assert_int_equal(force("dc-a", false, epoch()), BW_OK);
    assert_acts("A26");
    assert_string_equal(world.decision.command.by, "operator/anna");

    assert_int_equal(world_group(&world)->phase, BW_PHASE_VACANT);
    assert_int_equal(world_group(&world)->last_end.grade, BW_GRADE_FORCED);
    assert_int_equal(world_group(&world)->last_end.reason, BW_REASON_OPERATOR);
    assert_true(world_group(&world)->last_end.past_no_return); /* nobody knows that it has not written */
    assert_string_equal(world_group(&world)->data_site, "dc-a");
    voucher = bw_group_voucher(world_group(&world), epoch());
    assert_non_null(voucher);
    assert_string_equal(voucher->by, "operator/anna");
    assert_string_equal(voucher->text, "the rack burns");
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

/* I1: a person is wrong about a machine more easily than a clock. */
static void nothing_is_forced_while_a_lease_may_live(void **state)
{
    uint64_t wait_ms;

    (void)state;
    begin_fenced();
    wait_ms = world_wait_of_terms_ms(&world);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 4000); /* dc-a is silent, its lease may live for long */
    assert_int_equal(force("dc-a", false, epoch()), BW_OK);

    assert_acts("A25");
    assert_int_equal(world_group(&world)->phase, BW_PHASE_CLOSING);
    assert_string_equal(bw_group_voucher(world_group(&world), epoch())->by, "operator/anna");
    assert_decides("A0");
    assert_true(world_holds(&world, "lapse", -1));
    assert_true(world.decision.wake_in_ns != UINT64_MAX);
    world_wait_ms(&world, wait_ms - 4000 - 1000);
    assert_decides("A0");
    world_wait_ms(&world, 1000);
    assert_acts("A26");
    assert_int_equal(world_group(&world)->last_end.grade, BW_GRADE_FORCED);
}

/* A report that comes after the word counts as one that came before. */
static void who_answers_after_the_word_is_not_forced(void **state)
{
    (void)state;
    begin_fenced();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 4000);
    assert_int_equal(force("dc-a", false, 0), BW_OK);
    assert_acts("A25");
    world_wait_ms(&world, 60000);
    world.sites[A].is_mute = false;
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);

    assert_decides("A0");
    assert_true(world_holds(&world, "silent", -1));
    assert_true(world.decision.wake_in_ns <= 4000 * BW_NS_PER_MS);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 4000);
    assert_acts("A26");
}

static void who_answers_is_not_taken_for_off_unless_it_is_said(void **state)
{
    (void)state;
    begin_held();
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);

    assert_int_equal(force("dc-a", false, epoch()), BW_ERR_REFUSED);
    assert_says("--service-is-stopped");
    assert_int_equal(world_watch(&world)->wish.kind, BW_WISH_NONE);
    assert_int_equal(force("dc-a", true, epoch()), BW_OK);
    assert_acts("A26");
}

/* I1: two would serve, whatever a person believes. */
static void who_says_started_is_not_forced_by_any_word(void **state)
{
    (void)state;
    begin_held();
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);

    assert_int_equal(force("dc-a", true, epoch()), BW_ERR_REFUSED);
    assert_says("dc-a is connected, and reports that harbor runs there");

    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_int_equal(force("dc-a", true, epoch()), BW_OK);
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_decides("A0");
    assert_true(world_holds(&world, "silent", -1));
    assert_string_equal(world_gate(&world, "silent", -1)->word, "service started");

    world_watch(&world)->wish.holder_is_off = false;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_decides("A0");
    assert_string_equal(world_gate(&world, "silent", -1)->word, "service not started");
}

/* Of two agents of the site one is enough, whichever was heard first. */
static void one_agent_that_says_started_counts_more_than_another(void **state)
{
    (void)state;
    for (int first_serves = 0; first_serves < 2; first_serves++) {
        begin_held();
        world.sites[A].is_mute = false;
        for (int i = 0; i < 2; i++) {
            world.sites[A].report.service = (i == 0) == (first_serves != 0) ? BW_SERVICE_STARTED
                                                                            : BW_SERVICE_STOPPED;
            (void)world_sync(&world, A);
            world.sites[A].instance.bytes[1] = 9;
            world.sites[A].session.bytes[1] = 9;
        }

        assert_int_equal(force("dc-a", true, epoch()), BW_ERR_REFUSED);
        assert_says("dc-a is connected, and reports that harbor runs there");
    }
}

/* Any agent of the site speaks for it, also one of another instance. */
static void a_new_instance_at_the_site_answers_for_it(void **state)
{
    (void)state;
    begin_held();
    world.sites[A].instance.bytes[1] = 9;
    world.sites[A].session.bytes[1] = 9;
    world.sites[A].number = 0;
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);

    assert_int_equal(force("dc-a", false, epoch()), BW_ERR_REFUSED);
    assert_int_equal(force("dc-a", true, epoch()), BW_OK);
    assert_acts("A26");
}

/* 3.5, 3.7: only an epoch's own instance gives it back. Who came back without its state never does, and
 * no text may say that it will. */
static void who_lost_its_state_is_not_waited_for(void **state)
{
    struct bw_wish wish = {.kind = BW_WISH_FAILOVER, .to = "dc-b"};
    struct bw_end_waits waits;
    char way[200];

    (void)state;
    begin_held();
    assert_true(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                         &world.witness.leadership, &waits));
    assert_false(waits.is_lost);
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_ERR_REFUSED);
    assert_says("It ends when dc-a releases it. If dc-a is off: ");
    world.sites[A].instance.bytes[1] = 9;
    world.sites[A].session.bytes[1] = 9;
    world.sites[A].number = 0;
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);

    assert_true(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                         &world.witness.leadership, &waits));
    assert_true(waits.is_lost);
    bw_end_way(world_group(&world), &waits, way, sizeof(way));
    assert_string_equal(way, "breakwater confirm-fenced harbor --site dc-a --service-is-stopped");
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_ERR_REFUSED);
    assert_null(strstr(diag.text, "when dc-a releases it"));
    assert_says(way);
    assert_int_equal(force("dc-a", false, epoch()), BW_ERR_REFUSED);
    assert_says("its agent has lost the state to release the lease");
}

/* 3.3: its fence is tried again, and no status will see the end: the way on is the one that a person can go. */
static void where_no_status_sees_an_end_the_way_is_a_persons_word_beside_the_agent(void **state)
{
    struct bw_wish wish = {.kind = BW_WISH_FAILOVER, .to = "dc-b"};
    struct bw_foretelling *room = calloc(1, sizeof *room);
    char way[200];

    (void)state;
    assert_non_null(room);
    begin_held();
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_false(bw_foretell_way(world_group(&world), world_watch(&world), &world.witness.leadership, world.now, room,
                                 way, sizeof way)); /* one look that says nothing is none */
    world.sites[A].report.alarms |= 1u << BW_ALARM_STATUS_UNKNOWN;
    world_sync_all(&world);
    assert_true(bw_foretell_way(world_group(&world), world_watch(&world), &world.witness.leadership, world.now, room,
                                way, sizeof way));
    assert_string_equal(way, "breakwater confirm-fenced harbor --site dc-a --service-is-stopped");
    assert_int_equal(bw_witness_ask(&world.witness, 0, &wish, world.now, &diag), BW_ERR_REFUSED);
    assert_says(way);
    assert_int_equal(force("dc-a", true, epoch()), BW_OK);
    free(room);
}

/* Two that speak at once: one of them may still give it back. */
static void a_second_instance_beside_the_holder_loses_nothing(void **state)
{
    struct bw_end_waits waits;

    (void)state;
    begin_fenced();
    world_sync_all(&world);
    world.sites[A].instance.bytes[1] = 9;
    world.sites[A].session.bytes[1] = 9;
    world.sites[A].number = 0;
    world.sites[A].renew_epoch = 0;
    world_sync_all(&world);
    assert_true(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                         &world.witness.leadership, &waits));
    assert_false(waits.is_lost);

    world_pass_ms(&world, 10000); /* and now it speaks alone */

    assert_true(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                         &world.witness.leadership, &waits));
    assert_true(waits.is_lost);
}

/* A second enforcer warns as an instance of its own (3.4): that says nothing of what its agent has lost. */
static void a_warning_of_a_second_enforcer_loses_nothing(void **state)
{
    struct bw_end_waits waits;

    (void)state;
    begin_fenced();
    world_sync_all(&world);
    world.sites[A].instance.bytes[1] = 9;
    world.sites[A].session = world.sites[A].instance;
    world.sites[A].number = 0;
    world.sites[A].renew_epoch = 0;
    world.sites[A].report = (struct bw_report){.epoch_seen = epoch()};
    world_pass_ms(&world, 10000); /* its machine is left alone: the agent's is gone */
    assert_true(bw_contact_is_second(bw_site_reports_newest(&world_watch(&world)->reports[A])));

    assert_true(bw_arbiter_end_waits_for(world_group(&world), world_watch(&world),
                                         &world.witness.leadership, &waits));
    assert_false(waits.is_lost);
    assert_true(waits.is_unseen);
    assert_int_equal(force("dc-a", false, epoch()), BW_ERR_REFUSED); /* somebody there answers */
    assert_int_equal(force("dc-a", true, epoch()), BW_OK);           /* as it is printed */
}

/* The way on after the end of a leader: the Close is committed, the word was in its memory. */
static void a_new_leader_asks_for_the_word_again(void **state)
{
    (void)state;
    begin_fenced();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 4000);
    assert_int_equal(force("dc-a", false, epoch()), BW_OK);
    assert_acts("A25");
    world_lead_anew(&world);
    world_pass_ms(&world, 60000);

    assert_decides("A0");
    assert_true(world_holds(&world, "vouched", -1));
    assert_non_null(bw_group_voucher(world_group(&world), epoch()));
    assert_int_equal(force("dc-a", false, epoch()), BW_OK);
    assert_acts("A26");
}

/* ---- clear words ------------------------------------------------------------------------------ */

static void only_the_holders_site_is_vouched_for(void **state)
{
    (void)state;
    begin_held();

    assert_int_equal(force("dc-b", true, 0), BW_ERR_REFUSED);
    assert_says("dc-b is not the primary of harbor: dc-a is, in epoch 1");
    assert_int_equal(force("dc-x", true, 0), BW_ERR_NOT_FOUND);
    assert_int_equal(force("", true, 0), BW_ERR_INVALID);
}

static void an_epoch_that_was_looked_at_and_is_over_is_said(void **state)
{
    (void)state;
    begin_held();

    assert_int_equal(force("dc-a", false, 7), BW_ERR_STALE);
    assert_says("epoch 7 of harbor has ended; dc-a is primary in epoch 1 now");
}

static void said_twice_it_finds_that_all_is_done(void **state)
{
    (void)state;
    begin_held();
    assert_int_equal(force("dc-a", false, 0), BW_OK);
    assert_acts("A26");

    assert_int_equal(force("dc-a", false, 1), BW_ERR_EXISTS);
    assert_says("epoch 1 of dc-a has ended (operator)");
    assert_int_equal(force("dc-b", false, 1), BW_ERR_REFUSED);

    assert_acts("A9");
    assert_int_equal(force("dc-a", false, 1), BW_ERR_EXISTS);
    assert_says("epoch 1 of dc-a has ended (operator); dc-b is primary of harbor now, in epoch 2");
    assert_int_equal(force("dc-a", false, 0), BW_ERR_EXISTS);
    assert_int_equal(force("dc-a", false, 2), BW_ERR_REFUSED);

    world_init(&world, 2);
    assert_int_equal(force("dc-a", false, 0), BW_ERR_REFUSED);
    assert_says("no site has ever been primary of harbor");
}

static void where_time_ends_it_nobody_needs_to_vouch(void **state)
{
    char left[48];
    uint64_t left_ms;

    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 5000);

    assert_int_equal(force("dc-a", false, 0), BW_ERR_REFUSED);
    assert_says("no confirmation is needed for dc-a: epoch 1 of harbor expires automatically");
    left_ms = bw_arbiter_lease_may_live_ns(world_group(&world), world_watch(&world),
                                           &world.witness.leadership, world.now) / BW_NS_PER_MS;
    (void)snprintf(left, sizeof left, " in %u.%u s at the latest", (unsigned)(left_ms / 1000),
                   (unsigned)(left_ms / 100 % 10));
    assert_says(left);
    assert_int_equal(force("dc-a", true, 0), BW_ERR_REFUSED);

    for (int i = 0; i < 10; i++) { /* each tenth of a second */
        world_wait_ms(&world, (left_ms - 1000 * (uint64_t)i) % 100 + (i == 0 ? 0 : 100));
        left_ms = bw_arbiter_lease_may_live_ns(world_group(&world), world_watch(&world),
                                               &world.witness.leadership, world.now) / BW_NS_PER_MS;
        (void)snprintf(left, sizeof left, " in %u.%u s at the latest", (unsigned)(left_ms / 1000),
                       (unsigned)(left_ms / 100 % 10));
        assert_int_equal(force("dc-a", false, 0), BW_ERR_REFUSED);
        assert_says(left);
    }
}

/* 3.3: what it says keeps time from ending the epoch for as long as it says so. */
static void who_answers_and_is_off_is_vouched_for_although_time_would_end_it(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_waits(NULL);

    assert_int_equal(force("dc-a", true, 0), BW_OK);
}

/* A site whose epoch was forced holds the group again: that one is another. */
static void a_site_that_holds_the_group_again_is_vouched_for_again(void **state)
{
    struct bw_command failed = {.kind = BW_COMMAND_FENCE_FAILED, .group = "harbor"};

    (void)state;
    begin_held();
    assert_int_equal(force("dc-a", false, 0), BW_OK);
    assert_acts("A26");
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world.sites[B].report.condition = BW_CONDITION_STOP;
    world_pass_ms(&world, 2000);
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    world_serve(&world, A);
    failed.epoch = epoch();
    assert_string_equal(world_apply(&world, &failed), "G12");
    world.sites[A].renew_epoch = 0;
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 60000);

    assert_int_equal(force("dc-a", false, 0), BW_OK);
}

static void of_a_group_that_nobody_holds_nothing_answers_and_no_lease_lives(void **state)
{
    uint64_t fresh_left_ns = 1;

    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_acts("A1");

    assert_int_equal(bw_arbiter_holder_answer(world_group(&world), world_watch(&world), world.now,
                                              &fresh_left_ns),
                     BW_HOLDER_SILENT);
    assert_int_equal(fresh_left_ns, 0);
    assert_int_equal(bw_arbiter_lease_may_live_ns(world_group(&world), world_watch(&world),
                                                  &world.witness.leadership, world.now),
                     0);
}

/* A failover waits for an end; where none comes it must not be let in (4). */
static void a_failover_that_would_wait_for_ever_is_refused_at_once(void **state)
{
    (void)state;
    begin_held();
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_ERR_REFUSED);
    assert_says("fence_unconfirmed");
    assert_says("breakwater confirm-fenced harbor --site dc-a");

    begin_fenced();
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 8000);
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "", false, &diag), BW_ERR_REFUSED);
    assert_says("may_outlive_lease");
    world_pass_ms(&world, 60000);
    assert_acts("A4");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "", false, &diag), BW_ERR_REFUSED);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, &diag), BW_ERR_REFUSED);
    assert_says("breakwater confirm-fenced harbor --site dc-a");
}

static void vouch(enum bw_command_kind kind, const char *by, const char *text)
{
    struct bw_command command = {
        .kind = kind, .group = "harbor", .epoch = epoch(), .reason = BW_REASON_OPERATOR};

    (void)strcpy(command.by, by);
    (void)strcpy(command.text, text);
    assert_string_not_equal(world_apply(&world, &command), "-");
}

/* Between Close and Forced a leader may end: the word is said again, and both are the record. */
static void what_was_said_first_is_kept_when_it_is_said_again(void **state)
{
    static const struct {
        const char *by;
        const char *text;
        const char *kept;
    } again[] = {
        {"operator/anna", "", "fire"},
        {"operator/anna", "fire", "fire"},
        {"operator/anna", "looked again", "fire; looked again"},
        {"operator/bert", "saw the smoke", "operator/anna: fire; saw the smoke"},
        {"operator/bert", "", "operator/anna: fire"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof again / sizeof again[0]; i++) {
        begin_fenced();
        vouch(BW_COMMAND_CLOSE, "operator/anna", "fire");
        vouch(BW_COMMAND_FORCED, again[i].by, again[i].text);
        assert_string_equal(bw_group_voucher(world_group(&world), epoch())->by, again[i].by);
        assert_string_equal(bw_group_voucher(world_group(&world), epoch())->text, again[i].kept);
    }
}

/* Nothing is cut within a character. */
static void long_reasons_are_kept_as_far_as_they_fit(void **state)
{
    char text[BW_REASON_MAX + 1] = "";
    const char *kept;

    (void)state;
    for (size_t i = 0; i + 2 <= BW_REASON_MAX - 2; i += 2)
        (void)strcat(text, "\xc3\xa9");
    begin_fenced();
    vouch(BW_COMMAND_CLOSE, "operator/anna", text);
    vouch(BW_COMMAND_FORCED, "operator/anna", "\xc3\xa9");
    kept = bw_group_voucher(world_group(&world), epoch())->text;
    assert_int_equal(strlen(kept), strlen(text) + 2);
    assert_string_equal(kept + strlen(text), "; ");
}

/* The newest few are kept, and no word outlives its epoch. */
static void the_record_of_words_is_bounded(void **state)
{
    struct bw_command close = {.kind = BW_COMMAND_CLOSE, .group = "harbor",
                               .reason = BW_REASON_OPERATOR, .by = "operator/anna"};
    struct bw_group *group;

    (void)state;
    begin_fenced();
    group = world_group(&world);
    for (uint64_t i = 0; i < BW_VOUCHERS_MAX + 2; i++) {
        struct bw_command forced;

        close.epoch = epoch();
        (void)world_apply(&world, &close);
        forced = close;
        forced.kind = BW_COMMAND_FORCED;
        (void)strcpy(forced.text, "again");
        assert_string_equal(world_apply(&world, &forced), "G17");
        assert_string_equal(bw_group_voucher(group, epoch())->text, "again"); /* none was said before */
        world_stop(&world, A);
        world_pass_ms(&world, 60000);
        while (world_group(&world)->phase == BW_PHASE_VACANT)
            assert_string_not_equal(world_act(&world), "A0");
    }

    assert_int_equal(group->voucher_count, BW_VOUCHERS_MAX);
    assert_null(bw_group_voucher(group, 1));
    assert_null(bw_group_voucher(group, 2));
    for (uint64_t i = 0; i < BW_VOUCHERS_MAX; i++)
        assert_int_equal(group->vouchers[i].epoch, 3 + i);
}

/* Said again, what is done is done by a person's word alone: what lapsed was forced by nobody. */
static void an_epoch_that_ended_by_time_was_not_forced(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    assert_acts("A3");
    assert_acts("A9");

    assert_int_equal(force("dc-a", false, 0), BW_ERR_REFUSED);
    assert_says("dc-a is not the primary of harbor");
}

/* What the close of an epoch is decided by is written down beside it. */
static void a_close_for_a_person_says_that_it_is_vouched_for(void **state)
{
    (void)state;
    begin_fenced();
    world.sites[A].renew_epoch = 0;
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 8000);
    assert_int_equal(force("dc-a", false, epoch()), BW_OK);

    (void)world_decide(&world);

    assert_int_equal(world.decision.command.kind, BW_COMMAND_CLOSE);
    assert_non_null(world_gate(&world, "vouched", -1));
}

/* 4: what time ends asks for nobody's word, nor says that one is missing. */
static void the_close_of_what_time_ends_says_nothing_of_a_word(void **state)
{
    struct bw_command close = {
        .kind = BW_COMMAND_CLOSE, .group = "harbor", .reason = BW_REASON_LEASE_LOST};

    (void)state;
    world_begin(&world, 2);
    close.epoch = epoch();
    assert_string_equal(world_apply(&world, &close), "G10");
    assert_waits(NULL);
    assert_decides("A0");
    assert_null(world_gate(&world, "vouched", -1));

    begin_fenced();
    close.epoch = epoch();
    assert_string_equal(world_apply(&world, &close), "G10");
    assert_waits("end_reach");
    assert_decides("A0");
    assert_true(world_holds(&world, "vouched", -1));
}

/* What a person has overruled is not waited for; what they have not is, until it is no longer fresh. */
static void only_an_answer_that_holds_is_waited_for(void **state)
{
    struct bw_command failed = {.kind = BW_COMMAND_FENCE_FAILED, .group = "harbor"};

    (void)state;
    for (int is_off = 0; is_off < 2; is_off++) {
        world_begin(&world, 2);
        failed.epoch = epoch();
        assert_string_equal(world_apply(&world, &failed), "G12");
        world.sites[A].renew_epoch = 0;
        world.sites[A].report.service = BW_SERVICE_UNKNOWN;
        world_sync_all(&world);
        assert_int_equal(force("dc-a", true, 0), BW_OK);
        world_watch(&world)->wish.holder_is_off = is_off != 0;
        assert_decides("A0");
        assert_true(world_holds(&world, "lapse", -1));
        assert_int_equal(world_holds(&world, "silent", -1), is_off == 0);
        assert_int_equal(world.decision.wake_in_ns > 5 * BW_NS_PER_S, is_off != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_ends_what_the_arbiter_lets_expire_and_nothing_else),
        cmocka_unit_test(a_held_epoch_ends_by_a_persons_word_and_the_record_says_whose),
        cmocka_unit_test(nothing_is_forced_while_a_lease_may_live),
        cmocka_unit_test(who_answers_after_the_word_is_not_forced),
        cmocka_unit_test(who_answers_is_not_taken_for_off_unless_it_is_said),
        cmocka_unit_test(who_says_started_is_not_forced_by_any_word),
        cmocka_unit_test(one_agent_that_says_started_counts_more_than_another),
        cmocka_unit_test(a_new_instance_at_the_site_answers_for_it),
        cmocka_unit_test(who_lost_its_state_is_not_waited_for),
        cmocka_unit_test(a_second_instance_beside_the_holder_loses_nothing),
        cmocka_unit_test(a_warning_of_a_second_enforcer_loses_nothing),
        cmocka_unit_test(where_no_status_sees_an_end_the_way_is_a_persons_word_beside_the_agent),
        cmocka_unit_test(a_new_leader_asks_for_the_word_again),
        cmocka_unit_test(only_the_holders_site_is_vouched_for),
        cmocka_unit_test(an_epoch_that_was_looked_at_and_is_over_is_said),
        cmocka_unit_test(said_twice_it_finds_that_all_is_done),
        cmocka_unit_test(where_time_ends_it_nobody_needs_to_vouch),
        cmocka_unit_test(who_answers_and_is_off_is_vouched_for_although_time_would_end_it),
        cmocka_unit_test(a_site_that_holds_the_group_again_is_vouched_for_again),
        cmocka_unit_test(of_a_group_that_nobody_holds_nothing_answers_and_no_lease_lives),
        cmocka_unit_test(a_failover_that_would_wait_for_ever_is_refused_at_once),
        cmocka_unit_test(what_was_said_first_is_kept_when_it_is_said_again),
        cmocka_unit_test(long_reasons_are_kept_as_far_as_they_fit),
        cmocka_unit_test(the_record_of_words_is_bounded),
        cmocka_unit_test(an_epoch_that_ended_by_time_was_not_forced),
        cmocka_unit_test(a_close_for_a_person_says_that_it_is_vouched_for),
        cmocka_unit_test(the_close_of_what_time_ends_says_nothing_of_a_word),
        cmocka_unit_test(only_an_answer_that_holds_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
