/* reach.pml - what was seen of the service's place, and what rests on it: when a look is an end, when
 * time alone ends an epoch, when a held one ends. Design 3.2.4 ("seen"), 3.3, 3.4 ("reach"). README.md
 * says which function carries each rule, and the limits.
 *
 * Site A with one machine; B stands for every other site and serves once it is granted. A's scripts put
 * the service inside of what its guard can end, or outside; which, nobody is told. What site.pml and
 * enforcer.pml show is taken as given: at the end of the lease all that is inside is killed.
 *
 * Service   Comes at once with its start, or later: what is ordered inside dies with what was killed,
 *           what is ordered elsewhere comes unless a stop or fence script has ended with 0 since.
 * Scripts   A stop or fence script may fail and have done all, half or nothing; one that ends with 0 may
 *           have left the service where it is. Status may say nothing (`unknown`) at any time.
 * Sight     At the site durable, with a digest of the scripts; committed as Reach, pinned by Grant.
 * SHAM      What the scripts put outside leaves something inside that looks like it (a client that
 *           waits), and comes at once or not at all. It is seen inside, and no kill proves that (3.3).
 *
 * M_* leaves out one rule: each must fail. X_* steps outside of what is assumed. */

#ifndef EPOCHS
#define EPOCHS 2                /* of A */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif

mtype = { ONE_SERVES, UNREACHED }
#define MUST(what, holds) assert((holds) && what)
mtype = { UNSEEN, INSIDE, OUTSIDE, NO_FENCE, SCRIPT, CHECK, KILLED }

/* ---- replicated ---- */
bit  open;                      /* A holds its epoch */
bit  held;                      /* its fence has failed, and that is committed */
bit  adopting;
mtype pinned = OUTSIDE;         /* of the open epoch: by Grant, then by Reach */
bit  pinned_digest, pinned_proved;
byte epochs;                    /* how many A has had */
/* ---- leader ---- */
bit  granted_here, confirmed, confirmed_here; /* of the open epoch: a renewal, by whomever, by it */
bit  said[2];                   /* a give-back was heard: before, after the failed fence was known */
/* ---- B ---- */
bit  b_serves;
/* ---- A: the truth ---- */
bit  is_outside[2];             /* where scripts with this digest put the service */
bit  up_in, up_out, sham, coming_in, coming_out;
/* ---- A: what it knows ---- */
bit  digest;                    /* the scripts that it has now */
mtype sight = UNSEEN;           /* durable, with the digest of what has started it last */
bit  sight_digest, sight_of_epoch, proved;
bit  back, answer, failed;      /* durable: given back, by a fence after the failed one was known */
bit  lease, knows_held;
bit  due, begun, unseen;        /* mirrored: a script is due, has begun since the start; not seen since */
mtype fence = NO_FENCE;
bit  fence_knew;                /* when it began */
byte faults;
#define CAN_FAIL (faults < FAULTS)

#define UP (up_in || up_out)
#define POPULATED (up_in || sham)
#define SAME_SCRIPTS (sight_digest == digest)
#define IS_INSIDE (SAME_SCRIPTS && sight == INSIDE)
inline look_at_both() { MUST(ONE_SERVES, !b_serves || !UP) }
inline kill_inside() { up_in = 0; sham = 0; coming_in = 0 }

/* ---- where it was seen ---- */

/* What a service shows says something of the scripts that have started it. */
#ifdef M_OTHERS_SERVICE
#define IS_OF_THESE 1
#else
#define IS_OF_THESE SAME_SCRIPTS
#endif
/* A look that said `started`, with nothing running beside it. */
inline note_sight() {
    if
    :: POPULATED && IS_OF_THESE ->
        proved = proved && IS_INSIDE;
        sight = INSIDE; sight_digest = digest; sight_of_epoch = 1
    :: !POPULATED -> proved = 0; sight = OUTSIDE; sight_of_epoch = 1
    :: else
    fi;
    unseen = 0
}
inline note_start() {
    due = 1; begun = 0; unseen = 1;
#ifndef M_OTHERS_INSIDE         /* what is known of these scripts speaks for what others have started */
    if :: !SAME_SCRIPTS -> sight = UNSEEN; sight_digest = digest; sight_of_epoch = 0; proved = 0 :: else fi
#else
    skip
#endif
}
inline see() {
    open && !back && fence == NO_FENCE && UP &&
    (unseen || !SAME_SCRIPTS || !sight_of_epoch || IS_INSIDE != POPULATED) ->
    note_sight(); printf("status says started: %e\n", sight)
}
#ifndef M_REACH_UNSEEN
inline commit_reach() {
    open && SAME_SCRIPTS && sight_of_epoch && (sight == OUTSIDE || IS_INSIDE) &&
    (pinned != sight || pinned_digest != digest || pinned_proved != proved) ->
    pinned = sight; pinned_digest = digest; pinned_proved = proved; printf("Reach(%e) commits\n", sight)
}
#endif

