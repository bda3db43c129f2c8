#include <breakwater/wire/guard_message.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "shapes.h"

/* ---- with the agent ---- */

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

/* ---- with the enforcer ---- */

/* "BWE" and the version; kind, number of orders, number of means (u8 each), 0; number (u64 LE). */
#define VERSION 1
static const uint8_t magic[4] = {'B', 'W', 'E', VERSION};

_Static_assert(BW_ENFORCER_ORDERS_MAX <= UINT8_MAX && BW_ENFORCER_MEANS_MAX <= UINT8_MAX,
               "one byte each");
_Static_assert(BW_ENFORCER_HEAD_BYTES + BW_ENFORCER_ORDER_BYTES + BW_ENFORCER_PATHS_BYTES <=
                   BW_ENFORCER_FRAME_BYTES_MAX,
               "paths come with one order");

static void put_order(const struct bw_enforcer_order *order, uint8_t *out)
{
    memcpy(out, order->group, BW_NAME_MAX + 1);
    out += BW_NAME_MAX + 1;
    bw_put_u64le(out, order->epoch);
    bw_put_u64le(out + 8, order->end.boot_ns);
    bw_put_u64le(out + 16, order->end.raw_ns);
    bw_put_u64le(out + 24, order->fence_ns);
}

/* False: its name has no end. */
static bool get_order(const uint8_t *in, struct bw_enforcer_order *out_order)
{
    memset(out_order, 0, sizeof *out_order);
    if (in[BW_NAME_MAX] != '\0')
        return false;
    memcpy(out_order->group, in, strlen((const char *)in));
    in += BW_NAME_MAX + 1;
    out_order->epoch = bw_get_u64le(in);
    out_order->end.boot_ns = bw_get_u64le(in + 8);
    out_order->end.raw_ns = bw_get_u64le(in + 16);
    out_order->fence_ns = bw_get_u64le(in + 24);
    return true;
}

size_t bw_enforcer_message_encode(const struct bw_enforcer_message *message,
                                  uint8_t out[BW_ENFORCER_FRAME_BYTES_MAX])
{
    uint8_t *at = out + BW_ENFORCER_HEAD_BYTES;

    BW_ASSERT(message->order_count <= BW_ENFORCER_ORDERS_MAX);
    BW_ASSERT(message->means_count <= BW_ENFORCER_MEANS_MAX);
    memcpy(out, magic, sizeof magic);
    out[4] = (uint8_t)message->kind;
    out[5] = (uint8_t)message->order_count;
    out[6] = (uint8_t)message->means_count;
    out[7] = 0;
    bw_put_u64le(out + 8, message->number);
    for (uint32_t i = 0; i < message->order_count; i++, at += BW_ENFORCER_ORDER_BYTES)
        put_order(&message->orders[i], at);
    for (uint32_t i = 0; i < message->means_count; i++)
        *at++ = (uint8_t)message->means[i];
    if (message->kind == BW_ENFORCER_MESSAGE_PATHS) {
        BW_ASSERT(message->order_count == 1 && message->means_count == 0);
        BW_ASSERT(message->path_bytes <= BW_ENFORCER_PATHS_BYTES);
        memcpy(at, message->paths, message->path_bytes);
        at += message->path_bytes;
    }
    return (size_t)(at - out);
}

/* What follows the one order of a PATHS frame: paths, the last of which has its NUL. */
static enum bw_err get_paths(const uint8_t *in, size_t size, struct bw_enforcer_message *out_message)
{
    /* not covered: paths of no order or of several, and paths beside means: no guard sends them. */
    if (out_message->order_count != 1 || out_message->means_count != 0 ||
        size > BW_ENFORCER_PATHS_BYTES || (size > 0 && in[size - 1] != '\0'))
        return BW_ERR_CORRUPT;
    memcpy(out_message->paths, in, size);
    out_message->path_bytes = (uint32_t)size;
    return BW_OK;
}

enum bw_err bw_enforcer_message_decode(const uint8_t *data, size_t size,
                                       struct bw_enforcer_message *out_message)
{
    const uint8_t *at = data + BW_ENFORCER_HEAD_BYTES;
    size_t fixed;

    if (size < BW_ENFORCER_HEAD_BYTES || memcmp(data, magic, 3) != 0)
        return BW_ERR_CORRUPT;
    if (data[3] != VERSION)
        return BW_ERR_VERSION;
    out_message->order_count = data[5];
    out_message->means_count = data[6];
    fixed = BW_ENFORCER_HEAD_BYTES + out_message->order_count * BW_ENFORCER_ORDER_BYTES +
            out_message->means_count;
    /* not covered: paths in a message that is shorter than its own head. */
    if (data[4] >= BW_ENFORCER_MESSAGE_COUNT || data[7] != 0 ||
        out_message->order_count > BW_ENFORCER_ORDERS_MAX ||
        out_message->means_count > BW_ENFORCER_MEANS_MAX ||
        (data[4] == BW_ENFORCER_MESSAGE_PATHS ? size < fixed : size != fixed))
        return BW_ERR_CORRUPT;
    out_message->kind = (enum bw_enforcer_message_kind)data[4];
    out_message->number = bw_get_u64le(data + 8);
    for (uint32_t i = 0; i < out_message->order_count; i++, at += BW_ENFORCER_ORDER_BYTES)
        if (!get_order(at, &out_message->orders[i]))
            return BW_ERR_CORRUPT;
    for (uint32_t i = 0; i < out_message->means_count; i++) {
        if (at[i] >= BW_ENFORCER_MEANS_COUNT)
            return BW_ERR_CORRUPT;
        out_message->means[i] = (enum bw_enforcer_means)at[i];
    }
    out_message->path_bytes = 0;
    if (out_message->kind == BW_ENFORCER_MESSAGE_PATHS)
        return get_paths(at, size - fixed, out_message);
    return BW_OK;
}

bool bw_enforcer_is_name(const char *name)
{
    const size_t prefix = strlen(BW_ENFORCER_NAME_PREFIX);

    return strncmp(name, BW_ENFORCER_NAME_PREFIX, prefix) == 0 &&
           strlen(name) == prefix + BW_ENFORCER_ID_CHARS &&
           strspn(name + prefix, "0123456789abcdef") == BW_ENFORCER_ID_CHARS;
}
