/* site.pml - inside one site: agent, guard, the child that runs a script, the service.
 * Design 3.2.4, 3.4, 3.5, 3.7. README.md says which function carries each rule, and the limits.
 *
 * The quorum and all other sites are abstract: what lease.pml shows (barrier, drift, leaders) is
 * taken as given, a renewal is received and confirmed in one step, and B, which stands for every
 * other site, starts the moment it may.
 *
 * Time      One tick for everybody: agent and guard share a kernel. Deadlines are what is left. The
 *           fence window is the last tick, deadline <= F. A live process that is not frozen acts
 *           before the next tick; one that is dead or frozen does not.
 * Agent     Dead is frozen until it restarts and has lost what is not on disk.
 * Guard     ABLE, FROZEN or DEAD; only death breaks the socket. What it arms is in its mirror at
 *           once, and so is its child. The child outlives the guard, the service outlives both.
 * Socket    One slot for each kind of message and no order among kinds. What the agent wrote can
 *           still be read after the agent died; what the guard wrote is lost with the agent. The
 *           death of the guard loses both.
 * Assumed   "Guard or agent is able in the last tick before D" (3.8): a tick that carries a service
 *           past D with both unable is not taken.
 *
 * M_* leaves out one rule (each must fail, or is on the page as one that I1 can do without), X_*
 * steps outside what is assumed (3.8), the other names add a part of the world. */

#ifndef TTL
#define TTL 2
#endif
#define F 1
#define WAIT TTL                /* no drift here */
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef FAULTS
#define FAULTS 3
#endif
#define FRESH 1                 /* a report counts for so many ticks */
#define A 0
#define B 1
#define NONE 2
#define ABLE 0
#define FROZEN 1
#define DEAD 2
#define START 1
#define STOP 2
#define BIT(e) (1 << (e))

mtype = { ONE_SERVES, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- quorum and the other sites ---- */
byte epoch = 1, holder = A;
byte waited;                    /* since the receipt of the last confirmed renewal */
bit  holder_instance;
byte granted_to_a = 2;          /* a bit per epoch; its order can arrive at any time */
bit  released;                  /* Released(epoch) of the holder's instance was sent */
bit  held;                      /* FenceFailed has committed */
bit  b_serves;
byte fence_fault;               /* 1: a fence failed, 2: and that has committed (FENCE_CAN_FAIL) */
byte fresh;                     /* A's report `started` counts for so long (FENCE_CAN_FAIL) */
bit  linked = 1;                /* A reaches the witnesses (FENCE_CAN_FAIL) */
byte ack_epoch, ack_left;       /* a confirmation on its way, kept until it is worthless */
bit  ack_old;                   /*   of a session before the agent's */
/* ---- agent, on disk ---- */
byte accepted = 1;
bit  given_back, older_boot, instance;
/* ---- agent, in memory ---- */
bit  a_unable;                  /* frozen or dead */
bit  greeted;                   /* hello is done and the guard is not lost */
bit  end_known;                 /* this process knows a deadline of its own */
byte acked_left;                /* the end that the guard has acknowledged */
byte sent_left;                 /* the latest end that was sent in an arm */
bit  begun_read, ok_read;       /* fence_begun, fence_ended(ok) of this epoch */
bit  own_fence_done;
#ifdef M_ANY_SESSION
byte newest_request;            /* what is left of the newest renewal of this session */
#endif
/* ---- socket: to the guard, to the agent ---- */
byte arm_epoch, arm_left, start_epoch, stop_epoch, end_epoch;
bit  armed_unread, begun_unread, ok_unread;
byte ended_unread;
/* ---- guard ---- */
byte g_state;
bit  armed;                     /* mirrored */
byte deadline;                  /* mirrored */
bit  armed_instance;            /* on disk */
byte seen, ended;               /* on disk */
bit  fencing, fence_ended;
byte to_start;                  /* a start that was judged and not executed yet */
/* ---- child and service ---- */
byte child;
bit  child_mirrored;
bit  serves;
byte faults;
#ifdef M_MIRROR_LATE
bit  child_unknown;             /* to the guard */
#define KNOWN_CHILD (child && !child_unknown)
#else
#define KNOWN_CHILD child
#endif
#ifdef M_STOP_ON_EXIT
bit  stop_exited;
#endif
#ifdef LOOKS
byte look;                      /* a status script: 0 none, 1 begun, or what it saw */
#define SAW_STOPPED 2
#define SAW_STARTED 3
bit  overlapped;                /* a start was under way at some time of it */
bit  stop_seen = 1;             /* mirrored */
#endif
#ifdef SECOND_SESSION
byte second_left, second_epoch = 1;     /* of the same instance, from a copied state */
#endif

#define A_ABLE (!a_unable)
#define MAY_FAIL (faults < FAULTS && fence_fault != 1)
#define OPEN (accepted && !given_back)

/* ---- which deadline the agent goes by (3.4) ---- */
#ifdef M_ACKED_END              /* the latest end acknowledged, not the latest sent (H9) */
#define OWN_END acked_left
#else
#define OWN_END sent_left
#endif
#ifdef M_NO_MIRROR_READ         /* H10 */
#define END_KNOWN end_known
#define END_LEFT OWN_END
#else
#define END_KNOWN (end_known || armed)
#define END_LEFT (end_known -> OWN_END : deadline)
#endif
/* ---- when it fences by itself (H6) ---- */
#ifdef M_NO_OWN_FENCE
#define SUSPECTS 0
#elif defined(M_FENCE_IF_LOST)  /* only on the end of the socket, or on an arm unanswered */
#define SUSPECTS (!greeted || arm_left)
#else
#define SUSPECTS 1
#endif
#ifdef M_NEWBORN_BLIND          /* an instance without an epoch looks into no mirror */
#define MINDS_DEADLINE OPEN
#else
#define MINDS_DEADLINE (!given_back)
#endif
#define OWN_FENCE_DUE (!fence_fault && A_ABLE && MINDS_DEADLINE && !own_fence_done && !ok_read && \
                       SUSPECTS && END_KNOWN && END_LEFT <= F)
