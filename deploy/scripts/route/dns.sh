#!/bin/bash
# Points a name at the site that serves, by DNS UPDATE (RFC 2136), and refuses to do so for an older epoch.
#
#   dns.sh               this site is published under the name: at the end of a start script
#   dns.sh --withdraw    nothing is published there for this epoch, or an older one: in a stop script
#   dns.sh --settings    the settings alone are looked at
#
# Beside the name stands a TXT record, the mark, that says whose epoch is published. Each change is one UPDATE
# message with the mark as it was read as its prerequisite, and the new mark in it: the server itself refuses
# it once another has written, however late it comes. So it may be killed at any point and run again, and of
# two at once one wins and the other looks again. It ends well only once the server, asked with the same key,
# has shown what was to be there.
#
#   ROUTE_ZONE, ROUTE_NAME    the zone, and the name in it (shop.example.net)
#   ROUTE_TARGET              where it points from here on: addresses, or one name with ROUTE_TYPE=CNAME
#   ROUTE_TYPE                A, AAAA or CNAME; default A
#   ROUTE_TTL                 seconds; default 30
#   ROUTE_MARK                the name of the mark; default _breakwater.ROUTE_NAME
#   ROUTE_SERVER, ROUTE_PORT  the zone's primary server; default port 53
#   ROUTE_KEY_FILE            its TSIG key, as `tsig-keygen` prints it; nobody else may read it
#   ROUTE_CALL_TIMEOUT        seconds for each call of the server; default 3
#   ROUTE_TIMEOUT             seconds for all; default 20
#   BREAKWATER_EPOCH, BREAKWATER_SITE, BREAKWATER_REASON    as the guard sets them
#
# Exit status: 0 it was seen so; 1 it was not, in time; 2 the settings are wrong; 3 the server has a newer epoch,
# or this one is over there, and nothing was touched.
set -u -o pipefail
umask 077
export LC_ALL=C

. "${BASH_SOURCE[0]%/*}/mark.sh" || exit 1

FAILED=1

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
    say "$*"
    exit "$FAILED"
}

# ---- settings -------------------------------------------------------------------------------------------

