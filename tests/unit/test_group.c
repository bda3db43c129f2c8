/* group: the rules of design 3.1, 3.5, 3.6, 3.9 and 4 that live in its table. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core_fixture.h"

static void assert_no_switchover(const struct bw_group *group)
{
    assert_string_equal(group->target, "");
    assert_string_equal(group->target_origin, "");
    assert_string_equal(group->target_position, "");
    assert_false(group->rolling_back);
}

/* ---- epochs ---- */

static void grant_opens_the_next_epoch_with_pinned_terms(void **state) /* I2, 3.1 */
{
    struct group_run run = group_run_granted("dc-a");
    struct bw_command slower = fixture_set_spec(&run.group, "");

    (void)state;
    slower.spec.lease_ttl_ms = 90000;
    assert_rule(&run, "G19", slower);

    assert_int_equal(run.group.epoch, 1);
    assert_int_equal(run.group.terms.ttl_ms, 1000);
    assert_int_equal(run.group.spec.lease_ttl_ms, 90000);
    assert_string_equal(run.group.data_site, "dc-a");
    assert_true(bw_id_equal(run.group.holder_instance, fixture_instance("dc-a")));
}

static void a_grant_decided_under_another_spec_is_a_no_op(void **state) /* I1, 3.1 */
{
    struct group_run run = group_run_vacant();
    const struct bw_command grant = fixture_grant(&run.group, "dc-a");

    (void)state;
    assert_rule(&run, "G24", fixture_set_mode(&run.group, BW_MODE_PAUSED));

    assert_rule(&run, "no-op", grant);
}

static void a_group_that_is_only_observed_is_granted_to_nobody(void **state) /* 3.9 */
{
    struct group_run run = group_run_vacant();

    (void)state;
    assert_rule(&run, "G24", fixture_set_mode(&run.group, BW_MODE_OBSERVE));

    assert_rule(&run, "no-op", fixture_grant(&run.group, "dc-a"));
}

/* 3.8: `failover_candidate: false` is what no leader passes by itself; a site that overrides a person has started. */
static void a_site_that_is_no_candidate_is_granted_by_an_override_alone(void **state)
{
    (void)state;
    for (int reason = BW_REASON_NONE; reason <= BW_REASON_OVERRIDE; reason++) {
        struct group_run run = group_run_vacant();
        struct bw_command grant = fixture_grant(&run.group, "dc-b");

        run.group.spec.sites[1].never_candidate = true;
        grant.reason = (enum bw_reason)reason;
        assert_rule(&run, reason == BW_REASON_OVERRIDE ? "G1" : "no-op", grant);
    }
}

static void an_override_grants_no_site_that_is_not_in_the_spec(void **state) /* 3.1 */
{
    struct group_run run = group_run_vacant();
    struct bw_command grant = fixture_grant(&run.group, "dc-b");

    (void)state;
    (void)strcpy(grant.site, "dc-x");
    grant.reason = BW_REASON_OVERRIDE;
    assert_rule(&run, "no-op", grant);
}

static void an_epoch_above_every_number_is_not_wrapped(void **state) /* I2 */
{
    struct group_run run = group_run_vacant();
    struct bw_command grant;

    (void)state;
    run.group.epoch = UINT64_MAX;
    grant = fixture_grant(&run.group, "dc-a");

    assert_int_equal(grant.epoch, 0);
    assert_rule(&run, "no-op", grant);
}

static void commands_that_come_twice_end_one_epoch_only(void **state) /* I1, 3.1 */
{
    struct group_run run = group_run_granted("dc-a");
    const struct bw_command expired = fixture_command(&run.group, BW_COMMAND_EXPIRED);
    const struct bw_command released = fixture_released(&run.group, BW_REASON_SERVICE_DOWN, true,
                                                        "");

    (void)state;
    assert_rule(&run, "G4", expired);
    assert_rule(&run, "no-op", expired);
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));

    assert_rule(&run, "no-op", expired);
    assert_rule(&run, "no-op", released);
    assert_string_equal(run.group.holder_site, "dc-b");
}

static void another_instance_of_the_site_gives_nothing_back(void **state) /* I1, 3.7 */
{
    struct group_run run = group_run_granted("dc-a");
    struct bw_command released = fixture_released(&run.group, BW_REASON_REBOOT, true, "");

    (void)state;
    released.instance = fixture_instance("dc-a, made anew");

    assert_rule(&run, "no-op", released);
}

