# shellcheck shell=bash disable=SC2015,SC2034,SC2119,SC2120
# compose.sh - what the scripts beside it know about one Harbor that docker-compose runs on this host: its settings, its
# containers and their cgroups, the gate that keeps what was ordered too late from starting, and its health. Sourced.
#
# Settings come from the environment only; README.md lists them. Every call that could wait has a limit, and each script
# may be killed at any point and run again.
#
# The gate: each container of a start mounts HARBOR_STATE_DIR/gates/TOKEN/door. TOKEN is a symbolic link; a stop and a fence
# let it point to /dev/null, in one rename, for good. From then on nobody can start such a container, whatever dockerd has
# in its hands and whenever it thaws: what it mounts is not there.

set -u -o pipefail
export LC_ALL=C

HARBOR_DIR=${HARBOR_DIR:-}
HARBOR_DIR=${HARBOR_DIR%/}
HARBOR_PROJECT=${HARBOR_PROJECT:-}
HARBOR_STATE_DIR=${HARBOR_STATE_DIR:-/run/harbor-compose}
# The epochs of a trial (breakwater-chaos scripts) begin with 1 and say nothing of the group's: a place of their own.
[[ ! ${BREAKWATER_REACH:-} =~ ^(trial-[0-9]+)-(guard|agent)/ ]] || HARBOR_STATE_DIR+=/${BASH_REMATCH[1]}
HARBOR_HEALTH_URL=${HARBOR_HEALTH_URL:-http://127.0.0.1/api/v2.0/health}
HARBOR_CONNECT_TO=${HARBOR_CONNECT_TO:-}
HARBOR_CA=${HARBOR_CA:-}
HARBOR_CALL_TIMEOUT=${HARBOR_CALL_TIMEOUT:-10}
DATABASE_HOST=${DATABASE_HOST:-}
DATABASE_PORT=${DATABASE_PORT:-}
REDIS_HOST=${REDIS_HOST:-}
DOCKER_ROOT=${DOCKER_ROOT:-/var/lib/docker}
EPOCH=${BREAKWATER_EPOCH:-0}
NOTHING_CHANGED=69
HEALTH_SECONDS=5
GATES=$HARBOR_STATE_DIR/gates

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

# What is wrong with the settings; empty and success when nothing is. "$@": more of them that are seconds.
settings_problem() {
    local name tool
    for tool in awk curl docker find mv timeout; do
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

# docker-compose's own name for what lies in this folder.
if [ -z "$HARBOR_PROJECT" ]; then
    HARBOR_PROJECT=${HARBOR_DIR##*/}
    HARBOR_PROJECT=${HARBOR_PROJECT,,}
    HARBOR_PROJECT=${HARBOR_PROJECT//[!a-z0-9_-]/}
fi

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

# The id of each container of the project that dockerd has on its disk, where it is before the first start of it.
list_containers() {
    local file text
    [ -d "$DOCKER_ROOT/containers" ] || return 1
    for file in "$DOCKER_ROOT"/containers/*/config.v2.json; do
        text=$(cat "$file" 2>/dev/null) || continue # none, or it has just been removed
        [[ $text != *"\"com.docker.compose.project\":\"$HARBOR_PROJECT\""* ]] || basename "${file%/*}"
    done
}

# The cgroups of these containers, in every hierarchy. Below user@UID.service it is that user who makes them, of any name.
list_cgroups() {
    local id mounts names=()
    [ $# -gt 0 ] || return 0
    for id in "$@"; do
        names+=(${names:+-o} -name "$id" -o -name "docker-$id.scope")
    done
    mapfile -t mounts < <(awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts)
    [ ${#mounts[@]} -gt 0 ] || return 1
    find "${mounts[@]}" -type d \( -name 'user@*.service' -prune -o \( "${names[@]}" \) -prune -print \) 2>/dev/null
    return 0 # a cgroup of others has gone while find was in it
}

# Prints those of these cgroups in which a process is.
list_alive() {
    local dir
    for dir in "$@"; do
        if [ -e "$dir/cgroup.events" ]; then
            ! grep -q '^populated 1' "$dir/cgroup.events" 2>/dev/null || echo "$dir"
        else
            [ -z "$(list_processes "$dir")" ] || echo "$dir"
        fi
    done
}

# The processes below a cgroup; 0 for one of another pid namespace.
list_processes() {
    find "$1" -name cgroup.procs -exec cat {} + 2>/dev/null
}

# signal_cgroups SIGNAL CGROUP...: their processes get it, one by one.
signal_cgroups() {
    local signal=$1 dir pids
    shift
    for dir in "$@"; do
        pids=$(list_processes "$dir" | grep -vx 0)
        # shellcheck disable=SC2086 # numbers
        [ -z "$pids" ] || kill "-$signal" $pids 2>/dev/null
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

# Sets IDS, and ALIVE, the cgroups in which processes of them are; 1: cannot look.
look_at_containers() {
    local ids cgroups
    ids=$(list_containers) || return 1
    mapfile -t IDS < <(printf '%s\n' "$ids" "$(cat "$HARBOR_STATE_DIR/ids" 2>/dev/null)" | grep -xE '[0-9a-f]{64}' | sort -u)
    cgroups=$(list_cgroups "${IDS[@]}") || return 1
    # shellcheck disable=SC2086 # none has a blank in it
    mapfile -t ALIVE < <(list_alive $cgroups)
}

# Prints the containers that dockerd could start by itself: a restart policy, and no gate of theirs that is closed.
list_returning() {
    local id text token
    for id in "$@"; do
        text=$(cat "$DOCKER_ROOT/containers/$id/hostconfig.json" 2>/dev/null) || continue
        [[ $text != *'"RestartPolicy":{"Name":"no"'* && $text != *'"RestartPolicy":{"Name":""'* ]] || continue
        token=$(grep -oE "$GATES/[^/\"]+/door" <<<"$text" | head -n 1)
        token=${token%/door}
        [ -n "$token" ] && [ -L "$token" ] && ! is_open "$token" || echo "$id"
    done
}

# ---- epochs and the gate --------------------------------------------------------------------------------

ended_epoch() {
    local epoch=0
    read -r epoch 2>/dev/null <"$HARBOR_STATE_DIR/ended"
    echo "${epoch:-0}"
}

# A person's override serves again in an epoch that is over; it has no reason of a grant's.
may_start() {
    [ "$EPOCH" -gt "$(ended_epoch)" ] || [ "${BREAKWATER_REASON:-}" = none ]
}

make_state() {
    [[ $HARBOR_STATE_DIR == /* ]] && mkdir -p "$GATES" "$HARBOR_STATE_DIR/open/door" && chmod 700 "$HARBOR_STATE_DIR"
}

is_open() {
    [ "$(readlink "$1")" = ../open ]
}

close_gates() {
    local gate
    for gate in "$GATES"/*; do
        ! is_open "$gate" || { ln -sfn /dev/null "$HARBOR_STATE_DIR/closed.$$" &&
            mv -Tf "$HARBOR_STATE_DIR/closed.$$" "$gate"; } || return 1
    done
}

# Prints the gates that are open: those of a start that has ended well (`started`), or of another one.
list_open() {
    local gate started
    started=$(cat "$HARBOR_STATE_DIR/started" 2>/dev/null)
    for gate in "$GATES"/*; do
        ! is_open "$gate" || { [ "$1" = started ] && [ "$gate" != "$started" ]; } ||
            { [ "$1" = starting ] && [ "$gate" = "$started" ]; } || echo "$gate"
    done
}

# No start of this epoch or an older one begins from here: one that opened its gate before finds the epoch over, or its
# gate closed. Of both what can be done is done.
end_epoch() {
    local status=0
    make_state || status=1
    if [ "$EPOCH" -gt "$(ended_epoch)" ]; then
        { echo "$EPOCH" >"$HARBOR_STATE_DIR/ended.$$" &&
            mv -f "$HARBOR_STATE_DIR/ended.$$" "$HARBOR_STATE_DIR/ended"; } 2>/dev/null || status=1
    fi
    close_gates && return $status
}

# Closed gates that no container mounts are not needed any more.
remove_closed_gates() {
    local gate
    for gate in "$GATES"/*; do
        [ ! -L "$gate" ] || is_open "$gate" ||
            grep -qsF "$gate/" "$DOCKER_ROOT"/containers/*/hostconfig.json || rm -f "$gate"
    done
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
        body=$(tr -d ' \n\r\t' <<<"$body" | grep -oE '"status":"[^"]*"' | sort -u)
        case $body in
        '"status":"healthy"') echo healthy ;;
        '') echo "not Harbor's" ;;
        *) echo unhealthy ;;
        esac
        ;;
    6 | 7 | 28) echo silent ;;
    *) echo "unclear (curl $status)" ;;
    esac
}

