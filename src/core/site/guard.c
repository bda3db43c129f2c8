/* The guard's side of a site's machine: arming, ends of epochs, fences, how runs ended; and the fence without it. lint: a machine. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/script_end.h>

/* ---- the lease is what the guard has acknowledged (3.2.3, 3.4) ---------------------------- */

/* 3.9: its guard is told to let it go, and would keep as armed what it reads after that. */
static bool is_being_let_go(const struct bw_site *site)
{
    return site->order.kind == BW_ORDER_LET_GO && site->order.let_go_epoch == site->memory.epoch;
}

void bw_site_on_confirmed(const struct step *step, const struct bw_site_event *event)
{
    struct bw_site *site = step->site;
    struct bw_guard_message *message;
    struct bw_instant end;

    if (event->epoch != site->memory.epoch || !bw_site_is_greeted(site) ||
        !bw_site_tenure_renews(site) || is_being_let_go(site))
        return;
    BW_ASSERT(bw_site_epoch_is_open(site) && site->lease.epoch == event->epoch);
    end = bw_lease_end_of(&site->lease, event->sent);
    if (!bw_instant_is_later(end, site->arm_sent_end))
        return; /* overtaken by a newer one */
    /* Without its guard the site goes by the latest end that it ever sent (3.4, H9): noted before
     * the message leaves. */
    site->arm_sent_end = bw_instant_max(site->arm_sent_end, end);
    bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
    message = &bw_site_emit(step, BW_SITE_ACTION_SEND, "S20")->message;
    message->kind = BW_GUARD_MESSAGE_ARM;
    memcpy(message->group, site->group, sizeof message->group);
    message->epoch = event->epoch;
    message->arm.epoch = event->epoch;
    message->arm.terms = site->memory.terms;
    message->arm.number = event->number;
    message->arm.begin = event->sent;
    message->arm.end = end;
    BW_ASSERT(!bw_instant_is_beyond(end, site->arm_sent_end)); /* 3.4, H9: noted before it leaves */
    if (!site->arm_open) {
        site->arm_open = true;
        site->arm_open_since = step->now;
    }
}

/* A guard that cannot keep an epoch is as good as none to it: the alarm makes the site ineligible,
 * and BW_SITE_UNSAVED_NS later an epoch that was never armed is renewed no more (renews). */
static void note_guard_disk(const struct step *step, bool works)
{
    struct bw_site *site = step->site;

    if (!works && !site->guard_unsaved)
        site->unsaved_since = step->now;
    site->guard_unsaved = !works;
    bw_site_alarm(site, BW_ALARM_STATE_NOT_DURABLE,
                  site->guard_unsaved || site->save == BW_SITE_SAVE_FAILED ||
                      site->save == BW_SITE_SAVE_AGAIN);
}

static void on_armed(const struct step *step, uint64_t epoch, struct bw_instant end)
{
    struct bw_site *site = step->site;

    note_guard_disk(step, true);
    if (bw_site_override_on_armed(step, epoch))
        return;
    site->arm_open = false;
    site->arm_refused = false;
    if (epoch != site->memory.epoch || !bw_site_tenure_renews(site))
        return;
    if (bw_lease_confirm_renewal(&site->lease, epoch,
                                 bw_instant_sub(end, site->lease.ttl_ns)) != BW_OK)
        return;
    bw_site_override_leased(step, "S78");
    if (!site->memory.enforced) { /* 3.9, H14: by its own first armed(e) */
        site->memory.enforced = true;
        bw_site_save(step, "S21");
    }
}

/* ---- the end of an epoch (3.5) -------------------------------------------------------------- */

/* Committed state says that our epoch is over, and the guard has seen a higher one, which another
 * instance of this site held: it runs nothing of ours any more, and has nothing to end (3.7). */
static bool is_outlived(const struct bw_site *site, uint64_t epoch, enum bw_refusal why)
{
    return why == BW_REFUSAL_OLD_EPOCH && site->over && bw_site_epoch_is_open(site) &&
           epoch == site->memory.epoch;
}

/* It knows of a start that we do not: its word wins (4). */
static void keep_start_of_guard(const struct step *step)
{
    if (step->site->memory.start_begun)
        return;
    step->site->memory.start_begun = true;
    bw_site_save(step, "S94");
}

static void on_end_refused(const struct step *step, uint64_t epoch, enum bw_refusal why)
{
    struct bw_site *site = step->site;

    site->end_open = false;
    if (is_outlived(site, epoch, why)) {
        bw_site_give_back(step, "S46");
        BW_ASSERT(!bw_site_epoch_is_open(site));
        return;
    }
    site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
    if (why == BW_REFUSAL_NOT_STOPPED)
        bw_site_doubt_end(site, BW_SITE_OWN_END_EVENT_DENIED);
    if (why == BW_REFUSAL_NOT_STOPPED && !bw_site_epoch_is_open(site))
        note_guard_disk(
            step, true); /* no word of its disk, and no other follows: the next arm tries it (4) */
    if (site->tenure == BW_TENURE_ENDING && why == BW_REFUSAL_NOT_STOPPED) {
        bw_site_tenure_move(site, BW_TENURE_EVENT_NOT_STOPPED);
        bw_site_stop_move(site, BW_SITE_STOP_EVENT_DENIED);
        /* Where it is down and nobody began it, only a stop script has to end yet, of what came before (3.2.4). */
        if (site->service != BW_SERVICE_STOPPED || bw_site_is_begun(site))
            keep_start_of_guard(step);
    }
}

/* What it said before, or said late, is no end of what a fence has seen serve, or could not end, since
 * (3.3): another has to see it first. */
