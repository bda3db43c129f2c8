#!/bin/bash
# shellcheck disable=SC2015
# Makes this host the one that serves: nobody else has the image open, it is mapped for this host alone, mounted, Harbor is up
# and healthy, and the address is here; in that order. Exits 69 when it refuses before anything was changed.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

why=''
# Of a file system that cannot be mounted; it is unmapped by then.
LOOK="look first, with Harbor down at both sites: rbd device map --read-only $image, fsck -n of what that prints, rbd device unmap"

# What is mapped here must be of an earlier run of this script, whole; what was left half-way is given back.
take_over_own_map() {
    local own number
    look_at_mount || refuse "/proc/self/mountinfo cannot be read"
    if [ -z "$MOUNT" ]; then
        unmap "$RBD_CALL_TIMEOUT" || refuse "$DEVICE was left mapped, and $why"
        return
    fi
    own=$(own_client) || refuse "$DEVICE was mapped and mounted by somebody else: run stop.sh"
    number=$(number_of "$DEVICE") || refuse "stat does not say which device $DEVICE is"
    [ "$MOUNT" = "$number" ] || refuse "$HARBOR_DATA has another device than $DEVICE"
    [ -z "$READ_ONLY" ] || refuse "$HARBOR_DATA is read-only, after an error: run stop.sh"
    look_at_holders || refuse "Ceph does not say who has $image open: $problem"
    [ "$WATCHERS" = "$own" ] || refuse "this host's client $own is not the one that watches $image (${WATCHERS:-nobody}):" \
        "Ceph may refuse it; run stop.sh"
    # Its client is that epoch's, and a fence of that epoch may refuse it, however late.
    [ "$MARK" = "$BREAKWATER_EPOCH" ] || refuse "what is mounted here is of epoch $MARK: run stop.sh"
    is_mounted=yes
}

# Of this very host: an instance of its client is refused until it is unmapped, a whole address until a person takes it off.
judge_own_address() {
    local address barred
    blocklist ls || refuse "Ceph does not say whom it refuses: $problem"
    barred=$(awk '$1 ~ /:0\/0$/ { sub(/:0\/0$/, "", $1); print $1 }' <<<"$said" | tr -d '[]')
    for address in $(ip -o addr show | awk '{ sub(/\/.*/, "", $4); print $4 }'); do
        grep -qxF "$address" <<<"$barred" && refuse "Ceph refuses all of $address, which is this host's: once nothing of $image" \
            "is mapped here (rbd device list), a person takes it off with 'ceph osd blocklist rm $address:0/0'"
    done
    return 0
}

# At the first look. A person's override comes with the newest epoch that its own site has held, 0 where it never held one,
# and goes on in the newest that the image has seen, which is never lowered.
go_on_in_newest() {
    [ "${BREAKWATER_REASON:-}" = none ] && look_at_marks && [ "$MARK" -gt "$BREAKWATER_EPOCH" ] || return
    say "an override: it goes on in epoch $MARK"
    BREAKWATER_EPOCH=$MARK
}

judge_marks() {
    look_at_marks || { why="Ceph does not say which epochs $image has seen: $problem" && return 1; }
    [ "$MARK" -le "$BREAKWATER_EPOCH" ] || { why="epoch $MARK has $image, and $BREAKWATER_EPOCH is older" && return 1; }
    [ "$MARK" -lt "$BREAKWATER_EPOCH" ] || [ -z "$CLOSED" ] || [ "${BREAKWATER_REASON:-}" = none ] ||
        { why="epoch $BREAKWATER_EPOCH was closed from another site" && return 1; }
}

judge_image() {
    ceph_call rbd info "$image" --format json || refuse "Ceph does not know $image: $problem"
    [[ $said == *'"exclusive-lock"'* ]] || refuse "$image has no exclusive-lock, so two hosts could write to it:" \
        "'rbd feature enable $image exclusive-lock'"
}

# The words of rbd, and what to do.
advice() {
    case $problem in
    *"failed to add secret"*) echo "; a container's seccomp profile keeps it from the kernel's keyring: --security-opt seccomp=unconfined" ;;
    *"failed to load rbd kernel module"*) echo "; on the host: modprobe rbd" ;;
    *"feature set mismatch"* | *"No such device or address"*) echo "; the kernel lacks a feature of the image: dmesg, rbd feature disable" ;;
    *"Invalid argument"*) echo "; --exclusive wants Linux 4.12: dmesg" ;;
    *"Read-only file system"* | *"resource busy"*) echo "; another client holds its exclusive lock: rbd lock ls $image" ;;
    esac
}

