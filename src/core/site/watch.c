/* Looks of a site at its service, and its report of itself: what is looked at when, and what that counts for;
 * syncs and reports; whether it can show that it serves. lint: a machine. */
#include "internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/limits.h>

static void site_note_health(struct bw_site *site, struct bw_instant at);
static enum bw_unhealthy site_health(const struct bw_site *site);

/* While a switchover waits for this site, and while a start's status is awaited, observations run
 * back to back, this far apart. */
#define BACK_TO_BACK_NS (100 * BW_NS_PER_MS)

/* ---- where it would be started (3.4) --------------------------------------------------------- */

/* The epoch ends as its reach is committed, which was seen of certain scripts. Others are started once
 * that is committed of them: a site that waits for it says `outside`, until they show what they do. */
bool bw_site_awaits_reach(const struct bw_site *site)
{
    return site->tenure == BW_TENURE_STARTING && site->start != BW_SITE_START_RAN &&
           site->service == BW_SERVICE_STOPPED && site->order.kind == BW_ORDER_RUN &&
           site->order.epoch == site->memory.epoch &&
           site->order.reach_digest != site->guard.sight.digest;
}

static struct bw_reach_sight site_sight(const struct bw_site *site)
{
    struct bw_reach_sight sight = site->guard.sight;

    if (bw_site_awaits_reach(site))
        sight = (struct bw_reach_sight){.seen = BW_REACH_OUTSIDE,
                                        .epoch = site->memory.epoch,
                                        .digest = site->guard.sight.digest};
    return sight;
}

/* What people are told of the place of a service, in bits of enum bw_alarm. */
static uint32_t site_reach_alarms(const struct bw_site *site)
{
    const bool serves = site->tenure == BW_TENURE_SERVING && site->service == BW_SERVICE_STARTED;

    if (site->guard.reach == BW_REACH_REMOTE)
        return 0;
    switch (site->guard.sight.seen) {
    case BW_REACH_OUTSIDE:
        return bw_site_epoch_is_open(site) || site->service == BW_SERVICE_STARTED
                   ? UINT32_C(1) << BW_ALARM_OUTSIDE_REACH
                   : 0;
    case BW_REACH_UNSEEN:
        return serves ? UINT32_C(1) << BW_ALARM_REACH_UNSEEN : 0;
    case BW_REACH_INSIDE:
        break;
    }
    return 0;
}

/* ---- what scripts print (5.1) -------------------------------------------------------------- */

static enum bw_service service_of(const struct bw_guard_run_ended *ended)
{
    return ended->result == BW_RUN_OK ? bw_service_of_line(ended->line) : BW_SERVICE_UNKNOWN;
}

/* Finds `key=` at the start of a line; NULL when there is none. */
static const char *find_value(const char *text, const char *key)
{
    const size_t length = strlen(key);

    while (*text != '\0') {
        const char *end = text;

        if (strncmp(text, key, length) == 0 && text[length] == '=')
            return text + length + 1;
        while (*end != '\0' && *end != '\n')
            end++;
        text = *end == '\n' ? end + 1 : end;
    }
    return NULL;
}

/* Seconds with up to three decimals that count, as milliseconds, rounded up: a lag is never made
 * smaller. False on anything else. */
static bool parse_seconds(const char *text, uint64_t *out_ms)
{
    uint64_t ms = 0;
    uint64_t unit = 100;
    bool rest = false;
    int digits = 0;

    for (; *text >= '0' && *text <= '9' && digits < 12; text++, digits++)
        ms = ms * 10 + (uint64_t)(*text - '0');
    if (digits == 0)
        return false;
    ms *= 1000;
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++) {
            if (unit == 0)
                rest = rest || *text != '0';
            else
                ms += unit * (uint64_t)(*text - '0');
            unit /= 10;
        }
    if (*text != '\0' && *text != '\n' && *text != '\r' && *text != ' ')
        return false;
    *out_ms = ms + (rest ? 1 : 0);
    return true;
}

static void read_position(struct bw_site *site, const char *text)
{
    size_t length = 0;

    site->position[0] = '\0';
    if (text == NULL)
        return;
    /* Bytes beyond ASCII belong to it, whether or not a char has a sign. */
    while ((unsigned char)text[length] > ' ' && length < BW_POSITION_MAX)
        length++;
    if ((unsigned char)text[length] > ' ')
        return; /* longer than a position may be: none is better than half of one */
    memcpy(site->position, text, length);
    site->position[length] = '\0';
}

/* 3.6: a script that gives positions and prints none knows of none: a planned move does not go on without. Only of
 * other scripts than those by which one was given, which their guard has read, is it believed that they give none: by a
 * run that has ended well, of a site that serves or stands by. What is ended has to say what the last one was. */
static void note_gives_position(struct bw_site *site, enum bw_run_result result)
{
    const bool is_settled = site->tenure == BW_TENURE_NONE || site->tenure == BW_TENURE_SERVING;

    if (site->position[0] != '\0') {
        site->gives_position = true;
        site->position_digest = site->guard.sight.digest;
    } else if (result == BW_RUN_OK && is_settled && site->guard.sight.digest != site->position_digest) {
        site->gives_position = false;
    }
}

