/* Its guard: how the process that runs steps is begun, and what is heard of it. */
#include <breakwater/steps/steps.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

/* In the child that becomes it, whose stdin the plan is already: so what the group's digest was
 * made of is what each step is held against later (3.4). Async-signal-safe. */
static uint64_t digest_start(const void *of)
{
    uint64_t steps[BW_STEPS_MAX] = {0};
    const uint64_t digest = bw_group_config_digest_steps(of, steps);

    /* What is not written stays 0, which no file's digest is: that step is refused. */
    (void)!pwrite(STDIN_FILENO, &digest, sizeof digest, offsetof(struct bw_steps_plan, digest));
    (void)!pwrite(STDIN_FILENO, steps, sizeof steps, offsetof(struct bw_steps_plan, digests));
    return digest;
}

static void copy_items(const struct bw_steps_config *steps, struct bw_steps_plan *plan)
{
    plan->count = steps->count;
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct bw_step_config *step = &steps->items[i];
        struct bw_steps_item *item = &plan->items[i];

        BW_ASSERT(bw_copy_text(item->name, sizeof item->name, step->name));
        BW_ASSERT(
            bw_copy_text(item->script, sizeof item->script, step->script)); /* its key's max */
        item->rule = step->rule;
        item->timeout_ms = step->timeout_ms;
    }
}

void bw_steps_order(const struct bw_group_config *group, enum bw_action_kind action,
                    const int *channel, struct bw_steps_plan *out_plan, struct bw_script_spec *spec)
{
    static const char *const args[] = {BW_STEPS_VERB, NULL};

    _Static_assert(sizeof *out_plan <= BW_SCRIPT_FILE_BYTES_MAX, "it is a script's stdin");
    out_plan->size = sizeof *out_plan;
    out_plan->action = action;
    out_plan->has_digests = action == BW_ACTION_START;
    out_plan->allow_writable_scripts = group->allow_writable_scripts;
    out_plan->kill_grace_ms = group->kill_grace_ms;
    copy_items(bw_group_config_steps(group, action), out_plan);
    spec->path = "/proc/self/exe"; /* this program, also where another lies in its place by now */
    spec->args = args;
    spec->input = (const char *)out_plan;
    spec->input_bytes = sizeof *out_plan;
    spec->input_is_file = true;
    spec->channel = channel;
    spec->refuses_writable = false; /* it is us; of the steps it refuses by itself */
    if (action == BW_ACTION_START) {
        spec->digest = digest_start;
        spec->digest_of = group;
    }
}

/* ---- what is heard of it ---- */

/* What its guard hears of it. */

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
