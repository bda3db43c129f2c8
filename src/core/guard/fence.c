/* The fence (3.2.4): a table of what each of its steps does with what it hears, and below it what that is.
 * TERM and KILL of everything in reach come at fixed instants before D, whatever step it is in. */
#include "internal.h"

#include <breakwater/base/assert.h>

/* ---- the table ----------------------------------------------------------------------------- */

/* What a step of a fence hears. */
enum fence_event {
    EVENT_ORDERED,      /* by the agent (a stop failed, a rogue start), or by the guard at its start */
    EVENT_WINDOW,       /* D - F of what is armed has come */
    EVENT_AGAIN,        /* a failed one is tried again */
    EVENT_SPARED,       /* its script would run into its limit once more */
    EVENT_SCRIPT_ENDED,
    EVENT_CUT,          /* what ran was killed, by whom ever: it has done, or seen, nothing */
    EVENT_SEEN,         /* a look has seen that nothing serves, nor may yet begin to */
    EVENT_SEEN_DYING,   /* likewise, but something that was killed is not gone, or has just gone */
    EVENT_SEEN_LEFT,    /* nothing serves, but what a start has left may yet begin to */
    EVENT_SEEN_DUE,     /* nothing serves, but what was ordered elsewhere only the script can end */
    EVENT_UNSEEN,       /* a look has seen no end */
    EVENT_TERM_DUE,
    EVENT_KILL_DUE,
    EVENT_KILLED,       /* the KILL is over, well or not */
    EVENT_KILLED_DUE,   /* well, and its script has to run once more */
    EVENT_LOOK_LATE,    /* the last look has taken too long */
    EVENT_ANSWERED,     /* an ordered one is over, of which nothing is armed */
    EVENT_FORGOTTEN,    /* what it was for is not armed any more, or something else is */
    EVENT_LET_GO,
};

typedef void effect(const struct guard_step *step, const char *rule);
static effect begin, spawn_script, look, look_last, look_again, term, term_left, kill_reach,
    run_script_last, succeed, fail, nothing;

#define BIT(name) (1u << BW_FENCE_##name)
#define SOFT      (BIT(SCRIPT) | BIT(CHECK))
#define SEEKING   (BIT(CHECK) | BIT(RECHECK))
#define OVER      (BIT(DONE) | BIT(FAILED))
#define ANY       (~0u)

/* clang-format off */
/* A pair (state, event) without a row is a no-op: the killed script of an earlier step has ended, or the
 * KILL of a fence that is over. A pair has one row at most.
 *    id    from                event         to       effect                                          */
#define FENCE_RULES(X)                                                                            \
    X(W1,  BIT(NONE) | OVER,    ORDERED,      SCRIPT,  begin)                                     \
    X(W10, ANY,                 WINDOW,       SCRIPT,  begin)                                     \
    X(W13, BIT(FAILED),         AGAIN,        SCRIPT,  begin)                                     \
    X(V60, BIT(SCRIPT),         SPARED,       CHECK,   look)                                      \
    X(W4,  BIT(SCRIPT),         CUT,          SCRIPT,  spawn_script)                              \
    X(W5,  BIT(SCRIPT),         SCRIPT_ENDED, CHECK,   look)                                      \
    X(W20, BIT(CHECK),          CUT,          CHECK,   look)                                      \
    X(W6,  BIT(CHECK),          SEEN,         DONE,    succeed)                                   \
    X(W34, BIT(CHECK),          SEEN_DUE,     SCRIPT,  spawn_script)                              \
    X(W16, BIT(CHECK),          SEEN_LEFT,    TERM,    term_left)                                 \
    X(W7,  BIT(CHECK),          UNSEEN,       TERM,    term)                                      \
    X(W15, SEEKING,             SEEN_DYING,   SAME,    look_again)                                \
    X(W12, SOFT,                TERM_DUE,     TERM,    term)                                      \
    X(W11, SOFT | BIT(TERM),    KILL_DUE,     KILL,    kill_reach)                                \
    X(W3,  BIT(KILL),           KILLED,       RECHECK, look_last)                                 \
    X(W33, BIT(KILL),           KILLED_DUE,   RECHECK, run_script_last)                           \
    X(W30, BIT(RECHECK),        SCRIPT_ENDED, RECHECK, look_last)                                 \
    X(W8,  BIT(RECHECK),        CUT,          RECHECK, look)                                      \
    X(W9,  BIT(RECHECK), SEEN, DONE, succeed) X(W9, BIT(RECHECK), UNSEEN, FAILED, fail)           \
    X(W14, BIT(RECHECK),        LOOK_LATE,    FAILED,  fail)
