/* history_json.c - what has happened, epoch by epoch. Design 5.3. */
#include <breakwater/witness/json.h>

#include <stdlib.h>
#include <string.h>

/* One entry of one group: what is sorted. */
struct record {
    const struct bw_group *group;
    uint32_t number;
    uint64_t index;
};

static json_t *end_json(const struct bw_group *group, const struct bw_history_entry *entry)
{
    const struct bw_voucher *voucher = bw_group_voucher(group, entry->epoch);
    char time[BW_TIME_TEXT_BYTES];

    if (entry->ended_index == 0)
        return json_null();
    bw_json_time(entry->ended_unix_ms, time);
    return json_pack("{s:I, s:s, s:s, s:o, s:o}", "index", (json_int_t)entry->ended_index, "time",
                     time, "reason", bw_reason_word(entry->why_ended), "by",
                     voucher == NULL ? json_null() : bw_json_text(voucher->by), "text",
                     voucher == NULL ? json_null() : bw_json_text(voucher->text));
}

/* From the last confirmed renewal of the epoch before, by the granting leader's own clock. */
static json_t *timeline_json(const struct bw_history_entry *entry)
{
    if (entry->silent_ms == 0)
        return json_array();
    return json_pack("[{s:s, s:i}, {s:s, s:I}]", "phase", "last_renewal", "at_ms", 0, "phase",
                     "grant", "at_ms", (json_int_t)entry->silent_ms);
}

json_t *bw_json_history_entry(const struct bw_group *group, uint32_t number)
{
    const struct bw_history_entry *entry = bw_group_history_at(group, number);
    char time[BW_TIME_TEXT_BYTES];

    if (entry == NULL)
        return json_null();
    bw_json_time(entry->granted_unix_ms, time);
    return json_pack("{s:I, s:s, s:s, s:I, s:s, s:o, s:s, s:s, s:o, s:b, s:b, s:s, s:b, s:o, s:o}", "index",
                     (json_int_t)entry->granted_index, "time", time, "group", group->spec.name,
                     "epoch", (json_int_t)entry->epoch, "site", entry->site, "previous_site",
                     bw_json_name_or_null(entry->previous_site), "grade", bw_grade_word(entry->grade),
                     "reason", bw_reason_word(entry->why_granted), "by", bw_json_text(entry->by),
                     "planned", entry->planned, "adopted", entry->adopted, "reach_seen",
                     bw_reach_seen_word(entry->seen), "reach_proved", entry->proved, "ended",
                     end_json(group, entry), "timeline", timeline_json(entry));
}

static int compare(const void *a, const void *b)
{
    const uint64_t left = ((const struct record *)a)->index;
    const uint64_t right = ((const struct record *)b)->index;

    return left < right ? 1 : left > right ? -1 : 0;
}

static bool put_record(struct bw_json_buffer *buffer, size_t number, const void *user)
{
    const struct record *record = (const struct record *)user + number;

    bw_json_put(buffer, bw_json_history_entry(record->group, record->number));
    return true;
}

void bw_json_history(const struct bw_operator_view *view, int group_index, size_t count_max,
                     struct bw_json_buffer *buffer)
{
    const struct bw_cluster *cluster = view->machine->cluster;
    const uint32_t first = group_index < 0 ? 0 : (uint32_t)group_index;
    const uint32_t end = group_index < 0 ? cluster->group_count : first + 1;
    struct record *records;
    size_t count = 0;
    json_t *head;

    for (uint32_t i = first; i < end; i++)
        count += bw_json_sees(view, (int)i) ? cluster->groups[i].history_count : 0;
    records = calloc(count > 0 ? count : 1, sizeof *records);
    if (records == NULL) {
        buffer->is_failed = true;
        return;
    }
    count = 0;
    for (uint32_t i = first; i < end; i++) {
        const struct bw_group *group = &cluster->groups[i];

        for (uint32_t number = 0; bw_json_sees(view, (int)i) && number < group->history_count;
             number++)
            records[count++] = (struct record){
                group, number, bw_group_history_at(group, number)->granted_index};
    }
    qsort(records, count, sizeof *records, compare);
    head = json_pack("{s:s, s:s, s:s, s:I}", "schema", "breakwater.history/v1", "cluster",
                     view->cluster, "answered_by", view->self, "index",
                     (json_int_t)cluster->applied_index);
    bw_json_put_list(buffer, head, "entries", count < count_max ? count : count_max, put_record,
                     records);
    free(records);
}
