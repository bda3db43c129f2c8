/* lost.pml - decisions that are lost with the directory of one witness, which goes back in time: what a leader that has
 * never heard of them may grant, beside a site that has. Design 3.9 (claims of the kind `ahead`), 3.8. README.md says which function carries each
 * rule, and the limits.
 *
 * Three witnesses, each with a log. Who leads needs one other witness to be elected and to decide; what the third one has
 * comes later, or never. One directory is copied, and put back later: log, term and vote are those of before. Leases,
 * renewals and what ends them are in lease.pml: here site A has a lease for ever once it was granted and has heard so,
 * for a lost decision may have made it as long as that; it ends when A hears that it is over.
 *
 * B         Is granted after the loss alone: what it was granted before it would remember as A does.
 * A         Remembers the highest epoch of which a witness has told it, and the newest index; also for sites that stand by.
 * Leader    Judges what A remembers once its own term has an entry (its barrier). A connected site is judged before
 *           anything is granted; A is connected as each leader begins, and may be cut off after that.
 *
 * M_* leaves out one rule: each must fail. X_* steps outside of what is assumed. */

#define WITNESSES 3
#define NOBODY 3
#ifndef LENGTH
#define LENGTH 4                /* entries of a log */
#endif
#ifndef TERMS
#define TERMS 2
#endif

