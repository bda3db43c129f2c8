# shellcheck shell=bash disable=SC2015,SC2034
# rgw.sh - what the scripts beside it know about one zone of object storage: its place in the realm, its gateways,
# whether they take a user's write, and what was ordered here before. Sourced.
#
# Settings come from the environment only; README.md lists them. Every call has a limit, and each script may be killed
# at any point and run again. Programs of Ceph run in the toolbox (toolbox.sh), requests of S3 here.

set -u -o pipefail
umask 077
export LC_ALL=C

REALM_NAME=${REALM_NAME:-realm}
ZONE_GROUP_NAME=${ZONE_GROUP_NAME:-group}
ZONE_NAME=${ZONE_NAME:-zone}
ROOK_NAMESPACE=${ROOK_NAMESPACE:-rook-ceph}
RGW_ADMIN=${RGW_ADMIN:-kubectl -n $ROOK_NAMESPACE exec -i deploy/rook-ceph-tools --}
RGW_BUCKET=${RGW_BUCKET:-harbor-registry}
RGW_PREFIX=${RGW_PREFIX:-breakwater}
RGW_REGION=${RGW_REGION:-us-east-1}
RGW_MARK_POOL=${RGW_MARK_POOL:-.rgw.root}
RGW_CALL_TIMEOUT=${RGW_CALL_TIMEOUT:-15}
RGW_REQUEST_TIMEOUT=${RGW_REQUEST_TIMEOUT:-3}
RGW_REFUSED_IS_GONE=${RGW_REFUSED_IS_GONE:-no}
NOTHING_CHANGED=69
NEWER_THERE=70
refused=''
here=${BASH_SOURCE[0]%/*}

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

# True when something is wrong with the settings, of which "$@" are seconds as well: then `problem` says it. Else sets
# `credentials`.
settings_problem() {
    local name tool mode
    for name in REALM_NAME ZONE_GROUP_NAME ZONE_NAME RGW_BUCKET RGW_PREFIX RGW_MARK_POOL RGW_REGION; do
        [[ ${!name} =~ ^[A-Za-z0-9._-]{1,63}$ ]] || { problem="$name: '${!name}' is no name" && return 0; }
    done
    for name in RGW_CALL_TIMEOUT RGW_REQUEST_TIMEOUT "$@"; do
        [[ ${!name} =~ ^[1-9][0-9]{0,4}$ ]] || { problem="$name: '${!name}' is no number of seconds" && return 0; }
    done
    [ -n "${RGW_ENDPOINTS:-}" ] || { problem="RGW_ENDPOINTS is not set" && return 0; }
    for name in $RGW_ENDPOINTS; do
        [[ $name =~ ^https?://[A-Za-z0-9.-]+(:[0-9]+)?$ ]] ||
            { problem="RGW_ENDPOINTS: '$name' is not http[s]://HOST[:PORT]" && return 0; }
    done
    [[ ${BREAKWATER_EPOCH:-0} =~ ^(0|[1-9][0-9]{0,17})$ ]] ||
        { problem="BREAKWATER_EPOCH '$BREAKWATER_EPOCH' is no epoch" && return 0; }
    for tool in "${RGW_ADMIN%% *}" curl timeout; do
        command -v "$tool" >/dev/null || { problem="there is no '$tool' in $PATH" && return 0; }
    done
    # Before 7.87 what is signed is not what x-amz-content-sha256 says, and each gateway refuses it; before 7.75 curl passes over
    # the line that it does not know, and sends the key with its secret as they are.
    [[ $(curl -q --version 2>/dev/null) =~ libcurl/([0-9]+)\.([0-9]+) ]] &&
        [ $((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2])) -ge 7087 ] ||
        { problem="the curl here cannot sign requests to a gateway: 7.87 or newer is wanted" && return 0; }
    name=${RGW_CREDENTIALS:-}
    [ -n "$name" ] && [ -r "$name" ] || { problem="RGW_CREDENTIALS: '$name' cannot be read" && return 0; }
    mode=$(stat -L -c %a "$name") && [ $((8#$mode & 8#077)) -eq 0 ] ||
        { problem="RGW_CREDENTIALS: others may read or change $name (chmod 600)" && return 0; }
    IFS= read -r credentials <"$name"
    [[ $credentials == ?*:?* ]] || { problem="RGW_CREDENTIALS: $name has no line ACCESS-KEY:SECRET-KEY" && return 0; }
    return 1
}

# ---- the toolbox ----------------------------------------------------------------------------------------

# toolbox SECONDS VERB WORD...: one call of toolbox.sh. The session of its own is what a later call can end.
toolbox() {
    local limit=$1
    shift
    # shellcheck disable=SC2086
    {
        printf 'REALM_NAME=%q ZONE_GROUP_NAME=%q ZONE_NAME=%q MARK_POOL=%q CALL_LIMIT=%q\n' "$REALM_NAME" \
            "$ZONE_GROUP_NAME" "$ZONE_NAME" "$RGW_MARK_POOL" "$RGW_CALL_TIMEOUT"
        printf 'set --%s\n' "$(printf ' %q' "$@")"
        cat "$here/toolbox.sh"
    } | timeout --foreground -k 1 "$limit" $RGW_ADMIN setsid -w bash -s
}

# Sets what the cluster says: PERIOD EPOCH_OF_PERIOD REALM_EPOCH MASTER, ZONE (its id), READ_ONLY, OTHERS (endpoints),
# MASTER_NAME, MASTER_READ_ONLY, MARK (EPOCH-state, the newest), BARRED (how many gateways RADOS refuses), GATEWAYS
# (ids) and ADDRESS[id]; 1: nobody says.
look() {
    local answer kind one two three four states=''
    declare -gA ADDRESS=()
    PERIOD='' EPOCH_OF_PERIOD='' REALM_EPOCH='' MASTER='' ZONE='' READ_ONLY='' OTHERS='' MASTER_READ_ONLY=''
    MASTER_NAME='' MARK='' BARRED=0 GATEWAYS=''
    answer=$(toolbox "$((RGW_CALL_TIMEOUT + 3))" look) && [ "${answer##*$'\n'}" = end ] || return 1
    while read -r kind one two three four; do
        case $kind in
        period) PERIOD=$one EPOCH_OF_PERIOD=$two REALM_EPOCH=$three MASTER=$four ;;
        gateway) GATEWAYS+="$one " ADDRESS[$one]=$two ;;
        mark)
            [[ $one =~ ^(0|[1-9][0-9]{0,17})$ ]] || return 1 # bash would run what an expression holds
            [[ $two != barred-* ]] || BARRED=$((BARRED + 1))
            if [ -z "$MARK" ] || [ "$one" -gt "${MARK%-*}" ]; then
                MARK=$one-none states=''
            fi
            [ "$one" -lt "${MARK%-*}" ] || states+=" $two"
            ;;
        esac
    done <<<"$answer"
    for kind in ended ending started starting; do
        case "$states " in *" $kind "*) MARK=${MARK%-*}-$kind && break ;; esac
    done
    while read -r kind one two three four; do
        [ "$kind" = zone ] || continue
        [ "$one" != "$MASTER" ] || MASTER_READ_ONLY=$three MASTER_NAME=$two
        if [ "$two" = "$ZONE_NAME" ]; then ZONE=$one READ_ONLY=$three; else OTHERS+="$four "; fi
    done <<<"$answer"
    [ -n "$PERIOD" ] && [ -n "$ZONE" ]
}

# ---- requests ---------------------------------------------------------------------------------------

# A line of a configuration of curl, which it reads from its standard input: no argument shows what is in it.
option() {
    local value=${2//\\/\\\\}
    printf '%s = "%s"\n' "$1" "${value//\"/\\\"}"
}

# True when somebody says that nobody listens at endpoint $1: its machine, or what stands before it. That curl could not
# connect says less: so it ends where the machine is frozen or cut off, too.
is_refused() {
    local place=${1#*://}
    [[ $place == *:* ]] || case $1 in https:*) place+=:443 ;; *) place+=:80 ;; esac
    # shellcheck disable=SC2016 # of the shell that is begun
    [[ $(timeout -k 1 "$RGW_REQUEST_TIMEOUT" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "${place%:*}" "${place##*:}" 2>&1) == \
        *'Connection refused'* ]]
}

# s3 METHOD ENDPOINT PATH [CONTENT]: sets `code` (000: no answer; dead: nobody listens), `said` (the error's name or the
# content) and `gateway`, the id of who answered.
s3() {
    local answer head status data=()
    [ $# -lt 4 ] || data=(--data-binary "$4" -H 'Content-Type: text/plain')
    [ "$1" != HEAD ] || data=(--head)
    code=000 said='' gateway=''
    answer=$({
        option user "$credentials"
        option aws-sigv4 "aws:amz:$RGW_REGION:s3"
        option header "x-amz-content-sha256: UNSIGNED-PAYLOAD"
        option noproxy '*'
        [ -z "${RGW_CA:-}" ] || option cacert "$RGW_CA"
    } | timeout -k 1 $((RGW_REQUEST_TIMEOUT + 1)) curl -q -s -K - -i --max-time "$RGW_REQUEST_TIMEOUT" \
        --max-filesize 65536 -X "$1" "${data[@]}" "$2$3" | tr -d '\r\0')
    status=$?
    [ $status != 7 ] || ! is_refused "$2" || code=dead
    head=${answer%%$'\n\n'*}
    [[ $head =~ ^HTTP/[0-9.]+\ ([0-9]{3}) ]] && code=${BASH_REMATCH[1]} || return 1
    [[ $head =~ x-amz-request-id:\ tx[0-9a-f]+-[0-9a-f]+-([0-9a-f]+)- ]] && gateway=$((16#${BASH_REMATCH[1]}))
    [ "$head" = "$answer" ] || said=${answer#*$'\n\n'}
    [[ ! $said =~ \<Code\>([A-Za-z]+)\</Code\> ]] || said=${BASH_REMATCH[1]}
}

# True when a user's write is taken here and read again; else sets `why`.
takes_writes() {
    local endpoint text
    for endpoint in $RGW_ENDPOINTS; do
        text="breakwater: site ${BREAKWATER_SITE:-none}, epoch ${BREAKWATER_EPOCH:-0}, $(date +%s%6N)"
        s3 PUT "$endpoint" "/$RGW_BUCKET/$RGW_PREFIX/$ZONE_NAME" "$text"
        [ "$code" = 200 ] || { why="a write to $endpoint: HTTP $code $said" && return 1; }
        s3 GET "$endpoint" "/$RGW_BUCKET/$RGW_PREFIX/$ZONE_NAME"
        # What is asked several times at once may be written over in between: by this site alone, never an older text.
        [ "$code" = 200 ] && [[ $said == "breakwater: site "* && ! "${said##* }" < "${text##* }" ]] ||
            { why="what was written to $endpoint does not come back: HTTP $code" && return 1; }
    done
}

# An address that says nothing of writes, in the words of gateway $1, is silent unless RADOS knows that gateway, which then
# has to refuse by itself: one that has lost Ceph and not its users says at once that it is busy, and takes writes later.
count_silent() {
    [ -n "$1" ] && has "$GATEWAYS" "$1" || silent=$((silent + 1))
}

# Asks the endpoints; adds to `refused` who refuses a user's write, to `takes` who takes it, to `answered` whoever says
# anything, and counts those of which nobody is known as `silent`. What refuses has to let the same user read: a wrong
# password is no fence.
ask_writes() {
    local endpoint by
    silent=0
    for endpoint in $RGW_ENDPOINTS; do
        s3 PUT "$endpoint" "/$RGW_BUCKET/$RGW_PREFIX/$ZONE_NAME" "breakwater: a write that is to be refused"
        answered+="$gateway "
        case $code-$said in
        403-AccessDenied)
            by=$gateway
            s3 HEAD "$endpoint" "/$RGW_BUCKET"
            if [ "$code" = 200 ]; then
                refused+="$by "
            else
                count_silent "$by"
                why="$endpoint refuses reads as well: HTTP $code"
            fi
            ;;
        200-*) takes+="$gateway " ;;
        dead-*)
            why="nobody listens at $endpoint"
            # So says a Service, too, or a balancer, whose gateway is frozen: only a gateway's own machine knows that it is gone.
            [ "$RGW_REFUSED_IS_GONE" = yes ] ||
                { silent=$((silent + 1)) && why+=", which counts with RGW_REFUSED_IS_GONE=yes"; }
            ;;
        000-*) silent=$((silent + 1)) why="$endpoint does not answer" ;;
        *)
            count_silent "$gateway"
            why="a write to $endpoint: HTTP $code $said"
            ;;
        esac
    done
}

has() {
    case " $1 " in *" $2 "*) return 0 ;; esac
    return 1
}

# How many of the gateways "$@" are not seen to refuse, and did not answer either.
count_unheard() {
    local id count=0
    for id in $(not_refusing); do
        ! has "$*" "$id" || has "$answered" "$id" || count=$((count + 1))
    done
    echo $count
}

# The ids of GATEWAYS that this script has not seen refuse yet. Who has once does so as long as it has that id.
not_refusing() {
    local id
    for id in $GATEWAYS; do
        has "$refused" "$id" || printf '%s ' "$id"
    done
}

# True when every gateway that lives was seen to refuse a user's write, by the period that they have now: a gateway that
# takes a new one over gets a new id. Behind one address there may be several: it asks again. An address that is silent
# may have a gateway that was frozen, or cut off from RADOS, long ago, unless RADOS refuses that.
all_refuse() {
    local round rounds
    takes='' answered=''
    rounds=$((2 + 4 * $(wc -w <<<"$GATEWAYS")))
    for ((round = 0; round < rounds; round++)); do
        why=''
        ask_writes
        [ -z "$takes" ] || { why="a gateway takes writes: $takes" && return 1; }
        [ -n "$(not_refusing)" ] || [ $silent -gt "$BARRED" ] || return 0
        [ $silent = 0 ] || break
    done
    [ -z "$(not_refusing)" ] || why="not seen to refuse a write: gateway $(not_refusing)${why:+($why)}"
    return 1
}

# ---- the end ------------------------------------------------------------------------------------------

# end_zone SECONDS [bar]: exits 0 only once nothing of this epoch can begin here any more, the period says that the zone
# is read-only, and every gateway that lives was seen to refuse. With `bar`, RADOS refuses those that were not seen so;
# only what was there before is remembered as a gateway that may be silent from then on, and not while more addresses are
# silent than can be those of gateways that RADOS knows: one has a gateway that nobody knows, and that would pass for it.
end_zone() {
    local how=${2:-} epoch=${BREAKWATER_EPOCH:-0} tell=no deadline=$((SECONDS + $1)) closing='' closed='' status address
    local goes_on=no is_known bar_at=$((SECONDS + ${RGW_FENCE_GRACE:-5})) bar_all_at=$((SECONDS + $1 / 2)) id before=''
    why=''
    # Its site starts the service again under this epoch, which is not over.
    [ "${BREAKWATER_RESTART:-}" != true ] || goes_on=yes
    ! look || before=$GATEWAYS
    while [ $SECONDS -lt $deadline ]; do
        if [ -z "$closing" ] && [ -z "$closed" ]; then
            toolbox "$((deadline - SECONDS > 2 ? deadline - SECONDS : 2))" close_zone "$epoch" $tell $goes_on &
            closing=$!
        fi
        if [ -n "$closing" ] && ! kill -0 "$closing" 2>/dev/null; then
            wait "$closing"
            status=$?
            closing=''
            if [ $status = "$NEWER_THERE" ]; then
                # What serves where no epoch was ever held is a person's override, in the newest that the zone had.
                [ "$epoch/${BREAKWATER_EPOCH:-}" = 0/0 ] ||
                    fail "a newer epoch has this zone: epoch $epoch is older, and ends nothing of it"
                ! look || epoch=${MARK%-*}
            fi
            if [ $status = 0 ]; then closed=yes; else why="the zone cannot be closed"; fi
        fi
        if look; then
            if all_refuse && [ "$READ_ONLY" = true ] && [ -n "$closed" ]; then
                [ $goes_on = yes ] || toolbox "$((RGW_CALL_TIMEOUT + 3))" ended "$epoch" || continue
                exit 0
            fi
            [ "$READ_ONLY" = true ] || why="the zone is not read-only in its period"
            # It looks again after it has asked: who took the period over meanwhile has another id. That of before is nobody's any
            # more, and would pass for a gateway that is silent, in place of one that nobody knows.
            if [ "$how" = bar ] && [ $SECONDS -ge $bar_at ] && [ -n "$(not_refusing)" ] && look; then
                # Also one that is about to take over the period is silent for a moment: there is time to wait for it.
                # shellcheck disable=SC2086
                [ $((silent - BARRED)) -le "$(count_unheard $before)" ] && is_known=yes || is_known=no
                for id in $(not_refusing); do
                    [ $is_known = yes ] || [ $SECONDS -ge $bar_all_at ] || break
                    # What changes the period watches as a gateway does: while ours is at work it is not to be shut out.
                    [ -z "$closing" ] || has "$before" "$id" || continue
                    # Who answers still has time to be told; a frozen one beside it holds that up.
                    ! has "$takes" "$id" || [ $SECONDS -ge $bar_all_at ] || continue
                    address=${ADDRESS[$id]}
                    say "gateway $id at $address was not seen to refuse: RADOS refuses it from here on"
                    toolbox "$((RGW_CALL_TIMEOUT + 3))" bar \
                        "$([ $is_known = yes ] && has "$before" "$id" && echo "$epoch" || echo 0)" "$id" "$address"
                done
            fi
            # Who has missed the change is told again.
            [ -z "$takes" ] || [ -n "$closing" ] || { closed='' tell=yes; }
        else
            why="the cluster does not say how it is"
        fi
        sleep 0.2
    done
    fail "not seen to refuse writes within $1 s: ${why:-no answer}"
}
