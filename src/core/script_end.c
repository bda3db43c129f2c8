#include <breakwater/core/script_end.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/utf8.h>
#include <breakwater/core/report.h>
#include <breakwater/core/script_failure.h>

bool bw_script_is_ended_by(int signal)
{
    return signal == SIGKILL || signal == SIGTERM;
}

static enum bw_run_result result_of(const struct bw_script_end *end, bool is_action)
{
    switch (end->how) {
    case BW_SCRIPT_EXITED:
        return end->code == 0 ? BW_RUN_OK : BW_RUN_FAILED;
    case BW_SCRIPT_SIGNALED: /* what somebody has ended in the middle has seen nothing (3.2.4) */
        return bw_script_is_ended_by(end->code) && !is_action ? BW_RUN_KILLED : BW_RUN_FAILED;
    case BW_SCRIPT_TIMED_OUT:
        return BW_RUN_TIMED_OUT;
    case BW_SCRIPT_KILLED:
        return BW_RUN_KILLED;
    case BW_SCRIPT_TOO_LATE:
        return BW_RUN_TOO_LATE;
    case BW_SCRIPT_NOT_STARTED:
        if (end->is_other) /* with other scripts it may start once that is committed (3.4) */
            return BW_RUN_REFUSED;
        if (end->got_no_go && !is_action) /* a look, as above */
            return BW_RUN_KILLED;
        return BW_RUN_NOT_STARTED;
    }
    return BW_RUN_FAILED;
}

void bw_script_end_judge(enum bw_action_kind action, const struct bw_script_end *end,
                         struct bw_guard_run_ended *out_ended)
{
    const bool ends_service = action == BW_ACTION_STOP || action == BW_ACTION_FENCE ||
                              action == BW_ACTION_REMOTE_FENCE;

    out_ended->result = result_of(end, bw_action_is_action(action));
    out_ended->refusal = out_ended->result == BW_RUN_REFUSED ? BW_REFUSAL_OTHER_SCRIPTS
                                                             : BW_REFUSAL_NONE;
    out_ended->exit_status = end->how == BW_SCRIPT_EXITED ? end->code : -1;
    if (out_ended->result != BW_RUN_OK || !ends_service || end->is_tree_gone)
        return;
    out_ended->result = BW_RUN_FAILED;
    out_ended->exit_status = -1;
}

/* ---- failures ---- */

/* An age in words, and what follows it: how the script ended. */
#define AGE_BYTES 32
#define HOW_BYTES 64

/* ---- at the site ---- */

static void forget(struct bw_site_failures *failures, enum bw_action_kind action)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < failures->count; i++)
        if (failures->list[i].what.action != (uint32_t)action)
            failures->list[kept++] = failures->list[i];
    failures->count = kept;
}

static void keep(struct bw_site_failures *failures, const struct bw_guard_run_ended *ended,
                 struct bw_instant now)
{
    struct bw_site_failure *first = &failures->list[0];

    forget(failures, ended->action);
    if (failures->count == BW_SCRIPT_FAILURES_MAX)
        failures->count--;
    memmove(first + 1, first, failures->count * sizeof *first);
    *first = (struct bw_site_failure){.what = {.action = (uint32_t)ended->action,
                                               .result = (uint32_t)ended->result,
                                               .took_ms = ended->duration_ms,
                                               .outcome = ended->outcome},
                                      .at = now};
    failures->count++;
}

/* It ended with 0, and said none of the words that it is asked for (5.1). */
static bool is_unread(const struct bw_guard_run_ended *ended)
{
    if (ended->action == BW_ACTION_STATUS)
        return bw_service_of_line(ended->line) == BW_SERVICE_UNKNOWN;
    return ended->action == BW_ACTION_CONDITION && !bw_line_is_word(ended->line, "start") &&
           !bw_line_is_word(ended->line, "stop");
}

void bw_failures_on_run(struct bw_site_failures *failures, const struct bw_guard_run_ended *ended,
                        struct bw_instant now)
{
    const bool is_action = bw_action_is_action(ended->action);

    switch (ended->result) {
    case BW_RUN_OK:
        if (is_unread(ended))
            keep(failures, ended, now);
        else
            forget(failures, ended->action);
        return;
    case BW_RUN_FAILED:
    case BW_RUN_TIMED_OUT:
    case BW_RUN_NOT_STARTED:
        keep(failures, ended, now);
        return;
    case BW_RUN_KILLED: /* a look that was cut off has seen nothing */
    case BW_RUN_TOO_LATE:
        if (is_action)
            keep(failures, ended, now);
        return;
    case BW_RUN_INTERRUPTED:
    case BW_RUN_REFUSED:
        return;
    }
}

void bw_failures_on_look(struct bw_site_failures *failures, const struct bw_guard_run_ended *ended,
                         struct bw_instant now)
{
    struct bw_guard_run_ended unrun = {.action = ended->unrunnable, .result = BW_RUN_NOT_STARTED};

