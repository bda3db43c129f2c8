/* api_apply.c - PUT /v1/groups: the specs of any number of groups, checked together, then committed
 * one after the other. Design 3.9, 5.3. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/words.h>
#include <breakwater/core/expiry.h>
#include <breakwater/sys/clock.h>

#include "api_people.h"

#define COMMIT_MS 20000 /* for all of it; then the outcome of the rest is unknown */

#define OUTCOME_LIST(X)                                                                            \
    X(UNCHANGED, "unchanged") X(CREATED, "created") X(CHANGED, "changed") X(FAILED, "failed")      \
    X(UNKNOWN, "unknown") X(NOT_SENT, "not_sent")
enum outcome {
#define X(name, word) OUTCOME_##name,
    OUTCOME_LIST(X)
#undef X
};

struct item {
    struct bw_spec spec;
    char initial_primary[BW_NAME_MAX + 1];
    uint64_t version; /* that it was compared with; 0: there was no such group */
    json_t *changes;
    enum outcome outcome;
    enum bw_err err;
    uint64_t index; /* of the entry that made it so */
};

struct apply {
    struct bw_proposer proposer; /* first: its end is told to it */
    struct bw_program *program;
    struct bw_http_request *request; /* NULL: answered, or the client is gone */
    char by[BW_REASON_MAX + 1];
    struct item *items;
    size_t count;
    size_t next; /* the one that is proposed next */
    bool is_plan;
};

static void free_apply(struct apply *apply)
{
    for (size_t i = 0; i < apply->count; i++)
        json_decref(apply->items[i].changes);
    free(apply->items);
    free(apply);
}

/* ---- reading the body ---- */

static void read_initial(const json_t *body, struct apply *apply, struct bw_json_problems *problems)
{
    json_t *initial = json_object_get(body, "initial_primary");
    const char *group;
    json_t *site;

    if (initial != NULL && !json_is_object(initial)) {
        bw_json_problem(problems, "initial_primary", "not an object {GROUP: SITE}");
        return;
    }
    json_object_foreach(initial, group, site) {
        struct item *item = NULL;

        for (size_t i = 0; i < apply->count; i++)
            if (strcmp(apply->items[i].spec.name, group) == 0)
                item = &apply->items[i];
        if (item == NULL)
            bw_json_problem(problems, "initial_primary", "\"%.63s\" is none of these groups",
                            group);
        else if (!json_is_string(site) ||
                 !bw_spec_is_candidate(&item->spec, json_string_value(site)) ||
                 !bw_copy_text(item->initial_primary, sizeof item->initial_primary,
                               json_string_value(site)))
            bw_json_problem(problems, "initial_primary",
                            "of %.63s: not one of its sites that may be primary", group);
    }
}

static void read_body(json_t *body, struct apply *apply, struct bw_json_problems *problems)
{
    const json_t *groups = json_object_get(body, "groups");
    const uint32_t election_timeout_ms = apply->program->machine.cluster.election_timeout_ms;
    const char *key;
    json_t *value;
    char path[64];

    json_object_foreach(body, key, value) {
        if (strcmp(key, "groups") != 0 && strcmp(key, "initial_primary") != 0)
            bw_json_problem(problems, "body", "unknown key \"%.63s\"; known: groups, "
                            "initial_primary", key);
    }
    if (!json_is_array(groups) || json_array_size(groups) == 0 ||
        json_array_size(groups) > BW_GROUPS_MAX) {
        bw_json_problem(problems, "groups", "not a list of 1 to %d groups", BW_GROUPS_MAX);
        return;
    }
    apply->items = calloc(json_array_size(groups), sizeof *apply->items);
    if (apply->items == NULL) {
        bw_json_problem(problems, "groups", "this witness is short of memory");
        return;
    }
    apply->count = json_array_size(groups);
    for (size_t i = 0; i < apply->count; i++) {
        struct bw_spec *spec = &apply->items[i].spec;

        (void)snprintf(path, sizeof path, "groups[%zu]", i);
        if (!bw_spec_json_decode(json_array_get(groups, i), path, election_timeout_ms, spec,
                                 problems))
            continue;
        for (size_t j = 0; j < i; j++)
            if (strcmp(apply->items[j].spec.name, spec->name) == 0)
                bw_json_problem(problems, path, "%s is the name of groups[%zu] too", spec->name, j);
    }
    read_initial(body, apply, problems);
}

