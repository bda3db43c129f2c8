/* admission_review.h - what an API server asks (AdmissionReview of admission.k8s.io/v1), and what
 * it is answered. Of what it sends only request.uid is looked at. Keeps nothing: any thread may. */
#ifndef BW_AGENT_ADMISSION_REVIEW_H
#define BW_AGENT_ADMISSION_REVIEW_H

#include <stdbool.h>
#include <stddef.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

#define BW_ADMISSION_UID_BYTES (128 + 1)
/* A tree takes up to 240 bytes for three of its text: so 30 MiB, and not 160 for each 2 MiB. */
#define BW_ADMISSION_PARTS_MAX 131072

/* BW_ERR_INVALID: it is none, and `diag` says what is wrong with it; BW_ERR_LIMIT: it has more commas
 * and opening brackets than BW_ADMISSION_PARTS_MAX. */
BW_MUST_CHECK enum bw_err bw_admission_review_decode(const void *body, size_t size,
                                                     char out_uid[BW_ADMISSION_UID_BYTES],
                                                     struct bw_diag *diag);
/* Of `uid` that was decoded, and a `message` in UTF-8. To be freed; NULL: no memory. */
char *bw_admission_review_encode(const char *uid, bool is_allowed, const char *message);

#endif
