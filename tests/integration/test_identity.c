/* Who somebody is: the certificate says it, never the words. Witnesses whose files do not agree, and
 * holders of good certificates who speak for somebody else. Design 3.5, 3.9, 5.3, on real processes with
 * real certificates; what the services recorded, and the logs, judge. */
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
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/machine/agent.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/sync.h>

#include "cluster_life.h"
#include "janitor.h"
#include "trio_life.h"

/* ---- files that do not agree ----------------------------------------------------------------- */

/* Exchanges the ids of w2 and w3 in the file of w2. */
static void swap_ids_in_second(void)
{
    static char text[4096];
    char config[TRIO_PATH_BYTES];
    char *second;
    char *third;
    FILE *file;
    size_t size;

    trio_path(&trio, "w2.yaml", config);
    file = fopen(config, "r+");
    assert_non_null(file);
    size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    second = strstr(text, "name: w2, id: 2");
    third = strstr(text, "name: w3, id: 3");
    assert_true(second != NULL && third != NULL);
    second[strlen("name: w2, id: ")] = '3';
    third[strlen("name: w3, id: ")] = '2';
    rewind(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Makes the data directory of w2 anew, as its file has it now. */
static void found_second(void)
{
    char path[TRIO_PATH_BYTES];
    char config[TRIO_PATH_BYTES];
    char id[BW_ID_TEXT_BYTES];
    char out[64];
    char *init[] = {NULL, "witness", "init", "-c", config, "--cluster-id", id, NULL};

    trio_path(&trio, "data2", path);
    janitor_remove_dir(path);
    trio_path(&trio, "w2.yaml", config);
    bw_id_format(trio.cluster_id, id);
    assert_int_equal(trio_run(&trio, init, out, sizeof out), 0);
}

static bool some_witness_has_led(void)
{
    for (int i = 0; i < TRIO_WITNESSES; i++)
        if (trio_has_logged(&trio, i, "event=raft.leads"))
            return true;
    return false;
}

/* I3: who believes to be another member collects votes for that one, and two lead in one term. Nobody
 * leads, and who is at fault, and the way out, are said; it works. */
static void a_witness_whose_file_swaps_ids_takes_no_part_and_is_named(void **state)
{
    (void)state;
    swap_ids_in_second();
    found_second(); /* nobody runs who could know better */
    trio_start_all(&trio, TRIO_EXECUTED);
    trio_logs(&trio, 0, "event=raft.witness_refused component=witness name=w2");
    trio_logs(&trio, 0, "it says that it is witness 3 and speaks to witness 1; by this "
                                    "witness's file and its certificate it is witness 2, and this "
                                    "is witness 1: give all witnesses the same `witnesses`");
    trio_logs(&trio, 1, "event=raft.witness_refused");
    (void)usleep(10 * TRIO_ELECTION_MS * 1000);
    assert_false(some_witness_has_led());

    (void)trio_stop(&trio, 1, SIGKILL);
    trio_configure(&trio, 1, "w2.pem");
    found_second();
    trio_start(&trio, 1, TRIO_EXECUTED);
    (void)trio_leader(&trio);

    (void)trio_stop(&trio, 1, SIGKILL);
    swap_ids_in_second();
    trio_start(&trio, 1, TRIO_EXECUTED);
    assert_int_equal(trio_stop(&trio, 1, 0), 78); /* its directory knows who it is */
}

/* ---- words of somebody else ------------------------------------------------------------------ */

static struct bw_credentials *forger;

static int tear_down_forger(void **state)
{
    bw_credentials_free(forger);
    forger = NULL;
    return tear_down(state);
}

static void load_forger(const char *file)
{
    char path[TRIO_PATH_BYTES];

    trio_path(&cluster.trio, file, path);
    assert_int_equal(bw_credentials_load(cluster.trio.pki.ca_path, path, &forger, NULL), BW_OK);
}

/* Of the holder's agent, as its log has it: every witness hears it, and may keep it. */
static struct bw_id instance_of_holder(void)
{
    char path[REAL_PATH_BYTES];
    char line[1024];
    char text[BW_ID_TEXT_BYTES] = "";
    struct bw_id id;
    FILE *log;

    (void)snprintf(path, sizeof path, "%s/agent.log", cluster.sites[0].dir);
    log = fopen(path, "r");
    assert_non_null(log);
    while (text[0] == '\0' && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, " instance=");

        if (at != NULL)
            (void)sscanf(at, " instance=%32s", text);
    }
    (void)fclose(log); /* only read from */
    assert_true(bw_id_parse(text, &id));
    return id;
}

/* The boot of the kernel, in the run_dir of its site (3.7). */
static struct bw_id boot_of_holder(void)
{
    struct bw_id kernel_boot_id;
    char path[REAL_PATH_BYTES];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s/run", cluster.sites[0].dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(bw_clock_boot_id(&kernel_boot_id, NULL), BW_OK);
    return bw_agent_boot_id(kernel_boot_id, &(struct bw_run_dir){.device = st.st_dev, .inode = st.st_ino});
}

struct forgery {
    bool is_renewal;  /* a heartbeat of epoch 1; else it is given back */
    bool is_relayed;
    bool is_of_a_copy; /* with another boot id than the holder's */
};

/* What the holder's agent could have said, as whoever has `forger`; the HTTP status at witness `i`. */
static int forge(const struct forgery *forgery, int i)
{
    static uint64_t number;
    static uint8_t body[BW_BODY_BYTES_MAX];
    static uint8_t wrapped[BW_BODY_BYTES_MAX];
    struct bw_sync_group group = {.name = "harbor",
                                  .report = {.joined_epoch = UINT64_MAX,
                                             .guard_alive = true,
                                             .service = BW_SERVICE_STOPPED,
                                             .check_interval_ms = 300}};
    struct bw_sync sync = {.cluster_id = cluster.trio.cluster_id,
                           .generation = 1,
                           .agent = "agent",
                           .instance = instance_of_holder(),
                           .boot_id = boot_of_holder(),
                           .session = {{7}},
                           .number = ++number,
                           .feature_level = BW_FEATURE_LEVEL_NEWEST,
                           .guard_level = BW_FEATURE_LEVEL_NEWEST,
                           .group_count = 1,
                           .groups = &group};
    struct puppet puppet = {.trio = &cluster.trio, .credentials = forger};
    struct bw_relay relay = {.agent = "agent", .sync = body};
    size_t size;

    assert_true(bw_copy_text(sync.site, sizeof sync.site, cluster.sites[0].name));
    assert_true(bw_copy_text(relay.site, sizeof relay.site, cluster.sites[0].name));
    if (forgery->is_of_a_copy)
        sync.boot_id.bytes[0] ^= 1;
    if (forgery->is_renewal)
        group.renew_epoch = 1;
    else
        group.released = (struct bw_released){.epoch = 1, .reason = BW_REASON_SWITCHOVER};
    assert_int_equal(bw_sync_encode(&sync, body, sizeof body, &size, NULL), BW_OK);
    if (!forgery->is_relayed)
        return puppet_post(&puppet, i, "/v1/agent/sync", body, size);
    relay.sync_size = size;
    assert_int_equal(bw_relay_encode(&relay, wrapped, sizeof wrapped, &size, NULL), BW_OK);
    return puppet_post(&puppet, i, "/v1/agent/relay", wrapped, size);
}

/* Of the service of an epoch that nobody has seen, no time says that it is over (3.4). */
static bool is_seen_inside(struct real_cluster *of, int site)
{
    const char *seen =
        json_string_value(json_object_get(json_object_get(of->group, "last"), "reach_seen"));

    (void)site;
    return seen != NULL && strcmp(seen, "inside") == 0;
}

static void serve(void)
{
    real_serve(&cluster);
    real_until(&cluster, is_seen_inside, 0, "it is committed where the service was seen");
}

static bool serves_at_the_other(struct real_cluster *of, int site)
{
    (void)site;
    return real_number(of, "epoch") > 1 && real_serves(of, 1);
}

/* The holder's agent stands still, so that it cannot learn of what is said in its name: its service
 * lives on until its guard ends it. Whatever comes of the forgery, no two serve. */
static void forge_at_a_silent_holder(const struct forgery *forgery, int leader, int expected_status)
{
    assert_int_equal(kill(cluster.sites[0].agent, SIGSTOP), 0);
    assert_int_equal(forge(forgery, leader), expected_status);
    real_until(&cluster, serves_at_the_other, 1, "the other site serves");
    assert_true(real_last_beat_ms(&cluster, 0) > 0);
    real_assert_no_overlap(&cluster);
    assert_int_equal(kill(cluster.sites[0].agent, SIGCONT), 0);
}

/* I1, 3.5: a follower's key alone ends nothing that the agent itself has renewed. */
static void a_witness_that_gives_back_for_an_agent_is_not_believed_at_once(void **state)
{
    static const struct forgery heartbeat = {.is_renewal = true, .is_relayed = true};
    static const struct forgery give_back = {.is_relayed = true};
    char name[16];
    char from[64];
    int leader;
    int follower;

    (void)state;
    serve();
    leader = trio_leader(&cluster.trio);
    follower = leader == 0 ? 1 : 0;
    (void)snprintf(name, sizeof name, "w%d.pem", follower + 1);
    load_forger(name);

    assert_int_equal(forge(&heartbeat, leader), 200);
    (void)snprintf(from, sizeof from, "from=%s/agent via=w%d ", cluster.sites[0].name,
                   follower + 1);
    trio_logs(&cluster.trio, leader, from); /* who has passed it on */
    forge_at_a_silent_holder(&give_back, leader, 200);
}

/* 5.3: an agent speaks for its own site only, and passes on nobody's words. */
static void another_sites_certificate_gives_nothing_back(void **state)
{
    static const struct forgery relayed = {.is_relayed = true};
    static const struct forgery give_back = {.is_relayed = false};
    char name[64];
    int leader;

    (void)state;
    serve();
    leader = trio_leader(&cluster.trio);
    load_forger("operator.pem");
    assert_int_equal(forge(&relayed, leader), 403);
    assert_int_equal(forge(&give_back, leader), 403);
    bw_credentials_free(forger);
    (void)snprintf(name, sizeof name, "%s.pem", cluster.sites[1].name);
    load_forger(name);
    assert_int_equal(forge(&relayed, leader), 403);

    forge_at_a_silent_holder(&give_back, leader, 403);
}

/* I1, 3.5: a second certificate of the very identity, on a copy of the holder's machine. */
static void a_second_certificate_of_the_holder_does_not_end_what_the_first_holds(void **state)
{
    static const struct forgery give_back = {.is_of_a_copy = true};
    char path[TEST_PKI_PATH_BYTES];
    char uri[128];

    (void)state;
    serve();
    (void)snprintf(uri, sizeof uri, "breakwater://prod/agent/%s/agent", cluster.sites[0].name);
    test_pki_issue_uri(&cluster.trio.pki, "second.pem", uri, path);
    load_forger("second.pem");

    forge_at_a_silent_holder(&give_back, trio_leader(&cluster.trio), 200);
}

#define TRIO_CASE(claim) cmocka_unit_test_setup_teardown(claim, trio_set_up, trio_tear_down)
#define LIFE_CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down_forger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRIO_CASE(a_witness_whose_file_swaps_ids_takes_no_part_and_is_named),
        LIFE_CASE(a_witness_that_gives_back_for_an_agent_is_not_believed_at_once),
        LIFE_CASE(another_sites_certificate_gives_nothing_back),
        LIFE_CASE(a_second_certificate_of_the_holder_does_not_end_what_the_first_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
