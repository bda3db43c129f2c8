/* release.pml - who gives an epoch back, and by which way it comes: a machine and its copy, a second
 * agent, a witness that passes on what nobody said. Design 3.5. README.md says which function carries
 * each rule, and the limits.
 *
 * Site A holds epoch 1. It has two machines (boots) of one instance, each with a lease of its own: the
 * second is a copy that wakes up. B stands for every other site and serves once the epoch is over. What
 * lease.pml shows (drift, barrier, expiry) is taken as given: a renewal is received and confirmed in one
 * step, and expiry is one wait after the last of them.
 *
 * Ways      A renewal or a give-back comes directly, or through an honest witness, or (a give-back that
 *           nobody has sent) from one whose key is in wrong hands. What it passes on, it can make up:
 *           also that A's own agent has sent it.
 * Leader    Knows of each boot and way when a renewal was last confirmed, in its own time; of what was
 *           before it knows nothing, unless it granted the epoch itself.
 *
 * COPY      Both machines may renew, which no step of the rest needs, and so one of them only may have a lease: of
 *           several boots the newest is confirmed, and one more is committed once no other can have it.
 *
 * M_* leaves out one rule: each must fail. */

#ifndef TTL
#define TTL 2
#endif
#define WAIT TTL                /* no drift here */
#define BOOTS 2
#define DIRECT 0
#define HONEST 1
#define FORGER 2
#define WAYS 3
#define NOBODY 2                /* no boot */

