/* arbiter, cross-checked: random sites, people, clocks and leaders; every decision is held against
 * simple predicates that know nothing of how it was made, and against leases kept by the test. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/prng.h>

#include "core_world.h"

#define SEEDS 150
#define STEPS 400

static struct world world;
static struct bw_prng prng;
static uint64_t seed_now;
static unsigned fired[BW_COMMAND_COUNT];

/* What the test itself knows, beside all that the machines keep. */
static struct {
    struct bw_instant lease_end[WORLD_SITES]; /* of the newest confirmed renewal of a site */
    uint64_t given_back[WORLD_SITES];         /* newest epoch that it gave back */
    struct bw_instant last_contact[WORLD_SITES]; /* its newest sync */
    struct bw_report reports[WORLD_SITES];
    struct bw_instant confirmed; /* newest confirmation in this term */
    uint64_t confirmed_epoch;
    struct bw_instant led;
    struct bw_instant granted;
    uint64_t ended_epoch; /* an end of it was proposed in this term */
} ledger;

static uint64_t below(uint64_t bound)
{
    return bw_prng_below(&prng, bound);
}

static void check(bool fact, const char *text)
{
    if (!fact)
        fail_msg("seed %llu: %s", (unsigned long long)seed_now, text);
}

/* ---- the predicates ---- */

static bool is_older_than_ms(struct bw_instant then, uint64_t ms)
{
    return world.now.boot_ns - then.boot_ns > ms * 1000000 &&
           world.now.raw_ns - then.raw_ns > ms * 1000000;
}

static void check_grant(const struct bw_command *command)
{
    const struct bw_group *group = world_group(&world);
    int site = bw_spec_find_site(&group->spec, command->site);
    const struct bw_report *report;

    check(group->phase == BW_PHASE_VACANT, "Grant while an epoch is open");
    check(group->spec.mode != BW_MODE_PAUSED || world_watch(&world)->wish.kind != BW_WISH_NONE,
          "Grant while paused");
    check(command->epoch == group->epoch + 1, "Grant of another epoch than the next");
    check(site >= 0 && !group->spec.sites[site].never_candidate, "Grant to no candidate");
    report = &ledger.reports[site];
    check(!is_older_than_ms(ledger.last_contact[site], 3000), "Grant to a silent site");
    check(bw_id_equal(command->instance, world.sites[site].instance), "Grant to another instance");
    check(report->guard_alive, "Grant without a guard");
    check(report->reach != BW_REACH_NONE && report->reach_works, "Grant without reach");
    check(report->condition != BW_CONDITION_STOP, "Grant against the condition");
    check(report->service == (command->adopt ? BW_SERVICE_STARTED : BW_SERVICE_STOPPED),
          "Grant to a site that does not say stopped");
    check(report->fence_took_ms <= group->spec.fence_timeout_ms + group->spec.margin_ms,
          "Grant to a slow fence");
    for (int other = 0; other < WORLD_SITES; other++) /* I1 */
        check(other == site || world.now.boot_ns >= ledger.lease_end[other].boot_ns ||
                  world.now.raw_ns >= ledger.lease_end[other].raw_ns,
              "Grant while another site's lease lives");
    if (!group->first_grant)
        return;
    for (int other = 0; other < (int)group->spec.site_count; other++)
        check(other == site || is_older_than_ms(ledger.last_contact[other], 3000) ||
                  ledger.reports[other].service != BW_SERVICE_STARTED,
              "first Grant while another site reports started");
}

/* 3.3 in whole numbers: elapsed >= TTL*(1+e)/(1-e) + margin, on both clocks. */
static bool is_wait_over(uint64_t elapsed_ns, const struct bw_terms *terms)
{
    unsigned __int128 left = (unsigned __int128)elapsed_ns;
    unsigned __int128 margin = (unsigned __int128)terms->margin_ms * 1000000;
    unsigned __int128 ttl = (unsigned __int128)terms->ttl_ms * 1000000;

    return left >= margin &&
           (left - margin) * (1000000 - terms->drift_ppm) >= ttl * (1000000 + terms->drift_ppm);
}

static uint64_t newest_of(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t most = a > b ? a : b;

    return most > c ? most : c;
}

