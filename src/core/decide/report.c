#include <breakwater/base/words.h>
#include <breakwater/core/report.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/expiry.h>

static bool is_same_speaker(const struct bw_contact *a, const struct bw_contact *b)
{
    return bw_id_equal(a->instance, b->instance) && bw_id_equal(a->session, b->session) &&
           bw_id_equal(a->boot_id, b->boot_id);
}

/* The slot of the same speaker, else a free one, else that of the one heard longest ago. */
static struct bw_contact *slot_for(struct bw_site_reports *reports,
                                   const struct bw_contact *contact)
{
    struct bw_contact *best = NULL;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        struct bw_contact *entry = &reports->by_instance[i];

        if (entry->used && is_same_speaker(entry, contact))
            return entry;
        if (best == NULL ||
            (best->used && (!entry->used || bw_instant_is_later(best->received, entry->received))))
            best = entry;
    }
    BW_ASSERT(best != NULL);
    return best;
}

void bw_site_reports_put(struct bw_site_reports *reports, const struct bw_contact *contact)
{
    struct bw_contact *entry = slot_for(reports, contact);
    struct bw_instant first_received = contact->received;

    if (entry->used && is_same_speaker(entry, contact)) {
        if (bw_instant_is_later(entry->received, contact->received))
            return;
        first_received = entry->first_received;
    }
    *entry = *contact;
    entry->used = true;
    entry->first_received = first_received;
    BW_ASSERT(!bw_instant_is_later(entry->first_received, entry->received));
}

bool bw_report_is_inside(const struct bw_report *report)
{
    return report->reach != BW_REACH_REMOTE && report->sight.seen == BW_REACH_INSIDE;
}

bool bw_contact_is_two_way(const struct bw_contact *contact, struct bw_instant now,
                           uint64_t freshness_ns)
{
    return contact->answered_number != 0 &&
           !bw_instant_right_is_over(now, bw_instant_add(contact->answered_received, freshness_ns));
}

bool bw_site_reports_are_two_way(const struct bw_site_reports *reports, struct bw_instant now,
                                 uint64_t freshness_ns)
{
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++)
        if (reports->by_instance[i].used &&
            bw_contact_is_two_way(&reports->by_instance[i], now, freshness_ns))
            return true;
    return false;
}

static bool is_fresh(const struct bw_contact *contact, struct bw_instant now, uint64_t freshness_ns)
{
    return contact->used &&
           !bw_instant_right_is_over(now, bw_instant_add(contact->received, freshness_ns));
}

bool bw_contact_is_second(const struct bw_contact *contact)
{
    return bw_id_equal(contact->instance, contact->session) && contact->renew_epoch == 0 &&
           contact->released.epoch == 0 && contact->report.epoch_seen != 0 &&
           !contact->report.guard_alive && contact->report.service == BW_SERVICE_UNKNOWN;
}

static bool counts(const struct bw_contact *contact, uint64_t over_epoch)
{
    return contact->used &&
           !(bw_contact_is_second(contact) && contact->report.epoch_seen <= over_epoch);
}

static const struct bw_contact *newest_of(const struct bw_site_reports *reports, uint64_t over_epoch)
{
    const struct bw_contact *newest = NULL;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *contact = &reports->by_instance[i];

        if (counts(contact, over_epoch) &&
            (newest == NULL || bw_instant_is_later(contact->received, newest->received)))
            newest = contact;
    }
    return newest;
}

/* `other` is a life beside `newest`, not a session that `newest` has followed. */
static bool speaks_too(const struct bw_contact *other, const struct bw_contact *newest)
{
    return !bw_id_equal(other->instance, newest->instance) ||
           bw_instant_is_later(other->received, newest->first_received);
}

const struct bw_contact *bw_site_reports_fresh(const struct bw_site_reports *reports,
                                               struct bw_instant now, uint64_t freshness_ns,
                                               uint64_t over_epoch, bool *out_several)
{
    const struct bw_contact *newest = newest_of(reports, over_epoch);

    *out_several = false;
    if (newest == NULL || !is_fresh(newest, now, freshness_ns))
        return NULL;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_contact *other = &reports->by_instance[i];

        if (other != newest && counts(other, over_epoch) && is_fresh(other, now, freshness_ns) &&
            speaks_too(other, newest)) {
            *out_several = true;
            return NULL;
        }
    }
    return newest;
}

const struct bw_contact *bw_site_reports_newest(const struct bw_site_reports *reports)
{
    return newest_of(reports, 0);
}

const struct bw_contact *bw_site_reports_newest_agent(const struct bw_site_reports *reports)
{
    return newest_of(reports, UINT64_MAX);
}

