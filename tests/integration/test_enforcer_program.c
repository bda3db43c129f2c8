/* enforcer: what it was told before its guard died counts, however it died; and what was seen to be over is left
 * alone (3.4, 3.2.4). A real one, told what a guard would tell it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/enforcer/enforcer.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

#include "patience.h"

#define ALARM_S    60 /* ends a test that hangs */
#define WAIT_MS    20000 /* for what must happen, on an idle machine: patience.h */
#define FENCE_MS   600
#define LEASE_MS   5000 /* in which the second frame is sent, on a slow machine too */
#define LOOK_US    5000
#define POLLED_MAX 7 /* its guard, its listener, its timer, four that come after */

static pid_t enforcer;
static int to_enforcer = -1; /* the guard's end */
static pid_t child;          /* what the group serves by */
static struct sockaddr_un its_address;
static socklen_t its_address_bytes;

static void be_enforcer(int its_end, int listener)
{
    char program[512];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    if (dup2(its_end, BW_ENFORCER_FD_GUARD) >= 0 && dup2(listener, BW_ENFORCER_FD_LISTENER) >= 0)
        (void)execl(program, "breakwater", "enforcer", "test", (char *)NULL);
    _exit(127);
}

/* Where the kernel likes: no path is needed. */
static int listen_somewhere(void)
{
    const struct sockaddr_un anywhere = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&anywhere, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(fd, 1), 0);
    its_address_bytes = sizeof its_address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&its_address, &its_address_bytes), 0);
    return fd;
}

/* Before there is a socket, of which it had a copy. */
static void begin_child(void)
{
    child = fork();
    assert_true(child >= 0);
    while (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)pause();
    }
}

static int begin(void **state)
{
    const int listener = listen_somewhere();
    int ends[2];

    (void)state;
    begin_child();
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    enforcer = fork();
    assert_true(enforcer >= 0);
    if (enforcer == 0)
        be_enforcer(fcntl(ends[1], F_DUPFD, 10), fcntl(listener, F_DUPFD, 10));
    assert_int_equal(close(ends[1]) + close(listener), 0);
    to_enforcer = ends[0];
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (to_enforcer >= 0)
        (void)close(to_enforcer); /* it has ended, or ends by it */
    to_enforcer = -1;
    (void)kill(enforcer, SIGKILL);
    (void)waitpid(enforcer, NULL, 0);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return 0;
}

/* ---- as a guard ------------------------------------------------------------------------------ */

static struct bw_enforcer_message message_of(enum bw_enforcer_message_kind kind, struct bw_instant end)
{
    struct bw_enforcer_message message = {.kind = kind, .number = 1, .order_count = 1};

    message.orders[0] = (struct bw_enforcer_order){
        .group = "g", .epoch = 1, .end = end, .fence_ns = FENCE_MS * BW_NS_PER_MS};
    return message;
}

/* `fd`: -1: none. */
static void send_with(const struct bw_enforcer_message *message, int fd)
{
    static uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    const size_t size = bw_enforcer_message_encode(message, frame);
    struct iovec part = {frame, size};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0) {
        head.msg_control = control.bytes;
        head.msg_controllen = sizeof control.bytes;
        *CMSG_FIRSTHDR(&head) = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&head)), &fd, sizeof fd);
    }
    assert_int_equal(sendmsg(to_enforcer, &head, MSG_NOSIGNAL), (ssize_t)size);
}

static void tell_child(void)
{
    struct bw_enforcer_message reach = message_of(BW_ENFORCER_MESSAGE_REACH, (struct bw_instant){0});
    const int pidfd = (int)syscall(SYS_pidfd_open, child, 0);

    assert_true(pidfd >= 0);
    reach.means_count = 1;
    reach.means[0] = BW_ENFORCER_BY_PIDFD;
    send_with(&reach, pidfd);
    assert_int_equal(close(pidfd), 0);
}

static void tell(enum bw_enforcer_message_kind kind, struct bw_instant deadline)
{
    const struct bw_enforcer_message message = message_of(kind, deadline);

    send_with(&message, -1);
}

/* TAKEN, of all that was sent. */
static void wait_until_taken(void)
{
    static uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    struct bw_enforcer_message answer;
    ssize_t got;

    (void)alarm(ALARM_S);
    got = recv(to_enforcer, frame, sizeof frame, 0);
    (void)alarm(0);
    assert_true(got > 0);
    assert_int_equal(bw_enforcer_message_decode(frame, (size_t)got, &answer), BW_OK);
    assert_int_equal(answer.kind, BW_ENFORCER_MESSAGE_TAKEN);
    assert_int_equal(answer.order_count, 0);
}

