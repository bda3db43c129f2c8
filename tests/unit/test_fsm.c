/* fsm: what an entry and a snapshot look like, and that a damaged one stops the witness. I3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/consensus/fsm.h>
#include <breakwater/consensus/safe_io.h>

static struct {
    struct raft raft;
    struct bw_safe_io safe;
    struct bw_fsm *fsm;
    unsigned applied, restored, stops;
    uint64_t index, term;
    uint8_t data[64];
    size_t size;
    enum bw_err answer;
    enum bw_stop why;
    char message[512];
} world;

static enum bw_err on_apply(void *user, uint64_t index, uint64_t term, const uint8_t *data,
                            size_t size, struct bw_diag *diag)
{
    (void)user;
    if (world.answer != BW_OK)
        return bw_diag_set(diag, world.answer, "scripted");
    world.applied++;
    world.index = index;
    world.term = term;
    world.size = size;
    memcpy(world.data, data, size < sizeof world.data ? size : sizeof world.data);
    return BW_OK;
}

static enum bw_err on_snapshot(void *user, uint8_t **out_data, size_t *out_size)
{
    (void)user;
    if (world.answer != BW_OK)
        return world.answer;
    *out_data = malloc(5);
    memcpy(*out_data, "state", 5);
    *out_size = 5;
    return BW_OK;
}

static enum bw_err on_restore(void *user, const uint8_t *data, size_t size, struct bw_diag *diag)
{
    (void)user;
    if (world.answer != BW_OK)
        return bw_diag_set(diag, world.answer, "scripted");
    assert_int_equal(size, 5);
    assert_memory_equal(data, "state", 5);
    world.restored++;
    return BW_OK;
}

static void on_stop(void *user, enum bw_stop why, const char *message)
{
    (void)user;
    world.why = why;
    world.stops++;
    (void)strncpy(world.message, message, sizeof world.message - 1);
}

static int setup(void **state)
{
    const struct bw_fsm_ops ops = {
        .apply = on_apply, .snapshot = on_snapshot, .restore = on_restore};

    (void)state;
    memset(&world, 0, sizeof world);
    world.safe.config.stop = on_stop;
    world.raft.last_applied = 41;
    world.fsm = bw_fsm_new(&world.raft, &world.safe, &ops, NULL);
    return world.fsm == NULL;
}

static int teardown(void **state)
{
    (void)state;
    bw_fsm_free(world.fsm);
    return 0;
}

static int apply(const struct raft_buffer *buffer)
{
    struct raft_fsm *fsm = bw_fsm_raft(world.fsm);
    void *result;

    return fsm->apply(fsm, buffer, &result);
}

/* One buffer with the snapshot that the state machine gives, as libraft hands it to restore. */
static struct raft_buffer take_snapshot(void)
{
    struct raft_fsm *fsm = bw_fsm_raft(world.fsm);
    struct raft_buffer *buffers;
    struct raft_buffer all = {0};
    unsigned count;

    assert_int_equal(fsm->snapshot(fsm, &buffers, &count), 0);
    for (unsigned i = 0; i < count; i++)
        all.len += buffers[i].len;
    all.base = raft_malloc(all.len);
    all.len = 0;
    for (unsigned i = 0; i < count; i++) {
        memcpy((uint8_t *)all.base + all.len, buffers[i].base, buffers[i].len);
        all.len += buffers[i].len;
    }
    assert_int_equal(fsm->snapshot_finalize(fsm, &buffers, &count), 0);
    return all;
}

static int restore(struct raft_buffer *buffer)
{
    struct raft_fsm *fsm = bw_fsm_raft(world.fsm);

    return fsm->restore(fsm, buffer);
}

static void an_entry_comes_back_as_it_was_given(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 17; size++) {
        struct raft_buffer buffer;

        assert_int_equal(bw_fsm_encode(7, (const uint8_t *)"seventeen bytes..", size, &buffer),
                         BW_OK);
        assert_int_equal(buffer.len % 8, 0);
        assert_int_equal(apply(&buffer), 0);
        assert_int_equal(world.size, size);
        assert_memory_equal(world.data, "seventeen bytes..", size);
        raft_free(buffer.base);
    }
    assert_int_equal(world.index, 42);
    assert_int_equal(world.term, 7);
    assert_int_equal(world.applied, 18);
}

static void a_command_that_is_too_large_is_no_entry(void **state)
{
    static uint8_t data[BW_COMMAND_BYTES_MAX + 1];
    struct raft_buffer buffer;

    (void)state;
    assert_int_equal(bw_fsm_encode(7, data, sizeof data, &buffer), BW_ERR_LIMIT);
}

static void every_damaged_byte_of_an_entry_stops_the_witness(void **state)
{
    struct raft_buffer buffer;
    uint8_t *bytes;

    (void)state;
    assert_int_equal(bw_fsm_encode(7, (const uint8_t *)"eleven byte", 11, &buffer), BW_OK);
    bytes = buffer.base;
    for (size_t i = 0; i < buffer.len; i++) {
        world.safe.stopped = false;
        bytes[i] ^= 0x10;
        assert_int_equal(apply(&buffer), 0);
        bytes[i] ^= 0x10;
        assert_int_equal(world.stops, i + 1);
    }
    for (size_t len = 0; len < 32; len++) {
        struct raft_buffer cut = {.base = bytes, .len = len};

        world.safe.stopped = false;
        assert_int_equal(apply(&cut), 0);
    }
    assert_int_equal(world.applied, 0);
    assert_int_equal(world.stops, buffer.len + 32);
    raft_free(buffer.base);
}

