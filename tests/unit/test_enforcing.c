/* enforcing: a mirror is answered once it is written and an enforcer that lives holds it (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/machine/enforcing.h>

#define GROUPS 130 /* two frames and a bit */
#define FENCE_NS (2 * BW_NS_PER_S)

static struct bw_guard guards[GROUPS];
static struct bw_enforcing_group groups[GROUPS];
static struct bw_enforcing enforcing;
static struct bw_instant now;
static char log_text[8192];
static uint64_t write_number[GROUPS];
static struct bw_enforcer_order write_order[GROUPS];
static bool is_written[GROUPS];
/* How the world answers. */
static bool takes_frames, makes_enforcers, relieves;
static enum bw_enforcing_reach takes_reach[GROUPS];

static uint32_t index_of(const struct bw_enforcing_group *group)
{
    return (uint32_t)(group - groups);
}

static void note(const char *word, uint32_t number, const char *more)
{
    const size_t length = strlen(log_text);

    assert_in_range(snprintf(log_text + length, sizeof log_text - length, "%s%s:%u%s",
                             length > 0 ? " " : "", word, (unsigned)number, more),
                    1, (int)(sizeof log_text - length - 1));
}

static void execute(const struct bw_enforcing_action *action)
{
    switch (action->kind) {
    case BW_ENFORCING_MAKE:
        note("make", 0, makes_enforcers ? "" : "!");
        if (makes_enforcers)
            bw_enforcing_on_made(&enforcing);
        else
            bw_enforcing_on_unmade(&enforcing, now);
        break;
    case BW_ENFORCING_REACH:
        note("reach", index_of(action->group), "");
        bw_enforcing_on_reach(&enforcing, action->group, takes_reach[index_of(action->group)]);
        break;
    case BW_ENFORCING_OVER:
        note("over", (uint32_t)action->orders[0].epoch, takes_frames ? "" : "!");
        bw_enforcing_on_sent(&enforcing, takes_frames, now);
        break;
    case BW_ENFORCING_HOLD:
        note("hold", action->order_count, takes_frames ? "" : "!");
        bw_enforcing_on_sent(&enforcing, takes_frames, now);
        break;
    case BW_ENFORCING_REPLACE:
        note("replace", 0, "");
        bw_enforcing_on_lost(&enforcing);
        bw_enforcing_on_gone(&enforcing, now);
        break;
    case BW_ENFORCING_RELIEVE:
        note("relieve", 0, relieves ? "" : "!");
        bw_enforcing_on_relief(&enforcing, relieves, now);
        break;
    case BW_ENFORCING_UNRELIEVED:
        note("unrelieved", 0, "");
        break;
    case BW_ENFORCING_WRITE:
        note("write", enforcing.due_count, "");
        for (uint32_t i = 0; i < GROUPS; i++)
            is_written[i] = bw_enforcing_begin_write(&enforcing, &groups[i], &write_number[i],
                                                     &write_order[i]);
        break;
    case BW_ENFORCING_ANSWER:
        note(action->ok ? "mirrored" : "refused", (uint32_t)action->number, "");
        break;
    }
}

/* All that is to be done now; what it was stands in the log. */
static void go_on(void)
{
    struct bw_enforcing_action action;

    for (int i = 0; bw_enforcing_next(&enforcing, now, &action); i++) {
        assert_true(i < 4 * GROUPS);
        execute(&action);
    }
}

static void assert_done(const char *expected)
{
    log_text[0] = '\0';
    go_on();
    assert_string_equal(log_text, expected);
}

static void pass(uint64_t ns)
{
    now = bw_instant_add(now, ns);
}

static void arm(uint32_t i, uint64_t epoch, uint64_t left_s)
{
    guards[i].mirror.armed_epoch = epoch;
    guards[i].mirror.armed_end = bw_instant_add(now, left_s * BW_NS_PER_S);
    guards[i].mirror.fence_ns = FENCE_NS;
    bw_enforcing_on_step(&enforcing, &groups[i]);
}

static void written(bool ok)
{
    for (uint32_t i = 0; i < GROUPS; i++)
        if (is_written[i])
            bw_enforcing_on_written(&enforcing, &groups[i], write_number[i], &write_order[i], ok);
    bw_enforcing_on_round_written(&enforcing);
}

