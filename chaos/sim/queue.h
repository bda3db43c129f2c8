/* queue.h - what is going to happen, in order of true time and then of having been asked for. */
#ifndef BW_SIM_QUEUE_H
#define BW_SIM_QUEUE_H

#include "world.h"

enum sim_event_kind { SIM_EVENT_WAKE, SIM_EVENT_LATER, SIM_EVENT_MESSAGE, SIM_EVENT_THAW,
                      SIM_EVENT_START, SIM_EVENT_WORLD };

/* A message on its way. */
struct sim_envelope {
    struct sim_process *from;
    uint32_t from_life;
    enum sim_channel channel;
    uint64_t tag;
    size_t size;
    uint8_t bytes[];
};

struct sim_event {
    uint64_t at_ns, number;
    enum sim_event_kind kind;
    struct sim_process *process; /* NULL: of the world */
    uint32_t life;
    uint32_t source; /* MESSAGE: the machine that it comes from, by index */
    uint64_t argument; /* WAKE: wake_number; WORLD: of `world_fn` */
    union {
        sim_later_fn later_fn;
        sim_world_fn world_fn;
    } call;
    void *payload;
    sim_drop_fn drop;
    struct sim_event *next; /* held back, or free */
};

struct sim_queue {
    struct sim_event **heap;
    size_t count, capacity;
    uint64_t next_number;
    struct sim_event *free_list;
};

/* All but at_ns and number is copied from `event`. Ends the program when there is no memory. */
void sim_queue_push(struct sim_world *world, uint64_t at_ns, const struct sim_event *event);
/* NULL: nothing is left at or before `until_ns`. To be recycled afterwards. */
struct sim_event *sim_queue_pop(struct sim_world *world, uint64_t until_ns);
void sim_queue_recycle(struct sim_world *world, struct sim_event *event);
/* Puts one that was popped back in, at `at_ns`. */
void sim_queue_push_again(struct sim_world *world, uint64_t at_ns, struct sim_event *event);
void sim_queue_free(struct sim_world *world);

/* process.c's: it happens now. */
void sim_event_happens(struct sim_world *world, struct sim_event *event);

/* clock.c's, for the world alone. */
void sim_clock_sleep(struct sim_host *host, bool is_asleep);
void sim_clock_boot(struct sim_host *host, uint64_t shown_ns);

/* What is left of an event that will not happen. */
static inline void sim_event_drop(struct sim_event *event)
{
    if (event->drop != NULL && event->payload != NULL)
        event->drop(event->payload);
    event->payload = NULL;
}

#endif
