#include <breakwater/sys/kept_listener.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define DIR_BYTES  512
#define MISSED_MAX 2 /* whoever tidies up takes a moment, and whoever makes the directory another one */

/* The worker's, with nothing of anybody else's: where the file system hangs, the thread outlives all. */
struct look {
    char path[sizeof((struct bw_unix_listener *)0)->path];
    char dir[DIR_BYTES];       /* "": not ours to make */
    struct bw_unix_bound own;  /* fd -1: none yet */
    bool is_there;
    const char *found;         /* in its place */
    struct bw_unix_bound made; /* fd -1: none */
    enum bw_err err;
    struct bw_diag diag;
};

/* ---- on the thread ----------------------------------------------------------------------------- */

static const char *what_is_at(const char *path)
{
    struct stat st;

    return lstat(path, &st) != 0 ? "somebody has removed it" : "another file was in its place";
}

static void look_at(void *of)
{
    struct look *look = of;

    look->is_there = look->own.fd >= 0 && bw_unix_is_at(look->path, &look->own);
    if (look->is_there)
        return;
    look->found = what_is_at(look->path);
    look->err = bw_unix_bind(look->path, &look->made, &look->diag);
    if (look->err == BW_OK || look->diag.os_errno != ENOENT || look->dir[0] == '\0')
        return;
    look->diag = (struct bw_diag){0};
    if (mkdir(look->dir, 0700) == 0 || errno == EEXIST)
        look->err = bw_unix_bind(look->path, &look->made, &look->diag);
    else
        look->err = bw_diag_errno(&look->diag, errno, "make %s", look->dir);
}

static void clear(void *of)
{
    struct look *look = of;

    if (look->made.fd >= 0)
        bw_unix_unbind(look->path, &look->made);
    look->made.fd = -1;
}

/* ---- on the loop ------------------------------------------------------------------------------- */

static enum bw_err use(struct bw_kept_listener *kept, const char *path,
                       const struct bw_unix_bound *made, struct bw_diag *diag)
{
    enum bw_err err;

    if (kept->is_listening)
        return bw_unix_listener_replace(&kept->listener, made, diag);
    err = bw_unix_listen_on(&kept->listener, kept->timer.loop, path, made, kept->on_accepted,
                            kept->user, diag);
    kept->is_listening = err == BW_OK;
    return err;
}

static void take(struct bw_kept_listener *kept, struct look *look)
{
    const bool was_listening = kept->is_listening;

    look->err = use(kept, look->path, &look->made, &look->diag);
    if (look->err != BW_OK) {
        clear(look);
        return;
    }
    look->made.fd = -1;
    if (was_listening)
        bw_log_warn(kept->log, "socket.made_again",
                    "socket=%s error=\"%s\" does=\"listens there again; whoever was connected still is\"",
                    bw_log_quote(look->path), look->found);
}

static const char *next_after(enum bw_err err)
{
    if (err == BW_ERR_BUSY)
        return "end the process that answers there, or give it a path of its own";
    if (err == BW_ERR_EXISTS)
        return "move that file away";
    return "see to its directory: it has to be there, and this user's alone (0700)";
}

static void miss(struct bw_kept_listener *kept, const struct look *look)
{
    kept->diag = look->diag;
    if (++kept->missed != MISSED_MAX || !kept->is_listening)
        return;
    bw_log_error(kept->log, "socket.listen_failed",
                 "socket=%s error=%s does=\"nobody new can connect; tries again every few seconds\" next=\"%s\"",
                 bw_log_quote(look->path), bw_log_quote(look->diag.text), next_after(look->err));
}

static void on_looked(void *of, void *user)
{
    struct bw_kept_listener *kept = user;
    struct look *look = of;

    if (!look->is_there && look->err == BW_OK)
        take(kept, look);
    if (look->is_there || look->err == BW_OK)
        kept->missed = 0;
    else
        miss(kept, look);
}

/* One that the file system holds up is waited for: there is nothing else to be found out. */
static void on_timer(uv_timer_t *timer)
{
    struct bw_kept_listener *kept = timer->data;
    struct look *look = bw_worker_job(kept->worker);

    if (bw_worker_is_busy(kept->worker))
        return;
    look->own.fd = -1;
    if (kept->is_listening)
        look->own = *bw_unix_listener_bound(&kept->listener);
    look->made.fd = -1;
    look->err = BW_OK;
    look->diag = (struct bw_diag){0};
    bw_worker_begin(kept->worker, look_at);
}

static enum bw_err fill_look(struct look *look, const struct bw_kept_config *config,
                             struct bw_diag *diag)
{
    *look = (struct look){.made.fd = -1};
    if (config->dir != NULL && !bw_copy_text(look->dir, sizeof look->dir, config->dir))
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s is longer than %d bytes", config->dir, DIR_BYTES - 1);
    if (!bw_copy_text(look->path, sizeof look->path, config->path))
        return bw_diag_set(diag, BW_ERR_LIMIT, "socket path %s: expected 1 to %zu bytes",
                           config->path, sizeof look->path - 1);
    return BW_OK;
}

/* Of the opening: how it went. */
static enum bw_err tell(const struct bw_kept_listener *kept, struct bw_diag *diag)
{
    if (diag != NULL && kept->diag.err != BW_OK)
        *diag = kept->diag;
    return kept->diag.err;
}

enum bw_err bw_kept_listener_open(struct bw_kept_listener *kept, uv_loop_t *loop,
                                  const struct bw_kept_config *config, struct bw_diag *diag)
{
    const uint32_t look_ms = config->look_ms != 0 ? config->look_ms : BW_KEPT_LOOK_MS;
    struct look look;
    enum bw_err err;

    *kept = (struct bw_kept_listener){
        .log = config->log, .on_accepted = config->on_accepted, .user = config->user};
    err = fill_look(&look, config, &kept->diag);
    if (err == BW_OK)
        err = bw_worker_open(&kept->worker, loop, sizeof look, clear, on_looked, kept, &kept->diag);
    if (err != BW_OK)
        return tell(kept, diag);
    *(struct look *)bw_worker_job(kept->worker) = look;
    BW_ASSERT(uv_timer_init(loop, &kept->timer) == 0); /* libuv: never fails */
    kept->timer.data = kept;
    BW_ASSERT(uv_timer_start(&kept->timer, on_timer, config->begins_later ? 0 : look_ms, look_ms) ==
              0); /* has a callback */
    if (config->begins_later) {
        (void)bw_diag_set(&kept->diag, BW_ERR_BUSY, "listen at %s: its directory has not answered yet", config->path);
        return tell(kept, diag);
    }
    err = bw_unix_listen(&kept->listener, loop, config->path, config->on_accepted, config->user,
                         &kept->diag);
    kept->is_listening = err == BW_OK;
    return tell(kept, diag);
}

void bw_kept_listener_close(struct bw_kept_listener *kept)
{
    if (kept->worker == NULL)
        return;
    (void)bw_worker_close(kept->worker); /* what hangs there is its own */
    kept->worker = NULL;
    uv_close((uv_handle_t *)&kept->timer, NULL);
    if (kept->is_listening)
        bw_unix_listener_close(&kept->listener, NULL);
    kept->is_listening = false;
}
