/* may_run.h - may this site run, as its guard shows it? For who asks from outside: `gate`,
 * `condition`, `status --site`. Design 3.4. Pure. It reports; what ends a service is the guard.
 *
 * The answer may be old: its guard may have hung since. So nothing is taken from when it was said:
 * its deadline is compared with the clocks of who asks, read after the answer was, and only where
 * these are the guard's own. */
#ifndef BW_CORE_MAY_RUN_H
#define BW_CORE_MAY_RUN_H

#include <breakwater/core/guard.h>

/* X(NAME, word, sentence for people). All but LEASE and OVERRIDE are no. */
#define BW_MAY_RUN_LIST(X)                                                                         \
    X(NO_GROUP, "no_group", "the guard of this site knows no such group")                          \
    X(OTHER_CLOCKS, "other_clocks", "its guard's clocks are of another boot or time namespace")    \
    X(NOBODYS, "nobodys", "what is armed here is another cluster's, or cannot be read")            \
    X(NO_LEASE, "no_lease", "no lease lives here")                                                 \
    X(NOT_ENFORCED, "not_enforced", "no lease lives here: observed, let go, or not granted yet")   \
    X(FENCE_FAILED, "fence_failed", "a fence has failed here: something may still serve")          \
    X(FENCING, "fencing", "it is being fenced here, or was, in this epoch")                        \
    X(ENDING, "ending", "its epoch is ending here, or a newer one was seen")                       \
    X(STOPPING, "stopping", "the guard is stopping it here")                                       \
    X(STOPPED, "stopped", "the guard has stopped it here, and no start was ordered since")         \
    X(FENCE_WINDOW, "fence_window", "its lease is so near its end that nothing may start")         \
    X(LOOP_WAITS, "loop_waits", "no start was ordered of its own loop, or that was taken back")    \
    X(LEASE, "lease", "a lease lives here")                                                        \
    X(OVERRIDE, "override", "a manual lease lives here")
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

#endif
