/* What carries out the fence that the agent runs when it cannot rely on its guard (3.4): the
 * machine (core/own_fence.h) says what and when, here are its scripts, and the means by which all
 * is ended that starts and actions of the guard have begun: not its looks, nor the scripts of its fence,
 * which may see or do what this one cannot (3.2.4). Its own scripts run outside of that reach, so that
 * neither the KILL here nor the guard's own fence ends them. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/mutant.h>
#include <breakwater/config/script_env.h>
#include <breakwater/core/own_fence.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/reach.h>

#define LOOK_PAUSE_MS 5 /* while a look by marks is under way */

/* In the order in which they kill. */
enum means {
    MEANS_REACH, /* the guard's, exact where the kernel has cgroups */
    MEANS_MARKS, /* the same by marks: also what a cgroup of the guard's own hides */
    MEANS_UNITS, /* where the group names any */
};

struct bw_agent_fence {
    struct bw_agent_place *place;
    struct bw_own_fence machine;
    struct bw_deadline timer;
    struct bw_script_run *run; /* NULL: none */
    enum bw_action_kind run_action;
    struct bw_reach runs; /* where our own scripts run */
    struct bw_reach all;
    struct bw_reach marks;
    struct bw_reach_kill kill; /* of `all` or `marks` */
    bool is_killed;            /* it has left nothing */
    struct bw_scan *marks_kill; /* by marks, beside the first KILL; nobody waits for it */
    struct bw_scan *look;       /* by marks, at what a start has left */
    bool has_answer;           /* to an action of the step that is being carried out */
    struct bw_own_fence_event answer;
    uint64_t ended_epoch; /* the fence that is over */
    bool ended_ok;
};

static void step(struct bw_agent_fence *fence, const struct bw_own_fence_event *event);

static const struct bw_site *site_of(const struct bw_agent_place *place)
{
    return &place->agent->machine.groups[place->group].site;
}

/* Before the next event. */
static void answer(struct bw_agent_fence *fence, enum bw_own_fence_event_kind kind, bool ok)
{
    BW_ASSERT(!fence->has_answer);
    fence->has_answer = true;
    fence->answer = (struct bw_own_fence_event){.kind = kind, .ok = ok};
}

/* ---- scripts ----------------------------------------------------------------------------------
 */

/* What the scripts of a fence are told (5.1). */
static enum bw_err environment_init(struct bw_script_env *env, const struct bw_agent_fence *fence,
                                    struct bw_diag *diag)
{
    struct bw_run_facts facts = site_of(fence->place)->facts; /* of the order that began the epoch */
    const struct bw_script_order order = {
        .group = fence->place->config,
        .site = fence->place->agent->config->site,
        .epoch = fence->machine.epoch,
        .facts = &facts,
        .lease_remaining_ms =
            bw_instant_left_ns(bw_clock_now(), fence->machine.plan.end) / BW_NS_PER_MS,
        .cgroup = bw_reach_service_cgroup(&fence->all)};

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
    bw_log_info(&fence->place->agent->log, "script.said", "group=%s line=%s",
                fence->place->config->name, bw_log_quote(text));
}

static void say_ended(const struct bw_agent_fence *fence, const struct bw_script_result *result,
                      bool is_fine)
{
    bw_log_write(&fence->place->agent->log, is_fine ? BW_LOG_INFO : BW_LOG_WARN, "run.ended",
                 "group=%s epoch=%" PRIu64 " action=fence by=agent how=%s code=%d "
                 "duration_ms=%" PRIu64 "%s%s",
                 fence->place->config->name, fence->machine.epoch, bw_script_how_text(result->how),
                 result->code, result->duration_ns / BW_NS_PER_MS,
                 result->diag->text[0] != '\0' ? " error=" : "",
                 result->diag->text[0] != '\0' ? bw_log_quote(result->diag->text) : "");
}

static void on_script_ended(struct bw_script_run *run, const struct bw_script_result *result,
                            void *user)
{
    struct bw_agent_fence *fence = user;
    const bool is_fine = result->how == BW_SCRIPT_EXITED && result->code == 0;
    const struct bw_own_fence_event event = {
        .kind = BW_OWN_FENCE_EVENT_RUN_ENDED,
        .ok = is_fine,
        .was_signaled = result->how == BW_SCRIPT_SIGNALED && bw_script_is_ended_by(result->code),
        .line = result->first_line};

    (void)run;
    fence->run = NULL;
    if (fence->run_action != BW_ACTION_STATUS)
        say_ended(fence, result, is_fine);
    step(fence, &event);
}

