/* enforcer: who is listed is ended by a loop that waits for nobody; units that come up after it was told of them are
 * found by their paths, and whoever hangs there, or in the kernel, holds up nothing else (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../src/enforcer/program.h"

#include "patience.h"

#define WAIT_MS 10000 /* for what must happen, on an idle machine: patience.h */
#define LOOK_US     2000

static char folder[] = "/tmp/bw-finder-XXXXXX";

/* Of what is no cgroup, but has the same files. */
static void path_in(char out[128], const char *unit, const char *file)
{
    (void)snprintf(out, 128, "%s/%s%s%s", folder, unit, file[0] != '\0' ? "/" : "", file);
}

static void tell(uint32_t group, const char *unit, const char *other)
{
    static struct bw_enforcer_message message;
    char path[128];

    message.path_bytes = 0;
    for (int i = 0; i < 2; i++) {
        if ((i == 0 ? unit : other) == NULL)
            continue;
        path_in(path, i == 0 ? unit : other, "");
        memcpy(message.paths + message.path_bytes, path, strlen(path) + 1);
        message.path_bytes += (uint32_t)strlen(path) + 1;
    }
    bw_finder_tell(group, &message);
}

static void come_up(const char *unit)
{
    char path[128];
    int fd;

    path_in(path, unit, "");
    assert_int_equal(mkdir(path, 0700), 0);
    path_in(path, unit, "cgroup.kill");
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static bool is_killed(const char *unit)
{
    char path[128];
    struct stat st;

    path_in(path, unit, "cgroup.kill");
    assert_int_equal(stat(path, &st), 0);
    return st.st_size == 1;
}

static void kill_all_of(uint32_t group)
{
    bw_finder_kill(&group, 1);
}

static void wait_until_done(void)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (!bw_finder_is_done()) {
        if (patience_is_over(&patience))
            patience_fail("the finder is done");
        (void)usleep(LOOK_US);
    }
}

static void what_comes_up_after_it_was_told_is_killed(void **state)
{
    (void)state;
    tell(0, "first", "second");
    tell(1, "other", NULL);
    kill_all_of(0); /* nothing is there */
    wait_until_done();
    come_up("second");
    come_up("other");
    kill_all_of(0);
    wait_until_done();

    assert_true(is_killed("second"));
    assert_false(is_killed("other")); /* nobody has asked for it */
}

static void what_it_was_told_last_counts(void **state)
{
    (void)state;
    come_up("before");
    come_up("after");
    tell(0, "before", NULL);
    tell(0, "after", NULL);
    kill_all_of(0);
    wait_until_done();

    assert_false(is_killed("before"));
    assert_true(is_killed("after"));
}

/* A pipe that nobody reads from stands for a kernel that lets nobody in: the caller goes on, and knows it. */
static void what_hangs_holds_up_nobody_who_asks(void **state)
{
    char path[128];
    int reader;

    (void)state;
    path_in(path, "hangs", "");
    assert_int_equal(mkdir(path, 0700), 0);
    path_in(path, "hangs", "cgroup.kill");
    assert_int_equal(mkfifo(path, 0600), 0);
    tell(0, "hangs", NULL);
    for (int i = 0; i < 3; i++)
        kill_all_of(0);
    (void)usleep(10 * LOOK_US);
    assert_false(bw_finder_is_done());

    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    wait_until_done();
    assert_int_equal(close(reader), 0);
}

/* ---- a cgroup.kill that waits ------------------------------------------------------------------ */

struct pipe_end {
    int from;
    int to;
};

static struct pipe_end empty_pipe(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    return (struct pipe_end){.from = ends[0], .to = ends[1]};
}

static struct pipe_end full_pipe(void)
{
    static const char bytes[4096];
    const struct pipe_end full = empty_pipe();

    while (write(full.to, bytes, sizeof bytes) > 0)
        continue;
    assert_int_equal(fcntl(full.to, F_SETFL, 0), 0);
    return full;
}

/* Instead of those that it has held of this group. */
static void hold_kill_files(uint32_t group, const int *fds, uint32_t count)
{
    static struct bw_enforcer_message message;

    message = (struct bw_enforcer_message){.kind = BW_ENFORCER_MESSAGE_REACH, .means_count = count};
    for (uint32_t i = 0; i < count; i++)
        message.means[i] = BW_ENFORCER_BY_KILL_FILE;
    bw_finder_hold(group, &message, fds);
}

