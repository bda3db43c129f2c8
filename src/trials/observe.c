/* What the observations of a group answer: status, condition, readiness, verify. Design 4, 5.1. */
#include "trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <breakwater/base/instant.h>

#include "sandbox.h"

#define STABLE_RUNS 5

/* ---- status ---------------------------------------------------------------------------------- */

static bool read_word(const char *word, enum bw_service *out_service)
{
#define X(name, text)                                                                              \
    if (strcasecmp(word, text) == 0) {                                                             \
        *out_service = BW_SERVICE_##name;                                                          \
        return true;                                                                               \
    }
    BW_SERVICE_LIST(X)
#undef X
    *out_service = BW_SERVICE_UNKNOWN; /* what is unhealthy has not come to serve */
    return bw_line_is_unhealthy(word);
}

/* Beside its own limit, and beside the pause between two: half of either leaves room for a bad day.
 */
static void judge_status_time(const struct bw_sandbox *sandbox, uint64_t duration_ns)
{
    const struct bw_group_config *group = sandbox->group;
    const uint32_t limit_ms = group->timeout_ms[BW_ACTION_STATUS];
    const uint32_t bound_ms = limit_ms < group->check_interval_ms ? limit_ms
                                                                  : group->check_interval_ms;
    char text[BW_TRIAL_MS_BYTES];

    (void)bw_trial_ms_text(duration_ns, text);
    if (duration_ns > bw_ms_to_ns(bound_ms) / 2)
        bw_trial_find(sandbox->report, BW_TRIAL_STATUS_TIME, BW_TRIAL_WARNING,
                      "took %s; its limit is %" PRIu32 " ms, check_interval %" PRIu32 " ms", text,
                      limit_ms, group->check_interval_ms);
    else
        bw_trial_pass(sandbox->report, BW_TRIAL_STATUS_TIME, "every run was");
}

enum bw_service bw_trial_status(struct bw_sandbox *sandbox, const char *when)
{
    struct bw_trial_report *report = sandbox->report;
    struct bw_sandbox_outcome outcome;
    enum bw_service service = BW_SERVICE_UNKNOWN;
    char end[BW_SANDBOX_END_BYTES];

    if (!bw_sandbox_script(sandbox, BW_ACTION_STATUS, when, &outcome)) {
        if (!sandbox->is_interrupted || sandbox->is_ending)
            bw_trial_find(report, BW_TRIAL_STATUS_EXIT, BW_TRIAL_PROBLEM, "%s: %s", when,
                          bw_sandbox_end_text(&outcome, end));
        return BW_SERVICE_UNKNOWN;
    }
    bw_trial_pass(report, BW_TRIAL_STATUS_EXIT, "every time");
    judge_status_time(sandbox, outcome.duration_ns);
    if (read_word(outcome.first_line, &service)) {
        bw_trial_pass(report, BW_TRIAL_STATUS_WORD, "every time");
        if (outcome.stdout_lines > 1)
            bw_trial_find(report, BW_TRIAL_STATUS_LINES, BW_TRIAL_WARNING,
                          "%s: %" PRIu32 " lines on stdout; only the first is read", when,
                          outcome.stdout_lines);
        else
            bw_trial_pass(report, BW_TRIAL_STATUS_LINES, "every time");
    } else if (outcome.first_line[0] == '\0') {
        bw_trial_find(report, BW_TRIAL_STATUS_WORD, BW_TRIAL_PROBLEM, "%s: printed nothing", when);
    } else {
        bw_trial_find(report, BW_TRIAL_STATUS_WORD, BW_TRIAL_PROBLEM, "%s: printed \"%.120s\"",
                      when, outcome.first_line);
    }
    return service;
}

enum bw_service bw_trial_status_stable(struct bw_sandbox *sandbox, const char *when)
{
    const enum bw_service first = bw_trial_status(sandbox, when);
    enum bw_service next = first;

    for (int i = 1; i < STABLE_RUNS && !sandbox->is_interrupted; i++) {
        next = bw_trial_status(sandbox, when);
        if (next != first && !sandbox->is_interrupted)
            bw_trial_find(sandbox->report, BW_TRIAL_STATUS_STABLE, BW_TRIAL_PROBLEM,
                          "%s: %s, then %s, and nothing was done between", when,
                          bw_service_word(first), bw_service_word(next));
    }
    if (!sandbox->is_interrupted)
        bw_trial_pass(sandbox->report, BW_TRIAL_STATUS_STABLE, "%d times in a row", STABLE_RUNS);
    return next;
}

/* ---- the others ------------------------------------------------------------------------------ */

void bw_trial_condition(struct bw_sandbox *sandbox)
{
    struct bw_trial_report *report = sandbox->report;
    struct bw_sandbox_outcome outcome;
    char end[BW_SANDBOX_END_BYTES];

    if (sandbox->group->scripts[BW_ACTION_CONDITION] == NULL) {
        bw_trial_skip(report, BW_TRIAL_CONDITION_WORD, "there is no condition_check_script");
        return;
    }
    if (!bw_sandbox_script(sandbox, BW_ACTION_CONDITION, "as it is", &outcome)) {
        if (!sandbox->is_interrupted)
            bw_trial_find(report, BW_TRIAL_CONDITION_WORD, BW_TRIAL_PROBLEM, "%s",
                          bw_sandbox_end_text(&outcome, end));
    } else if (strcasecmp(outcome.first_line, "start") == 0 ||
               strcasecmp(outcome.first_line, "stop") == 0) {
        bw_trial_pass(report, BW_TRIAL_CONDITION_WORD, "it said %s", outcome.first_line);
    } else {
        bw_trial_find(report, BW_TRIAL_CONDITION_WORD, BW_TRIAL_PROBLEM, "printed \"%.120s\"",
                      outcome.first_line);
    }
}