mtype = { ONE_SERVES, FALSE_ALARM, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* An entry: what it is, and the term. The epoch is the number of grants before it, and itself. */
#define BARRIER 0
#define GRANT_A 1
#define GRANT_B 2
#define CLAIM 3
typedef log_of { byte kind[LENGTH]; byte term[LENGTH]; byte length; byte applied; byte knows }
log_of logs[WITNESSES];
log_of copy;
byte copied = NOBODY;
bit  reverted;
byte leader = NOBODY;
byte leads_term;
byte elections;
bit  has_own;                   /* an entry of the leader's term is applied */
bit  judged;                    /* A, by this leader */
/* ---- sites ---- */
bit  a_linked = 1;
bit  a_serves;
bit  b_serves;
byte a_epoch; byte a_index;     /* of what it was told of; 0: none */
byte told;
byte i;

#define LAST_TERM(w) (logs[w].length == 0 -> 0 : logs[w].term[logs[w].length - 1])
#define IS_NEW(w, than) \
    (LAST_TERM(w) > LAST_TERM(than) || \
     (LAST_TERM(w) == LAST_TERM(than) && logs[w].length >= logs[than].length))

inline take(to, from) {         /* a copy of the log; what a leader has told is applied */
    i = 0;
    do
    :: i < LENGTH ->
       to.kind[i] = from.kind[i]; to.term[i] = from.term[i]; i++
    :: else -> break
    od;
    to.length = from.length; to.applied = from.applied; to.knows = from.knows; i = 0
}

#ifdef M_NOT_JUDGED             /* what a connected site knows is not waited for */
#define JUDGED 1
#else
#define JUDGED judged
#endif
#ifdef M_NO_BARRIER
#define MAY_JUDGE 1
#else
#define MAY_JUDGE has_own
#endif
#ifdef X_ACROSS_ELECTION        /* a term is voted for twice, so that two leaders share it */
#define OUTSIDE
#else
#define OUTSIDE && copy.knows == logs[who].knows
#endif

/* ---- witnesses ---- */
inline elect(who, by) {
    leader != who && elections < TERMS && logs[who].knows < TERMS && logs[by].knows <= logs[who].knows &&
    IS_NEW(who, by) ->
    leader = who; elections++;
    logs[who].knows++; logs[by].knows = logs[who].knows; leads_term = logs[who].knows;
    has_own = 0; judged = 0; a_linked = 1;
    printf("w%d leads term %d, by the vote of w%d\n", who + 1, leads_term, by + 1)
}
inline decide(what, by) {
    logs[leader].kind[logs[leader].length] = what;
    logs[leader].term[logs[leader].length] = leads_term;
    logs[leader].length++; logs[leader].applied = logs[leader].length;
    take(logs[by], logs[leader]);
    logs[by].applied = logs[by].length - 1; /* it hears with what comes next that this was decided */
    printf("entry %d (what %d, term %d) is decided by w%d and w%d\n", logs[leader].length, what, leads_term, leader + 1, by + 1)
}
#define MAY_DECIDE(by) \
    (leader != NOBODY && leader != by && logs[leader].length < LENGTH && logs[by].knows <= leads_term && \
     logs[leader].knows == leads_term)
inline barrier(by) { MAY_DECIDE(by) && !has_own -> has_own = 1; decide(BARRIER, by) }
/* A mode, a spec: the indexes catch up. */
inline decide_else(by) { MAY_DECIDE(by) && has_own && JUDGED -> decide(BARRIER, by) }

inline save(who) { copied == NOBODY -> copied = who; take(copy, logs[who]); printf("the directory of w%d is copied\n", who + 1) }
inline revert(who) {
    copied == who && !reverted && leader != who OUTSIDE ->
    reverted = 1; take(logs[who], copy); printf("w%d goes back to that copy\n", who + 1)
}

/* ---- what A knows ---- */
inline count(by) {              /* `told` is the epoch of what `by` has applied */
    told = 0; i = 0;
    do
    :: i < logs[by].applied -> told = told + (logs[by].kind[i] == GRANT_A || logs[by].kind[i] == GRANT_B); i++
    :: else -> break
    od;
    i = 0
}
#ifdef M_INDEX_ALONE            /* the entries of the new leader take the places of what was lost */
#define IS_AHEAD (a_index > logs[leader].applied)
#else
#define IS_AHEAD (a_epoch > told)
#endif
#ifdef M_GIVES_UP               /* what A remembers gives way to what it is told of later, be it of another history */
#define NEWEST told
#else
#define NEWEST (told > a_epoch -> told : a_epoch)
#endif
inline tell_a(by) {
    a_linked && logs[by].applied > a_index ->
    count(by);
    a_index = logs[by].applied; a_epoch = NEWEST; told = 0;
    printf("A hears of entry %d and epoch %d, from w%d\n", a_index, a_epoch, by + 1)
}
inline forget_a() {
#ifdef M_VOLATILE               /* its agent starts anew, and what it was told of is not on its disk */
    a_index > 0 -> a_index = 0; a_epoch = 0; printf("A forgets what it was told\n")
#else
    false
#endif
}

/* ---- the leader's rules ---- */
bit granted_a, granted_b, claimed;
inline look() {                 /* what the leader's log says */
    granted_a = 0; granted_b = 0; claimed = 0; i = 0;
    do
    :: i < logs[leader].applied ->
       if
       :: logs[leader].kind[i] == GRANT_A -> granted_a = 1
       :: logs[leader].kind[i] == GRANT_B -> granted_b = 1
       :: logs[leader].kind[i] == CLAIM -> claimed = 1
       :: else
       fi;
       i++
    :: else -> break
    od;
    count(leader)
}
/* A report that is ahead is committed as a claim before anything else is decided. */
inline judge(by) {
    MAY_DECIDE(by) && MAY_JUDGE && a_linked && !judged ->
    count(leader);
    if
    :: IS_AHEAD ->
       MUST(FALSE_ALARM, reverted);
#ifndef M_UNLATCHED
       decide(CLAIM, by);
#endif
       printf("A knows more than the log: claim\n")
    :: else
    fi;
    judged = 1; told = 0
}
#ifdef M_UNLATCHED              /* only as long as it is heard */
#define IS_HELD (claimed || (a_linked && IS_AHEAD))
#else
#define IS_HELD claimed
#endif
inline grant(to, by) {
    MAY_DECIDE(by) && has_own && JUDGED && (to == GRANT_A || reverted) ->
    look();
    if
    :: !granted_a && !granted_b && !IS_HELD -> decide(to, by)
    :: else
    fi;
    granted_a = 0; granted_b = 0; claimed = 0; told = 0
}
/* Whom a leader has confirmed a first renewal: it was told of that entry, too. */
#define MAY_START (leader != NOBODY && has_own && JUDGED)
inline a_starts() {
    MAY_START && a_linked && !a_serves ->
    look();
    if
    :: granted_a && !IS_HELD ->
       a_serves = 1; a_index = logs[leader].applied; a_epoch = NEWEST;
       printf("A serves\n")
    :: else
    fi;
    granted_a = 0; granted_b = 0; claimed = 0; told = 0;
    MUST(ONE_SERVES, !(a_serves && b_serves))
}
inline b_starts() {
    MAY_START && !b_serves ->
    look();
    if
    :: granted_b && !IS_HELD -> b_serves = 1; printf("B serves\n")
    :: else
    fi;
    granted_a = 0; granted_b = 0; claimed = 0; told = 0;
    MUST(ONE_SERVES, !(a_serves && b_serves))
#ifdef REACH_B
    ; MUST(UNREACHED, !(b_serves && reverted))
#endif
}
inline cut_a() { a_linked && judged -> a_linked = 0; printf("A is cut off\n") }

#define EACH(step) :: d_step { step(0) } :: d_step { step(1) } :: d_step { step(2) }
#define PAIRS(step) \
    :: d_step { step(0, 1) } :: d_step { step(0, 2) } :: d_step { step(1, 0) } \
    :: d_step { step(1, 2) } :: d_step { step(2, 0) } :: d_step { step(2, 1) }
#define EACH_GRANT(to) :: d_step { grant(to, 0) } :: d_step { grant(to, 1) } :: d_step { grant(to, 2) }

active proctype world()
{
end:                            /* it is one when nothing is left that may happen */
    do
    PAIRS(elect)
    EACH(barrier)
    EACH(decide_else)
    EACH(save)
    EACH(revert)
    EACH(tell_a)
    EACH(judge)
    EACH_GRANT(GRANT_A)
    EACH_GRANT(GRANT_B)
    :: d_step { a_starts() }
    :: d_step { b_starts() }
    :: d_step { forget_a() }
    :: d_step { cut_a() }
    od
}
