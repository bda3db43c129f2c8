/* second_machine: what a second enforcer asks of its program when what is due and what has come meet (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <breakwater/machine/second.h>

#define MS       BW_NS_PER_MS
#define FENCE_MS 3000
#define END_MS   20000

static struct {
    struct bw_second_machine machine;
    struct bw_second_served served[1];
    struct bw_second_state state;
    struct bw_second_mirror_file mirror_file;
    struct bw_second_ask_group ask_group;
    struct bw_sync_group sync_group;
    struct bw_second_memory memory;
    struct bw_second_mirror mirror;
    uint64_t now_ms;
    unsigned asked[BW_SECOND_MACHINE_KILL_FENCE + 1];
    /* As a program has them: from its start until its end is known. */
    bool look_runs;
    bool fence_runs;
    uint64_t mirrored_epoch; /* by the newest write; UINT64_MAX: there was none */
    bool warned_relayed; /* the newest warning is to be passed on */
    uint32_t warned_limit_ms;
    uint32_t asked_limit_ms;
    uint64_t refusal_ms; /* starts are refused, each after so long; 0: none is */
} world;

static struct bw_instant now(void *user)
{
    (void)user;
    return (struct bw_instant){world.now_ms * MS, world.now_ms * MS};
}

static enum bw_err emit(void *user, const struct bw_second_machine_action *action, struct bw_diag *diag)
{
    (void)user;
    (void)diag;
    world.asked[action->kind]++;
    if (world.refusal_ms != 0 &&
        (action->kind == BW_SECOND_MACHINE_LOOK || action->kind == BW_SECOND_MACHINE_FENCE)) {
        world.now_ms += world.refusal_ms;
        return BW_ERR_LIMIT;
    }
    switch (action->kind) {
    case BW_SECOND_MACHINE_LOOK:
        assert_false(world.look_runs);
        world.look_runs = true;
        break;
    case BW_SECOND_MACHINE_FENCE:
        assert_false(world.fence_runs);
        world.fence_runs = true;
        break;
    case BW_SECOND_MACHINE_KILL_LOOK:
        assert_true(world.look_runs);
        break;
    case BW_SECOND_MACHINE_KILL_FENCE:
        assert_true(world.fence_runs);
        break;
    case BW_SECOND_MACHINE_WARN:
        world.warned_relayed = action->sync->wants_relay;
        world.warned_limit_ms = action->limit_ms;
        break;
    case BW_SECOND_MACHINE_ASK:
        world.asked_limit_ms = action->limit_ms;
        break;
    case BW_SECOND_MACHINE_STEPPED:
    case BW_SECOND_MACHINE_SAVE:
        break;
    case BW_SECOND_MACHINE_MIRROR:
        world.mirrored_epoch = world.mirror.epoch;
        break;
    }
    return BW_OK;
}

static void step_at(uint64_t ms, const struct bw_second_machine_event *event)
{
    world.now_ms = ms;
    bw_second_machine_step(&world.machine, event);
}

static void wake_at(uint64_t ms)
{
    step_at(ms, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_WAKE});
}

static void looked_at(uint64_t ms, enum bw_service service)
{
    world.look_runs = false;
    step_at(ms, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_LOOKED, .service = service});
}

static void fenced_at(uint64_t ms, bool ok)
{
    world.fence_runs = false;
    step_at(ms, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_FENCED, .ok = ok});
}

static void begin_of(struct bw_second_memory memory, struct bw_second_mirror mirror)
{
    static const struct bw_second_limits limits = {
        .check_interval_ns = 1000 * MS, .fence_limit_ns = 2500 * MS, .digest = 5};

    memset(&world, 0, sizeof world);
    world.now_ms = 1000;
    world.mirrored_epoch = UINT64_MAX;
    world.memory = memory;
    world.mirror = mirror;
    bw_second_machine_init(&world.machine,
                           &(struct bw_second_setup){.driver = {.now = now, .emit = emit},
                                                     .site = "north",
                                                     .name = "enforcer",
                                                     .state = &world.state,
                                                     .mirror = &world.mirror_file,
                                                     .ask_groups = &world.ask_group,
                                                     .sync_groups = &world.sync_group,
                                                     .groups = world.served,
                                                     .group_max = 1});
    bw_second_machine_add_group(&world.machine, "db", &limits, &world.memory, &world.mirror);
}

