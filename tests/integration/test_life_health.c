/* What the agent tells load balancers (`health_listen`): yes only where the group may run and is
 * seen to serve. Design 5.3, 3.4, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>

#include <breakwater/net/plain_server.h>
#include <breakwater/sys/clock.h>

#include "patience.h"
#include "plain_client.h"
#include "real_files.h"

#define PRIMARY     "GET /v1/groups/harbor/primary HTTP/1.1\r\nHost: lb\r\n\r\n"
#define ROUNDING_MS 2 /* of the log's instants */

static struct real_cluster cluster;
static struct test_port ports[3]; /* of the sites; a spare one */

static uint64_t now_ms(void)
{
    return bw_clock_now().boot_ns / BW_NS_PER_MS;
}

/* A site file as the cluster has written it, with `more` behind it. */
static char *site_file[2];

static void configure(int site, const char *text, uint16_t port)
{
    char path[REAL_PATH_BYTES];
    char whole[16384 + 64];

    (void)snprintf(whole, sizeof whole, "%s\nhealth_listen: 127.0.0.1:%u\n", text, port);
    real_path(&cluster.sites[site], "site.yaml", path);
    real_write_file(path, 0600, whole);
}

static int set_up(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        test_port_take(&ports[i]);
    real_cluster_init(&cluster, 2, false);
    for (int i = 0; i < 2; i++) {
        site_file[i] = strdup(real_read(&cluster, i, "site.yaml"));
        assert_non_null(site_file[i]);
        configure(i, site_file[i], ports[i].number);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    real_cluster_deinit(&cluster);
    for (int i = 0; i < 2; i++)
        free(site_file[i]);
    for (int i = 0; i < 3; i++)
        test_port_release(&ports[i]);
    return 0;
}

static struct plain_answer ask(int site)
{
    return plain_ask(ports[site].number, PRIMARY);
}

static bool is_primary(struct real_cluster *of, int site)
{
    (void)of;
    return ask(site).status == 200;
}

static bool is_none(struct real_cluster *of, int site)
{
    (void)of;
    return ask(site).status == 503;
}

static void assert_says(int site, int status, const char *text)
{
    const struct plain_answer answer = ask(site);

    if (answer.status != status || strstr(answer.text, text) == NULL)
        fail_msg("\"%s\" is not %d with \"%s\"", answer.text, status, text);
}

static void it_is_primary_where_it_serves_and_nowhere_else(void **state) /* I1 */
{
    (void)state;
    real_serve(&cluster);
    real_until(&cluster, is_primary, 0, "the site that serves is primary");
    assert_says(0, 200, "yes: harbor at ");
    assert_says(1, 503, ": this site has no lease");
    assert_int_equal(
        plain_ask(ports[0].number, "GET /v1/groups/shop/primary HTTP/1.1\r\n\r\n").status, 404);
    assert_int_equal(plain_ask(ports[0].number, "GET / HTTP/1.0\r\n\r\n").status, 404);
    assert_int_equal(
        plain_ask(ports[0].number, "PUT /v1/groups/harbor/primary HTTP/1.1\r\n\r\n").status, 405);

    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, is_primary, 1, "the other site is primary");
    assert_says(0, 503, "no: harbor at ");
    real_assert_no_overlap(&cluster);
}

static void what_does_not_serve_is_none_under_its_lease(void **state)
{
    (void)state;
    real_serve(&cluster);
    real_until(&cluster, is_primary, 0, "it is primary");
    assert_int_equal(real_order(&cluster, "mode", "{\"mode\": \"paused\"}"), 200);
    real_kill_service(&cluster, 0);
    real_until(&cluster, is_none, 0, "what is down is none");
    assert_says(0, 503, "did not see it serve");
}

/* The window begins by the site's own clocks, whatever it hears: no request that came later is told
 * yes. */
static void without_witnesses_it_is_none_from_its_fence_window_on(void **state) /* I1, 3.2.4 */
{
    uint64_t last_yes_ms = 0, d_ms;
    unsigned no = 0;

    (void)state;
    real_serve(&cluster);
    real_until(&cluster, is_primary, 0, "it is primary");
    for (int i = 0; i < TRIO_WITNESSES; i++)
        trio_signal(&cluster.trio, i, SIGSTOP);

    do {
        const uint64_t asked_ms = now_ms();

        if (ask(0).status == 200)
            last_yes_ms = asked_ms;
        else
            no++;
        (void)usleep(20000);
        d_ms = real_lease_end_ms(&cluster, 0); /* an answer may still have been on its way */
    } while (now_ms() < d_ms);
    print_message("the last yes was asked for %ld ms before D, and %u times no after it\n",
                  (long)d_ms - (long)last_yes_ms, no);
    assert_true(last_yes_ms > 0);
    assert_true(no > 0);
    assert_true(last_yes_ms < d_ms - REAL_FENCE_MS + ROUNDING_MS);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        trio_signal(&cluster.trio, i, SIGCONT);
}

static void a_guard_that_hangs_or_is_dead_vouches_for_nothing(void **state) /* 3.4 */
{
    (void)state;
    real_spec_number(&cluster, "lease_ttl_ms", 60000); /* the lease outlasts all of this */
    real_serve(&cluster);
    real_until(&cluster, is_primary, 0, "it is primary");

    assert_int_equal(kill(cluster.sites[0].guard, SIGSTOP), 0);
    assert_says(0, 503, "it has not answered for 1.0 s\n");
    assert_says(0, 503, "it has not answered for 1.0 s and more\n");
    assert_int_equal(kill(cluster.sites[0].guard, SIGCONT), 0);
    real_until(&cluster, is_primary, 0, "it goes on, and it is primary again");

    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    assert_says(0, 503, "the guard does not say that it may run here: ");
    real_start_guard(&cluster, 0);
    real_until(&cluster, is_primary, 0, "a guard has looked, and it is primary again");
    assert_int_equal(real_number(&cluster, "epoch"), 1);
}

