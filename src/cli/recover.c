/* breakwater recover: a majority of the witnesses is lost for good. Design 3.9. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "recovery.h"
#include "verbs.h"

struct recover_values {
    const char *config;
    uint64_t above;
    bool is_undo;
    bool is_plan;
    bool is_yes;
};

static const struct bw_option recover_options[] = {
    BW_OPTION_TEXT(struct recover_values, config, "config", 'c', "FILE", "witness.yaml"),
    BW_OPTION_NUMBER(struct recover_values, above, "above", 0, "GENERATION", 1, BW_GENERATION_MAX,
                     "a generation that sites follow, from `breakwater status --site`"),
    BW_OPTION_FLAG(struct recover_values, is_undo, "undo", 0,
                   "restore the data from before, if this witness has not led since"),
    BW_OPTION_FLAG(struct recover_values, is_plan, "plan", 0, "show what would happen, and stop"),
    BW_OPTION_FLAG(struct recover_values, is_yes, "yes", 0, "skip the question for the cluster's name"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command recover_command = {
    .name = "recover",
    .operands = "",
    .help = "Restarts the cluster from the data of this witness, if a majority of the witnesses is lost for\n"
            "good. Stop this witness and every other remaining one before; the others never run from their\n"
            "old directories again. In the new generation all groups start without a primary, and get one\n"
            "after every site has reported and the longest lease has expired. Decisions that only the lost\n"
            "witnesses knew are gone. Refused while a majority answers.\n"
            "--undo restores the old directory, if this witness has not led in the new generation.",
    .options = recover_options,
};

static void print_found(const struct bw_witness_recovery *recovery,
                        const struct bw_witness_config *config)
{
    const struct bw_recovery_found *found = &recovery->found;
    char id[BW_ID_TEXT_BYTES];
    char when[32];

    bw_id_format(found->identity.cluster_id, id);
    (void)printf("Cluster %s (%s), generation %" PRIu64 ", as witness %s has it in %s:\n"
                 "term %" PRIu64 ", log up to index %" PRIu64 " (of term %" PRIu64
                 "), last written %s, %u witnesses vote\n\n",
                 config->cluster, id, recovery->cluster.generation, config->name, config->data_dir,
                 found->term, found->last_index, found->last_term,
                 bw_recovery_time_text(found->written_unix_s, when), found->voter_count);
    if (found->torn_bytes > 0)
        (void)printf("A crash has torn the end of its last write. It is cut off now, as at a start: segments=%u "
                     "bytes=%" PRIu64 " entries=%" PRIu64 " (as far as the log shows).\n"
                     "\n",
                     found->torn_segments, found->torn_bytes, found->torn_entries);
    bw_recovery_print_groups(&recovery->cluster);
    (void)fputs("\n"
                "Decisions may be missing: those that the lost witnesses made after that, or while this one was "
                "behind.\n",
                stdout);
}

static void refuse_running(const struct bw_recovery_others *others)
{
    if (others->voters > 0)
        (void)fputs("refused: recover: another remaining witness still runs", stderr);
    else
        (void)fprintf(stderr, "refused: recover: %s still runs; without a vote it cannot form a majority",
                      others->voteless);
    (void)fputs(": stop it for good, and run recover on the witness with the higher term and index (--plan shows "
                "them); nothing was changed\n",
                stderr);
}

/* False: there is no need, or nobody could be asked. */
static bool is_majority_lost(const struct bw_witness_recovery *recovery,
                             const struct bw_witness_config *config)
{
    const unsigned voter_count = recovery->found.voter_count;
    const bool is_voter = bw_recovery_is_voter(recovery, config->witnesses[config->self].id);
    struct bw_recovery_others others;

    if (!bw_recovery_look_at_others(&recover_command, config, recovery, &others))
        return false;
    if (!recovery->is_above && 2 * (others.voters + is_voter) > voter_count) {
        (void)fprintf(
            stderr,
            "refused: recover: %s %u of %u voters are there, a majority: start this witness again (systemctl start "
            "breakwater-witness); nothing was changed\n",
            is_voter ? "with this witness," : "without this witness, which has no vote,",
            others.voters + is_voter, voter_count);
        return false;
    }
    if (others.answer > 0) {
        refuse_running(&others);
        return false;
    }
    return bw_recovery_are_gone(&recover_command, &others);
}

