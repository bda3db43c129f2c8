/* Scripts in the slots of the machine. Design 3.4 (start order), 5.1. */
#include "program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/crash_point.h>
#include <breakwater/base/utf8.h>
#include <breakwater/config/script_env.h>
#include <breakwater/core/guard_reach.h>
#include <breakwater/core/report.h>
#include <breakwater/core/script_end.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>

/* Where in the group's reach it runs: what a start leaves behind is the service. */
static enum bw_reach_slot reach_slot(enum bw_guard_slot slot, enum bw_action_kind action)
{
    switch (slot) {
    case BW_GUARD_SLOT_OBSERVATION:
        return BW_REACH_OBSERVE;
    case BW_GUARD_SLOT_FENCE:
        return BW_REACH_FENCE;
    case BW_GUARD_SLOT_ACTION:
    case BW_GUARD_SLOT_COUNT:
        break;
    }
    return action == BW_ACTION_START || action == BW_ACTION_REJOIN ? BW_REACH_SERVICE
                                                                   : BW_REACH_ACTION;
}

/* ---- how it ended -------------------------------------------------------------------------- */

static void judge(const struct bw_guard_work *work, const struct bw_script_result *result,
                  struct bw_guard_run_ended *out_ended)
{
    const struct bw_script_end end = {.how = result->how,
                                      .code = result->code,
                                      .is_other = result->is_other,
                                      .got_no_go = result->diag->err == BW_ERR_CANCELED,
                                      .is_tree_gone = result->tree == BW_OK};

    bw_script_end_judge(work->run.action, &end, out_ended);
}

/* Whole characters of UTF-8 where it is that: a line that is cut must not end in half of one. */
static void copy_line(char *out, size_t size, const char *line)
{
    size_t bytes = strnlen(line, size);

    if (bytes == size) {
        bytes = size - 1;
        while (bytes > 0 && ((unsigned char)line[bytes] & 0xc0) == 0x80)
            bytes--;
    }
    memcpy(out, line, bytes);
    out[bytes] = '\0';
}

/* A NUL in the output would end the text for whoever reads it. */
static void make_text(char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\0')
            bytes[i] = '?';
    }
}

/* No script has said anything. */
static bool says_why_itself(const struct bw_script_result *result)
{
    return result->how == BW_SCRIPT_NOT_STARTED || result->is_unbegun;
}

/* For people: what it came to, and the last that it said (5.1). */
static void fill_outcome(const struct bw_guard_work *work, const struct bw_script_result *result,
                         struct bw_script_outcome *out_outcome)
{
    out_outcome->exited = result->how == BW_SCRIPT_EXITED;
    out_outcome->exit_status = out_outcome->exited ? result->code : 0;
    out_outcome->signal = result->how == BW_SCRIPT_SIGNALED ? (uint32_t)result->code : 0;
    if (says_why_itself(result))
        bw_utf8_plain(out_outcome->words, sizeof out_outcome->words, work->ended.tail,
                      strlen(work->ended.tail));
    else
        bw_utf8_plain(out_outcome->words, sizeof out_outcome->words, result->last_line,
                      result->last_line_bytes);
}

#define STARTED_MAX 4096 /* processes looked at; of more it is not known */

/* The first start time of those that are not dead; of one that does not tell it, before all others. */
static uint64_t oldest_of(const pid_t *pids, size_t count, bool *out_is_any)
{
    uint64_t oldest = UINT64_MAX;

    *out_is_any = false;
    for (size_t i = 0; i < count; i++) {
        struct bw_process process;
        const enum bw_err err = bw_process_read(pids[i], &process, NULL);

        if (err == BW_ERR_NOT_FOUND || (err == BW_OK && process.is_dead))
            continue;
        *out_is_any = true;
        if (err != BW_OK || process.start_ticks < oldest)
            oldest = err != BW_OK ? 0 : process.start_ticks;
    }
    return oldest;
}

/* Those of starts first: what a script brings out of there meanwhile is seen twice rather than not at all. */
static bool is_left(const struct bw_guard_group *group)
{
    static pid_t pids[STARTED_MAX]; /* one loop, one thread */
    struct bw_left_facts facts = {.is_groups_own = group->reach.means == BW_REACH_BY_CGROUP};
    size_t count = 0;

    if (facts.is_groups_own)
        facts.is_known = bw_reach_list_begun(&group->reach, pids, STARTED_MAX, &count, NULL) == BW_OK &&
                         count <= STARTED_MAX;
    if (facts.is_known)
        (void)oldest_of(pids, count, &facts.is_begun);
    if (facts.is_known)
        facts.is_known = bw_reach_list_others(&group->reach, pids, STARTED_MAX, &count, NULL) == BW_OK &&
                         count <= STARTED_MAX;
    if (facts.is_known)
        facts.oldest = oldest_of(pids, count, &facts.is_other);
    return bw_guard_is_left(&group->machine, &facts);
}

