/* script.h - one run of one script, on the loop: bounded in time and output, ended as a whole tree.
 * Design 3.4 (start order), 5.1 (the contract with the scripts).
 *
 * A run is forked first and waits; its caller writes down pid and start time where a successor
 * finds them, and gives the go-ahead. Dies the caller before, the child exits without a trace. Just
 * before execve the child reads the clocks again and gives up if `not_after` has come.
 *
 * The script gets: this process's environment without BREAKWATER_*, then `env`; stdin from
 * /dev/null, or `input`; a session of its own; default signals, umask 022, limits as ours were
 * given to us, no descriptors but 0, 1, 2; our working directory. A file that is not executable, or
 * executable but no program (no `#!`), is given to bash, else to sh. Loop rule: all calls on the
 * loop's thread. */
#ifndef BW_SYS_SCRIPT_H
#define BW_SYS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/limits.h>
#include <breakwater/core/script_end.h>
#include <breakwater/sys/reach.h>

#define BW_SCRIPT_INPUT_BYTES_MAX  4096 /* its stdin; a pipe holds as much */
#define BW_SCRIPT_FILE_BYTES_MAX   (64 * 1024) /* its stdin where that is a file of its own */
#define BW_SCRIPT_FD_CHANNEL       3           /* what `channel` is to it */
#define BW_SCRIPT_LINE_BYTES_MAX   4096 /* a longer line is cut, and said to be */
#define BW_SCRIPT_FIRST_LINE_BYTES 256
/* Outputs still held by what scripts left behind: both of each group that a site file can have. */
#define BW_SCRIPT_DRAINS_MAX (2 * BW_SITE_GROUPS_MAX)
/* Of its runs before, in its slot, so many processes may be there still, beyond SIGKILL, when one is begun. */
#define BW_SCRIPT_LEFT_MAX 8

/* ---- what a run was -------------------------------------------------------------------------- */

const char *bw_script_how_text(enum bw_script_how how);

/* What is kept of the output, stdout and stderr as they came: the first 32 KiB in `head`, the last
 * 32 KiB in two parts of `tail`, and how many bytes between them were read and dropped. */
struct bw_script_kept {
    const char *head;
    size_t head_bytes;
    const char *tail[2];
    size_t tail_bytes[2];
    uint64_t dropped_bytes;
};

struct bw_script_result {
    enum bw_script_how how;
    int code; /* exit status or signal; 0 where there was none */
    /* From the go-ahead to the end of the main process, on the clock that shows more. */
    uint64_t duration_ns;
    uint64_t digest;        /* as the child found it; 0: it was not asked, or did not come so far */
    bool is_other;          /* not started, because of that */
    bool has_looked;        /* at the scripts of `look_at`: */
    int unrunnable;         /* the first of them that cannot be run, by its place there; -1: all can be run */
    struct bw_diag unrunnable_why;
    bool is_unbegun;        /* its limit came before it had executed its script: `diag` says so */
    bool by_shell;          /* given to bash or sh: worth a warning */
    bool has_leftovers;     /* a start script left processes behind, as start scripts do */
    bool has_swept;         /* another one did: they were ended */
    bool is_line_cut;       /* a line was longer than BW_SCRIPT_LINE_BYTES_MAX */
    enum bw_err tree;       /* BW_OK, or its tree could not be ended: someone must know */
    const char *first_line; /* of stdout, trimmed, at most BW_SCRIPT_FIRST_LINE_BYTES - 1 bytes */
    /* The last line that is not empty, of stderr, else of stdout; trimmed; no text: any bytes may
     * be in it. At most BW_SCRIPT_FIRST_LINE_BYTES of it are kept. */
    const char *last_line;
    size_t last_line_bytes;
    struct bw_script_kept kept;
    const struct bw_diag *diag; /* "" where there is nothing to say */
};

/* Copies the last bytes of the output, at most size - 1, and a NUL. Returns how many. */
size_t bw_script_tail(const struct bw_script_kept *kept, char *out_text, size_t size);

/* ---- a run ----------------------------------------------------------------------------------- */

enum bw_script_stream { BW_SCRIPT_STDOUT, BW_SCRIPT_STDERR };
enum bw_script_leftovers {
    BW_SCRIPT_END_LEFTOVERS,  /* status and the like: what is left in its slot is ended at once */
    /* start: what is left is the service. One that a signal has ended was
     * not over with it: what it had begun gets TERM and KILL, and is gone before on_end. */
    BW_SCRIPT_KEEP_LEFTOVERS,
};

