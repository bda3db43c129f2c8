/* group.h - the replicated state of a group and the table of its changes. Design 3.1. Pure. */
#ifndef BW_CORE_GROUP_H
#define BW_CORE_GROUP_H

#include <breakwater/core/command.h>

#define BW_PHASE_LIST(X)                                                                          \
    X(VACANT, "VACANT") X(GRANTED, "GRANTED") X(REVOKING, "REVOKING") X(CLOSING, "CLOSING")
enum bw_phase {
#define X(name, word) BW_PHASE_##name,
    BW_PHASE_LIST(X)
#undef X
    BW_PHASE_COUNT
};
/* The phase as it is shown: "no_primary", "active", "switching_over", "ending", and "blocked" for one whose end a failed
 * fence blocks (`held`). JSON has it as `state`; texts have a space in place of "_". */
const char *bw_phase_state(enum bw_phase phase, bool held);
/* The newest epoch is renewed, and may be started: GRANTED, REVOKING. */
bool bw_phase_is_renewed(enum bw_phase phase);

/* One epoch in the history: how it began and, once it has, how it ended. At most 32 a group. */
struct bw_history_entry {
    uint64_t epoch;
    uint64_t granted_index;
    uint64_t ended_index; /* 0: it has not ended */
    int64_t granted_unix_ms;
    int64_t ended_unix_ms;
    char site[BW_NAME_MAX + 1];
    char previous_site[BW_NAME_MAX + 1];
    enum bw_reason why_granted;
    enum bw_reason why_ended; /* before its end: of its Close */
    enum bw_grade grade;      /* of its end; NONE before */
    bool planned;
    bool adopted;
    uint32_t silent_ms; /* unplanned: last confirmed renewal of the epoch before -> this grant; 0: not known */
    char by[BW_REASON_MAX + 1];
    enum bw_reach_seen seen; /* where its service was seen to be, last (3.4) */
    bool proved;
};

/* A boot from which renewals of an epoch may be confirmed. */
struct bw_boot {
    struct bw_id id;
};

/* A person's word for the end of an epoch: who asked for its Close or Forced, and why. The newest
 * few of a group. */
#define BW_VOUCHERS_MAX 4
struct bw_voucher {
    uint64_t epoch;
    char by[BW_REASON_MAX + 1];
    char text[BW_REASON_MAX + 1]; /* "": no reason was given */
};

/* What a person asks for, and waits for what it needs (4). */
struct bw_wish {
    enum bw_wish_kind kind;
    char to[BW_NAME_MAX + 1]; /* "": the best candidate (failover only). Of a force-release: the
                                 holder's site, which the person vouches is off */
    bool holder_is_off;       /* force-release: although it answers */
    bool accept_outage;       /* switchover: although no status may see the end of the holder's service. In
                                 no Wish: a person says it where they are shown what may come (bw_witness_ask) */
    bool accept_data_loss;    /* failover: past the gate of lag too, and to the site that it names
                                 past an owed rejoin */
    uint64_t epoch;           /* the group's epoch when it was asked: one Grant past the gates, or
                                 the one whose end is vouched for */
    uint32_t timeout_ms;      /* switchover; 0: the spec's */
    uint64_t index;           /* log index of its Wish; 0: it is in its leader's memory alone */
    struct bw_id id;          /* of the request; none: it has none */
    char by[BW_REASON_MAX + 1];
    char text[BW_REASON_MAX + 1];
};
#define BW_WISHES_MAX 1

/* How the newest wish that ended did: for whoever still waits for it, or repeats it. */
struct bw_wish_over {
    uint64_t index; /* of its Wish */
    uint64_t epoch; /* the group's when it was asked */
    enum bw_wish_kind kind;
    struct bw_id id;
    enum bw_wish_end end;
    char words[BW_REASON_MAX + 1]; /* who ended it, and why; as far as they fit */
};

/* A site has reported that it serves without the open epoch, or may (3.8). One that is over stays as long as there is
 * room: a late copy of what it ended makes no claim again. */
struct bw_claim {
    char site[BW_NAME_MAX + 1];
    struct bw_id instance; /* of its agent */
    struct bw_id session;  /* of the sync that made it; over: of the newest one that it covers */
    uint64_t number;       /* of that sync */
    uint64_t index;        /* log index of its Claim */
    uint64_t named_epoch;  /* AHEAD: what its site named, also once it is over: no later grant is below it (3.9) */
    uint64_t named_index;
    enum bw_claim_kind kind;
    enum bw_claim_end end; /* NONE: it stands */
};

struct bw_last_end {
    uint64_t epoch; /* 0: none */
    char site[BW_NAME_MAX + 1];
    enum bw_grade grade;
    enum bw_reason reason;
    bool past_no_return;
    char position[BW_POSITION_MAX + 1]; /* "": none was given */
};

