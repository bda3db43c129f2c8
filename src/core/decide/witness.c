/* witness.c - leadership, proofs, reports and proposals of one witness.
 * Design 3.2.2, 3.3, 4. */
#include <breakwater/core/witness.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>

#include "claims.h"
#include "evaluation.h"
#include "policy.h"
#include "watch.h"

/* A site that speaks at half its pace is two-way now and then only: it was not away in between (4,
 * reports). */
#define TWO_WAY_GAP 2                                   /* freshness windows */
#define CERTIFICATE_S_MAX (UINT64_C(100) * 366 * 86400) /* a hundred years: no certificate lasts so long */

static void keep_report(struct bw_witness *witness, const struct bw_sync *sync,
                        const struct bw_sync_group *sync_group, int group_index,
                        uint64_t relayed_by, struct bw_instant received);

static void assert_sound(const struct bw_witness *witness)
{
    for (uint32_t group = 0; group < witness->cluster->group_count; group++)
        BW_ASSERT_NONE(bw_witness_unsound(witness, (int)group));
}

void bw_witness_init(struct bw_witness *witness, const char *name, struct bw_cluster *cluster,
                     struct bw_watch *watches, struct bw_instant now)
{
    *witness = (struct bw_witness){
        .cluster = cluster, .watches = watches, .leadership = {.started = now,
                                                                 .groups = cluster->groups,
                                                                 .watches = watches,
                                                                 .groups_max = cluster->group_capacity}};
    BW_ASSERT(bw_copy_text(witness->name, sizeof(witness->name), name));
    bw_proof_init(&witness->proof);
    bw_witness_on_restored(witness, now);
}

/* It is about another group from now on, or about none. What is on its way ends all the same. */
static void forget_group(struct bw_watch *watch)
{
    const uint32_t proposing_count = watch->proposing_count;

    if (watch->name[0] == '\0')
        return; /* never used: to write it would cost its memory */
    *watch = (struct bw_watch){.proposing_count = proposing_count};
}

void bw_witness_on_restored(struct bw_witness *witness, struct bw_instant now)
{
    witness->leadership.feature_level = witness->cluster->feature_level;
    BW_ASSERT(witness->cluster->group_count <= witness->cluster->group_capacity);
    witness->deleted_applied = now;
    for (uint32_t group_index = 0; group_index < witness->cluster->group_count; group_index++) {
        const struct bw_group *group = bw_group_at(witness, (int)group_index);
        struct bw_watch *watch = &witness->watches[group_index];

        if (strcmp(watch->name, group->spec.name) != 0)
            forget_group(watch);
        bw_watch_begin(watch, group, now);
    }
}

/* ---- leadership ---- */

/* What this witness did or was asked as a leader; reports and instants of the log stay. */
static void forget_term(struct bw_witness *witness)
{
    const struct bw_instant none = {0, 0};

    bw_proof_init(&witness->proof);
    witness->leadership.proved = 0;
    for (uint32_t group_index = 0; group_index < witness->cluster->group_capacity; group_index++) {
        struct bw_watch *watch = &witness->watches[group_index];

        if (watch->proposing_count != 0) /* of a group that is gone by now, too */
            watch->proposing_count = 0;
        if (watch->name[0] == '\0')
            continue; /* never used: to write it would cost its memory */
        watch->confirmed_epoch = 0;
        watch->last_confirmed = none;
        watch->ways = (struct bw_ways){0};
        watch->ended_epoch = 0;
        watch->boot_epoch = 0;
        watch->remote_fence = (struct bw_remote_fence){0};
        watch->wish_judged = false;
        if (watch->wish.index != 0)
            continue; /* 4: it is replicated, and whoever leads next goes on with it */
        watch->wish = (struct bw_wish){0};
        watch->wish_since = none;
        watch->wish_index = 0; /* one that stood behind it comes forward: follow_wishes() */
    }
}

