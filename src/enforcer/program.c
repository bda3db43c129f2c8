/* The life of an enforcer: what it prepares while it may still wait, and its loop. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <breakwater/enforcer/enforcer.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/own_process.h>

#define SUCCESSORS_MAX  4
#define WAIT_NS_MIN     (BW_NS_PER_MS / 20)
#define WAIT_NS_MAX     (3600 * BW_NS_PER_S)
#define PRIORITY        2 /* of SCHED_FIFO: before everything ordinary, behind the kernel's own */
#define END_LOOK_NS     (5 * BW_NS_PER_MS) /* between looks whether the finder is done */
#define ACCEPT_AGAIN_NS (100 * BW_NS_PER_MS) /* where no descriptor was free: a guard waits for a second */
#define FRAMES_PER_TURN 16 /* then the clock is looked at again */
#define FDS_ROOM        (16 * BW_ENFORCER_GROUPS_MAX) /* a group has two lists and two files, and those of its units */

static struct {
    struct bw_enforcer machine;
    struct bw_means means[BW_ENFORCER_GROUPS_MAX];
    int guard;    /* -1: gone */
    int listener;
    struct bw_instant deaf_until; /* nobody is accepted before; 0: somebody may be */
    int timer;
    int journal;  /* a socket that takes lines without waiting; -1: none */
    int successors[SUCCESSORS_MAX]; /* -1: free */
} self;

/* ---- preparing ------------------------------------------------------------------------------- */

static bool is_socket(int fd, int want_listening)
{
    int type = 0;
    int is_listening = -1;
    socklen_t size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) == 0 &&
           is_listening == want_listening;
}

/* Of what a guard writes its log to only a socket takes a line without waiting for a disk. */
static int take_journal(void)
{
    struct stat st;

    if (fstat(2, &st) != 0 || !S_ISSOCK(st.st_mode))
        return -1;
    return fcntl(2, F_DUPFD_CLOEXEC, 5);
}

static void close_others(void)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    self.journal = take_journal();
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        (void)dup2(null, fd); /* who reads from a guard's output must not wait for its enforcer */
    if (self.journal > 5)
        self.journal = dup3(self.journal, 5, O_CLOEXEC);
    (void)syscall(SYS_close_range, self.journal == 5 ? 6 : 5, ~0U, 0); /* before 5.9: they stay */
}

/* It is ended by what it knows, or by KILL: never by what somebody sends to a whole group of processes,
 * or types at a terminal. */
static void ignore_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        if (number != SIGSEGV && number != SIGBUS && number != SIGILL && number != SIGFPE &&
            number != SIGABRT && number != SIGCHLD)
            (void)signal(number, SIG_IGN); /* KILL, STOP and libc's own refuse */
}

/* A table of descriptors that grows once there are threads lets all of them wait for the kernel (a grace period of RCU):
 * it has grown before, as far as it may. */
static void make_room_for_fds(rlim_t most)
{
    const int last = (int)(most < FDS_ROOM ? most : FDS_ROOM) - 1;
    const int fd = fcntl(BW_ENFORCER_FD_GUARD, F_DUPFD_CLOEXEC, last);

    if (fd >= 0)
        (void)close(fd); /* the guard's end is open as before */
}

/* Each of these helps where it is allowed, and nothing rests on one of them alone. The thread has what was set before
 * it began, and its stack is locked after that. False: it cannot be made. */
static bool harden(void)
{
    const struct sched_param priority = {.sched_priority = PRIORITY};
    struct rlimit files;
    bool can_find;

    (void)setsid(); /* no terminal, no group of anybody else */
    (void)chdir("/");
    (void)prctl(PR_SET_NAME, "bw-enforcer");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
        make_room_for_fds(files.rlim_cur);
    }
    if (geteuid() == 0)
        (void)!bw_oom_protect(NULL);
    (void)sched_setscheduler(0, SCHED_FIFO, &priority);
    can_find = bw_finder_start();
    (void)mlockall(MCL_CURRENT | MCL_FUTURE);
    return can_find;
}