static void taken(uint64_t number)
{
    bw_enforcing_on_taken(&enforcing, number, NULL, 0, now);
}

static void begin_of(uint32_t count)
{
    memset(guards, 0, sizeof guards);
    memset(groups, 0, sizeof groups);
    memset(is_written, 0, sizeof is_written);
    memset(takes_reach, 0, sizeof takes_reach); /* TAKEN */
    takes_frames = makes_enforcers = relieves = true;
    now = (struct bw_instant){.boot_ns = BW_NS_PER_S, .raw_ns = BW_NS_PER_S};
    bw_enforcing_init(&enforcing);
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(guards[i].group, sizeof guards[i].group, "g%u", (unsigned)i);
        bw_enforcing_add(&enforcing, &groups[i], &guards[i], NULL);
    }
    bw_enforcing_begin(&enforcing, now);
}

/* One group, an enforcer that is told all, and nobody before it. */
static int begin(void **state)
{
    (void)state;
    begin_of(1);
    go_on();
    return 0;
}

static void arm_and_write(void)
{
    arm(0, 1, 10);
    bw_enforcing_on_mirror(&enforcing, &groups[0], 1);
    assert_done("write:1");
}

static void begin_held(void)
{
    arm_and_write();
    written(true);
    assert_done("hold:1");
    taken(1);
    assert_done("mirrored:1");
}

/* ---- in which order ---- */

static void an_enforcer_is_made_and_told_before_those_before_are_relieved(void **state)
{
    (void)state;
    begin_of(2);

    assert_done("make:0 reach:0 reach:1 relieve:0");
}

static void a_mirror_is_answered_once_it_is_written_and_held(void **state)
{
    (void)state;
    arm_and_write();
    assert_false(bw_enforcing_has(&enforcing, &groups[0]));

    written(true);
    assert_done("hold:1");
    assert_false(bw_enforcing_has(&enforcing, &groups[0])); /* it was told, and has not taken it */

    taken(1);
    assert_done("mirrored:1");
    assert_true(bw_enforcing_has(&enforcing, &groups[0]));
    assert_done("");
}

static void what_is_asked_for_while_a_round_is_written_goes_with_the_next(void **state)
{
    (void)state;
    arm_and_write();

    bw_enforcing_on_mirror(&enforcing, &groups[0], 2);
    bw_enforcing_on_mirror(&enforcing, &groups[0], 3);
    assert_done("");
    assert_true(bw_enforcing_is_due(&enforcing));
    written(true);
    assert_done("hold:1 write:1");
    written(true);
    taken(1);
    assert_done("mirrored:3"); /* with all before */
    assert_false(bw_enforcing_is_due(&enforcing));
}

static void a_mirror_that_cannot_be_written_is_refused(void **state)
{
    (void)state;
    begin_held();
    arm(0, 1, 20);
    bw_enforcing_on_mirror(&enforcing, &groups[0], 2);
    assert_done("write:1");

    written(false);
    assert_done("refused:2"); /* and what the file does not say nobody is told */
}

static void a_deadline_that_is_over_meanwhile_is_answered(void **state)
{
    (void)state;
    arm_and_write();
    written(true);
    assert_done("hold:1");

    guards[0].fence = BW_FENCE_DONE;
    bw_enforcing_on_step(&enforcing, &groups[0]);
    assert_done("mirrored:1 over:1");
}

static void of_many_groups_each_frame_takes_as_many_as_it_holds(void **state)
{
    (void)state;
    begin_of(GROUPS);
    go_on();
    for (uint32_t i = 0; i < GROUPS; i++) {
        arm(i, 1, 10);
        bw_enforcing_on_mirror(&enforcing, &groups[i], 1);
    }
    assert_done("write:130");
    written(true);

    assert_done("hold:64 hold:64 hold:2");
    taken(1);
    taken(2);
    log_text[0] = '\0';
    go_on();
    assert_true(bw_enforcing_has(&enforcing, &groups[127]));
    assert_false(bw_enforcing_has(&enforcing, &groups[128]));
    taken(3);
    assert_done("mirrored:1 mirrored:1");
}

/* ---- what an enforcer does not hold ---- */

