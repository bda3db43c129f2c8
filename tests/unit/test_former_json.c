/* former_json: documents of the release before are read as those of this one (proto/PROTOCOL.md, "Evolution"). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>

#include "../../src/cli/former_json.h"

static json_t *read_former(const char *text)
{
    json_error_t error;
    json_t *document = json_loads(text, 0, &error);

    assert_non_null(document);
    bw_json_from_former(document);
    return document;
}

static const char *word_at(const json_t *object, const char *key)
{
    const char *word = json_string_value(json_object_get(object, key));

    assert_non_null(word);
    return word;
}

static void the_gate_of_an_end_has_its_member_and_its_word(void **state)
{
    json_t *document = read_former("{\"schema\": \"breakwater.explain/v1\", \"end\": {\"gate\": \"end_reach\", \"way\": \"x\"}}");
    const json_t *end = json_object_get(document, "end");

    (void)state;
    assert_string_equal(word_at(end, "blocked_by"), "may_outlive_lease");
    assert_string_equal(word_at(end, "suggested_command"), "x");
    assert_null(json_object_get(end, "gate"));
    assert_string_equal(word_at(document, "schema"), "breakwater.explain/v2");
    json_decref(document);
}

/* Wherever it stands. */
static void an_epoch_has_its_members(void **state)
{
    static const char *const texts[] = {
        "{\"schema\": \"breakwater.history/v1\", \"entries\": [{\"previous_site\": null, \"waived\": \"lag\", "
        "\"grade\": \"forced\", \"ended\": null}]}",
        "{\"schema\": \"breakwater.report/v1\", \"epoch\": {\"previous_site\": \"dc-a\", \"waived\": \"lag\", "
        "\"grade\": \"forced\"}}",
    };
    static const char *const keys[] = {"entries", "epoch"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *document = read_former(texts[i]);
        const json_t *epoch = json_object_get(document, keys[i]);

        if (json_is_array(epoch))
            epoch = json_array_get(epoch, 0);
        assert_string_equal(word_at(epoch, "bypassed"), "lag");
        assert_string_equal(word_at(epoch, "ended_by"), "operator");
        assert_null(json_object_get(epoch, "waived"));
        json_decref(document);
    }
}

/* `why` of another object is its own text. */
static void what_is_no_epoch_keeps_its_members(void **state)
{
    json_t *document = read_former("{\"schema\": \"breakwater.status/v1\", \"end\": {\"why\": \"a text\"}}");

    (void)state;
    assert_string_equal(word_at(json_object_get(document, "end"), "why"), "a text");
    json_decref(document);
}

static void a_document_of_this_release_stays_as_it_is(void **state)
{
    json_t *document = read_former("{\"schema\": \"breakwater.status/v2\", \"wish\": 1}");

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(document, "wish")), 1);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gate_of_an_end_has_its_member_and_its_word),
        cmocka_unit_test(an_epoch_has_its_members),
        cmocka_unit_test(what_is_no_epoch_keeps_its_members),
        cmocka_unit_test(a_document_of_this_release_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
