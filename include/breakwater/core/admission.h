/* admission.h - may a part of the service be made at this site? For who makes them and asks first:
 * the API server of a Kubernetes cluster (`admission_listen`). Design 3.4. Pure. A report, like
 * may_run.h, and never more lenient where breakwater decides: unknown is never yes. */
#ifndef BW_CORE_ADMISSION_H
#define BW_CORE_ADMISSION_H

#include <breakwater/core/may_run.h>
#include <breakwater/core/site.h>

/* X(NAME, word). All but REFUSED are yes. */
#define BW_ADMISSION_LIST(X)                                                                       \
    X(REFUSED, "refused")                                                                          \
    X(MAY_RUN, "may_run")                                                                          \
    X(UNDECIDED, "undecided") /* not enforced here: breakwater decides nothing */
enum bw_admission {
#define X(name, word) BW_ADMISSION_##name,
    BW_ADMISSION_LIST(X)
#undef X
        BW_ADMISSION_COUNT
};

/* `may_run` is of an answer of the guard that was asked after the request had come, `site` what the
 * agent knows of the group. */
enum bw_admission bw_admission(enum bw_may_run may_run, const struct bw_site *site);
const char *bw_admission_word(enum bw_admission admission);

#endif
