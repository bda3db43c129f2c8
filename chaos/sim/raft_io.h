/* raft_io.h - a `struct raft_io` in virtual time: libraft's disk and network in the simulator.
 *
 * Writes go to the disk in the order in which they were asked for, one after the other, and take
 * their time; an own snapshot is written beside them, as libraft's own backend does. What is on its
 * way when the process dies is lost but for a random prefix, whose last batch may be torn. Term and
 * vote are synchronous. The process's disk faults make writes fail, take long, or never come back:
 *
 *   fail_percent     the write has done nothing and says so
 *   unknown_percent  it says that it failed and was done
 *   hang_percent     an append never comes back (L3); a snapshot is tried again later
 *   is_full          what fits into the segments that were prepared is taken, and the capacity says
 *                    how much that is (RAFT_NOSPACE); what does not fit never comes back, but a
 *                    snapshot, which is tried again later
 *   slow_ms          each write takes up to so much longer
 *
 * `process->state` of every process that is a peer points to its struct sim_raft_io. */
#ifndef BW_SIM_RAFT_IO_H
#define BW_SIM_RAFT_IO_H

#include <raft.h>

#include <breakwater/consensus/hello.h>

#include "raft_disk.h"
#include "world.h"

#define SIM_RAFT_GETS_MAX  8    /* snapshots that are read at once; the next is refused */
#define SIM_RAFT_SENDS_MAX 1024 /* messages whose sender was not yet told that they left */

struct sim_raft_write;

/* An own snapshot on its way to the disk. */
struct sim_raft_put {
    struct raft_io_snapshot_put *request; /* NULL: there is none */
    struct sim_raft_snapshot snapshot;
    unsigned trailing;
    uint64_t after; /* begins when so many writes are done */
    bool is_begun;
    bool is_on_its_way; /* begun, and it comes back */
};

struct sim_raft_io {
    struct sim_process *process;
    struct raft_io *io;
    struct sim_raft_disk *disk;
    /* Called last in each event that begins here: a tick, a message, a write that is done. */
    void (*on_event)(struct sim_process *process);
    raft_io_tick_cb on_tick;
    raft_io_recv_cb on_receive;
    unsigned tick_ms;
    bool is_closing;
    raft_index next_index;                /* of the entry that will be asked for next */
    struct sim_raft_write *first, **last; /* not yet done, in order */
    uint64_t asked, done;                 /* writes */
    bool is_writing;                      /* the first one is under way */
    bool is_stuck;                        /* and never comes back, nor does what follows */
    struct sim_raft_write *unanswered;    /* done in the moment of the crash */
    struct sim_raft_put put;
    struct raft_io_snapshot_get *gets[SIM_RAFT_GETS_MAX];
    struct raft_io_send *sent[SIM_RAFT_SENDS_MAX]; /* their callbacks are due */
    unsigned sent_count;
    struct raft_io_send *leaving[SIM_RAFT_SENDS_MAX]; /* snapshots: they take a while to leave */
    unsigned leaving_count;
    bool is_short; /* of room: the disk is full */
    uint64_t room_bytes;
};

/* Fills in the methods of `io` (zeroed) for `process`; both and `disk` are kept. */
void sim_raft_io_init(struct sim_raft_io *backend, struct raft_io *io, struct sim_process *process,
                      struct sim_raft_disk *disk, void (*on_event)(struct sim_process *process));

/* Tells the senders of messages that have left. After each event, before completed requests. */
void sim_raft_io_turn(struct sim_raft_io *backend);

/* The process dies: what was on its way reaches the disk, or not. Before raft_close. */
void sim_raft_io_crash(struct sim_raft_io *backend);

/* ---- what two witnesses say before Raft's messages ---- */

struct bw_hello sim_raft_hello(const struct sim_raft_io *backend, enum bw_hello_word word, raft_id to);
/* As src/consensus/node.c:bw_node_hear_hello: is the connection welcome that was opened with this hello? */
bool sim_raft_welcomes(struct sim_raft_io *backend, const struct bw_hello *hello);
/* As bw_node_hear_answer: what `peer`, with the directory `to`, answers to one that dials it. */
bool sim_raft_is_answered(struct sim_raft_io *backend, raft_id peer, struct bw_id to);

/* The address of a witness in libraft's configuration: its id, as in production. Returns `out_text`. */
#define SIM_RAFT_ADDRESS_BYTES 24
/* As it lies on a disk. */
struct sim_raft_snapshot sim_raft_copy_snapshot(const struct raft_snapshot *from);
const char *sim_raft_address(raft_id id, char out_text[SIM_RAFT_ADDRESS_BYTES]);

#endif