/* Of epoch 7. */
static void begin_with(struct bw_second_mirror mirror)
{
    begin_of((struct bw_second_memory){.epoch = 7, .fence_ns = FENCE_MS * MS}, mirror);
}

/* Armed to END_MS. */
static int begin(void **state)
{
    (void)state;
    begin_with((struct bw_second_mirror){
        .epoch = 7, .fence_ns = FENCE_MS * MS, .end = {END_MS * MS, END_MS * MS}});
    return 0;
}

static void a_look_that_runs_as_the_window_comes_is_killed(void **state)
{
    (void)state;
    wake_at(1000);
    assert_true(world.look_runs);
    wake_at(END_MS - FENCE_MS);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_KILL_LOOK], 1);
    assert_true(world.fence_runs);
    looked_at(END_MS - FENCE_MS + 10, BW_SERVICE_UNKNOWN);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_WARN], 1); /* it has not seen the end */
}

/* What is due goes before what has come: the look has ended, and its program has it no more. */
static void one_that_has_ended_when_the_window_comes_is_not(void **state)
{
    (void)state;
    wake_at(1000);
    looked_at(END_MS - FENCE_MS, BW_SERVICE_STARTED);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_KILL_LOOK], 0);
    assert_true(world.fence_runs);
}

static uint32_t fences_at(uint64_t ms)
{
    return bw_second_machine_fences(&world.machine, (struct bw_instant){ms * MS, ms * MS});
}

static void its_fence_is_looked_at_and_run_again_until_the_end_is_seen(void **state)
{
    (void)state;
    one_that_has_ended_when_the_window_comes_is_not(state);
    fenced_at(18000, false);
    assert_int_equal(fences_at(18000), 1);
    assert_int_equal(fences_at(END_MS + 29999), 1);
    assert_int_equal(fences_at(END_MS + 30000), 0); /* nobody waits for an end that is not seen */
    assert_int_equal(bw_second_machine_runs(&world.machine), 0); /* between two tries: it may begin anew */
    wake_at(19000);
    assert_int_equal(bw_second_machine_runs(&world.machine), 1);
    assert_int_equal(fences_at(END_MS + 30000), 1); /* what runs is finished */
    assert_int_equal(world.asked[BW_SECOND_MACHINE_FENCE], 2);
    fenced_at(19100, true);
    assert_true(world.look_runs);
    assert_int_equal(fences_at(19100), 1);
    assert_int_equal(bw_second_machine_runs(&world.machine), 1);
    looked_at(19200, BW_SERVICE_STOPPED);
    assert_int_equal(fences_at(19200), 0);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_KILL_FENCE], 0);
}

/* 3.3: the one before it may have fenced, and warned, until it ended: the witnesses hear no gap in that. */
static void while_nobody_tells_it_the_deadline_it_warns(void **state)
{
    (void)state;
    begin_with((struct bw_second_mirror){.epoch = 0});
    wake_at(1000);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_WARN], 0); /* its agent may answer at once */
    wake_at(1500);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_WARN], 1);
    assert_false(world.fence_runs);

    (void)begin(state);
    wake_at(1500);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_WARN], 0);
}

/* Whoever leads may not be in its file, or not in its reach: a follower that hears it passes it on (3.4, 5.3). */
static void what_it_warns_of_is_passed_on_to_whoever_leads(void **state)
{
    (void)state;
    wake_at(END_MS - FENCE_MS);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_WARN], 1);
    assert_true(world.warned_relayed);
}

