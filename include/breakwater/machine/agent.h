/* agent.h - the agent of a site as one machine without a transport: which witness is asked, when, and how
 * its answer is believed; what waits for the disk; what the guard is told, and what follows from its
 * silence; what an absent guard has armed. Design 3.2-3.7, 3.9.
 *
 * Events in, actions out: the product (src/agent) and the simulator (chaos/sim) run this same code. Whoever
 * drives it owns clocks, sockets, disks, processes and files, and decides nothing. Pure but for the clock
 * that its driver gives it: no I/O, no heap, no chance but the stream that it was given. */
#ifndef BW_MACHINE_AGENT_H
#define BW_MACHINE_AGENT_H

#include <breakwater/base/diag.h>
#include <breakwater/base/prng.h>
#include <breakwater/core/leave.h>
#include <breakwater/core/own_fence.h>
#include <breakwater/core/site.h>
#include <breakwater/wire/state.h>

/* Configured witnesses and those that a leader told us of: as many as there can be of both, so that none is
 * asked at another's cost. */
#define BW_AGENT_WITNESSES_MAX (2 * BW_WITNESSES_MAX)
#define BW_AGENT_SYNCS_MAX     4 /* unanswered, per witness */
/* So long a sync waits for its answer, in request_timeouts. A late answer still renews, from the instant that was
 * noted as its request left, and to close its connection would cost the next sync a new one. Less than the syncs that
 * may be unanswered, so that none of them keeps the next from leaving. */
#define BW_AGENT_ANSWER_LIMITS 3
/* Between two syncs, however much news there is. */
#define BW_AGENT_SYNC_DISTANCE_NS (2 * BW_NS_PER_MS)
/* How long a poll for orders may stay open at a witness. */
#define BW_AGENT_POLL_WAIT_S 20u

/* ---- what happens ----------------------------------------------------------------------------- */

enum bw_agent_event_kind {
    BW_AGENT_EVENT_WAKE,            /* bw_agent_machine_wake_at may be reached; never harmful */
    BW_AGENT_EVENT_ANSWERED,        /* `witness` has answered a sync or a poll */
    BW_AGENT_EVENT_UNANSWERED,      /* it has not, or with something that is no answer: `text` */
    BW_AGENT_EVENT_GUARD_CONNECTED, /* what CONNECT_GUARD asked for */
    BW_AGENT_EVENT_GUARD_MESSAGE,   /* a whole message of the guard */
    BW_AGENT_EVENT_GUARD_CLOSED,    /* the connection is gone, or was never made: `text` */
    BW_AGENT_EVENT_GUARD_GARBLED,   /* what came over it is no message: `text` */
    BW_AGENT_EVENT_SAVED,           /* result of SAVE */
    BW_AGENT_EVENT_MEMBERS_KEPT,    /* result of KEEP_MEMBERS */
    BW_AGENT_EVENT_MIRRORS_READ,    /* result of READ_MIRRORS */
    BW_AGENT_EVENT_FENCE_RUN_ENDED, /* result of FENCE_RUN */
    BW_AGENT_EVENT_FENCE_LOOKED,    /* result of FENCE_LOOK */
    BW_AGENT_EVENT_FENCE_KILLED,    /* result of FENCE_KILL */
    BW_AGENT_EVENT_OVERRIDE, /* a person lets `group` serve without a quorum (3.8): refused unless
                                bw_agent_machine_judge_override says otherwise */
    BW_AGENT_EVENT_OVERRIDE_END, /* ... and no longer, likewise */
    BW_AGENT_EVENT_PROVE, /* an operator asks for the proof of its reach (3.4): refused unless
                             bw_agent_machine_judge_proof says otherwise */
    BW_AGENT_EVENT_SECOND,       /* a second enforcer of this site has asked (3.4): what it is told says
                                    bw_agent_machine_answer_second, right after this step */
    BW_AGENT_EVENT_STOP,         /* a person, or the service manager, wants its end */
};

enum bw_agent_exchange { BW_AGENT_SYNC, BW_AGENT_POLL };

