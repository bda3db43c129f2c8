/* consensus: a step of libraft's fails on the disk of a member that votes alone, once, and libraft does not
 * say so. I3: the member ends before anything is built on it, and the next start has all of its log. This
 * program meddles with itself: it begins once more under fault_preload-> */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#include "faults.h"
#include "janitor.h"
#include "test_shell.h"
#include "test_witness.h"

#include "../../src/consensus/room_watch.h"

#define WAIT_MS        30000 /* for what must happen, on an idle machine: patience.h */
#define SNAPSHOT_EVERY 64
#define ID_STRIDE      16 /* commands at once */

static struct test_cluster cluster;
static uv_loop_t loop;
static struct test_witness witness;
/* In a file of the cluster's directory: a program of its own writes it, too. */
static struct load {
    uint64_t next_id;
    unsigned unanswered;
    uint64_t acknowledged; /* ids below */
    uint64_t index;        /* of the last one */
    struct test_cluster cluster;
} *load;

static void say(const char *faults)
{
    faults_say(getenv("FAULT_FILE"), faults);
}

static void attach(const char *dir)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof path, "%s/load", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    BW_ASSERT(fd >= 0 && ftruncate(fd, sizeof *load) == 0);
    load = mmap(NULL, sizeof *load, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    BW_ASSERT(load != MAP_FAILED);
    (void)close(fd);
    if (load->cluster.dir[0] != '\0')
        cluster = load->cluster;
}

