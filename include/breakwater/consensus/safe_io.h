/* safe_io.h - a wrapper round any `struct raft_io` that closes what libraft 0.22.1 leaves open
 * between itself and its disk and network. It decides nothing: it turns silent failures into
 * loud ones and drops, shortens or corrects what the library would mistreat, which Raft allows at
 * any time. A failed send is a lost message, and a peer that takes nothing cannot make messages
 * pile up. One thread, the backend's. No clock of its own: time is the backend's. */

/* clang-format off */
/*   L1  a failed write of term, vote or entries is not noticed     -> stop at once
 *   L2  a repeated vote is rewritten through "no vote"             -> skip what is durable already; a
 *                                                                     term goes with its step's vote
 *   L3  the retry of a failed write reads freed memory or loops    -> no progress for 3 s: stop; nor is
 *                                                                     room for the log sought again by
 *                                                                     it (room_watch.h); that of a
 *                                                                     snapshot is sound (trace_watch.h)
 *   L4  InstallSnapshot during an own snapshot dereferences NULL   -> drop it, it is sent again
 *   L5  a snapshot newer than planned is sent under an old term    -> send the term it has
 *   L6  a snapshot that cannot be read frees what was never set    -> give one, drop the message
 *   L7  a configuration is recorded under the index of its batch   -> cut the batch before it
 *   L8  a snapshot's configuration may be older than its index     -> refuse it, it is tried again
 *   L10 metadata without checksum                                  -> an own {term, vote}, believed
 *   L11 an acknowledged last entry may be taken for a torn write   -> alarm: a live peer lags
 *   L12 a pre-vote refused for its low term is not told the        -> tell it: else, now and then,
 *       higher one                                                        nobody is elected any more
 *   L13 the step that makes a leader breaks off where a majority   -> votes tell no capacity
 *       is short of disk; what this leader leaves unanswered is
 *       later acknowledged by another leader's entries
 *   L14 a follower's commit index may go back; a snapshot taken    -> cap what the leader says by
 *       then holds entries that are applied again after a restart     what its message vouches for
 *   L15 who refuses a leader of an old term tells a last index     -> refuse; tell the term and no
 *       that nobody has written, and says yes to its snapshot: as      index
 *       leader of the newer term it takes that for an answer
 *   L16 a follower takes the term of a late vote, or not, by a     -> it hears its own term
 *       byte of a pointer: the flag that is asked is a candidate's
 *   L20..L22 libraft knows members by their ids alone              -> the roll (roll.h)
 *   L23 a crash between an installed snapshot and the removal      -> blank segments go first, the
 *       of the old log is taken for damage, or numbered wrong         old log after (segment.h)
 *   L24 a crash in a truncation leaves two segments of one begin,  -> the shorter one goes first; it
 *       or a hole where it had begun to remove them                   is noted before it begins, and
 *                                                                     what is behind goes (segment.h)
 *   L25 who is no voter in its own configuration never forgets a   -> forget it as voters do; it is
 *       leader, and refuses its vote to one whose newer                   taken for one while a vote is
 *       configuration cannot do without it                                asked of it
 *   L26 who has no vote may ask for votes in place of a leader     -> it asks as anybody does, and is
 *       that is heard, again and again                                    heard where no leader is
 *   L27 an installed snapshot is never freed once a close began    -> the install was given up
 *   L28 a sole voter leads at once in the term of before, and has  -> each start of one is a term of
 *       sent entries, before a crash, that it had not written              its own
 *       itself: the next ones pass for the same
 *   L29 a segment that could not be closed is not noticed, and    -> its trace says so: stop at once,
 *       is taken at the next start for newer than those that          before another one is closed
 *       were closed after it                                          (trace_watch.h)
 *   L30 a truncation that failed on disk is not noticed, and       -> look before the first append
 *       what follows is written behind what was to go                 behind it is reported: stop, and
 *                                                                     keep the note of L24 (segment.h)
 *   L31 a snapshot that cannot be read is passed over: what        -> the newest one is read before
 *       follows it is numbered from an older one on                   a start (segment.h)
 *   L32 entries of one loaded batch are freed with the last        -> each message sends a copy of its
 *       of them that leaves the log, while a message sends them       own, and counts as sent at once
 *   L33 after a restart a follower does not know what was         -> write it down, once a second; a
 *       decided: a leader that lacks it has it removed, unnoticed     leader, or a log, that lacks it
 *                                                                     is refused
 *   L34 a follower whose last answer is older than the last check  -> the new entry is sent at once,
 *       of the majority gets a new entry with the next heartbeat      too, if the follower has all
 *                                                                     before it */
