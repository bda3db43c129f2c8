#include <breakwater/wire/sync.h>

#include <stdlib.h>

#include "shapes.h"

static const struct bw_coding sync_coding = {
    .shape = &bw_shape_sync,
    .what = "sync",
    .bytes_max = BW_SYNC_BYTES_MAX,
};
static const struct bw_coding answer_coding = {
    .shape = &bw_shape_sync_answer,
    .what = "sync answer",
    .bytes_max = BW_BODY_BYTES_MAX,
};
static const struct bw_coding relay_coding = {
    .shape = &bw_shape_relay,
    .what = "relay",
    .bytes_max = BW_BODY_BYTES_MAX,
};

enum bw_err bw_sync_encode(const struct bw_sync *sync, void *out, size_t out_max, size_t *out_size,
                           struct bw_diag *diag)
{
    return bw_message_encode(&sync_coding, sync, sync->group_count, out, out_max, out_size, diag);
}

enum bw_err bw_sync_decode(const void *data, size_t size, struct bw_sync *out_sync,
                           struct bw_diag *diag)
{
    return bw_message_decode(&sync_coding, data, size, out_sync, diag);
}

void bw_sync_deinit(struct bw_sync *sync)
{
    if (sync == NULL)
        return;
    free(sync->groups);
    sync->groups = NULL;
    sync->group_count = 0;
}

enum bw_err bw_sync_answer_encode(const struct bw_sync_answer *answer, void *out, size_t out_max,
                                  size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&answer_coding, answer, answer->group_count, out, out_max, out_size,
                             diag);
}

enum bw_err bw_sync_answer_decode(const void *data, size_t size, struct bw_sync_answer *out_answer,
                                  struct bw_diag *diag)
{
    return bw_message_decode(&answer_coding, data, size, out_answer, diag);
}

void bw_sync_answer_deinit(struct bw_sync_answer *answer)
{
    if (answer == NULL)
        return;
    free(answer->groups);
    answer->groups = NULL;
    answer->group_count = 0;
}

enum bw_err bw_relay_encode(const struct bw_relay *relay, void *out, size_t out_max,
                            size_t *out_size, struct bw_diag *diag)
{
    return bw_message_encode(&relay_coding, relay, 0, out, out_max, out_size, diag);
}

enum bw_err bw_relay_decode(const void *data, size_t size, struct bw_relay *out_relay,
                            struct bw_diag *diag)
{
    return bw_message_decode(&relay_coding, data, size, out_relay, diag);
}

void bw_relay_deinit(struct bw_relay *relay)
{
    if (relay == NULL)
        return;
    free(relay->sync);
    relay->sync = NULL;
    relay->sync_size = 0;
}
