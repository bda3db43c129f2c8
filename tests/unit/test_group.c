/* group: the table of design 3.1, and the rules of 3.5, 3.6, 3.9 and 4 that live in it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core_fixture.h"

/* ---- a group and what happens to it ---- */

struct run {
    struct bw_group group;
    uint64_t index;
};

static const char *apply(struct run *run, struct bw_command command)
{
    const struct bw_group_rule *rule = bw_group_apply(&run->group, ++run->index, &command);

    return rule == NULL ? "no-op" : rule->id;
}

#define assert_rule(run, id, command) assert_string_equal(apply(run, command), id)

static struct run vacant(void)
{
    const struct bw_spec spec = fixture_spec();
    struct run run = {.index = 10};

    bw_group_init(&run.group, &spec, 0, run.index);
    return run;
}

static struct run granted(const char *site)
{
    struct run run = vacant();

    assert_rule(&run, "G1", fixture_grant(&run.group, site));
    return run;
}

static struct run adopting(const char *site)
{
    struct run run = vacant();

    assert_rule(&run, "G1", fixture_adopt(&run.group, site));
    return run;
}

static struct run revoking(const char *site, const char *target)
{
    struct run run = granted(site);

    assert_rule(&run, "G2", fixture_revoke(&run.group, target));
    return run;
}

static struct run closing(const char *site)
{
    struct run run = granted(site);

    assert_rule(&run, "G10", fixture_command(&run.group, BW_COMMAND_CLOSE));
    return run;
}

static struct run held(const char *site)
{
    struct run run = granted(site);

    assert_rule(&run, "G12", fixture_command(&run.group, BW_COMMAND_FENCE_FAILED));
    return run;
}

/* VACANT on the way from `site` to `target`, given back at position 0/16. */
static struct run between(const char *site, const char *target)
{
    struct run run = revoking(site, target);

    assert_rule(&run, "G8", fixture_released(&run.group, BW_REASON_SWITCHOVER, true, "0/16"));
    return run;
}

static void assert_no_switchover(const struct bw_group *group)
{
    assert_string_equal(group->target, "");
    assert_string_equal(group->target_origin, "");
    assert_string_equal(group->target_position, "");
    assert_false(group->rolling_back);
}

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

static struct run make(enum state state)
{
    switch (state) {
    case STATE_VACANT:
        return vacant();
    case STATE_GRANTED:
        return granted("dc-a");
    case STATE_ADOPTING:
        return adopting("dc-a");
    case STATE_REVOKING:
        return revoking("dc-a", "dc-b");
    case STATE_CLOSING:
        return closing("dc-a");
    case STATE_HELD:
        return held("dc-a");
    case STATE_COUNT:
        break;
    }
    fail();
    return vacant();
}

