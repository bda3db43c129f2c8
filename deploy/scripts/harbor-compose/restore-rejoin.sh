#!/bin/bash
# At a site of restore.sh alone, once another site serves again: DROPS the databases that restore.sh has made, so that the
# next restore begins with the newest dump. Others it leaves alone.
. "${BASH_SOURCE[0]%/*}/dumps.sh"

# shellcheck disable=SC2119
problem=$(dumps_problem) || fail "$problem"
read_databases || fail "harbor.yml names no databases"
deadline=$((SECONDS + HARBOR_DUMP_TIMEOUT))
look_at_harbor
[ "$STATE" = stopped ] || fail "Harbor is not stopped here: $WHY"
for database in "${DATABASES[@]}"; do
    ours=$(ask_database postgres "SELECT count(*) FROM pg_database
        WHERE datname = '$database' AND shobj_description(oid, 'pg_database') LIKE '$RESTORED %'") ||
        fail "PostgreSQL at ${PGHOST:-its socket} does not answer"
    [ "$ours" = 0 ] || ask_database postgres "DROP DATABASE \"$database\" WITH (FORCE)" || fail "$database cannot be dropped"
    [ "$ours" = 0 ] || say "$database, which was restored here, is dropped"
done
