#include <breakwater/witness/callers.h>

#include <stdlib.h>
#include <string.h>

/* The slot of the same agent, else a free one, else that of the one heard longest ago. */
static struct bw_caller *slot_for(struct bw_callers *callers, const struct bw_sync *sync)
{
    struct bw_caller *best = &callers->list[0];

    for (size_t i = 0; i < BW_CALLERS_MAX; i++) {
        struct bw_caller *caller = &callers->list[i];

        if (strcmp(caller->site, sync->site) == 0 && strcmp(caller->agent, sync->agent) == 0)
            return caller;
        if (best->site[0] != '\0' &&
            (caller->site[0] == '\0' ||
             bw_instant_is_later(best->last_contact, caller->last_contact)))
            best = caller;
    }
    return best;
}

static void forget(struct bw_caller *caller)
{
    free(caller->groups);
    *caller = (struct bw_caller){.group_count = 0};
}

void bw_callers_note(struct bw_callers *callers, const struct bw_sync *sync,
                     struct bw_instant received)
{
    struct bw_caller *caller = slot_for(callers, sync);

    if (caller->groups == NULL || caller->group_count != sync->group_count) {
        forget(caller);
        caller->groups = calloc(sync->group_count + 1, sizeof *caller->groups);
        if (caller->groups == NULL)
            return; /* it is not known then */
    }
    memcpy(caller->site, sync->site, sizeof caller->site);
    memcpy(caller->agent, sync->agent, sizeof caller->agent);
    caller->last_contact = received;
    caller->group_count = sync->group_count;
    for (uint32_t i = 0; i < sync->group_count; i++)
        memcpy(caller->groups[i], sync->groups[i].name, sizeof caller->groups[i]);
}

static bool has(const struct bw_caller *caller, const char *group)
{
    for (uint32_t i = 0; i < caller->group_count; i++)
        if (strcmp(caller->groups[i], group) == 0)
            return true;
    return false;
}

static bool speaks_for(const struct bw_caller *caller, const char *site, struct bw_instant now,
                       uint64_t freshness_ns)
{
    return caller->site[0] != '\0' && strcmp(caller->site, site) == 0 &&
           !bw_instant_right_is_over(now, bw_instant_add(caller->last_contact, freshness_ns));
}

bool bw_callers_lack(const struct bw_callers *callers, const char *site, const char *group,
                     struct bw_instant now, uint64_t freshness_ns)
{
    bool speaks = false;

    for (size_t i = 0; i < BW_CALLERS_MAX; i++) {
        const struct bw_caller *caller = &callers->list[i];

        if (!speaks_for(caller, site, now, freshness_ns))
            continue;
        if (has(caller, group))
            return false;
        speaks = true;
    }
    return speaks;
}

bool bw_callers_miss(const struct bw_callers *callers, const char *site, struct bw_instant now,
                     uint64_t freshness_ns)
{
    for (size_t i = 0; i < BW_CALLERS_MAX; i++)
        if (speaks_for(&callers->list[i], site, now, freshness_ns))
            return false;
    return true;
}

void bw_callers_deinit(struct bw_callers *callers)
{
    for (size_t i = 0; i < BW_CALLERS_MAX; i++)
        forget(&callers->list[i]);
}
