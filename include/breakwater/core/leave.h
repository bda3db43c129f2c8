/* leave.h - may a site file that is read anew no longer name a group? Asked of agent and guard, each
 * for itself: whichever reads the file first, what it still keeps of the group is ended by it and by
 * nobody else. Design 3.2.4, 5.4. Pure. */
#ifndef BW_CORE_LEAVE_H
#define BW_CORE_LEAVE_H

#include <breakwater/core/guard.h>
#include <breakwater/core/site.h>

/* X(NAME, what is so, and what to do first) */
#define BW_KEEPS_LIST(X)                                                                           \
    X(NOTHING, "nothing of it is left here")                                                       \
    X(EPOCH, "this site is its primary: run `breakwater switchover GROUP --to SITE`, or "          \
             "release it with `breakwater mode GROUP unmanaged`, and send SIGHUP again")           \
    X(GRANT, "this site became its primary a moment ago: run `breakwater switchover GROUP --to "   \
             "SITE`, or release it with `breakwater mode GROUP unmanaged`, and send SIGHUP "       \
             "again")                                                                              \
    X(OVERRIDE, "this site serves it under an override: run `breakwater override GROUP -c FILE "   \
                "--stop`, and send SIGHUP again")                                                  \
    X(UNSEEN, "the stop after its last epoch here is not confirmed: release it with "              \
              "`breakwater mode GROUP unmanaged`, and send SIGHUP again")                          \
    X(FENCE, "a fence of it still runs: send SIGHUP again when it has ended")                      \
    X(RUN, "a script of it runs, or its service was not probed yet: send SIGHUP again after "      \
           "that")                                                                                 \
    X(SAVE, "its state is being written to disk: send SIGHUP again after that")
enum bw_keeps {
#define X(name, sentence) BW_KEEPS_##name,
    BW_KEEPS_LIST(X)
#undef X
        BW_KEEPS_COUNT
};

/* What the agent would leave without anybody to renew, end or give it back. */
enum bw_keeps bw_site_keeps(const struct bw_site *site);
/* What the guard would leave without anybody to end it at its deadline. */
enum bw_keeps bw_guard_keeps(const struct bw_guard *guard);
/* No site file names it any more: what serves here is not looked for, and so never fenced by the guard alone. */
void bw_guard_leave(struct bw_guard *guard);
const char *bw_keeps_sentence(enum bw_keeps keeps);

#endif