static void read_readiness(struct bw_site *site, const struct bw_guard_run_ended *ended)
{
    const char *lag = find_value(ended->tail, "lag_seconds");

    site->ready = ended->result == BW_RUN_OK;
    site->has_lag = lag != NULL && parse_seconds(lag, &site->lag_ms);
    read_position(site, find_value(ended->tail, "position"));
    note_gives_position(site, ended->result);
}

/* ---- counting ------------------------------------------------------------------------------ */

/* What runs under a deadline that another instance of this site has armed is no rogue: this one may
 * not end it (3.4), and the guard will. */
static bool is_under_anothers_deadline(const struct bw_site *site, struct bw_instant now)
{
    return bw_site_is_greeted(site) && site->guard.armed_epoch != 0 &&
           !bw_id_equal(site->guard.armed_instance, site->instance) &&
           !bw_instant_right_is_over(now, site->guard.armed_end);
}

/* 3.8: nothing of ours can run here. Standing by, or with an epoch of which no start has begun, which
 * adopts nothing, and which its guard was never asked to arm: whoever waits for the first confirmation
 * of one may wait for ever, beside another site that holds the next. */
static bool has_no_service(const struct bw_site *site)
{
    const bool is_new = site->tenure == BW_TENURE_ACCEPTING || site->tenure == BW_TENURE_WAITING;

    return site->tenure == BW_TENURE_NONE ||
           (is_new && !site->memory.start_begun && !site->memory.adopt &&
            site->arm_sent_end.boot_ns == 0);
}

/* `seen`: the instant from which on it was seen. */
static void count_service(const struct step *step, struct bw_instant seen)
{
    struct bw_site *site = step->site;
    const enum bw_service service = site->service;

    site->unknown_in_a_row = service == BW_SERVICE_UNKNOWN ? site->unknown_in_a_row + 1 : 0;
    bw_site_alarm(site, BW_ALARM_STATUS_UNKNOWN,
                  site->unknown_in_a_row >= site->limits.failure_threshold);
    if (site->tenure == BW_TENURE_SERVING || bw_site_overrides(site)) {
        if (service == BW_SERVICE_STOPPED)
            site->stopped_in_a_row++;
        else if (service == BW_SERVICE_STARTED)
            site->stopped_in_a_row = 0; /* unknown is no observation: it neither counts nor clears */
        site->started_in_a_row = bw_site_does_its_work(site) ? site->started_in_a_row + 1 : 0;
        if (site->started_in_a_row >= BW_SITE_RESTARTS_FORGOTTEN_AFTER)
            site->restarts_used = 0;
    }
    /* `started` after the lease is a fact that the witnesses must know (3.3). */
    if (service == BW_SERVICE_STARTED && bw_site_epoch_is_open(site) && !site->over &&
        site->arm_sent_end.boot_ns != 0 &&
        bw_instant_wait_is_over(seen, site->arm_sent_end) && !site->fence_failed) {
        site->fence_failed = true;
        site->fence_failed_epoch = site->memory.epoch;
        bw_site_alarm(site, BW_ALARM_FENCE_FAILED, true);
        (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S35");
    }
    if (has_no_service(site) && site->memory.enforced && !bw_site_overrides(site) &&
        service != BW_SERVICE_STOPPED && !is_under_anothers_deadline(site, step->now))
        site->rogue_in_a_row++;
    else
        site->rogue_in_a_row = 0;
    site->rogue_serves = service == BW_SERVICE_STARTED || (site->rogue_in_a_row > 1 && site->rogue_serves);
}

/* 3.1: what was started by hand long after its epoch is not what served under it. */
static void note_seen(struct bw_site *site, struct bw_instant at)
{
    const bool is_of_epoch = site->tenure == BW_TENURE_SERVING ||
                             (site->seen_goes_on && site->seen_epoch == site->memory.epoch);

    if (site->service == BW_SERVICE_STOPPED)
        site->seen_goes_on = false;
    if (site->service != BW_SERVICE_STARTED || !is_of_epoch)
        return;
    BW_ASSERT(site->memory.epoch >= site->seen_epoch); /* I2 */
    site->seen_epoch = site->memory.epoch;
    site->seen_at = at;
    site->seen_goes_on = true;
}

/* It serves again: a fence has to end it once more before a held epoch ends (3.3). */
static void forget_answered(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->memory.fenced_index == 0 || bw_site_held_index(site) == 0)
        return;
    site->memory.fenced_index = 0;
    bw_site_save(step, "S62");
}

/* What ended the service has changed where it stands, and what was measured before, or is being
 * measured, does not tell it: readiness runs once more (3.2.4, 3.6). Where no stop has ended well only a
 * planned move waits for that: nobody else is served by the wait. */
void bw_site_begin_ending(const struct step *step)
{
    struct bw_site *site = step->site;
    const bool is_move = site->order.kind == BW_ORDER_STOP && !site->order.closed &&
                         site->order.epoch == site->memory.epoch;
    const bool is_wanted = site->stop == BW_SITE_STOP_SEEN || is_move;

    BW_ASSERT(bw_site_epoch_is_open(site)); /* 3.5: what is not open has nothing to give back */
    bw_site_tenure_move(site, BW_TENURE_EVENT_ENDED);
    bw_site_stop_move(site, BW_SITE_STOP_EVENT_SEEN);
    site->stopped_since = step->now;
    bw_site_final_move(site, is_wanted && bw_site_has_script(site, BW_ACTION_READINESS)
                                    ? BW_SITE_FINAL_EVENT_AWAITED
                                    : BW_SITE_FINAL_EVENT_ENDED);
}