# ---- what it is -----------------------------------------------------------------------------------------

# Sets STATE to started, stopped or unknown, and WHY for people.
look_at_harbor() {
    local said returning
    STATE=unknown
    look_at_containers || { WHY="the containers of $HARBOR_PROJECT cannot be looked at" && return 0; }
    said=$(health)
    if [ ${#ALIVE[@]} -gt 0 ]; then
        WHY="processes of $HARBOR_PROJECT run, and $HARBOR_HEALTH_URL is $said"
        [ "$said" != healthy ] || STATE=started
        return 0
    fi
    returning=$(list_returning "${IDS[@]}")
    if [[ $said == *healthy ]]; then
        WHY="a Harbor answers ($said) at $HARBOR_HEALTH_URL, and no process of $HARBOR_PROJECT runs: one of"
        WHY+=" HARBOR_PROJECT, DOCKER_ROOT, HARBOR_CONNECT_TO is wrong, or something else was started"
    elif [ -n "$(list_open starting)" ]; then
        WHY="a start was begun, and nobody has seen its end"
    elif [ -n "$returning" ]; then
        WHY="dockerd may start ${returning:0:12} by itself, which start.sh has not made: run stop.sh"
    else
        STATE=stopped WHY="no process of $HARBOR_PROJECT, and none is to come"
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
