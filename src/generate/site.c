/* site.yaml of a site or its second enforcer, the scripts that it names, and groups.yaml. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/config/scalar.h>
#include <breakwater/core/spec_keys.h>

#include "parts.h"

#define LIST_BYTES  4096
#define VALUE_BYTES 8192
#define HEAD        "# Written by breakwater generate, for %s. Change the answers, not this file, and run it again.\n"

/* ---- what a set's texts are filled with ------------------------------------------------------ */

struct filled {
    struct bw_fillings fillings;
    char peers[LIST_BYTES];
    char addresses[LIST_BYTES];
};

static void append(char list[LIST_BYTES], const char *separator, const char *word)
{
    const size_t used = strlen(list);

    (void)snprintf(list + used, LIST_BYTES - used, "%s%s", used > 0 ? separator : "", word); /* 8 names of 253 bytes: fits */
}

static void fill_for(const struct bw_answers *answers, const struct bw_answers_group *group, const struct bw_answers_site *site,
                     struct filled *out)
{
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct bw_answers_site *other = bw_answers_find_site(answers, group->members[i].spec.name);

        if (other == site)
            continue;
        append(out->peers, " ", other->name);
        append(out->addresses, ",", other->host);
    }
    out->fillings = (struct bw_fillings){.scripts = site->namespace[0] != '\0' ? "/opt/bin" : "scripts",
                                         .site = site->name,
                                         .address = site->host,
                                         .peers = out->peers,
                                         .peer_addresses = out->addresses};
}

/* ---- variables ------------------------------------------------------------------------------- */

static const char *given(const struct bw_answers_group *group, const char *site, const char *name)
{
    const struct bw_answers_member *member = bw_answers_member_at(group, site);

    for (uint32_t i = 0; i < member->env_count; i++)
        if (strcmp(member->env[i].name, name) == 0)
            return member->env[i].value;
    for (uint32_t i = 0; i < group->env_count; i++)
        if (strcmp(group->env[i].name, name) == 0)
            return group->env[i].value;
    return NULL;
}

static bool value_of(const struct bw_answers_group *group, const struct bw_fillings *fillings, const char *name, char *out,
                     size_t size)
{
    const char *value = given(group, fillings->site, name);
    const struct bw_answers_variable *variable = bw_answers_find_variable(group, name);

    if (value != NULL) {
        (void)snprintf(out, size, "%s", value); /* at most 4096 bytes: fits */
        return true;
    }
    return variable != NULL && variable->is_used && variable->of.value != NULL &&
           bw_fill(variable->of.value, fillings, out, size);
}

bool bw_generate_variable(const struct bw_answers *answers, const struct bw_answers_group *group,
                          const struct bw_answers_site *site, const char *name, char *out, size_t size)
{
    struct filled filled;

    fill_for(answers, group, site, &filled);
    return value_of(group, &filled.fillings, name, out, size);
}

static void put_variable(FILE *out, const struct bw_answers_group *group, const struct bw_fillings *fillings, const char *name,
                         bool *is_headed)
{
    char value[VALUE_BYTES];

    if (!value_of(group, fillings, name, value, sizeof value))
        return;
    if (!*is_headed)
        (void)fputs("    env:\n", out);
    *is_headed = true;
    (void)fprintf(out, "      %s: ", name);
    bw_yaml_text(out, value);
    (void)putc('\n', out);
}

/* Those of the sets in their order, then the others as they were given. */
static void put_variables(FILE *out, const struct bw_answers_group *group, const struct bw_fillings *fillings)
{
    const struct bw_answers_member *member = bw_answers_member_at(group, fillings->site);
    bool is_headed = false;

    for (uint32_t i = 0; i < group->variable_count; i++)
        put_variable(out, group, fillings, group->variables[i].of.name, &is_headed);
    for (uint32_t i = 0; i < group->env_count; i++)
        if (bw_answers_find_variable(group, group->env[i].name) == NULL)
            put_variable(out, group, fillings, group->env[i].name, &is_headed);
    for (uint32_t i = 0; i < member->env_count; i++) {
        bool is_put = bw_answers_find_variable(group, member->env[i].name) != NULL;

        for (uint32_t g = 0; g < group->env_count && !is_put; g++)
            is_put = strcmp(group->env[g].name, member->env[i].name) == 0;
        if (!is_put)
            put_variable(out, group, fillings, member->env[i].name, &is_headed);
    }
}

