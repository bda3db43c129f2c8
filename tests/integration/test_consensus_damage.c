/* consensus: a member that finds its files damaged. I3: either a clear error, or everything that it had
 * said before is still true. The seed is printed; SEED=... replays the choices. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/prng.h>

#include "test_witness.h"

#define WAIT_MS 30000 /* for what must happen, on an idle machine: patience.h */

static struct test_cluster cluster;
static struct bw_prng prng;

static int setup(void **state)
{
    const char *text = getenv("SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 1; /* tests/hygiene/seeds.table */

    (void)state;
    print_message("again with: SEED=%" PRIu64 " tests/run one test_consensus_damage\n", seed);
    bw_prng_init(&prng, seed);
    test_cluster_init(&cluster);
    cluster.election_ms = 300;
    cluster.heartbeat_ms = 50;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_cluster_deinit(&cluster);
    return 0;
}

static struct {
    struct test_cluster cluster; /* its witness 1 is the copy that is damaged */
    uint64_t term, last_index, hash, count;
    unsigned refused, started;
} damage;

static bool leads_alone(void *user)
{
    struct test_witness *witness = user;

    return bw_node_is_ready(witness->node);
}

static void copy_witness(const char *from, const char *to)
{
    char command[512];

    (void)snprintf(command, sizeof command, "rm -rf %s && cp -a %s %s", to, from, to);
    assert_int_equal(system(command), 0);
}

/* Starts the copy. Either a clear error, or everything that it had said before is still true. */
static void judge_copy(const char *name, const char *what, size_t at)
{
    static struct test_witness witness;
    struct bw_node_status status;
    struct bw_diag diag = {0};
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    memset(&witness, 0, sizeof witness);
    if (test_witness_start(&witness, &damage.cluster, 1, &loop, &diag) != BW_OK) {
        damage.refused++;
        if (diag.text[0] == '\0')
            fail_msg("%s %s at %zu: refused without a word", name, what, at);
    } else {
        damage.started++;
        bw_node_get_status(witness.node, &status);
        if (status.term != damage.term + 1) /* L28: it votes alone */
            fail_msg("%s %s at %zu: term %" PRIu64 " instead of %" PRIu64, name, what, at,
                     status.term, damage.term + 1);
        /* L11: a torn last batch of an open segment, of one entry here, cannot be told from a
         * damaged one; nor can the end of a file that was cut. */
        if (status.last_index > damage.last_index ||
            (status.last_index < damage.last_index && strncmp(name, "raft/open-", 10) != 0) ||
            (status.last_index + 1 < damage.last_index && strcmp(what, "flipped") == 0))
            fail_msg("%s %s at %zu: log ends at %" PRIu64 " instead of %" PRIu64, name, what, at,
                     status.last_index, damage.last_index);
        test_witness_stop(&witness);
    }
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0)
        continue;
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void damage_file(const char *from, const char *to, const char *name, unsigned samples)
{
    char path[512];
    struct stat status;
    size_t size;

    (void)snprintf(path, sizeof path, "%s/%s", from, name);
    assert_int_equal(stat(path, &status), 0);
    size = (size_t)status.st_size > 4096 && strstr(name, "open-") != NULL ? 4096
                                                                          : (size_t)status.st_size;
    (void)snprintf(path, sizeof path, "%s/%s", to, name);
    for (unsigned i = 0; i < 2 * samples && size > 0; i++) {
        size_t at = samples >= size ? i / 2 % size : (size_t)bw_prng_below(&prng, size);
        int fd;

        copy_witness(from, to);
        if (i % 2 == 0) {
            assert_int_equal(truncate(path, (off_t)at), 0);
        } else {
            uint8_t byte;

            fd = open(path, O_RDWR | O_CLOEXEC);
            assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
            byte ^= (uint8_t)(1u << bw_prng_below(&prng, 8));
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
            (void)close(fd);
        }
        judge_copy(name, i % 2 == 0 ? "cut" : "flipped", at);
    }
}

static void damage_directory(const char *from, const char *to)
{
    char path[256], name[300];
    struct dirent *entry;
    DIR *list;

    (void)snprintf(path, sizeof path, "%s/raft", from);
    list = opendir(path);
    assert_non_null(list);
    while ((entry = readdir(list)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "raft/%s", entry->d_name);
        damage_file(from, to, name, strstr(name, "metadata") != NULL ? 32 : 12);
    }
    (void)closedir(list);
}

static void on_nothing(void *user, enum bw_err err, uint64_t index)
{
    (void)err, (void)index;
    ++*(unsigned *)user;
}

static void damaged_files_never_give_a_wrong_term_or_log(void **state)
{
    struct test_witness *witness = calloc(1, sizeof *witness);
    char path[128], kept[128];
    unsigned done = 0;
    uv_loop_t loop;
    struct bw_node_status status;

    (void)state;
    assert_non_null(witness);
    assert_int_equal(uv_loop_init(&loop), 0);
    test_cluster_path(&cluster, 1, path);
    assert_int_equal(test_cluster_found_alone(&cluster, NULL), BW_OK);
    cluster.snapshot_threshold = 64;
    cluster.snapshot_trailing = 20;
    assert_int_equal(test_witness_start(witness, &cluster, 1, &loop, NULL), BW_OK);
    test_run_until(&loop, leads_alone, witness, WAIT_MS, "leads alone");
    for (unsigned i = 0; i < 100; i++) {
        unsigned before = done;

        assert_int_equal(test_witness_submit(witness, i, on_nothing, &done), BW_OK);
        while (done == before)
            (void)uv_run(&loop, UV_RUN_ONCE);
    }
    (void)snprintf(kept, sizeof kept, "%s/kept", cluster.dir);
    copy_witness(path, kept); /* while it runs and rests: as a kill would leave it */
    bw_node_get_status(witness->node, &status);
    damage.term = status.term;
    damage.last_index = status.last_index;
    damage.cluster = cluster;
    damage.refused = damage.started = 0;
    test_witness_stop(witness);
    free(witness);

    damage_file(kept, path, "vote", 28);
    damage_file(kept, path, "identity", 20);
    damage_directory(kept, path);
    print_message("%u refused, %u started\n", damage.refused, damage.started);
    assert_true(damage.refused > 20 && damage.started > 20);
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0)
        continue;
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damaged_files_never_give_a_wrong_term_or_log, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
