/* guard_session.h - which agent controls a guard, and what the others are told. Design 3.4, 3.9. Pure.
 *
 * The newest connection that says a valid hello controls; whoever did before is closed, what groups were told
 * by it is void, and the new one is told of every group. Which cluster a guard serves is durable before an
 * agent of it is welcome: its hello waits meanwhile, and whoever controls goes on.
 *
 * Connections are numbers, never 0 and never used again. Who drives hands in what has happened and carries out
 * what bw_guard_session_next hands out, one action at a time, until it has none. */
#ifndef BW_MACHINE_GUARD_SESSION_H
#define BW_MACHINE_GUARD_SESSION_H

#include <breakwater/base/err.h>
#include <breakwater/core/guard_link.h>

struct bw_guard_identity {
    char site[BW_NAME_MAX + 1];
    struct bw_id boot_id;
    uint64_t time_namespace;
    struct bw_id cluster_id; /* none: no agent has said it yet */
    uint64_t generation;
};

#define BW_SESSION_ACTION_LIST(X)                                                                 \
    X(PIN)     /* make the session's `pinning` durable, beside the loop: on_pinned */             \
    X(CLOSE)   /* `connection`: another controls */                                               \
    X(GONE)    /* step all machines with AGENT_GONE */                                            \
    X(PROVE)   /* show of all groups that their reach works, where it was not */                  \
    X(WELCOME) /* tell `connection` WELCOME: it controls from here on */                          \
    X(GREET)   /* step the machine of `group` with HELLO of the session's `hello` */              \
    X(DONE)    /* tell `connection` WELCOME_DONE */
enum bw_session_action_kind {
#define X(name) BW_SESSION_##name,
    BW_SESSION_ACTION_LIST(X)
#undef X
};
struct bw_session_action {
    enum bw_session_action_kind kind;
    uint64_t connection; /* CLOSE WELCOME DONE */
    uint32_t group;      /* GREET: its number */
};

/* A hello that is not welcome. */
struct bw_session_refusal {
    uint64_t connection;
    struct bw_guard_hello hello;
    enum bw_refusal why;
    const char *text; /* for people */
};

struct bw_guard_session {
    struct bw_guard_identity own;
    uint64_t agent;              /* the connection that controls; 0: none */
    struct bw_guard_hello hello; /* what it said */
    enum { BW_SESSION_AT_REST, BW_SESSION_REPLACING, BW_SESSION_VOIDING, BW_SESSION_PROVING,
           BW_SESSION_WELCOMING, BW_SESSION_GREETING, BW_SESSION_ENDING } phase;
    uint64_t next_agent;     /* whose hello was taken, until WELCOME; 0: nobody's, or it has ended */
    bool replaces;           /* it does, another connection that controlled */
    uint32_t greeted_count;  /* groups that the agent was told of */
    uint64_t pin_from;       /* whose hello waits for the pin; 0: nobody's */
    struct bw_guard_hello pin_hello;
    bool wants_pin, is_pinning;
    struct {
        struct bw_id cluster_id;
        uint64_t generation;
    } pinning; /* what is being written */
};

void bw_guard_session_init(struct bw_guard_session *session, const struct bw_guard_identity *own);

/* False: the connection is told HELLO_REFUSED `why`, and closed. */
BW_MUST_CHECK bool bw_guard_session_on_hello(struct bw_guard_session *session, uint64_t connection,
                                             const struct bw_guard_hello *hello,
                                             struct bw_session_refusal *out_refusal);
/* `text`: why it is not durable. False: likewise. */
BW_MUST_CHECK bool bw_guard_session_on_pinned(struct bw_guard_session *session, bool ok,
                                              const char *text,
                                              struct bw_session_refusal *out_refusal);
void bw_guard_session_on_closed(struct bw_guard_session *session, uint64_t connection);

/* False: nothing is to be done. `group_count`: of the guard, now. `may_greet`: the agent has read enough to be
 * told more. */
bool bw_guard_session_next(struct bw_guard_session *session, uint32_t group_count, bool may_greet,
                           struct bw_session_action *out_action);

/* What no machine hears: said before a hello, or about a group that is not here. False: there is no refusal of
 * it, its agent asks again. */
bool bw_guard_refuse(const struct bw_guard_message *message, enum bw_refusal why,
                     struct bw_guard_message *out_answer);

#endif
