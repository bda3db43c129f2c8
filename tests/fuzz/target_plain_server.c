/* Plain HTTP as the agent's server sees it: the real server over a socket that is played here. The
 * input is what a client says, after a byte: whether it is answered at once, later or never, and
 * whether the client closes its half then. Afterwards the same bytes come one by one: the answer is
 * the same, or both refuse it. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/limits.h>
#include <breakwater/net/plain_server.h>

#include "fuzz.h"

#define SENT_MAX 4096

static struct {
    uv_loop_t loop;
    uv_stream_t *listener;
    uv_connection_cb on_connection;
    uv_stream_t *stream;
    uv_alloc_cb on_alloc;
    uv_read_cb on_read;
    uv_shutdown_t *shutdown;
    uv_shutdown_cb on_shut_down;
    struct bw_plain_server *server;
    struct bw_plain_request *asked; /* and not answered */
    unsigned how;
    unsigned count;
    unsigned gone;
    char sent[SENT_MAX];
    size_t sent_size;
} world;

int __wrap_uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags);
int __wrap_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb on_connection);
int __wrap_uv_accept(uv_stream_t *listener, uv_stream_t *stream);
int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb on_alloc, uv_read_cb on_read);
int __wrap_uv_try_write(uv_stream_t *stream, const uv_buf_t buffers[], unsigned count);
int __wrap_uv_shutdown(uv_shutdown_t *shutdown, uv_stream_t *stream, uv_shutdown_cb on_shut_down);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb on_tick, uint64_t ms, uint64_t repeat_ms);

/* No time passes here: a tick that never runs limits nobody. */
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb on_tick, uint64_t ms, uint64_t repeat_ms)
{
    (void)timer, (void)on_tick, (void)ms, (void)repeat_ms;
    return 0;
}

int __wrap_uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags)
{
    (void)handle, (void)address, (void)flags;
    return 0;
}

int __wrap_uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb on_connection)
{
    (void)backlog;
    world.listener = stream;
    world.on_connection = on_connection;
    return 0;
}

int __wrap_uv_accept(uv_stream_t *listener, uv_stream_t *stream)
{
    (void)listener;
    world.stream = stream;
    return 0;
}

int __wrap_uv_read_start(uv_stream_t *stream, uv_alloc_cb on_alloc, uv_read_cb on_read)
{
    FUZZ_CHECK(stream == world.stream);
    world.on_alloc = on_alloc;
    world.on_read = on_read;
    return 0;
}

int __wrap_uv_try_write(uv_stream_t *stream, const uv_buf_t buffers[], unsigned count)
{
    FUZZ_CHECK(stream == world.stream && count == 1);
    FUZZ_CHECK(world.sent_size + buffers[0].len <= SENT_MAX);
    memcpy(world.sent + world.sent_size, buffers[0].base, buffers[0].len);
    world.sent_size += buffers[0].len;
    return (int)buffers[0].len;
}

int __wrap_uv_shutdown(uv_shutdown_t *shutdown, uv_stream_t *stream, uv_shutdown_cb on_shut_down)
{
    FUZZ_CHECK(stream == world.stream);
    world.shutdown = shutdown;
    world.on_shut_down = on_shut_down;
    return 0;
}

/* ---- the program ---- */

static void answer(struct bw_plain_request *request)
{
    world.asked = NULL;
    bw_plain_respond(request, 200, "yes");
}

static void on_request(struct bw_plain_request *request, const char *path, void *user)
{
    (void)user;
    FUZZ_CHECK(path[0] == '/' && strlen(path) <= 1024 && strchr(path, '?') == NULL);
    FUZZ_CHECK(world.count++ == 0);
    world.asked = request;
    if (world.how % 3 == 0)
        answer(request);
}

static void on_gone(struct bw_plain_request *request, void *user)
{
    (void)user;
    FUZZ_CHECK(request == world.asked && world.gone++ == 0);
    world.asked = NULL;
}

/* ---- one life of a connection ---- */

static bool is_open(void)
{
    return world.stream != NULL && !uv_is_closing((uv_handle_t *)world.stream);
}

static void deliver(const uint8_t *data, size_t size, size_t piece_max)
{
    while (size > 0 && is_open()) {
        size_t piece = size < piece_max ? size : piece_max;
        uv_buf_t buffer;

        world.on_alloc((uv_handle_t *)world.stream, 65536, &buffer);
        piece = piece < buffer.len ? piece : buffer.len;
        memcpy(buffer.base, data, piece);
        world.on_read(world.stream, (ssize_t)piece, &buffer);
        data += piece;
        size -= piece;
    }
}

static void end(ssize_t how)
{
    const uv_buf_t none = {0};

    if (is_open())
        world.on_read(world.stream, how, &none);
}

static void run(const uint8_t *data, size_t size, size_t piece_max)
{
    world.stream = NULL;
    world.shutdown = NULL;
    world.count = world.gone = 0;
    world.sent_size = 0;
    world.on_connection(world.listener, 0);
    FUZZ_CHECK(is_open());
    deliver(data, size, piece_max);
    if (world.how % 2 == 0)
        end(UV_EOF);
    if (world.how % 3 == 1 && world.asked != NULL)
        answer(world.asked);
    if (world.shutdown != NULL && is_open())
        world.on_shut_down(world.shutdown, 0);
    end(UV_ECONNRESET);
    FUZZ_CHECK(!is_open() && world.asked == NULL);
    (void)uv_run(&world.loop, UV_RUN_NOWAIT); /* the handles are closed, and freed */
}

static bool is_refusal(const char *answer_of_ours)
{
    return memcmp(answer_of_ours, "HTTP/1.1 4", 10) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char first[SENT_MAX];
    size_t first_size;

    if (world.server == NULL) {
        const struct bw_plain_server_config config = {
            .listen = "127.0.0.1:0", .on_request = on_request, .on_gone = on_gone};

        FUZZ_CHECK(uv_loop_init(&world.loop) == 0);
        FUZZ_CHECK(bw_plain_server_open(&world.loop, &config, &world.server, NULL) == BW_OK);
    }
    if (size == 0)
        return 0;
    world.how = data[0];
    run(data + 1, size - 1, SIZE_MAX);
    FUZZ_CHECK(world.sent_size == 0 || memcmp(world.sent, "HTTP/1.1 ", 9) == 0);
    FUZZ_CHECK(world.count == 0 || world.gone == 1 || memcmp(world.sent, "HTTP/1.1 200", 12) == 0);
    first_size = world.sent_size;
    memcpy(first, world.sent, first_size);
    run(data + 1, size - 1, 1);
    /* Of two reasons to refuse it, which is found first depends on how the bytes were cut. */
    if (world.sent_size > 0 && first_size > 0 && is_refusal(world.sent) && is_refusal(first))
        return 0;
    FUZZ_CHECK(world.sent_size == first_size && memcmp(world.sent, first, first_size) == 0);
    return 0;
}
