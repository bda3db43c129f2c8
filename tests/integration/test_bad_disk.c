/* Disks that fail, fill up or answer late, under the real programs: nothing is promised that was
 * not kept, and nothing said before is forgotten. Design 3.4, 3.5, I3: no renewal and no start
 * without durable state; a witness that cannot keep its vote takes no part. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cluster_life.h"
#include "faults.h"
#include "lacking.h"
#include "patience.h"

#define COMMAND_BYTES  1024
#define STATUS_RESTART 75
#define VICTIM         0 /* of the witnesses: w1, in data1 */
#define TRIES          5
#define SLOW_ELECTION_MS 1000

static const char *faults_path(void)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/faults", cluster.dir);
    return path;
}

/* ---- at a site ------------------------------------------------------------------------------- */

static int tear_down_sites(void **state)
{
    faults_end();
    return tear_down_judged(state);
}

enum victim { AGENT, GUARD };

/* All run, the victim of site 0 on the word of the faults; there is no group yet. */
static void start_with(enum victim victim)
{
    faults_begin(faults_path());
    if (victim == AGENT)
        real_start_agent(&cluster, 0);
    else
        real_start_guard(&cluster, 0);
    faults_end();
    if (victim == AGENT)
        real_start_guard(&cluster, 0);
    else
        real_start_agent(&cluster, 0);
    real_start_guard(&cluster, 1);
    real_start_agent(&cluster, 1);
}

static bool is_there(struct real_cluster *of, int site)
{
    return real_is_connected(of, site) && real_site_flag(of, site, "guard");
}

/* An epoch that site 0 cannot keep ends without a start there. */
static void assert_nothing_starts_with(enum victim victim, const char *fault)
{
    start_with(victim);
    real_spec_text(&cluster, "mode", "paused"); /* no grant yet */
    real_apply(&cluster);
    real_until(&cluster, is_there, 0, "the first site is there");
    real_until(&cluster, is_there, 1, "the second site is there");
    faults_say(faults_path(), fault);
    real_spec_text(&cluster, "mode", "auto");
    real_apply(&cluster);

    real_until(&cluster, real_serves, 1, "the second site serves");
    assert_int_equal(real_runs(&cluster, 0, "start"), 0);
    assert_int_equal(real_service(&cluster, 0), 0);
}

static bool is_not_durable(struct real_cluster *of, int site)
{
    return real_site_lists(of, site, "alarms", "state_not_durable");
}

static bool is_durable_again(struct real_cluster *of, int site)
{
    return real_is_connected(of, site) && !is_not_durable(of, site);
}

/* 3.4, 3.5: the agent fsyncs the epoch before anything else. */
static void an_agent_whose_fsync_fails_neither_renews_nor_starts(void **state)
{
    (void)state;
    assert_nothing_starts_with(AGENT, "fsync /a/state/agent 5\n");
    real_until(&cluster, is_not_durable, 0, "status says that the state is not durable");

    faults_say(faults_path(), "");
    real_until(&cluster, is_durable_again, 0, "the alarm goes with its cause");
}

static void an_agent_on_a_full_disk_neither_renews_nor_starts(void **state)
{
    (void)state;
    assert_nothing_starts_with(AGENT, "write /a/state/agent 28\n");
}

/* 5.2: the disk may have room again, so who starts it is told to do it again. */
static void an_agent_that_begins_on_a_full_disk_is_to_be_started_again(void **state)
{
    (void)state;
    faults_begin(faults_path());
    faults_say(faults_path(), "write /a/state/agent 28\n");
    real_start_agent(&cluster, 0);
    assert_int_equal(real_end(&cluster.sites[0].agent, 0), STATUS_RESTART);
    faults_say(faults_path(), "");
    real_start_agent(&cluster, 0);
    faults_end();
    real_start_guard(&cluster, 0);
    real_apply_first(&cluster);
    real_until(&cluster, real_serves, 0, "the site serves");
}