static void nothing_is_applied_after_a_stop(void **state)
{
    struct raft_buffer buffer;

    (void)state;
    assert_int_equal(bw_fsm_encode(7, (const uint8_t *)"x", 1, &buffer), BW_OK);
    world.answer = BW_ERR_VERSION;
    assert_int_equal(apply(&buffer), 0);
    world.answer = BW_OK;
    assert_int_equal(apply(&buffer), 0);

    assert_int_equal(world.applied, 0);
    assert_int_equal(world.stops, 1);
    assert_int_equal(world.why, BW_STOP_PERSON);
    assert_non_null(strstr(world.message, "log entry 42"));
    assert_non_null(strstr(world.message, "upgrade this witness"));
    raft_free(buffer.base);
}

static void a_snapshot_restores_what_it_was_taken_of(void **state)
{
    struct raft_buffer snapshot = take_snapshot();

    (void)state;
    assert_int_equal(restore(&snapshot), 0);
    assert_int_equal(world.restored, 1);
}

static void a_damaged_snapshot_is_an_error_of_the_start(void **state)
{
    struct raft_buffer snapshot = take_snapshot();
    uint8_t *bytes = snapshot.base;

    (void)state;
    for (size_t i = 0; i < snapshot.len; i++) {
        bytes[i] ^= 1;
        assert_int_equal(restore(&snapshot), RAFT_CORRUPT); /* the buffer stays ours */
        bytes[i] ^= 1;
        assert_int_equal(bw_fsm_diag(world.fsm)->err, BW_ERR_CORRUPT);
    }
    for (size_t len = 0; len < snapshot.len; len++) {
        struct raft_buffer cut = {.base = bytes, .len = len};

        assert_int_equal(restore(&cut), RAFT_CORRUPT);
    }
    assert_int_equal(world.restored, 0);
    assert_int_equal(world.stops, 0);
    raft_free(snapshot.base);
}

static void a_damaged_snapshot_from_a_leader_stops_the_witness(void **state)
{
    struct raft_buffer snapshot = take_snapshot();

    (void)state;
    ((uint8_t *)snapshot.base)[snapshot.len - 1] ^= 1;
    bw_fsm_started(world.fsm);
    assert_int_equal(restore(&snapshot), 0); /* and the buffer is gone */

    assert_int_equal(world.stops, 1);
    assert_int_equal(world.why, BW_STOP_PERSON);
    assert_int_equal(world.restored, 0);
}

/* It is as sound as before, and is not to be replaced. */
static void without_memory_the_witness_stops_to_begin_again(void **state)
{
    struct raft_buffer snapshot = take_snapshot();
    struct raft_buffer buffer;

    (void)state;
    assert_int_equal(bw_fsm_encode(7, (const uint8_t *)"x", 1, &buffer), BW_OK);
    world.answer = BW_ERR_NOMEM;
    assert_int_equal(restore(&snapshot), RAFT_CORRUPT); /* at the start; what it was is in the diag */
    assert_int_equal(bw_fsm_diag(world.fsm)->err, BW_ERR_NOMEM);
    assert_null(strstr(bw_fsm_diag(world.fsm)->text, "must not take part again"));

    bw_fsm_started(world.fsm);
    for (int i = 0; i < 2; i++) {
        world.stops = 0;
        world.why = BW_STOP_PERSON;
        world.safe.stopped = false;
        assert_int_equal(i == 0 ? apply(&buffer) : restore(&snapshot), 0);

        assert_int_equal(world.stops, 1);
        assert_int_equal(world.why, BW_STOP_RESTART);
        assert_null(strstr(world.message, "must not take part again"));
    }
    assert_int_equal(world.applied + world.restored, 0);
    raft_free(buffer.base);
}

static void a_snapshot_that_cannot_be_taken_is_postponed(void **state)
{
    struct raft_fsm *fsm = bw_fsm_raft(world.fsm);
    struct raft_buffer *buffers;
    unsigned count;

    (void)state;
    world.answer = BW_ERR_NOMEM;
    assert_int_equal(fsm->snapshot(fsm, &buffers, &count), RAFT_BUSY);
    assert_int_equal(world.stops, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_comes_back_as_it_was_given),
        TEST(a_command_that_is_too_large_is_no_entry),
        TEST(every_damaged_byte_of_an_entry_stops_the_witness),
        TEST(nothing_is_applied_after_a_stop),
        TEST(a_snapshot_restores_what_it_was_taken_of),
        TEST(a_damaged_snapshot_is_an_error_of_the_start),
        TEST(a_damaged_snapshot_from_a_leader_stops_the_witness),
        TEST(without_memory_the_witness_stops_to_begin_again),
        TEST(a_snapshot_that_cannot_be_taken_is_postponed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
