/* witness_members.h - how a witness sees to the cluster's members: what is answered to one that
 * asks to join, what an order of people comes to, and who is meant by the one that joins; what
 * whoever leads does next, and when it looks again; when a witness asks the others. What a roster
 * may become, and which step is next, is core/members.h's. Design 3.9, 5.3.
 *
 * Whoever drives it has sockets, the log and timers: it says what is so and carries out what is
 * returned. Milliseconds are those of one clock of this process, and never 0. Pure. */
#ifndef BW_MACHINE_WITNESS_MEMBERS_H
#define BW_MACHINE_WITNESS_MEMBERS_H

#include <breakwater/core/cluster.h>
#include <breakwater/core/members.h>

/* ---- who asks to join ------------------------------------------------------------------------ */

#define BW_APPLICANTS_MAX   8
#define BW_VERSION_TEXT_MAX 31
#define BW_LOOK_AGAIN_MS    5000 /* after a look that has failed has begun */

/* What is known of its address: it was asked back there. */
enum bw_look { BW_LOOK_NONE, BW_LOOK_DONE, BW_LOOK_FAILED };

struct bw_applicant {
    struct bw_roster_member member; /* as it says of itself; its name is its certificate's */
    char version[BW_VERSION_TEXT_MAX + 1];
    uint32_t level;
    uint32_t election_timeout_ms; /* 0: it is of a release that does not say */
    uint64_t contact_ms;          /* 0: an empty slot */
    bool is_refused;              /* it cannot be added as it is: `why` */
    enum bw_look look;
    /* Of the slot, whoever has it: it begins no look before the one that is under way is over, however
     * often another one asks from it. */
    bool is_looking;
    uint64_t looked_ms; /* when the last one began; 0: none */
    char why[BW_DIAG_TEXT_BYTES]; /* of one that is refused, and of a look that has failed */
};

/* Of a running witness; all zero at first. */
struct bw_witness_members {
    struct bw_applicant applicants[BW_APPLICANTS_MAX];
    bool is_submitting;     /* a roster is on its way; the driver's to set */
    uint64_t not_before_ms; /* a step that was refused is tried again then */
    /* The step that was news last, until nothing was under way; NULL: none. */
    const char *last_rule;
    uint64_t last_id;
    enum bw_members_step_kind last_kind;
    uint64_t leaderless_since_ms; /* 0: it knows a leader */
    uint64_t asked_ms;            /* 0: it has not, or asks again at once */
};

/* It has said so lately. */
bool bw_applicant_is_here(const struct bw_applicant *applicant, uint64_t now_ms);
/* It asks in vain. */
bool bw_applicant_cannot_join(const struct bw_applicant *applicant);
/* NULL: nobody of that name asks to join now. Also one that is refused, or is still looked at. */
const struct bw_applicant *bw_applicant_find(const struct bw_witness_members *members,
                                             const char *name, uint64_t now_ms);

/* By what this witness judges. */
struct bw_members_sight {
    uint64_t now_ms;
    const struct bw_cluster *cluster;
    const struct bw_roster *applied; /* the newest that was applied here */
    const struct bw_roster *roster;  /* the newest, in its second form; NULL: it is not known */
    const char *lacks;               /* and then: why; "": nobody has said */
};

/* ---- what is answered to one that asks ------------------------------------------------------- */

#define BW_JOIN_STANDING_LIST(X)                                                                   \
    X(REFUSED, "refused")                                                                          \
    X(APPLICANT, "applicant") /* people may add it */                                              \
    X(MEMBER, "member")                                                                            \
    X(REMOVED, "removed")     /* it was one */                                                     \
    X(LOOKED_AT, "looked_at") /* it is asked back at its address */
enum bw_join_standing {
#define X(name, word) BW_JOIN_##name,
    BW_JOIN_STANDING_LIST(X)
#undef X
};
const char *bw_join_standing_word(enum bw_join_standing standing);

struct bw_join_answer {
    enum bw_join_standing standing;
    struct bw_diag words; /* its text: for people there; "": none */
    bool names_members;   /* with who there is */
    struct bw_applicant
        *noted;   /* its slot; NULL: it has none, and if it was to have one it asks again */
    bool is_news; /* that it asks so, `noted` */
    bool looks;   /* ask back at the address of `noted`, as below */
};

