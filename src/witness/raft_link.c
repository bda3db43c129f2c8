/* raft_link.c - Raft's links are TLS streams; the peer's certificate says who is at the other end,
 * never the wire. Design 5.3; consensus/transport.h. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/consensus/raft_frames.h>
#include <breakwater/net/address.h>
#include <breakwater/net/tls_stream.h>

#define HANDSHAKE_MS    3000
#define DIAL_MS         2000 /* and HANDSHAKE_MS: within BW_TRANSPORT_DIAL_MS, which ends both */
#define USER_TIMEOUT_MS 3000
#define HELLO_MS        3000
#define LISTEN_BACKLOG  64
#define STRANGERS_MAX   32 /* accepted, and not yet known to be a peer */
#define ACCEPT_RETRY_MS 1000

struct link {
    struct bw_program *program;
    struct bw_tls_stream *stream;
    struct bw_link_sink sink;      /* events NULL: nobody hears of it (yet) */
    uint64_t peer;                 /* dialed: who must be there; 0: accepted */
    uint8_t hello[BW_HELLO_BYTES]; /* the other's first words */
    size_t hello_bytes;
    bool is_greeted;
    struct bw_raft_frames frames;  /* accepted: what came in */
    struct link *next, **previous; /* of the strangers; previous NULL: none of them */
};

struct bw_raft_links {
    struct bw_program *program;
    uv_tcp_t listener;
    uv_timer_t retry;
    struct ssl_ctx_st *server_context;
    struct ssl_ctx_st *client_context;
    struct link *strangers; /* newest first */
    unsigned stranger_count;
    bool is_closing;
};

static struct link *link_of(struct bw_link *link)
{
    return (struct link *)link;
}

static void forget_stranger(struct link *link)
{
    if (link->previous == NULL)
        return;
    *link->previous = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    link->previous = NULL;
    link->program->links->stranger_count--;
}

/* ---- who is there ---- */

static void refuse(struct link *link, const char *why)
{
    struct bw_program *program = link->program;
    uint64_t count = bw_summary_add(&program->peer_summary, &program->loop);

    program->counters.raft_peers_refused++;
    if (count > 0)
        bw_log_warn(&program->log, "raft.peer_refused",
                    "remote=%s dialed=%" PRIu64 " why=%s count=%" PRIu64,
                    bw_tls_stream_remote(link->stream), link->peer, bw_log_quote(why), count);
}

/* A member that talks nonsense is another matter than a stranger, and is not lost among them. */
static void refuse_message(struct link *link, const char *why)
{
    struct bw_program *program = link->program;
    uint64_t count = bw_summary_add(&program->message_summary, &program->loop);

    program->counters.raft_peers_refused++;
    if (count > 0)
        bw_log_error(&program->log, "raft.message_refused",
                     "peer=%s remote=%s why=%s action=%s count=%" PRIu64,
                     bw_tls_stream_peer(link->stream)->name, bw_tls_stream_remote(link->stream),
                     bw_log_quote(why), "\"closed its connection; look at that witness\"", count);
}

/* The configured member that the certificate names; NULL: none, or this witness itself. */
static const struct bw_witness_member_config *who_is(const struct link *link)
{
    const struct bw_program *program = link->program;
    const struct bw_identity *peer = bw_tls_stream_peer(link->stream);
    const struct bw_witness_member_config *member;

    if (peer == NULL || peer->role != BW_ROLE_WITNESS ||
        strcmp(peer->cluster, program->config->cluster) != 0)
        return NULL;
    member = bw_program_member_named(program, peer->name);
    return member == &program->config->witnesses[program->config->self] ? NULL : member;
}

/* Both ends say so: the log of the one that is at fault may be the one that is read. */
static void refuse_identity(struct link *link, const char *why)
{
    struct bw_program *program = link->program;
    uint64_t count = bw_summary_add(&program->identity_summary, &program->loop);

    program->counters.raft_peers_refused++;
    if (count > 0)
        bw_log_error(&program->log, "raft.witness_refused",
                     "peer=%s remote=%s why=%s count=%" PRIu64,
                     bw_tls_stream_peer(link->stream)->name, bw_tls_stream_remote(link->stream),
                     bw_log_quote(why), count);
}

