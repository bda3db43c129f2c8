/* upgrade.h - worlds that begin with an older release: what it knows is what the product does at feature level 1,
 * without what came later; which machines have which. Design 5.3. */
#ifndef BW_SIM_UPGRADE_H
#define BW_SIM_UPGRADE_H

#include "world.h"

#define SIM_OLD_LEVEL 1 /* of the release before, 0.2.0 */

/* Every machine of a witness or site of this name has the newest release, and nothing older runs there. */
bool sim_upgrade_is_done(struct sim_world *world, const char *name);
/* Something of the process is of a release that does not know what its cluster is at: to be refused, or to end. */
bool sim_upgrade_is_too_old(const struct sim_process *process);

#endif
