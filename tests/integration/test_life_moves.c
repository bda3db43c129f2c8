/* Planned moves and changes of the spec while the service runs. Design 3.1, 3.6, 3.9, on real
 * processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cluster_life.h"
#include "lacking.h"

#define MOVE_MS 120000 /* longer than any of these takes */

/* With a readiness script: site 0 is at position 100, and will end at 4711. */
static int set_up_positions(void **state)
{
    (void)state;
    real_cluster_init(&cluster, 2, true);
    real_put(&cluster, 0, "position", "100\n");
    real_put(&cluster, 0, "final", "4711\n");
    real_put(&cluster, 1, "position", "90\n");
    return 0;
}

/* It may be asked to switch over to site 1. */
static bool is_eligible(struct real_cluster *of, int site)
{
    return real_site_flag(of, site, "eligible");
}

static void serve_and_be_ready(void)
{
    real_serve(&cluster);
    real_until(&cluster, is_eligible, 1, "the second site could take over");
}

/* ---- switchover ---- */

static bool awaits_target(struct real_cluster *of, int site)
{
    return real_is_vacant(of, site) && real_says(of, "target", of->sites[site].name);
}

static void the_target_starts_only_at_the_position_where_the_holder_ended(void **state)
{
    (void)state;
    serve_and_be_ready();

    real_begin_switchover(&cluster, 1, MOVE_MS);
    real_until(&cluster, awaits_target, 1, "the holder has given the group back");
    real_assert_ended(&cluster, 1, "released", "switchover");
    assert_true(real_journal_has(&cluster, 0, "stop epoch=1 reason=switchover planned=true"));
    assert_int_equal(real_runs(&cluster, 1, "start"), 0); /* 3.6: it is not there yet */
    real_put(&cluster, 1, "position", "4710\n");
    assert_true(real_for_a_lease(&cluster, awaits_target, 1));
    real_put(&cluster, 1, "position", "4711\n");
    real_until(&cluster, real_serves, 1, "the target serves");

    assert_int_equal(real_number(&cluster, "epoch"), 2);
    assert_true(real_journal_has(&cluster, 1, "start epoch=2 reason=switchover planned=true "
                                              "position=4711"));
    assert_int_equal(real_runs(&cluster, 0, "fence"), 0);
    real_assert_no_overlap(&cluster);
}

static bool serves_epoch_3(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") == 3 && real_serves(of, site);
}

static void a_start_that_changed_nothing_sends_the_group_back(void **state)
{
    (void)state;
    real_put(&cluster, 1, "start_exit", "69\n");
    serve_and_be_ready();

    real_begin_switchover(&cluster, 1, MOVE_MS);
    real_until(&cluster, awaits_target, 1, "the holder has given the group back");
    real_put(&cluster, 1, "position", "4711\n");
    real_until(&cluster, serves_epoch_3, 0, "the origin serves again"); /* 3.6 */

    real_assert_ended(&cluster, 2, "released", "start_failed");
    assert_int_equal(real_runs(&cluster, 1, "start"), 1);
    assert_true(real_journal_has(&cluster, 1, "stop epoch=2 "));
    assert_true(real_journal_has(&cluster, 0, "start epoch=3 reason=rollback planned=true"));
    assert_true(real_says(&cluster, "data_site", cluster.sites[0].name));
    real_assert_no_overlap(&cluster);
}

/* 4: it says nothing of what it has changed, and was never seen to serve: the same. */
static void a_start_that_fails_and_never_serves_sends_the_group_back(void **state)
{
    (void)state;
    real_put(&cluster, 1, "start_exit", "1\n");
    serve_and_be_ready();

    real_begin_switchover(&cluster, 1, MOVE_MS);
    real_until(&cluster, awaits_target, 1, "the holder has given the group back");
    real_put(&cluster, 1, "position", "4711\n");
    real_until(&cluster, serves_epoch_3, 0, "the origin serves again");

    real_assert_ended(&cluster, 2, "released", "start_failed");
    assert_true(real_says(&cluster, "data_site", cluster.sites[0].name));
    real_assert_no_overlap(&cluster);
}

static bool serves_epoch_2(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") == 2 && real_serves(of, site);
}

static void a_target_that_is_too_slow_loses_to_the_origin(void **state)
{
    (void)state;
    serve_and_be_ready();

    real_begin_switchover(&cluster, 1, 8000); /* its stop begins in time on a slow machine, too */
    real_until(&cluster, serves_epoch_2, 0, "the origin serves again"); /* 3.6 */

    real_assert_ended(&cluster, 1, "released", "switchover");
    assert_true(real_journal_has(&cluster, 0, "start epoch=2 reason=rollback"));
    assert_int_equal(real_runs(&cluster, 1, "start"), 0);
    real_assert_no_overlap(&cluster);
}

static bool is_not_ready(struct real_cluster *of, int site)
{
    return !real_site_flag(of, site, "eligible") && real_site_lists(of, site, "blocked_by", "not_ready");
}