static enum bw_exit recover(struct bw_witness_recovery *recovery,
                            const struct bw_witness_config *config,
                            const struct recover_values *values)
{
    enum bw_exit exit;

    print_found(recovery, config);
    (void)putchar('\n');
    recovery->is_above = values->above >= recovery->cluster.generation;
    exit = bw_recovery_confirm_and_write(&recover_command, recovery, config, is_majority_lost,
                                         values->above, values->is_plan, values->is_yes);
    if (exit == BW_EXIT_FINE && !values->is_plan)
        (void)printf("The data from before is in %s/generation-%" PRIu64 ".\n", config->data_dir,
                     recovery->beginning.old_generation);
    return exit;
}

/* ---- undo ---- */

static enum bw_exit refuse_undo(const struct bw_witness_recovery *recovery, const struct bw_witness_config *config,
                                uint64_t aside)
{
    const uint64_t generation = recovery->cluster.generation;

    if (aside == 0)
        (void)fprintf(stderr, "refused: recover: %s has no directory of a generation before %" PRIu64 "; nothing was changed\n",
                      config->data_dir, generation);
    else
        (void)fprintf(stderr,
                      "refused: recover: a witness has led in generation %" PRIu64 " since it began, so sites may "
                      "follow it; nothing was changed\n"
                      "  next:  keep it, or recover from the files in %s/generation-%" PRIu64 ", in an empty "
                      "data_dir: breakwater recover -c FILE --above %" PRIu64 "\n",
                      generation, config->data_dir, aside, generation);
    return BW_EXIT_UNSAFE;
}

static enum bw_exit undo(struct bw_witness_recovery *recovery, const struct bw_witness_config *config,
                         const struct recover_values *values)
{
    const uint64_t generation = recovery->cluster.generation;
    struct bw_diag diag = {0};
    uint64_t aside = 0;
    enum bw_err err = bw_recovery_find_aside(&recovery->dir, generation, &aside, &diag);

    if (err != BW_OK)
        return bw_recovery_fail(&recover_command, &diag, err);
    if (aside == 0 || !bw_recovery_is_unspoken(&recovery->found, generation))
        return refuse_undo(recovery, config, aside);
    (void)printf("No witness has led in generation %" PRIu64 ". %s goes back to generation %" PRIu64 "; its present "
                 "data is kept in generation-%" PRIu64 ".\n",
                 generation, config->data_dir, aside, generation);
    if (values->is_plan)
        return BW_EXIT_FINE;
    if (!bw_confirm(&recover_command, values->is_yes, "The witness is in the old generation again.", config->cluster))
        return BW_EXIT_FAILED;
    err = bw_recovery_undo(&recovery->dir, generation, aside, &diag);
    if (err != BW_OK)
        return bw_recovery_fail(&recover_command, &diag, err);
    (void)printf("Done. Start the witness (systemctl start breakwater-witness).\n");
    return BW_EXIT_FINE;
}

enum bw_exit bw_verb_recover(int argc, char **argv)
{
    struct recover_values values = {0};
    struct bw_witness_config *config;
    struct bw_witness_recovery recovery;
    struct bw_operands operands;
    struct bw_diag diag = {0};
    enum bw_exit status;
    enum bw_err err;

    if (!bw_options_parse(&recover_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.config == NULL)
        return bw_usage_error(&recover_command, "needs -c FILE");
    if (!bw_confirm_is_possible(&recover_command, values.is_yes || values.is_plan))
        return BW_EXIT_USAGE;
    config = bw_witness_config_take(values.config, "nothing was changed");
    if (config == NULL)
        return BW_EXIT_CONFIG;
    err = bw_witness_recovery_open(&recovery, config, &diag);
    if (err == BW_OK) {
        status = recovery.is_begun ? bw_recovery_go_on(&recover_command, &recovery, config,
                                                       values.is_plan, values.is_yes)
                 : values.is_undo  ? undo(&recovery, config, &values)
                                   : recover(&recovery, config, &values);
        bw_witness_recovery_close(&recovery);
    } else {
        status = bw_recovery_fail(&recover_command, &diag, err);
    }
    bw_witness_config_free(config);
    return status;
}