static const char *find_value(const char *text, const char *key)
{
    const size_t length = strlen(key);

    while (*text != '\0') {
        if (strncmp(text, key, length) == 0 && text[length] == '=')
            return text + length + 1;
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return NULL;
}

static bool is_lag(const char *value, size_t length)
{
    const size_t whole = strspn(value, "0123456789");
    size_t decimals = 0;

    if (whole < length && value[whole] == '.')
        decimals = 1 + strspn(value + whole + 1, "0123456789");
    return whole > 0 && whole <= 12 && whole + decimals == length;
}

static void judge_readiness_format(struct bw_trial_report *report, const char *tail,
                                   const char *when)
{
    const char *lag = find_value(tail, "lag_seconds");
    const char *position = find_value(tail, "position");
    const size_t lag_bytes = lag == NULL ? 0 : strcspn(lag, " \r\n");
    const size_t position_bytes = position == NULL ? 0 : strcspn(position, " \r\n");

    if (lag != NULL && !is_lag(lag, lag_bytes))
        bw_trial_find(report, BW_TRIAL_READINESS_FORMAT, BW_TRIAL_PROBLEM,
                      "%s: lag_seconds=%.*s is no number of seconds: the lag is unknown", when,
                      (int)(lag_bytes < 60 ? lag_bytes : 60), lag);
    else if (position != NULL && (position_bytes == 0 || position_bytes > BW_POSITION_MAX))
        bw_trial_find(report, BW_TRIAL_READINESS_FORMAT, BW_TRIAL_PROBLEM,
                      "%s: a position of %zu characters is not taken (1 to %d are)", when,
                      position_bytes, BW_POSITION_MAX);
    else if (lag == NULL || position == NULL)
        bw_trial_find(report, BW_TRIAL_READINESS_FORMAT, BW_TRIAL_WARNING,
                      "%s: %s%s%s not among the last lines: unknown is never zero", when,
                      lag == NULL ? "lag_seconds=" : "",
                      lag == NULL && position == NULL ? " and " : "",
                      position == NULL ? "position=" : "");
    else
        bw_trial_pass(report, BW_TRIAL_READINESS_FORMAT, "lag_seconds and position are there");
}

void bw_trial_readiness(struct bw_sandbox *sandbox, const char *when)
{
    struct bw_trial_report *report = sandbox->report;
    struct bw_sandbox_outcome outcome;
    char end[BW_SANDBOX_END_BYTES];

    if (sandbox->group->scripts[BW_ACTION_READINESS] == NULL) {
        bw_trial_skip(report, BW_TRIAL_READINESS_EXIT, "there is no readiness_script");
        bw_trial_skip(report, BW_TRIAL_READINESS_FORMAT, "there is no readiness_script");
        return;
    }
    if (bw_sandbox_script(sandbox, BW_ACTION_READINESS, when, &outcome))
        bw_trial_pass(report, BW_TRIAL_READINESS_EXIT, "%s", when);
    else if (!sandbox->is_interrupted)
        bw_trial_find(report, BW_TRIAL_READINESS_EXIT, BW_TRIAL_WARNING, "%s: %s", when,
                      bw_sandbox_end_text(&outcome, end));
    if (outcome.was_begun && outcome.how == BW_SCRIPT_EXITED)
        judge_readiness_format(report, outcome.tail, when);
}

void bw_trial_verify(struct bw_sandbox *sandbox)
{
    struct bw_sandbox_outcome outcome;
    char end[BW_SANDBOX_END_BYTES];

    if (sandbox->group->scripts[BW_ACTION_VERIFY] == NULL)
        bw_trial_skip(sandbox->report, BW_TRIAL_VERIFY_EXIT, "there is no verify_script");
    else if (bw_sandbox_script(sandbox, BW_ACTION_VERIFY, "while started", &outcome))
        bw_trial_pass(sandbox->report, BW_TRIAL_VERIFY_EXIT, "while started");
    else if (!sandbox->is_interrupted)
        bw_trial_find(sandbox->report, BW_TRIAL_VERIFY_EXIT, BW_TRIAL_PROBLEM, "%s",
                      bw_sandbox_end_text(&outcome, end));
}

void bw_trial_watch(struct bw_sandbox *sandbox)
{
    if ((sandbox->only & BW_TRIAL_BIT(BW_ACTION_STATUS)) != 0)
        sandbox->report->service = bw_trial_status_stable(sandbox, "as it is");
    for (int i = 0; i < 2 && !sandbox->is_interrupted; i++) {
        if ((sandbox->only & BW_TRIAL_BIT(BW_ACTION_CONDITION)) != 0)
            bw_trial_condition(sandbox);
        if ((sandbox->only & BW_TRIAL_BIT(BW_ACTION_READINESS)) != 0 && !sandbox->is_interrupted)
            bw_trial_readiness(sandbox, "as it is");
        if ((sandbox->only & BW_TRIAL_BIT(BW_ACTION_VERIFY)) != 0 && !sandbox->is_interrupted)
            bw_trial_verify(sandbox);
    }
    sandbox->report->is_complete = !sandbox->is_interrupted;
}