static void a_target_that_is_not_ready_takes_nothing_from_the_holder(void **state)
{
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, 0);
    real_put(&cluster, 1, "not_ready", "");
    real_until(&cluster, is_not_ready, 1, "the target is not ready");

    assert_int_equal(real_switchover(&cluster, 1, 2000), 409); /* 3.6: B ready before Revoke */
    real_until(&cluster, real_serves, 0, "the holder serves on");

    assert_int_equal(real_number(&cluster, "epoch"), 1);
    assert_int_equal(real_service(&cluster, 0), service);
    assert_int_equal(real_runs(&cluster, 0, "stop"), 0);
    assert_true(real_is_untouched(&cluster, 1));
}

/* ---- a move that is given up ---- */

#define SLOW_RENEW_MS 1500
#define SLOW_TTL_MS   40000
#define GIVEN_UP_MS   2000

static int set_up_slow_renewals(void **state)
{
    (void)state;
    real_cluster_init(&cluster, 2, false);
    /* A report counts for 13 s: longer than the move may take, so that an agent which stalls for
     * that time is still connected (3.3, 4). */
    real_spec_number(&cluster, "renew_interval_ms", SLOW_RENEW_MS);
    real_spec_number(&cluster, "request_timeout_ms", 10000);
    real_spec_number(&cluster, "lease_ttl_ms", SLOW_TTL_MS);
    return 0;
}

/* A leader has decided so. */
static bool was_decided(const char *command)
{
    bool was = false;

    for (int i = 0; i < TRIO_WITNESSES; i++)
        was = was || trio_has_logged(&cluster.trio, i, command);
    return was;
}

static bool is_given_up(struct real_cluster *of, int site)
{
    return was_decided(" command=Unrevoke epoch=1 ") && real_says(of, "phase", "GRANTED") &&
           real_says(of, "holder", of->sites[site].name);
}

static bool has_gone_on(struct real_cluster *of, int site)
{
    return real_keeps_epoch_1(of, site) &&
           real_number(of, "lease_remaining_ms") > SLOW_TTL_MS - SLOW_RENEW_MS - 500;
}

/* Takes what has arrived for `process` out of its open file `number`, and ends the connection, if it
 * is one over TCP; false: this machine does not let us. */
static bool lose_connection(int process, int number)
{
    char chunk[4096];
    int domain = 0;
    socklen_t size = sizeof domain;
    const int fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);

    if (fd < 0)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_INET) {
        while (recv(fd, chunk, sizeof chunk, MSG_DONTWAIT) > 0)
            continue;
        (void)shutdown(fd, SHUT_RDWR); /* one that is not connected has nothing to lose */
    }
    assert_int_equal(close(fd), 0);
    return true;
}

/* What a network does to a machine that stalls behind it: nothing that was on its way arrives, and
 * the connections are gone. False: this machine does not let us. */
static bool lose_connections_of(pid_t pid)
{
    const int process = (int)syscall(SYS_pidfd_open, pid, 0);
    const struct dirent *entry;
    bool is_done = process >= 0;
    char path[64];
    DIR *files;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    files = opendir(path);
    assert_non_null(files);
    while (is_done && (entry = readdir(files)) != NULL)
        is_done = entry->d_name[0] == '.' ||
                  lose_connection(process, (int)strtol(entry->d_name, NULL, 10));
    assert_int_equal(closedir(files), 0);
    if (process >= 0)
        assert_int_equal(close(process), 0);
    return is_done;
}

/* 3.1 Unrevoke, 4: the holder's agent stalls, and never hears the order to stop. (An agent that finds
 * it in its socket afterwards obeys it: that order was given.) */
static void a_move_whose_stop_was_not_begun_in_time_is_given_up(void **state)
{
    pid_t service;
    bool is_lost;

    (void)state;
    serve_and_be_ready();
    service = real_service(&cluster, 0);
    assert_int_equal(kill(cluster.sites[0].agent, SIGSTOP), 0);

    assert_int_equal(real_switchover(&cluster, 1, GIVEN_UP_MS), 202);
    real_until(&cluster, is_given_up, 0, "the move was given up");
    assert_true(was_decided(" command=Revoke epoch=1 ")); /* it had begun */
    is_lost = lose_connections_of(cluster.sites[0].agent);
    assert_int_equal(kill(cluster.sites[0].agent, SIGCONT), 0);
    if (!is_lost)
        skip_lacking("pidfds");
    real_until(&cluster, has_gone_on, 0, "its lease is renewed as before");

    assert_int_equal(real_number(&cluster, "epoch"), 1);
    assert_int_equal(real_service(&cluster, 0), service);
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    assert_int_equal(real_runs(&cluster, 0, "stop") + real_runs(&cluster, 0, "fence"), 0);
    assert_true(real_is_untouched(&cluster, 1));
    real_begin_switchover(&cluster, 1, MOVE_MS); /* and can be asked for again */
    real_until(&cluster, serves_epoch_2, 1, "the target serves");
    real_assert_no_overlap(&cluster);
}

/* ---- the spec ---- */

