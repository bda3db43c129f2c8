/* names_private.h - threads beside the loop, for names.c: jobs that may hang, whoever waits for them. */
#ifndef BW_NET_NAMES_PRIVATE_H
#define BW_NET_NAMES_PRIVATE_H

#include <uv.h>

#include <breakwater/base/err.h>
#include <breakwater/net/names.h>

struct job_desk; /* where a loop gets the jobs back that it has begun */

/* First in what it is a part of, which is on the heap. */
struct job {
    struct job *next;      /* of the desk: begun, or done */
    struct job_desk *desk; /* NULL: the loop has let go of it */
    void (*run)(struct job *job);                    /* on the thread */
    void (*on_done)(struct bw_names *names, struct job *job); /* on the loop, which frees it then */
    void (*free)(struct job *job);
};

BW_MUST_CHECK enum bw_err bw_job_desk_open(struct job_desk **out_desk, struct bw_names *names, uv_loop_t *loop,
                                           struct bw_diag *diag);
/* A lookup that has begun is freed by its thread. */
void bw_job_desk_close(struct job_desk *desk);
/* False: there is no thread for it, and it is still the caller's. */
BW_MUST_CHECK bool bw_job_begin(struct job_desk *desk, struct job *job);

/* names.c */
bool bw_names_has(const struct sockaddr_storage *list, size_t count, const struct sockaddr_storage *address);

/* names_file.c: the bytes to the file, and from it. */
struct bw_names_file {
    int dir;
    char name[BW_NAME_MAX + 16];
};
BW_MUST_CHECK enum bw_err bw_names_file_save(const struct bw_names_file *file, const char *bytes, size_t size,
                                             struct bw_diag *diag);
/* BW_ERR_NOT_FOUND: there is none. */
BW_MUST_CHECK enum bw_err bw_names_file_load(const struct bw_names_file *file, struct bw_name_kept out[BW_NAMES_MAX],
                                             size_t *out_count, struct bw_diag *diag);

#endif
