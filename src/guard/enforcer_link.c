/* The guard's enforcer: a process, a socket to it, and what machine/enforcing.h decides, carried out. Design 3.4,
 * "Nothing that an enforcer needs at the deadline can block". */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/enforcer/enforcer.h>
#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>

#define BACKLOG       4

/* ---- making one ------------------------------------------------------------------------------ */

/* A name in the directory of the mirrors, however long its path is: through our descriptor of it. */
static void address_of(const struct bw_guard_program *program, const char *name,
                       struct sockaddr_un *out_address)
{
    *out_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(out_address->sun_path, sizeof out_address->sun_path, "/proc/self/fd/%d/%s",
                   program->store.mirror_dir, name);
}

static int listen_for_successors(struct bw_guard_program *program)
{
    struct bw_enforcer_link *link = &program->enforcer;
    const struct bw_id id = bw_random_id();
    char text[BW_ID_TEXT_BYTES];
    struct sockaddr_un address;
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    bw_id_format(id, text);
    (void)snprintf(link->name, sizeof link->name, BW_ENFORCER_NAME_PREFIX "%.*s",
                   BW_ENFORCER_ID_CHARS, text);
    address_of(program, link->name, &address);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd); /* nobody knows of it */
    return -1;
}

/* Async-signal-safe. */
__attribute__((noreturn)) static void be_enforcer(int guard, int listener, char *const *argv,
                                                  char *const *envp)
{
    const int to_guard = fcntl(guard, F_DUPFD_CLOEXEC, 16);
    const int to_listener = fcntl(listener, F_DUPFD_CLOEXEC, 16);

    if (dup2(to_guard, BW_ENFORCER_FD_GUARD) >= 0 &&
        dup2(to_listener, BW_ENFORCER_FD_LISTENER) >= 0)
        (void)execve("/proc/self/exe", argv, envp);
    _exit(127);
}

/* With a mark that is nobody's: to a scan for the processes of a group it is no stray. */
static char mark[] = BW_PROCESS_MARK "tool";

