/* explain_json.c - why the arbiter acts and why it does not, and what a wish would do. Design 4. */
#include <breakwater/witness/json.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/core/expiry.h>
#include <breakwater/core/explain.h>
#include <breakwater/core/rules.h>

#define STEP_TEXT_BYTES 512

static const struct bw_group *group_of(const struct bw_operator_view *view, int group_index)
{
    return &view->machine->cluster->groups[group_index];
}

static const char *site_name(const struct bw_group *group, int64_t site)
{
    return site >= 0 && site < (int64_t)group->spec.site_count ? group->spec.sites[site].name
                                                               : NULL;
}

/* ---- gates ---- */

/* value and threshold in the gate's own unit: ms, a count, ppm, a site's name. */
static json_t *measured(const char *unit, const struct bw_gate *gate)
{
    return json_pack("{s:s, s:I, s:I}", "unit", unit, "value", (json_int_t)gate->value, "threshold",
                     (json_int_t)gate->threshold);
}

static json_t *gate_values(const struct bw_gate *gate, const struct bw_group *group)
{
    switch (gate->unit) {
    case BW_UNIT_MS:
        return measured("ms", gate);
    case BW_UNIT_COUNT:
        return measured("count", gate);
    case BW_UNIT_PPM:
        return measured("ppm", gate);
    case BW_UNIT_SITE:
        return json_pack("{s:s, s:s?, s:n}", "unit", "site", "value",
                         site_name(group, gate->value), "threshold");
    case BW_UNIT_WORD:
        return json_pack("{s:s, s:s?, s:n}", "unit", "word", "value", gate->word, "threshold");
    case BW_UNIT_NONE:
        break;
    }
    return json_pack("{s:n, s:n, s:n}", "unit", "value", "threshold");
}

static json_t *gate_json(const struct bw_gate *gate, const struct bw_group *group)
{
    const bool is_hold = gate->verdict == BW_GATE_HOLD;
    char text[512], passes[256], fix[256];
    json_t *object;

    bw_gate_tell(gate, group, text, sizeof text);
    bw_gate_describe(gate->id, BW_GATE_PASSES, gate, group, passes, sizeof passes);
    bw_gate_describe(gate->id, BW_GATE_FIX, gate, group, fix, sizeof fix);
    object = json_pack("{s:s, s:s?, s:s?, s:s?, s:s, s:s?, s:o, s:s?, s:s, s:s}", "id", bw_gate_id_text(gate->id),
                       "blocked_by", is_hold ? bw_gate_word(gate->id) : NULL, "fix",
                       is_hold ? fix : NULL, "step",
                       gate->step, "verdict", bw_gate_verdict_word(gate->verdict), "site",
                       site_name(group, gate->site), "age_ms",
                       gate->age_ms == UINT32_MAX ? json_null()
                                                  : json_integer((json_int_t)gate->age_ms),
                       "word", gate->word, "meaning", passes, "text", text);
    return bw_json_merge(object, gate_values(gate, group));
}

static json_t *gates_json(const struct bw_gate *gates, uint32_t count, const struct bw_group *group)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++)
        list = bw_json_append(list, gate_json(&gates[i], group));
    return list;
}

/* Each site judged for an unplanned grant: why it could follow, or why not. */
static json_t *candidates_json(const struct bw_operator_view *view, int group_index)
{
    const struct bw_group *group = group_of(view, group_index);
    const struct bw_watch *watch = &view->machine->watches[group_index];
    struct bw_candidacy candidacy;
    json_t *list = json_array();

    for (int site = 0; site < (int)group->spec.site_count; site++) {
        bool has_several = false;
        const struct bw_contact *fresh = bw_policy_fresh(group, watch, site, view->now, &has_several);

        bw_policy_judge(group, watch, &view->machine->leadership, site, false, view->now, &candidacy);
        list = bw_json_append(
            list, json_pack("{s:s, s:s, s:o, s:b, s:o, s:o, s:o}", "name", group->spec.sites[site].name, "service",
                            bw_service_word(fresh != NULL ? fresh->report.service : BW_SERVICE_UNKNOWN), "steps",
                            bw_json_steps(fresh, view->now), "eligible", candidacy.eligible, "gates",
                            gates_json(candidacy.gates, candidacy.gate_count, group), "failures",
                            bw_json_failures(fresh, view->now), "restarts", bw_json_restarts(view, group_index, site)));
    }
    return list;
}

