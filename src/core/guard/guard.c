/* Arms, letting go, and the step of a group's machine at the guard (3.4). */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/core/guard.h>

/* ---- the armed deadline -------------------------------------------------------------------- */

bool bw_guard_has_deadline(const struct bw_guard *guard, struct bw_instant now)
{
    return bw_guard_is_armed(guard) && guard->fence != BW_FENCE_DONE &&
           (!guard->mirror.stop_seen || !bw_instant_wait_is_over(now, guard->mirror.armed_end));
}

static bool terms_are_sane(const struct bw_terms *terms)
{
    return terms->ttl_ms > 0 && terms->fence_ms > 0 && terms->fence_ms < terms->ttl_ms;
}

/* 3.8: what a manual lease lets serve its own instance takes over untouched, by a grant or by the next serial. */
static bool hands_over(const struct bw_guard *guard)
{
    return bw_guard_is_manual(guard) && guard->fence == BW_FENCE_NONE &&
           bw_id_equal(guard->mirror.armed_instance, guard->agent.instance);
}

/* Above what is armed: only when that can run nothing more (site.pml, arm_). */
static enum bw_refusal judge_new_epoch(const struct guard_step *step)
{
    const struct bw_guard *guard = step->guard;

    if (bw_guard_is_fencing(guard) || guard->fence == BW_FENCE_FAILED)
        return BW_REFUSAL_FENCING;
    if (guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE ||
        guard->stop != BW_GUARD_STOP_NONE)
        return BW_REFUSAL_BUSY;
    if (bw_guard_is_armed(guard) && guard->fence != BW_FENCE_DONE && !hands_over(guard))
        return BW_REFUSAL_BUSY;
    return BW_REFUSAL_NONE;
}

/* 3.8: what may be armed is ordered by (epoch, serial). A manual lease has the newest epoch that was seen here, be that
 * over or another site's; it is armed once. */
static enum bw_refusal judge_order(const struct bw_guard *guard, const struct bw_guard_arm *arm)
{
    const uint64_t newest = arm->serial != 0 ? guard->memory.serial : guard->mirror.armed_serial;

    if (arm->epoch == 0 || arm->epoch < guard->memory.epoch_seen)
        return BW_REFUSAL_OLD_EPOCH;
    if (arm->serial < newest && (arm->serial != 0 || arm->epoch == guard->mirror.armed_epoch))
        return BW_REFUSAL_OLD_EPOCH;
    if (arm->serial == 0 ? arm->epoch <= guard->memory.ended_epoch : arm->serial <= guard->serial_over)
        return BW_REFUSAL_EPOCH_ENDING;
    if (arm->epoch <= guard->let_go_epoch) /* 3.9: also one that was never seen here before */
        return BW_REFUSAL_EPOCH_ENDING;
    return BW_REFUSAL_NONE;
}

static bool is_of(const struct bw_guard_mirror *mirror, const struct bw_guard_arm *arm)
{
    return mirror->armed_epoch == arm->epoch && mirror->armed_serial == arm->serial;
}

/* The rules for an arm, in order (3.4). The clock was read for this message. */
static enum bw_refusal judge_arm(const struct guard_step *step, const struct bw_guard_arm *arm)
{
    const struct bw_guard *guard = step->guard;
    const bool is_armed_epoch = bw_guard_is_armed(guard) && is_of(&guard->mirror, arm);
    const enum bw_refusal by_order = judge_order(guard, arm);
    const uint64_t ttl_ns = bw_ms_to_ns(arm->terms.ttl_ms);
    const uint64_t fence_ns = bw_ms_to_ns(arm->terms.fence_ms);

