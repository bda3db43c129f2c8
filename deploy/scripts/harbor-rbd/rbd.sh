# shellcheck shell=bash disable=SC2015,SC2034
# rbd.sh - what the scripts beside it know about a Harbor on one image of Ceph RBD: where the image is mapped and mounted,
# who has it open, which epochs it has seen, and which processes Harbor has here. Sourced.
#
# Settings come from the environment only; README.md lists them. Every call has a limit, which holds for what no signal
# ends as well (a process in state D), and each script may be killed at any point and run again.

set -u -o pipefail
umask 077
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

# Out of the environment before anything is started: neither Harbor nor any other program is to see it.
ceph_key=${CEPH_USER_KEY:-}
unset CEPH_USER_KEY

HARBOR_DIR=${HARBOR_DIR:-/opt/harbor}
HARBOR_PROJECT=${HARBOR_PROJECT:-harbor}
HARBOR_DATA=${HARBOR_DATA:-/data}
HARBOR_HEALTH_URL=${HARBOR_HEALTH_URL:-http://127.0.0.1/api/v2.0/health}
HARBOR_COMPOSE=${HARBOR_COMPOSE:-docker-compose}
HARBOR_TRAFFIC=${HARBOR_TRAFFIC:-keepalived}
DOCKER_ROOT=${DOCKER_ROOT:-/var/lib/docker}
RBD_RUN=${RBD_RUN:-/run/breakwater-rbd}
RBD_MAP_OPTIONS=${RBD_MAP_OPTIONS:-noshare}
RBD_CALL_TIMEOUT=${RBD_CALL_TIMEOUT:-15}
RBD_UMOUNT_TIMEOUT=${RBD_UMOUNT_TIMEOUT:-30}
RBD_WATCHER_TIMEOUT=${RBD_WATCHER_TIMEOUT:-60}
HARBOR_START_TIMEOUT=${HARBOR_START_TIMEOUT:-180}
HARBOR_STOP_TIMEOUT=${HARBOR_STOP_TIMEOUT:-60}
HARBOR_FENCE_TIMEOUT=${HARBOR_FENCE_TIMEOUT:-20}
export CEPH_CONF=${CEPH_CONF:-/dev/null}
NOTHING_CHANGED=69
NEWER_THERE=3
DID_NOT_END=124
BARRED_FOR_S=2592000
LOOK_S=3
image=${CEPH_POOL_NAME:-}/${CEPH_IMAGE_NAME:-}
marks_object=breakwater.${CEPH_IMAGE_NAME:-}
# Of this image, and of this project, alone: another group of this host may have the same RBD_RUN.
CLIENT=$RBD_RUN/client@${CEPH_POOL_NAME:-}@${CEPH_IMAGE_NAME:-}
OLDER_CLIENT=$RBD_RUN/client # as an older release has written it
CONTAINERS=$RBD_RUN/containers@$HARBOR_PROJECT
here=${BASH_SOURCE[0]%/*}
work='' runs=0 said='' problem='' latest=$((2 ** 31))

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Failed before anything was changed: the group may go back where it came from.
refuse() {
    say "$*; nothing was changed"
    exit "$NOTHING_CHANGED"
}

# ---- settings -------------------------------------------------------------------------------------------

# bad_name VARIABLE..., and so on: true when one of them is; then `problem` says it.
bad_name() {
    local name
    for name; do
        [ -n "${!name:-}" ] || { problem="$name is not set" && return 0; }
        [[ ${!name} =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$ ]] || { problem="$name: '${!name}' is no name" && return 0; }
    done
    return 1
}

bad_path() {
    local name
    for name; do
        [[ ${!name} =~ ^(/[A-Za-z0-9._-]+)+$ ]] || { problem="$name: '${!name}' is no path" && return 0; }
    done
    return 1
}

bad_timeout() {
    local name
    for name; do
        [[ $name != *_TIMEOUT || ${!name} =~ ^[1-9][0-9]{0,4}$ ]] ||
            { problem="$name: '${!name}' is no number of seconds" && return 0; }
    done
    return 1
}

# True when Harbor's processes cannot be told from others.
project_problem() {
    bad_name HARBOR_PROJECT || bad_path DOCKER_ROOT || bad_timeout HARBOR_FENCE_TIMEOUT
}

# True when what every script needs is wrong.
local_problem() {
    local tool
    project_problem || bad_name CEPH_POOL_NAME CEPH_IMAGE_NAME || bad_path HARBOR_DIR HARBOR_DATA RBD_RUN ||
        bad_timeout "${!RBD_@}" "${!HARBOR_@}" && return 0
    [ -x "$here/../traffic/$HARBOR_TRAFFIC.sh" ] ||
        { problem="HARBOR_TRAFFIC: '$HARBOR_TRAFFIC' is neither keepalived nor vip" && return 0; }
    for tool in rbd umount awk grep find mktemp curl; do
        command -v "$tool" >/dev/null || { problem="there is no '$tool' in $PATH" && return 0; }
    done
    mkdir -p "$RBD_RUN" && work=$(mktemp -d "$RBD_RUN/run.XXXXXX") ||
        { problem="RBD_RUN: nothing can be made in $RBD_RUN" && return 0; }
    trap 'rm -rf "$work"' EXIT
    find "$RBD_RUN" -maxdepth 1 -name 'run.*' -mmin +60 -exec rm -rf {} + # of scripts that were killed
    trap 'exit 1' HUP INT TERM
    return 1
}

# True when one of the nine variables is missing.
nine_problem() {
    local name
    for name in HARBOR_VERSION HARBOR_VIP CEPH_MON_HOST CEPH_USER CEPH_POOL_NAME CEPH_IMAGE_NAME KEEPALIVED_ROLE INTERFACE; do
        [ -n "${!name:-}" ] || { problem="$name is not set" && return 0; }
    done
    [ -n "$ceph_key" ] || { problem="CEPH_USER_KEY is not set" && return 0; }
    return 1
}

# True when what speaks to Ceph needs more, or the nine variables are wrong.
settings_problem() {
    local name host octet='[0-9]{1,3}(\.[0-9]{1,3}){3}' tool mode
    nine_problem || local_problem && return 0
    [[ $HARBOR_VERSION =~ ^v[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
        { problem="HARBOR_VERSION: '$HARBOR_VERSION' is no version, as v2.6.2" && return 0; }
    # shellcheck disable=SC2153
    [[ $HARBOR_VIP =~ ^($octet|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)(/[0-9]{1,3})?$ ]] ||
        { problem="HARBOR_VIP: '$HARBOR_VIP' is no address" && return 0; }
    for host in ${CEPH_MON_HOST//,/ }; do
        [[ $host =~ ^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$ ]] ||
            { problem="CEPH_MON_HOST: '$host' is no host; they stand apart by commas" && return 0; }
    done
    [[ $CEPH_MON_HOST != *[[:space:]]* ]] || { problem="CEPH_MON_HOST: hosts stand apart by commas alone" && return 0; }
    [[ $CEPH_USER =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$ && $CEPH_USER != client.* ]] ||
        { problem="CEPH_USER: '$CEPH_USER' is no user, without 'client.' before it" && return 0; }
    [[ $KEEPALIVED_ROLE =~ ^(master|backup)$ ]] ||
        { problem="KEEPALIVED_ROLE: '$KEEPALIVED_ROLE' is neither master nor backup" && return 0; }
    [[ ,$RBD_MAP_OPTIONS, == *,noshare,* && ,$RBD_MAP_OPTIONS, != *,share,* ]] ||
        { problem="RBD_MAP_OPTIONS: without noshare this host's maps share a client, and Ceph could refuse them only together" && return 0; }
    [[ $INTERFACE =~ ^[A-Za-z0-9._@-]{1,15}$ ]] || { problem="INTERFACE: '$INTERFACE' is no interface" && return 0; }
    [[ ${BREAKWATER_EPOCH:-0} =~ ^(0|[1-9][0-9]{0,17})$ ]] ||
        { problem="BREAKWATER_EPOCH: '$BREAKWATER_EPOCH' is no epoch" && return 0; }
    tool=''
    [ "$HARBOR_TRAFFIC" != vip ] || tool=arping
    for tool in ceph rados mount blkid ip "${HARBOR_COMPOSE%% *}" $tool; do
        command -v "$tool" >/dev/null || { problem="there is no '$tool' in $PATH" && return 0; }
    done
    if [[ $ceph_key == /* ]]; then
        name=$ceph_key
        [ -r "$name" ] || { problem="CEPH_USER_KEY: $name cannot be read" && return 0; }
        mode=$(stat -L -c %a "$name") && [ $((8#$mode & 8#077)) -eq 0 ] ||
            { problem="CEPH_USER_KEY: others may read or change $name (chmod 600)" && return 0; }
        IFS= read -r ceph_key <"$name"
    fi
    [[ $ceph_key =~ ^[A-Za-z0-9+/]{38}==$ ]] || { problem="CEPH_USER_KEY: that is no key of Ceph, nor a file with one" && return 0; }
    keyring=$work/keyring
    printf '[client.%s]\n\tkey = %s\n' "$CEPH_USER" "$ceph_key" >"$keyring" ||
        { problem="RBD_RUN: $keyring cannot be written" && return 0; }
    access=(-m "$CEPH_MON_HOST" --id "$CEPH_USER" --keyring "$keyring")
    return 1
}

# What the compose file of this host lacks. True: then `problem` says it.
compose_problem() {
    local file=$HARBOR_DIR/docker-compose.yml other
    [ -r "$file" ] || { problem="HARBOR_DIR: there is no $file" && return 0; }
    other=$(grep -oE "image: *['\"]?goharbor/[^ '\"]*" "$file" | grep -v ":$HARBOR_VERSION\$")
    [ -z "$other" ] ||
        { problem="HARBOR_VERSION is $HARBOR_VERSION, and $file has ${other%%$'\n'*}: its start would change the data" && return 0; }
    return 1
}

# Where the image cannot be mounted and then be seen: the kernel lists a mount by the path without links. True: then
# `problem` says it.
data_problem() {
    local path
    path=$(realpath "$HARBOR_DATA" 2>/dev/null) && [ -d "$path" ] ||
        { problem="HARBOR_DATA: there is no directory $HARBOR_DATA" && return 0; }
    [ "$path" = "$HARBOR_DATA" ] || { problem="HARBOR_DATA: $HARBOR_DATA is $path by a link: set it to that" && return 0; }
    return 1
}

# Where vip.sh would refuse at the end of a start, with Harbor up and nobody led here. True: then `problem` says it.
traffic_problem() {
    [[ $HARBOR_TRAFFIC == vip && $HARBOR_VIP != *:* && $(arping -V 2>&1) != *iputils* ]] &&
        problem="HARBOR_TRAFFIC: the arping here is not that of iputils (Debian: iputils-arping)"
}

# ---- calls ----------------------------------------------------------------------------------------------

# What follows may take so long, all in all.
may_take() {
    latest=$((SECONDS + $1))
}

# within SECONDS COMMAND...: its exit status; DID_NOT_END where it runs on after that, or after `latest`, also in state D: it is
# not waited for. `said` is what it printed, `problem` the end of what it said of an error.
within() {
    local end=$((SECONDS + $1 < latest ? SECONDS + $1 : latest)) pid out status
    shift
    [ $SECONDS -lt "$end" ] || { said='' problem="no time was left for $1" && return "$DID_NOT_END"; }
    runs=$((runs + 1))
    out=$work/$runs
    "$@" </dev/null >"$out" 2>"$out.error" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        if [ $SECONDS -ge "$end" ]; then
            kill -TERM "$pid" 2>/dev/null
            sleep 0.2
            kill -KILL "$pid" 2>/dev/null
            said='' problem="$1 did not end"
            return "$DID_NOT_END"
        fi
        sleep 0.05
    done
    wait "$pid" 2>/dev/null
    status=$?
    said=$(<"$out")
    problem=$(grep -v '^$' "$out.error" | tail -n 4 | paste -sd ' ')
    return $status
}

# look FUNCTION: sets `seen`, what it printed. 1: it did not end well, or not within LOOK_S, as where dockerd's disk hangs: then
# nobody waits for it. That it ended is a line of its own: of what was killed half-way nothing counts. It takes no file.
look() {
    local until=$((SECONDS + LOOK_S)) line fd pid
    seen=''
    exec {fd}< <(exec 2>/dev/null && "$@" && echo 'that is all')
    # To be killed, and never waited for: how it ended it says itself.
    pid=$!
    while [ $SECONDS -lt $until ] && IFS= read -r -t $((until - SECONDS)) line <&"$fd"; do
        [ "$line" != 'that is all' ] || { exec {fd}<&- && return 0; }
        seen+=${seen:+$'\n'}$line
    done
    exec {fd}<&-
    kill -KILL "$pid" 2>/dev/null
    return 1
}

ceph_call() {
    local program=$1
    shift
    within "$RBD_CALL_TIMEOUT" "$program" "${access[@]}" "$@"
}

# ---- here: the map, the mount, the processes -------------------------------------------------------------------

# Sets DEVICE: where the image is mapped on this host, or nothing. 1: nobody says.
look_at_map() {
    within "$RBD_CALL_TIMEOUT" rbd device list --format json || return 1
    [[ $said == '['* || $said == '{'* ]] || { problem="rbd device list says: '${said:0:80}'" && return 1; }
    DEVICE=$(tr '}' '\n' <<<"$said" | awk -v pool="\"pool\":\"$CEPH_POOL_NAME\"" -v image="\"name\":\"$CEPH_IMAGE_NAME\"" '
        index($0, pool) && index($0, image) && match($0, /"device":"[^"]*"/) { print substr($0, RSTART + 10, RLENGTH - 11) }')
}

# Sets MOUNT, the device (MAJOR:MINOR) that is mounted on HARBOR_DATA, or nothing; and READ_ONLY.
look_at_mount() {
    local line
    line=$(awk -v path="$HARBOR_DATA" '$5 == path { found = $3 " " $6 "," $NF } END { print found }' /proc/self/mountinfo) || return 1
    MOUNT=${line%% *}
    READ_ONLY=''
    [[ ,${line#* }, != *,ro,* ]] || READ_ONLY=yes
}

# The number of device $1 as mountinfo has it. 1: stat does not say. In hex, which each stat knows: %Hr is of coreutils 9.0, and an
# older one prints `?r` for it and ends well.
number_of() {
    local numbers
    numbers=$(stat -L -c '%t:%T' "$1") && [[ $numbers =~ ^([0-9a-f]{1,8}):([0-9a-f]{1,8})$ ]] || return 1
    echo "$((16#${BASH_REMATCH[1]})):$((16#${BASH_REMATCH[2]}))"
}

# True where what is mounted is the image, as look_at_map has seen it; else sets `problem`. What cannot be seen is not
# somebody else's.
is_own_mount() {
    local device number unseen=''
    for device in $DEVICE; do
        number=$(number_of "$device") || { unseen=$device && continue; }
        [ "$MOUNT" != "$number" ] || return 0
    done
    problem="what is mounted on $HARBOR_DATA is not $image"
    [ -z "$unseen" ] || problem="stat does not say which device $unseen is, and so nobody whether $image is mounted on $HARBOR_DATA"
    return 1
}

# `own ID` of the containers of the project, as dockerd's own files have them: dockerd need not answer. `unread FILE`: it is there and
# no whole object, as after a loss of power. dockerd replaces it as a whole, by a rename, and one that is not whole it does not load:
# what it cannot load it cannot start; `perhaps ID` where the file had not whose the container is, which may run. 1: they cannot be seen.
list_containers() {
    local root=$DOCKER_ROOT/containers folders folder file text label='"com.docker.compose.project":"'
    [ -d "$root" ] || { echo nowhere && return 1; }
    # Once more: one may have gone while it looked. The look proves itself by finding where it began.
    folders=$(find -H "$root" -maxdepth 1 -type d) || folders=$(find -H "$root" -maxdepth 1 -type d) || return 1
    [ "${folders%%$'\n'*}" = "$root" ] || return 1
    while IFS= read -r folder; do
        file=$folder/config.v2.json
        { text=$(<"$file"); } 2>/dev/null
        if [[ $text == *"$label$HARBOR_PROJECT\""* ]]; then
            echo "own ${folder##*/}"
        fi
        # None, or just removed, is nothing.
        if [[ $text == *'}' ]] || { [ -z "$text" ] && [ ! -s "$file" ]; }; then
            continue
        fi
        echo "unread $file"
        [[ $text == *"$label"* ]] || echo "perhaps ${folder##*/}"
    done <<<"$folders"
}