/* clang-format on */

#ifndef BW_CONSENSUS_SAFE_IO_H
#define BW_CONSENSUS_SAFE_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <raft.h>

#include <breakwater/consensus/roll.h>
#include <breakwater/consensus/stop.h>
#include <breakwater/consensus/vote_store.h>

#if RAFT_VERSION_NUMBER < 2201
#error "libraft 0.22.1 or later is needed"
#endif

#define BW_SAFE_IO_STALL_MS          3000  /* L3: appends without progress */
#define BW_SAFE_IO_SNAPSHOT_STALL_MS 30000 /* L3: a snapshot (that is told), and appends while one is at the disk */
#define BW_SAFE_IO_BEHIND_MS         10000 /* L11 */
#define BW_SAFE_IO_BEHIND_AGAIN_MS   60000 /* L11: since leadership could not be given away for it */
/* A leader takes no entries while a majority has less disk reserved; room for the largest ones. */
#define BW_SAFE_IO_CAPACITY_KIB_MIN  256
#define BW_SAFE_IO_ROOM_MS           30000 /* less reserved for so long: room is to be sought by a restart */
#define BW_SAFE_IO_PEERS_MAX         16
#define BW_SAFE_IO_SENDS_MAX         256 /* unfinished messages to one peer; the next is dropped */
/* L32: of the entries in unfinished messages to one peer. The next is dropped, but for a first one: it may be larger. */
#define BW_SAFE_IO_COPIES_BYTES      ((size_t)4 << 20)
/* With more than this on its way to a peer a snapshot waits, and so do entries: half a second at 256 kbit/s. */
#define BW_SAFE_IO_LINE_BYTES_MAX    ((size_t)16 << 10)
#define BW_SAFE_IO_TERMS_MAX         64  /* L33: beginnings of terms in the log that are remembered */
#define BW_SAFE_IO_CHANGES_MAX       8   /* configuration entries whose index is remembered */

/* Is there room on the disk for the log? Asked at each tick while it lacks some; what takes time goes on beside, and is
 * false until it is known. */
typedef bool (*bw_has_room_fn)(void *user);
/* A snapshot of so many bytes was not written for BW_SAFE_IO_SNAPSHOT_STALL_MS. At each tick meanwhile, from within it:
 * say so once, and return. */
typedef void (*bw_snapshot_stalled_fn)(void *user, size_t bytes);

/* How much of what was sent to `peer` has not arrived at its machine. */
typedef size_t (*bw_waiting_bytes_fn)(void *user, uint64_t peer);

struct bw_safe_io_config {
    struct bw_vote_store store;
    /* Who may vote, stand and be heard (L20..L22); kept. NULL: of one that speaks with nobody. */
    struct bw_roll *roll;
    bool is_offline; /* what is there is only read: no term is begun with it (L28) */
    bw_stop_fn stop;
    /* L3: what was given back to a full disk is found by a restart, which on a full one would find nothing. NULL: yes. */
    bw_has_room_fn has_room;
    /* Nobody is stopped for it, as often as it may come: the backend tries again, and a log that is not cut is whole. A
     * restart would meet the same disk, and those of all members may be alike. May be NULL. */
    bw_snapshot_stalled_fn on_snapshot_stalled;
    /* L11: `peer` answers what it is sent, and its match index has not moved for BW_SAFE_IO_BEHIND_MS though entries
     * behind it are committed. While a snapshot or many entries are on their way over a thin line it answers nothing. Once per case, and after bw_safe_io_tell_again, from within a tick:
     * note it and return. May be NULL. */
    void (*on_peer_behind)(void *user, uint64_t peer, uint64_t match, uint64_t commit);
    /* Neither a snapshot nor entries are sent again while those before are on their way over a thin line: each more would
     * take its time, what follows waits behind them, and a peer that answers copies counts as standing still. NULL: 0. */
    bw_waiting_bytes_fn waiting_bytes;
    void *user; /* of all five */
};