    if (bw_id_is_none(guard->agent.session))
        return BW_REFUSAL_NO_HELLO;
    if (!terms_are_sane(&arm->terms))
        return BW_REFUSAL_BAD_TERMS;
    if (by_order != BW_REFUSAL_NONE)
        return by_order;
    if (arm->serial == 0 && bw_guard_is_foreign_instance(guard, arm->epoch))
        return BW_REFUSAL_WRONG_INSTANCE;
    if (is_armed_epoch && guard->fence != BW_FENCE_NONE)
        return BW_REFUSAL_FENCING;
    /* H8: handled after D - F it is refused, whether the fence has begun or not.
     * not covered: timers come first in a step, so that by now it has begun. */
    if (is_armed_epoch && bw_instant_right_is_over(step->now, bw_guard_window(guard)))
        return BW_REFUSAL_FENCE_WINDOW;
    if (bw_instant_right_is_over(step->now, bw_instant_sub(arm->end, fence_ns)))
        return BW_REFUSAL_FENCE_WINDOW;
    if (is_armed_epoch && (arm->serial != 0 || !bw_instant_is_later(arm->end, guard->mirror.armed_end)))
        return BW_REFUSAL_END_NOT_LATER; /* 3.8: that of a manual lease never moves */
    if (bw_instant_is_beyond(arm->end, bw_instant_add(step->now, ttl_ns)))
        return BW_REFUSAL_END_TOO_FAR;
    if (!is_armed_epoch)
        return judge_new_epoch(step);
    return BW_REFUSAL_NONE;
}

/* The deadline moves; the agent hears `armed` once the mirror has it. */
static void arm_now(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const struct bw_guard_arm *arm = &guard->arm_wanted;
    struct bw_guard_mirror *mirror = &guard->mirror;

    BW_ASSERT(arm->epoch == guard->memory.epoch_seen); /* 3.4: durable before it is armed */
    BW_ASSERT(terms_are_sane(&arm->terms));
    if (!bw_guard_waits(guard, BW_GUARD_WAIT_ARM)) /* of several on their way it is the one that was acknowledged */
        guard->mirror_before = *mirror;
    bw_guard_loop_on_lease(step);
    if (!is_of(mirror, arm)) {
        bw_guard_fence_forget(guard);
        mirror->fence_begun = false;
    }
    if (mirror->armed_serial != arm->serial && mirror->armed_serial != 0)
        guard->serial_over = mirror->armed_serial; /* 3.8: in the one write by which the next has its place */
    mirror->armed_epoch = arm->epoch;
    mirror->armed_serial = arm->serial;
    mirror->armed_instance = guard->agent.instance;
    mirror->armed_number = arm->number;
    mirror->armed_end = arm->end;
    mirror->ttl_ns = bw_ms_to_ns(arm->terms.ttl_ms);
    mirror->fence_ns = bw_ms_to_ns(arm->terms.fence_ms);
    guard->check_at_start = false;
    bw_guard_mirror_for(step, BW_GUARD_WAIT_ARM, "U1");
}

/* An earlier deadline in the mirror is safe; a later one nobody knows of is not. What a fence that has
 * begun meanwhile goes by stays. */
static void take_back_arm(struct bw_guard *guard)
{
    struct bw_guard_mirror *mirror = &guard->mirror;
    const struct bw_guard_mirror *before = &guard->mirror_before;

    BW_ASSERT(!bw_guard_waits(guard, BW_GUARD_WAIT_ARM));
    if (guard->fence != BW_FENCE_NONE || !bw_guard_is_armed(guard))
        return;
    mirror->armed_epoch = before->armed_epoch;
    mirror->armed_serial = before->armed_serial;
    mirror->armed_instance = before->armed_instance;
    mirror->armed_number = before->armed_number;
    mirror->armed_end = before->armed_end;
    mirror->ttl_ns = before->ttl_ns;
    mirror->fence_ns = before->fence_ns;
}

/* What the arm rests on is durable already. */
static bool is_kept(const struct bw_guard *guard, const struct bw_guard_arm *arm)
{
    return guard->memory.epoch_seen == arm->epoch && guard->memory.serial == arm->serial && guard->memory.enforced &&
           bw_id_equal(guard->memory.instance, guard->agent.instance);
}

/* A SAVE may be long in coming: what comes meanwhile is judged by it, or has to come again (3.4). */
static bool is_saving_first_arm(const struct bw_guard *guard, const struct bw_guard_arm *arm)
{
    return guard->wants == BW_GUARD_WANTS_ARM && guard->arm_wanted.epoch == arm->epoch &&
           guard->arm_wanted.serial == arm->serial;
}

