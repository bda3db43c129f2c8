/* safe_load.h - what a member begins with: rules L10 and L28 of safe_io.h. */
#ifndef BW_CONSENSUS_SAFE_LOAD_H
#define BW_CONSENSUS_SAFE_LOAD_H

#include <breakwater/consensus/safe_io.h>

/* The methods of raft_io. */
int bw_safe_load(struct raft_io *io, raft_term *term, raft_id *vote, struct raft_snapshot **snapshot,
                 raft_index *start, struct raft_entry *entries[], size_t *count);
int bw_safe_bootstrap(struct raft_io *io, const struct raft_configuration *configuration);

#endif
