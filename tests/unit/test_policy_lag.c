/* policy: what another site lacks of the newest data, as far as is known (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "policy_judge.h"

static void apply_to_epoch(enum bw_command_kind kind, enum bw_phase after)
{
    (void)world_apply(&world, &(struct bw_command){
                                  .kind = kind, .group = "harbor", .epoch = world_group(&world)->epoch});
    assert_int_equal(world_group(&world)->phase, after);
}

static void hear_only_b_for_s(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        world_wait_ms(&world, 1000);
        (void)world_sync(&world, B);
    }
}

static void lag_within_bounds_is_accepted_and_beyond_is_not(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.lag_ms = 5000;
    world_sync_all(&world);
    assert_true(judge(B, false));

    world.sites[B].report.lag_ms = 5001;
    world_sync_all(&world);
    assert_false(judge(B, false));
    assert_true(is_held_by("lag"));
    world_group(&world)->spec.on_lag = BW_ON_LAG_ALLOW;
    assert_true(judge(B, false));
}

/* 4: what is measured after the data site fell silent says nothing about what it never sent. */
static void lag_measured_after_the_failure_does_not_count(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.lag_ms = 60000;
    world_pass_ms(&world, 2000);
    world.sites[A].is_mute = true;
    world.sites[B].report.lag_ms = 0;
    world_pass_ms(&world, 10000);

    assert_false(judge(B, false));
    assert_true(is_held_by("lag"));
}

static void lag_that_was_never_measured_is_not_zero(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[B].report.has_lag = false;
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A6");
    world_serve(&world, A);

    assert_false(judge(B, false));
    assert_true(is_held_by("lag"));
}

/* 3.3: a witness that stood still reads it when it goes on. It says how it was before its agent went. */
static void a_lag_is_no_younger_than_the_answer_that_its_site_had_heard(void **state)
{
    struct bw_instant heard;

    (void)state;
    world_begin(&world, 2);
    heard = bw_site_reports_newest(&world_watch(&world)->reports[B])->answered_received;
    world.sites[B].is_deaf = true;
    for (int i = 0; i < 60; i++) {
        world_wait_ms(&world, 500);
        (void)world_sync(&world, A);
    }
    (void)world_sync(&world, B);
    (void)world_sync(&world, A);

    assert_true(world_watch(&world)->lag[B].known);
    assert_true(world_watch(&world)->lag[B].measured.boot_ns < heard.boot_ns + 1000 * BW_NS_PER_MS);
}

/* 4: it was cut off from the data site, which served on for whoever led. */
static void a_lag_of_before_this_witness_was_away_is_unknown(void **state)
{
    (void)state;
    for (int is_told = 0; is_told < 2; is_told++) {
        world_begin(&world, 2);
        bw_witness_on_not_leading(&world.witness);
        world_wait_ms(&world, 1000);
        if (is_told != 0) /* it has seen the end of that epoch applied in time */
            apply_to_epoch(BW_COMMAND_CLOSE, BW_PHASE_CLOSING);
        hear_only_b_for_s(60);
        world_lead_anew(&world);
        (void)world_sync(&world, B);
        (void)world_sync(&world, B);

        assert_int_equal(judge(B, false), is_told != 0);
        assert_int_equal(is_held_by("lag"), is_told == 0);
    }
}

/* 4: that its last epoch ended in time says nothing of the next one, which this witness has only read of. */
static void a_lag_of_an_epoch_before_the_last_of_the_same_site_is_unknown(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, false, "");
    assert_string_equal(world_act(&world), "A1");
    world.sites[B].report.condition = BW_CONDITION_STOP;
    world_pass_ms(&world, 1000);
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    bw_witness_on_not_leading(&world.witness);
    world.sites[B].report.condition = BW_CONDITION_START;
    hear_only_b_for_s(60);
    apply_to_epoch(BW_COMMAND_CLOSE, BW_PHASE_CLOSING);
    apply_to_epoch(BW_COMMAND_EXPIRED, BW_PHASE_VACANT);
    world_lead_anew(&world);
    (void)world_sync(&world, B);
    (void)world_sync(&world, B);

    assert_false(judge(B, false));
    assert_true(is_held_by("lag"));
}

