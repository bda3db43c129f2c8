#!/bin/bash
# Proves that a registry answers as its users ask it: as `verify_script` of a group, after a start.
#
# An image of one layer of some bytes is pushed and pulled again, with a token that the registry's own token service
# gives to a robot account (401, `WWW-Authenticate: Bearer realm=...`, token, once more), and each digest compared. The
# layer says which epoch it is of, so what is read is what was just written. One fixed tag is written over each time;
# what it pointed to before is untagged, which the registry's garbage collection removes. It may be killed at any point
# and run again.
#
#   VERIFY_REGISTRY_URL           https://HOST[:PORT], or http://HOST[:PORT] if the registry is plain, as users write it
#   VERIFY_REGISTRY_REPOSITORY    where the image goes: PROJECT/NAME
#   VERIFY_REGISTRY_CREDENTIALS   a file with one line, ACCOUNT:PASSWORD; nobody else may read it
#   VERIFY_REGISTRY_TAG           default breakwater-verify
#   VERIFY_REGISTRY_REALM         the URL of the token service, where that is not below VERIFY_REGISTRY_URL: to no other is
#                                 the password sent
#   VERIFY_REGISTRY_CONNECT_TO    HOST:PORT that is spoken to, whatever the names resolve to: this site's own
#   VERIFY_REGISTRY_CA            a file of CA certificates; default the system's
#   VERIFY_REGISTRY_CALL_TIMEOUT  seconds for each request; default 5
#   VERIFY_REGISTRY_TIMEOUT       seconds for all; default 30
#   BREAKWATER_GROUP, BREAKWATER_SITE, BREAKWATER_EPOCH    as the guard sets them
#
# With --settings it looks at the settings alone.
#
# Exit status: 0 it was pushed and read back the same; 1 not, the last line says why; 2 the settings are wrong.
set -u -o pipefail
umask 077
export LC_ALL=C

MANIFEST=application/vnd.oci.image.manifest.v1+json
CONFIG=application/vnd.oci.image.config.v1+json
LAYER=application/vnd.oci.image.layer.v1.tar

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

wrong() {
    say "$*"
    exit 2
}

# ---- settings -------------------------------------------------------------------------------------------

