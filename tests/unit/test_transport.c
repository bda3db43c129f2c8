/* transport: between a scripted link and a stand-in for libraft, on a real loop. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <raft.h>
#include <raft/uv.h>

#include <breakwater/consensus/transport.h>

/* The link: what the test says it can take, and what it was given. on_closed comes a turn later. */
struct bw_link {
    struct bw_link_sink sink;
    uv_idle_t later;
    size_t room;
    size_t written;
    bool is_paused, is_closed, is_gone;
};

static struct {
    uv_loop_t loop;
    struct bw_transport *transport;
    struct raft_uv_transport *raft;
    struct bw_link links[4];
    unsigned dials, refuse_dials;
    uint64_t dialed;
    struct raft_uv_connect request;
    /* libraft's side */
    uv_stream_t *stream, *older_stream;
    int status;
    unsigned connects, accepts, stream_ends;
    raft_id accepted_id;
    char address[32];
    size_t received;
    bool is_closed;
    char buffer[65536];
} world;

static void on_later_closed(uv_handle_t *handle)
{
    struct bw_link *link = handle->data;

    link->is_gone = true;
    link->sink.events->on_closed(link->sink.user);
}

static void on_later(uv_idle_t *idle)
{
    uv_close((uv_handle_t *)idle, on_later_closed);
}

static void link_close(struct bw_link *link)
{
    if (link->is_closed)
        return;
    link->is_closed = true;
    assert_int_equal(uv_idle_init(&world.loop, &link->later), 0);
    link->later.data = link;
    assert_int_equal(uv_idle_start(&link->later, on_later), 0);
}

static struct bw_link *link_dial(void *user, uint64_t peer, struct bw_link_sink sink)
{
    struct bw_link *link = &world.links[world.dials];

    assert_ptr_equal(user, &world);
    if (world.refuse_dials > 0)
        return NULL;
    world.dials++;
    world.dialed = peer;
    link->sink = sink;
    link->room = 100000;
    return link;
}

static enum bw_err link_write(struct bw_link *link, const uint8_t *data, size_t size)
{
    (void)data;
    assert_true(size <= link->room);
    link->room -= size;
    link->written += size;
    return BW_OK;
}

static size_t link_writable_bytes(const struct bw_link *link)
{
    return link->room;
}

static void link_pause(struct bw_link *link)
{
    assert_false(link->is_paused);
    link->is_paused = true;
}

static void link_resume(struct bw_link *link)
{
    assert_true(link->is_paused);
    link->is_paused = false;
}

static const struct bw_link_ops ops = {.dial = link_dial,
                                       .write = link_write,
                                       .writable_bytes = link_writable_bytes,
                                       .pause = link_pause,
                                       .resume = link_resume,
                                       .close = link_close};

static void free_stream(uv_handle_t *handle)
{
    raft_free(handle);
}

static void on_connect(struct raft_uv_connect *request, struct uv_stream_s *stream, int status)
{
    assert_ptr_equal(request, &world.request);
    world.connects++;
    world.status = status;
    world.stream = stream;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    (void)handle, (void)suggested;
    *out_buffer = uv_buf_init(world.buffer, sizeof world.buffer);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    if (size > 0)
        world.received += (size_t)size;
    if (size < 0) {
        world.stream_ends++;
        assert_int_equal(uv_read_stop(stream), 0);
    }
}

static void on_accept(struct raft_uv_transport *raft, raft_id id, const char *address,
                      struct uv_stream_s *stream)
{
    assert_ptr_equal(raft, world.raft);
    world.accepts++;
    world.accepted_id = id;
    (void)strncpy(world.address, address, sizeof world.address - 1);
    world.older_stream = world.stream;
    world.stream = stream;
}

static void on_transport_closed(struct raft_uv_transport *raft)
{
    (void)raft;
    world.is_closed = true;
}

