/* process.c - programs that begin, act one event at a time, freeze and die. */
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

/* A timer is late by a little, and now and then by what a busy machine makes of it. */
#define WAKE_LATE_NS      (200 * 1000)
#define WAKE_VERY_LATE_NS (10 * SIM_MS)
#define WAKE_VERY_LATE_PER_MILLION 1000
/* A supervisor starts again after so long (Restart=, RestartSec=). */
#define RESTART_NS_MIN (20 * SIM_MS)
#define RESTART_NS_MAX (3 * SIM_S)
#define HELD_MAX       1024 /* messages that wait for a frozen process */

struct sim_process *sim_process_new(struct sim_world *world, struct sim_host *host,
                                    const char *name, const struct sim_process_ops *ops,
                                    void *user)
{
    struct sim_process *process = calloc(1, sizeof *process);
    int length;

    BW_ASSERT(process != NULL && world->process_count < SIM_PROCESSES_MAX);
    length = snprintf(process->name, sizeof process->name, "%s", name);
    BW_ASSERT(length > 0 && (size_t)length < sizeof process->name);
    process->host = host;
    process->ops = ops;
    process->user = user;
    process->index = world->process_count;
    process->wake_at = BW_INSTANT_NEVER;
    bw_prng_init(&process->chance, world->setting.seed * 1000003 + 500 + process->index);
    world->processes[world->process_count++] = process;
    return process;
}

static void drop_held(struct sim_process *process)
{
    struct sim_event *next;

    for (struct sim_event *event = process->held_first; event != NULL; event = next) {
        next = event->next;
        sim_event_drop(event);
        sim_queue_recycle(sim_world_of(process), event);
    }
    process->held_first = NULL;
    process->held_last = NULL;
    process->held_count = 0;
}

static void die(struct sim_process *process)
{
    struct sim_world *world = sim_world_of(process);
    const uint64_t rest = bw_prng_below(&process->chance, RESTART_NS_MAX - RESTART_NS_MIN);
    const struct sim_event again = {
        .kind = SIM_EVENT_START, .process = process, .life = process->life};

    process->is_doomed = false;
    process->is_stopped = false;
    process->thaw_at_ns = 0;
    process->health = SIM_DEAD;
    process->wake_at = BW_INSTANT_NEVER;
    process->wake_number++;
    drop_held(process);
    process->ops->on_death(process);
    sim_tell(world, process->name, "is dead");
    if (process->is_supervised)
        sim_queue_push(world, world->now_ns + RESTART_NS_MIN + rest, &again);
}

static void begin_acting(struct sim_process *process)
{
    struct sim_world *world = sim_world_of(process);

    BW_ASSERT(world->acting == NULL); /* processes do not call each other */
    world->acting = process;
}

static void end_acting(struct sim_process *process)
{
    sim_world_of(process)->acting = NULL;
    if (process->is_doomed)
        die(process);
}

void sim_process_ask(struct sim_process *process, void (*ask)(struct sim_process *, void *),
                     void *user)
{
    BW_ASSERT(process->health != SIM_DEAD);
    begin_acting(process);
    ask(process, user);
    end_acting(process);
}

/* Calls the program; what it does to itself happens afterwards. */
static void enter(struct sim_process *process, struct sim_event *event)
{
    begin_acting(process);
    if (event == NULL) {
        process->ops->on_start(process);
    } else if (event->kind == SIM_EVENT_WAKE) {
        process->ops->on_wake(process);
    } else {
        void *payload = event->payload;

        event->payload = NULL; /* it is the function's now */
        event->call.later_fn(process, payload);
    }
    end_acting(process);
}

void sim_process_start(struct sim_process *process)
{
    struct sim_world *world = sim_world_of(process);

    if (process->health != SIM_DEAD || !process->host->is_up || process->is_kept_down)
        return;
    if (process->host->is_suspended || world->acting != NULL) {
        const struct sim_event again = {
            .kind = SIM_EVENT_START, .process = process, .life = process->life};

        sim_queue_push(world, world->now_ns + RESTART_NS_MIN, &again);
        return;
    }
    process->life++;
    process->level = process->host->installed;
    process->health = SIM_ABLE;
    sim_tell(world, process->name, "starts");
    enter(process, NULL);
}

void sim_process_kill(struct sim_process *process)
{
    if (process->health == SIM_DEAD)
        return;
    if (sim_world_of(process)->acting == process)
        process->is_doomed = true;
    else
        die(process);
}

void sim_process_keep_down(struct sim_process *process)
{
    process->is_kept_down = true;
    sim_process_kill(process);
}

void sim_process_let_return(struct sim_process *process)
{
    process->is_kept_down = false;
    sim_process_start(process);
}

void sim_process_freeze(struct sim_process *process)
{
    if (process->health == SIM_DEAD)
        return;
    process->is_stopped = true;
    process->health = SIM_FROZEN;
}

/* What has come is read connection by connection: from one machine in order, but nobody knows which is
 * read first. */
static void read_what_has_come(struct sim_process *process)
{
    struct sim_world *world = sim_world_of(process);
    const uint32_t first = (uint32_t)bw_prng_below(&process->chance, SIM_SPARES_AT);
    struct sim_event *events = process->held_first;

    process->held_first = NULL;
    process->held_last = NULL;
    process->held_count = 0;
    for (uint32_t i = 0; i <= SIM_HOSTS_MAX; i++) {
        struct sim_event **at = &events;

        while (*at != NULL) {
            struct sim_event *event = *at;
            const bool is_own = event->kind != SIM_EVENT_MESSAGE;

            if (i == 0 ? is_own : !is_own && event->source == (first + i) % SIM_HOSTS_MAX) {
                *at = event->next;
                sim_queue_push_again(world, world->now_ns, event);
            } else {
                at = &event->next;
            }
        }
    }
}

