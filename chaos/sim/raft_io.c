#include "raft_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#include <breakwater/consensus/safe_io.h>

#include "check.h"
#include "raft_message.h"
#include "witness.h"
#include "witness_members.h"

/* How long a write takes: mostly a good disk, now and then a busy one. */
#define WRITE_NS_MIN           (200 * 1000)
#define WRITE_NS_SPAN          (2 * SIM_MS)
#define WRITE_BUSY_PER_MILLION 5000
#define WRITE_BUSY_NS_SPAN     (150 * SIM_MS)
#define SNAPSHOT_NS_SPAN       (40 * SIM_MS)
#define PUT_RETRY_NS           (31 * SIM_S) /* as libraft has it (src/consensus/trace_watch.c) */
#define READ_NS_SPAN           (20 * SIM_MS)
#define LEAVE_NS_SPAN          (30 * SIM_MS)
#define TICK_LATE_NS_SPAN      SIM_MS /* a loop's timer is late by what the loop does */
/* Two segments of 1 MiB are kept ready; of those that a full disk leaves, some part is used. */
#define CAPACITY_KIB     2048
#define ROOM_BYTES_SPAN  (512 * 1024)
#define BATCH_HEAD_BYTES 32 /* of a batch and of an entry, in a segment */

enum write_kind { WRITE_APPEND, WRITE_TRUNCATE, WRITE_INSTALL };

struct sim_raft_write {
    struct sim_raft_write *next;
    enum write_kind kind;
    raft_index index; /* APPEND: of the first entry; TRUNCATE: of the first that goes */
    struct raft_io_append *append;
    struct raft_io_snapshot_put *put;
    struct sim_raft_snapshot snapshot; /* INSTALL */
    size_t size;                       /* of all entries */
    unsigned count;
    struct sim_raft_entry entries[];
};

static void pump(struct sim_raft_io *backend);

static struct sim_raft_io *backend_of(struct raft_io *io)
{
    return io->impl;
}

static struct sim_raft_io *backend_in(struct sim_process *process)
{
    return process->state;
}

/* `io` is that of a safe_io, whose voter has a roll. */
static struct bw_roll *roll_of(const struct sim_raft_io *backend)
{
    return ((struct bw_safe_io *)backend->io)->config.roll;
}

struct bw_hello sim_raft_hello(const struct sim_raft_io *backend, enum bw_hello_word word,
                               raft_id to)
{
    return (struct bw_hello){.word = word,
                             .cluster_id = {{1}}, /* a world has one */
                             .incarnation = roll_of(backend)->incarnation,
                             .expected = bw_roll_expects(roll_of(backend), to),
                             .from = sim_witness_id(backend->process),
                             .to = to,
                             .feature_level = backend->process->level};
}

bool sim_raft_welcomes(struct sim_raft_io *backend, const struct bw_hello *hello)
{
    const raft_id from = hello->from;
    const struct bw_hello self = sim_raft_hello(backend, BW_HELLO_WELCOME, from);
    const bool is_member = sim_witness_knows(backend->process, from); /* by its certificate */
    const enum bw_hello_word word = bw_hello_judge(&self, roll_of(backend), is_member ? from : 0,
                                                   hello, NULL);

    if (word == BW_HELLO_OTHER_INCARNATION)
        sim_count(sim_world_of(backend->process), "L22");
    if (word == BW_HELLO_REMOVED)
        sim_witness_part(backend->process, from);
    return word == BW_HELLO_WELCOME;
}

bool sim_raft_is_answered(struct sim_raft_io *backend, raft_id peer, struct bw_id to)
{
    const struct bw_hello self = sim_raft_hello(backend, BW_HELLO_JOIN, peer);
    const struct bw_hello answer = {.word = BW_HELLO_WELCOME,
                                    .cluster_id = self.cluster_id,
                                    .incarnation = to,
                                    .from = peer,
                                    .to = self.from};

    if (bw_hello_take_answer(&self, roll_of(backend), peer, &answer, NULL) == BW_OK)
        return true;
    sim_count(sim_world_of(backend->process), "L22");
    return false;
}