static void drain(struct pipe_end held)
{
    char bytes[4096];

    while (read(held.from, bytes, sizeof bytes) > 0)
        continue;
}

static pid_t begin_child(void)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    while (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)pause();
    }
    return pid;
}

/* A list as the kernel gives it. */
static int list_of(const char *unit, pid_t pid)
{
    char path[128];
    int fd;

    path_in(path, unit, "cgroup.procs");
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(dprintf(fd, "%d\n", (int)pid) > 0);
    return fd;
}

static void assert_killed(pid_t pid)
{
    int status = 0;
    struct patience patience = patience_begin(WAIT_MS);

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (patience_is_over(&patience))
            patience_fail("process %d ends", (int)pid);
        (void)usleep(LOOK_US);
    }
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Whoever changes the tree of cgroups may keep everybody else out of it. */
static void who_is_listed_is_ended_whoever_holds_the_tree_of_cgroups(void **state)
{
    static struct bw_enforcer_message message;
    static struct bw_means means;
    const struct pipe_end held = full_pipe();
    const pid_t child = begin_child();
    const int fds[] = {held.to, list_of("listed", child)};

    (void)state;
    message = (struct bw_enforcer_message){.kind = BW_ENFORCER_MESSAGE_REACH,
                                           .means_count = 2,
                                           .means = {BW_ENFORCER_BY_KILL_FILE, BW_ENFORCER_BY_PROCS}};
    bw_means_replace(&means, &message, fds);
    bw_finder_hold(2, &message, fds);
    bw_means_kill(&means);
    kill_all_of(2);
    assert_killed(child);
    assert_false(bw_finder_is_done());

    drain(held);
    wait_until_done();
    assert_int_equal(close(held.from), 0);
}

static void who_has_come_up_is_ended_whoever_holds_the_tree_of_cgroups(void **state)
{
    const struct pipe_end held = full_pipe();
    const pid_t child = begin_child();

    (void)state;
    hold_kill_files(3, &held.to, 1);
    kill_all_of(3);
    tell(4, "listed", NULL);
    assert_int_equal(close(list_of("listed", child)), 0);
    kill_all_of(4);
    assert_killed(child);
    assert_false(bw_finder_is_done());

    drain(held);
    wait_until_done();
    assert_int_equal(close(held.from), 0);
}

/* Containers, and whoever has a cgroup delegated, live there alone. */
static void who_is_in_a_cgroup_below_is_ended_whoever_holds_the_tree_of_cgroups(void **state)
{
    const struct pipe_end held = full_pipe();
    const pid_t child = begin_child();

    (void)state;
    hold_kill_files(6, &held.to, 1);
    tell(6, "above", NULL);
    assert_int_equal(close(list_of("above/below", child)), 0);
    kill_all_of(6);
    assert_killed(child);
    assert_false(bw_finder_is_done());

    drain(held);
    wait_until_done();
    assert_int_equal(close(held.from), 0);
}

static void wait_until_written_to(int from)
{
    struct pollfd seen = {.fd = from, .events = POLLIN};
    struct patience patience = patience_begin(WAIT_MS);

    while (poll(&seen, 1, 100) != 1)
        if (patience_is_over(&patience))
            patience_fail("the file is written to");
}

/* 3.4: which of them has its deadline first is nobody's place in a table. */
static void of_two_groups_none_comes_twice_while_the_other_waits(void **state)
{
    const struct pipe_end first = empty_pipe();
    const struct pipe_end held = full_pipe();
    const struct pipe_end again = full_pipe();
    const struct pipe_end other = empty_pipe();

    (void)state;
    hold_kill_files(7, (const int[]){first.to, held.to}, 2);
    kill_all_of(7);
    wait_until_written_to(first.from);
    hold_kill_files(7, &again.to, 1);
    hold_kill_files(8, &other.to, 1);
    kill_all_of(7);
    kill_all_of(8);
    drain(held);
    wait_until_written_to(other.from); /* before the first one waits again */

    drain(again);
    wait_until_done();
    assert_int_equal(close(first.from) + close(held.from) + close(again.from) + close(other.from), 0);
}

