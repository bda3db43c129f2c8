/* Rules E1 to E16: the second enforcer's machine for one group. Design 3.4. */
#include <breakwater/core/second.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>

#include "facts.h"

#define RETRY_NS (1000 * BW_NS_PER_MS) /* a fence that has not seen the end, a save that failed */
/* What an agent can claim: the longest lease that a spec can have (core/spec.h). */
#define LEFT_NS_MAX      (3600 * BW_NS_PER_S)
#define AGREES_INTERVALS 3 /* so many looks old an agent's word may be that the epoch serves */

struct step {
    struct bw_second *second;
    struct bw_instant now;
    struct bw_second_actions *out;
};

static struct bw_second_action *emit(const struct step *step, enum bw_second_action_kind kind,
                                     const char *rule)
{
    struct bw_second_action *action;

    BW_ASSERT(step->out->count < BW_SECOND_ACTIONS_MAX);
    action = &step->out->list[step->out->count++];
    *action = (struct bw_second_action){.kind = kind, .rule = rule};
    return action;
}

static void save(const struct step *step, const char *rule)
{
    struct bw_second *second = step->second;

    second->save_number++;
    second->is_saving = true;
    second->save_at = BW_INSTANT_NEVER;
    second->saving = second->memory;
    emit(step, BW_SECOND_ACTION_SAVE, rule)->number = second->save_number;
}

/* ---- what runs ------------------------------------------------------------------------------- */

static void cut_look(const struct step *step, const char *rule)
{
    struct bw_second *second = step->second;

    second->look_counts = false;
    if (second->look != BW_SECOND_RUN_UNDER_WAY)
        return;
    second->look = BW_SECOND_RUN_CUT_OFF;
    (void)emit(step, BW_SECOND_ACTION_KILL_LOOK, rule);
}

static void cut_fence(const struct step *step, const char *rule)
{
    struct bw_second *second = step->second;

    if (second->fence != BW_SECOND_RUN_UNDER_WAY)
        return;
    second->fence = BW_SECOND_RUN_CUT_OFF;
    (void)emit(step, BW_SECOND_ACTION_KILL_FENCE, rule);
}

/* Its script has so long, or as long as the site file says where that is less. */
static struct bw_second_action *run_script(const struct step *step, uint64_t window_ns, const char *rule)
{
    struct bw_second *second = step->second;
    struct bw_second_action *action = emit(step, BW_SECOND_ACTION_FENCE, rule);

    BW_ASSERT(second->fence == BW_SECOND_RUN_NONE);
    second->fence = BW_SECOND_RUN_UNDER_WAY;
    action->epoch = second->memory.epoch;
    action->limit_ns = window_ns < second->limits.fence_limit_ns ? window_ns : second->limits.fence_limit_ns;
    return action;
}

static void look(const struct step *step, const char *rule)
{
    struct bw_second *second = step->second;

    BW_ASSERT(second->look == BW_SECOND_RUN_NONE);
    second->look = BW_SECOND_RUN_UNDER_WAY;
    second->look_begun = step->now;
    second->look_due = bw_instant_add(step->now, second->limits.check_interval_ns);
    (void)emit(step, BW_SECOND_ACTION_LOOK, rule);
}

/* ---- its phases ------------------------------------------------------------------------------ */

#define TO(phase) (1u << BW_SECOND_##phase)

/* Into which each may go: a pair that is not here is a bug. Whatever it was, a newer epoch arms it
 * (E1), and with an epoch that is over there is nothing left to end (E2). */
static const unsigned moves[] = {
    [BW_SECOND_IDLE] = TO(ARMED),
    [BW_SECOND_ARMED] = TO(SCRIPT) | TO(ARMED) | TO(IDLE),
    [BW_SECOND_SCRIPT] = TO(LOOKING) | TO(ARMED) | TO(IDLE),
    [BW_SECOND_LOOKING] = TO(SCRIPT) | TO(FENCED) | TO(ARMED) | TO(IDLE),
    [BW_SECOND_FENCED] = TO(SCRIPT) | TO(ARMED) | TO(IDLE),
};