const char *sim_raft_address(raft_id id, char out_text[SIM_RAFT_ADDRESS_BYTES])
{
    (void)snprintf(out_text, SIM_RAFT_ADDRESS_BYTES, "%llu", id);
    return out_text;
}

/* ---- delays and faults ---- */

static struct bw_prng *chance_of(const struct sim_raft_io *backend)
{
    return &backend->process->host->chance;
}

static bool percent(const struct sim_raft_io *backend, unsigned percent_of)
{
    return percent_of > 0 && bw_prng_below(chance_of(backend), 100) < percent_of;
}

static uint64_t below(const struct sim_raft_io *backend, uint64_t bound)
{
    return bw_prng_below(chance_of(backend), bound);
}

static uint64_t write_ns(const struct sim_raft_io *backend)
{
    const struct sim_disk_faults *faults = &backend->process->disk;
    uint64_t ns = WRITE_NS_MIN + below(backend, WRITE_NS_SPAN);

    if (sim_chance(chance_of(backend), WRITE_BUSY_PER_MILLION))
        ns += below(backend, WRITE_BUSY_NS_SPAN);
    if (faults->slow_ms > 0)
        ns += below(backend, faults->slow_ms * SIM_MS);
    return ns;
}

enum outcome { OUTCOME_DONE, OUTCOME_NOT_DONE, OUTCOME_DONE_UNANSWERED };

static enum outcome draw_outcome(const struct sim_raft_io *backend)
{
    const struct sim_disk_faults *faults = &backend->process->disk;

    if (percent(backend, faults->fail_percent))
        return OUTCOME_NOT_DONE;
    return percent(backend, faults->unknown_percent) ? OUTCOME_DONE_UNANSWERED : OUTCOME_DONE;
}

static int fail(struct sim_raft_io *backend, const char *what)
{
    (void)snprintf(backend->io->errmsg, sizeof backend->io->errmsg, "%s: input/output error", what);
    return RAFT_IOERR;
}

/* What the disk has left for entries, as libraft is told with each event. */
static void measure_room(struct sim_raft_io *backend)
{
    bool is_full = backend->process->disk.is_full;

    if (is_full && !backend->is_short)
        backend->room_bytes = below(backend, ROOM_BYTES_SPAN);
    backend->is_short = is_full;
    backend->io->capacity = is_full ? (unsigned short)(backend->room_bytes / 1024) : CAPACITY_KIB;
}

/* ---- what is on its way to the disk ---- */

struct sim_raft_snapshot sim_raft_copy_snapshot(const struct raft_snapshot *from)
{
    struct sim_raft_snapshot snapshot = {
        .index = from->index, .term = from->term, .configuration_index = from->configuration_index};
    struct raft_buffer encoded;
    size_t size = 0;
    uint8_t *data;

    BW_ASSERT(raft_configuration_encode(&from->configuration, &encoded) == 0);
    snapshot.configuration = (struct raft_buffer){sim_raft_copy(encoded.base, encoded.len),
                                                  encoded.len};
    raft_free(encoded.base);
    for (unsigned i = 0; i < from->n_bufs; i++)
        size += from->bufs[i].len;
    data = malloc(size > 0 ? size : 1);
    BW_ASSERT(data != NULL);
    snapshot.data = (struct raft_buffer){data, size};
    for (unsigned i = 0; i < from->n_bufs; i++) {
        if (from->bufs[i].len > 0)
            memcpy(data, from->bufs[i].base, from->bufs[i].len);
        data += from->bufs[i].len;
    }
    return snapshot;
}

static void free_snapshot(struct sim_raft_snapshot *snapshot)
{
    free(snapshot->configuration.base);
    free(snapshot->data.base);
    *snapshot = (struct sim_raft_snapshot){0};
}

static void free_write(struct sim_raft_write *write)
{
    for (unsigned i = 0; i < write->count; i++)
        free(write->entries[i].bytes);
    free_snapshot(&write->snapshot);
    free(write);
}

static struct sim_raft_write *new_write(struct sim_raft_io *backend, enum write_kind kind,
                                        unsigned entry_count)
{
    struct sim_raft_write *write = calloc(1,
                                          sizeof *write + entry_count * sizeof write->entries[0]);

    BW_ASSERT(write != NULL);
    write->kind = kind;
    write->count = entry_count;
    *backend->last = write;
    backend->last = &write->next;
    backend->asked++;
    return write;
}

