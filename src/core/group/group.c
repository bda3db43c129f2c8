/* The replicated table of a group: what each command requires, and what it changes (3.1). */
#include <breakwater/base/words.h>
#include <breakwater/core/group.h>

#include <stdio.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/assert.h>

#define CLEAR(field) memset(field, 0, sizeof(field))

static bool is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_empty(const char *text)
{
    return text[0] == '\0';
}

/* ---- what a row requires ------------------------------------------------------------------- */

typedef bool requirement(const struct bw_group *group, const struct bw_command *command);
typedef void change(struct bw_group *group, uint64_t index, const struct bw_command *command);

static requirement answers_what_holds, reach_is_news, grant_is_next, move_fits,
    epoch_and_spec_match, epoch_matches, epoch_not_held, epoch_and_instance_match,
    adoption_is_pending, spec_fits, spec_fits_and_observes, mode_fits, mode_observes,
    maintenance_fits, version_fits, boot_is_new, second_is_news, point_is_ahead;
static change note_reach, open_epoch, note_target, drop_target, end_expired, end_given_back,
    end_for_target, close_epoch, hold_epoch, note_adopted, end_fenced, end_forced, replace_spec,
    replace_and_let_go, set_mode, let_go, set_maintenance, leave_to_cluster, note_boot, note_second,
    note_passed;

/* clang-format off */
/* Design 3.1. A pair (phase, command) without a row is a recorded no-op, never an error. Rows of one
 * pair have requirements that exclude each other, so their order carries no meaning.
 * What a row says stands in rules.c.
 *    id   phase     command       requires                  next      effect */
#define RULES(X)                                                                                   \
    X(G1,  VACANT,   GRANT,        grant_is_next,            GRANTED,  open_epoch)                 \
    X(G2,  GRANTED,  REVOKE,       move_fits,                REVOKING, note_target)                \
    X(G3,  REVOKING, UNREVOKE,     epoch_and_spec_match,     GRANTED,  drop_target)                \
    X(G4,  GRANTED,  EXPIRED,      epoch_matches,            VACANT,   end_expired)                \
    X(G4,  REVOKING, EXPIRED,      epoch_matches,            VACANT,   end_expired)                \
    X(G6,  CLOSING,  EXPIRED,      epoch_not_held,           VACANT,   end_expired)                \
    X(G7,  GRANTED,  RELEASED,     epoch_and_instance_match, VACANT,   end_given_back)             \
    X(G8,  REVOKING, RELEASED,     epoch_and_instance_match, VACANT,   end_for_target)             \
    X(G9,  CLOSING,  RELEASED,     answers_what_holds,       VACANT,   end_given_back)             \
    X(G10, GRANTED,  CLOSE,        epoch_matches,            CLOSING,  close_epoch)                \
    X(G10, REVOKING, CLOSE,        epoch_matches,            CLOSING,  close_epoch)                \
    X(G12, GRANTED,  FENCE_FAILED, epoch_matches,            CLOSING,  hold_epoch)                 \
    X(G12, REVOKING, FENCE_FAILED, epoch_matches,            CLOSING,  hold_epoch)                 \
    X(G12, CLOSING,  FENCE_FAILED, epoch_not_held,           CLOSING,  hold_epoch)                 \
    X(G15, GRANTED,  ADOPTED,      adoption_is_pending,      GRANTED,  note_adopted)               \
    X(G16, CLOSING,  FENCED,       epoch_matches,            VACANT,   end_fenced)                 \
    X(G17, CLOSING,  FORCED,       epoch_matches,            VACANT,   end_forced)                 \
    X(G18, VACANT,   SET_SPEC,     spec_fits,                VACANT,   replace_spec)               \
    X(G19, GRANTED,  SET_SPEC,     spec_fits,                GRANTED,  replace_spec)               \
    X(G20, GRANTED,  SET_SPEC,     spec_fits_and_observes,   VACANT,   replace_and_let_go)         \
    X(G19, REVOKING, SET_SPEC,     spec_fits,                REVOKING, replace_spec)               \
    X(G20, REVOKING, SET_SPEC,     spec_fits_and_observes,   VACANT,   replace_and_let_go)         \
    X(G23, CLOSING,  SET_SPEC,     spec_fits,                CLOSING,  replace_spec)               \
    X(G24, VACANT,   SET_MODE,     mode_fits,                VACANT,   set_mode)                   \
    X(G24, GRANTED,  SET_MODE,     mode_fits,                GRANTED,  set_mode)                   \
    X(G26, GRANTED,  SET_MODE,     mode_observes,            VACANT,   let_go)                     \
    X(G24, REVOKING, SET_MODE,     mode_fits,                REVOKING, set_mode)                   \
    X(G26, REVOKING, SET_MODE,     mode_observes,            VACANT,   let_go)                     \
    X(G29, CLOSING,  SET_MODE,     mode_fits,                CLOSING,  set_mode)                   \
    X(G30, VACANT,   MAINTENANCE,  maintenance_fits,         VACANT,   set_maintenance)            \
    X(G30, GRANTED,  MAINTENANCE,  maintenance_fits,         GRANTED,  set_maintenance)            \
    X(G30, REVOKING, MAINTENANCE,  maintenance_fits,         REVOKING, set_maintenance)            \
    X(G30, CLOSING,  MAINTENANCE,  maintenance_fits,         CLOSING,  set_maintenance)            \
    X(G34, VACANT,   DELETE,       version_fits,             VACANT,   leave_to_cluster)           \
    X(G55, GRANTED,  BOOT,         boot_is_new,              GRANTED,  note_boot)                  \
    X(G40, GRANTED,  REACH,        reach_is_news,            GRANTED,  note_reach)                 \
    X(G40, REVOKING, REACH,        reach_is_news,            REVOKING, note_reach)                 \
    X(G40, CLOSING,  REACH,        reach_is_news,            CLOSING,  note_reach)                 \
    X(G56, GRANTED,  SECOND_ENFORCER, second_is_news,        GRANTED,  note_second)                \
    X(G56, REVOKING, SECOND_ENFORCER, second_is_news,        REVOKING, note_second)                \
    X(G58, GRANTED,  PASSED,       point_is_ahead,           GRANTED,  note_passed)                \
    X(G58, REVOKING, PASSED,       point_is_ahead,           REVOKING, note_passed)
