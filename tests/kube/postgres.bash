# shellcheck shell=bash disable=SC2034,SC2154
# What tests of the scripts for PostgreSQL under an operator share: a cluster, sites whose databases are real, what
# is asked of them, and scripts that run with the rights of the shipped roles. For sourcing, after lab.bash and
# claims.bash, with `top` and `kube`; whoever sources it defines `settings SITE`, NAME=VALUE lines for the
# scripts of a site, and `scripts`.

PORT=20100
A0=10.88.0.11 A1=10.88.0.12 B0=10.88.0.21 B1=10.88.0.22
secret=never-$RANDOM$RANDOM-in-a-list
epoch=1
request=20 # seconds; this machine may have other things to do
declare -A operator
begun_by_us=()

# Ends with a skip where this machine lacks something; else goes on in namespaces of its own, once "$@" has
# `inside` at the end.
need_and_enter() {
    local tool
    [ "$(id -u)" = 0 ] || skip_lacking root "for the kubelet, and for namespaces"
    for tool in ip openssl curl unshare; do
        command -v $tool >/dev/null || skip_lacking nets "no $tool installed"
    done
    ls /usr/lib/postgresql/*/bin/pg_rewind >/dev/null 2>&1 || skip_lacking postgres
    { command -v patroni && /usr/bin/python3 -c 'import psycopg2'; } >/dev/null || skip_lacking patroni
    [ "${*: -1}" != inside ] || return 0
    "$kube/build" || exit
    exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" "$@" inside
}

make_place() {
    local address
    ip link set lo up
    for address in $A0 $A1 $B0 $B1; do # an Endpoints object takes no loopback address
        ip address add "$address/32" dev lo
    done
    work=$(mktemp -d /tmp/breakwater-pg.XXXXXX)
    chmod 711 "$work" # the servers are not root's
    # shellcheck disable=SC2153
    export BREAKWATER_KUBE=$KUBE HOME=$work PATH=$KUBE/bin:$PATH KUBECONFIG=$work/a/kubeconfig
    cd "$work" || exit 1
    trap clean_up EXIT
    trap 'exit 1' INT TERM
}

clean_up() {
    local site
    [ "$failures" = 0 ] || {
        tail -n 40 "$work/scripts.log"
        tail -n 15 "$work"/operator-?.log
        tail -n 12 "$work"/pg/*/*/log
    }
    rm -f "$work"/pg/*/hold_*
    kill "${begun_by_us[@]}" 2>/dev/null
    wait "${operator[@]}" 2>/dev/null
    "$kube/down" a --dir "$work" >/dev/null
    rm -rf "$work"
}
as_admin() {
    local site=$1
    shift
    kubectl -n "pg-$site" --request-timeout=20s "$@"
}

# run SITE SCRIPT [NAME=VALUE...], with the rights of the shipped roles
run() {
    local site=$1 script=$2 more
    shift 2
    mapfile -t more < <(settings "$site")
    env KUBECONFIG="$work/account" POSTGRES_NAMESPACE="pg-$site" PGPASSFILE="$work/pgpass" \
        BREAKWATER_EPOCH=$epoch POSTGRES_REQUEST_TIMEOUT="$request" POSTGRES_START_TIMEOUT=90 \
        POSTGRES_STOP_TIMEOUT=90 POSTGRES_FENCE_TIMEOUT=90 POSTGRES_OPERATOR_LAG=13 POSTGRES_POD_GRACE=1 "${more[@]}" "$@" \
        "$scripts/$script.sh" 2>>"$work/scripts.log"
}

# In the background, in a session of its own; its pid is in $began.
begin() {
    export -f run settings
    export work epoch request scripts edition B0
    setsid bash -c 'run "$@"' begin "$@" &
    began=$!
}

# Ends what `begin` began, wherever it is.
kill_it() {
    kill -9 -- "-$began" 2>/dev/null
    wait "$began" 2>/dev/null
}

status() {
    run "$1" status
}

# What an INSERT at address $1 comes to: done, read-only, or what else.
insert() {
    local answer
    answer=$(ask_it "$1" "INSERT INTO judge VALUES ('hand', $(ms))" 2>&1)
    case $answer in
    '') echo "done" ;;
    *'cannot execute INSERT in a read-only transaction'*) echo read-only ;;
    *) echo "$answer" ;;
    esac
}

ask_it() {
    PGPASSFILE=$work/pgpass PGCONNECT_TIMEOUT=5 psql -XAtqw -h "$1" -U postgres -d postgres -c "$2"
}

mark() {
    as_admin "$1" get pg acid-pg -o 'jsonpath={.metadata.annotations.breakwater/epoch}'
}

doing() {
    as_admin "$1" get pg acid-pg -o 'jsonpath={.status.PostgresClusterStatus}'
}

# The last word of the operator of site $1.
last_word() {
    tail -n 1 "$work/operator-$1.log" | cut -d ' ' -f 2-
}

pid_of_part() {
    pid_of "$work/a" "$1"
}

# How many lines of a lag site $1 prints.
lags_of() {
    run "$1" readiness | grep -c '^lag_seconds=[0-9.]*$'
}

# When site $1 was last written to, in ms.
last_written() {
    awk -v site="$1" 'BEGIN { last = 0 } $2 == site { last = $1 } END { print last }' "$work/written"
}

# True when site $1 takes rows that were begun after now.
takes_rows() {
    local before
    before=$(ms)
    sleep 0.5
    [ "$(last_written "$1")" -gt "$before" ] && echo yes
}

begin_site() {
    local site=$1 addresses=$2
    shift 2
    mkdir -m 711 "$work/pg/$site"
    "$kube/patroni" --kubeconfig "$work/a/kubeconfig" --kubectl "$KUBE/bin/kubectl" --namespace "pg-$site" \
        --name acid-pg --edition "$edition" --node "pg-$site" --addresses "$addresses" --dir "$work/pg/$site" \
        --password "$work/password" "$@" >>"$work/operator-$site.log" 2>&1 &
    operator[$site]=$!
    begun_by_us+=($!)
}

# The Secret that both sites have alike, at site $1, with content $2.
share_secret() {
    printf '%s\n' "apiVersion: v1" "kind: Secret" "metadata: {name: standby-bootstrap-secret, namespace: pg-$1}" \
        "stringData: {username: standby, password: $2}" | kubectl apply -f - >/dev/null
    expect 0 $? "the Secret of $1"
}

# The cluster, the kind of the objects, and for each site of "$@" a namespace in which the account has its rights.
begin_cluster() {
    local site
    "$kube/up" a $PORT --dir "$work" --node-grace 16 >"$work/up.log" 2>&1 || {
        local status=$?
        tail -n 20 "$work/up.log"
        exit $status
    }
    echo "$secret" >"$work/password" && echo "*:*:*:*:$secret" >"$work/pgpass"
    chmod 600 "$work/password" "$work/pgpass"
    mkdir -m 711 "$work/pg"
    "$kube/define" "$work/a/kubeconfig" "$kube/kinds-postgresql.yaml" >/dev/null &&
        kubectl apply -f "$top/deploy/scripts/kubernetes/account.yaml" >/dev/null || exit
    for site in "$@"; do
        kubectl create namespace "pg-$site" >/dev/null &&
            sed "s/namespace: pg-namespace/namespace: pg-$site/" "$top/deploy/scripts/kubernetes/postgresql-rbac.yaml" |
            kubectl apply -f - >/dev/null || exit 1
    done
    eventually 60 yes has_account "$work/a/kubeconfig" "$work/account"
}

# Whoever lists processes sees no secret of the scripts': all along, not of the test's own.
watch_words() {
    local token
    token=$(sed -n 's/.*"token": "\([^"]*\)".*/\1/p' "$work/account" | cut -c -60)
    printf "%s\n" "$secret" "$(base64 <<<"$secret" | cut -c -24)" "$token" "patch postgresqls" >"$work/words"
    while sleep 0.05; do
        cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' '
        echo
    done | grep -a --line-buffered -o -F -f "$work/words" >"$work/seen_words"
}

# A start at b whose write of the spec stays behind, and that is killed; "$1": the write has no test.
late_start() {
    late_dir=$work/late
    rm -rf "$late_dir" && mkdir -p "$late_dir/bin"
    [ -z "${1:-}" ] || touch "$late_dir/without_test"
    printf '#!/bin/sh\nexec %s %s %s "$@"\n' "$kube/late_writer" "$late_dir" "$KUBE/bin/kubectl" >"$late_dir/bin/kubectl"
    chmod 755 "$late_dir/bin/kubectl"
    begin b start PATH="$late_dir/bin:$PATH"
    eventually 60 yes exists "$late_dir/sent"
    kill_it
}
