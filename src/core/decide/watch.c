/* watch.c - what a witness remembers of a group from what the log says, and when it said so.
 * Design 3.1, 4. */
#include "watch.h"

#include <string.h>

#include <breakwater/base/assert.h>

#include "claims.h"
#include "gates.h"
#include "policy.h"

static void mark_grant(struct bw_watch *watch, uint64_t epoch, bool is_found, struct bw_instant now)
{
    BW_ASSERT(watch->grants_next < BW_HISTORY_MAX);
    watch->grants[watch->grants_next] = (struct bw_grant_mark){
        .epoch = epoch, .applied = now, .is_found = is_found};
    watch->grants_next = (watch->grants_next + 1) % BW_HISTORY_MAX;
}

static void mark_end(struct bw_watch *watch, uint64_t epoch, struct bw_instant now)
{
    for (size_t i = 0; i < BW_HISTORY_MAX; i++)
        if (watch->grants[i].epoch == epoch)
            watch->grants[i].ended = now;
}

static uint32_t known_sites(const struct bw_watch *watch)
{
    uint32_t count = 0;

    while (count < BW_SITES_MAX && watch->sites[count][0] != '\0')
        count++;
    return count;
}

static bool has_same_sites(const struct bw_watch *watch, uint32_t known, const struct bw_spec *spec)
{
    bool is_same = known == spec->site_count;

    for (uint32_t i = 0; is_same && i < spec->site_count; i++)
        is_same = strcmp(watch->sites[i], spec->sites[i].name) == 0;
    return is_same;
}

/* Moves with the name of a site what is kept by its index. A place that no site has ever had is not written: that would
 * cost its memory, of most groups three quarters of all. */
static void follow_sites(struct bw_watch *watch, const struct bw_spec *spec)
{
    const uint32_t known = known_sites(watch);
    const uint32_t count = known > spec->site_count ? known : spec->site_count;
    struct bw_site_reports reports[BW_SITES_MAX];
    struct bw_instant connected_since[BW_SITES_MAX] = {0};
    struct bw_instant two_way_since[BW_SITES_MAX] = {0};
    struct bw_behind behind[BW_SITES_MAX] = {0};
    struct bw_lag_sample lag[BW_SITES_MAX] = {0};
    struct bw_instant maintenance_applied[BW_SITES_MAX] = {0};
    struct bw_rate rates[BW_SITES_MAX];

    BW_ASSERT(spec->site_count <= BW_SITES_MAX);
    if (has_same_sites(watch, known, spec))
        return;
    memset(rates, 0, sizeof(rates));
    memset(reports, 0, sizeof(reports));
    for (uint32_t to = 0; to < spec->site_count; to++)
        for (uint32_t from = 0; from < known; from++) {
            if (strcmp(watch->sites[from], spec->sites[to].name) != 0)
                continue;
            reports[to] = watch->reports[from];
            connected_since[to] = watch->connected_since[from];
            two_way_since[to] = watch->two_way_since[from];
            behind[to] = watch->behind[from];
            lag[to] = watch->lag[from];
            maintenance_applied[to] = watch->maintenance_applied[from];
            rates[to] = watch->rates[from];
        }
    memcpy(watch->reports, reports, count * sizeof(reports[0]));
    memcpy(watch->connected_since, connected_since, sizeof(connected_since));
    memcpy(watch->two_way_since, two_way_since, sizeof(two_way_since));
    memcpy(watch->behind, behind, sizeof(behind));
    memcpy(watch->lag, lag, sizeof(lag));
    memcpy(watch->maintenance_applied, maintenance_applied, sizeof(maintenance_applied));
    memcpy(watch->rates, rates, sizeof(rates));
    memset(watch->sites, 0, sizeof(watch->sites));
    for (uint32_t to = 0; to < spec->site_count; to++)
        memcpy(watch->sites[to], spec->sites[to].name, sizeof(watch->sites[to]));
}

/* 4: the group's wish counts from when this witness has applied it. Below BW_WISH_LEVEL, and of a
 * force-release always, there is only what its leader was told. */
void bw_watch_follow_wish(struct bw_watch *watch, const struct bw_group *group,
                          struct bw_instant now)
{
    const struct bw_wish *wish = bw_group_wish(group);
    const uint64_t index = wish != NULL ? wish->index : 0;

    if (index == watch->wish_index)
        return;
    if (wish != NULL) {
        watch->wish = *wish;
        watch->wish_since = now;
        watch->wish_judged = false;
    } else if (watch->wish.index != 0) {
        watch->wish = (struct bw_wish){0};
    }
    watch->wish_index = index;
}