/* clang-format on */

static const struct bw_group_rule rules[] = {
#define X(id, phase, command, requires, next, effect)                                              \
    {#id, BW_PHASE_##phase, BW_COMMAND_##command, #requires, BW_PHASE_##next, #effect},
    RULES(X)
#undef X
};

static const struct {
    requirement *is_met;
    change *apply;
} steps[] = {
#define X(id, phase, command, requires, next, effect) {requires, effect},
    RULES(X)
#undef X
};

#define RULE_COUNT (sizeof rules / sizeof rules[0])

const struct bw_group_rule *bw_group_rules(size_t *out_count)
{
    *out_count = RULE_COUNT;
    return rules;
}

/* The whole table is walked, so that two rows that claim one command are caught where they do. */
const struct bw_group_rule *bw_group_match(const struct bw_group *group,
                                           const struct bw_command *command)
{
    const struct bw_group_rule *match = NULL;

    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (rules[i].phase != group->phase || rules[i].command != command->kind ||
            !steps[i].is_met(group, command))
            continue;
        BW_ASSERT(match == NULL);
        match = &rules[i];
    }
    return match;
}

const struct bw_group_rule *bw_group_apply(struct bw_group *group, uint64_t index,
                                           const struct bw_command *command)
{
    const struct bw_group_rule *rule = bw_group_match(group, command);
    const uint64_t epoch_before = group->epoch;

    if (rule == NULL)
        return NULL;
    BW_ASSERT(rule->phase == group->phase && rule->command == command->kind);
    steps[rule - rules].apply(group, index, command);
    group->phase = rule->next;
    group->changed_index = index;
    BW_ASSERT(group->epoch == epoch_before || /* I2: only a grant takes the next */
              (command->kind == BW_COMMAND_GRANT && group->epoch > epoch_before));
    BW_ASSERT((group->phase == BW_PHASE_VACANT) == is_empty(group->holder_site));
    BW_ASSERT_NONE(bw_group_unsound(group));
    return rule;
}