static void an_enforcer_that_has_ended_holds_nothing(void **state)
{
    (void)state;
    begin_held();
    makes_enforcers = false;
    bw_enforcing_on_lost(&enforcing);
    bw_enforcing_on_gone(&enforcing, now);
    assert_done("make:0!");
    assert_false(bw_enforcing_has(&enforcing, &groups[0]));

    bw_enforcing_on_mirror(&enforcing, &groups[0], 2); /* of the same deadline: a start, say */
    assert_done("write:1");
    written(true);
    assert_done("");
    makes_enforcers = true;
    now = enforcing.make_at;
    assert_done("make:0 reach:0 hold:1");
    taken(1);
    assert_done("mirrored:2");
}

static void what_it_refuses_is_refused_and_its_reach_is_told_again(void **state)
{
    struct bw_enforcer_order refused = {.epoch = 1};

    (void)state;
    (void)snprintf(refused.group, sizeof refused.group, "g0");
    arm_and_write();
    written(true);
    assert_done("hold:1");

    bw_enforcing_on_taken(&enforcing, 1, &refused, 1, now);
    assert_done("refused:1 reach:0");
}

/* Its answer, a no perhaps, found no room in a socket that a guard which stood still had not read. */
static void what_it_could_not_answer_is_told_once_more(void **state)
{
    (void)state;
    begin_of(2);
    go_on();
    for (uint32_t i = 0; i < 2; i++) {
        arm(i, 1, 10);
        bw_enforcing_on_mirror(&enforcing, &groups[i], 1);
        assert_done("write:1");
        written(true);
        assert_done("hold:1");
    }
    taken(2);
    assert_false(bw_enforcing_has(&enforcing, &groups[0]));
    assert_done("mirrored:1 hold:1");
    assert_true(bw_enforcing_has(&enforcing, &groups[1]));
    taken(3);
    assert_done("mirrored:1");
    assert_true(bw_enforcing_has(&enforcing, &groups[0]));
}

/* As the only one that holds what this guard has said. */
static void a_new_one_that_refuses_what_was_acknowledged_is_told_it_again(void **state)
{
    struct bw_enforcer_order refused = {.group = "g0", .epoch = 1};

    (void)state;
    begin_held();
    guards[0].has_found_armed = true;
    groups[0].found_epoch = 1;
    bw_enforcing_on_lost(&enforcing);
    bw_enforcing_on_gone(&enforcing, now);
    assert_done("make:0 reach:0 hold:1");
    bw_enforcing_on_taken(&enforcing, 1, &refused, 1, now);
    assert_false(bw_enforcing_has(&enforcing, &groups[0]));
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 0); /* those before keep it */
    assert_done("reach:0");

    bw_enforcing_on_step(&enforcing, &groups[0]);
    assert_done(""); /* not without a pause */
    now = bw_enforcing_wake(&enforcing, now);
    assert_done("hold:1");
    taken(2);
    assert_done("");
    assert_true(bw_enforcing_has(&enforcing, &groups[0]));
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 1);
}

static void a_later_deadline_than_it_refused_is_told_at_once(void **state)
{
    struct bw_enforcer_order refused = {.group = "g0", .epoch = 1};

    (void)state;
    arm_and_write();
    written(true);
    assert_done("hold:1");
    bw_enforcing_on_taken(&enforcing, 1, &refused, 1, now);
    assert_done("refused:1 reach:0");

    arm(0, 1, 20);
    bw_enforcing_on_mirror(&enforcing, &groups[0], 2);
    assert_done("write:1");
    written(true);
    assert_done("hold:1");
    taken(2);
    assert_done("mirrored:2");
}

static void what_a_step_between_two_frames_has_ended_is_over_at_once(void **state)
{
    struct bw_enforcing_action action;

    (void)state;
    begin_of(2);
    go_on();
    for (uint32_t i = 0; i < 2; i++) {
        arm(i, 1 + i, 10);
        bw_enforcing_on_mirror(&enforcing, &groups[i], 1);
    }
    go_on();
    written(true);
    go_on();
    taken(1);
    go_on();
    bw_enforcing_on_lost(&enforcing);
    bw_enforcing_on_gone(&enforcing, now);
    assert_true(bw_enforcing_next(&enforcing, now, &action)); /* MAKE */
    execute(&action);
    for (int i = 0; i < 2; i++) { /* REACH */
        assert_true(bw_enforcing_next(&enforcing, now, &action));
        execute(&action);
    }

    guards[0].mirror.armed_epoch = 0;
    bw_enforcing_on_step(&enforcing, &groups[0]);
    assert_done("hold:2 over:1");
}