static bool is_saving_more_than_a_sight(const struct bw_guard *guard)
{
    return guard->wants != BW_GUARD_WANTS_NOTHING && guard->wants != BW_GUARD_WANTS_SIGHT &&
           guard->wants != BW_GUARD_WANTS_STOP;
}

/* The clock has moved since it was judged, a fence may have begun, and the agent may be another. */
static void arm_saved(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const struct bw_guard_arm *arm = &guard->arm_wanted;
    const enum bw_refusal why = judge_arm(step, arm);

    BW_ASSERT(guard->wants == BW_GUARD_WANTS_ARM);
    if (why == BW_REFUSAL_NONE)
        arm_now(step);
    else
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_ARM_REFUSED, arm->epoch, arm->number, why, "U42");
}

static void on_arm(const struct guard_step *step, const struct bw_guard_arm *arm)
{
    struct bw_guard *guard = step->guard;
    const enum bw_refusal why = judge_arm(step, arm);
    struct bw_guard_memory *memory;

    if (why == BW_REFUSAL_BUSY)
        bw_guard_end_remote_fence(step);
    if (why != BW_REFUSAL_NONE) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_ARM_REFUSED, arm->epoch, arm->number, why, "U2");
        return;
    }
    if (is_saving_first_arm(guard, arm)) {
        guard->arm_wanted = *arm; /* the newest is what SAVED arms */
        guard->is_void = false;
        return;
    }
    if (is_saving_more_than_a_sight(guard) || (guard->wants != BW_GUARD_WANTS_NOTHING &&
                                               !is_kept(guard, arm))) {
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_ARM_REFUSED, arm->epoch, arm->number,
                     BW_REFUSAL_BUSY, "U41");
        return;
    }
    guard->arm_wanted = *arm;
    if (is_kept(guard, arm)) {
        arm_now(step);
        return;
    }
    /* First arm of the epoch: epoch, enforced bit and instance are durable first (3.4, 3.9). */
    memory = bw_guard_change_memory(guard);
    memory->epoch_seen = arm->epoch;
    memory->enforced = true;
    memory->serial = arm->serial;
    memory->instance = guard->agent.instance;
    bw_guard_save(step, BW_GUARD_WANTS_ARM, "U3");
}

static void on_mirrored(const struct guard_step *step, uint64_t number, bool ok)
{
    struct bw_guard *guard = step->guard;

    bw_guard_on_children_mirrored(step, number, ok);
    bw_guard_on_loop_mirrored(step, number, ok);
    if (!bw_guard_is_wait_over(guard, BW_GUARD_WAIT_ARM, number))
        return;
    if (!ok) {
        take_back_arm(guard);
        if (!bw_guard_is_armed(guard))
            bw_guard_loop_take_back(step);
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_ARM_REFUSED, guard->arm_wanted.epoch,
                     guard->arm_wanted.number, BW_REFUSAL_NOT_DURABLE, "U4");
        return;
    }
    struct bw_guard_message *message =
        bw_guard_send(step, BW_GUARD_MESSAGE_ARMED, guard->mirror.armed_epoch, "U5");

    if (message == NULL)
        return;
    message->armed.number = guard->mirror.armed_number;
    message->armed.end = guard->mirror.armed_end;
}

/* ---- letting go ---------------------------------------------------------------------------- */

/* A service that may yet come is none that could be left as it is: whoever leaves observe would see
 * `stopped` here, and it would come beside that of another site. So the deadline stays armed until it was
 * seen to serve, or ends what has begun (3.1: who does not hear of the let-go fences at its D). */
static bool is_within_a_start(const struct bw_guard *guard)
{
    return guard->mirror.start_unseen && bw_guard_is_armed(guard);
}

/* What is let go is the epoch that was open when that was committed: an order that comes late disarms no
 * lease of a later one. */
static bool holds_beyond(const struct guard_step *step, uint64_t epoch)
{
    const struct bw_guard *guard = step->guard;

    return bw_guard_is_armed(guard) && guard->mirror.armed_epoch > epoch &&
           !bw_instant_wait_is_over(step->now, guard->mirror.armed_end);
}