/* Terms are pinned under the very spec that the grant compares, so they must be the spec's. */
static bool terms_are_the_spec(const struct bw_terms *terms, const struct bw_spec *spec)
{
    const struct bw_terms wanted = bw_terms_of_spec(spec);

    return terms->ttl_ms == wanted.ttl_ms && terms->fence_ms == wanted.fence_ms &&
           terms->drift_ppm == wanted.drift_ppm && terms->margin_ms == wanted.margin_ms &&
           terms->renew_interval_ms == wanted.renew_interval_ms &&
           terms->request_timeout_ms == wanted.request_timeout_ms;
}

/* 3.8: whom a person has started is the only one left, whatever the spec says of it. A Grant by that reason is, like
 * overriding, of feature level 2: who knows less reads none. */
static bool may_be_granted(const struct bw_spec *spec, const struct bw_command *command)
{
    return command->reason == BW_REASON_OVERRIDE ? bw_spec_find_site(spec, command->site) >= 0
                                                 : bw_spec_is_candidate(spec, command->site);
}

static bool grant_is_next(const struct bw_group *group, const struct bw_command *command)
{
    return command->epoch > group->epoch && command->epoch == bw_group_next_epoch(group) &&
           command->spec_version == group->spec_version &&
           group->spec.mode != BW_MODE_OBSERVE && /* 3.9: nobody holds what is only observed */
           may_be_granted(&group->spec, command) && !bw_id_is_none(command->instance) &&
           !bw_id_is_none(command->boot_id) && terms_are_the_spec(&command->terms, &group->spec) &&
           command->terms.no_return <= BW_NO_RETURN_AHEAD;
}

static bool epoch_matches(const struct bw_group *group, const struct bw_command *command)
{
    return command->epoch == group->epoch;
}

static bool epoch_not_held(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_matches(group, command) && !group->held;
}

static bool epoch_and_spec_match(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_matches(group, command) && command->spec_version == group->spec_version;
}

static bool epoch_and_instance_match(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_matches(group, command) && bw_id_equal(command->instance, group->holder_instance);
}

/* An adoption that is not armed yet has nothing that could be stopped in order: it is no holder to
 * move from, and REVOKING has no row for its Adopted. */
static bool move_fits(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_and_spec_match(group, command) && !group->adopting &&
           bw_spec_is_candidate(&group->spec, command->target) &&
           !is_same(command->target, group->holder_site);
}

static bool adoption_is_pending(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_matches(group, command) && group->adopting;
}

static bool version_fits(const struct bw_group *group, const struct bw_command *command)
{
    return (command->spec_version == 0 || command->spec_version == group->spec_version) &&
           bw_group_claims_let(group, command);
}

static bool keeps_what_runs(const struct bw_group *group, const struct bw_command *command)
{
    const struct bw_spec *spec = &command->spec;

    if (!is_same(spec->name, group->spec.name))
        return false;
    if (!is_empty(command->site) &&
        (!group->first_grant || !bw_spec_is_candidate(spec, command->site)))
        return false;
    if (group->phase != BW_PHASE_VACANT && bw_spec_find_site(spec, group->holder_site) < 0)
        return false;
    return group->phase != BW_PHASE_REVOKING || bw_spec_is_candidate(spec, group->target);
}

static bool spec_fits(const struct bw_group *group, const struct bw_command *command)
{
    return version_fits(group, command) && keeps_what_runs(group, command) &&
           (command->spec.mode != BW_MODE_OBSERVE || group->phase == BW_PHASE_VACANT);
}

static bool spec_fits_and_observes(const struct bw_group *group, const struct bw_command *command)
{
    return version_fits(group, command) && keeps_what_runs(group, command) &&
           command->spec.mode == BW_MODE_OBSERVE;
}

