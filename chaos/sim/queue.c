/* queue.c - a binary heap of events; their memory is used again. */
#include "queue.h"

#include <stdlib.h>

#include <breakwater/base/assert.h>

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->number < b->number);
}

static void sift_up(struct sim_queue *queue, size_t at)
{
    struct sim_event *event = queue->heap[at];

    while (at > 0 && is_before(event, queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = event;
}

static void sift_down(struct sim_queue *queue)
{
    struct sim_event *event = queue->heap[0];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && is_before(queue->heap[child + 1], queue->heap[child]))
            child++;
        if (!is_before(queue->heap[child], event))
            break;
        queue->heap[at] = queue->heap[child];
        at = child;
    }
    queue->heap[at] = event;
}

static struct sim_event *take(struct sim_queue *queue)
{
    struct sim_event *event = queue->free_list;

    if (event != NULL)
        queue->free_list = event->next;
    else
        event = malloc(sizeof *event);
    BW_ASSERT(event != NULL);
    return event;
}

void sim_queue_push_again(struct sim_world *world, uint64_t at_ns, struct sim_event *event)
{
    struct sim_queue *queue = world->queue;

    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity == 0 ? 1024 : queue->capacity * 2;
        queue->heap = realloc(queue->heap, queue->capacity * sizeof(struct sim_event *));
        BW_ASSERT(queue->heap != NULL);
    }
    event->at_ns = at_ns;
    event->number = queue->next_number++;
    event->next = NULL;
    queue->heap[queue->count] = event;
    sift_up(queue, queue->count++);
}

void sim_queue_push(struct sim_world *world, uint64_t at_ns, const struct sim_event *event)
{
    struct sim_event *kept = take(world->queue);

    *kept = *event;
    sim_queue_push_again(world, at_ns, kept);
}

struct sim_event *sim_queue_pop(struct sim_world *world, uint64_t until_ns)
{
    struct sim_queue *queue = world->queue;
    struct sim_event *first;

    if (queue->count == 0 || queue->heap[0]->at_ns > until_ns)
        return NULL;
    first = queue->heap[0];
    queue->heap[0] = queue->heap[--queue->count];
    if (queue->count > 0)
        sift_down(queue);
    return first;
}

void sim_queue_recycle(struct sim_world *world, struct sim_event *event)
{
    event->next = world->queue->free_list;
    world->queue->free_list = event;
}

void sim_queue_free(struct sim_world *world)
{
    struct sim_queue *queue = world->queue;
    struct sim_event *next;

    for (size_t i = 0; i < queue->count; i++) {
        sim_event_drop(queue->heap[i]);
        free(queue->heap[i]);
    }
    for (struct sim_event *event = queue->free_list; event != NULL; event = next) {
        next = event->next;
        free(event);
    }
    free(queue->heap);
    free(queue);
    world->queue = NULL;
}
