/* check_user.h - a witness runs as a user of its own: whose files are whose, and what can be read and written,
 * shows only to that one. */
#ifndef BW_CLI_CHECK_USER_H
#define BW_CLI_CHECK_USER_H

#include <stdbool.h>
#include <sys/types.h>

struct bw_check_user {
    uid_t uid; /* 0: nobody else than who runs this */
    gid_t gid;
    char name[64];
    const char *owns; /* what says so */
};

/* Run by root: the owner of the private key, which root and he alone can read, is whom the witness
 * runs as. Where that is root's, or not there, the owner of the data directory, which nobody else
 * can write. */
void bw_check_user_find(const char *key_file, const char *data_dir, struct bw_check_user *out_user);
/* Files are looked at as this user from here on, until bw_check_user_leave. False: this process may not. */
bool bw_check_user_enter(const struct bw_check_user *user);
void bw_check_user_leave(const struct bw_check_user *user);

#endif
