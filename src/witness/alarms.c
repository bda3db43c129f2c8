/* alarms.c - since when something needs attention, as this witness sees it: looked at once a
 * second; told with status and /metrics; POST /v1/groups/{name}/ack. Design 5.2. Kept in memory: a
 * witness that begins anew knows an alarm since then, and an acknowledgement is the leader's alone.
 */
#include "api_operator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/expiry.h>
#include <breakwater/core/trouble.h>
#include <breakwater/sys/clock.h>

/* Of each second: a thousand groups take their turns. */
#define LOOK_NS (5 * BW_NS_PER_MS)

/* ---- looking ---- */

static uint64_t maintenance_left_ns(const struct bw_operator_view *view, uint64_t duration_ms,
                                    struct bw_instant since)
{
    return duration_ms == 0 ? 0
                            : bw_instant_wait_left_ns(
                                  view->now, bw_instant_add(since, bw_ms_to_ns(duration_ms)));
}

/* The one that ends first, of the group or of a site of it. */
static uint32_t least_maintenance_ms(const struct bw_operator_view *view, int index)
{
    const struct bw_group *group = &view->machine->cluster->groups[index];
    const struct bw_watch *watch = &view->machine->watches[index];
    uint64_t least_ns = maintenance_left_ns(view, group->group_maintenance_ms,
                                            watch->group_maintenance_applied);

    for (uint32_t site = 0; site < group->spec.site_count; site++) {
        const uint64_t left_ns = maintenance_left_ns(view, group->maintenance_ms[site],
                                                     watch->maintenance_applied[site]);

        if (left_ns > 0 && (least_ns == 0 || left_ns < least_ns))
            least_ns = left_ns;
    }
    return (uint32_t)(bw_ns_to_ms(least_ns) < UINT32_MAX ? bw_ns_to_ms(least_ns) : UINT32_MAX);
}

static void look_at_group(const struct bw_operator_view *view, int index,
                          struct bw_trouble_book *book, int64_t unix_ms)
{
    const struct bw_group *group = &view->machine->cluster->groups[index];
    struct bw_trouble_facts facts = {.maintenance_left_ms = least_maintenance_ms(view, index)};
    struct bw_troubles troubles;
    struct bw_failover failover;

    bw_view_failover(view, index, &failover);
    facts.may_fail_over = failover.is_possible;
    facts.may_follow_fence = failover.follows_fence;
    for (uint32_t site = 0; view->callers != NULL && site < group->spec.site_count; site++)
        if (bw_callers_lack(view->callers, group->spec.sites[site].name, group->spec.name,
                            view->now, bw_policy_freshness_of_ns(group, (int)site)))
            facts.lacking |= UINT32_C(1) << site;
    bw_troubles_of_group(group, &view->machine->watches[index], &view->machine->leadership, &facts,
                         view->now, &troubles);
    bw_trouble_book_note(book, (uint32_t)index, &troubles, view->now, unix_ms);
}

static void look_at_cluster(const struct bw_operator_view *view, struct bw_trouble_book *book,
                            int64_t unix_ms)
{
    struct bw_troubles troubles = {.of = ""};

    for (uint32_t i = 0; i < view->member_count; i++) {
        const struct bw_operator_member *member = &view->members[i];
        const bool is_lost = view->machine->leadership.leads && !member->is_self &&
                             !member->is_in_contact;
        const bool ends = member->is_certificate_known &&
                          member->certificate_left_s < BW_CERTIFICATE_ENDS_S;

        const bool is_decided_lost = member->decided_index != 0;

        troubles.list[troubles.count].subject = member->name;
        troubles.list[troubles.count++].bits = (is_lost ? UINT64_C(1) << BW_TROUBLE_WITNESS_LOST
                                                        : 0) |
                                               (ends ? UINT64_C(1) << BW_TROUBLE_CERTIFICATE_ENDS
                                                     : 0) |
                                               (member->is_disk_low ? UINT64_C(1) << BW_TROUBLE_DISK_LOW : 0) |
                                               (member->is_people_not_applied
                                                    ? UINT64_C(1) << BW_TROUBLE_PEOPLE_NOT_APPLIED
                                                    : 0) |
                                               (is_decided_lost ? UINT64_C(1) << BW_TROUBLE_DECISIONS_LOST : 0);
    }
    bw_trouble_book_note(book, BW_TROUBLE_CLUSTER, &troubles, view->now, unix_ms);
}

