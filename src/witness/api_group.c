/* api_group.c - what a group keeps until somebody changes it again: POST /v1/groups/{name}/mode,
 * maintenance, delete; the end of what was asked for: cancel; GET and POST /v1/people. Design 3.9, 4, 5.2, 5.3. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/scalar.h>
#include <breakwater/machine/witness_operator.h>
#include <breakwater/sys/clock.h>
#include <breakwater/witness/json.h>

#include "api_operator.h"
#include "awaited.h"

#define COMMIT_MS 10000

/* ---- who may do what ---- */

static json_t *people_json(const char *people)
{
    json_t *list = json_array();

    for (; *people != '\0'; people = bw_people_next(people)) {
        json_t *groups = bw_json_person_groups(people);
        const char *at = people;
        char name[BW_PERSON_TEXT_BYTES] = "";

        (void)bw_people_word(&at, name); /* it has one */
        list = bw_json_append(list, json_pack("{s:s, s:O*}", "name", name, "groups",
                                              json_array_size(groups) > 0 ? groups : NULL));
        json_decref(groups);
    }
    return list;
}

void bw_operator_on_people(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct bw_read_clock clock;

    if (bw_agents_is_too_early(program, request) || !bw_reads_may_write(program, request, &clock))
        return;
    bw_operator_answer(request, 200,
                       json_pack("{s:s, s:s, s:I, s:o}", "schema", "breakwater.people/v1", "witness",
                                 program->config->name, "version",
                                 (json_int_t)program->machine.cluster.people_version, "people",
                                 people_json(bw_people_of(program))));
    bw_reads_written(program, &clock);
}

/* ---- reading a list ---- */

/* False: it is no list of texts, or too long a one. */
static bool read_words(const json_t *list, const char *words[BW_PERSON_GROUPS_MAX])
{
    size_t i;
    json_t *word;

    if (list == NULL)
        return true;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > BW_PERSON_GROUPS_MAX)
        return false;
    json_array_foreach(list, i, word) {
        words[i] = json_string_value(word);
        if (words[i] == NULL)
            return false;
    }
    return true;
}

static void read_person(const json_t *person, const char *path, struct bw_people *people,
                        struct bw_json_problems *problems)
{
    const char *name = json_string_value(json_object_get(person, "name"));
    const json_t *list = json_object_get(person, "groups");
    const char *groups[BW_PERSON_GROUPS_MAX];
    enum bw_err err = BW_ERR_INVALID;

    bw_operator_note_unknown(person, "name, groups", problems);
    if (name != NULL && read_words(list, groups))
        err = bw_people_add(people, name, groups, (uint32_t)json_array_size(list));
    if (err == BW_ERR_EXISTS)
        bw_json_problem(problems, path, "appears twice");
    else if (err == BW_ERR_LIMIT)
        bw_json_problem(problems, path, "the list has more than %d entries or %d bytes", BW_PEOPLE_MAX,
                        BW_PEOPLE_BYTES_MAX);
    else if (err != BW_OK)
        bw_json_problem(problems, path, "not {\"name\": \"operator/NAME\" or \"viewer/NAME\", \"groups\": [1 to %d names]}",
                        BW_PERSON_GROUPS_MAX);
}

static void read_people(const json_t *list, struct bw_people *people, struct bw_json_problems *problems)
{
    size_t i;
    json_t *person;

    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > BW_PEOPLE_MAX)
        bw_json_problem(problems, "people", "not a list of 1 to %d entries", BW_PEOPLE_MAX);
    json_array_foreach(list, i, person) {
        char path[32];

        (void)snprintf(path, sizeof path, "people[%zu]", i);
        if (problems->count == 0) /* one tells enough of a list that a program has made */
            read_person(person, path, people, problems);
    }
}

/* ---- what a list changes ---- */

