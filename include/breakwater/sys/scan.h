/* scan.h - looking for a tree of processes that only /proc knows (process_tree.h), on a thread of its
 * own: with thousands of processes it takes a second, and no deadline waits for it (3.4). */
#ifndef BW_SYS_SCAN_H
#define BW_SYS_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/base/instant.h>

/* One round over a tree: `signal` to all that belong to it, 0 to see it. There is one thread for the whole program: what waits for it is served by
 * one and the same look at all processes, which begins after the round was asked for. */
struct bw_scan;

/* A round that has not ended by then has seen nothing: /proc does not answer for a process whose memory map is held by
 * one that waits for a disk. One that nobody will ask for signals so long whom it finds. */
#define BW_SCAN_NS (5 * BW_NS_PER_S)

/* `mark` and `with_strays` as in struct bw_process_tree; copied. `out_scan` NULL: nobody will
 * ask for its result. BW_ERR_NOMEM, or no thread could be made: nothing was begun. */
BW_MUST_CHECK enum bw_err bw_scan_begin(int signal, const char *mark, bool with_strays,
                                        struct bw_scan **out_scan, struct bw_diag *diag);
/* False: it is still under way. True, with its result: BW_OK and whether none was found, twice in a row;
 * anything else: it could not be seen, as `diag` says. */
bool bw_scan_is_over(struct bw_scan *scan, enum bw_err *out_err, bool *out_empty,
                     struct bw_diag *diag);
/* Of one that is over: who was found, not all of more than BW_SCAN_FOUND_MAX. */
#define BW_SCAN_FOUND_MAX 64
size_t bw_scan_found(const struct bw_scan *scan, pid_t out_pids[BW_SCAN_FOUND_MAX]);
/* In any state; accepts NULL. One that waits does not begin, and a round under way signals nobody any more: it may have
 * stood still, and who is found from then on has come since. */
void bw_scan_free(struct bw_scan *scan);

#endif
