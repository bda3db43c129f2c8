/* recover.pml - a majority of the witnesses is lost, and a person makes a new cluster of what is left.
 * Design 3.9 (recovery). README.md says which function carries each rule, and the limits.
 *
 * Clusters  0 is the one of before, 1 and 2 are recovered from copies of its state that may be older: a
 *           survivor that lacks the newest entries, a snapshot. Each is one atomic log. The first may act
 *           at any time, also after the recovery: its lost members come back, have a quorum of their own,
 *           and reach whom they like (GONE: they do not). That somebody is cut off is a step that never comes.
 * Sites     Agent and guard each keep the generation that they have seen. An agent may restart, or lose its
 *           state (NEWBORN). A start takes time. Orders and confirmations come late, or never.
 * Leases    No ticks: that a lease ends is an event, and a wait is over when none is left of those that
 *           were asked for before the wait began (lease.pml shows that it may).
 * People    NAMED: one names the site for the first grant in spite of those that do not report, having
 *           seen that they do not serve (3.9, --initial-primary).
 *           HANDS: the group was let go, and a person runs the service; the copy does not know of it.
 *
 * M_* leaves out one rule: each must fail, or is on the page as one that I1 can do without. X_* steps
 * outside of what is assumed (3.8). */

#ifndef SITES
#define SITES 2
#endif
#ifndef RECOVERIES
#define RECOVERIES 1
#endif
#ifndef FAULTS
#define FAULTS 2                /* agents that restart or are born anew */
#endif
#ifndef OLD_EPOCHS
#define OLD_EPOCHS 3            /* of the cluster of before */
#endif
#ifndef NEW_EPOCHS
#define NEW_EPOCHS 2            /* of each recovered one */
#endif
#define CLUSTERS (1 + RECOVERIES)
#define RAISE 4                 /* above OLD_EPOCHS */
#define NONE SITES
#define NOTHING 0               /* what a site has reported */
#define STOPPED 1
#define STARTED 2
#define NAME(s) (65 + (s))
#define AT(c, s) ((c) * SITES + (s))

