/* arbiter: the first grant of a group, and the adoption of who serves already (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include <breakwater/base/feature_level.h>

#include "core_world.h"

static struct world world;

#define assert_rule(rule) assert_string_equal(world_decide(&world), rule)
#define assert_acts(rule) assert_string_equal(world_act(&world), rule)
#define assert_held(id, site)                                                                      \
    do {                                                                                           \
        assert_string_equal(world_decide(&world), "A0");                                           \
        assert_true(world_holds(&world, id, site));                                                \
    } while (0)

static void the_first_grant_waits_for_every_site(void **state)
{
    (void)state;
    world_init(&world, 3);
    world.sites[C].is_mute = true;
    world_pass_ms(&world, 60000);
    assert_held("first_grant", -1);
    assert_string_equal(world_gate(&world, "first_grant", -1)->word, "not all sites have reported");
    assert_true(world_holds(&world, "reported", C));

    world.sites[C].is_mute = false;
    world_sync_all(&world);
    assert_acts("A6");
    assert_null(world_gate(&world, "let_go", -1)); /* nobody was */
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    assert_false(world_group(&world)->adopting);
}

/* 4: who is best is known once every candidate was measured, and no number is shown for what was not. */
static void the_first_grant_waits_until_every_candidate_was_measured(void **state)
{
    char line[256];
    (void)state;
    world_init(&world, 2);
    world.sites[A].report.ready = false;
    world.sites[A].report.ready_age_ms = UINT32_MAX;
    world_sync_all(&world);
    assert_held("first_grant", -1);
    assert_string_equal(world_gate(&world, "first_grant", -1)->word,
                        "no site serves, and the readiness of one is not known yet");
    assert_true(world_holds(&world, "measured", A));
    world.sites[B].report.service =
        BW_SERVICE_STARTED; /* which is best is nobody's question then */
    world_sync_all(&world);
    assert_rule("A6");
    assert_true(world.decision.command.adopt);
    world.sites[B].report.service = BW_SERVICE_STOPPED;

    world.sites[A].report.ready_age_ms = 100; /* it ran into its limit: measured, and not ready */
    world_sync_all(&world);
    assert_rule("A6");
    assert_string_equal(world.decision.command.site, "dc-b");

    world.sites[A].report.ready_age_ms = UINT32_MAX;
    world_sync_all(&world);
    assert_held("first_grant", -1);
    world.sites[A].report.guard_alive = false; /* none that could run it */
    world_sync_all(&world);
    assert_rule("A6");
    world.sites[A].report.guard_alive = true;
    world_sync_all(&world);
    assert_held("first_grant", -1);
    world_pass_ms(&world, 121000); /* no guard runs it: what bounds everything else of a move */
    assert_rule("A6");
    assert_true(world_holds(&world, "ready", A));
    bw_explain_gate(world_gate(&world, "ready", A), world_group(&world), line, sizeof(line));
    assert_null(strstr(line, "4294967"));
    assert_non_null(strstr(line, "readiness_script has not ended yet"));
}

/* I1, 3.9: exactly one `started` is adopted untouched; two, or an unknown one: nobody. */
static void one_started_site_is_adopted_and_two_are_nobody(void **state)
{
    (void)state;
    world_init(&world, 3);
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_rule("A6");
    assert_true(world.decision.command.adopt);
    assert_string_equal(world.decision.command.site, "dc-b");
    assert_int_equal(world.decision.command.reason, BW_REASON_ADOPTION);

    world.sites[C].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_held("first_grant", -1);
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_held("first_grant", -1);
    world.sites[B].report.service = BW_SERVICE_STOPPED;
    world.sites[C].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_held("first_grant", -1);
}

/* I1, H15: observations are made after the commit that they rest on. */
static void a_report_that_does_not_know_the_spec_version_does_not_count(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[B].report.spec_version--;
    world_sync_all(&world);

    assert_held("first_grant", -1);
    assert_true(world_holds(&world, "reported", B));
}

