/* gates.h - how an evaluation writes down what it looks at. Private to arbiter and policy. Pure. */
#ifndef BW_CORE_GATES_H
#define BW_CORE_GATES_H

#include <breakwater/core/arbiter.h>

struct bw_gate_list {
    struct bw_gate *gates; /* borrowed; so are count and wake_in_ns */
    uint32_t *count;
    uint32_t max;
    uint64_t *wake_in_ns;
    const char *step;
    uint32_t age_ms; /* of the observation that the gates below rest on */
};

/* Each appends one gate, PASS or HOLD, and returns `passes`. More than `max` is a mistake in the
 * evaluation, never in its input. */
bool bw_gate_plain(struct bw_gate_list *list, enum bw_gate_id id, int site, bool passes,
                   const char *word);
bool bw_gate_value(struct bw_gate_list *list, enum bw_gate_id id, int site, bool passes,
                   enum bw_unit unit, int64_t value, int64_t threshold, const char *word);
/* A wait of `duration_ns` from `since`: passes once both clocks have counted it, and until then
 * asks to be woken at that moment. */
bool bw_gate_wait(struct bw_gate_list *list, enum bw_gate_id id, int site, struct bw_instant since,
                  uint64_t duration_ns, struct bw_instant now, const char *word);
/* Appends a gate that is worth showing and decides nothing. */
void bw_gate_note(struct bw_gate_list *list, enum bw_gate_id id, int site, const char *word);

/* Asks to be woken in `left_ns`, unless that is 0. */
void bw_gate_wake(struct bw_gate_list *list, uint64_t left_ns);


#endif
