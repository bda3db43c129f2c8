/* An agent on its own machine: the connection with its guard, the fence without it, an operator. */
#include "agent_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/turn.h>

/* ---- the connection ---- */

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

/* ---- the fence without the guard ---- */

/* The fence that the agent runs when it cannot rely on its guard (3.4). core/site/own_fence.c says what is wanted
 * and when; here is by which means, in which order, and what follows from their answers. */

struct fence_turn {
    struct bw_agent_machine *machine;
    uint32_t group;
    struct bw_turn turn;
    struct bw_own_fence_actions lists[BW_TURN_DEPTH_MAX];
};

static struct bw_group_agent *own_group(const struct fence_turn *turn)
{
    return &turn->machine->groups[turn->group];
}

static void step_once(struct fence_turn *turn, const struct bw_own_fence_event *event)
{
    struct bw_own_fence_actions *list = &turn->lists[bw_turn_begin(&turn->turn)];

    bw_own_fence_step(&own_group(turn)->fence, event, bw_agent_now(turn->machine), list);
    own_group(turn)->fence_at = list->wake_at;
    bw_turn_filled(&turn->turn, list->count);
}

/* ---- what it asks for ------------------------------------------------------------------------ */

static enum bw_err ask(const struct fence_turn *turn, enum bw_agent_action_kind kind,
                       enum bw_fence_means means, const struct bw_own_fence_action *fence)
{
    return bw_agent_ask(turn->machine,
                        &(struct bw_agent_action){
                            .kind = kind, .group = turn->group, .means = means, .fence = fence},
                        NULL);
}

static void answer(struct fence_turn *turn, enum bw_own_fence_event_kind kind)
{
    step_once(turn, &(struct bw_own_fence_event){.kind = kind, .ok = false});
}

static bool has_units(const struct fence_turn *turn)
{
    return own_group(turn)->fence.means_count > BW_FENCE_BY_UNITS;
}

/* What the reach itself shows needs no search; where it shows nothing a search may find more. Unknown is
 * never yes. */
static void look_for_starts(struct fence_turn *turn)
{
    if (ask(turn, BW_AGENT_ACTION_FENCE_LOOK, BW_FENCE_BY_REACH, NULL) != BW_OK ||
        ask(turn, BW_AGENT_ACTION_FENCE_LOOK, BW_FENCE_BY_MARKS, NULL) != BW_OK)
        answer(turn, BW_OWN_FENCE_EVENT_STARTS_SEEN);
}

/* Nothing is searched for by marks: that may take longer than what is left until the KILL, which no TERM
 * stands before (3.4). */
static void term(const struct fence_turn *turn)
{
    (void)ask(turn, BW_AGENT_ACTION_FENCE_TERM, BW_FENCE_BY_REACH, NULL); /* the KILL follows */
    if (has_units(turn))
        (void)ask(turn, BW_AGENT_ACTION_FENCE_TERM, BW_FENCE_BY_UNITS, NULL);
}

/* KILL to what needs no search, and then a search: none waits until nothing is left of another. That
 * nothing is left is for the steps to see. */
static void kill_once_by_others(const struct fence_turn *turn)
{
    if (has_units(turn))
        (void)ask(turn, BW_AGENT_ACTION_FENCE_KILL_ONCE, BW_FENCE_BY_UNITS, NULL);
    (void)ask(turn, BW_AGENT_ACTION_FENCE_KILL_ONCE, BW_FENCE_BY_MARKS, NULL);
}

static enum bw_fence_means means_of(const struct bw_own_fence_action *action)
{
    const enum bw_fence_means means = (enum bw_fence_means)action->means;

    return means;
}

static void kill_reach(struct fence_turn *turn, const struct bw_own_fence_action *action)
{
    const enum bw_err err = ask(turn, BW_AGENT_ACTION_FENCE_KILL, means_of(action), NULL);

    if (action->means == 0)
        kill_once_by_others(turn);
    if (err != BW_OK)
        answer(turn, BW_OWN_FENCE_EVENT_REACH_KILLED);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static uint32_t means_count(bool with_units)
{
    return with_units ? BW_FENCE_BY_UNITS + 1 : BW_FENCE_BY_MARKS + 1;
}

void bw_agent_fence_init(struct bw_group_agent *own, bool with_units)
{
    bw_own_fence_init(&own->fence, &own->site.limits, means_count(with_units));
    own->fence_at = BW_INSTANT_NEVER;
}

uint32_t bw_agent_machine_fences(const struct bw_agent_machine *machine)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < machine->group_count; i++)
        count += bw_own_fence_is_running(&machine->groups[i].fence);
    return count;
}

