/* site_facts.h - what is no fault at a site: how its file is written, and what that means. */
#ifndef BW_CLI_SITE_FACTS_H
#define BW_CLI_SITE_FACTS_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

/* In lines, as `status` shows them; `group` and `site` as a witness answers them. */
void bw_site_facts(const json_t *group, const json_t *site, FILE *out);

/* One of the site's own alarms that is none of the group, by what is committed of its epoch (core/trouble.h); one of
 * the lines above says it. */
bool bw_site_alarm_is_fact(const json_t *group, const json_t *site, const char *alarm);

#endif
