/* Witnesses that are replaced, added and removed while a site serves: by the commands that their
 * own errors name, and no script runs. Design 3.9, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/lab/plan.h>
#include <breakwater/lab/process.h>

#include "advice.h"
#include "cluster_life.h"
#include "janitor.h"
#include "patience.h"

#define NEWCOMERS_MAX 3
#define OUT_BYTES     8192
#define LOG_BYTES     (64 * 1024)
#define FIRST_ID      4 /* 1 to 3 are the founders' */
#define LAST          2 /* w3 */
#define UNSAFE        6
#define REMOVED       70
#define BAD_CONFIG    78
#define LEADERLESS_MS 5000 /* without a leader for so long a witness asks the others */

/* A witness that is no founder: w4 to w6. */
struct newcomer {
    pid_t pid; /* 0: does not run */
    struct test_port api;
    struct test_port raft;
};

static struct newcomer newcomers[NEWCOMERS_MAX];
static char out[OUT_BYTES];
static const char *timeout = "60s"; /* of a command */

/* What a tired person writes into the file of a newcomer. */
static struct {
    unsigned election_ms; /* 0: the cluster's */
    bool has_raft_as_address;
} mistakes;

static void end(struct newcomer *newcomer)
{
    if (newcomer->pid == 0)
        return;
    assert_int_equal(kill(newcomer->pid, SIGKILL), 0);
    assert_int_equal(waitpid(newcomer->pid, NULL, 0), newcomer->pid);
    newcomer->pid = 0;
}

static void numbered(const char *format, int id, char path[TRIO_PATH_BYTES])
{
    char file[32];

    (void)snprintf(file, sizeof file, format, id);
    trio_path(&cluster.trio, file, path);
}

static int tear_down_newcomers(void **state)
{
    char path[TRIO_PATH_BYTES];

    for (int i = 0; i < NEWCOMERS_MAX; i++) {
        end(&newcomers[i]);
        test_port_release(&newcomers[i].api);
        test_port_release(&newcomers[i].raft);
        numbered("data%d", FIRST_ID + i, path);
        janitor_remove_dir(path);
    }
    trio_path(&cluster.trio, "kept1", path);
    janitor_remove_dir(path);
    memset(newcomers, 0, sizeof newcomers);
    memset(&mistakes, 0, sizeof mistakes);
    return tear_down(state);
}

/* ---- commands -------------------------------------------------------------------------------- */

static int init_witness(const char *config, bool joins)
{
    char id[BW_ID_TEXT_BYTES];
    char *again[] = {NULL,
                     "witness",
                     "init",
                     "-c",
                     (char *)(uintptr_t)config,
                     "--cluster-id",
                     id,
                     joins ? "--join" : NULL,
                     NULL};

    bw_id_format(cluster.trio.cluster_id, id);
    return trio_run(&cluster.trio, again, out, sizeof out);
}

/* `breakwater members VERB NAME [NEW] --yes`, asked at w3. */
static int members(const char *verb, const char *name, const char *new_name)
{
    char endpoint[32];
    char ca[TRIO_PATH_BYTES];
    char identity[TRIO_PATH_BYTES];
    char *argv[] = {NULL,
                    "members",
                    (char *)(uintptr_t)verb,
                    "--yes",
                    "--endpoint",
                    endpoint,
                    "--ca",
                    ca,
                    "--identity",
                    identity,
                    "--wait-timeout",
                    (char *)(uintptr_t)timeout,
                    (char *)(uintptr_t)name,
                    (char *)(uintptr_t)new_name,
                    NULL};

    trio_path(&cluster.trio, "ca.pem", ca);
    trio_path(&cluster.trio, "operator.pem", identity);
    (void)snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", (unsigned)cluster.trio.api[LAST]);
    return trio_run(&cluster.trio, argv, out, sizeof out);
}

/* What is refused has changed nothing: whoever has come to lead a moment ago may not know yet who asks to join, who
 * is heard, or that the last change is over. */
static void members_do(const char *verb, const char *name, const char *new_name)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);
    int status = members(verb, name, new_name);

    while (status == UNSAFE) {
        print_message("%s", out);
        if (patience_is_over(&patience))
            patience_fail("members %s %s is safe", verb, name);
        (void)usleep(500000);
        status = members(verb, name, new_name);
    }
    if (status != 0)
        fail_msg("members %s %s: %d: %s", verb, name, status, out);
}

