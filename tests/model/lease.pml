/* lease.pml - witnesses and agents: until when a site may serve, and from when the next one may.
 * Design 3.1-3.3, 3.5, 3.6. README.md says which function carries each rule, and the limits.
 *
 * Time      One global tick. Every instant is kept as what is left, or what has passed, on the clock
 *           of whom it belongs to, so the states are finite without a horizon. On one tick in DRIFT
 *           an agent's clock may stand still and the leader's may advance by two: the two directions
 *           that are dangerous.
 * Log       One atomic log. A witness with leads[w] acts as a leader and commits only while it is
 *           the true one. What a deposed leader left behind commits just before the election, or is
 *           lost with it. With WITNESSES 1 the deposed leader is left out: it cannot commit, so all
 *           that is left of it are answers on their way.
 * Network   A request, an answer or an order stays where it is and arrives never, late, or many
 *           times, in any order.
 * Agent     accepted and given_back are on disk. A crash loses the rest and leaves the service
 *           running; a reboot ends the service and begins the clock anew. The guard holds the
 *           deadline and ends the service when nothing of the lease is left.
 *
 * M_* leaves out one rule (each must fail), X_* steps outside what is assumed (3.8). */

#ifndef TTL
#define TTL 2
#endif
#ifndef DRIFT
#define DRIFT 3
#endif
#ifndef WAIT
#ifdef M_NO_DRIFT
#define WAIT TTL
#else
#define WAIT (TTL + 2)          /* TTL*(1+e)/(1-e) in whole ticks (H1) */
#endif
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef SITES
#define SITES 2
#endif
#ifndef WITNESSES
#define WITNESSES 1
#endif
#define NONE SITES
#define BIT(e) (1 << (e))
#define NAME(s) (65 + (s))

