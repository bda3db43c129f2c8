/* begin.pml - beginnings, changes and ends of a group; planned moves and their way back.
 * Design 3.1, 3.6, 3.9. README.md says which function carries each rule, and the limits.
 *
 * One atomic log and no ticks: that a lease is over is an event, and Expired waits for it (lease.pml
 * and site.pml show that it may). Reports are snapshots and may be used late. Orders, confirmations,
 * Released and let-go come never, late, or many times. A person starts and stops a service by hand,
 * but only where breakwater does nothing, no other service runs and the let-go was heard.
 *
 * FAULTS bounds faults and changes by people together. OVERRIDE: a person takes over without a quorum
 * (3.8); RECOVER: the log goes back in one step (3.9; recover.pml has the rest). M_* leaves out one
 * rule (each must fail, or is on the page as one that I1 can do without), X_* steps outside what is
 * assumed (3.8). */

#ifndef SITES
#define SITES 2
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef FAULTS
#define FAULTS 3
#endif
#ifndef VERSIONS
#define VERSIONS 5
#endif
#define NONE SITES
#define VACANT 0
#define GRANTED 1
#define REVOKING 2
#define OBSERVE 0
#define AUTO 1
#define NOTHING 0               /* what a site has reported */
#define STOPPED 1
#define STARTED 2
#define OVERRIDES 3
#define ON 1                    /* overriding, until its machine reboots */
#define ENDING 2                /* a person has said --end, and its fence has not seen the end yet */
#define BIT(e) (1 << (e))
#define NAME(s) (65 + (s))