/* `breakwater members -o json`, of whom each has said its release. */
static bool all_say_their_release(unsigned count)
{
    static const char key[] = "\"version\": \"";
    char ca[TRIO_PATH_BYTES];
    char identity[TRIO_PATH_BYTES];
    char endpoint[32];
    char *argv[] = {NULL,   "members", "-o",         "json",   "--endpoint", endpoint,
                    "--ca", ca,        "--identity", identity, NULL};
    unsigned found = 0;

    trio_path(&cluster.trio, "ca.pem", ca);
    trio_path(&cluster.trio, "operator.pem", identity);
    (void)snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", (unsigned)cluster.trio.api[LAST]);
    if (trio_run(&cluster.trio, argv, out, sizeof out) != 0)
        return false;
    for (const char *at = strstr(out, key); at != NULL; at = strstr(at + 1, key))
        found++;
    return found == count;
}

static void wait_until_all_say_their_release(int count)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (!all_say_their_release(count)) {
        if (patience_is_over(&patience))
            patience_fail("%d members say their release:\n%s", count, out);
        (void)usleep(100000);
    }
}

/* Short files only. */
static void read_text(const char *path, char text[LOG_BYTES])
{
    FILE *in = fopen(path, "r");
    const size_t size = in != NULL ? fread(text, 1, LOG_BYTES - 1, in) : 0;

    text[size] = '\0';
    if (in != NULL)
        (void)fclose(in); /* only read from */
}

static bool file_has(const char *path, const char *part)
{
    static char text[LOG_BYTES];

    read_text(path, text);
    return strstr(text, part) != NULL;
}

/* ---- a witness that joins -------------------------------------------------------------------- */

static void write_config(const struct newcomer *newcomer, int id, const char *config)
{
    const struct trio *trio = &cluster.trio;
    char present[512] = "";
    const unsigned election_ms = mistakes.election_ms != 0 ? mistakes.election_ms
                                                           : (unsigned)trio->election_ms;
    const unsigned api = mistakes.has_raft_as_address ? newcomer->raft.number
                                                      : newcomer->api.number;
    const unsigned raft = newcomer->raft.number;
    const unsigned raft_host = mistakes.has_raft_as_address
                                   ? 2
                                   : 1; /* another text, so that it is taken */
    char data_dir[TRIO_PATH_BYTES];
    size_t used = 0;

    for (int i = 0; i < TRIO_WITNESSES; i++)
        used += (size_t)snprintf(present + used, sizeof present - used,
                                 "  - {name: w%d, id: %d, address: \"127.0.0.1:%u\", raft: "
                                 "\"127.0.0.1:%u\", failure_domain: zone-%d}\n",
                                 i + 1, i + 1, (unsigned)trio->api[i], (unsigned)trio->raft[i],
                                 i + 1);
    numbered("data%d", id, data_dir);
    assert_int_equal(
        bw_lab_write(
            config, NULL,
            "cluster: prod\nname: w%d\ndata_dir: '%s'\nlisten: \"127.0.0.1:%u\"\n"
            "raft_listen: \"127.0.0.1:%u\"\ntls: {ca: '%s/ca.pem', identity: '%s/w%d.pem'}\n"
            "election_timeout: %ums\nwitnesses:\n%s"
            "  - {name: w%d, id: %d, address: \"127.0.0.1:%u\", raft: \"127.0.0.%u:%u\", "
            "failure_domain: zone-%d}\n",
            id, data_dir, (unsigned)newcomer->api.number, (unsigned)newcomer->raft.number,
            trio->pki.dir, trio->pki.dir, id, election_ms, present, id, id, api, raft_host, raft,
            id),
        BW_OK);
}

static void start_newcomer(int id)
{
    struct newcomer *newcomer = &newcomers[id - FIRST_ID];
    char program[256];
    char config[TRIO_PATH_BYTES];
    char log[TRIO_PATH_BYTES];
    const struct bw_lab_daemon daemon = {.program = program,
                                         .role = BW_LAB_WITNESS,
                                         .config = config,
                                         .log = log};

    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    numbered("w%d.yaml", id, config);
    numbered("w%d.log", id, log);
    assert_int_equal(bw_lab_spawn(&daemon, &newcomer->pid, NULL), BW_OK);
}