/* 4: a force-release ends with its leader, and the wish that it stood before does not. */
static void follow_wishes(struct bw_witness *witness, struct bw_instant now)
{
    for (uint32_t group_index = 0; group_index < witness->cluster->group_count; group_index++)
        bw_watch_follow_wish(&witness->watches[group_index], bw_group_at(witness, (int)group_index),
                             now);
}

void bw_witness_on_leading(struct bw_witness *witness, uint64_t term, struct bw_instant now)
{
    BW_ASSERT(term > 0 && term >= witness->leadership.term); /* terms only grow */
    forget_term(witness);
    BW_ASSERT(witness->proof.proved == 0); /* 3.3: nothing of an earlier term proves anything in this one */
    witness->leadership.leads = true;
    witness->leadership.term = term;
    witness->leadership.leader_since = now;
    follow_wishes(witness, now);
    assert_sound(witness);
}

void bw_witness_on_not_leading(struct bw_witness *witness)
{
    forget_term(witness);
    witness->leadership.leads = false;
    assert_sound(witness);
}

/* ---- what the log says ---- */

void bw_witness_on_applied(struct bw_witness *witness, const struct bw_command *command,
                           const struct bw_applied *applied, struct bw_instant now)
{
    const struct bw_group *group;
    struct bw_watch *watch;

    witness->leadership.feature_level = witness->cluster->feature_level;
    if (applied->rule == NULL || applied->group < 0)
        return;
    group = bw_group_at(witness, applied->group);
    watch = &witness->watches[applied->group];
    if (strcmp(watch->name, group->spec.name) != 0) {
        forget_group(watch); /* made, or gone */
        bw_watch_begin(watch, group, now);
        if (command->kind == BW_COMMAND_DELETE)
            witness->deleted_applied = now;
        watch->let_go_applied = witness->deleted_applied; /* of whoever held a deleted group */
        return;
    }
    bw_watch_on_applied(watch, group, command, witness->cluster->applied_index, now);
    BW_ASSERT_NONE(bw_witness_unsound(witness, applied->group));
}

static void note_behind(struct bw_witness *witness, const struct bw_sync *sync, struct bw_instant received)
{
    for (uint32_t i = 0; i < sync->group_count; i++) {
        const int group = bw_cluster_find(witness->cluster, sync->groups[i].name);

        if (group >= 0)
            bw_outside_hear_behind(&witness->watches[group], bw_group_at(witness, group), sync, &sync->groups[i].report,
                                   received);
    }
}

uint64_t bw_witness_on_sync(struct bw_witness *witness, const struct bw_sync *sync,
                            uint64_t relayed_by, struct bw_instant received)
{
    const bool was_wanted = witness->proof.wanted; /* else a report here asks for it (3.9) */
    bool renews = false;

    if (!bw_id_is_none(sync->cluster_id) && !bw_id_equal(sync->cluster_id, witness->cluster->id))
        return 0;
    if (sync->generation > witness->cluster->generation)
        return 0; /* a recovery has left this witness behind */
    if (!bw_id_is_none(sync->cluster_id) && sync->generation < witness->cluster->generation) {
        note_behind(witness, sync, received);
        return 0;
    }
    for (uint32_t i = 0; i < sync->group_count; i++) {
        int group_index = bw_cluster_find(witness->cluster, sync->groups[i].name);

        renews = renews || sync->groups[i].renew_epoch != 0;
        if (group_index >= 0)
            keep_report(witness, sync, &sync->groups[i], group_index, relayed_by, received);
    }
    if (!witness->leadership.leads || (!renews && (was_wanted || !witness->proof.wanted)))
        return 0;
    return bw_proof_want(&witness->proof);
}

static struct bw_contact *find_session(struct bw_site_reports *reports, const struct bw_sync *sync)
{
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        struct bw_contact *contact = &reports->by_instance[i];

        if (contact->used && bw_id_equal(contact->instance, sync->instance) &&
            bw_id_equal(contact->session, sync->session) &&
            bw_id_equal(contact->boot_id, sync->boot_id))
            return contact;
    }
    return NULL;
}

