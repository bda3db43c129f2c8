/* breakwater witness, breakwater witness init. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/consensus/stop.h>
#include <breakwater/witness/witness.h>

#include "options.h"
#include "verbs.h"

struct witness_values {
    const char *config;
    const char *cluster_id; /* of init only, as the next */
    bool joins;
};

static const struct bw_option init_options[] = {
    BW_OPTION_TEXT(struct witness_values, config, "config", 'c', "FILE", "witness.yaml"),
    BW_OPTION_TEXT(struct witness_values, cluster_id, "cluster-id", 0, "HEX",
                   "id of the cluster, as init of its first witness has printed"),
    BW_OPTION_FLAG(struct witness_values, joins, "join", 0,
                   "make a witness for the running cluster with this id"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command init_command = {
    .name = "witness init",
    .operands = "",
    .help = "Makes the data directory of a witness of a new cluster, once, and prints the id of the cluster.\n"
            "The first witness makes the id; give it to the others with --cluster-id. init asks the other\n"
            "witnesses of FILE: a witness that knows this name with another directory rejects it, because a\n"
            "lost directory cannot be re-created under its id. Silent witnesses are printed. A directory\n"
            "with content stays as it is, except after an interrupted init. The cluster begins when all its\n"
            "witnesses are up.\n"
            "With --join, init makes a witness for a running cluster, under a new name and id. It votes after\n"
            "`breakwater members add` or `breakwater members replace`.",
    .options = init_options,
};

static const struct bw_option run_options[] = {
    BW_OPTION_TEXT(struct witness_values, config, "config", 'c', "FILE", "witness.yaml"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command run_command = {
    .name = "witness",
    .operands = "",
    .help = "Runs a witness until SIGTERM. SIGHUP reads FILE again; changed certificates are used\n"
            "automatically. First, once: `breakwater witness init`.",
    .options = run_options,
};

/* True: none of the others speaks against it. Silence does not, but a person should know of it. */
static bool nobody_refuses(const struct bw_witness_config *config, struct bw_id cluster_id)
{
    struct bw_witness_answer answers[BW_WITNESSES_ASKED_MAX];
    struct bw_diag diag = {0};
    char text[BW_ID_TEXT_BYTES];
    bool is_free = true;
    bool is_unanswered = false;
    uint32_t count;

    if (bw_witness_ask_others(config, config->witnesses, config->witness_count, cluster_id, answers,
                              &count, &diag) != BW_OK) {
        (void)fprintf(stderr, "The other witnesses could not be asked: %s\n", diag.text);
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)fprintf(stderr, "%s %s\n", answers[i].name, answers[i].text);
        is_free = is_free && !answers[i].refuses;
        is_unanswered = is_unanswered || (answers[i].is_there && !answers[i].has_answered);
        if (answers[i].refuses && !bw_id_equal(answers[i].cluster_id, cluster_id)) {
            bw_id_format(answers[i].cluster_id, text);
            (void)fprintf(stderr, "%s belongs to the cluster with --cluster-id %s\n", answers[i].name,
                          text);
        }
    }
    if (is_unanswered && is_free)
        (void)fputs("If the cluster runs already, and this witness is new in it, use --join: the members answer "
                    "only other members.\n", stderr);
    return is_free;
}

static enum bw_exit make(const struct bw_witness_config *config, struct bw_id cluster_id,
                         bool joins, char out_text[BW_ID_TEXT_BYTES])
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_witness_found(config, cluster_id, joins, &cluster_id, &diag);

    if (err != BW_OK) {
        (void)fprintf(stderr, "error: witness init: %s\n", diag.text);
        return bw_exit_of_err(err);
    }
    bw_id_format(cluster_id, out_text);
    (void)printf("%s\n", out_text);
    (void)fprintf(stderr, "Made %s for witness %s of cluster %s.\n", config->data_dir, config->name,
                  config->cluster);
    return BW_EXIT_FINE;
}

static enum bw_exit found(const struct bw_witness_config *config, struct bw_id cluster_id)
{
    const bool is_first = bw_id_is_none(cluster_id);
    char text[BW_ID_TEXT_BYTES];
    enum bw_exit exit;

    if (config->witness_count % 2 == 0) {
        (void)fprintf(stderr,
                      "error: witness init: a cluster begins with 3 or 5 witnesses, or 1 to try things out, not "
                      "with %" PRIu32 "; to add a witness to a running cluster: witness init --join; nothing was "
                      "made\n",
                      config->witness_count);
        return BW_EXIT_CONFIG;
    }
    if (!nobody_refuses(config, cluster_id)) {
        (void)fprintf(stderr,
                      "error: witness init: another witness refuses it (see above); nothing "
                      "was made\n"
                      "  if its disk is lost: " BW_WITNESS_LOST "\n");
        return BW_EXIT_UNSAFE;
    }
    exit = make(config, cluster_id, false, text);
    if (exit == BW_EXIT_FINE && is_first && config->witness_count > 1)
        (void)fprintf(
            stderr,
            "On each other witness, as its user: breakwater witness init -c FILE --cluster-id %s\n"
            "Then start all of them: the cluster begins when all are up.\n",
            text);
    return exit;
}

/* A member that cannot be asked is no reason to refuse: the cluster judges again when the witness starts. */
static bool is_id_used(const struct bw_witness_config *config, struct bw_id cluster_id)
{
    struct bw_witness_answer answers[BW_WITNESSES_ASKED_MAX];
    struct bw_diag diag = {0};
    uint32_t count = 0;
    bool is_used = false;

    if (bw_witness_ask_others(config, config->witnesses, config->witness_count, cluster_id, answers, &count, &diag) !=
        BW_OK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!answers[i].has_used_id)
            continue;
        (void)fprintf(stderr, "%s %s\n", answers[i].name, answers[i].text);
        is_used = true;
    }
    return is_used;
}

static enum bw_exit join(const struct bw_witness_config *config, struct bw_id cluster_id)
{
    char text[BW_ID_TEXT_BYTES];
    enum bw_exit exit;

    if (is_id_used(config, cluster_id)) {
        (void)fprintf(stderr,
                      "error: witness init: the id %" PRIu32 " was used before (see above); nothing was made\n"
                      "  next:  " BW_WITNESS_LOST "\n",
                      config->witnesses[config->self].id);
        return BW_EXIT_UNSAFE;
    }
    exit = make(config, cluster_id, true, text);
    if (exit == BW_EXIT_FINE)
        (void)fprintf(stderr,
                      "Start it: it then asks the members to join. After that, an operator runs\n"
                      "  breakwater members add %s\n"
                      "or, to replace a lost witness:\n"
                      "  breakwater members replace OLD %s\n",
                      config->name, config->name);
    return exit;
}

static enum bw_exit run_init(int argc, char **argv)
{
    struct witness_values values = {0};
    struct bw_witness_config *config = NULL;
    struct bw_id cluster_id = {{0}};
    struct bw_operands operands;
    enum bw_exit status;

    if (!bw_options_parse(&init_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.config == NULL)
        return bw_usage_error(&init_command, "needs -c FILE");
    if (values.cluster_id != NULL &&
        (!bw_id_parse(values.cluster_id, &cluster_id) || bw_id_is_none(cluster_id)))
        return bw_usage_error(&init_command, "--cluster-id \"%s\" is not 32 hex digits",
                              values.cluster_id);
    if (values.joins && values.cluster_id == NULL)
        return bw_usage_error(&init_command, "--join needs --cluster-id HEX, as `witness init` of the first witness "
                                             "has printed it");
    config = bw_witness_config_take(values.config, "nothing was made");
    if (config == NULL)
        return BW_EXIT_CONFIG;
    status = values.joins ? join(config, cluster_id) : found(config, cluster_id);
    bw_witness_config_free(config);
    return status;
}

enum bw_exit bw_verb_witness(int argc, char **argv)
{
    struct witness_values values = {0};
    struct bw_operands operands;
    enum bw_exit status;

    if (argc > 1 && strcmp(argv[1], "init") == 0)
        return run_init(argc - 1, argv + 1);
    if (!bw_options_parse(&run_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.config == NULL)
        return bw_usage_error(&run_command, "needs -c FILE (or: witness init -c FILE)");
    return (enum bw_exit)bw_witness_run(values.config);
}
