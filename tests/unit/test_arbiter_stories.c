/* Stories of a group at its leader, each the whole of what the arbiter looks at: tests/golden/arbiter/STORY.txt
 * holds one decision per line and what it proposes, beneath it, indented, every gate with its value that is
 * not as the decision before had it (`-`: gone), and after `=` what the witness has noted down, where that has
 * changed. BREAKWATER_GOLDEN=write writes them anew. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <breakwater/core/rules.h>

#include "core_world.h"
#include "story.h"

static struct world world;
static struct story story;
static struct bw_instant begun;
static char noted_last[2048];

#define LINE_BYTES 256
struct gates {
    char lines[BW_GATES_MAX][LINE_BYTES];
    uint32_t count;
};
static struct gates gates_last;

#define S(seconds) ((seconds) * UINT64_C(1000))

/* ---- telling ---- */

static void tell_since(const char *name, struct bw_instant at)
{
    if (at.boot_ns == 0) {
        tell(&story, " %s=-", name);
        return;
    }
    tell(&story, " %s=%" PRIi64 "ms", name, (int64_t)(at.boot_ns - begun.boot_ns) / (int64_t)BW_NS_PER_MS);
}

static void tell_command(const struct bw_command *command)
{
    tell(&story, " %s epoch=%" PRIu64, bw_command_word(command->kind), command->epoch);
    if (command->site[0] != '\0')
        tell(&story, " site=%s", command->site);
    if (command->target[0] != '\0')
        tell(&story, " target=%s", command->target);
    if (!bw_id_is_none(command->instance))
        tell(&story, " instance=%u", command->instance.bytes[0]);
    if (!bw_id_is_none(command->boot_id))
        tell(&story, " boot=%u", command->boot_id.bytes[0]);
    tell(&story, " reason=%s%s%s%s", bw_reason_word(command->reason),
         command->planned ? " planned" : "", command->past_no_return ? " past_no_return" : "",
         command->adopt ? " adopt" : "");
    if (command->kind == BW_COMMAND_GRANT)
        tell(&story, " ttl=%u fence=%u reach=%s", command->terms.ttl_ms, command->terms.fence_ms,
             bw_reach_word(command->terms.reach));
    if (command->kind == BW_COMMAND_GRANT || command->kind == BW_COMMAND_REACH)
        tell(&story, " seen=%s@%" PRIu64, bw_reach_seen_word(command->sight.seen),
             command->sight.epoch);
    if (command->position[0] != '\0')
        tell(&story, " position=%s", command->position);
    if (command->held_index != 0)
        tell(&story, " held=%" PRIu64, command->held_index);
    if (command->by[0] != '\0')
        tell(&story, " by=%s '%s'", command->by, command->text);
    tell(&story, " silent=%u", command->silent_ms);
}

static void write_gate(const struct bw_gate *gate, char *out, size_t size)
{
    const bool has_number = gate->unit != BW_UNIT_NONE && gate->unit != BW_UNIT_WORD;
    char number[64] = "";
    char age[32] = "";

    if (has_number)
        (void)snprintf(number, sizeof number, " %" PRIi64 "/%" PRIi64, gate->value, gate->threshold);
    if (gate->age_ms != UINT32_MAX)
        (void)snprintf(age, sizeof age, " age=%u", gate->age_ms);
    (void)snprintf(out, size, "%s %s %s%s%s%s%s%s%s%s", gate->step, bw_gate_verdict_word(gate->verdict),
                   bw_gate_id_text(gate->id), gate->site >= 0 ? " of " : "",
                   gate->site >= 0 ? world_group(&world)->spec.sites[gate->site].name : "", number,
                   age, gate->word != NULL ? " (" : "", gate->word != NULL ? gate->word : "",
                   gate->word != NULL ? ")" : "");
}

static bool has_line(const struct gates *gates, const char *line)
{
    for (uint32_t i = 0; i < gates->count; i++)
        if (strcmp(gates->lines[i], line) == 0)
            return true;
    return false;
}

