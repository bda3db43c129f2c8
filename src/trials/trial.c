/* What is tried: status, start, status, start, stop, status, stop; then starts and stops that are
 * killed half-way, and the fence. Each part begins with the service stopped and ends so. */
#include "trial.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include <breakwater/config/script_hint.h>
#include <breakwater/core/report.h>
#include <breakwater/sys/clock.h>

#include "sandbox.h"

#define LOOK_MS     100 /* pause between looks for a word, growing to: */
#define LOOK_MS_MAX 1000
#define COPY_MS     200  /* until a second copy of the service would show as one */
#define VANISH_MS   1000 /* a last process that is about to end when status says stopped */
#define WAIT_MS_MAX (10 * 60 * 1000) /* for stopped, after a stop that ended too early */

static bool goes_on(const struct bw_sandbox *sandbox)
{
    return !sandbox->is_interrupted;
}

static enum bw_action_kind fence_of(const struct bw_sandbox *sandbox)
{
    return sandbox->group->scripts[BW_ACTION_FENCE] != NULL ? BW_ACTION_FENCE : BW_ACTION_STOP;
}

/* A run that an interrupt has ended says nothing about the script. */
static void find(struct bw_sandbox *sandbox, enum bw_trial_check check, const char *when,
                 const struct bw_sandbox_outcome *outcome)
{
    char end[BW_SANDBOX_END_BYTES];

    if (goes_on(sandbox))
        bw_trial_find(sandbox->report, check, BW_TRIAL_PROBLEM, "%s: %s", when,
                      bw_sandbox_end_text(outcome, end));
}

/* ---- up -------------------------------------------------------------------------------------- */

/* Asks status until it says `wanted`, at most `limit_ms`. Returns what it said last. */
static enum bw_service wait_for_word(struct bw_sandbox *sandbox, enum bw_service wanted,
                                     uint64_t limit_ms, const char *when)
{
    const struct bw_instant end = bw_instant_add(bw_clock_now(), bw_ms_to_ns(limit_ms));
    uint64_t pause_ms = LOOK_MS;
    enum bw_service service = bw_trial_status(sandbox, when);

    while (service != wanted && goes_on(sandbox) &&
           !bw_instant_right_is_over(bw_clock_now(), end) && bw_sandbox_pause(sandbox, pause_ms)) {
        service = bw_trial_status(sandbox, when);
        pause_ms = pause_ms * 2 < LOOK_MS_MAX ? pause_ms * 2 : LOOK_MS_MAX;
    }
    return service;
}

/* Judged by START_EXIT and START_STARTED, or (after a kill) by `check` alone. */
static bool bring_up(struct bw_sandbox *sandbox, enum bw_trial_check exit_check,
                     enum bw_trial_check word_check, const char *when)
{
    const struct bw_instant begun = bw_clock_now();
    const uint32_t limit_ms = sandbox->group->timeout_ms[BW_ACTION_START];
    struct bw_trial_report *report = sandbox->report;
    struct bw_sandbox_outcome outcome;
    enum bw_service service;
    uint64_t elapsed_ns;

    report->has_started = true;
    if (!bw_sandbox_script(sandbox, BW_ACTION_START, when, &outcome)) {
        find(sandbox, exit_check, when, &outcome);
        return false;
    }
    bw_trial_pass(report, exit_check, "every time");
    elapsed_ns = bw_instant_elapsed_ns(bw_clock_now(), begun);
    service = wait_for_word(
        sandbox, BW_SERVICE_STARTED,
        bw_ns_to_ms(elapsed_ns) < limit_ms ? limit_ms - bw_ns_to_ms(elapsed_ns) : 0, when);
    elapsed_ns = bw_instant_elapsed_ns(bw_clock_now(), begun);
    if (service != BW_SERVICE_STARTED) {
        if (goes_on(sandbox))
            bw_trial_find(report, word_check, BW_TRIAL_PROBLEM,
                          "%s: exit 0, yet status says %s %" PRIu32 " ms after its begin", when,
                          bw_service_word(service), (uint32_t)bw_ns_to_ms(elapsed_ns));
        return false;
    }
    if (elapsed_ns > report->started_max_ns)
        report->started_max_ns = elapsed_ns;
    bw_trial_pass(report, word_check, "every time");
    return true;
}

