# shellcheck shell=bash
# What tests of scripts for Kubernetes share. For sourcing.
. "${BASH_SOURCE[0]%/*}/../support/claims.bash"

exists() {
    [ -e "$1" ] && echo yes
}

listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && echo yes
}

# The kubeconfig $2 of the account: that of the administrator, $1, with another token.
has_account() {
    local secret token admin
    secret=$(kubectl -n system get serviceaccount disaster-recovery -o 'jsonpath={.secrets[0].name}')
    [ -n "$secret" ] || return
    token=$(kubectl -n system get secret "$secret" -o 'jsonpath={.data.token}' | base64 -d)
    admin=$(sed -n 's/.*"token": "\([0-9a-f]*\)".*/\1/p' "$1")
    [ -n "$token" ] && [ -n "$admin" ] || return
    sed "s/$admin/$token/" "$1" >"$2" && echo yes
}
