/* record (3.1): the chains in which it is kept, and how they give way. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/wire/snapshot.h>

#include "record_world.h"

#define DAY_MS (INT64_C(86400) * 1000)

/* 3.1: what the record promises; how many such groups it holds is in the manual. */
static void ninety_days_of_a_restless_group_are_kept(void **state)
{
    struct fixture fixture;
    uint32_t blocks;

    (void)state;
    begin_with(&fixture, BW_RECORD_LEVEL, BW_RECORD_BLOCKS_MAX);
    create(&fixture, "shop");

    for (int day = 0; day < BW_RECORD_DAYS; day++)
        for (int i = 0; i < BW_RECORD_EPOCHS_PER_DAY; i++) {
            fail_over(&fixture, "shop");
            fixture.unix_ms += DAY_MS / BW_RECORD_EPOCHS_PER_DAY;
        }

    blocks = fixture.room->record.block_count;
    assert_int_equal(count_epochs(fixture.cluster.record, "shop"),
                     BW_RECORD_DAYS * BW_RECORD_EPOCHS_PER_DAY);
    printf("90 days at 30 epochs a day: %u blocks of %d; %u such groups\n", blocks,
           BW_RECORD_BLOCKS_MAX, BW_RECORD_BLOCKS_MAX / blocks);
    assert_true(BW_RECORD_BLOCKS_MAX / blocks >= 10);
    end(&fixture);
}

static void the_longest_chain_gives_its_oldest_and_others_keep_theirs(void **state)
{
    struct fixture fixture;

    (void)state;
    begin_with(&fixture, BW_RECORD_LEVEL, 6);
    create(&fixture, "calm");
    create(&fixture, "restless");
    fail_over(&fixture, "calm");

    for (int i = 0; i < 3000; i++) {
        fail_over(&fixture, "restless");
        assert_true(fixture.room->record.block_count <= 6);
        assert_true(fixture.room->record.block_fresh <= 6); /* those that were given are taken again */
    }

    assert_int_equal(count_epochs(fixture.cluster.record, "calm"), 1);
    assert_true(count_epochs(fixture.cluster.record, "restless") > 100);
    assert_true(line_at(&fixture, "restless", 0).entry.epoch > 1);
    assert_int_equal(fixture.cluster.record_blocks, fixture.room->record.block_count);
    end(&fixture);
}

/* Of several that are as long the one that was silent longest, whatever it is called. */
static void of_chains_as_long_the_one_that_was_silent_longest_gives(void **state)
{
    struct fixture fixture;
    struct bw_record *record;

    (void)state;
    begin_with(&fixture, BW_RECORD_LEVEL, 3);
    record = &fixture.room->record;
    create(&fixture, "m");
    create(&fixture, "a");
    create(&fixture, "z");
    bw_record_set_limit(record, record->block_count); /* which they have room in */
    assert_int_equal(record->chain_count, 3);
    create(&fixture, "q");

    assert_null(bw_record_find(record, "m"));
    assert_non_null(bw_record_find(record, "a"));
    assert_non_null(bw_record_find(record, "z"));
    assert_non_null(bw_record_find(record, "q"));
    bw_record_set_limit(record, 2);
    assert_null(bw_record_find(record, "a"));
    assert_int_equal(record->chain_count, 2);
    fail_over(&fixture, "z"); /* so that it is not silent any more */
    bw_record_set_limit(record, 1);
    assert_null(bw_record_find(record, "q"));
    assert_non_null(bw_record_find(record, "z"));
    end(&fixture);
}

/* Whatever it held, and whichever were free beside it. */
static void a_block_that_was_given_begins_anew(void **state)
{
    struct fixture fixture;
    struct bw_record *record;

    (void)state;
    begin_with(&fixture, BW_RECORD_LEVEL, 3);
    record = &fixture.room->record;
    create(&fixture, "a");
    fail_over(&fixture, "a");
    create(&fixture, "b");
    fail_over(&fixture, "b");
    create(&fixture, "c");
    bw_record_set_limit(record, 1);
    assert_int_equal(record->chain_count, 1);
    bw_record_set_limit(record, 3);

    create(&fixture, "d");
    assert_int_equal(count_epochs(record, "d"), 0);
    fail_over(&fixture, "d");
    fail_over(&fixture, "a");

    assert_int_equal(count_epochs(record, "d"), 1);
    assert_int_equal(count_epochs(record, "a"), 1); /* what it had before has given way */
    assert_int_equal(record->block_fresh, 3);
    end(&fixture);
}

