#include "program.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/sys/clock.h>

/* A machine that asks to be woken at an instant that only one clock has reached (after a suspend,
 * the clocks are far apart) is woken this often, not without pause. */
#define TICK_DISTANCE_NS BW_NS_PER_MS

/* ---- places ---------------------------------------------------------------------------------- */

void bw_agent_limits_get(const struct bw_group_config *config, struct bw_site_limits *out_limits)
{
    memset(out_limits, 0, sizeof *out_limits);
    out_limits->check_interval_ns = config->check_interval_ms * BW_NS_PER_MS;
    out_limits->failure_threshold = config->failure_threshold;
    out_limits->local_restarts = config->local_restarts;
    out_limits->condition_is_shown =
        config->condition_use == BW_CONDITION_USE_SHOW ||
        (config->condition_use == BW_CONDITION_USE_UNSAID && config->seven_keys_file != NULL);
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        out_limits->has_script[action] = config->scripts[action] != NULL;
        out_limits->timeout_ns[action] = config->timeout_ms[action] * BW_NS_PER_MS;
    }
}

static void warn_of_unconfigured(struct bw_agent *agent)
{
    const struct bw_agent_state *state = &agent->store.state;

    for (uint32_t i = 0; i < state->group_count; i++) {
        const struct bw_agent_group *group = &state->groups[i];

        if (bw_site_config_find(agent->config, group->name) == NULL && group->memory.epoch != 0 &&
            !group->memory.given_back)
            bw_log_warn(&agent->log, "group.unconfigured",
                        "group=%s epoch=%llu text=\"this site may hold it, but it is not in the "
                        "site file: it is neither renewed nor given back\"",
                        group->name, (unsigned long long)group->memory.epoch);
    }
}

enum bw_err bw_agent_places_init(struct bw_agent *agent, struct bw_diag *diag)
{
    const struct bw_site_config *config = agent->config;

    warn_of_unconfigured(agent);
    agent->places = calloc(config->group_count, sizeof *agent->places);
    if (agent->places == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "%u groups", config->group_count);
    for (uint32_t i = 0; i < config->group_count; i++) /* first all: their memory may move */
        if (bw_agent_store_group(&agent->store, config->groups[i].name) == NULL)
            return bw_diag_set(diag, BW_ERR_LIMIT,
                               "the agent remembers %d groups already, configured or not: move "
                               "%s/%s away once this site holds nothing",
                               BW_GROUPS_MAX, agent->store.path, agent->store.file);
    agent->place_count = config->group_count;
    for (uint32_t i = 0; i < config->group_count; i++) {
        struct bw_agent_place *place = &agent->places[i];
        struct bw_site_limits limits;

        place->agent = agent;
        place->config = &config->groups[i];
        place->kept = bw_agent_store_group(&agent->store, place->config->name);
        place->wake_at = BW_INSTANT_NEVER;
        bw_agent_limits_get(place->config, &limits);
        bw_site_init(&place->site, place->config->name, agent->store.state.instance, agent->boot_id,
                     &limits, &place->kept->memory, bw_clock_now());
    }
    return BW_OK;
}

struct bw_agent_place *bw_agent_place_find(struct bw_agent *agent, const char *group)
{
    for (uint32_t i = 0; i < agent->place_count; i++) {
        const uint32_t at = (agent->last_found + 1 + i) % agent->place_count;

        if (strcmp(agent->places[at].config->name, group) == 0) {
            agent->last_found = at;
            return &agent->places[at];
        }
    }
    return NULL;
}

/* ---- carrying out ---------------------------------------------------------------------------- */

