/* The guard of a site: whose deadline is first, whom it hears, what is saved together (3.4). */
#include <breakwater/machine/guard_machine.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/leave.h>

#define LOOKS_PER_TURN 4 /* then the loop reads what has come: an arm waits for no script */
#define PROVE_AGAIN_NS (30 * BW_NS_PER_S)
/* A proof of reach usually takes 20 ms: one that cannot have this long is not begun. */
#define PROOF_MS_MIN 100
#define PROOF_MS_MAX 5000 /* enough anywhere */

/* What a source of things to do has found. */
enum found { FOUND_NOTHING, FOUND_STEP, FOUND_ACTION };

static const struct bw_instant at_once = {0};

/* ---- the beginning --------------------------------------------------------------------------- */

void bw_guard_machine_init(struct bw_guard_machine *machine, const struct bw_guard_identity *own)
{
    memset(machine, 0, sizeof *machine);
    bw_guard_session_init(&machine->session, own);
    bw_enforcing_init(&machine->enforcing);
    bw_looks_init(&machine->looks);
    machine->wake_at = machine->look_at = BW_INSTANT_NEVER;
}

static void want_proof(struct bw_guard_machine *machine, struct bw_guarded *group, bool is_late)
{
    if (group->wants_proof && is_late)
        return;
    machine->proof_count += !group->wants_proof;
    group->wants_proof = true;
    group->is_proof_late = is_late;
}

static void wake(struct bw_guard_machine *machine, struct bw_guarded *group, struct bw_instant at)
{
    group->wake_at = at;
    machine->wake_at = bw_instant_min(machine->wake_at, at);
}

void bw_guard_machine_add(struct bw_guard_machine *machine, struct bw_guarded *group,
                          struct bw_guard *guard, void *owner)
{
    group->guard = guard;
    group->owner = owner;
    group->number = machine->group_count++;
    if (machine->last == NULL)
        machine->first = group;
    else
        machine->last->next = group;
    machine->last = group;
    machine->has_foreign |= !bw_id_is_none(group->armed_by);
    bw_enforcing_add(&machine->enforcing, &group->enforcing, guard, group);
    wake(machine, group, at_once); /* what is overdue, and the look at an enforced group (3.4) */
    want_proof(machine, group, false);
    bw_guard_machine_greet_again(machine); /* an agent that is here already (3.7) */
}

struct bw_guarded *bw_guard_machine_find(struct bw_guard_machine *machine, const char *group)
{
    struct bw_guarded *found = machine->last_found;

    for (uint32_t i = 0; i < machine->group_count; i++) {
        found = found != NULL && found->next != NULL ? found->next : machine->first;
        if (strcmp(found->guard->group, group) == 0) {
            machine->last_found = found;
            return found;
        }
    }
    return NULL;
}

/* ---- what is so ------------------------------------------------------------------------------ */

bool bw_guard_machine_is_foreign(const struct bw_guard_machine *machine,
                                 const struct bw_guarded *group)
{
    return !bw_id_is_none(group->armed_by) &&
           !bw_id_equal(group->armed_by, machine->session.own.cluster_id);
}

bool bw_guard_machine_is_nobodys(const struct bw_guard_machine *machine,
                                 const struct bw_guarded *group)
{
    return group->is_unread || bw_guard_machine_is_foreign(machine, group);
}

bool bw_guard_machine_is_known(const struct bw_guard_machine *machine,
                               const struct bw_guarded *group)
{
    return !group->is_left && !bw_guard_machine_is_nobodys(machine, group);
}

bool bw_guarded_is_over(const struct bw_guarded *group, struct bw_instant now)
{
    const struct bw_guard *guard = group->guard;

    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++)
        if (guard->slots[slot].state != BW_SLOT_FREE)
            return false;
    return !bw_guard_is_fencing(guard) &&
           (guard->mirror.armed_epoch == 0 || guard->fence == BW_FENCE_DONE ||
            bw_instant_right_is_over(now, guard->mirror.armed_end));
}

bool bw_guard_machine_may_end(const struct bw_guard_machine *machine)
{
    for (const struct bw_guarded *group = machine->first; group != NULL; group = group->next)
        if (bw_guard_is_fencing(group->guard))
            return false;
    return !bw_enforcing_is_due(&machine->enforcing);
}

