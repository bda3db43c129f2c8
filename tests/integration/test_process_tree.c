/* process_tree: who belongs to it, by real processes (design 3.4, reach). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/sys/process_tree.h>
#include <breakwater/sys/reach.h>
#include <breakwater/sys/scan.h>

#include "lacking.h"

#define MEMBERS_MAX 16
#define LOOK_US     2000
#define SLEEP_S     "120" /* ends by itself, whatever happens to the test */

struct family {
    char mark[64];
    pid_t leader; /* of a session of its own, without the mark */
    pid_t marked; /* with it, in that session */
    pid_t other;  /* without it, in that session */
};

static void be_sleep(const char *mark)
{
    char *const arguments[] = {(char *)"sleep", (char *)SLEEP_S, NULL};
    char *const environment[] = {(char *)mark, NULL};

    (void)execve("/bin/sleep", arguments, environment);
    _exit(127);
}

/* The leader tells the pids of its children, and lives until its input ends. */
static void lead(const char *mark, int in, int out)
{
    pid_t children[2];
    char byte;

    if (setsid() < 0)
        _exit(1);
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            be_sleep(i == 0 ? mark : NULL);
    }
    if (write(out, children, sizeof children) != sizeof children)
        _exit(1);
    _exit(read(in, &byte, 1) == 0 ? 0 : 1);
}

static int to_leader = -1;

