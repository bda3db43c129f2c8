/* machine/guard_found: what a guard makes of what it finds of its groups (3.4, 5.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/machine/guard_found.h>

#define NOBODY ((struct bw_id){{0}})

static const struct bw_id boot = {{1}};
static const struct bw_id cluster = {{2}};
static const struct bw_id other_cluster = {{3}};
static const struct bw_id instance = {{4}};

static struct bw_guard_machine machine;
static struct bw_guard guards[3];
static struct bw_guarded groups[3];
static struct bw_guarded_start begun;
static struct bw_guard_found found;

static int setup(void **state)
{
    const struct bw_guard_identity own = {
        .site = "a", .boot_id = boot, .cluster_id = cluster, .generation = 1};

    (void)state;
    bw_guard_machine_init(&machine, &own);
    memset(groups, 0, sizeof groups);
    memset(&begun, 0, sizeof begun);
    /* A lease that goes on: epoch 5 is armed, by us, and the memory has seen it. */
    found = (struct bw_guard_found){
        .memory = {.epoch_seen = 5, .ended_epoch = 4, .instance = instance, .enforced = true},
        .mirror = {.armed_epoch = 5, .armed_instance = instance, .armed_end = {1000, 1000}},
        .armed_by = cluster,
        .is_reach_kept = true};
    return 0;
}

static void no_mirror(enum bw_err err)
{
    found.mirror_err = err;
    found.mirror = (struct bw_guard_mirror){.armed_epoch = 0};
    found.armed_by = NOBODY;
}

static void no_memory(enum bw_err err)
{
    found.memory_err = err;
    found.memory = (struct bw_guard_memory){0};
    found.is_new = true;
}

static enum bw_err begin(bool is_kept)
{
    return bw_guarded_begin(&machine, &groups[0], &found, is_kept, &begun);
}

static void assert_is_the_mirrors(void)
{
    assert_int_equal(begun.memory.epoch_seen, 5);
    assert_int_equal(begun.memory.ended_epoch, 0);
    assert_true(bw_id_equal(begun.memory.instance, instance));
    assert_true(begun.memory.enforced);
}

/* ---- one group ---- */

static void what_is_whole_is_taken_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(begin(false), BW_OK);
    assert_int_equal(begun.memory.epoch_seen, 5);
    assert_int_equal(begun.memory.ended_epoch, 4);
    assert_true(begun.has_mirror);
    assert_false(begun.is_new || begun.is_damaged || begun.is_mirror_unreadable ||
                 begun.is_foreign || begun.is_lost);
    assert_int_equal(groups[0].kept.ended_epoch, 4);
    assert_true(bw_id_equal(groups[0].armed_by, cluster));
    assert_false(groups[0].is_unread);
}

static void a_new_group_has_nothing(void **state)
{
    (void)state;
    no_memory(BW_OK);
    no_mirror(BW_ERR_NOT_FOUND);
    assert_int_equal(begin(false), BW_OK);
    assert_true(begun.is_new);
    assert_false(begun.has_mirror || begun.is_mirror_unreadable || begun.is_lost);
    assert_int_equal(begun.memory.epoch_seen, 0);
}

static void a_mirror_of_another_boot_arms_nothing(void **state)
{
    (void)state;
    no_mirror(BW_ERR_STALE);
    assert_int_equal(begin(false), BW_OK);
    assert_false(begun.has_mirror || begun.is_mirror_unreadable);
    assert_true(bw_id_is_none(groups[0].armed_by));
}

static void without_a_mirror_that_can_be_read_it_goes_on_and_says_so(void **state)
{
    (void)state;
    no_mirror(BW_ERR_CORRUPT);
    assert_int_equal(begin(false), BW_OK);
    assert_false(begun.has_mirror);
    assert_true(begun.is_mirror_unreadable);
    assert_int_equal(begun.memory.epoch_seen, 5);
}

