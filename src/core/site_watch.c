/* What a site sees of its service: what is looked at when, and what that counts for. */
#include "site_internal.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

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

struct bw_reach_sight bw_site_sight(const struct bw_site *site)
{
    struct bw_reach_sight sight = site->guard.sight;

    if (bw_site_awaits_reach(site))
        sight = (struct bw_reach_sight){.seen = BW_REACH_OUTSIDE,
                                        .epoch = site->memory.epoch,
                                        .digest = site->guard.sight.digest};
    return sight;
}

/* What people are told of the place of a service, in bits of enum bw_alarm. */
uint32_t bw_site_reach_alarms(const struct bw_site *site)
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
        bw_site_note_health(site, observation->at);
        forget_fence_of_let_go(step, before, observation->at);
        if (site->service != before || site->observed_spec_version != observation->spec_version)
            (void)bw_site_emit(step, BW_SITE_ACTION_SYNC_NOW, "S36");
        site->observed_spec_version = observation->spec_version;
        break;
    }
    case BW_ACTION_READINESS:
        read_readiness(site, ended);
        site->ready_order_index = observation->order_index;
        if (site->order.prepare)
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
        if (site->order.prepare || site->final == BW_SITE_FINAL_DUE)
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
bool bw_site_look_is_overdue(const struct bw_site *site, struct bw_instant now)
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
           (site->order.prepare && site->ready_order_index != site->order.index);
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
