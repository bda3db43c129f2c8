/* A flat kustomization of each witness and site in Kubernetes, of the manifests that are delivered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#include "parts.h"

#define REPLACED_MAX 16
#define NAME_BYTES   (2 * BW_NAME_MAX + 64)
#define VALUE_BYTES  4096
#define NAMESPACE_OF_MANIFESTS "system"

/* ---- what manifests name --------------------------------------------------------------------- */

struct replaced {
    char from[REPLACED_MAX][BW_NAME_MAX + 1];
    char to[REPLACED_MAX][BW_NAME_MAX + 1];
    size_t count;
};

/* Texts that are put only once. */
struct once {
    char **texts;
    size_t count;
};

/* How the manifests become those of one site or witness. Two sites of one cluster differ by their namespaces: in all names of the
 * cluster and of its machines, and in the label of the nodes. */
struct fitted {
    struct replaced replaced;
    const char *namespace; /* a label of the DNS, so a `.` before it makes a name that no other namespace makes */
    const char *scripts;   /* what the volume of the scripts has besides; "": nothing */
    struct once *once;     /* NULL: every document is put */
    const struct bw_answers *answers;
    const struct bw_answers_site *site;
    const char *set; /* the documents are the roles of this script set; NULL: they are no roles */
};

static void add(struct replaced *replaced, const char *from, const char *to)
{
    if (replaced->count == REPLACED_MAX || strlen(from) > BW_NAME_MAX || strlen(to) > BW_NAME_MAX)
        return; /* no namespace is that long, and no site has so many sets */
    (void)snprintf(replaced->from[replaced->count], BW_NAME_MAX + 1, "%s", from);
    (void)snprintf(replaced->to[replaced->count], BW_NAME_MAX + 1, "%s", to);
    replaced->count++;
}

/* The namespaces that the answers give for the set of this group; two groups of one set may have different ones. */
static void find_namespaces(const struct bw_answers *answers, const struct bw_answers_group *group, const struct bw_answers_site *site,
                            struct replaced *replaced)
{
    char value[BW_NAME_MAX + 1];

    *replaced = (struct replaced){0};
    add(replaced, NAMESPACE_OF_MANIFESTS, site->namespace);
    for (uint32_t v = 0; v < group->variable_count; v++) {
        const struct bw_set_variable *variable = &group->variables[v].of;

        if (variable->is_namespace && variable->value != NULL &&
            bw_generate_variable(answers, group, site, variable->name, value, sizeof value))
            add(replaced, variable->value, value);
    }
}

static bool ends_word(char c)
{
    return strchr("abcdefghijklmnopqrstuvwxyz0123456789-", c) == NULL || c == '\0';
}

/* Returns the namespace that replaces the one at `text`; NULL: none does. */
static const char *namespace_at(const struct replaced *replaced, const char *text, size_t *out_length)
{
    for (size_t i = 0; i < replaced->count; i++) {
        const size_t length = strlen(replaced->from[i]);

        if (strncmp(text, replaced->from[i], length) != 0 || !ends_word(text[length]))
            continue;
        *out_length = length;
        return replaced->to[i];
    }
    return NULL;
}

/* True if the key of a namespace stands before `at`. */
static bool is_namespace(const char *text, size_t at)
{
    static const char before[] = "namespace: ";

    return at >= sizeof before - 1 && strncmp(text + at - (sizeof before - 1), before, sizeof before - 1) == 0;
}

/* ---- objects that a role names --------------------------------------------------------------- */

/* True if that text was put before. Otherwise it is kept, and freed with the others. */
static bool is_repeated(struct once *once, char *text)
{
    for (size_t i = 0; i < once->count; i++)
        if (strcmp(once->texts[i], text) == 0)
            return true;
    once->texts = realloc(once->texts, (once->count + 1) * sizeof *once->texts);
    BW_ASSERT(once->texts != NULL);
    once->texts[once->count++] = text;
    return false;
}

static void forget(struct once *once)
{
    for (size_t i = 0; i < once->count; i++)
        free(once->texts[i]);
    free(once->texts);
}

