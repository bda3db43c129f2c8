/* relay.c - the network between agents and witnesses, as TCP forwarders in this process, so that it
 * can be cut without being root. */
#include "program.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <breakwater/base/assert.h>

#define BACKLOG         64
#define CHUNK_BYTES     16384
#define CONNECTIONS_MAX 256 /* of one relay */

struct connection;

/* One direction: what `from` sent and `to` has not taken yet. One chunk at a time, so that a slow
 * reader slows its writer down. */
struct flow {
    struct connection *connection;
    uv_tcp_t *from;
    uv_tcp_t *to;
    uv_write_t write;
    bool is_writing;
    char chunk[CHUNK_BYTES];
};

struct connection {
    struct bw_relay *relay;
    struct listener *listener;
    uv_tcp_t ends[2]; /* the agent's, the witness's */
    uint32_t open_count;
    uv_connect_t connect;
    bool is_connected;
    bool is_closing;
    struct flow flows[2];
    struct connection *next;
};

struct listener {
    struct bw_relay *relay;
    uv_tcp_t tcp;
    uint32_t door;
    uint16_t witness_port;
    uint32_t waiting; /* connections that were not accepted, being cut */
};

struct bw_relay {
    struct bw_dev *dev;
    struct listener listeners[BW_DEV_RELAY_DOORS * BW_LAB_WITNESSES];
    uint32_t listener_count;
    struct connection *connections;
    uint32_t connection_count;
    bool is_cut[BW_DEV_RELAY_DOORS];
    bool is_closing;
    uint32_t handle_count; /* of the loop, not yet closed */
};

static void free_when_empty(struct bw_relay *relay)
{
    if (relay->is_closing && relay->handle_count == 0)
        free(relay);
}

/* ---- a connection ---------------------------------------------------------------------------- */

static void unlink_connection(struct connection *connection)
{
    struct connection **link = &connection->relay->connections;

    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    connection->relay->connection_count--;
}

static void on_end_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct bw_relay *relay = connection->relay;

    relay->handle_count--;
    if (--connection->open_count > 0)
        return;
    unlink_connection(connection);
    free(connection);
    free_when_empty(relay);
}

static void close_connection(struct connection *connection)
{
    if (connection->is_closing)
        return;
    connection->is_closing = true;
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&connection->ends[i], on_end_closed);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    struct connection *connection = handle->data;
    struct flow *flow = &connection->flows[handle == (uv_handle_t *)&connection->ends[1]];

    (void)suggested;
    *out_buffer = uv_buf_init(flow->chunk, sizeof flow->chunk);
}

static void read_on(struct flow *flow);

static void on_written(uv_write_t *request, int status)
{
    struct flow *flow = request->data;

    flow->is_writing = false;
    if (status != 0)
        close_connection(flow->connection);
    else
        read_on(flow);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    struct flow *flow = &connection->flows[stream == (uv_stream_t *)&connection->ends[1]];
    uv_buf_t chunk;

    if (count == 0)
        return; /* nothing, and nothing wrong */
    if (count < 0) {
        close_connection(connection);
        return;
    }
    (void)uv_read_stop(stream); /* always 0 */
    chunk = uv_buf_init(buffer->base, (unsigned)count);
    flow->is_writing = true;
    if (uv_write(&flow->write, (uv_stream_t *)flow->to, &chunk, 1, on_written) != 0)
        close_connection(connection);
}

static bool is_cut(const struct connection *connection)
{
    return connection->relay->is_cut[connection->listener->door];
}

static void read_on(struct flow *flow)
{
    struct connection *connection = flow->connection;

    if (connection->is_closing || !connection->is_connected || flow->is_writing ||
        is_cut(connection))
        return;
    if (uv_read_start((uv_stream_t *)flow->from, allocate, on_read) != 0)
        close_connection(connection);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct connection *connection = request->data;

    if (connection->is_closing)
        return;
    if (status != 0) {
        close_connection(connection);
        return;
    }
    connection->is_connected = true;
    for (int i = 0; i < 2; i++)
        read_on(&connection->flows[i]);
}