/* ---- an epoch ---- */

inline begin_epoch(adopt) {
    open = 1; epochs++; held = 0; adopting = adopt; granted_here = 1;
    confirmed = 0; confirmed_here = 0;
    said[0] = 0; said[1] = 0; back = 0; answer = 0; failed = 0; knows_held = 0; lease = 0;
    sight_of_epoch = adopt && sight_of_epoch;
    pinned_digest = digest; pinned_proved = 0
}
inline grant_a() {
    !open && !b_serves && !UP && epochs < EPOCHS && fence == NO_FENCE ->
    begin_epoch(0);
#ifdef M_ANY_DIGEST             /* what was seen with other scripts counts too */
    if :: sight == INSIDE -> pinned = INSIDE; pinned_proved = proved :: else -> pinned = OUTSIDE fi;
#else
    if :: IS_INSIDE -> pinned = INSIDE; pinned_proved = proved :: else -> pinned = OUTSIDE fi;
#endif
    printf("A is granted, pinned %e\n", pinned)
}
#ifdef ADOPT
/* Somebody has started it: the site sees that, and it is granted to be adopted. */
inline adopt_a() {
    !open && !b_serves && !UP && epochs < EPOCHS && fence == NO_FENCE && CAN_FAIL ->
    faults++;
    up_out = 1; due = 0; begun = 0;
#ifndef M_ADOPTED_UNSEEN
    note_sight();
#endif
    begin_epoch(1);
    pinned = OUTSIDE;
    printf("somebody starts it outside, A is granted, to adopt\n")
}
inline commit_adopted() { open && adopting && lease -> adopting = 0; printf("Adopted commits\n") }
#endif
inline confirm() {
    open && !held && !lease && !confirmed && !back && !failed && fence == NO_FENCE ->
    lease = 1; confirmed = 1; confirmed_here = 1; printf("its first renewal is confirmed\n")
}
#ifdef M_START_UNPINNED         /* scripts that changed since the grant are started all the same */
#define MAY_START 1
#else
#define MAY_START (pinned == OUTSIDE || pinned_digest == digest)
#endif
inline start(later) {
    open && lease && !back && !adopting && !UP && !coming_in && !coming_out && fence == NO_FENCE &&
    MAY_START ->
    note_start();
    if
    :: is_outside[digest] ->
#ifdef SHAM
        up_out = !later; sham = 1; /* or half the start was done, and no more will be */
#else
        coming_out = later; up_out = !later;
#endif
    :: else -> coming_in = later; up_in = !later
    fi;
    look_at_both();
    printf("it is started%d\n", later)
}
inline come() {
    coming_in || coming_out ->
    if :: coming_in -> up_in = 1 :: else -> up_out = 1 fi;
    coming_in = 0; coming_out = 0; printf("it comes up\n");
    look_at_both()
}
inline lapse() {
    lease -> lease = 0; kill_inside(); printf("the lease ends, all inside is killed\n");
    if :: fence == NO_FENCE && !back -> fence = SCRIPT; fence_knew = knows_held :: else fi
}

/* ---- fence ---- */

