/* second.h - the second enforcer: a process on another machine of the site, which fences a service that
 * outlives the machine of its guard (a workload of Kubernetes) when the lease has not gone on. Design 3.4.
 * Pure: events and the instant that belongs to them in, actions out.
 *
 * It never starts anything and knows no witness. It asks the site's agent how much of the lease is left, and
 * counts that from the instant at which it asked: never later than the agent's own deadline, without any
 * clock being compared. Here is what both say, and its machine for one group; what the agent makes of it
 * is core/site/second.c. */
#ifndef BW_CORE_SECOND_H
#define BW_CORE_SECOND_H

#include <breakwater/base/instant.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/core/report.h>

/* ---- what is said, of one group ---- */

/* The second enforcer, with each question. */
struct bw_second_report {
    uint64_t armed_epoch;       /* which it will fence at its deadline, durably; 0: none */
    enum bw_service service;    /* by its newest look, begun so long before it asked */
    uint32_t service_age_ms;
    uint32_t
        check_interval_ms; /* between its looks; what the newest one took, where that was longer */
    bool has_agreed;            /* with its scripts as they are it has seen `started` while the agent
                                   said that the epoch serves: it looks at the same service */
    uint64_t fence_epoch;       /* newest epoch of which it has begun a fence; 0: none */
    bool fence_seen;            /* ... and has seen the end */
    bool is_proved;             /* its fence_script alone has ended what served, within F; with its scripts as they are */
    uint64_t proof_ended;       /* the newest proof that its agent asked for and that came to an end; 0: none */
};

/* The agent, in its answer. All zero: it knows nothing, and nothing changes. */
struct bw_second_lease {
    uint64_t epoch;      /* whose lease its guard has acknowledged and is alive; 0: none */
    uint64_t left_ns;    /* of that lease, read after the question had come */
    uint64_t fence_ns;   /* F */
    bool serves;         /* its own newest look said `started` in this epoch */
    uint64_t over_epoch; /* this one and those below were given back or let go, durably, or what serves is a person's:
                            nothing of them is left to end */
    uint64_t proof;      /* it shall fence once under this lease, to prove that it can; another number: another proof;
                            0: it shall not, nor go on */
};

/* A whole question, and its answer. `groups` belongs to whoever made the struct. */
struct bw_second_ask_group {
    char name[BW_NAME_MAX + 1];
    struct bw_second_report report;
};
struct bw_second_ask {
    struct bw_id session; /* of the process that asks */
    struct bw_id boot_id; /* of its machine */
    uint32_t group_count;
    struct bw_second_ask_group *groups;
};
struct bw_second_answer_group {
    char name[BW_NAME_MAX + 1];
    struct bw_second_lease lease;
};
struct bw_second_answer {
    struct bw_id cluster_id; /* the agent's, durable there; none: it has met no cluster yet, or is of a release that says none */
    uint32_t interval_ms; /* how often the agent wants to be asked */
    uint32_t limit_ms;    /* how long an answer may take */
    uint32_t group_count;
    struct bw_second_answer_group *groups;
};

/* ---- its machine ---- */

/* Durable: fsynced before the epoch is said to be armed. */
struct bw_second_memory {
    struct bw_id cluster_id; /* whose epochs these are; none: no agent has said so yet */
    uint64_t epoch;         /* highest that it has taken; 0: none */
    bool is_over;           /* nothing of it is left to end */
    uint64_t fence_ns;      /* its F */
    uint64_t agreed_digest; /* of the scripts with which it has agreed with its agent; 0: none */
    uint64_t proved_digest; /* of those with which its fence was proved; 0: none */
    /* As its agent wanted to be asked when the epoch was taken, and how long an answer might take: neither is longer
     * than the terms of that epoch have it. 0: nobody has said. */
    uint32_t interval_ms;
    uint32_t limit_ms;
};

/* In a mirror that outlives the process and not the boot, as the guard's: the deadline that it was
 * told last. */
struct bw_second_mirror {
    struct bw_id cluster_id; /* of that epoch, likewise */
    uint64_t epoch;        /* whose; 0: none */
    uint64_t fence_ns;     /* its F */
    struct bw_instant end; /* by the clocks of this boot */
};

struct bw_second_limits {
    uint64_t check_interval_ns;
    uint64_t fence_limit_ns; /* of fence_script */
    uint64_t digest;         /* of the scripts when it begins, not 0 */
};

