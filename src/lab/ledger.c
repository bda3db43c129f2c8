#include <breakwater/lab/ledger.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/name.h>
#include <breakwater/lab/judge.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>

#define PATH_BYTES 4096
#define BEAT_NS    (BW_JUDGE_BEAT_US * 1000L)
#define BEAT_BYTES (BW_NAME_MAX + 48)

/* What the service process waits for. */
struct service {
    const struct bw_ledger *ledger;
    int records;
    int timer;
    int signals; /* SIGTERM, SIGINT */
    int owner;   /* a pidfd, -1: none */
};

/* ---- the service ----------------------------------------------------------------------------- */

/* As the clock shows it that all services of a group are recorded by. */
static uint64_t now_ns(const struct bw_ledger *ledger)
{
    return bw_clock_now().boot_ns - (uint64_t)ledger->clock_shift_ns;
}

/* One record in one write: a kill leaves it whole or, at the very end of the file, cut. */
static enum bw_err beat(const struct service *service, struct bw_diag *diag)
{
    char line[BEAT_BYTES];
    const int length = snprintf(line, sizeof line, "%s %020" PRIu64 " %020" PRIu64 "\n",
                                service->ledger->site, service->ledger->epoch, now_ns(service->ledger));

    if (write(service->records, line, (size_t)length) != length)
        return bw_diag_errno(diag, errno, "write a record");
    return BW_OK;
}

static enum bw_err write_pid_file(const struct bw_ledger *ledger, struct bw_diag *diag)
{
    char temporary[PATH_BYTES];
    struct bw_process self;
    enum bw_err err = bw_process_read(getpid(), &self, diag);
    FILE *file;
    bool is_written;

    if (err != BW_OK)
        return err;
    if (snprintf(temporary, sizeof temporary, "%s.tmp", ledger->pid_file) >= PATH_BYTES)
        return bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %d bytes", PATH_BYTES - 1);
    file = fopen(temporary, "we");
    if (file == NULL)
        return bw_diag_errno(diag, errno, "create %s", temporary);
    is_written = fprintf(file, "%ld %" PRIu64 "\n", (long)self.pid, self.start_ticks) > 0;
    if (fclose(file) != 0 || !is_written)
        return bw_diag_errno(diag, errno, "write %s", temporary);
    if (rename(temporary, ledger->pid_file) != 0)
        return bw_diag_errno(diag, errno, "rename %s", temporary);
    return BW_OK;
}

static enum bw_err open_records(struct service *service, struct bw_diag *diag)
{
    const struct bw_ledger *ledger = service->ledger;
    char path[PATH_BYTES];
    const int length = snprintf(path, sizeof path, "%s/%s-%06" PRIu64 "-%" PRIu64 ".beats",
                                ledger->records_dir, ledger->site, ledger->epoch,
                                now_ns(ledger));

    if (length < 0 || length >= PATH_BYTES)
        return bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %d bytes", PATH_BYTES - 1);
    service->records = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    return service->records >= 0 ? BW_OK : bw_diag_errno(diag, errno, "create %s", path);
}

static enum bw_err open_signals(struct service *service, struct bw_diag *diag)
{
    sigset_t set;

    (void)sigemptyset(&set); /* fails only for numbers that are no signals */
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return bw_diag_errno(diag, errno, "block signals");
    service->signals = signalfd(-1, &set, SFD_CLOEXEC);
    return service->signals >= 0 ? BW_OK : bw_diag_errno(diag, errno, "signalfd");
}

static enum bw_err open_timer(struct service *service, struct bw_diag *diag)
{
    const struct itimerspec every = {.it_interval = {.tv_nsec = BEAT_NS},
                                     .it_value = {.tv_nsec = BEAT_NS}};

    service->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    if (service->timer < 0 || timerfd_settime(service->timer, 0, &every, NULL) != 0)
        return bw_diag_errno(diag, errno, "timerfd");
    return BW_OK;
}

/* The pidfd is opened first: what it names cannot change any more while its start time is read. */
static enum bw_err open_owner(struct service *service, struct bw_diag *diag)
{
    const struct bw_ledger *ledger = service->ledger;
    struct bw_process owner;
    enum bw_err err;

