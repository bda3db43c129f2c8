/* The fence that the agent runs when it cannot rely on its guard (3.4): the fence script, a look at
 * the service, and where that does not say `stopped`, or a start may go on, KILL to everything that
 * the guard ever started of the group and to its units, and another look. TERM and KILL come at the
 * instants of the plan at the latest, whatever step is in progress. Its own scripts run outside of
 * that reach, so that neither the KILL here nor the guard's own fence ends them. */
#include "program.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/mutant.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/reach.h>

#define ENV_TEXT_BYTES 192
#define ENV_OWN_MAX    9

/* In their order; from STEP_KILL on the clock has nothing more to ask for. */
enum step {
    STEP_SCRIPT,
    STEP_LOOK,
    STEP_KILL,
    STEP_KILL_HIDDEN,
    STEP_KILL_UNITS,
    STEP_LATE_SCRIPT, /* the script, where there was no time for it before the KILL */
    STEP_LOOK_AGAIN,
    STEP_END
};

struct bw_own_fence {
    struct bw_agent_place *place;
    uint64_t epoch;
    struct bw_fence_plan plan;
    uint64_t next_epoch; /* 0: none waits */
    struct bw_fence_plan next_plan;
    enum step step;
    bool is_step_due; /* a step never follows from within the one that began it */
    bool is_termed;
    bool has_script_run;
    struct bw_script_run *run; /* NULL: none */
    enum bw_action_kind run_action;
    bool is_run_cut_off;     /* by the KILL; it may take its time to die */
    bool is_waiting_for_run; /* the step begins once that has ended: its slot is not free */
    struct bw_reach runs;    /* where our own scripts run */
    struct bw_reach all;     /* the guard's, exact where the kernel has cgroups */
    struct bw_reach marks;   /* the same by marks: also what a cgroup of the guard's own hides */
    struct bw_reach_kill kill;
    struct bw_deadline timer;
    bool must_kill; /* a look alone was not enough */
    bool reach_seen_empty;
    enum bw_service service;
};

static void go_on(struct bw_own_fence *fence, enum step step);

/* ---- scripts ----------------------------------------------------------------------------------
 */

static uint64_t left_ns(struct bw_instant end)
{
    return bw_instant_left_ns(bw_clock_now(), end);
}

/* What the scripts of a fence are told (5.1); the strings live in it. */
struct environment {
    char own[ENV_OWN_MAX][ENV_TEXT_BYTES];
    char *configured; /* those of `env:`, one after the other */
    const char *list[ENV_OWN_MAX + BW_ENV_MAX + 1];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void add(struct environment *environment,
                                                      const char *format, ...)
{
    char *text = environment->own[environment->count];
    va_list values;
    int length;

    va_start(values, format);
    length = vsnprintf(text, ENV_TEXT_BYTES, format, values);
    va_end(values);
    BW_ASSERT(length > 0 && length < ENV_TEXT_BYTES); /* names, words, positions: all bounded */
    environment->list[environment->count++] = text;
}

static void add_own(struct environment *environment, const struct bw_own_fence *fence)
{
    const struct bw_run_facts *facts = &fence->place->site.facts;

    add(environment, "BREAKWATER_GROUP=%s", fence->place->config->name);
    add(environment, "BREAKWATER_SITE=%s", fence->place->agent->config->site);
    add(environment, "BREAKWATER_EPOCH=%" PRIu64, fence->epoch);
    add(environment, "BREAKWATER_PREVIOUS_SITE=%s", facts->previous_site);
    add(environment, "BREAKWATER_REASON=%s", bw_reason_word(BW_REASON_LEASE_LOST));
    add(environment, "BREAKWATER_PLANNED=false");
    add(environment, "BREAKWATER_GRADE=%s", bw_grade_word(facts->grade));
    add(environment, "BREAKWATER_LEASE_REMAINING_MS=%" PRIu64,
        left_ns(fence->plan.end) / BW_NS_PER_MS);
    add(environment, "BREAKWATER_TARGET_POSITION=%s", facts->target_position);
}

static enum bw_err environment_init(struct environment *environment,
                                    const struct bw_own_fence *fence, struct bw_diag *diag)
{
    const struct bw_group_config *config = fence->place->config;
    size_t size = 1;
    char *at;

    environment->count = 0;
    add_own(environment, fence);
    for (uint32_t i = 0; i < config->env_count; i++)
        size += strlen(config->env[i].name) + strlen(config->env[i].value) + 2;
    environment->configured = at = malloc(size);
    if (at == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "the environment of a script");
    for (uint32_t i = 0; i < config->env_count && i < BW_ENV_MAX; i++) {
        environment->list[environment->count++] = at;
        at = stpcpy(stpcpy(stpcpy(at, config->env[i].name), "="), config->env[i].value) + 1;
    }
    environment->list[environment->count] = NULL;
    return BW_OK;
}

static void on_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user)
{
    const struct bw_own_fence *fence = user;
    char text[512];

    (void)run;
    (void)stream;
    (void)snprintf(text, sizeof text, "%.*s", (int)(bytes < sizeof text ? bytes : sizeof text - 1),
                   line);
    bw_log_info(&fence->place->agent->log, "script.said", "group=%s line=%s",
                fence->place->config->name, bw_log_quote(text));
}

