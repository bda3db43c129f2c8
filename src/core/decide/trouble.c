#include <breakwater/core/trouble.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/words.h>
#include "claims.h"
#include "policy.h"

_Static_assert(BW_TROUBLE_COUNT <= 64, "bits of a uint64_t");
#define X(name, ...)                                                                               \
    _Static_assert((int)BW_TROUBLE_##name == (int)BW_ALARM_##name, "what sites report comes "      \
                                                                   "first");
BW_ALARM_LIST(X)
#undef X

const struct bw_trouble_text *bw_trouble_text(enum bw_trouble trouble)
{
#define X(name, word, old_word, what, effect, fix, remark)                                         \
    [BW_TROUBLE_##name] = {(word),                                                                 \
                           (old_word),                                                             \
                           (what),                                                                 \
                           (effect),                                                               \
                           (fix),                                                                  \
                           (remark),                                                               \
                           what ". Effect: " effect ". Fix: " fix},
    static const struct bw_trouble_text texts[] = {BW_TROUBLE_LIST(X)};
#undef X

    BW_ASSERT(trouble < BW_TROUBLE_COUNT);
    return &texts[trouble];
}

const char *bw_trouble_word(enum bw_trouble trouble)
{
    return trouble < BW_TROUBLE_COUNT ? bw_trouble_text(trouble)->word : "unlisted";
}

bool bw_trouble_parse(const char *word, enum bw_trouble *out_trouble)
{
    for (int i = 0; i < BW_TROUBLE_COUNT; i++) {
        const struct bw_trouble_text *text = bw_trouble_text((enum bw_trouble)i);

        if (strcmp(word, text->word) != 0 && strcmp(word, text->old_word) != 0)
            continue;
        *out_trouble = (enum bw_trouble)i;
        return true;
    }
    return false;
}

/* ---- what is so ---- */

static uint64_t bit(enum bw_trouble trouble, bool is_so)
{
    return is_so ? UINT64_C(1) << trouble : 0;
}

/* As long as the report is fresh its words count, and no longer. */
static const struct bw_contact *fresh_of(const struct bw_group *group, const struct bw_watch *watch,
                                         uint32_t site, struct bw_instant now, bool *out_several)
{
    return bw_policy_fresh(group, watch, (int)site, now, out_several);
}

/* An agent of before BW_UNHEALTHY_LEVEL says only that its status is unknown. */
static bool is_unhealthy(const struct bw_report *report)
{
    return report->unhealthy != BW_UNHEALTHY_NOT || (report->alarms & bit(BW_TROUBLE_STATUS_UNKNOWN, true)) != 0;
}

static uint64_t reported_by(const struct bw_contact *contact, bool is_holder, bool is_open, struct bw_instant now)
{
    const struct bw_report *report = &contact->report;
    const uint64_t passed_s = bw_instant_elapsed_ns(now, contact->received) / BW_NS_PER_S;

    return report->alarms | bit(BW_TROUBLE_GUARD_LOST, !report->guard_alive) |
           bit(BW_TROUBLE_RELAYED, contact->relayed_by != 0) |
           bit(BW_TROUBLE_CERTIFICATE_ENDS,
               contact->certificate_left_s != 0 &&
                   contact->certificate_left_s < passed_s + BW_CERTIFICATE_ENDS_S) |
           bit(BW_TROUBLE_NOT_SERVING, is_holder && report->service != BW_SERVICE_STARTED) |
           bit(BW_TROUBLE_UNHEALTHY, is_holder && is_open && is_unhealthy(report));
}

