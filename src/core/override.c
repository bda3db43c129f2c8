#include <breakwater/base/words.h>
#include <breakwater/core/override.h>

BW_WORDS(bw_override_word, enum bw_override, BW_OVERRIDE_LIST, "?")
BW_WORDS(bw_override_refusal_word, enum bw_override_refusal, BW_OVERRIDE_REFUSAL_LIST, "?")
BW_WORDS(bw_override_waits_word, enum bw_override_waits, BW_OVERRIDE_WAITS_LIST, "?")
BW_WORDS(bw_override_over_word, enum bw_override_over, BW_OVERRIDE_OVER_LIST, "?")