/* Its ports, its certificate and its file. */
static void prepare(int id, char config[TRIO_PATH_BYTES])
{
    struct newcomer *newcomer = &newcomers[id - FIRST_ID];
    char file[32];
    char uri[64];
    char path[TRIO_PATH_BYTES];

    test_port_take(&newcomer->api);
    test_port_take(&newcomer->raft);
    (void)snprintf(file, sizeof file, "w%d.pem", id);
    (void)snprintf(uri, sizeof uri, "breakwater://prod/witness/w%d", id);
    test_pki_issue_uri(&cluster.trio.pki, file, uri, path);
    numbered("w%d.yaml", id, config);
    write_config(newcomer, id, config);
}

/* Any member may have told it what an operator must say: that does not mean that the one who leads
 * has heard of it. */
static void wait_until_leader_knows_of(int id)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    char log[TRIO_PATH_BYTES];
    char name[16];

    (void)snprintf(name, sizeof name, "w%d", id);
    numbered("run%d.log", 0, log);
    for (;;) {
        (void)unlink(log);                    /* nothing may have been said */
        (void)members("add", name, "--plan"); /* what else stands in its way is not asked here */
        if (!file_has(log, "asks to join. Its file needs"))
            return;
        if (patience_is_over(&patience))
            patience_fail("the leader knows that w%d asks to join", id);
        (void)usleep(100000);
    }
}

static void start_and_wait_until_it_asks(int id)
{
    char file[32];

    start_newcomer(id);
    (void)snprintf(file, sizeof file, "members add w%d", id);
    trio_logs(&cluster.trio, id - 1, file); /* the file of its log is numbered like theirs */
    wait_until_leader_knows_of(id);
}

/* Made with --join, started, and known to the members as one that asks. */
static void join(int id)
{
    char config[TRIO_PATH_BYTES];

    prepare(id, config);
    assert_int_equal(init_witness(config, true), 0);
    start_and_wait_until_it_asks(id);
}

/* ---- commands that a text names -------------------------------------------------------------- */

#define TYPED_WORDS_MAX 32

struct filling {
    const char *word;
    const char *with;
};

/* Types `command`, with what the person's own file would say behind it where a cluster is asked. */
static int type(const char *command, const struct filling *fillings, bool asks)
{
    static char addresses[TRIO_WITNESSES][32];
    static char ca[TRIO_PATH_BYTES];
    static char identity[TRIO_PATH_BYTES];
    char words[256];
    char *argv[TYPED_WORDS_MAX] = {NULL};
    unsigned count = 0;

    (void)snprintf(words, sizeof words, "%s", command);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "), count++) {
        const struct filling *filling = fillings;

        while (filling->word != NULL && strcmp(filling->word, word) != 0)
            filling++;
        if (is_placeholder(word))
            assert_non_null(filling->word); /* a person would not know what to write */
        argv[count] = filling->word != NULL ? (char *)(uintptr_t)filling->with : word;
    }
    assert_string_equal(argv[0], "breakwater");
    trio_path(&cluster.trio, "ca.pem", ca);
    trio_path(&cluster.trio, "operator.pem", identity);
    for (int i = 0; asks && i < TRIO_WITNESSES; i++) {
        (void)snprintf(addresses[i], sizeof addresses[i], "127.0.0.1:%u",
                       (unsigned)cluster.trio.api[i]);
        argv[count++] = "--endpoint";
        argv[count++] = addresses[i];
    }
    if (asks) {
        char *const person[] = {"--ca", ca, "--identity", identity};

        memcpy(argv + count, person, sizeof person);
    }
    return trio_run(&cluster.trio, argv, out, sizeof out);
}

/* The first word of 32 hex digits of the output. */
static void find_id(char id[BW_ID_TEXT_BYTES])
{
    const char *at = out;

    while (strspn(at, "0123456789abcdef") != BW_ID_TEXT_BYTES - 1) {
        assert_int_not_equal(*at, '\0');
        at++;
    }
    memcpy(id, at, BW_ID_TEXT_BYTES - 1);
    id[BW_ID_TEXT_BYTES - 1] = '\0';
}

