/* arbiter.h - who should be primary: group + reports + now -> at most one command, and why. Design 4.
 * Pure. The explanation is the evaluation: what `explain` prints is what was decided by. */
#ifndef BW_CORE_ARBITER_H
#define BW_CORE_ARBITER_H

#include <breakwater/core/expiry.h>
#include <breakwater/core/explain.h>
#include <breakwater/core/group.h>
#include <breakwater/core/rate.h>
#include <breakwater/core/report.h>
#include <breakwater/core/ways.h>

/* How far a site lagged while the data site was seen alive. What is measured after the data site
 * fell silent says nothing about what it had not yet sent, so it never replaces this (4). */
struct bw_lag_sample {
    uint64_t lag_ms;
    struct bw_id instance;      /* whose word it is: of a machine that is made anew in its place it says nothing (3.7) */
    struct bw_instant measured; /* at the latest: receipt less the age in the report */
    uint32_t check_interval_ms;
    bool known;
};

/* When this witness applied the grant of an epoch, and its end: what damping and back-off count by. */
struct bw_grant_mark {
    uint64_t epoch; /* 0: free */
    struct bw_instant applied;
    struct bw_instant ended; /* zeros: it has not */
    bool is_found; /* in the state that this witness began with: `applied` is when it began, not when it was granted */
};

/* How an epoch came to serve, by its sites' own words, as this witness heard them: for the record
 * (3.1), and nothing is decided by it. Zeros: that was not heard. */
struct bw_epoch_timeline {
    uint64_t epoch; /* the newest that all this is about; 0: none */
    struct bw_instant armed;
    struct bw_instant started;
    struct bw_instant verified;
    struct bw_instant served;        /* the newest look of its holder's that said `started` */
    struct bw_instant
        served_before; /* the same of the epoch before; later, where its site says so */
    struct bw_instant surely_before; /* not before this, by its site's own word */
    struct bw_instant stopped;        /* its holder's first look since `served` that said `stopped`, at the latest */
    struct bw_instant stopped_before; /* the same of the epoch before */
    struct bw_instant down; /* its holder's newest look before `started` that said `stopped`, at the earliest */
    bool is_reported;                /* it has said so, and that the service has stopped */
    uint64_t noted_epoch;            /* this witness has proposed the Note of it; 0: none */
    bool has_noted_report;           /* with what the site before has said */
    /* Starts again at its site, by each of its agents in turn: none knows of one before it. */
    struct bw_id restarts_session;    /* of the newest agent that has said so; none: nobody has */
    struct bw_instant restarts_since; /* when that was heard first */
    uint32_t restarts_reported;       /* by that one */
    uint32_t restarts_before;         /* by those before it */
    struct bw_instant restarted;      /* the newest */
    uint32_t noted_restarts;          /* with noted_epoch */
    uint32_t phase_ms[BW_STEP_PHASE_COUNT]; /* of its start by steps, by its site's word */
};

/* How often the service of the open epoch had ended and was started again at its site, for people.
 */
struct bw_restarted {
    uint32_t count;          /* at least */
    struct bw_instant since; /* the last time; zeros: it is not known */
};

/* The fence from another site that this leader asks for (3.3). */
struct bw_remote_fence {
    struct bw_remote_fence_ask ask; /* epoch 0: nobody is asked now */
    char site[BW_NAME_MAX + 1];     /* who is asked; once nobody is: who was asked last */
    struct bw_id instance, session; /* of its agent: nobody else's word counts */
    struct bw_instant asked;
    bool has_begun; /* it has said that the script runs */
    struct bw_instant passed_on; /* since when a witness passes on that it has seen the end; {0, 0}: none has */
    uint64_t epoch; /* the epoch that failures are counted of */
    uint32_t failures;
    struct bw_instant failed; /* the newest: nobody is asked for wait_ns from then */
    const char *why;          /* ... a constant text */
    uint64_t wait_ns;
    uint64_t number; /* of the newest ask in this term */
};

/* A site that has spoken in an older generation of the cluster (3.9): no report of it is kept. */
struct bw_behind {
    struct bw_instant at; /* the newest; {0, 0}: none has come */
};

/* The newest report of one agent that its site serves without the open epoch, or may: it holds like a claim, however old
 * it is, until an end that covers it was committed, or its site has reported the end (3.8). Without a name: a free place.
 */
