#include "safe_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void bw_safe_io_free_log(struct raft_snapshot *snapshot, struct raft_entry *entries, size_t count)
{
    void *batch = NULL;

    for (size_t i = 0; i < count; i++) {
        if (entries[i].batch != batch)
            raft_free(entries[i].batch);
        batch = entries[i].batch;
    }
    raft_free(entries);
    if (snapshot == NULL)
        return;
    raft_configuration_close(&snapshot->configuration);
    for (unsigned i = 0; i < snapshot->n_bufs; i++)
        raft_free(snapshot->bufs[i].base);
    raft_free(snapshot->bufs);
    raft_free(snapshot);
}

static int refuse_load(struct raft_io *io, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse_load(struct raft_io *io, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, one line above */
    (void)vsnprintf(io->errmsg, sizeof io->errmsg, format, args);
    va_end(args);
    return RAFT_CORRUPT;
}

/* Compares our own pair with what the backend has. Ours is written first, so the backend's is the
 * same, or that of an earlier moment. */
static int judge_vote(struct raft_io *io, enum bw_err err, const char *why, struct bw_vote own,
                      struct bw_vote theirs, bool has_log, raft_term log_term)
{
    if (err == BW_ERR_NOT_FOUND && theirs.term == 0 && !has_log)
        return 0; /* a witness that has never taken part */
    if (err == BW_ERR_NOT_FOUND)
        return refuse_load(io, "the vote file is missing though there is a log: this witness may "
                               "have voted");
    if (err != BW_OK)
        return refuse_load(io, "the vote file cannot be trusted (%.160s)", why);
    if (theirs.term == 0 && has_log)
        return refuse_load(io, "metadata1 and metadata2 are missing though there is a log");
    if (theirs.term > own.term || log_term > own.term)
        return refuse_load(io,
                           "term %llu in the %s is beyond the vote file's %" PRIu64
                           ": rolled back or damaged",
                           theirs.term > own.term ? (raft_term)theirs.term : log_term,
                           theirs.term > own.term ? "metadata" : "log", own.term);
    if (theirs.term == own.term && theirs.vote != 0 && theirs.vote != own.vote)
        return refuse_load(io,
                           "metadata and vote file disagree on the vote of term %" PRIu64,
                           own.term);
    return 0;
}

/* Brings the backend to our own pair, so that its later writes build on the right term. */
static int repair_backend(struct bw_safe_io *safe, struct bw_vote theirs)
{
    int rv = 0;

    if (safe->durable.term == theirs.term && safe->durable.vote == theirs.vote)
        return 0;
    if (safe->durable.term != theirs.term)
        rv = safe->backend.set_term(&safe->io, safe->durable.term);
    if (rv == 0 && safe->durable.vote != 0)
        rv = safe->backend.set_vote(&safe->io, safe->durable.vote);
    return rv;
}

static int load_roster(struct bw_safe_io *safe, const struct raft_snapshot *snapshot,
                       raft_index start, const struct raft_entry *entries, size_t count)
{
    struct bw_diag diag = {0};

    return bw_safe_roll_load(safe, snapshot, start, entries, count, &diag) == BW_OK
               ? 0
               : refuse_load(&safe->io, "%.220s", diag.text);
}

static bool is_only_voter(const struct raft_configuration *configuration, raft_id id)
{
    unsigned voters = 0;
    bool is_self = false;

    for (unsigned i = 0; i < configuration->n; i++) {
        const struct raft_server *server = &configuration->servers[i];

        if (server->role != RAFT_VOTER)
            continue;
        voters++;
        is_self = is_self || server->id == id;
    }
    return voters == 1 && is_self;
}

/* By the newest configuration, which is libraft's own to read: what it cannot decode it refuses itself. */
static bool votes_alone(const struct bw_safe_io *safe, const struct raft_snapshot *snapshot,
                        const struct raft_entry *entries, size_t count)
{
    const struct raft *raft = safe->io.data;
    struct raft_configuration newest;
    bool is_alone;

    if (raft == NULL)
        return false;
    while (count > 0 && entries[count - 1].type != RAFT_CHANGE)
        count--;
    if (count == 0)
        return snapshot != NULL && is_only_voter(&snapshot->configuration, raft->id);
    raft_configuration_init(&newest);
    if (raft_configuration_decode(&entries[count - 1].buf, &newest) != 0)
        return false;
    is_alone = is_only_voter(&newest, raft->id);
    raft_configuration_close(&newest);
    return is_alone;
}

/* L28: it is to lead at once, and what a leader before a crash had sent to one that is joining, and had not written yet
 * itself, is another leader's. Its own vote goes with the term: nobody else leads in it. */
static int begin_term(struct bw_safe_io *safe)
{
    const struct raft *raft = safe->io.data;
    const struct bw_vote next = {.term = safe->durable.term + 1, .vote = raft->id};
    const struct bw_vote before = safe->durable;
    struct bw_diag diag = {0};

    if (safe->config.store.save(safe->config.store.user, next, &diag) != BW_OK) {
        (void)refuse_load(&safe->io, "%.200s", diag.text);
        return RAFT_IOERR;
    }
    safe->durable = next;
    safe->counts.terms_begun++;
    return repair_backend(safe, before);
}

/* L33. Offline it is a person's to say what is left of it. */
static int judge_commit(struct bw_safe_io *safe, const struct raft_snapshot *snapshot, raft_index start,
                        const struct raft_entry *entries, size_t count)
{
    struct bw_diag diag = {0};

    if (snapshot != NULL)
        bw_safe_commit_took(safe, snapshot->index, snapshot->term);
    for (size_t i = 0; i < count; i++)
        bw_safe_commit_took(safe, start + i, entries[i].term);
    if (safe->config.is_offline || bw_safe_commit_judge(safe, start + count - 1, &diag))
        return 0;
    return refuse_load(&safe->io, "%.220s", diag.text);
}

int bw_safe_load(struct raft_io *io, raft_term *term, raft_id *vote, struct raft_snapshot **snapshot,
                 raft_index *start, struct raft_entry *entries[], size_t *count)
{
    struct bw_safe_io *safe = (struct bw_safe_io *)io;
    struct bw_vote own = {0};
    struct bw_vote theirs;
    raft_term log_term = 0;
    struct bw_diag diag = {0};
    enum bw_err err;
    int rv = safe->backend.load(io, term, vote, snapshot, start, entries, count);

    if (rv != 0)
        return rv;
    if (*snapshot != NULL)
        log_term = (*snapshot)->term;
    if (*count > 0)
        log_term = (*entries)[*count - 1].term;
    theirs = (struct bw_vote){*term, *vote};
    err = safe->config.store.load(safe->config.store.user, &own, &diag);
    rv = judge_vote(io, err, diag.text, own, theirs, *snapshot != NULL || *count > 0, log_term);
    if (rv == 0) {
        safe->durable = own;
        safe->counts.votes_repaired += own.term != theirs.term || own.vote != theirs.vote;
        rv = repair_backend(safe, theirs);
    }
    if (rv != 0) {
        bw_safe_io_free_log(*snapshot, *entries, *count);
        return rv;
    }
    rv = load_roster(safe, *snapshot, *start, *entries, *count);
    if (rv == 0)
        rv = judge_commit(safe, *snapshot, *start, *entries, *count);
    if (rv == 0 && !safe->config.is_offline && votes_alone(safe, *snapshot, *entries, *count))
        rv = begin_term(safe);
    if (rv != 0) {
        bw_safe_io_free_log(*snapshot, *entries, *count);
        return rv;
    }
    safe->loaded = true;
    *term = safe->durable.term;
    *vote = safe->durable.vote;
    for (size_t i = 0; i < *count; i++) {
        if ((*entries)[i].type == RAFT_CHANGE)
            bw_safe_log_change(safe, *start + i);
    }
    safe->next_index = *start + *count;
    return 0;
}

int bw_safe_bootstrap(struct raft_io *io, const struct raft_configuration *configuration)
{
    struct bw_safe_io *safe = (struct bw_safe_io *)io;
    struct bw_vote found;
    struct bw_diag diag = {0};

    if (safe->config.store.load(safe->config.store.user, &found, NULL) != BW_ERR_NOT_FOUND) {
        (void)refuse_load(io, "there is a vote file already");
        return RAFT_CANTBOOTSTRAP;
    }
    if (safe->config.store.save(safe->config.store.user, (struct bw_vote){.term = 1}, &diag) !=
        BW_OK) {
        (void)refuse_load(io, "%.200s", diag.text);
        return RAFT_IOERR;
    }
    return safe->backend.bootstrap(io, configuration);
}