uint64_t bw_witness_receipt(const struct bw_witness *witness, const struct bw_sync *sync, struct bw_instant received)
{
    for (uint32_t i = 0; i < sync->group_count; i++) {
        const int group = bw_cluster_find(witness->cluster, sync->groups[i].name);
        const int site = group < 0 ? -1 : bw_spec_find_site(&bw_group_at(witness, group)->spec, sync->site);
        const struct bw_contact *contact = site < 0 ? NULL
                                                    : find_session(&witness->watches[group].reports[site], sync);

        for (size_t j = 0; contact != NULL && j < BW_RECEIPTS_MAX; j++)
            if (contact->receipts[j].number == sync->number)
                return contact->receipts[j].received.boot_ns;
    }
    return received.boot_ns;
}

static bool is_same_release(const struct bw_released *a, const struct bw_released *b)
{
    return a->epoch == b->epoch && a->held_index == b->held_index && a->reason == b->reason &&
           a->past_no_return == b->past_no_return && strcmp(a->position, b->position) == 0;
}

/* By whom the give-back has come. The same bytes go to every witness, so it may come by several; but
 * a witness that passes on other words than those that came before it speaks for itself alone. */
static void note_release(struct bw_contact *contact, const struct bw_released *released,
                         uint64_t relayed_by)
{
    struct bw_released_by *by = &contact->released_by;

    BW_ASSERT(by->count <= BW_WITNESSES_MAX);
    if (relayed_by != 0 && by->directly && contact->released.epoch >= released->epoch &&
        contact->released.held_index >= released->held_index)
        return;
    if (!is_same_release(&contact->released, released))
        *by = (struct bw_released_by){0};
    contact->released = *released;
    if (released->epoch == 0)
        return;
    if (relayed_by == 0) {
        by->directly = true;
        return;
    }
    for (uint32_t i = 0; i < by->count; i++)
        if (by->witnesses[i] == relayed_by)
            return;
    if (by->count < BW_WITNESSES_MAX)
        by->witnesses[by->count++] = relayed_by;
}

/* The newest sync of which the agent has heard this very witness's answer; NULL: it names none. */
static const struct bw_exchange *last_answered(const struct bw_witness *witness, const struct bw_sync *sync)
{
    const struct bw_exchange *newest = NULL;

    for (uint32_t i = 0; i < sync->exchange_count; i++) {
        const struct bw_exchange *exchange = &sync->exchanges[i];

        if (strcmp(exchange->witness, witness->name) == 0 && exchange->number > 0 &&
            (newest == NULL || exchange->number > newest->number))
            newest = exchange;
    }
    return newest;
}

/* 3.3: a copy that another witness has held for a while comes after this one has answered, when nothing may be noted
 * of that any more, in this boot or the one before: what follows was made after that answer, and not after the copy
 * came. An agent of an earlier release does not say which receipt it heard of: the note of an earlier sync does, unless
 * it came late itself. */
static bool is_of_answer(const struct bw_receipt *receipt, const struct bw_exchange *exchange)
{
    if (exchange->receipt == 0)
        return receipt->number <= exchange->number && !receipt->is_late;
    return receipt->number == exchange->number && receipt->received.boot_ns == exchange->receipt;
}

/* It is answered, too. What is older than all notes, or is noted, changes nothing. */
static void note_overtaken(struct bw_contact *contact, uint64_t number, struct bw_instant received)
{
    struct bw_receipt *receipts = contact->receipts;
    size_t at = 0;

    while (at < BW_RECEIPTS_MAX && receipts[at].number > number)
        at++;
    if (at == BW_RECEIPTS_MAX || receipts[at].number == number)
        return;
    memmove(&receipts[at + 1], &receipts[at], (BW_RECEIPTS_MAX - 1 - at) * sizeof receipts[0]);
    receipts[at] = (struct bw_receipt){.number = number, .received = received, .is_late = true};
}

/* When the sync that the agent heard answered was received here: from this witness's own notes, never
 * from the agent, and only what this witness answered itself. It may have answered another witness's
 * copy later than it got that sync, so another's answer tells nothing of when what follows was made. One
 * that is not among the notes was received no earlier than what was, and has a smaller number. */