read_credentials() {
    local file=$VERIFY_REGISTRY_CREDENTIALS mode
    [ -r "$file" ] || wrong "VERIFY_REGISTRY_CREDENTIALS: $file cannot be read"
    mode=$(stat -L -c %a "$file") || wrong "VERIFY_REGISTRY_CREDENTIALS: $file cannot be looked at"
    [ $((8#$mode & 8#077)) -eq 0 ] ||
        wrong "VERIFY_REGISTRY_CREDENTIALS: others may read or change $file (chmod 600)"
    IFS= read -r credentials <"$file"
    [[ $credentials == ?*:?* ]] || wrong "VERIFY_REGISTRY_CREDENTIALS: $file has no line ACCOUNT:PASSWORD"
}

check_settings() {
    local name tool
    for tool in curl sha256sum tar timeout; do
        command -v "$tool" >/dev/null || wrong "there is no '$tool' in $PATH"
    done
    for name in VERIFY_REGISTRY_URL VERIFY_REGISTRY_REPOSITORY VERIFY_REGISTRY_CREDENTIALS; do
        [ -n "${!name:-}" ] || wrong "$name is not set"
    done
    url=${VERIFY_REGISTRY_URL%/}
    [[ $url =~ ^https?://[A-Za-z0-9.-]+(:[0-9]+)?$ ]] ||
        wrong "VERIFY_REGISTRY_URL: '$url' is not https://HOST[:PORT] or http://HOST[:PORT]"
    protocols=https
    [[ $url == https://* ]] || protocols=http,https
    [[ $VERIFY_REGISTRY_REPOSITORY =~ ^[a-z0-9]+([._/-]+[a-z0-9]+)*$ ]] ||
        wrong "VERIFY_REGISTRY_REPOSITORY: '$VERIFY_REGISTRY_REPOSITORY' is no repository"
    [[ $tag =~ ^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$ ]] || wrong "VERIFY_REGISTRY_TAG: '$tag' is no tag"
    case ${VERIFY_REGISTRY_REALM:-https://} in
    https://*) ;;
    http://*)
        [[ $url == http://* ]] ||
            wrong "VERIFY_REGISTRY_REALM is plain http, and VERIFY_REGISTRY_URL is not: the password would be readable on the network"
        ;;
    *) wrong "VERIFY_REGISTRY_REALM does not begin with https:// or http://" ;;
    esac
    connect_to=${VERIFY_REGISTRY_CONNECT_TO:-}
    [[ $connect_to =~ ^(([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]+)?)?$ ]] ||
        wrong "VERIFY_REGISTRY_CONNECT_TO: '$connect_to' is not HOST or HOST:PORT"
    [[ $connect_to =~ [^:]:[0-9]+$ ]] || connect_to+=: # the port of the URL
    for name in call_limit limit; do
        [[ ${!name} =~ ^[1-9][0-9]{0,5}$ ]] || wrong "a timeout is a whole number of seconds, not '${!name}'"
    done
    [ -z "${VERIFY_REGISTRY_CA:-}" ] || [ -r "$VERIFY_REGISTRY_CA" ] ||
        wrong "VERIFY_REGISTRY_CA: $VERIFY_REGISTRY_CA cannot be read"
    read_credentials
}

# ---- requests -----------------------------------------------------------------------------------------

# A line of a configuration of curl, which it reads from its standard input: no argument shows what is in it.
option() {
    local value=${2//\\/\\\\}
    printf '%s = "%s"\n' "$1" "${value//\"/\\\"}"
}

# What every request is made with.
options() {
    option proto "=$protocols"
    option proto-redir "=$protocols"
    option max-redirs 3
    option noproxy '*'
    option max-filesize 1048576
    [ -z "${VERIFY_REGISTRY_CA:-}" ] || option cacert "$VERIFY_REGISTRY_CA"
    [ "$connect_to" = : ] || option connect-to "::$connect_to"
}

# http WHAT EXTRA ARGUMENT...: status in `code`, head and body in files. EXTRA is more of curl's configuration, with what
# nobody else may see. Fails the script where no answer comes.
http() {
    local what=$1 extra=$2 left=$((deadline - SECONDS)) seconds=$call_limit reason
    shift 2
    [ "$left" -gt 0 ] || fail "$what: not within the $limit s for all"
    [ "$left" -ge "$seconds" ] || seconds=$left
    : >"$work/head"
    : >"$work/body"
    code=$({ options; printf '%s' "$extra"; } | timeout -k 1 "$((seconds + 1))" curl -q -sS -K - \
        --max-time "$seconds" -D "$work/head" -o "$work/body" -w '%{http_code}' "$@" 2>"$work/error") || {
        reason=$(tail -n 1 "$work/error")
        fail "$what: no answer within $seconds s: ${reason:-it was ended}"
    }
}

# What an answer that was not wanted says of itself.
said() {
    local text
    text=$(tr -cd '[:print:]' <"$work/body" | cut -c 1-160)
    printf 'HTTP %s%s' "$code" "${text:+, $text}"
}

# The last value of a field of the head.
field() {
    tr -d '\r' <"$work/head" | awk -v name="$1:" 'tolower($1) == name { sub(/^[^:]*:[ \t]*/, ""); value = $0 } END { print value }'
}

challenge_part() {
    [[ $challenge =~ [\ ,]$1=\"([^\"]*)\" ]] && printf '%s' "${BASH_REMATCH[1]}"
}

# As a client does: asks without a token, and goes where the answer says. Sets `bearer`.
fetch_token() {
    local scope=$1 challenge realm service token='"(token|access_token)"[[:space:]]*:[[:space:]]*"([A-Za-z0-9._~+/=-]+)"'
    http "the registry" '' "$url/v2/"
    [ "$code" = 401 ] || fail "the registry: asked without a token it says $(said), not 401"
    challenge=$(field www-authenticate)
    [[ ${challenge,,} == bearer\ * ]] || fail "the registry: it asks for no token, but '${challenge:0:80}'"
    challenge=" ${challenge#* }"
    realm=$(challenge_part realm)
    service=$(challenge_part service)
    [[ $realm == "$url/"* || ( -n ${VERIFY_REGISTRY_REALM:-} && $realm == "$VERIFY_REGISTRY_REALM" ) ]] ||
        fail "the token service is to be at '${realm:0:80}', which is neither below $url nor VERIFY_REGISTRY_REALM"
    http "the token service" "$(option user "$credentials")" --get --data-urlencode "service=$service" \
        --data-urlencode "scope=repository:$VERIFY_REGISTRY_REPOSITORY:$scope" "$realm"
    [ "$code" != 401 ] || fail "the token service: it does not take the account or its password: $(said)"
    [ "$code" = 200 ] || fail "the token service: $(said)"
    [[ $(<"$work/body") =~ $token ]] || fail "the token service: there is no token in its answer"
    bearer=$(option header "Authorization: Bearer ${BASH_REMATCH[2]}")
}

# ---- images -------------------------------------------------------------------------------------------

digest() {
    local sum
    sum=$(sha256sum <"$1") && printf 'sha256:%s' "${sum%% *}"
}

make_image() {
    printf 'breakwater verify: group %s, site %s, epoch %s\n' "${BREAKWATER_GROUP:-none}" \
        "${BREAKWATER_SITE:-none}" "${BREAKWATER_EPOCH:-0}" >"$work/breakwater-verify"
    tar -C "$work" --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 \
        -cf "$work/layer" breakwater-verify || fail "no layer could be made in $work"
    layer=$(digest "$work/layer")
    printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["%s"]}}' \
        "$layer" >"$work/config"
    config=$(digest "$work/config")
    printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","digest":"%s","size":%s},"layers":[{"mediaType":"%s","digest":"%s","size":%s}]}' \
        "$MANIFEST" "$CONFIG" "$config" "$(stat -c %s "$work/config")" "$LAYER" "$layer" \
        "$(stat -c %s "$work/layer")" >"$work/manifest"
    manifest=$(digest "$work/manifest")
}

# Always sent, also where the registry has it: that it can write is to be seen.
push_blob() {
    local what=$1 wanted=$2 place
    http "push of the $what" "$bearer" -X POST -H 'Content-Length: 0' "$repository/blobs/uploads/"
    [ "$code" = 202 ] || fail "push of the $what: $(said)"
    place=$(field location)
    [[ $place != /* ]] || place=$url$place
    [[ $place == "$url/"* ]] || fail "push of the $what: it is to go to '${place:0:80}', which is not below $url"
    case $place in *\?*) place="$place&digest=$wanted" ;; *) place="$place?digest=$wanted" ;; esac
    http "push of the $what" "$bearer" -X PUT -H 'Content-Type: application/octet-stream' \
        --data-binary "@$work/$what" "$place"
    [ "$code" = 201 ] || fail "push of the $what: $(said)"
}

push() {
    fetch_token pull,push
    push_blob layer "$layer"
    push_blob config "$config"
    http "push of the manifest" "$bearer" -X PUT -H "Content-Type: $MANIFEST" --data-binary "@$work/manifest" \
        "$repository/manifests/$tag"
    [ "$code" = 201 ] || fail "push of the manifest: $(said)"
}

# What is at $2 has the digest $3.
pull_part() {
    http "pull of the $1" "$bearer" -L -H "Accept: $MANIFEST" "$repository/$2"
    [ "$code" = 200 ] || fail "pull of the $1: $(said)"
    [ "$(digest "$work/body")" = "$3" ] || fail "pull of the $1: another one than was pushed"
}

pull() {
    fetch_token pull
    pull_part manifest "manifests/$tag" "$manifest"
    pull_part config "blobs/$config" "$config"
    pull_part layer "blobs/$layer" "$layer"
}

tag=${VERIFY_REGISTRY_TAG:-breakwater-verify}
call_limit=${VERIFY_REGISTRY_CALL_TIMEOUT:-5}
limit=${VERIFY_REGISTRY_TIMEOUT:-30}
credentials='' bearer='' code=''
check_settings
[ "${1:-}" != --settings ] || exit 0
repository=$url/v2/$VERIFY_REGISTRY_REPOSITORY
deadline=$((SECONDS + limit))
work=$(mktemp -d) || fail "no directory can be made in ${TMPDIR:-/tmp}"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
make_image
push
pull
say "$VERIFY_REGISTRY_REPOSITORY:$tag was pushed and read back, $manifest"
