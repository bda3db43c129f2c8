#include "test_witness.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

#include "janitor.h"
#include "patience.h"

/* ---- a link: hello and answer ----------------------------------------------------------------- */

#define GREETING_BYTES BW_HELLO_BYTES
#define QUEUE_BYTES    (256 * 1024)
#define THIN_TURN_MS   100 /* a thin line gives what it has so often */
#define THIN_WITNESS   3
#define NARROW_BYTES   4096 /* received beyond what the line gives */
#define SEGMENT_BYTES  1024 /* a segment fits in NARROW_BYTES; loopback's 64 KiB would not, and TCP would back off */

struct test_link {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_timer_t turn; /* of a thin line */
    unsigned handles; /* not yet closed */
    struct test_witness *witness;
    struct test_link *next, **previous;
    struct bw_link_sink sink; /* events NULL: not adopted yet */
    uint64_t peer; /* dialed */
    uint8_t greeting[GREETING_BYTES];
    size_t greeted;
    bool is_dialed, is_ready, is_paused, is_closing;
    char buffer[16384];
};

struct link_write {
    uv_write_t request;
    char data[];
};

static struct test_link *link_of(struct bw_link *link)
{
    return (struct test_link *)link;
}

static void on_link_gone(uv_handle_t *handle)
{
    struct test_link *link = handle->data;
    struct bw_link_sink sink = link->sink;

    if (--link->handles > 0)
        return;
    *link->previous = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    link->witness->open_handles--;
    free(link);
    if (sink.events != NULL)
        sink.events->on_closed(sink.user);
}

static void link_close(struct bw_link *opaque)
{
    struct test_link *link = link_of(opaque);

    if (link->is_closing)
        return;
    link->is_closing = true;
    uv_close((uv_handle_t *)&link->tcp, on_link_gone);
    uv_close((uv_handle_t *)&link->turn, on_link_gone);
}

static size_t link_waiting_bytes(const struct bw_link *opaque)
{
    const struct test_link *link = (const struct test_link *)opaque;
    uv_os_fd_t fd;
    int bytes = 0;

    if (uv_fileno((const uv_handle_t *)&link->tcp, &fd) != 0 || ioctl(fd, SIOCOUTQ, &bytes) != 0)
        bytes = 0;
    return uv_stream_get_write_queue_size((const uv_stream_t *)&link->tcp) + (size_t)bytes;
}

static size_t link_writable_bytes(const struct bw_link *opaque)
{
    const struct test_link *link = (const struct test_link *)opaque;
    size_t queued = uv_stream_get_write_queue_size((const uv_stream_t *)&link->tcp);

    return queued < QUEUE_BYTES ? QUEUE_BYTES - queued : 0;
}

static void on_link_written(uv_write_t *request, int status)
{
    struct test_link *link = request->handle->data;

    free(request);
    if (link->is_closing)
        return;
    if (status != 0)
        link_close((struct bw_link *)link);
    else if (link->sink.events != NULL &&
             uv_stream_get_write_queue_size((uv_stream_t *)&link->tcp) == 0)
        link->sink.events->on_drained(link->sink.user);
}

static enum bw_err link_write(struct bw_link *opaque, const uint8_t *data, size_t size)
{
    struct test_link *link = link_of(opaque);
    struct link_write *write = malloc(sizeof *write + size);
    uv_buf_t buffer;

    if (write == NULL || link->is_closing) {
        free(write);
        return BW_ERR_IO;
    }
    memcpy(write->data, data, size);
    buffer = uv_buf_init(write->data, (unsigned)size);
    if (uv_write(&write->request, (uv_stream_t *)&link->tcp, &buffer, 1, on_link_written) == 0)
        return BW_OK;
    free(write);
    return BW_ERR_IO;
}

static bool is_thin(const struct test_link *link)
{
    return link->witness->cluster->thin_bytes_s > 0 && link->witness->id == THIN_WITNESS && !link->is_dialed;
}

static void link_resume(struct bw_link *opaque);

static void on_thin_turn(uv_timer_t *timer)
{
    struct test_link *link = timer->data;

    if (!link->is_paused)
        link_resume((struct bw_link *)link);
}

static void narrow(struct test_link *link)
{
    int bytes = NARROW_BYTES;

    BW_ASSERT(uv_recv_buffer_size((uv_handle_t *)&link->tcp, &bytes) == 0);
}

