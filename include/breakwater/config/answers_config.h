/* answers_config.h - the answers from which `generate` makes the files of a whole cluster. */
#ifndef BW_CONFIG_ANSWERS_CONFIG_H
#define BW_CONFIG_ANSWERS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/limits.h>
#include <breakwater/config/document.h>
#include <breakwater/config/set_config.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/spec.h>

#define BW_ANSWERS_SITES_MAX     16
#define BW_ANSWERS_OPERATORS_MAX 32
#define BW_ANSWERS_PARTS_MAX     (2 * BW_SET_FOLDERS_MAX)

struct bw_answers_witness {
    char name[BW_NAME_MAX + 1];
    uint32_t id;
    bool has_joined; /* the answers have its id: it is no founding member */
    bool is_first;   /* it makes the id of the cluster */
    const char *host; /* a name or an address */
    uint32_t port;
    uint32_t raft_port;
    char failure_domain[BW_NAME_MAX + 1];
    const char *data_dir;
    char namespace[BW_NAME_MAX + 1];  /* in Kubernetes; "": a machine */
    char kubernetes[BW_NAME_MAX + 1]; /* the cluster of Kubernetes; "": one that no other has */
};

struct bw_answers_site {
    char name[BW_NAME_MAX + 1];
    const char *host;
    const char *second; /* the machine of its second enforcer; NULL: it has none */
    char namespace[BW_NAME_MAX + 1];
    char kubernetes[BW_NAME_MAX + 1];
    char health_listen[BW_ADDRESS_MAX + 1];
    const char *state_dir; /* NULL each: as the daemons have it */
    const char *run_dir;
    const char *guard_socket;
};

/* A site of one group. */
struct bw_answers_member {
    struct bw_site_spec spec;
    const struct bw_env_entry *env;
    uint32_t env_count;
};

/* A variable that the scripts of a group read: of its set, or of a set whose scripts are its steps. */
struct bw_answers_variable {
    struct bw_set_variable of;
    const char *set;
    bool is_used; /* a script of the group reads it; else only its name is known, and no value is written without an answer */
};

struct bw_answers_group {
    struct bw_spec spec; /* with what the set says */
    char set[BW_NAME_MAX + 1];
    const char *scripts; /* a folder of own scripts; NULL: a set */
    struct bw_answers_member members[BW_SITES_MAX];
    uint32_t member_count;
    const struct bw_env_entry *env;
    uint32_t env_count;
    struct bw_group_config at_sites;
    struct bw_set_config *loaded; /* NULL: own scripts */
    struct bw_set_config *parts[BW_ANSWERS_PARTS_MAX]; /* sets whose scripts are steps of it */
    uint32_t part_count;
    struct bw_answers_variable *variables; /* each name once */
    uint32_t variable_count;
};

struct bw_answers {
    struct bw_config_arena arena; /* owns the strings and lists */
    char cluster[BW_NAME_MAX + 1];
    uint32_t election_timeout_ms;
    uint32_t certificate_days;
    const char *const *operators;
    uint32_t operator_count;
    struct bw_answers_witness witnesses[BW_WITNESSES_MAX];
    uint32_t witness_count;
    struct bw_answers_site *sites;
    uint32_t site_count;
    struct bw_answers_group *groups;
    uint32_t group_count;
    const char *image; /* of breakwater, and of its tools, for Kubernetes; NULL: not said */
    const char *tools_image;
    struct bw_document document; /* stays open */
};

extern const struct bw_table bw_answers_table;
extern const struct bw_table bw_set_table;

/* Loads and checks FILE, and the sets that it names, which are beside `deploy`. NULL: `problems` says what is wrong. */
struct bw_answers *bw_answers_load(const char *file, const char *deploy, struct bw_problems *problems);
/* Accepts NULL. */
void bw_answers_free(struct bw_answers *answers);

/* Calls `use` with the name of each file of a folder of scripts that goes to a machine: no pages, no manifests. False: the folder
 * cannot be read. */
bool bw_answers_each_script(const char *folder, void (*use)(const char *name, bool is_executable, void *with), void *with);

/* HOST:PORT, with brackets around an IPv6 address. False: it is longer than an address may be. */
bool bw_answers_address(const char *host, uint32_t port, char out_address[BW_ADDRESS_MAX + 1]);
/* The site of that name; NULL: there is none. */
const struct bw_answers_site *bw_answers_find_site(const struct bw_answers *answers, const char *name);
/* The variable of that name; NULL: no script of the group is known to read it. */
const struct bw_answers_variable *bw_answers_find_variable(const struct bw_answers_group *group, const char *name);
/* The member of `group` at that site; NULL: the group does not run there. */
const struct bw_answers_member *bw_answers_member_at(const struct bw_answers_group *group, const char *site);

#endif
