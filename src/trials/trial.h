/* trial.h - the trial of one group's scripts: what its files share.
 *
 *   verb.c     options, what is refused, the question, who is asked in which order
 *   trial.c    what is tried, step by step     observe.c  what observations answer
 *   files.c    the files themselves            sandbox.c  where scripts run
 *   job.c      how they run, what they leave   report.c   what was found: kept, and shown
 *   held.c     may the group be tried at all
 *
 * A trial runs in processes of its own (sandbox.h); what it finds is written into memory
 * that it shares with the one that prints, so that a trial that dies still has told what it saw. */
#ifndef BW_TRIALS_TRIAL_H
#define BW_TRIALS_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <breakwater/config/site_config.h>
#include <breakwater/core/report.h>

/* ---- what is judged ------------------------------------------------------------------------ */

enum bw_trial_verdict {
    BW_TRIAL_NOT_JUDGED, /* the text says why; never "ok" */
    BW_TRIAL_OK,
    BW_TRIAL_WARNING,
    BW_TRIAL_PROBLEM, /* it will hurt: a failover that does not end, or two that serve */
};

/* X(NAME, id, what holds when it is ok, what to do when it does not). Ids are stable. */
/* clang-format off */
#define BW_TRIAL_CHECK_LIST(X)                                                                     \
    X(FILE_SHELL, "file.shell", "each script runs by itself",                                      \
      "make it executable and begin it with #!/bin/sh (or its interpreter); until then bash runs it") \
    X(FILE_INTERPRETER, "file.interpreter", "the interpreter that #! names is there",              \
      "install it, or name one that exists by its whole path")                                     \
    X(FILE_LINE_ENDS, "file.line_ends", "lines end as Unix ends them",                             \
      "convert it: sed -i 's/\\r$//' FILE")                                                        \
    X(FILE_OWNER, "file.owner", "nobody else can change what the guard runs",                      \
      "chown root, chmod go-w, the script and all directories above it (or allow_writable_scripts)") \
    X(SANDBOX_KIND, "sandbox.kind", "all that was started can be seen and ended",                  \
      "run this as root, without --no-namespace")                                                  \
    X(SANDBOX_SEES, "sandbox.sees", "the processes of the service are in the guard's reach",       \
      "name its units or containers (stop_method); else its fence_script alone can end it, and without a " \
      "second enforcer time alone hands nothing over: a lost site then waits for a fence from "    \
      "another one, or confirm-fenced")                              \
    X(REACH_PROVED, "reach.proved", "with all in the guard's reach killed, status says stopped",     \
      "what still serves is outside of the reach: name its units or containers (stop_method); else a lost " \
      "site without a second enforcer waits for a fence from another one, or confirm-fenced")                                                              \
    X(HANG_STATUS, "hang.status", "status does not say stopped of a service whose processes hang",      \
      "print unknown if the service does not answer in time: stopped is what was seen to be gone")     \
    X(BEGIN_STOPPED, "begin.stopped", "status says stopped before anything was started",           \
      "stop the service first; then status must say so, also where it was never started")          \
    X(STATUS_WORD, "status.word", "status prints started, stopped, unhealthy or unknown",          \
      "print exactly one of its words as the first line, whatever happens")                  \
    X(STATUS_EXIT, "status.exit", "status ends with 0, within its limit",                          \
      "exit 0 with each of the words: any failure counts as unknown, which starts nothing")        \
    X(STATUS_LINES, "status.lines", "status prints its word and nothing else",                     \
      "send what else it prints to stderr")                                                        \
    X(STATUS_STABLE, "status.stable", "status says the same while nothing changes",                \
      "let it look at the service itself, not at something that is rewritten meanwhile")           \
    X(STATUS_TIME, "status.time", "status is quick beside check_interval and its limit",           \
      "make it quicker, or raise check_interval and status_timeout")                               \
    X(CONDITION_WORD, "condition.word", "condition prints start or stop and ends with 0",          \
      "print one of the two words as the first line and exit 0")                                   \
    X(READINESS_EXIT, "readiness.exit", "readiness ends with 0",                                   \
      "until it does, this site is never chosen: see its output")                                  \
    X(READINESS_FORMAT, "readiness.format", "readiness prints key=value lines that are understood", \
      "print lag_seconds=0.4 and position=TEXT (1 to 63 characters, no spaces), each on a line")   \
    X(VERIFY_EXIT, "verify.exit", "verify ends with 0 while the service is started",               \
      "a start is not believed until it does: see its output")                                     \
    X(OUTPUT_BOUND, "output.bound", "what a run prints fits into what is kept of it",              \
      "print less: of a run the first and the last 32 KiB are kept, of a line 4 KiB")              \
    X(OBSERVE_LEFTOVERS, "observe.leftovers", "observations leave no process behind",              \
      "wait for what it starts: the guard ends it at once with the script")                        \
    X(START_EXIT, "start.exit", "start ends with 0, within its limit",                             \
      "let it return when the service runs (not run it in its own foreground); raise start_timeout " \
      "where it needs longer, or the timeout of the step that is named")                                                                     \
    X(START_STARTED, "start.started", "status says started within start_timeout",                  \
      "a start that status does not confirm is taken back: make the two agree")                    \
    X(START_TIME, "start.time", "start needs less than half of its limit",                         \
      "raise start_timeout: a bad day is slower than today")                                       \
    X(START_AGAIN, "start.again", "a second start ends with 0 and leaves it started",              \
      "let it exit 0 when the service runs already")                                               \
    X(START_SAME, "start.same", "a second start leaves the running service alone",                 \
      "look for the running service first, and exit 0: it is neither restarted nor doubled")       \
    X(STOP_EXIT, "stop.exit", "stop ends with 0, within its limit",                                \
      "see its output; raise stop_timeout where it needs longer")                                  \
    X(STOP_STOPPED, "stop.stopped", "status says stopped at once when stop has ended",             \
      "wait in the script until nothing serves: another site is started when it has ended")        \
    X(STOP_TIME, "stop.time", "stop needs less than half of its limit",                            \
      "raise stop_timeout (and fence_window where there is no fence_script)")                     \
    X(STOP_AGAIN, "stop.again", "a second stop ends with 0 and leaves it stopped",                 \
      "let it exit 0 when there is nothing to stop")                                               \
    X(STOP_LEFTOVERS, "stop.leftovers", "stop and fence leave no process of their own behind",     \
      "do not put work into the background: the guard ends it with the script")                    \
    X(STOP_PROCESSES, "stop.processes", "no process of the service is left when status says stopped", \
      "stopped has to mean that nothing of it can write or answer: end it, or say started; only a " \
      "standby that cannot write may stay")        \
    X(FENCE_EXIT, "fence.exit", "fence ends with 0 while the service runs, within its limit",      \
      "it is the last thing between two sites that serve: it must end in time, and say 0")         \
    X(FENCE_STOPPED, "fence.stopped", "status says stopped at once when fence has ended",          \
      "exit 0 only after nothing was seen to serve any more")                                      \
    X(FENCE_TIME, "fence.time", "fence needs less than half of its limit",                         \
      "make it quicker, or raise fence_timeout, and fence_window and lease_ttl of the group")     \
    X(FENCE_CLEANUP, "fence.cleanup", "stop ends with 0 after a fence",                            \
      "stop follows each fence: let it exit 0 when nothing runs, and tidy up")                     \
    X(FENCE_IDLE, "fence.idle", "fence ends with 0 while nothing runs",                            \
      "let it exit 0 when there is nothing to cut")                                                \
    X(FENCE_TWICE, "fence.twice", "two fences at once both end with 0",                            \
      "guard and agent may fence at once: no lock that fails, no file that both must remove")      \
    X(KILLED_STATUS, "killed.status", "status has a word after a start was killed half-way",       \
      "print started, stopped or unknown, and exit 0, whatever half of it is there")               \
    X(KILLED_FENCE, "killed.fence", "a fence beside a start that is being killed works",           \
      "it must not wait for the start, nor fail for what it finds half-made")                      \
    X(KILLED_STOP, "killed.stop", "a stop after a killed start brings stopped",                    \
      "let stop clear away whatever a start may have left: half-made files, locks, processes")     \
    X(KILLED_START, "killed.start", "start works again after a start was killed half-way",         \
      "let start clear away what an earlier one left: stale locks, pid files, half-made files")    \
    X(KILLED_STOP_AGAIN, "killed.stop_again", "a stop after a killed stop brings stopped",         \
      "every script may be killed at any point and run again from its beginning")                  \
    X(END_STOPPED, "end.stopped", "the service is stopped at the end",                             \
      "THE SERVICE MAY STILL RUN: look, and stop it by hand")
