#!/bin/bash
# Brings this server back behind the peer after a failover. DESTROYS what it has and the peer has
# not: what was never on the peer. Follows without a rewind where the data fits; where pg_rewind
# cannot help it makes a new copy (PG_COPY), and keeps the old data aside. May be killed and run
# again: an interrupted rewind or copy is begun anew, and no script starts the server in between.
. "${BASH_SOURCE[0]%/*}/server.sh"

COPY=${PG_COPY:-yes}
KEPT_DIR=$PGDATA.before # one at most: what it had before a new copy
KEPT_FILES="postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf"

# heed COMMAND...: what it says is said here. Sets CAUSE, which goes before all else, where a disk was full.
CAUSE=
heed() {
    local ended line full=
    CAUSE=
    "$@" 2>&1 | {
        while IFS= read -r line; do
            printf '%s\n' "$line"
            [[ $line != *"No space left on device"* ]] || full=yes
        done
        [ -z "$full" ]
    } >&2
    ended=("${PIPESTATUS[@]}")
    [ "${ended[1]}" = 0 ] || CAUSE="No space left on device: "
    return "${ended[0]}"
}

# True once this server replays what the peer writes on its timeline. That it receives is not enough: where both were
# promoted to it, the one gets the other's from the start of a segment on, and waits, or stumbles, where its own ends.
came_with= # what it had replayed when it was first seen to receive
SEEN=      # why it does not, for people: what was seen last
follows_peer() {
    local receiver from came replayed
    SEEN="the peer does not say how far it has written"
    look_at_peer || return 1
    SEEN="both were promoted to timeline $TIMELINE, apart from each other"
    ! shares_only_number || return 1
    read -r receiver from came replayed <<<"$(ask 3 "SELECT coalesce(status, 'none'), coalesce(received_tli, 0),
        $CAME_SQL, coalesce(pg_last_wal_replay_lsn(), '0/0')
        FROM (SELECT) AS one LEFT JOIN pg_stat_wal_receiver ON true")"
    SEEN="receiver ${receiver:-not known}, timeline $from, received $came, replayed $replayed"
    SEEN+="; the peer has written timeline $TIMELINE up to $END"
    [ "$receiver" = streaming ] && [ "$from" = "$TIMELINE" ] || return 1
    came=$(lsn_number "$came") && replayed=$(lsn_number "$replayed") && [ "$came" -ge "$replayed" ] || return 1
    came_with=${came_with:-$replayed}
    [ "$replayed" -gt "$came_with" ] || [ "$replayed" -ge "$(lsn_number "$END")" ]
}

wait_until_follows() {
    local deadline=$((SECONDS + $1))
    came_with=
    until follows_peer; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# Nothing was rewound yet: it may simply fit.
follow_as_it_is() {
    case $SERVER in
    down | starting) start_standby "$(left "$PG_START_TIMEOUT")" || return 1 ;;
    standby)
        forbid_writing && follow_peer && ask 3 "SELECT pg_reload_conf()" >/dev/null || return 1
        ;;
    esac
    wait_until_follows "$(left "$PG_STREAM_TIMEOUT")"
}

ensure_down() {
    look_at_server
    [ "$SERVER" = down ] || stop_server "$(left "$PG_STOP_TIMEOUT")" || fail "cannot stop the standby in time"
    look_at_server
    [ "$SERVER" = down ] || fail "$WHY; it must be down before a rewind or a new copy"
}

# What lies in the server's directories is the server's to name, links too: it is copied, and deleted,
# with its rights.
copy_configuration() { # FROM INTO
    local file
    for file in $KEPT_FILES; do
        [ ! -f "$1/$file" ] || as_server cp -p "$1/$file" "$2/" || return 1
    done
}

# Whether anything was written into the data shows in this: each write to a file, and each new entry of a
# directory, makes the time of a change anew. Fences and stops touch standby.signal. Fails where it could not look.
print_changes() {
    as_server find -L "$PGDATA" ! -name standby.signal -printf '%C@ %s %p\n' | sort | sha256sum
}