/* The only way in which the phase of one that has begun changes. A proof is cut short by it. */
static void go_on(struct bw_second *second, enum bw_second_phase to)
{
    BW_ASSERT((moves[second->phase] & (1u << to)) != 0);
    second->proof = BW_SECOND_PROOF_NONE;
    second->phase = to;
}

/* ---- the deadline (3.4) ---------------------------------------------------------------------- */

static bool is_fencing(const struct bw_second *second)
{
    return second->phase == BW_SECOND_SCRIPT || second->phase == BW_SECOND_LOOKING ||
           second->phase == BW_SECOND_FENCED;
}

/* As the guard's window: from here nothing that the agent says of this epoch extends it (3.2.4). */
static struct bw_instant window_at(const struct bw_second *second)
{
    return bw_instant_sub(second->end, second->memory.fence_ns);
}

static void begin_fence(const struct step *step, const char *rule)
{
    struct bw_second *second = step->second;

    BW_ASSERT(second->memory.epoch != 0 && !second->memory.is_over);
    cut_fence(step, rule); /* a proof's leaves the epoch open: what comes after this one is refused */
    cut_look(step, rule);
    go_on(second, BW_SECOND_SCRIPT);
    second->fence_epoch = second->memory.epoch;
    second->fence_at = step->now;
    (void)emit(step, BW_SECOND_ACTION_ASK_NOW, rule);
}

/* Nothing is left to end: what a script does still would be done to what comes after. */
static void rest(const struct step *step, const char *rule)
{
    struct bw_second *second = step->second;

    if (second->phase == BW_SECOND_IDLE)
        return; /* the agent says it with each answer: what runs is a look of one that rests */
    cut_fence(step, rule);
    cut_look(step, rule);
    go_on(second, BW_SECOND_IDLE);
    second->agent_says_serves = false;
    second->memory.is_over = true;
    save(step, rule);
}

/* ---- whose epochs these are (3.4) -------------------------------------------------------------- */

bool bw_second_is_of_another(struct bw_id own, struct bw_id other)
{
    return !bw_id_is_none(own) && !bw_id_is_none(other) && !bw_id_equal(own, other);
}

/* A deadline that it was told, be it by its mirror, stands to its end, whoever its agent is by then, and the fence of it
 * as long as anybody waits for the end: the cluster that has counted on it may be alive. Without one it only guesses that
 * a lease is left. */
static bool stands(const struct step *step)
{
    const struct bw_second *second = step->second;
    const struct bw_instant until = second->phase == BW_SECOND_FENCED
                                        ? second->told_end
                                        : bw_instant_add(second->told_end, BW_SECOND_FINISHES_NS);

    return second->phase != BW_SECOND_IDLE && second->told_end.boot_ns != 0 &&
           !bw_instant_wait_is_over(step->now, until);
}

/* The agent of its site has been made anew, in another cluster: numbers of the one before say nothing of that one's epochs. */
static void forget(const struct step *step, struct bw_id cluster_id)
{
    struct bw_second *second = step->second;

    if (second->phase != BW_SECOND_IDLE) {
        cut_fence(step, "E14");
        cut_look(step, "E14");
        go_on(second, BW_SECOND_IDLE);
    }
    second->memory = (struct bw_second_memory){.cluster_id = cluster_id};
    second->fence_epoch = second->ignored_epoch = 0;
    second->agent_says_serves = false;
    second->end_is_grace = second->end_is_guessed = second->was_due = false;
    save(step, "E14");
}

/* Of a file that has none: its agent's, where that speaks of the same epoch. */
static void note_cluster(const struct step *step, const struct bw_second_event *event)
{
    struct bw_second_memory *memory = &step->second->memory;
    const bool is_same = event->lease->epoch == memory->epoch || event->lease->over_epoch >= memory->epoch;

    if (memory->epoch == 0 || !is_same || !bw_id_is_none(memory->cluster_id) ||
        bw_id_is_none(event->cluster_id))
        return;
    memory->cluster_id = event->cluster_id;
    save(step, "E14");
}

