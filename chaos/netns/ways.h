/* ways.h - the ways in which faults are made and healed, for the table in fault.c: each has the
 * form of bw_fault.begin or .end. */
#ifndef BW_CHAOS_WAYS_H
#define BW_CHAOS_WAYS_H

#include <jansson.h>

#include "fault.h"

/* The process that a fault strikes: that of its role at its node. */
static inline struct bw_lab_process *bw_fault_struck(struct bw_lab *lab,
                                                     const struct bw_lab_fault *fault)
{
    return bw_lab_process(lab, fault->kind->role, fault->node);
}

#define BW_FAULT_WAY(name)                                                                         \
    enum bw_err name(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)

/* ---- ways_process.c: processes, and whole nodes ---- */
BW_FAULT_WAY(bw_begin_few_files);
BW_FAULT_WAY(bw_begin_freeze);
BW_FAULT_WAY(bw_begin_freeze_site);
BW_FAULT_WAY(bw_begin_host_lost);
BW_FAULT_WAY(bw_begin_kill);
BW_FAULT_WAY(bw_begin_kill_both);
BW_FAULT_WAY(bw_begin_kill_once);
BW_FAULT_WAY(bw_begin_down_both);
BW_FAULT_WAY(bw_begin_spoil_file);
BW_FAULT_WAY(bw_begin_stop_both);
BW_FAULT_WAY(bw_begin_signal_services);
BW_FAULT_WAY(bw_begin_starve);
BW_FAULT_WAY(bw_end_few_files);
BW_FAULT_WAY(bw_end_freeze);
BW_FAULT_WAY(bw_end_freeze_site);
BW_FAULT_WAY(bw_end_host_lost);
BW_FAULT_WAY(bw_end_kill);
BW_FAULT_WAY(bw_end_down_both);
BW_FAULT_WAY(bw_end_spoil_file);
BW_FAULT_WAY(bw_end_signal_services);
BW_FAULT_WAY(bw_end_starve);

/* ---- ways_copy.c: a machine that is there twice ---- */
BW_FAULT_WAY(bw_begin_copy);
BW_FAULT_WAY(bw_end_copy);

/* ---- ways_wipe.c: a data directory that is lost, and made anew ---- */
BW_FAULT_WAY(bw_begin_wipe);
BW_FAULT_WAY(bw_end_wipe);

/* ---- ways_state.c: disks, clocks, scripts; an operator's orders ---- */
BW_FAULT_WAY(bw_begin_drift);
BW_FAULT_WAY(bw_begin_force_release);
BW_FAULT_WAY(bw_begin_mode);
BW_FAULT_WAY(bw_begin_hang_both);
BW_FAULT_WAY(bw_begin_preload);
BW_FAULT_WAY(bw_begin_switchover);
BW_FAULT_WAY(bw_begin_wall);
BW_FAULT_WAY(bw_empty_disk);
BW_FAULT_WAY(bw_end_drift);
BW_FAULT_WAY(bw_end_mode);
BW_FAULT_WAY(bw_end_hang_both);
BW_FAULT_WAY(bw_end_preload);
BW_FAULT_WAY(bw_end_wall);
BW_FAULT_WAY(bw_fill_disk);

/* ---- ways_script.c: script files; a service out of reach ---- */
BW_FAULT_WAY(bw_begin_no_scripts);
BW_FAULT_WAY(bw_begin_open_scripts);
BW_FAULT_WAY(bw_begin_outside);
BW_FAULT_WAY(bw_end_no_scripts);
BW_FAULT_WAY(bw_end_open_scripts);
BW_FAULT_WAY(bw_end_outside);

/* ---- ways_override.c: an operator without a quorum ---- */
BW_FAULT_WAY(bw_begin_await_claim);
BW_FAULT_WAY(bw_begin_override);
BW_FAULT_WAY(bw_begin_pause);
BW_FAULT_WAY(bw_end_pause);

/* ---- ways_names.c: the name server of the nodes, and a machine that moves ---- */
BW_FAULT_WAY(bw_begin_moved);
BW_FAULT_WAY(bw_end_moved);
/* At 127.0.0.1 of each node; on a machine that cannot have it none. */
BW_MUST_CHECK enum bw_err bw_name_server_start(struct bw_lab *lab, struct bw_diag *diag);
/* Where each node is, and which faults are on; `faults` NULL: none. */
BW_MUST_CHECK enum bw_err bw_name_server_tell(const struct bw_lab *lab, const struct bw_faults *faults,
                                              struct bw_diag *diag);

/* ---- ways_snapshot.c: a witness that has to receive the whole state ---- */
BW_FAULT_WAY(bw_begin_thin_snapshot);
BW_FAULT_WAY(bw_end_thin_snapshot);
/* The answer of one witness to a GET, short and JSON; NULL: none. The caller frees it. */
json_t *bw_lab_fetch(struct bw_lab *lab, uint32_t witness, const char *path);

/* ---- ways_greedy.c: somebody who takes more than his share ---- */
BW_FAULT_WAY(bw_begin_greedy);
BW_FAULT_WAY(bw_end_greedy);

#endif
