/* fault.h - what can be broken: a table. */
#ifndef BW_CHAOS_FAULT_H
#define BW_CHAOS_FAULT_H

#include <breakwater/lab/judge.h>

#include "lab.h"

/* What a fault strikes. */
enum bw_fault_target {
    BW_FAULT_AT_NODE,    /* a witness or a site */
    BW_FAULT_AT_WITNESS, /* one */
    BW_FAULT_AT_SITE,
    BW_FAULT_AT_PAIR, /* the link between two nodes */
    BW_FAULT_AT_ALL,  /* every node */
};

/* What it may do to the verdict. */
enum bw_fault_scope {
    BW_FAULT_PROMISED, /* two sites must not serve at once, whatever it does */
    BW_FAULT_MANUAL,   /* from then on the site's epochs may be another's (I2), and two must not serve at once */
    BW_FAULT_BEYOND,   /* outside of what is promised (design 3.8): an overlap is only reported */
};

/* What it takes hold of: of one node, random takes each but once at a time. */
enum bw_fault_part {
    BW_FAULT_OF_NETWORK,
    BW_FAULT_OF_DAEMONS,
    BW_FAULT_OF_DISK,
    BW_FAULT_OF_CLOCK,
    BW_FAULT_OF_SCRIPTS,
    BW_FAULT_OF_NAMES,
    BW_FAULT_PARTS, /* how many */
};

struct bw_lab_fault; /* one that is on */

struct bw_fault {
    const char *name;
    const char *words; /* what it does, in words */
    enum bw_fault_target target;
    enum bw_fault_scope scope;
    enum bw_fault_part part;
    bool is_random;    /* random draws it */
    bool is_momentary; /* there is nothing to heal */
    bool is_single;    /* there is a place for one of it in the whole lab */
    enum bw_err (*begin)(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag);
    enum bw_err (*end)(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag);
    /* What begin and end read. */
    int direction; /* of links: BW_FAULT_OUT, BW_FAULT_IN or both */
    struct bw_hub_link link;
    enum bw_lab_role role;
    const char *text; /* a line for the preload, a mode of the scripts */
    int64_t number;
};
#define BW_FAULT_OUT  1 /* from the node, or from the first of the pair */
#define BW_FAULT_IN   2
#define BW_FAULT_BOTH 3

#define BW_LAB_FAULTS_MAX 32 /* on at once */
struct bw_lab_fault {
    const struct bw_fault *kind; /* NULL: free */
    uint32_t node;
    uint32_t peer; /* of a pair */
    uint64_t begun_ns;
    uint64_t end_at_ns;
    bool is_on;
    bool is_refused; /* an order that was not taken: it has changed nothing, and counts as none */
    bool is_void;    /* what it strikes was not there: it counts as none */
    uint32_t excuse; /* of one outside of what is promised: its index and 1; 0: none */
    pid_t helper; /* a child of the harness that makes it */
};

/* All that is on. */
struct bw_faults {
    struct bw_lab_fault list[BW_LAB_FAULTS_MAX];
    uint32_t fired_counts[128]; /* by index of the table: how often each was begun */
    uint32_t refused_count;     /* orders that were not taken */
    /* From the begin of one that is outside of what is promised to its end and the time after which
     * its site must have caught up; of more than these nothing is excused. */
    struct bw_judge_excuse excuses[64];
    uint32_t excuse_count;
};

extern const struct bw_fault bw_fault_table[];
extern const uint32_t bw_fault_count;

const struct bw_fault *bw_fault_find(const char *name);
/* Why a fault cannot be made here; NULL: it can. */
const char *bw_fault_why_not(const struct bw_lab *lab, const struct bw_fault *kind);

/* Begins one. BW_ERR_LIMIT: too many are on. */
BW_MUST_CHECK enum bw_err bw_fault_begin(struct bw_lab *lab, struct bw_faults *faults,
                                         const struct bw_fault *kind, uint32_t node, uint32_t peer,
                                         uint64_t end_at_ns, struct bw_diag *diag);
/* Ends all whose time has come; UINT64_MAX: all. */
BW_MUST_CHECK enum bw_err bw_fault_end_due(struct bw_lab *lab, struct bw_faults *faults,
                                           uint64_t now_ns, struct bw_diag *diag);
/* What changes while it is on (a link that flaps). Called often. */
void bw_fault_turn(struct bw_lab *lab, struct bw_faults *faults);

#endif
