# shellcheck shell=bash disable=SC2034,SC2015
# server.sh - what the scripts beside it know about one PostgreSQL server: its settings, its
# processes, what it is, how it is asked, and how it is kept from coming up writable. Sourced.
#
# Settings come from the environment only; README.md lists them. Every call that could wait has a
# limit, and each script may be killed at any point and run again.

set -u -o pipefail
umask 077
export LC_ALL=C PGDATA
unset PGOPTIONS PGSERVICE PGDATABASE PGSSLMODE

PGDATA=${PGDATA:-}
PGDATA=${PGDATA%/}
PGHOST=${PGHOST:-/var/run/postgresql}
PGPORT=${PGPORT:-5432}
PG_OS_USER=${PG_OS_USER:-postgres}
PGUSER=${PGUSER:-$PG_OS_USER}
PG_BIN=${PG_BIN:-}
PG_LOG=${PG_LOG:-$PGDATA.log}
PG_OPTIONS=${PG_OPTIONS:-}
PEER_CONNINFO=${PEER_CONNINFO:-}
PG_APPLICATION_NAME=${PG_APPLICATION_NAME:-${BREAKWATER_SITE:-breakwater}}
PG_SYNC_PEER=${PG_SYNC_PEER:-}
# There while a rewind has begun and not ended: then nothing may start the server. Beside PGDATA,
# because pg_rewind deletes in it what its source does not have.
REWIND_DIR=$PGDATA.rewinding
NOTHING_CHANGED=69

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

find_bin() {
    local pg_ctl
    [ -n "$PG_BIN" ] && return 0
    for pg_ctl in /usr/lib/postgresql/"$(cat "$PGDATA/PG_VERSION" 2>/dev/null)"/bin/pg_ctl \
        "$(command -v pg_ctl)"; do
        [ -x "$pg_ctl" ] || continue
        PG_BIN=${pg_ctl%/*}
        return 0
    done
    return 1
}

# What is wrong with the settings; empty and success when nothing is.
settings_problem() {
    local name
    case $PGDATA in
    /*) ;;
    *) echo "PGDATA must be an absolute path, not '$PGDATA'" && return 1 ;;
    esac
    [ -f "$PGDATA/PG_VERSION" ] || { echo "$PGDATA is no data directory (not mounted?)" && return 1; }
    find_bin && [ -x "$PG_BIN/postgres" ] ||
        { echo "no PostgreSQL programs found; set PG_BIN" && return 1; }
    [ "$(id -u)" = 0 ] || [ "$(id -un)" = "$PG_OS_USER" ] ||
        { echo "must run as root or as $PG_OS_USER" && return 1; }
    for name in "$PG_APPLICATION_NAME" "$PG_SYNC_PEER"; do
        case $name in
        *[!A-Za-z0-9_.-]*) echo "'$name' is no name: letters, digits, _ . -" && return 1 ;;
        esac
    done
    case $PEER_CONNINFO in
    *://* | *$'\n'*) echo "PEER_CONNINFO must be of the form 'host=… port=… user=…'" && return 1 ;;
    esac
    return 0
}

# No PAM and no waiting parent: what is started is the child of this script.
as_server() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
        return
    fi
    HOME=$(getent passwd "$PG_OS_USER" | cut -d : -f 6) setpriv --reuid "$PG_OS_USER" \
        --regid "$(id -g "$PG_OS_USER")" --init-groups -- "$@"
}

# ---- processes ----------------------------------------------------------------------------------

# Prints `PID PARENT` of each server process of this data directory: postmaster, backends, and
# those that outlived their postmaster. All of them keep the directory as their working directory.
# Looked for as their own user, who may see them where root without CAP_SYS_PTRACE may not; the
# look proves itself by finding itself. Fails when it could not look.
list_processes() {
    # shellcheck disable=SC2016
    as_server bash -c '
        cd "$PGDATA" || exit 1
        here=$(stat -L -c %d:%i .) || exit 1
        found_self=no
        while read -r at path; do
            [ "$at" = "$here" ] || continue
            pid=${path#/proc/}
            pid=${pid%/cwd}
            [ "$pid" = $$ ] && found_self=yes
            exe=$(readlink "/proc/$pid/exe") || continue
            case ${exe% (deleted)} in
            */postgres | */postmaster)
                parent=
                while read -r key value; do
                    [ "$key" = PPid: ] && parent=$value && break
                done 2>/dev/null <"/proc/$pid/status"
                [ -n "$parent" ] && echo "$pid $parent" ;;
            esac
        done < <(stat -L -c "%d:%i %n" /proc/[0-9]*/cwd 2>/dev/null)
        [ $found_self = yes ]' list_processes
}

