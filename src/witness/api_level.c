/* api_level.c - GET /v1/feature-level, and POST /v1/feature-level/raise: what everybody can, and the
 * order of an operator. Design 5.3. */
#include "api_people.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/feature_level.h>
#include <breakwater/sys/clock.h>

#define WITHOUT_MAX 32

/* Everybody whom a new level concerns. */
struct parties {
    struct bw_level_party *list; /* on the heap */
    size_t count;
    size_t capacity;
    bool is_failed; /* memory was short */
};

static struct bw_level_party *add(struct parties *parties, enum bw_level_kind kind,
                                  const char *name, uint32_t level)
{
    struct bw_level_party *party;

    if (parties->count == parties->capacity) {
        const size_t capacity = parties->capacity * 2 + 16;
        struct bw_level_party *list = realloc(parties->list, capacity * sizeof *list);

        if (list == NULL) {
            parties->is_failed = true;
            return NULL;
        }
        parties->list = list;
        parties->capacity = capacity;
    }
    party = &parties->list[parties->count++];
    *party = (struct bw_level_party){.kind = kind, .level = level};
    (void)bw_copy_text(party->name, sizeof party->name, name); /* a checked name */
    return party;
}

static struct bw_level_party *find(const struct parties *parties, enum bw_level_kind kind,
                                   const char *name)
{
    for (size_t i = 0; i < parties->count; i++)
        if (parties->list[i].kind == kind && strcmp(parties->list[i].name, name) == 0)
            return &parties->list[i];
    return NULL;
}

/* A site may stand in many groups, and its agent be heard in some of them only. */
static void add_site(struct parties *parties, const char *name, uint32_t agent, uint32_t guard)
{
    const struct {
        enum bw_level_kind kind;
        uint32_t level;
    } both[] = {{BW_LEVEL_AGENT, agent}, {BW_LEVEL_GUARD, guard}};

    for (size_t i = 0; i < 2; i++) {
        struct bw_level_party *party = find(parties, both[i].kind, name);

        if (party == NULL)
            (void)add(parties, both[i].kind, name, both[i].level);
        else if (party->level == 0 || (both[i].level != 0 && both[i].level < party->level))
            party->level = both[i].level;
    }
}

static void gather(const struct bw_program *program, struct parties *out_parties)
{
    const struct bw_cluster *cluster = &program->machine.cluster;
    struct bw_people_view view;

    *out_parties = (struct parties){0};
    bw_people_look(program, &view);
    for (uint32_t i = 0; i < view.member_count; i++)
        (void)add(out_parties, BW_LEVEL_WITNESS, view.members[i].name,
                  view.members[i].is_self    ? BW_FEATURE_LEVEL_NEWEST
                  : view.members[i].is_heard ? program->witness_levels[i]
                                             : 0);
    for (uint32_t place = 0; place < cluster->group_count; place++) {
        const struct bw_group *group = &cluster->groups[place];
        const uint64_t fresh_ns = bw_expiry_freshness_ns(group->spec.renew_interval_ms,
                                                         group->spec.request_timeout_ms);

        for (uint32_t site = 0; site < group->spec.site_count; site++) {
            uint32_t agent;
            uint32_t guard;

            bw_feature_level_of_site(&program->watches[place].reports[site], view.now, fresh_ns,
                                     &agent, &guard);
            add_site(out_parties, group->spec.sites[site].name, agent, guard);
        }
    }
}

static json_t *level_or_null(uint32_t level)
{
    return level != 0 ? json_integer(level) : json_null();
}

