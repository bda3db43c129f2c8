/* The guard's socket: frames in pieces, messages, and the guard's machine, whose shell is played
 * here. Records: 1 a message, put into its frame; 2 raw bytes; 3 milliseconds that pass; 4 the run
 * of a slot ends (bits 0-1 the slot, then the result, then whether it printed started or stopped);
 * 5 a good hello; 6 the agent goes; 7 the next save or mirror fails; 8 the next arm becomes one that
 * begins now; 9 the next message names the newest epoch plus this; 10 all in reach is killed. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/guard.h>
#include <breakwater/sys/unix_socket.h>
#include <breakwater/wire/guard_message.h>
#include <breakwater/wire/state.h>

#include "fuzz.h"

#define STEPS_MAX  400 /* of the machine, for one input */
#define EVENTS_MAX 64

/* ---- the socket, played ---- */

static struct {
    uv_loop_t loop;
    struct bw_unix_listener listener;
    uv_poll_cb on_readable;
    uv_poll_t *listening;
    uv_alloc_cb on_alloc;
    uv_read_cb on_read;
    uv_stream_t *reading;
    struct bw_unix_connection *connection; /* NULL: closed */
    unsigned closed;
    int pair[2]; /* whose credentials are asked for: our own */

    struct bw_guard guard;
    struct bw_guard_actions actions;
    struct bw_guard_event events[EVENTS_MAX];
    unsigned event_first, event_count;
    unsigned steps;
    uint64_t now_ms;
    bool fails_next;
    bool arms_now;
    bool names_epoch;
    uint64_t epoch_plus;
} world;

int __wrap_uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb on_readable);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_uv_pipe_open(uv_pipe_t *pipe, uv_file fd);
int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb on_alloc, uv_read_cb on_read);
int __wrap_uv_fileno(const uv_handle_t *handle, uv_os_fd_t *out_fd);

int __wrap_uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb on_readable)
{
    FUZZ_CHECK(events == UV_READABLE);
    world.listening = poll;
    world.on_readable = on_readable;
    return 0;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    (void)fd;
    (void)address;
    (void)size;
    (void)flags;
    return world.pair[0];
}

int __wrap_uv_pipe_open(uv_pipe_t *pipe, uv_file fd)
{
    (void)pipe;
    (void)fd;
    return 0;
}

int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb on_alloc, uv_read_cb on_read)
{
    world.reading = stream;
    world.on_alloc = on_alloc;
    world.on_read = on_read;
    return 0;
}

int __wrap_uv_fileno(const uv_handle_t *handle, uv_os_fd_t *out_fd)
{
    (void)handle;
    *out_fd = world.pair[0];
    return 0;
}

/* ---- the machine and its shell ---- */

static void queue(const struct bw_guard_event *event)
{
    FUZZ_CHECK(world.event_count < EVENTS_MAX);
    world.events[(world.event_first + world.event_count++) % EVENTS_MAX] = *event;
}

/* Whatever the guard says can be said, and is heard as it was said. */
static void check_sent(const struct bw_guard_message *message)
{
    uint8_t bytes[BW_GUARD_MESSAGE_BYTES_MAX];
    struct bw_guard_message contact;
    struct bw_diag diag = {0};
    size_t size;

    FUZZ_CHECK(bw_guard_message_encode(message, bytes, sizeof bytes, &size, &diag) == BW_OK);
    FUZZ_CHECK(bw_guard_message_decode(bytes, size, &contact, &diag) == BW_OK);
    FUZZ_CHECK(contact.kind == message->kind && contact.epoch == message->epoch);
}

/* 3.4: a start only under its own deadline, and never so late that the fence window has begun. */
static void check_start(const struct bw_guard_action *action)
{
    const struct bw_guard *guard = &world.guard;
    const struct bw_guard_run *run = &guard->slots[BW_GUARD_SLOT_ACTION].run;
    const struct bw_instant now = fuzz_instant_ms(world.now_ms);

    if (action->slot != BW_GUARD_SLOT_ACTION || run->action != BW_ACTION_START)
        return;
    FUZZ_CHECK(guard->mirror.armed_epoch == run->epoch && run->epoch == guard->memory.epoch_seen);
    FUZZ_CHECK(run->epoch > guard->memory.ended_epoch);
    FUZZ_CHECK(!bw_instant_right_is_over(now, guard->mirror.armed_end));
    FUZZ_CHECK(action->run_not_after.boot_ns + guard->mirror.fence_ns <=
               guard->mirror.armed_end.boot_ns);
    FUZZ_CHECK(action->run_not_after.raw_ns + guard->mirror.fence_ns <=
               guard->mirror.armed_end.raw_ns);
}

