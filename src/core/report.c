#include <breakwater/base/words.h>
#include <breakwater/core/report.h>

static bool is_same_speaker(const struct bw_heard *a, const struct bw_heard *b)
{
    return bw_id_equal(a->instance, b->instance) && bw_id_equal(a->session, b->session) &&
           bw_id_equal(a->boot_id, b->boot_id);
}

/* The place of the same speaker, else a free one, else that of the one heard longest ago. */
static struct bw_heard *place_for(struct bw_site_reports *reports, const struct bw_heard *heard)
{
    struct bw_heard *best = NULL;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        struct bw_heard *place = &reports->by_instance[i];

        if (place->used && is_same_speaker(place, heard))
            return place;
        if (best == NULL ||
            (best->used && (!place->used || bw_instant_is_later(best->received, place->received))))
            best = place;
    }
    return best;
}

void bw_site_reports_put(struct bw_site_reports *reports, const struct bw_heard *heard)
{
    struct bw_heard *place = place_for(reports, heard);
    struct bw_instant first_received = heard->received;

    if (place->used && is_same_speaker(place, heard)) {
        if (bw_instant_is_later(place->received, heard->received))
            return;
        first_received = place->first_received;
    }
    *place = *heard;
    place->used = true;
    place->first_received = first_received;
}

static bool is_fresh(const struct bw_heard *heard, struct bw_instant now, uint64_t freshness_ns)
{
    return heard->used &&
           !bw_instant_right_is_over(now, bw_instant_add(heard->received, freshness_ns));
}

/* `other` is a life beside `newest`, not a session that `newest` has followed. */
static bool speaks_too(const struct bw_heard *other, const struct bw_heard *newest)
{
    return !bw_id_equal(other->instance, newest->instance) ||
           bw_instant_is_later(other->received, newest->first_received);
}

const struct bw_heard *bw_site_reports_fresh(const struct bw_site_reports *reports,
                                             struct bw_instant now, uint64_t freshness_ns,
                                             bool *out_several)
{
    const struct bw_heard *newest = bw_site_reports_newest(reports);

    *out_several = false;
    if (newest == NULL || !is_fresh(newest, now, freshness_ns))
        return NULL;
    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_heard *other = &reports->by_instance[i];

        if (other != newest && is_fresh(other, now, freshness_ns) && speaks_too(other, newest)) {
            *out_several = true;
            return NULL;
        }
    }
    return newest;
}

const struct bw_heard *bw_site_reports_newest(const struct bw_site_reports *reports)
{
    const struct bw_heard *newest = NULL;

    for (size_t i = 0; i < BW_AGENTS_PER_SITE_MAX; i++) {
        const struct bw_heard *heard = &reports->by_instance[i];

        if (heard->used &&
            (newest == NULL || bw_instant_is_later(heard->received, newest->received)))
            newest = heard;
    }
    return newest;
}

BW_WORDS(bw_service_word, enum bw_service, BW_SERVICE_LIST, "unlisted")
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

enum bw_service bw_service_of_line(const char *line)
{
    if (bw_line_is_word(line, bw_service_word(BW_SERVICE_STARTED)))
        return BW_SERVICE_STARTED;
    if (bw_line_is_word(line, bw_service_word(BW_SERVICE_STOPPED)))
        return BW_SERVICE_STOPPED;
    return BW_SERVICE_UNKNOWN;
}
