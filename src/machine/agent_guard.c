/* The agent's connection with its guard: hello, what is said, what is heard, its loss (3.4). */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

#define RETRY_NS_MIN (50 * BW_NS_PER_MS)
#define RETRY_NS_MAX (1 * BW_NS_PER_S)
#define HELLO_NS_MAX                                                                               \
    (1 * BW_NS_PER_S) /* without a word, from connecting to the end of the welcome */
/* A connection that is lost sooner was no good one: the next attempt waits longer. Two agents of
 * one site throw each other off at most once in RETRY_NS_MAX. */
#define STEADY_NS    (10 * BW_NS_PER_S)
#define ARM_PAUSE_NS (2 * BW_NS_PER_MS) /* until arms that were held back are tried again */

/* ---- losing it ------------------------------------------------------------------------------- */

static void tell_lost(struct bw_agent_machine *machine)
{
    const struct bw_site_event lost = {.kind = BW_SITE_EVENT_GUARD_LOST};

    if (machine->guard.is_lost_reported)
        return;
    machine->guard.is_lost_reported = true;
    bw_agent_step_all(machine, &lost);
}

static void retry_later(struct bw_agent_machine *machine)
{
    struct bw_guard_link *link = &machine->guard;
    const struct bw_instant now = bw_agent_now(machine);

    if (link->state == BW_GUARD_LINK_OPEN && bw_instant_elapsed_ns(now, link->opened) >= STEADY_NS)
        link->retry_ns = RETRY_NS_MIN;
    link->state = BW_GUARD_LINK_IDLE;
    link->timer = bw_instant_add(now, link->retry_ns);
    link->retry_ns = link->retry_ns * 2 < RETRY_NS_MAX ? link->retry_ns * 2 : RETRY_NS_MAX;
}

/* Another guard, another hello: what was held back is void. */
static void forget_arms(struct bw_agent_machine *machine)
{
    machine->guard.arm_at = BW_INSTANT_NEVER;
    for (uint32_t i = 0; i < machine->group_count; i++)
        machine->groups[i].has_arm = false;
}

/* The connection is gone, or was never made. */
static void lost(struct bw_agent_machine *machine, const char *why)
{
    struct bw_guard_link *link = &machine->guard;

    forget_arms(machine);
    if (!link->is_noted)
        bw_agent_note(machine, BW_AGENT_NOTE_GUARD_LOST, 0, why);
    link->is_noted = true;
    retry_later(machine);
    tell_lost(machine);
}

/* It is given up. */
static void lose(struct bw_agent_machine *machine, const char *why)
{
    bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_CLOSE_GUARD});
    lost(machine, why);
}

/* ---- speaking -------------------------------------------------------------------------------- */

/* The newest arm of a group says all that the older ones did: while the guard does not read, only
 * that one waits, here, and no queue grows with the time that it takes. */
static void hold_back(struct bw_agent_machine *machine, const struct bw_guard_message *arm)
{
    const int group = bw_agent_find_group(machine, arm->group);

    BW_ASSERT(group >= 0 && arm->kind == BW_GUARD_MESSAGE_ARM);
    machine->groups[group].has_arm = true;
    machine->groups[group].arm = *arm;
    if (bw_instant_is_never(machine->guard.arm_at))
        machine->guard.arm_at = bw_instant_add(bw_agent_now(machine), ARM_PAUSE_NS);
}

void bw_agent_guard_send(struct bw_agent_machine *machine, const struct bw_guard_message *message)
{
    const struct bw_agent_action send = {.kind = BW_AGENT_ACTION_SEND_GUARD, .message = message};
    const bool is_arm = message->kind == BW_GUARD_MESSAGE_ARM;
    int group;

    if (machine->guard.state == BW_GUARD_LINK_IDLE || machine->guard.is_gone)
        return;   /* GUARD_LOST is on its way, and voids what was asked of it */
    if (is_arm) { /* it says all that one held back did */
        group = bw_agent_find_group(machine, message->group);
        BW_ASSERT(group >= 0);
        machine->groups[group].has_arm = false;
    }
    if (bw_agent_ask(machine, &send, NULL) == BW_ERR_BUSY)
        hold_back(machine, message);
}

