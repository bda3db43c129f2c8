#include <breakwater/core/guard_link.h>

const char *bw_action_word(enum bw_action_kind action)
{
    switch (action) {
#define X(name, word, is_action)                                                                  \
    case BW_ACTION_##name:                                                                        \
        return word;
        BW_ACTION_LIST(X)
#undef X
    case BW_ACTION_COUNT:
        break;
    }
    return "?";
}

bool bw_action_is_action(enum bw_action_kind action)
{
    static const bool takes_the_slot[BW_ACTION_COUNT] = {
#define X(name, word, is_action) [BW_ACTION_##name] = is_action,
        BW_ACTION_LIST(X)
#undef X
    };

    return action < BW_ACTION_COUNT && takes_the_slot[action];
}

const char *bw_run_result_word(enum bw_run_result result)
{
    switch (result) {
#define X(name, word)                                                                             \
    case BW_RUN_##name:                                                                           \
        return word;
        BW_RUN_LIST(X)
#undef X
    }
    return "?";
}

const char *bw_refusal_word(enum bw_refusal refusal)
{
    switch (refusal) {
#define X(name, word)                                                                             \
    case BW_REFUSAL_##name:                                                                       \
        return word;
        BW_REFUSAL_LIST(X)
#undef X
    }
    return "?";
}