/* Longer than the lease: what it says afterwards is late, and counts for nothing. */
static void an_agent_whose_disk_is_slower_than_the_lease_starts_nothing(void **state)
{
    char fault[64];

    (void)state;
    (void)snprintf(fault, sizeof fault, "slow /a/state/agent %d\n", REAL_TTL_MS + 2000);
    assert_nothing_starts_with(AGENT, fault);
}

static void a_guard_whose_rename_fails_arms_and_starts_nothing(void **state)
{
    (void)state;
    assert_nothing_starts_with(GUARD, "rename /a/state/guard 5\n");
}

/* The mirror of the deadline outlives the guard: without it a lease is not armed. */
static void a_holder_whose_guard_can_write_no_mirror_ends_in_time(void **state)
{
    (void)state;
    start_with(GUARD);
    real_apply_first(&cluster);
    real_until(&cluster, real_serves, 0, "the first site serves");
    real_until(&cluster, real_is_connected, 1, "the second site is there");
    faults_say(faults_path(), "write /a/run 28\n");

    real_until(&cluster, real_serves, 1, "the second site serves");
    assert_int_equal(real_service(&cluster, 0), 0);
}

/* ---- at a witness ---------------------------------------------------------------------------- */

static struct trio trio;
static struct puppet agent;

static int set_up_trio_of(unsigned election_ms)
{
    memset(&cluster, 0, sizeof cluster);
    trio_init_slow(&trio, election_ms);
    (void)snprintf(cluster.dir, sizeof cluster.dir, "%s", trio.pki.dir);
    puppet_init(&agent, &trio, "dc-a", "harbor");
    return 0;
}

static int set_up_trio(void **state)
{
    (void)state;
    return set_up_trio_of(TRIO_ELECTION_MS);
}

static int set_up_slow_trio(void **state)
{
    (void)state;
    return set_up_trio_of(SLOW_ELECTION_MS);
}

static int tear_down_trio(void **state)
{
    (void)state;
    faults_end();
    puppet_deinit(&agent);
    trio_deinit(&trio);
    return 0;
}

static void run_shell(const char *format, const char *data)
{
    char command[COMMAND_BYTES];

    (void)snprintf(command, sizeof command, format, data, data, data, data);
    assert_int_equal(system(command), 0);
}

/* All run, and the victim, on the word of the faults, follows. Which leads. */
static int follow_with(int victim)
{
    int leader = -1;

    trio_start_all(&trio, TRIO_EXECUTED); /* a cluster begins once all are up */
    (void)trio_leader(&trio);
    (void)trio_stop(&trio, victim, SIGKILL);
    for (int tries = 0; tries < TRIES; tries++) {
        (void)trio_leader(&trio); /* the others have one, or this one is started again */
        faults_begin(faults_path());
        trio_start(&trio, victim, TRIO_EXECUTED);
        faults_end();
        leader = trio_leader(&trio);
        if (leader != victim)
            return leader;
        (void)trio_stop(&trio, victim, SIGKILL);
    }
    fail_msg("witness %d leads, again and again", victim + 1);
    return leader;
}

/* The leader goes, and `victim` would have to vote: it ends instead, and says why. Meanwhile the
 * third one alone confirms nothing. I3. */
static void assert_it_takes_no_part(int victim, int leader, const char *why)
{
    const int third = TRIO_WITNESSES - victim - leader;

    (void)trio_stop(&trio, leader, SIGKILL);
    assert_int_equal(trio_stop(&trio, victim, 0), STATUS_RESTART);
    assert_true(trio_has_logged(&trio, victim, why));
    assert_true(trio_has_logged(&trio, victim, "vote"));
    if (puppet_sync(&agent, third) == 200)
        assert_false(agent.answer.is_leader);
}

static void assert_it_is_back(int victim)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);

    trio_start(&trio, victim, TRIO_EXECUTED);
    while (!puppet_sync_all(&agent)) {
        if (patience_is_over(&patience))
            patience_fail("a leader answers the agent");
        (void)trio_leader(&trio);
    }
}

