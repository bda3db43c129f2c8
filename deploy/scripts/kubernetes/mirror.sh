# shellcheck shell=bash disable=SC2015,SC2030,SC2031,SC2034,SC2153,SC2154
# mirror.sh - whether the settings of both sites agree, so that each can follow the other: a standby's readiness
# asks. Sourced by postgresql.sh.
#
# Only what was seen to disagree counts. Whoever does not answer says nothing: in a loss the other site is just
# that, and this one has to be ready then. So nothing is remembered from one look to the next, either, and an address
# that leads here counts only while the standby streams: one that is moved to whoever is left does so in a loss.
#
# A set defines
#   mirror_secret    prints the name of the Secret that both sites have alike, of the object as it was read; empty:
#                    none is known
#   mirror_lacks     prints why the other site could not follow, of its object as it was read; 1: nothing speaks
#                    against it

POSTGRES_PEER_KUBECONFIG=${POSTGRES_PEER_KUBECONFIG:-}
POSTGRES_PEER_NAMESPACE=${POSTGRES_PEER_NAMESPACE:-$POSTGRES_NAMESPACE}
POSTGRES_PEER_CLUSTER=${POSTGRES_PEER_CLUSTER:-$POSTGRES_CLUSTER}

# What tells the server at HOST PORT from every other one, the copies of its data as well: when it was started.
server_at() {
    ask_database 3 "$1" "$2" "SELECT extract(epoch FROM pg_postmaster_start_time())" 2>/dev/null
}

# The servers of the members $1, one on a line; 1: not each of them says.
servers_of() {
    local address servers
    servers=$(while read -r address; do
        { server_at "$address" "$POSTGRES_PORT" || echo silent; } &
    done < <(awk '$3 != "-" { print $3 }' <<<"$1") && wait)
    [[ -n $servers && $servers != *silent* ]] && echo "$servers"
}

# leads HERE|ELSEWHERE HOST PORT: it was seen to lead to one of the members in `members`, or to none of them. Whatever
# does not answer leads nowhere. A member that restarts is another server: elsewhere is looked at twice.
leads() {
    local server own look
    [ -n "$2" ] || return 1
    for look in 1 2; do
        server=$(server_at "$2" "${3:-5432}") && [ -n "$server" ] && own=$(servers_of "$members") || return 1
        if grep -qxF -e "$server" <<<"$own"; then
            [ "$1" = HERE ]
            return
        fi
        [ "$1" = ELSEWHERE ] || return 1
    done
}

# A hash of what Secret $1 has, or `none` where there is no such; 1: nobody says. What it has is in no list of
# arguments and in no file.
hash_of() {
    local content
    # shellcheck disable=SC2016 # the template's own variables
    content=$(ask get secret "$1" --ignore-not-found -o \
        'go-template={{range $key, $value := .data}}{{$key}}={{$value}}{{"\n"}}{{end}}end' 2>/dev/null) || return 1
    case $content in
    '') echo none ;;
    *end) printf '%s' "$content" | sha256sum ;;
    *) return 1 ;;
    esac
}

is_secret_name() {
    [[ $1 =~ ^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$ ]]
}

# Prints in what the other site's settings were seen not to agree with those here, whose Secret has the hash $1; 1:
# in nothing.
disagreement() (
    there="$POSTGRES_PEER_NAMESPACE/$POSTGRES_PEER_CLUSTER of POSTGRES_PEER_KUBECONFIG"
    export KUBECONFIG=$POSTGRES_PEER_KUBECONFIG
    unset KUBERNETES_SERVICE_HOST # from a file that names no cluster kubectl turns to its own pod's
    NAMESPACE=$POSTGRES_PEER_NAMESPACE OBJECT=$POSTGRES_PEER_CLUSTER POSTGRES_STANDBY=
    read_object 2>/dev/null || { say "$there cannot be read now: not compared with this one" && exit 1; }
    mirror_lacks && exit 0
    read -r host port <<<"$(peer)"
    ! leads ELSEWHERE "$host" "$port" ||
        { echo "it is to follow $host ${port:-5432}, where no member of this site is: set that to this site's address" && exit 0; }
    secret=$(mirror_secret)
    [ -n "$1" ] || exit 1
    is_secret_name "$secret" || { echo "it names no Secret as this site's does: '$secret'" && exit 0; }
    hash=$(hash_of "$secret") || { say "Secret $secret of $there cannot be read now: not compared" && exit 1; }
    [ "$hash" != none ] || { echo "there is no Secret $secret: make it, with what this site's has" && exit 0; }
    [ "$hash" != "$1" ] || exit 1
    echo "its Secret $secret has other content than this site's: make both the same"
)

# Ends the script where what this site's object says, or what the other one's was seen to say, would keep one of them
# from following the other. After look_at_standby.
need_mirror() {
    local host port secret hash='' problem
    read -r host port <<<"$(peer)"
    [ "$receiver" != streaming ] || ! leads HERE "$host" "$port" ||
        fail "it follows itself: $host ${port:-5432} leads to a member of this site; set that to the other site's address"
    secret=$(mirror_secret)
    if [ -n "$secret" ]; then
        is_secret_name "$secret" || fail "'$secret' is no name of a Secret"
        hash=$(hash_of "$secret") ||
            say "Secret $NAMESPACE/$secret cannot be read: not compared. postgresql-rbac.yaml has the right to it"
        [ "$hash" != none ] || fail "there is no Secret $NAMESPACE/$secret: make it, with what the other site's has"
    fi
    [ -n "$POSTGRES_PEER_KUBECONFIG" ] || return 0
    [ -r "$POSTGRES_PEER_KUBECONFIG" ] && [ -s "$POSTGRES_PEER_KUBECONFIG" ] ||
        fail "POSTGRES_PEER_KUBECONFIG '$POSTGRES_PEER_KUBECONFIG' cannot be read, or is empty"
    ! problem=$(disagreement "$hash") ||
        fail "$POSTGRES_PEER_NAMESPACE/$POSTGRES_PEER_CLUSTER of POSTGRES_PEER_KUBECONFIG does not agree: $problem"
}
