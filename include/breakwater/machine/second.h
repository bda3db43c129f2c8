/* second.h - a second enforcer as one machine without a transport: when its agent is asked, what waits for the
 * disk, and what follows for each group (core/second.h). Design 3.4. Events in, actions out: the product
 * (src/second) and the simulator run this same code. Pure but for the clock that its driver gives it. */
#ifndef BW_MACHINE_SECOND_H
#define BW_MACHINE_SECOND_H

#include <breakwater/base/diag.h>
#include <breakwater/core/sync.h>
#include <breakwater/wire/second.h>

/* Before an agent has said otherwise. */
#define BW_SECOND_INTERVAL_MS_ABSENT 1000u
#define BW_SECOND_LIMIT_MS_ABSENT    1000u
/* The shortest renew_interval that a spec may have (core/spec.h): of an epoch whose own was not kept it warns as often. */
#define BW_SECOND_INTERVAL_MS_MIN 20u
/* Between two questions, however much news there is. */
#define BW_SECOND_DISTANCE_NS (20 * BW_NS_PER_MS)
/* One that begins and has an open epoch in its file asks for so long before it fences that (3.4). No longer: the
 * unknown deadline less F may be now, and what it waits is taken from the time that the fence has. */
#define BW_SECOND_GRACE_NS (2 * BW_NS_PER_S)

enum bw_second_machine_event_kind {
    BW_SECOND_MACHINE_WAKE,     /* bw_second_machine_wake_at may be reached; never harmful */
    BW_SECOND_MACHINE_ANSWERED, /* the agent has answered, or has not (`answer` NULL) */
    BW_SECOND_MACHINE_SAVED,    /* result of SAVE */
    BW_SECOND_MACHINE_MIRRORED, /* MIRROR has ended, well or not */
    BW_SECOND_MACHINE_LOOKED,   /* result of LOOK */
    BW_SECOND_MACHINE_FENCED,   /* result of FENCE */
};
struct bw_second_machine_event {
    enum bw_second_machine_event_kind kind;
    uint32_t group;                       /* LOOKED FENCED */
    const struct bw_second_answer *answer; /* ANSWERED: borrowed for the step */
    bool ok;                              /* SAVED FENCED */
    enum bw_service service;              /* LOOKED */
    uint64_t digest;                      /* LOOKED: core/second.h */
};

enum bw_second_machine_action_kind {
    BW_SECOND_MACHINE_STEPPED, /* nothing to do: a group has taken a step, for logs and coverage */
    BW_SECOND_MACHINE_ASK,  /* `ask`, to the agent; ANSWERED follows within limit_ms. One at a time.
                               An  error: it was not sent, and nothing follows */
    BW_SECOND_MACHINE_WARN, /* `sync`, to every witness; nothing follows, and nothing is refused */
    BW_SECOND_MACHINE_SAVE, /* make `state` durable beside the loop; SAVED follows. One at a time */
    BW_SECOND_MACHINE_MIRROR,     /* write `mirror`, where it outlives the process, beside the loop;
                                     MIRRORED follows. One     at a time. An error: nothing follows */
    BW_SECOND_MACHINE_LOOK,       /* run status_script; LOOKED follows. An error: nothing follows */
    BW_SECOND_MACHINE_KILL_LOOK,  /* whole tree; LOOKED still follows. Never of one whose end is known */
    BW_SECOND_MACHINE_FENCE,      /* run fence_script of `epoch`; FENCED follows. An error: nothing
                                     follows */
    BW_SECOND_MACHINE_KILL_FENCE, /* whole tree; FENCED still follows. Likewise */
};
/* All pointers are the machine's, good until emit returns. */
struct bw_second_machine_action {
    enum bw_second_machine_action_kind kind;
    uint32_t group;
    const char *rule;                      /* STEPPED: of one action of the step */
    const struct bw_second *second;        /* STEPPED: as it is now, and as it was before */
    const struct bw_second *before;
    const struct bw_second_ask *ask;       /* ASK */
    uint32_t limit_ms;                     /* ASK WARN */
    const struct bw_sync *sync;            /* WARN */
    const struct bw_second_state *state;   /* SAVE */
    const struct bw_second_mirror_file *mirror; /* MIRROR */
    uint64_t epoch;                        /* FENCE */
    uint64_t limit_ns;                     /* FENCE */
    bool restarts;                         /* FENCE: core/second.h */
};