/* Where chains give way depends on nothing but what a snapshot has. */
static void who_restores_it_goes_on_alike(void **state)
{
    static uint8_t bytes[2][256 * 1024];
    static struct fixture fixture, other;
    struct bw_diag diag = {0};
    size_t sizes[2];

    (void)state;
    begin_with(&fixture, BW_RECORD_LEVEL, 8);
    begin_with(&other, BW_RECORD_LEVEL, 8);
    create(&fixture, "a");
    create(&fixture, "b");
    create(&fixture, "c");
    for (int i = 0; i < 700; i++)
        fail_over(&fixture, i % 3 == 0 ? "a" : i % 7 == 0 ? "c" : "b");
    assert_int_equal(
        bw_snapshot_encode(&fixture.cluster, bytes[0], sizeof bytes[0], &sizes[0], &diag), BW_OK);
    assert_int_equal(bw_snapshot_decode(bytes[0], sizes[0], &other.cluster, &diag), BW_OK);
    other.index = fixture.index;
    other.unix_ms = fixture.unix_ms;

    for (int i = 0; i < 500; i++) {
        fail_over(&fixture, i % 2 == 0 ? "a" : "c");
        fail_over(&other, i % 2 == 0 ? "a" : "c");
    }

    assert_int_equal(
        bw_snapshot_encode(&fixture.cluster, bytes[0], sizeof bytes[0], &sizes[0], &diag), BW_OK);
    assert_int_equal(
        bw_snapshot_encode(&other.cluster, bytes[1], sizeof bytes[1], &sizes[1], &diag), BW_OK);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    end(&fixture);
    end(&other);
}

/* 3.1: one that is said in fewest bytes takes a place of its block all the same. */
static void a_block_of_small_events_ends_when_its_places_are_taken(void **state)
{
    static uint8_t bytes[64 * 1024];
    static struct fixture fixture, other;
    struct bw_record_event event = {.kind = BW_RECORD_ADOPTED};
    struct bw_diag diag = {0};
    size_t size;

    (void)state;
    begin_with(&fixture, BW_RECORD_LEVEL, 8);
    begin_with(&other, BW_RECORD_LEVEL, 8);
    for (event.index = 1; event.index <= BW_RECORD_BLOCK_EVENTS_MAX; event.index++)
        bw_record_append(&fixture.room->record, "a", &event);
    assert_int_equal(fixture.room->record.block_count, 1);

    bw_record_append(&fixture.room->record, "a", &event);

    assert_int_equal(fixture.room->record.block_count, 2);
    fixture.cluster.record_blocks = 2;
    fixture.cluster.applied_index = event.index;
    assert_int_equal(bw_snapshot_encode(&fixture.cluster, bytes, sizeof bytes, &size, &diag),
                     BW_OK);
    assert_int_equal(bw_snapshot_decode(bytes, size, &other.cluster, &diag), BW_OK);
    assert_int_equal(other.room->record.blocks[0].count, BW_RECORD_BLOCK_EVENTS_MAX);
    end(&fixture);
    end(&other);
}

/* 5.3: a witness of the release before applies the same commands and takes the same snapshots. */
static void below_its_level_there_is_none(void **state)
{
    static struct fixture fixture;
    struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = BW_RECORD_LEVEL};

    (void)state;
    begin_with(&fixture, BW_RECORD_LEVEL - 1, 8);
    create(&fixture, "shop");
    fail_over(&fixture, "shop");
    assert_int_equal(fixture.cluster.record_blocks, 0);
    assert_int_equal(fixture.room->record.chain_count, 0);

    apply(&fixture, raise);
    fail_over(&fixture, "shop");

    assert_int_equal(count_epochs(fixture.cluster.record, "shop"), 1);
    assert_int_equal(bw_record_oldest_epoch(fixture.cluster.record,
                                            bw_record_find(fixture.cluster.record, "shop")),
                     2);
    end(&fixture);
}

static void more_groups_leave_it_less_room_in_a_snapshot(void **state)
{
    (void)state;
    assert_int_equal(bw_record_limit(BW_RECORD_BLOCKS_MAX, 1), BW_RECORD_BLOCKS_MAX);
    for (uint32_t count = 0; count <= BW_GROUPS_MAX; count++) {
        const uint32_t limit = bw_record_limit(BW_RECORD_BLOCKS_MAX, count);

        assert_true(limit > 0 && limit <= BW_RECORD_BLOCKS_MAX);
        assert_true((size_t)limit * BW_SNAPSHOT_BLOCK_BYTES_MAX +
                        (size_t)(count + 2) * BW_SNAPSHOT_GROUP_BYTES_MAX <=
                    BW_SNAPSHOT_BYTES_MAX);
    }
}

