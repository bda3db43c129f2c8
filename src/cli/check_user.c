#include "check_user.h"

#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

/* 0: nobody's but root's, or not there. */
static uid_t owner_of(const char *path, gid_t *out_gid)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return 0;
    *out_gid = status.st_gid;
    return status.st_uid;
}

void bw_check_user_find(const char *key_file, const char *data_dir, struct bw_check_user *out_user)
{
    const struct passwd *entry;
    gid_t gid = 0;
    uid_t uid;

    *out_user = (struct bw_check_user){.owns = "key"};
    if (geteuid() != 0)
        return;
    uid = owner_of(key_file, &gid);
    if (uid == 0) {
        uid = owner_of(data_dir, &gid);
        out_user->owns = "data directory";
    }
    if (uid == 0)
        return;
    entry = getpwuid(uid);
    out_user->uid = uid;
    out_user->gid = entry != NULL ? entry->pw_gid : gid;
    if (entry == NULL || !bw_copy_text(out_user->name, sizeof out_user->name, entry->pw_name))
        (void)snprintf(out_user->name, sizeof out_user->name, "%u", (unsigned)uid);
}

bool bw_check_user_enter(const struct bw_check_user *user)
{
    if (user->uid == 0)
        return true;
    if (setgroups(1, &user->gid) == 0 && setegid(user->gid) == 0 && seteuid(user->uid) == 0)
        return true;
    bw_check_user_leave(user);
    return false;
}

void bw_check_user_leave(const struct bw_check_user *user)
{
    const gid_t none = 0;

    if (user->uid == 0)
        return;
    BW_ASSERT(seteuid(0) == 0 && setegid(0) == 0); /* who could become him is root still */
    (void)setgroups(1, &none); /* what is judged next is judged as root, which no group limits */
}