/* Of the processes in its units; 0: not known. */
static uint64_t oldest_in_units(const struct bw_units *units, bool *out_is_any)
{
    static pid_t pids[STARTED_MAX]; /* one loop, one thread */
    size_t count = 0;

    if (bw_units_list(units, pids, STARTED_MAX, &count, NULL) == BW_OK && count <= STARTED_MAX)
        return oldest_of(pids, count, out_is_any);
    *out_is_any = true;
    return 0;
}

/* Before any look that is begun now: its answer is newer than this. */
static struct bw_units_sight see_units(const struct bw_guard_group *group)
{
    const struct bw_unit_reach *reach = group->unit_reach;
    struct bw_units_sight sight = {.may_hold_orders = group->config->enforce == BW_REACH_UNITS};

    if (reach == NULL)
        return sight;
    sight.begun = reach->looks_begun;
    sight.ended = reach->looks_ended;
    if (bw_units_is_any_coming(&reach->units))
        sight.coming = BW_POPULATED_YES;
    else if (bw_units_are_known(&reach->units))
        sight.coming = BW_POPULATED_NO;
    sight.is_up_bare = bw_units_is_any_bare(&reach->units);
    sight.is_restarted = bw_units_is_any_restarted(&reach->units);
    sight.oldest = oldest_in_units(&reach->units, &sight.is_any);
    sight.may_be_newer = bw_units_is_any_newer(&reach->units); /* last: what was listed is no newer then either */
    return sight;
}

static bool is_still_there(const struct bw_process *process)
{
    struct bw_process now;

    return process->pid > 0 && bw_process_read(process->pid, &now, NULL) == BW_OK &&
           now.start_ticks == process->start_ticks && !now.is_dead;
}

#define LISTED_MAX 64 /* of more not all have ended since */

/* The first of them that is there yet. */
static bool find_service(const pid_t *pids, size_t count, struct bw_process *out_process)
{
    for (size_t i = 0; i < count; i++)
        if (bw_process_read(pids[i], out_process, NULL) == BW_OK)
            return true;
    return false;
}

/* Is a process there that a start has left, by the group's own cgroup or by its mark? A scan walks
 * through all of /proc: it is made where the process that the last one has found is there no more, and
 * never before a look. */
static enum bw_populated are_left_here(struct bw_guard_group *group, bool is_before)
{
    pid_t pids[LISTED_MAX];
    struct bw_process found = {.pid = 0};
    size_t count = 0;

    if (group->reach.means == BW_REACH_BY_SCAN && is_still_there(&group->left_process))
        return BW_POPULATED_YES;
    if (group->reach.means == BW_REACH_BY_SCAN && is_before)
        return BW_POPULATED_NO;
    if (bw_reach_list_marked(&group->reach, BW_REACH_SERVICE, pids, LISTED_MAX, &count, NULL) != BW_OK)
        return BW_POPULATED_UNKNOWN;
    if (count == 0)
        return BW_POPULATED_NO;
    if (count <= LISTED_MAX && !find_service(pids, count, &found))
        return BW_POPULATED_UNKNOWN;
    if (group->reach.means == BW_REACH_BY_SCAN)
        group->left_process = found;
    return BW_POPULATED_YES;
}

/* Is one of its units up? What their manager has said last may be old: where nothing is seen, and
 * every few seconds, it is asked again, and the next look knows. */
static enum bw_populated are_units_up(struct bw_guard_group *group)
{
    size_t count = 0;

    if (group->config->unit_count == 0)
        return BW_POPULATED_NO;
    if (group->unit_reach == NULL)
        return BW_POPULATED_UNKNOWN;
    if (bw_units_list(&group->unit_reach->units, NULL, 0, &count, NULL) == BW_OK && count > 0) {
        if (bw_guard_awaits_units(&group->machine))
            bw_unit_reach_look(group->unit_reach);
        else
            bw_guard_units_look_again(group);
        return BW_POPULATED_YES;
    }
    const bool is_known = !bw_unit_reach_is_looking(group->unit_reach);

    bw_unit_reach_look(group->unit_reach);
    return is_known && bw_units_are_down(&group->unit_reach->units) ? BW_POPULATED_NO
                                                                    : BW_POPULATED_UNKNOWN;
}

