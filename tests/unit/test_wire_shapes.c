/* wire tables: no field of a struct is forgotten, and what is written can be read again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/core/guard.h>
#include <breakwater/core/record.h>
#include <breakwater/core/site.h>
#include <breakwater/core/sync.h>
#include <breakwater/wire/state.h>
#include <breakwater/wire/sync.h>

#include "wire_fill.h"

/* ---- every byte of a struct that is not padding belongs to a row of its table ---- */

#define STRUCT_BYTES_MAX (64 * 1024)
static uint8_t is_value[STRUCT_BYTES_MAX]; /* not 0: not padding */

static void cover(size_t offset, size_t size)
{
    memset(is_value + offset, 0, size);
}

static void cover_field(size_t base, const struct bw_field *field)
{
    const size_t at = base + field->core_offset;

    switch (field->kind) {
    case BW_FIELD_VERSION:
        return;
    case BW_FIELD_HEAP_LIST:
        cover(at, sizeof(void *));
        cover(base + field->core_count_offset, sizeof(uint32_t));
        return;
    case BW_FIELD_HEAP_BYTES:
        cover(at, sizeof(void *));
        cover(base + field->core_count_offset, sizeof(size_t));
        return;
    case BW_FIELD_ARRAY:
        cover(at, field->core_size * field->max);
        return;
    case BW_FIELD_LIST:
        cover(at, field->core_size * field->max);
        cover(base + field->core_count_offset, sizeof(uint32_t));
        return;
    case BW_FIELD_CHOICE:
        cover(at, field->core_size);
        for (uint32_t i = 0; i < field->max; i++) {
            const struct bw_shape *shape = field->choices[i].shape;

            cover(base + shape->core_offset, shape->core_size);
            for (size_t k = 0; shape->core_size == 0 && k < shape->field_count; k++)
                cover_field(base, &shape->fields[k]); /* a part of the struct around */
        }
        return;
    case BW_FIELD_NUMBER:
    case BW_FIELD_BOOL:
    case BW_FIELD_BITS:
    case BW_FIELD_ENUM:
    case BW_FIELD_NAME:
    case BW_FIELD_TEXT:
    case BW_FIELD_ID:
    case BW_FIELD_NUMBERS:
    case BW_FIELD_BOOLS:
    case BW_FIELD_MESSAGE:
        cover(at, field->core_size);
        return;
    }
}

static void check_covered(const char *name, const struct bw_shape *shape, size_t size)
{
    assert_true(shape->core_size == size);
    for (size_t i = 0; i < shape->field_count; i++)
        cover_field(0, &shape->fields[i]);
    for (size_t i = 0; i < size; i++)
        if (is_value[i] != 0)
            fail_msg("%s: the field at byte %zu has no row in src/wire/shapes.c", name, i);
}

/* The bytes of `type` that are no padding: known to the compiler alone. */
#define MARK(type)                                                                                 \
    do {                                                                                           \
        static type object;                                                                        \
        _Static_assert(sizeof object <= sizeof is_value, "larger than foreseen");                  \
        memset(&object, 0xff, sizeof object);                                                      \
        __builtin_clear_padding(&object);                                                          \
        memcpy(is_value, &object, sizeof object);                                                  \
    } while (0)