/* What must hold; a counterexample is told by the name of what it breaks. */
mtype = { ONE_SERVES, EPOCHS_ONLY_GROW, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- replicated ---- */
byte epoch = 1;
byte holder = 0;                /* a site, or NONE */
bit  closed;                    /* Close(epoch) has committed */
#ifdef MOVES
bit  revoking;                  /* a planned move has begun */
#endif
/* ---- witnesses ---- */
byte leader;
bit  leads[WITNESSES];          /* believes that it leads */
byte waited;                    /* by the leader's clock, since what expiry counts from */
bit  expired_proposed;
byte asked_by[WITNESSES];       /* renewal received, not confirmed yet: site or NONE */
byte asked_epoch[WITNESSES];
byte asked_left[WITNESSES];     /*   of sent + TTL, on the agent's clock */
byte asked_age[WITNESSES];      /*   since its receipt, on the leader's clock */
#if WITNESSES > 1
bit  proved[WITNESSES];         /* it has led at a moment since that receipt */
#define PROVED(w) proved[w]
#define FORGET_PROOF(w) ; proved[w] = 0
#else
#define PROVED(w) 1
#define FORGET_PROOF(w)
#endif
/* ---- network ---- */
byte renew_epoch[SITES], renew_left[SITES];
byte ack_epoch[SITES], ack_left[SITES];
byte granted_to[EPOCHS + 1];    /* the order of an epoch can reach its site at any time, again and again */
byte revoked;                   /* STOP orders that may arrive, a bit per epoch */
bit  released;                  /* Released(epoch) was sent; older ones have no effect */
byte fence_ordered;             /* a bit per epoch */
bit  fence_done;                /* of this epoch; older ones have no effect */
/* ---- sites ---- */
byte accepted[SITES];           /* on disk: the highest epoch accepted */
bit  given_back[SITES];         /* on disk: that epoch was given back */
byte lease_left[SITES];         /* the guard's deadline */
bit  serves[SITES];
#ifdef MOVES
bit  stopping[SITES];
bit  unrevoked;                 /* RUN orders after an Unrevoke that may arrive */
#endif
byte phase;                     /* of the drift */
#ifdef CHECK_EPOCHS
byte highest_started;
#endif

/* ---- what only some mutations need ---- */
#ifdef M_NO_GUARD
bit  frozen[SITES];             /* with a guard, a frozen agent is one that takes no step */
#define ABLE(s) (!frozen[s])
#define GUARDED(s) (!frozen[s])
#define LATE(s) (serves[s] && lease_left[s] == 0 && !frozen[s])
#else
#define LATE(s) 0
#endif
#if defined(X_SITE_PAUSED) || defined(X_HOST_STALLED)
bit  paused[SITES];             /* the whole site stands still */
#define ABLE(s) (!paused[s])
#define SERVES(s) (serves[s] && !paused[s])
#ifdef X_HOST_STALLED
#define GUARDED(s) (!paused[s])
#endif
#else
#define SERVES(s) serves[s]
#endif
#ifndef ABLE
#define ABLE(s) 1
#endif
#ifndef GUARDED
#define GUARDED(s) 1
#endif
#ifdef M_CHECK_THEN_START
bit  start_decided[SITES];
#endif
#if defined(M_NOT_DURABLE) || defined(M_CHECK_THEN_START) || defined(M_NO_GUARD)
#define CRASH_MATTERS           /* elsewhere an agent that crashed has lost nothing */
#endif
#ifdef MOVES
#define STOPPING(s) stopping[s]
#else
#define STOPPING(s) 0
#endif

#if SITES == 2
#define ANOTHER_SERVES(s) SERVES((s + 1) % 2)
#else
#define ANOTHER_SERVES(s) (SERVES((s + 1) % 3) || SERVES((s + 2) % 3))
#endif

inline begin_serving(s) {
    MUST(ONE_SERVES, !ANOTHER_SERVES(s));
#ifdef CHECK_EPOCHS
    MUST(EPOCHS_ONLY_GROW, accepted[s] >= highest_started);
    highest_started = accepted[s];
#endif
#ifdef REACH
    MUST(UNREACHED, accepted[s] != REACH);
#endif
    serves[s] = 1;
    printf("%c starts the service in epoch %d\n", NAME(s), accepted[s])
}

/* ---- agent and guard ---- */

#define OPEN(s) (accepted[s] && !given_back[s])

inline renew(s) {
    ABLE(s) && OPEN(s) && !(renew_epoch[s] == accepted[s] && renew_left[s] == TTL) ->
    renew_epoch[s] = accepted[s]; renew_left[s] = TTL;
    printf("%c sends a renewal of epoch %d\n", NAME(s), accepted[s])
}
/* 3.2.3: the lease ends one TTL after the sending, and only ever moves later. */
inline confirmed(s) {
    ABLE(s) && ack_epoch[s] && ack_epoch[s] == accepted[s] && !given_back[s] &&
    ack_left[s] > lease_left[s] ->
#ifdef M_COUNT_FROM_RECEIPT
    lease_left[s] = TTL; ack_left[s] = 0; ack_epoch[s] = 0;
#else
    lease_left[s] = ack_left[s];
#endif
    printf("%c hears its renewal confirmed: %d ticks of lease\n", NAME(s), lease_left[s])
}
#ifdef M_CHECK_THEN_START
inline decide_start(s) {
    ABLE(s) && lease_left[s] && !serves[s] && !given_back[s] && !start_decided[s] ->
    start_decided[s] = 1; printf("%c decides to start\n", NAME(s))
}
inline start(s) { start_decided[s] && ABLE(s) -> start_decided[s] = 0; begin_serving(s) }
#else
inline start(s) {
    ABLE(s) && lease_left[s] && !serves[s] && !given_back[s] && !STOPPING(s) -> begin_serving(s)
}
#endif
inline service_dies(s) { ABLE(s) && serves[s] -> serves[s] = 0; printf("the service at %c ends\n", NAME(s)) }

/* 3.5: only a grant above what was given back clears it. */
inline accept(s, e) {
    ABLE(s) && e <= epoch && granted_to[e] == s && e > accepted[s] && !serves[s] ->
    accepted[s] = e; given_back[s] = 0; lease_left[s] = 0;
#ifdef MOVES
    stopping[s] = 0;
#endif
    printf("%c accepts epoch %d\n", NAME(s), e)
#ifdef M_START_ON_GRANT
    ; lease_left[s] = TTL; begin_serving(s)
#endif
}
inline give_back(s) {
#ifndef M_STOP_UNSEEN
    serves[s] = 0;
#endif
#ifndef M_NOT_FINAL
    given_back[s] = 1; lease_left[s] = 0;       /* on disk before Released leaves (H2) */
#endif
    if :: accepted[s] == epoch -> released = 1 :: else fi;
    printf("%c has stopped and gives epoch %d back\n", NAME(s), accepted[s])
}
#ifdef MOVES
/* 3.6: a stop that has begun is finished, whatever the leader thinks of it by then. */
inline stop_ordered(s) {
    ABLE(s) && OPEN(s) && !stopping[s] && (revoked & BIT(accepted[s])) ->
    stopping[s] = 1; printf("%c hears STOP of epoch %d and begins to stop\n", NAME(s), accepted[s])
}
/* A start that failed, a service that cannot be kept up: the way a rollback begins. */
inline start_fails(s) {
    ABLE(s) && OPEN(s) && !stopping[s] && lease_left[s] ->
    stopping[s] = 1; printf("%c could not start, and begins to stop\n", NAME(s))
}
inline stop_ends(s) { ABLE(s) && stopping[s] -> stopping[s] = 0; give_back(s) }
#ifdef M_UNREVOKE_REVIVES
inline run_again(s) {
    unrevoked && accepted[s] == epoch && given_back[s] ->
    given_back[s] = 0; printf("%c hears RUN of epoch %d again and takes it up\n", NAME(s), accepted[s])
}
#endif
#endif
#ifdef SWITCHOVER
inline revoked_here(s) { ABLE(s) && OPEN(s) && (revoked & BIT(accepted[s])) -> give_back(s) }
#endif
#ifdef M_NO_GUARD
inline freeze(s) { !frozen[s] -> frozen[s] = 1; printf("the agent of %c freezes\n", NAME(s)) }
inline thaw(s)   { frozen[s] -> frozen[s] = 0; printf("the agent of %c thaws\n", NAME(s)) }
#endif
#if defined(X_SITE_PAUSED) || defined(X_HOST_STALLED)
inline pause(s) { serves[s] && !paused[s] -> paused[s] = 1; printf("%c stands still as a whole\n", NAME(s)) }
inline go_on(s) {                               /* the service runs on before the guard does */
    paused[s] ->
    MUST(ONE_SERVES, !ANOTHER_SERVES(s));
    paused[s] = 0;
    if :: !lease_left[s] -> serves[s] = 0 :: else fi;
    printf("%c goes on\n", NAME(s))
}
#endif
inline crash(s) {
    accepted[s] ->
#ifdef M_NOT_DURABLE
    accepted[s] = 0; given_back[s] = 0;
#endif
#ifdef M_CHECK_THEN_START
    start_decided[s] = 0;
#endif
#ifdef M_NO_GUARD
    frozen[s] = 0;
#endif
    printf("the agent of %c crashes and comes back\n", NAME(s))
}
inline drop_asked(w) { asked_by[w] = NONE; asked_epoch[w] = 0; asked_left[w] = 0; asked_age[w] = 0 FORGET_PROOF(w) }
inline boot(s) {
    serves[s] = 0; lease_left[s] = 0;
#ifdef M_NO_GUARD
    frozen[s] = 0;
#endif
#ifdef M_CHECK_THEN_START
    start_decided[s] = 0;
#endif
#ifdef MOVES
    stopping[s] = 0;
#endif
#ifdef M_SENT_FROM_WIRE
    /* the clock begins at 0 again: what an earlier boot sent lies in the future */
    if :: ack_epoch[s] -> ack_left[s] = TTL :: else fi;
    if :: renew_epoch[s] -> renew_left[s] = TTL :: else fi
#else
    /* an answer finds no sending instant in the table of this session (H4) */
    ack_epoch[s] = 0; ack_left[s] = 0; renew_epoch[s] = 0; renew_left[s] = 0;
    if :: asked_by[0] == s -> drop_asked(0) :: else fi
#if WITNESSES > 1
    ; if :: asked_by[1] == s -> drop_asked(1) :: else fi
#endif
#endif
#ifdef M_NOT_DURABLE
    ; accepted[s] = 0; given_back[s] = 0
#endif
}
inline reboot(s) {
    serves[s] || lease_left[s] || renew_epoch[s] || ack_epoch[s] -> boot(s); printf("%c reboots\n", NAME(s))
}

/* ---- witnesses ---- */

/* 3.3: nothing of an earlier term counts. */
inline elect(w) {
#if WITNESSES > 1
    leader != w ->
#endif
    leader = w; leads[w] = 1; expired_proposed = 0;
    drop_asked(w);
#ifdef M_NEW_LEADER_HASTY
    waited = WAIT;
#else
    waited = 0;
#endif
    printf("witness %d is elected\n", w)
}
inline step_down(w) { leader != w && leads[w] -> leads[w] = 0; drop_asked(w); printf("witness %d steps down\n", w) }
inline receive(w, s) {
    leads[w] && renew_epoch[s] && asked_by[w] == NONE ->
    asked_by[w] = s; asked_epoch[w] = renew_epoch[s]; asked_left[w] = renew_left[s]; asked_age[w] = 0;
    printf("witness %d receives %c's renewal of epoch %d\n", w, NAME(s), renew_epoch[s])
}
inline forget(w) { asked_by[w] != NONE -> drop_asked(w) }

#ifdef M_CONFIRM_AFTER_EXPIRED
#define END_PROPOSED 0
#else
#define END_PROPOSED expired_proposed
#endif
#define CONFIRMABLE(w) \
    (holder == asked_by[w] && epoch == asked_epoch[w] && !closed && !END_PROPOSED)
/* 3.2.2: a question answered after the receipt, or a barrier submitted after it: members.pml has who counts. */
#if WITNESSES > 1
#ifdef M_ANSWERED_BEFORE
#define WAITS(w) 1
#else
#define WAITS(w) (asked_by[w] != NONE)
#endif
inline prove(w) {
    leader == w && leads[w] && WAITS(w) && !proved[w] && (asked_by[w] == NONE || CONFIRMABLE(w)) ->
    proved[w] = 1; printf("witness %d proves that it leads\n", w)
}
#endif
#ifdef M_NO_PROOF
#define IS_PROVED(w) 1
#else
#define IS_PROVED(w) PROVED(w)
#endif
/* In the state as it knows it: a deposed one has that of when it was, and its own proposals. */
#if WITNESSES > 1
#define REFUSE_ASKED() if :: asked_by[leader] != NONE -> drop_asked(leader) :: else fi
#else
#define REFUSE_ASKED() skip
#endif
inline confirm(w) {
    leads[w] && asked_by[w] != NONE && IS_PROVED(w) && (leader != w || CONFIRMABLE(w)) ->
    if :: leader == w && asked_age[w] < waited -> waited = asked_age[w] :: else fi;
    ack_epoch[asked_by[w]] = asked_epoch[w]; ack_left[asked_by[w]] = asked_left[w];
    printf("witness %d confirms %c's renewal of epoch %d\n", w, NAME(asked_by[w]), asked_epoch[w]);
    drop_asked(w)
}
inline propose_expired() {
    waited >= WAIT && holder != NONE && !expired_proposed ->
    expired_proposed = 1;
#ifndef M_CONFIRM_AFTER_EXPIRED
    REFUSE_ASKED();
#endif
    printf("the leader has waited and proposes Expired(%d)\n", epoch)
}
inline end_epoch() {
    REFUSE_ASKED();
    expired_proposed = 0; closed = 0; holder = NONE
#ifdef MOVES
    ; revoking = 0
#endif
}
inline commit_expired() { expired_proposed -> end_epoch(); printf("Expired(%d) commits\n", epoch) }
inline grant(s) {
    holder == NONE && epoch < EPOCHS ->
    epoch++; holder = s; closed = 0; granted_to[epoch] = s; released = 0; fence_done = 0;
#ifdef MOVES
    unrevoked = 0;
#endif
    printf("Grant(%d, %c) commits\n", epoch, NAME(s))
}
#if defined(SWITCHOVER) || defined(MOVES)
inline commit_released() { holder != NONE && released -> end_epoch(); printf("Released(%d) commits\n", epoch) }
#endif
#ifdef SWITCHOVER
inline revoke() { holder != NONE && !(revoked & BIT(epoch)) -> revoked = revoked | BIT(epoch); printf("Revoke(%d) commits\n", epoch) }
#endif
#ifdef MOVES
inline revoke() {
    holder != NONE && !revoking && !closed ->
    revoking = 1; revoked = revoked | BIT(epoch); printf("Revoke(%d) commits\n", epoch)
}
/* The order of the Revoke may still arrive, or have been obeyed: then Released follows (3.1). */
inline unrevoke() { revoking -> revoking = 0; unrevoked = 1; printf("Unrevoke(%d) commits\n", epoch) }
#ifdef M_MOVE_UNCONFIRMED
inline move_on() { revoking -> end_epoch(); printf("the move goes on without Released(%d)\n", epoch) }
#endif
#endif
#ifdef FENCE
inline order_fence() {
    holder != NONE && !(fence_ordered & BIT(epoch)) ->
#ifndef M_FENCE_BEFORE_CLOSE
    REFUSE_ASKED(); closed = 1;                 /* committed before the fence is ordered (H3) */
#endif
#ifdef MOVES
    revoking = 0;
#endif
    fence_ordered = fence_ordered | BIT(epoch); printf("Close(%d) commits, a fence is ordered\n", epoch)
}
inline fence(s, e) {                            /* acts at the site, any time later */
    e <= epoch && (fence_ordered & BIT(e)) && granted_to[e] == s && (e != epoch || !fence_done) ->
    boot(s);
    if :: e == epoch -> fence_done = 1 :: else fi;
    printf("%c is powered off and on again for epoch %d\n", NAME(s), e)
}
inline commit_fenced() { holder != NONE && fence_done -> end_epoch(); printf("Fenced(%d) commits\n", epoch) }
#endif

/* ---- time ---- */

#define COUNT_DOWN(left) if :: left -> left-- :: else fi
inline asked_gets_old(w, s) {
    if
    :: asked_by[w] == s && asked_left[w] ->
        asked_left[w]--;
        if :: asked_left[w] == 0 -> drop_asked(w) :: else fi
    :: else
    fi
}
inline site_tick(s) {
    if :: renew_left[s] -> renew_left[s]--; if :: !renew_left[s] -> renew_epoch[s] = 0 :: else fi :: else fi;
    if :: ack_left[s] -> ack_left[s]--; if :: !ack_left[s] -> ack_epoch[s] = 0 :: else fi :: else fi;
    asked_gets_old(0, s);
#if WITNESSES > 1
    asked_gets_old(1, s);
#endif
    if
    :: lease_left[s] ->
        lease_left[s]--;
        if
        :: lease_left[s] == 0 && GUARDED(s) ->
            if :: serves[s] -> printf("the guard of %c ends the service\n", NAME(s)) :: else fi;
            serves[s] = 0
        :: else
        fi
    :: else
    fi
}
#ifdef X_SITE_PAUSED
#define CLOCK_RUNS(s) (!paused[s])
#else
#define CLOCK_RUNS(s) 1
#endif
inline leader_tick() {
    if :: waited < WAIT -> waited++ :: else fi;
    if :: asked_by[0] != NONE && asked_age[0] < WAIT -> asked_age[0]++ :: else fi
#if WITNESSES > 1
    ; if :: asked_by[1] != NONE && asked_age[1] < WAIT -> asked_age[1]++ :: else fi
#endif
}
#ifdef M_WALL_CLOCK
inline clock_set_back(s) {
    lease_left[s] || ack_left[s] || renew_left[s] ->
    if :: lease_left[s] && lease_left[s] < TTL -> lease_left[s]++ :: else fi;
    if :: ack_left[s] && ack_left[s] < TTL -> ack_left[s]++ :: else fi;
    if :: renew_left[s] && renew_left[s] < TTL -> renew_left[s]++ :: else fi;
    printf("the clock of %c is set back\n", NAME(s))
}
#endif

#if SITES == 2
#define EACH_SITE(step) :: d_step { step(0) } :: d_step { step(1) }
#define EACH_SITE_AND(step, n) :: d_step { step(0, n) } :: d_step { step(1, n) }
#define FOR_EACH_WITNESS_SITE(step, w) :: d_step { step(w, 0) } :: d_step { step(w, 1) }
#define NOBODY_IS_LATE (!LATE(0) && !LATE(1))
#else
#define EACH_SITE(step) :: d_step { step(0) } :: d_step { step(1) } :: d_step { step(2) }
#define EACH_SITE_AND(step, n) \
    :: d_step { step(0, n) } :: d_step { step(1, n) } :: d_step { step(2, n) }
#define FOR_EACH_WITNESS_SITE(step, w) \
    :: d_step { step(w, 0) } :: d_step { step(w, 1) } :: d_step { step(w, 2) }
#define NOBODY_IS_LATE 1
#endif
#define MAYBE(bit_) if :: bit_ = 0 :: bit_ = 1 fi

active proctype world()
{
    bit slow[SITES], fast;
    atomic {
        accepted[0] = 1; leads[0] = 1; asked_by[0] = NONE;
#if WITNESSES > 1
        asked_by[1] = NONE;
#endif
        skip
    };
    do
    :: atomic { NOBODY_IS_LATE ->
        phase = (phase + 1) % DRIFT;
        if
        :: phase == 0 ->
            MAYBE(slow[0]); MAYBE(slow[1]); MAYBE(fast)
#if SITES > 2
            ; MAYBE(slow[2])
#endif
        :: else
        fi;
        d_step {
            printf("---- a tick\n");
            if :: !slow[0] && CLOCK_RUNS(0) -> site_tick(0) :: else fi;
            if :: !slow[1] && CLOCK_RUNS(1) -> site_tick(1) :: else fi;
#if SITES > 2
            if :: !slow[2] && CLOCK_RUNS(2) -> site_tick(2) :: else fi;
            slow[2] = 0;
#endif
            leader_tick();
            if :: fast -> leader_tick() :: else fi;
            slow[0] = 0; slow[1] = 0; fast = 0
        } }
    EACH_SITE(renew)
    EACH_SITE(confirmed)
#ifdef M_CHECK_THEN_START
    EACH_SITE(decide_start)
#endif
    EACH_SITE(start)
    EACH_SITE(service_dies)
    EACH_SITE_AND(accept, 2)
    EACH_SITE_AND(accept, 3)
#if EPOCHS > 3
    EACH_SITE_AND(accept, 4)
#endif
#ifdef M_NOT_DURABLE
    :: d_step { accept(0, 1) }
#endif
    EACH_SITE(reboot)
#ifdef CRASH_MATTERS
    EACH_SITE(crash)
#endif
#ifdef M_NO_GUARD
    EACH_SITE(freeze)
    EACH_SITE(thaw)
#endif
#if defined(X_SITE_PAUSED) || defined(X_HOST_STALLED)
    EACH_SITE(pause)
    EACH_SITE(go_on)
#endif
#ifdef M_WALL_CLOCK
    EACH_SITE(clock_set_back)
#endif
    :: d_step { elect(0) }
    FOR_EACH_WITNESS_SITE(receive, 0)
    :: d_step { forget(0) }
    :: d_step { confirm(0) }
#if WITNESSES > 1
    :: d_step { elect(1) }
    :: d_step { step_down(0) } :: d_step { step_down(1) }
    FOR_EACH_WITNESS_SITE(receive, 1)
    :: d_step { forget(1) }
    :: d_step { prove(0) } :: d_step { prove(1) }
    :: d_step { confirm(1) }
#endif
    :: d_step { propose_expired() }
    :: d_step { commit_expired() }
    EACH_SITE(grant)
#ifdef SWITCHOVER
    EACH_SITE(revoked_here)
    :: d_step { revoke() }
    :: d_step { commit_released() }
#endif
#ifdef MOVES
    EACH_SITE(stop_ordered)
    EACH_SITE(start_fails)
    EACH_SITE(stop_ends)
    :: d_step { revoke() }
    :: d_step { unrevoke() }
    :: d_step { commit_released() }
#ifdef M_UNREVOKE_REVIVES
    EACH_SITE(run_again)
#endif
#ifdef M_MOVE_UNCONFIRMED
    :: d_step { move_on() }
#endif
#endif
#ifdef FENCE
    :: d_step { order_fence() }
    :: d_step { commit_fenced() }
    :: d_step { fence(0, 1) }
    EACH_SITE_AND(fence, 2)
    EACH_SITE_AND(fence, 3)
#endif
    od
}
