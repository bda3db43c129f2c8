/* node_role.h - what a witness is in Raft at the moment. */
#ifndef BW_CONSENSUS_NODE_ROLE_H
#define BW_CONSENSUS_NODE_ROLE_H

enum bw_node_role { BW_NODE_FOLLOWER, BW_NODE_CANDIDATE, BW_NODE_LEADER };

/* "follower", ...; static. */
const char *bw_node_role_text(enum bw_node_role role);

#endif