    service->owner = -1;
    if (ledger->owner == 0)
        return BW_OK;
    service->owner = (int)syscall(SYS_pidfd_open, ledger->owner, 0);
    if (service->owner < 0)
        return bw_diag_errno(diag, errno, "open the owner, process %ld", (long)ledger->owner);
    err = bw_process_read(ledger->owner, &owner, diag);
    if (err == BW_OK && (owner.start_ticks != ledger->owner_start_ticks || owner.is_dead))
        err = bw_diag_set(diag, BW_ERR_NOT_FOUND, "the owner has ended");
    return err;
}

/* Until someone ends it; returns the exit status. */
static int serve(const struct service *service)
{
    struct pollfd waits[] = {{.fd = service->signals, .events = POLLIN},
                             {.fd = service->owner, .events = POLLIN},
                             {.fd = service->timer, .events = POLLIN}};
    struct bw_diag diag = {0};

    for (;;) {
        uint64_t expirations;

        if (poll(waits, 3, -1) < 0 && errno != EINTR)
            return EXIT_FAILURE;
        if (waits[0].revents != 0 || waits[1].revents != 0)
            return EXIT_SUCCESS;
        if (waits[2].revents == 0)
            continue;
        if (read(service->timer, &expirations, sizeof expirations) != sizeof expirations)
            return EXIT_FAILURE;
        if (beat(service, &diag) != BW_OK)
            return EXIT_FAILURE; /* who cannot record must not serve */
    }
}

/* Leaves the script's output, so that nobody waits for our end to read its own. */
static enum bw_err leave_output(struct bw_diag *diag)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        return bw_diag_errno(diag, errno, "/dev/null");
    (void)close(null); /* has three copies */
    return BW_OK;
}

static enum bw_err begin(struct service *service, struct bw_diag *diag)
{
    enum bw_err err = open_owner(service, diag);

    if (err == BW_OK && setsid() < 0)
        err = bw_diag_errno(diag, errno, "setsid");
    if (err == BW_OK)
        err = open_signals(service, diag);
    if (err == BW_OK)
        err = open_timer(service, diag);
    if (err == BW_OK)
        err = open_records(service, diag);
    if (err == BW_OK)
        err = write_pid_file(service->ledger, diag); /* findable before it serves */
    if (err == BW_OK)
        err = beat(service, diag);
    return err;
}

__attribute__((noreturn)) static void run_service(const struct bw_ledger *ledger, int go)
{
    struct service service = {.ledger = ledger};
    struct bw_diag diag = {0};
    enum bw_err err = begin(&service, &diag);

    if (err == BW_OK && write(go, "", 1) != 1)
        err = bw_diag_errno(&diag, errno, "tell the starter");
    if (err == BW_OK)
        err = leave_output(&diag);
    if (err != BW_OK) {
        (void)fprintf(stderr, "error: dev ledger: %s\n", diag.text);
        _exit(EXIT_FAILURE);
    }
    (void)close(go);
    _exit(serve(&service));
}

/* ---- starting it ----------------------------------------------------------------------------- */

enum bw_err bw_ledger_start(const struct bw_ledger *ledger, struct bw_diag *diag)
{
    int go[2];
    char byte;
    pid_t pid;
    ssize_t count;

    if (!bw_name_is_valid(ledger->site))
        return bw_diag_set(diag, BW_ERR_INVALID, "not a valid site name");
    if (pipe2(go, O_CLOEXEC) != 0)
        return bw_diag_errno(diag, errno, "pipe");
    (void)fflush(NULL); /* so that the child has nothing of ours to write */
    pid = fork();
    if (pid == 0)
        run_service(ledger, go[1]);
    (void)close(go[1]);
    if (pid < 0) {
        (void)close(go[0]);
        return bw_diag_errno(diag, errno, "fork");
    }
    do
        count = read(go[0], &byte, 1);
    while (count < 0 && errno == EINTR);
    (void)close(go[0]);
    if (count == 1)
        return BW_OK;
    (void)waitpid(pid, NULL, 0); /* it has said why */
    return bw_diag_set(diag, BW_ERR_IO, "the service did not begin");
}
