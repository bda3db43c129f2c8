/* history_json.c - what has happened: epoch by epoch, and what people changed between.
 * Design 3.1, 5.3. */
#include <breakwater/witness/json.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/record_line.h>
#include <breakwater/core/spec_keys.h>
#include <breakwater/witness/spec_json.h>

/* ---- one epoch ---- */

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : bw_json_text(text);
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

/* ---- how it came to serve ---- */

struct moment {
    const char *phase;
    int64_t unix_ms;
};
#define MOMENTS_MAX 10

struct timeline {
    uint32_t count;
    struct moment moments[MOMENTS_MAX]; /* the oldest first */
};

/* Its leaders' wall clocks may differ: what went backwards took no time at all. */
static void add_moment(struct timeline *timeline, const char *phase, int64_t unix_ms)
{
    const int64_t last = timeline->count > 0 ? timeline->moments[timeline->count - 1].unix_ms
                                             : unix_ms;

    timeline->moments[timeline->count++] = (struct moment){phase, unix_ms > last ? unix_ms : last};
}

static void add_known(struct timeline *timeline, const char *phase, int64_t unix_ms, int64_t until)
{
    if (unix_ms != 0)
        add_moment(timeline, phase, unix_ms < until ? unix_ms : until);
}

static void add_reported(struct timeline *timeline, const char *phase, int64_t granted,
                         uint32_t after_ms)
{
    if (after_ms != 0)
        add_moment(timeline, phase, granted + after_ms);
}

/* Inserts it in the order of time. */
static void insert_moment(struct timeline *timeline, const char *phase, int64_t unix_ms)
{
    uint32_t at = timeline->count++;

    for (; at > 0 && timeline->moments[at - 1].unix_ms > unix_ms; at--)
        timeline->moments[at] = timeline->moments[at - 1];
    timeline->moments[at] = (struct moment){phase, unix_ms};
}

/* The last renewal by the granting leader's own clock; who was told to stop renews on. */
static struct timeline timeline_of(const struct bw_record_line *line)
{
    const int64_t granted = line->entry.granted_unix_ms;
    const bool is_first = line->entry.previous_site[0] == '\0'; /* nobody renewed before */
    const int64_t renewed = line->entry.silent_ms != 0 && !is_first
                                ? granted - line->entry.silent_ms
                                : 0;
    const bool is_stop_first = line->before_move_unix_ms != 0 &&
                               line->before_move_unix_ms <= renewed;
    struct timeline timeline = {0};

    if (is_stop_first)
        add_known(&timeline, "told_to_stop", line->before_move_unix_ms, granted);
    add_known(&timeline, "last_renewal", renewed, granted);
    if (!is_stop_first)
        add_known(&timeline, "told_to_stop", line->before_move_unix_ms, granted);
    add_known(&timeline, "closed", line->before_closed_unix_ms, granted);
    add_known(&timeline, "ended", line->before_ended_unix_ms, granted);
    add_moment(&timeline, "grant", granted);
    add_reported(&timeline, "armed", granted, line->note.armed_ms);
    if (line->passed_unix_ms != 0)
        add_moment(&timeline, "no_return", line->passed_unix_ms);
    add_reported(&timeline, "started", granted, line->note.started_ms);
    add_reported(&timeline, "verified", granted, line->note.verified_ms);
    if (line->note.verified_ms != 0 && line->note.outage_ms != 0)
        insert_moment(&timeline, "last_served", granted + line->note.verified_ms - (int64_t)line->note.outage_ms);
    return timeline;
}

/* `took_ms`: since the moment before. */
static json_t *timeline_json(const struct timeline *timeline)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < timeline->count; i++) {
        const struct moment *moment = &timeline->moments[i];
        const int64_t before = timeline->moments[i > 0 ? i - 1 : 0].unix_ms;

        list = bw_json_append(
            list, json_pack("{s:s, s:I, s:I}", "phase", moment->phase, "at_ms",
                            (json_int_t)(moment->unix_ms - timeline->moments[0].unix_ms), "took_ms",
                            (json_int_t)(moment->unix_ms - before)));
    }
    return list;
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
    return json_pack("{s:o, s:o}", "since", bw_json_time_or_null(line->held_unix_ms), "for_ms",
                     span_json(line->held_unix_ms, line->free_unix_ms));
}

