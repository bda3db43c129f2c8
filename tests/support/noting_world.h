/* noting_world.h - the group of core_world.h beside a record, and what its leader tells that. Include it after
 * cmocka.h. */
#ifndef BW_TEST_NOTING_WORLD_H
#define BW_TEST_NOTING_WORLD_H

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/feature_level.h>
#include <breakwater/core/record_line.h>
#include <breakwater/wire/record_event.h>

#include "core_world.h"

static struct world world;
static struct bw_record_room *room;
static struct bw_decision scratch;

static inline int set_up(void **state)
{
    (void)state;
    room = calloc(1, sizeof *room);
    assert_non_null(room);
    bw_record_init(&room->record, &bw_record_codec, room->blocks, 8);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    free(room);
    return 0;
}

static inline void raise_level(void)
{
    const struct bw_command raise = {.kind = BW_COMMAND_RAISE_LEVEL,
                                     .feature_level = BW_RECORD_LEVEL};

    assert_string_equal(world_apply(&world, &raise), "C3");
}

static inline void begin(uint32_t site_count)
{
    world_init(&world, site_count);
    bw_cluster_keep_record(&world.cluster, &room->record);
    raise_level();
}

/* As world_act, with what the record is told. */
static inline const char *act(void)
{
    struct bw_proposal proposal;

    (void)world_decide(&world);
    assert_true(world.decision.acts);
    bw_witness_describe_grant(&world.witness, 0, world.now, &world.decision, &scratch);
    bw_witness_on_proposing(&world.witness, &world.decision.command, &proposal);
    assert_string_not_equal(world_apply(&world, &world.decision.command), "-");
    assert_int_equal(bw_witness_on_proposed(&world.witness, &proposal, &world.applied),
                     BW_PROPOSAL_GO_ON);
    return world.decision.rule;
}

static inline bool note(struct bw_note *out_note)
{
    struct bw_command command;
    struct bw_proposal proposal;

    if (!bw_witness_note_due(&world.witness, 0, world.now, &command))
        return false;
    *out_note = command.note;
    bw_witness_on_proposing(&world.witness, &command, &proposal);
    assert_string_equal(world_apply(&world, &command), "C5");
    assert_int_equal(bw_witness_on_proposed(&world.witness, &proposal, &world.applied),
                     BW_PROPOSAL_GO_ON);
    return true;
}

/* Of the newest epoch. */
static inline struct bw_record_line newest(void)
{
    struct bw_record_at at = bw_record_begin(bw_record_find(&room->record, "harbor"));
    struct bw_record_mark mark = {0};
    struct bw_record_mark last = {0};
    struct bw_record_line line;

    while (bw_record_next_line(&room->record, &at, &mark))
        if (mark.is_epoch)
            last = mark;
    assert_true(last.is_epoch);
    bw_record_read_line(&room->record, &last, &line);
    return line;
}

/* dc-a serves by epoch 1, and its Note is on record. */
static inline void serve_first(void)
{
    struct bw_note first;

    assert_string_equal(act(), "A6");
    world_serve(&world, A);
    world_pass_ms(&world, 5000);
    assert_true(note(&first));
    assert_int_equal(first.outage_ms, 0); /* nobody had served before */
    assert_int_equal(first.restarts, 0);
}

/* dc-a is not heard any more, and its epoch ends. */
static inline void lose_first(void)
{
    world.sites[A].is_mute = true;
    world_pass_ms(&world, 20000);
    assert_string_equal(act(), "A3");
}

/* dc-a served, died, and epoch 2 is dc-b's. */
static inline void fail_over(void)
{
    serve_first();
    lose_first();
    assert_string_equal(act(), "A9");
    assert_string_equal(world_group(&world)->holder_site, "dc-b");
}

static inline void begin_serving(void)
{
    begin(2);
    serve_first();
}

#endif
