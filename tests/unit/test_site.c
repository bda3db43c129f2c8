/* site: orders, renewals, giving back, adopting, the standby check (design 3.2, 3.4-3.9, 4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include <breakwater/core/site.h>

#define MS BW_NS_PER_MS
#define TTL_MS 10000
#define FENCE_MS 2000

struct world {
    struct bw_site site;
    uint64_t now_ms;
    bool save_fails;
    char log[8192]; /* what the newest event asked for: "SAVE SEND:arm SYNC ..." */
    struct bw_guard_message sent; /* newest arm */
    struct bw_guard_message sent_run; /* newest RUN of an action */
    struct bw_guard_message sent_look; /* newest RUN of an observation */
    struct bw_fence_plan fence; /* of the newest OWN_FENCE */
    uint64_t index; /* log index of the newest order */
};

static const struct bw_id instance_a = {{1}};
static const struct bw_id instance_b = {{2}};
static const struct bw_id this_boot = {{3}};
static const struct bw_id last_boot = {{4}};

static struct bw_instant at_ms(uint64_t ms)
{
    return (struct bw_instant){ms * MS, ms * MS};
}

static void note(struct world *world, const char *text)
{
    const size_t used = strlen(world->log);

    (void)snprintf(world->log + used, sizeof world->log - used, "%s ", text);
}

static void note_message(struct world *world, const struct bw_guard_message *message)
{
    char text[64];

    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARM:
        world->sent = *message;
        note(world, "ARM");
        return;
    case BW_GUARD_MESSAGE_END:
        note(world, "END");
        return;
    case BW_GUARD_MESSAGE_LET_GO:
        note(world, "LET_GO");
        return;
    default:
        break;
    }
    (void)snprintf(text, sizeof text, "RUN:%s", bw_action_word(message->run.action));
    note(world, text);
    if (bw_action_is_action(message->run.action))
        world->sent_run = *message;
    else
        world->sent_look = *message;
}

static void step(struct world *world, const struct bw_site_event *event)
{
    struct bw_site_actions out;

    bw_site_step(&world->site, event, at_ms(world->now_ms), &out);
    for (uint32_t i = 0; i < out.count; i++) {
        const struct bw_site_action *action = &out.list[i];

        switch (action->kind) {
        case BW_SITE_ACTION_SAVE:
            note(world, "SAVE");
            step(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_SAVED,
                                                .ok = !world->save_fails});
            break;
        case BW_SITE_ACTION_SEND:
            note_message(world, &action->message);
            break;
        case BW_SITE_ACTION_SYNC_NOW:
            note(world, "SYNC");
            break;
        case BW_SITE_ACTION_READ_MIRROR:
            note(world, "READ_MIRROR");
            break;
        case BW_SITE_ACTION_OWN_FENCE:
            note(world, "OWN_FENCE");
            world->fence = action->fence;
            break;
        case BW_SITE_ACTION_TRACE:
            break;
        }
    }
}

static void happen(struct world *world, const struct bw_site_event *event)
{
    world->log[0] = '\0';
    step(world, event);
}

static void tick_at(struct world *world, uint64_t ms)
{
    world->now_ms = ms;
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_TICK});
}

static void order(struct world *world, enum bw_order_kind kind, uint64_t epoch)
{
    struct bw_order of = {.kind = kind,
                          .index = ++world->index,
                          .epoch = epoch,
                          .spec_version = 1,
                          .instance = instance_a,
                          .restart_allowed = true,
                          .terms = {.ttl_ms = TTL_MS,
                                    .fence_ms = FENCE_MS,
                                    .request_timeout_ms = 1000,
                                    .renew_interval_ms = 1000}};

    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
}

static void confirm(struct world *world, uint64_t epoch, uint64_t sent_ms)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_CONFIRMED,
                                          .epoch = epoch,
                                          .number = sent_ms,
                                          .sent = at_ms(sent_ms)});
}

static void from_guard(struct world *world, const struct bw_guard_message *message)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_MESSAGE,
                                          .message = message});
}

/* The guard acknowledges the newest arm. */
static void armed(struct world *world)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARMED, .epoch = world->sent.epoch};

    assert_int_equal(world->sent.kind, BW_GUARD_MESSAGE_ARM);
    of.armed.number = world->sent.arm.number;
    of.armed.end = world->sent.arm.end;
    from_guard(world, &of);
}

static void ended(struct world *world, const struct bw_guard_message *of_run,
                  enum bw_run_result result, const char *line)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = of_run->run.epoch};

    of.ended.epoch = of_run->run.epoch;
    of.ended.action = of_run->run.action;
    of.ended.run_id = of_run->run.run_id;
    of.ended.result = result;
    (void)snprintf(of.ended.line, sizeof of.ended.line, "%s", line);
    (void)snprintf(of.ended.tail, sizeof of.ended.tail, "%s", line);
    from_guard(world, &of);
}

/* Ticks, `ms` apart, until a look at `action` is asked for, and answers it. */
static void look(struct world *world, enum bw_action_kind action, enum bw_run_result result,
                 const char *line)
{
    for (int i = 0; i < 100 && !(world->site.observation[action].running); i++) {
        for (int other = 0; other < BW_ACTION_COUNT; other++)
            if (world->site.observation[other].running && other != (int)action)
                ended(world, &world->sent_look, BW_RUN_OK, "");
        if (!world->site.observation[action].running)
            tick_at(world, world->now_ms + 100);
    }
    assert_true(world->site.observation[action].running);
    ended(world, &world->sent_look, result, line);
}

static void status(struct world *world, const char *word)
{
    look(world, BW_ACTION_STATUS, BW_RUN_OK, word);
}

static void guard_state(struct world *world, const struct bw_guard_state *of)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_STATE, .state = of});
}

static void guard_lost(struct world *world)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_GUARD_LOST});
}

static const struct bw_site_limits limits = {
    .check_interval_ns = 1000 * MS,
    .failure_threshold = 3,
    .local_restarts = 1,
    .has_script = {[BW_ACTION_START] = true,
                   [BW_ACTION_STOP] = true,
                   [BW_ACTION_STATUS] = true,
                   [BW_ACTION_READINESS] = true},
    .timeout_ns = {[BW_ACTION_START] = 3000 * MS,
                   [BW_ACTION_STOP] = 3000 * MS,
                   [BW_ACTION_STATUS] = 1000 * MS},
};

static void begin_with(struct world *world, const struct bw_site_memory *memory)
{
    memset(world, 0, sizeof *world);
    world->now_ms = 100000;
    world->index = 10;
    bw_site_init(&world->site, "g", instance_a, this_boot, &limits, memory,
                 at_ms(world->now_ms));
}

/* A site that stands by: greeted by its guard, its service seen stopped. */
static void begin(struct world *world)
{
    const struct bw_site_memory memory = {0};

    begin_with(world, &memory);
    guard_state(world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP, .reach_proved = true});
    status(world, "stopped");
}