static struct sim_raft_write *take_first(struct sim_raft_io *backend)
{
    struct sim_raft_write *write = backend->first;

    backend->first = write->next;
    if (backend->first == NULL)
        backend->last = &backend->first;
    backend->done++;
    return write;
}

/* The first `count` entries of an append; what else it is, whole. */
static void reach_disk(struct sim_raft_io *backend, struct sim_raft_write *write, unsigned count)
{
    struct sim_raft_disk *disk = backend->disk;

    switch (write->kind) {
    case WRITE_APPEND:
        BW_ASSERT(write->index == sim_raft_disk_next(disk));
        for (unsigned i = 0; i < count; i++) {
            sim_raft_disk_append(disk, &write->entries[i]);
            write->entries[i].bytes = NULL;
        }
        break;
    case WRITE_TRUNCATE:
        sim_raft_disk_truncate(disk, write->index);
        break;
    case WRITE_INSTALL:
        sim_raft_disk_put_snapshot(disk, &write->snapshot);
        write->snapshot = (struct sim_raft_snapshot){0};
        sim_raft_disk_trim(disk, 0);
        break;
    }
}

static void answer_write(struct sim_raft_write *write, int status)
{
    if (write->append != NULL)
        write->append->cb(write->append, status);
    if (write->put != NULL)
        write->put->cb(write->put, status);
    free_write(write);
}

static void put_reaches_disk(struct sim_raft_io *backend)
{
    struct sim_raft_put *put = &backend->put;

    sim_raft_disk_put_snapshot(backend->disk, &put->snapshot);
    put->snapshot = (struct sim_raft_snapshot){0};
    sim_raft_disk_trim(backend->disk, put->trailing);
}

static void answer_put(struct sim_raft_io *backend, int status)
{
    struct sim_raft_put put = backend->put;

    backend->put = (struct sim_raft_put){0};
    free_snapshot(&put.snapshot);
    put.request->cb(put.request, status);
}

static int tell_outcome(struct sim_raft_io *backend, enum outcome outcome, const char *what)
{
    return outcome == OUTCOME_DONE ? 0 : fail(backend, what);
}

/* Everything up to the first write that takes time; truncations go with it. */
static void on_written(struct sim_process *process, void *payload)
{
    struct sim_raft_io *backend = backend_in(process);
    struct sim_raft_write *write;
    enum outcome outcome = draw_outcome(backend);

    (void)payload;
    if (backend->first->kind == WRITE_INSTALL && sim_crash_point(process, "crash:raft_install"))
        return;
    backend->is_writing = false;
    do {
        write = take_first(backend);
        if (write->kind == WRITE_TRUNCATE) {
            reach_disk(backend, write, 0);
            free_write(write);
            write = NULL;
        }
    } while (write == NULL && backend->first != NULL);
    if (write != NULL) {
        if (outcome != OUTCOME_NOT_DONE)
            reach_disk(backend, write, write->count);
        else
            backend->is_stuck = true; /* what follows is behind a hole: never read again */
        if (sim_crash_point(process, "crash:raft_written")) {
            backend->unanswered = write;
            return;
        }
        answer_write(write, tell_outcome(backend, outcome, "write"));
    }
    pump(backend);
    backend->on_event(process);
}

static void on_put_written(struct sim_process *process, void *payload)
{
    struct sim_raft_io *backend = backend_in(process);
    enum outcome outcome = draw_outcome(backend);

    (void)payload;
    if (outcome != OUTCOME_NOT_DONE)
        put_reaches_disk(backend);
    backend->put.is_on_its_way = false;
    if (sim_crash_point(process, "crash:raft_snapshot"))
        return;
    answer_put(backend, tell_outcome(backend, outcome, "write snapshot"));
    backend->on_event(process);
}

static bool fits(struct sim_raft_io *backend, const struct sim_raft_write *write)
{
    measure_room(backend);
    if (!backend->is_short)
        return true;
    if (write->kind != WRITE_APPEND || write->size > backend->room_bytes)
        return false;
    backend->room_bytes -= write->size;
    return true;
}

