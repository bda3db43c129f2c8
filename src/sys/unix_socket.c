#include <breakwater/sys/unix_socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/os/state_dir.h>

#define BACKLOG         8
#define ACCEPT_AGAIN_MS 100 /* where memory or a descriptor was short */

struct bw_unix_connection {
    uv_pipe_t pipe;
    uv_connect_t connect;
    const struct bw_unix_events *events;
    void *user;
    struct bw_unix_listener *listener; /* NULL: we connected */
    pid_t peer_pid;
    bool is_ready;
    bool is_closing;
    uint8_t head[BW_UNIX_HEAD_BYTES];
    uint8_t *payload; /* of the message in progress */
    size_t used;      /* of head and payload together */
    size_t size;      /* of the payload, once the head is there */
    struct bw_diag diag;
};

struct write {
    uv_write_t request;
    uint8_t frame[]; /* head and payload */
};

_Static_assert(sizeof((struct bw_unix_listener *)0)->path ==
                   sizeof((struct sockaddr_un *)0)->sun_path,
               "a path is cut nowhere");

/* ---- the end of a connection ----------------------------------------------------------------- */

static void on_pipe_closed(uv_handle_t *handle)
{
    struct bw_unix_connection *connection = handle->data;

    if (connection->listener != NULL)
        connection->listener->connection_count--;
    if (connection->events != NULL)
        connection->events->on_closed(connection, connection->diag.err, &connection->diag,
                                      connection->user);
    free(connection->payload);
    free(connection);
}

/* The diag already says why. */
static void end(struct bw_unix_connection *connection)
{
    if (connection->is_closing)
        return;
    connection->is_closing = true;
    connection->is_ready = false;
    uv_close((uv_handle_t *)&connection->pipe, on_pipe_closed);
}

void bw_unix_close(struct bw_unix_connection *connection)
{
    if (!connection->is_closing)
        (void)bw_diag_set(&connection->diag, BW_ERR_CANCELED, "closed by this side");
    end(connection);
}

size_t bw_unix_queued_bytes(const struct bw_unix_connection *connection)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&connection->pipe);
}

pid_t bw_unix_peer_pid(const struct bw_unix_connection *connection)
{
    return connection->peer_pid;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Exactly what is missing of the head, then of the payload: nothing is read ahead or copied. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct bw_unix_connection *connection = handle->data;
    size_t used = connection->used;

    (void)suggested;
    if (used < BW_UNIX_HEAD_BYTES)
        *out = uv_buf_init((char *)connection->head + used, (unsigned)(BW_UNIX_HEAD_BYTES - used));
    else
        *out = uv_buf_init((char *)connection->payload + (used - BW_UNIX_HEAD_BYTES),
                           (unsigned)(connection->size - (used - BW_UNIX_HEAD_BYTES)));
}

static void take_head(struct bw_unix_connection *connection)
{
    uint32_t size = bw_get_u32le(connection->head);

    if (size > BW_UNIX_MESSAGE_BYTES_MAX) {
        (void)bw_diag_set(&connection->diag, BW_ERR_LIMIT,
                          "process %ld announced a message of %u bytes, the limit is %d",
                          (long)connection->peer_pid, (unsigned)size, BW_UNIX_MESSAGE_BYTES_MAX);
        end(connection);
        return;
    }
    connection->size = size;
    connection->payload = malloc(size > 0 ? size : 1);
    if (connection->payload == NULL) {
        (void)bw_diag_set(&connection->diag, BW_ERR_NOMEM, "receive %u bytes", (unsigned)size);
        end(connection);
    }
}

static uint32_t checksum(const uint8_t head[4], const uint8_t *payload, size_t size)
{
    return bw_crc32c(bw_crc32c(0, head, 4), payload, size);
}

static void take_message(struct bw_unix_connection *connection)
{
    uint8_t *payload = connection->payload;
    size_t size = connection->size;

    connection->payload = NULL;
    connection->used = 0;
    if (checksum(connection->head, payload, size) == bw_get_u32le(connection->head + 4)) {
        connection->events->on_message(connection, payload, size, connection->user);
    } else {
        (void)bw_diag_set(&connection->diag, BW_ERR_CORRUPT,
                          "a message of process %ld has a wrong checksum",
                          (long)connection->peer_pid);
        end(connection);
    }
    free(payload);
}

