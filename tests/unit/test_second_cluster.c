/* second: of which cluster its epochs are, and what it does when its agent is of another one (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "second_shell.h"

static const struct bw_id old = {{1}}, new = {{2}}, none;

/* Of a cluster that was lost: epoch 500, open. */
static const struct bw_second_memory lost = {.cluster_id = {{1}}, .epoch = 500, .fence_ns = FENCE_MS * MS};

static bool is_of(struct bw_id cluster_id)
{
    return bw_id_equal(world.second.memory.cluster_id, cluster_id);
}

/* Epoch 3 of the old cluster, to 110 s, as `begin`; from here its agent is of the new one. */
static void begin_and_change(void)
{
    begin_with(&(struct bw_second_memory){0});
    world.cluster_id = old;
    looked(BW_SERVICE_STOPPED);
    tell(3, 10000);
    tick_at(101000);
    looked(BW_SERVICE_STARTED);
    assert_int_equal(reported().armed_epoch, 3);
    world.cluster_id = new;
}

/* ---- what is told ------------------------------------------------------------------------------ */

static void an_epoch_is_kept_with_its_cluster(void **state)
{
    (void)state;
    begin_and_change();
    assert_true(bw_id_equal(world.second.kept.cluster_id, old));
}

/* All witnesses were lost, and a cluster was made anew. Its numbers begin at 1, and its epochs would be fenced until
 * they come beyond 500. */
static void what_was_another_clusters_is_forgotten(void **state)
{
    (void)state;
    begin_with(&lost);
    looked(BW_SERVICE_STARTED);
    world.cluster_id = new;
    tell(3, 10000);
    assert_non_null(strstr(world.log, "SAVE MIRROR"));
    assert_int_equal(world.second.phase, BW_SECOND_IDLE);
    assert_int_equal(bw_second_warns_of(&world.second), 0);
    assert_true(is_of(new));
    tell(3, 10000);
    assert_int_equal(reported().armed_epoch, 3);
    tick_at(106999);
    assert_null(strstr(world.log, "FENCE"));
    looked(BW_SERVICE_STARTED);
    tick_at(107000);
    assert_non_null(strstr(world.log, "FENCE"));
    assert_int_equal(world.fence_epoch, 3);
}

/* I2: a restart in between would have epoch 500 again, and fence the new cluster's. */
static void it_is_durably_forgotten_before_anything_is_taken(void **state)
{
    (void)state;
    begin_with(&lost);
    world.cluster_id = new;
    world.save_hangs = true;
    tell(3, 10000);
    tell(3, 10000);
    assert_int_equal(world.second.memory.epoch, 0);
    assert_int_equal(reported().armed_epoch, 0);
    assert_int_equal(world.second.kept.epoch, 500);
    assert_null(bw_second_unsound(&world.second));
    world.save_hangs = false;
    happen(&(struct bw_second_event){.kind = BW_SECOND_EVENT_SAVED, .number = world.save_number, .ok = true});
    assert_true(world.is_news); /* it is asked at once */
    tell(3, 10000);
    assert_int_equal(reported().armed_epoch, 3);
}

/* Its agent is of the cluster before again, before the disk has taken that this was forgotten: as of any, nothing of it
 * counts until then. */
static void whoever_comes_back_meanwhile_is_not_heard_before_that_is_durable(void **state)
{
    (void)state;
    begin_with(&lost);
    world.save_fails = true;
    world.cluster_id = new;
    tell(3, 10000);
    world.cluster_id = old;
    tell(500, 10000);
    assert_int_equal(world.second.phase, BW_SECOND_IDLE);
    assert_true(is_of(new));
    assert_int_equal(reported().armed_epoch, 0);
    world.save_fails = false;
    tick_at(101000);
    assert_non_null(strstr(world.log, "SAVE"));
    tell(500, 10000);
    assert_true(bw_id_equal(world.second.kept.cluster_id, old));
    tell(500, 10000);
    assert_int_equal(reported().armed_epoch, 500);
}