static void adopt(struct link *link, const struct bw_witness_member_config *member)
{
    enum bw_err err;

    link->frames.peer = member->id;
    err = bw_transport_accept(link->program->transport, member->id, (struct bw_link *)link,
                              &link->sink);
    if (err != BW_OK)
        bw_tls_stream_close(link->stream, err, "this witness takes no peer now");
}

/* ---- the first words (consensus/hello.h) ---- */

/* What a welcome peer can: for who asks whether the feature level may be raised. */
static void note_level(struct link *link, const struct bw_witness_member_config *member)
{
    struct bw_program *program = link->program;
    struct bw_hello theirs;

    if (bw_hello_decode(link->hello, &theirs))
        program->witness_levels[member - program->config->witnesses] =
            theirs.feature_level < UINT32_MAX ? (uint32_t)theirs.feature_level : UINT32_MAX;
}

static void hear_hello(struct link *link)
{
    const struct bw_witness_member_config *member = who_is(link);
    uint8_t answer[BW_HELLO_BYTES];
    struct bw_diag diag = {0};
    bool is_ask = false;
    enum bw_err err;

    BW_ASSERT(member != NULL); /* since on_ready, and a reload changes no name */
    err = bw_node_hear_hello(link->program->node, member->id, link->hello, &is_ask, answer, &diag);
    forget_stranger(link);
    bw_tls_stream_set_deadline(link->stream, 0);
    if (err == BW_ERR_INVALID || err == BW_ERR_REFUSED)
        refuse_identity(link, diag.text);
    if (err == BW_ERR_INVALID ||
        bw_tls_stream_write(link->stream, answer, sizeof answer) != BW_OK)
        bw_tls_stream_close(link->stream, BW_ERR_INVALID, "no hello");
    else if (err != BW_OK || is_ask)
        bw_tls_stream_finish(link->stream);
    else {
        note_level(link, member);
        adopt(link, member);
    }
}

static void hear_answer(struct link *link)
{
    const struct bw_witness_member_config *member = bw_program_member(link->program, link->peer);
    struct bw_diag diag = {0};

    bw_tls_stream_set_deadline(link->stream, 0);
    if (bw_node_hear_answer(link->program->node, link->peer, link->hello, &diag) != BW_OK) {
        refuse_identity(link, diag.text);
        bw_tls_stream_close(link->stream, BW_ERR_REFUSED, diag.text);
        return;
    }
    if (member != NULL)
        note_level(link, member);
    if (link->sink.events != NULL)
        link->sink.events->on_ready(link->sink.user);
}

/* Takes what belongs to them; how much that was. */
static size_t gather_hello(struct link *link, const uint8_t *data, size_t size)
{
    const size_t missing = sizeof link->hello - link->hello_bytes;
    const size_t taken = size < missing ? size : missing;

    memcpy(link->hello + link->hello_bytes, data, taken);
    link->hello_bytes += taken;
    if (link->hello_bytes < sizeof link->hello)
        return taken;
    link->is_greeted = true;
    if (link->peer == 0)
        hear_hello(link);
    else
        hear_answer(link);
    return taken;
}

static void say_hello(struct link *link)
{
    uint8_t hello[BW_HELLO_BYTES];

    bw_node_say_hello(link->program->node, link->peer, hello);
    if (bw_tls_stream_write(link->stream, hello, sizeof hello) != BW_OK)
        bw_tls_stream_close(link->stream, BW_ERR_IO, "its hello could not be sent");
}

static void on_ready(struct bw_tls_stream *stream, void *user)
{
    struct link *link = user;
    const struct bw_witness_member_config *member = who_is(link);

    bw_tls_stream_set_deadline(stream, HELLO_MS);
    if (member == NULL)
        bw_tls_stream_close(stream, BW_ERR_AUTH, "its certificate is of no other member");
    else if (link->peer != 0 && member->id != link->peer)
        bw_tls_stream_close(stream, BW_ERR_AUTH, "its certificate is another member's");
    else if (link->peer != 0)
        say_hello(link);
}

