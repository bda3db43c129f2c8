#!/bin/bash
# Prints `started` when the restored database can be written to and goes as far as the backup that was promised,
# `stopped` when no instance is wanted, no pod is left and nothing under way can make one, `unknown` in every other
# case, as while it is restored; why, on stderr. Changes nothing.
. "${BASH_SOURCE[0]%/*}/walg.sh"

problem=$(settings_problem) || answer unknown "$problem"
read_object || answer unknown "the object $NAMESPACE/$OBJECT cannot be read"
# What may still make a pod is asked before the pods: one that was made before has to be seen.
busy=$(busy_workloads) || answer unknown "what may make pods cannot be listed"
pods=$(list_pods) || answer unknown "its pods cannot be listed"
if is_dormant && [ -z "$pods" ]; then
    look_for_silent || answer unknown "the nodes cannot be listed"
    [ -z "$silent" ] || answer unknown "no pod object is left, but these nodes may run what they had: $silent"
    case $MARK in
    *-starting) answer unknown "a start of epoch ${MARK%-*} was begun, and nobody has seen its end" ;;
    *-ending) answer unknown "a stop of epoch ${MARK%-*} was begun, and has not seen its end" ;;
    esac
    [ -z "$busy" ] || answer unknown "these may still make a pod: $busy"
    ! is_behind || answer unknown "the operator is not done with what it was told: it may make pods"
    answer stopped "no instance is wanted, no pod is left"
fi
! is_dormant || answer unknown "no instance is wanted, these pods are left: $(cut -d ' ' -f 1 <<<"$pods" | paste -sd ,)"
members=$(look_at_members "$pods")
address=$(primary_of "$members") || answer unknown "no one primary: $(awk '{ printf "%s %s, ", $1, $2 }' <<<"$members")"
position=$(position_at "$address") || answer unknown "$address does not say how far its data goes"
keeps_promise "$position" ||
    answer unknown "$address can be written to, and goes less far than the backup that was to be restored"
answer started "$(open_members "$members")can be written to"