static int set_up(void **state)
{
    static struct family family;
    int in[2];
    int out[2];
    pid_t children[2];

    (void)snprintf(family.mark, sizeof family.mark, BW_PROCESS_MARK "tree-%ld", (long)getpid());
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    family.leader = fork();
    assert_true(family.leader >= 0);
    if (family.leader == 0) {
        (void)close(in[1]);
        lead(family.mark, in[0], out[1]);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    to_leader = in[1];
    assert_int_equal(read(out[0], children, sizeof children), sizeof children);
    (void)close(out[0]);
    family.marked = children[0];
    family.other = children[1];
    *state = &family;
    return 0;
}

/* The leader ends by itself; its children are not ours to reap. */
static void end_leader(struct family *family)
{
    if (to_leader < 0)
        return;
    (void)close(to_leader);
    to_leader = -1;
    assert_int_equal(waitpid(family->leader, NULL, 0), family->leader);
}

static int tear_down(void **state)
{
    struct family *family = *state;

    (void)kill(family->marked, SIGKILL);
    (void)kill(family->other, SIGKILL);
    end_leader(family);
    return 0;
}

/* Until the marked one has come to its exec. */
static bool has_member(const struct family *family, pid_t pid)
{
    const struct bw_process_tree tree = {.mark = family->mark};
    pid_t pids[MEMBERS_MAX];
    size_t count = 0;
    bool has_marked = false;
    bool has = false;

    while (!has_marked) {
        assert_int_equal(bw_process_tree_round(&tree, 0, pids, MEMBERS_MAX, &count, NULL), BW_OK);
        has = false;
        for (size_t i = 0; i < count; i++) {
            has_marked = has_marked || pids[i] == family->marked;
            has = has || pids[i] == pid;
        }
    }
    return has;
}

/* A guard whose child has just come to its exec must not be taken for what it has started. */
static void who_leads_a_session_is_no_member_because_a_member_is_in_it(void **state)
{
    struct family *family = *state;

    assert_false(has_member(family, family->leader));
    assert_false(has_member(family, family->other));
}

static void in_a_session_whose_leader_has_gone_all_are_members(void **state)
{
    struct family *family = *state;

    end_leader(family);

    assert_true(has_member(family, family->other));
}

/* ---- a machine with many processes, as its /proc shows them ---------------------------------- */

#define MANY       16500 /* more than a table of 14 bits holds */
#define MANY_FIRST 100000 /* no pid of this machine's own */

static void put_in_proc(int pid, const char *name, const char *data, size_t size)
{
    char path[64];
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    file = fopen(path, "w");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        _exit(3);
}

static void put_process(pid_t pid)
{
    char text[160];
    char dir[32];
    const int length = snprintf(text, sizeof text, "%d (x) S 1 %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1000 0 0\n",
                                pid, pid, pid);

    (void)snprintf(dir, sizeof dir, "/proc/%d", pid);
    if (mkdir(dir, 0700) != 0)
        _exit(3);
    put_in_proc(pid, "stat", text, (size_t)length);
    put_in_proc(pid, "cmdline", "x", 2);
}

/* In a mount namespace of its own, with a /proc that says so. The last one carries the mark. */
__attribute__((noreturn)) static void count_among_many(void)
{
    static const char mark[] = BW_PROCESS_MARK "many/g/service";
    const struct bw_process_tree tree = {.mark = BW_PROCESS_MARK "many/g/"};
    pid_t pid = 0;
    size_t count = 0;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/proc", "tmpfs", 0, NULL) != 0)
        _exit(2);
    for (int i = 0; i < MANY; i++) {
        put_process(MANY_FIRST + i);
        put_in_proc(MANY_FIRST + i, "environ", i + 1 < MANY ? "A=b" : mark,
                    i + 1 < MANY ? 4 : sizeof mark);
    }
    if (bw_process_tree_round(&tree, 0, &pid, 1, &count, NULL) != BW_OK)
        _exit(4);
    _exit(count == 1 && pid == MANY_FIRST + MANY - 1 ? 0 : 5);
}

/* As on a machine with other users: one whose environment is not ours to read, and one that has ended since. */
__attribute__((noreturn)) static void look_beside_strangers(void)
{
    static const char mark[] = BW_PROCESS_MARK "many/g/service";
    const struct bw_process_tree tree = {.mark = BW_PROCESS_MARK "many/g/"};
    struct bw_diag diag = {0};
    size_t count = 0;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/proc", "tmpfs", 0, NULL) != 0)
        _exit(2);
    put_process(MANY_FIRST);
    put_in_proc(MANY_FIRST, "environ", mark, sizeof mark);
    put_process(MANY_FIRST + 1); /* without an environment */
    if (mkdir("/proc/100002", 0700) != 0)
        _exit(3);
    if (bw_process_tree_round(&tree, 0, NULL, 0, &count, &diag) != BW_OK || count != 1)
        _exit(4);
    if (bw_process_tree_round(&tree, SIGCONT, NULL, 0, &count, &diag) != BW_OK || count != 1)
        _exit(5);
    _exit(diag.text[0] == '\0' ? 0 : 6);
}

static void on_killed(struct bw_reach_kill *kill, enum bw_err err, const struct bw_diag *diag, void *user)
{
    (void)kill;
    (void)diag;
    *(enum bw_err *)user = err;
    uv_stop(kill->deadline.poll.loop);
}

/* As after a grant: what shows the mark by now is of another epoch. */
static bool is_spared_by_the_search_that_goes_on(const struct bw_reach *reach, pid_t later)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    struct bw_scan *next = NULL;
    struct bw_diag diag;
    enum bw_err err;
    bool is_empty = true;
    const int gate = open("/proc/1/environ", O_WRONLY); /* it may go on */

    if (gate < 0 || unlink("/proc/1/environ") != 0 || close(gate) != 0)
        _exit(4);
    put_in_proc(1, "environ", "A=b", 4);
    if (bw_reach_scan(reach, BW_REACH_SERVICE, 0, &next, NULL) != BW_OK)
        _exit(4);
    while (!bw_scan_is_over(next, &err, &is_empty, &diag)) /* behind the one before */
        (void)nanosleep(&pause, NULL);
    bw_scan_free(next);
    return err == BW_OK && !is_empty && waitpid(later, NULL, WNOHANG) == 0;
}

/* With a process whose environment /proc does not give: as one does that waits for a disk. */
__attribute__((noreturn)) static void search_beside_one_that_hangs(void)
{
    char mark[BW_REACH_MARK_BYTES];
    const pid_t later = fork();
    enum bw_err killed = BW_OK;
    struct bw_reach_kill kill;
    struct bw_reach reach;
    uv_loop_t loop;

    if (later == 0)
        be_sleep(NULL);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        _exit(2);
    if (uv_loop_init(&loop) != 0 || bw_reach_open(&reach, "hangs", "g", true, NULL) != BW_OK ||
        bw_reach_kill_init(&kill, &loop, &reach, on_killed, &killed, NULL) != BW_OK)
        _exit(3);
    if (mount("none", "/proc", "tmpfs", 0, NULL) != 0)
        _exit(2);
    put_process(1);
    if (mkfifo("/proc/1/environ", 0600) != 0)
        _exit(4);
    put_process(later);
    bw_reach_mark(&reach, BW_REACH_SERVICE, mark);
    put_in_proc(later, "environ", mark, strlen(mark) + 1);
    bw_reach_kill_start(&kill, BW_REACH_SERVICE);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    if (killed != BW_ERR_TIMEOUT)
        _exit(5);
    if (!is_spared_by_the_search_that_goes_on(&reach, later))
        _exit(6);
    (void)!bw_process_signal(later, 1000, SIGKILL, NULL);
    _exit(0);
}