/* 3.3, 4: what its time does not end may write until somebody ends it. Who forces that end has seen how old the lag is. */
static void a_lag_of_what_was_fenced_long_after_it_was_heard_is_unknown(void **state)
{
    static const struct {
        enum bw_command_kind end;
        unsigned after_s;
        uint32_t limits_ms[2]; /* of the fences of dc-b and dc-c, which 0 has never spoken */
        bool is_known;
    } cases[] = {{BW_COMMAND_FENCED, 5, {1000, 0}, true},      {BW_COMMAND_FENCED, 60, {1000, 0}, false},
                 {BW_COMMAND_FENCED, 60, {30000, 0}, true},    {BW_COMMAND_FENCED, 60, {30000, 1000}, true},
                 {BW_COMMAND_FENCED, 60, {1000, 30000}, true}, {BW_COMMAND_FENCED, 60, {1000, 1000}, false},
                 {BW_COMMAND_FENCED, 120, {30000, 0}, false},  {BW_COMMAND_FORCED, 120, {30000, 0}, true}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_begin(&world, 3);
        world.sites[B].report.remote_fence.limit_ms = cases[i].limits_ms[0];
        world.sites[C].report.remote_fence.limit_ms = cases[i].limits_ms[1];
        world_sync_all(&world);
        if (cases[i].limits_ms[1] == 0)
            world_watch(&world)->reports[C] = (struct bw_site_reports){0};
        apply_to_epoch(BW_COMMAND_CLOSE, BW_PHASE_CLOSING);
        hear_only_b_for_s(cases[i].after_s);
        apply_to_epoch(cases[i].end, BW_PHASE_VACANT);
        hear_only_b_for_s(2);

        assert_int_equal(judge(B, false), cases[i].is_known);
        assert_int_equal(is_held_by("lag"), !cases[i].is_known);
    }
}

/* The most that can be said is one below what says that nobody knows. */
static void a_lag_of_two_months_is_as_old_as_can_be_said(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.now = bw_instant_add(world.now, 60 * 24 * 3600 * BW_NS_PER_S);
    (void)world_sync(&world, B); /* dc-a is silent */

    (void)judge(B, false);

    assert_false(is_held_by("connected"));
    for (uint32_t i = 0; i < candidacy.gate_count; i++)
        if (strcmp(bw_gate_id_text(candidacy.gates[i].id), "lag") == 0) {
            assert_int_equal(candidacy.gates[i].unit, BW_UNIT_MS);
            assert_int_equal(candidacy.gates[i].age_ms, UINT32_MAX - 1);
            return;
        }
    fail_msg("no gate of the lag");
}

/* 3.9, 4: what was let go goes on where it was, and nobody measures by it. */
static void a_lag_of_what_was_let_go_is_unknown(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_pass_ms(&world, 2000);
    world_set_mode(&world, BW_MODE_OBSERVE);
    world.sites[A].renew_epoch = 0;
    world_pass_ms(&world, 1000);
    world_set_mode(&world, BW_MODE_AUTO);
    world_stop(&world, A);
    world_sync_all(&world);

    assert_false(judge(B, false));
    assert_true(is_held_by("lag"));
}

/* 4: at most three checks before the last confirmed renewal. */
static void lag_measured_long_before_the_last_renewal_is_unknown(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.lag_ms = 100;
    world_sync_all(&world);
    world.sites[B].is_mute = true;
    world_pass_ms(&world, 35000);
    world.sites[B].is_mute = false;
    world.sites[B].report.has_lag = false;
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 1000);

    assert_false(judge(B, false));
    assert_true(is_held_by("lag"));
}

/* Everybody who can still speaks for `ms`, and what is decided is applied, until another site than the
 * lost one is granted. */
static bool goes_on_for_ms(int lost, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 500) {
        world_pass_ms(&world, 500);
        (void)world_act(&world);
        if (world_group(&world)->phase == BW_PHASE_GRANTED &&
            strcmp(world_group(&world)->holder_site,
                   world_group(&world)->spec.sites[lost].name) != 0)
            return true;
    }
    return false;
}

/* 4: whoever leads when the wait is over has heard the lost site as long as everybody else has. Checks
 * that are short against an election leave a leader's own beginning far behind the last of them. */