give_back() {
    may_take "$RBD_CALL_TIMEOUT"
    unmap "$RBD_CALL_TIMEOUT" || why+="; and $why"
    fail "$1"
}

map() {
    may_take "$RBD_UMOUNT_TIMEOUT"
    within "$RBD_CALL_TIMEOUT" rbd "${access[@]}" device map --exclusive -o "$RBD_MAP_OPTIONS" "$image" ||
        fail "$image cannot be mapped: $problem$(advice)"
    look_at_map && [ -n "$DEVICE" ] || fail "$image was mapped, and rbd does not say where"
    look_at_holders && [ -n "$WATCHERS" ] || give_back "$image was mapped, and Ceph does not say who watches it"
    [[ $WATCHERS != *$'\n'* ]] || give_back "$image was mapped, and not this host alone watches it: ${WATCHERS//$'\n'/ }"
    printf '%s\n' "$WATCHERS" >"$CLIENT.new" && mv "$CLIENT.new" "$CLIENT" || give_back "$CLIENT cannot be written"
    # Whoever closed this epoch before now is seen here; whoever does from now on sees this client.
    judge_marks || give_back "$why"
}

mount_image() {
    local status number
    may_take "$RBD_UMOUNT_TIMEOUT"
    # What could not be told from others afterwards no stop and no fence would take off.
    number=$(number_of "$DEVICE") || give_back "stat does not say which device $DEVICE is"
    within "$RBD_CALL_TIMEOUT" blkid -p -o value -s TYPE "$DEVICE"
    status=$?
    # What it cannot read, or not tell, is no empty image: mkfs would destroy it.
    [ $status != 2 ] || [ -n "$said$problem" ] ||
        give_back "there is no file system on $image that blkid finds; $LOOK. On a new image, and no other: mkfs"
    [ $status = 0 ] && [ -n "$said" ] ||
        give_back "blkid does not say what is on $image (exit $status): ${problem:-no file system alone}; $LOOK"
    within "$RBD_UMOUNT_TIMEOUT" mount "$DEVICE" "$HARBOR_DATA" ||
        give_back "$image cannot be mounted: $problem; $LOOK"
    look_at_mount && [ "$MOUNT" = "$number" ] || fail "$DEVICE is not seen on $HARBOR_DATA"
    [ -z "$READ_ONLY" ] || fail "$HARBOR_DATA came up read-only: run stop.sh, and $LOOK"
}

settings_problem && refuse "$problem"
compose_problem && refuse "$problem"
traffic_problem && refuse "$problem"
[ -n "${BREAKWATER_EPOCH:-}" ] || refuse "BREAKWATER_EPOCH is not set"
data_problem && refuse "$problem"
is_mounted=''
may_take "$RBD_WATCHER_TIMEOUT"
look_at_map || refuse "rbd does not say what is mapped here: $problem"
go_on_in_newest
judge_marks || refuse "$why"
[ -z "$DEVICE" ] || take_over_own_map
if [ -z "$is_mounted" ]; then
    look_at_mount && [ -z "$MOUNT" ] || refuse "something else is mounted on $HARBOR_DATA"
    [ -z "$(ls -A "$HARBOR_DATA")" ] || refuse "$HARBOR_DATA is not empty below the mount: Harbor has run on the bare directory"
    seal
    judge_image
    judge_own_address
    add_mark started || refuse "Ceph does not keep the epoch: $problem"
    want_no_address
    bar_holders
    case $? in
    0) ;;
    "$NEWER_THERE") refuse "$why, and $BREAKWATER_EPOCH is older" ;;
    *) fail "$why; $image was not mapped" ;;
    esac
    judge_marks || fail "$why"
    map
    mount_image
fi
may_take "$HARBOR_START_TIMEOUT"
compose "$HARBOR_START_TIMEOUT" up -d || fail "Harbor does not come up: $problem"
note_containers anew
until is_healthy; do
    [ $SECONDS -lt "$latest" ] || fail "Harbor is not healthy after $HARBOR_START_TIMEOUT s: $HARBOR_HEALTH_URL"
    sleep 0.5
done
# shellcheck disable=SC2119
traffic || fail "Harbor is healthy here, and $HARBOR_VIP does not lead to it"
rm -f "$NO_ADDRESS" || say "$NO_ADDRESS cannot be removed: nobody will see whether the address goes"