/* A Grant takes both out of the state, and what it rests on counts beyond it (4). */
static void follow_first_grant(struct bw_watch *watch, const struct bw_group *group)
{
    watch->first_grant = group->first_grant;
    memcpy(watch->initial_primary, group->initial_primary, sizeof(watch->initial_primary));
}

void bw_watch_begin(struct bw_watch *watch, const struct bw_group *group, struct bw_instant now)
{
    follow_sites(watch, &group->spec);
    bw_watch_follow_wish(watch, group, now);
    memcpy(watch->name, group->spec.name, sizeof(watch->name));
    watch->seen_epoch = group->epoch;
    watch->seen_phase = group->phase;
    watch->seen_held = group->held;
    watch->phase_applied = now;
    watch->grant_applied = now;
    watch->claim_applied = now;
    watch->grant_is_found = true;
    watch->group_maintenance_applied = now;
    watch->let_go_applied = now;
    watch->data_before_epoch = 0;
    watch->named_epoch = 0;
    follow_first_grant(watch, group);
    for (size_t site = 0; site < BW_SITES_MAX; site++)
        watch->maintenance_applied[site] = now;
    memset(watch->grants, 0, sizeof(watch->grants));
    watch->grants_next = 0;
    for (uint32_t number = group->history_count; number > 0; number--) {
        const struct bw_history_entry *entry = bw_group_history_at(group, number - 1);

        mark_grant(watch, entry->epoch, true, now);
        if (entry->ended_index != 0)
            mark_end(watch, entry->epoch, now);
    }
}

static void note_maintenance(struct bw_watch *watch, const struct bw_group *group,
                             const struct bw_command *command, struct bw_instant now)
{
    int site = bw_spec_find_site(&group->spec, command->site);

    if (command->site[0] == '\0')
        watch->group_maintenance_applied = now;
    else if (site >= 0)
        watch->maintenance_applied[site] = now;
}

/* 4: whose data was the newest until this grant lacks at most what is written in its epoch. Not where more may have been
 * written before it, without one: in an override, or where a first grant is due, since a group that was let go may serve
 * anywhere. Nor is it known of whom nobody hears, or hears that he is another than who wrote that data (3.7). */
static void note_data_before(struct bw_watch *watch, const struct bw_group *group, const struct bw_command *command)
{
    const int site = bw_spec_find_site(&group->spec, group->previous_data_site);
    const struct bw_contact *contact = site >= 0 ? bw_site_reports_newest_agent(&watch->reports[site]) : NULL;

    watch->data_before_epoch = command->epoch;
    watch->data_before[0] = '\0';
    if (watch->first_grant || command->reason == BW_REASON_OVERRIDE || contact == NULL ||
        !bw_policy_remembers(group, watch, site))
        return;
    memcpy(watch->data_before, group->previous_data_site, sizeof(watch->data_before));
    watch->data_before_instance = contact->instance;
}

/* A force-release has ended what it was about: the site holds no epoch beside its claim. */
static bool is_answered(const struct bw_watch *watch, const struct bw_group *group, const char *site)
{
    return watch->wish.kind == BW_WISH_FORCE_RELEASE && strcmp(watch->wish.to, site) == 0 &&
           strcmp(group->holder_site, site) != 0;
}

