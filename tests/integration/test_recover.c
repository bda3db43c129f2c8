/* A majority of the witnesses is lost for good: the cluster begins anew from the last one, and never do two
 * sites serve, also when the lost ones come back. Design 3.9, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/consensus/recovery.h>
#include <breakwater/consensus/vote.h>

#include "cluster_life.h"
#include "faults.h"
#include "janitor.h"
#include "lacking.h"
#include "on_terminal.h"
#include "shell_outcome.h"
#include "real_files.h"

#define LAST 2 /* w3 */

/* What `breakwater recover` of w3 ends with; its output in `out`. */
static int recover_last(const char *how, char *out, size_t size)
{
    char config[TRIO_PATH_BYTES];
    char option[16];
    char *verb[] = {NULL, "recover", "-c", config, option, NULL};

    trio_path(&cluster.trio, "w3.yaml", config);
    (void)snprintf(option, sizeof option, "%s", how);
    return trio_run(&cluster.trio, verb, out, size);
}

static bool last_has(const char *file)
{
    char path[TRIO_PATH_BYTES];
    char whole[2 * TRIO_PATH_BYTES];

    trio_path(&cluster.trio, "data3", path);
    (void)snprintf(whole, sizeof whole, "%s/%s", path, file);
    return access(whole, F_OK) == 0;
}

static void lose_majority(void)
{
    for (int i = 0; i < LAST; i++)
        (void)trio_stop(&cluster.trio, i, SIGKILL);
}

static void begin_anew(void)
{
    char out[8192];

    assert_int_equal(recover_last("--yes", out, sizeof out), 0);
    assert_non_null(strstr(out, "The cluster restarts as generation"));
    trio_start(&cluster.trio, LAST, TRIO_EXECUTED);
}

static void recover_and_start(void)
{
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    begin_anew();
}

static bool serves_anew(struct real_cluster *of, int site)
{
    return real_serves(of, site) && real_number(of, "epoch") > 1 << 24;
}

/* The site's agent reaches only these witnesses. */
static void leave_only(int site, bool is_last)
{
    char path[REAL_PATH_BYTES];
    char last[32];
    char *text = strdup(real_read(&cluster, site, "site.yaml"));
    char *begin = strstr(text, "witnesses: [");
    char *end = begin != NULL ? strchr(begin, ']') : NULL;
    char *changed = NULL;

    assert_true(begin != NULL && end != NULL);
    (void)snprintf(last, sizeof last, "\"127.0.0.1:%u\"", (unsigned)cluster.trio.api[LAST]);
    *begin = '\0';
    if (is_last)
        assert_true(asprintf(&changed, "%switnesses: [%s%s", text, last, end) > 0);
    else
        assert_true(asprintf(&changed,
                             "%switnesses: [\"127.0.0.1:%u\", \"127.0.0.1:%u\"%s", text,
                             (unsigned)cluster.trio.api[0], (unsigned)cluster.trio.api[1],
                             end) > 0);
    real_path(&cluster.sites[site], "site.yaml", path);
    real_write_file(path, 0600, changed);
    free(changed);
    free(text);
}

static void the_last_witness_begins_the_cluster_anew(void **state)
{
    (void)state;
    real_serve(&cluster);
    lose_majority();
    recover_and_start();
    real_until(&cluster, serves_anew, 0, "the site with the newest data serves again");

    assert_int_equal(real_runs(&cluster, 1, "start"), 0);
    real_assert_no_overlap(&cluster);
    assert_true(last_has("generation-1/identity"));
    assert_false(last_has("recovery"));
}

/* By the words of its standard error. */
static void recover_fails(const char *fault, const char *why)
{
    char faults[TRIO_PATH_BYTES];
    char config[TRIO_PATH_BYTES];
    char *command = NULL;

    trio_path(&cluster.trio, "faults", faults);
    trio_path(&cluster.trio, "w3.yaml", config);
    assert_true(asprintf(&command,
                         "timeout 60 \"$BREAKWATER_BUILD/breakwater\" recover -c %s --yes 2>%s.err >/dev/null; "
                         "test $? = 1 && grep -q 'nothing was changed in .*: write the snapshot: .*%s' %s.err || "
                         "{ cat %s.err; false; }",
                         config, faults, why, faults, faults) > 0);
    faults_begin(faults);
    faults_say(faults, fault);
    assert_int_equal(system(command), 0);
    faults_end();
    free(command);
    assert_false(last_has("recovery"));
    assert_false(last_has("generation-1"));
}