/* X(NAME): one thing about a command that is not as the group has it. */
#define TWIST_LIST(X)                                                                              \
    X(NOTHING)                                                                                     \
    X(OLD_EPOCH) X(LATER_EPOCH) X(OTHER_VERSION) X(NO_VERSION) X(OTHER_INSTANCE) X(NO_INSTANCE)    \
        X(ABSENT_SITE) X(NEVER_CANDIDATE) X(ABSENT_TARGET) X(TARGET_IS_HOLDER) X(OTHER_TERMS)      \
            X(OBSERVE) X(WITHOUT_HOLDER) X(WITHOUT_TARGET) X(OTHER_NAME) X(UNKNOWN_MODE)
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
    [BW_COMMAND_GRANT] = EPOCHS | VERSIONS | BIT(NO_INSTANCE) | BIT(ABSENT_SITE) |
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
    {STATE_GRANTED, BW_COMMAND_SET_SPEC, "G19", "G20"},
    {STATE_GRANTED, BW_COMMAND_SET_MODE, "G25", "G26"},
    {STATE_GRANTED, BW_COMMAND_MAINTENANCE, "G31", NULL},
    {STATE_ADOPTING, BW_COMMAND_EXPIRED, "G4", NULL},
    {STATE_ADOPTING, BW_COMMAND_RELEASED, "G7", NULL},
    {STATE_ADOPTING, BW_COMMAND_CLOSE, "G10", NULL},
    {STATE_ADOPTING, BW_COMMAND_FENCE_FAILED, "G12", NULL},
    {STATE_ADOPTING, BW_COMMAND_ADOPTED, "G15", NULL},
    {STATE_ADOPTING, BW_COMMAND_SET_SPEC, "G19", "G20"},
    {STATE_ADOPTING, BW_COMMAND_SET_MODE, "G25", "G26"},
    {STATE_ADOPTING, BW_COMMAND_MAINTENANCE, "G31", NULL},
    {STATE_REVOKING, BW_COMMAND_UNREVOKE, "G3", NULL},
    {STATE_REVOKING, BW_COMMAND_EXPIRED, "G5", NULL},
    {STATE_REVOKING, BW_COMMAND_RELEASED, "G8", NULL},
    {STATE_REVOKING, BW_COMMAND_CLOSE, "G11", NULL},
    {STATE_REVOKING, BW_COMMAND_FENCE_FAILED, "G13", NULL},
    {STATE_REVOKING, BW_COMMAND_SET_SPEC, "G21", "G22"},
    {STATE_REVOKING, BW_COMMAND_SET_MODE, "G27", "G28"},
    {STATE_REVOKING, BW_COMMAND_MAINTENANCE, "G32", NULL},
    {STATE_CLOSING, BW_COMMAND_EXPIRED, "G6", NULL},
    {STATE_CLOSING, BW_COMMAND_RELEASED, "G9", NULL},
    {STATE_CLOSING, BW_COMMAND_FENCE_FAILED, "G14", NULL},
    {STATE_CLOSING, BW_COMMAND_FENCED, "G16", NULL},
    {STATE_CLOSING, BW_COMMAND_FORCED, "G17", NULL},
    {STATE_CLOSING, BW_COMMAND_SET_SPEC, "G23", "no-op"},
    {STATE_CLOSING, BW_COMMAND_SET_MODE, "G29", "no-op"},
    {STATE_CLOSING, BW_COMMAND_MAINTENANCE, "G33", NULL},
    {STATE_HELD, BW_COMMAND_RELEASED, "G9", NULL},
    {STATE_HELD, BW_COMMAND_FENCED, "G16", NULL},
    {STATE_HELD, BW_COMMAND_FORCED, "G17", NULL},
    {STATE_HELD, BW_COMMAND_SET_SPEC, "G23", "no-op"},
    {STATE_HELD, BW_COMMAND_SET_MODE, "G29", "no-op"},
    {STATE_HELD, BW_COMMAND_MAINTENANCE, "G33", NULL},
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
                struct run run = make((enum state)s);
                struct bw_command command = fitting(&run.group, (enum bw_command_kind)kind);
                const char *want = expect((enum state)s, command.kind, (enum twist)twist);
                struct bw_group before;
                const char *got;

                twist_command(&command, &run.group, (enum twist)twist);
                before = run.group;
                got = apply(&run, command);
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
            fires = fires || strcmp(expected[k].id, rules[i].id) == 0 ||
                    (expected[k].id_observing != NULL &&
                     strcmp(expected[k].id_observing, rules[i].id) == 0);
        if (!fires)
            fail_msg("%s never fired in the walk", rules[i].id);
    }
}

static void ids_of_rows_are_unique(void **state)
{
    size_t count;
    const struct bw_group_rule *rules = bw_group_rules(&count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rules[i].id, rules[k].id);
}

/* ---- epochs ---- */

static void grant_opens_the_next_epoch_with_pinned_terms(void **state) /* I2, 3.1 */
{
    struct run run = granted("dc-a");
    struct bw_command slower = fixture_set_spec(&run.group, "");

    (void)state;
    slower.spec.lease_ttl_ms = 90000;
    assert_rule(&run, "G19", slower);

    assert_int_equal(run.group.epoch, 1);
    assert_int_equal(run.group.terms.ttl_ms, 1000);
    assert_int_equal(run.group.spec.lease_ttl_ms, 90000);
    assert_string_equal(run.group.data_site, "dc-a");
    assert_true(bw_id_equal(run.group.holder_instance, fixture_instance("dc-a")));
}

