/* callers.h - which agents speak to this witness, and which groups their site files have: also those
 * that nobody applied. For people alone; nothing is decided by it. */
#ifndef BW_WITNESS_CALLERS_H
#define BW_WITNESS_CALLERS_H

#include <breakwater/core/sync.h>

#define BW_CALLERS_MAX 64 /* of more agents the one heard longest ago is forgotten */

struct bw_caller {
    char site[BW_NAME_MAX + 1]; /* "": free */
    char agent[BW_NAME_MAX + 1];
    struct bw_instant last_contact;
    char (*groups)[BW_NAME_MAX + 1]; /* of its newest sync; owned */
    uint32_t group_count;
};

struct bw_callers {
    struct bw_caller list[BW_CALLERS_MAX]; /* zeroed at the beginning */
};

void bw_callers_note(struct bw_callers *callers, const struct bw_sync *sync,
                     struct bw_instant received);
/* Some agent of `site` spoke within `freshness_ns`, and none that did has `group`. */
bool bw_callers_lack(const struct bw_callers *callers, const char *site, const char *group,
                     struct bw_instant now, uint64_t freshness_ns);
/* No agent of `site` spoke within `freshness_ns`. */
bool bw_callers_miss(const struct bw_callers *callers, const char *site, struct bw_instant now,
                     uint64_t freshness_ns);
void bw_callers_deinit(struct bw_callers *callers);

#endif