uint32_t bw_guard_machine_proof_ms(const struct bw_guard_machine *machine, struct bw_instant now,
                                   const struct bw_guarded **out_of)
{
    uint64_t left_ns = bw_ms_to_ns(2 * PROOF_MS_MAX);

    *out_of = NULL;
    for (const struct bw_guarded *group = machine->first; group != NULL; group = group->next) {
        const struct bw_guard_mirror *mirror = &group->guard->mirror;
        const struct bw_instant window = bw_instant_sub(mirror->armed_end, mirror->fence_ns);
        const uint64_t its_ns = bw_guard_is_fencing(group->guard) ? 0
                                : bw_guard_has_deadline(group->guard, now)
                                    ? bw_instant_left_ns(now, window)
                                    : left_ns;

        if (its_ns >= left_ns)
            continue;
        left_ns = its_ns;
        *out_of = group;
    }
    return left_ns / 2 < bw_ms_to_ns(PROOF_MS_MIN) ? 0 : (uint32_t)bw_ns_to_ms(left_ns / 2);
}

enum bw_guard_proof_next bw_guard_proof_next(const struct bw_guard_proof_facts *facts)
{
    if (facts->is_proved || facts->is_action_running)
        return BW_GUARD_PROOF_REST;
    if (facts->is_means_proved)
        return BW_GUARD_PROOF_TAKE;
    return facts->limit_ms == 0 ? BW_GUARD_PROOF_NEAR : BW_GUARD_PROOF_TRY;
}

bool bw_guard_reach_works(bool is_proved, bool has_units, bool are_units_seen)
{
    return is_proved && (!has_units || are_units_seen);
}

/* ---- a step of one group --------------------------------------------------------------------- */

static struct bw_guard_seen seen_of(const struct bw_guard *guard)
{
    const struct bw_reach_sight sight = bw_guard_sight(guard);

    return (struct bw_guard_seen){
        .fence = guard->fence,
        .armed_epoch = guard->mirror.armed_epoch,
        .epoch_seen = guard->memory.epoch_seen,
        .ended_epoch = guard->memory.ended_epoch,
        .let_go_index = guard->memory.let_go_index,
        .enforced = guard->memory.enforced,
        .has_left = guard->has_left,
        .reach = sight.seen,
        .is_reach_proved = sight.proved,
    };
}

static void step(struct bw_guard_machine *machine, struct bw_guarded *group,
                 const struct bw_guard_event *event, struct bw_instant now)
{
    BW_ASSERT(group != NULL);
    BW_ASSERT(machine->stepping == NULL || machine->stepping == group);
    machine->stepping = group;
    machine->before = seen_of(group->guard);
    machine->is_step_unsent = true;
    bw_guard_turn_step(&machine->turn, group->guard, event, now);
}

static void end_step(struct bw_guard_machine *machine, struct bw_instant now)
{
    struct bw_guarded *group = machine->stepping;

    machine->stepping = NULL;
    wake(machine, group, bw_guard_turn_wake(&machine->turn, now));
    bw_enforcing_on_step(&machine->enforcing, &group->enforcing);
}

/* ---- looks ----------------------------------------------------------------------------------- */

/* A stop has ended only when it is seen: what it looks at is part of it. A group beyond those that a file
 * can name is one that it no longer names: nobody asks it for looks. */
static bool is_queued(const struct bw_guarded *group)
{
    return group->guard->stop != BW_GUARD_STOP_CHECKING && group->number < BW_GROUPS_MAX;
}

static void leave_looks(struct bw_guard_machine *machine, const struct bw_guarded *group)
{
    bw_looks_leave(&machine->looks, group->number);
    machine->look_at = at_once;
}

/* True: it waits. */
static bool queue_look(struct bw_guard_machine *machine, struct bw_guarded *group,
                       const struct bw_guard_run *run, struct bw_instant now)
{
    if (!is_queued(group) || bw_looks_ask(&machine->looks, group->number, now))
        return false;
    group->look = *run;
    group->look_waits = true;
    machine->look_at = at_once;
    return true;
}

