/* outcome.h - what became of a move that was asked for, as the leader's status tells it. Design 4,
 * 5.2. Pure. */
#ifndef BW_CLI_OUTCOME_H
#define BW_CLI_OUTCOME_H

#include <stdbool.h>

#include <jansson.h>

#include <breakwater/base/limits.h>

enum bw_outcome_progress {
    BW_OUTCOME_WAITING,
    BW_OUTCOME_DONE,
    BW_OUTCOME_GIVEN_UP,
    BW_OUTCOME_STUCK /* time alone does not end the epoch: nothing goes on by itself */
};

struct bw_outcome {
    int64_t epoch;            /* when it was asked */
    int64_t term;             /* of the leader that was asked */
    int64_t index;            /* what that leader had applied: one that has less may not know of it */
    int64_t wish_index;       /* of the wish in the log; 0: that leader alone knows it */
    unsigned unknown_looks;   /* one after the other, at which the log had nothing of that wish */
    char to[BW_NAME_MAX + 1]; /* "": any site */
    bool has_failed_start;    /* at `to`: the group went back to where it was */
    char text[512];           /* what the newest judgement saw */
};

/* `status` is a leader's, `group` the moved one in it; NULL: it has none of that name. A wish that is in the log is the same at
 * every leader; another one is in the memory of the leader that was asked, and until its first
 * command is committed, another leader knows nothing of it. */
enum bw_outcome_progress bw_outcome_judge(struct bw_outcome *outcome, const json_t *status,
                                          const json_t *group);

/* The same of a force-release: done once the epoch is over, however it ended. */
enum bw_outcome_progress bw_outcome_judge_release(struct bw_outcome *outcome, const json_t *status,
                                                  const json_t *group);

#endif
