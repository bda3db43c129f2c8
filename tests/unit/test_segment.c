/* segment: a torn end of libraft's open log segments is cut off, and damage is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>

#include "../../src/consensus/segment.h"

#define FILE_BYTES  8192
#define ENTRY_BYTES 24

static char dir[64];

/* An open segment in memory, as libraft makes it. */
struct segment {
    uint8_t bytes[FILE_BYTES];
    size_t size; /* up to the end of the last batch; the rest is zeros */
};

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
    uint32_t crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc ^= (uint32_t)data[i] << 24;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1) ^ ((crc >> 31) * UINT32_C(0x04C11DB7));
    }
    return crc;
}

static struct segment begin(void)
{
    struct segment segment = {.size = 8};

    bw_put_u64le(segment.bytes, 1);
    return segment;
}

static void add_batch(struct segment *segment, unsigned entries)
{
    uint8_t *head = segment->bytes + segment->size;
    uint8_t *data = head + 16 + 16 * (size_t)entries;

    assert_true(segment->size + 16 + (16 + ENTRY_BYTES) * (size_t)entries <= FILE_BYTES);
    bw_put_u64le(head + 8, entries);
    for (unsigned i = 0; i < entries; i++) {
        bw_put_u64le(head + 16 + 16 * (size_t)i, 7);
        head[24 + 16 * (size_t)i] = 1;
        bw_put_u32le(head + 28 + 16 * (size_t)i, ENTRY_BYTES);
        memset(data + ENTRY_BYTES * (size_t)i, (int)('a' + i % 26), ENTRY_BYTES);
    }
    bw_put_u32le(head, crc32_of(head + 8, 8 + 16 * (size_t)entries));
    bw_put_u32le(head + 4, crc32_of(data, ENTRY_BYTES * (size_t)entries));
    segment->size += 16 + (16 + ENTRY_BYTES) * (size_t)entries;
}

static void write_segment(const char *name, const void *bytes, size_t size)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    assert_int_equal(close(fd), 0);
}

