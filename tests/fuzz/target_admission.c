/* What an API server asks before it takes a pod: anybody can send it. What is taken has a uid that
 * can be answered, and the answer says it again; what is refused leaves nothing. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../../src/agent/admission_review.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char uid[BW_ADMISSION_UID_BYTES] = "before";
    struct bw_diag diag = {0};
    const enum bw_err err = bw_admission_review_decode(data, size, uid, &diag);
    json_t *answer;
    char *text;

    fuzz_check_outcome(err, &diag);
    if (err != BW_OK) {
        FUZZ_CHECK(strcmp(uid, "before") == 0);
        return 0;
    }
    FUZZ_CHECK(uid[0] != '\0' && fuzz_is_text(uid, sizeof uid));
    text = bw_admission_review_encode(uid, true, "may run");
    FUZZ_CHECK(text != NULL);
    answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(
        strcmp(json_string_value(json_object_get(json_object_get(answer, "response"), "uid")),
               uid) == 0);
    json_decref(answer);
    free(text);
    return 0;
}
