/* crash_point.h - places at which a test build can be made to die, as a power cut would have it.
 *
 * Without the CMake option BW_CRASH_POINTS nothing of this is compiled. With it, a process whose
 * environment has BW_CRASH_AT=NAME kills itself (SIGKILL) when it first comes to the point of that
 * name; no other point, and no other process, is changed. Never for production. */
#ifndef BW_BASE_CRASH_POINT_H
#define BW_BASE_CRASH_POINT_H

/* X(NAME, name, role, words): role is the daemon that passes it. `breakwater-chaos` has a scenario
 * crash-NAME for each. */
#define BW_CRASH_POINT_LIST(X)                                                                     \
    X(AGENT_BEFORE_SAVE, "agent-before-save", AGENT, "before its state is saved")                  \
    X(AGENT_AFTER_SAVE, "agent-after-save", AGENT, "after its state was saved")                    \
    X(AGENT_BEFORE_ARM, "agent-before-arm", AGENT, "before it arms the guard")                     \
    X(AGENT_AFTER_ARM, "agent-after-arm", AGENT, "after it has armed the guard")                   \
    X(AGENT_ON_ARMED, "agent-on-armed", AGENT, "when the guard has acknowledged a deadline")       \
    X(AGENT_BEFORE_RUN, "agent-before-run", AGENT, "before it orders a start or stop")             \
    X(AGENT_AFTER_RUN, "agent-after-run", AGENT, "after it has ordered a start or stop")           \
    X(AGENT_ON_RUN_ENDED, "agent-on-run-ended", AGENT, "when a script has ended")                  \
    X(AGENT_BEFORE_END, "agent-before-end", AGENT, "before it has an epoch ended")                 \
    X(AGENT_ON_EPOCH_ENDED, "agent-on-epoch-ended", AGENT, "when the guard has ended an epoch")    \
    X(AGENT_ON_FENCE_BEGUN, "agent-on-fence-begun", AGENT, "when the guard begins a fence")        \
    X(AGENT_AFTER_SYNC, "agent-after-sync", AGENT, "after a renewal has left")                     \
    X(GUARD_ON_ARM, "guard-on-arm", GUARD, "when it is to arm, before anything is done")           \
    X(GUARD_BEFORE_SAVE, "guard-before-save", GUARD, "before its state is saved")                  \
    X(GUARD_AFTER_SAVE, "guard-after-save", GUARD, "after its state was saved")                    \
    X(GUARD_BEFORE_MIRROR, "guard-before-mirror", GUARD, "before the mirror is written")           \
    X(GUARD_AFTER_MIRROR, "guard-after-mirror", GUARD, "after the mirror was written")             \
    X(GUARD_BEFORE_SPAWN, "guard-before-spawn", GUARD, "before a script's process is made")        \
    X(GUARD_AFTER_SPAWN, "guard-after-spawn", GUARD, "while a script awaits its go-ahead")         \
    X(GUARD_AFTER_GO, "guard-after-go", GUARD, "after a script has got its go-ahead")              \
    X(GUARD_ON_SCRIPT_ENDED, "guard-on-script-ended", GUARD, "when a script has ended")            \
    X(GUARD_BEFORE_FENCE, "guard-before-fence", GUARD, "before a fence script is made")            \
    X(GUARD_BEFORE_TERM, "guard-before-term", GUARD, "in a fence, before TERM")                    \
    X(GUARD_AFTER_TERM, "guard-after-term", GUARD, "in a fence, between TERM and KILL")            \
    X(GUARD_AFTER_KILL, "guard-after-kill", GUARD, "in a fence, after KILL")                       \
    X(WITNESS_BEFORE_VOTE, "witness-before-vote", WITNESS, "before term and vote are saved")       \
    X(WITNESS_AFTER_VOTE, "witness-after-vote", WITNESS, "after term and vote were saved")         \
    X(WITNESS_BEFORE_APPLY, "witness-before-apply", WITNESS,                                       \
      "before a committed entry is applied")                                                       \
    X(WITNESS_AFTER_APPLY, "witness-after-apply", WITNESS, "after a committed entry was applied")  \
    X(DURABLE_BEFORE_FSYNC, "durable-before-fsync", AGENT, "a state file is written, not synced")  \
    X(DURABLE_BEFORE_RENAME, "durable-before-rename", AGENT,                                       \
      "a state file is synced, not renamed")                                                       \
    X(DURABLE_AFTER_RENAME, "durable-after-rename", AGENT,                                         \
      "a state file is renamed, not its folder synced")

#ifdef BW_CRASH_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The names, so that a point that is not in the list does not compile. */
enum {
#define X(point, name, role, words) BW_CRASH_POINT_##point,
    BW_CRASH_POINT_LIST(X)
#undef X
};

static inline void bw_crash_point(int point)
{
    static const char *const names[] = {
#define X(point_name, name, role, words) name,
        BW_CRASH_POINT_LIST(X)
#undef X
    };
    const char *wanted = getenv("BW_CRASH_AT");

    if (wanted != NULL && strcmp(wanted, names[point]) == 0)
        (void)kill(getpid(), SIGKILL);
}
#define BW_CRASH_POINT(point) bw_crash_point(BW_CRASH_POINT_##point)
#else
#define BW_CRASH_POINT(point) ((void)0)
#endif

#endif
