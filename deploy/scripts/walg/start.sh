#!/bin/bash
# Restores the database from the newest backup: checks by which settings before anything is changed, gives the
# cluster its instances, says how far it is, waits until a transaction was written, and takes the settings of the
# restore away. Exits 69 when it refuses before anything was changed.
. "${BASH_SOURCE[0]%/*}/walg.sh"

# shellcheck disable=SC2119
problem=$(walg_problem) || refuse "$problem"
# shellcheck disable=SC2034
START_SECONDS=$POSTGRES_START_TIMEOUT deadline=$((SECONDS + POSTGRES_START_TIMEOUT)) why='' said_at=0
begin_epoch
if is_dormant; then
    read_clone || refuse "the ConfigMap $WALG_CONFIGMAP_NAMESPACE/$WALG_CONFIGMAP cannot be read"
    ! problem=$(clone_problem) || refuse "$problem"
    find_backups || refuse "nothing can be restored"
    say "from $newest_name, which ended $age s ago: what was written since may be lost"
else
    find_backups || say "how far a restore is will not be said"
fi
open_database say_progress
until remove_clone; do
    why="the CLONE_ settings cannot be removed from $WALG_CONFIGMAP_NAMESPACE/$WALG_CONFIGMAP"
    next_look_inside
done
end_start "$(annotation underway '')"
