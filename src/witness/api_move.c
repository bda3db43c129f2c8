/* api_move.c - what people ask for: POST /v1/groups/{name}/switchover, failover, force-release.
 * Design 3.6, 4, 5.2. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/machine/witness_operator.h>

#include "api_operator.h"
#include "awaited.h"
#include "people.h"

#define COMMIT_MS 10000

/* ---- reading ---- */

static void read_timeout(const json_t *value, struct bw_wish *wish,
                         struct bw_json_problems *problems)
{
    const json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 1000 || number > 24 * 3600 * 1000)
        bw_json_problem(problems, "timeout_ms", "not a whole number from 1000 to 86400000");
    else
        wish->timeout_ms = (uint32_t)number;
}

static void read_truth(const json_t *value, const char *key, bool *out_truth,
                       struct bw_json_problems *problems)
{
    if (!json_is_boolean(value))
        bw_json_problem(problems, key, "not true or false");
    *out_truth = json_is_true(value);
}

/* The epoch that the person looked at. A plan looks for the first time; who moves a group without one takes what is. */
static void read_epoch(const json_t *value, bool is_plan, struct bw_wish *wish,
                       struct bw_json_problems *problems)
{
    if (value == NULL && (is_plan || wish->kind != BW_WISH_FORCE_RELEASE))
        return;
    if (!json_is_integer(value) || json_integer_value(value) < 1)
        bw_json_problem(problems, "epoch", "not the number of an epoch");
    else
        wish->epoch = (uint64_t)json_integer_value(value);
}

/* The keys of each wish, for the one reader and for whoever misspells one. */
static const struct wish_keys {
    const char *site;
    const char *known;
} wish_keys[] = {
    [BW_WISH_FAILOVER] = {"to", "to, epoch, accept_data_loss, reason, id"},
    [BW_WISH_SWITCHOVER] = {"to", "to, epoch, timeout_ms, accept_outage, reason, id"},
    [BW_WISH_FORCE_RELEASE] = {"site", "site, epoch, holder_is_off, reason"},
};

/* By which the request is known again. */
static void read_id(const json_t *value, struct bw_wish *wish, struct bw_json_problems *problems)
{
    if (!json_is_string(value) || !bw_id_parse(json_string_value(value), &wish->id) ||
        bw_id_is_none(wish->id))
        bw_json_problem(problems, "id", "not 32 hexadecimal digits, some of them not 0");
}

static void read_own_key(const char *key, const json_t *value, struct bw_wish *wish,
                         struct bw_json_problems *problems)
{
    if (strcmp(key, "accept_data_loss") == 0)
        read_truth(value, key, &wish->accept_data_loss, problems);
    else if (strcmp(key, "holder_is_off") == 0)
        read_truth(value, key, &wish->holder_is_off, problems);
    else if (strcmp(key, "accept_outage") == 0)
        read_truth(value, key, &wish->accept_outage, problems);
    else if (strcmp(key, "timeout_ms") == 0)
        read_timeout(value, wish, problems);
    else if (strcmp(key, "id") == 0)
        read_id(value, wish, problems);
}

/* A wish as it is read. */
struct wished {
    struct bw_wish wish;
    bool is_plan;
};

static void read_wish(const json_t *body, void *into, struct bw_json_problems *problems)
{
    struct wished *wished = into;
    struct bw_wish *wish = &wished->wish;
    const struct wish_keys *keys = &wish_keys[wish->kind];
    const char *key;
    json_t *value;

    bw_operator_read_text(body, keys->site, wish->to, sizeof wish->to, problems);
    bw_operator_read_text(body, "reason", wish->text, sizeof wish->text, problems);
    if (bw_operator_is_key(keys->known, "epoch"))
        read_epoch(json_object_get(body, "epoch"), wished->is_plan, wish, problems);
    json_object_foreach((json_t *)(uintptr_t)body, key, value) /* only read */
    {
        if (bw_operator_is_key(keys->known, key))
            read_own_key(key, value, wish, problems);
        else
            bw_json_problem(problems, "body", "unknown key \"%.63s\"; known: %s", key, keys->known);
    }
}

/* What would happen. */
static void answer_plan(struct bw_program *program, struct bw_http_request *request,
                        int group_index, const struct bw_wish *wish)
{
    struct bw_wish_plan *plan = malloc(sizeof *plan);
    struct bw_operator_view view;
    struct bw_diag diag = {0};
    struct bw_scope scope;
    enum bw_err err;

    if (plan == NULL) {
        bw_operator_answer(request, 503, NULL);
        return;
    }
    scope = bw_people_scope_of(program, request);
    bw_operator_look(program, &scope, &view);
    err = bw_witness_machine_plan(&program->machine, group_index, wish, plan, &diag);
    bw_operator_answer(request, 200, bw_json_plan(&view, group_index, wish, plan, err, diag.text));
    free(plan);
}

/* A move on its way to the log. */
struct asked {
    struct bw_awaited awaited; /* first */
    struct bw_wish wish;
    int group;
};

/* `wish_index`: of its Wish in the log; 0: it is in this leader's memory alone. Whoever waits tells
 * by `epoch` what came of it. */
