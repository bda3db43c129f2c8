/* admission: whether a part of a service may be made at a site (design 5.3), from what its guard
 * shows and its agent knows. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/may_run.h>

#include "../../src/agent/admission_review.h"

static struct bw_site site; /* large: not on the stack */

/* An agent that has heard of the group since it began. */
static enum bw_admission judge(enum bw_may_run may_run, bool is_enforced, bool has_order)
{
    site.memory.enforced = is_enforced;
    site.order.kind = has_order ? BW_ORDER_STAND_BY : BW_ORDER_NONE;
    return bw_admission(may_run, &site);
}

static void what_may_run_may_be_made(void **state)
{
    (void)state;
    assert_int_equal(judge(BW_MAY_RUN_LEASE, true, true), BW_ADMISSION_MAY_RUN);
    assert_int_equal(judge(BW_MAY_RUN_OVERRIDE, true, false), BW_ADMISSION_MAY_RUN);
    assert_string_equal(bw_admission_word(BW_ADMISSION_MAY_RUN), "may_run");
}

/* Whatever the guard says else, of a group that is enforced here. */
static void nothing_else_is_made_where_the_group_is_enforced(void **state) /* I1 */
{
    (void)state;
    for (int i = 0; i < BW_MAY_RUN_COUNT; i++)
        if (!bw_may_run_is_yes((enum bw_may_run)i)) {
            assert_int_equal(judge((enum bw_may_run)i, true, true), BW_ADMISSION_REFUSED);
            assert_int_equal(judge((enum bw_may_run)i, true, false), BW_ADMISSION_REFUSED);
        }
}

/* 3.9: without the bit a site does nothing, so nobody's pods hang on it; a fence that failed, or a
 * guard of other clocks, is no such word. */
static void what_is_only_observed_is_not_decided_on(void **state)
{
    (void)state;
    for (int i = 0; i < BW_MAY_RUN_COUNT; i++)
        if (!bw_may_run_is_yes((enum bw_may_run)i))
            assert_int_equal(judge((enum bw_may_run)i, false, true), i == BW_MAY_RUN_NOT_ENFORCED
                                                                         ? BW_ADMISSION_UNDECIDED
                                                                         : BW_ADMISSION_REFUSED);
}

/* A guard knows of its own epochs alone. */
static void a_standby_that_never_served_makes_nothing(void **state) /* I1 */
{
    (void)state;
    assert_int_equal(judge(BW_MAY_RUN_NOT_ENFORCED, true, true), BW_ADMISSION_REFUSED);
}

static void an_agent_that_has_heard_nothing_yet_lets_nothing_be_made(void **state)
{
    (void)state;
    assert_int_equal(judge(BW_MAY_RUN_NOT_ENFORCED, false, false), BW_ADMISSION_REFUSED);
}

/* ---- what is read and answered ---- */

static enum bw_err decode(const char *text, char out_uid[BW_ADMISSION_UID_BYTES])
{
    struct bw_diag diag = {0};
    const enum bw_err err = bw_admission_review_decode(text, strlen(text), out_uid, &diag);

    assert_int_equal(err == BW_OK, diag.text[0] == '\0');
    return err;
}

#define REVIEW(request)                                                                            \
    "{\"kind\": \"AdmissionReview\", \"apiVersion\": \"admission.k8s.io/v1\", "                    \
    "\"request\": " request "}"

static void a_review_is_answered_by_its_uid(void **state)
{
    char uid[BW_ADMISSION_UID_BYTES] = "";
    char *text;

    (void)state;
    assert_int_equal(decode(REVIEW("{\"uid\": \"705ab4f5-6393-11e8\", \"object\": {}}"), uid),
                     BW_OK);
    assert_string_equal(uid, "705ab4f5-6393-11e8");
    text = bw_admission_review_encode(uid, false, "no \"lease\"");
    assert_string_equal(text,
                        "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\","
                        "\"response\":{\"uid\":\"705ab4f5-6393-11e8\",\"allowed\":false,"
                        "\"status\":{\"message\":\"no \\\"lease\\\"\"}}}");
    free(text);
}

static void what_is_no_review_is_refused_and_leaves_nothing(void **state)
{
    static const char *const wrong[] = {
        "",
        "x",
        "[]",
        "{}",
        REVIEW("null"),
        REVIEW("{\"uid\": 7}"),
        REVIEW("{\"uid\": \"\"}"),
        REVIEW("{\"uid\": \"a b\"}"),
        REVIEW("{\"uid\": \"\\u00e9\"}"),
        REVIEW("{\"uid\": \"a\", \"uid\": \"a\"}"),
        "{\"kind\": \"AdmissionReview\", \"apiVersion\": \"admission.k8s.io/v1beta1\", "
        "\"request\": {\"uid\": \"a\"}}",
        "{\"kind\": \"Pod\", \"apiVersion\": \"admission.k8s.io/v1\", \"request\": {\"uid\": "
        "\"a\"}}",
    };
    char uid[BW_ADMISSION_UID_BYTES] = "before";
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(decode(wrong[i], uid), BW_ERR_INVALID);
    for (int size = BW_ADMISSION_UID_BYTES - 1; size <= BW_ADMISSION_UID_BYTES; size++) {
        assert_string_equal(uid, "before");
        (void)snprintf(text, sizeof text, REVIEW("{\"uid\": \"%0*d\"}"), size, 0);
        assert_int_equal(decode(text, uid), size < BW_ADMISSION_UID_BYTES ? BW_OK : BW_ERR_INVALID);
        if (size < BW_ADMISSION_UID_BYTES)
            memcpy(uid, "before", sizeof "before");
    }
    assert_string_equal(uid, "before");
}

/* Of a stranger's few bytes each becomes some hundreds here. */
static void what_would_take_much_memory_is_refused_unread(void **state)
{
    static const char head[] = "{\"kind\": \"AdmissionReview\", \"apiVersion\": "
                               "\"admission.k8s.io/v1\", \"request\": {\"uid\": \"a\"}, \"x\": [{}";
    const size_t parts = 7; /* of head */
    const size_t pairs = (BW_ADMISSION_PARTS_MAX - parts) / 2;
    const size_t room = sizeof head + 3 * pairs + 8;
    char *text = malloc(room);
    char uid[BW_ADMISSION_UID_BYTES] = "";
    size_t used;

    (void)state;
    assert_non_null(text);
    used = (size_t)snprintf(text, room, "%s", head);
    for (size_t i = 0; i < pairs; i++)
        used += (size_t)snprintf(text + used, room - used, ",{}");
    (void)snprintf(text + used, room - used, "]}");
    assert_int_equal(decode(text, uid), BW_OK);
    assert_string_equal(uid, "a");
    (void)snprintf(text + used, room - used, ",{}]}");
    assert_int_equal(decode(text, uid), BW_ERR_LIMIT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_would_take_much_memory_is_refused_unread),
        cmocka_unit_test(what_may_run_may_be_made),
        cmocka_unit_test(nothing_else_is_made_where_the_group_is_enforced),
        cmocka_unit_test(what_is_only_observed_is_not_decided_on),
        cmocka_unit_test(a_standby_that_never_served_makes_nothing),
        cmocka_unit_test(an_agent_that_has_heard_nothing_yet_lets_nothing_be_made),
        cmocka_unit_test(a_review_is_answered_by_its_uid),
        cmocka_unit_test(what_is_no_review_is_refused_and_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
