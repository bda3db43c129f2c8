#include "room_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/os/durable.h>

/* A find that is older is news no more; who has not asked for so long begins anew. */
#define FRESH_MS 5000

#define NAME           "room"
#define PATH_BYTES_MAX 512

void bw_room_watch_open(struct bw_room_watch *watch, uv_loop_t *loop, enum bw_room kind, const char *dir,
                        struct bw_log *log)
{
    *watch = (struct bw_room_watch){.kind = kind, .loop = loop, .dir = dir, .log = log};
    watch->work.data = watch;
}

/* Segments have a name, and a file without one is only what a crash leaves nothing of: where there is none it has a name
 * for a moment, and is empty meanwhile. */
static enum bw_err try_named(const char *dir, size_t bytes, struct bw_diag *diag)
{
    char path[PATH_BYTES_MAX];
    int error;
    int fd;

    if (snprintf(path, sizeof path, "%s/" NAME, dir) >= (int)sizeof path)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: the path is too long", dir);
    fd = open(path, O_CREAT | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "make %s", path);
    (void)unlink(path); /* what is left the next try takes */
    error = posix_fallocate(fd, 0, (off_t)bytes);
    (void)close(fd); /* nothing was written that it could lose */
    return error == 0 ? BW_OK : bw_diag_errno(diag, error, "%s: reserve %zu KiB", dir, bytes / 1024);
}

/* In a thread. */
static void try_room(uv_work_t *work)
{
    struct bw_room_watch *watch = work->data;

    watch->why = (struct bw_diag){0};
    watch->why.err = bw_room_try_nameless(watch->dir, watch->bytes, &watch->why);
    if (watch->why.err == BW_ERR_INVALID && watch->kind == BW_ROOM_LOG)
        watch->why.err = try_named(watch->dir, watch->bytes, &watch->why);
}

static void tell(struct bw_room_watch *watch, const char *why)
{
    if (strcmp(watch->told, why) == 0)
        return;
    (void)snprintf(watch->told, sizeof watch->told, "%s", why);
    if (watch->kind == BW_ROOM_LOG)
        bw_log_error(watch->log, "raft.disk_full", "dir=%s error=%s does=%s", bw_log_quote(watch->dir),
                     bw_log_quote(why),
                     bw_log_quote("goes on with what it has; once there is room it ends, to be started again"));
    else
        bw_log_error(watch->log, "raft.snapshot_stalled", "dir=%s bytes=%zu error=%s does=%s", bw_log_quote(watch->dir),
                     watch->bytes, bw_log_quote(why),
                     bw_log_quote("goes on without, and tries again; its log takes ever more of the disk and of memory meanwhile"));
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
    if (watch->why.err != BW_OK)
        tell(watch, watch->why.text);
    else if (watch->kind == BW_ROOM_SNAPSHOT)
        tell(watch, "none just now: the disk is slow, or had no room before");
}

bool bw_room_watch_has_room(struct bw_room_watch *watch, size_t bytes)
{
    const uint64_t now_ms = uv_now(watch->loop);
    int rv;

    BW_ASSERT(watch->on_closed == NULL);
    if (now_ms - watch->asked_ms > FRESH_MS) { /* or this process was frozen */
        watch->told[0] = '\0';
        watch->begun_ms = now_ms;
    }
    watch->asked_ms = now_ms;
    if (watch->is_trying && now_ms - watch->begun_ms >= BW_ROOM_WATCH_TRY_MS)
        tell(watch, "the disk hangs: what was tried there has not come back yet");
    if (watch->is_trying)
        return false;
    if (watch->has_tried && now_ms - watch->tried_ms < (watch->why.err == BW_OK ? FRESH_MS : BW_ROOM_WATCH_TRY_MS))
        return watch->why.err == BW_OK;
    watch->bytes = bytes;
    rv = uv_queue_work(watch->loop, &watch->work, try_room, on_tried);
    BW_ASSERT(rv == 0); /* both functions are there */
    watch->is_trying = true;
    watch->begun_ms = now_ms;
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
