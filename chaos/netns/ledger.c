/* breakwater-chaos ledger: the service of a lab. It is this program's, not that of the breakwater
 * which is put to the test. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <breakwater/lab/ledger.h>

#include "chaos.h"
#include "options.h"

struct values {
    const char *site;
    uint64_t epoch;
    const char *records;
    const char *pid_file;
    const char *clock_shift;
};

static const struct bw_option options[] = {
    BW_OPTION_TEXT(struct values, site, "site", 0, "NAME", "where it serves"),
    BW_OPTION_NUMBER(struct values, epoch, "epoch", 0, "N", 1, UINT64_MAX,
                     "under which grant it serves"),
    BW_OPTION_TEXT(struct values, records, "records", 0, "DIR", "where it records that it serves"),
    BW_OPTION_TEXT(struct values, pid_file, "pid-file", 0, "FILE",
                   "where it writes its pid and start time"),
    BW_OPTION_TEXT(struct values, clock_shift, "clock-shift", 0, "NS",
                   "so much is its clock ahead of the one that records show"),
    BW_OPTIONS_END,
};
static const struct bw_cli_command command = {
    .name = "ledger",
    .program = "breakwater-chaos",
    .operands = "",
    .help = "The service of a lab, as start.sh starts it.",
    .options = options,
};

int bw_chaos_ledger(int argc, char **argv)
{
    struct values values = {.clock_shift = "0"};
    struct bw_operands operands;
    struct bw_diag diag = {0};
    struct bw_ledger ledger;
    enum bw_exit status;
    enum bw_err err;
    char *rest;

    if (!bw_options_parse(&command, argc, argv, &values, &operands, &status))
        return (int)status;
    if (values.site == NULL || values.epoch == 0 || values.records == NULL ||
        values.pid_file == NULL)
        return (int)bw_usage_error(&command, "needs --site, --epoch, --records and --pid-file");
    ledger = (struct bw_ledger){.site = values.site,
                                .epoch = values.epoch,
                                .records_dir = values.records,
                                .pid_file = values.pid_file};
    errno = 0;
    ledger.clock_shift_ns = strtoll(values.clock_shift, &rest, 10);
    if (errno != 0 || rest == values.clock_shift || *rest != '\0')
        return (int)bw_usage_error(&command, "--clock-shift %s: expected nanoseconds",
                                   values.clock_shift);
    err = bw_ledger_start(&ledger, &diag);
    if (err != BW_OK)
        (void)fprintf(stderr, "error: ledger: %s\n", diag.text);
    return (int)bw_exit_of_err(err);
}
