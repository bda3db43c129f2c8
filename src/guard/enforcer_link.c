/* The guard's enforcer: made here, told of every deadline, and replaced when it dies. Design 3.4, "Nothing
 * that an enforcer needs at the deadline can block". What it is told follows from the machines' state after
 * each step; what waits for its answer is the MIRRORED of an arm. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/mutant.h>
#include <breakwater/enforcer/enforcer.h>
#include <breakwater/os/random.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/process_tree.h>

#define OPEN_AGAIN_NS (200 * BW_NS_PER_MS)
#define TELL_AGAIN_NS (5 * BW_NS_PER_MS)
#define MAKE_AGAIN_NS (BW_NS_PER_S / 2)
#define SILENT_NS     BW_NS_PER_S
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
    (void)snprintf(link->name, sizeof link->name, BW_ENFORCER_NAME_PREFIX "%.16s", text);
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

static char **build_environment(void)
{
    size_t count = 0;
    char **envp;

    while (environ[count] != NULL)
        count++;
    envp = calloc(count + 2, sizeof *envp);
    if (envp == NULL)
        return NULL;
    memcpy(envp, environ, count * sizeof *envp);
    envp[count] = mark;
    return envp;
}

static bool fork_enforcer(struct bw_guard_program *program, int its_end, int listener)
{
    char *const argv[] = {(char *)"breakwater", (char *)"enforcer", program->store.site, NULL};
    char **envp = build_environment();
    pid_t pid;

    if (envp == NULL)
        return false;
    pid = fork();
    if (pid == 0)
        be_enforcer(its_end, listener, argv, envp);
    free(envp);
    program->enforcer.pid = pid;
    return pid > 0;
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
        bw_log_error(&program->log, "enforcer.unmade",
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
    if (ends[0] >= 0)
        (void)close(ends[0]); /* one that was made ends by it */
    return false;
}

/* ---- what it holds --------------------------------------------------------------------------- */

/* Nothing is to be held once it was seen that nothing serves, nor may begin to: what still runs then cleans
 * up. */
static bool is_over(const struct bw_guard_place *place)
{
    return place->machine.mirror.armed_epoch == 0 || place->machine.fence == BW_FENCE_DONE;
}

/* What it is told is in the mirror first: what it holds a later guard then knows of. */
static bool is_wanted(const struct bw_guard_place *place)
{
    return !is_over(place) && place->mirrored.epoch == place->machine.mirror.armed_epoch;
}

static bool is_told(const struct bw_guard_place *place)
{
    if (is_over(place))
        return place->told.epoch == 0;
    return place->told.epoch == place->mirrored.epoch &&
           place->told.end.boot_ns == place->mirrored.end.boot_ns &&
           place->told.end.raw_ns == place->mirrored.end.raw_ns;
}

/* True: it holds what the mirror says, or nothing has to be held. One that has ended holds nothing, until
 * another is made and told. */
bool bw_guard_enforcer_has(const struct bw_guard_place *place)
{
    return is_over(place) ||
           (place->program->enforcer.fd >= 0 && is_wanted(place) && is_told(place) &&
            !place->is_reach_untold && place->told_number <= place->program->enforcer.taken);
}

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

static void add_order(struct bw_enforcer_message *message, const struct bw_guard_place *place)
{
    struct bw_enforcer_order *order = &message->orders[message->order_count++];

    *order = place->mirrored;
    memset(order->group, 0, sizeof order->group);
    memcpy(order->group, place->machine.group, sizeof order->group);
}

static void tell_again_in(struct bw_guard_program *program, uint64_t wait_ns)
{
    bw_deadline_set(&program->enforcer.again, bw_instant_add(bw_clock_now(), wait_ns),
                    BW_DEADLINE_RIGHT);
}

static void tell_over(struct bw_guard_place *place)
{
    struct bw_guard_program *program = place->program;
    struct bw_enforcer_message *message = &program->enforcer.message;

    message->kind = BW_ENFORCER_MESSAGE_OVER;
    message->number = message->means_count = message->order_count = 0;
    add_order(message, place);
    message->orders[0].epoch = place->told.epoch;
    if (send_frame(program, message, NULL))
        place->told.epoch = 0;
    else
        tell_again_in(program, TELL_AGAIN_NS);
}

