/* reload.h - a daemon's file and the certificate that it names, read again beside the loop: what is read next, what
 * gives way to a newer file, whom it takes back, and that a file system is silent. Design 3.4, 5.3, 5.4. */
#ifndef BW_RELOAD_RELOAD_H
#define BW_RELOAD_RELOAD_H

#include <breakwater/config/site_config.h>
#include <breakwater/net/credentials.h>
#include <breakwater/obs/log.h>
#include <breakwater/sys/worker.h>

/* What a thread has read. Who takes `own` or `credentials` puts NULL there. */
struct bw_read_certificate {
    bool is_fresh; /* for the newest file; else a look, read only where its files look otherwise */
    struct bw_own_certificate *own;
    struct bw_certificate_look look;    /* before, then now */
    struct bw_credentials *credentials; /* NULL: its files look as before, or `err` */
    enum bw_err err;
    struct bw_diag diag;
};

/* What differs between daemons; `user` is the daemon. All but the first two run on the loop. */
struct bw_reload_kind {
    void *(*load)(const char *file, struct bw_problems *problems); /* NULL: it is refused for them */
    void (*free_config)(void *config);
    /* A file is in force once on_file has taken it, and its certificate comes after it. Otherwise it waits, as `fresh`,
     * and both are taken together, or neither is. */
    bool is_file_first;
    /* True: it is taken, or waits. `config` NULL: it was refused for its problems. */
    bool (*on_file)(void *user, void *config, struct bw_problems *problems);
    struct bw_own_certificate (*own)(const void *user); /* that is read next, or looked at */
    void (*on_fresh)(void *user, struct bw_read_certificate *read);
    void (*on_look)(void *user, struct bw_read_certificate *read);
    /* Whatever speaks to others goes on with the daemon's credentials, whose list is new. */
    enum bw_err (*use_again)(void *user, struct bw_diag *diag);
    void (*on_idle)(void *user); /* nothing is left of any SIGHUP; NULL: it makes no difference */
    /* In the log, of what is silent and then answers. */
    const char *file_silent, *file_answers, *certificates_silent;
};

struct bw_reload {
    const struct bw_reload_kind *kind; /* this and the next three are the opener's, and stay */
    void *user;
    struct bw_log *log;
    const char *config_file; /* of the command line */
    struct bw_worker *file, *certificates; /* NULL: not open */
    struct bw_own_certificate *own; /* in use, with the list of revoked ones that is in force */
    struct bw_certificate_look look;
    void *fresh; /* it was judged, and waits for its certificate; NULL: none. on_fresh takes it, or it is freed */
    bool wants_config, wants_certificate, wants_look; /* once what is being read now was read */
    bool is_overtaken;   /* a newer file is there than when the certificate was begun with that is being read */
    int64_t days_warned; /* see bw_credentials_end_is_news */
};

/* With a copy of `own`, which is in use. */
BW_MUST_CHECK enum bw_err bw_reload_open(struct bw_reload *reload, uv_loop_t *loop,
                                         const struct bw_own_certificate *own, struct bw_diag *diag);
/* Accepts one that is not open. */
void bw_reload_close(struct bw_reload *reload);
/* The file is read: now, or once that of before was. */
void bw_reload_begin(struct bw_reload *reload);
/* Every few seconds: certificates, if their files have changed; and says what is silent. */
void bw_reload_look(struct bw_reload *reload);
/* The newest file decides: one whose certificate was not read yet gives way to it, be it taken or refused, and what
 * becomes of the newer one is said for both. */
void bw_reload_overtake(struct bw_reload *reload);
/* For on_file. Whom `named` takes back is out at once (5.3), whatever becomes of the certificate that it is of: that is
 * read next, and may hang, or be refused. Whom it names no more is let in with that certificate, and not before. */
void bw_reload_take_back(struct bw_reload *reload, const struct bw_own_certificate *named,
                         struct bw_credentials *credentials);
/* For on_look, of what is in use: with the list that is in force by now, for a file may have been read since its files
 * were looked at. False: they look as before. */
BW_MUST_CHECK bool bw_reload_revoke(struct bw_reload *reload, struct bw_read_certificate *read);
/* Takes it: in use by now. */
void bw_reload_put_own(struct bw_reload *reload, struct bw_own_certificate *own);

/* ---- of a site file: load, free_config, and the certificate that it names ---- */

void *bw_reload_load_site(const char *file, struct bw_problems *problems);
void bw_reload_free_site(void *config);
struct bw_own_certificate bw_reload_own_of_site(const struct bw_site_config *config);

#endif
