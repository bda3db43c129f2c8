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
    enum bw_reason why_ended;
    enum bw_grade grade; /* of its end */
    bool planned;
    bool adopted;
    uint32_t silent_ms; /* unplanned: last confirmed renewal of the epoch before -> this grant */
    char by[BW_REASON_MAX + 1];
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
    uint64_t spec_version;      /* raised by SetSpec, SetMode, Maintenance */
    uint64_t spec_index;        /* log index of the newest of those */
    uint64_t changed_index;     /* log index of the newest change: what orders carry (5.3) */
    uint64_t epoch;             /* newest epoch ever granted, or the floor it began above */
    enum bw_phase phase;
    bool held;                  /* a failed fence: only Released, Fenced, Forced end the epoch */
    bool adopting;              /* granted to a running service, not yet reported armed */
    bool first_grant;           /* first-grant rules apply: every site must have reported (3.9) */
    char holder_site[BW_NAME_MAX + 1]; /* "" when VACANT */
    struct bw_id holder_instance;
    struct bw_terms terms;      /* of the open epoch */
    uint64_t granted_index;     /* log index of the open epoch's grant */
    char target[BW_NAME_MAX + 1];  /* REVOKING, and VACANT while a switchover goes on: where to */
    char target_origin[BW_NAME_MAX + 1]; /* the site that it started from: rollback goes there */
    char target_position[BW_POSITION_MAX + 1]; /* the position that the target must reach */
    enum bw_reason target_reason;
    char target_by[BW_REASON_MAX + 1];
    bool rolling_back;          /* the switchover's target failed: the origin gets it back */
    char initial_primary[BW_NAME_MAX + 1]; /* one-shot wish of `apply --initial-primary` (3.9) */
    char data_site[BW_NAME_MAX + 1];   /* whose data is the newest (design 4) */
    char let_go_site[BW_NAME_MAX + 1]; /* holder that was let go by observe; "" once granted again */
    uint64_t let_go_epoch;
    struct bw_terms let_go_terms;      /* the wait of 3.3 that its report may be replaced by */
    uint64_t let_go_index;      /* log index of the newest commit that lets every site go; 0 none */
    uint64_t maintenance_ms[BW_SITES_MAX]; /* by site index; counted by each witness from its own
                                              apply; 0 none */
    uint64_t group_maintenance_ms;
    struct bw_last_end last_end;
    struct bw_history_entry history[BW_HISTORY_MAX]; /* ring, oldest first from history_first */
    uint32_t history_first;
    uint32_t history_count;
};

/* One row of the table. Ids are stable and public: logs, explain and bug reports say "G4". */
struct bw_group_rule {
    const char *id;
    enum bw_phase phase;
    enum bw_command_kind command;
    const char *why;
};

/* The rows, for tests, documents and the simulator's statistics. */
const struct bw_group_rule *bw_group_rules(size_t *out_count);

/* Applies `command` (neither FOUND nor one that creates or deletes the group: cluster.h) to `group`.
 * A pair (phase, command) without a row, or whose comparison fails, changes nothing: a recorded
 * no-op, because a command whose fate was unknown may come twice or late (3.1).
 * Returns the row that fired, or NULL. Deterministic: no clock, no random number. */
const struct bw_group_rule *bw_group_apply(struct bw_group *group, uint64_t index,
                                           const struct bw_command *command);

/* True when `command` would fire a row now: what a leader asks before it proposes. */
const struct bw_group_rule *bw_group_match(const struct bw_group *group,
                                           const struct bw_command *command);

/* A vacant group above `epoch_floor`, as SetSpec creates it. */
void bw_group_init(struct bw_group *out_group, const struct bw_spec *spec, uint64_t epoch_floor,
                   uint64_t index);

/* `number` = 0 is the newest epoch's entry; NULL beyond the end. */
const struct bw_history_entry *bw_group_history_at(const struct bw_group *group, uint32_t number);

const char *bw_phase_word(enum bw_phase phase);

#endif
