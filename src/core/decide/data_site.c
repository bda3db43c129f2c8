/* Whose data is the newest, where the state may not know it too (3.9), and what another site lacks of it. Design 4. */
#include "policy.h"

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/core/arbiter.h>
#include <breakwater/core/report.h>

/* The newest epoch of its own in which the site says that it may have written; 0: none. */
static uint64_t written_epoch(const struct bw_contact *contact)
{
    const struct bw_released *released = &contact->released;
    const uint64_t armed = contact->report.armed_epoch;

    return released->past_no_return && released->epoch > armed ? released->epoch : armed;
}

/* The newest of another site that it has followed; 0: none. */
static uint64_t followed_epoch(const struct bw_contact *contact)
{
    return contact->report.joined_epoch != UINT64_MAX ? contact->report.joined_epoch : 0;
}

/* 3.9: a state that was recovered may lack the newest grants. Before the first one after it every site
 * has reported, and whoever wrote in an epoch that the state does not know has the newest data; before whoever only
 * followed there. Of the newest that it knows, the Grant may never have been committed, and another one was. */
const char *bw_policy_data_site(const struct bw_group *group, const struct bw_watch *watch)
{
    const struct bw_history_entry *known = bw_group_history_at(group, 0);
    const char *data_site = group->data_site;
    const char *follower = NULL;
    uint64_t newest = known == NULL ? 0 : known->epoch;
    uint64_t followed = 0;

    for (uint32_t site = 0; group->recovered_index != 0 && site < group->spec.site_count; site++) {
        const struct bw_contact *contact = bw_site_reports_newest_agent(&watch->reports[site]);
        const char *name = group->spec.sites[site].name;
        uint64_t written;

        if (contact == NULL)
            continue;
        written = written_epoch(contact);
        if (written > newest || (known != NULL && written == known->epoch && newest == known->epoch &&
                                 strcmp(name, known->site) != 0)) {
            newest = written;
            data_site = name;
        }
        if (followed_epoch(contact) > followed) {
            followed = followed_epoch(contact);
            follower = name;
        }
    }
    return followed > newest ? follower : data_site;
}

/* The epoch that a site must have seen whose data is what it wrote: the one in which it was heard verified serving, or
 * else the oldest of its own that is on record. 0: none is. */
static uint64_t epoch_to_remember(const struct bw_group *group, const struct bw_watch *watch, const char *site)
{
    uint64_t oldest = 0;

    for (uint32_t number = 0; number < group->history_count; number++) { /* the newest first */
        const struct bw_history_entry *entry = bw_group_history_at(group, number);

        if (strcmp(entry->site, site) != 0)
            continue;
        if (entry->epoch == watch->verified_epoch)
            return entry->epoch;
        oldest = entry->epoch;
    }
    return oldest;
}

bool bw_policy_remembers(const struct bw_group *group, const struct bw_watch *watch, int site)
{
    const struct bw_contact *contact = bw_site_reports_newest_agent(&watch->reports[site]);

    return contact == NULL ||
           contact->report.epoch_seen >= epoch_to_remember(group, watch, group->spec.sites[site].name);
}

bool bw_policy_has_forgotten(const struct bw_group *group, const struct bw_watch *watch, int site)
{
    const char *name = group->spec.sites[site].name;
    const bool is_named = group->first_grant && strcmp(name, group->initial_primary) == 0;

    return !is_named && strcmp(name, bw_policy_data_site(group, watch)) == 0 &&
           !bw_policy_remembers(group, watch, site);
}

bool bw_policy_has_newest_data(const struct bw_group *group, const struct bw_watch *watch, int site)
{
    return strcmp(group->spec.sites[site].name, bw_policy_data_site(group, watch)) == 0 &&
           !bw_policy_has_forgotten(group, watch, site);
}

