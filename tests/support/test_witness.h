/* test_witness.h - a Raft member for tests: node, transport over plain loopback TCP, and a state
 * machine that counts. The id that a certificate would prove is simply said in a greeting. */
#ifndef TEST_WITNESS_H
#define TEST_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include <breakwater/consensus/node.h>

#define TEST_WITNESSES 3
#define TEST_IDS_MAX   (1 << 18) /* commands carry an id below this */

/* Sockets and directories of one cluster; they outlive processes and loops. */
struct test_cluster {
    char dir[64];
    int listeners[TEST_WITNESSES]; /* of witness 1, 2, 3 */
    uint16_t ports[TEST_WITNESSES];
    unsigned election_ms, heartbeat_ms;
    unsigned snapshot_threshold, snapshot_trailing;
    unsigned thin_bytes_s; /* so fast does the third witness receive from the others; 0: as fast as it can */
};

struct test_state {
    uint64_t count;
    uint64_t hash; /* over (index, id) of every applied command */
    uint64_t last_index, last_term;
    uint8_t seen[TEST_IDS_MAX / 8];
};

struct test_witness {
    struct test_cluster *cluster;
    uv_loop_t *loop;
    uint64_t id;
    uv_tcp_t listener;
    struct bw_transport *transport;
    struct bw_raft_node *node; /* NULL: not running */
    struct test_state state;
    enum bw_node_role role;
    uint64_t term, ready_term;
    uint64_t ready_commit; /* the commit index when it was told that it may lead */
    unsigned ready_count, role_count, restores, snapshots;
    uint64_t behind;          /* peer of the last alarm */
    enum bw_err apply_answer; /* for every command, if not BW_OK */
    bool (*say)(struct test_witness *witness, uint64_t to, const struct bw_term_word *word); /* NULL: nobody is asked */
    unsigned stops;
    enum bw_stop why;
    char message[512];
    bool exits_on_stop; /* as a program does */
    struct test_link *links;
    unsigned open_handles;
};

/* Makes directories and listening sockets. A stall of the machine of 2 s ends no leadership. */
void test_cluster_init(struct test_cluster *cluster);
void test_cluster_deinit(struct test_cluster *cluster);
void test_cluster_path(const struct test_cluster *cluster, uint64_t id, char out_path[128]);
/* `witness init`; witness 1 is the founder. */
enum bw_err test_cluster_found(const struct test_cluster *cluster, uint64_t id,
                               struct bw_diag *diag);
/* Likewise, of a cluster of one, with the configuration of that. */
enum bw_err test_cluster_found_alone(const struct test_cluster *cluster, struct bw_diag *diag);
/* Its directory is lost, and `witness init --cluster-id` makes another one. It is not running. */
void test_cluster_wipe(const struct test_cluster *cluster, uint64_t id);

/* `witness` is zeroed but for exits_on_stop, apply_answer and say. */
enum bw_err test_witness_start(struct test_witness *witness, struct test_cluster *cluster,
                               uint64_t id, uv_loop_t *loop, struct bw_diag *diag);
/* Runs the loop until nothing is left of it. */
void test_witness_stop(struct test_witness *witness);
/* The three of a cluster: makes loop and directories, and starts none. */
void test_witnesses_found(struct test_witness witnesses[TEST_WITNESSES], struct test_cluster *cluster, uv_loop_t *loop);
/* Stops those that run; nothing is left. */
void test_witnesses_end(struct test_witness witnesses[TEST_WITNESSES], struct test_cluster *cluster, uv_loop_t *loop);
uint64_t test_witness_term(const struct bw_raft_node *node);

enum bw_err test_witness_submit(struct test_witness *witness, uint64_t id, bw_node_done_fn on_done,
                                void *user);
bool test_state_has(const struct test_state *state, uint64_t id);

/* Runs the loop until `is_met`. Fails the test as a wait when `limit_ms`, the bound on an idle machine, is over: `what`
 * names the condition. */
void test_run_until(uv_loop_t *loop, bool (*is_met)(void *user), void *user, unsigned limit_ms,
                    const char *what);
/* Runs the loop until `is_met`, or for `ms`. Returns whether it is met. */
bool test_run_for(uv_loop_t *loop, bool (*is_met)(void *user), void *user, unsigned ms);

#endif