static void end_if_wanted(struct bw_agent_machine *machine)
{
    if (machine->wish != BW_AGENT_GOES_ON && bw_agent_machine_fences(machine) == 0)
        bw_agent_emit(machine, &(struct bw_agent_action){
                                   .kind = BW_AGENT_ACTION_END,
                                   .is_restart = machine->wish == BW_AGENT_WANTS_RESTART});
}

void bw_agent_end(struct bw_agent_machine *machine, bool is_restart)
{
    if (machine->wish != BW_AGENT_GOES_ON)
        return;
    machine->wish = is_restart ? BW_AGENT_WANTS_RESTART : BW_AGENT_WANTS_STOP;
    bw_agent_emit(machine, &(struct bw_agent_action){.kind = BW_AGENT_ACTION_NOTE,
                                                     .note = BW_AGENT_NOTE_STOPPING,
                                                     .number = bw_agent_machine_fences(machine)});
    end_if_wanted(machine);
}

/* An agent that can run none is begun anew: then it fences again (3.4). */
static void open_fence(struct bw_agent_machine *machine, uint32_t group)
{
    struct bw_group_agent *own = &machine->groups[group];
    const struct bw_agent_action open = {.kind = BW_AGENT_ACTION_FENCE_OPEN, .group = group};

    if (bw_agent_ask(machine, &open, NULL) == BW_OK)
        return;
    bw_agent_fence_init(own, own->fence.means_count > BW_FENCE_BY_UNITS);
    bw_agent_end(machine, true);
}