static void a_memory_that_is_younger_than_the_mirror_is_lost(void **state)
{
    (void)state;
    no_memory(BW_OK);
    assert_int_equal(begin(false), BW_OK);
    assert_true(begun.is_lost);
    assert_false(begun.is_new);
    assert_is_the_mirrors();
    assert_int_equal(groups[0].kept.epoch_seen, 0);
}

/* Nobody has looked whether there is one: a caretaker has its mirrors alone. */
static void a_memory_that_was_not_looked_for_is_not_called_lost(void **state)
{
    (void)state;
    no_memory(BW_OK);
    found.is_mirror_alone = true;
    assert_int_equal(begin(true), BW_OK);
    assert_false(begun.is_lost || begun.is_new);
    assert_is_the_mirrors();
}

static void a_damaged_memory_leaves_what_its_mirror_has_armed(void **state)
{
    (void)state;
    no_memory(BW_ERR_CORRUPT);
    assert_int_equal(begin(false), BW_OK);
    assert_true(begun.is_damaged && begun.is_lost);
    assert_false(groups[0].is_unread); /* another one is written in its place */
    assert_is_the_mirrors();
}

static void a_damaged_memory_with_nothing_armed_is_a_persons(void **state)
{
    (void)state;
    no_memory(BW_ERR_CORRUPT);
    found.mirror.armed_epoch = 0;
    assert_int_equal(begin(false), BW_ERR_CORRUPT);
    assert_int_equal(begin(true), BW_ERR_CORRUPT);
    no_mirror(BW_ERR_STALE);
    assert_int_equal(begin(true), BW_ERR_CORRUPT);
}

static void a_memory_that_cannot_be_read_now_is_left_as_it_is(void **state)
{
    (void)state;
    no_memory(BW_ERR_IO);
    assert_int_equal(begin(false), BW_ERR_IO); /* named: not loaded */
    assert_int_equal(begin(true), BW_OK);      /* its mirror is enforced */
    assert_true(begun.is_damaged && groups[0].is_unread);
    assert_false(begun.is_lost);
    assert_is_the_mirrors();
}

static void what_another_cluster_has_armed_is_enforced_and_the_memory_kept(void **state)
{
    (void)state;
    found.armed_by = other_cluster;
    found.memory.epoch_seen = 9;
    assert_int_equal(begin(false), BW_OK);
    assert_true(begun.is_foreign);
    assert_false(begun.is_lost);
    assert_is_the_mirrors();
    assert_int_equal(groups[0].kept.epoch_seen, 9);
}

static void a_guard_of_no_cluster_yet_takes_what_it_finds(void **state)
{
    (void)state;
    machine.session.own.cluster_id = NOBODY;
    assert_int_equal(begin(false), BW_OK);
    assert_false(begun.is_foreign);
    assert_int_equal(begun.memory.ended_epoch, 4);
}

/* ---- which groups ---- */

static enum bw_opening_phase next(struct bw_guard_opening *opening, uint32_t group_count)
{
    bw_guard_opening_next(opening, group_count);
    return opening->phase;
}

static void a_guard_looks_at_named_groups_then_at_forgotten_ones(void **state)
{
    struct bw_guard_opening opening;

    (void)state;
    for (uint32_t count = 0; count < 2; count++) {
        bw_guard_opening_init(&opening, false);
        assert_int_equal(opening.phase, BW_OPENING_NAMED);
        assert_int_equal(next(&opening, count), BW_OPENING_FORGOTTEN);
        assert_int_equal(next(&opening, count), BW_OPENING_READY);
    }
}

static void what_is_not_loaded_of_some_is_enforced_by_its_mirror(void **state)
{
    struct bw_guard_opening opening;

    (void)state;
    bw_guard_opening_init(&opening, false);
    bw_guard_opening_on_failed(&opening, BW_ERR_IO);
    bw_guard_opening_on_failed(&opening, BW_ERR_CORRUPT);
    assert_int_equal(opening.failed, BW_ERR_IO);
    assert_int_equal(next(&opening, 1), BW_OPENING_FORGOTTEN);
    assert_int_equal(next(&opening, 1), BW_OPENING_UNLOADED);
    assert_int_equal(next(&opening, 1), BW_OPENING_READY);
}

