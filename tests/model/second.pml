/* second.pml - a service that outlives the machine of its guard, and the second enforcer that ends it
 * from another machine: when time alone may hand the group over. Design 3.4. README.md says which
 * function carries each rule, and the limits.
 *
 * Site A holds the one epoch; B is granted it as soon as the leader's wait for A's lease is over, if
 * it may be. Guard and agent of A are one machine (agent), its second enforcer another (second). What
 * either ends, it ends through the API of A's cluster, which may answer nobody.
 *
 * Time      One tick. Every instant is what is left, or has passed, on the clock of whom it belongs to.
 *           On one tick in DRIFT the agent's clock and the second's may stand still, each by itself, and
 *           the leader's may advance by two.
 * Log       One atomic log, one leader: who leads next knows the same (`seen`), and waits longer.
 * Network   A question or an answer stays where it is and arrives late or never; a renewal as well, but not
 *           later than its lease would have ended. What a site says
 *           of an end that it cannot see arrives: more has failed at once than is promised for, else.
 * Faults    Agent, second enforcer and API are lost, the second enforcer begins anew; the latter two come back.
 * Assumed   The fence of a second enforcer ends the service where its API answers: it was proved (3.4).
 *           Agent and second enforcer are not lost by one cause: of both, one is lost once what the loss of
 *           the other means was committed, or could have been (design 4). What has no promise: then nobody
 *           ends the service, and nobody knows.
 *
 * M_* leaves out one rule: each must fail. */

#ifndef TTL
#define TTL 2
#endif
#ifndef DRIFT
#define DRIFT 3
#endif
#ifndef FAULTS
#define FAULTS 3
#endif
#define WAIT (TTL + 2)
#define F 1                     /* the fence begins so much before the end */
#define FRESH 1                 /* what is older than that is no word: by the agent's clock, and the leader's */
#define LONG (FRESH + TTL + 3)  /* after so long with one lost, the other may be */
#define NEVER 255