struct bw_heard_claim {
    char site[BW_NAME_MAX + 1];
    struct bw_id instance;
    struct bw_id session;
    uint64_t number; /* of the sync */
    struct bw_instant received;
    enum bw_claim_kind kind;
    bool is_over;   /* a later sync of that session has reported the end: `number` is of that one */
};

/* One claim of a site, in the state or in the memory of this witness. */
struct bw_claimed {
    const char *site; /* borrowed of group or watch; "": more claims were made than are kept */
    struct bw_id instance;
    int index;        /* in the spec; -1: the spec lacks it */
    enum bw_claim_kind kind;
    bool is_committed;
};

/* What one witness remembers about a group beside the log: reports, instants, its own proposals.
 * Volatile. Durations of replicated state are counted from the instant at which this witness applied
 * the entry, after a restart from its start: longer, never shorter (3.1). */
struct bw_watch {
    char name[BW_NAME_MAX + 1];                    /* the group that all this is about */
    char sites[BW_SITES_MAX][BW_NAME_MAX + 1];     /* whose reports: they follow their site when a
                                                      spec puts it elsewhere */
    struct bw_site_reports reports[BW_SITES_MAX];  /* by site index of the spec */
    struct bw_instant connected_since[BW_SITES_MAX]; /* its reports came without a gap since then */
    struct bw_instant two_way_since[BW_SITES_MAX]; /* and it heard answers, without a longer gap */
    struct bw_behind behind[BW_SITES_MAX];
    struct bw_heard_claim heard_claims[BW_CLAIMS_MAX];
    bool has_more_heard_claims; /* one found no place: no site is granted until there is none */
    struct bw_instant claim_applied; /* the newest Claim; this witness's own beginning, at the latest */
    struct bw_lag_sample lag[BW_SITES_MAX];        /* behind served_site, since served_since */
    struct bw_rate rates[BW_SITES_MAX];            /* of their clocks against this witness's */
    char served_site[BW_NAME_MAX + 1]; /* newest site heard to renew and serve; "": none */
    char data_before[BW_NAME_MAX + 1]; /* the data site before the grant of data_before_epoch, which
                                          this witness has itself seen applied; "": it has not, or what
                                          was written since may be more than that epoch (4) */
    struct bw_id data_before_instance; /* who spoke for it then */
    uint64_t data_before_epoch;
    bool first_grant; /* as the state had it before the newest command; so is the next */
    char initial_primary[BW_NAME_MAX + 1];
    uint64_t named_epoch; /* newest epoch granted to whom a person named as the first (3.9), as far as this witness
                             has seen it applied; 0: none */
    uint64_t verified_epoch; /* newest epoch heard verified serving by its holder; 0: none */
    uint64_t served_epoch;           /* in which it was heard so */
    struct bw_instant served_since;  /* when this witness itself first heard it serve in that epoch, */
    struct bw_instant
        served_contact; /* and last, whoever led */
    struct bw_instant served_closed; /* when it saw applied that its epoch is renewed no more; {0, 0}: it may be */
    struct bw_epoch_timeline timeline;           /* of the newest epoch, for the record alone */
    struct bw_grant_mark grants[BW_HISTORY_MAX]; /* ring */
    uint32_t grants_next;
    uint64_t seen_epoch;     /* the (phase, epoch, held) that phase_applied belongs to */
    enum bw_phase seen_phase;
    bool seen_held;
    struct bw_instant phase_applied; /* newest change of phase, epoch or held */
    struct bw_instant grant_applied; /* grant of the newest epoch, open or over */
    bool grant_is_found;             /* as in struct bw_grant_mark */
    struct bw_instant maintenance_applied[BW_SITES_MAX];
    struct bw_instant group_maintenance_applied;
    struct bw_instant let_go_applied;
    uint64_t confirmed_epoch;          /* of last_confirmed; 0: none in this term */
    struct bw_instant last_confirmed;  /* receipt of the last renewal confirmed in this term (3.3) */
    struct bw_ways ways;  /* by which renewals of confirmed_epoch were confirmed in this term (3.5) */
    uint64_t ended_epoch; /* this leader proposed an end or Close of it: no more renewals (3.2.2) */
    uint64_t boot_epoch;  /* of which this leader has proposed a boot: it confirms no other's (3.5) */
    struct bw_id boot_id; /* the newest of them */
    uint32_t proposing_count; /* proposals of this term on their way, people's too: nothing is decided until
                                 the last has ended. Of the group's place (bw_proposal) */
    struct bw_remote_fence remote_fence; /* asked for in this term */
    uint64_t handed_over_epoch; /* after which this witness has given leadership away, for want of a
                                   lag */
    struct bw_wish wish; /* that of the group; below BW_WISH_LEVEL, and a force-release always, this
                            leader's alone: then its index is 0 */
    struct bw_instant wish_since; /* a wish does not outlive its time: bw_policy_wish */
    uint64_t wish_index; /* of the group's wish, as it was taken into `wish` last; 0: none */
    bool wish_judged; /* this leader has judged what an earlier one took (bw_witness_wish_over_due)
                       */
};

