/* agent_world.h - the real agent program between three witnesses and a guard that the test plays:
 * real HTTPS and a real unix socket, one site, one group "harbor". The test says what the witnesses
 * answer and reads what the agent said. Any failure here ends the test. */
#ifndef AGENT_WORLD_H
#define AGENT_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include <breakwater/core/guard_link.h>
#include <breakwater/core/sync.h>
#include <breakwater/net/http_server.h>
#include <breakwater/sys/unix_socket.h>

#include "test_pki.h"
#include "test_port.h"

#define AGENT_WORLD_WITNESSES  3
#define AGENT_WORLD_HELD_MAX   8
#define AGENT_WORLD_WAIT_MS 20000 /* for what must happen, on an idle machine: patience.h */

enum agent_world_manner {
    AGENT_WORLD_ANSWERS,
    AGENT_WORLD_HOLDS,   /* takes requests and never answers */
    AGENT_WORLD_GARBLES, /* 200, and bytes that are no message */
    AGENT_WORLD_FAILS,   /* HTTP 500 */
};

struct agent_world_witness {
    struct agent_world *world;
    struct bw_http_server *server; /* NULL: unreachable */
    struct test_port kept;
    uint16_t port;
    enum agent_world_manner manner;
    struct bw_http_request *poll; /* the long poll that waits */
    uint32_t held;                /* syncs that wait for ever */
    uint32_t held_most;
    uint32_t polls;
    uint32_t syncs;
};

struct agent_world {
    uv_loop_t loop;
    uv_timer_t ticker; /* wakes the loop, so that conditions are looked at */
    struct test_pki pki;
    char site[32]; /* unlike any other run's: what an agent can end goes by it */
    char dir[64];
    char config_path[128];
    char log_path[128];
    struct ssl_ctx_st *context;
    struct bw_credentials *credentials;
    struct agent_world_witness witnesses[AGENT_WORLD_WITNESSES];
    pid_t agent; /* 0: none runs */
    const char *enforce; /* of its group, with the keys that belong to it; NULL: cgroup */

    /* what the witnesses answer */
    int leader; /* -1: none */
    bool relays;
    bool tells_members; /* of all three */
    bool confirms;
    bool says_other_session;
    bool says_other_number;
    struct bw_id cluster_id;
    uint64_t generation;
    struct bw_order order;
    /* Of orders; unless the test says otherwise: 60 s, which no test takes, */
    uint32_t ttl_ms;
    uint32_t fence_ms;    /* 600 ms, */
    uint32_t interval_ms; /* 100 ms, */
    uint32_t request_ms;  /* 2 s */

    /* what the agent said */
    uint64_t sync_count;
    uint64_t renewals; /* syncs with a renewal */
    uint64_t relays_wanted;
    struct bw_id first_session;
    struct bw_id session;
    struct bw_id instance;
    uint32_t exchange_count;
    struct bw_exchange exchanges[BW_WITNESSES_MAX];
    struct bw_sync_group group; /* of the newest sync */

    /* the guard */
    struct bw_unix_listener listener;
    bool is_listening;
    struct bw_unix_connection *connection;
    bool guard_is_mute;  /* never answers an arm */
    bool guard_is_deaf;  /* never answers hello */
    bool guard_throws;   /* closes the connection after each welcome, as for another agent's hello */
    const char *service; /* what status says */
    struct bw_guard_hello hello;
    uint32_t hellos;
    struct bw_guard_state guard;
    struct bw_guard_arm arm;
    uint32_t arms;
    uint32_t runs[BW_ACTION_COUNT];
    uint64_t armed_epoch_at_start; /* what was armed when a start was asked for */
};

/* Witnesses and guard are up, the first witness leads, there is no order yet; no agent runs. */
void agent_world_init(struct agent_world *world);
void agent_world_deinit(struct agent_world *world);

/* `extra` lines for the group in the site file; NULL: none. */
void agent_world_configure(struct agent_world *world, const char *extra);
void agent_world_start_agent(struct agent_world *world);
/* Waits for its end; its exit status, or 128 + the signal that ended it. */
int agent_world_wait_agent(struct agent_world *world);
int agent_world_stop_agent(struct agent_world *world, int signal);
/* Starts an agent that must end by itself soon; its exit status. */
int agent_world_run_agent(struct agent_world *world);

/* A certificate of an agent of the world's own site (`site` NULL) or of another, in its place. */
void agent_world_issue(struct agent_world *world, const char *site);
void agent_world_set_reachable(struct agent_world *world, int witness, bool is_reachable);
/* The order changes: long polls hear of it at once. */
void agent_world_order(struct agent_world *world, enum bw_order_kind kind, uint64_t epoch);
void agent_world_guard_listen(struct agent_world *world, bool does_listen);
void agent_world_guard_say(struct agent_world *world, const struct bw_guard_message *message);

/* Turns the loop until `is_met`, or fails the test. */
typedef bool agent_world_condition(const struct agent_world *world);
void agent_world_until(struct agent_world *world, agent_world_condition *is_met, const char *what);
/* Turns it for so long; true: `is_met` never was. */
bool agent_world_never(struct agent_world *world, agent_world_condition *is_met, unsigned ms);
/* The agent's log so far contains `text`. */
bool agent_world_log_has(const struct agent_world *world, const char *text);
bool agent_world_log_has_times(const struct agent_world *world, const char *text, unsigned times);
/* Its log says that a witness's certificate is taken back: by that, or since it was dialing just then. */
bool agent_world_says_revoked(const struct agent_world *world);

#endif
