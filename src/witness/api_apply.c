/* api_apply.c - PUT /v1/groups: specs read from the body, and what came of them as JSON. The machine
 * judges and commits them (machine/witness_operator.h). Design 3.9, 5.3. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/expiry.h>
#include <breakwater/machine/witness_operator.h>
#include <breakwater/sys/clock.h>

#include "api_operator.h"

#define COMMIT_MS 20000 /* for all of it; then the outcome of the rest is unknown */

/* What is said of it as it was judged: once it is committed the group is another. */
struct item_comes {
    json_t *changes;
    json_t *steps;   /* of its mode, if that changes */
    json_t *vouched; /* of whom a person answers for, with the site that it names */
    char first_primary[BW_NAME_MAX + 1]; /* who begins by a person's word, of now or of before; "": nobody */
};

struct bw_api_apply {
    struct bw_apply order;     /* first: the machine hands it back */
    struct bw_api_apply *next; /* that is over: program->applied */
    struct bw_program *program;
    struct bw_http_request *request; /* NULL: answered, or the client is gone */
    struct item_comes *comes;        /* of each item */
    bool is_plan;
};

static void free_apply(struct bw_api_apply *apply)
{
    for (size_t i = 0; i < apply->order.count; i++) {
        json_decref(apply->comes[i].changes);
        json_decref(apply->comes[i].steps);
        json_decref(apply->comes[i].vouched);
    }
    free(apply->comes);
    free(apply->order.items);
    free(apply);
}

/* ---- reading the body ---- */

static struct bw_apply_item *find_item(struct bw_apply *order, const char *group)
{
    for (size_t i = 0; i < order->count; i++)
        if (strcmp(order->items[i].spec.name, group) == 0)
            return &order->items[i];
    return NULL;
}

static void read_initial(const json_t *body, struct bw_apply *order,
                         struct bw_json_problems *problems)
{
    json_t *initial = json_object_get(body, "initial_primary");
    const char *group;
    json_t *site;

    if (initial != NULL && !json_is_object(initial)) {
        bw_json_problem(problems, "initial_primary", "not an object {GROUP: SITE}");
        return;
    }
    if (json_object_size(initial) > order->count) { /* each is looked for among the groups */
        bw_json_problem(problems, "initial_primary", "has more entries than there are groups");
        return;
    }
    json_object_foreach(initial, group, site) {
        struct bw_apply_item *item = find_item(order, group);

        if (item == NULL)
            bw_json_problem(problems, "initial_primary", "\"%.63s\" is not one of these groups",
                            group);
        else if (!json_is_string(site) ||
                 !bw_spec_is_candidate(&item->spec, json_string_value(site)) ||
                 !bw_copy_text(item->initial_primary, sizeof item->initial_primary,
                               json_string_value(site)))
            bw_json_problem(problems, "initial_primary",
                            "of %.63s: not one of its sites that may be primary", group);
    }
}

/* What each was made from: the version that a plan has shown, or that the file names. */
static void read_versions(const json_t *body, struct bw_apply *order,
                          struct bw_json_problems *problems)
{
    json_t *versions = json_object_get(body, "versions");
    const char *group;
    json_t *version;

    if (versions != NULL && !json_is_object(versions)) {
        bw_json_problem(problems, "versions", "not an object {GROUP: VERSION}");
        return;
    }
    if (json_object_size(versions) > order->count) {
        bw_json_problem(problems, "versions", "has more entries than there are groups");
        return;
    }
    json_object_foreach(versions, group, version)
    {
        struct bw_apply_item *item = find_item(order, group);

        if (item == NULL) {
            bw_json_problem(problems, "versions", "\"%.63s\" is not one of these groups", group);
        } else if (!json_is_integer(version) || json_integer_value(version) < 0) {
            bw_json_problem(problems, "versions", "of %.63s: not a whole number from 0", group);
        } else {
            item->has_made_from = true;
            item->made_from = (uint64_t)json_integer_value(version);
        }
    }
}

static bool make_items(struct bw_api_apply *apply, size_t count)
{
    apply->order.items = calloc(count, sizeof *apply->order.items);
    apply->comes = calloc(count, sizeof *apply->comes);
    if (apply->order.items == NULL || apply->comes == NULL)
        return false;
    apply->order.count = count;
    return true;
}

static void read_groups(const json_t *groups, struct bw_api_apply *apply,
                        struct bw_json_problems *problems)
{
    const uint32_t election_timeout_ms = apply->program->machine.cluster.election_timeout_ms;
    struct bw_apply_item *items = apply->order.items;
    char path[64];