static void without_any_group_there_is_no_guard(void **state)
{
    struct bw_guard_opening opening;

    (void)state;
    bw_guard_opening_init(&opening, false);
    bw_guard_opening_on_failed(&opening, BW_ERR_IO);
    assert_int_equal(next(&opening, 0), BW_OPENING_FORGOTTEN);
    assert_int_equal(next(&opening, 0), BW_OPENING_NOTHING);
}

static void a_caretaker_looks_at_mirrors_alone(void **state)
{
    struct bw_guard_opening opening;

    (void)state;
    bw_guard_opening_init(&opening, true);
    assert_int_equal(opening.phase, BW_OPENING_MIRRORS);
    assert_int_equal(next(&opening, 1), BW_OPENING_READY);
    bw_guard_opening_init(&opening, true);
    assert_int_equal(next(&opening, 0), BW_OPENING_NOTHING);
}

static void what_is_guarded_is_not_looked_at_again(void **state)
{
    struct bw_guard_opening opening = {.phase = BW_OPENING_FORGOTTEN};

    (void)state;
    assert_false(bw_guard_opening_looks_at(&opening, true, false));
    assert_false(bw_guard_opening_looks_at(&opening, false, true)); /* not loaded: was said */
    assert_true(bw_guard_opening_looks_at(&opening, false, false));
    opening.phase = BW_OPENING_UNLOADED;
    assert_false(bw_guard_opening_looks_at(&opening, true, true));
    assert_true(bw_guard_opening_looks_at(&opening, false, true));
    opening.phase = BW_OPENING_MIRRORS;
    assert_true(bw_guard_opening_looks_at(&opening, false, false));
}

static enum bw_found_verdict judge(enum bw_opening_phase phase)
{
    const struct bw_guard_opening opening = {.phase = phase};

    return bw_guard_opening_judge(&opening, &found);
}

static void a_forgotten_lease_is_guarded(void **state)
{
    (void)state;
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_GUARDED);
    found.memory.ended_epoch = 5; /* its end, and the mirror is older */
    found.mirror.stop_seen = true;
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_OVER);
    found.mirror.stop_seen = false; /* an end that was refused is none */
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_GUARDED);
    no_memory(BW_ERR_IO); /* what it says is not known */
    found.mirror.stop_seen = true;
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_GUARDED);
}

static void what_a_forgotten_epoch_has_left_is_guarded_where_it_is_known_by_what(void **state)
{
    (void)state;
    no_mirror(BW_ERR_NOT_FOUND);
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_GUARDED);
    found.is_reach_kept = false;
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_OVER);
    found.is_reach_kept = true;
    found.memory.ended_epoch = 5;
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_OVER);
    found.memory.ended_epoch = 4;
    found.memory.enforced = false; /* let go */
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_OVER);
}

/* 3.8: the epoch that it names may be over; its deadline is not. */
static void a_manual_lease_is_guarded_to_its_deadline(void **state)
{
    (void)state;
    found.memory.ended_epoch = found.mirror.armed_epoch;
    found.mirror.stop_seen = true;
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_OVER);
    found.mirror.armed_serial = 1;
    assert_int_equal(judge(BW_OPENING_FORGOTTEN), BW_FOUND_GUARDED);
}

