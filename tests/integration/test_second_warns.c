/* a second enforcer's warnings, on their own sockets: a witness that does not answer keeps none from the others. Design
 * 3.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <unistd.h>

#include "../../src/second/program.h"
#include "http_client_world.h"

#define TICKS   60 /* more than a client takes requests */
#define WAIT_MS 20000
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

/* Until the healthy one has answered; false: it has not heard of the newest. */
static bool is_heard(unsigned count)
{
    const uint64_t end_ns = uv_hrtime() + WAIT_MS * (uint64_t)1000000;

    while ((atomic_load(&healthy.sync_count) < count || program.warnings_unanswered[1] > 0) &&
           uv_hrtime() < end_ns) {
        (void)uv_run(&program.loop, UV_RUN_NOWAIT);
        (void)usleep(500);
    }
    return atomic_load(&healthy.sync_count) == count;
}

/* It is said at every renew_interval, of 20 ms perhaps, and each of a silent witness hangs for a second at least. */
static void a_witness_that_is_silent_keeps_no_warning_from_another(void **state)
{
    struct bw_sync_group group = {.name = "harbor",
                                  .report = {.epoch_seen = 3,
                                             .enforced = true,
                                             .service = BW_SERVICE_UNKNOWN,
                                             .service_age_ms = UINT32_MAX,
                                             .ready_age_ms = UINT32_MAX,
                                             .check_interval_ms = 20}};
    struct bw_sync sync = {.site = "dc-a",
                           .agent = "second",
                           .instance = {{1}},
                           .session = {{1}},
                           .boot_id = {{1}},
                           .groups = &group,
                           .group_count = 1};

    (void)state;
    open_program();
    for (unsigned tick = 1; tick <= TICKS; tick++) {
        sync.number = tick;
        bw_second_warn(&program, &sync, GENEROUS_MS);
        if (!is_heard(tick))
            fail_msg("of %u warnings %u came, and %zu wait for an answer", tick,
                     atomic_load(&healthy.sync_count), program.witnesses.exchange_count);
        assert_in_range(program.witnesses.exchange_count, 1, PENDING_MAX);
    }
    close_program();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_witness_that_is_silent_keeps_no_warning_from_another),
    };

    return cmocka_run_group_tests(tests, make_pki, remove_pki);
}