static json_t *command_json(const struct bw_command *command)
{
    if (command->kind >= BW_COMMAND_COUNT)
        return json_null();
    return json_pack("{s:s, s:I, s:s, s:s, s:s}", "kind", bw_command_word(command->kind), "epoch",
                     (json_int_t)command->epoch, "site", command->site, "target", command->target,
                     "reason", bw_reason_word(command->reason));
}

json_t *bw_json_next(const struct bw_operator_view *view, int group_index)
{
    const bool is_requested = bw_policy_wish(group_of(view, group_index), &view->machine->watches[group_index],
                                             view->now) != BW_WISH_NONE;
    struct bw_foretold foretold;
    char text[192];

    if (!bw_view_foretell(view, group_index, &foretold))
        return json_null();
    bw_foretold_text(&foretold, group_of(view, group_index), is_requested, text, sizeof text);
    return json_pack("{s:b, s:o, s:s, s:o, s:s, s:o}", "will_act", foretold.acts, "after_ms",
                     foretold.acts ? json_integer((json_int_t)bw_ns_to_ms(foretold.after_ns))
                                   : json_null(),
                     "rule", foretold.rule, "command", command_json(&foretold.command), "text",
                     text, "suggested_command", bw_json_way(view, group_index));
}

json_t *bw_json_explain(const struct bw_operator_view *view, int group_index,
                        const struct bw_decision *decision)
{
    const struct bw_group *group = group_of(view, group_index);

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:I, s:s, s:o, s:s, s:s, s:b, s:s, s:s?, s:b, s:o, s:o, s:o, s:o, s:o}",
        "schema", "breakwater.explain/v2", "group", group->spec.name, "phase",
        bw_phase_word(group->phase), "state", bw_phase_state(group->phase, group->held), "held", group->held, "epoch", (json_int_t)group->epoch, "holder",
        group->holder_site, "target", bw_json_name_or_null(group->target), "mode", bw_mode_word(group->spec.mode), "answered_by", view->self,
        "leads", view->machine->leadership.leads, "rule", decision->rule, "rule_text",
        bw_rule_find(decision->rule)->sentence, "will_act", decision->acts, "command",
        command_json(&decision->command), "gates",
        gates_json(decision->gates, decision->gate_count, group), "sites",
        candidates_json(view, group_index), "end", bw_json_end(view, group_index), "next",
        bw_json_next(view, group_index));
}

/* ---- plans ---- */

