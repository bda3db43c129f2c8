/* What a site knows of its second enforcers (3.4): what it answers them, whether one can be counted
 * on to end what outlives the machine of the guard, and that nothing starts under an epoch whose
 * end by time rests on one that does not know of it. Nothing here is durable: a new agent waits
 * until it is asked. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/expiry.h>

#define FRESH_NS_MIN  BW_NS_PER_S /* whatever the terms say, or before they are known */
#define LOOKS_OLD     2           /* so many of its intervals since a look began, */
#define LOOK_TAKES_MS 5000        /* and what one may take: then it has seen nothing */
#define LOOKS_APART   3           /* so many, and it looks at something else */

static const struct bw_terms *terms_of(const struct bw_site *site)
{
    return site->order.kind != BW_ORDER_NONE ? &site->order.terms : &site->memory.terms;
}

/* ---- what it says to them -------------------------------------------------------------------- */

/* 3.5: an epoch that was accepted here tells that those before it have ended, and one that was
 * given back is final. */
static uint64_t own_over(const struct bw_site *site)
{
    const struct bw_site_memory *kept = &site->kept;

    return kept->given_back || kept->epoch == 0 ? kept->epoch : kept->epoch - 1;
}

/* 3.8: what serves is a person's, who vouches for it, and began where nothing served: no epoch that was heard of has left
 * anything. That of an order to stand by has ended, or is another site's. */
static uint64_t overridden_epoch(const struct bw_site *site)
{
    const uint64_t seen = bw_site_epoch_seen(site);
    const uint64_t told = site->order.kind == BW_ORDER_STAND_BY ? site->order.epoch : 0;

    if (site->kept.override != BW_OVERRIDE_OVERRIDING || site->guard.armed_serial == 0)
        return 0;
    return bw_max(told, seen);
}

/* 3.9: the epoch that was let go is left as it is, whoever held it, and so are those before once nothing of them serves:
 * what does later a person has started. */
static uint64_t let_go_epoch(const struct bw_site *site)
{
    const struct bw_order *order = &site->order;

    if (order->kind != BW_ORDER_LET_GO || order->let_go_index > site->kept.let_go_index)
        return 0;
    return site->service == BW_SERVICE_STOPPED ? order->epoch : order->let_go_epoch;
}

/* Of what another instance has left this one knows only that; of what it holds itself only its own word counts (3.5). */
static uint64_t over_epoch(const struct bw_site *site)
{
    const uint64_t own = own_over(site);
    uint64_t others = bw_max(overridden_epoch(site), let_go_epoch(site));

    if (own < site->memory.epoch && others >= site->memory.epoch)
        others = site->memory.epoch - 1;
    return bw_max(own, others);
}

/* Only what its guard has acknowledged is a lease (3.2.3): who counts from less fences earlier. */
void bw_site_second_tell(const struct bw_site *site, struct bw_instant now,
                         struct bw_second_lease *out_lease)
{
    *out_lease = (struct bw_second_lease){.over_epoch = over_epoch(site)};
    if (!bw_site_epoch_is_open(site) || !bw_lease_is_alive(&site->lease, now))
        return;
    BW_ASSERT(site->lease.epoch == site->memory.epoch);
    BW_ASSERT(site->lease.epoch > out_lease->over_epoch); /* 3.4: what is armed is not over */
    out_lease->epoch = site->memory.epoch;
    out_lease->left_ns = bw_instant_left_ns(now, site->lease.end);
    out_lease->fence_ns = site->lease.fence_ns;
    out_lease->serves = site->tenure == BW_TENURE_SERVING && site->service == BW_SERVICE_STARTED;
}

/* ---- what it makes of their words ------------------------------------------------------------ */

static uint64_t fresh_ns(const struct bw_site *site)
{
    const struct bw_terms *terms = terms_of(site);
    const uint64_t ns = bw_expiry_freshness_ns(terms->renew_interval_ms, terms->request_timeout_ms);

    return ns > FRESH_NS_MIN ? ns : FRESH_NS_MIN;
}