/* The object `name` of a role, as the variable of the answers names it. The caller frees it. */
static char *role_name_of(const struct fitted *fitted, const struct bw_answers_group *group, const struct bw_set_variable *variable,
                          const char *name)
{
    const char *part = variable->value != NULL ? strstr(name, variable->value) : name;
    const size_t length = variable->value != NULL ? strlen(variable->value) : strlen(name);
    char value[VALUE_BYTES];
    char *text = NULL;

    if (part == NULL || !bw_generate_variable(fitted->answers, group, fitted->site, variable->name, value, sizeof value))
        text = strdup(name);
    else if (asprintf(&text, "%.*s%s%s", (int)(part - name), name, value, part + length) < 0)
        text = NULL;
    BW_ASSERT(text != NULL);
    return text;
}

/* The name of a role that the variable replaces, and that is the text of `length` bytes; NULL: none. */
static const char *find_role_name(const struct bw_set_variable *variable, const char *text, size_t length)
{
    for (uint32_t i = 0; i < variable->role_name_count; i++)
        if (strlen(variable->role_names[i]) == length && strncmp(variable->role_names[i], text, length) == 0)
            return variable->role_names[i];
    return NULL;
}

static void put_role_name(struct once *names, char *text, FILE *out)
{
    const size_t before = names->count;

    if (is_repeated(names, text))
        free(text);
    else
        (void)fprintf(out, "%s%s", before > 0 ? ", " : "", text);
}

/* True if the group has the role of `fitted->set` in the namespace that the one of the manifests becomes here. */
static bool has_role(const struct fitted *fitted, const struct bw_answers_group *group, const char *namespace)
{
    size_t ignored;
    const char *here = namespace_at(&fitted->replaced, namespace, &ignored);
    struct replaced replaced;
    const char *its;
    bool has_set = false;

    if (bw_answers_member_at(group, fitted->site->name) == NULL || group->loaded == NULL)
        return false;
    for (uint32_t m = 0; m < group->loaded->manifest_count; m++)
        has_set = has_set || strcmp(group->loaded->manifests[m], fitted->set) == 0;
    find_namespaces(fitted->answers, group, fitted->site, &replaced);
    its = namespace_at(&replaced, namespace, &ignored);
    return has_set && here != NULL && its != NULL && strcmp(here, its) == 0;
}

/* Puts the objects that stand for `name` in a role of the manifests in `namespace`: those of all groups with this role. */
static void put_role_names(const struct fitted *fitted, const char *namespace, const char *name, size_t length, FILE *out)
{
    struct once names = {0};

    for (uint32_t g = 0; g < fitted->answers->group_count; g++) {
        const struct bw_answers_group *group = &fitted->answers->groups[g];
        char *text = NULL;

        if (!has_role(fitted, group, namespace))
            continue;
        for (uint32_t v = 0; v < group->variable_count && text == NULL; v++) {
            const char *role_name = group->variables[v].is_used ? find_role_name(&group->variables[v].of, name, length) : NULL;

            if (role_name != NULL)
                text = role_name_of(fitted, group, &group->variables[v].of, role_name);
        }
        if (text == NULL)
            text = strndup(name, length); /* no variable of this group names the object */
        BW_ASSERT(text != NULL);
        put_role_name(&names, text, out);
    }
    if (names.count == 0)
        (void)fprintf(out, "%.*s", (int)length, name); /* no variable gives the namespace */
    forget(&names);
}

/* Returns the place of the document's namespace; 0: it has none. */
static size_t find_namespace(const char *document)
{
    static const char metadata[] = "\nmetadata: {";
    size_t at = 0;

    while (document[at] != '\0' && strncmp(document + at, metadata, sizeof metadata - 1) != 0)
        at++;
    at += document[at] != '\0'; /* into the line */
    while (document[at] != '\0' && document[at] != '\n' && !is_namespace(document, at))
        at++;
    return is_namespace(document, at) ? at : 0;
}

