/* wire log entries: each command as it was, or a clear refusal (I3: what one witness applies, all
 * do). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/cluster.h>
#include <breakwater/wire/frame.h>
#include <breakwater/wire/log_entry.h>

#include "wire_fill.h"

static uint8_t bytes[BW_COMMAND_BYTES_MAX];
static struct bw_diag diag;

static size_t encode(const struct bw_command *command)
{
    size_t size;

    if (bw_log_entry_encode(command, bytes, sizeof bytes, &size, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    return size;
}

/* Every field filled, whatever the kind: what the kind does not have must not matter. */
static struct bw_command fill(enum bw_command_kind kind, uint64_t seed)
{
    struct wire_filler filler = {.choice = (int)kind};
    struct bw_command command;

    bw_prng_init(&filler.prng, seed);
    wire_fill(&filler, &bw_shape_log_entry, &command);
    if (kind == BW_COMMAND_FOUND || kind == BW_COMMAND_RAISE_LEVEL || kind == BW_COMMAND_SET_PEOPLE)
        command.group[0] = '\0';
    return command;
}

static void each_kind_is_read_again_and_fits_the_log(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < BW_COMMAND_COUNT; kind++) {
        struct bw_command command = fill((enum bw_command_kind)kind, kind);
        struct bw_command again;
        const size_t size = encode(&command);

        assert_int_equal(bw_log_entry_decode(bytes, size, &again, &diag), BW_OK);

        assert_true(wire_is_equal(&bw_shape_log_entry, &command, &again));
        assert_int_equal(size % 8, 0); /* the log takes nothing else */
        assert_true(size <= BW_COMMAND_BYTES_MAX);
        bw_log_entry_release(&again);
        bw_log_entry_release(&command);
    }
}

/* 5.3: whoever reads it has it as a text; a list too long for one is refused, and nothing is kept of it. */
static void a_list_of_people_has_its_end(void **state)
{
    static char longest[BW_PEOPLE_BYTES_MAX + 2];
    struct bw_command command = {.kind = BW_COMMAND_SET_PEOPLE, .spec_version = 3, .people = longest};
    struct bw_command again;
    size_t size = 4711;

    (void)state;
    memset(longest, 'a', BW_PEOPLE_BYTES_MAX);
    command.people_size = BW_PEOPLE_BYTES_MAX;
    assert_int_equal(bw_log_entry_decode(bytes, encode(&command), &again, &diag), BW_OK);
    assert_string_equal(again.people, longest);
    assert_int_equal(again.people_size, BW_PEOPLE_BYTES_MAX);
    assert_int_equal(again.spec_version, 3);
    bw_log_entry_release(&again);

    longest[BW_PEOPLE_BYTES_MAX] = 'a';
    command.people_size++;
    assert_int_equal(bw_log_entry_encode(&command, bytes, sizeof bytes, &size, &diag), BW_ERR_LIMIT);
    command.people_size = 0;
    assert_int_equal(bw_log_entry_encode(&command, bytes, sizeof bytes, &size, &diag), BW_ERR_INVALID);
    command.people_size = 1;
    strcpy(command.group, "harbor"); /* it is of the cluster */
    assert_int_equal(bw_log_entry_encode(&command, bytes, sizeof bytes, &size, &diag), BW_ERR_INVALID);
}

/* ---- what the core does with a command does not depend on its way over the wire ---- */

static void fill_spec(struct bw_spec *out_spec)
{
    bw_spec_defaults(out_spec);
    strcpy(out_spec->name, "harbor");
    out_spec->site_count = 2;
    strcpy(out_spec->sites[0].name, "dc-a");
    strcpy(out_spec->sites[1].name, "dc-b");
}

static bool is_past_no_return;

/* All fields set, so that one that the core reads and the wire forgets makes a difference. */
static struct bw_command make(enum bw_command_kind kind, uint64_t epoch, uint64_t spec_version)
{
    struct bw_command command = {
        .kind = kind,
        .group = "harbor",
        .epoch = epoch,
        .spec_version = spec_version,
        .site = "dc-a",
        .target = "dc-b",
        .instance = {{1, 2, 3}},
        .boot_id = {{4, (uint8_t)kind}},
        .adopt = true,
        .reason = BW_REASON_START_FAILED,
        .planned = true,
        .past_no_return = is_past_no_return,
        .position = "0/16B3748",
        .by = "operator/anna",
        .text = "because",
        .unix_ms = 1700000000123,
        .silent_ms = 4711,
        .mode = BW_MODE_MANUAL,
        .duration_ms = 60000,
        .cluster_id = {{9, 9}},
        .cluster_name = "prod",
        .election_timeout_ms = 1000,
        .feature_level = 1,
    };

