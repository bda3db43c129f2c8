#include <breakwater/config/chrony.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_BYTES 1024 /* chrony's own limit is lower; the rest of a longer line is another line  \
                         */
#define SLEW_PPM_MAX 1000000.0 /* at which a clock could stand still */

/* `maxslewrate NUMBER` with any white space. False: a line about something else. */
static bool is_slew_line(const char *line, const char **out_value)
{
    static const char directive[] = "maxslewrate";
    const size_t length = sizeof directive - 1;

    line += strspn(line, " \t");
    if (strncasecmp(line, directive, length) != 0 || strchr(" \t", line[length]) == NULL)
        return false;
    *out_value = line + length + strspn(line + length, " \t");
    return true;
}

static enum bw_err read_value(const char *file, const char *value, uint32_t *out_ppm,
                              struct bw_diag *diag)
{
    char *end;
    const double ppm = strtod(value, &end);

    if (end == value || end[strspn(end, " \t\r\n")] != '\0' || !(ppm >= 0 && ppm <= SLEW_PPM_MAX))
        return bw_diag_set(diag, BW_ERR_INVALID, "%s: maxslewrate is not 0 to 1000000 ppm", file);
    *out_ppm = (uint32_t)ppm;
    if ((double)*out_ppm < ppm)
        (*out_ppm)++;
    return BW_OK;
}

enum bw_err bw_chrony_slew_ppm(const char *file, uint32_t *out_ppm, struct bw_diag *diag)
{
    char line[LINE_BYTES];
    uint32_t ppm = BW_CHRONY_SLEW_PPM_ABSENT;
    enum bw_err err = BW_OK;
    FILE *in = fopen(file, "re");

    if (in == NULL)
        return bw_diag_errno(diag, errno, "read %s", file);
    while (err == BW_OK && fgets(line, sizeof line, in) != NULL) {
        const char *value;

        if (is_slew_line(line, &value))
            err = read_value(file, value, &ppm, diag);
    }
    if (err == BW_OK && ferror(in))
        err = bw_diag_errno(diag, EIO, "read %s", file);
    (void)fclose(in); /* read only: nothing is left that closing could lose */
    if (err == BW_OK)
        *out_ppm = ppm;
    return err;
}