/* Puts the names of `resourceNames: [NAME]` at `at`. How much of the text that is; 0: there is no such name. */
static size_t copy_role_names(const struct fitted *fitted, const char *text, size_t at, FILE *out)
{
    static const char key[] = "resourceNames: [";
    const size_t length = strcspn(text + at, ",]\n");

    if (fitted->set == NULL || at < sizeof key - 1 || strncmp(text + at - (sizeof key - 1), key, sizeof key - 1) != 0 || length == 0 ||
        find_namespace(text) == 0)
        return 0;
    put_role_names(fitted, text + find_namespace(text), text + at, length, out);
    return length;
}

/* The length of a name at `text` which is the cluster's, or a folder of its machines; 0: there is none. */
static size_t own_name_at(const char *text, bool is_cluster_wide)
{
    static const char name[] = "name: breakwater-", path[] = "path: /run/breakwater-";
    const size_t length = is_cluster_wide && strncmp(text, name, sizeof name - 1) == 0 ? sizeof name - 1
                          : strncmp(text, path, sizeof path - 1) == 0                  ? sizeof path - 1
                                                                                       : 0;

    return length == 0 ? 0 : length + strspn(text + length, "abcdefghijklmnopqrstuvwxyz0123456789-");
}

/* The value of the label of breakwater's nodes. */
static bool is_node_label(const char *text, size_t at)
{
    static const char key[] = "key: breakwater,";
    size_t begin = at;

    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    for (; begin < at; begin++)
        if (strncmp(text + begin, key, sizeof key - 1) == 0)
            return strncmp(text + at, "\"yes\"", 5) == 0;
    return false;
}

/* Puts what stands for the text at `at`. How much of the text that is. */
static size_t copy_word(const struct fitted *fitted, const char *text, size_t at, bool is_cluster_wide, FILE *out)
{
    static const char scripts[] = "          - configMap: {name: disaster-recovery-config, optional: true}\n";
    size_t length = own_name_at(text + at, is_cluster_wide);
    const char *to;

    if (length > 0) {
        (void)fprintf(out, "%.*s.%s", (int)length, text + at, fitted->namespace);
        return length;
    }
    if (strncmp(text + at, scripts, sizeof scripts - 1) == 0) {
        (void)fprintf(out, "%s%s", scripts, fitted->scripts);
        return sizeof scripts - 1;
    }
    if (is_node_label(text, at)) {
        (void)fprintf(out, "\"%s\"", fitted->namespace);
        return 5;
    }
    length = copy_role_names(fitted, text, at, out);
    if (length > 0)
        return length;
    to = is_namespace(text, at) ? namespace_at(&fitted->replaced, text + at, &length) : NULL;
    if (to == NULL) {
        (void)putc(text[at], out);
        return 1;
    }
    (void)fputs(to, out);
    return length;
}

static void copy_document(const struct fitted *fitted, const char *text, FILE *out)
{
    const bool is_cluster_wide = strstr(text, "\nkind: ClusterRole") != NULL; /* or its binding */
    char *fit = NULL;
    size_t size = 0;
    FILE *memory;

    if (strstr(text, "\nkind: Namespace\n") != NULL)
        return; /* it may be the service's own: what deletes all of this must not delete that */
    memory = open_memstream(&fit, &size);
    BW_ASSERT(memory != NULL);
    for (size_t at = 0; text[at] != '\0';)
        at += copy_word(fitted, text, at, is_cluster_wide, memory);
    BW_ASSERT(fclose(memory) == 0);
    if (fitted->once == NULL || !is_repeated(fitted->once, fit)) {
        (void)fputs(fit, out);
        fit = fitted->once != NULL ? NULL : fit;
    }
    free(fit);
}

/* A document of the file, with the line that ends it; the caller frees it. NULL: there is none. */
static char *next_document(FILE *in)
{
    char *line = NULL;
    char *text = NULL;
    size_t room = 0;
    size_t size = 0;
    FILE *out = NULL;

    while ((out == NULL || strcmp(line, "---\n") != 0) && getline(&line, &room, in) > 0) {
        out = out != NULL ? out : open_memstream(&text, &size);
        BW_ASSERT(out != NULL);
        (void)fputs(line, out);
    }
    free(line);
    if (out != NULL)
        BW_ASSERT(fclose(out) == 0);
    return text;
}