/* ... that was granted epoch 1 and has its first lease, sent at now. */
static void begin_leased(struct world *world)
{
    begin(world);
    order(world, BW_ORDER_RUN, 1);
    confirm(world, 1, world->now_ms);
    armed(world);
}

static void begin_serving(struct world *world)
{
    begin_leased(world);
    assert_int_equal(world->sent_run.run.action, BW_ACTION_START);
    ended(world, &world->sent_run, BW_RUN_OK, "");
    status(world, "started");
    assert_int_equal(world->site.tenure, BW_TENURE_SERVING);
}

static bool renews(struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return group.renew_epoch != 0;
}

static struct bw_report reported(struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return group.report;
}

static struct bw_released released(struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return group.released;
}

static void assert_asked(const struct world *world, const char *what)
{
    if (strstr(world->log, what) == NULL)
        fail_msg("not asked for: %s; was: %s", what, world->log);
}

static void assert_not_asked(const struct world *world, const char *what)
{
    if (strstr(world->log, what) != NULL)
        fail_msg("asked for: %s; was: %s", what, world->log);
}

/* ---- accepting (3.4, start order) ----------------------------------------------------------- */

static void epoch_is_durable_before_it_is_renewed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    world.save_fails = true;

    order(&world, BW_ORDER_RUN, 1);
    assert_false(renews(&world));
    world.save_fails = false;
    tick_at(&world, world.now_ms + 500);

    assert_true(renews(&world));
}

static void order_of_a_lower_index_never_replaces_a_higher(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    world.index -= 2;

    order(&world, BW_ORDER_STAND_BY, 1);

    assert_int_equal(world.site.tenure, BW_TENURE_WAITING);
    assert_false(world.site.over);
}

static void grant_of_another_instance_is_not_ours(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_RUN, .index = 99, .epoch = 1, .instance = instance_b};

    (void)state;
    begin(&world);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_false(renews(&world));
}

static void start_waits_for_the_first_confirmed_renewal(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    confirm(&world, 1, world.now_ms);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE); /* not acknowledged by the guard */

    armed(&world);

    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
}

static void unknown_status_starts_nothing(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    look(&world, BW_ACTION_STATUS, BW_RUN_FAILED, "stopped");
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);

    status(&world, "wat");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

static void service_that_runs_is_adopted_without_a_script(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    status(&world, "started");
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);

    armed(&world);

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* ---- renewals and the lease (3.2) ----------------------------------------------------------- */

static void arm_carries_the_instant_before_sending(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    world.now_ms += 700;

    confirm(&world, 1, world.now_ms - 700);

    assert_int_equal(world.sent.arm.end.boot_ns, at_ms(world.now_ms - 700 + TTL_MS).boot_ns);
}

static void confirmation_of_another_epoch_arms_nothing(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);

    confirm(&world, 1, world.now_ms);

    assert_not_asked(&world, "ARM");
}

static void site_without_guard_renews_nothing(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    assert_true(renews(&world));

    guard_lost(&world);

    assert_false(renews(&world));
}

static void guard_that_does_not_answer_an_arm_in_time_stops_renewals(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);

    tick_at(&world, world.now_ms + 1000);

    assert_false(renews(&world));
}

static void arm_refused(struct world *world)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_ARM_REFUSED, .epoch = 1};

    assert_int_equal(world->sent.kind, BW_GUARD_MESSAGE_ARM);
    of.refused.number = world->sent.arm.number;
    of.refused.why = BW_REFUSAL_NOT_DURABLE;
    from_guard(world, &of);
}

static bool alarms_not_durable(struct world *world)
{
    struct bw_sync_group group;

    bw_site_sync_get(&world->site, at_ms(world->now_ms), &group);
    return (group.report.alarms & 1u << BW_ALARM_STATE_NOT_DURABLE) != 0;
}

/* 3.4, 4: otherwise the epoch is held for ever by a site that can never start it. */
static void epoch_that_the_guard_cannot_keep_is_renewed_for_a_while_only(void **state)
{
    const struct bw_guard_message ended_1 = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    for (int second = 0; second < 5; second++) {
        confirm(&world, 1, world.now_ms);
        arm_refused(&world);
        assert_true(alarms_not_durable(&world));
        assert_true(renews(&world)); /* it may work again */
        tick_at(&world, world.now_ms + 1000);
    }

    assert_false(renews(&world));

    from_guard(&world, &ended_1);
    assert_false(alarms_not_durable(&world));
}

static void guard_that_can_keep_the_epoch_after_all_arms_it(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    arm_refused(&world);
    tick_at(&world, world.now_ms + 1000);
    confirm(&world, 1, world.now_ms);
    armed(&world);

    assert_false(alarms_not_durable(&world));
    tick_at(&world, world.now_ms + 5000);
    assert_true(renews(&world));
}

static void nothing_is_renewed_once_the_fence_has_begun(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};

    (void)state;
    begin_serving(&world);

    from_guard(&world, &of);

    assert_false(renews(&world));
    world.now_ms += 1000;
    confirm(&world, 1, world.now_ms); /* on its way when the fence began */
    assert_not_asked(&world, "ARM");
}

/* The guard could not keep that the epoch has ended, and somebody has started the service since: the
 * stop that follows is no planned one (3.4). */
static void stop_after_a_fence_does_not_renew(void **state)
{
    struct world world;
    const struct bw_guard_message begun = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};
    const struct bw_guard_message ended = {
        .kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1, .fence.ok = true};
    const struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_END_REFUSED,
                                             .epoch = 1,
                                             .refused.why = BW_REFUSAL_NOT_STOPPED};

    (void)state;
    begin_serving(&world);
    from_guard(&world, &begun);
    from_guard(&world, &ended);

    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    assert_false(renews(&world));
    world.now_ms += 1000;
    confirm(&world, 1, world.now_ms); /* on its way when the fence began */
    assert_not_asked(&world, "ARM");
}

/* H12: an event of an older epoch silences nothing. */
static void fence_events_of_another_epoch_do_not_count(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);
    of.fence.ok = true;

    from_guard(&world, &of);

    assert_false(world.site.fence_ok_read);
    assert_true(renews(&world));
}

/* ---- final refusals (3.2.3) ------------------------------------------------------------------ */

static void epoch_that_is_over_is_stopped_at_once_and_not_renewed(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);

    order(&world, BW_ORDER_STAND_BY, 1);

    assert_asked(&world, "RUN:stop");
    assert_false(renews(&world));
}

static void closed_epoch_is_stopped_and_not_renewed(void **state)
{
    struct world world;
    struct bw_order of;

    (void)state;
    begin_serving(&world);
    of = world.site.order;
    of.kind = BW_ORDER_STOP;
    of.closed = true;
    of.index = ++world.index;

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_asked(&world, "RUN:stop");
    assert_false(renews(&world));
}

static void revoked_epoch_is_stopped_while_renewals_go_on(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);

    order(&world, BW_ORDER_STOP, 1);

    assert_asked(&world, "RUN:stop");
    assert_true(renews(&world));
}

