/* One guard of a site, its cluster and a machine (3.4): it listens at an abstract socket of that name, and whoever comes
 * later is told by whom. Its loop closes what connects: to be asked who it is, it need not answer. */
#include "program.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#define BACKLOG 16

static socklen_t name_of(const struct bw_site_config *config, struct sockaddr_un *out_address)
{
    char *const name = out_address->sun_path + 1; /* behind the NUL that makes it abstract */
    const int name_bytes = (int)sizeof out_address->sun_path - 1;
    char tag[BW_REACH_TAG_BYTES];
    int length;

    *out_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    bw_reach_tag(config->cluster, config->site, tag);
    length = snprintf(name, (size_t)name_bytes, "breakwater-%s", tag);
    if (length >= name_bytes) /* of two long names: what was cut off is told apart by its sum */
        length = snprintf(name, (size_t)name_bytes, "breakwater-%.80s-%08x", tag,
                          (unsigned)bw_crc32c(0, (const uint8_t *)tag, strlen(tag)));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

/* Who listens there. False: nobody of root or of our user, so no guard of this machine's. */
static bool ask_holder(const struct sockaddr_un *address, socklen_t bytes, long *out_pid)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct ucred peer = {.pid = 0};
    socklen_t size = sizeof peer;
    const bool is_known = fd >= 0 && connect(fd, (const struct sockaddr *)address, bytes) == 0 &&
                          getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;

    if (fd >= 0)
        (void)close(fd);
    *out_pid = peer.pid;
    return is_known && (peer.uid == 0 || peer.uid == geteuid());
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    const struct bw_guard_sole *sole = poll->data;
    const int fd = accept4(sole->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)status;
    (void)events;
    if (fd >= 0)
        (void)close(fd); /* it was told by the kernel */
}

static enum bw_err refuse(struct bw_guard_program *program, long pid, struct bw_diag *diag)
{
    return bw_diag_set(diag, BW_ERR_BUSY,
                       "process %ld is the guard of site %s in cluster %s on this machine; nothing was started (end that "
                       "process; if this is a copy of its state directory, give the copy another site name)",
                       pid, program->config->site, program->config->cluster);
}

enum bw_err bw_guard_sole_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    struct bw_guard_sole *sole = &program->sole;
    struct sockaddr_un address;
    const socklen_t bytes = name_of(program->config, &address);
    long pid = 0;

    sole->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sole->fd < 0)
        return bw_diag_errno(diag, errno, "open a socket");
    if (bind(sole->fd, (const struct sockaddr *)&address, bytes) == 0 && listen(sole->fd, BACKLOG) == 0) {
        BW_ASSERT(uv_poll_init(&program->loop, &sole->poll, sole->fd) == 0); /* a socket of ours */
        sole->poll.data = sole;
        BW_ASSERT(uv_poll_start(&sole->poll, UV_READABLE, on_readable) == 0);
        sole->is_open = true;
        return BW_OK;
    }
    const int os_errno = errno;

    (void)close(sole->fd);
    if (os_errno != EADDRINUSE)
        return bw_diag_errno(diag, os_errno, "listen at @%s", address.sun_path + 1);
    if (ask_holder(&address, bytes, &pid))
        return refuse(program, pid, diag);
    /* Whoever may open a socket may take the name; what would keep a guard from its site must not be that. */
    bw_log_warn(&program->log, "guard.name_taken",
                "socket=\"@%s\" pid=%ld does=\"goes on: a process of another user has this name, so a second guard of "
                "this site would not be found\" next=\"end that process and restart the guard\"",
                address.sun_path + 1, pid);
    return BW_OK;
}

static void on_closed(uv_handle_t *handle)
{
    const struct bw_guard_sole *sole = handle->data;

    (void)close(sole->fd); /* from here on another guard may begin */
}

void bw_guard_sole_close(struct bw_guard_program *program)
{
    if (program->sole.is_open)
        uv_close((uv_handle_t *)&program->sole.poll, on_closed);
    program->sole.is_open = false;
}
