#!/bin/bash
# A step of a start at a site that has dumps only, before start.sh: makes Harbor's databases of the newest dump, in this
# site's own PostgreSQL. Refuses (69) unless a person has asked for it (`breakwater failover`), since what was written after
# the dump is lost. Databases that it has restored before are kept as they are where this site alone has served since; else
# they get the name NAME_before. All names are given at once, when every dump was read to its end.
# shellcheck disable=SC2015
. "${BASH_SOURCE[0]%/*}/dumps.sh"

HARBOR_RESTORE_TIMEOUT=${HARBOR_RESTORE_TIMEOUT:-3600}

problem=$(dumps_problem HARBOR_RESTORE_TIMEOUT) || refuse "$problem"
read_databases || refuse "harbor.yml names no databases"
deadline=$((SECONDS + HARBOR_RESTORE_TIMEOUT))
ours=() kept=0
for database in "${DATABASES[@]}"; do
    comment=$(comment_of "$database") || refuse "$comment"
    case $comment in
    '') continue ;;
    "$RESTORED "*) ours+=("$database") ;;
    *) refuse "$SERVER has a database $database that restore.sh has not made: look at it, and rename it" ;;
    esac
    [ "$EPOCH" != 0 ] || continue # by hand
    [ "${BREAKWATER_PREVIOUS_SITE:-}" = "${BREAKWATER_SITE:-none}" ] || [[ $comment == *" in epoch $EPOCH" ]] || continue
    kept=$((kept + 1))
    say "$database is there, ${comment#breakwater: }: kept as it is"
done
[ $kept -lt ${#DATABASES[@]} ] || exit 0
[ $kept = 0 ] || refuse "$SERVER has some of the databases and not the others: rename those that it has"
[ "${BREAKWATER_REASON:-}" = failover ] ||
    refuse "no person has approved it: breakwater failover ${BREAKWATER_GROUP:-GROUP} --to ${BREAKWATER_SITE:-SITE} --accept-data-loss"
find_dump || refuse "nothing can be restored"
aside=$(set_aside "${ours[@]}") || refuse "$aside"
say "from ${DUMP##*/}, $AGE s old: what was written since is lost"
for number in "${!DATABASES[@]}"; do
    database=${DATABASES[number]} file=$DUMP/${DATABASES[number]}.dump
    is_whole "$file" || refuse "$file cannot be read to its end"
    [ "$(ask_database postgres "SELECT 1 FROM pg_roles WHERE rolname = '${OWNERS[number]}'")" = 1 ] ||
        refuse "there is no role ${OWNERS[number]}: CREATE ROLE \"${OWNERS[number]}\" LOGIN, with the password of harbor.yml"
    ask_database postgres "DROP DATABASE IF EXISTS \"${database}_restoring\" WITH (FORCE)" &&
        ask_database postgres "CREATE DATABASE \"${database}_restoring\" OWNER \"${OWNERS[number]}\" TEMPLATE template0" ||
        refuse "${database}_restoring cannot be made"
    say "$database"
    as_owner pg_restore -w --exit-on-error --no-owner --role="${OWNERS[number]}" -d "${database}_restoring" <"$file" ||
        refuse "pg_restore of $database failed, or took longer than $HARBOR_RESTORE_TIMEOUT s"
done
statements=BEGIN$aside
for database in "${DATABASES[@]}"; do
    statements+="; ALTER DATABASE \"${database}_restoring\" RENAME TO \"$database\""
    statements+="; COMMENT ON DATABASE \"$database\" IS '$RESTORED ${DUMP##*/} in epoch $EPOCH'"
done
ask_database postgres "$statements; COMMIT" >/dev/null || fail "the restored databases were not given their names"
[ -z "$aside" ] || say "what another site has served after has the names ${ours[*]/%/_before}"
