#include <breakwater/generate/tree.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#define LIST          "generated"
#define OPEN_DIRS_MAX 16
#define LINE_BYTES    (BW_TREE_PATH_BYTES + 2)
#define COPY_BYTES    65536

static void fail(struct bw_tree *tree, const char *what, const char *path)
{
    if (tree->err == BW_OK)
        tree->err = bw_diag_errno(&tree->diag, errno, "%s %s", what, path);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Names are short, and the folder's was checked: only a damaged list has a longer one, which is then no file's. */
static void join(const char *dir, const char *name, char out_path[BW_TREE_PATH_BYTES])
{
    if (snprintf(out_path, BW_TREE_PATH_BYTES, "%s/%s", dir, name) >= BW_TREE_PATH_BYTES)
        out_path[0] = '\0';
}

void bw_tree_old_path(const struct bw_tree *tree, const char *name, char out_path[BW_TREE_PATH_BYTES])
{
    join(tree->dir, name, out_path);
}

void bw_tree_fresh_path(struct bw_tree *tree, const char *name, char out_path[BW_TREE_PATH_BYTES])
{
    join(tree->fresh, name, out_path);
}

static bool has_file(const struct bw_tree *tree, const char *name)
{
    for (size_t i = 0; i < tree->file_count; i++)
        if (strcmp(tree->files[i], name) == 0)
            return true;
    return false;
}

/* ---- begin and end --------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static bool is_empty_or_ours(const struct bw_tree *tree)
{
    char list[BW_TREE_PATH_BYTES];

    bw_tree_old_path(tree, LIST, list);
    return access(list, R_OK) == 0 || rmdir(tree->dir) == 0; /* an empty one is made again */
}

enum bw_err bw_tree_begin(struct bw_tree *tree, const char *dir)
{
    size_t length = strlen(dir);
    struct stat status;

    memset(tree, 0, sizeof *tree);
    while (length > 1 && dir[length - 1] == '/')
        length--;
    if (length + 64 > BW_TREE_PATH_BYTES / 2)
        return tree->err = bw_diag_set(&tree->diag, BW_ERR_LIMIT, "the path of --out is too long");
    (void)snprintf(tree->dir, sizeof tree->dir, "%.*s", (int)length, dir);
    (void)snprintf(tree->fresh, sizeof tree->fresh, "%.*s.new", (int)length, dir);
    if (stat(tree->dir, &status) == 0 && !is_empty_or_ours(tree))
        return tree->err = bw_diag_set(&tree->diag, BW_ERR_EXISTS,
                                       "%s is there, and generate has not made it; choose another --out", tree->dir);
    tree->is_replaced = access(tree->dir, F_OK) == 0;
    if (mkdir(tree->fresh, 0755) != 0 && errno == EEXIST)
        return tree->err = bw_diag_set(&tree->diag, BW_ERR_EXISTS,
                                       "%s is there: another generate runs, or was killed. If none runs: rm -r %s", tree->fresh,
                                       tree->fresh);
    if (access(tree->fresh, W_OK) != 0)
        fail(tree, "make", tree->fresh);
    tree->is_made = tree->err == BW_OK;
    return tree->err;
}

void bw_tree_end(struct bw_tree *tree)
{
    if (tree->is_made)
        (void)nftw(tree->fresh, remove_one, OPEN_DIRS_MAX, FTW_DEPTH | FTW_PHYS); /* what is left is named by the next run */
    for (size_t i = 0; i < tree->file_count; i++)
        free(tree->files[i]);
    free(tree->files);
    tree->files = NULL;
    tree->file_count = 0;
    tree->is_made = false;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool make_way(struct bw_tree *tree, const char *name)
{
    char path[BW_TREE_PATH_BYTES];

    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        BW_ASSERT(snprintf(path, sizeof path, "%s/%.*s", tree->fresh, (int)(slash - name), name) < (int)sizeof path); /* see join */
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            fail(tree, "make", path);
    }
    return tree->err == BW_OK;
}

bool bw_tree_announce(struct bw_tree *tree, const char *name)
{
    char **files;

    if (tree->err != BW_OK || !make_way(tree, name))
        return false;
    files = realloc(tree->files, (tree->file_count + 1) * sizeof *files);
    BW_ASSERT(files != NULL);
    tree->files = files;
    tree->files[tree->file_count] = strdup(name);
    BW_ASSERT(tree->files[tree->file_count] != NULL);
    tree->file_count++;
    return true;
}

