/* A second enforcer on another machine (3.4): what it ends when the machine of agent and guard is
 * lost, and when time alone hands the group over because of it. On real processes; the service's
 * own records judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "elsewhere_world.h"
#include "janitor.h"
#include "lacking.h"
#include "patience.h"
#include "real_files.h"
#include "stuck_disk.h"

static bool says(struct real_cluster *of, int site, const char *word)
{
    const char *found = json_string_value(
        json_object_get(real_site_json(of, site), "second_enforcer"));

    return found != NULL && strcmp(found, word) == 0;
}

static bool is_committed(struct real_cluster *of)
{
    char *text = real_get(of, "/v1/groups/harbor");
    json_t *document = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const bool is = json_is_true(
        json_object_get(json_object_get(document, "terms"), "second_enforcer"));

    json_decref(document);
    free(text);
    return is;
}

static bool is_counted_on(struct real_cluster *of, int site)
{
    return says(of, site, "seen") && is_committed(of);
}

static bool is_silent(struct real_cluster *of, int site)
{
    return says(of, site, "silent") && !is_committed(of);
}

static bool is_blind(struct real_cluster *of, int site)
{
    return says(of, site, "blind") && !is_committed(of);
}

static bool is_on_the_same_machine(struct real_cluster *of, int site)
{
    return says(of, site, "same_machine");
}

static bool is_closed(struct real_cluster *of, int site)
{
    (void)site;
    return real_says(of, "phase", "CLOSING");
}

static bool is_untested(struct real_cluster *of, int site)
{
    return says(of, site, "fence_untested");
}

static void serve_untested(bool is_elsewhere)
{
    if (!real_can_fake_boot())
        skip_lacking("mounts or machineid");
    real_use_second_enforcer(&cluster, 0);
    real_start_second_enforcer(&cluster, 0, is_elsewhere);
    serve_outside();
}

/* As people do it: one outage, by its fence alone. */
static void prove_fence(void)
{
    char out[4096];

    real_until(&cluster, is_untested, 0, "the second enforcer waits for its proof");
    assert_false(is_committed(&cluster));
    if (prove(0, "--yes", out, sizeof out) != 0)
        fail_msg("%s", out);
    assert_non_null(strstr(out, "proved: the fence by the second enforcer"));
}

/* A second enforcer that is proved, or (not elsewhere) one that cannot be. */
static void begin(bool is_elsewhere)
{
    serve_untested(is_elsewhere);
    if (is_elsewhere)
        prove_fence();
}

static void lose_machine(int site)
{
    (void)real_end(&cluster.sites[site].agent, SIGKILL);
    (void)real_end(&cluster.sites[site].guard, SIGKILL);
}

/* Nobody else could end it, and nobody is asked. */
static void what_outlives_its_machine_is_fenced_by_the_second_enforcer(void **state)
{
    uint64_t lease_end_ms;

    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    lease_end_ms = real_lease_end_ms(&cluster, 0);
    lose_machine(0);
    real_until(&cluster, serves_later, 0, "the other site serves");

    real_assert_ended(&cluster, 1, "expired", "site_lost");
    assert_true(real_service_is_gone(&cluster, 0));
    assert_true(real_journal_has(&cluster, 0, "fence epoch=1 reason=lease_lost"));
    assert_true(real_last_beat_ms(&cluster, 0) <= real_lease_end_ms(&cluster, 0));
    assert_true(real_lease_end_ms(&cluster, 0) >= lease_end_ms);
    real_assert_no_overlap(&cluster);
}