/* libraft would try to write the snapshot for ever. */
static void where_no_snapshot_can_be_written_it_ends_and_nothing_was_changed(void **state)
{
    (void)state;
    real_serve(&cluster);
    lose_majority();
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    recover_fails("nameless /data3/recovery.new/ 95\n", "files without a name");
    recover_fails("reserve /data3/recovery.new/raft/# 28\n", "No space left on device");
    begin_anew();
}

static void write_term(const char *vote, uint64_t term)
{
    char path[TRIO_PATH_BYTES];
    uint8_t bytes[BW_VOTE_BYTES];
    FILE *file;

    trio_path(&cluster.trio, vote, path);
    bw_vote_encode((struct bw_vote){.term = term}, bytes);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, sizeof bytes, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

/* An older release took it from whoever said it. */
static void from_a_term_that_nobody_gets_above_it_begins_anew_too(void **state)
{
    (void)state;
    real_serve(&cluster);
    lose_majority();
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    write_term("data3/vote", UINT64_MAX);
    trio_start(&cluster.trio, LAST, TRIO_EXECUTED);
    assert_int_equal(trio_stop(&cluster.trio, LAST, 0), 70);
    assert_true(trio_has_logged(&cluster.trio, LAST, "where no elections lead"));

    begin_anew();
    real_until(&cluster, serves_anew, 0, "the site with the newest data serves again");

    real_assert_no_overlap(&cluster);
}

static bool has_ended_removed(int witness)
{
    char name[16];
    char path[TRIO_PATH_BYTES];
    char line[1024];
    bool has = false;
    FILE *log;

    (void)snprintf(name, sizeof name, "w%d.log", witness + 1);
    trio_path(&cluster.trio, name, path);
    log = fopen(path, "re");
    assert_non_null(log);
    while (!has && fgets(line, sizeof line, log) != NULL)
        has = strstr(line, "witness.removed") != NULL;
    (void)fclose(log);
    return has;
}

/* The lost ones lead again, and their agent's site was granted nothing yet: it refuses them. Or
 * they have heard from the newer generation, before they had a leader, that they are no members of
 * it: they end. */
static void old_members_that_come_back_are_obeyed_by_nobody(void **state)
{
    (void)state;
    real_serve(&cluster);
    lose_majority();
    recover_and_start();
    real_until(&cluster, serves_anew, 0, "the site with the newest data serves again");

    leave_only(0, true);
    leave_only(1, false);
    assert_int_equal(real_end(&cluster.sites[1].agent, SIGTERM), 0);
    for (int i = 0; i < LAST; i++)
        trio_start(&cluster.trio, i, TRIO_EXECUTED);
    real_start_agent(&cluster, 1);
    (void)sleep(3 * REAL_TTL_MS / 1000);

    assert_int_equal(real_runs(&cluster, 1, "start"), 0);
    assert_true(strstr(real_read(&cluster, 1, "agent.log"),
                       "a generation that was recovered from") != NULL ||
                (has_ended_removed(0) && has_ended_removed(1)));
    assert_true(real_service(&cluster, 0) != 0);
    real_assert_no_overlap(&cluster);
}

/* `breakwater VERB`, which asks the first `count` witnesses; with what it says on stderr. */
static int ask_first(int count, const char *verb, char *out, size_t size)
{
    char ca[TRIO_PATH_BYTES];
    char identity[TRIO_PATH_BYTES];
    char endpoints[128] = "";
    char command[1024];

    for (int i = 0; i < count; i++)
        (void)snprintf(endpoints + strlen(endpoints), sizeof endpoints - strlen(endpoints),
                       " --endpoint 127.0.0.1:%u", (unsigned)cluster.trio.api[i]);
    trio_path(&cluster.trio, "ca.pem", ca);
    trio_path(&cluster.trio, "operator.pem", identity);
    (void)snprintf(command, sizeof command,
                   "$BREAKWATER_BUILD/breakwater %s%s --ca %s --identity %s 2>&1", verb, endpoints,
                   ca, identity);
    return outcome_of(command, out, size);
}

/* Those that were lost hear nothing from the last one: they would be told that they are no members. */
static void cut_off_last(void)
{
    char file[TRIO_PATH_BYTES];
    char command[TRIO_PATH_BYTES + 128];

    for (int i = 0; i < LAST; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "w%d.yaml", i + 1);
        trio_path(&cluster.trio, name, file);
        (void)snprintf(command, sizeof command, "sed -i 's/127.0.0.1:%u\\>/127.0.0.1:1/' %s",
                       (unsigned)cluster.trio.raft[LAST], file);
        assert_int_equal(system(command), 0);
    }
}

