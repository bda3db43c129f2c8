#!/bin/bash
# Exits 0 when Harbor could be started here: settings, harbor.yml, dockerd, and each image that it, or `prepare`, needs is on
# this host.
# Prints no lag: the data is that of the database and of where the images lie.
#
# Where it serves, under a lease, a component that has ended alone is started again: dockerd does not (`restart: "no"`). And a Harbor whose
# database has ended is ended with it (HARBOR_DATABASE_SET): then the whole is `stopped`, which its group answers.
. "${BASH_SOURCE[0]%/*}/compose.sh"

HARBOR_DATABASE_SET=${HARBOR_DATABASE_SET:-}

# That Harbor surely is of no use: it does not say that it is healthy, and the set of its database, asked twice, that no
# commit can be there. What is not known is no end.
has_lost_database() {
    local round said
    [ -n "$HARBOR_DATABASE_SET" ] && [ "$(health)" != healthy ] || return 1
    for round in 1 2; do
        said=$(timeout -k 1 "$HARBOR_CALL_TIMEOUT" "$HARBOR_DATABASE_SET/status.sh" </dev/null 2>/dev/null) || return 1
        IFS=$' \t\r' read -r said <<<"${said%%$'\n'*}" # its first line, in any case
        [ "${said,,}" = stopped ] || return 1
        [ $round = 2 ] || sleep 1
    done
}

# shellcheck disable=SC2119
problem=$(settings_problem) || fail "$problem"
[ -z "$HARBOR_DATABASE_SET" ] || [[ $HARBOR_DATABASE_SET == /* ]] ||
    HARBOR_DATABASE_SET=${BASH_SOURCE[0]%/*}/../$HARBOR_DATABASE_SET
[ -z "$HARBOR_DATABASE_SET" ] || [ -x "$HARBOR_DATABASE_SET/status.sh" ] ||
    fail "HARBOR_DATABASE_SET: there is no $HARBOR_DATABASE_SET/status.sh"
# Only what start.sh has brought to its end, and only under a lease: what no lease covers nobody would begin again, and it may
# be down because a person has moved it.
is_ours() {
    [[ ${BREAKWATER_LEASE_REMAINING_MS:-0} =~ ^[1-9][0-9]*$ ]] && [ -n "$(list_open started)" ]
}

if is_ours && [ ! -e "$STATE/ids" ]; then
    # Begun by an older release, which kept it elsewhere.
    look_at_containers && note_containers
fi
if is_ours && has_lost_database; then
    # A fence of no epoch: this one goes on, and may be started again.
    BREAKWATER_EPOCH=0 "${BASH_SOURCE[0]%/*}/fence.sh" || fail "its database has ended, and Harbor could not be ended with it"
    fail "its database has ended, and Harbor was ended with it: both begin again together"
fi
[ -x "$HARBOR_DIR/prepare" ] || fail "there is no $HARBOR_DIR/prepare that may be run"
differs=$(harbor_yml_differs "$HARBOR_DIR/harbor.yml") || fail "harbor.yml is not understood"
[[ $differs != *external_redis* || -n $REDIS_HOST ]] || fail "harbor.yml has an external_redis, and REDIS_HOST is not set"
problem=$(docker_problem) || fail "$problem"
[ -f "$HARBOR_DIR/docker-compose.yml" ] || fail "there is no docker-compose.yml: run ./prepare here once"
mapfile -t images < <(sed -nE 's/^ +image: *["'\'']?([^"'\'' ]+).*/\1/p' "$HARBOR_DIR/docker-compose.yml" | sort -u)
[ ${#images[@]} -gt 0 ] || fail "docker-compose.yml names no image"
mapfile -t -O ${#images[@]} images < <(grep -oE '[A-Za-z0-9._:/-]+/prepare:[A-Za-z0-9._-]+' "$HARBOR_DIR/prepare" | sort -u)
missing=$(ask_docker image inspect -f ok "${images[@]}" 2>&1 >/dev/null) ||
    fail "not every image is on this host, and nobody may be there to pull it from: ${missing:0:200}"
look_at_containers || fail "$WHY"
[ ${#UNREAD[@]} = 0 ] || say "dockerd cannot load ${UNREAD[0]}. Once dockerd was started again 'docker ps -a' does not show that" \
    "container, and a person may remove its folder"
is_ours || exit 0
# Not what a person has run once, by `docker-compose run`.
mapfile -t ended < <(ask_docker ps -aq --filter status=exited --filter label=com.docker.compose.oneoff=False \
    --filter "label=com.docker.compose.project=$HARBOR_PROJECT")
[ ${#ended[@]} = 0 ] || { say "has ended alone, and is started again: ${ended[*]}" && ask_docker start "${ended[@]}" >/dev/null; }
