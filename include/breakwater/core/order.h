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
    struct bw_id instance;       /* RUN STOP: the instance that holds the epoch */
    bool adopt;                  /* RUN: the service runs, do not touch it */
    bool adopting;               /* committed state is still adopting (3.1 Adopted) */
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
    struct bw_terms terms;       /* RUN STOP: of the epoch. STAND_BY: as the spec has them now */
};

/* The order for `site` of a group's spec; NONE for a site that is not in it ("" group: LET_GO with
 * `cluster_index`, because a group that is not in the spec is let go). */
void bw_order_derive(const struct bw_group *group, const char *site, struct bw_order *out_order);

const char *bw_order_word(enum bw_order_kind kind);

#endif
