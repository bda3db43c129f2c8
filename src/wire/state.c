#include <breakwater/wire/state.h>

#include <stdlib.h>

#include "shapes.h"

static const char *agent_state_unsound(const void *core)
{
    const struct bw_agent_state *state = core;

    for (uint32_t i = 0; i < state->group_count; i++) {
        const char *wrong = bw_site_memory_unsound(&state->groups[i].memory);

        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

static const char *memory_unsound(const void *core)
{
    return bw_guard_memory_unsound(&((const struct bw_guard_memory_file *)core)->memory);
}

static const char *mirror_unsound(const void *core)
{
    return bw_guard_mirror_unsound(&((const struct bw_guard_mirror_file *)core)->mirror);
}

static const struct bw_coding agent_coding = {
    .shape = &bw_shape_agent_state,
    .what = "agent state",
    .bytes_max = BW_AGENT_STATE_BYTES_MAX,
    .is_strict = true,
    .unsound = agent_state_unsound,
    .unsound_head = "it contradicts itself: ",
};
static const struct bw_coding members_coding = {
    .shape = &bw_shape_kept_members,
    .what = "list of members",
    .bytes_max = BW_KEPT_MEMBERS_BYTES_MAX,
    .is_strict = true,
};
static const struct bw_coding memory_coding = {
    .shape = &bw_shape_guard_memory_file,
    .what = "guard memory",
    .bytes_max = BW_GUARD_FILE_BYTES_MAX,
    .is_strict = true,
    .unsound = memory_unsound,
    .unsound_head = "it contradicts itself: ",
};
static const struct bw_coding mirror_coding = {
    .shape = &bw_shape_guard_mirror_file,
    .what = "guard mirror",
    .bytes_max = BW_GUARD_FILE_BYTES_MAX,
    .is_strict = true,
    .unsound = mirror_unsound,
    .unsound_head = "it contradicts itself: ",
};
static const struct bw_coding reach_coding = {
    .shape = &bw_shape_guard_reach_file,
    .what = "reach of a group",
    .bytes_max = BW_GUARD_REACH_BYTES_MAX,
    .is_strict = true,
};

/* 3.9: no agent takes such terms. They are in a file that is damaged, or that was written by a release which took them; as
 * limits of its exchanges they would end each start. */
static enum bw_err judge_terms(const struct bw_agent_state *state, struct bw_diag *diag)
{
    for (uint32_t i = 0; i < state->group_count; i++) {
        const struct bw_terms *terms = &state->groups[i].memory.terms;

        if (!bw_terms_are_unsaid(terms) && !bw_terms_may_be(terms))
            return bw_diag_set(diag, BW_ERR_CORRUPT, "of %s it has terms that no spec may have: they were made up",
                               state->groups[i].name);
    }
    return BW_OK;
}

enum bw_err bw_agent_state_encode(const struct bw_agent_state *state, void *out, size_t out_max,
                                  size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&agent_coding, state, state->group_count, out, out_max, out_size, diag);
}

enum bw_err bw_agent_state_decode(const void *data, size_t size, struct bw_agent_state *out_state,
                                  struct bw_diag *diag)
{
    struct bw_agent_state state;
    enum bw_err err = bw_message_decode(&agent_coding, data, size, &state, diag);

    if (err != BW_OK)
        return err;
    err = judge_terms(&state, diag);
    if (err == BW_OK)
        *out_state = state;
    else
        bw_agent_state_deinit(&state);
    return err;
}

void bw_agent_state_deinit(struct bw_agent_state *state)
{
    if (state == NULL)
        return;
    free(state->groups);
    state->groups = NULL;
    state->group_count = 0;
}

enum bw_err bw_kept_members_encode(const struct bw_kept_members *members, void *out, size_t out_max,
                                   size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&members_coding, members, 0, out, out_max, out_size, diag);
}

enum bw_err bw_kept_members_decode(const void *data, size_t size,
                                   struct bw_kept_members *out_members, struct bw_diag *diag)
{
    return bw_message_decode(&members_coding, data, size, out_members, diag);
}

enum bw_err bw_guard_memory_encode(const struct bw_guard_memory_file *file, void *out,
                                   size_t out_max, size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&memory_coding, file, 0, out, out_max, out_size, diag);
}

enum bw_err bw_guard_memory_decode(const void *data, size_t size,
                                   struct bw_guard_memory_file *out_file, struct bw_diag *diag)
{
    return bw_message_decode(&memory_coding, data, size, out_file, diag);
}

enum bw_err bw_guard_mirror_encode(const struct bw_guard_mirror_file *file, void *out,
                                   size_t out_max, size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&mirror_coding, file, 0, out, out_max, out_size, diag);
}

enum bw_err bw_guard_mirror_decode(const void *data, size_t size,
                                   struct bw_guard_mirror_file *out_file, struct bw_diag *diag)
{
    return bw_message_decode(&mirror_coding, data, size, out_file, diag);
}

enum bw_err bw_guard_reach_encode(const struct bw_guard_reach_file *file, void *out, size_t out_max,
                                  size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&reach_coding, file, 0, out, out_max, out_size, diag);
}

enum bw_err bw_guard_reach_decode(const void *data, size_t size,
                                  struct bw_guard_reach_file *out_file, struct bw_diag *diag)
{
    return bw_message_decode(&reach_coding, data, size, out_file, diag);
}