mtype = { ONE_SERVES, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- replicated ---- */
bit  seen = 1;                  /* a second enforcer is committed as seen: time alone ends the epoch */
bit  held;                      /* a fence of A's guard has failed: no time ends it */
bit  over;                      /* Expired has committed, and B serves */
/* ---- the leader ---- */
byte waited;                    /* since it received what it has confirmed last */
bit  told_unended;              /* the site's newest word, still fresh, is not `stopped` */
byte told_age;
/* ---- the agent and its guard ---- */
bit  agent = 1;
byte agent_down;
byte lease = TTL;               /* the guard's deadline */
byte asked_ago;                 /* since the second enforcer asked */
bit  look_said = 1;             /*   and what its newest look was worth */
bit  has_armed;                 /*   it has said that it has a deadline of this epoch */
byte sent = NEVER;              /* a renewal on its way: what will be left of it, by the agent's clock */
bit  sent_seen, sent_armed;
/* ---- the second enforcer ---- */
bit  second = 1;
byte second_down;
byte left;                      /* until its deadline; 0: has none, or it has come */
bit  armed, on_disk;            /* it has one; the epoch is in its file */
bit  begun;                     /* its deadline has come: what serves of this epoch it ends, again and again */
bit  fencing;                   /* and has not seen the end */
byte question = NEVER;          /* on its way, since it left */
/* ---- A's cluster ---- */
bit  serves;
bit  api = 1;
byte phase;
byte faults;
#define FAULT faults < FAULTS -> faults++

/* ---- the agent ---- */

#define SECOND_IS_SEEN (asked_ago <= FRESH && look_said && (has_armed || !serves))

inline send() {
    agent && lease && sent == NEVER ->
    sent = TTL; sent_seen = SECOND_IS_SEEN; sent_armed = has_armed;
    printf("the agent sends a renewal, %d seen\n", sent_seen)
}
#ifdef M_START_UNARMED
#define MAY_START 1
#else
#define MAY_START (has_armed || !seen)
#endif
inline start() {
    agent && lease > F && api && !serves && MAY_START ->
    MUST(ONE_SERVES, !over);
    serves = 1; printf("the service starts at A\n")
}
#define AGENT_CANNOT (agent && lease <= F && !api && serves && !held)
inline agent_fails() { AGENT_CANNOT && !over -> held = 1; printf("A's guard cannot end it: committed as held\n") }
inline agent_fences() {
    agent && lease <= F && api && serves -> serves = 0; printf("A's guard fences\n")
}

/* ---- the second enforcer ---- */

inline ask() { second && question == NEVER -> question = 0; printf("how much is left?\n") }
/* One that is late on its way back says the same: what is left at the agent, less the age of the question there. */
#ifdef M_FROM_ANSWER
#define ITS_LEFT (lease + question)     /* it was read that long ago */
#else
#define ITS_LEFT (lease > question -> lease - question : 0)
#endif
inline answer() {
    question != NEVER && agent ->
    asked_ago = 0;
#ifdef M_LOOKS_ARE_NOT_ASKED
    look_said = 1;
#else
    look_said = api;
#endif
    look_said = look_said && !begun; has_armed = armed;
    if
    :: second && !begun && lease && ITS_LEFT > F && ITS_LEFT > left ->
        left = ITS_LEFT; armed = 1; printf("it has a deadline, in %d\n", left)
#ifndef M_NOT_ON_DISK
        ; on_disk = 1
#endif
    :: else
    fi;
    question = NEVER
}
inline lose_question() { question > 0 && question != NEVER -> question = NEVER }

#define IS_TIME (second && armed && left <= F)
inline second_fences() {
    IS_TIME && api && (serves || fencing || !begun) ->
    if :: serves -> printf("the second enforcer ends it\n") :: else fi;
#ifdef REACH_SECOND
    MUST(UNREACHED, !(serves && !agent));
#endif
    serves = 0; begun = 1; fencing = 0; told_unended = 0
}
/* What it cannot end it says: as another instance of the site. */
#define SECOND_CANNOT (IS_TIME && !api && fencing)
#ifdef M_SILENT_AFTER
#define MAY_WARN (!begun)
#else
#define MAY_WARN 1
#endif
inline warn() {
    IS_TIME && !api && !fencing && MAY_WARN ->
    begun = 1; fencing = 1;
#ifndef M_SILENT
    told_unended = 1; told_age = 0;
#endif
    printf("the second enforcer cannot end it\n")
}
/* Of an epoch in its file it knows no deadline: until the agent answers, in this tick, that has come. */
inline forget() {
    left = 0; fencing = 0; begun = 0; question = NEVER; armed = on_disk
}
inline restart() { second && armed && FAULT; forget(); printf("the second enforcer begins anew\n") }

/* ---- the leader ---- */

inline receive() {
    sent != NEVER && !over ->
    if
    :: sent_seen || !seen ->
#ifndef M_SEEN_AT_ONCE
        seen = seen || (sent_seen && sent_armed)
#else
        seen = seen || sent_seen
#endif
    :: else ->
#ifndef M_UNCOMMITTED
        seen = 0;
#endif
        printf("sent without one: that is committed\n")
    fi;
    waited = 0;
    if
    :: agent && lease && sent > lease -> lease = sent
    :: 1                        /* the answer is lost */
    fi;
    sent = NEVER; agent_down = 0; printf("a renewal is confirmed\n")
}
#ifdef M_RUN_OUT
#define HAS_RUN_OUT 0
#else
#define HAS_RUN_OUT (seen && told_unended && waited >= WAIT && !over)
#endif
inline run_out() {
    HAS_RUN_OUT -> seen = 0; printf("committed: it was not ended in time\n")
}
#ifdef M_BY_TIME
#define BY_TIME 1
#else
#define BY_TIME seen
#endif
inline expire() {
    !over && waited >= WAIT && !told_unended && !held && BY_TIME ->
    over = 1; printf("Expired; B serves\n");
#ifdef REACH_B
    MUST(UNREACHED, 0);
#endif
    MUST(ONE_SERVES, !serves)
}

/* ---- losses ---- */

#define MAY_LOSE(other, since) (other || since >= LONG)
inline lose_agent() {
    agent && MAY_LOSE(second, second_down) && FAULT;
    agent = 0; printf("the machine of agent and guard is lost\n")
}
inline lose_second() {
    second && MAY_LOSE(agent, agent_down) && FAULT;
    second = 0; forget();
    printf("the second enforcer is lost\n")
}
inline second_comes() {
    !second -> second = 1; second_down = 0; printf("the second enforcer is back\n")
}
inline lose_api() { api && FAULT; api = 0; printf("the API answers nobody\n") }
inline api_comes() { !api -> api = 1; printf("the API answers\n") }

/* ---- time: what has to be done by now was done ---- */

#define IS_DUE_AGENT (agent && lease <= F && serves && (api || !held))
#ifdef M_SILENT_AFTER
#define IS_DUE_SECOND (IS_TIME && (!begun || (api && (serves || fencing))))
#else
#define IS_DUE_SECOND (IS_TIME && (!begun || (api -> (serves || fencing) : !fencing)))
#endif
inline less(what) { if :: what -> what-- :: else fi }
inline up_to(what, most) { if :: what < most -> what++ :: else fi }
inline tick() {
    !over && !IS_DUE_AGENT && !IS_DUE_SECOND && !HAS_RUN_OUT ->
    if
    :: phase == 0 -> skip       /* the agent's clock stands still */
    :: 1 ->
        less(lease); up_to(asked_ago, FRESH + 1);
        if
        :: sent != NEVER -> sent--; if :: sent == 0 -> sent = NEVER :: else fi
        :: else
        fi
    fi;
    if
    :: phase == 0 -> skip       /* the second's */
    :: 1 ->
        less(left);
        if :: question != NEVER -> up_to(question, TTL) :: else fi
    fi;
    if
    :: phase == 0 -> up_to(waited, WAIT) :: 1 -> skip
    fi;
    up_to(waited, WAIT);
    if
    :: SECOND_CANNOT && told_unended -> told_age = 0  /* it is said again */
    :: else ->
        if :: told_unended -> told_age++ :: else fi;
        if :: told_age > FRESH -> told_unended = 0; told_age = 0 :: else fi
    fi;
    if :: !agent -> up_to(agent_down, LONG) :: else fi;
    if :: !second -> up_to(second_down, LONG) :: else -> second_down = 0 fi;
    phase = (phase + 1) % DRIFT;
    printf("---- a tick\n")
}

active proctype world()
{
end:
    do
    :: d_step { send() } :: d_step { start() } :: d_step { agent_fences() }
    :: d_step { agent_fails() }
    :: d_step { ask() } :: d_step { answer() } :: d_step { lose_question() }
    :: d_step { second_fences() } :: d_step { warn() } :: d_step { restart() }
    :: receive() :: d_step { run_out() } :: d_step { expire() }
    :: d_step { lose_agent() } :: d_step { lose_second() } :: d_step { second_comes() }
    :: d_step { lose_api() } :: d_step { api_comes() }
    :: tick()
    od
}
