/* test_port.h - TCP ports on 127.0.0.1 that are written into configurations before somebody listens
 * on them, and that stay theirs while nobody does. */
#ifndef TEST_PORT_H
#define TEST_PORT_H

#include <stdint.h>

struct test_port {
    int fd; /* keeps it; inherited by nobody who is executed */
    uint16_t number;
};

/* A socket that is bound and never listens keeps the port: the kernel gives it neither to whoever
 * asks for any port nor to a connection, and the test that takes one later passes it over. A
 * listener with SO_REUSEADDR, as libuv's are, may bind it all the same, again and again. */
void test_port_take(struct test_port *port);
/* Accepts one that was never taken: all zero. */
void test_port_release(struct test_port *port);

#endif
