/* safe_message.h - what is wrong with libraft's messages, put right as they leave and arrive: rules
 * L5, L7, L12..L16 and L26 of safe_io.h. Each correction is one that Raft allows at any time. */
#ifndef BW_CONSENSUS_SAFE_MESSAGE_H
#define BW_CONSENSUS_SAFE_MESSAGE_H

#include <breakwater/consensus/safe_io.h>

/* Frees what a received message holds, which libraft would own. */
void bw_safe_message_drop(struct raft_message *message);

/* Of the copy that leaves. */
void bw_safe_message_correct_sent(struct bw_safe_io *safe, struct raft_message *message);
/* Right before libraft gets it; what leaves until bw_safe_message_answered is an answer to it. */
void bw_safe_message_correct_received(struct bw_safe_io *safe, struct raft_message *message);
void bw_safe_message_answered(struct bw_safe_io *safe);

#endif
