# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of deploy/scripts/postgresql share: two real servers, a and b (some tests add c), and commands for them.
# Each test creates its own servers. Skips the test if PostgreSQL is not installed or the user is not root. For sourcing.
set -u -o pipefail
export LC_ALL=C

top=$(cd "${BASH_SOURCE[0]%/*}/../../.." && pwd)
scripts=${BREAKWATER_PG_SCRIPTS:-$top/deploy/scripts/postgresql}

. "$top/tests/support/lacking.sh"
. "$top/tests/support/claims.bash"
[ "$(id -u)" = 0 ] || skip_lacking root "to run servers as user postgres"
id postgres >/dev/null 2>&1 || skip_lacking postgres "no user postgres"
bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -1)
[ -x "$bin/pg_ctl" ] && [ -x "$bin/pg_rewind" ] || skip_lacking postgres "no PostgreSQL server installed"

work=$(mktemp -d /tmp/breakwater-pg.XXXXXX)
# In memory, where it can be: each rewind and each copy waits until all of it is on the disk, beside whatever else writes there.
mount -t tmpfs -o size=4g tmpfs "$work" 2>/dev/null
chown postgres "$work"
chmod 755 "$work"
cd "$work" || exit 1
# The ports only name sockets in a directory of our own.
declare -A port=([a]=5432 [b]=5433 [c]=5434) peer=([a]=b [b]=a [c]=a)
helpers=()
cgroup=

remove_cgroup() {
    rmdir "$cgroup/service" "$cgroup" 2>/dev/null
    [ -d "$cgroup" ] || echo gone
}