/* A lease ends with either clock: what is later by one of them only is another deadline (1). */
static void a_deadline_that_differs_by_one_clock_is_passed_on(void **state)
{
    (void)state;
    begin_held();
    for (uint64_t number = 2; number < 4; number++) {
        struct bw_instant *end = &guards[0].mirror.armed_end;

        *(number == 2 ? &end->boot_ns : &end->raw_ns) += BW_NS_PER_S;
        bw_enforcing_on_step(&enforcing, &groups[0]);
        bw_enforcing_on_mirror(&enforcing, &groups[0], number);
        assert_done("write:1");
        written(true);
        assert_false(bw_enforcing_has(&enforcing, &groups[0]));
        assert_done("hold:1");
        taken(number);
        assert_done(number == 2 ? "mirrored:2" : "mirrored:3");
    }
}

/* Else it kills at D what has been seen to end, and what was granted anew. */
static void that_it_is_over_is_told_again_until_it_is_taken(void **state)
{
    (void)state;
    begin_held();
    guards[0].fence = BW_FENCE_DONE;
    bw_enforcing_on_step(&enforcing, &groups[0]);
    takes_frames = false;
    assert_done("over:1!");
    assert_done("");
    assert_false(bw_instant_is_never(bw_enforcing_wake(&enforcing, now)));

    takes_frames = true;
    now = bw_enforcing_wake(&enforcing, now);
    assert_done("over:1");
    assert_done("");
}

/* Whatever it was told before: without what ends them it ends nothing. */
static void what_has_a_new_reach_is_held_once_that_was_passed_on(void **state)
{
    (void)state;
    begin_held();
    takes_reach[0] = BW_ENFORCING_REACH_SHORT;
    bw_enforcing_on_reach(&enforcing, &groups[0], BW_ENFORCING_REACH_SHORT);
    assert_false(bw_enforcing_has(&enforcing, &groups[0]));

    takes_reach[0] = BW_ENFORCING_REACH_TAKEN;
    go_on();
    assert_true(bw_enforcing_has(&enforcing, &groups[0]));
}

/* Each answer is waited for as long. */
static void one_that_answers_has_a_second_for_the_next_frame(void **state)
{
    (void)state;
    begin_of(GROUPS);
    go_on();
    for (uint32_t i = 0; i < GROUPS; i++) {
        arm(i, 1, 10);
        bw_enforcing_on_mirror(&enforcing, &groups[i], 1);
    }
    go_on();
    written(true);
    assert_done("hold:64 hold:64 hold:2");
    pass(BW_NS_PER_S / 2);
    taken(1);
    go_on();
    pass(BW_NS_PER_S - 1);
    assert_done("");
    pass(1);
    log_text[0] = '\0';
    go_on();
    assert_int_equal(strncmp(log_text, "replace:0", 9), 0);
}

/* 3.4, ended: one that was written down and then refused leaves the epoch armed, and to who can end it. */
static void an_end_that_was_refused_relieves_nobody_of_what_we_cannot_end(void **state)
{
    (void)state;
    begin_of(0);
    guards[0].mirror.armed_epoch = 7;
    guards[0].has_found_armed = true;
    guards[0].memory.ended_epoch = 7;
    bw_enforcing_add(&enforcing, &groups[0], &guards[0], NULL);
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 7);
    groups[0].is_short = true;
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 6);
    groups[0].is_short = false;
    groups[0].is_unheld = true;
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 6);
    guards[0].fence = BW_FENCE_DONE; /* seen */
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 7);
}

static void of_a_forgotten_group_no_epoch_is_known(void **state)
{
    (void)state;
    begin_of(0);
    guards[0].has_found_armed = true;
    guards[0].mirror.armed_epoch = 7;
    bw_enforcing_add(&enforcing, &groups[0], &guards[0], NULL);
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 7);
    guards[0].mirror.armed_epoch = 0;
    bw_enforcing_forget(&enforcing, &groups[0]);
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 0);
}

