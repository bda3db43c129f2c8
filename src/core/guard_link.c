#include <breakwater/base/words.h>
#include <breakwater/core/guard_link.h>

BW_WORDS(bw_action_word, enum bw_action_kind, BW_ACTION_LIST, "?")

bool bw_action_is_action(enum bw_action_kind action)
{
    static const bool takes_the_slot[BW_ACTION_COUNT] = {
#define X(name, word, is_action) [BW_ACTION_##name] = is_action,
        BW_ACTION_LIST(X)
#undef X
    };

    return action < BW_ACTION_COUNT && takes_the_slot[action];
}

BW_WORDS(bw_run_result_word, enum bw_run_result, BW_RUN_LIST, "?")
BW_WORDS(bw_refusal_word, enum bw_refusal, BW_REFUSAL_LIST, "?")