    fill_spec(&command.spec);
    command.terms = bw_terms_of_spec(&command.spec);
    command.terms.reach = BW_REACH_UNITS;
    return command;
}

static struct bw_group direct_groups[2];
static struct bw_group wired_groups[2];

static void apply_both(struct bw_cluster *direct, struct bw_cluster *wired, uint64_t index,
                       const struct bw_command *command, bool must_fire)
{
    struct bw_command again;
    struct bw_applied a;
    struct bw_applied b;

    assert_int_equal(bw_log_entry_decode(bytes, encode(command), &again, &diag), BW_OK);
    a = bw_cluster_apply(direct, index, command);
    b = bw_cluster_apply(wired, index, &again);
    if (must_fire && a.rule == NULL)
        fail_msg("%s was a no-op", bw_command_word(command->kind));
    assert_ptr_equal(a.rule, b.rule);
    assert_int_equal(a.err, b.err);
    for (uint32_t i = 0; i < direct->group_count; i++)
        if (!wire_is_equal(&bw_shape_group, &direct_groups[i], &wired_groups[i]))
            fail_msg("%s changes less after its way over the wire", bw_command_word(command->kind));
    assert_true(wire_is_equal(&bw_shape_snapshot_head, direct, wired));
}

/* The epoch is ended by `end`, under a grant that does not adopt unless `end` is Adopted. */
static void walk_to(enum bw_command_kind end)
{
    struct bw_cluster direct;
    struct bw_cluster wired;
    struct bw_command command;
    uint64_t version = 2;

    memset(direct_groups, 0, sizeof direct_groups);
    memset(wired_groups, 0, sizeof wired_groups);
    bw_cluster_init(&direct, direct_groups, 2);
    bw_cluster_init(&wired, wired_groups, 2);
    command = make(BW_COMMAND_FOUND, 0, 0);
    command.group[0] = '\0';
    apply_both(&direct, &wired, 1, &command, true);
    command = make(BW_COMMAND_SET_SPEC, 0, 0);
    apply_both(&direct, &wired, 2, &command, true);
    command = make(BW_COMMAND_MAINTENANCE, 0, version);
    apply_both(&direct, &wired, 3, &command, true);
    command = make(BW_COMMAND_SET_MODE, 0, direct_groups[0].spec_version);
    apply_both(&direct, &wired, 4, &command, true);
    version = direct_groups[0].spec_version;
    command = make(BW_COMMAND_GRANT, 1, version);
    command.adopt = end == BW_COMMAND_ADOPTED;
    apply_both(&direct, &wired, 5, &command, true);
    command = make(BW_COMMAND_BOOT, 1, version);
    apply_both(&direct, &wired, 6, &command, true);
    command = make(BW_COMMAND_REVOKE, 1, version);
    apply_both(&direct, &wired, 7, &command, end != BW_COMMAND_ADOPTED);
    if (end == BW_COMMAND_UNREVOKE || end == BW_COMMAND_RELEASED || end == BW_COMMAND_ADOPTED) {
        command = make(end, 1, version);
        apply_both(&direct, &wired, 8, &command, true);
    }
    command = make(BW_COMMAND_CLOSE, 1, version);
    apply_both(&direct, &wired, 9, &command, end != BW_COMMAND_RELEASED);
    command = make(end, 1, version);
    apply_both(&direct, &wired, 10, &command, false);
    command = make(BW_COMMAND_DELETE, 1, direct_groups[0].spec_version);
    apply_both(&direct, &wired, 11, &command, false);
}

static void a_command_does_the_same_after_its_way_over_the_wire(void **state)
{
    (void)state;
    for (int is_past = 0; is_past < 2; is_past++) {
        is_past_no_return = is_past == 1;
        for (uint32_t kind = BW_COMMAND_UNREVOKE; kind <= BW_COMMAND_FORCED; kind++)
            walk_to((enum bw_command_kind)kind);
    }
}

/* ---- a newer writer ---- */

/* A frame around `size` payload bytes that stand at bytes + BW_FRAME_HEAD_BYTES. */
static size_t seal(size_t size)
{
    bw_frame_seal(bytes, BW_FRAME_LOG_ENTRY, size);
    return BW_FRAME_HEAD_BYTES + size;
}

static size_t payload_size(void)
{
    return bw_get_u32le(bytes + 4);
}

static enum bw_err decode_into_untouched(size_t size)
{
    struct bw_command command;
    struct bw_command before;
    enum bw_err err;

    memset(&command, 0x5a, sizeof command);
    memcpy(&before, &command, sizeof before);
    err = bw_log_entry_decode(bytes, size, &command, &diag);
    assert_memory_equal(&command, &before, sizeof before);
    return err;
}

