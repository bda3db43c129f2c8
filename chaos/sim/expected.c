/* expected.c - what a standard campaign must have fired at least once. */
#include "expected.h"

#include <stdio.h>

#include <breakwater/core/group.h>

#include "coverage.h"
#include "plan.h"

const char *sim_expected(uint32_t at)
{
    static char fault[SIM_COVERAGE_NAME_BYTES];
    size_t rule_count;
    const struct bw_group_rule *rules = bw_group_rules(&rule_count);

    if (at < rule_count)
        return rules[at].id;
    at -= (uint32_t)rule_count;
    if (at >= sim_incident_kind_count())
        return NULL;
    (void)snprintf(fault, sizeof fault, "fault:%s", sim_incident_kind_at(at)->name);
    return fault;
}
