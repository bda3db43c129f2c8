/* zone.h - a name server with faults, by which the machines of a lab find each other. UDP, one thread.
 *
 * It reads a file anew for each question: a line for each name,
 *
 *     NAME ADDRESS...
 *
 * with addresses of both families, and one for each fault: `silent`, `late MS`, `servfail` to each question, `nobody`:
 * no name exists. */
#ifndef BW_CHAOS_ZONE_H
#define BW_CHAOS_ZONE_H

#include <stdint.h>

#include <breakwater/base/diag.h>

#define BW_ZONE_SOCKETS_MAX 16

/* A socket at port 53 of a numeric IPv4 address, in the network of who calls; -1: errno says why not. */
int bw_zone_listen(const char *host);
/* Answers until the process ends. */
__attribute__((noreturn)) void bw_zone_serve(const char *file, const int *sockets, uint32_t count);

#endif
