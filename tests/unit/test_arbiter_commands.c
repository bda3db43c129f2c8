/* arbiter: what is proposed, every field of it, and the edges of what holds it back (design 3.6, 3.9, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "core_world.h"

static struct world world;

/* The field that is none of `wanted`'s, or NULL. */
#define DIFFERS(field)      if (got->field != wanted->field) return #field
#define DIFFERS_TEXT(field) if (strcmp(got->field, wanted->field) != 0) return #field
#define DIFFERS_ID(field)   if (!bw_id_equal(got->field, wanted->field)) return #field
static const char *difference(const struct bw_command *got, const struct bw_command *wanted)
{
    DIFFERS(kind);
    DIFFERS_TEXT(group);
    DIFFERS(epoch);
    DIFFERS(spec_version);
    DIFFERS_TEXT(site);
    DIFFERS_TEXT(target);
    DIFFERS_ID(instance);
    DIFFERS_ID(boot_id);
    DIFFERS(adopt);
    DIFFERS(terms.ttl_ms);
    DIFFERS(terms.fence_ms);
    DIFFERS(terms.drift_ppm);
    DIFFERS(terms.margin_ms);
    DIFFERS(terms.renew_interval_ms);
    DIFFERS(terms.request_timeout_ms);
    DIFFERS(terms.reach);
    DIFFERS(terms.second_enforcer);
    DIFFERS(reason);
    DIFFERS(planned);
    DIFFERS(past_no_return);
    DIFFERS_TEXT(position);
    DIFFERS(held_index);
    DIFFERS(sight.seen);
    DIFFERS(sight.proved);
    DIFFERS(sight.digest);
    DIFFERS_TEXT(by);
    DIFFERS_TEXT(text);
    DIFFERS(silent_ms);
    DIFFERS(duration_ms);
    return NULL;
}

/* A site is the only thing that a gate of UNIT_SITE is compared with: there is one, or none. */
static void assert_sites_are_compared_with_none(void)
{
    for (uint32_t i = 0; i < world.decision.gate_count; i++)
        if (world.decision.gates[i].unit == BW_UNIT_SITE)
            assert_int_equal(world.decision.gates[i].threshold, -1);
}

#define assert_proposed(step, ...)                                                                 \
    do {                                                                                           \
        struct bw_command wanted = {__VA_ARGS__, .group = "harbor"};                               \
        const char *field;                                                                         \
                                                                                                   \
        assert_string_equal(world_decide(&world), step);                                           \
        assert_sites_are_compared_with_none();                                                     \
        wanted.spec_version = world_group(&world)->spec_version;                                   \
        wanted.epoch = world_group(&world)->epoch + (wanted.kind == BW_COMMAND_GRANT);             \
        field = difference(&world.decision.command, &wanted);                                      \
        if (field != NULL)                                                                         \
            fail_msg("%s: its %s", step, field);                                                   \
        assert_string_equal(world_act(&world), step);                                              \
    } while (0)

static struct bw_terms terms_of(int site)
{
    struct bw_terms terms = bw_terms_of_spec(&world_group(&world)->spec);

    terms.reach = world.sites[site].report.reach;
    return terms;
}

#define GRANT_OF(at, name)                                                                         \
    .kind = BW_COMMAND_GRANT, .site = name, .instance = world.sites[at].instance,                  \
    .boot_id = world.sites[at].boot_id, .terms = terms_of(at), .sight = world.sites[at].report.sight

/* 3.1: a renewal that this leader has confirmed itself, and 0 where it has none. */
static uint32_t silent_ms(void)
{
    const struct bw_watch *watch = world_watch(&world);

    if (watch->confirmed_epoch != world_group(&world)->epoch || watch->last_confirmed.boot_ns == 0)
        return 0;
    return (uint32_t)(bw_instant_elapsed_ns(world.now, watch->last_confirmed) / BW_NS_PER_MS);
}

