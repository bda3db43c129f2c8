/* plan.h - what a lab is made of: three witnesses, some sites, groups with one service each. From its
 * plan come certificates, configuration files and the witnesses' data directories, for a cluster that
 * people look at (dev), one that is broken on purpose (chaos), and those of the tests. */
#ifndef BW_LAB_PLAN_H
#define BW_LAB_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>
#include <breakwater/lab/files.h>

#define BW_LAB_WITNESSES  3
#define BW_LAB_SITES_MAX  3
#define BW_LAB_HOST_BYTES 16

/* What the lease and all that goes with it is computed from. */
struct bw_lab_timings {
    uint32_t lease_ttl_ms;
    uint32_t fence_timeout_ms;
    uint32_t renew_interval_ms;
    uint32_t request_timeout_ms;
    uint32_t election_timeout_ms;
    uint32_t margin_ms;
    uint32_t check_interval_ms;
    uint32_t fence_script_ms;
    uint32_t kill_grace_ms;
    uint32_t retry_backoff_ms;
};

struct bw_lab_witness {
    char host[BW_LAB_HOST_BYTES]; /* a name, or an IPv4 address: where others find it */
    const char *listen;           /* the address that it listens at; NULL: `host` */
    uint16_t api_port;       /* where it listens */
    uint16_t announced_port; /* what it tells agents; 0: api_port */
    uint16_t raft_port;
};

/* Witnesses are called w1, w2, w3. Files of `dir`: ca.pem, wN.pem, SITE-agent.pem, `person`.pem. */
struct bw_lab_plan {
    const char *cluster;
    const char *dir;    /* without quotes in its name: it stands between some */
    const char *person; /* who gives orders, an operator */
    const char *more;   /* further lines of each daemon's file; "" */
    struct bw_lab_timings timings;
    struct bw_lab_witness witnesses[BW_LAB_WITNESSES];
    const char *sites[BW_LAB_SITES_MAX];
    uint32_t site_count;
};

/* What a site's file says of one group. */
struct bw_lab_group {
    const char *name;
    const char *scripts; /* the directory of status.sh, start.sh, stop.sh, fence.sh */
    const char *more;    /* further lines, indented; "" */
};

struct bw_lab_site {
    const char *name;
    const char *dir;             /* of its socket and run directory */
    const char *state_dir;
    const char *identity;        /* a file in plan->dir; NULL: SITE-agent.pem */
    const uint16_t *api_ports;   /* of the witnesses, as it dials them; NULL: those of the plan */
    const char *groups;          /* bw_lab_print_group, one after the other */
    const char *more;            /* further lines before the groups; "" */
};

/* A CA, and a certificate for each witness, each site's agent and the person, in plan->dir. */
BW_MUST_CHECK enum bw_err bw_lab_make_certificates(const struct bw_lab_plan *plan,
                                                   struct bw_diag *diag);
/* A witness as another one's file names it: wID. */
struct bw_lab_member {
    uint32_t id;
    struct bw_lab_witness at;
};
/* Of one that comes later. */
BW_MUST_CHECK enum bw_err bw_lab_issue_member(const struct bw_lab_plan *plan,
                                              const struct bw_lab_member *member,
                                              struct bw_diag *diag);
/* The file of members[own], which names all of them: the founders', or those present and itself.
 * `identity`: a file in plan->dir; NULL: wID.pem. */
BW_MUST_CHECK enum bw_err bw_lab_write_member(const struct bw_lab_plan *plan,
                                              const struct bw_lab_member *members, uint32_t count,
                                              uint32_t own, const char *path, const char *data_dir,
                                              const char *identity, struct bw_diag *diag);
/* That of a founder. */
BW_MUST_CHECK enum bw_err bw_lab_write_witness(const struct bw_lab_plan *plan, uint32_t index,
                                               const char *path, const char *data_dir,
                                               const char *identity, struct bw_diag *diag);
/* Returns how many bytes it needs, as snprintf does. */
size_t bw_lab_print_group(const struct bw_lab_plan *plan, const struct bw_lab_group *group,
                          char *out, size_t size);
BW_MUST_CHECK enum bw_err bw_lab_write_site(const struct bw_lab_plan *plan,
                                            const struct bw_lab_site *site, const char *path,
                                            struct bw_diag *diag);
/* groups.yaml in plan->dir, as `breakwater apply` takes it. Each group prefers another site, so that
 * whatever is struck is some group's primary. `more`: further lines of each; "". */
BW_MUST_CHECK enum bw_err bw_lab_write_groups(const struct bw_lab_plan *plan,
                                              const char *const *names, uint32_t count,
                                              const char *more, struct bw_diag *diag);
/* cli.yaml in plan->dir: the person's. `hosts`: further ones where witnesses may be, on the port of
 * the first. */
BW_MUST_CHECK enum bw_err bw_lab_write_command_file(const struct bw_lab_plan *plan,
                                                    const char (*hosts)[BW_LAB_HOST_BYTES],
                                                    uint32_t host_count, struct bw_diag *diag);
/* The data directory of the witness with this file. A zero `cluster_id` is drawn by the first. */
BW_MUST_CHECK enum bw_err bw_lab_found(const char *path, struct bw_id *cluster_id,
                                       struct bw_diag *diag);

#endif
