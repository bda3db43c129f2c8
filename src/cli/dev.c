/* breakwater dev: a whole cluster on this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/config/scalar.h>
#include <breakwater/dev/dev.h>

#include "options.h"
#include "verbs.h"

#define RUNS_MAX          1000
#define TIMEOUT_MS_ABSENT 120000

struct dev_values {
    const char *scenario;
    const char *dir;
    const char *records;
    bool fast;
    const char *lease;
    uint64_t runs;
    const char *timeout;
    enum bw_output output;
};

static const struct bw_option dev_options[] = {
    BW_OPTION_TEXT(struct dev_values, scenario, "scenario", 's', "NAME",
                   "break something, check the result, and end (see above)"),
    BW_OPTION_TEXT(struct dev_values, dir, "dir", 0, "DIR",
                   "new or empty work directory, kept (one in /tmp, removed)"),
    BW_OPTION_TEXT(struct dev_values, records, "records", 0, "DIR",
                   "new or empty folder for the records of the services, kept"),
    BW_OPTION_FLAG(struct dev_values, fast, "fast", 0, "the same as --lease 1s"),
    BW_OPTION_TEXT(struct dev_values, lease, "lease", 0, "D", "length of a lease: 5s, 1s or 500ms (5s)"),
    BW_OPTION_NUMBER(struct dev_values, runs, "runs", 0, "N", 1, RUNS_MAX,
                     "run the scenario N times, each on a new cluster (1)"),
    BW_OPTION_TEXT(struct dev_values, timeout, "timeout", 0, "D", "limit of one run (2m)"),
    BW_OPTION_OUTPUT(struct dev_values, output),
    BW_OPTIONS_END,
};

static const struct bw_cli_command dev_command = {
    .name = "dev",
    .operands = "",
    .help = "Starts a whole cluster on this machine: three witnesses, and two sites with agent, guard and\n"
            "a demo service, as separate processes with temporary certificates. Without --scenario, dev\n"
            "prints what happens, until Ctrl-C. With --scenario, dev breaks a part, and checks in the\n"
            "records of the demo services whether two sites ever served at once.\n"
            "Scenarios:\n"
            "  kill-site     agent, guard and service of the primary are killed at once\n"
            "  cut-site      the site of the primary loses the network to the witnesses\n"
            "  freeze-agent  the agent of the primary hangs, and continues after the failover\n"
            "  kill-guard    the guard of the primary is killed; its agent and service run on\n"
            "  switchover    a planned move to the other site\n"
            "  lose-witness  the leader of the witnesses is killed; no script may run\n"
            "`breakwater dev ledger` is the demo service.\n"
            "Exit status: 0 the check passed, 1 it failed.",
    .options = dev_options,
};

static enum bw_exit complain_scenario(const char *name)
{
    const enum bw_exit status = bw_usage_error(&dev_command,
                                               "no scenario \"%s\"; there are:", name);

    bw_dev_scenarios_print(stderr);
    return status;
}

static enum bw_exit run_dev(const struct dev_values *values, uint32_t lease_ttl_ms, uint32_t timeout_ms)
{
    const struct bw_dev_options options = {.scenario = values->scenario,
                                           .dir = values->dir,
                                           .records_dir = values->records,
                                           .lease_ttl_ms = lease_ttl_ms,
                                           .is_json = values->output == BW_OUTPUT_JSON,
                                           .run_count = (uint32_t)values->runs,
                                           .timeout_ms = timeout_ms};
    struct bw_diag diag = {0};
    const enum bw_err err = bw_dev_run(&options, &diag);

    if (err == BW_OK)
        return BW_EXIT_FINE;
    (void)fflush(stdout); /* keeps the order; a failure stays in stdout */
    (void)fprintf(stderr, "error: dev: %s\n", diag.text);
    return BW_EXIT_FAILED;
}

/* False: there are no timings for that lease. */
static bool find_lease(const struct dev_values *values, uint32_t *out_ms)
{
    const char *const wanted = values->lease != NULL ? values->lease : values->fast ? "1s" : "5s";

    if (!bw_duration_parse(wanted, out_ms))
        return false;
    for (size_t i = 0; bw_dev_leases_ms[i] != 0; i++)
        if (bw_dev_leases_ms[i] == *out_ms)
            return true;
    return false;
}

enum bw_exit bw_verb_dev(int argc, char **argv)
{
    struct dev_values values = {.runs = 1};
    struct bw_operands operands;
    uint32_t timeout_ms = TIMEOUT_MS_ABSENT;
    uint32_t lease_ttl_ms;
    enum bw_exit status;

    if (argc > 1 && strcmp(argv[1], "ledger") == 0)
        return bw_verb_ledger(argc - 1, argv + 1);
    if (!bw_options_parse(&dev_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.scenario != NULL && !bw_dev_scenario_exists(values.scenario))
        return complain_scenario(values.scenario);
    if (values.scenario == NULL && (values.runs != 1 || values.output == BW_OUTPUT_JSON))
        return bw_usage_error(&dev_command, "--runs and -o json need a --scenario");
    if (!find_lease(&values, &lease_ttl_ms) || (values.fast && values.lease != NULL))
        return bw_usage_error(&dev_command, "--lease %s: expected 5s, 1s or 500ms, without --fast", values.lease);
    if (values.timeout != NULL &&
        (!bw_duration_parse(values.timeout, &timeout_ms) || timeout_ms == 0))
        return bw_usage_error(&dev_command, "--timeout %s: expected a duration such as 90s",
                              values.timeout);
    return run_dev(&values, lease_ttl_ms, timeout_ms);
}
