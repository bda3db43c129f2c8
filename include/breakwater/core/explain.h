/* explain.h - the gates of a decision in words: one list of ids, one line per gate. Design 4. Pure. */
#ifndef BW_CORE_EXPLAIN_H
#define BW_CORE_EXPLAIN_H

#include <breakwater/core/arbiter.h>

/* X(NAME, id, meaning). The ids are stable and public: explain, status (why_not), logs, metric labels.
 * `meaning` is what is true when the gate passes. */
#define BW_GATE_LIST(X)                                                                            \
    X(LEADS, "leads", "this witness leads and its term's own barrier was applied")                 \
    X(PROPOSING, "proposing", "no proposal for this group is on its way")                          \
    X(OBSERVE, "observe", "the mode lets decisions be carried out")                                \
    X(RELEASED, "released", "the holder has given its epoch back")                                 \
    X(RELEASE_WAIT, "release_wait", "nobody but the one that gave back can hold the lease")        \
    X(RELEASE_BOOT, "release_boot", "no other boot of the site speaks, or has renewed since")      \
    X(RELEASE_WAY, "release_way", "it came directly, or through two witnesses")                    \
    X(BOOT, "boot", "the holder renews from a boot that is not known yet")                         \
    X(FENCE_FAILED, "fence_failed", "the holder's site reports a fence that failed")               \
    X(LAPSE, "lapse", "the holder's lease is surely over")                                         \
    X(HELD, "held", "no failed fence holds the epoch")                                             \
    X(END_REACH, "end_reach", "time alone ends the service at the holder's site")                  \
    X(VOUCHED, "vouched", "a person vouches that the holder's site is off (force-release)")        \
    X(SILENT, "silent", "no fresh report speaks against the person who vouches")                   \
    X(CONTRADICTION, "contradiction", "no fresh report says that the holder's site may serve")     \
    X(SWITCHOVER_TIMEOUT, "switchover_timeout", "the time for this part of the move is over")      \
    X(STOP_NOT_BEGUN, "stop_not_begun", "the holder has not begun to stop")                        \
    X(MODE, "mode", "the mode allows it without a person")                                         \
    X(GROUP_MAINTENANCE, "group_maintenance", "the group is not in maintenance")                   \
    X(REPORTS, "reports", "all sites were heard, or had time to speak to this leader")             \
    X(REPORTED, "reported", "the site has reported what a first grant rests on")                   \
    X(LET_GO, "let_go", "the holder that was let go confirmed it, or its lease is surely over")    \
    X(FIRST_GRANT, "first_grant", "the reports say clearly where the service may begin")           \
    X(POSITION, "position", "the site that stopped gave its final position")                       \
    X(BACKOFF, "backoff", "the pause after its failed starts is over")                             \
    X(CANDIDATE, "candidate", "a site may be granted")                                             \
    X(ARMED, "armed", "the adopting site reports the epoch armed")                                 \
    X(WISH, "wish", "a person asked for it")                                                       \
    X(HOLDER, "holder", "the holder is connected")                                                 \
    X(FAILBACK, "failback", "the time after which the preferred site gets it back is over")        \
    X(PREFERRED, "preferred", "a site of higher priority than the holder's may be granted")        \
    X(ROW, "row", "the group's state takes the command")                                           \
    X(DECLARED, "declared", "the spec lets this site be granted")                                  \
    X(CONNECTED, "connected", "the site's report is fresh")                                        \
    X(TWO_WAY, "two_way", "the site also hears the witnesses")                                     \
    X(INSTANCES, "instances", "one agent speaks for the site")                                     \
    X(REACH_SEEN, "reach_seen", "its site has seen where the service is")                          \
    X(SECOND_ENFORCER, "second_enforcer", "whether a second enforcer of its site is seen")         \
    X(END_SECOND, "end_second", "or a second enforcer of its site, seen until then, ends it by time")      \
    X(NO_RETURN, "no_return", "its start waits before its point of no return")                     \
    X(GUARD, "guard", "its guard is alive")                                                        \
    X(REJOINING, "rejoining", "no rejoin is due or runs there")                                    \
    X(MAINTENANCE, "maintenance", "the site is not in maintenance")                                \
    X(SERVICE, "service", "the service is stopped there")                                          \
    X(CONDITION, "condition", "its condition script does not say stop")                            \
    X(CLOCK_RATE, "clock_rate", "its clocks are no slower than max_clock_drift_ppm allows")        \
    X(REACH, "reach", "its guard has shown that it can end what it starts")                        \
    X(FENCE_BOUND, "fence_bound", "its fences, as measured, keep F")                               \
    X(SITE_ALARM, "site_alarm", "no alarm at the site forbids a grant")                            \
    X(READY, "ready", "its readiness script succeeded lately")                                     \
    X(PREPARED, "prepared", "it was ready after it knew the position to reach")                    \
    X(LAG, "lag", "the loss of data stays within max_lag")                                         \
    X(ASKED, "asked", "it is the site that was asked for")                                         \
    X(APPROVAL, "approval", "the mode lets another site be granted without a person")              \
    X(MIN_PRIMARY_TIME, "min_primary_time", "the last primary had its minimum time")               \
    X(FAILOVERS, "failovers", "fewer failovers than allowed in the window")                        \
    X(TARGET_LOST, "target_lost", "the target of the move may come")                               \
    X(MEASURED, "measured", "its readiness script has ended once")                                 \
    X(SCRIPTS, "scripts", "each script that it needs can be run")                                  \
    X(BUSY, "busy", "its guard has ended every start and stop of before")                          \
    X(STOP_SEEN, "stop_seen", "the end of the service at the holder could be seen")                \
    X(UNHEALTHY, "unhealthy", "the holder could not show for long enough that it serves")         \
    X(SAME_FAULT, "same_fault", "what was moved there for that reason serves there")               \
    X(CLAIM, "claim", "no other site may serve by a claim, nor does one name a lost decision")                   \
    X(REMOTE_FENCE, "remote_fence", "another site's remote_fence_script has seen the end")         \
    X(REMOTE_FENCE_WAIT, "remote_fence_wait", "the pause after a remote fence that failed is over")
enum bw_gate_id {
#define X(name, id, meaning) BW_GATE_ID_##name,
    BW_GATE_LIST(X)
#undef X
    BW_GATE_ID_COUNT
};

const char *bw_gate_id_text(enum bw_gate_id id);
/* The meaning of a gate's id; NULL when there is no such id. */
const char *bw_gate_meaning(const char *id);

/* One line without newline, such as
 *   "A3 hold lapse: 3.000 s of 15.281 s; wanted: the holder's lease is surely over".
 * Cut to `size`, always ended by NUL. `group` names the sites. */
void bw_explain_gate(const struct bw_gate *gate, const struct bw_group *group, char *out_text,
                     size_t size);

#endif
