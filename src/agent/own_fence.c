/* The means of the fence that the agent runs when it cannot rely on its guard (3.4): the machine says what,
 * when and by which of them; here are its scripts, and what ends all that starts and actions of the guard have
 * begun: not its looks, nor the scripts of its fence, which may see or do what this one cannot (3.2.4). Its own
 * scripts run outside of that reach, so that neither the KILL here nor the guard's own fence ends them. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/script_env.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/reach.h>

#define LOOK_PAUSE_MS 5 /* while one by marks is under way, or units are asked for */
#define DOCKER_MS     1000 /* so long Docker is waited for: its own limit may be beyond D */

struct bw_agent_fence {
    struct bw_agent_served *served;
    struct bw_script_run *run; /* NULL: none */
    bool is_look;              /* that one */
    struct bw_reach runs;      /* where our own scripts run */
    struct bw_reach all;
    struct bw_reach marks;
    struct bw_reach_kill kill; /* of `all` or `marks` */
    bool is_killed;            /* it has left nothing */
    struct bw_scan *marks_kill; /* nobody waits for it */
    struct bw_scan *look;
    bool awaits_units;     /* a look at its units that began after `units_before` looks */
    uint64_t units_before;
    struct bw_instant docker_limit; /* of containers: then without its answer */
};

static const struct bw_own_fence *machine_of(const struct bw_agent_fence *fence)
{
    return &fence->served->agent->machine.groups[fence->served->group].fence;
}

static void happen(const struct bw_agent_fence *fence, enum bw_agent_event_kind kind, bool ok)
{
    bw_agent_happen(
        fence->served->agent,
        &(struct bw_agent_event){.kind = kind, .group = fence->served->group, .ok = ok});
}

static void looked(const struct bw_agent_fence *fence, enum bw_fence_means means, bool is_empty)
{
    bw_agent_happen(fence->served->agent,
                    &(struct bw_agent_event){.kind = BW_AGENT_EVENT_FENCE_LOOKED,
                                             .means = means,
                                             .group = fence->served->group,
                                             .ok = is_empty});
}

/* ---- scripts --------------------------------------------------------------------------------- */

/* What the scripts of a fence are told (5.1). */
static enum bw_err environment_init(struct bw_script_env *env, const struct bw_agent_fence *fence,
                                    struct bw_diag *diag)
{
    const struct bw_group_agent *group =
        &fence->served->agent->machine.groups[fence->served->group];
    struct bw_run_facts facts = group->site.facts; /* of the order that began the epoch */
    const struct bw_script_order order = {
        .group = fence->served->config,
        .site = fence->served->agent->config->site,
        .epoch = group->fence.epoch,
        .facts = &facts,
        .lease_remaining_ms = bw_instant_left_ns(bw_clock_now(), group->fence.plan.end) /
                              BW_NS_PER_MS,
        .cgroup = bw_reach_service_cgroup(&fence->all, BW_REACH_FENCE)};

    facts.reason = BW_REASON_LEASE_LOST;
    facts.planned = false;
    return bw_script_env_init(env, &order, diag);
}

static void on_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user)
{
    const struct bw_agent_fence *fence = user;
    char text[512];

    (void)run;
    (void)stream;
    (void)snprintf(text, sizeof text, "%.*s", (int)(bytes < sizeof text ? bytes : sizeof text - 1),
                   line);
    bw_log_info(&fence->served->agent->log, "script.said", "group=%s line=%s",
                fence->served->config->name, bw_log_quote(text));
}

static void say_ended(const struct bw_agent_fence *fence, const struct bw_script_result *result,
                      bool is_fine)
{
    bw_log_write(&fence->served->agent->log, is_fine ? BW_LOG_INFO : BW_LOG_WARN, "run.ended",
                 "group=%s epoch=%" PRIu64 " action=fence by=agent how=\"%s\" code=%d "
                 "took_ms=%" PRIu64 "%s%s",
                 fence->served->config->name, machine_of(fence)->epoch,
                 bw_script_how_text(result->how), result->code, bw_ns_to_ms(result->duration_ns),
                 result->diag->text[0] != '\0' ? " error=" : "",
                 result->diag->text[0] != '\0' ? bw_log_quote(result->diag->text) : "");
}