#define SOMETHING_RUNS (serves || child == START || to_start || start_epoch)
#define FENCE_DUE (g_state == ABLE && armed && deadline <= F && !fencing)
#define FENCE_RUNS (g_state == ABLE && fencing && !fence_ended)
#define PAST_D_SOON (g_state != ABLE && armed && deadline <= F && (serves || child == START))
#ifdef X_BOTH_DEAD
#define NOT_ASSUMED 0
#elif defined(SECOND_SESSION)   /* with two sessions the guard alone must be on time */
#define NOT_ASSUMED PAST_D_SOON
#elif defined(BOOT_STARTS)      /* the daemons are up again within the old lease */
#define NOT_ASSUMED ((a_unable && PAST_D_SOON) || (serves && !armed && g_state == DEAD))
#else
#define NOT_ASSUMED (a_unable && PAST_D_SOON)
#endif

inline begin_serving() {
    MUST(ONE_SERVES, !b_serves);
#ifdef REACH_A
    MUST(UNREACHED, accepted < REACH_A);
#endif
    serves = 1; printf("the service at A starts in epoch %d\n", accepted)
}

/* ---- agent: renewing, arming, asking ---- */

#ifdef M_RENEW_WITHOUT_GUARD
#define HAS_GUARD 1
#else
#define HAS_GUARD greeted
#endif
#ifdef M_RENEW_FENCED
#define NOT_FENCED 1
#else
#define NOT_FENCED (!begun_read && !own_fence_done)
#endif
#ifdef M_RENEW_OLDER_BOOT
#define THIS_BOOT 1
#else
#define THIS_BOOT (!older_boot)
#endif
#ifdef M_ANY_INSTANCE
#define IS_HOLDER 1
#else
#define IS_HOLDER (instance == holder_instance)
#endif
#define RENEWS (A_ABLE && OPEN && THIS_BOOT && HAS_GUARD && NOT_FENCED)