static enum bw_err start_script(struct bw_agent_fence *fence,
                                const struct bw_own_fence_action *action, struct bw_diag *diag)
{
    const struct bw_group_config *config = fence->place->config;
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
        .kill_grace_ns = config->kill_grace_ms * BW_NS_PER_MS, /* the KILL does not wait for it */
        .on_line = is_look ? NULL : on_line,
        .on_end = on_script_ended,
        .user = fence,
    };

    if (err == BW_OK)
        err = bw_script_start(&fence->place->agent->runner, &spec, &fence->run, diag);
    if (err == BW_OK) {
        fence->run_action = action->script;
        bw_script_go(fence->run, BW_INSTANT_NEVER);
    }
    bw_script_env_deinit(&env);
    return err;
}

static void run_script(struct bw_agent_fence *fence, const struct bw_own_fence_action *action)
{
    struct bw_diag diag = {0};

    BW_ASSERT(fence->run == NULL); /* a slot has one run at a time */
    if (start_script(fence, action, &diag) == BW_OK)
        return;
    bw_log_error(&fence->place->agent->log, "script.unstarted", "group=%s action=%s error=%s",
                 fence->place->config->name, bw_action_word(action->script),
                 bw_log_quote(diag.text));
    answer(fence, BW_OWN_FENCE_EVENT_RUN_UNBEGUN, false);
}

/* Where it cannot be seen it is not known, and unknown is never yes. What only a search by marks can
 * see is told by on_timer, once that is over. */
static void see_starts(struct bw_agent_fence *fence)
{
    struct bw_diag diag = {0};
    bool is_empty = true;

    if (fence->all.means == BW_REACH_BY_CGROUP &&
        bw_reach_is_empty(&fence->all, BW_REACH_SERVICE, &is_empty, &diag) != BW_OK)
        is_empty = false;
    bw_scan_free(fence->look);
    fence->look = NULL;
    if (!is_empty || bw_reach_scan(&fence->marks, BW_REACH_SERVICE, 0, &fence->look, &diag) != BW_OK)
        answer(fence, BW_OWN_FENCE_EVENT_STARTS_SEEN, false);
}

/* ---- TERM -------------------------------------------------------------------------------------
 */

static void say_not_termed(const struct bw_agent_fence *fence, bool is_units, const char *text)
{
    bw_log_error(&fence->place->agent->log, is_units ? "units.unterminated" : "reach.unterminated",
                 "group=%s error=%s does=\"KILL follows\"", fence->place->config->name,
                 bw_log_quote(text));
}

/* Where there is a cgroup nothing is searched for by marks: that may take longer than what is left
 * until the KILL, which no TERM stands before (3.4). */
static void term_all(struct bw_agent_fence *fence)
{
    struct bw_unit_reach *units = fence->place->units;
    struct bw_diag diag = {0};

    if (bw_reach_signal_soon(&fence->all, BW_REACH_SERVED, SIGTERM, &diag) != BW_OK)
        say_not_termed(fence, false, diag.text);
    if (units == NULL)
        return;
    if (bw_unit_reach_term(units, &diag) != BW_OK)
        say_not_termed(fence, true, diag.text);
    bw_unit_reach_look(units); /* where the KILL finds them */
}

/* ---- KILL -------------------------------------------------------------------------------------
 */

static void say_not_killed(const struct bw_agent_fence *fence, const char *text)
{
    bw_log_error(&fence->place->agent->log, "reach.unkilled", "group=%s error=%s",
                 fence->place->config->name, bw_log_quote(text));
}