/* Holds durations, epochs and indexes, never instants: a clock means nothing elsewhere. */
struct bw_group {
    struct bw_spec spec;
    uint64_t spec_version;      /* raised by SetSpec, SetMode, Maintenance. Begins at the log index
                                   that made the group, so that one deleted and made again never
                                   repeats a version: reports and late commands name it (3.9) */
    uint64_t spec_index;        /* log index of the newest of those. Nothing reads it: every snapshot
                                   has it, and all witnesses write the same bytes */
    uint64_t changed_index;     /* log index of the newest change: what orders carry (5.3) */
    uint64_t epoch;             /* newest epoch ever granted, or the floor it began above */
    enum bw_phase phase;
    bool held;                  /* a failed fence: only Released, Fenced, Forced end the epoch */
    uint64_t held_index;        /* log index of the first FenceFailed of the open epoch; 0 none. A
                                   Released counts that answers it, by a fence begun after (3.3) */
    struct bw_reach_sight sight; /* of the open epoch's service: where it is, as its site saw it (3.4) */
    bool adopting;              /* granted to a running service, not yet reported armed */
    bool first_grant;           /* first-grant rules apply: every site must have reported (3.9) */
    char holder_site[BW_NAME_MAX + 1]; /* "" when VACANT */
    struct bw_id holder_instance;
    /* Of the newest epoch, kept until the next is granted: each boot is committed before the first
     * renewal that came from it is confirmed, the candidate's with the grant (3.5). The last one renews,
     * and no other: it was committed once none of them could hold the lease. */
    struct bw_boot boots[BW_BOOTS_MAX];
    uint32_t boot_count;
    bool has_more_boots;        /* earlier ones than these: whichever boot gives the epoch back, others may hold it
                                   until the wait of 3.3 is over since the last renewal of all */
    struct bw_terms terms;      /* of the open epoch */
    uint64_t granted_index;     /* log index of the open epoch's grant */
    /* A planned move (3.6), whole or not at all:
     *   REVOKING           target, target_origin (the holder): the origin is to stop
     *   VACANT             target, target_origin, target_position: the target is to be granted
     *   GRANTED            target_origin, target_position: the target was granted; a start that fails
     *                      before the point of no return rolls back to the origin
     *   VACANT, rolling_back  target (the origin of before): it is to be granted again, from its own
     *                      data; no position is asked for, and no second way back is kept
     * Any end of an epoch but Released, a Close, and a grant to another site drop it. */
    char target[BW_NAME_MAX + 1];
    char target_origin[BW_NAME_MAX + 1];
    char target_position[BW_POSITION_MAX + 1]; /* that the target must reach; "": none was given */
    enum bw_reason target_reason;
    char target_by[BW_REASON_MAX + 1];
    bool rolling_back;
    char initial_primary[BW_NAME_MAX + 1]; /* one-shot wish of `apply --initial-primary` (3.9):
                                              taken only under first_grant; gone with the grant */
    char first_choice[BW_NAME_MAX + 1]; /* target of a move whose epoch did not end by its give-back:
                                           preferred in the unplanned grant that follows (3.6) */
    char data_site[BW_NAME_MAX + 1];   /* whose data is the newest (design 4) */
    char previous_data_site[BW_NAME_MAX + 1]; /* an epoch is open: what data_site was before it, and
                                                 is again when the epoch left the data alone */
    char let_go_site[BW_NAME_MAX + 1]; /* holder that was let go by observe; "" once granted again,
                                          or where a deleted group's was */
    uint64_t let_go_epoch;
    struct bw_terms let_go_terms;      /* the wait of 3.3 that its report may be replaced by; zeros:
                                          nobody was let go */
    uint64_t let_go_index;      /* log index of the newest commit that lets every site go; 0 none */
    uint64_t maintenance_ms[BW_SITES_MAX]; /* by site index; counted by each witness from its own
                                              apply; 0 none */
    uint64_t group_maintenance_ms;
    struct bw_last_end last_end;
    struct bw_history_entry history[BW_HISTORY_MAX]; /* ring, oldest first from history_first */
    uint32_t history_first;
    uint32_t history_count;
    struct bw_voucher vouchers[BW_VOUCHERS_MAX]; /* oldest first, epochs grow */
    uint32_t voucher_count;
    uint64_t recovered_index;   /* a recovery left it vacant: its log index, until the first grant has
                                   come to stay; 0: none (3.9) */
    struct bw_wish wishes[BW_WISHES_MAX]; /* a failover or switchover, of the newest epoch (4) */
    uint32_t wish_count;
    struct bw_wish_over wishes_over[BW_WISHES_MAX];
    uint32_t wish_over_count;
    struct bw_claim claims[BW_CLAIMS_MAX]; /* oldest first; of each instance of a site one, and one AHEAD */
    uint32_t claim_count;
    bool has_more_claims; /* one found no place: until each of the others is over, no site is granted */
};

/* One row of the table, as the documents print it. Ids are stable and public: logs, explain and bug
 * reports say "G4"; an id is retired, never reused. `requires` and `effect` are the names of the
 * functions that compare and change; what a row says is bw_rule_find(id)->sentence. */