/* ---- how often (3.3: no report may be stale before the next) ------------------------------------------ */

#define TERMS_MS 100
#define LIMIT_MS 150

static void answered_at(uint64_t ms, struct bw_second_lease lease, uint32_t interval_ms, uint32_t limit_ms)
{
    struct bw_second_answer_group group = {.name = "db", .lease = lease};

    step_at(ms, &(struct bw_second_machine_event){
                    .kind = BW_SECOND_MACHINE_ANSWERED,
                    .answer = &(struct bw_second_answer){
                        .interval_ms = interval_ms, .limit_ms = limit_ms, .group_count = 1, .groups = &group}});
}

static unsigned warnings(void)
{
    return world.asked[BW_SECOND_MACHINE_WARN];
}

/* So many come between the two instants, woken as it wants to be. */
static unsigned warned_between(uint64_t from_ms, uint64_t to_ms)
{
    const unsigned before = warnings();

    for (uint64_t at = from_ms; at <= to_ms; at = bw_second_machine_wake_at(&world.machine).boot_ns / MS)
        wake_at(at > world.now_ms ? at : world.now_ms + 1);
    return warnings() - before;
}

static void one_that_begins_without_its_agent_warns_as_often_as_it_was_told_to_ask(void **state)
{
    (void)state;
    begin_with((struct bw_second_mirror){.epoch = 0});
    wake_at(1000);
    answered_at(1010, (struct bw_second_lease){.epoch = 8, .left_ns = END_MS * MS, .fence_ns = FENCE_MS * MS},
                TERMS_MS, LIMIT_MS);
    assert_int_equal(world.memory.interval_ms, TERMS_MS); /* durable with the epoch */
    begin_of(world.memory, (struct bw_second_mirror){.epoch = 0}); /* another process, without its agent */
    assert_in_range(warned_between(1000, 2000), 9, 11);
    assert_int_equal(world.warned_limit_ms, LIMIT_MS);
}

/* 3.9: whoever holds its key. Three times that limit is more than there are numbers for, and ended the process. */
static void an_agent_names_no_pace_that_no_spec_may_have(void **state)
{
    (void)begin(state);
    wake_at(1000);
    answered_at(1010, (struct bw_second_lease){.epoch = 8, .left_ns = END_MS * MS, .fence_ns = FENCE_MS * MS},
                UINT32_MAX, 0x60000000);
    assert_int_equal(world.memory.epoch, 8);
    assert_int_equal(world.memory.interval_ms, 60000);
    assert_int_equal(world.memory.limit_ms, 60000);
    wake_at(1010 + 60000);
    assert_int_equal(world.asked[BW_SECOND_MACHINE_ASK], 2);
    assert_int_equal(world.asked_limit_ms, 60000);
}

/* Of a file that has none: as often as any spec may want it. */
static void what_was_not_kept_is_the_shortest_that_there_may_be(void **state)
{
    (void)state;
    begin_with((struct bw_second_mirror){.epoch = 0});
    assert_in_range(warned_between(1000, 2000), 45, 51);
}

/* The agent answers, so that nobody is asked soon: it knows nothing of the epoch, and of no terms. */
static void an_agent_made_anew_slows_no_warning(void **state)
{
    (void)state;
    (void)begin(state);
    world.machine.groups[0].second.memory.interval_ms = TERMS_MS;
    wake_at(1000);
    answered_at(1010, (struct bw_second_lease){.epoch = 0}, 1000, 1000);
    assert_in_range(warned_between(END_MS - FENCE_MS, END_MS - FENCE_MS + 1000), 9, 12);
}

/* The one before it may have begun to fence, and have warned. */
static void where_its_window_has_come_meanwhile_it_warns_at_once(void **state)
{
    (void)state;
    begin_with((struct bw_second_mirror){.epoch = 7, .fence_ns = FENCE_MS * MS, .end = {1500 * MS, 1500 * MS}});
    wake_at(1000);
    assert_int_equal(warnings(), 1);
}

