/* claims.h - the sites that may serve without the open epoch, as far as is committed or this witness has received.
 * Private to core. Design 3.8. Pure.
 *
 * Silence ends nothing: a report of an override holds from its receipt on. The witness that leads commits it as a Claim.
 * It ends by what comes after it: a newer report of its site, an adoption that is armed, an operator. */
#ifndef BW_CORE_CLAIMS_H
#define BW_CORE_CLAIMS_H

#include <breakwater/core/arbiter.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/sync.h>

#include "gates.h"

/* ---- what a witness receives ---- */

/* One sync's report of a claim. */
struct bw_claim_word {
    const char *site;
    struct bw_id instance;
    struct bw_id session;
    uint64_t number; /* of the sync */
    struct bw_instant received;
    struct bw_instant answered; /* it was made after the agent had read an answer to a sync received then; {0, 0}: not known */
    bool is_claimed;
    enum bw_claim_kind kind; /* with is_claimed */
    bool is_given_up; /* not claimed: ends what had begun nothing, or what the spec lacked */
    bool is_over;     /* likewise, and the end of what had begun was seen */
};
/* Reads the newest report of a site of the spec. */
struct bw_claim_word bw_claims_word_of(const char *site, const struct bw_contact *contact);
/* It was made after what that sync of `session` reported, which came here, or was applied, at `since`: an agent counts its
 * syncs, so of one session the number tells; of another one that its agent had read an answer to what came later. */
bool bw_claims_is_newer(const struct bw_claim_word *word, struct bw_id session, uint64_t number, struct bw_instant since);
/* Keeps it, unless a later sync of that session came before, or a committed end covers it. */
void bw_claims_hear(struct bw_watch *watch, const struct bw_group *group, const struct bw_claim_word *word);
/* `command` was applied to the group. */
void bw_claims_on_applied(struct bw_watch *watch, const struct bw_group *group, const struct bw_command *command,
                          struct bw_instant now);

/* ---- what holds ---- */

/* The first claim that another agent has made than this instance of the site `except` (index in the spec; -1: of any):
 * an instance that was made anew knows nothing of what the one before it has left (3.7). One AHEAD holds its own site, too. False: there is none. */
bool bw_claims_find_other(const struct bw_group *group, const struct bw_watch *watch, int except, struct bw_id instance,
                          struct bw_claimed *out_claimed);
bool bw_claims_at(const struct bw_group *group, const struct bw_watch *watch, uint32_t number,
                  struct bw_claimed *out_claimed);
bool bw_claims_find_any(const struct bw_group *group, const struct bw_watch *watch, struct bw_claimed *out_claimed);
/* One of a site that the spec lacks. */
bool bw_claims_find_outside(const struct bw_group *group, const struct bw_watch *watch, struct bw_claimed *out_claimed);
/* The claim of that site: of several the one that weighs most. `out_claimed` may be NULL. */
bool bw_claims_find_of(const struct bw_group *group, const struct bw_watch *watch, const char *site,
                       struct bw_claimed *out_claimed);
/* The site knows of a decision that the log lacks (3.9). */
bool bw_claims_is_ahead(const struct bw_group *group, const struct bw_watch *watch, const char *site);
/* It has a claim that it serves without the open epoch, or may. */
bool bw_claims_may_serve(const struct bw_group *group, const struct bw_watch *watch, const char *site);
/* The gate by which it blocks others. */
enum bw_gate_id bw_claims_gate(const struct bw_claimed *claimed);
/* Why it holds others, for a gate: a constant text, or of `claimed`. */
const char *bw_claims_word(const struct bw_claimed *claimed);
/* Returns the report that a leader has to commit next; NULL: there is none. */
const struct bw_heard_claim *bw_claims_uncommitted(const struct bw_group *group, const struct bw_watch *watch);
/* The Claim that it makes. */
struct bw_command bw_claims_command(const struct bw_group *group, const struct bw_heard_claim *heard);

/* ---- what is said to be over ---- */

/* This witness forgets what it has received of that site: below BW_CLAIM_LEVEL an operator has confirmed that it is off. */
void bw_claims_forget(struct bw_watch *watch, const char *site);
/* As bw_policy_answer, of the site of a claim. */
enum bw_holder_answer bw_claims_answer(const struct bw_group *group, const struct bw_watch *watch, const char *site,
                                       struct bw_instant now, uint64_t *out_fresh_left_ns);

/* The sites that a recovered state's spec lacks: the lost witnesses may have granted one of them. Private
 * to core. Design 3.9. Pure. */

/* A site that is not in the spec of the group has reported this of it: a claim by whatever is less than "all is stopped
 * here" (3.8), until the first grant after a recovery. */
void bw_outside_hear(struct bw_watch *watch, const struct bw_group *group, const char *site,
                     const struct bw_contact *contact, uint64_t number, struct bw_instant received);
/* A site that does not follow this generation yet (3.9) counts for nothing but for what it claims: in the spec an override,
 * outside of it whatever it reports. Nobody is granted beside it before it has had the time to report anew. */
void bw_outside_hear_behind(struct bw_watch *watch, const struct bw_group *group, const struct bw_sync *sync,
                            const struct bw_report *report, struct bw_instant received);
/* A gate that holds a first grant beside the claim of such a site, and, after a recovery, until one has had the time to
 * report to this leader, too. */
void bw_outside_judge(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now, struct bw_gate_list *list);

/* What a site names, and the log lacks: a decision was lost. Private to core. Design 3.9. Pure.
 *
 * The reports themselves are the memory, however old they are, until a leader has committed a claim of the kind AHEAD. */

/* Notes what the newest report of a session names; `before` is its report before (NULL: none). `proof`: of this leader;
 * NULL: it does not lead. */
void bw_ahead_note(struct bw_contact *contact, const struct bw_contact *before, const struct bw_group *group,
                   uint64_t generation, struct bw_proof *proof);
/* Returns report number `*number` that names such, of an agent without a claim for it; NULL: `*number` is less by those
 * that there are. */
const struct bw_contact *bw_ahead_at(const struct bw_group *group, const struct bw_watch *watch, uint32_t *number,
                                     int *out_site);
/* The Claim that a leader has to commit next. False: none, or its proof is on its way. */
bool bw_ahead_command(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_command *out_command);

#endif
