/* history_json.c - what has happened: epoch by epoch, and what people changed between.
 * Design 3.1, 5.3. */
#include <breakwater/witness/json.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/record_line.h>
#include <breakwater/witness/spec_json.h>

/* ---- one epoch ---- */

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : bw_json_text(text);
}

static json_t *time_or_null(int64_t unix_ms)
{
    char time[BW_TIME_TEXT_BYTES];

    if (unix_ms == 0)
        return json_null();
    bw_json_time(unix_ms, time);
    return json_string(time);
}

static json_t *end_json(const struct bw_record_line *line)
{
    const struct bw_history_entry *entry = &line->entry;
    char time[BW_TIME_TEXT_BYTES];

    if (entry->ended_index == 0)
        return json_null();
    bw_json_time(entry->ended_unix_ms, time);
    return json_pack("{s:I, s:s, s:s, s:o, s:o}", "index", (json_int_t)entry->ended_index, "time",
                     time, "reason", bw_reason_word(entry->why_ended), "by",
                     text_or_null(line->ended_by), "text",
                     line->ended_by[0] == '\0' ? json_null() : bw_json_text(line->ended_text));
}

/* From the last confirmed renewal of the epoch before, by the granting leader's own clock. */
static json_t *timeline_json(const struct bw_history_entry *entry)
{
    if (entry->silent_ms == 0)
        return json_array();
    return json_pack("[{s:s, s:i}, {s:s, s:I}]", "phase", "last_renewal", "at_ms", 0, "phase",
                     "grant", "at_ms", (json_int_t)entry->silent_ms);
}

/* Its leaders' wall clocks may differ: what went backwards was no time at all. */
static json_t *span_json(int64_t from_unix_ms, int64_t to_unix_ms)
{
    if (from_unix_ms == 0 || to_unix_ms == 0)
        return json_null();
    return json_integer(to_unix_ms > from_unix_ms ? to_unix_ms - from_unix_ms : 0);
}

static json_t *held_json(const struct bw_record_line *line)
{
    if (line->held_unix_ms == 0)
        return json_null();
    return json_pack("{s:o, s:o}", "since", time_or_null(line->held_unix_ms), "for_ms",
                     span_json(line->held_unix_ms, line->free_unix_ms));
}

static json_t *epoch_json(const char *group, const struct bw_record_line *line)
{
    const struct bw_history_entry *entry = &line->entry;
    char time[BW_TIME_TEXT_BYTES];

    bw_json_time(entry->granted_unix_ms, time);
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:s, s:b, s:o, "
                     "s:o, s:o}",
                     "index", (json_int_t)entry->granted_index, "time", time, "group", group,
                     "epoch", (json_int_t)entry->epoch, "site", entry->site, "previous_site",
                     bw_json_name_or_null(entry->previous_site), "grade",
                     bw_grade_word(entry->grade), "reason", bw_reason_word(entry->why_granted),
                     "by", bw_json_text(entry->by), "text", text_or_null(line->text), "planned",
                     entry->planned, "adopted", entry->adopted, "reach_seen",
                     bw_reach_seen_word(entry->seen), "reach_proved", entry->proved, "held",
                     held_json(line), "ended", end_json(line), "timeline", timeline_json(entry));
}

json_t *bw_json_history_entry(const struct bw_group *group, uint32_t number)
{
    const struct bw_history_entry *entry = bw_group_history_at(group, number);
    struct bw_record_line line;

    if (entry == NULL)
        return json_null();
    bw_record_line_of(group, entry, &line);
    return epoch_json(group->spec.name, &line);
}

/* ---- one change ---- */

static json_t *key_json(const struct bw_record_key *key)
{
    static const size_t offsets[] = {
#define X(member, number) [number] = offsetof(struct bw_spec, member),
        BW_RECORD_KEY_LIST(X)
#undef X
    };

    return bw_spec_json_change(offsets[key->key], key->before, key->after);
}

static json_t *site_json(bool is, uint32_t priority, bool is_never)
{
    return is ? json_pack("{s:I, s:s}", "priority", (json_int_t)priority, "candidate",
                          is_never ? "never" : "always")
              : json_null();
}

static json_t *changes_json(const struct bw_record_event *event)
{
    json_t *changes = json_array();

    for (uint32_t i = 0; i < event->key_count; i++)
        changes = bw_json_append(changes, key_json(&event->keys[i]));
    for (uint32_t i = 0; i < event->site_count; i++) {
        const struct bw_record_site *site = &event->sites[i];

        changes = bw_json_append(
            changes,
            json_pack("{s:o, s:o, s:o}", "key", json_sprintf("sites.%s", site->name), "from",
                      site_json(site->was, site->priority_before, site->never_before), "to",
                      site_json(site->is, site->priority_after, site->never_after)));
    }
    return changes;
}

static json_t *change_json(const char *group, const struct bw_record_event *event)
{
    const bool is_maintenance = event->kind == BW_RECORD_MAINTENANCE;
    char time[BW_TIME_TEXT_BYTES];

    bw_json_time(event->unix_ms, time);
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "index",
                     (json_int_t)event->index, "time", time, "group", group, "epoch",
                     (json_int_t)event->epoch, "kind", bw_record_word(event->kind), "by",
                     text_or_null(event->by), "text", text_or_null(event->text), "site",
                     bw_json_name_or_null(event->site), "duration_ms",
                     is_maintenance ? json_integer((json_int_t)event->duration_ms) : json_null(),
                     "changes", changes_json(event));
}