/* 3.9: --initial-primary answers for unclear sites, never against one that serves. */
static void an_initial_primary_answers_for_unclear_sites_only(void **state)
{
    struct bw_spec spec;
    (void)state;
    world_init(&world, 2);
    spec = world_group(&world)->spec;
    world.sites[A].is_mute = true;
    world_set_spec(&world, &spec, "dc-b");
    world_pass_ms(&world, 10000);
    assert_rule("A6");
    assert_string_equal(world.decision.command.site, "dc-b");
    assert_false(world.decision.command.adopt); /* nothing runs there */

    world_init(&world, 3);
    spec = world_group(&world)->spec;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world_set_spec(&world, &spec, "dc-b");
    world_sync_all(&world);
    assert_held("first_grant", -1);
}

/* A person names dc-b as the first, whose starts may have a point of no return. After a let-go the log takes dc-a's data
 * for the newest, and dc-b is granted once it is asked for, too. */
static void grant_b_as_named(bool is_let_go, bool has_point)
{
    struct bw_spec spec;
    struct bw_diag diag = {0};

    if (is_let_go)
        world_begin(&world, 2);
    else
        world_init(&world, 2);
    spec = world_group(&world)->spec;
    world.cluster.feature_level = BW_PASS_LEVEL;
    world.sites[B].report.has_point = has_point;
    if (is_let_go)
        world_set_mode(&world, BW_MODE_OBSERVE);
    world_stop(&world, A);
    world_pass_ms(&world, 60000);
    world_set_spec(&world, &spec, "dc-b");
    world_pass_ms(&world, 5000);
    if (is_let_go)
        assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, &diag), BW_OK);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
    assert_int_equal(bw_group_history_at(world_group(&world), 0)->why_granted,
                     is_let_go ? BW_REASON_FAILOVER : BW_REASON_FIRST_GRANT);
}

static void fail_early_at_b(void)
{
    world.sites[B].renew_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    world_give_back(&world, B, BW_REASON_START_FAILED, false, "");
    assert_acts("A1");
}

/* The newest data is dc-b's still, and nobody else is granted without a person. */
static void assert_b_is_waited_for(void)
{
    assert_string_equal(world_group(&world)->data_site, "dc-b");
    world_pass_ms(&world, 2000);
    assert_held("lag", A);
}

/* 3.9, 4: a person has said that its data is to count. That a start has left it alone makes no other's the newest. */
static void whom_a_person_names_keeps_the_newest_data_when_its_start_fails(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        grant_b_as_named((kind & 1) != 0, (kind & 2) != 0);
        fail_early_at_b();
        assert_b_is_waited_for();
        world_pass_ms(&world, 30000);
        assert_acts("A9");
        assert_string_equal(world_group(&world)->holder_site, "dc-b");
        assert_string_equal(world_group(&world)->data_site, "dc-b");
    }
}

/* ... nor that it was lost before any began, or before its point of no return, which it has like any other. */
static void whom_a_person_names_keeps_the_newest_data_when_it_is_lost(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        const bool is_renewed = (kind & 1) != 0;

        grant_b_as_named(!is_renewed, (kind & 2) != 0);
        assert_int_equal(world_group(&world)->terms.no_return,
                         (kind & 2) != 0 ? BW_NO_RETURN_AHEAD : BW_NO_RETURN_UNDECLARED);
        world.sites[B].renew_epoch = is_renewed ? world_group(&world)->epoch : 0;
        world_sync_all(&world);
        world.sites[B].is_mute = true;
        world_pass_ms(&world, world_wait_of_terms_ms(&world) + 4000);
        assert_acts("A3");
        assert_b_is_waited_for();
    }
}

/* 3.1: a witness that has the grant in its state alone does not know who was named. */
static void who_has_only_found_the_grant_takes_the_site_for_named(void **state)
{
    (void)state;
    for (int is_let_go = 0; is_let_go < 2; is_let_go++) {
        grant_b_as_named(is_let_go != 0, false);
        bw_witness_on_restored(&world.witness, world.now);
        world_pass_ms(&world, 3000);
        fail_early_at_b();
        assert_b_is_waited_for();
    }
}

