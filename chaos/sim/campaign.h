/* campaign.h - many seeds, on several cores, for a time or a number; what they have covered. */
#ifndef BW_SIM_CAMPAIGN_H
#define BW_SIM_CAMPAIGN_H

#include "listed.h"

#define SIM_JOBS_MAX     64
#define SIM_FAILURES_MAX 16 /* kept; a campaign stops at the first unless it is told to go on */

struct sim_campaign {
    /* what is wanted */
    uint64_t first_seed, seed_count; /* count 0: no limit */
    uint64_t hours;                  /* simulated; 0: no limit */
    uint64_t for_s;                  /* real; 0: no limit */
    uint64_t length_ns;
    const char *often;               /* see struct sim_setting */
    bool is_safety, is_liveness;     /* both: every fourth seed is a liveness run */
    struct sim_listed listed[SIM_LISTED_MAX]; /* worlds to begin with, whatever the seeds are */
    uint32_t listed_count;
    uint32_t jobs;
    bool goes_on;            /* after a failure */
    const char *resume_path; /* NULL: nothing is kept */
    bool must_cover;         /* something that never fired is a failure */
    bool ends_covered;       /* and once everything has fired it is over */
    /* what came of it */
    uint32_t listed_next; /* of them; then the seeds */
    uint64_t next_seed, run_count, lived_ns, events, real_ns, failure_count;
    struct sim_tally tally;
    struct sim_coverage coverage;
    struct sim_result failures[SIM_FAILURES_MAX];
};

/* Runs it, telling its progress on stderr. 0: all held; 1: a check failed, or something never fired;
 * 2: the resume file is not usable. SIGINT and SIGTERM end it after the seeds under way. */
int sim_campaign_run(struct sim_campaign *campaign);

/* Totals, how often each rule and fault fired, and how to see each failure again. */
void sim_campaign_print(const struct sim_campaign *campaign, FILE *out);
/* Names of all that has to fire in the standard campaign and has not; returns how many. */
uint32_t sim_campaign_print_silent(const struct sim_campaign *campaign, FILE *out);
void sim_campaign_print_replay(const struct sim_result *result, FILE *out);

#endif
