/* witness.h - the programs `breakwater witness init` and `breakwater witness`. Design 2, 5.2. */
#ifndef BW_WITNESS_WITNESS_H
#define BW_WITNESS_WITNESS_H

#include <breakwater/base/diag.h>
#include <breakwater/base/name.h>
#include <breakwater/config/witness_config.h>

/* Makes the data directory of this founding member, once. `cluster_id` is the same on each founding
 * member: `witness init` on the first one prints it, the others are given it (--cluster-id), so that
 * a second cluster of the same name is never mistaken for this one. None: a new one is made. `joins`: it is
 * no founding member, but to be added to the cluster of that id.
 * BW_ERR_EXISTS when the directory holds anything. */
BW_MUST_CHECK enum bw_err bw_witness_found(const struct bw_witness_config *config,
                                           struct bw_id cluster_id, bool joins,
                                           struct bw_id *out_cluster_id, struct bw_diag *diag);

/* What another witness says of a new data directory for this one. */
struct bw_witness_answer {
    char name[BW_NAME_MAX + 1];
    uint32_t id;
    bool has_answered; /* else it has said nothing, which proves nothing */
    bool is_there;     /* something listens at its address, whatever it says: it is not seen to be lost */
    bool refuses;
    bool has_used_id; /* refuses: the id is known by another directory, or was removed; no new directory ever gets it */
    struct bw_id cluster_id; /* its own, if it has answered */
    char text[256];          /* in words: "w2 TEXT" */
};

/* Asks each of `members` but this witness (at most BW_WITNESSES_ASKED_MAX: those of the file, or of a roster), a few
 * seconds at most, whether it knows this witness by another data directory, or belongs to another
 * cluster (`cluster_id` none: any). An error: nobody could be asked, and why. */
BW_MUST_CHECK enum bw_err bw_witness_ask_others(const struct bw_witness_config *config,
                                                const struct bw_witness_member_config *members,
                                                uint32_t member_count, struct bw_id cluster_id,
                                                struct bw_witness_answer answers[BW_WITNESSES_ASKED_MAX],
                                                uint32_t *out_count, struct bw_diag *diag);

/* Runs until SIGTERM or SIGINT. Returns the exit status of the process: 0, 78 (the configuration is
 * bad; said on stderr), 75 or 70 (consensus/stop.h). `config_file` is read again on SIGHUP. */
int bw_witness_run(const char *config_file);

#endif
