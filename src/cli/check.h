/* check.h - what the files of `check` share: its lines; what it looks at on this machine, in several files together, and over the network. */
#ifndef BW_CLI_CHECK_H
#define BW_CLI_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <breakwater/config/cli_config.h>
#include <breakwater/config/config_kind.h>
#include <breakwater/config/site_config.h>
#include <breakwater/config/witness_config.h>
#include <breakwater/core/spec.h>
#include <breakwater/net/roles.h>

#define BW_CHECK_VERDICT_LIST(X)                                                                   \
    X(OK, "ok") X(WARN, "WARN") X(FAIL, "FAIL")
enum bw_check_verdict {
#define X(name, word) BW_CHECK_##name,
    BW_CHECK_VERDICT_LIST(X)
#undef X
};

struct bw_check_lines {
    uint32_t failed_count;
    uint32_t warned_count;
    bool is_quiet; /* what is right is not printed */
};

/* Prints "VERDICT SUBJECT TEXT" to stdout and counts it. */
void bw_check_line(struct bw_check_lines *lines, enum bw_check_verdict verdict, const char *subject,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

#define BW_CHECK_FILES_MAX 64
/* Checks the files, alone and together, by their text alone, and prints what is wrong. True: nothing is. */
bool bw_check_offline(const char *const *files, size_t count);

/* A witness runs as a user of its own: whose files are whose, and what can be read and written,
 * shows only to that one. */

struct bw_check_user {
    uid_t uid; /* 0: nobody else than who runs this */
    gid_t gid;
    char name[64];
    const char *owns; /* what says so */
};

/* Run by root: the owner of the private key, which root and he alone can read, is whom the witness
 * runs as. Where that is root's, or not there, the owner of the data directory, which nobody else
 * can write. */
void bw_check_user_find(const char *key_file, const char *data_dir, struct bw_check_user *out_user);
/* Files are looked at as this user from here on, until bw_check_user_leave. False: this process may not. */
bool bw_check_user_enter(const struct bw_check_user *user);
void bw_check_user_leave(const struct bw_check_user *user);

/* The parts of `check` that look at this machine instead of at a file's text. */

/* Starts a program with no input and with `env` ("NAME=value", ended by NULL; NULL: none) added to its environment. Returns
 * its output, with stderr if `env` is set; the caller closes it and waits for `*out_pid`. `arguments` begin with "timeout"
 * and end with NULL. A program that is missing prints nothing. Returns NULL if no process can be made. */
FILE *bw_check_ask(const char *const *arguments, const char *const *env, pid_t *out_pid);

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

/* Whether the margin of a lease below BW_CHECK_SHORT_LEASE_MS bears timers that are `*stall_us` late on this machine (3.3).
 * UINT64_MAX is replaced by what is measured: the latest of 2,000 timers of 1 ms, which takes 2 s or more. Of a longer lease
 * nothing is printed: its margin is far above what a machine without a fault needs. */
#define BW_CHECK_SHORT_LEASE_MS 1000
void bw_check_stall_borne(struct bw_check_lines *lines, uint64_t *stall_us, const struct bw_spec *spec, uint32_t election_timeout_ms);

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

/* Whether two witness files are of one cluster's witnesses. */

/* A line for each thing that must be the same in both and is not. */
void bw_check_witness_pair(struct bw_check_lines *lines, const char *file,
                           const struct bw_witness_config *config, const char *other_file,
                           const struct bw_witness_config *other);

/* The witnesses of a site file against the members that a leader told its agent of. */

/* Nothing, if that agent has kept none (design 3.9). */
void bw_check_members(struct bw_check_lines *lines, const char *file,
                      const struct bw_site_config *config);
/* A failure, if this site's agent drops what all that answer say, with the generations and the way out (3.9). */
void bw_check_followed(struct bw_check_lines *lines, const struct bw_site_config *config);

/* The script sets of a group, on this machine. */

/* bw_site_config_load, with a warning of each variable that no script set of its group knows. */
enum bw_err bw_check_load_site(const char *file, enum bw_config_scope scope, struct bw_site_config **out_site, struct bw_problems *problems);
/* Each part that PARTS names is there, if the group's scripts are those of the folder `parts`. */
void bw_check_parts(struct bw_check_lines *lines, const struct bw_group_config *group);
/* Runs `settings.sh` in each folder that has one next to a script of the group, with the group's variables: a line says
 * what it finds wrong. */
void bw_check_settings(struct bw_check_lines *lines, const char *site, const struct bw_group_config *group);

/* Contradictions between files that no one of them shows. */

/* The same file, or two site files of one agent: then another's was meant. */
void bw_check_same_file(struct bw_check_lines *lines, const char *file, const char *other_file);
void bw_check_site_pair(struct bw_check_lines *lines, const char *file,
                        const struct bw_site_config *site, const char *other_file,
                        const struct bw_site_config *other);

/* None of the addresses that `file` gives under `key` is where a witness speaks Raft. */
void bw_check_endpoints(struct bw_check_lines *lines, const char *file, const char *key,
                        const char *const *addresses, uint32_t count, const char *witness_file,
                        const struct bw_witness_config *witness);

/* What the site file shows of one group: a script that two keys name, limits of steps next to that of their list, a write to
 * the database before the point of no return, and the price of a loop of its own. */
void bw_check_group(struct bw_check_lines *lines, const struct bw_group_config *group);

/* Where its own loop starts the service: `condition` must not say stop while a leader is elected.
 */
void bw_check_loop(struct bw_check_lines *lines, const char *site,
                   const struct bw_group_config *group, const struct bw_spec *spec,
                   uint32_t election_timeout_ms);

/* Once a group: a site whose service outlives its guard's machine, with nothing in these files that
 * would end it from another one (3.4). */
void bw_check_handover(struct bw_check_lines *lines, const struct bw_spec *spec,
                       const struct bw_site_config *const *sites, size_t count);

/* A witness that a file names is dialled, with the file's own certificate: witnesses at
 * both of their ports, and the guard of this machine. Design 5.3, 5.4. */

#define BW_CHECK_CONNECT_MS 3000  /* for each that is dialled, whatever it does, once its name is resolved */
#define BW_CHECK_LOOKUP_MS  30000 /* for the name: a first name server that is silent costs 5 s or more */

/* The longest round trip that was measured. */
struct bw_check_trip {
    uint64_t us; /* 0: none was, and nothing is printed of it */
    char address[BW_ADDRESS_MAX + 1];
    const char *file; /* whose certificate asked */
};

/* Whether the timings of `spec` bear it (4); `is_default`: no file has a group, `spec` has the defaults. */
void bw_check_trip_borne(struct bw_check_lines *lines, const struct bw_check_trip *trip, const struct bw_spec *spec,
                         uint32_t election_timeout_ms, bool is_default);

/* The other witnesses of `config`; this one may not have been started yet. */
void bw_check_connect_witness(struct bw_check_lines *lines, const char *file,
                              const struct bw_witness_config *config, struct bw_check_trip *longest);
/* The witnesses of `config`; its guard's socket, if there is one, and what the agent reads of it.
 */
void bw_check_connect_site(struct bw_check_lines *lines, const char *file,
                           const struct bw_site_config *config, struct bw_check_trip *longest);
void bw_check_connect_cli(struct bw_check_lines *lines, const char *file,
                          const struct bw_cli_config *config);

/* What a second enforcer needs (3.4): its own file, and that beside its guard's. */

/* Of a file with second_enforcer.agent: what it lacks for a second enforcer. */
void bw_check_second(struct bw_check_lines *lines, const char *file,
                     const struct bw_site_config *site);

/* Of the files of one site, in either order, of which one is a second enforcer's: that it would end
 * what the guard runs. Scripts are read where the scope is HERE. */
void bw_check_second_pair(struct bw_check_lines *lines, enum bw_config_scope scope,
                          const char *file, const struct bw_site_config *site,
                          const char *other_file, const struct bw_site_config *other);

/* Once a group: what `handover_by_time: never` leaves of a second enforcer. */
void bw_check_second_grade(struct bw_check_lines *lines, const struct bw_spec *spec,
                           const struct bw_site_config *const *sites, size_t count);

#endif