static void in_a_child(void (*what)(void))
{
    const pid_t child = fork();
    int status;

    if (child == 0)
        what();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        skip_lacking("mounts"); /* no mount can be made here */
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void no_number_of_processes_is_too_many_to_find_one(void **state)
{
    (void)state;
    in_a_child(count_among_many);
}

/* What a look came to is the word of who asked for it, in its log. */
static void who_is_no_business_of_a_look_leaves_no_word_in_it(void **state)
{
    (void)state;
    in_a_child(look_beside_strangers);
}

/* 3.2.4: what ends by other means is ended all the same, and who waits for this hears of it. */
static void a_search_that_hangs_has_seen_nothing(void **state)
{
    (void)state;
    in_a_child(search_beside_one_that_hangs);
}

/* The child tells nobody of its exec: that it shows its mark does. */
static void wait_for_mark(const struct bw_process_tree *tree, pid_t child)
{
    pid_t pids[MEMBERS_MAX] = {0};
    size_t count = 0;

    while (count != 1 || pids[0] != child) {
        assert_int_equal(bw_process_tree_round(tree, 0, pids, MEMBERS_MAX, &count, NULL), BW_OK);
        (void)usleep(LOOK_US);
    }
}

static bool is_listed(const struct bw_process_table *table, const struct bw_process_tree *tree,
                      pid_t pid)
{
    pid_t pids[MEMBERS_MAX];
    size_t count = 0;

    assert_int_equal(bw_process_table_round(table, tree, 0, pids, MEMBERS_MAX, &count, NULL), BW_OK);
    for (size_t i = 0; i < count && i < MEMBERS_MAX; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

/* 3.2.4: whoever has no descriptor left to look with has seen nothing: not that nobody is there. */
static void a_search_without_descriptors_has_seen_nothing(void **state)
{
    const struct family *family = *state;
    const struct bw_process_tree tree = {.mark = family->mark};
    pid_t pids[MEMBERS_MAX];
    struct rlimit before, few;
    size_t count = 0;
    enum bw_err err;
    const int next = dup(0);

    assert_true(next >= 0);
    assert_true(has_member(family, family->marked));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)next + 1; /* for /proc itself, and for nothing in it */
    assert_int_equal(close(next), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    err = bw_process_tree_round(&tree, 0, pids, MEMBERS_MAX, &count, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(err, BW_ERR_NOMEM);
    assert_true(has_member(family, family->marked));
}

/* 3.4: a TERM to the tree of a start is no TERM to the fence that is begun in the same moment. */
static void a_child_that_is_executed_between_two_looks_is_of_its_own_tree_alone(void **state)
{
    char mark[64];
    const struct bw_process_tree own = {.mark = mark};
    const struct bw_process_tree own_with_strays = {.mark = mark, .with_strays = true};
    const struct bw_process_tree another = {.mark = BW_PROCESS_MARK "another", .with_strays = true};
    struct bw_process_table *table;
    int go[2];
    char byte;
    pid_t child;

    (void)state;
    (void)snprintf(mark, sizeof mark, BW_PROCESS_MARK "fence-%ld", (long)getpid());
    assert_int_equal(pipe(go), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0 && read(go[0], &byte, 1) == 1)
        be_sleep(mark);
    if (child == 0)
        _exit(1);
    assert_int_equal(bw_process_table_read(NULL, 0, &table, NULL), BW_OK);
    assert_int_equal(write(go[1], "", 1), 1);
    wait_for_mark(&own, child);

    assert_false(is_listed(table, &another, child));
    assert_true(is_listed(table, &own_with_strays, child));

    bw_process_table_free(table);
    (void)close(go[0]);
    (void)close(go[1]);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* ---- the key of a mark (3.4) --------------------------------------------------------------------- */

/* Who does not know the key marks nobody. Who does not need to know it finds all, and those of before there were keys. */
static void a_mark_without_the_key_is_found_by_who_asks_for_any_alone(void **state)
{
    static const char *const marks[] = {
        BW_PROCESS_MARK "t/g/0123/served/service", BW_PROCESS_MARK "t/g/4567/served/service",
        BW_PROCESS_MARK "t/g/served/service", BW_PROCESS_MARK "t/h/0123/served/service"};
    const struct bw_process_tree tree = {.mark = BW_PROCESS_MARK "t/g/0123/served/"};
    const struct bw_process_tree any = {.mark = BW_PROCESS_MARK "t/g" BW_PROCESS_MARK_ANY "served/"};
    const struct bw_process_tree all = {.mark = BW_PROCESS_MARK "t/"};
    struct bw_process_table *table;
    pid_t children[4];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            be_sleep(marks[i]);
    }
    while (count != 4) {
        assert_int_equal(bw_process_tree_round(&all, 0, NULL, 0, &count, NULL), BW_OK);
        (void)usleep(LOOK_US);
    }
    assert_int_equal(bw_process_table_read(NULL, 0, &table, NULL), BW_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(is_listed(table, &tree, children[i]), i == 0);
        assert_int_equal(is_listed(table, &any, children[i]), i < 3);
    }
    bw_process_table_free(table);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(kill(children[i], SIGKILL), 0);
        assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    }
}

/* ---- a process whose first thread has ended (3.2.4) -------------------------------------------- */

#define HEADLESS "headless" /* the argument with which this program becomes one */

static void *sleep_on(void *argument)
{
    (void)sleep((unsigned)atoi(argument));
    _exit(0);
}

static int be_headless(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, sleep_on, (char *)SLEEP_S) != 0)
        return 1;
    pthread_exit(NULL);
}

static pid_t begin_headless(const char *mark)
{
    char *const arguments[] = {(char *)"headless", (char *)HEADLESS, NULL};
    char *const environment[] = {(char *)mark, (char *)"ASAN_OPTIONS=detect_leaks=0", NULL};
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        (void)execve("/proc/self/exe", arguments, environment);
        _exit(127);
    }
    return child;
}

