/* witness.h - a witness's machine: who may be told that a lease goes on, what is proposed. Design
 * 3.2.2, 3.3, 4. Pure. The replicated state is the cluster's (cluster.h); this is what the witness
 * adds: leadership, proofs, reports, proposals, wishes. */
#ifndef BW_CORE_WITNESS_H
#define BW_CORE_WITNESS_H

#include <breakwater/base/diag.h>
#include <breakwater/core/arbiter.h>
#include <breakwater/core/cluster.h>
#include <breakwater/core/sync.h>

struct bw_witness {
    char name[BW_NAME_MAX + 1]; /* its own; "": rates are not measured */
    struct bw_cluster *cluster; /* borrowed */
    struct bw_watch *watches;   /* borrowed; one per place of cluster->groups */
    struct bw_leadership leadership;
    struct bw_proof proof;
    struct bw_instant deleted_applied; /* the newest Delete, at the latest */
};

/* `name`: of this witness, as its answers say it (copied). `watches` is zeroed memory; a place without a group
 * stays untouched. */
void bw_witness_init(struct bw_witness *witness, const char *name, struct bw_cluster *cluster,
                     struct bw_watch *watches, struct bw_instant now);

/* Which fact that must hold between two steps does not, of the witness and of that group; NULL: all hold. Each step asserts it. */
const char *bw_witness_unsound(const struct bw_witness *witness, int group);

/* The state was read from disk or came as a snapshot: every duration counts from now. */
void bw_witness_on_restored(struct bw_witness *witness, struct bw_instant now);
/* Leader of `term`, and the own-term barrier has committed and been applied. Nothing of an earlier
 * term counts: confirmations, proposals and wishes that are not replicated are forgotten. */
void bw_witness_on_leading(struct bw_witness *witness, uint64_t term, struct bw_instant now);
void bw_witness_on_not_leading(struct bw_witness *witness);
/* `command` was applied (bw_cluster_apply gave `applied`) at `now`. */
void bw_witness_on_applied(struct bw_witness *witness, const struct bw_command *command,
                           const struct bw_applied *applied, struct bw_instant now);

/* A sync was received at `received` (read after its bytes were read), directly or (`relayed_by` != 0)
 * passed on by the witness of that id, whose certificate was seen: keeps its reports. One of
 * another cluster, of a newer generation, or older than what its session has said is dropped whole.
 * Followers take them too: what they heard of lag and life is what they decide by once they lead.
 * Returns the proof that its renewals must wait for, 0 when it has none or this witness does not
 * lead. */
uint64_t bw_witness_on_sync(struct bw_witness *witness, const struct bw_sync *sync,
                            uint64_t relayed_by, struct bw_instant received);

/* Which receipt of it an answer to this sync is of, for `answer->receipt`: of several copies of one sync the one that is
 * noted; else this one, at `received`. Not 0. */
uint64_t bw_witness_receipt(const struct bw_witness *witness, const struct bw_sync *sync, struct bw_instant received);

/* That proof is made. */
void bw_witness_on_proof(struct bw_witness *witness, uint64_t proof_number);

/* May the renewal be confirmed? Only when `proof_number` is proved, it was received in this leader's
 * own time, the group as applied now is GRANTED or REVOKING in this epoch with this site and instance
 * as holder, its boot is committed (3.5), and this leader has proposed no end of it (3.2.2). A first renewal (the site has not
 * armed the epoch) waits for one freshness window of this leader. True records `received` and the way. */
bool bw_witness_confirm(struct bw_witness *witness, const struct bw_sync *sync,
                        const struct bw_sync_group *group, uint64_t relayed_by,
                        uint64_t proof_number, struct bw_instant received, struct bw_instant now);

/* The arbiter's decision for one group. A decision to act must be followed by
 * bw_witness_on_proposing before anything else is asked of this machine. */
void bw_witness_decide(const struct bw_witness *witness, int group, struct bw_instant now,
                       struct bw_decision *out_decision);
/* All that keeps the group from its next grant is how far a site lags, which this leader does not
 * know of itself: it was away while another witness heard it (4). True until
 * bw_witness_on_handed_over, which is called once leadership was offered to another, for every
 * epoch that is over then: nobody who knows no more gives it back and forth. `decision` is the
 * newest one for that group. */
bool bw_witness_knows_too_little(const struct bw_witness *witness, int group, struct bw_instant now,
                                 const struct bw_decision *decision);
void bw_witness_on_handed_over(struct bw_witness *witness);

/* A command on its way through the log: by this its fate is told. */
struct bw_proposal {
    uint64_t term; /* in which it was submitted; 0: no bw_witness_on_proposing came before */
    int group;     /* -1: none, or one that is not there yet */
};
/* `command` is about to be submitted by this witness, which leads: from here nothing else is decided
 * for its group, and no renewal of an epoch that it ends is confirmed (3.3). */
void bw_witness_on_proposing(struct bw_witness *witness, const struct bw_command *command,
                             struct bw_proposal *out_proposal);
/* What the shell does next about the proposal's group. */
enum bw_proposal_next {
    BW_PROPOSAL_NOTHING, /* it was another term's, or there is no group to look at */
    BW_PROPOSAL_RETRY,   /* it did nothing: look at the group again BW_PROPOSAL_RETRY_MS from now, or later */
    BW_PROPOSAL_GO_ON,   /* look at the group, if any, at once, and submit a barrier: it tells the
                            followers now, not with the next heartbeat, what has committed */
};
/* So that no fault makes a loop spin. */
#define BW_PROPOSAL_RETRY_MS     100
/* It is doubled up to this while the witnesses have no room for the log. */
#define BW_PROPOSAL_RETRY_MS_MAX 3200
/* Its fate. `applied`: what it did, where it was applied; NULL: refused, or unknown. */
BW_MUST_CHECK enum bw_proposal_next bw_witness_on_proposed(struct bw_witness *witness,
                                                           const struct bw_proposal *proposal,
                                                           const struct bw_applied *applied);

