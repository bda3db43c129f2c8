/* tree.h - a folder that is made whole, beside the one that it replaces, and takes its place in one step.
 *
 * What a run has written stands in the list `generated` of the folder: a later run replaces or removes that alone, and keeps
 * every other file. The first failure stays in `err` and `diag`; what is asked for after it is not done. */
#ifndef BW_GENERATE_TREE_H
#define BW_GENERATE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include <breakwater/base/diag.h>

#define BW_TREE_PATH_BYTES 4096

struct bw_tree {
    char dir[BW_TREE_PATH_BYTES];   /* what is to be there in the end */
    char fresh[BW_TREE_PATH_BYTES]; /* what is made */
    bool is_replaced;               /* `dir` is there already */
    bool is_made;                   /* `fresh` is there */
    char **files;                   /* what was written, paths within */
    size_t file_count;
    enum bw_err err;
    struct bw_diag diag;
};

/* Makes the folder DIR.new. BW_ERR_EXISTS: that is there, or `dir` holds something that no run has made. */
enum bw_err bw_tree_begin(struct bw_tree *tree, const char *dir);
/* Removes what was made. Accepts one that has failed, or was put in place. */
void bw_tree_end(struct bw_tree *tree);

/* The whole path of what a run before has left, or makes now. */
void bw_tree_old_path(const struct bw_tree *tree, const char *name, char out_path[BW_TREE_PATH_BYTES]);
void bw_tree_fresh_path(struct bw_tree *tree, const char *name, char out_path[BW_TREE_PATH_BYTES]);

/* An earlier run has written that file, by its list. */
bool bw_tree_was_written(struct bw_tree *tree, const char *name);

/* Makes the folders on the way to `name`, and puts it on the list. Others write the file, before bw_tree_changes. */
bool bw_tree_announce(struct bw_tree *tree, const char *name);
/* A file to be written, and closed by bw_tree_close. NULL: it failed. */
FILE *bw_tree_open(struct bw_tree *tree, const char *name, mode_t mode);
void bw_tree_close(struct bw_tree *tree, FILE *file, const char *name);
void bw_tree_copy(struct bw_tree *tree, const char *from, const char *name, mode_t mode);
void bw_tree_make_dir(struct bw_tree *tree, const char *name, mode_t mode);

/* Prints what differs from what a run before has made, a line for each file; keys and certificates by name alone. Returns
 * how many files those are. */
size_t bw_tree_changes(struct bw_tree *tree, FILE *out);
/* Puts the folder in place, with the files of the old one that are on no list. */
enum bw_err bw_tree_commit(struct bw_tree *tree);

#endif
