/* witness.h - a witness as one machine without a transport: what is applied and restored; when a group is
 * decided about and what is proposed; the proofs of leadership that confirmations wait for; what an agent is
 * answered, by whom and when; which cluster this is. Design 3.1-3.3, 3.9, 4, 5.3. What it decides by is
 * core/witness.h.
 *
 * Events in, actions out: the product (src/witness) and the simulator (chaos/sim) run this same code.
 * Whoever drives it owns clocks, sockets, the log, processes and certificates, and decides nothing. No I/O,
 * no heap: what waits is the driver's memory, and bounded here. */
#ifndef BW_MACHINE_WITNESS_H
#define BW_MACHINE_WITNESS_H

#include <breakwater/core/foretell.h>
#include <breakwater/core/witness.h>

#define BW_WITNESS_SYNCS_MAX 256 /* that wait; of more, each is answered without a confirmation */
#define BW_WITNESS_POLLS_MAX 256 /* that wait; more are refused */
#define BW_WITNESS_POLL_MS_MAX 60000
#define BW_WITNESS_PROOF_APART UINT64_MAX /* no number: one that somebody waits for alone */
/* So long a sync waits for a proof; then it is answered without a confirmation. */
#define BW_WITNESS_PROOF_MS 3000
/* A leader whose log has not moved for so long writes an entry into it: a disk that takes nothing is found by it. */
#define BW_WITNESS_LOG_REST_MS 60000
/* So long for the leader's answer; then it is a follower's. */
#define BW_WITNESS_RELAY_MS 2000
/* A leader without a cluster id offers one again. */
#define BW_WITNESS_FOUND_MS 10000
/* What applied entries did is kept for so many of the newest: no fewer than may be applied between an
 * entry and the end of its request. */
#define BW_WITNESS_NOTES 4096

/* ---- who waits -------------------------------------------------------------------------------- */

/* A sync or a poll, in the memory of whoever drives: filled in, given with SYNC or POLL, and from then on the
 * machine's until ANSWER, PASS_ON or REFUSE has come for it, or GONE was told. */
struct bw_witness_call {
    char site[BW_NAME_MAX + 1];  /* for which it may speak: by its certificate, or as the witness that
                                    relays it vouches by its own */
    char agent[BW_NAME_MAX + 1]; /* likewise */
    char relayer[BW_NAME_MAX + 1]; /* the name in the certificate of that witness; "": directly */
    struct bw_instant received;    /* read after its bytes were read */
    const struct bw_sync *sync;    /* SYNC; with at most answer_group_max groups. NULL: it cannot be read,
                                      and `err` and `text` say why */
    enum bw_err err;
    const char *text;
    uint64_t after;   /* POLL: newer orders are news */
    uint32_t wait_ms; /* POLL; 0: it is answered at once */
    /* the machine's own: */
    uint64_t relayed_by;     /* id of `relayer`; 0: it came directly */
    uint64_t proof;          /* number of that which it waits for; 0: none */
    bool is_relayed;         /* it waits for the leader's answer */
    struct bw_instant until; /* it is answered then at the latest */
    struct bw_witness_call *next, **previous; /* previous NULL: it does not wait */
};

enum bw_witness_refusal {
    BW_WITNESS_REFUSES_UNREADABLE, /* `err` and `text` of the call say why */
    BW_WITNESS_REFUSES_NO_MEMBER,  /* whoever relays is no member */
    BW_WITNESS_REFUSES_NAME,       /* the sync names another site or agent than the call */
    BW_WITNESS_REFUSES_TOO_EARLY,  /* this witness does not know yet which cluster it belongs to */
    BW_WITNESS_REFUSES_CLUSTER,    /* the agent belongs to another one */
    BW_WITNESS_REFUSES_GENERATION, /* it knows a newer generation: this witness was left behind (3.9) */
    BW_WITNESS_REFUSES_AGENT_LEVEL, /* the agent is older than what the cluster uses (5.3) */
    BW_WITNESS_REFUSES_GUARD_LEVEL, /* likewise its guard */
    BW_WITNESS_REFUSES_WAIT,       /* a poll for longer than BW_WITNESS_POLL_MS_MAX */
    BW_WITNESS_REFUSES_POLLS,      /* BW_WITNESS_POLLS_MAX wait already */
};

/* ---- what happens ----------------------------------------------------------------------------- */