#define BW_SECOND_PHASE_LIST(X)                                                                    \
    X(IDLE)    /* nothing is armed */                                                              \
    X(ARMED)   /* it fences at `end` less F, unless the agent says that there is more */           \
    X(SCRIPT)  /* fence_script runs, or waits to run again */                                      \
    X(LOOKING) /* it has ended well: is the service seen to have stopped? */                       \
    X(FENCED)  /* the end was seen; what serves again is fenced again */
enum bw_second_phase {
#define X(name) BW_SECOND_##name,
    BW_SECOND_PHASE_LIST(X)
#undef X
};

/* A proof that its fence ends the service, step by step. Only while it is ARMED: the deadline goes on, and what is due
 * by it takes the place of a proof. */
enum bw_second_proof {
    BW_SECOND_PROOF_NONE,
    BW_SECOND_PROOF_BEFORE, /* a look that begins now has to see the service run */
    BW_SECOND_PROOF_SCRIPT, /* fence_script runs, or waits for the one before to die */
    BW_SECOND_PROOF_AFTER,  /* a look that begins now has to see that it has stopped */
    BW_SECOND_PROOF_SEEN,   /* it has: proved, if the agent still asks for it in answer to a later question, so that nothing
                               else has ended the service meanwhile */
};

enum bw_second_event_kind {
    BW_SECOND_EVENT_TICK,
    BW_SECOND_EVENT_ANSWERED, /* the agent's answer to the question that left at `asked` */
    BW_SECOND_EVENT_SAVED,    /* result of SAVE `number` */
    BW_SECOND_EVENT_LOOKED,   /* result of LOOK: ended, killed, or never begun (UNKNOWN) */
    BW_SECOND_EVENT_FENCED,   /* result of FENCE: `ok`, it ended by itself with 0 */
};
struct bw_second_event {
    enum bw_second_event_kind kind;
    const struct bw_second_lease *lease; /* ANSWERED: borrowed for the step */
    struct bw_id cluster_id;             /* ANSWERED: of the agent; none: it says none */
    struct bw_instant asked;             /* ANSWERED: read before the question left */
    uint32_t interval_ms;                /* ANSWERED: what it says for all groups; 0: nothing */
    uint32_t limit_ms;
    uint64_t number;                     /* SAVED */
    bool ok;                             /* SAVED FENCED */
    enum bw_service service;             /* LOOKED */
    uint64_t
        digest; /* LOOKED: of the scripts as they lay there right before it; 0: it is not known */
};

enum bw_second_action_kind {
    BW_SECOND_ACTION_SAVE,   /* fsync the memory as it is after this step; SAVED follows */
    BW_SECOND_ACTION_MIRROR, /* write `memory.epoch` and `end` into the mirror, or that there is none where nothing
                                is left to end. Nothing follows: who begins with an older one fences earlier */
    BW_SECOND_ACTION_LOOK,   /* run status_script; LOOKED follows. One at a time */
    BW_SECOND_ACTION_KILL_LOOK, /* end it, whole tree; LOOKED still follows */
    BW_SECOND_ACTION_FENCE, /* run fence_script of `epoch`, at most limit_ns; FENCED follows. One at
                               a time, also beside a look that is dying */
    BW_SECOND_ACTION_KILL_FENCE, /* end it, whole tree; FENCED still follows */
    BW_SECOND_ACTION_ASK_NOW,    /* there is news for the agent */
};
struct bw_second_action {
    enum bw_second_action_kind kind;
    const char *rule; /* stable id */
    uint64_t number;  /* SAVE */
    uint64_t epoch;   /* FENCE */
    uint64_t limit_ns; /* FENCE */
    bool restarts;     /* FENCE: it is a proof, and the service starts again under this epoch, which is not over */
};
#define BW_SECOND_ACTIONS_MAX 8
struct bw_second_actions {
    uint32_t count;
    struct bw_second_action list[BW_SECOND_ACTIONS_MAX];
    struct bw_instant wake_at; /* step with TICK then, if nothing happens */
};

enum bw_second_run { BW_SECOND_RUN_NONE, BW_SECOND_RUN_UNDER_WAY, BW_SECOND_RUN_CUT_OFF };

