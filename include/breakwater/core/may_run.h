/* may_run.h - may this site run, as its guard shows it? For who asks from outside: `gate`,
 * `condition`, `status --site`. Design 3.4. Pure. It reports; what ends a service is the guard.
 *
 * The answer may be old: its guard may have hung since. So nothing is taken from when it was said:
 * its deadline is compared with the clocks of who asks, read after the answer was, and only where
 * these are the guard's own. */
#ifndef BW_CORE_MAY_RUN_H
#define BW_CORE_MAY_RUN_H

#include <breakwater/core/guard.h>
#include <breakwater/core/site.h>

/* X(NAME, word, sentence for people). All but LEASE and OVERRIDE are no. */
#define BW_MAY_RUN_LIST(X)                                                                         \
    X(NO_GROUP, "no_group", "the guard of this site knows no such group")                          \
    X(OTHER_CLOCKS, "other_clocks", "the clocks of its guard are of another boot or time namespace")    \
    X(NOBODYS, "nobodys", "the guard has a deadline of another cluster, or one that it cannot read")            \
    X(NO_LEASE, "no_lease", "this site has no lease")                                                 \
    X(NOT_ENFORCED, "not_enforced", "this site has no lease: the group is unmanaged, or had no primary yet")   \
    X(FENCE_FAILED, "fence_failed", "a fence failed: the service may still run")          \
    X(FENCING, "fencing", "the guard fences the service, or has fenced it, in this epoch")                        \
    X(ENDING, "ending", "the epoch ends here, or a newer one was seen")                       \
    X(STOPPING, "stopping", "the guard is stopping the service")                                       \
    X(STOPPED, "stopped", "the guard has stopped the service, and no start was ordered since")         \
    X(FENCE_WINDOW, "fence_window", "the lease ends too soon for a start")         \
    X(LOOP_WAITS, "loop_waits", "the external loop has no order to start, or the order was canceled")    \
    X(LEASE, "lease", "this site has a lease")                                                        \
    X(OVERRIDE, "override", "this site has a manual lease")
enum bw_may_run {
#define X(name, word, sentence) BW_MAY_RUN_##name,
    BW_MAY_RUN_LIST(X)
#undef X
        BW_MAY_RUN_COUNT
};

/* What the guard shows of `guard`, but for what its shell knows: site, boot and time namespace,
 * agent, whose it is, what looks and scripts came to. */
void bw_guard_shown_get(const struct bw_guard *guard, struct bw_guard_shown *out_shown);

/* `has_group` false: the guard has answered that there is none. `boot_id` and `time_namespace` are
 * those of whose clocks `now` is. */
enum bw_may_run bw_may_run(bool has_group, const struct bw_guard_shown *shown, struct bw_id boot_id,
                           uint64_t time_namespace, struct bw_instant now);
bool bw_may_run_is_yes(enum bw_may_run may_run);

/* May who asks start it? A start that rests on a yes begins whenever its loop comes to it, so only a
 * loop whose delay this guard counts on may: it waits for that before it lets an epoch end. */
bool bw_may_run_by_loop(enum bw_may_run may_run, const struct bw_guard_shown *shown);
const char *bw_may_run_word(enum bw_may_run may_run);
const char *bw_may_run_sentence(enum bw_may_run may_run);

/* May clients be sent to this site? For load balancers, which ask the agent
 * (`health_listen`). Design 5.3. Pure. It says yes only to what may_run.h lets run and what the
 * newest look of the guard has seen serve: unknown is never yes. */

/* X(NAME, word, sentence for people). All but YES are no; of MAY_NOT_RUN, may_run.h has the
 * sentence. */
#define BW_PRIMARY_LIST(X)                                                                         \
    X(MAY_NOT_RUN, "may_not_run", "it may not run here")                                           \
    X(STARTING, "starting", "it is being started here")                                            \
    X(UNVERIFIED, "unverified", "its verify_script has not passed since its start")                \
    X(NOT_SERVING, "not_serving", "the newest look at it did not see it serve")                    \
    X(OLD_LOOK, "old_look", "nobody has looked at it for too long")                                \
    X(YES, "primary", "it may run here, and is seen to serve")
enum bw_primary {
#define X(name, word, sentence) BW_PRIMARY_##name,
    BW_PRIMARY_LIST(X)
#undef X
        BW_PRIMARY_COUNT
};

/* What the site file says of the group. */
struct bw_primary_limits {
    bool has_verify;  /* there is a verify_script */
    bool is_verified; /* its agent has seen it pass in this epoch: a guard that has begun since has not */
    uint64_t look_ns; /* by then the next look has ended: this one is believed no longer */
};

/* `may_run` is of `shown` and `now`, which was read after `shown` had come. */
enum bw_primary bw_primary(enum bw_may_run may_run, const struct bw_guard_shown *shown,
                           const struct bw_primary_limits *limits, struct bw_instant now);
const char *bw_primary_word(enum bw_primary primary);
const char *bw_primary_sentence(enum bw_primary primary);

/* May a part of the service be made at this site? For who makes them and asks first:
 * the API server of a Kubernetes cluster (`admission_listen`). Design 5.3. Pure. A report, like
 * may_run.h, and never more lenient where breakwater decides: unknown is never yes. */

/* X(NAME, word). All but REFUSED are yes. */
#define BW_ADMISSION_LIST(X)                                                                       \
    X(REFUSED, "refused")                                                                          \
    X(MAY_RUN, "may_run")                                                                          \
    X(UNDECIDED, "undecided") /* not enforced here: breakwater decides nothing */
enum bw_admission {
#define X(name, word) BW_ADMISSION_##name,
    BW_ADMISSION_LIST(X)
#undef X
        BW_ADMISSION_COUNT
};

/* `may_run` is of an answer of the guard that was asked after the request had come, `site` what the
 * agent knows of the group. */
enum bw_admission bw_admission(enum bw_may_run may_run, const struct bw_site *site);
const char *bw_admission_word(enum bw_admission admission);

#endif