/* Epochs of which a site has run it. How often says nothing: a stop is run again where the service
 * that it ended was a moment late (3.2.4). */
static int runs_everywhere(const char *word)
{
    int count = 0;
    char line[64];

    for (int epoch = 0; epoch < 10; epoch++) {
        (void)snprintf(line, sizeof line, "%s epoch=%d ", word, epoch);
        for (int site = 0; site < cluster.site_count; site++)
            count += real_journal_has(&cluster, site, line);
    }
    return count;
}

static void assert_runs(int starts, int stops)
{
    assert_int_equal(runs_everywhere("start"), starts);
    assert_int_equal(runs_everywhere("stop"), stops);
    assert_int_equal(runs_everywhere("fence"), 0);
}

/* The site that served has served on, and nothing was run anywhere. */
static void assert_untouched(void)
{
    assert_true(real_keeps_epoch_1(&cluster, 0));
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    assert_int_equal(real_runs(&cluster, 0, "stop"), 0);
    assert_int_equal(real_runs(&cluster, 0, "fence"), 0);
    assert_true(real_is_untouched(&cluster, 1));
}

/* ---- the promises ---------------------------------------------------------------------------- */

/* 3.9: what the witness itself prints is enough to make the cluster whole. */
static void a_lost_disk_is_made_good_by_what_its_error_names(void **state)
{
    char data[TRIO_PATH_BYTES];
    char kept[TRIO_PATH_BYTES];
    char path[TRIO_PATH_BYTES];
    char config[TRIO_PATH_BYTES];
    char *run[] = {NULL, "witness", "-c", config, NULL};

    (void)state;
    trio_path(&cluster.trio, "w1.yaml", config);
    trio_path(&cluster.trio, "data1", data);
    trio_path(&cluster.trio, "kept1", kept);
    real_serve(&cluster);
    (void)trio_stop(&cluster.trio, 0, SIGKILL);
    assert_int_equal(rename(data, kept), 0);
    assert_int_equal(trio_run(&cluster.trio, run, out, sizeof out), BAD_CONFIG);
    numbered("run%d.log", 1, path);
    assert_true(file_has(path, "members replace OLD NEW"));
    (void)trio_leader(&cluster.trio);
    assert_int_equal(init_witness(config, false), UNSAFE);

    join(4);
    members_do("replace", "w1", "w4");
    assert_non_null(strstr(out, "done: w4 vote"));
    members_do("lead", "w3", NULL); /* w4, elected meanwhile, is asked by nobody here */
    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    assert_untouched();

    /* The new one's vote counts: with it and one other something is decided. */
    members_do("lead", "w3", NULL);
    (void)trio_stop(&cluster.trio, 1, SIGKILL);
    real_until(&cluster, real_keeps_epoch_1, 0, "w3 and w4 go on");
    trio_start(&cluster.trio, 1, TRIO_EXECUTED);
    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, real_serves, 1, "the other site serves");

    /* The lost disk is found again. */
    assert_int_equal(rename(kept, data), 0);
    assert_int_equal(trio_run(&cluster.trio, run, out, sizeof out), REMOVED);
    assert_int_equal(trio_run(&cluster.trio, run, out, sizeof out), REMOVED);
    real_assert_no_overlap(&cluster);
}

/* The witness's own words, typed as they are, while the group moves. */
static void make_whole(int lost)
{
    char config[TRIO_PATH_BYTES];
    char new_config[TRIO_PATH_BYTES];
    char log[TRIO_PATH_BYTES];
    char old_name[16];
    char id[BW_ID_TEXT_BYTES];
    static char text[LOG_BYTES];
    struct advice advice;
    char *run[] = {NULL, "witness", "-c", config, NULL};
    const struct filling fillings[] = {{"FILE", new_config}, {"HEX", id}, {"OLD", old_name},
                                       {"NEW", "w4"},        {NULL, NULL}};

    numbered("w%d.yaml", lost + 1, config);
    trio_path(&cluster.trio, "run1.log", log);
    (void)snprintf(old_name, sizeof old_name, "w%d", lost + 1);
    assert_int_equal(trio_run(&cluster.trio, run, out, sizeof out), BAD_CONFIG);
    read_text(log, text);
    read_advice(text, &advice);
    assert_int_equal(advice.typed_count, 2);
    prepare(FIRST_ID, new_config);
    (void)trio_leader(&cluster.trio);
    assert_int_equal(type(advice.prints_id, fillings, true), 0);
    find_id(id);
    assert_int_equal(type(advice.typed[0], fillings, false), 0);
    assert_non_null(strstr(text, "start it"));
    start_and_wait_until_it_asks(FIRST_ID);
    (void)strcat(advice.typed[1], " --yes"); /* nobody is there to be asked */
    assert_int_equal(type(advice.typed[1], fillings, true), 0);
    cluster.trio.api[lost] = newcomers[0].api.number; /* who looks for the leader asks it, too */
}