/* ---- the agent's own fence (3.4) --------------------------------------------------------------- */

/* 3.2.4: TERM and KILL at the guard's instants before D. */
static void assert_fenced_by(const struct world *world, uint64_t d_ms)
{
    const struct bw_fence_plan plan = bw_lease_plan_fence(at_ms(d_ms), FENCE_MS * MS);

    assert_memory_equal(&world->fence, &plan, sizeof plan);
}

static void agent_fences_by_itself_a_quarter_into_the_window(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    tick_at(&world, d - FENCE_MS + FENCE_MS / 4 - 1);
    assert_not_asked(&world, "OWN_FENCE");

    tick_at(&world, d - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, d);
}

/* Its failure changes no instant: of the next one too everything is killed by D. */
static void own_fence_that_is_tried_again_is_to_be_over_by_the_same_d(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    tick_at(&world, d - FENCE_MS / 2);
    happen(&world, &(struct bw_site_event){
                       .kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = false});

    tick_at(&world, d + 60000);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, d);
}

/* H6: whatever it thinks of its guard. fence_begun alone is no fence_ended(ok). */
static void fence_that_was_only_begun_does_not_stop_the_agents_own(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_BEGUN, .epoch = 1};

    (void)state;
    begin_serving(&world);
    from_guard(&world, &of);

    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);

    assert_asked(&world, "OWN_FENCE");
}

static void fence_of_the_guard_that_was_read_replaces_the_agents_own(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    of.fence.ok = true;
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_FENCE_BEGUN,
                                                  .epoch = 1});
    from_guard(&world, &of);
    assert_asked(&world, "END");

    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - 1);

    assert_not_asked(&world, "OWN_FENCE");
}

/* H9: the guard took an arm whose answer was never read. */
static void without_its_guard_d_is_the_latest_end_ever_sent(void **state)
{
    struct world world;
    uint64_t first_d;

    (void)state;
    begin_serving(&world);
    first_d = world.site.arm_sent_end.boot_ns / MS;
    world.now_ms += 3000;
    confirm(&world, 1, world.now_ms);
    guard_lost(&world);

    tick_at(&world, first_d - FENCE_MS / 2);
    assert_not_asked(&world, "OWN_FENCE");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    tick_at(&world, first_d + 1);

    assert_int_equal(released(&world).epoch, 0); /* not before the later D */
}

static void without_its_guard_a_site_gives_back_only_after_d(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    d = world.site.arm_sent_end.boot_ns / MS;
    guard_lost(&world);
    tick_at(&world, d - FENCE_MS / 2);
    assert_asked(&world, "OWN_FENCE");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    tick_at(&world, d - 1);
    assert_int_equal(released(&world).epoch, 0);

    tick_at(&world, d + 1);

    assert_int_equal(released(&world).epoch, 1);
}

/* Found with PostgreSQL: the guard that came back took the lease for live, and refused the rejoin. */
static void what_was_given_back_without_its_guard_is_ended_there_too(void **state)
{
    const struct bw_guard_state back = {.reach = BW_REACH_CGROUP,
                                        .reach_proved = true,
                                        .enforced = true,
                                        .epoch_seen = 1,
                                        .armed_epoch = 1,
                                        .armed_instance = instance_a,
                                        .fence_begun = true,
                                        .fence_ended = true,
                                        .fence_ok = true};
    const struct bw_guard_message ended_there = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_lost(&world);
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS + 1);
    assert_int_equal(released(&world).epoch, 1);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});

    guard_state(&world, &back);
    assert_asked(&world, "END");
    assert_not_asked(&world, "rejoin");
    from_guard(&world, &ended_there);

    assert_asked(&world, "rejoin");
}

/* Found on real processes: a guard that is stopped keeps its connection, and says nothing. What it saw
 * last is not so any more, and nobody waits for its ended(e) beyond D (3.3, 3.4, 3.5). */
static void beside_a_silent_guard_a_site_gives_back_after_d(void **state)
{
    struct world world;
    uint64_t d;

    (void)state;
    begin_serving(&world);
    world.now_ms += 500;
    confirm(&world, 1, world.now_ms); /* the arm is not answered */
    d = world.site.arm_sent_end.boot_ns / MS;
    tick_at(&world, d - FENCE_MS / 2);
    assert_asked(&world, "OWN_FENCE");
    assert_int_equal(reported(&world).service, BW_SERVICE_STARTED);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    assert_int_equal(reported(&world).service, BW_SERVICE_UNKNOWN);
    assert_true(reported(&world).has_fence_or_stop_succeeded);
    tick_at(&world, d - 1);
    assert_int_equal(released(&world).epoch, 0);
    tick_at(&world, d + 1);

    assert_int_equal(released(&world).epoch, 1);
}

/* Found by the world of one site: H12 holds for the agent's own fence too. */
static void own_fence_of_an_older_epoch_does_not_count(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 2);
    confirm(&world, 2, world.now_ms);
    armed(&world);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    guard_lost(&world);
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);

    assert_asked(&world, "OWN_FENCE");
}

static void own_fence_that_failed_is_reported_and_nothing_is_given_back(void **state)
{
    struct world world;
    struct bw_sync_group group;

    (void)state;
    begin_serving(&world);
    guard_lost(&world);
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = false});
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS + 1);

    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);

    assert_true(group.report.fence_failed);
    assert_int_equal(group.report.fence_epoch, 1);
    assert_int_equal(group.released.epoch, 0);
}

/* The guard took the last arm with it, and comes back before D: with nothing armed it fences nothing,
 * and has no end to tell of. */
static void own_fence_that_the_guard_slept_through_leads_to_the_end_of_the_epoch(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    guard_lost(&world);
    tick_at(&world, world.site.arm_sent_end.boot_ns / MS - FENCE_MS / 2);
    assert_asked(&world, "OWN_FENCE");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});

    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});

    assert_asked(&world, "END");
}

/* 3.3: `unknown` counts as stopped after a stop that was seen; `started` since then means that it is
 * not so any more. */
static void unknown_counts_as_stopped_only_until_started_is_seen(void **state)
{
    struct world world;
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    of.fence.ok = true;
    from_guard(&world, &(struct bw_guard_message){.kind = BW_GUARD_MESSAGE_FENCE_BEGUN,
                                                  .epoch = 1});
    from_guard(&world, &of);
    status(&world, "unknown");
    assert_true(reported(&world).has_fence_or_stop_succeeded);

    status(&world, "started");
    status(&world, "unknown");

    assert_false(reported(&world).has_fence_or_stop_succeeded);
}