/* It is said to a person: a lease lives whose end nobody sees to here. */
static void ignore(struct bw_second *second, const struct bw_second_event *event)
{
    if (event->lease->epoch == 0)
        return;
    second->ignored_epoch = event->lease->epoch;
    second->ignored_cluster_id = event->cluster_id;
}

/* What was another cluster's is not durably forgotten yet. */
static bool is_forgetting(const struct bw_second *second)
{
    return bw_second_is_of_another(second->kept.cluster_id, second->memory.cluster_id);
}

/* Does what was said count here? What was another cluster's is durably forgotten before anything of this one is taken:
 * else a restart would have its epochs, and fence this one's. Until then nothing that anybody says counts, were it the
 * cluster before, whose epochs may be on the disk still: that is then forgotten in its turn. */
static bool is_of_ours(const struct step *step, const struct bw_second_event *event)
{
    struct bw_second *second = step->second;

    if (is_forgetting(second))
        return false;
    if (!bw_second_is_of_another(second->memory.cluster_id, event->cluster_id)) {
        note_cluster(step, event);
        return true;
    }
    if (stands(step))
        ignore(second, event);
    else
        forget(step, event->cluster_id);
    return false;
}

/* ---- what its agent says ----------------------------------------------------------------------- */

/* What it says, should its agent be lost, is heard as fresh at this pace (3.3). */
static void take_pace(struct bw_second *second, const struct bw_second_event *event)
{
    second->memory.interval_ms = event->interval_ms;
    second->memory.limit_ms = event->limit_ms;
}

/* `q + left` is never late: the agent read its clock after `asked`, and its deadline is the one
 * that its guard has acknowledged (3.4). */
static void arm(const struct step *step, const struct bw_second_event *event)
{
    struct bw_second *second = step->second;
    const struct bw_second_lease *lease = event->lease;
    const struct bw_instant end = bw_instant_add(event->asked, lease->left_ns);

    if (lease->epoch == second->memory.epoch) {
        if (second->memory.interval_ms == 0) /* of a file that has none: it goes with what is written next */
            take_pace(second, event);
        second->end = second->end_is_grace ? end : bw_instant_max(second->end, end);
        second->told_end = second->end;
        second->end_is_grace = false;
        (void)emit(step, BW_SECOND_ACTION_MIRROR, "E12");
        return;
    }
    BW_ASSERT(lease->epoch > second->memory.epoch); /* I2 */
    cut_fence(step, "E1");
    cut_look(step, "E1");
    if (!bw_id_is_none(event->cluster_id))
        second->memory.cluster_id = event->cluster_id;
    second->memory.epoch = lease->epoch;
    second->memory.is_over = false;
    second->memory.fence_ns = lease->fence_ns;
    take_pace(second, event);
    go_on(second, BW_SECOND_ARMED);
    second->end = second->told_end = end;
    second->end_is_grace = false; /* that was of the one before */
    save(step, "E1");
    (void)emit(step, BW_SECOND_ACTION_MIRROR, "E12");
}

/* ---- the proof of its fence (3.4) --------------------------------------------------------------- */

static void end_proof(const struct step *step)
{
    cut_fence(step, "E16");
    cut_look(step, "E16");
    step->second->proof = BW_SECOND_PROOF_NONE;
    (void)emit(step, BW_SECOND_ACTION_ASK_NOW, "E16");
}

/* One that has failed takes back what was proved before. */
static void decide_proof(const struct step *step, bool is_proved)
{
    struct bw_second *second = step->second;
    const uint64_t digest = is_proved ? second->digest : 0;

    if (second->memory.proved_digest != digest) {
        second->memory.proved_digest = digest;
        save(step, "E16");
    }
    end_proof(step);
}

