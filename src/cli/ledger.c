/* The demo service, for the start scripts of `breakwater dev` and of the labs of breakwater-chaos. */
#include <errno.h>
#include <stdlib.h>

#include <breakwater/lab/ledger.h>

#include "options.h"
#include "verbs.h"

struct values {
    const char *site;
    uint64_t epoch;
    const char *records;
    const char *pid_file;
    const char *owner;
    const char *clock_shift;
};

#define LEDGER_OPTIONS                                                                             \
    BW_OPTION_TEXT(struct values, site, "site", 0, "NAME", "the site that serves"),                     \
        BW_OPTION_NUMBER(struct values, epoch, "epoch", 0, "N", 1, UINT64_MAX,                     \
                         "the epoch of the site"),                                           \
        BW_OPTION_TEXT(struct values, records, "records", 0, "DIR",                                \
                       "folder for a record every 2 ms"),                         \
        BW_OPTION_TEXT(struct values, pid_file, "pid-file", 0, "FILE",                             \
                       "file for pid and start time")

static const struct bw_option dev_options[] = {
    LEDGER_OPTIONS,
    BW_OPTION_TEXT(struct values, owner, "owner", 0, "PID:START", "end when this process ends"),
    BW_OPTIONS_END,
};
static const struct bw_option lab_options[] = {
    LEDGER_OPTIONS,
    BW_OPTION_TEXT(struct values, clock_shift, "clock-shift", 0, "NS",
                   "shift of its clock against the clock of the records"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command dev_command = {
    .name = "dev ledger",
    .operands = "",
    .help = "The demo service, as the start script of `breakwater dev` starts it. The command returns after\n"
            "the service runs in the background. Each record is a line SITE EPOCH CLOCK_BOOTTIME-in-ns.\n"
            "SIGTERM ends the service.",
    .options = dev_options,
};
static const struct bw_cli_command lab_command = {
    .name = "ledger",
    .program = "breakwater-chaos",
    .operands = "",
    .help = "The service of a lab, as start.sh starts it.",
    .options = lab_options,
};

static bool parse_owner(const char *text, struct bw_ledger *ledger)
{
    char *end;
    unsigned long pid;

    errno = 0;
    pid = strtoul(text, &end, 10);
    if (errno != 0 || *end != ':' || pid == 0 || pid > INT32_MAX)
        return false;
    ledger->owner = (pid_t)pid;
    text = end + 1;
    ledger->owner_start_ticks = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static bool parse_shift(const char *text, struct bw_ledger *ledger)
{
    char *end;

    errno = 0;
    ledger->clock_shift_ns = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static enum bw_exit run(const struct bw_cli_command *command, int argc, char **argv)
{
    struct values values = {0};
    struct bw_operands operands;
    struct bw_ledger ledger;
    struct bw_diag diag = {0};
    enum bw_exit status;
    enum bw_err err;

    if (!bw_options_parse(command, argc, argv, &values, &operands, &status))
        return status;
    if (values.site == NULL || values.epoch == 0 || values.records == NULL ||
        values.pid_file == NULL)
        return bw_usage_error(command, "needs --site, --epoch, --records and --pid-file");
    ledger = (struct bw_ledger){.site = values.site,
                                .epoch = values.epoch,
                                .records_dir = values.records,
                                .pid_file = values.pid_file};
    if (values.owner != NULL && !parse_owner(values.owner, &ledger))
        return bw_usage_error(command, "--owner %s: expected PID:START", values.owner);
    if (values.clock_shift != NULL && !parse_shift(values.clock_shift, &ledger))
        return bw_usage_error(command, "--clock-shift %s: expected nanoseconds",
                              values.clock_shift);
    err = bw_ledger_start(&ledger, &diag);
    if (err != BW_OK)
        (void)fprintf(stderr, "error: %s: %s\n", command->name, diag.text);
    return bw_exit_of_err(err);
}

enum bw_exit bw_verb_ledger(int argc, char **argv)
{
    return run(&dev_command, argc, argv);
}

enum bw_exit bw_lab_verb_ledger(int argc, char **argv)
{
    return run(&lab_command, argc, argv);
}