/* ---- close, fence, hold ---- */

static void a_held_epoch_does_not_end_by_time(void **state) /* I1, 3.1, 3.3 */
{
    struct group_run run = group_run_held("dc-a");

    (void)state;
    assert_true(run.group.held);
    assert_rule(&run, "no-op", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    assert_rule(&run, "G16", fixture_command(&run.group, BW_COMMAND_FENCED));
    assert_false(run.group.held);
    assert_int_equal(run.group.last_end.grade, BW_GRADE_FENCED);
}

static void fenced_and_forced_end_nothing_before_the_close(void **state) /* I1, H3 */
{
    struct group_run run = group_run_granted("dc-a");

    (void)state;
    assert_rule(&run, "no-op", fixture_command(&run.group, BW_COMMAND_FENCED));
    assert_rule(&run, "no-op", fixture_command(&run.group, BW_COMMAND_FORCED));
    assert_rule(&run, "G10", fixture_command(&run.group, BW_COMMAND_CLOSE));
    assert_rule(&run, "G17", fixture_command(&run.group, BW_COMMAND_FORCED));
    assert_int_equal(run.group.last_end.grade, BW_GRADE_FORCED);
}

static void a_fence_that_fails_while_closing_holds_the_epoch(void **state) /* I1, 3.1 */
{
    struct group_run run = group_run_closing("dc-a");

    (void)state;
    assert_rule(&run, "G12", fixture_command(&run.group, BW_COMMAND_FENCE_FAILED));
    assert_rule(&run, "no-op", fixture_command(&run.group, BW_COMMAND_EXPIRED));
}

/* ---- adoption, first grants, observe ---- */

static void an_adoption_that_ends_before_it_was_armed_is_a_first_grant_again(void **state) /* H13 */
{
    struct group_run run = group_run_vacant();

    (void)state;
    run.group.first_grant = false; /* an override adopted by a later epoch, 3.8 */
    assert_rule(&run, "G1", fixture_adopt(&run.group, "dc-a"));
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));

    assert_true(run.group.first_grant);
    assert_false(run.group.adopting);
}

static void a_first_grant_is_over_with_a_start_or_an_armed_adoption(void **state) /* 3.9, H13 */
{
    struct group_run started = group_run_granted("dc-a");
    struct group_run adopted = group_run_adopting("dc-a");

    (void)state;
    assert_false(started.group.first_grant);
    assert_true(adopted.group.first_grant);
    assert_rule(&adopted, "G15", fixture_command(&adopted.group, BW_COMMAND_ADOPTED));
    assert_false(adopted.group.first_grant);
    assert_false(adopted.group.adopting);
}

static void an_adoption_is_no_holder_to_move_from(void **state)
{
    struct group_run run = group_run_adopting("dc-a");

    (void)state;
    assert_rule(&run, "no-op", fixture_revoke(&run.group, "dc-b"));
}

static void observe_lets_the_holder_go_and_asks_every_site_again(void **state) /* I1, 3.9 */
{
    struct group_run run = group_run_granted("dc-a");

    (void)state;
    assert_rule(&run, "G26", fixture_set_mode(&run.group, BW_MODE_OBSERVE));

    assert_int_equal(run.group.phase, BW_PHASE_VACANT);
    assert_int_equal(run.group.last_end.grade, BW_GRADE_LET_GO);
    assert_true(run.group.first_grant);
    assert_int_equal(run.group.let_go_index, run.index);
    assert_string_equal(run.group.let_go_site, "dc-a");
    assert_int_equal(run.group.let_go_epoch, 1);
    assert_int_equal(run.group.let_go_terms.ttl_ms, 1000);
}

/* What somebody starts by hand then is nobody's to move, and no wish of before is about it. */
static void observe_forgets_what_was_wished_and_whose_data_was_whose(void **state) /* 3.6, 3.9 */
{
    struct group_run run = group_run_granted("dc-a");

    (void)state;
    assert_rule(&run, "G2", fixture_revoke(&run.group, "dc-b"));
    (void)strcpy(run.group.first_choice, "dc-b");
    (void)strcpy(run.group.initial_primary, "dc-c");
    (void)strcpy(run.group.previous_data_site, "dc-c");

    assert_rule(&run, "G26", fixture_set_mode(&run.group, BW_MODE_OBSERVE));

    assert_no_switchover(&run.group);
    assert_string_equal(run.group.first_choice, "");
    assert_string_equal(run.group.initial_primary, "");
    assert_string_equal(run.group.previous_data_site, "");
}

