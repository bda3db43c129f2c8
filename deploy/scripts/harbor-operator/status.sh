#!/bin/bash
# Prints `started` when Harbor is healthy and each component that is wanted has a Ready pod, `stopped`
# when no pod is wanted, no pod object is left, its nodes are Ready and nothing under way can make one,
# `unhealthy` when these pods are Ready and Harbor says otherwise, or too few are, `unknown` in every other case; why, on
# stderr. Changes nothing.
. "${BASH_SOURCE[0]%/*}/harbor.sh"

answer() {
    [ -z "${health_answer:-}" ] || cat <&"$health_answer" >/dev/null # let nothing be left behind
    say "$2"
    echo "$1"
    exit 0
}

# shellcheck disable=SC2119
problem=$(settings_problem) || answer unknown "$problem"
exec {health_answer}< <(health)
read_object || answer unknown "the object $HARBOR_NAMESPACE/$HARBOR_NAME cannot be read"
pods=$(list_pods) || answer unknown "its pods cannot be listed"
said=
read -r said <&"$health_answer"

if is_dormant && [ -z "$pods" ]; then
    look_for_silent || answer unknown "the nodes cannot be listed"
    [ -z "$silent" ] || answer unknown "no pod object is left, but these nodes may run what they had: $silent"
    [[ $MARK != *-starting ]] ||
        answer unknown "a start of epoch ${MARK%-*} was begun, and nobody has seen its end"
    [[ $MARK != *-ending ]] ||
        answer unknown "a stop of epoch ${MARK%-*} was begun, and has not seen its end"
    ! is_operator_behind || answer unknown "the operator has not seen the last change: it may make pods"
    [ "$said" = silent ] || answer unknown "no pod is left, and $HARBOR_HEALTH_URL is $said"
    answer stopped "no pod is wanted, none is left"
fi
wanted=0
for part in "${COMPONENTS[@]}"; do
    [ "${COUNT[$part]}" != 0 ] || continue
    wanted=$((wanted + 1))
    awk -v part="$part" '$2 == part && $5 == "ready" { found = 1 } END { exit !found }' <<<"$pods" ||
        answer unknown "no pod of $part is Ready; health: $said"
done
ready=$(awk '$5 == "ready"' <<<"$pods" | wc -l)
[ "$wanted" -gt 0 ] || answer unknown "no pod is wanted, these are left: $(cut -d ' ' -f 1 <<<"$pods" | paste -sd ,)"
[ "$ready" -ge "${MIN_PODS_REQUIRED:-$wanted}" ] ||
    answer unhealthy "$ready pods are Ready, MIN_PODS_REQUIRED is $MIN_PODS_REQUIRED"
[ "$said" != unhealthy ] || answer unhealthy "$ready pods are Ready, and $HARBOR_HEALTH_URL is $said"
[ "$said" = healthy ] || answer unknown "$ready pods are Ready, and $HARBOR_HEALTH_URL is $said"
answer started "$ready pods are Ready, and Harbor is healthy"