static enum bw_populated populated(const struct bw_guard_work *work, bool is_before)
{
    struct bw_guard_group *group = work->group;
    struct bw_populated_facts facts = {.are_containers =
                                           group->config->enforce == BW_REACH_CONTAINERS};

    if (!bw_guard_asks_populated(work->run.action, is_before, work->ended.line))
        return BW_POPULATED_UNKNOWN;
    facts.here = are_left_here(group, is_before);
    facts.units = are_units_up(group);
    facts.comes_again = group->unit_reach != NULL &&
                        bw_units_that_comes_again(&group->unit_reach->units) != NULL;
    /* A unit's cgroup is made anew at each start, also at one that nobody ordered here. */
    if (facts.units == BW_POPULATED_YES && !facts.comes_again && !is_before)
        bw_guard_enforcer_tell_reach(group);
    return bw_guard_populated(&facts);
}

/* Nothing waits for it: what could not be brought there counts as it did, by its age. */
static void gather(struct bw_guard_group *group)
{
    struct bw_diag diag = {0};
    enum bw_err err = bw_reach_gather(&group->reach, &diag);

    if (err != BW_OK && bw_guard_cgroups_make_again(group)) {
        bw_guard_enforcer_tell_reach(group);
        err = bw_reach_gather(&group->reach, &diag);
    }
    if (err != BW_OK)
        bw_log_warn(&group->program->log, "reach.probe_failed",
                    "group=%s error=%s does=\"what this forks while a stop runs may be taken for the stop's own\"",
                    group->config->name, bw_log_quote(diag.text));
}

static bool begins_service(const struct bw_guard_work *work)
{
    return work->run.action == BW_ACTION_START || work->run.action == BW_ACTION_REJOIN;
}

/* Whether each script that the group may need could be run is looked at with each status (4). */
#define LOOK_AT_MAX (5 + 2 * BW_STEPS_MAX)
static struct {
    const char *paths[LOOK_AT_MAX + 1];
    enum bw_action_kind actions[LOOK_AT_MAX];
    size_t count;
} needed; /* one loop, one thread: read by the child that is forked next, and for its answer made again */

static void need(const char *path, enum bw_action_kind action)
{
    if (path == NULL)
        return;
    needed.paths[needed.count] = path;
    needed.actions[needed.count++] = action;
    needed.paths[needed.count] = NULL;
}

static void list_needed(const struct bw_group_config *config)
{
    static const enum bw_action_kind actions[] = {BW_ACTION_STATUS, BW_ACTION_START, BW_ACTION_STOP, BW_ACTION_FENCE,
                                                  BW_ACTION_VERIFY};

    needed.count = 0;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        const struct bw_steps_config *steps = bw_group_config_steps(config, actions[i]);

        for (uint32_t k = 0; steps != NULL && k < steps->count; k++)
            need(steps->items[k].script, actions[i]);
        if (steps == NULL)
            need(config->scripts[actions[i]], actions[i]);
    }
}

static void fill_unrunnable(const struct bw_guard_work *work, const struct bw_script_result *result,
                            struct bw_guard_run_ended *out_ended)
{
    char text[512];

    list_needed(work->group->config);
    out_ended->has_looked = result->has_looked;
    if (!result->has_looked || result->unrunnable < 0 || (size_t)result->unrunnable >= needed.count)
        return;
    out_ended->unrunnable = needed.actions[result->unrunnable];
    (void)snprintf(text, sizeof text, "%.200s: %.300s", needed.paths[result->unrunnable], result->unrunnable_why.text);
    bw_utf8_plain(out_ended->unrunnable_words, sizeof out_ended->unrunnable_words, text, strlen(text));
}