/* Of a release before, or of one that has met no cluster yet. */
static void an_answer_without_a_cluster_forgets_nothing(void **state)
{
    (void)state;
    begin_with(&lost);
    world.cluster_id = none;
    tell(3, 10000);
    assert_int_equal(world.second.memory.epoch, 500);
    assert_true(is_of(old));
    assert_int_equal(world.second.ignored_epoch, 3);
    tick_at(102000);
    assert_non_null(strstr(world.log, "FENCE"));
    tell(600, 10000);
    assert_int_equal(reported().armed_epoch, 600);
    assert_true(is_of(old));
}

static void what_is_over_is_forgotten_too(void **state)
{
    (void)state;
    begin();
    world.second.memory.cluster_id = world.second.kept.cluster_id = old;
    tell_over(3);
    world.cluster_id = new;
    tell(1, 10000);
    tell(1, 10000);
    assert_int_equal(reported().armed_epoch, 1);
    assert_false(reported().has_agreed); /* that was with another agent */
}

static void a_fence_by_a_guess_ends_with_what_it_was_for(void **state)
{
    (void)state;
    begin_with(&lost);
    looked(BW_SERVICE_STARTED);
    tick_at(102000);
    assert_non_null(strstr(world.log, "FENCE"));
    world.cluster_id = new;
    tell(3, 10000);
    assert_non_null(strstr(world.log, "KILL_FENCE"));
    fenced(true);
    assert_null(strstr(world.log, "FENCE"));
    tell(3, 10000);
    assert_int_equal(reported().armed_epoch, 3);
    assert_int_equal(reported().fence_epoch, 0);
}

/* ---- what stands ------------------------------------------------------------------------------- */

/* I1: the old cluster may be alive, and counts on it until then. */
static void a_deadline_that_it_was_told_stands(void **state)
{
    (void)state;
    begin_and_change();
    tell(1, 60000);
    assert_int_equal(reported().armed_epoch, 3);
    assert_int_equal(world.second.ignored_epoch, 1);
    tell_over(600); /* of the new one's */
    assert_int_equal(reported().armed_epoch, 3);
    tick_at(107000);
    assert_non_null(strstr(world.log, "FENCE"));
    assert_int_equal(world.fence_epoch, 3);
    tell(1, 60000);
    assert_null(strstr(world.log, "KILL_FENCE"));
    fenced(true);
    looked(BW_SERVICE_STOPPED);
    world.now_ms = 109999;
    tell(1, 60000);
    assert_true(is_of(old));
    world.now_ms = 110000;
    tell(1, 60000);
    assert_true(is_of(new));
    tell(1, 60000);
    assert_int_equal(reported().armed_epoch, 1);
}

/* 3.3: whoever leads the old one has to hear that it was not seen to end. */
static void an_end_that_is_not_seen_is_warned_of_meanwhile(void **state)
{
    (void)state;
    begin_and_change();
    tick_at(107000);
    fenced(false);
    world.now_ms = 139999;
    tell(1, 60000);
    assert_int_equal(bw_second_warns_of(&world.second), 3);
    world.now_ms = 140000;
    tell(1, 60000);
    assert_int_equal(bw_second_warns_of(&world.second), 0);
    assert_true(is_of(new));
}

/* One clock alone does not make it over. */
static void it_stands_by_the_slower_clock(void **state)
{
    (void)state;
    begin_and_change();
    tick_at(107000);
    fenced(true);
    looked(BW_SERVICE_STOPPED);
    world.now_ms = 110500;
    world.raw_lag_ms = 1000;
    tell(1, 60000);
    assert_true(is_of(old));
}

/* ---- what is found when it begins -------------------------------------------------------------- */

static struct bw_second_mirror mirror_in(struct bw_id cluster_id, uint64_t epoch, uint64_t end_ms)
{
    struct bw_second_mirror mirror = mirror_of(epoch, end_ms);

    mirror.cluster_id = cluster_id;
    return mirror;
}

