/* site_right.h - what must hold of each step of a site, by what was said and not by what it
 * remembers. For the walk over its states; include it after cmocka.h. */
#ifndef BW_TEST_SITE_RIGHT_H
#define BW_TEST_SITE_RIGHT_H

#include "../../src/core/site/internal.h"
#include "site_shell.h"

/* What was said of the newest epoch, kept beside the machine. */
struct seen {
    bool fence_begun; /* by the guard, or asked for by the agent: no agent renews it (3.4) */
    bool fence_ended; /* well, and nothing was seen to serve since, nor has the guard begun anew
                         (3.3, H12) */
    bool own_runs;
    bool own_is_clean; /* nothing was seen to serve since it was asked for */
    bool own_ended;
};
struct place {
    struct bw_site site;
    struct seen seen;
    uint64_t now_ms;
};

/* Where `now` is between the begin of a lease and its end. */
static inline int phase_of(struct bw_instant now, struct bw_instant end)
{
    const struct bw_instant window = bw_instant_sub(end, FENCE_MS * MS);

    if (end.boot_ns == 0)
        return 0;
    return bw_instant_wait_is_over(now, end) ? 3 : bw_instant_wait_is_over(now, window) ? 2 : 1;
}

static inline bool is_open(const struct bw_site *site)
{
    return site->memory.epoch != 0 && !site->memory.given_back;
}

/* An event says that epoch `epoch` has ended, in words that need no other (3.5). */
static inline bool says_ended(const struct bw_site_event *event, const struct bw_site *before)
{
    const struct bw_guard_message *message = event->message;
    const uint64_t epoch = before->memory.epoch;

    if (event->kind == BW_SITE_EVENT_GUARD_STATE)
        return event->state->ended_epoch >= epoch;
    if (event->kind != BW_SITE_EVENT_GUARD_MESSAGE)
        return false;
    if (message->kind == BW_GUARD_MESSAGE_LET_GO_DONE)
        return true;
    if (message->kind == BW_GUARD_MESSAGE_EPOCH_ENDED)
        return message->epoch == epoch;
    /* 3.7: outlived. Committed state says that it is over, and its guard runs nothing of it any
     * more. */
    if (message->kind == BW_GUARD_MESSAGE_END_REFUSED)
        return before->over && message->refused.why == BW_REFUSAL_OLD_EPOCH;
    return message->kind == BW_GUARD_MESSAGE_RUN_ENDED && before->over &&
           message->ended.refusal == BW_REFUSAL_OLD_EPOCH;
}

/* 3.8: a person waits to override, and no other lease can live. */
static inline bool is_wait_over(const struct bw_site *before, uint64_t now_ms)
{
    return before->memory.override == BW_OVERRIDE_WAITING &&
           bw_instant_wait_is_over(
               at_ms(now_ms),
               bw_instant_add(before->override_since, before->memory.override_wait_ms * MS));
}

/* 3.5, 3.4 H9, 3.9: given back is what was said to have ended, what a fence has seen end once D has
 * passed, and what was granted to a running service, or to a site that is to override, and never
 * armed. */
static inline void assert_given_back_in_right(const struct bw_site *before, const struct place *to,
                                              const struct bw_site_event *event)
{
    const bool was_armed = before->arm_sent_end.boot_ns != 0;
    const bool is_over = to->seen.fence_ended || to->seen.own_ended;

    if (!is_open(before) || to->site.memory.epoch != before->memory.epoch ||
        !to->site.memory.given_back)
        return;
    if (before->fence_failed && before->fence_failed_epoch == before->memory.epoch &&
        event->kind == BW_SITE_EVENT_GUARD_MESSAGE)
        assert_int_not_equal(event->message->kind, BW_GUARD_MESSAGE_EPOCH_ENDED); /* 3.3 */
    if (says_ended(event, before))
        return;
    if (!was_armed &&
        ((before->memory.adopt && !before->memory.enforced) ||
         bw_site_overrides(before))) /* 3.8: whatever was granted, that is what it serves by */
        return;
    if (!was_armed && is_wait_over(before, to->now_ms) && bw_site_is_greeted(before) &&
        !before->memory.start_begun && before->guard.start_epoch != before->memory.epoch)
        return;
    assert_true(is_over);
    assert_true(bw_instant_wait_is_over(at_ms(to->now_ms), before->arm_sent_end));
}

/* I2, 3.5, 3.9: what only grows. */
static inline void assert_only_grows(const struct bw_site_memory *before,
                                     const struct bw_site_memory *after)
{
    assert_true(after->epoch >= before->epoch);
    assert_true(after->let_go_index >= before->let_go_index);
    assert_true(after->order_index >= before->order_index);
    assert_true(after->epoch > before->epoch || !before->given_back || after->given_back);
    assert_true(after->epoch > before->epoch || !before->start_begun || after->start_begun);
}

