/* a second enforcer's warnings, on their own sockets: a witness that does not answer keeps none from the others, and one
 * that does not take them is said. Design 3.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/second/program.h"
#include "http_client_world.h"
#include "patience.h"

#define TICKS   60 /* more than a client takes requests */
#define WAIT_MS 10000 /* for what must happen, on an idle machine: patience.h */
#define PENDING_MAX 2 /* to the one that is silent */

static struct bw_second_program program;
static struct bw_site_config config;
static struct rude_server healthy;
static int silent;

static void open_program(void)
{
    static char addresses[2][32];
    static const char *witnesses[2] = {addresses[0], addresses[1]};
    struct bw_credentials *credentials = load(operator_path);
    unsigned port;

    silent = rude_server_listen(&port);
    rude_server_start(&healthy, witness_path, prod.ca_path);
    (void)snprintf(addresses[0], sizeof addresses[0], "127.0.0.1:%u", port);
    (void)snprintf(addresses[1], sizeof addresses[1], "127.0.0.1:%u", healthy.port);
    config.witnesses = witnesses;
    config.witness_count = 2;
    program.config = &config;
    bw_log_init(&program.log, "second", BW_LOG_INFO);
    assert_int_equal(uv_loop_init(&program.loop), 0);
    assert_int_equal(bw_http_client_init(&program.witnesses, &program.loop, &program.log, NULL), BW_OK);
    assert_int_equal(bw_http_client_set_credentials(&program.witnesses, credentials, NULL), BW_OK);
    bw_credentials_free(credentials);
}

static void close_program(void)
{
    bw_http_client_close(&program.witnesses, NULL, NULL);
    assert_int_equal(uv_run(&program.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&program.loop), 0);
    rude_server_stop(&healthy);
    (void)close(silent); /* nothing was sent over it */
}

/* Until the healthy one has answered; false: more than that came. */
static bool is_heard(unsigned count)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (atomic_load(&healthy.sync_count) < count || program.warned[1].unanswered > 0) {
        if (patience_is_over(&patience))
            patience_fail("of %u warnings %u come, and none of %zu waits for an answer", count,
                          atomic_load(&healthy.sync_count), program.witnesses.exchange_count);
        (void)uv_run(&program.loop, UV_RUN_NOWAIT);
        (void)usleep(500);
    }
    return atomic_load(&healthy.sync_count) == count;
}

static struct bw_sync_group group = {.name = "harbor",
                                     .report = {.epoch_seen = 3,
                                                .enforced = true,
                                                .service = BW_SERVICE_UNKNOWN,
                                                .service_age_ms = UINT32_MAX,
                                                .ready_age_ms = UINT32_MAX,
                                                .check_interval_ms = 20}};
static struct bw_sync sync_of_second = {.site = "dc-a",
                                        .agent = "second",
                                        .instance = {{1}},
                                        .session = {{1}},
                                        .boot_id = {{1}},
                                        .groups = &group,
                                        .group_count = 1};

/* It is said at every renew_interval, of 20 ms perhaps, and each of a silent witness hangs for a second at least. */
static void a_witness_that_is_silent_keeps_no_warning_from_another(void **state)
{
    (void)state;
    open_program();
    for (unsigned tick = 1; tick <= TICKS; tick++) {
        sync_of_second.number = tick;
        bw_second_warn(&program, &sync_of_second, GENEROUS_MS);
        if (!is_heard(tick))
            fail_msg("of %u warnings %u came, and %zu wait for an answer", tick,
                     atomic_load(&healthy.sync_count), program.witnesses.exchange_count);
        assert_in_range(program.witnesses.exchange_count, 1, PENDING_MAX);
    }
    close_program();
}

static const char *tell(void *user, const char *request, const char **out_body)
{
    atomic_bool *refuses = user;

    (void)request;
    if (!atomic_load(refuses))
        return NULL;
    *out_body = "{\"error\": \"the agent belongs to another cluster of this name\"}";
    return "409 Conflict";
}

static void warn_until_answered(unsigned count)
{
    struct patience patience = patience_begin(WAIT_MS);

    for (unsigned i = 0; i < count; i++) {
        bw_second_warn(&program, &sync_of_second, GENEROUS_MS);
        while (program.warned[1].unanswered > 0) {
            if (patience_is_over(&patience))
                patience_fail("%u warnings are answered, %u are", count, i);
            (void)uv_run(&program.loop, UV_RUN_NOWAIT);
            (void)usleep(500);
        }
    }
}

static unsigned count_said(int fd, const char *what)
{
    char text[16384] = "";
    unsigned count = 0;

    assert_true(pread(fd, text, sizeof text - 1, 0) >= 0);
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        count++;
    return count;
}

/* A certificate that is revoked there, another cluster, an older release: nobody waits for what it says then. */
static void a_witness_that_takes_no_warning_is_said_once_until_it_takes_one(void **state)
{
    static const char said[] = "event=second_enforcer.warning_rejected";
    const int fd = memfd_create("log", MFD_CLOEXEC);
    atomic_bool refuses = true;

    (void)state;
    assert_true(fd >= 0);
    open_program();
    healthy.tell = tell;
    healthy.user = &refuses;
    bw_log_deinit(&program.log);
    program.log.fd = fd;

    warn_until_answered(3);
    assert_int_equal(count_said(fd, said), 1);
    assert_int_equal(count_said(fd, program.config->witnesses[1]), 1);
    assert_int_equal(count_said(fd, "HTTP 409: the agent belongs to another cluster of this name"), 1);
    atomic_store(&refuses, false);
    warn_until_answered(1);
    assert_int_equal(count_said(fd, said), 1);
    atomic_store(&refuses, true);
    warn_until_answered(2);
    assert_int_equal(count_said(fd, said), 2);

    close_program();
    (void)close(fd); /* only read from */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_witness_that_is_silent_keeps_no_warning_from_another),
        cmocka_unit_test(a_witness_that_takes_no_warning_is_said_once_until_it_takes_one),
    };

    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