static void on_end(struct bw_script_run *run, const struct bw_script_result *result, void *user)
{
    struct bw_guard_work *work = user;
    struct bw_guard_group *group = work->group;
    const uint64_t duration_ms = bw_ns_to_ms(result->duration_ns);

    (void)run;
    work->script = NULL;
    bw_guard_steps_close(work);
    if (group->program->is_closing)
        return; /* the mirror still names it: a successor reports it interrupted */
    work->ended = (struct bw_guard_run_ended){0};
    judge(work, result, &work->ended);
    work->ended.duration_ms = duration_ms < UINT32_MAX ? (uint32_t)duration_ms : UINT32_MAX;
    copy_line(work->ended.line, sizeof work->ended.line, result->first_line);
    if (work->run.action == BW_ACTION_READINESS)
        memcpy(work->ended.tail, work->tail, work->tail_bytes);
    else
        make_text(work->ended.tail,
                  bw_script_tail(&result->kept, work->ended.tail, sizeof work->ended.tail));
    if (says_why_itself(result))
        (void)snprintf(work->ended.tail, sizeof work->ended.tail, "%.200s: %.300s",
                       bw_group_config_run_name(group->config, work->run.action),
                       result->diag->text);
    fill_outcome(work, result, &work->ended.outcome);
    if (work->run.action == BW_ACTION_STATUS)
        fill_unrunnable(work, result, &work->ended);
    work->digest = bw_guarded_digest(&group->at, work->slot, result->digest);
    bw_guard_log_end(work, result);
    if (bw_guard_gathers(&group->machine, work->run.action, false))
        gather(group);
    if (begins_service(work) && group->unit_reach != NULL) {
        bw_unit_reach_watch(group->unit_reach, false);
        bw_unit_reach_look(group->unit_reach); /* their cgroups are new */
    } else if (begins_service(work)) {
        bw_guard_enforcer_tell_reach(group); /* what it has started is known by now */
    }
    bw_guard_machine_on_end(&group->program->machine, &group->at, work->slot);
    bw_guard_go_on(group->program, false);
}

void bw_guard_work_tell_end(struct bw_guard_work *work, bool is_given_up,
                            struct bw_guard_event *out_event)
{
    if (is_given_up)
        work->ended = (struct bw_guard_run_ended){.result = BW_RUN_KILLED, .exit_status = -1};
    if (work->slot == BW_GUARD_SLOT_ACTION)
        BW_CRASH_POINT(GUARD_ON_SCRIPT_ENDED);
    *out_event = (struct bw_guard_event){
        .kind = BW_GUARD_EVENT_RUN_ENDED,
        .slot = work->slot,
        .ended = work->ended,
        .is_left = work->run.action == BW_ACTION_STATUS && is_left(work->group),
        .units = see_units(work->group),
        .populated = populated(work, false),
        .digest = is_given_up ? 0 : work->digest,
    };
    if (is_given_up)
        return;
    bw_guard_log_digest(work);
    bw_guard_shown_note_end(work);
}

/* ---- what it prints ------------------------------------------------------------------------ */

/* Keeps the last whole lines. */
static void keep_line(struct bw_guard_work *work, const char *line, size_t bytes)
{
    const size_t room = sizeof work->tail - 1;

    if (bytes + 1 > room)
        return; /* no key=value line is that long */
    while (work->tail_bytes + bytes + 1 > room) {
        const char *end = memchr(work->tail, '\n', work->tail_bytes);
        const size_t first = (size_t)(end - work->tail) + 1; /* each line ends in one */

        work->tail_bytes -= first;
        memmove(work->tail, work->tail + first, work->tail_bytes);
    }
    memcpy(work->tail + work->tail_bytes, line, bytes);
    make_text(work->tail + work->tail_bytes, bytes);
    work->tail[work->tail_bytes + bytes] = '\n';
    work->tail_bytes += bytes + 1;
}

static void on_line(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user)
{
    struct bw_guard_work *work = user;
    const bool is_list = bw_group_config_steps(work->group->config, work->run.action) != NULL;

    if (is_list || !bw_script_is_beyond(run)) /* of a list each step is bounded by itself (steps/step.c) */
        bw_guard_log_line(work, stream, line, bytes);
    if (work->run.action == BW_ACTION_READINESS && stream == BW_SCRIPT_STDOUT)
        keep_line(work, line, bytes);
}

/* ---- the beginning ------------------------------------------------------------------------- */

static uint64_t digest_of(const void *config)
{
    return bw_group_config_digest(config);
}

static uint64_t lease_remaining_ms(const struct bw_guard *machine)
{
    if (machine->mirror.armed_epoch == 0)
        return 0;
    return bw_ns_to_ms(bw_instant_left_ns(bw_clock_now(), machine->mirror.armed_end));
}