/* Of a run that began after the end of the service, and ended by itself: what somebody cut off may have
 * printed half of a number. More of them may run until the epoch is given back; one that says nothing takes nothing back. */
static void note_final_position(struct bw_site *site, const struct bw_observation *observation,
                                enum bw_run_result result)
{
    const bool ended_by_itself = result == BW_RUN_OK || result == BW_RUN_FAILED;
    const bool is_first = site->final == BW_SITE_FINAL_DUE;

    if (site->tenure != BW_TENURE_ENDING || site->final == BW_SITE_FINAL_NONE ||
        !bw_instant_wait_is_over(observation->at, site->stopped_since))
        return;
    if (is_first)
        bw_site_final_move(site, ended_by_itself ? BW_SITE_FINAL_EVENT_MEASURED : BW_SITE_FINAL_EVENT_MISSED);
    if (ended_by_itself && (is_first || site->position[0] != '\0'))
        memcpy(site->final_position, site->position, sizeof site->final_position);
}

/* Nothing will tell it: its readiness script is gone, here or from what its guard has read. Nobody waits for that. */
void bw_site_forgo_final_position(struct bw_site *site)
{
    if (site->tenure == BW_TENURE_ENDING && site->final == BW_SITE_FINAL_DUE)
        bw_site_final_move(site, BW_SITE_FINAL_EVENT_MISSED);
}

/* 5.4: its configuration is another now. What nobody runs is asked for no more, until it greets anew. */
static void note_lacking(struct bw_site *site, enum bw_action_kind look)
{
    site->guard.has_script[look] = false;
    if (look == BW_ACTION_READINESS)
        bw_site_forgo_final_position(site);
}

/* What a fence was seen to end serves again, or may (3.3): the epoch is given back on no older word than
 * that, and a fence that runs may have looked before it. */
void bw_site_doubt_end(struct bw_site *site, enum bw_site_own_end_event why)
{
    bw_site_fence_move(site, BW_SITE_FENCE_EVENT_DOUBTED);
    bw_site_own_end_move(site, why);
    bw_site_own_fence_move(site, BW_SITE_OWN_FENCE_EVENT_DOUBTED);
}

/* 3.9: of what was let go no fence will see the end any more. What its manager begins again is
 * stopped for a moment: so a failed fence counts until status has said the same twice since the
 * let-go, the second time by a look that began at least check_interval after it. */
static void forget_fence_of_let_go(const struct step *step, enum bw_service before,
                                   struct bw_instant seen)
{
    struct bw_site *site = step->site;

    if (!site->fence_failed || site->memory.enforced || bw_site_epoch_is_open(site) ||
        !bw_instant_wait_is_over(seen, site->fence_again_at) ||
        site->service == BW_SERVICE_UNKNOWN || site->service != before)
        return;
    site->fence_failed = false;
    bw_site_alarm(site, BW_ALARM_FENCE_FAILED, false);
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S64");
}