/* A holder is lost, and in the middle of its failover the leader's disk; then planned moves go on. */
static void a_disk_that_is_lost_in_the_middle_of_failovers_runs_no_script(void **state)
{
    char data[TRIO_PATH_BYTES];
    int holder;
    int leader;

    (void)state;
    real_serve(&cluster);
    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, real_serves, 1, "the first move");
    assert_runs(2, 1);

    real_lose_holder(&cluster, 1);
    leader = trio_leader(&cluster.trio);
    (void)trio_stop(&cluster.trio, leader, SIGKILL);
    numbered("data%d", leader + 1, data);
    janitor_remove_dir(data);
    make_whole(leader);
    real_until(&cluster, real_some_site_serves, 0, "another site takes over");
    holder = real_serves(&cluster, 0) ? 0 : 2;
    assert_runs(3, 1); /* its start, and nothing else */

    real_begin_switchover(&cluster, 2 - holder, 60000);
    real_until(&cluster, real_serves, 2 - holder, "the next move");
    assert_true(real_for_a_lease(&cluster, real_serves, 2 - holder));
    assert_runs(4, 2);
    real_assert_no_overlap(&cluster);
}

static void three_become_five_and_two_may_fail(void **state)
{
    (void)state;
    real_serve(&cluster);
    for (int id = FIRST_ID; id < FIRST_ID + 2; id++) {
        char name[8];

        (void)snprintf(name, sizeof name, "w%d", id);
        join(id);
        members_do("add", name, NULL);
        (void)trio_leader(
            &cluster.trio); /* who votes has changed: a slow machine may elect again */
        members_do("add", name, NULL); /* it is so */
    }
    members_do("lead", "w3", NULL);
    wait_until_all_say_their_release(5);
    for (int i = 0; i < 2; i++)
        end(&newcomers[i]);

    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, 0));
    assert_untouched();
}

/* It is ended, and has no directory any more. */
static void end_and_forget(int id, char out_config[TRIO_PATH_BYTES], char out_data[TRIO_PATH_BYTES])
{
    numbered("w%d.yaml", id, out_config);
    numbered("data%d", id, out_data);
    end(&newcomers[id - FIRST_ID]);
    janitor_remove_dir(out_data);
}

/* Made and started as its file is by now; what it logs then. */
static void begin_anew(int id, const char *says)
{
    char config[TRIO_PATH_BYTES];
    char data[TRIO_PATH_BYTES];

    end_and_forget(id, config, data);
    write_config(&newcomers[id - FIRST_ID], id, config);
    assert_int_equal(init_witness(config, true), 0);
    start_newcomer(id);
    trio_logs(&cluster.trio, id - 1, says);
}

static void assert_refused(const char *verb, const char *name, const char *new_name,
                           const char *why)
{
    char log[TRIO_PATH_BYTES];

    numbered("run%d.log", 1, log);
    assert_int_equal(members(verb, name, new_name), UNSAFE);
    if (!file_has(log, why))
        fail_msg("members %s %s: \"%s\" is not in %s", verb, name, why, log);
}