static bool mode_fits(const struct bw_group *group, const struct bw_command *command)
{
    return version_fits(group, command) && (unsigned)command->mode <= BW_MODE_PAUSED &&
           (command->mode != BW_MODE_OBSERVE || group->phase == BW_PHASE_VACANT);
}

static bool mode_observes(const struct bw_group *group, const struct bw_command *command)
{
    return version_fits(group, command) && command->mode == BW_MODE_OBSERVE;
}

static bool maintenance_fits(const struct bw_group *group, const struct bw_command *command)
{
    return version_fits(group, command) &&
           (is_empty(command->site) || bw_spec_find_site(&group->spec, command->site) >= 0);
}

/* Another than the one that renews (3.5): perhaps one of before, which asks again. */
static bool boot_is_new(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_matches(group, command) && !bw_id_is_none(command->boot_id) &&
           group->boot_count > 0 &&
           !bw_id_equal(group->boots[group->boot_count - 1].id, command->boot_id);
}

/* A fence of it failed: nobody takes a give-back that was made before, or rests on what was seen before
 * (3.3). */
static bool answers_what_holds(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_and_instance_match(group, command) &&
           (!group->held || command->held_index == group->held_index);
}

static bool reach_is_news(const struct bw_group *group, const struct bw_command *command)
{
    const struct bw_reach_sight *now = &group->sight;
    const struct bw_reach_sight *then = &command->sight;

    return epoch_and_instance_match(group, command) && then->seen != BW_REACH_UNSEEN &&
           (now->seen != then->seen || now->proved != then->proved || now->digest != then->digest);
}

static bool second_is_news(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_and_instance_match(group, command) &&
           command->is_seen != group->terms.second_enforcer;
}

static bool point_is_ahead(const struct bw_group *group, const struct bw_command *command)
{
    return epoch_and_instance_match(group, command) && group->terms.no_return == BW_NO_RETURN_AHEAD;
}

/* ---- how an epoch begins ------------------------------------------------------------------- */

static void drop_switchover(struct bw_group *group)
{
    CLEAR(group->target);
    CLEAR(group->target_origin);
    CLEAR(group->target_position);
    CLEAR(group->target_by);
    group->target_reason = BW_REASON_NONE;
    group->rolling_back = false;
}

/* The move is over, and whom somebody wanted is not forgotten (3.6). */
static void drop_to_first_choice(struct bw_group *group)
{
    if (group->phase == BW_PHASE_REVOKING)
        BW_COPY_FIELD(group->first_choice, group->target);
    drop_switchover(group);
}

/* What a grant leaves of a switchover: the way back, once, when it went to the target. */
static void advance_switchover(struct bw_group *group, const struct bw_command *command)
{
    if (!is_same(command->site, group->target) || group->rolling_back)
        drop_switchover(group);
    else
        CLEAR(group->target);
}

static struct bw_history_entry *newest_entry(struct bw_group *group)
{
    BW_ASSERT(group->history_count > 0 && group->history_count <= BW_HISTORY_MAX);
    BW_ASSERT(group->history_first < BW_HISTORY_MAX);
    return &group->history[(group->history_first + group->history_count - 1) % BW_HISTORY_MAX];
}

static void record_grant(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    struct bw_history_entry *entry;

    if (group->history_count == BW_HISTORY_MAX)
        group->history_first = (group->history_first + 1) % BW_HISTORY_MAX;
    else
        group->history_count++;
    entry = newest_entry(group);
    *entry = (struct bw_history_entry){
        .epoch = command->epoch,
        .granted_index = index,
        .granted_unix_ms = command->unix_ms,
        .why_granted = command->reason,
        .planned = command->planned,
        .adopted = command->adopt,
        .silent_ms = command->silent_ms,
        .seen = command->sight.seen,
        .proved = command->sight.proved,
    };
    BW_COPY_FIELD(entry->site, command->site);
    BW_COPY_FIELD(entry->previous_site, group->last_end.site);
    BW_COPY_FIELD(entry->by, command->by);
}

