/* listed.c - the file of worlds that a campaign begins with. */
#include "listed.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "plan.h"

#define LENGTH_MINUTES_MAX (24 * 60)

/* The words of a line, what is wrong with it, or NULL. */
static const char *read_world(const char *line, struct sim_listed *out_world)
{
    char mode[16], often[SIM_COVERAGE_NAME_BYTES] = "", more;
    uint64_t minutes;
    char unit;
    const int words = sscanf(line, "%" SCNu64 " %15s %" SCNu64 "%c %39s %c", &out_world->seed, mode,
                             &minutes, &unit, often, &more);
    const bool is_liveness = words >= 2 && strcmp(mode, "liveness") == 0;

    if (words != 4 && words != 5)
        return "it is not `seed mode length [fault]`";
    if (!is_liveness && strcmp(mode, "safety") != 0)
        return "its mode is not safety or liveness";
    minutes = unit == 'h' && minutes <= LENGTH_MINUTES_MAX ? 60 * minutes : minutes;
    if ((unit != 'h' && unit != 'm') || minutes == 0 || minutes > LENGTH_MINUTES_MAX)
        return "its length is not 1m to 24h";
    if (often[0] != '\0' && !sim_incident_kind_is_drawn(often, is_liveness))
        return "--plan names no such fault in that mode";
    out_world->mode = is_liveness ? SIM_MODE_LIVENESS : SIM_MODE_SAFETY;
    out_world->length_ns = minutes * 60 * SIM_S;
    memcpy(out_world->often, often, sizeof often);
    return NULL;
}

static enum bw_err read_lines(FILE *in, const char *path, struct sim_listed *out_worlds,
                              uint32_t *out_count, struct bw_diag *diag)
{
    struct sim_listed worlds[SIM_LISTED_MAX] = {{.seed = 0}};
    uint32_t count = 0;
    char line[256];

    for (uint32_t number = 1; fgets(line, sizeof line, in) != NULL; number++) {
        const char *wrong;

        line[strcspn(line, "#\n")] = '\0';
        if (line[strspn(line, " \t")] == '\0')
            continue;
        wrong = count == SIM_LISTED_MAX ? "there are too many worlds before it"
                                        : read_world(line, &worlds[count++]);
        if (wrong != NULL)
            return bw_diag_set(diag, BW_ERR_INVALID, "%s:%" PRIu32 ": %s", path, number, wrong);
    }
    if (ferror(in) != 0)
        return bw_diag_errno(diag, errno, "read %s", path);
    memcpy(out_worlds, worlds, sizeof worlds);
    *out_count = count;
    return BW_OK;
}

enum bw_err sim_listed_load(const char *path, struct sim_listed *out_worlds, uint32_t *out_count,
                            struct bw_diag *diag)
{
    FILE *in = fopen(path, "r");
    enum bw_err err;

    if (in == NULL)
        return bw_diag_errno(diag, errno, "open %s", path);
    err = read_lines(in, path, out_worlds, out_count, diag);
    (void)fclose(in); /* only read from */
    return err;
}