/* One mirror of the guard. */
struct bw_agent_mirror_reading {
    uint32_t group;
    enum bw_err err;
    const char *text;                        /* unless BW_OK: why */
    const struct bw_guard_mirror_file *file; /* BW_OK */
};

/* By which a fence of its own ends what runs, in the order in which it waits for them. */
enum bw_fence_means {
    BW_FENCE_BY_REACH, /* the guard's own: one write where the kernel has cgroups, else a search */
    BW_FENCE_BY_MARKS, /* a search through all processes: also what a cgroup of the guard's own hides */
    BW_FENCE_BY_UNITS, /* where the group names any */
};

struct bw_agent_event {
    enum bw_agent_event_kind kind;
    uint32_t witness;                       /* ANSWERED UNANSWERED */
    enum bw_agent_exchange exchange;        /* ANSWERED UNANSWERED */
    const struct bw_sync_answer *answer;    /* ANSWERED; NULL: it has nothing new, or its body cannot be
                                               read: borrowed for the step, like all pointers */
    bool is_unreadable;                     /* ANSWERED */
    const char *text;                       /* UNANSWERED GUARD_CLOSED GUARD_GARBLED */
    const struct bw_guard_message *message; /* GUARD_MESSAGE */
    enum bw_err err;                        /* SAVED MEMBERS_KEPT. BW_ERR_UNKNOWN: what the disk holds is
                                               not known */
    const struct bw_agent_mirror_reading *readings; /* MIRRORS_READ: all that were asked for */
    uint32_t reading_count;
    enum bw_fence_means means; /* FENCE_LOOKED */
    uint32_t group;    /* FENCE_RUN_ENDED FENCE_LOOKED FENCE_KILLED OVERRIDE* PROVE */
    int64_t unix_ms;   /* OVERRIDE: the wall clock, which may end it earlier */
    uint32_t for_ms;   /* OVERRIDE */
    bool ok;           /* likewise: it exited with 0; it was seen that nothing is left */
    bool was_signaled; /* FENCE_RUN_ENDED: by a TERM or KILL that was not asked for here */
    const char *line;  /* FENCE_RUN_ENDED: the first of its output */
    const struct bw_second_ask *second; /* SECOND */
};

/* ---- what it asks for ------------------------------------------------------------------------- */

enum bw_agent_action_kind {
    BW_AGENT_ACTION_STEPPED,       /* nothing to do: a group has taken `step`, for logs and coverage */
    BW_AGENT_ACTION_NOTE,          /* nothing to do: a line for the log */
    BW_AGENT_ACTION_USE_WITNESS,   /* `text` is the address of `witness` from now on. An error: it is
                                      none, said by whoever drives; the witness is not used */
    BW_AGENT_ACTION_MAKE_SYNC,     /* keep `sync` as the bytes that SEND_SYNC sends, until the next one.
                                      An error: nothing is sent, said by whoever drives */
    BW_AGENT_ACTION_SEND_SYNC,     /* to `witness`; ANSWERED or UNANSWERED follows within `limit_ms`.
                                      An error: at once, and nothing follows */
    BW_AGENT_ACTION_POLL,          /* ask `witness` for orders after index `number`; likewise */
    BW_AGENT_ACTION_CANCEL_POLL,   /* that of `witness`: nothing follows any more */
    BW_AGENT_ACTION_CONNECT_GUARD, /* GUARD_CONNECTED or GUARD_CLOSED follows. An error: at once */
    BW_AGENT_ACTION_SEND_GUARD,    /* `message`, over that connection. BW_ERR_BUSY, for an arm only: the
                                      guard has not read what was sent before, and nothing was sent. What
                                      cannot be sent ends the connection: GUARD_CLOSED follows */
    BW_AGENT_ACTION_CLOSE_GUARD,   /* that connection: nothing of it follows any more */
    BW_AGENT_ACTION_SAVE,          /* make `state` durable beside the loop (3.4); SAVED follows. What it
                                      is now counts: encode it before return. One at a time */
    BW_AGENT_ACTION_KEEP_MEMBERS,  /* make `members` durable for the next start, beside the loop and beside
                                      SAVE; MEMBERS_KEPT follows. Copy it before return. One at a time */
    BW_AGENT_ACTION_READ_MIRRORS,  /* of the `group_count` `groups`, beside the loop; MIRRORS_READ
                                      follows, or never where the file system hangs. One at a time */
    BW_AGENT_ACTION_END,           /* the process ends now, without a fence of its own under way;
                                      `is_restart`: and is begun anew */
    /* The fence that the agent runs without its guard (3.4), of `group`. Between OPEN and CLOSE: */
    BW_AGENT_ACTION_FENCE_OPEN,    /* one begins: find what its means reach. An error: none can be run */
    BW_AGENT_ACTION_FENCE_STEPPED, /* nothing to do: `fence` is wanted next, for logs and coverage */
    BW_AGENT_ACTION_FENCE_RUN,     /* the script of `fence`, out of the reach of this fence and of the
                                      guard's, at most limit_ns; FENCE_RUN_ENDED follows. An error: it
                                      was not begun, said by whoever drives, and nothing follows */
    BW_AGENT_ACTION_FENCE_KILL_RUN, /* end that run, whole tree, at once; FENCE_RUN_ENDED still follows */
    BW_AGENT_ACTION_FENCE_LOOK,    /* does anything run where start scripts do? By `means`; an error: it
                                      does, or cannot be seen. BY_MARKS and BY_UNITS (is one of them up, or
                                      ordered up?) take time: FENCE_LOOKED follows */
    BW_AGENT_ACTION_FENCE_TERM,    /* TERM by `means` to all in reach, once; nothing waits for it */
    BW_AGENT_ACTION_FENCE_KILL_ONCE, /* KILL, likewise: a search is begun, beside the loop */
    BW_AGENT_ACTION_FENCE_KILL,    /* KILL by `means`, again until nothing is left; FENCE_KILLED follows.
                                      An error: it was sent once at most, and nothing follows */
    BW_AGENT_ACTION_FENCE_CLOSE,   /* it is over: `fence` says how */
};