_Static_assert(BW_WITNESSES_MAX <= BW_TROUBLE_SUBJECTS_MAX, "each witness is a subject");

/* To the script of on_event; what finds no room there is told at a later look. `group` NULL: the
 * witnesses'. */
static void tell(struct bw_program *program, uint32_t index, const struct bw_group *group)
{
    const struct bw_leadership *leadership = &program->machine.core.leadership;
    const struct bw_instant now = bw_clock_now();
    struct bw_trouble_entry *entry = bw_trouble_book_due(program->alarms, index, leadership, now);

    while (entry != NULL && bw_on_event_tell_alarm(program, group, entry, false)) {
        bw_trouble_note_notified(entry, leadership, now);
        entry = bw_trouble_book_due(program->alarms, index, leadership, now);
    }
}

void bw_alarms_look(struct bw_program *program)
{
    const uint32_t count = program->machine.cluster.group_count;
    const int64_t unix_ms = bw_clock_wall().unix_ms;
    const struct bw_scope everything = {.is_everything = true};
    const uint64_t end_ns = uv_hrtime() + LOOK_NS;
    const struct bw_group *group;
    struct bw_operator_view view;

    bw_operator_look(program, &everything, &view);
    bw_trouble_book_led(program->alarms, &view.machine->leadership, view.leader != NULL, view.now);
    look_at_cluster(&view, program->alarms, unix_ms);
    tell(program, BW_TROUBLE_CLUSTER, NULL);
    for (uint32_t i = 0; i < count && (i == 0 || uv_hrtime() < end_ns); i++) {
        program->alarms_next = (program->alarms_next + 1) % count;
        group = &view.machine->cluster->groups[program->alarms_next];
        if (group->spec.name[0] == '\0') { /* deleted: what it has left is nobody's */
            bw_trouble_book_note(program->alarms, program->alarms_next, &(struct bw_troubles){.of = ""},
                                 view.now, unix_ms);
            continue;
        }
        look_at_group(&view, (int)program->alarms_next, program->alarms, unix_ms);
        tell(program, program->alarms_next, group);
    }
}

/* What a site has just said is on people's screens before its turn comes. */
static void look_now(struct bw_program *program, int index)
{
    const struct bw_scope everything = {.is_everything = true};
    struct bw_operator_view view;

    bw_operator_look(program, &everything, &view);
    look_at_group(&view, index, program->alarms, bw_clock_wall().unix_ms);
}

/* ---- POST /v1/groups/{name}/ack ---- */

struct ack {
    char alarm[BW_NAME_MAX + 1];
    char site[BW_NAME_MAX + 1];
    char text[BW_REASON_MAX + 1];
    char by[BW_REASON_MAX + 1];
    json_int_t spec_version; /* 0: not said */
    json_int_t count;        /* how often it had begun when he looked; 0: not said */
};

static void read_ack(const json_t *body, void *into, struct bw_json_problems *problems)
{
    struct ack *out_ack = into;
    const json_t *version = json_object_get(body, "spec_version");
    const json_t *count = json_object_get(body, "count");

    bw_operator_read_text(body, "alarm", out_ack->alarm, sizeof out_ack->alarm, problems);
    bw_operator_read_text(body, "site", out_ack->site, sizeof out_ack->site, problems);
    bw_operator_read_text(body, "reason", out_ack->text, sizeof out_ack->text, problems);
    out_ack->spec_version = json_integer_value(version);
    if (version != NULL && (!json_is_integer(version) || out_ack->spec_version < 0))
        bw_json_problem(problems, "spec_version", "not a whole number");
    out_ack->count = json_integer_value(count);
    if (count != NULL && (!json_is_integer(count) || out_ack->count < 1 || out_ack->count > UINT32_MAX))
        bw_json_problem(problems, "count", "not how often it has begun");
    bw_operator_note_unknown(body, "alarm, site, reason, spec_version, count", problems);
}

/* NULL: why not is in `diag`. */
static struct bw_trouble_entry *find(struct bw_program *program, int index, const struct ack *ack,
                                     struct bw_diag *diag)
{
    const struct bw_group *group = &program->machine.cluster.groups[index];
    struct bw_trouble_entry *entry;
    enum bw_trouble trouble;