/* ---- what passes ---- */

static void on_data(struct bw_tls_stream *stream, const uint8_t *data, size_t size, void *user)
{
    struct link *link = user;
    struct bw_diag diag = {0};

    if (!link->is_greeted) {
        const size_t taken = gather_hello(link, data, size);

        data += taken;
        size -= taken;
    }
    if (size == 0 || link->sink.events == NULL) /* no more, or refused */
        return;
    /* Nothing comes in over a dialed link; the transport closes one on which something does. */
    if (link->peer == 0 && bw_raft_frames_take(&link->frames, data, size, &diag) != BW_OK) {
        refuse_message(link, diag.text);
        bw_tls_stream_close(stream, BW_ERR_INVALID, diag.text);
        return;
    }
    link->sink.events->on_data(link->sink.user, data, size);
}

static void on_drained(struct bw_tls_stream *stream, void *user)
{
    struct link *link = user;

    (void)stream;
    if (link->sink.events != NULL)
        link->sink.events->on_drained(link->sink.user);
}

static void on_closed(struct bw_tls_stream *stream, enum bw_err why, const char *text, void *user)
{
    struct link *link = user;
    struct bw_link_sink sink = link->sink;

    (void)stream;
    if (why == BW_ERR_AUTH || (link->previous != NULL && why != BW_ERR_CANCELED))
        refuse(link, text);
    forget_stranger(link);
    bw_raft_frames_deinit(&link->frames);
    free(link);
    if (sink.events != NULL)
        sink.events->on_closed(sink.user);
}

static const struct bw_tls_stream_events stream_events = {
    .on_ready = on_ready, .on_data = on_data, .on_drained = on_drained, .on_closed = on_closed};

static struct link *new_link(struct bw_program *program, struct ssl_ctx_st *context,
                             struct bw_tls_stream_config *out_config)
{
    struct link *link = calloc(1, sizeof *link);

    if (link == NULL)
        return NULL;
    link->program = program;
    *out_config = (struct bw_tls_stream_config){.context = context,
                                                .events = &stream_events,
                                                .user = link,
                                                .handshake_ms = HANDSHAKE_MS,
                                                .dial_ms = DIAL_MS,
                                                .user_timeout_ms = USER_TIMEOUT_MS};
    return link;
}

/* ---- for the transport ---- */

static struct bw_link *dial(void *user, uint64_t peer, struct bw_link_sink sink)
{
    struct bw_program *program = user;
    const struct bw_witness_member_config *member = bw_program_member(program, peer);
    struct bw_tls_stream_config config;
    struct bw_diag diag = {0};
    struct link *link;

    if (member == NULL || program->is_closing)
        return NULL; /* in the log, and not in the file: nobody knows where it lives */
    link = new_link(program, program->links->client_context, &config);
    if (link == NULL)
        return NULL;
    link->peer = peer;
    link->sink = sink;
    if (bw_tls_stream_connect(&program->loop, member->raft, &config, &link->stream, &diag) == BW_OK)
        return (struct bw_link *)link;
    free(link);
    return NULL;
}

static enum bw_err write_link(struct bw_link *link, const uint8_t *data, size_t size)
{
    return bw_tls_stream_write(link_of(link)->stream, data, size);
}

static size_t writable_bytes(const struct bw_link *link)
{
    return bw_tls_stream_writable_bytes(((const struct link *)link)->stream);
}

static void pause_link(struct bw_link *link)
{
    bw_tls_stream_pause(link_of(link)->stream);
}

static void resume_link(struct bw_link *link)
{
    bw_tls_stream_resume(link_of(link)->stream);
}

static void close_link(struct bw_link *link)
{
    bw_tls_stream_close(link_of(link)->stream, BW_ERR_CANCELED, "Raft needs it no more");
}

const struct bw_link_ops bw_raft_link_ops = {.dial = dial,
                                             .write = write_link,
                                             .writable_bytes = writable_bytes,
                                             .pause = pause_link,
                                             .resume = resume_link,
                                             .close = close_link};

/* ---- the listener ---- */

