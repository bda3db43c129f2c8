/* resume.h - a campaign that goes on another day: text, a name and a number a line. */
#ifndef BW_SIM_RESUME_H
#define BW_SIM_RESUME_H

#include <breakwater/base/diag.h>

#include "campaign.h"

/* No file yet: BW_OK, nothing changes. BW_ERR_INVALID: it is of another campaign, or damaged. */
BW_MUST_CHECK enum bw_err sim_resume_load(struct sim_campaign *campaign, struct bw_diag *diag);
/* Replaces the file. */
BW_MUST_CHECK enum bw_err sim_resume_save(const struct sim_campaign *campaign,
                                          struct bw_diag *diag);

#endif
