/* snapshot.h - a whole cluster as bytes (proto/snapshot.proto): a frame for the cluster, one for each
 * group, one that ends it. Converted group by group: beside `out`, neither way needs more than about
 * 1 MiB. Design 5.3. The same state gives the same bytes on every witness. */
#ifndef BW_WIRE_SNAPSHOT_H
#define BW_WIRE_SNAPSHOT_H

#include <breakwater/core/cluster.h>

/* Writes to `out` of `out_max` bytes; `out` NULL: only *out_size. At most BW_SNAPSHOT_BYTES_MAX.
 * BW_ERR_INVALID: a value that could not be read again. BW_ERR_LIMIT, BW_ERR_NOMEM. On an error
 * *out_size is untouched, `out` is not. */
BW_MUST_CHECK enum bw_err bw_snapshot_encode(const struct bw_cluster *cluster, void *out,
                                             size_t out_max, size_t *out_size,
                                             struct bw_diag *diag);

/* Replaces all that `cluster` (which bw_cluster_init has seen) holds; groups keep their places, gaps
 * too. Everything is checked, bw_group_is_sound too, before anything is written: on an error
 * `cluster` is untouched. BW_ERR_VERSION: of a newer breakwater. BW_ERR_CORRUPT: damaged, or more or
 * less than one snapshot. BW_ERR_LIMIT: larger than BW_SNAPSHOT_BYTES_MAX, or more places than
 * `cluster->group_capacity`. BW_ERR_NOMEM. */
BW_MUST_CHECK enum bw_err bw_snapshot_decode(const void *data, size_t size,
                                             struct bw_cluster *cluster, struct bw_diag *diag);

#endif