/* It ended before its mirror was written. */
static void a_mirror_of_what_was_forgotten_is_none(void **state)
{
    const struct bw_second_memory forgotten = {.cluster_id = {{2}}};
    const struct bw_second_mirror mirror = mirror_in(old, 500, 108000);

    (void)state;
    begin_beside(&forgotten, &mirror);
    assert_int_equal(world.second.phase, BW_SECOND_IDLE);
    assert_true(is_of(new));
}

static void a_mirror_alone_tells_its_cluster(void **state)
{
    const struct bw_second_mirror mirror = mirror_in(old, 3, 108000);

    (void)state;
    begin_beside(&(struct bw_second_memory){0}, &mirror);
    assert_true(bw_id_equal(world.second.kept.cluster_id, old));
    world.cluster_id = new;
    tell(1, 60000);
    assert_int_equal(reported().armed_epoch, 3); /* it stands */
}

/* Begun again when its window had come, it guesses when to fence, not that it was told: the cluster before counts on it
 * as long as on one that was not begun again. */
static void a_deadline_stands_whose_window_came_while_it_was_away(void **state)
{
    const struct bw_second_memory memory = {.cluster_id = {{1}}, .epoch = 3, .fence_ns = FENCE_MS * MS};
    const struct bw_second_mirror mirror = mirror_in(old, 3, 102000); /* now 100 s, its window at 99 s */
    const struct bw_second_mirror before = mirror_in(old, 3, 70001), long_before = mirror_in(old, 3, 70000);

    (void)state;
    begin_beside(&memory, &mirror);
    looked(BW_SERVICE_STARTED);
    world.cluster_id = new;
    tell(1, 60000);
    assert_true(is_of(old));
    assert_int_equal(bw_second_warns_of(&world.second), 3);
    tick_at(102000);
    assert_non_null(strstr(world.log, "FENCE"));
    assert_int_equal(world.fence_epoch, 3);
    fenced(false);
    world.now_ms = 131999;
    tell(1, 60000);
    assert_true(is_of(old));
    world.now_ms = 132000;
    tell(1, 60000);
    assert_true(is_of(new));

    begin_beside(&memory, &mirror);
    looked(BW_SERVICE_STARTED);
    tick_at(102000);
    fenced(true);
    looked(BW_SERVICE_STOPPED);
    world.cluster_id = new;
    tell(1, 60000); /* the end was seen, and the lease is over */
    assert_true(is_of(new));

    begin_beside(&memory, &before);
    world.cluster_id = new;
    tell(1, 60000);
    assert_true(is_of(old));

    begin_beside(&memory, &long_before); /* nobody counts on it any more, and the service may be the new one's */
    world.cluster_id = new;
    tell(1, 60000);
    assert_true(is_of(new));
}

/* Nobody was told the end that an older file names, or one that no lease has: what is left then is a guess. */
static void a_mirror_of_another_epoch_or_beyond_any_lease_makes_nothing_stand(void **state)
{
    const struct bw_second_memory memory = {.cluster_id = {{1}}, .epoch = 3, .fence_ns = FENCE_MS * MS};
    const struct bw_second_mirror older = mirror_in(old, 2, 108000);
    const struct bw_second_mirror longest = mirror_in(old, 3, 100000 + 3600000);
    const struct bw_second_mirror too_long = mirror_in(old, 3, 100000 + 3600001);

    (void)state;
    begin_beside(&memory, &older);
    world.cluster_id = new;
    tell(1, 60000);
    assert_true(is_of(new));

    begin_beside(&memory, &longest);
    world.cluster_id = new;
    tell(1, 60000);
    assert_true(is_of(old));

    begin_beside(&memory, &too_long);
    world.cluster_id = new;
    tell(1, 60000);
    assert_true(is_of(new));
}