static off_t size_of(const char *name)
{
    char path[128];
    struct stat status;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static bool is_there(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void assert_damaged(const char *words)
{
    struct bw_segment_cut cut;
    struct bw_diag diag = {0};

    assert_int_equal(bw_segment_check(dir, &cut, &diag), BW_ERR_CORRUPT);
    if (strstr(diag.text, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, diag.text);
    assert_int_equal(cut.files, 0);
    assert_int_equal(size_of("open-1"), FILE_BYTES);
}

static void assert_cut(off_t left, uint64_t bytes, uint64_t entries)
{
    struct bw_segment_cut cut;
    struct bw_diag diag = {0};

    assert_int_equal(bw_segment_check(dir, &cut, &diag), BW_OK);
    assert_int_equal(cut.files, 1);
    assert_int_equal(cut.bytes, bytes);
    assert_int_equal(cut.entries, entries);
    if (left > 0)
        assert_int_equal(size_of("open-1"), left);
    assert_int_equal(is_there("open-1"), left > 0);
    assert_int_equal(bw_segment_check(dir, &cut, &diag), BW_OK);
    assert_int_equal(cut.files, 0);
}

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/bw-segment-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void what_is_whole_is_left_alone_and_what_is_blank_goes(void **state)
{
    struct segment segment = begin();
    struct bw_segment_cut cut;
    static const uint8_t never_written[FILE_BYTES];

    (void)state;
    add_batch(&segment, 1);
    add_batch(&segment, 3);
    write_segment("open-1", segment.bytes, FILE_BYTES);
    write_segment("open-2", segment.bytes, segment.size);
    write_segment("open-3", never_written, FILE_BYTES);
    write_segment("open-4", begin().bytes, FILE_BYTES);
    write_segment("open-5", never_written, 0);

    assert_int_equal(bw_segment_check(dir, &cut, NULL), BW_OK);

    assert_int_equal(cut.files, 0);
    assert_int_equal(size_of("open-1"), FILE_BYTES);
    assert_int_equal(size_of("open-2"), (off_t)segment.size);
    assert_false(is_there("open-3"));
    assert_false(is_there("open-4"));
    assert_false(is_there("open-5"));
}

static void the_copy_of_a_truncation_goes(void **state)
{
    static const char *const kept[] = {"0000000000000001-0000000000000050",
                                       "0000000000000051-0000000000000100",
                                       "0000000000000101-0000000000000101",
                                       "0000000000000051-0000000000000060.tmp", "metadata1"};
    struct bw_segment_cut cut;

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        write_segment(kept[i], "x", 1);
    write_segment("0000000000000051-0000000000000060", "", 0);

    assert_int_equal(bw_segment_check(dir, &cut, NULL), BW_OK);

    assert_false(is_there("0000000000000051-0000000000000060"));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_true(is_there(kept[i]));
}

/* Nothing but the note tells it from damage, and the note only what is behind it (L24). */
static void what_a_truncation_had_yet_to_remove_goes(void **state)
{
    static const char *const closed[] = {
        "0000000000000001-0000000000000003", "0000000000000011-0000000000000020",
        "0000000000000021-0000000000000030"};
    unsigned files;

    (void)state;
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        write_segment(closed[i], "x", 1);
    assert_int_equal(bw_segment_finish_cut(dir, 0, &files, NULL), BW_OK); /* there was none */
    assert_int_equal(files, 0);
    assert_int_equal(bw_segment_finish_cut(dir, 11, &files, NULL), BW_OK); /* it had not begun */
    assert_int_equal(files, 0);
    assert_int_equal(bw_segment_finish_cut(dir, 31, &files, NULL), BW_OK); /* it is over */
    assert_int_equal(files, 0);

    assert_int_equal(bw_segment_finish_cut(dir, 4, &files, NULL), BW_OK);

    assert_int_equal(files, 2);
    assert_true(is_there(closed[0]));
    assert_false(is_there(closed[1]) || is_there(closed[2]));
}

/* Behind what the cut was to shorten all is to go, or was never acknowledged (L30); behind what it has
 * shortened stands what was. */
static void what_was_written_behind_a_failed_truncation_goes(void **state)
{
    static const char *const closed = "0000000000000001-0000000000000010";
    struct segment segment = begin();
    unsigned files;

    (void)state;
    add_batch(&segment, 1);
    write_segment(closed, "x", 1);
    write_segment("open-9", segment.bytes, FILE_BYTES);
    write_segment("open-10", segment.bytes, FILE_BYTES);
    assert_int_equal(bw_segment_finish_cut(dir, 11, &files, NULL), BW_OK);
    assert_int_equal(files, 0);
    assert_true(is_there("open-9") && is_there("open-10"));

    assert_int_equal(bw_segment_finish_cut(dir, 10, &files, NULL), BW_OK);

    assert_int_equal(files, 2);
    assert_false(is_there("open-9") || is_there("open-10"));
    assert_true(is_there(closed));
}

static void a_truncation_is_over_when_nothing_of_it_is_left(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    write_segment("0000000000000001-0000000000000003", "x", 1);
    write_segment("0000000000000011-0000000000000020", "x", 1);
    write_segment("open-1", "x", 1);

    assert_int_equal(bw_segment_check_cut(AT_FDCWD, dir, 21, NULL), BW_OK);
    assert_int_equal(bw_segment_check_cut(AT_FDCWD, dir, 20, NULL), BW_ERR_IO);
    assert_int_equal(bw_segment_check_cut(AT_FDCWD, dir, 4, &diag), BW_ERR_IO);
    assert_non_null(strstr(diag.text, "0000000000000011-0000000000000020 is still there"));
}

static void what_libraft_has_started_without_goes(void **state)
{
    static const char *const closed[] = {"0000000000000001-0000000000000050",
                                         "0000000000000051-0000000000000064"};

    (void)state;
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        write_segment(closed[i], "x", 1);
    write_segment("snapshot-1-1020-7", "x", 1);

    assert_int_equal(bw_segment_forget_stale(dir, 64, NULL), BW_OK);
    assert_true(is_there(closed[0]) && is_there(closed[1]));
    assert_int_equal(bw_segment_forget_stale(dir, 1020, NULL), BW_OK);
    assert_false(is_there(closed[0]) || is_there(closed[1]));
    assert_true(is_there("snapshot-1-1020-7"));
}

/* Every bit of every batch but the last: entries behind it were acknowledged. */
static void a_bad_batch_before_a_good_one_is_damage_wherever_the_bit_lies(void **state)
{
    struct segment segment = begin();
    size_t last;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        add_batch(&segment, 1 + i);
    last = segment.size;
    add_batch(&segment, 2);
    for (size_t bit = 64; bit < 8 * last; bit += 3) {
        segment.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_segment("open-1", segment.bytes, FILE_BYTES);
        /* The unused bytes of an entry's head count too: libraft's checksum covers them. */
        assert_damaged("open-1 is damaged at byte");
        segment.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    segment.bytes[8 + 16 + 3] ^= 1;
    write_segment("open-1", segment.bytes, FILE_BYTES);
    assert_damaged("3 whole batches with 7 log entries");
}

static void a_batch_that_became_zeros_before_a_good_one_is_damage(void **state)
{
    struct segment segment = begin();

    (void)state;
    add_batch(&segment, 1);
    memset(segment.bytes + 8, 0, segment.size - 8);
    add_batch(&segment, 2);
    write_segment("open-1", segment.bytes, FILE_BYTES);

    assert_damaged("1 whole batches with 2 log entries");
}

static void a_segment_that_follows_a_bad_end_is_damage_too(void **state)
{
    struct segment segment = begin();
    struct segment next = begin();

    (void)state;
    add_batch(&segment, 1);
    add_batch(&segment, 1);
    segment.bytes[segment.size - 1] ^= 4;
    add_batch(&next, 5);
    write_segment("open-1", segment.bytes, FILE_BYTES);
    write_segment("open-10", next.bytes, FILE_BYTES); /* after 1 and 2, whatever the letters say */
    write_segment("open-2", begin().bytes, FILE_BYTES);

    assert_damaged("behind it, in open-10"); /* and 1 is not cut: the next start sees it again */
}

static void the_format_of_a_segment_with_entries_is_not_lost_in_silence(void **state)
{
    struct segment segment = begin();

    (void)state;
    add_batch(&segment, 2);
    memset(segment.bytes, 0, 8); /* libraft would take it for a segment that was never used */
    write_segment("open-1", segment.bytes, FILE_BYTES);

    assert_damaged("open-1 is damaged at byte 0");
}

static void a_torn_end_is_cut_and_counted(void **state)
{
    struct segment segment = begin();
    size_t whole;

    (void)state;
    add_batch(&segment, 2);
    whole = segment.size;
    add_batch(&segment, 3);
    segment.bytes[segment.size - 1] ^= 1; /* its data did not arrive, its head did */
    write_segment("open-1", segment.bytes, FILE_BYTES);
    assert_cut((off_t)whole, segment.size - whole, 3);

    segment.bytes[whole] ^= 1; /* nor did that */
    write_segment("open-1", segment.bytes, FILE_BYTES);
    assert_cut((off_t)whole, segment.size - whole, 0);

    write_segment("open-1", segment.bytes, whole + 20); /* the file ends inside */
    assert_cut((off_t)whole, 20 - 3, 0); /* three zeros at its end are no content */
}

static void a_file_that_ends_inside_a_header_is_cut_without_a_word_about_nothing(void **state)
{
    struct segment segment = begin();

    (void)state;
    add_batch(&segment, 2);
    write_segment("open-1", segment.bytes, segment.size + 8);
    assert_cut((off_t)segment.size, 0, 0);
    write_segment("open-1", segment.bytes, 4);
    assert_cut(0, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_whole_is_left_alone_and_what_is_blank_goes,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_copy_of_a_truncation_goes, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_a_truncation_had_yet_to_remove_goes, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(what_was_written_behind_a_failed_truncation_goes, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_truncation_is_over_when_nothing_of_it_is_left, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(what_libraft_has_started_without_goes, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(
            a_bad_batch_before_a_good_one_is_damage_wherever_the_bit_lies, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_batch_that_became_zeros_before_a_good_one_is_damage,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_segment_that_follows_a_bad_end_is_damage_too, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(the_format_of_a_segment_with_entries_is_not_lost_in_silence,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_torn_end_is_cut_and_counted, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(
            a_file_that_ends_inside_a_header_is_cut_without_a_word_about_nothing, make_dir,
            remove_dir),
    };

    return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
