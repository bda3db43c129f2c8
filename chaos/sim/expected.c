/* expected.c - what a standard campaign must have fired at least once. */
#include "expected.h"

#include <stdio.h>

#include <breakwater/core/rules.h>

#include "coverage.h"
#include "plan.h"

/* Besides the rules that are not marked as rare (rules.h) and the faults. */
static const char *const others[] = {
    "rate:within",
    "rate:slow",
    "rate:fast",
    "founders:three",
    "founders:five",
    "upgrade:done",
    "upgrade:rolled_back",
    "upgrade:mistake",
    "level:refused",
    "proof:terms",
    "proof:entry",
    "level:witness_ends",
    "level:agent_refused",
    "level:guard_refused",
    "enforcer:kill_alone",
    "people:vouch",
    "people:vouch_wrongly",
    "restart:local",
    "condition:stop",
    "condition:fails",
    "script:ended",
    "agent:alone_and_saving",
    "guard:alone_and_saving",
    "agent:certificate_refused",
    "guard:caretaker",
    "guard:forgotten",
    "guard:memory_unread",
    "guard:reload_refused",
    "guard:reload_adds",
    "guard:reload_leaves",
    "agent:reload_refused",
    "agent:reload_leaves",
    "agent:reload_takes",
    "apply:stale",
    "wish:outlives",
    "wish:taken_back",
    "reload:refused",
    "mark:written",
    "mark:read",
    "transfer:leaving",
    "transfer:asked",
    "members:done",
    "members:removed",
    "members:lost_is_back",
    "recover:done",
    "recovery:restored",
    "recovery:grown",
    "left_behind:back",
    "left_behind:leads",
    "left_behind:confirms",
    "left_behind:dropped",
    "remote_fence:begins",
    "remote_fence:sees",
    "remote_fence:ends",
    "remote_fence:counts",
    "second:counts",
    "second:outlives",
    "second:sees_end",
    "second:ends_alone",
    "second:resumes",
    "point:waits",
    "point:acts",
    "net:far",
    "unit:up",
    "unit:comes_again",
    "override:ordered",
    "override:waits",
    "override:given_up",
    "override:on",
    "override:to_end",
    "override:ending",
    "override:ended",
    "override:armed",
    "override:adopted",
    "override:two",
    "override:overlap",
    "override:decided_beside",
    "override:broken",
    "override:observed_meanwhile",
    "override:deleted_meanwhile",
    "override:refused_witnesses",
    "override:refused_not_enforced",
    "override:refused_level",
    "override:refused_guard",
};
#define OTHER_COUNT (sizeof others / sizeof others[0])

const char *sim_expected(uint32_t at)
{
    static char fault[SIM_COVERAGE_NAME_BYTES];
    size_t rule_count;
    const struct bw_rule *rules = bw_rules(&rule_count);

    for (size_t i = 0; i < rule_count; i++)
        if (rules[i].rare == NULL && at-- == 0)
            return rules[i].id;
    if (at < OTHER_COUNT)
        return others[at];
    at -= (uint32_t)OTHER_COUNT;
    if (at >= sim_incident_kind_expected_count())
        return NULL;
    (void)snprintf(fault, sizeof fault, "fault:%s", sim_incident_kind_at(at)->name);
    return fault;
}
