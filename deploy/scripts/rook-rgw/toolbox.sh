# shellcheck shell=bash
# toolbox.sh - what is done where the programs of Ceph are: rgw.sh sends it, behind the settings and the words of
# one call, to a bash there. One look or one change each, every program with a limit.
#
# Beside the zone's configuration stands an object, breakwater/ZONE in RGW_MARK_POOL, whose keys say what was ordered
# here: EPOCH.starting, EPOCH.started, EPOCH.ending, EPOCH.ended. Keys of one epoch are only added, so nobody's order
# overwrites another's; a start reads them under a lock, right before what it changes.

set -u -o pipefail
umask 077
export LC_ALL=C

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# A program of Ceph within its limit; what it says on stderr is shown only when it fails. In the process group of this
# call: with that it is ended.
ceph_tool() {
    local said status
    { said=$(timeout --foreground -k 1 "$CALL_LIMIT" "$@" 2>&1 >&4); } 4>&1
    status=$?
    [ $status = 0 ] || say "$1 ${2:-} ${3:-}: exit status $status${said:+: ${said##*$'\n'}}"
    return $status
}

admin() {
    ceph_tool radosgw-admin "$@" --rgw-realm="$REALM_NAME" --rgw-zonegroup="$ZONE_GROUP_NAME" --rgw-zone="$ZONE_NAME"
}

marks() {
    ceph_tool rados -p "$MARK_POOL" -N breakwater "$@"
}

# ---- what is there ----------------------------------------------------------------------------------