/* 3.9, H13, H15: what a look saw it may have seen as soon as it began. */
static void an_observation_is_as_old_as_its_beginning(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    for (int i = 0; i < 100 && !world.site.observation[BW_ACTION_STATUS].running; i++) {
        if (world.site.observation[BW_ACTION_READINESS].running)
            ended(&world, &world.sent_look, BW_RUN_OK, "");
        else
            tick_at(&world, world.now_ms + 100);
    }
    world.now_ms += 700;
    ended(&world, &world.sent_look, BW_RUN_OK, "stopped");

    assert_int_equal(reported(&world).service_age_ms, 700);
}

/* ---- restarts (3.7) ----------------------------------------------------------------------------- */

static const struct bw_site_memory held = {
    .epoch = 1,
    .boot_id = {{3}},
    .start_begun = true,
    .enforced = true,
    .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS, .request_timeout_ms = 1000},
};

static void restarted_agent_adopts_what_its_guard_has_armed(void **state)
{
    struct world world;
    const struct bw_guard_state of = {.armed_epoch = 1,
                                      .armed_instance = {{1}},
                                      .armed_end = {105000 * MS, 105000 * MS},
                                      .enforced = true};

    (void)state;
    begin_with(&world, &held);
    guard_state(&world, &of);
    assert_true(renews(&world));

    status(&world, "started");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* 4: a rejoin elsewhere waits for "verified", which the agent before may have known. */
static void what_was_adopted_is_verified_while_it_serves(void **state)
{
    struct world world;
    const struct bw_guard_state of = {.armed_epoch = 1,
                                      .armed_instance = {{1}},
                                      .armed_end = {105000 * MS, 105000 * MS},
                                      .enforced = true};

    (void)state;
    begin_with(&world, &held);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    guard_state(&world, &of);
    status(&world, "started");
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_false(reported(&world).verified);

    look(&world, BW_ACTION_VERIFY, BW_RUN_FAILED, "");
    assert_false(reported(&world).verified);
    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    for (int i = 0; i < 20 && !world.site.observation[BW_ACTION_VERIFY].running; i++) {
        tick_at(&world, world.now_ms + 100);
        if (world.sent_look.run.action != BW_ACTION_VERIFY)
            ended(&world, &world.sent_look, BW_RUN_OK, "started");
    }
    look(&world, BW_ACTION_VERIFY, BW_RUN_OK, "");
    assert_true(reported(&world).verified);
}

static void restarted_agent_without_its_guard_reads_the_mirror(void **state)
{
    struct world world;

    (void)state;
    begin_with(&world, &held);

    guard_lost(&world);
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                           .ok = true,
                                           .mirror_epoch = 1,
                                           .mirror_end = at_ms(104000)});
    tick_at(&world, 104000 - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, 104000);
}

/* H10: no deadline is known: it fences at once, as if D had passed, and counts a whole TTL. */
static void restarted_agent_without_guard_and_mirror_fences_at_once(void **state)
{
    struct world world;

    (void)state;
    begin_with(&world, &held);
    guard_lost(&world);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ, .ok = false});

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, world.now_ms);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = false});
    tick_at(&world, world.now_ms + 1000); /* nor does a failed one wait for what is not known */
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, world.now_ms);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 1, .ok = true});
    tick_at(&world, 100000 + TTL_MS - 1);
    assert_int_equal(released(&world).epoch, 0);
    tick_at(&world, 100000 + TTL_MS + 1);
    assert_int_equal(released(&world).epoch, 1);
}

/* 3.9: where nothing was ever armed a site reports and does nothing: what runs is not ours yet. */
static void restarted_agent_that_never_armed_fences_nothing(void **state)
{
    struct world world;
    const struct bw_site_memory accepted = {
        .epoch = 1,
        .boot_id = {{3}},
        .adopt = true,
        .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS, .request_timeout_ms = 1000},
    };

    (void)state;
    begin_with(&world, &accepted);
    guard_lost(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ, .ok = false});
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, world.now_ms + TTL_MS + 1);

    assert_not_asked(&world, "OWN_FENCE");
}

/* 3.9, H13: an adoption that ended before it was armed leaves what runs alone. */
static void an_adoption_that_was_never_armed_stops_nothing(void **state)
{
    struct world world;
    const struct bw_order of = {.kind = BW_ORDER_RUN,
                                .index = 20,
                                .epoch = 1,
                                .adopt = true,
                                .adopting = true,
                                .instance = instance_a,
                                .terms = {.ttl_ms = TTL_MS,
                                          .fence_ms = FENCE_MS,
                                          .request_timeout_ms = 1000,
                                          .renew_interval_ms = 1000}};

    (void)state;
    begin(&world);
    status(&world, "started");
    world.index = 20;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_true(renews(&world));

    order(&world, BW_ORDER_STAND_BY, 1);

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_int_equal(released(&world).epoch, 1);
    status(&world, "started");
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* H10, I1: without its guard an agent that lost its state ends what the old instance armed. */
static void newborn_agent_without_its_guard_fences_what_the_old_instance_armed(void **state)
{
    struct world world;
    const struct bw_site_memory newborn = {0};
    const struct bw_site_event mirror = {.kind = BW_SITE_EVENT_MIRROR_READ,
                                         .mirror_epoch = 7,
                                         .mirror_end = at_ms(104000),
                                         .mirror_fence_ns = FENCE_MS * MS,
                                         .mirror_is_anothers = true};

    (void)state;
    begin_with(&world, &newborn);
    guard_lost(&world);
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &mirror);
    tick_at(&world, 104000 - FENCE_MS);
    assert_asked(&world, "READ_MIRROR"); /* once more at D - F */
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, 104000 - FENCE_MS + FENCE_MS / 4);
    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, 104000);

    happen(&world, &(struct bw_site_event){
                       .kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 7, .ok = false});
    assert_true(reported(&world).fence_failed);
    assert_int_equal(reported(&world).fence_epoch, 7);
    tick_at(&world, world.now_ms + 1000);
    assert_asked(&world, "OWN_FENCE");
    happen(&world, &(struct bw_site_event){
                       .kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = 7, .ok = true});
    tick_at(&world, world.now_ms + 5000);

    assert_not_asked(&world, "OWN_FENCE");
    assert_false(reported(&world).fence_failed);
    assert_int_equal(released(&world).epoch, 0); /* it is not this instance's to give back */
}

