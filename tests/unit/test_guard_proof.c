/* guard: the proof of a reach that a trial of the scripts has left, and what passes for none (3.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/guard/proof.h"

#define DIGEST UINT64_C(0x1234567890abcdef)

static char path[] = "/tmp/breakwater-proof-XXXXXX";
static int dir = -1;

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(path + strlen(path) - 6, "XXXXXX");
    if (mkdtemp(path) == NULL)
        return -1;
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlinkat(dir, "shop.proof", 0); /* some claims leave none */
    (void)unlinkat(dir, "mail.proof", 0);
    return close(dir) == 0 && rmdir(path) == 0 ? 0 : -1;
}

static struct bw_guard_proof_owner owner(void)
{
    return (struct bw_guard_proof_owner){
        .machine_id = {{7, 7, 7}}, .cluster = "prod", .site = "dc-a", .group = "shop"};
}

static void write_it(void)
{
    const struct bw_guard_proof_owner of = owner();
    struct bw_diag diag = {0};

    if (bw_guard_proof_write(dir, &of, DIGEST, &diag) != BW_OK)
        fail_msg("%s", diag.text);
}

static void assert_none(const struct bw_guard_proof_owner *of, bool has_text)
{
    struct bw_diag diag = {0};

    assert_true(bw_guard_proof_read(dir, of, &diag) == 0);
    assert_int_equal(diag.text[0] != '\0', has_text);
}

static void what_was_kept_is_read_until_it_is_taken_back(void **state)
{
    const struct bw_guard_proof_owner of = owner();
    struct bw_diag diag = {0};

    (void)state;
    assert_none(&of, false);
    assert_int_equal(bw_guard_proof_remove(dir, "shop", &diag), BW_OK);
    write_it();
    assert_true(bw_guard_proof_read(dir, &of, &diag) == DIGEST);
    assert_int_equal(bw_guard_proof_remove(dir, "shop", &diag), BW_OK);
    assert_none(&of, false);
}

static void what_was_copied_from_another_machine_proves_nothing(void **state)
{
    struct bw_guard_proof_owner other = owner();

    (void)state;
    write_it();
    other.machine_id.bytes[15] = 1;
    assert_none(&other, true);
    other.machine_id = (struct bw_id){{0}};
    assert_none(&other, true);
}

static void what_is_of_another_group_site_or_cluster_proves_nothing(void **state)
{
    struct bw_guard_proof_owner other = owner();

    (void)state;
    write_it();
    other.site = "dc-b";
    assert_none(&other, true);
    other = owner();
    other.cluster = "test";
    assert_none(&other, true);
    other = owner();
    other.group = "mail";
    assert_int_equal(renameat(dir, "shop.proof", dir, "mail.proof"), 0);
    assert_none(&other, true);
}

static void what_is_damaged_proves_nothing(void **state)
{
    const struct bw_guard_proof_owner of = owner();
    unsigned char bytes[512];
    ssize_t size;
    int fd;

    (void)state;
    write_it();
    fd = openat(dir, "shop.proof", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    size = pread(fd, bytes, sizeof bytes, 0);
    assert_true(size > 0 && size < (ssize_t)sizeof bytes);
    for (ssize_t i = 0; i < size; i++) {
        unsigned char flipped = bytes[i] ^ 0x10;

        assert_int_equal(pwrite(fd, &flipped, 1, i), 1);
        assert_none(&of, true);
        assert_int_equal(pwrite(fd, &bytes[i], 1, i), 1);
    }
    for (ssize_t cut = size; cut-- > 0;) {
        assert_int_equal(ftruncate(fd, cut), 0);
        assert_none(&of, true);
    }
    assert_int_equal(close(fd), 0);
}

static void a_machine_without_an_id_keeps_none(void **state)
{
    struct bw_guard_proof_owner of = owner();
    struct bw_diag diag = {0};

    (void)state;
    of.machine_id = (struct bw_id){{0}};
    assert_int_equal(bw_guard_proof_write(dir, &of, DIGEST, &diag), BW_ERR_NOT_FOUND);
    assert_none(&of, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_kept_is_read_until_it_is_taken_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_copied_from_another_machine_proves_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_of_another_group_site_or_cluster_proves_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_damaged_proves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_machine_without_an_id_keeps_none, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