static void give_look_up(struct bw_guard_machine *machine, struct bw_guarded *group)
{
    leave_looks(machine, group);
    group->look_waits = false;
    group->is_look_given_up = true;
    group->has_ended[BW_GUARD_SLOT_OBSERVATION] = true;
    machine->end_count++;
}

/* A look that waits would run what nobody names any more. */
void bw_guard_machine_leave(struct bw_guard_machine *machine, struct bw_guarded *group)
{
    if (group->is_left)
        return;
    if (group->look_waits)
        give_look_up(machine, group);
    bw_guard_leave(group->guard);
    group->is_left = true;
    bw_guard_machine_greet_again(machine);
}

void bw_guard_machine_take_again(struct bw_guard_machine *machine, struct bw_guarded *group)
{
    if (!group->is_left)
        return;
    group->is_left = false;
    bw_guard_machine_greet_again(machine);
}

static struct bw_guarded *group_of(const struct bw_guard_machine *machine, uint32_t number)
{
    struct bw_guarded *group = machine->first;

    while (group->number != number)
        group = group->next;
    return group;
}

static enum found begin_look(struct bw_guard_machine *machine, struct bw_instant now,
                             struct bw_guard_machine_action *out)
{
    struct bw_guarded *group;
    uint32_t number;

    if (machine->looks.waiting_count == 0 || machine->look_budget == 0)
        return FOUND_NOTHING;
    if (!bw_looks_next(&machine->looks, now, &number, &machine->look_at)) {
        machine->look_budget = 0;
        return FOUND_NOTHING;
    }
    machine->look_at = now; /* the next may have room too, where this turn has no time left for it */
    machine->look_budget--;
    group = group_of(machine, number);
    group->look_waits = false;
    machine->late_look = (struct bw_guard_action){
        .kind = BW_GUARD_ACTION_SPAWN, .slot = BW_GUARD_SLOT_OBSERVATION, .run = group->look};
    out->kind = BW_GUARD_MACHINE_DO;
    out->group = group;
    out->action = &machine->late_look;
    out->is_late = true;
    return FOUND_ACTION;
}

/* ---- what a step asks for -------------------------------------------------------------------- */

static bool begin_spawn(struct bw_guard_machine *machine, struct bw_guarded *group,
                        const struct bw_guard_action *action, struct bw_instant now)
{
    if (action->slot == BW_GUARD_SLOT_OBSERVATION)
        return !queue_look(machine, group, &action->run, now);
    if (group->look_waits)
        give_look_up(machine, group); /* what changes the service goes first */
    return true;
}

static bool begin_kill(struct bw_guard_machine *machine, struct bw_guarded *group,
                       const struct bw_guard_action *action)
{
    if (action->slot != BW_GUARD_SLOT_OBSERVATION || !group->look_waits)
        return true;
    give_look_up(machine, group);
    return false;
}

/* False: nothing is left to do for whoever drives. */
static bool begin(struct bw_guard_machine *machine, struct bw_guarded *group,
                  const struct bw_guard_action *action, struct bw_instant now)
{
    switch (action->kind) {
    case BW_GUARD_ACTION_SAVE:
        BW_ASSERT(!group->is_saving); /* one at a time */
        group->is_saving = true;
        group->save.owner = group;
        bw_rounds_ask(&machine->saves, &group->save);
        return true;
    case BW_GUARD_ACTION_MIRROR:
        bw_enforcing_on_mirror(&machine->enforcing, &group->enforcing, action->number);
        return true;
    case BW_GUARD_ACTION_SPAWN:
        return begin_spawn(machine, group, action, now);
    case BW_GUARD_ACTION_KILL_RUN:
        return begin_kill(machine, group, action);
    case BW_GUARD_ACTION_SEND:
        return bw_guard_machine_is_known(machine, group);
    case BW_GUARD_ACTION_GO:
    case BW_GUARD_ACTION_PASS:
    case BW_GUARD_ACTION_TERM_STARTED:
    case BW_GUARD_ACTION_TERM_REACH:
    case BW_GUARD_ACTION_KILL_REACH:
        break;
    }
    return true;
}