/* The rest waits, most of it at the sender. */
static void rest(struct test_link *link)
{
    (void)uv_read_stop((uv_stream_t *)&link->tcp);
    BW_ASSERT(uv_timer_start(&link->turn, on_thin_turn, THIN_TURN_MS, 0) == 0);
}

static void on_link_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    struct test_link *link = handle->data;

    (void)suggested;
    *out_buffer = uv_buf_init(link->buffer, is_thin(link) ? link->witness->cluster->thin_bytes_s * THIN_TURN_MS / 1000
                                                          : sizeof link->buffer);
}

/* The acceptor has the whole greeting: it says who dialed. */
static void adopt(struct test_link *link)
{
    uint8_t answer[BW_HELLO_BYTES];
    struct bw_hello hello;
    bool is_ask;

    link->is_ready = true;
    if (link->witness->node == NULL || !bw_hello_decode(link->greeting, &hello) ||
        bw_node_hear_hello(link->witness->node, hello.from, 1, link->greeting, &is_ask, answer, NULL) !=
            BW_OK)
        link_close((struct bw_link *)link);
    else if (bw_transport_accept(link->witness->transport, hello.from, (struct bw_link *)link,
                                 &link->sink) != BW_OK ||
             link_write((struct bw_link *)link, answer, sizeof answer) != BW_OK)
        link_close((struct bw_link *)link);
}

static void take_answer(struct test_link *link)
{
    link->is_ready = true;
    if (link->witness->node == NULL ||
        bw_node_hear_answer(link->witness->node, link->peer, link->greeting, NULL) != BW_OK)
        link_close((struct bw_link *)link);
    else
        link->sink.events->on_ready(link->sink.user);
}

static void on_link_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct test_link *link = stream->data;
    size_t size = (size_t)got;
    const char *data = buffer->base;

    if (got < 0) {
        link_close((struct bw_link *)link);
        return;
    }
    while (size > 0 && !link->is_ready && !link->is_closing) {
        size--;
        link->greeting[link->greeted++] = (uint8_t)*data++;
        if (link->greeted < GREETING_BYTES)
            continue;
        if (link->is_dialed)
            take_answer(link);
        else
            adopt(link);
    }
    if (is_thin(link) && !link->is_closing)
        rest(link);
    if (size > 0 && !link->is_closing)
        link->sink.events->on_data(link->sink.user, (const uint8_t *)data, size);
}

static void link_pause(struct bw_link *opaque)
{
    link_of(opaque)->is_paused = true;
    (void)uv_read_stop((uv_stream_t *)&link_of(opaque)->tcp);
}

static void link_resume(struct bw_link *opaque)
{
    link_of(opaque)->is_paused = false;
    BW_ASSERT(uv_read_start((uv_stream_t *)&link_of(opaque)->tcp, on_link_alloc, on_link_read) ==
              0);
}

static struct test_link *new_link(struct test_witness *witness)
{
    struct test_link *link = calloc(1, sizeof *link);

    BW_ASSERT(link != NULL);
    link->witness = witness;
    BW_ASSERT(uv_tcp_init(witness->loop, &link->tcp) == 0);
    link->tcp.data = link;
    BW_ASSERT(uv_timer_init(witness->loop, &link->turn) == 0);
    link->turn.data = link;
    link->handles = 2;
    link->connect.data = link;
    witness->open_handles++;
    link->next = witness->links;
    link->previous = &witness->links;
    if (link->next != NULL)
        link->next->previous = &link->next;
    witness->links = link;
    return link;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct test_link *link = request->data;
    uint8_t greeting[GREETING_BYTES];

    if (link->is_closing)
        return;
    bw_node_say_hello(link->witness->node, link->peer, greeting);
    (void)uv_tcp_nodelay(&link->tcp, 1);
    if (status != 0 || link_write((struct bw_link *)link, greeting, sizeof greeting) != BW_OK) {
        link_close((struct bw_link *)link);
        return;
    }
    link_resume((struct bw_link *)link);
}

static struct bw_link *link_dial(void *user, uint64_t peer, struct bw_link_sink sink)
{
    struct test_witness *witness = user;
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct test_link *link = new_link(witness);

    BW_ASSERT(peer >= 1 && peer <= TEST_WITNESSES);
    address.sin_port = htons(witness->cluster->ports[peer - 1]);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    link->sink = sink;
    link->peer = peer;
    link->is_dialed = true;
    if (uv_tcp_connect(&link->connect, &link->tcp, (struct sockaddr *)&address, on_connected) !=
        0) {
        link->sink.events = NULL;
        link_close((struct bw_link *)link);
        return NULL;
    }
    return (struct bw_link *)link;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct test_witness *witness = listener->data;
    struct test_link *link;