static bool fork_enforcer(struct bw_guard_program *program, int its_end, int listener)
{
    char *const argv[] = {(char *)"breakwater", (char *)"enforcer", program->store.site, NULL};
    char **envp = bw_process_environment(mark);
    pid_t pid;

    if (envp == NULL)
        return false;
    pid = fork();
    if (pid == 0)
        be_enforcer(its_end, listener, argv, envp);
    free(envp);
    program->enforcer.pid = pid;
    if (pid > 0)
        program->enforcer.process = (int)syscall(SYS_pidfd_open, pid, 0);
    return pid > 0 && program->enforcer.process >= 0;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static bool make(struct bw_guard_program *program)
{
    struct bw_enforcer_link *link = &program->enforcer;
    int ends[2] = {-1, -1};
    const int listener = listen_for_successors(program);
    bool is_made = listener >= 0 &&
                   socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0;

    is_made = is_made && fork_enforcer(program, ends[1], listener);
    if (!is_made)
        bw_log_error(&program->log, "enforcer.start_failed",
                     "error=%s does=\"no deadline is acknowledged until there is one\"",
                     bw_log_quote(strerror(errno)));
    if (listener >= 0)
        (void)close(listener); /* the enforcer's */
    if (ends[1] >= 0)
        (void)close(ends[1]); /* likewise */
    if (is_made && uv_poll_init(&program->loop, &link->poll, ends[0]) == 0) {
        link->fd = ends[0];
        link->poll.data = program;
        BW_ASSERT(uv_poll_start(&link->poll, UV_READABLE, on_readable) == 0);
        return true;
    }
    if (is_made)
        (void)close(link->process); /* a handle, no data */
    if (ends[0] >= 0)
        (void)close(ends[0]); /* one that was made ends by it */
    if (listener >= 0) /* tried each half second, these would fill the directory of the mirrors */
        (void)unlinkat(program->store.mirror_dir, link->name, 0);
    return false;
}

/* ---- telling it ------------------------------------------------------------------------------ */

static bool send_frame(struct bw_guard_program *program, struct bw_enforcer_message *message,
                       const int *fds)
{
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    struct bw_enforcer_link *link = &program->enforcer;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(BW_ENFORCER_MEANS_MAX * sizeof(int))];
    } control;
    struct iovec part = {frame, bw_enforcer_message_encode(message, frame)};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};

    if (message->means_count > 0) {
        struct cmsghdr *rights;

        BW_ASSERT(fds != NULL);
        memset(&control, 0, sizeof control);
        head.msg_control = control.bytes;
        head.msg_controllen = CMSG_SPACE(message->means_count * sizeof(int));
        rights = CMSG_FIRSTHDR(&head);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(message->means_count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, message->means_count * sizeof(int));
    }
    return sendmsg(link->fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

/* True: it took it. */
static bool tell(struct bw_guard_program *program, enum bw_enforcer_message_kind kind,
                 const struct bw_enforcing_action *action)
{
    struct bw_enforcer_message *message = &program->enforcer.message;

    message->kind = kind;
    message->number = action->number;
    message->means_count = 0;
    message->order_count = action->order_count;
    memcpy(message->orders, action->orders, action->order_count * sizeof action->orders[0]);
    return send_frame(program, message, NULL);
}

/* ---- by which descriptors -------------------------------------------------------------------- */

/* With less than there is those of before are the better ones. */
static void note_short(struct bw_guard_group *group, bool is_short)
{
    if (is_short && !group->are_means_short)
        bw_log_error(&group->program->log, "enforcer.means_short",
                     "group=%s does=\"its enforcer keeps those of before; passes on no deadline\" "
                     "next=\"raise LimitNOFILE= of breakwater-guard if no descriptor is free\"",
                     group->config->name);
    group->are_means_short = is_short;
}

/* Where no cgroup ends a group, each of its processes takes a descriptor. */
static void note_full(struct bw_guard_group *group, bool is_full)
{
    if (is_full && !group->are_means_full)
        bw_log_error(
            &group->program->log, "enforcer.means_full",
            "group=%s limit=%d error=\"more processes of it run than its enforcer can be told of\" "
            "does=\"its enforcer keeps those of before; no deadline is passed on, and no lease is armed\" "
            "next=\"give the guard cgroups of its own (Delegate=yes), or have the service start fewer\"",
            group->config->name, BW_ENFORCER_MEANS_MAX);
    group->are_means_full = is_full;
}

static void note_paths_full(struct bw_guard_group *group, bool is_full)
{
    if (is_full && !group->are_paths_full)
        bw_log_error(&group->program->log, "enforcer.paths_full",
                     "group=%s limit_bytes=%d error=\"its units have more cgroups than its enforcer can be told of\" "
                     "does=\"no deadline is passed on, and no lease is armed\" next=\"name fewer units\"",
                     group->config->name, BW_ENFORCER_PATHS_BYTES);
    group->are_paths_full = is_full;
}

/* Where its units come up their manager has to say first. An earlier enforcer may know: it keeps
 * the deadline until then, and no later one is acknowledged, however long that manager says
 * nothing. */
static bool awaits_units(struct bw_guard_group *group)
{
    if (group->config->unit_count == 0 || group->are_units_seen)
        return false;
    if (group->unit_reach == NULL)
        return true; /* whoever holds what ends them keeps it */
    if (!bw_unit_reach_is_looking(group->unit_reach))
        bw_guard_units_look_again(group);
    return !group->are_units_seen;
}

/* What is in cgroups below them no descriptor reaches that is open already, but where the kernel has cgroup.kill. */
static bool send_paths(struct bw_guard_group *group)
{
    struct bw_enforcer_message *message = &group->program->enforcer.message;
    bool is_full;

    message->kind = BW_ENFORCER_MESSAGE_PATHS;
    message->means_count = 0;
    note_short(group, !bw_guard_means_paths(group, message, &is_full));
    note_paths_full(group, is_full);
    return !group->are_means_short && !is_full && send_frame(group->program, message, NULL);
}

/* False: it could not be sent now. */
static bool send_reach(struct bw_guard_group *group)
{
    struct bw_enforcer_message *message = &group->program->enforcer.message;
    int fds[BW_ENFORCER_MEANS_MAX];
    bool is_full;
    bool is_sent;

    message->kind = BW_ENFORCER_MESSAGE_REACH;
    message->number = 0;
    message->order_count = 1;
    message->orders[0] = (struct bw_enforcer_order){.epoch = 0};
    memcpy(message->orders[0].group, group->machine.group, sizeof message->orders[0].group);
    is_sent = bw_guard_means_open(group, fds, message->means, &message->means_count, &is_full);
    note_full(group, is_full);
    note_short(group, !is_sent && !is_full);
    is_sent = is_sent && send_frame(group->program, message, fds);
    for (uint32_t i = 0; i < message->means_count; i++)
        (void)close(fds[i]); /* the enforcer has its own now */
    return is_sent && send_paths(group);
}

void bw_guard_enforcer_tell_reach(struct bw_guard_group *group)
{
    struct bw_guard_program *program = group->program;
    enum bw_enforcing_reach how = BW_ENFORCING_REACH_TAKEN;
    bool is_sent;

    if (program->enforcer.fd < 0)
        return; /* told when it was made */
    if (awaits_units(group)) {
        bw_enforcing_on_reach(&program->machine.enforcing, &group->at.enforcing, BW_ENFORCING_REACH_SHORT);
        return;
    }
    is_sent = send_reach(group);
    if (group->are_means_full || group->are_paths_full) {
        how = BW_ENFORCING_REACH_FULL;
    } else if (group->are_means_short) {
        how = BW_ENFORCING_REACH_SHORT;
    } else if (!is_sent) {
        how = BW_ENFORCING_REACH_UNTAKEN;
        bw_log_debug(&program->log, "enforcer.units_send_failed",
                     "group=%s error=%s does=\"tries again; passes on no deadline before\"",
                     group->config->name, bw_log_quote(strerror(errno)));
    }
    bw_enforcing_on_reach(&program->machine.enforcing, &group->at.enforcing, how);
}

/* ---- its answers ----------------------------------------------------------------------------- */

static void on_taken(struct bw_guard_program *program, const struct bw_enforcer_message *answer)
{
    for (uint32_t i = 0; i < answer->order_count; i++) {
        const struct bw_enforcer_order *order = &answer->orders[i];
        const struct bw_guard_group *group = bw_guard_program_find(program, order->group);

        if (group != NULL && group->at.enforcing.refused_epoch != order->epoch)
            bw_log_error(&program->log, "enforcer.refused", "group=%s epoch=%" PRIu64, order->group,
                         order->epoch);
    }
    bw_enforcing_on_taken(&program->machine.enforcing, answer->number, answer->orders, answer->order_count,
                          bw_clock_now());
}

static void on_answer(struct bw_guard_program *program, const struct bw_enforcer_message *answer)
{
    switch (answer->kind) {
    case BW_ENFORCER_MESSAGE_TAKEN:
        on_taken(program, answer);
        break;
    case BW_ENFORCER_MESSAGE_KILLED:
        for (uint32_t i = 0; i < answer->order_count; i++)
            bw_log_warn(&program->log, "reach.signaled",
                        "group=%s epoch=%" PRIu64 " signal=KILL by=enforcer",
                        answer->orders[i].group, answer->orders[i].epoch);
        break;
    case BW_ENFORCER_MESSAGE_DEADLINES:
    case BW_ENFORCER_MESSAGE_OVER:
    case BW_ENFORCER_MESSAGE_REACH:
    case BW_ENFORCER_MESSAGE_SUCCEED:
    case BW_ENFORCER_MESSAGE_RELIEVE:
    case BW_ENFORCER_MESSAGE_KEPT:
    case BW_ENFORCER_MESSAGE_PATHS:
    case BW_ENFORCER_MESSAGE_COUNT:
        break; /* not its to say */
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct bw_guard_program *program = handle->data;

    program->enforcer.is_poll_closing = false;
    if (!program->is_closing)
        bw_enforcing_on_gone(&program->machine.enforcing, bw_clock_now());
}

static void close_link(struct bw_guard_program *program)
{
    struct bw_enforcer_link *link = &program->enforcer;

    if (link->fd < 0)
        return;
    link->is_poll_closing = true;
    uv_close((uv_handle_t *)&link->poll, on_poll_closed);
    (void)close(link->fd); /* what it was told it keeps to */
    (void)close(link->process);
    link->fd = -1;
    bw_enforcing_on_lost(&program->machine.enforcing);
}

/* Nobody listens at its socket any more; another is made once its descriptor is closed. */
static void give_up(struct bw_guard_program *program)
{
    (void)unlinkat(program->store.mirror_dir, program->enforcer.name, 0);
    close_link(program);
}

void bw_guard_enforcer_replace(struct bw_guard_program *program)
{
    const struct bw_enforcer_link *link = &program->enforcer;
    char byte;

    if (link->fd < 0 || recv(link->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
        return; /* it has ended: that is read next */
    (void)syscall(SYS_pidfd_send_signal, link->process, SIGKILL, NULL, 0); /* stopped or not; it may be gone */
    give_up(program);
}

static void replace_silent(struct bw_guard_program *program)
{
    const struct bw_enforcer_link *link = &program->enforcer;
    char byte;

    if (recv(link->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0)
        return; /* it has answered, or has ended: that is read next */
    bw_log_error(&program->log, "enforcer.silent",
                 "pid=%ld does=\"kills it, makes another; acknowledges no deadline before it has it\"",
                 (long)link->pid);
    bw_guard_enforcer_replace(program);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bw_guard_program *program = poll->data;
    struct bw_enforcer_link *link = &program->enforcer;
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    ssize_t got;

    (void)status; /* an error is met again by the read */
    (void)events;
    got = recv(link->fd, frame, sizeof frame, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0 && bw_enforcer_message_decode(frame, (size_t)got, &link->answer) == BW_OK) {
        on_answer(program, &link->answer);
        return;
    }
    bw_log_error(&program->log, "enforcer.gone",
                 "pid=%ld does=\"makes another; acknowledges no deadline before it has it\"",
                 (long)link->pid);
    give_up(program);
}

/* ---- what is to be done ---------------------------------------------------------------------- */

static void try_to_make(struct bw_guard_program *program)
{
    struct bw_enforcer_link *link = &program->enforcer;

    if (!make(program)) {
        bw_enforcing_on_unmade(&program->machine.enforcing, bw_clock_now());
        return;
    }
    bw_log_info(&program->log, "enforcer.made", "pid=%ld", (long)link->pid);
    bw_enforcing_on_made(&program->machine.enforcing);
}

static struct bw_guard_group *group_of(const struct bw_enforcing_group *group)
{
    const struct bw_guarded *guarded = group->owner;

    return guarded->owner;
}

static void say_unrelieved(struct bw_guard_program *program)
{
    bw_log_error(&program->log, "enforcer.handover_failed",
                 "error=\"an enforcer of an earlier guard does not answer\" "
                 "does=\"goes on; if it wakes it may end what is served here\" "
                 "next=\"kill -9 the process bw-enforcer that is not pid %ld\"",
                 (long)program->enforcer.pid);
}

void bw_guard_enforcer_execute(struct bw_guard_program *program,
                                 const struct bw_enforcing_action *action)
{
    struct bw_enforcing *enforcing = &program->machine.enforcing;

    switch (action->kind) {
    case BW_ENFORCING_MAKE:
        try_to_make(program);
        break;
    case BW_ENFORCING_REACH:
        bw_guard_enforcer_tell_reach(group_of(action->group));
        break;
    case BW_ENFORCING_OVER:
        bw_enforcing_on_sent(enforcing, tell(program, BW_ENFORCER_MESSAGE_OVER, action),
                             bw_clock_now());
        break;
    case BW_ENFORCING_HOLD:
        bw_enforcing_on_sent(enforcing, tell(program, BW_ENFORCER_MESSAGE_DEADLINES, action),
                             bw_clock_now());
        break;
    case BW_ENFORCING_REPLACE:
        replace_silent(program);
        break;
    case BW_ENFORCING_RELIEVE:
        bw_guard_relief_ask(program);
        break;
    case BW_ENFORCING_UNRELIEVED:
        say_unrelieved(program);
        break;
    case BW_ENFORCING_WRITE:
        bw_guard_mirrors_write(program);
        break;
    case BW_ENFORCING_ANSWER: /* the machine's own */
        break;
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

void bw_guard_enforcer_open(struct bw_guard_program *program)
{
    program->enforcer.is_open = true;
    bw_enforcing_begin(&program->machine.enforcing, bw_clock_now());
    bw_guard_go_on(program, true);
}

void bw_guard_enforcer_close(struct bw_guard_program *program)
{
    struct bw_enforcer_link *link = &program->enforcer;

    if (!link->is_open)
        return;
    link->is_open = false;
    bw_guard_relief_close(program);
    close_link(program);
}