static void a_new_ttl_holds_from_the_next_grant_on(void **state)
{
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, 0);

    real_spec_number(&cluster, "lease_ttl_ms", REAL_TTL_MS + 2000);
    real_apply(&cluster);
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    assert_int_equal(real_number(&cluster, "lease_ttl_ms"), REAL_TTL_MS); /* 3.9: pinned */
    assert_int_equal(real_service(&cluster, 0), service);
    real_until(&cluster, is_eligible, 1, "the second site could take over");
    real_begin_switchover(&cluster, 1, MOVE_MS);
    real_until(&cluster, serves_epoch_2, 1, "the other site serves under a new epoch");

    assert_int_equal(real_number(&cluster, "lease_ttl_ms"), REAL_TTL_MS + 2000);
    real_assert_no_overlap(&cluster);
}

static void the_holders_site_cannot_leave_the_spec(void **state)
{
    char answer[1024] = "";
    json_t *before;

    (void)state;
    real_serve(&cluster);
    before = json_deep_copy(json_object_get(cluster.spec, "sites"));
    assert_int_equal(json_object_set_new(cluster.spec, "sites",
                                         json_pack("[{s:s}, {s:s}]", "name", cluster.sites[1].name,
                                                   "name", "elsewhere")),
                     0);

    assert_int_equal(real_apply_status(&cluster, answer, sizeof answer), 422); /* 3.9 */
    assert_non_null(strstr(answer, "move the group first"));

    assert_int_equal(json_object_set_new(cluster.spec, "sites", before), 0);
    real_apply(&cluster);
    real_until(&cluster, real_serves, 0, "the holder serves on");
    assert_int_equal(real_number(&cluster, "epoch"), 1);
}

/* ---- observe ---- */

static bool is_let_go(struct real_cluster *of, int site)
{
    return real_is_vacant(of, site) && real_says(of, "mode", "observe") &&
           real_site_flag(of, site, "let_go");
}

static bool is_observed(struct real_cluster *of, int site)
{
    return real_is_vacant(of, site) && real_says(of, "mode", "observe");
}

static void observed_and_back_the_service_is_never_touched(void **state)
{
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, 0);

    real_spec_text(&cluster, "mode", "observe");
    real_apply(&cluster);
    real_until(&cluster, is_let_go, 0, "the holder has let go");
    real_until(&cluster, is_let_go, 1, "the standby has let go");
    real_assert_ended(&cluster, 1, "unmanaged", "let_go"); /* 3.1 */
    assert_true(real_for_a_lease(&cluster, is_observed, 0));
    assert_int_equal(real_service(&cluster, 0), service);
    real_spec_text(&cluster, "mode", "auto");
    real_apply(&cluster);
    real_until(&cluster, serves_epoch_2, 0, "it is adopted again"); /* 3.9 */

    assert_int_equal(real_service(&cluster, 0), service);
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    assert_int_equal(real_runs(&cluster, 0, "stop") + real_runs(&cluster, 0, "fence"), 0);
    assert_true(real_is_untouched(&cluster, 1));
}

static bool is_named_as_holding_on(struct real_cluster *of, int site)
{
    return real_is_vacant(of, site) &&
           json_is_false(json_object_get(real_site_json(of, site), "let_go"));
}

static void a_site_that_does_not_hear_of_the_let_go_fences_at_its_deadline(void **state)
{
    (void)state;
    real_serve(&cluster);

    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    real_spec_text(&cluster, "mode", "observe");
    real_apply(&cluster);
    real_until(&cluster, is_named_as_holding_on, 0, "status names who has not let go"); /* 3.8 */
    real_until(&cluster, is_let_go, 1, "the standby has let go");
    real_until(&cluster, real_service_is_gone, 0, "its guard ends the service"); /* 3.1 */
    real_start_agent(&cluster, 0);
    real_until(&cluster, is_let_go, 0, "the agent hears of it and lets go");

    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    assert_true(real_is_untouched(&cluster, 1));
}

#define CASE(claim)       cmocka_unit_test_setup_teardown(claim, set_up, tear_down)
#define POSITIONS(claim)  cmocka_unit_test_setup_teardown(claim, set_up_positions, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POSITIONS(the_target_starts_only_at_the_position_where_the_holder_ended),
        POSITIONS(a_start_that_changed_nothing_sends_the_group_back),
        POSITIONS(a_start_that_fails_and_never_serves_sends_the_group_back),
        POSITIONS(a_target_that_is_too_slow_loses_to_the_origin),
        POSITIONS(a_target_that_is_not_ready_takes_nothing_from_the_holder),
        cmocka_unit_test_setup_teardown(a_move_whose_stop_was_not_begun_in_time_is_given_up,
                                        set_up_slow_renewals, tear_down),
        CASE(a_new_ttl_holds_from_the_next_grant_on),
        CASE(the_holders_site_cannot_leave_the_spec),
        CASE(observed_and_back_the_service_is_never_touched),
        CASE(a_site_that_does_not_hear_of_the_let_go_fences_at_its_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
