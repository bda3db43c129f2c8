/* Stories of a site, each the whole of what its machine asks for: tests/golden/site/STORY.txt holds one
 * event per line and when it wakes next, beneath it, indented, each action with the id of its rule and all
 * that it carries, and after `=` what the site says then, where that has changed.
 * BREAKWATER_GOLDEN=write writes them anew. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "site_shell.h"
#include "story.h"

static struct story story;
static char last_report[1024];
static struct bw_instant wakes_last;

/* ---- telling ---- */

static void tell_message(const struct bw_guard_message *message)
{
    static const char *const kinds[] = {
#define X(name) [BW_GUARD_MESSAGE_##name] = #name,
        BW_GUARD_MESSAGE_LIST(X)
#undef X
    };

    tell(&story, " %s %s epoch=%" PRIu64, kinds[message->kind], message->group, message->epoch);
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARM:
        tell(&story, "/%" PRIu64 " ttl=%u fence=%u number=%" PRIu64, message->arm.epoch,
             message->arm.terms.ttl_ms, message->arm.terms.fence_ms, message->arm.number);
        tell_instant(&story, "begin", message->arm.begin);
        tell_instant(&story, "end", message->arm.end);
        break;
    case BW_GUARD_MESSAGE_RUN:
        tell(&story, "/%" PRIu64 " %s id=%" PRIu64 " reason=%s from=%s to=%s planned=%d digest=%" PRIu64,
             message->run.epoch, bw_action_word(message->run.action), message->run.run_id,
             bw_reason_word(message->run.facts.reason), message->run.facts.previous_site,
             message->run.facts.target_position, message->run.facts.planned,
             message->run.facts.reach_digest);
        break;
    case BW_GUARD_MESSAGE_LET_GO:
        tell(&story, " index=%" PRIu64, message->let_go_index);
        break;
    case BW_GUARD_MESSAGE_ARMED:
        tell_instant(&story, "end", message->armed.end);
        break;
    case BW_GUARD_MESSAGE_RUN_ENDED:
        tell(&story, " %s %s '%.*s'", bw_action_word(message->ended.action),
             bw_run_result_word(message->ended.result),
             (int)strcspn(message->ended.line, "\n"), message->ended.line);
        break;
    case BW_GUARD_MESSAGE_FENCE_ENDED:
        tell(&story, " ok=%d", message->fence.ok);
        break;
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_END_REFUSED:
        tell(&story, " %s", bw_refusal_word(message->refused.why));
        break;
    default:
        break;
    }
}

static void tell_memory(const struct bw_site_memory *memory)
{
    tell(&story, " epoch=%" PRIu64 "%s%s%s%s%s reason=%s position=%s order=%" PRIu64 " let_go=%" PRIu64
         " rejoined=%" PRIu64 " served=%" PRIu64 " fenced=%" PRIu64, memory->epoch,
         memory->given_back ? " given_back" : "", memory->past_no_return ? " past_no_return" : "",
         memory->start_begun ? " start_begun" : "", memory->enforced ? " enforced" : "",
         memory->adopt ? " adopt" : "", bw_reason_word(memory->reason), memory->position,
         memory->order_index, memory->let_go_index, memory->rejoined_epoch, memory->served_epoch,
         memory->fenced_index);
}

static void tell_event(const struct world *world, const struct bw_site_event *event)
{
    static const char *const kinds[] = {
        [BW_SITE_EVENT_TICK] = "tick",
        [BW_SITE_EVENT_ORDER] = "order",
        [BW_SITE_EVENT_CONFIRMED] = "confirmed",
        [BW_SITE_EVENT_SAVED] = "saved",
        [BW_SITE_EVENT_GUARD_STATE] = "guard_state",
        [BW_SITE_EVENT_GUARD_LOST] = "guard_lost",
        [BW_SITE_EVENT_GUARD_MESSAGE] = "guard",
        [BW_SITE_EVENT_MIRROR_READ] = "mirror_read",
        [BW_SITE_EVENT_OWN_FENCE_ENDED] = "own_fence_ended",
        [BW_SITE_EVENT_OTHER_SERVES] = "other_serves",
    };

    tell(&story, "%s", kinds[event->kind]);
    tell_instant(&story, "at", at_ms(world->now_ms));
    if (event->order != NULL)
        tell(&story, " %s epoch=%" PRIu64, bw_order_word(event->order->kind), event->order->epoch);
    if (event->message != NULL)
        tell_message(event->message);
    if (event->epoch != 0)
        tell(&story, " epoch=%" PRIu64, event->epoch);
    if (event->kind == BW_SITE_EVENT_SAVED || event->kind == BW_SITE_EVENT_MIRROR_READ ||
        event->kind == BW_SITE_EVENT_OWN_FENCE_ENDED)
        tell(&story, " ok=%d", event->ok);
    if (event->mirror_epoch != 0) {
        tell(&story, " armed=%" PRIu64 "%s", event->mirror_epoch,
             event->mirror_is_anothers ? " by another" : "");
        tell_instant(&story, "end", event->mirror_end);
    }
}

