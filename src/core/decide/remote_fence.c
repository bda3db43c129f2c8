/* remote_fence.c - the fence of a closed epoch from another site: who is asked, when, and what is
 * believed of it. Design 3.3. The script cannot know whether a lease lives; this file does. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/guard_link.h>
#include <breakwater/core/witness.h>

#include "claims.h"
#include "evaluation.h"

/* So long a site may take to say that it has begun; and, once a witness has passed on that it has seen the end, to say
 * that itself. */
#define BEGIN_NS (10 * BW_NS_PER_S)
/* Beyond the limit of its script: for TERM, KILL, and the way of the word. */
#define WORD_NS (70 * BW_NS_PER_S)
/* Between two tries: twice as long each time. */
#define PAUSE_NS   (5 * BW_NS_PER_S)
#define PAUSES_MAX 7 /* the last is of more than five minutes */

/* ---- may it be asked for at all? ------------------------------------------------------------- */

static bool has_claim(const struct bw_evaluation *eval)
{
    struct bw_claimed claimed;

    return bw_claims_find_any(eval->group, eval->watch, &claimed);
}

static bool may_live(const struct bw_evaluation *eval)
{
    return bw_arbiter_lease_may_live_ns(eval->group, eval->watch, eval->leadership, eval->now) > 0;
}

/* Nobody confirms the epoch any more, and no lease of it can live: what a guard could still start
 * under it would come after the fence. What time ends needs none, and what a person lets serve is
 * nobody's to end (3.8). */
static bool is_wanted(const struct bw_evaluation *eval)
{
    return eval->leadership->leads && eval->group->phase == BW_PHASE_CLOSING &&
           bw_eval_has_remote_fence(eval) && eval->group->spec.mode != BW_MODE_OBSERVE &&
           !bw_eval_time_ends(eval) && !may_live(eval) && !has_claim(eval);
}

/* ---- who can be asked ------------------------------------------------------------------------ */

/* One agent speaks for it, itself, and hears this witness. It is a candidate of the spec, and has a script. */
static const struct bw_contact *reachable(const struct bw_evaluation *eval, int site)
{
    const struct bw_group *group = eval->group;
    const struct bw_contact *contact = bw_policy_connected(group, eval->watch, site, eval->now);

    if (!bw_eval_has_remote_fence_at(eval, site) || group->maintenance_ms[site] != 0 || contact == NULL ||
        contact->relayed_by != 0)
        return NULL;
    return contact->report.remote_fence.limit_ms != 0 ? contact : NULL;
}

bool bw_eval_reaches_remote_fence(const struct bw_evaluation *eval)
{
    for (int site = 0; site < (int)eval->group->spec.site_count; site++)
        if (reachable(eval, site) != NULL)
            return true;
    return false;
}

/* 3.7, 4: its guard has seen the epoch once it was asked, and who has seen one may have written what it has. Where the
 * newest data may go back to that site, and another machine stands there since, nobody could tell the two apart then. */
static bool would_seem_to_remember(const struct bw_evaluation *eval, int site)
{
    const struct bw_group *group = eval->group;
    const bool may_go_back = group->terms.no_return != BW_NO_RETURN_PASSED &&
                             eval->watch->verified_epoch != group->epoch;

    return may_go_back && strcmp(group->spec.sites[site].name, group->previous_data_site) == 0 &&
           !bw_policy_remembers(group, eval->watch, site);
}

/* ... and nothing of its own is in the way. */
static const struct bw_contact *able(const struct bw_evaluation *eval, int site)
{
    const struct bw_contact *contact = reachable(eval, site);

    return contact != NULL && contact->report.guard_alive && !contact->report.guard_busy &&
                   contact->report.armed_epoch == 0 && contact->report.service == BW_SERVICE_STOPPED &&
                   contact->report.epoch_seen <= eval->group->epoch && !would_seem_to_remember(eval, site)
               ? contact
               : NULL;
}

/* The one that would be preferred as primary; after a failure another, where there is one. */
static int choose(const struct bw_evaluation *eval)
{
    const struct bw_remote_fence *fence = &eval->watch->remote_fence;
    const bool is_again = fence->failures > 0;
    int best = -1;
    int last = -1;

    for (int site = 0; site < (int)eval->group->spec.site_count; site++) {
        if (able(eval, site) == NULL)
            continue;
        if (is_again && strcmp(eval->group->spec.sites[site].name, fence->site) == 0)
            last = site;
        else if (best < 0 || bw_policy_prefers(eval->group, eval->watch, site, best))
            best = site;
    }
    return best >= 0 ? best : last;
}