/* The caller frees it. "": the file has no document that is put. */
static char *fit_manifest(struct bw_tree *tree, const char *path, const struct fitted *fitted)
{
    FILE *in = fopen(path, "re");
    char *text = NULL;
    char *document;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    BW_ASSERT(out != NULL);
    if (in == NULL && tree->err == BW_OK)
        tree->err = bw_diag_set(&tree->diag, BW_ERR_NOT_FOUND, "%s is not there; name the folder deploy with --deploy",
                                path);
    while (in != NULL && (document = next_document(in)) != NULL) {
        copy_document(fitted, document, out);
        free(document);
    }
    BW_ASSERT(fclose(out) == 0);
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return text;
}

static void copy_manifest(struct bw_generation *generation, const char *path, const struct fitted *fitted, const char *name)
{
    char *text = fit_manifest(generation->tree, path, fitted);
    FILE *out = bw_tree_open(generation->tree, name, 0644);

    if (out != NULL)
        (void)fputs(text, out);
    bw_tree_close(generation->tree, out, name);
    free(text);
}

/* A manifest of `deploy` into the folder. */
static void copy_shipped(struct bw_generation *generation, const char *from, const struct fitted *fitted, const char *folder,
                         const char *to)
{
    char path[BW_TREE_PATH_BYTES];
    char name[NAME_BYTES];

    (void)snprintf(path, sizeof path, "%.3900s/kubernetes/%.128s", generation->deploy, from); /* fits, or is not there */
    (void)snprintf(name, sizeof name, "%s/manifests/%s", folder, to);
    copy_manifest(generation, path, fitted, name);
}

/* ---- images ---------------------------------------------------------------------------------- */

static void put_image(FILE *out, const char *name, const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *colon = strrchr(slash != NULL ? slash : image, ':');

    (void)fprintf(out, "- name: %s\n  newName: ", name);
    if (colon == NULL) {
        bw_yaml_text(out, image);
        (void)putc('\n', out);
        return;
    }
    (void)fprintf(out, "%.*s\n  newTag: \"%s\"\n", (int)(colon - image), image, colon + 1);
}

/* ---- a witness ------------------------------------------------------------------------------- */

void bw_generate_witness_overlay(struct bw_generation *generation, const struct bw_answers_witness *witness)
{
    struct fitted fitted = {.namespace = witness->namespace, .scripts = ""};
    char name[NAME_BYTES];
    FILE *out;

    add(&fitted.replaced, NAMESPACE_OF_MANIFESTS, witness->namespace);
    copy_shipped(generation, "witness/witness.yaml", &fitted, witness->name, "witness.yaml");
    copy_shipped(generation, "witness/repair.yaml", &fitted, witness->name, "repair.yaml");
    (void)snprintf(name, sizeof name, "%s/kustomization.yaml", witness->name);
    out = bw_tree_open(generation->tree, name, 0644);
    if (out == NULL)
        return;
    (void)fprintf(out,
                  "# Written by breakwater generate. Change the answers, not this file.\n"
                  "resources: [manifests/witness.yaml, manifests/repair.yaml]\n"
                  "configMapGenerator:\n- name: breakwater-witness\n  namespace: %s\n  files: [witness.yaml, cluster-id]\n%s"
                  "secretGenerator:\n- name: breakwater-witness-tls\n  namespace: %s\n"
                  "  files: [ca.pem, identity.pem=witness.pem]\n"
                  "generatorOptions:\n  disableNameSuffixHash: true\nimages:\n",
                  witness->namespace, witness->has_joined ? "  literals: [join=yes]\n" : "", witness->namespace);
    put_image(out, "breakwater", generation->answers->image);
    bw_tree_close(generation->tree, out, name);
    if (!witness->is_first)
        return; /* its file is written with the id that the first one prints */
    (void)snprintf(name, sizeof name, "%s/cluster-id", witness->name);
    bw_tree_close(generation->tree, bw_tree_open(generation->tree, name, 0644), name);
}