static json_t *add_person(json_t *steps, const char *name, const char *may, const json_t *groups)
{
    char *list = json_array_size(groups) > 0 ? json_dumps(groups, JSON_COMPACT) : NULL;
    json_t *text = json_sprintf("%s %s%s", name, may, list != NULL ? list : "");

    free(list);
    return bw_json_append(steps, json_pack("{s:I, s:o, s:n}", "number", (json_int_t)json_array_size(steps) + 1, "text",
                                           text, "within_ms"));
}

static bool is_same_line(const char *line, const char *other)
{
    const size_t size = strcspn(line, "\n");

    return other != NULL && size == strcspn(other, "\n") && memcmp(line, other, size) == 0;
}

/* Rights of each of `people` whose line is not the same in `before`. */
static json_t *add_given(json_t *steps, const char *before, const char *people)
{
    for (; *people != '\0'; people = bw_people_next(people)) {
        json_t *groups = bw_json_person_groups(people);
        const bool is_all = json_array_size(groups) == 0;
        const char *at = people;
        char name[BW_PERSON_TEXT_BYTES] = "";

        (void)bw_people_word(&at, name); /* it has one */
        if (!is_same_line(people, bw_people_find(before, name)))
            steps = add_person(steps, name, is_all ? "has all rights" : "has rights for these groups "
                                                                                  "only: ", groups);
        json_decref(groups);
    }
    return steps;
}

/* Whoever is in `before` and not in `people`. */
static json_t *add_taken(json_t *steps, const char *before, const char *people)
{
    char name[BW_PERSON_TEXT_BYTES] = "";

    if (*before == '\0')
        steps = add_person(steps, "every other operator and viewer", "has no rights any more", NULL);
    for (; *before != '\0'; before = bw_people_next(before)) {
        const char *at = before;

        if (bw_people_word(&at, name) && bw_people_find(people, name) == NULL)
            steps = add_person(steps, name, "has no rights any more", NULL);
    }
    return steps;
}

static json_t *people_steps(const struct bw_program *program, const struct bw_people *people, const char *by)
{
    const char *before = bw_people_of(program);
    json_t *steps = add_taken(add_given(json_array(), before, people->text), before, people->text);

    if (!bw_people_scope(people->text, by).is_everything)
        steps = add_person(steps, by, "cannot take this back", NULL);
    if (program->machine.cluster.people_version == 0)
        steps = add_person(steps, "the list `people` of each witness's file", "has no effect from then on", NULL);
    return steps;
}

/* ---- an order ---- */

struct group_change {
    struct bw_awaited awaited; /* first */
    struct bw_group_change order;
    int group; /* -1: of who may do what */
    struct bw_people people; /* of that command */
};

/* ---- reading ---- */

static void read_mode(const json_t *value, struct bw_command *command,
                      struct bw_json_problems *problems)
{
    if (!bw_mode_parse(json_string_value(value), &command->mode))
        bw_json_problem(problems, "mode", "not one of auto, manual, observe, paused");
}

/* `more`: what the greatest one means; "": it is a number. */
static void read_whole(const json_t *value, const char *key, uint64_t max, const char *more,
                       uint64_t *out, struct bw_json_problems *problems)
{
    const json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || (uint64_t)number > max)
        bw_json_problem(problems, key, "not a whole number from 0 to %" PRIu64 "%s", max, more);
    else
        *out = (uint64_t)number;
}

/* The keys of each, for the one reader and for whoever misspells one. Each takes reason and
 * spec_version, the one that the caller has looked at. */
static const struct change_keys {
    enum bw_command_kind kind;
    const char *known;
} change_keys[] = {
    {BW_COMMAND_SET_MODE, "mode, reason, spec_version"},
    {BW_COMMAND_MAINTENANCE, "duration_ms, site, reason, spec_version"},
    {BW_COMMAND_DELETE, "reason, spec_version"},
    {BW_COMMAND_UNREVOKE, "wish_index, reason, spec_version"},
    {BW_COMMAND_SET_PEOPLE, "people, reason, spec_version"},
};