/* ---- down ------------------------------------------------------------------------------------ */

/* What is left when nothing may be: the oldest of `before` is the service itself. */
static void judge_left(struct bw_sandbox *sandbox, const struct bw_sandbox_census *before,
                       const char *when)
{
    struct bw_trial_report *report = sandbox->report;
    struct bw_sandbox_census now;
    bool is_known = bw_sandbox_count(sandbox, &now);

    for (uint64_t waited = 0; is_known && now.count > 0 && waited < VANISH_MS; waited += LOOK_MS) {
        if (!bw_sandbox_pause(sandbox, LOOK_MS))
            return; /* interrupted: it is ended anyway */
        is_known = bw_sandbox_count(sandbox, &now);
    }
    if (!is_known) {
        bw_trial_skip(report, BW_TRIAL_STOP_PROCESSES, "processes could not be listed");
    } else if (now.count == 0 && report->process_count > 0) {
        bw_trial_pass(report, BW_TRIAL_STOP_PROCESSES, "every time");
    } else if (now.count > 0) {
        const bool is_service = before != NULL && before->count > 0 &&
                                before->list[0].pid == now.list[0].pid &&
                                before->list[0].start_ticks == now.list[0].start_ticks;

        bw_trial_find(report, BW_TRIAL_STOP_PROCESSES,
                      is_service ? BW_TRIAL_PROBLEM : BW_TRIAL_WARNING,
                      "%s: %" PRIu32 " left, the oldest (pid %ld in the sandbox): %.90s", when,
                      now.count + now.unlisted, (long)now.list[0].pid, now.list[0].command);
    }
}

/* How long it really took is what a proposal rests on, not when the script had ended. */
static void note_down(struct bw_trial_report *report, enum bw_action_kind action,
                      struct bw_instant begun, bool is_stopped)
{
    const uint64_t elapsed_ns = bw_instant_elapsed_ns(bw_clock_now(), begun);

    if (!is_stopped)
        report->is_without_end[action] = true;
    else if (elapsed_ns > report->stopped_max_ns[action])
        report->stopped_max_ns[action] = elapsed_ns;
}

/* `stopped` has to be true in the moment in which a stop or fence has ended with 0. */
static bool is_down_at_once(struct bw_sandbox *sandbox, enum bw_action_kind action,
                            struct bw_instant begun, enum bw_trial_check check, const char *when)
{
    struct bw_trial_report *report = sandbox->report;
    enum bw_service first = bw_trial_status(sandbox, when);
    enum bw_service last = first;
    uint32_t limit_ms = sandbox->group->timeout_ms[BW_ACTION_STOP];

    if (first == BW_SERVICE_STOPPED) {
        bw_trial_pass(report, check, "every time");
        return true;
    }
    if (goes_on(sandbox))
        last = wait_for_word(sandbox, BW_SERVICE_STOPPED,
                             limit_ms < WAIT_MS_MAX ? limit_ms : WAIT_MS_MAX, when);
    if (goes_on(sandbox))
        bw_trial_find(report, check, BW_TRIAL_PROBLEM, "%s: exit 0, and status says %s%s", when,
                      bw_service_word(first),
                      last == BW_SERVICE_STOPPED ? "; stopped only later"
                                                 : ", and goes on to say so");
    note_down(report, action, begun, last == BW_SERVICE_STOPPED);
    return last == BW_SERVICE_STOPPED;
}

