/* The payloads of an agent's and a guard's files. The first byte says which. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/wire/second.h>
#include <breakwater/wire/state.h>

#include "../support/wire_fill.h"
#include "fuzz.h"

#define UNTOUCHED 0xa5

union any {
    struct bw_agent_state agent;
    struct bw_kept_members members;
    struct bw_guard_memory_file memory;
    struct bw_guard_mirror_file mirror;
    struct bw_guard_reach_file reach;
    struct bw_second_state second;
    struct bw_second_mirror_file second_mirror;
};

static const struct bw_shape *const shapes[] = {
    &bw_shape_agent_state,       &bw_shape_guard_memory_file, &bw_shape_guard_mirror_file,
    &bw_shape_guard_reach_file,  &bw_shape_kept_members,      &bw_shape_second_state,
    &bw_shape_second_mirror_file};

static enum bw_err decode(unsigned kind, const void *data, size_t size, union any *out,
                          struct bw_diag *diag)
{
    if (kind == 0)
        return bw_agent_state_decode(data, size, &out->agent, diag);
    if (kind == 1)
        return bw_guard_memory_decode(data, size, &out->memory, diag);
    if (kind == 3)
        return bw_guard_reach_decode(data, size, &out->reach, diag);
    if (kind == 4)
        return bw_kept_members_decode(data, size, &out->members, diag);
    if (kind == 5)
        return bw_second_state_decode(data, size, &out->second, diag);
    if (kind == 6)
        return bw_second_mirror_decode(data, size, &out->second_mirror, diag);
    return bw_guard_mirror_decode(data, size, &out->mirror, diag);
}

static enum bw_err encode(unsigned kind, const union any *core, void *out, size_t out_max,
                          size_t *out_size, struct bw_diag *diag)
{
    if (kind == 0)
        return bw_agent_state_encode(&core->agent, out, out_max, out_size, diag);
    if (kind == 1)
        return bw_guard_memory_encode(&core->memory, out, out_max, out_size, diag);
    if (kind == 3)
        return bw_guard_reach_encode(&core->reach, out, out_max, out_size, diag);
    if (kind == 4)
        return bw_kept_members_encode(&core->members, out, out_max, out_size, diag);
    if (kind == 5)
        return bw_second_state_encode(&core->second, out, out_max, out_size, diag);
    if (kind == 6)
        return bw_second_mirror_encode(&core->second_mirror, out, out_max, out_size, diag);
    return bw_guard_mirror_encode(&core->mirror, out, out_max, out_size, diag);
}

static void check_round_trip(unsigned kind, const union any *first)
{
    static uint8_t bytes[BW_AGENT_STATE_BYTES_MAX];
    struct bw_diag diag = {0};
    union any second;
    size_t size;

    FUZZ_CHECK(encode(kind, first, bytes, sizeof bytes, &size, &diag) == BW_OK);
    FUZZ_CHECK(decode(kind, bytes, size, &second, &diag) == BW_OK);
    FUZZ_CHECK(wire_is_equal(shapes[kind], first, &second));
    wire_free(shapes[kind], &second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned kind = size > 0 ? data[0] % (sizeof shapes / sizeof shapes[0]) : 0;
    struct bw_diag diag = {0};
    union any untouched;
    union any core;
    enum bw_err err;

    if (size == 0)
        return 0;
    memset(&core, UNTOUCHED, sizeof core);
    memset(&untouched, UNTOUCHED, sizeof untouched);
    err = decode(kind, data + 1, size - 1, &core, &diag);
    fuzz_check_outcome(err, &diag);
    if (err != BW_OK) {
        FUZZ_CHECK(memcmp(&core, &untouched, sizeof core) == 0);
        return 0;
    }
    fuzz_check_shape(shapes[kind], &core);
    check_round_trip(kind, &core);
    wire_free(shapes[kind], &core);
    return 0;
}