enum bw_agent_note {
    BW_AGENT_NOTE_WITNESS_ANSWERS, /* again */
    BW_AGENT_NOTE_WITNESS_SILENT,  /* `text` says why; once until it answers again */
    BW_AGENT_NOTE_WITNESS_IGNORED, /* `text` is an address: there is no place for one more */
    BW_AGENT_NOTE_WITNESS_REFUSED, /* its answers are dropped: `text` says why, `answer` is the newest */
    BW_AGENT_NOTE_ANSWER_DROPPED,  /* to the sync `number`, which is of another session or too old */
    BW_AGENT_NOTE_CLUSTER_KNOWN,   /* id and generation of the state are durable */
    BW_AGENT_NOTE_GUARD_LOST,      /* `text` says why; once until it is there again */
    BW_AGENT_NOTE_GUARD_UNAWARE,   /* it does not know `group` */
    BW_AGENT_NOTE_GUARD_GREETED,
    BW_AGENT_NOTE_MIRROR_UNREADABLE, /* that of `group`: `text` says why; once while it stays so */
    BW_AGENT_NOTE_STOPPING, /* END follows, once the `number` fences of its own that run have ended */
    BW_AGENT_NOTE_MEMBERS_RECALLED, /* `members`, which were kept before this start: they are asked, too */
    BW_AGENT_NOTE_MEMBERS_CHANGED, /* `members`, told by a leader: others than were kept until now */
};

/* What a step may change, as it was before. */
struct bw_agent_before {
    enum bw_tenure tenure;
    uint64_t order_index;
    enum bw_order_kind order_kind;
    uint64_t epoch;
    bool given_back;
    bool lease_alive;
    bool enforced;
    uint32_t alarms;
    enum bw_override override;
    enum bw_second_word second;
};
struct bw_agent_step {
    const struct bw_site *site; /* as it is now */
    const struct bw_agent_before *before;
    const struct bw_site_event *event;
    const struct bw_site_actions *actions; /* carried out next */
    struct bw_instant now;
    bool is_mirror_news; /* MIRROR_READ: it says something else than when it was read before */
};