static void init_flows(struct connection *connection)
{
    for (int i = 0; i < 2; i++) {
        struct flow *flow = &connection->flows[i];

        flow->connection = connection;
        flow->from = &connection->ends[i];
        flow->to = &connection->ends[1 - i];
        flow->write.data = flow;
    }
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

/* Accepts one that waits. */
static void forward(struct listener *listener)
{
    struct bw_relay *relay = listener->relay;
    struct connection *connection = calloc(1, sizeof *connection);
    const struct sockaddr_in witness = loopback(listener->witness_port);

    if (connection == NULL)
        return; /* it waits until the next one comes */
    *connection = (struct connection){.relay = relay, .listener = listener, .open_count = 2};
    init_flows(connection);
    for (int i = 0; i < 2; i++) {
        BW_ASSERT(uv_tcp_init(&relay->dev->loop, &connection->ends[i]) == 0); /* makes no socket */
        connection->ends[i].data = connection;
        relay->handle_count++;
    }
    connection->connect.data = connection;
    connection->next = relay->connections;
    relay->connections = connection;
    relay->connection_count++;
    if (uv_accept((uv_stream_t *)&listener->tcp, (uv_stream_t *)&connection->ends[0]) != 0 ||
        relay->connection_count > CONNECTIONS_MAX ||
        uv_tcp_connect(&connection->connect, &connection->ends[1],
                       (const struct sockaddr *)&witness, on_connected) != 0)
        close_connection(connection);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;

    if (status != 0)
        return; /* it went away before it was accepted */
    if (listener->relay->is_cut[listener->door])
        listener->waiting++; /* the kernel has answered it, nobody else does */
    else
        forward(listener);
}

/* ---- the relay ------------------------------------------------------------------------------- */

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    listener->relay->handle_count--;
    free_when_empty(listener->relay);
}

static enum bw_err listen_on(struct bw_relay *relay, uint32_t door, uint16_t witness_port,
                             uint16_t *out_port, struct bw_diag *diag)
{
    struct listener *listener = &relay->listeners[relay->listener_count];
    struct sockaddr_in address = loopback(0);
    int length = sizeof address;
    int err;

    *listener = (struct listener){.relay = relay, .door = door, .witness_port = witness_port};
    BW_ASSERT(uv_tcp_init(&relay->dev->loop, &listener->tcp) == 0); /* makes no socket */
    listener->tcp.data = listener;
    relay->listener_count++;
    relay->handle_count++;
    err = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)&address, 0);
    if (err == 0)
        err = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    if (err == 0)
        err = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&address, &length);
    if (err != 0)
        return bw_diag_set(diag, BW_ERR_IO, "listen on loopback: %s", uv_strerror(err));
    *out_port = ntohs(address.sin_port);
    return BW_OK;
}

enum bw_err bw_relay_open(struct bw_dev *dev, struct bw_diag *diag)
{
    struct bw_relay *relay = calloc(1, sizeof *relay);
    enum bw_err err = BW_OK;

    if (relay == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "relay: out of memory");
    relay->dev = dev;
    dev->relay = relay;
    for (uint32_t door = 0; door < BW_DEV_RELAY_DOORS && err == BW_OK; door++)
        for (uint32_t i = 0; i < BW_LAB_WITNESSES && err == BW_OK; i++)
            err = listen_on(relay, door, dev->plan.witnesses[i].api_port, &dev->relay_ports[door][i], diag);
    return err;
}

/* libuv tells of the next connection only after the last one was accepted. */
static void heal(struct bw_relay *relay, uint32_t door)
{
    for (uint32_t i = 0; i < relay->listener_count; i++) {
        struct listener *listener = &relay->listeners[i];

        for (; listener->door == door && listener->waiting > 0; listener->waiting--)
            forward(listener);
    }
}

void bw_relay_cut(struct bw_dev *dev, uint32_t door, bool is_cut_now)
{
    struct bw_relay *relay = dev->relay;

    BW_ASSERT(door < BW_DEV_RELAY_DOORS);
    relay->is_cut[door] = is_cut_now;
    for (struct connection *at = relay->connections; at != NULL; at = at->next) {
        if (at->listener->door != door || at->is_closing)
            continue;
        for (int i = 0; i < 2; i++)
            if (is_cut_now)
                (void)uv_read_stop((uv_stream_t *)&at->ends[i]); /* always 0 */
            else
                read_on(&at->flows[i]);
    }
    if (!is_cut_now)
        heal(relay, door);
}

void bw_relay_close(struct bw_dev *dev)
{
    struct bw_relay *relay = dev->relay;

    if (relay == NULL)
        return;
    dev->relay = NULL;
    relay->is_closing = true;
    for (struct connection *at = relay->connections; at != NULL; at = at->next)
        close_connection(at);
    for (uint32_t i = 0; i < relay->listener_count; i++)
        uv_close((uv_handle_t *)&relay->listeners[i].tcp, on_listener_closed);
    free_when_empty(relay);
}
