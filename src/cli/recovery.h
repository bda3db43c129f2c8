/* recovery.h - what the verbs that begin a cluster anew say (recover.c, snapshot.c). Design 3.9. */
#ifndef BW_CLI_RECOVERY_H
#define BW_CLI_RECOVERY_H

#include <breakwater/witness/recovery.h>

#include "options.h"

void bw_recovery_print_groups(const struct bw_cluster *cluster);
const char *bw_recovery_time_text(int64_t unix_s, char text[32]);

/* The other witnesses, as far as can be seen from here. */
struct bw_recovery_others {
    unsigned answer;  /* and belong to this cluster: they live */
    unsigned voters;  /* of them: who votes by the newest configuration in the log */
    char voteless[BW_NAME_MAX + 1]; /* the first of them that does not; "": none */
    unsigned unclear; /* something is there that gives no answer: perhaps they live */
};
/* By the newest configuration in the log. */
bool bw_recovery_is_voter(const struct bw_witness_recovery *recovery, uint32_t id);
/* Asks them (bw_witness_recovery_members), and prints what each says. False: nobody could be asked, which
 * was told. */
bool bw_recovery_look_at_others(const struct bw_cli_command *command,
                                const struct bw_witness_config *config,
                                const struct bw_witness_recovery *recovery,
                                struct bw_recovery_others *out_others);
/* False: one of them may live although it gives no answer; it was told. */
bool bw_recovery_are_gone(const struct bw_cli_command *command,
                          const struct bw_recovery_others *others);
/* Nothing speaks against a new beginning, as far as others can be heard now; else it was told what does. */
typedef bool bw_recovery_may(const struct bw_witness_recovery *recovery,
                             const struct bw_witness_config *config);
/* Begins with `recovery`, in a generation above `above` (0: any): prepares, asks for the cluster's name, and writes. `may` is asked before, and once more
 * after the question. */
enum bw_exit bw_recovery_confirm_and_write(const struct bw_cli_command *command,
                                           struct bw_witness_recovery *recovery,
                                           const struct bw_witness_config *config,
                                           bw_recovery_may *may, uint64_t above, bool is_plan, bool is_yes);
/* Goes on with one that is begun; asks for the cluster's name where it is not known whom to ask. */
enum bw_exit bw_recovery_go_on(const struct bw_cli_command *command,
                               struct bw_witness_recovery *recovery,
                               const struct bw_witness_config *config, bool is_plan, bool is_yes);
enum bw_exit bw_recovery_fail(const struct bw_cli_command *command, const struct bw_diag *diag,
                              enum bw_err err);

#endif