static void tell_action(const struct world *world, const struct bw_site_action *action)
{
    static const char *const kinds[] = {
        [BW_SITE_ACTION_SAVE] = "save",           [BW_SITE_ACTION_SEND] = "send",
        [BW_SITE_ACTION_SYNC_NOW] = "sync_now",   [BW_SITE_ACTION_READ_MIRROR] = "read_mirror",
        [BW_SITE_ACTION_OWN_FENCE] = "own_fence", [BW_SITE_ACTION_TRACE] = "trace",
    };

    tell(&story, "    %s: %s", action->rule, kinds[action->kind]);
    if (action->kind == BW_SITE_ACTION_SEND)
        tell_message(&action->message);
    if (action->kind == BW_SITE_ACTION_SAVE) {
        tell(&story, " %" PRIu64, action->number);
        tell_memory(&world->site.memory);
    }
    if (action->epoch != 0)
        tell(&story, " epoch=%" PRIu64, action->epoch);
    if (action->kind == BW_SITE_ACTION_OWN_FENCE) {
        tell_instant(&story, "term", action->fence.term_at);
        tell_instant(&story, "kill", action->fence.kill_at);
        tell_instant(&story, "end", action->fence.end);
        tell(&story, "%s%s", action->is_inside ? " inside" : "", action->is_proved ? " proved" : "");
    }
    tell(&story, "\n");
}

/* What the witnesses hear, unless it is what they have heard. */
static void tell_report(const struct world *world)
{
    const struct bw_site *site = &world->site;
    struct bw_sync_group group;
    struct story *const text = &story;
    const size_t begin = text->size;

    bw_site_sync_get(site, at_ms(world->now_ms), &group);
    tell(text, "    = %s %s renews=%" PRIu64 " armed=%" PRIu64 " stop=%" PRIu64 " ready=%" PRIu64,
         bw_tenure_word(site->tenure), bw_service_word(group.report.service), group.renew_epoch,
         group.report.armed_epoch, group.report.stop_begun_epoch, group.report.prepared_index);
    tell(text, "%s%s%s%s%s%s%s%s", group.report.serving_epoch_started ? " started" : "",
         group.report.has_fence_or_stop_succeeded ? " ended" : "",
         group.report.enforced ? " enforced" : "", group.report.guard_alive ? "" : " alone",
         group.report.guard_busy ? " busy" : "", group.report.verified ? " verified" : "",
         group.report.rejoining ? " rejoining" : "", group.report.start_begun ? " start_begun" : "");
    if (group.report.has_lag)
        tell(text, " lag=%" PRIu64, group.report.lag_ms);
    if (group.report.position[0] != '\0')
        tell(text, " position=%s", group.report.position);
    if (group.report.fence_failed)
        tell(text, " fence_failed=%" PRIu64, group.report.fence_epoch);
    if (group.released.epoch != 0)
        tell(text, " released=%" PRIu64 "/%s%s/%s/%" PRIu64, group.released.epoch,
             bw_reason_word(group.released.reason),
             group.released.past_no_return ? "/past_no_return" : "", group.released.position,
             group.released.held_index);
    tell(text, " reach=%s@%" PRIu64, bw_reach_seen_word(group.report.sight.seen),
         group.report.sight.epoch);
    tell(text, "%s%s condition=%d spec=%" PRIu64 " seen=%" PRIu64 " let_go=%" PRIu64 " took=%u",
         group.report.gives_position ? " gives" : "", group.report.ready ? " is_ready" : "",
         (int)group.report.condition, group.report.spec_version, group.report.epoch_seen,
         group.report.let_go_index, group.report.fence_took_ms);
    if (group.report.joined_epoch != UINT64_MAX)
        tell(text, " joined=%" PRIu64, group.report.joined_epoch);
    for (int alarm = 0; alarm < 32; alarm++)
        if ((group.report.alarms >> alarm & 1) != 0)
            tell(text, " !%s", bw_alarm_word((enum bw_alarm)alarm));
    tell(text, "\n");
    if (strcmp(last_report, text->bytes + begin) == 0) {
        text->size = begin;
        text->bytes[begin] = '\0';
    } else {
        assert_true((size_t)snprintf(last_report, sizeof last_report, "%s", text->bytes + begin) <
                    sizeof last_report);
    }
}

