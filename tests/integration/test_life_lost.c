/* What a site may lose: its machine's boot, its agent's memory, its being the only one.
 * Design 3.4, 3.7, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/os/durable.h>
#include <breakwater/wire/state.h>

#include "cluster_life.h"
#include "lacking.h"
#include "life_reboot.h"
#include "patience.h"
#include "real_files.h"

static bool is_epoch_1_over(struct real_cluster *of, int site)
{
    (void)site;
    return real_number(of, "epoch") > 1 || real_says(of, "phase", "VACANT");
}

static bool serves_anywhere_later(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") > 1 && real_some_site_serves(of, site);
}

/* ---- a reboot ---- */

/* On disk: of a service that no look of before the boot has shown inside, `stopped` is no end (3.2.4). */
static bool keeps_its_sight(struct real_cluster *of, int site)
{
    static const struct bw_durable_kind kind = {
        .magic = BW_GUARD_MEMORY_MAGIC, .version = BW_GUARD_MEMORY_VERSION, .oldest = BW_DURABLE_OLDEST};
    struct bw_guard_memory_file file = {.group = ""};
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    struct bw_diag diag;
    char path[REAL_PATH_BYTES];
    uint32_t version;
    size_t size;
    int dir;

    real_path(&of->sites[site], "state/guard", path);
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    if (bw_durable_load(dir, "harbor" BW_GUARD_MEMORY_SUFFIX, &kind, bytes, sizeof bytes, &size,
                        &version, &diag) != BW_OK ||
        bw_guard_memory_decode(bytes, size, &file, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    (void)close(dir); /* only read from */
    return file.memory.sight.seen == BW_REACH_INSIDE;
}

/* Programs start well within this lease, whose end nobody is to wait for. */
static void serve_long(void)
{
    real_spec_number(&cluster, "lease_ttl_ms", 5 * REAL_TTL_MS);
    real_serve(&cluster);
    real_until(&cluster, keeps_its_sight, 0, "its guard keeps where the service was seen");
}

static void after_a_reboot_the_epoch_is_given_back_and_not_renewed(void **state)
{
    (void)state;
    if (!real_can_fake_boot())
        skip_lacking("mounts or machineid");
    serve_long();

    reboot(0, false);
    real_until(&cluster, is_epoch_1_over, 0, "the epoch of before the boot is over");

    real_assert_ended(&cluster, 1, "released", "reboot"); /* 3.7: nobody waits for the TTL */
    assert_false(real_journal_has(&cluster, 0, "start epoch=1 "));
    assert_false(real_journal_has(&cluster, 0, "stop epoch=1 ")); /* it was found stopped */
    real_until(&cluster, serves_anywhere_later, 0, "a new epoch serves");
    real_assert_no_overlap(&cluster);
}

static void a_service_that_the_boot_started_is_ended_before_the_epoch_is_given_back(void **state)
{
    pid_t service;

    (void)state;
    if (!real_can_fake_boot())
        skip_lacking("mounts or machineid");
    serve_long();

    reboot(0, true);
    service = real_service(&cluster, 0);
    real_until(&cluster, is_epoch_1_over, 0, "the epoch of before the boot is over");

    real_assert_ended(&cluster, 1, "released", "reboot");
    assert_false(real_journal_has(&cluster, 0, "start epoch=1 "));
    real_until(&cluster, serves_anywhere_later, 0, "a new epoch serves");
    assert_int_not_equal(real_service(&cluster, 0), service); /* it was not adopted */
    real_assert_no_overlap(&cluster);
}

/* ---- the agent's memory ---- */

static void a_new_instance_neither_renews_nor_gives_back_the_old_ones_epoch(void **state)
{
    (void)state;
    real_serve(&cluster);

    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    real_lose_agent_state(&cluster, 0);
    real_start_agent(&cluster, 0);
    real_until(&cluster, is_epoch_1_over, 0, "the old instance's epoch ends");

    real_assert_ended(&cluster, 1, "expired", "site_lost"); /* 3.7: by expiry, not by the new one */
    assert_true(real_runs(&cluster, 0, "fence") > 0);       /* the guard, at its deadline */
    assert_false(real_site_lists(&cluster, 0, "alarms", "unauthorized_start")); /* nobody's hand */
    real_until(&cluster, serves_anywhere_later, 0, "a new epoch serves");
    assert_int_equal(real_runs(&cluster, 0, "start") + real_runs(&cluster, 1, "start"), 2);
    real_assert_no_overlap(&cluster);
}

/* ---- two agents ---- */

static bool is_double(struct real_cluster *of, int site)
{
    return real_site_flag(of, site, "several_agents") && !real_site_flag(of, site, "eligible") &&
           real_site_lists(of, site, "blocked_by", "duplicate_agents");
}

static bool is_single(struct real_cluster *of, int site)
{
    return !real_site_flag(of, site, "several_agents") && real_site_flag(of, site, "eligible");
}

static void a_second_agent_makes_its_site_ineligible_and_is_shown(void **state)
{
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, 0);

    real_start_second_agent(&cluster, 1);
    real_until(&cluster, is_double, 1, "status shows two agents of the standby"); /* 3.7 */
    (void)real_end(&cluster.sites[1].second_agent, SIGTERM);
    real_until(&cluster, is_single, 1, "the site is a candidate again");

    assert_int_equal(real_service(&cluster, 0), service);
    assert_true(real_is_untouched(&cluster, 1));
}

static bool is_sound(struct real_cluster *of, int site)
{
    (void)site;
    return !real_service_lives(of, 0) || !real_service_lives(of, 1);
}

/* The two take the guard from each other; whether the lease bears it, or another site takes over. */
static void a_second_agent_at_the_holder_never_makes_two_serve(void **state)
{
    (void)state;
    real_serve(&cluster);

    real_start_second_agent(&cluster, 0);
    real_until(&cluster, is_double, 0, "status shows two agents of the holder");
    assert_true(real_for_a_lease(&cluster, is_sound, 0));
    (void)real_end(&cluster.sites[0].second_agent, SIGKILL);
    real_until(&cluster, is_single, 0, "the site is single again");
    real_until(&cluster, real_some_site_serves, 0, "one site serves");

    real_assert_no_overlap(&cluster);
}

static void an_agent_does_not_start_on_a_state_that_another_uses(void **state)
{
    pid_t first;

    (void)state;
    real_start_guard(&cluster, 0);
    real_start_agent(&cluster, 0);
    real_apply(&cluster);
    real_until(&cluster, real_is_connected, 0, "the agent reports");
    first = cluster.sites[0].agent;

    cluster.sites[0].agent = 0;
    real_start_agent(&cluster, 0);
    const int status = real_end(&cluster.sites[0].agent, 0);

    cluster.sites[0].agent = first;
    assert_int_not_equal(status, 0);
    assert_true(status < 128);
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(after_a_reboot_the_epoch_is_given_back_and_not_renewed),
        CASE(a_service_that_the_boot_started_is_ended_before_the_epoch_is_given_back),
        CASE(a_new_instance_neither_renews_nor_gives_back_the_old_ones_epoch),
        CASE(a_second_agent_makes_its_site_ineligible_and_is_shown),
        CASE(a_second_agent_at_the_holder_never_makes_two_serve),
        CASE(an_agent_does_not_start_on_a_state_that_another_uses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
