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

# No PAM and no waiting parent: what is started is the child of this script. It is asked once who PG_OS_USER is: a check asks
# the server many times.
as_server() {
    if [ "$EUID" != 0 ]; then
        "$@"
        return
    fi
    HOME=$SERVER_HOME setpriv --reuid "$PG_OS_USER" --regid "$SERVER_GROUP" --init-groups -- "$@"
}
PG_OS_USER=${PG_OS_USER:-postgres}
[ "$EUID" != 0 ] || IFS=: read -r _ _ _ SERVER_GROUP _ SERVER_HOME _ <<<"$(getent passwd "$PG_OS_USER")"

# A host is no socket's directory: other scripts with the same variables ask there.
[[ ${PGHOST:-} == /* ]] || unset PGHOST
# Of a cluster of Debian's, what its own files say; what is set goes before that.
PG_CLUSTER=${PG_CLUSTER:-}
CLUSTER_CONF=${PG_CLUSTER_CONF_ROOT:-/etc/postgresql}/$PG_CLUSTER/postgresql.conf
UNIT=
CLUSTER_SETTINGS=
# By Debian's own reader, as the server has them: conf.d and ALTER SYSTEM have a word, too. Where it cannot read them, be it
# for one wrong line, as they stand: no fence waits until somebody has mended that.
read_cluster() {
    as_server timeout -k 0.1 2 pg_conftool "${PG_CLUSTER%/*}" "${PG_CLUSTER#*/}" show all 2>/dev/null || read_cluster_files
}
read_cluster_files() {
    cat "$CLUSTER_CONF" "${CLUSTER_CONF%/*}"/conf.d/*.conf 2>/dev/null
}
cluster_setting() {
    sed -n "s/^[[:blank:]]*$1[[:blank:]=]*'\{0,1\}\([^'#,[:blank:]]*\).*/\1/p" <<<"$CLUSTER_SETTINGS" | tail -n 1
}
GIVEN=("${PGDATA:-}" "${PGHOST:-}" "${PGPORT:-}")
# Sets where the server is, of CLUSTER_SETTINGS what was not given.
set_place() {
    PGDATA=${GIVEN[0]:-$(cluster_setting data_directory)}
    PGDATA=${PGDATA%/}
    PGHOST=${GIVEN[1]:-$(cluster_setting unix_socket_directories)}
    PGHOST=${PGHOST:-/var/run/postgresql}
    PGPORT=${GIVEN[2]:-$(cluster_setting port)}
    PGPORT=${PGPORT:-5432}
}
if [ -n "$PG_CLUSTER" ]; then
    CLUSTER_SETTINGS=$("${CLUSTER_READER:-read_cluster}") # set by fence.sh
    PG_LOG=${PG_LOG:-/var/log/postgresql/postgresql-${PG_CLUSTER/\//-}.log}
    # Where systemd runs, a cluster lives in its unit: what else started it would be stopped by that.
    [ ! -d /run/systemd/system ] || UNIT=postgresql@${PG_CLUSTER/\//-}.service
fi
set_place
PGUSER=${PGUSER:-$PG_OS_USER}
PG_BIN=${PG_BIN:-}
PG_LOG=${PG_LOG:-$PGDATA.log}
PG_OPTIONS=${PG_OPTIONS:-}
PEER_CONNINFO=${PEER_CONNINFO:-}
PG_APPLICATION_NAME=${PG_APPLICATION_NAME:-${BREAKWATER_SITE:-}}
read -ra SYNC_PEERS <<<"${PG_SYNC_PEER:-}"
read -ra SLOT_PEERS <<<"${PG_SLOTS:-}"
PG_SYNC_ALONE=${PG_SYNC_ALONE:-commit}
PG_START_TIMEOUT=${PG_START_TIMEOUT:-90}
PG_STOP_TIMEOUT=${PG_STOP_TIMEOUT:-90}
PG_TARGET_TIMEOUT=${PG_TARGET_TIMEOUT:-10}
PG_STREAM_TIMEOUT=${PG_STREAM_TIMEOUT:-5}
PG_REWIND_TIMEOUT=${PG_REWIND_TIMEOUT:-3000}
PG_FENCE_QUIT_MS=${PG_FENCE_QUIT_MS:-300}
# There while a rewind has begun and not ended: then nothing may start the server. Beside PGDATA,
# because pg_rewind deletes in it what its source does not have.
REWIND_DIR=$PGDATA.rewinding
# A new copy that is not in place yet: as it is made, and when it is whole.
COPY_DIR=$PGDATA.copying
COPIED_DIR=$PGDATA.copied
NOTHING_CHANGED=69
# In which the disk of PGDATA says what is there. A fence does not give up what that holds up (IS_PATIENT, set by fence.sh).
[ -z "${IS_PATIENT:=}" ] && DISK_S=2 || DISK_S=0.5
# In PGDATA of who was promoted: which promotion made its timeline. See mark_timeline.
PROMOTED=breakwater.promoted
# Likewise, of a server that runs: which run of it was asked to be promoted. See is_asked_to_promote.
PROMOTING=breakwater.promoting
PROMOTES= # set by start.sh
TURN= # the descriptor of take_turn

# Sets PEERS, a conninfo of each host of PEER_CONNINFO, which may name several as libpq has it:
# host=b,c port=5432,5433.
read_peers() {
    local word words hosts=() ports=() rest='' i
    read -ra words <<<"$PEER_CONNINFO"
    for word in "${words[@]}"; do
        case $word in
        host=*) IFS=, read -ra hosts <<<"${word#host=}" ;;
        port=*) IFS=, read -ra ports <<<"${word#port=}" ;;
        *) rest+=" $word" ;;
        esac
    done
    PEERS=()
    [ ${#hosts[@]} -gt 1 ] || { PEERS=(${PEER_CONNINFO:+"$PEER_CONNINFO"}) && return 0; }
    for i in "${!hosts[@]}"; do
        PEERS+=("host=${hosts[i]} port=${ports[i]:-${ports[0]:-5432}}$rest")
    done
}
read_peers

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

# left [MOST]: the seconds that this script has left of LIMIT, at least 1.
left() {
    local left=$((LIMIT - SECONDS))
    [ $left -le "${1:-$left}" ] || left=$1
    echo $((left > 0 ? left : 1))
}

# The name of a cluster says it, which takes no disk.
find_bin() {
    local pg_ctl version=${PG_CLUSTER%%/*}
    [ -z "$PG_BIN" ] || return 0
    [ -n "$version" ] || IFS= read -r -t "$DISK_S" version < <(exec 2>/dev/null && cat "$PGDATA/PG_VERSION")
    for pg_ctl in /usr/lib/postgresql/"$version"/bin/pg_ctl \
        "$(command -v pg_ctl)"; do
        [ -x "$pg_ctl" ] || continue
        PG_BIN=${pg_ctl%/*}
        return 0
    done
}
find_bin

# What a server says, before it is reckoned with: bash would run what an expression holds.
is_number() {
    [[ $1 =~ ^(0|[1-9][0-9]{0,17})$ ]]
}

# number_problem NAME LEAST MOST: what is wrong with it; success when nothing is.
number_problem() {
    [[ ${!1} =~ ^(0|[1-9][0-9]{0,5})$ ]] && [ "${!1}" -ge "$2" ] && [ "${!1}" -le "$3" ] ||
        { echo "$1 must be a whole number from $2 to $3, not '${!1}'" && return 1; }
}

# What keeps a script from finding the processes of this server; success when nothing does.
place_problem() {
    local has_version=''
    case $PG_CLUSTER in
    '') ;;
    *[!A-Za-z0-9_./-]* | */*/* | /* | */) echo "PG_CLUSTER must be VERSION/NAME, not '$PG_CLUSTER'" && return 1 ;;
    */*) [ -r "$CLUSTER_CONF" ] || { echo "there is no cluster $PG_CLUSTER: no $CLUSTER_CONF" && return 1; } ;;
    *) echo "PG_CLUSTER must be VERSION/NAME, not '$PG_CLUSTER'" && return 1 ;;
    esac
    case $PGDATA in
    /*) ;;
    *) echo "PGDATA must be an absolute path, not '$PGDATA'" && return 1 ;;
    esac
    IFS= read -r -t "$DISK_S" has_version < <(exec 2>/dev/null && [ -f "$PGDATA/PG_VERSION" ] && echo yes || echo no)
    [ "$has_version" != no ] || { echo "$PGDATA is no data directory (not mounted?)" && return 1; }
    [ -n "$has_version$IS_PATIENT" ] || { echo "the disk of $PGDATA does not answer" && return 1; }
    [ "$EUID" = 0 ] || [ "$(id -un)" = "$PG_OS_USER" ] ||
        { echo "must run as root or as $PG_OS_USER" && return 1; }
}

OLDEST_VERSION=14

# Which version's cluster PGDATA is, if the scripts cannot lead it; success when they can.
version_problem() {
    local version
    IFS= read -r -t "$DISK_S" version < <(exec 2>/dev/null && cat "$PGDATA/PG_VERSION")
    [[ ! $version =~ ^[0-9]+ ]] || [ "${BASH_REMATCH[0]}" -ge $OLDEST_VERSION ] ||
        { echo "$PGDATA is a cluster of PostgreSQL $version, and these scripts need $OLDEST_VERSION or newer: upgrade the" \
            "primary (pg_upgradecluster, or pg_upgrade), then make the standby anew (README.md, 'PostgreSQL 13')" && return 1; }
}

# What is wrong with the settings; success when nothing is.
settings_problem() {
    local name
    place_problem || return 1
    [ -x "$PG_BIN/postgres" ] ||
        { echo "no PostgreSQL programs found; set PG_BIN" && return 1; }
    [ -z "$UNIT" ] || [[ ${PG_CLUSTER#*/} != *-* ]] ||
        { echo "PG_CLUSTER: a '-' in the name of a cluster is a '/' to Debian's unit, which finds none such: pg_renamecluster" && return 1; }
    [ -z "$UNIT" ] || [ -z "${BREAKWATER_REACH:-}" ] || [ -n "$(reach_dir)" ] ||
        { echo "a server in $UNIT has no mark of the guard: that needs cgroups" && return 1; }
    case $PG_SYNC_ALONE in
    commit | wait) ;;
    *) echo "PG_SYNC_ALONE must be 'commit' or 'wait', not '$PG_SYNC_ALONE'" && return 1 ;;
    esac
    for name in "$PG_APPLICATION_NAME" "${SYNC_PEERS[@]}" "${SLOT_PEERS[@]}"; do
        case $name in
        *[!A-Za-z0-9_.-]*) echo "'$name' is no name: letters, digits, _ . -" && return 1 ;;
        esac
    done
    for name in "${SYNC_PEERS[@]}" "${SLOT_PEERS[@]}"; do
        [ "$name" != "$PG_APPLICATION_NAME" ] ||
            { echo "PG_SYNC_PEER and PG_SLOTS name the other sites, not this one, '$name'" && return 1; }
    done
    case $PEER_CONNINFO in
    *://* | *$'\n'*) echo "PEER_CONNINFO must be of the form 'host=… port=… user=…'" && return 1 ;;
    esac
    # It goes into argument lists and files.
    [[ ! $PEER_CONNINFO =~ password[[:blank:]]*= ]] ||
        { echo "PEER_CONNINFO must not have a password: ~/.pgpass has it, or a file that passfile= names" && return 1; }
    [ ${#SYNC_PEERS[@]} -le 1 ] || [ ${#SYNC_PEERS[@]} = ${#PEERS[@]} ] ||
        { echo "PG_SYNC_PEER must name the hosts of PEER_CONNINFO, in their order" && return 1; }
    number_problem PGPORT 1 65535 && number_problem PG_FENCE_QUIT_MS 0 1000 || return 1
    for name in START STOP TARGET STREAM REWIND; do
        number_problem "PG_${name}_TIMEOUT" 1 86400 || return 1
    done
}

# Why it cannot be written by which name this server streams, and whose its timeline is; success where it can.
name_problem() {
    [ -n "$PG_APPLICATION_NAME" ] ||
        { echo "PG_APPLICATION_NAME is not set, nor BREAKWATER_SITE, which the guard sets: by what name the peer knows this site" && return 1; }
}

# What a rejoin has begun and not ended, which only rejoin.sh goes on with; fails where there is none.
unfinished() {
    [ ! -e "$REWIND_DIR" ] || { echo "a rewind of $PGDATA has not come to its end" && return 0; }
    [ ! -e "$COPIED_DIR" ] || { echo "a new copy of $PGDATA is not in place yet" && return 0; }
    [ -s "$PGDATA/global/pg_control" ] || { echo "$PGDATA was never copied to its end" && return 0; }
    return 1
}

# take_turn HOW...: readiness.sh, which starts a standby that is down, takes the data directory for itself, and
# only where start.sh, stop.sh and rejoin.sh, which share it, are not at work. A fence waits for nobody: what
# comes up beside it is a standby.
take_turn() {
    exec {TURN}<"$PGDATA" && flock "$@" "$TURN"
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
        here= found_self=no programs=()
        while read -r at path; do
            [ "$path" != . ] || { here=$at && continue; }
            [ "$at" = "$here" ] || continue
            [ "$path" != "/proc/$$/cwd" ] || found_self=yes
            programs+=("${path%cwd}exe")
        done < <(stat -L -c "%d:%i %n" . /proc/[0-9]*/cwd 2>/dev/null)
        [ $found_self = yes ] || exit 1
        while IFS= read -r line; do
            [[ ${line% (deleted)*} =~ ^[^/]*/proc/([0-9]+)/exe.*/(postgres|postmaster)[^[:alnum:]_/]?$ ]] || continue
            while read -r key value; do
                [ "$key" != PPid: ] || { echo "${BASH_REMATCH[1]} $value" && break; }
            done 2>/dev/null <"/proc/${BASH_REMATCH[1]}/status"
        done < <(stat -c %N "${programs[@]}" 2>/dev/null)
        exit 0' list_processes
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

# The same of a server elsewhere: ask_at SECONDS CONNINFO SQL... What psql complains of, people are to read: where it does not
# let us in, it is not one that is away. Nobody is asked for a password.
ask_at() {
    local seconds=$1 conninfo=$2 sql arguments=()
    shift 2
    for sql in "$@"; do
        arguments+=(-c "$sql")
    done
    PGOPTIONS="-c statement_timeout=${seconds}s" as_server \
        timeout --foreground -k 1 "$seconds" "$PG_BIN/psql" -wXAtq -F ' ' -v ON_ERROR_STOP=1 \
        -d "$conninfo connect_timeout=2 dbname=postgres" "${arguments[@]}"
}

# The same of the peer; of several, of the one that is the primary, with two seconds more for each
# that is silent. Fails at once where no peer is known.
ask_peer() {
    local seconds=$1
    shift
    [ -n "$PEER_CONNINFO" ] || return 1
    ask_at $((seconds + 2 * (${#PEERS[@]} - 1))) "$(peer_conninfo)" "$@" 2>/dev/null
}

# is_peer_primary SECONDS: else sets PEER_SAYS, what is known instead.
is_peer_primary() {
    local words
    PEER_SAYS="PEER_CONNINFO is not set"
    [ -n "$PEER_CONNINFO" ] || return 1
    words=$(ask_at $(($1 + 2 * (${#PEERS[@]} - 1))) "$(peer_conninfo)" "SELECT pg_is_in_recovery()" 2>&1)
    case ${words##*$'\n'} in # a warning, of a file of passwords, say, comes before
    f) return 0 ;;
    t) PEER_SAYS="it is a standby" ;;
    *) PEER_SAYS=$(in_one_line "$words") ;;
    esac
    return 1
}

# What psql complained of; it is silent where it was ended before that.
in_one_line() {
    local line=${1//$'\n'/ }
    echo "${line:-silent}"
}

# As the peer, or the primary among several, is reached.
peer_conninfo() {
    local attributes=
    [ ${#PEERS[@]} -le 1 ] || attributes=' target_session_attrs=primary'
    printf '%s' "$PEER_CONNINFO$attributes"
}

# Asks each peer at once, for at most SECONDS: a line `NUMBER ANSWER` for each that answers. Of the others it is said why.
ask_each_peer() {
    local seconds=$1 i answer
    shift
    for i in "${!PEERS[@]}"; do
        if answer=$(ask_at "$seconds" "${PEERS[i]}" "$@" 2>&1); then
            echo "$i ${answer##*$'\n'}"
        else
            say "no word from ${PEERS[i]}: $(in_one_line "$answer")"
        fi &
    done
    wait
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

# Somebody answers where this server would, though nothing of this data directory was seen to run: sets
# directory, his, and WHY.
other_answers() {
    as_server timeout --foreground -k 1 2 "$PG_BIN/pg_isready" -q -t 1 -h "$PGHOST" -p "$PGPORT" 2>/dev/null
    [ $? -le 1 ] || return 1
    directory=$(ask 1 "SHOW data_directory") || directory=$(as_server sed -n 2p "$PGHOST/.s.PGSQL.$PGPORT.lock" 2>/dev/null)
    WHY="nothing of $PGDATA runs, and a server of ${directory:-an unknown directory} answers at $PGHOST:$PGPORT"
}

# The server's refusal, without psql's words before that: a screen shows the begin of a line.
words_of_refusal() {
    local words
    words=$(as_server timeout --foreground -k 1 1 "$PG_BIN/psql" -wXq -h "$PGHOST" -p "$PGPORT" -U "$PGUSER" -d postgres \
        -c "SELECT 1" 2>&1 >/dev/null | tr '\n' ' ')
    echo "${words#*"/.s.PGSQL.$PGPORT\" failed: "}"
}

# Sets SERVER, and WHY for people:
#   down      nothing of this data directory runs
#   other     nor does it, and another server answers in its place: is this the right directory?
#   standby   it answers and cannot commit
#   starting  a standby that does not let anybody in yet; it cannot commit either
#   primary   it answers and can commit
#   unknown   anything else, such as backends without a postmaster, silence, or a standby that was asked to be promoted (not to
#             start.sh, which asks)
look_at_server() {
    local processes pid parent postmaster answer recovering directory
    SERVER=unknown
    # Twice: a process may be born behind the reader of /proc as its parent dies.
    if ! processes=$(list_processes) || { [ -z "$processes" ] && ! processes=$(list_processes); }; then
        WHY="cannot see the processes of $PGDATA"
        return 0
    fi
    if [ -z "$processes" ]; then
        if memory_in_use; then
            WHY="its shared memory is in use"
        elif ! other_answers; then
            SERVER=down WHY="nothing runs"
        elif [ ! "$directory" -ef "$PGDATA" ]; then # else it has just come up
            SERVER=other
        fi
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
        t)
            SERVER=standby WHY="a standby"
            ! is_asked_to_promote ||
                SERVER=unknown WHY="a standby that was asked to be promoted, which only a shutdown takes back"
            ;;
        esac
        return 0
    fi
    WHY="it runs and does not answer"
    # The control file leaves this state before the first commit is possible. That the server says
    # `not yet` shows that it is alive; one that is silent stays unknown.
    as_server "$PG_BIN/pg_isready" -q -t 1 -h "$PGHOST" -p "$PGPORT"
    case $? in
    0) WHY+=" $PGUSER: $(words_of_refusal)" ;;
    1) [ ! -e "$PGDATA/standby.signal" ] || [ "$(control 'Database cluster state')" != "in archive recovery" ] || is_asked_to_promote ||
        SERVER=starting WHY="a standby that lets nobody in yet" ;;
    *) WHY+=" at $PGHOST:$PGPORT" ;;
    esac
}

# PostgreSQL takes no promotion back that it was asked for: who asked may be gone, or have given up, and it comes all the
# same, until the postmaster ends. So who asks writes down before which run of the server that is, as its lock file has it.
run_of_server() {
    as_server head -n 3 "$PGDATA/postmaster.pid" 2>/dev/null
}

is_asked_to_promote() {
    local asked
    [ -z "$PROMOTES" ] && [ -e "$PGDATA/$PROMOTING" ] || return 1
    asked=$(as_server cat "$PGDATA/$PROMOTING" 2>/dev/null) && [ -n "$asked" ] && [ "$asked" = "$(run_of_server)" ]
}

# Into PGDATA, whole or not at all.
write_note() { # NAME TEXT
    # shellcheck disable=SC2016
    as_server bash -c 'printf %s "$2" >"$1.new" && mv "$1.new" "$1"' write_note "$PGDATA/$1" "$2"
}

# ---- timelines ----------------------------------------------------------------------------------

# Of a primary, as a number.
TIMELINE_SQL="('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"

# Two servers that are promoted and do not know of each other take the same number for their timelines, and neither
# a walreceiver nor pg_rewind sees more than the number. So a primary writes beside its data `TIMELINE NAME UUID EPOCH`,
# once. A copy and a rewind take that along with the data; by replication it does not come. $1: its timeline.
mark_timeline() {
    local timeline=$1 mark
    is_number "$timeline" || return 1
    mark=$(promoted_to)
    [ "${mark%% *}" != "$timeline" ] || return 0
    # shellcheck disable=SC2016
    as_server bash -c 'printf "%s\n" "$2" >"$1.new" && sync "$1.new" && mv "$1.new" "$1"' mark_timeline \
        "$PGDATA/$PROMOTED" "$timeline $PG_APPLICATION_NAME $(</proc/sys/kernel/random/uuid) ${BREAKWATER_EPOCH:-0}"
}

promoted_to() {
    as_server cat "$PGDATA/$PROMOTED" 2>/dev/null
}

# Sets what the peer, a primary, says of itself: TIMELINE, END, how far it has written, and MARK.
look_at_peer() {
    read -r TIMELINE END MARK <<<"$(ask_peer 3 "SELECT $TIMELINE_SQL, pg_current_wal_flush_lsn(),
        convert_from(pg_read_binary_file('$PROMOTED', 0, 1000, true), 'UTF8')")"
    is_number "$TIMELINE" && lsn_number "$END" >/dev/null
}

# True where this data was promoted to the timeline of the peer, and the peer's was by another promotion: what
# both have written there differs, however it fits. After look_at_peer.
shares_only_number() {
    local mark
    mark=$(promoted_to)
    [ "${mark%% *}" = "$TIMELINE" ] && [ "$mark" != "$MARK" ]
}

# ---- standby ------------------------------------------------------------------------------------

# From here the server comes up as a standby, whoever starts it.
forbid_writing() {
    as_server touch "$PGDATA/standby.signal"
}

# The slot of a standby that has this name at the primary.
slot_of() {
    tr -c 'a-z0-9_\n' _ <<<"${1,,}"
}

# set_lines NAMES LINES: in the file of ALTER SYSTEM, which goes before all other files, LINES are what it says of NAMES, a pattern.
# The server is down, or reloads afterwards. With LOOKS it changes nothing, and fails where it says something else.
LOOKS=
set_lines() {
    ! has_lines "$@" || return 0
    [ -z "$LOOKS" ] || return 1
    # shellcheck disable=SC2016
    as_server bash -c '{ grep -v "$2" "$1" || [ $? = 1 ] || [ ! -e "$1" ]; } >"$1.new" && printf "%s${3:+\n}" "$3" >>"$1.new" &&
        sync "$1.new" && mv "$1.new" "$1"' set_lines "$PGDATA/postgresql.auto.conf" "^\($1\)[[:blank:]=]" "$2"
}

has_lines() {
    [ "$(grep "^\($1\)[[:blank:]=]" "$PGDATA/postgresql.auto.conf" 2>/dev/null)" = "$2" ]
}

# What a recovery to some moment has left (in a file, by a tool for backups, with a copy of such a server) a primary does not heed. A
# standby would take all that comes, confirm it, and replay no further than that moment, be promoted there, or promote itself.
# So each has none; nor a timeline that it stays on, nor a file, up to PostgreSQL 15, by which somebody else promotes it.
TARGETS=(recovery_target recovery_target_lsn recovery_target_name recovery_target_time recovery_target_xid)
replay_all() {
    local name version names='recovery_target_timeline\|promote_trigger_file' lines="recovery_target_timeline = 'latest'"
    IFS= read -r version <"$PGDATA/PG_VERSION" && is_number "$version" || return 1
    [ "$version" -ge 16 ] || lines+=$'\n'"promote_trigger_file = ''"
    for name in "${TARGETS[@]}"; do
        names+="\\|$name"
        lines+=$'\n'"$name = ''"
    done
    set_lines "$names" "$lines"
}

# Why this standby, as it was started, does not replay all that comes; success where it does, 2 where it does not say.
target_problem() {
    local target
    target=$(ask 3 "SELECT name || ' is ' || quote_literal(setting) FROM pg_settings
        WHERE name = ANY (string_to_array('${TARGETS[*]}', ' ')) AND setting <> '' LIMIT 1") ||
        { echo "it does not say whether it replays all that comes" && return 2; }
    [ -z "$target" ] || { echo "$target: it replays no further, and what comes after that would be lost" && return 1; }
}

# drop_target SECONDS: what a standby was started with it keeps for as long as it runs: it is started again. One that does not
# say is not ended for that. Sets WHY.
drop_target() {
    local problem=0
    WHY=$(target_problem) || problem=$?
    [ $problem = 1 ] || return $problem
    say "$WHY; it is started again"
    stop_server "$(left "$1")" || { WHY+="; it cannot be stopped in time" && return 1; }
    start_standby "$(left "$1")" || return 1
    WHY=$(target_problem)
}

# Makes the peer what a standby here follows, to its end. The server is down, or reloads afterwards.
follow_peer() {
    replay_all && name_peer
}

name_peer() {
    local conninfo lines names=primary_conninfo
    [ -n "$PEER_CONNINFO" ] || return 0
    conninfo="$(peer_conninfo) application_name=$PG_APPLICATION_NAME"
    # Of a walreceiver connect_timeout is not heeded: a silent host would keep it from the next for minutes.
    [ ${#PEERS[@]} -le 1 ] || conninfo+=" tcp_user_timeout=3000"
    lines="primary_conninfo = '${conninfo//\'/\'\'}'"
    if [ ${#SLOT_PEERS[@]} -gt 0 ]; then
        names+='\|primary_slot_name'
        lines+=$'\n'"primary_slot_name = '$(slot_of "$PG_APPLICATION_NAME")'"
    fi
    set_lines "$names" "$lines"
}

has_left_slot() {
    [ ${#SLOT_PEERS[@]} = 0 ] && has_lines primary_slot_name "primary_slot_name = '$(slot_of "$PG_APPLICATION_NAME")'"
}

# Makes a standby that runs follow by what is set now of the peer, of this site's name, of its slot: only where the peer, asked by that,
# is our primary and has the slot, so that no word that is mistyped ends what streams. Where nobody asks for slots any more, and it
# has none for us, ours goes, by which nothing streams. ADOPTED then says so. Fails where it cannot.
ADOPTED=
adopt_settings() {
    local slot our_primary changed=
    slot=$(slot_of "$PG_APPLICATION_NAME")
    our_primary="SELECT NOT pg_is_in_recovery() AND system_identifier = '$(control 'Database system identifier')' AND slots.has
        FROM pg_control_system(), (SELECT count(*) > 0 AS has FROM pg_replication_slots WHERE slot_name = '$slot') slots"
    if ! LOOKS=yes name_peer; then
        [ ${#SLOT_PEERS[@]} -gt 0 ] || our_primary=${our_primary/AND slots.has/}
        [ "$(ask_peer 2 "$our_primary")" != t ] || { name_peer && ADOPTED=yes changed=yes; } || return 1
    elif has_left_slot && [ "$(ask_peer 2 "${our_primary/slots.has/NOT slots.has}")" = t ]; then
        { set_lines primary_slot_name '' && ADOPTED=yes changed=yes; } || return 1
    fi
    LOOKS=yes replay_all || changed=yes
    replay_all || return 1
    [ -z "$changed" ] || ask 3 "SELECT pg_reload_conf()" >/dev/null
}

# The names of PG_SLOTS as an array of SQL's.
slots_sql() {
    local name text=
    for name in "${SLOT_PEERS[@]}"; do
        text+="${text:+,}$(slot_of "$name")"
    done
    printf "'{%s}'::text[]" "$text"
}

# On a primary: a slot for each standby, so that it keeps what they have not got. One whose WAL is
# gone all the same (max_slot_wal_keep_size) is made anew, for a new copy.
keep_slots() {
    local made name
    [ ${#SLOT_PEERS[@]} -gt 0 ] || return 0
    made=$(ask 3 "SELECT 'lost', slot_name, pg_drop_replication_slot(slot_name) FROM pg_replication_slots
            WHERE slot_name = ANY ($(slots_sql)) AND NOT active AND wal_status = 'lost'" \
        "SELECT pg_create_physical_replication_slot(wanted, true) FROM unnest($(slots_sql)) wanted
            WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = wanted)") || return 1
    # shellcheck disable=SC2013 # a slot's name has no blank
    for name in $(sed -n 's/^lost \([^ ]*\).*/\1/p' <<<"$made"); do
        say "the WAL of slot $name was gone (max_slot_wal_keep_size): made anew; its standby needs a new copy, by rejoin.sh there"
    done
}

# On a standby: a slot from when it was the primary would keep WAL for ever. Not on the way to a promotion: a primary
# that begins again still has in them what its standbys lack.
drop_slots() {
    [ ${#SLOT_PEERS[@]} -gt 0 ] || return 0
    ask 3 "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
        WHERE slot_name = ANY ($(slots_sql)) AND NOT active" >/dev/null ||
        say "cannot drop the slots that it had as a primary"
}

# The guard's place of what serves: the cgroup that its deadline empties. Empty: none, or the guard
# works without cgroups, or a person runs this.
reach_dir() {
    local mount path
    [ -n "${BREAKWATER_CGROUP:-}" ] && echo "$BREAKWATER_CGROUP" && return 0
    path=$(sed -n 's/^0:://p' /proc/self/cgroup)
    case $path in
    */breakwater-*/*/service | */breakwater-*/*/action | */breakwater-*/*/observe) path=${path%/*}/service ;;
    */breakwater-*/*/service/begun) ;;
    *) return 0 ;;
    esac
    mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
    echo "$mount$path"
}

# A server takes a lock file for held while a process with its number exists, though that be a dead
# one that nobody has waited for yet. Called only when nothing runs; another fence may do it at the same time.
drop_stale_locks() {
    local pid file port='' directory=''
    pid=$(postmaster_pid)
    [ -n "$pid" ] && [ -d "/proc/$pid" ] || return 0
    { read -r _ && read -r _ && read -r _ && read -r port && read -r directory; } 2>/dev/null \
        <"$PGDATA/postmaster.pid" || return 0
    for file in "$directory/.s.PGSQL.$port.lock" "$PGHOST/.s.PGSQL.$PGPORT.lock"; do
        [ "$(as_server head -n 1 "$file" 2>/dev/null)" != "$pid" ] || as_server rm -f "$file"
    done
    as_server rm -f "$PGDATA/postmaster.pid"
}

# By the log's name the server's directory may have anything, a link too: it is opened with the server's rights. Only
# where they do not reach one is made, where none was.
make_log() {
    as_server touch "$PG_LOG" 2>/dev/null || { (set -C && : >"$PG_LOG") 2>/dev/null && chown -h "$PG_OS_USER" "$PG_LOG"; } ||
        { say "PG_LOG: $PG_OS_USER cannot write $PG_LOG" && return 1; }
}

# Starts the server in the guard's reach, and waits: until it answers, or $1 seconds.
run_server() {
    local dir mark
    if [ -n "$UNIT" ]; then
        # start.sh brings it into the guard's reach before it may write.
        systemctl reset-failed "$UNIT" 2>/dev/null
        timeout -k 1 "$1" systemctl start "$UNIT" </dev/null
        return
    fi
    mark=${BREAKWATER_REACH-}
    mark=${mark%/*} # of whatever slot we run in, to that of what a start leaves
    mark=${BREAKWATER_REACH:+BREAKWATER_REACH=${mark%/served}/served/service}
    dir=$(reach_dir)
    (
        [ -z "$TURN" ] || exec {TURN}<&- # the server would keep it
        [ -z "$dir" ] || echo "$BASHPID" >"$dir/cgroup.procs" || exit 1
        make_log || exit 1
        # Debian's own command empties the environment: where the guard goes by the mark it is not used.
        if [ -n "$PG_CLUSTER" ] && { [ -n "$dir" ] || [ -z "$mark" ]; }; then
            as_server setsid -w pg_ctlcluster --skip-systemctl-redirect "${PG_CLUSTER%/*}" \
                "${PG_CLUSTER#*/}" start -- -t "$1"
        else
            as_server env ${mark:+"$mark"} setsid -w "$PG_BIN/pg_ctl" start -D "$PGDATA" -l "$PG_LOG" -w -t "$1" \
                -o "-p $PGPORT${PG_CLUSTER:+ -c config_file=$CLUSTER_CONF} $PG_OPTIONS"
        fi </dev/null >/dev/null
    )
}

# unit_state SECONDS: of the unit, once what systemd does with it is done: until then it does not take
# for its own what runs elsewhere than it began, nor is what it stops ours to start.
unit_state() {
    local state deadline=$((SECONDS + $1))
    while :; do
        state=$(timeout -k 1 5 systemctl show -p ActiveState "$UNIT") # -P is younger than Ubuntu 18.04
        state=${state#ActiveState=}
        case $state in
        activating | deactivating) ;;
        *) echo "$state" && return 0 ;;
        esac
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# stop_server SECONDS: a fast shutdown. A unit is told, too: once its server is gone it would stop
# the next one.
stop_server() {
    if [ -n "$UNIT" ] && [ "$(unit_state "$1")" = active ]; then
        timeout -k 1 "$1" systemctl stop "$UNIT" </dev/null
        return
    fi
    as_server "$PG_BIN/pg_ctl" stop -D "$PGDATA" -m fast -w -t "$1" >/dev/null
}

# What has come from the primary: what was received, or only written yet. Beside an idle one a receiver that begins where all was
# replayed before has received nothing, by its own word, until the next record comes: it had all that it writes.
# shellcheck disable=SC2034 # for who sources this
CAME_SQL="greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), coalesce((SELECT written_lsn FROM pg_stat_wal_receiver), '0/0'))"

# What PostgreSQL demands of a server that begins recovery: of none of these less than its control file has, which is what its
# last primary had. As pg_controldata names them, in its order, and as settings.
SIZES=(max_connections max_worker_processes max_wal_senders max_prepared_xacts max_locks_per_xact)
SIZE_SETTINGS=(max_connections max_worker_processes max_wal_senders max_prepared_transactions max_locks_per_transaction)
SIZES_SQL="SELECT current_setting('max_connections'), current_setting('max_worker_processes'), current_setting('max_wal_senders'),
    current_setting('max_prepared_transactions'), current_setting('max_locks_per_transaction')"

# The five as they are in the control file.
sizes_in_control() {
    control 'max_[a-z_]* setting' | paste -sd ' '
}

# is_lowered WHERE NUMBER...: true when the files of this server have less of one of them than there is WHERE. It is never started
# but as a standby, so it comes up no more. Sets WHY. Not known is no. Asked only once a start has failed: that may have more
# than the files say (pg_ctl.conf).
is_lowered() {
    local where=$1 i here options
    shift
    read -ra options <<<"${PG_CLUSTER:+-c config_file=$CLUSTER_CONF} $PG_OPTIONS"
    for i in "${!SIZE_SETTINGS[@]}"; do
        [ $# -gt 0 ] || return 1
        here=$(as_server timeout -k 1 3 "$PG_BIN/postgres" -D "$PGDATA" "${options[@]}" -C "${SIZE_SETTINGS[i]}" 2>/dev/null)
        if is_number "$here" && is_number "$1" && [ "$here" -lt "$1" ]; then
            WHY="${SIZE_SETTINGS[i]} is $here here and $1 $where, and PostgreSQL begins no recovery with less: raise it"
            return 0
        fi
        shift
    done
    return 1
}

# start_standby SECONDS: starts the server, in the guard's reach, and waits until it answers. SERVER
# says what came of it.
start_standby() {
    local deadline=$((SECONDS + $1))
    forbid_writing && follow_peer || return 1
    look_at_server
    [ "$SERVER" != down ] || drop_stale_locks || return 1
    run_server "$1" || say "it did not start, or takes longer than $1 s; see $PG_LOG"
    while :; do
        look_at_server
        [ "$SERVER" = standby ] && { [ -n "${KEEPS_SLOTS:-}" ] || drop_slots; } && return 0
        [ "$SERVER" = primary ] && say "it came up writable" && return 1
        # shellcheck disable=SC2046 # numbers
        [ "$SERVER" = down ] && { is_lowered "in the control file" $(sizes_in_control) || true; } && return 1
        [ $SECONDS -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# True while this server receives from the peer what the peer writes.
is_streaming() {
    [ "$(ask 3 "SELECT status FROM pg_stat_wal_receiver")" = streaming ]
}