static void tell_step(const struct world *world, const struct bw_site_event *event,
                      const struct bw_site_actions *out)
{
    if (event->kind == BW_SITE_EVENT_TICK && out->count == 0 &&
        memcmp(&wakes_last, &out->wake_at, sizeof wakes_last) == 0) {
        tell_report(world);
        return; /* nothing has happened */
    }
    wakes_last = out->wake_at;
    tell_event(world, event);
    tell_instant(&story, "wakes", out->wake_at);
    tell(&story, "\n");
    for (uint32_t i = 0; i < out->count; i++)
        tell_action(world, &out->list[i]);
    tell_report(world);
}

static int listen_to_it(void **state)
{
    (void)state;
    memset(&story, 0, sizeof story);
    last_report[0] = '\0';
    memset(&wakes_last, 0, sizeof wakes_last);
    raw_slow_permille = 0;
    on_site_step = tell_step;
    return 0;
}

static void the_end(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "site/%s%s", name,
                   raw_slow_permille != 0 ? "_by_two_clocks" : "");
    story_ends(&story, path);
}

/* ---- what comes in ---- */

static void guard_says(struct world *world, enum bw_guard_message_kind kind, uint64_t epoch)
{
    const struct bw_guard_message of = {.kind = kind, .epoch = epoch};

    from_guard(world, &of);
}

static void guard_refuses(struct world *world, enum bw_guard_message_kind kind, uint64_t epoch,
                          enum bw_refusal why)
{
    struct bw_guard_message of = {.kind = kind, .epoch = epoch};

    of.refused.why = why;
    from_guard(world, &of);
}

static void guard_has_fenced(struct world *world, uint64_t epoch, bool ok)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_FENCE_ENDED, .epoch = epoch};

    of.fence.ok = ok;
    of.fence.duration_ms = 300;
    from_guard(world, &of);
}

static void mirror(struct world *world, uint64_t epoch, uint64_t end_ms, bool is_anothers)
{
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_MIRROR_READ,
                                          .ok = epoch != 0 && !is_anothers,
                                          .mirror_epoch = epoch,
                                          .mirror_end = at_ms(end_ms),
                                          .mirror_fence_ns = FENCE_MS * MS,
                                          .mirror_is_anothers = is_anothers});
}

static void own_fence_ended(struct world *world, uint64_t epoch, bool ok)
{
    happen(world, &(struct bw_site_event){
                      .kind = BW_SITE_EVENT_OWN_FENCE_ENDED, .epoch = epoch, .ok = ok});
}

/* As it is due: it wakes by itself, so often. */
static void ticks(struct world *world, int count)
{
    for (int i = 0; i < count; i++)
        tick_at(world, world->now_ms + 50);
}

/* The clocks go apart: what is right ends by the first of them, what is waited for by the last. */
static int listen_to_two_clocks(void **state)
{
    (void)listen_to_it(state);
    raw_slow_permille = 20;
    return 0;
}

static void order_with(struct world *world, struct bw_order of)
{
    of.index = ++world->index;
    of.spec_version = 2;
    of.instance = instance_a;
    of.terms = (struct bw_terms){.ttl_ms = TTL_MS,
                                 .fence_ms = FENCE_MS,
                                 .request_timeout_ms = 1000,
                                 .renew_interval_ms = 1000};
    happen(world, &(struct bw_site_event){.kind = BW_SITE_EVENT_ORDER, .order = &of});
}

