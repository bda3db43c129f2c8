/* How a group begins, and what restarts of its programs do to a service that runs: nothing.
 * Design 3.4, 3.7, 3.9, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_life.h"
#include "patience.h"
#include "real_files.h"

/* The service lives on as the very process, and no script but looks has run since `starts`. */
static void assert_untouched_since(pid_t service, int starts)
{
    assert_int_equal(real_service(&cluster, 0), service);
    assert_int_equal(real_runs(&cluster, 0, "start"), starts);
    assert_int_equal(real_runs(&cluster, 0, "stop"), 0);
    assert_int_equal(real_runs(&cluster, 0, "fence"), 0);
    assert_true(real_is_untouched(&cluster, 1));
}

/* ---- the first grant ---- */

static bool has_adopted(struct real_cluster *of, int site)
{
    return real_serves(of, site) && json_is_false(json_object_get(of->group, "adopting"));
}

static void a_running_service_is_adopted_untouched_though_another_site_is_preferred(void **state)
{
    pid_t service;

    (void)state;
    real_start_by_hand(&cluster, 1);
    service = real_service(&cluster, 1);
    real_start_sites(&cluster);
    real_apply(&cluster);
    real_until(&cluster, real_serves, 1, "the site that serves holds the group");
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 1));
    real_until(&cluster, has_adopted, 1, "the adoption is over, and it serves on");

    assert_int_equal(real_number(&cluster, "epoch"), 1);
    assert_int_equal(real_service(&cluster, 1), service);
    assert_true(real_is_untouched(&cluster, 0)); /* 3.9 */
    assert_true(real_is_untouched(&cluster, 1));
}

static bool is_unreported(struct real_cluster *of, int site)
{
    return real_is_vacant(of, site) && !real_is_connected(of, site) && real_is_connected(of, 0);
}

static void nobody_is_granted_before_every_site_has_reported(void **state)
{
    (void)state;
    real_start_guard(&cluster, 0);
    real_start_agent(&cluster, 0);
    real_apply(&cluster);
    real_until(&cluster, is_unreported, 1, "only one site reports");
    assert_true(real_for_a_lease(&cluster, real_is_vacant, 1));
    real_until(&cluster, is_unreported, 1, "it still reports, and the other one does not");
    assert_int_equal(real_number(&cluster, "epoch"), 0);
    assert_true(real_is_untouched(&cluster, 0)); /* 3.9 */

    real_start_guard(&cluster, 1);
    real_start_agent(&cluster, 1);
    real_until(&cluster, real_some_site_serves, 0, "a site is started");
    assert_int_equal(real_runs(&cluster, 0, "start") + real_runs(&cluster, 1, "start"), 1);
    real_assert_no_overlap(&cluster);
}

/* Programs start well within this lease, on a slow machine too. */
static void serve_long(void)
{
    real_spec_number(&cluster, "lease_ttl_ms", 3 * REAL_TTL_MS / 2);
    real_serve(&cluster);
}

/* ---- taken off a running production, and put on again ---- */

static bool serves_by_nobody(struct real_cluster *of, int site)
{
    return real_is_vacant(of, site) && real_says(of, "mode", "observe");
}

static void a_group_that_is_deleted_and_applied_again_adopts_what_serves(void **state)
{
    pid_t service;

    (void)state;
    serve_long();
    service = real_service(&cluster, 0);
    assert_int_equal(real_order(&cluster, "delete", "{}"), 409); /* it is held */
    assert_int_equal(real_order(&cluster, "mode", "{\"mode\": \"observe\"}"), 200);
    real_until(&cluster, serves_by_nobody, 0, "the site is let go");
    while (real_order(&cluster, "delete", "{\"reason\": \"moved\"}") ==
           409) /* it has not let go yet */
        (void)usleep(50000);
    assert_int_equal(real_order(&cluster, "delete", "{}"), 404);
    assert_false(real_look(&cluster));

    real_apply(&cluster);
    real_until(&cluster, has_adopted, 0, "what serves is adopted");
    assert_true(real_number(&cluster, "epoch") >=
                2); /* more, where an adoption had to be repeated */
    assert_untouched_since(service, 1);
    real_assert_no_overlap(&cluster);
}

/* ---- restarts ---- */

static void an_agent_that_comes_back_renews_and_touches_nothing(void **state)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    pid_t service;

    (void)state;
    serve_long();
    service = real_service(&cluster, 0);
    for (int i = 0; i < 2; i++) {
        (void)real_end(&cluster.sites[0].agent, signals[i]);
        real_start_agent(&cluster, 0);
        assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
        real_until(&cluster, real_serves, 0, "the new agent renews");
        assert_untouched_since(service, 1); /* 3.7 */
    }
}

