/* guard_machine_rig.h - a guard's machine of some groups and an agent, and who drives it: what it
 * asked for as text, disk and processes that answer as a test says. For the tests of guard_machine;
 * include it after cmocka.h. */
#ifndef BW_TEST_GUARD_MACHINE_RIG_H
#define BW_TEST_GUARD_MACHINE_RIG_H

#include <stdio.h>
#include <string.h>

#include <breakwater/machine/guard_found.h>

#define GROUPS   40 /* more than there are looks at once */
#define TTL_MS   10000
#define FENCE_MS 2000
#define AGENT    7

static const struct bw_id boot = {{1}};
static const struct bw_id cluster = {{2}};
static const struct bw_id other_cluster = {{3}};

static struct bw_guard_machine machine;
static struct bw_guard guards[GROUPS];
static struct bw_guarded groups[GROUPS];
static struct bw_instant now;
static char log_text[16384];
/* How the world answers. */
static bool may_greet, takes_frames;
static enum bw_guard_proof proof;
static struct bw_guard_run_ended ended[BW_GUARD_SLOT_COUNT];
static uint32_t save_count; /* that are under way */
static struct bw_guarded *saving[GROUPS];
static uint32_t write_count; /* of mirrors, that are under way */
static struct bw_guarded *writing[GROUPS];
static uint64_t write_number[GROUPS];
static struct bw_enforcer_order write_order[GROUPS];

static inline struct bw_instant at_ms(uint64_t ms)
{
    return (struct bw_instant){ms * BW_NS_PER_MS, ms * BW_NS_PER_MS};
}

static inline void note(const char *word, const struct bw_guarded *group, const char *more)
{
    const size_t length = strlen(log_text);
    char number[16] = "";

    if (group != NULL)
        (void)snprintf(number, sizeof number, "%u", (unsigned)group->number);
    assert_in_range(snprintf(log_text + length, sizeof log_text - length, "%s%s%s%s%s",
                             length > 0 ? " " : "", word, number, more[0] != '\0' ? ":" : "", more),
                    1, (int)(sizeof log_text - length - 1));
}

/* ---- who drives it --------------------------------------------------------------------------- */

static inline void enforce(const struct bw_enforcing_action *action)
{
    struct bw_enforcing *enforcing = &machine.enforcing;

    switch (action->kind) {
    case BW_ENFORCING_MAKE:
        bw_enforcing_on_made(enforcing);
        break;
    case BW_ENFORCING_REACH:
        bw_enforcing_on_reach(enforcing, action->group, BW_ENFORCING_REACH_TAKEN);
        break;
    case BW_ENFORCING_OVER:
    case BW_ENFORCING_HOLD:
        bw_enforcing_on_sent(enforcing, true, now);
        if (action->kind == BW_ENFORCING_HOLD && takes_frames)
            bw_enforcing_on_taken(enforcing, action->number, NULL, 0, now);
        break;
    case BW_ENFORCING_RELIEVE:
        bw_enforcing_on_relief(enforcing, true, now);
        break;
    case BW_ENFORCING_WRITE:
        note("write_mirrors", NULL, "");
        for (uint32_t i = 0; i < machine.group_count; i++)
            if (bw_enforcing_begin_write(enforcing, &groups[i].enforcing,
                                         &write_number[write_count], &write_order[write_count]))
                writing[write_count++] = &groups[i];
        break;
    case BW_ENFORCING_REPLACE:
    case BW_ENFORCING_UNRELIEVED:
    case BW_ENFORCING_ANSWER:
        fail_msg("%d is not asked for here", (int)action->kind);
    }
}

static inline void spawn(struct bw_guarded *group, const struct bw_guard_action *action)
{
    const struct bw_guard_event spawned = {
        .kind = BW_GUARD_EVENT_SPAWNED,
        .slot = action->slot,
        .ok = true,
        .child = {action->run.action, action->run.epoch, action->run.run_id, 42, 7}};

    bw_guard_machine_spawned(&machine, group, &spawned, now);
}