static enum bw_err start(struct bw_guard_work *work, struct bw_diag *diag)
{
    static struct bw_steps_plan plan; /* one loop, one thread */
    struct bw_guard_group *group = work->group;
    const enum bw_action_kind action = work->run.action;
    struct bw_script_env env = {0};
    const struct bw_script_order order = {.group = group->config,
                                          .site = group->program->config->site,
                                          .epoch = work->run.epoch,
                                          .facts = &work->run.facts,
                                          .lease_remaining_ms = lease_remaining_ms(&group->machine),
                                          .cgroup = bw_reach_service_cgroup(
                                              &group->reach, reach_slot(work->slot, action)),
                                          .carries_env = bw_group_config_steps(group->config, action) != NULL};
    struct bw_script_spec spec = {
        .path = group->config->scripts[action],
        .env = env.list,
        .reach = &group->reach,
        .slot = reach_slot(work->slot, action),
        .leftovers = begins_service(work) ? BW_SCRIPT_KEEP_LEFTOVERS : BW_SCRIPT_END_LEFTOVERS,
        .refuses_writable = !group->config->allow_writable_scripts,
        .digest = action == BW_ACTION_START || action == BW_ACTION_STATUS ? digest_of : NULL,
        .digest_of = group->config,
        .wanted_digest = group->machine.limits.digest,
        .refuses_other = action == BW_ACTION_START,
        .limit_ns = group->machine.limits.timeout_ns[action],
        .kill_grace_ns = group->machine.limits.kill_grace_ns,
        .on_line = on_line,
        .tells_all = action == BW_ACTION_READINESS || bw_group_config_steps(group->config, action) != NULL,
        .on_end = on_end,
        .user = work,
    };
    int channel = -1;
    enum bw_err err = BW_OK;

    if (action == BW_ACTION_STATUS) {
        list_needed(group->config);
        spec.look_at = needed.paths;
    }
    if (bw_group_config_steps(group->config, action) != NULL)
        err = bw_guard_steps_open(work, &plan, &spec, &channel, diag);
    else if (spec.path == NULL)
        err = bw_diag_set(diag, BW_ERR_NOT_FOUND, "the group has no %s", bw_script_key(action));
    if (err != BW_OK)
        return err;
    err = bw_script_env_init(&env, &order, diag);
    if (err == BW_OK)
        err = bw_script_start(&group->program->runner, &spec, &work->script, diag);
    if (err != BW_OK && bw_guard_cgroups_make_again(group)) {
        bw_guard_enforcer_tell_reach(group); /* before anything can run in them */
        err = bw_script_start(&group->program->runner, &spec, &work->script, diag);
    }
    bw_script_env_deinit(&env);
    if (channel >= 0)
        (void)close(channel); /* the child's */
    if (err != BW_OK)
        bw_guard_steps_close(work);
    return err;
}

void bw_guard_work_start(struct bw_guard_work *work, const struct bw_guard_run *run,
                         struct bw_guard_event *out_spawned)
{
    struct bw_log *log = &work->group->program->log;
    struct bw_diag diag = {0};
    const struct bw_units_sight units = see_units(work->group);
    const bool is_end = run->action == BW_ACTION_STOP || run->action == BW_ACTION_FENCE;

    if (is_end && work->group->unit_reach != NULL)
        bw_units_note_restarts(&work->group->unit_reach->units);
    if (bw_guard_gathers(&work->group->machine, run->action, true))
        gather(work->group);
    work->run = *run;
    work->interrupted = bw_steps_take_interrupted(&work->group->interrupted, run->action,
                                                  run->epoch);
    work->digest = 0;
    work->tail_bytes = 0;
    memset(work->tail, 0, sizeof work->tail);
    if (work->slot == BW_GUARD_SLOT_FENCE && work->group->unit_reach != NULL)
        bw_unit_reach_look(work->group->unit_reach); /* where they are, before they have to be ended */
    *out_spawned = (struct bw_guard_event){
        .kind = BW_GUARD_EVENT_SPAWNED,
        .slot = work->slot,
        .ok = true,
        .is_left = run->action == BW_ACTION_STATUS && is_left(work->group),
        .units = units,
        .populated = populated(work, true),
    };
    if (start(work, &diag) == BW_OK) {
        if (begins_service(work) && work->group->unit_reach != NULL)
            bw_unit_reach_watch(work->group->unit_reach,
                                true); /* its enforcer ends what comes up (3.4) */
        out_spawned->child = (struct bw_guard_child){
            .action = run->action,
            .epoch = run->epoch,
            .run_id = run->run_id,
            .pid = (int32_t)bw_script_pid(work->script),
            .start_time = bw_script_start_ticks(work->script),
        };
        return;
    }
    bw_log_error(log, "script.begin_failed", "group=%s epoch=%llu action=%s error=%s",
                 work->group->config->name, (unsigned long long)run->epoch,
                 bw_action_word(run->action), bw_log_quote(diag.text));
    out_spawned->ok = false;
    work->ended = (struct bw_guard_run_ended){.result = BW_RUN_NOT_STARTED, .exit_status = -1};
    copy_line(work->ended.tail, sizeof work->ended.tail, diag.text);
    bw_utf8_plain(work->ended.outcome.words, sizeof work->ended.outcome.words, diag.text,
                  strlen(diag.text));
    bw_guard_machine_on_end(&work->group->program->machine, &work->group->at, work->slot);
}