/* One at a time: a leader before this one may have asked. It says so as long as its script runs. */
static bool runs_anywhere(const struct bw_evaluation *eval)
{
    for (int site = 0; site < (int)eval->group->spec.site_count; site++) {
        const struct bw_contact *contact = bw_policy_connected(eval->group, eval->watch, site,
                                                               eval->now);

        if (contact != NULL && contact->report.remote_fence.state == BW_REMOTE_FENCE_RUNNING)
            return true;
    }
    return false;
}

/* ---- what has come of it --------------------------------------------------------------------- */

/* Which site was asked last; -1: none was, or the spec has it no more. */
static int asked_site(const struct bw_evaluation *eval)
{
    return bw_spec_find_site(&eval->group->spec, eval->watch->remote_fence.site);
}

/* The newest that was heard from it, however old; NULL: nothing. */
static const struct bw_contact *newest_of_asked(const struct bw_evaluation *eval)
{
    const int site = asked_site(eval);

    return site < 0 ? NULL : bw_site_reports_newest(&eval->watch->reports[site]);
}

/* What the site says that was asked; NULL: it, or the agent that was asked there, is not heard. */
static const struct bw_contact *asked(const struct bw_evaluation *eval)
{
    const struct bw_remote_fence *fence = &eval->watch->remote_fence;
    const int site = asked_site(eval);
    const struct bw_contact *contact = site < 0 ? NULL
                                                : bw_policy_connected(eval->group, eval->watch,
                                                                      site, eval->now);

    if (contact == NULL || !bw_id_equal(contact->instance, fence->instance) ||
        !bw_id_equal(contact->session, fence->session))
        return NULL;
    return contact;
}

/* By its own word, in answer to this very ask: not by what another passes on for it, which could
 * be made up (3.5). */
static bool has_seen_end(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_remote_fence_report *report = &contact->report.remote_fence;

    BW_ASSERT(eval->watch->remote_fence.ask.epoch != 0); /* of nothing asked nothing was seen */
    return contact->relayed_by == 0 && report->state == BW_REMOTE_FENCE_SEEN &&
           bw_remote_fence_ask_is_same(&report->ask, &eval->watch->remote_fence.ask);
}

static bool is_of_epoch(const struct bw_evaluation *eval)
{
    const struct bw_remote_fence_ask *ask = &eval->watch->remote_fence.ask;

    return ask->epoch == eval->group->epoch && ask->held_index == eval->group->held_index;
}

/* A report was sent before it came, so its look did not begin later than that. One from before the
 * fence was asked for says nothing against it: a site whose own fence hangs may have no newer one
 * (3.3). */
static bool may_have_looked_since(const struct bw_contact *contact, struct bw_instant then)
{
    const uint32_t age_ms = contact->report.service_age_ms;
    const struct bw_instant latest = age_ms == UINT32_MAX
                                         ? contact->received
                                         : bw_instant_sub(contact->received, bw_ms_to_ns(age_ms));

    return !bw_instant_wait_is_over(then, latest);
}

/* What was seen to end serves again (3.2.4). */
static bool is_denied(const struct bw_evaluation *eval)
{
    const uint64_t freshness_ns = bw_policy_longer_freshness_ns(eval->group);

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &bw_eval_holder_reports(eval)->by_instance[i];

        if (contact->used && contact->report.service == BW_SERVICE_STARTED &&
            !bw_instant_wait_is_over(eval->now, bw_instant_add(contact->received, freshness_ns)) &&
            may_have_looked_since(contact, eval->watch->remote_fence.asked))
            return true;
    }
    return false;
}

/* 3.5: its word is waited for. Who never reaches the leader itself may be asked in vain, and another not. */
static bool has_waited_for_own_word(struct bw_remote_fence *fence, struct bw_instant now)
{
    if (fence->passed_on.boot_ns == 0)
        fence->passed_on = now;
    return bw_instant_elapsed_ns(now, fence->passed_on) >= BEGIN_NS;
}

