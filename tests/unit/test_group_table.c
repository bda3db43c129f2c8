/* group: the table of design 3.1, walked whole: what fires in each state, and what must not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core_fixture.h"

/* ---- the walk: every (state, command, comparison that fails) ---- */

enum state {
    STATE_VACANT,
    STATE_GRANTED,
    STATE_ADOPTING,
    STATE_REVOKING,
    STATE_CLOSING,
    STATE_HELD,
    STATE_COUNT
};

/* Its start waits before its point of no return. */
static struct group_run ahead(struct group_run run)
{
    run.group.terms.no_return = BW_NO_RETURN_AHEAD;
    return run;
}

static struct group_run make(enum state state)
{
    switch (state) {
    case STATE_VACANT:
        return group_run_vacant();
    case STATE_GRANTED:
        return ahead(group_run_granted("dc-a"));
    case STATE_ADOPTING:
        return group_run_adopting("dc-a");
    case STATE_REVOKING:
        return ahead(group_run_revoking("dc-a", "dc-b"));
    case STATE_CLOSING:
        return group_run_closing("dc-a");
    case STATE_HELD:
        return group_run_held("dc-a");
    case STATE_COUNT:
        break;
    }
    fail();
    return group_run_vacant();
}

/* X(NAME): one thing about a command that is not as the group has it. */
#define TWIST_LIST(X)                                                                              \
    X(NOTHING)                                                                                     \
    X(OLD_EPOCH)                                                                                   \
    X(LATER_EPOCH) X(OTHER_VERSION) X(NO_VERSION) X(OTHER_INSTANCE) X(NO_INSTANCE) X(NO_BOOT) X(ABSENT_SITE)  \
        X(NEVER_CANDIDATE) X(ABSENT_TARGET) X(TARGET_IS_HOLDER) X(OTHER_TERMS) X(OBSERVE)          \
            X(WITHOUT_HOLDER) X(WITHOUT_TARGET) X(OTHER_NAME) X(UNKNOWN_MODE)
enum twist {
#define X(name) TWIST_##name,
    TWIST_LIST(X)
#undef X
        TWIST_COUNT
};
#define BIT(name) (1u << TWIST_##name)
#define EPOCHS    (BIT(OLD_EPOCH) | BIT(LATER_EPOCH))
#define VERSIONS  (BIT(OTHER_VERSION) | BIT(NO_VERSION))

/* Which twists a command is compared by: with one of them it must not fire. */
static const unsigned compared[BW_COMMAND_COUNT] = {
    [BW_COMMAND_GRANT] = EPOCHS | VERSIONS | BIT(NO_INSTANCE) | BIT(NO_BOOT) | BIT(ABSENT_SITE) |
                         BIT(NEVER_CANDIDATE) | BIT(OTHER_TERMS),
    [BW_COMMAND_REVOKE] = EPOCHS | VERSIONS | BIT(ABSENT_TARGET) | BIT(TARGET_IS_HOLDER),
    [BW_COMMAND_UNREVOKE] = EPOCHS | VERSIONS,
    [BW_COMMAND_CLOSE] = EPOCHS,
    [BW_COMMAND_FENCE_FAILED] = EPOCHS,
    [BW_COMMAND_RELEASED] = EPOCHS | BIT(OTHER_INSTANCE) | BIT(NO_INSTANCE),
    [BW_COMMAND_EXPIRED] = EPOCHS,
    [BW_COMMAND_ADOPTED] = EPOCHS,
    [BW_COMMAND_FENCED] = EPOCHS,
    [BW_COMMAND_FORCED] = EPOCHS,
    [BW_COMMAND_SET_SPEC] = BIT(OTHER_VERSION) | BIT(ABSENT_SITE) | BIT(OTHER_NAME),
    [BW_COMMAND_SET_MODE] = BIT(OTHER_VERSION) | BIT(UNKNOWN_MODE),
    [BW_COMMAND_MAINTENANCE] = BIT(OTHER_VERSION) | BIT(ABSENT_SITE),
    [BW_COMMAND_DELETE] = BIT(OTHER_VERSION),
    [BW_COMMAND_BOOT] = EPOCHS | BIT(NO_BOOT),
    [BW_COMMAND_REACH] = EPOCHS | BIT(OTHER_INSTANCE) | BIT(NO_INSTANCE),
    [BW_COMMAND_SECOND_ENFORCER] = EPOCHS | BIT(OTHER_INSTANCE) | BIT(NO_INSTANCE),
    [BW_COMMAND_PASSED] = EPOCHS | BIT(OTHER_INSTANCE) | BIT(NO_INSTANCE),
};