static const char *known_of(enum bw_command_kind kind)
{
    size_t i = 0;

    while (change_keys[i].kind != kind)
        i++;
    return change_keys[i].known;
}

static void read_change(const json_t *body, void *into, struct bw_json_problems *problems)
{
    struct group_change *change = into;
    struct bw_command *command = &change->order.command;
    const json_t *version = json_object_get(body, "spec_version");
    const json_t *wish_index = json_object_get(body, "wish_index");

    bw_operator_read_text(body, "reason", command->text, sizeof command->text, problems);
    if (version != NULL)
        read_whole(version, "spec_version", INT64_MAX, "", &command->spec_version, problems);
    if (command->kind == BW_COMMAND_UNREVOKE && wish_index != NULL)
        read_whole(wish_index, "wish_index", INT64_MAX, "", &command->wish_index, problems);
    if (command->kind == BW_COMMAND_SET_MODE)
        read_mode(json_object_get(body, "mode"), command, problems);
    if (command->kind == BW_COMMAND_MAINTENANCE) {
        read_whole(json_object_get(body, "duration_ms"), "duration_ms", BW_MAINTENANCE_MS_MAX,
                   " ms, which are " BW_MAINTENANCE_MAX_TEXT, &command->duration_ms, problems);
        bw_operator_read_text(body, "site", command->site, sizeof command->site, problems);
    }
    if (command->kind == BW_COMMAND_SET_PEOPLE) {
        read_people(json_object_get(body, "people"), &change->people, problems);
        command->people = change->people.text;
        command->people_size = strlen(change->people.text);
    }
    bw_operator_note_unknown(body, known_of(command->kind), problems);
}

/* ---- what comes of it ---- */

static void add(json_t **steps, const char *text)
{
    *steps = bw_json_append(*steps, json_pack("{s:I, s:s, s:n}", "number",
                                              (json_int_t)json_array_size(*steps) + 1, "text", text,
                                              "within_ms"));
}

/* What a change means to a move that is under way: of a holder that stops, and once it was given back. */
enum move_effect { MOVE_GOES_ON, MOVE_PAUSES, MOVE_IS_LET_GO, MOVE_ENDS_WHERE_IT_BEGAN };

static const struct {
    const char *stops;
    const char *then;
    const char *given_back;
} move_words[] = {
    [MOVE_GOES_ON] = {"continues to stop", "", "the switchover continues"},
    [MOVE_PAUSES] = {"continues to stop", ", and until the mode changes only a failover makes a site primary",
                     "no site serves, and until the mode changes only a failover makes a site primary"},
    [MOVE_IS_LET_GO] = {"may begin to stop before it receives this,", ", and it is not started again",
                        "no site serves, and it is not started"},
};

/* 3.6: in paused a move goes neither on nor back; to a site in maintenance it goes back. */
static enum move_effect effect_under(const struct bw_group *group, enum bw_mode mode, bool is_target_out)
{
    if (mode == BW_MODE_PAUSED)
        return MOVE_PAUSES;
    return is_target_out && !group->rolling_back ? MOVE_ENDS_WHERE_IT_BEGAN : MOVE_GOES_ON;
}

static bool is_target_in_maintenance(const struct bw_group *group)
{
    const int target = bw_spec_find_site(&group->spec, group->target);

    return target >= 0 && group->maintenance_ms[target] > 0;
}

/* It was given back for the move: nobody serves. */
static void plan_given_back(const struct bw_group *group, enum move_effect effect, json_t **steps)
{
    char text[3 * BW_NAME_MAX + 160];

    if (effect == MOVE_ENDS_WHERE_IT_BEGAN)
        (void)snprintf(text, sizeof text, "but it is stopped for the switchover to %s: %s becomes primary again", group->target,
                       group->last_end.site);
    else
        (void)snprintf(text, sizeof text, "but it is stopped for the switchover to %s: %s", group->target,
                       move_words[effect].given_back);
    add(steps, text);
}

