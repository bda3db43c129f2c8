/* arbiter: a holder that cannot show that it serves is moved (design 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "arbiter_moves.h"

#define AFTER_MS (5 * 60 * 1000)

static void report_unhealthy(enum bw_unhealthy why, uint32_t ms)
{
    struct bw_report *report = &world.sites[A].report;

    report->service = why == BW_UNHEALTHY_UNKNOWN ? BW_SERVICE_UNKNOWN : BW_SERVICE_STARTED;
    report->unhealthy = why;
    report->unhealthy_ms = ms;
    world_sync_all(&world);
}

static void a_primary_that_is_unhealthy_for_long_enough_is_moved(void **state)
{
    (void)state;
    world_begin(&world, 2);
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS - 1000);
    assert_held("unhealthy", -1);
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS);
    assert_rule("A35");
    assert_int_equal(world.decision.command.kind, BW_COMMAND_REVOKE);
    assert_int_equal(world.decision.command.reason, BW_REASON_UNHEALTHY);
    assert_string_equal(world.decision.command.target, "dc-b");

    report_unhealthy(BW_UNHEALTHY_CONDITION, AFTER_MS);
    assert_rule("A35");
    report_unhealthy(BW_UNHEALTHY_NOT, 0);
    assert_string_equal(world_decide(&world), "A0");
    assert_null(world_gate(&world, "unhealthy", -1));
}

/* Nothing is taken from a sick primary before another site is ready. */
static void a_sick_primary_keeps_its_group_while_no_other_site_could_serve(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[B].report.ready = false;
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS);
    assert_held("candidate", -1);
    world.sites[B].report.ready = true;
    world_sync_all(&world);
    assert_rule("A35");
}

/* 3.2.4: of what says nothing only a proved reach shows an end, and no final position will come of it. */
static void what_says_nothing_is_moved_only_by_a_proved_reach_and_within_the_lag(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.sight.proved = world_group(&world)->sight.proved = false;
    report_unhealthy(BW_UNHEALTHY_UNKNOWN, AFTER_MS);
    assert_held("stop_seen", -1);
    world.sites[A].report.sight.proved = true;
    world_sync_all(&world);
    assert_rule("A35");

    world.sites[B].report.lag_ms = world_group(&world)->spec.max_lag_ms + 1;
    world_sync_all(&world);
    assert_held("lag", B);
    world.sites[A].report.guard_alive = false;
    world.sites[B].report.lag_ms = 0;
    world_sync_all(&world);
    assert_held("guard", -1);
}

static void a_person_who_paused_or_maintains_it_is_not_overruled(void **state)
{
    static const enum bw_mode modes[] = {BW_MODE_MANUAL, BW_MODE_PAUSED};
    struct bw_command command = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .site = "dc-a", .duration_ms = 600000};

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        world_begin(&world, 2);
        world_set_mode(&world, modes[i]);
        world_know_spec(&world);
        report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS);
        assert_held("mode", -1);
    }
    world_begin(&world, 2);
    command.spec_version = world_group(&world)->spec_version;
    assert_string_not_equal(world_apply(&world, &command), "-");
    world_know_spec(&world);
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS);
    assert_held("maintenance", -1);
}

static void a_spec_that_says_never_moves_nothing(void **state)
{
    struct bw_spec spec = changed_spec();

    (void)state;
    spec.unhealthy_after_ms = 0;
    world_begin_with(&world, 2, &spec);
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, 24 * 3600 * 1000);
    assert_string_equal(world_decide(&world), "A0");
    assert_null(world_gate(&world, "unhealthy", -1));
}

/* As the log has it: an epoch that was granted for this reason. */
static void add_entry(enum bw_reason why, const char *site, const char *before)
{
    struct bw_group *group = world_group(&world);
    struct bw_history_entry *entry =
        &group->history[(group->history_first + group->history_count++) % BW_HISTORY_MAX];

    *entry = (struct bw_history_entry){.epoch = group->epoch, .why_granted = why, .planned = true};
    (void)strcpy(entry->site, site);
    (void)strcpy(entry->previous_site, before);
}

/* Both sites may share what is wrong: each move is an outage, and the next one waits twice as long. */
static void each_move_makes_the_next_one_wait_twice_as_long(void **state)
{
    struct bw_spec spec = changed_spec();
    uint32_t wait_ms = 10000;

    (void)state;
    spec.unhealthy_after_ms = wait_ms;
    for (int moves = 0; moves < 4; moves++, wait_ms *= 2) {
        world_begin_with(&world, 2, &spec);
        for (int i = 0; i < moves; i++) {
            add_entry(BW_REASON_UNHEALTHY, i % 2 == 0 ? "dc-a" : "dc-b", i % 2 == 0 ? "dc-b" : "dc-a");
            add_entry(BW_REASON_START_FAILED, "dc-a", "dc-a"); /* does not break the chain */
        }
        world_watch(&world)->grant_applied = world.now;
        report_unhealthy(BW_UNHEALTHY_UNHEALTHY, wait_ms - 1000);
        assert_held("unhealthy", -1);
        report_unhealthy(BW_UNHEALTHY_UNHEALTHY, wait_ms);
        assert_rule("A35");
    }
    add_entry(BW_REASON_SWITCHOVER, "dc-a", "dc-b"); /* a person has decided */
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, spec.unhealthy_after_ms);
    assert_rule("A35");
}

