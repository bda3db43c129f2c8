/* checks_own.h - what the checkers remember. Only check*.c include this. */
#ifndef BW_SIM_CHECKS_OWN_H
#define BW_SIM_CHECKS_OWN_H

#include <breakwater/core/guard.h>
#include <breakwater/core/report.h>

#include "check_durable.h"
#include "check_override.h"
#include "check_site.h"
#include "checks.h"
#include "site.h"

struct sim_committed {
    uint64_t hash, term; /* of its bytes; 0: nobody has applied this index yet */
    uint64_t entry_hash; /* of the whole entry, as disks have it */
    uint64_t known_term; /* of whoever applied it first: in that term it was committed, or before */
};
struct sim_acknowledged {
    uint64_t index, hash;
};

/* Whom a configuration has that was appended to some log. */
#define SIM_VOTERS_MAX 16
struct sim_configuration {
    uint64_t index, term;
    uint64_t voters[SIM_VOTERS_MAX];
    uint32_t voter_count;
};

/* One that has left. */
struct sim_vote {
    uint64_t term, candidate, voter; /* ids */
    bool is_wiped; /* the voter's directory is not the one that it came with */
};
#define SIM_VOTES_MAX 1024

/* When a sync left. */
struct sim_sent {
    struct bw_id session;
    uint64_t number; /* 0: none */
    uint32_t site, boots;
    uint64_t true_ns;
    struct bw_instant at; /* by the clocks of its machine */
    uint64_t received_ns[SIM_WITNESSES_MAX]; /* true time; 0: not yet */
    /* What it says of a second enforcer, and when the question left, and its looks began, that this
     * rests on. */
    uint32_t second_seen; /* bits: groups */
    uint64_t second_asked_ns, second_looked_ns;
};
#define SIM_SENT_MAX 256

/* Until when, by the clocks of its site in that boot. */
struct sim_lease {
    uint64_t epoch; /* 0: none */
    uint32_t site, boots;
    struct bw_terms terms;
    struct bw_instant end;
    uint64_t sent_ns; /* true time at which the renewal left that has moved it to there */
};

/* What a witness has heard last of an agent, about one group. */
struct sim_contact {
    uint64_t sent_ns; /* 0: nothing */
    uint32_t life;    /* of the witness */
    struct bw_instant received; /* by its clocks */
    enum bw_service service;
    uint64_t failed_epoch; /* whose fence failed; 0: none */
    uint64_t generation;   /* that it named */
    bool overrides;        /* its site does, it said */
};

/* That a fence has begun, as an agent has read it. */
struct sim_known_fence {
    uint32_t life; /* of the agent */
    uint64_t epoch;
};

/* The generation that an agent has named last. */
struct sim_named {
    uint32_t life;
    uint64_t generation;
};

/* The highest epoch that an agent has kept of all that it was told: while it lives nobody rolls its file back (3.8). */
struct sim_told {
    uint32_t life;
    uint64_t epoch;
};

/* What a leader did last about an epoch: confirmed it, or proposed its end. */
struct sim_proposed {
    uint64_t epoch, term;
    uint32_t life;
    struct bw_instant at;
};

/* What the condition script of a group says at a site, and since when nothing else. */
struct sim_script_verdict {
    enum sim_verdict verdict;
    uint64_t since_ns;
};

/* How often a start of one epoch has begun at a site while its agent and guard know of each other. */
struct sim_starts {
    uint64_t epoch, newest_ns, spec_version;
    uint32_t life, count;
};

/* One override, from its command on (3.8). All are true times; 0: not yet. */
struct sim_overridden {
    enum sim_override kept; /* as it was seen last */
    uint64_t ordered_ns, on_ns, to_end_ns;
    uint64_t decided_ns;   /* another site was granted, or confirmed, since the command */
    uint64_t decided_generation; /* by witnesses of this generation, the newest time */
    uint32_t boots;              /* of its machine, when it began */
    uint32_t second_life;  /* of another agent at its site, at the beginning */
    uint64_t kept_epoch;   /* that the agent's file has beside it */
    int64_t end_unix_ms;   /* by the wall clock, as that file has it */
    uint64_t carried_out;  /* the newest let-go that this site has: a newer one it has to obey */
    bool is_leased;        /* an epoch was armed since: by that it serves, or not at all */
    bool is_orphaned;      /* its agent's state is lost: who is there knows of no word */
    uint64_t orphan_until_ns;
    uint64_t
        knows_by_ns; /* it has heard nobody for a while, and now it does: then it must know */
    uint64_t fenced_ns; /* last, with a reason, or again after such a one */
};

