/* explain.c - gates in words. Design 4. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>

#include "evaluation.h"
#include "gates.h"

static const struct {
    const char *id;
    const char *meaning;
} gate_texts[] = {
#define X(name, id, meaning) [BW_GATE_ID_##name] = {id, meaning},
    BW_GATE_LIST(X)
#undef X
};

const char *bw_gate_id_text(enum bw_gate_id id)
{
    BW_ASSERT(id < BW_GATE_ID_COUNT);
    return gate_texts[id].id;
}

const char *bw_gate_meaning(const char *id)
{
    for (size_t i = 0; i < BW_GATE_ID_COUNT; i++)
        if (strcmp(gate_texts[i].id, id) == 0)
            return gate_texts[i].meaning;
    return NULL;
}

/* Appends at `*used`; what does not fit is cut off. */
__attribute__((format(printf, 4, 5))) static void add(char *out_text, size_t size, size_t *used,
                                                      const char *format, ...)
{
    va_list args;
    int written;

    if (*used + 1 >= size)
        return;
    va_start(args, format);
    written = vsnprintf(out_text + *used, size - *used, format, args);
    va_end(args);
    if (written > 0)
        *used += (size_t)written;
}

static const char *site_name(const struct bw_group *group, int64_t site)
{
    if (site < 0 || site >= (int64_t)group->spec.site_count)
        return "none";
    return group->spec.sites[site].name;
}

static void add_value(const struct bw_gate *gate, const struct bw_group *group, char *out_text,
                      size_t size, size_t *used)
{
    switch (gate->unit) {
    case BW_UNIT_MS:
        add(out_text, size, used, " %" PRId64 ".%03d s of %" PRId64 ".%03d s;", gate->value / 1000,
            (int)(gate->value % 1000), gate->threshold / 1000, (int)(gate->threshold % 1000));
        break;
    case BW_UNIT_COUNT:
        add(out_text, size, used, " %" PRId64 " of %" PRId64 ";", gate->value, gate->threshold);
        break;
    case BW_UNIT_PPM:
        add(out_text, size, used, " %+" PRId64 " ppm at most, limit %+" PRId64 " ppm;",
            gate->value, gate->threshold);
        break;
    case BW_UNIT_SITE:
        add(out_text, size, used, " %s;", site_name(group, gate->value));
        break;
    case BW_UNIT_NONE:
    case BW_UNIT_WORD:
        break;
    }
}

BW_WORDS(bw_gate_verdict_word, enum bw_gate_verdict, BW_GATE_VERDICT_LIST, "unlisted")

void bw_explain_gate(const struct bw_gate *gate, const struct bw_group *group, char *out_text,
                     size_t size)
{
    const char *meaning = bw_gate_meaning(gate->id);
    size_t used = 0;

    BW_ASSERT(size > 0);
    out_text[0] = '\0';
    if (gate->step != NULL)
        add(out_text, size, &used, "%s ", gate->step);
    add(out_text, size, &used, "%s ", bw_gate_verdict_word(gate->verdict));
    if (gate->site >= 0)
        add(out_text, size, &used, "%s.", site_name(group, gate->site));
    add(out_text, size, &used, "%s:", gate->id);
    add_value(gate, group, out_text, size, &used);
    if (gate->word != NULL)
        add(out_text, size, &used, " %s;", gate->word);
    if (gate->verdict == BW_GATE_NOTE)
        add(out_text, size, &used, " decides nothing");
    else
        add(out_text, size, &used, "%s %s", gate->verdict == BW_GATE_HOLD ? " wanted:" : "",
            meaning != NULL ? meaning : "no such gate");
    if (gate->age_ms != UINT32_MAX)
        add(out_text, size, &used, " (seen %u.%03u s ago)", gate->age_ms / 1000,
            gate->age_ms % 1000);
}

/* ---- writing gates down ---- */

static struct bw_gate *append(struct bw_gate_list *list, enum bw_gate_id id, int site,
                              enum bw_gate_verdict verdict, const char *word)
{
    struct bw_gate *gate;

    BW_ASSERT(*list->count < list->max);
    BW_ASSERT(site >= -1 && site < BW_SITES_MAX); /* -1: the group's */
    gate = &list->gates[(*list->count)++];
    *gate = (struct bw_gate){
        .id = bw_gate_id_text(id),
        .step = list->step,
        .verdict = verdict,
        .site = site,
        .unit = word != NULL ? BW_UNIT_WORD : BW_UNIT_NONE,
        .age_ms = list->age_ms,
        .word = word,
    };
    return gate;
}

bool bw_gate_plain(struct bw_gate_list *list, enum bw_gate_id id, int site, bool passes,
                   const char *word)
{
    (void)append(list, id, site, passes ? BW_GATE_PASS : BW_GATE_HOLD, word);
    return passes;
}

bool bw_gate_value(struct bw_gate_list *list, enum bw_gate_id id, int site, bool passes,
                   enum bw_unit unit, int64_t value, int64_t threshold, const char *word)
{
    struct bw_gate *gate = append(list, id, site, passes ? BW_GATE_PASS : BW_GATE_HOLD, word);

    gate->unit = unit;
    gate->value = value;
    gate->threshold = threshold;
    return passes;
}

bool bw_gate_wait(struct bw_gate_list *list, enum bw_gate_id id, int site, struct bw_instant since,
                  uint64_t duration_ns, struct bw_instant now, const char *word)
{
    uint64_t left_ns = bw_instant_wait_left_ns(now, bw_instant_add(since, duration_ns));

    bw_gate_wake(list, left_ns);
    return bw_gate_value(list, id, site, left_ns == 0, BW_UNIT_MS,
                         (int64_t)(bw_instant_elapsed_ns(now, since) / BW_NS_PER_MS),
                         (int64_t)(duration_ns / BW_NS_PER_MS), word);
}

void bw_gate_note(struct bw_gate_list *list, enum bw_gate_id id, int site, const char *word)
{
    (void)append(list, id, site, BW_GATE_NOTE, word);
}

void bw_gate_wake(struct bw_gate_list *list, uint64_t left_ns)
{
    if (left_ns > 0 && left_ns < *list->wake_in_ns)
        *list->wake_in_ns = left_ns;
}

uint64_t bw_ms_to_ns(uint64_t ms)
{
    return ms > UINT64_MAX / BW_NS_PER_MS ? UINT64_MAX : ms * BW_NS_PER_MS;
}

/* ---- what was seen of a reach, in words (3.4) ------------------------------------------------- */

const char *bw_eval_outside_word(const struct bw_reach_sight *sight)
{
    switch (sight->seen) {
    case BW_REACH_INSIDE:
        return NULL;
    case BW_REACH_OUTSIDE:
        return "its service was seen outside of what its guard ends";
    case BW_REACH_UNSEEN:
        break;
    }
    return "its service was not yet seen inside of what its guard ends";
}

const char *bw_eval_inside_word(const struct bw_group *group)
{
    if (group->sight.seen != BW_REACH_INSIDE)
        return bw_reach_word(group->terms.reach);
    return group->sight.proved ? "seen inside, proved" : "seen inside: populated, not proved";
}