enum bw_witness_event_kind {
    BW_WITNESS_EVENT_WAKE,        /* bw_witness_machine_wake_at may be reached; never harmful */
    BW_WITNESS_EVENT_SETTLE,      /* what was touched is decided about: as soon as Raft's step is over
                                     while bw_witness_machine_is_unsettled */
    BW_WITNESS_EVENT_LEADING,     /* leads `term`, whose barrier has been applied (3.3) */
    BW_WITNESS_EVENT_NOT_LEADING, /* or no more, or not yet */
    BW_WITNESS_EVENT_ENDED,       /* `request`: result of SUBMIT and of PROVE */
    BW_WITNESS_EVENT_SYNC,        /* `call`, of an agent or of a witness that relays */
    BW_WITNESS_EVENT_POLL,        /* `call`, of an agent */
    BW_WITNESS_EVENT_RELAYED,     /* result of RELAY: `ok` if the leader has answered */
    BW_WITNESS_EVENT_GONE,        /* nobody waits for the answer to `call` any more */
    BW_WITNESS_EVENT_BEHIND,      /* `peer` stands still behind what was committed: another leader finds
                                     out what it has lost, and sends it again */
    BW_WITNESS_EVENT_LEAVE,       /* it is asked to end, perhaps again */
};

struct bw_witness_machine;

/* Who waits for the outcome of a command, in memory of its own until then. BW_OK: it was applied as entry
 * `index`, and `applied` says what it did (also: nothing). BW_ERR_UNKNOWN: leadership was lost on the
 * way, it may commit yet. BW_ERR_NO_ROOM: a majority is short of disk, it was not taken. `applied` is NULL
 * unless BW_OK, and for a proof (bw_witness_machine_prove). Called from within the step that ENDED is, and may
 * propose. */
struct bw_proposer {
    void (*on_done)(struct bw_witness_machine *machine, struct bw_proposer *proposer,
                    enum bw_err err, uint64_t index, const struct bw_applied *applied);
};

/* What is on its way through the log. Whoever drives it keeps a copy, which comes back with ENDED. */
struct bw_witness_request {
    struct bw_proposal proposal;  /* of SUBMIT */
    enum bw_command_kind command; /* likewise */
    uint64_t term;                /* in which it was asked for */
    uint64_t proof;               /* of PROVE: its number; 0: it is a command */
    bool by_log;                  /* likewise: by a barrier in any case */
    struct bw_proposer *proposer; /* who waits for the outcome; NULL: nobody does */
};

struct bw_witness_event {
    enum bw_witness_event_kind kind;
    uint64_t term;                            /* LEADING */
    const struct bw_witness_request *request; /* ENDED; borrowed for the step */
    enum bw_err err; /* ENDED. BW_OK: a command was applied as entry `index`; a proof: this witness led
                        when all that was committed before was applied here. Else its fate is unknown */
    uint64_t index;  /* ENDED; of a proof 0: the log was not asked */
    struct bw_witness_call *call; /* SYNC POLL RELAYED GONE */
    bool ok;                      /* RELAYED */
    uint64_t peer;                /* BEHIND: id of that witness */
};

/* ---- what it asks for ------------------------------------------------------------------------- */

enum bw_witness_action_kind {
    BW_WITNESS_ACTION_SUBMIT,  /* `command` to the log; ENDED follows. An error: it was not taken,
                                  and  nothing follows */
    BW_WITNESS_ACTION_PROVE,   /* likewise that it leads (3.2.2), by the terms of the others where that will do */
    BW_WITNESS_ACTION_RELAY,   /* the sync of `call`, as it came, to the witness `member`; RELAYED
                                  follows. An error: it was not sent, and nothing follows */
    BW_WITNESS_ACTION_ANSWER, /* `call` with `answer`. A relay of it is given up: nothing follows */
    BW_WITNESS_ACTION_PASS_ON,   /* the leader's answer to `call`, as it came with RELAYED */
    BW_WITNESS_ACTION_REFUSE,    /* `call`, for the reason of `refusal` */
    BW_WITNESS_ACTION_DECIDED,   /* nothing to do: `decision` acts for `group`, and is proposed next,
                                    or was just now, after NOT_TAKEN */
    BW_WITNESS_ACTION_NOT_TAKEN, /* nothing to do: that was not taken by the log. `text` says why. What is
                                    proposed again is not told until it is taken */
    BW_WITNESS_ACTION_REMOTE_FENCE, /* nothing to do: `news` of the fence that is asked for (3.3) */
    BW_WITNESS_ACTION_NOT_FOUNDED, /* nothing to do: nor was the id of the cluster; tried again */
    BW_WITNESS_ACTION_REPORTED,    /* nothing to do: the reports of `call` were kept */
    BW_WITNESS_ACTION_CONFIRMED,   /* nothing to do: the renewal `sync_group` of `call`, for `group`.
                                      `is_new_way`:   the first by its way (3.5) */
    BW_WITNESS_ACTION_UNCONFIRMED, /* nothing to do: one that has waited for the leader's proof */
    BW_WITNESS_ACTION_APPLIED,  /* `apply` is over (witness_operator.h), and the driver's again */
    BW_WITNESS_ACTION_TRANSFER, /* leadership to who can take it best: because of `peer`, or for what
                                   `text` says of `group`; neither: to leave. An error: nobody takes
                                   it now. Else NOT_LEADING may follow */
    BW_WITNESS_ACTION_END,      /* nothing keeps it any more: whoever drives it closes it, after the
                                   step */
};