bool bw_remote_fence_ask_is_same(const struct bw_remote_fence_ask *a,
                                 const struct bw_remote_fence_ask *b)
{
    return a->epoch == b->epoch && a->held_index == b->held_index && a->term == b->term &&
           a->number == b->number;
}

BW_WORDS(bw_service_word, enum bw_service, BW_SERVICE_LIST, "unlisted")
BW_WORDS(bw_second_word, enum bw_second_word, BW_SECOND_WORD_LIST, "unlisted")
BW_WORDS(bw_unhealthy_word, enum bw_unhealthy, BW_UNHEALTHY_LIST, "unlisted")
BW_WORDS(bw_alarm_word, enum bw_alarm, BW_ALARM_LIST, "unlisted")

bool bw_line_is_word(const char *line, const char *word)
{
    size_t i = 0;

    for (; word[i] != '\0'; i++) {
        char c = line[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (c != word[i])
            return false;
    }
    return line[i] == '\0';
}

bool bw_line_is_unhealthy(const char *line)
{
    return bw_line_is_word(line, bw_unhealthy_word(BW_UNHEALTHY_UNHEALTHY));
}

enum bw_service bw_service_of_line(const char *line)
{
    if (bw_line_is_word(line, bw_service_word(BW_SERVICE_STARTED)) || bw_line_is_unhealthy(line))
        return BW_SERVICE_STARTED;
    if (bw_line_is_word(line, bw_service_word(BW_SERVICE_STOPPED)))
        return BW_SERVICE_STOPPED;
    return BW_SERVICE_UNKNOWN;
}

/* Whoever speaks counts here: what a second enforcer could not end is not known to have stopped. */
static const struct bw_contact *fresh_of(const struct bw_spec *spec,
                                         const struct bw_site_reports *reports,
                                         struct bw_instant now, bool *out_has_several)
{
    const uint64_t freshness_ns = bw_expiry_freshness_ns(spec->renew_interval_ms,
                                                         spec->request_timeout_ms);

    return bw_site_reports_fresh(reports, now, freshness_ns, 0, out_has_several);
}

/* 3.9: nobody speaks for it any more. One that was never heard is nobody's where nothing was
 * granted yet. */
const char *bw_reports_leaves_unstopped(const struct bw_spec *spec,
                                        const struct bw_site_reports *reports,
                                        const struct bw_spec *next, bool was_granted,
                                        struct bw_instant now)
{
    for (uint32_t i = 0; i < spec->site_count; i++) {
        bool has_several = false;
        const struct bw_contact *contact = fresh_of(spec, &reports[i], now, &has_several);
        const bool is_silent = contact == NULL && !has_several;

        if (bw_spec_find_site(next, spec->sites[i].name) >= 0 || (is_silent && !was_granted) ||
            (contact != NULL && contact->report.service == BW_SERVICE_STOPPED))
            continue;
        return spec->sites[i].name;
    }
    return NULL;
}

const char *bw_reports_started_elsewhere(const struct bw_spec *spec,
                                         const struct bw_site_reports *reports, const char *site,
                                         struct bw_instant now)
{
    for (uint32_t i = 0; i < spec->site_count; i++) {
        bool has_several = false;
        const struct bw_contact *contact = fresh_of(spec, &reports[i], now, &has_several);

        if (strcmp(spec->sites[i].name, site) != 0 && contact != NULL &&
            contact->report.service == BW_SERVICE_STARTED)
            return spec->sites[i].name;
    }
    return NULL;
}

bool bw_reports_vouched_text(const struct bw_spec *spec, const struct bw_site_reports *reports, const char *site,
                             struct bw_instant now, char out_text[BW_VOUCHED_TEXT_BYTES])
{
    bool has_several = false;
    const struct bw_contact *fresh = reports != NULL ? fresh_of(spec, reports, now, &has_several) : NULL;
    const struct bw_contact *newest = reports != NULL ? bw_site_reports_newest(reports) : NULL;
    char last[96] = "";

    if (fresh != NULL && fresh->report.service == BW_SERVICE_STOPPED)
        return false;
    if (newest != NULL)
        (void)snprintf(last, sizeof last, " (last said %s, %" PRIu64 " s ago)", bw_service_word(newest->report.service),
                       bw_instant_elapsed_ns(now, newest->received) / BW_NS_PER_S);
    (void)snprintf(out_text, BW_VOUCHED_TEXT_BYTES,
                   "%s is not %s%s: you confirm that %s does not run there; if it does, two sites serve (split-brain)", site,
                   fresh != NULL || has_several ? "confirmed to have stopped it" : "connected", last, spec->name);
    return true;
}
