/* expected.c - what a standard campaign must have fired at least once. */
#include "expected.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/core/group.h>

#include "coverage.h"
#include "plan.h"

/* The rules of the machines, by their ids in src/core, and the defects of libraft that safe_io closes.
 * Not among them: A0 (nothing to do), L13 (done to each vote), and what needs what a world has not: a
 * change of the members (L7 to L9).
 * Beyond it: C3 (a newer release); S62 (a service that comes back after a fence that answered for a held
 * epoch); U44 W32 (an end, or a look, that meets a save under way); U60 S92 (a service that comes back while
 * its end is written down); S93 S94 (a service that nobody here has begun, an agent whose state is an older
 * copy); F30 (an agent's own fence of a service outside); W34 (a script that runs once more for what a start
 * has left behind). All but the first are too rare for each campaign. */
static const char *const machine_rules[] = {
    "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A20",
    "A25", "A26", "A30",
    "C1", "C2",
    "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13", "S14",
    "S15", "S16", "S17", "S18", "S19", "S20", "S21", "S22", "S23", "S24", "S25", "S26", "S27",
    "S28", "S30", "S31", "S32", "S33", "S34", "S35", "S36", "S37", "S38", "S39", "S40",
    "S41", "S42", "S43", "S44", "S46", "S47", "S48", "S49", "S60", "S61", "S90",
    "S91", "U1", "U2", "U3", "U4", "U5", "U6",
    "U7", "U8", "U9", "U10", "U11", "U12", "U13", "U14", "U15", "U16", "U17", "U18", "U19", "U20",
    "U30", "U41", "U42", "U43", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8", "V9", "V10", "V11", "V12", "V13", "V14",
    "V15", "V16", "V17", "V18", "V19", "V40", "V60", "V61", "V62", "W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10",
    "W11", "W12", "W13", "W14", "W15", "W16", "W20", "W30", "W31", "W33", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9",
    "F10", "F11", "F12", "F31", "L1", "L2", "L3", "L4", "L5", "L6", "L10", "L11", "L12", "L14", "L15", "L16",
    "L21", "L22",
    "rate:within", "rate:slow", "rate:fast",
    "enforcer:kill_alone", "people:vouch", "people:vouch_wrongly",
    "restart:local", "condition:stop", "condition:fails", "script:ended",
};
#define RULE_COUNT (sizeof machine_rules / sizeof machine_rules[0])

/* Rows of the group's table that are not asked for: G16, a fence that somebody confirms from another
 * machine (no verb does that yet); G41, a first look that shows the service elsewhere in the moment of a
 * planned move (too rare for each campaign). test_group_table walks each row. */
static const char *const group_rules_beyond[] = {"G16", "G41"};

static bool is_beyond(const char *id)
{
    for (size_t i = 0; i < sizeof group_rules_beyond / sizeof group_rules_beyond[0]; i++)
        if (strcmp(id, group_rules_beyond[i]) == 0)
            return true;
    return false;
}

const char *sim_expected(uint32_t at)
{
    static char fault[SIM_COVERAGE_NAME_BYTES];
    size_t rule_count;
    const struct bw_group_rule *rules = bw_group_rules(&rule_count);

    for (size_t i = 0; i < rule_count; i++)
        if (!is_beyond(rules[i].id) && at-- == 0)
            return rules[i].id;
    if (at < RULE_COUNT)
        return machine_rules[at];
    at -= (uint32_t)RULE_COUNT;
    if (at >= sim_incident_kind_count())
        return NULL;
    (void)snprintf(fault, sizeof fault, "fault:%s", sim_incident_kind_at(at)->name);
    return fault;
}
