/* kept_listener.h - a listener (unix_socket.h) that stays where others look for it: where its file was removed or
 * replaced, a thread that looks every two seconds binds another one. Nobody who answers there is sent away. */
#ifndef BW_SYS_KEPT_LISTENER_H
#define BW_SYS_KEPT_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/obs/log.h>
#include <breakwater/sys/unix_socket.h>
#include <breakwater/sys/worker.h>

#define BW_KEPT_LOOK_MS 2000

struct bw_kept_config {
    const char *path;
    const char *dir; /* made (0700) where it is missing, as at the start; NULL: somebody else's to make */
    uint32_t look_ms; /* 0: BW_KEPT_LOOK_MS */
    bool begins_later; /* listens as soon as its directory answers, on the worker: the loop waits for no file */
    bw_unix_on_accepted on_accepted;
    void *user; /* of on_accepted */
    struct bw_log *log; /* kept */
};

/* In the caller's memory, zeroes until it is opened; the loop's until that ends. Private but for reading. */
struct bw_kept_listener {
    struct bw_unix_listener listener;
    bool is_listening; /* it was bound once: `listener` is open */
    struct bw_worker *worker; /* NULL: not open */
    uv_timer_t timer;
    struct bw_log *log;
    bw_unix_on_accepted on_accepted;
    void *user;
    uint32_t missed;     /* looks in a row that could not put it there */
    struct bw_diag diag; /* why, or why it could not be opened */
};

/* Listens at once, and looks from then on. An error is that of bw_unix_listen, BW_ERR_BUSY where it `begins_later`: it
 * is open all the same, and tries again, unless `worker` is NULL. What it says in the log begins once it has listened. */
BW_MUST_CHECK enum bw_err bw_kept_listener_open(struct bw_kept_listener *kept, uv_loop_t *loop,
                                                const struct bw_kept_config *config,
                                                struct bw_diag *diag);
/* In any state, twice. Removes the socket file; connections live on until closed, and it must outlive them. */
void bw_kept_listener_close(struct bw_kept_listener *kept);

#endif
