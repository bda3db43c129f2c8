/* durable: a state file is the old one or the new one, whole, whatever call fails (I3). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/os/durable.h>
#include <breakwater/os/state_dir.h>

static const struct bw_durable_kind kind = {.magic = "TEST", .version = 2};

/* ---- the n-th call fails --------------------------------------------------------------------- */

static int calls_until_fault; /* 0: none */
static int fault_errno;
static bool write_one_byte;

static char call_order[32]; /* one letter per call */

static bool is_faulty(char letter)
{
    size_t used = strlen(call_order);

    if (used < sizeof call_order - 1)
        call_order[used] = letter;
    if (calls_until_fault == 0 || --calls_until_fault > 0)
        return false;
    errno = fault_errno;
    return true;
}

static int faulty_openat(int dir, const char *name, int flags, mode_t mode)
{
    return is_faulty('o') ? -1 : bw_durable_system_calls.openat(dir, name, flags, mode);
}

static ssize_t faulty_read(int fd, void *data, size_t size)
{
    return is_faulty('R') ? -1 : bw_durable_system_calls.read(fd, data, size);
}

static ssize_t faulty_write(int fd, const void *data, size_t size)
{
    return is_faulty('w') ? -1 : bw_durable_system_calls.write(fd, data, write_one_byte ? 1 : size);
}

static int faulty_fstat(int fd, struct stat *out)
{
    return is_faulty('s') ? -1 : bw_durable_system_calls.fstat(fd, out);
}

static int faulty_fsync(int fd)
{
    return is_faulty('f') ? -1 : bw_durable_system_calls.fsync(fd);
}

static int faulty_renameat(int dir, const char *from, const char *to)
{
    return is_faulty('r') ? -1 : bw_durable_system_calls.renameat(dir, from, to);
}

static int faulty_unlinkat(int dir, const char *name)
{
    return is_faulty('u') ? -1 : bw_durable_system_calls.unlinkat(dir, name);
}

static const struct bw_durable_calls faulty_calls = {
    .openat = faulty_openat,
    .read = faulty_read,
    .write = faulty_write,
    .fstat = faulty_fstat,
    .fsync = faulty_fsync,
    .renameat = faulty_renameat,
    .unlinkat = faulty_unlinkat,
};

/* ---- a directory of the test's own ----------------------------------------------------------- */

struct fixture {
    char path[64];
    int dir;
    struct bw_diag diag;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.path = "/tmp/bw-durable-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    assert_int_equal(bw_durable_open_dir(f.path, &f.dir, &f.diag), BW_OK);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"state", "state.tmp", "lock", "other"};

    bw_durable_set_calls(NULL);
    write_one_byte = false;
    calls_until_fault = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlinkat(f->dir, names[i], 0); /* most tests leave only some */
    (void)close(f->dir);
    return rmdir(f->path);
}

static void save(struct fixture *f, const char *text)
{
    assert_int_equal(bw_durable_save(f->dir, "state", &kind, text, strlen(text), &f->diag), BW_OK);
}

static enum bw_err load(struct fixture *f, char out_text[64])
{
    size_t size = 0;
    uint32_t version = 0;
    enum bw_err err = bw_durable_load(f->dir, "state", &kind, out_text, 63, &size, &version,
                                      &f->diag);

    if (err == BW_OK)
        out_text[size] = '\0';
    return err;
}

static size_t read_raw(struct fixture *f, uint8_t out[128])
{
    size_t size = 0;

    assert_int_equal(bw_durable_read(f->dir, "state", out, 128, &size, &f->diag), BW_OK);
    return size;
}

static void write_raw(struct fixture *f, const uint8_t *data, size_t size)
{
    assert_int_equal(bw_durable_write(f->dir, "state", data, size, &f->diag), BW_OK);
}

static void what_was_saved_is_loaded(void **state)
{
    struct fixture *f = *state;
    char text[64];

    assert_int_equal(load(f, text), BW_ERR_NOT_FOUND);
    save(f, "epoch 7");
    assert_int_equal(load(f, text), BW_OK);
    assert_string_equal(text, "epoch 7");
    save(f, "");
    assert_int_equal(load(f, text), BW_OK);
    assert_string_equal(text, "");
}

static void short_writes_are_continued(void **state)
{
    struct fixture *f = *state;
    char text[64];

    write_one_byte = true;
    bw_durable_set_calls(&faulty_calls);
    save(f, "epoch 7");
    assert_int_equal(load(f, text), BW_OK);
    assert_string_equal(text, "epoch 7");
}

/* A crash between any two calls: the content is on the disk before the name points to it, and the
 * name before anybody is told. */