static bool bring_down(struct bw_sandbox *sandbox, enum bw_action_kind action,
                       enum bw_trial_check exit_check, enum bw_trial_check word_check,
                       const char *when)
{
    const struct bw_instant begun = bw_clock_now();
    struct bw_sandbox_outcome outcome;

    if (!bw_sandbox_script(sandbox, action, when, &outcome)) {
        find(sandbox, exit_check, when, &outcome);
        if (goes_on(sandbox))
            note_down(sandbox->report, action, begun, false);
        return false;
    }
    bw_trial_pass(sandbox->report, exit_check, "every time");
    return is_down_at_once(sandbox, action, begun, word_check, when);
}

/* With every means, whatever they say, unless it is down: a standby that stays is not ended. Judges
 * nothing but status. */
static bool force_down(struct bw_sandbox *sandbox, const char *when)
{
    const enum bw_action_kind steps[] = {BW_ACTION_STOP, BW_ACTION_FENCE};
    struct bw_sandbox_outcome outcome;
    bool is_down = bw_trial_status(sandbox, when) == BW_SERVICE_STOPPED;

    for (size_t i = 0; i < 2 && !is_down; i++) {
        if (!bw_group_config_has(sandbox->group, steps[i]))
            continue;
        (void)bw_sandbox_script(sandbox, steps[i], when, &outcome); /* status is what counts */
        is_down = bw_trial_status(sandbox, when) == BW_SERVICE_STOPPED;
    }
    if (is_down)
        return true;
    return bw_sandbox_end_all(sandbox) && bw_trial_status(sandbox, when) == BW_SERVICE_STOPPED;
}

/* Between two parts. False: the next has nothing to begin from. */
static bool is_ready_for(struct bw_sandbox *sandbox, const char *part)
{
    if (!goes_on(sandbox))
        return false;
    if (force_down(sandbox, "between two parts"))
        return goes_on(sandbox);
    if (goes_on(sandbox))
        (void)snprintf(sandbox->report->failure, sizeof sandbox->report->failure,
                       "%s was not tried: nothing brings the service to stopped", part);
    return false;
}

/* ---- the cycle ------------------------------------------------------------------------------- */

/* Processes of `of` with the command of `like` whose parent is none of them. */
static uint32_t count_roots(const struct bw_sandbox_census *of, const char *like)
{
    uint32_t roots = 0;

    for (uint32_t i = 0; i < of->count; i++) {
        bool has_parent = false;

        for (uint32_t k = 0; k < of->count; k++)
            has_parent = has_parent || of->list[k].pid == of->list[i].parent;
        roots += !has_parent && strcmp(of->list[i].command, like) == 0;
    }
    return roots;
}

static void judge_same(struct bw_sandbox *sandbox, const struct bw_sandbox_census *before)
{
    struct bw_trial_report *report = sandbox->report;
    const struct bw_sandbox_process *oldest = &before->list[0];
    struct bw_sandbox_census after;
    bool is_there = false;

    if (before->count == 0 || !bw_sandbox_count(sandbox, &after)) {
        bw_trial_skip(report, BW_TRIAL_START_SAME, "no process of the service is seen");
        return;
    }
    for (uint32_t i = 0; i < after.count; i++)
        is_there = is_there || (after.list[i].pid == oldest->pid &&
                                after.list[i].start_ticks == oldest->start_ticks);
    if (!is_there)
        bw_trial_find(report, BW_TRIAL_START_SAME, BW_TRIAL_PROBLEM,
                      "it was restarted: pid %ld (%.90s) is gone", (long)oldest->pid,
                      oldest->command);
    else if (count_roots(&after, oldest->command) > count_roots(before, oldest->command))
        bw_trial_find(report, BW_TRIAL_START_SAME, BW_TRIAL_PROBLEM,
                      "a second copy runs beside the first: %.90s", oldest->command);
    else
        bw_trial_pass(report, BW_TRIAL_START_SAME, "pid %ld (%.90s) is still there",
                      (long)oldest->pid, oldest->command);
}