/* Who has only found the grant in its state does not know whether a person named the site: then it counts as if. */
bool bw_policy_is_vouched(const struct bw_group *group, const struct bw_watch *watch)
{
    const struct bw_history_entry *newest = bw_group_history_at(group, 0);

    BW_ASSERT(newest != NULL && newest->epoch == group->epoch); /* asked of an epoch that is open */
    if (newest->why_granted == BW_REASON_OVERRIDE || watch->named_epoch == newest->epoch)
        return true;
    return watch->grant_is_found &&
           (newest->why_granted == BW_REASON_FIRST_GRANT || newest->why_granted == BW_REASON_FAILOVER);
}

/* ---- what another site lacks of it (4) ------------------------------------------------------- */

bool bw_policy_has_readiness(const struct bw_group *group, const struct bw_watch *watch)
{
    for (uint32_t site = 0; site < group->spec.site_count; site++) {
        const struct bw_contact *contact = bw_site_reports_newest_agent(&watch->reports[site]);

        if (contact != NULL && contact->report.has_readiness)
            return true;
    }
    return false;
}

#define ELECTION_NS (5 * BW_NS_PER_S) /* of a leader that follows one that was lost with the data site */
#define LEADERS     2                 /* so many may wait for the end of one epoch, one after the other, each for the whole */

/* 4: whoever leads ends an epoch that nobody renews, so long after this witness has heard the data site at most. */
static struct bw_instant ends_by(const struct bw_group *group, const struct bw_watch *watch)
{
    return bw_instant_add(watch->served_contact,
                          LEADERS * (bw_policy_longer_ttl_ns(group) + bw_policy_longer_freshness_ns(group) + ELECTION_NS));
}

/* Where this witness came to lead, or saw that end, later than that, another has heard the data site since: nobody
 * knows how much was written. */
static bool may_have_served_on(const struct bw_group *group, const struct bw_watch *watch,
                               const struct bw_leadership *leadership)
{
    const struct bw_instant led = leadership->leader_since;
    const bool is_closed = watch->served_closed.boot_ns != 0 && !bw_instant_is_later(watch->served_closed, led);

    return leadership->leads &&
           bw_instant_is_beyond(is_closed ? watch->served_closed : led, ends_by(group, watch));
}

/* The longest that another site may take to fence it. */
static uint64_t remote_fence_ns(const struct bw_group *group, const struct bw_watch *watch)
{
    uint32_t longest_ms = 0;

    for (uint32_t site = 0; site < group->spec.site_count; site++) {
        const struct bw_contact *contact = bw_site_reports_newest_agent(&watch->reports[site]);

        if (contact != NULL && contact->report.remote_fence.limit_ms > longest_ms)
            longest_ms = contact->report.remote_fence.limit_ms;
    }
    return bw_ms_to_ns(longest_ms);
}

/* 3.3, 4: what time does not end serves until somebody ends it, heard or not, and what it writes meanwhile is in no
 * lag: one fence, within its limit, is as near as can be. A person who forces has a plan before him that says how old
 * the lag is; whom another site fences nobody asks. */
static bool was_fenced_late(const struct bw_group *group, const struct bw_watch *watch)
{
    return group->phase == BW_PHASE_VACANT && group->last_end.grade == BW_GRADE_FENCED &&
           strcmp(group->last_end.site, watch->served_site) == 0 && /* not a later one, that never wrote */
           bw_instant_is_beyond(watch->phase_applied,
                                bw_instant_add(ends_by(group, watch), remote_fence_ns(group, watch)));
}

/* 3.7, 4: what speaks for the site now is not what was measured: a machine that is made anew has a disk of its own. */
static bool is_of_another_machine(const struct bw_lag_sample *sample, const struct bw_site_reports *reports)
{
    const struct bw_contact *contact = bw_site_reports_newest_agent(reports);

    return contact != NULL && !bw_id_equal(contact->instance, sample->instance);
}

/* Why the lag of a site is not known, or NULL. It must have been measured while the data site was
 * seen alive, at most three checks and a freshness window before this witness itself last heard it (4). Agents
 * speak to every witness, so that is known to whoever comes to lead, unless it was away. */
