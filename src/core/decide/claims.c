/* claims.c - which sites may serve without the open epoch, and what ends that. Design 3.8, 3.9. */
#include "claims.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

/* ---- what a witness receives ---- */

/* The end of an override is durable at its site only once a fence has seen it (3.8); one that has not begun leaves
 * nothing behind. A guard that is down may know of more than its agent. */
static void read_report(const struct bw_report *report, struct bw_claim_word *out_word)
{
    const bool is_stopped = report->service == BW_SERVICE_STOPPED ||
                            (report->service == BW_SERVICE_UNKNOWN && report->has_fence_or_stop_succeeded);

    out_word->is_claimed = report->override != BW_OVERRIDE_NONE;
    out_word->kind = report->override == BW_OVERRIDE_WAITING ? BW_CLAIM_WAITS : BW_CLAIM_OVERRIDES;
    out_word->is_given_up = !out_word->is_claimed && report->guard_alive && !report->fence_failed;
    out_word->is_over = out_word->is_given_up && (is_stopped || report->armed_epoch != 0);
}

struct bw_claim_word bw_claims_word_of(const char *site, const struct bw_contact *contact)
{
    struct bw_claim_word word = {.site = site,
                                 .instance = contact->instance,
                                 .session = contact->session,
                                 .number = contact->receipts[0].number,
                                 .received = contact->received};

    if (contact->answered_number != 0)
        word.answered = contact->answered_received;
    read_report(&contact->report, &word);
    return word;
}

static bool is_of(const struct bw_heard_claim *heard, const struct bw_claim_word *word)
{
    return strcmp(heard->site, word->site) == 0 && bw_id_equal(heard->instance, word->instance);
}

bool bw_claims_is_newer(const struct bw_claim_word *word, struct bw_id session, uint64_t number,
                        struct bw_instant since)
{
    if (bw_id_equal(word->session, session))
        return word->number > number;
    return word->answered.boot_ns != 0 && bw_instant_is_beyond(word->answered, since);
}

static bool is_kept(const struct bw_group *group, const char *site, struct bw_id instance)
{
    const struct bw_claim *claim = bw_group_claim_of(group, site, instance);

    return claim != NULL && bw_claim_stands(claim);
}

static bool is_free(const struct bw_heard_claim *heard)
{
    return heard->site[0] == '\0';
}

/* Nothing is lost with it: it holds nothing, or the state keeps its claim. */
static bool is_spare(const struct bw_group *group, const struct bw_heard_claim *heard)
{
    return is_free(heard) || heard->is_over || is_kept(group, heard->site, heard->instance);
}

/* The place of that agent, else a spare one; NULL: there is none. */
static struct bw_heard_claim *place_for(struct bw_watch *watch, const struct bw_group *group,
                                        const struct bw_claim_word *word)
{
    struct bw_heard_claim *best = NULL;

    for (size_t i = 0; i < BW_CLAIMS_MAX; i++) {
        struct bw_heard_claim *heard = &watch->heard_claims[i];

        if (!is_free(heard) && is_of(heard, word))
            return heard;
        if (is_spare(group, heard) && (best == NULL || !is_free(best)))
            best = heard;
    }
    return best;
}

/* 3.8: an end that was committed covers all that the same session had sent before. */
static bool is_covered(const struct bw_group *group, const char *site, struct bw_id instance, struct bw_id session,
                       uint64_t number)
{
    const struct bw_claim *claim = bw_group_claim_of(group, site, instance);

    return claim != NULL && !bw_claim_stands(claim) && bw_claim_covers(claim, session, number);
}

static void keep(struct bw_watch *watch, struct bw_heard_claim *heard, const struct bw_claim_word *word)
{
    if (heard == NULL) {
        watch->has_more_heard_claims = true;
        return;
    }
    *heard = (struct bw_heard_claim){.instance = word->instance,
                                     .session = word->session,
                                     .number = word->number,
                                     .received = word->received,
                                     .kind = word->kind,
                                     .is_over = word->is_over};
    BW_ASSERT(bw_copy_text(heard->site, sizeof heard->site, word->site)); /* a checked name */
}