static bool is_ended_in_spite(const struct bw_site *site, uint64_t epoch)
{
    return site->fence_failed && epoch == site->fence_failed_epoch;
}

static void on_epoch_ended(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    site->end_open = false;
    if (epoch == site->memory.epoch)
        site->arm_open = false; /* an arm that it has not answered comes to nothing now */
    if (is_ended_in_spite(site, epoch)) {
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        if (site->tenure == BW_TENURE_ENDING) /* no stop clears that, only a fence */
            bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_FAILED);
        return;
    }
    if (epoch > site->guard.ended_epoch)
        site->guard.ended_epoch = epoch;
    if (epoch == site->memory.epoch && bw_site_epoch_is_open(site))
        bw_site_give_back(step, "S22");
    BW_ASSERT(site->guard.ended_epoch >= epoch);
    BW_ASSERT(epoch != site->memory.epoch || !bw_site_epoch_is_open(site)); /* 3.5 */
}

/* The guard arms and starts nothing of it any more, which is no word of what serves: it is ended, and
 * given back once the guard has said that it has (3.4, ended). What was let go is left as it is (3.1). */
static void on_epoch_ending(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;
    const bool is_let_go = site->order.kind == BW_ORDER_LET_GO ||
                           site->guard.let_go_index > site->memory.let_go_index;

    if (epoch != site->memory.epoch || !bw_site_epoch_is_open(site))
        return;
    if (!is_let_go)
        bw_site_begin_stop(step, BW_REASON_LEASE_LOST, "S92");
}

/* 3.8: one that was rolled back accepts anew what its guard has fenced, and told of before. It would be renewed for
 * ever, and never armed. */
static void on_forgotten_fence(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    if (epoch == site->memory.epoch && bw_site_epoch_is_open(site) && site->guard.armed_epoch == epoch &&
        site->tenure == BW_TENURE_WAITING)
        bw_site_begin_stop(step, BW_REASON_LEASE_LOST, "S57");
}

/* One that is busy is waited for: what it does has a limit. */
static void note_arm_refused(const struct step *step, uint64_t epoch, enum bw_refusal why)
{
    struct bw_site *site = step->site;

    if (bw_site_override_on_arm_refused(step, epoch, why))
        return;
    site->arm_open = false;
    if (site->arm_refused || epoch != site->memory.epoch || why == BW_REFUSAL_BUSY)
        return;
    site->arm_refused = true;
    site->arm_refused_since = step->now;
}

/* An arm that it has not answered comes to nothing now, and what it had armed it has no more. */
static void forget_armed(struct bw_site *site)
{
    site->arm_open = false;
    site->guard.armed_epoch = 0;
    site->guard.armed_end = (struct bw_instant){0, 0};
}

static void on_let_go_done(const struct step *step, uint64_t index)
{
    struct bw_site *site = step->site;
    struct bw_site_memory *memory = &site->memory;

    if (index <= memory->let_go_index)
        return;
    memory->let_go_index = index;
    if (bw_site_epoch_is_open(site) && index < memory->order_index) {
        bw_site_save(step, "S56"); /* 3.9: it was granted since, and its guard arms it */
        return;
    }
    if (index > memory->order_index)
        memory->order_index = index;
    forget_armed(site);
    memory->enforced = false;
    bw_site_override_let_go(site);
    if (site->fence_failed) { /* what is seen from here on counts (S64) */
        site->service = BW_SERVICE_UNKNOWN;
        site->fence_again_at = bw_instant_add(step->now, site->limits.check_interval_ns);
    }
    if (bw_site_epoch_is_open(site)) {
        memory->given_back = true;
        memory->reason = BW_REASON_LET_GO;
        memory->past_no_return = true;
    }
    bw_site_tenure_move(site, BW_TENURE_EVENT_LET_GO);
    site->lease.end = (struct bw_instant){0, 0};
    site->arm_sent_end = (struct bw_instant){0, 0};
    BW_ASSERT(!bw_site_epoch_is_open(site) && site->tenure == BW_TENURE_NONE); /* 3.1 */
    BW_ASSERT(memory->order_index >= memory->let_go_index);
    bw_site_save(step, "S23");
    bw_site_observe_soon(step, BW_ACTION_STATUS);
}

/* ---- fences (3.2.4, 3.4) ------------------------------------------------------------------- */

static void on_fence_begun(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    if (bw_site_override_on_fence_begun(step, epoch) || epoch != site->memory.epoch || !bw_site_epoch_is_open(site))
        return;
    if (site->ending_reason == BW_REASON_NONE)
        site->ending_reason = BW_REASON_LEASE_LOST;
    bw_site_override_leased(step, "S83");
    site->running = BW_ACTION_NONE; /* the fence kills what ran */
    bw_site_fence_move(site, BW_SITE_FENCE_EVENT_BEGUN); /* from here no agent renews e (3.4) */
    bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_BEGUN);
    BW_ASSERT(!bw_site_tenure_renews(site)); /* 3.4 */
}