/* ---- what it would do ---- */

static struct bw_command command_of(const struct apply *apply, const struct item *item)
{
    struct bw_command command = {
        .kind = BW_COMMAND_SET_SPEC, .spec_version = item->version, .spec = item->spec};

    memcpy(command.group, item->spec.name, sizeof command.group);
    memcpy(command.site, item->initial_primary, sizeof command.site);
    memcpy(command.by, apply->by, sizeof command.by);
    return command;
}

/* The site that says the service runs there already, other than `site`; NULL: none (3.9). */
static const char *started_elsewhere(const struct bw_program *program, int place, const char *site)
{
    const struct bw_spec *spec = &program->groups[place].spec;
    const uint64_t freshness_ns = bw_expiry_freshness_ns(spec->renew_interval_ms,
                                                         spec->request_timeout_ms);
    const struct bw_instant now = bw_clock_now();

    for (uint32_t i = 0; i < spec->site_count; i++) {
        bool has_several = false;
        const struct bw_heard *heard = bw_site_reports_fresh(
            &program->watches[place].reports[i], now, freshness_ns, &has_several);

        if (strcmp(spec->sites[i].name, site) != 0 && heard != NULL &&
            heard->report.service == BW_SERVICE_STARTED)
            return spec->sites[i].name;
    }
    return NULL;
}

/* Why the group's state does not take the spec, in words. */
static void explain_refusal(const struct bw_group *group, const struct item *item, const char *path,
                            struct bw_json_problems *problems)
{
    const struct bw_spec *spec = &item->spec;

    if (group->holder_site[0] != '\0' && bw_spec_find_site(spec, group->holder_site) < 0)
        bw_json_problem(problems, path, "%s holds %s and cannot leave it; switch over first",
                        group->holder_site, spec->name);
    else if (group->target[0] != '\0' && bw_spec_find_site(spec, group->target) < 0)
        bw_json_problem(problems, path, "%s is on its way to %s, which cannot leave it now",
                        spec->name, group->target);
    else if (item->initial_primary[0] != '\0' && !group->first_grant)
        bw_json_problem(problems, "initial_primary",
                        "%s was granted before, so there is no first primary to choose; use "
                        "switchover or failover", spec->name);
    else if (group->phase == BW_PHASE_CLOSING)
        bw_json_problem(problems, path, "epoch %" PRIu64 " of %s is being closed; wait for its end",
                        group->epoch, spec->name);
    else
        bw_json_problem(problems, path,
                        "the new timings do not fit the terms of the open epoch %" PRIu64
                        " (lease_ttl %" PRIu32 " ms, fence_timeout %" PRIu32
                        " ms), which goes on with them", group->epoch, group->terms.ttl_ms,
                        group->terms.fence_ms);
}

/* Applies the command to a copy: the same judgement as the log's. */
static enum bw_err try_on_copy(const struct bw_program *program, int place,
                               const struct bw_command *command)
{
    struct bw_cluster trial = program->machine.cluster;
    struct bw_group *copy = calloc(1, sizeof *copy);
    enum bw_err err = BW_ERR_NOMEM;

    if (copy == NULL)
        return err;
    if (place >= 0)
        *copy = program->groups[place];
    trial.groups = copy;
    trial.group_capacity = 1;
    trial.group_count = place >= 0 ? 1 : 0;
    err = bw_cluster_apply(&trial, trial.applied_index + 1, command).err;
    free(copy);
    return err;
}

