/* voter_internal.h - what the files of a voter share: voter.c, voter_members.c. */
#ifndef BW_CONSENSUS_VOTER_INTERNAL_H
#define BW_CONSENSUS_VOTER_INTERNAL_H

#include <breakwater/consensus/voter.h>

/* It leads, and its log is young no more (L21). */
bool bw_voter_may_submit(const struct bw_voter *voter);
unsigned bw_voter_count(const struct raft *raft);

#endif
