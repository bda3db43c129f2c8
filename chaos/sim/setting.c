/* setting.c - what differs between seeds before anything happens: timings, sizes, scripts. Whatever it
 * draws keeps the inequality of design 4; the tight ones are the interesting ones. */
#include "plan.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/guard_link.h>
#include <breakwater/core/lease.h>
#include <breakwater/core/spec.h>

#define TTL_SLACK_MS         4000
#define TRIP_MS_MIN          20
#define TRIP_MS_MAX          500
#define LOSS_PER_MILLION_MAX 10000
#define TRIES_MIN            5

static uint32_t between(struct bw_prng *chance, uint32_t least, uint32_t most)
{
    return least + (uint32_t)bw_prng_below(chance, most - least + 1);
}

static void draw_terms(struct sim_setting *setting, struct bw_prng *chance)
{
    struct bw_terms *terms = &setting->terms;
    struct bw_spec spec;
    uint32_t least_ms;

    setting->election_timeout_ms = between(chance, 4, 16) * 100;
    setting->heartbeat_ms = setting->election_timeout_ms / 10;
    terms->fence_ms = between(chance, 600, 5000);
    terms->renew_interval_ms = between(chance, 300, 3000);
    terms->request_timeout_ms = between(chance, 200, 1500);
    terms->margin_ms = between(chance, 50, 400);
    terms->drift_ppm = sim_chance(chance, 500000) ? 1000 : between(chance, 1, 20000);
    bw_spec_defaults(&spec);
    spec.fence_timeout_ms = terms->fence_ms;
    spec.renew_interval_ms = terms->renew_interval_ms;
    spec.request_timeout_ms = terms->request_timeout_ms;
    spec.margin_ms = terms->margin_ms;
    spec.max_clock_drift_ppm = terms->drift_ppm;
    least_ms = (uint32_t)bw_spec_lease_ttl_ms_min(&spec, setting->election_timeout_ms);
    terms->ttl_ms = least_ms + (sim_chance(chance, 500000) ? 0 : between(chance, 0, TTL_SLACK_MS));
    /* Other specs of the run may renew more seldom by 400 ms. */
    setting->ttl_ms_max = least_ms + TTL_SLACK_MS + 2000;
}

/* Limits that a site can keep: the fence, or without one the stop, within F. */
static void draw_scripts(struct sim_setting *setting, struct bw_prng *chance)
{
    const uint32_t fence_ms = setting->terms.fence_ms;
    const uint64_t fence_script_ns = bw_lease_script_time_ns(fence_ms * SIM_MS) / 5 * 3;
    uint64_t *limit_ns = setting->script_limit_ns;

    setting->has_fence_script = sim_chance(chance, 700000);
    setting->has_readiness_script = sim_chance(chance, 600000);
    setting->has_verify_script = sim_chance(chance, 500000);
    setting->has_rejoin_script = sim_chance(chance, 400000);
    for (int action = 0; action < BW_ACTION_REMOTE_FENCE; action++)
        limit_ns[action] = between(chance, 500, 3000) * SIM_MS;
    limit_ns[BW_ACTION_START] = between(chance, 2000, 20000) * SIM_MS;
    limit_ns[BW_ACTION_STOP] = between(chance, 1000, 8000) * SIM_MS;
    limit_ns[BW_ACTION_FENCE] = fence_script_ns;
    if (!setting->has_fence_script)
        limit_ns[BW_ACTION_STOP] = fence_script_ns;
}

/* In a third of the worlds, where nobody ends a service for ever but a person otherwise. */
static void draw_remote_fence(struct sim_setting *setting)
{
    struct bw_prng chance;

    bw_prng_init(&chance, setting->seed * 1000003 + 51);
    setting->has_remote_fence_script = sim_chance(&chance, 333000);
    setting->script_limit_ns[BW_ACTION_REMOTE_FENCE] = between(&chance, 1000, 15000) * SIM_MS;
}

/* In a fifth of the worlds, and where its own incidents are wanted. */
static void draw_second_enforcer(struct sim_setting *setting)
{
    const bool is_wanted = setting->often != NULL && sim_plan_is_of_second(setting->often);
    struct bw_prng chance;

    bw_prng_init(&chance, setting->seed * 1000003 + 52);
    setting->has_second_enforcer = sim_chance(&chance, 200000) || is_wanted;
    setting->is_reach_remote = sim_chance(&chance, 500000) && setting->has_second_enforcer;
    setting->has_fence_script |= setting->has_second_enforcer; /* all that it has */
}