static void on_script_ended(struct bw_script_run *run, const struct bw_script_result *result,
                            void *user)
{
    struct bw_agent_fence *fence = user;
    const bool is_fine = result->how == BW_SCRIPT_EXITED && result->code == 0;
    const struct bw_agent_event event = {.kind = BW_AGENT_EVENT_FENCE_RUN_ENDED,
                                         .group = fence->served->group,
                                         .ok = is_fine,
                                         .was_signaled = result->how == BW_SCRIPT_SIGNALED &&
                                                         bw_script_is_ended_by(result->code),
                                         .line = result->first_line};

    (void)run;
    fence->run = NULL;
    if (!fence->is_look)
        say_ended(fence, result, is_fine);
    bw_agent_happen(fence->served->agent, &event);
}

static enum bw_err start_script(struct bw_agent_fence *fence,
                                const struct bw_own_fence_action *action, struct bw_diag *diag)
{
    const struct bw_group_config *config = fence->served->config;
    const bool is_look = action->script == BW_ACTION_STATUS;
    struct bw_script_env env;
    enum bw_err err = environment_init(&env, fence, diag);
    const struct bw_script_spec spec = {
        .path = config->scripts[action->script],
        .env = env.list,
        .reach = &fence->runs,
        .slot = is_look ? BW_REACH_OBSERVE : BW_REACH_FENCE,
        .leftovers = BW_SCRIPT_END_LEFTOVERS,
        .refuses_writable = !config->allow_writable_scripts,
        .limit_ns = action->limit_ns,
        .kill_grace_ns = bw_ms_to_ns(config->kill_grace_ms), /* the KILL does not wait for it */
        .on_line = is_look ? NULL : on_line,
        .on_end = on_script_ended,
        .user = fence,
    };

    if (err == BW_OK)
        err = bw_script_start(&fence->served->agent->runner, &spec, &fence->run, diag);
    if (err == BW_OK) {
        fence->is_look = is_look;
        bw_script_go(fence->run, BW_INSTANT_NEVER);
    }
    bw_script_env_deinit(&env);
    return err;
}

static enum bw_err fence_run(struct bw_agent_served *served,
                             const struct bw_own_fence_action *action)
{
    struct bw_diag diag = {0};
    enum bw_err err;

    BW_ASSERT(served->own_fence->run == NULL); /* a slot has one run at a time */
    err = start_script(served->own_fence, action, &diag);
    if (err != BW_OK)
        bw_log_error(&served->agent->log, "script.start_failed", "group=%s action=%s error=%s",
                     served->config->name, bw_action_word(action->script), bw_log_quote(diag.text));
    return err;
}

static void fence_kill_run(struct bw_agent_served *served)
{
    BW_ASSERT(served->own_fence->run != NULL);
    bw_script_kill(served->own_fence->run);
}

/* ---- looks ----------------------------------------------------------------------------------- */

static void look_soon(struct bw_agent *agent)
{
    bw_deadline_set(&agent->fence_looks,
                    bw_instant_add(bw_clock_now(), bw_ms_to_ns(LOOK_PAUSE_MS)),
                    BW_DEADLINE_RIGHT);
}

static void look_by_marks(struct bw_agent_fence *fence)
{
    struct bw_diag diag = {0};
    enum bw_err err = BW_OK;
    bool is_empty = false;

    if (fence->look == NULL)
        return;
    if (!bw_scan_is_over(fence->look, &err, &is_empty, &diag)) {
        look_soon(fence->served->agent);
        return;
    }
    bw_scan_free(fence->look);
    fence->look = NULL;
    looked(fence, BW_FENCE_BY_MARKS, err == BW_OK && is_empty);
}