static void on_kill_closed(struct bw_reach_kill *kill, void *user)
{
    struct bw_agent_fence *fence = user;
    const struct bw_own_fence_event event = {.kind = BW_OWN_FENCE_EVENT_REACH_KILLED,
                                             .ok = fence->is_killed};

    (void)kill;
    step(fence, &event);
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

static void kill_by(struct bw_agent_fence *fence, const struct bw_reach *reach)
{
    struct bw_diag diag = {0};

    if (bw_reach_kill_init(&fence->kill, &fence->place->agent->loop, reach, on_killed, fence,
                           &diag) == BW_OK) {
        bw_reach_kill_start(&fence->kill, BW_REACH_SERVED);
        return;
    }
    say_not_killed(fence, diag.text);
    if (bw_reach_signal(reach, BW_REACH_SERVED, SIGKILL, &diag) != BW_OK) /* at least once */
        say_not_killed(fence, diag.text);
    answer(fence, BW_OWN_FENCE_EVENT_REACH_KILLED, false);
}

/* KILL to what needs no search, one write each: the cgroup, and the units where they were seen last.
 * Then a look for marks at all processes is asked for, on a thread of its own. None waits until
 * nothing is left of another: that nothing is left is for the steps to see. */
static void kill_all_once(struct bw_agent_fence *fence)
{
    struct bw_unit_reach *units = fence->place->units;
    struct bw_diag diag = {0};

    if (BW_MUTANT(SEARCH_FIRST))
        (void)!bw_reach_signal(&fence->marks, BW_REACH_SERVED, SIGKILL, &diag);
    kill_by(fence, &fence->all);
    if (units != NULL && bw_units_kill_now(&units->units, &diag) != BW_OK)
        say_not_killed(fence, diag.text);
    if (fence->all.means != BW_REACH_BY_CGROUP)
        return; /* that is one already */
    bw_scan_free(fence->marks_kill);
    fence->marks_kill = NULL;
    if (bw_reach_scan(&fence->marks, BW_REACH_SERVED, SIGKILL, &fence->marks_kill, &diag) != BW_OK)
        say_not_killed(fence, diag.text);
}

static void kill_units(struct bw_agent_fence *fence)
{
    if (fence->place->units != NULL) {
        bw_unit_reach_kill(fence->place->units);
        return;
    }
    say_not_killed(fence, "its units cannot be seen");
    answer(fence, BW_OWN_FENCE_EVENT_REACH_KILLED, false);
}

void bw_agent_fence_on_units_killed(struct bw_agent_place *place, enum bw_err err,
                                    const struct bw_diag *diag)
{
    struct bw_agent_fence *fence = place->own_fence;
    const struct bw_own_fence_event event = {.kind = BW_OWN_FENCE_EVENT_REACH_KILLED,
                                             .ok = err == BW_OK};

    BW_ASSERT(fence != NULL); /* nothing else kills them, and it has not ended before this */
    if (err != BW_OK)
        say_not_killed(fence, diag->text);
    step(fence, &event);
}

static void kill_reach(struct bw_agent_fence *fence, uint32_t means)
{
    switch ((enum means)means) {
    case MEANS_REACH:
        kill_all_once(fence);
        return;
    case MEANS_MARKS:
        kill_by(fence, &fence->marks);
        return;
    case MEANS_UNITS:
        kill_units(fence);
        return;
    }
}

/* ---- a step -----------------------------------------------------------------------------------
 */

static void on_timer_closed(struct bw_deadline *deadline, void *user);

static void end(struct bw_agent_fence *fence, const struct bw_own_fence_action *action)
{
    bw_scan_free(fence->marks_kill);
    bw_scan_free(fence->look);
    fence->marks_kill = NULL;
    fence->look = NULL;
    fence->ended_epoch = action->epoch;
    fence->ended_ok = action->ok;
    bw_deadline_close(&fence->timer, on_timer_closed);
}

static void say_signaled(const struct bw_agent_fence *fence, const char *signal, const char *rule)
{
    bw_log_warn(&fence->place->agent->log, "reach.signaled", "group=%s signal=%s by=agent rule=%s",
                fence->place->config->name, signal, rule);
}

static void carry_out(struct bw_agent_fence *fence, const struct bw_own_fence_action *action)
{
    switch (action->kind) {
    case BW_OWN_FENCE_ACTION_RUN:
        run_script(fence, action);
        break;
    case BW_OWN_FENCE_ACTION_KILL_RUN:
        BW_ASSERT(fence->run != NULL);
        bw_script_kill(fence->run);
        break;
    case BW_OWN_FENCE_ACTION_SEE_STARTS:
        see_starts(fence);
        break;
    case BW_OWN_FENCE_ACTION_TERM_REACH:
        say_signaled(fence, "TERM", action->rule);
        term_all(fence);
        break;
    case BW_OWN_FENCE_ACTION_KILL_REACH:
        say_signaled(fence, "KILL", action->rule);
        kill_reach(fence, action->means);
        break;
    case BW_OWN_FENCE_ACTION_ENDED:
        end(fence, action);
        break;
    }
}

static void step_once(struct bw_agent_fence *fence, const struct bw_own_fence_event *event)
{
    struct bw_own_fence_actions actions;

    bw_own_fence_step(&fence->machine, event, bw_clock_now(), &actions);
    for (uint32_t i = 0; i < actions.count; i++)
        carry_out(fence, &actions.list[i]);
    if (fence->look != NULL)
        actions.wake_at = bw_instant_min(
            actions.wake_at, bw_instant_add(bw_clock_now(), LOOK_PAUSE_MS * BW_NS_PER_MS));
    if (!fence->timer.is_closing)
        bw_deadline_set(&fence->timer, actions.wake_at, BW_DEADLINE_RIGHT);
}

static void step(struct bw_agent_fence *fence, const struct bw_own_fence_event *event)
{
    step_once(fence, event);
    while (fence->has_answer) { /* what follows from one waits for the next turn: they run out */
        const struct bw_own_fence_event following = fence->answer;

        fence->has_answer = false;
        step_once(fence, &following);
    }
}

static void on_timer(struct bw_deadline *deadline, void *user)
{
    struct bw_agent_fence *fence = user;
    struct bw_own_fence_event event = {.kind = BW_OWN_FENCE_EVENT_TICK};
    struct bw_diag diag = {0};
    enum bw_err err = BW_OK;
    bool is_empty = false;

    (void)deadline;
    step(fence, &event); /* the plan before what was seen */
    if (fence->look == NULL || !bw_scan_is_over(fence->look, &err, &is_empty, &diag))
        return;
    bw_scan_free(fence->look);
    fence->look = NULL;
    event.kind = BW_OWN_FENCE_EVENT_STARTS_SEEN;
    event.ok = err == BW_OK && is_empty;
    step(fence, &event);
}

/* ---- beginning --------------------------------------------------------------------------------
 */

static enum bw_err open_reaches(struct bw_agent_fence *fence, struct bw_diag *diag)
{
    const struct bw_agent *agent = fence->place->agent;
    const char *group = fence->place->config->name;
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
    return err;
}

/* NULL: it was said, and the agent ends. */
static struct bw_agent_fence *new_fence(struct bw_agent_place *place)
{
    struct bw_agent_fence *fence = calloc(1, sizeof *fence);
    struct bw_diag diag = {0};
    enum bw_err err;

    BW_ASSERT(fence !=
              NULL); /* no memory for a fence: the guard has its own, the supervisor ours */
    fence->place = place;
    bw_own_fence_init(&fence->machine, &site_of(place)->limits,
                      place->config->unit_count > 0 ? MEANS_UNITS + 1 : MEANS_MARKS + 1);
    err = open_reaches(fence, &diag);
    if (err == BW_OK)
        err = bw_deadline_init(&fence->timer, &place->agent->loop, on_timer, fence, &diag);
    if (err == BW_OK)
        return fence;
    bw_log_error(&place->agent->log, "fence.unable", "group=%s error=%s does=\"ends itself\"",
                 place->config->name, bw_log_quote(diag.text));
    free(fence);
    bw_agent_stop(place->agent, BW_AGENT_RESTART); /* restarted, it fences again */
    return NULL;
}

/* Where it begins, or goes on with the machine of one that has closed. */
static void open_fence(struct bw_agent_place *place, const struct bw_own_fence *machine,
                       const struct bw_own_fence_event *event)
{
    struct bw_agent_fence *fence = new_fence(place);

    if (fence == NULL)
        return;
    if (machine != NULL)
        fence->machine = *machine;
    place->own_fence = fence;
    place->agent->own_fences_running++;
    if (place->units != NULL)
        bw_unit_reach_look(place->units); /* while there is time */
    step(fence, event);
}

static void on_timer_closed(struct bw_deadline *deadline, void *user)
{
    static const struct bw_own_fence_event tick = {.kind = BW_OWN_FENCE_EVENT_TICK};
    struct bw_agent_fence *fence = user;
    struct bw_agent_place *place = fence->place;

    (void)deadline;
    place->own_fence = NULL;
    if (bw_own_fence_is_running(&fence->machine)) /* the next one */
        open_fence(place, &fence->machine, &tick);
    bw_agent_happen(place->agent, &(struct bw_agent_event){.kind = BW_AGENT_EVENT_OWN_FENCE_ENDED,
                                                           .group = place->group,
                                                           .epoch = fence->ended_epoch,
                                                           .ok = fence->ended_ok});
    free(fence);
    bw_agent_own_fence_gone(place->agent);
}

void bw_agent_fence_start(struct bw_agent_place *place, const struct bw_site_action *action)
{
    const struct bw_own_fence_event event = {.kind = BW_OWN_FENCE_EVENT_START,
                                             .epoch = action->epoch,
                                             .plan = action->fence,
                                             .is_inside = action->is_inside,
                                             .is_proved = action->is_proved};

    if (place->own_fence != NULL)
        step(place->own_fence, &event);
    else
        open_fence(place, NULL, &event);
}
