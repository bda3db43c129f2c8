/* guard_found.h - which groups a guard guards, and what each begins with: of what it finds in its site file, on its
 * disk and in /run as it begins, where it cannot begin, and as the file is read anew. Design 3.4, 5.4. Pure.
 *
 * A lease ends at its deadline whatever has become of the file that names its group and of the memory beside it:
 * its mirror is enough. Who drives (src/guard, chaos/sim) reads files and opens groups, and decides nothing. */
#ifndef BW_MACHINE_GUARD_FOUND_H
#define BW_MACHINE_GUARD_FOUND_H

#include <breakwater/core/leave.h>
#include <breakwater/machine/guard_machine.h>

/* ---- one group ---------------------------------------------------------------------------------- */

/* What is there of it. */
struct bw_guard_found {
    enum bw_err memory_err; /* BW_OK: `memory`, which is empty if it `is_new` */
    bool is_new;
    bool is_mirror_alone; /* no memory was looked for: `memory` is empty, and says nothing */
    struct bw_guard_memory memory;
    enum bw_err mirror_err; /* BW_ERR_NOT_FOUND: none. BW_ERR_STALE: of another boot or time namespace */
    struct bw_guard_mirror mirror;
    struct bw_id armed_by; /* the cluster that its mirror names */
    bool is_reach_kept;    /* by what it was ended is known */
};

/* What its machine begins with, and what is to be said of it. */
struct bw_guarded_start {
    struct bw_guard_memory memory;
    bool is_new;
    bool has_mirror;           /* `found` has it */
    bool is_damaged;           /* its memory cannot be read; the mirror says what is armed */
    bool is_mirror_unreadable; /* it goes on without: what serves is fenced */
    bool is_foreign;           /* armed by a guard of another cluster, which is gone */
    bool is_lost;              /* its memory is younger than the mirror */
};

/* Fills what `group` keeps of `found`, before it is added to `machine`. `is_kept`: it is known by what was kept of it
 * alone: where its memory cannot be read, what its mirror has armed is enforced, and no more. An error: that of its
 * memory, and nothing is armed that could go without it; a person must act. */
BW_MUST_CHECK enum bw_err bw_guarded_begin(const struct bw_guard_machine *machine,
                                           struct bw_guarded *group,
                                           const struct bw_guard_found *found, bool is_kept,
                                           struct bw_guarded_start *out_start);

/* ---- which groups -------------------------------------------------------------------------------- */

/* One after the other: what is looked at. */
enum bw_opening_phase {
    BW_OPENING_NAMED,     /* each group of the site file is guarded; bw_guard_opening_on_failed where it cannot be */
    BW_OPENING_FORGOTTEN, /* each that has a memory */
    BW_OPENING_UNLOADED,  /* each of the site file, once more */
    BW_OPENING_MIRRORS,   /* a caretaker's: each that has a mirror */
    BW_OPENING_READY,
    BW_OPENING_NOTHING, /* none could be loaded: a caretaker enforces the mirrors, or is not needed */
};
struct bw_guard_opening {
    enum bw_opening_phase phase;
    enum bw_err failed; /* the first error; BW_OK: all that the file names are loaded */
};

/* `is_caretaker`: of mirrors whose guard cannot begin. */
void bw_guard_opening_init(struct bw_guard_opening *opening, bool is_caretaker);
void bw_guard_opening_on_failed(struct bw_guard_opening *opening, enum bw_err err);
/* All groups of the phase were looked at; `group_count` are guarded by now. */
void bw_guard_opening_next(struct bw_guard_opening *opening, uint32_t group_count);

enum bw_found_verdict {
    BW_FOUND_LEFT,       /* nothing of it is this guard's */
    BW_FOUND_GUARDED,    /* it is guarded, as it was kept */
    BW_FOUND_OVER,       /* no site file names it, and nothing of it serves: what is empty of it is removed */
    BW_FOUND_UNREADABLE, /* its mirror, which may have armed something */
};
/* False: what there is of a group need not be read. */
bool bw_guard_opening_looks_at(const struct bw_guard_opening *opening, bool is_guarded,
                               bool is_named);
enum bw_found_verdict bw_guard_opening_judge(const struct bw_guard_opening *opening,
                                             const struct bw_guard_found *found);

/* ---- beside the mirrors of its own name ------------------------------------------------------------ */

/* Its mirror has armed what may serve: its deadline is to come. */
bool bw_guard_found_has_deadline(const struct bw_guard_found *found, struct bw_instant now);
/* ... or it is past, and nobody has seen the end of what it let run. */
bool bw_guard_found_is_unended(const struct bw_guard_found *found, struct bw_instant now);

#define BW_GUARD_AWAY_MS 5000      /* a guard that is started anew is back by then: RestartSec=, and its start */
#define BW_CARETAKER_BEGIN_MS 2000 /* what a caretaker takes to be ready for the fence window */

/* What a guard that is refused does about a mirror of another name, of which no guard lives. */
enum bw_found_care {
    BW_CARE_NOTHING,
    BW_CARE_AWAIT, /* its own guard may be between two lives, and could not begin while it is held: looked at again */
    BW_CARE_NOW,   /* it is taken */
};
/* `free_ns`: for how long no guard of that name was there. `is_beside`: it is known not to be our own. */
enum bw_found_care bw_guard_found_care(const struct bw_guard_found *found, bool is_beside, uint64_t free_ns,
                                       struct bw_instant now);

/* ---- the site file is read anew ------------------------------------------------------------------- */

enum bw_guarded_named {
    BW_GUARDED_NAMED,
    BW_GUARDED_MISSING,
    BW_GUARDED_UNNAMED, /* as before: it is guarded for what it has left, and goes on */
    BW_GUARDED_OTHERWISE, /* ended by something else than before */
};
/* What is said against a group's not being named any more: BW_KEEPS_NOTHING, or what is kept of it
 * here. */
enum bw_keeps bw_guarded_keeps(const struct bw_guarded *group);
/* What the new file says of each group, by `named`. NULL: it may be taken; then each that it names
 * is configured, the others are left, and what it names besides is guarded. Else nothing of it is
 * taken, because of this group. */
const struct bw_guarded *
bw_guard_machine_refuses(const struct bw_guard_machine *machine,
                         enum bw_guarded_named (*named)(const struct bw_guarded *group, void *user),
                         void *user);
/* These limits are in force from here on; what was proved of its reach holds. An agent that was
 * told others is greeted again. */
void bw_guarded_configure(struct bw_guard_machine *machine, struct bw_guarded *group,
                          const struct bw_guard_limits *limits);
/* The scripts that the run in `slot` has found, by their digest; 0: a reload knows better. */
uint64_t bw_guarded_digest(const struct bw_guarded *group, enum bw_guard_slot slot,
                           uint64_t digest);

/* ---- a caretaker's end ---------------------------------------------------------------------------- */

/* Of no group anything is to be enforced any more. */
bool bw_guard_machine_is_over(const struct bw_guard_machine *machine, struct bw_instant now);

#endif
