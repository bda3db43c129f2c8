/* enforcer.pml - the process that ends the service at its deadline, and how one takes over from the
 * other. Design 3.4 ("nothing that an enforcer needs at the deadline can block"). README.md says which
 * function carries each rule, and the limits.
 *
 * One group. The guard passes each deadline on to its enforcer and ends nothing itself here: what it
 * does at the deadline is site.pml's, and this is about the day on which it cannot. The agent is told of
 * a lease and starts the service; from then on it may be dead.
 *
 * Time      One tick for everybody; a deadline is what is left of it.
 * Faults    Guard and enforcer die, each alone or one after the other. A guard that lives makes another
 *           enforcer within its tick.
 * Assumed   Who holds the deadline does not die while there is no guard that could know of it (3.8): a
 *           tick with the service up after that is not taken.
 *
 * M_* leaves out one rule: each must fail. */

#ifndef TTL
#define TTL 2
#endif
#ifndef FAULTS
#define FAULTS 3
#endif
#define DEAD 0
#define NEW 1                   /* has read what there is, and takes over */
#define READY 2
#define OTHER (1 - own)

mtype = { ENDED_AT_D, UNTOUCHED, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

bit  serves;
byte granted;                   /* what is left of the latest lease that the witnesses gave; 0: it is over */
byte told;                      /*   and of the one that the agent was told of */
byte mirror;                    /* in /run */
bit  lives[2], holds[2];        /* enforcers: is there, has a deadline of this group */
byte left[2];                   /*   and what is left of it */
byte guard = READY;
bit  own;                       /* which enforcer is the guard's */
bit  found = 1;                 /* the guard has found the mirrors that there are */
byte arming;                    /* 1: the mirror has the new deadline, 2: and the enforcer */
byte faults;
bit  bare;                      /* the one that held the deadline died, and nobody holds it since */

/* ---- arming: mirror, enforcer, then the agent is told ---- */

#define IS_OTHER_GONE (!lives[OTHER])
#ifdef M_OLD_GOES_ON            /* the old one is told to end, and not waited for */
#define MAY_ARM (guard != DEAD)
#else
#define MAY_ARM (guard == READY)
#endif
inline hold(e, ticks) { holds[e] = 1; left[e] = ticks; bare = 0 }
inline begin_arm() {
    MAY_ARM && found && lives[own] && !arming && told < TTL && (!serves || told) ->
    arming = 1; granted = TTL; mirror = TTL
#ifdef M_TOLD_FIRST
    ; told = TTL
#endif
    ; printf("a later deadline is in the mirror\n")
}
inline pass_on() {
    arming == 1 && mirror && lives[own] ->
    arming = 2; hold(own, mirror); printf("the enforcer has it\n")
}
inline tell() {
    arming == 2 -> arming = 0; told = mirror; printf("the agent is told: %d ticks\n", told)
}
inline start() { told && !serves -> serves = 1; printf("the service starts\n") }

/* ---- a guard that starts ---- */

inline die() {
    guard != DEAD && faults < FAULTS -> faults++; guard = DEAD; arming = 0; printf("the guard dies\n")
}
/* Its own enforcer first, from the mirror; of a file that names another directory it finds none. */
inline come_back() {
    guard == DEAD && !(lives[0] && lives[1]) ->
    guard = NEW;
    if :: lives[0] -> own = 1 :: else -> own = 0 fi;
    lives[own] = 1; holds[own] = 0; left[own] = 0;
#ifndef M_EMPTY_HANDED
    if :: found && mirror -> hold(own, mirror) :: else fi;
#endif
    printf("a guard starts, with an enforcer of its own\n")
}
inline misread() { guard == DEAD && found -> found = 0; printf("the file of the guard now names another run_dir\n") }
inline mend() { guard == DEAD && !found -> found = 1; printf("it is mended\n") }
/* Of what it has found no mirror of, the old one goes on. */
#ifdef M_END_UNKNOWN
#define KNOWS_ALL 1
#else
#define KNOWS_ALL (found || !holds[OTHER])
#endif
inline end_old() {
    guard == NEW && lives[OTHER] && KNOWS_ALL ->
    if :: holds[OTHER] && !lives[own] -> bare = 1 :: else fi;   /* it has not heard yet that it died */
    lives[OTHER] = 0; holds[OTHER] = 0; left[OTHER] = 0; printf("the old enforcer has ended\n")
}
inline be_ready() { guard == NEW && IS_OTHER_GONE -> guard = READY; printf("the guard is ready\n") }
/* ---- an enforcer that dies ---- */

inline enforcer_dies(e) {
    lives[e] && faults < FAULTS ->
    faults++;
    if :: holds[e] && !holds[1 - e] -> bare = 1 :: else fi;
    lives[e] = 0; holds[e] = 0; left[e] = 0; printf("an enforcer dies\n")
}
/* Before anything else: no arm is acknowledged until it has the deadlines. */
inline make_another() {
    guard != DEAD && !lives[own] ->
    lives[own] = 1; arming = 0;
#ifndef M_EMPTY_HANDED
    if :: found && mirror -> hold(own, mirror) :: else fi;
#endif
    printf("the guard makes another enforcer\n")
}

/* ---- time ---- */

inline enforce(e) {
    if
    :: lives[e] && holds[e] ->
        left[e]--;
        if
        :: left[e] == 0 ->
            holds[e] = 0;
#ifndef ONLY_AT_D
            MUST(UNTOUCHED, !serves || told <= 1);
#endif
            if :: serves -> printf("an enforcer ends the service\n") :: else fi;
#ifdef REACH_KILL
            MUST(UNREACHED, !serves || guard != DEAD);
#endif
            serves = 0
        :: else
        fi
    :: else
    fi
}
inline tick() {
    (guard == DEAD || lives[own]) && !(serves && bare && (guard == DEAD || !found)) ->
    enforce(0); enforce(1);
    if :: mirror -> mirror-- :: else fi;
    if :: told -> told-- :: else fi;
    if :: granted -> granted-- :: else fi;
    MUST(ENDED_AT_D, !serves || granted);
    printf("---- a tick\n")
}

#define EACH(step) :: d_step { step(0) } :: d_step { step(1) }

active proctype world()
{
    lives[0] = 1;
end:
    do
    :: d_step { tick() }
    :: d_step { begin_arm() } :: d_step { pass_on() } :: d_step { tell() }
    :: d_step { start() }
    :: d_step { die() } :: d_step { come_back() }
    :: d_step { misread() } :: d_step { mend() }
    :: d_step { end_old() } :: d_step { be_ready() }
    EACH(enforcer_dies)
    :: d_step { make_another() }
    od
}