/* 3.9: it is confirmed when nothing that was under way as it came can touch the service any more: a fence that began
 * while the disk kept the order waiting, a stop, or what its own loop may yet start, which would serve beside whoever is
 * granted next. Until then the agent asks again. */
static void confirm_let_go(const struct guard_step *step, uint64_t index, const char *rule)
{
    struct bw_guard_message *message;

    bw_guard_fence_let_go(step); /* one that is over is not tried again */
    if (bw_guard_is_fencing(step->guard) || bw_guard_running(step->guard) == BW_ACTION_STOP ||
        bw_guard_loop_may_start(step->guard))
        return;
    message = bw_guard_send(step, BW_GUARD_MESSAGE_LET_GO_DONE, 0, rule);
    if (message != NULL)
        message->let_go_index = index;
}

/* 3.1 let go, 3.9: disarm without touching the service; what was let go is never armed again. */
static void on_let_go(const struct guard_step *step, uint64_t index, uint64_t epoch)
{
    struct bw_guard *guard = step->guard;
    struct bw_guard_memory *memory;

    if (guard->wants != BW_GUARD_WANTS_NOTHING)
        return; /* the agent asks again */
    if (index <= guard->memory.let_go_index) {
        confirm_let_go(step, index, "U9");
        return;
    }
    /* A fence that has begun is finished, a start seen to its end; the agent asks again. */
    if (bw_guard_is_fencing(guard) || is_within_a_start(guard) || holds_beyond(step, epoch))
        return;
    memory = bw_guard_change_memory(guard);
    memory->let_go_index = index;
    memory->enforced = false;
    memory->serial = 0;
    memory->ended_epoch = memory->epoch_seen;
    guard->let_go_epoch = epoch;
    bw_guard_save(step, BW_GUARD_WANTS_LET_GO, "U10");
}

/* ---- what SAVE was for --------------------------------------------------------------------- */

static void refuse_run_unsaved(const struct guard_step *step)
{
    struct bw_guard_run_ended ended = {.result = BW_RUN_REFUSED,
                                       .refusal = BW_REFUSAL_NOT_DURABLE,
                                       .exit_status = -1};

    bw_guard_answer_run(step, &step->guard->run_wanted, &ended, "U13");
}

static void refuse_unsaved(const struct guard_step *step)
{
    struct bw_guard *guard = step->guard;
    const uint64_t ended_epoch = guard->memory.ended_epoch;
    const struct bw_reach_sight wanted_sight = guard->memory.sight;

    /* What failed to be written may have been written all the same: going back is safe, because
     * the file then says more than we act on, never less. */
    guard->memory = guard->memory_before;
    bw_guard_sight_unsaved(guard, &wanted_sight);
    switch (guard->wants) {
    case BW_GUARD_WANTS_ARM:
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_ARM_REFUSED, guard->arm_wanted.epoch,
                     guard->arm_wanted.number, BW_REFUSAL_NOT_DURABLE, "U11");
        break;
    case BW_GUARD_WANTS_END:
        bw_guard_refuse_epoch(step, BW_GUARD_MESSAGE_END_REFUSED, ended_epoch, 0, BW_REFUSAL_NOT_DURABLE,
                     "U12");
        break;
    case BW_GUARD_WANTS_RUN:
        refuse_run_unsaved(step);
        break;
    case BW_GUARD_WANTS_SIGHT:
    case BW_GUARD_WANTS_STOP:
    case BW_GUARD_WANTS_LET_GO: /* the order stands; the agent asks again */
    case BW_GUARD_WANTS_NOTHING:
        break;
    }
}

