/* raft_message.h - a message of libraft on its way to another witness: a copy of all that it holds.
 */
#ifndef BW_SIM_RAFT_MESSAGE_H
#define BW_SIM_RAFT_MESSAGE_H

#include <raft.h>

#include <breakwater/base/id.h>

struct sim_raft_message {
    struct raft_message message; /* server_id: the sender's */
    /* Of sender and receiver, as the hello of their connection has said it. */
    struct bw_id incarnation, to;
    uint32_t level; /* of the sender, likewise */
};

/* A copy whose sender is `from`; its entries and its snapshot come from raft_malloc, since libraft
 * owns them once it has received them. */
struct sim_raft_message *sim_raft_message_new(const struct raft_message *message, raft_id from,
                                              struct bw_id incarnation, struct bw_id to,
                                              uint32_t level);
/* The same of one on its way, and its end: as sim_net_post wants them. */
void *sim_raft_message_copy(const void *message);
void sim_raft_message_drop(void *message);

#endif
