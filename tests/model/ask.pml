/* ask.pml - the fence from another site: who is asked, what is believed of the answer, and what its script owes.
 * Design 3.3. README.md says which function carries each rule, and the limits.
 *
 * Three sites. One holds the epoch; time does not end it, so it is closed and another site is asked to end, from there,
 * what it has left. Then any site is granted the next one, the same again too.
 *
 * Log       One atomic log; a decision is one step of whoever leads. A leader that comes has forgotten what was asked.
 * Network   An ask reaches its site late, again and again, or never; so does what a site says, and that of a session
 *           that has ended. A start that was ordered arrives late or never (with NO_BAR at once).
 * Script    Three steps: begun, at the API, ended; it may fail before or after it was there. It lives on without its agent.
 * Faults    Agents begin anew; somebody else starts the closed epoch's service once more, which its site tells.
 *
 * M_* leaves out one rule. NO_BAR: the script does not have later starts refused, which only matters where a start
 * arrives late. */

#ifndef EPOCHS
#define EPOCHS 2
#endif
#ifndef IDS
#define IDS 2                   /* asks, of all leaders */
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#define SITES 3

mtype = { ONE_SERVES, KEPT_RUNNING, UNREACHED }
#define MUST(what, holds) assert((holds) && what)

/* ---- replicated ---- */
byte epoch = 1;
byte who[EPOCHS + 1];           /* had which epoch: site 0 the first */
bit  closed, vacant;
bit  held;                      /* FenceFailed: the index is 0 or 1 */
/* ---- the holder's site ---- */
bit  lease = 1;                 /* its guard may order a start */
bit  told_started;              /* its newest word, from after the ask, is `started` */
bit  started_again;
byte late[SITES];               /* a start on its way to the site's API: of which epoch */
/* ---- at the APIs ---- */
bit  serves[SITES];
byte newest[SITES];             /* the highest epoch that was started there */
byte bar[SITES];                /* up to which starts are refused */
/* ---- the leader ---- */
byte ids;
byte asked;                     /* the ask that it waits for; 0: nobody is asked */
bit  asked_session;
byte id_site[IDS + 1], id_epoch[IDS + 1];
bit  id_held[IDS + 1];
/* ---- who is asked ---- */
#define NONE    0
#define RUNNING 1
#define SEEN    2
#define FAILED  3
byte known[SITES];              /* the newest ask; 0: none */
byte state[SITES];              /*   and what came of it */
byte runs[SITES];                /* the epoch for which its guard runs the script; 0: it runs none */
byte done[SITES];               /* 1: what serves was ended; 2: refused */
bit  session[SITES];
byte said[SITES], said_state[SITES];    /* on its way to the leader, or there */
bit  said_session[SITES];
byte faults;

/* ---- the holder's site ---- */

#define HOLDER who[epoch]
#define NOBODY_ELSE(s) (!serves[(s + 1) % SITES] && !serves[(s + 2) % SITES])

inline order_start() {
    lease && !vacant && !serves[HOLDER] && late[HOLDER] == 0 -> late[HOLDER] = epoch
#ifdef NO_BAR
    ; if :: epoch >= newest[HOLDER] -> arrive_at(HOLDER) :: else -> late[HOLDER] = 0 fi
#endif
}
inline arrive_at(s) {
    MUST(ONE_SERVES, NOBODY_ELSE(s));
    serves[s] = 1; newest[s] = late[s]; late[s] = 0; printf("site %d serves epoch %d\n", s, newest[s]);
#ifdef REACH_NEXT
    MUST(UNREACHED, newest[s] < EPOCHS);
#endif
}
inline arrive(s) {
    late[s] ->
    if
    :: late[s] > bar[s] && late[s] >= newest[s] -> arrive_at(s)
    :: else -> late[s] = 0
    fi
}
inline start_again() {
    closed && !vacant && !lease && !serves[HOLDER] && !started_again -> started_again = 1;
    MUST(ONE_SERVES, NOBODY_ELSE(HOLDER));
    serves[HOLDER] = 1; printf("it is started there by somebody else\n");
    if :: told_started = 1 :: held == 0 -> held = 1 fi
}

/* ---- the leader ---- */

#ifdef M_LEASE
#define WAIT_IS_OVER 1
#else
#define WAIT_IS_OVER !lease
#endif
inline ask(s) {
    closed && !vacant && !asked && WAIT_IS_OVER && s != HOLDER && ids < IDS ->
    ids++; asked = ids; asked_session = session[s]; told_started = 0;
    id_site[ids] = s; id_epoch[ids] = epoch; id_held[ids] = held;
    printf("ask %d: site %d for epoch %d\n", ids, s, epoch)
}
inline forget() { asked -> asked = 0; printf("it is waited for no more\n") }