/* All pointers are the machine's, good until emit returns. */
struct bw_agent_action {
    enum bw_agent_action_kind kind;
    uint32_t group;
    uint32_t witness;
    const struct bw_agent_step *step;
    enum bw_agent_note note;
    const char *text;
    const struct bw_sync_answer *answer;
    uint64_t number;
    struct bw_sync *sync; /* MAKE_SYNC: whoever drives adds when its certificate ends */
    uint32_t limit_ms;
    const struct bw_guard_message *message;
    const struct bw_agent_state *state;
    const struct bw_kept_members *members; /* KEEP_MEMBERS, and two of the notes */
    const uint32_t *groups;
    uint32_t group_count;
    const struct bw_own_fence_action *fence; /* FENCE_STEPPED FENCE_RUN FENCE_CLOSE */
    enum bw_fence_means means;               /* FENCE_LOOK FENCE_TERM FENCE_KILL_ONCE FENCE_KILL */
    bool is_restart;                         /* END */
};

/* Who drives it. */
struct bw_agent_driver {
    void *user;
    /* The clocks, read anew for each step of a group and before anything leaves (1, 3.2.1). */
    struct bw_instant (*now)(void *user);
    /* By which a manual lease may end earlier (3.8), and nothing else is judged. NULL: there is none. */
    int64_t (*wall_ms)(void *user);
    /* Carries `action` out, in the order of the calls, and never calls the machine. An error means that
     * it was refused at once, and is the answer; only the actions that say so above may have one, with its
     * text in `diag`. */
    enum bw_err (*emit)(void *user, const struct bw_agent_action *action, struct bw_diag *diag);
};

/* ---- one group -------------------------------------------------------------------------------- */

struct bw_group_agent {
    struct bw_site site;
    struct bw_site_memory *kept; /* in the state: what is written next */
    bool is_left; /* no site file names it any more: nothing happens to it, and of its site only
                     name, order index and run ids count, until one does again */
    struct bw_instant wake_at;
    bool save_waits;      /* for the next write */
    uint64_t save_number; /* of the newest SAVE */
    uint64_t save_begun;  /* that is in the write under way; 0: none */
    bool mirror_waits;    /* is to be read */
    bool mirror_is_read;  /* now */
    bool is_mirror_news;
    bool has_read_mirror;
    enum bw_err mirror_err; /* of the newest reading */
    uint64_t mirror_epoch;
    bool has_arm; /* held back: the guard has not read what was sent before */
    struct bw_guard_message arm;
    struct bw_own_fence fence; /* without the guard */
    bool is_run_over;          /* its script has ended, and it is told of that in this step */
    struct bw_instant fence_at; /* its next turn */
};

/* ---- the guard -------------------------------------------------------------------------------- */

enum bw_guard_link_state {
    BW_GUARD_LINK_IDLE, /* waits for `timer` to connect */
    BW_GUARD_LINK_CONNECTING,
    BW_GUARD_LINK_GREETING, /* hello was said */
    BW_GUARD_LINK_WELCOME,  /* its state is being read */
    BW_GUARD_LINK_OPEN,
};
struct bw_guard_link {
    enum bw_guard_link_state state;
    struct bw_instant timer;  /* to connect again, or for the answer to hello */
    struct bw_instant arm_at; /* arms that were held back are tried again; never: there are none */
    uint64_t retry_ns;
    struct bw_instant opened; /* its newest welcome was read whole */
    uint32_t feature_level;   /* the newest that this guard knows, by its welcome */
    bool is_gone;             /* as the step under way will say: nothing can be sent any more */
    bool is_lost_reported;    /* GUARD_LOST was said since it was last there */
    bool is_noted;            /* its absence is */
};

/* ---- the witnesses ---------------------------------------------------------------------------- */

struct bw_agent_witness {
    bool used;
    bool is_configured;
    bool is_gone; /* neither configured nor told any more: ends with its last exchange */
    char address[BW_ADDRESS_MAX + 1];
    char name[BW_NAME_MAX + 1]; /* as it last answered for itself; "": it has not */
    uint32_t sync_count; /* unanswered */
    bool missed_sync;    /* the newest sync found both slots taken */
    bool is_polled;
    struct bw_instant poll_begun;
    struct bw_instant poll_at; /* the next one */
    uint64_t poll_retry_ns;
    bool is_answering;   /* as was noted last */
    const char *refusal; /* why its answers are dropped, as was noted last; NULL: they are not */
    struct bw_id refused_cluster_id; /* of that answer */
    uint64_t refused_generation;
};

