/* steps.h - a start or a stop that is a list of steps: one process that the guard begins in place
 * of the script, and that begins the steps. Design 5.1, steps.
 *
 * To the guard it is a script: forked, mirrored and given its go-ahead like one, in the same
 * session, place and environment, and its end is the end of all. It is this very program, so what
 * both know as a struct is the same on both sides. */
#ifndef BW_STEPS_STEPS_H
#define BW_STEPS_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/config/site_config.h>
#include <breakwater/core/steps.h>
#include <breakwater/sys/script.h>

/* The argument by which a program is the one that runs steps; in no list of verbs. */
#define BW_STEPS_VERB "steps"

#define BW_STEPS_JOURNAL_SUFFIX ".steps"

/* Of a start that its guard did not see end: does the journal in `directory` say that all its steps
 * were done? What cannot be read says nothing. */
bool bw_steps_start_is_whole(const struct bw_group_config *group, const char *directory,
                             uint64_t epoch, uint64_t run);

/* What it is to do: its stdin. */
struct bw_steps_plan {
    uint32_t size; /* of this struct */
    enum bw_action_kind action;
    uint64_t epoch;
    uint64_t interrupted; /* the run after whose finished steps it goes on; 0: none */
    bool is_held; /* before its point of no return, until a byte of BW_STEPS_PASS comes (4) */
    bool has_digests;     /* each step runs only the bytes that `digests` was made of */
    bool allow_writable_scripts;
    uint32_t kill_grace_ms;
    uint64_t digest; /* of the whole group, as the child found it that became this process */
    uint64_t digests[BW_STEPS_MAX];
    char directory[512]; /* where its journal is kept; "": nowhere */
    char journal[BW_NAME_MAX + 16];
    struct bw_cgroup aside; /* where its writer goes: held by a disk it outlives the list. "": no cgroup holds it */
    uint32_t count;
    struct bw_steps_item {
        char name[BW_NAME_MAX + 1];
        char script[BW_STEP_PATH_MAX + 1];
        struct bw_step_rule rule;
        uint32_t timeout_ms;
    } items[BW_STEPS_MAX];
};

/* Fills `out_plan` from the list that `group` has for `action`, and `spec` so that it is run. What
 * else the spec says stays; both, and `group`, are used until bw_script_start has returned.
 * `channel`: where it tells what happens (bw_steps_hear), a connected SOCK_SEQPACKET: what it leaves breaks where nobody
 * reads on for it. */
void bw_steps_order(const struct bw_group_config *group, enum bw_action_kind action,
                    const int *channel, struct bw_steps_plan *out_plan,
                    struct bw_script_spec *spec);

/* X(NAME): what has happened to step `step`. */
#define BW_STEPS_NOTE_LIST(X)                                                                      \
    X(KEPT) /* a run before this one had done it */                                                \
    X(BEGUN)                                                                                       \
    X(BY_SHELL) /* its script was given to a shell */                                              \
    X(DONE)                                                                                        \
    X(AGAIN) /* it has failed, and is tried again */                                               \
    X(FAILED)                                                                                      \
    X(ASKS_TO_PASS) /* it waits for nothing but BW_STEPS_PASS */                                   \
    X(HELD)         /* of no step: comes with outputs that what was started still writes to */
enum bw_steps_note_kind {
#define X(name) BW_STEPS_NOTE_##name,
    BW_STEPS_NOTE_LIST(X)
#undef X
        BW_STEPS_NOTE_COUNT
};
#define BW_STEPS_WORDS_BYTES 200
struct bw_steps_note {
    uint8_t kind;
    uint8_t step;
    uint16_t attempt; /* from 1 */
    int32_t code;     /* exit status or signal, as `how` says */
    uint32_t how;     /* enum bw_script_how, of what has ended */
    uint64_t took_ms;
    char words[BW_STEPS_WORDS_BYTES]; /* why it could not be begun; else "" */
};
/* The one thing that is said to it, on the same channel: what lies behind the point of no return
 * may begin. */
#define BW_STEPS_PASS     'p'
#define BW_STEPS_HELD_MAX 16 /* descriptors of one HELD */
enum bw_steps_heard {
    BW_STEPS_HEARD_NOTE,
    BW_STEPS_HEARD_OTHER,   /* nothing that is to be believed, or HELD: there may be more */
    BW_STEPS_HEARD_NOTHING, /* yet */
    BW_STEPS_HEARD_END,
};
/* Reads one note at the other end of `channel`, of a list of `count` steps; never waits. What came with it is read on by
 * `runner`; `out_note` is set for a NOTE alone. */
enum bw_steps_heard bw_steps_hear(int channel, uint32_t count, struct bw_script_runner *runner,
                                  struct bw_steps_note *out_note);

/* Runs what stdin says, and returns the exit status that is due. -1: there is no plan: nobody but a
 * guard starts it. */
int bw_steps_run(void);

#endif