/* ---- a site ---------------------------------------------------------------------------------- */

/* Those of harbor-operator have the account, and the namespace, in their file. */
static bool has_account(const struct bw_answers *answers, const struct bw_answers_site *site)
{
    for (uint32_t g = 0; g < answers->group_count; g++) {
        const struct bw_set_config *set = answers->groups[g].loaded;

        for (uint32_t m = 0; set != NULL && m < set->manifest_count; m++)
            if (strcmp(set->manifests[m], "harbor-operator") == 0 &&
                bw_answers_member_at(&answers->groups[g], site->name) != NULL)
                return true;
    }
    return false;
}

/* The roles of one group and set, without documents that an earlier group has brought. The file is named after the group if
 * an earlier group has the manifest, too. */
static void put_roles_of(struct bw_generation *generation, const struct bw_answers_site *site, const char *group,
                         const struct fitted *fitted, FILE *kustomization)
{
    const char *manifest = fitted->set;
    char path[BW_TREE_PATH_BYTES];
    char folder[BW_SET_PATH_BYTES];
    char there[BW_TREE_PATH_BYTES];
    char name[NAME_BYTES];
    char *text;
    FILE *out;

    if (!bw_set_folder(generation->deploy, manifest, folder))
        return;
    (void)snprintf(path, sizeof path, "%.*s/%s", BW_TREE_PATH_BYTES - 64, folder,
                   strcmp(manifest, "kubernetes") == 0 ? "postgresql-rbac.yaml" : "rbac.yaml");
    text = fit_manifest(generation->tree, path, fitted);
    (void)snprintf(name, sizeof name, "%s/manifests/roles-%s.yaml", site->name, manifest);
    bw_tree_fresh_path(generation->tree, name, there);
    if (access(there, F_OK) == 0)
        (void)snprintf(name, sizeof name, "%s/manifests/roles-%s-%s.yaml", site->name, manifest, group);
    out = text[0] != '\0' ? bw_tree_open(generation->tree, name, 0644) : NULL;
    if (out != NULL) {
        (void)fputs(text, out);
        (void)fprintf(kustomization, "- %s\n", name + strlen(site->name) + 1);
    }
    bw_tree_close(generation->tree, out, name);
    free(text);
}

static void put_roles(struct bw_generation *generation, const struct bw_answers_site *site, FILE *kustomization)
{
    const struct bw_answers *answers = generation->answers;
    struct once once = {0};
    struct fitted fitted = {.namespace = site->namespace, .scripts = "", .once = &once, .answers = answers, .site = site};

    for (uint32_t g = 0; g < answers->group_count; g++) {
        const struct bw_answers_group *group = &answers->groups[g];

        if (group->loaded == NULL || bw_answers_member_at(group, site->name) == NULL)
            continue;
        find_namespaces(answers, group, site, &fitted.replaced);
        for (uint32_t m = 0; m < group->loaded->manifest_count; m++) {
            fitted.set = group->loaded->manifests[m];
            put_roles_of(generation, site, group->spec.name, &fitted, kustomization);
        }
    }
    forget(&once);
}

/* ---- own scripts: one ConfigMap, a folder of the volume for each group ------------------------ */

struct own_scripts {
    const char *group;
    FILE *items; /* of the volume */
    FILE *files; /* of the ConfigMap */
    unsigned count;
};

static void put_own_script(const char *name, bool is_executable, void *with)
{
    struct own_scripts *own = with;

    (void)fprintf(own->items, "%s{key: %s.%s, path: %s/%s, mode: %s}", own->count > 0 ? ", " : "", own->group, name, own->group, name,
                  is_executable ? "0555" : "0444");
    (void)fprintf(own->files, "%s%s.%s=scripts/%s/%s", own->count > 0 ? ", " : "", own->group, name, own->group, name);
    own->count++;
}