# What a rewind destroys and we still need: our configuration, over which pg_rewind copies the
# peer's, and our WAL, from which alone a rewind that is begun anew learns what to undo. It becomes
# REWIND_DIR, which appears whole or not at all, and goes last and at once.
keep_our_files() {
    rm -rf "$REWIND_DIR.new" && mkdir "$REWIND_DIR.new" || return 1
    [ "$(id -u)" != 0 ] || chown -h "$PG_OS_USER" "$REWIND_DIR.new" || return 1
    as_server cp -a --reflink=auto "$PGDATA/pg_wal/." "$REWIND_DIR.new/pg_wal" &&
        copy_configuration "$PGDATA" "$REWIND_DIR.new" &&
        as_server cp /proc/sys/kernel/random/boot_id "$REWIND_DIR.new/" || return 1
    print_changes | as_server tee "$REWIND_DIR.new/changes" >/dev/null # without it the rewind is not taken back
    sync -f "$REWIND_DIR.new"
}

forget_kept_files() {
    rm -rf "$REWIND_DIR.new" && mv -T "$REWIND_DIR" "$REWIND_DIR.new" && rm -rf "$REWIND_DIR.new"
}

# lock_rewind DIRECTORY: fails while another's pg_rewind is at work, which holds it too, should it outlive its script.
lock_rewind() {
    local lock # stays open
    exec {lock}<"$1" && flock -n "$lock"
}

# Not by cmp, to which a file of /proc is empty.
is_same_boot() {
    [ "$(as_server cat "$REWIND_DIR/boot_id" 2>/dev/null)" = "$(</proc/sys/kernel/random/boot_id)" ]
}

# A rewind that has written nothing is none: the data is whole, and may be the last that there is. Not where the
# machine went down since: what its disk has of a write then, the time of the change need not show.
take_back_rewind() {
    is_same_boot || return 1
    print_changes | cmp -s - "$REWIND_DIR/changes" || return 1
    forget_kept_files || return 1
    say "the rewind has written nothing into $PGDATA, and is taken back"
}

put_our_wal_back() {
    as_server find "$PGDATA/pg_wal/" -mindepth 1 -delete &&
        as_server cp -a "$REWIND_DIR/pg_wal/." "$PGDATA/pg_wal/"
}

# Up to PostgreSQL 15 pg_rewind goes by the peer's last checkpoint: just after a promotion that
# is one of the old timeline, and it would find nothing to do.
make_checkpoint() {
    ask_peer "$(left 120)" CHECKPOINT >/dev/null
}

run_pg_rewind() {
    local options
    read -r -a options <<<"${PG_REWIND_OPTIONS:-}"
    # Debian's is not in PGDATA, where --restore-target-wal looks for restore_command. Up to 14 it cannot be told.
    [ -z "$PG_CLUSTER" ] || [ "$(<"$PGDATA/PG_VERSION")" -lt 15 ] || options+=(--config-file="$CLUSTER_CONF")
    heed as_server timeout --foreground -k 5 "$(left)" "$PG_BIN/pg_rewind" -D "$PGDATA" \
        --no-ensure-shutdown --write-recovery-conf "${options[@]}" \
        --source-server="$(peer_conninfo) connect_timeout=10 dbname=postgres" && return 0
    why="pg_rewind failed"
    return 1
}

# pg_rewind writes the control file last: with this state all else is done, though perhaps not yet
# on the disk.
is_rewound() {
    [ "$(control 'Database cluster state')" = "in archive recovery" ]
}

# What was kept would leave the server no room to start.
give_up() {
    rm -rf "$REWIND_DIR.new"
    fail "$1"
}

# From here on no script starts the server: so as late as can be, and only while the peer answers.
begin_rewind() {
    heed keep_our_files || give_up "${CAUSE}cannot keep our WAL and configuration in $REWIND_DIR"
    make_checkpoint || give_up "the peer could not make a checkpoint; no rewind has begun"
    lock_rewind "$REWIND_DIR.new" || give_up "cannot lock $REWIND_DIR"
    mv -T "$REWIND_DIR.new" "$REWIND_DIR" || give_up "cannot write beside $PGDATA"
    sync -f "$REWIND_DIR" || fail "cannot write $REWIND_DIR to the disk" # before the first write of pg_rewind
    run_pg_rewind && return 0
    take_back_rewind
    return 1
}

