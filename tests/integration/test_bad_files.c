/* Files that are wrong, cut or changed, given to the real daemons: each says which file, what is
 * wrong with it and what to do, and nothing was started. Design 5.2, 5.4, I3. What each check finds
 * is in tests/golden/config; the agent's and the guard's own state is cut in test_agent_program and
 * test_guard_program. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/prng.h>

#include "shell_outcome.h"
#include "patience.h"
#include "trio_life.h"

#define STATUS_CONFIG   78
#define STATUS_SOFTWARE 70
#define CUTS            6 /* of each file */
#define KEPT_MAX        32
#define OUT_BYTES       16384
#define COMMAND_BYTES   1024

static char output[OUT_BYTES]; /* by the last run */

/* Runs `breakwater WORDS` in the directory of the trio; its exit status. */
static int run(const char *words)
{
    char command[COMMAND_BYTES];

    (void)snprintf(command, sizeof command,
                   "cd '%s' && timeout -s KILL 60 \"$BREAKWATER_BUILD/breakwater\" %s 2>&1",
                   trio.pki.dir, words);
    return outcome_of(command, output, sizeof output);
}

static void assert_ends(const char *words, int expected, const char *why)
{
    const int status = run(words);

    if (status != expected || strstr(output, why) == NULL)
        fail_msg("%s: %d instead of %d, \"%s\" in:\n%s", words, status, expected, why, output);
}

static void put(const char *name, const char *text)
{
    char path[TRIO_PATH_BYTES];
    FILE *file;

    trio_path(&trio, name, path);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* ---- configuration --------------------------------------------------------------------------- */

static const char site_text[] =
    "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\nrun_dir: run\n"
    "guard_socket: guard.sock\ntls: {ca: ca.pem, identity: agent.pem}\n"
    "witnesses: [\"127.0.0.1:1\"]\n"
    "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: ca.pem\n"
    "    start_script: ca.pem\n    stop_script: ca.pem\n    %s\n";

/* One problem each, and where it is. The three readers of a site file say the same. */
static void a_site_file_with_a_problem_starts_neither_agent_nor_guard(void **state)
{
    static const struct {
        const char *line;
        const char *why;
    } problems[] = {
        {"strat_timeout: 5s",
         "site.yaml:15:5: error: groups[0].strat_timeout: unknown key; did you "
         "mean \"start_timeout\"?"},
        {"start_timeout: 5", "site.yaml:15:20: error: groups[0].start_timeout"},
        {"check_interval: -1s", "site.yaml:15:21: error: groups[0].check_interval"},
        {"check_interval: 0", "site.yaml:15:21: error: groups[0].check_interval"},
        {"stop_method: units", "given twice"},
        {"fence_script: not-there.sh", "not-there.sh"},
        {"max_local_restarts: 11", "0 to 10"},
        {"kill_grace: &a 1s", "site.yaml:15"},
        {"\tcheck_interval: 1s", "site.yaml:15"},
    };
    char text[2048];
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_issue_uri(&trio.pki, "agent.pem", "breakwater://prod/agent/dc-a/agent-1", path);
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        (void)snprintf(text, sizeof text, site_text, problems[i].line);
        put("site.yaml", text);
        assert_ends("check site.yaml", 1, problems[i].why);
        assert_ends("agent -c site.yaml", STATUS_CONFIG, problems[i].why);
        assert_ends("guard -c site.yaml", STATUS_CONFIG, problems[i].why);
        assert_non_null(strstr(output, "nothing was started"));
    }
}

static void a_file_that_is_none_starts_nothing(void **state)
{
    static const char *const verbs[] = {"witness", "agent", "guard"};
    char words[64];

    (void)state;
    put("empty.yaml", "");
    put("list.yaml", "- 1\n- 2\n");
    put("binary.yaml", "\x7f\x45LF\x01\x02\x03");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        (void)snprintf(words, sizeof words, "%s -c nowhere.yaml", verbs[i]);
        assert_ends(words, STATUS_CONFIG, "nowhere.yaml");
        (void)snprintf(words, sizeof words, "%s -c empty.yaml", verbs[i]);
        assert_ends(words, STATUS_CONFIG, "empty.yaml");
        (void)snprintf(words, sizeof words, "%s -c list.yaml", verbs[i]);
        assert_ends(words, STATUS_CONFIG, "list.yaml");
        (void)snprintf(words, sizeof words, "%s -c binary.yaml", verbs[i]);
        assert_ends(words, STATUS_CONFIG, "binary.yaml");
        (void)snprintf(words, sizeof words, "%s -c /etc", verbs[i]);
        assert_ends(words, STATUS_CONFIG, "/etc");
        assert_ends(verbs[i], 2, "-c");
    }
}

