/* Whose data is the newest where the state may not know it. Design 3.9. */
#include "policy.h"

#include <string.h>

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
        const struct bw_contact *contact = bw_site_reports_newest(&watch->reports[site]);
        const char *name = group->spec.sites[site].name;

        if (contact == NULL)
            continue;
        if (written_epoch(contact) > newest || (known != NULL && written_epoch(contact) == known->epoch &&
                                                newest == known->epoch && strcmp(name, known->site) != 0)) {
            newest = written_epoch(contact);
            data_site = name;
        }
        if (followed_epoch(contact) > followed) {
            followed = followed_epoch(contact);
            follower = name;
        }
    }
    return followed > newest ? follower : data_site;
}
