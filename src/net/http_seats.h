/* http_seats.h - who keeps a connection when the house is full, or when one identity takes more of
 * it than its share. Design 5.3. Pure: a list and its counting; closing is the caller's. Private.
 *
 * Whoever floods a witness, with a certificate of any role or without one, must not cost anybody
 * else a connection: a lease hangs on it. */
#ifndef BW_NET_HTTP_SEATS_H
#define BW_NET_HTTP_SEATS_H

#include <stdint.h>

#include <breakwater/net/roles.h>

/* A connection as far as its place is concerned. */
struct bw_http_seat {
    struct bw_http_seat *prev;
    struct bw_http_seat *next;
    const struct bw_identity *identity; /* borrowed; NULL: a stranger, which has not said who it is
                                           (its handshake goes on), or has no identity here */
    uint64_t origin; /* from where it comes (address.h) */
    bool is_idle;   /* no request of it is read or answered */
    bool is_served; /* a request of it is being answered */
    bool is_leaving; /* it is closing: its place is free for another */
    uint64_t useful; /* number of its newest useful answer, counted over all seats; 0: none yet */
};

struct bw_http_seats {
    struct bw_http_seat *first; /* oldest first */
    struct bw_http_seat *last;
    unsigned count; /* in the list */
    unsigned leaving_count;
    uint64_t useful; /* useful answers on all of them */
    unsigned seats_max;    /* those that leave do not count */
    unsigned identity_max; /* of one identity */
    unsigned people_max;   /* of all operators and viewers: the rest is kept for witnesses and agents */
};

/* What an agent needs: one for its syncs, one for the orders that it waits for. Who has no more than
 * these is not interrupted for a newcomer. */
#define BW_HTTP_MODEST_SEATS 2

void bw_http_seats_add(struct bw_http_seats *seats, struct bw_http_seat *seat);
void bw_http_seats_remove(struct bw_http_seats *seats, struct bw_http_seat *seat);
void bw_http_seats_leave(struct bw_http_seats *seats, struct bw_http_seat *seat); /* twice is once */
void bw_http_seats_note_useful(struct bw_http_seats *seats, struct bw_http_seat *seat);
bool bw_http_seats_is_full(const struct bw_http_seats *seats);

/* Who goes so that one more may come into a full house: of the strangers that are not being served the oldest of
 * the origin that has most of them (of those with as many the oldest of all): whoever is far away needs a while to
 * say who it is, and keeps its place meanwhile, however often others come; else one of the identity that has most, if those are more than modest (a person's before a
 * program's, and strangers count as one identity); else the oldest that is idle. NULL: nobody. Of one
 * identity goes the one that was of use the longest ago: the oldest that never was, then the one whose
 * last useful answer is the oldest. So an agent that renews keeps its connection, whoever else has its
 * certificate and does anything but that. */
struct bw_http_seat *bw_http_seats_victim(const struct bw_http_seats *seats);

/* `seat` has just shown its identity. Who goes because that identity now has more than identity_max
 * or because people have more than people_max (one of the person's that has most). NULL: nobody. */
enum bw_http_excess { BW_HTTP_EXCESS_NONE, BW_HTTP_EXCESS_IDENTITY, BW_HTTP_EXCESS_PEOPLE };
enum bw_http_excess bw_http_seats_excess(const struct bw_http_seats *seats,
                                         const struct bw_http_seat *seat,
                                         struct bw_http_seat **out_victim);

#endif
