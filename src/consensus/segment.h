/* segment.h - libraft's open log segments, looked at before libraft does.
 *
 * A crash may leave the last batch of entries torn. libraft 0.22.1 drops a batch whose checksum is
 * wrong, but when the file ends inside a batch it frees what it has read twice and aborts. Such a
 * file is cut back here to its last whole batch, which is what libraft does with the other kind. */
#ifndef BW_CONSENSUS_SEGMENT_H
#define BW_CONSENSUS_SEGMENT_H

#include <breakwater/base/diag.h>

/* For each `open-N` in the directory `path`; *out_count: how many were cut. Call it before
 * raft_start, with the directory locked. */
BW_MUST_CHECK enum bw_err bw_segment_cut_torn(const char *path, unsigned *out_count,
                                              struct bw_diag *diag);

#endif