clean_up() {
    local site pid
    for site in a b c; do
        run $site fence.sh >/dev/null 2>&1
    done
    for pid in "${helpers[@]}"; do
        kill -9 "$pid" 2>/dev/null
    done
    # What was killed leaves it a moment later.
    [ -z "$cgroup" ] || eventually 60 gone remove_cgroup
    fsfreeze -u "$work/disk" 2>/dev/null
    umount "$work/disk" "$work/small" "$work/unused" 2>/dev/null
    [ "$failures$late" = 00 ] || tail -n 10 "$work"/[abc].log
    cd /
    umount -l "$work" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# The last words of a test.
end() {
    claim
    echo "$failures failed"
    verdict
}

# run SITE SCRIPT [NAME=VALUE...]
run() {
    local site=$1 script=$2
    shift 2
    env PGDATA="$work/$site" PGPORT="${port[$site]}" PGHOST="$work" PG_BIN="$bin" \
        PG_APPLICATION_NAME="site_$site" PEER_CONNINFO="host=$work port=${port[${peer[$site]}]} user=postgres" "$@" \
        bash "$scripts/$script" 2>>"$work/scripts.log"
}

# The same as a command of its own, for env and timeout.
run_alone=(bash -c "$(declare -f run); $(declare -p port peer work bin scripts); run \"\$@\"" run)

# begin SITE SCRIPT [NAME=VALUE...]: the same in the background, in a group of its own, number `group`.
begin() {
    setsid "${run_alone[@]}" "$@" &
    group=$!
}

query() {
    PGCONNECT_TIMEOUT=5 timeout -k 1 20 runuser -u postgres -- "$bin/psql" -XAtq -h "$work" \
        -p "${port[$1]}" -d postgres -c "$2" 2>>"$work/queries.log"
}

status() {
    run "$1" status.sh
}

exit_of() {
    run "$@" >/dev/null
    echo $?
}

# lag_of SITE [NAME=VALUE...]: its line, where one is printed.
lag_of() {
    run "$1" readiness.sh "${@:2}" | grep lag
}

# What the script that ran last has said.
last_words() {
    tail -n 1 "$work/scripts.log"
}

# says WORDS SITE SCRIPT [NAME=VALUE...]: it fails, and these words are in its last line.
says() {
    local words=$1
    shift
    run "$@" >/dev/null
    expect 1 $? "$2 of $1"
    [[ $(last_words) == *"$words"* ]] || expect "$words" "$(last_words)" "the last words of $2"
}

processes_of() {
    local path
    for path in /proc/[0-9]*; do
        [ "$path/cwd" -ef "$work/$1" ] && [[ $(readlink "$path/exe") == */postgres ]] && echo "${path#/proc/}"
    done 2>/dev/null
}

# What is killed holds its locks until it has ended.
kill_group() {
    kill -9 -- "-$1" 2>/dev/null
    wait "$1" 2>/dev/null
    eventually 60 "" alive_in "$1"
}

alive_in() {
    ps -eo pgid=,stat=,pid= | awk -v group="$1" '$1 == group && $2 !~ /^Z/ { print $3 }'
}

# start_server SITE [OPTIONS]: as a boot does it, or a person, without the scripts.
start_server() {
    runuser -u postgres -- "$bin/pg_ctl" -D "$work/$1" -o "-p ${port[$1]} ${2:-}" -l "$work/$1.log" -w start >/dev/null
}

# a is the primary, and runs; b is a copy of it, which nobody has started.
make_pair() {
    claim "(two servers are made)"
    runuser -u postgres -- "$bin/initdb" -D "$work/a" --auth=trust -N >/dev/null || exit 1
    cat >>"$work/a/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$work'
wal_log_hints = on
wal_keep_size = 128MB
shared_buffers = 16MB
wal_receiver_timeout = 30s
wal_sender_timeout = 30s
wal_retrieve_retry_interval = 200ms
fsync = off
CONF
    start_server a || exit 1
    query a "CREATE TABLE rows(i int PRIMARY KEY)"
    query a "CREATE TABLE busy(i int)"
    runuser -u postgres -- env PGOPTIONS="-c wal_sender_timeout=0" "$bin/pg_basebackup" -h "$work" -p "${port[a]}" -D "$work/b" \
        -c fast --no-sync || exit 1
    primary=a standby=b
}

# The same, and b follows a.
make_standby() {
    make_pair
    claim "(b follows a)"
    run b rejoin.sh
    expect 0 $? "b follows a"
}

# The same, and b has become the primary: a is down.
make_moved_pair() {
    make_pair
    query a "INSERT INTO busy SELECT generate_series(1, 100000)"
    claim "(b serves after a)"
    run b rejoin.sh
    expect 0 $? "b follows a"
    run a fence.sh
    run b start.sh
    expect 0 $? "start of b"
    primary=b standby=a
}

postmaster_of() {
    head -1 "$work/$1/postmaster.pid"
}

kill_server() {
    local pids
    pids=$(processes_of "$1")
    # shellcheck disable=SC2086
    kill -9 $pids
    eventually 60 "" processes_of "$1"
}

again() { # SITE OPTIONS
    runuser -u postgres -- "$bin/pg_ctl" -D "$work/$1" -o "-p ${port[$1]} $2" -l "$work/$1.log" -m fast -t 20 restart >/dev/null
}

set_names() { # NAMES: for whom commits wait
    query $primary "ALTER SYSTEM SET synchronous_standby_names = '$1'"
    query $primary "SELECT pg_reload_conf()" >/dev/null
    eventually 60 "$1" query $primary "SHOW synchronous_standby_names"
}

# Makes $standby, a standby that is down, a cluster of Debian's: `conf` is its file, `cluster` the variables of the scripts.
make_cluster() {
    run $standby fence.sh
    version=$(cat "$work/$standby/PG_VERSION") name=bw$$
    mkdir -p "$work/etc/$version/$name/conf.d"
    conf=$work/etc/$version/$name/postgresql.conf
    {
        grep -v '^unix_socket_directories' "$work/$standby/postgresql.conf"
        printf '%s\n' "data_directory = '$work/$standby'   # as Debian has it" "port = 9" "wal_log_hints = on" \
            "hba_file = '$work/$standby/pg_hba.conf'" "external_pid_file = '$work/$standby.pid'" "restore_command = 'false'" \
            "include_dir = 'conf.d'"
    } >"$conf"
    printf '%s\n' "port = ${port[$standby]}" "unix_socket_directories = '$work'" >"${conf%/*}/conf.d/site.conf"
    ln -s "$work/$standby.log" "$work/etc/$version/$name/log"
    chown -R postgres "$work/etc"
    cluster=(PG_CLUSTER="$version/$name" PG_CLUSTER_CONF_ROOT="$work/etc" PGDATA= PGPORT= PGHOST= PG_BIN=)
}

# Starts a cluster that a fence has stopped; faster by 2 s than Debian's own command.
begin_again() {
    start_server $standby "-c config_file=$conf"
    expect t "$(query $standby "SELECT pg_is_in_recovery()")" "it comes up as a standby"
}

# a has been promoted away from b, and is down.
diverge_a() {
    run a fence.sh
    run b start.sh >/dev/null
    # One whose history has ended, without a server: promoted away from the peer.
    run a start.sh PEER_CONNINFO=
    expect 0 $? "start of a, alone"
    # By the checkpoint that start.sh asks for; pg_rewind goes by it.
    eventually 60 t query a "SELECT timeline_id = ('x' || substr(pg_walfile_name(
        pg_current_wal_lsn()), 1, 8))::bit(32)::int FROM pg_control_checkpoint()"
    query a "INSERT INTO rows VALUES (1000)"
    query a "DELETE FROM busy WHERE random() < 0.5"
    run a fence.sh
}

