#include <breakwater/wire/log_entry.h>

#include <stdlib.h>
#include <string.h>

#include <breakwater/wire/frame.h>

#include "shapes.h"

#define ALIGN       8
#define PAYLOAD_MAX (BW_COMMAND_BYTES_MAX - BW_FRAME_HEAD_BYTES - (ALIGN - 1))

/* Commands about the cluster; every other command is about a group. */
static const char *unsound(const void *core)
{
    const struct bw_command *command = core;
    const bool is_of_cluster = command->kind == BW_COMMAND_FOUND || command->kind == BW_COMMAND_RAISE_LEVEL ||
                               command->kind == BW_COMMAND_SET_PEOPLE;

    return (command->group[0] == '\0') == is_of_cluster
               ? NULL
               : "is missing, or not for what is about the cluster";
}

static const struct bw_coding coding = {
    .shape = &bw_shape_log_entry,
    .what = "log entry",
    .bytes_max = PAYLOAD_MAX,
    .is_strict = true,
    .unsound = unsound,
    .unsound_head = "log entry: group: ",
};

enum bw_err bw_log_entry_encode(const struct bw_command *command, void *out, size_t out_max,
                                size_t *out_size, struct bw_diag *diag)
{
    uint8_t *frame = out;
    size_t payload_size;
    size_t frame_size;
    size_t size;
    enum bw_err err;

    if (out_max < BW_FRAME_HEAD_BYTES + ALIGN)
        return bw_diag_set(diag, BW_ERR_LIMIT, "log entry: there is room for %zu bytes", out_max);
    err = bw_message_encode(&coding, command, 0, frame + BW_FRAME_HEAD_BYTES,
                            out_max - BW_FRAME_HEAD_BYTES - (ALIGN - 1), &payload_size, diag);
    if (err != BW_OK)
        return err;
    bw_frame_seal(frame, BW_FRAME_LOG_ENTRY, payload_size);
    frame_size = BW_FRAME_HEAD_BYTES + payload_size;
    size = (frame_size + ALIGN - 1) / ALIGN * ALIGN;
    memset(frame + frame_size, 0, size - frame_size);
    *out_size = size;
    return BW_OK;
}

static bool is_padding(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return size < ALIGN;
}

enum bw_err bw_log_entry_decode(const void *data, size_t size, struct bw_command *out_command,
                                struct bw_diag *diag)
{
    struct bw_frame frame;
    enum bw_err err;

    err = bw_frame_open(data, size, BW_FRAME_LOG_ENTRY, PAYLOAD_MAX, &frame, diag);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "log entry");
    if (!is_padding((const uint8_t *)data + frame.size, size - frame.size))
        return bw_diag_set(diag, BW_ERR_CORRUPT, "log entry: something follows it");
    return bw_message_decode(&coding, frame.payload, frame.payload_size, out_command, diag);
}

void bw_log_entry_release(struct bw_command *command)
{
    if (command->kind == BW_COMMAND_SET_PEOPLE)
        free(command->people);
}