/* 3.6: neither a mode nor a maintenance keeps a move that is under way from ending the service where
 * it was; a pause keeps it from going on to its target, and so does a maintenance of that. */
static void plan_move_under_way(const struct bw_group *group, const struct bw_watch *watch, enum move_effect effect,
                                json_t **steps)
{
    const bool may_give_up = group->phase == BW_PHASE_REVOKING &&
                             bw_arbiter_may_give_up(group, watch, bw_clock_now());
    char text[4 * BW_NAME_MAX + 224];
    char what[3 * BW_NAME_MAX + 128];

    if (group->target[0] == '\0')
        return;
    if (group->phase == BW_PHASE_VACANT) {
        plan_given_back(group, effect, steps);
        return;
    }
    if (effect == MOVE_ENDS_WHERE_IT_BEGAN)
        (void)snprintf(what, sizeof what, "but the switchover to %s ends where it began: %s stops, and becomes primary again",
                       group->target, group->holder_site);
    else
        (void)snprintf(what, sizeof what, "but %s %s for the switchover to %s%s", group->holder_site,
                       move_words[effect].stops, group->target, move_words[effect].then);
    (void)snprintf(text, sizeof text, "%s%s%s", what, may_give_up ? "; to cancel the switchover: breakwater cancel " : "",
                   may_give_up ? group->spec.name : "");
    add(steps, text);
}

/* 3.9: a start is seen to its end under the lease that it has. That one has begun is said for the whole epoch, and only
 * the guard knows whether the service was seen to serve since. */
static void plan_let_go(const struct bw_group *group, const struct bw_watch *watch, json_t **steps)
{
    const int holder = bw_spec_find_site(&group->spec, group->holder_site);
    const struct bw_contact *contact = holder < 0 ? NULL : bw_site_reports_newest(&watch->reports[holder]);
    char text[BW_NAME_MAX + 160];

    add(steps, group->phase != BW_PHASE_VACANT
                   ? "its epoch ends, and every site releases the service to manual control: it runs on, unmanaged"
                   : "every site releases the service to manual control: it is unmanaged");
    if (contact != NULL && contact->report.start_begun && !contact->report.serving_epoch_started) {
        (void)snprintf(text, sizeof text, "but %s at %s%s it continues while the lease lasts, and is fenced then",
                       contact->report.guard_busy ? "a start is under way" : "if a start has not been confirmed yet",
                       group->holder_site, contact->report.guard_busy ? ":" : ",");
        add(steps, text);
    }
    plan_move_under_way(group, watch, MOVE_IS_LET_GO, steps);
    add(steps, "until the mode changes, only status, readiness and condition scripts run");
}

/* `is_named`: a person says where the group begins, and answers for whoever does not report. */
static void plan_mode(const struct bw_group *group, const struct bw_watch *watch, enum bw_mode mode, bool is_named,
                      json_t **steps)
{
    switch (mode) {
    case BW_MODE_OBSERVE:
        plan_let_go(group, watch, steps);
        return;
    case BW_MODE_PAUSED:
        add(steps, "until the mode changes: no new primary, no switchover, no local restart");
        add(steps, "leases and fences stay in force: a primary that loses its lease is still fenced, and no site follows it");
        plan_move_under_way(group, watch, MOVE_PAUSES, steps);
        return;
    case BW_MODE_MANUAL:
        add(steps, "the group moves to another site only by `breakwater switchover` or `breakwater failover`");
        break;
    case BW_MODE_AUTO:
        add(steps, "the group's policy decides automatically");
        break;
    }
    if (group->spec.mode == BW_MODE_OBSERVE && is_named)
        return;
    if (group->spec.mode == BW_MODE_OBSERVE)
        add(steps, "a site becomes primary after every site has reported; a service that already runs at one of "
                   "them is adopted as it is");
    else
        plan_move_under_way(group, watch, effect_under(group, mode, is_target_in_maintenance(group)), steps);
}