/* Both machines are lost, the second one first: that is known, and time ends nothing. */
static void without_it_the_group_waits(void **state)
{
    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    (void)real_end(&cluster.sites[0].enforcer, SIGKILL);
    real_until(&cluster, is_silent, 0, "it is seen no more, and that is committed");
    assert_true(real_service_lives(&cluster, 0));
    lose_machine(0);
    real_until(&cluster, is_closed, 0, "its epoch is closed");
    assert_true(real_for_a_lease(&cluster, stays_in_its_epoch, 0));
    assert_true(real_service_lives(&cluster, 0));

    /* Begun anew, with an epoch in its file whose deadline nobody can tell: it fences. The group
     * still waits: its word reaches nobody. */
    real_start_second_enforcer(&cluster, 0, true);
    real_until(&cluster, real_service_is_gone, 0, "the service is fenced");
    assert_true(real_for_a_lease(&cluster, stays_in_its_epoch, 0));
    real_assert_no_overlap(&cluster);
}

/* Restarted by one cause, it and its agent: who knows of no lease yet says nothing of the one that
 * is alive. */
static void one_that_is_restarted_resumes_its_deadline(void **state)
{
    uint64_t lease_end_ms;

    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    (void)real_end(&cluster.sites[0].enforcer, SIGKILL);
    lose_machine(0);
    lease_end_ms = real_lease_end_ms(&cluster, 0);
    real_start_second_enforcer(&cluster, 0, true);
    real_until(&cluster, real_service_is_gone, 0, "the service is fenced");
    /* By a guess it would be within two seconds. */
    assert_true(real_last_beat_ms(&cluster, 0) + REAL_FENCE_MS + REAL_TTL_MS / 4 >= lease_end_ms);
    real_assert_no_overlap(&cluster);
}

static bool has_refused(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "enforcer.log"), "event=config.refused") != NULL;
}

/* Begun anew without it, it would fence nothing, and time hands the group over because of it. */
static void one_that_is_told_to_leave_what_is_armed_refuses(void **state)
{
    char command[REAL_PATH_BYTES + 64];
    char path[REAL_PATH_BYTES];

    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    real_path(&cluster.sites[0], "enforcer.yaml", path);
    (void)snprintf(command, sizeof command, "sed -i 's/name: harbor/name: other/' '%s'", path);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(cluster.sites[0].enforcer, SIGHUP), 0);
    real_until(&cluster, has_refused, 0, "it refuses the file");
    assert_non_null(strstr(real_read(&cluster, 0, "enforcer.log"), "group harbor is armed here"));
    lose_machine(0);
    real_until(&cluster, serves_later, 0, "the other site serves");
    assert_true(real_service_is_gone(&cluster, 0));
    real_assert_no_overlap(&cluster);
}

static bool has_begun_to_fence(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "enforcer.log"), "to=SCRIPT") != NULL;
}

static unsigned reloads; /* that are waited for */

static bool has_reloaded(struct real_cluster *of, int site)
{
    const char *at = real_read(of, site, "enforcer.log");
    unsigned count = 0;

    for (; (at = strstr(at, "event=config.loaded")) != NULL; at++)
        count++;
    return count >= reloads;
}

/* A script that runs is never cut, however often it is told; and what mends a fence that cannot end well is taken between
 * two tries. */
static void one_that_is_told_to_begin_anew_as_it_fences_cuts_no_script(void **state)
{
    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    real_put(&cluster, 0, "hangs", "");
    lose_machine(0);
    real_until(&cluster, has_begun_to_fence, 0, "it fences");
    for (reloads = 1; reloads <= 2; reloads++) {
        assert_int_equal(kill(cluster.sites[0].enforcer, SIGHUP), 0);
        real_until(&cluster, has_reloaded, 0, "it has read its file again");
    }
    assert_int_equal(real_end(&cluster.sites[0].enforcer, 0), 75);
    assert_non_null(strstr(real_read(&cluster, 0, "enforcer.log"), "action=fence by=second how=\"timed out\""));
    assert_non_null(strstr(real_read(&cluster, 0, "enforcer.log"),
                           "begins anew with it once the script that runs has ended"));

    real_drop(&cluster, 0, "hangs");
    real_start_second_enforcer(&cluster, 0, true);
    real_until(&cluster, real_service_is_gone, 0, "the service is fenced");
    real_assert_no_overlap(&cluster);
}

