#include <breakwater/wire/second.h>

#include <stdlib.h>

#include "shapes.h"

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
};

static const struct bw_coding mirror_coding = {
    .shape = &bw_shape_second_mirror_file,
    .what = "mirror of a second enforcer",
    .bytes_max = BW_SECOND_BYTES_MAX,
    .is_strict = true,
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

static bool is_sound(const struct bw_second_state *state)
{
    for (uint32_t i = 0; i < state->group_count; i++)
        if (bw_second_memory_unsound(&state->groups[i].memory) != NULL)
            return false;
    return true;
}

enum bw_err bw_second_state_encode(const struct bw_second_state *state, void *out, size_t out_max,
                                   size_t *out_size, struct bw_diag *diag)
{
    if (!is_sound(state))
        return bw_diag_set(diag, BW_ERR_INVALID, "it contradicts itself");
    return bw_message_encode(&state_coding, state, state->group_count, out, out_max, out_size,
                             diag);
}

enum bw_err bw_second_state_decode(const void *data, size_t size, struct bw_second_state *out_state,
                                   struct bw_diag *diag)
{
    struct bw_second_state state;
    const enum bw_err err = bw_message_decode(&state_coding, data, size, &state, diag);

    if (err != BW_OK)
        return err;
    if (!is_sound(&state)) {
        bw_second_state_deinit(&state);
        return bw_diag_set(diag, BW_ERR_CORRUPT, "it contradicts itself");
    }
    *out_state = state;
    return BW_OK;
}

void bw_second_state_deinit(struct bw_second_state *state)
{
    free(state->groups);
    state->groups = NULL;
    state->group_count = 0;
}

static bool is_mirror_sound(const struct bw_second_mirror_file *file)
{
    for (uint32_t i = 0; i < file->group_count; i++)
        if (bw_second_mirror_unsound(&file->groups[i].mirror) != NULL)
            return false;
    return true;
}

enum bw_err bw_second_mirror_encode(const struct bw_second_mirror_file *file, void *out,
                                    size_t out_max, size_t *out_size, struct bw_diag *diag)
{
    if (!is_mirror_sound(file))
        return bw_diag_set(diag, BW_ERR_INVALID, "it contradicts itself");
    return bw_message_encode(&mirror_coding, file, file->group_count, out, out_max, out_size, diag);
}

enum bw_err bw_second_mirror_decode(const void *data, size_t size,
                                    struct bw_second_mirror_file *out_file, struct bw_diag *diag)
{
    struct bw_second_mirror_file file;
    const enum bw_err err = bw_message_decode(&mirror_coding, data, size, &file, diag);

    if (err != BW_OK)
        return err;
    if (!is_mirror_sound(&file)) {
        bw_second_mirror_deinit(&file);
        return bw_diag_set(diag, BW_ERR_CORRUPT, "it contradicts itself");
    }
    *out_file = file;
    return BW_OK;
}

void bw_second_mirror_deinit(struct bw_second_mirror_file *file)
{
    free(file->groups);
    file->groups = NULL;
    file->group_count = 0;
}