/* Two agents of one site; the one that served dies, then the guard. */
static void agent_whose_epoch_is_over_fences_what_another_instance_armed(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {.epoch = 3,
                                          .boot_id = this_boot,
                                          .given_back = true,
                                          .enforced = true,
                                          .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    struct bw_site_event mirror = {.kind = BW_SITE_EVENT_MIRROR_READ,
                                   .mirror_epoch = 7,
                                   .mirror_end = at_ms(104000),
                                   .mirror_fence_ns = FENCE_MS * MS,
                                   .mirror_is_anothers = true};

    (void)state;
    begin_with(&world, &memory);
    guard_lost(&world);
    assert_asked(&world, "READ_MIRROR");
    happen(&world, &mirror);
    tick_at(&world, 104000 - FENCE_MS);
    assert_asked(&world, "READ_MIRROR");
    mirror.mirror_end = at_ms(114000); /* the other one was alive */
    happen(&world, &mirror);
    tick_at(&world, 104000);
    assert_not_asked(&world, "OWN_FENCE");

    tick_at(&world, 114000 - FENCE_MS);
    assert_asked(&world, "READ_MIRROR"); /* in each window */
    tick_at(&world, 114000 - FENCE_MS + FENCE_MS / 4);

    assert_asked(&world, "OWN_FENCE");
    assert_fenced_by(&world, 114000);
}

/* What it gave back is over (3.5), and what was let go is nobody's to end (3.9). */
static void agent_whose_epoch_is_over_leaves_what_is_older_or_let_go(void **state)
{
    struct world world;
    struct bw_site_memory memory = {.epoch = 7,
                                    .boot_id = this_boot,
                                    .given_back = true,
                                    .enforced = true,
                                    .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};
    const struct bw_site_event mirror = {.kind = BW_SITE_EVENT_MIRROR_READ,
                                         .mirror_epoch = 7,
                                         .mirror_end = at_ms(104000),
                                         .mirror_fence_ns = FENCE_MS * MS,
                                         .mirror_is_anothers = true};

    (void)state;
    begin_with(&world, &memory);
    guard_lost(&world);
    happen(&world, &mirror);
    tick_at(&world, 104000);
    assert_not_asked(&world, "OWN_FENCE");

    memory.epoch = 3;
    memory.enforced = false;
    begin_with(&world, &memory);
    guard_lost(&world);
    assert_not_asked(&world, "READ_MIRROR");
    happen(&world, &mirror);
    tick_at(&world, 104000);

    assert_not_asked(&world, "OWN_FENCE");
}

static void newborn_agent_leaves_to_its_guard_what_the_old_instance_armed(void **state)
{
    struct world world;
    const struct bw_site_memory newborn = {0};
    const struct bw_site_event mirror = {.kind = BW_SITE_EVENT_MIRROR_READ,
                                         .mirror_epoch = 7,
                                         .mirror_end = at_ms(104000),
                                         .mirror_fence_ns = FENCE_MS * MS,
                                         .mirror_is_anothers = true};

    (void)state;
    begin_with(&world, &newborn);
    guard_lost(&world);
    happen(&world, &mirror);
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 7,
                                                 .armed_epoch = 7,
                                                 .armed_instance = instance_b,
                                                 .armed_end = at_ms(104000)});
    assert_not_asked(&world, "OWN_FENCE");
    tick_at(&world, 104000 - FENCE_MS / 2);

    assert_not_asked(&world, "OWN_FENCE");
}

/* I1, 3.5: RUN of an Unrevoke comes after the epoch was given back. */
static void a_move_given_up_does_not_revive_what_was_given_back(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=42\n");
    from_guard(&world, &of);
    assert_int_equal(released(&world).epoch, 1);

    order(&world, BW_ORDER_RUN, 1);

    assert_int_equal(released(&world).epoch, 1);
    assert_false(renews(&world));
    status(&world, "stopped");
    assert_not_asked(&world, "RUN:start");
}

static void after_a_reboot_the_epoch_is_given_back_and_not_renewed(void **state)
{
    struct world world;
    struct bw_site_memory memory = held;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    memory.boot_id = last_boot;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});
    assert_false(renews(&world));
    status(&world, "stopped");
    assert_asked(&world, "END");

    from_guard(&world, &of);

    assert_int_equal(released(&world).epoch, 1);
    assert_int_equal(released(&world).reason, BW_REASON_REBOOT);
}

static void service_that_runs_after_a_reboot_is_stopped_first(void **state)
{
    struct world world;
    struct bw_site_memory memory = held;

    (void)state;
    memory.boot_id = last_boot;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true, .epoch_seen = 1});

    status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
}

/* ---- giving back (3.5) ---------------------------------------------------------------------------- */

static void given_back_is_durable_before_released_leaves_and_final(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=42\n");
    assert_asked(&world, "END");
    world.save_fails = true;
    from_guard(&world, &of);
    assert_int_equal(released(&world).epoch, 0);
    world.save_fails = false;

    tick_at(&world, world.now_ms + 500);

    assert_int_equal(released(&world).epoch, 1);
    assert_string_equal(released(&world).position, "42");
    assert_false(renews(&world));
    confirm(&world, 1, world.now_ms);
    assert_not_asked(&world, "ARM");
}

/* I1, 3.5: Released may be on its way, and commit at any moment. */
static void restarted_agent_does_not_take_back_what_was_given_back(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {.epoch = 3,
                                          .boot_id = this_boot,
                                          .given_back = true,
                                          .start_begun = true,
                                          .enforced = true,
                                          .reason = BW_REASON_SWITCHOVER,
                                          .terms = {.ttl_ms = TTL_MS, .fence_ms = FENCE_MS}};

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &(struct bw_guard_state){.enforced = true,
                                                 .epoch_seen = 3,
                                                 .reach = BW_REACH_CGROUP,
                                                 .reach_proved = true});
    status(&world, "stopped");

    order(&world, BW_ORDER_RUN, 3);
    confirm(&world, 3, world.now_ms);

    assert_false(renews(&world));
    assert_not_asked(&world, "ARM");
    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_int_equal(released(&world).epoch, 3);
}

static void stop_that_fails_is_followed_by_the_fence_at_once(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);

    ended(&world, &world.sent_run, BW_RUN_FAILED, "");

    assert_asked(&world, "RUN:fence");
}

static void fence_that_fails_too_holds_the_epoch_and_is_reported(void **state)
{
    struct world world;
    struct bw_sync_group group;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");

    ended(&world, &world.sent_run, BW_RUN_FAILED, "");

    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_true(group.report.fence_failed);
    assert_false(renews(&world));
    assert_int_equal(group.released.epoch, 0);
}

static void failed_start_is_stopped_and_given_back_with_its_reason(void **state)
{
    struct world world;
    const struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};

    (void)state;
    begin_leased(&world);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");

    from_guard(&world, &of);

    assert_int_equal(released(&world).reason, BW_REASON_START_FAILED);
    assert_true(released(&world).past_no_return); /* it may have promoted: nobody knows */
}

static void start_that_never_says_started_has_failed(void **state)
{
    struct world world;

    (void)state;
    begin_leased(&world);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    for (int i = 0; i < 40 && world.site.tenure == BW_TENURE_STARTING; i++) {
        confirm(&world, 1, world.now_ms);
        armed(&world);
        status(&world, "stopped");
        tick_at(&world, world.now_ms + 200);
    }

    assert_int_equal(world.site.ending_reason, BW_REASON_START_FAILED);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
}

/* ---- health (4) ------------------------------------------------------------------------------------- */

static void service_that_is_down_is_restarted_and_then_given_up(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_START);
    assert_int_equal(world.site.restarts_used, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    assert_int_equal(world.site.ending_reason, BW_REASON_SERVICE_DOWN);
}

