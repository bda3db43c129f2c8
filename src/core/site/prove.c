/* An operator asks for the proof that what ends a service by time alone can end it (3.4): the service is started again under
 * its epoch, and the stop before that is a KILL of the reach, or of a service outside the fence of a second enforcer. What
 * was not started here by the scripts as they are now is stopped and started by them first. */
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

/* A service that was seen outside is ended as it is by a second enforcer: a start would show nothing else. */
bool bw_site_proof_restarts(const struct bw_site *site, struct bw_instant now)
{
    const enum bw_reach_seen seen = site->guard.sight.seen;

    if (site->guard.reach == BW_REACH_REMOTE || seen == BW_REACH_INSIDE || site->proof == BW_SITE_PROOF_RESTARTED)
        return false;
    return seen == BW_REACH_UNSEEN || (!is_start_of_these(site) && bw_site_second_to_prove(site, now) == NULL);
}

/* No KILL ends what is outside. */
bool bw_site_proves_second(const struct bw_site *site, struct bw_instant now)
{
    return site->guard.reach == BW_REACH_REMOTE ||
           (site->guard.sight.seen != BW_REACH_INSIDE && !bw_site_proof_restarts(site, now));
}

static enum bw_proof_word judge_guard(const struct bw_site *site)
{
    const bool is_remote = site->guard.reach == BW_REACH_REMOTE;

    if (!bw_site_is_greeted(site) || (!is_remote && !site->guard.reach_works))
        return BW_PROOF_WORD_GUARD;
    return site->guard.loop_delay_ms != 0 ? BW_PROOF_WORD_DRIVER : BW_PROOF_WORD_NONE;
}

static enum bw_proof_word judge_second(const struct bw_site *site, struct bw_instant now)
{
    if (bw_site_second_to_prove(site, now) != NULL)
        return BW_PROOF_WORD_NONE;
    return site->guard.reach == BW_REACH_REMOTE ? BW_PROOF_WORD_REMOTE : BW_PROOF_WORD_OUTSIDE;
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
    return bw_site_proves_second(site, now) ? judge_second(site, now) : BW_PROOF_WORD_NONE;
}

static bool is_proved(const struct bw_site *site, struct bw_instant now)
{
    const struct bw_site_second *second = bw_site_second_to_prove(site, now);

    if (bw_site_proves_second(site, now))
        return second != NULL && second->report.is_proved;
    return site->guard.sight.proved;
}

enum bw_proof_word bw_site_judge_proof(const struct bw_site *site, struct bw_instant now)
{
    if (site->proof != BW_SITE_PROOF_NONE)
        return BW_PROOF_WORD_ASKED;
    return site->tenure == BW_TENURE_SERVING && is_proved(site, now) ? BW_PROOF_WORD_PROVED : judge(site, now);
}

static void end_proof(struct bw_site *site, enum bw_proof_word word)
{
    site->proof = BW_SITE_PROOF_NONE;
    site->proof_word = word;
}

/* The look that decides begins after this: what is killed serves just before. */
static void await_look(const struct step *step)
{
    step->site->proof_asked_at = step->now;
    step->site->observation[BW_ACTION_STATUS].has_result = false;
    bw_site_observe_soon(step, BW_ACTION_STATUS);
}

/* That look has ended. */
static bool has_looked(const struct bw_site *site)
{
    const struct bw_observation *status = &site->observation[BW_ACTION_STATUS];

    return status->has_result && bw_instant_wait_is_over(status->at, site->proof_asked_at);
}

void bw_site_on_prove(const struct step *step)
{
    struct bw_site *site = step->site;

    BW_ASSERT(bw_site_judge_proof(site, step->now) == BW_PROOF_WORD_NONE); /* judged where it was asked for */
    site->proof = BW_SITE_PROOF_ASKED;
    site->proof_word = BW_PROOF_WORD_ASKED;
    await_look(step);
}

/* Whatever has come of it: a look of its own says whether there is something to start. */
static void go_on(const struct step *step, enum bw_proof_word word)
{
    end_proof(step->site, word);
    step->site->stops_first = false;
    step->site->service = BW_SERVICE_UNKNOWN;
    await_look(step);
}

/* A fence that has seen no end may have ended a part: what serves on serves, and what has stopped is started. Of the rest
 * nobody would ever say that it has stopped: its stop script ends it first. */
static void go_on_in_doubt(const struct step *step, enum bw_proof_word word)
{
    go_on(step, word);
    step->site->proof = BW_SITE_PROOF_DOUBTED;
}

static void decide_doubt(const struct step *step)
{
    struct bw_site *site = step->site;
    const bool is_starting = site->tenure == BW_TENURE_STARTING;

    if (is_starting && !has_looked(site))
        return;
    site->proof = BW_SITE_PROOF_NONE;
    site->stops_first = is_starting && site->start == BW_SITE_START_NONE && site->service == BW_SERVICE_UNKNOWN;
}

