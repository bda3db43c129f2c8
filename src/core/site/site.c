/* The step of a group's machine at the agent (3.5). */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

/* ---- what is to be durable ------------------------------------------------------------------- */

/* As it began it took from a manual lease of another boot what the disk still says (3.8). */
static bool is_found_otherwise(const struct bw_site *site)
{
    return site->save == BW_SITE_SAVE_KEPT && site->memory.override != site->kept.override;
}

static void save_again(const struct step *step)
{
    const struct bw_site *site = step->site;

    if ((site->save == BW_SITE_SAVE_FAILED || is_found_otherwise(site)) && bw_site_may_retry(step))
        bw_site_save(step, "S18");
}

/* 3.4: a disk that does not answer is seen by all: this site is no candidate then, and what it was
 * granted and cannot start is renewed no more (bw_site_sync_get). */
static void watch_save(const struct step *step)
{
    struct bw_site *site = step->site;
    const struct bw_instant slow = bw_instant_add(site->unsaved_own_since, BW_SITE_SLOW_SAVE_NS);

    if (!bw_site_is_saving(site))
        return;
    if (bw_instant_wait_is_over(step->now, slow))
        bw_site_alarm(site, BW_ALARM_STATE_NOT_DURABLE, true);
    else
        bw_site_wake(step, slow);
}

/* The disk is given what `memory` is when the step ends. */
static void note_saving(const struct step *step)
{
    for (uint32_t i = 0; i < step->out->count; i++)
        if (step->out->list[i].kind == BW_SITE_ACTION_SAVE)
            step->site->saving = step->site->memory;
}

/* ---- public ------------------------------------------------------------------------------ */

void bw_site_init(struct bw_site *site, const char *group, struct bw_id instance,
                  struct bw_id boot_id, const struct bw_site_limits *limits,
                  const struct bw_site_memory *memory, struct bw_instant now)
{
    BW_ASSERT_NONE(bw_site_memory_unsound(memory)); /* judged where it was read */
    memset(site, 0, sizeof *site);
    (void)bw_copy_text(site->group, sizeof site->group, group);
    site->instance = instance;
    site->boot_id = boot_id;
    site->limits = *limits;
    site->memory = *memory;
    site->kept = *memory;
    site->saving = *memory;
    site->next_run_id = 1;
    site->position[0] = '\0';
    bw_site_tenure_reset(site);
    bw_site_override_found(site, now);
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        site->observation[i].due = now;
    if (!bw_site_epoch_is_open(site))
        return;
    bw_site_deadline_move(site, BW_SITE_DEADLINE_EVENT_FOUND);
    if (bw_id_equal(memory->boot_id, boot_id)) {
        bw_site_tenure_move(site, BW_TENURE_EVENT_FOUND);
        return;
    }
    /* 3.7: after a reboot e is given back, not renewed; nothing armed survived the boot. */
    bw_site_tenure_move(site, BW_TENURE_EVENT_REBOOTED);
    site->ending_reason = BW_REASON_REBOOT;
}

void bw_site_set_limits(struct bw_site *site, const struct bw_site_limits *limits)
{
    site->limits = *limits;
    if (!limits->has_script[BW_ACTION_READINESS])
        bw_site_forgo_final_position(site);
    if (!limits->has_script[BW_ACTION_REJOIN]) /* it follows as it is (bw_site_joined_epoch) */
        bw_site_alarm(site, BW_ALARM_REJOIN_FAILED, false);
    if (limits->has_script[BW_ACTION_CONDITION])
        return;
    site->condition = BW_CONDITION_NONE;
    bw_site_alarm(site, BW_ALARM_CONDITION_FAILED, false);
}

static void on_other_serves(const struct step *step, uint64_t epoch)
{
    struct bw_site *site = step->site;

    if (bw_site_override_hears_other(step))
        return; /* first it is ended; what it has to follow is said again */
    if (epoch > site->other_serves_epoch)
        site->other_serves_epoch = epoch;
    if (epoch == site->other_serves_epoch)
        site->other_serves_contact = step->now;
}

void bw_site_step(struct bw_site *site, const struct bw_site_event *event, struct bw_instant now,
                  struct bw_site_actions *out_actions)
{
    const struct step step = {site, now, out_actions};

    BW_ASSERT(event->kind != BW_SITE_EVENT_ORDER || event->order != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_GUARD_STATE || event->state != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_GUARD_MESSAGE || event->message != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_OVERRIDE || event->wish != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_REMOTE_FENCE || event->ask != NULL);
    BW_ASSERT(event->kind != BW_SITE_EVENT_SECOND || event->second != NULL);
    out_actions->count = 0;
    out_actions->wake_at = BW_INSTANT_NEVER;
    switch (event->kind) {
    case BW_SITE_EVENT_TICK:
        break;
    case BW_SITE_EVENT_ORDER:
        bw_site_on_order(&step, event->order);
        break;
    case BW_SITE_EVENT_CONFIRMED:
        bw_site_on_confirmed(&step, event);
        break;
    case BW_SITE_EVENT_SAVED:
        bw_site_on_saved(&step, event->number, event->ok);
        break;
    case BW_SITE_EVENT_GUARD_STATE:
        bw_site_on_guard_state(&step, event->state);
        bw_site_obey(&step);
        break;
    case BW_SITE_EVENT_GUARD_LOST:
        bw_site_on_guard_lost(&step);
        break;
    case BW_SITE_EVENT_GUARD_MESSAGE:
        bw_site_on_guard_message(&step, event->message);
        break;
    case BW_SITE_EVENT_MIRROR_READ:
        bw_site_on_mirror_read(&step, event);
        break;
    case BW_SITE_EVENT_OWN_FENCE_ENDED:
        bw_site_on_own_fence_ended(&step, event->epoch, event->ok);
        break;
    case BW_SITE_EVENT_OVERRIDE:
        bw_site_on_override(&step, event->wish);
        break;
    case BW_SITE_EVENT_OVERRIDE_END:
        bw_site_on_override_end(&step);
        break;
    case BW_SITE_EVENT_OVERRIDE_LATE:
        bw_site_on_override_late(&step);
        break;
    case BW_SITE_EVENT_LEADER_ANSWERED:
        bw_site_on_leader_answered(&step);
        break;
    case BW_SITE_EVENT_REMOTE_FENCE:
        bw_site_on_remote_fence(&step, event->ask);
        break;
    case BW_SITE_EVENT_PROVE:
        bw_site_on_prove(&step);
        break;
    case BW_SITE_EVENT_SECOND:
        bw_site_on_second(&step, event->second);
        break;
    case BW_SITE_EVENT_OTHER_SERVES:
        on_other_serves(&step, event->epoch);
        break;
    }
    bw_site_watch_deadline(&step);
    bw_site_watch_old_instance(&step);
    save_again(&step);
    watch_save(&step);
    bw_site_override_watch(&step);
    bw_site_watch_proof(&step);
    bw_site_advance(&step);
    bw_site_watch_service(&step);
    bw_site_watch_no_return(&step);
    bw_site_watch_second(&step);
    note_saving(&step);
    BW_ASSERT_NONE(bw_site_unsound(site));
}