static void an_hour_of_health_ends_the_longer_wait(void **state)
{
    (void)state;
    world_begin(&world, 2);
    add_entry(BW_REASON_UNHEALTHY, "dc-a", "dc-b");
    world_watch(&world)->grant_applied = world.now;
    world_pass_ms(&world, 3600 * 1000);
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS); /* it was healthy for 55 minutes */
    assert_held("unhealthy", -1);
    report_unhealthy(BW_UNHEALTHY_NOT, 0);
    world_pass_ms(&world, AFTER_MS + 1000);
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS);
    assert_rule("A35");
}

/* The other group of this cluster, which was moved to dc-b for this reason. */
static struct bw_group *other_moved(void)
{
    struct bw_group *other = &world.groups[1];
    struct bw_contact *contact = &world.watches[1].reports[B].by_instance[0];

    *other = *world_group(&world);
    (void)strcpy(other->spec.name, "ledger");
    other->history_count = 0;
    other->history[other->history_first] =
        (struct bw_history_entry){.epoch = 2, .why_granted = BW_REASON_UNHEALTHY, .planned = true};
    (void)strcpy(other->history[other->history_first].site, "dc-b");
    other->history_count = 1;
    other->epoch = 2;
    (void)strcpy(other->holder_site, "dc-b");
    world.watches[1] = *world_watch(&world);
    *contact = world_watch(&world)->reports[A].by_instance[0];
    contact->report.armed_epoch = 2;
    contact->report.unhealthy = BW_UNHEALTHY_NOT;
    contact->report.serving_epoch_started = true;
    world.watches[1].grant_applied = world.now;
    return other;
}

static void hear_other(void)
{
    struct bw_contact *contact = &world.watches[1].reports[B].by_instance[0];

    contact->received = contact->answered_received = world.now;
}

/* What one fault does to several groups: one of them shows whether the other site has it, too. */
static void one_group_is_moved_before_the_others(void **state)
{
    struct bw_contact *contact = &world.watches[1].reports[B].by_instance[0];
    struct bw_group *other;

    (void)state;
    world_begin(&world, 2);
    report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS);
    other = other_moved();
    hear_other();
    assert_held("same_fault", B);

    contact->report.unhealthy = BW_UNHEALTHY_UNHEALTHY; /* it has the fault there, too */
    world_pass_ms(&world, AFTER_MS + 1000);
    hear_other();
    assert_held("same_fault", B);
    contact->report.unhealthy = BW_UNHEALTHY_NOT;
    assert_rule("A35");

    (void)strcpy(other->holder_site, "dc-a"); /* its start failed there */
    hear_other();
    assert_held("same_fault", B);
    other->history[other->history_first].why_granted = BW_REASON_SWITCHOVER;
    assert_rule("A35");
    (void)strcpy(other->target, "dc-b"); /* and is on its way */
    other->target_reason = BW_REASON_UNHEALTHY;
    assert_held("same_fault", B);
}

/* 3.6, 4: no final position comes of what cannot tell one: the lag as it was measured counts, as after a loss. */
static void a_move_without_a_last_word_is_judged_by_the_lag(void **state)
{
    (void)state;
    for (int has_lag = 0; has_lag < 2; has_lag++) {
        world_begin(&world, 2);
        report_unhealthy(BW_UNHEALTHY_UNHEALTHY, AFTER_MS);
        if (has_lag == 0) {
            world_pass_ms(&world, 1000);
            world.sites[B].report.lag_ms = 3600 * 1000;
            world_sync_all(&world);
        }
        assert_acts("A35");
        world.sites[A].report.unhealthy = BW_UNHEALTHY_NOT;
        world_give_back(&world, A, BW_REASON_UNHEALTHY, true, "");
        assert_acts("A1");
        world.sites[A].released = (struct bw_released){0};
        world.sites[B].report.prepared_index = world_group(&world)->changed_index;
        world_sync_all(&world);
        assert_acts(has_lag != 0 ? "A7" : "A8");
        assert_string_equal(world_group(&world)->holder_site, has_lag != 0 ? "dc-b" : "dc-a");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_primary_that_is_unhealthy_for_long_enough_is_moved),
        cmocka_unit_test(a_sick_primary_keeps_its_group_while_no_other_site_could_serve),
        cmocka_unit_test(what_says_nothing_is_moved_only_by_a_proved_reach_and_within_the_lag),
        cmocka_unit_test(a_person_who_paused_or_maintains_it_is_not_overruled),
        cmocka_unit_test(a_spec_that_says_never_moves_nothing),
        cmocka_unit_test(each_move_makes_the_next_one_wait_twice_as_long),
        cmocka_unit_test(an_hour_of_health_ends_the_longer_wait),
        cmocka_unit_test(one_group_is_moved_before_the_others),
        cmocka_unit_test(a_move_without_a_last_word_is_judged_by_the_lag),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
