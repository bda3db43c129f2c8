/* set_config.h - set.yaml of a script set: what `generate` has to know of it. Which variables it takes, and what stands of it in
 * site.yaml and groups.yaml unless the answers say otherwise. */
#ifndef BW_CONFIG_SET_CONFIG_H
#define BW_CONFIG_SET_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/config/document.h>
#include <breakwater/config/schema.h>
#include <breakwater/config/site_config.h>
#include <breakwater/core/spec.h>

#define BW_SET_VARIABLES_MAX 64
#define BW_SET_FOLDERS_MAX   16
#define BW_SET_ROLE_NAMES_MAX 8
#define BW_SET_PATH_BYTES    4096

/* Where the value of a variable is written. GROUP: all sites need the same value. */
enum bw_variable_place { BW_VARIABLE_EITHER, BW_VARIABLE_GROUP, BW_VARIABLE_SITE };

struct bw_set_variable {
    const char *name;
    enum bw_variable_place place;
    bool is_required;
    bool differs;      /* no two sites may have the same value */
    bool is_file;      /* its value is a path; the operator puts the file there */
    bool is_namespace; /* its value is a namespace, and replaces `value` in the manifests of the set */
    const char *const *role_names; /* objects that roles of the set name: the part `value`, or all of it, is the variable's */
    uint32_t role_name_count;
    const char *script; /* the only script that reads it; NULL: any of the set */
    const char *value; /* without an answer; NULL: the variable is left out */
    const char *example;
    const char *help;
};

/* Its documents stay open: `generate` copies nodes of theirs. */
struct bw_set_config {
    struct bw_config_arena arena;
    struct bw_document document;
    const char *name; /* of its folder */
    const char *help;
    const char *const *folders; /* of scripts that it needs, names */
    uint32_t folder_count;
    const char *const *manifests; /* the same of roles for Kubernetes */
    uint32_t manifest_count;
    const struct bw_set_variable *variables;
    uint32_t variable_count;
    struct bw_spec group; /* what `group:` has; bw_document_find says which keys those are */
    bool is_whole;        /* it has what runs a service; else its scripts are steps of other sets */
};

/* The folder of the scripts NAME beside `deploy`, a clone's or an installed one. False: there is none. */
bool bw_set_folder(const char *deploy, const char *name, char out_folder[BW_SET_PATH_BYTES]);
/* The nearest set to a word that names none; "": there are no sets at all. `out_known` has all names. */
void bw_set_suggest(const char *deploy, const char *word, char *out_nearest, size_t nearest_size, char *out_known,
                    size_t known_size);
/* Loads and checks the set. NULL: `problems` has what is wrong with its file. */
struct bw_set_config *bw_set_config_load(const char *folder, struct bw_problems *problems);
/* Accepts NULL. */
void bw_set_config_free(struct bw_set_config *set);

/* The known name of which `name` is a slip; NULL: none, or `name` is a variable of another program, such as PATH or PGHOST. */
const char *bw_set_nearest_variable(const char *name, const char *const *known, size_t count);
/* Warns of each variable in FILE that no script set of its group knows, by the set.yaml in the folder of the group's scripts. `site`
 * was loaded from FILE. */
void bw_site_variables_check(const char *file, const struct bw_site_config *site, struct bw_problems *problems);

#endif