/* Why what was asked for has failed; NULL: it has not, as far as is known. Notes what was heard in `fence`. */
static const char *failure(const struct bw_evaluation *eval, struct bw_remote_fence *fence)
{
    const struct bw_contact *contact = asked(eval);
    const uint64_t waited_ns = bw_instant_elapsed_ns(eval->now, fence->asked);
    const struct bw_remote_fence_report *report;

    BW_ASSERT(fence->ask.epoch == eval->group->epoch); /* what was asked of another was dropped */
    if (contact == NULL)
        return "the agent that runs it is not connected any more";
    report = &contact->report.remote_fence;
    if (!bw_remote_fence_ask_is_same(&report->ask, &fence->ask) ||
        report->state == BW_REMOTE_FENCE_NONE)
        return waited_ns >= BEGIN_NS ? "it did not begin in time" : NULL;
    fence->has_begun = true;
    if (report->state == BW_REMOTE_FENCE_RUNNING)
        return waited_ns >= BEGIN_NS + WORD_NS + bw_ms_to_ns(report->limit_ms)
                   ? "it has not ended in time"
                   : NULL;
    if (report->state != BW_REMOTE_FENCE_SEEN)
        return "the script has failed, or was not run";
    /* 3.3: the one that can be asked then is another, for who is relayed is not. Where nobody can, what it has seen would
     * be thrown away for a run of the same script at the same site. */
    if (contact->relayed_by != 0 && has_waited_for_own_word(fence, eval->now) && choose(eval) >= 0)
        return "it has seen the end, and does not reach the leader itself";
    return is_denied(eval) ? "its site says started again" : NULL;
}

/* What its newest run has said, where that has failed. */
static const char *last_words(const struct bw_evaluation *eval)
{
    const struct bw_contact *newest = newest_of_asked(eval);

    for (uint32_t i = 0; newest != NULL && i < newest->report.failure_count; i++)
        if (newest->report.failures[i].action == BW_ACTION_REMOTE_FENCE)
            return newest->report.failures[i].outcome.words;
    return "";
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void ask(const struct bw_evaluation *eval, int site, struct bw_remote_fence *fence)
{
    const struct bw_contact *contact = able(eval, site);

    BW_ASSERT(contact != NULL && eval->group->phase == BW_PHASE_CLOSING); /* 3.3 */
    BW_ASSERT(!may_live(eval)); /* 3.3: what is armed could start after the fence */
    BW_ASSERT(site != bw_eval_holder_index(eval));
    BW_ASSERT(fence->ask.epoch == 0 && !runs_anywhere(eval)); /* one at a time */
    fence->ask = (struct bw_remote_fence_ask){.epoch = eval->group->epoch,
                                              .held_index = eval->group->held_index,
                                              .term = eval->leadership->term,
                                              .number = ++fence->number};
    memcpy(fence->ask.site, eval->group->holder_site, sizeof fence->ask.site);
    memcpy(fence->site, eval->group->spec.sites[site].name, sizeof fence->site);
    fence->instance = contact->instance;
    fence->session = contact->session;
    fence->asked = eval->now;
    fence->passed_on = (struct bw_instant){0, 0};
    fence->has_begun = false;
}

/* Where it may run on, unheard, nobody else is asked before it must be over. */
static void note_failure(const struct bw_evaluation *eval, struct bw_remote_fence *fence)
{
    const struct bw_contact *contact = asked(eval);
    const struct bw_contact *newest = newest_of_asked(eval);

    BW_ASSERT(fence->ask.epoch != 0 && fence->failures <= PAUSES_MAX);
    fence->failed = eval->now;
    fence->wait_ns = PAUSE_NS << (fence->failures < PAUSES_MAX ? fence->failures : PAUSES_MAX - 1);
    fence->failures += fence->failures < PAUSES_MAX;
    if (contact == NULL && newest != NULL && fence->has_begun)
        fence->wait_ns += bw_ms_to_ns(newest->report.remote_fence.limit_ms);
    fence->ask = (struct bw_remote_fence_ask){0};
}

static uint64_t pause_left_ns(const struct bw_remote_fence *fence, struct bw_instant now)
{
    return fence->failures == 0
               ? 0
               : bw_instant_wait_left_ns(now, bw_instant_add(fence->failed, fence->wait_ns));
}

/* Why nothing of what was asked for is waited for any more. */
static const char *over_word(const struct bw_evaluation *eval,
                             const struct bw_remote_fence_ask *ask)
{
    const struct bw_group *group = eval->group;

    if (group->phase == BW_PHASE_VACANT && group->last_end.epoch == ask->epoch)
        return group->last_end.grade == BW_GRADE_FENCED ? "it has seen the end"
                                                        : "the epoch has ended otherwise";
    if (group->epoch == ask->epoch && group->held_index != ask->held_index)
        return "its site has failed to fence since: another fence has to see the end";
    return "it is wanted no more";
}

static void follow(const struct bw_evaluation *eval, bool wanted, struct bw_remote_fence *fence,
                   struct bw_remote_fence_news *news)
{
    int site;

    news->before = *fence;
    if (fence->epoch != eval->group->epoch) { /* nothing of another counts */
        fence->epoch = eval->group->epoch;
        fence->failures = 0;
        fence->site[0] = '\0';
    }
    if (fence->ask.epoch != 0 && (!wanted || !is_of_epoch(eval))) {
        news->over = over_word(eval, &fence->ask);
        fence->ask = (struct bw_remote_fence_ask){0};
    }
    if (fence->ask.epoch != 0)
        news->failure = failure(eval, fence);
    if (news->failure != NULL) {
        news->words = last_words(eval);
        fence->why = news->failure;
        note_failure(eval, fence);
    }
    if (fence->ask.epoch != 0 || !wanted || pause_left_ns(fence, eval->now) > 0 ||
        runs_anywhere(eval))
        return;
    site = choose(eval);
    if (site < 0)
        return;
    ask(eval, site, fence);
    news->is_asked = true;
}

/* While somebody is asked a word that does not come is noticed within a second. */
static uint64_t wake_ns(const struct bw_evaluation *eval, bool wanted,
                        const struct bw_remote_fence *fence)
{
    const uint64_t pause_ns = pause_left_ns(fence, eval->now);

    if (!wanted)
        return UINT64_MAX; /* the gates of A32 wake for it */
    if (fence->ask.epoch != 0)
        return BW_NS_PER_S;
    return pause_ns > 0 ? pause_ns : UINT64_MAX;
}

void bw_witness_follow_remote_fence(struct bw_witness *witness, int group, struct bw_instant now,
                                    uint64_t *out_wake_in_ns, struct bw_remote_fence_news *out_news)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    struct bw_watch *watch = &witness->watches[group];
    const struct bw_evaluation eval = {.group = &witness->cluster->groups[group],
                                       .watch = watch,
                                       .leadership = &witness->leadership,
                                       .now = now};
    bool wanted;

    *out_wake_in_ns = UINT64_MAX;
    *out_news = (struct bw_remote_fence_news){0};
    if (eval.group->spec.name[0] == '\0')
        return;
    wanted = is_wanted(&eval);
    follow(&eval, wanted, &watch->remote_fence, out_news);
    *out_wake_in_ns = wake_ns(&eval, wanted, &watch->remote_fence);
}