# A rejoin of a, in the background: returns once UNTIL exists.
begin_rejoin() { # UNTIL [NAME=VALUE...]
    local until=$1 deadline=$((SECONDS + 60))
    shift
    begin a rejoin.sh "$@"
    until [ -e "$until" ] || [ $SECONDS -ge $deadline ]; do
        sleep 0.01
    done
}

is_standby() {
    query "$1" "SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
}

set_and_reload() { # SITE NAME VALUE
    query "$1" "ALTER SYSTEM SET $2 = $3"
    query "$1" "SELECT pg_reload_conf()" >/dev/null
    eventually 60 "$3" query "$1" "SHOW $2"
}

# As in the midst of a checkpoint, it takes no reload.
hold_checkpointer() {
    checkpointer=$(query "$1" "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    kill -STOP "$checkpointer"
}

# commit_waits SITE NUMBER: a commit is not acknowledged while nobody confirms it; it goes on for the while.
commit_waits() {
    setsid runuser -u postgres -- "$bin/psql" -XAtq -h "$work" -p "${port[$1]}" -d postgres -c "INSERT INTO rows VALUES ($2)" \
        >/dev/null 2>&1 &
    helpers+=($!)
    eventually 20 SyncRep query "$1" "SELECT wait_event FROM pg_stat_activity WHERE query = 'INSERT INTO rows VALUES ($2)'"
}

# leave_target SITE ACTION: as tools for backups leave it, and a copy takes it along; a file by which somebody else promotes,
# up to PostgreSQL 15.
leave_target() {
    {
        printf '%s\n' "recovery_target_time = '2020-01-01 00:00:00+00'" "recovery_target_action = '$2'" \
            "recovery_target_timeline = 'current'"
        [ "$("$bin/pg_ctl" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -ge 16 ] || echo "promote_trigger_file = '$work/trigger'"
    } >"$work/left"
    runuser -u postgres -- bash -c 'grep -v "^recovery_target\|^promote" "$1" >"$1.left"; cat "$2" >>"$1.left"; mv "$1.left" "$1"' \
        leave_target "$work/$1/postgresql.auto.conf" "$work/left"
}

# What is root's, for the server's directories to link to.
make_ours() {
    mkdir "$work/ours"
    install -m 600 <(echo ours) "$work/ours/file"
}

is_untouched() { # WHAT
    expect "file root 600 ours" "$(cd "$work/ours" && echo * "$(stat -c '%U %a' file) $(<file)")" "$1"
}

# Stands in for a peer that says what it likes ($work/lie); all else is the real one.
make_liar() {
    mkdir "$work/liar"
    ln -s "$bin"/* "$work/liar/"
    rm "$work/liar/psql"
    cat >"$work/liar/psql" <<LIAR
#!/bin/bash
case "\$*" in
*-d\ host=/silent*received_tli*) exit 1 ;;
*-d\ host=*received_tli* | *-d\ host=*pg_database_size*) echo "\$(<$work/lie)" ;;
*) exec $bin/psql "\$@" ;;
esac
LIAR
    chmod 755 "$work/liar/psql"
}

# Which make a file `run`, where what it says is reckoned with.
# shellcheck disable=SC2016
lies=('PATH[$(touch${IFS}'"$work"'/run)] 1' '1 PATH[$(touch${IFS}'"$work"'/run)]')
