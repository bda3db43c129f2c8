# shellcheck shell=bash disable=SC2034,SC2154
# mark.sh - what the scripts beside it share: whose epoch a mark names, and what that lets this one do. Sourced.
#
# A mark says which epoch of which site was published or withdrawn last; how it is kept is theirs. They set MARK as it
# was read, and of it mark_epoch (-1: there is none), mark_site and mark_state (published, withdrawn); what is there,
# `has`, and what is to be there, `wanted`. They have `say` and `fail`, and `make_mark`, which sets new_mark.

WRONG=2
NEWER=3

wrong() {
    say "$*"
    exit "$WRONG"
}

newer() {
    say "$*; nothing was touched"
    exit "$NEWER"
}

is_site() {
    [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$ ]]
}

# Of the arguments: `what`, publish, withdraw or settings (look at these alone), and `state`, which a mark says of it.
read_arguments() {
    what=publish state=published
    case ${1-} in
    --withdraw)
        what=withdraw state=withdrawn
        # Its site starts the service again under this epoch: it leads here all the while.
        [ "${BREAKWATER_RESTART:-}" != true ] || exit 0
        ;;
    --settings) what=settings ;;
    '') ;;
    *) wrong "it takes --withdraw, --settings or nothing; settings come from the environment: see its head" ;;
    esac
}

# Of this very epoch: what this site has withdrawn is over, and what another one has published is its own. (One that
# ends what runs there without a lease may name an epoch that is not its own, and withdraws nothing of it.) A
# person's override serves again in an epoch that is over, or was another site's: it comes without a reason of a grant's.
may_publish() {
    [ "$mark_epoch" -lt "$BREAKWATER_EPOCH" ] && return 0
    [ "$mark_state" = published ] && [ "$mark_site" = "$BREAKWATER_SITE" ] && return 0
    [ "$mark_state" = withdrawn ] && [ "$mark_site" != "$BREAKWATER_SITE" ] && return 0
    [ "${BREAKWATER_REASON:-}" = none ]
}

is_anothers() {
    [ "$mark_epoch" -gt "$BREAKWATER_EPOCH" ] ||
        { [ "$mark_epoch" -eq "$BREAKWATER_EPOCH" ] && [ "$mark_site" != "$BREAKWATER_SITE" ]; }
}

# At the first look. A person's override may come with an epoch that is older than what stands there, 0 where its site
# never held one: it goes on in that epoch, which is never lowered, and takes back its own alone.
go_on_in_newest() {
    [ -z "${new_mark:-}" ] || return
    if [ "${BREAKWATER_REASON:-}" = none ] && [ "$mark_epoch" -gt "$BREAKWATER_EPOCH" ] &&
        { [ "$what" = publish ] || [ "$mark_site" = "$BREAKWATER_SITE" ]; }; then
        BREAKWATER_EPOCH=$mark_epoch
    fi
    make_mark
}

# Ends the script where there is nothing to do any more.
judge() {
    go_on_in_newest
    if [ "$MARK" = "$new_mark" ] && [ "$has" = "$wanted" ]; then
        exit 0
    elif [ "$what" = withdraw ] && is_anothers; then
        say "epoch $mark_epoch is $mark_site's there: nothing of epoch $BREAKWATER_EPOCH of $BREAKWATER_SITE is left"
        exit 0
    elif [ "$mark_epoch" -gt "$BREAKWATER_EPOCH" ]; then
        newer "epoch $mark_epoch of $mark_site is there, and $BREAKWATER_EPOCH is older"
    elif [ "$what" = publish ] && ! may_publish; then
        newer "epoch $BREAKWATER_EPOCH is $mark_state there, by $mark_site"
    fi
}