/* The API that it would fence through answers nobody: then no time ends what may live on. */
static void one_that_cannot_see_is_not_counted_on(void **state)
{
    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    lose_api(0);
    real_until(&cluster, is_blind, 0, "it sees nothing, and that is committed");
    lose_machine(0);
    real_until(&cluster, is_closed, 0, "its epoch is closed");
    assert_true(real_for_a_lease(&cluster, stays_in_its_epoch, 0));
    assert_true(real_service_lives(&cluster, 0));
    real_assert_no_overlap(&cluster);
}

/* The API is lost with agent and guard, at once: the second enforcer tells the witnesses that it
 * has seen no end, and that outlives it. The site itself ends it once it is back. */
static void what_it_cannot_end_is_not_handed_over(void **state)
{
    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    lose_api(0);
    lose_machine(0);
    real_until(&cluster, is_closed, 0, "its epoch is closed");
    (void)real_end(&cluster.sites[0].enforcer, SIGKILL);
    for (int lease = 0; lease < 2; lease++)
        assert_true(real_for_a_lease(&cluster, stays_in_its_epoch, 0));
    assert_true(real_service_lives(&cluster, 0));

    get_api_back(0);
    real_start_guard(&cluster, 0);
    real_start_agent(&cluster, 0);
    real_until(&cluster, serves_later, 0, "a site serves");
    real_assert_no_overlap(&cluster);
}

static bool is_seen(struct real_cluster *of, int site)
{
    return says(of, site, "seen");
}

static bool is_unproved(struct real_cluster *of, int site)
{
    return says(of, site, "unproved");
}

/* What has agreed is not what would fence now. As nothing serves, it cannot agree anew. */
static void one_whose_fence_script_is_replaced_is_not_counted_on(void **state)
{
    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, real_serves, 1, "the group has moved");
    real_until(&cluster, is_seen, 0, "it would count");
    real_put(&cluster, 0, "fence.sh", "#!/bin/sh\nexit 0\n");
    real_until(&cluster, is_unproved, 0, "what it would fence with has not agreed");
}

/* It sees what its guard sees, and its fence ends nothing. Before proofs were asked for it counted, and two would serve. */
static void one_whose_fence_ends_nothing_is_not_counted_on(void **state)
{
    char out[4096];
    pid_t before;

    (void)state;
    real_put(&cluster, 0, "fence.sh", "#!/bin/sh\nexit 0\n");
    serve_untested(true);
    real_until(&cluster, is_untested, 0, "the second enforcer waits for its proof");
    before = real_service(&cluster, 0);
    assert_int_equal(prove(0, "--yes", out, sizeof out), 1);
    assert_int_equal(real_service(&cluster, 0), before);
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    assert_true(is_untested(&cluster, 0));
    lose_machine(0);
    real_until(&cluster, is_closed, 0, "its epoch is closed");
    for (int lease = 0; lease < 2; lease++)
        assert_true(real_for_a_lease(&cluster, stays_in_its_epoch, 0));
    assert_true(real_service_lives(&cluster, 0));
    real_assert_no_overlap(&cluster);
}

/* The proof is on its disk. */
static void a_proof_outlives_both_processes(void **state)
{
    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    (void)real_end(&cluster.sites[0].enforcer, SIGKILL);
    (void)real_end(&cluster.sites[0].agent, SIGKILL);
    real_start_agent(&cluster, 0);
    real_start_second_enforcer(&cluster, 0, true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen again");
    assert_true(real_service_lives(&cluster, 0));
}

/* One that would be lost with the guard is none. */
static void one_on_the_same_machine_is_not_counted_on(void **state)
{
    (void)state;
    begin(false);
    real_until(&cluster, is_on_the_same_machine, 0, "it is heard");
    assert_false(is_committed(&cluster));
    lose_machine(0);
    real_until(&cluster, is_closed, 0, "its epoch is closed");
    real_assert_no_overlap(&cluster);
}

/* It lives beside what serves, and ends nothing while the lease goes on, nor after a move. */
static void it_ends_nothing_that_is_leased(void **state)
{
    int fences;

    (void)state;
    begin(true);
    fences = real_runs(&cluster, 0, "fence"); /* its proof */
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, real_serves, 1, "the group has moved");
    real_begin_switchover(&cluster, 0, 60000);
    real_until(&cluster, real_serves, 0, "and is back");
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen again");
    assert_true(real_for_a_lease(&cluster, real_serves, 0));
    assert_int_equal(real_runs(&cluster, 0, "fence"), fences);
    real_assert_no_overlap(&cluster);
}