    for (size_t i = 0; i < apply->order.count; i++) {
        struct bw_spec *spec = &items[i].spec;

        (void)snprintf(path, sizeof path, "groups[%zu]", i);
        items[i].keeps_mode = json_object_get(json_array_get(groups, i), "mode") == NULL;
        if (!bw_spec_json_decode(json_array_get(groups, i), path, election_timeout_ms, spec,
                                 problems))
            continue;
        for (size_t j = 0; j < i; j++)
            if (strcmp(items[j].spec.name, spec->name) == 0)
                bw_json_problem(problems, path, "%s is also the name of groups[%zu]", spec->name, j);
    }
}

static void read_body(json_t *body, struct bw_api_apply *apply, struct bw_json_problems *problems)
{
    const json_t *groups = json_object_get(body, "groups");

    bw_operator_note_unknown(body, "groups, initial_primary, versions", problems);
    if (!json_is_array(groups) || json_array_size(groups) == 0 ||
        json_array_size(groups) > BW_GROUPS_MAX) {
        bw_json_problem(problems, "groups", "not a list of 1 to %d groups", BW_GROUPS_MAX);
        return;
    }
    if (!make_items(apply, json_array_size(groups))) {
        bw_json_problem(problems, "groups", "this witness is short of memory");
        return;
    }
    read_groups(groups, apply, problems);
    read_initial(body, &apply->order, problems);
    read_versions(body, &apply->order, problems);
}

/* ---- what it would do ---- */

static void add_problem(void *user, const char *path, const char *text)
{
    bw_json_problem(user, path, "%s", text);
}

static json_t *steps_of(const struct bw_program *program, int group, const struct bw_apply_item *item, bool is_named)
{
    if (group < 0 || program->groups[group].spec.mode == item->spec.mode)
        return json_array();
    return bw_operator_mode_steps(program, group, item->spec.mode, is_named);
}

/* A word of before that is none beside this spec is seen to go (3.9). */
static json_t *changes_of(const struct bw_group *group, const struct bw_apply_item *item, const char *first_primary)
{
    json_t *changes = bw_spec_json_changes(group != NULL ? &group->spec : NULL, &item->spec);

    if (group != NULL && group->initial_primary[0] != '\0' && first_primary[0] == '\0')
        changes = bw_json_append(changes, json_pack("{s:s, s:s, s:s}", "key", "initial_primary", "from",
                                                    group->initial_primary, "to", "none"));
    return changes;
}

static void add_vouched(const struct bw_spec *spec, const struct bw_site_reports *reports, const char *site,
                        json_t **vouched)
{
    char text[BW_VOUCHED_TEXT_BYTES];

    if (bw_reports_vouched_text(spec, reports, site, bw_clock_now(), text))
        *vouched = bw_json_append(*vouched, bw_json_text(text));
}

/* 3.9: whoever names the first primary answers for every other site that is not seen to have stopped: for those that leave
 * the spec, too, and for those that come into it, which nobody was to hear before. */
static json_t *vouched_of(const struct bw_program *program, int group, const struct bw_apply_item *item)
{
    const struct bw_spec *next = &item->spec;
    const struct bw_spec *spec = group >= 0 ? &program->groups[group].spec : NULL;
    json_t *vouched = json_array();

    if (item->outcome == BW_APPLY_UNCHANGED || item->initial_primary[0] == '\0')
        return vouched;
    for (uint32_t i = 0; spec != NULL && i < spec->site_count; i++)
        if (strcmp(spec->sites[i].name, item->initial_primary) != 0)
            add_vouched(spec, &program->machine.core.watches[group].reports[i], spec->sites[i].name, &vouched);
    for (uint32_t i = 0; i < next->site_count; i++)
        if (strcmp(next->sites[i].name, item->initial_primary) != 0 &&
            (spec == NULL || bw_spec_find_site(spec, next->sites[i].name) < 0))
            add_vouched(next, NULL, next->sites[i].name, &vouched);
    return vouched;
}

/* As it is before anything of it is committed. */
static void note_comes(struct bw_api_apply *apply, struct bw_json_problems *problems)
{
    const struct bw_program *program = apply->program;

    for (size_t i = 0; i < apply->order.count; i++) {
        const struct bw_apply_item *item = &apply->order.items[i];
        const int group = bw_cluster_find(&program->machine.cluster, item->spec.name);
        const struct bw_group *state = group >= 0 ? &program->groups[group] : NULL;
        struct item_comes *comes = &apply->comes[i];

        (void)bw_copy_text(comes->first_primary, sizeof comes->first_primary,
                           bw_apply_first_primary(state, item)); /* of that size */
        comes->changes = changes_of(state, item, comes->first_primary);
        comes->steps = steps_of(program, group, item, comes->first_primary[0] != '\0');
        comes->vouched = vouched_of(program, group, item);
        if (comes->changes == NULL || comes->steps == NULL || comes->vouched == NULL)
            bw_json_problem(problems, "groups", "this witness is short of memory");
    }
}