static void end_of_epoch(struct world *world, uint64_t epoch, enum bw_served served)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_EPOCH_ENDED, .epoch = epoch};

    of.epoch_ended.served = served;
    from_guard(world, &of);
}

/* ---- stories ---- */

static void planned_move(void **state) /* 3.6 */
{
    struct world world;

    (void)state;
    begin(&world);
    order_with(&world, (struct bw_order){.kind = BW_ORDER_RUN,
                                         .epoch = 1,
                                         .position = "0/7",
                                         .previous_site = "dc-b",
                                         .reason = BW_REASON_SWITCHOVER,
                                         .planned = true});
    confirm(&world, 1, world.now_ms);
    confirm(&world, 1, world.now_ms - 1);
    armed(&world);
    guard_says(&world, BW_GUARD_MESSAGE_RUN_BEGUN, 1);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    world.now_ms += 1000;
    confirm(&world, 1, world.now_ms - 200);
    armed(&world);
    order_with(&world, (struct bw_order){
                           .kind = BW_ORDER_STOP, .epoch = 1, .reason = BW_REASON_SWITCHOVER});
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "lag_seconds=1.5\nposition=0/9\n");
    end_of_epoch(&world, 1, BW_SERVED_MAYBE);
    order_with(&world, (struct bw_order){.kind = BW_ORDER_STAND_BY,
                                         .epoch = 2,
                                         .others_epoch = true,
                                         .prepare = true,
                                         .position = "0/a"});
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=0/a\n");
    ticks(&world, 6);
    the_end("planned_move");
}

static void start_that_fails(void **state) /* 4 */
{
    struct world world;

    (void)state;
    begin_leased(&world);
    ended(&world, &world.sent_run, BW_RUN_REFUSED, "");
    ticks(&world, 6);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    ended(&world, &world.sent_run, BW_RUN_KILLED, "");
    ticks(&world, 24);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    ticks(&world, 6);
    guard_refuses(&world, BW_GUARD_MESSAGE_END_REFUSED, 1, BW_REFUSAL_NOT_DURABLE);
    ticks(&world, 6);
    guard_refuses(&world, BW_GUARD_MESSAGE_END_REFUSED, 1, BW_REFUSAL_NOT_STOPPED);
    ticks(&world, 6);
    end_of_epoch(&world, 1, BW_SERVED_NEVER);
    the_end("start_that_fails");
}

/* As long as it can be restarted here it is; then it is given up. */
static void service_that_dies(void **state) /* 3.7 */
{
    struct world world;

    (void)state;
    begin_serving(&world);
    status(&world, "stopped");
    look(&world, BW_ACTION_STATUS, BW_RUN_FAILED, "");
    status(&world, "stopped");
    status(&world, "started");
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    ended(&world, &world.sent_run, BW_RUN_INTERRUPTED, "");
    status(&world, "started");
    for (int i = 0; i < 3; i++)
        status(&world, "stopped");
    ended(&world, &world.sent_run, BW_RUN_TIMED_OUT, "");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    ticks(&world, 24);
    end_of_epoch(&world, 1, BW_SERVED_MAYBE);
    status(&world, "started");
    status(&world, "started");
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "stopped");
    the_end("service_that_dies");
}

static void guard_that_goes(void **state) /* 3.4 */
{
    struct world world;

    (void)state;
    begin_serving(&world);
    guard_lost(&world);
    ticks(&world, 12);
    mirror(&world, 1, world.now_ms + 9500, false);
    tick_at(&world, world.now_ms + 7200);
    while (!(world.site.own_fence == BW_SITE_OWN_FENCE_RUNNING))
        tick_at(&world, world.now_ms + 250);
    own_fence_ended(&world, 2, true);
    while (!(world.site.own_fence == BW_SITE_OWN_FENCE_RUNNING))
        tick_at(&world, world.now_ms + 100);
    own_fence_ended(&world, 1, false);
    ticks(&world, 6);
    own_fence_ended(&world, 1, true);
    while (!world.site.memory.given_back)
        tick_at(&world, world.now_ms + 250);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                 .reach_works = true,
                                                 .epoch_seen = 1,
                                                 .armed_epoch = 1,
                                                 .armed_instance = instance_a,
                                                 .armed_end = at_ms(world.now_ms - 100),
                                                 .start_epoch = 1,
                                                 .served = BW_SERVED_MAYBE});
    ticks(&world, 8);
    the_end("guard_that_goes");
}