/* ---- what it is left with ---- */

static bool rests(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "enforcer.log"), "to=IDLE") != NULL;
}

/* Its volume is gone, and its mirror, in the same boot, would be enough to know of an epoch that nobody has any more. */
static void what_was_let_go_is_in_no_mirror(void **state)
{
    char path[REAL_PATH_BYTES];

    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    real_spec_text(&cluster, "mode", "observe");
    real_apply(&cluster);
    real_until(&cluster, rests, 0, "the second enforcer rests");
    assert_true(real_for_a_lease(&cluster, real_service_lives, 0));
    (void)real_end(&cluster.sites[0].enforcer, SIGKILL);
    lose_machine(0);
    real_path(&cluster.sites[0], "enforcer", path);
    janitor_remove_dir(path);
    assert_int_equal(mkdir(path, 0700), 0);
    real_start_second_enforcer(&cluster, 0, true);
    assert_true(real_for_a_lease(&cluster, real_service_lives, 0)); /* by a guess it would be fenced in two seconds */
    assert_null(strstr(real_read(&cluster, 0, "enforcer.log"), "to=SCRIPT"));
}

static void lose_states(int site)
{
    static const char *const kept[] = {"state/agent", "state/guard"};
    char path[REAL_PATH_BYTES];

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        real_path(&cluster.sites[site], kept[i], path);
        janitor_remove_dir(path);
    }
}

/* All witnesses are lost, and agents and guards are made anew with a new cluster of that name. Its epochs begin at 1
 * again: they are none that the second enforcer, which has kept its file, has fenced. */
static void one_whose_cluster_was_made_anew_takes_its_epochs(void **state)
{
    struct patience patience;

    (void)state;
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    for (int site = 0; site < 2; site++)
        lose_machine(site);
    trio_found_anew(&cluster.trio);
    patience = patience_begin(REAL_WAIT_MS);
    while (!real_service_is_gone(&cluster, 0)) { /* real_until needs a leader */
        if (patience_is_over(&patience))
            patience_fail("the service of the first site ends");
        (void)usleep(50 * 1000);
    }
    for (int site = 0; site < 2; site++)
        lose_states(site);
    trio_start_all(&cluster.trio, TRIO_EXECUTED);

    real_serve(&cluster);
    prove_fence(); /* that was forgotten, too */
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen again");
    assert_non_null(strstr(real_read(&cluster, 0, "enforcer.log"), "event=second.forgotten"));
    assert_true(real_for_a_lease(&cluster, real_service_lives, 0));
    lose_machine(0);
    real_until(&cluster, serves_later, 0, "the other site serves");
    assert_true(real_service_is_gone(&cluster, 0));
    real_assert_no_overlap(&cluster);
}

/* ---- a file system that hangs ---- */

static pid_t disk_server = -1;
static char disk[REAL_PATH_BYTES];

static void close_disk(void)
{
    if (disk_server >= 0)
        stuck_disk_close(disk_server, disk);
    disk_server = -1;
}

static int tear_down_disk(void **state)
{
    close_disk(); /* else what looks for files in it would hang, too */
    return tear_down_daemons(state);
}

static bool says_files_are_silent(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "enforcer.log"), "event=config.read_stalled") != NULL;
}

static bool says_files_answer(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "enforcer.log"), "event=files.answer") != NULL;
}

