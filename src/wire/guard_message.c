#include <breakwater/wire/guard_message.h>

#include "shapes.h"

/* Messages about the connection name no group, all others do. */
static const char *unsound(const void *core)
{
    const struct bw_guard_message *message = core;
    const bool has_group = message->group[0] != '\0';
    const bool is_of_connection = message->kind == BW_GUARD_MESSAGE_HELLO ||
                                  message->kind == BW_GUARD_MESSAGE_HELLO_REFUSED ||
                                  message->kind == BW_GUARD_MESSAGE_WELCOME ||
                                  message->kind == BW_GUARD_MESSAGE_WELCOME_DONE;
    const bool may_be_none =
        message->kind == BW_GUARD_MESSAGE_SHOWN || /* there is no such group */
        /* not covered: a question for a group that names none. */
        (message->kind == BW_GUARD_MESSAGE_SHOW && message->show.next); /* of all: the first is after none */
    const bool is_right = has_group ? !is_of_connection : is_of_connection || may_be_none;

    return is_right ? NULL : "missing, or out of place";
}

static const struct bw_coding coding = {
    .shape = &bw_shape_guard_message,
    .what = "guard message",
    .bytes_max = BW_GUARD_MESSAGE_BYTES_MAX,
    .unsound = unsound,
    .unsound_head = "guard message: group: ",
};

enum bw_err bw_guard_message_encode(const struct bw_guard_message *message, void *out,
                                    size_t out_max, size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&coding, message, 0, out, out_max, out_size, diag);
}

enum bw_err bw_guard_message_decode(const void *data, size_t size,
                                    struct bw_guard_message *out_message, struct bw_diag *diag)
{
    return bw_message_decode(&coding, data, size, out_message, diag);
}
