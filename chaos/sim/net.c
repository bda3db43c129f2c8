/* net.c - messages on their way: delay, loss, repetition, overtaking, cuts. A message that is on its
 * way when its link is cut is lost. */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include "queue.h"

#define DELAY_NS_MIN  (200 * 1000)
#define DELAY_NS_MAX  (3 * SIM_MS)
#define LOCAL_NS_MIN  (10 * 1000)
#define LOCAL_NS_MAX  (300 * 1000)

void sim_net_init(struct sim_world *world, struct sim_net *net)
{
    bw_prng_init(&net->chance, world->setting.seed * 1000003 + 300);
    for (uint32_t from = 0; from < SIM_HOSTS_MAX; from++)
        for (uint32_t to = 0; to < SIM_HOSTS_MAX; to++)
            net->links[from][to] = (struct sim_link){.delay_ns_min = DELAY_NS_MIN,
                                                     .delay_ns_max = DELAY_NS_MAX,
                                                     .late_per_million = 2000,
                                                     .late_ns_max = 100 * SIM_MS};
}

static bool is_near(struct sim_world *world, uint32_t host)
{
    for (uint32_t i = 0; world->setting.has_second_enforcer && i < world->setting.site_count; i++)
        if (sim_second_host(world, i)->index == host)
            return true;
    return false;
}

void sim_net_part(struct sim_world *world)
{
    const uint64_t one_way_ns = world->setting.trip_ms * SIM_MS / 2;

    if (world->setting.trip_ms > 0)
        sim_count(world, "net:far");
    for (uint32_t from = 0; from < SIM_HOSTS_MAX; from++)
        for (uint32_t to = 0; to < SIM_HOSTS_MAX; to++) {
            struct sim_link *link = sim_link(world, from, to);

            if (is_near(world, from) || is_near(world, to))
                continue;
            link->delay_ns_min += one_way_ns;
            link->delay_ns_max += one_way_ns;
            link->loss_per_million += world->setting.loss_per_million;
        }
}

void sim_net_cut(struct sim_world *world, uint32_t from, uint32_t to, bool is_cut)
{
    struct sim_link *link = sim_link(world, from, to);

    BW_ASSERT(is_cut || link->cuts > 0);
    link->cuts += is_cut ? 1 : (uint32_t)-1;
}

void sim_net_cut_around(struct sim_world *world, uint32_t host, bool out, bool in, bool is_cut)
{
    for (uint32_t other = 0; other < SIM_HOSTS_MAX; other++) {
        if (other == host || !sim_host_is_meant(world, other))
            continue;
        if (out)
            sim_net_cut(world, host, other, is_cut);
        if (in)
            sim_net_cut(world, other, host, is_cut);
    }
}

void sim_net_slow_answers(struct sim_world *world, uint32_t host, int64_t by_ns)
{
    for (uint32_t other = 0; other < SIM_HOSTS_MAX; other++)
        if (other != host && sim_host_is_meant(world, other)) {
            sim_link(world, other, host)->delay_ns_min += (uint64_t)by_ns;
            sim_link(world, other, host)->delay_ns_max += (uint64_t)by_ns;
        }
}

/* What arrives over a link: checked once more there. */
struct crossing {
    struct sim_process *to;
    uint32_t from_host;
    sim_later_fn fn; /* NULL: an envelope for on_message */
    void *payload;
    sim_drop_fn drop;
};

static uint64_t arrival_of(struct sim_world *world, struct sim_link *link)
{
    struct bw_prng *chance = &world->net->chance;
    uint64_t at_ns = world->now_ns + link->delay_ns_min +
                     bw_prng_below(chance, link->delay_ns_max - link->delay_ns_min + 1);

    if (sim_chance(chance, link->late_per_million))
        at_ns += bw_prng_below(chance, link->late_ns_max);
    if (sim_chance(chance, link->overtake_per_million))
        return at_ns;
    if (at_ns < link->order_ns)
        at_ns = link->order_ns;
    link->order_ns = at_ns;
    return at_ns;
}

static void drop_crossing(void *payload)
{
    struct crossing *crossing = payload;

    if (crossing->drop != NULL)
        crossing->drop(crossing->payload);
    free(crossing);
}