/* Of the start script, or of the first step that has one, whose name is then in `out_name`. */
static struct bw_script_hint hint_of_start(const struct bw_group_config *group,
                                           const char **out_name)
{
    struct bw_script_hint hint = {.kind = BW_SCRIPT_HINT_NONE};

    if (group->scripts[BW_ACTION_START] != NULL)
        hint = bw_script_hint_read(group->scripts[BW_ACTION_START]);
    for (uint32_t i = 0; i < group->start_steps.count && hint.kind == BW_SCRIPT_HINT_NONE; i++) {
        hint = bw_script_hint_read(group->start_steps.items[i].script);
        *out_name = group->start_steps.items[i].name;
    }
    return hint;
}

static void find_outside(struct bw_sandbox *sandbox)
{
    const char *name = "start";
    const struct bw_script_hint hint = hint_of_start(sandbox->group, &name);
    char from_text[256 + BW_NAME_MAX] = "";

    if (hint.kind != BW_SCRIPT_HINT_NONE)
        (void)snprintf(from_text, sizeof from_text, "; line %" PRIu32 " of its %s calls %s%s%s",
                       hint.line, name, hint.word, hint.unit[0] != '\0' ? ": units: " : "",
                       hint.unit);
    bw_trial_find(sandbox->report, BW_TRIAL_SANDBOX_SEES, BW_TRIAL_PROBLEM,
                  "status says started, and no process is seen: the service lives elsewhere (a "
                  "systemd unit, a container, another host)%s",
                  from_text);
}

/* Named units and containers are the guard's to end, and none of the sandbox. */
static void find_managed(struct bw_sandbox *sandbox)
{
    struct bw_trial_report *report = sandbox->report;
    struct bw_diag diag = {0};
    uint32_t up;

    if (bw_sandbox_see_units(sandbox, &up, &diag) != BW_OK)
        bw_trial_find(report, BW_TRIAL_SANDBOX_SEES, BW_TRIAL_PROBLEM, "stop_method: %s: %s",
                      bw_reach_word(sandbox->group->enforce), diag.text);
    else if (up == 0)
        bw_trial_find(report, BW_TRIAL_SANDBOX_SEES, BW_TRIAL_PROBLEM,
                      "status says started, and none of its %s is up",
                      bw_reach_word(sandbox->group->enforce));
    else
        bw_trial_pass(report, BW_TRIAL_SANDBOX_SEES, "%" PRIu32 " of its %s are up", up,
                      bw_reach_word(sandbox->group->enforce));
}

static void note_processes(struct bw_sandbox *sandbox, struct bw_sandbox_census *out_census)
{
    struct bw_trial_report *report = sandbox->report;

    if (!bw_sandbox_count(sandbox, out_census)) {
        bw_trial_skip(report, BW_TRIAL_SANDBOX_SEES, "processes could not be listed");
        return;
    }
    report->process_count = out_census->count + out_census->unlisted;
    if (bw_sandbox_is_managed(sandbox))
        find_managed(sandbox);
    else if (out_census->count > 0)
        bw_trial_pass(report, BW_TRIAL_SANDBOX_SEES, "%" PRIu32 ", the oldest: %.90s",
                      report->process_count, out_census->list[0].command);
    else
        find_outside(sandbox);
    if (out_census->count == 0) {
        bw_trial_skip(report, BW_TRIAL_START_SAME, "no process of the service is seen");
        bw_trial_skip(report, BW_TRIAL_STOP_PROCESSES, "no process of the service is seen");
    }
}

static void judge_time(struct bw_sandbox *sandbox, enum bw_action_kind action,
                       enum bw_trial_check check)
{
    const struct bw_trial_time *time = &sandbox->report->times[action];
    const uint32_t limit_ms = sandbox->group->timeout_ms[action];
    char text[BW_TRIAL_MS_BYTES];

    if (time->count == 0)
        bw_trial_skip(sandbox->report, check, "no run ended with 0");
    else if (time->max_ns > bw_ms_to_ns(limit_ms) / 2)
        bw_trial_find(sandbox->report, check, BW_TRIAL_WARNING,
                      "the longest took %s of %" PRIu32 " ms", bw_trial_ms_text(time->max_ns, text),
                      limit_ms);
    else
        bw_trial_pass(sandbox->report, check, "the longest took %s of %" PRIu32 " ms",
                      bw_trial_ms_text(time->max_ns, text), limit_ms);
}