/* All pointers but `call` and `apply` are the machine's, good until emit returns. */
struct bw_witness_action {
    enum bw_witness_action_kind kind;
    const struct bw_witness_request *request;
    const struct bw_command *command;
    int group;
    const struct bw_decision *decision;
    const struct bw_remote_fence_news *news;
    const char *text;
    struct bw_witness_call *call;
    const struct bw_member *member;
    const struct bw_sync_answer *answer;
    enum bw_witness_refusal refusal;
    const struct bw_sync_group *sync_group;
    bool is_new_way;
    struct bw_apply *apply;
    uint64_t peer;
};

/* Who drives it. */
struct bw_witness_driver {
    void *user;
    /* The clocks, read anew for each decision and each answer (1). */
    struct bw_instant (*now)(void *user);
    /* For people only: when a command was proposed. */
    int64_t (*wall_ms)(void *user);
    /* Id of the witness that the log says leads; 0: unknown. Of this one it says nothing. */
    uint64_t (*leader)(void *user);
    /* Carries `action` out, in the order of the calls, and never calls the machine but for what stands under
     * "the log", which Raft may need to do within it. An error means that it was refused at once; only
     * the actions that say so above may have one; `diag` may say more. */
    enum bw_err (*emit)(void *user, const struct bw_witness_action *action, struct bw_diag *diag);
};

/* ---- the machine ------------------------------------------------------------------------------ */

/* What `witness init` wrote down. */
struct bw_witness_founding {
    struct bw_id cluster_id;
    char cluster[BW_NAME_MAX + 1];
    uint32_t election_timeout_ms;
};

struct bw_witness_setup {
    struct bw_witness_driver driver;
    const char *name; /* of this witness; copied */
    uint32_t feature_level;    /* the newest that its program knows (5.3) */
    struct bw_group *groups;   /* zeroed, group_max of them; kept, like the next two. A place without a
                                  group is never touched */
    struct bw_watch *watches;
    uint32_t group_max;        /* at most BW_GROUPS_MAX */
    struct bw_sync_answer_group *answer_groups; /* no fewer than group_max */
    uint32_t answer_group_max;
    struct bw_record *record; /* kept; bw_record_init has seen it. NULL: this witness keeps none */
};

struct bw_witness_note {
    uint64_t index;
    struct bw_applied applied;
};

struct bw_witness_machine {
    struct bw_witness_driver driver;
    char name[BW_NAME_MAX + 1];
    uint32_t feature_level; /* the newest that it knows */
    struct bw_witness_founding founding;
    struct bw_member members[BW_WITNESSES_MAX];
    uint32_t member_count;
    struct bw_cluster cluster;
    struct bw_witness core;
    /* decisions */
    struct bw_instant due[BW_GROUPS_MAX];   /* at the latest */
    uint64_t touched[BW_GROUPS_MAX / 64];   /* at the next SETTLE */
    uint64_t changed[BW_GROUPS_MAX / 64];   /* and then the polls hear of it */
    bool is_unsettled;                      /* any of them is set */
    struct bw_decision decision;            /* the one under way; too large for a stack */
    struct bw_decision scratch;             /* what would be decided if nobody had asked */
    struct bw_foretelling foretelling;      /* room for what would come of a wish */
    /* the log */
    struct bw_instant found_at;             /* when to look whether there is an id */
    bool is_founding;                       /* one is on its way */
    bool awaits_log;                        /* it was asked for something, and has applied nothing since */
    struct bw_instant awaits_log_since;
    bool tells_followers;                   /* by the next proof: that it is in the log has them apply what is before it */
    struct bw_instant log_moved;            /* when it was seen to: it applied something, or came to lead */
    bool is_applying;                       /* an apply is (bw_apply_may_begin) */
    struct bw_instant changes_until[BW_GROUPS_MAX]; /* when operators may change each as often as at first (5.3) */
    uint32_t refused_count;                 /* proposals that found no room in the log, since one did */
    uint64_t not_taken[BW_GROUPS_MAX / 64]; /* the last proposal was not, which was told */
    struct bw_witness_note notes[BW_WITNESS_NOTES]; /* at index % BW_WITNESS_NOTES */
    /* agents */
    struct bw_witness_call *syncs; /* the newest first, like the next */
    struct bw_witness_call *polls;
    uint32_t sync_count;
    uint32_t poll_count;
    struct bw_sync_answer answer;  /* the one under way, with room for answer_group_max groups */
    uint32_t answer_group_max;
    /* its end */
    bool is_leaving;                 /* it has handed over, and waits for another leader */
    struct bw_instant leaving_until; /* at the latest */
    bool is_stepping;
    bool is_closed;
};

