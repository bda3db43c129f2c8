/* parts.h - what the files of `generate` share: one machine or cluster of the plan, and what each file writes of it. */
#ifndef BW_GENERATE_PARTS_H
#define BW_GENERATE_PARTS_H

#include <breakwater/generate/generate.h>

#define BW_AGENT_NAME  "agent"
#define BW_SECOND_NAME "second"
#define BW_SECOND_PORT 7410

struct bw_generation {
    const struct bw_answers *answers;
    const char *deploy;
    struct bw_tree *tree;
};

/* A site's agent and guard, or its second enforcer. */
struct bw_site_part {
    const struct bw_answers_site *site;
    bool is_second;
    char folder[BW_NAME_MAX + 16];
};

/* ---- yaml.c: values and nodes as YAML */

/* What stands for the variables of a set's text at one site. */
struct bw_fillings {
    const char *scripts; /* $SCRIPTS */
    const char *site;
    const char *address;
    const char *peers;          /* $PEERS: names, apart by spaces */
    const char *peer_addresses; /* apart by commas */
};

/* In quotes where it needs some. */
void bw_yaml_text(FILE *out, const char *text);
/* `text` with its $NAMES filled in, into `out` of `size` bytes. False: it does not fit. */
bool bw_fill(const char *text, const struct bw_fillings *fillings, char *out, size_t size);
/* `key: VALUE` of a node, `indent` spaces in. */
void bw_yaml_pair(FILE *out, const char *key, const struct bw_node *value, unsigned indent, const struct bw_fillings *fillings);

/* ---- certificates.c */

/* The folder ca. */
void bw_generate_ca(struct bw_generation *generation);
/* The certificate of `subject` at `name`: the one that is there, if it is of that subject and those names, or a new one.
 * `san`: "dns:NAME", "ip:ADDRESS" or NULL. */
void bw_generate_certificate(struct bw_generation *generation, const char *subject, const char *san, const char *name);
/* ca.pem into a folder. */
void bw_generate_trust(struct bw_generation *generation, const char *folder);

/* ---- site.c */

void bw_generate_site(struct bw_generation *generation, const struct bw_site_part *part);
/* groups.yaml of all groups. */
void bw_generate_groups(struct bw_generation *generation, const char *name);
/* The value of a variable of the group's set at a site. False: it has none. */
bool bw_generate_variable(const struct bw_answers *answers, const struct bw_answers_group *group,
                          const struct bw_answers_site *site, const char *name, char *out, size_t size);

/* ---- kubernetes.c */

void bw_generate_witness_overlay(struct bw_generation *generation, const struct bw_answers_witness *witness);
/* Once, with the files of both parts in the folder. */
void bw_generate_site_overlay(struct bw_generation *generation, const struct bw_answers_site *site);

/* ---- install.c: INSTALL.txt, and the units for a machine without the package */

void bw_install_witness(struct bw_generation *generation, const struct bw_answers_witness *witness);
void bw_install_site(struct bw_generation *generation, const struct bw_site_part *part);
void bw_install_operator(struct bw_generation *generation, const char *name);
void bw_install_order(struct bw_generation *generation);

#endif