/* It would be added, spend its id, and end with 70 at the first entry that says what is so. */
static void a_newcomer_that_was_made_wrong_spends_no_id(void **state)
{
    char config[TRIO_PATH_BYTES];
    char says[128];

    (void)state;
    (void)trio_leader(&cluster.trio);
    mistakes.election_ms = (unsigned)cluster.trio.election_ms + 7;
    prepare(FIRST_ID, config);
    (void)snprintf(says, sizeof says, "and w4 was made with %ums", mistakes.election_ms);
    begin_anew(FIRST_ID, says);
    assert_refused("add", "w4", NULL,
                   "w4 asks to join, and cannot: the cluster has election_timeout ");
    assert_refused("add", "w4", NULL, says);

    mistakes.election_ms = 0;
    mistakes.has_raft_as_address = true;
    begin_anew(FIRST_ID, "does not speak HTTP: are `address` and `raft` of w4 swapped");
    assert_refused("replace", "w1", "w4", "does not speak HTTP: are `address` and `raft` of w4 swapped");

    mistakes.has_raft_as_address = false;
    begin_anew(FIRST_ID, "members add w4");
    assert_refused("replace", "w9", "w4", "no witness is called \"w9\"");
    members_do("add", "w4", NULL); /* under the same id */
    assert_refused("replace", "w9", "w4",
                   "(it was removed, or the name is wrong), and w4 is a member already");

}

static void assert_init_refused(int id)
{
    char config[TRIO_PATH_BYTES];
    char data[TRIO_PATH_BYTES];

    end_and_forget(id, config, data);
    assert_int_equal(init_witness(config, true), UNSAFE);
    assert_int_equal(access(data, F_OK), -1);
}

/* 3.9: ids are never used again, whoever asks. */
static void an_id_that_was_used_makes_no_new_directory(void **state)
{
    (void)state;
    join(FIRST_ID);
    members_do("add", "w4", NULL);

    assert_init_refused(FIRST_ID); /* known by another directory */

    members_do("remove", "w4", NULL);
    assert_init_refused(FIRST_ID); /* removed */
}

/* The file says where w2 lives by now, at each of the others, and w2 has been started there. */
static void move_w2(struct test_port *to)
{
    struct trio *trio = &cluster.trio;
    char config[TRIO_PATH_BYTES];

    assert_int_equal(trio_stop(trio, 1, SIGTERM), 0);
    test_port_take(to);
    trio->api[1] = to->number;
    for (int i = 0; i < TRIO_WITNESSES; i++)
        trio_configure(trio, i, NULL);
    numbered("w%d.yaml", FIRST_ID, config);
    write_config(&newcomers[0], FIRST_ID, config);
    trio_start(trio, 1, TRIO_EXECUTED);
    trio_signal(trio, LAST, SIGHUP);
    assert_int_equal(kill(newcomers[0].pid, SIGHUP), 0);
    trio_logs(trio, LAST, "config.reloaded");
    trio_logs(trio, FIRST_ID - 1, "config.reloaded");
}

/* 3.9: the roster has the address of the last change of members, the files that of today: what people read is this,
 * and nobody is told to remove a voter because it lived there once. */
static void a_witness_that_has_moved_is_where_the_files_say(void **state)
{
    const uint16_t before = cluster.trio.api[1];
    char address[64];
    char config[TRIO_PATH_BYTES];

    (void)state;
    (void)trio_leader(&cluster.trio);
    join(FIRST_ID);
    members_do("replace", "w1", "w4");
    assert_true(all_say_their_release(3));
    (void)snprintf(address, sizeof address, "\"127.0.0.1:%u\"", (unsigned)before);
    assert_non_null(strstr(out, address));

    move_w2(&newcomers[2].api);
    wait_until_all_say_their_release(3);
    assert_null(strstr(out, address));
    (void)snprintf(address, sizeof address, "\"127.0.0.1:%u\"", (unsigned)newcomers[2].api.number);
    assert_non_null(strstr(out, address));

    prepare(FIRST_ID + 1, config);
    test_port_release(&newcomers[1].api);
    newcomers[1].api.number = before; /* which the trio keeps */
    write_config(&newcomers[1], FIRST_ID + 1, config);
    assert_int_equal(init_witness(config, true), 0);
    start_and_wait_until_it_asks(FIRST_ID + 1);
    members_do("add", "w5", NULL);
}

/* The file of w3 still names w1, which is asked, too: a file may be newer than a disk as well. Who votes is in what it
 * has on its disk. */
