#include "http_seats.h"

#include <string.h>

#include <breakwater/base/limits.h>
#include <breakwater/net/address.h>

/* ---- the list ------------------------------------------------------------------------------ */

void bw_http_seats_add(struct bw_http_seats *seats, struct bw_http_seat *seat)
{
    seat->prev = seats->last;
    seat->next = NULL;
    if (seats->last != NULL)
        seats->last->next = seat;
    else
        seats->first = seat;
    seats->last = seat;
    seats->count++;
}

void bw_http_seats_remove(struct bw_http_seats *seats, struct bw_http_seat *seat)
{
    if (seat->prev != NULL)
        seat->prev->next = seat->next;
    else
        seats->first = seat->next;
    if (seat->next != NULL)
        seat->next->prev = seat->prev;
    else
        seats->last = seat->prev;
    seats->count--;
    if (seat->is_leaving)
        seats->leaving_count--;
}

void bw_http_seats_leave(struct bw_http_seats *seats, struct bw_http_seat *seat)
{
    if (seat->is_leaving)
        return;
    seat->is_leaving = true;
    seats->leaving_count++;
}

void bw_http_seats_note_useful(struct bw_http_seats *seats, struct bw_http_seat *seat)
{
    seat->useful = ++seats->useful;
}

bool bw_http_seats_is_full(const struct bw_http_seats *seats)
{
    return seats->count - seats->leaving_count >= seats->seats_max;
}

/* ---- whose they are ------------------------------------------------------------------------ */

/* The cluster is no part of it: an identity of another one is none, and nobody compares it. */
static bool is_same(const struct bw_identity *a, const struct bw_identity *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->role == b->role && strcmp(a->name, b->name) == 0 && strcmp(a->site, b->site) == 0;
}

static bool is_person(const struct bw_http_seat *seat)
{
    return seat->identity != NULL && (seat->identity->role == BW_ROLE_OPERATOR ||
                                      seat->identity->role == BW_ROLE_VIEWER);
}

static unsigned count_of(const struct bw_http_seats *seats, const struct bw_identity *identity)
{
    unsigned count = 0;

    for (const struct bw_http_seat *s = seats->first; s != NULL; s = s->next)
        count += !s->is_leaving && is_same(s->identity, identity);
    return count;
}

static unsigned count_people(const struct bw_http_seats *seats)
{
    unsigned count = 0;

    for (const struct bw_http_seat *s = seats->first; s != NULL; s = s->next)
        count += !s->is_leaving && is_person(s);
    return count;
}

/* Of one identity, the seat that was of use the longest ago; never `but`. */
static struct bw_http_seat *least_useful_of(const struct bw_http_seats *seats,
                                            const struct bw_identity *identity,
                                            const struct bw_http_seat *but)
{
    struct bw_http_seat *least = NULL;

    for (struct bw_http_seat *s = seats->first; s != NULL; s = s->next)
        if (!s->is_leaving && s != but && is_same(s->identity, identity) &&
            (least == NULL || s->useful < least->useful))
            least = s;
    return least;
}

/* One seat of whoever has most and more than `modest`; among equals a person's goes before a
 * program's, then whoever came first. */
static struct bw_http_seat *one_of_greediest(const struct bw_http_seats *seats, unsigned modest,
                                             bool only_people)
{
    const struct bw_http_seat *greediest = NULL;
    unsigned most = modest;

    for (const struct bw_http_seat *s = seats->first; s != NULL; s = s->next) {
        unsigned count;

        if (s->is_leaving || (only_people && !is_person(s)))
            continue;
        count = count_of(seats, s->identity);
        if (count > most || (greediest != NULL && count == most && is_person(s) &&
                             !is_person(greediest))) {
            greediest = s;
            most = count;
        }
    }
    return greediest != NULL ? least_useful_of(seats, greediest->identity, NULL) : NULL;
}

/* ---- who goes ------------------------------------------------------------------------------ */

/* More than a port has connections of are never asked about. */
static struct bw_http_seat *stranger_to_go(const struct bw_http_seats *seats)
{
    struct bw_http_seat *strangers[BW_CONNECTIONS_MAX];
    uint64_t origins[BW_CONNECTIONS_MAX];
    size_t count = 0;

    for (struct bw_http_seat *s = seats->first; s != NULL && count < BW_CONNECTIONS_MAX; s = s->next) {
        if (s->is_leaving || s->identity != NULL || s->is_served)
            continue;
        strangers[count] = s;
        origins[count++] = s->origin;
    }
    return count > 0 ? strangers[bw_origin_victim(origins, count)] : NULL;
}

struct bw_http_seat *bw_http_seats_victim(const struct bw_http_seats *seats)
{
    struct bw_http_seat *stranger = stranger_to_go(seats);
    struct bw_http_seat *greedy;

    if (stranger != NULL)
        return stranger;
    greedy = one_of_greediest(seats, BW_HTTP_MODEST_SEATS, false);
    if (greedy != NULL)
        return greedy;
    for (struct bw_http_seat *s = seats->first; s != NULL; s = s->next)
        if (!s->is_leaving && s->is_idle)
            return s;
    return NULL;
}

enum bw_http_excess bw_http_seats_excess(const struct bw_http_seats *seats,
                                         const struct bw_http_seat *seat,
                                         struct bw_http_seat **out_victim)
{
    if (seat->identity == NULL || seat->is_leaving)
        return BW_HTTP_EXCESS_NONE;
    if (count_of(seats, seat->identity) > seats->identity_max) {
        *out_victim = least_useful_of(seats, seat->identity, seat);
        return BW_HTTP_EXCESS_IDENTITY;
    }
    if (is_person(seat) && count_people(seats) > seats->people_max) {
        *out_victim = one_of_greediest(seats, 0, true);
        return BW_HTTP_EXCESS_PEOPLE;
    }
    return BW_HTTP_EXCESS_NONE;
}