static void on_fence_ended(const struct step *step, uint64_t epoch, bool ok)
{
    struct bw_site *site = step->site;

    if (bw_site_override_on_fence_ended(step, epoch, ok))
        return;
    if (site->fence == BW_SITE_FENCE_NONE) /* what has ended had begun: before this epoch was accepted here */
        on_fence_begun(step, epoch);
    if (!ok) {
        bw_site_note_fence_failed(step, epoch);
        if (site->tenure == BW_TENURE_FENCING) {
            bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_FAILED);
            site->retry_at = bw_instant_add(step->now, site->limits.check_interval_ns);
        }
        return;
    }
    bw_site_note_fence_succeeded(site);
    if (epoch == site->old_epoch)
        site->old_epoch = 0; /* its guard has seen to it */
    if (epoch != site->memory.epoch || !bw_site_epoch_is_open(site)) /* each has its epoch (H12) */
        return;
    bw_site_fence_move(site, BW_SITE_FENCE_EVENT_ENDED);
    if (site->tenure == BW_TENURE_FENCING || site->tenure == BW_TENURE_STUCK)
        bw_site_begin_ending(step);
}

/* A fence that was begun when the failed one was known has seen the end (3.3). Durable before it is
 * said: what it was given back with is said again after a restart. */
static void site_note_answered(const struct step *step, uint64_t held_index)
{
    struct bw_site *site = step->site;

    if (held_index == 0 || held_index == site->memory.fenced_index)
        return;
    site->memory.fenced_index = held_index;
    bw_site_save(step, "S61");
}

/* ---- the connection ------------------------------------------------------------------------ */

void bw_site_on_guard_lost(const struct step *step)
{
    struct bw_site *site = step->site;

    bw_site_link_move(site, BW_SITE_LINK_EVENT_LOST);
    BW_ASSERT(!bw_site_is_greeted(site));
    site->running = BW_ACTION_NONE;
    site->steps.count = 0;
    site->arm_open = false;
    site->end_open = false;
    site->override_open = false;
    bw_site_remote_fence_lost(site);
    bw_site_proof_lost(site);
    bw_site_forget_observations(site);
    bw_site_alarm(site, BW_ALARM_GUARD_LOST, true);
    site->mirror_due = step->now;
}

/* The agent before us stopped the service and had the guard end the epoch, and died before the give-back
 * was durable. Of what it knew the position is lost, and it is still there to be read: since the end the
 * guard has started nothing (3.5). A planned move waits for it (3.6). */
static bool awaits_final_position(const struct bw_site *site, const struct bw_guard_state *state)
{
    return state->ended_epoch == site->memory.epoch &&
           (site->tenure == BW_TENURE_WAITING || site->final == BW_SITE_FINAL_DUE) &&
           (site->memory.start_begun || site->memory.adopt) &&
           bw_site_has_script(site, BW_ACTION_READINESS);
}

static void read_final_position(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(bw_site_has_script(site, BW_ACTION_READINESS)); /* which tells it */
    BW_ASSERT(bw_site_epoch_is_open(site));
    bw_site_deadline_move(site,
                          BW_SITE_DEADLINE_EVENT_LEARNT); /* nothing of it is armed any more */
    site->arm_sent_end = (struct bw_instant){0, 0};
    bw_site_begin_ending(step);
    bw_site_final_move(site, BW_SITE_FINAL_EVENT_AWAITED);
    bw_site_emit(step, BW_SITE_ACTION_TRACE, "S49")->epoch = site->memory.epoch;
    bw_site_observe_soon(step, BW_ACTION_READINESS);
}

/* 4: what was seen `stopped` before a start is no word of what that start has come to, if it is over and its end was
 * told to nobody: it may be serving, or half-way. Somebody looks first. */
static void doubt_stopped(const struct step *step)
{
    struct bw_site *site = step->site;
    const bool is_to_start = site->tenure == BW_TENURE_STARTING || site->memory.override == BW_OVERRIDE_OVERRIDING;

    if (!is_to_start || site->running != BW_ACTION_NONE || site->service != BW_SERVICE_STOPPED)
        return;
    site->service = BW_SERVICE_UNKNOWN;
    bw_site_observe_soon(step, BW_ACTION_STATUS);
}

/* A new hello voids what was read before it (3.4, H12). */
void bw_site_on_guard_state(const struct step *step, const struct bw_guard_state *state)
{
    struct bw_site *site = step->site;

    bw_site_link_move(site, BW_SITE_LINK_EVENT_GREETED);
    BW_ASSERT(bw_site_is_greeted(site));
    site->guard_cleans = false; /* what runs is in its state */
    site->old_epoch = 0; /* the guard is there; what it has armed is watched all the same */
    site->old_fenced_epoch = 0;
    site->old_reread = false;
    site->old_end = (struct bw_instant){0, 0};
    site->guard = *state;
    if (!bw_site_has_script(site, BW_ACTION_READINESS))
        bw_site_forgo_final_position(site);
    if (state->armed_serial == 0 && bw_site_watches_epoch(site, state->armed_epoch) && !(state->fence_ended && state->fence_ok))
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S91"); /* until when, and F */
    bw_site_remote_fence_lost(site); /* one that runs is of an earlier hello */
    bw_site_proof_lost(site);
    site->running = bw_action_is_action(state->running) && state->running != BW_ACTION_REMOTE_FENCE
                        ? state->running
                        : BW_ACTION_NONE;
    site->running_run_id = state->running_run_id;
    site->arm_open = false;
    site->arm_refused = false;
    site->end_open = false;
    bw_site_override_on_guard_state(step);
    bw_site_fence_move(site, BW_SITE_FENCE_EVENT_DOUBTED);
    note_guard_disk(step, true); /* it says anew what it cannot keep */
    bw_site_forget_observations(site);
    doubt_stopped(step);
    bw_site_alarm(site, BW_ALARM_GUARD_LOST, false);
    if (state->enforced && !site->memory.enforced) {
        site->memory.enforced = true;
        bw_site_save(step, "S30");
    }
    if (!bw_site_epoch_is_open(site))
        return;
    if (bw_site_is_begun(site) && !site->memory.adopt)
        keep_start_of_guard(step); /* ours is an older copy */
    if (state->ended_epoch >= site->memory.epoch &&
        !is_ended_in_spite(site, site->memory.epoch)) {
        bw_site_override_leased(step, "S85"); /* 3.8: an agent before us had it ended */
        if (awaits_final_position(site, state))
            read_final_position(step);
        else
            bw_site_give_back(step, "S31"); /* its answer was lost */
        return;
    }
    if (state->armed_epoch != site->memory.epoch || state->armed_serial != 0 ||
        !bw_id_equal(state->armed_instance, site->instance)) {
        /* The guard answered: nothing of this epoch is armed. */
        bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
        if (site->tenure == BW_TENURE_FENCING && site->own_end == BW_SITE_OWN_END_SEEN)
            bw_site_begin_ending(step); /* and so it has no fence of it to tell about */
        else if (site->tenure == BW_TENURE_FENCING && site->arm_sent_end.boot_ns == 0)
            bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_FAILED); /* its fence ended with that guard: ordered anew */
        return;
    }
    bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
    site->arm_sent_end = bw_instant_max(site->arm_sent_end, state->armed_end);
    if (state->fence_begun) {
        on_fence_begun(step, state->armed_epoch);
        if (state->fence_ended)
            on_fence_ended(step, state->armed_epoch, state->fence_ok);
        return;
    }
    if (!state->arm_pending) /* else ARMED follows, or a refusal (3.4: what it has acknowledged) */
        on_armed(step, state->armed_epoch, state->armed_end);
}