static uint64_t of_site(const struct bw_group *group, const struct bw_watch *watch, uint32_t site,
                        const struct bw_trouble_facts *facts, struct bw_instant now)
{
    const enum bw_rate_verdict rate = bw_rate_judge(&watch->rates[site].bounds,
                                                    group->spec.max_clock_drift_ppm);
    const bool is_holder = strcmp(group->holder_site, group->spec.sites[site].name) == 0;
    const bool is_lacking = (facts->lacking >> site & 1) != 0;
    bool has_several = false;
    const struct bw_contact *fresh = fresh_of(group, watch, site, now, &has_several);
    /* 3.8: silence ends no claim */
    const char *name = group->spec.sites[site].name;
    const uint64_t claims = bit(BW_TROUBLE_OVERRIDE, bw_claims_may_serve(group, watch, name)) |
                            bit(BW_TROUBLE_DECISIONS_LOST, bw_claims_is_ahead(group, watch, name));
    /* 3.9: nor is it known of who is not heard */
    const uint64_t not_let_go = bit(BW_TROUBLE_NOT_LET_GO,
                                    group->spec.mode == BW_MODE_OBSERVE && group->let_go_index != 0 &&
                                        !bw_policy_site_has_let_go(group, watch, (int)site, now));

    if (has_several)
        return bit(BW_TROUBLE_SEVERAL_AGENTS, true) | not_let_go | claims;
    if (fresh == NULL)
        return is_lacking ? bit(BW_TROUBLE_GROUP_UNKNOWN, true) : bit(BW_TROUBLE_NOT_CONNECTED, true) | not_let_go | claims;
    return reported_by(fresh, is_holder, bw_phase_is_renewed(group->phase), now) | not_let_go | claims |
           bit(BW_TROUBLE_CLOCK_RATE, rate == BW_RATE_SLOW || rate == BW_RATE_FAST);
}

/* 3.4: what is committed of the open epoch goes before what its site says of the reach. What that leaves out
 * is no trouble while a second enforcer that is committed as seen lets time alone end the epoch; one that is
 * there and not counted on is trouble by itself. Nor are scripts that came later, and have started nothing. What was
 * seen inside and is not proved is trouble: the loss of that site waits for a person. */
static uint64_t of_reach(const struct bw_group *group, const struct bw_watch *watch,
                         const struct bw_leadership *leadership, uint32_t site,
                         struct bw_instant now, uint64_t bits)
{
    const bool is_open = bw_phase_is_renewed(group->phase);
    bool has_several = false;
    const struct bw_contact *fresh = fresh_of(group, watch, site, now, &has_several);
    struct bw_end_waits waits = {0};
    bool does_wait;

    if (fresh == NULL || !is_open || strcmp(group->holder_site, group->spec.sites[site].name) != 0)
        return bits;
    does_wait = bw_arbiter_end_waits_for(group, watch, leadership, &waits);
    if (!does_wait)
        bits &= ~bit(BW_TROUBLE_REACH_UNSEEN, true);
    bits |= bit(BW_TROUBLE_REACH_UNPROVED, does_wait && group->spec.handover_by_time == BW_HANDOVER_PROVED &&
                                               group->terms.reach != BW_REACH_REMOTE &&
                                               group->sight.seen == BW_REACH_INSIDE && !group->sight.proved);
    if (fresh->report.second == BW_SECOND_IS_NONE ||
        (fresh->report.second == BW_SECOND_IS_UNTESTED && group->sight.seen == BW_REACH_INSIDE)) /* its guard ends it */
        return bits;
    if (fresh->report.second != BW_SECOND_IS_SEEN)
        return bits | bit(BW_TROUBLE_SECOND_ENFORCER_LOST, true);
    if (group->terms.second_enforcer && !does_wait)
        return bits & ~bit(BW_TROUBLE_OUTSIDE_REACH, true);
    return bits;
}

/* Heard or not since: it was so. */
static bool was_restarted_lately(const struct bw_group *group, const struct bw_watch *watch,
                                 uint32_t site, struct bw_instant now)
{
    const struct bw_epoch_timeline *newest = &watch->timeline;

    return newest->epoch == group->epoch && newest->restarted.boot_ns != 0 &&
           strcmp(group->holder_site, group->spec.sites[site].name) == 0 &&
           !bw_instant_right_is_over(now, bw_instant_add(newest->restarted, BW_RESTARTS_SHOWN_NS));
}