static void look_up_answer(const struct bw_witness *witness, const struct bw_contact *before,
                           const struct bw_sync *sync, struct bw_contact *out_contact)
{
    const struct bw_exchange *answered = last_answered(witness, sync);

    out_contact->receipts[0] = (struct bw_receipt){.number = sync->number,
                                                   .received = out_contact->received};
    if (before == NULL)
        return;
    memcpy(&out_contact->receipts[1], before->receipts,
           (BW_RECEIPTS_MAX - 1) * sizeof(before->receipts[0]));
    out_contact->answered_number = before->answered_number;
    out_contact->answered_received = before->answered_received;
    for (size_t i = 0; i < BW_RECEIPTS_MAX && answered != NULL && answered->number < sync->number; i++) {
        const struct bw_receipt *receipt = &before->receipts[i];

        if (receipt->number == 0 || !is_of_answer(receipt, answered))
            continue;
        if (receipt->number > before->answered_number) {
            out_contact->answered_number = receipt->number;
            out_contact->answered_received = receipt->received;
        }
        return; /* they are the newest first */
    }
}

/* The lag of every other site as last measured while this one was heard to renew and serve. What was measured before
 * it served in this epoch, even it, is behind another, or behind what it waited for then (4). */
static void sample_lag(struct bw_watch *watch, const struct bw_group *group, int holder, struct bw_instant received)
{
    const char *name = group->spec.sites[holder].name;

    BW_ASSERT(strcmp(name, group->holder_site) == 0);
    if (strcmp(watch->served_site, name) != 0 || watch->served_epoch != group->epoch) {
        memset(watch->lag, 0, sizeof(watch->lag));
        memcpy(watch->served_site, name, sizeof(watch->served_site));
        watch->served_epoch = group->epoch;
        watch->served_since = received;
    }
    for (int site = 0; site < (int)group->spec.site_count; site++) {
        const struct bw_contact *contact = bw_site_reports_newest(&watch->reports[site]);

        /* Not by when it came: a witness that stood still may have read it long after (3.3). */
        if (site != holder && contact != NULL && contact->answered_number != 0)
            bw_watch_sample_lag(watch, site, contact, contact->answered_received);
    }
}

/* The holder renews and its service runs: from here its data is what others lag behind. */
static bool is_serving(const struct bw_group *group, const struct bw_sync *sync,
                       const struct bw_sync_group *sync_group)
{
    return group->phase != BW_PHASE_VACANT && sync_group->renew_epoch == group->epoch &&
           strcmp(sync->site, group->holder_site) == 0 &&
           bw_id_equal(sync->instance, group->holder_instance) &&
           sync_group->report.armed_epoch == group->epoch &&
           sync_group->report.serving_epoch_started;
}

/* The receipt is looked up in this witness's own notes: only what this witness answered counts. */
static void measure_rate(const struct bw_witness *witness, struct bw_rate *rate,
                         const struct bw_contact *before, const struct bw_sync *sync,
                         uint64_t gap_ns)
{
    for (uint32_t i = 0; i < sync->exchange_count; i++) {
        const struct bw_exchange *exchange = &sync->exchanges[i];

        if (strcmp(exchange->witness, witness->name) != 0)
            continue;
        for (size_t j = 0; j < BW_RECEIPTS_MAX; j++) {
            const struct bw_receipt *receipt = &before->receipts[j];
            const struct bw_rate_sample sample = {.sent = exchange->sent,
                                                  .answered = exchange->answered,
                                                  .received = receipt->received};

            if (receipt->number != 0 && receipt->number == exchange->number && is_of_answer(receipt, exchange))
                bw_rate_add(rate, sync->session, &sample, gap_ns);
        }
    }
}