static bool prepare(void)
{
    if (!is_socket(BW_ENFORCER_FD_GUARD, 0) || !is_socket(BW_ENFORCER_FD_LISTENER, 1))
        return false;
    bw_enforcer_init(&self.machine);
    self.guard = BW_ENFORCER_FD_GUARD;
    self.listener = BW_ENFORCER_FD_LISTENER;
    for (int i = 0; i < SUCCESSORS_MAX; i++)
        self.successors[i] = -1;
    close_others();
    ignore_signals();
    self.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self.timer < 0)
        return false;
    return harden();
}

/* ---- saying ---------------------------------------------------------------------------------- */

/* A listener that does not read is told nothing: a guard takes a missing answer for a no, and tells once more what
 * the answers that are missing before another were to. */
static void say(int fd, const struct bw_enforcer_message *message)
{
    static uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX]; /* one thread */
    const size_t size = bw_enforcer_message_encode(message, frame);

    (void)!send(fd, frame, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void note(const char *group, uint64_t epoch)
{
    char line[256];
    int length;

    if (self.journal < 0)
        return;
    length = snprintf(line, sizeof line,
                      "<4>warn enforcer reach.signaled group=%s epoch=%llu signal=KILL "
                      "by=enforcer guard=gone\n",
                      group, (unsigned long long)epoch);
    (void)!send(self.journal, line, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ---- the deadline ---------------------------------------------------------------------------- */

static void tell_killed(const uint32_t *groups, uint32_t count)
{
    static struct bw_enforcer_message message; /* one thread */

    message.kind = BW_ENFORCER_MESSAGE_KILLED;
    for (uint32_t i = 0; i < count; i += message.order_count) {
        message.order_count = count - i < BW_ENFORCER_ORDERS_MAX ? count - i
                                                                 : BW_ENFORCER_ORDERS_MAX;
        for (uint32_t n = 0; n < message.order_count; n++) {
            message.orders[n] = self.machine.groups[groups[i + n]].order;
            if (self.guard < 0)
                note(message.orders[n].group, message.orders[n].epoch);
        }
        if (self.guard >= 0)
            say(self.guard, &message);
    }
}

/* Everybody who is known is killed before anybody is looked for, or told; nothing here waits (3.4). */
static struct bw_instant enforce(void)
{
    static uint32_t due[BW_ENFORCER_GROUPS_MAX]; /* one thread */
    struct bw_instant wake_at;
    const uint32_t count = bw_enforcer_due(&self.machine, bw_clock_now(), due, &wake_at);

    for (uint32_t i = 0; i < count; i++)
        bw_means_kill(&self.means[due[i]]);
    if (count == 0)
        return wake_at;
    bw_finder_kill(due, count);
    tell_killed(due, count);
    return wake_at;
}

/* Sooner than the nearer of the two clocks says, again and again, as every deadline here (design 1). */
static void set_timer(struct bw_instant wake_at)
{
    struct itimerspec spec = {{0, 0}, {0, 0}};
    uint64_t left_ns = bw_instant_left_ns(bw_clock_now(), wake_at);

    if (!bw_instant_is_never(wake_at)) {
        left_ns -= left_ns / 8;
        left_ns = left_ns < WAIT_NS_MIN ? WAIT_NS_MIN : left_ns;
        left_ns = left_ns > WAIT_NS_MAX ? WAIT_NS_MAX : left_ns;
        spec.it_value.tv_sec = (time_t)(left_ns / BW_NS_PER_S);
        spec.it_value.tv_nsec = (long)(left_ns % BW_NS_PER_S);
    }
    (void)timerfd_settime(self.timer, 0, &spec, NULL); /* its arguments are right */
}

/* ---- hearing --------------------------------------------------------------------------------- */

struct received {
    struct bw_enforcer_message message;
    int fds[BW_ENFORCER_MEANS_MAX];
    uint32_t fd_count;
};

static void take_fds(struct msghdr *head, struct received *out)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(head); part != NULL; part = CMSG_NXTHDR(head, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        out->fd_count = (uint32_t)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(out->fds, CMSG_DATA(part), out->fd_count * sizeof(int));
    }
}

enum outcome { RECEIVED, NOTHING, GONE };

static enum outcome hear(int fd, struct received *out)
{
    static uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX + 1]; /* one thread; more is no frame */
    static union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(BW_ENFORCER_MEANS_MAX * sizeof(int))];
    } control;
    struct iovec part = {frame, sizeof frame};
    struct msghdr head = {.msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got < 0 && errno == ECONNRESET) /* it has ended without reading our answers; what it said is still there */
        got = recvmsg(fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return NOTHING;
    if (got <= 0)
        return GONE;
    out->fd_count = 0;
    take_fds(&head, out);
    if (bw_enforcer_message_decode(frame, (size_t)got, &out->message) == BW_OK)
        return RECEIVED;
    for (uint32_t i = 0; i < out->fd_count; i++)
        (void)close(out->fds[i]);
    return GONE; /* whoever speaks like that is nobody to listen to */
}

