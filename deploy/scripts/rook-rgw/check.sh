#!/bin/bash
# For a person, with the account and the settings of the scripts beside it: says each right that they ask for and lack.
# Changes nothing. Exit status and `--rights`: as harbor-operator's.
. "${BASH_SOURCE[0]%/*}/rgw.sh"
. "${BASH_SOURCE[0]%/*}/../kubernetes/check.sh" || exit 1

NAMESPACE=$ROOK_NAMESPACE REQUEST_TIMEOUT=$RGW_CALL_TIMEOUT problem='' credentials=''
# shellcheck disable=SC2119
! settings_problem || fail "$problem"
[ "$RGW_ADMIN" = "kubectl -n $ROOK_NAMESPACE exec -i deploy/rook-ceph-tools --" ] ||
    fail "RGW_ADMIN is '$RGW_ADMIN': what that needs is not known here"
# All that rbac.yaml allows, and no more.
given_by "${BASH_SOURCE[0]%/*}/rbac.yaml" rook-ceph "$ROOK_NAMESPACE"
needs get deployments.apps/rook-ceph-tools
needs list pods
needs create "pods --subresource=exec"
check_rights "$@"
end_check