# `period ID EPOCH REALM-EPOCH MASTER`, and of each zone `zone ID NAME READ-ONLY ENDPOINT...`, as this site has it.
show_period() {
    admin period get | awk '
        { key = $1; value = $2; gsub(/[",]/, "", value); gsub(/[\[\],]/, " ") }
        key == "\"id\":" { if (period == "") period = value; id = value }
        key == "\"name\":" { name = value }
        key == "\"epoch\":" && epoch == "" { epoch = value }
        key == "\"endpoints\":" { inside = 1; endpoints = ""; next }
        inside && $0 ~ /^ *$/ { inside = 0 }
        inside { text = $0; gsub(/[", ]/, "", text); endpoints = endpoints " " text }
        key == "\"read_only\":" { print "zone", id, name, value endpoints }
        key == "\"master_zone\":" { master = value }
        key == "\"realm_epoch\":" { realm_epoch = value }
        END { if (period == "" || realm_epoch == "") exit 1; print "period", period, epoch, realm_epoch, master }'
}

# A line `mark EPOCH STATE` of each; none where nothing was ordered yet.
show_marks() {
    local keys
    keys=$(marks ls) || return 1
    grep -qx -- "$ZONE_NAME" <<<"$keys" || return 0
    keys=$(marks listomapkeys "$ZONE_NAME") || return 1
    awk -F . 'NF == 2 { print "mark", $1 + 0, $2 }' <<<"$keys"
}

# A line `gateway ID ADDRESS` of each that lives on this zone: a gateway watches for changes, and watches anew when it
# has taken over a new period. One that was killed or is frozen stays there until its watch times out.
show_gateways() {
    local pool watchers space=()
    pool=$(admin zone get | sed -n 's/^ *"control_pool": "\(.*\)",\{0,1\}$/\1/p')
    [ -n "$pool" ] || return 1
    [[ $pool != *:* ]] || space=(-N "${pool#*:}")
    # Where nobody watches that ends well, too: what fails says nothing about who lives.
    watchers=$(ceph_tool rados -p "${pool%%:*}" "${space[@]}" listwatchers notify.0) || return 1
    sed -n 's/^watcher=\([^ ]*\) client\.\([0-9]*\) .*/gateway \2 \1/p' <<<"$watchers"
}

look() {
    show_period && show_marks && show_gateways && echo end
}

# ---- the order of things ---------------------------------------------------------------------------

# put_mark EPOCH.STATE; the number is written so that keys stand in their order.
put_mark() {
    [[ $1 == 0.barred-* ]] || marks setomapval "$ZONE_NAME" "$(printf '%018d.%s' "${1%.*}" "${1#*.}")" 1
}

drop_mark() {
    marks rmomapkey "$ZONE_NAME" "$(printf '%018d.%s' "${1%.*}" "${1#*.}")"
}

# True when epoch $1 may still begin here; ends the call where the marks do not say. A person's override serves again in an
# epoch that is over ($2: yes).
may_start() {
    local known
    known=$(show_marks) || fail "the marks of zone $ZONE_NAME cannot be read"
    awk -v epoch="$1" -v again="$2" '
        $2 > epoch || ($2 == epoch && $3 == "ending" && again != "yes") { bad = 1 }
        END { exit bad }' <<<"$known"
}

# From here on no bar of before excuses an address that is silent.
forget_bars() {
    local known number state
    known=$(show_marks) || return 1
    while read -r _ number state; do
        [[ $state != barred-* ]] || drop_mark "$number.$state" || return 1
    done <<<"$known"
}

# Serialises the changes of this zone by this toolbox: descriptor 9 is held by all that a change has started, so who
# has it knows that no earlier one is at work. A start that holds it is ended, a stop only when it takes too long.
take_lock() { # start|close
    local group kind
    exec 9<>"$LOCK" || fail "$LOCK cannot be opened"
    if ! flock -n 9; then
        read -r group kind <"$LOCK"
        if [ "$1" = start ] || [ "${kind:-}" != start ]; then
            flock -w "$CALL_LIMIT" 9 || [ "$1" = close ] || fail "another change of this zone is at work here"
        fi
        if ! flock -n 9; then
            [[ ${group:-} =~ ^[1-9][0-9]+$ ]] && kill -KILL -- "-$group"
            flock -w 5 9 || fail "what another call has begun here cannot be ended"
        fi
    fi
    printf '%s %s\n' "$(cut -d ' ' -f 5 /proc/$$/stat)" "$1" >"$LOCK"
}

# ---- changes ------------------------------------------------------------------------------------------

# change_group AWK-WORD...: the zone group as it lies here, changed by a program of awk; written only where that differs.
change_group() {
    local group changed
    group=$(admin zonegroup get) && changed=$(awk "$@" <<<"$group") && [ -n "$changed" ] || return 1
    [ "$changed" != "$group" ] || return 0
    printf '%s\n' "$changed" >"$LOCK.group" && admin zonegroup set --infile="$LOCK.group" >/dev/null &&
        rm -f "$LOCK.group"
}

# Every other zone of the group refuses users' writes from here on, also one that comes back later.
others_read_only() {
    # shellcheck disable=SC2016
    change_group -v mine="$ZONE_NAME" '
        /"name":/ { name = $2; gsub(/[",]/, "", name) }
        /"read_only":/ && name != mine { sub(/"false"/, "\"true\""); sub(/: false/, ": true") }
        { print }'
}

# What a start left here that was ended before its commit: the next commit, whoever makes it, would be its own. So the
# zone group is as the period has it, where that has another zone as the master.
follow_period() {
    local master
    master=$(show_period | awk '$1 == "period" { print $5 }')
    [[ $master =~ ^[0-9a-f-]{36}$ ]] || return 1
    # shellcheck disable=SC2016
    change_group -v mine="$ZONE_NAME" -v master="$master" '
        /"name":/ { name = $2; gsub(/[",]/, "", name) }
        /"read_only":/ && name == mine { sub(/"false"/, "\"true\""); sub(/: false/, ": true") }
        /"master_zone":/ { sub(/: "[^"]*"/, ": \"" master "\"") }
        { print }'
}

# True when the period here has this zone as read-only ($1: true) or writable; $2: as the master, or as another's.
is_in_period() {
    local period
    period=$(show_period) || return 1
    awk -v mine="$ZONE_NAME" -v closed="$1" -v wanted="$2" '
        $1 == "zone" && $3 == mine { id = $2; is = $4 }
        $1 == "period" { place = $5 == id ? "master" : "other" }
        END { exit !(is ~ "^(" closed ")$" && place ~ "^(" wanted ")$") }' <<<"$period"
}

# promote EPOCH AGAIN STALE TELL: exits with 69 when this call has changed nothing, because the epoch is over. What the period
# says already is written once more, so that the gateways are told, only with TELL. Who was shut out may have been started anew,
# and takes writes from here on, whether anybody sees the end of this start or not: its bar is forgotten before.
promote() {
    local force=() key
    take_lock start
    may_start "$1" "$2" || exit 69
    if [ "$2" = yes ]; then
        for key in started ending ended; do
            drop_mark "$1.$key" 2>/dev/null
        done
    fi
    { forget_bars && put_mark "$1.starting"; } || fail "no mark of zone $ZONE_NAME can be written"
    may_start "$1" no || exit 69
    [ "$4" = yes ] || ! is_in_period false master || return 0
    [ "$3" != yes ] || force=(--yes-i-really-mean-it)
    admin zone modify --master --default --read-only=false >/dev/null && others_read_only &&
        may_start "$1" no && admin period update --commit "${force[@]}" >/dev/null
}

# close_zone EPOCH TELL GOES-ON: nothing of this epoch or an older one begins here any more (yes: but of this one), and the zone
# refuses users' writes. Where another zone is the master and has this one as read-only there is nothing to change.
close_zone() {
    local known wanted='master|other'
    known=$(show_marks) || return 1
    awk -v epoch="$1" '
        $2 > epoch && $3 ~ /^end/ { over[$2] = 1 }
        $2 > epoch && $3 ~ /^start/ { open[$2] = 1 }
        END { for (number in open) if (!(number in over)) exit 1 }' <<<"$known" || exit 70
    [ "$3" = yes ] || put_mark "$1.ending" || return 1
    take_lock close
    [ "$2" != yes ] || wanted=other
    if is_in_period true "$wanted"; then
        follow_period
    elif is_in_period 'true|false' other; then
        follow_period && admin period update --commit >/dev/null
    else
        admin zone modify --read-only >/dev/null && admin period update --commit >/dev/null
    fi
}

# started EPOCH: each endpoint was seen to take a write, so nobody there is shut out, also by a fence that was late.
started() {
    take_lock start
    may_start "$1" no && forget_bars && put_mark "$1.started"
}

# ended EPOCH: it was seen. What is older is implied by it.
ended() {
    local known number state
    put_mark "$1.ended" && known=$(show_marks) || return 1
    while read -r _ number state; do
        [ "$number" -ge "$1" ] || drop_mark "$number.$state" || return 1
    done < <(grep . <<<"$known")
}

# bar EPOCH ID ADDRESS: RADOS itself refuses what this client writes from here on, whenever it comes, for 30 days.
bar() {
    ceph_tool ceph osd blocklist add "$3" 2592000 >/dev/null && put_mark "$1.barred-$2"
}

# pull: the realm as another zone has it. The key is the zone's own, which every zone of a realm has, and goes by
# the environment: no argument shows it.
pull() {
    local zone access secret place
    take_lock start
    zone=$(admin zone get) || return 1
    access=$(sed -n 's/^ *"access_key": "\(.*\)",\{0,1\}$/\1/p' <<<"$zone")
    secret=$(sed -n 's/^ *"secret_key": "\(.*\)",\{0,1\}$/\1/p' <<<"$zone")
    [ -n "$access$secret" ] || fail "zone $ZONE_NAME has no system key"
    for place in "$@"; do
        CEPH_ARGS="${CEPH_ARGS:-} --access-key=$access --secret=$secret" ceph_tool radosgw-admin realm pull \
            --rgw-realm="$REALM_NAME" --url="$place" >/dev/null && return 0
    done
    return 1
}

# A standby that was made writable is set right through the master.
make_read_only() {
    take_lock close
    follow_period && admin period update --commit >/dev/null
}

# What asks a master that is silent hangs, is killed, and watches on for 30 s, as a gateway that nobody knows would. With no
# control objects it watches beside the gateways'.
show_sync() {
    local bucket
    admin sync status --rgw-num-control-oids=0 || return 1
    for bucket in "$@"; do
        echo "bucket $bucket"
        admin bucket sync status --bucket="$bucket" --rgw-num-control-oids=0 || return 1
    done
    echo end
}

LOCK=${TMPDIR:-/tmp}/breakwater-rgw-$REALM_NAME-$ZONE_NAME.lock
"$@"