/* Of a term far above the new generation's, too. */
static void the_command_line_asks_no_witness_that_was_left_behind(void **state)
{
    static char out[1 << 16];
    char left[64];

    (void)state;
    (void)trio_leader(&cluster.trio);
    lose_majority();
    recover_and_start();
    write_term("data1/vote", 1000);
    cut_off_last();
    for (int i = 0; i < LAST; i++)
        trio_start(&cluster.trio, i, TRIO_EXECUTED);
    (void)trio_leader(&cluster.trio); /* and each of the three is one, or follows one */

    (void)ask_first(TRIO_WITNESSES, "status -o json", out, sizeof out);
    if (strstr(out, "\"answered_by\": \"w3\"") == NULL || strstr(out, "\"generation\": 1,") != NULL)
        fail_msg("%s", out);
    for (int i = 0; i < LAST; i++) {
        const char *line;

        (void)snprintf(left, sizeof left, "warning: 127.0.0.1:%u: w%d was left behind",
                       (unsigned)cluster.trio.api[i], i + 1);
        line = strstr(out, left);
        if (line == NULL || strstr(line + 1, left) != NULL)
            fail_msg("%s", out);
    }
    (void)ask_first(1, "status -o json", out, sizeof out); /* which names the last one */
    assert_non_null(strstr(out, "\"answered_by\": \"w3\""));
}

/* `breakwater snapshot WHAT ...`; "FILE" stands for the saved state. */
static int snapshot(const char *what, const char *how, char *out, size_t size)
{
    char config[TRIO_PATH_BYTES];
    char endpoint[32];
    char ca[TRIO_PATH_BYTES];
    char identity[TRIO_PATH_BYTES];
    char file[TRIO_PATH_BYTES];
    char verb[16];
    char option[16];
    char *save[] = {NULL,     "snapshot", "save",       "--endpoint", endpoint, "--ca",
                    ca,       "--identity", identity, file,         NULL};
    char *show[] = {NULL, "snapshot", "show", file, NULL};
    char *restore[] = {NULL, "snapshot", verb, "-c", config, option, file, NULL};

    (void)snprintf(verb, sizeof verb, "%s", what);
    (void)snprintf(option, sizeof option, "%s", how);
    trio_path(&cluster.trio, "w3.yaml", config);
    trio_path(&cluster.trio, "ca.pem", ca);
    trio_path(&cluster.trio, "operator.pem", identity);
    (void)snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", (unsigned)cluster.trio.api[LAST]);
    trio_path(&cluster.trio, "saved.json", file);
    return trio_run(&cluster.trio,
                    strcmp(what, "save") == 0   ? save
                    : strcmp(what, "show") == 0 ? show
                                                : restore,
                    out, size);
}

/* It was saved in epoch 1 of site 0; then the group moved to site 1, which the file knows nothing of. */
static void a_saved_state_begins_the_cluster_anew_where_the_newest_data_is(void **state)
{
    char data[TRIO_PATH_BYTES];
    char out[8192];

    (void)state;
    real_serve(&cluster);
    assert_int_equal(snapshot("save", "", out, sizeof out), 0);
    assert_int_equal(snapshot("show", "", out, sizeof out), 0);
    assert_non_null(strstr(out, "generation 1, "));
    assert_int_equal(snapshot("restore", "--plan", out, sizeof out), 1); /* its witness runs */
    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, real_serves, 1, "the other site serves");

    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&cluster.trio, i, SIGKILL);
    assert_int_equal(snapshot("restore", "--yes", out, sizeof out), 1); /* not empty */
    trio_path(&cluster.trio, "data3", data);
    janitor_remove_dir(data);
    assert_int_equal(snapshot("restore", "--plan", out, sizeof out), 0);
    assert_int_equal(access(data, F_OK), -1);
    assert_int_equal(snapshot("restore", "--yes", out, sizeof out), 0);
    assert_false(last_has("generation-1"));
    trio_start(&cluster.trio, LAST, TRIO_EXECUTED);
    real_until(&cluster, serves_anew, 1, "the site that served last serves again");

    assert_int_equal(real_runs(&cluster, 0, "start"), 1);
    real_assert_no_overlap(&cluster);
}