    if (status != 0)
        return;
    link = new_link(witness);
    if (uv_accept(listener, (uv_stream_t *)&link->tcp) != 0) {
        link_close((struct bw_link *)link);
        return;
    }
    (void)uv_tcp_nodelay(&link->tcp, 1);
    if (is_thin(link))
        narrow(link);
    link_resume((struct bw_link *)link);
}

static const struct bw_link_ops link_ops = {.dial = link_dial,
                                            .write = link_write,
                                            .writable_bytes = link_writable_bytes,
                                            .waiting_bytes = link_waiting_bytes,
                                            .pause = link_pause,
                                            .resume = link_resume,
                                            .close = link_close};

/* ---- the state machine ----------------------------------------------------------------------- */

static enum bw_err fsm_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data,
                             size_t size, struct bw_diag *diag)
{
    struct test_witness *witness = user;
    struct test_state *state = &witness->state;
    uint64_t id;

    if (witness->apply_answer != BW_OK)
        return bw_diag_set(diag, witness->apply_answer, "command of a type from tomorrow");
    BW_ASSERT(size >= 8);
    BW_ASSERT(index > state->last_index && term >= state->last_term);
    id = bw_get_u64le(data);
    state->last_index = index;
    state->last_term = term;
    state->count++;
    state->hash = ((state->hash ^ id) * UINT64_C(1099511628211)) ^ index;
    if (id < TEST_IDS_MAX)
        state->seen[id / 8] |= (uint8_t)(1u << id % 8);
    return BW_OK;
}

static enum bw_err fsm_snapshot(void *user, uint8_t **out_data, size_t *out_size)
{
    struct test_witness *witness = user;
    uint8_t *data = malloc(sizeof witness->state);

    if (data == NULL)
        return BW_ERR_NOMEM;
    memcpy(data, &witness->state, sizeof witness->state);
    witness->snapshots++;
    *out_data = data;
    *out_size = sizeof witness->state;
    return BW_OK;
}

static enum bw_err fsm_restore(void *user, const uint8_t *data, size_t size, struct bw_diag *diag)
{
    struct test_witness *witness = user;

    if (size != sizeof witness->state)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "state of another size");
    memcpy(&witness->state, data, size);
    witness->restores++;
    return BW_OK;
}

bool test_state_has(const struct test_state *state, uint64_t id)
{
    return (state->seen[id / 8] >> id % 8 & 1) != 0;
}

/* ---- events ---------------------------------------------------------------------------------- */

static void on_role(void *user, enum bw_node_role role, uint64_t term)
{
    struct test_witness *witness = user;

    BW_ASSERT(term >= witness->term);
    witness->role = role;
    witness->term = term;
    witness->role_count++;
}

static void on_ready_to_lead(void *user, uint64_t term)
{
    struct test_witness *witness = user;
    struct bw_node_status status;

    BW_ASSERT(witness->role == BW_NODE_LEADER && witness->term == term);
    BW_ASSERT(witness->ready_term < term);
    BW_ASSERT(bw_node_is_ready(witness->node));
    bw_node_get_status(witness->node, &status);
    witness->ready_commit = status.commit_index;
    witness->ready_term = term;
    witness->ready_count++;
}

static void on_peer_behind(void *user, uint64_t peer, uint64_t match, uint64_t commit)
{
    struct test_witness *witness = user;

    BW_ASSERT(match < commit);
    witness->behind = peer;
}

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    struct test_witness *witness = user;

    witness->stops++;
    witness->why = why;
    (void)snprintf(witness->message, sizeof witness->message, "%s", message);
    if (witness->exits_on_stop) {
        (void)fprintf(stderr, "witness %d: %s\n", (int)witness->id, message);
        _exit((int)why);
    }
}

