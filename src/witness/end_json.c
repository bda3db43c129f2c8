/* end_json.c - how the open epoch ends, and what a person must know who vouches for its end. Design
 * 3.1, 3.3, 4. */
#include <breakwater/witness/json.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <breakwater/core/guard_link.h>
#include <breakwater/core/script_failure.h>

#define FACT_BYTES 512

static const struct bw_group *group_of(const struct bw_operator_view *view, int group_index)
{
    return &view->machine->cluster->groups[group_index];
}

static bool does_wait(const struct bw_operator_view *view, int group_index,
                      struct bw_end_waits *out_waits)
{
    return bw_arbiter_end_waits_for(group_of(view, group_index),
                                    &view->machine->watches[group_index],
                                    &view->machine->leadership, out_waits);
}

/* Only a leader counts it. */
static uint64_t may_live_ms(const struct bw_operator_view *view, int group_index)
{
    return bw_arbiter_lease_may_live_ns(group_of(view, group_index),
                                        &view->machine->watches[group_index],
                                        &view->machine->leadership, view->now) /
           BW_NS_PER_MS;
}

static bool tell_remote_fence(const struct bw_operator_view *view, int group_index,
                              char out_text[BW_REMOTE_FENCE_TEXT_BYTES])
{
    return bw_remote_fence_text(group_of(view, group_index), &view->machine->watches[group_index],
                                &view->machine->leadership, view->now, out_text,
                                BW_REMOTE_FENCE_TEXT_BYTES);
}

json_t *bw_json_end(const struct bw_operator_view *view, int group_index)
{
    const struct bw_group *group = group_of(view, group_index);
    const struct bw_voucher *voucher = bw_group_voucher(group, group->epoch);
    struct bw_end_waits waits = {0};
    char way[2 * BW_NAME_MAX + 64];
    char fence[BW_REMOTE_FENCE_TEXT_BYTES];

    if (group->phase == BW_PHASE_VACANT)
        return json_null();
    if (does_wait(view, group_index, &waits))
        bw_end_way(group, &waits, way, sizeof way);
    /* clang-format off */
    return json_pack(
        "{s:b, s:b, s:s?, s:s?, s:s?, s:o, s:o, s:o, s:o}",
        "by_time", waits.why == NULL,
        "by_holder", !waits.is_lost,
        "blocked_by", waits.why == NULL ? NULL : bw_gate_word(waits.gate),
        "why", waits.why,
        "suggested_command", waits.why == NULL ? NULL : way,
        "lease_may_live_ms", view->machine->leadership.leads
                                 ? json_integer((json_int_t)may_live_ms(view, group_index))
                                 : json_null(),
        "remote_fence", tell_remote_fence(view, group_index, fence) ? bw_json_text(fence)
                                                                    : json_null(),
        "vouched_by", voucher == NULL ? json_null() : bw_json_text(voucher->by),
        "vouched_text", voucher == NULL ? json_null() : bw_json_text(voucher->text));
    /* clang-format on */
}

/* ---- facts ---- */

