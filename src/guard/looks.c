/* The looks of many groups, so many at a time as core/looks.h allows. What starts, stops or fences passes
 * them by: it is begun where it is asked for, and a look that still waits in its group makes way for it. */
#include "program.h"

#include <breakwater/sys/clock.h>

#define LOOKS_PER_TURN 4 /* then the loop reads what has come: an arm waits for no script */

static struct bw_guard_work *look_of(struct bw_guard_place *place)
{
    return &place->work[BW_GUARD_SLOT_OBSERVATION];
}

static void go_on_soon(struct bw_guard_program *program)
{
    if (program->has_looks_more && program->looks.waiting_count > 0)
        bw_deadline_set(&program->looks_more, bw_clock_now(), BW_DEADLINE_RIGHT);
}

static void on_more(struct bw_deadline *deadline, void *user)
{
    struct bw_guard_program *program = user;
    struct bw_instant at = bw_clock_now();
    uint32_t index;

    for (int i = 0; i < LOOKS_PER_TURN; i++) {
        struct bw_guard_event spawned;
        struct bw_guard_work *work;
        struct bw_guard_run run;

        if (!bw_looks_next(&program->looks, bw_clock_now(), &index, &at))
            break;
        work = look_of(program->places[index]);
        run = work->run;
        work->is_waiting = false;
        bw_guard_work_start(work, &run, &spawned);
        bw_guard_place_step(work->place, &spawned);
        if (program->is_closing)
            return;
        at = bw_clock_now();
    }
    if (program->looks.waiting_count > 0)
        bw_deadline_set(deadline, at, BW_DEADLINE_RIGHT);
}

/* A stop has ended only when it is seen: what it looks at is part of it. A group beyond those that a file
 * can name is one that it no longer names: nobody asks it for looks. */
static bool is_queued(const struct bw_guard_place *place)
{
    return place->machine.stop != BW_GUARD_STOP_CHECKING && place->index < BW_GROUPS_MAX;
}

bool bw_guard_looks_ask(struct bw_guard_place *place, const struct bw_guard_run *run)
{
    struct bw_guard_program *program = place->program;
    struct bw_guard_work *work = look_of(place);

    if (!is_queued(place) || bw_looks_ask(&program->looks, place->index, bw_clock_now()))
        return true;
    work->run = *run;
    work->is_waiting = true;
    go_on_soon(program);
    return false;
}

void bw_guard_looks_end(struct bw_guard_place *place)
{
    struct bw_guard_work *work = look_of(place);

    if (is_queued(place) || work->is_waiting)
        bw_looks_leave(&place->program->looks, place->index);
    go_on_soon(place->program);
    if (!work->is_waiting)
        return;
    work->is_waiting = false;
    work->ended = (struct bw_guard_run_ended){.result = BW_RUN_KILLED, .exit_status = -1};
    work->has_ended = true;
}

enum bw_err bw_guard_looks_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    enum bw_err err;

    bw_looks_init(&program->looks);
    err = bw_deadline_init(&program->looks_more, &program->loop, on_more, program, diag);
    program->has_looks_more = err == BW_OK;
    return err;
}

void bw_guard_looks_close(struct bw_guard_program *program)
{
    if (program->has_looks_more)
        bw_deadline_close(&program->looks_more, NULL);
    program->has_looks_more = false;
}