static void drop_fds(const struct received *received)
{
    for (uint32_t i = 0; i < received->fd_count; i++)
        (void)close(received->fds[i]);
}

/* Of what is over by somebody's word. What is there by the time that the finder comes to it may be another epoch's. */
static void call_off(void)
{
    if (bw_finder_is_done())
        return;
    for (uint32_t i = 0; i < self.machine.group_count; i++)
        if (!bw_enforcer_is_ending(&self.machine.groups[i]))
            bw_finder_call_off(i);
}

/* ---- the guard ------------------------------------------------------------------------------- */

static void take_deadlines(const struct received *received)
{
    static struct bw_enforcer_message answer; /* one thread */
    const struct bw_instant now = bw_clock_now();

    answer.kind = BW_ENFORCER_MESSAGE_TAKEN;
    answer.number = received->message.number;
    answer.order_count = 0;
    for (uint32_t i = 0; i < received->message.order_count; i++)
        if (bw_enforcer_arm(&self.machine, &received->message.orders[i], now) != BW_OK)
            answer.orders[answer.order_count++] = received->message.orders[i];
    say(self.guard, &answer);
}

/* With less than was sent (no descriptor was free) those of before are the better ones. */
static void take_reach(const struct received *received)
{
    const char *group = received->message.orders[0].group;
    const bool is_whole = received->fd_count == received->message.means_count;
    uint32_t enforced;

    if (received->message.order_count == 1 && is_whole &&
        bw_enforcer_add(&self.machine, group, &enforced) == BW_OK) {
        bw_means_replace(&self.means[enforced], &received->message, received->fds);
        bw_finder_hold(enforced, &received->message, received->fds);
    } else {
        drop_fds(received);
    }
    if (received->message.order_count == 1) /* its guard hears it with the next deadline */
        bw_enforcer_note_means(&self.machine, group, is_whole);
}

static void take_paths(const struct received *received)
{
    uint32_t enforced;

    if (bw_enforcer_add(&self.machine, received->message.orders[0].group, &enforced) == BW_OK)
        bw_finder_tell(enforced, &received->message);
}

static void obey_guard(const struct received *received)
{
    switch (received->message.kind) {
    case BW_ENFORCER_MESSAGE_DEADLINES:
        take_deadlines(received);
        break;
    case BW_ENFORCER_MESSAGE_OVER:
        for (uint32_t i = 0; i < received->message.order_count; i++)
            bw_enforcer_disarm(&self.machine, received->message.orders[i].group,
                               received->message.orders[i].epoch);
        break;
    case BW_ENFORCER_MESSAGE_REACH:
        take_reach(received);
        return;
    case BW_ENFORCER_MESSAGE_PATHS:
        take_paths(received);
        break;
    case BW_ENFORCER_MESSAGE_TAKEN:
    case BW_ENFORCER_MESSAGE_KILLED:
    case BW_ENFORCER_MESSAGE_SUCCEED:
    case BW_ENFORCER_MESSAGE_RELIEVE:
    case BW_ENFORCER_MESSAGE_KEPT:
    case BW_ENFORCER_MESSAGE_COUNT:
        break; /* not a guard's to say */
    }
    drop_fds(received);
}

static void hear_guard(void)
{
    static struct received received; /* one thread */

    for (int i = 0; i < FRAMES_PER_TURN && self.guard >= 0; i++) {
        switch (hear(self.guard, &received)) {
        case RECEIVED:
            obey_guard(&received);
            call_off();
            break;
        case NOTHING:
            return;
        case GONE:
            (void)close(self.guard); /* it is only read from any more */
            self.guard = -1;
            bw_enforcer_on_guard_gone(&self.machine);
            break;
        }
    }
}

/* ---- successors ------------------------------------------------------------------------------ */