static void execute(const struct bw_guard_action *action)
{
    struct bw_guard_event event = {.slot = action->slot, .ok = true};

    switch (action->kind) {
    case BW_GUARD_ACTION_SAVE:
    case BW_GUARD_ACTION_MIRROR:
        event.kind = action->kind == BW_GUARD_ACTION_SAVE ? BW_GUARD_EVENT_SAVED
                                                          : BW_GUARD_EVENT_MIRRORED;
        event.number = action->number;
        event.ok = !world.fails_next;
        world.fails_next = false;
        queue(&event);
        break;
    case BW_GUARD_ACTION_SPAWN:
        event.kind = BW_GUARD_EVENT_SPAWNED;
        event.child = (struct bw_guard_child){.action = action->run.action,
                                              .epoch = action->run.epoch,
                                              .run_id = action->run.run_id,
                                              .pid = 1000 + (int32_t)action->slot,
                                              .start_time = world.steps};
        event.is_left = world.steps % 3 == 0;
        queue(&event);
        break;
    case BW_GUARD_ACTION_GO:
        check_start(action);
        break;
    case BW_GUARD_ACTION_KILL_RUN:
        event.kind = BW_GUARD_EVENT_RUN_ENDED;
        event.ended.result = BW_RUN_KILLED;
        queue(&event);
        break;
    case BW_GUARD_ACTION_SEND:
        check_sent(&action->message);
        break;
    case BW_GUARD_ACTION_PASS:
    case BW_GUARD_ACTION_TERM_STARTED:
    case BW_GUARD_ACTION_TERM_REACH:
    case BW_GUARD_ACTION_KILL_REACH: /* its end is a record */
        break;
    }
}

/* What only grows has grown; a deadline of one epoch moved later and not beyond now + TTL. */
static void check_step(const struct bw_guard_memory *memory, const struct bw_guard_mirror *mirror)
{
    const struct bw_guard *guard = &world.guard;
    const struct bw_instant now = fuzz_instant_ms(world.now_ms);

    FUZZ_CHECK(world.actions.count <= BW_GUARD_ACTIONS_MAX);
    FUZZ_CHECK(guard->memory.ended_epoch >= memory->ended_epoch ||
               guard->wants == BW_GUARD_WANTS_NOTHING); /* a save that failed goes back */
    FUZZ_CHECK(guard->memory.let_go_index >= memory->let_go_index ||
               guard->wants == BW_GUARD_WANTS_NOTHING);
    if (guard->mirror.armed_epoch == 0 || guard->mirror.armed_epoch != mirror->armed_epoch)
        return;
    if (guard->mirror.armed_end.boot_ns > mirror->armed_end.boot_ns) {
        FUZZ_CHECK(guard->mirror.armed_end.raw_ns >= mirror->armed_end.raw_ns);
        FUZZ_CHECK(guard->mirror.armed_end.boot_ns <= now.boot_ns + guard->mirror.ttl_ns);
    }
}

/* Fences have begun where the window has, whatever was said before. */
static void check_deadline(void)
{
    const struct bw_guard *guard = &world.guard;
    const struct bw_instant now = fuzz_instant_ms(world.now_ms);

    if (guard->mirror.armed_epoch == 0 || guard->mirror.armed_epoch <= guard->memory.ended_epoch ||
        guard->waits[BW_GUARD_WAIT_ARM] != 0 || guard->mirror.fence_begun)
        return;
    FUZZ_CHECK(!bw_instant_right_is_over(now, guard->mirror.armed_end));
}

static void step(const struct bw_guard_event *event)
{
    const struct bw_guard_memory memory = world.guard.memory;
    const struct bw_guard_mirror mirror = world.guard.mirror;

    if (world.steps++ >= STEPS_MAX)
        return;
    bw_guard_step(&world.guard, event, fuzz_instant_ms(world.now_ms), &world.actions);
    check_step(&memory, &mirror);
    for (uint32_t i = 0; i < world.actions.count; i++)
        execute(&world.actions.list[i]);
}

static void settle(const struct bw_guard_event *event)
{
    step(event);
    while (world.event_count > 0) {
        const struct bw_guard_event next = world.events[world.event_first];

        world.event_first = (world.event_first + 1) % EVENTS_MAX;
        world.event_count--;
        step(&next);
    }
}

/* ---- the connection ---- */