/* 4: a person has said that its data is the newest, so a point that is still ahead takes that back no more than a start
 * that fails. Below BW_PASS_LEVEL no Grant has a point: what every release keeps is the same. */
static bool is_named_with_point(const struct bw_group *group, const struct bw_command *command)
{
    return command->terms.no_return == BW_NO_RETURN_AHEAD && is_same(group->initial_primary, command->site);
}

static void open_epoch(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    const struct bw_wish *wish = bw_group_wish(group);

    BW_ASSERT(group->phase == BW_PHASE_VACANT);     /* I1: nobody else's is open */
    BW_ASSERT(group->spec.mode != BW_MODE_OBSERVE); /* 3.9 */
    if (wish != NULL) /* 4: it was for one epoch */
        bw_group_end_wish(group,
                          is_empty(wish->to) || is_same(wish->to, command->site)
                              ? BW_WISH_END_GRANTED
                              : BW_WISH_END_OVERTAKEN,
                          command->site, "");
    record_grant(group, index, command);
    advance_switchover(group, command);
    group->epoch = command->epoch;
    group->granted_index = index;
    BW_COPY_FIELD(group->holder_site, command->site);
    group->holder_instance = command->instance;
    CLEAR(group->boots);
    group->boots[0].id = command->boot_id;
    group->boot_count = 1;
    group->has_more_boots = false;
    group->terms = command->terms;
    group->sight = command->sight;
    group->adopting = command->adopt;
    if (!command->adopt) {
        group->first_grant = false;
        group->recovered_index = 0;
    }
    if (is_named_with_point(group, command))
        BW_COPY_FIELD(group->previous_data_site, command->site);
    else
        BW_COPY_FIELD(group->previous_data_site, group->data_site);
    BW_COPY_FIELD(group->data_site, command->site);
    CLEAR(group->initial_primary);
    CLEAR(group->first_choice);
    CLEAR(group->let_go_site);
    group->let_go_epoch = 0;
    group->let_go_terms = (struct bw_terms){0};
}

static void note_adopted(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    (void)index;   /* every row's changed_index is set in one place */
    (void)command; /* the requirement compared all that it says */
    group->adopting = false;
    group->first_grant = false;
    group->recovered_index = 0;
}

static void note_reach(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    (void)index;
    BW_ASSERT(newest_entry(group)->epoch == group->epoch);
    group->sight = command->sight;
    newest_entry(group)->seen = command->sight.seen;
    newest_entry(group)->proved = command->sight.proved;
}

static void note_second(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    (void)index;
    group->terms.second_enforcer = command->is_seen;
}

static void note_passed(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    (void)index;
    (void)command; /* the requirement compared all that it says */
    group->terms.no_return = BW_NO_RETURN_PASSED;
}

static void note_boot(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    uint32_t kept = 0;

    (void)index;
    for (uint32_t i = 0; i < group->boot_count; i++)
        if (!bw_id_equal(group->boots[i].id, command->boot_id))
            group->boots[kept++] = group->boots[i];
    if (kept == BW_BOOTS_MAX) {
        group->has_more_boots = true;
        memmove(&group->boots[0], &group->boots[1], --kept * sizeof group->boots[0]);
    }
    group->boots[kept++].id = command->boot_id;
    BW_ASSERT(kept <= BW_BOOTS_MAX);
    group->boot_count = kept;
}

/* ---- a planned move, a close, a failed fence ------------------------------------------------- */

static void note_target(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    (void)index;
    drop_switchover(group);
    BW_COPY_FIELD(group->target, command->target);
    BW_COPY_FIELD(group->target_origin, group->holder_site);
    group->target_reason = command->reason;
    BW_COPY_FIELD(group->target_by, command->by);
}

static void drop_target(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    (void)index;
    drop_switchover(group);
    bw_group_end_wish(group, BW_WISH_END_GIVEN_UP, command->by, command->text);
}

/* Said again: who said it last vouches, and the reasons of both are kept, the first one first, as far
 * as they fit. */