is_name() {
    [[ ${#1} -le 253 && $1 =~ ^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$ ]]
}

is_number() {
    [[ $1 =~ ^[1-9][0-9]{0,8}$ ]]
}

# An address as the server will print it.
plain_address() {
    local family=$1 address=$2
    case $family in
    A) [[ $address =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] && getent ahostsv4 "$address" ;;
    AAAA) [[ $address =~ ^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$ ]] && getent ahostsv6 "$address" ;;
    esac | awk 'NR == 1 { print $1 }'
}

# One of ROUTE_TARGET a line, in order.
wanted_data() {
    local target data
    for target in $ROUTE_TARGET; do
        if [ "$ROUTE_TYPE" = CNAME ]; then
            target=${target%.}
            is_name "$target" || return 1
            data=${target,,}.
        else
            data=$(plain_address "$ROUTE_TYPE" "$target")
        fi
        [ -n "$data" ] || return 1
        printf '%s\n' "$data"
    done | sort
}

check_key_file() {
    local mode
    [ -r "$ROUTE_KEY_FILE" ] || wrong "ROUTE_KEY_FILE: $ROUTE_KEY_FILE cannot be read"
    mode=$(stat -L -c %a "$ROUTE_KEY_FILE") || wrong "ROUTE_KEY_FILE: $ROUTE_KEY_FILE cannot be looked at"
    [ $((8#$mode & 8#077)) -eq 0 ] ||
        wrong "ROUTE_KEY_FILE: others may read or change $ROUTE_KEY_FILE (chmod 600)"
}

check_settings() {
    local name tool
    for tool in nsupdate dig timeout getent; do
        command -v "$tool" >/dev/null || wrong "there is no '$tool' in $PATH"
    done
    for name in ROUTE_ZONE ROUTE_NAME ROUTE_SERVER ROUTE_KEY_FILE BREAKWATER_SITE BREAKWATER_EPOCH; do
        [ -n "${!name:-}" ] || wrong "$name is not set"
    done
    ROUTE_ZONE=${ROUTE_ZONE%.}
    ROUTE_NAME=${ROUTE_NAME%.}
    ROUTE_MARK=${ROUTE_MARK:-_breakwater.$ROUTE_NAME}
    ROUTE_MARK=${ROUTE_MARK%.}
    for name in ROUTE_ZONE ROUTE_NAME ROUTE_MARK; do
        is_name "${!name}" || wrong "$name: '${!name}' is no name"
    done
    [ "${ROUTE_MARK,,}" != "${ROUTE_NAME,,}" ] || wrong "ROUTE_MARK has to be another name than ROUTE_NAME"
    [[ $ROUTE_SERVER =~ ^[A-Za-z0-9.:_-]+$ && $ROUTE_SERVER != -* ]] ||
        wrong "ROUTE_SERVER: '$ROUTE_SERVER' is no host"
    for name in ROUTE_PORT ROUTE_TTL ROUTE_CALL_TIMEOUT ROUTE_TIMEOUT; do
        is_number "${!name}" || wrong "$name: '${!name}' is no whole number above 0"
    done
    [[ $ROUTE_TYPE =~ ^(A|AAAA|CNAME)$ ]] || wrong "ROUTE_TYPE is A, AAAA or CNAME, not '$ROUTE_TYPE'"
    is_site "$BREAKWATER_SITE" || wrong "BREAKWATER_SITE: '$BREAKWATER_SITE' is no site"
    [[ $BREAKWATER_EPOCH =~ ^(0|[1-9][0-9]{0,17})$ ]] || wrong "BREAKWATER_EPOCH: '$BREAKWATER_EPOCH' is no epoch"
    check_key_file
    [ "$what" = withdraw ] && return
    [ -n "${ROUTE_TARGET:-}" ] || wrong "ROUTE_TARGET is not set"
    [[ $ROUTE_TYPE != CNAME || $ROUTE_TARGET != *[[:space:]]* ]] || wrong "ROUTE_TARGET: a CNAME has one target"
    wanted=$(wanted_data) || wrong "ROUTE_TARGET: '$ROUTE_TARGET' is not of the type $ROUTE_TYPE"
}

# ---- the server -----------------------------------------------------------------------------------------

left() {
    echo $((deadline - SECONDS))
}

# Runs "$@" within what one call, and all of them, may take.
within() {
    local limit=$ROUTE_CALL_TIMEOUT
    [ "$(left)" -ge "$limit" ] || limit=$(left)
    [ "$limit" -gt 0 ] || return 124
    timeout --foreground -k 1 "$limit" "$@"
}

# The data of all records of name $1 and type $2, in order, as the authoritative server has them. Fails, and
# says why in `why`, where it does not say; but what no other look would change ends the script.
look() {
    local answer
    answer=$(within dig +noall +comments +answer +norecurse +tcp +tries=1 "+time=$ROUTE_CALL_TIMEOUT" \
        -k "$ROUTE_KEY_FILE" -p "$ROUTE_PORT" "@$ROUTE_SERVER" "$1" "$2" 2>&1) ||
        { why="$ROUTE_SERVER does not answer" && return 1; }
    case $answer in
    *"verify signature"* | *"status: NOTAUTH"* | *BADKEY* | *BADSIG*)
        fail "$ROUTE_SERVER does not take the key, or its answer is not signed with it" ;;
    esac
    [[ $answer =~ status:\ (NOERROR|NXDOMAIN), && $answer =~ flags:[a-z\ ]*\ aa[\ \;] ]] ||
        { why="$ROUTE_SERVER is not authoritative for $1, or cannot say" && return 1; }
    data=$(awk -v name="${1,,}." -v type="$2" 'tolower($1) != name { next }
        $4 == "CNAME" && type == "A" || $4 == "CNAME" && type == "AAAA" { print "CNAME"; next }
        $4 == type { for (i = 0; i < 4; i++) sub(/^[^ \t]+[ \t]+/, ""); print }' <<<"$answer" | sort)
    [ "$data" != CNAME ] || fail "$1 is a CNAME there, beside which no $2 can be: nothing was touched"
}

# MARK, its parts, and what the name has.
look_at_all() {
    look "$ROUTE_MARK" TXT || return 1
    MARK=$data
    mark_epoch=-1 mark_site='' mark_state=''
    if [[ $MARK =~ ^\"breakwater\ epoch=(0|[1-9][0-9]{0,17})\ site=([A-Za-z0-9._-]+)\ state=(published|withdrawn)\"$ ]]; then
        mark_epoch=${BASH_REMATCH[1]} mark_site=${BASH_REMATCH[2]} mark_state=${BASH_REMATCH[3]}
    elif [ -n "$MARK" ]; then
        fail "the mark $ROUTE_MARK has $MARK, which this script does not write"
    fi
    look "$ROUTE_NAME" "$ROUTE_TYPE" || return 1
    has=${data,,}
}

# One message: what has to be so, and what then is.
message() {
    local line
    printf 'server %s %s\nzone %s\n' "$ROUTE_SERVER" "$ROUTE_PORT" "$ROUTE_ZONE"
    if [ -n "$MARK" ]; then
        printf 'prereq yxrrset %s. TXT %s\n' "$ROUTE_MARK" "$MARK"
    else
        printf 'prereq nxrrset %s. TXT\n' "$ROUTE_MARK"
    fi
    printf 'update delete %s. %s\n' "$ROUTE_NAME" "$ROUTE_TYPE"
    while read -r line; do
        [ -z "$line" ] || printf 'update add %s. %s %s %s\n' "$ROUTE_NAME" "$ROUTE_TTL" "$ROUTE_TYPE" "$line"
    done <<<"$wanted"
    printf 'update delete %s. TXT\nupdate add %s. %s TXT %s\nsend\n' \
        "$ROUTE_MARK" "$ROUTE_MARK" "$ROUTE_TTL" "$new_mark"
}

# What came of it is seen by the next look; but some answers will not change.
change() {
    local said
    said=$(message | within nsupdate -v -t "$ROUTE_CALL_TIMEOUT" -k "$ROUTE_KEY_FILE" 2>&1) && return
    why="the update was not confirmed${said:+: ${said##*$'\n'}}"
    case $said in
    *REFUSED* | *NOTAUTH* | *NOTZONE* | *BADKEY* | *BADSIG*)
        fail "$ROUTE_SERVER refuses the update: ${said##*$'\n'}" ;;
    esac
}

make_mark() {
    new_mark="\"breakwater epoch=$BREAKWATER_EPOCH site=$BREAKWATER_SITE state=$state\""
}

read_arguments "$@"
ROUTE_TYPE=${ROUTE_TYPE:-A}
ROUTE_TTL=${ROUTE_TTL:-30}
ROUTE_PORT=${ROUTE_PORT:-53}
ROUTE_CALL_TIMEOUT=${ROUTE_CALL_TIMEOUT:-3}
ROUTE_TIMEOUT=${ROUTE_TIMEOUT:-20}
wanted='' MARK='' has='' data=''
why="nothing was asked"
check_settings
[ "$what" != settings ] || exit 0
deadline=$((SECONDS + ROUTE_TIMEOUT)) new_mark=
while [ "$(left)" -gt 0 ]; do
    if look_at_all; then
        judge
        has=${has:-no $ROUTE_TYPE}
        why="the server has ${has//$'\n'/ } for $ROUTE_NAME, and ${MARK:-no mark}"
        change
    fi
    sleep 0.1
done
fail "not seen within $ROUTE_TIMEOUT s: $why"