static const struct bw_guard_hello good_hello = {
    .cluster_id = {{1}}, .generation = 1, .site = "dc-a", .instance = {{2}}, .session = {{3}}};

static void adjust(struct bw_guard_message *message)
{
    const struct bw_instant now = fuzz_instant_ms(world.now_ms);

    if (world.names_epoch) {
        const uint64_t epoch = world.guard.memory.epoch_seen + world.epoch_plus;

        message->epoch = epoch;
        if (message->kind == BW_GUARD_MESSAGE_ARM)
            message->arm.epoch = epoch;
        else if (message->kind == BW_GUARD_MESSAGE_RUN)
            message->run.epoch = epoch;
    }
    if (world.arms_now && message->kind == BW_GUARD_MESSAGE_ARM) {
        message->arm.begin = now;
        message->arm.end = bw_instant_add(now, (uint64_t)message->arm.terms.ttl_ms * BW_NS_PER_MS);
    }
    world.names_epoch = false;
    world.arms_now = false;
}

static void on_message(struct bw_unix_connection *connection, const uint8_t *data, size_t size,
                       void *user)
{
    struct bw_guard_message message;
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_MESSAGE, .message = &message};
    struct bw_diag diag = {0};
    const enum bw_err err = bw_guard_message_decode(data, size, &message, &diag);

    (void)user;
    FUZZ_CHECK(connection == world.connection && size <= BW_UNIX_MESSAGE_BYTES_MAX);
    fuzz_check_outcome(err, &diag);
    if (err != BW_OK) {
        bw_unix_close(connection);
        return;
    }
    adjust(&message);
    if (message.kind == BW_GUARD_MESSAGE_HELLO) {
        if (bw_id_is_none(message.hello.session) || bw_id_is_none(message.hello.instance))
            return; /* its shell refuses it */
        event.kind = BW_GUARD_EVENT_HELLO;
        event.hello = message.hello;
    } else if (message.kind > BW_GUARD_MESSAGE_LET_GO) {
        return; /* the guard's own words: its shell hangs up */
    }
    settle(&event);
}

static void on_closed(struct bw_unix_connection *connection, enum bw_err err,
                      const struct bw_diag *diag, void *user)
{
    (void)connection;
    (void)user;
    FUZZ_CHECK(err <= BW_ERR_VERSION && fuzz_is_text(diag->text, sizeof diag->text));
    world.connection = NULL;
    world.closed++;
}

static const struct bw_unix_events *on_accepted(struct bw_unix_listener *listener,
                                                struct bw_unix_connection *connection, void *user,
                                                void **out_user)
{
    static const struct bw_unix_events events = {.on_message = on_message, .on_closed = on_closed};

    (void)listener;
    (void)user;
    *out_user = NULL;
    world.connection = connection;
    return &events;
}

static void open_socket(void)
{
    char path[108];
    struct bw_diag diag = {0};

    (void)snprintf(path, sizeof path, "%s/guard.sock", fuzz_directory());
    FUZZ_CHECK(uv_loop_init(&world.loop) == 0);
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, world.pair) == 0);
    FUZZ_CHECK(bw_unix_listen(&world.listener, &world.loop, path, on_accepted, NULL, &diag) ==
               BW_OK);
}

/* As libuv reads: into what on_alloc gives, no more than that. */
static void deliver(const uint8_t *data, size_t size)
{
    while (size > 0 && world.connection != NULL && !uv_is_closing((uv_handle_t *)world.reading)) {
        uv_buf_t room = {0};
        size_t taken;

        world.on_alloc((uv_handle_t *)world.reading, 64 * 1024, &room);
        FUZZ_CHECK(room.len <= BW_UNIX_MESSAGE_BYTES_MAX);
        taken = size < room.len ? size : room.len;
        if (taken > 0)
            memcpy(room.base, data, taken);
        world.on_read(world.reading, (ssize_t)taken, &room);
        if (taken == 0)
            return;
        data += taken;
        size -= taken;
    }
}

static void deliver_framed(const uint8_t *data, size_t size)
{
    uint8_t head[BW_UNIX_HEAD_BYTES];

    bw_put_u32le(head, (uint32_t)size);
    bw_put_u32le(head + 4, bw_crc32c(bw_crc32c(0, head, 4), data, size));
    deliver(head, 3);
    deliver(head + 3, sizeof head - 3);
    deliver(data, size / 2);
    deliver(data + size / 2, size - size / 2);
}

/* ---- one input ---- */