/* clang-format on */
enum bw_trial_check {
#define X(name, id, holds, todo) BW_TRIAL_##name,
    BW_TRIAL_CHECK_LIST(X)
#undef X
        BW_TRIAL_CHECKS,
};

#define BW_TRIAL_TEXT_BYTES 400
struct bw_trial_finding {
    enum bw_trial_verdict verdict;
    uint32_t count; /* how often it was found */
    char text[BW_TRIAL_TEXT_BYTES];
};

#define BW_TRIAL_RUNS_MAX 192 /* listed; further ones are counted */
struct bw_trial_run {
    enum bw_action_kind action;
    char when[40]; /* "second start" */
    char end[48];  /* "exit 0", "killed at 50 %" */
    char word[24]; /* first line of an observation */
    uint64_t duration_ns;
};

/* Of runs that ended by themselves with 0. */
struct bw_trial_time {
    uint32_t count;
    uint64_t min_ns;
    uint64_t max_ns;
    uint64_t sum_ns;
    uint64_t first_ns; /* what a kill half-way is measured by: later ones may find nothing to do */
};

struct bw_trial_report {
    struct bw_trial_finding findings[BW_TRIAL_CHECKS];
    struct bw_trial_run runs[BW_TRIAL_RUNS_MAX];
    uint32_t run_count;
    uint32_t unlisted_count;
    struct bw_trial_time times[BW_ACTION_COUNT];
    uint64_t started_max_ns; /* longest from the begin of a start until status said started */
    /* Of stop and fence: the longest from the begin until status said stopped, where it did not at
     * once; and that a run of it did not bring stopped at all: then nothing is known. */
    uint64_t stopped_max_ns[BW_ACTION_COUNT];
    bool is_without_end[BW_ACTION_COUNT];
    uint64_t epochs;         /* begun so far */
    bool is_over;            /* the last of them: the next start has one of its own */
    enum bw_service service; /* the last status seen outside of the sandbox */
    uint32_t process_count;  /* of the service, seen after the first start */
    bool has_started;        /* a start was begun: the service must be stopped in the end */
    bool is_interrupted;
    bool is_complete;                  /* the trial came to its end */
    bool is_proof_kept;    /* that of its reach, for the guard (3.4) */
    bool was_only_watched;             /* --only: nothing was started or stopped */
    char failure[BW_TRIAL_TEXT_BYTES]; /* why the trial itself could not go on; "" */
};