static void check_lapsed(void)
{
    const struct bw_group *group = world_group(&world);
    struct bw_instant confirmed = {0, 0};

    if (ledger.confirmed_epoch == group->epoch)
        confirmed = ledger.confirmed;
    check(is_wait_over(world.now.boot_ns -
                           newest_of(confirmed.boot_ns, ledger.led.boot_ns, ledger.granted.boot_ns),
                       &group->terms) &&
              is_wait_over(world.now.raw_ns - newest_of(confirmed.raw_ns, ledger.led.raw_ns,
                                                        ledger.granted.raw_ns),
                           &group->terms),
          "the end of a lease before its wait was over");
}

static void check_expired(void)
{
    const struct bw_group *group = world_group(&world);
    int holder = bw_spec_find_site(&group->spec, group->holder_site);

    check_lapsed();
    check(group->phase != BW_PHASE_VACANT && !group->held, "Expired while held");
    check(group->spec.handover_by_time != BW_HANDOVER_NEVER, "Expired against `never`");
    check(group->terms.reach != BW_REACH_NONE, "Expired without reach");
    check(group->terms.reach != BW_REACH_REMOTE || group->spec.handover_by_time == BW_HANDOVER_ALWAYS,
          "Expired at reach remote");
    check(is_older_than_ms(ledger.last_contact[holder], 2999) || group->adopting ||
              ledger.reports[holder].service != BW_SERVICE_STARTED,
          "Expired against a fresh `started`");
}

static void check_released(const struct bw_command *command)
{
    const struct bw_group *group = world_group(&world);
    int holder = bw_spec_find_site(&group->spec, group->holder_site);

    check(ledger.given_back[holder] == command->epoch, "Released of what was not given back");
    check(command->epoch == group->epoch, "Released of another epoch");
}

static void check_revoke(const struct bw_command *command)
{
    const struct bw_group *group = world_group(&world);
    int target = bw_spec_find_site(&group->spec, command->target);

    check(group->phase == BW_PHASE_GRANTED, "Revoke of no open epoch");
    check(group->spec.mode != BW_MODE_PAUSED, "Revoke while paused");
    check(target >= 0 && strcmp(command->target, group->holder_site) != 0, "Revoke to nowhere");
    check(ledger.reports[target].ready && !is_older_than_ms(ledger.last_contact[target], 3000),
          "Revoke for a target that is not ready");
}

static void check_decision(void)
{
    const struct bw_decision *decision = &world.decision;
    const struct bw_group *group = world_group(&world);

    check(strcmp(world_verdict(decision), decision->rule) == 0, "the gates say otherwise");
    check(decision->acts == (strcmp(decision->rule, "A0") != 0), "acts without a rule");
    check(decision->wake_in_ns > 0, "wake at once");
    if (!decision->acts)
        return;
    fired[decision->command.kind]++;
    check(world.witness.leadership.leads, "a decision of a follower");
    check(group->spec.mode != BW_MODE_OBSERVE, "a decision under observe");
    check(bw_group_match(group, &decision->command) != NULL, "a command without a row");
    if (decision->command.kind == BW_COMMAND_GRANT)
        check_grant(&decision->command);
    if (decision->command.kind == BW_COMMAND_EXPIRED)
        check_expired();
    if (decision->command.kind == BW_COMMAND_CLOSE)
        check_lapsed();
    if (decision->command.kind == BW_COMMAND_RELEASED)
        check_released(&decision->command);
    if (decision->command.kind == BW_COMMAND_REVOKE)
        check_revoke(&decision->command);
}

/* Nothing becomes possible by time alone before the moment that was named. */
static void check_wake(void)
{
    static struct bw_decision early;
    uint64_t wake_ns = world.decision.wake_in_ns;

    if (world.decision.acts)
        return;
    if (wake_ns > 3600 * BW_NS_PER_S)
        wake_ns = 3600 * BW_NS_PER_S;
    bw_witness_decide(&world.witness, 0, bw_instant_add(world.now, below(wake_ns)), &early);
    check(!early.acts, "it could have acted before it asked to be woken");
}

/* ---- what happens ---- */