inline confirm() {
    RENEWS && holder == A && epoch == accepted && IS_HOLDER && !held &&
    (waited || ack_old || !ack_epoch || ack_left < TTL) ->
    waited = 0; ack_epoch = accepted; ack_left = TTL; ack_old = 0;
    printf("A's renewal of epoch %d is confirmed\n", accepted)
}
#ifdef M_ANY_SESSION
inline lost_request() { RENEWS && newest_request < TTL -> newest_request = TTL; printf("A sends a renewal that gets lost\n") }
#define HEARD_LEFT (ack_old -> newest_request : ack_left)
#else
#define HEARD_LEFT (ack_old -> 0 : ack_left)
#endif
inline hear_confirmed() {
    A_ABLE && greeted && ack_epoch == accepted && !given_back && !arm_left && !armed_unread &&
    !begun_read && !own_fence_done && HEARD_LEFT > acked_left ->
    arm_left = HEARD_LEFT; arm_epoch = accepted; end_known = 1;
    if :: arm_left > sent_left -> sent_left = arm_left :: else fi;
#ifdef M_RUN_BEFORE_ARMED
    start_epoch = accepted;
#endif
    printf("A hears it and sends arm(%d), %d ticks\n", accepted, arm_left)
}
inline hear_armed() {
    A_ABLE && greeted && armed_unread -> armed_unread = 0;
    if
    :: armed && seen == accepted ->
        acked_left = deadline; end_known = 1;
        if :: deadline > sent_left -> sent_left = deadline :: else fi
    :: else
    fi;
    printf("the agent reads armed\n")
}
inline ask_start() {
    A_ABLE && greeted && OPEN && acked_left && !begun_read && !own_fence_done && !start_epoch && !serves && child == 0 && !to_start ->
    start_epoch = accepted; printf("the agent asks for start(%d)\n", accepted)
}
inline ask_stop() {
    A_ABLE && greeted && OPEN && !stop_epoch && !end_epoch ->
    stop_epoch = accepted; printf("the agent asks for stop(%d)\n", accepted)
}
inline ask_end() {
    A_ABLE && greeted && OPEN && !end_epoch && !ended_unread ->
    end_epoch = accepted; printf("the agent asks for end(%d)\n", accepted)
}

/* ---- agent: giving back (3.5) ---- */

inline give_back() {
    given_back = 1;
    if :: accepted == epoch && holder == A && IS_HOLDER -> released = 1 :: else fi;
    printf("A gives epoch %d back\n", accepted)
}
inline hear_ended() {
    A_ABLE && greeted && ended_unread ->
    if :: ended_unread == accepted && !given_back -> give_back() :: else fi;
    ended_unread = 0
}
inline repeat_released() { A_ABLE && given_back && accepted == epoch && holder == A && IS_HOLDER && !released -> released = 1 }
inline hear_begun() { A_ABLE && greeted && begun_unread -> begun_unread = 0; begun_read = 1; printf("the agent reads fence_begun\n") }
inline hear_ok() { A_ABLE && greeted && ok_unread -> ok_unread = 0; begun_read = 1; ok_read = 1; printf("the agent reads fence_ended(ok)\n") }
#ifdef M_GIVE_BACK_FENCED       /* once it has fenced, D or not */
#define AFTER_D 1
#else
#define AFTER_D (END_KNOWN && END_LEFT == 0)
#endif
inline give_back_alone() {      /* without its guard, after D */
    A_ABLE && !greeted && OPEN && (own_fence_done || ok_read) && AFTER_D -> give_back()
#ifdef REACH_GIVE_BACK
    ; MUST(UNREACHED, false)
#endif
}
inline fence_alone() {
    OWN_FENCE_DUE ->
#ifndef M_CHILD_SPARED
    child = 0; child_mirrored = 0;
#endif
    serves = 0; own_fence_done = 1; printf("the agent fences by itself\n")
#ifdef REACH_OWN_FENCE
    ; MUST(UNREACHED, false)
#endif
}
#ifdef M_GIVE_BACK_UNASKED      /* guard there, but its ended(e) not asked for */
inline give_back_unasked() { A_ABLE && OPEN && !serves && child == 0 -> give_back() }
#endif
#ifdef M_GIVE_BACK_AT_ONCE      /* fences the moment it lost its guard, and gives back */
inline give_back_at_once() { A_ABLE && (!greeted || arm_left) && OPEN -> serves = 0; child = 0; child_mirrored = 0; give_back() }
#endif