mtype = { ONE_SERVES, EPOCHS_ONLY_GROW, ONE_DECISION, UNTOUCHED, NOT_STUCK, KEPT_RUNNING, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- each cluster's committed state ---- */
bit  exists[CLUSTERS];
byte generation[CLUSTERS];
byte epoch[CLUSTERS];
byte holder[CLUSTERS];
bit  first_grant[CLUSTERS], adopting[CLUSTERS];
bit  lost_instance[CLUSTERS];   /* who was granted has lost its state since */
#ifdef M_INDEX_LOW
byte known[CLUSTERS];           /* the last epoch of its copy */
#endif
/* ---- its leader's memory ---- */
byte reported[CLUSTERS * SITES];
bit  before[CLUSTERS * SITES];  /* the site's lease was asked for before this cluster began */
bit  asked_before[CLUSTERS * SITES]; /* so was the confirmation that is on its way */
/* ---- sites: agent, on disk ---- */
byte gen[SITES];
byte accepted[SITES];
bit  open[SITES];               /* accepted, and not given back */
bit  adopts[SITES];             /* it is an adoption, and was not armed yet */
bit  enforced[SITES];
/* agent, in memory */
byte heard[SITES];              /* whose order its reports rest on: 0, or 1 + cluster */
bit  over[SITES];               /* it knows that its epoch is over, and stops */
bit  knows_lease[SITES];        /* it was told that it is armed */
byte confirmed[SITES];          /* on its way: 1 + the cluster that confirmed */
/* guard */
byte guard_gen[SITES];
byte lease[SITES];              /* armed: 1 + the cluster that confirmed */
byte armed_epoch[SITES];        /* also: the highest seen */
bit  starts[SITES];             /* a start runs */
bit  serves[SITES];
/* ---- the world ---- */
byte faults;
bit  calm;
#ifdef CHECK_EPOCHS
byte started_epoch;             /* the highest that any start began in */
#endif
#ifdef CHECK_DECISIONS
byte granted_to[RAISE * CLUSTERS + 5] = NONE;
#endif
#ifdef HANDS
bit  by_hand[SITES];
#define IS_BY_HAND(s) by_hand[s]
#define BY_HAND_NO_MORE(s) by_hand[s] = 0
#else
#define IS_BY_HAND(s) 0
#define BY_HAND_NO_MORE(s) skip
#endif

#define IS_OPEN(c) (holder[c] != NONE)
#if SITES == 2
#define ALL_BUT(s, p, c) p(c, 1 - (s))
#define ANY(p) (p(0) || p(1))
#define EACH_CLUSTER_SITE(step) \
    :: d_step { step(0, 0) } :: d_step { step(0, 1) } :: d_step { step(1, 0) } :: d_step { step(1, 1) } \
    EACH_SITE_OF_2(step)
#define EACH_SITE(step) :: d_step { step(0) } :: d_step { step(1) }
#define EACH_NEW(step) :: d_step { step(1, 0) } :: d_step { step(1, 1) } EACH_SITE_OF_2(step)
#else
#define ALL_BUT(s, p, c) (p(c, ((s) + 1) % 3) && p(c, ((s) + 2) % 3))
#define ANY(p) (p(0) || p(1) || p(2))
#define EACH_CLUSTER_SITE(step) \
    :: d_step { step(0, 0) } :: d_step { step(0, 1) } :: d_step { step(0, 2) } \
    :: d_step { step(1, 0) } :: d_step { step(1, 1) } :: d_step { step(1, 2) } EACH_SITE_OF_2(step)
#define EACH_SITE(step) :: d_step { step(0) } :: d_step { step(1) } :: d_step { step(2) }
#define EACH_NEW(step) \
    :: d_step { step(1, 0) } :: d_step { step(1, 1) } :: d_step { step(1, 2) } EACH_SITE_OF_2(step)
#endif
#if RECOVERIES == 1
#define EACH_SITE_OF_2(step)
#define EACH_CLUSTER(step) :: d_step { step(0) } :: d_step { step(1) }
#elif SITES == 2
#define EACH_SITE_OF_2(step) :: d_step { step(2, 0) } :: d_step { step(2, 1) }
#define EACH_CLUSTER(step) :: d_step { step(0) } :: d_step { step(1) } :: d_step { step(2) }
#else
#error "two recoveries are searched with two sites"
#endif

/* ---- the person who recovers ---- */

#ifdef UNDO
bit spoken, undone;
#define IS_UNDONE_NOT (!undone)
#define MAY_CALM (exists[1] || undone)
#define SERVED_BY(s) (lease[s] > 1 || undone)
#else
#define IS_UNDONE_NOT 1
#define MAY_CALM exists[1]
#define SERVED_BY(s) (lease[s] > 1)
#endif

#if defined(GONE) || (defined(NAMED) && !defined(X_BACK)) /* the members that were lost never come back */
#define ACTS(c) (exists[c] && ((c) > 0 || !exists[1]))
#elif defined(HANDS)            /* what it knows of the group is that it only looks on */
#define ACTS(c) (exists[c] && (c) > 0)
#else
#define ACTS(c) exists[c]
#endif
#ifdef M_SAME_GENERATION        /* one more than the copy's, and nothing else */
#define GENERATION_OF(c) 2
#elif defined(SECOND_LOWER)     /* chance: of two recoveries the one made later has the lower one */
#define GENERATION_OF(c) (4 - (c))
#else                           /* and above what no two recoveries share, but by chance */
#define GENERATION_OF(c) (1 + (c))
#endif
#ifdef SECOND_LOWER             /* index and epochs go with the generation */
#define RANK(c) (generation[c] - 1)
#else
#define RANK(c) (c)
#endif
inline notice_leases(c, s) {
    before[AT(c, s)] = (lease[s] != 0); asked_before[AT(c, s)] = (confirmed[s] != 0)
}
inline recover_from(c, last) {
    !exists[c] && exists[(c) - 1] && last <= epoch[0] && !calm && IS_UNDONE_NOT ->
    exists[c] = 1; generation[c] = GENERATION_OF(c);
#ifdef M_EPOCHS_LOW             /* they go on from those of the copy */
    epoch[c] = last;
#else
    epoch[c] = RAISE * RANK(c);
#endif
#ifdef M_INDEX_LOW              /* its log goes on where the copy ends */
    known[c] = last;
#endif
    first_grant[c] = 1;
#ifdef M_NO_FIRST_GRANT         /* vacant as after any end of an epoch */
    first_grant[c] = 0;
#endif
    notice_leases(c, 0); notice_leases(c, 1);
#if SITES == 3
    notice_leases(c, 2);
#endif
    printf("a person recovers cluster %d from a copy that ends in epoch %d\n", c, last)
}
#ifdef M_EPOCHS_LOW
#define RECOVER(c) :: d_step { recover_from(c, 1) } :: d_step { recover_from(c, 2) } :: d_step { recover_from(c, 3) }
#elif defined(M_INDEX_LOW)
#define RECOVER(c) :: d_step { recover_from(c, 1) } :: d_step { recover_from(c, 2) } :: d_step { recover_from(c, 3) }
#else
#define RECOVER(c) :: d_step { recover_from(c, 1) }
#endif

/* 3.9: the old directory is put back: for who has heard of nothing else nothing has happened. */
#ifdef M_UNDO_SPOKEN            /* also once a site follows it */
#define MAY_UNDO 1
#else
#define MAY_UNDO (!spoken)
#endif
inline undo() {
    exists[1] && !undone && MAY_UNDO && !calm -> exists[1] = 0; undone = 1; holder[1] = NONE;
    printf("the recovery is undone\n")
}

/* ---- the generation (3.9) ---- */

#define IS_GREETED(s) (gen[s] && gen[s] >= guard_gen[s])
inline learn(c, s) {
    exists[c] && generation[c] > gen[s] && (gen[s] || ACTS(c)) ->
    gen[s] = generation[c];
#ifdef UNDO
    if :: c == 1 -> spoken = 1 :: else fi;
#endif
#ifndef X_GUARD_LATER           /* what is said under it waits for the guard's disk, too */
    if :: gen[s] > guard_gen[s] -> guard_gen[s] = gen[s] :: else fi;
#endif
    printf("%c keeps the generation of cluster %d\n", NAME(s), c)
}
#ifdef X_GUARD_LATER
inline guard_learns(s) {
    gen[s] > guard_gen[s] -> guard_gen[s] = gen[s]; printf("the guard of %c keeps it\n", NAME(s))
}
#endif
#ifdef M_ANY_GENERATION         /* an agent listens to a lower one too */
#define LISTENS(s, c) (gen[s])
#else
#define LISTENS(s, c) (gen[s] && gen[s] == generation[c])
#endif
#ifdef M_GUARD_ANY_GENERATION
#define GUARD_TAKES(s) (gen[s])
#else
#define GUARD_TAKES(s) IS_GREETED(s)
#endif
#ifdef M_OLD_SYNC               /* the word of a site that still obeys the witnesses of before */
#define COUNTS_FOR(c, s) (gen[s] <= generation[c])
#define RESTS_ON(c, s) (heard[s] != 0)
#else
#define COUNTS_FOR(c, s) (gen[s] == generation[c])
#define RESTS_ON(c, s) (heard[s] == 1 + (c))
#endif

/* ---- reports, and the first grant ---- */

/* Nothing of an epoch of before may begin to serve there any more. */
#ifdef M_HOLDS_STILL
#define HAS_ENDED(s) 1
#elif defined(M_ARMED_ONLY)     /* no lease, as far as this agent knows */
#define HAS_ENDED(s) (!(open[s] && knows_lease[s]))
#elif defined(M_BUSY_GUARD)     /* no epoch of this agent's, whatever its guard runs */
#define HAS_ENDED(s) (!open[s])
#else
#define HAS_ENDED(s) (!open[s] && !starts[s])
#endif
#define SEES(s) (serves[s] -> STARTED : STOPPED)
inline report(c, s) {
    exists[c] && ACTS(c) && first_grant[c] && !IS_OPEN(c) && COUNTS_FOR(c, s) && RESTS_ON(c, s) && GUARD_TAKES(s) &&
    HAS_ENDED(s) && reported[AT(c, s)] != SEES(s) ->
    reported[AT(c, s)] = SEES(s); printf("%c reports to cluster %d: %d\n", NAME(s), c, SEES(s))
}
#define SAYS_STOPPED(c, s) (reported[AT(c, s)] == STOPPED)
#define SAYS_NOT_STARTED(c, s) (reported[AT(c, s)] != STARTED)
#define IS_LEASE_OF_BEFORE(c, s) ((before[AT(c, s)] && lease[s]) || (asked_before[AT(c, s)] && confirmed[s]))
#define HAS_WAITED_FOR(c, s) (!IS_LEASE_OF_BEFORE(c, s))
#ifdef M_AT_ONCE                /* the longest lease is not waited out */
#define HAS_WAITED(c, s) 1
#else
#define HAS_WAITED(c, s) (HAS_WAITED_FOR(c, s) && ALL_BUT(s, HAS_WAITED_FOR, c))
#endif
#ifdef M_ONE_REPORT             /* does not wait for every site */
#define OTHERS_SAY_STOPPED(c, s) ALL_BUT(s, SAYS_NOT_STARTED, c)
#elif defined(X_UNKNOWN_SITE)   /* the copy's spec lacks the third site */
#define OTHERS_SAY_STOPPED(c, s) (s < 2 && SAYS_STOPPED(c, 1 - s))
#else
#define OTHERS_SAY_STOPPED(c, s) ALL_BUT(s, SAYS_STOPPED, c)
#endif
#define MOST_EPOCHS(c) ((c) == 0 -> OLD_EPOCHS : (epoch[c] < RAISE * RANK(c) -> OLD_EPOCHS : RAISE * RANK(c) + NEW_EPOCHS))
#define MAY_GRANT(c) (ACTS(c) && !IS_OPEN(c) && epoch[c] < MOST_EPOCHS(c))
#define HAS_SEEN_NO_HIGHER(c, s) (accepted[s] <= epoch[c] && armed_epoch[s] <= epoch[c])

inline grant(c, s, adopt) {
    epoch[c]++; holder[c] = s; adopting[c] = adopt; lost_instance[c] = 0;
    before[AT(c, 0)] = 0; before[AT(c, 1)] = 0; before[AT(c, SITES - 1)] = 0;
    asked_before[AT(c, 0)] = 0; asked_before[AT(c, 1)] = 0; asked_before[AT(c, SITES - 1)] = 0;
    if :: !adopt -> first_grant[c] = 0 :: else fi;
    reported[AT(c, 0)] = NOTHING; reported[AT(c, 1)] = NOTHING; reported[AT(c, SITES - 1)] = NOTHING;
#ifdef CHECK_DECISIONS
    MUST(ONE_DECISION, granted_to[epoch[c]] == NONE || granted_to[epoch[c]] == s);
    granted_to[epoch[c]] = s;
#endif
    printf("cluster %d grants epoch %d to %c\n", c, epoch[c], NAME(s))
}
inline grant_first(c, s) {
    MAY_GRANT(c) && first_grant[c] && reported[AT(c, s)] != NOTHING && OTHERS_SAY_STOPPED(c, s) && HAS_WAITED(c, s) &&
    HAS_SEEN_NO_HIGHER(c, s) ->
    grant(c, s, (reported[AT(c, s)] == STARTED))
}
#ifdef NAMED
#define IS_DOWN(c, s) (!serves[s] && !starts[s])
inline grant_named(c, s) {
    MAY_GRANT(c) && first_grant[c] && reported[AT(c, s)] == STOPPED && ALL_BUT(s, SAYS_NOT_STARTED, c) &&
    ALL_BUT(s, IS_DOWN, c) && HAS_WAITED(c, s) && HAS_SEEN_NO_HIGHER(c, s) && !calm ->
    printf("a person names %c\n", NAME(s));
    grant(c, s, 0)
}
#endif
/* Policy can be any: no report is asked for. */
inline grant_best(c, s) {
    MAY_GRANT(c) && !first_grant[c] && HAS_SEEN_NO_HIGHER(c, s) && gen[s] == generation[c] -> grant(c, s, 0)
}
#define HOLDS_LEASE_OF(c, s) \
    ((lease[s] == 1 + (c) && armed_epoch[s] == epoch[c]) || (confirmed[s] == 1 + (c) && accepted[s] == epoch[c]))
inline end_epoch(c) { holder[c] = NONE; adopting[c] = 0; lost_instance[c] = 0 }
#define IS_RENEWED(c) (holder[c] != NONE && gen[holder[c]] == generation[c] && !lost_instance[c] && accepted[holder[c]] <= epoch[c])
inline commit_expired(c) {
    ACTS(c) && IS_OPEN(c) && !HOLDS_LEASE_OF(c, holder[c]) && !(calm && IS_RENEWED(c)) ->
    end_epoch(c); printf("Expired(%d) commits in cluster %d\n", epoch[c], c)
}
inline commit_released(c) {
    ACTS(c) && IS_OPEN(c) && !lost_instance[c] && accepted[holder[c]] == epoch[c] && !open[holder[c]] && LISTENS(holder[c], c) ->
    end_epoch(c); printf("Released(%d) commits in cluster %d\n", epoch[c], c)
}
inline commit_adopted(c) {
    ACTS(c) && adopting[c] && lease[holder[c]] == 1 + (c) && armed_epoch[holder[c]] == epoch[c] && LISTENS(holder[c], c) ->
    adopting[c] = 0; first_grant[c] = 0; printf("Adopted(%d) commits in cluster %d\n", epoch[c], c)
}

/* ---- the agent ---- */

/* 5.3: an order of a lower index never replaces one of a higher. An agent keeps that of its epoch on disk, of
 * what else it heard in memory. Within one cluster orders come here in their order (begin.pml has late ones). */
#define CLUSTER_OF_EPOCH(e) ((e) / RAISE)
#ifdef M_INDEX_LOW
#define IS_NEWS(c, s) ((c) == 0 || CLUSTER_OF_EPOCH(accepted[s]) > 0 || accepted[s] <= known[c])
#elif defined(M_EPOCHS_LOW)
#define IS_NEWS(c, s) (1 + (c) >= heard[s])
#elif defined(SECOND_LOWER)
#define IS_NEWS(c, s) ((!heard[s] || generation[c] >= generation[heard[s] - 1]) && RANK(c) >= CLUSTER_OF_EPOCH(accepted[s]))
#else
#define IS_NEWS(c, s) (1 + (c) >= heard[s] && (c) >= CLUSTER_OF_EPOCH(accepted[s]))
#endif
#define IS_OURS(c, s) (holder[c] == s && accepted[s] == epoch[c] && !lost_instance[c])
/* 3.9: nor does an epoch of before enforce anybody. In HANDS that of the copy was A's. */
#if defined(M_EPOCHS_LOW) && defined(HANDS)
#define IS_OLD_OF_ANOTHER(c, s) (epoch[c] == 1 && (s) != 0)
#else
#define IS_OLD_OF_ANOTHER(c, s) 0
#endif
inline hear(c, s) {
    ACTS(c) && LISTENS(s, c) && IS_NEWS(c, s) &&
    (heard[s] != 1 + (c) || (open[s] && epoch[c] >= accepted[s] && !IS_OURS(c, s) && !over[s])) ->
    heard[s] = 1 + (c);
    if
    :: open[s] && epoch[c] >= accepted[s] && !IS_OURS(c, s) ->
#ifdef CHECK_KEPT
        MUST(KEPT_RUNNING, !(serves[s] && lease[s] && lease[s] != 1 + (c)));
#endif
        over[s] = 1; printf("%c hears from cluster %d that its epoch %d is over\n", NAME(s), c, accepted[s])
    :: else -> printf("%c hears of cluster %d\n", NAME(s), c)
    fi;
    if :: (IS_OPEN(c) && holder[c] != s) || IS_OLD_OF_ANOTHER(c, s) -> enforced[s] = 1 :: else fi
}
inline accept(c, s) {
    ACTS(c) && holder[c] == s && !lost_instance[c] && LISTENS(s, c) && heard[s] == 1 + (c) && IS_NEWS(c, s) && !open[s] &&
    epoch[c] > accepted[s] ->
    accepted[s] = epoch[c]; open[s] = 1; over[s] = 0; adopts[s] = adopting[c]; knows_lease[s] = 0;
    printf("%c accepts epoch %d of cluster %d\n", NAME(s), accepted[s], c)
}
#define IS_RENEWAL_NEWS(c, s) \
    (lease[s] != 1 + (c) || armed_epoch[s] != accepted[s] || before[AT(1, s)] || before[AT(CLUSTERS - 1, s)] || \
     !knows_lease[s])
inline confirm(c, s) {          /* a renewal, asked for at this moment */
    ACTS(c) && IS_OURS(c, s) && open[s] && !over[s] && GUARD_TAKES(s) && gen[s] <= generation[c] && !confirmed[s] &&
    IS_RENEWAL_NEWS(c, s) ->
    confirmed[s] = 1 + (c); asked_before[AT(1, s)] = 0;
#if RECOVERIES == 2
    asked_before[AT(2, s)] = 0;
#endif
    printf("cluster %d confirms epoch %d of %c\n", c, epoch[c], NAME(s))
}
#define CLUSTER_OF(number) ((number) - 1)
inline arm(s) {                 /* the guard arms a higher epoch once the old one can run nothing more */
    confirmed[s] && open[s] && !over[s] && GUARD_TAKES(s) && LISTENS(s, CLUSTER_OF(confirmed[s])) && armed_epoch[s] <= accepted[s] &&
    (armed_epoch[s] == accepted[s] || (!lease[s] && !starts[s])) ->
    lease[s] = confirmed[s]; armed_epoch[s] = accepted[s]; knows_lease[s] = 1; enforced[s] = 1; adopts[s] = 0;
    BY_HAND_NO_MORE(s);
    before[AT(1, s)] = asked_before[AT(1, s)];
#if RECOVERIES == 2
    before[AT(2, s)] = asked_before[AT(2, s)];
#endif
    forget_confirmed(s);
    printf("%c has armed epoch %d\n", NAME(s), accepted[s])
#ifdef REACH_ARMED
    ; MUST(UNREACHED, lease[s] != 1 + REACH_ARMED)
#endif
}
inline confirmation_is_lost(s) { confirmed[s] && (!calm || over[s] || !open[s] || !LISTENS(s, CLUSTER_OF(confirmed[s]))) -> forget_confirmed(s) }
inline start(s) {
    open[s] && !over[s] && knows_lease[s] && lease[s] && armed_epoch[s] == accepted[s] && !starts[s] && !serves[s] ->
#ifdef CHECK_EPOCHS
    MUST(EPOCHS_ONLY_GROW, accepted[s] >= started_epoch);
    started_epoch = accepted[s];
#endif
    starts[s] = 1; printf("a start at %c begins\n", NAME(s))
}
#define SERVES_NOT(c, s) (!serves[s])
inline started(s) {
    starts[s] ->
    MUST(ONE_SERVES, ALL_BUT(s, SERVES_NOT, 0));
    starts[s] = 0; serves[s] = 1; printf("the service at %c starts\n", NAME(s))
#ifdef REACH_UP
    ; MUST(UNREACHED, !(lease[s] == 1 + REACH_UP && s == SITES - 1))
#endif
}
inline stops(s) {
    MUST(UNTOUCHED, !(serves[s] && IS_BY_HAND(s)));
    if :: serves[s] -> printf("the service at %c is stopped\n", NAME(s)) :: else fi;
    serves[s] = 0; starts[s] = 0
}
inline unarm(s) {
    lease[s] = 0; before[AT(1, s)] = 0
#if RECOVERIES == 2
    ; before[AT(2, s)] = 0
#endif
}
inline forget_confirmed(s) {
    confirmed[s] = 0; asked_before[AT(1, s)] = 0
#if RECOVERIES == 2
    ; asked_before[AT(2, s)] = 0
#endif
}
inline give_back(s) {
    open[s] = 0; over[s] = 0; adopts[s] = 0; knows_lease[s] = 0; printf("%c gives epoch %d back\n", NAME(s), accepted[s])
}
inline stop(s) {                /* an adoption that was never armed has nothing to end (3.9) */
    open[s] && over[s] && GUARD_TAKES(s) ->
    if
    :: armed_epoch[s] == accepted[s] -> stops(s); unarm(s)
    :: armed_epoch[s] != accepted[s] && !adopts[s] && enforced[s] && !lease[s] && !starts[s] -> stops(s)
    :: else
    fi;
    give_back(s)
}
#define MAY_RENEW(c, s) (ACTS(c) && IS_OURS(c, s) && LISTENS(s, c) && lease[s] == 1 + (c))
#if RECOVERIES == 2
#define IS_KEPT(s) (MAY_RENEW(0, s) || MAY_RENEW(1, s) || MAY_RENEW(2, s))
#else
#define IS_KEPT(s) (MAY_RENEW(0, s) || MAY_RENEW(1, s))
#endif
inline lease_ends(s) {          /* the guard and its enforcer see to it, whatever the agent does */
    lease[s] && !(calm && IS_KEPT(s)) ->
    printf("the lease of %c ends\n", NAME(s));
    stops(s); unarm(s);
    if :: open[s] && accepted[s] == armed_epoch[s] -> give_back(s) :: else fi
}
inline standby_check(s) {       /* serves without a lease at an enforced site (3.8) */
    serves[s] && !lease[s] && enforced[s] && !(open[s] && !over[s]) -> stops(s)
}
inline told(s) {                /* the guard's state, at a hello: armed counts if the agent renews */
    open[s] && !over[s] && lease[s] && armed_epoch[s] == accepted[s] && !knows_lease[s] && GUARD_TAKES(s) -> knows_lease[s] = 1
}

/* ---- faults ---- */

inline begin_again(s) {
    heard[s] = 0; over[s] = 0; knows_lease[s] = 0; forget_confirmed(s)
}
inline restart(s) {
    faults < FAULTS && !calm && (heard[s] || over[s] || knows_lease[s]) ->
    faults++; begin_again(s); printf("the agent of %c restarts\n", NAME(s))
#ifdef M_AGENT_FORGETS          /* a generation that is not on its disk */
    ; gen[s] = 1
#endif
}
#if defined(NEWBORN)
inline newborn(s) {
    faults < FAULTS && !calm && gen[s] ->
    faults++; begin_again(s); gen[s] = 0; accepted[s] = 0; open[s] = 0; adopts[s] = 0;
    if :: holder[0] == s -> lost_instance[0] = 1 :: else fi;
    if :: holder[1] == s -> lost_instance[1] = 1 :: else fi;
    printf("the agent of %c loses its state\n", NAME(s))
#ifdef X_REINSTALLED            /* the whole machine */
    ; guard_gen[s] = 0; unarm(s); armed_epoch[s] = 0; starts[s] = 0; serves[s] = 0; enforced[s] = 0
#endif
}
#endif

#define IS_WELL(s) (serves[s] && SERVED_BY(s) && IS_KEPT(s))
#ifdef UNDO
#define NEWEST (undone -> 0 : 1)
#else
#define NEWEST (exists[CLUSTERS - 1] -> CLUSTERS - 1 : 1)
#endif
#define BOUND_MET (epoch[NEWEST] >= MOST_EPOCHS(NEWEST))

active proctype world()
{
    d_step {
        exists[0] = 1; generation[0] = 1;
        gen[0] = 1; gen[1] = 1; guard_gen[0] = 1; guard_gen[1] = 1;
        heard[0] = 1; heard[1] = 1;
        holder[1] = NONE;
#if RECOVERIES == 2
        holder[2] = NONE;
#endif
#if SITES == 3
        gen[2] = 1; guard_gen[2] = 1; heard[2] = 1;
#endif
#ifdef HANDS
        epoch[0] = 1; holder[0] = NONE; serves[1] = 1; by_hand[1] = 1;
#else
        epoch[0] = 1; holder[0] = 0; enforced[0] = 1; enforced[1] = 1;
#ifdef CHECK_DECISIONS
        granted_to[1] = 0;
#endif
#endif
    };
end:
    do
    RECOVER(1)
#if RECOVERIES == 2
    RECOVER(2)
#endif
#ifdef UNDO
    :: d_step { undo() }
#endif
    EACH_CLUSTER_SITE(learn)
#ifdef X_GUARD_LATER
    EACH_SITE(guard_learns)
#endif
    EACH_NEW(report)
    EACH_NEW(grant_first)
    EACH_CLUSTER_SITE(grant_best)
    EACH_CLUSTER(commit_expired)
    EACH_CLUSTER(commit_released)
    EACH_CLUSTER(commit_adopted)
    EACH_CLUSTER_SITE(hear)
    EACH_CLUSTER_SITE(accept)
    EACH_CLUSTER_SITE(confirm)
    EACH_SITE(arm)
    EACH_SITE(confirmation_is_lost)
    EACH_SITE(start)
    EACH_SITE(started)
    EACH_SITE(stop)
    EACH_SITE(lease_ends)
    EACH_SITE(standby_check)
    EACH_SITE(told)
    EACH_SITE(restart)
#ifdef NAMED
    EACH_NEW(grant_named)
#endif
#if defined(NEWBORN)
    EACH_SITE(newborn)
#endif
#ifdef LIVENESS
    :: d_step { MAY_CALM && !calm -> calm = 1; printf("from here nothing fails any more\n") }
    :: timeout -> MUST(NOT_STUCK, ANY(IS_WELL) || BOUND_MET); break
#endif
    od
}
