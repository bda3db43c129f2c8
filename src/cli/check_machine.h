/* check_machine.h - the parts of `check` that look at this machine instead of at a file's text. */
#ifndef BW_CLI_CHECK_MACHINE_H
#define BW_CLI_CHECK_MACHINE_H

#include <breakwater/config/config_kind.h>
#include <breakwater/net/roles.h>

#include "check_lines.h"

/* What the configuration says of its own certificate. */
struct bw_check_identity {
    const char *cluster; /* NULL: any */
    unsigned roles;      /* BW_ROLE_BIT set */
    const char *site;    /* "" for all but agents */
    const char *name;    /* NULL: any */
    const char *address; /* HOST:PORT at which it is dialed, so that the certificate has to name it;
                            NULL: it is not */
};

/* The files are there and whole, the key is kept close, the identity is the expected one, and how
 * many days are left. */
void bw_check_certificate(struct bw_check_lines *lines, const struct bw_tls_config *tls,
                          const struct bw_check_identity *expected);

/* Each entry of `revoked` is one. Silent when that is so. */
void bw_check_revoked(struct bw_check_lines *lines, const char *subject,
                      const struct bw_tls_config *tls);

/* Nobody else can change the certificate, its key and the CAs; design 5.4. Silent when that is so. */
void bw_check_owners(struct bw_check_lines *lines, const struct bw_tls_config *tls);
/* The same of the directory `path` with `below` behind it, and of what is in it. True: it is so. */
bool bw_check_kept(struct bw_check_lines *lines, const char *subject, const char *path,
                   const char *below);

/* A script that this process's user is to run: it is there, can be read, and others cannot change
 * it. Silent when that is so. */
void bw_check_script(struct bw_check_lines *lines, const char *subject, const char *path);
/* An executable script names on its #! line what runs it, and that is here. Silent when that is so,
 * and of a file that is given to a shell. */
void bw_check_interpreter(struct bw_check_lines *lines, const char *subject, const char *key,
                          const char *path);

/* Where `path` is not there yet, the directory around it is, in which a daemon makes it: none makes more than one, and
 * systemd those of the shipped units alone. Silent when that is so; true: it is so. */
bool bw_check_around(struct bw_check_lines *lines, const char *subject, const char *path);
/* The directory can be written to, and how long an fsync takes; more than `fsync_ms_max` is worth a
 * warning, and so is that it is not there: `maker` says how it comes to be. Leaves nothing behind.
 */
void bw_check_directory(struct bw_check_lines *lines, const char *subject, const char *path,
                        const char *maker, uint32_t fsync_ms_max);
/* Silent when a snapshot can be written there, or nothing is there. */
void bw_check_snapshots(struct bw_check_lines *lines, const char *subject, const char *path);

/* Whether `address` can be listened on here, as the agent will for load balancers. Leaves nothing
 * behind. */
void bw_check_health_listen(struct bw_check_lines *lines, const char *address);

/* Whether what scripts leave can be found and ended by a cgroup. Only root can tell. Leaves nothing behind. */
void bw_check_cgroups(struct bw_check_lines *lines);
/* Whether systemd, where it runs and has a unit for the guard, leaves the guard's enforcer alone. */
void bw_check_guard_unit(struct bw_check_lines *lines);
/* Whether systemd, where it runs and has a unit for the witness, lets that write to its data directory. */
void bw_check_witness_unit(struct bw_check_lines *lines, const char *data_dir);
/* Whether systemd starts that unit of a group by itself. */
void bw_check_service_unit(struct bw_check_lines *lines, const char *group, const char *unit);
/* The containers of a compose project that are there now. `tool`: NULL for docker, or podman. */
void bw_check_service_containers(struct bw_check_lines *lines, const char *group, const char *tool,
                                 const char *project);

/* How fast chrony may turn the clock, if there is chrony; against what groups allow for. `is_of_groups`: that was read
 * in a file of groups. */
void bw_check_chrony(struct bw_check_lines *lines, uint32_t drift_ppm_max, bool is_of_groups);

#endif