static void observe_of_a_vacant_group_asks_every_site_again(void **state) /* I1, 3.9 */
{
    struct group_run run = group_run_granted("dc-a");

    (void)state;
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    assert_false(run.group.first_grant);

    assert_rule(&run, "G24", fixture_set_mode(&run.group, BW_MODE_OBSERVE));

    assert_true(run.group.first_grant);
    assert_int_equal(run.group.let_go_index, run.index);
}

static void a_spec_that_observes_lets_go_as_the_mode_does(void **state) /* 3.9 */
{
    struct group_run run = group_run_granted("dc-a");
    struct bw_command command = fixture_set_spec(&run.group, "");

    (void)state;
    command.spec.mode = BW_MODE_OBSERVE;
    assert_rule(&run, "G20", command);

    assert_int_equal(run.group.last_end.grade, BW_GRADE_LET_GO);
    assert_true(run.group.first_grant);
    assert_string_equal(run.group.let_go_site, "dc-a");
}

static void an_epoch_that_is_being_fenced_is_not_let_go(void **state) /* I1, 3.1 */
{
    struct group_run being_closed = group_run_closing("dc-a");
    struct group_run being_held = group_run_held("dc-a");

    (void)state;
    assert_rule(&being_closed, "no-op", fixture_set_mode(&being_closed.group, BW_MODE_OBSERVE));
    assert_rule(&being_held, "no-op", fixture_set_mode(&being_held.group, BW_MODE_OBSERVE));
}

static void observing_on_asks_nobody_to_let_go_again(void **state) /* 3.9 */
{
    struct group_run run = group_run_granted("dc-a");
    uint64_t let_go_index;

    (void)state;
    assert_rule(&run, "G26", fixture_set_mode(&run.group, BW_MODE_OBSERVE));
    let_go_index = run.group.let_go_index;
    assert_rule(&run, "G18", fixture_set_spec(&run.group, "dc-c"));

    assert_int_equal(run.group.let_go_index, let_go_index);
}

/* ---- switchover (3.6) ---- */

static void a_switchover_goes_on_from_replicated_state(void **state) /* 3.6 */
{
    struct group_run run = group_run_between("dc-a", "dc-b");

    (void)state;
    assert_int_equal(run.group.phase, BW_PHASE_VACANT);
    assert_string_equal(run.group.target, "dc-b");
    assert_string_equal(run.group.target_origin, "dc-a");
    assert_string_equal(run.group.target_position, "0/16");
    assert_string_equal(run.group.target_by, "operator/anna");
    assert_int_equal(run.group.last_end.grade, BW_GRADE_CONFIRMED);
}

static void a_move_given_up_leaves_the_holder_as_it_was(void **state) /* 3.6 */
{
    struct group_run run = group_run_revoking("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G3", fixture_command(&run.group, BW_COMMAND_UNREVOKE));

    assert_string_equal(run.group.holder_site, "dc-a");
    assert_no_switchover(&run.group);
}

static void a_target_whose_start_fails_early_sends_it_back(void **state) /* 3.6 */
{
    struct group_run run = group_run_between("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G7", fixture_released(&run.group, BW_REASON_START_FAILED, false, ""));

    assert_true(run.group.rolling_back);
    assert_string_equal(run.group.target, "dc-a");
    assert_int_equal(run.group.target_reason, BW_REASON_ROLLBACK);
    assert_string_equal(run.group.data_site, "dc-a");
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-a"));
    assert_int_equal(run.group.epoch, 3);
    assert_no_switchover(&run.group);
}

static void a_target_past_the_point_of_no_return_has_no_way_back(void **state) /* 3.6 */
{
    struct group_run run = group_run_between("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G7", fixture_released(&run.group, BW_REASON_START_FAILED, true, ""));

    assert_no_switchover(&run.group);
    assert_string_equal(run.group.data_site, "dc-b");
}

static void a_rollback_that_fails_goes_nowhere_by_itself(void **state) /* 3.6 */
{
    struct group_run run = group_run_between("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G7", fixture_released(&run.group, BW_REASON_START_FAILED, false, ""));
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-a"));
    assert_rule(&run, "G7", fixture_released(&run.group, BW_REASON_START_FAILED, false, ""));

    assert_no_switchover(&run.group);
}