/* clang-format on */

#define FENCE_STATE_LIST_AND_SAME(X) BW_FENCE_STATE_LIST(X) X(SAME)
enum fence_to {
#define X(name) TO_##name,
    FENCE_STATE_LIST_AND_SAME(X)
#undef X
};
_Static_assert(TO_FAILED == (enum fence_to)BW_FENCE_FAILED, "the states, and `as it was`");
_Static_assert(BW_FENCE_NONE == 0, "a machine that begins has no fence");

static const struct fence_rule {
    const char *id;
    unsigned from;
    enum fence_event event;
    enum fence_to to;
    effect *act;
} rules[] = {
#define X(id, from, event, to, act) {#id, (from), EVENT_##event, TO_##to, act},
    FENCE_RULES(X)
#undef X
    /* What says no more than what it follows from has no id. */
    {NULL, BIT(DONE), EVENT_ANSWERED, TO_NONE, nothing},
    {NULL, BIT(NONE) | BIT(DONE), EVENT_FORGOTTEN, TO_NONE, nothing},
    {NULL, BIT(NONE) | OVER, EVENT_LET_GO, TO_NONE, nothing},
};

static const struct fence_rule *find(enum bw_fence_state from, enum fence_event event)
{
    const struct fence_rule *match = NULL;

    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if ((rules[i].from & (1u << from)) == 0 || rules[i].event != event)
            continue;
        BW_ASSERT(match == NULL);
        match = &rules[i];
    }
    return match;
}

static void settle(struct bw_guard *guard, const struct fence_rule *rule)
{
    BW_ASSERT(rule->to <= TO_SAME);
    if (rule->to != TO_SAME)
        guard->fence = (enum bw_fence_state)rule->to;
}

/* The only way in which the state of a fence changes: first it, then what the row does. */
static void hear(const struct guard_step *step, enum fence_event event)
{
    const struct fence_rule *rule = find(step->guard->fence, event);

    if (rule == NULL)
        return;
    settle(step->guard, rule);
    rule->act(step, rule->id);
}

static void nothing(const struct guard_step *step, const char *rule)
{
    (void)step;
    (void)rule;
}

void bw_guard_fence_forget(struct bw_guard *guard)
{
    const struct fence_rule *rule = find(guard->fence, EVENT_FORGOTTEN);

    if (rule != NULL)
        settle(guard, rule);
}

void bw_guard_disarm(struct bw_guard *guard)
{
    if (bw_guard_is_manual(guard))
        guard->serial_over = guard->mirror.armed_serial; /* 3.8: it is armed once */
    guard->mirror.armed_serial = 0;
    guard->mirror.armed_epoch = 0;
    guard->mirror.armed_end = (struct bw_instant){0, 0};
    guard->mirror.fence_begun = false;
    /* An arm whose mirror is still on its way is over with it: nothing is acknowledged any more (3.4). */
    bw_guard_wait_no_more(guard, BW_GUARD_WAIT_ARM);
    bw_guard_fence_forget(guard);
}

void bw_guard_fence_let_go(const struct guard_step *step)
{
    hear(step, EVENT_LET_GO);
}

/* ---- begin --------------------------------------------------------------------------------- */

/* 3.2.4: where the stop is the fence, and ran into its limit in this epoch, what is inside is ended without it;
 * what is outside, or remote, nothing else ends, nor anything of which no look counts before a script has ended well. */
static bool is_stop_spared(const struct bw_guard *guard)
{
    return !guard->limits.has_script[BW_ACTION_FENCE] && bw_guard_is_inside(guard) &&
           bw_guard_looks_count(guard) && bw_guard_stop_ran_out(guard, guard->fence_epoch);
}