/* A wish is over with the grant that answers it, and with the move that was given up. */
static void note_command(struct bw_watch *watch, const struct bw_group *group,
                         const struct bw_command *command, struct bw_instant now)
{
    switch (command->kind) {
    case BW_COMMAND_GRANT:
        watch->grant_applied = now;
        watch->grant_is_found = false;
        note_data_before(watch, group, command);
        if (strcmp(watch->initial_primary, command->site) == 0)
            watch->named_epoch = command->epoch;
        mark_grant(watch, command->epoch, false, now);
        watch->wish = (struct bw_wish){0};
        if (strcmp(command->site, watch->served_site) == 0)
            watch->served_closed = (struct bw_instant){0, 0}; /* it may serve on, heard by others alone */
        break;
    case BW_COMMAND_UNREVOKE:
        watch->wish = (struct bw_wish){0};
        break;
    case BW_COMMAND_RELEASED:
    case BW_COMMAND_EXPIRED:
    case BW_COMMAND_FENCED:
    case BW_COMMAND_FORCED:
        if (watch->wish.kind == BW_WISH_FORCE_RELEASE)
            watch->wish = (struct bw_wish){0}; /* the epoch that it was about is over */
        break;
    case BW_COMMAND_MAINTENANCE:
        note_maintenance(watch, group, command, now);
        break;
    case BW_COMMAND_SET_SPEC:
        follow_sites(watch, &group->spec);
        break;
    case BW_COMMAND_SET_MODE:
    case BW_COMMAND_REVOKE:
    case BW_COMMAND_CLOSE:
    case BW_COMMAND_FENCE_FAILED:
    case BW_COMMAND_ADOPTED:
    case BW_COMMAND_DELETE:
    case BW_COMMAND_FOUND:
    case BW_COMMAND_BOOT:
    case BW_COMMAND_REACH:
    case BW_COMMAND_SECOND_ENFORCER:
    case BW_COMMAND_PASSED:
    case BW_COMMAND_RAISE_LEVEL:
    case BW_COMMAND_SET_PEOPLE:
    case BW_COMMAND_NOTE:
    case BW_COMMAND_WISH:
    case BW_COMMAND_WISH_OVER:
    case BW_COMMAND_COUNT:
        break;
    case BW_COMMAND_CLAIM:
    case BW_COMMAND_CLAIM_OVER:
        bw_claims_on_applied(watch, group, command, now);
        if (command->claim_end == BW_CLAIM_END_OPERATOR && is_answered(watch, group, command->site))
            watch->wish = (struct bw_wish){0};
        break;
    }
}

/* 4: from then on the site that was heard to serve does so for nobody any more. */
static void note_closed(struct bw_watch *watch, const struct bw_group *group, struct bw_instant now)
{
    const char *site = group->phase == BW_PHASE_VACANT ? group->last_end.site : group->holder_site;

    if (bw_phase_is_renewed(watch->seen_phase) && !bw_phase_is_renewed(group->phase) && watch->served_closed.boot_ns == 0 &&
        strcmp(site, watch->served_site) == 0)
        watch->served_closed = now;
}

static void note_phase(struct bw_watch *watch, const struct bw_group *group, struct bw_instant now)
{
    if (watch->seen_epoch == group->epoch && watch->seen_phase == group->phase &&
        watch->seen_held == group->held)
        return;
    BW_ASSERT(group->epoch >= watch->seen_epoch); /* I2 */
    if (group->phase == BW_PHASE_VACANT)
        mark_end(watch, group->epoch, now);
    note_closed(watch, group, now);
    watch->seen_epoch = group->epoch;
    watch->seen_phase = group->phase;
    watch->seen_held = group->held;
    watch->phase_applied = now;
}

/* ---- what the sites say ---- */

void bw_watch_on_applied(struct bw_watch *watch, const struct bw_group *group,
                         const struct bw_command *command, uint64_t index, struct bw_instant now)
{
    note_command(watch, group, command, now);
    if (group->let_go_index == index)
        watch->let_go_applied = now;
    note_phase(watch, group, now);
    bw_watch_follow_wish(watch, group, now);
    follow_first_grant(watch, group);
}

/* ---- what is heard ---- */

void bw_watch_sample_lag(struct bw_watch *watch, int site, const struct bw_contact *contact,
                         struct bw_instant received)
{
    const struct bw_report *report = &contact->report;
    const struct bw_instant measured = bw_instant_sub(received, bw_ms_to_ns(report->ready_age_ms));

    if (!report->has_lag || report->ready_age_ms == UINT32_MAX || !bw_instant_is_later(measured, watch->served_since))
        return;
    watch->lag[site] = (struct bw_lag_sample){
        .known = true,
        .lag_ms = report->lag_ms,
        .instance = contact->instance,
        .measured = measured,
        .check_interval_ms = report->check_interval_ms,
    };
}

/* 3.5: only the boot that was committed last, and from the moment in which another is proposed only
 * that one: when it was, nobody else could hold the lease. */
static bool may_boot_renew(const struct bw_group *group, const struct bw_watch *watch,
                           struct bw_id boot_id)
{
    const bool is_proposed = watch->boot_epoch == group->epoch;

    return bw_ways_may_renew(group, boot_id) &&
           (!is_proposed || bw_id_equal(watch->boot_id, boot_id));
}

bool bw_watch_may_renew(const struct bw_watch *watch, const struct bw_group *group,
                        struct bw_id instance, struct bw_id boot_id)
{
    return bw_phase_is_renewed(group->phase) &&
           watch->ended_epoch != group->epoch && bw_id_equal(group->holder_instance, instance) &&
           may_boot_renew(group, watch, boot_id);
}