static const char *lag_unknown(const struct bw_group *group, const struct bw_watch *watch,
                               const struct bw_leadership *leadership, int site,
                               struct bw_instant *out_measured)
{
    const struct bw_lag_sample *sample = &watch->lag[site];
    /* It is dated by what its site had heard answered before, which is fresh for so long. */
    uint64_t age_max_ns = BW_POLICY_AGE_CHECKS * bw_ms_to_ns(sample->check_interval_ms) +
                          bw_policy_longer_freshness_ns(group);

    *out_measured = sample->measured;
    if (!bw_policy_has_readiness(group, watch)) /* so it is not zero */
        return "no connected site has a readiness_script";
    if (strcmp(watch->served_site, bw_policy_data_site(group, watch)) != 0)
        return "this witness has no report of the last primary from when it served";
    if (group->phase == BW_PHASE_VACANT && group->last_end.grade == BW_GRADE_LET_GO)
        return "the last primary was unmanaged and may have served since";
    if (!sample->known)
        return "not measured since the newest primary began to serve";
    if (is_of_another_machine(sample, &watch->reports[site]))
        return "measured of a machine that was replaced since";
    if (may_have_served_on(group, watch, leadership))
        return "the last primary may have served without a connection to this witness";
    if (was_fenced_late(group, watch))
        return "the last primary may have served without a connection until it was fenced";
    if (bw_instant_is_beyond(watch->served_contact, bw_instant_add(sample->measured, age_max_ns)))
        return "measured too long before the last report of the last primary";
    return NULL;
}

/* Of the site whose data was the newest before the last grant it is known at least how much it lacks at
 * most: all of that epoch (4). Counted by a leader that made that grant itself: who reads the log later sees the grant
 * applied later than it was, and the epoch shorter. Not where it may have been served on since, nor of another machine
 * than had it then (3.7). */
static bool is_loss_bounded(const struct bw_group *group, const struct bw_watch *watch, int site,
                            const struct bw_leadership *leadership, uint64_t *out_loss_ms)
{
    const struct bw_contact *contact = bw_site_reports_newest_agent(&watch->reports[site]);

    *out_loss_ms = bw_ns_to_ms(bw_instant_elapsed_ns(watch->phase_applied, watch->grant_applied));
    if (contact == NULL || !bw_id_equal(contact->instance, watch->data_before_instance))
        return false;
    if (!leadership->leads || !bw_instant_is_later(watch->grant_applied, leadership->leader_since) ||
        group->last_end.grade == BW_GRADE_LET_GO)
        return false;
    return group->phase == BW_PHASE_VACANT && group->last_end.epoch == group->epoch &&
           watch->data_before_epoch == group->epoch &&
           strcmp(group->spec.sites[site].name, watch->data_before) == 0;
}

void bw_policy_loss(const struct bw_group *group, const struct bw_watch *watch,
                    const struct bw_leadership *leadership, int site, struct bw_loss *out_loss)
{
    BW_ASSERT(site >= 0 && site < (int)group->spec.site_count);
    *out_loss = (struct bw_loss){.data_site = bw_policy_data_site(group, watch)};
    if (out_loss->data_site[0] == '\0') {
        out_loss->kind = BW_LOSS_NOBODYS;
        return;
    }
    if (strcmp(group->spec.sites[site].name, out_loss->data_site) == 0) {
        out_loss->kind = bw_policy_has_forgotten(group, watch, site) ? BW_LOSS_UNKNOWN : BW_LOSS_NONE;
        out_loss->unknown = "its agent remembers no epoch of its own; its disk may be new";
        return;
    }
    out_loss->unknown = lag_unknown(group, watch, leadership, site, &out_loss->measured);
    out_loss->ms = watch->lag[site].lag_ms;
    out_loss->kind = out_loss->unknown == NULL                            ? BW_LOSS_MEASURED
                     : is_loss_bounded(group, watch, site, leadership, &out_loss->ms) ? BW_LOSS_AT_MOST
                                                                          : BW_LOSS_UNKNOWN;
}