static void unknown_status_never_counts_as_down(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);

    for (int i = 0; i < 5; i++)
        status(&world, "unknown");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
    assert_true(world.site.alarms & (1u << BW_ALARM_STATUS_UNKNOWN));
}

static void paused_group_is_not_restarted(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    world.site.order.restart_allowed = false;

    for (int i = 0; i < 5; i++)
        status(&world, "stopped");

    assert_int_equal(world.site.tenure, BW_TENURE_SERVING);
}

/* 4: what served under an adopted epoch has to follow too, though no start of ours began. */
static void site_whose_adopted_epoch_is_over_rejoins(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .adopt = true, .given_back = true, .enforced = true};

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});

    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
}

/* 4: until the rejoin has ended its report goes with the older epoch, whatever it has heard of. */
static void report_names_the_epoch_that_its_data_goes_with(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .given_back = true, .enforced = true};

    (void)state;
    begin_with(&world, &memory);
    assert_true(reported(&world).joined_epoch == UINT64_MAX); /* no script */
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    assert_false(reported(&world).rejoining);
    assert_int_equal(reported(&world).joined_epoch, 1);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_true(reported(&world).rejoining);
    assert_int_equal(reported(&world).joined_epoch, 1);

    ended(&world, &world.sent_run, BW_RUN_OK, "");
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_SAVED, .ok = true});

    assert_false(reported(&world).rejoining);
    assert_int_equal(reported(&world).joined_epoch, 2);
}

/* 4: an epoch that it never started takes back nothing of what it wrote before. */
static void site_that_served_owes_its_rejoin_after_an_epoch_without_a_start(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .given_back = true, .enforced = true};
    const struct bw_guard_message ended_there = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 3};

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    status(&world, "stopped");
    order(&world, BW_ORDER_RUN, 3);
    order(&world, BW_ORDER_STOP, 3);
    from_guard(&world, &ended_there);
    assert_int_equal(released(&world).reason, BW_REASON_NEVER_STARTED);
    assert_int_equal(reported(&world).joined_epoch, 1);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 4});

    assert_true(reported(&world).rejoining);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
}

/* 4: what was verified serving may be lost since, and the copy here the last one. */
static void rejoin_begins_only_while_the_other_site_is_heard_to_serve(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .given_back = true, .enforced = true};
    const struct bw_site_event serves = {.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2};
    const struct bw_guard_state back = {.ended_epoch = 1, .epoch_seen = 1};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    order(&world, BW_ORDER_STAND_BY, 2);
    happen(&world, &serves); /* while the guard is away */
    tick_at(&world, world.now_ms + 3000);
    guard_state(&world, &back);
    assert_not_asked(&world, "rejoin");
    assert_true(reported(&world).rejoining);

    happen(&world, &serves);

    assert_asked(&world, "rejoin");
}

/* 3.5, 3.6: the agent died between the guard's ended(e) and its own save. A planned move without the
 * position would wait for a person, and the service that has stopped can still say it. */
static void agent_that_finds_its_epoch_ended_reads_the_position_first(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .enforced = true};
    const struct bw_guard_state after = {.ended_epoch = 1, .epoch_seen = 1, .stop_seen = true};
    const struct bw_guard_message ended_there = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &after);
    assert_int_equal(released(&world).epoch, 0);
    assert_false(renews(&world));
    order(&world, BW_ORDER_STOP, 1);
    world.site.order.reason = BW_REASON_SWITCHOVER;
    guard_lost(&world); /* once more */
    guard_state(&world, &after);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=0/16B3748");
    assert_asked(&world, "END");
    from_guard(&world, &ended_there);

    assert_int_equal(released(&world).epoch, 1);
    assert_string_equal(released(&world).position, "0/16B3748");
    assert_int_equal(released(&world).reason, BW_REASON_SWITCHOVER);
    assert_true(released(&world).past_no_return);
}

static void epoch_found_ended_is_given_back_at_once_where_nothing_knows_a_position(void **state)
{
    const struct bw_guard_state after = {.ended_epoch = 1, .epoch_seen = 1, .stop_seen = true};
    struct bw_site_memory memory = {.epoch = 1, .boot_id = {{3}}, .enforced = true};
    struct world world;

    (void)state;
    begin_with(&world, &memory); /* nothing was ever started */
    guard_state(&world, &after);
    assert_int_equal(world.site.tenure, BW_TENURE_NONE);

    memory.start_begun = true;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_READINESS] = false;
    guard_state(&world, &after);
    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
}

static bool is_too_slow(struct world *world)
{
    return (reported(world).alarms >> BW_ALARM_FENCE_TOO_SLOW & 1) != 0;
}

/* 3.8: a site that cannot keep F says so, by what was measured, until a fence keeps it or F is more. */
static void fence_that_took_longer_than_allowed_is_an_alarm_until_one_keeps_it(void **state)
{
    struct bw_guard_message fenced = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    assert_int_equal(reported(&world).fence_took_ms, 0);
    fenced.fence.ok = true;
    fenced.fence.duration_ms = FENCE_MS;
    from_guard(&world, &fenced);
    assert_int_equal(reported(&world).fence_took_ms, FENCE_MS);
    assert_false(is_too_slow(&world));

    fenced.fence.duration_ms = FENCE_MS + 1;
    from_guard(&world, &fenced);
    assert_true(is_too_slow(&world));
    world.site.order.terms.fence_ms = FENCE_MS + 1;
    assert_false(is_too_slow(&world));
    world.site.order.terms.fence_ms = FENCE_MS;
    assert_true(is_too_slow(&world));

    fenced.fence.ok = false;
    fenced.fence.duration_ms = 0;
    from_guard(&world, &fenced);
    assert_int_equal(reported(&world).fence_took_ms, 1); /* 0: none was measured */
    assert_false(is_too_slow(&world));
}

/* ---- standing by (3.8, 3.9) -------------------------------------------------------------------------- */

static void enforced_site_that_serves_without_a_lease_is_fenced(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_STAND_BY,
                          .index = 50,
                          .epoch = 7,
                          .others_epoch = true,
                          .newest_is_open = true};

    (void)state;
    begin(&world);
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_true(world.site.memory.enforced);
    status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE); /* once may be a coincidence */

    status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_true(world.site.alarms & (1u << BW_ALARM_ROGUE_START));
}

/* 3.4, 3.7: a new instance may not end what the old one armed, and calls no alarm for it. */
static void what_another_instance_has_armed_is_rogue_only_after_its_deadline(void **state)
{
    struct world world;
    const struct bw_guard_state of = {.armed_epoch = 1,
                                      .armed_instance = {{2}},
                                      .armed_end = {105000 * MS, 105000 * MS},
                                      .enforced = true};

    (void)state;
    begin(&world);
    guard_state(&world, &of);
    assert_true(world.site.memory.enforced);
    for (int i = 0; i < 3; i++)
        status(&world, "started");
    assert_true(world.now_ms < 105000);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
    assert_false(world.site.alarms & (1u << BW_ALARM_ROGUE_START));

    tick_at(&world, 105000);
    while (world.sent_run.run.action == BW_ACTION_NONE && world.now_ms < 110000)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_true(world.site.alarms & (1u << BW_ALARM_ROGUE_START));
}