static void on_saved(const struct guard_step *step, bool ok)
{
    struct bw_guard *guard = step->guard;
    const bool is_void = guard->is_void;

    guard->is_void = false;
    if (!ok) {
        refuse_unsaved(step);
        bw_guard_save_is_over(guard);
        return;
    }
    switch (guard->wants) {
    case BW_GUARD_WANTS_ARM:
        if (!is_void)
            arm_saved(step);
        break;
    case BW_GUARD_WANTS_END:
        bw_guard_end_saved(step);
        break;
    case BW_GUARD_WANTS_LET_GO:
        guard->check_at_start = false; /* 3.9: what serves is left as it is */
        bw_guard_loop_take_back(step);
        bw_guard_disarm(guard);
        bw_guard_run_let_go(step);
        bw_guard_mirror_now(step, "U16");
        confirm_let_go(step, guard->memory.let_go_index, "U17");
        break;
    case BW_GUARD_WANTS_RUN:
        if (!is_void)
            bw_guard_run_saved(step, &guard->run_wanted);
        break;
    case BW_GUARD_WANTS_SIGHT:
    case BW_GUARD_WANTS_STOP:
    case BW_GUARD_WANTS_NOTHING:
        break;
    }
    bw_guard_save_is_over(guard);
}

/* ---- the agent ----------------------------------------------------------------------------- */

/* A manual lease of the instance before is no lease of this one (3.8). Until a fence has seen the end, it stays armed,
 * whoever is connected. */
static void end_others_manual_lease(const struct guard_step *step)
{
    const struct bw_guard *guard = step->guard;

    if (bw_guard_is_manual(guard) && !bw_guard_is_fencing(guard) &&
        !bw_id_equal(guard->mirror.armed_instance, guard->agent.instance))
        bw_guard_fence_unasked(step);
}

static void on_hello(const struct guard_step *step, const struct bw_guard_hello *hello)
{
    struct bw_guard *guard = step->guard;
    struct bw_guard_message *message;

    guard->agent = *hello;
    guard->let_go_epoch = 0;       /* what was under way came by the connection before */
    /* 3.4: it voids what was read before. What this agent is told here knows nothing of an arm or a
     * run that waits for the disk: armed behind its back, an epoch would be given back that is. */
    guard->is_void = guard->wants != BW_GUARD_WANTS_NOTHING;
    end_others_manual_lease(step);
    message = bw_guard_send(step, BW_GUARD_MESSAGE_GROUP_STATE, guard->memory.epoch_seen, "U19");
    BW_ASSERT(message != NULL);
    bw_guard_state_get(guard, &message->state);
    if (guard->interrupted.action == BW_ACTION_NONE)
        return;
    const struct bw_guard_run run = {.epoch = guard->interrupted.epoch,
                                     .action = guard->interrupted.action,
                                     .run_id = guard->interrupted.run_id};
    struct bw_guard_run_ended ended = {.result = BW_RUN_INTERRUPTED, .exit_status = -1};

    guard->interrupted.action = BW_ACTION_NONE;
    bw_guard_answer_run(step, &run, &ended, "U20");
}

static void on_message(const struct guard_step *step, const struct bw_guard_message *message)
{
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARM:
        on_arm(step, &message->arm);
        break;
    case BW_GUARD_MESSAGE_RUN:
        bw_guard_on_run(step, &message->run);
        break;
    case BW_GUARD_MESSAGE_END:
        bw_guard_on_end(step, message->epoch);
        break;
    case BW_GUARD_MESSAGE_LET_GO:
        on_let_go(step, message->let_go_index, message->epoch);
        break;
    case BW_GUARD_MESSAGE_PASS:
        bw_guard_on_pass(step, message->epoch);
        break;
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_WELCOME:
    case BW_GUARD_MESSAGE_GROUP_STATE:
    case BW_GUARD_MESSAGE_WELCOME_DONE:
    case BW_GUARD_MESSAGE_ARMED:
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_RUN_BEGUN:
    case BW_GUARD_MESSAGE_RUN_ENDED:
    case BW_GUARD_MESSAGE_EPOCH_ENDED:
    case BW_GUARD_MESSAGE_END_REFUSED:
    case BW_GUARD_MESSAGE_LET_GO_DONE:
    case BW_GUARD_MESSAGE_FENCE_BEGUN:
    case BW_GUARD_MESSAGE_FENCE_ENDED:
    case BW_GUARD_MESSAGE_HELLO_REFUSED:
    case BW_GUARD_MESSAGE_SHOW: /* the shell answers it */
    case BW_GUARD_MESSAGE_SHOWN:
        break; /* not an agent's to say; the shell closes the connection */
    }
}