static void send_held_back(struct bw_agent_machine *machine)
{
    machine->guard.arm_at = BW_INSTANT_NEVER;
    for (uint32_t i = 0; i < machine->group_count; i++) {
        const struct bw_guard_message arm = machine->groups[i].arm;

        if (machine->groups[i].has_arm)
            bw_agent_guard_send(machine, &arm); /* held back again where it has to be */
    }
}

static void await_word(struct bw_agent_machine *machine)
{
    machine->guard.timer = bw_instant_add(bw_agent_now(machine), HELLO_NS_MAX);
}

static void say_hello(struct bw_agent_machine *machine)
{
    const struct bw_agent_setup *setup = &machine->setup;
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_HELLO};

    machine->guard.state = BW_GUARD_LINK_GREETING;
    message.hello.cluster_id = setup->state->cluster_id;
    message.hello.generation = setup->state->generation;
    memcpy(message.hello.site, setup->state->site, sizeof message.hello.site);
    message.hello.instance = setup->state->instance;
    message.hello.session = setup->session;
    message.hello.boot_id = setup->kernel_boot_id;
    message.hello.time_namespace = setup->time_namespace;
    bw_agent_guard_send(machine, &message);
}

/* Cluster id or generation has changed. On the same connection: the guard is not lost, and its new
 * welcome voids what was before. */
void bw_agent_guard_greet_again(struct bw_agent_machine *machine)
{
    const enum bw_guard_link_state state = machine->guard.state;

    if (state == BW_GUARD_LINK_IDLE || state == BW_GUARD_LINK_CONNECTING)
        return; /* the next hello says it */
    await_word(machine);
    say_hello(machine);
}

/* ---- listening ------------------------------------------------------------------------------- */

/* Its instants and ours may be compared, or it is of no use (1). */
static void on_welcome(struct bw_agent_machine *machine, const struct bw_guard_message *message)
{
    machine->guard.feature_level = message->welcome.feature_level;
    if (bw_id_equal(message->welcome.boot_id, machine->setup.kernel_boot_id) &&
        message->welcome.time_namespace == machine->setup.time_namespace)
        machine->guard.state = BW_GUARD_LINK_WELCOME;
    else
        lose(machine,
             "guard and agent do not have the same clocks: run both in one time namespace");
}

static void tell_group(struct bw_agent_machine *machine, const struct bw_guard_message *message)
{
    const int group = bw_agent_find_group(machine, message->group);
    const bool is_state = message->kind == BW_GUARD_MESSAGE_GROUP_STATE;
    const struct bw_site_event event = {.kind = is_state ? BW_SITE_EVENT_GUARD_STATE
                                                         : BW_SITE_EVENT_GUARD_MESSAGE,
                                        .state = is_state ? &message->state : NULL,
                                        .message = is_state ? NULL : message};

    if (group >= 0)
        bw_agent_step_group(machine, (uint32_t)group, &event);
}

static void on_welcome_done(struct bw_agent_machine *machine)
{
    struct bw_guard_link *link = &machine->guard;

    link->state = BW_GUARD_LINK_OPEN;
    link->opened = bw_agent_now(machine);
    link->is_noted = false;
    link->timer = BW_INSTANT_NEVER;
    for (uint32_t i = 0; i < machine->group_count; i++)
        if (!machine->groups[i].is_left && !bw_site_is_greeted(&machine->groups[i].site))
            bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_NOTE,
                                                             .note = BW_AGENT_NOTE_GUARD_UNAWARE,
                                                             .group = i});
    bw_agent_note(machine, BW_AGENT_NOTE_GUARD_GREETED, 0, NULL);
}