static void a_switchover_proposes_whole_commands(void **state)
{
    (void)state;
    world_begin(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_SWITCHOVER, "dc-b", false, NULL), BW_OK);
    assert_proposed("A11", .kind = BW_COMMAND_REVOKE, .target = "dc-b",
                    .reason = BW_REASON_SWITCHOVER, .planned = true, .by = "operator/anna");
    world.sites[A].report.stop_begun_epoch = world_group(&world)->epoch;
    world_sync_all(&world);
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "0/16");
    assert_proposed("A1", .kind = BW_COMMAND_RELEASED, .instance = world.sites[A].instance,
                    .reason = BW_REASON_SWITCHOVER, .past_no_return = true, .position = "0/16");
    world.sites[B].report.prepared_index = UINT64_MAX;
    world_sync_all(&world);
    assert_proposed("A7", GRANT_OF(B, "dc-b"), .reason = BW_REASON_SWITCHOVER, .planned = true,
                    .by = "operator/anna", .silent_ms = silent_ms());
    world_give_back(&world, B, BW_REASON_START_FAILED, false, "");
    assert_proposed("A1", .kind = BW_COMMAND_RELEASED, .instance = world.sites[B].instance,
                    .reason = BW_REASON_START_FAILED);
    assert_proposed("A8", GRANT_OF(A, "dc-a"), .reason = BW_REASON_ROLLBACK, .planned = true,
                    .by = "operator/anna", .silent_ms = silent_ms());
}

static void a_failover_that_was_asked_for_says_by_whom_and_why(void **state)
{
    (void)state;
    world_init(&world, 2);
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", false, NULL), BW_OK);
    strcpy(world_watch(&world)->wish.text, "the first");
    assert_proposed("A6", GRANT_OF(B, "dc-b"), .reason = BW_REASON_FAILOVER, .by = "operator/anna",
                    .text = "the first", .silent_ms = silent_ms());

    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_proposed("A3", .kind = BW_COMMAND_EXPIRED, .reason = BW_REASON_SITE_LOST,
                    .past_no_return = true, .silent_ms = silent_ms());
    assert_int_equal(world_ask(&world, BW_WISH_FAILOVER, "dc-b", true, NULL), BW_OK);
    strcpy(world_watch(&world)->wish.text, "it burns");
    assert_proposed("A9", GRANT_OF(B, "dc-b"), .reason = BW_REASON_FAILOVER, .by = "operator/anna",
                    .text = "it burns", .silent_ms = silent_ms());
}

/* 3.1: when the epoch was renewed last is not known to a leader that came after that, and not guessed. */
static void a_leader_that_came_later_knows_no_last_renewal(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 5000);
    world_lead_anew(&world);
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_proposed("A3", .kind = BW_COMMAND_EXPIRED, .reason = BW_REASON_SITE_LOST, .past_no_return = true,
                    .silent_ms = 0);
}

/* 3.9: whoever is named first, one that serves alone is adopted. */
static void one_that_serves_is_adopted_whoever_is_named(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_init(&world, 2);
    spec = world_group(&world)->spec;
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_set_spec(&world, &spec, "dc-b");
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A6");
    assert_string_equal(world.decision.command.site, "dc-a");
    assert_true(world.decision.command.adopt);
    assert_int_equal(world.decision.command.reason, BW_REASON_ADOPTION);
}

/* 3.9: of the first site in the list as of every other one. */
static void an_initial_primary_beside_one_that_serves_is_refused(void **state)
{
    static const char *const names[] = {"dc-a", "dc-b"};

    (void)state;
    for (int site = A; site <= B; site++) {
        struct bw_spec spec;

        world_init(&world, 3);
        spec = world_group(&world)->spec;
        world.sites[C].report.service = BW_SERVICE_STARTED;
        world.sites[site == A ? B : A].report.service = BW_SERVICE_UNKNOWN;
        world_set_spec(&world, &spec, names[site]);
        world_sync_all(&world);
        assert_string_equal(world_decide(&world), "A0");
        assert_true(world_holds(&world, "first_grant", -1));
        assert_string_equal(world_gate(&world, "first_grant", -1)->word,
                            "another site than --initial-primary reports the service as started");
    }
}

/* 3.9: down for a moment, under a fence that has not seen the end, it may come again. */
static void an_initial_primary_waits_for_whoever_still_ends_what_it_held(void **state)
{
    static const char *const names[] = {"dc-a", "dc-b"};

    (void)state;
    for (int ending = A; ending <= B; ending++) {
        const char *const named = names[ending == A ? B : A];
        struct bw_spec spec;

        world_init(&world, 3);
        spec = world_group(&world)->spec;
        world.sites[ending].report.service = BW_SERVICE_UNKNOWN;
        world.sites[ending].report.stop_begun_epoch = 1;
        world_set_spec(&world, &spec, named);
        world_sync_all(&world);
        assert_string_equal(world_decide(&world), "A0");
        assert_string_equal(world_gate(&world, "first_grant", -1)->word,
                            "another site than --initial-primary still stops the service, or its fence failed");
        world.sites[ending].report.stop_begun_epoch = 0;
        world.sites[ending].report.fence_failed = true; /* between two tries */
        world_sync_all(&world);
        assert_string_equal(world_decide(&world), "A0");
        world.sites[ending].report.fence_failed = false;
        world_sync_all(&world);
        assert_string_equal(world_decide(&world), "A6");
        assert_string_equal(world.decision.command.site, named);
    }
}