static bool tell_end(struct bw_guard_machine *machine, struct bw_guarded *group,
                     struct bw_guard_machine_action *out)
{
    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++) {
        if (!group->has_ended[slot])
            continue;
        group->has_ended[slot] = false;
        machine->end_count--;
        out->kind = BW_GUARD_MACHINE_TELL_END;
        out->group = group;
        out->slot = (enum bw_guard_slot)slot;
        if (slot == BW_GUARD_SLOT_OBSERVATION) {
            out->is_given_up = group->is_look_given_up;
            group->is_look_given_up = false;
        }
        return true;
    }
    return false;
}

/* The step under way, with all that follows from it in its group. */
static enum found go_on_step(struct bw_guard_machine *machine, struct bw_instant now,
                             struct bw_guard_machine_action *out)
{
    struct bw_guarded *group = machine->stepping;

    if (machine->is_step_unsent) {
        machine->is_step_unsent = false;
        out->kind = BW_GUARD_MACHINE_STEPPED;
        out->group = group;
        out->before = &machine->before;
        return FOUND_ACTION;
    }
    if (group == NULL)
        return FOUND_NOTHING;
    out->action = bw_guard_turn_next(&machine->turn);
    if (out->action != NULL) {
        out->kind = BW_GUARD_MACHINE_DO;
        out->group = group;
        out->is_idle = !begin(machine, group, out->action, now);
        return FOUND_ACTION;
    }
    if (tell_end(machine, group, out))
        return FOUND_ACTION;
    end_step(machine, now);
    return FOUND_STEP;
}

/* ---- what has happened ----------------------------------------------------------------------- */

/* Deadlines go before messages (3.4). */
static enum found serve_due(struct bw_guard_machine *machine, struct bw_instant now,
                            struct bw_guard_machine_action *out)
{
    const struct bw_guard_event tick = {.kind = BW_GUARD_EVENT_TICK};

    (void)out;
    if (!bw_instant_right_is_over(now, machine->wake_at))
        return FOUND_NOTHING;
    machine->wake_at = BW_INSTANT_NEVER;
    for (struct bw_guarded *group = machine->first; group != NULL; group = group->next) {
        if (bw_instant_right_is_over(now, group->wake_at)) {
            machine->wake_at = at_once; /* others may be due, too */
            step(machine, group, &tick, now);
            return FOUND_STEP;
        }
        machine->wake_at = bw_instant_min(machine->wake_at, group->wake_at);
    }
    return FOUND_NOTHING;
}

static enum found tell_ends(struct bw_guard_machine *machine, struct bw_instant now,
                            struct bw_guard_machine_action *out)
{
    (void)now;
    if (machine->end_count == 0)
        return FOUND_NOTHING;
    for (struct bw_guarded *group = machine->first; group != NULL; group = group->next)
        if (tell_end(machine, group, out))
            return FOUND_ACTION;
    return FOUND_NOTHING;
}

static enum found answer_saves(struct bw_guard_machine *machine, struct bw_instant now,
                               struct bw_guard_machine_action *out)
{
    struct bw_guarded *group = machine->first;

    (void)out;
    if (machine->saved_count == 0) {
        if (machine->is_answering_saves)
            bw_rounds_end(&machine->saves); /* what was asked for meanwhile goes together */
        machine->is_answering_saves = false;
        return FOUND_NOTHING;
    }
    while (!group->is_saved)
        group = group->next;
    group->is_saved = group->is_saving = false;
    machine->saved_count--;
    step(machine, group,
         &(struct bw_guard_event){.kind = BW_GUARD_EVENT_SAVED, .ok = group->is_saved_well}, now);
    return FOUND_STEP;
}