/* The first of these groups that is not the caller's; NULL: all are. 5.3. */
static const char *first_foreign(const struct bw_api_apply *apply)
{
    const struct bw_scope scope = bw_people_scope_of(apply->program, apply->request);

    for (size_t i = 0; i < apply->order.count; i++)
        if (apply->order.items[i].spec.name[0] != '\0' &&
            !bw_scope_has(&scope, apply->order.items[i].spec.name))
            return apply->order.items[i].spec.name;
    return NULL;
}

/* Before anything is said of a group: what is none of the caller's business is not judged for him.
 * False: it was answered. */
static bool is_callers(struct bw_api_apply *apply)
{
    const char *foreign = first_foreign(apply);
    struct bw_http_refused refused = {.error = ""};

    if (foreign == NULL || bw_people_refuse(apply->program, apply->request, foreign, &refused))
        return true;
    bw_http_respond_error(apply->request, 403, refused.error, refused.hint);
    return false;
}

/* A plan waits for nobody: what comes of it is bound to the versions that it shows. False: it was
 * answered. */
static bool may_begin(const struct bw_api_apply *apply)
{
    struct bw_diag diag = {0};
    const enum bw_err err = apply->is_plan
                                ? BW_OK
                                : bw_apply_may_begin(&apply->program->machine, &diag);

    if (err != BW_OK)
        bw_operator_refuse_err(apply->program, apply->request, err, diag.text);
    return err == BW_OK;
}

/* False: it was answered. */
static bool judge(struct bw_api_apply *apply, json_t *body)
{
    const struct bw_witness_machine *machine = &apply->program->machine;
    struct bw_json_problems problems;
    const struct bw_apply_problems found = {.user = &problems, .add = add_problem};

    bw_json_problems_init(&problems);
    read_body(body, apply, &problems);
    if (!is_callers(apply) || !may_begin(apply)) {
        bw_json_problems_deinit(&problems);
        return false;
    }
    if (problems.count == 0 && bw_apply_judge(machine, &apply->order, &found) == 0)
        note_comes(apply, &problems);
    return bw_operator_end_problems(apply->request, &problems);
}

/* ---- the answer ---- */

/* The sites whose agent speaks, and has no such group in its site file: a mistyped name, or one that is
 * yet to be written there. */
static bool is_unknown_at(const struct bw_callers *callers, const struct bw_spec *spec,
                          const char *site, uint64_t freshness_ns)
{
    return bw_callers_lack(callers, site, spec->name, bw_clock_now(), freshness_ns);
}

/* Those of which no agent speaks: mistyped, or not up yet. */
static bool is_silent(const struct bw_callers *callers, const struct bw_spec *spec,
                      const char *site, uint64_t freshness_ns)
{
    (void)spec; /* silent of whatever group */
    return bw_callers_miss(callers, site, bw_clock_now(), freshness_ns);
}

static json_t *sites_that(bool (*is_so)(const struct bw_callers *callers,
                                        const struct bw_spec *spec, const char *site,
                                        uint64_t freshness_ns),
                          const struct bw_api_apply *apply, const struct bw_spec *spec)
{
    const uint64_t freshness_ns = bw_expiry_freshness_ns(spec->renew_interval_ms,
                                                         spec->request_timeout_ms);
    json_t *sites = json_array();

    for (uint32_t i = 0; i < spec->site_count; i++)
        if (is_so(&apply->program->callers, spec, spec->sites[i].name, freshness_ns))
            sites = bw_json_append(sites, json_string(spec->sites[i].name));
    return sites;
}