# The postmaster as the lock file has it; 0 without one.
postmaster_pid() {
    local pid=0
    [ -r "$PGDATA/postmaster.pid" ] && read -r pid <"$PGDATA/postmaster.pid"
    case $pid in
    '' | *[!0-9]*) pid=0 ;;
    esac
    echo "$pid"
}

# Somebody is attached to the shared memory of the last postmaster, wherever his working directory.
memory_in_use() {
    local pid id
    pid=$(postmaster_pid)
    id=$(sed -n '7{s/^ *[0-9]* *\([0-9]*\) *$/\1/p}' "$PGDATA/postmaster.pid" 2>/dev/null)
    [ -n "$id" ] || return 1
    awk -v id="$id" -v pid="$pid" 'NR > 1 && $2 == id && $5 == pid && $7 > 0 { used = 1 }
        END { exit !used }' /proc/sysvipc/shm
}

# ---- asking -------------------------------------------------------------------------------------

# ask SECONDS SQL...: one connection, each SQL a statement of its own, fields apart by a blank.
# Read by <<<"$(ask ...)": bash does not wait for <(...), and its psql would outlive the script.
ask() {
    local seconds=$1 sql arguments=()
    shift
    for sql in "$@"; do
        arguments+=(-c "$sql")
    done
    PGCONNECT_TIMEOUT=2 PGOPTIONS="-c statement_timeout=${seconds}s" as_server \
        timeout --foreground -k 1 "$seconds" "$PG_BIN/psql" -XAtq -F ' ' -v ON_ERROR_STOP=1 \
        -h "$PGHOST" -p "$PGPORT" -U "$PGUSER" -d postgres "${arguments[@]}" 2>/dev/null
}

# The same of the peer. Fails at once where no peer is known.
ask_peer() {
    local seconds=$1 sql arguments=()
    shift
    [ -n "$PEER_CONNINFO" ] || return 1
    for sql in "$@"; do
        arguments+=(-c "$sql")
    done
    PGOPTIONS="-c statement_timeout=${seconds}s" as_server \
        timeout --foreground -k 1 "$seconds" "$PG_BIN/psql" -XAtq -F ' ' -v ON_ERROR_STOP=1 \
        -d "$PEER_CONNINFO connect_timeout=2 dbname=postgres" "${arguments[@]}" 2>/dev/null
}

# A line of the control file, by its name.
control() {
    as_server "$PG_BIN/pg_controldata" -D "$PGDATA" 2>/dev/null | sed -n "s/^$1: *//p"
}

# A position as a number that can be compared; fails on anything else.
lsn_number() {
    [[ $1 =~ ^([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})$ ]] || return 1
    echo $((16#${BASH_REMATCH[1]} << 32 | 16#${BASH_REMATCH[2]}))
}

# ---- what it is ---------------------------------------------------------------------------------

# Sets SERVER, and WHY for people:
#   down      nothing of this data directory runs
#   standby   it answers and cannot commit
#   starting  a standby that does not let anybody in yet; it cannot commit either
#   primary   it answers and can commit
#   unknown   anything else, such as backends without a postmaster, or silence
look_at_server() {
    local processes pid parent postmaster answer recovering directory
    SERVER=unknown
    # Twice: a process may be born behind the reader of /proc as its parent dies.
    if ! processes=$(list_processes) || { [ -z "$processes" ] && ! processes=$(list_processes); }; then
        WHY="cannot see the processes of $PGDATA"
        return 0
    fi
    if [ -z "$processes" ]; then
        WHY="its shared memory is in use"
        memory_in_use || { SERVER=down && WHY="nothing runs"; }
        return 0
    fi
    postmaster=$(postmaster_pid)
    while read -r pid parent; do
        [ "$pid" = "$postmaster" ] || [ "$parent" = "$postmaster" ] ||
            { WHY="process $pid has no postmaster" && return 0; }
    done <<<"$processes"
    answer=$(ask 3 "SELECT pg_is_in_recovery(), current_setting('data_directory')")
    if read -r recovering directory <<<"$answer" && [ -n "$directory" ]; then
        [ "$directory" -ef "$PGDATA" ] ||
            { WHY="the server at $PGHOST:$PGPORT is of $directory, not of $PGDATA" && return 0; }
        case $recovering in
        f) SERVER=primary WHY="a primary" ;;
        t) SERVER=standby WHY="a standby" ;;
        esac
        return 0
    fi
    WHY="it runs and does not answer"
    # The control file leaves this state before the first commit is possible. That the server says
    # `not yet` shows that it is alive; one that is silent stays unknown.
    as_server "$PG_BIN/pg_isready" -q -t 1 -h "$PGHOST" -p "$PGPORT"
    if [ $? = 1 ] && [ -e "$PGDATA/standby.signal" ] &&
        [ "$(control 'Database cluster state')" = "in archive recovery" ]; then
        SERVER=starting WHY="a standby that lets nobody in yet"
    fi
}

