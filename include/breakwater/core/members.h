/* members.h - who the witnesses are to be (the *roster*), who votes, and the one step that brings the second
 * nearer to the first. Design 3.9. Pure.
 *
 * The roster is the wish: an entry of the log, and in every snapshot. Raft's configuration is the fact. Whoever
 * leads compares the two and takes one step, so a change whose leader died, or whose fate is unknown, is simply
 * gone on with; nothing is stored beside the roster. */
#ifndef BW_CORE_MEMBERS_H
#define BW_CORE_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>

#define BW_MEMBERS_LEVEL 2 /* the feature level from which on members change (5.3) */

/* Ids are used up: none is given twice. A file gives none above the first; one that joins comes at
 * most so far above the highest that was ever given, or whoever holds one certificate would leave
 * no id to anybody. */
#define BW_MEMBERS_ID_MAX      1000000000
#define BW_MEMBERS_ID_STEP_MAX 1000

/* ---- the roster ---- */

struct bw_roster_member {
    uint64_t id;
    struct bw_id incarnation; /* of its data directory */
    /* The rest only in a roster of the second form. */
    bool is_leaving;
    char name[BW_NAME_MAX + 1];
    char address[BW_ADDRESS_MAX + 1]; /* HTTPS */
    char raft[BW_ADDRESS_MAX + 1];
    char failure_domain[BW_NAME_MAX + 1]; /* "": nobody said */
};

struct bw_roster {
    unsigned count;  /* 0: there is none */
    uint64_t id_max; /* the highest id ever given; an id up to it that is no member's was removed. 0: of the
                        first form, which a cluster begins with: ids and incarnations only */
    struct bw_roster_member members[BW_WITNESSES_MAX]; /* by id, each once */
};

/* NULL: none. */
const struct bw_roster_member *bw_roster_find(const struct bw_roster *roster, uint64_t id);
const struct bw_roster_member *bw_roster_find_name(const struct bw_roster *roster, const char *name);
/* It was a member, and is none. */
bool bw_roster_has_removed(const struct bw_roster *roster, uint64_t id);

/* ---- one that was removed ---- */

/* "Witness `id` was removed", as another one says by its newest roster that was applied. A false one would destroy
 * a voter: it is said only of an id that was given before and is no member's, which stays so for ever in one
 * generation (bw_roster_has_removed); never to one of whom the speaker has merely not heard yet. */
struct bw_members_removal {
    struct bw_id cluster_id;
    uint64_t generation; /* of who says so */
    uint64_t id;         /* whom it concerns */
    uint64_t id_max;     /* of that roster */
    uint64_t from;       /* who says so, authenticated as a witness */
};
/* Who hears it. */
struct bw_members_hearer {
    struct bw_id cluster_id;
    uint64_t id;
    uint64_t generation; /* 0: nothing was applied here yet */
    uint64_t leader;     /* whom it follows, or itself; 0: nobody */
    bool is_bare;        /* its log is empty */
    const struct bw_roster *applied; /* the newest */
};
/* Whether it believes that. One that leads, or follows somebody else than who says so, is needed where it is: the
 * word of one member does not end it, not of a newer generation either, which a person may have begun by mistake.
 * One with an empty log has never been a member. */
bool bw_members_believes_removal(const struct bw_members_removal *removal,
                                 const struct bw_members_hearer *hearer);

/* ---- what is so ---- */

/* In Raft's configuration. A spare is sent nothing, a standby the log; neither has a vote. */
enum bw_member_role {
    BW_MEMBER_ABSENT,
    BW_MEMBER_SPARE,
    BW_MEMBER_STANDBY,
    BW_MEMBER_VOTER,
};

struct bw_member_fact {
    uint64_t id;
    enum bw_member_role role;
    bool is_live;     /* heard lately; the leader itself is */
    bool has_settled; /* its log has an entry that was appended after the last change had committed */
};