/* Of a step that is looked at no more nothing needs to be said. */
static bool has_step(const struct gates *gates, const char *line)
{
    for (uint32_t i = 0; i < gates->count; i++)
        if (strncmp(gates->lines[i], line, strcspn(line, " ") + 1) == 0)
            return true;
    return false;
}

static void tell_gates(const struct bw_decision *decision)
{
    static struct gates gates;

    gates.count = decision->gate_count;
    for (uint32_t i = 0; i < gates.count; i++) {
        write_gate(&decision->gates[i], gates.lines[i], LINE_BYTES);
        if (!has_line(&gates_last, gates.lines[i]))
            tell(&story, "    %s\n", gates.lines[i]);
    }
    for (uint32_t i = 0; i < gates_last.count; i++)
        if (!has_line(&gates, gates_last.lines[i]) && has_step(&gates, gates_last.lines[i]))
            tell(&story, "    - %s\n", gates_last.lines[i]);
    gates_last = gates;
}

/* What the decisions that follow will count by, unless that was told. */
static void tell_noted(void)
{
    const struct bw_watch *watch = world_watch(&world);
    const struct bw_group *group = world_group(&world);
    const size_t begin = story.size;

    tell(&story, "    = %s%s epoch=%" PRIu64, bw_phase_word(group->phase), group->held ? " held" : "",
         group->epoch);
    tell_since("phase", watch->phase_applied);
    tell_since("grant", watch->grant_applied);
    tell_since("group_maintenance", watch->group_maintenance_applied);
    tell_since("let_go", watch->let_go_applied);
    tell(&story, " data_before=%s@%" PRIu64 " served=%s verified=%" PRIu64 " ended=%" PRIu64
         " boot=%" PRIu64 " wish=%s", watch->data_before, watch->data_before_epoch,
         watch->served_site, watch->verified_epoch, watch->ended_epoch, watch->boot_epoch,
         bw_wish_word(watch->wish.kind));
    for (uint32_t i = 0; i < BW_HISTORY_MAX; i++)
        if (watch->grants[i].epoch != 0) {
            tell(&story, " mark%u=%" PRIu64, i, watch->grants[i].epoch);
            tell_since("from", watch->grants[i].applied);
            tell_since("to", watch->grants[i].ended);
        }
    for (uint32_t site = 0; site < BW_SITES_MAX; site++)
        if (watch->sites[site][0] != '\0') {
            tell(&story, " %s", watch->sites[site]);
            tell_since("connected", watch->connected_since[site]);
            tell_since("maintenance", watch->maintenance_applied[site]);
            if (watch->lag[site].known)
                tell(&story, " lag=%" PRIu64, watch->lag[site].lag_ms);
        }
    tell(&story, "\n");
    if (strcmp(noted_last, story.bytes + begin) == 0) {
        story.size = begin;
        story.bytes[begin] = '\0';
    } else {
        assert_true((size_t)snprintf(noted_last, sizeof noted_last, "%s", story.bytes + begin) <
                    sizeof noted_last);
    }
}

/* Decides, and tells why. */
static void look(const char *what)
{
    const struct bw_decision *decision = &world.decision;

    (void)world_decide(&world);
    tell(&story, "%s", what);
    tell_since("at", world.now);
    tell(&story, ": %s%s", decision->rule, decision->acts ? "" : " does nothing");
    if (decision->command.kind != BW_COMMAND_COUNT)
        tell_command(&decision->command);
    if (decision->from != NULL)
        tell(&story, " from=%u", decision->from->session.bytes[0]);
    if (decision->wake_in_ns != UINT64_MAX)
        tell(&story, " wakes_in=%" PRIu64 ".%06" PRIu64 "ms", decision->wake_in_ns / BW_NS_PER_MS,
             decision->wake_in_ns % BW_NS_PER_MS);
    tell(&story, "\n");
    tell_gates(decision);
    tell_noted();
    assert_string_equal(world_verdict(decision), decision->rule);
}