    if (ended->action != BW_ACTION_STATUS || !ended->has_looked)
        return;
    for (uint32_t i = failures->count; i > 0; i--)
        if (failures->list[i - 1].what.result == BW_SCRIPT_UNRUNNABLE)
            forget(failures, (enum bw_action_kind)failures->list[i - 1].what.action);
    if (ended->unrunnable == BW_ACTION_NONE)
        return;
    memcpy(unrun.outcome.words, ended->unrunnable_words, sizeof unrun.outcome.words);
    keep(failures, &unrun, now);
    failures->list[0].what.result = BW_SCRIPT_UNRUNNABLE;
}

const struct bw_script_failure *bw_failures_find_unrunnable(const struct bw_script_failure *failures, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (failures[i].result == BW_SCRIPT_UNRUNNABLE)
            return &failures[i];
    return NULL;
}

void bw_failures_unseen(struct bw_site_failures *failures, enum bw_action_kind action,
                        struct bw_instant now)
{
    const struct bw_guard_run_ended ended = {.action = action, .result = BW_RUN_OK};

    keep(failures, &ended, now);
}

/* ---- in words ---- */

static void format_age(uint64_t ms, char out_text[AGE_BYTES])
{
    const uint64_t s = ms / 1000;

    if (s < 120)
        (void)snprintf(out_text, AGE_BYTES, "%" PRIu64 " s ago", s);
    else if (s < 7200)
        (void)snprintf(out_text, AGE_BYTES, "%" PRIu64 " min ago", s / 60);
    else if (s < 172800)
        (void)snprintf(out_text, AGE_BYTES, "%" PRIu64 " h ago", s / 3600);
    else
        (void)snprintf(out_text, AGE_BYTES, "%" PRIu64 " days ago", s / 86400);
}

/* What follows "start failed 12 s ago". */
static void format_exit(const struct bw_script_outcome *outcome, enum bw_action_kind action,
                        char out_text[HOW_BYTES])
{
    const bool is_end = action == BW_ACTION_STOP || action == BW_ACTION_FENCE;

    out_text[0] = '\0';
    if (outcome->signal != 0)
        (void)snprintf(out_text, HOW_BYTES, ", ended by signal %" PRIu32, outcome->signal);
    else if (outcome->exited && (outcome->exit_status != 0 || !is_end))
        (void)snprintf(out_text, HOW_BYTES, ", exit %d", outcome->exit_status);
    else if (is_end)
        (void)snprintf(out_text, HOW_BYTES, ", the end of the service was not seen");
}

static const char *unread(enum bw_action_kind action)
{
    switch (action) {
    case BW_ACTION_STATUS:
        return "said neither started nor stopped";
    case BW_ACTION_CONDITION:
        return "said neither start nor stop";
    default:
        return "ended well, but the service was not seen to work in time,";
    }
}

void bw_failure_text(const struct bw_script_failure *failure, uint64_t more_ms,
                     char out_text[BW_FAILURE_TEXT_BYTES])
{
    const enum bw_action_kind action = failure->action < BW_ACTION_COUNT
                                           ? (enum bw_action_kind)failure->action
                                           : BW_ACTION_NONE;
    const char *word = action == BW_ACTION_NONE ? "a script" : bw_action_word(action);
    const uint32_t tenths = failure->took_ms / 100;
    char words[BW_SCRIPT_WORDS_MAX + 1];
    char what[160];
    char how[HOW_BYTES];
    char age[AGE_BYTES];

    format_age((uint64_t)failure->age_ms + more_ms, age);
    format_exit(&failure->outcome, action, how);
    switch (failure->result) {
    case BW_RUN_OK:
        (void)snprintf(what, sizeof what, "%s %s %s", word, unread(action), age);
        break;
    case BW_RUN_TIMED_OUT:
        (void)snprintf(what, sizeof what,
                       "%s%s did not end in %" PRIu32 ".%" PRIu32 " s and was killed %s", word,
                       action == BW_ACTION_NONE ? "" : " script", tenths / 10, tenths % 10, age);
        break;
    case BW_RUN_KILLED:
        (void)snprintf(what, sizeof what, "%s was killed %s, after %" PRIu32 ".%" PRIu32 " s", word,
                       age, tenths / 10, tenths % 10);
        break;
    case BW_RUN_NOT_STARTED:
        (void)snprintf(what, sizeof what, "%s could not be run %s", word, age);
        break;
    case BW_SCRIPT_UNRUNNABLE:
        (void)snprintf(what, sizeof what, "%s cannot be run", word);
        break;
    case BW_RUN_TOO_LATE:
        (void)snprintf(what, sizeof what, "%s was not begun %s: its lease was about to end", word,
                       age);
        break;
    default:
        (void)snprintf(what, sizeof what, "%s failed %s%s", word, age, how);
        break;
    }
    bw_utf8_plain(words, sizeof words, failure->outcome.words,
                  strnlen(failure->outcome.words, sizeof failure->outcome.words));
    (void)snprintf(out_text, BW_FAILURE_TEXT_BYTES, "%s%s%s", what, words[0] != '\0' ? ": " : "",
                   words);
}