static void plan_maintenance(const struct bw_group *group, const struct bw_watch *watch,
                             const struct bw_command *command, json_t **steps)
{
    const enum move_effect effect = effect_under(group, group->spec.mode, is_target_in_maintenance(group));
    char duration[BW_DURATION_TEXT_BYTES];
    char text[256];

    if (command->duration_ms == 0) {
        add(steps, "the group's policy decides again");
        return;
    }
    if (command->site[0] == '\0') {
        add(steps, "no automatic move, and no local restart");
        add(steps, "leases and fences stay in force: a primary that loses its lease is still fenced, and no site follows it");
        plan_move_under_way(group, watch, effect, steps);
    } else if (strcmp(command->site, group->holder_site) == 0) {
        (void)snprintf(
            text, sizeof text,
            "%s stays primary: its lease is renewed, and its service is neither restarted nor moved",
            command->site);
        add(steps, text);
        plan_move_under_way(group, watch, effect, steps);
    } else {
        (void)snprintf(text, sizeof text, "%s is not eligible", command->site);
        add(steps, text);
        if (strcmp(command->site, group->target) == 0 && !group->rolling_back)
            plan_move_under_way(group, watch, effect_under(group, group->spec.mode, true), steps);
    }
    bw_duration_format((uint32_t)command->duration_ms,
                       duration); /* at most BW_MAINTENANCE_MS_MAX */
    (void)snprintf(text, sizeof text, "it ends automatically after %s", duration);
    add(steps, text);
}

/* What its guard keeps on disk it acts on before it can hear that the group is gone. */
static void plan_not_let_go(const struct bw_group *group, const struct bw_watch *watch, json_t **steps)
{
    char text[BW_NAME_MAX + 160];

    for (int site = 0; site < (int)group->spec.site_count; site++) {
        if (bw_policy_site_has_let_go(group, watch, site, bw_clock_now()))
            continue;
        (void)snprintf(text, sizeof text,
                       "%s has not reported that it released the service: if its guard starts before its agent receives "
                       "this, a running service is fenced there",
                       group->spec.sites[site].name);
        add(steps, text);
    }
}

static void plan_delete(const struct bw_group *group, const struct bw_watch *watch, json_t **steps)
{
    char text[192];

    add(steps, "the witnesses drop its spec; its history stays");
    add(steps,
        "the witnesses forget where the service runs: if you apply the group again without a site that serves, two sites "
        "serve (split-brain)");
    add(steps, "every connected site releases the service to manual control: it runs on, unmanaged");
    plan_not_let_go(group, watch, steps);
    (void)snprintf(text, sizeof text,
                   "a group that is applied under this name starts above epoch %" PRIu64,
                   group->epoch);
    add(steps, text);
}

json_t *bw_json_cancel_steps(const struct bw_group *group, const struct bw_wish *wish)
{
    json_t *steps = json_array();
    char text[2 * BW_NAME_MAX + BW_REASON_MAX + 96];

    if (group->phase == BW_PHASE_REVOKING) {
        (void)snprintf(
            text, sizeof text,
            "the switchover to %s is canceled; %s, which has not begun to stop, stays primary",
            group->target, group->holder_site);
        add(&steps, text);
        return steps;
    }
    (void)snprintf(text, sizeof text, "the %s%s%s that %s requested is canceled",
                   bw_wish_word(wish->kind), wish->to[0] != '\0' ? " of " : "", wish->to, wish->by);
    add(&steps, text);
    if (group->phase == BW_PHASE_CLOSING)
        add(&steps, "the epoch stays closed");
    if (group->first_choice[0] != '\0') { /* 3.6: of a move that an end by time has overtaken */
        (void)snprintf(text, sizeof text, "but %s, the target of a switchover that had begun, becomes primary before others%s",
                       group->first_choice,
                       group->phase == BW_PHASE_VACANT ? "" : " after the epoch has ended");
        add(&steps, text);
    }
    return steps;
}