static void a_grant_decided_under_another_spec_is_a_no_op(void **state) /* I1, 3.1 */
{
    struct run run = vacant();
    const struct bw_command grant = fixture_grant(&run.group, "dc-a");

    (void)state;
    assert_rule(&run, "G24", fixture_set_mode(&run.group, BW_MODE_PAUSED));

    assert_rule(&run, "no-op", grant);
}

static void an_epoch_above_every_number_is_not_wrapped(void **state) /* I2 */
{
    struct run run = vacant();
    struct bw_command grant;

    (void)state;
    run.group.epoch = UINT64_MAX;
    grant = fixture_grant(&run.group, "dc-a");

    assert_int_equal(grant.epoch, 0);
    assert_rule(&run, "no-op", grant);
}

static void commands_that_come_twice_end_one_epoch_only(void **state) /* I1, 3.1 */
{
    struct run run = granted("dc-a");
    const struct bw_command expired = fixture_command(&run.group, BW_COMMAND_EXPIRED);
    const struct bw_command released = fixture_released(&run.group, BW_REASON_SERVICE_DOWN, true,
                                                        "");

    (void)state;
    assert_rule(&run, "G4", expired);
    assert_rule(&run, "no-op", expired);
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));

    assert_rule(&run, "no-op", expired);
    assert_rule(&run, "no-op", released);
    assert_string_equal(run.group.holder_site, "dc-b");
}

static void another_instance_of_the_site_gives_nothing_back(void **state) /* I1, 3.7 */
{
    struct run run = granted("dc-a");
    struct bw_command released = fixture_released(&run.group, BW_REASON_REBOOT, true, "");

    (void)state;
    released.instance = fixture_instance("dc-a, made anew");

    assert_rule(&run, "no-op", released);
}

/* ---- close, fence, hold ---- */

static void a_held_epoch_does_not_end_by_time(void **state) /* I1, 3.1, 3.3 */
{
    struct run run = held("dc-a");

    (void)state;
    assert_true(run.group.held);
    assert_rule(&run, "no-op", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    assert_rule(&run, "G16", fixture_command(&run.group, BW_COMMAND_FENCED));
    assert_false(run.group.held);
    assert_int_equal(run.group.last_end.grade, BW_GRADE_FENCED);
}

static void fenced_and_forced_end_nothing_before_the_close(void **state) /* I1, H3 */
{
    struct run run = granted("dc-a");

    (void)state;
    assert_rule(&run, "no-op", fixture_command(&run.group, BW_COMMAND_FENCED));
    assert_rule(&run, "no-op", fixture_command(&run.group, BW_COMMAND_FORCED));
    assert_rule(&run, "G10", fixture_command(&run.group, BW_COMMAND_CLOSE));
    assert_rule(&run, "G17", fixture_command(&run.group, BW_COMMAND_FORCED));
    assert_int_equal(run.group.last_end.grade, BW_GRADE_FORCED);
}

static void a_fence_that_fails_while_closing_holds_the_epoch(void **state) /* I1, 3.1 */
{
    struct run run = closing("dc-a");

    (void)state;
    assert_rule(&run, "G14", fixture_command(&run.group, BW_COMMAND_FENCE_FAILED));
    assert_rule(&run, "no-op", fixture_command(&run.group, BW_COMMAND_EXPIRED));
}

/* ---- adoption, first grants, observe ---- */

static void an_adoption_that_ends_before_it_was_armed_is_a_first_grant_again(void **state) /* H13 */
{
    struct run run = vacant();

    (void)state;
    run.group.first_grant = false; /* an override adopted by a later epoch, 3.8 */
    assert_rule(&run, "G1", fixture_adopt(&run.group, "dc-a"));
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));

    assert_true(run.group.first_grant);
    assert_false(run.group.adopting);
}