/* ---- agent: its guard, its life ---- */

inline void_unread() { armed_unread = 0; begun_unread = 0; ok_unread = 0; ended_unread = 0 }
inline lose_guard() { greeted && arm_left && A_ABLE -> greeted = 0; void_unread(); printf("the arm is unanswered: the guard counts as lost\n") }
inline greet() {
    A_ABLE && !greeted && g_state == ABLE ->
    greeted = 1; void_unread();         /* H12 */
#ifndef M_OLD_CONNECTION                /* it is closed unread */
    arm_epoch = 0; arm_left = 0; start_epoch = 0; stop_epoch = 0; end_epoch = 0;
#endif
    acked_left = 0; ok_read = 0;
    if
    :: armed && seen == accepted && instance == armed_instance ->
        begun_read = fencing; end_known = 1;
        if
        :: !fencing -> acked_left = deadline; if :: sent_left < deadline -> sent_left = deadline :: else fi
        :: else
        fi
    :: else -> begun_read = 0
    fi;
    printf("hello between agent and guard\n")
}
inline forget_memory() {
    acked_left = 0; sent_left = 0; end_known = 0; greeted = 0;
    begun_read = 0; ok_read = 0; own_fence_done = 0;
    void_unread();
    if :: ack_epoch -> ack_old = 1 :: else fi
#ifdef M_ANY_SESSION
    ; newest_request = 0
#endif
}
inline lose_socket() {
    arm_epoch = 0; arm_left = 0; start_epoch = 0; stop_epoch = 0; end_epoch = 0; void_unread(); greeted = 0
}
inline agent_freezes()  { !a_unable && MAY_FAIL -> faults++; a_unable = 1; printf("the agent freezes or dies\n") }
inline agent_thaws()    { a_unable -> a_unable = 0; printf("the agent thaws\n") }
inline agent_restarts() {
    a_unable || MAY_FAIL ->
    if :: !a_unable -> faults++ :: else fi;
    a_unable = 0; forget_memory(); printf("the agent restarts\n")
}
#ifdef NEW_INSTANCE
inline agent_loses_state() {
    !instance && MAY_FAIL ->
    faults++; forget_memory(); a_unable = 0; instance = 1; older_boot = 0; given_back = 0;
#ifdef M_ANY_INSTANCE
    accepted = (holder == A -> epoch : 0);
#else
    accepted = 0;
#endif
    printf("the agent lost its state: a new instance\n")
}
#endif
/* A late order counts only while its epoch is current. Events carry their epoch (H12). */
inline accept(e) {
    A_ABLE && (granted_to_a & BIT(e)) && e == epoch && e > accepted && instance == holder_instance ->
    accepted = e; given_back = 0; older_boot = 0; begun_read = 0; ok_read = 0; own_fence_done = 0;
    acked_left = 0; sent_left = 0; end_known = 0; void_unread();
    printf("A accepts epoch %d\n", e)
}

/* ---- guard: its rules (3.4) ---- */