static void guard_that_fences(void **state) /* 3.2.4 */
{
    struct world world;

    (void)state;
    begin_serving(&world);
    tick_at(&world, world.now_ms + 5000);
    guard_says(&world, BW_GUARD_MESSAGE_FENCE_BEGUN, 1);
    guard_has_fenced(&world, 1, false);
    ticks(&world, 30);
    status(&world, "started");
    guard_has_fenced(&world, 1, true);
    ticks(&world, 2);
    ended(&world, &world.sent_look, BW_RUN_FAILED, "position=12\nlag_seconds=0\n");
    ended(&world, &world.sent_look, BW_RUN_FAILED, "position=13\nlag_seconds=0\n");
    ticks(&world, 6);
    end_of_epoch(&world, 1, BW_SERVED_MAYBE);
    ticks(&world, 30);
    the_end("guard_that_fences");
}

static void stop_that_fails(void **state) /* 3.5 */
{
    struct world world;

    (void)state;
    begin_serving(&world);
    order_with(&world, (struct bw_order){
                           .kind = BW_ORDER_STOP, .epoch = 1, .held_index = 7, .closed = true});
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    ended(&world, &world.sent_run, BW_RUN_REFUSED, "");
    ticks(&world, 6);
    ended(&world, &world.sent_run, BW_RUN_FAILED, "");
    ticks(&world, 24);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "position=12\n");
    status(&world, "started");
    ticks(&world, 24);
    the_end("stop_that_fails");
}

static void agent_that_begins_anew(void **state) /* 3.4, H10 */
{
    struct world world;

    (void)state;
    begin_with(&world, &held);
    ticks(&world, 4);
    guard_state(&world, &(struct bw_guard_state){.reach = BW_REACH_CGROUP,
                                                 .reach_works = true,
                                                 .enforced = true,
                                                 .epoch_seen = 1,
                                                 .armed_epoch = 1,
                                                 .armed_instance = instance_a,
                                                 .armed_end = at_ms(world.now_ms + 7000),
                                                 .start_epoch = 1,
                                                 .sight = {.seen = BW_REACH_INSIDE, .proved = true, .epoch = 1}});
    status(&world, "started");
    confirm(&world, 1, world.now_ms);
    guard_refuses(&world, BW_GUARD_MESSAGE_ARM_REFUSED, 1, BW_REFUSAL_NOT_DURABLE);
    ticks(&world, 110);
    guard_refuses(&world, BW_GUARD_MESSAGE_ARM_REFUSED, 1, BW_REFUSAL_EPOCH_ENDING);
    guard_lost(&world);
    mirror(&world, 0, 0, false);
    ticks(&world, 10);
    while (!world.site.memory.given_back) {
        if (world.site.own_fence == BW_SITE_OWN_FENCE_RUNNING)
            own_fence_ended(&world, 1, true);
        tick_at(&world, world.now_ms + 250);
    }
    the_end("agent_that_begins_anew");
}

static void agent_without_guard_and_mirror(void **state) /* 3.4, H10 */
{
    struct world world;

    (void)state;
    begin_with(&world, &held);
    guard_lost(&world);
    mirror(&world, 0, 0, false);
    own_fence_ended(&world, 1, true);
    ticks(&world, 4);
    while (!world.site.memory.given_back)
        tick_at(&world, world.now_ms + 1000);
    mirror(&world, 3, world.now_ms + 5000, true);
    mirror(&world, 3, world.now_ms + 6000, true);
    while (world.site.own_fence != BW_SITE_OWN_FENCE_RUNNING)
        tick_at(&world, world.now_ms + 250);
    own_fence_ended(&world, 3, false);
    ticks(&world, 6);
    own_fence_ended(&world, 3, true);
    mirror(&world, 3, world.now_ms + 100, true);
    ticks(&world, 10);
    the_end("agent_without_guard_and_mirror");
}