__attribute__((format(printf, 2, 3))) static void add(json_t **facts, const char *format, ...)
{
    char text[FACT_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    *facts = bw_json_append(*facts, bw_json_text(text));
}

static void add_holder(const struct bw_operator_view *view, int group_index, json_t **facts)
{
    const struct bw_group *group = group_of(view, group_index);
    const struct bw_history_entry *entry = bw_group_history_at(group, 0);
    struct bw_end_waits waits = {0};
    char fence[BW_REMOTE_FENCE_TEXT_BYTES];
    char since[BW_TIME_TEXT_BYTES] = "";

    if (entry != NULL)
        bw_json_time(entry->granted_unix_ms, since);
    add(facts, "%s is primary of %s in epoch %" PRIu64 " since %s; state: %s.", group->holder_site, group->spec.name,
        group->epoch, since, bw_phase_state(group->phase, group->held));
    if (does_wait(view, group_index, &waits))
        add(facts, "Its epoch needs manual action: %s (%s).", waits.why, bw_gate_word(waits.gate));
    else
        add(facts, "Its lease expires automatically, unless the site keeps renewing it.");
    if (tell_remote_fence(view, group_index, fence))
        add(facts, "Fence from another site: %s.", fence);
    if (waits.is_lost)
        add(facts,
            "The agent of %s has lost its state and cannot release the lease.",
            group->holder_site);
}

static void add_site(const struct bw_operator_view *view, int group_index, json_t **facts)
{
    const struct bw_group *group = group_of(view, group_index);
    const int site = bw_spec_find_site(&group->spec, group->holder_site);
    const struct bw_contact *contact = bw_site_reports_newest(
        &view->machine->watches[group_index].reports[site]);
    uint64_t last_contact_ms;

    if (contact == NULL) {
        add(facts, "Witness %s has no report of %s since its start.", view->self, group->holder_site);
        return;
    }
    last_contact_ms = bw_ns_to_ms(bw_instant_elapsed_ns(view->now, contact->received));
    add(facts, "Last report of %s, %" PRIu64 ".%u s ago: service %s, guard %s.",
        group->holder_site, last_contact_ms / 1000, (unsigned)(last_contact_ms % 1000 / 100),
        bw_service_word(contact->report.service), contact->report.guard_alive ? "up" : "down");
}

static void add_lease(const struct bw_operator_view *view, int group_index, json_t **facts)
{
    const uint64_t left_ms = may_live_ms(view, group_index);

    if (left_ms == 0)
        add(facts, "Its lease has expired.");
    else
        add(facts, "Its lease expires in %" PRIu64 ".%u s unless it is renewed.",
            left_ms / 1000, (unsigned)(left_ms % 1000 / 100));
}

/* Why its newest status says nothing: "" where that is not known. */
static void tell_status(const struct bw_operator_view *view, const struct bw_contact *contact,
                        char out_text[BW_FAILURE_TEXT_BYTES + 2])
{
    const uint64_t more_ms = bw_ns_to_ms(bw_instant_elapsed_ns(view->now, contact->received));
    char text[BW_FAILURE_TEXT_BYTES];

    out_text[0] = '\0';
    for (uint32_t i = 0; i < contact->report.failure_count; i++)
        if (contact->report.failures[i].action == BW_ACTION_STATUS) {
            bw_failure_text(&contact->report.failures[i], more_ms, text);
            (void)snprintf(out_text, sizeof text + 2, ": %s", text);
        }
}

json_t *bw_json_unseen_facts(const struct bw_operator_view *view, int group_index)
{
    const struct bw_group *group = group_of(view, group_index);
    const int site = bw_spec_find_site(&group->spec, group->holder_site);
    bool has_several = false;
    const struct bw_contact *contact = bw_policy_fresh(group, &view->machine->watches[group_index], site, view->now,
                                                       &has_several);
    const uint32_t fence_ms = group->terms.fence_ms;
    char status[BW_FAILURE_TEXT_BYTES + 2];
    char since[32] = "";
    json_t *facts = json_array();

    if (contact == NULL)
        return facts;
    tell_status(view, contact, status);
    if (contact->report.unhealthy != BW_UNHEALTHY_NOT)
        (void)snprintf(since, sizeof since, " for %" PRIu64 " s", contact->report.unhealthy_ms / UINT64_C(1000));
    add(&facts, "The status script at %s does not report whether %s runs (unknown%s%s).", group->holder_site,
        group->spec.name, since, status);
    add(&facts,
        "%s will be stopped there, and fenced if no probe confirms the stop: script, TERM, KILL of what its guard "
        "can kill, within %" PRIu32 ".%01" PRIu32 " s.",
        group->spec.name, fence_ms / 1000, fence_ms % 1000 / 100);
    add(&facts,
        "If the stop cannot be confirmed, no site serves until an operator has seen that %s is stopped at %s, and confirms it:  breakwater "
        "confirm-fenced %s --site %s --service-is-stopped",
        group->spec.name, group->holder_site, group->spec.name, group->holder_site);
    return facts;
}

json_t *bw_json_end_facts(const struct bw_operator_view *view, int group_index)
{
    const struct bw_group *group = group_of(view, group_index);
    const struct bw_voucher *voucher = bw_group_voucher(group, group->epoch);
    json_t *facts = json_array();

    if (group->phase == BW_PHASE_VACANT)
        return facts;
    add_holder(view, group_index, &facts);
    add_site(view, group_index, &facts);
    add_lease(view, group_index, &facts);
    if (voucher != NULL)
        add(&facts, "It was closed by %s%s%s.", voucher->by,
            voucher->text[0] != '\0' ? ": " : "", voucher->text);
    return facts;
}