/* status, start, status, start, stop, status, stop. False: a start does not work at all. */
static bool cycle(struct bw_sandbox *sandbox)
{
    static struct bw_sandbox_census census; /* of this process; too large for a stack */

    if (!bring_up(sandbox, BW_TRIAL_START_EXIT, BW_TRIAL_START_STARTED, "first start"))
        return false;
    note_processes(sandbox, &census);
    (void)bw_trial_status_stable(sandbox, "while started"); /* a change was said */
    if (goes_on(sandbox))
        bw_trial_verify(sandbox);
    if (goes_on(sandbox))
        bw_trial_readiness(sandbox, "while started");
    if (goes_on(sandbox) && bw_sandbox_count(sandbox, &census) &&
        bring_up(sandbox, BW_TRIAL_START_AGAIN, BW_TRIAL_START_AGAIN, "second start") &&
        bw_sandbox_pause(sandbox, COPY_MS))
        judge_same(sandbox, &census);
    if (goes_on(sandbox) && bw_sandbox_count(sandbox, &census) &&
        bring_down(sandbox, BW_ACTION_STOP, BW_TRIAL_STOP_EXIT, BW_TRIAL_STOP_STOPPED,
                   "first stop")) {
        judge_left(sandbox, &census, "first stop");
        (void)bring_down(sandbox, BW_ACTION_STOP, BW_TRIAL_STOP_AGAIN, BW_TRIAL_STOP_AGAIN,
                         "second stop"); /* said; the next part sees to it */
    }
    return true;
}

/* ---- killed half-way ------------------------------------------------------------------------- */

/* A start killed at `percent` of its measured time; what it leaves has a word, and a stop clears it
 * away. With `has_fence` the fence begins in the same moment, as when a lease ends. */
static void kill_start(struct bw_sandbox *sandbox, int percent, bool has_fence, const char *when)
{
    struct bw_trial_report *report = sandbox->report;
    const uint64_t after_ns = report->times[BW_ACTION_START].first_ns / 100 * (uint64_t)percent;
    const enum bw_action_kind beside = has_fence ? fence_of(sandbox) : BW_ACTION_NONE;
    const uint32_t words_before = report->findings[BW_TRIAL_STATUS_WORD].count +
                                  report->findings[BW_TRIAL_STATUS_EXIT].count;
    struct bw_sandbox_outcome outcome;

    report->has_started = true;
    if (!bw_sandbox_killed(sandbox, BW_ACTION_START, after_ns, percent, beside, when, &outcome)) {
        bw_trial_skip(report, BW_TRIAL_KILLED_STATUS, "start had ended before it could be killed");
    } else if (goes_on(sandbox) && has_fence) {
        if (outcome.was_begun && outcome.how == BW_SCRIPT_EXITED && outcome.code == 0)
            bw_trial_pass(report, BW_TRIAL_KILLED_FENCE, "killed at %d %%", percent);
        else
            find(sandbox, BW_TRIAL_KILLED_FENCE, when, &outcome);
    }
    if (!goes_on(sandbox))
        return;
    (void)bw_trial_status(sandbox, when); /* any of the words will do */
    if (!goes_on(sandbox))
        return;
    if (report->findings[BW_TRIAL_STATUS_WORD].count +
            report->findings[BW_TRIAL_STATUS_EXIT].count >
        words_before)
        bw_trial_find(report, BW_TRIAL_KILLED_STATUS, BW_TRIAL_PROBLEM,
                      "%s: it had no word, or failed", when);
    else
        bw_trial_pass(report, BW_TRIAL_KILLED_STATUS, "every time");
    if (bring_down(sandbox, BW_ACTION_STOP, BW_TRIAL_KILLED_STOP, BW_TRIAL_KILLED_STOP, when))
        judge_left(sandbox, NULL, when);
}