/* The write that takes time, if it comes back at all. */
static bool comes_back(struct sim_raft_io *backend)
{
    const struct sim_raft_write *write = backend->first;

    while (write != NULL && write->kind == WRITE_TRUNCATE)
        write = write->next;
    return write == NULL ||
           (fits(backend, write) && !percent(backend, backend->process->disk.hang_percent));
}

/* A log entry that is stuck, or that failed, has ended its witness before. */
static void on_put_retry(struct sim_process *process, void *payload)
{
    struct sim_raft_io *backend = backend_in(process);

    (void)payload;
    backend->put.is_begun = backend->put.is_on_its_way;
    backend->is_stuck = false;
    pump(backend);
}

static void pump(struct sim_raft_io *backend)
{
    struct sim_raft_put *put = &backend->put;

    if (backend->is_closing || sim_is_doomed(backend->process))
        return;
    if (put->request != NULL && !put->is_begun && backend->done >= put->after) {
        put->is_begun = true;
        put->is_on_its_way = !backend->process->disk.is_full &&
                             !percent(backend, backend->process->disk.hang_percent);
        sim_later(backend->process,
                  put->is_on_its_way ? write_ns(backend) + below(backend, SNAPSHOT_NS_SPAN) : PUT_RETRY_NS,
                  put->is_on_its_way ? on_put_written : on_put_retry, NULL, NULL);
        if (!put->is_on_its_way)
            bw_safe_io_put_rests((struct bw_safe_io *)backend->io, PUT_RETRY_NS / SIM_MS);
    }
    if (backend->first == NULL || backend->is_writing || backend->is_stuck)
        return;
    backend->is_stuck = !comes_back(backend);
    if (backend->is_stuck)
        sim_later(backend->process, PUT_RETRY_NS, on_put_retry, NULL, NULL);
    backend->is_writing = !backend->is_stuck;
    if (backend->is_writing)
        sim_later(backend->process,
                  write_ns(backend) + (backend->first->kind == WRITE_INSTALL ? below(backend, SNAPSHOT_NS_SPAN) : 0),
                  on_written, NULL, NULL);
}

static int io_append(struct raft_io *io, struct raft_io_append *request,
                     const struct raft_entry entries[], unsigned count, raft_io_append_cb done)
{
    struct sim_raft_io *backend = backend_of(io);
    struct sim_raft_write *write;

    request->cb = done;
    if (sim_crash_point(backend->process, "crash:raft_append"))
        return RAFT_CANCELED;
    write = new_write(backend, WRITE_APPEND, count);
    write->append = request;
    write->index = backend->next_index;
    for (unsigned i = 0; i < count; i++) {
        write->entries[i] = (struct sim_raft_entry){
            .term = entries[i].term,
            .type = entries[i].type,
            .size = entries[i].buf.len,
            .bytes = sim_raft_copy(entries[i].buf.base, entries[i].buf.len)};
        if (entries[i].type == RAFT_CHANGE)
            sim_check_configuration(backend->process, write->index + i, entries[i].term,
                                    &entries[i].buf);
        write->size += entries[i].buf.len + BATCH_HEAD_BYTES;
    }
    backend->next_index += count;
    pump(backend);
    return 0;
}

static int io_truncate(struct raft_io *io, raft_index index)
{
    struct sim_raft_io *backend = backend_of(io);

    if (index >= backend->next_index)
        return 0; /* asked for before each append */
    if (percent(backend, backend->process->disk.fail_percent))
        return fail(backend, "truncate");
    new_write(backend, WRITE_TRUNCATE, 0)->index = index;
    backend->next_index = index;
    pump(backend);
    return 0;
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing,
                           struct raft_io_snapshot_put *request,
                           const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb done)
{
    struct sim_raft_io *backend = backend_of(io);

    request->cb = done;
    if (sim_is_doomed(backend->process))
        return RAFT_CANCELED;
    if (trailing == 0) { /* it replaces the log: in line with what is written to that */
        struct sim_raft_write *write = new_write(backend, WRITE_INSTALL, 0);

        write->put = request;
        write->snapshot = sim_raft_copy_snapshot(snapshot);
        backend->next_index = snapshot->index + 1;
    } else {
        BW_ASSERT(backend->put.request == NULL); /* libraft takes one at a time */
        backend->put = (struct sim_raft_put){.request = request,
                                             .snapshot = sim_raft_copy_snapshot(snapshot),
                                             .trailing = trailing,
                                             .after = backend->asked};
    }
    pump(backend);
    return 0;
}