static void note_end_of_stream(struct bw_unix_connection *connection, ssize_t got)
{
    if (got != UV_EOF)
        (void)bw_diag_errno(&connection->diag, (int)-got, "read from process %ld",
                            (long)connection->peer_pid);
    else if (connection->used > 0)
        (void)bw_diag_set(&connection->diag, BW_ERR_CORRUPT,
                          "process %ld closed in the middle of a message",
                          (long)connection->peer_pid);
    else
        (void)bw_diag_set(&connection->diag, BW_OK, "process %ld closed",
                          (long)connection->peer_pid);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct bw_unix_connection *connection = stream->data;

    (void)buffer;
    if (connection->is_closing || got == 0)
        return;
    if (got < 0) {
        note_end_of_stream(connection, got);
        end(connection);
        return;
    }
    connection->used += (size_t)got;
    if (connection->used == BW_UNIX_HEAD_BYTES && connection->payload == NULL)
        take_head(connection);
    if (!connection->is_closing && connection->payload != NULL &&
        connection->used == BW_UNIX_HEAD_BYTES + connection->size)
        take_message(connection);
}

/* ---- beginning ------------------------------------------------------------------------------- */

static enum bw_err check_peer(struct bw_unix_connection *connection, struct bw_diag *diag)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&connection->pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return bw_diag_errno(diag, errno, "ask who is at the other end");
    connection->peer_pid = peer.pid;
    if (peer.uid != 0 && peer.uid != geteuid())
        return bw_diag_set(diag, BW_ERR_AUTH,
                           "process %ld belongs to user %u: only root and user %u may talk here",
                           (long)peer.pid, (unsigned)peer.uid, (unsigned)geteuid());
    return BW_OK;
}

/* Checks the other end and begins to read. */
static bool begin(struct bw_unix_connection *connection)
{
    int rc;

    if (check_peer(connection, &connection->diag) != BW_OK) {
        end(connection);
        return false;
    }
    rc = uv_read_start((uv_stream_t *)&connection->pipe, on_alloc, on_read);
    if (rc != 0) {
        (void)bw_diag_errno(&connection->diag, -rc, "read from a socket");
        end(connection);
        return false;
    }
    connection->is_ready = true;
    return true;
}

static enum bw_err new_connection(uv_loop_t *loop, struct bw_unix_connection **out_connection,
                                  struct bw_diag *diag)
{
    struct bw_unix_connection *connection = calloc(1, sizeof *connection);
    int rc;

    if (connection == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "make a connection");
    rc = uv_pipe_init(loop, &connection->pipe, 0);
    if (rc != 0) {
        free(connection);
        return bw_diag_errno(diag, -rc, "make a connection");
    }
    connection->pipe.data = connection;
    *out_connection = connection;
    return BW_OK;
}

static void on_connect(uv_connect_t *request, int status)
{
    struct bw_unix_connection *connection = request->data;

    if (connection->is_closing)
        return;
    if (status != 0) {
        (void)bw_diag_errno(&connection->diag, -status, "connect");
        connection->diag.err = BW_ERR_UNREACHABLE;
        end(connection);
        return;
    }
    if (begin(connection) && connection->events->on_connected != NULL)
        connection->events->on_connected(connection, connection->user);
}

static enum bw_err check_path(const char *path, struct bw_diag *diag)
{
    const size_t max = sizeof((struct sockaddr_un *)0)->sun_path - 1;

    if (path[0] == '\0' || strlen(path) > max)
        return bw_diag_set(diag, BW_ERR_LIMIT, "socket path %s: expected 1 to %zu bytes", path,
                           max);
    return BW_OK;
}

enum bw_err bw_unix_connect(uv_loop_t *loop, const char *path, const struct bw_unix_events *events,
                            void *user, struct bw_unix_connection **out_connection,
                            struct bw_diag *diag)
{
    struct bw_unix_connection *connection = NULL;
    enum bw_err err = check_path(path, diag);