static void sync_site(int site)
{
    struct world_site *puppet = &world.sites[site];
    struct bw_group *group = world_group(&world);
    bool holds = group->phase != BW_PHASE_VACANT &&
                 strcmp(group->spec.sites[site].name, group->holder_site) == 0 &&
                 bw_id_equal(group->holder_instance, puppet->instance);

    puppet->report.spec_version = below(8) ? group->spec_version : group->spec_version - 1;
    puppet->report.prepared_index = below(3) ? group->changed_index : 0;
    puppet->report.epoch_seen = group->epoch;
    puppet->renew_epoch = holds && ledger.given_back[site] < group->epoch && below(8) ? group->epoch
                                                                                      : 0;
    puppet->report.armed_epoch = puppet->renew_epoch;
    puppet->report.serving_epoch_started = puppet->renew_epoch != 0 && below(4);
    ledger.last_contact[site] = world.now;
    ledger.reports[site] = puppet->report;
    if (!world_sync(&world, site))
        return;
    check(ledger.ended_epoch != group->epoch, "a renewal confirmed after its end was proposed");
    ledger.confirmed = world.now;
    ledger.confirmed_epoch = group->epoch;
    ledger.lease_end[site] = bw_instant_add(world.now, group->terms.ttl_ms * BW_NS_PER_MS);
}

static void change_report(int site)
{
    struct bw_report *report = &world.sites[site].report;

    switch (below(10)) {
    case 8:
        report->fence_failed = below(4) == 0;
        report->fence_epoch = world_group(&world)->epoch;
        break;
    case 0:
        report->service = (enum bw_service)below(3);
        break;
    case 1:
        report->guard_alive = below(4);
        break;
    case 2:
        report->condition = (enum bw_condition)below(3);
        break;
    case 3:
        report->ready = below(3);
        break;
    case 4:
        report->reach = (enum bw_reach_kind)below(5);
        break;
    case 5:
        report->lag_ms = below(8000);
        break;
    case 6:
        report->fence_bound_ms = 3000 + (uint32_t)below(3000);
        report->fence_took_ms = 3000 + (uint32_t)below(3000);
        break;
    case 7:
        world.sites[site].is_deaf = below(4) == 0;
        break;
    default: /* back to health */
        report->service = BW_SERVICE_STOPPED;
        report->guard_alive = report->ready = report->reach_works = true;
        report->condition = BW_CONDITION_START;
        report->reach = BW_REACH_UNITS;
        report->fence_bound_ms = 4000;
        report->fence_took_ms = 0;
        report->lag_ms = 100;
        report->fence_failed = false;
        world.sites[site].is_deaf = false;
        break;
    }
}

/* A site that gives an epoch back has ended its lease first, for good (3.5). */
static void give_back(int site)
{
    struct bw_group *group = world_group(&world);

    if (group->phase == BW_PHASE_VACANT ||
        strcmp(group->spec.sites[site].name, group->holder_site) != 0 ||
        !bw_id_equal(group->holder_instance, world.sites[site].instance))
        return;
    ledger.given_back[site] = group->epoch;
    ledger.lease_end[site] = (struct bw_instant){0, 0};
    world.sites[site].released = (struct bw_released){.epoch = group->epoch,
                                                      .reason = below(2) ? BW_REASON_START_FAILED
                                                                         : BW_REASON_SWITCHOVER,
                                                      .past_no_return = below(2)};
    (void)strcpy(world.sites[site].released.position, below(2) ? "9" : "");
}

static void apply_by_person(enum bw_command_kind kind)
{
    struct bw_command command = {.kind = kind, .group = "harbor"};
    struct bw_group *group = world_group(&world);
    int holder = bw_spec_find_site(&group->spec, group->holder_site);

    command.epoch = group->epoch;
    command.mode = (enum bw_mode)(below(3) ? BW_MODE_AUTO : below(4));
    command.duration_ms = below(60000);
    if (kind == BW_COMMAND_FORCED) /* a person vouches that the site is off */
        ledger.lease_end[holder >= 0 ? holder : A] = (struct bw_instant){0, 0};
    if (kind == BW_COMMAND_CLOSE)
        ledger.ended_epoch = group->epoch;
    if (kind == BW_COMMAND_SET_MODE && command.mode == BW_MODE_OBSERVE) {
        (void)world_apply(&world, &command);
        for (int site = 0; site < WORLD_SITES; site++)
            world.sites[site].report.let_go_index = below(2) ? group->let_go_index : 0;
        for (int site = 0; site < WORLD_SITES; site++)
            if (world.sites[site].report.let_go_index != 0)
                ledger.lease_end[site] = (struct bw_instant){0, 0};
        return;
    }
    (void)world_apply(&world, &command);
}