static void a_recovery_asks_those_who_came_since(void **state)
{
    char config[TRIO_PATH_BYTES];
    char *plan[] = {NULL, "recover", "-c", config, "--plan", NULL};

    (void)state;
    trio_path(&cluster.trio, "w3.yaml", config);
    (void)trio_leader(&cluster.trio);
    (void)trio_stop(&cluster.trio, 0, SIGKILL);
    join(4);
    members_do("replace", "w1", "w4");
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    (void)trio_stop(&cluster.trio, 1, SIGKILL);
    assert_int_equal(trio_run(&cluster.trio, plan, out, sizeof out), UNSAFE);
    assert_non_null(strstr(out, "w4: runs and answers"));

    end(&newcomers[0]);
    assert_int_equal(trio_run(&cluster.trio, plan, out, sizeof out), 0);
    assert_non_null(strstr(out, "w1: silent"));
}

/* The roster has four by then, w4 is sent nothing that it takes, and the configuration has w1 to w3. */
static void a_recovery_counts_who_votes_and_not_who_is_to(void **state)
{
    char config[TRIO_PATH_BYTES];
    char log[TRIO_PATH_BYTES];
    char *plan[] = {NULL, "recover", "-c", config, "--plan", NULL};

    (void)state;
    trio_path(&cluster.trio, "w3.yaml", config);
    numbered("run%d.log", 1, log);
    (void)trio_leader(&cluster.trio);
    (void)trio_stop(&cluster.trio, 0, SIGKILL);
    join(4);
    assert_int_equal(kill(newcomers[0].pid, SIGSTOP), 0);
    timeout = "1s";
    assert_int_not_equal(members("replace", "w1", "w4"), 0);
    timeout = "60s";
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    assert_int_equal(trio_run(&cluster.trio, plan, out, sizeof out), UNSAFE);
    assert_non_null(strstr(out, "w4: ")); /* it is of the roster */
    assert_true(file_has(log, "with this witness, 2 of 3 voters are there, a majority"));

    (void)trio_stop(&cluster.trio, 1, SIGKILL);
    assert_int_equal(kill(newcomers[0].pid, SIGCONT), 0);
    assert_int_equal(trio_run(&cluster.trio, plan, out, sizeof out), UNSAFE);
    assert_true(file_has(log, "w4 still runs; without a vote"));
}

/* ---- those who ask ---------------------------------------------------------------------------- */

/* The service has recorded that it served, for longer than any lease of before could last. */
static bool serves_on(uint64_t since_ms)
{
    for (uint64_t last_ms = since_ms; last_ms < since_ms + 2 * (uint64_t)REAL_TTL_MS;) {
        const uint64_t before_ms = last_ms;

        (void)usleep(REAL_TTL_MS * 1000 / 4);
        last_ms = real_last_beat_ms(&cluster, 0);
        if (last_ms <= before_ms)
            return false;
    }
    return true;
}

static void kill_agent(void)
{
    assert_int_equal(real_end(&cluster.sites[0].agent, SIGKILL), 128 + SIGKILL);
}

static void restart_agent(void)
{
    kill_agent();
    real_start_agent(&cluster, 0);
}

static int run_with(const char *verb, const char *config)
{
    char *argv[] = {NULL, (char *)(uintptr_t)verb, (char *)(uintptr_t)config, NULL};
    char *status[] = {NULL, "status", "--config", (char *)(uintptr_t)config, NULL};

    return trio_run(&cluster.trio, strcmp(verb, "status") == 0 ? status : argv, out, sizeof out);
}

