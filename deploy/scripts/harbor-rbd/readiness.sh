#!/bin/bash
# Exits 0 when this host could take over. There is one image and no copy, so the lag is none.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

settings_problem && fail "$problem"
compose_problem && fail "$problem"
[ -d "$HARBOR_DATA" ] || fail "HARBOR_DATA: there is no directory $HARBOR_DATA"
ip link show dev "$INTERFACE" >/dev/null 2>&1 || fail "INTERFACE: there is no interface '$INTERFACE'"
ceph_call rbd info "$image" --format json || fail "Ceph does not know $image: $problem"
[[ $said == *'"exclusive-lock"'* ]] || fail "$image has no exclusive-lock: 'rbd feature enable $image exclusive-lock'"
look_at_map || fail "rbd does not say what is mapped here: $problem"
own=$(cat "$RBD_RUN/client" 2>/dev/null)
if [ -n "$DEVICE" ] && [ -n "$own" ] && is_barred "$own"; then
    fail "Ceph refuses this host's client $own: run stop.sh"
fi
[ -d /sys/bus/rbd ] || say "the rbd module is not loaded: rbd loads it with the first map, if it may (modprobe rbd)"
echo lag_seconds=0