# The cgroups of the containers "$@", in every hierarchy. Below user@UID.service it is that user who makes them, of any name.
# Whether one of others has gone while find was in it does not matter; that it came to its end does: the last place where it
# looks is one that surely is.
list_cgroups() {
    local id path type rest mounts=() names=() found last=/proc/self/fd
    [ $# -gt 0 ] || return 0
    for id; do
        names+=(${names:+-o} -name "$id" -o -name "docker-$id.scope")
    done
    while read -r id path type rest; do
        [[ $type != cgroup && $type != cgroup2 ]] || mounts+=("$path")
    done </proc/self/mounts
    [ ${#mounts[@]} -gt 0 ] || return 1
    found=$(find "${mounts[@]}" "$last" -type d \( -path "$last" -prune -print -o -name 'user@*.service' -prune -o \
        \( "${names[@]}" \) -prune -print \) 2>/dev/null)
    [ $? -le 1 ] && [ "${found##*$'\n'}" = "$last" ] || return 1
    [ "$found" = "$last" ] || printf '%s\n' "${found%$'\n'*}"
}

# The processes below a cgroup; 0 for one of another pid namespace. 1: they cannot be seen.
list_processes() {
    local folders folder pid
    folders=$(find "$1" -type d 2>/dev/null)
    [ $? -le 1 ] && [ "${folders%%$'\n'*}" = "$1" ] || { [ ! -e "$1" ] && return; }
    while IFS= read -r folder; do
        while read -r pid; do
            echo "$pid"
        done 2>/dev/null <"$folder/cgroup.procs" || [ ! -e "$folder" ] || return 1
    done <<<"$folders"
}

# Those of the containers "$@".
list_processes_of() {
    local groups group
    groups=$(list_cgroups "$@") || return 1
    for group in $groups; do
        list_processes "$group" || return 1
    done
}

# What a start has noted of them, in memory.
list_noted() {
    local id
    [ -e "$CONTAINERS" ] || return 0
    while read -r id; do
        [[ ! $id =~ ^[0-9a-f]{64}$ ]] || echo "$id"
    done <"$CONTAINERS"
}

# sort_seen WORD: what `look list_containers` has seen of it.
sort_seen() {
    local line
    while IFS= read -r line; do
        [[ $line != "$1 "* ]] || printf '%s\n' "${line#* }"
    done <<<"$seen"
}

# Sets ON_DISK, those that dockerd has there; IDS, these and those that a start has noted; PROCESSES, what runs of them; UNREAD, the
# files that dockerd cannot load. 1: cannot look, or not in time; then `problem` says it, and they have what was seen.
look_at_containers() {
    local status=0 id alive
    look list_containers || status=1
    problem="the containers of $HARBOR_PROJECT cannot be looked at in $DOCKER_ROOT/containers"
    [ "$seen" != nowhere ] ||
        problem="there is no $DOCKER_ROOT/containers: dockerd has never run here, its disk is not mounted, or DOCKER_ROOT is not its --data-root"
    ON_DISK=$(sort_seen own) UNREAD=$(sort_seen unread)
    IDS=$(list_noted) || status=1
    IDS+=${IDS:+$'\n'}$ON_DISK
    # shellcheck disable=SC2086 # ids
    PROCESSES=$(list_processes_of $IDS) || return 1
    for id in $(sort_seen perhaps); do
        [[ $IDS != *"$id"* ]] || continue
        alive=$(list_processes_of "$id") || return 1
        [ -z "$alive" ] ||
            { problem="$DOCKER_ROOT/containers/$id/config.v2.json cannot be read, and that container runs, whosever it is: end it" && return 1; }
    done
    [ $status = 1 ] || problem=''
    return $status
}

# note_containers [anew]: what dockerd has of them. Without `anew` where none are noted: an older release has begun it.
note_containers() {
    local new=$CONTAINERS.$$ own
    look list_containers && own=$(sort_seen own) && [ -n "$own" ] && printf '%s\n' "$own" >"$new" || return 0
    if [ "${1:-}" = anew ]; then
        mv -f "$new" "$CONTAINERS"
    else
        ln "$new" "$CONTAINERS" 2>/dev/null # a start's own is better
        rm -f "$new"
    fi
}

# Ends the containers "$@" without dockerd.
kill_processes() {
    local group pid
    for group in $(list_cgroups "$@"); do
        echo 1 2>/dev/null >"$group/cgroup.kill" && continue
        for pid in $(list_processes "$group"); do
            [ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null
        done
    done
    return 0
}

# HEALTH is what it has answered: nothing, where it did not.
is_healthy() {
    HEALTH=$(curl -q -s -k --noproxy '*' --max-time 3 --max-filesize 65536 "$HARBOR_HEALTH_URL" | tr -d '[:space:]') || return 1
    [[ $HEALTH == *'"status":"healthy"'* && $HEALTH != *unhealthy* ]]
}

compose() {
    local limit=$1
    shift
    # shellcheck disable=SC2086
    within "$limit" $HARBOR_COMPOSE -p "$HARBOR_PROJECT" --project-directory "$HARBOR_DIR" \
        -f "$HARBOR_DIR/docker-compose.yml" "$@"
}

# Prints the address of this host's client, as its map has noted it.
own_client() {
    local own
    { read -r own <"$CLIENT" || read -r own <"$OLDER_CLIENT"; } 2>/dev/null && echo "$own"
}

# Where the image is mapped the address is to be here, but from the beginning of a stop or a fence to the end of a start: so
# long this is there. Whatever serves that no start of these scripts has begun wants it, too.
NO_ADDRESS=$RBD_RUN/no-address@${CEPH_POOL_NAME:-}@${CEPH_IMAGE_NAME:-}

want_no_address() {
    mkdir -p "$RBD_RUN" && touch "$NO_ADDRESS" ||
        say "$NO_ADDRESS cannot be written: readiness may miss the address meanwhile"
}

traffic() {
    TRAFFIC_VIP=${HARBOR_VIP:-} TRAFFIC_INTERFACE=${INTERFACE:-} "$here/../traffic/$HARBOR_TRAFFIC.sh" "$@"
}

# What dockerd begins by itself, at boot or after a fence, finds no place to write to below the mount: it ends there.
seal() {
    chattr +i "$HARBOR_DATA" 2>/dev/null ||
        say "$HARBOR_DATA cannot be made immutable: what dockerd begins by itself would write below the mount"
}

# Takes the file system of the image off, and no other; a second look counts, not the word of umount. 1: `why`.
unmount() {
    local latest=$((SECONDS + $1 < latest ? SECONDS + $1 : latest))
    while look_at_mount && [ -n "$MOUNT" ]; do
        look_at_map || { why="rbd does not say whether what is mounted on $HARBOR_DATA is $image: $problem" && return 1; }
        is_own_mount || { why="$problem: it stays" && return 1; }
        [ $SECONDS -lt "$latest" ] || { why="$HARBOR_DATA is busy: ${problem:-umount has no time left}" && return 1; }
        within "$1" umount "$HARBOR_DATA"
        if [ $? = "$DID_NOT_END" ]; then
            why="umount of $HARBOR_DATA hangs: what was written may still reach the image"
            return 1
        fi
        sleep 0.1
    done
    [ -z "${MOUNT-unknown}" ] || { why="/proc/self/mountinfo cannot be read" && return 1; }
}

# Gives the image back; a device that a file system still holds, in whatever namespace, is refused by the kernel.
unmap() {
    local latest=$((SECONDS + $1 < latest ? SECONDS + $1 : latest)) device='' refusal=''
    while look_at_map; do
        [ -n "$DEVICE" ] || { rm -f "$CLIENT" && return 0; }
        device=${DEVICE%%$'\n'*}
        within "$1" rbd device unmap "$device"
        [ $? != "$DID_NOT_END" ] || break
        refusal=$problem
        sleep 0.1
    done
    why="rbd does not say what is mapped here: $problem"
    [ -z "$device" ] || why="$device cannot be unmapped: ${refusal:-$problem}"
    return 1
}

# ---- Ceph: who has the image open, whom it refuses, which epochs it has seen -------------------------------------------

list_addresses() {
    grep -oE '"address": *"[^"]+"' <<<"$said" | sed -E 's/.*"([^"]+)"$/\1/'
    return 0 # also where there is none
}

# Sets WATCHERS, and LOCKERS, who has its exclusive lock; addresses. 1: nobody says.
look_at_holders() {
    ceph_call rbd status "$image" --format json || return 1
    [[ $said == *'"watchers"'* ]] || { problem="rbd status says: ${said:0:80}" && return 1; }
    WATCHERS=$(list_addresses)
    ceph_call rbd lock ls "$image" --format json || return 1
    [[ $said == '['* || $said == '{'* ]] || { problem="rbd lock ls says: ${said:0:80}" && return 1; }
    LOCKERS=$(list_addresses)
}

# Before Ceph 16 it has another name.
blocklist() {
    ceph_call ceph osd blocklist "$@" && return
    [[ $problem == *"no valid command"* || $problem == *EINVAL* ]] && ceph_call ceph osd blacklist "$@"
}

is_barred() {
    blocklist ls || return 2
    awk -v address="$1" '$1 == address { found = 1 } END { exit !found }' <<<"$said"
}

# The marks beside the image: a key EPOCH-STATE-SITE for each epoch that was started or closed. They are only ever added,
# so nobody's is lost; a start adds its own before it maps, a fence from another site before it looks who has it open. So one
# of the two sees the other, however late it comes. Sets MARK, the newest epoch, and CLOSED, whether that is closed. The epochs
# of a trial (breakwater-chaos scripts) begin with 1: they leave no mark, and no mark is held against them.
look_at_marks() {
    local key epoch
    MARK=-1 CLOSED=''
    ! is_trial || { MARK=$BREAKWATER_EPOCH && return 0; }
    ceph_call rados -p "$CEPH_POOL_NAME" listomapkeys "$marks_object" ||
        { [[ $problem == *"No such file"* ]] && said='' || return 1; }
    while read -r key; do
        [[ $key =~ ^(0|[1-9][0-9]{0,17})-(started|closed)-[A-Za-z0-9._-]+$ ]] || continue
        epoch=${key%%-*}
        [ "$epoch" -ge "$MARK" ] || continue
        [ "$epoch" -eq "$MARK" ] || CLOSED=''
        MARK=$epoch
        [[ $key != *-closed-* ]] || CLOSED=yes
    done <<<"$said"
}

is_trial() {
    [[ ${BREAKWATER_REACH:-} =~ ^trial-[0-9]+-(guard|agent)/ ]]
}

add_mark() {
    is_trial || ceph_call rados -p "$CEPH_POOL_NAME" setomapval "$marks_object" "$BREAKWATER_EPOCH-$1-${BREAKWATER_SITE:-none}" 1
}

# Whoever has the image open is refused by Ceph from here: who watches it, and is seen gone then, and who has its lock. A watch
# is forgotten 30 s after its client was cut off, the lock is not, and who maps exclusively has it: with neither nobody has the
# image open. An address names one map of one host: noshare. They are read before the marks: of an epoch newer than those nobody
# is among them, so what comes late hits no newer one. Sets REFUSED, those whom it has found. Returns 1 and `why`; NEWER_THERE.
bar_holders() {
    local holders address
    REFUSED=''
    while look_at_holders; do
        holders=$(sort -u <<<"$WATCHERS"$'\n'"$LOCKERS" | grep .) || return 0
        ! is_trial || { why="${holders//$'\n'/ } has $image open, and a trial has nobody refused" && return 1; }
        look_at_marks || { why="Ceph does not say which epochs $image has seen: $problem" && return 1; }
        [ "$MARK" -le "$BREAKWATER_EPOCH" ] || { why="epoch $MARK has $image" && return "$NEWER_THERE"; }
        REFUSED=${holders//$'\n'/ }
        for address in $holders; do
            is_barred "$address"
            case $? in
            0) continue ;;
            2) why="Ceph does not say whom it refuses: $problem" && return 1 ;;
            esac
            say "$address has $image open: Ceph is to refuse it"
            blocklist add "$address" "$BARRED_FOR_S" ||
                { why="Ceph does not take $address into its blocklist (mon 'profile rbd' of client.$CEPH_USER?): $problem" && return 1; }
            is_barred "$address" || { why="$address is not seen in the blocklist" && return 1; }
        done
        [ -n "$WATCHERS" ] || return 0
        sleep 0.3
    done
    why="Ceph does not say who has $image open: $problem"
    [ -z "$REFUSED" ] || why="$REFUSED may still have $image open, whom Ceph is to refuse: $problem"
    return 1
}