static void a_grant_to_another_site_ends_the_switchover(void **state) /* 3.6 */
{
    struct group_run run = group_run_between("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-c"));

    assert_no_switchover(&run.group);
}

static void what_is_no_give_back_ends_the_switchover(void **state) /* 3.6, 4 */
{
    static const enum bw_command_kind kinds[] = {BW_COMMAND_EXPIRED, BW_COMMAND_CLOSE,
                                                 BW_COMMAND_FENCE_FAILED};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct group_run leaving = group_run_revoking("dc-a", "dc-b");
        struct group_run arriving = group_run_between("dc-a", "dc-b");

        assert_string_not_equal(
            group_run_apply(&leaving, fixture_command(&leaving.group, kinds[i])), "no-op");
        assert_no_switchover(&leaving.group);
        assert_rule(&arriving, "G1", fixture_grant(&arriving.group, "dc-b"));
        assert_string_not_equal(
            group_run_apply(&arriving, fixture_command(&arriving.group, kinds[i])), "no-op");
        assert_no_switchover(&arriving.group);
    }
}

static void a_switchover_does_not_outlive_its_sites(void **state) /* 3.6, 3.9 */
{
    struct group_run without_target = group_run_between("dc-a", "dc-b");
    struct group_run without_origin = group_run_between("dc-a", "dc-b");

    (void)state;
    assert_rule(&without_target, "G18", fixture_set_spec(&without_target.group, "dc-b"));
    assert_no_switchover(&without_target.group);

    assert_rule(&without_origin, "G18", fixture_set_spec(&without_origin.group, "dc-a"));
    assert_string_equal(without_origin.group.target, "dc-b");
    assert_rule(&without_origin, "G1", fixture_grant(&without_origin.group, "dc-b"));
    assert_rule(&without_origin, "G7",
                fixture_released(&without_origin.group, BW_REASON_START_FAILED, false, ""));
    assert_no_switchover(&without_origin.group);
}

/* ---- whose data is the newest (4) ---- */

static void the_data_site_moves_back_only_on_the_sites_own_word(void **state) /* 4, 3.1 */
{
    static const struct {
        enum bw_reason reason;
        bool past_no_return;
        const char *data_site;
    } cases[] = {
        {BW_REASON_NEVER_STARTED, false, "dc-a"}, {BW_REASON_START_FAILED, false, "dc-a"},
        {BW_REASON_START_FAILED, true, "dc-b"},   {BW_REASON_SERVICE_DOWN, false, "dc-b"},
        {BW_REASON_NONE, false, "dc-b"},          {BW_REASON_LEASE_LOST, false, "dc-a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct group_run run = group_run_granted("dc-a");

        assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
        assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
        assert_rule(&run, "G7",
                    fixture_released(&run.group, cases[i].reason, cases[i].past_no_return, ""));

        assert_string_equal(run.group.data_site, cases[i].data_site);
        assert_int_equal(run.group.last_end.past_no_return,
                         strcmp(cases[i].data_site, "dc-b") == 0);
    }
}

static void an_expired_epoch_keeps_the_data_site(void **state) /* 4 */
{
    struct group_run run = group_run_granted("dc-a");

    (void)state;
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));

    assert_string_equal(run.group.data_site, "dc-b");
}

/* ---- spec, maintenance, history ---- */

static void spec_mode_and_maintenance_raise_the_version(void **state) /* 3.1 */
{
    struct group_run run = group_run_granted("dc-a");
    const uint64_t version = run.group.spec_version;

    (void)state;
    assert_rule(&run, "G19", fixture_set_spec(&run.group, ""));
    assert_int_equal(run.group.spec_version, version + 1);
    assert_rule(&run, "G24", fixture_set_mode(&run.group, BW_MODE_MANUAL));
    assert_int_equal(run.group.spec_version, version + 2);
    assert_rule(&run, "G30", fixture_command(&run.group, BW_COMMAND_MAINTENANCE));
    assert_int_equal(run.group.spec_version, version + 3);
    assert_int_equal(run.group.spec_index, run.index);
}

static void a_group_made_again_repeats_no_version(void **state) /* 3.9, H15 */
{
    struct group_run run = group_run_vacant();
    struct bw_group again;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_rule(&run, "G24", fixture_set_mode(&run.group, BW_MODE_AUTO));
    bw_group_init(&again, &run.group.spec, run.group.epoch, run.index + 1);

    assert_true(again.spec_version > run.group.spec_version);
}