struct bw_script_run;
struct bw_script_spec {
    const char *path;
    const char *const *args; /* further arguments, ended by NULL; NULL: none */
    const char *const *env; /* "NAME=value", ended by NULL; NULL: none. The last of a name counts */
    const char *input;  /* what it reads from stdin; NULL: nothing. Borrowed as the strings are */
    size_t input_bytes; /* at most BW_SCRIPT_INPUT_BYTES_MAX; more is BW_ERR_LIMIT */
    bool input_is_file; /* its stdin is a file in memory that it can seek and write in, at most
                           BW_SCRIPT_FILE_BYTES_MAX: for a program of ours */
    const int
        *channel; /* a descriptor that it has beside these three; NULL: none. Stays the caller's */
    const char *mark; /* without a reach: what it shows in its environment, BW_PROCESS_MARK and
                         more; NULL: that it is a tool of ours */
    const struct bw_reach
        *reach;              /* kept until on_end; NULL: its process group only is ended with it */
    enum bw_reach_slot slot; /* one run at a time in each: ending a run ends the slot */
    enum bw_script_leftovers leftovers;
    bool refuses_writable;  /* a script that others can change (path_owner.h) is not run: NOT_STARTED */
    /* Of the bytes that are there just before the script runs: asked by the child, which may hang over it;
     * async-signal-safe. NULL: nobody asks. With `refuses_other` the script runs only where it is
     * `wanted_digest`; else NOT_STARTED. */
    uint64_t (*digest)(const void *of);
    const void *digest_of;
    uint64_t wanted_digest;
    bool refuses_other;
    const char *const *look_at; /* paths, ended by NULL: the child looks whether each could be run; NULL: at none */
    uint64_t limit_ns;      /* from the go-ahead; UINT64_MAX: the caller ends it */
    uint64_t kill_grace_ns; /* between TERM and KILL */
    /* The script itself runs now (execve succeeded), or a signal ended its child before that; always before an
     * on_end that says EXITED. May be NULL. */
    void (*on_begun)(struct bw_script_run *run, void *user);
    /* One line without its end, not NUL-terminated, of the first 32 KiB of output; with `tells_all` of all of it,
     * however much that is. May be NULL. */
    void (*on_line)(struct bw_script_run *run, enum bw_script_stream stream, const char *line,
                    size_t bytes, void *user);
    bool tells_all;
    /* Exactly once for each run that was started, from the loop, as its last act: `run` and
     * `result` are gone when it returns. */
    void (*on_end)(struct bw_script_run *run, const struct bw_script_result *result, void *user);
    void *user;
};

struct bw_script_runner;

/* Forks a child that waits for the go-ahead. The strings of `spec` are borrowed until it returns.
 * Never looks at the script itself, whose file system may hang: that it is missing, a directory or not
 * readable is found by the child and said by on_end (NOT_STARTED, with `diag`). On an error on_end is not
 * called. BW_ERR_LIMIT: too much is left of it that no SIGKILL has ended (BW_SCRIPT_LEFT_MAX; not of a start). */
BW_MUST_CHECK enum bw_err bw_script_start(struct bw_script_runner *runner,
                                          const struct bw_script_spec *spec,
                                          struct bw_script_run **out_run, struct bw_diag *diag);
/* It has printed more than 32 KiB: what is told of it from here on is for who keeps it, and no log's. */
bool bw_script_is_beyond(const struct bw_script_run *run);
/* Who it is, for the mirror: a pid, which is also its session and process group. */
pid_t bw_script_pid(const struct bw_script_run *run);
uint64_t bw_script_start_ticks(const struct bw_script_run *run);

/* The go-ahead; once. `not_after`: for a start D - F, else BW_INSTANT_NEVER. */
void bw_script_go(struct bw_script_run *run, struct bw_instant not_after);
/* TERM to the whole tree, KILL after the grace. Before the go-ahead: it exits without exec. */
void bw_script_cancel(struct bw_script_run *run);
/* KILL to the whole tree now, again until none is left. */
void bw_script_kill(struct bw_script_run *run);

/* ---- all runs -------------------------------------------------------------------------------- */

/* To the process that reads what is left behind prints, also when this one has ended (output_reader.h). */
struct bw_output_link {
    bool is_kept;
    int fd; /* -1: there is none */
    uv_poll_t poll;
    bool is_poll_closing;
    uv_timer_t again; /* active: until another one may be made */
    uint64_t made_at_ms;
    bool has_failed;
    unsigned handles;
    void (*on_failed)(int os_errno, void *user);
    void *user;
};

/* One per process, which must start its children by it alone: it asks for the status of all. */
struct bw_script_runner {
    uv_loop_t *loop;
    uv_signal_t sigchld;
    struct bw_script_run *runs;
    struct bw_script_drain *drains;
    size_t drain_count;
    struct bw_output_link output;
    struct bw_script_left *left; /* what no KILL has ended */
    bool is_closing;
    void (*on_closed)(struct bw_script_runner *runner, void *user);
    void *user;
    char buffer[8192]; /* of the read in progress */
};

/* `is_subreaper`: processes that lose their parent become this process's children, which a reach by
 * scan rests on. */
BW_MUST_CHECK enum bw_err bw_script_runner_init(struct bw_script_runner *runner, uv_loop_t *loop,
                                                bool is_subreaper, struct bw_diag *diag);
/* From here on the output of what scripts leave behind breaks with nobody: a process of its own reads on. While none can
 * be made this one reads, and `on_failed` (or NULL) is called once. */
void bw_script_runner_keep_output(struct bw_script_runner *runner, void (*on_failed)(int os_errno, void *user),
                                  void *user);
/* Copies of the outputs that are still read for what was left behind, for who reads on when this
 * process has ended; at most `max`, the caller's to close. */
size_t bw_script_runner_held(const struct bw_script_runner *runner, int *out_fds, size_t max);
/* Reads on for somebody who has ended; takes `fd`. */
void bw_script_runner_read_on(struct bw_script_runner *runner, int fd);
/* Kills the runs that there are; on_closed after the last on_end. Leftovers are left. */
void bw_script_runner_close(struct bw_script_runner *runner,
                            void (*on_closed)(struct bw_script_runner *runner, void *user),
                            void *user);

#endif
