/* The port where a second enforcer asks (`second_enforcer.listen`), over real TLS, on the real agent: seats there are
 * for agents of the site alone, so nobody else's certificate, and no crowd without one, keeps a second enforcer from
 * asking, which would fence a service that is well (design 3.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/os/random.h>
#include <breakwater/wire/second.h>

#include "agent_life.h"
#include "test_https.h"

#define HALF_A_HEAD "POST /v1/agent/second-enforcer HTTP/1.1\r\nHost"
#define VIEWERS     4
#define EACH        3
#define OTHERS      4 /* of another site */
#define CROWD       40

static struct test_port port; /* the agent's, for who asks it */

static bool listens(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=second.listening");
}

static bool says_who_was_turned_away(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=second.handshake_failed component=agent remote=127.0.0.1:") &&
           agent_world_log_has(world, "breakwater://prod/viewer/v0 may not ask here");
}

static bool says_who_made_room(const struct agent_world *world)
{
    return agent_world_log_has(world, "event=second.evicted component=agent identity=breakwater://prod/agent/");
}

static void begin(struct agent_world *world)
{
    char text[96];

    test_port_take(&port);
    (void)snprintf(text, sizeof text, "second_enforcer: {listen: \"127.0.0.1:%u\"}\n", port.number);
    agent_world_configure(world, text);
    agent_world_start_agent(world);
    agent_world_until(world, listens, "it listens");
}

static int end(void **state)
{
    test_port_release(&port);
    return tear_down(state);
}

static SSL_CTX *client_of(struct agent_world *world, const char *who)
{
    char path[TEST_PKI_PATH_BYTES];
    char uri[128];

    (void)snprintf(uri, sizeof uri, "breakwater://prod/%s", who);
    test_pki_issue_uri(&world->pki, "client.pem", uri, path);
    return test_pki_client(world->pki.ca_path, path);
}

static SSL_CTX *client_of_the_site(struct agent_world *world)
{
    char who[64];

    (void)snprintf(who, sizeof who, "agent/%s/second", world->site);
    return client_of(world, who);
}

static int ask(struct test_https *client)
{
    const struct bw_second_ask ask = {.session = bw_random_id(), .boot_id = bw_random_id()};
    uint8_t body[1024];
    char head[256];
    size_t size;
    struct test_answer answer = {0};

    assert_int_equal(bw_second_ask_encode(&ask, body, sizeof body, &size, NULL), BW_OK);
    (void)snprintf(head, sizeof head,
                   HALF_A_HEAD ": a\r\nContent-Type: application/protobuf\r\nContent-Length: %zu\r\n\r\n",
                   size);
    if (test_https_say(client, head) && test_https_send(client, body, size))
        test_https_hear(client, false, &answer);
    return answer.status;
}

static void dial_and_ask(SSL_CTX *context)
{
    struct test_https client;

    assert_true(test_https_open(&client, port.number, context));
    assert_int_equal(ask(&client), 200);
    test_https_close(&client);
}

/* Says half a head, and no more: a request that takes its time. */
static void hold(struct test_https *client, SSL_CTX *context)
{
    if (test_https_open(client, port.number, context))
        (void)test_https_say(client, HALF_A_HEAD);
}

static void seats_are_for_agents_of_the_site_alone(void **state) /* 3.4 */
{
    struct agent_world *world = *state;
    struct test_https held[VIEWERS * EACH + OTHERS];
    struct test_https kept;
    SSL_CTX *second;
    char who[32];
    unsigned count = 0;

    begin(world);
    second = client_of_the_site(world);
    assert_true(test_https_open(&kept, port.number, second));
    assert_int_equal(ask(&kept), 200);
    for (int viewer = 0; viewer <= VIEWERS; viewer++) {
        SSL_CTX *context;

        (void)snprintf(who, sizeof who, viewer < VIEWERS ? "viewer/v%d" : "agent/elsewhere/a%d", viewer);
        context = client_of(world, who);
        for (int i = 0; i < (viewer < VIEWERS ? EACH : OTHERS); i++)
            hold(&held[count++], context);
        SSL_CTX_free(context);
    }

    assert_int_equal(ask(&kept), 200);
    dial_and_ask(second);
    for (unsigned i = 0; i < count; i++)
        assert_true(test_https_is_at_end(&held[i])); /* long before a request's time is over */
    agent_world_until(world, says_who_was_turned_away, "it says who was turned away");
    for (unsigned i = 0; i < count; i++)
        test_https_close(&held[i]);
    test_https_close(&kept);
    SSL_CTX_free(second);
}

/* Who has the same name may come and go: the one that asks is kept. */
static void one_that_asks_is_kept_before_others_of_its_name(void **state) /* 3.4 */
{
    struct agent_world *world = *state;
    struct test_https held[2 * EACH];
    struct test_https kept;
    SSL_CTX *second;

    begin(world);
    second = client_of_the_site(world);
    assert_true(test_https_open(&kept, port.number, second));
    assert_int_equal(ask(&kept), 200);
    for (int i = 0; i < 2 * EACH; i++)
        hold(&held[i], second);

    agent_world_until(world, says_who_made_room, "it says who made room");
    assert_int_equal(ask(&kept), 200);
    for (int i = 0; i < 2 * EACH; i++)
        test_https_close(&held[i]);
    test_https_close(&kept);
    SSL_CTX_free(second);
}

/* It says who it is only after many have come, each from another address. */
static void a_dial_outlives_a_crowd_without_certificates(void **state) /* 3.4 */
{
    struct agent_world *world = *state;
    struct test_https crowd[CROWD];
    struct test_https slow;
    SSL_CTX *second;

    begin(world);
    second = client_of_the_site(world);
    test_https_dial(&slow, port.number);
    for (uint32_t i = 0; i < CROWD; i++)
        test_https_dial_from(&crowd[i], INADDR_LOOPBACK + 1 + i, port.number);

    assert_true(test_https_shake(&slow, second));
    assert_int_equal(ask(&slow), 200);
    for (int i = 0; i < CROWD; i++)
        test_https_close(&crowd[i]);
    test_https_close(&slow);
    SSL_CTX_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(seats_are_for_agents_of_the_site_alone, set_up, end),
        cmocka_unit_test_setup_teardown(one_that_asks_is_kept_before_others_of_its_name, set_up, end),
        cmocka_unit_test_setup_teardown(a_dial_outlives_a_crowd_without_certificates, set_up, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