/* 5.4: an election timeout that is too short, and one that `witness init` did not commit. */
static void a_witness_with_an_unsafe_or_another_election_timeout_does_not_start(void **state)
{
    (void)state;
    assert_int_equal(run("--help >/dev/null; sed -i 's/election_timeout: 300ms/election_timeout: "
                         "10ms/' w1.yaml"),
                     0);
    assert_ends("check w1.yaml", 1, "50ms to 30s");
    assert_ends("witness -c w1.yaml", STATUS_CONFIG, "50ms to 30s");
    assert_int_equal(
        run("--help >/dev/null; sed -i 's/election_timeout: 10ms/election_timeout: 2s/' w1.yaml"),
        0);
    assert_ends("witness -c w1.yaml", STATUS_CONFIG, "election_timeout");
    assert_non_null(strstr(output, "300"));
    assert_non_null(strstr(output, "2000"));
}

/* ---- what a witness has kept ----------------------------------------------------------------- */

struct kept {
    char name[128]; /* below data1 */
    off_t size;
};

static size_t list(const char *folder, struct kept *out_kept, size_t max)
{
    char path[TRIO_PATH_BYTES + 128];
    struct dirent *entry;
    struct stat status;
    size_t count = 0;
    DIR *dir;

    (void)snprintf(path, sizeof path, "%s/data1%s", trio.pki.dir, folder);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL && count < max) {
        (void)snprintf(path, sizeof path, "%s/data1%s/%.60s", trio.pki.dir, folder, entry->d_name);
        assert_int_equal(stat(path, &status), 0);
        if (!S_ISREG(status.st_mode) || status.st_size == 0)
            continue;
        (void)snprintf(out_kept[count].name, sizeof out_kept[count].name, "%s/%.60s", folder,
                       entry->d_name);
        out_kept[count++].size = status.st_size;
    }
    (void)closedir(dir); /* only read from */
    return count;
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};

    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid == pid;
}

/* Either it starts and takes part again, or it says which file is wrong and what to do. */
static void judge_cut(const struct kept *kept, off_t at, unsigned *out_started)
{
    char path[TRIO_PATH_BYTES + 160];
    char log[TRIO_PATH_BYTES];
    struct patience patience;
    int status;

    assert_int_equal(run("--help >/dev/null; rm -rf data1 && cp -a data1.kept data1"), 0);
    assert_in_range(snprintf(path, sizeof path, "%s/data1%s", trio.pki.dir, kept->name), 1,
                    sizeof path - 1);
    assert_int_equal(truncate(path, at), 0);
    trio_path(&trio, "w1.log", log);
    (void)unlink(log); /* of the run before */
    trio_start(&trio, 0, TRIO_EXECUTED);
    patience = patience_begin(TRIO_WAIT_MS);
    while (!has_ended(trio.pids[0])) {
        if (trio_has_logged(&trio, 0, "event=witness.started")) {
            (*out_started)++;
            (void)trio_stop(&trio, 0, SIGKILL);
            return;
        }
        if (patience_is_over(&patience))
            patience_fail("a witness with %s cut at %ld starts or ends", kept->name, (long)at);
        (void)usleep(20000);
    }
    status = trio_stop(&trio, 0, 0);
    (void)snprintf(path, sizeof path, "%s/data1", trio.pki.dir);
    if ((status != STATUS_CONFIG && status != STATUS_SOFTWARE) ||
        !trio_has_logged(&trio, 0, path) || !trio_has_logged(&trio, 0, "members replace OLD NEW"))
        fail_msg("%s cut to %lld of %lld: status %d, see %s", kept->name, (long long)at,
                 (long long)kept->size, status, log);
}

/* I3: what was said before stays said, or the witness does not come back under its old name. */
static void what_a_witness_has_kept_cut_anywhere_is_whole_or_refused(void **state)
{
    struct kept kept[KEPT_MAX];
    struct bw_prng prng;
    size_t count;
    unsigned started = 0;

    (void)state;
    bw_prng_init(&prng, 1);
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&trio, i, SIGKILL); /* as it was in the middle of its work */
    assert_int_equal(run("--help >/dev/null; cp -a data1 data1.kept"), 0);
    count = list("", kept, KEPT_MAX);
    count += list("/raft", kept + count, KEPT_MAX - count);
    assert_in_range(count, 4, KEPT_MAX - 1);
    for (size_t i = 0; i < count; i++)
        for (int cut = 0; cut < CUTS; cut++)
            judge_cut(&kept[i], cut == 0 ? 0 : (off_t)bw_prng_below(&prng, (uint64_t)kept[i].size),
                      &started);
    print_message("%zu files, %zu cuts, %u of them started\n", count, count * CUTS, started);
    assert_int_equal(run("--help >/dev/null; rm -rf data1.kept"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_site_file_with_a_problem_starts_neither_agent_nor_guard,
                                        trio_set_up, trio_tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_none_starts_nothing, trio_set_up, trio_tear_down),
        cmocka_unit_test_setup_teardown(
            a_witness_with_an_unsafe_or_another_election_timeout_does_not_start, trio_set_up, trio_tear_down),
        cmocka_unit_test_setup_teardown(what_a_witness_has_kept_cut_anywhere_is_whole_or_refused,
                                        trio_set_up, trio_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
