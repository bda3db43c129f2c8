/* net.h - what faults do to the network. Every direction between two machines is one link. */
#ifndef BW_SIM_NET_H
#define BW_SIM_NET_H

#include "world.h"

struct sim_link {
    uint32_t cuts; /* how many faults hold it cut: nothing passes */
    uint32_t loss_per_million, twice_per_million, overtake_per_million;
    uint64_t delay_ns_min, delay_ns_max;
    uint32_t late_per_million; /* of messages that take up to late_ns_max */
    uint64_t late_ns_max;
    uint64_t order_ns; /* the newest arrival: no message overtakes, but by chance */
};

struct sim_net {
    struct sim_link links[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* from, to */
    uint64_t order_ns[SIM_PROCESSES_MAX][SIM_PROCESSES_MAX]; /* inside one machine */
    struct bw_prng chance;
};

void sim_net_init(struct sim_world *world, struct sim_net *net);
/* Once there are machines: all but second enforcers, which stand beside what they watch, are as far as the setting has it. */
void sim_net_part(struct sim_world *world);
static inline struct sim_link *sim_link(struct sim_world *world, uint32_t from, uint32_t to)
{
    return &world->net->links[from][to];
}
void sim_net_cut(struct sim_world *world, uint32_t from, uint32_t to, bool is_cut);
/* The same between a machine and all others: what it says (`out`), what it hears (`in`), or both. */
void sim_net_cut_around(struct sim_world *world, uint32_t host, bool out, bool in, bool is_cut);
/* What a machine hears comes later by `by_ns`, or earlier again; what it says does not. */
void sim_net_slow_answers(struct sim_world *world, uint32_t host, int64_t by_ns);

#endif