/* All of it ends by `end`. */
static void set_times(const struct guard_step *step, uint64_t epoch, struct bw_instant end,
                      uint64_t fence_ns)
{
    struct bw_guard *guard = step->guard;
    const struct bw_fence_plan plan = bw_lease_plan_fence(end, fence_ns);

    guard->fence_epoch = epoch;
    guard->fence_begun_at = step->now;
    guard->fence_end = plan.end;
    guard->fence_term_at = plan.term_at;
    guard->fence_kill_at = plan.kill_at;
    guard->fence_grace_ns = bw_lease_kill_grace_ns(fence_ns);
}

#define TO(reach) (1u << BW_FENCE_REACH_##reach)

/* Into which each may go: a pair that is not here is a bug. It is killed once, until the fence is tried again, and
 * after that its script runs once more. */
static const unsigned reach_moves[] = {
    [BW_FENCE_REACH_UNKNOWN] = TO(UNKNOWN) | TO(EMPTY),
    [BW_FENCE_REACH_EMPTY] = TO(EMPTY_LAST) | TO(UNKNOWN),
    [BW_FENCE_REACH_EMPTY_LAST] = TO(UNKNOWN),
};

/* The only way in which what its KILL has left changes. */
static void note_reach(struct bw_guard *guard, enum bw_fence_reach to)
{
    BW_ASSERT((reach_moves[guard->fence_reach] & (1u << to)) != 0);
    guard->fence_reach = to;
}

/* 3.2.4: kills whatever action runs and begins the fence in the same turn. */
static void begin(const struct guard_step *step, const char *rule)
{
    struct bw_guard *guard = step->guard;

    note_reach(guard, BW_FENCE_REACH_UNKNOWN);
    bw_guard_loop_take_back(step);
    bw_guard_stop_move(guard, BW_STOP_EVENT_OVER);
    guard->check_at_start = false;
    guard->mirror.fence_begun = true;
    guard->fence_outcome = (struct bw_script_outcome){0};
    for (int slot = 0; slot < BW_GUARD_SLOT_COUNT; slot++)
        bw_guard_kill_run(step, (enum bw_guard_slot)slot, rule);
    if (is_stop_spared(guard))
        hear(step, EVENT_SPARED);
    else if (guard->slots[BW_GUARD_SLOT_FENCE].state == BW_SLOT_FREE)
        spawn_script(step, rule);
    bw_guard_mirror_now(step, rule);
    if (!guard->fence_ordered)
        (void)bw_guard_send(step, BW_GUARD_MESSAGE_FENCE_BEGUN, guard->fence_epoch, rule);
}

/* A fence without a lease to end by: its script has its own limit, then come TERM and KILL. */
static uint64_t own_fence_ns(const struct bw_guard *guard)
{
    return bw_lease_window_of_ns(bw_ms_to_ns((uint64_t)bw_guard_fence_bound_ms(&guard->limits)));
}

/* By the agent (a stop failed, a rogue start), or by the guard at its start. */
void bw_guard_fence_on_order(const struct guard_step *step, const struct bw_guard_run *run)
{
    struct bw_guard *guard = step->guard;
    const uint64_t fence_ns = own_fence_ns(guard);
    struct bw_instant end;

    /* 3.4, driver: a start of its own loop may be under way, and no look counts before it is over.
     */
    bw_guard_loop_take_back(step);
    end = bw_instant_add(bw_guard_loop_rest(step), fence_ns);
    BW_ASSERT(!bw_guard_is_fencing(guard)); /* one at a time: a second is refused */
    /* An order takes no more time than the lease has left. Once that is over, and the service may still
     * be there, a script that was given no time could never end it (3.3: again until one has). */
    if (bw_guard_is_armed(guard) && !bw_instant_right_is_over(step->now, guard->mirror.armed_end))
        end = bw_instant_min(end, guard->mirror.armed_end);
    guard->fence_ordered = true;
    guard->fence_run_id = run->run_id;
    set_times(step, run->epoch, end, fence_ns);
    hear(step, EVENT_ORDERED);
}