static void say_ended(const struct bw_own_fence *fence, const struct bw_script_result *result,
                      bool is_fine)
{
    bw_log_write(&fence->place->agent->log, is_fine ? BW_LOG_INFO : BW_LOG_WARN, "run.ended",
                 "group=%s epoch=%" PRIu64 " action=fence by=agent how=%s code=%d "
                 "duration_ms=%" PRIu64,
                 fence->place->config->name, fence->epoch, bw_script_how_text(result->how),
                 result->code, result->duration_ns / BW_NS_PER_MS);
}

static void on_cut_off_ended(struct bw_own_fence *fence)
{
    fence->is_run_cut_off = false;
    if (!fence->is_waiting_for_run)
        return;
    fence->is_waiting_for_run = false;
    go_on(fence, fence->step);
}

/* A start that its guard can end no more goes on by itself: `stopped` means nothing before that has
 * ended too (3.2.4). Where it cannot be seen it is not known, and unknown is never yes. */
static bool may_begin_to_serve(const struct bw_own_fence *fence)
{
    const struct bw_reach *const reaches[] = {&fence->all, &fence->marks};
    struct bw_diag diag = {0};

    for (size_t i = 0; i < sizeof reaches / sizeof reaches[0]; i++) {
        bool is_empty = false;

        if ((bw_reach_is_empty(reaches[i], BW_REACH_SERVICE, &is_empty, &diag) != BW_OK ||
             !is_empty) &&
            !BW_MUTANT(OWN_FENCE_STARTS))
            return true;
    }
    return false;
}

static void on_script_ended(struct bw_script_run *run, const struct bw_script_result *result,
                            void *user)
{
    struct bw_own_fence *fence = user;
    const bool is_fine = result->how == BW_SCRIPT_EXITED && result->code == 0;

    (void)run;
    fence->run = NULL;
    if (fence->run_action != BW_ACTION_STATUS)
        say_ended(fence, result, is_fine);
    if (fence->is_run_cut_off) {
        on_cut_off_ended(fence);
        return;
    }
    if (fence->run_action != BW_ACTION_STATUS) {
        go_on(fence, fence->step == STEP_SCRIPT ? STEP_LOOK : STEP_LOOK_AGAIN);
        return;
    }
    fence->service = is_fine ? bw_service_of_line(result->first_line) : BW_SERVICE_UNKNOWN;
    if (fence->step == STEP_LOOK &&
        (fence->service != BW_SERVICE_STOPPED || may_begin_to_serve(fence)))
        go_on(fence, STEP_KILL);
    else
        go_on(fence, STEP_END);
}