mtype = { ONE_SERVES, UNTOUCHED, NOT_STUCK, NEWEST_ORDER, NEWEST_DATA, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- replicated ---- */
bit  exists, mode;
byte version;                   /* of the spec: raised by apply, mode, recover */
byte index;                     /* of the log */
byte epoch, epoch_floor;
byte phase, holder = NONE;
bit  first_grant;               /* never granted, let go, recovered, or an adoption that was not armed */
bit  adopting;
byte let_go_site = NONE;        /* who held the epoch that was let go */
byte let_go_index;              /* an epoch granted before it enforces nobody */
byte granted_to[EPOCHS + 1] = NONE;
byte granted_index[EPOCHS + 1];
byte reported[SITES];
byte reported_version[SITES];   /* the spec_version that the site's observation rests on */
bit  no_quorum;
#ifdef OVERRIDE
bit  claimed[SITES];            /* its override was reported, and nothing has ended the claim since */
#define IS_CLAIMED(s) claimed[s]
#define UNCLAIMED(s) (!claimed[s])
#else
#define IS_CLAIMED(s) 0
#define UNCLAIMED(s) 1
#endif
#ifdef MOVES
byte target = NONE, origin = NONE;
bit  rolling_back;
#endif
/* ---- on its way ---- */
byte released[SITES];           /* a bit per epoch */
byte let_go_order[SITES];       /* its index + nothing: 0 is none */
byte confirmed[SITES];          /* a confirmation of this epoch */
#ifdef MOVES
byte released_early;            /* a bit per epoch: its start changed nothing */
byte stop_order, run_order;     /* indexes of the newest STOP, and of the RUN after an Unrevoke */
byte stop_epoch;                /* what they are about */
#endif
/* ---- sites ---- */
bit  serves[SITES], enforced[SITES], armed[SITES], cut[SITES];
byte overriding[SITES];         /* 0, or what its record says */
#ifdef M_MANUAL_BOOT
bit  was_overriding[SITES];     /* before its machine went off */
#endif
byte accepted[SITES];
bit  given_back[SITES];
byte obeyed[SITES];             /* the highest index acted on */
#ifdef MOVES
bit  stopping[SITES];
byte newest_data = NONE;        /* who wrote last; a move begins with its origin's */
#endif
#ifdef CHECK_HANDS
bit  by_hand[SITES];            /* a person runs it */
#define RUN_BY_HAND(s, yes) by_hand[s] = yes
#define IS_BY_HAND(s) by_hand[s]
#else
#define RUN_BY_HAND(s, yes) skip
#define IS_BY_HAND(s) 0
#endif
/* ---- the world ---- */
byte changes;
bit  calm;

#define MAY_CHANGE (changes < FAULTS && !calm)
#define IS_OPEN (phase != VACANT)
#define HOLDS(s) (IS_OPEN && holder == s)
/* p is true of every other site, of every site */
#define OTHERS(s, p) (p(((s) + 1) % SITES) && (SITES == 2 || p(((s) + 2) % SITES)))
#define ALL(p) (p(0) && p(1) && p(SITES - 1))
#define IS_DOWN(s) (!serves[s])
#define OVERRIDES_NOT(s) (!overriding[s])
#define ENFORCES_NOT(s) (!enforced[s])
#define IS_UNCONFIRMED(s) (!confirmed[s])

inline starts(s) {
    MUST(ONE_SERVES, OTHERS(s, IS_DOWN));
    serves[s] = 1;
#ifdef MOVES
    newest_data = s;
#endif
    printf("the service at %c starts\n", NAME(s))
#ifdef REACH_UP
    ; MUST(UNREACHED, !(s == SITES - 1 && epoch >= REACH_UP))
#endif
}
inline stops(s) {
    MUST(UNTOUCHED, !serves[s] || enforced[s]);
    if :: serves[s] -> printf("breakwater stops the service at %c\n", NAME(s)) :: else fi;
    serves[s] = 0; RUN_BY_HAND(s, 0)
}

/* ---- people ---- */

#ifdef X_BY_HAND                /* also between apply and the first grant (H16) */
#define HANDS_ALLOWED (!exists || mode == OBSERVE || (first_grant && phase == VACANT))
#else
#define HANDS_ALLOWED (!exists || mode == OBSERVE)
#endif
#ifdef X_LET_GO_UNHEARD         /* does not look whether every site has let go (H18) */
#define ALL_LET_GO 1
#else
#define ALL_LET_GO (ALL(ENFORCES_NOT) && ALL(IS_UNCONFIRMED))
#endif
inline start_by_hand(s) {
    HANDS_ALLOWED && ALL_LET_GO && ALL(IS_DOWN) && ALL(OVERRIDES_NOT) && MAY_CHANGE ->
    changes++; serves[s] = 1; RUN_BY_HAND(s, 1); printf("a person starts the service at %c\n", NAME(s))
}
inline stop_by_hand(s) {
    HANDS_ALLOWED && !enforced[s] && serves[s] && MAY_CHANGE ->
    changes++; serves[s] = 0; RUN_BY_HAND(s, 0); printf("a person stops the service at %c\n", NAME(s))
}
inline drop_move() {
#ifdef MOVES
    target = NONE; origin = NONE; rolling_back = 0
#else
    skip
#endif
}
inline end_epoch() { phase = VACANT; holder = NONE; adopting = 0 }
inline let_all_go() {
    let_go_index = index;
    let_go_order[0] = index; let_go_order[1] = index; let_go_order[SITES - 1] = index
}
inline apply() {
    !exists && !no_quorum && version < VERSIONS ->
    exists = 1; mode = AUTO; version++; index++; first_grant = 1; let_go_index = index; end_epoch(); drop_move();
#ifdef M_NO_FLOOR
    epoch = 0;
#else
    epoch = epoch_floor;
#endif
    printf("the group is applied, above epoch %d\n", epoch)
}
inline observe() {
    exists && mode == AUTO && !no_quorum && version < VERSIONS && ALL(UNCLAIMED) && MAY_CHANGE ->
    changes++;
    if :: IS_OPEN -> let_go_site = holder :: else fi;
    version++; index++; mode = OBSERVE; first_grant = 1; end_epoch(); drop_move(); let_all_go();
    printf("mode observe: everybody is let go\n")
}
inline back_to_auto() {
    exists && mode == OBSERVE && !no_quorum && version < VERSIONS ->
    mode = AUTO; version++; index++; printf("mode auto again\n")
}
inline delete_group() {
    exists && phase == VACANT && !no_quorum && version < VERSIONS && ALL(UNCLAIMED) && MAY_CHANGE ->
    changes++; exists = 0; version++; index++;
    epoch_floor = (epoch > epoch_floor -> epoch : epoch_floor);
    let_all_go(); drop_move();
    reported[0] = NOTHING; reported[1] = NOTHING; reported[SITES - 1] = NOTHING; printf("the group is deleted\n")
}

/* ---- reports ---- */

#define STATE_OF(s) (overriding[s] -> OVERRIDES : (serves[s] -> STARTED : STOPPED))
#ifdef M_LET_GO_UNCONFIRMED     /* any report of the old holder counts (H17) */
#define LET_GO_IS_OVER(s) 1
#else
#define LET_GO_IS_OVER(s) (let_go_site != s || (!armed[s] && !confirmed[s]))
#endif
/* A claim ends by an event: its site has reported that it overrides no more, and its service is down or leased (3.8). */
#define ENDS_CLAIM(s) (!overriding[s] && (!serves[s] || armed[s]))
inline report(s) {
    exists && !no_quorum && !cut[s] && LET_GO_IS_OVER(s) &&
    (reported[s] != STATE_OF(s) || reported_version[s] != version || (IS_CLAIMED(s) && ENDS_CLAIM(s))) ->
    reported_version[s] = version; reported[s] = STATE_OF(s); printf("%c reports under version %d\n", NAME(s), version)
#ifdef OVERRIDE
    ; if :: overriding[s] -> claimed[s] = 1 :: ENDS_CLAIM(s) -> claimed[s] = 0 :: else fi
#endif
}
/* One freshness window after the cut nobody has a fresh report of it. */
inline report_is_old(s) { cut[s] && reported[s] != NOTHING -> reported[s] = NOTHING }
#ifdef M_OLD_REPORT             /* whatever commit it rests on (H15) */
#define HAS_REPORTED(s) (reported[s] != NOTHING)
#else
#define HAS_REPORTED(s) (reported[s] != NOTHING && reported_version[s] == version)
#endif
#define SAYS_STOPPED(s) (reported[s] == STOPPED)
#define SAYS_NOT_STARTED(s) (reported[s] != STARTED)
#ifdef M_CLAIM_FORGOTTEN        /* silence ends it: only a fresh report bars */
#define SAYS_NO_OVERRIDE(s) (reported[s] != OVERRIDES)
#else
#define SAYS_NO_OVERRIDE(s) (reported[s] != OVERRIDES && UNCLAIMED(s))
#endif

/* ---- the arbiter ---- */

#define MAY_GRANT (exists && mode == AUTO && !no_quorum && phase == VACANT && epoch < EPOCHS)
inline grant_to(s, adopt) {
    index++; epoch++; phase = GRANTED; holder = s; let_go_site = NONE; adopting = adopt;
#ifdef M_ADOPTION_COUNTS        /* before the site has reported it armed (H13) */
    first_grant = 0;
#else
    first_grant = adopt;
#endif
    granted_index[epoch] = index; granted_to[epoch] = s;
    printf("Grant(%d, %c) commits\n", epoch, NAME(s))
}
#ifdef M_ONE_REPORT             /* does not wait for every site */
#define ALL_CLEAR(s) (HAS_REPORTED(s) && (reported[s] == STARTED || reported[s] == STOPPED))
#else
#define ALL_CLEAR(s) \
    (ALL(HAS_REPORTED) && OTHERS(s, SAYS_STOPPED) && (reported[s] == STARTED || reported[s] == STOPPED))
#endif
inline grant_first(s) {
    MAY_GRANT && first_grant && ALL_CLEAR(s) && ALL(SAYS_NO_OVERRIDE) ->
    grant_to(s, (reported[s] == STARTED)); drop_move()
}
#ifdef X_OVERRIDE_CUT           /* the quorum is back, and the overriding site does not reach it */
#define IS_HEARD_OUT(s) 1
#else                           /* it has reported once, or does within the freshness window */
#define IS_HEARD_OUT(s) (!overriding[s] || HAS_REPORTED(s) || IS_CLAIMED(s))
#endif
#ifdef M_OVERRIDE_BARS_NOBODY
#define NO_OVERRIDE_BUT(s) 1
#else
#define NO_OVERRIDE_BUT(s) OTHERS(s, SAYS_NO_OVERRIDE)
#endif
#define IS_CANDIDATE(s) \
    (HAS_REPORTED(s) && reported[s] == STOPPED && NO_OVERRIDE_BUT(s) && OTHERS(s, IS_HEARD_OUT))
#ifdef MOVES
#define MOVE_LEAVES_IT (target == NONE || rolling_back)
#else
#define MOVE_LEAVES_IT 1
#endif
inline grant_best(s) {
    MAY_GRANT && !first_grant && MOVE_LEAVES_IT && IS_CANDIDATE(s) -> grant_to(s, 0); drop_move()
}
inline commit_expired() {
    IS_OPEN && (!calm || !OTHERS(holder, SAYS_NO_OVERRIDE)) && !no_quorum && !armed[holder] && !confirmed[holder] ->
    end_epoch(); drop_move(); printf("Expired(%d) commits\n", epoch)
}
inline commit_adopted(s) {
    phase == GRANTED && holder == s && adopting && armed[s] && accepted[s] == epoch && !cut[s] && !no_quorum ->
    adopting = 0; first_grant = 0; printf("Adopted(%d) commits\n", epoch)
}

/* ---- a planned move (3.6) ---- */

#ifdef MOVES
#ifdef M_MOVE_UNARMED           /* from a holder whose adoption is not armed */
#define IS_HOLDER_TO_MOVE_FROM 1
#else
#define IS_HOLDER_TO_MOVE_FROM (!adopting)
#endif
inline revoke(t) {
    phase == GRANTED && mode == AUTO && holder != t && HAS_REPORTED(t) && reported[t] == STOPPED && !no_quorum &&
    IS_HOLDER_TO_MOVE_FROM && MAY_CHANGE ->
    changes++; index++; phase = REVOKING; origin = holder; target = t; rolling_back = 0; newest_data = holder;
    stop_order = index; stop_epoch = epoch; run_order = 0; printf("Revoke(%d, %c) commits\n", epoch, NAME(t))
}
inline unrevoke() {
    phase == REVOKING && !no_quorum ->
    index++; phase = GRANTED; drop_move(); run_order = index; printf("Unrevoke(%d) commits\n", epoch)
}
/* 5.3: an order of a lower index never replaces one of a higher. */
#ifdef M_OLDER_ORDER
#define IS_NEWER(order, s) 1
#else
#define IS_NEWER(order, s) (order > obeyed[s])
#endif
inline hear_stop(s) {
    stop_order && stop_epoch == accepted[s] && !cut[s] && armed[s] && !given_back[s] && !stopping[s] && IS_NEWER(stop_order, s) ->
    MUST(NEWEST_ORDER, stop_order > obeyed[s]);
    stopping[s] = 1; obeyed[s] = stop_order; printf("%c hears STOP of epoch %d\n", NAME(s), accepted[s])
}
inline hear_run(s) {
    run_order && stop_epoch == accepted[s] && granted_to[stop_epoch] == s && !cut[s] && run_order > obeyed[s] ->
    obeyed[s] = run_order; printf("%c hears RUN of epoch %d\n", NAME(s), accepted[s])
}
/* Whatever the leader thinks of it by then, a stop that has begun is finished. */
inline stop_ends(s) { stopping[s] && armed[s] && !given_back[s] -> stopping[s] = 0; stops(s); give_back(s) }
/* A start that failed before the point of no return, and was seen to have left nothing running. */
inline start_fails(s) {
    armed[s] && !given_back[s] && !serves[s] && !stopping[s] && granted_to[accepted[s]] == s && MAY_CHANGE ->
    changes++; released_early = released_early | BIT(accepted[s]); give_back(s); printf("the start at %c changed nothing\n", NAME(s))
}
#ifdef M_ROLL_BACK_LATE         /* after the point of no return too */
#define SENDS_IT_BACK(e) (origin != NONE)
#else
#define SENDS_IT_BACK(e) ((released_early & BIT(e)) && origin != NONE)
#endif
inline commit_released(e) {
    IS_OPEN && epoch == e && (released[holder] & BIT(e)) && !no_quorum ->
    if
    :: phase == REVOKING -> skip        /* given back for the target */
    :: phase == GRANTED && SENDS_IT_BACK(e) -> target = origin; origin = NONE; rolling_back = 1
    :: else -> drop_move()
    fi;
    end_epoch(); printf("Released(%d) commits\n", e)
}
inline grant_target(s) {
    MAY_GRANT && !first_grant && target == s && !rolling_back && IS_CANDIDATE(s) ->
    grant_to(s, 0); target = NONE       /* the way back stays, once */
}
/* The origin, once the target took too long, or its start failed early. */
inline grant_origin(s) {
    MAY_GRANT && !first_grant && target != NONE && s == (rolling_back -> target : origin) && IS_CANDIDATE(s) ->
    MUST(NEWEST_DATA, newest_data == s);
#ifdef REACH_ROLLBACK
    MUST(UNREACHED, !rolling_back);
#endif
    grant_to(s, 0); drop_move()
}
#else
inline commit_released(e) {
    IS_OPEN && epoch == e && (released[holder] & BIT(e)) && !no_quorum -> end_epoch(); printf("Released(%d) commits\n", e)
}
#endif

/* ---- sites ---- */

/* 3.9: enforced by a committed epoch of another site, granted after the newest let-go; at an adopting
 * site by its first armed (H14). */
#ifdef M_ENFORCED_BY_GRANT
#define IS_ANOTHERS(s) 1
#else
#define IS_ANOTHERS(s) (granted_to[epoch] != s)
#endif
#ifdef M_ENFORCED_BEFORE_LET_GO /* an epoch that had ended when the group was let go */
#define BEGAN_SINCE (let_go_site == NONE)
#else
#define BEGAN_SINCE (granted_index[epoch] > let_go_index)
#endif
inline hear_of_epoch(s) {
    exists && mode == AUTO && !no_quorum && !cut[s] && epoch && granted_to[epoch] != NONE && IS_ANOTHERS(s) &&
    BEGAN_SINCE && !enforced[s] && obeyed[s] <= index ->
    enforced[s] = 1; printf("%c hears of epoch %d and is enforced\n", NAME(s), epoch)
}
#ifdef M_FIRST_RENEWAL_AT_ONCE  /* H20 */
#define MAY_CONFIRM_FIRST(s) 1
#else
#define MAY_CONFIRM_FIRST(s) (OTHERS(s, IS_HEARD_OUT) && OTHERS(s, SAYS_NO_OVERRIDE))
#endif
inline accept(s, e) {           /* and its first renewal is confirmed */
    e == epoch && granted_to[e] == s && HOLDS(s) && !no_quorum && !cut[s] && confirmed[s] != e &&
    !(accepted[s] == e && (armed[s] || given_back[s])) && e >= accepted[s] && overriding[s] != ENDING && MAY_CONFIRM_FIRST(s) ->
    accepted[s] = e; given_back[s] = 0; confirmed[s] = e;
    obeyed[s] = (granted_index[e] > obeyed[s] -> granted_index[e] : obeyed[s]);
    printf("%c accepts epoch %d and is confirmed\n", NAME(s), e)
}
inline arm(s) {                 /* the confirmation arrives, perhaps late */
    confirmed[s] && confirmed[s] == accepted[s] && !given_back[s] && !armed[s] ->
#ifdef REACH_ADOPTION
    MUST(UNREACHED, !(serves[s] && adopting && overriding[s] == REACH_ADOPTION - 1));
#endif
    armed[s] = 1; enforced[s] = 1; overriding[s] = 0; confirmed[s] = 0; RUN_BY_HAND(s, 0);
    printf("%c has armed epoch %d\n", NAME(s), accepted[s])
}
inline confirmation_too_old(s) { confirmed[s] && !calm -> confirmed[s] = 0 }
inline start(s) {
    armed[s] && !given_back[s] && !serves[s] ->
#ifdef MOVES
    if :: !stopping[s] -> starts(s) :: else fi
#else
    starts(s)
#endif
}
inline give_back(s) {
    armed[s] = 0; confirmed[s] = 0; given_back[s] = 1; released[s] = released[s] | BIT(accepted[s]);
    printf("%c gives epoch %d back\n", NAME(s), accepted[s])
}
inline release(s) { armed[s] && !given_back[s] && MAY_CHANGE -> changes++; stops(s); give_back(s) }
inline lease_ends(s) {          /* D: no renewal got through */
    armed[s] && (no_quorum || cut[s] || !(HOLDS(s) && epoch == accepted[s])) ->
    printf("the lease of %c ends\n", NAME(s));
#ifdef M_SILENCE_FREES
    if :: enforced[s] -> stops(s) :: else fi;
#else
    if :: !overriding[s] -> stops(s) :: else fi;
#endif
#ifdef MOVES
    stopping[s] = 0;
#endif
    give_back(s)
}
#ifdef M_SILENCE_FREES          /* silence clears the enforced bit */
inline silence(s) { enforced[s] && (no_quorum || cut[s]) -> enforced[s] = 0; printf("%c hears nothing and is enforced no more\n", NAME(s)) }
#endif
#ifdef M_LATE_LET_GO            /* a let-go is obeyed whenever it comes */
#define LET_GO_IS_NEWS(s) 1
#else
#define LET_GO_IS_NEWS(s) (let_go_order[s] > obeyed[s])
#endif
#define IS_STANDING_BY(s) (!armed[s] && (!accepted[s] || given_back[s]))
inline let_go(s) {              /* disarm, and do not touch */
    let_go_order[s] && !cut[s] && !(overriding[s] && IS_STANDING_BY(s)) && LET_GO_IS_NEWS(s) && (enforced[s] || armed[s] || let_go_order[s] > obeyed[s]) ->
    if
    :: armed[s] || overriding[s] || (accepted[s] && granted_index[accepted[s]] < let_go_order[s]) ->
        given_back[s] = 1; armed[s] = 0; confirmed[s] = 0;
        RUN_BY_HAND(s, serves[s])
    :: else
    fi;
#ifdef MOVES
    stopping[s] = 0;
#endif
    overriding[s] = 0; enforced[s] = 0; obeyed[s] = (let_go_order[s] > obeyed[s] -> let_go_order[s] : obeyed[s]);
    printf("%c lets go\n", NAME(s))
}
inline standby_check(s) {       /* serves without a lease at an enforced site (3.8) */
#ifdef M_CHECK_ANY_SITE
    serves[s] && !armed[s] && !overriding[s] && exists -> stops(s)
#else
    serves[s] && !armed[s] && enforced[s] && !overriding[s] ->
    MUST(UNTOUCHED, !IS_BY_HAND(s));
    MUST(UNTOUCHED, !(HOLDS(s) && adopting && accepted[s] < epoch));
    stops(s)
#endif
}

/* ---- faults ---- */

inline is_cut(s)     { !cut[s] && MAY_CHANGE -> changes++; cut[s] = 1; printf("%c is cut off\n", NAME(s)) }
inline is_reached(s) { cut[s] -> cut[s] = 0; printf("%c is reached again\n", NAME(s)) }
inline quorum_goes() { !no_quorum && MAY_CHANGE -> changes++; no_quorum = 1; printf("the quorum is lost\n") }
inline quorum_comes() {
    no_quorum -> no_quorum = 0; reported[0] = NOTHING; reported[1] = NOTHING; reported[SITES - 1] = NOTHING;
    printf("the quorum is back\n")
}
inline reboot(s) {
    MAY_CHANGE && (serves[s] || armed[s]) -> changes++; serves[s] = 0; RUN_BY_HAND(s, 0); confirmed[s] = 0;
    printf("%c reboots\n", NAME(s));
#ifdef M_MANUAL_BOOT            /* a manual lease outlives its boot: while the machine is off nobody hears of it */
    if :: overriding[s] == ON -> was_overriding[s] = 1 :: else fi;
#endif
    overriding[s] = 0;          /* it is over, and nothing outlived the machine here */
#ifdef MOVES
    stopping[s] = 0;
#endif
    if :: armed[s] -> give_back(s) :: else fi
}

/* ---- a person takes over without a quorum (3.8) ---- */

#ifdef OVERRIDE
#define LEASE_IS_OVER(s) (!armed[s] && !confirmed[s])
#ifdef M_OVERRIDE_AT_ONCE       /* not one longest lease after the command (H19) */
#define HAS_WAITED(s) 1
#else
#define HAS_WAITED(s) OTHERS(s, LEASE_IS_OVER)
#endif
#ifdef M_OVERRIDE_KEEPS         /* before its own epoch is given back */
#define HAS_ENDED_OWN(s) 1
#else
#define HAS_ENDED_OWN(s) LEASE_IS_OVER(s)
#endif
inline override(s) {
    no_quorum && ALL(OVERRIDES_NOT) && enforced[s] && OTHERS(s, IS_DOWN) && HAS_ENDED_OWN(s) && HAS_WAITED(s) && MAY_CHANGE ->
    changes++; overriding[s] = ON; printf("a person overrides at %c\n", NAME(s))
#ifndef M_OVERRIDE_KEEPS
    ; if :: accepted[s] && !given_back[s] -> give_back(s) :: else fi
#endif
}
inline override_starts(s) { overriding[s] == ON && ALL(IS_DOWN) && !calm -> starts(s) }
#ifdef M_MANUAL_BOOT            /* it boots without a network */
inline boot_starts(s) {
    was_overriding[s] && !calm -> was_overriding[s] = 0; overriding[s] = ON; printf("%c boots, and its manual lease goes on\n", NAME(s)); starts(s)
}
#endif
inline override_to_end(s) {     /* `--end`, whatever the witnesses do; of an epoch that was accepted it is refused */
    overriding[s] == ON && IS_STANDING_BY(s) && MAY_CHANGE -> changes++; printf("a person ends the override at %c\n", NAME(s));
#ifdef M_OVERRIDE_ENDS_FIRST    /* what it serves is left to the standby check */
    overriding[s] = 0
#else
    overriding[s] = ENDING
#endif
}
/* The witnesses have it elsewhere, or let it go: it is ended first, whatever they think of it by then. */
inline override_yields(s) {
    overriding[s] == ON && IS_STANDING_BY(s) && !cut[s] &&
    (let_go_order[s] > obeyed[s] || (!no_quorum && IS_OPEN && holder != s)) ->
    overriding[s] = ENDING; printf("%c hears what was decided, and ends its override\n", NAME(s))
}
/* A fence that fails is not this step: the record stays, and it is tried again. */
inline override_ends(s) { overriding[s] == ENDING -> stops(s); overriding[s] = 0; printf("%c overrides no more\n", NAME(s)) }
inline grant_overriding(s) {
    MAY_GRANT && HAS_REPORTED(s) && reported[s] == OVERRIDES && OTHERS(s, SAYS_NO_OVERRIDE) && OTHERS(s, IS_HEARD_OUT) &&
    (!first_grant || OTHERS(s, HAS_REPORTED)) && OTHERS(s, SAYS_NOT_STARTED) ->
    grant_to(s, 1)
}
#endif
#ifdef RECOVER                  /* the log goes back to an earlier state, and epochs are raised */
#define HIGHER(a, b) (a > b -> a : b)
#ifdef M_RECOVER_AT_ONCE        /* the longest lease is not waited out */
#define LEASES_ARE_OVER 1
#else
#define IS_UNARMED(s) (!armed[s])
#define LEASES_ARE_OVER (ALL(IS_UNARMED) && ALL(IS_UNCONFIRMED))
#endif
inline recover() {
    exists && no_quorum && MAY_CHANGE && version < VERSIONS && LEASES_ARE_OVER ->
    changes++; no_quorum = 0; version++; index++; first_grant = 1; end_epoch(); drop_move(); let_go_index = index;
    reported[0] = NOTHING; reported[1] = NOTHING;
#ifndef M_RECOVER_LOW           /* above each epoch that any agent reports */
    epoch = HIGHER(accepted[0], accepted[1]);
#else
    epoch = 0; granted_to[1] = NONE; granted_to[2] = NONE; granted_to[3] = NONE;
#endif
#ifdef OVERRIDE
    claimed[0] = 0; claimed[1] = 0;
#endif
    printf("the cluster is recovered at epoch %d\n", epoch)
}
#endif

#if SITES == 2
#define EACH_SITE(step) :: d_step { step(0) } :: d_step { step(1) }
#define EACH_SITE_AND(step, n) :: d_step { step(0, n) } :: d_step { step(1, n) }
#else
#define EACH_SITE(step) :: d_step { step(0) } :: d_step { step(1) } :: d_step { step(2) }
#define EACH_SITE_AND(step, n) \
    :: d_step { step(0, n) } :: d_step { step(1, n) } :: d_step { step(2, n) }
#endif
#define IS_WELL(s) (serves[s] && armed[s] && HOLDS(s))
#define BOUND_MET (epoch >= EPOCHS || version >= VERSIONS)

active proctype world()
{
end:
    do
    EACH_SITE(start_by_hand)
    EACH_SITE(stop_by_hand)
    :: d_step { apply() } :: d_step { observe() } :: d_step { back_to_auto() } :: d_step { delete_group() }
    EACH_SITE(report)
    EACH_SITE(grant_first)
    EACH_SITE(grant_best)
    :: d_step { commit_expired() }
    :: d_step { commit_released(1) } :: d_step { commit_released(2) } :: d_step { commit_released(3) }
#if EPOCHS > 3
    :: d_step { commit_released(4) }
    EACH_SITE_AND(accept, 4)
#endif
    EACH_SITE(commit_adopted)
    EACH_SITE(hear_of_epoch)
    EACH_SITE_AND(accept, 1)
    EACH_SITE_AND(accept, 2)
#if EPOCHS > 2
    EACH_SITE_AND(accept, 3)
#endif
    EACH_SITE(arm)
    EACH_SITE(confirmation_too_old)
    EACH_SITE(start)
    EACH_SITE(release)
    EACH_SITE(lease_ends)
    EACH_SITE(let_go)
    EACH_SITE(standby_check)
    EACH_SITE(is_cut)
    EACH_SITE(is_reached)
    :: d_step { quorum_goes() } :: d_step { quorum_comes() }
    EACH_SITE(reboot)
#ifdef MOVES
    EACH_SITE(revoke)
    :: d_step { unrevoke() }
    EACH_SITE(hear_stop)
    EACH_SITE(hear_run)
    EACH_SITE(stop_ends)
    EACH_SITE(start_fails)
    EACH_SITE(grant_target)
    EACH_SITE(grant_origin)
#endif
#ifdef OVERRIDE
    EACH_SITE(override)
    EACH_SITE(override_starts)
#ifdef M_MANUAL_BOOT
    EACH_SITE(boot_starts)
#endif
    EACH_SITE(override_to_end)
    EACH_SITE(override_yields)
    EACH_SITE(override_ends)
    EACH_SITE(report_is_old)
    EACH_SITE(grant_overriding)
#endif
#ifdef RECOVER
    :: d_step { recover() }
#endif
#ifdef M_SILENCE_FREES
    EACH_SITE(silence)
#endif
#ifdef LIVENESS
    :: d_step { !calm -> calm = 1; printf("from here nothing fails any more\n") }
    :: timeout -> MUST(NOT_STUCK, !(!IS_WELL(0) && !IS_WELL(1) && !IS_WELL(SITES - 1)) || BOUND_MET); break
#endif
    od
}