/* ---- the machine ------------------------------------------------------------------------------ */

struct bw_agent_setup {
    struct bw_agent_driver driver;
    const char *site;
    const char *name; /* of the agent */
    uint32_t feature_level; /* the newest that its program knows (5.3) */
    struct bw_id session;
    struct bw_id kernel_boot_id; /* whose clocks may be compared with ours, with `time_namespace` (1) */
    uint64_t time_namespace;
    struct bw_id boot_id; /* the site's (3.7): bw_agent_boot_id */
    struct bw_agent_state *state; /* as it was loaded, with an entry for each group; kept */
    const struct bw_kept_members *members; /* as it was loaded; NULL: there is none, or it was damaged */
    struct bw_prng *chance;       /* kept */
    struct bw_group_agent *groups;     /* room for group_max; kept, like the next */
    struct bw_sync_group *sync_groups; /* likewise */
    uint32_t group_max;
};

struct bw_agent_machine {
    struct bw_agent_setup setup; /* its texts: below */
    char site[BW_NAME_MAX + 1];
    char name[BW_NAME_MAX + 1];
    struct bw_group_agent *groups;
    uint32_t group_count;
    uint32_t last_found; /* group of the last lookup: answers come in our order */
    struct bw_site_actions actions; /* of the step under way */
    bool is_carrying;               /* them out: none of them is answered where it stands */
    bool is_stepping;
    bool is_closed;
    enum { BW_AGENT_GOES_ON, BW_AGENT_WANTS_STOP, BW_AGENT_WANTS_RESTART } wish;
    struct bw_guard_link guard;
    struct bw_agent_witness witnesses[BW_AGENT_WITNESSES_MAX];
    /* the members as a leader told them, for the next start */
    struct bw_kept_members kept; /* on the disk, as far as we know; no id: there are none */
    struct bw_kept_members keeping;
    bool is_keeping; /* `keeping` is on its way there */
    struct bw_instant keep_after; /* the disk refused: not before this */
    /* renewals */
    struct bw_renewals renewals;
    struct bw_instant sync_at; /* the next */
    struct bw_instant sync_sent; /* the newest */
    bool has_sent;
    uint64_t unrelayed; /* number of the newest sync that did not want to be relayed; 0: none */
    struct bw_exchanges exchanges;
    struct bw_instant leader_contact; /* a leader answered, perhaps by way of another */
    struct bw_instant leader_direct;  /* one answered at its own address */
    uint32_t feature_level; /* of the cluster, as a leader told it last, perhaps before this start;
                               0: none has, or it is at level 1 */
    uint32_t longest_wait_ms; /* the longest that one ever told: after it no lease of the cluster
                                 lives */
    /* the state on its way to the disk: whatever waits while a write is under way goes with the
     * next one, for all groups at once */
    bool is_saving;
    bool wants_cluster;    /* id and generation that a leader told of: known when they are durable */
    bool save_has_cluster; /* they are in the write under way */
    struct bw_id wanted_cluster_id;
    uint64_t wanted_generation;
    /* mirrors */
    bool is_reading;
    struct bw_instant unanswered_at; /* what has not been read by then cannot be read */
    uint32_t read_groups[BW_SITE_GROUPS_MAX];
};

/* Nothing is asked for yet. Copies what `setup` does not say is kept. */
void bw_agent_machine_init(struct bw_agent_machine *machine, const struct bw_agent_setup *setup);
/* Before the beginning, once for each group: at most group_max. `kept` is its memory in the state;
 * `has_units`: units are among its means. */
void bw_agent_machine_add_group(struct bw_agent_machine *machine, const char *group,
                                const struct bw_site_limits *limits, bool has_units,
                                struct bw_site_memory *kept);
/* ---- while it runs, between two steps: the site file was read again (5.4) ---- */

/* A group that it names besides, as a restarted agent would begin with it (3.7); the guard, which
 * may have read the file before, is asked what it knows of all of them. Its number; -1: group_max
 * others were named since the beginning. */