static void let_go(void **state) /* 3.9 */
{
    struct world world;
    const struct bw_guard_message done = {.kind = BW_GUARD_MESSAGE_LET_GO_DONE, .let_go_index = 40};

    (void)state;
    begin_serving(&world);
    guard_has_fenced(&world, 1, false);
    order_with(&world, (struct bw_order){.kind = BW_ORDER_LET_GO,
                                         .epoch = 1,
                                         .let_go_index = 40,
                                         .let_go_epoch = 1});
    from_guard(&world, &done);
    from_guard(&world, &done);
    status(&world, "started");
    status(&world, "started");
    ticks(&world, 20);
    status(&world, "started");
    guard_state(&world, &(struct bw_guard_state){
                            .reach = BW_REACH_CGROUP, .enforced = true, .epoch_seen = 1});
    status(&world, "started");
    status(&world, "started");
    ended(&world, &world.sent_run, BW_RUN_TIMED_OUT, "");
    status(&world, "stopped");
    ticks(&world, 24);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    ticks(&world, 8);
    the_end("let_go");
}

/* What each look may come to, and when the next one is due. */
static void looks_of_all_kinds(void **state) /* 4, 5.1 */
{
    static const enum bw_run_result none[] = {BW_RUN_REFUSED, BW_RUN_KILLED, BW_RUN_INTERRUPTED};
    static const enum bw_run_result some[] = {BW_RUN_FAILED, BW_RUN_TIMED_OUT, BW_RUN_NOT_STARTED};
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_CONDITION] = true;
    look(&world, BW_ACTION_CONDITION, BW_RUN_OK, "start");
    look(&world, BW_ACTION_CONDITION, BW_RUN_OK, "stop");
    look(&world, BW_ACTION_CONDITION, BW_RUN_FAILED, "start");
    look(&world, BW_ACTION_CONDITION, BW_RUN_FAILED, "stop");
    look(&world, BW_ACTION_CONDITION, BW_RUN_OK, "neither");
    for (size_t i = 0; i < 3; i++) {
        look(&world, BW_ACTION_STATUS, none[i], "started");
        ticks(&world, 3);
        look(&world, BW_ACTION_CONDITION, none[i], "start");
        ticks(&world, 3);
    }
    for (size_t i = 0; i < 3; i++)
        look(&world, BW_ACTION_STATUS, some[i], "stopped");
    status(&world, "stopped");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "lag_seconds=.5\n");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "x=1\nlag_seconds=12.3456 \nposition=a b\n");
    look(&world, BW_ACTION_READINESS, BW_RUN_FAILED, "lag_seconds=0.0010\r\nposition= b\n");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "lag_second=3\npositions=b\n");
    look(&world, BW_ACTION_READINESS, BW_RUN_OK, "lag_seconds=3x\n");
    the_end("looks_of_all_kinds");
}

static void start_that_is_verified(void **state) /* 4 */
{
    struct world world;

    (void)state;
    begin(&world);
    world.site.limits.has_script[BW_ACTION_VERIFY] = true;
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    ticks(&world, 4);
    ended(&world, &world.sent_run, BW_RUN_OK, "");
    status(&world, "started");
    look(&world, BW_ACTION_VERIFY, BW_RUN_FAILED, "");
    ticks(&world, 4);
    status(&world, "started");
    look(&world, BW_ACTION_VERIFY, BW_RUN_OK, "");
    ticks(&world, 25);
    the_end("start_that_is_verified");
}

static void disk_that_fails(void **state) /* 3.4 */
{
    const struct bw_guard_state enforced = {
        .reach = BW_REACH_CGROUP, .reach_works = true, .enforced = true};
    struct world world;

    (void)state;
    begin(&world);
    world.save_fails = true;
    guard_state(&world, &enforced);
    guard_state(&world, &enforced);
    ticks(&world, 6);
    world.save_fails = false;
    world.save_hangs = true;
    ticks(&world, 6);
    guard_state(&world, &enforced);
    ticks(&world, 45);
    saved(&world, true);
    world.save_hangs = false;
    order(&world, BW_ORDER_RUN, 1);
    confirm(&world, 1, world.now_ms);
    guard_refuses(&world, BW_GUARD_MESSAGE_ARM_REFUSED, 1, BW_REFUSAL_NOT_DURABLE);
    ticks(&world, 99);
    ticks(&world, 3);
    confirm(&world, 1, world.now_ms);
    ticks(&world, 25);
    guard_state(&world, &enforced);
    confirm(&world, 1, world.now_ms);
    armed(&world);
    the_end("disk_that_fails");
}