void bw_witness_remote_fence(const struct bw_witness *witness, int group, const char *site,
                             struct bw_remote_fence_ask *out_ask)
{
    BW_ASSERT(group >= 0 && group < (int)witness->cluster->group_count);
    const struct bw_group *state = &witness->cluster->groups[group];
    const struct bw_remote_fence *fence = &witness->watches[group].remote_fence;

    *out_ask = (struct bw_remote_fence_ask){0};
    if (witness->leadership.leads && state->phase == BW_PHASE_CLOSING &&
        fence->ask.epoch == state->epoch && strcmp(fence->site, site) == 0)
        *out_ask = fence->ask;
}

/* ---- the step -------------------------------------------------------------------------------- */

static bool forgets_anywhere(const struct bw_evaluation *eval)
{
    for (int site = 0; site < (int)eval->group->spec.site_count; site++)
        if (reachable(eval, site) != NULL && would_seem_to_remember(eval, site))
            return true;
    return false;
}

static const char *unasked_word(const struct bw_evaluation *eval)
{
    if (may_live(eval))
        return "is run after every lease of the epoch has expired";
    if (eval->group->spec.mode == BW_MODE_OBSERVE)
        return "is not run in mode observe";
    if (has_claim(eval))
        return "is not run while a site has a claim, such as an override";
    if (pause_left_ns(&eval->watch->remote_fence, eval->now) > 0)
        return "has failed, and is run again after a pause";
    if (runs_anywhere(eval))
        return "an earlier one still runs";
    if (choose(eval) >= 0)
        return "is about to be requested";
    return forgets_anywhere(eval) ? "is not run at the site with the newest data: its disk may be new"
                                  : "no connected site has such a script";
}

static const char *word_of(const struct bw_evaluation *eval, const struct bw_contact *contact)
{
    const struct bw_remote_fence *fence = &eval->watch->remote_fence;

    if (fence->ask.epoch == 0)
        return unasked_word(eval);
    if (contact == NULL)
        return "is requested, and is not connected";
    if (!bw_remote_fence_ask_is_same(&contact->report.remote_fence.ask, &fence->ask))
        return "is requested";
    switch (contact->report.remote_fence.state) {
    case BW_REMOTE_FENCE_RUNNING:
        return "runs it";
    case BW_REMOTE_FENCE_SEEN:
        return contact->relayed_by == 0 ? "has confirmed the end"
                                        : "has confirmed the end, and must connect to the leader";
    case BW_REMOTE_FENCE_FAILED:
        return "has failed";
    case BW_REMOTE_FENCE_NONE:
        break;
    }
    return "is requested";
}

