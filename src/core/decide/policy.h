/* policy.h - who may be granted, as what, and who of them first. Private to arbiter.c. Design 4. */
#ifndef BW_CORE_POLICY_H
#define BW_CORE_POLICY_H

#include "gates.h"

/* What a site would be granted as. */
enum bw_role {
    BW_ROLE_UNPLANNED, /* after the last holder was lost, or for a first time */
    BW_ROLE_ASKED,     /* likewise, while a failover that a person asked for is in force (4) */
    BW_ROLE_TARGET,    /* of a switchover that has not begun: ready before Revoke (3.6) */
    BW_ROLE_ARRIVING,  /* of a switchover whose holder has stopped: ready at its position (3.6) */
    BW_ROLE_ORIGIN,    /* gets the group back after a failed switchover (3.6) */
    BW_ROLE_ADOPTER,   /* already serves and is not touched (3.9) */
    BW_ROLE_OVERRIDER, /* likewise by a person's word, or was to: the only candidate (3.8) */
};

void bw_policy_judge_as(const struct bw_group *group, const struct bw_watch *watch,
                        const struct bw_leadership *leadership, int site, enum bw_role role,
                        struct bw_instant now, struct bw_candidacy *out_candidacy);

/* How long the wish is still in force; 0: none is. */
uint64_t bw_policy_wish_left_ns(const struct bw_group *group, const struct bw_watch *watch,
                                struct bw_instant now);
#define BW_POLICY_AGE_CHECKS 3 /* an observation counts for this many check intervals (design 4) */
/* Freshness for sites that stand by: as the spec has it now. */
uint64_t bw_policy_freshness_ns(const struct bw_group *group);
/* Fresh as long as either the pinned terms of the newest epoch or the spec say so: for what delays
 * an end, or bars others, and never brings anybody anything. */
uint64_t bw_policy_longer_freshness_ns(const struct bw_group *group);
/* Likewise how long a lease of it may live. */
uint64_t bw_policy_longer_ttl_ns(const struct bw_group *group);
/* The only fresh report of a site that is also two-way, or NULL. */
const struct bw_contact *bw_policy_connected(const struct bw_group *group,
                                             const struct bw_watch *watch, int site,
                                             struct bw_instant now);
/* As far as this witness has heard, the site's data does not follow the newest epoch that was verified
 * serving: after a loss it waits for a site that serves, or for a person. */
bool bw_policy_owes_rejoin(const struct bw_group *group, const struct bw_watch *watch, int site);
/* Judges the holder before its service is stopped for a move that an operator asked for. NULL: not connected. */
void bw_policy_judge_asked_holder(const struct bw_contact *holder, struct bw_gate_list *list);
/* ... and for one that nobody asked for. */
void bw_policy_judge_holder(const struct bw_contact *holder, struct bw_gate_list *list);
/* Returns what the fresh reports of a site say to an operator who confirms that the site is off, and for how long yet the
 * newest of them is fresh. `counts_overrides`: `started` also counts where an override serves. */
enum bw_holder_answer bw_policy_answer(const struct bw_group *group, const struct bw_site_reports *reports,
                                       struct bw_instant now, bool counts_overrides, uint64_t *out_fresh_left_ns);
/* Some site of the group has a readiness script, as far as this witness has heard. */
bool bw_policy_has_readiness(const struct bw_group *group, const struct bw_watch *watch);
/* And the readiness of some site gives positions: then a move needs the origin's final one (3.6). */
bool bw_policy_gives_position(const struct bw_group *group, const struct bw_watch *watch);
/* Why the target of a move that has stopped its origin will not become ready, or NULL. Readiness is
 * all that is waited for while nobody serves: whatever else keeps it from the grant, the origin gets
 * the group back at once (3.6). */
const char *bw_policy_target_lost(const struct bw_group *group, const struct bw_watch *watch,
                                  const struct bw_leadership *leadership, int target,
                                  struct bw_instant now);

/* The gate backoff of a site: the pause after its own failed starts in the present run of failed ones,
 * retry_backoff doubled each time, at most ten minutes or retry_backoff itself, whichever is more. A
 * site that did not fail waits for nobody else's (4). */
bool bw_policy_judge_backoff(const struct bw_group *group, const struct bw_watch *watch, int site,
                             struct bw_instant now, struct bw_gate_list *list);

/* Gates on a change of site that no person asked for: approval, min_primary_time, failovers. Never
 * asked of the data site itself, unless that has forgotten: who stands there then never had it. */
bool bw_policy_judge_change(const struct bw_group *group, const struct bw_watch *watch, int site,
                            struct bw_instant now, struct bw_gate_list *list);

/* True when site `a` is to be preferred to `b`. */
bool bw_policy_prefers(const struct bw_group *group, const struct bw_watch *watch, int a, int b);

/* Whose data is the newest: the group's data_site, or, until the first grant after a recovery, the site
 * that reports a newer epoch than the recovered state knows (3.9, 4). "": nobody has served. */
const char *bw_policy_data_site(const struct bw_group *group, const struct bw_watch *watch);

/* It is the data site, and who speaks for it, as heard last, remembers nothing of having served: state and data are
 * lost together with a machine, and what is made anew, or from a backup, is not what was written there (3.7, 4). Whom a
 * person names as the first is taken as it is (3.9). */
bool bw_policy_has_forgotten(const struct bw_group *group, const struct bw_watch *watch, int site);

/* Who speaks for the site has seen an epoch in which it may have written what it has, as far as any is on record; or
 * nobody has spoken. Not the same as has_forgotten: whose data is the newest is not asked. */
bool bw_policy_remembers(const struct bw_group *group, const struct bw_watch *watch, int site);

/* The newest epoch was granted on a person's word of whose data is to count: its site overrode (3.8), or was named as the
 * first (3.9). That data is the newest without any start of the epoch, so none gives it back by leaving it alone (4). */
bool bw_policy_is_vouched(const struct bw_group *group, const struct bw_watch *watch);

/* The data site, unless that has forgotten. */
bool bw_policy_has_newest_data(const struct bw_group *group, const struct bw_watch *watch, int site);

/* 3.4: an end by time that rests on a second enforcer rests on the newest renewal's word of it
 * (second_seen.c). */
bool bw_second_lets_renew(const struct bw_group *group, const struct bw_report *report);

#endif