/* By which the second enforcer tells one proof from another. */
uint64_t bw_site_proof_number(const struct bw_site *site, struct bw_id session)
{
    const bool is_of_it = site->proof == BW_SITE_PROOF_FENCED && bw_id_equal(site->proof_second, session);

    return is_of_it ? site->proof_asked_at.boot_ns : 0;
}

/* It may be lost, or another one: the service waits no longer for its fence than that. */
static void await_second(const struct step *step)
{
    const struct bw_site *site = step->site;
    const struct bw_site_second *second = bw_site_second_of(site, site->proof_second);
    const struct bw_instant limit = bw_instant_add(
        site->proof_asked_at, bw_ms_to_ns(site->memory.terms.fence_ms) + BW_SECOND_PROOF_TAKES_NS);
    const bool is_over = second != NULL && second->report.proof_ended == bw_site_proof_number(site, second->session);

    if (is_over && second->report.is_proved)
        go_on(step, BW_PROOF_WORD_PROVED);
    else if (is_over)
        go_on_in_doubt(step, BW_PROOF_WORD_NOT_FENCED);
    else if (second == NULL || bw_instant_wait_is_over(step->now, limit))
        go_on_in_doubt(step, BW_PROOF_WORD_CUT_OFF);
    else
        bw_site_wake(step, limit);
}

/* In each step: a fence, an order or a give-back takes its place. */
void bw_site_watch_proof(const struct step *step)
{
    struct bw_site *site = step->site;
    bool goes_on = true;

    switch (site->proof) {
    case BW_SITE_PROOF_NONE:
        break;
    case BW_SITE_PROOF_ASKED:
        goes_on = site->tenure == BW_TENURE_SERVING;
        break;
    case BW_SITE_PROOF_RESTARTED:
        goes_on = site->tenure == BW_TENURE_SERVING || site->tenure == BW_TENURE_STARTING;
        break;
    case BW_SITE_PROOF_KILLED:
        goes_on = site->tenure == BW_TENURE_STARTING || site->running == BW_ACTION_STOP;
        break;
    case BW_SITE_PROOF_FENCED:
        goes_on = site->tenure == BW_TENURE_STARTING;
        break;
    case BW_SITE_PROOF_DOUBTED:
        decide_doubt(step);
        return;
    }
    if (!goes_on)
        end_proof(site, BW_PROOF_WORD_CUT_OFF);
    else if (site->proof == BW_SITE_PROOF_FENCED)
        await_second(step);
}

bool bw_site_is_proof_due(const struct step *step)
{
    const struct bw_site *site = step->site;

    return (site->proof == BW_SITE_PROOF_ASKED || site->proof == BW_SITE_PROOF_RESTARTED) && has_looked(site);
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
    await_look(step);
    if (bw_site_proves_second(site, step->now)) {
        site->proof = BW_SITE_PROOF_FENCED;
        site->proof_second = bw_site_second_to_prove(site, step->now)->session;
    } else {
        site->proof = bw_site_proof_restarts(site, step->now) ? BW_SITE_PROOF_RESTARTED : BW_SITE_PROOF_KILLED;
    }
    return true;
}

/* It could not keep the proof just then: its disk has the look of before. */
static bool is_asked_again(const struct step *step, const struct bw_guard_run_ended *ended)
{
    const struct bw_instant limit = bw_instant_add(step->site->proof_asked_at, BUSY_NS);

    return ended->result == BW_RUN_REFUSED && ended->refusal == BW_REFUSAL_BUSY &&
           !bw_instant_wait_is_over(step->now, limit);
}

void bw_site_proof_ended(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;
    const bool was_killed = ended->result == BW_RUN_REFUSED && ended->refusal == BW_REFUSAL_NOT_STOPPED;

    if (is_asked_again(step, ended)) {
        site->retry_at = bw_instant_add(step->now, BW_SITE_RETRY_NS);
        return;
    }
    go_on(step, ended->result == BW_RUN_OK ? BW_PROOF_WORD_PROVED
                : was_killed               ? BW_PROOF_WORD_SERVES_ON
                                           : BW_PROOF_WORD_NOT_KILLED);
}

/* A KILL that its guard goes on with ends there, and nobody is told; a fence that is under way is cut. */
void bw_site_proof_lost(struct bw_site *site)
{
    const enum bw_site_proof before = site->proof;

    if (before == BW_SITE_PROOF_NONE)
        return;
    if (before != BW_SITE_PROOF_DOUBTED)
        end_proof(site, BW_PROOF_WORD_CUT_OFF);
    if (before == BW_SITE_PROOF_ASKED || before == BW_SITE_PROOF_RESTARTED)
        return;
    site->stops_first = false;
    if (before == BW_SITE_PROOF_KILLED)
        return;
    site->proof = BW_SITE_PROOF_DOUBTED;
    site->observation[BW_ACTION_STATUS].has_result = false; /* a look beside the fence decides nothing */
}