void bw_site_on_observed(const struct step *step, const struct bw_guard_run_ended *ended)
{
    struct bw_site *site = step->site;
    struct bw_observation *observation = &site->observation[ended->action];

    BW_ASSERT(ended->action < BW_ACTION_COUNT && !bw_action_is_action(ended->action));
    if (!observation->running || ended->run_id != observation->run_id)
        return; /* of an earlier session, or the guard's own */
    observation->running = false;
    if (ended->result == BW_RUN_REFUSED || ended->result == BW_RUN_KILLED ||
        ended->result == BW_RUN_INTERRUPTED) { /* no observation was made */
        if (ended->refusal == BW_REFUSAL_NO_SCRIPT)
            note_lacking(site, ended->action);
        observation->due = bw_instant_add(step->now, BACK_TO_BACK_NS);
        return;
    }
    observation->has_result = true;
    observation->at = observation->begun;
    switch (ended->action) {
    case BW_ACTION_STATUS: {
        const enum bw_service before = site->service;

        site->service = service_of(ended);
        site->runs_sick = ended->result == BW_RUN_OK && bw_line_is_unhealthy(ended->line);
        site->guard.sight = ended->sight;
        if (site->service == BW_SERVICE_STARTED) { /* it has not stayed so (3.3) */
            site->guard.stop_seen = false;
            bw_site_doubt_end(site, BW_SITE_OWN_END_EVENT_SERVES);
            site->guard.served = BW_SERVED_MAYBE;
            forget_answered(step);
        }
        note_seen(site, observation->at);
        count_service(step, observation->at);
        site_note_health(site, observation->at);
        forget_fence_of_let_go(step, before, observation->at);
        if (site->service != before || site->observed_spec_version != observation->spec_version)
            (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S36");
        site->observed_spec_version = observation->spec_version;
        break;
    }
    case BW_ACTION_READINESS:
        read_readiness(site, ended);
        site->ready_order_index = observation->order_index;
        if (bw_site_is_next(site))
            (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S37");
        note_final_position(site, observation, ended->result);
        break;
    case BW_ACTION_CONDITION:
        if (!site->limits.has_script[BW_ACTION_CONDITION])
            break; /* it was taken away meanwhile */
        site->condition = BW_CONDITION_FAILED;
        if (ended->result == BW_RUN_OK && bw_line_is_word(ended->line, "start"))
            site->condition = BW_CONDITION_START;
        else if (ended->result == BW_RUN_OK && bw_line_is_word(ended->line, "stop"))
            site->condition = BW_CONDITION_STOP;
        bw_site_alarm(site, BW_ALARM_CONDITION_FAILED,
                      site->condition == BW_CONDITION_FAILED);
        break;
    case BW_ACTION_VERIFY:
        site->verified = ended->result == BW_RUN_OK;
        break;
    case BW_ACTION_NONE:
    case BW_ACTION_START:
    case BW_ACTION_STOP:
    case BW_ACTION_FENCE:
    case BW_ACTION_REJOIN:
    case BW_ACTION_REMOTE_FENCE:
    case BW_ACTION_COUNT:
        break;
    }
}

/* ---- when to look -------------------------------------------------------------------------- */

void bw_site_observe_soon(const struct step *step, enum bw_action_kind observation)
{
    BW_ASSERT(observation < BW_ACTION_COUNT && !bw_action_is_action(observation));
    step->site->observation[observation].due = step->now;
}

/* 3.6: the target of a move, once the epoch before is over. A readiness before that has not known the final position: it
 * would have to run again, and stand in the way of the one that counts. */
bool bw_site_is_next(const struct bw_site *site)
{
    return site->order.prepare && !site->order.newest_is_open;
}

/* The guard that is asked for an end looks itself, and one look runs at a time (3.4): ours would be one before that. */
void bw_site_look_later(const struct step *step)
{
    const struct bw_instant at = bw_instant_add(step->now, BACK_TO_BACK_NS);

    for (int i = 0; i < BW_ACTION_COUNT; i++)
        step->site->observation[i].due = bw_instant_max(step->site->observation[i].due, at);
}

void bw_site_forget_observations(struct bw_site *site)
{
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        site->observation[i].running = false;
}

/* Which observations this tenure wants, and how often; 0: not at all. */
static uint64_t interval_ns(const struct bw_site *site, enum bw_action_kind kind)
{
    const bool awaits_start = site->tenure == BW_TENURE_STARTING ||
                              site->override_start == BW_SITE_OVERRIDE_START_RAN ||
                              (site->tenure == BW_TENURE_STOPPING &&
                               site->ending_reason == BW_REASON_REBOOT);

    switch (kind) {
    case BW_ACTION_STATUS:
        if (awaits_start && BACK_TO_BACK_NS < site->limits.check_interval_ns)
            return BACK_TO_BACK_NS;
        return site->limits.check_interval_ns;
    case BW_ACTION_READINESS:
        if (bw_site_is_next(site) || site->final == BW_SITE_FINAL_DUE)
            return BACK_TO_BACK_NS;
        return site->limits.check_interval_ns;
    case BW_ACTION_CONDITION:
        return site->limits.check_interval_ns;
    case BW_ACTION_VERIFY:
        if (site->verified || site->service != BW_SERVICE_STARTED)
            return 0;
        if (site->tenure == BW_TENURE_SERVING) /* adopted: nobody rejoins behind it before (4) */
            return site->limits.check_interval_ns;
        return site->tenure == BW_TENURE_STARTING && site->start == BW_SITE_START_RAN
                   ? BACK_TO_BACK_NS
                   : 0;
    case BW_ACTION_NONE:
    case BW_ACTION_START:
    case BW_ACTION_STOP:
    case BW_ACTION_FENCE:
    case BW_ACTION_REJOIN:
    case BW_ACTION_REMOTE_FENCE:
    case BW_ACTION_COUNT:
        break;
    }
    return 0;
}

static bool any_observation_runs(const struct bw_site *site)
{
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        if (site->observation[i].running)
            return true;
    return false;
}

static uint64_t answered_within_ns(const struct bw_site *site, enum bw_action_kind kind)
{
    return site->limits.timeout_ns[kind] + site->limits.kill_grace_ns + BW_LOOK_ANSWER_NS;
}

/* 3.4: a site that holds nothing arms nothing, so that its guard would be taken for alive as long as its
 * socket is there, and its last look for what is so now. For who judges the site alone: an epoch that is
 * armed is renewed by what its guard answers to arms. */
static bool site_look_is_overdue(const struct bw_site *site, struct bw_instant now)
{
    for (int i = 0; i < BW_ACTION_COUNT; i++)
        if (site->observation[i].running &&
            bw_instant_wait_is_over(now, site->observation[i].overdue_at))
            return true;
    return false;
}

static void begin_observation(const struct step *step, enum bw_action_kind kind)
{
    struct bw_site *site = step->site;
    struct bw_observation *observation = &site->observation[kind];

    BW_ASSERT(!any_observation_runs(site)); /* 3.4: one at a time */
    BW_ASSERT(site->running == BW_ACTION_NONE); /* beside an action it says nothing */
    observation->spec_version = site->spec_version;
    observation->order_index = site->order.index;
    observation->begun = step->now;
    observation->overdue_at = bw_instant_add(step->now, answered_within_ns(site, kind));
    observation->due = bw_instant_add(step->now, interval_ns(site, kind));
    bw_site_run(step, kind, bw_site_epoch_seen(site), "S38");
}

static bool may_fence(const struct step *step)
{
    const struct bw_site *site = step->site;

    return has_no_service(site) && !bw_site_overrides(site) && bw_site_is_greeted(site) &&
           site->running == BW_ACTION_NONE && bw_instant_wait_is_over(step->now, site->retry_at);
}

/* 3.8: an enforced site without a lease that serves, or does not know, twice in a row, is fenced. Nobody started
 * anything where no look said so: the alarm of an unknown status is another one. */
static void fence_rogue(const struct step *step)
{
    struct bw_site *site = step->site;

    if (site->rogue_in_a_row < 2 || !may_fence(step))
        return;
    site->rogue_in_a_row = 0;
    if (site->rogue_serves) {
        bw_site_alarm(site, BW_ALARM_ROGUE_START, true);
        site->rogue_starts++;
    }
    bw_site_run(step, BW_ACTION_FENCE, bw_site_epoch_seen(site), "S39");
    (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S40");
}

/* 3.3: a guard repeats the fence that failed until one sees the end. One that began anew meanwhile does not,
 * and the site would be no candidate for ever. */
static void repeat_failed_fence(const struct step *step)
{
    struct bw_site *site = step->site;

    if (!site->fence_failed || site->service != BW_SERVICE_STOPPED || !site->memory.enforced ||
        !bw_instant_wait_is_over(step->now, site->fence_again_at) || !may_fence(step))
        return;
    site->fence_again_at = bw_instant_add(step->now, site->limits.check_interval_ns);
    bw_site_run(step, BW_ACTION_FENCE, bw_site_epoch_seen(site), "S63");
}

/* A switchover waits for a readiness of this order, or of the service that has just ended: status
 * waits for it. Only for the first one, so that a slow script does not keep status away. */
static bool is_readiness_awaited(const struct bw_site *site)
{
    return site->final == BW_SITE_FINAL_DUE ||
           (bw_site_is_next(site) && site->ready_order_index != site->order.index);
}

/* One observation at a time, the longest due first. During an action of ours the service is in
 * between: what status would say then is nobody's business. */
void bw_site_watch_service(const struct step *step)
{
    static const enum bw_action_kind kinds[] = {BW_ACTION_STATUS, BW_ACTION_VERIFY,
                                                BW_ACTION_READINESS, BW_ACTION_CONDITION};
    struct bw_site *site = step->site;
    enum bw_action_kind next = BW_ACTION_NONE;

    fence_rogue(step);
    repeat_failed_fence(step);
    if (!bw_site_is_greeted(site) || site->running != BW_ACTION_NONE || any_observation_runs(site))
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const enum bw_action_kind kind = kinds[i];
        struct bw_observation *observation = &site->observation[kind];
        const uint64_t interval = interval_ns(site, kind);

        if (!bw_site_has_script(site, kind) || interval == 0)
            continue;
        /* A tenure that looks more often does not wait for the end of the longer pause. */
        observation->due =
            bw_instant_min(observation->due, bw_instant_add(step->now, interval));
        if (!bw_instant_wait_is_over(step->now, observation->due)) {
            bw_site_wake(step, observation->due);
            continue;
        }
        if (kind == BW_ACTION_READINESS && is_readiness_awaited(site)) {
            next = kind;
            break; /* its end leads here again */
        }
        if (next == BW_ACTION_NONE ||
            bw_instant_is_later(site->observation[next].due, observation->due))
            next = kind;
    }
    if (next != BW_ACTION_NONE)
        begin_observation(step, next);
}

/* ---- the point of no return of its start (4) ------------------------------------------------ */

void bw_site_watch_no_return(const struct step *step)
{
    struct bw_site *site = step->site;
    const uint64_t asks = bw_site_asks_to_pass(site);

    if (asks != 0 && asks != site->asked_to_pass)
        (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S54");
    site->asked_to_pass = asks;
    if (site->waits_at_point && bw_site_is_greeted(site) && bw_site_epoch_is_open(site) &&
        !bw_site_holds_start(site)) {
        struct bw_guard_message *message = &bw_site_emit(step, BW_SITE_ACTION_SEND, "S55")->message;

        message->kind = BW_GUARD_MESSAGE_PASS;
        message->epoch = site->memory.epoch;
        memcpy(message->group, site->group, sizeof message->group);
        site->waits_at_point = false; /* if it waits on, its guard says so again */
    }
}

/* ---- reports ---- */

/* What a site says of itself to the witnesses: renewals (3.2), what was given back (3.5), its report. */

/* 3.4: an epoch that its guard does not arm for so long, whatever it refuses it by, would be held by a site
 * that can never start it; unrenewed, it ends, and goes to another one. A fence that runs has its time. */
static bool is_never_armed(const struct bw_site *site, struct bw_instant now)
{
    const uint64_t refused_ns = bw_ms_to_ns(site->memory.terms.fence_ms) + BW_SITE_UNSAVED_NS;

    if (site->tenure != BW_TENURE_WAITING || bw_lease_is_alive(&site->lease, now))
        return false;
    return (site->guard_unsaved &&
            bw_instant_elapsed_ns(now, site->unsaved_since) >= BW_SITE_UNSAVED_NS) ||
           (site->arm_refused &&
            bw_instant_elapsed_ns(now, site->arm_refused_since) >= refused_ns);
}

/* 3.4: the start of an epoch waits until it is durable that it was begun. Where the disk does not keep
 * that for so long, this site holds what it cannot serve: unrenewed, it ends, and goes to another one. */
static bool is_never_kept(const struct bw_site *site, struct bw_instant now)
{
    return (site->tenure == BW_TENURE_WAITING || site->tenure == BW_TENURE_STARTING) &&
           site->service != BW_SERVICE_STARTED && site->save != BW_SITE_SAVE_KEPT &&
           bw_instant_elapsed_ns(now, site->unsaved_own_since) >= BW_SITE_UNSAVED_NS;
}

/* The conditions under which this site asks for its lease to go on: of this boot (3.7), and with a
 * guard that is there and can keep it (3.4). */
static bool renews(const struct bw_site *site, struct bw_instant now)
{
    return bw_site_tenure_renews(site) && !is_never_armed(site, now) && !is_never_kept(site, now) &&
           bw_id_equal(site->memory.boot_id, site->boot_id) && bw_site_is_greeted(site) &&
           !bw_site_guard_is_silent(site, now);
}

static uint32_t since_ms(struct bw_instant now, struct bw_instant at)
{
    const uint64_t ms = bw_ns_to_ms(bw_instant_elapsed_ns(now, at));

    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static uint32_t age_ms(struct bw_instant now, const struct bw_observation *observation)
{
    return observation->has_result ? since_ms(now, observation->at) : UINT32_MAX;
}

/* 3.8: its fences do not keep F, by the newest that was measured, against the terms that it would be
 * granted with. The margin is what a wait for the end allows for. */
static bool is_fence_too_slow(const struct bw_site *site)
{
    const struct bw_terms *terms = site->order.kind != BW_ORDER_NONE ? &site->order.terms
                                                                     : &site->memory.terms;

    return terms->fence_ms != 0 &&
           site->fence_took_ms > (uint64_t)terms->fence_ms + terms->margin_ms;
}

/* A site that holds nothing runs no fence that could show better. So it is not believed for ever that it
 * cannot: the first time for a minute, then for twice as long each time, up to about an hour. Until then
 * it is no candidate (3.8). What a fence that takes too long must not let live, the kills before D end. */
#define SLOW_FENCE_NS   (60 * BW_NS_PER_S)
#define SLOW_FENCES_MAX 7

void bw_site_note_fence_time(const struct step *step, uint64_t epoch, uint32_t took_ms)
{
    struct bw_site *site = step->site;

    site->fence_took_ms = took_ms > 0 ? took_ms : 1; /* 0 is none */
    site->fence_took_at = step->now;
    if (!is_fence_too_slow(site)) {
        site->fence_slow_count = 0;
        site->fence_slow_epoch = 0;
    } else if (site->fence_slow_epoch != epoch) { /* a failed one is tried again and again */
        site->fence_slow_epoch = epoch;
        site->fence_slow_count += site->fence_slow_count < SLOW_FENCES_MAX;
    }
    BW_ASSERT(site->fence_slow_count <= SLOW_FENCES_MAX);
}

static bool is_fence_time_old(const struct bw_site *site, struct bw_instant now)
{
    const uint64_t counts_ns = site->fence_slow_count > 0
                                   ? SLOW_FENCE_NS << (site->fence_slow_count - 1)
                                   : SLOW_FENCE_NS;

    return is_fence_too_slow(site) && !bw_site_epoch_is_open(site) &&
           bw_instant_wait_is_over(now, bw_instant_add(site->fence_took_at, counts_ns));
}

/* One that has not ended since this agent began, or that its guard cannot run (any more), says neither yes nor no, as
 * one that fails (4). */
static enum bw_condition condition_of(const struct bw_site *site)
{
    const bool is_unknown = site->limits.has_script[BW_ACTION_CONDITION] &&
                            (site->condition == BW_CONDITION_NONE ||
                             !bw_site_has_script(site, BW_ACTION_CONDITION));

    if (site->limits.condition_is_shown)
        return BW_CONDITION_NONE;
    return is_unknown ? BW_CONDITION_FAILED : site->condition;
}

/* What is killed and begun again is stopped for a moment: before a fence has seen the end such a look is no
 * word that another site may begin by (3.2.4, 3.9). */
static enum bw_service reported_service(const struct bw_site *site)
{
    const bool is_fenced = site->tenure == BW_TENURE_FENCING || site->tenure == BW_TENURE_STUCK ||
                           site->fence_failed;

    return is_fenced && site->service == BW_SERVICE_STOPPED ? BW_SERVICE_UNKNOWN : site->service;
}

static void say_released(const struct bw_site *site, struct bw_sync_group *out_group)
{
    const struct bw_site_memory *kept = &site->kept;

    if (kept->epoch != 0 && kept->epoch == site->memory.epoch && kept->given_back) {
        /* "given back" is on disk before Released leaves (3.5) */
        out_group->released.epoch = kept->epoch;
        out_group->released.reason = kept->reason;
        out_group->released.past_no_return = kept->past_no_return;
        memcpy(out_group->released.position, kept->position, sizeof out_group->released.position);
        /* What was seen to serve since takes it back at once, whatever the disk says (3.3). */
        if (site->memory.fenced_index == kept->fenced_index)
            out_group->released.held_index = kept->fenced_index;
    }
}

enum bw_override bw_site_override_report(const struct bw_site *site)
{
    if (site->memory.override == BW_OVERRIDE_OVERRIDING)
        return bw_site_override_has_begun(site) ? BW_OVERRIDE_OVERRIDING : BW_OVERRIDE_WAITING;
    if (site->memory.override != BW_OVERRIDE_NONE)
        return site->memory.override;
    /* Or its guard has one armed that nobody knows (any more). */
    if (site->override_on_disk > BW_OVERRIDE_WAITING || site->guard.armed_serial != 0)
        return BW_OVERRIDE_ENDING;
    return site->override_on_disk;
}

/* The end is fixed, so what is left bounds it wherever this is read (3.8). */
static void say_manual_lease(const struct bw_site *site, struct bw_instant now, struct bw_report *report)
{
    const uint64_t left_ms = bw_ns_to_ms(bw_site_override_left_ns(site, now) + BW_NS_PER_MS - 1);
    const struct bw_reach_sight sight = site_sight(site);

    report->override = bw_site_override_report(site);
    if (report->override == BW_OVERRIDE_NONE)
        return;
    report->manual_serial = bw_max(site->memory.override_serial, site->guard.armed_serial);
    report->manual_left_ms = (uint32_t)left_ms; /* a day at most */
    report->manual_proved = site->guard.reach_works && sight.seen == BW_REACH_INSIDE && sight.proved;
}

static void say_failures(const struct bw_site *site, struct bw_instant now,
                         struct bw_report *report)
{
    report->failure_count = site->failures.count;
    for (uint32_t i = 0; i < site->failures.count; i++) {
        report->failures[i] = site->failures.list[i].what;
        report->failures[i].age_ms = since_ms(now, site->failures.list[i].at);
    }
}

static void say_restarts(const struct bw_site *site, struct bw_instant now,
                         struct bw_restarts *restarts)
{
    BW_ASSERT((site->restarts_epoch == 0) == (site->restarts == 0));
    if (site->restarts_epoch == 0)
        return;
    *restarts = (struct bw_restarts){.epoch = site->restarts_epoch,
                                     .count = site->restarts,
                                     .age_ms = since_ms(now, site->restarted_at)};
}

static void say_steps(const struct bw_site *site, struct bw_instant now,
                      struct bw_steps_progress *steps)
{
    const uint64_t more_ms = since_ms(now, site->steps_at);

    if (site->steps.count == 0)
        return;
    *steps = site->steps;
    steps->age_ms = more_ms < UINT32_MAX - steps->age_ms ? steps->age_ms + (uint32_t)more_ms
                                                         : UINT32_MAX;
}

/* The knowledge that this site cannot lose any more (3.4, 3.9). */
static void say_numbers(const struct bw_site *site, struct bw_report *report)
{
    report->epoch_seen = bw_site_epoch_seen(site);
    report->let_go_index = site->kept.let_go_index;
    report->told_epoch = site->kept.told_epoch;
    report->told_index = site->kept.told_index;
}

void bw_site_sync_get(const struct bw_site *site, struct bw_instant now,
                      struct bw_sync_group *out_group)
{
    /* What this site says of itself is what it cannot forget any more (3.4). */
    const struct bw_site_memory *kept = &site->kept;
    struct bw_report *report = &out_group->report;

    memset(out_group, 0, sizeof *out_group);
    memcpy(out_group->name, site->group, sizeof out_group->name);
    if (renews(site, now))
        out_group->renew_epoch = site->memory.epoch;
    say_released(site, out_group);
    BW_ASSERT(out_group->renew_epoch == 0 ||
              out_group->released.epoch != out_group->renew_epoch); /* 3.5: final */
    report->spec_version = site->observed_spec_version;
    say_numbers(site, report);
    report->guard_alive = bw_site_is_greeted(site) && !bw_site_guard_is_silent(site, now) &&
                          !site_look_is_overdue(site, now);
    report->enforced = kept->enforced;
    report->service = reported_service(site);
    report->service_age_ms = age_ms(now, &site->observation[BW_ACTION_STATUS]);
    report->verified = site->verified || !site->limits.has_script[BW_ACTION_VERIFY];
    report->has_fence_or_stop_succeeded = site->guard.stop_seen ||
                                          site->own_end == BW_SITE_OWN_END_SEEN ||
                                          site->own_end == BW_SITE_OWN_END_DENIED;
    report->fence_failed = site->fence_failed;
    report->fence_epoch = site->fence_failed_epoch;
    report->condition = condition_of(site);
    report->has_readiness = site->limits.has_script[BW_ACTION_READINESS];
    report->ready = site->ready;
    report->ready_age_ms = age_ms(now, &site->observation[BW_ACTION_READINESS]);
    report->prepared_index = site->ready ? site->ready_order_index : 0;
    report->has_lag = site->has_lag;
    report->lag_ms = site->lag_ms;
    memcpy(report->position, site->position, sizeof report->position);
    report->check_interval_ms = (uint32_t)bw_ns_to_ms(site->limits.check_interval_ns);
    report->reach = site->guard.reach;
    report->reach_works = site->guard.reach_works;
    report->sight = site_sight(site);
    report->fence_bound_ms = site->guard.fence_bound_ms;
    report->armed_epoch = bw_site_epoch_is_open(site) && bw_lease_is_alive(&site->lease, now)
                              ? site->memory.epoch
                              : 0;
    report->stop_begun_epoch = site->tenure == BW_TENURE_STOPPING ||
                                       site->tenure == BW_TENURE_ENDING ||
                                       site->tenure == BW_TENURE_FENCING
                                   ? site->memory.epoch
                                   : 0;
    report->start_begun = site->memory.start_begun && bw_site_epoch_is_open(site);
    report->serving_epoch_started = site->tenure == BW_TENURE_SERVING;
    report->rejoining = site->running == BW_ACTION_REJOIN ||
                        bw_site_joined_epoch(site, kept) < site->other_serves_epoch;
    report->joined_epoch = bw_site_joined_epoch(site, kept);
    report->fence_took_ms = is_fence_time_old(site, now) ? 0 : site->fence_took_ms;
    report->alarms = site->alarms;
    report->rogue_starts = site->rogue_starts;
    report->gives_position = site->gives_position;
    say_failures(site, now, report);
    say_manual_lease(site, now, report);
    report->loop_delay_ms = site->guard.loop_delay_ms;
    report->seen_epoch = site->seen_epoch;
    report->seen_age_ms = site->seen_epoch != 0 ? since_ms(now, site->seen_at) : 0;
    say_restarts(site, now, &report->restarts);
    report->remote_fence = bw_site_remote_fence_report(site);
    report->second = bw_site_second_word(site, now);
    report->second_proved = bw_site_second_is_proved(site, now);
    report->has_point = bw_site_is_greeted(site) && site->guard.has_point;
    report->asks_to_pass = bw_site_asks_to_pass(site);
    say_steps(site, now, &report->steps);
    report->unhealthy = site_health(site);
    if (report->unhealthy != BW_UNHEALTHY_NOT)
        report->unhealthy_ms = since_ms(now, site->healthy_at);
    report->phases_epoch = site->phases_epoch;
    if (site->phases_epoch != 0)
        memcpy(report->phase_ms, site->phase_ms, sizeof report->phase_ms);
    report->alarms |= site_reach_alarms(site);
    if (report->override != BW_OVERRIDE_NONE)
        report->alarms |= UINT32_C(1) << BW_ALARM_OVERRIDE;
    report->guard_busy = site->guard_cleans || site->running == BW_ACTION_STOP ||
                         site->running == BW_ACTION_START;
    if (is_fence_too_slow(site) && report->fence_took_ms != 0)
        report->alarms |= UINT32_C(1) << BW_ALARM_FENCE_TOO_SLOW;
}

/* ---- health ---- */

/* Whether a site can show that what it holds serves (4): what its looks say of that, and since when. The leader moves the
 * group by it; here a service that runs and does not do its work is only started again. */

/* Something is to serve here, and nothing of ours is under way. */
static bool is_to_serve(const struct bw_site *site)
{
    const bool waits_for_word = site->tenure == BW_TENURE_STARTING && site->start == BW_SITE_START_NONE;

    return (site->tenure == BW_TENURE_SERVING || waits_for_word) && site->running == BW_ACTION_NONE &&
           !site->stops_first;
}

bool bw_site_does_its_work(const struct bw_site *site)
{
    return site->service == BW_SERVICE_STARTED && !site->runs_sick &&
           !(site->limits.condition_is_health && site->condition == BW_CONDITION_STOP);
}

static enum bw_unhealthy judge(const struct bw_site *site)
{
    if (!is_to_serve(site))
        return BW_UNHEALTHY_NOT;
    switch (site->service) {
    case BW_SERVICE_UNKNOWN:
        return BW_UNHEALTHY_UNKNOWN;
    case BW_SERVICE_STOPPED: /* that is counted for itself (4) */
        return BW_UNHEALTHY_NOT;
    case BW_SERVICE_STARTED:
        break;
    }
    if (bw_site_does_its_work(site))
        return BW_UNHEALTHY_NOT;
    return site->runs_sick ? BW_UNHEALTHY_UNHEALTHY : BW_UNHEALTHY_CONDITION;
}

/* From here nothing is held against it. */
void bw_site_begin_health(struct bw_site *site, struct bw_instant now)
{
    site->unhealthy = BW_UNHEALTHY_NOT;
    site->unhealthy_in_a_row = 0;
    site->sick_in_a_row = 0;
    site->healthy_at = now;
}

/* A status has ended that began at `at`. */
static void site_note_health(struct bw_site *site, struct bw_instant at)
{
    site->unhealthy = judge(site);
    if (site->unhealthy == BW_UNHEALTHY_NOT) {
        bw_site_begin_health(site, at);
        return;
    }
    site->unhealthy_in_a_row += site->unhealthy_in_a_row < UINT32_MAX;
    if (site->unhealthy != BW_UNHEALTHY_UNKNOWN) /* nobody could see the stop of what is unknown */
        site->sick_in_a_row += site->sick_in_a_row < UINT32_MAX;
}

/* Returns what the site reports to the witnesses; a single look without a word is not enough. */
static enum bw_unhealthy site_health(const struct bw_site *site)
{
    return is_to_serve(site) && site->unhealthy_in_a_row >= site->limits.failure_threshold ? site->unhealthy
                                                                                            : BW_UNHEALTHY_NOT;
}

bool bw_site_is_sick(const struct bw_site *site)
{
    return site->sick_in_a_row >= site->limits.failure_threshold && site->unhealthy != BW_UNHEALTHY_UNKNOWN;
}