static void a_guard_that_comes_back_resumes_the_deadline_and_touches_nothing(void **state)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    pid_t service;

    (void)state;
    serve_long();
    service = real_service(&cluster, 0);
    for (int i = 0; i < 2; i++) {
        (void)real_end(&cluster.sites[0].guard, signals[i]);
        real_start_guard(&cluster, 0);
        assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
        real_until(&cluster, real_serves, 0, "renewals go on with the new guard");
        assert_untouched_since(service, 1); /* 3.4 */
    }
}

static void both_that_come_back_in_time_touch_nothing(void **state)
{
    pid_t service;

    (void)state;
    serve_long();
    service = real_service(&cluster, 0);

    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    real_start_guard(&cluster, 0);
    real_start_agent(&cluster, 0);
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    real_until(&cluster, real_serves, 0, "renewals go on");

    assert_untouched_since(service, 1); /* 3.4, 3.7 */
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

/* ---- one more, and one less, with SIGHUP ---- */

/* A group beside harbor, with a service of its own: `setsid` leaves it in its guard's reach. */
static const char pier[] = "  - name: pier\n    stop_method: cgroup\n    check_interval: 300ms\n"
                           "    start_script: pier-start.sh\n    stop_script: pier-stop.sh\n"
                           "    fence_script: pier-stop.sh\n    status_script: pier-status.sh\n"
                           "    fence_timeout: 1300ms\n    kill_grace: 200ms\n"
                           "    script_timeout: 20s\n    max_local_restarts: 0\n";
#define PIER_ALIVE                                                                                 \
    "#!/bin/sh\ncd \"${0%/*}\"\nalive() { read -r pid 2>/dev/null <pier.pid && kill -0 $pid "      \
    "2>/dev/null; }\n"

static void write_script(int site, const char *name, const char *body)
{
    char path[REAL_PATH_BYTES];

    real_path(&cluster.sites[site], name, path);
    real_write_file(path, 0755, body);
}

static void signal_both(int site, bool guard_first)
{
    const pid_t first = guard_first ? cluster.sites[site].guard : cluster.sites[site].agent;
    const pid_t second = guard_first ? cluster.sites[site].agent : cluster.sites[site].guard;

    assert_int_equal(kill(first, SIGHUP), 0);
    assert_int_equal(kill(second, SIGHUP), 0);
}

static void name_pier(int site, bool is_named)
{
    static char without[2][4096];
    char path[REAL_PATH_BYTES];
    char text[8192];

    if (without[site][0] == '\0')
        (void)snprintf(without[site], sizeof without[site], "%s",
                       real_read(&cluster, site, "site.yaml"));
    real_path(&cluster.sites[site], "site.yaml", path);
    (void)snprintf(text, sizeof text, "%s%s", without[site], is_named ? pier : "");
    real_write_file(path, 0600, text);
}

static void write_pier(int site)
{
    char service[512];

    (void)snprintf(service, sizeof service,
                   "%salive && exit 0\nsetsid sh -c 'while [ -d /proc/%ld ]; do sleep 0.1; done' "
                   "</dev/null >/dev/null 2>&1 &\necho $! >pier.pid\n",
                   PIER_ALIVE, (long)getpid());
    write_script(site, "pier-start.sh", service);
    write_script(site, "pier-stop.sh", PIER_ALIVE "while alive; do kill $pid; sleep 0.02; done\n");
    write_script(site, "pier-status.sh",
                 PIER_ALIVE "if alive; then echo started; else echo stopped; fi\n");
}

/* What `key` of the group pier, the second by its name, says, as a leader shows it. */
static bool pier_says(const char *key, const char *text)
{
    char *answer = real_get(&cluster, "/v1/status");
    json_t *status = answer != NULL ? json_loads(answer, 0, NULL) : NULL;
    const json_t *group = json_array_get(json_object_get(status, "groups"), 1);
    const char *word = json_string_value(json_object_get(group, key));
    const bool is_so = word != NULL && strcmp(word, text) == 0;

    json_decref(status);
    free(answer);
    return is_so;
}

static bool pier_serves(struct real_cluster *of, int site)
{
    char path[REAL_PATH_BYTES];

    real_path(&of->sites[site], "pier.pid", path);
    return pier_says("holder", of->sites[site].name) && access(path, F_OK) == 0;
}

static bool logs(int site, const char *file, const char *text)
{
    return strstr(real_read(&cluster, site, file), text) != NULL;
}

static void wait_logs(int site, const char *file, const char *text)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (!logs(site, file, text)) {
        if (patience_is_over(&patience))
            patience_fail("%s of site %d says: %s", file, site, text);
        (void)usleep(50000);
    }
}

