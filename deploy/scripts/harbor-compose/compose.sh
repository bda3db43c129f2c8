# shellcheck shell=bash disable=SC2015,SC2034,SC2119,SC2120
# compose.sh - what the scripts beside it know about one Harbor that docker-compose runs on this host: its settings, its
# containers and their cgroups, the gate that keeps what was ordered too late from starting, and its health. Sourced.
#
# Settings come from the environment only; README.md lists them. Every call that could wait has a limit, and each script
# may be killed at any point and run again.
#
# The gate: each container of a start mounts STATE/gates/TOKEN/door. TOKEN is a symbolic link; a stop and a fence let it
# point to /dev/null, in one rename, for good. From then on nobody can start such a container, whatever dockerd has in its
# hands and whenever it thaws: what it mounts is not there.

set -u -o pipefail
export LC_ALL=C

HARBOR_DIR=${HARBOR_DIR:-}
HARBOR_DIR=${HARBOR_DIR%/}
HARBOR_PROJECT=${HARBOR_PROJECT:-}
# docker-compose's own name for what lies in this folder.
if [ -z "$HARBOR_PROJECT" ]; then
    HARBOR_PROJECT=${HARBOR_DIR##*/}
    HARBOR_PROJECT=${HARBOR_PROJECT,,}
    HARBOR_PROJECT=${HARBOR_PROJECT//[!a-z0-9_-]/}
fi
HARBOR_STATE_DIR=${HARBOR_STATE_DIR:-/run/harbor-compose}
# Of this project alone: another group of this host has epochs, containers and gates of its own. An older release kept those
# of all projects in HARBOR_STATE_DIR itself, and what it has started may still serve: OLDER, where it did.
STATE=$HARBOR_STATE_DIR/project-${HARBOR_PROJECT//[!a-z0-9_-]/}
OLDER=
# The epochs of a trial (breakwater-chaos scripts) begin with 1 and say nothing of the group's: a place of their own.
if [[ ${BREAKWATER_REACH:-} =~ ^(trial-[0-9]+)-(guard|agent)/ ]]; then
    STATE+=/${BASH_REMATCH[1]}
elif [ -d "$HARBOR_STATE_DIR/gates" ]; then
    OLDER=$HARBOR_STATE_DIR
fi
HARBOR_HEALTH_URL=${HARBOR_HEALTH_URL:-http://127.0.0.1/api/v2.0/health}
HARBOR_CONNECT_TO=${HARBOR_CONNECT_TO:-}
[[ -z $HARBOR_CONNECT_TO || $HARBOR_CONNECT_TO =~ [^:]:[0-9]+$ ]] || HARBOR_CONNECT_TO+=: # the port of the URL
HARBOR_CA=${HARBOR_CA:-}
HARBOR_CALL_TIMEOUT=${HARBOR_CALL_TIMEOUT:-10}
DATABASE_HOST=${DATABASE_HOST:-}
DATABASE_PORT=${DATABASE_PORT:-}
REDIS_HOST=${REDIS_HOST:-}
DOCKER_ROOT=${DOCKER_ROOT:-/var/lib/docker}
EPOCH=${BREAKWATER_EPOCH:-0}
NOTHING_CHANGED=69
HEALTH_SECONDS=5
LOOK_SECONDS=5
GATES=$STATE/gates
SAID=()

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Failed before anything of the service was touched: the group may go back where it came from.
refuse() {
    say "$*; nothing was changed"
    exit "$NOTHING_CHANGED"
}

# within SECONDS FUNCTION [ARGUMENT...]: sets SAID, the lines that it printed. 1: it did not end well, or not in time, as where a
# disk hangs: then nobody waits for it. That it ended is a line of its own: of what was killed half-way nothing counts.
within() {
    local until=$((SECONDS + $1)) line fd pid
    shift
    SAID=()
    exec {fd}< <(exec 2>/dev/null && "$@" && echo 'that is all')
    # To be killed, and never waited for: how it ended it says itself.
    pid=$!
    while [ $SECONDS -lt $until ] && IFS= read -r -t $((until - SECONDS)) line <&"$fd"; do
        [ "$line" != 'that is all' ] || { exec {fd}<&- && return 0; }
        SAID+=("$line")
    done
    exec {fd}<&-
    kill -KILL "$pid" 2>/dev/null
    return 1
}

# What is wrong with the settings; empty and success when nothing is. "$@": more of them that are seconds.
settings_problem() {
    within "$LOOK_SECONDS" print_problem "$@" ||
        { echo "the disk of $HARBOR_DIR or of $DOCKER_ROOT does not answer" && return 1; }
    [ ${#SAID[@]} = 0 ] || { printf '%s\n' "${SAID[@]}" && return 1; }
}

print_problem() {
    find_problem "$@" || return 0
}

find_problem() {
    local name tool
    for tool in awk curl docker find ln mkdir mv timeout; do
        command -v "$tool" >/dev/null || { echo "there is no '$tool' in $PATH" && return 1; }
    done
    [ "$(id -u)" = 0 ] || { echo "must run as root: it ends processes of containers" && return 1; }
    [[ $HARBOR_DIR == /* ]] || { echo "HARBOR_DIR must be an absolute path, not '$HARBOR_DIR'" && return 1; }
    [ -f "$HARBOR_DIR/harbor.yml" ] || { echo "there is no $HARBOR_DIR/harbor.yml (not mounted?)" && return 1; }
    [[ $HARBOR_PROJECT =~ ^[a-z0-9][a-z0-9_-]{0,62}$ ]] ||
        { echo "HARBOR_PROJECT '$HARBOR_PROJECT' is no name of a compose project" && return 1; }
    [[ $HARBOR_STATE_DIR =~ ^/[A-Za-z0-9/._@-]+$ ]] ||
        { echo "HARBOR_STATE_DIR '$HARBOR_STATE_DIR' must be an absolute path: letters, digits, _ . @ -" && return 1; }
    [ -d "$DOCKER_ROOT/containers" ] ||
        { echo "there is no $DOCKER_ROOT/containers: DOCKER_ROOT is what 'docker info' calls Docker Root Dir" && return 1; }
    for name in DATABASE_HOST REDIS_HOST; do
        [[ ${!name} =~ ^[A-Za-z0-9._:,-]*$ ]] || { echo "$name '${!name}' is no host" && return 1; }
    done
    [ -n "$DATABASE_HOST" ] || { echo "DATABASE_HOST is not set: where Harbor at this site finds its database" && return 1; }
    [[ $DATABASE_PORT =~ ^[0-9]{0,5}$ ]] || { echo "DATABASE_PORT '$DATABASE_PORT' is no port" && return 1; }
    [ -z "$HARBOR_CA" ] || [ -r "$HARBOR_CA" ] || { echo "HARBOR_CA: $HARBOR_CA cannot be read" && return 1; }
    [[ $EPOCH =~ ^(0|[1-9][0-9]{0,17})$ ]] || { echo "BREAKWATER_EPOCH '$EPOCH' is no epoch" && return 1; }
    for name in HARBOR_CALL_TIMEOUT "$@"; do
        [[ ${!name} =~ ^[1-9][0-9]{0,5}$ ]] || { echo "$name '${!name}' is no number of seconds" && return 1; }
    done
}

# compose SECONDS ARGUMENT...: what it prints goes to stderr.
compose() {
    local seconds=$1 command
    shift
    read -ra command <<<"${COMPOSE:-$(command -v docker-compose || echo docker compose)}"
    (cd "$HARBOR_DIR" && exec timeout -k 5 "$seconds" "${command[@]}" -p "$HARBOR_PROJECT" \
        -f docker-compose.yml "$@" </dev/null)
}

ask_docker() {
    timeout -k 1 "$HARBOR_CALL_TIMEOUT" docker "$@" </dev/null
}

# Why dockerd is of no use: empty and success when it answers, and has its containers where they are looked for.
docker_problem() {
    local root
    root=$(ask_docker info -f '{{.DockerRootDir}}' 2>/dev/null) && [ -n "$root" ] ||
        { echo "dockerd does not answer" && return 1; }
    [ "$root" -ef "$DOCKER_ROOT" ] || { echo "DOCKER_ROOT is $DOCKER_ROOT, but docker info says $root" && return 1; }
}

# ---- its containers, without dockerd --------------------------------------------------------------------

# Sets TEXT to what is in file $1 of dockerd's; empty where there is none, or it has just been removed. 1: it is there, and
# what can be read of it is no whole object, as after a loss of power: dockerd replaces such a file as a whole (by a rename), and
# one that is not whole it does not load.
read_object() {
    { TEXT=$(<"$1"); } 2>/dev/null
    [[ $TEXT != *'}' ]] || return 0
    [ -n "$TEXT" ] || [ -s "$1" ] || return 0
    echo "unread $1"
    return 1
}

# list_mounted WORD: `WORD GATE` for each gate that is in TEXT.
list_mounted() {
    local rest token
    for token in "$GATES" ${OLDER:+"$OLDER/gates"}; do
        rest=$TEXT
        while [[ $rest == *"$token/"*/door* ]]; do
            rest=${rest#*"$token/"}
            echo "$1 $token/${rest%%/*}"
        done
    done
}

# What dockerd has on its disk of the containers of the project, where each is before its first start: `own ID`; `returning ID`
# of one that dockerd could start by itself (a restart policy, and no gate of its own that is closed); `mounted GATE`, and
# `foreign GATE` of a container of another project. `unread FILE`: what dockerd cannot load it cannot start; `perhaps ID` where
# the file had not whose the container is: it may run all the same. 1: it could not be seen.
list_disk() {
    local root=$DOCKER_ROOT/containers folders folder mounted project label='"com.docker.compose.project":"' is_own is_whole
    # Once more: one may have gone while it looked. The look proves itself by finding where it began.
    folders=$(find -H "$root" -maxdepth 1 -type d) || folders=$(find -H "$root" -maxdepth 1 -type d) || return 1
    [ "${folders%%$'\n'*}" = "$root" ] || return 1
    while IFS= read -r folder; do
        [ "$folder" != "$root" ] || continue
        project=foreign is_own='' is_whole=yes
        read_object "$folder/config.v2.json" || is_whole=''
        if [[ $TEXT == *"$label$HARBOR_PROJECT\""* ]]; then
            project=mounted is_own=yes
            echo "own ${folder##*/}"
        elif [ -z "$is_whole" ] && [[ $TEXT != *"$label"* ]]; then
            project=mounted
            echo "perhaps ${folder##*/}"
        fi
        read_object "$folder/hostconfig.json" || is_whole=''
        mounted=$(list_mounted "$project")
        [ -z "$mounted" ] || printf '%s\n' "$mounted"
        if [ -z "$is_own" ] || [ -z "$is_whole" ] || [ -z "$TEXT" ] ||
            [[ $TEXT == *'"RestartPolicy":{"Name":"no"'* || $TEXT == *'"RestartPolicy":{"Name":""'* ]]; then
            continue
        fi
        mounted=${mounted%%$'\n'*} && mounted=${mounted#* }
        [ -n "$mounted" ] && [ -L "$mounted" ] && ! is_open "$mounted" || echo "returning ${folder##*/}"
    done <<<"$folders"
}

# The cgroups of these containers, in every hierarchy. Below user@UID.service it is that user who makes them, of any name.
# Whether one of others has gone while find was in it does not matter; that it came to its end does: the last place where it
# looks is one that surely is.
list_cgroups() {
    local id path type rest mounts=() names=() found last=/proc/self/fd
    [ $# -gt 0 ] || return 0
    for id in "$@"; do
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

# Prints those of these cgroups in which a process is. 1: of one it cannot be seen; that is among them.
list_alive() {
    local dir key value populated pids status=0
    for dir in "$@"; do
        if [ -e "$dir/cgroup.events" ]; then
            populated=
            while read -r key value; do
                [ "$key" != populated ] || populated=$value
            done 2>/dev/null <"$dir/cgroup.events"
            [ -n "$populated" ] || [ ! -e "$dir" ] || { status=1 populated=1; }
            [ "${populated:-0}" = 0 ] || echo "$dir"
        else
            pids=$(list_processes "$dir") || { status=1 pids=unknown; }
            [ -z "$pids" ] || echo "$dir"
        fi
    done
    return $status
}

# The processes below a cgroup; 0 for one of another pid namespace. 1: it cannot be seen.
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

# signal_cgroups SIGNAL CGROUP...: their processes get it, one by one.
signal_cgroups() {
    local signal=$1 dir pid
    shift
    for dir in "$@"; do
        for pid in $(list_processes "$dir"); do
            [ "$pid" = 0 ] || kill "-$signal" "$pid" 2>/dev/null
        done
    done
    return 0
}

# The same with KILL, at once where the kernel can: cgroup version 2, from 5.14 on.
kill_cgroups() {
    local dir
    for dir in "$@"; do
        if [ -e "$dir/cgroup.kill" ]; then
            echo 1 2>/dev/null >"$dir/cgroup.kill"
            continue
        fi
        [ ! -e "$dir/freezer.state" ] || echo THAWED 2>/dev/null >"$dir/freezer.state"
        signal_cgroups KILL "$dir"
    done
}

# Prints what a start has noted of its containers, in memory.
list_noted() {
    local id
    [ -e "$STATE/ids" ] || return 0
    while read -r id; do
        [[ ! $id =~ ^[0-9a-f]{64}$ ]] || echo "$id"
    done <"$STATE/ids"
}

# All of it: the lines of list_disk, `noted ID`, `alive CGROUP`, one in which a process is, and `unclear ID` of a container that
# runs, and nobody says whose it is. 1: cannot look; what was seen is printed all the same.
list_all() {
    local disk noted id dir found cgroups=() alive status=0 ids=() perhaps=() unclear=''
    disk=$(list_disk) || status=1
    noted=$(list_noted) || status=1
    while read -r id; do
        [[ $id != 'own '* ]] || ids+=("${id#own }")
        [[ $id != 'perhaps '* || $noted == *"${id#perhaps }"* ]] || perhaps+=("${id#perhaps }")
    done <<<"$disk"
    # shellcheck disable=SC2206 # ids
    ids+=($noted)
    found=$(list_cgroups "${ids[@]}" "${perhaps[@]}") || status=1
    for dir in $found; do # none has a blank in it
        id=${dir##*/} id=${id#docker-} id=${id%.scope}
        [[ " ${perhaps[*]} " == *" $id "* ]] || { cgroups+=("$dir") && continue; }
        alive=$(list_alive "$dir") && [ -z "$alive" ] || unclear+="unclear $id"$'\n'
    done
    alive=$(list_alive "${cgroups[@]}") || status=1
    echo "$disk"
    # shellcheck disable=SC2086
    [ -z "$noted" ] || printf 'noted %s\n' $noted
    # shellcheck disable=SC2086
    [ -z "$alive" ] || printf 'alive %s\n' $alive
    [ -z "$unclear" ] || { echo "${unclear%%$'\n'*}" && status=1; }
    return $status
}

# Sets OWN, the ids of its containers that dockerd has; IDS, these and those that a start has noted; ALIVE, the cgroups in which
# processes of them are; RETURNING, those that dockerd could start by itself; MOUNTED, the gates that any container mounts, and
# FOREIGN, those of other projects; UNREAD, the files that dockerd cannot load. 1: cannot look, or not in time; then WHY says it,
# and they have what was seen.
look_at_containers() {
    local line status=0
    OWN=() IDS=() ALIVE=() RETURNING=() UNREAD=() MOUNTED='' FOREIGN='' IS_SEEN=''
    WHY="the containers of $HARBOR_PROJECT cannot be looked at"
    within "$LOOK_SECONDS" list_all || status=1
    for line in "${SAID[@]}"; do
        case $line in
        'own '*) OWN+=("${line#* }") IDS+=("${line#* }") ;;
        'noted '*) [[ " ${IDS[*]} " == *" ${line#* } "* ]] || IDS+=("${line#* }") ;;
        'alive '*) ALIVE+=("${line#* }") ;;
        'returning '*) RETURNING+=("${line#* }") ;;
        'mounted '*) MOUNTED+=" ${line#* } " ;;
        'foreign '*) MOUNTED+=" ${line#* } " FOREIGN+=" ${line#* } " ;;
        'unread '*) UNREAD+=("${line#* }") ;;
        'unclear '*)
            WHY+=": $DOCKER_ROOT/containers/${line#* }/config.v2.json cannot be read, and that container runs, whosever it is: end it"
            ;;
        esac
    done
    [ $status = 1 ] || IS_SEEN=yes
    return $status
}

# ---- epochs and the gate --------------------------------------------------------------------------------

# ended_epoch [FOLDER]: the newest that was ended here.
ended_epoch() {
    local epoch=0
    read -r epoch 2>/dev/null <"${1:-$STATE}/ended"
    echo "${epoch:-0}"
}

# Keeps in a folder that this epoch is over, and sees it kept.
note_end() {
    [ "$EPOCH" -gt "$(ended_epoch "$1")" ] || return 0
    { echo "$EPOCH" >"$1/ended.$$" && mv -f "$1/ended.$$" "$1/ended"; } 2>/dev/null
    [ "$(ended_epoch "$1")" = "$EPOCH" ]
}

# A person's override serves again in an epoch that is over; it has no reason of a grant's.
may_start() {
    [ "$EPOCH" -gt "$(ended_epoch)" ] || [ "${BREAKWATER_REASON:-}" = none ]
}

make_state() {
    [[ $STATE == /* ]] && mkdir -p "$GATES" "$STATE/open/door" && chmod 700 "$STATE"
}

# What is mounted through it is there.
is_open() {
    [ -d "$1/door" ]
}

# Each is seen closed.
close_gates() {
    local gate
    for gate in "$GATES"/* "$@"; do
        is_open "$gate" || continue
        ln -sfn /dev/null "$STATE/closed.$$" && mv -Tf "$STATE/closed.$$" "$gate" && ! is_open "$gate" || return 1
    done
}

# Prints the gates of an older release, but for those of other projects. 1: nobody says whose they are.
list_older() {
    local gate
    [ -n "$OLDER" ] || return 0
    [ -n "${IS_SEEN:-}" ] || look_at_containers || return 1
    for gate in "$OLDER/gates"/*; do
        [ ! -L "$gate" ] || [[ $FOREIGN == *" $gate "* ]] || echo "$gate"
    done
}

# The same of those, which takes a look at the disk.
close_older() {
    local older
    older=$(list_older) || return 1
    # shellcheck disable=SC2086 # none has a blank in it
    close_gates $older
}

# Prints the gates that are open: those of a start that has ended well (`started`), or of another one.
list_open() {
    local gate started='' older
    read -r started 2>/dev/null <"$STATE/started" || { [ -n "$OLDER" ] && read -r started 2>/dev/null <"$OLDER/started"; }
    older=$(list_older)
    for gate in "$GATES"/* $older; do
        ! is_open "$gate" || { [ "$1" = started ] && [ "$gate" != "$started" ]; } ||
            { [ "$1" = starting ] && [ "$gate" = "$started" ]; } || echo "$gate"
    done
}

# No start of this epoch or an older one begins from here: one that opened its gate before finds the epoch over, or its
# gate closed. Of both what can be done is done. A start of an older release looks into its own folder. Whose epoch is in that
# nobody knows, so none of it counts here: what was ended then had no start of these scripts.
end_epoch() {
    local status=0
    make_state || status=1
    if [ "${BREAKWATER_RESTART:-}" != true ]; then # else its site starts it again under this epoch
        note_end "$STATE" || status=1
        [ -z "$OLDER" ] || note_end "$OLDER" || status=1
    fi
    close_gates && return $status
}

# Closed gates that no container mounts are not needed any more. After a look that has read all.
remove_closed_gates() {
    local gate
    [ ${#UNREAD[@]} = 0 ] || return 0
    for gate in "$GATES"/* ${OLDER:+"$OLDER/gates"/*}; do
        [ ! -L "$gate" ] || is_open "$gate" || [[ $MOUNTED == *" $gate "* ]] || rm -f "$gate"
    done
}

# For a fence while the disk hangs: what serves, where no start of this release has noted it.
note_containers() {
    [ ${#OWN[@]} -gt 0 ] && make_state || return 0
    printf '%s\n' "${OWN[@]}" >"$STATE/ids.$$"
    if [ "${1:-}" = anew ]; then
        mv -f "$STATE/ids.$$" "$STATE/ids"
    else
        ln "$STATE/ids.$$" "$STATE/ids" 2>/dev/null # a start's own is better
        rm -f "$STATE/ids.$$"
    fi
}

# ---- health ---------------------------------------------------------------------------------------------

# healthy only when Harbor, and each of its components, says so; the code 200 is not enough. `unhealthy` is Harbor's word too.
health() {
    local body status words=(-q -s --noproxy '*' --connect-timeout 3 --max-time "$HEALTH_SECONDS" --max-filesize 65536)
    [ -z "$HARBOR_CONNECT_TO" ] || words+=(--connect-to "::$HARBOR_CONNECT_TO")
    [ -z "$HARBOR_CA" ] || words+=(--cacert "$HARBOR_CA")
    body=$(curl "${words[@]}" "$HARBOR_HEALTH_URL" </dev/null)
    status=$?
    case $status in
    0)
        # In bash alone: what a tool had failed to find would be no Harbor.
        body=${body//[[:space:]]/}
        if [[ $body != *'"status":"'* ]]; then
            echo "not Harbor's"
        elif [[ ${body//'"status":"healthy"'/} == *'"status":"'* ]]; then
            echo unhealthy
        else
            echo healthy
        fi
        ;;
    6 | 7 | 28) echo silent ;;
    *) echo "unclear (curl $status)" ;;
    esac
}

# ---- what it is -----------------------------------------------------------------------------------------

# Sets HARBOR to started, unhealthy (it runs, and its health says otherwise), stopped or unknown, and WHY for people.
look_at_harbor() {
    local said starting
    HARBOR=unknown
    look_at_containers || return 0
    said=$(health)
    if [ ${#ALIVE[@]} -gt 0 ]; then
        WHY="processes of $HARBOR_PROJECT run, and $HARBOR_HEALTH_URL is $said"
        case $said in
        healthy) HARBOR=started ;;
        unhealthy | "not Harbor's") HARBOR=unhealthy ;;
        esac
        return 0
    fi
    starting=$(list_open starting)
    if [[ $said == *healthy ]]; then
        WHY="a Harbor answers ($said) at $HARBOR_HEALTH_URL, and no process of $HARBOR_PROJECT runs: one of"
        WHY+=" HARBOR_PROJECT, DOCKER_ROOT, HARBOR_CONNECT_TO is wrong, or something else was started"
    elif [ -n "$starting" ]; then
        WHY="a start was begun, and nobody has seen its end"
    elif [ ${#RETURNING[@]} -gt 0 ]; then
        WHY="dockerd may start ${RETURNING[0]:0:12} by itself, which start.sh has not made: run stop.sh"
    else
        HARBOR=stopped WHY="no process of $HARBOR_PROJECT, and none is to come"
    fi
}

# ---- harbor.yml -----------------------------------------------------------------------------------------

# harbor_yml read|write FILE: reads, or prints with what is wanted, the host of each entry of `external_database` (and its
# port, where DATABASE_PORT is set) and of `external_redis`, as `KEY VALUE`. Only what Harbor's own template looks like is
# understood: blocks, one key a line; all else fails, and says at which line.
harbor_yml() {
    awk -v mode="$1" -v host="$DATABASE_HOST" -v port="$DATABASE_PORT" -v redis="$REDIS_HOST" '
    function bad(text) {
        print "harbor.yml:" NR ": " text > "/dev/stderr"
        failed = 1
        exit 1
    }
    # The line with its value taken out and, where there is one for it, another one put in.
    function one(name, wanted,    at, head, rest, tail, value, quote) {
        if (name in seen)
            bad(name " is there twice")
        seen[name] = 1
        at = index($0, ":")
        head = substr($0, 1, at)
        rest = substr($0, at + 1)
        tail = ""
        if (match(rest, /[ ]+#.*$/)) {
            tail = substr(rest, RSTART)
            rest = substr(rest, 1, RSTART - 1)
        }
        gsub(/^ +| +$/, "", rest)
        if (rest ~ /^"[^"\\]*"$/ || rest ~ /^\047[^\047]*\047$/)
            rest = substr(rest, 2, length(rest) - 2)
        if (rest !~ /^[A-Za-z0-9._:,-]+$/)
            bad(name " is no plain word")
        if (mode == "read")
            print name, rest
        quote = wanted ~ /^:|:$|::|,/ ? "\"" : ""
        if (wanted != "")
            $0 = head " " quote wanted quote tail
    }
    function key_of(text) {
        return match(text, /^[A-Za-z0-9_]+:( |$)/) ? substr(text, 1, index(text, ":") - 1) : ""
    }
    { line = $0 }
    /\r/ { bad("lines end with CR") }
    /^ *(#|$)/ { if (mode == "write") print; next }
    {
        match($0, /^ */)
        indent = RLENGTH
        text = substr($0, indent + 1)
        key = key_of(text)
        if (indent == 0) {
            section = entry = ""
            first = deep = 0
            if (text ~ /^["\047]?external_(database|redis)/) {
                if (text !~ /^external_(database|redis): *(#.*)?$/ || key in seen)
                    bad("`" substr(text, 1, 40) "`: one block is understood")
                seen[section = key] = 1
            }
        } else if (section != "") {
            if (text ~ /^\t/ || key == "")
                bad("one `key: value` is understood, not `" substr(text, 1, index(text ":", ":")) "`")
            if (!first)
                first = indent
            if (indent < first)
                bad("its indent fits nothing")
            if (section == "external_redis") {
                if (indent == first && key == "host")
                    one("external_redis.host", redis)
            } else if (indent == first) {
                if (text !~ /^[A-Za-z0-9_]+: *(#.*)?$/)
                    bad(key " is no block")
                entry = key
                deep = 0
                entries[entry] = 1
            } else {
                if (!deep)
                    deep = indent
                if (indent == deep && key == "host")
                    one("external_database." entry ".host", host)
                else if (indent == deep && key == "port" && (port != "" || mode == "read"))
                    one("external_database." entry ".port", port)
            }
        }
        if (mode == "write")
            print
    }
    END {
        if (failed)
            exit 1
        for (entry in entries) {
            count++
            if (!(("external_database." entry ".host") in seen))
                bad("external_database." entry " has no host")
        }
        if (!count)
            bad("there is no external_database: Harbor would use one of its own")
        if (("external_redis" in seen) && !("external_redis.host" in seen))
            bad("external_redis has no host")
    }' "$2"
}

# What harbor.yml lacks: prints the entries that are not as they are to be here; 1: it is not understood.
harbor_yml_differs() {
    local entries key value wanted
    entries=$(harbor_yml read "$1") || return 1
    while read -r key value; do
        case $key in
        external_database.*.host) wanted=$DATABASE_HOST ;;
        external_database.*.port) wanted=${DATABASE_PORT:-$value} ;;
        external_redis.host) wanted=$REDIS_HOST ;;
        esac
        [ "$value" = "$wanted" ] || echo "$key"
    done <<<"$entries"
}