/* It was saved as root, for root alone; the one who has to restore it is handed it. */
static void a_saved_state_is_handed_to_the_user_of_the_witness(void **state)
{
    char saved[TRIO_PATH_BYTES];
    char config[TRIO_PATH_BYTES];
    char command[2048];
    char out[8192];
    struct stat look;

    (void)state;
    if (geteuid() != 0)
        skip_lacking("root");
    assert_int_equal(snapshot("save", "", out, sizeof out), 0);
    trio_path(&cluster.trio, "saved.json", saved);
    trio_path(&cluster.trio, "w3.yaml", config);
    assert_int_equal(stat(saved, &look), 0);
    assert_int_equal(look.st_mode & 07777, 0600);

    (void)snprintf(command, sizeof command,
                   "chmod 755 %s && cd / && runuser -u nobody -- $BREAKWATER_BUILD/breakwater "
                   "snapshot show %s 2>&1",
                   cluster.trio.pki.dir, saved);
    assert_int_not_equal(outcome_of(command, out, sizeof out), 0);
    if (strstr(out, "Permission denied; as root, with the same options, on its input: runuser -u "
                    "nobody -- breakwater "
                    "snapshot show ... - <") == NULL)
        fail_msg("%s", out);
    (void)snprintf(
        command, sizeof command,
        "cd / && runuser -u nobody -- $BREAKWATER_BUILD/breakwater snapshot show - <%s 2>&1",
        saved);
    assert_int_equal(outcome_of(command, out, sizeof out), 0);
    assert_non_null(strstr(out, "generation 1, "));
    (void)snprintf(command, sizeof command,
                   "$BREAKWATER_BUILD/breakwater snapshot restore -c %s --plan - <%s 2>&1", config,
                   saved);
    assert_int_equal(outcome_of(command, out, sizeof out), 1); /* its witness runs */
    assert_non_null(strstr(out, "generation 1, "));
}

/* `text` NULL: no more. */
static void mark_last(const char *file, const char *text)
{
    char path[TRIO_PATH_BYTES];

    trio_path(&cluster.trio, file, path);
    if (text != NULL)
        real_write_file(path, 0600, text);
    else
        assert_int_equal(unlink(path), 0);
}

static void it_is_refused_while_its_witness_runs_or_a_majority_answers(void **state)
{
    char out[8192];

    (void)state;
    (void)trio_leader(&cluster.trio);
    assert_int_equal(recover_last("--yes", out, sizeof out), 1); /* its own witness runs */
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    assert_int_equal(recover_last("--yes", out, sizeof out), 6);
    /* As by one that was cut short right behind its point of no return: they are back since. */
    mark_last("data3/recovery", "breakwater recovery 1\nold generation 1\n");
    assert_int_equal(recover_last("--yes", out, sizeof out), 6);
    assert_non_null(strstr(out, "was confirmed and begun before"));
    assert_non_null(strstr(out, ": runs and answers"));
    assert_null(strstr(out, "It is finished"));
    mark_last("data3/recovery", NULL);
    (void)trio_stop(&cluster.trio, 0, SIGKILL);
    assert_int_equal(recover_last("--plan", out, sizeof out), 6); /* two of three would be enough */
    trio_signal(&cluster.trio, 1, SIGSTOP); /* it says nothing, and is not lost */
    assert_int_equal(recover_last("--plan", out, sizeof out), 6);
    assert_non_null(strstr(out, "w2: a program listens there, but does not answer"));
    (void)trio_stop(&cluster.trio, 1, SIGKILL);
    assert_int_equal(recover_last("--plan", out, sizeof out), 0);
    assert_non_null(strstr(out, "generation 1,"));
    mark_last("data3/removed", "removed from the cluster\n");
    assert_int_not_equal(recover_last("--plan", out, sizeof out), 0);
    mark_last("data3/removed", NULL);
    trio_start_all(&cluster.trio, TRIO_EXECUTED); /* as if nobody had looked */
    (void)trio_leader(&cluster.trio);
}