    if (!bw_trouble_parse(ack->alarm, &trouble)) {
        (void)bw_diag_set(diag, BW_ERR_NOT_FOUND,
                          "there is no alarm \"%s\"; `breakwater status` lists the active ones", ack->alarm);
        return NULL;
    }
    if (ack->spec_version != 0 && (uint64_t)ack->spec_version != group->spec_version) {
        (void)bw_diag_set(diag, BW_ERR_STALE,
                          "another operator has changed the group; look at the plan again");
        return NULL;
    }
    entry = bw_trouble_book_find(program->alarms, (uint32_t)index, ack->site, trouble);
    if (entry == NULL)
        (void)bw_diag_set(diag, BW_ERR_REFUSED, "%s%s%s has no alarm %s now%s", group->spec.name,
                          ack->site[0] != '\0' ? " at " : "", ack->site, bw_trouble_word(trouble),
                          ack->site[0] == '\0' ? "; for the alarm of a site add --site SITE" : "");
    else if (entry->acked_by[0] != '\0')
        (void)bw_diag_set(diag, BW_ERR_EXISTS, "%s has acknowledged it", entry->acked_by);
    else if (ack->count != 0 && (uint32_t)ack->count != entry->count)
        (void)bw_diag_set(diag, BW_ERR_STALE, "the alarm has begun again since; look at status again");
    return diag->err == BW_OK ? entry : NULL;
}

static json_t *step(int number, const char *text)
{
    return json_pack("{s:i, s:s, s:n}", "number", number, "text", text, "within_ms");
}

static void answer_plan(struct bw_program *program, struct bw_http_request *request, int index,
                        const struct ack *ack)
{
    const struct bw_group *group = &program->machine.cluster.groups[index];
    struct bw_diag diag = {0};
    const struct bw_trouble_entry *entry = find(program, index, ack, &diag);
    const bool is_possible = entry != NULL;
    json_t *steps = json_array();

    if (is_possible) {
        steps = bw_json_append(steps, step(1, "the alarm stays in status with your name and the reason, and does not count as a warning"));
        steps = bw_json_append(
            steps, step(2, "it counts as a warning again after it begins again, after a change of leader, and after a "
                           "restart of the leader, which alone remembers it"));
    }
    bw_operator_answer(request, 200,
                       json_pack("{s:s, s:s, s:s, s:I, s:I, s:i, s:I, s:b, s:b, s:b, s:s?, s:o}", "schema",
                                 "breakwater.change_plan/v1", "group", group->spec.name, "change",
                                 "Ack", "epoch", (json_int_t)group->epoch, "spec_version",
                                 (json_int_t)group->spec_version, "wish_index", 0, "count",
                                 (json_int_t)(entry != NULL ? entry->count : 0), "possible", is_possible,
                                 "already", diag.err == BW_ERR_EXISTS, "busy", 0, "refused",
                                 is_possible ? NULL : diag.text, "steps", steps));
}

static void acknowledge(struct bw_program *program, struct bw_http_request *request, int index,
                        const struct ack *ack)
{
    const char *name = program->machine.cluster.groups[index].spec.name;
    struct bw_diag diag = {0};
    struct bw_trouble_entry *entry = find(program, index, ack, &diag);

    if (entry == NULL) {
        bw_operator_refuse_err(program, request, diag.err, diag.text);
        return;
    }
    memcpy(entry->acked_by, ack->by, sizeof entry->acked_by);
    memcpy(entry->acked_text, ack->text, sizeof entry->acked_text);
    bw_log_info(&program->log, "alarm.acknowledged",
                "group=%s alarm=%s site=%s by=%s remote=%s text=%s", name, bw_trouble_word(entry->trouble),
                bw_log_quote(ack->site), bw_log_quote(ack->by), request->remote,
                bw_log_quote(ack->text));
    (void)bw_on_event_tell_alarm(program, &program->machine.cluster.groups[index], entry,
                                 true); /* where it has no room: status has it */
    bw_operator_answer(request, 200,
                       json_pack("{s:s, s:s, s:s, s:I}", "schema", "breakwater.changed/v1", "group",
                                 name, "change", "Ack", "index",
                                 (json_int_t)program->machine.cluster.applied_index));
}

void bw_operator_on_ack(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct ack ack = {0};
    bool is_plan = false;
    int index;

    if (!bw_operator_may_change(program, request) || !bw_operator_is_plan(request, &is_plan) ||
        !bw_operator_read_order(request, ack.by, read_ack, &ack))
        return;
    index = bw_operator_find_group(program, request);
    if (index < 0)
        return;
    look_now(program, index);
    if (is_plan)
        answer_plan(program, request, index, &ack);
    else
        acknowledge(program, request, index, &ack);
}
