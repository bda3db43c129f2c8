/* transport.h - carries libraft's messages over links that somebody else secures.
 *
 * libraft wants libuv streams: it gets one end of a socket pair, and what passes is pumped between
 * the other end and a link. Links are the program's (TLS in a witness, anything in a test). Who is
 * at the other end of a link is the program's word too, taken from the peer's certificate and never
 * from the wire. A dialed link carries messages away only, an accepted one brings them.
 *
 * One thread, the loop's. SIGPIPE must be ignored. */
#ifndef BW_CONSENSUS_TRANSPORT_H
#define BW_CONSENSUS_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include <breakwater/base/err.h>

/* Dial, handshake and first words together. Each is a round trip at least, and a link has limits of its own for them: this
 * one ends what a link forgets. */
#define BW_TRANSPORT_DIAL_MS         8000
#define BW_TRANSPORT_QUEUE_BYTES_MAX (256 * 1024) /* read from a link, not yet taken by libraft */

struct raft_uv_transport;
struct bw_transport;
struct bw_link; /* the program's own; only passed back to it here */

/* What a link tells. Not from within dial; on_closed also not from within close. */
struct bw_link_events {
    void (*on_ready)(void *user); /* a dialed link: up, and the peer is who was dialed */
    void (*on_data)(void *user, const uint8_t *data, size_t size); /* may follow from resume */
    void (*on_drained)(void *user); /* all that was written has left */
    void (*on_closed)(void *user);  /* exactly once, the last; the link is gone */
};

/* To whom a link tells it. */
struct bw_link_sink {
    const struct bw_link_events *events;
    void *user;
};

struct bw_link_ops {
    /* Begins to connect to witness `peer`; NULL when that cannot even begin. */
    struct bw_link *(*dial)(void *user, uint64_t peer, struct bw_link_sink sink);
    /* Takes all of `data` (copied), at most what writable_bytes said. */
    enum bw_err (*write)(struct bw_link *link, const uint8_t *data, size_t size);
    /* How much write takes now; 0: wait for on_drained. */
    size_t (*writable_bytes)(const struct bw_link *link);
    /* How much of what was written has not arrived at the peer's machine. NULL: nobody knows, and it counts as 0. */
    size_t (*waiting_bytes)(const struct bw_link *link);
    void (*pause)(struct bw_link *link); /* no on_data until resume */
    void (*resume)(struct bw_link *link);
    void (*close)(struct bw_link *link); /* any state; on_closed follows */
};

/* `ops` and `ops_user` are kept. NULL: no memory. */
struct bw_transport *bw_transport_new(uv_loop_t *loop, const struct bw_link_ops *ops,
                                      void *ops_user);
/* Only after the node that uses it was closed (or never started). Accepts NULL. */
void bw_transport_free(struct bw_transport *transport);

/* A link that witness `peer` has dialed, with its certificate verified. BW_OK: the link is the
 * transport's, which hears of it through *out_sink; an older link of the same peer is closed.
 * BW_ERR_REFUSED: this witness does not take part (yet, or any more); BW_ERR_NOMEM; BW_ERR_LIMIT:
 * no more file descriptors. The link is then still the caller's. */
BW_MUST_CHECK enum bw_err bw_transport_accept(struct bw_transport *transport, uint64_t peer,
                                              struct bw_link *link, struct bw_link_sink *out_sink);

/* How much of what libraft has sent to witness `peer` has not arrived there. */
size_t bw_transport_waiting_bytes(const struct bw_transport *transport, uint64_t peer);

/* What libraft is given (node.h does). */
struct raft_uv_transport *bw_transport_raft(struct bw_transport *transport);

/* The address of a witness in libraft's configuration: its id. Where it lives is the program's
 * knowledge, so a witness may move without a change of the configuration. */
#define BW_TRANSPORT_ADDRESS_BYTES 24
void bw_transport_format_address(uint64_t id, char out_text[BW_TRANSPORT_ADDRESS_BYTES]);

#endif