/* Whom nobody named is the best that there was, and goes like any other. */
static void who_was_not_named_leaves_the_data_alone(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_acts("A6");
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
    world_give_back(&world, A, BW_REASON_START_FAILED, false, "");
    assert_acts("A1");
    assert_string_equal(world_group(&world)->data_site, "");
    world_pass_ms(&world, 1000);
    assert_acts("A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

/* A report is stale once both clocks say so. */
static void an_initial_primary_waits_until_what_another_said_is_stale(void **state)
{
    struct bw_spec spec;
    (void)state;
    world_init(&world, 3);
    spec = world_group(&world)->spec;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world_set_spec(&world, &spec, "dc-b");
    world_sync_all(&world);
    world.sites[A].is_mute = true;
    world.sites[C].is_mute = true;
    world.now.raw_ns += 10 * BW_NS_PER_S; /* of the two, one clock stood still */
    (void)world_sync(&world, B);
    (void)world_sync(&world, B);
    assert_held("first_grant", -1);
    world_pass_ms(&world, 3500);
    assert_rule("A6");
    assert_string_equal(world.decision.command.site, "dc-b");
}

/* The one that serves is named, while another does not know: a person answers for that one. */
static void an_initial_primary_that_serves_is_adopted_beside_an_unclear_site(void **state)
{
    struct bw_spec spec;
    (void)state;
    world_init(&world, 2);
    spec = world_group(&world)->spec;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world.sites[B].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    assert_held("first_grant", -1);

    world_set_spec(&world, &spec, "dc-a");
    world_sync_all(&world);

    assert_rule("A6");
    assert_string_equal(world.decision.command.site, "dc-a");
    assert_true(world.decision.command.adopt);
}

static void an_initial_primary_waits_for_the_window_of_a_new_leader(void **state)
{
    (void)state;
    world_init(&world, 2);
    struct bw_spec spec = world_group(&world)->spec;
    world.sites[A].is_mute = true;
    world_set_spec(&world, &spec, "dc-b");
    world_pass_ms(&world, 10000);
    world_lead_anew(&world);
    assert_held("reports", -1);

    world_pass_ms(&world, 3000);
    assert_rule("A6");
}

/* 3.9: what it says does not count yet, and it may serve: it says so in a moment. */
static void an_initial_primary_waits_for_who_speaks_in_an_older_generation(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_init(&world, 2);
    spec = world_group(&world)->spec;
    world.cluster.generation = 7;
    world.sites[A].generation = 6;
    world_set_spec(&world, &spec, "dc-b");
    world_pass_ms(&world, 10000);
    assert_held("reports", -1);
    assert_null(world_gate(&world, "claim", B));
    world.sites[A].report.override = BW_OVERRIDE_OVERRIDING;
    world_sync_all(&world);
    assert_held("claim", B);

    world.sites[A].is_mute = true; /* silence ends nothing */
    world_pass_ms(&world, 60000);
    assert_held("claim", B);
    world.sites[A].is_mute = false;
    world.sites[A].generation = 7;
    world.sites[A].report.override = BW_OVERRIDE_NONE;
    world_pass_ms(&world, 3500);
    assert_rule("A6");
}

/* I1, H17: the report of the site that was let go counts once it confirmed, or after the wait. */
static void a_site_that_was_let_go_confirms_or_is_waited_for(void **state)
{
    (void)state;
    world_begin(&world, 2);
    uint64_t wait_ms = world_wait_of_terms_ms(&world);
    world_stop(&world, A);
    world_set_mode(&world, BW_MODE_OBSERVE);
    world.sites[A].report.let_go_index = 0;
    world_set_mode(&world, BW_MODE_AUTO);
    world.sites[A].report.let_go_index = 0;
    world_sync_all(&world);
    assert_held("let_go", -1);
    assert_true(world.decision.wake_in_ns <= wait_ms * BW_NS_PER_MS);
    assert_in_range(world_gate(&world, "let_go", -1)->threshold, wait_ms - 1, wait_ms);
    assert_in_range(world_gate(&world, "let_go", -1)->value, 0, wait_ms);

    world.sites[A].report.let_go_index = world_group(&world)->let_go_index;
    world_sync_all(&world);
    assert_rule("A6");
    assert_true(world.decision.wake_in_ns > wait_ms * BW_NS_PER_MS);

    world.sites[A].report.let_go_index = 0;
    world_pass_ms(&world, wait_ms - 1000);
    assert_held("let_go", -1);
    assert_in_range(world.decision.wake_in_ns, 1, BW_NS_PER_S);
    assert_in_range(world_gate(&world, "let_go", -1)->value, wait_ms - 2000, wait_ms);
    world_pass_ms(&world, 1000);
    assert_rule("A6");
}

/* I1, H17: a person answers for the sites that do not report, not for a lease that may go on. */
static void a_site_that_was_let_go_is_waited_for_over_a_delete(void **state)
{
    struct bw_command delete = {.kind = BW_COMMAND_DELETE, .group = "harbor"};
    (void)state;
    world_begin(&world, 2);
    uint64_t wait_ms = world_wait_of_terms_ms(&world);
    struct bw_spec spec = world_group(&world)->spec;
    world.sites[A].is_mute = true;
    world_set_mode(&world, BW_MODE_OBSERVE);
    world_wait_ms(&world, 1);
    assert_string_equal(world_apply(&world, &delete), "G34");
    world_wait_ms(&world, 3000);

    world_set_spec(&world, &spec, "dc-b");
    world_pass_ms(&world, wait_ms - 3000 - 1000);
    assert_held("let_go", -1);
    assert_in_range(world.decision.wake_in_ns, 1, BW_NS_PER_S);

    world_pass_ms(&world, 1000);
    assert_rule("A6");
    assert_string_equal(world.decision.command.site, "dc-b");
}

/* I1, H13: an adoption that ended unarmed makes every site report again, by later observations. */
static void an_adoption_that_expired_unarmed_makes_every_site_report_again(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_acts("A6");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world));
    assert_acts("A3");

    assert_held("first_grant", -1);
    assert_true(world_holds(&world, "reported", A));
    assert_true(world_holds(&world, "reported", B));
    world_sync_all(&world);
    assert_held("reported", A);
    assert_false(world_holds(&world, "reported", B));
    world.sites[B].report.service_age_ms = 60000;
    world_sync_all(&world);
    assert_held("reported", B);
}

