/* unix_socket: of several that begin to listen at one path at once one does, whoever is interrupted where, and the
 * others say who has it (design 3.4). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/os/state_dir.h>
#include <breakwater/sys/unix_socket.h>

#define ROUNDS 200

/* Where the other process stands still until it is told to go on. */
enum stop { NOWHERE, BEFORE_LISTEN, BEFORE_UNLINK, BEFORE_FLOCK };

struct fixture {
    char dir[64];
    char path[80];
    char lock[128];
};

/* Another daemon: a process of its own. */
struct other {
    pid_t pid;
    int tells; /* 's': it stands still; else how it went: 'o' it listens, 'b' busy, 'e' else */
    int hears; /* a byte: go on; its end: end */
};

/* ---- of the other process ----------------------------------------------------------------------- */

static enum stop stands_still;
static int its_tells = -1;
static int its_hears = -1;

static void tell(char word)
{
    if (write(its_tells, &word, 1) != 1)
        _exit(1);
}

static void stand_still(enum stop where)
{
    char byte;

    if (stands_still != where)
        return;
    stands_still = NOWHERE; /* once */
    tell('s');
    if (read(its_hears, &byte, 1) != 1)
        _exit(1);
}

/* In the place of the C library's, for the whole of this program. */
int listen(int fd, int backlog)
{
    stand_still(BEFORE_LISTEN);
    return (int)syscall(SYS_listen, fd, backlog);
}

int flock(int fd, int operation)
{
    stand_still(BEFORE_FLOCK);
    return (int)syscall(SYS_flock, fd, operation);
}

int unlink(const char *path)
{
    stand_still(BEFORE_UNLINK);
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

__attribute__((noreturn)) static void be_other(const struct fixture *f, enum stop stop, bool waits)
{
    struct bw_unix_bound bound;
    enum bw_err err;
    char byte;

    if (waits && read(its_hears, &byte, 1) != 1)
        _exit(1);
    stands_still = stop;
    err = bw_unix_bind(f->path, &bound, NULL);
    stands_still = NOWHERE;
    tell(err == BW_OK ? 'o' : err == BW_ERR_BUSY ? 'b' : 'e');
    (void)!read(its_hears, &byte, 1); /* it lives on until it is ended */
    _exit(0);
}

static struct other begin_other(const struct fixture *f, enum stop stop, bool waits)
{
    struct other other;
    int to_us[2], to_it[2];

    assert_int_equal(pipe2(to_us, O_CLOEXEC), 0);
    assert_int_equal(pipe2(to_it, O_CLOEXEC), 0);
    other = (struct other){.pid = fork(), .tells = to_us[0], .hears = to_it[1]};
    assert_true(other.pid >= 0);
    if (other.pid == 0) {
        (void)close(to_us[0]);
        (void)close(to_it[1]);
        its_tells = to_us[1];
        its_hears = to_it[0];
        be_other(f, stop, waits);
    }
    assert_int_equal(close(to_us[1]), 0);
    assert_int_equal(close(to_it[0]), 0);
    return other;
}

static char hear(const struct other *other)
{
    char word = 0;

    assert_int_equal(read(other->tells, &word, 1), 1);
    return word;
}

static void go_on(const struct other *other)
{
    assert_int_equal(write(other->hears, "g", 1), 1);
}

static void end_other(const struct other *other, int signal)
{
    assert_int_equal(kill(other->pid, signal), 0);
    assert_int_equal(waitpid(other->pid, NULL, 0), other->pid);
    assert_int_equal(close(other->tells), 0);
    assert_int_equal(close(other->hears), 0);
}

/* ---- set up ------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof f);
    (void)strcpy(f.dir, "/tmp/bw-race-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof f.path, "%s/s", f.dir);
    (void)snprintf(f.lock, sizeof f.lock, "%s" BW_PATH_LOCK_SUFFIX, f.path);
    *state = &f;
    return 0;
}

/* Nothing but the socket is left, and that only of one that was killed. */
static int tear_down(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->path);
    return rmdir(f->dir);
}