static enum found hear(struct bw_guard_machine *machine, struct bw_instant now,
                       struct bw_guard_machine_action *out)
{
    const struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MESSAGE,
                                         .message = &machine->message};
    struct bw_guarded *group;

    if (!machine->has_message)
        return FOUND_NOTHING;
    machine->has_message = false;
    if (machine->message.kind == BW_GUARD_MESSAGE_HELLO) {
        machine->is_hello_refused =
            !bw_guard_session_on_hello(&machine->session, machine->message_from,
                                       &machine->message.hello, &machine->unwelcome);
        return FOUND_STEP;
    }
    group = bw_guard_machine_find(machine, machine->message.group);
    if (machine->message_from != machine->session.agent) {
        out->why = BW_REFUSAL_NO_HELLO;
    } else if (group == NULL || !bw_guard_machine_is_known(machine, group)) {
        out->why = BW_REFUSAL_NO_GROUP;
    } else {
        step(machine, group, &event, now);
        return FOUND_STEP;
    }
    out->kind = BW_GUARD_MACHINE_REFUSE;
    out->connection = machine->message_from;
    out->message = &machine->message;
    if (bw_guard_refuse(&machine->message, out->why, &machine->refusal))
        out->refusal = &machine->refusal;
    return FOUND_ACTION;
}

static enum found tell_gone(struct bw_guard_machine *machine, struct bw_instant now,
                            struct bw_guard_machine_action *out)
{
    struct bw_guarded *group = machine->gone_from;

    (void)out;
    if (group == NULL)
        return FOUND_NOTHING;
    machine->gone_from = group->next;
    step(machine, group, &(struct bw_guard_event){.kind = BW_GUARD_EVENT_AGENT_GONE}, now);
    return FOUND_STEP;
}

/* One that fails may take seconds. So long after it neither a hello waits for another one, nor does the turn for
 * that of each group: no site is eligible by them, which an agent has to hear in time. */
static enum found prove(struct bw_guard_machine *machine, struct bw_instant now,
                        struct bw_guard_machine_action *out)
{
    struct bw_guarded *group = machine->first;

    if (machine->proof_count == 0)
        return FOUND_NOTHING;
    while (!group->wants_proof)
        group = group->next;
    group->wants_proof = false;
    machine->proof_count--;
    if (!bw_instant_wait_is_over(now, machine->prove_again_at[group->means]))
        return FOUND_STEP;
    out->kind = BW_GUARD_MACHINE_PROVE;
    out->group = group;
    out->is_late = group->is_proof_late;
    return FOUND_ACTION;
}

/* ---- who controls it ------------------------------------------------------------------------- */

static void greet(struct bw_guard_machine *machine, struct bw_instant now)
{
    const struct bw_guard_event hello = {.kind = BW_GUARD_EVENT_HELLO,
                                         .hello = machine->session.hello};
    struct bw_guarded *group =
        machine->greeted == NULL ? machine->first : machine->greeted->next;

    machine->greeted = group;
    if (bw_guard_machine_is_known(machine, group))
        step(machine, group, &hello, now);
}

static enum found go_on_session(struct bw_guard_machine *machine, bool may_greet,
                                struct bw_instant now, struct bw_guard_machine_action *out)
{
    if (machine->is_hello_refused) {
        machine->is_hello_refused = false;
        out->kind = BW_GUARD_MACHINE_REFUSE_HELLO;
        out->hello = &machine->unwelcome;
        return FOUND_ACTION;
    }
    if (!bw_guard_session_next(&machine->session, machine->group_count, may_greet, &out->session))
        return FOUND_NOTHING;
    switch (out->session.kind) {
    case BW_SESSION_GONE:
        machine->gone_from = machine->first;
        return FOUND_STEP;
    case BW_SESSION_PROVE:
        for (struct bw_guarded *group = machine->first; group != NULL; group = group->next)
            want_proof(machine, group, false);
        return FOUND_STEP;
    case BW_SESSION_GREET:
        greet(machine, now);
        return FOUND_STEP;
    case BW_SESSION_WELCOME:
        machine->greeted = NULL;
        break;
    case BW_SESSION_PIN:
    case BW_SESSION_CLOSE:
    case BW_SESSION_DONE:
        break;
    }
    out->kind = BW_GUARD_MACHINE_SESSION;
    return FOUND_ACTION;
}

static enum found greet_again(struct bw_guard_machine *machine, struct bw_guard_machine_action *out)
{
    const bool is_due = machine->wants_greeting && machine->session.agent != 0;

