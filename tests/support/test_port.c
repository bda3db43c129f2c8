#include "test_port.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

void test_port_take(struct test_port *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int yes = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    BW_ASSERT(fd > 0);
    BW_ASSERT(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    BW_ASSERT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    /* After bind: nobody's port is shared, and from here on this one can be. */
    BW_ASSERT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    *port = (struct test_port){.fd = fd, .number = ntohs(address.sin_port)};
}

void test_port_release(struct test_port *port)
{
    if (port->fd > 0)
        (void)close(port->fd); /* nothing was ever written to it */
    *port = (struct test_port){0};
}
