/* wire snapshots: the whole cluster, its largest form too, or nothing (I3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/wire/frame.h>
#include <breakwater/wire/snapshot.h>

#include "wire_fill.h"

static struct bw_diag diag;

struct fixture {
    struct bw_cluster cluster;
    struct bw_cluster again;
    uint8_t *bytes;
    size_t size;
};

/* Every value filled; then what the table of changes keeps true is made true. */
static void fill_group(struct wire_filler *filler, struct bw_group *group)
{
    wire_fill(filler, &bw_shape_group, group);
    group->phase = BW_PHASE_CLOSING;
    group->spec.mode = BW_MODE_AUTO;
    group->target[0] = '\0';
    group->target_origin[0] = '\0';
    group->rolling_back = false;
    group->adopting = false;
    if (group->epoch < BW_HISTORY_MAX)
        group->epoch += BW_HISTORY_MAX;
    if (group->wish_count > 0) {
        group->wishes[0].kind = BW_WISH_SWITCHOVER;
        group->wishes[0].epoch = group->epoch;
    }
    group->terms.ttl_ms = UINT32_MAX;
    group->terms.fence_ms = UINT32_MAX - 1;
    if (group->boot_count == 0)
        wire_fill(filler, &bw_shape_kept_boot, &group->boots[group->boot_count++]);
    group->has_more_boots = group->has_more_boots && group->boot_count == BW_BOOTS_MAX;
    if (group->history_count == 0)
        group->history_count = 1;
    if (group->spec.site_count == 0)
        wire_fill(filler, &bw_shape_site_spec, &group->spec.sites[group->spec.site_count++]);
    memcpy(group->holder_site, group->spec.sites[0].name, sizeof group->holder_site);
    for (uint32_t i = 0; i < group->history_count; i++) /* I2: they only grow */
        group->history[i].epoch = group->epoch - (group->history_count - 1 - i);
    group->history[group->history_count - 1].ended_index = 0;
    memcpy(group->history[group->history_count - 1].site, group->holder_site,
           sizeof group->holder_site);
    group->terms.no_return = BW_NO_RETURN_PASSED;
    for (uint32_t i = 0; i < group->claim_count; i++) { /* 3.9: the longest name what was lost */
        group->claims[i].kind = BW_CLAIM_AHEAD;
        group->claims[i].named_epoch |= 1;
    }
    assert_true(bw_group_is_sound(group));
}

/* One that could have been applied; of the largest cluster as long as there can be one. */
static void fill_people(struct bw_cluster *cluster, bool is_largest)
{
    struct bw_people *people = &cluster->people;
    char name[BW_PERSON_TEXT_BYTES];
    int number = 100;

    people->text[0] = '\0';
    do
        (void)snprintf(name, sizeof name, "operator/%d%0*d", number, is_largest ? 60 : 1, 0);
    while (bw_people_add(people, name, NULL, 0) == BW_OK && number++ < (is_largest ? 1000 : 103));
    assert_int_equal(bw_people_check(people->text), BW_OK);
}

static void set_up(struct fixture *fixture, uint32_t group_count, bool is_largest)
{
    struct wire_filler filler = {.is_largest = is_largest};
    struct bw_group *groups = calloc(group_count, sizeof *groups);

    bw_prng_init(&filler.prng, group_count);
    wire_fill(&filler, &bw_shape_snapshot_head, &fixture->cluster);
    fill_people(&fixture->cluster, is_largest);
    fixture->cluster.groups = groups;
    fixture->cluster.record_blocks = 0; /* the record: test_record */
    fixture->cluster.group_capacity = group_count;
    fixture->cluster.group_count = group_count;
    for (uint32_t i = 0; i < group_count; i++) {
        fill_group(&filler, &groups[i]);
    }
    bw_cluster_init(&fixture->again, calloc(group_count, sizeof *groups), group_count);
    fixture->bytes = malloc(BW_SNAPSHOT_BYTES_MAX);
}

static void tear_down(struct fixture *fixture)
{
    free(fixture->cluster.groups);
    free(fixture->again.groups);
    free(fixture->bytes);
}

static void encode(struct fixture *fixture)
{
    if (bw_snapshot_encode(&fixture->cluster, fixture->bytes, BW_SNAPSHOT_BYTES_MAX, &fixture->size,
                           &diag) != BW_OK)
        fail_msg("%s", diag.text);
}

static void expect_same(const struct fixture *fixture)
{
    assert_true(wire_is_equal(&bw_shape_snapshot_head, &fixture->cluster, &fixture->again));
    for (uint32_t i = 0; i < fixture->cluster.group_count; i++)
        assert_true(
            wire_is_equal(&bw_shape_group, &fixture->cluster.groups[i], &fixture->again.groups[i]));
}

