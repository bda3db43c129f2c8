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

typedef void foretell_fn(const struct bw_group *group, const struct bw_watch *watch,
                         const struct bw_leadership *leadership, struct bw_instant now,
                         struct bw_foretelling *room, struct bw_foretold *out_foretold);

/* Of who does not lead: as if it did. */
static bool would_follow_soon(const struct bw_operator_view *view, int group_index,
                              foretell_fn *foretell, struct bw_foretold *out_foretold)
{
    const struct bw_group *group = &view->machine->cluster->groups[group_index];
    struct bw_foretelling *room = malloc(sizeof *room);
    struct bw_leadership leadership = view->machine->leadership;

    *out_foretold = (struct bw_foretold){.command = {.kind = BW_COMMAND_COUNT}};
    if (room == NULL)
        return false;
    leadership.leads = true;
    foretell(group, &view->machine->watches[group_index], &leadership, view->now, room,
             out_foretold);
    free(room);
    return bw_foretold_is_soon(group, out_foretold);
}

void bw_view_failover(const struct bw_operator_view *view, int group_index,
                      struct bw_failover *out_failover)
{
    *out_failover = (struct bw_failover){.fenced = {.command = {.kind = BW_COMMAND_COUNT}}};
    out_failover->is_possible = would_follow_soon(view, group_index, bw_foretell_loss,
                                                  &out_failover->foretold);
    if (!out_failover->is_possible)
        out_failover->follows_fence = would_follow_soon(view, group_index, bw_foretell_fenced,
                                                        &out_failover->fenced);
}

bool bw_failover_takes_over(const struct bw_failover *failover)
{
    return failover->is_possible || failover->follows_fence;
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