/* It holds, as far as was seen: keeps what was found before. */
void bw_trial_pass(struct bw_trial_report *report, enum bw_trial_check check, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));
/* It does not hold. The first text of the worst verdict stays; all are counted. */
void bw_trial_find(struct bw_trial_report *report, enum bw_trial_check check,
                   enum bw_trial_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Why it was not judged, where nothing is known of it yet. */
void bw_trial_skip(struct bw_trial_report *report, enum bw_trial_check check, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));
/* The worst of all checks, and PROBLEM for a trial that did not come to its end. */
enum bw_trial_verdict bw_trial_worst(const struct bw_trial_report *report);

/* ---- what it proposes ---------------------------------------------------------------------- */

#define BW_TRIAL_FACTOR 3 /* a bad day against the longest run that was measured */
struct bw_trial_proposals {
    uint64_t start_timeout_ms; /* 0: no run to rest it on */
    uint64_t stop_timeout_ms;
    uint64_t script_fence_timeout_ms; /* site.yaml, the limit of the fence script */
    uint64_t fence_timeout_ms;        /* groups.yaml, the window F */
    uint64_t lease_ttl_ms;
};

#define BW_TRIAL_MS_BYTES 24
/* "840 ms", "12.3 s". */
const char *bw_trial_ms_text(uint64_t duration_ns, char out_text[BW_TRIAL_MS_BYTES]);
void bw_trial_print(const struct bw_trial_report *report, const struct bw_site_config *site,
                    const struct bw_group_config *group, FILE *out);
/* A new reference; NULL: memory is short. */
json_t *bw_trial_json(const struct bw_trial_report *report, const struct bw_group_config *group);

/* ---- the parts of a trial ------------------------------------------------------------------ */

/* Judges the files of all scripts of `group`; runs nothing. */
void bw_trial_judge_files(struct bw_trial_report *report, const struct bw_group_config *group);

struct bw_sandbox;
/* Which observations --only asks for: a bit set by enum bw_action_kind. */
#define BW_TRIAL_BIT(action) (UINT32_C(1) << (action))

/* What runs in a sandbox; each returns when it has done what it can. */
void bw_trial_watch(struct bw_sandbox *sandbox); /* observations of the machine as it is */
void bw_trial_look(struct bw_sandbox *sandbox);  /* report->service; nothing is judged by it */
void bw_trial_stop_running(struct bw_sandbox *sandbox); /* --running: down to stopped */
void bw_trial_exercise(struct bw_sandbox *sandbox);     /* start, stop, fence, kill; ends stopped */
void bw_trial_reach(struct bw_sandbox *sandbox);        /* start, a kill of the reach, status; ends stopped */

/* observe.c */
enum bw_service bw_trial_status(struct bw_sandbox *sandbox, const char *when);
/* Several in a row; returns what the last one said. */
enum bw_service bw_trial_status_stable(struct bw_sandbox *sandbox, const char *when);
void bw_trial_condition(struct bw_sandbox *sandbox);
void bw_trial_readiness(struct bw_sandbox *sandbox, const char *when);
void bw_trial_verify(struct bw_sandbox *sandbox);

/* May a group be tried here? Not while this machine knows it to be enforced: another site may be granted it,
 * or serve it already, and a trial starts the service without a lease. Design 3.9. */

/* What agent and guard of `site` have kept of `group`, which neither may change meanwhile: the caller holds the
 * guard's lock. BW_OK: `*out_is_enforced`; what was never kept is not. Else it cannot be read. */
BW_MUST_CHECK enum bw_err bw_trial_is_enforced(const struct bw_site_config *site, const char *group,
                                               bool *out_is_enforced, struct bw_diag *diag);

#endif
