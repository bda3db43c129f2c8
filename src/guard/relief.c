/* The enforcers of guards before this one: each goes on for what this guard does not know of, and is
 * relieved of the rest, once our own enforcer holds it. Until then no later deadline is passed on: one of
 * theirs would end at the earlier one what was renewed since. One that does not answer is waited for a
 * second. Design 3.4. */
#include "program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>

/* ---- one predecessor ------------------------------------------------------------------------- */

static bool send_frame(int fd, const struct bw_enforcer_message *message)
{
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    const size_t size = bw_enforcer_message_encode(message, frame);

    return send(fd, frame, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

static bool send_known(struct bw_guard_program *program, int fd)
{
    struct bw_enforcer_message *message = &program->enforcer.message;

    message->kind = BW_ENFORCER_MESSAGE_SUCCEED;
    message->number = message->order_count = message->means_count = 0;
    for (uint32_t i = 0; i < program->group_count; i++) {
        struct bw_enforcer_order *order = &message->orders[message->order_count++];

        memset(order, 0, sizeof *order);
        memcpy(order->group, program->groups[i]->machine.group, sizeof order->group);
        order->epoch = bw_enforcing_known_epoch(&program->groups[i]->at.enforcing);
        if (message->order_count < BW_ENFORCER_ORDERS_MAX && i + 1 < program->group_count)
            continue;
        if (!send_frame(fd, message))
            return false;
        message->order_count = 0;
    }
    message->kind = BW_ENFORCER_MESSAGE_RELIEVE;
    message->order_count = 0;
    return send_frame(fd, message);
}

static int connect_to(const struct bw_guard_program *program, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int os_errno;

    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%.31s",
                   program->store.mirror_dir, name);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    os_errno = errno;
    (void)close(fd); /* nothing was said */
    errno = os_errno;
    return -1;
}

static void begin_one(struct bw_guard_program *program, const char *name)
{
    struct bw_relief *relief = &program->relief;
    const int fd = connect_to(program, name);

    if (fd < 0 && (errno == ECONNREFUSED || errno == ENOENT)) {
        (void)unlinkat(program->store.mirror_dir, name, 0); /* whoever listened there is gone */
        return;
    }
    if (fd < 0 || relief->count == BW_RELIEF_MAX || !send_known(program, fd)) {
        relief->is_incomplete = true; /* looked at again */
        if (fd >= 0)
            (void)close(fd); /* what it heard, it does; it is asked again */
        return;
    }
    relief->fds[relief->count++] = fd;
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void begin_all(struct bw_guard_program *program)
{
    const int fd = openat(program->store.mirror_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    program->relief.is_incomplete = list == NULL;
    if (list == NULL) {
        if (fd >= 0)
            (void)close(fd); /* only read from */
        return;
    }
    while ((entry = readdir(list)) != NULL)
        if (bw_enforcer_is_name(entry->d_name) && strcmp(entry->d_name, program->enforcer.name) != 0)
            begin_one(program, entry->d_name);
    (void)closedir(list); /* only read from */
}

/* True: it has answered, or has ended. */
static bool has_answered(struct bw_guard_program *program, int fd)
{
    struct bw_enforcer_message *answer = &program->enforcer.answer;
    uint8_t frame[BW_ENFORCER_FRAME_BYTES_MAX];
    const ssize_t got = recv(fd, frame, sizeof frame, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0 || bw_enforcer_message_decode(frame, (size_t)got, answer) != BW_OK)
        return true;
    for (uint32_t i = 0; i < answer->order_count; i++)
        bw_log_error(&program->log, "enforcer.kept",
                     "group=%s epoch=%" PRIu64 " left_ms=%" PRIu64
                     " error=\"an earlier guard armed it, and no mirror of it was found here\" "
                     "does=\"its enforcer ends what it started at the deadline\"",
                     answer->orders[i].group, answer->orders[i].epoch,
                     bw_ns_to_ms(bw_instant_left_ns(bw_clock_now(), answer->orders[i].end)));
    return true;
}

static void hear_all(struct bw_guard_program *program)
{
    struct bw_relief *relief = &program->relief;

    for (uint32_t i = 0; i < relief->count;) {
        if (!has_answered(program, relief->fds[i])) {
            i++;
            continue;
        }
        (void)close(relief->fds[i]); /* all was said */
        relief->fds[i] = relief->fds[--relief->count];
    }
}

void bw_guard_relief_ask(struct bw_guard_program *program)
{
    struct bw_relief *relief = &program->relief;

    if (program->machine.enforcing.relief == BW_RELIEF_NONE)
        relief->is_incomplete = true; /* nobody was asked yet, or not about all groups */
    hear_all(program);
    if (relief->count == 0 && relief->is_incomplete)
        begin_all(program);
    bw_enforcing_on_relief(&program->machine.enforcing, relief->count == 0 && !relief->is_incomplete,
                           bw_clock_now());
}

void bw_guard_relief_close(struct bw_guard_program *program)
{
    struct bw_relief *relief = &program->relief;

    for (uint32_t i = 0; i < relief->count; i++)
        (void)close(relief->fds[i]); /* as at any death of ours */
    relief->count = 0;
}