/* ---- how runs ended ------------------------------------------------------------------------ */

/* As the guard has it, until it says at the end what the epoch came to. */
static void note_start_begun(struct bw_site *site, uint64_t epoch)
{
    site->guard.stop_seen = false;
    if (site->guard.start_epoch != epoch)
        site->guard.served = BW_SERVED_NOT_SEEN;
    site->guard.start_epoch = epoch;
}

static bool has_failed_early(const struct bw_guard_run_ended *ended)
{
    return ended->result == BW_RUN_NOT_STARTED ||
           (ended->result == BW_RUN_FAILED && ended->exit_status == BW_START_EXIT_NOTHING_CHANGED);
}

static void on_start_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    BW_ASSERT(ended->action == BW_ACTION_START);
    if (site->tenure == BW_TENURE_NONE && site->memory.override == BW_OVERRIDE_OVERRIDING) {
        bw_site_override_start_ended(step, ended);
        return;
    }
    if (site->tenure != BW_TENURE_STARTING || ended->epoch != site->memory.epoch)
        return;
    site->start_interrupted = ended->result == BW_RUN_INTERRUPTED && site->limits.start_goes_on;
    switch (ended->result) {
    case BW_RUN_OK:
    case BW_RUN_INTERRUPTED: /* a service that runs is adopted, else it never says started */
        bw_site_start_move(site, BW_SITE_START_EVENT_RAN);
        site->guard.served = BW_SERVED_MAYBE;
        site->service = BW_SERVICE_UNKNOWN; /* exit 0 alone proves nothing (4) */
        site->start_limit = bw_instant_add(
            step->now, site->limits.timeout_ns[ended->result == BW_RUN_OK ? BW_ACTION_START
                                                                          : BW_ACTION_STATUS]);
        bw_site_observe_soon(step, BW_ACTION_STATUS);
        bw_site_observe_soon(step, BW_ACTION_VERIFY); /* and then as often as it may be run */
        return;
    case BW_RUN_REFUSED:
        if (ended->refusal == BW_REFUSAL_NO_POINT) /* its configuration is another now */
            site->guard.has_point = false;
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    case BW_RUN_KILLED: /* by a fence or a stop, whose own events follow; or its child could not be mirrored */
    case BW_RUN_TOO_LATE:
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    case BW_RUN_FAILED:
    case BW_RUN_TIMED_OUT:
    case BW_RUN_NOT_STARTED:
        break;
    }
    bw_site_start_move(site, has_failed_early(ended) ? BW_SITE_START_EVENT_FAILED_EARLY
                                                     : BW_SITE_START_EVENT_FAILED);
    bw_site_alarm(site, BW_ALARM_START_FAILED, true);
    bw_site_begin_stop(step, BW_REASON_START_FAILED, "S32");
}

/* 4: before it is started again. What nobody has seen to stop is fenced, and given back (3.5). */
static void on_stopped_first(const struct step *step, enum bw_run_result result)
{
    struct bw_site *site = step->site;

    if (bw_site_runs_again(step, result))
        return;
    site->stops_first = false;
    if (result != BW_RUN_OK) {
        bw_site_begin_stop(step, BW_REASON_SERVICE_DOWN, "S102");
        return;
    }
    site->service = BW_SERVICE_UNKNOWN; /* a look of its own says `stopped` before anything is started */
    bw_site_observe_soon(step, BW_ACTION_STATUS);
}

/* From D - F to D the guard and its enforcer kill what is in reach, whatever runs there (3.2.4): a stop that meets this
 * KILL has not failed. The fence that follows sees the end. */
static bool is_deadlines_kill(const struct step *step, const struct bw_guard_run_ended *ended)
{
    const struct bw_site *site = step->site;
    const uint64_t fence_ns = bw_ms_to_ns(site->memory.terms.fence_ms);
    const struct bw_instant end = site->arm_sent_end;

    return ended->action == BW_ACTION_STOP && ended->result == BW_RUN_FAILED && ended->epoch == site->memory.epoch &&
           bw_script_is_ended_by((int)ended->outcome.signal) && end.boot_ns != 0 &&
           bw_instant_right_is_over(step->now, bw_instant_sub(end, fence_ns)) &&
           !bw_instant_wait_is_over(step->now, bw_instant_add(end, BW_LOOK_ANSWER_NS));
}