static enum bw_err start_script(struct bw_own_fence *fence, enum bw_action_kind action,
                                uint64_t limit_ns, struct bw_diag *diag)
{
    const struct bw_group_config *config = fence->place->config;
    const bool is_look = action == BW_ACTION_STATUS;
    const uint64_t own_limit_ns = config->timeout_ms[action] * BW_NS_PER_MS;
    struct environment environment;
    enum bw_err err = environment_init(&environment, fence, diag);
    const struct bw_script_spec spec = {
        .path = config->scripts[action],
        .env = environment.list,
        .reach = &fence->runs,
        .slot = is_look ? BW_REACH_OBSERVE : BW_REACH_FENCE,
        .leftovers = BW_SCRIPT_END_LEFTOVERS,
        .limit_ns = limit_ns < own_limit_ns ? limit_ns : own_limit_ns,
        .kill_grace_ns = config->kill_grace_ms * BW_NS_PER_MS, /* the KILL does not wait for it */
        .on_line = is_look ? NULL : on_line,
        .on_end = on_script_ended,
        .user = fence,
    };

    if (err == BW_OK)
        err = bw_script_start(&fence->place->agent->runner, &spec, &fence->run, diag);
    if (err == BW_OK) {
        fence->run_action = action;
        bw_script_go(fence->run, BW_INSTANT_NEVER);
    }
    free(environment.configured);
    return err;
}

/* False: it could not even be begun, and that was said. */
static bool run_script(struct bw_own_fence *fence, enum bw_action_kind action, uint64_t limit_ns)
{
    struct bw_diag diag = {0};

    BW_ASSERT(fence->run == NULL); /* a slot has one run at a time */
    if (start_script(fence, action, limit_ns, &diag) == BW_OK)
        return true;
    bw_log_error(&fence->place->agent->log, "script.unstarted", "group=%s action=%s error=%s",
                 fence->place->config->name, bw_action_word(action), bw_log_quote(diag.text));
    return false;
}

static bool run_fence_script(struct bw_own_fence *fence, uint64_t limit_ns)
{
    const struct bw_group_config *config = fence->place->config;

    fence->has_script_run = true; /* where it cannot be begun it would not be later on */
    return run_script(fence,
                      config->scripts[BW_ACTION_FENCE] != NULL ? BW_ACTION_FENCE : BW_ACTION_STOP,
                      limit_ns);
}

/* ---- TERM -------------------------------------------------------------------------------------
 */

static void say_not_termed(const struct bw_own_fence *fence, const char *event, const char *text)
{
    bw_log_error(&fence->place->agent->log, event, "group=%s error=%s does=\"KILL follows\"",
                 fence->place->config->name, bw_log_quote(text));
}

/* The step goes on: a look may yet see that this was enough. */
static void term_all(struct bw_own_fence *fence)
{
    struct bw_unit_reach *units = fence->place->units;
    struct bw_diag diag = {0};

    fence->is_termed = true;
    if (bw_reach_signal(&fence->all, BW_REACH_ALL, SIGTERM, &diag) != BW_OK)
        say_not_termed(fence, "reach.unterminated", diag.text);
    if (bw_reach_signal(&fence->marks, BW_REACH_ALL, SIGTERM, &diag) != BW_OK)
        say_not_termed(fence, "reach.unterminated", diag.text);
    if (units == NULL)
        return;
    if (bw_unit_reach_term(units, &diag) != BW_OK)
        say_not_termed(fence, "units.unterminated", diag.text);
    bw_unit_reach_look(units); /* where the KILL finds them */
}

/* ---- KILL -------------------------------------------------------------------------------------
 */

static void say_not_killed(const struct bw_own_fence *fence, const char *text)
{
    bw_log_error(&fence->place->agent->log, "reach.unkilled", "group=%s error=%s",
                 fence->place->config->name, bw_log_quote(text));
}

static void on_kill_closed(struct bw_reach_kill *kill, void *user)
{
    struct bw_own_fence *fence = user;

    (void)kill;
    go_on(fence, fence->step == STEP_KILL ? STEP_KILL_HIDDEN : STEP_KILL_UNITS);
}

static void on_killed(struct bw_reach_kill *kill, enum bw_err err, const struct bw_diag *diag,
                      void *user)
{
    struct bw_own_fence *fence = user;

    if (err != BW_OK) {
        fence->reach_seen_empty = false;
        say_not_killed(fence, diag->text);
    }
    bw_reach_kill_close(kill, on_kill_closed);
}

static void kill_reach(struct bw_own_fence *fence, const struct bw_reach *reach)
{
    struct bw_diag diag = {0};

    if (bw_reach_kill_init(&fence->kill, &fence->place->agent->loop, reach, on_killed, fence,
                           &diag) != BW_OK) {
        fence->reach_seen_empty = false;
        say_not_killed(fence, diag.text);
        if (bw_reach_signal(reach, BW_REACH_ALL, SIGKILL, &diag) != BW_OK) /* at least once */
            say_not_killed(fence, diag.text);
        go_on(fence, fence->step == STEP_KILL ? STEP_KILL_HIDDEN : STEP_KILL_UNITS);
        return;
    }
    bw_reach_kill_start(&fence->kill, BW_REACH_ALL);
}