#define COVERED(type, shape)                                                                       \
    do {                                                                                           \
        MARK(type);                                                                                \
        check_covered(#type, (shape), sizeof(type));                                               \
    } while (0)
#define PART(name) __typeof__(((struct bw_guard_message *)0)->name)

static const struct bw_shape *guard_part(enum bw_guard_message_kind kind)
{
    const struct bw_shape *around = &bw_shape_guard_message;

    return around->fields[around->field_count - 1].choices[kind].shape;
}

static void each_field_of_each_struct_has_a_row(void **state)
{
    (void)state;
    COVERED(struct bw_site_spec, &bw_shape_site_spec);
    COVERED(struct bw_terms, &bw_shape_terms);
    COVERED(struct bw_history_entry, &bw_shape_history_entry);
    COVERED(struct bw_last_end, &bw_shape_last_end);
    COVERED(struct bw_record_key, &bw_shape_record_key);
    COVERED(struct bw_record_site, &bw_shape_record_site);
    COVERED(struct bw_released, &bw_shape_given_back);
    COVERED(struct bw_report, &bw_shape_report);
    COVERED(struct bw_sync_group, &bw_shape_sync_group);
    COVERED(struct bw_sync, &bw_shape_sync);
    COVERED(struct bw_order, &bw_shape_order);
    COVERED(struct bw_member, &bw_shape_member);
    COVERED(struct bw_sync_answer_group, &bw_shape_sync_answer_group);
    COVERED(struct bw_relay, &bw_shape_relay);
    COVERED(struct bw_instant, &bw_shape_instant);
    COVERED(struct bw_run_facts, &bw_shape_run_facts);
    COVERED(struct bw_site_memory, &bw_shape_site_memory);
    COVERED(struct bw_agent_group, &bw_shape_agent_group);
    COVERED(struct bw_agent_state, &bw_shape_agent_state);
    COVERED(struct bw_guard_memory, &bw_shape_guard_memory);
    COVERED(struct bw_guard_memory_file, &bw_shape_guard_memory_file);
    COVERED(struct bw_guard_child, &bw_shape_guard_child);
}

static void each_field_of_each_guard_message_has_a_row(void **state)
{
    (void)state;
    COVERED(struct bw_guard_message, &bw_shape_guard_message);
    COVERED(PART(hello), guard_part(BW_GUARD_MESSAGE_HELLO));
    COVERED(PART(arm), guard_part(BW_GUARD_MESSAGE_ARM));
    COVERED(PART(run), guard_part(BW_GUARD_MESSAGE_RUN));
    COVERED(PART(welcome), guard_part(BW_GUARD_MESSAGE_WELCOME));
    COVERED(PART(state), guard_part(BW_GUARD_MESSAGE_GROUP_STATE));
    COVERED(PART(armed), guard_part(BW_GUARD_MESSAGE_ARMED));
    COVERED(PART(refused), guard_part(BW_GUARD_MESSAGE_ARM_REFUSED));
    COVERED(PART(begun), guard_part(BW_GUARD_MESSAGE_RUN_BEGUN));
    COVERED(PART(ended), guard_part(BW_GUARD_MESSAGE_RUN_ENDED));
    COVERED(PART(fence), guard_part(BW_GUARD_MESSAGE_FENCE_ENDED));
    COVERED(PART(show), guard_part(BW_GUARD_MESSAGE_SHOW));
    COVERED(PART(shown), guard_part(BW_GUARD_MESSAGE_SHOWN));
    COVERED(struct bw_guard_script_end, &bw_shape_guard_script_end);
}

static void each_field_of_a_snapshot_head_has_a_row(void **state)
{
    (void)state;
    MARK(struct bw_cluster);
    cover(offsetof(struct bw_cluster, groups), sizeof(void *));           /* records of their own */
    cover(offsetof(struct bw_cluster, group_capacity), sizeof(uint32_t)); /* of this process */
    cover(offsetof(struct bw_cluster, record), sizeof(void *));           /* blocks of their own */
    check_covered("struct bw_cluster", &bw_shape_snapshot_head, sizeof(struct bw_cluster));
}

/* ---- the same for structs with arrays of structs inside, by the text of their headers ----
 * gcc 12 loses its place when it clears the padding behind such an array. */

#define HEADER_BYTES_MAX (64 * 1024)

static void read_header(const char *path, char out_text[HEADER_BYTES_MAX])
{
    char whole[512];
    const char *source = getenv("BREAKWATER_SOURCE");
    FILE *file;

    (void)snprintf(whole, sizeof whole, "%s/include/breakwater/%s", source ? source : ".", path);
    file = fopen(whole, "r");
    assert_non_null(file);
    out_text[fread(out_text, 1, HEADER_BYTES_MAX - 1, file)] = '\0';
    fclose(file);
}

static void blank_comments(char *text)
{
    for (char *begin = strstr(text, "/*"); begin != NULL; begin = strstr(begin, "/*")) {
        char *end = strstr(begin, "*/");

        assert_non_null(end);
        memset(begin, ' ', (size_t)(end + 2 - begin));
    }
}

static bool has_own_row(const struct bw_shape *shape, const char *name)
{
    for (size_t i = 0; i < shape->field_count; i++)
        if (strcmp(shape->fields[i].name, name) == 0)
            return true;
    return false;
}

static bool has_row(const struct bw_shape *shape, const char *name)
{
    if (has_own_row(shape, name))
        return true;
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct bw_field *field = &shape->fields[i];

        for (uint32_t k = 0; field->kind == BW_FIELD_CHOICE && k < field->max; k++)
            if (field->choices[k].shape != NULL && has_own_row(field->choices[k].shape, name))
                return true;
    }
    return false;
}

