#!/bin/bash
# Makes this host the one that runs Harbor: harbor.yml says where its database and its Redis are here, `prepare`, then down
# and up, then healthy. Where it serves so already nothing is done. Exits 69 when it refuses before any container was touched.
# shellcheck disable=SC2015
. "${BASH_SOURCE[0]%/*}/compose.sh"

HARBOR_START_TIMEOUT=${HARBOR_START_TIMEOUT:-300}
HARBOR_PREPARE_TIMEOUT=${HARBOR_PREPARE_TIMEOUT:-120}
HARBOR_PREPARE_OPTIONS=${HARBOR_PREPARE_OPTIONS:-}
HARBOR_WAIT_TIMEOUT=${HARBOR_WAIT_TIMEOUT:-20}
HARBOR_STOP_GRACE=${HARBOR_STOP_GRACE:-20}
HARBOR_BACKUPS=${HARBOR_BACKUPS:-5}

left() {
    local seconds=$((deadline - SECONDS))
    echo $((seconds > 0 ? seconds : 1))
}

is_listening() {
    # shellcheck disable=SC2016
    timeout -k 1 2 bash -c 'exec 3<>"/dev/tcp/$1/$2"' is_listening "$1" "$2" 2>/dev/null
}

# Until the database and Redis take connections, and dockerd answers; says what does not.
wait_for_needs() {
    local end=$((SECONDS + HARBOR_WAIT_TIMEOUT)) port address missing problem
    port=$(harbor_yml read "$harbor" | awk '/\.port / { print $2; exit }')
    address=${REDIS_HOST%%,*}
    while :; do
        missing=
        is_listening "$DATABASE_HOST" "${DATABASE_PORT:-${port:-5432}}" ||
            missing="nothing listens at the database, $DATABASE_HOST:${DATABASE_PORT:-${port:-5432}}"
        if [ -n "$address" ]; then
            port=${address##*:}
            [[ $address == *:* ]] || port=6379
            is_listening "${address%:*}" "$port" || missing="nothing listens at Redis, ${address%:*}:$port"
        fi
        problem=$(docker_problem) || missing=$problem
        [ -n "$missing" ] || return 0
        [ $SECONDS -lt $end ] || { echo "$missing" && return 1; }
        sleep 0.5
    done
}

# harbor.yml with this site's hosts: a copy, read back, and only then in its place; mode and owner stay.
edit_harbor_yml() {
    local new=$harbor.breakwater-new differs others copy
    differs=$(harbor_yml_differs "$harbor") || return 1
    [ -n "$differs" ] || return 0
    cp -p "$harbor" "$new" && harbor_yml write "$harbor" >"$new" || return 1
    others=$(harbor_yml_differs "$new") && [ -z "$others" ] ||
        { say "what was written does not read as it should" && return 1; }
    others=$(diff "$harbor" "$new" | grep '^[<>]' | grep -vE '^[<>] +(host|port):')
    [ -z "$others" ] || { say "another line than those of hosts would change" && return 1; }
    copy=$harbor.before-epoch-$EPOCH
    [ -e "$copy" ] || { cp -p "$harbor" "$copy.part" && sync "$copy.part" && mv -f "$copy.part" "$copy"; } || return 1
    sync "$new" && mv -f "$new" "$harbor" || return 1
    say "harbor.yml: changed ${differs//$'\n'/ }; before: ${copy##*/}"
    # Never this one: its time is that of the file that it was copied from.
    # shellcheck disable=SC2012 # names of our own
    ls -t "$harbor".before-epoch-* | awk -v own="$copy" '$0 != own' | tail -n +"$HARBOR_BACKUPS" | while read -r copy; do
        rm -f "$copy"
    done
}

# Nobody but a start of breakwater's starts these containers: no restart by dockerd, and the gate.
write_override() {
    local version services service file=$STATE/override.yml
    services=$(compose 60 config --services) && [ -n "$services" ] || return 1
    version=$(grep '^version:' "$HARBOR_DIR/docker-compose.yml")
    {
        [ -z "$version" ] || echo "$version"
        echo services:
        for service in $services; do
            printf '  %s:\n    restart: "no"\n    volumes: ["%s/door:/.breakwater:ro"]\n' "$service" "$gate"
        done
    } >"$file.part" && mv -f "$file.part" "$file"
}

give_up() {
    close_gates
    refuse "$*"
}

problem=$(settings_problem HARBOR_START_TIMEOUT HARBOR_PREPARE_TIMEOUT HARBOR_WAIT_TIMEOUT HARBOR_STOP_GRACE \
    HARBOR_BACKUPS) || refuse "$problem"
[ -x "$HARBOR_DIR/prepare" ] || refuse "there is no $HARBOR_DIR/prepare that may be run"
deadline=$((SECONDS + HARBOR_START_TIMEOUT))
harbor=$HARBOR_DIR/harbor.yml
# A person's override at a site that never held an epoch comes as 0.
[ "$EPOCH" != 0 ] || [ "${BREAKWATER_EPOCH:-}/${BREAKWATER_REASON:-}" = 0/none ] ||
    refuse "BREAKWATER_EPOCH is not set: breakwater's guard runs this script"
may_start || refuse "epoch $EPOCH is over here, which has ended $(ended_epoch) (of another cluster of breakwater's? Then remove \
$STATE/ended while Harbor is down)"
differs=$(harbor_yml_differs "$harbor") || refuse "harbor.yml is not understood"
[[ $differs != *external_redis* || -n $REDIS_HOST ]] ||
    refuse "harbor.yml has an external_redis, and REDIS_HOST is not set"
look_at_harbor
if [ "$HARBOR" = started ] && [ -z "$differs" ] && [ -n "$(list_open started)" ]; then
    say "it serves already"
    exit 0
fi
problem=$(wait_for_needs) || refuse "$problem"
make_state && close_gates || refuse "$STATE cannot be written"
close_older || refuse "$OLDER: nobody says whose gate is there: $WHY"
gate=$GATES/$EPOCH-$$-$RANDOM
ln -s ../open "$gate" || refuse "$gate cannot be made"
may_start || give_up "epoch $EPOCH was ended meanwhile"
edit_harbor_yml || give_up "harbor.yml was not edited"
say "prepare"
# shellcheck disable=SC2086 # words
(cd "$HARBOR_DIR" && exec timeout -k 5 "$HARBOR_PREPARE_TIMEOUT" ./prepare $HARBOR_PREPARE_OPTIONS </dev/null) >&2 ||
    give_up "prepare failed, or took longer than $HARBOR_PREPARE_TIMEOUT s"
write_override || give_up "docker-compose.yml, as prepare has left it, is not understood by compose"
look_at_containers || give_up "$WHY"
if [ ${#IDS[@]} -gt 0 ]; then
    say "down"
    compose "$(left)" down --remove-orphans -t "$HARBOR_STOP_GRACE" >&2 || fail "compose down failed, or took too long"
fi
say "up"
compose "$(left)" -f "$STATE/override.yml" up -d --remove-orphans >&2 ||
    fail "compose up failed, or took longer than $HARBOR_START_TIMEOUT s"
look_at_containers || fail "$WHY"
[ ${#OWN[@]} -gt 0 ] || fail "compose up has made no container of $HARBOR_PROJECT in $DOCKER_ROOT"
note_containers anew
remove_closed_gates
until said=$(health) && [ "$said" = healthy ]; do
    [ $SECONDS -lt $deadline ] || fail "not healthy after $HARBOR_START_TIMEOUT s: $HARBOR_HEALTH_URL is $said"
    is_open "$gate" || fail "epoch $EPOCH was ended meanwhile"
    sleep 0.5
done
echo "$gate" >"$STATE/started.part" && mv -f "$STATE/started.part" "$STATE/started" ||
    fail "$STATE/started cannot be written"
is_open "$gate" || fail "epoch $EPOCH was ended meanwhile"