/* A stop killed in its middle; the next one brings it down. */
static void kill_stop(struct bw_sandbox *sandbox)
{
    const uint64_t after_ns = sandbox->report->times[BW_ACTION_STOP].first_ns / 2;
    struct bw_sandbox_outcome outcome;

    if (!bw_sandbox_killed(sandbox, BW_ACTION_STOP, after_ns, 50, BW_ACTION_NONE, "killed stop",
                           &outcome))
        bw_trial_skip(sandbox->report, BW_TRIAL_KILLED_STOP_AGAIN,
                      "stop had ended before it could be killed");
    else if (goes_on(sandbox))
        (void)bring_down(sandbox, BW_ACTION_STOP, BW_TRIAL_KILLED_STOP_AGAIN,
                         BW_TRIAL_KILLED_STOP_AGAIN, "after a killed stop");
}

/* ---- the fence ------------------------------------------------------------------------------- */

static void fence(struct bw_sandbox *sandbox)
{
    static struct bw_sandbox_census census; /* of this process; too large for a stack */
    struct bw_sandbox_outcome outcome;

    if (!bw_sandbox_count(sandbox, &census) ||
        !bring_down(sandbox, fence_of(sandbox), BW_TRIAL_FENCE_EXIT, BW_TRIAL_FENCE_STOPPED,
                    "fence while started") ||
        !goes_on(sandbox))
        return;
    judge_left(sandbox, &census, "fence while started");
    if (!goes_on(sandbox))
        return;
    if (bw_sandbox_script(sandbox, BW_ACTION_STOP, "stop after a fence", &outcome))
        bw_trial_pass(sandbox->report, BW_TRIAL_FENCE_CLEANUP, "after a fence that worked");
    else
        find(sandbox, BW_TRIAL_FENCE_CLEANUP, "stop after a fence", &outcome);
}

static void fence_twice(struct bw_sandbox *sandbox)
{
    const struct bw_instant begun = bw_clock_now();
    struct bw_sandbox_outcome outcomes[2];

    if (!bw_sandbox_twice(sandbox, fence_of(sandbox), "two fences at once", outcomes)) {
        const bool is_first = outcomes[0].was_begun && outcomes[0].how == BW_SCRIPT_EXITED &&
                              outcomes[0].code == 0;

        find(sandbox, BW_TRIAL_FENCE_TWICE, is_first ? "the second" : "the first",
             &outcomes[is_first]);
    } else if (goes_on(sandbox)) {
        (void)is_down_at_once(sandbox, fence_of(sandbox), begun, BW_TRIAL_FENCE_TWICE,
                              "two fences at once");
    }
}

static void fence_idle(struct bw_sandbox *sandbox)
{
    (void)bring_down(sandbox, fence_of(sandbox), BW_TRIAL_FENCE_IDLE, BW_TRIAL_FENCE_IDLE,
                     "fence while stopped"); /* said; it is stopped or made so */
}

/* ---- the reach alone ------------------------------------------------------------------------- */

/* False: said. `out_count` of what `out_what` names. */
static bool end_reach(struct bw_sandbox *sandbox, uint32_t *out_count, const char **out_what)
{
    struct bw_diag diag = {.text = "processes could not be listed, or not ended"};
    uint32_t here;
    bool is_ended;

    *out_what = "processes";
    if (bw_sandbox_is_managed(sandbox)) { /* the guard kills its own cgroup as well */
        *out_what = bw_reach_word(sandbox->group->enforce);
        is_ended = bw_sandbox_see_units(sandbox, out_count, &diag) == BW_OK &&
                   bw_sandbox_end_reach(sandbox, &here) &&
                   bw_sandbox_end_units(sandbox, &diag) == BW_OK;
    } else {
        is_ended = bw_sandbox_end_reach(sandbox, out_count);
    }
    if (!is_ended)
        bw_trial_skip(sandbox->report, BW_TRIAL_REACH_PROVED, "%s", diag.text);
    return is_ended;
}