static int bind_raw(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", f->path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void leave_an_abandoned_socket(const struct fixture *f)
{
    assert_int_equal(close(bind_raw(f)), 0); /* like a process that was killed */
}

/* Whose process listens there. */
static pid_t who_answers(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct ucred peer;
    socklen_t size = sizeof peer;

    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", f->path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
    assert_int_equal(close(fd), 0);
    return peer.pid;
}

static void assert_names(const struct bw_diag *diag, const struct other *other)
{
    char pid[24];

    (void)snprintf(pid, sizeof pid, "%ld", (long)other->pid);
    if (strstr(diag->text, pid) == NULL)
        fail_msg("process %s is not named: %s", pid, diag->text);
}

/* ---- claims ------------------------------------------------------------------------------------- */

/* One that is bound refuses until it listens, like one that was abandoned. */
static void one_that_does_not_listen_yet_is_not_taken_for_abandoned(void **state)
{
    struct fixture *f = *state;
    struct other other = begin_other(f, BEFORE_LISTEN, false);
    struct bw_unix_bound bound;
    struct bw_diag diag = {0};

    assert_int_equal(hear(&other), 's');
    assert_int_equal(bw_unix_bind(f->path, &bound, &diag), BW_ERR_BUSY);
    assert_names(&diag, &other);
    go_on(&other);
    assert_int_equal(hear(&other), 'o');
    assert_int_equal(who_answers(f), other.pid);
    end_other(&other, SIGKILL);
}

/* It was abandoned when it was looked at, and another one listens there by the time it is to be removed. */
static void what_was_abandoned_is_removed_by_one_alone(void **state)
{
    struct fixture *f = *state;
    struct bw_unix_bound bound;
    struct bw_diag diag = {0};
    struct other other;

    leave_an_abandoned_socket(f);
    other = begin_other(f, BEFORE_UNLINK, false);
    assert_int_equal(hear(&other), 's');
    assert_int_equal(bw_unix_bind(f->path, &bound, &diag), BW_ERR_BUSY);
    assert_names(&diag, &other);
    go_on(&other);
    assert_int_equal(hear(&other), 'o');
    assert_int_equal(who_answers(f), other.pid);
    end_other(&other, SIGKILL);
}

static void who_listens_is_named(void **state)
{
    struct fixture *f = *state;
    struct other other = begin_other(f, NOWHERE, false);
    struct bw_unix_bound bound;
    struct bw_diag diag = {0};

    assert_int_equal(hear(&other), 'o');
    assert_int_equal(bw_unix_bind(f->path, &bound, &diag), BW_ERR_BUSY);
    assert_names(&diag, &other);
    assert_int_equal(access(f->lock, F_OK), -1);
    end_other(&other, SIGKILL);
}

/* What it leaves is used up by the next. */
static void one_that_was_killed_half_way_is_in_nobodys_way(void **state)
{
    struct fixture *f = *state;
    struct other other = begin_other(f, BEFORE_LISTEN, false);
    struct bw_unix_bound bound;

    assert_int_equal(hear(&other), 's');
    end_other(&other, SIGKILL);
    assert_int_equal(access(f->lock, F_OK), 0);
    assert_int_equal(access(f->path, F_OK), 0);

    assert_int_equal(bw_unix_bind(f->path, &bound, NULL), BW_OK);
    assert_int_equal(who_answers(f), getpid());
    assert_int_equal(access(f->lock, F_OK), -1);
    bw_unix_unbind(f->path, &bound);
}

/* Who had it has removed it meanwhile, and a third one has locked another file of its name. */
static void a_lock_that_has_lost_its_name_is_none(void **state)
{
    struct fixture *f = *state;
    struct other late = begin_other(f, BEFORE_FLOCK, false);
    struct bw_unix_bound bound;
    struct other third;

    assert_int_equal(hear(&late), 's');
    assert_int_equal(bw_unix_bind(f->path, &bound, NULL), BW_OK);
    bw_unix_unbind(f->path, &bound);
    third = begin_other(f, BEFORE_LISTEN, false);
    assert_int_equal(hear(&third), 's');
    go_on(&late);
    assert_int_equal(hear(&late), 'b');
    go_on(&third);
    assert_int_equal(hear(&third), 'o');
    assert_int_equal(who_answers(f), third.pid);
    end_other(&late, SIGKILL);
    end_other(&third, SIGKILL);
}

static void of_two_at_once_one_listens_each_time(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < ROUNDS; round++) {
        struct other others[2];
        char words[2];
        int first;

        if (round % 2 == 0 && access(f->path, F_OK) != 0)
            leave_an_abandoned_socket(f);
        for (int i = 0; i < 2; i++)
            others[i] = begin_other(f, NOWHERE, true);
        for (int i = 0; i < 2; i++)
            go_on(&others[i]);
        for (int i = 0; i < 2; i++)
            words[i] = hear(&others[i]);
        first = words[0] == 'o' ? 0 : 1;
        assert_int_equal(words[first], 'o');
        assert_int_equal(words[1 - first], 'b');
        assert_int_equal(who_answers(f), others[first].pid);
        for (int i = 0; i < 2; i++)
            end_other(&others[i], SIGKILL);
        if (round % 4 == 3)
            assert_int_equal(unlink(f->path), 0); /* so that some begin without any */
    }
}

static void what_has_the_locks_name_and_is_none_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct bw_unix_bound bound;
    struct bw_diag diag = {0};

    assert_int_equal(mkfifo(f->lock, 0600), 0);
    assert_int_equal(bw_unix_bind(f->path, &bound, &diag), BW_ERR_EXISTS);
    assert_non_null(strstr(diag.text, f->lock));
    assert_int_equal(unlink(f->lock), 0); /* it is there */
    assert_int_equal(symlink(f->path, f->lock), 0);
    assert_int_not_equal(bw_unix_bind(f->path, &bound, &diag), BW_OK);
    assert_int_equal(access(f->path, F_OK), -1); /* nothing was made through it */
    assert_int_equal(unlink(f->lock), 0);
}

/* The longest that a socket may have. */
static void a_path_of_full_length_is_locked_like_any_other(void **state)
{
    struct fixture *f = *state;
    char path[108];
    struct bw_unix_bound bound;

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    memcpy(path, f->dir, strlen(f->dir));
    path[strlen(f->dir)] = '/';
    assert_int_equal(bw_unix_bind(path, &bound, NULL), BW_OK);
    bw_unix_unbind(path, &bound);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_does_not_listen_yet_is_not_taken_for_abandoned),
        TEST(what_was_abandoned_is_removed_by_one_alone),
        TEST(who_listens_is_named),
        TEST(one_that_was_killed_half_way_is_in_nobodys_way),
        TEST(a_lock_that_has_lost_its_name_is_none),
        TEST(of_two_at_once_one_listens_each_time),
        TEST(what_has_the_locks_name_and_is_none_is_left_alone),
        TEST(a_path_of_full_length_is_locked_like_any_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