/* Until then what it said last is believed. */
static struct bw_instant fresh_until(const struct bw_site *site,
                                     const struct bw_site_second *second)
{
    return bw_instant_add(second->last_contact, fresh_ns(site));
}

static bool is_fresh(const struct bw_site *site, const struct bw_site_second *second,
                     struct bw_instant now)
{
    return !bw_instant_right_is_over(now, fresh_until(site, second));
}

/* It speaks to the API of what it would fence, and is answered. A look that hangs is none. */
static bool has_seen(const struct bw_site_second *second, struct bw_instant now)
{
    const struct bw_second_report *report = &second->report;
    const uint64_t age_ms = report->service_age_ms +
                            bw_ns_to_ms(bw_instant_elapsed_ns(now, second->last_contact));

    return report->service != BW_SERVICE_UNKNOWN &&
           age_ms <= (uint64_t)LOOKS_OLD * report->check_interval_ms + LOOK_TAKES_MS;
}

/* What serves here it sees, too; or it has before, and its next look has not come yet. */
static bool sees_the_same(const struct bw_site *site, const struct bw_site_second *second,
                          struct bw_instant now)
{
    const uint64_t patience_ns = (uint64_t)LOOKS_APART * second->report.check_interval_ms *
                                 BW_NS_PER_MS;

    if (site->tenure != BW_TENURE_SERVING || second->report.service == BW_SERVICE_STARTED)
        return true;
    return second->report.has_agreed && second->differs &&
           bw_instant_elapsed_ns(now, second->differs_since) < patience_ns;
}

static bool is_armed(const struct bw_site *site, const struct bw_site_second *second)
{
    return second->report.armed_epoch == site->memory.epoch;
}

/* What it would have to end may be there already, or was ordered. */
static bool has_begun(const struct bw_site *site)
{
    return bw_site_epoch_is_open(site) && bw_site_is_begun(site);
}

/* By then one that can keep the epoch has it: it asks at least once within what is fresh. */
static struct bw_instant armed_until(const struct bw_site *site)
{
    return bw_instant_add(site->leased_since, fresh_ns(site) + BW_SITE_UNSAVED_NS);
}

/* 3.4: a start waits for it, and would for ever where its disk keeps nothing. */
static bool is_awaited_in_vain(const struct bw_site *site, struct bw_instant now)
{
    return site->tenure == BW_TENURE_STARTING && bw_instant_wait_is_over(now, armed_until(site));
}

static enum bw_second_word word_of(const struct bw_site *site, const struct bw_site_second *second,
                                   struct bw_instant now)
{
    if (!is_fresh(site, second, now))
        return BW_SECOND_IS_SILENT;
    if (!second->runs_elsewhere)
        return BW_SECOND_IS_SAME_MACHINE; /* it would be lost with the guard */
    if (!has_seen(second, now))
        return BW_SECOND_IS_BLIND;
    if (bw_site_epoch_is_open(site) && second->report.fence_epoch == site->memory.epoch)
        return BW_SECOND_IS_FENCING;
    if (!sees_the_same(site, second, now))
        return BW_SECOND_IS_ELSEWHERE;
    if (!second->report.has_agreed)
        return BW_SECOND_IS_UNPROVED;
    if (site->needs_proof && !second->report.is_proved)
        return BW_SECOND_IS_UNTESTED;
    if (!is_armed(site, second) && (has_begun(site) || is_awaited_in_vain(site, now)))
        return BW_SECOND_IS_UNARMED;
    return BW_SECOND_IS_SEEN;
}

/* Of several the best one: one that can is enough. */
enum bw_second_word bw_site_second_word(const struct bw_site *site, struct bw_instant now)
{
    enum bw_second_word best = BW_SECOND_IS_NONE;

    for (size_t i = 0; i < BW_SECONDS_MAX; i++) {
        enum bw_second_word word;

        if (!site->seconds[i].used)
            continue;
        word = word_of(site, &site->seconds[i], now);
        if (word == BW_SECOND_IS_SEEN)
            return word;
        if (word > best)
            best = word;
    }
    return best;
}

