/* foretold.c - what is foretold of a group, for the screens. Design 4. */
#include <breakwater/witness/json.h>

#include <stdlib.h>

bool bw_view_foretell(const struct bw_operator_view *view, int group_index,
                      struct bw_foretold *out_foretold)
{
    struct bw_foretelling *room = view->machine->leadership.leads ? malloc(sizeof *room) : NULL;

    if (room == NULL)
        return false;
    bw_foretell(&view->machine->cluster->groups[group_index], &view->machine->watches[group_index],
                &view->machine->leadership, view->now, room, out_foretold);
    free(room);
    return true;
}

static bool foretell_loss(const struct bw_operator_view *view, int group_index,
                          struct bw_foretold *out_foretold)
{
    struct bw_foretelling *room = malloc(sizeof *room);
    struct bw_leadership leadership = view->machine->leadership;

    *out_foretold = (struct bw_foretold){.command = {.kind = BW_COMMAND_COUNT}};
    if (room == NULL)
        return false;
    leadership.leads = true;
    bw_foretell_loss(&view->machine->cluster->groups[group_index],
                     &view->machine->watches[group_index], &leadership, view->now, room,
                     out_foretold);
    free(room);
    return out_foretold->acts;
}

/* Beside the rest of the lease: a pause after a failed start is a failover that takes longer, a
 * maintenance of two hours is none. */
#define SOON_NS (60 * BW_NS_PER_S)

bool bw_view_may_fail_over(const struct bw_operator_view *view, int group_index,
                           struct bw_foretold *out_foretold)
{
    const struct bw_group *group = &view->machine->cluster->groups[group_index];
    const uint64_t lease_ns = group->phase == BW_PHASE_VACANT ? 0
                                                              : bw_expiry_wait_ns(&group->terms);

    return foretell_loss(view, group_index, out_foretold) &&
           out_foretold->after_ns <= lease_ns + SOON_NS;
}

json_t *bw_json_way(const struct bw_operator_view *view, int group_index)
{
    struct bw_foretelling *room = malloc(sizeof *room);
    char way[3 * BW_NAME_MAX + 64];
    const bool is_there = room != NULL &&
                          bw_foretell_way(&view->machine->cluster->groups[group_index],
                                          &view->machine->watches[group_index],
                                          &view->machine->leadership, view->now, room, way,
                                          sizeof way);

    free(room);
    return is_there ? json_string(way) : json_null();
}