    if (err == BW_OK)
        err = new_connection(loop, &connection, diag);
    if (err != BW_OK)
        return err;
    connection->events = events;
    connection->user = user;
    connection->connect.data = connection;
    uv_pipe_connect(&connection->connect, &connection->pipe, path, on_connect);
    *out_connection = connection;
    return BW_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
    struct bw_unix_connection *connection = request->handle->data;

    free(request); /* the first member of a struct write */
    if (status == 0 || connection->is_closing)
        return;
    (void)bw_diag_errno(&connection->diag, -status, "write to process %ld",
                        (long)connection->peer_pid);
    end(connection);
}

enum bw_err bw_unix_send(struct bw_unix_connection *connection, const void *data, size_t size,
                         struct bw_diag *diag)
{
    size_t queued = uv_stream_get_write_queue_size((const uv_stream_t *)&connection->pipe);
    struct write *write;
    uv_buf_t buffer;
    int rc;

    if (!connection->is_ready)
        return bw_diag_set(diag, BW_ERR_CANCELED, "send: not connected");
    if (size > BW_UNIX_MESSAGE_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "send: %zu bytes, the limit is %d", size,
                           BW_UNIX_MESSAGE_BYTES_MAX);
    if (queued + BW_UNIX_HEAD_BYTES + size > BW_UNIX_QUEUE_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT,
                           "send: process %ld does not read: %zu bytes wait, the limit is %d",
                           (long)connection->peer_pid, queued, BW_UNIX_QUEUE_BYTES_MAX);
    write = malloc(sizeof *write + BW_UNIX_HEAD_BYTES + size);
    if (write == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "send %zu bytes", size);
    bw_put_u32le(write->frame, (uint32_t)size);
    if (size > 0)
        memcpy(write->frame + BW_UNIX_HEAD_BYTES, data, size);
    bw_put_u32le(write->frame + 4, checksum(write->frame, write->frame + BW_UNIX_HEAD_BYTES, size));
    buffer = uv_buf_init((char *)write->frame, (unsigned)(BW_UNIX_HEAD_BYTES + size));
    rc = uv_write(&write->request, (uv_stream_t *)&connection->pipe, &buffer, 1, on_written);
    if (rc == 0)
        return BW_OK;
    free(write);
    return bw_diag_errno(diag, -rc, "send %zu bytes", size);
}

/* ---- listening ------------------------------------------------------------------------------- */

static void fill_address(struct sockaddr_un *out, const char *path)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    BW_ASSERT(bw_copy_text(out->sun_path, sizeof out->sun_path, path)); /* check_path */
}

/* Only "refused" says that nobody listens; everything else may be somebody who is busy. `*out_pid`: whose process
 * listens; 0: it does not say. */
static bool is_abandoned(const struct sockaddr_un *address, pid_t *out_pid)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    bool is_connected, is_refused;

    *out_pid = 0;
    if (fd < 0)
        return false;
    is_connected = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    is_refused = !is_connected && errno == ECONNREFUSED;
    if (is_connected && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        *out_pid = peer.pid;
    (void)close(fd); /* nothing was said */
    return is_refused;
}

static enum bw_err refuse_busy(const char *path, pid_t pid, struct bw_diag *diag)
{
    char who[32] = "";

    if (pid > 0)
        (void)snprintf(who, sizeof who, ": pid %ld", (long)pid);
    return bw_diag_set(diag, BW_ERR_BUSY,
                       "listen at %s: another process answers there%s (is it running twice?)", path, who);
}

static enum bw_err remove_stale(const struct sockaddr_un *address, struct bw_diag *diag)
{
    const char *path = address->sun_path;
    struct stat st;
    pid_t pid;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? BW_OK : bw_diag_errno(diag, errno, "look at %s", path);
    if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
        return bw_diag_set(diag, BW_ERR_EXISTS,
                           "listen at %s: %s of user %u is there; it was left alone (move it away)",
                           path, S_ISSOCK(st.st_mode) ? "a socket" : "a file that is no socket",
                           (unsigned)st.st_uid);
    if (!is_abandoned(address, &pid))
        return refuse_busy(path, pid, diag);
    if (unlink(path) != 0 && errno != ENOENT)
        return bw_diag_errno(diag, errno, "remove the abandoned socket %s", path);
    return BW_OK;
}