/* Deadlines on their way into one frame. */
struct deadlines {
    struct bw_enforcer_message message;
    struct bw_guard_place *places[BW_ENFORCER_ORDERS_MAX];
};

static void await_answer(struct bw_enforcer_link *link)
{
    bw_deadline_set(&link->silent, bw_instant_add(bw_clock_now(), SILENT_NS), BW_DEADLINE_WAIT);
}

/* False: it did not take it now. */
static bool tell_deadlines(struct bw_guard_program *program, struct deadlines *deadlines)
{
    struct bw_enforcer_link *link = &program->enforcer;
    struct bw_enforcer_message *message = &deadlines->message;

    message->kind = BW_ENFORCER_MESSAGE_DEADLINES;
    message->number = link->sent + 1;
    if (message->order_count == 0)
        return true;
    if (!send_frame(program, message, NULL))
        return false;
    if (link->sent++ == link->taken)
        await_answer(link);
    for (uint32_t i = 0; i < message->order_count; i++) {
        deadlines->places[i]->told = message->orders[i];
        deadlines->places[i]->told_number = link->sent;
    }
    message->order_count = 0;
    return true;
}

/* False: a frame that is full was not taken. */
static bool tell_place(struct bw_guard_place *place, struct deadlines *deadlines)
{
    if (is_over(place)) {
        if (place->told.epoch != 0)
            tell_over(place);
        return true;
    }
    if (!is_wanted(place) || is_told(place) || place->is_reach_untold)
        return true;
    deadlines->places[deadlines->message.order_count] = place;
    add_order(&deadlines->message, place);
    return deadlines->message.order_count < BW_ENFORCER_ORDERS_MAX ||
           tell_deadlines(place->program, deadlines);
}

/* Predecessors are relieved once ours holds all that their mirrors say. */
static void begin_relief(struct bw_guard_program *program)
{
    const struct bw_enforcer_link *link = &program->enforcer;

    if (link->has_told_all && link->taken == link->sent)
        bw_guard_relief_begin(program);
}

/* What it did not take at once, it takes when it has read what came before. */
void bw_guard_enforcer_flush(struct bw_guard_program *program)
{
    static struct deadlines deadlines; /* one loop, one thread */
    struct bw_enforcer_link *link = &program->enforcer;
    /* Once it was told all, no later deadline while a predecessor holds an earlier one. */
    const bool awaits_relief = link->has_told_all && !link->is_relieved;
    bool takes_reach = true;
    bool has_short = false; /* a group whose means cannot be opened stops no other one */
    bool is_taken = true;

    link->is_dirty = false;
    if (link->fd < 0)
        return; /* with the next one */
    deadlines.message.order_count = 0;
    for (uint32_t i = 0; i < program->place_count && is_taken; i++) {
        struct bw_guard_place *place = program->places[i];

        if (place->is_reach_untold && takes_reach) {
            bw_guard_enforcer_tell_reach(place);
            takes_reach = !place->is_reach_untold || place->are_means_short;
        }
        has_short |= place->are_means_short;
        is_taken = awaits_relief || tell_place(place, &deadlines);
    }
    is_taken = is_taken && tell_deadlines(program, &deadlines);
    link->is_dirty = !is_taken; /* with its next answer, or the next arm */
    link->has_told_all |= is_taken && takes_reach && !has_short;
    if (!is_taken || !takes_reach || has_short)
        tell_again_in(program, is_taken && takes_reach ? OPEN_AGAIN_NS : TELL_AGAIN_NS);
    begin_relief(program);
}

void bw_guard_enforcer_look(struct bw_guard_place *place)
{
    if (!is_told(place))
        place->program->enforcer.is_dirty = true;
}

/* ---- by which descriptors -------------------------------------------------------------------- */

