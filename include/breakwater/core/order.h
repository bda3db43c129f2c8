/* order.h - what a site should do now for a group: a state, not a queue. Design 1, 5.3. Pure.
 *
 * Derived from committed state only, so any witness may give it; `index` is the log index that made
 * it, and a lower one never replaces a higher. */
#ifndef BW_CORE_ORDER_H
#define BW_CORE_ORDER_H

#include <breakwater/core/group.h>

#define BW_ORDER_LIST(X)                                                                          \
    X(NONE, "none") X(RUN, "run") X(STOP, "stop") X(STAND_BY, "stand_by") X(LET_GO, "let_go")
enum bw_order_kind {
#define X(name, word) BW_ORDER_##name,
    BW_ORDER_LIST(X)
#undef X
};

struct bw_order {
    enum bw_order_kind kind;
    uint64_t index;
    uint64_t epoch;              /* newest epoch of the group, whoever holds it */
    uint64_t spec_version;
    uint64_t let_go_index; /* LET_GO: what the site's report confirms (3.9). STAND_BY: the newest
                              that there was; 0 none. Others: 0 */
    uint64_t let_go_epoch;       /* LET_GO: the one epoch whose lease is disarmed without touching the
                                    service; 0 none. A lease of any other epoch had ended before
                                    (forced, say): it is treated as refused first, then let go */
    struct bw_id instance;       /* RUN STOP: the instance that holds the epoch; decided on there */
    bool adopt;                  /* RUN: the service runs, do not touch it */
    bool adopting;               /* committed state is still adopting (3.1 Adopted) */
    uint64_t held_index;         /* STOP: a fence of this epoch failed: one that begins after this is known
                                    has to see the end, and the give-back names it; 0 none (3.3) */
    uint64_t reach_digest;       /* RUN: of the scripts that the epoch's reach is committed for: only they
                                    may start it (3.4) */
    bool closed;                 /* STOP: the epoch is closed; nobody confirms a renewal of it */
    bool others_epoch;           /* STAND_BY: the newest epoch was granted to another site: this
                                    site becomes enforced (3.9) */
    bool newest_is_open;         /* STAND_BY: that epoch has not ended */
    bool prepare;                /* STAND_BY: next in a switchover: readiness back to back (3.6) */
    char position[BW_POSITION_MAX + 1]; /* prepare or RUN: the position to have reached */
    char previous_site[BW_NAME_MAX + 1];
    enum bw_reason reason;
    bool planned;
    bool restart_allowed;        /* mode and maintenance let the site restart its service, or give
                                    it up when it is down (3.9) */
    enum bw_grade previous_grade;
    struct bw_terms terms;       /* RUN STOP: of the epoch. Else as the spec has them now, if there is one */
};

/* The order for `site`. GRANTED is RUN for the holder's site, REVOKING STOP, CLOSING STOP closed;
 * every other site, and all of a VACANT group, STAND_BY; mode observe LET_GO for all. A site that is
 * not in the spec is let go, and so is everyone when `group` is NULL: the group does not exist at
 * `cluster_index`, the applied index of the state that was asked. NONE is never derived: it is what a
 * site has before it heard of any order. */
void bw_order_derive(const struct bw_group *group, const char *site, uint64_t cluster_index,
                     struct bw_order *out_order);

const char *bw_order_word(enum bw_order_kind kind);

#endif