static void signal_all(struct bw_sandbox *sandbox, int signal)
{
    (void)!bw_reach_signal(&sandbox->reaches[BW_SANDBOX_GUARD], BW_REACH_SERVED, signal, NULL); /* what it misses runs on */
    if (bw_sandbox_is_managed(sandbox))
        bw_sandbox_signal_units(sandbox, signal);
}

/* The proof rests on its word: a status that says stopped of what hangs would prove a KILL that has ended nothing. What
 * it says otherwise, or that it hangs itself, is as it may be. */
static void ask_of_what_hangs(struct bw_sandbox *sandbox)
{
    struct bw_trial_report *report = sandbox->report;
    struct bw_sandbox_outcome outcome;
    bool is_over;

    signal_all(sandbox, SIGSTOP);
    is_over = bw_sandbox_script(sandbox, BW_ACTION_STATUS, "while everything of it hangs (SIGSTOP)", &outcome);
    signal_all(sandbox, SIGCONT);
    if (!goes_on(sandbox))
        return;
    if (is_over && bw_service_of_line(outcome.first_line) == BW_SERVICE_STOPPED)
        bw_trial_find(report, BW_TRIAL_HANG_STATUS, BW_TRIAL_PROBLEM, "its processes had got SIGSTOP, and status says stopped");
    else
        bw_trial_pass(report, BW_TRIAL_HANG_STATUS, "while its processes had got SIGSTOP");
}

/* What the guard does when no script helps: it kills what it reaches, and status is asked (3.4). */
static void prove_reach(struct bw_sandbox *sandbox)
{
    struct bw_trial_report *report = sandbox->report;
    static struct bw_sandbox_census census; /* of this process; too large for a stack */
    enum bw_service service;
    const char *what;
    uint32_t count;

    if (sandbox->group->enforce == BW_REACH_REMOTE) {
        bw_trial_skip(report, BW_TRIAL_REACH_PROVED,
                      "stop_method: remote: there is nothing that the guard could kill");
        return;
    }
    if (!bring_up(sandbox, BW_TRIAL_KILLED_START, BW_TRIAL_KILLED_START,
                  "start before the kill of the reach"))
        return;
    if (report->findings[BW_TRIAL_SANDBOX_SEES].verdict == BW_TRIAL_NOT_JUDGED)
        note_processes(sandbox, &census); /* alone: what is there was not seen yet */
    if (goes_on(sandbox))
        ask_of_what_hangs(sandbox);
    if (!goes_on(sandbox) || !end_reach(sandbox, &count, &what))
        return;
    service = wait_for_word(sandbox, BW_SERVICE_STOPPED, VANISH_MS, "all in reach killed");
    if (!goes_on(sandbox))
        return;
    if (service == BW_SERVICE_STOPPED && count > 0)
        bw_trial_pass(report, BW_TRIAL_REACH_PROVED, "%" PRIu32 " %s were killed", count, what);
    else
        bw_trial_find(report, BW_TRIAL_REACH_PROVED, BW_TRIAL_PROBLEM,
                      "%" PRIu32 " %s were killed, and status says %s", count, what,
                      bw_service_word(service));
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The start after each kill has to work, and what it brings up serves the next question. */
static bool killed_parts(struct bw_sandbox *sandbox)
{
    static const struct {
        int percent;
        bool has_fence;
        const char *when;
        const char *then;
        void (*ask)(struct bw_sandbox *sandbox);
    } parts[] = {
        {10, false, "start killed at 10 %", "start after a kill at 10 %", fence},
        {50, true, "start killed at 50 %, fenced", "start after a kill at 50 %", kill_stop},
        {90, false, "start killed at 90 %", "start after a kill at 90 %", fence_twice},
    };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!is_ready_for(sandbox, parts[i].when))
            return false;
        kill_start(sandbox, parts[i].percent, parts[i].has_fence, parts[i].when);
        if (!goes_on(sandbox))
            return false;
        if (bring_up(sandbox, BW_TRIAL_KILLED_START, BW_TRIAL_KILLED_START, parts[i].then) &&
            goes_on(sandbox))
            parts[i].ask(sandbox);
    }
    if (is_ready_for(sandbox, "kill of the reach alone"))
        prove_reach(sandbox);
    if (is_ready_for(sandbox, "fence while stopped"))
        fence_idle(sandbox);
    return goes_on(sandbox);
}

