#!/bin/bash
# At a site of restore.sh alone, once another site serves again: the databases that restore.sh has made get the name
# NAME_before, so that the next restore begins with the newest dump. What was written into them may be nowhere else, so
# nothing is dropped, and it fails while there is such a one from before. Others it leaves alone.
. "${BASH_SOURCE[0]%/*}/dumps.sh"

SUPERSEDED=', and another site has served since'

# shellcheck disable=SC2119
problem=$(dumps_problem) || fail "$problem"
read_databases || fail "harbor.yml names no databases"
deadline=$((SECONDS + 60))
look_at_harbor
[ "$HARBOR" = stopped ] || fail "Harbor is not stopped here: $WHY"
ours=() noted=
for database in "${DATABASES[@]}"; do
    comment=$(comment_of "$database") || fail "$comment"
    [[ $comment == "$RESTORED "* ]] || continue
    ours+=("$database")
    noted+=$(comment_on "$database" "${comment%"$SUPERSEDED"}$SUPERSEDED")
done
[ ${#ours[@]} -gt 0 ] || exit 0
# Whether they can be renamed or not: no start here, an override's neither, is to take them for the newest.
ask_database postgres "BEGIN$noted; COMMIT" >/dev/null || fail "that another site serves cannot be noted"
statements=$(set_aside "${ours[@]}") || fail "$statements"
ask_database postgres "BEGIN$statements; COMMIT" >/dev/null || fail "they were not renamed: ${ours[*]}"
say "what was restored here has the names ${ours[*]/%/_before}"