static void tell_guard(struct bw_agent *agent, const struct bw_guard_message *message)
{
    const bool is_arm = message->kind == BW_GUARD_MESSAGE_ARM;
    const bool is_run = message->kind == BW_GUARD_MESSAGE_RUN &&
                        (message->run.action == BW_ACTION_START ||
                         message->run.action == BW_ACTION_STOP);

    if (is_arm)
        BW_CRASH_POINT(AGENT_BEFORE_ARM);
    if (is_run)
        BW_CRASH_POINT(AGENT_BEFORE_RUN);
    if (message->kind == BW_GUARD_MESSAGE_END)
        BW_CRASH_POINT(AGENT_BEFORE_END);
    bw_guard_link_send(agent, message);
    if (is_arm)
        BW_CRASH_POINT(AGENT_AFTER_ARM);
    if (is_run)
        BW_CRASH_POINT(AGENT_AFTER_RUN);
}

static void carry_out(struct bw_agent_place *place, const struct bw_site_action *action)
{
    switch (action->kind) {
    case BW_SITE_ACTION_SAVE:
        bw_agent_saves_group(place, action->number);
        break;
    case BW_SITE_ACTION_SEND:
        tell_guard(place->agent, &action->message);
        break;
    case BW_SITE_ACTION_SYNC_NOW:
        bw_agent_sync_now(place->agent);
        break;
    case BW_SITE_ACTION_READ_MIRROR:
        bw_agent_mirrors_want(place);
        break;
    case BW_SITE_ACTION_OWN_FENCE:
        bw_agent_fence_start(place, action);
        break;
    case BW_SITE_ACTION_TRACE: /* trace.c says the rules of every step */
        break;
    }
}

/* ---- waking ---------------------------------------------------------------------------------- */

static void set_wake(struct bw_agent *agent)
{
    struct bw_instant at = BW_INSTANT_NEVER;

    for (uint32_t i = 0; i < agent->place_count; i++)
        at = bw_instant_min(at, agent->places[i].wake_at);
    if (!agent->is_closing)
        bw_deadline_set(&agent->wake, at, BW_DEADLINE_RIGHT);
}

static void note_wake(struct bw_agent_place *place, struct bw_instant at, bool is_tick)
{
    const struct bw_instant now = bw_clock_now();

    if (is_tick && bw_instant_right_is_over(now, at))
        at = bw_instant_add(now, TICK_DISTANCE_NS);
    place->wake_at = at;
    set_wake(place->agent);
}

void bw_agent_on_wake(struct bw_deadline *deadline, void *user)
{
    struct bw_agent *agent = user;
    const struct bw_site_event tick = {.kind = BW_SITE_EVENT_TICK};

    (void)deadline;
    for (uint32_t i = 0; i < agent->place_count; i++)
        if (bw_instant_right_is_over(bw_clock_now(), agent->places[i].wake_at))
            bw_agent_step(&agent->places[i], &tick);
    set_wake(agent); /* another place's earlier end may have set it for nothing */
}

/* ---- stepping -------------------------------------------------------------------------------- */

static void step_once(struct bw_agent_place *place, const struct bw_site_event *event)
{
    struct bw_agent *agent = place->agent;
    struct bw_agent_trace trace;
    const struct bw_instant now = bw_clock_now();

    bw_agent_trace_begin(place, now, &trace);
    bw_site_step(&place->site, event, now, &agent->actions);
    bw_agent_trace_end(place, &trace, event, &agent->actions);
    for (uint32_t i = 0; i < agent->actions.count; i++)
        carry_out(place, &agent->actions.list[i]);
    note_wake(place, agent->actions.wake_at, event->kind == BW_SITE_EVENT_TICK);
}

void bw_agent_step(struct bw_agent_place *place, const struct bw_site_event *event)
{
    struct bw_agent *agent = place->agent;

    BW_ASSERT(!agent->is_stepping);
    if (agent->is_closing)
        return;
    agent->is_stepping = true;
    step_once(place, event);
    agent->is_stepping = false;
}

void bw_agent_on_own_fence_ended(struct bw_agent_place *place, uint64_t epoch, bool ok)
{
    const struct bw_site_event event = {
        .kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = epoch, .ok = ok};

    bw_agent_step(place, &event);
}