/* 3.9: by their own fresh words; whoever may serve among them. */
static bool do_several_serve(const struct bw_group *group, const struct bw_watch *watch,
                             struct bw_instant now)
{
    uint32_t count = 0;

    for (uint32_t site = 0; site < group->spec.site_count; site++) {
        bool has_several = false;
        const struct bw_contact *fresh = fresh_of(group, watch, site, now, &has_several);

        count += fresh != NULL && fresh->report.service == BW_SERVICE_STARTED;
    }
    return count > 1;
}

static bool is_holder_fresh(const struct bw_group *group, const struct bw_watch *watch,
                            struct bw_instant now)
{
    const int site = bw_spec_find_site(&group->spec, group->holder_site);
    bool has_several = false;

    return site >= 0 &&
           (fresh_of(group, watch, (uint32_t)site, now, &has_several) != NULL || has_several);
}

static uint64_t of_all(const struct bw_group *group, const struct bw_watch *watch,
                       const struct bw_leadership *leadership, const struct bw_trouble_facts *facts,
                       struct bw_instant now)
{
    const bool is_over = group->phase == BW_PHASE_VACANT || group->phase == BW_PHASE_CLOSING;
    struct bw_end_waits waits;
    const bool waits_for_person = bw_arbiter_end_waits_for(group, watch, leadership, &waits);
    const bool may_follow = waits_for_person ? !waits.has_remote_fence || facts->may_follow_fence
                                             : facts->may_fail_over;
    const bool is_waiting = group->phase == BW_PHASE_CLOSING || !is_holder_fresh(group, watch, now);

    const uint64_t always = bit(BW_TROUBLE_SEVERAL_SERVE, do_several_serve(group, watch, now)) |
                            bit(BW_TROUBLE_MAINTENANCE_ENDS,
                                facts->maintenance_left_ms > 0 &&
                                    facts->maintenance_left_ms <= BW_MAINTENANCE_ENDS_MS);

    if (group->spec.mode == BW_MODE_OBSERVE)
        return always;
    return always | bit(BW_TROUBLE_NO_ACTIVE_SITE, is_over) |
           bit(BW_TROUBLE_NEEDS_PERSON, waits_for_person && is_waiting) |
           bit(BW_TROUBLE_NO_FAILOVER,
               !is_over && group->spec.mode == BW_MODE_AUTO && !may_follow);
}

void bw_troubles_of_group(const struct bw_group *group, const struct bw_watch *watch,
                          const struct bw_leadership *leadership,
                          const struct bw_trouble_facts *facts, struct bw_instant now,
                          struct bw_troubles *out_troubles)
{
    *out_troubles = (struct bw_troubles){.of = group->spec.name, .count = 1};
    out_troubles->list[0].subject = "";
    out_troubles->list[0].bits = of_all(group, watch, leadership, facts, now);
    for (uint32_t site = 0; site < group->spec.site_count; site++) {
        bool has_several;
        const struct bw_contact *fresh = fresh_of(group, watch, site, now, &has_several);

        out_troubles->list[out_troubles->count].subject = group->spec.sites[site].name;
        out_troubles->list[out_troubles->count].rogue_starts = fresh == NULL
                                                                   ? 0
                                                                   : fresh->report.rogue_starts;
        out_troubles->list[out_troubles->count].restarts = watch->timeline.restarts_before +
                                                           watch->timeline.restarts_reported;
        out_troubles->list[out_troubles->count].bits =
            of_reach(group, watch, leadership, site, now,
                     of_site(group, watch, site, facts, now)) |
            bit(BW_TROUBLE_LOCAL_RESTARTS, was_restarted_lately(group, watch, site, now));
        out_troubles->count++;
    }
}

/* ---- the book ---- */

/* `number` counts from 1: a book of zeros has no entry. */
static struct bw_trouble_entry *entry_at(struct bw_trouble_book *book, uint32_t number)
{
    return number == 0 ? NULL : &book->entries[number - 1];
}

