/* unix_socket.h - messages between processes of one machine and one user: guard and agent.
 *
 * A message is length (u32 LE), CRC-32C of the length and the payload (u32 LE), payload. Both sides
 * check that the other is root or their own user. Loop rule: all calls on the loop's thread. */
#ifndef BW_SYS_UNIX_SOCKET_H
#define BW_SYS_UNIX_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/base/limits.h>

#define BW_UNIX_MESSAGE_BYTES_MAX (64 * 1024)
/* Unsent, per connection. Of each group an action, an observation and their answers may be on their way
 * at once, while the other side has a moment without the processor; arms are held back (guard_link.c). */
#define BW_UNIX_QUEUE_BYTES_MAX   (BW_GROUPS_MAX * 4096)
#define BW_UNIX_CONNECTIONS_MAX   16 /* per listener; one more is closed at once */
#define BW_UNIX_HEAD_BYTES        8

/* ---- a connection ---------------------------------------------------------------------------- */

/* On the heap; the loop's until on_closed returns. */
struct bw_unix_connection;

struct bw_unix_events {
    /* Ready to send. For a connection by bw_unix_connect only; may be NULL. */
    void (*on_connected)(struct bw_unix_connection *connection, void *user);
    /* One whole message; `data` is borrowed. The bytes were read just before: a receipt is an
     * instant read in here. */
    void (*on_message)(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user);
    /* Exactly once, as the last call. BW_OK: the other side closed between two messages.
     * BW_ERR_CANCELED: bw_unix_close. BW_ERR_UNREACHABLE: nobody listens. BW_ERR_AUTH: another
     * user's process. BW_ERR_CORRUPT, BW_ERR_LIMIT: what came was no message. Else: `diag`. */
    void (*on_closed)(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user);
};

/* Connects; on_connected or on_closed follows from the loop. Keeps `events` and `user`. */
BW_MUST_CHECK enum bw_err bw_unix_connect(uv_loop_t *loop, const char *path,
                                          const struct bw_unix_events *events, void *user,
                                          struct bw_unix_connection **out_connection,
                                          struct bw_diag *diag);

/* Queues one message (a copy). BW_ERR_LIMIT: it is too large, or the queue is full because the
 * other side does not read: nothing of it is sent. BW_ERR_CANCELED: closing, or not connected yet.
 */
BW_MUST_CHECK enum bw_err bw_unix_send(struct bw_unix_connection *connection, const void *data,
                                       size_t size, struct bw_diag *diag);

/* Bytes that bw_unix_send took and the other side has not: who has much to say waits at half of
 * BW_UNIX_QUEUE_BYTES_MAX, and looks again later. */
size_t bw_unix_queued_bytes(const struct bw_unix_connection *connection);

/* In any state, twice, and from inside a callback. What is queued is dropped. */
void bw_unix_close(struct bw_unix_connection *connection);

/* The process at the other end when it connected, for the log. */
pid_t bw_unix_peer_pid(const struct bw_unix_connection *connection);

/* ---- a listener ------------------------------------------------------------------------------ */

struct bw_unix_listener;
/* Gives the new connection its events; NULL refuses it. `out_user` is kept for them. */
typedef const struct bw_unix_events *(*bw_unix_on_accepted)(struct bw_unix_listener *listener,
                                                            struct bw_unix_connection *connection,
                                                            void *user, void **out_user);

/* A socket that listens at a path, by its file. */
struct bw_unix_bound {
    int fd;
    dev_t device;
    ino_t inode;
};

/* In the caller's memory; the loop's from listen until on_closed. Where memory or descriptors are short
 * whoever connects waits, and is heard once there are some. */
struct bw_unix_listener {
    uv_loop_t *loop;
    struct bw_unix_watch *watch; /* of the socket */
    uv_timer_t again;            /* when what was short is tried again */
    char path[108];
    size_t connection_count;
    bool is_closing;
    bw_unix_on_accepted on_accepted;
    void (*on_closed)(struct bw_unix_listener *listener, void *user);
    void *user;
};

/* Listens at `path`, mode 0600. A socket file that is there already is removed only when it is our
 * user's and nobody answers; BW_ERR_BUSY: somebody does, or is about to: of several that listen at once one
 * does, and the others say who. BW_ERR_EXISTS: it is no socket, or another user's. On an error nothing is left
 * that needs closing. */
BW_MUST_CHECK enum bw_err bw_unix_listen(struct bw_unix_listener *listener, uv_loop_t *loop,
                                         const char *path, bw_unix_on_accepted on_accepted,
                                         void *user, struct bw_diag *diag);
/* Its first half: any thread may wait here, as long as the file system does. `*out_bound` is the caller's. */
BW_MUST_CHECK enum bw_err bw_unix_bind(const char *path, struct bw_unix_bound *out_bound,
                                       struct bw_diag *diag);
/* Closes it, and removes its file, but nobody else's. */
void bw_unix_unbind(const char *path, const struct bw_unix_bound *bound);
/* Whether its file is still at `path`. Asks the file system, which may hang. */
bool bw_unix_is_at(const char *path, const struct bw_unix_bound *bound);
/* Its second half. Takes what bw_unix_bind has made at this path; on an error it is still the caller's. */
BW_MUST_CHECK enum bw_err bw_unix_listen_on(struct bw_unix_listener *listener, uv_loop_t *loop,
                                            const char *path, const struct bw_unix_bound *bound,
                                            bw_unix_on_accepted on_accepted, void *user,
                                            struct bw_diag *diag);
const struct bw_unix_bound *bw_unix_listener_bound(const struct bw_unix_listener *listener);
/* Listens by `bound` from here on, which it takes, unless on an error; closes the socket of before, whose
 * connections live on. */
BW_MUST_CHECK enum bw_err bw_unix_listener_replace(struct bw_unix_listener *listener,
                                                   const struct bw_unix_bound *bound,
                                                   struct bw_diag *diag);
/* Removes the socket file. Connections live on until closed; the listener must outlive them. */
void bw_unix_listener_close(struct bw_unix_listener *listener,
                            void (*on_closed)(struct bw_unix_listener *listener, void *user));

#endif
