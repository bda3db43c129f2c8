#!/bin/bash
# Exits 0 when Harbor could be started here: settings, harbor.yml, dockerd, and each image that it, or `prepare`, needs is on
# this host.
# Prints no lag: the data is that of the database and of where the images lie.
#
# Where it serves, a component that has ended alone is started again: dockerd does not (`restart: "no"`).
. "${BASH_SOURCE[0]%/*}/compose.sh"

# shellcheck disable=SC2119
problem=$(settings_problem) || fail "$problem"
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
[ -n "$(list_open started)" ] || exit 0
# Not what a person has run once, by `docker-compose run`.
mapfile -t ended < <(ask_docker ps -aq --filter status=exited --filter label=com.docker.compose.oneoff=False \
    --filter "label=com.docker.compose.project=$HARBOR_PROJECT")
[ ${#ended[@]} = 0 ] || { say "has ended alone, and is started again: ${ended[*]}" && ask_docker start "${ended[@]}" >/dev/null; }
