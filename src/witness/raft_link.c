/* raft_link.c - Raft's links are TLS streams; the peer's certificate says who is at the other end,
 * never the wire. Design 5.3; consensus/transport.h. */
#include "program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/consensus/raft_frames.h>
#include <breakwater/net/address.h>
#include <breakwater/net/tls_stream.h>
#include <breakwater/sys/clock.h>

#define HANDSHAKE_MS    3000
#define DIAL_MS         2000 /* with HANDSHAKE_MS and HELLO_MS: within BW_TRANSPORT_DIAL_MS, which ends all of it */
#define USER_TIMEOUT_MS 3000
#define HELLO_MS        3000
#define NO_ANSWER       "it did not answer in time" /* the transport has given up on it */
#define LISTEN_BACKLOG  64
#define STRANGERS_MAX   32 /* accepted, and not yet known to be a peer */
#define UNKNOWN_MAX     (2 * STRANGERS_MAX) /* with those that were closed as strangers */
#define ACCEPT_RETRY_MS 1000

struct link {
    struct bw_program *program;
    struct bw_tls_stream *stream;
    struct bw_link_sink sink;      /* events NULL: nobody hears of it (yet) */
    uint64_t peer;                 /* dialed: who must be there; 0: accepted */
    uint8_t hello[BW_HELLO_BYTES]; /* the other's first words; of one that was dialed, later ones too */
    size_t hello_bytes;
    bool is_greeted;
    bool is_proved;                /* dialed: it is the peer, and takes messages */
    struct bw_raft_frames frames;  /* accepted: what came in */
    bool is_parted;                /* accepted: it was removed, and is told so */
    bool is_stranger;              /* accepted, and nobody knows yet who it is */
    bool is_unknown;               /* it is a stranger, or was one until it was closed */
    struct link *next, **previous; /* of all */
};

struct bw_raft_links {
    struct bw_program *program;
    uv_tcp_t listener;
    uv_timer_t retry;
    struct ssl_ctx_st *server_context;
    struct ssl_ctx_st *client_context;
    struct link *first; /* newest first */
    unsigned stranger_count;
    unsigned unknown_count; /* until they are freed, which is after a turn of the loop */
    bool accept_waits;      /* a connection waits in libuv, which tells of no other until it is taken */
    bool is_closing;
};

static struct link *link_of(struct bw_link *link)
{
    return (struct link *)link;
}

static void put_first(struct bw_raft_links *links, struct link *link)
{
    link->next = links->first;
    link->previous = &links->first;
    if (link->next != NULL)
        link->next->previous = &link->next;
    links->first = link;
}

static void forget_stranger(struct link *link)
{
    if (!link->is_stranger)
        return;
    link->is_stranger = false;
    link->program->links->stranger_count--;
}

/* Known by now, or gone. */
static void forget_unknown(struct link *link)
{
    forget_stranger(link);
    if (!link->is_unknown)
        return;
    link->is_unknown = false;
    link->program->links->unknown_count--;
}

static void free_link(struct link *link)
{
    forget_unknown(link);
    *link->previous = link->next;
    if (link->next != NULL)
        link->next->previous = link->previous;
    bw_raft_frames_deinit(&link->frames);
    free(link);
}

/* ---- who is there ---- */

static void refuse(struct link *link, const char *why)
{
    struct bw_program *program = link->program;
    uint64_t count = bw_refused_add(program, BW_REFUSED_RAFT_PEER);

    program->counters.raft_peers_refused++;
    if (count > 0)
        bw_log_warn(&program->log, "raft.peer_refused",
                    "remote=%s dialed_id=%" PRIu64 " why=%s count=%" PRIu64,
                    bw_tls_stream_remote(link->stream), link->peer, bw_log_quote(why), count);
}

