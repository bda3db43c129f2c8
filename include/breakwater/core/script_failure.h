/* script_failure.h - what a site tells people of its scripts whose newest run has failed: when,
 * how, and the last that each said. No decision rests on it (design 5.1), but on what cannot be run (4). Pure. */
#ifndef BW_CORE_SCRIPT_FAILURE_H
#define BW_CORE_SCRIPT_FAILURE_H

#include <breakwater/core/guard_link.h>

/* At the site: with the instant instead of an age. */
struct bw_site_failure {
    struct bw_script_failure what;
    struct bw_instant at;
};
struct bw_site_failures {
    uint32_t count;
    struct bw_site_failure
        list[BW_SCRIPT_FAILURES_MAX]; /* the newest first; one of an action at most */
};

/* A run has ended: a failure is noted, a success ends the one of the same action, and what is
 * neither (it was refused, a look was cut off) changes nothing. */
void bw_failures_on_run(struct bw_site_failures *failures, const struct bw_guard_run_ended *ended,
                        struct bw_instant now);
/* A look at all scripts, if this status had one: notes the script that cannot be run, and ends what an earlier look has
 * noted. */
void bw_failures_on_look(struct bw_site_failures *failures, const struct bw_guard_run_ended *ended,
                         struct bw_instant now);
/* The script that a site needs in order to become primary, and that cannot be run; NULL: none is known. */
const struct bw_script_failure *bw_failures_find_unrunnable(const struct bw_script_failure *failures, uint32_t count);
/* Its script ended well, and what it was to bring about was not seen in time. */
void bw_failures_unseen(struct bw_site_failures *failures, enum bw_action_kind action,
                        struct bw_instant now);

/* "start failed 12 s ago, exit 1: cannot open database"; `more_ms`: what has passed since it was
 * told. What `words` hold is cleaned again: a site may be anybody's. */
#define BW_FAILURE_TEXT_BYTES 320
void bw_failure_text(const struct bw_script_failure *failure, uint64_t more_ms,
                     char out_text[BW_FAILURE_TEXT_BYTES]);

#endif