static void join_words(const struct bw_voucher *before, struct bw_voucher *now)
{
    char text[3 * (BW_REASON_MAX + 4)];
    const bool is_other = !is_same(before->by, now->by);
    size_t size;

    if (before->text[0] == '\0' || (is_same(before->text, now->text) && !is_other))
        return;
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s", is_other ? before->by : "",
                   is_other ? ": " : "", before->text, now->text[0] != '\0' ? "; " : "", now->text);
    size = strlen(text);
    if (size > BW_REASON_MAX)
        for (size = BW_REASON_MAX; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80;)
            size--; /* no character is cut in two */
    CLEAR(now->text);
    memcpy(now->text, text, size);
}

/* Whose word an end rests on is part of the record (3.1, Forced). */
static void note_voucher(struct bw_group *group, const struct bw_command *command)
{
    struct bw_voucher *vouchers = group->vouchers;
    struct bw_voucher word = {.epoch = group->epoch};

    BW_COPY_FIELD(word.by, command->by);
    BW_COPY_FIELD(word.text, command->text);
    if (group->voucher_count > 0 && vouchers[group->voucher_count - 1].epoch == group->epoch) {
        join_words(&vouchers[group->voucher_count - 1], &word);
        group->voucher_count--;
    }
    if (group->voucher_count == BW_VOUCHERS_MAX) {
        memmove(&vouchers[0], &vouchers[1], (BW_VOUCHERS_MAX - 1) * sizeof(vouchers[0]));
        group->voucher_count--;
    }
    vouchers[group->voucher_count] = word;
    group->voucher_count++;
}

static void close_epoch(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    (void)index;
    drop_to_first_choice(group);
    newest_entry(group)->why_ended = command->reason;
    if (command->reason == BW_REASON_OPERATOR)
        note_voucher(group, command);
}

static void hold_epoch(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    (void)command;
    drop_to_first_choice(group);
    group->held = true;
    group->held_index = index;
}

/* ---- how an epoch ends --------------------------------------------------------------------- */

/* Another site, or a person, has seen the end; what was done before neither has seen. */
static bool is_ended_by_others(const struct bw_command *command)
{
    return command->kind == BW_COMMAND_FENCED || command->kind == BW_COMMAND_FORCED;
}

/* 4: what lies behind a declared point of no return begins once Passed is committed. Until then an
 * epoch whose site is lost has left the data alone, and from then on none has. Else only what the
 * site, or the leader, says it knows counts: a missing reason means that the service may have
 * written (3.1). */
static bool has_left_data_alone(const struct bw_group *group, const struct bw_command *command)
{
    switch (group->terms.no_return) {
    case BW_NO_RETURN_PASSED:
        return false;
    case BW_NO_RETURN_AHEAD:
        if (command->kind == BW_COMMAND_EXPIRED || is_ended_by_others(command))
            return true;
        break;
    case BW_NO_RETURN_UNDECLARED:
        break;
    }
    return !is_ended_by_others(command) && !command->past_no_return && command->reason != BW_REASON_NONE &&
           command->reason != BW_REASON_SERVICE_DOWN; /* what went down had served */
}

static void end_epoch(struct bw_group *group, uint64_t index, const struct bw_command *command,
                      enum bw_grade grade, enum bw_reason reason)
{
    struct bw_history_entry *entry = newest_entry(group);
    const bool is_past = grade == BW_GRADE_LET_GO || !has_left_data_alone(group, command);

    BW_ASSERT(group->phase != BW_PHASE_VACANT);
    BW_ASSERT(entry->epoch == group->epoch && entry->ended_index == 0); /* it ends once */
    entry->ended_index = index;
    entry->ended_unix_ms = command->unix_ms;
    entry->why_ended = reason;
    entry->grade = grade;
    group->last_end = (struct bw_last_end){
        .epoch = group->epoch, .grade = grade, .reason = reason, .past_no_return = is_past};
    BW_COPY_FIELD(group->last_end.site, group->holder_site);
    if (!is_past)
        BW_COPY_FIELD(group->data_site, group->previous_data_site);
    CLEAR(group->previous_data_site);
    /* H13: an adoption that was not armed enforced nothing there, so every site reports again. */
    if (group->adopting)
        group->first_grant = true;
    group->adopting = false;
    group->held = false;
    group->held_index = 0;
    group->sight = (struct bw_reach_sight){0};
    CLEAR(group->holder_site);
    group->holder_instance = (struct bw_id){0};
    group->terms = (struct bw_terms){0};
    group->granted_index = 0;
}