/* It is asked for no more, or another one is. */
static void drop_proof(const struct step *step, uint64_t number)
{
    if (step->second->proof != BW_SECOND_PROOF_NONE && number != step->second->proof_number)
        end_proof(step);
}

/* A look that is under way began before it was asked for: it ends first. */
static void take_proof(const struct step *step, const struct bw_second_event *event)
{
    struct bw_second *second = step->second;
    const uint64_t number = event->lease->proof;

    if (number == 0)
        return;
    if (number != second->proof_number) {
        second->proof_number = number;
        second->proof = BW_SECOND_PROOF_BEFORE;
        second->proof_at = event->asked;
    } else if (second->proof == BW_SECOND_PROOF_SEEN && bw_instant_wait_is_over(event->asked, second->proof_at)) {
        decide_proof(step, true);
    }
}

/* Its script is ended after as long as a fence has: what takes longer ends nothing by the deadline. One that was asked for
 * long ago is not begun: its agent would not wait for it. */
static void run_proof(const struct step *step)
{
    struct bw_second *second = step->second;

    if (bw_instant_right_is_over(step->now, bw_instant_add(second->proof_at, BW_SECOND_PROOF_BEGINS_NS))) {
        end_proof(step);
        return;
    }
    second->proof_at = step->now;
    run_script(step, second->memory.fence_ns, "E15")->restarts = true;
}

/* Its script alone has ended what a look has just seen to run, within F. */
static bool is_proved_by(const struct step *step, enum bw_service service)
{
    const struct bw_second *second = step->second;
    const struct bw_instant limit = bw_instant_add(second->proof_at, second->memory.fence_ns);

    return service == BW_SERVICE_STOPPED && !bw_instant_right_is_over(step->now, limit);
}

static void proof_looked(const struct step *step, enum bw_service service)
{
    struct bw_second *second = step->second;

    switch (second->proof) {
    case BW_SECOND_PROOF_NONE:
    case BW_SECOND_PROOF_SCRIPT: /* no look runs for it */
        break;
    case BW_SECOND_PROOF_BEFORE:
        if (service == BW_SERVICE_STARTED)
            second->proof = BW_SECOND_PROOF_SCRIPT;
        else
            end_proof(step);
        break;
    case BW_SECOND_PROOF_AFTER:
        if (!is_proved_by(step, service)) {
            decide_proof(step, false);
            break;
        }
        second->proof = BW_SECOND_PROOF_SEEN;
        second->proof_at = step->now;
        (void)emit(step, BW_SECOND_ACTION_ASK_NOW, "E16");
        break;
    case BW_SECOND_PROOF_SEEN:
        if (service != BW_SERVICE_STOPPED)
            end_proof(step);
        break;
    }
}

static bool is_sane(const struct bw_second_lease *lease)
{
    return lease->left_ns <= LEFT_NS_MAX && lease->fence_ns > 0 && lease->fence_ns <= LEFT_NS_MAX;
}

static void on_answered(const struct step *step, const struct bw_second_event *event)
{
    struct bw_second *second = step->second;
    const struct bw_second_lease *lease = event->lease;
    const bool is_of_newest = lease->epoch != 0 && lease->epoch >= second->memory.epoch &&
                              lease->epoch > lease->over_epoch;

    if (!is_of_ours(step, event))
        return;
    drop_proof(step, lease->proof);
    if (second->memory.epoch != 0 && lease->over_epoch >= second->memory.epoch)
        rest(step, "E2");
    if (lease->epoch < second->memory.epoch)
        ignore(second, event);
    if (!is_of_newest || !is_sane(lease))
        return;
    if (lease->epoch == second->memory.epoch && (second->memory.is_over || is_fencing(second)))
        return; /* a fence that has begun is finished (3.2.4) */
    if (second->phase == BW_SECOND_ARMED && lease->epoch == second->memory.epoch &&
        bw_instant_right_is_over(step->now, window_at(second)))
        return; /* its window has come before this answer was read */
    arm(step, event);
    second->agent_says_serves = lease->serves;
    second->asked_at = event->asked;
    second->end_is_guessed = false;
    take_proof(step, event);
}