struct bw_second_driver {
    void *user;
    struct bw_instant (*now)(void *user); /* the clocks, read anew */
    /* Carries `action` out, and never calls the machine. */
    enum bw_err (*emit)(void *user, const struct bw_second_machine_action *action,
                        struct bw_diag *diag);
};

struct bw_second_served {
    char name[BW_NAME_MAX + 1];
    struct bw_second second;
    struct bw_second_memory *kept; /* in the state: what is written next */
    struct bw_second_mirror *mirror; /* in the mirror, likewise */
    bool mirror_waits;               /* for the next write */
    struct bw_instant wake_at;
    uint64_t save_waits; /* number of a SAVE for the next write; 0: none */
    uint64_t save_begun; /* that is in the write under way; 0: none */
    bool look_refused;   /* could not be begun: it is told of that in this step, or soon */
    bool fence_refused;
    bool is_look_over; /* its script has ended, and it is told of that in this step */
    bool is_fence_over;
};

struct bw_second_setup {
    struct bw_second_driver driver;
    const char *site;
    const char *name; /* as in its certificate */
    uint32_t feature_level; /* the newest that its program knows (5.3) */
    struct bw_id session;
    struct bw_id boot_id;
    struct bw_second_state *state; /* as it was loaded, with an entry for each group; kept */
    struct bw_second_mirror_file *mirror;   /* likewise, of this boot */
    struct bw_second_ask_group *ask_groups; /* room for group_max; kept */
    struct bw_sync_group *sync_groups;      /* likewise */
    struct bw_second_served *groups;        /* likewise */
    uint32_t group_max;
};

struct bw_second_machine {
    struct bw_second_setup setup;
    struct bw_second_served *groups;
    uint32_t group_count;
    struct bw_instant asked; /* the newest question */
    bool has_asked;
    bool is_asking;          /* it is not answered yet */
    bool has_news;           /* since it left */
    struct bw_instant ask_at;
    uint32_t interval_ms;
    uint32_t limit_ms;
    uint64_t warnings; /* so far */
    struct bw_instant warn_at; /* not before: the next one */
    bool is_saving;
    bool is_mirroring;
    bool is_stepping;
};

/* What a predecessor has kept of `group` in `found`, a mirror as it was read or {0}; nothing (epoch 0) where that
 * is of another boot, time namespace or site than `own`: what other clocks meant is nothing here (3.4). */
struct bw_second_mirror bw_second_mirror_of(const struct bw_second_mirror_file *found,
                                            const struct bw_second_mirror_file *own,
                                            const char *group);

void bw_second_machine_init(struct bw_second_machine *machine, const struct bw_second_setup *setup);
/* Before the first step, once for each group. `kept` is its memory in the state, `mirror` its place
 * in the mirror. */
void bw_second_machine_add_group(struct bw_second_machine *machine, const char *group,
                                 const struct bw_second_limits *limits,
                                 struct bw_second_memory *kept, struct bw_second_mirror *mirror);
void bw_second_machine_step(struct bw_second_machine *machine,
                            const struct bw_second_machine_event *event);
struct bw_instant bw_second_machine_wake_at(const struct bw_second_machine *machine);
/* So many fences are under way, or have not seen an end until BW_SECOND_FINISHES_NS after their lease's: who is
 * stopped finishes these first. */
uint32_t bw_second_machine_fences(const struct bw_second_machine *machine, struct bw_instant now);
/* Groups whose fence script runs, or whose end is being looked for: not between two tries. */
uint32_t bw_second_machine_runs(const struct bw_second_machine *machine);

#endif
