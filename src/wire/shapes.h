/* shapes.h - the tables: every struct that has a wire form. Private to wire. */
#ifndef BW_WIRE_SHAPES_H
#define BW_WIRE_SHAPES_H

#include "shape.h"

#include <breakwater/core/cluster.h>

/* What has no struct in the core. */
struct bw_snapshot_group {
    uint32_t place;
    struct bw_group group; /* history_first is 0 */
};
struct bw_snapshot_end {
    uint32_t record_count;
    uint64_t byte_count;
};

/* X(name): the shapes that stand for themselves. */
#define BW_SHAPE_LIST(X)                                                                           \
    X(site_spec)                                                                                   \
    X(spec)                                                                                        \
    X(terms)                                                                                       \
    X(log_entry)                                                                                   \
    X(history_entry)                                                                               \
    X(kept_boot)                                                                                   \
    X(last_end)                                                                                    \
    X(group)                                                                                       \
    X(snapshot_head)                                                                               \
    X(snapshot_group)                                                                              \
    X(snapshot_end)                                                                                \
    X(record_key)                                                                                  \
    X(record_site)                                                                                 \
    X(record_event)                                                                                \
    X(given_back)                                                                                  \
    X(script_outcome) X(script_failure) X(steps_progress) X(report) X(sync_group) X(sync) X(order) \
        X(member) X(sync_answer_group) X(sync_answer) X(relay) X(instant) X(run_facts)             \
            X(guard_message) X(guard_script_end) X(site_memory) X(agent_group) X(agent_state)      \
                X(kept_members) X(guard_memory) X(guard_memory_file) X(guard_child)                \
                    X(guard_mirror) X(guard_mirror_file) X(guard_script) X(guard_unit)             \
                        X(guard_variable) X(guard_reach_file) X(second_ask) X(second_answer)       \
                            X(second_state) X(second_mirror_file)

#define X(name) extern const struct bw_shape bw_shape_##name;
BW_SHAPE_LIST(X)
#undef X

#endif