/* A member that talks nonsense is another matter than a stranger, and is not lost among them. */
static void refuse_message(struct link *link, const char *why)
{
    struct bw_program *program = link->program;
    uint64_t count = bw_refused_add(program, BW_REFUSED_RAFT_MESSAGE);

    program->counters.raft_peers_refused++;
    if (count > 0)
        bw_log_error(&program->log, "raft.message_refused",
                     "name=%s remote=%s why=%s does=%s next=%s count=%" PRIu64,
                     bw_tls_stream_peer(link->stream)->name, bw_tls_stream_remote(link->stream),
                     bw_log_quote(why), "\"its connection was closed\"", "\"look at that witness\"",
                     count);
}

/* Another one, by its certificate: of this cluster, member or not. */
static bool is_other_witness(const struct link *link)
{
    const struct bw_witness_config *config = link->program->config;
    const struct bw_identity *peer = bw_tls_stream_peer(link->stream);

    return peer != NULL && peer->role == BW_ROLE_WITNESS &&
           strcmp(peer->cluster, config->cluster) == 0 && strcmp(peer->name, config->name) != 0;
}

/* The member that the certificate names; NULL: none, or this witness itself. */
static const struct bw_witness_member_config *who_is(const struct link *link)
{
    const struct bw_program *program = link->program;
    const struct bw_identity *peer = bw_tls_stream_peer(link->stream);
    const struct bw_witness_member_config *member;

    if (!is_other_witness(link))
        return NULL;
    bw_directory_refresh(link->program);
    member = bw_program_member_named(program, peer->name);
    return member;
}