void bw_claims_hear(struct bw_watch *watch, const struct bw_group *group, const struct bw_claim_word *word)
{
    struct bw_heard_claim *heard = place_for(watch, group, word);
    const bool is_known = heard != NULL && !is_free(heard) && is_of(heard, word);
    struct bw_claim_word over = *word;

    if (is_known && bw_id_equal(heard->session, word->session) && word->number <= heard->number)
        return; /* a copy that another witness has held */
    if (word->is_claimed) {
        if (!is_covered(group, word->site, word->instance, word->session, word->number))
            keep(watch, heard, word);
        return;
    }
    over.is_over = word->is_over || (is_known && heard->kind != BW_CLAIM_OVERRIDES && word->is_given_up);
    if (is_known && over.is_over && bw_claims_is_newer(word, heard->session, heard->number, heard->received))
        keep(watch, heard, &over);
}

static void take_out(struct bw_watch *watch, struct bw_heard_claim *heard)
{
    *heard = (struct bw_heard_claim){.number = 0};
    for (size_t i = 0; i < BW_CLAIMS_MAX; i++)
        if (!is_free(&watch->heard_claims[i]))
            return;
    watch->has_more_heard_claims = false;
}

void bw_claims_forget(struct bw_watch *watch, const char *site)
{
    for (size_t i = 0; i < BW_CLAIMS_MAX; i++)
        if (!is_free(&watch->heard_claims[i]) && strcmp(watch->heard_claims[i].site, site) == 0)
            take_out(watch, &watch->heard_claims[i]);
}

void bw_claims_on_applied(struct bw_watch *watch, const struct bw_group *group, const struct bw_command *command,
                          struct bw_instant now)
{
    if (command->kind == BW_COMMAND_CLAIM)
        watch->claim_applied = now;
    if (command->kind != BW_COMMAND_CLAIM_OVER)
        return;
    if (command->claim_end == BW_CLAIM_END_OPERATOR) {
        bw_claims_forget(watch, command->site); /* they confirmed it of all that was received by then */
        return;
    }
    for (size_t i = 0; i < BW_CLAIMS_MAX; i++) {
        struct bw_heard_claim *heard = &watch->heard_claims[i];

        if (!is_free(heard) && is_covered(group, heard->site, heard->instance, heard->session, heard->number))
            take_out(watch, heard);
    }
}

/* ---- what holds ---- */

/* An end that was received, and is not committed yet, still holds where a claim is kept: that waits for its ClaimOver. */
static bool holds(const struct bw_heard_claim *heard)
{
    return !is_free(heard) && !heard->is_over;
}

static void describe(const struct bw_group *group, const char *site, struct bw_id instance, enum bw_claim_kind kind,
                     bool is_committed, struct bw_claimed *out_claimed)
{
    *out_claimed = (struct bw_claimed){.site = site,
                                       .instance = instance,
                                       .index = bw_spec_find_site(&group->spec, site),
                                       .kind = kind,
                                       .is_committed = is_committed};
}

/* First those that the state keeps. */
bool bw_claims_at(const struct bw_group *group, const struct bw_watch *watch, uint32_t number,
                  struct bw_claimed *out_claimed)
{
    const struct bw_contact *contact;
    int site;

    for (uint32_t i = 0; i < group->claim_count; i++)
        if (bw_claim_stands(&group->claims[i]) && number-- == 0) {
            describe(group, group->claims[i].site, group->claims[i].instance, group->claims[i].kind, true, out_claimed);
            return true;
        }
    for (size_t i = 0; i < BW_CLAIMS_MAX; i++) {
        const struct bw_heard_claim *heard = &watch->heard_claims[i];

        if (holds(heard) && !is_kept(group, heard->site, heard->instance) && number-- == 0) {
            describe(group, heard->site, heard->instance, heard->kind, false, out_claimed);
            return true;
        }
    }
    contact = bw_ahead_at(group, watch, &number, &site);
    if (contact != NULL) {
        describe(group, group->spec.sites[site].name, contact->instance, BW_CLAIM_AHEAD, false, out_claimed);
        return true;
    }
    if ((!group->has_more_claims && !watch->has_more_heard_claims) || number != 0)
        return false;
    *out_claimed = (struct bw_claimed){.site = "", .index = -1, .kind = BW_CLAIM_OVERRIDES};
    return true;
}