/* The look from outside said stopped. False: in here the scripts see another machine. */
static bool is_same_inside(struct bw_sandbox *sandbox)
{
    const enum bw_service service = bw_trial_status_stable(sandbox, "before anything");

    if (service == BW_SERVICE_STOPPED || !goes_on(sandbox))
        return true;
    (void)snprintf(
        sandbox->report->failure, sizeof sandbox->report->failure,
        "status says stopped outside of the sandbox and %s inside%s; nothing was started",
        bw_service_word(service),
        sandbox->is_namespace ? ": it looks at processes of the machine, which only "
                                "--no-namespace lets it see"
                              : "");
    return false;
}

void bw_trial_exercise(struct bw_sandbox *sandbox)
{
    struct bw_trial_report *report = sandbox->report;
    struct bw_sandbox_outcome outcome;

    if (!is_same_inside(sandbox))
        return;
    if (goes_on(sandbox))
        bw_trial_condition(sandbox);
    if (goes_on(sandbox))
        bw_trial_readiness(sandbox, "while stopped");
    if (goes_on(sandbox) && cycle(sandbox)) {
        judge_time(sandbox, BW_ACTION_START, BW_TRIAL_START_TIME);
        judge_time(sandbox, BW_ACTION_STOP, BW_TRIAL_STOP_TIME);
        bw_trial_pass(report, BW_TRIAL_OBSERVE_LEFTOVERS, "after every run");
        report->is_complete = killed_parts(sandbox);
        judge_time(sandbox, fence_of(sandbox), BW_TRIAL_FENCE_TIME);
        bw_trial_pass(report, BW_TRIAL_STOP_LEFTOVERS, "after every run");
    } else if (goes_on(sandbox)) {
        (void)snprintf(report->failure, sizeof report->failure,
                       "the first start did not work: nothing that needs a started service was "
                       "tried");
    }
    /* From here on an interrupt changes nothing: this is what it would ask for. */
    sandbox->is_ending = true;
    if (report->has_started &&
        !report->is_complete) /* half of it may be there, whatever status says */
        (void)bw_sandbox_script(sandbox, BW_ACTION_STOP, "at the end", &outcome);
    (void)force_down(sandbox, "at the end"); /* the look from outside judges it */
}

void bw_trial_reach(struct bw_sandbox *sandbox)
{
    if (!is_same_inside(sandbox))
        return;
    if (goes_on(sandbox))
        prove_reach(sandbox);
    sandbox->report->is_complete = goes_on(sandbox);
    sandbox->is_ending = true;
    (void)force_down(sandbox, "at the end"); /* the look from outside judges it */
}

void bw_trial_look(struct bw_sandbox *sandbox)
{
    sandbox->report->service = bw_trial_status(sandbox, "outside of the sandbox");
}

void bw_trial_stop_running(struct bw_sandbox *sandbox)
{
    struct bw_sandbox_outcome outcome;

    if (!bw_sandbox_script(sandbox, BW_ACTION_STOP, "of what was running", &outcome) &&
        !sandbox->is_interrupted) {
        find(sandbox, BW_TRIAL_STOP_EXIT, "of what was running", &outcome);
    }
    if (goes_on(sandbox))
        sandbox->report->service = wait_for_word(sandbox, BW_SERVICE_STOPPED,
                                                 sandbox->group->timeout_ms[BW_ACTION_STOP],
                                                 "outside of the sandbox");
}