/* KILL to all that is known at once, the units where they were seen last: none waits until nothing
 * is left of another. That nothing is left is for the steps to see, which may have to wait for
 * systemd. */
static void kill_all_once(struct bw_own_fence *fence)
{
    struct bw_unit_reach *units = fence->place->units;
    struct bw_diag diag = {0};

    if (bw_reach_signal(&fence->marks, BW_REACH_ALL, SIGKILL, &diag) != BW_OK)
        say_not_killed(fence, diag.text);
    if (units != NULL && bw_units_kill_now(&units->units, &diag) != BW_OK)
        say_not_killed(fence, diag.text);
}

static void kill_units(struct bw_own_fence *fence)
{
    if (fence->place->config->unit_count == 0) {
        go_on(fence, STEP_LATE_SCRIPT);
    } else if (fence->place->units == NULL) {
        fence->reach_seen_empty = false;
        say_not_killed(fence, "its units cannot be seen");
        go_on(fence, STEP_LATE_SCRIPT);
    } else {
        bw_unit_reach_kill(fence->place->units);
    }
}

void bw_own_fence_on_units_killed(struct bw_agent_place *place, enum bw_err err,
                                  const struct bw_diag *diag)
{
    struct bw_own_fence *fence = place->own_fence;

    BW_ASSERT(fence != NULL && fence->step == STEP_KILL_UNITS); /* no other step kills, or ends */
    if (err != BW_OK) {
        fence->reach_seen_empty = false;
        say_not_killed(fence, diag->text);
    }
    go_on(fence, STEP_LATE_SCRIPT);
}

/* ---- from step to step ------------------------------------------------------------------------
 */

static void on_timer_closed(struct bw_deadline *deadline, void *user)
{
    struct bw_own_fence *fence = user;
    struct bw_agent_place *place = fence->place;
    /* Seen, not believed: status says so, or it cannot say, and nothing in reach is left that could
     * begin to serve (3.2.4). */
    const bool ok = fence->service != BW_SERVICE_STARTED &&
                    (fence->must_kill ? fence->reach_seen_empty
                                      : fence->service == BW_SERVICE_STOPPED);

    (void)deadline;
    place->own_fence = NULL;
    if (fence->next_epoch != 0)
        bw_own_fence_start(place, fence->next_epoch, &fence->next_plan);
    bw_agent_on_own_fence_ended(place, fence->epoch, ok);
    free(fence);
    bw_agent_own_fence_gone(place->agent);
}

/* True: what the KILL has cut off is still dying, where this step's script is to run. */
static bool must_wait_for_run(struct bw_own_fence *fence)
{
    fence->is_waiting_for_run = fence->run != NULL;
    return fence->is_waiting_for_run;
}

static void begin_step(struct bw_own_fence *fence)
{
    switch (fence->step) {
    case STEP_SCRIPT:
        if (left_ns(fence->plan.term_at) == 0) /* it comes after the KILL */
            go_on(fence, STEP_LOOK);
        else if (!run_fence_script(fence, left_ns(fence->plan.term_at)))
            go_on(fence, STEP_KILL);
        return;
    case STEP_LOOK:
        fence->service = BW_SERVICE_UNKNOWN;
        if (!run_script(fence, BW_ACTION_STATUS, left_ns(fence->plan.kill_at)))
            go_on(fence, STEP_KILL);
        return;
    case STEP_KILL:
        fence->must_kill = true;
        fence->reach_seen_empty = true;
        kill_all_once(fence);
        kill_reach(fence, &fence->all);
        return;
    case STEP_KILL_HIDDEN:
        kill_reach(fence, &fence->marks);
        return;
    case STEP_KILL_UNITS:
        kill_units(fence);
        return;
    case STEP_LATE_SCRIPT:
        if (!must_wait_for_run(fence) &&
            (fence->has_script_run || !run_fence_script(fence, UINT64_MAX)))
            go_on(fence, STEP_LOOK_AGAIN);
        return;
    case STEP_LOOK_AGAIN:
        fence->service = BW_SERVICE_UNKNOWN;
        if (!run_script(fence, BW_ACTION_STATUS, UINT64_MAX))
            go_on(fence, STEP_END);
        return;
    case STEP_END:
        bw_deadline_close(&fence->timer, on_timer_closed);
        return;
    }
}

