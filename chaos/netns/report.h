/* report.h - what came of the runs: as text, as JSON, as a page with pictures. */
#ifndef BW_CHAOS_REPORT_H
#define BW_CHAOS_REPORT_H

#include <stdio.h>

#include "verdict.h"

#define BW_CHAOS_SCHEMA "breakwater.chaos/v1"
#define BW_RUNS_MAX     256 /* scenarios of one call */

/* One scenario, or one random run. */
struct bw_outcome {
    char name[BW_NAME_MAX + 1];
    char words[BW_LAB_TEXT_BYTES];
    struct bw_lab_options options;
    struct bw_lab lab; /* closed: its events stay until bw_outcome_deinit */
    struct bw_run run;
    struct bw_verdict verdict;
    char error[BW_DIAG_TEXT_BYTES]; /* why it could not be shown; "": it was */
    bool is_lacking;                /* that is for what this machine lacks: nothing was begun */
};
bool bw_outcome_is_ok(const struct bw_outcome *outcome);
void bw_outcome_deinit(struct bw_outcome *outcome);

/* A few lines. */
void bw_report_print(const struct bw_outcome *outcome, FILE *out);
/* All of them, into a file, whole or not at all. */
BW_MUST_CHECK enum bw_err bw_report_json(const char *path, struct bw_outcome *const *outcomes,
                                         uint32_t count, struct bw_diag *diag);
/* One self-contained page. A picture is at most BW_PAGE_WIDTH_MAX wide: a longer run is drawn at a
 * smaller scale. Of one lane at most BW_PAGE_SHAPES_MAX shapes are drawn; the page says when there
 * were more. */
#define BW_PAGE_WIDTH_MAX  16000
#define BW_PAGE_SHAPES_MAX 4000
BW_MUST_CHECK enum bw_err bw_report_page(const char *path, struct bw_outcome *const *outcomes,
                                         uint32_t count, struct bw_diag *diag);

#endif