/* Every pair that has a row, and the row under mode observe where that is another. */
static const struct {
    enum state state;
    enum bw_command_kind kind;
    const char *id;
    const char *id_observing; /* NULL: the same */
} expected[] = {
    {STATE_VACANT, BW_COMMAND_GRANT, "G1", NULL},
    {STATE_VACANT, BW_COMMAND_SET_SPEC, "G18", NULL},
    {STATE_VACANT, BW_COMMAND_SET_MODE, "G24", NULL},
    {STATE_VACANT, BW_COMMAND_MAINTENANCE, "G30", NULL},
    {STATE_VACANT, BW_COMMAND_DELETE, "G34", NULL},
    {STATE_GRANTED, BW_COMMAND_REVOKE, "G2", NULL},
    {STATE_GRANTED, BW_COMMAND_EXPIRED, "G4", NULL},
    {STATE_GRANTED, BW_COMMAND_RELEASED, "G7", NULL},
    {STATE_GRANTED, BW_COMMAND_CLOSE, "G10", NULL},
    {STATE_GRANTED, BW_COMMAND_FENCE_FAILED, "G12", NULL},
    {STATE_GRANTED, BW_COMMAND_BOOT, "G55", NULL},
    {STATE_GRANTED, BW_COMMAND_REACH, "G40", NULL},
    {STATE_GRANTED, BW_COMMAND_SECOND_ENFORCER, "G56", NULL},
    {STATE_GRANTED, BW_COMMAND_PASSED, "G58", NULL},
    {STATE_GRANTED, BW_COMMAND_SET_SPEC, "G19", "G20"},
    {STATE_GRANTED, BW_COMMAND_SET_MODE, "G24", "G26"},
    {STATE_GRANTED, BW_COMMAND_MAINTENANCE, "G30", NULL},
    {STATE_ADOPTING, BW_COMMAND_EXPIRED, "G4", NULL},
    {STATE_ADOPTING, BW_COMMAND_RELEASED, "G7", NULL},
    {STATE_ADOPTING, BW_COMMAND_CLOSE, "G10", NULL},
    {STATE_ADOPTING, BW_COMMAND_FENCE_FAILED, "G12", NULL},
    {STATE_ADOPTING, BW_COMMAND_ADOPTED, "G15", NULL},
    {STATE_ADOPTING, BW_COMMAND_BOOT, "G55", NULL},
    {STATE_ADOPTING, BW_COMMAND_REACH, "G40", NULL},
    {STATE_ADOPTING, BW_COMMAND_SECOND_ENFORCER, "G56", NULL},
    {STATE_ADOPTING, BW_COMMAND_SET_SPEC, "G19", "G20"},
    {STATE_ADOPTING, BW_COMMAND_SET_MODE, "G24", "G26"},
    {STATE_ADOPTING, BW_COMMAND_MAINTENANCE, "G30", NULL},
    {STATE_REVOKING, BW_COMMAND_UNREVOKE, "G3", NULL},
    {STATE_REVOKING, BW_COMMAND_EXPIRED, "G4", NULL},
    {STATE_REVOKING, BW_COMMAND_RELEASED, "G8", NULL},
    {STATE_REVOKING, BW_COMMAND_CLOSE, "G10", NULL},
    {STATE_REVOKING, BW_COMMAND_REACH, "G40", NULL},
    {STATE_REVOKING, BW_COMMAND_SECOND_ENFORCER, "G56", NULL},
    {STATE_REVOKING, BW_COMMAND_PASSED, "G58", NULL},
    {STATE_REVOKING, BW_COMMAND_FENCE_FAILED, "G12", NULL},
    {STATE_REVOKING, BW_COMMAND_SET_SPEC, "G19", "G20"},
    {STATE_REVOKING, BW_COMMAND_SET_MODE, "G24", "G26"},
    {STATE_REVOKING, BW_COMMAND_MAINTENANCE, "G30", NULL},
    {STATE_CLOSING, BW_COMMAND_EXPIRED, "G6", NULL},
    {STATE_CLOSING, BW_COMMAND_RELEASED, "G9", NULL},
    {STATE_CLOSING, BW_COMMAND_FENCE_FAILED, "G12", NULL},
    {STATE_CLOSING, BW_COMMAND_FENCED, "G16", NULL},
    {STATE_CLOSING, BW_COMMAND_REACH, "G40", NULL},
    {STATE_CLOSING, BW_COMMAND_FORCED, "G17", NULL},
    {STATE_CLOSING, BW_COMMAND_SET_SPEC, "G23", "no-op"},
    {STATE_CLOSING, BW_COMMAND_SET_MODE, "G29", "no-op"},
    {STATE_CLOSING, BW_COMMAND_MAINTENANCE, "G30", NULL},
    {STATE_HELD, BW_COMMAND_RELEASED, "G9", NULL},
    {STATE_HELD, BW_COMMAND_FENCED, "G16", NULL},
    {STATE_HELD, BW_COMMAND_REACH, "G40", NULL},
    {STATE_HELD, BW_COMMAND_FORCED, "G17", NULL},
    {STATE_HELD, BW_COMMAND_SET_SPEC, "G23", "no-op"},
    {STATE_HELD, BW_COMMAND_SET_MODE, "G29", "no-op"},
    {STATE_HELD, BW_COMMAND_MAINTENANCE, "G30", NULL},
};

