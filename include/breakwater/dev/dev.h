/* dev.h - a whole cluster on this machine, to be seen and broken: three witnesses, two sites with
 * agent, guard and a demo service, each a process of its own, on loopback, with throw-away
 * certificates. What `breakwater dev` runs. Design 5.2, 7. */
#ifndef BW_DEV_DEV_H
#define BW_DEV_DEV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <breakwater/base/diag.h>

struct bw_dev_options {
    const char *scenario;    /* NULL: none, run until SIGINT */
    const char *dir;         /* work directory, new or empty, kept; NULL: one in /tmp, removed */
    const char *records_dir; /* keeps what the services recorded; NULL: with the work directory */
    uint32_t lease_ttl_ms;   /* one of bw_dev_leases_ms */
    bool is_json;            /* one last line of JSON on stdout; the story goes to stderr */
    uint32_t run_count;      /* how often the scenario is run, each time on a new cluster */
    uint32_t timeout_ms;     /* of one run, its setting up included */
};

/* The leases that there are timings for, the default one first; 0 ends the list. */
extern const uint32_t bw_dev_leases_ms[];

/* Every scenario, one line each. */
void bw_dev_scenarios_print(FILE *out);
bool bw_dev_scenario_exists(const char *name);

/* Runs it. Ends every process that it started, whatever happens, and tells the story as it goes.
 * BW_ERR_UNKNOWN: a scenario ran and its outcome is not what it should be; said. BW_ERR_CANCELED:
 * SIGINT or SIGTERM before a scenario had ended. Any other error: `diag` says why nothing could be
 * shown. */
BW_MUST_CHECK enum bw_err bw_dev_run(const struct bw_dev_options *options, struct bw_diag *diag);

#endif