static void act(void)
{
    (void)world_decide(&world);
    check_decision();
    check_wake();
    if (!world.decision.acts || below(8) == 0)
        return;
    if (world.decision.command.kind == BW_COMMAND_GRANT)
        ledger.granted = world.now;
    if (world.decision.command.kind == BW_COMMAND_EXPIRED ||
        world.decision.command.kind == BW_COMMAND_CLOSE)
        ledger.ended_epoch = world.decision.command.epoch;
    (void)world_act(&world);
}

static void lead_anew(void)
{
    world_lead_anew(&world);
    ledger.led = world.now;
    ledger.confirmed_epoch = 0;
    ledger.ended_epoch = 0;
}

static void something_happens(void)
{
    static const char *const to[] = {"", "dc-a", "dc-b", "dc-c"};
    int site = (int)below(WORLD_SITES);

    switch (below(40)) {
    case 0:
        lead_anew();
        break;
    case 1:
        give_back(site);
        break;
    case 2:
        (void)world_ask(&world, below(2) ? BW_WISH_FAILOVER : BW_WISH_SWITCHOVER, to[below(4)],
                        below(2), NULL);
        break;
    case 3:
        apply_by_person(BW_COMMAND_SET_MODE);
        break;
    case 4:
        apply_by_person(below(4) ? BW_COMMAND_MAINTENANCE : BW_COMMAND_CLOSE);
        break;
    case 5:
        if (world_group(&world)->phase == BW_PHASE_CLOSING)
            apply_by_person(BW_COMMAND_FORCED);
        break;
    case 6:
        world.sites[site].is_mute = !world.sites[site].is_mute;
        break;
    case 7: /* the clocks drift apart */
        world.now.boot_ns += below(50) * BW_NS_PER_MS;
        break;
    case 8:
        world_wait_ms(&world, below(20000));
        break;
    case 9:
    case 10:
    case 11:
        change_report(site);
        break;
    default:
        world_wait_ms(&world, below(700));
        for (int each = 0; each < WORLD_SITES; each++)
            if (!world.sites[each].is_mute)
                sync_site(each);
        break;
    }
}

static void run_seed(uint64_t seed)
{
    struct bw_spec spec;
    bool is_always;

    seed_now = seed;
    bw_prng_init(&prng, seed);
    memset(&ledger, 0, sizeof(ledger));
    world_init(&world, WORLD_SITES);
    spec = world_group(&world)->spec;
    is_always = below(3) == 0;
    spec.handover_by_time = below(6) == 0 ? BW_HANDOVER_NEVER : is_always ? BW_HANDOVER_ALWAYS : BW_HANDOVER_PROVED;
    spec.failback_ms = below(2) ? 5000 : 0;
    spec.min_primary_time_ms = below(2) ? 10000 : 0;
    spec.max_failovers_per_window = (uint32_t)below(3);
    spec.switchover_timeout_ms = 10000;
    spec.retry_backoff_ms = 1000;
    world_set_spec(&world, &spec, below(2) ? "" : "dc-b");
    lead_anew();
    for (int site = 0; site < WORLD_SITES; site++)
        sync_site(site); /* from here the ledger knows what the machines know */
    for (int step = 0; step < STEPS; step++) {
        something_happens();
        act();
    }
}

static void no_decision_breaks_a_predicate(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);

    static const enum bw_command_kind kinds[] = {
        BW_COMMAND_GRANT,    BW_COMMAND_REVOKE,  BW_COMMAND_UNREVOKE, BW_COMMAND_CLOSE,
        BW_COMMAND_RELEASED, BW_COMMAND_EXPIRED, BW_COMMAND_ADOPTED,  BW_COMMAND_FENCE_FAILED};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (fired[kinds[i]] == 0)
            fail_msg("%s was never decided: the scenarios have a hole", bw_command_word(kinds[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_decision_breaks_a_predicate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