static int setup(void **state)
{
    (void)state;
    memset(&witness, 0, sizeof witness);
    say("");
    test_cluster_init(&cluster);
    cluster.election_ms = 300;
    cluster.heartbeat_ms = 50;
    cluster.snapshot_threshold = SNAPSHOT_EVERY;
    cluster.snapshot_trailing = 20;
    attach(cluster.dir);
    load->cluster = cluster;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(test_cluster_found_alone(&cluster, NULL), BW_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    say("");
    test_witness_stop(&witness);
    while (uv_run(&loop, UV_RUN_NOWAIT) != 0)
        continue;
    assert_int_equal(uv_loop_close(&loop), 0);
    (void)munmap(load, sizeof *load);
    test_cluster_deinit(&cluster);
    return 0;
}

static bool leads_alone(void *user)
{
    (void)user;
    return bw_node_is_ready(witness.node);
}

static void start(void)
{
    struct bw_diag diag = {0};

    if (test_witness_start(&witness, &cluster, 1, &loop, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    test_run_until(&loop, leads_alone, NULL, WAIT_MS, "leads alone");
}

static void on_answered(void *user, enum bw_err err, uint64_t index)
{
    (void)user;
    load->unanswered--;
    if (err != BW_OK)
        return;
    load->acknowledged++; /* in their order */
    load->index = index;
}

static bool has_answered(void *user)
{
    (void)user;
    return load->unanswered == 0 || witness.stops > 0;
}

/* So many commands more, or less if it stops. */
static void submit(unsigned count)
{
    while (count > 0 && witness.stops == 0) {
        for (unsigned i = 0; i < ID_STRIDE && count > 0; i++, count--) {
            load->unanswered++;
            if (test_witness_submit(&witness, load->next_id++, on_answered, NULL) != BW_OK)
                load->unanswered--;
        }
        test_run_until(&loop, has_answered, NULL, WAIT_MS, "has answered");
    }
}

/* What is on disk now is what it begins with next, as after a kill. It rests. */
static void end_here(void)
{
    char path[128];

    test_cluster_path(&cluster, 1, path);
    test_shell("cp -a %s %s.kept", path, path);
    test_witness_stop(&witness);
    test_shell("rm -rf %s && mv %s.kept %s", path, path, path);
}

static void assert_has_all(void)
{
    for (uint64_t id = 0; id < load->acknowledged; id++)
        if (!test_state_has(&witness.state, id))
            fail_msg("command %d of %d is lost", (int)id, (int)load->acknowledged);
}

static bool has_stopped(void *user)
{
    (void)user;
    return witness.stops > 0;
}

/* ---- a segment that could not be closed ------------------------------------------------------- */

/* A program of its own: one that stops is gone, with all that libraft would have done yet. */
static int run_alone(const char *dir)
{
    attach(dir);
    if (uv_loop_init(&loop) != 0)
        return 1;
    witness.exits_on_stop = true;
    start();
    submit(SNAPSHOT_EVERY / 2);
    say("rename /raft/0 5\n"); /* the name of a closed segment */
    submit(SNAPSHOT_EVERY);
    (void)test_run_for(&loop, has_stopped, NULL, 2000);
    say(""); /* from here on only to see what the stop is good for */
    submit(10);
    test_witness_stop(&witness);
    return 0;
}

static int status_of_program(void)
{
    const pid_t pid = fork();
    int status = -1;

    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < TEST_WITNESSES; i++)
            (void)fcntl(cluster.listeners[i], F_SETFD, 0);
        (void)execl("/proc/self/exe", "test_consensus_faults", "--alone", cluster.dir, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* L29: numbered behind what came later, its entries would be others', and those that the leader knows
 * would be gone. */
static void a_segment_that_could_not_be_closed_ends_it_before_a_later_one_is(void **state)
{
    const int status = status_of_program();
    struct bw_node_status after;

    (void)state;
    say("");
    start();
    bw_node_get_status(witness.node, &after);
    print_message("entry %d was the last one acknowledged, %d the last one found\n", (int)load->index,
                  (int)after.last_index);
    assert_has_all();
    assert_true(after.last_index >= load->index && after.last_index <= load->index + ID_STRIDE + 2);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), BW_STOP_RESTART);
}

/* Where nothing fails, and each snapshot closes a segment while the next one is written. */
static void many_snapshots_in_a_row_end_nobody(void **state)
{
    (void)state;
    start();
    submit(30 * SNAPSHOT_EVERY);
    assert_true(witness.snapshots >= 10);
    assert_int_equal(witness.stops, 0);
    test_witness_stop(&witness);

    start();
    assert_has_all();
    test_witness_stop(&witness);
}

/* The index of the newest on disk; 0: there is none. */
static unsigned long newest_snapshot(void)
{
    char path[160];
    unsigned long newest = 0;
    glob_t found;

    test_cluster_path(&cluster, 1, path);
    (void)strcat(path, "/raft/snapshot-*[0-9]");
    if (glob(path, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            unsigned long index;

            if (sscanf(strstr(found.gl_pathv[i], "/snapshot-"), "/snapshot-%*u-%lu-", &index) == 1 &&
                index > newest)
                newest = index;
        }
    globfree(&found);
    return newest;
}

static unsigned long newest_before;

static bool has_new_snapshot(void *user)
{
    (void)user;
    return newest_snapshot() > newest_before;
}

/* And nothing more meanwhile: what is closed for it ends where it does. */
static void write_snapshot(void)
{
    const unsigned before = witness.snapshots;

    newest_before = newest_snapshot();
    while (witness.snapshots == before) {
        submit(1);
        (void)test_run_for(&loop, has_new_snapshot, NULL, 20); /* it is taken after the answer */
    }
    test_run_until(&loop, has_new_snapshot, NULL, WAIT_MS, "has new snapshot");
}

/* With the newest snapshot the closed segments end, too. */
static bool has_installed_shape(void)
{
    char path[128], command[400];

    test_cluster_path(&cluster, 1, path);
    (void)snprintf(command, sizeof command,
                   "cd %s/raft && at=$(ls snapshot-*.meta | sort -V | tail -1 | cut -d- -f3) && "
                   "ls -d *-$(printf %%016d $at) >/dev/null 2>&1", path);
    return system(command) == 0;
}

/* As an install leaves it: two snapshots, no closed segment, and what came since in an open one. */
static uint64_t leave_installed(char out_name[64])
{
    struct bw_node_status status;
    char path[160], names[200];
    FILE *file;

    start();
    write_snapshot();
    do
        write_snapshot();
    while (!has_installed_shape()); /* on a machine that stalls something came between */
    submit(10);
    bw_node_get_status(witness.node, &status);
    end_here();
    test_cluster_path(&cluster, 1, path);
    test_shell("cd %s && rm -f raft/[0-9]*-[0-9]* && ls raft/open-* >/dev/null && "
          "test $(ls raft/snapshot-*.meta | wc -l) = 2 && "
          "basename $(ls raft/snapshot-*.meta | sort -V | tail -1) .meta >newest && "
          "cp -a raft raft.kept", path);
    (void)snprintf(names, sizeof names, "%s/newest", path);
    file = fopen(names, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%63s", out_name), 1);
    (void)fclose(file);
    return status.last_index;
}

static void flip(const char *name, long at)
{
    char path[128], file_path[256];
    FILE *file;
    int byte;

    test_cluster_path(&cluster, 1, path);
    (void)snprintf(file_path, sizeof file_path, "%s/raft/%s", path, name);
    file = fopen(file_path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_true(fputc(byte ^ 4, file) != EOF);
    assert_int_equal(fclose(file), 0);
}

static long size_of(const char *name)
{
    char path[128], file_path[256];
    struct stat status;

    test_cluster_path(&cluster, 1, path);
    (void)snprintf(file_path, sizeof file_path, "%s/raft/%s", path, name);
    assert_int_equal(stat(file_path, &status), 0);
    return (long)status.st_size;
}

static void put_back(void)
{
    char path[128];

    test_cluster_path(&cluster, 1, path);
    test_shell("cd %s && rm -rf raft && cp -a raft.kept raft", path);
}

/* Either it has all, or it says what is wrong. */
static bool begins_with(uint64_t last_index, struct bw_diag *diag)
{
    struct bw_node_status status;

    *diag = (struct bw_diag){0};
    if (test_witness_start(&witness, &cluster, 1, &loop, diag) != BW_OK)
        return false;
    bw_node_get_status(witness.node, &status);
    test_run_until(&loop, leads_alone, NULL, WAIT_MS, "leads alone");
    assert_has_all();
    assert_true(status.last_index >= last_index);
    test_witness_stop(&witness);
    return true;
}

static void begin_with(uint64_t last_index)
{
    struct bw_diag diag;

    if (!begins_with(last_index, &diag))
        fail_msg("%s", diag.text);
}

/* L31: in place of it libraft takes an older one, and numbers what follows from there on. */
static void the_newest_snapshot_is_read_or_nothing_is_started(void **state)
{
    struct bw_diag diag;
    char newest[64], meta[80], fault[160];
    uint64_t last_index;
    unsigned refused = 0;

    (void)state;
    last_index = leave_installed(newest);
    begin_with(last_index);
    (void)snprintf(meta, sizeof meta, "%s.meta", newest);
    put_back();
    const long meta_bytes = size_of(meta), bytes = size_of(newest);

    for (long at = 0; at < meta_bytes; at++) {
        put_back();
        flip(meta, at);
        if (begins_with(last_index, &diag))
            continue;
        refused++;
        assert_int_equal(diag.err, BW_ERR_CORRUPT);
        assert_non_null(strstr(diag.text, meta));
    }
    assert_int_equal(refused, meta_bytes - 4); /* 4 bytes say nothing */
    for (long at = 0; at < bytes; at += bytes / 5) {
        put_back();
        flip(newest, at);
        assert_false(begins_with(last_index, &diag));
        assert_int_equal(diag.err, BW_ERR_CORRUPT);
    }
    for (int i = 0; i < 2; i++) {
        put_back();
        (void)snprintf(fault, sizeof fault, "open %s 5\n", i == 0 ? meta : newest);
        say(fault);
        assert_false(begins_with(last_index, &diag));
        assert_int_equal(diag.err, BW_ERR_IO);
        say("");
        begin_with(last_index);
    }
}

/* A crash in the middle of writing one leaves its head alone, of removing one its data alone: nothing was
 * built on either. */
static void half_a_snapshot_of_a_crash_is_no_damage(void **state)
{
    char newest[64], path[128];
    uint64_t last_index;

    (void)state;
    last_index = leave_installed(newest);
    test_cluster_path(&cluster, 1, path);
    test_shell("cd %s/raft && cp %s.meta snapshot-9-99999-9.meta && cp %s snapshot-9-99998-9", path, newest, newest);
    begin_with(last_index);
}

/* ---- under the preload ------------------------------------------------------------------------ */

static int begin_again(char **argv)
{
    char dir[] = "/tmp/bw-consensus-faults-XXXXXX";
    char path[64];

    if (mkdtemp(dir) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/faults", dir);
    faults_begin(path);
    if (setenv("FAULT_PROGRAM", "test_consensus_faults", 1) == 0)
        (void)execv("/proc/self/exe", argv);
    return 1;
}

/* ---- a disk that is full ---------------------------------------------------------------------- */

static bool lacks_room(void *user)
{
    struct bw_node_status status;

    (void)user;
    bw_node_get_status(witness.node, &status);
    return status.lacks_room;
}

/* Each snapshot closes a segment, and the next entry takes one that was kept ready. */
static void use_up_its_room(void)
{
    enum bw_err err = BW_OK;

    for (unsigned i = 0; i < 10 * SNAPSHOT_EVERY && err == BW_OK; i++) {
        load->unanswered++;
        err = test_witness_submit(&witness, load->next_id, on_answered, NULL);
        load->next_id += err == BW_OK;
        load->unanswered -= err != BW_OK;
        test_run_until(&loop, has_answered, NULL, WAIT_MS, "has answered");
    }
    assert_int_equal(err, BW_ERR_NO_ROOM);
    assert_int_equal(witness.stops, 0);
}

/* L3: libraft would look for room again after ten minutes, and a leader takes nothing meanwhile. As long as the disk is
 * full a restart would fail. */
static void assert_begins_anew(const char *full, const char *after)
{
    start();
    say("reserve /raft/open- 28\n");
    use_up_its_room();
    say(full);

    test_run_until(&loop, lacks_room, NULL, WAIT_MS, "lacks room");
    assert_false(test_run_for(&loop, has_stopped, NULL, 3000));
    say(after);
    test_run_until(&loop, has_stopped, NULL, WAIT_MS, "has stopped");
    assert_int_equal(witness.why, BW_STOP_RESTART);
    assert_non_null(strstr(witness.message, "no room is reserved for the log"));
    test_witness_stop(&witness);
    start();
    submit(10);
    assert_has_all();
}

static void once_a_full_disk_has_room_again_it_begins_anew(void **state)
{
    (void)state;
    assert_begins_anew("reserve /w1/ 28\n", ""); /* what is tried has no name */
}

/* As NFS. */
static void a_full_disk_has_room_again_where_no_file_is_without_a_name(void **state)
{
    (void)state;
    assert_begins_anew("reserve /w1/ 28\nnameless /w1 95\n", "nameless /w1 95\n");
}

static bool is_snapshot_stalled(void *user)
{
    struct bw_node_status status;

    (void)user;
    bw_node_get_status(witness.node, &status);
    return status.is_snapshot_stalled;
}

static bool takes_snapshots(void *user)
{
    return !is_snapshot_stalled(user);
}

static bool has_snapshot(void *user)
{
    (void)user;
    return newest_snapshot() > 0;
}

/* L3: libraft knows no other way to write one, and each restart would meet the same. It tries again by itself, not after ten
 * minutes. */
static void what_cannot_write_a_snapshot_goes_on_and_writes_it_once_it_can(void **state)
{
    (void)state;
    start();
    say("nameless /w1 95\n");
    submit(3 * SNAPSHOT_EVERY);

    test_run_until(&loop, is_snapshot_stalled, NULL, WAIT_MS, "is snapshot stalled");
    assert_false(lacks_room(NULL));
    assert_false(test_run_for(&loop, has_stopped, NULL, 6000));
    submit(10);
    assert_int_equal(newest_snapshot(), 0);
    say("");
    test_run_until(&loop, has_snapshot, NULL, WAIT_MS, "has snapshot");
    test_run_until(&loop, takes_snapshots, NULL, WAIT_MS, "takes snapshots");
    assert_int_equal(witness.stops, 0);
    test_witness_stop(&witness);
    start();
    assert_has_all();
}

/* ---- why it is not written -------------------------------------------------------------------- */

static struct bw_room_watch watch;
static const char *awaited;
static unsigned awaited_count;

static unsigned lines_with(const char *words)
{
    char path[160], line[BW_LOG_LINE_BYTES_MAX];
    unsigned count = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/log", cluster.dir);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, words) != NULL;
    (void)fclose(file);
    return count;
}

static bool is_told(void *user)
{
    (void)user;
    (void)bw_room_watch_has_room(&watch, 100000);
    return lines_with(awaited) >= awaited_count;
}

static void await_told(const char *words, unsigned count)
{
    awaited = words;
    awaited_count = count;
    test_run_until(&loop, is_told, NULL, WAIT_MS, words);
}

static void on_watch_closed(void *user)
{
    *(bool *)user = true;
}

static bool is_true(void *user)
{
    return *(bool *)user;
}

/* libraft says it to nobody. It writes and syncs as well, which may fail where there is room. */
static void what_keeps_a_snapshot_from_the_disk_is_told_again_once_it_is_something_else(void **state)
{
    struct bw_log log = {.level = BW_LOG_INFO, .component = "test"};
    char path[160], dir[160];
    bool is_closed = false;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/log", cluster.dir);
    log.fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_true(log.fd >= 0);
    (void)snprintf(dir, sizeof dir, "%s/probed", cluster.dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    bw_room_watch_open(&watch, &loop, BW_ROOM_SNAPSHOT, dir, &log);

    say("fsync /probed/# 5\n");
    await_told("Input/output error", 1);
    awaited_count = 2;
    assert_false(test_run_for(&loop, is_told, NULL, BW_ROOM_WATCH_TRY_MS + 2000)); /* of the next try, too */
    say("hang /probed/# 600000\n");
    await_told("the disk hangs", 1);
    say("");
    await_told("none just now", 1);
    say("fsync /probed/# 5\n");
    await_told("Input/output error", 2);
    assert_int_equal(lines_with("raft.snapshot_stalled"), 4);

    bw_room_watch_close(&watch, on_watch_closed, &is_closed);
    test_run_until(&loop, is_true, &is_closed, WAIT_MS, "is true");
    (void)close(log.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_segment_that_could_not_be_closed_ends_it_before_a_later_one_is),
        TEST(many_snapshots_in_a_row_end_nobody),
        TEST(the_newest_snapshot_is_read_or_nothing_is_started),
        TEST(half_a_snapshot_of_a_crash_is_no_damage),
        TEST(once_a_full_disk_has_room_again_it_begins_anew),
        TEST(a_full_disk_has_room_again_where_no_file_is_without_a_name),
        TEST(what_cannot_write_a_snapshot_goes_on_and_writes_it_once_it_can),
        TEST(what_keeps_a_snapshot_from_the_disk_is_told_again_once_it_is_something_else),
    };
    char dir[64];
    int failed;

    if (argc == 3 && strcmp(argv[1], "--alone") == 0)
        return run_alone(argv[2]);
    if (getenv("FAULT_FILE") == NULL)
        return begin_again(argv);
    (void)snprintf(dir, sizeof dir, "%s", getenv("FAULT_FILE"));
    *strrchr(dir, '/') = '\0';
    janitor_add_dir(dir);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    janitor_remove_dir(dir);
    janitor_forget(dir);
    return failed;
}