/* As one that was cut short right behind its point of no return leaves it, with w1 to w3 in its roster. */
static void begin_last(void)
{
    struct bw_recovery_beginning begun = {.old_generation = 1, .old_roster = {.id_max = TRIO_WITNESSES}};
    uint8_t mark[BW_RECOVERY_MARK_BYTES_MAX];
    char path[TRIO_PATH_BYTES];
    FILE *file;
    size_t size;

    for (uint32_t i = 0; i < TRIO_WITNESSES; i++) {
        struct bw_roster_member *member = &begun.old_roster.members[begun.old_roster.count++];

        member->id = i + 1;
        member->incarnation.bytes[0] = (uint8_t)(i + 1);
        (void)snprintf(member->name, sizeof member->name, "w%u", (unsigned)i + 1);
        (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
                       (unsigned)cluster.trio.api[i]);
        (void)snprintf(member->raft, sizeof member->raft, "127.0.0.1:%u",
                       (unsigned)cluster.trio.raft[i]);
    }
    size = bw_recovery_encode_mark(&begun, mark);
    trio_path(&cluster.trio, "data3/recovery", path);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(mark, size, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

/* Whom the roster had when it was begun: the file of this machine may be older, and names others. */
static void one_that_was_begun_is_refused_while_a_member_of_then_answers(void **state)
{
    char file[TRIO_PATH_BYTES];
    char command[TRIO_PATH_BYTES + 64];
    char out[8192];

    (void)state;
    (void)trio_leader(&cluster.trio);
    assert_int_equal(trio_stop(&cluster.trio, LAST, SIGTERM), 0);
    (void)trio_stop(&cluster.trio, 1, SIGKILL);
    trio_path(&cluster.trio, "w3.yaml", file);
    (void)snprintf(command, sizeof command, "sed -i '/name: w1, /d' %s", file);
    assert_int_equal(system(command), 0);
    begin_last();

    assert_int_equal(recover_last("--yes", out, sizeof out), 6);
    assert_non_null(strstr(out, "w1: runs and answers"));
    assert_null(strstr(out, "It is finished"));
    assert_true(last_has("recovery"));
    (void)trio_stop(&cluster.trio, 0, SIGKILL);
    assert_int_equal(recover_last("--yes", out, sizeof out), 0);
    assert_null(strstr(out, "older release"));
    assert_non_null(strstr(out, "It is finished"));
}

/* It kept no roster: nobody but a person can say that no other is back. */
static void one_that_an_older_release_has_begun_is_confirmed_once_more(void **state)
{
    char config[TRIO_PATH_BYTES];
    char program[512];
    char out[16384] = "";
    int terminal, status;
    pid_t asks;

    (void)state;
    (void)trio_leader(&cluster.trio);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&cluster.trio, i, SIGTERM);
    mark_last("data3/recovery", "breakwater recovery 1\nold generation 1\n");
    trio_path(&cluster.trio, "w3.yaml", config);
    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    asks = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(asks >= 0);
    if (asks == 0) {
        (void)execl(program, "breakwater", "recover", "-c", config, (char *)NULL);
        _exit(127);
    }
    hear_until(terminal, "to go on: ", out, sizeof out);
    assert_non_null(strstr(out, "An older release has begun it"));
    assert_int_equal(write(terminal, "no\n", 3), 3);
    hear_until(terminal, NULL, out, sizeof out);
    assert_int_equal(waitpid(asks, &status, 0), asks);
    (void)close(terminal);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_true(last_has("recovery"));
    assert_int_equal(recover_last("--yes", out, sizeof out), 0);
    assert_non_null(strstr(out, "It is finished"));
}

/* A question may stand while people phone, and the lost ones come back. */
static void what_comes_back_while_it_asks_is_heard_before_it_writes(void **state)
{
    char config[TRIO_PATH_BYTES];
    char program[512];
    char out[16384] = "";
    int terminal, status;
    pid_t asks;

    (void)state;
    (void)trio_leader(&cluster.trio);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&cluster.trio, i, SIGTERM);
    trio_path(&cluster.trio, "w3.yaml", config);
    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    asks = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(asks >= 0);
    if (asks == 0) {
        (void)execl(program, "breakwater", "recover", "-c", config, (char *)NULL);
        _exit(127);
    }
    hear_until(terminal, "to go on: ", out, sizeof out);
    trio_start(&cluster.trio, 0, TRIO_EXECUTED);
    trio_start(&cluster.trio, 1, TRIO_EXECUTED);
    (void)trio_leader(&cluster.trio);
    assert_int_equal(write(terminal, "prod\n", 5), 5);
    hear_until(terminal, NULL, out, sizeof out);
    assert_int_equal(waitpid(asks, &status, 0), asks);
    (void)close(terminal);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 6)
        fail_msg("%d: %s", status, out);
    assert_non_null(strstr(out, "refused: recover: with this witness, 3 of 3 voters are there"));
    assert_false(last_has("generation-1"));
}

