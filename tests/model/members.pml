/* members.pml - members come and go: one change at a time, brought about by whoever leads.
 * Design 3.9 (members), I3. README.md says which function carries each rule, and the limits.
 *
 * Raft      As in voter.pml: messages are steps, a log is what its owner has, here with who votes (the
 *           configuration, which counts from the moment it is in a log) and the roster: who is to vote, who is
 *           leaving. What was written is on disk. Who lacks the newest entries is given all that the leader has.
 * Members   w1, w2, w3 vote; w4 comes, under an id that nobody had (START=4: it votes already). People order
 *           that w4 replaces one of them, or that one is removed; the leader takes the steps.
 * Failures  DEATHS times one of them is gone for good. WIPE: w3 loses its disk, and is made anew under its id.
 *           Who was removed comes back with its old disk. Crashes and elections come at any time.
 * Calm      With LIVENESS nothing more fails at some moment: who can be elected is, and the change ends.
 *
 * Question  With ASKS a leader that another one was elected above receives a renewal, and asks the others for their
 *           terms (3.2.2). It must never prove that it led then. An answer counts from when it is given: what comes late
 *           is counted late.
 *
 * M_* leaves out one rule: each must fail, or is on the page as one that is enough beside another. */

#ifndef TERMS
#define TERMS 3                 /* the first leads from the beginning */
#endif
#ifndef ORDERS
#define ORDERS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef START
#define START 3
#endif
#define N 4
#define NONE 4
#define NEWCOMER 3
#define WIPED 2
#define BIT(w) (1 << (w))
#define HAS(mask, w) ((mask) & BIT(w))
#define AT(w, other) ((w) * N + (other))
#define NAME(w) (1 + (w))