/* Timers go before what else has come (design 3.4). */
static void go_on(struct sim_process *process)
{
    struct sim_world *world = sim_world_of(process);

    if (process->health != SIM_FROZEN || process->is_stopped ||
        process->thaw_at_ns > world->now_ns || process->host->is_suspended)
        return;
    process->health = SIM_ABLE;
    sim_wake_at(process, process->wake_at);
    read_what_has_come(process);
}

void sim_process_thaw(struct sim_process *process)
{
    process->is_stopped = false;
    go_on(process);
}

void sim_process_stall(struct sim_process *process, uint64_t ns)
{
    struct sim_world *world = sim_world_of(process);
    const struct sim_event thaw = {
        .kind = SIM_EVENT_THAW, .process = process, .life = process->life};

    if (process->health == SIM_DEAD || process->thaw_at_ns >= world->now_ns + ns)
        return;
    process->health = SIM_FROZEN;
    process->thaw_at_ns = world->now_ns + ns;
    sim_queue_push(world, process->thaw_at_ns, &thaw);
}

bool sim_crash_point(struct sim_process *process, const char *where)
{
    struct sim_world *world = sim_world_of(process);
    const bool is_meant = process->crash_at != NULL && strcmp(process->crash_at, where) == 0;

    if (sim_is_doomed(process))
        return true;
    if (!is_meant && (process->crash_per_million == 0 ||
                      !sim_chance(&process->chance, process->crash_per_million)))
        return false;
    process->is_kept_down |= is_meant;
    process->crash_at = is_meant ? NULL : process->crash_at;
    sim_count(world, where);
    sim_tell(world, process->name, "crashes: %s", where);
    sim_process_kill(process);
    return true;
}

void sim_wake_at(struct sim_process *process, struct bw_instant at)
{
    struct sim_world *world = sim_world_of(process);
    uint64_t at_ns;
    struct sim_event wake = {.kind = SIM_EVENT_WAKE, .process = process, .life = process->life};

    process->wake_at = at;
    wake.argument = ++process->wake_number;
    if (bw_instant_is_never(at) || process->health == SIM_DEAD)
        return;
    at_ns = sim_clock_reaches(process->host, at);
    if (at_ns == UINT64_MAX)
        return;
    at_ns += bw_prng_below(&process->chance, WAKE_LATE_NS);
    if (sim_chance(&process->chance, WAKE_VERY_LATE_PER_MILLION))
        at_ns += bw_prng_below(&process->chance, WAKE_VERY_LATE_NS);
    sim_queue_push(world, at_ns, &wake);
}

void sim_later(struct sim_process *process, uint64_t delay_ns, sim_later_fn fn, void *payload,
               sim_drop_fn drop)
{
    struct sim_world *world = sim_world_of(process);
    const struct sim_event later = {.kind = SIM_EVENT_LATER,
                                    .process = process,
                                    .life = process->life,
                                    .call.later_fn = fn,
                                    .payload = payload,
                                    .drop = drop};

    BW_ASSERT(process->health != SIM_DEAD);
    sim_queue_push(world, world->now_ns + delay_ns, &later);
}

static void hold_back(struct sim_process *process, struct sim_event *event)
{
    if (event->kind == SIM_EVENT_MESSAGE && process->held_count >= HELD_MAX) {
        sim_event_drop(event); /* its sockets are full */
        sim_queue_recycle(sim_world_of(process), event);
        return;
    }
    process->held_count++;
    event->next = NULL;
    if (process->held_last != NULL)
        process->held_last->next = event;
    else
        process->held_first = event;
    process->held_last = event;
}

/* What has come due for `process`; the event is recycled here, or held. */
static void take_place(struct sim_world *world, struct sim_event *event)
{
    struct sim_process *process = event->process;
    const bool is_of_this_life = event->life == process->life;

    if (event->kind == SIM_EVENT_START) {
        if (is_of_this_life)
            sim_process_start(process);
    } else if (event->kind == SIM_EVENT_THAW) {
        if (is_of_this_life)
            go_on(process);
    } else if (!is_of_this_life || process->health == SIM_DEAD ||
               (event->kind == SIM_EVENT_WAKE && event->argument != process->wake_number)) {
        sim_event_drop(event);
    } else if (process->health == SIM_FROZEN) {
        hold_back(process, event);
        return;
    } else {
        if (event->kind == SIM_EVENT_WAKE)
            process->wake_at = BW_INSTANT_NEVER;
        enter(process, event);
        sim_event_drop(event);
    }
    sim_queue_recycle(world, event);
}

void sim_event_happens(struct sim_world *world, struct sim_event *event)
{
    sim_mix(world, event->at_ns);
    sim_mix(world, (uint64_t)event->kind << 32 |
                       (event->process != NULL ? event->process->index + 1 : 0));
    world->events++;
    if (event->kind != SIM_EVENT_WORLD) {
        take_place(world, event);
        return;
    }
    event->call.world_fn(world, event->argument);
    sim_queue_recycle(world, event);
}
