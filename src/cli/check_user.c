#include "check_user.h"

#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

void bw_check_user_find(const char *key_file, struct bw_check_user *out_user)
{
    const struct passwd *entry;
    struct stat status;

    *out_user = (struct bw_check_user){0};
    if (geteuid() != 0 || stat(key_file, &status) != 0 || status.st_uid == 0)
        return;
    entry = getpwuid(status.st_uid);
    *out_user = (struct bw_check_user){
        .uid = status.st_uid, .gid = entry != NULL ? entry->pw_gid : status.st_gid};
    if (entry == NULL || !bw_copy_text(out_user->name, sizeof out_user->name, entry->pw_name))
        (void)snprintf(out_user->name, sizeof out_user->name, "%u", (unsigned)status.st_uid);
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
