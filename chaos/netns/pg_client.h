/* pg_client.h - a client of a PostgreSQL server that remembers what was acknowledged to it. */
#ifndef BW_CHAOS_PG_CLIENT_H
#define BW_CHAOS_PG_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>

struct bw_pg_client {
    const char *site;
    char label[2 * BW_NAME_MAX];
    char connection[1024]; /* as libpq takes it */
    char records[512];     /* a folder: gets LABEL.acks, and for a client inside LABEL-*.beats */
    char epoch_file[512];  /* "": a client outside, which writes no beats */
    uint32_t rows_max;
};

/* Compiled with libpq. Without it the other functions fail. */
bool bw_pg_client_is_built(void);

/* Inserts rows (LABEL, 1), (LABEL, 2), ..., each in a transaction of its own, connecting again when
 * a session ends; a row whose fate is unknown is never tried again. Notes each that was
 * acknowledged as a line `LABEL NUMBER SENT_NS RECEIVED_NS`, and as a beat at RECEIVED_NS. Runs
 * until it is killed. */
__attribute__((noreturn)) void bw_pg_client_run(const struct bw_pg_client *client);

/* How many rows the *.acks of a folder hold, and how many of them this server does not. */
BW_MUST_CHECK enum bw_err bw_pg_count_lost(const char *connection, const char *records,
                                           uint64_t *out_acknowledged, uint64_t *out_lost,
                                           struct bw_diag *diag);

#endif