void bw_tree_make_dir(struct bw_tree *tree, const char *name, mode_t mode)
{
    char path[BW_TREE_PATH_BYTES];

    bw_tree_fresh_path(tree, name, path);
    if (tree->err == BW_OK && mkdir(path, mode) != 0)
        fail(tree, "make", path);
}

FILE *bw_tree_open(struct bw_tree *tree, const char *name, mode_t mode)
{
    char path[BW_TREE_PATH_BYTES];
    FILE *file = NULL;
    int fd;

    if (!bw_tree_announce(tree, name))
        return NULL;
    bw_tree_fresh_path(tree, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && fchmod(fd, mode) == 0) /* whatever the umask is */
        file = fdopen(fd, "w");
    if (file == NULL)
        fail(tree, "write", path);
    if (file == NULL && fd >= 0)
        (void)close(fd); /* nothing was written */
    return file;
}

void bw_tree_close(struct bw_tree *tree, FILE *file, const char *name)
{
    bool is_written;

    if (file == NULL)
        return;
    is_written = fflush(file) == 0 && ferror(file) == 0 && fsync(fileno(file)) == 0;
    if (!is_written)
        fail(tree, "write", name);
    if (fclose(file) != 0)
        fail(tree, "write", name);
}

void bw_tree_copy(struct bw_tree *tree, const char *from, const char *name, mode_t mode)
{
    FILE *in = tree->err == BW_OK ? fopen(from, "re") : NULL;
    char bytes[COPY_BYTES];
    FILE *out;
    size_t got;

    if (tree->err != BW_OK)
        return;
    if (in == NULL) {
        fail(tree, "read", from);
        return;
    }
    out = bw_tree_open(tree, name, mode);
    while (out != NULL && (got = fread(bytes, 1, sizeof bytes, in)) > 0)
        if (fwrite(bytes, 1, got, out) != got)
            break; /* said where it is closed */
    if (ferror(in))
        fail(tree, "read", from);
    bw_tree_close(tree, out, name);
    (void)fclose(in); /* only read from */
}

/* ---- what differs ---------------------------------------------------------------------------- */

static bool is_same(const char *path, const char *other)
{
    FILE *a = fopen(path, "re");
    FILE *b = fopen(other, "re");
    bool is_so = a != NULL && b != NULL;
    int byte = 0;

    while (is_so && byte != EOF) {
        byte = getc(a);
        is_so = byte == getc(b);
    }
    if (a != NULL)
        (void)fclose(a); /* only read from */
    if (b != NULL)
        (void)fclose(b); /* likewise */
    return is_so;
}

/* Calls `use` with each name of the list of the old folder. */
static void each_old(struct bw_tree *tree, void (*use)(struct bw_tree *tree, const char *name, void *with), void *with)
{
    char path[BW_TREE_PATH_BYTES];
    char line[LINE_BYTES];
    FILE *list;

    bw_tree_old_path(tree, LIST, path);
    list = fopen(path, "re");
    while (list != NULL && fgets(line, sizeof line, list) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#' && line[0] != '\0')
            use(tree, line, with);
    }
    if (list != NULL)
        (void)fclose(list); /* only read from */
}

struct searched {
    const char *name;
    bool is_found;
};

static void search_one(struct bw_tree *tree, const char *name, void *with)
{
    struct searched *searched = with;

    (void)tree;
    searched->is_found = searched->is_found || strcmp(name, searched->name) == 0;
}

bool bw_tree_was_written(struct bw_tree *tree, const char *name)
{
    struct searched searched = {.name = name};

    each_old(tree, search_one, &searched);
    return searched.is_found;
}

struct counted {
    FILE *out;
    size_t count;
};

static void note_removed(struct bw_tree *tree, const char *name, void *with)
{
    struct counted *counted = with;

    if (has_file(tree, name))
        return;
    (void)fprintf(counted->out, "removed  %s\n", name);
    counted->count++;
}

static bool is_secret(const char *name)
{
    const char *end = strrchr(name, '.');

    return end != NULL && (strcmp(end, ".pem") == 0 || strcmp(end, ".key") == 0);
}

