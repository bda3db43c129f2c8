/* What floods a real witness leaves to everybody else: connections of strangers to its Raft port, a certificate of no
 * member that asks to join without end, and scrapes of a stranger. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>

#include "operator.h"
#include "process_memory.h"
#include "test_https.h"

#define FLOOD_S 4
#define KIB     1024

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEAK_KIB_MAX (64 * KIB) /* what was freed waits in a quarantine; memory has a shadow */
#else
#define PEAK_KIB_MAX (16 * KIB)
#endif

static atomic_bool is_over;

static int setup(void **state)
{
    (void)state;
    operator_init();
    operator_begin_agents();
    assert_int_equal(operator_apply("groups.yaml", "--yes"), 0);
    operator_wait_until_serving("dc-a");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    operator_deinit();
    return 0;
}

static uint64_t seconds_since(struct bw_instant begun)
{
    return bw_instant_elapsed_ns(bw_clock_now(), begun) / BW_NS_PER_S;
}

/* ---- connections to the Raft port */

#define KNOCKERS 3

/* Without waiting: where the queue of the port is full no SYN is said again a second later, but another one at once. */
static void *knock(void *user)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(*(const uint16_t *)user),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const struct linger reset = {.l_onoff = 1};

    while (!atomic_load(&is_over)) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset); /* slower without it */
        (void)connect(fd, (struct sockaddr *)&address, sizeof address); /* under way, or refused */
        (void)close(fd);
    }
    return NULL;
}

/* Faster than it accepts, so that another one always waits: libuv goes on accepting as long as there is one. */
static void who_connects_without_end_holds_neither_the_loop_nor_memory(void **state)
{
    const int leader = trio_leader(&operator.trio);
    const long before_kib = process_memory_kib(operator.trio.pids[leader]);
    const struct bw_instant begun = bw_clock_now();
    pthread_t knockers[KNOCKERS];
    unsigned answers = 0;
    long peak_kib = 0;

    (void)state;
    atomic_store(&is_over, false);
    for (int i = 0; i < KNOCKERS; i++)
        assert_int_equal(pthread_create(&knockers[i], NULL, knock, &operator.trio.raft[leader]), 0);
    while (seconds_since(begun) < FLOOD_S) {
        const long kib = process_memory_kib(operator.trio.pids[leader]);

        peak_kib = kib > peak_kib ? kib : peak_kib;
        if (operator_ask(operator.trio.viewer, leader, "GET", "/v1/members", NULL, 0) == 200)
            answers++;
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < KNOCKERS; i++)
        assert_int_equal(pthread_join(knockers[i], NULL), 0);

    print_message("%u answers meanwhile, the last after %" PRIu64 " s; anonymous memory: %ld KiB before, %ld at most\n",
                  answers, seconds_since(begun), before_kib, peak_kib);
    assert_true(answers >= 2);
    assert_true(seconds_since(begun) < 2 * FLOOD_S);
    assert_true(peak_kib - before_kib < PEAK_KIB_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_connects_without_end_holds_neither_the_loop_nor_memory),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    /* Before a process is started: what was freed shall not wait in memory for ever. */
    (void)setenv("ASAN_OPTIONS", "quarantine_size_mb=16", 0);
    return cmocka_run_group_tests(tests, setup, teardown);
}