bool bw_claims_find_other(const struct bw_group *group, const struct bw_watch *watch, int except, struct bw_id instance,
                          struct bw_claimed *out_claimed)
{
    for (uint32_t number = 0; bw_claims_at(group, watch, number, out_claimed); number++)
        if (out_claimed->index < 0 || out_claimed->index != except || out_claimed->kind == BW_CLAIM_AHEAD ||
            !bw_id_equal(out_claimed->instance, instance))
            return true;
    return false;
}

bool bw_claims_find_any(const struct bw_group *group, const struct bw_watch *watch, struct bw_claimed *out_claimed)
{
    return bw_claims_at(group, watch, 0, out_claimed);
}

bool bw_claims_find_outside(const struct bw_group *group, const struct bw_watch *watch, struct bw_claimed *out_claimed)
{
    for (uint32_t number = 0; bw_claims_at(group, watch, number, out_claimed); number++)
        if (out_claimed->index < 0)
            return true;
    return false;
}

/* A claim that the site may serve weighs more than what it knows. */
static int weight(enum bw_claim_kind kind)
{
    return kind == BW_CLAIM_AHEAD ? -1 : (int)kind;
}

bool bw_claims_is_ahead(const struct bw_group *group, const struct bw_watch *watch, const char *site)
{
    struct bw_claimed claimed;

    for (uint32_t number = 0; bw_claims_at(group, watch, number, &claimed); number++)
        if (claimed.kind == BW_CLAIM_AHEAD && strcmp(claimed.site, site) == 0)
            return true;
    return false;
}

bool bw_claims_may_serve(const struct bw_group *group, const struct bw_watch *watch, const char *site)
{
    struct bw_claimed claimed;

    return bw_claims_find_of(group, watch, site, &claimed) && claimed.kind != BW_CLAIM_AHEAD;
}

bool bw_claims_find_of(const struct bw_group *group, const struct bw_watch *watch, const char *site,
                       struct bw_claimed *out_claimed)
{
    struct bw_claimed claimed, most = {.site = NULL};

    for (uint32_t number = 0; bw_claims_at(group, watch, number, &claimed); number++)
        if (strcmp(claimed.site, site) == 0 && (most.site == NULL || weight(claimed.kind) > weight(most.kind)))
            most = claimed;
    if (most.site != NULL && out_claimed != NULL)
        *out_claimed = most;
    return most.site != NULL;
}

enum bw_gate_id bw_claims_gate(const struct bw_claimed *claimed)
{
    return claimed->kind == BW_CLAIM_AHEAD ? BW_GATE_ID_CLAIM_AHEAD : BW_GATE_ID_CLAIM;
}

const char *bw_claims_word(const struct bw_claimed *claimed)
{
    if (claimed->site[0] == '\0')
        return "more sites may serve than the state keeps";
    switch (claimed->kind) {
    case BW_CLAIM_WAITS:
        return "an override waits there";
    case BW_CLAIM_OUTSIDE:
        return "a site that is not in the spec may serve; apply the spec that has it";
    case BW_CLAIM_AHEAD:
        return "the site reports a decision that the witnesses have lost";
    case BW_CLAIM_OVERRIDES:
        break;
    }
    return "the site serves under an override";
}

struct bw_command bw_claims_command(const struct bw_group *group, const struct bw_heard_claim *heard)
{
    struct bw_command command = {.kind = BW_COMMAND_CLAIM,
                                 .epoch = group->epoch,
                                 .instance = heard->instance,
                                 .session = heard->session,
                                 .sync_number = heard->number,
                                 .claim = heard->kind};

    BW_COPY_FIELD(command.group, group->spec.name);
    BW_COPY_FIELD(command.site, heard->site);
    return command;
}

const struct bw_heard_claim *bw_claims_uncommitted(const struct bw_group *group, const struct bw_watch *watch)
{
    for (size_t i = 0; i < BW_CLAIMS_MAX; i++) {
        const struct bw_heard_claim *heard = &watch->heard_claims[i];
        struct bw_command command;

        if (!holds(heard))
            continue;
        command = bw_claims_command(group, heard);
        if (bw_group_takes_claim(group, &command))
            return heard;
    }
    return NULL;
}
