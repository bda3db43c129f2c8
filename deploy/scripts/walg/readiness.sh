#!/bin/bash
# Prints `lag_seconds=`, the age of the newest backup: what was written since may be lost, and breakwater goes by
# that (`max_lag` and `on_lag` of the group). Only where it would be restored: how far a volume goes that is left nobody
# can be asked. Exits 0 when a start could begin here: its settings are right, there is a backup, none older than
# WALG_AGE_MAX, and they reach back WALG_WINDOW_MIN seconds; or it has volumes of its own, and no backup is newer. The real
# window is said, whatever BACKUP_NUM_TO_RETAIN was meant to give.
. "${BASH_SOURCE[0]%/*}/walg.sh"

# shellcheck disable=SC2119
problem=$(walg_problem) || fail "$problem"
read_object || fail "the object $NAMESPACE/$OBJECT cannot be read"
! problem=$(object_problem) || fail "$problem"
[ "$(ask auth can-i patch "$KIND")" = yes ] || fail "no right to patch $KIND in $NAMESPACE"
if ! is_dormant; then
    pods=$(list_pods) || fail "its pods cannot be listed"
    members=$(look_at_members "$pods")
    address=$(primary_of "$members") || fail "it is not yet restored: $(open_members "$members")"
    echo "position=$(ask_database 3 "$address" "$POSTGRES_PORT" "SELECT pg_current_wal_lsn()")"
    exit 0
fi
read_clone || fail "the ConfigMap $WALG_CONFIGMAP_NAMESPACE/$WALG_CONFIGMAP cannot be read"
read_volumes || fail "its volumes, or what Patroni remembers, cannot be read"
find_backups || fail "nothing could be restored"
! problem=$(volume_problem) || fail "$problem"
if has_own_data; then
    say "it would go on with its own volumes, as they were left; no backup has ended since they were served last"
    exit 0
fi
if [ -z "$VOLUMES" ]; then
    # By two clocks: one that ended in the future says that they are apart, and not how old it is.
    if [ "$age" -gt 0 ]; then echo "lag_seconds=$age"; else say "no lag known: by this machine's clock $newest_name ends only now, or later"; fi
    echo "position=$newest_name"
fi
say "$count backups reach back $window s; the newest, $newest_name, ended $age s ago"
! problem=$(clone_problem) || fail "$problem"
[ "$WALG_AGE_MAX" = 0 ] || [ "$age" -le "$WALG_AGE_MAX" ] ||
    fail "the newest backup is $age s old, WALG_AGE_MAX is $WALG_AGE_MAX"
[ "$window" -ge "$WALG_WINDOW_MIN" ] ||
    fail "the backups reach back $window s, WALG_WINDOW_MIN is $WALG_WINDOW_MIN"