/* ---- what is read ---- */

static void on_read(struct sim_process *process, void *payload)
{
    struct sim_raft_io *backend = backend_in(process);
    struct raft_io_snapshot_get *request = payload;
    enum outcome outcome = draw_outcome(backend);

    for (unsigned i = 0; i < SIM_RAFT_GETS_MAX; i++)
        if (backend->gets[i] == request)
            backend->gets[i] = NULL;
    if (outcome == OUTCOME_DONE)
        request->cb(request, sim_raft_disk_get_snapshot(backend->disk), 0);
    else
        request->cb(request, NULL, fail(backend, "read snapshot"));
    backend->on_event(process);
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *request,
                           raft_io_snapshot_get_cb done)
{
    struct sim_raft_io *backend = backend_of(io);

    request->cb = done;
    for (unsigned i = 0; i < SIM_RAFT_GETS_MAX; i++) {
        if (backend->gets[i] != NULL || sim_is_doomed(backend->process))
            continue;
        backend->gets[i] = request;
        sim_later(backend->process,
                  WRITE_NS_MIN + below(backend, READ_NS_SPAN) +
                      backend->process->disk.read_ms * SIM_MS,
                  on_read, request, NULL);
        return 0;
    }
    return RAFT_BUSY;
}

static int io_load(struct raft_io *io, raft_term *out_term, raft_id *out_vote,
                   struct raft_snapshot **out_snapshot, raft_index *out_start,
                   struct raft_entry *out_entries[], size_t *out_count)
{
    struct sim_raft_io *backend = backend_of(io);

    if (percent(backend, backend->process->disk.fail_percent))
        return fail(backend, "load");
    *out_term = backend->disk->term;
    *out_vote = backend->disk->vote;
    sim_raft_disk_load(backend->disk, out_snapshot, out_start, out_entries, out_count);
    backend->next_index = *out_start + *out_count;
    return 0;
}

/* ---- libraft's own term and vote ---- */

static int save_metadata(struct sim_raft_io *backend, raft_term term, raft_id vote)
{
    enum outcome outcome;

    if (sim_crash_point(backend->process, "crash:raft_metadata"))
        return RAFT_CANCELED;
    outcome = draw_outcome(backend);
    if (outcome != OUTCOME_NOT_DONE) {
        backend->disk->term = term;
        backend->disk->vote = vote;
    }
    if (backend->process->disk.slow_ms > 0)
        sim_process_stall(backend->process, write_ns(backend));
    if (sim_crash_point(backend->process, "crash:raft_metadata_saved"))
        return RAFT_CANCELED;
    return tell_outcome(backend, outcome, "write metadata");
}

static int io_set_term(struct raft_io *io, raft_term term)
{
    return save_metadata(backend_of(io), term, 0);
}

static int io_set_vote(struct raft_io *io, raft_id vote)
{
    struct sim_raft_io *backend = backend_of(io);

    return save_metadata(backend, backend->disk->term, vote);
}

static int io_bootstrap(struct raft_io *io, const struct raft_configuration *configuration)
{
    struct sim_raft_io *backend = backend_of(io);
    struct sim_raft_disk *disk = backend->disk;
    struct sim_raft_entry entry = {.term = 1, .type = RAFT_CHANGE};
    struct raft_buffer encoded;

    if (disk->term != 0)
        return RAFT_CANTBOOTSTRAP;
    BW_ASSERT(raft_configuration_encode(configuration, &encoded) == 0);
    entry.size = encoded.len;
    entry.bytes = sim_raft_copy(encoded.base, encoded.len);
    sim_check_configuration(backend->process, 1, 1, &encoded);
    raft_free(encoded.base);
    disk->term = 1;
    disk->vote = 0;
    sim_raft_disk_append(disk, &entry);
    return 0;
}

/* ---- messages ---- */