/* In a quarter of the worlds. */
static void draw_point(struct sim_setting *setting)
{
    struct bw_prng chance;

    bw_prng_init(&chance, setting->seed * 1000003 + 53);
    setting->has_point = sim_chance(&chance, 250000);
}

/* In half of the worlds: in the others each proof writes, as beside an older release, and so there is more in the logs. */
static void draw_questions(struct sim_setting *setting)
{
    struct bw_prng chance;

    bw_prng_init(&chance, setting->seed * 1000003 + 25932); /* none of the first worlds of chaos/sim/rare, which show much that logs do */
    setting->has_questions = sim_chance(&chance, 500000);
}

/* How many renewals in a row may fail before the fence begins, with the witnesses that are lost and elected meanwhile. */
static uint32_t count_tries(const struct sim_setting *setting)
{
    const struct bw_terms *terms = &setting->terms;
    const uint32_t needed_ms = terms->fence_ms + 4 * setting->election_timeout_ms + 4 * terms->margin_ms +
                               terms->request_timeout_ms;

    return terms->ttl_ms > needed_ms ? (terms->ttl_ms - needed_ms) / (terms->renew_interval_ms + terms->request_timeout_ms)
                                     : 0;
}

/* A fifth of the worlds are far: a round trip of up to 500 ms, and up to 1 % of the messages lost, at all times. For
 * safety any; for liveness what the terms bear (4), with some room for messages that are late by chance, and losses
 * only where a lease has room for some renewals that fail. */
static void draw_far(struct sim_setting *setting)
{
    struct bw_spec spec;
    struct bw_prng chance;
    uint32_t most_ms = TRIP_MS_MAX;

    bw_prng_init(&chance, setting->seed * 1000003 + 108); /* of which one world of chaos/sim/rare is far, and shows it */
    if (!sim_chance(&chance, 200000))
        return;
    bw_spec_defaults(&spec);
    spec.request_timeout_ms = setting->terms.request_timeout_ms;
    if (setting->is_liveness)
        most_ms = (uint32_t)bw_min(most_ms, bw_spec_trip_ms_max(&spec, setting->election_timeout_ms) * 4 / 5);
    setting->trip_ms = between(&chance, TRIP_MS_MIN, most_ms);
    setting->loss_per_million = between(&chance, 0, LOSS_PER_MILLION_MAX);
    if (setting->is_liveness && count_tries(setting) < TRIES_MIN)
        setting->loss_per_million = 0;
}

/* Mostly few, which costs less; and now and then as many as there may be. */
static uint32_t draw_groups(struct bw_prng *chance)
{
    const uint64_t draw = bw_prng_below(chance, 100);

    return draw < 60 ? 1 : draw < 85 ? 2 : draw < 95 ? between(chance, 3, 5)
                                                     : between(chance, 6, SIM_GROUPS_MAX);
}

void sim_setting_draw(struct sim_setting *out_setting, uint64_t seed, bool is_liveness,
                      uint64_t length_ns, const char *often)
{
    struct bw_prng chance;

    _Static_assert(BW_ACTION_COUNT <= 16, "script_limit_ns");
    bw_prng_init(&chance, seed * 1000003 + 50);
    *out_setting = (struct sim_setting){
        .seed = seed, .is_liveness = is_liveness, .length_ns = length_ns, .often = often};
    out_setting->site_count = sim_chance(&chance, 600000) ? 2 : 3;
    out_setting->group_count = draw_groups(&chance);
    out_setting->is_storm = sim_chance(&chance, 150000);
    draw_terms(out_setting, &chance);
    draw_scripts(out_setting, &chance);
    draw_remote_fence(out_setting);
    draw_second_enforcer(out_setting);
    draw_point(out_setting);
    draw_questions(out_setting);
    out_setting->snapshot_threshold = between(&chance, 8, 256);
    out_setting->snapshot_trailing = between(&chance, 4, 128);
    out_setting->check_interval_ms = between(&chance, 300, 3000);
    out_setting->failure_threshold = between(&chance, 1, 4);
    out_setting->local_restarts = between(&chance, 0, 2);
    out_setting->has_condition_script = sim_chance(&chance, 500000);
    out_setting->condition_is_shown = sim_chance(&chance, 300000);
    out_setting->founder_count = sim_chance(&chance, 250000) ? 5 : 3;
    out_setting->begins_old =
        sim_chance(&chance, 250000) || (often != NULL && strcmp(often, SIM_UPGRADE) == 0);
    draw_far(out_setting);
}
