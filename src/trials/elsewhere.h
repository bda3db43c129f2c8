/* elsewhere.h - may another site serve a group while it is tried here? The witnesses of the site file are asked, with
 * the agent's certificate. Design 3.9. */
#ifndef BW_TRIALS_ELSEWHERE_H
#define BW_TRIALS_ELSEWHERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include <breakwater/config/site_config.h>

#include "options.h"

enum bw_elsewhere {
    BW_ELSEWHERE_NOBODY,  /* a leader reports that no other site serves it, or may be granted it */
    BW_ELSEWHERE_UNKNOWN, /* an operator has to confirm it */
    BW_ELSEWHERE_TAKEN,   /* no confirmation passes that */
};

/* The answer of one witness, or why there is none. */
struct bw_elsewhere_answer {
    const char *address;
    const json_t *status; /* breakwater.status/v2; NULL: none */
    const char *why;      /* without one */
};

/* Judges the answers, and prints each reason that is not NOBODY to `out`. Reports of started services and overrides
 * count from every witness, for one may be connected to a site that the others cannot reach; silence only from the
 * leader. */
enum bw_elsewhere bw_elsewhere_judge(const struct bw_elsewhere_answer *answers, size_t count, const char *site,
                                     const char *group, FILE *out);

/* Asks the witnesses of `site`, and judges. Bounded by the limit of a status request. With `is_told` UNKNOWN is
 * not printed: the operator has confirmed it. */
enum bw_elsewhere bw_elsewhere_ask(const struct bw_cli_command *command, const struct bw_site_config *site,
                                   const char *group, bool is_told);

#endif