static void a_frame_that_it_does_not_take_is_told_again_soon(void **state)
{
    (void)state;
    arm_and_write();
    written(true);
    takes_frames = false;
    assert_done("hold:1!");
    assert_done("");
    assert_false(bw_instant_is_never(bw_enforcing_wake(&enforcing, now)));

    takes_frames = true;
    now = bw_enforcing_wake(&enforcing, now);
    assert_done("hold:1");
    taken(1);
    assert_done("mirrored:1");
}

static void what_cannot_be_ended_is_not_passed_on_and_holds_up_no_other(void **state)
{
    (void)state;
    begin_of(2);
    go_on();
    takes_reach[0] = BW_ENFORCING_REACH_SHORT;
    bw_enforcing_on_reach(&enforcing, &groups[0], BW_ENFORCING_REACH_SHORT);
    for (uint32_t i = 0; i < 2; i++) {
        arm(i, 1, 10);
        bw_enforcing_on_mirror(&enforcing, &groups[i], 1 + i);
    }
    assert_done("reach:0 write:2");
    written(true);
    assert_done("reach:0 hold:1");
    taken(1);
    assert_done("mirrored:2");

    takes_reach[0] = BW_ENFORCING_REACH_TAKEN;
    now = bw_enforcing_wake(&enforcing, now);
    assert_done("reach:0 hold:1");
    taken(2);
    assert_done("mirrored:1");
}

/* 3.4: of what there is more than it can hold nothing is armed, and whoever waits is told. */
static void what_there_is_no_room_for_is_refused_until_there_is(void **state)
{
    (void)state;
    begin_of(2);
    go_on();
    takes_reach[0] = BW_ENFORCING_REACH_FULL;
    bw_enforcing_on_reach(&enforcing, &groups[0], BW_ENFORCING_REACH_FULL);
    for (uint32_t i = 0; i < 2; i++) {
        arm(i, 1, 10);
        bw_enforcing_on_mirror(&enforcing, &groups[i], 1 + i);
    }
    assert_done("reach:0 write:2");
    written(true);
    assert_done("refused:1 reach:0 hold:1");
    taken(1);
    assert_done("mirrored:2");

    takes_reach[0] = BW_ENFORCING_REACH_TAKEN;
    bw_enforcing_on_mirror(&enforcing, &groups[0], 3);
    assert_done("write:1");
    now = bw_enforcing_wake(&enforcing, now);
    assert_done("reach:0 hold:1");
}

static void what_can_be_ended_after_all_is_passed_on_at_once(void **state)
{
    (void)state;
    begin_of(1);
    takes_reach[0] = BW_ENFORCING_REACH_SHORT;
    assert_done("make:0 reach:0 relieve:0 reach:0"); /* nothing of it is found armed */
    arm(0, 1, 10);
    bw_enforcing_on_mirror(&enforcing, &groups[0], 1);
    assert_done("write:1");
    written(true);
    assert_done("reach:0");

    bw_enforcing_on_reach(&enforcing, &groups[0], BW_ENFORCING_REACH_TAKEN);
    assert_done("hold:1");
    taken(1);
    assert_done("mirrored:1");
}

static void begin_from(const struct bw_guard_memory *memory, const struct bw_guard_mirror *mirror)
{
    static const struct bw_guard_limits limits;

    begin_of(0);
    bw_guard_init(&guards[0], "g0", &limits, memory, mirror, now);
    bw_enforcing_add(&enforcing, &groups[0], &guards[0], NULL);
}

/* 3.4, 3.8: the epoch of a manual lease may have ended before it, and a newer one may have been refused beside it. */
static void without_an_armed_mirror_those_before_keep_what_they_hold(void **state)
{
    static const struct bw_guard_memory kept[] = {
        {.epoch_seen = 7, .ended_epoch = 7, .enforced = true, .serial = 1},
        {.epoch_seen = 8, .ended_epoch = 8, .enforced = true, .serial = 1}, /* granted, never armed, given back */
        {.epoch_seen = 8, .ended_epoch = 7, .enforced = true},              /* its first arm was under way */
        {.epoch_seen = 7, .ended_epoch = 7, .enforced = true},              /* an end that was refused is none */
    };
    static const struct bw_guard_mirror nothing_armed; /* as a guard leaves it that found none */

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        begin_from(&kept[i], NULL);
        assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 0);
        begin_from(&kept[i], &nothing_armed);
        assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 0);
    }
}

