/* voter.pml - witnesses that lose their disk and are made anew under their old id.
 * Design 3.9 (witness init), I3. README.md says which function carries each rule, and the limits.
 *
 * Raft      Three voters, its own rules taken as they are: one vote a term, only for a log that is at
 *           least as new; a leader begins with an entry of its own term, and commits what a majority
 *           acknowledged up to that. A log is what its owner has: how long it is, the term of its last
 *           entry, the roster, the decision. Messages are steps: they come in any order, late ones
 *           are those of a term that has passed.
 *           A leader sends its entries before they are on its own disk, and counts itself once they are.
 * Decision  What a leader without one puts into its log is its own: two leaders decide differently.
 *           Once one is committed, no other ever is.
 * Disk      WIPES times a voter loses it, and is made anew (`witness init --cluster-id`) at once:
 *           another incarnation, no vote, no term, a bare log, no founder. Always the same one: two
 *           are a majority (3.8).
 *
 * M_* leaves out one rule: each must fail. */

#ifndef TERMS
#define TERMS 4
#endif
#ifndef WIPES
#define WIPES 1
#endif
#define N 3
#define NONE 3
#define ALL_OTHERS 2            /* votes beside its own */
#define A_MAJORITY 1
#define NAME(w) (1 + (w))

mtype = { ONE_DECISION, ONE_LEADER, ROSTER_OF_ALL, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- on disk ---- */
byte term[N];
byte voted[N];                  /* in that term: for whom, or NONE */
byte length[N];                 /* entries behind the configuration; 0: a bare log */
byte last[N];                   /* term of the last one */
bit  rostered[N];               /* the roster is in it */
byte decision[N];               /* 0: none, else 1 + who made it */
bit  founder[N];
byte incarnation[N];            /* of its data directory */
/* The only roster that there is: what the founder's voters were. */
byte roster[N];
/* ---- in memory ---- */
bit  stands[N];
bit  leads[N];
bit  granted[N * N];            /* [candidate * N + voter], of the candidate's term */
byte acknowledged[N * N];       /* [leader * N + follower]: so many entries of the leader's log */
bit  unwritten[N];              /* what it wrote as a leader is not on its disk; there is: */
byte length_written[N], last_written[N];
bit  rostered_written[N];
byte decision_written[N];
/* ---- what is known from outside ---- */
#ifdef CHECK_TERMS
byte leader_of[TERMS + 1];      /* 0: none, else 1 + who */
#endif
byte committed;                 /* the decision */
byte wipes;
byte wiped = NONE;              /* who lost its disk */

inline begin_again(w) {
    stands[w] = 0; leads[w] = 0;
    granted[w * N] = 0; granted[w * N + 1] = 0; granted[w * N + 2] = 0;
    acknowledged[w * N] = 0; acknowledged[w * N + 1] = 0; acknowledged[w * N + 2] = 0
}
inline forget_written(w) {
    unwritten[w] = 0;
    length_written[w] = 0; last_written[w] = 0; rostered_written[w] = 0; decision_written[w] = 0
}
inline before_writing(w) {
    if
    :: !unwritten[w] ->
        unwritten[w] = 1; length_written[w] = length[w]; last_written[w] = last[w];
        rostered_written[w] = rostered[w]; decision_written[w] = decision[w]
    :: else
    fi
}
inline write(w) { unwritten[w] -> forget_written(w); printf("w%d has written all that it has\n", NAME(w)) }
inline lose_unwritten(w) {
    if
    :: unwritten[w] ->
        length[w] = length_written[w]; last[w] = last_written[w];
        rostered[w] = rostered_written[w]; decision[w] = decision_written[w];
        forget_written(w)
    :: else
    fi
}
inline take_term(w, t) { term[w] = t; voted[w] = NONE; begin_again(w) }

/* ---- who is heard (L22) ---- */
#ifdef M_ANY_INCARNATION
#define KNOWS(w, other) 1
#else
#define KNOWS(w, other) (!rostered[w] || incarnation[other] == roster[other])
#endif
#define HEAR(a, b) (KNOWS(a, b) && KNOWS(b, a))

/* ---- who stands and votes (L20, L21) ---- */
#ifdef M_VOTE_UNKNOWN
#define NAMED(w) 1
#else
#define NAMED(w) (rostered[w] && incarnation[w] == roster[w])
#endif
#ifdef M_ANYBODY_FOUNDS
#define MAY_FOUND(w) 1
#else
#define MAY_FOUND(w) founder[w]
#endif
#define MAY_STAND(w) (NAMED(w) || (length[w] == 0 && MAY_FOUND(w)))
#define YOUNG(w) (length[w] <= 1) /* no more than the roster */
#define MAY_VOTE(w, candidate) \
    (NAMED(w) || (length[w] == 0 && (founder[w] || YOUNG(candidate))))
#ifdef M_MAJORITY_FOUNDS
#define ENOUGH(w) A_MAJORITY
#elif defined(M_ROSTER_BY_MAJORITY)
#define ENOUGH(w) (length[w] == 0 -> ALL_OTHERS : A_MAJORITY)
#else
#define ENOUGH(w) (length[w] <= 1 -> ALL_OTHERS : A_MAJORITY)
#endif
#define IS_AS_NEW(a, b) (last[a] > last[b] || (last[a] == last[b] && length[a] >= length[b]))
#define VOTES(w) (granted[w * N] + granted[w * N + 1] + granted[w * N + 2])

inline stand(w) {
    !leads[w] && term[w] < TERMS && MAY_STAND(w) ->
    take_term(w, term[w] + 1); voted[w] = w; stands[w] = 1;
    printf("w%d stands in term %d\n", NAME(w), term[w])
}
inline vote(w, for_) {
    stands[for_] && HEAR(w, for_) && MAY_VOTE(w, for_) &&
    (term[for_] > term[w] || (term[for_] == term[w] && voted[w] == NONE)) ->
    if :: term[for_] > term[w] -> take_term(w, term[for_]) :: else fi;
    if
    :: IS_AS_NEW(for_, w) ->
        voted[w] = for_; granted[for_ * N + w] = 1;
        printf("w%d votes for w%d in term %d\n", NAME(w), NAME(for_), term[w])
    :: else
    fi
}
/* The roster is the first entry of a log, and says who voted. */
inline lead(w) {
    stands[w] && VOTES(w) >= ENOUGH(w) ->
#ifdef CHECK_TERMS
    MUST(ONE_LEADER, leader_of[term[w]] == 0 || leader_of[term[w]] == 1 + w);
    leader_of[term[w]] = 1 + w;
#endif
    stands[w] = 0; leads[w] = 1;
    before_writing(w);
    if
    :: length[w] == 0 ->
        roster[0] = incarnation[0]; roster[1] = incarnation[1]; roster[2] = incarnation[2];
        rostered[w] = 1
    :: else
    fi;
    length[w]++; last[w] = term[w];
    printf("w%d leads in term %d\n", NAME(w), term[w])
}

/* ---- the log ---- */

#ifdef M_ROSTER_OF_SOME
#define ALL_HAVE_ROSTER(w) 1
#else
#define ALL_HAVE_ROSTER(w) \
    (!unwritten[w] && acknowledged[w * N + (w + 1) % N] >= 1 && acknowledged[w * N + (w + 2) % N] >= 1)
#endif
/* Whom the votes of all may need one day: a disk that still has no roster then. */
#define HAS_ROSTER(w) (rostered[w] || wiped == (w))
inline decide(w) {
    leads[w] && !decision[w] && ALL_HAVE_ROSTER(w) ->
#ifdef CHECK_ROSTERS
    MUST(ROSTER_OF_ALL, HAS_ROSTER(0) && HAS_ROSTER(1) && HAS_ROSTER(2));
#endif
    before_writing(w);
    decision[w] = 1 + w; length[w]++; last[w] = term[w];
    printf("w%d writes its decision\n", NAME(w))
}
inline replicate(from, to) {
    leads[from] && HEAR(from, to) && term[from] >= term[to] && acknowledged[from * N + to] < length[from] ->
    if :: term[from] > term[to] -> take_term(to, term[from]) :: else -> begin_again(to) fi;
    length[to] = length[from]; last[to] = last[from];
    rostered[to] = rostered[from]; decision[to] = decision[from];
    forget_written(to);
    acknowledged[from * N + to] = length[from];
    printf("w%d has all that w%d has\n", NAME(to), NAME(from))
}
#define HAS_ALL(w, other) (acknowledged[w * N + other] == length[w])
inline commit(w) {
    leads[w] && last[w] == term[w] && decision[w] && committed != decision[w] &&
    (unwritten[w] -> HAS_ALL(w, (w + 1) % N) && HAS_ALL(w, (w + 2) % N)
                  : HAS_ALL(w, (w + 1) % N) || HAS_ALL(w, (w + 2) % N)) ->
    MUST(ONE_DECISION, committed == 0);
    committed = decision[w];
    printf("the decision of w%d is committed\n", NAME(w))
#ifdef REACH_DECISION
    ; MUST(UNREACHED, wipes < REACH_DECISION)
#endif
}

/* ---- crashes, disks ---- */

inline crash(w) {
    stands[w] || leads[w] || unwritten[w] ->
    begin_again(w); lose_unwritten(w); printf("w%d crashes and comes back\n", NAME(w))
}
inline wipe(w) {
    wipes < WIPES && (wiped == NONE || wiped == w) && (length[w] || voted[w] != NONE) ->
    wipes++; wiped = w;
    begin_again(w); lose_unwritten(w);
    term[w] = 0; voted[w] = NONE; length[w] = 0; last[w] = 0; rostered[w] = 0; decision[w] = 0;
    founder[w] = 0; incarnation[w]++;
    printf("w%d loses its disk and is made anew\n", NAME(w))
}

#define EACH(step) :: d_step { step(0) } :: d_step { step(1) } :: d_step { step(2) }
#define EACH_TWO(step) \
    :: d_step { step(0, 1) } :: d_step { step(0, 2) } :: d_step { step(1, 0) } \
    :: d_step { step(1, 2) } :: d_step { step(2, 0) } :: d_step { step(2, 1) }

active proctype world()
{
    d_step {
        founder[0] = 1; voted[0] = NONE; voted[1] = NONE; voted[2] = NONE
    };
end:                            /* nobody may be able to go on: that is no error here */
    do
    EACH(stand)
    EACH_TWO(vote)
    EACH(lead)
    EACH(decide)
    EACH(write)
    EACH_TWO(replicate)
    EACH(commit)
    EACH(crash)
    EACH(wipe)
    od
}
