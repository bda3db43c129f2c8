/* site_facts.h - what is no fault at a site: how its file is written, and what that means. */
#ifndef BW_CLI_SITE_FACTS_H
#define BW_CLI_SITE_FACTS_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* In lines, as `status` shows them; `group` and `site` as a witness answers them. */
void bw_site_facts(const json_t *group, const json_t *site, FILE *out);

/* The holder's second enforcer is counted on: time alone ends what its guard cannot (3.4). */
bool bw_site_has_second(const json_t *group, const json_t *site);

#endif