/* The next one, if one waits, has begun already. */
static void end(struct fence_turn *turn, const struct bw_own_fence_action *action)
{
    (void)ask(turn, BW_AGENT_ACTION_FENCE_CLOSE, BW_FENCE_BY_REACH, action);
    if (bw_own_fence_is_running(&own_group(turn)->fence))
        open_fence(turn->machine, turn->group);
    bw_agent_step_group(turn->machine, turn->group,
                        &(struct bw_site_event){.kind = BW_SITE_EVENT_OWN_FENCE_ENDED,
                                                .epoch = action->epoch,
                                                .ok = action->ok});
    end_if_wanted(turn->machine);
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* What is due is done before what has come is heard: a kill of the script whose end that is (3.4)
 * has nothing left to end, and its end follows at once. */
static void kill_run(const struct fence_turn *turn)
{
    if (!own_group(turn)->is_run_over)
        (void)ask(turn, BW_AGENT_ACTION_FENCE_KILL_RUN, BW_FENCE_BY_REACH, NULL);
}

static void execute(struct fence_turn *turn, const struct bw_own_fence_action *action)
{
    (void)ask(turn, BW_AGENT_ACTION_FENCE_STEPPED, BW_FENCE_BY_REACH, action);
    switch (action->kind) {
    case BW_OWN_FENCE_ACTION_RUN:
        if (ask(turn, BW_AGENT_ACTION_FENCE_RUN, BW_FENCE_BY_REACH, action) != BW_OK)
            answer(turn, BW_OWN_FENCE_EVENT_RUN_UNBEGUN);
        return;
    case BW_OWN_FENCE_ACTION_KILL_RUN:
        kill_run(turn);
        return;
    case BW_OWN_FENCE_ACTION_SEE_STARTS:
        look_for_starts(turn);
        return;
    case BW_OWN_FENCE_ACTION_TERM_REACH:
        term(turn);
        return;
    case BW_OWN_FENCE_ACTION_KILL_REACH:
        kill_reach(turn, action);
        return;
    case BW_OWN_FENCE_ACTION_ENDED:
        end(turn, action);
        return;
    }
}

/* Units are looked at once nothing of a start is left that could order them up. True: their answer follows. */
static bool looks_at_units(struct bw_agent_machine *machine, const struct bw_agent_event *event,
                           struct bw_own_fence_event *out_seen)
{
    struct fence_turn turn = {.machine = machine, .group = event->group};

    if (!event->ok || event->means == BW_FENCE_BY_UNITS || !has_units(&turn) ||
        own_group(&turn)->fence.state != BW_OWN_FENCE_STARTS)
        return false;
    out_seen->ok = false;
    return ask(&turn, BW_AGENT_ACTION_FENCE_LOOK, BW_FENCE_BY_UNITS, NULL) == BW_OK;
}

static void step(struct bw_agent_machine *machine, uint32_t group,
                 const struct bw_own_fence_event *event)
{
    struct fence_turn turn = {.machine = machine, .group = group};
    uint32_t list;
    uint32_t at;

    step_once(&turn, event);
    while (bw_turn_next(&turn.turn, &list, &at))
        execute(&turn, &turn.lists[list].list[at]);
}

/* A state that is entered acts in a turn of its own: never within what has led to it. */
void bw_agent_fence_start(struct bw_agent_machine *machine, uint32_t group,
                          const struct bw_site_action *action)
{
    const bool was_running = bw_own_fence_is_running(&machine->groups[group].fence);

    step(machine, group,
         &(struct bw_own_fence_event){.kind = BW_OWN_FENCE_EVENT_START,
                                      .epoch = action->epoch,
                                      .plan = action->fence,
                                      .is_inside = action->is_inside,
                                      .is_proved = action->is_proved});
    if (!was_running)
        open_fence(machine, group);
}

void bw_agent_on_fence(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    struct bw_own_fence_event happened = {.kind = BW_OWN_FENCE_EVENT_RUN_ENDED,
                                          .ok = event->ok,
                                          .was_signaled = event->was_signaled,
                                          .line = event->line};

    if (event->kind == BW_AGENT_EVENT_FENCE_LOOKED)
        happened.kind = BW_OWN_FENCE_EVENT_STARTS_SEEN;
    else if (event->kind == BW_AGENT_EVENT_FENCE_KILLED)
        happened.kind = BW_OWN_FENCE_EVENT_REACH_KILLED;
    machine->groups[event->group].is_run_over = false; /* it is told now */
    if (event->kind == BW_AGENT_EVENT_FENCE_LOOKED && looks_at_units(machine, event, &happened))
        return;
    step(machine, event->group, &happened);
}

void bw_agent_fences_serve(struct bw_agent_machine *machine)
{
    const struct bw_own_fence_event tick = {.kind = BW_OWN_FENCE_EVENT_TICK};
    const struct bw_instant now = bw_agent_now(machine);

    for (uint32_t i = 0; i < machine->group_count; i++)
        if (bw_instant_right_is_over(now, machine->groups[i].fence_at))
            step(machine, i, &tick);
}

/* ---- an operator at the site ---- */

/* An operator at a site. Without a quorum, and what the agent knows for that: since when no leader answers, how long a
 * lease may be, whether all know what an override is (3.8). And the proof of a reach (3.4). */

static uint32_t wait_ms(const struct bw_terms *terms)
{
    const uint64_t ms = bw_ns_to_ms(bw_expiry_wait_ns(terms) + BW_NS_PER_MS - 1);

    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

/* Whoever holds a witness's key may say that it leads, and that no lease is long: of all that was
 * ever heard the longest counts, and no more than there can be. */
void bw_agent_overrides_hear_wait(struct bw_agent_machine *machine, uint32_t wait_ms)
{
    const uint32_t possible_ms = wait_ms < BW_LONGEST_WAIT_MS_MAX ? wait_ms
                                                                  : BW_LONGEST_WAIT_MS_MAX;

    if (possible_ms > machine->longest_wait_ms)
        machine->longest_wait_ms = possible_ms;
}

/* What a leader told of all leases, and what this group's terms say: the longer. */
uint32_t bw_agent_machine_override_wait_ms(const struct bw_agent_machine *machine, uint32_t group)
{
    const struct bw_site *site = &machine->groups[group].site;
    uint32_t longest_ms = machine->longest_wait_ms;

    if (longest_ms == 0)
        return 0;
    if (wait_ms(&site->memory.terms) > longest_ms)
        longest_ms = wait_ms(&site->memory.terms);
    return wait_ms(&site->order.terms) > longest_ms ? wait_ms(&site->order.terms) : longest_ms;
}

/* Shorter than the wait and its own fence it would serve for no moment. */
static bool is_for_too_short(const struct bw_agent_machine *machine, uint32_t group, uint32_t for_ms)
{
    const uint64_t fence_ms = bw_ns_to_ms(bw_site_override_fence_ns(&machine->groups[group].site));

    return for_ms < BW_OVERRIDE_FOR_MS_MIN ||
           for_ms <= bw_agent_machine_override_wait_ms(machine, group) + fence_ms;
}

enum bw_override_refusal bw_agent_machine_judge_override(const struct bw_agent_machine *machine,
                                                         uint32_t group, uint32_t for_ms)
{
    const struct bw_site *site = &machine->groups[group].site;
    const uint64_t silent_ns = bw_instant_elapsed_ns(bw_agent_now(machine),
                                                     machine->leader_contact);
    const enum bw_override_refusal refusal = bw_site_judge_override(site, silent_ns);

    BW_ASSERT(group < machine->group_count);
    if (refusal != BW_OVERRIDE_REFUSAL_NONE)
        return refusal;
    if (machine->feature_level <
        BW_OVERRIDE_LEVEL) /* unknown is no yes: others might not heed it */
        return BW_OVERRIDE_REFUSAL_LEVEL;
    if (machine->guard.feature_level < BW_MANUAL_LEVEL)
        return BW_OVERRIDE_REFUSAL_GUARD;
    if (bw_agent_machine_override_wait_ms(machine, group) == 0)
        return BW_OVERRIDE_REFUSAL_WAIT_UNKNOWN;
    if (for_ms != 0 && (for_ms > BW_OVERRIDE_FOR_MS_MAX || is_for_too_short(machine, group, for_ms)))
        return BW_OVERRIDE_REFUSAL_FOR;
    return BW_OVERRIDE_REFUSAL_NONE;
}

void bw_agent_on_override(struct bw_agent_machine *machine, const struct bw_agent_event *event)
{
    const struct bw_override_wish wish = {
        .wait_ms = bw_agent_machine_override_wait_ms(machine, event->group),
        .for_ms = event->for_ms,
        .unix_ms = event->unix_ms};
    const bool is_end = event->kind == BW_AGENT_EVENT_OVERRIDE_END;
    const struct bw_site_event asked = {
        .kind = is_end ? BW_SITE_EVENT_OVERRIDE_END : BW_SITE_EVENT_OVERRIDE, .wish = &wish};

    BW_ASSERT(event->group < machine->group_count);
    if (is_end ||
        bw_agent_machine_judge_override(machine, event->group, event->for_ms) == BW_OVERRIDE_REFUSAL_NONE)
        bw_agent_step_group(machine, event->group, &asked);
}

void bw_agent_overrides_answered(struct bw_agent_machine *machine)
{
    const struct bw_site_event answered = {.kind = BW_SITE_EVENT_LEADER_ANSWERED};

    for (uint32_t i = 0; i < machine->group_count; i++)
        if (machine->groups[i].site.memory.override != BW_OVERRIDE_NONE)
            bw_agent_step_group(machine, i, &answered);
}

/* 3.8: a machine that was paused may find both of its clocks where they were. Its wall clock is set once it goes on, and
 * only ever ends a manual lease earlier. */
void bw_agent_overrides_look_at_wall(struct bw_agent_machine *machine)
{
    const struct bw_site_event late = {.kind = BW_SITE_EVENT_OVERRIDE_LATE};
    const struct bw_agent_driver *driver = &machine->setup.driver;

    for (uint32_t i = 0; i < machine->group_count && driver->wall_ms != NULL; i++) {
        const struct bw_site_memory *memory = &machine->groups[i].site.memory;
        const bool lives = memory->override == BW_OVERRIDE_WAITING ||
                           memory->override == BW_OVERRIDE_OVERRIDING;

        if (lives && memory->override_end_unix_ms - memory->override_fence_ms <= driver->wall_ms(driver->user))
            bw_agent_step_group(machine, i, &late);
    }
}

/* ---- the proof of a reach (3.4) --------------------------------------------------------------- */

/* A guard of before would run the stop script, and prove nothing. */
enum bw_proof_word bw_agent_machine_judge_proof(const struct bw_agent_machine *machine, uint32_t group)
{
    const struct bw_site *site = &machine->groups[group].site;

    BW_ASSERT(group < machine->group_count);
    if (bw_site_is_greeted(site) && machine->guard.feature_level < BW_PROOF_LEVEL)
        return BW_PROOF_WORD_GUARD;
    return bw_site_judge_proof(site, bw_agent_now(machine));
}

void bw_agent_on_prove(struct bw_agent_machine *machine, uint32_t group)
{
    const struct bw_site_event asked = {.kind = BW_SITE_EVENT_PROVE};

    if (bw_agent_machine_judge_proof(machine, group) == BW_PROOF_WORD_NONE)
        bw_agent_step_group(machine, group, &asked);
}