const struct bw_trouble_entry *bw_trouble_book_first(const struct bw_trouble_book *book,
                                                     uint32_t index, const char *of)
{
    BW_ASSERT(index < BW_TROUBLE_CHAINS);
    return book->chains[index].first == 0 || strcmp(book->chains[index].of, of) != 0
               ? NULL
               : &book->entries[book->chains[index].first - 1];
}

const struct bw_trouble_entry *bw_trouble_book_next(const struct bw_trouble_book *book,
                                                    const struct bw_trouble_entry *entry)
{
    return entry->next == 0 ? NULL : &book->entries[entry->next - 1];
}

static struct bw_trouble_entry *look_up(struct bw_trouble_book *book, uint32_t index,
                                        const char *subject, enum bw_trouble trouble)
{
    struct bw_trouble_entry *entry = entry_at(book, book->chains[index].first);

    while (entry != NULL && (entry->trouble != trouble || strcmp(entry->subject, subject) != 0))
        entry = entry_at(book, entry->next);
    return entry;
}

struct bw_trouble_entry *bw_trouble_book_find(struct bw_trouble_book *book, uint32_t index,
                                              const char *subject, enum bw_trouble trouble)
{
    struct bw_trouble_entry *entry;

    BW_ASSERT(index < BW_TROUBLE_CHAINS);
    entry = look_up(book, index, subject, trouble);
    return entry != NULL && entry->is_on ? entry : NULL;
}

/* Takes the one that a link of its chain names out of it. */
static void take_out(struct bw_trouble_book *book, uint32_t *link)
{
    struct bw_trouble_entry *entry = entry_at(book, *link);

    BW_ASSERT(entry != NULL && entry->is_used && book->used > 0);
    *link = entry->next;
    *entry = (struct bw_trouble_entry){.is_used = false};
    book->used--;
}

/* Takes those out of that chain that have been over for `kept_ns`. */
static void forget(struct bw_trouble_book *book, uint32_t index, uint64_t kept_ns,
                   struct bw_instant now)
{
    uint32_t *link = &book->chains[index].first;

    while (*link != 0) {
        struct bw_trouble_entry *entry = entry_at(book, *link);

        if (!entry->is_on && bw_instant_wait_is_over(now, bw_instant_add(entry->since, kept_ns)))
            take_out(book, link);
        else
            link = &entry->next;
    }
}

/* Where the book is full what may be losing data is kept before what keeps somebody waiting, and that before what
 * only may come to matter. */
static int weight_of(enum bw_trouble trouble)
{
    switch (trouble) {
    case BW_TROUBLE_SEVERAL_SERVE:
    case BW_TROUBLE_FENCE_FAILED:
    case BW_TROUBLE_ROGUE_START:
    case BW_TROUBLE_OVERRIDE:
        return 2;
    case BW_TROUBLE_NO_ACTIVE_SITE:
    case BW_TROUBLE_NEEDS_PERSON:
    case BW_TROUBLE_NOT_SERVING:
    case BW_TROUBLE_UNHEALTHY:
        return 1;
    default:
        return 0;
    }
}

/* Gives up one that weighs less than `weight`, of those that weigh least. */
static void give_up_lesser(struct bw_trouble_book *book, int weight)
{
    for (int least = 0; least < weight; least++)
        for (uint32_t i = 0; i < BW_TROUBLE_CHAINS; i++)
            for (uint32_t *link = &book->chains[i].first; *link != 0;
                 link = &entry_at(book, *link)->next)
                if (weight_of(entry_at(book, *link)->trouble) == least) {
                    take_out(book, link);
                    return;
                }
}

static struct bw_trouble_entry *find_room(struct bw_trouble_book *book)
{
    for (uint32_t i = 0; book->used < BW_TROUBLES_MAX && i < BW_TROUBLES_MAX; i++)
        if (!book->entries[i].is_used)
            return &book->entries[i];
    return NULL;
}

static struct bw_trouble_entry *make_entry(struct bw_trouble_book *book, uint32_t index,
                                           const char *subject, enum bw_trouble trouble,
                                           struct bw_instant now)
{
    struct bw_trouble_entry *entry = find_room(book);