/* What one beginning of the cluster has come to (3.9): indices of its log lie above all of the one before,
 * terms and votes are its own. */
struct sim_generation {
    uint64_t generation; /* as the cluster counts it */
    uint64_t index;      /* of the snapshot that its log begins with; 0: the founding */
    /* I3 */
    uint64_t applied_index;
    struct sim_committed *committed; /* by index, from `index` on */
    uint64_t committed_max, committed_capacity;
    struct sim_acknowledged *acknowledged;
    uint64_t acknowledged_count, acknowledged_capacity;
    uint64_t *leaders; /* by term: the witness's id */
    uint64_t leaders_capacity;
    uint64_t newest_term, newest_leader_ns; /* of which a leader was elected, and when */
    struct sim_lease given[SIM_GROUPS_MAX]; /* by witnesses, heard or not */
    /* members */
    struct sim_configuration *configurations;
    uint32_t configuration_count;
    uint32_t voter_count_max; /* of any of them */
    uint64_t configuration_index; /* the newest that somebody knows to be committed */
    uint64_t configuration_known_term; /* of whom that was known by first */
    struct sim_vote votes[SIM_VOTES_MAX]; /* a ring */
    uint64_t vote_count;
};
#define SIM_GENERATIONS_MAX 16

/* What the files of a guard were read as, to be read again once they change. */
struct sim_guard_read {
    uint64_t memory_version, mirror_version; /* 0: there was none */
    struct bw_guard_memory memory;
    struct bw_guard_mirror mirror;
};

/* Of a site with a second enforcer: true times at which something could not act, the newest ones,
 * and of what was heard last. */
struct sim_second_watch {
    uint32_t life, guard_life;
    uint64_t unable_ns, api_unable_ns, guard_unable_ns;
    uint64_t contact_ns, asked_ns, looked_ns;
    uint64_t
        answered_ns; /* when the newest question left that was answered to its second enforcer */
    uint64_t begun_after_ns[SIM_GROUPS_MAX]; /* that one, as its fence began */
};

/* The newest renewal of a site that was confirmed, and who has failed while its lease lived. */
struct sim_second_lease {
    uint64_t epoch; /* 0: none */
    uint32_t boots;
    struct bw_instant end; /* by the clocks of the site */
    uint64_t end_ns;       /* true time, as far as can be told */
    bool rests_on_second, has_second_failed, has_guard_failed;
    uint64_t asked_ns, looked_ns, sent_ns;
};

struct sim_ahead; /* check_durable.c */