go_on_with_rewind() {
    lock_rewind "$REWIND_DIR" || fail "a rewind that was begun before still runs"
    if ! is_rewound; then
        say "$(unfinished); it is begun anew"
        make_checkpoint || fail "the peer could not make a checkpoint"
        heed put_our_wal_back || fail "${CAUSE}cannot write into $PGDATA/pg_wal"
        run_pg_rewind
    elif ! is_same_boot; then
        why="the machine went down in a rewind"
        return 1
    fi
}

# Sets why when it could not.
rewind() {
    if [ -d "$REWIND_DIR" ]; then
        go_on_with_rewind || return 1
    else
        begin_rewind || return 1
    fi
    if ! copy_configuration "$REWIND_DIR" "$PGDATA" || ! forbid_writing || ! follow_peer; then
        fail "cannot write into $PGDATA"
    fi
    sync -f "$PGDATA"
    forget_kept_files || fail "cannot take $REWIND_DIR away"
}

# ---- a new copy ---------------------------------------------------------------------------------

# Why none can be made here; fails where one can.
copy_problem() {
    local room size
    [ "$COPY" = yes ] || { echo "PG_COPY is '$COPY': a new copy is a person's to make" && return 0; }
    [ ! -e "$KEPT_DIR" ] ||
        { echo "look at $KEPT_DIR and remove it: beside what a copy before has kept no other is made" && return 0; }
    # A link would be moved aside, and what it leads to, on a disk of its own, be replaced by a directory beside it.
    if [ -n "$(ls -A "$PGDATA/pg_tblspc" 2>/dev/null)" ] || [ -L "$PGDATA/pg_wal" ] || [ -L "$PGDATA" ] || mountpoint -q "$PGDATA"; then
        echo "$PGDATA has tablespaces, a pg_wal elsewhere, is a link or a mount point: a person has to make the copy"
        return 0
    fi
    # shellcheck disable=SC2015 # whichever of both fails
    size=$(ask_peer 60 "SELECT (sum(pg_database_size(oid)) / 1024)::bigint FROM pg_database") && is_number "$size" ||
        { echo "the peer does not say how large it is" && return 0; }
    room=$(df --output=avail "${PGDATA%/*}" | tail -n 1)
    [ "$room" -gt "$((size + size / 10))" ] ||
        { echo "${PGDATA%/*} has room for $room KiB, and the peer has $size" && return 0; }
    return 1
}

# Each twentieth of the copy is a line.
tell_progress() {
    # shellcheck disable=SC2016
    awk 'match($0, /\([0-9]+%\)/) { now = int(substr($0, RSTART + 1) / 5)
            if (now > told || !begun) { begun = 1; told = now; sub(/^ */, ""); print "rejoin.sh: copied " $0; fflush() }
            next }
        { print; fflush() }' >&2
}