/* ---- public -------------------------------------------------------------------------------- */

void bw_guard_state_get(const struct bw_guard *guard, struct bw_guard_state *out_state)
{
    const struct bw_guard_memory *durable = guard->wants == BW_GUARD_WANTS_NOTHING
                                                ? &guard->memory
                                                : &guard->memory_before;

    memset(out_state, 0, sizeof *out_state);
    out_state->enforced = durable->enforced;
    /* Also one on its way to the disk: nothing below is taken from then on, and no other word of it follows. Where it is
     * not written after all, who orders in its name has it written first. */
    out_state->epoch_seen = guard->memory.epoch_seen;
    out_state->ended_epoch = durable->ended_epoch;
    /* What is ending, or was refused as an end, is told as none (3.4, ended). Of an epoch that another has
     * followed here this was committed before that was granted. */
    if (out_state->ended_epoch != 0 && out_state->ended_epoch == durable->epoch_seen &&
        !bw_guard_has_ended(guard, out_state->ended_epoch))
        out_state->ended_epoch--;
    out_state->let_go_index = durable->let_go_index;
    out_state->armed_epoch = guard->mirror.armed_epoch;
    out_state->armed_instance = guard->mirror.armed_instance;
    out_state->armed_number = guard->mirror.armed_number;
    out_state->armed_end = guard->mirror.armed_end;
    out_state->arm_pending = bw_guard_waits(guard, BW_GUARD_WAIT_ARM);
    out_state->armed_serial = guard->mirror.armed_serial;
    out_state->serial = guard->memory.serial > guard->serial_over ? guard->memory.serial : guard->serial_over;
    out_state->serial_over = guard->serial_over;
    out_state->fence_begun = bw_guard_is_armed(guard) && guard->fence != BW_FENCE_NONE &&
                             guard->fence_epoch == guard->mirror.armed_epoch;
    out_state->fence_ended = out_state->fence_begun &&
                             (guard->fence == BW_FENCE_DONE || guard->fence == BW_FENCE_FAILED);
    /* One after which it serves again has ended nothing (3.3). */
    out_state->fence_ok = out_state->fence_begun && guard->fence == BW_FENCE_DONE &&
                          guard->mirror.stop_seen;
    out_state->stop_seen = guard->mirror.stop_seen;
    out_state->start_epoch = guard->mirror.start_epoch;
    out_state->served = bw_guard_served(guard, guard->mirror.start_epoch);
    if (guard->slots[BW_GUARD_SLOT_ACTION].state != BW_SLOT_FREE) {
        out_state->running = guard->slots[BW_GUARD_SLOT_ACTION].run.action;
        out_state->running_epoch = guard->slots[BW_GUARD_SLOT_ACTION].run.epoch;
        out_state->running_run_id = guard->slots[BW_GUARD_SLOT_ACTION].run.run_id;
    } else if (guard->stop == BW_GUARD_STOP_CHECKING || guard->stop == BW_GUARD_STOP_KILLING) {
        out_state->running = BW_ACTION_STOP;
        out_state->running_epoch = guard->stop_run.epoch;
        out_state->running_run_id = guard->stop_run.run_id;
    } else if (guard->stop ==
               BW_GUARD_STOP_WAITING) { /* for a start of its own loop (3.4, driver) */
        out_state->running = BW_ACTION_STOP;
        out_state->running_epoch = guard->waiting_run.epoch;
        out_state->running_run_id = guard->waiting_run.run_id;
    }
    out_state->reach = guard->limits.reach;
    out_state->reach_works = guard->limits.reach_works;
    out_state->sight = bw_guard_sight(guard);
    out_state->has_point = guard->limits.has_point;
    out_state->loop_delay_ms = (uint32_t)bw_ns_to_ms(guard->limits.loop_delay_ns);
    out_state->fence_bound_ms = bw_guard_fence_bound_ms(&guard->limits);
    BW_ASSERT(out_state->ended_epoch <= out_state->epoch_seen);
    if (guard->limits.has_script[BW_ACTION_REMOTE_FENCE])
        out_state->remote_fence_ms = (uint32_t)(guard->limits.timeout_ns[BW_ACTION_REMOTE_FENCE] /
                                                BW_NS_PER_MS);
    for (int i = 0; i < BW_ACTION_REMOTE_FENCE; i++) { /* the last: see struct bw_guard_state */
        out_state->has_script[i] = guard->limits.has_script[i];
        out_state->timeout_ms[i] = (uint32_t)bw_ns_to_ms(guard->limits.timeout_ns[i]);
    }
}