    machine->wants_greeting = false;
    out->kind = BW_GUARD_MACHINE_GREET_AGAIN;
    out->connection = machine->session.agent;
    return is_due ? FOUND_ACTION : FOUND_NOTHING;
}

/* ---- at the end of a turn -------------------------------------------------------------------- */

/* What is written once it was forgotten says nothing to anybody. */
static void forget(struct bw_guard_machine *machine, struct bw_guarded *group, struct bw_instant now)
{
    const struct bw_guard_limits limits = group->guard->limits;
    char name[sizeof group->guard->group];

    machine->before = seen_of(group->guard);
    memcpy(name, group->guard->group, sizeof name);
    group->armed_by = (struct bw_id){{0}};
    bw_guard_init(group->guard, name, &limits, &group->kept, NULL, now);
    bw_enforcing_forget(&machine->enforcing, &group->enforcing);
    wake(machine, group, at_once);
    machine->wants_greeting = true;
}

static enum found forget_foreign(struct bw_guard_machine *machine, struct bw_instant now,
                                 struct bw_guard_machine_action *out)
{
    if (!machine->has_foreign || bw_id_is_none(machine->session.own.cluster_id))
        return FOUND_NOTHING; /* a hello will tell */
    machine->has_foreign = false;
    for (struct bw_guarded *group = machine->first; group != NULL; group = group->next) {
        if (!bw_guard_machine_is_foreign(machine, group))
            continue;
        machine->has_foreign = true;
        if (bw_enforcing_is_due(&machine->enforcing) || group->is_saving ||
            group->enforcing.is_waiting || !bw_guarded_is_over(group, now))
            continue;
        forget(machine, group, now);
        out->kind = BW_GUARD_MACHINE_FORGOTTEN;
        out->group = group;
        out->before = &machine->before;
        return FOUND_ACTION;
    }
    return FOUND_NOTHING;
}

static enum found enforce(struct bw_guard_machine *machine, struct bw_instant now,
                          struct bw_guard_machine_action *out)
{
    if (!bw_enforcing_next(&machine->enforcing, now, &out->enforce))
        return FOUND_NOTHING;
    out->kind = BW_GUARD_MACHINE_ENFORCE;
    out->group = out->enforce.group != NULL ? out->enforce.group->owner : NULL;
    if (out->enforce.kind != BW_ENFORCING_ANSWER)
        return FOUND_ACTION;
    step(machine, out->group,
         &(struct bw_guard_event){.kind = BW_GUARD_EVENT_MIRRORED,
                                  .number = out->enforce.number,
                                  .ok = out->enforce.ok},
         now);
    return FOUND_STEP;
}

/* ---- what is next ---------------------------------------------------------------------------- */

static enum found find(struct bw_guard_machine *machine, bool may_greet, bool is_turn_over,
                       struct bw_instant now, struct bw_guard_machine_action *out)
{
    static enum found (*const sources[])(struct bw_guard_machine *machine, struct bw_instant now,
                                         struct bw_guard_machine_action *out) = {
        go_on_step, serve_due, tell_ends, answer_saves, hear, tell_gone, prove, begin_look};
    enum found found;

    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        found = sources[i](machine, now, out);
        if (found != FOUND_NOTHING)
            return found;
    }
    found = go_on_session(machine, may_greet, now, out);
    if (found == FOUND_NOTHING)
        found = greet_again(machine, out);
    if (found != FOUND_NOTHING)
        return found;
    if (bw_rounds_begin(&machine->saves)) {
        out->kind = BW_GUARD_MACHINE_WRITE_SAVES;
        return FOUND_ACTION;
    }
    if (!is_turn_over)
        return FOUND_NOTHING;
    found = forget_foreign(machine, now, out);
    return found != FOUND_NOTHING ? found : enforce(machine, now, out);
}

bool bw_guard_machine_next(struct bw_guard_machine *machine, bool may_greet, bool is_turn_over,
                           struct bw_instant now, struct bw_guard_machine_action *out_action)
{
    enum found found;

    do {
        *out_action = (struct bw_guard_machine_action){.group = NULL};
        found = find(machine, may_greet, is_turn_over, now, out_action);
    } while (found == FOUND_STEP);
    return found == FOUND_ACTION;
}