/* So that strangers who say nothing cannot keep a peer out: the oldest of them goes. */
static void make_room(struct bw_raft_links *links)
{
    struct link *oldest = links->strangers;

    if (links->stranger_count < STRANGERS_MAX)
        return;
    while (oldest->next != NULL)
        oldest = oldest->next;
    refuse(oldest, "closed to make room for another connection");
    forget_stranger(oldest);
    bw_tls_stream_close(oldest->stream, BW_ERR_CANCELED, "too many handshakes at once");
}

static void on_retry(uv_timer_t *timer);

static void accept_one(struct bw_raft_links *links)
{
    struct bw_tls_stream_config config;
    struct link *link = new_link(links->program, links->server_context, &config);

    if (link != NULL && bw_tls_stream_accept((uv_stream_t *)&links->listener, &config,
                                             &link->stream, NULL) == BW_OK) {
        make_room(links);
        link->next = links->strangers;
        link->previous = &links->strangers;
        if (link->next != NULL)
            link->next->previous = &link->next;
        links->strangers = link;
        links->stranger_count++;
        return;
    }
    free(link); /* no memory: the connection waits, and libuv tells of no other until it is taken */
    (void)uv_timer_start(&links->retry, on_retry, ACCEPT_RETRY_MS, 0); /* has a callback */
}

static void on_retry(uv_timer_t *timer)
{
    accept_one(timer->data);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct bw_raft_links *links = listener->data;

    if (status == 0 && !links->is_closing)
        accept_one(links);
}

static enum bw_err start_listening(struct bw_raft_links *links, const char *listen,
                                   struct bw_diag *diag)
{
    struct sockaddr_storage socket_address = {0};
    struct bw_address address;
    enum bw_err err = bw_address_parse(listen, &address, diag);
    int result;

    if (err != BW_OK)
        return err;
    if (!bw_address_is_numeric(&address, &socket_address))
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "raft_listen %s: needs a numeric address (like 0.0.0.0:7401)", listen);
    result = uv_tcp_bind(&links->listener, (const struct sockaddr *)&socket_address, 0);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&links->listener, LISTEN_BACKLOG, on_connection);
    if (result != 0)
        return bw_diag_set(diag, BW_ERR_IO, "raft_listen %s: %s", listen, uv_strerror(result));
    return BW_OK;
}

enum bw_err bw_raft_links_open(struct bw_program *program, struct ssl_ctx_st *server_context,
                               struct ssl_ctx_st *client_context, struct bw_diag *diag)
{
    struct bw_raft_links *links = calloc(1, sizeof *links);

    if (links == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "raft_listen: out of memory");
    program->links = links;
    links->program = program;
    BW_ASSERT(uv_tcp_init(&program->loop, &links->listener) == 0); /* no socket yet: cannot fail */
    BW_ASSERT(uv_timer_init(&program->loop, &links->retry) == 0);
    links->listener.data = links;
    links->retry.data = links;
    links->server_context = bw_tls_context_keep(server_context);
    links->client_context = bw_tls_context_keep(client_context);
    return start_listening(links, program->config->raft_listen, diag);
}

void bw_raft_links_set_contexts(struct bw_raft_links *links, struct ssl_ctx_st *server_context,
                                struct ssl_ctx_st *client_context)
{
    bw_tls_context_free(links->server_context);
    bw_tls_context_free(links->client_context);
    links->server_context = bw_tls_context_keep(server_context);
    links->client_context = bw_tls_context_keep(client_context);
}

void bw_raft_links_close(struct bw_raft_links *links)
{
    if (links == NULL || links->is_closing)
        return;
    links->is_closing = true;
    uv_close((uv_handle_t *)&links->listener, NULL);
    uv_close((uv_handle_t *)&links->retry, NULL);
    for (struct link *link = links->strangers; link != NULL; link = link->next)
        bw_tls_stream_close(link->stream, BW_ERR_CANCELED, "this witness ends");
}

void bw_raft_links_free(struct bw_raft_links *links)
{
    if (links == NULL)
        return;
    BW_ASSERT(links->strangers == NULL);
    bw_tls_context_free(links->server_context);
    bw_tls_context_free(links->client_context);
    free(links);
}