static json_t *list_parties(const struct parties *parties)
{
    json_t *list = json_array();

    for (size_t i = 0; i < parties->count && list != NULL; i++) {
        const struct bw_level_party *party = &parties->list[i];
        json_t *one = json_pack("{s:s, s:s, s:o}", "kind", bw_level_kind_word(party->kind), "name",
                                party->name, "level", level_or_null(party->level));

        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* `err` and `why`: what a raise would come to. */
static void answer_level(const struct bw_program *program, struct bw_http_request *request,
                         const struct parties *parties, enum bw_err err, const char *why)
{
    const uint32_t level = program->machine.cluster.feature_level;

    bw_people_answer(
        request, 200,
        json_pack("{s:s, s:s, s:I, s:I, s:o, s:{s:o, s:b, s:o}}", "schema",
                  "breakwater.feature-level/v1", "witness", program->config->name, "level",
                  (json_int_t)level, "newest", (json_int_t)BW_FEATURE_LEVEL_NEWEST, "known_by",
                  list_parties(parties), "raise", "to",
                  err == BW_ERR_EXISTS ? json_null() : json_integer((json_int_t)level + 1),
                  "possible", err == BW_OK, "why", err == BW_OK ? json_null() : bw_json_text(why)));
}

void bw_people_on_level(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct parties parties;
    struct bw_diag diag = {0};
    enum bw_err err;

    if (bw_agents_is_too_early(program, request))
        return;
    gather(program, &parties);
    err = bw_feature_level_judge(program->machine.cluster.feature_level, BW_FEATURE_LEVEL_NEWEST,
                                 parties.list, parties.count, NULL, 0, &diag);
    if (parties.is_failed)
        bw_people_answer(request, 503, NULL);
    else
        answer_level(program, request, &parties, err, diag.text);
    free(parties.list);
}

/* {"to", "without": [names], "reason"} */
struct wanted {
    uint32_t to;
    const char *without[WITHOUT_MAX]; /* within the body */
    size_t without_count;
    char text[BW_REASON_MAX + 1];
};

static void read_without(const json_t *list, struct wanted *wanted,
                         struct bw_json_problems *problems)
{
    size_t i;
    json_t *name;

    if (list == NULL)
        return;
    if (!json_is_array(list) || json_array_size(list) > WITHOUT_MAX) {
        bw_json_problem(problems, "without", "not a list of at most %d names", WITHOUT_MAX);
        return;
    }
    json_array_foreach(list, i, name) {
        if (!json_is_string(name))
            bw_json_problem(problems, "without", "holds something that is no text");
        else
            wanted->without[wanted->without_count++] = json_string_value(name);
    }
}

static void read_to(const json_t *value, struct wanted *wanted, struct bw_json_problems *problems)
{
    const json_int_t to = json_integer_value(value);

    if (!json_is_integer(value) || to < 1 || to > UINT32_MAX)
        bw_json_problem(problems, "to", "not the level that is wanted");
    else
        wanted->to = (uint32_t)to;
}

/* False: it was answered. */
static bool read_wanted(struct bw_http_request *request, const json_t *body, struct wanted *wanted)
{
    struct bw_json_problems problems;
    const char *key;
    json_t *value;
    bool is_good;

    bw_json_problems_init(&problems);
    bw_people_read_text(body, "reason", wanted->text, sizeof wanted->text, &problems);
    read_without(json_object_get(body, "without"), wanted, &problems);
    read_to(json_object_get(body, "to"), wanted, &problems);
    json_object_foreach((json_t *)(uintptr_t)body, key, value) { /* only read */
        if (strcmp(key, "to") != 0 && strcmp(key, "without") != 0 && strcmp(key, "reason") != 0)
            bw_json_problem(&problems, "body", "unknown key \"%.63s\"; known: to, without, reason",
                            key);
    }
    is_good = problems.count == 0;
    if (!is_good)
        bw_people_refuse_problems(request, &problems);
    bw_json_problems_deinit(&problems);
    return is_good;
}

static void raise_level(struct bw_program *program, struct bw_http_request *request,
                        const struct wanted *wanted)
{
    struct bw_command command = {.kind = BW_COMMAND_RAISE_LEVEL, .feature_level = wanted->to};
    struct bw_diag diag = {0};
    enum bw_err err;

    bw_people_name(request, command.by);
    memcpy(command.text, wanted->text, sizeof command.text);
    err = bw_program_propose(program, &command, NULL, &diag);
    if (err != BW_OK) {
        bw_people_refuse_err(program, request, err, diag.text);
        return;
    }
    bw_log_info(&program->log, "level.raised", "to=%" PRIu32 " by=%s text=%s without=%zu",
                wanted->to, bw_log_quote(command.by), bw_log_quote(command.text),
                wanted->without_count);
    bw_people_answer(request, 202,
                     json_pack("{s:s, s:I}", "schema", "breakwater.accepted/v1", "to",
                               (json_int_t)wanted->to));
}

/* The body is judged anew: what the person looked at may be old by now. */
static void judge_and_raise(struct bw_program *program, struct bw_http_request *request,
                            const json_t *body, bool is_plan)
{
    const uint32_t level = program->machine.cluster.feature_level;
    struct wanted wanted = {0};
    struct parties parties;
    struct bw_diag diag = {0};
    enum bw_err err;

    if (!read_wanted(request, body, &wanted))
        return;
    gather(program, &parties);
    err = bw_feature_level_judge(level, BW_FEATURE_LEVEL_NEWEST, parties.list, parties.count,
                                 wanted.without, wanted.without_count, &diag);
    if (err == BW_OK && wanted.to != level + 1)
        err = bw_diag_set(&diag, BW_ERR_STALE, "the feature level is %" PRIu32 " by now", level);
    if (parties.is_failed)
        bw_people_answer(request, 503, NULL);
    else if (is_plan)
        answer_level(program, request, &parties, err, diag.text);
    else if (err != BW_OK)
        bw_people_refuse_err(program, request, err, diag.text);
    else
        raise_level(program, request, &wanted);
    free(parties.list);
}

void bw_people_on_raise_level(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    bool is_plan = false;
    json_t *body;

    if (!bw_people_may_change(program, request) || !bw_people_is_plan(request, &is_plan))
        return;
    body = bw_people_body(request);
    if (body == NULL)
        return;
    judge_and_raise(program, request, body, is_plan);
    json_decref(body);
}