struct bw_instant bw_guard_machine_wake(const struct bw_guard_machine *machine,
                                        struct bw_instant now)
{
    const struct bw_instant at =
        bw_instant_min(machine->wake_at, bw_enforcing_wake(&machine->enforcing, now));

    return machine->looks.waiting_count > 0 ? bw_instant_min(at, machine->look_at) : at;
}

/* ---- what happens ---------------------------------------------------------------------------- */

void bw_guard_machine_on_wake(struct bw_guard_machine *machine)
{
    machine->look_budget = LOOKS_PER_TURN;
}

void bw_guard_machine_on_message(struct bw_guard_machine *machine, uint64_t connection,
                                 const struct bw_guard_message *message)
{
    BW_ASSERT(!machine->has_message && machine->stepping == NULL);
    machine->has_message = true;
    machine->message_from = connection;
    machine->message = *message;
}

void bw_guard_machine_on_closed(struct bw_guard_machine *machine, uint64_t connection)
{
    bw_guard_session_on_closed(&machine->session, connection);
}

void bw_guard_machine_on_pinned(struct bw_guard_machine *machine, bool ok, const char *text)
{
    machine->is_hello_refused =
        !bw_guard_session_on_pinned(&machine->session, ok, text, &machine->unwelcome);
}

void bw_guard_machine_on_saved(struct bw_guard_machine *machine, struct bw_guarded *group, bool ok)
{
    BW_ASSERT(group->is_saving && !group->is_saved);
    group->is_saved = true;
    group->is_saved_well = ok;
    machine->saved_count++;
}

void bw_guard_machine_on_round_saved(struct bw_guard_machine *machine)
{
    BW_ASSERT(machine->saves.is_writing);
    machine->is_answering_saves = true;
}

void bw_guard_machine_on_reach_killed(struct bw_guard_machine *machine, struct bw_guarded *group,
                                      bool ok, struct bw_instant now)
{
    BW_ASSERT(machine->stepping == NULL);
    step(machine, group, &(struct bw_guard_event){.kind = BW_GUARD_EVENT_REACH_KILLED, .ok = ok},
         now);
}

void bw_guard_machine_on_end(struct bw_guard_machine *machine, struct bw_guarded *group,
                             enum bw_guard_slot slot)
{
    BW_ASSERT(!group->has_ended[slot]);
    group->has_ended[slot] = true;
    machine->end_count++;
    if (slot == BW_GUARD_SLOT_OBSERVATION && is_queued(group))
        leave_looks(machine, group);
}

void bw_guard_machine_greet_again(struct bw_guard_machine *machine)
{
    machine->wants_greeting = true;
}

/* ---- what is answered in its place ----------------------------------------------------------- */

void bw_guard_machine_spawned(struct bw_guard_machine *machine, struct bw_guarded *group,
                              const struct bw_guard_event *event, struct bw_instant now)
{
    BW_ASSERT(event->kind == BW_GUARD_EVENT_SPAWNED);
    group->run_config_number[event->slot] = group->config_number;
    step(machine, group, event, now);
}

void bw_guard_machine_ended(struct bw_guard_machine *machine, struct bw_guarded *group,
                            const struct bw_guard_event *event, struct bw_instant now)
{
    BW_ASSERT(event->kind == BW_GUARD_EVENT_RUN_ENDED);
    if (!group->guard->limits.reach_works)
        want_proof(machine, group, true);
    step(machine, group, event, now);
}

void bw_guard_machine_proved(struct bw_guard_machine *machine, struct bw_guarded *group,
                             enum bw_guard_proof how, struct bw_instant now)
{
    if (how == BW_GUARD_PROOF_FAILED)
        machine->prove_again_at[group->means] = bw_instant_add(now, PROVE_AGAIN_NS);
    else if (how == BW_GUARD_PROOF_WORKS && group->is_proof_late)
        machine->wants_greeting = true;
}

struct bw_guarded *bw_guard_machine_take_save(struct bw_guard_machine *machine)
{
    struct bw_round_item *item = bw_rounds_take(&machine->saves);

    return item != NULL ? item->owner : NULL;
}
