/* second.h - what a second enforcer and its agent say to each other, and what it must not forget
 * (proto/agent.proto, proto/state.proto). Design 3.4. Bodies of HTTP requests and answers, and the payload of
 * a file that os/durable frames.
 *
 * Encoding writes to `out` of `out_max` bytes. BW_ERR_INVALID: a value that could not be read again.
 * BW_ERR_LIMIT, BW_ERR_NOMEM. On an error *out_size is untouched, `out` is not.
 * Decoding: BW_ERR_CORRUPT, BW_ERR_VERSION, BW_ERR_LIMIT, BW_ERR_NOMEM; the output is then untouched. What was
 * decoded is freed by the function beside. */
#ifndef BW_WIRE_SECOND_H
#define BW_WIRE_SECOND_H

#include <breakwater/core/second.h>

#define BW_SECOND_BYTES_MAX (192 * 1024) /* question, answer or file of BW_GROUPS_MAX groups */

BW_MUST_CHECK enum bw_err bw_second_ask_encode(const struct bw_second_ask *ask, void *out,
                                               size_t out_max, size_t *out_size,
                                               struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_second_ask_decode(const void *data, size_t size,
                                               struct bw_second_ask *out_ask, struct bw_diag *diag);
void bw_second_ask_deinit(struct bw_second_ask *ask);

BW_MUST_CHECK enum bw_err bw_second_answer_encode(const struct bw_second_answer *answer, void *out,
                                                  size_t out_max, size_t *out_size,
                                                  struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_second_answer_decode(const void *data, size_t size,
                                                  struct bw_second_answer *out_answer,
                                                  struct bw_diag *diag);
void bw_second_answer_deinit(struct bw_second_answer *answer);

/* Its file: STATE_DIR/second/CLUSTER.state. One that contradicts itself (an open epoch without a fence window)
 * is neither written nor taken. */
#define BW_SECOND_STATE_MAGIC   "BWSE"
#define BW_SECOND_STATE_VERSION 2
struct bw_second_group {
    char name[BW_NAME_MAX + 1];
    struct bw_second_memory memory;
};
struct bw_second_state {
    char site[BW_NAME_MAX + 1];
    uint32_t group_count;
    struct bw_second_group *groups;
};
BW_MUST_CHECK enum bw_err bw_second_state_encode(const struct bw_second_state *state, void *out,
                                                 size_t out_max, size_t *out_size,
                                                 struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_second_state_decode(const void *data, size_t size,
                                                 struct bw_second_state *out_state,
                                                 struct bw_diag *diag);
void bw_second_state_deinit(struct bw_second_state *state);

/* Its mirror: RUN_DIR/SITE-second/CLUSTER.mirror. It says all that is needed to believe it: where
 * and when. */
#define BW_SECOND_MIRROR_MAGIC   "BWSM"
#define BW_SECOND_MIRROR_VERSION 2
struct bw_second_mirror_group {
    char name[BW_NAME_MAX + 1];
    struct bw_second_mirror mirror;
};
struct bw_second_mirror_file {
    char site[BW_NAME_MAX + 1];
    struct bw_id boot_id;
    uint64_t time_namespace;
    uint32_t group_count;
    struct bw_second_mirror_group *groups;
};
BW_MUST_CHECK enum bw_err bw_second_mirror_encode(const struct bw_second_mirror_file *file,
                                                  void *out, size_t out_max, size_t *out_size,
                                                  struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_second_mirror_decode(const void *data, size_t size,
                                                  struct bw_second_mirror_file *out_file,
                                                  struct bw_diag *diag);
void bw_second_mirror_deinit(struct bw_second_mirror_file *file);

#endif