static void a_mirror_without_its_guard_is_enforced_if_it_has_armed_anything(void **state)
{
    static const enum bw_opening_phase phases[] = {BW_OPENING_UNLOADED, BW_OPENING_MIRRORS};

    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        (void)setup(state);
        assert_int_equal(judge(phases[i]), BW_FOUND_GUARDED);
        found.mirror.armed_epoch = 0;
        assert_int_equal(judge(phases[i]), BW_FOUND_LEFT);
        no_mirror(BW_ERR_NOT_FOUND);
        assert_int_equal(judge(phases[i]), BW_FOUND_LEFT);
        no_mirror(BW_ERR_STALE);
        assert_int_equal(judge(phases[i]), BW_FOUND_LEFT);
        no_mirror(BW_ERR_IO);
        assert_int_equal(judge(phases[i]), BW_FOUND_UNREADABLE);
    }
}

/* ---- beside the mirrors of its own name ---- */

static const struct bw_instant before = {999, 999};
static const struct bw_instant past = {1000, 1000};

static void a_mirror_is_unended_until_its_deadline_is_past_and_the_end_was_seen(void **state)
{
    (void)state;
    assert_true(bw_guard_found_is_unended(&found, before));
    assert_true(bw_guard_found_is_unended(&found, past)); /* nobody has seen what became of it */
    found.mirror.stop_seen = true;
    assert_true(bw_guard_found_is_unended(&found, before));
    assert_true(bw_guard_found_is_unended(&found, (struct bw_instant){1000, 999}));
    assert_false(bw_guard_found_is_unended(&found, past));
    found.mirror.script_due = true; /* 3.2.4: what was ordered elsewhere may yet come */
    assert_true(bw_guard_found_is_unended(&found, past));
    no_mirror(BW_ERR_NOT_FOUND);
    assert_false(bw_guard_found_is_unended(&found, before));
}

/* 3.4. What is over there is none of ours, whether or not anybody saw its end: whoever serves by now is not to be ended for
 * it. */
static void what_is_over_is_left_where_it_is_anothers(void **state)
{
    (void)state;
    assert_false(found.mirror.stop_seen);
    assert_int_equal(bw_guard_found_care(&found, true, 0, before), BW_CARE_NOW);
    assert_int_equal(bw_guard_found_care(&found, true, 0, (struct bw_instant){1000, 999}), BW_CARE_NOW);
    assert_int_equal(bw_guard_found_care(&found, true, 0, past), BW_CARE_NOTHING);
    found.mirror.script_due = true;
    assert_int_equal(bw_guard_found_care(&found, true, 0, past), BW_CARE_NOTHING);
    assert_false(bw_guard_found_has_deadline(&found, past));
    assert_int_equal(bw_guard_found_care(&found, false, 0, past), BW_CARE_NOW); /* it may be ours */
}

#define AWAY_NS  (BW_GUARD_AWAY_MS * BW_NS_PER_MS)
#define BEGIN_NS (BW_CARETAKER_BEGIN_MS * BW_NS_PER_MS)

/* Of a lease of a minute, the last ten seconds of which are kept for the fence. */
static void arm_a_minute(void)
{
    found.mirror.fence_ns = 10 * BW_NS_PER_S;
    found.mirror.armed_end = (struct bw_instant){60 * BW_NS_PER_S, 60 * BW_NS_PER_S};
}

/* 3.4. It is about to begin, and could not while we have its mirrors. */
static void a_guard_between_two_lives_is_waited_for(void **state)
{
    (void)state;
    arm_a_minute();

    for (int is_beside = 0; is_beside < 2; is_beside++) {
        assert_int_equal(bw_guard_found_care(&found, is_beside, 0, before), BW_CARE_AWAIT);
        assert_int_equal(bw_guard_found_care(&found, is_beside, AWAY_NS - 1, before), BW_CARE_AWAIT);
        assert_int_equal(bw_guard_found_care(&found, is_beside, AWAY_NS, before), BW_CARE_NOW);
    }
}

