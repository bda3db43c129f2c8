/* resume.c - the totals of a campaign as a file. */
#include "resume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TITLE "breakwater-sim campaign 1"

/* X(name, member): what is kept besides coverage. */
#define NUMBERS(X)                                                                                \
    X("length_ns", length_ns)                                                                     \
    X("first_seed", first_seed)                                                                   \
    X("next_seed", next_seed)                                                                     \
    X("runs", run_count)                                                                          \
    X("lived_ns", lived_ns)                                                                       \
    X("events", events)                                                                           \
    X("real_ns", real_ns)                                                                         \
    X("failures", failure_count)                                                                  \
    X("grants", tally.grants)                                                                     \
    X("failovers", tally.failovers)                                                               \
    X("starts", tally.starts)                                                                     \
    X("overlaps_outside", tally.overlaps_outside)                                                 \
    X("committed", tally.committed)                                                               \
    X("acknowledged", tally.acknowledged)                                                         \
    X("elections", tally.elections)                                                               \
    X("settled", tally.settled)

enum bw_err sim_resume_save(const struct sim_campaign *campaign, struct bw_diag *diag)
{
    char path[4096];
    FILE *out;
    bool is_written;

    if (snprintf(path, sizeof path, "%s.new", campaign->resume_path) >= (int)sizeof path)
        return bw_diag_set(diag, BW_ERR_LIMIT, "the name of the resume file is too long");
    out = fopen(path, "w");
    if (out == NULL)
        return bw_diag_errno(diag, errno, "open %s", path);
    (void)fprintf(out, "%s\n", TITLE);
#define X(name, member) (void)fprintf(out, name " %" PRIu64 "\n", campaign->member);
    NUMBERS(X)
#undef X
    for (uint32_t i = 0; i < SIM_COVERAGE_MAX; i++)
        if (campaign->coverage.entries[i].name[0] != '\0')
            (void)fprintf(out, "fired:%s %" PRIu64 "\n", campaign->coverage.entries[i].name,
                          campaign->coverage.entries[i].count);
    is_written = fflush(out) == 0 && ferror(out) == 0 && fsync(fileno(out)) == 0;
    if (fclose(out) != 0 || !is_written)
        return bw_diag_errno(diag, errno, "write %s", path);
    if (rename(path, campaign->resume_path) != 0)
        return bw_diag_errno(diag, errno, "rename %s to %s", path, campaign->resume_path);
    return BW_OK;
}

/* False: no such name. */
static bool take(struct sim_campaign *campaign, const char *name, uint64_t value)
{
#define X(known, member)                                                                          \
    if (strcmp(name, known) == 0) {                                                               \
        campaign->member = value;                                                                 \
        return true;                                                                              \
    }
    NUMBERS(X)
#undef X
    if (strncmp(name, "fired:", 6) != 0 || name[6] == '\0' ||
        strlen(name + 6) >= SIM_COVERAGE_NAME_BYTES)
        return false;
    sim_coverage_add(&campaign->coverage, name + 6, value);
    return true;
}

static enum bw_err read_lines(struct sim_campaign *campaign, FILE *in, struct bw_diag *diag)
{
    const uint64_t length_ns = campaign->length_ns, first_seed = campaign->first_seed;
    char line[256], name[128];
    uint64_t value;

    if (fgets(line, sizeof line, in) == NULL || strcmp(line, TITLE "\n") != 0)
        return bw_diag_set(diag, BW_ERR_INVALID, "%s does not begin with '%s'",
                           campaign->resume_path, TITLE);
    while (fgets(line, sizeof line, in) != NULL)
        if (sscanf(line, "%127s %" SCNu64, name, &value) != 2 || !take(campaign, name, value))
            return bw_diag_set(diag, BW_ERR_INVALID, "%s: a line that means nothing: %s",
                               campaign->resume_path, line);
    if (campaign->length_ns != length_ns || campaign->first_seed != first_seed)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s is of a campaign from seed %" PRIu64 " with runs of %" PRIu64
                           " s: give the same, or another file",
                           campaign->resume_path, campaign->first_seed,
                           campaign->length_ns / SIM_S);
    return BW_OK;
}

enum bw_err sim_resume_load(struct sim_campaign *campaign, struct bw_diag *diag)
{
    FILE *in = fopen(campaign->resume_path, "r");
    enum bw_err err;

    if (in == NULL && errno == ENOENT)
        return BW_OK;
    if (in == NULL)
        return bw_diag_errno(diag, errno, "open %s", campaign->resume_path);
    err = read_lines(campaign, in, diag);
    (void)fclose(in); /* only read from */
    return err;
}