struct sim_checks {
    struct sim_tally tally;
    uint64_t excused_until_ns[SIM_SITES_MAX][SIM_GROUPS_MAX];
    uint64_t unfenced_until_ns[SIM_SITES_MAX][SIM_GROUPS_MAX]; /* a fence did not end its service */
    uint64_t disturbed_until_ns[SIM_SITES_MAX];
    uint32_t cloned_site;
    uint64_t cloned_until_ns; /* 0: none was */
    /* When it must have been found out, if nothing disturbs. */
    uint64_t by_hand_ns[SIM_SITES_MAX][SIM_GROUPS_MAX];
    /* I1 */
    bool is_serving_dirty;
    bool is_served_twice; /* a group, as last seen: looked at after each event */
    uint32_t serving[SIM_GROUPS_MAX]; /* bits: sites that serve, as last seen */
    uint64_t serving_changed_ns[SIM_GROUPS_MAX];
    uint64_t overlap_ends_ns[SIM_GROUPS_MAX]; /* of one that was excused: by then, if nothing excuses it any more */
    uint64_t ended_epoch[SIM_GROUPS_MAX]; /* newest end that was looked at */
    /* A fence from another site: the newest epoch that was closed, that a script has seen the end
     * of, and that one began with before it was closed. */
    uint64_t closed_epoch[SIM_GROUPS_MAX], remote_seen[SIM_GROUPS_MAX];
    uint64_t remote_unclosed[SIM_GROUPS_MAX];
    uint32_t votes_away; /* bits: witnesses */
    /* leases */
    struct sim_sent sent[SIM_SITES_MAX][SIM_AGENTS_MAX][SIM_SENT_MAX]; /* by number, a ring */
    struct sim_lease leases[SIM_SITES_MAX][SIM_GROUPS_MAX];
    uint64_t armed_epoch[SIM_SITES_MAX][SIM_GROUPS_MAX]; /* the newest, as its guard said */
    uint64_t expired_epoch[SIM_GROUPS_MAX];
    struct sim_proposed confirmed[SIM_WITNESSES_MAX][SIM_GROUPS_MAX]; /* as received */
    struct sim_proposed proposed_end[SIM_WITNESSES_MAX][SIM_GROUPS_MAX];
    uint64_t lease_look_ns; /* the next one */
    /* second enforcers */
    struct sim_second_watch second_watch[SIM_SITES_MAX];
    struct sim_second_lease second_leases[SIM_SITES_MAX][SIM_GROUPS_MAX];
    /* recovery */
    struct sim_named named[SIM_SITES_MAX][SIM_AGENTS_MAX];
    struct sim_told told[SIM_SITES_MAX][SIM_AGENTS_MAX][SIM_GROUPS_MAX];
    uint64_t generation_max[SIM_SITES_MAX]; /* that its agents have ever named */
    uint64_t overruled_generation[SIM_GROUPS_MAX]; /* whose first grant a person has answered for */
    uint64_t overruled_epoch[SIM_GROUPS_MAX];      /* that one */
    uint32_t
        overruled_serving[SIM_GROUPS_MAX]; /* bits: sites where something of before was up then, or
                                              came up later and unheard, and has not ended since */
    uint64_t recovered_ns; /* the newest time */
    uint64_t obeys_older_ns[SIM_SITES_MAX][SIM_GROUPS_MAX]; /* when a renewal was confirmed by those before */
    /* overrides */
    struct sim_overridden overridden[SIM_SITES_MAX][SIM_GROUPS_MAX];
    uint64_t scripts_changed_ns[SIM_SITES_MAX]; /* they began to fail, or failed no more */
    bool are_scripts_bad[SIM_SITES_MAX];
    uint64_t answered_ns[SIM_SITES_MAX][SIM_AGENTS_MAX]; /* an answer of a leader, by this agent */
    struct sim_ahead *ahead; /* NULL: no directory has gone back */
    /* reports */
    struct sim_contact reports[SIM_WITNESSES_MAX][SIM_GROUPS_MAX][SIM_SITES_MAX][SIM_AGENTS_MAX];
    struct sim_guard_read guards_read[SIM_SITES_MAX][SIM_GROUPS_MAX];
    uint64_t looked_ns[SIM_SITES_MAX][SIM_GROUPS_MAX]; /* begin of the newest status script */
    uint64_t spec_version[SIM_GROUPS_MAX], spec_changed_ns[SIM_GROUPS_MAX];
    /* scripts */
    struct sim_script_verdict conditions[SIM_SITES_MAX][SIM_GROUPS_MAX];
    struct sim_starts starts[SIM_SITES_MAX][SIM_GROUPS_MAX];
    uint32_t greetings[SIM_SITES_MAX];
    /* log */
    uint64_t held_epoch[SIM_GROUPS_MAX];
    uint64_t wished_index[SIM_GROUPS_MAX], wished_generation[SIM_GROUPS_MAX]; /* told as taken */
    /* sites */
    uint64_t fenced_ns[SIM_SITES_MAX][SIM_GROUPS_MAX]; /* begin of the newest fence script */
    struct sim_known_fence known_fence[SIM_SITES_MAX][SIM_AGENTS_MAX][SIM_GROUPS_MAX];
    /* I2 */
    uint32_t applied_by; /* bits: witnesses that have applied something in the present event */
    uint64_t started_epoch[SIM_GROUPS_MAX]; /* highest that a start began for, and where */
    char started_at[SIM_GROUPS_MAX][BW_NAME_MAX + 1];
    uint64_t epoch_seen[SIM_WITNESSES_MAX][SIM_GROUPS_MAX];
    uint32_t epoch_life[SIM_WITNESSES_MAX]; /* of that process */
    uint64_t newest_epoch[SIM_GROUPS_MAX];
    uint64_t ahead_epoch[SIM_GROUPS_MAX];   /* the newest that was granted ahead of its point of no
                                               return */
    uint64_t passed_epoch[SIM_GROUPS_MAX];  /* the newest whose Passed was committed */
    uint64_t planned_epoch[SIM_GROUPS_MAX]; /* the newest that was granted in a planned move */
    uint64_t served_epoch[SIM_GROUPS_MAX];  /* the newest under which a service came up, and where */
    char served_at[SIM_GROUPS_MAX][BW_NAME_MAX + 1];
    /* the newest grant a person has started it somewhere, or two have served outside of what is
     * promised */
    bool by_hand_since[SIM_GROUPS_MAX];
    char newest_site[SIM_GROUPS_MAX][BW_NAME_MAX + 1];
    /* I3, members */
    struct sim_generation *generations[SIM_GENERATIONS_MAX]; /* the log of each */
    uint32_t generation_count;
    uint64_t applied_index[SIM_WITNESSES_MAX];
    uint64_t *past; /* ids that were removed, and that is committed, in whichever generation */
    uint32_t past_count;
    /* liveness: what was there when everything should have been well again */
    bool is_settled; /* false: the bound was longer than the calm, nothing was judged */
    uint32_t settled_serving[SIM_GROUPS_MAX]; /* bits */
    uint64_t settled_epoch[SIM_GROUPS_MAX];
    uint32_t settled_boots[SIM_SITES_MAX]; /* more: somebody has taken its power away since
                                              (force-release) */
};