/* What `snapshot` holds. libraft writes at most so much beside that. */
#define BW_SAFE_IO_SNAPSHOT_HEAD_BYTES ((size_t)64 * 1024)
size_t bw_safe_io_snapshot_bytes(const struct raft_snapshot *snapshot);

/* How often each rule has acted, for metrics and tests. */
struct bw_safe_io_counts {
    uint64_t writes_skipped;    /* L2 */
    uint64_t installs_dropped;  /* L4 */
    uint64_t terms_patched;     /* L5 */
    uint64_t reads_failed;      /* L6 */
    uint64_t batches_cut;       /* L7 */
    uint64_t snapshots_refused; /* L8 */
    uint64_t votes_repaired;    /* L10: the backend was behind our own pair at load, as after a vote (L2) */
    uint64_t terms_begun;       /* L28 */
    uint64_t terms_shown;       /* L12 */
    uint64_t commits_kept;      /* L14 */
    uint64_t refusals_filled;   /* L15 */
    uint64_t terms_hidden;      /* L16 */
    uint64_t votes_refused;     /* L20: asked for a vote that it must not give */
    uint64_t stands_refused;    /* L21: did not ask for one */
    uint64_t votes_held;        /* L21: until all have granted theirs */
    uint64_t strangers_dropped; /* L22, and who asks for votes under another id */
    uint64_t votes_lent;        /* L25: no voter yet, as it knows, when it was asked for a vote */
    uint64_t haste_ignored;     /* L26 */
    uint64_t entries_copied;    /* L32 */
    uint64_t decisions_missed;  /* L33: a leader, or the log at its start, lacked what was decided */
    uint64_t entries_hurried;   /* L34: messages with new entries that did not wait for a heartbeat */
};

struct bw_safe_io_peer {
    uint64_t id; /* 0: unused */
    unsigned sends;
    size_t copied; /* L32: bytes in them */
    bool snapshot_in_flight;
    raft_time last_contact_ms; /* last message received; 0: none */
    raft_time answered_ms; /* likewise, last answer to entries or a snapshot */
    uint64_t match;     /* L11: where it was when the count began */
    uint64_t behind_ms; /* how long it has been there, while it answered */
    bool is_behind;     /* that was told */
    bool is_again;      /* and is to be told once more */
    bool has_fresh;     /* L34: the fresh entries were sent to it */
};

/* L3: writes of one kind. */
struct bw_safe_io_writes {
    unsigned count;      /* unfinished */
    uint64_t stalled_ms; /* lived through, not slept through, since one of them ended */
};

