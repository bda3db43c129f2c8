/* members.h - witnesses that lose their disks and are replaced, again and again, while writers write:
 * `breakwater-chaos members`. Design 3.9.
 *
 *   members.c           rounds: who is lost, how it is replaced, what happens in the middle of it
 *   members_machines.c  the machines on which witnesses run, and what `breakwater members` says
 *   members_writers.c   writers, their records, and looking for all that was acknowledged
 *   members_logs.c      what the witnesses' logs say of time: who led when, how long a step took
 *   members_report.c    telling it
 *
 * Everything is done by the commands that people type. What is judged is judged from what the writers
 * wrote down (entries.h), from what the harness itself has done, and from who votes. */
#ifndef BW_CHAOS_MEMBERS_H
#define BW_CHAOS_MEMBERS_H

#include <stdio.h>

#include "entries.h"
#include "schedule.h"

#define BW_REPLACEMENTS_MAX 1000
#define BW_MACHINES_MAX     BW_WITNESSES_MAX
#define BW_KILLS_MAX        (8 * BW_REPLACEMENTS_MAX)

struct bw_members_options {
    uint32_t replacements;
    uint32_t writers; /* 1 to BW_ENTRIES_WRITERS_MAX */
};

/* A machine for a witness. */
struct bw_machine {
    struct bw_lab_process *process; /* of the lab; it is held while no witness is to run */
    uint32_t id;                    /* of its witness; 0: none */
    bool is_lost;                   /* its disk is, and its witness is still a member */
};

/* What `breakwater members` says. */
struct bw_members_view {
    uint32_t leader; /* its id; 0: none is known */
    bool is_settled;
    uint32_t member_count;
    uint32_t members[BW_WITNESSES_MAX]; /* ids */
    bool votes[BW_WITNESSES_MAX];
    uint32_t applicant_count;
    uint32_t applicants[BW_WITNESSES_MAX];
};

struct bw_replacement {
    uint32_t old_id;
    uint32_t new_id;
    bool was_alive;          /* it was replaced while it ran, with its disk */
    bool was_disturbed;      /* a leader was killed or the command interrupted in the middle of it */
    uint64_t caught_up_ms;   /* wall clock, by the leader's log: it was about to vote; 0: not seen */
    uint64_t removed_ms;     /* the same: the old one was out */
    uint64_t to_vote_ms;     /* from the answer to the command until it voted, as that printed it; */
    bool has_to_vote;        /*   only of a command that ended by itself, and saw it */
};

/* The end of a life of a witness by us, on the wall clock that its log is in. */
struct bw_kill {
    uint32_t id;
    uint64_t at_ms;
};

/* On the heap: large. All zero at first. */
struct bw_members {
    struct bw_lab *lab;
    struct bw_members_options options;
    struct bw_prng prng;
    struct bw_machine machines[BW_MACHINES_MAX];
    uint32_t machine_count;
    uint32_t next_id;
    struct bw_members_view view; /* the last one */
    struct bw_entries entries;
    struct bw_lab_job writers[BW_ENTRIES_WRITERS_MAX];
    bool is_writing;
    uint64_t begun_ms; /* of writing, on the wall clock; and its end */
    uint64_t ended_ms;
    struct bw_replacement *replacements; /* on the heap */
    uint32_t replacement_count;
    struct bw_kill *kills; /* on the heap */
    uint32_t kill_count;
    uint32_t leader_kill_count;
    uint32_t interrupt_count;
    uint32_t grown_count; /* from three to five and back */
    uint32_t lead_count;
    uint32_t look_count;
    uint32_t refusal_count; /* removals that would have left fewer than two live voters, and were not done */
    uint64_t leaderless_ms; /* the longest time in which no witness led, by their logs */
};

/* Plays all rounds on a cluster that serves. An error: it could not be shown; what was broken is a
 * problem of the lab's story. */
BW_MUST_CHECK enum bw_err bw_members_play(struct bw_members *members, struct bw_run *run,
                                          const struct bw_members_options *options,
                                          struct bw_diag *diag);
void bw_members_deinit(struct bw_members *members);
bool bw_members_are_ok(const struct bw_members *members);
void bw_members_print(const struct bw_members *members, FILE *out);

/* ---- members_machines.c ---- */

BW_MUST_CHECK enum bw_err bw_machines_init(struct bw_members *members, struct bw_diag *diag);
/* NULL: none has it. */
struct bw_machine *bw_machine_of(struct bw_members *members, uint32_t id);
/* Makes a witness of a new id on a free machine, by `witness init --join`, and starts it. */
BW_MUST_CHECK enum bw_err bw_machine_join(struct bw_members *members, struct bw_machine **out,
                                          struct bw_diag *diag);
/* Its witness is killed, and its disk emptied. */
BW_MUST_CHECK enum bw_err bw_machine_lose(struct bw_members *members, struct bw_machine *machine,
                                          struct bw_diag *diag);
/* Its witness is no member any more: whatever was left of it is removed. One that has lived on must have
 * ended by itself, with the status that asks for a person. */
BW_MUST_CHECK enum bw_err bw_machine_free(struct bw_members *members, struct bw_machine *machine,
                                          struct bw_diag *diag);
/* KILL; it is started anew, as by its supervisor. */
void bw_machine_kill(struct bw_members *members, struct bw_machine *machine);
/* Asks; false: nobody could say. Says so where fewer than two voters have a disk. */
bool bw_members_read(struct bw_members *members);
/* Looks until it is settled and its members are those that the machines have, no more and no fewer. */
BW_MUST_CHECK enum bw_err bw_members_wait_agreed(struct bw_members *members, struct bw_diag *diag);
/* Looks until that one asks to join. */
BW_MUST_CHECK enum bw_err bw_members_wait_applicant(struct bw_members *members, uint32_t id,
                                                    struct bw_diag *diag);

/* ---- members_writers.c ---- */

BW_MUST_CHECK enum bw_err bw_writers_start(struct bw_members *members, struct bw_diag *diag);
/* Looks for all that was acknowledged. What is missing is looked for again before it counts: an old
 * leader may have answered. An error: nobody who leads has answered. */
BW_MUST_CHECK enum bw_err bw_writers_look(struct bw_members *members, struct bw_diag *diag);
/* After the last look. */
BW_MUST_CHECK enum bw_err bw_writers_stop(struct bw_members *members, struct bw_diag *diag);

/* ---- members_logs.c ---- */

/* Fills what only logs know. */
BW_MUST_CHECK enum bw_err bw_members_read_logs(struct bw_members *members, struct bw_diag *diag);
/* Where the log of a witness is, whichever machine it is on. */
BW_MUST_CHECK enum bw_err bw_members_log_path(const struct bw_lab *lab, uint32_t id,
                                              char out_path[BW_LAB_PATH_BYTES],
                                              struct bw_diag *diag);
uint64_t bw_members_wall_ms(void);

#endif