/* ---- which of them ---- */

/* What is sorted: a line of the record, or an epoch that is older than it. */
struct item {
    const struct bw_record_chain *chain; /* NULL: of the group */
    const struct bw_group *group;
    uint32_t number;
    struct bw_record_mark mark;
};

struct items {
    const struct bw_record *record;
    struct item *list;
    size_t count;
    size_t capacity;
    bool is_failed;
};

static void add(struct items *items, struct item item)
{
    if (items->count == items->capacity) {
        const size_t capacity = items->capacity == 0 ? 256 : 2 * items->capacity;
        struct item *grown = realloc(items->list, capacity * sizeof *grown);

        items->is_failed = items->is_failed || grown == NULL;
        if (grown == NULL)
            return;
        items->list = grown;
        items->capacity = capacity;
    }
    items->list[items->count++] = item;
}

static void add_chain(struct items *epochs, struct items *changes,
                      const struct bw_record_chain *chain)
{
    struct bw_record_at at = bw_record_begin(chain);
    struct item item = {.chain = chain};

    while (bw_record_next_line(epochs->record, &at, &item.mark))
        add(item.mark.is_epoch ? epochs : changes, item);
}

static void add_older(struct items *epochs, const struct bw_group *group)
{
    const struct bw_record_chain *chain = epochs->record == NULL
                                              ? NULL
                                              : bw_record_find(epochs->record, group->spec.name);
    const uint64_t oldest = chain == NULL ? UINT64_MAX
                                          : bw_record_oldest_epoch(epochs->record, chain);

    for (uint32_t number = 0; number < group->history_count; number++) {
        const struct bw_history_entry *entry = bw_group_history_at(group, number);

        if (entry->epoch < oldest)
            add(epochs, (struct item){.group = group,
                                      .number = number,
                                      .mark = {.index = entry->granted_index}});
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t left = ((const struct item *)a)->mark.index;
    const uint64_t right = ((const struct item *)b)->mark.index;

    return left < right ? 1 : left > right ? -1 : 0;
}

static bool put_epoch(struct bw_json_buffer *buffer, size_t number, const void *user)
{
    const struct items *items = user;
    const struct item *item = &items->list[number];
    struct bw_record_line line;

    if (item->chain == NULL) {
        bw_json_put(buffer, bw_json_history_entry(item->group, item->number));
        return true;
    }
    bw_record_read_line(items->record, &item->mark, &line);
    bw_json_put(buffer, epoch_json(item->chain->group, &line));
    return true;
}

static void sort_and_cut(struct items *items, size_t count_max, uint64_t oldest_index)
{
    if (items->count > 0)
        qsort(items->list, items->count, sizeof *items->list, compare);
    if (items->count > count_max)
        items->count = count_max;
    while (items->count > 0 && items->list[items->count - 1].mark.index < oldest_index)
        items->count--;
}

static void collect(const struct bw_operator_view *view, const char *group, struct items *epochs,
                    struct items *changes)
{
    const struct bw_cluster *cluster = view->machine->cluster;
    const struct bw_record *record = cluster->record;

    for (uint32_t i = 0; record != NULL && i < record->chain_count; i++)
        if (bw_scope_has(&view->scope, record->chains[i].group) &&
            (group == NULL || strcmp(group, record->chains[i].group) == 0))
            add_chain(epochs, changes, &record->chains[i]);
    for (uint32_t i = 0; i < cluster->group_count; i++)
        if (bw_json_sees(view, (int)i) &&
            (group == NULL || strcmp(group, cluster->groups[i].spec.name) == 0))
            add_older(epochs, &cluster->groups[i]);
}

static json_t *list_changes(const struct items *changes)
{
    json_t *list = json_array();

    for (size_t i = 0; i < changes->count; i++) {
        struct bw_record_line line;

        bw_record_read_line(changes->record, &changes->list[i].mark, &line);
        list = bw_json_append(list, change_json(changes->list[i].chain->group, &line.event));
    }
    return list;
}

void bw_json_history(const struct bw_operator_view *view, const char *group, size_t count_max,
                     struct bw_json_buffer *buffer)
{
    const struct bw_cluster *cluster = view->machine->cluster;
    struct items epochs = {.record = cluster->record};
    struct items changes = {.record = cluster->record};
    bool is_cut;

    if (count_max > BW_HISTORY_ANSWER_MAX)
        count_max = BW_HISTORY_ANSWER_MAX;
    collect(view, group, &epochs, &changes);
    if (epochs.is_failed || changes.is_failed) {
        buffer->is_failed = true;
        goto done;
    }
    is_cut = epochs.count > count_max;
    sort_and_cut(&epochs, count_max, 0);
    sort_and_cut(&changes, count_max, is_cut ? epochs.list[epochs.count - 1].mark.index : 0);
    bw_json_put_list(buffer,
                     json_pack("{s:s, s:s, s:s, s:I, s:o}", "schema", "breakwater.history/v1",
                               "cluster", view->cluster, "answered_by", view->self, "index",
                               (json_int_t)cluster->applied_index, "changes",
                               list_changes(&changes)),
                     "entries", epochs.count, put_epoch, &epochs);
done:
    free(epochs.list);
    free(changes.list);
}