static void on_stop_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    BW_ASSERT(ended->action == BW_ACTION_STOP);
    if (site->proof == BW_SITE_PROOF_KILLED) { /* 3.5: no stop that a planned move could go by */
        bw_site_proof_ended(step, ended);
        return;
    }
    if (ended->result == BW_RUN_OK) {
        site->guard.stop_seen = true;
        bw_site_alarm(site, BW_ALARM_STOP_FAILED, false);
    }
    if (site->tenure == BW_TENURE_NONE && bw_site_overrides(site))
        bw_site_override_stop_ended(step, ended->result);
    if (site->tenure == BW_TENURE_STARTING && site->stops_first && ended->epoch == site->memory.epoch)
        on_stopped_first(step, ended->result);
    if (site->tenure != BW_TENURE_STOPPING || ended->epoch != site->memory.epoch)
        return;
    if (site->stops_first) { /* it was told that the epoch goes on: the end has a stop of its own */
        site->stops_first = false;
        return;
    }
    if (ended->result == BW_RUN_OK) {
        bw_site_stop_move(site, BW_SITE_STOP_EVENT_SEEN);
        return;
    }
    if (bw_site_runs_again(step, ended->result))
        return;
    /* 3.5: a stop that fails is followed by the fence at once. */
    if (!is_deadlines_kill(step, ended))
        bw_site_alarm(site, BW_ALARM_STOP_FAILED, true);
    bw_site_run(step, BW_ACTION_FENCE, site->memory.epoch, "S33");
}

static void on_fence_run_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;
    const bool is_open = bw_site_epoch_is_open(site) && ended->epoch == site->memory.epoch;

    BW_ASSERT(ended->action == BW_ACTION_FENCE);
    if (ended->result == BW_RUN_OK || ended->result == BW_RUN_FAILED)
        bw_site_note_fence_time(step, ended->epoch, ended->duration_ms);
    if (bw_site_runs_again(step, ended->result))
        return;
    if (ended->result == BW_RUN_OK) {
        bw_site_note_fence_succeeded(site);
        site->guard.armed_serial = 0;
        if (ended->run_id == site->fence_run_id) {
            site_note_answered(step, site->fence_run_index);
            bw_site_override_fenced(step);
        }
        bw_site_observe_soon(step, BW_ACTION_STATUS);
        if (is_open &&
            (site->tenure == BW_TENURE_STOPPING || site->tenure == BW_TENURE_STUCK)) {
            bw_site_begin_ending(step);
        }
        return;
    }
    site->retry_at = bw_instant_add(step->now, site->limits.check_interval_ns);
    bw_site_note_fence_failed(step, ended->epoch);
    if (is_open)
        bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_FAILED);
}

static void on_rejoin_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    BW_ASSERT(ended->action == BW_ACTION_REJOIN);
    if (ended->result == BW_RUN_TOO_LATE) { /* its guard stood still: what it rested on is looked at again */
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    }
    bw_site_alarm(site, BW_ALARM_REJOIN_FAILED, ended->result != BW_RUN_OK);
    if (ended->result != BW_RUN_OK) {
        site->retry_at = bw_instant_add(step->now, site->limits.check_interval_ns);
        return;
    }
    site->memory.rejoined_epoch = ended->epoch;
    site->memory.override_wrote = false;
    bw_site_save(step, "S34");
    bw_site_observe_soon(step, BW_ACTION_STATUS);
    bw_site_observe_soon(step, BW_ACTION_READINESS);
}

/* What its guard has said of a start that ended well: for the record (3.1). */
static void note_phases(struct bw_site *site, const struct bw_guard_run_ended *ended)
{
    if (ended->action != BW_ACTION_START)
        return;
    site->phases_epoch = 0;
    if (ended->result != BW_RUN_OK || site->steps.count == 0 || site->steps.is_stop)
        return;
    site->phases_epoch = ended->epoch;
    memcpy(site->phase_ms, site->steps.phase_ms, sizeof site->phase_ms);
}

static void on_run_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    if (!bw_action_is_action(ended->action)) {
        bw_site_on_observed(step, ended);
        return;
    }
    note_phases(site, ended);
    site->steps.count = 0; /* one action at a time: the list was its */
    site->waits_at_point = false;
    /* A rejoin runs under another site's epoch: the guard has seen it, and takes none below, not even the fence of what
     * somebody starts here; nor if it refused it by what had come while that was written down (3.4). */
    if (ended->epoch > site->guard.epoch_seen &&
        (ended->result != BW_RUN_REFUSED || ended->refusal != BW_REFUSAL_NOT_DURABLE))
        site->guard.epoch_seen = ended->epoch;
    if (ended->run_id == site->running_run_id || ended->run_id == 0)
        site->running = BW_ACTION_NONE;
    if (ended->run_id == 0)
        site->guard_cleans = false;
    if (ended->result == BW_RUN_REFUSED && is_outlived(site, ended->epoch, ended->refusal)) {
        bw_site_give_back(step, "S47");
        return;
    }
    switch (ended->action) {
    case BW_ACTION_START:
        on_start_ended(step, ended);
        break;
    case BW_ACTION_STOP:
        on_stop_ended(step, ended);
        break;
    case BW_ACTION_FENCE:
        on_fence_run_ended(step, ended);
        break;
    case BW_ACTION_REJOIN:
        on_rejoin_ended(step, ended);
        break;
    case BW_ACTION_REMOTE_FENCE:
        bw_site_on_remote_fence_ended(step, ended);
        break;
    case BW_ACTION_NONE:
    case BW_ACTION_STATUS:
    case BW_ACTION_READINESS:
    case BW_ACTION_CONDITION:
    case BW_ACTION_VERIFY:
    case BW_ACTION_COUNT:
        break;
    }
}