static const char *expect(enum state state, enum bw_command_kind kind, enum twist twist)
{
    if ((compared[kind] & (1u << twist)) != 0)
        return "no-op";
    if (kind == BW_COMMAND_SET_SPEC && twist == TWIST_WITHOUT_HOLDER && state != STATE_VACANT)
        return "no-op";
    if (kind == BW_COMMAND_SET_SPEC && twist == TWIST_WITHOUT_TARGET && state == STATE_REVOKING)
        return "no-op";
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (expected[i].state == state && expected[i].kind == kind)
            return twist == TWIST_OBSERVE && expected[i].id_observing != NULL
                       ? expected[i].id_observing
                       : expected[i].id;
    return "no-op";
}

/* The command that fits `group` in every way. */
static struct bw_command fitting(const struct bw_group *group, enum bw_command_kind kind)
{
    if (kind == BW_COMMAND_GRANT)
        return fixture_grant(group, "dc-b");
    if (kind == BW_COMMAND_REVOKE)
        return fixture_revoke(group, "dc-b");
    return fixture_command(group, kind);
}

static void twist_command(struct bw_command *command, struct bw_group *group, enum twist twist)
{
    switch (twist) {
    case TWIST_NOTHING:
    case TWIST_COUNT:
        return;
    case TWIST_OLD_EPOCH:
        command->epoch--;
        return;
    case TWIST_LATER_EPOCH:
        command->epoch++;
        return;
    case TWIST_OTHER_VERSION:
        command->spec_version--;
        return;
    case TWIST_NO_VERSION:
        command->spec_version = 0;
        return;
    case TWIST_OTHER_INSTANCE:
        command->instance = fixture_instance("dc-c");
        return;
    case TWIST_NO_INSTANCE:
        command->instance = (struct bw_id){0};
        return;
    case TWIST_NO_BOOT:
        command->boot_id = (struct bw_id){0};
        return;
    case TWIST_ABSENT_SITE:
        strcpy(command->site, "dc-x");
        return;
    case TWIST_NEVER_CANDIDATE:
        group->spec.sites[1].never_candidate = command->kind == BW_COMMAND_GRANT;
        return;
    case TWIST_ABSENT_TARGET:
        strcpy(command->target, "dc-x");
        return;
    case TWIST_TARGET_IS_HOLDER:
        strcpy(command->target, "dc-a");
        return;
    case TWIST_OTHER_TERMS:
        command->terms.ttl_ms++;
        return;
    case TWIST_OBSERVE:
        command->mode = command->spec.mode = BW_MODE_OBSERVE;
        return;
    case TWIST_WITHOUT_HOLDER:
        command->spec = fixture_set_spec(group, "dc-a").spec;
        return;
    case TWIST_WITHOUT_TARGET:
        command->spec = fixture_set_spec(group, "dc-b").spec;
        return;
    case TWIST_OTHER_NAME:
        strcpy(command->spec.name, "registry");
        return;
    case TWIST_UNKNOWN_MODE:
        command->mode = (enum bw_mode)9;
        return;
    }
}

/* I2, 3.1. Two rows for one command would stop the walk: bw_group_match asserts it. */
static void every_state_and_command_fires_its_one_row_or_is_a_no_op(void **state)
{
    (void)state;
    for (int s = 0; s < STATE_COUNT; s++)
        for (int kind = BW_COMMAND_GRANT; kind < BW_COMMAND_COUNT; kind++)
            for (int twist = 0; twist < TWIST_COUNT; twist++) {
                struct group_run run = make((enum state)s);
                struct bw_command command = fitting(&run.group, (enum bw_command_kind)kind);
                const char *want = expect((enum state)s, command.kind, (enum twist)twist);
                struct bw_group before;
                const char *got;

                twist_command(&command, &run.group, (enum twist)twist);
                before = run.group;
                got = group_run_apply(&run, command);
                if (strcmp(got, want) != 0)
                    fail_msg("state %d, %s, twist %d: %s instead of %s", s,
                             bw_command_word(command.kind), twist, got, want);
                if (strcmp(got, "no-op") == 0)
                    assert_memory_equal(&before, &run.group, sizeof before);
            }
}

static void no_row_is_there_that_cannot_fire(void **state)
{
    size_t count;
    const struct bw_group_rule *rules = bw_group_rules(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        bool fires = false;

        for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++)
            fires = fires || (make(expected[k].state).group.phase == rules[i].phase &&
                              (strcmp(expected[k].id, rules[i].id) == 0 ||
                               (expected[k].id_observing != NULL &&
                                strcmp(expected[k].id_observing, rules[i].id) == 0)));
        if (!fires)
            fail_msg("%s never fired in %s in the walk", rules[i].id, bw_phase_word(rules[i].phase));
    }
}

static void rows_of_one_rule_differ_in_phase_alone(void **state)
{
    size_t count;
    const struct bw_group_rule *rules = bw_group_rules(&count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            if (strcmp(rules[i].id, rules[k].id) != 0)
                continue;
            assert_int_not_equal(rules[i].phase, rules[k].phase);
            assert_int_equal(rules[i].command, rules[k].command);
            assert_string_equal(rules[i].effect, rules[k].effect);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_command_fires_its_one_row_or_is_a_no_op),
        cmocka_unit_test(no_row_is_there_that_cannot_fire),
        cmocka_unit_test(rows_of_one_rule_differ_in_phase_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