/* Both ends say so: the log of the one that is at fault may be the one that is read. */
static void refuse_identity(struct link *link, const char *why)
{
    struct bw_program *program = link->program;
    uint64_t count = bw_refused_add(program, BW_REFUSED_RAFT_WITNESS);

    program->counters.raft_peers_refused++;
    if (count > 0)
        bw_log_error(&program->log, "raft.witness_refused",
                     "name=%s remote=%s why=%s count=%" PRIu64,
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
static void note_level(struct link *link, uint64_t id)
{
    struct bw_hello theirs;

    if (bw_hello_decode(link->hello, &theirs))
        bw_directory_note_level(link->program, id, theirs.feature_level);
}

static uint64_t generation_of(const struct link *link)
{
    return link->program->machine.cluster.generation;
}

/* Ends this process, if the one that was dialed says that it is to, and is believed. */
static void look_whether_removed(struct link *link)
{
    struct bw_program *program = link->program;

    if (bw_node_hears_removal(program->node, link->peer, generation_of(link), link->hello))
        bw_members_end_removed(program, bw_tls_stream_peer(link->stream)->name);
}

static void say(struct link *link, const uint8_t words[BW_HELLO_BYTES])
{
    if (bw_tls_stream_write(link->stream, words, BW_HELLO_BYTES) != BW_OK)
        bw_tls_stream_close(link->stream, BW_ERR_IO, "it could not be told of this witness");
}

static bool knows_level(const struct link *link, uint64_t level)
{
    struct bw_hello theirs;

    return bw_hello_decode(link->hello, &theirs) && theirs.feature_level >= level;
}

/* After the welcome: an older one would take it for nonsense. */
static bool reads_words(const struct link *link)
{
    return knows_level(link, BW_HELLO_LEVEL);
}

/* In seconds that are left: nobody's wall clock is another's business. */
static void tell_certificate(struct link *link, uint64_t id)
{
    uint8_t words[BW_HELLO_BYTES];

    bw_node_say_certificate(link->program->node, id, bw_program_certificate_left_s(link->program), words);
    say(link, words);
}

static void tell_of_this_witness(struct link *link, uint64_t id)
{
    uint8_t words[BW_HELLO_BYTES];

    if (!reads_words(link))
        return;
    bw_node_say_release(link->program->node, id, BW_VERSION, words);
    say(link, words);
    tell_certificate(link, id);
    if (knows_level(link, BW_COMMITTED_LEVEL) && bw_node_say_committed(link->program->node, id, words))
        say(link, words);
}

void bw_raft_links_tell_certificate(struct bw_raft_links *links)
{
    for (struct link *link = links->first; link != NULL; link = link->next)
        if (link->frames.peer != 0 && !link->is_parted && link->sink.events != NULL &&
            reads_words(link))
            tell_certificate(link, link->frames.peer);
}

/* The newest that it has dialed; the transport closes the one before. */
static struct link *accepted_from(struct bw_raft_links *links, uint64_t peer)
{
    for (struct link *link = links->first; link != NULL; link = link->next)
        if (link->peer == 0 && link->frames.peer == peer && link->sink.events != NULL)
            return link;
    return NULL;
}

bool bw_raft_links_say(void *program, uint64_t to, const uint8_t words[BW_HELLO_BYTES])
{
    struct link *link = accepted_from(((struct bw_program *)program)->links, to);

    return link != NULL && !link->is_parted && knows_level(link, BW_QUESTION_LEVEL) &&
           bw_tls_stream_writable_bytes(link->stream) >= BW_HELLO_BYTES &&
           bw_tls_stream_write(link->stream, words, BW_HELLO_BYTES) == BW_OK;
}

static void hear_hello(struct link *link)
{
    const struct bw_witness_member_config *member = who_is(link);
    uint8_t answer[BW_HELLO_BYTES];
    struct bw_diag diag = {0};
    bool is_ask = false;
    enum bw_err err;

    err = bw_node_hear_hello(link->program->node, member != NULL ? member->id : 0,
                             generation_of(link), link->hello, &is_ask, answer, &diag);
    if (err == BW_ERR_AUTH) {
        bw_tls_stream_close(link->stream, BW_ERR_AUTH, diag.text);
        return;
    }
    forget_unknown(link);
    bw_tls_stream_set_deadline(link->stream, 0);
    if (err == BW_ERR_INVALID || err == BW_ERR_REFUSED)
        refuse_identity(link, diag.text);
    if (err == BW_ERR_INVALID ||
        bw_tls_stream_write(link->stream, answer, sizeof answer) != BW_OK)
        bw_tls_stream_close(link->stream, BW_ERR_INVALID, "no hello");
    else if (err != BW_OK || is_ask || member == NULL)
        bw_tls_stream_finish(link->stream);
    else {
        note_level(link, member->id);
        tell_of_this_witness(link, member->id);
        adopt(link, member);
    }
}

static void hear_answer(struct link *link)
{
    struct bw_diag diag = {0};

    bw_tls_stream_set_deadline(link->stream, 0);
    look_whether_removed(link);
    if (bw_node_hear_answer(link->program->node, link->peer, link->hello, &diag) != BW_OK) {
        refuse_identity(link, diag.text);
        bw_tls_stream_close(link->stream, BW_ERR_REFUSED, diag.text);
        return;
    }
    note_level(link, link->peer);
    bw_tls_stream_prove(link->stream);
    link->is_proved = true;
    bw_unreached_over(link->program, link->peer);
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
    link->hello_bytes = 0;
    return taken;
}

static bool hear_word(struct link *link)
{
    struct bw_hello hello;

    look_whether_removed(link);
    if (!bw_hello_decode(link->hello, &hello) || hello.from != link->peer)
        return false;
    if (hello.word == BW_HELLO_RELEASE)
        bw_directory_note_release(link->program, link->peer, hello.release);
    else if (hello.word == BW_HELLO_CERTIFICATE)
        bw_directory_note_certificate(link->program, link->peer, hello.certificate_left_s);
    else if (hello.word == BW_HELLO_COMMITTED)
        bw_directory_note_committed(link->program, link->peer, hello.committed);
    else if (hello.word == BW_HELLO_TERM && link->is_proved)
        bw_node_hear_term(link->program->node, link->peer, &hello.term);
    else
        return false;
    return true;
}

/* What the one that was dialed says after its welcome. False: that is nothing which it may say there. */
static bool hear_words(struct link *link, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const size_t missing = sizeof link->hello - link->hello_bytes;
        const size_t taken = size < missing ? size : missing;

        memcpy(link->hello + link->hello_bytes, data, taken);
        link->hello_bytes += taken;
        data += taken;
        size -= taken;
        if (link->hello_bytes < sizeof link->hello)
            return true;
        link->hello_bytes = 0;
        if (!hear_word(link))
            return false;
    }
    return true;
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
    if (member == NULL && link->peer == 0 && is_other_witness(link))
        return; /* it may have been removed: its hello says who it was */
    if (member == NULL)
        bw_tls_stream_close(stream, BW_ERR_AUTH, "its certificate is of no other member");
    else if (link->peer != 0 && member->id != link->peer)
        bw_tls_stream_close(stream, BW_ERR_AUTH, "its certificate is another member's");
    else if (link->peer != 0)
        say_hello(link);
}

/* ---- what passes ---- */

static enum bw_err judge_messages(struct link *link, const uint8_t *data, size_t size,
                                  struct bw_diag *diag)
{
    bw_node_get_end(link->program->node, &link->frames.own_term, &link->frames.own_index);
    return bw_raft_frames_take(&link->frames, data, size, diag);
}

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
    /* No message comes in over a dialed link; the transport closes one on which something does. */
    if (link->peer != 0 && hear_words(link, data, size))
        return;
    if (link->peer == 0 && judge_messages(link, data, size, &diag) != BW_OK) {
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

static void accept_waiting_one(struct bw_raft_links *links);

static void on_closed(struct bw_tls_stream *stream, enum bw_err why, const char *text, void *user)
{
    struct link *link = user;
    struct bw_raft_links *links = link->program->links;
    struct bw_link_sink sink = link->sink;

    (void)stream;
    if (link->peer != 0 && !link->is_proved && !link->program->is_closing)
        bw_unreached_note(link->program, link->peer, why == BW_ERR_CANCELED ? NO_ANSWER : text);
    if (why == BW_ERR_AUTH || (link->is_stranger && why != BW_ERR_CANCELED))
        refuse(link, text);
    free_link(link);
    if (sink.events != NULL)
        sink.events->on_closed(sink.user);
    accept_waiting_one(links);
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
    put_first(program->links, link);
    *out_config = (struct bw_tls_stream_config){.context = context,
                                                .events = &stream_events,
                                                .user = link,
                                                .handshake_ms = HANDSHAKE_MS,
                                                .dial_ms = DIAL_MS,
                                                .names = program->names,
                                                .user_timeout_ms = USER_TIMEOUT_MS};
    return link;
}

/* ---- one that was removed ---- */

/* It goes on asking for votes otherwise, until it is told at its next connection. */
static void part(struct link *link)
{
    uint8_t words[BW_HELLO_BYTES];

    bw_node_say_removed(link->program->node, link->frames.peer, generation_of(link), words);
    if (bw_tls_stream_write(link->stream, words, sizeof words) == BW_OK)
        bw_tls_stream_finish(link->stream);
    else /* it dials again, and hears it then */
        bw_tls_stream_close(link->stream, BW_ERR_IO, "it could not be told that it was removed");
}

void bw_raft_links_part(struct bw_raft_links *links)
{
    const struct bw_roster *applied = bw_node_applied_roster(links->program->node);

    for (struct link *link = links->first; link != NULL; link = link->next) {
        if (link->is_parted || link->peer != 0 || link->sink.events == NULL ||
            !bw_roster_has_removed(applied, link->frames.peer))
            continue;
        link->is_parted = true;
        part(link);
    }
}

/* ---- for the transport ---- */

static struct bw_link *dial(void *user, uint64_t peer, struct bw_link_sink sink)
{
    struct bw_program *program = user;
    const struct bw_witness_member_config *member;
    struct bw_tls_stream_config config;
    struct bw_diag diag = {0};
    struct link *link;

    bw_directory_refresh(program);
    member = bw_program_member(program, peer);
    if (member == NULL || program->is_closing)
        return NULL; /* in the log, and neither in the file nor in the roster: who knows where it lives? */
    link = new_link(program, program->links->client_context, &config);
    if (link == NULL)
        return NULL;
    link->peer = peer;
    link->sink = sink;
    if (bw_tls_stream_connect(&program->loop, member->raft, &config, &link->stream, &diag) == BW_OK)
        return (struct bw_link *)link;
    free_link(link);
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

static size_t waiting_bytes(const struct bw_link *link)
{
    return bw_tls_stream_waiting_bytes(((const struct link *)link)->stream);
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
                                             .waiting_bytes = waiting_bytes,
                                             .pause = pause_link,
                                             .resume = resume_link,
                                             .close = close_link};

/* ---- the listener ---- */

/* So that strangers who say nothing cannot keep a peer out: the oldest of where most come from goes, for a peer that is
 * far away needs a while until it has said who it is. */
static void make_room(struct bw_raft_links *links)
{
    struct link *strangers[STRANGERS_MAX];
    uint64_t origins[STRANGERS_MAX];
    size_t at = STRANGERS_MAX; /* the list is newest first */
    struct link *victim;

    if (links->stranger_count < STRANGERS_MAX)
        return;
    for (struct link *link = links->first; link != NULL && at > 0; link = link->next) {
        if (!link->is_stranger)
            continue;
        strangers[--at] = link;
        origins[at] = bw_tls_stream_origin(link->stream);
    }
    BW_ASSERT(at == 0);
    victim = strangers[bw_origin_victim(origins, STRANGERS_MAX)];
    refuse(victim, "closed to make room for another connection");
    forget_stranger(victim);
    bw_tls_stream_close(victim->stream, BW_ERR_CANCELED, "too many handshakes at once");
}

static void on_retry(uv_timer_t *timer);

/* Takes the connection that waits. */
static void accept_one(struct bw_raft_links *links)
{
    struct bw_tls_stream_config config;
    struct link *link = NULL;

    /* libuv goes on telling of connections while there are any, and nothing that was closed is freed
     * meanwhile: without this bound whoever connects fast enough holds the loop, and fills memory. */
    if (links->unknown_count < UNKNOWN_MAX)
        link = new_link(links->program, links->server_context, &config);
    if (link != NULL && bw_tls_stream_accept((uv_stream_t *)&links->listener, &config,
                                             &link->stream, NULL) == BW_OK) {
        make_room(links);
        link->is_stranger = true;
        links->stranger_count++;
        link->is_unknown = true;
        links->unknown_count++;
        return;
    }
    if (link != NULL)
        free_link(link);
    links->accept_waits = true; /* for one that is freed, or for memory */
    (void)uv_timer_start(&links->retry, on_retry, ACCEPT_RETRY_MS, 0); /* has a callback */
}

static void accept_waiting_one(struct bw_raft_links *links)
{
    if (!links->accept_waits || links->is_closing)
        return;
    links->accept_waits = false;
    (void)uv_timer_stop(&links->retry); /* always 0 */
    accept_one(links);
}

static void on_retry(uv_timer_t *timer)
{
    accept_waiting_one(timer->data);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct bw_raft_links *links = listener->data;

    if (status == 0 && !links->is_closing)
        accept_one(links);
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
    return bw_listen(&links->listener, "raft_listen", program->config->raft_listen,
                     " (like 0.0.0.0:7401)", LISTEN_BACKLOG, on_connection, diag);
}

void bw_raft_links_set_contexts(struct bw_raft_links *links, struct ssl_ctx_st *server_context,
                                struct ssl_ctx_st *client_context)
{
    bw_tls_context_free(links->server_context);
    bw_tls_context_free(links->client_context);
    links->server_context = bw_tls_context_keep(server_context);
    links->client_context = bw_tls_context_keep(client_context);
    for (struct link *link = links->first; link != NULL; link = link->next)
        bw_tls_stream_judge(link->stream, server_context); /* for both: it has the same CAs */
}

void bw_raft_links_close(struct bw_raft_links *links)
{
    if (links == NULL || links->is_closing)
        return;
    links->is_closing = true;
    uv_close((uv_handle_t *)&links->listener, NULL);
    uv_close((uv_handle_t *)&links->retry, NULL);
    for (struct link *link = links->first; link != NULL; link = link->next)
        if (link->is_stranger)
            bw_tls_stream_close(link->stream, BW_ERR_CANCELED, "this witness ends");
}

void bw_raft_links_free(struct bw_raft_links *links)
{
    if (links == NULL)
        return;
    BW_ASSERT(links->first == NULL);
    bw_tls_context_free(links->server_context);
    bw_tls_context_free(links->client_context);
    free(links);
}

/* ---- who was refused ---- */

/* Who was refused, and why, in the log. Design 5.3. At a bounded rate (obs/log.h): of each
 * kind ten lines at once, then one every ten seconds, which says for how many it stands; so whoever is refused
 * as often as he likes fills no disk, and hides none of another kind. A name comes from a certificate only as
 * an identity, which has no byte that could forge a line; what else a peer wrote is quoted. */

static const char *const kind_words[BW_REFUSED_COUNT] = {
#define X(name, word) [BW_REFUSED_##name] = (word),
    BW_REFUSED_LIST(X)
#undef X
};

uint64_t bw_refused_add(struct bw_program *program, enum bw_refused kind)
{
    return bw_summary_add(&program->refused[kind], uv_now(&program->loop));
}

void bw_refused_flush(struct bw_program *program)
{
    for (int kind = 0; kind < BW_REFUSED_COUNT; kind++) {
        const uint64_t count = bw_summary_flush(&program->refused[kind], uv_now(&program->loop));

        if (count > 0)
            bw_log_warn(&program->log, "refusals.suppressed", "what=%s count=%" PRIu64,
                        kind_words[kind], count);
    }
}

/* ---- the server's callbacks ---- */

static const char *name_of(const struct bw_identity *identity, char out_text[BW_IDENTITY_TEXT_BYTES])
{
    if (identity == NULL)
        return "none";
    bw_identity_format(identity, out_text);
    return out_text;
}

void bw_refused_on_handshake_failed(const char *remote, enum bw_err why, const char *text,
                                    void *user)
{
    struct bw_program *program = user;
    const uint64_t count = bw_refused_add(program, BW_REFUSED_HANDSHAKE);

    bw_meter_on_handshake_failed(program, why);
    if (count > 0)
        bw_log_warn(&program->log, "api.handshake_failed", "remote=%s error=%s count=%" PRIu64,
                    remote, bw_log_quote(text), count);
}

void bw_refused_on_evicted(const char *remote, const struct bw_identity *identity,
                           enum bw_http_eviction why, void *user)
{
    struct bw_program *program = user;
    const uint64_t count = bw_refused_add(program, BW_REFUSED_EVICTED);
    char text[BW_IDENTITY_TEXT_BYTES];

    if (count > 0)
        bw_log_warn(&program->log, "api.evicted", "identity=%s remote=%s why=%s count=%" PRIu64,
                    name_of(identity, text), remote, bw_http_eviction_word(why), count);
}

/* No to whoever asks, or to what he asks for; that something is not there is no refusal. */
static bool is_refusal(int status)
{
    return (status >= 400 && status < 500 && status != 404) || status == 505;
}

/* Kinds do not hide each other: a stranger none of those who have a name here, and who may not ask none whose
 * order the state of things forbids. */
static enum bw_refused kind_of(const struct bw_http_request *request, int status)
{
    if (request->peer == NULL)
        return BW_REFUSED_STRANGER;
    return status == 409 || status == 422 ? BW_REFUSED_ORDER : BW_REFUSED_CALLER;
}

void bw_refused_on_request(const struct bw_http_request *request, int status, const char *error,
                           void *user)
{
    struct bw_program *program = user;
    const struct bw_http_route *route = request->route;
    const bool is_of_group = route != NULL && route->about == BW_HTTP_ABOUT_GROUP;
    char text[BW_IDENTITY_TEXT_BYTES];
    uint64_t count;

    if (!is_refusal(status))
        return;
    count = bw_refused_add(program, kind_of(request, status));
    if (count > 0)
        bw_log_warn(&program->log, "api.refused",
                    "http_status=%d identity=%s remote=%s method=%s route=%s group=%s why=%s "
                    "count=%" PRIu64,
                    status, name_of(request->named, text), request->remote,
                    route != NULL ? route->method : "none", route != NULL ? route->pattern : "none",
                    bw_log_quote(is_of_group ? request->segments[0] : ""), bw_log_quote(error),
                    count);
}
