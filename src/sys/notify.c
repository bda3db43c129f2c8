#include <breakwater/sys/notify.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size; /* 0: nobody wants to know */

/* A path, or '@' and an abstract name. */
static enum bw_err take_address(struct bw_diag *diag)
{
    static bool is_taken;
    const char *name = is_taken ? NULL : getenv("NOTIFY_SOCKET");
    enum bw_err err = BW_OK;

    is_taken = true;
    if (name == NULL)
        return BW_OK;
    if ((name[0] != '/' && name[0] != '@') ||
        !bw_copy_text(address.sun_path, sizeof address.sun_path, name)) {
        err = bw_diag_set(diag, BW_ERR_INVALID, "NOTIFY_SOCKET=%s: not the name of a socket", name);
    } else {
        address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
        if (name[0] == '@')
            address.sun_path[0] = '\0';
    }
    (void)unsetenv("NOTIFY_SOCKET"); /* cannot fail with this name */
    return err;
}

enum bw_err bw_notify(const char *state, struct bw_diag *diag)
{
    enum bw_err err = take_address(diag);
    int fd;

    if (err != BW_OK || address_size == 0)
        return err;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bw_diag_errno(diag, errno, "tell the service manager %s", state);
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
               address_size) < 0)
        err = bw_diag_errno(diag, errno, "tell the service manager %s", state);
    (void)close(fd); /* what was said was said */
    return err;
}
