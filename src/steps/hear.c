/* What its guard hears of it. */
#include <breakwater/steps/steps.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Of one of the steps, and each text ends. */
static bool is_sound(const struct bw_steps_note *note, uint32_t count)
{
    return note->kind < BW_STEPS_NOTE_COUNT && note->kind != BW_STEPS_NOTE_HELD &&
           note->step < count && note->how <= BW_SCRIPT_NOT_STARTED &&
           memchr(note->words, '\0', sizeof note->words) != NULL;
}

/* Outputs that what it started still writes to: read on, as those of a script are. */
static void take_descriptors(struct msghdr *message, struct bw_script_runner *runner)
{
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
         head = CMSG_NXTHDR(message, head)) {
        const size_t count = head->cmsg_len < CMSG_LEN(0)
                                 ? 0
                                 : (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(head) + i * sizeof fd, sizeof fd);
            bw_script_runner_read_on(runner, fd);
        }
    }
}

/* Whoever speaks is not trusted: a note that is none is dropped. */
enum bw_steps_heard bw_steps_hear(int channel, uint32_t count, struct bw_script_runner *runner,
                                  struct bw_steps_note *out_note)
{
    char control[CMSG_SPACE(sizeof(int) * BW_STEPS_HELD_MAX)];
    struct bw_steps_note note;
    struct iovec data = {.iov_base = &note, .iov_len = sizeof note};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    const ssize_t got = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got < 0 && errno == EINTR)
        return BW_STEPS_HEARD_OTHER;
    if (got <= 0)
        return got < 0 && errno == EAGAIN ? BW_STEPS_HEARD_NOTHING : BW_STEPS_HEARD_END;
    if (message.msg_controllen != 0)
        take_descriptors(&message, runner);
    if (got != (ssize_t)sizeof note || (message.msg_flags & MSG_TRUNC) != 0 ||
        !is_sound(&note, count))
        return BW_STEPS_HEARD_OTHER;
    *out_note = note;
    return BW_STEPS_HEARD_NOTE;
}
