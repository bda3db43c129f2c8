/* explain.c - gates, and the state of a group, in words. Design 4. */
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
    const char *word;
    const char *passes;
    const char *problem;
    const char *fix;
} rows[] = {
#define X(name, id, word, passes, problem, fix) [BW_GATE_ID_##name] = {id, word, passes, problem, fix},
    BW_GATE_LIST(X)
#undef X
};

const char *bw_gate_id_text(enum bw_gate_id id)
{
    BW_ASSERT(id < BW_GATE_ID_COUNT);
    return rows[id].id;
}

const char *bw_gate_word(enum bw_gate_id id)
{
    BW_ASSERT(id < BW_GATE_ID_COUNT);
    return rows[id].word;
}

BW_WORDS(bw_gate_verdict_word, enum bw_gate_verdict, BW_GATE_VERDICT_LIST, "unlisted")

const char *bw_phase_state(enum bw_phase phase, bool held)
{
    switch (phase) {
    case BW_PHASE_VACANT:
        return "no_primary";
    case BW_PHASE_GRANTED:
        return "active";
    case BW_PHASE_REVOKING:
        return "switching_over";
    case BW_PHASE_CLOSING:
        return held ? "blocked" : "ending";
    case BW_PHASE_COUNT:
        break;
    }
    return "unlisted";
}

/* ---- texts ---- */

struct text {
    char *bytes;
    size_t size;
    size_t used;
};

static struct text text_into(char *out_text, size_t size)
{
    BW_ASSERT(size > 0);
    out_text[0] = '\0';
    return (struct text){.bytes = out_text, .size = size};
}

/* What does not fit is cut off. */
__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list args;
    int written;

    if (text->used + 1 >= text->size)
        return;
    va_start(args, format);
    written = vsnprintf(text->bytes + text->used, text->size - text->used, format, args);
    va_end(args);
    if (written > 0)
        text->used += (size_t)written;
}

/* Takes back what was added since `used`. */
static void cut(struct text *text, size_t used)
{
    text->used = used;
    if (used < text->size)
        text->bytes[used] = '\0';
}

/* NULL: the spec has no such site. */
static const char *site_name(const struct bw_group *group, int64_t site)
{
    return site >= 0 && site < (int64_t)group->spec.site_count ? group->spec.sites[site].name : NULL;
}

#define MINUTES_FROM_MS 120000
#define HOURS_FROM_MS   7200000

static void add_duration(struct text *text, int64_t ms)
{
    if (ms >= HOURS_FROM_MS)
        add(text, "%" PRId64 " h", ms / 3600000);
    else if (ms >= MINUTES_FROM_MS)
        add(text, "%" PRId64 " min", ms / 60000);
    else
        add(text, "%" PRId64 ".%d s", ms / 1000, (int)(ms % 1000 / 100));
}

/* In the unit of the gate. False: it has no such number, and nothing was added. */
static bool add_number(struct text *text, const struct bw_gate *gate, const struct bw_group *group, int64_t number)
{
    switch (gate->unit) {
    case BW_UNIT_MS:
        add_duration(text, number);
        return true;
    case BW_UNIT_COUNT:
        add(text, "%" PRId64, number);
        return true;
    case BW_UNIT_PPM:
        add(text, "%+" PRId64 " ppm", number);
        return true;
    case BW_UNIT_SITE:
        if (site_name(group, number) == NULL)
            return false;
        add(text, "%s", site_name(group, number));
        return true;
    case BW_UNIT_NONE:
    case BW_UNIT_WORD:
        break;
    }
    return false;
}

/* ---- what a row's text names ---- */

/* What a text is about; no gate: nothing was evaluated. */
struct facts {
    const struct bw_gate *gate;
    const struct bw_group *group;
};

static bool is_name(const char *name, size_t size, const char *wanted)
{
    return strlen(wanted) == size && strncmp(name, wanted, size) == 0;
}

