/* operator_text.h - a witness's view of a world of its own, and what people read of it, against tests/golden/cli:
 * set BREAKWATER_GOLDEN=write to write these anew, and review them as code. Include it after cmocka.h. */
#ifndef BW_TEST_OPERATOR_TEXT_H
#define BW_TEST_OPERATOR_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/witness/json.h>

#include "api.h"
#include "columns.h"
#include "core_world.h"

#define SIX_DAYS_MS (INT64_C(6) * 86400 * 1000)

static struct world world;
static char *printed; /* what was printed since begin_telling */
static size_t printed_size;

static inline struct bw_operator_view view_of_leader(void)
{
    struct bw_operator_view view = {.machine = &world.witness,
                                    .cluster = "prod",
                                    .self = "w1",
                                    .leader = "w1",
                                    .leader_address = "w1.example.net:7400",
                                    .term = 4,
                                    .voters_in_contact = 2,
                                    .voters = 3,
                                    .member_count = 3,
                                    .scope = {.is_everything = true},
                                    .now = world.now};

    view.members[0] = (struct bw_operator_member){
        "w1", "w1.example.net:7400", "zone-1", "leader", 1, true, false, true, 60 * 86400, false, false, false, 0, NULL, 0, ""};
    view.members[1] = (struct bw_operator_member){
        "w2", "w2.example.net:7400", "zone-2", "follower", 2, false, true, true, 45 * 86400, false, false, false, 0, NULL, 0, ""};
    view.members[2] = (struct bw_operator_member){
        "w3", "w3.example.net:7400", "", "unknown", 3, false, false, false, 0, false, false, false, 0, NULL, 0, ""};
    return view;
}

static inline struct bw_operator_view view_of_calm_leader(void)
{
    struct bw_operator_view view = view_of_leader();

    view.voters_in_contact = 3;
    view.members[2].is_in_contact = true;
    view.members[2].role = "follower";
    return view;
}

static inline json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(value);
    return value;
}

static inline json_t *status_of(const struct bw_operator_view *view)
{
    struct bw_json_buffer buffer = {0};
    json_t *status;

    bw_json_status(view, &buffer);
    assert_false(buffer.is_failed);
    status = parse(buffer.text);
    free(buffer.text);
    return status;
}

static inline json_t *history_of(const struct bw_operator_view *view)
{
    struct bw_json_buffer buffer = {0};
    json_t *history;

    bw_json_history(view, NULL, 100, &buffer);
    assert_false(buffer.is_failed);
    history = parse(buffer.text);
    free(buffer.text);
    return history;
}

static inline FILE *begin_telling(void)
{
    FILE *out;

    (void)setenv("COLUMNS", "80", 1); /* whatever the screen is on which the test runs */
    free(printed);
    printed = NULL;
    out = open_memstream(&printed, &printed_size);
    assert_non_null(out);
    return out;
}

static inline void compare_with_golden(const char *name)
{
    static char golden[65536];
    const char *source = getenv("BREAKWATER_SOURCE");
    const char *mode = getenv("BREAKWATER_GOLDEN");
    const bool is_update = mode != NULL && strcmp(mode, "write") == 0;
    char path[512];
    FILE *file;
    size_t size;

    assert_non_null(source);
    (void)snprintf(path, sizeof path, "%s/tests/golden/cli/%s", source, name);
    file = fopen(path, is_update ? "w" : "r");
    assert_non_null(file);
    if (is_update) {
        assert_true(fputs(printed, file) >= 0);
        assert_int_equal(fclose(file), 0);
        return;
    }
    size = fread(golden, 1, sizeof golden - 1, file);
    golden[size] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_string_equal(printed, golden);
}

static inline void compare_json(json_t *value, const char *name)
{
    FILE *out = begin_telling();

    assert_non_null(value);
    assert_int_equal(json_dumpf(value, out, JSON_INDENT(2)), 0);
    (void)fputc('\n', out);
    assert_int_equal(fclose(out), 0);
    compare_with_golden(name);
    json_decref(value);
}

/* As after a survey of all witnesses: each follower reaches the leader, and the sites that the one that answers reaches. */
static inline void add_answers(json_t *status)
{
    json_t *self = bw_json_find(json_object_get(status, "witnesses"), "name", bw_json_member(status, "answered_by"));
    json_t *member;
    size_t i;

    json_array_foreach(json_object_get(status, "witnesses"), i, member)
    {
        json_t *names = json_array(), *name;
        size_t j;

        (void)json_array_append(names, json_object_get(status, "leader"));
        json_array_foreach(json_object_get(self, "reaches"), j, name)
            if (bw_json_find(json_object_get(status, "witnesses"), "name", json_string_value(name)) == NULL)
                (void)json_array_append(names, name);
        if (json_is_null(json_object_get(member, "reaches")) && !json_is_false(json_object_get(member, "heard")) &&
            bw_json_member(status, "leader")[0] != '\0') {
            (void)json_object_set(member, "reaches", names);
            if (strcmp(bw_json_member(member, "role"), "unknown") == 0)
                (void)json_object_set_new(member, "role", json_string("follower"));
        }
        json_decref(names);
    }
}

static inline void compare_status(const struct bw_operator_view *view, enum bw_exit exit, const char *name)
{
    json_t *status = status_of(view);
    FILE *out = begin_telling();
    enum bw_exit verdict;

    add_answers(status);
    verdict = bw_show_status(status, NULL, SIX_DAYS_MS, out);
    assert_int_equal(fclose(out), 0);
    compare_with_golden(name);
    assert_int_equal(verdict, exit);
    json_decref(status);
}

static inline void begin_with_handover_never(void)
{
    struct bw_spec spec;

    world_init(&world, 2);
    spec = world_group(&world)->spec;
    spec.handover_by_time = BW_HANDOVER_NEVER;
    world_begin_with(&world, 2, &spec);
}

static inline int free_printed(void **state)
{
    (void)state;
    free(printed);
    return 0;
}

#endif