static void look_at_units(struct bw_agent_fence *fence)
{
    struct bw_unit_reach *units = fence->served->units;

    fence->awaits_units = true;
    fence->units_before = units->looks_begun;
    fence->docker_limit = bw_instant_add(bw_clock_now(), bw_ms_to_ns(DOCKER_MS));
    bw_unit_reach_look(units);
    look_soon(fence->served->agent);
}

/* Not when the look ends: that may be in a step of the machine, where none can begin. */
static void await_units(struct bw_agent_fence *fence)
{
    const struct bw_unit_reach *reach = fence->served->units;
    struct bw_own_fence_units seen = {.are_containers = fence->served->enforce == BW_REACH_CONTAINERS};
    size_t count = 0;

    if (!fence->awaits_units)
        return;
    if (reach->looks_ended <= fence->units_before &&
        !(seen.are_containers && bw_instant_right_is_over(bw_clock_now(), fence->docker_limit))) {
        look_soon(fence->served->agent);
        return;
    }
    fence->awaits_units = false;
    seen.is_told = reach->looks_ended > fence->units_before && bw_units_are_known(&reach->units);
    seen.are_down = bw_units_are_down(&reach->units);
    seen.is_any = bw_units_list(&reach->units, NULL, 0, &count, NULL) != BW_OK || count > 0;
    looked(fence, BW_FENCE_BY_UNITS, bw_own_fence_are_units_down(machine_of(fence), &seen));
}

void bw_agent_fences_on_look(struct bw_deadline *deadline, void *user)
{
    struct bw_agent *agent = user;

    (void)deadline;
    for (uint32_t i = 0; i < agent->machine.group_count; i++) {
        if (agent->served[i].own_fence != NULL)
            look_by_marks(agent->served[i].own_fence);
        if (agent->served[i].own_fence != NULL)
            await_units(agent->served[i].own_fence);
    }
}

static enum bw_err fence_look(struct bw_agent_served *served, enum bw_fence_means means)
{
    struct bw_agent_fence *fence = served->own_fence;
    struct bw_diag diag = {0};
    bool is_empty = true;
    enum bw_err err = BW_OK;

    if (means == BW_FENCE_BY_UNITS) {
        if (served->units == NULL)
            return BW_ERR_NOT_FOUND; /* they cannot be seen */
        look_at_units(fence);
        return BW_OK;
    }
    if (means == BW_FENCE_BY_REACH) {
        if (fence->all.means == BW_REACH_BY_CGROUP)
            err = bw_reach_is_empty(&fence->all, BW_REACH_SERVICE, &is_empty, &diag);
        return err == BW_OK && !is_empty ? BW_ERR_BUSY : err;
    }
    bw_scan_free(fence->look);
    fence->look = NULL;
    err = bw_reach_scan(&fence->marks, BW_REACH_SERVICE, 0, &fence->look, &diag);
    if (err == BW_OK)
        look_soon(served->agent);
    return err;
}

/* ---- TERM ------------------------------------------------------------------------------------ */

static void say_not_termed(const struct bw_agent_fence *fence, bool is_units, const char *text)
{
    bw_log_error(&fence->served->agent->log, is_units ? "units.term_failed" : "reach.term_failed",
                 "group=%s error=%s does=\"KILL follows\"", fence->served->config->name,
                 bw_log_quote(text));
}

static void term_units(const struct bw_agent_fence *fence, struct bw_unit_reach *units)
{
    struct bw_diag diag = {0};

    if (units == NULL)
        return;
    if (bw_unit_reach_term(units, &diag) != BW_OK)
        say_not_termed(fence, true, diag.text);
    bw_unit_reach_look(units); /* where the KILL finds them */
}