/* ---- by the clock -----------------------------------------------------------------------------
 */

/* What the plan asks for next; never: the KILL has begun, or is not needed. */
static struct bw_instant planned_at(const struct bw_own_fence *fence)
{
    if (fence->step >= STEP_KILL)
        return BW_INSTANT_NEVER;
    return fence->is_termed ? fence->plan.kill_at : fence->plan.term_at;
}

static void set_timer(struct bw_own_fence *fence)
{
    bw_deadline_set(&fence->timer, fence->is_step_due ? bw_clock_now() : planned_at(fence),
                    BW_DEADLINE_RIGHT);
}

/* A script that does not end, or cannot be ended, delays nothing (3.2.4). */
static void obey_plan(struct bw_own_fence *fence)
{
    const struct bw_instant now = bw_clock_now();

    if (!bw_instant_right_is_over(now, planned_at(fence)))
        return;
    if (!bw_instant_right_is_over(now, fence->plan.kill_at)) {
        term_all(fence);
        return;
    }
    fence->step = STEP_KILL;
    fence->is_step_due = false;
    begin_step(fence);
    if (fence->run == NULL)
        return;
    fence->is_run_cut_off = true;
    bw_script_kill(fence->run);
}

static void on_timer(struct bw_deadline *deadline, void *user)
{
    struct bw_own_fence *fence = user;

    obey_plan(fence);
    if (fence->is_step_due) {
        fence->is_step_due = false;
        begin_step(fence);
    }
    if (!deadline->is_closing)
        set_timer(fence);
}

static void go_on(struct bw_own_fence *fence, enum step step)
{
    fence->step = step;
    fence->is_step_due = true;
    set_timer(fence);
}

/* ---- beginning --------------------------------------------------------------------------------
 */

static enum bw_err open_reaches(struct bw_own_fence *fence, struct bw_diag *diag)
{
    const struct bw_agent *agent = fence->place->agent;
    const char *group = fence->place->config->name;
    char id[BW_ID_TEXT_BYTES];
    char tag[BW_NAME_MAX + 1];
    enum bw_err err;

    bw_id_format(agent->store.state.instance, id);
    BW_ASSERT(snprintf(tag, sizeof tag, "agent-%s", id) < (int)sizeof tag);
    /* None of them is closed: that would remove cgroups which the guard rests on. */
    err = bw_reach_open(&fence->runs, tag, group, true, diag);
    if (err == BW_OK)
        err = bw_reach_open(&fence->all, agent->config->site, group, false, diag);
    if (err == BW_OK)
        err = bw_reach_open(&fence->marks, agent->config->site, group, true, diag);
    return err;
}

void bw_own_fence_start(struct bw_agent_place *place, uint64_t epoch,
                        const struct bw_fence_plan *plan)
{
    struct bw_own_fence *fence;
    struct bw_diag diag = {0};
    enum bw_err err;

    if (place->own_fence != NULL) {
        place->own_fence->next_epoch = epoch;
        place->own_fence->next_plan = *plan;
        return;
    }
    fence = calloc(1, sizeof *fence);
    BW_ASSERT(fence !=
              NULL); /* no memory for a fence: the guard has its own, the supervisor ours */
    fence->place = place;
    fence->epoch = epoch;
    fence->plan = *plan;
    err = open_reaches(fence, &diag);
    if (err == BW_OK)
        err = bw_deadline_init(&fence->timer, &place->agent->loop, on_timer, fence, &diag);
    if (err != BW_OK) {
        bw_log_error(&place->agent->log, "fence.unable", "group=%s error=%s does=\"ends itself\"",
                     place->config->name, bw_log_quote(diag.text));
        free(fence);
        bw_agent_stop(place->agent, BW_AGENT_RESTART); /* restarted, it fences again */
        return;
    }
    place->own_fence = fence;
    place->agent->own_fences_running++;
    if (place->units != NULL)
        bw_unit_reach_look(place->units); /* while there is time */
    go_on(fence, STEP_SCRIPT);
}