/* ... and carries it out. */
static void act(const char *what, const char *rule)
{
    look(what);
    if (strcmp(world_act(&world), rule) != 0)
        fail_msg("%s: %s instead of %s", what, world.decision.rule, rule);
}

static void apply(const char *what, const struct bw_command *of)
{
    struct bw_command command = *of;

    (void)strcpy(command.group, "harbor");
    tell(&story, "%s", what);
    tell_since("at", world.now);
    tell(&story, ": %s\n", world_apply(&world, &command));
    world_know_spec(&world);
    tell_noted();
}

static void ask(enum bw_wish_kind kind, const char *to, bool accept_data_loss)
{
    struct bw_diag diag = {0};
    const enum bw_err err = world_ask(&world, kind, to, accept_data_loss, &diag);

    tell(&story, "anna asks for %s %s", bw_wish_word(kind), to);
    tell_since("at", world.now);
    tell(&story, ": %s\n", err == BW_OK ? "ok" : diag.text);
}

static int listen_to_it(void **state)
{
    (void)state;
    memset(&story, 0, sizeof story);
    noted_last[0] = '\0';
    gates_last.count = 0;
    begun = (struct bw_instant){1000 * BW_NS_PER_S, 900 * BW_NS_PER_S};
    return 0;
}

static void the_end(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "arbiter/%s", name);
    story_ends(&story, path);
}

static void change_spec(void (*change)(struct bw_spec *spec), const char *initial_primary)
{
    struct bw_spec spec = world_group(&world)->spec;

    change(&spec);
    world_set_spec(&world, &spec, initial_primary);
    world_sync_all(&world);
}

/* ---- stories ---- */

static void failback_soon(struct bw_spec *spec)
{
    spec->failback_ms = 60000;
    spec->min_primary_time_ms = 30000;
    spec->max_failovers_per_window = 2;
}

/* The site goes, another follows, and gives it back later. */
static void site_that_is_lost(void **state) /* 3.3, 4 */
{
    (void)state;
    world_init(&world, 3);
    change_spec(failback_soon, "");
    act("nobody has ever served", "A6");
    look("granted");
    world_serve(&world, A);
    world_pass_ms(&world, S(40));
    look("dc-a serves");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, S(5));
    look("dc-a is silent");
    world_pass_ms(&world, S(11));
    act("its lease is over", "A3");
    act("dc-b is ready", "A9");
    world_serve(&world, B);
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world.sites[A].report.has_lag = true;
    world.sites[A].report.joined_epoch = world_group(&world)->epoch - 1;
    world_pass_ms(&world, S(2));
    look("dc-a is back, and has not followed yet");
    world.sites[A].report.joined_epoch = UINT64_MAX;
    world_pass_ms(&world, S(20));
    look("dc-b has not had its minimum time");
    world_pass_ms(&world, S(37));
    look("dc-b had its minimum time");
    world_pass_ms(&world, S(3));
    act("the time for a failback has come", "A12");
    world_give_back(&world, B, BW_REASON_FAILBACK, true, "0/9");
    act("dc-b has stopped", "A1");
    look("dc-a has yet to reach what dc-b wrote last");
    world.sites[A].report.prepared_index = UINT64_MAX;
    world_sync_all(&world);
    act("dc-a has reached it", "A7");
    world_serve(&world, A);
    look("dc-a serves again");
    the_end("site_that_is_lost");
}

/* A planned move, as it is asked for: refused, on its way, too slow, and back. */
static void move_that_comes_to_nothing(void **state) /* 3.6 */
{
    (void)state;
    world_begin(&world, 3);
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    ask(BW_WISH_SWITCHOVER, "dc-b", false);
    world.sites[B].report.ready = true;
    world_sync_all(&world);
    ask(BW_WISH_SWITCHOVER, "dc-b", false);
    world.sites[B].report.ready = false;
    world_sync_all(&world);
    look("dc-b was ready a moment ago");
    world.sites[B].report.ready = true;
    world_sync_all(&world);
    act("dc-b is ready", "A11");
    look("dc-a has not begun to stop");
    world.sites[A].report.stop_begun_epoch = world_group(&world)->epoch;
    world_pass_ms(&world, S(20));
    look("dc-a stops");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "0/7");
    act("dc-a has stopped", "A1");
    world.sites[B].report.prepared_index = 1;
    world_pass_ms(&world, S(10));
    look("dc-b has not reached the position");
    world_pass_ms(&world, S(111));
    act("dc-b took too long", "A8");
    world_give_back(&world, A, BW_REASON_START_FAILED, false, "");
    act("dc-a cannot start either", "A1");
    look("nobody came in time");
    world_pass_ms(&world, S(121));
    look("whoever can");
    the_end("move_that_comes_to_nothing");
}