static void a_failover_goes_on_whenever_the_leader_changes(void **state)
{
    const uint64_t election_ms = 1500;

    (void)state;
    for (uint64_t moment_ms = 0; moment_ms <= 20000; moment_ms += 500) {
        world_begin(&world, 2);
        world.sites[B].report.check_interval_ms = 500;
        world_pass_ms(&world, 2000);
        world.sites[A].is_mute = true;

        if (goes_on_for_ms(A, moment_ms))
            continue; /* it was over before */
        bw_witness_on_not_leading(&world.witness);
        world_pass_ms(&world, election_ms);
        world_lead_anew(&world);

        assert_true(goes_on_for_ms(A, world_wait_of_terms_ms(&world) + 5000));
        assert_string_equal(world_group(&world)->holder_site, "dc-b");
    }
}

/* 4: what this witness heard while another one led counts as what it hears as a leader. */
static void a_new_leader_uses_what_it_heard_as_a_follower(void **state)
{
    (void)state;
    world_begin(&world, 2);
    bw_witness_on_not_leading(&world.witness);
    world_pass_ms(&world, 5000);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 2000);
    world_lead_anew(&world);
    world_sync_all(&world);
    assert_true(judge(B, false));

    bw_witness_on_not_leading(&world.witness);
    world.sites[B].report.has_lag = false;
    world.sites[A].is_mute = false; /* it lives on, and nobody measures what lags behind it */
    world_pass_ms(&world, 60000);
    world_lead_anew(&world);
    world_sync_all(&world);
    assert_false(judge(B, false));
}

static void a_restarted_witness_does_not_know_any_lag(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    memset(world_watch(&world), 0, sizeof(struct bw_watch));
    bw_witness_on_restored(&world.witness, world.now);
    world_pass_ms(&world, 2000);

    assert_false(judge(B, false));
    assert_true(is_held_by("lag"));
}

static bool knows_too_little(void)
{
    (void)world_decide(&world);
    return bw_witness_knows_too_little(&world.witness, 0, world.now, &world.decision);
}

/* dc-a is lost for good, its epoch is over, and this witness, which leads, was away meanwhile or
 * not. */
static void lose_the_data_site(bool is_away)
{
    world_begin(&world, 2);
    world_pass_ms(&world, 2000);
    world.sites[A].is_mute = true;
    bw_witness_on_not_leading(&world.witness);
    if (is_away) {
        memset(world_watch(&world), 0, sizeof(struct bw_watch));
        bw_witness_on_restored(&world.witness, world.now);
    }
    world_lead_anew(&world);
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
}

/* 4: another witness may have heard how far dc-b lags. It is offered once after each epoch, so that
 * those who all know nothing do not give leadership back and forth. */
static void a_leader_that_was_away_hands_over_once(void **state)
{
    (void)state;
    lose_the_data_site(true);
    assert_true(knows_too_little());
    bw_witness_on_handed_over(&world.witness);
    assert_false(knows_too_little());
    world_pass_ms(&world, 60000);
    assert_false(knows_too_little());
}

/* What one group hands over says nothing of another whose epoch is open: when that is over, it is offered anew. */
static void an_epoch_that_was_open_meanwhile_is_handed_over_when_it_is_over(void **state)
{
    (void)state;
    world_begin(&world, 2);
    bw_witness_on_handed_over(&world.witness);
    world.sites[A].is_mute = true;
    memset(world_watch(&world)->lag, 0, sizeof world_watch(&world)->lag);
    world_watch(&world)->served_site[0] = '\0';
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
    assert_true(knows_too_little());
}

/* That dc-a lacks at most what was written since the last grant is no measure of its lag. */
static void a_leader_that_knows_a_bound_alone_hands_over(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_START_FAILED, true, "");
    assert_string_equal(world_act(&world), "A1");
    world_pass_ms(&world, 1000);
    assert_string_equal(world_act(&world), "A9");
    world_serve(&world, B);
    world_pass_ms(&world, 20000);
    world.sites[B].is_mute = true;
    world_watch(&world)->served_site[0] = '\0';
    memset(world_watch(&world)->lag, 0, sizeof world_watch(&world)->lag);
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 60000);
    assert_string_equal(world_act(&world), "A3");

    assert_true(knows_too_little());
    assert_int_equal(world_gate(&world, "lag", A)->unit, BW_UNIT_MS);
    world_lead_anew(&world); /* who did not make that grant does not know when it was made */
    (void)world_decide(&world);
    assert_int_not_equal(world_gate(&world, "lag", A)->unit, BW_UNIT_MS);
}

