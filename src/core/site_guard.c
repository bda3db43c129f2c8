#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>

/* ---- the lease is what the guard has acknowledged (3.2.3, 3.4) ---------------------------- */

void bw_site_on_confirmed(const struct step *step, const struct bw_site_event *event)
{
    struct bw_site *site = step->site;
    struct bw_guard_message *message;
    struct bw_instant end;

    if (event->epoch != site->memory.epoch || !site->guard_greeted ||
        !bw_site_tenure_renews(site))
        return;
    end = bw_lease_end_of(&site->lease, event->sent);
    if (!bw_instant_is_later(end, site->arm_sent_end))
        return; /* overtaken by a newer one */
    /* Without its guard the site goes by the latest end that it ever sent (3.4, H9): noted before
     * the message leaves. */
    site->arm_sent_end = bw_instant_max(site->arm_sent_end, end);
    site->deadline_known = true;
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
    bw_site_alarm(site, BW_ALARM_STATE_NOT_DURABLE, site->guard_unsaved || site->save_failed);
}

static void on_armed(const struct step *step, uint64_t epoch, struct bw_instant end)
{
    struct bw_site *site = step->site;

    note_guard_disk(step, true);
    site->arm_open = false;
    if (epoch != site->memory.epoch || !bw_site_tenure_renews(site))
        return;
    if (bw_lease_confirm_renewal(&site->lease, epoch,
                                 bw_instant_sub(end, site->lease.ttl_ns)) != BW_OK)
        return;
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

static void on_end_refused(const struct step *step, uint64_t epoch, enum bw_refusal why)
{
    struct bw_site *site = step->site;

    site->end_open = false;
    if (is_outlived(site, epoch, why)) {
        bw_site_give_back(step, "S46");
        return;
    }
    site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
    if (why == BW_REFUSAL_NOT_STOPPED)
        bw_site_doubt_end(site);
    if (site->tenure == BW_TENURE_ENDING && why == BW_REFUSAL_NOT_STOPPED) {
        bw_site_tenure_move(site, BW_TENURE_EVENT_NOT_STOPPED);
        site->stop_succeeded = false;
        site->stop_is_owed = true;
        site->memory.start_begun = true; /* the guard knows of something that we do not */
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

static void on_let_go_done(const struct step *step, uint64_t index)
{
    struct bw_site *site = step->site;
    struct bw_site_memory *memory = &site->memory;

    if (index <= memory->let_go_index)
        return;
    memory->let_go_index = index;
    if (index > memory->order_index)
        memory->order_index = index;
    memory->enforced = false;
    if (bw_site_epoch_is_open(site)) {
        memory->given_back = true;
        memory->reason = BW_REASON_LET_GO;
        memory->past_no_return = true;
    }
    bw_site_tenure_move(site, BW_TENURE_EVENT_LET_GO);
    site->lease.end = (struct bw_instant){0, 0};
    site->arm_sent_end = (struct bw_instant){0, 0};
    bw_site_save(step, "S23");
    bw_site_observe_soon(step, BW_ACTION_STATUS);
}

/* ---- fences (3.2.4, 3.4) ------------------------------------------------------------------- */

static void note_fence_failed(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    site->fence_failed = true;
    site->fence_failed_epoch = epoch;
    bw_site_alarm(site, BW_ALARM_FENCE_FAILED, true);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S24");
}

static void note_fence_succeeded(struct bw_site *site)
{
    site->guard.stop_seen = true;
    site->fence_failed = false;
    bw_site_alarm(site, BW_ALARM_FENCE_FAILED, false);
}

static void on_fence_begun(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    if (epoch != site->memory.epoch || !bw_site_epoch_is_open(site))
        return;
    if (site->ending_reason == BW_REASON_NONE)
        site->ending_reason = BW_REASON_LEASE_LOST;
    site->running = BW_ACTION_NONE; /* the fence kills what ran */
    site->fence_begun = true; /* from here no agent renews e (3.4) */
    bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_BEGUN);
}

static void on_fence_ended(const struct step *step, uint64_t epoch, bool ok)
{
    struct bw_site *site = step->site;

    if (!ok) {
        note_fence_failed(step, epoch);
        if (site->tenure == BW_TENURE_FENCING) {
            bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_FAILED);
            site->retry_at = bw_instant_add(step->now, site->limits.check_interval_ns);
        }
        return;
    }
    note_fence_succeeded(site);
    if (epoch == site->old_epoch)
        site->old_epoch = 0; /* its guard has seen to it */
    if (epoch != site->memory.epoch) /* events carry their epoch (H12) */
        return;
    site->fence_ok_read = true;
    if (site->tenure == BW_TENURE_FENCING || site->tenure == BW_TENURE_STUCK)
        bw_site_begin_ending(step);
}

/* A fence that was begun when the failed one was known has seen the end (3.3). Durable before it is
 * said: what it was given back with is said again after a restart. */
static void note_answered(const struct step *step, uint64_t held_index)
{
    struct bw_site *site = step->site;

    if (held_index == 0 || held_index == site->memory.fenced_index)
        return;
    site->memory.fenced_index = held_index;
    bw_site_save(step, "S61");
}

static void on_old_instance_fenced(const struct step *step, bool ok)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->old_epoch != 0);
    if (!ok) {
        note_fence_failed(step, site->old_epoch);
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    }
    site->old_fenced_epoch = site->old_epoch;
    site->old_epoch = 0;
    site->service = BW_SERVICE_UNKNOWN; /* what the guard saw before, if it sees no more (3.3) */
    note_fence_succeeded(site);
}

