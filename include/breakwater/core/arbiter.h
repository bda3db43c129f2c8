/* arbiter.h - who should be primary: group + reports + now -> at most one command, and why. Design 4.
 * Pure. The explanation is the evaluation: what `explain` prints is what was decided by. */
#ifndef BW_CORE_ARBITER_H
#define BW_CORE_ARBITER_H

#include <breakwater/core/expiry.h>
#include <breakwater/core/group.h>
#include <breakwater/core/report.h>

/* A person's wish, in the leader's memory only (4). */
enum bw_wish_kind { BW_WISH_NONE, BW_WISH_FAILOVER, BW_WISH_SWITCHOVER };
struct bw_wish {
    enum bw_wish_kind kind;
    char to[BW_NAME_MAX + 1]; /* "": the best candidate (failover only) */
    bool accept_data_loss;
    uint64_t epoch;           /* the group's epoch when it was asked: one Grant past the gates */
    uint32_t timeout_ms;      /* switchover; 0: the spec's */
    char by[BW_REASON_MAX + 1];
    char text[BW_REASON_MAX + 1];
};

/* What one witness remembers about a group beside the log: reports, instants, its own proposals.
 * Volatile. Durations of replicated state are counted from the instant at which this witness applied
 * the entry, after a restart from its start: longer, never shorter (3.1). */
struct bw_watch {
    struct bw_site_reports reports[BW_SITES_MAX]; /* by site index of the spec */
    struct bw_instant phase_applied; /* newest change of phase or epoch */
    struct bw_instant grant_applied; /* grant of the open epoch */
    struct bw_instant spec_applied;
    struct bw_instant maintenance_applied[BW_SITES_MAX];
    struct bw_instant group_maintenance_applied;
    struct bw_instant let_go_applied;
    uint64_t confirmed_epoch;          /* of last_confirmed; 0: none in this term */
    struct bw_instant last_confirmed;  /* receipt of the last renewal confirmed in this term (3.3) */
    uint64_t ended_epoch; /* this leader proposed Expired or Close of it: no more renewals (3.2.2) */
    bool is_proposing;    /* a proposal is on its way: nothing else is proposed for this group */
    struct bw_wish wish;
};

/* Where this witness stands. */
struct bw_leadership {
    bool leads;                     /* own-term barrier committed and applied (3.3) */
    uint64_t term;
    struct bw_instant leader_since; /* when that barrier was applied */
    struct bw_instant started;      /* this process */
};

enum bw_gate_verdict { BW_GATE_PASS, BW_GATE_HOLD, BW_GATE_NOTE };
enum bw_unit { BW_UNIT_NONE, BW_UNIT_MS, BW_UNIT_COUNT, BW_UNIT_WORD };

/* One thing that was looked at. `id` is stable and public ("lapse", "lag", "damping", ...); all ids
 * with their meaning are listed in explain.c. */
struct bw_gate {
    const char *id;
    enum bw_gate_verdict verdict;
    int site;            /* index in the spec; -1: the group's */
    enum bw_unit unit;
    int64_t value;
    int64_t threshold;
    uint32_t age_ms;     /* of the observation; UINT32_MAX: no observation */
    const char *word;    /* static: value in words (unit WORD), or why */
};

#define BW_GATES_MAX 96

struct bw_decision {
    bool acts;
    struct bw_command command; /* complete but for `by` when no person asked, and unix_ms */
    const char *rule;          /* stable id of the step that decided ("A7"); "A0": nothing to do */
    uint64_t wake_in_ns;       /* evaluate again then at the latest; UINT64_MAX: on events only */
    uint32_t gate_count;
    struct bw_gate gates[BW_GATES_MAX];
};

/* Evaluates the steps of design 4 in their order; the first that yields a command wins. */
void bw_arbiter_decide(const struct bw_group *group, const struct bw_watch *watch,
                       const struct bw_leadership *leadership, struct bw_instant now,
                       struct bw_decision *out_decision);

/* A site may be granted: fills `out` with the gates it passed and those that hold it. `planned`: as
 * the target of a switchover. Used by the arbiter, by status (eligible, why_not) and by --plan. */
struct bw_candidacy {
    bool eligible;
    uint32_t gate_count;
    struct bw_gate gates[24];
};
void bw_policy_judge(const struct bw_group *group, const struct bw_watch *watch, int site,
                     bool planned, struct bw_instant now, struct bw_candidacy *out_candidacy);

#endif
