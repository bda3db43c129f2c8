#!/bin/bash
# shellcheck disable=SC2015,SC2034
# Points a Service of Kubernetes at the site that serves, and refuses to do so for an older epoch.
#
#   service.sh               this site is published: at the end of a start script
#   service.sh --withdraw    nothing is published for this epoch, or an older one: in a stop script
#   service.sh --settings    the settings alone are looked at
#
# The object carries the annotation breakwater/epoch, the mark, that says whose epoch is published: N-published-SITE
# or N-withdrawn-SITE. Each change is one JSON patch that begins with a test of the mark as it was read, and takes the
# new one along: the API server itself refuses it once another has written, however late it comes. So it may be killed
# at any point and run again. It ends well only once the API server has shown what was to be there.
#
#   ROUTE_NAMESPACE, ROUTE_SERVICE    the Service
#   ROUTE_SELECTOR                    the labels of this site's pods (`site=dc-a app=shop`)
#   ROUTE_ADDRESSES, ROUTE_PORTS      else, of a Service without a selector: addresses of this site, and PORT or
#                                     NAME:PORT of each of its ports; they go into the Endpoints of its name
#   ROUTE_CALL_TIMEOUT                seconds for each call of the API server; default 3
#   ROUTE_TIMEOUT                     seconds for all; default 20
#   KUBECONFIG                        its rights: README.md
#   BREAKWATER_EPOCH, BREAKWATER_SITE, BREAKWATER_REASON    as the guard sets them
#
# Exit status: 0 it was seen so; 1 it was not, in time; 2 the settings are wrong; 3 there is a newer epoch, or this
# one is over there, and nothing was touched.
. "${BASH_SOURCE[0]%/*}/../kubernetes/object.sh" || exit 1
. "${BASH_SOURCE[0]%/*}/mark.sh" || exit 1

# No pod has this label. Without any selector what the last one has found would stay.
NOBODY='breakwater/route=withdrawn'

# ---- settings -------------------------------------------------------------------------------------------

is_label() {
    local word='[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?'
    [[ $1 =~ ^([a-z0-9.-]{1,200}/)?$word=$word$ ]]
}

is_address() {
    [[ $1 =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ || $1 =~ ^[0-9a-f:]*:[0-9a-f:]*$ ]]
}