static void prepare(struct apply *apply, size_t number, struct bw_json_problems *problems)
{
    const struct bw_program *program = apply->program;
    struct item *item = &apply->items[number];
    const int place = bw_cluster_find(&program->machine.cluster, item->spec.name);
    const struct bw_group *group = place >= 0 ? &program->groups[place] : NULL;
    const char *elsewhere = NULL;
    struct bw_command command;
    char path[64];
    enum bw_err err;

    BW_ASSERT(program->groups != NULL);
    (void)snprintf(path, sizeof path, "groups[%zu]", number);
    item->version = group != NULL ? group->spec_version : 0;
    item->changes = bw_spec_json_changes(group != NULL ? &group->spec : NULL, &item->spec);
    if (item->changes == NULL) {
        bw_json_problem(problems, path, "this witness is short of memory");
        return;
    }
    if (group != NULL && json_array_size(item->changes) == 0 &&
        (item->initial_primary[0] == '\0' ||
         strcmp(item->initial_primary, group->initial_primary) == 0))
        return; /* unchanged */
    item->outcome = group != NULL ? OUTCOME_CHANGED : OUTCOME_CREATED;
    if (place >= 0 && item->initial_primary[0] != '\0')
        elsewhere = started_elsewhere(program, place, item->initial_primary);
    if (elsewhere != NULL)
        bw_json_problem(problems, "initial_primary", "%s says that %s runs there already",
                        elsewhere, item->spec.name);
    command = command_of(apply, item);
    err = try_on_copy(program, place, &command);
    if (err == BW_ERR_REFUSED && group != NULL)
        explain_refusal(group, item, path, problems);
    else if (err != BW_OK)
        bw_json_problem(problems, path, "%s", bw_err_text(err));
}

static void prepare_all(struct apply *apply, struct bw_json_problems *problems)
{
    const struct bw_cluster *cluster = &apply->program->machine.cluster;
    size_t count = 0;

    for (uint32_t i = 0; i < cluster->group_count; i++)
        count += cluster->groups[i].spec.name[0] != '\0';
    for (size_t i = 0; i < apply->count; i++) {
        prepare(apply, i, problems);
        count += apply->items[i].outcome == OUTCOME_CREATED;
    }
    if (count > cluster->group_capacity)
        bw_json_problem(problems, "groups", "%zu groups would be more than %" PRIu32, count,
                        cluster->group_capacity);
}

/* ---- the answer ---- */

static BW_WORDS(outcome_word, enum outcome, OUTCOME_LIST, "unlisted")

/* The sites whose agent speaks, and has no such group in its site file: a mistyped name, or one that is
 * yet to be written there. */
static json_t *unknown_at(const struct apply *apply, const struct bw_spec *spec)
{
    const uint64_t freshness_ns = bw_expiry_freshness_ns(spec->renew_interval_ms,
                                                         spec->request_timeout_ms);
    json_t *sites = json_array();

    for (uint32_t i = 0; sites != NULL && i < spec->site_count; i++) {
        if (!bw_callers_lack(&apply->program->callers, spec->sites[i].name, spec->name,
                             bw_clock_now(), freshness_ns) ||
            json_array_append_new(sites, json_string(spec->sites[i].name)) == 0)
            continue;
        json_decref(sites);
        sites = NULL;
    }
    return sites;
}

static json_t *item_json(const struct apply *apply, const struct item *item)
{
    json_t *object = json_pack("{s:s, s:o, s:s, s:o, s:O}", "name", item->spec.name, "unknown_at",
                               unknown_at(apply, &item->spec), "outcome",
                               outcome_word(item->outcome), "index",
                               item->index > 0 ? json_integer((json_int_t)item->index)
                                               : json_null(),
                               "changes", item->changes);
    bool is_whole = object != NULL;

    if (is_whole && item->initial_primary[0] != '\0')
        is_whole = json_object_set_new(object, "initial_primary",
                                       json_string(item->initial_primary)) == 0;
    if (is_whole && item->err != BW_OK)
        is_whole = json_object_set_new(object, "why", json_string(bw_err_text(item->err))) == 0;
    if (is_whole)
        return object;
    json_decref(object);
    return NULL;
}

/* 200: all of it is so. 409: somebody changed a group meanwhile. 503: nobody can say. */
static void answer(struct apply *apply)
{
    const char *error = NULL;
    const char *code = NULL;
    json_t *groups = json_array();
    json_t *body;
    int status = 200;

    for (size_t i = 0; i < apply->count; i++) {
        const struct item *item = &apply->items[i];

        if (item->outcome == OUTCOME_UNKNOWN || item->outcome == OUTCOME_NOT_SENT) {
            status = 503;
            code = "unknown";
            error = "leadership was lost on the way: the outcome of some groups is not known";
        } else if (item->outcome == OUTCOME_FAILED && status == 200) {
            status = 409;
            code = "stale";
            error = "a group was changed by somebody else meanwhile; apply again";
        }
        if (groups != NULL && json_array_append_new(groups, item_json(apply, item)) != 0) {
            json_decref(groups);
            groups = NULL;
        }
    }
    body = json_pack("{s:s, s:b, s:I, s:o}", "schema", "breakwater.applied/v1", "plan",
                     apply->is_plan, "index", (json_int_t)apply->program->machine.cluster.applied_index,
                     "groups", groups);
    if (body != NULL && error != NULL &&
        (json_object_set_new(body, "error", json_string(error)) != 0 ||
         json_object_set_new(body, "code", json_string(code)) != 0)) {
        json_decref(body);
        body = NULL;
    }
    bw_people_answer(apply->request, status, body);
    apply->request = NULL;
}