static inline bool is_same_memory_here(const struct bw_site_memory *a,
                                       const struct bw_site_memory *b)
{
    return a->epoch == b->epoch && a->given_back == b->given_back && a->reason == b->reason &&
           a->past_no_return == b->past_no_return && a->start_begun == b->start_begun &&
           a->enforced == b->enforced && a->order_index == b->order_index &&
           a->let_go_index == b->let_go_index && a->rejoined_epoch == b->rejoined_epoch &&
           a->adopt == b->adopt && a->served_epoch == b->served_epoch &&
           a->fenced_index == b->fenced_index && a->override == b->override &&
           a->override_wait_ms == b->override_wait_ms && a->override_wrote == b->override_wrote &&
           a->override_serial == b->override_serial && a->override_end.boot_ns == b->override_end.boot_ns;
}

/* 3.4: durable is what the disk has answered for: the newest save, and well. */
static inline void assert_kept_in_right(const struct bw_site *before, const struct bw_site *after,
                                        const struct bw_site_event *event)
{
    if (!is_same_memory_here(&before->kept, &after->kept))
        assert_true(event->kind == BW_SITE_EVENT_SAVED && event->ok &&
                    event->number == before->save_number);
}

/* 3.5: a stop or a fence that has not ended well has ended nothing, unless nothing was ever begun.
 */
static inline void assert_ends_in_right(const struct bw_site *before, const struct bw_site *after,
                                        const struct bw_site_event *event)
{
    const bool may_be_untouched = before->stop != BW_SITE_STOP_OWED &&
                                  (before->ending_reason == BW_REASON_REBOOT ||
                                   (!before->memory.start_begun && !before->memory.adopt));

    if (event->kind != BW_SITE_EVENT_GUARD_MESSAGE ||
        event->message->kind != BW_GUARD_MESSAGE_RUN_ENDED || before->tenure == BW_TENURE_ENDING ||
        event->message->ended.result == BW_RUN_OK || may_be_untouched)
        return;
    assert_int_not_equal(after->tenure, BW_TENURE_ENDING);
}

/* 3.8: it overrides once that is durable, and one longest lease after it was asked for; it ends
 * with a lease of its own, a fence that has seen the end, or a let-go. Its end never moves. */
static inline void assert_overrides_in_right(const struct bw_site *before,
                                             const struct bw_site *after,
                                             const struct bw_site_event *event, uint64_t now_ms)
{
    const bool is_fenced = event->kind == BW_SITE_EVENT_OWN_FENCE_ENDED ||
                           (event->kind == BW_SITE_EVENT_GUARD_MESSAGE &&
                            ((event->message->kind == BW_GUARD_MESSAGE_RUN_ENDED &&
                              event->message->ended.action == BW_ACTION_FENCE &&
                              event->message->ended.result == BW_RUN_OK) ||
                             (event->message->kind == BW_GUARD_MESSAGE_FENCE_ENDED && event->message->fence.ok)));
    const bool is_let_go = event->kind == BW_SITE_EVENT_GUARD_MESSAGE &&
                           event->message->kind == BW_GUARD_MESSAGE_LET_GO_DONE;
    const bool is_ended = event->kind == BW_SITE_EVENT_GUARD_STATE && is_open(before) &&
                          event->state->ended_epoch >= before->memory.epoch;

    if (before->memory.override != BW_OVERRIDE_NONE && after->memory.override != BW_OVERRIDE_NONE) {
        assert_int_equal(after->memory.override_serial, before->memory.override_serial);
        assert_memory_equal(&after->memory.override_end, &before->memory.override_end,
                            sizeof after->memory.override_end);
    }
    if (after->memory.override == BW_OVERRIDE_OVERRIDING && before->memory.override == BW_OVERRIDE_WAITING)
        assert_true(bw_instant_wait_is_over(
            at_ms(now_ms),
            bw_instant_add(before->override_since, before->memory.override_wait_ms * MS)));
    if (bw_site_overrides(before) && !bw_site_overrides(after))
        assert_true(is_let_go || is_ended ||
                    (is_fenced && before->memory.override >= BW_OVERRIDE_OVERRIDING) ||
                    after->lease.end.boot_ns != 0 || after->fence != BW_SITE_FENCE_NONE);
}

/* 3.9: what an order of committed state makes of a site at once; 4: what bounds it. */
static inline void assert_obeys(const struct bw_site *after, const struct bw_site_event *event)
{
    assert_true(after->restarts_used <= after->limits.local_restarts);
    if (event->kind == BW_SITE_EVENT_ORDER && event->order->kind == BW_ORDER_STAND_BY &&
        after->order.index == event->order->index && event->order->index != 0 &&
        event->order->others_epoch)
        assert_true(after->memory.enforced);
}

