/* record_line.c - the events of an epoch as one line. Design 3.1. */
#include <breakwater/core/record_line.h>

#include <string.h>

#include <breakwater/base/assert.h>
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
    case BW_RECORD_WISH_OVER:
    case BW_RECORD_CLAIMED:
    case BW_RECORD_CLAIM_OVER:
        return true;
    case BW_RECORD_ADOPTED:
    case BW_RECORD_MOVE_BEGUN:
    case BW_RECORD_CLOSED:
    case BW_RECORD_FENCE_FAILED:
    case BW_RECORD_SEEN:
    case BW_RECORD_ENDED:
    case BW_RECORD_NOTED:
    case BW_RECORD_WISHED:
    case BW_RECORD_PASSED:
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
        BW_ASSERT(index >= mark->index); /* as the log has them */
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
    BW_ASSERT(event->epoch == line->entry.epoch);
    BW_ASSERT(event->index >= line->entry.granted_index);
    line->entry.ended_index = event->index;
    line->entry.ended_unix_ms = event->unix_ms;
    line->entry.why_ended = event->reason;
    line->entry.grade = event->grade;
    if (line->held_unix_ms != 0)
        line->free_unix_ms = event->unix_ms;
    if (event->grade == BW_GRADE_FORCED || event->grade == BW_GRADE_LET_GO ||
        event->grade == BW_GRADE_FENCED) /* who has seen it, from another site */
        note_word(line, event);
}

/* The word of a later leader, or of a site that came back, tells more; it takes nothing back. */
static void take_note(struct bw_record_line *line, const struct bw_record_event *event)
{
    const struct bw_note *later = &event->note;
    struct bw_note *note = &line->note;
    bool has_phases = false;

    if (later->restarts > note->restarts) {
        note->restarts = later->restarts;
        line->restarted_unix_ms = event->unix_ms - (int64_t)later->restart_age_ms;
    }
    if (note->armed_ms == 0)
        note->armed_ms = later->armed_ms;
    if (note->started_ms == 0)
        note->started_ms = later->started_ms;
    if (note->verified_ms == 0)
        note->verified_ms = later->verified_ms;
    if (note->outage_ms == 0 || (later->outage_ms != 0 && later->is_reported))
        note->outage_ms = later->outage_ms;
    if (later->least_ms > note->least_ms)
        note->least_ms = later->least_ms;
    if (note->least_ms > note->outage_ms || later->late_ms != 0) /* it served longer than was known then */
        note->least_ms = later->late_ms != 0 ? 0 : note->outage_ms;
    note->is_reported = note->is_reported || later->is_reported;
    for (int i = 0; i < BW_STEP_PHASE_COUNT; i++)
        has_phases |= later->phase_ms[i] != 0;
    if (has_phases) /* of the newest start that is known */
        memcpy(note->phase_ms, later->phase_ms, sizeof note->phase_ms);
    if (later->late_ms > note->late_ms)
        note->late_ms = later->late_ms;
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
    case BW_RECORD_PASSED:
        line->passed_unix_ms = event->unix_ms;
        break;
    case BW_RECORD_SEEN:
        line->entry.seen = event->seen;
        line->entry.proved = event->proved;
        break;
    case BW_RECORD_ENDED:
        note_end(line, event);
        break;
    case BW_RECORD_NOTED:
        take_note(line, event);
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
    case BW_RECORD_WISHED:
    case BW_RECORD_WISH_OVER:
    case BW_RECORD_CLAIMED:
    case BW_RECORD_CLAIM_OVER:
        break;
    }
}

/* Of the site itself, after the next epoch has begun. */
static void take_late(struct bw_record_line *line, const struct bw_note *note)
{
    line->has_reported_end = true;
    if (note->late_ms > line->late_ms)
        line->late_ms = note->late_ms;
}

/* How the epoch before ended; and a planned grant has its reason where that was told to stop. */
static void take_epoch_before(const struct bw_record *record, struct bw_record_at at,
                              const struct bw_record_event *grant, struct bw_record_line *line)
{
    struct bw_record_event event;

    BW_ASSERT(grant->kind == BW_RECORD_GRANTED);
    while (bw_record_next(record, &at, &event) && event.index < grant->index) {
        if (event.epoch + 1 != grant->epoch)
            continue;
        if (event.kind == BW_RECORD_MOVE_BEGUN) {
            line->before_move_unix_ms = event.unix_ms;
            if (grant->planned && strcmp(event.by, grant->by) == 0)
                BW_COPY_FIELD(line->text, event.text);
        } else if (event.kind == BW_RECORD_MOVE_GIVEN_UP)
            line->before_move_unix_ms = 0;
        else if (event.kind == BW_RECORD_CLOSED)
            line->before_closed_unix_ms = event.unix_ms;
        else if (event.kind == BW_RECORD_ENDED)
            line->before_ended_unix_ms = event.unix_ms;
    }
}

void bw_record_read_line(const struct bw_record *record, const struct bw_record_mark *mark,
                         struct bw_record_line *out_line)
{
    struct bw_record_at at = mark->at;
    struct bw_record_event event;

    *out_line = (struct bw_record_line){0};
    if (!bw_record_next(record, &at, &out_line->event))
        return;
    BW_ASSERT(out_line->event.index == mark->index); /* nothing was recorded since it was found */
    out_line->kind = out_line->event.kind;
    if (out_line->kind != BW_RECORD_GRANTED)
        return;
    take_epoch_before(record, mark->before, &out_line->event, out_line);
    begin_epoch(out_line, &out_line->event);
    /* An epoch that is over is spoken of until the one after the next is granted. */
    while (bw_record_next(record, &at, &event)) {
        if (event.kind == BW_RECORD_GRANTED && event.epoch > out_line->entry.epoch + 1)
            break;
        if (event.epoch == out_line->entry.epoch)
            take_event(out_line, &event);
        else if (event.kind == BW_RECORD_NOTED && event.note.is_reported)
            take_late(out_line, &event.note);
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
