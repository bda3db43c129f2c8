#include <breakwater/sys/deadline.h>

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/sys/clock.h>

/* A far deadline is looked at again this often: nothing then depends on how the kernel treats
 * timers that lie centuries ahead. */
#define STEP_NS_MAX (UINT64_C(3600) * BW_NS_PER_S)

static void on_readable(uv_poll_t *poll, int status, int events);

static void set_timer(int fd, uint64_t delay_ns)
{
    struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(delay_ns / BW_NS_PER_S),
                                           .tv_nsec = (long)(delay_ns % BW_NS_PER_S)}};
    int rc = timerfd_settime(fd, 0, &spec, NULL);

    BW_ASSERT(rc == 0);
}

static bool is_due(const struct bw_deadline *deadline, struct bw_instant now)
{
    return deadline->kind == BW_DEADLINE_RIGHT ? bw_instant_right_is_over(now, deadline->at)
                                               : bw_instant_wait_is_over(now, deadline->at);
}

static void aim(struct bw_deadline *deadline)
{
    struct bw_instant now = bw_clock_now();
    uint64_t left_ns = deadline->kind == BW_DEADLINE_RIGHT
                           ? bw_instant_left_ns(now, deadline->at)
                           : bw_instant_wait_left_ns(now, deadline->at);
    uint64_t delay_ns = left_ns - left_ns / 8;

    if (left_ns == 0)
        delay_ns = 1; /* 0 would disarm */
    else if (delay_ns < BW_DEADLINE_FLOOR_NS)
        delay_ns = BW_DEADLINE_FLOOR_NS;
    else if (delay_ns > STEP_NS_MAX)
        delay_ns = STEP_NS_MAX;
    set_timer(deadline->fd, delay_ns);
}

enum bw_err bw_deadline_init(struct bw_deadline *deadline, uv_loop_t *loop,
                             bw_deadline_on_due on_due, void *user, struct bw_diag *diag)
{
    int rc;
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd < 0)
        return bw_diag_errno(diag, errno, "create a timer");
    *deadline = (struct bw_deadline){.fd = fd, .on_due = on_due, .user = user};
    rc = uv_poll_init(loop, &deadline->poll, fd);
    if (rc != 0) {
        (void)close(fd); /* nothing was written */
        return bw_diag_errno(diag, -rc, "watch a timer");
    }
    deadline->poll.data = deadline;
    rc = uv_poll_start(&deadline->poll, UV_READABLE, on_readable);
    BW_ASSERT(rc == 0); /* libuv: fails only on a closing handle */
    return BW_OK;
}

void bw_deadline_set(struct bw_deadline *deadline, struct bw_instant at, enum bw_deadline_kind kind)
{
    BW_ASSERT(!deadline->is_closing);
    if (bw_instant_is_never(at)) {
        bw_deadline_clear(deadline);
        return;
    }
    deadline->at = at;
    deadline->kind = kind;
    deadline->is_set = true;
    aim(deadline);
}

void bw_deadline_clear(struct bw_deadline *deadline)
{
    if (deadline->is_closing)
        return;
    deadline->is_set = false;
    set_timer(deadline->fd, 0);
}

bool bw_deadline_serve(struct bw_deadline *deadline)
{
    if (deadline->is_closing || !deadline->is_set || !is_due(deadline, bw_clock_now()))
        return false;
    bw_deadline_clear(deadline);
    deadline->on_due(deadline, deadline->user);
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bw_deadline *deadline = poll->data;
    uint64_t expirations;

    /* An error of the poll or an empty read is no reason to miss a deadline: look at the clocks. */
    (void)status;
    (void)events;
    (void)!read(deadline->fd, &expirations, sizeof expirations);
    if (!bw_deadline_serve(deadline) && deadline->is_set)
        aim(deadline);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct bw_deadline *deadline = handle->data;

    (void)close(deadline->fd); /* a timer: nothing to lose */
    deadline->fd = -1;
    if (deadline->on_closed != NULL)
        deadline->on_closed(deadline, deadline->user);
}

void bw_deadline_close(struct bw_deadline *deadline, bw_deadline_on_closed on_closed)
{
    if (deadline->is_closing)
        return;
    deadline->is_closing = true;
    deadline->is_set = false;
    deadline->on_closed = on_closed;
    uv_close((uv_handle_t *)&deadline->poll, on_poll_closed);
}
