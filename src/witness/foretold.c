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

bool bw_view_foretell_loss(const struct bw_operator_view *view, int group_index,
                           struct bw_foretold *out_foretold)
{
    struct bw_foretelling *room = malloc(sizeof *room);
    struct bw_leadership leadership = view->machine->leadership;

    if (room == NULL)
        return false;
    leadership.leads = true;
    bw_foretell_loss(&view->machine->cluster->groups[group_index],
                     &view->machine->watches[group_index], &leadership, view->now, room,
                     out_foretold);
    free(room);
    return out_foretold->acts;
}