static void on_arrived(struct sim_process *process, void *payload)
{
    struct sim_raft_io *backend = backend_in(process);
    struct sim_raft_message *arrived = payload;
    char address[SIM_RAFT_ADDRESS_BYTES];

    /* It listens once it has started. A connection ends with the directory that one end had. */
    if (backend->on_receive == NULL || !bw_id_equal(arrived->to, roll_of(backend)->incarnation) ||
        !sim_raft_welcomes(backend, &arrived->hello)) {
        sim_raft_message_drop(arrived);
        return;
    }
    sim_level_received(process->state, arrived->message.server_id,
                       (uint32_t)arrived->hello.feature_level);
    arrived->message.server_address = sim_raft_address(arrived->message.server_id, address);
    backend->on_receive(backend->io, &arrived->message); /* what it holds is libraft's */
    free(arrived);
    backend->on_event(process);
}

static void on_left(struct sim_process *process, void *payload)
{
    struct sim_raft_io *backend = backend_in(process);
    struct raft_io_send *request = payload;
    unsigned at = 0;

    while (at < backend->leaving_count && backend->leaving[at] != request)
        at++;
    BW_ASSERT(at < backend->leaving_count);
    backend->leaving[at] = backend->leaving[--backend->leaving_count];
    request->cb(request, 0);
    backend->on_event(process);
}

static int io_send(struct raft_io *io, struct raft_io_send *request,
                   const struct raft_message *message, raft_io_send_cb done)
{
    struct sim_raft_io *backend = backend_of(io);
    struct sim_process *process = backend->process;
    struct sim_world *world = sim_world_of(process);
    bool is_snapshot = message->type == RAFT_INSTALL_SNAPSHOT;
    struct sim_process *peer = sim_witness_of_id(world, message->server_id);
    struct bw_hello hello;
    struct bw_id to;

    request->cb = done;
    if (peer == NULL || !sim_witness_knows(process, message->server_id) || backend->sent_count == SIM_RAFT_SENDS_MAX || backend->leaving_count == SIM_RAFT_SENDS_MAX)
        return RAFT_NOCONNECTION;
    if (sim_crash_point(process, "crash:raft_send"))
        return RAFT_CANCELED;
    to = sim_witness_incarnation(peer);
    if (!sim_raft_is_answered(backend, message->server_id, to))
        return RAFT_NOCONNECTION;
    hello = sim_raft_hello(backend, BW_HELLO_JOIN, message->server_id);
    sim_check_raft_says(process, backend->disk, message);
    sim_net_post(process, peer, on_arrived,
                 sim_raft_message_new(message, sim_witness_id(process), &hello, to),
                 sim_raft_message_copy, sim_raft_message_drop);
    if (!is_snapshot) {
        backend->sent[backend->sent_count++] = request;
        return 0;
    }
    backend->leaving[backend->leaving_count++] = request;
    sim_later(process, below(backend, LEAVE_NS_SPAN), on_left, request, NULL);
    return 0;
}

void sim_raft_io_turn(struct sim_raft_io *backend)
{
    if (sim_is_doomed(backend->process))
        return;
    for (unsigned i = 0; i < backend->sent_count; i++) /* a callback may send more */
        backend->sent[i]->cb(backend->sent[i], 0);
    backend->sent_count = 0;
}

/* ---- time and chance ---- */

/* The uv backend reads CLOCK_MONOTONIC, which stops in suspend, as RAW does and BOOTTIME does not.
 */
static raft_time io_time(struct raft_io *io)
{
    return bw_ns_to_ms(sim_now(backend_of(io)->process).raw_ns);
}

static int io_random(struct raft_io *io, int min, int max)
{
    struct sim_raft_io *backend = backend_of(io);

    if (max <= min)
        return min;
    return min + (int)bw_prng_below(&backend->process->chance, (uint64_t)(max - min));
}

static void on_tick(struct sim_process *process, void *payload);

static void tick_later(struct sim_raft_io *backend)
{
    sim_later(backend->process, backend->tick_ms * SIM_MS + below(backend, TICK_LATE_NS_SPAN),
              on_tick, NULL, NULL);
}

static void on_tick(struct sim_process *process, void *payload)
{
    struct sim_raft_io *backend = backend_in(process);

    (void)payload;
    measure_room(backend);
    tick_later(backend);
    backend->on_tick(backend->io);
    backend->on_event(process);
}

