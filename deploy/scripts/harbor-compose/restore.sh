#!/bin/bash
# A step of a start at a site that has dumps only, before start.sh: makes Harbor's databases of the newest dump, in this
# site's own PostgreSQL. Refuses (69) unless a person has asked for it (`breakwater failover`), since what was written after
# the dump is lost. Databases that it has restored before are kept as they are where this site alone is known to have served
# since; else they get the name NAME_before. All names are given at once, when every dump was read to its end.
# shellcheck disable=SC2015
. "${BASH_SOURCE[0]%/*}/dumps.sh"

HARBOR_RESTORE_TIMEOUT=${HARBOR_RESTORE_TIMEOUT:-3600}
HARBOR_WAIT_TIMEOUT=${HARBOR_WAIT_TIMEOUT:-20}

# Whether nobody else has served since, by the comment of a database, which ends with the newest epoch in which that was so:
# this very one, or the one before, whose holder is known. Of older ones it is not: BREAKWATER_PREVIOUS_SITE is this site also
# where its start was refused, and others may have had the epochs before that one. A person's override comes with the newest
# epoch that this site has held, and is adopted as it is: who has served since is theirs to know.
is_newest() {
    local epoch=${1##* }
    [[ $epoch =~ ^[0-9]+$ ]] || return 1
    case ${BREAKWATER_REASON:-} in
    none) [ "${BREAKWATER_EPOCH:-}" = "$epoch" ] ;;
    override) true ;;
    *) [ "$EPOCH" != 0 ] && { [ "$epoch" = "$EPOCH" ] || # not by hand
        { [ "${BREAKWATER_PREVIOUS_SITE:-}" = "${BREAKWATER_SITE:-none}" ] && [ "$epoch" = $((EPOCH - 1)) ]; }; } ;;
    esac
}

wait_for_database() {
    local end=$((SECONDS + HARBOR_WAIT_TIMEOUT)) answer
    until answer=$(ask_database postgres "SELECT 1" 2>&1); do
        [ $SECONDS -lt $end ] || { no_answer "$answer" && return 1; }
        sleep 0.5
    done
}

# Nobody has asked for the newest dump.
refuse_unasked() {
    local group=${BREAKWATER_GROUP:-GROUP} site=${BREAKWATER_SITE:-SITE}
    [ "${BREAKWATER_REASON:-}" != none ] ||
        refuse "an override restores nothing; as root, with the variables of env, once: BREAKWATER_EPOCH=$EPOCH" \
            "BREAKWATER_REASON=failover ${BASH_SOURCE[0]}"
    refuse "no person has approved it: breakwater failover $group --to $site --accept-data-loss"
}

problem=$(dumps_problem HARBOR_RESTORE_TIMEOUT HARBOR_WAIT_TIMEOUT) || refuse "$problem"
read_databases || refuse "harbor.yml names no databases"
deadline=$((SECONDS + HARBOR_RESTORE_TIMEOUT))
# A refusal is an epoch of which nobody knows here: not because the server has just booted.
problem=$(wait_for_database) || refuse "$problem"
ours=() kept=0 noted=
for database in "${DATABASES[@]}"; do
    comment=$(comment_of "$database") || refuse "$comment"
    case $comment in
    '') continue ;;
    "$RESTORED "*) ours+=("$database") ;;
    *) refuse "$SERVER has a database $database that restore.sh has not made: look at it, and rename it" ;;
    esac
    is_newest "$comment" ||
        { say "$database is there, ${comment#breakwater: }, and another site may have served since" && continue; }
    say "$database is there, ${comment#breakwater: }: kept as it is"
    kept=$((kept + 1))
    noted+=$(comment_on "$database" "${comment%, kept in epoch *}, kept in epoch $EPOCH")
done
[ $kept = 0 ] || [ $kept = ${#DATABASES[@]} ] ||
    refuse "$SERVER has some of the databases and not the others: rename those that it has"
if [ $kept -gt 0 ]; then
    ask_database postgres "BEGIN$noted; COMMIT" >/dev/null || refuse "it cannot be noted that they were kept"
    exit 0
fi
[ "${BREAKWATER_REASON:-}" = failover ] || refuse_unasked
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
    statements+=$(comment_on "$database" "$RESTORED ${DUMP##*/} in epoch $EPOCH")
done
ask_database postgres "$statements; COMMIT" >/dev/null || fail "the restored databases were not given their names"
[ -z "$aside" ] || say "what another site has served after has the names ${ours[*]/%/_before}"
