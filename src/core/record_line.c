/* record_line.c - the events of an epoch as one line. Design 3.1. */
#include <breakwater/core/record_line.h>

#include <string.h>

#include <breakwater/base/bytes.h>
/* What belongs to an epoch, and is no line of its own. */
static bool begins_line(enum bw_record_kind kind)
{
    switch (kind) {
    case BW_RECORD_GRANTED:
    case BW_RECORD_CREATED:
    case BW_RECORD_SPEC:
    case BW_RECORD_MODE:
    case BW_RECORD_MAINTENANCE:
    case BW_RECORD_DELETED:
    case BW_RECORD_RECOVERED:
    case BW_RECORD_MOVE_GIVEN_UP:
        return true;
    case BW_RECORD_ADOPTED:
    case BW_RECORD_MOVE_BEGUN:
    case BW_RECORD_CLOSED:
    case BW_RECORD_FENCE_FAILED:
    case BW_RECORD_SEEN:
    case BW_RECORD_ENDED:
    case BW_RECORD_NONE:
        break;
    }
    return false;
}

bool bw_record_next_line(const struct bw_record *record, struct bw_record_at *at,
                         struct bw_record_mark *mark)
{
    struct bw_record_at here = *at;
    enum bw_record_kind kind;
    uint64_t index;

    for (; bw_record_skip(record, at, &kind, &index); here = *at) {
        if (!begins_line(kind))
            continue;
        if (mark->is_epoch)
            mark->before = mark->at;
        mark->at = here;
        mark->index = index;
        mark->is_epoch = kind == BW_RECORD_GRANTED;
        return true;
    }
    return false;
}

uint64_t bw_record_oldest_epoch(const struct bw_record *record, const struct bw_record_chain *chain)
{
    struct bw_record_at at = bw_record_begin(chain);
    struct bw_record_event event;

    while (bw_record_next(record, &at, &event))
        if (event.kind == BW_RECORD_GRANTED)
            return event.epoch;
    return UINT64_MAX;
}

/* ---- an epoch ---- */

static void begin_epoch(struct bw_record_line *line, const struct bw_record_event *event)
{
    struct bw_history_entry *entry = &line->entry;

    *entry = (struct bw_history_entry){
        .epoch = event->epoch,
        .granted_index = event->index,
        .granted_unix_ms = event->unix_ms,
        .why_granted = event->reason,
        .planned = event->planned,
        .adopted = event->adopt,
        .silent_ms = event->silent_ms,
        .seen = event->seen,
        .proved = event->proved,
    };
    BW_COPY_FIELD(entry->site, event->site);
    BW_COPY_FIELD(entry->previous_site, event->previous);
    BW_COPY_FIELD(entry->by, event->by);
    if (line->text[0] == '\0')
        BW_COPY_FIELD(line->text, event->text);
}

static void note_word(struct bw_record_line *line, const struct bw_record_event *event)
{
    BW_COPY_FIELD(line->ended_by, event->by);
    BW_COPY_FIELD(line->ended_text, event->text);
}

static void note_end(struct bw_record_line *line, const struct bw_record_event *event)
{
    line->entry.ended_index = event->index;
    line->entry.ended_unix_ms = event->unix_ms;
    line->entry.why_ended = event->reason;
    line->entry.grade = event->grade;
    if (line->held_unix_ms != 0)
        line->free_unix_ms = event->unix_ms;
    if (event->grade == BW_GRADE_FORCED || event->grade == BW_GRADE_LET_GO)
        note_word(line, event);
}

static void take_event(struct bw_record_line *line, const struct bw_record_event *event)
{
    switch (event->kind) {
    case BW_RECORD_MOVE_BEGUN:
        note_word(line, event);
        break;
    case BW_RECORD_MOVE_GIVEN_UP:
        line->ended_by[0] = '\0';
        line->ended_text[0] = '\0';
        break;
    case BW_RECORD_CLOSED:
        line->entry.why_ended = event->reason;
        if (event->reason == BW_REASON_OPERATOR)
            note_word(line, event);
        break;
    case BW_RECORD_FENCE_FAILED:
        line->held_unix_ms = event->unix_ms;
        break;
    case BW_RECORD_SEEN:
        line->entry.seen = event->seen;
        line->entry.proved = event->proved;
        break;
    case BW_RECORD_ENDED:
        note_end(line, event);
        break;
    case BW_RECORD_NONE:
    case BW_RECORD_GRANTED:
    case BW_RECORD_ADOPTED:
    case BW_RECORD_CREATED:
    case BW_RECORD_SPEC:
    case BW_RECORD_MODE:
    case BW_RECORD_MAINTENANCE:
    case BW_RECORD_DELETED:
    case BW_RECORD_RECOVERED:
        break;
    }
}

/* A planned grant has its reason where the epoch before was told to stop. */
static void take_reason_of_move(const struct bw_record *record, struct bw_record_at at,
                                const struct bw_record_event *grant, struct bw_record_line *line)
{
    struct bw_record_event event;

    while (grant->planned && bw_record_next(record, &at, &event) && event.index < grant->index)
        if (event.kind == BW_RECORD_MOVE_BEGUN && strcmp(event.by, grant->by) == 0)
            BW_COPY_FIELD(line->text, event.text);
}

void bw_record_read_line(const struct bw_record *record, const struct bw_record_mark *mark,
                         struct bw_record_line *out_line)
{
    struct bw_record_at at = mark->at;
    struct bw_record_event event;

    *out_line = (struct bw_record_line){0};
    if (!bw_record_next(record, &at, &out_line->event))
        return;
    out_line->kind = out_line->event.kind;
    if (out_line->kind != BW_RECORD_GRANTED)
        return;
    take_reason_of_move(record, mark->before, &out_line->event, out_line);
    begin_epoch(out_line, &out_line->event);
    /* An epoch that is over is spoken of until the one after the next is granted. */
    while (bw_record_next(record, &at, &event)) {
        if (event.kind == BW_RECORD_GRANTED && event.epoch > out_line->entry.epoch + 1)
            break;
        if (event.epoch == out_line->entry.epoch)
            take_event(out_line, &event);
    }
}

void bw_record_line_of(const struct bw_group *group, const struct bw_history_entry *entry,
                       struct bw_record_line *out_line)
{
    const struct bw_voucher *voucher = bw_group_voucher(group, entry->epoch);

    *out_line = (struct bw_record_line){.kind = BW_RECORD_GRANTED, .entry = *entry};
    if (voucher == NULL)
        return;
    BW_COPY_FIELD(out_line->ended_by, voucher->by);
    BW_COPY_FIELD(out_line->ended_text, voucher->text);
}
