/* guard_rig.h - a real guard process in a directory of its own, the scripts of one group `g`, and
 * an agent that speaks the protocol with it. The service of these scripts records its own life: one
 * line of /proc/uptime (CLOCK_BOOTTIME, 10 ms) a beat. */
#ifndef BW_TEST_GUARD_RIG_H
#define BW_TEST_GUARD_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include <breakwater/core/guard_link.h>
#include <breakwater/lab/files.h>
#include <breakwater/sys/unix_socket.h>

#define RIG_MESSAGE_KINDS (BW_GUARD_MESSAGE_SHOWN + 1)
#define RIG_PATIENCE_MS   20000 /* on an idle machine: patience.h */
/* Of a service's script: who it is, by number and beginning. */
#define RIG_TELL_PID "PID_FILE=pid\n" BW_LAB_SCRIPT_TELL_PID

struct rig_agent {
    struct rig *rig;
    struct bw_unix_connection *connection; /* NULL: closed */
    bool is_connected;
    struct bw_guard_hello hello;
    struct bw_guard_message last[RIG_MESSAGE_KINDS];
    unsigned count[RIG_MESSAGE_KINDS];
    uint64_t number; /* of renewals and runs */
};

struct rig {
    char dir[64];
    char site[32];
    pid_t guard; /* 0: none */
    uv_loop_t loop;
    uv_timer_t tick;
    struct rig_agent agent;
};

/* cmocka setup and teardown; *state is the rig. Scripts that work, and no guard yet. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* A file of the rig. */
void rig_put(const struct rig *rig, const char *name, int mode, const char *text);
bool rig_has(const struct rig *rig, const char *name, const char *text);
const char *rig_path(const struct rig *rig, const char *name); /* good until the next call */

void rig_guard_start(struct rig *rig);
/* Sends `signal` unless 0 and waits for its end: the status of waitpid. */
int rig_guard_end(struct rig *rig, int signal);

/* Connects, and says hello as the rig's one instance, with a session of its own. */
void rig_agent_connect(struct rig *rig, struct rig_agent *agent);
void rig_agent_init(struct rig *rig, struct rig_agent *agent);
void rig_agent_greet(struct rig_agent *agent);
/* As a fresh session up to WELCOME_DONE. */
void rig_greet(struct rig *rig);
void rig_agent_close(struct rig_agent *agent);
void rig_send(struct rig_agent *agent, const struct bw_guard_message *message);

/* Turns the loop until `kind` has come `count` times, or fails the test. */
void rig_wait(struct rig_agent *agent, enum bw_guard_message_kind kind, unsigned count);
/* Until a fence has succeeded: on a busy machine the last look of the first one may come too late. */
void rig_wait_fenced(struct rig_agent *agent);
/* Until the guard has hung up; until its log says `text`. */
void rig_wait_closed(struct rig_agent *agent);
void rig_wait_log(struct rig *rig, const char *text);
void rig_turn(struct rig *rig);
uint64_t rig_now_ms(void);

struct bw_instant rig_arm(struct rig_agent *agent, uint64_t epoch, uint32_t ttl_ms,
                          uint32_t fence_ms);
/* A guard, epoch 1 armed until the instant that is returned, and a service that beats. */
struct bw_instant rig_serve(struct rig *rig, uint32_t ttl_ms, uint32_t fence_ms);
/* The end of a run of `action`, which it waits for. */
struct bw_guard_run_ended rig_run(struct rig_agent *agent, uint64_t epoch,
                                  enum bw_action_kind action);
void rig_order(struct rig_agent *agent, uint64_t epoch, enum bw_action_kind action);

/* CLOCK_BOOTTIME of the service's newest beat, 0: it never beat. */
uint64_t rig_last_beat_ms(const struct rig *rig);
void rig_wait_beat(struct rig *rig, uint64_t after_ms);
/* Waits a little beyond that, and fails the test where the service beat later. */
void rig_assert_silent_since(struct rig *rig, uint64_t end_ms);
/* Its fence_script was run, it was not ended by a KILL alone. */
void rig_assert_fenced_by_script(const struct rig *rig);

#endif