/* Like every event of a fence it carries its epoch (H12): one that ends late says nothing about the
 * epoch that was granted meanwhile. */
void bw_site_on_own_fence_ended(const struct step *step, uint64_t epoch, bool ok)
{
    struct bw_site *site = step->site;

    site->own_fence_running = false;
    if (ok && site->own_fence_in_doubt) { /* another has to look from here on */
        site->own_fence_in_doubt = false;
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    }
    site->own_fence_in_doubt = false;
    if (epoch != 0 && epoch == site->old_epoch) {
        on_old_instance_fenced(step, ok);
        return;
    }
    if (!bw_site_epoch_is_open(site) || epoch != site->memory.epoch)
        return;
    if (!ok) {
        note_fence_failed(step, site->memory.epoch);
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    }
    site->own_fence_done = true;
    site->own_stop_seen = true;
    note_answered(step, site->own_fence_index);
    site->service = BW_SERVICE_UNKNOWN; /* what the guard saw before, if it sees no more (3.3) */
    note_fence_succeeded(site);
    if (site->guard_greeted && site->tenure == BW_TENURE_FENCING)
        bw_site_begin_ending(step);
}

static void ask_own_fence(const struct step *step, uint64_t epoch, struct bw_instant end,
                          uint64_t fence_ns, const char *rule)
{
    struct bw_site_action *action = bw_site_emit(step, BW_SITE_ACTION_OWN_FENCE, rule);

    BW_ASSERT(epoch != 0);
    BW_ASSERT(!step->site->own_fence_running); /* one at a time: each carries its epoch (H12) */
    action->epoch = epoch;
    action->fence = bw_lease_plan_fence(end, fence_ns);
    step->site->own_fence_index = bw_site_held_index(step->site);
    action->is_inside = step->site->guard.reach != BW_REACH_REMOTE &&
                        step->site->guard.sight.seen == BW_REACH_INSIDE;
    action->is_proved = action->is_inside && step->site->guard.sight.proved;
    step->site->own_fence_running = true;
    step->site->own_fence_looked = true;
}

static void begin_own_fence(const struct step *step, const char *rule)
{
    struct bw_site *site = step->site;

    BW_ASSERT(bw_site_epoch_is_open(site));
    if (site->ending_reason == BW_REASON_NONE)
        site->ending_reason = BW_REASON_LEASE_LOST;
    site->fence_begun = true;
    bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_BEGUN);
    ask_own_fence(step, site->memory.epoch,
                  site->end_may_be_past ? step->now : site->arm_sent_end, site->lease.fence_ns,
                  rule);
}

/* 3.4 "They watch each other". The agent's own fence is due in the first part of the window, F/4
 * into it, unless fence_ended(e, ok) was read: whatever it thinks of its guard (H6). Without its
 * guard, gone or silent, the site gives back only after D, the latest end that it ever sent (H9). */