static bool pier_is_let_go(struct real_cluster *of, int site)
{
    (void)of;
    return pier_says("phase", "VACANT") && logs(site, "guard.log", "event=group.let_go");
}

/* `check --connect` of the site's file, whatever else this machine lacks. */
static void assert_dials(int site)
{
    char command[512];
    char path[REAL_PATH_BYTES];

    real_path(&cluster.sites[site], "", path);
    (void)snprintf(
        command, sizeof command,
        "cd '%s' && \"$BREAKWATER_BUILD/breakwater\" check --connect site.yaml >dialled 2>&1",
        path);
    (void)!system(command);
    assert_true(logs(site, "dialled", "guard.sock answers, it guards all groups"));
    assert_true(logs(site, "dialled", "dialled a witness: 127.0.0.1:"));
    assert_false(logs(site, "dialled", "mirrors in"));
    assert_true(logs(site, "dialled", "dialled the enforcer: enforcer-"));
    assert_true(logs(site, "dialled", " answers, it holds "));
}

/* 5.4: whichever reads its file first. */
static void a_group_comes_and_goes_beside_one_that_serves_on(void **state)
{
    json_t *name = json_string("pier");
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, 0);
    for (int site = 0; site < 2; site++) {
        write_pier(site);
        name_pier(site, true);
        signal_both(site, site == 0);
    }
    assert_int_equal(json_object_set_new(cluster.spec, "name", name), 0);
    real_apply(&cluster);
    real_until(&cluster, pier_serves, 0, "the group that came is granted and started");

    assert_dials(0);
    name_pier(0, false); /* held: both refuse, and say what to do first */
    signal_both(0, true);
    wait_logs(0, "guard.log", "breakwater mode GROUP unmanaged");
    wait_logs(0, "agent.log", "group=pier why=");
    real_spec_text(&cluster, "mode", "observe");
    real_apply(&cluster);
    real_until(&cluster, pier_is_let_go, 0, "it is let go");
    for (int site = 0; site < 2; site++) {
        name_pier(site, false);
        do
            signal_both(site, site != 0);
        while (usleep(200000) == 0 && (!logs(site, "guard.log", "event=group.left") ||
                                       !logs(site, "agent.log", "event=group.left")));
    }
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    assert_untouched_since(service, 1);
    real_assert_no_overlap(&cluster);
}

static bool is_verified(struct real_cluster *of, int site)
{
    char path[REAL_PATH_BYTES];

    real_path(&of->sites[site], "verified", path);
    return access(path, F_OK) == 0;
}

/* 5.4: whoever reloads the agent alone has it ask for what its guard does not know. */
static void a_verify_that_the_guard_has_not_read_yet_stops_no_service(void **state)
{
    char path[REAL_PATH_BYTES];
    char text[8192];

    (void)state;
    real_serve(&cluster);
    write_script(1, "verify.sh", "#!/bin/sh\n: >\"${0%/*}/verified\"\n");
    (void)snprintf(text, sizeof text, "%s    verify_script: verify.sh\n",
                   real_read(&cluster, 1, "site.yaml"));
    real_path(&cluster.sites[1], "site.yaml", path);
    real_write_file(path, 0600, text);
    assert_int_equal(kill(cluster.sites[1].agent, SIGHUP), 0);
    wait_logs(1, "agent.log", "event=config.loaded");

    real_begin_switchover(&cluster, 1, 60000);

    real_until(&cluster, real_serves, 1, "the other site serves");
    assert_int_equal(real_runs(&cluster, 1, "stop"), 0);
    assert_false(logs(1, "guard.log", "no_script"));
    assert_false(is_verified(&cluster, 1));
    wait_logs(1, "agent.log", "event=guard.differs");
    assert_int_equal(kill(cluster.sites[1].guard, SIGHUP), 0);
    real_until(&cluster, is_verified, 1, "it is verified once the guard has read of it");
    real_assert_no_overlap(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_running_service_is_adopted_untouched_though_another_site_is_preferred),
        CASE(nobody_is_granted_before_every_site_has_reported),
        CASE(a_group_that_is_deleted_and_applied_again_adopts_what_serves),
        CASE(an_agent_that_comes_back_renews_and_touches_nothing),
        CASE(a_guard_that_comes_back_resumes_the_deadline_and_touches_nothing),
        CASE(both_that_come_back_in_time_touch_nothing),
        CASE(a_group_comes_and_goes_beside_one_that_serves_on),
        CASE(a_verify_that_the_guard_has_not_read_yet_stops_no_service),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