static void an_unknown_kind_stops_the_witness(void **state)
{
    static const uint8_t unknown[] = {0x0a, 1, 'g', 0xfa, 0x06, 2, 0x08, 1}; /* group, member 111 */

    (void)state;
    memcpy(bytes + BW_FRAME_HEAD_BYTES, unknown, sizeof unknown);

    assert_int_equal(decode_into_untouched(seal(sizeof unknown)), BW_ERR_VERSION);

    assert_non_null(strstr(diag.text, "field 111"));
    assert_non_null(strstr(diag.text, "newer breakwater"));
}

static void an_unknown_field_stops_the_witness_at_each_depth(void **state)
{
    static const uint8_t field_99[] = {0x98, 0x06, 1};
    /* group g; fenced { version 2, epoch 3, reason 1, field 99 } */
    static const uint8_t inside[] = {0x0a, 1, 'g', 0x9a, 1, 9, 8, 2, 16, 3, 24, 1, 0x98, 0x06, 1};
    struct bw_command command = fill(BW_COMMAND_GRANT, 3);
    size_t size;

    (void)state;
    (void)encode(&command);
    size = payload_size();
    memcpy(bytes + BW_FRAME_HEAD_BYTES + size, field_99, sizeof field_99);
    assert_int_equal(decode_into_untouched(seal(size + sizeof field_99)), BW_ERR_VERSION);

    memcpy(bytes + BW_FRAME_HEAD_BYTES, inside, sizeof inside);
    assert_int_equal(decode_into_untouched(seal(sizeof inside)), BW_ERR_VERSION);
    assert_non_null(strstr(diag.text, "op_case"));
}

static enum bw_err decode_fenced(uint8_t version, uint8_t epoch, uint8_t reason)
{
    const uint8_t payload[] = {0x0a, 1, 'g', 0x9a, 1, 6, 8, version, 16, epoch, 24, reason};

    memcpy(bytes + BW_FRAME_HEAD_BYTES, payload, sizeof payload);
    return decode_into_untouched(seal(sizeof payload));
}

static void a_newer_version_and_an_unknown_value_stop_the_witness(void **state)
{
    struct bw_command command;
    const uint8_t good[] = {0x0a, 1, 'g', 0x9a, 1, 6, 8, 2, 16, 3, 24, 2};

    (void)state;
    memcpy(bytes + BW_FRAME_HEAD_BYTES, good, sizeof good);
    assert_int_equal(bw_log_entry_decode(bytes, seal(sizeof good), &command, &diag), BW_OK);
    assert_int_equal(command.reason, BW_REASON_SITE_LOST);

    assert_int_equal(decode_fenced(3, 3, 2), BW_ERR_VERSION);
    assert_int_equal(decode_fenced(2, 3, 100), BW_ERR_VERSION);
    assert_non_null(strstr(diag.text, "reason"));
    assert_int_equal(decode_fenced(0, 3, 2), BW_ERR_CORRUPT);
    assert_int_equal(decode_fenced(2, 0, 2), BW_ERR_CORRUPT);
    assert_int_equal(decode_fenced(2, 3, 0), BW_ERR_CORRUPT);
    assert_string_equal(diag.text, "log entry: op_case.reason: is missing");
    assert_int_equal(decode_fenced(1, 3, 2), BW_ERR_OUTDATED);
    assert_non_null(strstr(diag.text, "written by breakwater 0.1"));
}

static void what_follows_a_command_is_refused(void **state)
{
    const struct bw_command command = fill(BW_COMMAND_EXPIRED, 5);
    const size_t size = encode(&command);

    (void)state;
    memset(bytes + size, 0, 8);
    assert_int_equal(decode_into_untouched(size + 8), BW_ERR_CORRUPT);
    bytes[size] = 1;
    assert_int_equal(decode_into_untouched(size + 1), BW_ERR_CORRUPT);
}

/* One bit of each byte, of the checksum itself too. */
static void a_changed_entry_is_refused_by_its_checksum(void **state)
{
    const struct bw_command command = fill(BW_COMMAND_GRANT, 6);
    const size_t size = encode(&command);

    (void)state;
    for (size_t at = BW_FRAME_HEAD_BYTES - 4; at < size - 8; at++) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        assert_int_equal(decode_into_untouched(size), BW_ERR_CORRUPT);
        assert_non_null(strstr(diag.text, "the checksum is wrong"));
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
}

static void an_oversized_entry_is_refused_by_its_limit(void **state)
{
    (void)state;
    bw_frame_seal(bytes, BW_FRAME_LOG_ENTRY, BW_COMMAND_BYTES_MAX - BW_FRAME_HEAD_BYTES);
    assert_int_equal(decode_into_untouched(BW_COMMAND_BYTES_MAX), BW_ERR_LIMIT);
}

