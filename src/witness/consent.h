/* consent.h - what the other witnesses say of a person who wants to change something. Design 5.3. The loop's
 * thread only. */
#ifndef BW_WITNESS_CONSENT_H
#define BW_WITNESS_CONSENT_H

#include <breakwater/net/http_server.h>

struct bw_program;
struct bw_consent;

/* Calls `handler` once nobody who was asked has said no: at once for a plan, where this witness
 * does not lead, or where it will refuse the order anyway (no such group, another's group, a body
 * that is none). Otherwise the request is answered: 403, with who said no, and why. */
void bw_consent_then(struct bw_program *program, struct bw_http_request *request,
                     bw_http_handler *handler);

extern const struct bw_http_route bw_consent_routes[];
extern const size_t bw_consent_route_count;

#endif
