/* feature_level.h - may the feature level be raised? Design 5.3. Pure. `newest` is always the newest
 * that the program that asks knows: BW_FEATURE_LEVEL_NEWEST, but for tests. */
#ifndef BW_CORE_FEATURE_LEVEL_H
#define BW_CORE_FEATURE_LEVEL_H

#include <stdbool.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/feature_level.h>
#include <breakwater/core/report.h>

#define BW_LEVEL_KIND_LIST(X)                                                                      \
    X(WITNESS, "witness") X(AGENT, "agent") X(GUARD, "guard")
enum bw_level_kind {
#define X(name, word) BW_LEVEL_##name,
    BW_LEVEL_KIND_LIST(X)
#undef X
};
/* One whom a new level concerns: a witness, or the agent or guard of a site that stands in a spec. */
struct bw_level_party {
    enum bw_level_kind kind;
    char name[BW_NAME_MAX + 1]; /* of the witness, or of the site */
    uint32_t level;             /* the newest that it knows; 0: it was not heard lately */
};

/* The state has this level. BW_ERR_VERSION: above what this program knows, so this witness stops. */
BW_MUST_CHECK enum bw_err bw_feature_level_admit(uint32_t level, uint32_t newest,
                                                 struct bw_diag *diag);

/* May one that knows `known` at most take part in what is at `level`? 0: it has not said; nothing is held
 * against it, for every release that has levels says its own. */
bool bw_feature_level_suffices(uint32_t known, uint32_t level);

/* The lowest of what the fresh reports of a site say of its agents and of their guards; 0: none does,
 * or a guard is away. */
void bw_feature_level_of_site(const struct bw_site_reports *reports, struct bw_instant now,
                              uint64_t freshness_ns, uint32_t *out_agent, uint32_t *out_guard);

/* May `level` become level + 1? BW_ERR_EXISTS: there is nothing newer. BW_ERR_REFUSED: somebody knows
 * less, or was not heard and is not among the names `without`; all of them are named. BW_ERR_NOT_FOUND:
 * a name of `without` is nobody's. */
BW_MUST_CHECK enum bw_err bw_feature_level_judge(uint32_t level, uint32_t newest,
                                                 const struct bw_level_party *parties, size_t count,
                                                 const char *const *without, size_t without_count,
                                                 struct bw_diag *diag);

const char *bw_level_kind_word(enum bw_level_kind kind);

#endif
