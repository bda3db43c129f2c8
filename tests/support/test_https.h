/* test_https.h - a blocking HTTPS client for tests that says exactly the bytes it is told to, and
 * may misbehave: no library would send them. Reads give up after 20 s. */
#ifndef TEST_HTTPS_H
#define TEST_HTTPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

struct test_https {
    int fd;
    SSL *ssl; /* NULL: no handshake was made: bytes go out plain */
};

struct test_answer {
    int status; /* 0: the server closed without one */
    bool closes;
    char head[2048];
    size_t body_size;
    char body[4096]; /* its beginning, ended by NUL */
};

/* TCP only. */
void test_https_dial(struct test_https *client, uint16_t port);
/* As test_https_dial, from one of the addresses of this machine (127.x.y.z), in the host's order. */
void test_https_dial_from(struct test_https *client, uint32_t host, uint16_t port);
/* As test_https_dial, from address 127.0.0.2: it is another host's to whoever is dialed. */
void test_https_dial_from_elsewhere(struct test_https *client, uint16_t port);
/* The handshake of one that was dialed; false when it failed. */
bool test_https_shake(struct test_https *client, SSL_CTX *context);
/* Dial and handshake; false when the handshake failed. */
bool test_https_open(struct test_https *client, uint16_t port, SSL_CTX *context);
void test_https_close(struct test_https *client);
/* Resets the connection: no end of stream, no close_notify. */
void test_https_reset(struct test_https *client);

/* False when the server has closed already. */
bool test_https_send(struct test_https *client, const void *data, size_t size);
bool test_https_say(struct test_https *client, const char *text);
/* Reads one answer, its body by Content-Length (none after HEAD if `head_only`). */
void test_https_hear(struct test_https *client, bool head_only, struct test_answer *out_answer);
/* Reads whatever comes, up to `size` - 1 bytes; 0: the end. */
size_t test_https_read(struct test_https *client, char *out, size_t size);
/* Waits for the server's end; false when bytes came instead. */
bool test_https_is_at_end(struct test_https *client);

#endif
