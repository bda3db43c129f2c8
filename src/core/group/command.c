#include <breakwater/base/words.h>
#include <breakwater/core/command.h>

BW_WORDS(bw_command_word, enum bw_command_kind, BW_COMMAND_LIST, "unlisted")
BW_WORDS(bw_reason_word, enum bw_reason, BW_REASON_LIST, "unlisted")
BW_WORDS(bw_grade_word, enum bw_grade, BW_GRADE_LIST, "unlisted")

const char *bw_grade_shown(enum bw_grade grade)
{
    return grade == BW_GRADE_CONFIRMED ? "released"
           : grade == BW_GRADE_FORCED  ? "operator"
           : grade == BW_GRADE_LET_GO  ? "unmanaged"
                                       : bw_grade_word(grade);
}
BW_WORDS(bw_no_return_word, enum bw_no_return, BW_NO_RETURN_LIST, "unlisted")

bool bw_reason_is_failed_start(enum bw_reason reason)
{
    return reason == BW_REASON_NEVER_STARTED || reason == BW_REASON_START_FAILED;
}

struct bw_terms bw_terms_of_spec(const struct bw_spec *spec)
{
    return (struct bw_terms){
        .ttl_ms = spec->lease_ttl_ms,
        .fence_ms = spec->fence_timeout_ms,
        .drift_ppm = spec->max_clock_drift_ppm,
        .margin_ms = spec->margin_ms,
        .renew_interval_ms = spec->renew_interval_ms,
        .request_timeout_ms = spec->request_timeout_ms,
        .reach = BW_REACH_NONE,
        .second_enforcer = false,
    };
}

bool bw_terms_are_unsaid(const struct bw_terms *terms)
{
    return terms->ttl_ms == 0 && terms->fence_ms == 0 && terms->drift_ppm == 0 && terms->margin_ms == 0 &&
           terms->renew_interval_ms == 0 && terms->request_timeout_ms == 0;
}

bool bw_terms_may_be(const struct bw_terms *terms)
{
    struct bw_spec spec;

    bw_spec_defaults(&spec);
    spec.lease_ttl_ms = terms->ttl_ms;
    spec.fence_timeout_ms = terms->fence_ms;
    spec.max_clock_drift_ppm = terms->drift_ppm;
    spec.margin_ms = terms->margin_ms;
    spec.renew_interval_ms = terms->renew_interval_ms;
    spec.request_timeout_ms = terms->request_timeout_ms;
    return bw_spec_timings_may_be(&spec);
}
