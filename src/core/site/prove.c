/* An operator asks for the proof of a site's reach (3.4): its service is started again under its epoch, and the stop
 * before that is a KILL. What was not started here by the scripts as they are now is stopped and started by them first. */
#include "internal.h"

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/base/words.h>

#define BUSY_NS (5 * BW_NS_PER_S) /* so long its guard may be about something else */

BW_WORDS(bw_proof_word, enum bw_proof_word, BW_PROOF_WORD_LIST, "none")

/* A start has to be ordered, run and seen before D - F. Half of what a new lease leaves before it: who has less is not
 * renewed, and would be fenced as it is. */
static bool is_leased_for_it(const struct bw_site *site, struct bw_instant now)
{
    const struct bw_lease *lease = &site->lease;
    const uint64_t needed_ns = (lease->ttl_ns - lease->fence_ns) / 2;

    return bw_lease_is_alive(lease, now) &&
           bw_instant_left_ns(now, bw_instant_sub(lease->end, lease->fence_ns)) >= needed_ns;
}

static bool is_to_run(const struct bw_site *site)
{
    return site->order.kind == BW_ORDER_RUN && site->order.epoch == site->memory.epoch && site->order.restart_allowed &&
           !site->over;
}

/* An adopted service, or one of other scripts, could not be seen inside; a start by these may show it there. */
static bool is_start_of_these(const struct bw_site *site)
{
    return site->guard.start_epoch == site->memory.epoch && site->guard.sight.seen == BW_REACH_OUTSIDE;
}

bool bw_site_proof_restarts(const struct bw_site *site)
{
    return site->guard.sight.seen != BW_REACH_INSIDE && !is_start_of_these(site) && !site->proof_restarted;
}

static enum bw_proof_word judge_guard(const struct bw_site *site)
{
    if (!bw_site_is_greeted(site) || !site->guard.reach_works)
        return BW_PROOF_WORD_GUARD;
    if (site->guard.reach == BW_REACH_REMOTE)
        return BW_PROOF_WORD_REMOTE;
    return site->guard.loop_delay_ms != 0 ? BW_PROOF_WORD_DRIVER : BW_PROOF_WORD_NONE;
}

static enum bw_proof_word judge(const struct bw_site *site, struct bw_instant now)
{
    const enum bw_proof_word of_guard = judge_guard(site);

    if (site->tenure != BW_TENURE_SERVING)
        return BW_PROOF_WORD_NOT_PRIMARY;
    if (of_guard != BW_PROOF_WORD_NONE)
        return of_guard;
    if (!is_to_run(site))
        return BW_PROOF_WORD_ORDER;
    if (!bw_site_does_its_work(site))
        return BW_PROOF_WORD_SERVICE;
    if (site->running != BW_ACTION_NONE)
        return BW_PROOF_WORD_BUSY;
    if (!is_leased_for_it(site, now))
        return BW_PROOF_WORD_LEASE;
    if (site->guard.sight.seen != BW_REACH_INSIDE && !bw_site_proof_restarts(site))
        return BW_PROOF_WORD_OUTSIDE;
    return BW_PROOF_WORD_NONE;
}

enum bw_proof_word bw_site_judge_proof(const struct bw_site *site, struct bw_instant now)
{
    if (site->proof_asked || site->stops_by_kill)
        return BW_PROOF_WORD_ASKED;
    return site->guard.sight.proved && site->tenure == BW_TENURE_SERVING ? BW_PROOF_WORD_PROVED : judge(site, now);
}

static void end_proof(struct bw_site *site, enum bw_proof_word word)
{
    site->proof_asked = false;
    site->stops_by_kill = false;
    site->proof_word = word;
}

/* The look that decides begins after this: what is killed serves just before. */
static void await_look(const struct step *step)
{
    step->site->proof_asked_at = step->now;
    step->site->observation[BW_ACTION_STATUS].has_result = false;
    bw_site_observe_soon(step, BW_ACTION_STATUS);
}

void bw_site_on_prove(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(bw_site_judge_proof(site, step->now) == BW_PROOF_WORD_NONE); /* judged where it was asked for */
    site->proof_asked = true;
    site->proof_restarted = false;
    site->proof_word = BW_PROOF_WORD_ASKED;
    await_look(step);
}

/* In each step: a fence, an order or a give-back takes its place. */
void bw_site_watch_proof(struct bw_site *site)
{
    const bool is_asked_of_it = site->tenure == BW_TENURE_SERVING ||
                                (site->tenure == BW_TENURE_STARTING && site->proof_restarted);

    if ((site->proof_asked && !is_asked_of_it) ||
        (site->stops_by_kill && site->tenure != BW_TENURE_STARTING && site->running != BW_ACTION_STOP))
        end_proof(site, BW_PROOF_WORD_CUT_OFF);
}

/* A look that began after it was asked for has ended. */
bool bw_site_is_proof_due(const struct step *step)
{
    const struct bw_site *site = step->site;
    const struct bw_observation *status = &site->observation[BW_ACTION_STATUS];

    return site->proof_asked && status->has_result && bw_instant_wait_is_over(status->at, site->proof_asked_at);
}

bool bw_site_begin_proof(const struct step *step)
{
    struct bw_site *site = step->site;
    const enum bw_proof_word why = judge(site, step->now);

    BW_ASSERT(site->tenure == BW_TENURE_SERVING);
    if (why != BW_PROOF_WORD_NONE) {
        end_proof(site, why);
        return false;
    }
    site->proof_asked = bw_site_proof_restarts(site);
    site->proof_restarted = site->proof_asked;
    await_look(step);
    site->stops_by_kill = !site->proof_asked;
    return true;
}

/* It could not keep the proof just then: its disk has the look of before. */
static bool is_asked_again(const struct step *step, const struct bw_guard_run_ended *ended)
{
    const struct bw_instant limit = bw_instant_add(step->site->proof_asked_at, BUSY_NS);

    return ended->result == BW_RUN_REFUSED && ended->refusal == BW_REFUSAL_BUSY &&
           !bw_instant_wait_is_over(step->now, limit);
}

/* Whatever has come of the KILL: a look of its own says whether there is something to start. */
void bw_site_proof_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;
    const bool was_killed = ended->result == BW_RUN_REFUSED && ended->refusal == BW_REFUSAL_NOT_STOPPED;

    if (is_asked_again(step, ended)) {
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    }
    end_proof(site, ended->result == BW_RUN_OK ? BW_PROOF_WORD_PROVED
                    : was_killed               ? BW_PROOF_WORD_SERVES_ON
                                               : BW_PROOF_WORD_NOT_KILLED);
    site->stops_first = false;
    site->service = BW_SERVICE_UNKNOWN;
    bw_site_observe_soon(step, BW_ACTION_STATUS);
}

/* A KILL that its guard goes on with ends there, and nobody is told. */
void bw_site_proof_lost(struct bw_site *site)
{
    if (site->stops_by_kill)
        site->stops_first = false;
    if (site->stops_by_kill || site->proof_asked)
        end_proof(site, BW_PROOF_WORD_CUT_OFF);
}