/* ---- its mirror (3.4) --------------------------------------------------------------------------------- */

static void what_is_over_is_in_its_mirror_no_more(void **state)
{
    (void)begin(state);
    wake_at(1000);
    answered_at(1010, (struct bw_second_lease){.over_epoch = 7}, 1000, 1000);
    assert_int_equal(world.mirror.epoch, 7); /* until that is durable: the file has it open */
    step_at(1020, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_SAVED, .ok = true});
    assert_int_equal(world.mirrored_epoch, 0);
}

/* It ended before it had written that, or is of a release that did not. */
static void what_was_over_when_it_began_is_not_left_there(void **state)
{
    (void)state;
    begin_of((struct bw_second_memory){.epoch = 7, .is_over = true, .fence_ns = FENCE_MS * MS},
             (struct bw_second_mirror){.epoch = 7, .fence_ns = FENCE_MS * MS, .end = {END_MS * MS, END_MS * MS}});
    wake_at(1000);
    assert_int_equal(world.mirrored_epoch, 0);
}

static void it_hears_of_which_cluster_its_agent_is(void **state)
{
    struct bw_second_answer_group group = {
        .name = "db", .lease = {.epoch = 8, .left_ns = END_MS * MS, .fence_ns = FENCE_MS * MS}};
    const struct bw_second_answer answer = {.cluster_id = {{3}}, .group_count = 1, .groups = &group};

    (void)begin(state);
    wake_at(1000);
    step_at(1010, &(struct bw_second_machine_event){.kind = BW_SECOND_MACHINE_ANSWERED, .answer = &answer});
    assert_true(bw_id_equal(world.memory.cluster_id, answer.cluster_id));
    assert_true(bw_id_equal(world.mirror.cluster_id, answer.cluster_id));
}

/* Short of processes, and slow: it goes on, and fences once it can. */
static void what_it_cannot_begin_it_tries_again_however_long_that_takes(void **state)
{
    (void)state;
    world.refusal_ms = 1000;
    wake_at(1000);
    assert_true(world.asked[BW_SECOND_MACHINE_LOOK] > 1);
    assert_true(bw_second_machine_wake_at(&world.machine).boot_ns <= (world.now_ms + 100) * MS);
    wake_at(END_MS - FENCE_MS); /* the window comes while the end of a look is not told yet */
    assert_int_equal(world.asked[BW_SECOND_MACHINE_KILL_LOOK], 0);
    world.refusal_ms = 0;
    for (int i = 0; i < 20 && !world.fence_runs; i++)
        wake_at(world.now_ms + 100);
    assert_true(world.fence_runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_look_that_runs_as_the_window_comes_is_killed, begin),
        cmocka_unit_test_setup(one_that_has_ended_when_the_window_comes_is_not, begin),
        cmocka_unit_test_setup(what_it_cannot_begin_it_tries_again_however_long_that_takes, begin),
        cmocka_unit_test_setup(its_fence_is_looked_at_and_run_again_until_the_end_is_seen, begin),
        cmocka_unit_test(what_is_over_is_in_its_mirror_no_more),
        cmocka_unit_test(what_was_over_when_it_began_is_not_left_there),
        cmocka_unit_test(it_hears_of_which_cluster_its_agent_is),
        cmocka_unit_test(while_nobody_tells_it_the_deadline_it_warns),
        cmocka_unit_test(one_that_begins_without_its_agent_warns_as_often_as_it_was_told_to_ask),
        cmocka_unit_test(an_agent_names_no_pace_that_no_spec_may_have),
        cmocka_unit_test(what_was_not_kept_is_the_shortest_that_there_may_be),
        cmocka_unit_test(an_agent_made_anew_slows_no_warning),
        cmocka_unit_test(where_its_window_has_come_meanwhile_it_warns_at_once),
        cmocka_unit_test_setup(what_it_warns_of_is_passed_on_to_whoever_leads, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