static void on_message(struct bw_agent_machine *machine, const struct bw_guard_message *message)
{
    struct bw_guard_link *link = &machine->guard;

    switch (message->kind) {
    case BW_GUARD_MESSAGE_WELCOME:
        if (link->state == BW_GUARD_LINK_GREETING)
            on_welcome(machine, message);
        return;
    case BW_GUARD_MESSAGE_GROUP_STATE:
        if (link->state == BW_GUARD_LINK_WELCOME) {
            await_word(
                machine); /* of many groups a welcome takes long, and goes on while words come */
            link->is_lost_reported = false; /* of some group it is there: it can be lost again */
            tell_group(machine, message);
        }
        return;
    case BW_GUARD_MESSAGE_WELCOME_DONE:
        if (link->state == BW_GUARD_LINK_WELCOME)
            on_welcome_done(machine);
        return;
    case BW_GUARD_MESSAGE_HELLO_REFUSED:
        lose(machine, bw_refusal_word(message->refused.why));
        return;
    case BW_GUARD_MESSAGE_ARMED:
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_RUN_BEGUN:
    case BW_GUARD_MESSAGE_RUN_ENDED:
    case BW_GUARD_MESSAGE_EPOCH_ENDED:
    case BW_GUARD_MESSAGE_END_REFUSED:
    case BW_GUARD_MESSAGE_LET_GO_DONE:
    case BW_GUARD_MESSAGE_FENCE_BEGUN:
    case BW_GUARD_MESSAGE_FENCE_ENDED:
        if (link->state == BW_GUARD_LINK_WELCOME || link->state == BW_GUARD_LINK_OPEN)
            tell_group(machine, message);
        return;
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_ARM:
    case BW_GUARD_MESSAGE_RUN:
    case BW_GUARD_MESSAGE_END:
    case BW_GUARD_MESSAGE_LET_GO:
    case BW_GUARD_MESSAGE_PASS:
    case BW_GUARD_MESSAGE_SHOW:
    case BW_GUARD_MESSAGE_SHOWN:
        lose(machine, "it said what is not a guard's to say to its agent");
        return;
    }
}

/* What comes from a connection that was given up is nobody's. */
void bw_agent_on_guard(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    if (machine->guard.state == BW_GUARD_LINK_IDLE)
        return;
    if (event->kind == BW_AGENT_EVENT_GUARD_CONNECTED)
        say_hello(machine);
    else if (event->kind == BW_AGENT_EVENT_GUARD_MESSAGE)
        on_message(machine, event->message);
    else if (event->kind == BW_AGENT_EVENT_GUARD_CLOSED)
        lost(machine, event->text);
    else
        lose(machine, event->text);
}

/* ---- connecting ------------------------------------------------------------------------------ */

void bw_agent_guard_connect(struct bw_agent_machine *machine)
{
    struct bw_guard_link *link = &machine->guard;
    struct bw_diag diag = {0};
    const struct bw_agent_action connect = {.kind = BW_AGENT_ACTION_CONNECT_GUARD};

    if (link->retry_ns == 0)
        link->retry_ns = RETRY_NS_MIN;
    link->state = BW_GUARD_LINK_CONNECTING;
    await_word(machine);
    if (bw_agent_ask(machine, &connect, &diag) != BW_OK)
        lost(machine, diag.text);
}

void bw_agent_guard_serve(struct bw_agent_machine *machine)
{
    struct bw_guard_link *link = &machine->guard;
    const struct bw_instant now = bw_agent_now(machine);

    if (bw_instant_right_is_over(now, link->arm_at))
        send_held_back(machine);
    if (!bw_instant_wait_is_over(now, link->timer))
        return;
    if (link->state == BW_GUARD_LINK_IDLE)
        bw_agent_guard_connect(machine);
    else if (link->state != BW_GUARD_LINK_OPEN)
        lose(machine, "no answer to hello for a second");
}

void bw_agent_guard_close(struct bw_agent_machine *machine)
{
    if (machine->guard.state != BW_GUARD_LINK_IDLE)
        bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_CLOSE_GUARD});
    machine->guard.state = BW_GUARD_LINK_IDLE;
}