/* /proc calls it a zombie, and shows neither its environment nor its program: it serves all the same. */
static void a_process_whose_first_thread_has_ended_is_found_and_ended(void **state)
{
    const struct bw_process_tree tree = {.mark = BW_PROCESS_MARK "headless"};
    struct bw_process process = {0};
    pid_t pids[MEMBERS_MAX];
    size_t count = 0;
    int status = 0;
    const pid_t child = begin_headless(tree.mark);

    (void)state;
    while (!process.is_headless && waitpid(child, NULL, WNOHANG) == 0) {
        (void)usleep(LOOK_US);
        assert_int_equal(bw_process_read(child, &process, NULL), BW_OK);
    }
    assert_true(process.is_headless);
    assert_false(process.is_dead);

    assert_int_equal(bw_process_tree_round(&tree, SIGKILL, pids, MEMBERS_MAX, &count, NULL), BW_OK);

    assert_int_equal(count, 1);
    assert_int_equal(pids[0], child);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], HEADLESS) == 0)
        return be_headless();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_leads_a_session_is_no_member_because_a_member_is_in_it,
                                        set_up, tear_down),
        cmocka_unit_test(a_child_that_is_executed_between_two_looks_is_of_its_own_tree_alone),
        cmocka_unit_test(a_mark_without_the_key_is_found_by_who_asks_for_any_alone),
        cmocka_unit_test(no_number_of_processes_is_too_many_to_find_one),
        cmocka_unit_test(who_is_no_business_of_a_look_leaves_no_word_in_it),
        cmocka_unit_test(a_process_whose_first_thread_has_ended_is_found_and_ended),
        cmocka_unit_test(a_search_that_hangs_has_seen_nothing),
        cmocka_unit_test_setup_teardown(a_search_without_descriptors_has_seen_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(in_a_session_whose_leader_has_gone_all_are_members, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