#ifdef M_ANY_ASK
#define IS_ANSWER(s) 1
#else
#define IS_ANSWER(s) (said[s] == asked)
#endif
#ifdef M_ANY_SESSION
#define IS_ASKED_ONE(s) 1
#else
#define IS_ASKED_ONE(s) (said_session[s] == asked_session)
#endif
#ifdef M_HELD
#define IS_OF_HOLD 1
#else
#define IS_OF_HOLD (id_held[asked] == held)
#endif
#ifdef M_DENIED
#define IS_DENIED 0
#else
#define IS_DENIED told_started
#endif
inline fenced(s) {
    asked && closed && !vacant && id_site[asked] == s && said_state[s] == SEEN &&
    IS_ANSWER(s) && IS_ASKED_ONE(s) && IS_OF_HOLD && !IS_DENIED ->
    vacant = 1; asked = 0; lease = 0; printf("Fenced(%d)\n", epoch)
}
inline grant(s) {
    vacant && epoch < EPOCHS ->
    epoch++; who[epoch] = s; vacant = 0; closed = 0; held = 0; lease = 1; told_started = 0;
    printf("Grant(%d) to site %d\n", epoch, s)
}

/* ---- who is asked ---- */

#ifdef M_WHILE_RUNNING
#define MAY_TAKE(s) 1
#else
#define MAY_TAKE(s) (state[s] != RUNNING)
#endif
inline hear(s, id) {
    id <= ids && id_site[id] == s && id > known[s] && MAY_TAKE(s) ->
    known[s] = id;
    if :: state[s] != RUNNING -> state[s] = NONE :: else fi
}
#ifdef M_EXIT
#define IS_OK(s) 1
#else
#define IS_OK(s) (done[s] == 1)
#endif
inline begin(s) {
    known[s] && state[s] == NONE && !runs[s] && (vacant || s != HOLDER) ->
    state[s] = RUNNING; runs[s] = id_epoch[known[s]]; done[s] = 0; printf("site %d runs it for %d\n", s, runs[s])
}
#ifdef M_OLD_EPOCH
#define IS_REFUSED(s) 0
#else
#define IS_REFUSED(s) (newest[who[runs[s]]] > runs[s])
#endif
inline act(s) {
    runs[s] && !done[s] ->
    if
    :: IS_REFUSED(s) -> done[s] = 2
    :: else ->
        MUST(KEPT_RUNNING, !serves[who[runs[s]]] || newest[who[runs[s]]] <= runs[s]);
        serves[who[runs[s]]] = 0; done[s] = 1;
#if !defined(NO_BAR) && !defined(M_BAR)
        if :: bar[who[runs[s]]] < runs[s] -> bar[who[runs[s]]] = runs[s] :: else fi;
#endif
        printf("site %d has ended what serves of %d\n", s, runs[s])
    fi
}
/* Only of the run that was begun for what is asked: an agent that begins knows of none. */
inline script_ends(s) {
    runs[s] -> runs[s] = 0;
    if
    :: state[s] != RUNNING -> skip
    :: state[s] == RUNNING && IS_OK(s) -> state[s] = SEEN
    :: state[s] == RUNNING -> state[s] = FAILED
    fi
}
inline say(s) {
    said[s] != known[s] || said_state[s] != state[s] || said_session[s] != session[s] ->
    said[s] = known[s]; said_state[s] = state[s]; said_session[s] = session[s]
}
inline restart(s) {
    faults < FAULTS && known[s] ->
    faults++; session[s] = 1 - session[s]; known[s] = 0; state[s] = NONE; printf("site %d: another agent\n", s)
}

#define OF_SITE(s) \
    :: d_step { arrive(s) } :: d_step { ask(s) } :: d_step { fenced(s) } :: d_step { grant(s) } \
    :: d_step { hear(s, 1) } :: d_step { hear(s, 2) } :: d_step { hear(s, IDS) } \
    :: d_step { begin(s) } :: d_step { act(s) } :: script_ends(s) :: d_step { say(s) } :: d_step { restart(s) }

active proctype world()
{
end:
    do
    :: d_step { order_start() } :: start_again()
    :: d_step { !closed && !vacant && epoch < EPOCHS -> closed = 1 }  /* the last one is searched no further */
    :: d_step { closed && lease -> lease = 0 }
    :: d_step { forget() }
    OF_SITE(0) OF_SITE(1) OF_SITE(2)
    od
}