static void keep_report(struct bw_witness *witness, const struct bw_sync *sync,
                        const struct bw_sync_group *sync_group, int group_index,
                        uint64_t relayed_by, struct bw_instant received)
{
    const struct bw_group *group = bw_group_at(witness, group_index);
    struct bw_watch *watch = &witness->watches[group_index];
    int site = bw_spec_find_site(&group->spec, sync->site);
    struct bw_contact contact = {
        .used = true,
        .instance = sync->instance,
        .session = sync->session,
        .boot_id = sync->boot_id,
        .relayed_by = relayed_by,
        .feature_level = sync->feature_level,
        .guard_level = sync->guard_level,
        .received = received,
        .certificate_left_s = sync->certificate_left_s < CERTIFICATE_S_MAX
                                  ? sync->certificate_left_s
                                  : CERTIFICATE_S_MAX,
        .renew_epoch = sync_group->renew_epoch,
        .report = sync_group->report,
    };
    const uint64_t freshness_ns = site < 0 ? 0 : bw_policy_freshness_of_ns(group, site);
    const bool counts_second = witness->cluster->feature_level >= BW_SECOND_LEVEL;
    struct bw_contact *before;
    const struct bw_contact *newest;
    struct bw_claim_word claimed;
    bool was_two_way;

    if (site < 0) { /* 3.9: it is told to let go, and no grant counts on its word */
        contact.released = sync_group->released;
        bw_outside_hear(watch, group, sync->site, &contact, sync->number, received);
        return;
    }
    if (!counts_second) /* 5.3: an older witness knows no command that says so */
        contact.report.second = BW_SECOND_IS_NONE;
    if (witness->cluster->feature_level < BW_PASS_LEVEL)
        contact.report.has_point = false;
    before = find_session(&watch->reports[site], sync);
    if (before != NULL && sync->number <= before->receipts[0].number) {
        if (sync_group->released.epoch != 0 && sync_group->released.epoch == before->released.epoch)
            note_release(before, &sync_group->released, relayed_by);
        note_overtaken(before, sync->number, received);
        return; /* overtaken on its way: what it gives back is final, and came by one more way */
    }
    if (before != NULL) {
        contact.released = before->released;
        contact.released_by = before->released_by;
    }
    note_release(&contact, &sync_group->released, relayed_by);
    memcpy(contact.agent, sync->agent, sizeof(contact.agent));
    newest = bw_site_reports_newest(&watch->reports[site]);
    if (newest == NULL ||
        bw_instant_right_is_over(received, bw_instant_add(newest->received, freshness_ns)))
        watch->connected_since[site] = received;
    was_two_way = bw_site_reports_are_two_way(&watch->reports[site], received,
                                              TWO_WAY_GAP * freshness_ns);
    look_up_answer(witness, before, sync, &contact);
    if (!was_two_way && bw_contact_is_two_way(&contact, received, freshness_ns))
        watch->two_way_since[site] = received;
    BW_ASSERT(contact.answered_number <=
              contact.receipts[0].number); /* no answer is to what was not yet sent */
    if (before != NULL)
        measure_rate(witness, &watch->rates[site], before, sync, freshness_ns);
    contact.first_received = before != NULL ? before->first_received : received;
    bw_ahead_note(&contact, before, group, witness->cluster->generation,
                  witness->leadership.leads ? &witness->proof : NULL);
    bw_site_reports_put(&watch->reports[site], &contact);
    claimed = bw_claims_word_of(sync->site, &contact);
    bw_claims_hear(watch, group, &claimed);
    bw_epoch_timeline_take(watch, group, site, &contact, is_serving(group, sync, sync_group));
    if (!is_serving(group, sync, sync_group))
        return;
    sample_lag(watch, group, site, received);
    watch->served_contact = received;
    watch->served_closed = (struct bw_instant){0, 0};
    if (sync_group->report.verified)
        watch->verified_epoch = group->epoch;
}

/* ---- renewals ---- */

/* H20: a new leader gives each site the time to report before it lets a start begin, and none does beside the claim of
 * another site (3.2.2, 3.8). */