json_t *bw_operator_mode_steps(const struct bw_program *program, int group, enum bw_mode mode, bool is_named)
{
    const struct bw_witness_machine *machine = &program->machine;
    json_t *steps = json_array();

    plan_mode(&machine->cluster.groups[group], &machine->core.watches[group], mode, is_named, &steps);
    return steps;
}

static json_t *steps_of(const struct group_change *change)
{
    const struct bw_witness_machine *machine = &change->awaited.program->machine;
    const struct bw_command *command = &change->order.command;
    const struct bw_group *group;
    const struct bw_watch *watch;
    json_t *steps;

    if (change->group < 0)
        return people_steps(change->awaited.program, &change->people, command->by);
    group = &machine->cluster.groups[change->group];
    watch = &machine->core.watches[change->group];
    if (command->kind == BW_COMMAND_SET_MODE)
        return bw_operator_mode_steps(change->awaited.program, change->group, command->mode, false);
    if (command->kind == BW_COMMAND_UNREVOKE)
        return bw_json_cancel_steps(group, &watch->wish);
    steps = json_array();
    switch (command->kind) {
    case BW_COMMAND_MAINTENANCE:
        plan_maintenance(group, watch, command, &steps);
        break;
    default:
        BW_ASSERT(command->kind == BW_COMMAND_DELETE);
        plan_delete(group, watch, &steps);
        break;
    }
    return steps;
}

/* What an operator knows it by. */
static const char *change_word(const struct bw_command *command)
{
    return command->kind == BW_COMMAND_UNREVOKE ? "Cancel" : bw_command_word(command->kind);
}

/* Of a cancel: what it would take back is this wish; 0: none that is replicated. */
static uint64_t wish_index_of(const struct group_change *change)
{
    const struct bw_watch *watches = change->awaited.program->machine.core.watches;

    return change->order.command.kind == BW_COMMAND_UNREVOKE ? watches[change->group].wish.index : 0;
}

static void answer_plan(struct group_change *change)
{
    const struct bw_cluster *cluster = &change->awaited.program->machine.cluster;
    const struct bw_group *group = change->group >= 0 ? &cluster->groups[change->group] : NULL;
    const uint64_t version = group != NULL ? group->spec_version : cluster->people_version;
    const struct bw_command *command = &change->order.command;
    struct bw_diag diag = {0};
    const enum bw_err err = bw_witness_machine_judge_change(&change->awaited.program->machine,
                                                            change->group, &change->order, &diag);

    bw_operator_answer(change->awaited.request, 200,
                       json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:b, s:s?, s:o}",
                                 "schema", "breakwater.change_plan/v1", "group",
                                 group != NULL ? group->spec.name : "", "change", change_word(command), "epoch",
                                 (json_int_t)(group != NULL ? group->epoch : 0), "spec_version",
                                 (json_int_t)version, "wish_index",
                                 (json_int_t)wish_index_of(change), "possible", err == BW_OK,
                                 "already", err == BW_ERR_EXISTS, "busy", err == BW_ERR_BUSY,
                                 "refused", err == BW_OK ? NULL : diag.text, "steps",
                                 err == BW_OK ? steps_of(change) : json_array()));
}

/* ---- doing it ---- */

static void refuse_late(struct bw_http_request *request)
{
    bw_operator_refuse(request, 503, "unknown",
                       "no majority of the witnesses has answered yet: the result is not known",
                       "see breakwater status, then repeat the command: a change that is made already stays as it is");
}

static void answer_outcome(struct bw_awaited *awaited)
{
    const struct group_change *change = (const struct group_change *)awaited;

    if (!bw_awaited_refuse(awaited))
        bw_operator_answer(awaited->request, 200,
                           json_pack("{s:s, s:s, s:s, s:I}", "schema", "breakwater.changed/v1",
                                     "group", change->order.command.group, "change",
                                     change_word(&change->order.command), "index",
                                     (json_int_t)awaited->index));
}

