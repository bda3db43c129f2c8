/* explain.h - the gates of a decision in words: one row per gate. Design 4. Pure. */
#ifndef BW_CORE_EXPLAIN_H
#define BW_CORE_EXPLAIN_H

#include <stddef.h>

/* X(NAME, old, word, passes, problem, fix), one row for each problem that a gate can find.
 *   old      names what passes: JSON (why_not, id), metric labels; two rows share one where one gate finds two problems
 *   word     names the problem: BLOCKED BY, explain, history, logs, JSON (blocked_by)
 *   passes   what is true when it passes
 *   problem  what is wrong when it holds. {value}, {limit}, {left} and {why} are of the evaluation, {primary} is the site
 *            that holds the group, or held it. [A|B|...] is the first of them whose values are all there, or nothing
 *   fix      one line: what an operator does; {group}, {site} and {holder} stand for names */
#define BW_GATE_LIST(X)                                                                                               \
    X(LEADS, "leads", "not_leader",                                                                                   \
      "this witness leads",                                                                                           \
      "this witness does not lead, or has not committed its first entry yet",                                         \
      "ask the leader, which breakwater status names")                                                                \
    X(PROPOSING, "proposing", "decision_pending",                                                                     \
      "no decision about this group waits for the quorum",                                                            \
      "a decision about this group waits for the quorum",                                                             \
      "wait; if this stays, look at the witnesses: breakwater status")                                                \
    X(OBSERVE, "observe", "mode_unmanaged",                                                                           \
      "the mode lets breakwater act",                                                                                 \
      "the mode is unmanaged: breakwater does not act",                                                               \
      "breakwater mode {group} auto")                                                                                 \
    X(RELEASED, "released", "not_released",                                                                           \
      "{primary} has released the lease",                                                                             \
      "{primary} has not released the lease",                                                                         \
      "wait; if the site is lost: breakwater explain {group}")                                                        \
    X(RELEASE_WAIT, "release_wait", "release_wait",                                                                   \
      "no other boot of {primary} can hold the lease",                                                                \
      "another boot of {primary} may hold the lease[ for {left}][, {why}]",                                           \
      "wait")                                                                                                         \
    X(RELEASE_BOOT, "release_boot", "other_boot_reports",                                                             \
      "only one boot of {primary} reports",                                                                           \
      "[{why}|another boot of {primary} reports]",                                                                    \
      "stop the copy of the agent: on the site, systemctl status breakwater-agent")                                   \
    X(RELEASE_WAY, "release_way", "release_unconfirmed",                                                              \
      "the release came directly, or through two witnesses",                                                          \
      "the release came through one other witness only",                                                              \
      "connect the site to the leader, or to a second witness")                                                       \
    X(BOOT, "boot", "boot_known",                                                                                     \
      "{primary} renews from a new boot",                                                                             \
      "{primary} renews from no new boot",                                                                            \
      "nothing")                                                                                                      \
    X(FENCE_FAILED, "fence_failed", "no_failed_fence",                                                                \
      "{primary} reports a failed fence",                                                                             \
      "{primary} reports no failed fence",                                                                            \
      "nothing")                                                                                                      \
    X(LAPSE, "lapse", "lease_not_expired",                                                                            \
      "{primary}'s lease has expired",                                                                                \
      "{primary}'s lease has not expired[; it expires in {left} unless it is renewed]",                               \
      "wait")                                                                                                         \
    X(HELD, "held", "fence_unconfirmed",                                                                              \
      "no failed fence blocks this epoch",                                                                            \
      "a fence at {primary} failed: the stop is not confirmed[, {why}]",                                              \
      "stop the service on the site, and the next fence confirms it; or, if the site is off: "                        \
      "breakwater confirm-fenced {group} --site {holder}")                                                            \
    X(END_REACH, "end_reach", "may_outlive_lease",                                                                    \
      "{primary}'s service ends with its lease",                                                                      \
      "{primary}'s service may outlive its lease[: {why}]",                                                           \
      "power the site off, then: breakwater confirm-fenced {group} --site {holder}; to prevent this: "                 \
      "breakwater prove {group} on the site, which kills and restarts the service")                                                                         \
    X(VOUCHED, "vouched", "not_confirmed_off",                                                                        \
      "an operator confirmed that {primary} is off",                                                                  \
      "no operator has confirmed that {primary} is off",                                                              \
      "if the site is off: breakwater confirm-fenced {group} --site {holder}")                                         \
    X(SILENT, "silent", "still_connected",                                                                            \
      "no current report contradicts the operator",                                                                   \
      "{primary} still reports[: {why}], so it is not off",                                                           \
      "stop the service on the site, or power the site off")                                                          \
    X(CONTRADICTION, "contradiction", "still_reporting",                                                              \
      "no current report says that {primary} may serve",                                                              \
      "{primary} still reports the service as [{why}|running]",                                                       \
      "stop the service on the site, or power the site off")                                                          \
    X(SWITCHOVER_TIMEOUT, "switchover_timeout", "switchover_running",                                                 \
      "the time for this part of the switchover is over",                                                             \
      "the switchover is given another[ {left}| moment][, {why}]",                                                    \
      "wait, or breakwater cancel {group}")                                                                           \
    X(STOP_NOT_BEGUN, "stop_not_begun", "stop_begun",                                                                 \
      "{primary} has not begun to stop the service",                                                                  \
      "{primary} has begun to stop the service[, or may have: {why}]",                                                \
      "wait until the stop has ended")                                                                                \
    X(MODE, "mode", "mode_forbids",                                                                                   \
      "the mode allows this",                                                                                         \
      "the mode is[ {why}| manual or paused]",                                                                        \
      "breakwater mode {group} auto, breakwater resume {group}, or breakwater failover {group}")                      \
    X(GROUP_MAINTENANCE, "group_maintenance", "group_in_maintenance",                                                 \
      "the group is not in maintenance",                                                                              \
      "the group is in maintenance[ for another {left}]",                                                             \
      "breakwater maintenance {group} --stop")                                                                         \
    X(REPORTS, "reports", "waiting_for_reports",                                                                      \
      "all sites are connected, or had time to report",                                                               \
      "waiting for reports[ for another {left}][: {why}]",                                                            \
      "wait, or connect the sites that are missing")                                                                  \
    X(REPORTED, "reported", "report_missing",                                                                         \
      "the site has reported its state",                                                                              \
      "its report does not count yet[: {why}]",                                                                       \
      "wait; on the site: breakwater status --site")                                                                  \
    X(LET_GO, "let_go", "release_pending",                                                                            \
      "the last primary has released the service to manual control",                                                  \
      "the last primary has not confirmed the release to manual control[, {left} left]",                              \
      "wait, or connect the site")                                                                                    \
    X(FIRST_GRANT, "first_grant", "first_primary_unclear",                                                            \
      "the reports show which site may be the first primary",                                                         \
      "the first primary is not clear[: {why}]",                                                                      \
      "connect all sites; or choose one: breakwater apply -f groups.yaml --initial-primary SITE")                     \
    X(POSITION, "position", "no_final_position",                                                                      \
      "the final position of the data is known",                                                                      \
      "the site that stopped has reported no final position[: {why}]",                                                \
      "wait; check that readiness_script prints a position")                                                          \
    X(BACKOFF, "backoff", "start_backoff",                                                                            \
      "the wait after failed starts is over",                                                                         \
      "waits another[ {left}| while] after failed starts[, {why}]",                                                   \
      "fix the start, then wait or: breakwater failover {group} --to {site}")                                         \
    X(CANDIDATE, "candidate", "no_eligible_site",                                                                     \
      "a site is eligible",                                                                                           \
      "[{value} is not eligible|no site is eligible]",                                                                \
      "look at what blocks each site: breakwater explain {group}")                                                    \
    X(ARMED, "armed", "not_armed",                                                                                    \
      "the guard of {primary} has armed the deadline",                                                                \
      "the guard of {primary} has not armed the deadline yet",                                                        \
      "wait; on the site: breakwater status --site")                                                                  \
    X(WISH, "wish", "no_request",                                                                                     \
      "an operator requested it",                                                                                     \
      "no operator requested it",                                                                                     \
      "nothing")                                                                                                      \
    X(HOLDER, "holder", "primary_not_connected",                                                                      \
      "{primary} is connected",                                                                                       \
      "{primary} is not connected",                                                                                   \
      "on the site: breakwater status --site")                                                                        \
    X(FAILBACK, "failback", "failback_wait",                                                                          \
      "the time before a failback is over",                                                                           \
      "failback waits another[ {left}| while]",                                                                       \
      "wait, or breakwater switchover {group} --to SITE")                                                             \
    X(PREFERRED, "preferred", "no_preferred_site",                                                                    \
      "a site with a higher priority is eligible",                                                                    \
      "[{value} is not eligible|no site with a higher priority is eligible]",                                         \
      "look at what blocks each site: breakwater explain {group}")                                                    \
    X(ROW, "row", "not_applicable",                                                                                   \
      "the group's state accepts the decision",                                                                       \
      "the group's state does not accept the decision[: {why}]",                                                      \
      "wait")                                                                                                         \
    X(DECLARED, "declared", "not_a_candidate",                                                                        \
      "the configuration lets the site be primary",                                                                   \
      "configured as failover_candidate: false",                                                                               \
      "set failover_candidate: true in groups.yaml, then: breakwater apply -f groups.yaml")                                  \
    X(CONNECTED, "connected", "not_connected",                                                                        \
      "the site is connected",                                                                                        \
      "[not connected: last report {value} ago, limit {limit}|not connected]",                                        \
      "on the site: breakwater status --site")                                                                        \
    X(TWO_WAY, "two_way", "one_way_connection",                                                                       \
      "the site receives the witnesses' answers",                                                                     \
      "its reports arrive, but it does not receive the answers",                                                      \
      "check the network path from the witnesses back to the site")                                                   \
    X(INSTANCES, "instances", "duplicate_agents",                                                                     \
      "one agent reports for the site",                                                                               \
      "more than one agent reports for it[: {why}]",                                                                  \
      "stop the agent that does not belong there")                                                                    \
    X(REACH_SEEN, "reach_seen", "kill_scope_known",                                                                   \
      "the site reports where its service runs",                                                                      \
      "the site does not report where its service runs",                                                              \
      "nothing")                                                                                                      \
    X(SECOND_ENFORCER, "second_enforcer", "second_enforcer_known",                                                    \
      "the state of the second enforcer has changed",                                                                 \
      "the state of the second enforcer has not changed",                                                             \
      "nothing")                                                                                                      \
    X(END_SECOND, "end_second", "no_second_enforcer",                                                                 \
      "a second enforcer ends {primary}'s service with its lease",                                                    \
      "no second enforcer ends {primary}'s service[: {why}]",                                                         \
      "on its machine: systemctl status breakwater-second-enforcer")                                                  \
    X(NO_RETURN, "no_return", "not_at_no_return",                                                                     \
      "the start waits at its point of no return",                                                                    \
      "no start waits at its point of no return",                                                                     \
      "nothing")                                                                                                      \
    X(GUARD, "guard", "guard_down",                                                                                   \
      "the guard answers",                                                                                            \
      "the guard does not answer",                                                                                    \
      "on the site: systemctl status breakwater-guard")                                                               \
    X(REJOINING, "rejoining", "rejoin_pending",                                                                       \
      "no rejoin is due",                                                                                             \
      "must rejoin the primary first[: {why}]",                                                                       \
      "wait; if the rejoin fails, breakwater status shows its last line")                                             \
    X(MAINTENANCE, "maintenance", "in_maintenance",                                                                   \
      "the site is not in maintenance",                                                                               \
      "the site is in maintenance[ for another {left}]",                                                              \
      "breakwater maintenance {group} --site {site} --stop")                                                           \
    X(SERVICE, "service", "service_running",                                                                          \
      "the service is stopped there",                                                                                 \
      "the service is[ {why}| not stopped] there",                                                                    \
      "in mode unmanaged leave it, and run: breakwater mode {group} auto; else stop the service on the site")         \
    X(SERVICE_UNKNOWN, "service", "service_unknown",                                                                  \
      "the service is known to be stopped there",                                                                     \
      "the status script does not say whether the service is stopped",                                                \
      "run the status script by hand on the site")                                                                    \
    X(CONDITION, "condition", "condition_stop",                                                                       \
      "condition_check_script allows it",                                                                             \
      "[{why}|condition_check_script says stop]",                                                                     \
      "read the script's last line: breakwater status")                                                               \
    X(CLOCK_RATE, "clock_rate", "clock_too_slow",                                                                     \
      "the clocks run fast enough",                                                                                   \
      "the clocks run too slow[: {value}, limit {limit}]",                                                            \
      "on the site: chronyc tracking")                                                                                \
    X(REACH, "reach", "kill_unavailable",                                                                             \
      "the guard can stop the service",                                                                               \
      "the guard has not shown that it can stop the service",                                                         \
      "on the site: breakwater check /etc/breakwater/site.yaml")                                                      \
    X(FENCE_BOUND, "fence_bound", "fence_too_slow",                                                                   \
      "the last fence was fast enough",                                                                               \
      "the last fence took[ {value}, limit {limit}| too long]",                                                       \
      "make the fence faster, or raise fence_window in groups.yaml")                                                 \
    X(SITE_ALARM, "site_alarm", "site_alarm",                                                                         \
      "no alarm excludes the site",                                                                                   \
      "[{why}|an alarm excludes the site]",                                                                           \
      "follow the site's alarm: breakwater status")                                                                   \
    X(READY, "ready", "not_ready",                                                                                    \
      "readiness_script succeeded recently",                                                                          \
      "[{why}, measured {value} ago, limit {limit}|{why}|readiness_script failed, or is out of date]",                \
      "read the script's last line: breakwater status")                                                               \
    X(READINESS_UNKNOWN, "ready", "readiness_unknown",                                                                \
      "readiness_script has succeeded",                                                                               \
      "readiness_script has not ended yet",                                                                           \
      "wait; if this stays, run readiness_script by hand on the site")                                                \
    X(PREPARED, "prepared", "not_caught_up",                                                                          \
      "the site has reached the final position",                                                                      \
      "has not reached the final position yet",                                                                       \
      "wait")                                                                                                         \
    X(LAG, "lag", "lag_too_high",                                                                                     \
      "the loss of data is within max_lag",                                                                           \
      "lag[ {value}] exceeds max_lag[ {limit}][: {why}]",                                                             \
      "repair the replication; if the primary is lost, and a loss of data is acceptable: breakwater failover {group} --to {site} --accept-data-loss")                    \
    X(LAG_UNKNOWN, "lag", "lag_unknown",                                                                              \
      "the lag is known",                                                                                             \
      "lag unknown[: {why}]",                                                                                         \
      "check the replication and readiness_script; if the primary is lost, and a loss of data is acceptable: breakwater failover {group} --to {site} --accept-data-loss")                   \
    X(ASKED, "asked", "other_site_requested",                                                                         \
      "it is the site that was requested",                                                                            \
      "the operator requested another site",                                                                          \
      "breakwater failover {group} --to {site} names this site")                                                      \
    X(APPROVAL, "approval", "needs_approval",                                                                         \
      "the mode lets another site become primary automatically",                                                      \
      "an operator has to approve it: the mode is[ {why}| manual]",                                                   \
      "breakwater failover {group} --to SITE")                                                                        \
    X(MIN_PRIMARY_TIME, "min_primary_time", "primary_too_recent",                                                     \
      "min_primary_time is over",                                                                                     \
      "min_primary_time of the last primary ends[ in {left}| later]",                                                 \
      "wait, or breakwater failover {group}")                                                                         \
    X(FAILOVERS, "failovers", "failover_limit",                                                                       \
      "the limit of failovers is not reached",                                                                        \
      "[{value} failovers within failover_window, limit {limit}|max_failovers_per_window is reached]",                \
      "find the cause, then wait or: breakwater failover {group}")                                                    \
    X(TARGET_LOST, "target_lost", "target_lost",                                                                      \
      "the target of the switchover can be waited for",                                                               \
      "the target of the switchover is lost[: {why}]",                                                                \
      "breakwater explain {group}")                                                                                   \
    X(MEASURED, "measured", "readiness_pending",                                                                      \
      "readiness_script has ended once",                                                                              \
      "readiness_script has not ended yet[, waits another {left}]",                                                   \
      "wait")                                                                                                         \
    X(SCRIPTS, "scripts", "script_not_runnable",                                                                      \
      "each script that the site needs can run",                                                                      \
      "[{why}|a script cannot run]",                                                                                  \
      "on the site: breakwater check /etc/breakwater/site.yaml")                                                      \
    X(BUSY, "busy", "script_running",                                                                                 \
      "no earlier start or stop runs there",                                                                          \
      "a start or stop still runs there",                                                                             \
      "wait")                                                                                                         \
    X(STOP_SEEN, "stop_seen", "stop_unverifiable",                                                                    \
      "a stop of the service could be confirmed",                                                                     \
      "a stop of the service could not be confirmed[: its state is {why}]",                                           \
      "fix the status script of the primary")                                                                         \
    X(UNHEALTHY, "unhealthy", "unhealthy_wait",                                                                       \
      "{primary} was unhealthy for long enough",                                                                      \
      "{primary} is unhealthy, waits another[ {left}| while][: {why}]",                                               \
      "wait, or breakwater switchover {group} --to SITE")                                                             \
    X(SAME_FAULT, "same_fault", "same_fault",                                                                         \
      "groups that moved there for the same reason serve there",                                                      \
      "[{why}|another group moved there for the same reason, and does not serve yet]",                                \
      "find what both sites have in common, then: breakwater switchover {group} --to {site}")                         \
    X(CLAIM, "claim", "site_overrides",                                                                               \
      "no other site may serve by an override",                                                                       \
      "[{value}: {why}|{why}|another site may serve by an override]",                                                 \
      "end it on that site: breakwater override {group} -c FILE --stop; or, if the site is off: "                      \
      "breakwater confirm-fenced {group} --site SITE")                                                                \
    X(CLAIM_AHEAD, "claim", "decisions_lost",                                                                         \
      "no site reports a decision that the witnesses have lost",                                                      \
      "[{value}: {why}|{why}|a site reports a decision that the witnesses have lost]",                                \
      "restore the decision, or discard a false report: breakwater status prints the commands (decisions_lost)")      \
    X(REMOTE_FENCE, "remote_fence", "remote_fence_pending",                                                           \
      "a fence from another site confirmed the end",                                                                  \
      "[no fence has confirmed the end: {value} {why}|no other site has confirmed the end by its "                    \
      "remote_fence_script]",                                                                                         \
      "wait; if it fails, breakwater status shows its last line")                                                     \
    X(REMOTE_FENCE_WAIT, "remote_fence_wait", "remote_fence_backoff",                                                 \
      "the wait after a failed remote fence is over",                                                                 \
      "waits another[ {left}| while] after a failed remote fence",                                                    \
      "fix remote_fence_script on the other site")

