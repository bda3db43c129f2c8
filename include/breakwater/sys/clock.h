/* clock.h - the clocks of this machine, and what says whether two instants may be compared.
 *
 * Design 1. This is the only place outside tests where a clock is read. Instants of two boots or of
 * two time namespaces mean nothing to each other: whoever stores or sends one sends the boot id and
 * the time namespace along. */
#ifndef BW_SYS_CLOCK_H
#define BW_SYS_CLOCK_H

#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/name.h>

/* CLOCK_BOOTTIME and CLOCK_MONOTONIC_RAW, read together. Both are read between call and return, so
 * either is right for "after the bytes were read" and "before they leave". A preemption between the
 * two reads is noticed and the reads repeated, at most 8 times; then the closest pair is taken.
 * Async-signal-safe; never fails (a kernel without these clocks ends the process). */
struct bw_instant bw_clock_now(void);

/* For people only. */
struct bw_wall bw_clock_wall(void);

/* Tests of drift and suspend put their own clock here; NULL restores the machine's. Kept until
 * then; inherited by a forked child up to its exec. Not for use while another thread runs. */
typedef struct bw_instant (*bw_clock_source)(void);
void bw_clock_set_source(bw_clock_source source);

/* The random id of this boot. */
BW_MUST_CHECK enum bw_err bw_clock_boot_id(struct bw_id *out_id, struct bw_diag *diag);

/* The inode of this process's time namespace; 0 on a kernel that has none. */
BW_MUST_CHECK enum bw_err bw_clock_time_namespace(uint64_t *out_inode, struct bw_diag *diag);

/* The id of this machine (machine-id(5)), raw: for comparing with what a state directory remembers,
 * never to be shown or sent. BW_ERR_NOT_FOUND when the machine has none. */
BW_MUST_CHECK enum bw_err bw_clock_machine_id(struct bw_id *out_id, struct bw_diag *diag);

#endif