bool bw_guard_says_otherwise(const struct bw_guard_limits *before,
                             const struct bw_guard_limits *now)
{
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        if (before->has_script[i] != now->has_script[i] ||
            before->timeout_ns[i] != now->timeout_ns[i])
            return true;
    return before->has_point != now->has_point || before->loop_delay_ns != now->loop_delay_ns;
}

/* It was let go, or ended and nothing has served since: what was written down as an end and then refused
 * is none (3.4, ended), and a restart does not make it one. */
static bool is_over_at_start(const struct bw_guard *guard)
{
    return !bw_guard_is_manual(guard) && guard->mirror.armed_epoch <= guard->memory.ended_epoch &&
           (guard->mirror.stop_seen || !guard->memory.enforced);
}

/* 3.2.4: what an epoch that was not ended, or a manual lease, ordered elsewhere outlives what knew of it, until a
 * script has ended that. */
static void owe_script(struct bw_guard *guard)
{
    guard->mirror.stop_seen = false;
    guard->mirror.script_due = true;
    guard->mirror.script_begun = true;
    guard->mirror.left_due = false;
}

/* It does not know of the epoch that is open: the state was on another machine since and has come back, or the
 * guard ended before it could write that down. Of what was begun meanwhile it says nothing. */
static bool is_mirror_older(const struct bw_guard *guard)
{
    const struct bw_guard_memory *memory = &guard->memory;

    return memory->epoch_seen > memory->ended_epoch && !bw_id_is_none(memory->instance) &&
           memory->serial == 0 && /* 3.8: that of a manual lease need not be ended */
           guard->mirror.armed_epoch < memory->epoch_seen && !bw_guard_is_manual(guard);
}

void bw_guard_init(struct bw_guard *guard, const char *group, const struct bw_guard_limits *limits,
                   const struct bw_guard_memory *memory, const struct bw_guard_mirror *mirror,
                   struct bw_instant now)
{
    BW_ASSERT_NONE(bw_guard_memory_unsound(memory)); /* judged where it was read */
    BW_ASSERT_NONE(mirror != NULL ? bw_guard_mirror_unsound(mirror) : NULL);
    memset(guard, 0, sizeof *guard);
    (void)bw_copy_text(guard->group, sizeof guard->group, group);
    guard->limits = *limits;
    guard->memory = *memory;
    guard->stop_check_at = now;
    guard->start_look_at = now;
    if (mirror != NULL) {
        guard->mirror = *mirror;
        guard->has_found_armed = bw_guard_is_armed(guard);
        for (int i = 0; i < BW_GUARD_SLOT_COUNT; i++) {
            if (mirror->children[i].action == BW_ACTION_START ||
                mirror->children[i].action == BW_ACTION_STATUS)
                bw_guard_note_served(guard, BW_SERVED_MAYBE); /* of what it came to nobody was told */
            /* Until it had ended it could order more, whatever script has ended meanwhile (3.2.4). */
            if (mirror->children[i].action == BW_ACTION_START ||
                mirror->children[i].action == BW_ACTION_REJOIN)
                guard->mirror.script_due = true;
            guard->mirror.children[i].action = BW_ACTION_NONE;
        }
        guard->interrupted = mirror->children[BW_GUARD_SLOT_ACTION];
        bw_guard_loop_init(guard, true, is_over_at_start(guard), now);
        if (is_over_at_start(guard))
            bw_guard_disarm(guard); /* the mirror could not be written any more */
        if (bw_guard_is_manual(guard) && !guard->memory.enforced && guard->memory.let_go_index != 0)
            bw_guard_disarm(guard); /* 3.9: nor of a let-go */
        if (is_mirror_older(guard)) {
            bw_guard_disarm(guard); /* one epoch is armed once the one before is over */
            owe_script(guard);
        }
    } else { /* after a boot */
        if (guard->memory.serial != 0 || guard->memory.epoch_seen > guard->memory.ended_epoch)
            owe_script(guard);
        bw_guard_loop_init(guard, false, false, now);
    }
    if (!bw_guard_is_manual(guard))
        guard->serial_over = guard->memory.serial; /* 3.8: it may have been armed */
    /* 3.4: an enforced group that serves without a deadline is fenced. */
    guard->check_at_start = guard->memory.enforced && !bw_guard_is_armed(guard);
}