/* `joiner`: as it says of itself, of cluster `cluster_id`; nothing of what is found out here. This
 * witness knows its own cluster. */
void bw_witness_members_on_join(struct bw_witness_members *members,
                                const struct bw_members_sight *sight,
                                const struct bw_applicant *joiner, struct bw_id cluster_id,
                                struct bw_join_answer *out_answer);
/* What came of `looks`, at `asked`, who was `noted` in `slot` then: nothing is wrong with what answers at
 * its address, or it is silent: `why` NULL; else what is. It says nothing of another one who has the
 * slot by now. */
void bw_applicant_on_looked(struct bw_applicant *slot, const struct bw_roster_member *asked,
                            const char *why);
/* It could not be begun. */
void bw_applicant_on_not_looked(struct bw_applicant *slot);

/* ---- what people order ----------------------------------------------------------------------- */

enum bw_members_order_kind {
    BW_MEMBERS_ORDER_ADD,
    BW_MEMBERS_ORDER_REMOVE,
    BW_MEMBERS_ORDER_REPLACE,
    BW_MEMBERS_ORDER_LEAD,
    BW_MEMBERS_ORDER_COUNT
};
const char *bw_members_order_word(enum bw_members_order_kind kind);

struct bw_members_order {
    enum bw_members_order_kind kind;
    char name[BW_NAME_MAX + 1]; /* of the one that is to be added, removed, or to lead */
    char old[BW_NAME_MAX + 1];  /* REPLACE */
};

/* What it comes to. BW_OK: `wanted` is to be the roster; LEAD: voter `id` is to lead.
 * BW_ERR_EXISTS: it is so already. Else `diag` says why it cannot be, where there is anything to
 * say. */
struct bw_members_outcome {
    enum bw_err err;
    struct bw_diag diag;
    bool is_looking; /* at the one that asks: the answer is another in a moment */
    struct bw_roster wanted;
    uint64_t id;
};

/* Of a leader, which sees `facts`. */
void bw_witness_members_judge_order(const struct bw_witness_members *members,
                                    const struct bw_members_sight *sight,
                                    const struct bw_members_facts *facts,
                                    const struct bw_members_order *order,
                                    struct bw_members_outcome *out_outcome);

/* ---- what whoever leads does, step by step --------------------------------------------------- */

/* Who was heard within this time is live (core/members.h). */
uint64_t bw_members_live_ms(uint32_t election_timeout_ms);

enum bw_members_action_kind {
    BW_MEMBERS_ACTION_NONE,
    BW_MEMBERS_ACTION_CHANGE,    /* `step` in Raft's configuration, or MARK */
    BW_MEMBERS_ACTION_HAND_OVER, /* leadership, to whom Raft chooses */
    BW_MEMBERS_ACTION_SUBMIT,    /* `roster` to the log */
};
struct bw_members_action {
    enum bw_members_action_kind kind;
    bool is_news; /* `step` is another than was told last */
    struct bw_members_step step;
    struct bw_roster roster;
};

/* On each tick. `facts`: NULL unless it leads and may submit. True: something is under way. An
 * action was taken or not: bw_witness_members_on_taken, also of NONE. */
bool bw_witness_members_lead(struct bw_witness_members *members, const struct bw_roster *roster,
                             const struct bw_members_facts *facts, uint64_t now_ms,
                             struct bw_members_action *out_action);
void bw_witness_members_on_taken(struct bw_witness_members *members, enum bw_err err,
                                 uint64_t now_ms);
/* From one tick to the next. After a roster has ended, be it as it may, the next one is due at
 * once. */
uint64_t bw_witness_members_tick_ms(bool is_busy);

/* ---- whom nobody has let in, or nobody leads ------------------------------------------------- */

struct bw_join_reason {
    uint64_t now_ms;
    uint32_t election_timeout_ms;
    bool has_leader; /* it knows of one, or leads */
    bool is_bare;    /* its log has no roster yet */
    bool is_joining; /* its directory was made to join a cluster that is there */
    bool is_named;   /* in the newest roster that it has */
};
/* On each tick. True: it asks everybody whom it knows of (PROTOCOL.md, 2), now. */
bool bw_witness_members_asks(struct bw_witness_members *members,
                             const struct bw_join_reason *reason);
/* It was answered that it is looked at: it asks again on the next tick, for that does not take
 * long. */
void bw_witness_members_ask_again(struct bw_witness_members *members);

#endif