/* 3.9: an agent of 0.2.0 says `stopped` of what its failed fence has seen down for a moment. */
static void no_first_grant_rests_on_a_stop_that_a_failed_fence_has_seen(void **state)
{
    (void)state;
    world_init(&world, 2);
    world.sites[B].report.fence_failed = true;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A0");
    assert_string_equal(world_gate(&world, "reported", B)->word, "its last fence failed");
    world.sites[B].report.fence_failed = false;
    world_sync_all(&world);
    assert_string_equal(world_decide(&world), "A6");
}

/* 3.4: what is committed is looked at by no step any more. */
static void a_sight_that_is_committed_leaves_no_gate(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.sight = (struct bw_reach_sight){
        .seen = BW_REACH_OUTSIDE, .epoch = world_group(&world)->epoch, .digest = 1};
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A20");
    assert_string_equal(world_gate(&world, "reach_seen", -1)->word,
                        bw_reach_seen_word(BW_REACH_OUTSIDE));

    (void)world_decide(&world);
    for (uint32_t i = 0; i < world.decision.gate_count; i++)
        assert_string_not_equal(world.decision.gates[i].step, "A20");
}

/* dc-c serves, and both others may have it back. */
static void begin_at_the_last(uint32_t priority_of_b)
{
    struct bw_spec spec;

    world_init(&world, 3);
    spec = world_group(&world)->spec;
    spec.failback_ms = 60000;
    spec.sites[1].priority = priority_of_b;
    world_begin_with(&world, 3, &spec);
    world.sites[B].report.condition = BW_CONDITION_STOP;
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    world_sync_all(&world);
    assert_string_equal(world_act(&world), "A1");
    assert_string_equal(world_act(&world), "A9");
    world_serve(&world, C);
    world.sites[A].report.has_lag = true;
    world.sites[A].report.joined_epoch = UINT64_MAX;
    world.sites[B].report.joined_epoch = UINT64_MAX;
    world.sites[B].report.condition = BW_CONDITION_START;
    world_pass_ms(&world, 120000);
}

static void of_two_that_are_as_good_the_first_gets_it_back(void **state)
{
    (void)state;
    begin_at_the_last(100);
    assert_string_equal(world_decide(&world), "A12");
    assert_string_equal(world.decision.command.target, "dc-a");
    assert_int_equal(world_gate(&world, "preferred", -1)->value, A);
}

/* 3.9: maintenance of the holder keeps the group there until its last instant. */
static void a_holder_in_maintenance_keeps_the_group_until_it_is_over(void **state)
{
    struct bw_command command = {
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .site = "dc-c", .duration_ms = 10000};

    (void)state;
    begin_at_the_last(50);
    assert_string_equal(world_apply(&world, &command), "G30");
    world_know_spec(&world);
    world_pass_ms(&world, 9500);
    assert_string_equal(world_decide(&world), "A0");
    assert_true(world_holds(&world, "maintenance", -1));
    world_pass_ms(&world, 500);
    (void)world_decide(&world);
    assert_false(world_holds(&world, "maintenance", -1));
}

/* 4: each mark of a grant counts, the first of the ring too. */
static void every_failover_in_the_ring_counts(void **state)
{
    (void)state;
    for (uint32_t at = 0; at < BW_HISTORY_MAX; at++) {
        struct bw_spec spec;

        world_init(&world, 2);
        spec = world_group(&world)->spec;
        spec.max_failovers_per_window = 1;
        world_begin_with(&world, 2, &spec);
        world_watch(&world)->grants_next = at;
        world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
        assert_string_equal(world_act(&world), "A1");
        assert_string_equal(world_act(&world), "A9");
        assert_int_equal(world_watch(&world)->grants[at].epoch, world_group(&world)->epoch);
        world_serve(&world, B);
        world_give_back(&world, B, BW_REASON_SERVICE_DOWN, true, "");
        assert_string_equal(world_act(&world), "A1");
        (void)world_decide(&world);
        assert_true(world_holds(&world, "failovers", A));
    }
}