static bool is_first_renewal_due(const struct bw_witness *witness, const struct bw_group *group,
                                 const struct bw_watch *watch, struct bw_instant now)
{
    const int holder = bw_spec_find_site(&group->spec, group->holder_site);
    struct bw_claimed claimed;

    if (bw_claims_find_other(group, watch, holder, group->holder_instance, &claimed))
        return false;
    return bw_instant_wait_is_over(now, bw_instant_add(witness->leadership.leader_since,
                                                       bw_policy_longer_freshness_ns(group)));
}

static bool is_confirmable(const struct bw_witness *witness, const struct bw_group *group,
                           const struct bw_watch *watch, const struct bw_sync *sync,
                           const struct bw_sync_group *sync_group)
{
    return sync_group->renew_epoch != 0 && sync_group->renew_epoch == group->epoch &&
           witness->leadership.leads && strcmp(group->holder_site, sync->site) == 0 &&
           bw_watch_may_renew(watch, group, sync->instance, sync->boot_id) &&
           bw_second_lets_renew(group, &sync_group->report);
}

bool bw_witness_confirm(struct bw_witness *witness, const struct bw_sync *sync,
                        const struct bw_sync_group *group, uint64_t relayed_by,
                        uint64_t proof_number, struct bw_instant received, struct bw_instant now)
{
    const struct bw_way way = {.boot_id = sync->boot_id, .relayed_by = relayed_by};
    int group_index = bw_cluster_find(witness->cluster, group->name);
    struct bw_watch *watch;

    if (group_index < 0 || !bw_proof_covers(&witness->proof, proof_number) ||
        !bw_instant_wait_is_over(received, witness->leadership.leader_since))
        return false;
    watch = &witness->watches[group_index];
    if (!is_confirmable(witness, bw_group_at(witness, group_index), watch, sync, group))
        return false;
    if (group->report.armed_epoch != group->renew_epoch &&
        !is_first_renewal_due(witness, bw_group_at(witness, group_index), watch, now))
        return false;
    if (watch->confirmed_epoch != group->renew_epoch) {
        watch->last_confirmed = (struct bw_instant){0, 0};
        watch->ways = (struct bw_ways){0};
    }
    (void)bw_ways_note(&watch->ways, &way, received); /* whether it is new, its caller counts itself */
    watch->confirmed_epoch = group->renew_epoch;
    watch->last_confirmed = bw_instant_max(watch->last_confirmed, received);
    BW_ASSERT_NONE(bw_witness_unsound(witness, group_index));
    return true;
}

uint64_t bw_witness_lease_left_ms(const struct bw_witness *witness, int group,
                                  struct bw_instant now)
{
    const struct bw_group *state = bw_group_at(witness, group);
    const struct bw_watch *watch = &witness->watches[group];
    struct bw_instant end = bw_instant_add(watch->last_confirmed, bw_ms_to_ns(state->terms.ttl_ms));

    if (!bw_phase_is_renewed(state->phase) || !witness->leadership.leads || watch->confirmed_epoch != state->epoch)
        return 0;
    return bw_ns_to_ms(bw_instant_wait_left_ns(now, end));
}

/* ---- decisions and proposals ---- */

void bw_witness_decide(const struct bw_witness *witness, int group, struct bw_instant now,
                       struct bw_decision *out_decision)
{
    const struct bw_group *state = bw_group_at(witness, group);

    if (state->spec.name[0] == '\0') {
        *out_decision = (struct bw_decision){
            .rule = "A0", .wake_in_ns = UINT64_MAX, .command = {.kind = BW_COMMAND_COUNT}};
        return;
    }
    bw_arbiter_decide(state, &witness->watches[group], &witness->leadership, now, out_decision);
}

static bool is_kept_by_unknown_lag_alone(const struct bw_decision *decision, int site)
{
    bool is_lag_unknown = false;

    for (uint32_t i = 0; i < decision->gate_count; i++) {
        const struct bw_gate *gate = &decision->gates[i];

        if (gate->site != site || gate->verdict != BW_GATE_HOLD)
            continue;
        if ((gate->id != BW_GATE_ID_LAG && gate->id != BW_GATE_ID_LAG_UNKNOWN) || gate->age_ms != UINT32_MAX)
            return false; /* another gate, or one that rests on a measure */
        is_lag_unknown = true;
    }
    return is_lag_unknown;
}