/* 3.2.4, 3.4. Whoever is about to begin: the deadline is kept. */
static void no_guard_is_waited_for_into_its_fence_window(void **state)
{
    const uint64_t begin_ns = 50 * BW_NS_PER_S - BEGIN_NS;

    (void)state;
    arm_a_minute();

    assert_int_equal(bw_guard_found_care(&found, true, 0, (struct bw_instant){begin_ns - 1, begin_ns - 1}),
                     BW_CARE_AWAIT);
    assert_int_equal(bw_guard_found_care(&found, true, 0, (struct bw_instant){begin_ns, begin_ns - 1}),
                     BW_CARE_NOW); /* either clock: a right */
    assert_int_equal(bw_guard_found_care(&found, true, 0, (struct bw_instant){begin_ns - 1, begin_ns}),
                     BW_CARE_NOW);
    assert_int_equal(bw_guard_found_care(&found, true, 0, found.mirror.armed_end), BW_CARE_NOTHING);
}

static void where_nothing_is_armed_nobody_is_waited_for(void **state)
{
    (void)state;
    found.mirror.armed_epoch = 0;
    assert_int_equal(bw_guard_found_care(&found, false, 0, before), BW_CARE_NOTHING);
    no_mirror(BW_ERR_STALE);
    assert_int_equal(bw_guard_found_care(&found, false, 0, before), BW_CARE_NOTHING);
    no_mirror(BW_ERR_CORRUPT); /* a person hears of it */
    assert_int_equal(bw_guard_found_care(&found, true, 0, before), BW_CARE_AWAIT);
    assert_int_equal(bw_guard_found_care(&found, true, AWAY_NS, before), BW_CARE_NOW);
}

/* ---- the site file is read anew ---- */

static void add_groups(void)
{
    static const char *const names[] = {"x", "y", "z"};

    for (uint32_t i = 0; i < 3; i++) {
        bw_guard_init(&guards[i], names[i], &(struct bw_guard_limits){.digest = 7},
                      &(struct bw_guard_memory){0}, NULL, (struct bw_instant){1, 1});
        bw_guard_machine_add(&machine, &groups[i], &guards[i], NULL);
    }
}

static enum bw_guarded_named named(const struct bw_guarded *group, void *user)
{
    const enum bw_guarded_named *answers = user;

    return answers[group->number];
}

static void a_file_that_lacks_what_is_armed_is_refused(void **state) /* 3.2.4 */
{
    enum bw_guarded_named answers[3] = {BW_GUARDED_NAMED, BW_GUARDED_NAMED, BW_GUARDED_NAMED};

    (void)state;
    add_groups();
    assert_null(bw_guard_machine_refuses(&machine, named, answers));
    answers[2] = BW_GUARDED_OTHERWISE;
    assert_ptr_equal(bw_guard_machine_refuses(&machine, named, answers), &groups[2]);
    guards[1].mirror.armed_epoch = 5;
    answers[1] = BW_GUARDED_MISSING;
    assert_ptr_equal(bw_guard_machine_refuses(&machine, named, answers), &groups[1]);
    assert_int_equal(bw_guarded_keeps(&groups[1]), BW_KEEPS_EPOCH);
    guards[1].mirror.armed_epoch = 0;
    groups[1].is_saving = true;
    assert_ptr_equal(bw_guard_machine_refuses(&machine, named, answers), &groups[1]);
}

static void a_file_that_lacks_what_is_not_kept_is_taken(void **state)
{
    enum bw_guarded_named answers[3] = {BW_GUARDED_NAMED, BW_GUARDED_MISSING, BW_GUARDED_NAMED};

    (void)state;
    add_groups();
    assert_null(bw_guard_machine_refuses(&machine, named, answers));
    groups[1].is_left = true; /* and stays away */
    groups[1].is_saving = true;
    assert_null(bw_guard_machine_refuses(&machine, named, answers));
    answers[1] = BW_GUARDED_OTHERWISE; /* what was proved of it is of something else */
    assert_ptr_equal(bw_guard_machine_refuses(&machine, named, answers), &groups[1]);
}