/* What it knows, and what another one could not change: then it stays. */
static void a_leader_that_others_could_not_better_stays(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    lose_the_data_site(true);
    world.sites[B].report.condition = BW_CONDITION_STOP;
    world_sync_all(&world);
    assert_false(knows_too_little());
    world.sites[B].report.condition = BW_CONDITION_START;
    world_sync_all(&world);
    assert_true(knows_too_little());
    world_group(&world)->spec.mode = BW_MODE_PAUSED;
    assert_false(knows_too_little());
    world_group(&world)->spec.mode = BW_MODE_AUTO;
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
    assert_false(knows_too_little()); /* the wish is in its memory alone */

    lose_the_data_site(false);
    world_group(&world)->spec.max_lag_ms = 0;
    world_watch(&world)->lag[B].lag_ms = 1;
    assert_false(knows_too_little()); /* known, and too much */
}

/* 4: a lag that nobody measures is not zero; planned moves need none. */
static void without_readiness_scripts_on_lag_decides(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_without_readiness(&world);
    world_sync_all(&world);
    assert_false(judge(B, false));
    assert_true(is_held_by("lag"));
    assert_true(judge(A, false) || !is_held_by("lag")); /* 0 by definition */
    assert_true(judge(B, true));
    world_group(&world)->spec.on_lag = BW_ON_LAG_ALLOW;
    assert_true(judge(B, false));

    world.sites[A].report.has_readiness = true;
    world_sync_all(&world);
    assert_false(judge(B, true)); /* another site can tell, this one cannot */
    assert_true(is_held_by("ready"));
}

/* 4: lag passes only where the person says that the loss is accepted. */
static void a_failover_passes_lag_only_with_the_loss_accepted(void **state)
{
    struct bw_diag diag = {0};
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.lag_ms = 60000;
    world_pass_ms(&world, 2000);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 16000);
    assert_string_equal(world_act(&world), "A3");
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, &diag), BW_OK);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "lag", B));

    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);
    assert_string_equal(world_decide(&world), "A9");
}

/* 4: what it has served itself it may serve again; a planned move waits until it says that it can. */
static void the_data_site_needs_its_readiness_for_a_planned_move_alone(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    world.sites[A].report.ready = false;
    world_sync_all(&world);

    (void)judge(A, false);
    assert_false(is_held_by("ready"));
    (void)judge(A, true);
    assert_true(is_held_by("ready"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lag_within_bounds_is_accepted_and_beyond_is_not),
        cmocka_unit_test(lag_measured_after_the_failure_does_not_count),
        cmocka_unit_test(lag_that_was_never_measured_is_not_zero),
        cmocka_unit_test(a_lag_is_no_younger_than_the_answer_that_its_site_had_heard),
        cmocka_unit_test(a_lag_of_before_this_witness_was_away_is_unknown),
        cmocka_unit_test(a_lag_of_an_epoch_before_the_last_of_the_same_site_is_unknown),
        cmocka_unit_test(a_lag_of_what_was_fenced_long_after_it_was_heard_is_unknown),
        cmocka_unit_test(a_lag_of_two_months_is_as_old_as_can_be_said),
        cmocka_unit_test(a_lag_of_what_was_let_go_is_unknown),
        cmocka_unit_test(lag_measured_long_before_the_last_renewal_is_unknown),
        cmocka_unit_test(a_failover_goes_on_whenever_the_leader_changes),
        cmocka_unit_test(a_new_leader_uses_what_it_heard_as_a_follower),
        cmocka_unit_test(a_restarted_witness_does_not_know_any_lag),
        cmocka_unit_test(a_leader_that_was_away_hands_over_once),
        cmocka_unit_test(an_epoch_that_was_open_meanwhile_is_handed_over_when_it_is_over),
        cmocka_unit_test(a_leader_that_knows_a_bound_alone_hands_over),
        cmocka_unit_test(a_leader_that_others_could_not_better_stays),
        cmocka_unit_test(without_readiness_scripts_on_lag_decides),
        cmocka_unit_test(a_failover_passes_lag_only_with_the_loss_accepted),
        cmocka_unit_test(the_data_site_needs_its_readiness_for_a_planned_move_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