static void log_change(const struct group_change *change)
{
    const struct bw_command *command = &change->order.command;
    const struct bw_awaited *awaited = &change->awaited;

    bw_log_info(&awaited->program->log, "group.change_asked",
                "group=%s asked=%s mode=%s site=%s for_ms=%" PRIu64 " by=%s remote=%s text=%s",
                command->group, change_word(command),
                command->kind == BW_COMMAND_SET_MODE ? bw_mode_word(command->mode) : "",
                command->site, command->duration_ms, bw_log_quote(command->by),
                awaited->request->remote, bw_log_quote(command->text));
}

/* The wish was all there was, and in this leader's memory alone. */
static void answer_forgotten(struct group_change *change)
{
    log_change(change);
    change->awaited.err = BW_OK;
    change->awaited.index = change->awaited.program->machine.cluster.applied_index;
    answer_outcome(&change->awaited);
    free(change);
}

/* Takes `change`. */
static void begin(struct group_change *change)
{
    struct bw_program *program = change->awaited.program;
    struct bw_diag diag = {0};
    const bool is_cancel = change->order.command.kind == BW_COMMAND_UNREVOKE;
    enum bw_err err = bw_witness_machine_judge_change(&program->machine, change->group,
                                                      &change->order, &diag);

    if (err == BW_OK && is_cancel &&
        bw_witness_machine_forget_wish(&program->machine, change->group)) {
        answer_forgotten(change);
        bw_drive_refresh(program);
        return;
    }
    if (err == BW_OK)
        err = bw_witness_machine_change(&program->machine, change->group, &change->order,
                                        &change->awaited.proposer, &diag);
    if (err == BW_OK) {
        log_change(change);
        bw_awaited_begin(&change->awaited, BW_OK, COMMIT_MS);
    } else {
        bw_operator_refuse_err(program, change->awaited.request, err, diag.text);
        free(change);
    }
    bw_drive_refresh(program);
}

static void take(struct bw_http_request *request, struct bw_program *program,
                 enum bw_command_kind kind)
{
    struct group_change *change;
    bool is_plan = false;
    bool is_good;

    if (!bw_operator_may_change(program, request) || !bw_operator_is_plan(request, &is_plan))
        return;
    change = calloc(1, sizeof *change);
    if (change == NULL) {
        bw_operator_answer(request, 503, NULL);
        return;
    }
    bw_awaited_init(&change->awaited, program, request);
    change->awaited.answer = answer_outcome;
    change->awaited.answer_late = refuse_late;
    change->order.command.kind = kind;
    change->group = -1;
    if (kind == BW_COMMAND_SET_PEOPLE)
        change->order.command.spec_version = program->machine.cluster.people_version; /* unless it names one */
    is_good = bw_operator_read_order(request, change->order.command.by, read_change, change);
    if (is_good && kind != BW_COMMAND_SET_PEOPLE) {
        change->group = bw_operator_find_group(program, request);
        is_good = change->group >= 0;
    }
    if (is_good && !is_plan) {
        begin(change);
        return;
    }
    if (is_good)
        answer_plan(change);
    free(change);
}

void bw_operator_on_mode(struct bw_http_request *request, void *user)
{
    take(request, user, BW_COMMAND_SET_MODE);
}

void bw_operator_on_maintenance(struct bw_http_request *request, void *user)
{
    take(request, user, BW_COMMAND_MAINTENANCE);
}

void bw_operator_on_cancel(struct bw_http_request *request, void *user)
{
    take(request, user, BW_COMMAND_UNREVOKE);
}

void bw_operator_on_delete(struct bw_http_request *request, void *user)
{
    take(request, user, BW_COMMAND_DELETE);
}

void bw_operator_on_set_people(struct bw_http_request *request, void *user)
{
    take(request, user, BW_COMMAND_SET_PEOPLE);
}
