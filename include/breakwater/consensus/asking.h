/* asking.h - a leader asks the other voters for their terms, in place of an entry in the log: what core/question.h
 * decides, asked of libraft. Design 3.2.2. It knows neither loop nor network; one thread, the backend's. */
#ifndef BW_CONSENSUS_ASKING_H
#define BW_CONSENSUS_ASKING_H

#include <stdbool.h>
#include <stdint.h>

#include <raft.h>

#include <breakwater/consensus/node_events.h>
#include <breakwater/consensus/term_watch.h>
#include <breakwater/core/question.h>

/* Sends it to witness `to`, which has said who it is and knows BW_QUESTION_LEVEL. False: there is none to send it to now. */
typedef bool (*bw_say_term_fn)(void *user, uint64_t to, const struct bw_term_word *word);

/* A caller that waits for a proof. */
struct bw_asking_waiter {
    bw_node_done_fn on_done; /* NULL: nobody */
    void *user;
};

/* Zero but for `say` and its user. */
struct bw_asking {
    bw_say_term_fn say; /* NULL: nobody is asked, and nobody answered */
    void *say_user;
    struct bw_question question;
    struct bw_asking_waiter waiter;
    raft_time until_ms; /* by the backend's clock: so long it waits */
};

/* Asks all other voters. False: that could prove nothing now, and a barrier is to: this witness does not lead, something
 * in its log is not applied yet, so a barrier is another state's; another question is under way; or too few voters can be
 * asked. Else `waiter` hears of it from bw_asking_turn or bw_asking_cancel. */
bool bw_asking_begin(struct bw_asking *asking, const struct bw_term_watch *watch, struct bw_asking_waiter waiter);

/* Takes the word of `peer`, which its certificate names: answers a question at once, counts an answer at the next turn.
 * Outside of libraft's step. */
void bw_asking_hear(struct bw_asking *asking, const struct bw_term_watch *watch, uint64_t peer,
                    const struct bw_term_word *word);

/* Outside of libraft, as bw_term_watch_turn. Tells who waits once it is proved (entry 0), or this witness leads in that
 * term no more. True: no majority has answered for half an election timeout. Then nobody is asked any more, and
 * *out_late is to wait for a barrier. */
bool bw_asking_turn(struct bw_asking *asking, const struct bw_term_watch *watch, struct bw_asking_waiter *out_late);

/* Ends the question: the waiter gets BW_ERR_UNKNOWN. */
void bw_asking_cancel(struct bw_asking *asking);

#endif
