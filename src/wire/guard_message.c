#include <breakwater/wire/guard_message.h>

#include "shapes.h"

static const struct bw_coding coding = {
    .shape = &bw_shape_guard_message,
    .what = "guard message",
    .bytes_max = BW_GUARD_MESSAGE_BYTES_MAX,
};

/* Messages about the connection name no group, all others do. */
static bool is_group_right(const struct bw_guard_message *message)
{
    const bool has_group = message->group[0] != '\0';

    switch (message->kind) {
    case BW_GUARD_MESSAGE_HELLO:
    case BW_GUARD_MESSAGE_HELLO_REFUSED:
    case BW_GUARD_MESSAGE_WELCOME:
    case BW_GUARD_MESSAGE_WELCOME_DONE:
        return !has_group;
    case BW_GUARD_MESSAGE_ARM:
    case BW_GUARD_MESSAGE_RUN:
    case BW_GUARD_MESSAGE_END:
    case BW_GUARD_MESSAGE_LET_GO:
    case BW_GUARD_MESSAGE_OVERRIDE:
    case BW_GUARD_MESSAGE_PASS:
    case BW_GUARD_MESSAGE_GROUP_STATE:
    case BW_GUARD_MESSAGE_ARMED:
    case BW_GUARD_MESSAGE_ARM_REFUSED:
    case BW_GUARD_MESSAGE_RUN_BEGUN:
    case BW_GUARD_MESSAGE_RUN_ENDED:
    case BW_GUARD_MESSAGE_EPOCH_ENDED:
    case BW_GUARD_MESSAGE_END_REFUSED:
    case BW_GUARD_MESSAGE_LET_GO_DONE:
    case BW_GUARD_MESSAGE_FENCE_BEGUN:
    case BW_GUARD_MESSAGE_FENCE_ENDED:
    case BW_GUARD_MESSAGE_OVERRIDE_DONE:
    case BW_GUARD_MESSAGE_OVERRIDE_REFUSED:
        return has_group;
    case BW_GUARD_MESSAGE_SHOW: /* of all: the first is after none */
        /* not covered: a question for a group that names none. */
        return has_group || message->show.next;
    case BW_GUARD_MESSAGE_SHOWN: /* none: there is no such group */
        return true;
    }
    return false;
}

enum bw_err bw_guard_message_encode(const struct bw_guard_message *message, void *out,
                                    size_t out_max, size_t *out_size, struct bw_diag *diag)
{
    if (!is_group_right(message))
        return bw_diag_set(diag, BW_ERR_INVALID, "guard message: group: missing, or out of place");
    return bw_message_encode(&coding, message, 0, out, out_max, out_size, diag);
}

enum bw_err bw_guard_message_decode(const void *data, size_t size,
                                    struct bw_guard_message *out_message, struct bw_diag *diag)
{
    struct bw_guard_message message;
    enum bw_err err = bw_message_decode(&coding, data, size, &message, diag);

    if (err != BW_OK)
        return err;
    if (!is_group_right(&message))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "guard message: group: missing, or out of place");
    *out_message = message;
    return BW_OK;
}