/* `others`: members that need no row of their own, in blanks. */
static void check_members(const char *path, const char *head, const struct bw_shape *shape,
                          const char *others)
{
    static char text[HEADER_BYTES_MAX];
    char *at;
    char *end;
    size_t member_count = 0;

    read_header(path, text);
    blank_comments(text);
    at = strstr(text, head);
    assert_non_null(at);
    end = strstr(at, "\n};");
    assert_non_null(end);
    *end = '\0';
    for (char *part = strtok(at + strlen(head), ";"); part != NULL; part = strtok(NULL, ";")) {
        char name[80];
        char padded[84];

        part[strcspn(part, "[")] = '\0';
        if (strrchr(part, ' ') == NULL || sscanf(strrchr(part, ' '), " %79s", name) != 1)
            continue;
        (void)snprintf(padded, sizeof padded, " %s ", name);
        if (!has_row(shape, name) && strstr(others, padded) == NULL)
            fail_msg("%s %s has no row in src/wire/shapes.c", head, name);
        member_count++;
    }
    assert_true(member_count > 3);
}

static void each_member_in_a_header_has_a_row(void **state)
{
    (void)state;
    check_members("core/spec.h", "struct bw_spec {", &bw_shape_spec, " site_count ");
    check_members("core/command.h", "struct bw_command {", &bw_shape_log_entry, " kind *people people_size "); /* its row is of bytes */
    check_members("core/group.h", "struct bw_group {", &bw_shape_group,
                  " history_first history_count boot_count voucher_count wish_count "
                  "wish_over_count claim_count "); /* written in order */
    check_members("core/record.h", "struct bw_record_event {", &bw_shape_record_event,
                  " kind key_count site_count ");
    check_members("core/guard.h", "struct bw_guard_mirror {", &bw_shape_guard_mirror,
                  " loop_until "); /* two rows, of its two numbers */
    check_members("wire/state.h", "struct bw_guard_mirror_file {", &bw_shape_guard_mirror_file, "");
    check_members("wire/state.h", "struct bw_guard_reach_file {", &bw_shape_guard_reach_file,
                  " script_count unit_count variable_count ");
    check_members("core/sync.h", "struct bw_sync_answer {", &bw_shape_sync_answer,
                  " member_count group_count *groups ");
}

/* ---- round trips ---- */

#define BYTES_MAX (4 * 1024 * 1024)
static uint8_t bytes[BYTES_MAX];

static void check_round_trip(const char *name, const struct bw_shape *shape,
                             struct wire_filler *filler)
{
    const struct bw_coding coding = {
        .shape = shape, .what = name, .bytes_max = BYTES_MAX, .is_strict = true};
    struct bw_diag diag = {0};
    uint8_t *core = calloc(1, shape->core_size);
    uint8_t *again = calloc(1, shape->core_size);
    size_t size;