/* ---- life ---- */

static int io_start(struct raft_io *io, unsigned tick_ms, raft_io_tick_cb tick,
                    raft_io_recv_cb receive)
{
    struct sim_raft_io *backend = backend_of(io);

    backend->tick_ms = tick_ms;
    backend->on_tick = tick;
    backend->on_receive = receive;
    measure_room(backend);
    tick_later(backend);
    return 0;
}

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    (void)io;
    (void)id;
    (void)address;
    return 0;
}

/* Everything unfinished is canceled; what of it has reached the disk was decided before. */
static void io_close(struct raft_io *io, raft_io_close_cb done)
{
    struct sim_raft_io *backend = backend_of(io);

    backend->is_closing = true;
    if (backend->unanswered != NULL)
        answer_write(backend->unanswered, RAFT_CANCELED);
    backend->unanswered = NULL;
    while (backend->first != NULL)
        answer_write(take_first(backend), RAFT_CANCELED);
    if (backend->put.request != NULL)
        answer_put(backend, RAFT_CANCELED);
    for (unsigned i = 0; i < backend->sent_count; i++)
        backend->sent[i]->cb(backend->sent[i], RAFT_CANCELED);
    for (unsigned i = 0; i < backend->leaving_count; i++)
        backend->leaving[i]->cb(backend->leaving[i], RAFT_CANCELED);
    backend->sent_count = 0;
    backend->leaving_count = 0;
    for (unsigned i = 0; i < SIM_RAFT_GETS_MAX; i++) {
        struct raft_io_snapshot_get *request = backend->gets[i];

        backend->gets[i] = NULL;
        if (request != NULL)
            request->cb(request, NULL, RAFT_CANCELED);
    }
    done(io);
}

/* Half of what comes next has happened: some entries of a batch, a leader's snapshot without the
 * end of the log that it replaces. */
static void tear(struct sim_raft_io *backend, struct sim_raft_write *write)
{
    struct sim_world *world = sim_world_of(backend->process);

    if (write->kind == WRITE_APPEND && write->count > 1) {
        sim_count(world, "disk:torn-batch");
        reach_disk(backend, write, (unsigned)below(backend, write->count));
    } else if (write->kind == WRITE_INSTALL && percent(backend, 50)) {
        sim_count(world, sim_raft_disk_next(backend->disk) > write->snapshot.index
                             ? "disk:torn-install-behind-log"
                             : "disk:torn-install");
        sim_raft_disk_put_snapshot(backend->disk, &write->snapshot);
        write->snapshot = (struct sim_raft_snapshot){0};
    }
}

void sim_raft_io_crash(struct sim_raft_io *backend)
{
    uint64_t left = backend->asked - backend->done;
    uint64_t kept = backend->is_stuck ? 0 : below(backend, left + 1);
    struct sim_raft_write *write = backend->first;

    if (backend->put.is_on_its_way && percent(backend, 50))
        put_reaches_disk(backend);
    for (; write != NULL && kept > 0; write = write->next, kept--)
        reach_disk(backend, write, write->count);
    if (write != NULL)
        sim_count(sim_world_of(backend->process), "disk:lost-write");
    if (write != NULL && !backend->is_stuck)
        tear(backend, write);
}

void sim_raft_io_init(struct sim_raft_io *backend, struct raft_io *io, struct sim_process *process,
                      struct sim_raft_disk *disk, void (*on_event)(struct sim_process *process))
{
    *backend = (struct sim_raft_io){
        .process = process, .io = io, .disk = disk, .on_event = on_event};
    backend->last = &backend->first;
    *io = (struct raft_io){.version = 2,
                           .capacity = CAPACITY_KIB,
                           .impl = backend,
                           .init = io_init,
                           .close = io_close,
                           .load = io_load,
                           .start = io_start,
                           .bootstrap = io_bootstrap,
                           .set_term = io_set_term,
                           .set_vote = io_set_vote,
                           .send = io_send,
                           .append = io_append,
                           .truncate = io_truncate,
                           .snapshot_put = io_snapshot_put,
                           .snapshot_get = io_snapshot_get,
                           .time = io_time,
                           .random = io_random};
}
