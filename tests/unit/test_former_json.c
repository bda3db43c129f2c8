/* former_json: documents of the release before are read as those of this one (proto/PROTOCOL.md, "Evolution"). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <jansson.h>

#include <breakwater/core/explain.h>

#include "../../src/cli/api.h"

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
        assert_string_equal(word_at(epoch, "bypassed"), "lag_too_high");
        assert_string_equal(word_at(epoch, "ended_by"), "operator");
        assert_null(json_object_get(epoch, "waived"));
        json_decref(document);
    }
}

/* The witnesses keep these lists in the words of the release that led when the epoch began: an answer of this release has them, too.
 */
static void the_gates_of_an_epoch_have_the_words_of_this_release(void **state)
{
    static const struct {
        const char *before;
        const char *after;
    } lists[] = {
        {"lag", "lag_too_high"},
        {"approval, mode", "needs_approval, mode_forbids"},
        {"dc-a: connected, asked; dc-c: connected", "dc-a: not_connected, other_site_requested; dc-c: not_connected"},
        {"dc-b: eligible, less preferred; lag: preferred", "dc-b: eligible, less preferred; lag: no_preferred_site"},
        {"dc-a: not_connected; ...", "dc-a: not_connected; ..."},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        json_t *former = json_pack("{s:s, s:[{s:s, s:s, s:s}]}", "schema", "breakwater.history/v1", "entries", "previous_site",
                                   "dc-a", "waived", lists[i].before, "why", lists[i].before);
        json_t *current = json_pack("{s:s, s:{s:n, s:s, s:s}, s:{s:s}}", "schema", "breakwater.report/v2", "epoch",
                                    "previous_site", "bypassed", lists[i].before, "blocked_by", lists[i].before, "other",
                                    "blocked_by", lists[i].before);
        const json_t *entry;

        assert_non_null(former);
        assert_non_null(current);
        bw_json_from_former(former);
        bw_json_from_former(current);
        entry = json_array_get(json_object_get(former, "entries"), 0);
        assert_string_equal(word_at(entry, "bypassed"), lists[i].after);
        assert_string_equal(word_at(entry, "blocked_by"), lists[i].after);
        entry = json_object_get(current, "epoch");
        assert_string_equal(word_at(entry, "bypassed"), lists[i].after);
        assert_string_equal(word_at(entry, "blocked_by"), lists[i].after);
        assert_string_equal(word_at(json_object_get(current, "other"), "blocked_by"), lists[i].before);
        json_decref(former);
        json_decref(current);
    }
}

/* Else a list of this release would be changed. */
static void no_word_of_a_gate_is_the_former_word_of_another_one(void **state)
{
    (void)state;
    for (enum bw_gate_id word = 0; word < BW_GATE_ID_COUNT; word++)
        for (enum bw_gate_id former = 0; former < BW_GATE_ID_COUNT; former++)
            if (strcmp(bw_gate_word(word), bw_gate_id_text(former)) == 0)
                assert_int_equal(word, former);
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
        cmocka_unit_test(the_gates_of_an_epoch_have_the_words_of_this_release),
        cmocka_unit_test(no_word_of_a_gate_is_the_former_word_of_another_one),
        cmocka_unit_test(what_is_no_epoch_keeps_its_members),
        cmocka_unit_test(a_document_of_this_release_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
