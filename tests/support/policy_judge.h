/* policy_judge.h - a world in which each site is judged as a candidate (design 4). Include it after cmocka.h. */
#ifndef BW_TEST_POLICY_JUDGE_H
#define BW_TEST_POLICY_JUDGE_H

#include <string.h>

#include "core_world.h"

static struct world world;
static struct bw_candidacy candidacy;

static inline bool judge(int site, bool planned)
{
    bw_policy_judge(world_group(&world), world_watch(&world), &world.witness.leadership, site,
                    planned, world.now, &candidacy);
    return candidacy.eligible;
}

static inline bool is_held_by(const char *id)
{
    for (uint32_t i = 0; i < candidacy.gate_count; i++)
        if (strcmp(bw_gate_id_text(candidacy.gates[i].id), id) == 0)
            return candidacy.gates[i].verdict == BW_GATE_HOLD;
    return false;
}

#endif