static void save_syncs_the_file_before_the_rename_and_the_directory_after(void **state)
{
    struct fixture *f = *state;

    bw_durable_set_calls(&faulty_calls);
    memset(call_order, 0, sizeof call_order);
    save(f, "epoch 7");
    assert_string_equal(call_order, "owwwfrf");
}

static void save_for_boot_replaces_the_file_and_waits_for_no_disk(void **state)
{
    struct fixture *f = *state;
    char text[64];

    save(f, "old");
    bw_durable_set_calls(&faulty_calls);
    memset(call_order, 0, sizeof call_order);

    assert_int_equal(bw_durable_save_for_boot(f->dir, "state", &kind, "new", 3, &f->diag), BW_OK);

    assert_string_equal(call_order, "owwwr");
    assert_int_equal(load(f, text), BW_OK);
    assert_string_equal(text, "new");
}

/* Whichever call fails: an error, and then the old or the new content, whole. Only a success, or
 * an outcome said to be unknown, may leave the new one. */
static void any_failing_call_of_save_leaves_old_or_new_whole(void **state)
{
    struct fixture *f = *state;
    static const int errnos[] = {EIO, ENOSPC};
    char text[64];

    for (size_t e = 0; e < 2; e++) {
        enum bw_err err = BW_ERR_IO;

        for (int n = 1; err != BW_OK; n++) {
            assert_true(n < 20);
            save(f, "old");
            fault_errno = errnos[e];
            calls_until_fault = n;
            bw_durable_set_calls(&faulty_calls);
            err = bw_durable_save(f->dir, "state", &kind, "new", 3, &f->diag);
            bw_durable_set_calls(NULL);
            assert_int_equal(load(f, text), BW_OK);
            assert_string_equal(text, err == BW_OK || err == BW_ERR_UNKNOWN ? "new" : "old");
            if (calls_until_fault == 0)
                assert_int_not_equal(err, BW_OK);
            assert_int_equal(faccessat(f->dir, "state.tmp", F_OK, 0), -1);
        }
        calls_until_fault = 0;
    }
}

static void save_both(struct fixture *f, const char *text, struct bw_diag diags[2],
                      struct bw_durable_item items[2])
{
    static const char *const names[] = {"state", "other"};

    for (size_t i = 0; i < 2; i++)
        items[i] = (struct bw_durable_item){.name = names[i],
                                            .kind = &kind,
                                            .payload = text,
                                            .size = strlen(text),
                                            .err = BW_ERR_IO,
                                            .diag = &diags[i]};
    bw_durable_save_all(f->dir, items, 2);
}

/* Each file is synced before its rename, the directory once after all. */
static void many_are_saved_with_one_sync_of_the_directory(void **state)
{
    struct fixture *f = *state;
    struct bw_durable_item items[2];
    struct bw_diag diags[2] = {0};

    bw_durable_set_calls(&faulty_calls);
    memset(call_order, 0, sizeof call_order);
    save_both(f, "epoch 7", diags, items);
    assert_string_equal(call_order, "owwwowwwfrfrf");
    assert_int_equal(items[0].err, BW_OK);
    assert_int_equal(items[1].err, BW_OK);
    memset(call_order, 0, sizeof call_order);
    bw_durable_save_all(f->dir, items, 0);
    assert_string_equal(call_order, "");
}

/* Of many, too: what is not said to be saved is the old one, or not known. */
static void any_failing_call_of_many_is_told_of_whom_it_hits(void **state)
{
    struct fixture *f = *state;
    struct bw_durable_item items[2] = {{.err = BW_ERR_IO}, {.err = BW_ERR_IO}};
    struct bw_diag diags[2] = {0};
    char text[64];
    unsigned unknown = 0;

    for (int n = 1; items[0].err != BW_OK || items[1].err != BW_OK; n++) {
        assert_true(n < 30);
        save_both(f, "old", diags, items);
        fault_errno = EIO;
        calls_until_fault = n;
        bw_durable_set_calls(&faulty_calls);
        save_both(f, "new", diags, items);
        bw_durable_set_calls(NULL);
        assert_int_equal(load(f, text), BW_OK);
        assert_string_equal(text, items[0].err == BW_OK || items[0].err == BW_ERR_UNKNOWN ? "new"
                                                                                           : "old");
        if (calls_until_fault == 0)
            assert_true(items[0].err != BW_OK || items[1].err != BW_OK);
        if (items[0].err == BW_ERR_UNKNOWN) { /* one sync for both: nobody knows of either */
            assert_int_equal(items[1].err, BW_ERR_UNKNOWN);
            unknown++;
        }
        assert_int_equal(faccessat(f->dir, "state.tmp", F_OK, 0), -1);
    }
    calls_until_fault = 0;
    assert_int_equal(unknown, 1);
}