/* It was counted on, and reads a file whose certificate lies on a disk that does not answer; good.yaml is the one
 * before. */
static void begin_with_a_certificate_that_hangs(void)
{
    char command[3 * REAL_PATH_BYTES];

    real_path(&cluster.sites[0], "disk", disk);
    assert_int_equal(mkdir(disk, 0700), 0);
    disk_server = stuck_disk_open(disk);
    if (disk_server < 0)
        skip_lacking("fuse");
    begin(true);
    real_until(&cluster, is_counted_on, 0, "the second enforcer is seen");
    (void)snprintf(command, sizeof command,
                   "cd '%s' && cp enforcer.yaml good.yaml && sed -i \"s|identity: .*/|identity: 'disk/|\" enforcer.yaml",
                   cluster.sites[0].dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(cluster.sites[0].enforcer, SIGHUP), 0);
    real_until(&cluster, says_files_are_silent, 0, "it says that its files do not answer");
}

/* Its loop goes on; what was asked for has its outcome before it says that files answer. */
static void one_whose_files_hang_says_so_and_is_counted_on(void **state)
{
    const char *log;

    (void)state;
    begin_with_a_certificate_that_hangs();

    assert_true(real_for_a_lease(&cluster, is_counted_on, 0));

    close_disk();
    real_until(&cluster, says_files_answer, 0, "it has read what there is");
    log = real_read(&cluster, 0, "enforcer.log");
    assert_non_null(strstr(log, "event=certificate.refused"));
    assert_true(strstr(log, "event=certificate.refused") < strstr(log, "event=files.answer"));
}

static bool refuses_its_agent(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "enforcer.log"), "certificate revoked") != NULL;
}

static bool begins_anew(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "enforcer.log"), "event=config.loaded") != NULL;
}

/* 5.3: at once; and the newest file is the one with which it begins anew. */
static void one_whose_certificate_hangs_takes_its_agent_back(void **state)
{
    char command[3 * REAL_PATH_BYTES];

    (void)state;
    begin_with_a_certificate_that_hangs();
    (void)snprintf(command, sizeof command,
                   "cd '%s' && sed 's|^tls: {|tls: {revoked: [agent/%s/agent], |' good.yaml >enforcer.yaml && "
                   "grep -q revoked enforcer.yaml",
                   cluster.sites[0].dir, cluster.sites[0].name);
    assert_int_equal(system(command), 0);
    assert_int_equal(kill(cluster.sites[0].enforcer, SIGHUP), 0);

    real_until(&cluster, refuses_its_agent, 0, "it refuses its agent");
    real_until(&cluster, is_silent, 0, "it is not counted on");
    assert_false(begins_anew(&cluster, 0));
    close_disk();
    real_until(&cluster, begins_anew, 0, "it begins anew with the newest file");
    assert_null(strstr(real_read(&cluster, 0, "enforcer.log"), "event=certificate.refused")); /* the older one's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_outlives_its_machine_is_fenced_by_the_second_enforcer,
                                        set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(what_was_let_go_is_in_no_mirror, set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_whose_cluster_was_made_anew_takes_its_epochs, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(without_it_the_group_waits, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_that_is_restarted_resumes_its_deadline, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_that_is_told_to_begin_anew_as_it_fences_cuts_no_script,
                                        set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_that_is_told_to_leave_what_is_armed_refuses,
                                        set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_that_cannot_see_is_not_counted_on, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(what_it_cannot_end_is_not_handed_over, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_whose_fence_script_is_replaced_is_not_counted_on,
                                        set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_whose_fence_ends_nothing_is_not_counted_on, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(a_proof_outlives_both_processes, set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_on_the_same_machine_is_not_counted_on, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(it_ends_nothing_that_is_leased, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(one_whose_files_hang_says_so_and_is_counted_on, set_up_daemons,
                                        tear_down_disk),
        cmocka_unit_test_setup_teardown(one_whose_certificate_hangs_takes_its_agent_back,
                                        set_up_daemons, tear_down_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