static inline void do_action(const struct bw_guard_machine_action *step)
{
    static const char *const words[] = {"save", "mirror", "spawn", "go",  "kill_run",
                                        "term", "term",   "kill",  "send"};
    const struct bw_guard_action *action = step->action;
    const char *more = "";

    if (action->kind == BW_GUARD_ACTION_SPAWN)
        more = bw_action_word(action->run.action);
    if (action->kind == BW_GUARD_ACTION_SEND && action->message.kind == BW_GUARD_MESSAGE_ARMED)
        more = "armed";
    if (action->kind == BW_GUARD_ACTION_SEND &&
        action->message.kind == BW_GUARD_MESSAGE_ARM_REFUSED)
        more = "refused";
    if (action->kind == BW_GUARD_ACTION_SEND &&
        action->message.kind == BW_GUARD_MESSAGE_FENCE_BEGUN)
        more = "fence";
    if (action->kind != BW_GUARD_ACTION_MIRROR && action->kind != BW_GUARD_ACTION_GO &&
        (action->kind != BW_GUARD_ACTION_SEND || more[0] != '\0'))
        note(step->is_idle ? "idle_" : words[action->kind], step->group,
             step->is_idle ? words[action->kind] : more);
    if (action->kind == BW_GUARD_ACTION_SPAWN && !step->is_idle)
        spawn(step->group, action);
}

static inline void tell_end(const struct bw_guard_machine_action *action)
{
    struct bw_guard_event event = {
        .kind = BW_GUARD_EVENT_RUN_ENDED, .slot = action->slot, .ended = ended[action->slot]};

    note("end", action->group, action->is_given_up ? "given_up" : "");
    if (action->is_given_up)
        event.ended = (struct bw_guard_run_ended){.result = BW_RUN_KILLED, .exit_status = -1};
    bw_guard_machine_ended(&machine, action->group, &event, now);
}

static inline void execute(const struct bw_guard_machine_action *action)
{
    static const char *const session[] = {"pin", "close", "", "", "welcome", "", "done"};
    struct bw_guarded *group;

    switch (action->kind) {
    case BW_GUARD_MACHINE_STEPPED:
    case BW_GUARD_MACHINE_FORGOTTEN:
        if (action->kind == BW_GUARD_MACHINE_FORGOTTEN)
            note("forgotten", action->group, "");
        break;
    case BW_GUARD_MACHINE_DO:
        do_action(action);
        break;
    case BW_GUARD_MACHINE_TELL_END:
        tell_end(action);
        break;
    case BW_GUARD_MACHINE_WRITE_SAVES:
        note("write_saves", NULL, "");
        while ((group = bw_guard_machine_take_save(&machine)) != NULL)
            saving[save_count++] = group;
        break;
    case BW_GUARD_MACHINE_PROVE:
        note("prove", action->group, action->is_late ? "late" : "");
        bw_guard_machine_proved(&machine, action->group, proof, now);
        break;
    case BW_GUARD_MACHINE_REFUSE:
        note("refuse", NULL, bw_refusal_word(action->why));
        break;
    case BW_GUARD_MACHINE_REFUSE_HELLO:
        note("refuse_hello", NULL, bw_refusal_word(action->hello->why));
        break;
    case BW_GUARD_MACHINE_SESSION:
        note(session[action->session.kind], NULL, "");
        break;
    case BW_GUARD_MACHINE_GREET_AGAIN:
        note("greet_again", NULL, "");
        bw_guard_machine_on_closed(&machine, action->connection);
        break;
    case BW_GUARD_MACHINE_ENFORCE:
        enforce(&action->enforce);
        break;
    }
}

static inline void go_on(bool is_turn_over)
{
    struct bw_guard_machine_action action;

    for (int i = 0; bw_guard_machine_next(&machine, may_greet, is_turn_over, now, &action); i++) {
        assert_true(i < 40 * GROUPS);
        execute(&action);
    }
}

