#include "admission_review.h"

#include <string.h>

#include <jansson.h>

#define API_VERSION "admission.k8s.io/v1"
#define KIND        "AdmissionReview"

static bool is_text(const json_t *object, const char *key, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && strcmp(text, wanted) == 0;
}

static bool is_uid(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:";
    const size_t size = text != NULL ? strlen(text) : 0;

    return size > 0 && size < BW_ADMISSION_UID_BYTES && strspn(text, allowed) == size;
}

/* No tree of it has more values than this. */
static size_t count_parts(const char *body, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++)
        count += body[i] == ',' || body[i] == '{' || body[i] == '[';
    return count;
}

enum bw_err bw_admission_review_decode(const void *body, size_t size,
                                       char out_uid[BW_ADMISSION_UID_BYTES], struct bw_diag *diag)
{
    json_t *review;
    const char *uid;
    enum bw_err err = BW_OK;

    if (count_parts(body, size) > BW_ADMISSION_PARTS_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT,
                           "the body has more than %d commas and opening brackets",
                           BW_ADMISSION_PARTS_MAX);
    review = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    uid = json_string_value(json_object_get(json_object_get(review, "request"), "uid"));
    if (!is_text(review, "apiVersion", API_VERSION) || !is_text(review, "kind", KIND))
        err = bw_diag_set(diag, BW_ERR_INVALID, "the body is no " KIND " of " API_VERSION);
    else if (!is_uid(uid))
        err = bw_diag_set(
            diag, BW_ERR_INVALID,
            "request.uid: expected 1 to %d letters, digits and -._:", BW_ADMISSION_UID_BYTES - 1);
    else
        memcpy(out_uid, uid, strlen(uid) + 1);
    json_decref(review);
    return err;
}

char *bw_admission_review_encode(const char *uid, bool is_allowed, const char *message)
{
    json_t *review = json_pack("{s:s, s:s, s:{s:s, s:b, s:{s:s}}}", "apiVersion", API_VERSION,
                               "kind", KIND, "response", "uid", uid, "allowed", (int)is_allowed,
                               "status", "message", message);
    char *text = review != NULL ? json_dumps(review, JSON_COMPACT) : NULL;

    json_decref(review);
    return text;
}
