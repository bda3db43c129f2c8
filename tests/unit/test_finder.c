/* enforcer: units that come up after it was told of them are found by their paths, and whoever hangs there holds up
 * nothing else (3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../src/enforcer/program.h"

#define PATIENCE_US 10000000
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
    for (int waited_us = 0; !bw_finder_is_done(); waited_us += LOOK_US) {
        assert_true(waited_us < PATIENCE_US);
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

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL && bw_finder_start() ? 0 : -1;
}

static int end(void **state)
{
    static const char *const units[] = {"second", "other", "before", "after", "hangs"};

    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        char path[128];

        path_in(path, units[i], "cgroup.kill");
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
    };

    return cmocka_run_group_tests(tests, begin, end);
}