/* Both are freed by the caller; "": no group at the site has own scripts. */
static void list_own_scripts(const struct bw_answers *answers, const struct bw_answers_site *site, char **out_items, char **out_files)
{
    size_t items_size = 0, files_size = 0;
    struct own_scripts own = {.items = open_memstream(out_items, &items_size), .files = open_memstream(out_files, &files_size)};

    BW_ASSERT(own.items != NULL && own.files != NULL);
    for (uint32_t g = 0; g < answers->group_count; g++) {
        own.group = answers->groups[g].spec.name;
        if (answers->groups[g].scripts != NULL && bw_answers_member_at(&answers->groups[g], site->name) != NULL)
            bw_answers_each_script(answers->groups[g].scripts, put_own_script, &own);
    }
    BW_ASSERT(fclose(own.items) == 0 && fclose(own.files) == 0);
}

static void put_generators(FILE *out, const char *namespace, const char *script_files)
{
    (void)fprintf(out, "configMapGenerator:\n- name: breakwater-site\n  namespace: %s\n  files: [site.yaml, second.yaml]\n", namespace);
    if (script_files[0] != '\0')
        (void)fprintf(out, "- name: breakwater-scripts\n  namespace: %s\n  files: [%s]\n", namespace, script_files);
    (void)fprintf(out,
                  "secretGenerator:\n- name: breakwater-agent-tls\n  namespace: %s\n"
                  "  files: [ca.pem, identity.pem=agent.pem]\n"
                  "- name: breakwater-second-tls\n  namespace: %s\n  files: [ca.pem, identity.pem=second.pem]\n"
                  "generatorOptions:\n  disableNameSuffixHash: true\nimages:\n",
                  namespace, namespace);
}

void bw_generate_site_overlay(struct bw_generation *generation, const struct bw_answers_site *site)
{
    static const char *const shipped[] = {"agent.yaml", "second-enforcer.yaml", "around.yaml"};
    struct fitted fitted = {.namespace = site->namespace};
    char name[NAME_BYTES];
    char path[BW_TREE_PATH_BYTES];
    char folder[BW_SET_PATH_BYTES];
    char *items = NULL, *files = NULL, *volume = NULL;
    FILE *out;

    add(&fitted.replaced, NAMESPACE_OF_MANIFESTS, site->namespace);
    (void)snprintf(name, sizeof name, "%s/kustomization.yaml", site->name);
    out = bw_tree_open(generation->tree, name, 0644);
    if (out == NULL)
        return;
    list_own_scripts(generation->answers, site, &items, &files);
    BW_ASSERT(asprintf(&volume, "%s%s%s", items[0] != '\0' ? "          - configMap: {name: breakwater-scripts, items: [" : "", items,
                       items[0] != '\0' ? "]}\n" : "") >= 0);
    fitted.scripts = volume;
    (void)fputs("# Written by breakwater generate. Change the answers, not this file.\nresources:\n", out);
    for (size_t i = 0; i < sizeof shipped / sizeof shipped[0]; i++) {
        (void)snprintf(path, sizeof path, "site/%s", shipped[i]);
        copy_shipped(generation, path, &fitted, site->name, shipped[i]);
        (void)fprintf(out, "- manifests/%s\n", shipped[i]);
    }
    if (!has_account(generation->answers, site) && bw_set_folder(generation->deploy, "kubernetes", folder)) {
        (void)snprintf(path, sizeof path, "%.*s/account.yaml", BW_TREE_PATH_BYTES - 64, folder);
        (void)snprintf(name, sizeof name, "%s/manifests/account.yaml", site->name);
        copy_manifest(generation, path, &fitted, name);
        (void)fputs("- manifests/account.yaml\n", out);
    }
    put_roles(generation, site, out);
    put_generators(out, site->namespace, files);
    free(items);
    free(files);
    free(volume);
    put_image(out, "breakwater", generation->answers->image);
    put_image(out, "tools", generation->answers->tools_image);
    bw_tree_close(generation->tree, out, "kustomization.yaml");
}