/* The mode is the socket's own before it has a name, and so the file's from its first moment on: a chmod after bind
 * would be too late, and a umask is the other threads', too. */
static enum bw_err bind_fd(int fd, const struct sockaddr_un *address, struct bw_unix_bound *out_bound,
                           struct bw_diag *diag)
{
    struct stat st;

    if (fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof *address) != 0 || listen(fd, BACKLOG) != 0)
        return bw_diag_errno(diag, errno, "listen at %s", address->sun_path);
    if (lstat(address->sun_path, &st) != 0)
        return bw_diag_errno(diag, errno, "look at %s", address->sun_path);
    *out_bound = (struct bw_unix_bound){.fd = fd, .device = st.st_dev, .inode = st.st_ino};
    return BW_OK;
}

static enum bw_err bind_locked(const char *path, struct bw_unix_bound *out_bound, struct bw_diag *diag)
{
    struct sockaddr_un address;
    enum bw_err err;
    int fd;

    fill_address(&address, path);
    err = remove_stale(&address, diag);
    if (err != BW_OK)
        return err;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "listen at %s", path);
    err = bind_fd(fd, &address, out_bound, diag);
    if (err != BW_OK)
        (void)close(fd); /* nothing was said */
    return err;
}

/* Two that begin at once: a socket that is bound and does not listen yet refuses like an abandoned one, and what was
 * found abandoned may be another one's by the time it is removed. So one at a time looks and listens. */
enum bw_err bw_unix_bind(const char *path, struct bw_unix_bound *out_bound, struct bw_diag *diag)
{
    struct bw_path_lock lock;
    enum bw_err err = check_path(path, diag);

    if (err != BW_OK)
        return err;
    err = bw_path_lock(path, &lock, diag);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "listen at %s", path);
    err = bind_locked(path, out_bound, diag);
    bw_path_unlock(&lock);
    return err;
}

bool bw_unix_is_at(const char *path, const struct bw_unix_bound *bound)
{
    struct stat st;

    return lstat(path, &st) == 0 && st.st_dev == bound->device && st.st_ino == bound->inode;
}

void bw_unix_unbind(const char *path, const struct bw_unix_bound *bound)
{
    if (bw_unix_is_at(path, bound))
        (void)unlink(path); /* left behind, the next listener removes it */
    (void)close(bound->fd); /* who has connected hears so */
}

/* ---- the listener's loop --------------------------------------------------------------------- */

/* What the loop watches for a listener: memory of its own, which the loop lets go of later. */
struct bw_unix_watch {
    uv_poll_t poll;
    struct bw_unix_bound bound;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void watch(struct bw_unix_listener *listener)
{
    BW_ASSERT(uv_poll_start(&listener->watch->poll, UV_READABLE, on_readable) == 0); /* it is open */
}

static void on_again(uv_timer_t *timer)
{
    watch(timer->data);
}

/* What is short may be there a moment later. Who has connected waits in the kernel until then; the loop neither
 * forgets him nor turns without end over what it cannot take. */
static void pause_accepting(struct bw_unix_listener *listener)
{
    (void)uv_poll_stop(&listener->watch->poll);                          /* always 0 */
    (void)uv_timer_start(&listener->again, on_again, ACCEPT_AGAIN_MS, 0); /* has a callback */
}

static bool is_nobody_there(int os_errno)
{
    return os_errno == EAGAIN || os_errno == EINTR || os_errno == ECONNABORTED;
}

/* NULL: nobody is there any more, or memory or a descriptor is short. */
static struct bw_unix_connection *accept_one(struct bw_unix_listener *listener)
{
    struct bw_unix_connection *connection = calloc(1, sizeof *connection);
    const int fd = connection == NULL ? -1
                                      : accept4(listener->watch->bound.fd, NULL, NULL,
                                                SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (connection == NULL || !is_nobody_there(errno))
            pause_accepting(listener);
        free(connection);
        return NULL;
    }
    BW_ASSERT(uv_pipe_init(listener->loop, &connection->pipe, 0) == 0); /* libuv: never fails */
    BW_ASSERT(uv_pipe_open(&connection->pipe, fd) == 0); /* a socket, just made */
    connection->pipe.data = connection;
    connection->listener = listener;
    listener->connection_count++;
    return connection;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bw_unix_listener *listener = poll->data;
    struct bw_unix_connection *connection = accept_one(listener);