/* By order (a stop that failed, a move), and again while one has failed. */
inline begin_fence() {
    open && fence == NO_FENCE && (confirmed || adopting) && (!back || (knows_held && !answer)) ->
    fence = SCRIPT; fence_knew = knows_held; printf("a fence begins\n")
}
inline run_script(well, effect) {
    fence == SCRIPT ->
    fence = CHECK; begun = 1;
    if :: well -> due = 0; coming_out = 0 :: else fi;
    if :: effect -> up_in = 0; up_out = 0; coming_in = 0 :: else fi;
    printf("the fence script ends: well %d, with effect %d\n", well, effect)
}
inline spare_script() { fence == SCRIPT -> fence = CHECK; printf("the fence has no script to run\n") }
/* Of what is outside a look says something once a script has ended with 0. */
#ifdef M_SCRIPT_DUE
#define LOOKS_COUNT 1
#else
#define LOOKS_COUNT (IS_INSIDE || !due)
#endif
#ifdef M_LEFT
#define LEFT 0
#else
#define LEFT coming_in          /* what a start has left in reach, and was not killed */
#endif
inline succeed() {
    fence = NO_FENCE; lease = 0;
    if :: back -> answer = answer || fence_knew :: else -> back = 1; answer = fence_knew fi;
    printf("an end was seen: given back, answer %d\n", answer)
}
inline fail() { fence = NO_FENCE; failed = 1; lease = 0; printf("the fence has failed\n") }
inline check_stopped() {
    fence == CHECK && !UP && LOOKS_COUNT && !LEFT -> printf("status says stopped\n"); succeed()
}
inline go_on_to_kill() { fence == CHECK -> fence = KILLED; kill_inside(); printf("all inside is killed\n") }
#ifdef M_UNKNOWN_IS_STOPPED
#define UNKNOWN_IS_END 1
#elif defined(M_PROVED_ANYWHERE)        /* a proof with other scripts */
#define UNKNOWN_IS_END proved
#else
#define UNKNOWN_IS_END (IS_INSIDE && proved)
#endif
#ifdef M_PROOF_AFTER_SCRIPT
#define KILL_ALONE 1
#else
#define KILL_ALONE (!begun)
#endif
#ifdef M_PROOF_UNSEEN           /* whatever was seen since it was started */
#define WAS_SEEN 1
#else
#define WAS_SEEN (!unseen && sight_of_epoch)
#endif
inline recheck() {
    fence == KILLED ->
    if
    :: UP -> note_sight(); printf("status says started: %e\n", sight); fail()
    :: else ->
        if :: KILL_ALONE && WAS_SEEN && IS_INSIDE -> proved = 1; printf("the kill alone has ended it: proved\n")
           :: else fi;
        printf("status says stopped\n");
        if :: LOOKS_COUNT || UNKNOWN_IS_END -> succeed() :: else -> fail() fi
    fi
}
inline recheck_unknown() {
    fence == KILLED ->
    printf("status says nothing\n");
    if
    :: UNKNOWN_IS_END ->
#ifdef REACH_UNKNOWN
        MUST(UNREACHED, false);
#endif
        succeed()
    :: else -> fail()
    fi
}

/* ---- how it ends ---- */