#ifdef M_ARM_IN_WINDOW          /* refused only once the fence began (H8) */
#define BEFORE_WINDOW 1
#else
#define BEFORE_WINDOW (!armed || deadline > F)
#endif
#ifdef M_GUARD_ANY_INSTANCE
#define IS_ARMER(i) 1
#else
#define IS_ARMER(i) (i == armed_instance)
#endif
#ifdef M_ARM_FENCING
#define MAY_ARM_AGAIN 1
#define ARM_ENDS_FENCE 1
#else
#define MAY_ARM_AGAIN (!fencing)
#define ARM_ENDS_FENCE 0
#endif
inline arm(e, left, i) {
    if
    :: e <= ended || e < seen || left == 0 -> skip
    :: else ->
        if
        :: e == seen && armed && !(IS_ARMER(i) && MAY_ARM_AGAIN && BEFORE_WINDOW && left >= deadline) -> skip
        :: e == seen && !armed && fencing -> skip
        :: e > seen && armed && deadline > F -> skip
        :: e > seen && (KNOWN_CHILD || to_start || (fencing && !fence_ended)) -> skip
        :: else ->
            if :: e > seen || ARM_ENDS_FENCE -> fencing = 0; fence_ended = 0 :: else fi;
            seen = e; armed = 1; deadline = left; armed_instance = i; armed_unread = 1;
            printf("the guard arms epoch %d, %d ticks\n", e, left)
        fi
    fi
}
inline on_arm() {
    g_state == ABLE && arm_left -> arm(arm_epoch, arm_left, instance);
    if :: !greeted -> armed_unread = 0 :: else fi;
    arm_epoch = 0; arm_left = 0
}
inline on_start() {
    g_state == ABLE && start_epoch && !child && !to_start ->
    if
    :: start_epoch > ended && start_epoch == seen && armed && deadline && !fencing ->
        to_start = start_epoch; printf("the guard is about to start epoch %d\n", start_epoch)
    :: else
    fi;
    start_epoch = 0
}
/* The child re-reads the clocks before exec, and compares with D - F like the fence (H7). */
#ifdef M_NO_CHECK_AT_EXEC
#define IN_TIME 1
#elif defined(M_EXEC_UNTIL_D)
#define IN_TIME (armed && deadline > 0)
#else
#define IN_TIME (armed && deadline > F)
#endif
inline exec_start() {
    g_state == ABLE && to_start && !child ->
    if
    :: IN_TIME && !fencing ->
        child = START; printf("the child executes the start script\n");
#ifdef M_MIRROR_LATE            /* the go-ahead is not behind the mirror (H11) */
        child_mirrored = 0; child_unknown = 0
#else
        child_mirrored = 1
#endif
#ifdef LOOKS
        ; stop_seen = 0
#ifndef M_LOOK_BEFORE_START
        ; overlapped = 1
#endif
#endif
    :: else
    fi;
    to_start = 0
}
#ifdef M_MIRROR_LATE
inline mirror_child() { g_state == ABLE && child && !child_mirrored && !child_unknown -> child_mirrored = 1 }
#endif
inline child_starts()  { child == START && !serves -> begin_serving() }
inline start_ends()    { child == START -> child = 0; child_mirrored = 0; printf("the start script ends\n") }
inline on_stop() {
    g_state == ABLE && stop_epoch && !child && !to_start && seen == stop_epoch && !fencing ->
    child = STOP; child_mirrored = 1; stop_epoch = 0; printf("the stop script runs\n")
}
inline refuse_stop() { g_state == ABLE && stop_epoch && (seen != stop_epoch || fencing) -> stop_epoch = 0 }
inline stop_ends() {
    child == STOP -> child = 0; child_mirrored = 0; serves = 0; printf("the stop succeeds\n")
#ifdef M_STOP_ON_EXIT
    ; stop_exited = 1
#endif
#ifdef LOOKS
    ; if :: g_state == ABLE -> stop_seen = 1 :: else fi
#endif
}
inline stop_fails() {           /* or does not stop everything: the fence at once (3.5) */
    child == STOP && serves -> child = 0; child_mirrored = 0; printf("the stop fails\n");
#ifdef M_STOP_ON_EXIT
    stop_exited = 1
#else
    if :: g_state == ABLE -> fencing = 1; fence_ended = 0; begun_unread = (greeted && seen == accepted) :: else fi
#endif
}
inline begin_fence() {
    FENCE_DUE ->
    fencing = 1; fence_ended = 0; to_start = 0; begun_unread = (greeted && seen == accepted);
#ifndef M_CHILD_SPARED
    child = 0; child_mirrored = 0;
#endif
#ifdef LOOKS
    look = 0;
#endif
    printf("the guard begins the fence\n")
}
inline end_fence() {
    FENCE_RUNS && fence_fault != 1 ->
    serves = 0; fence_ended = 1; ok_unread = (greeted && seen == accepted); to_start = 0;
#ifndef M_CHILD_SPARED
    child = 0; child_mirrored = 0;
#endif
#ifdef LOOKS
    stop_seen = 1;
#endif
    printf("the guard's fence succeeds\n")
}