int bw_agent_machine_take_group(struct bw_agent_machine *machine, const char *group,
                                const struct bw_site_limits *limits, bool has_units,
                                struct bw_site_memory *kept);
/* Of so many groups there is room for `group`. */
bool bw_agent_machine_has_room(const struct bw_agent_machine *machine, const char *const *groups,
                               uint32_t count);
/* Whether it may no longer name `group`. */
enum bw_keeps bw_agent_machine_keeps(const struct bw_agent_machine *machine, uint32_t group);
/* It names `group` no more, of which nothing is kept. */
void bw_agent_machine_leave_group(struct bw_agent_machine *machine, uint32_t group);
/* The number of `group`; -1: the site file does not name it. */
int bw_agent_machine_find(const struct bw_agent_machine *machine, const char *group);

/* The witnesses of the site file, before the beginning and whenever it was read again. BW_ERR_INVALID: not
 * one of them can be used. */
BW_MUST_CHECK enum bw_err bw_agent_machine_use_witnesses(struct bw_agent_machine *machine,
                                                         const char *const *addresses,
                                                         uint32_t count, struct bw_diag *diag);
/* The site file was read again: from the next step on. */
void bw_agent_machine_set_limits(struct bw_agent_machine *machine, uint32_t group,
                                 const struct bw_site_limits *limits);
/* The first sync and the guard are due. */
void bw_agent_machine_begin(struct bw_agent_machine *machine);
/* One step. Groups and fences whose wake-up is due are served before `event`: deadlines go before messages, and what is
 * due is not undone by what waited in a queue (3.4). */
void bw_agent_machine_step(struct bw_agent_machine *machine, const struct bw_agent_event *event);
/* Whether an operator may give `group` a manual lease for `for_ms` now; 0: for however long (3.8). */
enum bw_override_refusal bw_agent_machine_judge_override(const struct bw_agent_machine *machine,
                                                         uint32_t group, uint32_t for_ms);
/* The reason against a proof of the reach of `group` now (3.4). */
enum bw_proof_word bw_agent_machine_judge_proof(const struct bw_agent_machine *machine, uint32_t group);
/* How long it would wait: after that no lease that another site may hold lives. 0: nobody has told.
 */
uint32_t bw_agent_machine_override_wait_ms(const struct bw_agent_machine *machine, uint32_t group);
/* `out_answer->groups` has room for as many groups as were asked of. */
void bw_agent_machine_answer_second(const struct bw_agent_machine *machine,
                                    const struct bw_second_ask *ask,
                                    struct bw_second_answer *out_answer);
/* So many fences of its own run: the process ends after them (3.2.4). */
uint32_t bw_agent_machine_fences(const struct bw_agent_machine *machine);
/* Step with WAKE when either clock has reached this, if nothing happens before. */
struct bw_instant bw_agent_machine_wake_at(const struct bw_agent_machine *machine);
/* Gives the guard's connection up; nothing is asked for any more, and steps do nothing. */
void bw_agent_machine_close(struct bw_agent_machine *machine);

/* A directory of this machine, as long as its file system is mounted: two of them never have the same. */
struct bw_run_dir {
    uint64_t device;
    uint64_t inode;
};

/* The id of a site's boot: of one boot of the kernel, in one run_dir (3.7). A copy of the state directory that runs
 * beside the original has a run_dir of its own. */
struct bw_id bw_agent_boot_id(struct bw_id kernel_boot_id, const struct bw_run_dir *run_dir);
/* Whether a release that knew boots by the kernel alone has begun, in this boot of the kernel, what `mirror` names: that
 * goes on. `mirror`: what run_dir has of this group. */
bool bw_agent_state_goes_on(const struct bw_agent_state *state, const struct bw_agent_group *group,
                            struct bw_id kernel_boot_id, const struct bw_guard_mirror_file *mirror);

/* NULL: the state is ours. Otherwise whose it is: it must never be renewed or given back (3.7). */
const char *bw_agent_state_foreigner(const struct bw_agent_state *state, const char *site,
                                     struct bw_id machine_id, struct bw_id boot_id);

#endif