static struct bw_instant deadline_in(uint64_t ms)
{
    return bw_instant_add(bw_clock_now(), ms * BW_NS_PER_MS);
}

static void wait_until_ended(pid_t pid, int *out_status)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (waitpid(pid, out_status, WNOHANG) == 0) {
        if (patience_is_over(&patience))
            patience_fail("process %d ends", (int)pid);
        (void)usleep(LOOK_US);
    }
}

/* ---- claims ---------------------------------------------------------------------------------- */

/* An answer that nobody read makes the kernel say of the connection that it was reset, before it gives what came
 * first. */
static void what_was_said_before_its_guard_died_is_heard(void **state)
{
    int status;
    char byte;

    (void)state;
    tell(BW_ENFORCER_MESSAGE_DEADLINES, deadline_in(LEASE_MS));
    assert_int_equal(recv(to_enforcer, &byte, 1, MSG_PEEK), 1); /* its answer stays unread */
    assert_int_equal(kill(enforcer, SIGSTOP), 0);
    tell_child();
    assert_int_equal(close(to_enforcer), 0);
    to_enforcer = -1;
    assert_int_equal(kill(enforcer, SIGCONT), 0);

    wait_until_ended(child, &status);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    wait_until_ended(enforcer, &status);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void what_is_over_is_not_ended_and_keeps_nobody(void **state)
{
    int status;

    (void)state;
    tell_child();
    tell(BW_ENFORCER_MESSAGE_DEADLINES, deadline_in(60 * LEASE_MS));
    wait_until_taken();
    tell(BW_ENFORCER_MESSAGE_OVER, (struct bw_instant){0});
    assert_int_equal(close(to_enforcer), 0);
    to_enforcer = -1;

    wait_until_ended(enforcer, &status);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* it lives */
}

static int connect_as_successor(void)
{
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&its_address, its_address_bytes), 0);
    return fd;
}

static uint64_t used_ms(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &used), 0);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static void limit_files(rlim_t count, struct rlimit *before)
{
    const struct rlimit few = {.rlim_cur = count, .rlim_max = before->rlim_max};

    assert_int_equal(prlimit(enforcer, RLIMIT_NOFILE, &few, before), 0);
}

/* All below are open. No poll takes more than a process may have open, so these have to be some. */
static rlim_t lowest_free(void)
{
    char path[64];
    rlim_t fd = 0;

    do
        (void)snprintf(path, sizeof path, "/proc/%ld/fd/%lu", (long)enforcer, (unsigned long)fd++);
    while (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
    assert_in_range(fd - 1, POLLED_MAX, 1024);
    return fd - 1;
}

static void expect_kept(int fd)
{
    static uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    const struct bw_enforcer_message relieve = {.kind = BW_ENFORCER_MESSAGE_RELIEVE};
    struct bw_enforcer_message answer;
    const size_t size = bw_enforcer_message_encode(&relieve, frame);
    ssize_t got;

    assert_int_equal(send(fd, frame, size, MSG_NOSIGNAL), (ssize_t)size);
    (void)alarm(ALARM_S);
    got = recv(fd, frame, sizeof frame, 0);
    (void)alarm(0);
    assert_true(got > 0);
    assert_int_equal(bw_enforcer_message_decode(frame, (size_t)got, &answer), BW_OK);
    assert_int_equal(answer.kind, BW_ENFORCER_MESSAGE_KEPT);
}

/* It runs before everything ordinary: a turn that cannot get anywhere would take a core from all of that. */
static void without_a_free_descriptor_it_waits_keeps_the_deadline_and_hears_later(void **state)
{
    struct rlimit before = {.rlim_max = RLIM_INFINITY};
    uint64_t before_ms;
    int status;
    int fd;

    (void)state;
    tell_child();
    tell(BW_ENFORCER_MESSAGE_DEADLINES, deadline_in(LEASE_MS));
    wait_until_taken();
    assert_int_equal(prlimit(enforcer, RLIMIT_NOFILE, NULL, &before), 0); /* its most stays */
    limit_files(lowest_free(), &before);
    before_ms = used_ms(enforcer);
    fd = connect_as_successor();

    wait_until_ended(child, &status);

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_in_range(used_ms(enforcer) - before_ms, 0, LEASE_MS / 4);
    limit_files(before.rlim_cur, &before);
    expect_kept(fd);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_said_before_its_guard_died_is_heard, begin, end),
        cmocka_unit_test_setup_teardown(
            without_a_free_descriptor_it_waits_keeps_the_deadline_and_hears_later, begin, end),
        cmocka_unit_test_setup_teardown(what_is_over_is_not_ended_and_keeps_nobody, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