static void expect_refused(struct fixture *fixture, enum bw_err expected, const char *word)
{
    struct bw_group *before = calloc(fixture->again.group_capacity,
                                     sizeof *before); /* as set_up left them */

    assert_int_equal(bw_snapshot_decode(fixture->bytes, fixture->size, &fixture->again, &diag),
                     expected);
    assert_non_null(strstr(diag.text, word));
    assert_int_equal(fixture->again.group_count, 0);
    assert_memory_equal(fixture->again.groups, before,
                        fixture->again.group_capacity * sizeof *before);
    free(before);
}

static void the_largest_cluster_fits_and_is_read_again(void **state)
{
    struct fixture fixture;
    size_t counted;

    (void)state;
    set_up(&fixture, BW_GROUPS_MAX, true);

    encode(&fixture);
    assert_int_equal(bw_snapshot_decode(fixture.bytes, fixture.size, &fixture.again, &diag), BW_OK);

    expect_same(&fixture);
    assert_int_equal(bw_snapshot_encode(&fixture.cluster, NULL, 0, &counted, &diag), BW_OK);
    assert_int_equal(counted, fixture.size);
    printf("the largest cluster: %zu bytes\n", fixture.size);
    tear_down(&fixture);
}

static void groups_keep_their_places_and_gaps_stay_gaps(void **state)
{
    struct fixture fixture;

    (void)state;
    set_up(&fixture, 5, false);
    memset(&fixture.cluster.groups[0], 0, sizeof fixture.cluster.groups[0]);
    memset(&fixture.cluster.groups[2], 0, sizeof fixture.cluster.groups[2]);
    memset(&fixture.cluster.groups[4], 0, sizeof fixture.cluster.groups[4]);
    strcpy(fixture.again.groups[2].spec.name, "old"); /* what was there goes */

    encode(&fixture);
    assert_int_equal(bw_snapshot_decode(fixture.bytes, fixture.size, &fixture.again, &diag), BW_OK);

    assert_int_equal(fixture.again.group_count, 5);
    expect_same(&fixture);
    tear_down(&fixture);
}

/* Two witnesses with the same history, one of them restored in between: the same bytes. */
static void history_is_written_oldest_first(void **state)
{
    struct fixture fixture;
    struct bw_group *group;
    uint8_t *straight;
    size_t size;

    (void)state;
    set_up(&fixture, 1, true);
    group = &fixture.cluster.groups[0];
    encode(&fixture);
    straight = malloc(fixture.size);
    memcpy(straight, fixture.bytes, fixture.size);
    size = fixture.size;

    for (uint32_t i = 0; i < BW_HISTORY_MAX; i++) /* the same ring, begun at place 5 */
        fixture.again.groups[0].history[(i + 5) % BW_HISTORY_MAX] = group->history[i];
    memcpy(group->history, fixture.again.groups[0].history, sizeof group->history);
    group->history_first = 5;
    encode(&fixture);

    assert_int_equal(fixture.size, size);
    assert_memory_equal(fixture.bytes, straight, size);
    free(straight);
    tear_down(&fixture);
}

static void more_groups_than_there_is_room_for_is_a_limit(void **state)
{
    struct fixture fixture;

    (void)state;
    set_up(&fixture, 3, false);
    encode(&fixture);
    fixture.again.group_capacity = 2;

    expect_refused(&fixture, BW_ERR_LIMIT, "room");

    tear_down(&fixture);
}

/* A record that is missing, twice, or out of order: each frame alone is whole. */
static void lost_and_repeated_records_are_refused(void **state)
{
    struct fixture fixture;
    size_t head;
    size_t first;
    uint8_t *second;

    (void)state;
    set_up(&fixture, 2, false);
    encode(&fixture);
    assert_int_equal(bw_frame_measure(fixture.bytes, BW_FRAME_SNAPSHOT_HEAD, 100000, &head, &diag),
                     BW_OK);
    assert_int_equal(
        bw_frame_measure(fixture.bytes + head, BW_FRAME_SNAPSHOT_GROUP, 100000, &first, &diag),
        BW_OK);

    second = malloc(fixture.size);
    memcpy(second, fixture.bytes + head + first, fixture.size - head - first);
    memmove(fixture.bytes + head, second, fixture.size - head - first);
    fixture.size -= first;
    expect_refused(&fixture, BW_ERR_CORRUPT, "the end says");

    encode(&fixture);
    memmove(fixture.bytes + head + first, fixture.bytes + head, fixture.size - head);
    fixture.size += first;
    expect_refused(&fixture, BW_ERR_CORRUPT, "no place 0");

    encode(&fixture);
    fixture.bytes[fixture.size++] = 0;
    expect_refused(&fixture, BW_ERR_CORRUPT, "something follows");

    free(second);
    tear_down(&fixture);
}