struct bw_group_rule {
    const char *id;
    enum bw_phase phase;
    enum bw_command_kind command;
    const char *requires;
    enum bw_phase next;
    const char *effect;
};

/* The rows, for tests, documents and the simulator's statistics. */
const struct bw_group_rule *bw_group_rules(size_t *out_count);

/* Applies `command` (neither FOUND nor a SetSpec that creates a group: cluster.h) to `group`. The
 * row of Delete changes nothing here: the cluster takes the group away. Whether a new spec is sound
 * is bw_spec_check's business; the row only keeps what runs (holder, target) in the spec. A pair (phase, command) without a row, or whose comparison fails, changes nothing: a recorded
 * no-op, because a command whose fate was unknown may come twice or late (3.1).
 * Returns the row that fired, or NULL. Deterministic: no clock, no random number. */
const struct bw_group_rule *bw_group_apply(struct bw_group *group, uint64_t index,
                                           const struct bw_command *command);

/* The row that `command` would fire now, or NULL: what a leader asks before it proposes. */
const struct bw_group_rule *bw_group_match(const struct bw_group *group,
                                           const struct bw_command *command);

/* A vacant group above `epoch_floor`, as SetSpec creates it. */
void bw_group_init(struct bw_group *out_group, const struct bw_spec *spec, uint64_t epoch_floor,
                   uint64_t index);

/* 3.9: the group of a state that is taken for a new beginning at `index`: vacant above `epoch`, which no
 * site has seen, and first-grant rules apply. Nobody who held it before is believed to be off: the first
 * grant waits for `wait_ms` too. */
void bw_group_recover(struct bw_group *group, uint64_t index, uint64_t epoch, uint32_t wait_ms,
                      int64_t unix_ms);

/* Everything that the table keeps true of phase, holder, held, adopting, target and history: the sentence
 * of a fact that does not hold, or NULL. Asserted after each command; one of a group read from outside (a
 * snapshot) means that it is damaged. */
const char *bw_group_unsound(const struct bw_group *group);
bool bw_group_is_sound(const struct bw_group *group);

/* `number` = 0 is the newest epoch's entry; NULL beyond the end. */
const struct bw_history_entry *bw_group_history_at(const struct bw_group *group, uint32_t number);

/* Who vouched for the end of that epoch; NULL: nobody, or it was too long ago. */
const struct bw_voucher *bw_group_voucher(const struct bw_group *group, uint64_t epoch);

/* ---- what a person asks for (4); NULL: nothing, none has ended ---- */
const struct bw_wish *bw_group_wish(const struct bw_group *group);
const struct bw_wish_over *bw_group_wish_over(const struct bw_group *group);
/* Log index of the wish that this request has made, be it over or not; 0: none is known of it. */
uint64_t bw_group_wish_of(const struct bw_group *group, struct bw_id request_id);
/* The epoch in which the wish of that log index was asked, be it over or not; 0: none is known. */
uint64_t bw_group_wish_epoch(const struct bw_group *group, uint64_t index);
/* By the Wish that is entry `index`, in place of the one before. */
void bw_group_take_wish(struct bw_group *group, uint64_t index, const struct bw_command *command);
/* Whatever is asked for is so no more; `by` and `text` (may be "") say who ended it and why. */
void bw_group_end_wish(struct bw_group *group, enum bw_wish_end end, const char *by,
                       const char *text);

const char *bw_phase_word(enum bw_phase phase);

/* ---- claims (3.8) ---- */

bool bw_claim_stands(const struct bw_claim *claim);
/* The epoch that a Grant makes: above each that was granted, or that a claim AHEAD has named (I2, 3.9). */
uint64_t bw_group_next_epoch(const struct bw_group *group);
/* A site that names these knows of a decision that this state lacks, and no claim AHEAD has named it yet (3.9). */
bool bw_group_lacks(const struct bw_group *group, uint64_t named_epoch, uint64_t named_index);
/* Returns the claim of that agent that is not AHEAD, over or not; NULL if it has made none. */
const struct bw_claim *bw_group_claim_of(const struct bw_group *group, const char *site, struct bw_id instance);
/* True if `claim` has that sync, or a later one of its session: an agent counts its syncs within one session. */
bool bw_claim_covers(const struct bw_claim *claim, struct bw_id session, uint64_t number);
/* Would this Claim or ClaimOver change anything? A Claim that is there already does not, nor does one that a
 * later end covers. */
bool bw_group_takes_claim(const struct bw_group *group, const struct bw_command *command);
/* No claim that stands forbids this SetSpec, SetMode or Delete: none lets a site with a claim go, or leaves it out. */
bool bw_group_claims_let(const struct bw_group *group, const struct bw_command *command);
/* A recovery names numbers above all that sites may know of (3.9). */
void bw_group_forget_ahead(struct bw_group *group);
/* Only what bw_group_takes_claim has taken. */
void bw_group_apply_claim(struct bw_group *group, uint64_t index, const struct bw_command *command);

#endif