/* ---- what may not be written ---- */

static void expect_not_written(const struct bw_command *command, const char *word)
{
    size_t size = 4711;

    assert_int_equal(bw_log_entry_encode(command, bytes, sizeof bytes, &size, &diag),
                     BW_ERR_INVALID);
    assert_int_equal(size, 4711);
    assert_non_null(strstr(diag.text, word));
}

static void what_could_not_be_read_is_not_written(void **state)
{
    struct bw_command command = fill(BW_COMMAND_GRANT, 7);

    (void)state;
    command.reason = (enum bw_reason)99;
    expect_not_written(&command, "reason");
    command = fill(BW_COMMAND_GRANT, 7);
    strcpy(command.site, "no name");
    expect_not_written(&command, "site");
    command = fill(BW_COMMAND_GRANT, 7);
    memset(command.by, 'x', sizeof command.by);
    expect_not_written(&command, "by");
    command = fill(BW_COMMAND_GRANT, 7);
    command.group[0] = '\0';
    expect_not_written(&command, "group");
    command = fill(BW_COMMAND_GRANT, 7);
    command.kind = BW_COMMAND_COUNT;
    expect_not_written(&command, "kind");
    command = fill(BW_COMMAND_GRANT, 7);
    command.instance = (struct bw_id){{0}};
    expect_not_written(&command, "instance");
}

static void a_small_buffer_is_a_limit(void **state)
{
    const struct bw_command command = fill(BW_COMMAND_SET_SPEC, 8);
    const size_t size = encode(&command);

    (void)state;
    for (size_t room = 0; room < size - 8; room++) {
        uint8_t *small = malloc(room + 1);
        size_t written = 4711;

        assert_int_equal(bw_log_entry_encode(&command, small, room, &written, &diag), BW_ERR_LIMIT);
        free(small);
    }
}

/* I3: a log and a snapshot hold specs for years. No two values are the same, so that no key can stand for another. */
static void a_spec_stands_in_the_log_as_it_always_has(void **state)
{
    static const char expected[] =
        "42574c3180000000025f4cc20a06686172626f72120d6f70657261746f722f616e6e6120fbd095ffbc31aa01"
        "5f0802225b0a06686172626f7212080a0464632d611064120a0a0464632d6210321801180320a19c01288a27"
        "30eb0738ec0740ff0148ee07508f2758c8a90760e9d40368ead403700c788ddddb0180019e4e880102900101"
        "980101f001eba71200000000";
    struct bw_command command = {
        .kind = BW_COMMAND_SET_SPEC,
        .group = "harbor",
        .by = "operator/anna",
        .unix_ms = 1700000000123,
        .spec = {.name = "harbor",
                 .sites = {{"dc-a", 100, false}, {"dc-b", 50, true}},
                 .site_count = 2,
                 .mode = BW_MODE_OBSERVE,
                 .lease_ttl_ms = 20001,
                 .fence_timeout_ms = 5002,
                 .renew_interval_ms = 1003,
                 .request_timeout_ms = 1004,
                 .margin_ms = 255,
                 .max_clock_drift_ppm = 1006,
                 .max_lag_ms = 5007,
                 .switchover_timeout_ms = 120008,
                 .failback_ms = 60009,
                 .min_primary_time_ms = 60010,
                 .unhealthy_after_ms = 300011,
                 .max_failovers_per_window = 12,
                 .failover_window_ms = 3600013,
                 .retry_backoff_ms = 10014,
                 .on_lag = BW_ON_LAG_ALLOW,
                 .handover_by_time = BW_HANDOVER_ALWAYS},
    };
    const size_t size = encode(&command);
    char text[2 * sizeof bytes + 1];

    (void)state;
    for (size_t i = 0; i < size; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read_again_and_fits_the_log),
        cmocka_unit_test(a_list_of_people_has_its_end),
        cmocka_unit_test(a_command_does_the_same_after_its_way_over_the_wire),
        cmocka_unit_test(an_unknown_kind_stops_the_witness),
        cmocka_unit_test(an_unknown_field_stops_the_witness_at_each_depth),
        cmocka_unit_test(a_newer_version_and_an_unknown_value_stop_the_witness),
        cmocka_unit_test(what_follows_a_command_is_refused),
        cmocka_unit_test(a_changed_entry_is_refused_by_its_checksum),
        cmocka_unit_test(an_oversized_entry_is_refused_by_its_limit),
        cmocka_unit_test(what_could_not_be_read_is_not_written),
        cmocka_unit_test(a_small_buffer_is_a_limit),
        cmocka_unit_test(a_spec_stands_in_the_log_as_it_always_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