mtype = { ONE_SERVES, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- replicated ---- */
bit  over;                      /* epoch 1 has ended */
bit  kept[BOOTS];               /* boots from which it may be renewed */
#ifdef COPY
byte newest;                    /* of those: it alone is confirmed */
#endif
/* ---- leader ---- */
byte quiet[BOOTS * WAYS];       /* [boot * WAYS + way]: since a renewal was confirmed, at most WAIT */
byte leads_for;                 /* at most WAIT; WAIT also if it granted the epoch itself */
bit  ended_proposed;            /* Released was proposed, and may commit */
/* ---- A ---- */
byte lease_left[BOOTS];
bit  given_back[BOOTS];         /* on disk of that machine */
bit  said[BOOTS * WAYS];        /* a give-back of that boot was heard by that way */
bit  b_serves;

#define LAST(boot, way) quiet[(boot) * WAYS + (way)]
#define LONG_AGO(boot, way) (LAST(boot, way) == WAIT)
#define OTHER(boot) (1 - (boot))
#ifdef M_COPY_SAME_BOOT         /* 3.7: the boot of a site is its kernel's, in whichever run_dir */
#define ID(machine) 0
#else
#define ID(machine) machine
#endif
#ifdef COPY
#define IS_NEWEST(machine) (newest == ID(machine))
#define MAY_FOLLOW(machine) \
    (!IS_NEWEST(machine) && leads_for == WAIT && LONG_AGO(newest, DIRECT) && LONG_AGO(newest, HONEST))
#define ONE_MACHINE(machine) MUST(ONE_SERVES, !lease_left[OTHER(machine)])
#else
#define IS_NEWEST(machine) 1
#endif

/* 3.5: each boot is committed before its first confirmation leaves. */
#ifdef M_BOOT_LATE
#define IS_KEPT(boot) 1
#else
#define IS_KEPT(boot) kept[boot]
#endif
#ifdef M_CONFIRM_AFTER_RELEASED
#define ENDED 0
#else
#define ENDED ended_proposed
#endif
inline renew(boot, way) {
    !over && !ENDED && IS_KEPT(ID(boot)) && IS_NEWEST(boot) && !given_back[boot] &&
    (lease_left[boot] < TTL || LAST(ID(boot), way)) ->
#ifdef COPY
    ONE_MACHINE(boot);
#endif
    lease_left[boot] = TTL; LAST(ID(boot), way) = 0;
    printf("boot %d has its renewal confirmed, way %d\n", boot, way)
}
inline commit_boot(boot) {
#ifdef COPY
    !over && MAY_FOLLOW(boot) -> kept[ID(boot)] = 1; newest = ID(boot);
#else
    !over && !kept[boot] -> kept[boot] = 1;
#endif
    printf("Boot(1, %d) commits\n", boot)
}

/* ---- giving back ---- */

inline give_back(boot) {
    !given_back[boot] -> given_back[boot] = 1; lease_left[boot] = 0;
    printf("boot %d has stopped and gives the epoch back\n", boot)
}
inline say(boot, way) {
    given_back[boot] && !said[boot * WAYS + way] ->
    said[boot * WAYS + way] = 1; printf("its give-back arrives, way %d\n", way)
}
inline forge(boot) {
    !said[boot * WAYS + FORGER] ->
    said[boot * WAYS + FORGER] = 1; printf("a witness makes up a give-back of boot %d\n", boot)
}

/* ---- when it is believed ---- */

#ifdef M_RELEASE_ALONE          /* another boot may hold it, and is not asked about */
#define OTHER_BOOT_IS_OVER(boot) 1
#else
#define OTHER_BOOT_IS_OVER(boot) \
    (!kept[OTHER(boot)] || (leads_for == WAIT && LONG_AGO(OTHER(boot), DIRECT) && \
                            LONG_AGO(OTHER(boot), HONEST)))
#endif
#ifdef M_RELEASE_ANY_WAY        /* a witness's word is as good as the agent's */
#define OTHER_WAYS_ARE_OVER(boot, way) 1
#elif defined(M_RELEASE_YOUNG_LEADER)   /* what it has not confirmed itself never was */
#define OTHER_WAYS_ARE_OVER(boot, way) \
    (way == DIRECT || ((way == HONEST || LONG_AGO(boot, HONEST)) && LONG_AGO(boot, DIRECT)))
#else
#define OTHER_WAYS_ARE_OVER(boot, way) \
    (way == DIRECT || \
     (leads_for == WAIT && (way == HONEST || LONG_AGO(boot, HONEST)) && LONG_AGO(boot, DIRECT)))
#endif
inline take_released(boot, way) {
    !over && !ended_proposed && said[boot * WAYS + way] && OTHER_BOOT_IS_OVER(boot) &&
    OTHER_WAYS_ARE_OVER(boot, way) ->
    ended_proposed = 1; printf("the leader believes boot %d, way %d\n", boot, way)
}
/* The leader that proposed it may be gone by then, and another one have confirmed renewals: a command
 * that may still commit is not proposed by the next, and ends with its term (lease.pml). */
inline commit_released() {
    ended_proposed -> ended_proposed = 0; over = 1;
    printf("Released(1) commits, B is granted\n")
}
inline b_starts() {
    over && !b_serves ->
    MUST(ONE_SERVES, !lease_left[0] && !lease_left[1]);
    b_serves = 1; printf("B starts the service\n")
#ifdef REACH_B
    ; MUST(UNREACHED, false)
#endif
}
#define ALL_QUIET \
    (LONG_AGO(0, DIRECT) && LONG_AGO(0, HONEST) && LONG_AGO(1, DIRECT) && LONG_AGO(1, HONEST))
#ifndef NO_EXPIRY
inline expire() {
    !over && leads_for == WAIT && ALL_QUIET -> over = 1; printf("Expired(1) commits, B is granted\n")
}
#endif

/* ---- time, leaders ---- */

inline elect() {
    !over ->
    leads_for = 0; ended_proposed = 0;
    LAST(0, DIRECT) = WAIT; LAST(0, HONEST) = WAIT; LAST(1, DIRECT) = WAIT; LAST(1, HONEST) = WAIT;
    printf("another leader, who has confirmed nothing\n")
}
#define COUNT_DOWN(left) if :: left -> left-- :: else fi
#define COUNT_UP(since) if :: since < WAIT -> since++ :: else fi
inline tick() {
    COUNT_DOWN(lease_left[0]); COUNT_DOWN(lease_left[1]);
    COUNT_UP(LAST(0, DIRECT)); COUNT_UP(LAST(0, HONEST));
    COUNT_UP(LAST(1, DIRECT)); COUNT_UP(LAST(1, HONEST));
    COUNT_UP(leads_for);
    printf("---- a tick\n")
}

#define EACH_BOOT(step) :: d_step { step(0) } :: d_step { step(1) }
#define EACH_BOOT_AND(step, way) :: d_step { step(0, way) } :: d_step { step(1, way) }

active proctype world()
{
    d_step {
        kept[0] = 1; leads_for = WAIT; /* it granted the epoch, to the boot that had reported */
        LAST(0, DIRECT) = WAIT; LAST(0, HONEST) = WAIT; LAST(1, DIRECT) = WAIT; LAST(1, HONEST) = WAIT
    };
    do
    :: d_step { tick() }
    EACH_BOOT_AND(renew, DIRECT)
    EACH_BOOT_AND(renew, HONEST)
    EACH_BOOT(commit_boot)
    EACH_BOOT(give_back)
    EACH_BOOT_AND(say, DIRECT)
    EACH_BOOT_AND(say, HONEST)
    EACH_BOOT(forge)
    EACH_BOOT_AND(take_released, DIRECT)
    EACH_BOOT_AND(take_released, HONEST)
    EACH_BOOT_AND(take_released, FORGER)
    :: d_step { commit_released() }
    :: d_step { b_starts() }
#ifndef NO_EXPIRY
    :: d_step { expire() }
#endif
    :: d_step { elect() }
    od
}
