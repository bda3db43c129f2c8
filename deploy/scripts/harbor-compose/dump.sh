#!/bin/bash
# Dumps Harbor's databases into HARBOR_DUMP_DIR, reads each dump back, and keeps the newest HARBOR_DUMP_KEEP. One runs at a
# time, and what a standby has is not dumped. Where another one is later by its name it fails, once this one is made. As a step
# of a stop it does so in a planned move alone, and holds up nothing: it says what went wrong, and the stop goes on.
# shellcheck disable=SC2015
. "${BASH_SOURCE[0]%/*}/dumps.sh"

HARBOR_DUMP_KEEP=${HARBOR_DUMP_KEEP:-7}

give_up() {
    [ -z "${BREAKWATER_STEP:-}" ] || { say "NO DUMP was made, and the stop goes on: $*" && exit 0; }
    fail "$*"
}

make_dump() {
    problem=$(dumps_problem HARBOR_DUMP_KEEP) || give_up "$problem"
    read_databases || give_up "harbor.yml names no databases"
    deadline=$((SECONDS + HARBOR_DUMP_TIMEOUT))
    answer=$(ask_database "${DATABASES[0]}" "SELECT pg_is_in_recovery()" 2>&1) || give_up "$(no_answer "$answer")"
    [ "$answer" = f ] || give_up "$SERVER is a standby: what it has may be old"
    exec {lock}>>"$HARBOR_DUMP_DIR/.lock" && flock -w "$(seconds_left)" "$lock" || give_up "another dump still runs"
    while name=$(date -u +%Y%m%dT%H%M%SZ) && [ -e "$HARBOR_DUMP_DIR/$name" ]; do # two in one second
        sleep 0.1
    done
    part=$HARBOR_DUMP_DIR/$name.part
    rm -rf "$HARBOR_DUMP_DIR"/????????T??????Z.part
    # What a dump has filled is free again, whatever ends it but KILL: the disk may be the database's.
    trap 'rm -rf "$part"' EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -m 700 "$part" || give_up "$part cannot be made"
    for database in "${DATABASES[@]}"; do
        as_owner pg_dump -w -Fc -d "$database" </dev/null >"$part/$database.dump" ||
            give_up "pg_dump of $database failed, or took longer than $HARBOR_DUMP_TIMEOUT s"
        is_whole "$part/$database.dump" || give_up "the dump of $database cannot be read back"
    done
    sync "$part"/* && mv -T "$part" "$HARBOR_DUMP_DIR/$name" || give_up "$part cannot be given its name"
    # Never this one, whatever the others are called.
    list_dumps | grep -vx "$name" | tail -n +"$HARBOR_DUMP_KEEP" | while read -r old; do
        rm -rf "${HARBOR_DUMP_DIR:?}/$old"
    done
    say "$name: ${DATABASES[*]}, $(du -sk "$HARBOR_DUMP_DIR/$name" | cut -f 1) KiB"
    # Made all the same: it is the newest that there is, whatever a restore would take.
    newest=$(list_dumps | head -n 1)
    [ "$newest" = "$name" ] || {
        say "$name was made, but a restore takes $newest (a clock was ahead?): move that out of the folder"
        [ -n "${BREAKWATER_STEP:-}" ] || exit 1
    }
}

[ -n "${BREAKWATER_STEP:-}" ] || { make_dump; exit; }
[ "${BREAKWATER_PLANNED:-}" = true ] || exit 0
[[ $HARBOR_DUMP_TIMEOUT =~ ^[1-9][0-9]{0,5}$ ]] || give_up "HARBOR_DUMP_TIMEOUT '$HARBOR_DUMP_TIMEOUT' is no number of seconds"
# A folder that hangs, as that of a server which is gone, holds whoever looks into it, and no limit of a program ends that. So
# who holds to the limit looks at nothing: what is left hanging its guard ends with the stop.
make_dump &
maker=$!
trap 'kill "$maker" 2>/dev/null; give_up "it was told to end"' HUP INT TERM
while kill -0 "$maker" 2>/dev/null; do
    [ $SECONDS -lt $((HARBOR_DUMP_TIMEOUT + 5)) ] || # what has a limit of its own says so first
        { kill "$maker" && give_up "not within $HARBOR_DUMP_TIMEOUT s: does $HARBOR_DUMP_DIR hang?"; }
    sleep 0.2
done
wait "$maker" || give_up "what made it was ended"