/* Where this witness stands. */
struct bw_group;
struct bw_leadership {
    bool leads;                     /* own-term barrier committed and applied (3.3) */
    uint64_t term;
    struct bw_instant leader_since; /* when that barrier was applied */
    uint64_t proved;                /* its newest proof that was applied (3.2.2) */
    struct bw_instant started;      /* this process */
    /* Each group of the cluster and what its sites say, `groups_max` of both: of what one fault does to several (4). NULL:
     * none is looked at. */
    const struct bw_group *groups;
    const struct bw_watch *watches;
    uint32_t groups_max;
    uint32_t feature_level;         /* of the replicated state */
};

#define BW_GATE_VERDICT_LIST(X)                                                                    \
    X(PASS, "pass") X(HOLD, "hold") X(NOTE, "note")
enum bw_gate_verdict {
#define X(name, word) BW_GATE_##name,
    BW_GATE_VERDICT_LIST(X)
#undef X
};
const char *bw_gate_verdict_word(enum bw_gate_verdict verdict);
enum bw_unit { BW_UNIT_NONE, BW_UNIT_MS, BW_UNIT_COUNT, BW_UNIT_PPM, BW_UNIT_WORD, BW_UNIT_SITE };

/* One thing that was evaluated; explain.h has a row of words for each. */
struct bw_gate {
    enum bw_gate_id id;
    const char *step;    /* the step that looked ("A3"); "A0": a gate of every step; NULL in a
                            candidacy */
    enum bw_gate_verdict verdict;
    int site;            /* index in the spec; -1: the group's */
    enum bw_unit unit;
    int64_t value;
    int64_t threshold;
    uint32_t age_ms;     /* of the observation; UINT32_MAX: no observation */
    const char *word;    /* value in words (unit WORD), or why; NULL: nothing to add. Static, or of the watch that was
                            judged */
};

#define BW_CANDIDACY_GATES_MAX 24
#define BW_GATES_MAX 640 /* every site judged for two moves, and each step's own */

struct bw_decision {
    bool acts;
    struct bw_command command; /* complete but for `by` when no person asked, and unix_ms. When
                                  nothing acts: what would be proposed if no gate of step A0 held
                                  (mode observe, a proposal on its way), else of kind
                                  BW_COMMAND_COUNT */
    const char *rule;          /* stable id of the step that decided ("A3"); "A0": nothing to do */
    const struct bw_contact
        *from; /* whose word Released, Boot or Fenced rests on, in the watch; else NULL */
    uint64_t wake_in_ns;       /* evaluate again then at the latest; UINT64_MAX: on events only */
    uint32_t gate_count;
    struct bw_gate gates[BW_GATES_MAX];
};

/* 3.9: whoever held it when it was let go has said that it did, or no lease of that epoch can live. Until then
 * an order that no longer speaks of the let-go would have the service stopped there. */
bool bw_arbiter_has_let_go(const struct bw_group *group, const struct bw_watch *watch,
                           const struct bw_leadership *leadership, struct bw_instant now);

/* While it has not: until no such lease can live. */
uint64_t bw_arbiter_let_go_left_ns(const struct bw_group *group, const struct bw_watch *watch,
                                   const struct bw_leadership *leadership, struct bw_instant now);