/* As many as like it, in every rude way: the lease lives, and who asks is answered. */
static void the_rude_cost_no_lease(void **state) /* 5.3 */
{
    static const char *const rude[] = {
        "",     "GET /v1/gro", "\x16\x03\x01", "POST / HTTP/1.1\r\n\r\n", PRIMARY PRIMARY PRIMARY,
        PRIMARY};
    const uint64_t end_ms = now_ms() + REAL_TTL_MS + REAL_FENCE_MS;
    int fds[4 * BW_PLAIN_CONNECTIONS_MAX];
    unsigned yes = 0;

    (void)state;
    real_serve(&cluster);
    real_until(&cluster, is_primary, 0, "it is primary");
    while (now_ms() < end_ms || yes == 0) {
        for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
            fds[i] = plain_dial(ports[0].number);
            assert_true(fds[i] >= 0);
            (void)plain_say(fds[i], rude[i % (sizeof rude / sizeof rude[0])]);
        }
        yes += ask(0).status == 200;
        for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
            assert_int_equal(close(fds[i]), 0); /* nobody listens for the answer */
    }
    real_until(&cluster, real_keeps_epoch_1, 0, "it serves as before");
    assert_int_equal(real_runs(&cluster, 0, "fence") + real_runs(&cluster, 0, "stop"), 0);
}

static bool is_primary_at_the_new_port(struct real_cluster *of, int site)
{
    (void)of;
    (void)site;
    return plain_ask(ports[2].number, PRIMARY).status == 200;
}

static bool reload_is_over(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "agent.log"), "event=config.refused") != NULL ||
           strstr(real_read(of, site, "agent.log"), "event=config.loaded") != NULL;
}

static void a_reload_moves_it_and_a_port_that_is_taken_leaves_the_old_one(void **state) /* 5.4 */
{
    (void)state;
    real_serve(&cluster);
    real_until(&cluster, is_primary, 0, "it is primary");

    configure(0, site_file[0], ports[1].number);
    assert_int_equal(kill(cluster.sites[0].agent, SIGHUP), 0);
    real_until(&cluster, reload_is_over, 0, "the file was read");
    assert_non_null(strstr(real_read(&cluster, 0, "agent.log"), "key=health_listen"));
    assert_non_null(strstr(real_read(&cluster, 0, "agent.log"), "address already in use"));
    assert_says(0, 200, "yes: harbor at ");

    configure(0, site_file[0], ports[2].number);
    assert_int_equal(kill(cluster.sites[0].agent, SIGHUP), 0);
    real_until(&cluster, is_primary_at_the_new_port, 0, "it is primary where it listens now");
    assert_int_equal(ask(0).status, 0);
    real_until(&cluster, real_keeps_epoch_1, 0, "it serves as before");
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
}

/* The port is somebody else's as the agent begins: it holds its lease all the same, and listens
 * later. */
static void an_agent_that_cannot_listen_serves_and_tries_again(void **state)
{
    const int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(ports[0].number),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int yes = 1;

    (void)state;
    assert_true(other >= 0);
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
    assert_int_equal(bind(other, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(other, 1), 0);
    real_serve(&cluster);
    assert_non_null(strstr(real_read(&cluster, 0, "agent.log"), "event=health.listen_failed"));
    assert_int_equal(close(other), 0);
    real_until(&cluster, is_primary, 0, "it listens, and is primary");
}

/* Refused as long as something of the group is on its way to a disk: "send SIGHUP again". */
static bool is_left(struct real_cluster *of, int site)
{
    assert_int_equal(kill(of->sites[site].agent, SIGHUP), 0);
    return strstr(ask(site).text, "the site file names this group no more") != NULL;
}

/* As real_until, where no witness knows of a group. */
static void until_leaderless(real_condition *is_met, int site, const char *what)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (!is_met(&cluster, site)) {
        if (patience_is_over(&patience))
            patience_fail("%s: %s", what, ask(site).text);
        (void)usleep(50000);
    }
}

static void a_group_that_the_file_names_no_more_is_none(void **state)
{
    static const char name[] = "name: harbor";
    char other[16384];
    char *at;

    (void)state;
    assert_true(snprintf(other, sizeof other, "%s", site_file[1]) < (int)sizeof other);
    at = strstr(other, name);
    assert_non_null(at);
    memcpy(at, "name: harb-r", sizeof name - 1);
    real_start_guard(&cluster, 1);
    real_start_agent(&cluster, 1);
    until_leaderless(is_none, 1, "it was never granted, and no leader knows of it");
    configure(1, other, ports[1].number);
    assert_int_equal(kill(cluster.sites[1].guard, SIGHUP), 0);
    until_leaderless(is_left, 1, "its file names it no more");
    assert_int_equal(ask(1).status, 503);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_primary_where_it_serves_and_nowhere_else),
        TEST(what_does_not_serve_is_none_under_its_lease),
        TEST(without_witnesses_it_is_none_from_its_fence_window_on),
        TEST(a_guard_that_hangs_or_is_dead_vouches_for_nothing),
        TEST(the_rude_cost_no_lease),
        TEST(a_reload_moves_it_and_a_port_that_is_taken_leaves_the_old_one),
        TEST(an_agent_that_cannot_listen_serves_and_tries_again),
        TEST(a_group_that_the_file_names_no_more_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