/* ---- what has ended -------------------------------------------------------------------------- */

/* Both look at the same service: only then a fence from here ends what the lease was for (3.4). */
static void note_agreement(const struct step *step)
{
    struct bw_second *second = step->second;
    const uint64_t fresh_ns = AGREES_INTERVALS * second->limits.check_interval_ns;

    if (second->phase != BW_SECOND_ARMED || second->service != BW_SERVICE_STARTED ||
        !second->agent_says_serves ||
        bw_instant_right_is_over(step->now, bw_instant_add(second->asked_at, fresh_ns)) ||
        second->memory.agreed_digest == second->digest)
        return;
    second->memory.agreed_digest = second->digest;
    save(step, "E3");
}

/* As the guard's (3.4): what other scripts saw says nothing for those that lie there now, whichever
 * look said so. */
static void note_scripts(const struct step *step, uint64_t digest)
{
    struct bw_second *second = step->second;

    if (digest == 0 || digest == second->digest)
        return;
    second->digest = digest;
    second->proof = BW_SECOND_PROOF_NONE;
    (void)emit(step, BW_SECOND_ACTION_ASK_NOW, "E13");
}

static void on_looked(const struct step *step, enum bw_service service)
{
    struct bw_second *second = step->second;
    const bool was_cut = second->look == BW_SECOND_RUN_CUT_OFF;
    const bool counts = second->look_counts;

    if (second->look == BW_SECOND_RUN_NONE)
        return;
    second->look = BW_SECOND_RUN_NONE;
    second->look_counts = false;
    if (was_cut)
        return; /* it has seen nothing */
    if (!second->has_service || second->service != service)
        (void)emit(step, BW_SECOND_ACTION_ASK_NOW, "E4");
    second->has_service = true;
    second->service = service;
    second->service_at = second->look_begun;
    second->look_took_ns = bw_instant_elapsed_ns(step->now, second->look_begun);
    note_agreement(step);
    if (counts || second->proof == BW_SECOND_PROOF_SEEN)
        proof_looked(step, service);
    if (second->phase == BW_SECOND_LOOKING && counts) {
        go_on(second, service == BW_SERVICE_STOPPED ? BW_SECOND_FENCED : BW_SECOND_SCRIPT);
        second->fence_at = bw_instant_add(step->now, RETRY_NS);
    } else if (second->phase == BW_SECOND_FENCED && service == BW_SERVICE_STARTED) {
        begin_fence(step, "E5"); /* ordered before, and late */
    }
}

static void on_fenced(const struct step *step, bool ok)
{
    struct bw_second *second = step->second;
    const bool was_cut = second->fence == BW_SECOND_RUN_CUT_OFF;

    if (second->fence == BW_SECOND_RUN_NONE)
        return;
    second->fence = BW_SECOND_RUN_NONE;
    if (!was_cut && second->proof == BW_SECOND_PROOF_SCRIPT) {
        if (ok)
            second->proof = BW_SECOND_PROOF_AFTER;
        else
            decide_proof(step, false);
        return;
    }
    if (was_cut || second->phase != BW_SECOND_SCRIPT)
        return;
    if (ok)
        go_on(second, BW_SECOND_LOOKING); /* its word is not believed: what serves is looked at */
    else
        second->fence_at = bw_instant_add(step->now, RETRY_NS);
}