static void change_saved(const char *script)
{
    char saved[TRIO_PATH_BYTES];
    char command[TRIO_PATH_BYTES + 128];

    trio_path(&cluster.trio, "saved.json", saved);
    (void)snprintf(command, sizeof command, "sed -i -E '%s' %s", script, saved);
    assert_int_equal(system(command), 0);
}

/* What goes on is what was begun, whatever the file has, which is shown to nobody as what will be. */
static void a_saved_state_is_refused_where_another_beginning_was_begun(void **state)
{
    static const char *const ways[] = {"--plan", "--yes"};
    char log[TRIO_PATH_BYTES];
    char line[4096];
    char out[8192];
    FILE *in;

    (void)state;
    (void)trio_leader(&cluster.trio);
    assert_int_equal(snapshot("save", "", out, sizeof out), 0);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&cluster.trio, i, SIGKILL);
    begin_last();
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        trio_path(&cluster.trio, "run1.log", log);
        (void)unlink(log);
        assert_int_not_equal(snapshot("restore", ways[i], out, sizeof out), 0);
        assert_string_equal(out, "");
        in = fopen(log, "re");
        assert_non_null(in);
        line[fread(line, 1, sizeof line - 1, in)] = '\0';
        assert_int_equal(fclose(in), 0);
        assert_non_null(strstr(line, "to finish it, run `breakwater recover` with the same -c"));
        assert_true(last_has("recovery"));
    }
    assert_int_equal(recover_last("--yes", out, sizeof out), 0);
    assert_non_null(strstr(out, "It is finished"));
}

/* It may be the only one, of before everything was lost. */
static void a_saved_state_that_knows_more_or_is_of_another_cluster_is_not_replaced(void **state)
{
    char out[8192];

    (void)state;
    (void)trio_leader(&cluster.trio);
    assert_int_equal(snapshot("save", "", out, sizeof out), 0);
    assert_int_equal(snapshot("save", "", out, sizeof out), 0); /* as new, or newer */
    change_saved("s/(\"index\": *)[0-9]+/\\1999999999/");
    assert_int_equal(snapshot("save", "", out, sizeof out), 1);
    change_saved("s/(\"index\": *)[0-9]+/\\11/");
    assert_int_equal(snapshot("save", "", out, sizeof out), 0);
    change_saved("s/(\"cluster_id\": *\")....../\\1000000/");
    assert_int_equal(snapshot("save", "", out, sizeof out), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_comes_back_while_it_asks_is_heard_before_it_writes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_saved_state_that_knows_more_or_is_of_another_cluster_is_not_replaced, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            where_no_snapshot_can_be_written_it_ends_and_nothing_was_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_witness_begins_the_cluster_anew, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(from_a_term_that_nobody_gets_above_it_begins_anew_too,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_members_that_come_back_are_obeyed_by_nobody, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_command_line_asks_no_witness_that_was_left_behind,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_saved_state_begins_the_cluster_anew_where_the_newest_data_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_saved_state_is_handed_to_the_user_of_the_witness, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_is_refused_while_its_witness_runs_or_a_majority_answers,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            one_that_was_begun_is_refused_while_a_member_of_then_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_saved_state_is_refused_where_another_beginning_was_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_an_older_release_has_begun_is_confirmed_once_more,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
