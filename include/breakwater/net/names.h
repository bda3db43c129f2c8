/* names.h - the addresses of peers that are known by name: what lookups have answered, and which address was good last.
 * Witness, agent, second enforcer and commands dial by it. Design 5.3.
 *
 * A lookup may take as long as the system's resolver takes, and its answer is kept however late it comes. Who dials does
 * not wait for a lookup while an address is kept: both go on side by side. An address that is kept is trusted for
 * nothing: the certificate at the other end says who is there.
 *
 * The memory outlives the loop that it is opened on: a command has one loop after the other. All calls and callbacks
 * belong to the loop's thread. Lookups and writes to the disk run on threads that may outlive all of this. */
#ifndef BW_NET_NAMES_H
#define BW_NET_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>
#include <breakwater/obs/log.h>

#define BW_NAMES_MAX           32 /* names in one memory; a new one takes the place of the one that was used least lately */
#define BW_NAME_ADDRESSES_MAX  6  /* of one name */
#define BW_NAMES_BYTES_MAX     (BW_NAMES_MAX * 512) /* of the file that keeps them */

struct bw_names;

/* NULL: no memory. */
struct bw_names *bw_names_new(void);
/* Before the first look, on a loop. BW_ERR_IO: no file descriptor is left. */
BW_MUST_CHECK enum bw_err bw_names_open(struct bw_names *names, uv_loop_t *loop, struct bw_diag *diag);
/* Lets the loop go. Nobody may wait any more; what is looked up now is thrown away. May be opened again. Accepts NULL,
 * and what is not open. */
void bw_names_close(struct bw_names *names);
/* Once it is closed. Accepts NULL. */
void bw_names_free(struct bw_names *names);

/* A new one that is open, for a daemon: takes what `file` in the directory `path` has, and writes the last good address of
 * each name there, or the first one of an answer, whenever one changes, on a thread of its own. A file that is missing, damaged or hostile costs the first
 * dial its head start, no more. `log` is kept. On an error nothing is left behind. */
#define BW_NAMES_FILE        "names"
#define BW_NAMES_FILE_SUFFIX ".names" /* beside files of several clusters */
BW_MUST_CHECK enum bw_err bw_names_open_kept(struct bw_names **out_names, uv_loop_t *loop, const char *path,
                                             const char *file, struct bw_log *log, struct bw_diag *diag);

/* The addresses of `host` in the order in which they are to be dialed, without a port: those of the newest answer, the
 * one that was good last before the others; last a good one that the newest answer has no more. 0: none is known.
 * A numeric host has itself. */
size_t bw_names_get(struct bw_names *names, const char *host,
                    struct sockaddr_storage out_addresses[BW_NAME_ADDRESSES_MAX]);

/* One that waits for a lookup to end. In the caller's memory until on_end was called or it was given up. */
struct bw_names_wait {
    void (*on_end)(struct bw_names_wait *wait, const char *failure); /* NULL: get has what was answered */
    struct bw_names_wait *next, **previous; /* names.c's; previous NULL: it does not wait */
    const void *of;                         /* likewise */
};
/* Has `host` looked up, unless that has just been done or is being done. True: `wait` is told of the end, from the loop;
 * false: there is nothing to wait for. `wait` NULL: nobody waits. */
bool bw_names_look(struct bw_names *names, const char *host, struct bw_names_wait *wait);
/* For a peer that is dialed on some bad day only: has the host of `address` (HOST:PORT) looked up if that was not done in
 * the last minute. Called every few seconds, so that an address is known when it is needed. */
void bw_names_foresee(struct bw_names *names, const char *address);
/* It is told nothing more. One that does not wait is accepted. */
void bw_names_give_up(struct bw_names_wait *wait);

/* `address` (its port does not count) has led to the peer that was meant; or it has not, and the others come first. */
void bw_names_note(struct bw_names *names, const char *host, const struct sockaddr *address, bool is_good);

/* The file: a line "HOST ADDRESS" for each. */
struct bw_name_kept {
    char host[BW_ADDRESS_MAX + 1];
    struct sockaddr_storage address;
};
/* As many as fit into BW_NAMES_BYTES_MAX; how many bytes these are. */
size_t bw_names_encode(const struct bw_name_kept *kept, size_t count, char out[BW_NAMES_BYTES_MAX]);
/* BW_ERR_CORRUPT: none of it counts. */
BW_MUST_CHECK enum bw_err bw_names_decode(const char *bytes, size_t size, struct bw_name_kept out[BW_NAMES_MAX],
                                          size_t *out_count, struct bw_diag *diag);

#endif
