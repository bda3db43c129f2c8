/* recovery.h - `breakwater recover`, and `snapshot save|restore`: the product's consensus/beginning.h on simulated
 * disks. Design 3.9. */
#ifndef BW_SIM_RECOVERY_H
#define BW_SIM_RECOVERY_H

#include "world.h"

/* The process of a witness whose machine runs is ended, and all that its disk has becomes the beginning of the next
 * generation, of which it is the only member. Then it starts. */
void sim_recover(struct sim_process *witness);

/* The state as a leader has applied it. NULL: no memory, or it leads no more. To be freed. */
struct sim_saved *sim_snapshot_save(const struct sim_process *leader);
void sim_saved_free(struct sim_saved *saved);
/* The same beginning from there, in a new directory with a new id on a machine of which nobody counts on what it has. */
void sim_snapshot_restore(struct sim_process *witness, const struct sim_saved *saved);

#endif