/* With less than there is those of before are the better ones. */
static void note_short(struct bw_guard_place *place, bool is_short)
{
    if (is_short && !place->are_means_short)
        bw_log_error(&place->program->log, "enforcer.means_short",
                     "group=%s does=\"its enforcer keeps those of before; passes on no deadline\" "
                     "next=\"raise LimitNOFILE= of breakwater-guard if no descriptor is free\"",
                     place->config->name);
    place->are_means_short = is_short;
}

/* Where no cgroup ends a group, each of its processes takes a descriptor. */
static void note_full(struct bw_guard_place *place, bool is_full)
{
    if (is_full && !place->are_means_full)
        bw_log_error(&place->program->log, "enforcer.means_full",
                     "group=%s limit=%d does=\"more processes of it than that are not ended at the deadline "
                     "where the guard itself is gone\" next=\"give the guard cgroups of its own "
                     "(Delegate=yes)\"",
                     place->config->name, BW_ENFORCER_MEANS_MAX);
    place->are_means_full = is_full;
}

void bw_guard_enforcer_tell_reach(struct bw_guard_place *place)
{
    struct bw_guard_program *program = place->program;
    struct bw_enforcer_message *message = &program->enforcer.message;
    int fds[BW_ENFORCER_MEANS_MAX];

    if (program->enforcer.fd < 0)
        return; /* told when it was made */
    message->kind = BW_ENFORCER_MESSAGE_REACH;
    message->number = 0;
    message->order_count = 0;
    add_order(message, place);
    note_short(place, !bw_guard_means_open(place, fds, message->means, &message->means_count));
    note_full(place, message->means_count == BW_ENFORCER_MEANS_MAX);
    place->is_reach_untold = place->are_means_short || !send_frame(program, message, fds);
    if (place->is_reach_untold)
        program->enforcer.is_dirty = true;
    if (place->is_reach_untold && !place->are_means_short) {
        bw_log_debug(&program->log, "enforcer.reach_untold",
                     "group=%s error=%s does=\"tries again; passes on no deadline before\"",
                     place->config->name, bw_log_quote(strerror(errno)));
    }
    for (uint32_t i = 0; i < message->means_count; i++)
        (void)close(fds[i]); /* the enforcer has its own now */
}

/* ---- its answers ----------------------------------------------------------------------------- */

static void answer_places(struct bw_guard_program *program)
{
    for (uint32_t i = 0; i < program->place_count && !program->is_closing; i++)
        if (program->places[i]->awaits_enforcer && bw_guard_enforcer_has(program->places[i]))
            bw_guard_place_mirrored(program->places[i], true);
}

/* Those are not held: what waits for them is refused, and the next arm tries again. */
static void refuse_places(struct bw_guard_program *program, const struct bw_enforcer_message *answer)
{
    for (uint32_t i = 0; i < answer->order_count && !program->is_closing; i++) {
        struct bw_guard_place *place = bw_guard_program_find(program, answer->orders[i].group);

        if (place == NULL || place->told_number != answer->number)
            continue;
        bw_log_error(&program->log, "enforcer.refused", "group=%s epoch=%" PRIu64,
                     place->config->name, answer->orders[i].epoch);
        place->is_reach_untold = true; /* it may have lacked a descriptor: once more, and whole */
        if (place->awaits_enforcer)
            bw_guard_place_mirrored(place, false);
    }
}

static void on_answer(struct bw_guard_program *program, const struct bw_enforcer_message *answer)
{
    struct bw_enforcer_link *link = &program->enforcer;

    switch (answer->kind) {
    case BW_ENFORCER_MESSAGE_TAKEN:
        refuse_places(program, answer);
        link->taken = answer->number;
        if (link->taken < link->sent)
            await_answer(link);
        else
            bw_deadline_clear(&link->silent);
        answer_places(program);
        begin_relief(program);
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
    case BW_ENFORCER_MESSAGE_COUNT:
        break; /* not its to say */
    }
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct bw_guard_program *program = handle->data;

    program->enforcer.is_poll_closing = false;
    if (!program->is_closing)
        bw_guard_enforcer_make(program);
}