static void what_was_found_armed_those_before_are_relieved_of(void **state)
{
    struct bw_guard_memory kept = {.epoch_seen = 7, .ended_epoch = 7, .enforced = true, .serial = 1};
    struct bw_guard_mirror mirror = {
        .armed_epoch = 7, .armed_serial = 1, .ttl_ns = 5 * FENCE_NS, .fence_ns = FENCE_NS};

    (void)state;
    begin_from(&kept, &mirror);
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 7);
    kept.serial = mirror.armed_serial = 0;
    mirror.stop_seen = true; /* it has ended, and the mirror could not be written any more */
    begin_from(&kept, &mirror);
    assert_int_equal(groups[0].found_epoch, 0);
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 7);
    kept.enforced = false; /* let go: nobody ends it */
    mirror.stop_seen = false;
    begin_from(&kept, &mirror);
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 7);
}

/* 3.4: where its units come up, for example, an earlier enforcer may know. The rest it is relieved
 * of. */
static void those_before_keep_what_cannot_be_ended_yet(void **state)
{
    (void)state;
    begin_of(0);
    for (uint32_t i = 0; i < 2; i++) {
        guards[i].has_found_armed = true;
        guards[i].mirror.armed_epoch = 7;
        guards[i].mirror.armed_end = bw_instant_add(now, 5 * BW_NS_PER_S);
        bw_enforcing_add(&enforcing, &groups[i], &guards[i], NULL);
    }
    takes_reach[0] = BW_ENFORCING_REACH_SHORT;
    assert_done("make:0 reach:0 reach:1 hold:1");
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 0);
    assert_int_equal(bw_enforcing_known_epoch(&groups[1]), 7);
    taken(1);
    go_on();
    assert_non_null(strstr(log_text, "relieve:0"));
    log_text[0] = '\0';
    bw_enforcing_on_relief(&enforcing, true, now);
    for (uint32_t i = 0; i < 2; i++) {
        arm(i, 7, 15);
        bw_enforcing_on_mirror(&enforcing, &groups[i], 1 + i);
    }
    assert_done("reach:0 write:2");
    written(true);
    assert_done("reach:0 hold:1");
    taken(2);
    assert_done("mirrored:2"); /* of the other one only */

    takes_reach[0] = BW_ENFORCING_REACH_TAKEN;
    bw_enforcing_on_reach(&enforcing, &groups[0], BW_ENFORCING_REACH_TAKEN);
    assert_done("hold:1");
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 7);
    taken(3);
    go_on();
    assert_non_null(strstr(log_text, "relieve:0"));
    assert_non_null(strstr(log_text, "mirrored:1"));
}

/* ---- one that stands still ---- */

static void one_that_says_nothing_for_a_second_is_replaced(void **state)
{
    (void)state;
    arm_and_write();
    written(true);
    assert_done("hold:1");

    pass(BW_NS_PER_S - 1);
    assert_done("");
    now = bw_enforcing_wake(&enforcing, now);
    assert_done("replace:0 make:0 reach:0 hold:1");
    taken(1);
    assert_done("mirrored:1");
    pass(10 * BW_NS_PER_S);
    assert_done(""); /* it has answered: nothing is awaited */
}

static void no_later_deadline_is_passed_on_before_those_before_are_relieved(void **state)
{
    (void)state;
    begin_of(1);
    relieves = false;
    assert_done("make:0 reach:0 relieve:0!");
    arm_and_write();
    written(true);
    assert_done("");

    now = bw_enforcing_wake(&enforcing, now);
    relieves = true;
    assert_done("relieve:0 hold:1");
    taken(1);
    assert_done("mirrored:1");
}

