/* raft_message.h - a message of libraft on its way to another witness: a copy of all that it holds.
 */
#ifndef BW_SIM_RAFT_MESSAGE_H
#define BW_SIM_RAFT_MESSAGE_H

#include <raft.h>

#include <breakwater/consensus/hello.h>

struct sim_raft_message {
    struct raft_message message; /* server_id: the sender's */
    struct bw_hello hello;       /* with which the sender has opened their connection */
    struct bw_id to;             /* the directory that this ends at */
};

/* A copy whose sender is `from`; its entries and its snapshot come from raft_malloc, since libraft
 * owns them once it has received them. */
struct sim_raft_message *sim_raft_message_new(const struct raft_message *message, raft_id from,
                                              const struct bw_hello *hello, struct bw_id to);
/* The same of one on its way, and its end: as sim_net_post wants them. */
void *sim_raft_message_copy(const void *message);
void sim_raft_message_drop(void *message);

#endif