    wire_fill(filler, shape, core);
    if (bw_message_encode(&coding, core, filler->heap_count, bytes, sizeof bytes, &size, &diag) !=
        BW_OK)
        fail_msg("%s", diag.text);
    if (bw_message_decode(&coding, bytes, size, again, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    if (!wire_is_equal(shape, core, again))
        fail_msg("%s: not the same after a round trip", name);

    wire_free(shape, core);
    wire_free(shape, again);
    free(core);
    free(again);
}

static void what_is_written_is_read_again(void **state)
{
    struct wire_filler filler = {.heap_count = 3, .choice = -1};

    (void)state;
    bw_prng_init(&filler.prng, 1);
    for (int round = 0; round < 20; round++) {
#define X(name) check_round_trip(#name, &bw_shape_##name, &filler);
        BW_SHAPE_LIST(X)
#undef X
    }
}

static void the_largest_values_are_read_again(void **state)
{
    struct wire_filler filler = {.is_largest = true, .heap_count = BW_GROUPS_MAX, .choice = -1};

    (void)state;
    bw_prng_init(&filler.prng, 2);
#define X(name) check_round_trip(#name, &bw_shape_##name, &filler);
    BW_SHAPE_LIST(X)
#undef X
}

/* The library's own paths when there is no memory: its allocator fails at each point. */
static void expect_limit_until_it_is_read(const struct bw_coding *coding, size_t size, void *core)
{
    struct bw_diag diag = {0};
    size_t room = 0;

    for (enum bw_err err = BW_ERR_LIMIT; err != BW_OK; room += 16) {
        struct bw_arena arena;

        assert_int_equal(bw_arena_init(&arena, room, &diag), BW_OK);
        err = bw_shape_decode(coding, bytes, size, &arena, core, &diag);
        assert_true(err == BW_OK || err == BW_ERR_LIMIT);
        bw_arena_deinit(&arena);
    }
    assert_true(room > 1000);
}

static void a_message_that_outgrows_its_arena_is_a_limit(void **state)
{
    const struct bw_coding syncs = {
        .shape = &bw_shape_sync, .what = "sync", .bytes_max = BYTES_MAX, .is_strict = true};
    const struct bw_coding events = {.shape = &bw_shape_record_event,
                                     .what = "event",
                                     .bytes_max = BYTES_MAX,
                                     .is_canonical = true};
    struct wire_filler filler = {.heap_count = 3, .choice = BW_RECORD_GRANTED};
    struct bw_diag diag = {0};
    struct bw_record_event event;
    struct bw_sync sync;
    size_t size;

    (void)state;
    bw_prng_init(&filler.prng, 3);
    wire_fill(&filler, &bw_shape_sync, &sync);
    assert_int_equal(bw_message_encode(&syncs, &sync, 3, bytes, sizeof bytes, &size, &diag), BW_OK);
    wire_free(&bw_shape_sync, &sync);
    expect_limit_until_it_is_read(&syncs, size, &sync);
    wire_free(&bw_shape_sync, &sync);

    wire_fill(&filler, &bw_shape_record_event, &event);
    assert_int_equal(bw_message_encode(&events, &event, 3, bytes, sizeof bytes, &size, &diag),
                     BW_OK);
    expect_limit_until_it_is_read(&events, size, &event);
}

/* From an arena of no bytes up to the first that is large enough. */
static void expect_limit_until_it_fits(const struct bw_shape *shape, const void *core)
{
    const struct bw_coding coding = {.shape = shape, .what = "it", .bytes_max = BYTES_MAX};
    struct bw_diag diag = {0};
    size_t room = 0;

    for (enum bw_err err = BW_ERR_LIMIT; err != BW_OK; room += 16) {
        struct bw_arena arena;
        size_t size = 4711;

        assert_int_equal(bw_arena_init(&arena, room, &diag), BW_OK);
        err = bw_shape_encode(&coding, core, &arena, bytes, sizeof bytes, &size, &diag);
        assert_true(err == BW_OK || (err == BW_ERR_LIMIT && size == 4711));
        bw_arena_deinit(&arena);
    }
    assert_true(room > 200);
}

static void an_encoder_that_outgrows_its_arena_is_a_limit(void **state)
{
    struct wire_filler filler = {.heap_count = 3};
    static struct bw_guard_message with_arrays = {.kind = BW_GUARD_MESSAGE_GROUP_STATE,
                                                  .group = "g"};
    struct bw_sync sync;

    (void)state;
    bw_prng_init(&filler.prng, 3);
    wire_fill(&filler, &bw_shape_sync, &sync);
    with_arrays.state.has_script[BW_ACTION_START] = true;
    with_arrays.state.timeout_ms[BW_ACTION_START] = 1;

    expect_limit_until_it_fits(&bw_shape_sync, &sync);
    expect_limit_until_it_fits(&bw_shape_guard_message, &with_arrays);

    wire_free(&bw_shape_sync, &sync);
}

static void an_arena_gives_no_more_than_it_has(void **state)
{
    struct bw_arena arena;
    struct bw_diag diag = {0};

    (void)state;
    assert_int_equal(bw_arena_init(&arena, 64, &diag), BW_OK);

    assert_null(bw_arena_take(&arena, 1, 65));
    assert_null(bw_arena_take(&arena, SIZE_MAX / 2 + 2, 2)); /* the product wraps around to 2 */

    assert_true(arena.is_exhausted);
    assert_non_null(bw_arena_take(&arena, 2, 32));
    bw_arena_deinit(&arena);
}

static void more_bytes_than_the_coding_allows_are_not_looked_at(void **state)
{
    const struct bw_coding coding = {.shape = &bw_shape_sync, .what = "sync", .bytes_max = 16};
    struct bw_arena arena;
    struct bw_diag diag = {0};
    struct bw_sync sync;

    (void)state;
    assert_int_equal(bw_arena_init(&arena, 4096, &diag), BW_OK);

    assert_int_equal(bw_shape_decode(&coding, NULL, 17, &arena, &sync, &diag), BW_ERR_LIMIT);

    assert_non_null(strstr(diag.text, "17 bytes; at most 16"));
    bw_arena_deinit(&arena);
}

static void a_kind_that_is_none_is_not_written(void **state)
{
    const struct bw_coding coding = {
        .shape = &bw_shape_record_event, .what = "event", .bytes_max = BYTES_MAX};
    const struct bw_record_event none = {.index = 1};
    struct bw_diag diag = {0};
    size_t size = 4711;

    (void)state;
    assert_int_equal(bw_message_encode(&coding, &none, 0, bytes, sizeof bytes, &size, &diag),
                     BW_ERR_INVALID);

    assert_non_null(strstr(diag.text, "there is no kind 0"));
    assert_int_equal(size, 4711);
}

static void a_count_beyond_the_places_of_its_list_is_not_written(void **state)
{
    const struct bw_coding coding = {
        .shape = &bw_shape_group, .what = "group", .bytes_max = BYTES_MAX};
    static struct bw_group group;
    struct wire_filler filler = {0};
    struct bw_diag diag = {0};
    size_t size = 4711;

    (void)state;
    bw_prng_init(&filler.prng, 5);
    wire_fill(&filler, &bw_shape_group, &group);
    group.spec.site_count = BW_SITES_MAX + 1;

    assert_int_equal(bw_message_encode(&coding, &group, BW_SITES_MAX + BW_HISTORY_MAX, bytes,
                                       sizeof bytes, &size, &diag),
                     BW_ERR_LIMIT);

    assert_non_null(strstr(diag.text, "sites: 9 of them; at most 8"));
    assert_int_equal(size, 4711);
}

static void nothing_to_free_is_fine(void **state)
{
    (void)state;
    bw_sync_deinit(NULL);
    bw_sync_answer_deinit(NULL);
    bw_relay_deinit(NULL);
    bw_agent_state_deinit(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_of_each_struct_has_a_row),
        cmocka_unit_test(each_field_of_each_guard_message_has_a_row),
        cmocka_unit_test(each_field_of_a_snapshot_head_has_a_row),
        cmocka_unit_test(each_member_in_a_header_has_a_row),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(the_largest_values_are_read_again),
        cmocka_unit_test(a_message_that_outgrows_its_arena_is_a_limit),
        cmocka_unit_test(an_encoder_that_outgrows_its_arena_is_a_limit),
        cmocka_unit_test(an_arena_gives_no_more_than_it_has),
        cmocka_unit_test(more_bytes_than_the_coding_allows_are_not_looked_at),
        cmocka_unit_test(a_kind_that_is_none_is_not_written),
        cmocka_unit_test(a_count_beyond_the_places_of_its_list_is_not_written),
        cmocka_unit_test(nothing_to_free_is_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