void bw_site_watch_deadline(const struct step *step)
{
    struct bw_site *site = step->site;
    const uint64_t fence_ns = site->lease.fence_ns;
    struct bw_instant window;
    struct bw_instant due;

    if (!bw_site_epoch_is_open(site) || site->tenure == BW_TENURE_ACCEPTING ||
        site->arm_sent_end.boot_ns == 0)
        return;
    if (site->fence_ok_read || site->own_fence_done) {
        /* One that cannot keep an end says no to each: after D it is as good as away, and what it has
         * forgotten by then this site keeps itself (3.5). */
        if (site->guard_greeted && !bw_site_guard_is_silent(site, step->now) &&
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
    if (bw_instant_right_is_over(step->now, window) && !site->guard_greeted &&
        !site->mirror_reread) {
        site->mirror_reread = true; /* the guard may have taken an arm whose answer was lost */
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S26");
    }
    if (!site->end_may_be_past && !bw_instant_right_is_over(step->now, due)) {
        bw_site_wake(step, bw_instant_right_is_over(step->now, window) ? due : window);
        return;
    }
    if (site->own_fence_running)
        return;
    if (bw_instant_wait_is_over(step->now, site->retry_at))
        begin_own_fence(step, "S27");
    else
        bw_site_wake(step, site->retry_at);
}

/* H10, for every agent of a site, whatever it knows of the group (3.4): it neither renews nor gives back
 * what another instance armed. But where the guard is not there, or stands still, and the other one is
 * gone, nobody else would end it in time. What was let go, and what is older than an epoch of its own,
 * is over (3.5, 3.9). */
static bool watches_epoch(const struct bw_site *site, uint64_t epoch)
{
    const bool is_let_go = site->order.kind == BW_ORDER_LET_GO &&
                           site->order.let_go_index <= site->memory.let_go_index &&
                           epoch <= site->order.epoch;

    return epoch > site->memory.epoch && !is_let_go;
}

/* Until the guard is back: what another agent arms is only to be read in its mirror. */
static void read_mirror_now_and_then(const struct step *step)
{
    struct bw_site *site = step->site;

    if (!site->watches_mirror || site->guard_greeted)
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
    if (site->old_epoch == 0 || site->own_fence_running)
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
    if (!bw_instant_wait_is_over(step->now, site->retry_at)) {
        bw_site_wake(step, site->retry_at);
        return;
    }
    ask_own_fence(step, site->old_epoch, site->old_end, site->old_fence_ns, "S44");
}

void bw_site_on_mirror_read(const struct step *step, const struct bw_site_event *event)
{
    struct bw_site *site = step->site;

    if (event->mirror_is_anothers && watches_epoch(site, event->mirror_epoch)) {
        on_old_instance_mirror(site, event);
        return;
    }
    if (!bw_site_epoch_is_open(site))
        return;
    if (event->ok && event->mirror_epoch == site->memory.epoch) {
        site->deadline_known = true;
        site->arm_sent_end = bw_instant_max(site->arm_sent_end, event->mirror_end);
        return;
    }
    if (site->deadline_known)
        return;
    site->deadline_known = true;
    if (!site->memory.enforced && !site->memory.start_begun)
        return; /* nothing was ever armed: what runs here is not ours to end (3.9) */
    /* 3.4, H10: no guard, no mirror, no deadline: fence at once, as if D had passed, and give back
     * after now + TTL. */
    site->end_may_be_past = true;
    site->arm_sent_end = bw_instant_add(step->now, site->lease.ttl_ns);
    if (!site->own_fence_running)
        begin_own_fence(step, "S28");
}

/* ---- the connection ------------------------------------------------------------------------ */

void bw_site_on_guard_lost(const struct step *step)
{
    struct bw_site *site = step->site;

    site->guard_greeted = false;
    site->running = BW_ACTION_NONE;
    site->arm_open = false;
    site->end_open = false;
    bw_site_forget_observations(site);
    bw_site_alarm(site, BW_ALARM_GUARD_LOST, true);
    site->watches_mirror = true;
    site->mirror_due = step->now;
}

/* The agent before us stopped the service and had the guard end the epoch, and died before the give-back
 * was durable. Of what it knew the position is lost, and it is still there to be read: since the end the
 * guard has started nothing (3.5). A planned move waits for it (3.6). */
static bool awaits_final_position(const struct bw_site *site, const struct bw_guard_state *state)
{
    return state->ended_epoch == site->memory.epoch &&
           (site->tenure == BW_TENURE_WAITING || site->final_position_due) &&
           (site->memory.start_begun || site->memory.adopt) &&
           site->limits.has_script[BW_ACTION_READINESS];
}

static void read_final_position(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(site->limits.has_script[BW_ACTION_READINESS]); /* which tells it */
    BW_ASSERT(bw_site_epoch_is_open(site));
    site->deadline_known = true; /* nothing of this epoch is armed any more */
    site->arm_sent_end = (struct bw_instant){0, 0};
    bw_site_begin_ending(step);
    site->final_position_due = true;
    bw_site_emit(step, BW_SITE_ACTION_TRACE, "S49")->epoch = site->memory.epoch;
    bw_site_observe_soon(step, BW_ACTION_READINESS);
}

/* A new hello voids what was read before it (3.4, H12). */
void bw_site_on_guard_state(const struct step *step, const struct bw_guard_state *state)
{
    struct bw_site *site = step->site;

    site->guard_greeted = true;
    site->guard_cleans = false; /* what runs is in its state */
    site->old_epoch = 0; /* the guard is there; what it has armed is watched all the same */
    site->old_fenced_epoch = 0;
    site->old_reread = false;
    site->old_end = (struct bw_instant){0, 0};
    site->watches_mirror = false;
    site->guard = *state;
    if (watches_epoch(site, state->armed_epoch) && !(state->fence_ended && state->fence_ok))
        (void)bw_site_emit(step, BW_SITE_ACTION_READ_MIRROR, "S91"); /* until when, and F */
    site->running = bw_action_is_action(state->running) ? state->running : BW_ACTION_NONE;
    site->running_run_id = state->running_run_id;
    site->arm_open = false;
    site->end_open = false;
    site->fence_ok_read = false;
    note_guard_disk(step, true); /* it says anew what it cannot keep */
    bw_site_forget_observations(site);
    bw_site_alarm(site, BW_ALARM_GUARD_LOST, false);
    if (state->enforced && !site->memory.enforced) {
        site->memory.enforced = true;
        bw_site_save(step, "S30");
    }
    if (!bw_site_epoch_is_open(site))
        return;
    if (bw_site_is_begun(site) && !site->memory.start_begun && !site->memory.adopt) {
        site->memory.start_begun = true; /* ours is an older copy: the guard's word wins (4) */
        bw_site_save(step, "S94");
    }
    if (state->ended_epoch >= site->memory.epoch &&
        !is_ended_in_spite(site, site->memory.epoch)) {
        if (awaits_final_position(site, state))
            read_final_position(step);
        else
            bw_site_give_back(step, "S31"); /* its answer was lost */
        return;
    }
    if (state->armed_epoch != site->memory.epoch ||
        !bw_id_equal(state->armed_instance, site->instance)) {
        site->deadline_known = true; /* the guard answered: nothing of this epoch is armed */
        if (site->tenure == BW_TENURE_FENCING && site->own_fence_done)
            bw_site_begin_ending(step); /* and so it has no fence of it to tell about */
        return;
    }
    site->deadline_known = true;
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

static void on_start_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    BW_ASSERT(ended->action == BW_ACTION_START);
    if (site->tenure != BW_TENURE_STARTING || ended->epoch != site->memory.epoch)
        return;
    switch (ended->result) {
    case BW_RUN_OK:
    case BW_RUN_INTERRUPTED: /* a service that runs is adopted, else it never says started */
        site->start_ran = true;
        site->guard.served = BW_SERVED_MAYBE;
        site->service = BW_SERVICE_UNKNOWN; /* exit 0 alone proves nothing (4) */
        site->start_limit = bw_instant_add(
            step->now, site->limits.timeout_ns[ended->result == BW_RUN_OK ? BW_ACTION_START
                                                                          : BW_ACTION_STATUS]);
        bw_site_observe_soon(step, BW_ACTION_STATUS);
        return;
    case BW_RUN_REFUSED:
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    case BW_RUN_KILLED: /* by a fence or a stop: their own events follow */
    case BW_RUN_TOO_LATE:
        return;
    case BW_RUN_FAILED:
    case BW_RUN_TIMED_OUT:
    case BW_RUN_NOT_STARTED:
        break;
    }
    site->failed_early = ended->result == BW_RUN_NOT_STARTED ||
                         (ended->result == BW_RUN_FAILED &&
                          ended->exit_status == BW_START_EXIT_NOTHING_CHANGED);
    bw_site_alarm(site, BW_ALARM_START_FAILED, true);
    bw_site_begin_stop(step, BW_REASON_START_FAILED, "S32");
}

static void on_stop_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    BW_ASSERT(ended->action == BW_ACTION_STOP);
    if (ended->result == BW_RUN_OK) {
        site->guard.stop_seen = true;
        bw_site_alarm(site, BW_ALARM_STOP_FAILED, false);
    }
    if (site->tenure != BW_TENURE_STOPPING || ended->epoch != site->memory.epoch)
        return;
    if (ended->result == BW_RUN_OK) {
        site->stop_succeeded = true;
        return;
    }
    if (ended->result == BW_RUN_REFUSED || ended->result == BW_RUN_KILLED ||
        ended->result == BW_RUN_INTERRUPTED) {
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    }
    /* 3.5: a stop that fails is followed by the fence at once. */
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
    switch (ended->result) {
    case BW_RUN_OK:
        note_fence_succeeded(site);
        if (ended->run_id == site->fence_run_id)
            note_answered(step, site->fence_run_index);
        bw_site_observe_soon(step, BW_ACTION_STATUS);
        if (is_open &&
            (site->tenure == BW_TENURE_STOPPING || site->tenure == BW_TENURE_STUCK)) {
            bw_site_begin_ending(step);
        }
        return;
    case BW_RUN_REFUSED:
    case BW_RUN_INTERRUPTED:
    case BW_RUN_KILLED:
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    case BW_RUN_FAILED:
    case BW_RUN_TIMED_OUT:
    case BW_RUN_NOT_STARTED:
    case BW_RUN_TOO_LATE:
        break;
    }
    site->retry_at = bw_instant_add(step->now, site->limits.check_interval_ns);
    note_fence_failed(step, ended->epoch);
    if (is_open)
        bw_site_tenure_move(site, BW_TENURE_EVENT_FENCE_FAILED);
}

static void on_rejoin_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    BW_ASSERT(ended->action == BW_ACTION_REJOIN);
    bw_site_alarm(site, BW_ALARM_REJOIN_FAILED, ended->result != BW_RUN_OK);
    if (ended->result != BW_RUN_OK) {
        site->retry_at = bw_instant_add(step->now, site->limits.check_interval_ns);
        return;
    }
    site->memory.rejoined_epoch = ended->epoch;
    bw_site_save(step, "S34");
    bw_site_observe_soon(step, BW_ACTION_STATUS);
    bw_site_observe_soon(step, BW_ACTION_READINESS);
}