/* An epoch that its leader granted and never confirmed a renewal of has started nothing (3.4). */
static void end_expired(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    drop_to_first_choice(group);
    end_epoch(group, index, command, BW_GRADE_EXPIRED, command->reason);
}

static void end_fenced(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    end_epoch(group, index, command, BW_GRADE_FENCED, command->reason);
}

static void end_forced(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    note_voucher(group, command);
    end_epoch(group, index, command, BW_GRADE_FORCED, command->reason);
}

static void end_confirmed(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    end_epoch(group, index, command, BW_GRADE_CONFIRMED, command->reason);
    BW_COPY_FIELD(group->last_end.position, command->position);
}

/* Under an epoch that a switchover opened, a start that failed early sends it back (3.6). */
static void end_given_back(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    end_confirmed(group, index, command);
    if (group->last_end.past_no_return || is_empty(group->target_origin)) {
        drop_switchover(group);
        return;
    }
    BW_ASSERT(!group->rolling_back); /* 3.6: the way back is tried once */
    BW_COPY_FIELD(group->target, group->target_origin);
    CLEAR(group->target_origin);
    CLEAR(group->target_position);
    group->target_reason = BW_REASON_ROLLBACK;
    group->rolling_back = true;
}

static void end_for_target(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    end_confirmed(group, index, command);
    BW_COPY_FIELD(group->target_position, command->position);
}

/* ---- spec, mode, maintenance --------------------------------------------------------------- */

/* All sites are let go: guards disarm without touching the service, and the rules of a first grant
 * apply again (3.9). Repeated, it asks nobody to confirm again. */
static void enter_mode(struct bw_group *group, uint64_t index, enum bw_mode mode)
{
    if (mode == BW_MODE_OBSERVE && group->spec.mode != BW_MODE_OBSERVE) {
        group->let_go_index = index;
        group->first_grant = true;
        CLEAR(group->initial_primary);
        CLEAR(group->first_choice);
        drop_switchover(group);
        bw_group_end_wish(group, BW_WISH_END_SPEC, "", "the group is only observed");
    }
    group->spec.mode = mode;
    group->spec_version++;
    group->spec_index = index;
}

static void set_mode(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    enter_mode(group, index, command->mode);
}

static void end_let_go(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    BW_COPY_FIELD(group->let_go_site, group->holder_site);
    group->let_go_epoch = group->epoch;
    group->let_go_terms = group->terms;
    end_epoch(group, index, command, BW_GRADE_LET_GO, BW_REASON_LET_GO);
}

static void let_go(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    end_let_go(group, index, command);
    enter_mode(group, index, BW_MODE_OBSERVE);
}

/* Maintenance belongs to a site, not to its place in the list. */
static void move_maintenance(struct bw_group *group, const struct bw_spec *to)
{
    uint64_t moved[BW_SITES_MAX] = {0};

    BW_ASSERT(to->site_count <= BW_SITES_MAX);
    for (uint32_t i = 0; i < to->site_count; i++) {
        const int old = bw_spec_find_site(&group->spec, to->sites[i].name);

        if (old >= 0)
            moved[i] = group->maintenance_ms[old];
    }
    memcpy(group->maintenance_ms, moved, sizeof moved);
}