/* A file of before has none. */
static void a_cluster_that_was_not_kept_is_its_agents(void **state)
{
    const struct bw_second_memory memory = {.epoch = 3, .fence_ns = FENCE_MS * MS};
    const struct bw_second_mirror mirror = mirror_of(3, 108000);

    (void)state;
    begin_beside(&memory, &mirror);
    world.cluster_id = new;
    tell(2, 10000); /* that says nothing of epoch 3 */
    assert_true(is_of(none));
    assert_int_equal(world.second.ignored_epoch, 2);
    tell(3, 10000);
    assert_true(bw_id_equal(world.second.kept.cluster_id, new));
    assert_int_equal(reported().armed_epoch, 3);

    begin_beside(&memory, &mirror);
    world.cluster_id = new;
    tell_over(3);
    assert_true(bw_id_equal(world.second.kept.cluster_id, new));
}

/* It has nothing to keep it with: a word of a cluster is no reason to write to the disk. */
static void before_its_first_epoch_it_is_of_no_cluster(void **state)
{
    (void)state;
    begin_with(&(struct bw_second_memory){0});
    world.cluster_id = new;
    tell_since(world.now_ms, &(struct bw_second_lease){0});
    assert_null(strstr(world.log, "SAVE"));
    assert_true(is_of(none));
}

/* A person is told of each such lease once, by the change of what is ignored. */
static void an_answer_without_a_lease_is_none_that_is_ignored(void **state)
{
    (void)state;
    begin();
    tell(2, 10000);
    assert_int_equal(world.second.ignored_epoch, 2);
    tell_over(1);
    assert_int_equal(world.second.ignored_epoch, 2);
}

/* ---- what is over is in no mirror -------------------------------------------------------------- */

/* 3.4: the mirror alone is enough to know of an epoch. Its file lost in the same boot, it would fence it. */
static void what_is_over_is_mirrored_once_that_is_durable(void **state)
{
    (void)state;
    begin();
    tell_over(3);
    assert_non_null(strstr(world.log, "SAVE MIRROR"));

    begin();
    world.save_fails = true;
    tell_over(3);
    assert_null(strstr(world.log, "MIRROR"));
}

/* ---- what cannot be ---------------------------------------------------------------------------- */

static void one_that_takes_what_is_new_before_it_has_forgotten_is_unsound(void **state)
{
    struct bw_second of;

    (void)state;
    begin();
    of = world.second;
    of.kept.cluster_id = old;
    of.memory.cluster_id = new;
    assert_non_null(bw_second_unsound(&of));
    assert_non_null(strstr(bw_second_unsound(&of), "durably forgotten"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_is_kept_with_its_cluster),
        cmocka_unit_test(what_was_another_clusters_is_forgotten),
        cmocka_unit_test(it_is_durably_forgotten_before_anything_is_taken),
        cmocka_unit_test(whoever_comes_back_meanwhile_is_not_heard_before_that_is_durable),
        cmocka_unit_test(an_answer_without_a_cluster_forgets_nothing),
        cmocka_unit_test(what_is_over_is_forgotten_too),
        cmocka_unit_test(a_fence_by_a_guess_ends_with_what_it_was_for),
        cmocka_unit_test(a_deadline_that_it_was_told_stands),
        cmocka_unit_test(an_end_that_is_not_seen_is_warned_of_meanwhile),
        cmocka_unit_test(it_stands_by_the_slower_clock),
        cmocka_unit_test(a_mirror_of_what_was_forgotten_is_none),
        cmocka_unit_test(a_mirror_alone_tells_its_cluster),
        cmocka_unit_test(a_deadline_stands_whose_window_came_while_it_was_away),
        cmocka_unit_test(a_mirror_of_another_epoch_or_beyond_any_lease_makes_nothing_stand),
        cmocka_unit_test(a_cluster_that_was_not_kept_is_its_agents),
        cmocka_unit_test(before_its_first_epoch_it_is_of_no_cluster),
        cmocka_unit_test(an_answer_without_a_lease_is_none_that_is_ignored),
        cmocka_unit_test(what_is_over_is_mirrored_once_that_is_durable),
        cmocka_unit_test(one_that_takes_what_is_new_before_it_has_forgotten_is_unsound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