/* 3.6: the stop for the move that is on its way has not begun, as its holder says freshly; a stop
 * that has is finished. `group` is REVOKING. */
bool bw_arbiter_may_give_up(const struct bw_group *group, const struct bw_watch *watch,
                            struct bw_instant now);

/* 3.9: its holder has begun to stop it, or was ordered to and cannot be asked. Let go meanwhile it would stay down, with
 * nobody to start it. */
bool bw_arbiter_may_be_stopping(const struct bw_group *group, const struct bw_watch *watch, struct bw_instant now);

/* 3.9: it was given back for a move, and whoever is granted next, its target or its origin, is not seen to serve yet;
 * within the time of the move, anew from each grant. Let go meanwhile it would stay down, or its start be fenced. */
bool bw_arbiter_is_arriving(const struct bw_group *group, const struct bw_watch *watch, struct bw_instant now);

/* Evaluates the steps of design 4 in their order; the first of which no gate of the group (site -1)
 * holds yields its command and wins: A36 Claim · A37 ClaimOver (3.8), in `observe` too, and then
 *   A1 Released · A2 FenceFailed · A3 Expired · A4 Close · A5 Unrevoke · A6 first Grant ·
 *   A7 Grant of a switchover's target · A8 Grant back to its origin · A9 Grant of the best
 * candidate · before A6: A31 Grant to the one site where a person overrides (3.8) · A10 Adopted ·
 * A11 Revoke for a switchover · A12 Revoke for failback · A13 end of a maintenance · A30 Boot
 * (looked at after A5). After A4: A25 Close for a force-release · A26 Forced, once no lease of the
 * epoch can live (3.1). Before A3: A33 SecondEnforcer (3.4), A34 Passed, A32 Fenced, by the word of
 * the site that was asked (3.3).
 *
 * Where design 3.9 and 4 leave room:
 * - `manual` holds a grant to any site but data_site: that site gets back what it has just had. A
 *   target, its origin and a service that is adopted were asked for already.
 * - A failover passes mode (never observe), maintenance of the group, back-off and damping; lag
 * only with accept_data_loss, and with that an owed rejoin of the site that it names. It passes no
 * gate of a first grant and no other of the site itself.
 * - Maintenance of the group holds what nobody asked for: first grant, best candidate, failback.
 * - Damping and readiness never keep data_site from its group; an origin comes back in maintenance.
 * - An adoption that nobody saw armed may expire although its site says `started`: it is what ran
 *   there before, and the rules of a first grant apply again.
 * - A site that is not the data site needs a lag only where some site has a readiness script. */
void bw_arbiter_decide(const struct bw_group *group, const struct bw_watch *watch,
                       const struct bw_leadership *leadership, struct bw_instant now,
                       struct bw_decision *out_decision);

/* The same, as if nobody had asked for a failover. */
void bw_arbiter_decide_unasked(const struct bw_group *group, const struct bw_watch *watch,
                               const struct bw_leadership *leadership, struct bw_instant now,
                               struct bw_decision *out_decision);

/* A site may be granted: fills `out` with the gates it passed and those that hold it. `planned`: as
 * the target of a switchover. Used by the arbiter, by status (eligible, blocked_by) and by --plan. */
struct bw_candidacy {
    bool eligible;
    uint64_t wake_in_ns; /* a gate opens by time alone then; UINT64_MAX: none does */
    uint32_t gate_count;
    struct bw_gate gates[BW_CANDIDACY_GATES_MAX];
};
void bw_policy_judge(const struct bw_group *group, const struct bw_watch *watch,
                     const struct bw_leadership *leadership, int site, bool planned,
                     struct bw_instant now, struct bw_candidacy *out_candidacy);

/* Why time alone does not end the open epoch, whatever becomes of its holder (3.3, 3.4, 4). */
struct bw_end_waits {
    enum bw_gate_id gate; /* of A3, which stays shut */
    const char *why;      /* static, follows "time alone does not end it: "; NULL: time alone ends it */
    bool is_lost;         /* the holder's instance is gone from its site: nobody gives the epoch back */
    bool is_unseen;       /* a fence of it failed, and no status says whether it runs there, or a second enforcer alone reports (3.4): only
                             a person sees the end */
    bool has_remote_fence; /* another candidate has a script that can see its end from there (3.3) */
};
/* False: time alone ends it once its lease has lapsed, or none is open. True: only the site itself, a
 * fence or a person does, and every text about this group says so and names force-release. The very
 * conditions by which A3 and A4 decide. */
