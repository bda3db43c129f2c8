/* Facts of a witness between its steps, whether it leads or not. A report is judged by the step that takes it, so a witness that is
 * not sound is a bug: it ends, and another one leads. */
#include <breakwater/core/witness.h>

#include <string.h>

#include "facts.h"

static const struct bw_instant never_received = {0, 0};

static const char *proof_unsound(const struct bw_witness *witness)
{
    const struct bw_proof *proof = &witness->proof;

    FACT(proof->proved <= proof->submitted, "the witness's proof: what is proved was asked for"); /* 3.2.2 */
    FACT(proof->on_its_way <= proof->submitted, "the witness's proof: what is on its way was asked for");
    FACT(witness->leadership.proved <= proof->proved, "the witness's proof: it counts only what is proved");
    return NULL;
}

/* Nothing of an earlier term counts (3.3). */
static const char *follower_unsound(const struct bw_watch *watch)
{
    FACT(watch->proposing_count == 0, "the follower's group: no proposal of it is on its way");
    FACT(watch->confirmed_epoch == 0, "the follower's group: no renewal of it is confirmed");
    FACT(watch->ended_epoch == 0 && watch->boot_epoch == 0, "the follower's group: nothing of it is remembered as proposed");
    FACT(watch->remote_fence.ask.epoch == 0, "the follower's group: nobody is asked for its fence");
    return NULL;
}

static const char *epochs_unsound(const struct bw_watch *watch, const struct bw_group *group)
{
    FACT(watch->confirmed_epoch <= group->epoch, "the leader's group: a confirmed epoch was granted"); /* 3.2.2 */
    FACT(watch->ended_epoch <= group->epoch, "the leader's group: an epoch that is ended was granted");
    FACT(watch->boot_epoch <= group->epoch, "the leader's group: an epoch whose boot is proposed was granted");
    if (watch->confirmed_epoch == 0)
        return NULL;
    FACT(!bw_instant_is_same(watch->last_confirmed, never_received),
         "the leader's group: a confirmed renewal was received"); /* 3.3 */
    FACT(watch->ways.count > 0, "the leader's group: a confirmed renewal came by a way that is kept"); /* 3.5 */
    return NULL;
}

const char *bw_witness_unsound(const struct bw_witness *witness, int group)
{
    const struct bw_group *state = &witness->cluster->groups[group];
    const struct bw_watch *watch = &witness->watches[group];

    FACTS(proof_unsound(witness));
    FACT(!witness->leadership.leads || witness->leadership.term > 0, "the witness: a leader has a term");
    FACT(strcmp(watch->name, state->spec.name) == 0, "the witness's group: what it remembers is about this group");
    if (!witness->leadership.leads)
        FACTS(follower_unsound(watch));
    FACTS(epochs_unsound(watch, state));
    return NULL;
}