/* 3.5: another alarm than that of its stop is no reason of the end. */
static void only_the_alarm_of_a_stop_says_that_the_stop_failed(void **state)
{
    (void)state;
    for (int alarm = 0; alarm <= BW_ALARM_STOP_FAILED + 1; alarm++) {
        world_begin(&world, 2);
        world.sites[A].report.alarms = 1u << alarm;
        world.sites[A].report.has_fence_or_stop_succeeded = true;
        world.sites[A].report.stop_begun_epoch = world_group(&world)->epoch;
        world.sites[A].report.service = BW_SERVICE_STOPPED;
        world.sites[A].renew_epoch = 0;
        world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
        assert_string_equal(world_decide(&world), "A3");
        assert_int_equal(world.decision.command.reason, alarm == BW_ALARM_STOP_FAILED
                                                            ? BW_REASON_STOP_FAILED
                                                            : BW_REASON_LEASE_LOST);
    }
}

/* 3.3: of a site that answers, whose guard or second enforcer is gone, only the lease was lost. */
static void only_a_site_that_nobody_hears_is_called_lost(void **state)
{
    static const char *const rules[] = {[BW_HANDOVER_PROVED] = "A3", [BW_HANDOVER_NEVER] = "A4"};

    (void)state;
    for (int grade = BW_HANDOVER_PROVED; grade <= BW_HANDOVER_NEVER; grade++) {
        for (int is_reachable = 0; is_reachable < 2; is_reachable++) {
            world_begin(&world, 2);
            world_group(&world)->spec.handover_by_time = (enum bw_handover)grade;
            world.sites[A].report.has_fence_or_stop_succeeded = true;
            world.sites[A].report.service = BW_SERVICE_STOPPED;
            world.sites[A].renew_epoch = 0;
            world.sites[A].is_mute = is_reachable == 0;
            world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
            assert_string_equal(world_decide(&world), rules[grade]);
            assert_int_equal(world.decision.command.reason,
                             is_reachable == 0 ? BW_REASON_SITE_LOST : BW_REASON_LEASE_LOST);
        }
    }
}

/* Durations are counted from the command that they are of (3.1): another one moves none of them. */
static void a_phase_and_a_maintenance_are_as_old_as_their_own_command(void **state)
{
    struct bw_instant maintained, held;
    struct bw_command command;

    (void)state;
    world_begin(&world, 2);
    command = (struct bw_command){
        .kind = BW_COMMAND_FENCE_FAILED, .group = "harbor", .epoch = world_group(&world)->epoch};
    assert_string_not_equal(world_apply(&world, &command), "-");
    assert_true(world_group(&world)->held);
    held = world.now;
    world_pass_ms(&world, 1000);
    command = (struct bw_command){
        .kind = BW_COMMAND_MAINTENANCE, .group = "harbor", .site = "dc-b", .duration_ms = 1000};
    (void)world_apply(&world, &command);
    assert_int_equal(world_watch(&world)->phase_applied.boot_ns, held.boot_ns);

    world_begin(&world, 2);
    command.site[0] = '\0';
    (void)world_apply(&world, &command);
    maintained = world.now;
    world_pass_ms(&world, 500);
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    assert_string_equal(world_act(&world), "A1");
    assert_int_equal(world_watch(&world)->group_maintenance_applied.boot_ns, maintained.boot_ns);
}

static uint64_t answer_left_ns(void)
{
    uint64_t left_ns;

    assert_int_not_equal(bw_arbiter_holder_answer(world_group(&world), world_watch(&world), world.now,
                                                  &left_ns),
                         BW_HOLDER_SILENT);
    return left_ns;
}

/* 3.3: of several sessions of the holder's site the newest word is fresh for longest, whichever it is. */
static void an_answer_is_fresh_as_long_as_its_newest_word(void **state)
{
    uint64_t whole_ns;

    (void)state;
    for (int newest = 0; newest < 2; newest++) {
        world_begin(&world, 2);
        (void)world_sync(&world, A);
        whole_ns = answer_left_ns();
        for (int i = 0; i < 2; i++) {
            world.sites[A].session.bytes[0] = (uint8_t)(i == newest ? 9 : 1);
            world_wait_ms(&world, 500);
            (void)world_sync(&world, A);
        }
        assert_int_equal(answer_left_ns(), whole_ns);
    }
}