static void an_initial_primary_is_wished_for_a_first_grant_only(void **state) /* 3.9 */
{
    struct group_run run = group_run_vacant();
    struct bw_command wish = fixture_set_spec(&run.group, "");

    (void)state;
    strcpy(wish.site, "dc-b");
    assert_rule(&run, "G18", wish);
    assert_string_equal(run.group.initial_primary, "dc-b");
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_string_equal(run.group.initial_primary, "");

    wish.spec_version = 0;
    assert_rule(&run, "no-op", wish);
}

static void maintenance_follows_its_site_through_a_new_spec(void **state) /* 3.9 */
{
    struct group_run run = group_run_vacant();
    struct bw_command maintenance = fixture_command(&run.group, BW_COMMAND_MAINTENANCE);

    (void)state;
    strcpy(maintenance.site, "dc-c");
    maintenance.duration_ms = 60000;
    assert_rule(&run, "G30", maintenance);
    assert_rule(&run, "G18", fixture_set_spec(&run.group, "dc-a")); /* dc-c takes its place */

    assert_string_equal(run.group.spec.sites[0].name, "dc-c");
    assert_int_equal(run.group.maintenance_ms[0], 60000);
    assert_int_equal(run.group.maintenance_ms[2], 0);
    struct bw_command more = fixture_set_spec(&run.group, "");
    strcpy(more.spec.sites[more.spec.site_count++].name, "dc-d"); /* which has nobody's */
    assert_rule(&run, "G18", more);
    assert_int_equal(run.group.maintenance_ms[run.group.spec.site_count - 1], 0);
}

static void history_keeps_the_newest_epochs(void **state) /* 3.1 */
{
    struct group_run run = group_run_vacant();

    (void)state;
    for (int i = 0; i < BW_HISTORY_MAX + 5; i++) {
        assert_rule(&run, "G1", fixture_grant(&run.group, i % 2 == 0 ? "dc-a" : "dc-b"));
        assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    }

    assert_int_equal(run.group.history_count, BW_HISTORY_MAX);
    assert_int_equal(bw_group_history_at(&run.group, 0)->epoch, BW_HISTORY_MAX + 5);
    assert_int_equal(bw_group_history_at(&run.group, 0)->grade, BW_GRADE_EXPIRED);
    assert_int_equal(bw_group_history_at(&run.group, BW_HISTORY_MAX - 1)->epoch, 6);
    assert_null(bw_group_history_at(&run.group, BW_HISTORY_MAX));
}

/* I1, 3.3: a grant pins the terms under which it was decided, and no others. */
static void a_grant_with_other_terms_than_the_specs_is_a_no_op(void **state)
{
    const size_t terms[] = {offsetof(struct bw_terms, ttl_ms), offsetof(struct bw_terms, fence_ms),
                            offsetof(struct bw_terms, drift_ppm), offsetof(struct bw_terms, margin_ms),
                            offsetof(struct bw_terms, renew_interval_ms),
                            offsetof(struct bw_terms, request_timeout_ms)};
    struct group_run run = group_run_vacant();

    (void)state;
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++) {
        struct bw_command grant = fixture_grant(&run.group, "dc-a");
        uint32_t term;

        memcpy(&term, (char *)&grant.terms + terms[i], sizeof term);
        term++;
        memcpy((char *)&grant.terms + terms[i], &term, sizeof term);
        assert_rule(&run, "no-op", grant);
    }
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-a"));
}

/* 3.6: a move that was closed, and then ended by time, is still what somebody wanted first. */
static void a_move_that_was_closed_is_remembered_when_time_ends_it(void **state)
{
    struct group_run run = group_run_revoking("dc-a", "dc-b");

    (void)state;
    assert_string_not_equal(group_run_apply(&run, fixture_command(&run.group, BW_COMMAND_CLOSE)),
                            "no-op");
    assert_string_equal(run.group.first_choice, "dc-b");
    assert_string_not_equal(group_run_apply(&run, fixture_command(&run.group, BW_COMMAND_EXPIRED)),
                            "no-op");

    assert_int_equal(run.group.phase, BW_PHASE_VACANT);
    assert_string_equal(run.group.first_choice, "dc-b");
}

