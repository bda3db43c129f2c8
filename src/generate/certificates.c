#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/pki.h>

#include "parts.h"

#define CA        "ca/" BW_PKI_CA_FILE
#define CA_KEY    "ca/" BW_PKI_CA_KEY_FILE
#define SAN_BYTES (BW_PKI_SAN_MAX + 1)

static bool has_old(const struct bw_tree *tree, const char *name, char out_path[BW_TREE_PATH_BYTES])
{
    bw_tree_old_path(tree, name, out_path);
    return tree->is_replaced && access(out_path, F_OK) == 0;
}

/* ---- the CA ---------------------------------------------------------------------------------- */

/* "O=breakwater,CN=prod", in whichever order. */
static bool is_of_cluster(const char *subject, const char *cluster)
{
    char wanted[BW_NAME_MAX + 8];
    const char *at;

    (void)snprintf(wanted, sizeof wanted, "CN=%s", cluster);
    at = strstr(subject, wanted);
    return at != NULL && (at[strlen(wanted)] == '\0' || at[strlen(wanted)] == ',');
}

static void keep_ca(struct bw_generation *generation, const char *old, struct bw_pki_file *shown)
{
    struct bw_tree *tree = generation->tree;
    char key[BW_TREE_PATH_BYTES];

    tree->err = bw_pki_show(old, shown, &tree->diag);
    if (tree->err == BW_OK && !is_of_cluster(shown->certificates[0].subject, generation->answers->cluster))
        tree->err = bw_diag_set(&tree->diag, BW_ERR_REFUSED,
                                "%s is the CA of another cluster (%s) than %s; choose another --out, or write that name", old,
                                shown->certificates[0].subject, generation->answers->cluster);
    bw_tree_copy(tree, old, CA, 0644);
    if (has_old(tree, CA_KEY, key)) /* an operator may keep it elsewhere between two runs */
        bw_tree_copy(tree, key, CA_KEY, 0600);
}

static void make_ca(struct bw_generation *generation)
{
    struct bw_tree *tree = generation->tree;
    char dir[BW_TREE_PATH_BYTES];

    if (tree->is_replaced) {
        bw_tree_old_path(tree, CA, dir);
        tree->err = bw_diag_set(&tree->diag, BW_ERR_NOT_FOUND,
                                "%s is not there: all certificates in %s come from that CA; put it back", dir, tree->dir);
        return;
    }
    bw_tree_fresh_path(tree, "ca", dir);
    if (bw_tree_announce(tree, CA) && bw_tree_announce(tree, CA_KEY))
        tree->err = bw_pki_init(generation->answers->cluster, dir, &tree->diag);
}

void bw_generate_ca(struct bw_generation *generation)
{
    struct bw_tree *tree = generation->tree;
    struct bw_pki_file *shown = malloc(sizeof *shown);
    char old[BW_TREE_PATH_BYTES];

    BW_ASSERT(shown != NULL);
    bw_tree_make_dir(tree, "ca", 0700);
    if (tree->err == BW_OK && has_old(tree, CA, old))
        keep_ca(generation, old, shown);
    else if (tree->err == BW_OK)
        make_ca(generation);
    free(shown);
}

void bw_generate_trust(struct bw_generation *generation, const char *folder)
{
    char from[BW_TREE_PATH_BYTES];
    char name[BW_TREE_PATH_BYTES];

    bw_tree_fresh_path(generation->tree, CA, from);
    (void)snprintf(name, sizeof name, "%s/" BW_PKI_CA_FILE, folder);
    bw_tree_copy(generation->tree, from, name, 0644);
}

/* ---- leaves ---------------------------------------------------------------------------------- */

static bool is_wanted(const char *path, const char *identity, const char *san, struct bw_pki_file *shown)
{
    const struct bw_pki_certificate *own = &shown->certificates[0];
    struct bw_diag diag = {0};
    size_t names = 0;
    bool is_named = san == NULL;

    if (bw_pki_show(path, shown, &diag) != BW_OK || !shown->has_key || strcmp(own->identity, identity) != 0)
        return false;
    for (size_t i = 0; i < own->sans_count; i++) {
        names += strncmp(own->sans[i], "uri:", 4) != 0;
        is_named = is_named || strcmp(own->sans[i], san) == 0;
    }
    return is_named && names == (san != NULL);
}

void bw_generate_certificate(struct bw_generation *generation, const char *subject, const char *san, const char *name)
{
    struct bw_tree *tree = generation->tree;
    struct bw_pki_file *shown = malloc(sizeof *shown);
    char identity[BW_PKI_SAN_MAX + 1];
    char old[BW_TREE_PATH_BYTES];
    char dir[BW_TREE_PATH_BYTES];
    char path[BW_TREE_PATH_BYTES];
    char written[BW_PKI_PATH_MAX];

    BW_ASSERT(shown != NULL);
    bw_tree_fresh_path(tree, "ca", dir);
    bw_tree_fresh_path(tree, name, path);
    (void)snprintf(identity, sizeof identity, "breakwater://%s/%s", generation->answers->cluster, subject); /* names: fits */
    const struct bw_pki_request request = {.dir = dir,
                                           .subject = subject,
                                           .sans = &san,
                                           .sans_count = san != NULL,
                                           .days = generation->answers->certificate_days,
                                           .out_path = path};
    if (tree->err == BW_OK && has_old(tree, name, old) && is_wanted(old, identity, san, shown))
        bw_tree_copy(tree, old, name, 0600);
    else if (bw_tree_announce(tree, name))
        tree->err = bw_pki_issue(&request, written, &tree->diag);
    free(shown);
}