static void fence_term(struct bw_agent_served *served, enum bw_fence_means means)
{
    struct bw_agent_fence *fence = served->own_fence;
    struct bw_diag diag = {0};

    if (means == BW_FENCE_BY_UNITS)
        term_units(fence, served->units);
    else if (bw_reach_signal_soon(means == BW_FENCE_BY_REACH ? &fence->all : &fence->marks,
                                  BW_REACH_SERVED, SIGTERM, &diag) != BW_OK)
        say_not_termed(fence, false, diag.text);
}

/* ---- KILL ------------------------------------------------------------------------------------ */

static void say_not_killed(const struct bw_agent_fence *fence, const char *text)
{
    bw_log_error(&fence->served->agent->log, "reach.kill_failed", "group=%s error=%s",
                 fence->served->config->name, bw_log_quote(text));
}

static void on_kill_closed(struct bw_reach_kill *kill, void *user)
{
    const struct bw_agent_fence *fence = user;

    (void)kill;
    happen(fence, BW_AGENT_EVENT_FENCE_KILLED, fence->is_killed);
}

static void on_killed(struct bw_reach_kill *kill, enum bw_err err, const struct bw_diag *diag,
                      void *user)
{
    struct bw_agent_fence *fence = user;

    fence->is_killed = err == BW_OK;
    if (err != BW_OK)
        say_not_killed(fence, diag->text);
    bw_reach_kill_close(kill, on_kill_closed);
}

static enum bw_err kill_by(struct bw_agent_fence *fence, const struct bw_reach *reach)
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_reach_kill_init(&fence->kill, &fence->served->agent->loop, reach,
                                               on_killed, fence, &diag);

    if (err == BW_OK) {
        bw_reach_kill_start(&fence->kill, BW_REACH_SERVED);
        return BW_OK;
    }
    say_not_killed(fence, diag.text);
    if (bw_reach_signal(reach, BW_REACH_SERVED, SIGKILL, &diag) != BW_OK) /* at least once */
        say_not_killed(fence, diag.text);
    return err;
}

static enum bw_err kill_units(const struct bw_agent_fence *fence)
{
    if (fence->served->units == NULL) {
        say_not_killed(fence, "its units cannot be seen");
        return BW_ERR_NOT_FOUND;
    }
    bw_unit_reach_kill(fence->served->units);
    return BW_OK;
}

static enum bw_err fence_kill(struct bw_agent_served *served, enum bw_fence_means means)
{
    switch (means) {
    case BW_FENCE_BY_REACH:
        return kill_by(served->own_fence, &served->own_fence->all);
    case BW_FENCE_BY_MARKS:
        return kill_by(served->own_fence, &served->own_fence->marks);
    case BW_FENCE_BY_UNITS:
        return kill_units(served->own_fence);
    }
    return BW_ERR_INVALID;
}

static void fence_kill_once(struct bw_agent_served *served, enum bw_fence_means means)
{
    struct bw_agent_fence *fence = served->own_fence;
    struct bw_diag diag = {0};
    enum bw_err err = BW_OK;

    if (means == BW_FENCE_BY_UNITS) { /* where they were seen last */
        if (served->units != NULL)
            err = bw_units_kill_now(&served->units->units, &diag);
    } else if (fence->all.means == BW_REACH_BY_CGROUP) { /* otherwise all is a search, and that was begun */
        bw_scan_free(fence->marks_kill);
        fence->marks_kill = NULL;
        err = bw_reach_scan(&fence->marks, BW_REACH_SERVED, SIGKILL, &fence->marks_kill, &diag);
    }
    if (err != BW_OK)
        say_not_killed(fence, diag.text);
}