static inline void assert_done(const char *expected)
{
    log_text[0] = '\0';
    go_on(true);
    assert_string_equal(log_text, expected);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static inline void mirrors_written(bool ok)
{
    for (uint32_t i = 0; i < write_count; i++)
        bw_enforcing_on_written(&machine.enforcing, &writing[i]->enforcing, write_number[i],
                                &write_order[i], ok);
    write_count = 0;
    bw_enforcing_on_round_written(&machine.enforcing);
}

static inline void saves_end(bool ok)
{
    for (uint32_t i = 0; i < save_count; i++)
        bw_guard_machine_on_saved(&machine, saving[i], ok);
    save_count = 0;
    bw_guard_machine_on_round_saved(&machine);
}

static inline void saves_written(void)
{
    saves_end(true);
}

static inline struct bw_guard_message message_of(enum bw_guard_message_kind kind, uint32_t group)
{
    struct bw_guard_message message = {.kind = kind, .epoch = 1};

    (void)snprintf(message.group, sizeof message.group, "g%u", (unsigned)group);
    return message;
}

static inline void says(uint64_t connection, const struct bw_guard_message *message)
{
    bw_guard_machine_on_message(&machine, connection, message);
}

static inline void says_hello(uint64_t connection, struct bw_id of)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_HELLO,
                                       .hello = {.cluster_id = of,
                                                 .generation = 1,
                                                 .site = "a",
                                                 .instance = {{5}},
                                                 .session = {{6}},
                                                 .boot_id = boot}};

    says(connection, &message);
}

static inline void says_arm(uint32_t group, uint64_t number)
{
    struct bw_guard_message message = message_of(BW_GUARD_MESSAGE_ARM, group);

    message.arm.epoch = 1;
    message.arm.terms.ttl_ms = TTL_MS;
    message.arm.terms.fence_ms = FENCE_MS;
    message.arm.number = number;
    message.arm.begin = now;
    message.arm.end = bw_instant_add(now, TTL_MS * BW_NS_PER_MS);
    says(AGENT, &message);
}

static inline void says_run(uint32_t group, enum bw_action_kind action, uint64_t run_id)
{
    struct bw_guard_message message = message_of(BW_GUARD_MESSAGE_RUN, group);

    message.run.epoch = 1;
    message.run.action = action;
    message.run.run_id = run_id;
    says(AGENT, &message);
}

static inline void begin_of(uint32_t count)
{
    static const struct bw_guard_limits limits = {.has_script = {[BW_ACTION_START] = true,
                                                                 [BW_ACTION_STOP] = true,
                                                                 [BW_ACTION_FENCE] = true,
                                                                 [BW_ACTION_STATUS] = true},
                                                  .timeout_ns = {[BW_ACTION_STOP] = BW_NS_PER_S,
                                                                 [BW_ACTION_FENCE] = BW_NS_PER_S,
                                                                 [BW_ACTION_STATUS] = BW_NS_PER_S},
                                                  .kill_grace_ns = BW_NS_PER_MS,
                                                  .reach = BW_REACH_CGROUP,
                                                  .digest = 1};
    static const struct bw_guard_memory memory;
    const struct bw_guard_identity own = {
        .site = "a", .boot_id = boot, .cluster_id = cluster, .generation = 1};

    memset(groups, 0, sizeof groups);
    memset(ended, 0, sizeof ended);
    now = at_ms(100000);
    may_greet = takes_frames = true;
    proof = BW_GUARD_PROOF_UNTRIED;
    write_count = save_count = 0;
    bw_guard_machine_init(&machine, &own);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "g%u", (unsigned)i);
        bw_guard_init(&guards[i], name, &limits, &memory, NULL, now);
        bw_guard_machine_add(&machine, &groups[i], &guards[i], NULL);
    }
    bw_enforcing_begin(&machine.enforcing, now);
}

/* Two groups, and an agent that controls. */
static inline int begin(void **state)
{
    (void)state;
    begin_of(2);
    assert_done("prove0 prove1");
    says_hello(AGENT, cluster);
    assert_done("prove0 prove1 welcome done");
    return 0;
}

/* And the first one is armed. */
static inline int begin_armed(void **state)
{
    (void)begin(state);
    says_arm(0, 1);
    assert_done("save0 write_saves");
    saves_written();
    assert_done("write_mirrors");
    mirrors_written(true);
    assert_done("send0:armed");
    return 0;
}

#endif