static void a_first_grant_is_over_with_a_start_or_an_armed_adoption(void **state) /* 3.9, H13 */
{
    struct run started = granted("dc-a");
    struct run adopted = adopting("dc-a");

    (void)state;
    assert_false(started.group.first_grant);
    assert_true(adopted.group.first_grant);
    assert_rule(&adopted, "G15", fixture_command(&adopted.group, BW_COMMAND_ADOPTED));
    assert_false(adopted.group.first_grant);
    assert_false(adopted.group.adopting);
}

static void an_adoption_is_no_holder_to_move_from(void **state)
{
    struct run run = adopting("dc-a");

    (void)state;
    assert_rule(&run, "no-op", fixture_revoke(&run.group, "dc-b"));
}

static void observe_lets_the_holder_go_and_asks_every_site_again(void **state) /* I1, 3.9 */
{
    struct run run = granted("dc-a");

    (void)state;
    assert_rule(&run, "G26", fixture_set_mode(&run.group, BW_MODE_OBSERVE));

    assert_int_equal(run.group.phase, BW_PHASE_VACANT);
    assert_int_equal(run.group.last_end.grade, BW_GRADE_LET_GO);
    assert_true(run.group.first_grant);
    assert_int_equal(run.group.let_go_index, run.index);
    assert_string_equal(run.group.let_go_site, "dc-a");
    assert_int_equal(run.group.let_go_epoch, 1);
    assert_int_equal(run.group.let_go_terms.ttl_ms, 1000);
}

static void observe_of_a_vacant_group_asks_every_site_again(void **state) /* I1, 3.9 */
{
    struct run run = granted("dc-a");

    (void)state;
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    assert_false(run.group.first_grant);

    assert_rule(&run, "G24", fixture_set_mode(&run.group, BW_MODE_OBSERVE));

    assert_true(run.group.first_grant);
    assert_int_equal(run.group.let_go_index, run.index);
}

static void a_spec_that_observes_lets_go_as_the_mode_does(void **state) /* 3.9 */
{
    struct run run = granted("dc-a");
    struct bw_command command = fixture_set_spec(&run.group, "");

    (void)state;
    command.spec.mode = BW_MODE_OBSERVE;
    assert_rule(&run, "G20", command);

    assert_int_equal(run.group.last_end.grade, BW_GRADE_LET_GO);
    assert_true(run.group.first_grant);
    assert_string_equal(run.group.let_go_site, "dc-a");
}

static void an_epoch_that_is_being_fenced_is_not_let_go(void **state) /* I1, 3.1 */
{
    struct run being_closed = closing("dc-a");
    struct run being_held = held("dc-a");

    (void)state;
    assert_rule(&being_closed, "no-op", fixture_set_mode(&being_closed.group, BW_MODE_OBSERVE));
    assert_rule(&being_held, "no-op", fixture_set_mode(&being_held.group, BW_MODE_OBSERVE));
}

static void observing_on_asks_nobody_to_let_go_again(void **state) /* 3.9 */
{
    struct run run = granted("dc-a");
    uint64_t let_go_index;

    (void)state;
    assert_rule(&run, "G26", fixture_set_mode(&run.group, BW_MODE_OBSERVE));
    let_go_index = run.group.let_go_index;
    assert_rule(&run, "G18", fixture_set_spec(&run.group, "dc-c"));

    assert_int_equal(run.group.let_go_index, let_go_index);
}

/* ---- switchover (3.6) ---- */

static void a_switchover_goes_on_from_replicated_state(void **state) /* 3.6 */
{
    struct run run = between("dc-a", "dc-b");

    (void)state;
    assert_int_equal(run.group.phase, BW_PHASE_VACANT);
    assert_string_equal(run.group.target, "dc-b");
    assert_string_equal(run.group.target_origin, "dc-a");
    assert_string_equal(run.group.target_position, "0/16");
    assert_string_equal(run.group.target_by, "operator/anna");
    assert_int_equal(run.group.last_end.grade, BW_GRADE_CONFIRMED);
}

