/* What its guard is told: bounded, and never waited for. */
#include "program.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/instant.h>
#include <breakwater/base/utf8.h>

/* A guard that does not read loses it: what counts is the exit status. */
static void send_note(const struct bw_steps_program *program, const struct bw_steps_note *note,
                      const int *fds, size_t count)
{
    char control[CMSG_SPACE(sizeof(int) * BW_STEPS_HELD_MAX)] = {0};
    struct iovec data = {.iov_base = (void *)note, .iov_len = sizeof *note};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

    if (count != 0) {
        struct cmsghdr *head;

        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(head), fds, sizeof(int) * count);
    }
    (void)!sendmsg(program->channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT); /* as above */
}

void bw_steps_tell(struct bw_steps_program *program, enum bw_steps_note_kind kind, int step,
                   const struct bw_script_result *result)
{
    struct bw_steps_note note;

    if (program->channel < 0)
        return;
    memset(&note, 0, sizeof note); /* all of it is sent */
    note.kind = (uint8_t)kind;
    note.step = (uint8_t)step;
    note.attempt = (uint16_t)program->steps.tries[step];
    if (result != NULL) {
        note.how = (uint32_t)result->how;
        note.code = result->code;
        note.took_ms = bw_ns_to_ms(result->duration_ns);
        if (result->how == BW_SCRIPT_NOT_STARTED || result->is_unbegun)
            bw_utf8_plain(note.words, sizeof note.words, result->diag->text,
                          strlen(result->diag->text));
    }
    send_note(program, &note, NULL, 0);
}

void bw_steps_tell_line(struct bw_steps_program *program, int step, enum bw_script_stream stream,
                        const char *line, size_t bytes)
{
    char text[PIPE_BUF]; /* which is written whole or not at all */
    const int head = snprintf(text, sizeof text, "%s: ", program->plan.items[step].name);
    const size_t room = sizeof text - (size_t)head - 1;
    const size_t shown = bytes < room ? bytes : room;

    memcpy(text + head, line, shown);
    text[(size_t)head + shown] = '\n';
    (void)!write(stream == BW_SCRIPT_STDOUT ? STDOUT_FILENO : STDERR_FILENO, text,
                 (size_t)head + shown +
                     1); /* a pipe that is full loses the line, and holds up nobody */
}

void bw_steps_tell_held(struct bw_steps_program *program)
{
    const struct bw_steps_note note = {.kind = BW_STEPS_NOTE_HELD};
    int fds[2 * BW_STEPS_MAX];
    const size_t count = bw_script_runner_held(&program->runner, fds, sizeof fds / sizeof fds[0]);

    for (size_t i = 0; i < count && program->channel >= 0; i += BW_STEPS_HELD_MAX)
        send_note(program, &note, fds + i,
                  count - i < BW_STEPS_HELD_MAX ? count - i : BW_STEPS_HELD_MAX);
}