/* 3.9, H17: the next epoch is no matter of who was let go before it. */
static void a_grant_forgets_who_was_let_go(void **state)
{
    struct group_run run = group_run_granted("dc-a");

    (void)state;
    assert_rule(&run, "G26", fixture_set_mode(&run.group, BW_MODE_OBSERVE));
    assert_string_equal(run.group.let_go_site, "dc-a");
    assert_string_not_equal(group_run_apply(&run, fixture_set_mode(&run.group, BW_MODE_AUTO)),
                            "no-op");
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));

    assert_string_equal(run.group.let_go_site, "");
    assert_int_equal(run.group.let_go_epoch, 0);
    assert_int_equal(run.group.let_go_terms.ttl_ms, 0);
}

/* 3.1: the record of an epoch names whoever asked for it. */
static void the_history_says_who_asked_for_a_grant(void **state)
{
    struct group_run run = group_run_vacant();
    struct bw_command grant = fixture_grant(&run.group, "dc-b");

    (void)state;
    (void)strcpy(grant.by, "operator/bert");
    assert_rule(&run, "G1", grant);

    assert_string_equal(bw_group_history_at(&run.group, 0)->by, "operator/bert");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grant_opens_the_next_epoch_with_pinned_terms),
        cmocka_unit_test(a_grant_decided_under_another_spec_is_a_no_op),
        cmocka_unit_test(a_group_that_is_only_observed_is_granted_to_nobody),
        cmocka_unit_test(a_site_that_is_no_candidate_is_granted_by_an_override_alone),
        cmocka_unit_test(an_override_grants_no_site_that_is_not_in_the_spec),
        cmocka_unit_test(an_epoch_above_every_number_is_not_wrapped),
        cmocka_unit_test(commands_that_come_twice_end_one_epoch_only),
        cmocka_unit_test(another_instance_of_the_site_gives_nothing_back),
        cmocka_unit_test(a_held_epoch_does_not_end_by_time),
        cmocka_unit_test(fenced_and_forced_end_nothing_before_the_close),
        cmocka_unit_test(a_fence_that_fails_while_closing_holds_the_epoch),
        cmocka_unit_test(an_adoption_that_ends_before_it_was_armed_is_a_first_grant_again),
        cmocka_unit_test(a_first_grant_is_over_with_a_start_or_an_armed_adoption),
        cmocka_unit_test(an_adoption_is_no_holder_to_move_from),
        cmocka_unit_test(observe_lets_the_holder_go_and_asks_every_site_again),
        cmocka_unit_test(observe_forgets_what_was_wished_and_whose_data_was_whose),
        cmocka_unit_test(observe_of_a_vacant_group_asks_every_site_again),
        cmocka_unit_test(a_spec_that_observes_lets_go_as_the_mode_does),
        cmocka_unit_test(an_epoch_that_is_being_fenced_is_not_let_go),
        cmocka_unit_test(observing_on_asks_nobody_to_let_go_again),
        cmocka_unit_test(a_switchover_goes_on_from_replicated_state),
        cmocka_unit_test(a_move_given_up_leaves_the_holder_as_it_was),
        cmocka_unit_test(a_target_whose_start_fails_early_sends_it_back),
        cmocka_unit_test(a_target_past_the_point_of_no_return_has_no_way_back),
        cmocka_unit_test(a_rollback_that_fails_goes_nowhere_by_itself),
        cmocka_unit_test(a_grant_to_another_site_ends_the_switchover),
        cmocka_unit_test(what_is_no_give_back_ends_the_switchover),
        cmocka_unit_test(a_switchover_does_not_outlive_its_sites),
        cmocka_unit_test(the_data_site_moves_back_only_on_the_sites_own_word),
        cmocka_unit_test(an_expired_epoch_keeps_the_data_site),
        cmocka_unit_test(spec_mode_and_maintenance_raise_the_version),
        cmocka_unit_test(a_group_made_again_repeats_no_version),
        cmocka_unit_test(an_initial_primary_is_wished_for_a_first_grant_only),
        cmocka_unit_test(maintenance_follows_its_site_through_a_new_spec),
        cmocka_unit_test(history_keeps_the_newest_epochs),
        cmocka_unit_test(a_grant_with_other_terms_than_the_specs_is_a_no_op),
        cmocka_unit_test(a_move_that_was_closed_is_remembered_when_time_ends_it),
        cmocka_unit_test(a_grant_forgets_who_was_let_go),
        cmocka_unit_test(the_history_says_who_asked_for_a_grant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