mtype = { ONE_DECISION, ONE_LEADER, NOT_STUCK, LED_THEN, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- on disk ---- */
byte term[N];
byte voted[N];
byte length[N];
byte last[N];
byte conf[N];                   /* who votes, by its log */
byte conf_at[N];                /* where the newest change of that is */
byte roster[N], leaving[N];
byte decision[N];
/* ---- in memory ---- */
bit  stands[N], leads[N];
byte granted[N];                /* a bit each */
byte acknowledged[N * N];
byte own_at[N];                 /* a leader's first entry */
byte committed[N];              /* so far, as it knows */
/* ---- what is so ---- */
byte dead = NONE, deaths;
byte removed;                   /* by a roster that is committed */
byte decided;
byte orders;
bit  calm;
#ifdef WIPE
bit  wiped;
#define IS_WIPED(w) ((w) == WIPED && wiped)
#else
#define IS_WIPED(w) 0
#endif
#ifdef M_ID_REUSED
bit  readmitted[N];             /* the roster names the new directory of w3 */
#define IS_READMITTED(w) readmitted[w]
#else
#define IS_READMITTED(w) 0
#endif
#ifdef M_ROSTER_APPLIED
bit  applied[N];                /* in memory: its roster is */
#define COUNTS_ROSTER(w) applied[w]
#define HAS_VOLATILE_ROSTER(w) applied[w]
#else
#define COUNTS_ROSTER(w) 1
#define HAS_VOLATILE_ROSTER(w) 0
#endif
#ifdef CHECK_TERMS
byte leader_of[TERMS + 1];
#endif

#ifdef ASKS
byte newest;                    /* term of which a leader was elected */
byte asker = NONE;
byte asked_term, answered;      /* a bit each */
#endif

#define IS_UP(w) (dead != (w))
#define ONES(m) (((m) & 1) + (((m) >> 1) & 1) + (((m) >> 2) & 1) + (((m) >> 3) & 1))
#define MAJORITY(m) (ONES(m) / 2 + 1)
#define IS_BARE(w) (length[w] == 0)
#define UP (15 & ~(dead < NONE -> BIT(dead) : 0))

inline begin_again(w) {
    stands[w] = 0; leads[w] = 0; granted[w] = 0; own_at[w] = 0; committed[w] = 0;
    acknowledged[AT(w, 0)] = 0; acknowledged[AT(w, 1)] = 0; acknowledged[AT(w, 2)] = 0; acknowledged[AT(w, 3)] = 0
}
inline take_term(w, t) { term[w] = t; voted[w] = NONE; begin_again(w) }

/* ---- who is heard ---- */

/* Of its own roster, or of an id above all that this one has: w4's, where it is not known yet. */
#ifdef M_STRANGERS
#define IS_NEWER(w, other) 0
#else
#define IS_NEWER(w, other) ((other) == NEWCOMER && START == 3 && !HAS(roster[w], NEWCOMER))
#endif
#ifdef M_ANY_INCARNATION
#define IS_SAME(w, other) 1
#else
#define IS_SAME(w, other) (!IS_WIPED(other) || IS_READMITTED(w))
#endif
#define KNOWS(w, other) (IS_BARE(w) || (HAS(roster[w], other) && IS_SAME(w, other)) || IS_NEWER(w, other))
#define HEAR(a, b) (IS_UP(a) && IS_UP(b) && KNOWS(a, b) && KNOWS(b, a))

/* ---- elections ---- */

#ifdef M_ANY_INCARNATION
#define IS_NAMED(w) (COUNTS_ROSTER(w) && HAS(roster[w], w))
#else
#define IS_NAMED(w) (COUNTS_ROSTER(w) && HAS(roster[w], w) && IS_SAME(w, w))
#endif
/* libraft refuses a vote while its own configuration does not say that it votes. Who is asked is a voter by the
 * candidate's, which may be newer. */
#ifdef M_VOTERS_ONLY
#define MAY_VOTE(w) (IS_NAMED(w) && HAS(conf[w], w))
#elif defined(M_ANY_INCARNATION)
#define MAY_VOTE(w) (IS_BARE(w) || IS_NAMED(w))
#else
#define MAY_VOTE(w) (IS_NAMED(w) && (HAS(conf[w], w) || !HAS(leaving[w], w)))
#endif
#define MAY_STAND(w) (IS_UP(w) && IS_NAMED(w) && HAS(conf[w], w))
#define IS_AS_NEW(a, b) (last[a] > last[b] || (last[a] == last[b] && length[a] >= length[b]))
#define WOULD_VOTE(w, v) (HAS(conf[w], v) && ((v) == (w) || (HEAR(w, v) && MAY_VOTE(v) && IS_AS_NEW(w, v))))
#define WOULD_LEAD(w) (WOULD_VOTE(w, 0) + WOULD_VOTE(w, 1) + WOULD_VOTE(w, 2) + WOULD_VOTE(w, 3) >= MAJORITY(conf[w]))
#define CAN_REACH(l, w) (leads[l] && HEAR(l, w) && term[l] >= term[w])
#define IS_LED(w) (CAN_REACH(0, w) || CAN_REACH(1, w) || CAN_REACH(2, w) || CAN_REACH(3, w))
#define IS_BEHIND(w, v) (HEAR(w, v) && term[v] > term[w])
#define IS_ABREAST(w) (!IS_BEHIND(w, 0) && !IS_BEHIND(w, 1) && !IS_BEHIND(w, 2) && !IS_BEHIND(w, 3))
#define NOBODY_STANDS (!stands[0] && !stands[1] && !stands[2] && !stands[3])
#define HANDS_OVER_TO(l, w) (leads[l] && HAS(leaving[l], l) && acknowledged[AT(l, w)] == length[l] && !HAS(leaving[l], w))
#define IS_HANDED(w) (HANDS_OVER_TO(0, w) || HANDS_OVER_TO(1, w) || HANDS_OVER_TO(2, w) || HANDS_OVER_TO(3, w))
inline stand(w) {
    MAY_STAND(w) && !leads[w] && term[w] < TERMS &&
    (!calm || (NOBODY_STANDS && IS_ABREAST(w) && WOULD_LEAD(w) && (!IS_LED(w) || IS_HANDED(w)))) ->
    take_term(w, term[w] + 1); voted[w] = w; stands[w] = 1; granted[w] = BIT(w);
    printf("w%d stands in term %d\n", NAME(w), term[w])
}
inline vote(w, for_) {
    stands[for_] && HEAR(w, for_) && HAS(conf[for_], w) && MAY_VOTE(w) && !HAS(granted[for_], w) &&
    (term[for_] > term[w] || (term[for_] == term[w] && voted[w] == NONE)) ->
    if :: term[for_] > term[w] -> take_term(w, term[for_]) :: else fi;
    if
    :: IS_AS_NEW(for_, w) ->
        voted[w] = for_; granted[for_] = granted[for_] | BIT(w);
        printf("w%d votes for w%d in term %d\n", NAME(w), NAME(for_), term[w])
    :: else
    fi
}
inline lead(w) {
    stands[w] && IS_UP(w) && ONES(granted[w] & conf[w]) >= MAJORITY(conf[w]) ->
#ifdef CHECK_TERMS
    MUST(ONE_LEADER, leader_of[term[w]] == 0 || leader_of[term[w]] == 1 + w);
    leader_of[term[w]] = 1 + w;
#endif
    stands[w] = 0; granted[w] = 0; leads[w] = 1;
    length[w]++; last[w] = term[w]; own_at[w] = length[w];
#ifdef ASKS
    if :: term[w] > newest -> newest = term[w] :: else fi;
#endif
    printf("w%d leads in term %d\n", NAME(w), term[w])
}

/* ---- the log ---- */

#define IS_FED(l, w) (HAS(conf[l], w) || (HAS(roster[l], w) && !HAS(leaving[l], w)))
inline replicate(l, w) {
    leads[l] && HEAR(l, w) && IS_FED(l, w) && term[l] >= term[w] && acknowledged[AT(l, w)] < length[l] ->
    if :: term[l] > term[w] -> take_term(w, term[l]) :: else -> begin_again(w) fi;
    length[w] = length[l]; last[w] = last[l]; conf[w] = conf[l]; conf_at[w] = conf_at[l];
    roster[w] = roster[l]; leaving[w] = leaving[l]; decision[w] = decision[l];
#ifdef M_ID_REUSED
    readmitted[w] = readmitted[l];
#endif
#ifdef M_ROSTER_APPLIED
    applied[w] = 0;             /* until its leader says that it is committed */
#endif
    acknowledged[AT(l, w)] = length[l];
    printf("w%d has all that w%d has\n", NAME(w), NAME(l))
}
#define HAS_ALL(l, w) (HAS(conf[l], w) && ((w) == (l) || acknowledged[AT(l, w)] == length[l]))
#define ARE_MANY(l) (HAS_ALL(l, 0) + HAS_ALL(l, 1) + HAS_ALL(l, 2) + HAS_ALL(l, 3) >= MAJORITY(conf[l]))
inline commit(l) {
    leads[l] && IS_UP(l) && committed[l] < length[l] && ARE_MANY(l) ->
    committed[l] = length[l];
#ifdef M_ROSTER_APPLIED
    applied[l] = 1;
#endif
    removed = removed | (15 & ~roster[l] & (START == 4 || HAS(roster[l], NEWCOMER) -> 15 : 7));
    printf("all that w%d has is committed\n", NAME(l));
    if
    :: decision[l] && decided != decision[l] ->
        MUST(ONE_DECISION, decided == 0);
        decided = decision[l]; printf("so is the decision of w%d\n", decision[l])
    :: else
    fi
#ifdef REACH_CONF
    ; MUST(UNREACHED, !(conf[l] == REACH_CONF && conf_at[l] > 1 && decided && leaving[l] == 0))
#endif
}
#ifdef M_ROSTER_APPLIED
inline tell(l, w) { leads[l] && HEAR(l, w) && committed[l] == length[l] && acknowledged[AT(l, w)] == length[l] && !applied[w] -> applied[w] = 1 }
#endif
/* It has committed an entry of its own term. */
#define IS_READY(l) (leads[l] && IS_UP(l) && committed[l] >= own_at[l])
inline decide(l) {
    leads[l] && IS_UP(l) && !decision[l] && committed[l] >= own_at[l] ->
    decision[l] = 1 + l; length[l]++; last[l] = term[l];
    printf("w%d writes its decision\n", NAME(l))
}

/* ---- the steps of who leads ---- */

#ifdef M_TWO_AT_ONCE            /* the change before is not waited for */
#define IS_CHANGING(l) 0
#define FACT_IS_WISH(l) (leaving[l] == 0)
#else
#define IS_CHANGING(l) (committed[l] < conf_at[l])
#define FACT_IS_WISH(l) (leaving[l] == 0 && roster[l] == conf[l])
#endif
#ifdef M_NOT_SETTLED            /* a live voter may lack the change before */
#define ALL_SETTLED(l) 1
#else
#define IS_SETTLED(l, w) (!HAS(conf[l], w) || (w) == (l) || !IS_UP(w) || acknowledged[AT(l, w)] >= conf_at[l])
#ifdef LIVENESS
#define ALL_SETTLED(l) (IS_SETTLED(l, 0) && IS_SETTLED(l, 1) && IS_SETTLED(l, 2) && IS_SETTLED(l, 3))
#else                           /* whoever lives may be taken for away, but for a majority */
#define HAS_SETTLED(l, w) (HAS(conf[l], w) && IS_SETTLED(l, w))
#define ALL_SETTLED(l) (HAS_SETTLED(l, 0) + HAS_SETTLED(l, 1) + HAS_SETTLED(l, 2) + HAS_SETTLED(l, 3) >= MAJORITY(conf[l]))
#endif
#endif
#ifdef M_DEAD_COUNT             /* who is away counts as live */
#define IS_ENOUGH(m) 1
#else
#define IS_ENOUGH(m) (ONES((m) & UP) >= MAJORITY(m) && ONES((m) & UP) >= 2)
#endif
inline change_conf(l, mask) { conf[l] = mask; length[l]++; last[l] = term[l]; conf_at[l] = length[l] }
inline change_roster(l, mask, going) { roster[l] = mask; leaving[l] = going; length[l]++; last[l] = term[l] }
#define HAS_SPARE_ID(l) (!HAS(roster[l], NEWCOMER) && !HAS(removed, NEWCOMER))
inline order_replace(l, old) {
    IS_READY(l) && orders < ORDERS && !calm && HAS_SPARE_ID(l) && HAS(roster[l], old) && FACT_IS_WISH(l) && !IS_CHANGING(l) ->
    orders++; change_roster(l, roster[l] | BIT(NEWCOMER), BIT(old));
    printf("w%d is told: w4 replaces w%d\n", NAME(l), NAME(old))
}
#ifdef REMOVES
inline order_remove(l, old) {
    IS_READY(l) && orders < ORDERS && !calm && HAS(roster[l], old) && ONES(roster[l]) > 2 && FACT_IS_WISH(l) && !IS_CHANGING(l) ->
    orders++; change_roster(l, roster[l], BIT(old));
    printf("w%d is told: w%d is removed\n", NAME(l), NAME(old))
}
#endif
#ifdef M_ID_REUSED
inline readmit(l) {
    IS_READY(l) && IS_WIPED(WIPED) && !readmitted[l] && !IS_CHANGING(l) ->
    readmitted[l] = 1; change_roster(l, roster[l], leaving[l]); printf("w%d is told: the new w3 is the old one\n", NAME(l))
}
#endif
inline promote(l) {
    IS_READY(l) && HAS(roster[l], NEWCOMER) && !HAS(leaving[l], NEWCOMER) && !HAS(conf[l], NEWCOMER) && !IS_CHANGING(l) &&
    acknowledged[AT(l, NEWCOMER)] == length[l] && IS_UP(NEWCOMER) && IS_ENOUGH(conf[l] | BIT(NEWCOMER)) && ALL_SETTLED(l) ->
    change_conf(l, conf[l] | BIT(NEWCOMER)); printf("w%d: w4 votes\n", NAME(l))
}
#if defined(M_REMOVE_FIRST) || defined(M_TWO_AT_ONCE)
#define ALL_VOTE(l) 1
#else
#define ALL_VOTE(l) ((roster[l] & ~leaving[l] & ~conf[l]) == 0)
#endif
#define REST(l, old) (conf[l] & (15 - BIT(old)))
inline remove(l, old) {
    IS_READY(l) && HAS(leaving[l], old) && HAS(conf[l], old) && (l) != (old) && !IS_CHANGING(l) && ALL_VOTE(l) &&
    IS_ENOUGH(REST(l, old)) && ALL_SETTLED(l) ->
    change_conf(l, REST(l, old)); printf("w%d: w%d votes no more\n", NAME(l), NAME(old))
}
inline forget(l) {
    IS_READY(l) && leaving[l] && !(leaving[l] & conf[l]) && !IS_CHANGING(l) ->
    change_roster(l, roster[l] & ~leaving[l], 0); printf("w%d: who left is in the roster no more\n", NAME(l))
}

/* ---- whether it led when a renewal came (3.2.2) ---- */

#ifdef ASKS
#ifdef M_ANSWERED_BEFORE        /* an answer to a question of before the receipt counts */
#define MAY_ASK(l) 1
#define FORGET_ANSWERS
#else
#define MAY_ASK(l) (newest > term[l])
#define FORGET_ANSWERS answered = 0;
#endif
inline ask(l) {
    IS_READY(l) && MAY_ASK(l) && (asker == NONE || asker == (l)) && !(asker == (l) && answered == 0) ->
    FORGET_ANSWERS asker = l; asked_term = term[l]; printf("w%d receives a renewal, and asks for terms\n", NAME(l))
}
#ifdef M_ANY_TERM               /* an answer counts whatever its term: the asker's is older */
#define ANSWERS(w) 1
#else
#define ANSWERS(w) (term[w] == asked_term)
#endif
inline answer(w) {
    asker != NONE && (w) != asker && HEAR(asker, w) && ANSWERS(w) && !HAS(answered, w) ->
    answered = answered | BIT(w); printf("w%d answers\n", NAME(w))
}
#ifdef M_REMOVED_ANSWERS        /* whoever answers counts, a voter or not */
#define COUNTED(l) 15
#else
#define COUNTED(l) conf[l]
#endif
#ifdef M_OWN_TERM               /* that it leads that term still is not looked at as the answers come */
#define IS_STILL(l) 1
#else
#define IS_STILL(l) (leads[l] && term[l] == asked_term)
#endif
inline prove(l) {
    asker == (l) && IS_UP(l) && IS_STILL(l) && ONES((answered | BIT(l)) & COUNTED(l)) >= MAJORITY(conf[l]) ->
    MUST(LED_THEN, newest <= asked_term);
    asker = NONE; asked_term = 0; answered = 0
}
inline give_up(l) { asker == (l) -> asker = NONE; asked_term = 0; answered = 0 }
#endif

/* ---- failures ---- */

inline crash(w) {
    (leads[w] || HAS_VOLATILE_ROSTER(w)) && !calm ->
#ifdef ASKS
    if :: asker == (w) -> asker = NONE; asked_term = 0; answered = 0 :: else fi;
#endif
    begin_again(w); printf("w%d crashes and comes back\n", NAME(w))
#ifdef M_ROSTER_APPLIED
    ; applied[w] = 0
#endif
}
/* A leader that hears no majority steps down. */
#define HEARS(l, w) (HAS(conf[l], w) && ((w) == (l) || HEAR(l, w)))
inline step_down(l) {
    calm && leads[l] && HEARS(l, 0) + HEARS(l, 1) + HEARS(l, 2) + HEARS(l, 3) < MAJORITY(conf[l]) -> begin_again(l)
}
inline hear_term(w, v) { calm && IS_BEHIND(w, v) -> take_term(w, term[v]) }
inline be_calm() {
    !calm ->
    calm = 1; stands[0] = 0; stands[1] = 0; stands[2] = 0; stands[3] = 0;
    granted[0] = 0; granted[1] = 0; granted[2] = 0; granted[3] = 0;
    printf("from here nothing fails any more\n")
}
inline die(w) {
    deaths < DEATHS && dead == NONE && !calm -> deaths++; dead = w; begin_again(w); printf("w%d is gone\n", NAME(w))
}
#ifdef WIPE
inline wipe() {
    !wiped ->
    wiped = 1; begin_again(WIPED); term[WIPED] = 0; voted[WIPED] = NONE; length[WIPED] = 0; last[WIPED] = 0; conf[WIPED] = 0;
    conf_at[WIPED] = 0; roster[WIPED] = 0; leaving[WIPED] = 0; decision[WIPED] = 0;
    printf("w3 loses its disk and is made anew\n")
}
#endif

#define EACH(step) :: d_step { step(0) } :: d_step { step(1) } :: d_step { step(2) } :: d_step { step(3) }
#define EACH_OF_3(step, w) :: d_step { step(w, 0) } :: d_step { step(w, 1) } :: d_step { step(w, 2) }
#define EACH_TWO(step) \
    :: d_step { step(0, 1) } :: d_step { step(0, 2) } :: d_step { step(0, 3) } :: d_step { step(1, 0) } \
    :: d_step { step(1, 2) } :: d_step { step(1, 3) } :: d_step { step(2, 0) } :: d_step { step(2, 1) } \
    :: d_step { step(2, 3) } :: d_step { step(3, 0) } :: d_step { step(3, 1) } :: d_step { step(3, 2) }
#define EACH_OLD(step) EACH_OF_3(step, 0) EACH_OF_3(step, 1) EACH_OF_3(step, 2) EACH_OF_3(step, 3)
/* w2 and w3 are alike in the beginning: who is ordered to go is w1, which leads, or w3. */
#define EACH_TOLD(step) \
    :: d_step { step(0, 0) } :: d_step { step(0, 2) } :: d_step { step(1, 0) } :: d_step { step(1, 2) } \
    :: d_step { step(2, 0) } :: d_step { step(2, 2) } :: d_step { step(3, 0) } :: d_step { step(3, 2) }

/* A leader that decides, and whose wish is fact (where w4 lives to see it). */
#define IS_WELL(l) (leads[l] && IS_UP(l) && committed[l] == length[l] && (FACT_IS_WISH(l) || dead == NEWCOMER))
#define ANY_WELL (IS_WELL(0) || IS_WELL(1) || IS_WELL(2) || IS_WELL(3))
#define BOUND_MET ((IS_UP(0) && term[0] >= TERMS) || (IS_UP(1) && term[1] >= TERMS) || (IS_UP(2) && term[2] >= TERMS) || (IS_UP(3) && term[3] >= TERMS))

#define BEGIN(w) term[w] = 1; voted[w] = 0; length[w] = 1; last[w] = 1; conf[w] = VOTERS; conf_at[w] = 1; roster[w] = VOTERS
#if START == 4
#define VOTERS 15
#else
#define VOTERS 7
#endif

active proctype world()
{
    d_step {
        BEGIN(0); BEGIN(1); BEGIN(2);
#if START == 4
        BEGIN(3);
#else
        voted[3] = NONE;
#endif
#ifdef M_ROSTER_APPLIED
        applied[0] = 1; applied[1] = 1; applied[2] = 1;
#endif
#ifdef CHECK_TERMS
        leader_of[1] = 1;
#endif
#ifdef ASKS
        newest = 1;
#endif
        leads[0] = 1; own_at[0] = 1; committed[0] = 1; acknowledged[AT(0, 1)] = 1; acknowledged[AT(0, 2)] = 1;
#if START == 4
        acknowledged[AT(0, 3)] = 1;
#endif
        skip
    };
end:
    do
    EACH(stand)
    EACH_TWO(vote)
    EACH(lead)
    EACH_TWO(replicate)
    EACH(commit)
#ifndef LIVENESS
    EACH(decide)
#endif
#if START == 3
    EACH_TOLD(order_replace)
    EACH(promote)
#endif
#ifdef REMOVES
    EACH_TOLD(order_remove)
#endif
    EACH_OLD(remove)
    EACH(forget)
#ifdef ASKS
    EACH(ask)
    EACH(answer)
    EACH(prove)
    EACH(give_up)
#endif
#if defined(LIVENESS) || defined(CRASHES)
    EACH(crash)
#endif
#if DEATHS > 0
    EACH(die)
#endif
#ifdef WIPE
    :: d_step { wipe() }
#endif
#ifdef M_ID_REUSED
    EACH(readmit)
#endif
#ifdef M_ROSTER_APPLIED
    EACH_TWO(tell)
#endif
#ifdef LIVENESS
    EACH(step_down)
    EACH_TWO(hear_term)
    :: d_step { be_calm() }
    :: timeout -> MUST(NOT_STUCK, ANY_WELL || BOUND_MET); break
#endif
    od
}