/* By the sites' own words: from the last look that saw the epoch before serve until this one was
 * verified. */
static json_t *outage_json(const struct bw_record_line *line)
{
    return line->note.outage_ms != 0 ? json_integer((json_int_t)line->note.outage_ms) : json_null();
}

static json_t *least_json(const struct bw_record_line *line)
{
    return line->note.least_ms != 0 ? json_integer((json_int_t)line->note.least_ms) : json_null();
}

static json_t *late_json(const struct bw_record_line *line)
{
    return line->has_reported_end ? json_integer((json_int_t)line->late_ms) : json_null();
}

static json_t *restarts_json(const struct bw_record_line *line)
{
    if (line->note.restarts == 0)
        return json_null();
    return json_pack("{s:I, s:o}", "count", (json_int_t)line->note.restarts, "last",
                     bw_json_time_or_null(line->restarted_unix_ms));
}

/* By the site's own word: for how long the steps of its start have run, those side by side too. */
static json_t *phases_json(const struct bw_record_line *line)
{
    json_t *phases = NULL;

    for (int i = 0; i < BW_STEP_PHASE_COUNT; i++) {
        if (line->note.phase_ms[i] == 0)
            continue;
        if (phases == NULL)
            phases = json_object();
        if (json_object_set_new(phases, bw_step_phase_word((enum bw_step_phase)i),
                                json_integer((json_int_t)line->note.phase_ms[i])) != 0)
            break; /* out of memory: what is there is true */
    }
    return phases != NULL ? phases : json_null();
}

/* Of the site that was granted, as measured last while the one before served. */
static json_t *lag_json(const struct bw_record_event *grant)
{
    if (!grant->has_lag)
        return json_null();
    return json_pack("{s:I, s:I}", "lag_ms", (json_int_t)grant->lag_ms, "age_ms",
                     (json_int_t)grant->lag_age_ms);
}

static json_t *epoch_json(const char *group, const struct bw_record_line *line)
{
    const struct bw_history_entry *entry = &line->entry;
    const struct timeline timeline = timeline_of(line);
    char time[BW_TIME_TEXT_BYTES];

    bw_json_time(entry->granted_unix_ms, time);
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:o, s:o, s:s, "
                     "s:b, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}",
                     "index", (json_int_t)entry->granted_index, "time", time, "group", group,
                     "epoch", (json_int_t)entry->epoch, "site", entry->site, "previous_site",
                     bw_json_name_or_null(entry->previous_site), "ended_by",
                     bw_grade_shown(entry->grade), "reason", bw_reason_word(entry->why_granted),
                     "by", bw_json_text(entry->by), "text", text_or_null(line->text), "planned",
                     entry->planned, "adopted", entry->adopted, "bypassed",
                     text_or_null(line->event.waived), "blocked_by", text_or_null(line->event.why),
                     "reach_seen", bw_reach_seen_word(entry->seen), "reach_proved", entry->proved,
                     "held", held_json(line), "ended", end_json(line), "outage_ms",
                     outage_json(line), "outage_least_ms", least_json(line), "outage_reported", line->note.is_reported, "served_after_end_ms",
                     late_json(line), "restarts", restarts_json(line), "phases", phases_json(line),
                     "lag", lag_json(&line->event), "timeline", timeline_json(&timeline));
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

/* ---- one failover ---- */

struct found {
    json_t *epoch;
    json_t *before; /* NULL: it is not on record */
    bool has_older; /* any epoch before it is */
};

/* Of the grant that a mark stands at; what came after it is not read. */
static uint64_t epoch_at(const struct bw_record *record, const struct bw_record_mark *mark)
{
    struct bw_record_at at = mark->at;
    struct bw_record_event event = {0};

    (void)bw_record_next(record, &at, &event); /* one stands there */
    return event.epoch;
}

static void find_epoch(const struct bw_record *record, const char *group, uint64_t epoch,
                       struct found *out_found)
{
    struct bw_record_at at = bw_record_begin(bw_record_find(record, group));
    struct bw_record_mark mark = {0};
    struct bw_record_mark last = {0};
    struct bw_record_mark before = {0};
    struct bw_record_line line;