is_port() {
    [[ $1 =~ ^([a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?:)?[1-9][0-9]{0,4}$ ]]
}

# check_words NAME PREDICATE: the words of a setting, of which there has to be one.
check_words() {
    local word
    [ -n "${!1// /}" ] || wrong "$1 is not set"
    for word in ${!1}; do
        "$2" "$word" || wrong "$1: '$word' is none"
    done
}

check_settings() {
    local name
    problem=$(common_problem "ROUTE_NAMESPACE ROUTE_SERVICE" "ROUTE_CALL_TIMEOUT ROUTE_TIMEOUT" awk) || wrong "$problem"
    [ -n "${BREAKWATER_EPOCH:-}" ] || wrong "BREAKWATER_EPOCH is not set"
    is_site "${BREAKWATER_SITE:-}" || wrong "BREAKWATER_SITE: '${BREAKWATER_SITE:-}' is no site"
    if [ -n "$ROUTE_SELECTOR" ]; then
        [ -z "$ROUTE_ADDRESSES$ROUTE_PORTS" ] || wrong "ROUTE_SELECTOR and ROUTE_ADDRESSES: one or the other"
        check_words ROUTE_SELECTOR is_label
    else
        check_words ROUTE_ADDRESSES is_address
        check_words ROUTE_PORTS is_port
    fi
}

# ---- the object -----------------------------------------------------------------------------------------

sorted() {
    printf '%s\n' "$@" | sort -u | paste -sd ' '
}

# "k":"v" of each of K=V.
json_labels() {
    printf '%s\n' "$@" | sed -E 's/^([^=]*)=(.*)$/"\1":"\2"/' | paste -sd ,
}

json_addresses() {
    printf '{"ip":"%s"}\n' "$@" | paste -sd ,
}

json_ports() {
    printf '%s\n' "$@" | sed -E 's/^([^:]*):(.*)$/{"name":"\1","port":\2}/; t; s/.*/{"port":&}/' | paste -sd ,
}

# What is to be: KIND and TEMPLATE, how the object shows it, `wanted`, as words, and `operation`, which makes it so.
# shellcheck disable=SC2086,SC2016 # words of settings that were checked; the template's own variables
plan() {
    local subset selector=$ROUTE_SELECTOR
    if [ -n "$selector" ]; then
        KIND=services
        TEMPLATE='{{range $key, $value := .spec.selector}} {{$key}}={{$value}}{{end}}'
        [ "$what" = publish ] || selector=$NOBODY
        wanted=$(sorted $selector)
        operation='{"op":"add","path":"/spec/selector","value":{'$(json_labels $wanted)'}}'
    else
        KIND=endpoints
        TEMPLATE='{{range .subsets}}{{range .addresses}} {{.ip}}{{end}}'
        TEMPLATE+='{{range .ports}} {{with .name}}{{.}}:{{end}}{{.port}}{{end}}{{end}}'
        wanted='' subset=
        if [ "$what" = publish ]; then
            wanted=$(sorted $ROUTE_ADDRESSES $ROUTE_PORTS)
            subset='{"addresses":['$(json_addresses $ROUTE_ADDRESSES)'],"ports":['$(json_ports $ROUTE_PORTS)']}'
        fi
        operation='{"op":"add","path":"/subsets","value":['$subset']}'
    fi
}

# Sets ANNOTATED and MARK, the mark's parts, and what it has, as words. 1: nobody says.
# shellcheck disable=SC2086 # words
look() {
    local answer template key value
    template="annotated {{with .metadata.annotations}}yes{{end}}{{\"\\n\"}}$(annotation_template mark epoch)"
    answer=$(ask_whole "${template}has $TEMPLATE{{\"\\n\"}}" "$KIND" "$ROUTE_SERVICE") || return 1
    while read -r key value; do
        case $key in
        annotated) ANNOTATED=$value ;;
        mark) MARK=$value ;;
        has) has=$(sorted $value) ;;
        esac
    done <<<"$answer"
    mark_epoch=-1 mark_site='' mark_state=''
    if [[ $MARK =~ ^(0|[1-9][0-9]{0,17})-(published|withdrawn)-([A-Za-z0-9._-]+)$ ]]; then
        mark_epoch=${BASH_REMATCH[1]} mark_state=${BASH_REMATCH[2]} mark_site=${BASH_REMATCH[3]}
    elif [ -n "$MARK" ]; then
        fail "the annotation breakwater/epoch is '$MARK', which this script does not write"
    fi
}

make_mark() {
    new_mark=$BREAKWATER_EPOCH-$state-$BREAKWATER_SITE
}

read_arguments "$@"
for name in ROUTE_NAMESPACE ROUTE_SERVICE ROUTE_SELECTOR ROUTE_ADDRESSES ROUTE_PORTS; do
    printf -v "$name" '%s' "${!name:-}"
done
ROUTE_CALL_TIMEOUT=${ROUTE_CALL_TIMEOUT:-3}
ROUTE_TIMEOUT=${ROUTE_TIMEOUT:-20}
NAMESPACE=$ROUTE_NAMESPACE OBJECT=$ROUTE_SERVICE
MARK='' ANNOTATED='' has='' why="$ROUTE_NAMESPACE/$ROUTE_SERVICE cannot be read"
check_settings
[ "$what" != settings ] || exit 0
plan
deadline=$((SECONDS + ROUTE_TIMEOUT)) new_mark=
while left=$((deadline - SECONDS)) && [ $left -gt 0 ]; do
    REQUEST_TIMEOUT=$((left < ROUTE_CALL_TIMEOUT ? left : ROUTE_CALL_TIMEOUT))
    if look; then
        judge
        why="$KIND/$ROUTE_SERVICE has ${has:-nothing}, and ${MARK:-no mark}"
        said=$(patch "$(annotation epoch "$new_mark")" "$operation" 2>&1) ||
            why+="; the patch was not confirmed: ${said##*$'\n'}"
    fi
    sleep 0.1
done
fail "not seen within $ROUTE_TIMEOUT s: $why"