#ifdef FENCE_CAN_FAIL           /* while the site can still say so */
inline fence_fails() {
    FENCE_RUNS && serves && !fence_fault && A_ABLE && greeted && linked && epoch == seen && holder == A ->
    fence_fault = 1; fence_ended = 1; printf("the guard's fence fails\n")
}
inline commit_fence_failed() {
    fence_fault == 1 && holder == A -> fence_fault = 2; printf("FenceFailed(%d) commits\n", epoch)
#ifndef M_NOT_HELD
    ; held = 1
#endif
}
inline commit_fenced() { held -> boot(); serves = 0; held = 0; fence_fault = 0; holder = NONE; holder_instance = instance; printf("Fenced(%d) commits\n", epoch) }
inline link_goes()  { linked && MAY_FAIL -> linked = 0; faults++; printf("A is cut off\n") }
inline link_comes() { !linked -> linked = 1; printf("A is reached again\n") }
#endif

#ifdef LOOKS                    /* the observation slot, beside the one for actions */
inline look_begins() {
    g_state == ABLE && !look && !FENCE_RUNS ->
    look = 1; printf("a look begins\n");
#ifdef M_LOOK_BESIDE_START
    overlapped = 0
#else
    overlapped = (child == START || to_start)
#endif
}
inline look_sees() { look == 1 -> look = (serves -> SAW_STARTED : SAW_STOPPED); if :: serves -> printf("it sees started\n") :: else -> printf("it sees stopped\n") fi }
inline look_ends() {
    g_state == ABLE && look > 1 ->
    if
    :: look == SAW_STARTED -> stop_seen = 0
    :: look == SAW_STOPPED && !overlapped && !KNOWN_CHILD && !to_start -> stop_seen = 1
    :: else
    fi;
    look = 0; overlapped = 0; printf("the look has ended\n")
}
#define STOPPED stop_seen
#elif defined(M_STOP_ON_EXIT)
#define STOPPED (stop_exited || !serves)
#else
#define STOPPED (!serves)
#endif
inline on_end() {
    g_state == ABLE && end_epoch ->
    if
    :: end_epoch >= seen && end_epoch > ended && !KNOWN_CHILD && !to_start && STOPPED && IS_ARMER(instance) && !FENCE_RUNS ->
        ended = end_epoch; seen = end_epoch; armed = 0; deadline = 0; fencing = 0; fence_ended = 0;
        ended_unread = (greeted -> end_epoch : 0); printf("the guard answers ended(%d)\n", ended)
    :: end_epoch == ended -> ended_unread = (greeted -> end_epoch : 0)
    :: else
    fi;
    end_epoch = 0
#ifdef M_STOP_ON_EXIT
    ; stop_exited = 0
#endif
}

/* ---- guard: its life ---- */