/* A fence of a service without a deadline, or of a manual lease that is over: nobody waits for its answer. */
void bw_guard_fence_unasked(const struct guard_step *step)
{
    const struct bw_guard_run run = {.epoch = step->guard->memory.epoch_seen,
                                     .action = BW_ACTION_FENCE};

    bw_guard_fence_on_order(step, &run);
}

/* ---- end ----------------------------------------------------------------------------------- */

static void answer_order(const struct guard_step *step, const struct bw_guard_run_ended *ended,
                         const char *rule)
{
    const struct bw_guard *guard = step->guard;
    const struct bw_guard_run run = {.epoch = guard->fence_epoch,
                                     .action = BW_ACTION_FENCE,
                                     .run_id = guard->fence_run_id};

    BW_ASSERT(guard->fence_ordered);
    bw_guard_answer_run(step, &run, ended, rule);
}

static void tell_end(const struct guard_step *step, bool ok, struct bw_instant over_at,
                     const char *rule)
{
    struct bw_guard *guard = step->guard;
    const uint64_t took_ns = bw_instant_elapsed_ns(over_at, guard->fence_begun_at);
    const uint32_t took_ms = (uint32_t)bw_ns_to_ms(took_ns);
    struct bw_guard_message *message;

    bw_guard_mirror_now(step, rule);
    if (guard->fence_ordered) {
        const struct bw_guard_run_ended ended = {.result = ok ? BW_RUN_OK : BW_RUN_FAILED,
                                                 .exit_status = ok ? 0 : -1,
                                                 .duration_ms = took_ms,
                                                 .outcome = guard->fence_outcome};

        answer_order(step, &ended, rule);
        return;
    }
    message = bw_guard_send(step, BW_GUARD_MESSAGE_FENCE_ENDED, guard->fence_epoch, rule);
    if (message == NULL)
        return;
    message->fence.ok = ok;
    message->fence.duration_ms = took_ms;
    message->fence.outcome = guard->fence_outcome;
}

/* 3.2.4: stop_script follows at once and cleans up within stop_timeout. */
static void clean_up(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    if (!guard->limits.has_script[BW_ACTION_FENCE] ||
        bw_guard_stop_ran_out(guard, guard->fence_epoch))
        return;
    if (guard->slots[BW_GUARD_SLOT_ACTION].state == BW_SLOT_FREE) {
        bw_guard_spawn_own(step, BW_GUARD_SLOT_ACTION, BW_ACTION_STOP, guard->fence_epoch, "W2");
        return;
    }
    guard->waiting_run = (struct bw_guard_run){.epoch = guard->fence_epoch,
                                               .action = BW_ACTION_STOP};
    bw_guard_stop_move(guard, BW_STOP_EVENT_WAIT); /* what the fence killed is still dying */
}

static void succeed(const struct guard_step *step, const char *rule)
{
    struct bw_guard *guard = step->guard;
    /* What was seen to be gone from the reach serves no more, however long the last look takes. */
    const bool is_gone = guard->fence_reach != BW_FENCE_REACH_UNKNOWN;

    bw_guard_note_end(guard);
    if (bw_guard_is_manual(guard)) /* 3.8: what was fenced is started again by a new word only */
        bw_guard_disarm(guard);
    tell_end(step, true, is_gone ? guard->fence_gone_at : step->now, rule);
    if (guard->fence_ordered && !bw_guard_is_armed(guard))
        hear(step, EVENT_ANSWERED);
    clean_up(step);
}

static void fail(const struct guard_step *step, const char *rule)
{
    step->guard->fence_again_at = bw_instant_add(step->now, BW_NS_PER_S);
    tell_end(step, false, step->now, rule);
}

/* ---- scripts and looks --------------------------------------------------------------------- */

static void spawn_script(const struct guard_step *step, const char *rule)
{
    const struct bw_guard *guard = step->guard;

    bw_guard_spawn_own(step, BW_GUARD_SLOT_FENCE,
                       guard->limits.has_script[BW_ACTION_FENCE] ? BW_ACTION_FENCE : BW_ACTION_STOP,
                       guard->fence_epoch, rule);
}