static json_t *item_json(const struct bw_api_apply *apply, size_t number)
{
    const struct bw_apply_item *item = &apply->order.items[number];
    json_t *object = json_pack(
        "{s:s, s:I, s:o, s:o, s:s, s:o, s:O, s:O, s:O}", "name", item->spec.name, "version",
        (json_int_t)item->version, "unknown_at", sites_that(is_unknown_at, apply, &item->spec),
        "silent_at", sites_that(is_silent, apply, &item->spec), "outcome",
        bw_apply_outcome_word(item->outcome), "index",
        item->index > 0 ? json_integer((json_int_t)item->index) : json_null(), "changes",
        apply->comes[number].changes, "steps", apply->comes[number].steps, "vouched", apply->comes[number].vouched);
    bool is_whole = object != NULL;

    if (is_whole && apply->comes[number].first_primary[0] != '\0')
        is_whole = json_object_set_new(object, "initial_primary",
                                       json_string(apply->comes[number].first_primary)) == 0;
    if (is_whole && (item->err != BW_OK || item->is_named_late))
        is_whole = json_object_set_new(object, "why",
                                       json_string(item->is_named_late
                                                       ? "it had a primary before: --initial-primary has no effect"
                                                       : bw_err_text(item->err))) == 0;
    if (is_whole)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *all_items_json(const struct bw_api_apply *apply)
{
    json_t *groups = json_array();

    for (size_t i = 0; i < apply->order.count; i++)
        groups = bw_json_append(groups, item_json(apply, i));
    return groups;
}

/* 200: all of it is so. 409: somebody changed a group meanwhile. 503: nobody can say. */
static void answer(struct bw_api_apply *apply)
{
    const enum bw_err result = bw_apply_result(&apply->order);
    const bool is_stale = result == BW_ERR_STALE;
    const char *error =
        is_stale ? "another operator has changed a group; look at the plan again"
                 : "the leader changed: the result of some groups is not known";
    json_t *body = json_pack("{s:s, s:b, s:I, s:o}", "schema", "breakwater.applied/v1", "plan",
                             apply->is_plan, "index",
                             (json_int_t)apply->program->machine.cluster.applied_index, "groups",
                             all_items_json(apply));

    if (body != NULL && result != BW_OK &&
        (json_object_set_new(body, "error", json_string(error)) != 0 ||
         json_object_set_new(body, "code", json_string(is_stale ? "stale" : "unknown")) != 0)) {
        json_decref(body);
        body = NULL;
    }
    bw_operator_answer(apply->request, result == BW_OK ? 200 : is_stale ? 409 : 503, body);
    apply->request = NULL;
}

/* ---- committing ---- */

static void on_gone(struct bw_http_request *request, void *user)
{
    struct bw_api_apply *apply = user;

    (void)request;
    apply->request = NULL; /* what was asked for goes on */
}

static void on_deadline(struct bw_http_request *request, void *user)
{
    struct bw_api_apply *apply = user;

    apply->request = NULL;
    bw_operator_refuse(request, 503, "unknown",
                       "no majority of the witnesses has answered yet: the result is not known",
                       "see breakwater status, or apply again: a group that matches already stays as it is");
}

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_deadline};

void bw_operator_on_applied(struct bw_program *program, struct bw_apply *order)
{
    struct bw_api_apply *apply = (struct bw_api_apply *)order;

    apply->next = program->applied;
    program->applied = apply;
}

void bw_operator_send_applied(struct bw_program *program)
{
    while (program->applied != NULL) {
        struct bw_api_apply *apply = program->applied;

        program->applied = apply->next;
        if (apply->request != NULL)
            answer(apply);
        free_apply(apply);
    }
}

static void log_apply(const struct bw_api_apply *apply)
{
    size_t counts[BW_APPLY_NOT_SENT + 1] = {0};

    for (size_t i = 0; i < apply->order.count; i++)
        counts[apply->order.items[i].outcome]++;
    bw_log_info(&apply->program->log, "apply.asked",
                "by=%s remote=%s created=%zu changed=%zu unchanged=%zu",
                bw_log_quote(apply->order.by), apply->request->remote, counts[BW_APPLY_CREATED], counts[BW_APPLY_CHANGED], counts[BW_APPLY_UNCHANGED]);
}

static void begin(struct bw_api_apply *apply)
{
    struct bw_program *program = apply->program;

    log_apply(apply);
    bw_http_defer(apply->request, COMMIT_MS, &later, apply);
    bw_apply_begin(&program->machine, &apply->order);
    bw_operator_send_applied(program); /* it may be over already */
    bw_drive_refresh(program);
}

/* Takes `apply`. */
static void take(struct bw_api_apply *apply, json_t *body)
{
    if (!judge(apply, body)) {
        free_apply(apply);
    } else if (apply->is_plan) {
        answer(apply);
        free_apply(apply);
    } else {
        begin(apply);
    }
}

void bw_operator_on_apply(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct bw_api_apply *apply;
    bool is_plan = false;
    json_t *body = bw_operator_change_body(program, request, &is_plan);

    if (body == NULL)
        return;
    apply = calloc(1, sizeof *apply);
    if (apply != NULL) {
        apply->program = program;
        apply->request = request;
        apply->is_plan = is_plan;
        bw_operator_name(request, apply->order.by);
        take(apply, body);
    } else {
        bw_operator_answer(request, 503, NULL);
    }
    json_decref(body);
}