inline guard_freezes() { g_state == ABLE && MAY_FAIL -> g_state = FROZEN; faults++; printf("the guard freezes\n") }
inline guard_thaws()   { g_state == FROZEN -> g_state = ABLE; printf("the guard thaws\n") }
inline guard_dies() {
    g_state != DEAD && (g_state == FROZEN || MAY_FAIL) ->
    if :: g_state == ABLE -> faults++ :: else fi;
    g_state = DEAD; lose_socket(); to_start = 0; fencing = 0; fence_ended = 0; printf("the guard dies\n")
#ifdef LOOKS
    ; look = 0
#endif
}
inline guard_restarts() {
    g_state == DEAD -> g_state = ABLE; printf("the guard restarts\n");
#if defined(M_NO_MIRROR) || defined(M_DEADLINE_NOT_MIRRORED)
    armed = 0; deadline = 0;
#endif
#ifndef M_NO_MIRROR             /* the child it finds there is ended */
    if :: child_mirrored -> child = 0; child_mirrored = 0 :: else
#ifdef M_MIRROR_LATE
        child_unknown = (child > 0)
#endif
    fi;
#endif
#ifdef M_ENDED_VOLATILE
    ended = 0; seen = (armed -> seen : 0);
#endif
#ifndef M_NO_CHECK_AT_START     /* enforced, and serves without a deadline: fenced */
    if :: serves && !armed -> serves = 0; printf("it fences what serves without a deadline\n") :: else fi
#endif
    skip
}
#ifdef NEW_INSTANCE
inline guard_loses_state() { g_state == DEAD && MAY_FAIL -> faults++; ended = 0; if :: !armed -> seen = 0 :: else fi; printf("the guard lost its state\n") }
#endif
inline boot() {
    forget_memory(); lose_socket(); a_unable = 0; g_state = ABLE; to_start = 0; child = 0; child_mirrored = 0;
    armed = 0; deadline = 0; fencing = 0; fence_ended = 0; older_boot = OPEN
#ifdef LOOKS
    ; look = 0; overlapped = 0; stop_seen = 0
#endif
}
inline reboot() {
    MAY_FAIL -> faults++; boot(); printf("A reboots\n");
#ifdef X_BOOT_STARTS_ANY        /* the system starts the service, then our daemons */
    g_state = DEAD;
    if :: begin_serving() :: serves = 0 fi
#elif defined(BOOT_STARTS)
    g_state = DEAD; serves = (holder == A && waited < WAIT && serves)
#else
    serves = 0
#endif
}

/* ---- quorum and B ---- */

#ifdef M_NO_CONTRADICTION       /* a fresh report `started` does not delay Expired */
#define NO_CONTRADICTION 1
#else
#define NO_CONTRADICTION (!fresh)
#endif
inline commit_expired()  { holder == A && waited >= WAIT && !held && NO_CONTRADICTION -> holder = NONE; fence_fault = 0; printf("Expired(%d) commits\n", epoch) }
inline commit_released() { holder == A && released -> holder = NONE; released = 0; held = 0; fence_fault = 0; printf("Released(%d) commits\n", epoch) }
inline grant_a() { holder == NONE && epoch < EPOCHS -> epoch++; holder = A; granted_to_a = granted_to_a | BIT(epoch); waited = 0; holder_instance = instance; released = 0; printf("Grant(%d, A) commits\n", epoch) }
inline grant_b() { holder == NONE && epoch < EPOCHS -> epoch++; holder = B; released = 0; printf("Grant(%d, B) commits\n", epoch) }
inline b_starts() {
    holder == B && !b_serves ->
    MUST(ONE_SERVES, !serves);
#ifdef REACH_B
    MUST(UNREACHED, false);
#endif
    b_serves = 1; printf("B starts\n")
}
inline b_ends() { holder == B -> b_serves = 0; holder = NONE; printf("B has stopped and its epoch is over\n") }
#ifdef STATE_MOVED              /* the state directory woke up on another machine of site A */
inline moved_gives_back() {
    holder == A && !released && accepted == epoch && !given_back && MAY_FAIL ->
    faults++;
#ifdef M_ANY_MACHINE
    released = 1; printf("a copy of A's state on another machine gives epoch %d back\n", epoch)
#else
    skip                        /* the machine id differs: a new instance */
#endif
}
#endif
#ifdef SECOND_SESSION
inline second_confirmed() { holder == A && epoch == second_epoch && !held && instance == holder_instance && MAY_FAIL -> faults++; waited = 0; second_left = TTL; printf("the second session is confirmed\n") }
inline second_arms() {
    g_state == ABLE && second_left -> arm(second_epoch, second_left, instance); armed_unread = 0;
    if :: armed && seen == second_epoch && !to_start && !child && !fencing -> to_start = second_epoch :: else fi;
    second_left = 0; printf("the second session arms and starts\n")
}
#endif