/* The move is taken back while that can be done. */
static void move_that_is_taken_back(void **state) /* 3.6 */
{
    (void)state;
    world_begin(&world, 2);
    ask(BW_WISH_SWITCHOVER, "dc-b", false);
    act("it was asked for", "A11");
    world_pass_ms(&world, S(119));
    look("dc-a does not begin");
    world_pass_ms(&world, S(1));
    act("dc-a did not begin in time", "A5");
    look("as it was");
    the_end("move_that_is_taken_back");
}

/* What is there to hold a candidate, one after the other. */
static void candidate_with_faults(void **state) /* 4 */
{
    struct bw_report good;

    (void)state;
    world_begin(&world, 2);
    good = world.sites[B].report;
    world.sites[A].is_mute = true;
    world_pass_ms(&world, S(20));
    act("dc-a is lost", "A3");
#define FAULT(what, field, bad)                                                                    \
    do {                                                                                           \
        world.sites[B].report.field = (bad);                                                       \
        world_sync_all(&world);                                                                    \
        look(what);                                                                                \
        world.sites[B].report = good;                                                              \
    } while (0)
    FAULT("its guard is gone", guard_alive, false);
    FAULT("it has seen a higher epoch", epoch_seen, 2);
    FAULT("its guard is busy", guard_busy, true);
    FAULT("it rejoins", rejoining, true);
    FAULT("it has not followed", joined_epoch, 0);
    FAULT("nobody knows whether it serves", service, BW_SERVICE_UNKNOWN);
    FAULT("it serves", service, BW_SERVICE_STARTED);
    FAULT("its condition says stop", condition, BW_CONDITION_STOP);
    FAULT("its condition fails", condition, BW_CONDITION_FAILED);
    FAULT("it has no condition", condition, BW_CONDITION_NONE);
    FAULT("its reach does not work", reach_works, false);
    FAULT("it has no reach", reach, BW_REACH_NONE);
    FAULT("its fence takes too long", fence_took_ms, 6000);
    FAULT("its fence was measured", fence_took_ms, 100);
    FAULT("its fence is cut", fence_bound_ms, 60000);
    FAULT("its fence failed", fence_failed, true);
    FAULT("its fence was slow", alarms, 1u << BW_ALARM_FENCE_TOO_SLOW);
    FAULT("its disk fails", alarms, 1u << BW_ALARM_STATE_NOT_DURABLE);
    FAULT("its start failed", alarms, 1u << BW_ALARM_START_FAILED);
    FAULT("it is not ready", ready, false);
    FAULT("it was ready long ago", ready_age_ms, 60000);
    FAULT("it was never measured", ready_age_ms, UINT32_MAX);
    FAULT("it has no readiness", has_readiness, false);
#undef FAULT
    world.sites[B].is_deaf = true;
    world_pass_ms(&world, S(10));
    look("it does not hear us");
    world.sites[B].is_deaf = false;
    world.sites[B].is_mute = true;
    world_pass_ms(&world, S(10));
    look("it is silent");
    world.sites[B].is_mute = false;
    world_sync_all(&world);
    world.sites[B].instance.bytes[0] = 77;
    world.sites[B].session.bytes[0] = 77;
    world_sync_all(&world);
    look("two speak for it");
    world_pass_ms(&world, S(10));
    world.sites[B].report.joined_epoch = 0;
    world.sites[B].report.condition = BW_CONDITION_FAILED;
    world.sites[B].report.lag_ms = 60000;
    world_sync_all(&world);
    ask(BW_WISH_FAILOVER, "dc-b", false);
    ask(BW_WISH_FAILOVER, "", true);
    look("any site was asked for");
    ask(BW_WISH_FAILOVER, "dc-b", true);
    look("it was asked for, as it is");
    the_end("candidate_with_faults");
}