/* Waits for what runs: a script that is dying, or that runs on. */
static void look(const struct guard_step *step, const char *rule)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(guard->fence == BW_FENCE_CHECK || guard->fence == BW_FENCE_RECHECK);
    if (guard->slots[BW_GUARD_SLOT_FENCE].state == BW_SLOT_FREE)
        bw_guard_spawn_own(step, BW_GUARD_SLOT_FENCE, BW_ACTION_STATUS, guard->fence_epoch, rule);
}

/* 3.4, driver: a start of its own loop may have begun, or be about to, when the look began. */
static bool is_beside_loop(const struct bw_guard *guard)
{
    return guard->slots[BW_GUARD_SLOT_FENCE].beside_loop;
}

/* What was killed is not gone, or what a start had left was there when the look began: it could still
 * begin to serve, or have begun, as long as nobody has seen that nothing is left in reach. So it is
 * looked at again, until the next step of the fence is due. */
static void look_again(const struct guard_step *step, const char *rule)
{
    BW_ASSERT(step->guard->fence_reach == BW_FENCE_REACH_UNKNOWN || is_beside_loop(step->guard));
    look(step, rule);
}

static void limit_last_look(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    guard->fence_look_limit = bw_instant_add(
        step->now, guard->limits.timeout_ns[BW_ACTION_STATUS] + guard->limits.kill_grace_ns);
}

/* It has its own time, and waits for a script that runs on. */
static void look_last(const struct guard_step *step, const char *rule)
{
    limit_last_look(step);
    look(step, rule);
}

/* What was killed can order nothing more; what it ordered after the script had ended, or what a start did
 * that died beside it, the script ends now. */
static void run_script_last(const struct guard_step *step, const char *rule)
{
    bw_guard_take_script_again(step->guard);
    note_reach(step->guard, BW_FENCE_REACH_EMPTY_LAST);
    limit_last_look(step);
    spawn_script(step, rule);
}

/* ---- TERM and KILL ------------------------------------------------------------------------- */

/* 3.2.4: TERM and KILL of a reach that does not hold the service end nothing of it; the script may yet.
 * So where the service is outside, or remote, it runs on to D. */
static bool runs_on(const struct bw_guard *guard)
{
    const struct bw_guard_run_slot *slot = &guard->slots[BW_GUARD_SLOT_FENCE];

    return slot->state == BW_SLOT_RUNNING && slot->run.action != BW_ACTION_STATUS &&
           (!bw_guard_is_inside(guard) || guard->fence_reach == BW_FENCE_REACH_EMPTY_LAST);
}

/* Harder means do not wait for their instants when a softer one has failed already. */
static void term(const struct guard_step *step, const char *rule)
{
    struct bw_guard *guard = step->guard;
    const struct bw_instant soon = bw_instant_add(step->now, guard->fence_grace_ns);

    guard->fence_kill_at = bw_instant_min(guard->fence_kill_at, soon);
    if (!runs_on(guard))
        bw_guard_kill_run(step, BW_GUARD_SLOT_FENCE, rule);
    (void)bw_guard_emit(step, BW_GUARD_ACTION_TERM_REACH, rule);
}

static void term_left(const struct guard_step *step, const char *rule)
{
    step->guard->has_left = true;
    term(step, rule);
}

static void kill_reach(const struct guard_step *step, const char *rule)
{
    BW_ASSERT(step->guard->fence_reach == BW_FENCE_REACH_UNKNOWN); /* once, until it is tried again */
    if (!runs_on(step->guard))
        bw_guard_kill_run(step, BW_GUARD_SLOT_FENCE, rule);
    (void)bw_guard_emit(step, BW_GUARD_ACTION_KILL_REACH, rule);
}