/* It runs nothing of ours any more (3.7). */
static void guard_that_has_outlived_us(void **state)
{
    struct bw_guard_message of = {.kind = BW_GUARD_MESSAGE_RUN_ENDED, .epoch = 3};
    struct world world;

    (void)state;
    begin_serving(&world);
    order_with(&world,
               (struct bw_order){.kind = BW_ORDER_STAND_BY, .epoch = 2, .others_epoch = true});
    guard_refuses(&world, BW_GUARD_MESSAGE_END_REFUSED, 2, BW_REFUSAL_OLD_EPOCH);
    guard_refuses(&world, BW_GUARD_MESSAGE_END_REFUSED, 1, BW_REFUSAL_BUSY);
    ticks(&world, 6);
    guard_refuses(&world, BW_GUARD_MESSAGE_END_REFUSED, 1, BW_REFUSAL_OLD_EPOCH);
    order(&world, BW_ORDER_RUN, 3);
    confirm(&world, 3, world.now_ms);
    armed(&world);
    order_with(&world,
               (struct bw_order){.kind = BW_ORDER_STAND_BY, .epoch = 4, .others_epoch = true});
    of.ended = (struct bw_guard_run_ended){.epoch = 3,
                                           .action = BW_ACTION_START,
                                           .run_id = world.sent_run.run.run_id,
                                           .result = BW_RUN_REFUSED,
                                           .refusal = BW_REFUSAL_OLD_EPOCH};
    from_guard(&world, &of);
    ticks(&world, 6);
    the_end("guard_that_has_outlived_us");
}

/* The agent before this one had the guard end the epoch, and could not say so (3.6). */
static void position_that_is_read_again(void **state)
{
    struct world world;
    struct bw_guard_state of = {.reach = BW_REACH_CGROUP,
                                .reach_works = true,
                                .enforced = true,
                                .epoch_seen = 1,
                                .ended_epoch = 1,
                                .start_epoch = 1,
                                .served = BW_SERVED_NOT_SEEN};

    (void)state;
    begin_with(&world, &held);
    guard_state(&world, &of);
    guard_state(&world, &of);
    status(&world, "stopped");
    ended(&world, &world.sent_look, BW_RUN_KILLED, "position=7\n");
    ticks(&world, 3);
    ended(&world, &world.sent_look, BW_RUN_OK, "position=7\n");
    ticks(&world, 3);
    of.epoch_seen = of.armed_epoch = 2;
    of.armed_instance = instance_b;
    of.armed_end = at_ms(world.now_ms + 5000);
    guard_state(&world, &of);
    mirror(&world, 2, world.now_ms + 5000, true);
    for (int i = 0; i < 30; i++)
        tick_at(&world, world.now_ms + 200);
    own_fence_ended(&world, 2, true);
    ticks(&world, 3);
    the_end("position_that_is_read_again");
}

#define STORY(name) cmocka_unit_test_setup(name, listen_to_it)
#define STORY_OF_CLOCKS(name) STORY(name), cmocka_unit_test_setup(name, listen_to_two_clocks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(planned_move),
        STORY_OF_CLOCKS(start_that_fails),
        STORY(service_that_dies),
        STORY_OF_CLOCKS(guard_that_goes),
        STORY_OF_CLOCKS(guard_that_fences),
        STORY_OF_CLOCKS(stop_that_fails),
        STORY_OF_CLOCKS(agent_that_begins_anew),
        STORY_OF_CLOCKS(agent_without_guard_and_mirror),
        STORY_OF_CLOCKS(let_go),
        STORY(looks_of_all_kinds),
        STORY(start_that_is_verified),
        STORY_OF_CLOCKS(disk_that_fails),
        STORY(guard_that_has_outlived_us),
        STORY_OF_CLOCKS(position_that_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
