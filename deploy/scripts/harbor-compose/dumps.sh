# shellcheck shell=bash disable=SC2015,SC2034,SC2119,SC2154
# dumps.sh - what the scripts beside it know about dumps of Harbor's databases: a folder for each, named by when it was
# begun, with NAME.dump for each database that harbor.yml names. It gets its name once all were read back. Sourced.
#
# PGHOST, PGPORT, PGUSER, PGPASSFILE and the like are libpq's own: no password is in an argument. Its programs run as
# PG_OS_USER, as those of the postgresql set do, whom Debian's pg_hba.conf lets in by the socket.

. "${BASH_SOURCE[0]%/*}/compose.sh" || exit 1

HARBOR_DUMP_DIR=${HARBOR_DUMP_DIR:-}
HARBOR_DUMP_TIMEOUT=${HARBOR_DUMP_TIMEOUT:-600}
RESTORED='breakwater: restored from'
PG_OS_USER=${PG_OS_USER:-postgres}
# By it Debian's programs know port and socket of the cluster; where PGHOST is set they do not look at it.
[ -z "${PG_CLUSTER:-}" ] || export PGCLUSTER=$PG_CLUSTER
SERVER="PostgreSQL at ${PGHOST:-the socket}${PGPORT:+:$PGPORT}${PG_CLUSTER:+ ($PG_CLUSTER)}"
deadline=10 # of what is asked before a script has its own

# Sets DATABASES and OWNERS.
dumps_problem() {
    local tool name owner
    settings_problem HARBOR_DUMP_TIMEOUT "$@" || return 1
    for tool in psql pg_dump pg_restore flock setpriv; do
        command -v "$tool" >/dev/null || { echo "there is no '$tool' in $PATH" && return 1; }
    done
    id "$PG_OS_USER" >/dev/null 2>&1 || { echo "PG_OS_USER: there is no user '$PG_OS_USER' here" && return 1; }
    [ -z "${PGPASSFILE:-}" ] || as_owner test -r "$PGPASSFILE" ||
        { echo "PGPASSFILE: the user $PG_OS_USER cannot read $PGPASSFILE, and has to own it" && return 1; }
    [[ $HARBOR_DUMP_DIR == /* ]] && [ -d "$HARBOR_DUMP_DIR" ] ||
        { echo "HARBOR_DUMP_DIR '$HARBOR_DUMP_DIR' is no folder (not mounted?)" && return 1; }
    harbor_yml read "$HARBOR_DIR/harbor.yml" >/dev/null || { echo "harbor.yml is not understood" && return 1; }
}

# `DATABASE OWNER` of each entry of external_database.
list_databases() {
    harbor_yml read "$HARBOR_DIR/harbor.yml" | sed -nE 's/^external_database\.([A-Za-z0-9_]+)\.host .*/\1/p' |
        while read -r entry; do
            awk -v entry="$entry" '
                /^[^ #]/ { inside = 0; own = 0 }
                /^external_database:/ { inside = 1; next }
                inside && match($0, /^ +[A-Za-z0-9_]+: *(#.*)?$/) && $1 != "password:" { own = ($1 == entry ":"); next }
                own && ($1 == "db_name:" || $1 == "username:") { gsub(/["\047]/, "", $2); is[$1] = $2 }
                END { print is["db_name:"], is["username:"] }' "$HARBOR_DIR/harbor.yml"
        done
}

is_name() {
    [[ $1 =~ ^[A-Za-z_][A-Za-z0-9_-]{0,50}$ ]]
}

# Sets DATABASES and OWNERS, in the order of harbor.yml.
read_databases() {
    local name owner
    DATABASES=() OWNERS=()
    while read -r name owner; do
        is_name "$name" && is_name "$owner" || { say "harbor.yml: '$name' of '$owner' is no database" && return 1; }
        DATABASES+=("$name") OWNERS+=("$owner")
    done < <(list_databases)
    [ ${#DATABASES[@]} -gt 0 ]
}

# A program of libpq's as the server's own user, within what is left of the limit.
as_owner() {
    HOME=$(getent passwd "$PG_OS_USER" | cut -d : -f 6) PGCONNECT_TIMEOUT=3 timeout -k 1 "$(seconds_left)" \
        setpriv --reuid "$PG_OS_USER" --regid "$(id -g "$PG_OS_USER")" --init-groups -- env -C / "$@"
}

# ask_database DATABASE SQL
ask_database() {
    as_owner psql -wXAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2" </dev/null
}

# Prints nothing where there is no such database, else what was said about it (COMMENT ON), or `none`. 1: prints why it
# cannot be asked.
comment_of() {
    local answer
    answer=$(ask_database postgres "SELECT coalesce(shobj_description(oid, 'pg_database'), 'none') FROM pg_database
        WHERE datname = '$1'" 2>&1) || { no_answer "$answer" && return 1; }
    printf '%s\n' "${answer:-}"
}

# Prints the statement that says so of a database.
comment_on() {
    echo "; COMMENT ON DATABASE \"$1\" IS '${2//\'/\'\'}'"
}

# What psql said, in one line: whoever it was refuses, or nobody is there.
no_answer() {
    local said=${1//$'\n'/ }
    echo "$SERVER does not answer $PG_OS_USER: ${said:-nothing was said in time}"
}

# Prints statements that give each of these databases the name NAME_before; 1: prints why that may not be.
set_aside() {
    local database kept statements=
    for database in "$@"; do
        kept=$(comment_of "${database}_before") || { echo "$kept" && return 1; }
        [ -z "$kept" ] || { echo "$SERVER has ${database}_before: rename it, or drop it, by hand first" && return 1; }
        statements+="; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$database'"
        statements+="; ALTER DATABASE \"$database\" RENAME TO \"${database}_before\""
    done
    echo "$statements"
}

seconds_left() {
    local seconds=$((deadline - SECONDS))
    echo $((seconds > 0 ? seconds : 1))
}

# The names of the whole dumps, newest first.
list_dumps() {
    find "$HARBOR_DUMP_DIR" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | grep -xE '[0-9]{8}T[0-9]{6}Z' | sort -r
}

# Sets DUMP, the newest, and AGE, how many seconds ago it was begun: what was written since is not in it.
find_dump() {
    local name now
    name=$(list_dumps | head -n 1)
    [ -n "$name" ] || { say "there is no dump in $HARBOR_DUMP_DIR" && return 1; }
    DUMP=$HARBOR_DUMP_DIR/$name
    now=$(date +%s)
    AGE=$((now - $(date -u -d "${name:0:4}-${name:4:2}-${name:6:2} ${name:9:2}:${name:11:2}:${name:13:2}" +%s)))
    [ $AGE -ge 0 ] || { say "the dump $name is of the future: one of the clocks is wrong" && return 1; }
}

# All of it, not its list of contents alone, which a dump that was cut off still has. It may come from another host: root
# does not read it.
is_whole() {
    as_owner pg_restore -f /dev/null <"$1"
}