/* But that no site is a candidate. */
static bool is_group_kept(const struct bw_decision *decision)
{
    for (uint32_t i = 0; i < decision->gate_count; i++) {
        const struct bw_gate *gate = &decision->gates[i];

        if (gate->site < 0 && gate->verdict == BW_GATE_HOLD &&
            gate->id != BW_GATE_ID_CANDIDATE)
            return true;
    }
    return false;
}

bool bw_witness_knows_too_little(const struct bw_witness *witness, int group, struct bw_instant now,
                                 const struct bw_decision *decision)
{
    const struct bw_group *state = bw_group_at(witness, group);
    const struct bw_watch *watch = &witness->watches[group];

    if (decision->acts || state->phase != BW_PHASE_VACANT ||
        watch->handed_over_epoch == state->epoch ||
        bw_policy_wish_left_ns(state, watch, now) != 0 || is_group_kept(decision) ||
        !bw_policy_has_readiness(state, watch)) /* nobody else knows it either */
        return false;
    for (int site = 0; site < (int)state->spec.site_count; site++)
        if (is_kept_by_unknown_lag_alone(decision, site))
            return true;
    return false;
}

void bw_witness_on_handed_over(struct bw_witness *witness)
{
    for (uint32_t group = 0; group < witness->cluster->group_count; group++)
        if (bw_group_at(witness, (int)group)->phase == BW_PHASE_VACANT)
            witness->watches[group].handed_over_epoch = bw_group_at(witness, (int)group)->epoch;
}

void bw_witness_on_proposing(struct bw_witness *witness, const struct bw_command *command,
                             struct bw_proposal *out_proposal)
{
    int group = bw_cluster_find(witness->cluster, command->group);

    BW_ASSERT(witness->leadership.leads);
    BW_ASSERT(witness->leadership.term > 0);
    *out_proposal = (struct bw_proposal){.term = witness->leadership.term, .group = group};
    if (group < 0)
        return;
    BW_ASSERT(witness->watches[group].proposing_count < UINT32_MAX);
    witness->watches[group].proposing_count++;
    if (command->kind == BW_COMMAND_NOTE)
        bw_epoch_timeline_noted(&witness->watches[group].timeline, command);
    if (command->kind == BW_COMMAND_EXPIRED || command->kind == BW_COMMAND_CLOSE ||
        command->kind == BW_COMMAND_FENCE_FAILED || command->kind == BW_COMMAND_RELEASED)
        witness->watches[group].ended_epoch = command->epoch;
    if (command->kind == BW_COMMAND_BOOT) {
        witness->watches[group].boot_epoch = command->epoch;
        witness->watches[group].boot_id = command->boot_id;
    }
    BW_ASSERT_NONE(bw_witness_unsound(witness, group));
}

enum bw_proposal_next bw_witness_on_proposed(struct bw_witness *witness,
                                             const struct bw_proposal *proposal,
                                             const struct bw_applied *applied)
{
    bool did_something = applied != NULL && applied->rule != NULL;

    BW_ASSERT(proposal->group < (int)witness->cluster->group_capacity);
    BW_ASSERT(proposal->term > 0); /* else renewals were confirmed beside it: 3.3 */
    if (!witness->leadership.leads || witness->leadership.term != proposal->term)
        return BW_PROPOSAL_NOTHING;
    if (proposal->group >= 0) {
        BW_ASSERT(witness->watches[proposal->group].proposing_count > 0); /* each ends once */
        witness->watches[proposal->group].proposing_count--;
    }
    if (applied == NULL && proposal->group >= 0)
        witness->watches[proposal->group].timeline.noted_epoch =
            0; /* perhaps it was that: said again */
    if (did_something)
        return BW_PROPOSAL_GO_ON;
    return proposal->group >= 0 ? BW_PROPOSAL_RETRY : BW_PROPOSAL_NOTHING;
}