static bool can_be_proved(const struct bw_site *site, const struct bw_site_second *second, struct bw_instant now)
{
    const enum bw_second_word word = second->used ? word_of(site, second, now) : BW_SECOND_IS_NONE;

    return (word == BW_SECOND_IS_SEEN || word == BW_SECOND_IS_UNTESTED) && is_armed(site, second);
}

const struct bw_site_second *bw_site_second_to_prove(const struct bw_site *site, struct bw_instant now)
{
    const struct bw_site_second *found = NULL;

    for (size_t i = 0; i < BW_SECONDS_MAX; i++) {
        const struct bw_site_second *second = &site->seconds[i];

        if (can_be_proved(site, second, now) && (found == NULL || !second->report.is_proved))
            found = second;
    }
    return found;
}

const struct bw_site_second *bw_site_second_of(const struct bw_site *site, struct bw_id session)
{
    for (size_t i = 0; i < BW_SECONDS_MAX; i++)
        if (site->seconds[i].used && bw_id_equal(site->seconds[i].session, session))
            return &site->seconds[i];
    return NULL;
}

bool bw_site_second_is_proved(const struct bw_site *site, struct bw_instant now)
{
    for (size_t i = 0; i < BW_SECONDS_MAX; i++)
        if (site->seconds[i].used && site->seconds[i].runs_elsewhere && site->seconds[i].report.is_proved &&
            is_fresh(site, &site->seconds[i], now))
            return true;
    return false;
}

/* 3.4: the group ends by time as it is committed that a second enforcer is seen. Until that is
 * taken back nothing starts that none would end. */
bool bw_site_second_awaited(const struct bw_site *site, struct bw_instant now)
{
    const bool is_of_epoch = site->order.kind == BW_ORDER_RUN &&
                             site->order.epoch == site->memory.epoch;
    const struct bw_terms *terms = is_of_epoch ? &site->order.terms : &site->memory.terms;

    if (!terms->second_enforcer)
        return false;
    for (size_t i = 0; i < BW_SECONDS_MAX; i++) {
        const struct bw_site_second *second = &site->seconds[i];

        if (is_armed(site, second) && word_of(site, second, now) == BW_SECOND_IS_SEEN)
            return false;
    }
    return true;
}

/* The one of that session, or a slot for it: a free one, else that of who was heard longest ago.
 */
static struct bw_site_second *slot_of(struct bw_site *site, const struct bw_second_contact *contact)
{
    struct bw_site_second *slot = &site->seconds[0];

    for (size_t i = 0; i < BW_SECONDS_MAX; i++) {
        struct bw_site_second *second = &site->seconds[i];

        if (second->used && bw_id_equal(second->session, contact->session))
            return second;
        if (slot->used &&
            (!second->used || bw_instant_is_later(slot->last_contact, second->last_contact)))
            slot = second;
    }
    *slot = (struct bw_site_second){.used = true, .session = contact->session};
    return slot;
}

void bw_site_on_second(const struct step *step, const struct bw_second_contact *contact)
{
    struct bw_site_second *second = slot_of(step->site, contact);

    second->runs_elsewhere = contact->runs_elsewhere;
    second->last_contact = step->now;
    second->report = contact->report;
}

static void note_difference(const struct step *step, struct bw_site_second *second)
{
    const bool differs = step->site->tenure == BW_TENURE_SERVING &&
                         second->report.service != BW_SERVICE_STARTED;

    if (differs && !second->differs)
        second->differs_since = step->now;
    second->differs = differs;
}

/* At the end of each step: what is made of them now. */
void bw_site_watch_second(const struct step *step)
{
    struct bw_site *site = step->site;
    enum bw_second_word word;

    for (size_t i = 0; i < BW_SECONDS_MAX; i++)
        note_difference(step, &site->seconds[i]);
    word = bw_site_second_word(site, step->now);
    if (word != site->second)
        (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S98");
    site->second = word;
    for (size_t i = 0; i < BW_SECONDS_MAX; i++)
        if (site->seconds[i].used && is_fresh(site, &site->seconds[i], step->now))
            bw_site_wake(step, fresh_until(site, &site->seconds[i]));
}