void bw_guard_step(struct bw_guard *guard, const struct bw_guard_event *event,
                   struct bw_instant now, struct bw_guard_actions *out_actions)
{
    const struct guard_step step = {guard, now, out_actions};

    BW_ASSERT(event->slot < BW_GUARD_SLOT_COUNT);
    BW_ASSERT(event->kind != BW_GUARD_EVENT_MESSAGE || event->message != NULL);
    out_actions->count = 0;
    out_actions->wake_at = BW_INSTANT_NEVER;
    /* Timers before sockets (3.4, H8): what is due is done before the message is looked at. */
    if (event->kind != BW_GUARD_EVENT_SAVED && event->kind != BW_GUARD_EVENT_MIRRORED)
        bw_guard_fence_timers(&step);
    switch (event->kind) {
    case BW_GUARD_EVENT_TICK:
        break;
    case BW_GUARD_EVENT_HELLO:
        on_hello(&step, &event->hello);
        break;
    case BW_GUARD_EVENT_AGENT_GONE: /* goes on to the deadline, and fences (3.4) */
        memset(&guard->agent, 0, sizeof guard->agent);
        break;
    case BW_GUARD_EVENT_MESSAGE:
        on_message(&step, event->message);
        break;
    case BW_GUARD_EVENT_SAVED:
        on_saved(&step, event->ok);
        break;
    case BW_GUARD_EVENT_MIRRORED:
        on_mirrored(&step, event->number, event->ok);
        break;
    case BW_GUARD_EVENT_SPAWNED:
        bw_guard_on_spawned(&step, event);
        break;
    case BW_GUARD_EVENT_RUN_ENDED:
        bw_guard_on_run_ended(&step, event);
        break;
    case BW_GUARD_EVENT_REACH_KILLED:
        bw_guard_fence_on_reach_killed(&step, event->ok);
        bw_guard_prove_on_reach_killed(&step, event->ok);
        break;
    }
    bw_guard_loop_timers(&step);
    bw_guard_run_timers(&step);
    bw_guard_fence_timers(&step);
    BW_ASSERT_NONE(bw_guard_unsound(guard));
}

/* ---- a turn ---- */

#define ASK_AGAIN_NS BW_NS_PER_MS

void bw_guard_turn_step(struct bw_guard_turn *turn, struct bw_guard *guard,
                        const struct bw_guard_event *event, struct bw_instant now)
{
    struct bw_guard_actions *list = &turn->lists[bw_turn_begin(&turn->turn)];

    bw_guard_step(guard, event, now, list);
    BW_ASSERT(list->count <= sizeof list->list / sizeof list->list[0]);
    turn->wake_at = list->wake_at;
    bw_turn_filled(&turn->turn, list->count);
}

const struct bw_guard_action *bw_guard_turn_next(struct bw_guard_turn *turn)
{
    uint32_t list;
    uint32_t action;

    return bw_turn_next(&turn->turn, &list, &action) ? &turn->lists[list].list[action] : NULL;
}

struct bw_instant bw_guard_turn_wake(const struct bw_guard_turn *turn, struct bw_instant now)
{
    return bw_instant_right_is_over(now, turn->wake_at) ? bw_instant_add(now, ASK_AGAIN_NS)
                                                        : turn->wake_at;
}