static void on_saved(const struct step *step, uint64_t number, bool ok)
{
    struct bw_second *second = step->second;

    if (!second->is_saving || number != second->save_number)
        return;
    second->is_saving = false;
    if (!ok) {
        second->save_at = bw_instant_add(step->now, RETRY_NS);
        return;
    }
    second->kept = second->saving;
    (void)emit(step, BW_SECOND_ACTION_ASK_NOW, "E6");
    /* Else who loses this file in the same boot would find a deadline of what is over (a mirror is enough to know of an
     * epoch). Not before: what is open in the file has its deadline there. */
    if (second->phase == BW_SECOND_IDLE)
        (void)emit(step, BW_SECOND_ACTION_MIRROR, "E12");
}

/* ---- by the clock ---------------------------------------------------------------------------- */

static void run_fence(const struct step *step)
{
    const uint64_t left_ns = bw_instant_left_ns(step->now, step->second->end);

    (void)run_script(step, left_ns > 0 ? left_ns : step->second->memory.fence_ns, "E7");
}

static bool is_due(const struct step *step, struct bw_instant at)
{
    return bw_instant_right_is_over(step->now, at);
}

static void look_if_due(const struct step *step)
{
    struct bw_second *second = step->second;

    if (second->look == BW_SECOND_RUN_NONE && is_due(step, second->look_due))
        look(step, "E8");
}

static void look_that_counts(const struct step *step)
{
    if (step->second->look != BW_SECOND_RUN_NONE)
        return; /* one that began before says nothing (3.2.4) */
    look(step, "E10");
    step->second->look_counts = true;
}

static void advance_proof(const struct step *step)
{
    switch (step->second->proof) {
    case BW_SECOND_PROOF_NONE:
    case BW_SECOND_PROOF_SEEN:
        look_if_due(step);
        break;
    case BW_SECOND_PROOF_SCRIPT:
        if (step->second->fence == BW_SECOND_RUN_NONE)
            run_proof(step);
        break;
    case BW_SECOND_PROOF_BEFORE:
    case BW_SECOND_PROOF_AFTER:
        look_that_counts(step);
        break;
    }
}

static void advance(const struct step *step)
{
    struct bw_second *second = step->second;

    if (second->phase == BW_SECOND_ARMED && is_due(step, window_at(second)))
        begin_fence(step, "E9");
    switch (second->phase) {
    case BW_SECOND_IDLE:
    case BW_SECOND_FENCED:
        look_if_due(step);
        break;
    case BW_SECOND_ARMED:
        advance_proof(step);
        break;
    case BW_SECOND_SCRIPT:
        if (second->fence == BW_SECOND_RUN_NONE && is_due(step, second->fence_at))
            run_fence(step);
        break;
    case BW_SECOND_LOOKING:
        look_that_counts(step);
        break;
    }
    if (!second->is_saving && is_due(step, second->save_at))
        save(step, "E11");
}

static struct bw_instant wake_at(const struct bw_second *second)
{
    struct bw_instant at = second->save_at;

    switch (second->phase) {
    case BW_SECOND_ARMED:
        at = bw_instant_min(at, window_at(second));
        if (second->proof != BW_SECOND_PROOF_NONE && second->proof != BW_SECOND_PROOF_SEEN)
            return at; /* what runs for it ends */
        break;
    case BW_SECOND_SCRIPT:
        return second->fence == BW_SECOND_RUN_NONE ? bw_instant_min(at, second->fence_at) : at;
    case BW_SECOND_LOOKING:
        return at; /* a look runs, or its end comes */
    case BW_SECOND_IDLE:
    case BW_SECOND_FENCED:
        break;
    }
    return second->look == BW_SECOND_RUN_NONE ? bw_instant_min(at, second->look_due) : at;
}

/* ---- public ---------------------------------------------------------------------------------- */

/* E12, 3.4: what it was told in this boot, never later than that. Nothing of an epoch that is over,
 * or is older than what is durable. A window that has come while it was away says nothing: more may
 * have been said since. */
static bool is_resumed(const struct bw_second_memory *memory, const struct bw_second_mirror *mirror,
                       struct bw_instant now)
{
    const bool is_over = mirror->epoch < memory->epoch ||
                         (mirror->epoch == memory->epoch && memory->is_over);