static void on_run_begun(const struct step *step, const struct bw_guard_message *message)
{
    struct bw_site *site = step->site;

    site->steps = message->begun.steps;
    site->waits_at_point = message->begun.asks_to_pass;
    site->steps_at = step->now;
    if (message->begun.steps.count != 0)
        return; /* what had begun has come further: nothing else follows from it */
    if (message->begun.action == BW_ACTION_START)
        note_start_begun(site, message->epoch);
    if (message->begun.run_id == 0)
        site->guard_cleans = true;
}

static void note_fence_outcome(const struct step *step, const struct bw_guard_message *message)
{
    const struct bw_guard_run_ended ended = {.action = BW_ACTION_FENCE,
                                             .result = message->fence.ok ? BW_RUN_OK
                                                                         : BW_RUN_FAILED,
                                             .duration_ms = message->fence.duration_ms,
                                             .outcome = message->fence.outcome};

    bw_failures_on_run(&step->site->failures, &ended, step->now);
}

void bw_site_on_guard_message(const struct step *step, const struct bw_guard_message *message)
{
    struct bw_site *site = step->site;

    if (!bw_site_is_greeted(site))
        return; /* what was read before the welcome is void */
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARMED:
        on_armed(step, message->epoch, message->armed.end);
        break;
    case BW_GUARD_MESSAGE_ARM_REFUSED:
        note_arm_refused(step, message->epoch, message->refused.why);
        if (message->refused.why == BW_REFUSAL_NOT_DURABLE)
            note_guard_disk(step, false);
        if (message->refused.why == BW_REFUSAL_EPOCH_ENDING)
            on_epoch_ending(step, message->epoch);
        if (message->refused.why == BW_REFUSAL_FENCING)
            on_forgotten_fence(step, message->epoch);
        break;
    case BW_GUARD_MESSAGE_RUN_BEGUN:
        on_run_begun(step, message);
        break;
    case BW_GUARD_MESSAGE_RUN_ENDED:
        if (!is_deadlines_kill(step, &message->ended))
            bw_failures_on_run(&site->failures, &message->ended, step->now);
        bw_failures_on_look(&site->failures, &message->ended, step->now);
        on_run_ended(step, &message->ended);
        break;
    case BW_GUARD_MESSAGE_EPOCH_ENDED:
        note_guard_disk(step, true);
        if (message->epoch == site->guard.start_epoch)
            site->guard.served = message->epoch_ended.served;
        on_epoch_ended(step, message->epoch);
        break;
    case BW_GUARD_MESSAGE_END_REFUSED:
        if (message->refused.why == BW_REFUSAL_NOT_DURABLE)
            note_guard_disk(step, false);
        if (message->refused.why == BW_REFUSAL_OLD_EPOCH)
            note_guard_disk(step, true); /* it has kept a newer one since */
        on_end_refused(step, message->epoch, message->refused.why);
        break;
    case BW_GUARD_MESSAGE_LET_GO_DONE:
        on_let_go_done(step, message->let_go_index);
        break;
    case BW_GUARD_MESSAGE_FENCE_BEGUN:
        on_fence_begun(step, message->epoch);
        break;
    case BW_GUARD_MESSAGE_FENCE_ENDED:
        bw_site_note_fence_time(step, message->epoch, message->fence.duration_ms);
        note_fence_outcome(step, message);
        on_fence_ended(step, message->epoch, message->fence.ok);
        break;
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_ARM:
    case BW_GUARD_MESSAGE_RUN:
    case BW_GUARD_MESSAGE_END:
    case BW_GUARD_MESSAGE_LET_GO:
    case BW_GUARD_MESSAGE_PASS:
    case BW_GUARD_MESSAGE_SHOW:
    case BW_GUARD_MESSAGE_SHOWN:
    case BW_GUARD_MESSAGE_WELCOME:
    case BW_GUARD_MESSAGE_GROUP_STATE:
    case BW_GUARD_MESSAGE_WELCOME_DONE:
    case BW_GUARD_MESSAGE_HELLO_REFUSED:
        break; /* the shell's */
    }
}

/* ---- the fence without the guard ---- */

/* The fence of the agent's own, where its guard is away or stands still: "they watch each other" (3.4). */

static void again_soon(const struct step *step)
{
    step->site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
    step->site->own_fence_again_at = step->site->retry_at;
}

bool bw_site_may_fence_itself(const struct step *step)
{
    if (bw_instant_wait_is_over(step->now, step->site->own_fence_again_at))
        return true;
    bw_site_wake(step, step->site->own_fence_again_at);
    return false;
}

static void on_old_instance_fenced(const struct step *step, bool ok)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->old_epoch != 0);
    if (!ok) {
        bw_site_note_fence_failed(step, site->old_epoch);
        again_soon(step);
        return;
    }
    site->old_fenced_epoch = site->old_epoch;
    site->old_epoch = 0;
    site->service = BW_SERVICE_UNKNOWN; /* what the guard saw before, if it sees no more (3.3) */
    bw_site_note_fence_succeeded(site);
}