/* ---- scripts --------------------------------------------------------------------------------- */

struct copying {
    struct bw_tree *tree;
    const char *from, *to;
};

static void copy_script(const char *script, bool is_executable, void *with)
{
    const struct copying *copying = with;
    char path[BW_TREE_PATH_BYTES];
    char name[BW_TREE_PATH_BYTES];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", copying->from, script) < sizeof path &&
        (size_t)snprintf(name, sizeof name, "%s/%s", copying->to, script) < sizeof name)
        bw_tree_copy(copying->tree, path, name, is_executable ? 0755 : 0644);
}

static void copy_folder(struct bw_generation *generation, const char *from, const char *to)
{
    struct copying copying = {.tree = generation->tree, .from = from, .to = to};

    if (!bw_answers_each_script(from, copy_script, &copying) && generation->tree->err == BW_OK)
        generation->tree->err = bw_diag_set(&generation->tree->diag, BW_ERR_NOT_FOUND, "%s cannot be read", from);
}

/* A folder of the sets, once for each part. */
static void copy_set(struct bw_generation *generation, const struct bw_site_part *part, const char *folder)
{
    char from[BW_SET_PATH_BYTES];
    char to[BW_TREE_PATH_BYTES];
    char there[BW_TREE_PATH_BYTES];

    (void)snprintf(to, sizeof to, "%s/scripts/%s", part->folder, folder); /* names: fits */
    bw_tree_fresh_path(generation->tree, to, there);
    if (generation->tree->err != BW_OK || access(there, F_OK) == 0)
        return;
    if (bw_set_folder(generation->deploy, folder, from))
        copy_folder(generation, from, to);
    else
        generation->tree->err = bw_diag_set(&generation->tree->diag, BW_ERR_NOT_FOUND, "no folder %s of scripts beside %s",
                                            folder, generation->deploy);
}

/* The folder of each script that the answers name below `top`: $SCRIPTS/FOLDER/... */
static void copy_named(struct bw_generation *generation, const struct bw_site_part *part, const struct bw_node *top)
{
    static const char scripts[] = "$SCRIPTS/";

    for (const struct bw_node *at = top; at != NULL; at = bw_node_after(top, at)) {
        const bool is_named = strncmp(at->text, scripts, sizeof scripts - 1) == 0;
        const char *folder = is_named ? at->text + sizeof scripts - 1 : "";
        char name[BW_NAME_MAX + 1];

        if (is_named && snprintf(name, sizeof name, "%.*s", (int)strcspn(folder, "/"), folder) < (int)sizeof name)
            copy_set(generation, part, name);
    }
}

static void copy_scripts(struct bw_generation *generation, const struct bw_site_part *part,
                         const struct bw_answers_group *group, const struct bw_node *at_sites)
{
    const bool is_pod = part->site->namespace[0] != '\0'; /* its image has the sets */
    char to[BW_TREE_PATH_BYTES];

    for (uint32_t i = 0; !is_pod && group->loaded != NULL && i < group->loaded->folder_count; i++)
        copy_set(generation, part, group->loaded->folders[i]);
    if (!is_pod && at_sites != NULL)
        copy_named(generation, part, at_sites);
    (void)snprintf(to, sizeof to, "%s/scripts/%s", part->folder, group->spec.name); /* names: fits */
    if (group->scripts != NULL && !(is_pod && part->is_second)) /* one folder has both parts */
        copy_folder(generation, group->scripts, to);
}

/* ---- site.yaml ------------------------------------------------------------------------------- */

