#!/bin/bash
# Ends Harbor at the other site from here, for an epoch that the witnesses have closed: what fence.sh does, through the
# API server of that site, by the kubeconfig that has its name in the folder HARBOR_REMOTE_KUBECONFIGS. Exits 0 only when
# no pod is left there and none is to come, see ../kubernetes/object.sh; 3, nothing touched, where a newer epoch has that
# Harbor. It fences no cluster of which it was not seen that it is another one than this site's.
. "${BASH_SOURCE[0]%/*}/harbor.sh"

NEWER_THERE=3
HARBOR_REMOTE_FENCE_TIMEOUT=${HARBOR_REMOTE_FENCE_TIMEOUT:-110}

# The other site may have got it back, or had it ended, long after this was asked for.
leave_to_newer() {
    say "the object there has ${MARK/-/, }, and epoch $EPOCH is older; nothing was touched"
    exit "$NEWER_THERE"
}

# The counts of the workloads are left to the operator.
push() {
    end_unfinished
}

problem=$(settings_problem HARBOR_REMOTE_FENCE_TIMEOUT) || fail "$problem"
[ "${BREAKWATER_EPOCH:-0}" != 0 ] || fail "BREAKWATER_EPOCH is not set: breakwater's guard runs this script"
there=${BREAKWATER_PREVIOUS_SITE:-}
[[ $there =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || fail "BREAKWATER_PREVIOUS_SITE '$there' is no site"
[ "$there" != "${BREAKWATER_SITE:-}" ] || fail "$there is this site: its own fence.sh ends it"
file=${HARBOR_REMOTE_KUBECONFIGS:-}/$there
[ -s "$file" ] || fail "HARBOR_REMOTE_KUBECONFIGS: $file is no kubeconfig for site $there"
here=$(cluster_id) || fail "the cluster of this site does not say who it is: $there, which might be the same, is not fenced"
# From a file that names no cluster kubectl turns to that of its own pod.
unset KUBERNETES_SERVICE_HOST
export KUBECONFIG=$file
id=$(cluster_id) || fail "the API server of $there does not answer, or lets this account see nothing; nothing was touched ($file)"
[ "$id" != "$here" ] || fail "the kubeconfig of $there leads to the cluster of this site; nothing was touched ($file)"
end_pods "$HARBOR_REMOTE_FENCE_TIMEOUT" remote