enum bw_gate_id {
#define X(name, ...) BW_GATE_ID_##name,
    BW_GATE_LIST(X)
#undef X
    BW_GATE_ID_COUNT
};

const char *bw_gate_id_text(enum bw_gate_id id); /* the old word */
const char *bw_gate_word(enum bw_gate_id id);

struct bw_gate;
struct bw_group;

/* One line of what a gate says, cut to `size`, always ended by NUL. `gate` and `group` NULL: without an evaluation, as
 * `explain --rule` prints it ("lag exceeds max_lag", "breakwater failover GROUP"). */
enum bw_gate_text { BW_GATE_PASSES, BW_GATE_PROBLEM, BW_GATE_FIX };
void bw_gate_describe(enum bw_gate_id id, enum bw_gate_text which, const struct bw_gate *gate,
                      const struct bw_group *group, char *out_text, size_t size);

/* What a gate found, from the values that it was judged by:
 *   "dc-b: lag 7.0 s exceeds max_lag 5.0 s (lag_too_high)", or
 *   "dc-b: the loss of data is within max_lag (0.4 s, limit 5.0 s)".
 * `group` names the sites. Cut, and ended, as above. */
void bw_gate_tell(const struct bw_gate *gate, const struct bw_group *group, char *out_text, size_t size);

/* The same behind its step and verdict: "A9 BLOCKED dc-b: lag 7.0 s exceeds max_lag 5.0 s (lag_too_high)". */
void bw_explain_gate(const struct bw_gate *gate, const struct bw_group *group, char *out_text, size_t size);

#endif