static void on_override_fenced(const struct step *step, uint64_t epoch, bool ok)
{
    struct bw_site *site = step->site;

    site->override_fence_epoch = 0;
    if (!ok) {
        bw_site_note_fence_failed(step, epoch);
        again_soon(step);
        return;
    }
    site->service = BW_SERVICE_UNKNOWN; /* what the guard saw before, if it sees no more (3.3) */
    bw_site_note_fence_succeeded(site);
    bw_site_override_fenced(step);
}

/* Of what was given back only a fence that was begun to answer says something, and while it is
 * owed. */
static bool is_answer_owed(const struct bw_site *site)
{
    return bw_site_owes_fence(site) && site->own_fence_index != 0;
}

/* Like every event of a fence it carries its epoch (H12): one that ends late says nothing about the
 * epoch that was granted meanwhile. */
void bw_site_on_own_fence_ended(const struct step *step, uint64_t epoch, bool ok)
{
    struct bw_site *site = step->site;
    const bool is_doubted = site->own_fence == BW_SITE_OWN_FENCE_DOUBTED;
    const bool was_denied = site->own_end == BW_SITE_OWN_END_DENIED;

    bw_site_own_fence_move(site, BW_SITE_OWN_FENCE_EVENT_ENDED);
    if (ok && is_doubted) { /* another has to look from here on */
        again_soon(step);
        return;
    }
    if (epoch != 0 && epoch == site->override_fence_epoch) {
        on_override_fenced(step, epoch, ok);
        return;
    }
    if (epoch != 0 && epoch == site->old_epoch) {
        on_old_instance_fenced(step, ok);
        return;
    }
    if (epoch != site->memory.epoch || !(bw_site_epoch_is_open(site) || is_answer_owed(site)))
        return;
    if (!ok) {
        bw_site_note_fence_failed(step, epoch);
        again_soon(step);
        return;
    }
    bw_site_own_end_move(site, BW_SITE_OWN_END_EVENT_SEEN);
    site_note_answered(step, site->own_fence_index);
    site->service = BW_SERVICE_UNKNOWN; /* what the guard saw before, if it sees no more (3.3) */
    bw_site_note_fence_succeeded(site);
    if (!bw_site_is_greeted(site) || site->tenure != BW_TENURE_FENCING)
        return;
    if (was_denied) /* 3.4, ended: its guard may owe a script, which no fence of this agent's is */
        bw_site_tenure_move(site, BW_TENURE_EVENT_STOP_OWED);
    else
        bw_site_begin_ending(step);
}

static void ask_own_fence(const struct step *step, uint64_t epoch, struct bw_instant end,
                          uint64_t fence_ns, const char *rule)
{
    struct bw_site_action *action = bw_site_emit(step, BW_SITE_ACTION_OWN_FENCE, rule);

    BW_ASSERT(epoch != 0);
    bw_site_own_fence_move(step->site, BW_SITE_OWN_FENCE_EVENT_BEGUN);
    bw_site_own_end_move(step->site, BW_SITE_OWN_END_EVENT_BEGUN);
    action->epoch = epoch;
    action->fence = bw_lease_plan_fence(end, fence_ns);
    step->site->own_fence_index = bw_site_held_index(step->site);
    action->is_inside = step->site->guard.reach != BW_REACH_REMOTE &&
                        step->site->guard.sight.seen == BW_REACH_INSIDE;
    action->is_proved = action->is_inside && step->site->guard.sight.proved;
}

/* 3.3: what was given back and is held. No deadline hastens it: it has the time that F gives it. */
void bw_site_fence_held(const struct step *step)
{
    const uint64_t fence_ns = bw_ms_to_ns(step->site->memory.terms.fence_ms);

    BW_ASSERT(step->site->memory.given_back);
    ask_own_fence(step, step->site->memory.epoch, bw_instant_add(step->now, fence_ns), fence_ns,
                  "S95");
}

#define FIRST_EPOCH 1 /* of an override that an earlier release has kept */

/* 3.8: what serves under a manual lease ends where its guard is away, or stands still, too. */
void bw_site_fence_override(const struct step *step)
{
    struct bw_site *site = step->site;
    const uint32_t fence_ms = site->memory.override_fence_ms;
    const uint64_t fence_ns = fence_ms != 0 ? bw_ms_to_ns(fence_ms) : bw_site_override_fence_ns(site);
    const uint64_t kept = bw_max(bw_site_epoch_seen(site), FIRST_EPOCH);
    const uint64_t epoch = site->memory.override_epoch != 0 ? site->memory.override_epoch : kept;

    BW_ASSERT(site->memory.override == BW_OVERRIDE_ENDING);
    site->override_fence_epoch = epoch;
    ask_own_fence(step, epoch, bw_instant_add(step->now, fence_ns), fence_ns, "S80");
}

static void begin_own_fence(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    BW_ASSERT(bw_site_epoch_is_open(site));
    if (site->ending_reason == BW_REASON_NONE)
        site->ending_reason = BW_REASON_LEASE_LOST;
    bw_site_override_leased(step, "S84");
    bw_site_fence_move(site, BW_SITE_FENCE_EVENT_BEGUN);
    bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_BEGUN);
    ask_own_fence(step, site->memory.epoch,
                  site->deadline == BW_SITE_DEADLINE_PAST ? step->now : site->arm_sent_end, site->lease.fence_ns,
                  rule);
}

/* The agent's own fence is due in the first part of the window, F/4
 * into it, unless fence_ended(e, ok) was read: whatever it thinks of its guard (H6). Without its
 * guard, gone or silent, the site gives back only after D, the latest end that it ever sent (H9). */
