#include <breakwater/sys/script_owner.h>

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel's own */

/* A path that is walked as the kernel would: `done` holds no symbolic link, `left` is still to go. */
struct walk {
    char done[PATH_MAX]; /* "" is the root */
    char left[PATH_MAX];
    char target[PATH_MAX];
};

static bool can_others_write(const struct stat *st)
{
    const bool is_mode_open = (st->st_mode & (S_IWGRP | S_IWOTH)) != 0 && !S_ISLNK(st->st_mode) &&
                              !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0);

    return is_mode_open || (st->st_uid != 0 && st->st_uid != geteuid());
}

static void say(const char *path, char out_path[BW_SCRIPT_OWNER_PATH_BYTES])
{
    size_t bytes = strnlen(path, BW_SCRIPT_OWNER_PATH_BYTES - 1);

    memcpy(out_path, path, bytes);
    out_path[bytes] = '\0';
}

/* Moves the next name of `left` to `done`. False: none is left, or it does not fit. */
static bool step(struct walk *walk)
{
    const size_t done = strlen(walk->done);
    const char *name = walk->left + strspn(walk->left, "/");
    const size_t length = strcspn(name, "/");
    char *slash;

    if (length == 0 || done + length + 2 > sizeof walk->done)
        return false;
    if (length == 2 && name[0] == '.' && name[1] == '.') {
        slash = strrchr(walk->done, '/');
        if (slash != NULL)
            *slash = '\0';
    } else if (length != 1 || name[0] != '.') {
        walk->done[done] = '/';
        memcpy(walk->done + done + 1, name, length);
        walk->done[done + 1 + length] = '\0';
    }
    memmove(walk->left, name + length, strlen(name + length) + 1);
    return true;
}

/* `done` is a link: on from where it points to. False: it cannot be read, or does not fit. */
static bool follow(struct walk *walk)
{
    const ssize_t got = readlink(walk->done, walk->target, sizeof walk->target - 1);
    const size_t left = strlen(walk->left);
    const size_t bytes = got > 0 ? (size_t)got : 0;
    char *slash = strrchr(walk->done, '/');

    if (bytes == 0 || bytes + 1 + left + 1 > sizeof walk->left)
        return false;
    memmove(walk->left + bytes + 1, walk->left, left + 1);
    memcpy(walk->left, walk->target, bytes);
    walk->left[bytes] = '/';
    if (walk->target[0] == '/')
        walk->done[0] = '\0';
    else if (slash != NULL)
        *slash = '\0';
    return true;
}

bool bw_script_is_writable(const char *path, char out_path[BW_SCRIPT_OWNER_PATH_BYTES])
{
    struct walk walk = {.done = ""};
    struct stat st;
    int links = 0;

    if (strlen(path) >= sizeof walk.left)
        return false;
    memcpy(walk.left, path, strlen(path) + 1);
    do {
        if (lstat(walk.done[0] == '\0' ? "/" : walk.done, &st) != 0)
            return false;
        if (can_others_write(&st)) {
            say(walk.done[0] == '\0' ? "/" : walk.done, out_path);
            return true;
        }
        if (S_ISLNK(st.st_mode) && (++links > LINKS_MAX || !follow(&walk)))
            return false;
    } while (step(&walk));
    return false;
}
