#!/bin/bash
# Exits 0 when this zone could take over: it is read-only and its gateways answer, the bucket and the credentials are
# here, and, with BREAKWATER_TARGET_POSITION, it has all that the master had. Prints `position=`, and `lag_seconds=`
# where the master says how far it is: what is not known is left out.
. "${BASH_SOURCE[0]%/*}/rgw.sh"

RGW_BUCKETS=${RGW_BUCKETS:-$RGW_BUCKET}

# Sets `lag`: 0 only when metadata, the log of data and the index log of each bucket are caught up; the age of the
# oldest change that is not here, where one is named; else empty.
measure_lag() {
    local synced oldest now
    lag=
    # shellcheck disable=SC2086
    synced=$(toolbox "$((2 * RGW_CALL_TIMEOUT))" show_sync $RGW_BUCKETS) && [ "${synced##*$'\n'}" = end ] || return
    now=$(date -u +%s.%N)
    awk -v buckets="$(wc -w <<<"$RGW_BUCKETS")" '
        /failed|unknown|ERROR/ { bad = 1 }
        /^ *metadata is caught up with master/ { metadata = 1 }
        /^ *data is caught up with source/ { data++ }
        /^ *data sync source:/ { sources++ }
        /^ *source zone/ { pairs++ }
        /^ *bucket is caught up with source/ { caught++ }
        END {
            exit !(!bad && metadata && sources > 0 && data == sources && pairs == sources * buckets && caught == pairs)
        }' <<<"$synced" && lag=0 && return
    oldest=$(sed -n 's/^ *oldest incremental change not applied: \([0-9T:.+-]*\).*/\1/p' <<<"$synced" |
        sort | head -n 1)
    [ -n "$oldest" ] && oldest=$(date -u -d "$oldest" +%s.%N 2>/dev/null) || return
    # By two clocks: an age that can not be says that they are apart, and not how old the change is.
    lag=$(awk -v now="$now" -v then="$oldest" 'BEGIN { age = now - then; if (age > 0) printf "%.3f", age < 0.001 ? 0.001 : age }')
    [ -n "$lag" ] || say "no lag known: by this machine's clock the oldest change that is not here is of the future"
}

# True when the period here is as new as position $1, REALM-EPOCH.EPOCH.
has_period_of() {
    [[ $1 =~ ^([0-9]{1,18})\.([0-9]{1,18})$ ]] || fail "BREAKWATER_TARGET_POSITION '$1' is no position"
    [ "$REALM_EPOCH" -gt "${BASH_REMATCH[1]}" ] ||
        { [ "$REALM_EPOCH" -eq "${BASH_REMATCH[1]}" ] && [ "$EPOCH_OF_PERIOD" -ge "${BASH_REMATCH[2]}" ]; }
}

problem='' credentials='' why='' lag=''
# shellcheck disable=SC2119
! settings_problem || fail "$problem"
target=${BREAKWATER_TARGET_POSITION:-}
look || fail "the toolbox does not say how zone $ZONE_NAME is"
for endpoint in $RGW_ENDPOINTS; do
    s3 HEAD "$endpoint" "/$RGW_BUCKET"
    [ "$code" = 200 ] || fail "bucket $RGW_BUCKET at $endpoint: HTTP $code, with the credentials of RGW_CREDENTIALS"
done
echo "position=$REALM_EPOCH.$EPOCH_OF_PERIOD"
[ "$MASTER" != "$ZONE" ] || exit 0
[ "$READ_ONLY" = true ] || fail "the zone is a standby, and not read-only: its gateways take writes; run rejoin.sh"
measure_lag
[ -z "$lag" ] || echo "lag_seconds=$lag"
[ -n "$target" ] || exit 0
has_period_of "$target" || fail "has period $REALM_EPOCH.$EPOCH_OF_PERIOD, not yet $target"
[ "$MASTER_READ_ONLY" = true ] || fail "the master still takes writes"
[ "$lag" = 0 ] || fail "has not yet all that the master had${lag:+: $lag s behind}"
