/* api_level.c - GET /v1/feature-level, and POST /v1/feature-level/raise: what everybody can, and the
 * order of an operator. Design 5.3. */
#include "api_operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/machine/witness_operator.h>

#define WITHOUT_MAX 32

/* Everybody whom a new level concerns. */
struct parties {
    struct bw_level_party *list; /* on the heap; NULL: memory was short */
    size_t count;
};

static struct parties gather(const struct bw_program *program)
{
    uint32_t levels[BW_WITNESSES_MAX] = {0};
    struct bw_operator_view view;
    struct parties parties = {
        .list = calloc(bw_witness_machine_parties_max(&program->machine), sizeof *parties.list)};

    bw_operator_look(program, &(struct bw_scope){.is_everything = true}, &view); /* about the cluster */
    for (uint32_t i = 0; i < view.member_count; i++)
        levels[i] = view.members[i].is_in_contact ? bw_directory_level(program, view.members[i].id) : 0;
    if (parties.list != NULL)
        parties.count = bw_witness_machine_parties(&program->machine, levels, parties.list);
    return parties;
}

static json_t *level_or_null(uint32_t level)
{
    return level != 0 ? json_integer(level) : json_null();
}

static json_t *list_parties(const struct parties *parties)
{
    json_t *list = json_array();

    for (size_t i = 0; i < parties->count; i++) {
        const struct bw_level_party *party = &parties->list[i];

        list = bw_json_append(list, json_pack("{s:s, s:s, s:o}", "kind",
                                              bw_level_kind_word(party->kind), "name", party->name,
                                              "level", level_or_null(party->level)));
    }
    return list;
}

/* `err` and `why`: what a raise would come to. */
static void answer_level(const struct bw_program *program, struct bw_http_request *request,
                         const struct parties *parties, enum bw_err err, const char *why)
{
    const uint32_t level = program->machine.cluster.feature_level;

    bw_operator_answer(
        request, 200,
        json_pack("{s:s, s:s, s:I, s:I, s:o, s:{s:o, s:b, s:o}}", "schema",
                  "breakwater.feature-level/v1", "witness", program->config->name, "level",
                  (json_int_t)level, "newest", (json_int_t)BW_FEATURE_LEVEL_NEWEST, "known_by",
                  list_parties(parties), "raise", "to",
                  err == BW_ERR_EXISTS ? json_null() : json_integer((json_int_t)level + 1),
                  "possible", err == BW_OK, "why", err == BW_OK ? json_null() : bw_json_text(why)));
}

/* `order` NULL: a question. */
static void judge_and_answer(const struct bw_program *program, struct bw_http_request *request,
                             const struct parties *parties, const struct bw_level_order *order)
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_witness_machine_judge_level(&program->machine, parties->list,
                                                           parties->count, order, &diag);

    answer_level(program, request, parties, err, diag.text);
}

void bw_operator_on_level(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct parties parties;
    struct bw_read_clock clock;

    if (bw_agents_is_too_early(program, request) || !bw_reads_may_write(program, request, &clock))
        return;
    parties = gather(program);
    if (parties.list == NULL)
        bw_operator_answer(request, 503, NULL);
    else
        judge_and_answer(program, request, &parties, NULL);
    free(parties.list);
    bw_reads_written(program, &clock);
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

    bw_json_problems_init(&problems);
    bw_operator_read_text(body, "reason", wanted->text, sizeof wanted->text, &problems);
    read_without(json_object_get(body, "without"), wanted, &problems);
    read_to(json_object_get(body, "to"), wanted, &problems);
    bw_operator_note_unknown(body, "to, without, reason", &problems);
    return bw_operator_end_problems(request, &problems);
}

static void raise_level(struct bw_program *program, struct bw_http_request *request,
                        const struct parties *parties, const struct bw_level_order *order)
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_witness_machine_raise_level(&program->machine, parties->list,
                                                           parties->count, order, &diag);

    bw_drive_refresh(program);
    if (err != BW_OK) {
        bw_operator_refuse_err(program, request, err, diag.text);
        return;
    }
    bw_log_info(&program->log, "level.raised",
                "feature_level=%" PRIu32 " by=%s remote=%s text=%s without=%zu", order->to,
                bw_log_quote(order->by), request->remote, bw_log_quote(order->text),
                order->without_count);
    bw_operator_answer(
        request, 202,
        json_pack("{s:s, s:I}", "schema", "breakwater.accepted/v1", "to", (json_int_t)order->to));
}

static void take_wanted(struct bw_program *program, struct bw_http_request *request,
                        const json_t *body, bool is_plan)
{
    char by[BW_REASON_MAX + 1];
    struct wanted wanted = {0};
    struct bw_level_order order = {.without = wanted.without, .by = by, .text = wanted.text};
    struct parties parties;

    if (!read_wanted(request, body, &wanted))
        return;
    bw_operator_name(request, by);
    order.to = wanted.to;
    order.without_count = wanted.without_count;
    parties = gather(program);
    if (parties.list == NULL) {
        bw_operator_answer(request, 503, NULL);
    } else if (is_plan) {
        judge_and_answer(program, request, &parties, &order);
    } else {
        raise_level(program, request, &parties, &order);
    }
    free(parties.list);
}

void bw_operator_on_raise_level(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    bool is_plan = false;
    json_t *body = bw_operator_change_body(program, request, &is_plan);

    if (body == NULL)
        return;
    take_wanted(program, request, body, is_plan);
    json_decref(body);
}