static void fenced_only(struct bw_spec *spec)
{
    spec->handover_by_time = BW_HANDOVER_NEVER;
}

/* What time alone does not end is closed, and ends on a person's word. */
static void epoch_that_a_person_ends(void **state) /* 3.1 */
{
    (void)state;
    world_init(&world, 2);
    change_spec(fenced_only, "");
    act("nobody has ever served", "A6");
    world_serve(&world, A);
    world_pass_ms(&world, S(5));
    ask(BW_WISH_FORCE_RELEASE, "dc-a", false);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, S(5));
    ask(BW_WISH_FORCE_RELEASE, "dc-a", false);
    look("dc-a has only been silent for a moment");
    world_pass_ms(&world, S(2));
    ask(BW_WISH_FORCE_RELEASE, "dc-a", false);
    act("it was asked for", "A25");
    look("its lease may live");
    world.sites[A].is_mute = false;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    look("dc-a speaks again");
    world.sites[A].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    look("and says that it serves");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, S(20));
    act("dc-a was off", "A26");
    look("dc-b may follow");
    the_end("epoch_that_a_person_ends");
}

/* A fence that failed holds the epoch, and closes it no further than a word of its site does. */
static void fence_that_failed(void **state) /* 3.3 */
{
    (void)state;
    world_begin(&world, 2);
    world.sites[A].report.fence_failed = true;
    world.sites[A].report.fence_epoch = world_group(&world)->epoch;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    act("its fence failed", "A2");
    world_pass_ms(&world, S(30));
    look("it is held");
    world_give_back(&world, A, BW_REASON_LEASE_LOST, true, "");
    look("it gives back, and has seen no end since");
    world.sites[A].released.held_index = world_group(&world)->held_index;
    world_sync_all(&world);
    act("a fence has seen the end since", "A1");
    look("it is over");
    the_end("fence_that_failed");
}

static void soon_again(struct bw_spec *spec)
{
    spec->retry_backoff_ms = 5000;
}

static int holder(void)
{
    return bw_spec_find_site(&world_group(&world)->spec, world_group(&world)->holder_site);
}

/* What fails to start at one site is tried at the other, and again after a while that grows. */
static void start_that_fails(void **state) /* 4 */
{
    (void)state;
    world_init(&world, 2);
    change_spec(soon_again, "");
    act("nobody has ever served", "A6");
    for (int i = 0; i < 5; i++) {
        world_give_back(&world, holder(), BW_REASON_START_FAILED, false, "");
        act("its start failed", "A1");
        look("who is next");
        world_pass_ms(&world, S(5u << i / 2) - 500);
        look("after a pause");
        world_pass_ms(&world, 500);
        act("the pause is over", "A9");
    }
    apply("it is decided by hand",
          &(struct bw_command){.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_MANUAL});
    world_give_back(&world, holder(), BW_REASON_START_FAILED, false, "");
    act("its start failed", "A1");
    ask(BW_WISH_FAILOVER, "", false);
    act("a person has decided", "A9");
    the_end("start_that_fails");
}

static void nobody_in_doubt(struct bw_spec *spec)
{
    spec->mode = BW_MODE_AUTO;
}

