#include <breakwater/core/looks.h>

#include <string.h>

#include <breakwater/base/assert.h>

void bw_looks_init(struct bw_looks *looks)
{
    memset(looks, 0, sizeof *looks);
}

static void forget_old(struct bw_looks *looks, struct bw_instant now)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < looks->young_count; i++)
        if (!bw_instant_right_is_over(now, looks->young[i].until))
            looks->young[kept++] = looks->young[i];
    looks->young_count = kept;
}

static bool has_room(const struct bw_looks *looks)
{
    return looks->young_count < BW_LOOKS_AT_ONCE;
}

static void begin(struct bw_looks *looks, uint32_t group, struct bw_instant now)
{
    looks->young[looks->young_count].group = group;
    looks->young[looks->young_count++].until = bw_instant_add(now, BW_LOOK_YOUNG_NS);
}

static void remove_waiting(struct bw_looks *looks, uint32_t at)
{
    looks->waiting_count--;
    memmove(&looks->waiting[at], &looks->waiting[at + 1],
            (looks->waiting_count - at) * sizeof looks->waiting[0]);
}

bool bw_looks_ask(struct bw_looks *looks, uint32_t group, struct bw_instant now)
{
    BW_ASSERT(group < BW_GROUPS_MAX);
    bw_looks_leave(looks, group);
    forget_old(looks, now);
    if (has_room(looks) && looks->waiting_count == 0) {
        begin(looks, group, now);
        return true;
    }
    looks->waiting[looks->waiting_count++] = group; /* each place once: there is room */
    return false;
}

void bw_looks_leave(struct bw_looks *looks, uint32_t group)
{
    for (uint32_t i = looks->young_count; i > 0; i--)
        if (looks->young[i - 1].group == group)
            looks->young[i - 1] = looks->young[--looks->young_count];
    for (uint32_t i = looks->waiting_count; i > 0; i--)
        if (looks->waiting[i - 1] == group)
            remove_waiting(looks, i - 1);
}

bool bw_looks_next(struct bw_looks *looks, struct bw_instant now, uint32_t *out_group,
                   struct bw_instant *out_at)
{
    *out_at = BW_INSTANT_NEVER;
    forget_old(looks, now);
    if (looks->waiting_count == 0)
        return false;
    if (!has_room(looks)) {
        for (uint32_t i = 0; i < looks->young_count; i++)
            *out_at = bw_instant_min(*out_at, looks->young[i].until);
        return false;
    }
    *out_group = looks->waiting[0];
    remove_waiting(looks, 0);
    begin(looks, *out_group, now);
    return true;
}