    (void)status; /* an error is met again by accept4 */
    (void)events;
    if (connection == NULL)
        return;
    if (listener->connection_count > BW_UNIX_CONNECTIONS_MAX ||
        check_peer(connection, &connection->diag) != BW_OK) {
        end(connection); /* nobody has heard of it yet */
        return;
    }
    connection->events = listener->on_accepted(listener, connection, listener->user,
                                               &connection->user);
    if (connection->events == NULL)
        end(connection);
    else
        (void)begin(connection); /* what it meets, on_closed tells */
}

static enum bw_err new_watch(struct bw_unix_listener *listener, const struct bw_unix_bound *bound,
                             struct bw_unix_watch **out_watch, struct bw_diag *diag)
{
    struct bw_unix_watch *fresh = malloc(sizeof *fresh);
    int rc;

    if (fresh == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "listen at %s", listener->path);
    rc = uv_poll_init(listener->loop, &fresh->poll, bound->fd);
    if (rc != 0) {
        free(fresh);
        return bw_diag_errno(diag, -rc, "listen at %s", listener->path);
    }
    fresh->bound = *bound;
    fresh->poll.data = listener;
    *out_watch = fresh;
    return BW_OK;
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle); /* the first member of a struct bw_unix_watch */
}

enum bw_err bw_unix_listen_on(struct bw_unix_listener *listener, uv_loop_t *loop, const char *path,
                              const struct bw_unix_bound *bound, bw_unix_on_accepted on_accepted,
                              void *user, struct bw_diag *diag)
{
    enum bw_err err;

    *listener = (struct bw_unix_listener){.loop = loop, .on_accepted = on_accepted, .user = user};
    BW_ASSERT(bw_copy_text(listener->path, sizeof listener->path, path)); /* bw_unix_bind took it */
    err = new_watch(listener, bound, &listener->watch, diag);
    if (err != BW_OK)
        return err;
    BW_ASSERT(uv_timer_init(loop, &listener->again) == 0); /* libuv: never fails */
    listener->again.data = listener;
    watch(listener);
    return BW_OK;
}

enum bw_err bw_unix_listen(struct bw_unix_listener *listener, uv_loop_t *loop, const char *path,
                           bw_unix_on_accepted on_accepted, void *user, struct bw_diag *diag)
{
    struct bw_unix_bound bound;
    enum bw_err err = bw_unix_bind(path, &bound, diag);

    if (err != BW_OK)
        return err;
    err = bw_unix_listen_on(listener, loop, path, &bound, on_accepted, user, diag);
    if (err != BW_OK)
        bw_unix_unbind(path, &bound);
    return err;
}

const struct bw_unix_bound *bw_unix_listener_bound(const struct bw_unix_listener *listener)
{
    return &listener->watch->bound;
}

enum bw_err bw_unix_listener_replace(struct bw_unix_listener *listener,
                                     const struct bw_unix_bound *bound, struct bw_diag *diag)
{
    struct bw_unix_watch *before = listener->watch;
    const enum bw_err err = new_watch(listener, bound, &listener->watch, diag);

    if (err != BW_OK)
        return err;
    uv_close((uv_handle_t *)&before->poll, on_watch_closed);
    (void)close(before->bound.fd); /* no path leads to it any more */
    watch(listener);
    return BW_OK;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct bw_unix_listener *listener = handle->data;

    if (listener->on_closed != NULL)
        listener->on_closed(listener, listener->user);
}

void bw_unix_listener_close(struct bw_unix_listener *listener,
                            void (*on_closed)(struct bw_unix_listener *listener, void *user))
{
    if (listener->is_closing)
        return;
    listener->is_closing = true;
    listener->on_closed = on_closed;
    uv_close((uv_handle_t *)&listener->watch->poll, on_watch_closed);
    bw_unix_unbind(listener->path, &listener->watch->bound);
    uv_close((uv_handle_t *)&listener->again, on_listener_closed);
}