struct bw_members_facts {
    uint64_t self;       /* who leads, and looks */
    bool is_changing;    /* a change of the configuration is under way */
    bool has_marker;     /* the entry that `has_settled` speaks of has been appended */
    unsigned count;
    struct bw_member_fact list[2 * BW_WITNESSES_MAX + 2];
};

/* Of one that Raft does not know: ABSENT, and not live. */
const struct bw_member_fact *bw_members_fact(const struct bw_members_facts *facts, uint64_t id);

/* ---- the step ---- */

enum bw_members_step_kind {
    BW_MEMBERS_NOTHING, /* fact and wish agree */
    BW_MEMBERS_WAIT,
    BW_MEMBERS_MARK,    /* append an entry, to see who has what */
    BW_MEMBERS_ADD,       /* to the configuration, as a spare */
    BW_MEMBERS_FEED,      /* make it a standby */
    BW_MEMBERS_PROMOTE,   /* to a voter */
    BW_MEMBERS_HAND_OVER, /* leadership: this one is to be removed */
    BW_MEMBERS_REMOVE,    /* from the configuration */
    BW_MEMBERS_FORGET,    /* from the roster */
};

struct bw_members_step {
    enum bw_members_step_kind kind;
    uint64_t id;      /* whom it concerns; 0: nobody */
    const char *rule; /* its id (rules.h) */
    char why[192];    /* WAIT: for what, for people; else "" */
};

/* The next step of a leader that has proved that it leads. Only in a roster of the second form is anything
 * wished. */
void bw_members_next(const struct bw_roster *roster, const struct bw_members_facts *facts,
                     struct bw_members_step *out_step);

/* ---- what people order: a new roster, or why not ---- */

/* One change at a time: `*out_roster` is taken only while fact and wish agree, but for what takes the other one
 * back: remove of a member that has not voted yet, add of one that is leaving and still votes.
 * BW_ERR_EXISTS: it is so already, or under way. BW_ERR_REFUSED: not so. BW_ERR_BUSY: another change is under
 * way. BW_ERR_NOT_FOUND: no member has that name. */
BW_MUST_CHECK enum bw_err bw_members_add(const struct bw_roster *roster,
                                         const struct bw_members_facts *facts,
                                         const struct bw_roster_member *joining,
                                         struct bw_roster *out_roster, struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_members_remove(const struct bw_roster *roster,
                                            const struct bw_members_facts *facts, const char *name,
                                            struct bw_roster *out_roster, struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_members_replace(const struct bw_roster *roster,
                                             const struct bw_members_facts *facts, const char *old,
                                             const struct bw_roster_member *joining,
                                             struct bw_roster *out_roster, struct bw_diag *diag);
/* May members change at this feature level of the cluster (5.3)? BW_ERR_REFUSED, and how to raise it. */
BW_MUST_CHECK enum bw_err bw_members_admit(uint32_t feature_level, struct bw_diag *diag);
/* Could `joining` be taken, whenever somebody says so? Errors as of add. */
BW_MUST_CHECK enum bw_err bw_members_judge(const struct bw_roster *roster,
                                           const struct bw_roster_member *joining,
                                           struct bw_diag *diag);
/* The roster without a member that has left the configuration. */
void bw_members_forget(const struct bw_roster *roster, uint64_t id, struct bw_roster *out_roster);

/* 3.9: whom a cluster begins anew with, `self` alone: nobody of `old`, its newest roster (count 0: none is
 * known), is heard or gets its id back, nor does anybody up to `id_max`. */
void bw_members_alone(const struct bw_roster *old, const struct bw_roster_member *self,
                      uint64_t id_max, struct bw_roster *out_roster);

/* ---- how many may fail ---- */

struct bw_members_count {
    unsigned voters;
    unsigned live;
    unsigned may_fail; /* of the live ones, before no majority is left */
};
struct bw_members_count bw_members_count(const struct bw_members_facts *facts);
/* The same once `roster` is fact, and halfway: everybody in it votes, nobody has been removed. */
struct bw_members_count bw_members_count_after(const struct bw_roster *roster,
                                               const struct bw_members_facts *facts,
                                               bool is_halfway);

#endif