static void a_move_given_up_leaves_the_holder_as_it_was(void **state) /* 3.6 */
{
    struct run run = revoking("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G3", fixture_command(&run.group, BW_COMMAND_UNREVOKE));

    assert_string_equal(run.group.holder_site, "dc-a");
    assert_no_switchover(&run.group);
}

static void a_target_whose_start_fails_early_sends_it_back(void **state) /* 3.6 */
{
    struct run run = between("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G7", fixture_released(&run.group, BW_REASON_START_FAILED, false, ""));

    assert_true(run.group.rolling_back);
    assert_string_equal(run.group.target, "dc-a");
    assert_int_equal(run.group.target_reason, BW_REASON_ROLLBACK);
    assert_string_equal(run.group.data_site, "dc-a");
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-a"));
    assert_int_equal(run.group.epoch, 3);
    assert_no_switchover(&run.group);
}

static void a_target_past_the_point_of_no_return_has_no_way_back(void **state) /* 3.6 */
{
    struct run run = between("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G7", fixture_released(&run.group, BW_REASON_START_FAILED, true, ""));

    assert_no_switchover(&run.group);
    assert_string_equal(run.group.data_site, "dc-b");
}

static void a_rollback_that_fails_goes_nowhere_by_itself(void **state) /* 3.6 */
{
    struct run run = between("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G7", fixture_released(&run.group, BW_REASON_START_FAILED, false, ""));
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-a"));
    assert_rule(&run, "G7", fixture_released(&run.group, BW_REASON_START_FAILED, false, ""));

    assert_no_switchover(&run.group);
}

static void a_grant_to_another_site_ends_the_switchover(void **state) /* 3.6 */
{
    struct run run = between("dc-a", "dc-b");

    (void)state;
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-c"));

    assert_no_switchover(&run.group);
}

static void what_is_no_give_back_ends_the_switchover(void **state) /* 3.6, 4 */
{
    static const enum bw_command_kind kinds[] = {BW_COMMAND_EXPIRED, BW_COMMAND_CLOSE,
                                                 BW_COMMAND_FENCE_FAILED};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct run leaving = revoking("dc-a", "dc-b");
        struct run arriving = between("dc-a", "dc-b");

        assert_string_not_equal(apply(&leaving, fixture_command(&leaving.group, kinds[i])),
                                "no-op");
        assert_no_switchover(&leaving.group);
        assert_rule(&arriving, "G1", fixture_grant(&arriving.group, "dc-b"));
        assert_string_not_equal(apply(&arriving, fixture_command(&arriving.group, kinds[i])),
                                "no-op");
        assert_no_switchover(&arriving.group);
    }
}

static void a_switchover_does_not_outlive_its_sites(void **state) /* 3.6, 3.9 */
{
    struct run without_target = between("dc-a", "dc-b");
    struct run without_origin = between("dc-a", "dc-b");

    (void)state;
    assert_rule(&without_target, "G18", fixture_set_spec(&without_target.group, "dc-b"));
    assert_no_switchover(&without_target.group);

    assert_rule(&without_origin, "G18", fixture_set_spec(&without_origin.group, "dc-a"));
    assert_string_equal(without_origin.group.target, "dc-b");
    assert_rule(&without_origin, "G1", fixture_grant(&without_origin.group, "dc-b"));
    assert_rule(&without_origin, "G7",
                fixture_released(&without_origin.group, BW_REASON_START_FAILED, false, ""));
    assert_no_switchover(&without_origin.group);
}

/* ---- whose data is the newest (4) ---- */