struct bw_safe_io {
    struct raft_io io; /* first: libraft and the backend know only this */
    /* The rest belongs to safe_io.c. */
    struct raft_io backend; /* its methods; the state stays in `io` */
    struct bw_safe_io_config config;
    struct bw_vote durable;
    bool loaded;
    bool stopped;
    bool has_begun_log; /* it is known that there has been one (bw_vote_store) */
    bool closing;                     /* no message leaves, or comes in, any more */
    struct safe_append *mute_appends; /* asked for after the stop: canceled at close */
    struct safe_put *mute_puts;
    raft_io_tick_cb on_tick;
    raft_io_recv_cb on_receive;
    unsigned tick_ms;
    raft_time ticked_ms;
    struct bw_safe_io_writes appends, puts;
    size_t put_bytes; /* of the newest snapshot written */
    bool is_install;  /* it is a leader's, and what is appended waits behind it */
    raft_time put_rests_until_ms; /* L3: it is not at the disk before */
    uint64_t low_ms; /* L3: likewise, with less disk reserved than a leader needs */
    raft_index snapshot_index; /* of the last snapshot read, and its term (L5) */
    raft_term snapshot_term;
    raft_index next_index;
    struct bw_commit_mark mark; /* L33: known to be decided, and on this disk; and when it may be written next */
    raft_time mark_at_ms;
    raft_index written; /* the newest entry that is on this disk */
    struct bw_commit_mark terms[BW_SAFE_IO_TERMS_MAX]; /* where each term of the log begins */
    unsigned term_count;
    uint64_t cuts;        /* L24: truncations that were asked for */
    uint64_t cuts_over;   /* of them, so many are on disk for certain */
    raft_index cut_noted; /* 0: no note is there, or one that says 0 */
    raft_index changes[BW_SAFE_IO_CHANGES_MAX];
    unsigned change_count;
    raft_index change_forgotten; /* highest index that did not fit */
    struct {
        const struct raft_entry *entries; /* libraft's, while they are written; NULL: none */
        unsigned count;
        raft_index first;
    } fresh; /* L34: what this leader has appended last */
    raft_id refused; /* whose message of an old term libraft is answering (L15); 0: none */
    raft_time led_ms; /* of the newest word of a leader (L25) */
    int lent_role;    /* what this member is, while libraft takes it for a voter */
    struct bw_safe_io_peer peers[BW_SAFE_IO_PEERS_MAX];
    struct bw_safe_io_counts counts;
};

/* Takes over the methods that a backend has just put into `safe->io` (raft_uv_init, or a virtual
 * one). Call it before raft_init(&raft, &safe->io, ...); `safe` was zero before the backend's init
 * and stays where it is. Everything in `config` is kept. */
void bw_safe_io_wrap(struct bw_safe_io *safe, const struct bw_safe_io_config *config);

/* What `io.load` has given. */
void bw_safe_io_free_log(struct raft_snapshot *snapshot, struct raft_entry *entries, size_t count);

/* Milliseconds that unfinished appends, or a snapshot, have made no progress, whichever is more; 0 when none is
 * unfinished. */
uint64_t bw_safe_io_stalled_ms(const struct bw_safe_io *safe);
/* Appends have done so for as long as may be (L3). */
bool bw_safe_io_is_stuck(const struct bw_safe_io *safe);
/* The log has no room reserved for as long as may be (L3). It goes on with what it has; what it lacks is found by a
 * restart, once there is room. */
bool bw_safe_io_lacks_room(const struct bw_safe_io *safe);
/* A snapshot was not taken for as long as may be (L3), for whatever reason. */
bool bw_safe_io_is_put_stalled(const struct bw_safe_io *safe);
/* From within the backend: the snapshot that it was given has failed, and is not at the disk for so long: then it tries
 * again by itself. */
void bw_safe_io_put_rests(struct bw_safe_io *safe, unsigned rest_ms);

/* Backend time at which `peer` was last heard; 0: never. */
raft_time bw_safe_io_last_contact_ms(const struct bw_safe_io *safe, uint64_t peer);

/* L11: `peer` stands still behind what was committed. */
bool bw_safe_io_is_behind(const struct bw_safe_io *safe, uint64_t peer);
/* Nobody has taken leadership: who is behind is told once more, after BW_SAFE_IO_BEHIND_AGAIN_MS. */
void bw_safe_io_tell_again(struct bw_safe_io *safe);

/* As a leader that has applied what came before its own term: L33: the log lacks the entry of another witness's `mark`. */
bool bw_safe_io_lacks_entry(const struct bw_safe_io *safe, struct bw_commit_mark mark);

/* L34: call it right after libraft has taken entries of this leader: sends the new ones to each follower that has all
 * before them and was not sent them. */
void bw_safe_io_hurry(struct bw_safe_io *safe);

/* Ends this member: calls `stop` once, and makes everything mute should that return. */
void bw_safe_io_stop(struct bw_safe_io *safe, enum bw_stop why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