/* Own scripts: those that are in the folder, each by the name of its key. */
static void put_own_scripts(FILE *out, const struct bw_site_part *part, const struct bw_answers_group *group,
                            const struct bw_document *document, const char *prefix)
{
    const char *folder = part->site->namespace[0] != '\0' ? "/opt/script" : "scripts"; /* the volume of agent.yaml */

    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        const char *key = bw_script_key((enum bw_action_kind)action);
        const size_t length = strlen(key) - strlen("_script");
        char path[BW_TREE_PATH_BYTES];
        char at[256];

        (void)snprintf(at, sizeof at, "%s.%s", prefix, key); /* fits */
        if (bw_document_find(document, at) == NULL &&
            (size_t)snprintf(path, sizeof path, "%s/%.*s.sh", group->scripts, (int)length, key) < sizeof path &&
            access(path, R_OK) == 0)
            (void)fprintf(out, "    %s: %s/%s/%.*s.sh\n", key, folder, group->spec.name, (int)length, key);
    }
}

/* What the set says, unless the answers say it. */
static void put_pairs(FILE *out, const struct bw_node *from, const struct bw_document *unless_in, const char *prefix,
                      const struct bw_fillings *fillings)
{
    for (const struct bw_node *name = from != NULL ? from->first : NULL; name != NULL; name = name->next->next) {
        char at[256];

        (void)snprintf(at, sizeof at, "%s.%s", prefix, name->text); /* fits */
        if (unless_in == NULL || bw_document_find(unless_in, at) == NULL)
            bw_yaml_pair(out, name->text, name->next, 4, fillings);
    }
}

static void put_group(struct bw_generation *generation, const struct bw_site_part *part, FILE *out, uint32_t index)
{
    const struct bw_answers_group *group = &generation->answers->groups[index];
    const struct bw_document *document = &generation->answers->document;
    const struct bw_node *at_sites;
    char prefix[64];
    struct filled filled;

    fill_for(generation->answers, group, part->site, &filled);
    (void)snprintf(prefix, sizeof prefix, "groups[%" PRIu32 "].at_sites", index);
    at_sites = bw_document_find(document, prefix);
    (void)fprintf(out, "  - name: %s\n", group->spec.name);
    put_pairs(out, at_sites, NULL, "", &filled.fillings);
    if (group->loaded != NULL)
        put_pairs(out, bw_document_find(&group->loaded->document, "site"), document, prefix, &filled.fillings);
    if (group->scripts != NULL)
        put_own_scripts(out, part, group, document, prefix);
    put_variables(out, group, &filled.fillings);
}

static void put_witnesses(const struct bw_answers *answers, FILE *out, const char *key)
{
    char address[BW_ADDRESS_MAX + 1];

    (void)fprintf(out, "%s: [", key);
    for (uint32_t i = 0; i < answers->witness_count; i++) {
        (void)bw_answers_address(answers->witnesses[i].host, answers->witnesses[i].port, address); /* was checked */
        (void)fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", address);
    }
    (void)fputs("]\n", out);
}

static void put_path(FILE *out, const char *key, const char *path)
{
    if (path == NULL)
        return;
    (void)fprintf(out, "%s: ", key);
    bw_yaml_text(out, path);
    (void)putc('\n', out);
}

/* In a pod the agent is reached by its Service. */
static void put_second(FILE *out, const struct bw_site_part *part)
{
    const bool is_pod = part->site->namespace[0] != '\0';
    char address[BW_ADDRESS_MAX + 1];

    if (part->is_second) {
        (void)bw_answers_address(is_pod ? "disaster-recovery" : part->site->host, BW_SECOND_PORT, address); /* was checked */
        (void)fprintf(out, "second_enforcer: {agent: \"%s\"}\n", address);
    } else if (is_pod || part->site->second != NULL) {
        (void)fprintf(out, "second_enforcer: {listen: \"0.0.0.0:%d\"}\n", BW_SECOND_PORT);
    }
}

static void put_head(FILE *out, const struct bw_answers *answers, const struct bw_site_part *part)
{
    const struct bw_answers_site *site = part->site;
    const bool is_pod = site->namespace[0] != '\0';

    (void)fprintf(out, HEAD "cluster: %s\nsite: %s\nname: %s\ntls: {ca: ca.pem, identity: %s}\n",
                  part->is_second ? "the second enforcer of this site" : "agent and guard of this site", answers->cluster,
                  site->name, part->is_second ? BW_SECOND_NAME : BW_AGENT_NAME, is_pod ? "identity.pem" : "agent.pem");
    put_witnesses(answers, out, "witnesses");
    put_second(out, part);
    if (!part->is_second && (is_pod || site->health_listen[0] != '\0'))
        (void)fprintf(out, "health_listen: \"%s\"\n", site->health_listen[0] != '\0' ? site->health_listen : "0.0.0.0:7480");
    put_path(out, "state_dir", site->state_dir);
    put_path(out, "run_dir", site->run_dir);
    put_path(out, "guard_socket", site->guard_socket);
}