/* What always has a value, if only a general one. */
static bool add_one_named(struct text *text, const struct facts *facts, const char *name, size_t size)
{
    const struct bw_group *group = facts->group;
    const char *site = group != NULL && facts->gate != NULL ? site_name(group, facts->gate->site) : NULL;
    const char *holder = group != NULL && group->holder_site[0] != '\0' ? group->holder_site : NULL;

    if (is_name(name, size, "group"))
        add(text, "%s", group != NULL ? group->spec.name : "GROUP");
    else if (is_name(name, size, "site"))
        add(text, "%s", site != NULL ? site : "SITE");
    else if (is_name(name, size, "holder"))
        add(text, "%s", holder != NULL ? holder : "SITE");
    else if (is_name(name, size, "primary"))
        add(text, "%s", holder != NULL ? holder : "the primary");
    else
        return false;
    return true;
}

/* The value of {name}. False: there is none. */
static bool add_fact(struct text *text, const struct facts *facts, const char *name, size_t size)
{
    const struct bw_gate *gate = facts->gate;

    if (add_one_named(text, facts, name, size))
        return true;
    if (gate == NULL)
        return false;
    if (is_name(name, size, "why")) {
        add(text, "%s", gate->word != NULL ? gate->word : "");
        return gate->word != NULL;
    }
    if (is_name(name, size, "value"))
        return add_number(text, gate, facts->group, gate->value);
    if (is_name(name, size, "limit"))
        return gate->unit != BW_UNIT_SITE && add_number(text, gate, facts->group, gate->threshold);
    BW_ASSERT(is_name(name, size, "left"));
    if (gate->unit != BW_UNIT_MS || gate->threshold <= gate->value)
        return false;
    add_duration(text, gate->threshold - gate->value);
    return true;
}

/* Returns how many characters of `text` come before the first one of `ends`, or its end. */
static size_t up_to(const char *text, const char *ends)
{
    size_t count = 0;

    while (text[count] != '\0' && strchr(ends, text[count]) == NULL)
        count++;
    return count;
}

/* From `at` to `end`, where {names} stand for values. False: one has none. */
static bool add_plain(struct text *text, const struct facts *facts, const char *at, const char *end)
{
    while (at < end) {
        const size_t plain = up_to(at, "{");
        const size_t size = plain < (size_t)(end - at) ? plain : (size_t)(end - at);
        size_t name_size;

        add(text, "%.*s", (int)size, at);
        at += size;
        if (at == end)
            break;
        name_size = up_to(at + 1, "}");
        if (!add_fact(text, facts, at + 1, name_size))
            return false;
        at += name_size + 2;
    }
    return true;
}

/* The first of "A|B|...]" whose values are all there. Returns what comes behind it. */
static const char *add_choice(struct text *text, const struct facts *facts, const char *at)
{
    const char *end = at + up_to(at, "]");
    const size_t used = text->used;
    bool is_found = false;

    while (!is_found && at < end) {
        const size_t next = up_to(at, "|]");

        cut(text, used);
        is_found = add_plain(text, facts, at, at + next);
        at += next + 1;
    }
    if (!is_found)
        cut(text, used);
    return end + 1;
}

static void add_row_text(struct text *text, const struct facts *facts, const char *template)
{
    while (*template != '\0') {
        const size_t plain = up_to(template, "[");

        (void)add_plain(text, facts, template, template + plain); /* outside of a choice each name has a value */
        template += plain;
        if (*template == '[')
            template = add_choice(text, facts, template + 1);
    }
}

void bw_gate_describe(enum bw_gate_id id, enum bw_gate_text which, const struct bw_gate *gate,
                      const struct bw_group *group, char *out_text, size_t size)
{
    const struct facts facts = {.gate = gate, .group = group};
    struct text text = text_into(out_text, size);

    BW_ASSERT(id < BW_GATE_ID_COUNT);
    BW_ASSERT(gate == NULL || (gate->id == id && group != NULL));
    add_row_text(&text, &facts,
                 which == BW_GATE_PASSES    ? rows[id].passes
                 : which == BW_GATE_PROBLEM ? rows[id].problem
                                            : rows[id].fix);
}