static void those_that_do_not_answer_are_waited_for_no_longer_than_a_second(void **state)
{
    struct bw_instant begun;

    (void)state;
    begin_of(1);
    relieves = false;
    begun = now;
    go_on();
    arm(0, 1, 10);
    bw_enforcing_on_mirror(&enforcing, &groups[0], 1);
    go_on();
    written(true);

    for (int i = 0; i < 1000 && !enforcing.is_relieved; i++) {
        now = bw_enforcing_wake(&enforcing, now);
        log_text[0] = '\0';
        go_on();
    }
    assert_true(enforcing.is_relieved);
    assert_in_range(bw_instant_elapsed_ns(now, begun), BW_NS_PER_S / 2, 11 * BW_NS_PER_S / 10);
    assert_string_equal(log_text, "relieve:0! hold:1 unrelieved:0");
    taken(1);
    assert_done("mirrored:1");
    now = bw_enforcing_wake(&enforcing, now);
    relieves = true;
    assert_done("relieve:0"); /* they are asked on */
}

static void a_guard_that_begins_tells_first_what_its_mirrors_say(void **state)
{
    (void)state;
    begin_of(0);
    guards[0].has_found_armed = true;
    guards[0].mirror.armed_epoch = 7;
    guards[0].mirror.armed_end = bw_instant_add(now, 5 * BW_NS_PER_S);
    bw_enforcing_add(&enforcing, &groups[0], &guards[0], NULL);
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 7);

    assert_done("make:0 reach:0 hold:1");
    taken(1);
    assert_done("relieve:0");
    guards[0].memory.ended_epoch = 9;
    assert_int_equal(bw_enforcing_known_epoch(&groups[0]), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_enforcer_is_made_and_told_before_those_before_are_relieved),
        cmocka_unit_test_setup(a_mirror_is_answered_once_it_is_written_and_held, begin),
        cmocka_unit_test_setup(what_is_asked_for_while_a_round_is_written_goes_with_the_next,
                               begin),
        cmocka_unit_test_setup(a_mirror_that_cannot_be_written_is_refused, begin),
        cmocka_unit_test_setup(a_deadline_that_is_over_meanwhile_is_answered, begin),
        cmocka_unit_test(of_many_groups_each_frame_takes_as_many_as_it_holds),
        cmocka_unit_test_setup(an_enforcer_that_has_ended_holds_nothing, begin),
        cmocka_unit_test_setup(what_it_refuses_is_refused_and_its_reach_is_told_again, begin),
        cmocka_unit_test(what_it_could_not_answer_is_told_once_more),
        cmocka_unit_test_setup(a_new_one_that_refuses_what_was_acknowledged_is_told_it_again,
                               begin),
        cmocka_unit_test_setup(a_later_deadline_than_it_refused_is_told_at_once, begin),
        cmocka_unit_test(what_a_step_between_two_frames_has_ended_is_over_at_once),
        cmocka_unit_test_setup(a_deadline_that_differs_by_one_clock_is_passed_on, begin),
        cmocka_unit_test_setup(that_it_is_over_is_told_again_until_it_is_taken, begin),
        cmocka_unit_test_setup(what_has_a_new_reach_is_held_once_that_was_passed_on, begin),
        cmocka_unit_test(one_that_answers_has_a_second_for_the_next_frame),
        cmocka_unit_test(an_end_that_was_refused_relieves_nobody_of_what_we_cannot_end),
        cmocka_unit_test(of_a_forgotten_group_no_epoch_is_known),
        cmocka_unit_test_setup(a_frame_that_it_does_not_take_is_told_again_soon, begin),
        cmocka_unit_test(what_cannot_be_ended_is_not_passed_on_and_holds_up_no_other),
        cmocka_unit_test(what_there_is_no_room_for_is_refused_until_there_is),
        cmocka_unit_test(what_can_be_ended_after_all_is_passed_on_at_once),
        cmocka_unit_test(without_an_armed_mirror_those_before_keep_what_they_hold),
        cmocka_unit_test(what_was_found_armed_those_before_are_relieved_of),
        cmocka_unit_test(those_before_keep_what_cannot_be_ended_yet),
        cmocka_unit_test_setup(one_that_says_nothing_for_a_second_is_replaced, begin),
        cmocka_unit_test(no_later_deadline_is_passed_on_before_those_before_are_relieved),
        cmocka_unit_test(those_that_do_not_answer_are_waited_for_no_longer_than_a_second),
        cmocka_unit_test(a_guard_that_begins_tells_first_what_its_mirrors_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
