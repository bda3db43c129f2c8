/* recording.c - which events a command leaves in the record: made of the command, and of the group
 * before and after it, by nothing else. Design 3.1. */
#include <breakwater/core/record.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/group.h>
#include <breakwater/core/spec_keys.h>

void bw_record_look(const struct bw_group *group, const struct bw_command *command,
                    struct bw_record_before *out_before)
{
    *out_before = (struct bw_record_before){.epoch = group->epoch,
                                            .is_open = group->phase != BW_PHASE_VACANT};
    if (command != NULL &&
        (command->kind == BW_COMMAND_SET_SPEC || command->kind == BW_COMMAND_SET_MODE))
        out_before->spec = group->spec;
}

/* ---- what a new spec changes ---- */

static void note_key(struct bw_record_event *event, uint32_t key, uint32_t before, uint32_t after)
{
    if (before != after) {
        BW_ASSERT(event->key_count < sizeof event->keys / sizeof event->keys[0]);
        event->keys[event->key_count++] = (struct bw_record_key){key, before, after};
    }
}

static void note_site(struct bw_record_event *event, const struct bw_site_spec *before,
                      const struct bw_site_spec *after)
{
    struct bw_record_site *site = &event->sites[event->site_count];

    BW_ASSERT(before != NULL || after != NULL);
    if (before != NULL && after != NULL && before->priority == after->priority &&
        before->never_candidate == after->never_candidate)
        return;
    BW_ASSERT(event->site_count < sizeof event->sites / sizeof event->sites[0]);
    event->site_count++;
    BW_COPY_FIELD(site->name, (before != NULL ? before : after)->name);
    site->was = before != NULL;
    site->is = after != NULL;
    if (before != NULL) {
        site->never_before = before->never_candidate;
        site->priority_before = before->priority;
    }
    if (after != NULL) {
        site->never_after = after->never_candidate;
        site->priority_after = after->priority;
    }
}

#define NUMBER_FITS(member, word, of, number, ...)                                                 \
    _Static_assert((number) >= 1 && (number) <= BW_RECORD_KEYS_MAX, word " has a number of the record");
BW_SPEC_KEYS(NUMBER_FITS, NUMBER_FITS, NUMBER_FITS)

static void note_spec(struct bw_record_event *event, const struct bw_spec *before,
                      const struct bw_spec *after)
{
    for (uint32_t number = 1; number <= BW_RECORD_KEYS_MAX; number++) {
        const struct bw_spec_key *key = bw_spec_key_recorded(number);

        if (key != NULL)
            note_key(event, number, bw_spec_key_get(before, key), bw_spec_key_get(after, key));
    }
    for (uint32_t i = 0; i < before->site_count; i++) {
        const int at = bw_spec_find_site(after, before->sites[i].name);

        note_site(event, &before->sites[i], at < 0 ? NULL : &after->sites[at]);
    }
    for (uint32_t i = 0; i < after->site_count; i++)
        if (bw_spec_find_site(before, after->sites[i].name) < 0)
            note_site(event, NULL, &after->sites[i]);
}

/* ---- of an epoch ---- */

static void note_end(struct bw_record *record, const struct bw_group *group,
                     struct bw_record_event event)
{
    const struct bw_voucher *voucher = bw_group_voucher(group, group->last_end.epoch);

    event.kind = BW_RECORD_ENDED;
    event.epoch = group->last_end.epoch;
    event.grade = group->last_end.grade;
    event.reason = group->last_end.reason;
    BW_COPY_FIELD(event.site, group->last_end.site);
    if (event.grade == BW_GRADE_FORCED && voucher != NULL) { /* said more than once: all of it */
        BW_COPY_FIELD(event.by, voucher->by);
        BW_COPY_FIELD(event.text, voucher->text);
    }
    bw_record_append(record, group->spec.name, &event);
}

static void note_grant(const struct bw_group *group, const struct bw_command *command,
                       struct bw_record_event *event)
{
    event->reason = command->reason;
    event->planned = command->planned;
    event->adopt = command->adopt;
    event->silent_ms = command->silent_ms;
    event->seen = command->sight.seen;
    event->proved = command->sight.proved;
    event->has_lag = command->has_lag;
    event->lag_ms = command->lag_ms;
    event->lag_age_ms = command->lag_age_ms;
    BW_COPY_FIELD(event->why, command->why);
    BW_COPY_FIELD(event->waived, command->waived);
    BW_COPY_FIELD(event->site, command->site);
    BW_COPY_FIELD(event->previous, group->last_end.site);
}

/* It is still asked for: the group is as it was before. */
static void note_wish_over(const struct bw_group *group, const struct bw_command *command,
                           struct bw_record_event *event)
{
    const struct bw_wish *wish = bw_group_wish(group);