    while (bw_record_next_line(record, &at, &mark)) {
        if (!mark.is_epoch)
            continue;
        if (last.is_epoch)
            before = last;
        last = mark;
        if (epoch != 0 && epoch_at(record, &mark) == epoch)
            break;
    }
    if (!last.is_epoch || (epoch != 0 && epoch_at(record, &last) != epoch))
        return;
    bw_record_read_line(record, &last, &line);
    out_found->epoch = epoch_json(group, &line);
    epoch = line.entry.epoch;
    out_found->has_older = before.is_epoch;
    if (before.is_epoch)
        bw_record_read_line(record, &before, &line);
    if (before.is_epoch && line.entry.epoch + 1 == epoch)
        out_found->before = epoch_json(group, &line);
}

/* What is older than the record, or below the level that keeps one. */
static void find_older(const struct bw_group *group, uint64_t epoch, struct found *out_found)
{
    for (uint32_t number = 0; number < group->history_count; number++) {
        const struct bw_history_entry *entry = bw_group_history_at(group, number);

        if (epoch != 0 && entry->epoch != epoch)
            continue;
        out_found->epoch = bw_json_history_entry(group, number);
        out_found->has_older = number + 1 < group->history_count;
        if (out_found->has_older)
            out_found->before = bw_json_history_entry(group, number + 1);
        return;
    }
}

json_t *bw_json_report(const struct bw_operator_view *view, const char *group, uint64_t epoch)
{
    const struct bw_cluster *cluster = view->machine->cluster;
    const int at = bw_cluster_find(cluster, group);
    struct found found = {0};

    if (cluster->record != NULL)
        find_epoch(cluster->record, group, epoch, &found);
    if (found.epoch == NULL && at >= 0)
        find_older(&cluster->groups[at], epoch, &found);
    if (found.epoch == NULL)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:b}", "schema", "breakwater.report/v2", "cluster",
                     view->cluster, "answered_by", view->self, "index",
                     (json_int_t)cluster->applied_index, "epoch", found.epoch, "before",
                     found.before != NULL ? found.before : json_null(), "older", found.has_older);
}

/* ---- one change ---- */

static json_t *key_json(const struct bw_record_key *key)
{
    const struct bw_spec_key *of = bw_spec_key_recorded(key->key);

    if (key->key == BW_RECORD_KEY_OF_BEFORE)
        return json_pack("{s:s, s:b, s:b}", "key", "expired_is_enough", "from", key->before != 0, "to", key->after != 0);
    return of == NULL ? json_null() : bw_spec_json_change(of, key->before, key->after);
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

static json_t *wish_json(const struct bw_record_event *event)
{
    if (event->kind != BW_RECORD_WISH_OVER)
        return json_null();
    return json_pack("{s:s, s:s}", "kind", bw_wish_word(event->wish), "end",
                     bw_wish_end_word(event->wish_end));
}

static json_t *claim_json(const struct bw_record_event *event)
{
    if (event->kind == BW_RECORD_CLAIMED)
        return json_pack("{s:s, s:n}", "claim", bw_claim_kind_word(event->claim), "end");
    if (event->kind == BW_RECORD_CLAIM_OVER)
        return json_pack("{s:n, s:s}", "claim", "end", bw_claim_end_word(event->claim_end));
    return json_null();
}

static json_t *change_json(const char *group, const struct bw_record_event *event)
{
    const bool is_maintenance = event->kind == BW_RECORD_MAINTENANCE;
    char time[BW_TIME_TEXT_BYTES];

    bw_json_time(event->unix_ms, time);
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "index",
                     (json_int_t)event->index, "time", time, "group", group, "epoch",
                     (json_int_t)event->epoch, "kind", bw_record_word(event->kind), "by",
                     text_or_null(event->by), "text", text_or_null(event->text), "site",
                     bw_json_name_or_null(event->site), "duration_ms",
                     is_maintenance ? json_integer((json_int_t)event->duration_ms) : json_null(),
                     "request", wish_json(event), "claim", claim_json(event), "changes", changes_json(event));
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
                     json_pack("{s:s, s:s, s:s, s:I, s:o}", "schema", "breakwater.history/v2",
                               "cluster", view->cluster, "answered_by", view->self, "index",
                               (json_int_t)cluster->applied_index, "changes",
                               list_changes(&changes)),
                     "entries", epochs.count, put_epoch, &epochs);
done:
    free(epochs.list);
    free(changes.list);
}