bool bw_arbiter_end_waits_for(const struct bw_group *group, const struct bw_watch *watch,
                              const struct bw_leadership *leadership,
                              struct bw_end_waits *out_waits);

/* The command by which a person ends an epoch that time does not end. Cut to `size`, ended by NUL. */
void bw_end_way(const struct bw_group *group, const struct bw_end_waits *waits, char *out_text,
                size_t size);
/* Says that time does not end the open epoch, and the only way; always BW_ERR_REFUSED. */
BW_MUST_CHECK enum bw_err bw_forced_refuse_waiting(const struct bw_group *group,
                                                   const struct bw_end_waits *waits,
                                                   struct bw_diag *diag);

/* What becomes of the fence from another site, in words; who can be asked for it, before it can be
 * asked for. False: time alone ends the epoch, or no site that was heard has a remote_fence_script.
 * Cut to `size`, ended by NUL. */
#define BW_REMOTE_FENCE_TEXT_BYTES 320
bool bw_remote_fence_text(const struct bw_group *group, const struct bw_watch *watch,
                          const struct bw_leadership *leadership, struct bw_instant now,
                          char *out_text, size_t size);

/* What a grant of this site would lose, as far as this witness knows (4). */
enum bw_loss_kind {
    BW_LOSS_NOBODYS, /* nobody has served yet, as far as the state and the sites know */
    BW_LOSS_NONE,    /* its data is the newest */
    BW_LOSS_MEASURED,
    BW_LOSS_AT_MOST, /* what was written since the last grant */
    BW_LOSS_UNKNOWN
};
struct bw_loss {
    enum bw_loss_kind kind;
    const char *data_site;      /* of the group or its spec; "": of nobody */
    uint64_t ms;                /* MEASURED, AT_MOST */
    struct bw_instant measured; /* MEASURED: when */
    const char *unknown;        /* AT_MOST, UNKNOWN: why; a literal */
};
void bw_policy_loss(const struct bw_group *group, const struct bw_watch *watch,
                    const struct bw_leadership *leadership, int site, struct bw_loss *out_loss);

/* So long a report of this site of the spec is fresh: a holder renews as its epoch's terms say, whatever the spec says
 * since (3.3). */
uint64_t bw_policy_freshness_of_ns(const struct bw_group *group, int site);
/* Its one fresh report: bw_site_reports_fresh, by what is committed of the group. */
const struct bw_contact *bw_policy_fresh(const struct bw_group *group, const struct bw_watch *watch, int site,
                                         struct bw_instant now, bool *out_several);
/* 3.9: the group is only observed, and by the site's own fresh word its guard has let it go since. Until then what
 * serves there is fenced when its guard begins anew. */
bool bw_policy_site_has_let_go(const struct bw_group *group, const struct bw_watch *watch, int site,
                               struct bw_instant now);

/* What a fresh report of the holder's site says against a person who vouches that it is off. */
enum bw_holder_answer {
    BW_HOLDER_SILENT,
    BW_HOLDER_ANSWERS, /* and does not say that the service runs there */
    BW_HOLDER_STARTED  /* its service runs: no word of a person ends the epoch (I1) */
};
enum bw_holder_answer bw_arbiter_holder_answer(const struct bw_group *group,
                                               const struct bw_watch *watch, struct bw_instant now,
                                               uint64_t *out_fresh_left_ns);

/* The rest of the wait of 3.3: until when a lease of the open epoch may live at its site, if nobody
 * renews it from here. 0: none can live any more, or no epoch is open. */
uint64_t bw_arbiter_lease_may_live_ns(const struct bw_group *group, const struct bw_watch *watch,
                                      const struct bw_leadership *leadership,
                                      struct bw_instant now);

/* The wish that is in force now; BW_WISH_NONE once its epoch is over or its time has passed: for a
 * switchover its timeout, for the others two lease_ttl more, because they may wait for an end (3.3).
 */
enum bw_wish_kind bw_policy_wish(const struct bw_group *group, const struct bw_watch *watch,
                                 struct bw_instant now);

#endif
