/* pki: two runs that write one file, and what one that was killed has left (design 5.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/net/pki.h>

#define TEMPORARY ".w1.pem.new" /* what a run writes w1.pem into first */

static struct {
    char path[64];
    int dir;
    struct bw_diag diag;
} fixture;

static int set_up(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof fixture);
    strcpy(fixture.path, "/tmp/bw-test-pki-XXXXXX");
    assert_non_null(mkdtemp(fixture.path));
    assert_int_equal(bw_pki_init("prod", fixture.path, &fixture.diag), BW_OK);
    fixture.dir = open(fixture.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fixture.dir >= 0);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"ca.key", "ca.pem", "w1.pem", TEMPORARY};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlinkat(fixture.dir, names[i], 0); /* the directory says whether one is left */
    assert_int_equal(close(fixture.dir), 0);
    assert_int_equal(rmdir(fixture.path), 0);
    return 0;
}

static enum bw_err issue(void)
{
    const struct bw_pki_request request = {.dir = fixture.path, .subject = "witness/w1"};
    char path[BW_PKI_PATH_MAX];

    return bw_pki_issue(&request, path, &fixture.diag);
}

static bool is_there(const char *name)
{
    struct stat status;

    return fstatat(fixture.dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A key may be in it, under a name that ls does not show; and in a container the next run has the same number. */
static void what_a_killed_run_has_left_is_replaced(void **state)
{
    const pid_t pid = fork();
    struct stat written;
    int status;

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0}); /* SIGXFSZ as it writes */
        (void)issue();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    assert_true(is_there(TEMPORARY));

    assert_int_equal(issue(), BW_OK);

    assert_false(is_there(TEMPORARY));
    assert_int_equal(fstatat(fixture.dir, "w1.pem", &written, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(written.st_mode & 07777, 0600);
}

/* Somebody else's, or nothing that a run makes: it is not followed, and goes. */
static void a_link_in_its_place_is_replaced(void **state)
{
    (void)state;
    assert_int_equal(symlinkat("ca.key", fixture.dir, TEMPORARY), 0);

    assert_int_equal(issue(), BW_OK);

    assert_false(is_there(TEMPORARY));
    assert_true(is_there("ca.key"));
}

/* Whoever may read the directory could hold that lock, and with it each renewal for as long. */
static void a_lock_of_the_directory_is_in_nobodys_way(void **state)
{
    (void)state;
    assert_int_equal(flock(fixture.dir, LOCK_EX | LOCK_NB), 0);
    (void)alarm(20); /* rather than to wait for ever */

    assert_int_equal(issue(), BW_OK);

    (void)alarm(0);
}

/* A run that is stopped (^Z) may go on: taken from it, what another has written would get its name. */
static void what_another_run_writes_is_left_to_it(void **state)
{
    const int fd = openat(fixture.dir, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    (void)alarm(20);

    assert_int_equal(issue(), BW_ERR_BUSY);

    assert_non_null(strstr(fixture.diag.text, "another run of pki is writing " TEMPORARY));
    assert_true(is_there(TEMPORARY));
    assert_false(is_there("w1.pem"));
    assert_int_equal(close(fd), 0);
    assert_int_equal(issue(), BW_OK);
    (void)alarm(0);
}

#define with_ca(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_ca(what_a_killed_run_has_left_is_replaced),
        with_ca(a_link_in_its_place_is_replaced),
        with_ca(a_lock_of_the_directory_is_in_nobodys_way),
        with_ca(what_another_run_writes_is_left_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