/* Found by the simulator: the guard takes no epoch below the one that a rejoin ran under, and the
 * service that somebody started afterwards was never fenced (3.8). */
static void rogue_after_a_rejoin_is_fenced_with_the_epoch_of_the_rejoin(void **state)
{
    struct world world;
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .adopt = true, .given_back = true, .enforced = true};

    (void)state;
    begin_with(&world, &memory);
    world.site.limits.has_script[BW_ACTION_REJOIN] = true;
    guard_state(&world, &(struct bw_guard_state){.ended_epoch = 1, .epoch_seen = 1});
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_OTHER_SERVES, .epoch = 2});
    assert_int_equal(world.sent_run.run.action, BW_ACTION_REJOIN);
    ended(&world, &world.sent_run, BW_RUN_OK, "");

    for (int i = 0; i < 2; i++)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_FENCE);
    assert_int_equal(world.sent_run.run.epoch, 2);
}

/* Found by the simulator: another instance of this site had held the next epoch meanwhile, and the
 * guard refused the stop of ours for ever: the site stood by no more, and fenced no rogue (3.7). */
static void epoch_that_the_guard_has_outlived_is_given_up_once_it_is_over(void **state)
{
    const struct bw_site_memory memory = {
        .epoch = 1, .boot_id = {{3}}, .start_begun = true, .enforced = true};
    const struct bw_guard_state of = {.epoch_seen = 2, .enforced = true};
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &of);
    order(&world, BW_ORDER_STAND_BY, 2);
    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    refused.ended = (struct bw_guard_run_ended){.epoch = 1,
                                                .action = BW_ACTION_STOP,
                                                .run_id = world.sent_run.run.run_id,
                                                .result = BW_RUN_REFUSED,
                                                .refusal = BW_REFUSAL_OLD_EPOCH};

    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_true(world.site.memory.given_back);
}

static void epoch_that_the_guard_has_outlived_is_not_ended_again(void **state)
{
    const struct bw_site_memory memory = {.epoch = 1, .boot_id = {{3}}, .enforced = true};
    const struct bw_guard_state of = {.epoch_seen = 2, .enforced = true};
    const struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_END_REFUSED,
                                             .epoch = 1,
                                             .refused.why = BW_REFUSAL_OLD_EPOCH};
    struct world world;

    (void)state;
    begin_with(&world, &memory);
    guard_state(&world, &of);
    status(&world, "stopped");
    order(&world, BW_ORDER_STAND_BY, 2);
    assert_asked(&world, "END");

    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_NONE);
    assert_true(world.site.memory.given_back);
}

/* Until committed state says that it is over, a refusal says nothing. */
static void refused_stop_of_an_epoch_that_is_not_over_is_tried_again(void **state)
{
    struct bw_guard_message refused = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 1};
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    assert_int_equal(world.sent_run.run.action, BW_ACTION_STOP);
    refused.ended = (struct bw_guard_run_ended){.epoch = 1,
                                                .action = BW_ACTION_STOP,
                                                .run_id = world.sent_run.run.run_id,
                                                .result = BW_RUN_REFUSED,
                                                .refusal = BW_REFUSAL_OLD_EPOCH};

    from_guard(&world, &refused);

    assert_int_equal(world.site.tenure, BW_TENURE_STOPPING);
    assert_false(world.site.memory.given_back);
}

static void site_that_is_not_enforced_is_never_touched(void **state)
{
    struct world world;

    (void)state;
    begin(&world);

    for (int i = 0; i < 5; i++)
        status(&world, "started");

    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

/* H14: at the adopting site the bit is set by the first armed(e), not by the grant. */
static void adopting_site_is_enforced_by_its_first_armed(void **state)
{
    struct world world;

    (void)state;
    begin(&world);
    order(&world, BW_ORDER_RUN, 1);
    assert_false(world.site.memory.enforced);
    confirm(&world, 1, world.now_ms);

    armed(&world);

    assert_true(world.site.memory.enforced);
}

static void let_go_disarms_and_nothing_is_renewed_or_run(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_LET_GO, .index = 50, .let_go_index = 50, .let_go_epoch = 1};
    struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = 50};

    (void)state;
    begin_serving(&world);
    world.sent_run.run.action = BW_ACTION_NONE;
    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
    assert_asked(&world, "LET_GO");

    from_guard(&world, &done);

    assert_false(world.site.memory.enforced);
    assert_false(renews(&world));
    for (int i = 0; i < 5; i++)
        status(&world, "started");
    assert_int_equal(world.sent_run.run.action, BW_ACTION_NONE);
}

static void let_go_of_another_epoch_ends_ours_first(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_LET_GO, .index = 50, .let_go_index = 50};

    (void)state;
    begin_serving(&world);

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_asked(&world, "RUN:stop");
    assert_not_asked(&world, "LET_GO");
}

static void readiness_lines_are_read_and_lag_is_never_made_smaller(void **state)
{
    struct world world;
    struct bw_sync_group group;

    (void)state;
    begin(&world);

    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "lag_seconds=0.4001\nposition=0/3000060\n");

    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_true(group.report.has_lag);
    assert_int_equal(group.report.lag_ms, 401);
    assert_string_equal(group.report.position, "0/3000060");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "lag_seconds=soon\n");
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_false(group.report.has_lag);
}

/* 4: half of a position is another position. */
static void a_position_beyond_ascii_is_read_whole_or_not_at_all(void **state)
{
    struct world world;
    struct bw_sync_group group;
    char tail[128];

    (void)state;
    begin(&world);

    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=0/3\xc3\xa9""7\n");
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_string_equal(group.report.position, "0/3\xc3\xa9""7");

    (void)snprintf(tail, sizeof tail, "position=%.*s\xc3\xa9\n", BW_POSITION_MAX - 1,
                   "0123456789012345678901234567890123456789012345678901234567890123");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, tail);
    bw_site_sync_get(&world.site, at_ms(world.now_ms), &group);
    assert_string_equal(group.report.position, "");
}

/* 3.6: the order to prepare waits for readiness, and nothing else does; status has its turn then,
 * even if readiness takes longer than the pause between two. */
static void readiness_that_a_switchover_waits_for_goes_first_once(void **state)
{
    struct world world;
    struct bw_order of = {.kind = BW_ORDER_STAND_BY,
                          .index = 20,
                          .epoch = 1,
                          .spec_version = 1,
                          .prepare = true};

    (void)state;
    begin(&world);
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "");

    happen(&world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});

    assert_asked(&world, "RUN:readiness");
    world.now_ms += 5000;
    ended(&world, &world.sent_look, BW_RUN_OK, "position=7\n");
    assert_asked(&world, "RUN:status");
}