/* It belongs to no cluster yet, and has no members. */
void bw_witness_machine_init(struct bw_witness_machine *machine,
                             const struct bw_witness_setup *setup);
/* Before the log is read. */
void bw_witness_machine_set_founding(struct bw_witness_machine *machine,
                                     const struct bw_witness_founding *founding);
/* They name the same, in the same order; where they live may differ. */
bool bw_witness_members_are_same(const struct bw_member *a, uint32_t a_count, const struct bw_member *b,
                                 uint32_t b_count);
/* May a running witness take these members in place of those that it has? Addresses may change. Who the
 * witnesses are may not: BW_ERR_REFUSED. */
BW_MUST_CHECK enum bw_err bw_witness_machine_judge_members(const struct bw_witness_machine *machine,
                                                           const struct bw_member *members,
                                                           uint32_t count, struct bw_diag *diag);
/* The members of the witness file, this one among them: before the log is read, and whenever an address of
 * theirs has changed. Copied; at most BW_WITNESSES_MAX. */
void bw_witness_machine_set_members(struct bw_witness_machine *machine,
                                    const struct bw_member *members, uint32_t count);
/* One step. */
void bw_witness_machine_step(struct bw_witness_machine *machine,
                             const struct bw_witness_event *event);
bool bw_witness_machine_is_unsettled(const struct bw_witness_machine *machine);
/* Step with WAKE when both clocks have reached this, if nothing happens before. */
struct bw_instant bw_witness_machine_wake_at(const struct bw_witness_machine *machine);
/* Nothing is decided, proposed or answered any more, and steps do nothing but end what waits with GONE or
 * ENDED. */
void bw_witness_machine_close(struct bw_witness_machine *machine);

/* It leads, and its log takes what it is asked to (3.8): agents, metrics and /readyz hear of no other leader. */
bool bw_witness_machine_is_ready(const struct bw_witness_machine *machine);
/* The member that leads, as far as this one knows; itself only once it may act. NULL: unknown. */
const struct bw_member *bw_witness_machine_leader(const struct bw_witness_machine *machine);
/* It has heard which cluster it belongs to: before that it answers nobody. */
bool bw_witness_machine_knows_cluster(const struct bw_witness_machine *machine);

/* ---- the log: from within Raft's step; nothing is asked for ---- */

/* May this witness apply `command`, which was committed? BW_ERR_REFUSED: it is another cluster's.
 * BW_ERR_VERSION: only a newer witness may. It must stop then. */
BW_MUST_CHECK enum bw_err bw_witness_machine_admit(const struct bw_witness_machine *machine,
                                                   const struct bw_command *command,
                                                   struct bw_diag *diag);
/* Entry `index`, which was admitted. What it changed is decided about, and told, at the next SETTLE. */
struct bw_applied bw_witness_machine_apply(struct bw_witness_machine *machine, uint64_t index,
                                           const struct bw_command *command);
/* machine->cluster was read from a snapshot. Errors as of admit. */
BW_MUST_CHECK enum bw_err bw_witness_machine_restored(struct bw_witness_machine *machine,
                                                      struct bw_diag *diag);
/* What entry `index` did, which was applied and whose request has just ended. */
const struct bw_applied *bw_witness_machine_applied(const struct bw_witness_machine *machine,
                                                    uint64_t index);

/* Submits a barrier. BW_OK: `proposer` hears exactly once, as of a command: BW_OK if this witness
 * still led in the same term after this call, and has applied all that was committed before it (3.2.2). Else
 * BW_ERR_NOT_LEADER, or what PROVE is refused with, and nothing follows. */
BW_MUST_CHECK enum bw_err bw_witness_machine_prove(struct bw_witness_machine *machine,
                                                   struct bw_proposer *proposer);

/* ---- what operators order: witness_operator.h, and beneath it ---- */

/* Submits `command`; `by` and `unix_ms` are filled in where empty. BW_OK: `proposer` (may be NULL) hears of
 * the outcome exactly once, never from within this call, also after the machine was closed. Otherwise
 * nothing was submitted: BW_ERR_NOT_LEADER, and what SUBMIT is refused with. */
BW_MUST_CHECK enum bw_err bw_witness_machine_propose(struct bw_witness_machine *machine,
                                                     const struct bw_command *command,
                                                     struct bw_proposer *proposer,
                                                     struct bw_diag *diag);

#endif
