#include "room_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/diag.h>

/* A find that is older is news no more; who has not asked for so long begins anew. */
#define FRESH_MS 5000

#define NAME           "room"
#define PATH_BYTES_MAX 512

void bw_room_watch_open(struct bw_room_watch *watch, uv_loop_t *loop, const char *dir, size_t bytes, struct bw_log *log)
{
    *watch = (struct bw_room_watch){.loop = loop, .dir = dir, .bytes = bytes, .log = log};
    watch->work.data = watch;
}

/* Without a name: what a crash leaves is nothing. NFS, and overlayfs of some kernels, know no such file: there it has one
 * for a moment, and is empty meanwhile. */
static int open_nameless(const char *dir)
{
    char path[PATH_BYTES_MAX];
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR) ||
        snprintf(path, sizeof path, "%s/" NAME, dir) >= (int)sizeof path)
        return fd;
    fd = open(path, O_CREAT | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)unlink(path); /* what is left the next try takes */
    return fd;
}

/* In a thread. */
static void try_room(uv_work_t *work)
{
    struct bw_room_watch *watch = work->data;
    const int fd = open_nameless(watch->dir);

    if (fd < 0) {
        watch->error = errno;
        return;
    }
    watch->error = posix_fallocate(fd, 0, (off_t)watch->bytes);
    (void)close(fd); /* nothing was written that it could lose */
}

static void tell(struct bw_room_watch *watch)
{
    struct bw_diag diag = {0};

    if (watch->is_told)
        return;
    watch->is_told = true;
    (void)bw_diag_errno(&diag, watch->error, "reserve %zu KiB", watch->bytes / 1024);
    bw_log_error(watch->log, "raft.disk_full", "dir=%s error=%s does=%s", bw_log_quote(watch->dir),
                 bw_log_quote(diag.text),
                 bw_log_quote("goes on with what it has; once there is room it ends, to be started again"));
}

static void on_tried(uv_work_t *work, int status)
{
    struct bw_room_watch *watch = work->data;

    watch->is_trying = false;
    if (watch->on_closed != NULL) {
        watch->on_closed(watch->on_closed_user);
        return;
    }
    BW_ASSERT(status == 0); /* only a close cancels it */
    watch->has_tried = true;
    watch->tried_ms = uv_now(watch->loop);
    if (watch->error != 0)
        tell(watch);
}

bool bw_room_watch_has_room(struct bw_room_watch *watch)
{
    const uint64_t now_ms = uv_now(watch->loop);
    int rv;

    BW_ASSERT(watch->on_closed == NULL);
    if (now_ms - watch->asked_ms > FRESH_MS)
        watch->is_told = false;
    watch->asked_ms = now_ms;
    if (watch->is_trying)
        return false;
    if (watch->has_tried && now_ms - watch->tried_ms < (watch->error == 0 ? FRESH_MS : BW_ROOM_WATCH_TRY_MS))
        return watch->error == 0;
    rv = uv_queue_work(watch->loop, &watch->work, try_room, on_tried);
    BW_ASSERT(rv == 0); /* both functions are there */
    watch->is_trying = true;
    return false;
}

void bw_room_watch_close(struct bw_room_watch *watch, void (*on_closed)(void *user), void *user)
{
    watch->on_closed = on_closed;
    watch->on_closed_user = user;
    if (!watch->is_trying)
        on_closed(user);
    else
        (void)uv_cancel((uv_req_t *)&watch->work); /* under way: its end is waited for */
}
