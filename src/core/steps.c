#include <breakwater/core/steps.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>
#include <breakwater/core/site.h>

_Static_assert(BW_STEPS_NOTHING_CHANGED == BW_START_EXIT_NOTHING_CHANGED, "it is the start's");

BW_WORDS(bw_step_phase_word, enum bw_step_phase, BW_STEP_PHASE_LIST, "unlisted")

static uint32_t bit(int step)
{
    return UINT32_C(1) << step;
}

static uint32_t all(uint32_t count)
{
    return count == BW_STEPS_MAX ? UINT32_MAX : (UINT32_C(1) << count) - 1;
}

uint32_t bw_steps_stuck(const struct bw_step_rule *rules, uint32_t count)
{
    uint32_t possible = 0;
    uint32_t before;

    BW_ASSERT(count <= BW_STEPS_MAX);
    do {
        before = possible;
        for (uint32_t i = 0; i < count; i++)
            if ((rules[i].needs & ~possible) == 0)
                possible |= bit((int)i);
    } while (possible != before);
    return all(count) & ~possible;
}

void bw_steps_init(struct bw_steps *steps, const struct bw_step_rule *rules, uint32_t count,
                   uint32_t done)
{
    BW_ASSERT(count <= BW_STEPS_MAX);
    BW_ASSERT(bw_steps_stuck(rules, count) == 0);
    memset(steps, 0, sizeof *steps);
    steps->count = count;
    steps->failed = BW_STEP_NONE;
    steps->begun = done & all(count);
    steps->has_changed = steps->begun != 0;
    for (uint32_t i = 0; i < count; i++) {
        steps->rules[i] = rules[i];
        steps->state[i] = (done & bit((int)i)) != 0 ? BW_STEP_DONE : BW_STEP_WAITING;
    }
}

uint32_t bw_steps_done(const struct bw_steps *steps)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < steps->count; i++)
        if (steps->state[i] == BW_STEP_DONE)
            done |= bit((int)i);
    return done;
}

void bw_steps_hold(struct bw_steps *steps)
{
    steps->is_held = true;
}

void bw_steps_pass(struct bw_steps *steps)
{
    steps->is_held = false;
}

/* It may begin, but for what it may be held for. */
static bool is_due(const struct bw_steps *steps, uint32_t i, uint32_t done)
{
    return steps->state[i] == BW_STEP_WAITING && (steps->rules[i].needs & ~done) == 0;
}

/* 4: the witnesses have not committed that what it changes may be changed. */
static bool is_held(const struct bw_steps *steps, uint32_t i)
{
    return steps->is_held && steps->rules[i].is_point;
}

int bw_steps_point(const struct bw_steps *steps)
{
    const uint32_t done = bw_steps_done(steps);

    for (uint32_t i = 0; i < steps->count && !steps->is_ended; i++)
        if (is_due(steps, i, done) && is_held(steps, i))
            return (int)i;
    return BW_STEP_NONE;
}

int bw_steps_next(struct bw_steps *steps)
{
    const uint32_t done = bw_steps_done(steps);

    if (steps->is_ended)
        return BW_STEP_NONE;
    for (uint32_t i = 0; i < steps->count; i++) {
        if (!is_due(steps, i, done) || is_held(steps, i))
            continue;
        steps->state[i] = BW_STEP_RUNNING;
        steps->tries[i]++;
        steps->begun |= bit((int)i);
        return (int)i;
    }
    return BW_STEP_NONE;
}

void bw_steps_on_ended(struct bw_steps *steps, int step, int exit_status)
{
    BW_ASSERT(step >= 0 && (uint32_t)step < steps->count);
    BW_ASSERT(steps->state[step] == BW_STEP_RUNNING);
    steps->has_changed |= exit_status != BW_STEPS_NOTHING_CHANGED;
    if (exit_status == 0) {
        steps->state[step] = BW_STEP_DONE;
    } else if (!steps->is_ended && steps->tries[step] <= steps->rules[step].retries) {
        steps->state[step] = BW_STEP_WAITING;
    } else {
        steps->state[step] = BW_STEP_FAILED;
        if (steps->failed == BW_STEP_NONE) {
            steps->failed = step;
            steps->exit_status = exit_status;
        }
        steps->is_ended = true; /* what runs beside it comes to its own end */
    }
}

void bw_steps_end(struct bw_steps *steps)
{
    steps->is_ended = true;
}

bool bw_steps_are_over(const struct bw_steps *steps)
{
    bool has_waiting = false;

    for (uint32_t i = 0; i < steps->count; i++) {
        if (steps->state[i] == BW_STEP_RUNNING)
            return false;
        has_waiting |= steps->state[i] == BW_STEP_WAITING;
    }
    return steps->is_ended || !has_waiting;
}

int bw_steps_exit_status(const struct bw_steps *steps)
{
    BW_ASSERT(bw_steps_are_over(steps));
    if (bw_steps_done(steps) == all(steps->count))
        return 0;
    if (steps->exit_status == 0)
        return BW_STEPS_FAILED; /* ended before any of them had failed */
    if (steps->exit_status == BW_STEPS_NOTHING_CHANGED &&
        (steps->has_changed || steps->begun != bit(steps->failed)))
        return BW_STEPS_FAILED;
    return steps->exit_status;
}

uint64_t bw_steps_run_id(int32_t pid, uint64_t start_time)
{
    return start_time << 22 | ((uint64_t)pid & 0x3fffff); /* no pid is larger, and none is 0 */
}

uint64_t bw_steps_take_interrupted(struct bw_steps_interrupted *interrupted,
                                   enum bw_action_kind action, uint64_t epoch)
{
    uint64_t run = 0;

    if (!bw_action_is_action(action))
        return 0; /* a look undoes nothing */
    if (action == BW_ACTION_START && epoch == interrupted->epoch)
        run = interrupted->run;
    bw_steps_forget_interrupted(interrupted);
    return run;
}

void bw_steps_forget_interrupted(struct bw_steps_interrupted *interrupted)
{
    *interrupted = (struct bw_steps_interrupted){.run = 0};
}

uint32_t bw_steps_resume(const struct bw_steps_journal *journal, uint64_t epoch, uint64_t digest,
                         uint64_t interrupted)
{
    if (interrupted == 0 || journal->run != interrupted || journal->epoch != epoch)
        return 0;
    if (journal->digest != digest || journal->has_left)
        return 0;
    return journal->done;
}

bool bw_steps_is_whole(const struct bw_steps_journal *journal, uint32_t count, uint64_t epoch,
                       uint64_t digest, uint64_t run)
{
    return run != 0 && journal->run == run && journal->epoch == epoch &&
           journal->digest == digest && journal->done == all(count);
}