static bool on_say(void *user, uint64_t to, const uint8_t words[BW_HELLO_BYTES])
{
    struct test_witness *witness = user;
    struct bw_hello hello;

    BW_ASSERT(bw_hello_decode(words, &hello) && hello.word == BW_HELLO_TERM && hello.from == witness->id);
    return witness->say != NULL && witness->say(witness, to, &hello.term);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_listener_closed(uv_handle_t *handle)
{
    struct test_witness *witness = handle->data;

    witness->open_handles--;
}

static void on_node_closed(void *user)
{
    struct test_witness *witness = user;

    witness->node = NULL;
}

static void close_rest(struct test_witness *witness)
{
    for (struct test_link *link = witness->links; link != NULL; link = link->next)
        link_close((struct bw_link *)link);
    if (!uv_is_closing((uv_handle_t *)&witness->listener))
        uv_close((uv_handle_t *)&witness->listener, on_listener_closed);
}

void test_witness_stop(struct test_witness *witness)
{
    if (witness->transport == NULL)
        return;
    if (witness->node != NULL)
        bw_node_close(witness->node, on_node_closed, witness);
    close_rest(witness);
    while (witness->node != NULL || witness->open_handles > 0) {
        (void)uv_run(witness->loop, UV_RUN_ONCE);
        close_rest(witness);
    }
    bw_transport_free(witness->transport);
    witness->transport = NULL;
}

void test_witnesses_found(struct test_witness witnesses[TEST_WITNESSES], struct test_cluster *cluster, uv_loop_t *loop)
{
    test_cluster_init(cluster);
    memset(witnesses, 0, TEST_WITNESSES * sizeof *witnesses);
    BW_ASSERT(uv_loop_init(loop) == 0);
    for (uint64_t id = 1; id <= TEST_WITNESSES; id++)
        BW_ASSERT(test_cluster_found(cluster, id, NULL) == BW_OK);
}

void test_witnesses_end(struct test_witness witnesses[TEST_WITNESSES], struct test_cluster *cluster, uv_loop_t *loop)
{
    for (int i = 0; i < TEST_WITNESSES; i++)
        test_witness_stop(&witnesses[i]);
    while (uv_run(loop, UV_RUN_NOWAIT) != 0)
        continue;
    BW_ASSERT(uv_loop_close(loop) == 0);
    test_cluster_deinit(cluster);
}

static void listen_on(struct test_witness *witness)
{
    int fd = dup(witness->cluster->listeners[witness->id - 1]);

    BW_ASSERT(fd >= 0);
    BW_ASSERT(uv_tcp_init(witness->loop, &witness->listener) == 0);
    BW_ASSERT(uv_tcp_open(&witness->listener, fd) == 0);
    BW_ASSERT(uv_listen((uv_stream_t *)&witness->listener, 16, on_connection) == 0);
    witness->listener.data = witness;
    witness->open_handles++;
}

enum bw_err test_witness_start(struct test_witness *witness, struct test_cluster *cluster,
                               uint64_t id, uv_loop_t *loop, struct bw_diag *diag)
{
    char path[128];
    struct bw_node_config config = {
        .loop = loop,
        .data_dir = path,
        .cluster = "test",
        .witness_id = id,
        .election_timeout_ms = cluster->election_ms,
        .heartbeat_ms = cluster->heartbeat_ms,
        .snapshot_threshold = cluster->snapshot_threshold,
        .snapshot_trailing = cluster->snapshot_trailing,
        .fsm = {.apply = fsm_apply, .snapshot = fsm_snapshot, .restore = fsm_restore},
        .events = {.on_role = on_role,
                   .on_ready_to_lead = on_ready_to_lead,
                   .on_peer_behind = on_peer_behind},
        .say = on_say,
        .stop = on_stop,
        .user = witness};
    const struct test_witness before = {
        .exits_on_stop = witness->exits_on_stop, .apply_answer = witness->apply_answer, .say = witness->say};
    enum bw_err err;

    *witness = before;
    witness->cluster = cluster;
    witness->loop = loop;
    witness->id = id;
    (void)signal(SIGPIPE, SIG_IGN);
    test_cluster_path(cluster, id, path);
    config.transport = witness->transport = bw_transport_new(loop, &link_ops, witness);
    BW_ASSERT(witness->transport != NULL);
    listen_on(witness);
    err = bw_node_open(&config, &witness->node, diag);
    if (err == BW_OK)
        err = bw_node_start(witness->node, diag);
    if (err != BW_OK)
        test_witness_stop(witness);
    return err;
}

uint64_t test_witness_term(const struct bw_raft_node *node)
{
    struct bw_node_status status;

    bw_node_get_status(node, &status);
    return status.term;
}

enum bw_err test_witness_submit(struct test_witness *witness, uint64_t id, bw_node_done_fn on_done,
                                void *user)
{
    uint8_t command[13] = {0}; /* no multiple of 8 */

    bw_put_u64le(command, id);
    return bw_node_apply(witness->node, command, sizeof command, on_done, user);
}

/* ---- the cluster ----------------------------------------------------------------------------- */

static int listen_anywhere(uint16_t *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BW_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    BW_ASSERT(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &(int){SEGMENT_BYTES}, sizeof(int)) == 0);
    BW_ASSERT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

void test_cluster_init(struct test_cluster *cluster)
{
    *cluster = (struct test_cluster){
        .dir = "/tmp/bw-consensus-XXXXXX", .election_ms = 2000, .heartbeat_ms = 100};
    BW_ASSERT(mkdtemp(cluster->dir) != NULL);
    janitor_add_dir(cluster->dir);
    for (int i = 0; i < TEST_WITNESSES; i++)
        cluster->listeners[i] = listen_anywhere(&cluster->ports[i]);
}

void test_cluster_deinit(struct test_cluster *cluster)
{
    for (int i = 0; i < TEST_WITNESSES; i++)
        (void)close(cluster->listeners[i]);
    janitor_remove_dir(cluster->dir);
    janitor_forget(cluster->dir);
}

void test_cluster_path(const struct test_cluster *cluster, uint64_t id, char out_path[128])
{
    (void)snprintf(out_path, 128, "%s/w%d", cluster->dir, (int)id);
}

static enum bw_err found(const struct test_cluster *cluster, uint64_t id, uint8_t incarnation,
                         bool is_founder, struct bw_diag *diag)
{
    char path[128];
    struct bw_node_founding founding = {.data_dir = path,
                                        .identity = {.cluster_id = {{1, 2, 3}},
                                                     .cluster = "test",
                                                     .witness_id = id,
                                                     .election_timeout_ms = cluster->election_ms,
                                                     .incarnation = {{incarnation, (uint8_t)id}},
                                                     .origin = is_founder ? BW_ROLL_FOUNDER : BW_ROLL_FOUNDING},
                                        .member_ids = {1, 2, 3},
                                        .member_count = TEST_WITNESSES};

    test_cluster_path(cluster, id, path);
    return bw_node_bootstrap(&founding, diag);
}

enum bw_err test_cluster_found(const struct test_cluster *cluster, uint64_t id,
                               struct bw_diag *diag)
{
    return found(cluster, id, 1, id == 1, diag);
}

enum bw_err test_cluster_found_alone(const struct test_cluster *cluster, struct bw_diag *diag)
{
    struct bw_node_founding founding = {.identity = {.cluster_id = {{1}},
                                                     .cluster = "test",
                                                     .witness_id = 1,
                                                     .incarnation = {{9}},
                                                     .origin = BW_ROLL_FOUNDER,
                                                     .election_timeout_ms = cluster->election_ms},
                                        .member_ids = {1},
                                        .member_count = 1};
    char path[128];

    test_cluster_path(cluster, 1, path);
    founding.data_dir = path;
    return bw_node_bootstrap(&founding, diag);
}

void test_cluster_wipe(const struct test_cluster *cluster, uint64_t id)
{
    char path[128];

    test_cluster_path(cluster, id, path);
    janitor_remove_dir(path);
    BW_ASSERT(found(cluster, id, 2, false, NULL) == BW_OK);
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer; /* only turns the loop */
}

static void on_beat_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

/* Runs the loop until `is_met`, or until `has_to_end`. Returns whether it is met. */
static bool run_loop(uv_loop_t *loop, bool (*is_met)(void *user), void *user, bool (*has_to_end)(void *bound),
                     void *bound)
{
    bool is_closed = false;
    uv_timer_t beat;
    bool met;

    BW_ASSERT(uv_timer_init(loop, &beat) == 0);
    BW_ASSERT(uv_timer_start(&beat, on_beat, 5, 5) == 0);
    beat.data = &is_closed;
    while (!(met = is_met(user)) && !has_to_end(bound))
        (void)uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&beat, on_beat_closed);
    while (!is_closed)
        (void)uv_run(loop, UV_RUN_ONCE);
    return met;
}

static bool patience_ends(void *bound)
{
    return patience_is_over(bound);
}

void test_run_until(uv_loop_t *loop, bool (*is_met)(void *user), void *user, unsigned limit_ms,
                    const char *what)
{
    struct patience patience = patience_begin(limit_ms);

    if (!run_loop(loop, is_met, user, patience_ends, &patience))
        patience_fail("%s", what);
}

static bool is_after(void *bound)
{
    return uv_hrtime() >= *(const uint64_t *)bound;
}

bool test_run_for(uv_loop_t *loop, bool (*is_met)(void *user), void *user, unsigned ms)
{
    uint64_t end = uv_hrtime() + UINT64_C(1000000) * ms;

    return run_loop(loop, is_met, user, is_after, &end);
}