/* A planned move does not outlive the sites that it needs. */
static void prune_switchover(struct bw_group *group)
{
    const struct bw_wish *wish = bw_group_wish(group);

    if (wish != NULL && !is_empty(wish->to) && !bw_spec_is_candidate(&group->spec, wish->to))
        bw_group_end_wish(group, BW_WISH_END_SPEC, "", "its site is no candidate any more");
    if (!is_empty(group->target) && !bw_spec_is_candidate(&group->spec, group->target))
        drop_switchover(group);
    if (!is_empty(group->target_origin) &&
        !bw_spec_is_candidate(&group->spec, group->target_origin))
        CLEAR(group->target_origin);
    if (!bw_spec_is_candidate(&group->spec, group->first_choice))
        CLEAR(group->first_choice);
}

static void replace_spec(struct bw_group *group, uint64_t index, const struct bw_command *command)
{
    const enum bw_mode old_mode = group->spec.mode;

    move_maintenance(group, &command->spec);
    group->spec = command->spec;
    group->spec.mode = old_mode;
    enter_mode(group, index, command->spec.mode);
    BW_COPY_FIELD(group->initial_primary, command->site);
    prune_switchover(group);
}

static void replace_and_let_go(struct bw_group *group, uint64_t index,
                               const struct bw_command *command)
{
    end_let_go(group, index, command);
    replace_spec(group, index, command);
}

static void set_maintenance(struct bw_group *group, uint64_t index,
                            const struct bw_command *command)
{
    const int site = bw_spec_find_site(&group->spec, command->site);

    BW_ASSERT(site >= 0 || is_empty(command->site)); /* the requirement looked */
    if (site < 0)
        group->group_maintenance_ms = command->duration_ms;
    else
        group->maintenance_ms[site] = command->duration_ms;
    group->spec_version++;
    group->spec_index = index;
}

static void leave_to_cluster(struct bw_group *group, uint64_t index,
                             const struct bw_command *command)
{
    (void)group; /* it is about to go as a whole */
    (void)index;
    (void)command;
}

/* ---- the group as a whole ------------------------------------------------------------------ */

void bw_group_init(struct bw_group *out_group, const struct bw_spec *spec, uint64_t epoch_floor,
                   uint64_t index)
{
    *out_group = (struct bw_group){
        .spec = *spec,
        .spec_version = index,
        .spec_index = index,
        .changed_index = index,
        .epoch = epoch_floor,
        .phase = BW_PHASE_VACANT,
        .first_grant = true,
        .let_go_index = spec->mode == BW_MODE_OBSERVE ? index : 0,
    };
}

/* What was planned is not gone on with: who asked for it knew more than this state does. */
void bw_group_recover(struct bw_group *group, uint64_t index, uint64_t epoch, uint32_t wait_ms,
                      int64_t unix_ms)
{
    const struct bw_command end = {.unix_ms = unix_ms};

    BW_ASSERT(epoch > group->epoch);
    bw_group_end_wish(group, BW_WISH_END_RECOVERED, "", "");
    bw_group_forget_ahead(group);
    drop_switchover(group);
    CLEAR(group->first_choice);
    CLEAR(group->initial_primary);
    if (group->phase != BW_PHASE_VACANT)
        end_epoch(group, index, &end, BW_GRADE_EXPIRED, BW_REASON_RECOVERED);
    CLEAR(group->previous_data_site);
    CLEAR(group->boots);
    group->boot_count = 0;
    group->has_more_boots = false;
    group->phase = BW_PHASE_VACANT;
    group->epoch = epoch;
    group->spec_version = index; /* what a site reports is of a commit after the recovery */
    group->spec_index = index;
    group->changed_index = index;
    group->first_grant = true;
    group->recovered_index = index;
    CLEAR(group->let_go_site);
    group->let_go_epoch = 0;
    group->let_go_terms = (struct bw_terms){.ttl_ms = wait_ms};
    if (group->spec.mode == BW_MODE_OBSERVE)
        group->let_go_index = index;
    BW_ASSERT_NONE(bw_group_unsound(group));
}

BW_WORDS(bw_phase_word, enum bw_phase, BW_PHASE_LIST, "unlisted")

bool bw_phase_is_renewed(enum bw_phase phase)
{
    return phase == BW_PHASE_GRANTED || phase == BW_PHASE_REVOKING;
}