    BW_ASSERT(wish != NULL && wish->index == command->wish_index);
    event->wish = wish->kind;
    event->wish_end = command->wish_end;
    BW_COPY_FIELD(event->site, wish->to);
}

/* What the command is called in the record; NONE: it leaves nothing but the end of an epoch. */
static enum bw_record_kind fill(const struct bw_group *group, const struct bw_record_before *before,
                                const struct bw_command *command, struct bw_record_event *event)
{
    switch (command->kind) {
    case BW_COMMAND_GRANT:
        note_grant(group, command, event);
        return BW_RECORD_GRANTED;
    case BW_COMMAND_REVOKE:
        event->reason = command->reason;
        BW_COPY_FIELD(event->site, command->target);
        return BW_RECORD_MOVE_BEGUN;
    case BW_COMMAND_UNREVOKE:
        return BW_RECORD_MOVE_GIVEN_UP;
    case BW_COMMAND_CLOSE:
        event->reason = command->reason;
        return BW_RECORD_CLOSED;
    case BW_COMMAND_FENCE_FAILED:
        return BW_RECORD_FENCE_FAILED;
    case BW_COMMAND_ADOPTED:
        return BW_RECORD_ADOPTED;
    case BW_COMMAND_PASSED:
        return BW_RECORD_PASSED;
    case BW_COMMAND_SECOND_ENFORCER: /* it may change with each look: the end of the epoch says what it rests on */
        return BW_RECORD_NONE;
    case BW_COMMAND_REACH:
        event->seen = command->sight.seen;
        event->proved = command->sight.proved;
        return BW_RECORD_SEEN;
    case BW_COMMAND_SET_SPEC:
        note_spec(event, &before->spec, &group->spec);
        return BW_RECORD_SPEC;
    case BW_COMMAND_SET_MODE:
        note_spec(event, &before->spec, &group->spec);
        return BW_RECORD_MODE;
    case BW_COMMAND_MAINTENANCE:
        BW_COPY_FIELD(event->site, command->site);
        event->duration_ms = command->duration_ms;
        return BW_RECORD_MAINTENANCE;
    case BW_COMMAND_DELETE:
        return BW_RECORD_DELETED;
    case BW_COMMAND_NOTE:
        event->note = command->note;
        return BW_RECORD_NOTED;
    case BW_COMMAND_WISH:
        event->wish = command->wish;
        BW_COPY_FIELD(event->site, command->target);
        return BW_RECORD_WISHED;
    case BW_COMMAND_WISH_OVER:
        note_wish_over(group, command, event);
        return BW_RECORD_WISH_OVER;
    case BW_COMMAND_CLAIM:
        event->claim = command->claim;
        BW_COPY_FIELD(event->site, command->site);
        return BW_RECORD_CLAIMED;
    case BW_COMMAND_CLAIM_OVER:
        event->claim_end = command->claim_end;
        BW_COPY_FIELD(event->site, command->site);
        return BW_RECORD_CLAIM_OVER;
    case BW_COMMAND_RELEASED:
    case BW_COMMAND_EXPIRED:
    case BW_COMMAND_FENCED:
    case BW_COMMAND_FORCED:
    case BW_COMMAND_BOOT:
    case BW_COMMAND_FOUND:
    case BW_COMMAND_RAISE_LEVEL:
    case BW_COMMAND_SET_PEOPLE:
    case BW_COMMAND_COUNT:
        break;
    }
    return BW_RECORD_NONE;
}

static bool has_ended(const struct bw_group *group, const struct bw_record_before *before)
{
    return before->is_open && group->phase == BW_PHASE_VACANT;
}

void bw_record_command(struct bw_record *record, const struct bw_group *group,
                       const struct bw_record_before *before, uint64_t index,
                       const struct bw_command *command)
{
    struct bw_record_event event = {
        .index = index, .unix_ms = command->unix_ms, .epoch = group->epoch};

    BW_COPY_FIELD(event.by, command->by);
    BW_COPY_FIELD(event.text, command->text);
    if (before == NULL) {
        event.kind = BW_RECORD_CREATED;
        bw_record_append(record, group->spec.name, &event);
        return;
    }
    if (has_ended(group, before))
        note_end(record, group, event);
    event.kind = fill(group, before, command, &event);
    if (event.kind != BW_RECORD_NONE)
        bw_record_append(record, group->spec.name, &event);
}

void bw_record_recovery(struct bw_record *record, const struct bw_group *group,
                        const struct bw_record_before *before, uint64_t index, int64_t unix_ms)
{
    struct bw_record_event event = {.index = index, .unix_ms = unix_ms, .epoch = group->epoch};

    if (has_ended(group, before))
        note_end(record, group, event);
    event.kind = BW_RECORD_RECOVERED;
    bw_record_append(record, group->spec.name, &event);
}