/* An end that was seen from elsewhere, by a script that began when nothing of the epoch could be
 * started any more. Until A32 nobody else is granted. */
bool bw_decide_fenced(struct bw_evaluation *eval, struct bw_command *command)
{
    const struct bw_remote_fence *fence = &eval->watch->remote_fence;
    const struct bw_contact *contact = fence->ask.epoch != 0 ? asked(eval) : NULL;
    const struct bw_expiry_base base = bw_eval_holder_base(eval);
    const uint64_t pause_ns = pause_left_ns(fence, eval->now);
    const int site = fence->ask.epoch != 0 ? asked_site(eval) : -1;
    bool is_seen;

    if (bw_eval_time_ends(eval) || !bw_eval_has_remote_fence(eval))
        return false; /* A3 ends it, or nobody can */
    (void)bw_gate_wait(&eval->list, BW_GATE_ID_LAPSE, -1, bw_expiry_counted_from(&base),
                       bw_expiry_wait_ns(&eval->group->terms), eval->now, NULL);
    if (fence->ask.epoch == 0 && pause_ns > 0)
        (void)bw_gate_wait(&eval->list, BW_GATE_ID_REMOTE_FENCE_WAIT, -1, fence->failed,
                           fence->wait_ns, eval->now, NULL);
    is_seen = contact != NULL && is_of_epoch(eval) && has_seen_end(eval, contact);
    (void)bw_gate_value(&eval->list, BW_GATE_ID_REMOTE_FENCE, -1, is_seen, BW_UNIT_SITE, site, -1,
                        word_of(eval, contact));
    if (is_seen)
        (void)bw_gate_plain(&eval->list, BW_GATE_ID_CONTRADICTION, -1, !is_denied(eval),
                            is_denied(eval) ? bw_service_word(BW_SERVICE_STARTED) : NULL);
    BW_ASSERT(!is_seen || fence->ask.epoch == eval->group->epoch);
    BW_ASSERT(!is_seen || contact->relayed_by == 0); /* 3.5: by its own word */
    eval->out->from = contact;
    command->kind = BW_COMMAND_FENCED;
    if (is_seen)
        (void)snprintf(command->by, sizeof command->by, "agent/%s/%s", fence->site, contact->agent);
    return true;
}

/* ---- what people are told -------------------------------------------------------------------- */

static void tell_pause(const struct bw_evaluation *eval, char *out_text, size_t size)
{
    const struct bw_remote_fence *fence = &eval->watch->remote_fence;
    const char *said = last_words(eval);
    const char *words = said[0] != '\0' ? said : fence->why;
    const uint64_t left_ms = bw_ns_to_ms(pause_left_ns(fence, eval->now));

    (void)snprintf(out_text, size, "it failed at %s: %s; next try in %" PRIu64 " s", fence->site, words,
                   (left_ms + 999) / 1000);
}

/* Before the epoch is closed, and to who does not lead, it is a matter of who has a script. */
static void tell_who(const struct bw_evaluation *eval, char *out_text, size_t size)
{
    size_t used = 0;

    for (int site = 0; site < (int)eval->group->spec.site_count && used < size; site++) {
        if (bw_eval_has_remote_fence_at(eval, site))
            used += (size_t)snprintf(out_text + used, size - used, "%s%s",
                                     used > 0 ? " or " : "the fence script runs at ",
                                     eval->group->spec.sites[site].name);
    }
    if (used < size)
        (void)snprintf(out_text + used, size - used, " after every lease of the epoch has expired");
}

bool bw_remote_fence_text(const struct bw_group *group, const struct bw_watch *watch,
                          const struct bw_leadership *leadership, struct bw_instant now,
                          char *out_text, size_t size)
{
    const struct bw_evaluation eval = {
        .group = group, .watch = watch, .leadership = leadership, .now = now};
    const struct bw_remote_fence *fence = &watch->remote_fence;

    if (group->phase == BW_PHASE_VACANT || bw_eval_time_ends(&eval) ||
        !bw_eval_has_remote_fence(&eval))
        return false;
    if (!leadership->leads || group->phase != BW_PHASE_CLOSING || may_live(&eval))
        tell_who(&eval, out_text, size);
    else if (fence->ask.epoch != 0)
        (void)snprintf(out_text, size, "%s %s", fence->site, word_of(&eval, asked(&eval)));
    else if (pause_left_ns(fence, now) > 0)
        tell_pause(&eval, out_text, size);
    else
        (void)snprintf(out_text, size, "%s", word_of(&eval, NULL));
    return true;
}