/* Of an entry; of what the disk of this witness holds. */
struct sim_generation *sim_generation_at(const struct sim_world *world, uint64_t index);
struct sim_generation *sim_generation_of(const struct sim_process *witness);
/* As the cluster counts it; NULL: there is none of that number. */
struct sim_generation *sim_generation_numbered(const struct sim_world *world, uint64_t generation);
static inline struct sim_committed *sim_committed_at(const struct sim_generation *generation,
                                                     uint64_t index)
{
    return &generation->committed[index - generation->index];
}

/* A person has answered for what serves at this site: until it has heard of the generation in which
 * the group began, and until what has come up before it heard has ended, however long its fence
 * takes (3.8). */
static inline bool sim_checks_is_outdated(const struct sim_checks *checks, uint32_t site,
                                          uint32_t group)
{
    return checks->generation_max[site] < checks->overruled_generation[group];
}
static inline bool sim_checks_is_answered_for(const struct sim_world *world, uint32_t site,
                                              uint32_t group)
{
    const struct sim_checks *checks = world->checks;

    return sim_checks_is_outdated(checks, site, group) ||
           ((checks->overruled_serving[group] >> site & 1) != 0 &&
            sim_service_epoch(sim_site((struct sim_world *)(uintptr_t)world, site), group) <
                checks->overruled_epoch[group]);
}
/* Beyond what is promised of this site's service of the group, now, wherever it was seen. */
static inline bool sim_checks_is_excused_anywhere(const struct sim_world *world, uint32_t site, uint32_t group)
{
    return world->checks->excused_until_ns[site][group] >= world->now_ns ||
           sim_checks_is_answered_for(world, site, group) || sim_check_ahead_excuses(world, site, group) ||
           sim_service_is_twice(sim_site((struct sim_world *)(uintptr_t)world, site), group);
}
/* Or a look took what a start has left in the reach for it: that explains what its site says, never that time hands it over. */
static inline bool sim_checks_is_excused(const struct sim_world *world, uint32_t site,
                                         uint32_t group)
{
    return sim_checks_is_excused_anywhere(world, site, group) ||
           sim_service_is_masked(sim_site((struct sim_world *)(uintptr_t)world, site), group);
}
/* A KILL that does not end what is in reach explains that it outlives its lease, and what follows from
 * that by time. Never that somebody says it has ended; nor does anything excuse a service outside of
 * the reach that breakwater has started: that one is known to be so, and time ends no epoch of it (3.3,
 * 3.4). What a person has started out there ends when a script succeeds (3.8). Nor is a unit ended in time
 * that came up as guard and agent were gone (3.8). */
bool sim_checks_is_lapse_excused(struct sim_world *world, uint32_t site, uint32_t group);

/* A fence script that hangs for ever is ended by a person alone where the service was not seen
 * inside (3.2.4). */
bool sim_checks_is_fenced_for_ever(struct sim_world *world, uint32_t group);
/* Every fault is over, and nobody has switched that site off since. */
bool sim_checks_is_calm(struct sim_world *world, uint32_t site);

/* What nobody has ordered at this site is ended by then, once nothing disturbs it any more. */
uint64_t sim_checks_found_out_ns(const struct sim_world *world, uint32_t site);

/* check_site.c: this state of a witness says whose data is the newest. */
void sim_check_data_site(struct sim_world *world, uint32_t group, const struct bw_group *found);

#endif