/* What the record is to be told with `decision`, a Grant (3.1): the lag, who else was looked at,
 * what a person let pass. Nothing below BW_RECORD_LEVEL. `scratch` is written over. */
void bw_witness_describe_grant(const struct bw_witness *witness, int group, struct bw_instant now,
                               struct bw_decision *decision, struct bw_decision *scratch);
/* The open epoch serves, verified, or was started again at its site, and the record does not know
 * it yet: what is to be proposed, once nothing else is. */
bool bw_witness_note_due(const struct bw_witness *witness, int group, struct bw_instant now,
                         struct bw_command *out_command);

/* As this witness has heard it, and no less than is on record. */
void bw_witness_restarted(const struct bw_witness *witness, int group,
                          struct bw_restarted *out_restarted);

/* For sync answers: the newest epoch that a site other than `site` holds and, by its own fresh
 * report, serves and has verified (4, rejoin); 0: none known here. */
uint64_t bw_witness_other_serves(const struct bw_witness *witness, int group, const char *site,
                                 struct bw_instant now);

/* What that step has changed, for a log: what was asked for is over (at most one of two is set, with
 * `before` as it stood then), and somebody is asked, as the watch says. The words are good until the
 * next report. */
struct bw_remote_fence_news {
    struct bw_remote_fence before;
    const char *failure; /* why it has failed; NULL: it has not just now */
    const char *words;   /* with it: the last words of the script; "": none */
    const char *over;    /* why it is waited for no more, without a failure; NULL: it is, or was not */
    bool is_asked;
};

/* 3.3: whom this leader asks for a fence of the closed epoch, what has come of it, and when
 * somebody is asked again. Before each bw_witness_decide; `*out_wake_in_ns`: again then at the
 * latest. */
void bw_witness_follow_remote_fence(struct bw_witness *witness, int group, struct bw_instant now,
                                    uint64_t *out_wake_in_ns,
                                    struct bw_remote_fence_news *out_news);
/* For sync answers: what `site` is asked for; its epoch is 0 where that is nothing. */
void bw_witness_remote_fence(const struct bw_witness *witness, int group, const char *site,
                             struct bw_remote_fence_ask *out_ask);

/* BW_ERR_REFUSED where a site has a claim, and the group is let go or deleted (`next` NULL), or `next` leaves that site
 * out: what it serves would be reported to nobody any more (3.8). */
BW_MUST_CHECK enum bw_err bw_witness_refuse_claimed(const struct bw_witness *witness, int group,
                                                    const struct bw_spec *next, struct bw_diag *diag);

/* Claim number `number` of the group, by the state or by what this witness has received; false: there are not so many. */
bool bw_witness_claim_at(const struct bw_witness *witness, int group, uint32_t number, struct bw_claimed *out_claimed);
/* Below BW_CLAIM_LEVEL an operator has confirmed that the site is off: this witness forgets what it has claimed. */
void bw_witness_forget_claims(struct bw_witness *witness, int group, const char *site);

/* As bw_witness_ask: would it be noted? */
BW_MUST_CHECK enum bw_err bw_witness_check_wish(const struct bw_witness *witness, int group,
                                                const struct bw_wish *wish, struct bw_instant now,
                                                struct bw_diag *diag);
/* 4: what the group's wish asks for is to be asked for no more: its time has passed, a
 * force-release came after it, or an earlier leader took it and this one, which has heard its sites
 * by now, would refuse it. True: what is to be proposed, once nothing else is. `*out_wake_in_ns`:
 * ask again then at the latest. */
struct bw_foretelling;
bool bw_witness_wish_over_due(struct bw_witness *witness, int group, struct bw_instant now,
                              struct bw_foretelling *room, struct bw_command *out_command,
                              uint64_t *out_wake_in_ns);

/* The wish is a switchover away from a holder whose status does not say whether the service runs: perhaps nobody
 * confirms its end, and then a person has to (3.6). */
bool bw_witness_may_end_unseen(const struct bw_witness *witness, int group, const struct bw_wish *wish,
                               struct bw_instant now);
/* Such a wish is taken from whoever accepts that outage. One that a Wish keeps was accepted when it was asked for. */
BW_MUST_CHECK enum bw_err bw_witness_check_outage(const struct bw_witness *witness, int group,
                                                  const struct bw_wish *wish, struct bw_instant now,
                                                  struct bw_diag *diag);

/* A person asks; `wish->epoch` is filled in here. BW_OK: noted, the arbiter acts on it as long as
 * bw_policy_wish says; else why not, in words, with the next step: switchover needs an open epoch and
 * an eligible target that is not the holder; failover with a live holder answers "use switchover". */
BW_MUST_CHECK enum bw_err bw_witness_ask(struct bw_witness *witness, int group,
                                         const struct bw_wish *wish, struct bw_instant now,
                                         struct bw_diag *diag);

/* Milliseconds of lease that the holder has left at most, as this leader counts; 0: none or unknown. */
uint64_t bw_witness_lease_left_ms(const struct bw_witness *witness, int group,
                                  struct bw_instant now);

#endif