static void as_many_chains_as_there_are_give_way_to_new_ones(void **state)
{
    struct bw_record_room *room = calloc(1, sizeof *room);
    struct bw_record_event event = {.kind = BW_RECORD_CREATED};
    char name[BW_NAME_MAX + 1];

    (void)state;
    assert_non_null(room);
    bw_record_init(&room->record, &bw_record_codec, room->blocks, BW_RECORD_BLOCKS_MAX);
    for (uint64_t i = 1; i <= BW_RECORD_CHAINS_MAX; i++) {
        (void)snprintf(name, sizeof name, "g%04u", (unsigned)i);
        event.index = i;
        event.kind = i == 500 ? BW_RECORD_DELETED : BW_RECORD_CREATED;
        bw_record_append(&room->record, name, &event);
    }
    event.index++;
    event.kind = BW_RECORD_CREATED;

    bw_record_append(&room->record, "one-more", &event);

    assert_int_equal(room->record.chain_count, BW_RECORD_CHAINS_MAX);
    assert_null(bw_record_find(&room->record, "g0500")); /* the deleted one, before the oldest */
    assert_non_null(bw_record_find(&room->record, "g0001"));
    assert_non_null(bw_record_find(&room->record, "one-more"));
    bw_record_append(&room->record, "two-more", &event);
    assert_null(bw_record_find(&room->record, "g0001"));
    event.index++;
    bw_record_append(&room->record, "g0002", &event); /* it was not silent since */
    bw_record_append(&room->record, "three-more", &event);
    assert_non_null(bw_record_find(&room->record, "g0002"));
    assert_null(bw_record_find(&room->record, "g0003"));
    for (int i = 0; i < 2 * BW_RECORD_BLOCK_EVENTS_MAX; i++) /* one that is there takes no place */
        bw_record_append(&room->record, "g0002", &event);
    assert_true(bw_record_find(&room->record, "g0002")->block_count > 1);
    assert_int_equal(room->record.chain_count, BW_RECORD_CHAINS_MAX);
    free(room);
}

static void what_has_no_room_at_all_keeps_nothing(void **state)
{
    static struct bw_record_room room;
    const struct bw_record_event event = {.kind = BW_RECORD_CREATED, .index = 1};

    (void)state;
    memset(&room, 0xa5, sizeof room); /* whatever was there before */
    bw_record_init(&room.record, &bw_record_codec, room.blocks, BW_RECORD_BLOCKS_MAX);
    assert_int_equal(room.record.chain_count, 0);
    bw_record_set_limit(&room.record, 0);
    bw_record_append(&room.record, "g", &event);
    assert_int_equal(room.record.chain_count, 0);
    bw_record_set_limit(&room.record, 1);
    bw_record_append(&room.record, "g", &event);
    assert_int_equal(room.record.chain_count, 1);
}

/* A size is one byte in a snapshot up to 127, and a block may be full to its last byte. */
static void a_block_may_be_full_to_its_last_byte(void **state)
{
    static const uint8_t data[BW_RECORD_BLOCK_BYTES];
    static struct bw_record_room room;
    const struct bw_record_event event = {.kind = BW_RECORD_CREATED, .index = 1};

    (void)state;
    assert_int_equal(bw_record_room_of(127), 127 + BW_RECORD_EVENT_HEAD_BYTES - 1);
    assert_int_equal(bw_record_room_of(128), 128 + BW_RECORD_EVENT_HEAD_BYTES);
    bw_record_init(&room.record, &bw_record_codec, room.blocks, BW_RECORD_BLOCKS_MAX);
    bw_record_put_block(&room.record, "g");
    bw_record_put_event(&room.record, "g", &event, data,
                        BW_RECORD_BLOCK_BYTES - BW_RECORD_EVENT_HEAD_BYTES);
    assert_int_equal(room.blocks[0].used, BW_RECORD_BLOCK_BYTES);
    bw_record_append(&room.record, "g", &event);
    assert_int_equal(bw_record_find(&room.record, "g")->block_count, 2);
}

/* What a leader knows of before goes on from there: the most that was noted of the newest epoch. */
static void a_chain_knows_the_most_restarts_that_were_noted_of_its_epoch(void **state)
{
    static const struct {
        uint64_t epoch;
        uint32_t restarts, noted;
    } notes[] = {{1, 3, 3}, {1, 2, 3}, {1, 4, 4}, {2, 1, 1}, {2, 1, 1}};
    static struct bw_record_room room;

    (void)state;
    bw_record_init(&room.record, &bw_record_codec, room.blocks, BW_RECORD_BLOCKS_MAX);
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        const struct bw_record_event event = {.kind = BW_RECORD_NOTED,
                                              .index = i + 1,
                                              .epoch = notes[i].epoch,
                                              .note = {.restarts = notes[i].restarts}};

        bw_record_append(&room.record, "g", &event);
        assert_int_equal(bw_record_find(&room.record, "g")->noted_epoch, notes[i].epoch);
        assert_int_equal(bw_record_find(&room.record, "g")->noted_restarts, notes[i].noted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ninety_days_of_a_restless_group_are_kept),
        cmocka_unit_test(the_longest_chain_gives_its_oldest_and_others_keep_theirs),
        cmocka_unit_test(of_chains_as_long_the_one_that_was_silent_longest_gives),
        cmocka_unit_test(a_block_that_was_given_begins_anew),
        cmocka_unit_test(who_restores_it_goes_on_alike),
        cmocka_unit_test(a_block_of_small_events_ends_when_its_places_are_taken),
        cmocka_unit_test(below_its_level_there_is_none),
        cmocka_unit_test(more_groups_leave_it_less_room_in_a_snapshot),
        cmocka_unit_test(as_many_chains_as_there_are_give_way_to_new_ones),
        cmocka_unit_test(what_has_no_room_at_all_keeps_nothing),
        cmocka_unit_test(a_block_may_be_full_to_its_last_byte),
        cmocka_unit_test(a_chain_knows_the_most_restarts_that_were_noted_of_its_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