static void final_position_goes_before_status(void **state)
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order(&world, BW_ORDER_STOP, 1);
    world.now_ms += 2000; /* status is due too */

    ended(&world, &world.sent_run, BW_RUN_OK, "");

    assert_asked(&world, "RUN:readiness");
    ended(&world, &world.sent_look, BW_RUN_OK, "position=7\n");
    assert_asked(&world, "END");
    assert_asked(&world, "RUN:status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epoch_is_durable_before_it_is_renewed),
        cmocka_unit_test(order_of_a_lower_index_never_replaces_a_higher),
        cmocka_unit_test(grant_of_another_instance_is_not_ours),
        cmocka_unit_test(start_waits_for_the_first_confirmed_renewal),
        cmocka_unit_test(unknown_status_starts_nothing),
        cmocka_unit_test(service_that_runs_is_adopted_without_a_script),
        cmocka_unit_test(arm_carries_the_instant_before_sending),
        cmocka_unit_test(confirmation_of_another_epoch_arms_nothing),
        cmocka_unit_test(site_without_guard_renews_nothing),
        cmocka_unit_test(guard_that_does_not_answer_an_arm_in_time_stops_renewals),
        cmocka_unit_test(epoch_that_the_guard_cannot_keep_is_renewed_for_a_while_only),
        cmocka_unit_test(guard_that_can_keep_the_epoch_after_all_arms_it),
        cmocka_unit_test(nothing_is_renewed_once_the_fence_has_begun),
        cmocka_unit_test(stop_after_a_fence_does_not_renew),
        cmocka_unit_test(fence_events_of_another_epoch_do_not_count),
        cmocka_unit_test(epoch_that_is_over_is_stopped_at_once_and_not_renewed),
        cmocka_unit_test(closed_epoch_is_stopped_and_not_renewed),
        cmocka_unit_test(revoked_epoch_is_stopped_while_renewals_go_on),
        cmocka_unit_test(agent_fences_by_itself_a_quarter_into_the_window),
        cmocka_unit_test(fence_that_was_only_begun_does_not_stop_the_agents_own),
        cmocka_unit_test(fence_of_the_guard_that_was_read_replaces_the_agents_own),
        cmocka_unit_test(without_its_guard_d_is_the_latest_end_ever_sent),
        cmocka_unit_test(without_its_guard_a_site_gives_back_only_after_d),
        cmocka_unit_test(what_was_given_back_without_its_guard_is_ended_there_too),
        cmocka_unit_test(beside_a_silent_guard_a_site_gives_back_after_d),
        cmocka_unit_test(own_fence_of_an_older_epoch_does_not_count),
        cmocka_unit_test(own_fence_that_is_tried_again_is_to_be_over_by_the_same_d),
        cmocka_unit_test(own_fence_that_failed_is_reported_and_nothing_is_given_back),
        cmocka_unit_test(own_fence_that_the_guard_slept_through_leads_to_the_end_of_the_epoch),
        cmocka_unit_test(unknown_counts_as_stopped_only_until_started_is_seen),
        cmocka_unit_test(an_observation_is_as_old_as_its_beginning),
        cmocka_unit_test(restarted_agent_that_never_armed_fences_nothing),
        cmocka_unit_test(an_adoption_that_was_never_armed_stops_nothing),
        cmocka_unit_test(restarted_agent_adopts_what_its_guard_has_armed),
        cmocka_unit_test(what_was_adopted_is_verified_while_it_serves),
        cmocka_unit_test(restarted_agent_without_its_guard_reads_the_mirror),
        cmocka_unit_test(restarted_agent_without_guard_and_mirror_fences_at_once),
        cmocka_unit_test(newborn_agent_without_its_guard_fences_what_the_old_instance_armed),
        cmocka_unit_test(agent_whose_epoch_is_over_fences_what_another_instance_armed),
        cmocka_unit_test(agent_whose_epoch_is_over_leaves_what_is_older_or_let_go),
        cmocka_unit_test(newborn_agent_leaves_to_its_guard_what_the_old_instance_armed),
        cmocka_unit_test(a_move_given_up_does_not_revive_what_was_given_back),
        cmocka_unit_test(after_a_reboot_the_epoch_is_given_back_and_not_renewed),
        cmocka_unit_test(service_that_runs_after_a_reboot_is_stopped_first),
        cmocka_unit_test(given_back_is_durable_before_released_leaves_and_final),
        cmocka_unit_test(restarted_agent_does_not_take_back_what_was_given_back),
        cmocka_unit_test(stop_that_fails_is_followed_by_the_fence_at_once),
        cmocka_unit_test(fence_that_fails_too_holds_the_epoch_and_is_reported),
        cmocka_unit_test(failed_start_is_stopped_and_given_back_with_its_reason),
        cmocka_unit_test(start_that_never_says_started_has_failed),
        cmocka_unit_test(service_that_is_down_is_restarted_and_then_given_up),
        cmocka_unit_test(unknown_status_never_counts_as_down),
        cmocka_unit_test(paused_group_is_not_restarted),
        cmocka_unit_test(rejoin_begins_only_while_the_other_site_is_heard_to_serve),
        cmocka_unit_test(agent_that_finds_its_epoch_ended_reads_the_position_first),
        cmocka_unit_test(
            epoch_found_ended_is_given_back_at_once_where_nothing_knows_a_position),
        cmocka_unit_test(fence_that_took_longer_than_allowed_is_an_alarm_until_one_keeps_it),
        cmocka_unit_test(site_whose_adopted_epoch_is_over_rejoins),
        cmocka_unit_test(site_that_served_owes_its_rejoin_after_an_epoch_without_a_start),
        cmocka_unit_test(report_names_the_epoch_that_its_data_goes_with),
        cmocka_unit_test(enforced_site_that_serves_without_a_lease_is_fenced),
        cmocka_unit_test(what_another_instance_has_armed_is_rogue_only_after_its_deadline),
        cmocka_unit_test(rogue_after_a_rejoin_is_fenced_with_the_epoch_of_the_rejoin),
        cmocka_unit_test(epoch_that_the_guard_has_outlived_is_given_up_once_it_is_over),
        cmocka_unit_test(epoch_that_the_guard_has_outlived_is_not_ended_again),
        cmocka_unit_test(refused_stop_of_an_epoch_that_is_not_over_is_tried_again),
        cmocka_unit_test(site_that_is_not_enforced_is_never_touched),
        cmocka_unit_test(adopting_site_is_enforced_by_its_first_armed),
        cmocka_unit_test(let_go_disarms_and_nothing_is_renewed_or_run),
        cmocka_unit_test(let_go_of_another_epoch_ends_ours_first),
        cmocka_unit_test(readiness_that_a_switchover_waits_for_goes_first_once),
        cmocka_unit_test(final_position_goes_before_status),
        cmocka_unit_test(readiness_lines_are_read_and_lag_is_never_made_smaller),
        cmocka_unit_test(a_position_beyond_ascii_is_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