/* The cli file names the first of the founders, and the first of those that came. */
static void write_cli(const char *config)
{
    assert_int_equal(bw_lab_write(config, NULL,
                                  "endpoints: [\"127.0.0.1:%u\", \"127.0.0.1:%u\"]\n"
                                  "tls: {ca: '%s/ca.pem', identity: '%s/operator.pem'}\n",
                                  (unsigned)cluster.trio.api[0],
                                  (unsigned)newcomers[0].api.number, cluster.trio.pki.dir,
                                  cluster.trio.pki.dir),
                     BW_OK);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    BW_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* 3.9: it is told on the connections that it has, not once it has missed a leader for long. */
static void assert_ends_removed(int i)
{
    const uint64_t begun_ms = now_ms();
    char path[TRIO_PATH_BYTES];
    char name[8];

    assert_int_equal(trio_stop(&cluster.trio, i, 0), REMOVED);
    print_message("w%d ended %u ms after the command\n", i + 1, (unsigned)(now_ms() - begun_ms));
    assert_in_range(now_ms() - begun_ms, 0, LEADERLESS_MS - 1);
    (void)snprintf(name, sizeof name, "w%d.log", i + 1);
    trio_path(&cluster.trio, name, path);
    assert_true(file_has(path, "witness.removed"));
}

/* 3.9: none of the addresses in its file is a witness's any more, and it goes on after a restart, with the
 * list that it keeps; a list that is damaged is none, and no reason not to begin. */
static void an_agent_that_restarts_finds_the_witnesses_that_came_since(void **state)
{
    char path[REAL_PATH_BYTES];
    char log[REAL_PATH_BYTES];
    char config[TRIO_PATH_BYTES];
    struct patience patience;

    (void)state;
    real_serve(&cluster);
    for (int id = FIRST_ID; id < FIRST_ID + NEWCOMERS_MAX; id++) {
        char old[8];
        char new_name[8];

        (void)snprintf(old, sizeof old, "w%d", id - FIRST_ID + 1);
        (void)snprintf(new_name, sizeof new_name, "w%d", id);
        join(id);
        members_do("replace", old, new_name);
        assert_ends_removed(id - FIRST_ID);
    }
    restart_agent();
    assert_true(serves_on(real_last_beat_ms(&cluster, 0)));
    (void)snprintf(log, sizeof log, "%s/agent.log", cluster.sites[0].dir);
    assert_true(file_has(log, "members.recalled"));
    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    assert_int_equal(real_runs(&cluster, 0, "fence"), 0);

    /* Both files say the wrong addresses: who reads them is told the right ones. */
    (void)snprintf(path, sizeof path, "%s/site.yaml", cluster.sites[0].dir);
    (void)run_with("check", path);
    assert_non_null(strstr(out, "witnesses[0]"));
    (void)snprintf(config, sizeof config, ", 127.0.0.1:%u]", (unsigned)newcomers[2].api.number);
    assert_non_null(strstr(out, config));
    trio_path(&cluster.trio, "cli.yaml", config);
    write_cli(config);
    assert_int_equal(run_with("status", config), 3);
    numbered("run%d.log", 1, config);
    assert_true(file_has(config, "note: no witness has the address 127.0.0.1"));
    assert_true(file_has(config, "endpoints: [\"127.0.0.1:"));

    (void)snprintf(path, sizeof path, "%s/state/agent/prod.witnesses", cluster.sites[0].dir);
    kill_agent(); /* first: it would write it anew */
    assert_int_equal(truncate(path, 20), 0);
    real_start_agent(&cluster, 0);
    patience = patience_begin(REAL_WAIT_MS);
    while (!file_has(log, "members.damaged")) {
        if (patience_is_over(&patience))
            patience_fail("the agent logs members.damaged");
        (void)usleep(100000);
    }
    assert_int_equal(kill(cluster.sites[0].agent, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lost_disk_is_made_good_by_what_its_error_names, set_up,
                                        tear_down_newcomers),
        cmocka_unit_test_setup_teardown(
            a_disk_that_is_lost_in_the_middle_of_failovers_runs_no_script, set_up_three_sites,
            tear_down_newcomers),
        cmocka_unit_test_setup_teardown(three_become_five_and_two_may_fail, set_up,
                                        tear_down_newcomers),
        cmocka_unit_test_setup_teardown(a_newcomer_that_was_made_wrong_spends_no_id, set_up,
                                        tear_down_newcomers),
        cmocka_unit_test_setup_teardown(an_id_that_was_used_makes_no_new_directory, set_up,
                                        tear_down_newcomers),
        cmocka_unit_test_setup_teardown(a_witness_that_has_moved_is_where_the_files_say, set_up,
                                        tear_down_newcomers),
        cmocka_unit_test_setup_teardown(a_recovery_asks_those_who_came_since, set_up,
                                        tear_down_newcomers),
        cmocka_unit_test_setup_teardown(a_recovery_counts_who_votes_and_not_who_is_to, set_up,
                                        tear_down_newcomers),
        cmocka_unit_test_setup_teardown(an_agent_that_restarts_finds_the_witnesses_that_came_since,
                                        set_up, tear_down_newcomers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