# ---- standby ------------------------------------------------------------------------------------

# From here the server comes up as a standby, whoever starts it.
forbid_writing() {
    as_server touch "$PGDATA/standby.signal"
}

# Makes the peer what a standby here follows. The server is down, or reloads afterwards.
follow_peer() {
    local file=$PGDATA/postgresql.auto.conf wanted
    [ -n "$PEER_CONNINFO" ] || return 0
    wanted="primary_conninfo = '${PEER_CONNINFO//\'/\'\'} application_name=$PG_APPLICATION_NAME'"
    [ "$(grep '^primary_conninfo' "$file" 2>/dev/null)" = "$wanted" ] && return 0
    # shellcheck disable=SC2016
    as_server bash -c '{ grep -v "^primary_conninfo" "$1"; printf "%s\n" "$2"; } >"$1.new" &&
        sync "$1.new" && mv "$1.new" "$1"' follow_peer "$file" "$wanted"
}

# The guard's place of what serves: the cgroup that its deadline empties. Empty: none, or the guard
# works without cgroups, or a person runs this.
reach_dir() {
    local mount path
    [ -n "${BREAKWATER_CGROUP:-}" ] && echo "$BREAKWATER_CGROUP" && return 0
    path=$(sed -n 's/^0:://p' /proc/self/cgroup)
    case $path in
    */breakwater-*/*/service | */breakwater-*/*/action | */breakwater-*/*/observe) ;;
    *) return 0 ;;
    esac
    mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
    echo "$mount${path%/*}/service"
}

# A server takes a lock file for held while a process with its number exists, though that be a dead
# one that nobody has waited for yet. Called only when nothing runs.
drop_stale_locks() {
    local pid file port directory
    pid=$(postmaster_pid)
    [ -d "/proc/$pid" ] || return 0
    { read -r _ && read -r _ && read -r _ && read -r port && read -r directory; } \
        <"$PGDATA/postmaster.pid"
    for file in "$directory/.s.PGSQL.$port.lock" "$PGHOST/.s.PGSQL.$PGPORT.lock"; do
        [ "$(head -n 1 "$file" 2>/dev/null)" != "$pid" ] || rm -f "$file"
    done
    rm -f "$PGDATA/postmaster.pid"
}

# start_standby SECONDS: starts the server, in the guard's reach, and waits until it answers. SERVER
# says what came of it.
start_standby() {
    local dir mark deadline=$((SECONDS + $1))
    mark=${BREAKWATER_REACH-}
    mark=${mark%/*} # of whatever slot we run in, to that of what a start leaves
    mark=${BREAKWATER_REACH:+BREAKWATER_REACH=${mark%/served}/served/service}
    forbid_writing && follow_peer || return 1
    look_at_server
    [ "$SERVER" != down ] || drop_stale_locks || return 1
    dir=$(reach_dir)
    (
        [ -z "$dir" ] || echo "$BASHPID" >"$dir/cgroup.procs" || exit 1
        : >>"$PG_LOG" && { [ "$(id -u)" != 0 ] || chown "$PG_OS_USER" "$PG_LOG"; } || exit 1
        as_server env ${mark:+"$mark"} setsid -w "$PG_BIN/pg_ctl" start -D "$PGDATA" -l "$PG_LOG" -w -t "$1" \
            -o "-p $PGPORT $PG_OPTIONS" </dev/null >/dev/null
    ) || say "pg_ctl start failed or takes longer than $1 s; see $PG_LOG"
    while :; do
        look_at_server
        [ "$SERVER" = standby ] && return 0
        [ "$SERVER" = primary ] && say "it came up writable" && return 1
        [ "$SERVER" = down ] && return 1
        [ $SECONDS -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# True while this server receives from the peer what the peer writes.
is_streaming() {
    [ "$(ask 3 "SELECT status FROM pg_stat_wal_receiver")" = streaming ]
}