/* 3.9: the service runs as before; its `started` is neither a failed fence nor a contradiction. */
static void an_untouched_adoption_may_expire_while_it_serves(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_acts("A6");
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);
    assert_acts("A3");

    world_pass_ms(&world, 500);
    assert_acts("A6"); /* the same site, once more */
    assert_string_equal(world_group(&world)->holder_site, "dc-a");
}

/* It had a lease, whether that is committed yet or not. */
static void an_armed_adoption_that_serves_after_its_lease_is_a_failed_fence(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_acts("A6");
    world_serve(&world, A);
    assert_true(world_group(&world)->adopting);
    world.sites[A].renew_epoch = 0;
    world.sites[A].report.service_age_ms = 100;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 1000);

    assert_rule("A2");
}

static void an_adoption_is_committed_once_it_is_armed(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_acts("A6");
    assert_held("armed", -1);

    world_serve(&world, A);

    assert_acts("A10");
    assert_false(world_group(&world)->adopting);
    assert_false(world_group(&world)->first_grant);
}

/* 3.7: what another instance of the site says of itself arms nothing of this one. */
static void an_adoption_is_armed_by_nobody_but_its_instance(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    assert_acts("A6");
    world.sites[A].instance.bytes[0] = 77;
    world.sites[A].session.bytes[0] = 77;
    world.sites[A].report.armed_epoch = world_group(&world)->epoch;
    world_sync_all(&world);

    assert_held("armed", -1);
}

