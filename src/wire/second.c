#include <breakwater/wire/second.h>

#include <stdlib.h>

#include "shapes.h"

static const char *state_unsound(const void *core)
{
    const struct bw_second_state *state = core;

    for (uint32_t i = 0; i < state->group_count; i++)
        if (bw_second_memory_unsound(&state->groups[i].memory) != NULL)
            return "it contradicts itself";
    return NULL;
}

static const char *mirror_unsound(const void *core)
{
    const struct bw_second_mirror_file *file = core;

    for (uint32_t i = 0; i < file->group_count; i++)
        if (bw_second_mirror_unsound(&file->groups[i].mirror) != NULL)
            return "it contradicts itself";
    return NULL;
}

static const struct bw_coding ask_coding = {
    .shape = &bw_shape_second_ask,
    .what = "question of a second enforcer",
    .bytes_max = BW_SECOND_BYTES_MAX,
};
static const struct bw_coding answer_coding = {
    .shape = &bw_shape_second_answer,
    .what = "answer to a second enforcer",
    .bytes_max = BW_SECOND_BYTES_MAX,
};
static const struct bw_coding state_coding = {
    .shape = &bw_shape_second_state,
    .what = "state of a second enforcer",
    .bytes_max = BW_SECOND_BYTES_MAX,
    .is_strict = true,
    .unsound = state_unsound,
    .unsound_head = "",
};

static const struct bw_coding mirror_coding = {
    .shape = &bw_shape_second_mirror_file,
    .what = "mirror of a second enforcer",
    .bytes_max = BW_SECOND_BYTES_MAX,
    .is_strict = true,
    .unsound = mirror_unsound,
    .unsound_head = "",
};

enum bw_err bw_second_ask_encode(const struct bw_second_ask *ask, void *out, size_t out_max,
                                 size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&ask_coding, ask, ask->group_count, out, out_max, out_size, diag);
}

enum bw_err bw_second_ask_decode(const void *data, size_t size, struct bw_second_ask *out_ask,
                                 struct bw_diag *diag)
{
    return bw_message_decode(&ask_coding, data, size, out_ask, diag);
}

void bw_second_ask_deinit(struct bw_second_ask *ask)
{
    free(ask->groups);
    ask->groups = NULL;
    ask->group_count = 0;
}

enum bw_err bw_second_answer_encode(const struct bw_second_answer *answer, void *out,
                                    size_t out_max, size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&answer_coding, answer, answer->group_count, out, out_max, out_size,
                             diag);
}

enum bw_err bw_second_answer_decode(const void *data, size_t size,
                                    struct bw_second_answer *out_answer, struct bw_diag *diag)
{
    return bw_message_decode(&answer_coding, data, size, out_answer, diag);
}

void bw_second_answer_deinit(struct bw_second_answer *answer)
{
    free(answer->groups);
    answer->groups = NULL;
    answer->group_count = 0;
}

enum bw_err bw_second_state_encode(const struct bw_second_state *state, void *out, size_t out_max,
                                   size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&state_coding, state, state->group_count, out, out_max, out_size,
                             diag);
}

enum bw_err bw_second_state_decode(const void *data, size_t size, struct bw_second_state *out_state,
                                   struct bw_diag *diag)
{
    return bw_message_decode(&state_coding, data, size, out_state, diag);
}

void bw_second_state_deinit(struct bw_second_state *state)
{
    free(state->groups);
    state->groups = NULL;
    state->group_count = 0;
}

enum bw_err bw_second_mirror_encode(const struct bw_second_mirror_file *file, void *out,
                                    size_t out_max, size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&mirror_coding, file, file->group_count, out, out_max, out_size, diag);
}

enum bw_err bw_second_mirror_decode(const void *data, size_t size,
                                    struct bw_second_mirror_file *out_file, struct bw_diag *diag)
{
    return bw_message_decode(&mirror_coding, data, size, out_file, diag);
}

void bw_second_mirror_deinit(struct bw_second_mirror_file *file)
{
    free(file->groups);
    file->groups = NULL;
    file->group_count = 0;
}