    return mirror->epoch != 0 && !is_over &&
           !bw_instant_right_is_over(now, bw_instant_sub(mirror->end, mirror->fence_ns)) &&
           bw_instant_left_ns(now, mirror->end) <= LEFT_NS_MAX;
}

void bw_second_init(struct bw_second *second, const struct bw_second_limits *limits,
                    const struct bw_second_memory *memory, const struct bw_second_mirror *mirror,
                    uint64_t grace_ns, struct bw_instant now)
{
    static const struct bw_second_mirror nothing;

    *second = (struct bw_second){.limits = *limits,
                                 .memory = *memory,
                                 .kept = *memory,
                                 .saving = *memory,
                                 .save_at = BW_INSTANT_NEVER,
                                 .digest = limits->digest,
                                 .look_due = now};
    BW_ASSERT(limits->digest != 0);
    BW_ASSERT_NONE(bw_second_memory_unsound(memory)); /* judged where they were read */
    BW_ASSERT_NONE(bw_second_mirror_unsound(mirror));
    if (bw_second_is_of_another(memory->cluster_id, mirror->cluster_id))
        mirror = &nothing; /* of a cluster that was forgotten: it was not written since */
    if (mirror->epoch > memory->epoch) { /* it has not become durable, or the file is an older one */
        if (!bw_id_is_none(mirror->cluster_id))
            second->memory.cluster_id = mirror->cluster_id;
        second->memory.epoch = mirror->epoch;
        second->memory.is_over = false;
        second->memory.fence_ns = mirror->fence_ns;
        second->memory.interval_ms = second->memory.limit_ms = 0; /* they were of another one */
        second->save_at = now;
    }
    const bool is_told = mirror->epoch == second->memory.epoch;

    if (is_resumed(memory, mirror, now)) {
        second->end = mirror->end;
    } else if (second->memory.epoch == 0 || second->memory.is_over) {
        return;
    } else {
        second->end = bw_instant_add(bw_instant_add(now, grace_ns), second->memory.fence_ns);
        second->end_is_grace = true;
        second->was_due = is_told;
    }
    if (is_told && bw_instant_left_ns(now, mirror->end) <= LEFT_NS_MAX)
        second->told_end = mirror->end; /* also where its window has come meanwhile */
    second->phase = BW_SECOND_ARMED;
    second->end_is_guessed = true;
}

/* One look follows the other, so one that takes longer than they are apart is no blindness. What
 * hangs has ended no look: the agent waits no longer for it than for one that is well (3.4). */
static uint64_t interval_ns(const struct bw_second *second)
{
    return second->look_took_ns > second->limits.check_interval_ns
               ? second->look_took_ns
               : second->limits.check_interval_ns;
}

void bw_second_say(const struct bw_second *second, struct bw_instant now,
                   struct bw_second_report *out_report)
{
    const uint64_t age_ms = bw_ns_to_ms(bw_instant_elapsed_ns(now, second->service_at));
    const bool is_kept = second->kept.epoch == second->memory.epoch && !second->kept.is_over;

    *out_report = (struct bw_second_report){
        .check_interval_ms = (uint32_t)bw_ns_to_ms(interval_ns(second)),
        .service_age_ms = UINT32_MAX,
        .fence_epoch = second->fence_epoch,
        .fence_seen = second->phase == BW_SECOND_FENCED,
        .has_agreed = second->kept.agreed_digest == second->digest,
        .is_proved = second->kept.proved_digest == second->digest,
    };
    if (second->proof == BW_SECOND_PROOF_NONE && second->kept.proved_digest == second->memory.proved_digest)
        out_report->proof_ended = second->proof_number;
    if (second->phase == BW_SECOND_ARMED && is_kept)
        out_report->armed_epoch = second->memory.epoch;
    if (!second->has_service)
        return;
    out_report->service = second->service;
    out_report->service_age_ms = age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX;
}

