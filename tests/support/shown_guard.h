/* shown_guard.h - a guard that the test plays: it answers no hello, and says what it shows when the
 * test likes. Include it after cmocka.h and agent_life.h. */
#ifndef SHOWN_GUARD_H
#define SHOWN_GUARD_H

#include <stdio.h>
#include <string.h>

#include <breakwater/sys/clock.h>
#include <breakwater/wire/guard_message.h>

#include "agent_life.h"

#define TTL_NS (UINT64_C(60) * 1000 * BW_NS_PER_MS) /* no test takes that long */

static struct played {
    struct agent_world *world;
    struct test_port port; /* the agent's, for who asks it */
    struct bw_unix_listener listener;
    struct bw_unix_connection *asking; /* that has sent the newest question; NULL: it has gone */
    unsigned questions;
} guard;

static inline void on_message(struct bw_unix_connection *connection, const uint8_t *data,
                              size_t size, void *user)
{
    struct bw_guard_message message;

    (void)user;
    assert_int_equal(bw_guard_message_decode(data, size, &message, NULL), BW_OK);
    if (message.kind != BW_GUARD_MESSAGE_SHOW)
        return;
    assert_string_equal(message.group, "harbor");
    guard.asking = connection;
    guard.questions++;
}

static inline void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                             const struct bw_diag *diag, void *user)
{
    (void)err, (void)diag, (void)user;
    if (guard.asking == connection)
        guard.asking = NULL;
}

static inline const struct bw_unix_events *on_accepted(struct bw_unix_listener *listener,
                                                       struct bw_unix_connection *connection,
                                                       void *user, void **out_user)
{
    static const struct bw_unix_events events = {.on_message = on_message, .on_closed = on_closed};

    (void)listener, (void)connection;
    *out_user = user;
    return &events;
}

/* `shown` of `group`, of this boot. */
static inline void say(const char *group, struct bw_guard_shown shown)
{
    struct bw_guard_message message = {.kind = BW_GUARD_MESSAGE_SHOWN, .shown = shown};
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    size_t size;

    (void)snprintf(message.group, sizeof message.group, "%s", group);
    (void)snprintf(message.shown.site, sizeof message.shown.site, "%s", guard.world->site);
    assert_int_equal(bw_clock_boot_id(&message.shown.boot_id, NULL), BW_OK);
    assert_int_equal(bw_clock_time_namespace(&message.shown.time_namespace, NULL), BW_OK);
    assert_int_equal(bw_guard_message_encode(&message, bytes, sizeof bytes, &size, NULL), BW_OK);
    assert_non_null(guard.asking);
    assert_int_equal(bw_unix_send(guard.asking, bytes, size, NULL), BW_OK);
}

/* Of `group`, armed until `left_ns` from now, and seen to serve. */
static inline void answer(const char *group, uint64_t left_ns)
{
    say(group, (struct bw_guard_shown){.enforced = true,
                                       .epoch_seen = 1,
                                       .armed_epoch = 1,
                                       .armed_end = bw_instant_add(bw_clock_now(), left_ns),
                                       .fence_ms = 100,
                                       .service = BW_SERVICE_STARTED,
                                       .service_at = bw_clock_now(),
                                       .reach = BW_REACH_CGROUP});
}

static inline bool is_asked(const struct agent_world *world)
{
    (void)world;
    return guard.asking != NULL;
}

static inline bool has_gone(const struct agent_world *world)
{
    (void)world;
    return guard.asking == NULL;
}

/* The agent listens at a port of 127.0.0.1 as `key` of its file says; nobody
 * has asked it yet. */
static inline void begin_listening(struct agent_world *world, const char *key,
                                   bool (*listens)(const struct agent_world *world))
{
    char text[96];

    memset(&guard, 0, sizeof guard);
    test_port_take(&guard.port);
    agent_world_guard_listen(world, false);
    (void)snprintf(text, sizeof text, "%s/guard.sock", world->dir);
    assert_int_equal(bw_unix_listen(&guard.listener, &world->loop, text, on_accepted, NULL, NULL),
                     BW_OK);
    guard.world = world;
    (void)snprintf(text, sizeof text, "%s: 127.0.0.1:%u\n", key, guard.port.number);
    agent_world_configure(world, text);
    agent_world_start_agent(world);
    agent_world_until(world, listens, "it listens");
}

/* Also of a test that has failed: what is left open would keep the loop for ever. */
static inline int end(void **state)
{
    if (guard.world != NULL)
        bw_unix_listener_close(&guard.listener, NULL);
    test_port_release(&guard.port);
    return tear_down(state);
}

#endif
