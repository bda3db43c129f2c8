/* postgres.h - the other workload: a PostgreSQL server at each of two sites, run by the scripts
 * that are shipped, and clients that remember every row that was acknowledged to them.
 *
 * A client at each site writes through the socket of its own server: what it is acknowledged goes
 * into the records as a beat of that site, so that the judge of overlaps reads it as any other. Two
 * clients elsewhere write to each server over the network. All note every acknowledged row, and
 * each of these must be on both servers in the end. */
#ifndef BW_CHAOS_POSTGRES_H
#define BW_CHAOS_POSTGRES_H

#include "lab.h"

#define BW_POSTGRES_GROUP    "pg"
#define BW_POSTGRES_SCRIPT_S 30      /* BW_LAB_SCRIPT_S for its scripts */
#define BW_POSTGRES_ROWS_MAX 4000000 /* of one client; it ends there */

/* NULL: it can be run here. Otherwise what is missing. */
const char *bw_postgres_why_not(void);

/* The timings of its group: a server is not stopped within a fraction of a second. */
struct bw_lab_timings bw_postgres_timings(void);
/* Script lines of the site file, from `env:` on. */
BW_MUST_CHECK enum bw_err bw_postgres_print_group(const struct bw_lab *lab, uint32_t site,
                                                  char *out, size_t size, struct bw_diag *diag);
/* The scripts of a site: the shipped ones, behind what makes them misbehave. */
BW_MUST_CHECK enum bw_err bw_postgres_write_scripts(const struct bw_lab *lab, uint32_t site,
                                                    struct bw_diag *diag);
/* One server writes, the other follows, both stopped in order: the first grant starts it. The
 * network must be there. Half a minute at most. */
BW_MUST_CHECK enum bw_err bw_postgres_make_servers(struct bw_lab *lab, struct bw_diag *diag);

/* The site whose server runs and is no standby; -1: none. */
int bw_postgres_find_primary(const struct bw_lab *lab);

/* The clients run until bw_postgres_stop_clients. */
BW_MUST_CHECK enum bw_err bw_postgres_start_clients(struct bw_lab *lab, struct bw_diag *diag);
void bw_postgres_stop_clients(struct bw_lab *lab);

/* Counts the rows that were acknowledged, and those of them that are missing on either server; the
 * standby has a moment to catch up. The clients have been stopped. An error: a server could not be
 * read, so that nothing is known. */
BW_MUST_CHECK enum bw_err bw_postgres_count_lost(struct bw_lab *lab, uint64_t *out_acknowledged,
                                                 uint64_t *out_lost, struct bw_diag *diag);

#endif