/* ---- what one gate found ---- */

#define OLD_MS 1000 /* a younger observation is as good as new */

static void add_age(struct text *text, const char *separator, const struct bw_gate *gate)
{
    if (gate->age_ms == UINT32_MAX || gate->age_ms < OLD_MS)
        return;
    add(text, "%sseen ", separator);
    add_duration(text, gate->age_ms);
    add(text, " ago");
}

/* " (0.4 s, limit 5.0 s)", " (2 of 2)", " (dc-b)". */
static void add_measured(struct text *text, const struct facts *facts)
{
    const struct bw_gate *gate = facts->gate;
    const size_t used = text->used;

    add(text, " (");
    if (!add_number(text, gate, facts->group, gate->value)) {
        cut(text, used);
        return;
    }
    if (gate->unit != BW_UNIT_SITE) {
        add(text, gate->unit == BW_UNIT_COUNT ? " of " : ", limit ");
        (void)add_number(text, gate, facts->group, gate->threshold); /* the unit has numbers */
    }
    add(text, ")");
}

static void add_found(struct text *text, const struct facts *facts)
{
    const struct bw_gate *gate = facts->gate;

    switch (gate->verdict) {
    case BW_GATE_HOLD:
        add_row_text(text, facts, rows[gate->id].problem);
        add(text, " (%s", rows[gate->id].word);
        add_age(text, ", ", gate);
        add(text, ")");
        break;
    case BW_GATE_PASS:
        add_row_text(text, facts, rows[gate->id].passes);
        if (gate->word != NULL)
            add(text, ": %s", gate->word);
        add_measured(text, facts);
        add_age(text, ", ", gate);
        break;
    case BW_GATE_NOTE: /* it decides nothing */
        add(text, "%s: %s", rows[gate->id].id, gate->word != NULL ? gate->word : "");
        break;
    }
}

static void add_gate(struct text *text, const struct bw_gate *gate, const struct bw_group *group)
{
    const struct facts facts = {.gate = gate, .group = group};

    BW_ASSERT(gate->id < BW_GATE_ID_COUNT);
    if (site_name(group, gate->site) != NULL)
        add(text, "%s: ", site_name(group, gate->site));
    add_found(text, &facts);
}

void bw_gate_tell(const struct bw_gate *gate, const struct bw_group *group, char *out_text, size_t size)
{
    struct text text = text_into(out_text, size);

    add_gate(&text, gate, group);
}

void bw_explain_gate(const struct bw_gate *gate, const struct bw_group *group, char *out_text,
                     size_t size)
{
    static const char *const verdicts[] = {
        [BW_GATE_PASS] = "ok", [BW_GATE_HOLD] = "BLOCKED", [BW_GATE_NOTE] = "note"};
    struct text text = text_into(out_text, size);

    if (gate->step != NULL)
        add(&text, "%s ", gate->step);
    add(&text, "%s ", verdicts[gate->verdict]);
    add_gate(&text, gate, group);
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
        .id = id,
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
                         (int64_t)bw_ns_to_ms(bw_instant_elapsed_ns(now, since)),
                         (int64_t)bw_ns_to_ms(duration_ns), word);
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

/* ---- what was seen of a reach, in words (3.4) ------------------------------------------------- */

const char *bw_eval_outside_word(const struct bw_reach_sight *sight)
{
    switch (sight->seen) {
    case BW_REACH_INSIDE:
        return NULL;
    case BW_REACH_OUTSIDE:
        return "its processes run outside of what its guard can kill";
    case BW_REACH_UNSEEN:
        break;
    }
    return "its guard has not verified that it can kill the service";
}

const char *bw_eval_inside_word(const struct bw_group *group)
{
    if (group->sight.seen != BW_REACH_INSIDE)
        return bw_reach_word(group->terms.reach);
    return group->sight.proved ? "its guard can kill it (tested)" : "its guard can kill it (not tested)";
}