/* 3.2.4: it ends what was there when its KILL was due, not the stop script or the epoch that comes after. */
static void what_is_called_off_is_not_ended_after_that(void **state)
{
    const struct pipe_end first = empty_pipe();
    const struct pipe_end held = full_pipe();
    const struct pipe_end last = empty_pipe();
    const struct pipe_end queued = empty_pipe();
    char byte;

    (void)state;
    hold_kill_files(9, (const int[]){first.to, held.to, last.to}, 3);
    hold_kill_files(10, &queued.to, 1);
    kill_all_of(9);
    wait_until_written_to(first.from);
    kill_all_of(9);
    kill_all_of(10);
    bw_finder_call_off(9);
    bw_finder_call_off(10);
    drain(held);
    wait_until_done();
    assert_int_equal(read(last.from, &byte, 1), -1);
    assert_int_equal(read(queued.from, &byte, 1), -1);

    kill_all_of(9); /* anew */
    wait_until_written_to(last.from);
    wait_until_done();
    assert_int_equal(close(first.from) + close(held.from) + close(last.from) + close(queued.from), 0);
}

static void wait_until_closed(int fd)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (fcntl(fd, F_GETFD) != -1) {
        if (patience_is_over(&patience))
            patience_fail("descriptor %d is closed", fd);
        (void)usleep(LOOK_US);
    }
}

/* Its number would be another file's, and that one written to. */
static void what_is_written_to_is_closed_after_that(void **state)
{
    const struct pipe_end first = empty_pipe();
    const struct pipe_end held = full_pipe();
    const struct pipe_end next = full_pipe();
    char byte;

    (void)state;
    hold_kill_files(5, (const int[]){first.to, held.to}, 2);
    kill_all_of(5);
    wait_until_written_to(first.from);
    hold_kill_files(5, &next.to, 1);
    assert_true(fcntl(held.to, F_GETFD) >= 0);
    drain(held);
    wait_until_closed(held.to);
    wait_until_done();
    drain(held);
    assert_int_equal(read(held.from, &byte, 1), 0); /* its end */
    assert_int_equal(fcntl(first.to, F_GETFD), -1);

    assert_true(fcntl(next.to, F_GETFD) >= 0);
    hold_kill_files(5, NULL, 0);
    assert_int_equal(fcntl(next.to, F_GETFD), -1); /* nobody writes to it */
    assert_int_equal(close(first.from) + close(held.from) + close(next.from), 0);
}

/* ---- the run --------------------------------------------------------------------------------- */

static int begin(void **state)
{
    static const char *const listed[] = {"listed", "above", "above/below"};
    char path[128];

    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    for (size_t i = 0; i < sizeof listed / sizeof listed[0]; i++) {
        path_in(path, listed[i], "");
        if (mkdir(path, 0700) != 0)
            return -1;
    }
    return bw_finder_start() ? 0 : -1;
}

static int end(void **state)
{
    static const char *const units[] = {"second", "other", "before", "after", "hangs", "listed", "above/below", "above"};

    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        char path[128];

        path_in(path, units[i], "cgroup.kill");
        (void)unlink(path);
        path_in(path, units[i], "cgroup.procs");
        (void)unlink(path);
        path_in(path, units[i], "");
        (void)rmdir(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_up_after_it_was_told_is_killed),
        cmocka_unit_test(what_it_was_told_last_counts),
        cmocka_unit_test(what_hangs_holds_up_nobody_who_asks),
        cmocka_unit_test(who_is_listed_is_ended_whoever_holds_the_tree_of_cgroups),
        cmocka_unit_test(who_has_come_up_is_ended_whoever_holds_the_tree_of_cgroups),
        cmocka_unit_test(who_is_in_a_cgroup_below_is_ended_whoever_holds_the_tree_of_cgroups),
        cmocka_unit_test(of_two_groups_none_comes_twice_while_the_other_waits),
        cmocka_unit_test(what_is_called_off_is_not_ended_after_that),
        cmocka_unit_test(what_is_written_to_is_closed_after_that),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