/* The first grant, over all that it waits for. */
static void first_grant(void **state) /* 3.9 */
{
    (void)state;
    world_init(&world, 3);
    world.sites[C].is_mute = true;
    world_pass_ms(&world, S(10));
    look("dc-c was never heard for long");
    world.sites[C].is_mute = false;
    world.sites[C].report.spec_version = 0;
    world_sync_all(&world);
    look("dc-c does not know the spec");
    world_know_spec(&world);
    world.sites[C].report.service = BW_SERVICE_UNKNOWN;
    world_sync_all(&world);
    look("dc-c does not know whether it serves");
    world.sites[C].report.service = BW_SERVICE_STARTED;
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world_sync_all(&world);
    look("two serve");
    change_spec(nobody_in_doubt, "dc-b");
    look("dc-b is named, and dc-c serves");
    world.sites[C].report.service = BW_SERVICE_STOPPED;
    world.sites[B].report.service = BW_SERVICE_STOPPED;
    world.sites[A].report.service = BW_SERVICE_UNKNOWN;
    world.sites[B].report.ready_age_ms = UINT32_MAX;
    world_sync_all(&world);
    look("dc-b is named, and dc-a is in doubt");
    change_spec(nobody_in_doubt, "");
    world.sites[A].report.service = BW_SERVICE_STOPPED;
    world_sync_all(&world);
    look("dc-b was not measured yet");
    apply("the group is quiet",
          &(struct bw_command){.kind = BW_COMMAND_MAINTENANCE, .duration_ms = 10000});
    world.sites[B].report.ready_age_ms = 100;
    world_sync_all(&world);
    look("the group is in maintenance");
    ask(BW_WISH_FAILOVER, "dc-c", false);
    look("a person asks for dc-c");
    world_pass_ms(&world, S(10));
    act("the maintenance is over", "A6");
    the_end("first_grant");
}

/* One that ran before is taken over as it is. */
static void adoption(void **state) /* 3.9 */
{
    (void)state;
    world_init(&world, 2);
    world.sites[B].report.service = BW_SERVICE_STARTED;
    world.sites[B].report.reach = BW_REACH_CGROUP;
    world_sync_all(&world);
    act("dc-b serves", "A6");
    look("it is not armed yet");
    world.sites[B].report.armed_epoch = 1;
    world.sites[B].renew_epoch = 1;
    world_sync_all(&world);
    act("it is armed", "A10");
    look("it is any other holder");
    the_end("adoption");
}

/* A group that was let go, and is wanted again. */
static void let_go_and_back(void **state) /* 3.9 */
{
    (void)state;
    world_begin(&world, 2);
    apply("it is only watched",
          &(struct bw_command){.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_OBSERVE});
    world.sites[A].report.let_go_index = 0;
    world.sites[A].report.armed_epoch = 0;
    world.sites[A].renew_epoch = 0;
    world_sync_all(&world);
    look("it would be adopted");
    apply("it is wanted again",
          &(struct bw_command){.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_AUTO});
    world.sites[A].report.let_go_index = 0;
    world_pass_ms(&world, S(3));
    look("dc-a has not let go yet");
    world_know_spec(&world);
    world_sync_all(&world);
    look("dc-a has let go");
    world.sites[A].is_mute = true;
    world_pass_ms(&world, S(8));
    look("dc-a is silent");
    apply("it is deleted", &(struct bw_command){.kind = BW_COMMAND_DELETE});
    the_end("let_go_and_back");
}

/* Maintenance of sites and of the group, each for its time; and modes in which nothing is done. */
static void maintenance_and_modes(void **state) /* 3.9 */
{
    struct bw_command of_site = {
        .kind = BW_COMMAND_MAINTENANCE, .site = "dc-b", .duration_ms = 20000};

    (void)state;
    world_begin(&world, 3);
    apply("dc-b is in maintenance", &of_site);
    world_pass_ms(&world, S(5));
    apply("the group is in maintenance",
          &(struct bw_command){.kind = BW_COMMAND_MAINTENANCE, .duration_ms = 10000});
    world_give_back(&world, A, BW_REASON_SERVICE_DOWN, true, "");
    act("dc-a cannot keep it up", "A1");
    look("the group is in maintenance");
    world_pass_ms(&world, S(10));
    look("the maintenance of the group is over");
    apply("it is paused",
          &(struct bw_command){.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_PAUSED});
    world_sync_all(&world);
    act("the maintenance is ended in the log", "A13");
    look("it is paused");
    ask(BW_WISH_FAILOVER, "", false);
    look("a person decides");
    world_pass_ms(&world, S(151));
    act("the person's word is old, and the maintenance of dc-b is over", "A13");
    look("nothing is in maintenance");
    apply("it goes on", &(struct bw_command){.kind = BW_COMMAND_SET_MODE, .mode = BW_MODE_MANUAL});
    world_sync_all(&world);
    look("a person is asked");
    the_end("maintenance_and_modes");
}