static void arrive(struct sim_process *to, void *payload)
{
    struct crossing *crossing = payload;

    if (sim_link(sim_world_of(to), crossing->from_host, to->host->index)->cuts > 0) {
        drop_crossing(crossing);
        return;
    }
    crossing->fn(to, crossing->payload);
    free(crossing);
}

static void post_copy(struct sim_process *from, struct sim_process *to, uint64_t at_ns,
                      sim_later_fn fn, void *payload, sim_drop_fn drop)
{
    struct sim_world *world = sim_world_of(from);
    struct crossing *crossing = malloc(sizeof *crossing);
    struct sim_event event = {.kind = SIM_EVENT_MESSAGE,
                              .process = to,
                              .life = to->life,
                              .source = from->host->index,
                              .call.later_fn = arrive,
                              .payload = crossing,
                              .drop = drop_crossing};

    BW_ASSERT(crossing != NULL);
    *crossing = (struct crossing){.to = to,
                                  .from_host = from->host->index,
                                  .fn = fn,
                                  .payload = payload,
                                  .drop = drop};
    sim_queue_push(world, at_ns, &event);
}

void sim_net_post(struct sim_process *from, struct sim_process *to, sim_later_fn fn, void *payload,
                  void *(*copy)(const void *payload), sim_drop_fn drop)
{
    struct sim_world *world = sim_world_of(from);
    struct sim_link *link = sim_link(world, from->host->index, to->host->index);
    struct bw_prng *chance = &world->net->chance;

    BW_ASSERT(from->host != to->host);
    if (link->cuts > 0 || to->health == SIM_DEAD || sim_chance(chance, link->loss_per_million)) {
        drop(payload);
        return;
    }
    if (copy != NULL && sim_chance(chance, link->twice_per_million))
        post_copy(from, to, arrival_of(world, link), fn, copy(payload), drop);
    post_copy(from, to, arrival_of(world, link), fn, payload, drop);
}

/* ---- bytes ---- */

static void deliver(struct sim_process *to, void *payload)
{
    const struct sim_envelope *envelope = payload;
    const struct sim_message message = {.from = envelope->from,
                                        .from_life = envelope->from_life,
                                        .channel = envelope->channel,
                                        .tag = envelope->tag,
                                        .size = envelope->size,
                                        .bytes = envelope->bytes};

    to->ops->on_message(to, &message);
    free(payload);
}

static size_t envelope_bytes(const struct sim_envelope *envelope)
{
    return sizeof *envelope + envelope->size;
}

static void *copy_envelope(const void *payload)
{
    const struct sim_envelope *envelope = payload;
    void *copy = malloc(envelope_bytes(envelope));

    BW_ASSERT(copy != NULL);
    memcpy(copy, envelope, envelope_bytes(envelope));
    return copy;
}

static void send_inside(struct sim_process *from, struct sim_process *to,
                        struct sim_envelope *envelope)
{
    struct sim_world *world = sim_world_of(from);
    uint64_t *order_ns = &world->net->order_ns[from->index][to->index];
    const struct sim_event event = {.kind = SIM_EVENT_MESSAGE,
                                    .process = to,
                                    .life = to->life,
                                    .source = from->host->index,
                                    .call.later_fn = deliver,
                                    .payload = envelope,
                                    .drop = free};
    uint64_t at_ns = world->now_ns + LOCAL_NS_MIN +
                     bw_prng_below(&world->net->chance, LOCAL_NS_MAX - LOCAL_NS_MIN);

    if (at_ns < *order_ns)
        at_ns = *order_ns;
    *order_ns = at_ns;
    sim_queue_push(world, at_ns, &event);
}

void sim_send(struct sim_process *from, struct sim_process *to, enum sim_channel channel,
              uint64_t tag, const void *bytes, size_t size)
{
    struct sim_envelope *envelope = malloc(sizeof *envelope + size);

    BW_ASSERT(envelope != NULL);
    *envelope = (struct sim_envelope){.from = from,
                                      .from_life = from->life,
                                      .channel = channel,
                                      .tag = tag,
                                      .size = size};
    if (size > 0)
        memcpy(envelope->bytes, bytes, size);
    sim_mix(sim_world_of(from), (uint64_t)channel << 56 ^ size);
    if (from->host == to->host)
        send_inside(from, to, envelope);
    else
        sim_net_post(from, to, deliver, envelope, copy_envelope, free);
}