void bw_site_watch_deadline(const struct step *step)
{
    struct bw_site *site = step->site;
    const uint64_t fence_ns = site->lease.fence_ns;
    struct bw_instant window;
    struct bw_instant due;

    if (!bw_site_epoch_is_open(site) || site->arm_sent_end.boot_ns == 0)
        return;
    if (site->fence == BW_SITE_FENCE_ENDED || site->own_end == BW_SITE_OWN_END_SEEN) {
        /* One that cannot keep an end says no to each: after D it is as good as away, and what it has
         * forgotten by then this site keeps itself (3.5). */
        if (bw_site_is_greeted(site) && !bw_site_guard_is_silent(site, step->now) &&
            !site->guard_unsaved)
            return; /* it is asked for ended(e) */
        if (bw_instant_wait_is_over(step->now, site->arm_sent_end))
            bw_site_give_back(step, "S25");
        else
            bw_site_wake(step, bw_instant_max(site->arm_sent_end,
                                              bw_instant_add(step->now, BW_NS_PER_MS)));
        return;
    }
    window = bw_instant_sub(site->arm_sent_end, fence_ns);
    due = bw_instant_add(window, fence_ns / 4);
    if (bw_instant_right_is_over(step->now, window) && !bw_site_is_greeted(site) &&
        !site->mirror_reread) {
        site->mirror_reread = true; /* the guard may have taken an arm whose answer was lost */
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S26");
    }
    if (site->deadline != BW_SITE_DEADLINE_PAST && !bw_instant_right_is_over(step->now, due)) {
        bw_site_wake(step, bw_instant_right_is_over(step->now, window) ? due : window);
        return;
    }
    if (site->own_fence != BW_SITE_OWN_FENCE_IDLE)
        return;
    if (bw_site_may_fence_itself(step))
        begin_own_fence(step, "S27");
}

/* Until the guard is back: what another agent arms is only to be read in its mirror. */
static void read_mirror_now_and_then(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->link != BW_SITE_LINK_LOST)
        return;
    if (bw_instant_wait_is_over(step->now, site->mirror_due)) {
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S90");
        site->mirror_due = bw_instant_add(step->now, BW_SITE_MIRROR_NS);
    }
    bw_site_wake(step, site->mirror_due);
}

static void on_old_instance_mirror(struct bw_site *site, const struct bw_site_event *event)
{
    BW_ASSERT(event->mirror_epoch > site->memory.epoch); /* ours, and what is older, is no other's */
    if (event->mirror_epoch == site->old_fenced_epoch &&
        !bw_instant_is_later(event->mirror_end, site->old_end))
        return; /* it was ended by us, and the mirror is its guard's to change */
    if (!bw_instant_right_is_over(site->old_end, event->mirror_end))
        site->old_reread = false; /* it was renewed: there is another window */
    site->old_epoch = event->mirror_epoch;
    site->old_end = bw_instant_max(site->old_end, event->mirror_end);
    site->old_fence_ns = event->mirror_fence_ns;
}

void bw_site_watch_old_instance(const struct step *step)
{
    struct bw_site *site = step->site;
    struct bw_instant window;
    struct bw_instant due;

    read_mirror_now_and_then(step);
    if (site->old_epoch != 0 && !bw_site_watches_epoch(site, site->old_epoch))
        site->old_epoch = 0; /* 3.9: it was let go, or is over, since its mirror was read */
    if (site->old_epoch == 0 || site->own_fence != BW_SITE_OWN_FENCE_IDLE)
        return;
    window = bw_instant_sub(site->old_end, site->old_fence_ns);
    due = bw_instant_add(window, site->old_fence_ns / 4);
    if (bw_instant_right_is_over(step->now, window) && !site->old_reread) {
        site->old_reread = true; /* the guard may have read what the old agent sent last */
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S43");
    }
    if (!bw_instant_right_is_over(step->now, due)) {
        bw_site_wake(step, bw_instant_right_is_over(step->now, window) ? due : window);
        return;
    }
    if (!bw_site_may_fence_itself(step))
        return;
    ask_own_fence(step, site->old_epoch, site->old_end, site->old_fence_ns, "S44");
}

void bw_site_on_mirror_read(const struct step *step, const struct bw_site_event *event)
{
    struct bw_site *site = step->site;

    /* One above ours that is our own: the state of this site was rolled back since (3.8), and what it thinks open is
     * over. */
    const bool is_forgotten = event->ok;

    if ((event->mirror_is_anothers || is_forgotten) && bw_site_watches_epoch(site, event->mirror_epoch)) {
        if (is_forgotten && bw_site_epoch_is_open(site))
            bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
        on_old_instance_mirror(site, event);
        return;
    }
    if (!bw_site_epoch_is_open(site))
        return;
    if (event->ok && event->mirror_epoch == site->memory.epoch) {
        bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
        site->arm_sent_end = bw_instant_max(site->arm_sent_end, event->mirror_end);
    }
    if (site->deadline != BW_SITE_DEADLINE_UNKNOWN)
        return;
    if ((!site->memory.enforced && !site->memory.start_begun) ||
        (event->mirror_overrides && bw_site_overrides(site))) {
        bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LEARNT);
        return; /* nothing was ever armed: what runs here is not ours to end (3.8, 3.9) */
    }
    /* 3.4, H10: no guard, no mirror, no deadline: fence at once, as if D had passed, and give back
     * after now + TTL. */
    bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_LOST);
    site->arm_sent_end = bw_instant_add(step->now, site->lease.ttl_ns);
    if (site->own_fence == BW_SITE_OWN_FENCE_IDLE)
        begin_own_fence(step, "S28");
}