run_pg_basebackup() {
    local slot=()
    [ ${#SLOT_PEERS[@]} = 0 ] || slot=(-S "$(slot_of "$PG_APPLICATION_NAME")")
    PGOPTIONS="-c wal_sender_timeout=0" as_server timeout --foreground -k 5 "$(left)" "$PG_BIN/pg_basebackup" \
        -D "$COPY_DIR" -c fast -X stream "${slot[@]}" -P -d "$(peer_conninfo) connect_timeout=10" 2>&1 | tell_progress
}

# The old data goes aside, the new copy in its place; $COPIED_DIR is there until both are done.
# A rewind that failed has emptied our configuration, or written the peer's over it: ours is what was
# kept then. That goes while nothing is in the place of $PGDATA: beside a new copy it would be taken
# for a rewind of that.
put_in_place() {
    local from=$PGDATA
    if [ -e "$PGDATA" ] && [ ! -e "$KEPT_DIR" ]; then
        [ ! -d "$REWIND_DIR" ] || from=$REWIND_DIR
        copy_configuration "$from" "$COPIED_DIR" || return 1
        as_server touch "$COPIED_DIR/standby.signal" && sync -f "$COPIED_DIR" || return 1
        mv -T "$PGDATA" "$KEPT_DIR" || return 1
    fi
    [ ! -e "$PGDATA" ] || return 1
    rm -rf "$REWIND_DIR" && mv -T "$COPIED_DIR" "$PGDATA"
}

make_copy() {
    local lock problem
    if [ ! -e "$COPIED_DIR" ]; then
        ! problem=$(copy_problem) || fail "$CAUSE$problem ($why)"
        say "$CAUSE$why: a new copy is made"
        for problem in old new; do # held by pg_basebackup too, should it outlive this script
            as_server mkdir -p -m 700 "$COPY_DIR" || fail "cannot write beside $PGDATA"
            exec {lock}<"$COPY_DIR"
            flock -n "$lock" || fail "a copy that was begun before still runs"
            [ $problem = new ] || rm -rf "$COPY_DIR"
        done
        heed run_pg_basebackup || fail "${CAUSE}pg_basebackup failed; $PGDATA is as it was"
        exec {lock}<&-
        sync -f "$COPY_DIR" || fail "cannot write $COPY_DIR to the disk"
        mv -T "$COPY_DIR" "$COPIED_DIR" || fail "cannot write beside $PGDATA"
    fi
    heed put_in_place || fail "${CAUSE}cannot put $COPIED_DIR in the place of $PGDATA"
    say "a new copy of the peer is in place; what was here before is kept in $KEPT_DIR"
}

# Were we killed between the two renames, there is no data directory.
if [ ! -e "$PGDATA" ] && [ -e "$COPIED_DIR" ]; then
    put_in_place || fail "cannot put $COPIED_DIR in the place of $PGDATA"
fi
problem=$(settings_problem) || fail "$problem"
problem=$(name_problem) || fail "$problem; $PGDATA is as it was"
problem=$(version_problem) || fail "$problem; $PGDATA is as it was"
LIMIT=$PG_REWIND_TIMEOUT
take_turn -s -w 20 || fail "readiness.sh still starts the standby; nothing was changed"
# Of one that was killed, say. Without the peer too: that may be gone for good.
[ ! -d "$REWIND_DIR" ] || (lock_rewind "$REWIND_DIR" && take_back_rewind)
[ -n "$PEER_CONNINFO" ] || fail "PEER_CONNINFO is not set; $PGDATA is as it was"
is_peer_primary 5 || fail "the peer is no primary that answers ($PEER_SAYS); $PGDATA is as it was"
look_at_server
case $SERVER in
primary) fail "this server can write; stop.sh or fence.sh first; $PGDATA is as it was" ;;
unknown | other) fail "$WHY; $PGDATA is as it was" ;;
standby)
    drop_slots # a start that was refused has kept them
    adopt_settings || fail "cannot write $PGDATA/postgresql.auto.conf, or reload it"
    drop_target "$PG_START_TIMEOUT" || fail "$WHY"
    ! follows_peer || exit 0
    ;;
# So that no rewind, and no copy, is made for a slot that is gone. What is down reloads nothing.
down) unfinished >/dev/null || ! name_peer || adopt_settings ;;
esac
why=
if [ -e "$COPIED_DIR" ] || [ ! -s "$PGDATA/global/pg_control" ]; then
    why=$(unfinished)
elif [ ! -e "$REWIND_DIR" ] && look_at_peer && shares_only_number; then
    why="peer and this server were both promoted to timeline $TIMELINE, apart from each other, which no rewind undoes"
elif [ ! -e "$REWIND_DIR" ]; then
    follow_as_it_is && exit 0
    # shellcheck disable=SC2046 # numbers
    [ "$SERVER" != down ] || ! is_lowered "in the control file" $(sizes_in_control) || fail "$WHY"
    [ "$SERVER" != standby ] || WHY=$(target_problem) || fail "$WHY"
    say "does not follow as it is${SEEN:+ ($SEEN)}; rewinding"
fi
# Neither a rewind nor a copy would come up: both bring the peer's control file.
# shellcheck disable=SC2046 # numbers
! is_lowered "at the peer" $(ask_peer 5 "$SIZES_SQL") || fail "$WHY"
ensure_down
SEEN=
if [ -z "$why" ] && rewind; then
    if start_standby "$(left "$PG_START_TIMEOUT")" && wait_until_follows "$(left "$PG_START_TIMEOUT")"; then
        exit 0
    fi
    why="rewound, and does not follow ($WHY${SEEN:+; $SEEN})"
    ensure_down
fi
make_copy
start_standby "$(left "$PG_START_TIMEOUT")" || fail "the new copy does not come up ($WHY); see $PG_LOG"
wait_until_follows "$(left "$PG_START_TIMEOUT")" || fail "the new copy does not stream within $LIMIT s ($SEEN); see $PG_LOG"
