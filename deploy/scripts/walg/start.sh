#!/bin/bash
# Restores the database from the newest backup: checks by which settings before anything is changed, gives the
# cluster its instances, says how far it is, waits until a transaction was written, and takes the settings of the
# restore away. Volumes of its own that are newer than any backup it serves as they were left. Ends well only of what goes
# as far as the backup. Exits 69 when it refuses before anything was changed.
. "${BASH_SOURCE[0]%/*}/walg.sh"

# shellcheck disable=SC2119
problem=$(walg_problem) || refuse "$problem"
# shellcheck disable=SC2034
START_SECONDS=$POSTGRES_START_TIMEOUT deadline=$((SECONDS + POSTGRES_START_TIMEOUT)) why='' said_at=0
begin_epoch
! problem=$(object_problem) || refuse "$problem"
promised=$PROMISED RESTORES=yes
if is_dormant; then
    read_clone || refuse "the ConfigMap $WALG_CONFIGMAP_NAMESPACE/$WALG_CONFIGMAP cannot be read"
    read_volumes || refuse "its volumes, or what Patroni remembers, cannot be read"
    has_own_data || ! problem=$(clone_problem) || refuse "$problem"
    if find_backups; then
        ! problem=$(volume_problem) || refuse "$problem"
    elif ! has_own_data; then
        refuse "nothing can be restored"
    elif [ "${BREAKWATER_REASON:-}" != none ]; then
        refuse "whether a backup has more than its own volumes nobody says: only a person's override serves them now"
    fi
    if has_own_data; then
        RESTORES=no
        say "on its own volumes, as they were left: nothing is restored"
    else
        promised=$newest_lsn
        say "from $newest_name, which ended $age s ago: what was written since may be lost"
    fi
else
    ! read_volumes || ! has_own_data || RESTORES=no
    find_backups || say "how far a restore is will not be said"
fi
claim_epoch "$(annotation underway yes)" "$(annotation promised "$promised")" "$(annotation served '')"
open_database say_progress
until address=$(primary_of "$(look_at_members "$(list_pods)")") && position=$(position_at "$address"); do
    why="nobody says how far its data goes"
    next_look_inside
done
# At once: it writes, and would come to go as far.
keeps_promise "$position" || fail "$address can be written to, and goes less far than the backup that was to be restored"
until remove_clone; do
    why="the CLONE_ settings cannot be removed from $WALG_CONFIGMAP_NAMESPACE/$WALG_CONFIGMAP"
    next_look_inside
done
end_start "$(annotation underway '')"