    for (uint32_t i = 0; entry == NULL && i < BW_TROUBLE_CHAINS; i++)
        forget(book, i, 0, now);
    if (entry == NULL && book->used == BW_TROUBLES_MAX)
        give_up_lesser(book, weight_of(trouble));
    if (entry == NULL)
        entry = find_room(book);
    if (entry == NULL) {
        book->chains[index].left_out++;
        return NULL;
    }
    *entry = (struct bw_trouble_entry){
        .trouble = trouble, .is_used = true, .next = book->chains[index].first};
    BW_ASSERT(bw_copy_text(entry->subject, sizeof entry->subject, subject)); /* a name */
    book->chains[index].first = (uint32_t)(entry - book->entries) + 1;
    book->used++;
    return entry;
}

uint32_t bw_trouble_book_left_out(const struct bw_trouble_book *book)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < BW_TROUBLE_CHAINS; i++)
        count += book->chains[i].left_out;
    return count;
}

static void begin(struct bw_trouble_book *book, uint32_t index, const char *subject,
                  enum bw_trouble trouble, uint32_t times, struct bw_instant now, int64_t unix_ms)
{
    struct bw_trouble_entry *entry = look_up(book, index, subject, trouble);

    if (entry != NULL && entry->is_on && entry->times == times)
        return;
    if (entry == NULL)
        entry = make_entry(book, index, subject, trouble, now);
    if (entry == NULL)
        return;
    entry->is_on = true;
    entry->times = times;
    entry->count++;
    entry->since = now;
    entry->begun = now;
    entry->since_unix_ms = unix_ms;
    entry->ended_unix_ms = 0;
    entry->acked_by[0] = '\0';
    entry->acked_text[0] = '\0';
}

static bool is_still_so(const struct bw_troubles *troubles, const struct bw_trouble_entry *entry)
{
    for (uint32_t i = 0; i < troubles->count; i++)
        if (strcmp(troubles->list[i].subject, entry->subject) == 0)
            return (troubles->list[i].bits >> entry->trouble & 1) != 0;
    return false; /* of a site that is not of the group any more */
}

/* Of those that go on when it happens again, which who has seen the last one has not seen. */
static uint32_t times_of(const struct bw_troubles *troubles, uint32_t i, enum bw_trouble trouble)
{
    switch (trouble) {
    case BW_TROUBLE_ROGUE_START:
        return troubles->list[i].rogue_starts;
    case BW_TROUBLE_LOCAL_RESTARTS:
        return troubles->list[i].restarts;
    default:
        return 0;
    }
}

void bw_trouble_book_note(struct bw_trouble_book *book, uint32_t index,
                          const struct bw_troubles *troubles, struct bw_instant now,
                          int64_t unix_ms)
{
    BW_ASSERT(index < BW_TROUBLE_CHAINS);
    const bool is_anothers = strcmp(book->chains[index].of, troubles->of) != 0;

    for (struct bw_trouble_entry *entry = entry_at(book, book->chains[index].first); entry != NULL;
         entry = entry_at(book, entry->next)) {
        if (!entry->is_on || (!is_anothers && is_still_so(troubles, entry)))
            continue;
        entry->is_on = false;
        entry->since = now;
        entry->ended_unix_ms = unix_ms;
    }
    forget(book, index, is_anothers ? 0 : BW_TROUBLE_KEPT_NS, now);
    book->chains[index].left_out = 0;
    BW_ASSERT(bw_copy_text(book->chains[index].of, sizeof book->chains[index].of, troubles->of));
    for (uint32_t i = 0; i < troubles->count; i++)
        for (int trouble = 0; trouble < BW_TROUBLE_COUNT; trouble++)
            if ((troubles->list[i].bits >> trouble & 1) != 0)
                begin(book, index, troubles->list[i].subject, (enum bw_trouble)trouble,
                      times_of(troubles, i, (enum bw_trouble)trouble), now, unix_ms);
}
