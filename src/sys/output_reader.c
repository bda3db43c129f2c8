#include <breakwater/sys/output_reader.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/sys/own_process.h>
#include <breakwater/sys/script.h>

#define OUTPUTS_MAX    (2 * BW_SCRIPT_DRAINS_MAX) /* some of them may have ended, and are seen to a moment later */
#define READS_PER_TURN 4                          /* then the others are served */

static struct {
    struct pollfd fds[1 + OUTPUTS_MAX]; /* the first is the daemon's */
    size_t count;
    bool has_daemon;
    char buffer[65536];
} self;

/* Each of these helps where it is allowed, and nothing rests on one of them alone. */
static void prepare(void)
{
    const struct sched_param ordinary = {.sched_priority = 0};
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int signal_number = 1; signal_number < NSIG; signal_number++)
        (void)signal(signal_number, SIG_IGN);
    (void)setsid(); /* no terminal, no group of anybody else */
    (void)!chdir("/");
    (void)prctl(PR_SET_NAME, "bw-output");
    (void)bw_files_raise();
    (void)sched_setscheduler(0, SCHED_OTHER, &ordinary); /* a flood takes no time from whoever renews or enforces */
    (void)setpriority(PRIO_PROCESS, 0, 0);
    for (int fd = STDIN_FILENO; nowhere >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(nowhere, fd); /* who reads the daemon's log sees its end */
}

/* -1: the message had none. */
static int descriptor_in(struct msghdr *message)
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

static void take_next(void)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = sizeof byte};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    const ssize_t got = recvmsg(BW_OUTPUT_READER_FD, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int fd;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        self.has_daemon = false;
        return;
    }
    fd = descriptor_in(&message);
    if (fd < 0)
        return;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK); /* as its daemon has set it */
    self.fds[self.count++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* False: nobody writes to it any more. */
static bool read_on(int fd)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        const ssize_t got = read(fd, self.buffer, sizeof self.buffer);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (got <= 0)
            return false;
    }
    return true;
}

static void read_all(void)
{
    for (size_t i = self.count - 1; i > 0; i--) {
        if (self.fds[i].revents == 0 || read_on(self.fds[i].fd))
            continue;
        (void)close(self.fds[i].fd); /* only read from */
        self.fds[i] = self.fds[--self.count];
    }
}

bool bw_output_reader_run(void)
{
    int type = 0;
    socklen_t size = sizeof type;

    if (getsockopt(BW_OUTPUT_READER_FD, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
        return false;
    prepare();
    self.has_daemon = true;
    self.count = 1;
    while (self.has_daemon || self.count > 1) {
        const bool takes_more = self.has_daemon && self.count <= OUTPUTS_MAX; /* else the daemon reads itself */

        self.fds[0] = (struct pollfd){.fd = takes_more ? BW_OUTPUT_READER_FD : -1, .events = POLLIN};
        if (poll(self.fds, self.count, -1) <= 0)
            continue;
        read_all();
        if (self.fds[0].revents != 0)
            take_next();
    }
    return true;
}
