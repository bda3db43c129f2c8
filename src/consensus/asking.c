#include <breakwater/consensus/asking.h>

/* In which it may act as the leader; 0: it may not. */
static uint64_t term_led(const struct bw_term_watch *watch)
{
    return bw_term_watch_is_ready(watch) ? watch->ready_term : 0;
}

/* Lists those of the newest configuration in its log, committed or not. False: more than a question takes. */
static bool list_voters(const struct raft *raft, uint64_t out_voters[BW_QUESTION_VOTERS_MAX], uint32_t *out_count)
{
    *out_count = 0;
    for (unsigned i = 0; i < raft->configuration.n; i++) {
        if (raft->configuration.servers[i].role != RAFT_VOTER)
            continue;
        if (*out_count == BW_QUESTION_VOTERS_MAX)
            return false;
        out_voters[(*out_count)++] = raft->configuration.servers[i].id;
    }
    return true;
}

static bool is_proved_by(const struct bw_question *question, const struct bw_term_watch *watch)
{
    uint64_t voters[BW_QUESTION_VOTERS_MAX];
    uint32_t count;

    return list_voters(watch->raft, voters, &count) &&
           bw_question_proves(question, watch->raft->id, term_led(watch), voters, count);
}

/* All that its log has is committed and applied here: the state is what a barrier would find. */
static bool is_at_rest(struct raft *raft)
{
    return raft_last_applied(raft) == raft_last_index(raft);
}

/* Returns what it comes to if whoever it was sent to answers. */
static struct bw_question ask_all(struct bw_asking *asking, const struct raft *raft, uint64_t term)
{
    const struct bw_term_word word = bw_question_ask(&asking->question, term);
    const struct bw_term_word yes = {.number = word.number, .asked = term, .term = term};
    struct bw_question outlook = asking->question;

    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];

        if (server->role == RAFT_VOTER && server->id != raft->id && asking->say(asking->say_user, server->id, &word))
            bw_question_hear(&outlook, server->id, &yes);
    }
    return outlook;
}

bool bw_asking_begin(struct bw_asking *asking, const struct bw_term_watch *watch, struct bw_asking_waiter waiter)
{
    struct raft *raft = watch->raft;
    struct bw_question outlook;

    if (asking->say == NULL || asking->waiter.on_done != NULL || term_led(watch) == 0 || !is_at_rest(raft))
        return false;
    outlook = ask_all(asking, raft, term_led(watch));
    if (!is_proved_by(&outlook, watch)) {
        bw_question_end(&asking->question);
        return false;
    }
    asking->waiter = waiter;
    asking->until_ms = raft->io->time(raft->io) + raft->election_timeout / 2;
    return true;
}

/* The term is on disk before any vote in it leaves (L1, L2), so who has voted for a newer leader says no. */
void bw_asking_hear(struct bw_asking *asking, const struct bw_term_watch *watch, uint64_t peer,
                    const struct bw_term_word *word)
{
    struct bw_term_word answer = *word;

    if (word->term != 0) {
        bw_question_hear(&asking->question, peer, word);
        return;
    }
    if (asking->say == NULL || !watch->is_running || watch->safe->stopped)
        return;
    answer.term = raft_current_term(watch->raft);
    if (answer.term != 0)
        (void)asking->say(asking->say_user, peer, &answer); /* lost? Then who asks takes a barrier */
}

static struct bw_asking_waiter end(struct bw_asking *asking)
{
    const struct bw_asking_waiter waiter = asking->waiter;

    asking->waiter = (struct bw_asking_waiter){.on_done = NULL};
    bw_question_end(&asking->question);
    return waiter;
}

static void tell(struct bw_asking *asking, enum bw_err err)
{
    const struct bw_asking_waiter waiter = end(asking); /* who is told may ask again */

    waiter.on_done(waiter.user, err, 0);
}

bool bw_asking_turn(struct bw_asking *asking, const struct bw_term_watch *watch, struct bw_asking_waiter *out_late)
{
    struct raft_io *io = watch->raft->io;

    if (asking->waiter.on_done == NULL)
        return false;
    if (is_proved_by(&asking->question, watch)) {
        tell(asking, BW_OK);
        return false;
    }
    if (term_led(watch) != asking->question.term) {
        tell(asking, BW_ERR_UNKNOWN);
        return false;
    }
    if (io->time(io) < asking->until_ms)
        return false;
    *out_late = end(asking);
    return true;
}

void bw_asking_cancel(struct bw_asking *asking)
{
    if (asking->waiter.on_done != NULL)
        tell(asking, BW_ERR_UNKNOWN);
}