static void assert_it_needs(const char *fault)
{
    const int leader = follow_with(VICTIM);

    faults_say(faults_path(), fault);

    assert_it_takes_no_part(VICTIM, leader, "Input/output error");
    faults_say(faults_path(), "");
    assert_it_is_back(VICTIM);
}

static void a_witness_whose_fsync_fails_takes_no_part_until_it_works(void **state)
{
    (void)state;
    assert_it_needs("fsync /data1 5\n");
}

/* The bytes of the vote, before they get its name; that of the directory is another fsync. */
static void a_witness_whose_vote_is_not_synced_takes_no_part(void **state)
{
    (void)state;
    assert_it_needs("fsync /data1/vote.tmp 5\n");
}

static void a_witness_on_a_full_disk_takes_no_part_until_there_is_room(void **state)
{
    char data[TRIO_PATH_BYTES];
    char config[TRIO_PATH_BYTES];
    char *again[] = {NULL, "witness", "-c", config, NULL};
    char out[256];
    int leader;

    (void)state;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip_lacking("mounts");
    trio_path(&trio, "data1", data);
    run_shell("cp -a '%s' '%s.copy' && mount -t tmpfs -o size=64m,mode=700 none '%s'", data);
    run_shell("cp -a '%s.copy'/. '%s'/ && rm -rf '%s.copy'", data);
    leader = follow_with(VICTIM);
    run_shell("dd if=/dev/zero of='%s/filler' bs=4096 2>/dev/null; [ -s '%s/filler' ]", data);

    assert_it_takes_no_part(VICTIM, leader, "No space left on device");
    trio_path(&trio, "w1.yaml", config);
    assert_int_equal(trio_run(&trio, again, out, sizeof out), STATUS_RESTART);
    run_shell("rm '%s/filler'", data);
    assert_it_is_back(VICTIM);

    (void)trio_stop(&trio, VICTIM, SIGKILL);
    assert_int_equal(umount2(data, MNT_DETACH), 0);
}

/* A candidate waits for its own saves and for those that vote, and not for longer than twice the election timeout. */
static void on_slow_disks_another_leader_is_elected_and_they_are_said(void **state)
{
    char fault[64];
    int leader;

    (void)state;
    faults_begin(faults_path());
    trio_start_all(&trio, TRIO_EXECUTED);
    faults_end();
    leader = trio_leader(&trio);
    (void)snprintf(fault, sizeof fault, "slow /data %d\n", SLOW_ELECTION_MS * 19 / 100);
    faults_say(faults_path(), fault);

    (void)trio_stop(&trio, leader, SIGKILL);
    leader = trio_leader(&trio);

    assert_true(trio_has_logged(&trio, leader, "raft.vote_slow"));
}

#define SITE(claim)    cmocka_unit_test_setup_teardown(claim, set_up, tear_down_sites)
#define WITNESS(claim) cmocka_unit_test_setup_teardown(claim, set_up_trio, tear_down_trio)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SITE(an_agent_whose_fsync_fails_neither_renews_nor_starts),
        SITE(an_agent_on_a_full_disk_neither_renews_nor_starts),
        SITE(an_agent_that_begins_on_a_full_disk_is_to_be_started_again),
        SITE(an_agent_whose_disk_is_slower_than_the_lease_starts_nothing),
        SITE(a_guard_whose_rename_fails_arms_and_starts_nothing),
        SITE(a_holder_whose_guard_can_write_no_mirror_ends_in_time),
        WITNESS(a_witness_whose_fsync_fails_takes_no_part_until_it_works),
        WITNESS(a_witness_whose_vote_is_not_synced_takes_no_part),
        WITNESS(a_witness_on_a_full_disk_takes_no_part_until_there_is_room),
        cmocka_unit_test_setup_teardown(on_slow_disks_another_leader_is_elected_and_they_are_said,
                                        set_up_slow_trio, tear_down_trio),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