static void answer_accepted(struct bw_program *program, struct bw_http_request *request,
                            const struct bw_group *group, const struct bw_wish *wish,
                            uint64_t epoch, uint64_t wish_index)
{
    bw_operator_answer(
        request, 202,
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "schema", "breakwater.accepted/v1",
                  "group", group->spec.name, "wish", bw_wish_word(wish->kind), "epoch",
                  (json_int_t)epoch, "index", (json_int_t)program->machine.cluster.applied_index,
                  "wish_index", (json_int_t)wish_index, "term",
                  (json_int_t)program->machine.core.leadership.term, "timeout_ms",
                  (json_int_t)(wish->timeout_ms != 0 ? wish->timeout_ms
                                                     : group->spec.switchover_timeout_ms)));
}

static void refuse_late(struct bw_http_request *request)
{
    bw_operator_refuse(request, 503, "unknown",
                       "no majority of the witnesses has answered yet: the result is not known",
                       "see breakwater status: it shows an accepted request");
}

/* Said again, after an answer that was lost: it is what it was the first time. True: answered. */
static bool is_known(struct bw_program *program, struct bw_http_request *request, int group_index,
                     const struct bw_wish *wish)
{
    const struct bw_group *group = &program->groups[group_index];
    const uint64_t wish_index = bw_group_wish_of(group, wish->id);

    if (wish_index != 0)
        answer_accepted(program, request, group, wish, bw_group_wish_epoch(group, wish_index),
                        wish_index);
    return wish_index != 0;
}

static void answer_asked(struct bw_awaited *awaited)
{
    const struct asked *asked = (const struct asked *)awaited;

    if (awaited->err == BW_ERR_EXISTS && /* said twice at once */
        is_known(awaited->program, awaited->request, asked->group, &asked->wish))
        return;
    if (!bw_awaited_refuse(awaited))
        answer_accepted(awaited->program, awaited->request, &awaited->program->groups[asked->group],
                        &asked->wish, asked->wish.epoch, awaited->index);
}

static void keep_wish(struct bw_program *program, struct bw_http_request *request, int group_index,
                      const struct bw_wish *wish)
{
    struct asked *asked = calloc(1, sizeof *asked);
    struct bw_diag diag = {0};
    enum bw_err err;

    if (asked == NULL) {
        bw_operator_answer(request, 503, NULL);
        return;
    }
    bw_awaited_init(&asked->awaited, program, request);
    asked->awaited.answer = answer_asked;
    asked->awaited.answer_late = refuse_late;
    asked->wish = *wish;
    asked->group = group_index;
    err = bw_program_ask(program, group_index, wish, request->remote, &asked->awaited.proposer,
                         &diag);
    if (err == BW_OK) {
        bw_awaited_begin(&asked->awaited, BW_OK, COMMIT_MS);
    } else {
        bw_operator_refuse_err(program, request, err, diag.text);
        free(asked);
    }
    bw_drive_refresh(program);
}

/* Below BW_WISH_LEVEL, and what a person vouches for. */
static void note_wish(struct bw_program *program, struct bw_http_request *request, int group_index,
                      const struct bw_wish *wish)
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_program_ask(program, group_index, wish, request->remote, NULL,
                                           &diag);

    if (err == BW_OK)
        answer_accepted(program, request, &program->groups[group_index], wish, wish->epoch, 0);
    else
        bw_operator_refuse_err(program, request, err, diag.text);
}

/* What was shown, a loss above all, was of that epoch. A force-release is judged by its own. False: it was refused. */
static bool is_of_this_epoch(struct bw_program *program, struct bw_http_request *request,
                             int group_index, struct bw_wish *wish)
{
    const struct bw_group *group = &program->groups[group_index];
    struct bw_diag diag = {0};

    if (wish->epoch != 0 && wish->epoch != group->epoch) {
        (void)bw_diag_set(&diag, BW_ERR_STALE,
                          "epoch %" PRIu64 " of %s has begun since the plan was shown; look at the plan again",
                          group->epoch, group->spec.name);
        bw_operator_refuse_err(program, request, BW_ERR_STALE, diag.text);
        return false;
    }
    wish->epoch = group->epoch;
    return true;
}

static void take_wish(struct bw_http_request *request, struct bw_program *program,
                      enum bw_wish_kind kind)
{
    struct wished wished = {.wish = {.kind = kind}};
    struct bw_wish *wish = &wished.wish;
    int group_index;

    if (!bw_operator_may_change(program, request) ||
        !bw_operator_is_plan(request, &wished.is_plan) ||
        !bw_operator_read_order(request, wish->by, read_wish, &wished))
        return;
    group_index = bw_operator_find_group(program, request);
    if (group_index < 0)
        return;
    if (wished.is_plan) {
        wish->accept_outage = true; /* what would be accepted is what the plan shows */
        answer_plan(program, request, group_index, wish);
        return;
    }
    if (is_known(program, request, group_index, wish) ||
        (kind != BW_WISH_FORCE_RELEASE && !is_of_this_epoch(program, request, group_index, wish)))
        return;
    if (bw_witness_machine_keeps_wish(&program->machine, kind))
        keep_wish(program, request, group_index, wish);
    else
        note_wish(program, request, group_index, wish);
}

void bw_operator_on_failover(struct bw_http_request *request, void *user)
{
    take_wish(request, user, BW_WISH_FAILOVER);
}

void bw_operator_on_switchover(struct bw_http_request *request, void *user)
{
    take_wish(request, user, BW_WISH_SWITCHOVER);
}

void bw_operator_on_force_release(struct bw_http_request *request, void *user)
{
    take_wish(request, user, BW_WISH_FORCE_RELEASE);
}
