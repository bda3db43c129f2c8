/* leave.h - may a site file that is read anew no longer name a group? Asked of agent and guard, each
 * for itself: whichever reads the file first, what it still keeps of the group is ended by it and by
 * nobody else. Design 3.2.4, 5.4. Pure. */
#ifndef BW_CORE_LEAVE_H
#define BW_CORE_LEAVE_H

#include <breakwater/core/guard.h>
#include <breakwater/core/site.h>

/* X(NAME, what is so, and what to do first) */
#define BW_KEEPS_LIST(X)                                                                           \
    X(NOTHING, "nothing of it is kept here")                                                       \
    X(EPOCH, "this site holds an epoch of it: `breakwater switchover GROUP --to SITE`, or let it " \
             "go with `breakwater mode GROUP observe`, and send SIGHUP again")                     \
    X(GRANT, "it was granted to this site a moment ago: `breakwater switchover GROUP --to SITE`, " \
             "or let it go with `breakwater mode GROUP observe`, and send SIGHUP again")           \
    X(OVERRIDE, "a person lets it serve here without a quorum: `breakwater override GROUP -c FILE " \
                "--stop`, and send SIGHUP again")                                                   \
    X(UNSEEN, "what an epoch of it, not ended, has left here was not seen to be down: let it go with "       \
              "`breakwater mode GROUP observe`, and send SIGHUP again")                            \
    X(FENCE, "a fence of it has not ended: send SIGHUP again once it has")                         \
    X(RUN, "a script of it runs, or its service was not looked at yet: send SIGHUP again once "    \
           "that is over")                                                                         \
    X(SAVE, "what it rests on is on its way to the disk: send SIGHUP again once it is there")
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