/* The program diff prints the lines that differ. A machine without that program has the names of the files alone. */
static void print_lines(const char *name, char *old, char *fresh)
{
    char *const words[] = {(char[]){"diff"}, (char[]){"-u"}, (char[]){"-L"}, (char *)name,
                           (char[]){"-L"}, (char *)name, old, fresh, NULL};
    pid_t pid;
    int status;

    if (posix_spawnp(&pid, words[0], NULL, NULL, words, environ) == 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
}

size_t bw_tree_changes(struct bw_tree *tree, FILE *out)
{
    struct counted counted = {.out = out};

    for (size_t i = 0; i < tree->file_count && tree->err == BW_OK; i++) {
        char old[BW_TREE_PATH_BYTES];
        char fresh[BW_TREE_PATH_BYTES];
        const bool is_new = (bw_tree_old_path(tree, tree->files[i], old), access(old, F_OK) != 0);

        bw_tree_fresh_path(tree, tree->files[i], fresh);
        if (!is_new && is_same(old, fresh))
            continue;
        (void)fprintf(out, "%s  %s\n", is_new ? "new    " : "changed", tree->files[i]);
        (void)fflush(out); /* before what diff prints */
        if (!is_new && !is_secret(tree->files[i]))
            print_lines(tree->files[i], old, fresh);
        counted.count++;
    }
    each_old(tree, note_removed, &counted);
    return counted.count;
}

/* ---- in its place ---------------------------------------------------------------------------- */

/* What the walk over the old folder needs; nftw passes nothing on. */
static struct {
    struct bw_tree *tree;
    char **names;
    size_t name_count;
} kept;

static void remember(struct bw_tree *tree, const char *name, void *with)
{
    (void)tree;
    (void)with;
    kept.names = realloc(kept.names, (kept.name_count + 1) * sizeof *kept.names);
    BW_ASSERT(kept.names != NULL);
    kept.names[kept.name_count] = strdup(name);
    BW_ASSERT(kept.names[kept.name_count] != NULL);
    kept.name_count++;
}

static int keep_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    const char *name = path + strlen(kept.tree->dir) + 1;
    char fresh[BW_TREE_PATH_BYTES];

    (void)status;
    (void)walk;
    if (type != FTW_F && type != FTW_SL)
        return 0;
    for (size_t i = 0; i < kept.name_count; i++)
        if (strcmp(kept.names[i], name) == 0)
            return 0;
    if (has_file(kept.tree, name) || strcmp(name, LIST) == 0)
        return 0;
    bw_tree_fresh_path(kept.tree, name, fresh);
    if (make_way(kept.tree, name) && link(path, fresh) != 0)
        fail(kept.tree, "keep", path);
    return 0;
}

/* The old folder's own files are the user's: they stay. */
static void keep_others(struct bw_tree *tree)
{
    memset(&kept, 0, sizeof kept);
    kept.tree = tree;
    each_old(tree, remember, NULL);
    if (nftw(tree->dir, keep_one, OPEN_DIRS_MAX, FTW_PHYS) != 0)
        fail(tree, "read", tree->dir);
    for (size_t i = 0; i < kept.name_count; i++)
        free(kept.names[i]);
    free(kept.names);
}

static void write_list(struct bw_tree *tree)
{
    const size_t count = tree->file_count; /* without the list itself */
    FILE *list = bw_tree_open(tree, LIST, 0644);

    if (list == NULL)
        return;
    (void)fputs("# Written by breakwater generate, which replaces or removes these files alone.\n", list);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(list, "%s\n", tree->files[i]);
    bw_tree_close(tree, list, LIST);
}

/* Keys are in it: what replaces them is on the disk before they go. */
static void put_on_disk(struct bw_tree *tree)
{
    const int dir = open(tree->is_replaced || tree->is_made ? tree->fresh : tree->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0 || syncfs(dir) != 0)
        fail(tree, "write to disk", tree->dir);
    if (dir >= 0)
        (void)close(dir); /* only synced */
}

enum bw_err bw_tree_commit(struct bw_tree *tree)
{
    if (tree->err == BW_OK)
        write_list(tree);
    if (tree->err == BW_OK && tree->is_replaced)
        keep_others(tree);
    if (tree->err == BW_OK)
        put_on_disk(tree);
    if (tree->err != BW_OK)
        return tree->err;
    if (renameat2(AT_FDCWD, tree->fresh, AT_FDCWD, tree->dir, tree->is_replaced ? RENAME_EXCHANGE : RENAME_NOREPLACE) != 0)
        fail(tree, "put in place", tree->dir);
    else if (!tree->is_replaced)
        tree->is_made = false; /* else what is at that name now is the old one, and goes */
    if (tree->err == BW_OK)
        put_on_disk(tree);
    return tree->err;
}