void bw_guard_fence_on_reach_killed(const struct guard_step *step, bool ok)
{
    struct bw_guard *guard = step->guard;

    if (guard->fence != BW_FENCE_KILL)
        return;
    note_reach(guard, ok ? BW_FENCE_REACH_EMPTY : BW_FENCE_REACH_UNKNOWN);
    guard->fence_gone_at = step->now;
    hear(step, ok && guard->slots[BW_GUARD_SLOT_FENCE].state == BW_SLOT_FREE &&
                       guard->slots[BW_GUARD_SLOT_ACTION].state == BW_SLOT_FREE &&
                       bw_guard_is_script_due_again(guard)
                   ? EVENT_KILLED_DUE
                   : EVENT_KILLED);
}

/* ---- what a look has seen ------------------------------------------------------------------ */

static bool is_dying(const struct bw_guard *guard, enum bw_guard_left left)
{
    const bool action_is = guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE;

    return guard->fence_reach == BW_FENCE_REACH_UNKNOWN &&
           (action_is || left != BW_GUARD_LEFT_NOTHING);
}

/* Succeeded only when it was *seen* that nothing serves, nor may yet begin to (3.2.4). */
static enum fence_event judge_check(struct bw_guard *guard, enum bw_service service,
                                    enum bw_guard_left left)
{
    BW_ASSERT(guard->fence == BW_FENCE_CHECK);
    if (service != BW_SERVICE_STOPPED)
        return EVENT_UNSEEN;
    if (left == BW_GUARD_LEFT_THERE)
        return EVENT_SEEN_LEFT;
    if (is_beside_loop(guard))
        return EVENT_SEEN_DYING;
    if (guard->slots[BW_GUARD_SLOT_ACTION].state == BW_SLOT_FREE &&
        bw_guard_is_script_due_again(guard)) { /* what was left is gone already */
        bw_guard_take_script_again(guard);
        return EVENT_SEEN_DUE;
    }
    if (!bw_guard_looks_count(guard))
        return EVENT_UNSEEN;
    return is_dying(guard, left) ? EVENT_SEEN_DYING : EVENT_SEEN;
}

/* `unknown` is no end that was seen, but for a reach that is proved and was emptied (3.2.4). */
static enum fence_event judge_recheck(const struct guard_step *step, enum bw_service service,
                                      enum bw_guard_left left)
{
    const struct bw_guard *guard = step->guard;
    const bool ok = bw_guard_is_end_seen(guard, service, left);

    BW_ASSERT(guard->fence == BW_FENCE_RECHECK);
    if (ok && (is_dying(guard, left) || is_beside_loop(guard)))
        return EVENT_SEEN_DYING;
    return ok ? EVENT_SEEN : EVENT_UNSEEN;
}

/* It serves again: what was seen to end before has not ended (3.3). */
static void note_serves(const struct guard_step *step, enum bw_service service)
{
    struct bw_guard_mirror *mirror = &step->guard->mirror;

    if (service != BW_SERVICE_STARTED || !mirror->stop_seen)
        return;
    mirror->stop_seen = false;
    bw_guard_mirror_now(step, "W32");
}

void bw_guard_fence_on_run_ended(const struct guard_step *step, enum bw_action_kind action,
                                 const struct bw_guard_run_ended *ended, enum bw_guard_left left,
                                 enum bw_populated populated)
{
    struct bw_guard *guard = step->guard;
    const enum bw_service service = bw_guard_service_of(ended);
    const bool is_recheck = guard->fence == BW_FENCE_RECHECK;
    const bool was_cut = ended->result == BW_RUN_KILLED;
    const bool is_look = guard->fence == BW_FENCE_CHECK ||
                         (is_recheck && action == BW_ACTION_STATUS);

    if (action != BW_ACTION_STATUS)
        guard->fence_outcome = ended->outcome;
    if (is_look) {
        bw_guard_note_sight(step, BW_GUARD_SLOT_FENCE, service, populated);
        note_serves(step, service);
    }
    if (was_cut && (is_look || !is_recheck)) {
        hear(step, EVENT_CUT);
    } else if (!is_look) {
        hear(step, EVENT_SCRIPT_ENDED);
    } else {
        bw_guard_note_left(guard, left);
        hear(step, is_recheck ? judge_recheck(step, service, left)
                              : judge_check(guard, service, left));
    }
}

/* ---- by the clock -------------------------------------------------------------------------- */