__attribute__((format(printf, 3, 4))) static void add(json_t **steps, int64_t within_ms,
                                                      const char *format, ...)
{
    char text[STEP_TEXT_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *steps = bw_json_append(
        *steps, json_pack("{s:I, s:s, s:o}", "number", (json_int_t)json_array_size(*steps) + 1,
                          "text", text, "within_ms",
                          within_ms < 0 ? json_null() : json_integer((json_int_t)within_ms)));
}

/* When it begins, as it is foretold; what comes after that rests on what its sites will say. NULL:
 * it does not, by time alone. */
static const struct bw_foretold *revoke_of(const struct bw_foretold_course *course)
{
    for (uint32_t i = 0; i < course->count; i++)
        if (course->decisions[i].command.kind == BW_COMMAND_REVOKE)
            return &course->decisions[i];
    return NULL;
}

static bool may_end_unseen(const struct bw_operator_view *view, int group_index, const struct bw_wish *wish)
{
    return bw_witness_may_end_unseen(view->machine, group_index, wish, view->now);
}

static void plan_switchover(const struct bw_operator_view *view, int group_index, const struct bw_wish *wish,
                            const struct bw_wish_plan *plan, json_t **steps)
{
    const struct bw_group *group = group_of(view, group_index);
    const struct bw_foretold *revoke = revoke_of(&plan->course);
    const uint32_t timeout_ms = wish->timeout_ms != 0 ? wish->timeout_ms
                                                      : group->spec.switchover_timeout_ms;

    if (revoke == NULL) {
        add(steps, timeout_ms,
            "the switchover cannot begin now: explain shows what blocks %s; if that stays, the request is "
            "canceled and nothing has changed",
            wish->to);
        return;
    }
    add(steps, (int64_t)bw_ns_to_ms(revoke->after_ns),
        "%s is ordered to stop %s (Revoke of epoch %" PRIu64 ") and keeps its lease until it has stopped",
        group->holder_site, group->spec.name, group->epoch);
    if (may_end_unseen(view, group_index, wish))
        add(steps, timeout_ms,
            "%s stops, or is fenced if its status does not confirm the stop, and releases epoch %" PRIu64
            "; if its stop has not begun within this time, the switchover is canceled, and %s stays primary",
            group->holder_site, group->epoch, group->holder_site);
    else
        add(steps, timeout_ms,
            "%s stops and releases epoch %" PRIu64 " with its final position; if its stop has not begun within this time, the "
            "switchover is canceled, and %s stays primary",
            group->holder_site, group->epoch, group->holder_site);
    add(steps, timeout_ms, "%s confirms that it has all data of %s (if readiness_script reports a position)", wish->to, group->holder_site);
    add(steps, -1, "%s becomes primary by a majority of the witnesses (epoch %" PRIu64 " -> %" PRIu64 ")", wish->to,
        group->epoch, bw_group_next_epoch(group));
    add(steps, -1, "%s starts %s, within its own limits", wish->to, group->spec.name);
    add(steps, -1, "if the start at %s fails before a point of no return, %s becomes primary again under a new epoch",
        wish->to, group->holder_site);
}

/* As the arbiter's own gate counts it. */
static void add_loss(const struct bw_operator_view *view, int group_index, int site,
                     const struct bw_wish *wish, json_t **steps)
{
    const struct bw_group *group = group_of(view, group_index);
    const char *waived = wish->accept_data_loss ? ", accepted" : "";
    struct bw_loss loss;

    bw_policy_loss(group, &view->machine->watches[group_index], &view->machine->leadership, site, &loss);
    switch (loss.kind) {
    case BW_LOSS_NOBODYS:
        add(steps, -1, "no site has served %s yet, as far as is known here: no data is lost", group->spec.name);
        break;
    case BW_LOSS_NONE:
        add(steps, -1, "%s has the newest data: no data is lost", group->spec.sites[site].name);
        break;
    case BW_LOSS_MEASURED: /* what was not ended by time may have been written for hours since */
        add(steps, -1, "about %" PRIu64 ".%01" PRIu64 " s of writes at %s would be lost, as measured %" PRIu64
            " s ago, and what it has written since (limit %" PRIu32 ".%01" PRIu32 " s%s)",
            loss.ms / 1000, loss.ms % 1000 / 100, loss.data_site,
            bw_instant_elapsed_ns(view->now, loss.measured) / BW_NS_PER_S, group->spec.max_lag_ms / 1000,
            group->spec.max_lag_ms % 1000 / 100, waived);
        break;
    case BW_LOSS_AT_MOST:
        add(steps, -1, "at most %" PRIu64 ".%01" PRIu64 " s of writes at %s would be lost (limit %" PRIu32
            ".%01" PRIu32 " s%s)",
            loss.ms / 1000, loss.ms % 1000 / 100, loss.data_site, group->spec.max_lag_ms / 1000,
            group->spec.max_lag_ms % 1000 / 100, waived);
        break;
    case BW_LOSS_UNKNOWN:
        add(steps, -1, "how much of the writes at %s would be lost is unknown%s",
            loss.data_site, wish->accept_data_loss ? " (accepted)" : "");
        break;
    }
}

/* 3.9: until its first grant nothing but what a site says now keeps two of them from serving. */
static void add_vouched(const struct bw_operator_view *view, int group_index, int site, json_t **steps)
{
    const struct bw_group *group = group_of(view, group_index);
    char text[BW_VOUCHED_TEXT_BYTES];

    for (int other = 0; group->first_grant && other < (int)group->spec.site_count; other++)
        if (other != site &&
            bw_reports_vouched_text(&group->spec, &view->machine->watches[group_index].reports[other],
                                    group->spec.sites[other].name, view->now, text))
            add(steps, -1, "%s", text);
}

static void add_grant(const struct bw_operator_view *view, int group_index,
                      const struct bw_wish *wish, const struct bw_command *grant, uint64_t after_ms,
                      json_t **steps)
{
    const struct bw_group *group = group_of(view, group_index);
    const int site = bw_spec_find_site(&group->spec, grant->site);

    add_loss(view, group_index, site, wish, steps);
    add_vouched(view, group_index, site, steps);
    add(steps, (int64_t)after_ms,
        "%s becomes primary by a majority of the witnesses (epoch %" PRIu64 " -> %" PRIu64 ")", grant->site,
        group->epoch, grant->epoch);
    if (grant->adopt)
        add(steps, -1, "%s already runs %s: it is adopted as it is", grant->site,
            group->spec.name);
    else
        add(steps, -1, "%s starts %s, within its own limits", grant->site, group->spec.name);
}

/* It only names what the log lacks (3.9), and may not serve. */
static bool is_only_ahead(const struct bw_operator_view *view, int group_index, const char *site)
{
    struct bw_claimed claimed;

    for (uint32_t number = 0; bw_witness_claim_at(view->machine, group_index, number, &claimed); number++)
        if (strcmp(claimed.site, site) == 0 && claimed.kind != BW_CLAIM_AHEAD)
            return false;
    return true;
}

static void add_foretold(const struct bw_operator_view *view, int group_index,
                         const struct bw_wish *wish, const struct bw_foretold *foretold,
                         json_t **steps)
{
    const struct bw_group *group = group_of(view, group_index);
    const uint64_t after_ms = bw_ns_to_ms(foretold->after_ns);

    switch (foretold->command.kind) {
    case BW_COMMAND_GRANT:
        add_grant(view, group_index, wish, &foretold->command, after_ms, steps);
        break;
    case BW_COMMAND_CLOSE:
        add(steps, (int64_t)after_ms,
            "epoch %" PRIu64 " is closed: the witnesses confirm no renewal after that",
            group->epoch);
        break;
    case BW_COMMAND_FORCED:
        add(steps, (int64_t)after_ms,
            "epoch %" PRIu64
            " ends after its lease has expired, on your confirmation that %s is off (ended by: operator)",
            group->epoch, group->holder_site);
        break;
    case BW_COMMAND_EXPIRED:
        add(steps, (int64_t)after_ms,
            "the lease of %s (epoch %" PRIu64 ") expires; nothing shortens this wait",
            group->holder_site, group->epoch);
        break;
    case BW_COMMAND_CLAIM_OVER:
        if (is_only_ahead(view, group_index, foretold->command.site)) {
            add(steps, (int64_t)after_ms,
                "the claim of %s ends on your confirmation that the decision it names was never made; if it was, two sites may serve",
                foretold->command.site);
            break;
        }
        add(steps, (int64_t)after_ms,
            "the claim of %s ends on your confirmation that %s is off; if %s is on, it may serve without a time limit",
            foretold->command.site, foretold->command.site, foretold->command.site);
        break;
    default:
        add(steps, (int64_t)after_ms, "%s (%s)", bw_command_word(foretold->command.kind),
            foretold->rule);
        break;
    }
}

/* What comes of it by time alone, and what does not. */
static void plan_course(const struct bw_operator_view *view, int group_index,
                        const struct bw_wish *wish, const struct bw_wish_plan *plan, json_t **steps)
{
    for (uint32_t i = 0; i < plan->course.count; i++)
        add_foretold(view, group_index, wish, &plan->course.decisions[i], steps);
    if (bw_foretold_grant(&plan->course) != NULL)
        return;
    if (wish->kind == BW_WISH_FORCE_RELEASE)
        add(steps, -1,
            "then no site is eligible by the group's policy; `breakwater explain` shows what blocks each site, `breakwater "
            "failover` overrides it once");
    else /* a new leader's sites may still speak */
        add(steps, -1, "no site is eligible now; `breakwater explain` shows what blocks each site");
}

static void add_steps(const struct bw_operator_view *view, int group_index,
                      const struct bw_wish *wish, const struct bw_wish_plan *plan, json_t **steps)
{
    switch (wish->kind) {
    case BW_WISH_SWITCHOVER:
        plan_switchover(view, group_index, wish, plan, steps);
        break;
    case BW_WISH_FAILOVER:
    case BW_WISH_FORCE_RELEASE:
        plan_course(view, group_index, wish, plan, steps);
        break;
    case BW_WISH_NONE:
        break;
    }
}

json_t *bw_json_plan(const struct bw_operator_view *view, int group_index,
                     const struct bw_wish *wish, const struct bw_wish_plan *plan, enum bw_err err,
                     const char *why)
{
    const struct bw_group *group = group_of(view, group_index);
    const bool is_unseen = err == BW_OK && may_end_unseen(view, group_index, wish);
    json_t *steps = json_array();

    if (err == BW_OK)
        add_steps(view, group_index, wish, plan, &steps);
    return json_pack(
        "{s:s, s:s, s:I, s:b, s:s, s:b, s:b, s:s?, s:s?, s:o, s:o, s:o}", "schema", "breakwater.plan/v2",
        "group", group->spec.name, "epoch", (json_int_t)group->epoch, "changes_epoch", true, "request",
        bw_wish_word(wish->kind), "possible", err == BW_OK, "already", err == BW_ERR_EXISTS,
        "refused", err == BW_OK ? NULL : why, "unseen_at", is_unseen ? group->holder_site : NULL, "facts",
        wish->kind == BW_WISH_FORCE_RELEASE ? bw_json_end_facts(view, group_index)
        : is_unseen                         ? bw_json_unseen_facts(view, group_index)
                                            : json_array(),
        "steps", steps, "decision", bw_json_explain(view, group_index, &plan->decision));
}