void bw_generate_site(struct bw_generation *generation, const struct bw_site_part *part)
{
    const struct bw_answers *answers = generation->answers;
    const bool is_pod = part->site->namespace[0] != '\0';
    char name[BW_TREE_PATH_BYTES];
    char subject[3 * BW_NAME_MAX];
    char san[BW_NAME_MAX + 64];
    FILE *out;

    (void)snprintf(name, sizeof name, "%s/%s", part->folder, /* names: fits */
                   !part->is_second ? "site.yaml" : is_pod ? "second.yaml" : "second-enforcer.yaml");
    out = bw_tree_open(generation->tree, name, 0644);
    if (out == NULL)
        return;
    put_head(out, answers, part);
    (void)fputs("groups:\n", out);
    for (uint32_t i = 0; i < answers->group_count; i++)
        if (bw_answers_member_at(&answers->groups[i], part->site->name) != NULL)
            put_group(generation, part, out, i);
    bw_tree_close(generation->tree, out, name);
    for (uint32_t i = 0; i < answers->group_count; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "groups[%" PRIu32 "].at_sites", i);
        if (bw_answers_member_at(&answers->groups[i], part->site->name) != NULL)
            copy_scripts(generation, part, &answers->groups[i], bw_document_find(&answers->document, path));
    }
    (void)snprintf(subject, sizeof subject, "agent/%s/%s", part->site->name, part->is_second ? BW_SECOND_NAME : BW_AGENT_NAME);
    (void)snprintf(san, sizeof san, "dns:disaster-recovery-admission.%s.svc", part->site->namespace);
    (void)snprintf(name, sizeof name, "%s/%s.pem", part->folder, part->is_second && is_pod ? "second" : "agent");
    bw_generate_certificate(generation, subject, is_pod && !part->is_second ? san : NULL, name);
    if (!(is_pod && part->is_second))
        bw_generate_trust(generation, part->folder);
}

/* ---- groups.yaml ----------------------------------------------------------------------------- */

static void put_spec(const struct bw_answers *answers, FILE *out, uint32_t index)
{
    const struct bw_answers_group *group = &answers->groups[index];
    char path[128];

    (void)fprintf(out, "  - name: %s\n    sites:\n", group->spec.name);
    for (uint32_t i = 0; i < group->member_count; i++)
        (void)fprintf(out, "      - {name: %s, priority: %" PRIu32 "%s}\n", group->members[i].spec.name,
                      group->members[i].spec.priority, group->members[i].spec.never_candidate ? ", failover_candidate: false" : "");
    for (size_t k = 0; k < BW_SPEC_KEY_COUNT; k++) {
        const char *word = bw_spec_keys[k].word;
        const struct bw_node *node;

        (void)snprintf(path, sizeof path, "groups[%" PRIu32 "].%s", index, word);
        node = bw_document_find(&answers->document, path);
        (void)snprintf(path, sizeof path, "group.%s", word);
        if (node == NULL && group->loaded != NULL)
            node = bw_document_find(&group->loaded->document, path);
        if (node != NULL)
            (void)fprintf(out, "    %s: %s\n", word, node->text); /* a word or a number: it was read as one */
    }
}

void bw_generate_groups(struct bw_generation *generation, const char *name)
{
    FILE *out = bw_tree_open(generation->tree, name, 0644);

    if (out == NULL)
        return;
    (void)fprintf(out, HEAD "groups:\n", "`breakwater apply`");
    for (uint32_t i = 0; i < generation->answers->group_count; i++)
        put_spec(generation->answers, out, i);
    bw_tree_close(generation->tree, out, name);
}