/* Everything that a deadline asks for. Called first in each step, so that what is due comes before
 * any message (H8), and last, so that the next wake-up is known. */
static void fence_deadline(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    if (!bw_guard_is_armed(guard))
        return;
    const bool is_of_armed = guard->fence_epoch == guard->mirror.armed_epoch;

    /* A fence that was ordered for this epoch does what the deadline would; a failed one is tried
     * again by fence_again. */
    if (guard->fence != BW_FENCE_NONE && is_of_armed)
        return;
    if (!bw_instant_right_is_over(step->now, bw_guard_window(guard))) {
        bw_guard_wake(step, bw_guard_window(guard));
        return;
    }
    if (guard->fence_ordered && bw_guard_is_fencing(guard)) { /* of another epoch: it is no more */
        const struct bw_guard_run_ended ended = {.result = BW_RUN_KILLED, .exit_status = -1};

        answer_order(step, &ended, find(guard->fence, EVENT_WINDOW)->id);
    }
    guard->fence_ordered = false;
    set_times(step, guard->mirror.armed_epoch, guard->mirror.armed_end, guard->mirror.fence_ns);
    hear(step, EVENT_WINDOW);
}

/* Every kill of a fence is done by D, that of a script which runs on too. True: the last look waits for
 * it. */
static bool awaits_script(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const bool is_hard = guard->fence == BW_FENCE_TERM || guard->fence == BW_FENCE_KILL ||
                         guard->fence == BW_FENCE_RECHECK;

    if (!is_hard || !runs_on(guard))
        return false;
    if (bw_instant_right_is_over(step->now, guard->fence_end)) {
        bw_guard_kill_run(step, BW_GUARD_SLOT_FENCE, "W31");
        return true;
    }
    bw_guard_wake(step, guard->fence_end);
    return true;
}

static void fence_last_look(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;

    BW_ASSERT(guard->fence == BW_FENCE_RECHECK);
    if (!bw_instant_wait_is_over(step->now, guard->fence_look_limit))
        bw_guard_wake(step, guard->fence_look_limit);
    else /* nothing was seen in time: that is no success */
        hear(step, EVENT_LOOK_LATE);
}

static void fence_escalation(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const bool is_awaiting = awaits_script(step);
    const bool is_soft = guard->fence == BW_FENCE_SCRIPT || guard->fence == BW_FENCE_CHECK;

    if (guard->fence == BW_FENCE_RECHECK) {
        if (!is_awaiting)
            fence_last_look(step);
        return;
    }
    if (!is_soft && guard->fence != BW_FENCE_TERM)
        return;
    if (bw_instant_right_is_over(step->now, guard->fence_kill_at)) {
        hear(step, EVENT_KILL_DUE);
        return;
    }
    if (is_soft && bw_instant_right_is_over(step->now, guard->fence_term_at))
        hear(step, EVENT_TERM_DUE);
    bw_guard_wake(step, guard->fence == BW_FENCE_TERM ? guard->fence_kill_at
                                                      : guard->fence_term_at);
}

static void fence_again(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const uint64_t fence_ns = own_fence_ns(guard);

    if (guard->fence != BW_FENCE_FAILED)
        return;
    if (!bw_instant_wait_is_over(step->now, guard->fence_again_at)) {
        bw_guard_wake(step, guard->fence_again_at);
        return;
    }
    guard->fence_ordered = false;
    set_times(step, guard->fence_epoch, bw_instant_add(bw_guard_loop_rest(step), fence_ns),
              fence_ns);
    hear(step, EVENT_AGAIN);
}

/* 3.8: the deadline of a manual lease may be hours away: a fence of it that a guard before this one had begun begins
 * again. */
static void fence_of_manual_lease(const struct guard_step *step)
{
    const struct bw_guard *guard = step->guard;

    if (bw_guard_is_manual(guard) && guard->mirror.fence_begun && guard->fence == BW_FENCE_NONE)
        bw_guard_fence_unasked(step);
}

void bw_guard_fence_timers(const struct guard_step *step)
{
    fence_of_manual_lease(step);
    fence_deadline(step);
    fence_escalation(step);
    fence_again(step);
}