/* Who never may be granted is not waited for. */
static void the_first_grant_waits_for_no_measure_of_who_is_no_candidate(void **state)
{
    (void)state;
    world_init(&world, 3);
    world_group(&world)->spec.sites[C].never_candidate = true;
    world.sites[C].report.ready_age_ms = UINT32_MAX;
    world_sync_all(&world);
    assert_rule("A6");

    world_group(&world)->spec.sites[C].never_candidate = false;
    assert_held("measured", C);
    world.sites[C].report.has_readiness = false; /* nothing is measured there */
    world_sync_all(&world);
    assert_rule("A6");
}

/* 3.9, H13: only the end of an adoption makes what was seen before it old. */
static void what_was_seen_before_a_let_go_counts_after_it(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world_stop(&world, A);
    world_set_mode(&world, BW_MODE_OBSERVE);
    world_set_mode(&world, BW_MODE_AUTO);
    world.sites[B].report.service_age_ms = 5000;
    world_sync_all(&world);

    assert_rule("A6");
    assert_non_null(world_gate(&world, "reported", B));
    assert_false(world_holds(&world, "reported", B));
}

/* 3.4: what breakwater did not start is in no cgroup of its guard, and in the units or containers that were
 * seen up. */
static void what_is_adopted_is_where_its_site_has_seen_it(void **state)
{
    static const struct {
        enum bw_reach_kind reach;
        enum bw_reach_seen seen;
    } cases[] = {{BW_REACH_CGROUP, BW_REACH_OUTSIDE},
                 {BW_REACH_UNITS, BW_REACH_INSIDE},
                 {BW_REACH_CONTAINERS, BW_REACH_INSIDE},
                 {BW_REACH_REMOTE, BW_REACH_OUTSIDE}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_init(&world, 2);
        world.sites[A].report.service = BW_SERVICE_STARTED;
        world.sites[A].report.reach = cases[i].reach;
        world_sync_all(&world);
        assert_rule("A6");
        assert_true(world.decision.command.adopt);
        assert_int_equal(world.decision.command.sight.seen, cases[i].seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_grant_waits_for_every_site),
        cmocka_unit_test(the_first_grant_waits_until_every_candidate_was_measured),
        cmocka_unit_test(one_started_site_is_adopted_and_two_are_nobody),
        cmocka_unit_test(a_report_that_does_not_know_the_spec_version_does_not_count),
        cmocka_unit_test(an_initial_primary_answers_for_unclear_sites_only),
        cmocka_unit_test(whom_a_person_names_keeps_the_newest_data_when_its_start_fails),
        cmocka_unit_test(whom_a_person_names_keeps_the_newest_data_when_it_is_lost),
        cmocka_unit_test(who_has_only_found_the_grant_takes_the_site_for_named),
        cmocka_unit_test(who_was_not_named_leaves_the_data_alone),
        cmocka_unit_test(an_initial_primary_waits_until_what_another_said_is_stale),
        cmocka_unit_test(an_initial_primary_that_serves_is_adopted_beside_an_unclear_site),
        cmocka_unit_test(an_initial_primary_waits_for_the_window_of_a_new_leader),
        cmocka_unit_test(an_initial_primary_waits_for_who_speaks_in_an_older_generation),
        cmocka_unit_test(a_site_that_was_let_go_confirms_or_is_waited_for),
        cmocka_unit_test(a_site_that_was_let_go_is_waited_for_over_a_delete),
        cmocka_unit_test(an_adoption_that_expired_unarmed_makes_every_site_report_again),
        cmocka_unit_test(an_untouched_adoption_may_expire_while_it_serves),
        cmocka_unit_test(an_armed_adoption_that_serves_after_its_lease_is_a_failed_fence),
        cmocka_unit_test(an_adoption_is_committed_once_it_is_armed),
        cmocka_unit_test(an_adoption_is_armed_by_nobody_but_its_instance),
        cmocka_unit_test(the_first_grant_waits_for_no_measure_of_who_is_no_candidate),
        cmocka_unit_test(what_was_seen_before_a_let_go_counts_after_it),
        cmocka_unit_test(what_is_adopted_is_where_its_site_has_seen_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