inline commit_failed() {
    open && failed && !held -> held = 1; printf("FenceFailed commits\n")
}
/* Somebody starts it after it was given back, and its site sees that, and says so in time. */
inline by_hand() {
    open && back && !held && !UP && CAN_FAIL ->
    faults++;
    up_out = 1; held = 1; note_sight(); printf("somebody starts it outside, FenceFailed commits\n")
}
/* Somebody ends it and starts it again outside, within the epoch; its site sees that, and says so. */
inline move_by_hand() {
    open && up_in && !back && fence == NO_FENCE && CAN_FAIL ->
    faults++;
    up_in = 0; up_out = 1; note_sight();
#ifndef M_REACH_UNSEEN
    pinned = OUTSIDE; pinned_digest = digest; pinned_proved = 0;
#endif
    printf("somebody starts it outside instead, and the site sees that\n")
}
inline learn_held() {
    open && held && !knows_held ->
    knows_held = 1; printf("A hears that it is held\n");
#ifdef M_ANSWER_UNFENCED        /* what was seen before answers it */
    answer = back
#else
    skip
#endif
}
inline say() {
    open && back && !said[answer] -> said[answer] = 1; printf("Released is heard, answer %d\n", answer)
}
inline end_epoch() { open = 0; held = 0; lease = 0 }
#ifdef M_HELD_ANSWERED          /* whenever it was given back */
#define ANSWERS(which) 1
#else
#define ANSWERS(which) (!held || which)
#endif
inline released(which) {
    open && said[which] && ANSWERS(which) ->
#ifdef REACH_ANSWER
    MUST(UNREACHED, !held);
#endif
    end_epoch(); printf("Released commits\n")
}
#ifdef M_NEVER_STARTED_YOUNG    /* what this leader has not confirmed itself never was */
#define NEVER_STARTED (!confirmed_here)
#else
#define NEVER_STARTED (granted_here && !confirmed_here)
#endif
#ifdef M_OUTSIDE_EXPIRES
#define TIME_ENDS 1
#elif defined(M_INSIDE_EXPIRES)         /* what was seen inside, be it a helper alone */
#define TIME_ENDS (pinned == INSIDE || NEVER_STARTED)
#else
#define TIME_ENDS ((pinned == INSIDE && pinned_proved) || NEVER_STARTED)
#endif
#ifdef M_HELD
#define NOT_HELD 1
#else
#define NOT_HELD (!held)
#endif
inline expired() {
    open && NOT_HELD && !lease && !adopting && TIME_ENDS ->
#ifdef REACH_EXPIRED
    MUST(UNREACHED, !confirmed);
#endif
    end_epoch(); printf("Expired commits\n")
}
/* A person says that it is off, and it is. */
inline forced() {
    open && held && !UP && !coming_in && !coming_out -> end_epoch(); printf("Forced commits\n")
}
inline grant_b() {
    !open && !b_serves && fence == NO_FENCE ->
    b_serves = 1; printf("B is granted and serves\n");
    look_at_both()
}
inline b_ends() { b_serves && epochs < EPOCHS -> b_serves = 0; printf("B has ended\n") }

/* ---- what happens ---- */

inline elect() { granted_here || confirmed_here ->
    granted_here = 0; confirmed_here = 0; said[0] = 0; said[1] = 0; printf("another leader\n") }
inline reload() { fence == NO_FENCE && CAN_FAIL -> faults++; digest = !digest; printf("A has other scripts\n") }
/* Nothing in a cgroup outlives it, nor what was mirrored. */
inline reboot() {
    open && CAN_FAIL ->
    faults++;
    kill_inside(); lease = 0; begun = 1; unseen = 1;
#ifdef M_REBOOT_FORGETS
    due = 0;
#else
    due = 1;
#endif
    if :: confirmed && !back -> fence = SCRIPT; fence_knew = 0 :: else -> fence = NO_FENCE fi;
    knows_held = 0;
    printf("A's machine boots\n")
}

active proctype world()
{
    if :: is_outside[0] = 1 :: skip fi;
    if :: is_outside[1] = 1 :: skip fi;
end:
    do
    :: d_step { see() }
#ifndef M_REACH_UNSEEN
    :: d_step { commit_reach() }
#endif
    :: d_step { grant_a() }
#ifdef ADOPT
    :: d_step { adopt_a() } :: d_step { commit_adopted() }
#endif
    :: d_step { confirm() }
    :: d_step { start(0) } :: d_step { start(1) } :: d_step { come() }
    :: d_step { lapse() }
    :: d_step { begin_fence() }
    :: d_step { run_script(0, 0) } :: d_step { run_script(0, 1) }
    :: d_step { run_script(1, 0) } :: d_step { run_script(1, 1) }
    :: d_step { spare_script() }
    :: d_step { check_stopped() } :: d_step { go_on_to_kill() }
    :: d_step { recheck() } :: d_step { recheck_unknown() }
    :: d_step { commit_failed() } :: d_step { learn_held() }
    :: d_step { by_hand() } :: d_step { move_by_hand() }
    :: d_step { say() } :: d_step { released(0) } :: d_step { released(1) }
    :: d_step { expired() }
    :: d_step { forced() }
    :: d_step { grant_b() } :: d_step { b_ends() }
    :: d_step { elect() } :: d_step { reload() } :: d_step { reboot() }
    od
}