/* 3.3: a report names the epoch of its newest fence, however that has ended. */
static void a_fence_that_went_well_holds_no_epoch(void **state)
{
    (void)state;
    for (int has_failed = 0; has_failed < 2; has_failed++) {
        world_begin(&world, 2);
        world.sites[A].report.fence_epoch = world_group(&world)->epoch;
        world.sites[A].report.fence_failed = has_failed != 0;
        world_sync_all(&world);
        assert_string_equal(world_decide(&world), has_failed ? "A2" : "A0");
    }
}

/* 3.8: what serves while a person waits serves by its epoch; what serves once they override does not. */
static void what_a_person_lets_serve_is_not_what_the_epoch_has_left(void **state)
{
    static const enum bw_override overrides[] = {BW_OVERRIDE_NONE, BW_OVERRIDE_WAITING,
                                                 BW_OVERRIDE_OVERRIDING, BW_OVERRIDE_ENDING};

    (void)state;
    world_begin(&world, 2);
    for (size_t i = 0; i < 4; i++) {
        uint64_t left_ns;

        world.sites[A].report.override = overrides[i];
        (void)world_sync(&world, A);
        assert_int_equal(bw_arbiter_holder_answer(world_group(&world), world_watch(&world), world.now,
                                                  &left_ns),
                         i < 2 ? BW_HOLDER_STARTED : BW_HOLDER_ANSWERS);
    }
}

/* Nor what a stop of an earlier epoch has come to. */
static void the_stop_of_an_earlier_epoch_says_nothing_of_this_end(void **state)
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.alarms = 1u << BW_ALARM_STOP_FAILED;
    world.sites[A].report.has_fence_or_stop_succeeded = true;
    world.sites[A].report.stop_begun_epoch = 0;
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world.sites[A].renew_epoch = 0;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_decide(&world), "A3");
    assert_int_equal(world.decision.command.reason, BW_REASON_LEASE_LOST);
}

/* As many sites as a spec may have: what is kept of each has its place, and there is none beyond. */
static void a_group_has_as_many_sites_as_there_may_be(void **state)
{
    struct bw_spec spec;

    (void)state;
    world_init(&world, 3);
    spec = world_group(&world)->spec;
    while (spec.site_count < BW_SITES_MAX) {
        struct bw_site_spec *site = &spec.sites[spec.site_count];

        *site = spec.sites[C];
        site->name[3] = (char)('a' + spec.site_count++);
    }
    world_set_spec(&world, &spec, "dc-a"); /* the others have not reported, and never will */
    world_pass_ms(&world, 10000);
    assert_string_equal(world_act(&world), "A6");
    world_serve(&world, A);
    world_pass_ms(&world, 1000); /* the others measure by it */
    assert_string_equal(world_decide(&world), "A0");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, world_wait_of_terms_ms(&world) + 5000);
    assert_string_equal(world_act(&world), "A3");
    assert_string_equal(world_act(&world), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_switchover_proposes_whole_commands),
        cmocka_unit_test(a_failover_that_was_asked_for_says_by_whom_and_why),
        cmocka_unit_test(a_leader_that_came_later_knows_no_last_renewal),
        cmocka_unit_test(one_that_serves_is_adopted_whoever_is_named),
        cmocka_unit_test(an_initial_primary_beside_one_that_serves_is_refused),
        cmocka_unit_test(a_sight_that_is_committed_leaves_no_gate),
        cmocka_unit_test(no_first_grant_rests_on_a_stop_that_a_failed_fence_has_seen),
        cmocka_unit_test(an_initial_primary_waits_for_whoever_still_ends_what_it_held),
        cmocka_unit_test(of_two_that_are_as_good_the_first_gets_it_back),
        cmocka_unit_test(a_holder_in_maintenance_keeps_the_group_until_it_is_over),
        cmocka_unit_test(every_failover_in_the_ring_counts),
        cmocka_unit_test(only_the_alarm_of_a_stop_says_that_the_stop_failed),
        cmocka_unit_test(only_a_site_that_nobody_hears_is_called_lost),
        cmocka_unit_test(a_phase_and_a_maintenance_are_as_old_as_their_own_command),
        cmocka_unit_test(an_answer_is_fresh_as_long_as_its_newest_word),
        cmocka_unit_test(a_fence_that_went_well_holds_no_epoch),
        cmocka_unit_test(what_a_person_lets_serve_is_not_what_the_epoch_has_left),
        cmocka_unit_test(the_stop_of_an_earlier_epoch_says_nothing_of_this_end),
        cmocka_unit_test(a_group_has_as_many_sites_as_there_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
