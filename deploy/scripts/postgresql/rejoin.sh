#!/bin/bash
# Brings this server back behind the peer after a failover. DESTROYS what it has and the peer has
# not: what was never on the peer. Follows without a rewind where the data fits; never makes a new
# copy by itself. May be killed and run again: an interrupted rewind is begun anew, and no script
# starts the server in between.
. "${BASH_SOURCE[0]%/*}/server.sh"

START_SECONDS=${PG_START_TIMEOUT:-60}
STREAM_SECONDS=${PG_STREAM_TIMEOUT:-5}
REWIND_SECONDS=${PG_REWIND_TIMEOUT:-3000}
KEPT_FILES="postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf"

# True once this server receives on the timeline of the peer.
follows_peer() {
    local timeline
    timeline=$(ask_peer 3 "SELECT
        ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int") &&
        [ -n "$timeline" ] &&
        [ "$(ask 3 "SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming'")" = \
            "$timeline" ]
}

wait_until_follows() {
    local deadline=$((SECONDS + $1))
    until follows_peer; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# Nothing was rewound yet: it may simply fit.
follow_as_it_is() {
    case $SERVER in
    down | starting) start_standby "$START_SECONDS" || return 1 ;;
    standby)
        forbid_writing && follow_peer && ask 3 "SELECT pg_reload_conf()" >/dev/null || return 1
        ;;
    esac
    wait_until_follows "$STREAM_SECONDS"
}

# What a rewind destroys and we still need: our configuration, over which pg_rewind copies the
# peer's, and our WAL, from which alone a rewind that is begun anew learns what to undo. REWIND_DIR
# appears whole or not at all, and goes last.
keep_our_files() {
    local file
    rm -rf "$REWIND_DIR.new" && mkdir "$REWIND_DIR.new" "$REWIND_DIR.new/pg_wal" || return 1
    cp -a --reflink=auto "$PGDATA/pg_wal/." "$REWIND_DIR.new/pg_wal/" || return 1
    for file in $KEPT_FILES; do
        [ ! -f "$PGDATA/$file" ] || cp -p "$PGDATA/$file" "$REWIND_DIR.new/" || return 1
    done
    cp /proc/sys/kernel/random/boot_id "$REWIND_DIR.new/" &&
        sync -f "$REWIND_DIR.new" && mv -T "$REWIND_DIR.new" "$REWIND_DIR"
}

put_our_wal_back() {
    find "$PGDATA/pg_wal/" -mindepth 1 -delete && cp -a "$REWIND_DIR/pg_wal/." "$PGDATA/pg_wal/"
}

put_our_configuration_back() {
    local file
    for file in $KEPT_FILES; do
        [ ! -f "$REWIND_DIR/$file" ] || cp -p "$REWIND_DIR/$file" "$PGDATA/" || return 1
    done
}

run_pg_rewind() {
    local options
    read -r -a options <<<"${PG_REWIND_OPTIONS:-}"
    # Up to PostgreSQL 15 pg_rewind goes by the peer's last checkpoint: just after a promotion that
    # is one of the old timeline, and it would find nothing to do.
    ask_peer 120 CHECKPOINT >/dev/null || fail "the peer could not make a checkpoint"
    as_server timeout --foreground -k 5 "$REWIND_SECONDS" "$PG_BIN/pg_rewind" -D "$PGDATA" \
        --no-ensure-shutdown --write-recovery-conf "${options[@]}" \
        --source-server="$PEER_CONNINFO connect_timeout=10 dbname=postgres" >&2 ||
        fail "pg_rewind failed: make a new copy with pg_basebackup, then remove $REWIND_DIR"
}

# pg_rewind writes the control file last: with this state all else is done, though perhaps not yet
# on the disk.
is_rewound() {
    [ "$(control 'Database cluster state')" = "in archive recovery" ]
}

rewind() {
    local lock is_begun=no
    if [ ! -d "$REWIND_DIR" ]; then
        keep_our_files || fail "cannot keep our WAL and configuration in $REWIND_DIR"
        is_begun=yes
    fi
    # Held by pg_rewind too, should it outlive this script.
    exec {lock}<"$REWIND_DIR"
    flock -n $lock || fail "a rewind that was begun before still runs"
    if [ $is_begun = yes ]; then
        run_pg_rewind
    elif ! is_rewound; then
        say "a rewind was interrupted; it is begun anew"
        put_our_wal_back || fail "cannot write into $PGDATA/pg_wal"
        run_pg_rewind
    elif ! cmp -s "$REWIND_DIR/boot_id" /proc/sys/kernel/random/boot_id; then
        fail "the machine went down in a rewind: make a new copy with pg_basebackup, then remove" \
            "$REWIND_DIR"
    fi
    if ! put_our_configuration_back || ! forbid_writing || ! follow_peer; then
        fail "cannot write into $PGDATA"
    fi
    sync -f "$PGDATA"
    rm -rf "$REWIND_DIR"
}

problem=$(settings_problem) || fail "$problem"
[ -n "$PEER_CONNINFO" ] || fail "PEER_CONNINFO is not set; nothing was changed"
[ "$(ask_peer 5 "SELECT pg_is_in_recovery()")" = f ] ||
    fail "the peer is no primary that answers; nothing was changed"
look_at_server
case $SERVER in
primary) fail "this server can write; stop.sh or fence.sh first; nothing was changed" ;;
unknown) fail "$WHY; nothing was changed" ;;
standby) ! follows_peer || exit 0 ;;
esac
if [ ! -e "$REWIND_DIR" ]; then
    follow_as_it_is && exit 0
    say "does not follow as it is; rewinding"
    look_at_server
    if [ "$SERVER" != down ]; then
        as_server "$PG_BIN/pg_ctl" stop -D "$PGDATA" -m fast -w -t "$START_SECONDS" >/dev/null ||
            fail "cannot stop the standby within $START_SECONDS s"
        look_at_server
    fi
fi
[ "$SERVER" = down ] || fail "$WHY; it must be down before a rewind"
rewind
start_standby "$START_SECONDS" || fail "does not come up after the rewind ($WHY); see $PG_LOG"
wait_until_follows "$START_SECONDS" ||
    fail "rewound, but does not stream after $START_SECONDS s: if $PG_LOG says that the histories" \
        "differ, this server went down before its first checkpoint; make a new copy"