static void close_link(struct bw_guard_program *program)
{
    struct bw_enforcer_link *link = &program->enforcer;

    if (link->fd < 0)
        return;
    bw_deadline_clear(&link->silent);
    link->is_poll_closing = true;
    uv_close((uv_handle_t *)&link->poll, on_poll_closed);
    (void)close(link->fd); /* what it was told it keeps to */
    link->fd = -1;
}

/* Nobody listens at its socket any more; another is made once its descriptor is closed. */
static void give_up(struct bw_guard_program *program)
{
    (void)unlinkat(program->store.mirror_dir, program->enforcer.name, 0);
    close_link(program);
}

/* Its number is its own: only this thread reaps it, and its end of the socket is open still. */
void bw_guard_enforcer_replace(struct bw_guard_program *program)
{
    const struct bw_enforcer_link *link = &program->enforcer;
    char byte;

    if (link->fd < 0 || recv(link->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
        return; /* it has ended: that is read next */
    (void)kill(link->pid, SIGKILL); /* stopped or not */
    give_up(program);
}

/* Frozen it would hold up every arm for as long as it is, and enforce nothing. */
static void on_silent(struct bw_deadline *deadline, void *user)
{
    struct bw_guard_program *program = user;
    const struct bw_enforcer_link *link = &program->enforcer;
    char byte;

    (void)deadline;
    if (link->fd < 0 || recv(link->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 ||
        BW_MUTANT(ENFORCER_SILENT))
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

/* ---- life ------------------------------------------------------------------------------------ */

void bw_guard_enforcer_make(struct bw_guard_program *program)
{
    struct bw_enforcer_link *link = &program->enforcer;

    if (program->is_closing || link->fd >= 0 || link->is_poll_closing)
        return;
    if (!make(program)) {
        bw_deadline_set(&link->again, bw_instant_add(bw_clock_now(), MAKE_AGAIN_NS),
                        BW_DEADLINE_RIGHT);
        return;
    }
    bw_log_info(&program->log, "enforcer.made", "pid=%ld", (long)link->pid);
    link->sent = link->taken = 0;
    link->has_told_all = false;
    for (uint32_t i = 0; i < program->place_count; i++) {
        program->places[i]->told.epoch = 0;
        bw_guard_enforcer_tell_reach(program->places[i]);
    }
    bw_guard_enforcer_flush(program);
}

static void on_again(struct bw_deadline *deadline, void *user)
{
    struct bw_guard_program *program = user;

    (void)deadline;
    if (program->enforcer.fd >= 0)
        bw_guard_enforcer_flush(program);
    else
        bw_guard_enforcer_make(program);
}

/* Before the loop waits: all that the messages of one turn have armed goes in as few frames as it takes. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct bw_guard_program *program = prepare->data;

    if (program->enforcer.is_dirty && !program->is_closing)
        bw_guard_enforcer_flush(program);
}

enum bw_err bw_guard_enforcer_open(struct bw_guard_program *program, struct bw_diag *diag)
{
    struct bw_enforcer_link *link = &program->enforcer;
    enum bw_err err = bw_deadline_init(&link->again, &program->loop, on_again, program, diag);

    if (err != BW_OK)
        return err;
    err = bw_deadline_init(&link->silent, &program->loop, on_silent, program, diag);
    if (err != BW_OK) {
        bw_deadline_close(&link->again, NULL);
        return err;
    }
    BW_ASSERT(uv_prepare_init(&program->loop, &link->prepare) == 0); /* cannot fail */
    link->prepare.data = program;
    BW_ASSERT(uv_prepare_start(&link->prepare, on_prepare) == 0);
    uv_unref((uv_handle_t *)&link->prepare);
    link->is_open = true;
    bw_guard_relief_init(program);
    bw_guard_enforcer_make(program);
    return BW_OK;
}

void bw_guard_enforcer_close(struct bw_guard_program *program)
{
    struct bw_enforcer_link *link = &program->enforcer;

    if (!link->is_open)
        return;
    link->is_open = false;
    bw_guard_relief_close(program);
    bw_deadline_close(&link->again, NULL);
    bw_deadline_close(&link->silent, NULL);
    uv_close((uv_handle_t *)&link->prepare, NULL);
    close_link(program);
}