/* 3.2.3, 3.4: the lease is what the guard has acknowledged. */
static inline void assert_lease_in_right(const struct bw_site *before, const struct bw_site *after,
                                         const struct bw_site_event *event)
{
    const bool is_reported = (event->kind == BW_SITE_EVENT_GUARD_STATE &&
                              !event->state->arm_pending) ||
                             (event->kind == BW_SITE_EVENT_GUARD_MESSAGE &&
                              event->message->kind == BW_GUARD_MESSAGE_ARMED);

    if (bw_instant_is_later(after->lease.end, before->lease.end))
        assert_true(is_reported);
    if (after->tenure == BW_TENURE_SERVING)
        assert_true(after->lease.end.boot_ns != 0);
}

/* What is sent to the guard: only where it is there, and only what rests on what is durable (3.4).
 */
static inline void assert_sent_in_right(const struct place *to,
                                        const struct bw_guard_message *message)
{
    const struct bw_site *site = &to->site;
    const struct bw_instant now = at_ms(to->now_ms);

    assert_true(bw_site_is_greeted(site));
    switch (message->kind) {
    case BW_GUARD_MESSAGE_ARM:
        if (message->arm.serial != 0) { /* 3.8: what is durable, and after its own epoch */
            assert_int_equal(site->kept.override, BW_OVERRIDE_OVERRIDING);
            assert_int_equal(message->arm.serial, site->kept.override_serial);
            assert_memory_equal(&message->arm.end, &site->kept.override_end, sizeof message->arm.end);
            assert_false(is_open(site));
            return;
        }
        assert_int_equal(message->epoch, site->memory.epoch);
        assert_int_equal(message->epoch, site->kept.epoch);
        assert_false(to->seen.fence_begun);
        assert_false(bw_instant_is_beyond(message->arm.end, site->arm_sent_end)); /* H9 */
        assert_int_equal(message->arm.end.boot_ns - message->arm.begin.boot_ns, TTL_MS * MS);
        return;
    case BW_GUARD_MESSAGE_RUN:
        if (message->run.action != BW_ACTION_START)
            return;
        if (bw_site_overrides(
                site)) { /* 3.8: durable, the guard told, its own epoch over, nobody answers */
            assert_int_equal(site->kept.override, BW_OVERRIDE_OVERRIDING);
            assert_true(site->kept.override_wrote && site->guard.armed_serial == site->kept.override_serial);
            assert_false(is_open(site));
            assert_false(bw_instant_elapsed_ns(now, site->leader_answered) <
                         bw_site_leader_fresh_ns(site));
            return;
        }
        assert_int_equal(message->epoch, site->memory.epoch); /* never unarmed, nor in its window */
        assert_int_equal(phase_of(now, site->lease.end), 1);
        assert_true(site->kept.start_begun);
        assert_false(to->seen.fence_begun);
        return;
    case BW_GUARD_MESSAGE_END: /* 3.5: of what was seen to end, or what was given back without it */
        assert_true(site->tenure == BW_TENURE_ENDING || site->memory.given_back);
        return;
    default:
        assert_int_equal(message->kind, BW_GUARD_MESSAGE_LET_GO);
    }
}

/* 3.4, H6: a quarter into the window at the latest the agent fences by itself, whatever its guard
 * is at, where the end was not read. */
static inline void assert_fences_in_time(const struct place *to)
{
    const struct bw_site *site = &to->site;
    const uint64_t fence_ns = FENCE_MS * MS;
    const struct bw_instant window = bw_instant_sub(site->arm_sent_end, fence_ns);
    const struct bw_instant due = bw_instant_add(window, fence_ns / 4);
    const struct bw_instant now = at_ms(to->now_ms);

    if (!is_open(site) || site->tenure == BW_TENURE_ACCEPTING || site->arm_sent_end.boot_ns == 0 ||
        to->seen.fence_ended || to->seen.own_ended || !bw_instant_right_is_over(now, due) ||
        !bw_instant_wait_is_over(now, site->own_fence_again_at))
        return;
    assert_true(to->seen.own_runs);
}

/* What leaves for the witnesses right after (3.2, 3.4, 3.5). */
static inline void assert_seen_in_right(const struct place *to)
{
    const struct bw_site *site = &to->site;
    struct bw_sync_group group;

    bw_site_sync_get(site, at_ms(to->now_ms), &group);
    if (group.renew_epoch != 0) {
        assert_int_equal(group.renew_epoch, site->kept.epoch);
        assert_false(site->kept.given_back || site->over || to->seen.fence_begun);
        assert_true(bw_site_is_greeted(site) && bw_id_equal(site->memory.boot_id, this_boot));
    }
    if (group.released.epoch != 0)
        assert_true(site->kept.given_back && site->kept.epoch == group.released.epoch);
    assert_int_equal(group.report.let_go_index, site->kept.let_go_index);
    assert_int_equal(group.report.enforced, site->kept.enforced);
    if (bw_site_overrides(site)) /* 3.8: as long as it may serve without a lease */
        assert_in_range(group.report.override, BW_OVERRIDE_OVERRIDING, BW_OVERRIDE_ENDING);
    if (group.report.armed_epoch != 0)
        assert_true(bw_lease_is_alive(&site->lease, at_ms(to->now_ms)));
}

#endif