static void end_run(uint64_t value)
{
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_RUN_ENDED,
                                   .slot = value % BW_GUARD_SLOT_COUNT};
    const struct bw_guard_run_slot *slot = &world.guard.slots[event.slot];

    if (slot->state != BW_SLOT_RUNNING && slot->state != BW_SLOT_ENDING)
        return;
    event.ended.result = (value >> 2) % (BW_RUN_INTERRUPTED + 1);
    event.ended.exit_status = event.ended.result == BW_RUN_FAILED ? 1 : 0;
    event.ended.duration_ms = 5;
    (void)strcpy(event.ended.line, (value >> 5) % 3 == 0   ? "stopped"
                                   : (value >> 5) % 3 == 1 ? "started"
                                                           : "unknown");
    settle(&event);
}

static void take(const struct fuzz_record *record)
{
    struct bw_guard_event event = {.kind = BW_GUARD_EVENT_TICK, .ok = true};

    switch (record->number) {
    case 1:
        if (record->data != NULL)
            deliver_framed(record->data, record->size);
        return;
    case 2:
        if (record->data != NULL)
            deliver(record->data, record->size);
        return;
    case 3:
        world.now_ms += record->value % 5000;
        settle(&event);
        check_deadline();
        return;
    case 4:
        end_run(record->value);
        return;
    case 5:
        event.kind = BW_GUARD_EVENT_HELLO;
        event.hello = good_hello;
        event.hello.instance.bytes[0] = (uint8_t)(1 + record->value % 2);
        settle(&event);
        return;
    case 6:
        event.kind = BW_GUARD_EVENT_AGENT_GONE;
        settle(&event);
        return;
    case 7:
        world.fails_next = true;
        return;
    case 8:
        world.arms_now = true;
        return;
    case 9:
        world.names_epoch = true;
        world.epoch_plus = record->value % 3;
        return;
    case 10:
        event.kind = BW_GUARD_EVENT_REACH_KILLED;
        event.ok = record->value % 4 != 0;
        settle(&event);
        return;
    default:
        return;
    }
}

static void open_guard(uint8_t how)
{
    struct bw_guard_limits limits = {.kill_grace_ns = 100 * BW_NS_PER_MS,
                                     .reach = BW_REACH_CGROUP,
                                     .reach_works = true};
    const struct bw_guard_memory memory = {.enforced = (how & 1) != 0};

    for (int i = 1; i < BW_ACTION_COUNT; i++) {
        limits.has_script[i] = (how & 2) == 0 || i != BW_ACTION_FENCE;
        limits.timeout_ns[i] = 500 * BW_NS_PER_MS;
    }
    world.now_ms = 1000;
    world.steps = world.event_first = world.event_count = 0;
    world.fails_next = world.arms_now = world.names_epoch = false;
    bw_guard_init(&world.guard, "harbor", &limits, &memory, NULL, fuzz_instant_ms(world.now_ms));
}

/* What was kept can be written down, and a guard that begins with it is one. */
static void check_kept(void)
{
    struct bw_guard_memory_file memory = {.group = "harbor", .memory = world.guard.memory};
    struct bw_guard_mirror_file mirror = {.group = "harbor", .boot_id = {{7}}, .time_namespace = 1,
                                          .mirror = world.guard.mirror};
    uint8_t bytes[BW_GUARD_FILE_BYTES_MAX];
    struct bw_diag diag = {0};
    size_t size;

    FUZZ_CHECK(bw_guard_memory_encode(&memory, bytes, sizeof bytes, &size, &diag) == BW_OK);
    FUZZ_CHECK(bw_guard_mirror_encode(&mirror, bytes, sizeof bytes, &size, &diag) == BW_OK);
    FUZZ_CHECK(bw_guard_mirror_decode(bytes, size, &mirror, &diag) == BW_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_records records = {data + 1, size - 1};
    struct fuzz_record record;

    if (world.on_readable == NULL)
        open_socket();
    if (size == 0)
        return 0;
    open_guard(data[0]);
    world.closed = 0;
    world.on_readable(world.listening, 0, UV_READABLE);
    FUZZ_CHECK(world.connection != NULL);
    while (world.steps < STEPS_MAX && fuzz_record_next(&records, &record))
        take(&record);
    if (world.steps < STEPS_MAX)
        check_kept();
    if (world.connection != NULL && !uv_is_closing((uv_handle_t *)world.reading))
        world.on_read(world.reading, UV_EOF, NULL);
    while (world.closed == 0)
        (void)uv_run(&world.loop, UV_RUN_NOWAIT);
    FUZZ_CHECK(world.closed == 1 && world.listener.connection_count == 0);
    return 0;
}