uint64_t bw_second_warns_of(const struct bw_second *second)
{
    const bool is_doubted = second->phase == BW_SECOND_FENCED && second->end_is_guessed &&
                            second->service != BW_SERVICE_STOPPED; /* 3.4 */
    /* The process before it may have begun to fence, and have warned until it ended. */
    const bool is_untold = second->phase == BW_SECOND_ARMED && second->end_is_grace;

    return second->phase == BW_SECOND_SCRIPT || second->phase == BW_SECOND_LOOKING || is_doubted ||
                   is_untold
               ? second->memory.epoch
               : 0;
}

const char *bw_second_memory_unsound(const struct bw_second_memory *memory)
{
    const bool is_open = memory->epoch != 0 && !memory->is_over;

    FACT(!is_open || (memory->fence_ns > 0 && memory->fence_ns <= LEFT_NS_MAX),
         "the second enforcer: an open epoch has a window");
    return NULL;
}

const char *bw_second_mirror_unsound(const struct bw_second_mirror *mirror)
{
    FACT(mirror->epoch == 0 || (mirror->fence_ns > 0 && mirror->fence_ns <= LEFT_NS_MAX),
         "the second enforcer: a deadline has a window");
    return NULL;
}

const char *bw_second_unsound(const struct bw_second *second)
{
    const bool is_open = second->memory.epoch != 0 && !second->memory.is_over;
    const bool forgets = is_forgetting(second);

    FACT((second->phase == BW_SECOND_IDLE) == !is_open, /* 3.4: what is open is enforced */
         "the second enforcer: it enforces just while an epoch is open");
    FACT(forgets || second->kept.epoch <= second->memory.epoch, /* I2 */
         "the second enforcer: what is durable is no newer than what it knows");
    FACT(!forgets || second->memory.epoch == 0, /* 3.4 */
         "the second enforcer: it takes nothing of a cluster before the other is durably forgotten");
    FACT(second->fence_epoch <= second->memory.epoch,
         "the second enforcer: it has fenced no epoch that it does not know");
    FACTS(bw_second_memory_unsound(&second->memory));
    FACT(second->fence != BW_SECOND_RUN_UNDER_WAY || second->phase == BW_SECOND_SCRIPT ||
             second->proof == BW_SECOND_PROOF_SCRIPT,
         "the second enforcer: its fence runs only while it fences, or proves that it can");
    FACT(second->proof == BW_SECOND_PROOF_NONE || second->phase == BW_SECOND_ARMED,
         "the second enforcer: it proves its fence only under a lease that goes on");
    FACT(!second->look_counts || second->look == BW_SECOND_RUN_UNDER_WAY, /* 3.2.4 */
         "the second enforcer: only a look that runs can see an end");
    FACT(!is_fencing(second) || second->fence_epoch == second->memory.epoch,
         "the second enforcer: it fences the epoch that it knows");
    return NULL;
}

void bw_second_step(struct bw_second *second, const struct bw_second_event *event,
                    struct bw_instant now, struct bw_second_actions *out_actions)
{
    const struct step step = {second, now, out_actions};

    out_actions->count = 0;
    switch (event->kind) {
    case BW_SECOND_EVENT_TICK:
        break;
    case BW_SECOND_EVENT_ANSWERED:
        on_answered(&step, event);
        break;
    case BW_SECOND_EVENT_SAVED:
        on_saved(&step, event->number, event->ok);
        break;
    case BW_SECOND_EVENT_LOOKED:
        note_scripts(&step, event->digest);
        on_looked(&step, event->service);
        break;
    case BW_SECOND_EVENT_FENCED:
        on_fenced(&step, event->ok);
        break;
    }
    advance(&step);
    BW_ASSERT_NONE(bw_second_unsound(second));
    out_actions->wake_at = wake_at(second);
}

BW_NAMES(bw_second_phase_word, enum bw_second_phase, BW_SECOND_PHASE_LIST, "unlisted")