struct bw_second {
    struct bw_second_limits limits;
    struct bw_second_memory memory;
    struct bw_second_memory kept;   /* what is durable */
    struct bw_second_memory saving; /* what the newest SAVE asked for */
    uint64_t save_number;           /* of it */
    bool is_saving;
    struct bw_instant save_at;      /* a save that failed is tried again */
    enum bw_second_phase phase;
    struct bw_instant end;          /* of what is armed; of a fence: when its script is ended */
    struct bw_instant told_end;     /* of the same, as its agent or the mirror of this boot has told it; all zero: nobody has */
    struct bw_instant fence_at;     /* SCRIPT, none runs: the next one */
    uint64_t fence_epoch;
    uint64_t ignored_epoch; /* whose lease its agent has said last to be alive, and it took not: it is older, or
                               another cluster's while a deadline of this one stands */
    struct bw_id ignored_cluster_id; /* of its agent then */
    enum bw_second_run fence;
    enum bw_second_run look;
    struct bw_instant look_begun;
    struct bw_instant look_due;
    bool look_counts;               /* LOOKING, or a proof's BEFORE and AFTER: the one that runs was begun for it */
    enum bw_second_proof proof;
    uint64_t proof_number;          /* newest that its agent has asked for */
    struct bw_instant proof_at;     /* BEFORE, SCRIPT: of the question that was answered so; AFTER: when its script began;
                                       SEEN: when that was seen */
    uint64_t digest;                /* of the scripts, by the newest look */
    bool has_service;
    enum bw_service service;        /* of the newest look that ended by itself, */
    struct bw_instant service_at;   /* which began then */
    uint64_t look_took_ns;          /* and took so long */
    bool agent_says_serves;         /* the newest answer, of the epoch that is armed */
    struct bw_instant asked_at;     /* when the question of the newest answer left */
    bool end_is_grace;   /* nobody has told it at all: the first who does is right, be it earlier */
    bool end_is_guessed; /* it began with an open epoch, of which nobody has told it since, whatever
                            its mirror says: its agent's lease may go on */
    bool was_due;        /* its mirror knew the deadline, and no more would be said of it: the one before may have
                            begun to fence, and to warn */
};

/* Begins with what was kept, and with the mirror of this boot (all zero: none). What it had taken
 * and not seen over has the deadline of the mirror. Where that names none, or its window has come,
 * nobody knows it any more: it is fenced after `grace_ns`. Either way unless the agent says before
 * that how much is left (3.4). */
void bw_second_init(struct bw_second *second, const struct bw_second_limits *limits,
                    const struct bw_second_memory *memory, const struct bw_second_mirror *mirror,
                    uint64_t grace_ns, struct bw_instant now);

/* So long after the lease's end a fence that has not seen the end is waited for. Later nobody does: the witnesses have it
 * that the end is unseen, and keep it so (3.4). */
#define BW_SECOND_FINISHES_NS (30 * BW_NS_PER_S)

/* So long after its agent has asked for a proof its script may begin: the agent waits F and BW_SECOND_PROOF_TAKES_NS, and
 * then starts the service. */
#define BW_SECOND_PROOF_BEGINS_NS (20 * BW_NS_PER_S)
#define BW_SECOND_PROOF_TAKES_NS  (30 * BW_NS_PER_S)

/* Are these two clusters, as far as is known? Nothing is forgotten for an id that is missing (3.4). */
bool bw_second_is_of_another(struct bw_id own, struct bw_id other);

/* One step. `now` is read for this event. */
void bw_second_step(struct bw_second *second, const struct bw_second_event *event,
                    struct bw_instant now, struct bw_second_actions *out_actions);

/* What it says in a question that leaves right after `now`. */
void bw_second_say(const struct bw_second *second, struct bw_instant now,
                   struct bw_second_report *out_report);

/* A fence of its has begun and has not seen the end, or may have begun before it was started again, while nobody has
 * told it how much is left; or it fenced before the lease could be known to end and sees no more whether it has
 * ended (what its agent has begun in between): it says `unknown` to the witnesses itself, for its agent may be lost, and time ends no epoch of a site
 * that says so (3.3). Of the epoch that it returns; 0: nothing is said. */
uint64_t bw_second_warns_of(const struct bw_second *second);

/* What must hold of it between steps: the sentence of a fact that does not, or NULL. What is read from disk is
 * judged by the first before a machine begins with it. */
const char *bw_second_memory_unsound(const struct bw_second_memory *memory);
const char *bw_second_mirror_unsound(const struct bw_second_mirror *mirror);
const char *bw_second_unsound(const struct bw_second *second);

const char *bw_second_phase_word(enum bw_second_phase phase);

#endif