static void on_run_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;

    if (!bw_action_is_action(ended->action)) {
        bw_site_on_observed(step, ended);
        return;
    }
    /* A rejoin runs under another site's epoch: the guard has seen it, and takes none below. */
    if (ended->result != BW_RUN_REFUSED && ended->epoch > site->guard.epoch_seen)
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
    case BW_ACTION_NONE:
    case BW_ACTION_STATUS:
    case BW_ACTION_READINESS:
    case BW_ACTION_CONDITION:
    case BW_ACTION_VERIFY:
    case BW_ACTION_COUNT:
        break;
    }
}

void bw_site_on_guard_message(const struct step *step, const struct bw_guard_message *message)
{
    struct bw_site *site = step->site;

    if (!site->guard_greeted)
        return; /* what was read before the welcome is void */
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARMED:
        on_armed(step, message->epoch, message->armed.end);
        break;
    case BW_GUARD_MESSAGE_ARM_REFUSED:
        site->arm_open = false;
        if (message->refused.why == BW_REFUSAL_NOT_DURABLE)
            note_guard_disk(step, false);
        if (message->refused.why == BW_REFUSAL_EPOCH_ENDING)
            on_epoch_ending(step, message->epoch);
        break;
    case BW_GUARD_MESSAGE_RUN_BEGUN:
        if (message->begun.action == BW_ACTION_START)
            note_start_begun(site, message->epoch);
        if (message->begun.run_id == 0)
            site->guard_cleans = true;
        break;
    case BW_GUARD_MESSAGE_RUN_ENDED:
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
        on_fence_ended(step, message->epoch, message->fence.ok);
        break;
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_ARM:
    case BW_GUARD_MESSAGE_RUN:
    case BW_GUARD_MESSAGE_END:
    case BW_GUARD_MESSAGE_LET_GO:
    case BW_GUARD_MESSAGE_WELCOME:
    case BW_GUARD_MESSAGE_GROUP_STATE:
    case BW_GUARD_MESSAGE_WELCOME_DONE:
    case BW_GUARD_MESSAGE_HELLO_REFUSED:
        break; /* the shell's */
    }
}