/* ---- time ---- */

#define COUNT_DOWN(left) if :: left -> left-- :: else fi
inline tick() {
    !(OWN_FENCE_DUE && SOMETHING_RUNS) && !FENCE_DUE && !(FENCE_RUNS && deadline <= F) && !NOT_ASSUMED ->
    printf("---- a tick\n");
    COUNT_DOWN(deadline); COUNT_DOWN(acked_left); COUNT_DOWN(sent_left); COUNT_DOWN(arm_left); COUNT_DOWN(ack_left);
    if :: !ack_left -> ack_epoch = 0; ack_old = 0 :: else fi;
    if :: !arm_left -> arm_epoch = 0 :: else fi;
#ifdef M_ANY_SESSION
    COUNT_DOWN(newest_request);
#endif
#ifdef SECOND_SESSION
    COUNT_DOWN(second_left);
#endif
    if :: waited < WAIT -> waited++ :: else fi;
#ifdef FENCE_CAN_FAIL
    if :: A_ABLE && linked && serves -> fresh = FRESH :: else COUNT_DOWN(fresh) fi;
#endif
    skip
}

active proctype world()
{
    do
    :: d_step { tick() }
    :: d_step { confirm() } :: d_step { hear_confirmed() } :: d_step { hear_armed() }
    :: d_step { ask_start() } :: d_step { ask_stop() } :: d_step { ask_end() }
    :: d_step { hear_ended() } :: d_step { repeat_released() } :: d_step { hear_begun() } :: d_step { hear_ok() }
#ifndef SECOND_SESSION
    :: d_step { give_back_alone() }
#endif
    :: d_step { fence_alone() } :: d_step { lose_guard() } :: d_step { greet() }
    :: d_step { agent_freezes() } :: d_step { agent_thaws() } :: d_step { agent_restarts() }
    :: d_step { accept(2) } :: d_step { accept(3) }
#if EPOCHS > 3
    :: d_step { accept(4) }
#endif
    :: d_step { on_arm() } :: d_step { on_start() } :: d_step { exec_start() }
    :: d_step { on_stop() } :: d_step { refuse_stop() } :: d_step { on_end() }
    :: d_step { child_starts() } :: d_step { start_ends() } :: d_step { stop_ends() } :: d_step { stop_fails() }
    :: d_step { begin_fence() } :: d_step { end_fence() }
    :: d_step { guard_freezes() } :: d_step { guard_thaws() } :: d_step { guard_dies() } :: d_step { guard_restarts() }
    :: d_step { reboot() }
    :: d_step { commit_expired() } :: d_step { commit_released() }
    :: d_step { grant_a() } :: d_step { grant_b() } :: d_step { b_starts() } :: d_step { b_ends() }
#ifdef NEW_INSTANCE
    :: d_step { agent_loses_state() } :: d_step { guard_loses_state() }
#endif
#ifdef LOOKS
    :: d_step { look_begins() } :: d_step { look_sees() } :: d_step { look_ends() }
#endif
#ifdef FENCE_CAN_FAIL
    :: d_step { fence_fails() } :: d_step { commit_fence_failed() } :: d_step { commit_fenced() }
    :: d_step { link_goes() } :: d_step { link_comes() }
#endif
#ifdef STATE_MOVED
    :: d_step { moved_gives_back() }
#endif
#ifdef SECOND_SESSION
    :: d_step { second_confirmed() } :: d_step { second_arms() }
#endif
#ifdef M_ANY_SESSION
    :: d_step { lost_request() }
#endif
#ifdef M_GIVE_BACK_AT_ONCE
    :: d_step { give_back_at_once() }
#endif
#ifdef M_GIVE_BACK_UNASKED
    :: d_step { give_back_unasked() }
#endif
#ifdef M_MIRROR_LATE
    :: d_step { mirror_child() }
#endif
    od
}