/* A group whose values contradict each other never gets into the state machine. */
/* All that the end says is held against what came before it. */
static void an_end_that_counts_other_bytes_is_refused(void **state)
{
    const struct bw_coding coding = {.shape = &bw_shape_snapshot_end,
                                     .what = "end",
                                     .bytes_max = BW_FRAME_HEAD_BYTES * 4};
    struct fixture fixture;
    struct bw_snapshot_end end = {.record_count = 3};
    size_t begin = 0;
    size_t size;

    (void)state;
    set_up(&fixture, 3, false);
    encode(&fixture);
    for (int record = 0; record < 4; record++) /* the head and three groups */
        begin += BW_FRAME_HEAD_BYTES + bw_get_u32le(fixture.bytes + begin + 4);
    end.byte_count = begin + 1;
    assert_int_equal(bw_message_encode(&coding, &end, 0,
                                       fixture.bytes + begin + BW_FRAME_HEAD_BYTES,
                                       coding.bytes_max, &size, &diag),
                     BW_OK);
    bw_frame_seal(fixture.bytes + begin, BW_FRAME_SNAPSHOT_END, size);
    fixture.size = begin + BW_FRAME_HEAD_BYTES + size;

    expect_refused(&fixture, BW_ERR_CORRUPT, "the end says 3 in");

    tear_down(&fixture);
}

static void a_snapshot_of_no_group_fits_where_there_is_room_for_none(void **state)
{
    struct bw_cluster cluster;
    struct bw_cluster again;
    uint8_t bytes[1024];
    size_t size;

    (void)state;
    bw_cluster_init(&cluster, NULL, 0);
    bw_cluster_init(&again, NULL, 0);
    cluster.generation = 7;
    assert_int_equal(bw_snapshot_encode(&cluster, bytes, sizeof bytes, &size, &diag), BW_OK);

    assert_int_equal(bw_snapshot_decode(bytes, size, &again, &diag), BW_OK);

    assert_int_equal(again.generation, 7);
    assert_int_equal(again.group_count, 0);
}

static void a_snapshot_beyond_the_limit_is_not_looked_at(void **state)
{
    struct fixture fixture;

    (void)state;
    set_up(&fixture, 1, false);
    fixture.size = (size_t)BW_SNAPSHOT_BYTES_MAX + 1;

    expect_refused(&fixture, BW_ERR_LIMIT, "at most");

    tear_down(&fixture);
}

static void a_group_that_is_not_sound_is_refused(void **state)
{
    struct fixture fixture;
    struct bw_arena arena;
    const struct bw_coding coding = {
        .shape = &bw_shape_snapshot_group, .what = "group", .bytes_max = BW_SNAPSHOT_BYTES_MAX};
    struct bw_snapshot_group *record = calloc(1, sizeof *record);
    size_t head;
    size_t size;

    (void)state;
    set_up(&fixture, 1, false);
    encode(&fixture);
    record->group = fixture.cluster.groups[0];
    record->group.phase = BW_PHASE_VACANT; /* and yet it has a holder */
    assert_int_equal(bw_frame_measure(fixture.bytes, BW_FRAME_SNAPSHOT_HEAD, 100000, &head, &diag),
                     BW_OK);
    assert_int_equal(bw_arena_init(&arena, 1024 * 1024, &diag), BW_OK);
    assert_int_equal(bw_shape_encode(&coding, record, &arena,
                                     fixture.bytes + head + BW_FRAME_HEAD_BYTES, 100000, &size,
                                     &diag),
                     BW_OK);
    bw_frame_seal(fixture.bytes + head, BW_FRAME_SNAPSHOT_GROUP, size);

    expect_refused(&fixture, BW_ERR_CORRUPT, "contradict");

    bw_arena_deinit(&arena);
    free(record);
    tear_down(&fixture);
}

static void a_small_buffer_is_a_limit(void **state)
{
    struct fixture fixture;
    size_t size;

    (void)state;
    set_up(&fixture, 2, false);
    encode(&fixture);
    size = fixture.size;
    for (size_t room = 0; room < size; room += 1 + room / 64) {
        uint8_t *small = malloc(room + 1);

        assert_int_equal(bw_snapshot_encode(&fixture.cluster, small, room, &fixture.size, &diag),
                         BW_ERR_LIMIT);
        free(small);
    }
    assert_int_equal(fixture.size, size);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_cluster_fits_and_is_read_again),
        cmocka_unit_test(groups_keep_their_places_and_gaps_stay_gaps),
        cmocka_unit_test(history_is_written_oldest_first),
        cmocka_unit_test(more_groups_than_there_is_room_for_is_a_limit),
        cmocka_unit_test(lost_and_repeated_records_are_refused),
        cmocka_unit_test(an_end_that_counts_other_bytes_is_refused),
        cmocka_unit_test(a_snapshot_of_no_group_fits_where_there_is_room_for_none),
        cmocka_unit_test(a_snapshot_beyond_the_limit_is_not_looked_at),
        cmocka_unit_test(a_group_that_is_not_sound_is_refused),
        cmocka_unit_test(a_small_buffer_is_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