static void any_failing_call_of_load_is_an_error(void **state)
{
    struct fixture *f = *state;
    enum bw_err err = BW_ERR_IO;
    char text[64];

    save(f, "old");
    fault_errno = EIO;
    for (int n = 1; err != BW_OK; n++) {
        assert_true(n < 20);
        calls_until_fault = n;
        bw_durable_set_calls(&faulty_calls);
        err = load(f, text);
        bw_durable_set_calls(NULL);
        assert_int_equal(err, calls_until_fault == 0 ? BW_ERR_IO : BW_OK);
    }
}

static void any_failing_call_of_remove_is_an_error(void **state)
{
    struct fixture *f = *state;

    save(f, "old");
    fault_errno = EIO;
    bw_durable_set_calls(&faulty_calls);
    calls_until_fault = 1;
    assert_int_equal(bw_durable_remove(f->dir, "state", &f->diag), BW_ERR_IO);
    calls_until_fault = 2;
    assert_int_equal(bw_durable_remove(f->dir, "state", &f->diag), BW_ERR_UNKNOWN);
    assert_int_equal(bw_durable_remove(f->dir, "state", &f->diag), BW_OK);
}

static void file_cut_at_any_byte_is_corrupt(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[128] = {0}; /* one more than it had is written too */
    char text[64];
    size_t size;

    save(f, "epoch 7");
    size = read_raw(f, bytes);
    for (size_t cut = 0; cut < size; cut++) {
        write_raw(f, bytes, cut);
        assert_int_equal(load(f, text), BW_ERR_CORRUPT);
    }
    write_raw(f, bytes, size + 1);
    assert_int_equal(load(f, text), BW_ERR_CORRUPT);
}

static void any_flipped_bit_is_corrupt(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[128];
    char text[64];
    size_t size;

    save(f, "epoch 7");
    size = read_raw(f, bytes);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_raw(f, bytes, size);
        assert_int_equal(load(f, text), BW_ERR_CORRUPT);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_non_null(strstr(f->diag.text, "move the state directory away"));
}

static void file_of_a_newer_program_is_told_apart_from_damage(void **state)
{
    struct fixture *f = *state;
    const struct bw_durable_kind newer = {.magic = "TEST", .version = 3};
    const struct bw_durable_kind older = {.magic = "TEST", .version = 1};
    uint32_t version = 0;
    size_t size = 0;
    char text[64];

    assert_int_equal(bw_durable_save(f->dir, "state", &newer, "x", 1, &f->diag), BW_OK);
    assert_int_equal(load(f, text), BW_ERR_VERSION);
    assert_int_equal(bw_durable_save(f->dir, "state", &older, "x", 1, &f->diag), BW_OK);
    assert_int_equal(
        bw_durable_load(f->dir, "state", &kind, text, sizeof text, &size, &version, &f->diag),
        BW_OK);
    assert_int_equal(version, 1);
}

static void file_of_a_program_too_old_says_what_it_is_and_what_to_do(void **state)
{
    struct fixture *f = *state;
    const struct bw_durable_kind old = {.magic = "TEST", .version = 1};
    const struct bw_durable_kind now = {.magic = "TEST", .version = 2, .oldest = BW_DURABLE_OLDEST};
    uint32_t version = 0;
    size_t size = 0;
    char text[64];

    assert_int_equal(bw_durable_save(f->dir, "state", &old, "x", 1, &f->diag), BW_OK);
    assert_int_equal(
        bw_durable_load(f->dir, "state", &now, text, sizeof text, &size, &version, &f->diag),
        BW_ERR_OUTDATED);
    assert_non_null(strstr(f->diag.text, "load state: written by breakwater 0.1"));
    assert_non_null(strstr(f->diag.text, "it was left as it is"));
    assert_non_null(strstr(f->diag.text, "move the state directory away"));
}

static void what_exceeds_a_limit_is_an_error_that_names_it(void **state)
{
    struct fixture *f = *state;
    static uint8_t big[BW_DURABLE_PAYLOAD_BYTES_MAX + 1];
    char text[8];
    size_t size = 0;
    uint32_t version = 0;

    assert_int_equal(bw_durable_save(f->dir, "state", &kind, big, sizeof big, &f->diag),
                     BW_ERR_LIMIT);
    save(f, "longer than eight");
    assert_int_equal(
        bw_durable_load(f->dir, "state", &kind, text, sizeof text, &size, &version, &f->diag),
        BW_ERR_LIMIT);
    assert_int_equal(bw_durable_read(f->dir, "state", text, sizeof text, &size, &f->diag),
                     BW_ERR_LIMIT);
}