static void other_limits_leave_what_was_proved(void **state)
{
    const struct bw_guard_limits next = {.digest = 8, .proof = 1, .kill_grace_ns = 3};

    (void)state;
    add_groups();
    guards[0].limits.reach_works = true;
    guards[0].limits.proof = 7;
    bw_guarded_configure(&machine, &groups[0], &next);
    assert_true(guards[0].limits.reach_works);
    assert_int_equal(guards[0].limits.proof, 7);
    assert_int_equal(guards[0].limits.digest, 8);
    assert_int_equal(guards[0].limits.kill_grace_ns, 3);
}

static void what_a_run_of_before_has_found_is_not_taken_for_what_is_named_now(void **state)
{
    const struct bw_guard_limits next = {.digest = 8};

    (void)state;
    add_groups();
    assert_int_equal(bw_guarded_digest(&groups[0], BW_GUARD_SLOT_ACTION, 7), 7);
    bw_guarded_configure(&machine, &groups[0], &next);
    assert_int_equal(bw_guarded_digest(&groups[0], BW_GUARD_SLOT_ACTION, 7), 0);
}

/* ---- a caretaker's end ---- */

static void a_caretaker_stays_for_the_last_of_its_groups(void **state)
{
    (void)state;
    add_groups();
    assert_true(bw_guard_machine_is_over(&machine, (struct bw_instant){1, 1}));
    guards[2].mirror.armed_epoch = 5;
    guards[2].mirror.armed_end = (struct bw_instant){100, 100};
    assert_false(bw_guard_machine_is_over(&machine, (struct bw_instant){50, 50}));
    assert_true(bw_guard_machine_is_over(&machine, (struct bw_instant){100, 100}));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_whole_is_taken_as_it_is),
        TEST(a_new_group_has_nothing),
        TEST(a_mirror_of_another_boot_arms_nothing),
        TEST(without_a_mirror_that_can_be_read_it_goes_on_and_says_so),
        TEST(a_memory_that_is_younger_than_the_mirror_is_lost),
        TEST(a_memory_that_was_not_looked_for_is_not_called_lost),
        TEST(a_damaged_memory_leaves_what_its_mirror_has_armed),
        TEST(a_damaged_memory_with_nothing_armed_is_a_persons),
        TEST(a_memory_that_cannot_be_read_now_is_left_as_it_is),
        TEST(what_another_cluster_has_armed_is_enforced_and_the_memory_kept),
        TEST(a_guard_of_no_cluster_yet_takes_what_it_finds),
        TEST(a_guard_looks_at_named_groups_then_at_forgotten_ones),
        TEST(what_is_not_loaded_of_some_is_enforced_by_its_mirror),
        TEST(without_any_group_there_is_no_guard),
        TEST(a_caretaker_looks_at_mirrors_alone),
        TEST(what_is_guarded_is_not_looked_at_again),
        TEST(a_forgotten_lease_is_guarded),
        TEST(what_a_forgotten_epoch_has_left_is_guarded_where_it_is_known_by_what),
        TEST(a_manual_lease_is_guarded_to_its_deadline),
        TEST(a_mirror_without_its_guard_is_enforced_if_it_has_armed_anything),
        TEST(a_mirror_is_unended_until_its_deadline_is_past_and_the_end_was_seen),
        TEST(what_is_over_is_left_where_it_is_anothers),
        TEST(a_guard_between_two_lives_is_waited_for),
        TEST(no_guard_is_waited_for_into_its_fence_window),
        TEST(where_nothing_is_armed_nobody_is_waited_for),
        TEST(a_file_that_lacks_what_is_armed_is_refused),
        TEST(a_file_that_lacks_what_is_not_kept_is_taken),
        TEST(other_limits_leave_what_was_proved),
        TEST(what_a_run_of_before_has_found_is_not_taken_for_what_is_named_now),
        TEST(a_caretaker_stays_for_the_last_of_its_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