/* What a site lags behind is known of while the data site served, or bounded by the last grant, or not known. */
static void lag_that_nobody_knows(void **state) /* 4 */
{
    (void)state;
    world_init(&world, 2);
    world.sites[B].report.has_lag = false;
    world_sync_all(&world);
    act("nobody has ever served", "A6");
    world_serve(&world, A);
    world.sites[A].is_mute = true;
    world_pass_ms(&world, S(16));
    act("dc-a is lost", "A3");
    look("nobody knows what dc-b lacks");
    ask(BW_WISH_FAILOVER, "", true);
    act("a person takes it", "A9");
    world_give_back(&world, B, BW_REASON_SERVICE_DOWN, true, "");
    world.sites[A].is_mute = false;
    world_stop(&world, A);
    world.sites[A].report.joined_epoch = UINT64_MAX;
    world_pass_ms(&world, S(1));
    act("dc-b never served", "A1");
    world.sites[B].report.condition = BW_CONDITION_STOP;
    world_sync_all(&world);
    look("what dc-a lacks is bounded");
    ask(BW_WISH_FAILOVER, "", true);
    look("a person takes it");
    the_end("lag_that_nobody_knows");
}

/* The origin of a move gets back what it had, whatever is maintained. */
static void move_whose_sites_are_in_maintenance(void **state) /* 3.6, 3.9 */
{
    struct bw_command of_site = {.kind = BW_COMMAND_MAINTENANCE, .duration_ms = 600000};

    (void)state;
    world_begin(&world, 2);
    ask(BW_WISH_SWITCHOVER, "dc-b", false);
    act("it was asked for", "A11");
    world_give_back(&world, A, BW_REASON_SWITCHOVER, true, "0/7");
    act("dc-a has stopped", "A1");
    (void)strcpy(of_site.site, "dc-a");
    apply("dc-a is in maintenance", &of_site);
    (void)strcpy(of_site.site, "dc-b");
    apply("dc-b is in maintenance", &of_site);
    world_sync_all(&world);
    act("dc-b cannot have it", "A8");
    the_end("move_whose_sites_are_in_maintenance");
}

/* Another leader, which has heard nothing yet. */
static void leader_that_is_new(void **state) /* 3.3, 4 */
{
    (void)state;
    world_begin(&world, 3);
    world.sites[A].is_mute = true;
    world.sites[C].is_mute = true;
    world_pass_ms(&world, S(10));
    world_lead_anew(&world);
    look("it waits from its own beginning");
    world_pass_ms(&world, S(16));
    act("the lease is over", "A3");
    look("dc-b is ready");
    world_lead_anew(&world);
    look("dc-c may speak yet");
    world_pass_ms(&world, S(4));
    look("dc-c had the time to speak");
    bw_witness_on_not_leading(&world.witness);
    look("it leads no more");
    the_end("leader_that_is_new");
}

#define STORY(name) cmocka_unit_test_setup(name, listen_to_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(site_that_is_lost),      STORY(move_that_comes_to_nothing),
        STORY(move_that_is_taken_back), STORY(candidate_with_faults),
        STORY(epoch_that_a_person_ends), STORY(fence_that_failed),
        STORY(start_that_fails),       STORY(first_grant),
        STORY(adoption),               STORY(let_go_and_back),
        STORY(maintenance_and_modes),  STORY(leader_that_is_new),
        STORY(lag_that_nobody_knows),  STORY(move_whose_sites_are_in_maintenance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
