/* lint: a table */
#include "shapes.h"

#include <agent.pb-c.h>
#include <guard.pb-c.h>
#include <log.pb-c.h>
#include <snapshot.pb-c.h>
#include <state.pb-c.h>

#include <breakwater/core/guard.h>
#include <breakwater/core/guard_link.h>
#include <breakwater/core/record.h>
#include <breakwater/core/site.h>
#include <breakwater/core/spec_keys.h>
#include <breakwater/core/sync.h>
#include <breakwater/wire/second.h>
#include <breakwater/wire/state.h>
#include <breakwater/wire/sync.h>

/* Of 0.1, whose messages had version 1, nothing is read. */
#define OLDEST_VERSION        2
#define LOG_VERSION           2 /* of each command; one that changes its meaning gets its own */
#define SNAPSHOT_VERSION      2
#define AGENT_VERSION         2 /* sync, answer, relay */
#define GUARD_VERSION         2
#define STATE_VERSION         2 /* files at a site */

/* ---- the enums of the core and of proto/ name the same values, one apart ---- */

#define SAME(WIRE_ENUM, PREFIX, name)                                                              \
    _Static_assert((int)BREAKWATER__V1__##WIRE_ENUM##__##PREFIX##_##name ==                        \
                       (int)BW_##PREFIX##_##name + 1,                                              \
                   "proto/ must number " #PREFIX "_" #name " one above the core");
#define ONE(...) +1
#define COUNT_OF(LIST) (0 LIST(ONE))

#define X(name, ...) SAME(MODE, MODE, name)
BW_MODE_LIST(X)
#undef X
#define X(name, ...) SAME(REACH, REACH, name)
BW_REACH_LIST(X)
#undef X
#define X(name, ...) SAME(REACH_SEEN, REACH, name)
BW_REACH_SEEN_LIST(X)
#undef X
#define X(name, ...) SAME(ON_LAG, ON_LAG, name)
BW_ON_LAG_LIST(X)
#undef X
#define X(name, ...) SAME(HANDOVER, HANDOVER, name)
BW_HANDOVER_LIST(X)
#undef X
#define X(name, ...) SAME(REASON, REASON, name)
BW_REASON_LIST(X)
#undef X
#define X(name, ...) SAME(GRADE, GRADE, name)
BW_GRADE_LIST(X)
#undef X
#define X(name, ...) SAME(WISH_KIND, WISH, name)
BW_WISH_LIST(X)
#undef X
#define X(name, ...) SAME(WISH_END, WISH_END, name)
BW_WISH_END_LIST(X)
#undef X
#define X(name, ...) SAME(PHASE, PHASE, name)
BW_PHASE_LIST(X)
#undef X
#define X(name, ...) SAME(SERVICE, SERVICE, name)
BW_SERVICE_LIST(X)
#undef X
#define BW_CONDITION_LIST(X) X(NONE) X(START) X(STOP) X(FAILED)
#define X(name, ...) SAME(CONDITION, CONDITION, name)
BW_CONDITION_LIST(X)
#undef X
#define X(name, ...) SAME(ALARM, ALARM, name)
BW_ALARM_LIST(X)
#undef X
#define X(name, ...) SAME(ORDER_KIND, ORDER, name)
BW_ORDER_LIST(X)
#undef X
#define X(name, ...) SAME(ACTION, ACTION, name)
BW_ACTION_LIST(X)
#undef X
#define X(name, ...) SAME(RUN_RESULT, RUN, name)
BW_RUN_LIST(X)
#undef X
#define X(name, ...) SAME(REFUSAL, REFUSAL, name)
BW_REFUSAL_LIST(X)
#undef X

/* ---- rows ----
 * CORE and WIRE are the two structs of the table in which a row stands; the `1` forms must be set.
 * A row is one line, so the names of its two members are given once where they are the same. */

#define CORE_SIZE(member) sizeof(((CORE *)0)->member)
#define PLACES(member, wire_member)                                                                \
    .name = #wire_member, .core_offset = offsetof(CORE, member), .core_size = CORE_SIZE(member),   \
    .wire_offset = offsetof(WIRE, wire_member)
/* The same size on both sides, or the table does not compile. */
#define SAME_SIZE(member, wire_member)                                                             \
    (0 * sizeof(char[CORE_SIZE(member) == sizeof(((WIRE *)0)->wire_member) ? 1 : -1]))

#define VERSION(newest)                                                                            \
    {.kind = BW_FIELD_VERSION, .name = "version", .min = OLDEST_VERSION, .max = (newest),          \
     .wire_offset = offsetof(WIRE, version)}
#define NUMBER_AS(member, wire_member, must)                                                       \
    {.kind = BW_FIELD_NUMBER, .is_required = (must), PLACES(member, wire_member),                  \
     .max = SAME_SIZE(member, wire_member)}
#define NUMBER(member) NUMBER_AS(member, member, false)
#define NUMBER1(member) NUMBER_AS(member, member, true)
#define BOOL_AS(member, wire_member)                                                               \
    {.kind = BW_FIELD_BOOL, PLACES(member, wire_member),                                           \
     .max = 0 * sizeof(char[CORE_SIZE(member) == 1 ? 1 : -1])}
#define BOOL(member) BOOL_AS(member, member)
#define BITS(member, LIST) {.kind = BW_FIELD_BITS, PLACES(member, member), .max = COUNT_OF(LIST)}
#define ENUM(member, LIST)                                                                         \
    {.kind = BW_FIELD_ENUM, PLACES(member, member),                                                \
     .max = COUNT_OF(LIST) + SAME_SIZE(member, member)}
/* Absent, as an older program leaves it: the first value. */
#define LATER_ENUM(member, LIST)                                                                   \
    {.kind = BW_FIELD_ENUM, .is_later = true, PLACES(member, member),                              \
     .max = COUNT_OF(LIST) + SAME_SIZE(member, member)}
/* Its last value is written as the first one, with a flag beside it: so did who had the two apart. */
#define FLAGGED(member, LIST, flag)                                                                \
    {.kind = BW_FIELD_ENUM, PLACES(member, member), .wire_case_offset = offsetof(WIRE, flag),      \
     .max = COUNT_OF(LIST) + SAME_SIZE(member, member)}
#define ENUM1(member, LIST)                                                                        \
    {.kind = BW_FIELD_ENUM, .is_required = true, PLACES(member, member),                           \
     .max = COUNT_OF(LIST) + SAME_SIZE(member, member)}
#define NAME(member) {.kind = BW_FIELD_NAME, PLACES(member, member)}
#define NAME1(member) {.kind = BW_FIELD_NAME, .is_required = true, PLACES(member, member)}
#define TEXT_AS(member, wire_member) {.kind = BW_FIELD_TEXT, PLACES(member, wire_member)}
#define TEXT(member) TEXT_AS(member, member)
#define TEXT1(member) {.kind = BW_FIELD_TEXT, .is_required = true, PLACES(member, member)}
#define ID(member) {.kind = BW_FIELD_ID, PLACES(member, member)}
#define ID1(member) {.kind = BW_FIELD_ID, .is_required = true, PLACES(member, member)}
#define NUMBERS(member)                                                                            \
    {.kind = BW_FIELD_NUMBERS, PLACES(member, member),                                             \
     .max = CORE_SIZE(member) / CORE_SIZE(member[0]), .wire_case_offset = offsetof(WIRE, n_##member)}
#define BOOLS(member)                                                                              \
    {.kind = BW_FIELD_BOOLS, PLACES(member, member), .max = CORE_SIZE(member),                     \
     .wire_case_offset = offsetof(WIRE, n_##member)}
#define MESSAGE_AS(member, wire_member, of)                                                        \
    {.kind = BW_FIELD_MESSAGE, PLACES(member, wire_member), .shape = &bw_shape_##of}
#define MESSAGE(member, of) MESSAGE_AS(member, member, of)
#define LATER_AS(member, wire_member, of)                                                          \
    {                                                                                              \
        .kind = BW_FIELD_MESSAGE, .is_later = true, PLACES(member, wire_member),                   \
        .shape = &bw_shape_##of                                                                    \
    }
#define LATER(member, of) LATER_AS(member, member, of)
#define LIST_OF(list_kind, member, count_member, count_max, of)                                    \
    {.kind = (list_kind), .name = #member, .core_offset = offsetof(CORE, member),                  \
     .core_size = CORE_SIZE(member[0]), .core_count_offset = offsetof(CORE, count_member),         \
     .wire_offset = offsetof(WIRE, member), .wire_case_offset = offsetof(WIRE, n_##member),        \
     .max = (count_max), .shape = &bw_shape_##of}
#define LIST(member, count_member, of)                                                             \
    LIST_OF(BW_FIELD_LIST, member, count_member, CORE_SIZE(member) / CORE_SIZE(member[0]), of)
#define ARRAY(member, of)                                                                          \
    {.kind = BW_FIELD_ARRAY, .name = #member, .core_offset = offsetof(CORE, member),               \
     .core_size = CORE_SIZE(member[0]), .wire_offset = offsetof(WIRE, member),                     \
     .wire_case_offset = offsetof(WIRE, n_##member),                                               \
     .max = CORE_SIZE(member) / CORE_SIZE(member[0]), .shape = &bw_shape_##of}
#define HEAP_LIST(member, count_member, count_max, of)                                             \
    LIST_OF(BW_FIELD_HEAP_LIST, member, count_member, count_max, of)
#define HEAP_BYTES1(member, size_member, bytes_max)                                                \
    {.kind = BW_FIELD_HEAP_BYTES, .is_required = true, PLACES(member, member),                     \
     .core_count_offset = offsetof(CORE, size_member), .max = (bytes_max)}
#define CHOICE(wire_case, wire_member, table)                                                      \
    {.kind = BW_FIELD_CHOICE, .name = #wire_case, .core_offset = offsetof(CORE, kind),             \
     .core_size = CORE_SIZE(kind), .wire_offset = offsetof(WIRE, wire_member),                     \
     .wire_case_offset = offsetof(WIRE, wire_case), .choices = (table),                            \
     .max = sizeof(table) / sizeof((table)[0])}

#define SHAPE_AT(offset, size, wire_name, ...)                                                     \
    {.wire = &breakwater__v1__##wire_name##__descriptor, .core_offset = (offset),                  \
     .core_size = (size),                                                                          \
     .field_count = sizeof((struct bw_field[]){__VA_ARGS__}) / sizeof(struct bw_field),            \
     .fields = (const struct bw_field[]){__VA_ARGS__}}
#define SHAPE(name, wire_name, ...)                                                                \
    const struct bw_shape bw_shape_##name = SHAPE_AT(0, sizeof(CORE), wire_name, __VA_ARGS__);

/* ---- log.proto ---- */

#define CORE struct bw_reach_sight
#define WIRE Breakwater__V1__ReachSight
SHAPE(reach_sight, reach_sight, ENUM(seen, BW_REACH_SEEN_LIST), BOOL(proved), NUMBER(epoch),
      NUMBER(digest))
#undef CORE
#undef WIRE

#define CORE struct bw_note
#define WIRE Breakwater__V1__Serving
SHAPE(serving, serving, NUMBER(armed_ms), NUMBER(started_ms), NUMBER(verified_ms),
      NUMBER(outage_ms), BOOL_AS(is_reported, is_told), NUMBER(late_ms), NUMBER(restarts),
      NUMBER(restart_age_ms), NUMBERS(phase_ms), NUMBER(least_ms))
#undef CORE
#undef WIRE

#define CORE struct bw_site_spec
#define WIRE Breakwater__V1__SiteSpec
SHAPE(site_spec, site_spec, NAME1(name), NUMBER(priority), BOOL(never_candidate))
#undef CORE
#undef WIRE

#define CORE struct bw_spec
#define WIRE Breakwater__V1__Spec
#define KEY_NUMBER(member, ...)             NUMBER(member),
#define KEY_WORD(member, word, LIST, ...)   ENUM(member, BW_##LIST##_LIST),
#define KEY_APART(member, word, LIST, number, absent, note, help, flag) FLAGGED(member, BW_##LIST##_LIST, flag),
SHAPE(spec, spec, NAME1(name), LIST(sites, site_count, site_spec), BW_SPEC_KEYS(KEY_NUMBER, KEY_WORD, KEY_APART))
#undef CORE
#undef WIRE

#define CORE struct bw_terms
#define WIRE Breakwater__V1__Terms
SHAPE(terms, terms, NUMBER(ttl_ms), NUMBER(fence_ms), NUMBER(drift_ppm), NUMBER(margin_ms),
      NUMBER(renew_interval_ms), NUMBER(request_timeout_ms), ENUM(reach, BW_REACH_LIST),
      BOOL(second_enforcer), NUMBER(no_return))
#undef CORE
#undef WIRE

/* Which fields a command has: the comments of struct bw_command. */
#define CORE struct bw_command
#define COMMAND(NAME_, wire_name, ...)                                                             \
    static const struct bw_shape command_##NAME_ =                                                 \
        SHAPE_AT(0, 0, wire_name, VERSION(LOG_VERSION), __VA_ARGS__);
#define WIRE Breakwater__V1__Found
COMMAND(FOUND, found, ID1(cluster_id), NAME1(cluster_name), NUMBER1(election_timeout_ms),
        NUMBER1(feature_level))
#undef WIRE
#define WIRE Breakwater__V1__Grant
COMMAND(GRANT, grant, NUMBER1(epoch), NUMBER1(spec_version), NAME1(site), ID1(instance),
        BOOL(adopt), MESSAGE(terms, terms), ENUM(reason, BW_REASON_LIST), BOOL(planned),
        NUMBER(silent_ms), ID1(boot_id), MESSAGE(sight, reach_sight), BOOL(has_lag), NUMBER(lag_ms),
        NUMBER(lag_age_ms), TEXT(waived), TEXT(why))
#undef WIRE
#define WIRE Breakwater__V1__Revoke
COMMAND(REVOKE, revoke, NUMBER1(epoch), NUMBER1(spec_version), NAME1(target),
        ENUM(reason, BW_REASON_LIST), BOOL(planned))
#undef WIRE
#define WIRE Breakwater__V1__Unrevoke
COMMAND(UNREVOKE, unrevoke, NUMBER1(epoch), NUMBER1(spec_version))
#undef WIRE
#define WIRE Breakwater__V1__Close
COMMAND(CLOSE, close, NUMBER1(epoch), ENUM(reason, BW_REASON_LIST))
#undef WIRE
#define WIRE Breakwater__V1__FenceFailed
COMMAND(FENCE_FAILED, fence_failed, NUMBER1(epoch))
#undef WIRE
#define WIRE Breakwater__V1__Released
COMMAND(RELEASED, released, NUMBER1(epoch), ID1(instance), ENUM(reason, BW_REASON_LIST),
        BOOL(past_no_return), TEXT(position), NUMBER(held_index))
#undef WIRE
#define WIRE Breakwater__V1__Expired
COMMAND(EXPIRED, expired, NUMBER1(epoch), ENUM(reason, BW_REASON_LIST), NUMBER(silent_ms),
        BOOL(past_no_return))
#undef WIRE
#define WIRE Breakwater__V1__Adopted
COMMAND(ADOPTED, adopted, NUMBER1(epoch))
#undef WIRE
#define WIRE Breakwater__V1__Fenced
COMMAND(FENCED, fenced, NUMBER1(epoch), ENUM(reason, BW_REASON_LIST))
#undef WIRE
#define WIRE Breakwater__V1__Forced
COMMAND(FORCED, forced, NUMBER1(epoch), ENUM(reason, BW_REASON_LIST))
#undef WIRE
#define WIRE Breakwater__V1__SetSpec
COMMAND(SET_SPEC, set_spec, NUMBER(spec_version), NAME(site), MESSAGE(spec, spec))
#undef WIRE
#define WIRE Breakwater__V1__SetMode
COMMAND(SET_MODE, set_mode, NUMBER(spec_version), ENUM(mode, BW_MODE_LIST))
#undef WIRE
#define WIRE Breakwater__V1__Maintenance
COMMAND(MAINTENANCE, maintenance, NUMBER(spec_version), NAME(site), NUMBER(duration_ms))
#undef WIRE
#define WIRE Breakwater__V1__Delete
COMMAND(DELETE, delete, NUMBER(spec_version))
#undef WIRE
#define WIRE Breakwater__V1__Boot
COMMAND(BOOT, boot, NUMBER1(epoch), ID1(boot_id))
#undef WIRE
#define WIRE Breakwater__V1__ReachSeenAt
COMMAND(REACH, reach_seen_at, NUMBER1(epoch), ID1(instance), MESSAGE(sight, reach_sight))
#undef WIRE
#define WIRE Breakwater__V1__RaiseLevel
COMMAND(RAISE_LEVEL, raise_level, NUMBER1(feature_level))
#undef WIRE
#define WIRE Breakwater__V1__Note
COMMAND(NOTE, note, NUMBER1(epoch), MESSAGE(note, serving))
#undef WIRE
#define WIRE Breakwater__V1__Wish
COMMAND(WISH, wish, NUMBER1(epoch), NUMBER1(spec_version), ENUM1(wish, BW_WISH_LIST), NAME(target),
        BOOL(accept_data_loss), NUMBER(duration_ms), ID(request_id))
#undef WIRE
#define WIRE Breakwater__V1__WishOver
COMMAND(WISH_OVER, wish_over, NUMBER1(wish_index), ENUM1(wish_end, BW_WISH_END_LIST))
#undef WIRE
#define WIRE Breakwater__V1__SecondEnforcer
COMMAND(SECOND_ENFORCER, second_enforcer, NUMBER1(epoch), ID1(instance), BOOL(is_seen))
#undef WIRE
#define WIRE Breakwater__V1__Passed
COMMAND(PASSED, passed, NUMBER1(epoch), ID1(instance))
#undef WIRE
#define WIRE Breakwater__V1__Claim
COMMAND(CLAIM, claim, NAME1(site), ID1(instance), ID1(session), NUMBER1(sync_number),
        ENUM(claim, BW_CLAIM_LIST), NUMBER(named_epoch), NUMBER(named_index))
#undef WIRE
#define WIRE Breakwater__V1__ClaimOver
COMMAND(CLAIM_OVER, claim_over, NAME1(site), NUMBER(claim_index), ENUM1(claim_end, BW_CLAIM_END_LIST), ID(session),
        NUMBER(sync_number))
#undef WIRE
#define WIRE Breakwater__V1__SetPeople
COMMAND(SET_PEOPLE, set_people, NUMBER(spec_version), HEAP_BYTES1(people, people_size, BW_PEOPLE_BYTES_MAX))
#undef WIRE

static const struct bw_choice commands[] = {
#define X(name, word)                                                                              \
    [BW_COMMAND_##name] = {BREAKWATER__V1__LOG_ENTRY__OP_##name, word, &command_##name},
    BW_COMMAND_LIST(X)
#undef X
};
#define WIRE Breakwater__V1__LogEntry
SHAPE(log_entry, log_entry, NAME(group), TEXT(by), TEXT(text), NUMBER(unix_ms),
      CHOICE(op_case, found, commands))
#undef CORE
#undef WIRE

/* ---- snapshot.proto ---- */

#define CORE struct bw_history_entry
#define WIRE Breakwater__V1__HistoryEntry
SHAPE(history_entry, history_entry, NUMBER1(epoch), NUMBER(granted_index), NUMBER(ended_index),
      NUMBER(granted_unix_ms), NUMBER(ended_unix_ms), NAME(site), NAME(previous_site),
      ENUM(why_granted, BW_REASON_LIST), ENUM(why_ended, BW_REASON_LIST),
      ENUM(grade, BW_GRADE_LIST), BOOL(planned), BOOL(adopted), NUMBER(silent_ms), TEXT(by),
      ENUM(seen, BW_REACH_SEEN_LIST), BOOL(proved))
#undef CORE
#undef WIRE

#define CORE struct bw_boot
#define WIRE Breakwater__V1__KeptBoot
SHAPE(kept_boot, kept_boot, ID1(id))
#undef CORE
#undef WIRE

#define CORE struct bw_voucher
#define WIRE Breakwater__V1__Voucher
SHAPE(voucher, voucher, NUMBER1(epoch), TEXT(by), TEXT(text))
#undef CORE
#undef WIRE

#define CORE struct bw_wish
#define WIRE Breakwater__V1__AskedFor
SHAPE(asked_for, asked_for, ENUM1(kind, BW_WISH_LIST), NAME(to), BOOL(accept_data_loss),
      NUMBER1(epoch), NUMBER(timeout_ms), NUMBER1(index), ID(id), TEXT(by), TEXT(text))
#undef CORE
#undef WIRE

#define CORE struct bw_wish_over
#define WIRE Breakwater__V1__AskedForOver
SHAPE(asked_for_over, asked_for_over, NUMBER1(index), ID(id), ENUM1(end, BW_WISH_END_LIST),
      TEXT(words), NUMBER1(epoch), ENUM1(kind, BW_WISH_LIST))
#undef CORE
#undef WIRE

#define CORE struct bw_claim
#define WIRE Breakwater__V1__KeptClaim
SHAPE(kept_claim, kept_claim, NAME1(site), ID1(instance), ID1(session), NUMBER1(number), NUMBER1(index),
      ENUM(kind, BW_CLAIM_LIST), ENUM(end, BW_CLAIM_END_LIST), NUMBER(named_epoch), NUMBER(named_index))
#undef CORE
#undef WIRE

#define CORE struct bw_last_end
#define WIRE Breakwater__V1__LastEnd
SHAPE(last_end, last_end, NUMBER(epoch), NAME(site), ENUM(grade, BW_GRADE_LIST),
      ENUM(reason, BW_REASON_LIST), BOOL(past_no_return), TEXT(position))
#undef CORE
#undef WIRE

#define CORE struct bw_group
#define WIRE Breakwater__V1__Group
SHAPE(group, group, MESSAGE(spec, spec), NUMBER(spec_version), NUMBER(spec_index),
      NUMBER(changed_index), NUMBER(epoch), ENUM(phase, BW_PHASE_LIST), BOOL(held), BOOL(adopting),
      BOOL(first_grant), NAME(holder_site), ID(holder_instance), MESSAGE(terms, terms),
      NUMBER(granted_index), NAME(target), NAME(target_origin), TEXT(target_position),
      ENUM(target_reason, BW_REASON_LIST), TEXT(target_by), BOOL(rolling_back),
      NAME(initial_primary), NAME(data_site), NAME(previous_data_site), NAME(let_go_site),
      NUMBER(let_go_epoch), MESSAGE(let_go_terms, terms), NUMBER(let_go_index),
      NUMBERS(maintenance_ms), NUMBER(group_maintenance_ms), MESSAGE(last_end, last_end),
      LIST(history, history_count, history_entry), LIST(boots, boot_count, kept_boot),
      BOOL(has_more_boots), LIST(vouchers, voucher_count, voucher), MESSAGE(sight, reach_sight),
      NUMBER(held_index), NAME(first_choice), NUMBER(recovered_index),
      LIST(wishes, wish_count, asked_for), LIST(wishes_over, wish_over_count, asked_for_over),
      LIST(claims, claim_count, kept_claim), BOOL(has_more_claims))
#undef CORE
#undef WIRE

#define CORE struct bw_cluster
#define WIRE Breakwater__V1__SnapshotHead
SHAPE(snapshot_head, snapshot_head, VERSION(SNAPSHOT_VERSION), ID(id), NAME(name),
      NUMBER(generation), NUMBER(election_timeout_ms), NUMBER(epoch_floor), NUMBER(applied_index),
      NUMBER(no_op_count), NUMBER(group_count), NUMBER(let_go_wait_ms), NUMBER(feature_level),
      NUMBER(record_blocks), NUMBER(people_version), TEXT_AS(people.text, people))
#undef CORE
#undef WIRE

#define CORE struct bw_snapshot_group
#define WIRE Breakwater__V1__SnapshotGroup
SHAPE(snapshot_group, snapshot_group, NUMBER(place), MESSAGE(group, group))
#undef CORE
#undef WIRE

#define CORE struct bw_record_key
#define WIRE Breakwater__V1__RecordKey
SHAPE(record_key, record_key, NUMBER1(key), NUMBER(before), NUMBER(after))
#undef CORE
#undef WIRE

#define CORE struct bw_record_site
#define WIRE Breakwater__V1__RecordSite
SHAPE(record_site, record_site, NAME1(name), BOOL(was), BOOL(is), BOOL(never_before),
      BOOL(never_after), NUMBER(priority_before), NUMBER(priority_after))
#undef CORE
#undef WIRE

/* What each kind says: the comments of struct bw_record_event. */
#define CORE struct bw_record_event
#define EVENT(NAME_, wire_name, ...)                                                               \
    static const struct bw_shape event_##NAME_ = SHAPE_AT(0, 0, wire_name, __VA_ARGS__);
#define FACT(NAME_)                                                                                \
    static const struct bw_shape event_##NAME_ = {.wire = &breakwater__v1__record_fact__descriptor};
#define CHANGES LIST(keys, key_count, record_key), LIST(sites, site_count, record_site)
#define WIRE    Breakwater__V1__RecordGranted
EVENT(GRANTED, record_granted, NAME(site), NAME(previous), ENUM(reason, BW_REASON_LIST),
      BOOL(planned), BOOL(adopt), NUMBER(silent_ms), ENUM(seen, BW_REACH_SEEN_LIST), BOOL(proved),
      BOOL(has_lag), NUMBER(lag_ms), NUMBER(lag_age_ms), TEXT(waived), TEXT(why))
#undef WIRE
#define WIRE Breakwater__V1__RecordEnded
EVENT(ENDED, record_ended, NAME(site), ENUM(reason, BW_REASON_LIST), ENUM(grade, BW_GRADE_LIST))
#undef WIRE
#define WIRE Breakwater__V1__RecordNoted
EVENT(NOTED, record_noted, MESSAGE(note, serving))
#undef WIRE
#define WIRE Breakwater__V1__RecordSeen
EVENT(SEEN, record_seen, ENUM(seen, BW_REACH_SEEN_LIST), BOOL(proved))
#undef WIRE
#define WIRE Breakwater__V1__RecordClosed
EVENT(CLOSED, record_closed, ENUM(reason, BW_REASON_LIST))
#undef WIRE
#define WIRE Breakwater__V1__RecordMoveBegun
EVENT(MOVE_BEGUN, record_move_begun, NAME(site), ENUM(reason, BW_REASON_LIST))
#undef WIRE
#define WIRE Breakwater__V1__RecordChanged
EVENT(SPEC, record_changed, CHANGES)
EVENT(MODE, record_changed, CHANGES)
#undef WIRE
#define WIRE Breakwater__V1__RecordMaintenance
EVENT(MAINTENANCE, record_maintenance, NAME(site), NUMBER(duration_ms))
#undef WIRE
#define WIRE Breakwater__V1__RecordWished
EVENT(WISHED, record_wished, ENUM(wish, BW_WISH_LIST), NAME(site))
#undef WIRE
#define WIRE Breakwater__V1__RecordWishOver
EVENT(WISH_OVER, record_wish_over, ENUM(wish, BW_WISH_LIST), NAME(site),
      ENUM(wish_end, BW_WISH_END_LIST))
#undef WIRE
#define WIRE Breakwater__V1__RecordClaimed
EVENT(CLAIMED, record_claimed, NAME(site), ENUM(claim, BW_CLAIM_LIST))
#undef WIRE
#define WIRE Breakwater__V1__RecordClaimOver
EVENT(CLAIM_OVER, record_claim_over, NAME(site), ENUM(claim_end, BW_CLAIM_END_LIST))
#undef WIRE
FACT(ADOPTED)
FACT(MOVE_GIVEN_UP)
FACT(FENCE_FAILED)
FACT(CREATED)
FACT(DELETED)
FACT(RECOVERED)
FACT(PASSED)

static const struct bw_choice events[] = {
#define X(name, word)                                                                              \
    [BW_RECORD_##name] = {BREAKWATER__V1__RECORD_EVENT__EVENT_##name, word, &event_##name},
    BW_RECORD_LIST(X)
#undef X
};
#define WIRE Breakwater__V1__RecordEvent
SHAPE(record_event, record_event, NUMBER1(index), NUMBER(unix_ms), NUMBER(epoch), TEXT(by),
      TEXT(text), CHOICE(event_case, granted, events))
#undef CORE
#undef WIRE

#define CORE struct bw_snapshot_end
#define WIRE Breakwater__V1__SnapshotEnd
SHAPE(snapshot_end, snapshot_end, NUMBER(record_count), NUMBER(byte_count))
#undef CORE
#undef WIRE

/* ---- agent.proto ---- */

#define CORE struct bw_released
#define WIRE Breakwater__V1__GivenBack
SHAPE(given_back, given_back, NUMBER(epoch), ENUM(reason, BW_REASON_LIST), BOOL(past_no_return),
      TEXT(position), NUMBER(held_index))
#undef CORE
#undef WIRE

#define CORE struct bw_script_outcome
#define WIRE Breakwater__V1__ScriptSaid
SHAPE(script_outcome, script_said, BOOL(exited), NUMBER(exit_status), NUMBER(signal), TEXT(words))
#undef CORE
#undef WIRE

#define CORE struct bw_script_failure
#define WIRE Breakwater__V1__ScriptFailure
SHAPE(script_failure, script_failure, NUMBER(action), NUMBER(result), NUMBER(age_ms),
      NUMBER(took_ms), MESSAGE_AS(outcome, said, script_outcome))
#undef CORE
#undef WIRE

#define CORE struct bw_steps_progress
#define WIRE Breakwater__V1__StepsSaid
SHAPE(steps_progress, steps_said, NUMBER(count), NUMBER(done), NUMBER(running), BOOL(is_stop),
      NAME(name), NUMBER(phase), NUMBER(attempt), NUMBER(age_ms), NUMBER(limit_ms),
      NUMBERS(phase_ms))
#undef CORE
#undef WIRE

#define CORE struct bw_remote_fence_ask
#define WIRE Breakwater__V1__RemoteFenceAsk
SHAPE(remote_fence_ask, remote_fence_ask, NUMBER(epoch), NUMBER(held_index), NUMBER(term),
      NUMBER(number), NAME(site))
#undef CORE
#undef WIRE

#define CORE struct bw_remote_fence_report
#define WIRE Breakwater__V1__RemoteFenceSaid
SHAPE(remote_fence_report, remote_fence_said, NUMBER(limit_ms), NUMBER(state),
      LATER(ask, remote_fence_ask))
#undef CORE
#undef WIRE

#define CORE struct bw_report
#define WIRE Breakwater__V1__Report
SHAPE(report, report, NUMBER(spec_version), NUMBER(epoch_seen), NUMBER(let_go_index),
      BOOL(guard_alive), BOOL(enforced), ENUM(service, BW_SERVICE_LIST), NUMBER(service_age_ms),
      BOOL(verified), BOOL(has_fence_or_stop_succeeded), BOOL(fence_failed), NUMBER(fence_epoch),
      ENUM(condition, BW_CONDITION_LIST), BOOL(ready), NUMBER(ready_age_ms), BOOL(has_lag),
      NUMBER(lag_ms), TEXT(position), NUMBER(check_interval_ms), ENUM(reach, BW_REACH_LIST),
      BOOL(reach_works), NUMBER(fence_bound_ms), NUMBER(armed_epoch), NUMBER(stop_begun_epoch),
      BOOL(serving_epoch_started), BOOL(rejoining), BOOL(start_begun), BITS(alarms, BW_ALARM_LIST),
      BOOL(has_readiness), NUMBER(prepared_index), NUMBER(joined_epoch), NUMBER(fence_took_ms),
      BOOL(gives_position), MESSAGE(sight, reach_sight), BOOL(guard_busy), NUMBER(override), NUMBER(manual_serial),
      NUMBER(manual_left_ms), BOOL(manual_proved),
      NUMBER(seen_epoch), NUMBER(seen_age_ms), LIST(failures, failure_count, script_failure),
      NUMBER_AS(restarts.count, restarts, false), NUMBER_AS(restarts.age_ms, restart_age_ms, false),
      NUMBER_AS(restarts.epoch, restarts_epoch, false), NUMBER(loop_delay_ms),
      LATER(remote_fence, remote_fence_report), LATER(steps, steps_progress), NUMBERS(phase_ms),
      NUMBER(phases_epoch), NUMBER(second), BOOL(second_proved), BOOL(has_point), NUMBER(asks_to_pass),
      NUMBER(rogue_starts), NUMBER(unhealthy), NUMBER(unhealthy_ms), NUMBER(told_epoch), NUMBER(told_index))
#undef CORE
#undef WIRE

#define CORE struct bw_sync_group
#define WIRE Breakwater__V1__SyncGroup
SHAPE(sync_group, sync_group, NAME1(name), NUMBER(renew_epoch), MESSAGE(released, given_back),
      MESSAGE(report, report))
#undef CORE
#undef WIRE

#define CORE struct bw_instant
#define WIRE Breakwater__V1__Instant
SHAPE(instant, instant, NUMBER(boot_ns), NUMBER(raw_ns))
#undef CORE
#undef WIRE

#define CORE struct bw_exchange
#define WIRE Breakwater__V1__Exchange
SHAPE(exchange, exchange, NAME1(witness), NUMBER1(number), MESSAGE(sent, instant),
      MESSAGE_AS(answered, heard, instant), NUMBER(receipt))
#undef CORE
#undef WIRE

#define CORE struct bw_sync
#define WIRE Breakwater__V1__Sync
SHAPE(sync, sync, VERSION(AGENT_VERSION), ID(cluster_id), NUMBER(generation), NAME1(site),
      NAME1(agent), ID1(instance), ID1(session), NUMBER1(number), BOOL(wants_relay),
      HEAP_LIST(groups, group_count, BW_GROUPS_MAX, sync_group),
      LIST(exchanges, exchange_count, exchange),
      NUMBER(certificate_left_s), ID1(boot_id), NUMBER(feature_level), NUMBER(guard_level))
#undef CORE
#undef WIRE

#define CORE struct bw_order
#define WIRE Breakwater__V1__Order
SHAPE(order, order, ENUM(kind, BW_ORDER_LIST), NUMBER(index), NUMBER(epoch), NUMBER(spec_version),
      NUMBER(let_go_index), NUMBER(let_go_epoch), ID(instance), BOOL(adopt), BOOL(adopting),
      BOOL(closed), BOOL(others_epoch), BOOL(newest_is_open), BOOL(prepare), TEXT(position),
      NAME(previous_site), ENUM(reason, BW_REASON_LIST), BOOL(planned), BOOL(restart_allowed),
      ENUM(previous_grade, BW_GRADE_LIST), MESSAGE(terms, terms), NUMBER(held_index),
      NUMBER(reach_digest))
#undef CORE
#undef WIRE

#define CORE struct bw_member
#define WIRE Breakwater__V1__Member
SHAPE(member, member, NUMBER1(id), NAME1(name), TEXT1(address))
#undef CORE
#undef WIRE

#define CORE struct bw_sync_answer_group
#define WIRE Breakwater__V1__SyncAnswerGroup
SHAPE(sync_answer_group, sync_answer_group, NAME1(name), NUMBER(confirmed_epoch),
      NUMBER(other_serves_epoch), MESSAGE(order, order), LATER(remote_fence, remote_fence_ask))
#undef CORE
#undef WIRE

#define CORE struct bw_sync_answer
#define WIRE Breakwater__V1__SyncAnswer
SHAPE(sync_answer, sync_answer, VERSION(AGENT_VERSION), ID(cluster_id), NUMBER(generation),
      ID(session), NUMBER(number), BOOL(is_leader), NAME(leader), NUMBER(applied_index),
      LIST(members, member_count, member),
      HEAP_LIST(groups, group_count, BW_GROUPS_MAX, sync_answer_group), NAME(witness),
      NUMBER(feature_level), NUMBER(longest_wait_ms), NUMBER(receipt))
#undef CORE
#undef WIRE

#define CORE struct bw_relay
#define WIRE Breakwater__V1__Relay
SHAPE(relay, relay, VERSION(AGENT_VERSION), NAME1(site), NAME1(agent),
      HEAP_BYTES1(sync, sync_size, BW_SYNC_BYTES_MAX))
#undef CORE
#undef WIRE

/* ---- guard.proto ---- */

#define CORE struct bw_run_facts
#define WIRE Breakwater__V1__RunFacts
SHAPE(run_facts, run_facts, NAME(previous_site), ENUM(reason, BW_REASON_LIST), BOOL(planned),
      ENUM(grade, BW_GRADE_LIST), TEXT(target_position), NUMBER(reach_digest), BOOL(holds), BOOL(restarts))
#undef CORE
#undef WIRE

/* The members of the union; CORE is the member. */
#define PART(name) __typeof__(((struct bw_guard_message *)0)->name)
#define GUARD(member, name, wire_name, ...)                                                        \
    static const struct bw_shape guard_##name = SHAPE_AT(                                          \
        offsetof(struct bw_guard_message, member), sizeof(CORE), wire_name, __VA_ARGS__);

#define CORE PART(hello)
#define WIRE Breakwater__V1__GuardHello
GUARD(hello, HELLO, guard_hello, ID(cluster_id), NUMBER(generation), NAME1(site), ID1(instance),
      ID1(session), ID1(boot_id), NUMBER(time_namespace))
#undef CORE
#undef WIRE
#define CORE PART(arm)
#define WIRE Breakwater__V1__GuardArm
GUARD(arm, ARM, guard_arm, NUMBER1(epoch), MESSAGE(terms, terms), NUMBER(number),
      MESSAGE(begin, instant), MESSAGE(end, instant), NUMBER(serial))
#undef CORE
#undef WIRE
#define CORE PART(run)
#define WIRE Breakwater__V1__GuardRun
GUARD(run, RUN, guard_run, NUMBER(epoch), ENUM1(action, BW_ACTION_LIST), NUMBER1(run_id),
      MESSAGE(facts, run_facts), LATER(not_after, instant), BOOL(by_kill))
#undef CORE
#undef WIRE
#define CORE PART(welcome)
#define WIRE Breakwater__V1__GuardWelcome
GUARD(welcome, WELCOME, guard_welcome, ID1(boot_id), NUMBER(time_namespace), NUMBER(feature_level))
#undef CORE
#undef WIRE
#define CORE PART(state)
#define WIRE Breakwater__V1__GuardState
GUARD(state, GROUP_STATE, guard_state, BOOL(enforced), NUMBER(epoch_seen), NUMBER(ended_epoch),
      NUMBER(let_go_index), NUMBER(armed_epoch), ID(armed_instance), NUMBER(armed_number),
      MESSAGE(armed_end, instant), BOOL(fence_begun), BOOL(fence_ended), BOOL(fence_ok),
      BOOL(stop_seen), ENUM(running, BW_ACTION_LIST), NUMBER(running_epoch), NUMBER(running_run_id),
      ENUM(reach, BW_REACH_LIST), BOOL(reach_works), NUMBER(fence_bound_ms), BOOLS(has_script),
      NUMBERS(timeout_ms), MESSAGE(sight, reach_sight), NUMBER(start_epoch),
      ENUM(served, BW_SERVED_LIST), BOOL(arm_pending), NUMBER(armed_serial), NUMBER(serial),
      NUMBER(serial_over), NUMBER(loop_delay_ms), NUMBER(remote_fence_ms), BOOL(has_point))
#undef CORE
#undef WIRE
#define CORE PART(armed)
#define WIRE Breakwater__V1__GuardArmed
GUARD(armed, ARMED, guard_armed, NUMBER(number), MESSAGE(end, instant))
#undef CORE
#undef WIRE
#define CORE PART(refused)
#define WIRE Breakwater__V1__GuardRefused
GUARD(refused, ARM_REFUSED, guard_refused, NUMBER(number), ENUM1(why, BW_REFUSAL_LIST))
GUARD(refused, END_REFUSED, guard_refused, NUMBER(number), ENUM1(why, BW_REFUSAL_LIST))
GUARD(refused, HELLO_REFUSED, guard_refused, NUMBER(number), ENUM1(why, BW_REFUSAL_LIST))
#undef CORE
#undef WIRE
#define CORE PART(begun)
#define WIRE Breakwater__V1__GuardBegun
GUARD(begun, RUN_BEGUN, guard_begun, NUMBER(run_id), ENUM1(action, BW_ACTION_LIST),
      LATER(steps, steps_progress), BOOL(asks_to_pass))
#undef CORE
#undef WIRE
#define CORE PART(ended)
#define WIRE Breakwater__V1__GuardRunEnded
GUARD(ended, RUN_ENDED, guard_run_ended, NUMBER(epoch), ENUM1(action, BW_ACTION_LIST),
      NUMBER(run_id), ENUM(result, BW_RUN_LIST), ENUM(refusal, BW_REFUSAL_LIST),
      NUMBER(exit_status), NUMBER(duration_ms), TEXT(line), TEXT(tail), MESSAGE(sight, reach_sight),
      LATER_AS(outcome, said, script_outcome), BOOL(has_looked), LATER_ENUM(unrunnable, BW_ACTION_LIST),
      TEXT(unrunnable_words))
#undef CORE
#undef WIRE
#define CORE PART(epoch_ended)
#define WIRE Breakwater__V1__GuardEpochEnded
GUARD(epoch_ended, EPOCH_ENDED, guard_epoch_ended, ENUM(served, BW_SERVED_LIST))
#undef CORE
#undef WIRE
#define CORE PART(fence)
#define WIRE Breakwater__V1__GuardFenceEnded
GUARD(fence, FENCE_ENDED, guard_fence_ended, BOOL(ok), NUMBER(duration_ms),
      LATER_AS(outcome, said, script_outcome))
#undef CORE
#undef WIRE
#define CORE PART(show)
#define WIRE Breakwater__V1__GuardShow
GUARD(show, SHOW, guard_show, BOOL(next))
#undef CORE
#undef WIRE
#define CORE struct bw_guard_script_end
#define WIRE Breakwater__V1__GuardScriptEnd
SHAPE(guard_script_end, guard_script_end, ENUM(action, BW_ACTION_LIST), ENUM(result, BW_RUN_LIST),
      NUMBER(exit_status), NUMBER(duration_ms), MESSAGE(ended_at, instant), TEXT(line))
#undef CORE
#undef WIRE
#define CORE PART(shown)
#define WIRE Breakwater__V1__GuardShown
GUARD(shown, SHOWN, guard_shown, NAME1(site), ID1(boot_id), NUMBER(time_namespace), BOOL(has_agent),
      BOOL(nobodys), BOOL(enforced), NUMBER(epoch_seen), NUMBER(ended_epoch), NUMBER(armed_epoch),
      MESSAGE(armed_end, instant), NUMBER(fence_ms), NUMBER(armed_serial), BOOL(fence_begun),
      BOOL(fence_failed), ENUM(running, BW_ACTION_LIST), ENUM(reach, BW_REACH_LIST),
      BOOL(reach_works), MESSAGE(sight, reach_sight), ENUM(service, BW_SERVICE_LIST),
      MESSAGE(service_at, instant), MESSAGE(action, guard_script_end),
      MESSAGE(failure, guard_script_end),
      MESSAGE_AS(agent_contact_at, agent_heard_at, instant), NUMBER(loop_delay_ms), BOOL(loop_may), BOOL(is_stopped))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_message
#define WIRE Breakwater__V1__GuardLetGo
static const struct bw_shape guard_LET_GO = SHAPE_AT(0, 0, guard_let_go, NUMBER1(let_go_index));
#define guard_LET_GO_DONE guard_LET_GO
#undef WIRE
static const struct bw_shape guard_NOTHING = {.wire = &breakwater__v1__guard_nothing__descriptor};
#define guard_END           guard_NOTHING
#define guard_WELCOME_DONE  guard_NOTHING
#define guard_FENCE_BEGUN   guard_NOTHING
#define guard_PASS          guard_NOTHING

static const struct bw_choice guard_messages[] = {
#define X(name)                                                                                    \
    [BW_GUARD_MESSAGE_##name] = {BREAKWATER__V1__GUARD_MESSAGE__BODY_##name, #name, &guard_##name},
    BW_GUARD_MESSAGE_LIST(X)
#undef X
};
#define WIRE Breakwater__V1__GuardMessage
SHAPE(guard_message, guard_message, VERSION(GUARD_VERSION), NAME(group), NUMBER(epoch),
      CHOICE(body_case, hello, guard_messages))
#undef CORE
#undef WIRE

/* ---- what a second enforcer and its agent say ---- */

#define CORE struct bw_second_report
#define WIRE Breakwater__V1__SecondSaid
SHAPE(second_report, second_said, NUMBER(armed_epoch), ENUM(service, BW_SERVICE_LIST),
      NUMBER(service_age_ms), NUMBER(check_interval_ms), BOOL(has_agreed), NUMBER(fence_epoch),
      BOOL(fence_seen), BOOL(is_proved), NUMBER(proof_ended))
#undef CORE
#undef WIRE

#define CORE struct bw_second_ask_group
#define WIRE Breakwater__V1__SecondAskGroup
SHAPE(second_ask_group, second_ask_group, NAME1(name), MESSAGE_AS(report, said, second_report))
#undef CORE
#undef WIRE

#define CORE struct bw_second_ask
#define WIRE Breakwater__V1__SecondAsk
SHAPE(second_ask, second_ask, VERSION(AGENT_VERSION), ID1(session), ID1(boot_id),
      HEAP_LIST(groups, group_count, BW_GROUPS_MAX, second_ask_group))
#undef CORE
#undef WIRE

#define CORE struct bw_second_lease
#define WIRE Breakwater__V1__SecondTold
SHAPE(second_lease, second_told, NUMBER(epoch), NUMBER(left_ns), NUMBER(fence_ns), BOOL(serves),
      NUMBER(over_epoch), NUMBER(proof))
#undef CORE
#undef WIRE

#define CORE struct bw_second_answer_group
#define WIRE Breakwater__V1__SecondAnswerGroup
SHAPE(second_answer_group, second_answer_group, NAME1(name), MESSAGE_AS(lease, told, second_lease))
#undef CORE
#undef WIRE

#define CORE struct bw_second_answer
#define WIRE Breakwater__V1__SecondAnswer
SHAPE(second_answer, second_answer, VERSION(AGENT_VERSION), NUMBER(interval_ms), NUMBER(limit_ms),
      HEAP_LIST(groups, group_count, BW_GROUPS_MAX, second_answer_group), ID(cluster_id))
#undef CORE
#undef WIRE

/* ---- state.proto ---- */

#define CORE struct bw_second_memory
#define WIRE Breakwater__V1__SecondMemory
SHAPE(second_memory, second_memory, NUMBER(epoch), BOOL(is_over), NUMBER(fence_ns),
      NUMBER(agreed_digest), NUMBER(proved_digest), NUMBER(interval_ms), NUMBER(limit_ms), ID(cluster_id))
#undef CORE
#undef WIRE

#define CORE struct bw_second_group
#define WIRE Breakwater__V1__SecondGroup
SHAPE(second_group, second_group, NAME1(name), MESSAGE(memory, second_memory))
#undef CORE
#undef WIRE

#define CORE struct bw_second_state
#define WIRE Breakwater__V1__SecondState
SHAPE(second_state, second_state, VERSION(STATE_VERSION), NAME1(site),
      HEAP_LIST(groups, group_count, BW_GROUPS_MAX, second_group))
#undef CORE
#undef WIRE

#define CORE struct bw_second_mirror
#define WIRE Breakwater__V1__SecondMirror
SHAPE(second_mirror, second_mirror, NUMBER(epoch), NUMBER(fence_ns), MESSAGE(end, instant), ID(cluster_id))
#undef CORE
#undef WIRE

#define CORE struct bw_second_mirror_group
#define WIRE Breakwater__V1__SecondMirrorGroup
SHAPE(second_mirror_group, second_mirror_group, NAME1(name), MESSAGE(mirror, second_mirror))
#undef CORE
#undef WIRE

#define CORE struct bw_second_mirror_file
#define WIRE Breakwater__V1__SecondMirrorFile
SHAPE(second_mirror_file, second_mirror_file, VERSION(STATE_VERSION), NAME1(site), ID1(boot_id),
      NUMBER(time_namespace), HEAP_LIST(groups, group_count, BW_GROUPS_MAX, second_mirror_group))
#undef CORE
#undef WIRE

#define CORE struct bw_site_memory
#define WIRE Breakwater__V1__SiteMemory
SHAPE(site_memory, site_memory, NUMBER(epoch), ID(boot_id), BOOL(given_back),
      ENUM(reason, BW_REASON_LIST), BOOL(past_no_return), TEXT(position), BOOL(start_begun),
      BOOL(enforced), NUMBER(order_index), NUMBER(let_go_index), NUMBER(rejoined_epoch),
      MESSAGE(terms, terms), BOOL(adopt), NUMBER(served_epoch), NUMBER(fenced_index),
      NUMBER(override), ID(override_boot_id), NUMBER(override_wait_ms), NUMBER(override_unix_ms),
      BOOL(override_wrote), NUMBER(override_serial), NUMBER(override_epoch),
      NUMBER_AS(override_end.boot_ns, override_end_boot_ns, false),
      NUMBER_AS(override_end.raw_ns, override_end_raw_ns, false), NUMBER(override_end_unix_ms),
      NUMBER(override_fence_ms), NUMBER(override_digest), NUMBER(told_epoch), NUMBER(told_index))
#undef CORE
#undef WIRE

#define CORE struct bw_agent_group
#define WIRE Breakwater__V1__AgentGroup
SHAPE(agent_group, agent_group, NAME1(name), MESSAGE(memory, site_memory))
#undef CORE
#undef WIRE

#define CORE struct bw_agent_state
#define WIRE Breakwater__V1__AgentState
SHAPE(agent_state, agent_state, VERSION(STATE_VERSION), ID(cluster_id), NUMBER(generation),
      NAME1(site), ID1(instance), ID(machine_id),
      HEAP_LIST(groups, group_count, BW_GROUPS_MAX, agent_group))
#undef CORE
#undef WIRE

#define CORE struct bw_kept_members
#define WIRE Breakwater__V1__ToldMembers
SHAPE(kept_members, told_members, VERSION(STATE_VERSION), ID1(cluster_id),
      LIST(members, member_count, member), NUMBER(feature_level), NUMBER(longest_wait_ms))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_memory
#define WIRE Breakwater__V1__GuardMemory
SHAPE(guard_memory, guard_memory, NUMBER(epoch_seen), NUMBER(ended_epoch), BOOL(enforced),
      NUMBER(let_go_index), ID(instance), MESSAGE(sight, reach_sight), NUMBER(serial))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_memory_file
#define WIRE Breakwater__V1__GuardMemoryFile
SHAPE(guard_memory_file, guard_memory_file, VERSION(STATE_VERSION), NAME1(group),
      MESSAGE(memory, guard_memory))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_child
#define WIRE Breakwater__V1__GuardChild
SHAPE(guard_child, guard_child, ENUM(action, BW_ACTION_LIST), NUMBER(epoch), NUMBER(run_id),
      NUMBER(pid), NUMBER(start_time))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_mirror
#define WIRE Breakwater__V1__GuardMirror
SHAPE(guard_mirror, guard_mirror, NUMBER(armed_epoch), ID(armed_instance), NUMBER(armed_number),
      MESSAGE(armed_end, instant), NUMBER(ttl_ns), NUMBER(fence_ns), BOOL(fence_begun),
      BOOL(stop_seen), BOOL(start_unseen), ARRAY(children, guard_child), BOOL(script_due),
      BOOL(script_begun), NUMBER(start_epoch), ENUM(served, BW_SERVED_LIST),
      BOOL(stopped_after_start), NUMBER(armed_serial), NUMBER(stop_ran_out_epoch), BOOL(left_due), NUMBER(loop_delay_ns),
      NUMBER_AS(loop_until.boot_ns, loop_until_boot_ns, false),
      NUMBER_AS(loop_until.raw_ns, loop_until_raw_ns, false), NUMBER(loop_taken_epoch))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_mirror_file
#define WIRE Breakwater__V1__GuardMirrorFile
SHAPE(guard_mirror_file, guard_mirror_file, VERSION(STATE_VERSION), NAME1(group), ID1(boot_id),
      NUMBER(time_namespace), MESSAGE(mirror, guard_mirror), ID(cluster_id))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_script
#define WIRE Breakwater__V1__GuardScript
SHAPE(guard_script, guard_script, ENUM(action, BW_ACTION_LIST), NUMBER(timeout_ms), TEXT1(path))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_unit
#define WIRE Breakwater__V1__GuardUnit
SHAPE(guard_unit, guard_unit, TEXT1(name))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_variable
#define WIRE Breakwater__V1__GuardVariable
SHAPE(guard_variable, guard_variable, TEXT1(text))
#undef CORE
#undef WIRE

#define CORE struct bw_guard_reach_file
#define WIRE Breakwater__V1__GuardReachFile
SHAPE(guard_reach_file, guard_reach_file, VERSION(STATE_VERSION), NAME1(group), NAME1(cluster),
      NAME1(site), ENUM(enforce, BW_REACH_LIST), NUMBER(kill_grace_ms),
      LIST(scripts, script_count, guard_script), LIST(units, unit_count, guard_unit),
      LIST(variables, variable_count, guard_variable), BOOL(allow_writable_scripts),
      TEXT(container_tool))
#undef CORE
#undef WIRE
