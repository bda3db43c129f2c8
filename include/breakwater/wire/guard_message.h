/* guard_message.h - what a guard exchanges, as bytes: messages with its agent, and with its enforcer. With the agent
 * (proto/guard.proto, design 3.4) they are not framed: the socket's messages (sys/unix_socket.h) have length and checksum. */
#ifndef BW_WIRE_GUARD_MESSAGE_H
#define BW_WIRE_GUARD_MESSAGE_H

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/core/enforcer.h>
#include <breakwater/core/guard_link.h>

#define BW_GUARD_MESSAGE_BYTES_MAX 2048

/* `out` NULL: only *out_size. Only the member of its kind is written. BW_ERR_INVALID: a value that
 * could not be read again; `group` is set exactly where the kind is about a group. BW_ERR_LIMIT,
 * BW_ERR_NOMEM. On an error *out_size is untouched, `out` is not. */
BW_MUST_CHECK enum bw_err bw_guard_message_encode(const struct bw_guard_message *message, void *out,
                                                  size_t out_max, size_t *out_size,
                                                  struct bw_diag *diag);

/* BW_ERR_VERSION: an unknown kind or value, or a newer format; unknown fields are ignored.
 * BW_ERR_CORRUPT, BW_ERR_LIMIT, BW_ERR_NOMEM. On an error `out_message` is untouched. */
BW_MUST_CHECK enum bw_err bw_guard_message_decode(const void *data, size_t size,
                                                  struct bw_guard_message *out_message,
                                                  struct bw_diag *diag);

/* What a guard and its enforcer say to each other (proto/PROTOCOL.md, "guard and
 * enforcer"): one frame in one packet of a unix socket. Of fixed layout and without any memory of its
 * own: the enforcer reads them while nothing may be allocated. Every length is checked here. */

/* X(NAME). */
#define BW_ENFORCER_MESSAGE_LIST(X)                                                               \
    X(DEADLINES) /* guard: hold these; TAKEN follows */                                           \
    X(OVER)      /* guard: nothing of these epochs or below is to be ended any more */            \
    X(REACH)     /* guard: the descriptors that end `orders[0].group`, instead of all before */   \
    X(TAKEN)     /* enforcer: it holds those of the frame `number`, but for the ones named here */ \
    X(KILLED)    /* enforcer: KILL went out to these */                                           \
    X(SUCCEED)   /* a later guard: these groups are known up to these epochs */                   \
    X(RELIEVE)   /* a later guard: that was all; KEPT follows */                                  \
    X(KEPT)      /* enforcer: it goes on with those named here; none: it ends */\
    X(PATHS)     /* guard: `paths` are the cgroups of `orders[0].group`, and those of its units, up or not */
enum bw_enforcer_message_kind {
#define X(name) BW_ENFORCER_MESSAGE_##name,
    BW_ENFORCER_MESSAGE_LIST(X)
#undef X
    BW_ENFORCER_MESSAGE_COUNT
};

/* What kind of descriptor ends processes. */
enum bw_enforcer_means {
    BW_ENFORCER_BY_KILL_FILE, /* cgroup.kill: write "1"; may wait */
    BW_ENFORCER_BY_PROCS,     /* cgroup.procs: who is listed there, one by one; waits for nobody */
    BW_ENFORCER_BY_PIDFD,     /* one process */
    BW_ENFORCER_MEANS_COUNT
};

#define BW_ENFORCER_NAME_PREFIX "enforcer-" /* RUN_DIR/SITE-guard/enforcer-ID: its socket */
#define BW_ENFORCER_ID_CHARS    16          /* of ID, hexadecimal */
/* What lies beside it may begin alike: the mirror of a group whose name does. */
bool bw_enforcer_is_name(const char *name);
#define BW_ENFORCER_MEANS_MAX  250 /* descriptors of one group; a packet takes up to 253 */
/* Of the cgroups of one group and its units, as absolute paths, each with a NUL. */
#define BW_ENFORCER_PATHS_BYTES 4096
#define BW_ENFORCER_ORDER_BYTES (BW_NAME_MAX + 1 + 4 * 8)
#define BW_ENFORCER_HEAD_BYTES  16
#define BW_ENFORCER_FRAME_BYTES_MAX                                                                \
    (BW_ENFORCER_HEAD_BYTES + BW_ENFORCER_ORDERS_MAX * BW_ENFORCER_ORDER_BYTES +                  \
     BW_ENFORCER_MEANS_MAX)

struct bw_enforcer_message {
    enum bw_enforcer_message_kind kind;
    uint64_t number; /* DEADLINES TAKEN */
    uint32_t order_count;
    struct bw_enforcer_order orders[BW_ENFORCER_ORDERS_MAX]; /* OVER KILLED SUCCEED: group, epoch */
    uint32_t means_count;                                    /* REACH: as many as descriptors */
    enum bw_enforcer_means means[BW_ENFORCER_MEANS_MAX];
    uint32_t path_bytes; /* PATHS */
    char paths[BW_ENFORCER_PATHS_BYTES];
};

/* Returns its size. */
size_t bw_enforcer_message_encode(const struct bw_enforcer_message *message,
                                  uint8_t out[BW_ENFORCER_FRAME_BYTES_MAX]);
/* BW_ERR_CORRUPT, BW_ERR_VERSION; the output is then half-written. */
BW_MUST_CHECK enum bw_err bw_enforcer_message_decode(const uint8_t *data, size_t size,
                                                     struct bw_enforcer_message *out_message);

#endif