static void tell_kept(int fd)
{
    static struct bw_enforcer_message answer; /* one thread */

    answer.kind = BW_ENFORCER_MESSAGE_KEPT;
    answer.number = bw_enforcer_held_count(&self.machine);
    answer.order_count = 0;
    for (uint32_t i = 0; i < self.machine.group_count; i++) {
        const struct bw_enforced *enforced = &self.machine.groups[i];

        if ((enforced->state == BW_ENFORCER_ARMED || enforced->state == BW_ENFORCER_KILLING) &&
            answer.order_count < BW_ENFORCER_ORDERS_MAX)
            answer.orders[answer.order_count++] = enforced->order;
    }
    say(fd, &answer);
}

/* While our own guard lives nobody else is its successor. */
static void obey_successor(int fd, const struct received *received)
{
    if (received->message.kind == BW_ENFORCER_MESSAGE_SUCCEED && self.machine.is_guard_gone)
        for (uint32_t i = 0; i < received->message.order_count; i++)
            (void)bw_enforcer_hand_over(&self.machine, received->message.orders[i].group,
                                        received->message.orders[i].epoch);
    else if (received->message.kind == BW_ENFORCER_MESSAGE_RELIEVE)
        tell_kept(fd);
    drop_fds(received);
}

static void hear_successor(int *fd)
{
    static struct received received; /* one thread */

    for (int i = 0; i < FRAMES_PER_TURN && *fd >= 0; i++) {
        switch (hear(*fd, &received)) {
        case RECEIVED:
            obey_successor(*fd, &received);
            call_off();
            break;
        case NOTHING:
            return;
        case GONE:
            (void)close(*fd); /* what was said was said */
            *fd = -1;
            break;
        }
    }
}

static void accept_successor(void)
{
    struct ucred who;
    socklen_t size = sizeof who;
    const int fd = accept4(self.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) { /* asked again at once it would fail at once, at real-time priority, for ever */
        self.deaf_until = bw_instant_add(bw_clock_now(), ACCEPT_AGAIN_NS);
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.uid == geteuid()) {
        for (int i = 0; i < SUCCESSORS_MAX; i++) {
            if (self.successors[i] >= 0)
                continue;
            self.successors[i] = fd;
            return;
        }
    }
    (void)close(fd); /* a stranger, or one too many: it comes again */
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* When it wants to wake by itself: no later than it hears again who comes. */
static struct bw_instant or_hear_again(struct bw_instant wake_at)
{
    if (self.deaf_until.boot_ns == 0)
        return wake_at;
    if (bw_instant_left_ns(bw_clock_now(), self.deaf_until) == 0) {
        self.deaf_until = (struct bw_instant){0};
        return wake_at;
    }
    return bw_instant_min(wake_at, self.deaf_until);
}

static void wait_and_hear(void)
{
    struct pollfd fds[3 + SUCCESSORS_MAX] = {
        {.fd = self.timer, .events = POLLIN},
        {.fd = self.guard, .events = POLLIN},
        {.fd = self.deaf_until.boot_ns == 0 ? self.listener : -1, .events = POLLIN},
    };
    uint64_t expirations;

    for (int i = 0; i < SUCCESSORS_MAX; i++)
        fds[3 + i] = (struct pollfd){.fd = self.successors[i], .events = POLLIN};
    if (poll(fds, 3 + SUCCESSORS_MAX, -1) <= 0)
        return;
    (void)!read(self.timer, &expirations, sizeof expirations); /* the clock is what counts */
    if (fds[1].revents != 0)
        hear_guard();
    if (fds[2].revents != 0)
        accept_successor();
    for (int i = 0; i < SUCCESSORS_MAX; i++)
        if (fds[3 + i].revents != 0)
            hear_successor(&self.successors[i]);
}

bool bw_enforcer_run(void)
{
    if (!prepare())
        return false;
    for (;;) {
        struct bw_instant wake_at = enforce();
        const bool may_end = bw_enforcer_may_end(&self.machine);

        if (may_end && bw_finder_is_done())
            return true;
        if (may_end) /* its last look is of D itself */
            wake_at = bw_instant_add(bw_clock_now(), END_LOOK_NS);
        set_timer(or_hear_again(wake_at));
        wait_and_hear();
    }
}
