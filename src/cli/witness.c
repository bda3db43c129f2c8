/* breakwater witness, breakwater witness init. */
#include <stdio.h>
#include <string.h>

#include <breakwater/witness/witness.h>

#include "options.h"
#include "verbs.h"

struct witness_values {
    const char *config;
    const char *cluster_id; /* of init only */
};

static const struct bw_option init_options[] = {
    BW_OPTION_TEXT(struct witness_values, config, "config", 'c', "FILE", "witness.yaml"),
    BW_OPTION_TEXT(struct witness_values, cluster_id, "cluster-id", 0, "HEX",
                   "the id that init of the first witness has printed"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command init_command = {
    .name = "witness init",
    .operands = "",
    .help = "Makes the data directory of a founding witness, once, and prints the cluster's id.\n"
            "The first witness makes the id; the others are given it with --cluster-id, so that\n"
            "all of them belong to one cluster. The others are asked first: one that knows this\n"
            "witness by another directory refuses (a lost directory cannot be made anew under its\n"
            "id); silence is printed. A directory that holds anything is left alone. The cluster\n"
            "begins once all its witnesses are up.",
    .options = init_options,
};

static const struct bw_option run_options[] = {
    BW_OPTION_TEXT(struct witness_values, config, "config", 'c', "FILE", "witness.yaml"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command run_command = {
    .name = "witness",
    .operands = "",
    .help = "Runs a witness until SIGTERM. SIGHUP reads FILE again; changed certificates are\n"
            "noticed by themselves. `breakwater witness init` comes first, once.",
    .options = run_options,
};

/* True: none of the others speaks against it. Silence does not, but a person should know of it. */
static bool nobody_refuses(const struct bw_witness_config *config, struct bw_id cluster_id)
{
    struct bw_witness_answer answers[BW_WITNESSES_MAX];
    struct bw_diag diag = {0};
    char text[BW_ID_TEXT_BYTES];
    bool is_free = true;
    uint32_t count;

    if (bw_witness_ask_others(config, cluster_id, answers, &count, &diag) != BW_OK) {
        (void)fprintf(stderr, "The other witnesses could not be asked: %s\n", diag.text);
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)fprintf(stderr, "%s %s\n", answers[i].name, answers[i].text);
        is_free = is_free && !answers[i].refuses;
        if (answers[i].refuses && !bw_id_equal(answers[i].cluster_id, cluster_id)) {
            bw_id_format(answers[i].cluster_id, text);
            (void)fprintf(stderr, "%s is of the cluster with --cluster-id %s\n", answers[i].name,
                          text);
        }
    }
    return is_free;
}

static enum bw_exit init_with(const struct bw_witness_config *config, struct bw_id cluster_id)
{
    const bool is_first = bw_id_is_none(cluster_id);
    struct bw_diag diag = {0};
    char text[BW_ID_TEXT_BYTES];
    enum bw_err err;

    if (!nobody_refuses(config, cluster_id)) {
        (void)fprintf(stderr, "error: witness init: another witness refuses it (see above); nothing "
                              "was made\n");
        return BW_EXIT_UNSAFE;
    }
    err = bw_witness_found(config, cluster_id, &cluster_id, &diag);
    if (err != BW_OK) {
        (void)fprintf(stderr, "error: witness init: %s\n", diag.text);
        return bw_exit_of_err(err);
    }
    bw_id_format(cluster_id, text);
    (void)printf("%s\n", text);
    (void)fprintf(stderr, "Made %s for witness %s of cluster %s.\n", config->data_dir, config->name,
                  config->cluster);
    if (is_first && config->witness_count > 1)
        (void)fprintf(stderr,
                      "On each other witness: breakwater witness init -c FILE --cluster-id %s\n"
                      "Then start all of them: the cluster begins once every one is up.\n",
                      text);
    return BW_EXIT_FINE;
}

static enum bw_exit run_init(int argc, char **argv)
{
    struct witness_values values = {0};
    struct bw_witness_config *config = NULL;
    struct bw_id cluster_id = {{0}};
    struct bw_operands operands;
    struct bw_problems problems;
    enum bw_exit status;
    enum bw_err err;

    if (!bw_options_parse(&init_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.config == NULL)
        return bw_usage_error(&init_command, "needs -c FILE");
    if (values.cluster_id != NULL &&
        (!bw_id_parse(values.cluster_id, &cluster_id) || bw_id_is_none(cluster_id)))
        return bw_usage_error(&init_command, "--cluster-id \"%s\" is not 32 hex digits",
                              values.cluster_id);
    bw_problems_init(&problems);
    err = bw_witness_config_load(values.config, &config, &problems);
    bw_problems_print(&problems, "nothing was made", stderr);
    bw_problems_deinit(&problems);
    if (err != BW_OK)
        return BW_EXIT_CONFIG;
    status = init_with(config, cluster_id);
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