void bw_agent_fence_on_units_killed(struct bw_agent_served *served, enum bw_err err,
                                    const struct bw_diag *diag)
{
    BW_ASSERT(served->own_fence !=
              NULL); /* nothing else kills them, and it has not ended before this */
    if (err != BW_OK)
        say_not_killed(served->own_fence, diag->text);
    happen(served->own_fence, BW_AGENT_EVENT_FENCE_KILLED, err == BW_OK);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static enum bw_err open_reaches(struct bw_agent_fence *fence, struct bw_diag *diag)
{
    const struct bw_agent *agent = fence->served->agent;
    const char *group = fence->served->config->name;
    char id[BW_ID_TEXT_BYTES];
    char tag[BW_NAME_MAX + 1];
    char guards[BW_REACH_TAG_BYTES];
    enum bw_err err;

    bw_reach_tag(agent->config->cluster, agent->config->site, guards);
    bw_id_format(agent->store.state.instance, id);
    BW_ASSERT(snprintf(tag, sizeof tag, "agent-%s", id) < (int)sizeof tag);
    /* None of them is closed: that would remove cgroups which the guard rests on. */
    err = bw_reach_open(&fence->runs, tag, group, true, diag);
    if (err == BW_OK)
        err = bw_reach_open(&fence->all, guards, group, false, diag);
    if (err == BW_OK)
        err = bw_reach_open(&fence->marks, guards, group, true, diag);
    if (err == BW_OK) { /* which its guard has, a file says that may hang: rather one process too many */
        bw_reach_set_key(&fence->all, BW_REACH_KEY_ANY);
        bw_reach_set_key(&fence->marks, BW_REACH_KEY_ANY);
    }
    return err;
}

static enum bw_err fence_open(struct bw_agent_served *served)
{
    struct bw_agent_fence *fence = calloc(1, sizeof *fence);
    struct bw_diag diag = {0};
    enum bw_err err;

    /* No memory for a fence: the guard has its own, the supervisor ours. */
    BW_ASSERT(fence != NULL && served->own_fence == NULL);
    fence->served = served;
    err = open_reaches(fence, &diag);
    if (err != BW_OK) {
        bw_log_error(&served->agent->log, "fence.run_failed", "group=%s error=%s does=\"ends itself\"",
                     served->config->name, bw_log_quote(diag.text));
        free(fence);
        return err;
    }
    served->own_fence = fence;
    if (served->units != NULL)
        bw_unit_reach_look(served->units); /* while there is time */
    return BW_OK;
}

static void fence_close(struct bw_agent_served *served)
{
    struct bw_agent_fence *fence = served->own_fence;

    BW_ASSERT(fence->run == NULL);
    bw_scan_free(fence->marks_kill);
    bw_scan_free(fence->look);
    free(fence);
    served->own_fence = NULL;
}

/* ---- what the machine asks for --------------------------------------------------------------- */

static void say_stepped(const struct bw_agent_served *served,
                        const struct bw_own_fence_action *action)
{
    const bool is_term = action->kind == BW_OWN_FENCE_ACTION_TERM_REACH;

    if (is_term || action->kind == BW_OWN_FENCE_ACTION_KILL_REACH)
        bw_log_warn(&served->agent->log, "reach.signaled", "group=%s signal=%s by=agent rule=%s",
                    served->config->name, is_term ? "TERM" : "KILL", action->rule);
}

enum bw_err bw_agent_fence_do(struct bw_agent_served *served, const struct bw_agent_action *action)
{
    switch (action->kind) {
    case BW_AGENT_ACTION_FENCE_OPEN:
        return fence_open(served);
    case BW_AGENT_ACTION_FENCE_STEPPED:
        say_stepped(served, action->fence);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_RUN:
        return fence_run(served, action->fence);
    case BW_AGENT_ACTION_FENCE_KILL_RUN:
        fence_kill_run(served);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_LOOK:
        return fence_look(served, action->means);
    case BW_AGENT_ACTION_FENCE_TERM:
        fence_term(served, action->means);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_KILL_ONCE:
        fence_kill_once(served, action->means);
        return BW_OK;
    case BW_AGENT_ACTION_FENCE_KILL:
        return fence_kill(served, action->means);
    default:
        BW_ASSERT(action->kind == BW_AGENT_ACTION_FENCE_CLOSE);
        fence_close(served);
        return BW_OK;
    }
}