static void turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)uv_run(&world.loop, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    assert_int_equal(uv_loop_init(&world.loop), 0);
    world.transport = bw_transport_new(&world.loop, &ops, &world);
    world.raft = bw_transport_raft(world.transport);
    assert_int_equal(world.raft->init(world.raft, 1, "1"), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world.raft->close(world.raft, on_transport_closed);
    if (world.stream != NULL)
        uv_close((uv_handle_t *)world.stream, free_stream);
    if (world.older_stream != NULL)
        uv_close((uv_handle_t *)world.older_stream, free_stream);
    while (uv_run(&world.loop, UV_RUN_DEFAULT) != 0)
        continue;
    assert_true(world.is_closed);
    bw_transport_free(world.transport);
    assert_int_equal(uv_loop_close(&world.loop), 0);
    return 0;
}

static struct bw_link *dial(void)
{
    assert_int_equal(world.raft->connect(world.raft, &world.request, 2, "2", on_connect), 0);
    return &world.links[world.dials - 1];
}

static struct bw_link *accept_from(uint64_t peer, unsigned number)
{
    struct bw_link *link = &world.links[number];

    link->room = 100000;
    assert_int_equal(bw_transport_accept(world.transport, peer, link, &link->sink), BW_OK);
    return link;
}

static void write_to_stream(size_t size)
{
    static char data[300000];
    uv_buf_t buffer = uv_buf_init(data, (unsigned)size);

    assert_int_equal(uv_try_write(world.stream, &buffer, 1), (int)size);
}

/* ---- the claims ------------------------------------------------------------------------------ */

static void a_dial_is_answered_when_the_link_is_ready_and_not_before(void **state)
{
    struct bw_link *link = dial();

    (void)state;
    turns(5);
    assert_int_equal(world.connects, 0);
    link->sink.events->on_ready(link->sink.user);

    assert_int_equal(world.dialed, 2);
    assert_int_equal(world.connects, 1);
    assert_int_equal(world.status, 0);
    write_to_stream(1000);
    turns(5);
    assert_int_equal(link->written, 1000);
}

static void a_dial_that_cannot_begin_or_fails_says_so_once(void **state)
{
    struct bw_link *link;

    (void)state;
    world.refuse_dials = 1;
    assert_int_equal(world.raft->connect(world.raft, &world.request, 2, "2", on_connect),
                     RAFT_NOCONNECTION);
    world.refuse_dials = 0;
    link = dial();
    link_close(link);
    turns(10);

    assert_int_equal(world.connects, 1);
    assert_int_equal(world.status, RAFT_NOCONNECTION);
}

static void a_dial_that_nobody_answers_ends(void **state)
{
    struct bw_link *link = dial();
    uint64_t begin = uv_hrtime();

    (void)state;
    while (world.connects == 0)
        (void)uv_run(&world.loop, UV_RUN_ONCE);

    assert_int_equal(world.status, RAFT_NOCONNECTION);
    assert_true(link->is_gone);
    assert_true(uv_hrtime() - begin >= UINT64_C(900000) * BW_TRANSPORT_DIAL_MS);
}

static void a_dial_under_way_is_canceled_by_close(void **state)
{
    (void)state;
    (void)dial();
    world.raft->close(world.raft, on_transport_closed);
    assert_false(world.is_closed);
    while (!world.is_closed)
        (void)uv_run(&world.loop, UV_RUN_ONCE);

    assert_int_equal(world.connects, 1);
    assert_int_equal(world.status, RAFT_CANCELED);
    assert_int_equal(world.raft->connect(world.raft, &world.request, 2, "2", on_connect),
                     RAFT_NOCONNECTION);
}

static void a_link_takes_no_more_than_it_said(void **state)
{
    struct bw_link *link = dial();

    (void)state;
    link->room = 1500; /* link_write asserts it */
    link->sink.events->on_ready(link->sink.user);
    write_to_stream(4000);
    turns(10);
    assert_int_equal(link->written, 1500);
    link->room = 10000;
    link->sink.events->on_drained(link->sink.user);
    turns(10);
    assert_int_equal(link->written, 4000);
}

static void a_peer_that_speaks_on_a_dialed_link_is_cut_off(void **state)
{
    struct bw_link *link = dial();

    (void)state;
    link->sink.events->on_ready(link->sink.user);
    link->sink.events->on_data(link->sink.user, (const uint8_t *)"?", 1);

    assert_true(link->is_closed);
}

static void nothing_is_accepted_before_libraft_listens(void **state)
{
    struct bw_link *link = &world.links[0];

    (void)state;
    assert_int_equal(bw_transport_accept(world.transport, 2, link, &link->sink), BW_ERR_REFUSED);
    assert_false(link->is_closed);
}

static void an_accepted_link_brings_bytes_under_the_id_of_its_peer(void **state)
{
    struct bw_link *link;

    (void)state;
    assert_int_equal(world.raft->listen(world.raft, on_accept), 0);
    link = accept_from(3, 0);
    assert_int_equal(world.accepts, 1);
    assert_int_equal(world.accepted_id, 3);
    assert_string_equal(world.address, "3");
    assert_int_equal(uv_read_start(world.stream, on_alloc, on_read), 0);
    link->sink.events->on_data(link->sink.user, (const uint8_t *)"hello", 5);
    turns(5);
    assert_int_equal(world.received, 5);
    link_close(link);
    turns(10);
    assert_int_equal(world.stream_ends, 1);
}

static void a_reader_that_does_not_keep_up_pauses_the_link(void **state)
{
    static const uint8_t chunk[16384];
    struct bw_link *link;
    size_t given = 0;

    (void)state;
    assert_int_equal(world.raft->listen(world.raft, on_accept), 0);
    link = accept_from(3, 0);
    while (!link->is_paused && given < 16 * 1024 * 1024) {
        link->sink.events->on_data(link->sink.user, chunk, sizeof chunk);
        given += sizeof chunk;
    }
    assert_true(link->is_paused);
    assert_true(given < 2 * BW_TRANSPORT_QUEUE_BYTES_MAX + 512 * 1024); /* the kernel's share too */

    assert_int_equal(uv_read_start(world.stream, on_alloc, on_read), 0);
    while (world.received < given)
        (void)uv_run(&world.loop, UV_RUN_ONCE);
    turns(3);
    assert_false(link->is_paused);
}

static void a_newer_link_of_a_peer_replaces_the_older(void **state)
{
    struct bw_link *older, *newer;

    (void)state;
    assert_int_equal(world.raft->listen(world.raft, on_accept), 0);
    older = accept_from(3, 0);
    newer = accept_from(3, 1);
    turns(10);

    assert_true(older->is_gone);
    assert_false(newer->is_closed);
}

static void a_stream_that_libraft_closes_closes_its_link(void **state)
{
    struct bw_link *link = dial();

    (void)state;
    link->sink.events->on_ready(link->sink.user);
    uv_close((uv_handle_t *)world.stream, free_stream);
    world.stream = NULL;
    turns(10);

    assert_true(link->is_gone);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dial_is_answered_when_the_link_is_ready_and_not_before),
        TEST(a_dial_that_cannot_begin_or_fails_says_so_once),
        TEST(a_dial_that_nobody_answers_ends),
        TEST(a_dial_under_way_is_canceled_by_close),
        TEST(a_link_takes_no_more_than_it_said),
        TEST(a_peer_that_speaks_on_a_dialed_link_is_cut_off),
        TEST(nothing_is_accepted_before_libraft_listens),
        TEST(an_accepted_link_brings_bytes_under_the_id_of_its_peer),
        TEST(a_reader_that_does_not_keep_up_pauses_the_link),
        TEST(a_newer_link_of_a_peer_replaces_the_older),
        TEST(a_stream_that_libraft_closes_closes_its_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
