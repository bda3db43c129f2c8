/* script_child.h - private to script.c: fork, wait for the go-ahead, become the script. */
#ifndef BW_SYS_SCRIPT_CHILD_H
#define BW_SYS_SCRIPT_CHILD_H

#include <breakwater/sys/script.h>
#include <breakwater/os/path_owner.h>

/* What the child says over its report pipe; success says nothing, execve closes the pipe. */
enum bw_child_word {
    BW_CHILD_BY_SHELL = 'S', /* no program by itself: given to a shell */
    BW_CHILD_NO_GO = 'N',    /* the go-ahead did not come */
    BW_CHILD_TOO_LATE = 'L', /* `not_after` had come */
    BW_CHILD_NO_SETUP = 'U', /* descriptors, session or cgroup: os_errno */
    BW_CHILD_NO_SCRIPT = 'M', /* it cannot be looked at (missing?): os_errno */
    BW_CHILD_NO_FILE = 'D',   /* it is a directory, or anything else but a file */
    BW_CHILD_NO_ACCESS = 'A', /* neither executable nor readable: os_errno */
    BW_CHILD_WRITABLE = 'W',  /* others can write it: `path` */
    BW_CHILD_DIGEST = 'H',    /* what is there now: `digest`; it goes on */
    BW_CHILD_OTHER = 'O',     /* and that is not what was to run: `digest` */
    BW_CHILD_NO_EXEC = 'X',   /* execve: os_errno */
    BW_CHILD_NO_INTERPRETER = 'I', /* that its #! line names: `path`, os_errno */
    BW_CHILD_LOOKED = 'K',         /* at the scripts of `look_at`: `which` cannot be run, for `why`; it goes on */
};

/* Fixed size, so that one write is one record. */
struct bw_child_record {
    uint8_t word;
    uint8_t why;   /* of LOOKED: a word of this list; 0: all can be run */
    int32_t which; /* of LOOKED */
    int32_t os_errno;
    uint64_t digest;
    char path[BW_PATH_OWNER_BYTES];
};

/* The parent's ends, all non-blocking and close-on-exec. */
struct bw_child {
    pid_t pid;
    int go_fd;
    int report_fd;
    int output_fds[2]; /* by enum bw_script_stream */
};

/* On an error nothing is left. */
BW_MUST_CHECK enum bw_err bw_child_fork(const struct bw_script_spec *spec,
                                        struct bw_child *out_child, struct bw_diag *diag);
/* Writes the go-ahead. A child that is gone is no error: its end says so. */
void bw_child_go(int go_fd, struct bw_instant not_after);
/* Of a word that says why nothing ran: how that is called, and in words. */
void bw_child_explain(const struct bw_child_record *record, struct bw_script_result *result,
                      struct bw_diag *diag);

#endif
