/* trio.h - three witnesses as processes, on loopback, with certificates of their own, and puppets
 * of agents that speak to them by the product's own client and wire format. */
#ifndef TEST_TRIO_H
#define TEST_TRIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <breakwater/core/sync.h>
#include <breakwater/lab/plan.h>
#include <breakwater/net/credentials.h>
#include <breakwater/net/http_client.h>

#include "test_pki.h"
#include "test_port.h"

#define TRIO_WITNESSES   3
#define TRIO_ELECTION_MS 300
#define TRIO_WAIT_MS     20000 /* for what must happen, on an idle machine: patience.h */
#define TRIO_CALL_MS     60000 /* of a request: none waits so long */
#define TRIO_PATH_BYTES  160

struct trio {
    struct test_pki pki;
    struct bw_id cluster_id;
    unsigned election_ms;
    uint16_t api[TRIO_WITNESSES];
    uint16_t raft[TRIO_WITNESSES];
    struct test_port ports[2 * TRIO_WITNESSES]; /* keep them */
    _Atomic pid_t pids[TRIO_WITNESSES]; /* 0: not running; a thread of puppets looks, too */
    int doors[TRIO_WITNESSES];  /* of forked ones: commands for the log go in here; -1: none */
    struct bw_credentials *viewer;
};

/* How a witness runs. FORKED: this program's own code, with a door for commands. */
enum trio_how { TRIO_EXECUTED, TRIO_FORKED };

/* Makes certificates, configurations and, by `witness init` of the built program, data directories.
 */
void trio_init(struct trio *trio);
/* With another election timeout than TRIO_ELECTION_MS: where stalls of the machine may end no
 * leadership. */
void trio_init_slow(struct trio *trio, unsigned election_ms);
/* Kills what runs, and removes everything. */
/* All witnesses lose what they have, and are founded anew, as another cluster of the same name. They do not run. */
void trio_found_anew(struct trio *trio);
void trio_deinit(struct trio *trio);
void trio_path(const struct trio *trio, const char *file, char out_path[TRIO_PATH_BYTES]);
/* What it is made of; who extends it keeps the trio. */
struct bw_lab_plan trio_plan(const struct trio *trio);
/* Rewrites the configuration of witness `i`, with another certificate file; NULL: its own. */
void trio_configure(const struct trio *trio, int i, const char *identity);
/* The same, with `entries` (a flow sequence) as tls.revoked, and has it read that. */
void trio_revoke(const struct trio *trio, int i, const char *entries);
/* Rewrites it with a file that is refused. */
void trio_spoil(const struct trio *trio, int i);

void trio_start(struct trio *trio, int i, enum trio_how how);
void trio_start_all(struct trio *trio, enum trio_how how);
/* Runs the built program with these arguments (argv[0] is its path); its exit status. Standard
 * output is read into `out`, ended by NUL. */
int trio_run(const struct trio *trio, char **argv, char *out, size_t size);
/* It runs, or this fails: to signal process 0 is to signal the test, and whoever began it. */
void trio_signal(const struct trio *trio, int i, int signal);
/* Waits for the end of witness `i`, after `signal` (0: none was sent); its exit status, or 128 and
 * the signal that it died of. */
int trio_stop(struct trio *trio, int i, int signal);
/* Waits until the log of witness `i` contains `text`. */
void trio_logs(const struct trio *trio, int i, const char *text);
/* The same, `times` times: the log goes on when the witness is started again. */
void trio_logs_times(const struct trio *trio, int i, const char *text, unsigned times);
bool trio_has_logged(const struct trio *trio, int i, const char *text);
unsigned trio_times_logged(const struct trio *trio, int i, const char *text); /* so far */

/* Waits for a leader that says so, and for the others to follow it. Which. */
int trio_leader(struct trio *trio);
int trio_follower(struct trio *trio);

/* To the leader's log, as if a person had asked (forked witnesses only), until one has applied it. */
void trio_propose(struct trio *trio, const struct bw_command *command);
/* Bytes as they are, as an entry: until one has applied it, or ended by it. */
void trio_append(struct trio *trio, const void *data, size_t size);

/* ---- puppets ---- */

struct puppet {
    struct trio *trio;
    struct bw_credentials *credentials;
    char site[BW_NAME_MAX + 1];
    struct bw_id instance;
    struct bw_id session;
    uint64_t number;
    struct bw_exchanges exchanges; /* what its syncs say: the same to every witness */
    struct bw_exchanges contact;   /* what the next one will */
    bool wants_relay;
    struct bw_sync_group group;   /* what it says of its one group */
    struct bw_sync_answer answer; /* the last one that was 200; owned */
    int status;                   /* of the last request; 0: no answer */
};

/* An agent of `site` whose group `name` is stopped and eligible in every way. */
void puppet_init(struct puppet *puppet, struct trio *trio, const char *site, const char *name);
void puppet_deinit(struct puppet *puppet);
/* One sync to witness `i`; keeps number and exchanges as an agent does. The HTTP status. */
int puppet_sync(struct puppet *puppet, int i);
/* One new sync, the same bytes to every witness that runs. True: a leader answered, and `answer` is
 * its. */
bool puppet_sync_all(struct puppet *puppet);
/* GET /v1/agent/orders at witness `i`. */
int puppet_poll(struct puppet *puppet, int i, uint64_t after, const char *wait);
/* What the last answer says of its group; NULL: nothing. */
const struct bw_sync_answer_group *puppet_answer(const struct puppet *puppet);
/* Any bytes to `path` of witness `i`. */
int puppet_post(struct puppet *puppet, int i, const char *path, const void *body, size_t size);

#endif