static void fifo_in_place_of_a_file_is_refused_without_hanging(void **state)
{
    struct fixture *f = *state;
    char text[64];

    assert_int_equal(mkfifoat(f->dir, "state", 0600), 0);
    assert_int_equal(load(f, text), BW_ERR_INVALID);
}

static void directory_that_others_can_write_to_is_refused(void **state)
{
    struct fixture *f = *state;
    int dir;

    assert_int_equal(chmod(f->path, 0777), 0);
    assert_int_equal(bw_durable_open_dir(f->path, &dir, &f->diag), BW_ERR_REFUSED);
    assert_int_equal(chmod(f->path, 0720), 0); /* its group */
    assert_int_equal(bw_durable_open_dir(f->path, &dir, &f->diag), BW_ERR_REFUSED);
    assert_int_equal(chmod(f->path, 0700), 0);
}

/* A crash right after the first save must not take the directory along. */
static void a_directory_that_cannot_be_made_durable_is_none(void **state)
{
    struct fixture *f = *state;
    char path[96];
    int dir;

    (void)snprintf(path, sizeof path, "%s/other", f->path);
    bw_durable_set_calls(&faulty_calls);
    memset(call_order, 0, sizeof call_order);
    calls_until_fault = 1;
    fault_errno = EIO;
    assert_int_equal(bw_durable_open_dir(path, &dir, &f->diag), BW_ERR_IO);
    assert_string_equal(call_order, "f");
    assert_int_equal(rmdir(path), 0);
}

static void what_a_longer_save_has_left_half_done_is_not_kept(void **state)
{
    struct fixture *f = *state;
    char text[64];
    uint8_t left[128];

    memset(left, 'x', sizeof left);
    write_raw(f, left, sizeof left);
    assert_int_equal(renameat(f->dir, "state", f->dir, "state.tmp"), 0);
    save(f, "epoch 7");
    assert_int_equal(load(f, text), BW_OK);
    assert_string_equal(text, "epoch 7");
}

static void a_link_in_place_of_a_file_is_not_followed(void **state)
{
    struct fixture *f = *state;
    char text[64];

    save(f, "epoch 7");
    assert_int_equal(renameat(f->dir, "state", f->dir, "other"), 0);
    assert_int_equal(symlinkat("other", f->dir, "state"), 0);
    assert_int_not_equal(load(f, text), BW_OK);
}

static void second_lock_of_a_directory_is_busy_and_names_the_holder(void **state)
{
    struct fixture *f = *state;
    char mine[32];
    int lock = -1;
    int second = -1;

    assert_int_equal(bw_dir_lock(f->dir, f->path, &lock, &f->diag), BW_OK);
    assert_int_equal(bw_dir_lock(f->dir, f->path, &second, &f->diag), BW_ERR_BUSY);
    snprintf(mine, sizeof mine, "process %ld", (long)getpid());
    assert_non_null(strstr(f->diag.text, mine));
    bw_dir_unlock(lock);
    assert_int_equal(bw_dir_lock(f->dir, f->path, &second, &f->diag), BW_OK);
    bw_dir_unlock(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_saved_is_loaded),
        TEST(short_writes_are_continued),
        TEST(save_syncs_the_file_before_the_rename_and_the_directory_after),
        TEST(save_for_boot_replaces_the_file_and_waits_for_no_disk),
        TEST(any_failing_call_of_save_leaves_old_or_new_whole),
        TEST(many_are_saved_with_one_sync_of_the_directory),
        TEST(any_failing_call_of_many_is_told_of_whom_it_hits),
        TEST(any_failing_call_of_load_is_an_error),
        TEST(any_failing_call_of_remove_is_an_error),
        TEST(file_cut_at_any_byte_is_corrupt),
        TEST(any_flipped_bit_is_corrupt),
        TEST(file_of_a_newer_program_is_told_apart_from_damage),
        TEST(file_of_a_program_too_old_says_what_it_is_and_what_to_do),
        TEST(what_exceeds_a_limit_is_an_error_that_names_it),
        TEST(fifo_in_place_of_a_file_is_refused_without_hanging),
        TEST(directory_that_others_can_write_to_is_refused),
        TEST(a_directory_that_cannot_be_made_durable_is_none),
        TEST(what_a_longer_save_has_left_half_done_is_not_kept),
        TEST(a_link_in_place_of_a_file_is_not_followed),
        TEST(second_lock_of_a_directory_is_busy_and_names_the_holder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