static void the_data_site_moves_back_only_on_the_sites_own_word(void **state) /* 4, 3.1 */
{
    static const struct {
        enum bw_reason reason;
        bool past_no_return;
        const char *data_site;
    } cases[] = {
        {BW_REASON_NEVER_STARTED, false, "dc-a"}, {BW_REASON_START_FAILED, false, "dc-a"},
        {BW_REASON_START_FAILED, true, "dc-b"},   {BW_REASON_SERVICE_DOWN, false, "dc-b"},
        {BW_REASON_NONE, false, "dc-b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run run = granted("dc-a");

        assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
        assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
        assert_rule(&run, "G7",
                    fixture_released(&run.group, cases[i].reason, cases[i].past_no_return, ""));

        assert_string_equal(run.group.data_site, cases[i].data_site);
        assert_int_equal(run.group.last_end.past_no_return,
                         strcmp(cases[i].data_site, "dc-b") == 0);
    }
}

static void an_expired_epoch_keeps_the_data_site(void **state) /* 4 */
{
    struct run run = granted("dc-a");

    (void)state;
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));

    assert_string_equal(run.group.data_site, "dc-b");
}

/* ---- spec, maintenance, history ---- */

static void spec_mode_and_maintenance_raise_the_version(void **state) /* 3.1 */
{
    struct run run = granted("dc-a");
    const uint64_t version = run.group.spec_version;

    (void)state;
    assert_rule(&run, "G19", fixture_set_spec(&run.group, ""));
    assert_int_equal(run.group.spec_version, version + 1);
    assert_rule(&run, "G25", fixture_set_mode(&run.group, BW_MODE_MANUAL));
    assert_int_equal(run.group.spec_version, version + 2);
    assert_rule(&run, "G31", fixture_command(&run.group, BW_COMMAND_MAINTENANCE));
    assert_int_equal(run.group.spec_version, version + 3);
    assert_int_equal(run.group.spec_index, run.index);
}

static void a_group_made_again_repeats_no_version(void **state) /* 3.9, H15 */
{
    struct run run = vacant();
    struct bw_group again;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_rule(&run, "G24", fixture_set_mode(&run.group, BW_MODE_AUTO));
    bw_group_init(&again, &run.group.spec, run.group.epoch, run.index + 1);

    assert_true(again.spec_version > run.group.spec_version);
}

static void an_initial_primary_is_wished_for_a_first_grant_only(void **state) /* 3.9 */
{
    struct run run = vacant();
    struct bw_command wish = fixture_set_spec(&run.group, "");

    (void)state;
    strcpy(wish.site, "dc-b");
    assert_rule(&run, "G18", wish);
    assert_string_equal(run.group.initial_primary, "dc-b");
    assert_rule(&run, "G1", fixture_grant(&run.group, "dc-b"));
    assert_string_equal(run.group.initial_primary, "");

    wish.spec_version = 0;
    assert_rule(&run, "no-op", wish);
}

static void maintenance_follows_its_site_through_a_new_spec(void **state) /* 3.9 */
{
    struct run run = vacant();
    struct bw_command maintenance = fixture_command(&run.group, BW_COMMAND_MAINTENANCE);

    (void)state;
    strcpy(maintenance.site, "dc-c");
    maintenance.duration_ms = 60000;
    assert_rule(&run, "G30", maintenance);
    assert_rule(&run, "G18", fixture_set_spec(&run.group, "dc-a")); /* dc-c takes its place */

    assert_string_equal(run.group.spec.sites[0].name, "dc-c");
    assert_int_equal(run.group.maintenance_ms[0], 60000);
    assert_int_equal(run.group.maintenance_ms[2], 0);
}

static void history_keeps_the_newest_epochs(void **state) /* 3.1 */
{
    struct run run = vacant();

    (void)state;
    for (int i = 0; i < BW_HISTORY_MAX + 5; i++) {
        assert_rule(&run, "G1", fixture_grant(&run.group, i % 2 == 0 ? "dc-a" : "dc-b"));
        assert_rule(&run, "G4", fixture_command(&run.group, BW_COMMAND_EXPIRED));
    }

    assert_int_equal(run.group.history_count, BW_HISTORY_MAX);
    assert_int_equal(bw_group_history_at(&run.group, 0)->epoch, BW_HISTORY_MAX + 5);
    assert_int_equal(bw_group_history_at(&run.group, 0)->grade, BW_GRADE_EXPIRED);
    assert_int_equal(bw_group_history_at(&run.group, BW_HISTORY_MAX - 1)->epoch, 6);
    assert_null(bw_group_history_at(&run.group, BW_HISTORY_MAX));
}