/* ---- committing ---- */

static void on_gone(struct bw_http_request *request, void *user)
{
    struct apply *apply = user;

    (void)request;
    apply->request = NULL; /* what was asked for goes on */
}

static void on_deadline(struct bw_http_request *request, void *user)
{
    struct apply *apply = user;

    apply->request = NULL;
    bw_people_refuse(request, 503, "unknown",
                     "no majority of the witnesses has answered yet: the outcome is not known",
                     "ask status or apply again: a group that is as wanted stays as it is");
}

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_deadline};

static void propose_next(struct apply *apply);

static void on_proposed(struct bw_proposer *proposer, enum bw_err err, uint64_t index,
                        const struct bw_applied *applied)
{
    struct apply *apply = (struct apply *)proposer;
    struct item *item = &apply->items[apply->next];

    if (err != BW_OK) {
        item->outcome = OUTCOME_UNKNOWN;
        item->err = err;
    } else if (applied->rule == NULL) {
        item->outcome = OUTCOME_FAILED;
        item->err = applied->err;
    } else {
        item->index = index;
    }
    apply->next++;
    propose_next(apply);
}

/* Proposes the next one that changes anything; at the end answers, and frees it. */
static void propose_next(struct apply *apply)
{
    for (; apply->next < apply->count; apply->next++) {
        struct item *item = &apply->items[apply->next];
        struct bw_command command;
        struct bw_diag diag = {0};
        enum bw_err err;

        if (item->outcome == OUTCOME_UNCHANGED)
            continue;
        command = command_of(apply, item);
        err = bw_program_propose(apply->program, &command, &apply->proposer, &diag);
        if (err == BW_OK)
            return;
        item->outcome = OUTCOME_NOT_SENT;
        item->err = err;
    }
    if (apply->request != NULL)
        answer(apply);
    free_apply(apply);
}

static void log_apply(const struct apply *apply)
{
    size_t counts[OUTCOME_NOT_SENT + 1] = {0};

    for (size_t i = 0; i < apply->count; i++)
        counts[apply->items[i].outcome]++;
    bw_log_info(&apply->program->log, "apply.asked",
                "by=%s created=%zu changed=%zu unchanged=%zu", bw_log_quote(apply->by),
                counts[OUTCOME_CREATED], counts[OUTCOME_CHANGED], counts[OUTCOME_UNCHANGED]);
}

/* False: it was answered. */
static bool judge(struct apply *apply, json_t *body)
{
    struct bw_json_problems problems;
    bool is_good;

    bw_json_problems_init(&problems);
    read_body(body, apply, &problems);
    if (problems.count == 0)
        prepare_all(apply, &problems);
    is_good = problems.count == 0;
    if (!is_good)
        bw_people_refuse_problems(apply->request, &problems);
    bw_json_problems_deinit(&problems);
    return is_good;
}

void bw_people_on_apply(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct apply *apply;
    bool is_plan = false;
    json_t *body;
    bool is_good;

    if (!bw_people_may_change(program, request) || !bw_people_is_plan(request, &is_plan))
        return;
    body = bw_people_body(request);
    if (body == NULL)
        return;
    apply = calloc(1, sizeof *apply);
    if (apply == NULL) {
        json_decref(body);
        bw_people_answer(request, 503, NULL);
        return;
    }
    *apply = (struct apply){.proposer = {.on_done = on_proposed},
                            .program = program,
                            .request = request,
                            .is_plan = is_plan};
    bw_people_name(request, apply->by);
    is_good = judge(apply, body);
    json_decref(body);
    if (!is_good) {
        free_apply(apply);
        return;
    }
    if (is_plan) {
        answer(apply);
        free_apply(apply);
        return;
    }
    log_apply(apply);
    bw_http_defer(request, COMMIT_MS, &later, apply);
    propose_next(apply);
}