static void a_damaged_group_is_not_sound(void **state)
{
    struct run run = granted("dc-a");
    struct bw_group damaged;

    (void)state;
    assert_true(bw_group_is_sound(&run.group));
    damaged = run.group;
    damaged.held = true;
    assert_false(bw_group_is_sound(&damaged));
    damaged = run.group;
    damaged.phase = BW_PHASE_REVOKING;
    assert_false(bw_group_is_sound(&damaged));
    damaged = run.group;
    damaged.history_count = BW_HISTORY_MAX + 1;
    assert_false(bw_group_is_sound(&damaged));
    damaged = run.group;
    damaged.epoch++;
    assert_false(bw_group_is_sound(&damaged));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_command_fires_its_one_row_or_is_a_no_op),
        cmocka_unit_test(no_row_is_there_that_cannot_fire),
        cmocka_unit_test(ids_of_rows_are_unique),
        cmocka_unit_test(grant_opens_the_next_epoch_with_pinned_terms),
        cmocka_unit_test(a_grant_decided_under_another_spec_is_a_no_op),
        cmocka_unit_test(an_epoch_above_every_number_is_not_wrapped),
        cmocka_unit_test(commands_that_come_twice_end_one_epoch_only),
        cmocka_unit_test(another_instance_of_the_site_gives_nothing_back),
        cmocka_unit_test(a_held_epoch_does_not_end_by_time),
        cmocka_unit_test(fenced_and_forced_end_nothing_before_the_close),
        cmocka_unit_test(a_fence_that_fails_while_closing_holds_the_epoch),
        cmocka_unit_test(an_adoption_that_ends_before_it_was_armed_is_a_first_grant_again),
        cmocka_unit_test(a_first_grant_is_over_with_a_start_or_an_armed_adoption),
        cmocka_unit_test(an_adoption_is_no_holder_to_move_from),
        cmocka_unit_test(observe_lets_the_holder_go_and_asks_every_site_again),
        cmocka_unit_test(observe_of_a_vacant_group_asks_every_site_again),
        cmocka_unit_test(a_spec_that_observes_lets_go_as_the_mode_does),
        cmocka_unit_test(an_epoch_that_is_being_fenced_is_not_let_go),
        cmocka_unit_test(observing_on_asks_nobody_to_let_go_again),
        cmocka_unit_test(a_switchover_goes_on_from_replicated_state),
        cmocka_unit_test(a_move_given_up_leaves_the_holder_as_it_was),
        cmocka_unit_test(a_target_whose_start_fails_early_sends_it_back),
        cmocka_unit_test(a_target_past_the_point_of_no_return_has_no_way_back),
        cmocka_unit_test(a_rollback_that_fails_goes_nowhere_by_itself),
        cmocka_unit_test(a_grant_to_another_site_ends_the_switchover),
        cmocka_unit_test(what_is_no_give_back_ends_the_switchover),
        cmocka_unit_test(a_switchover_does_not_outlive_its_sites),
        cmocka_unit_test(the_data_site_moves_back_only_on_the_sites_own_word),
        cmocka_unit_test(an_expired_epoch_keeps_the_data_site),
        cmocka_unit_test(spec_mode_and_maintenance_raise_the_version),
        cmocka_unit_test(a_group_made_again_repeats_no_version),
        cmocka_unit_test(an_initial_primary_is_wished_for_a_first_grant_only),
        cmocka_unit_test(maintenance_follows_its_site_through_a_new_spec),
        cmocka_unit_test(history_keeps_the_newest_epochs),
        cmocka_unit_test(a_damaged_group_is_not_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
