/* Whose is a file, and who could change what its path means? Design 5.1, 5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <breakwater/os/path_owner.h>

#include "janitor.h"
#include "lacking.h"

#define NOBODY 65534

static char dir[64];
static struct bw_diag diag;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/bw-path-owner-XXXXXX");
    assert_non_null(mkdtemp(dir));
    janitor_add_dir(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    janitor_remove_dir(dir);
    return 0;
}

static const char *in(const char *name)
{
    static char paths[4][160];
    static unsigned next;

    (void)snprintf(paths[++next % 4], sizeof paths[0], "%s/%s", dir, name);
    return paths[next % 4];
}

static void put(const char *name, mode_t mode)
{
    const int fd = open(in(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void make(const char *name, mode_t mode)
{
    assert_int_equal(mkdir(in(name), 0700), 0);
    assert_int_equal(chmod(in(name), mode), 0);
}

static void assert_file(const char *path, enum bw_err expected)
{
    assert_int_equal(bw_path_check_file(path, &diag), expected);
}

static void assert_says(const char *text)
{
    if (strstr(diag.text, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, diag.text);
}

/* The group too: also where it is this process's own, as every file here. */
static void a_file_that_its_group_or_all_can_write_is_refused(void **state)
{
    static const mode_t fine[] = {0400, 0600, 0644, 0755};
    static const mode_t open_modes[] = {0620, 0664, 0602, 0666, 0777};

    (void)state;
    put("file", 0600);
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        assert_int_equal(chmod(in("file"), fine[i]), 0);
        assert_file(in("file"), BW_OK);
    }
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        assert_int_equal(chmod(in("file"), open_modes[i]), 0);
        assert_file(in("file"), BW_ERR_REFUSED);
    }
}

static void the_refusal_says_what_to_run(void **state)
{
    char wanted[256];

    (void)state;
    put("file", 0664);
    assert_file(in("file"), BW_ERR_REFUSED);

    (void)snprintf(wanted, sizeof wanted, "others can change it: %s has mode 0664; run: chmod go-w %s",
                   in("file"), in("file"));
    assert_string_equal(diag.text, wanted);
}

/* Whose it is says who may be wrong to run this; a file is given to root on one condition, which is
 * said. */
static void a_file_of_another_user_is_refused(void **state)
{
    char wanted[512];

    (void)state;
    if (geteuid() != 0)
        skip_lacking("root"); /* who alone can give a file away */
    put("file", 0600);
    assert_int_equal(chown(in("file"), NOBODY, 0), 0);
    assert_file(in("file"), BW_ERR_REFUSED);

    (void)snprintf(wanted, sizeof wanted,
                   "others can change it: %s belongs to user nobody, and this runs as root: run it "
                   "as that user "
                   "(runuser -u nobody -- breakwater ...); only if nothing that needs it runs as "
                   "nobody, chown "
                   "root %s",
                   in("file"), in("file"));
    assert_string_equal(diag.text, wanted);
}

/* A daemon's directory, looked at by root: a chown would take it from the daemon. */
static void no_command_takes_a_kept_directory_from_its_user(void **state)
{
    char wanted[512];

    (void)state;
    if (geteuid() != 0)
        skip_lacking("root");
    make("kept", 0700);
    assert_int_equal(chown(in("kept"), NOBODY, 0), 0);
    assert_int_equal(bw_path_check_dir(in("kept"), &diag), BW_ERR_REFUSED);

    (void)snprintf(
        wanted, sizeof wanted,
        "others can change it: %s belongs to user nobody, and this runs as root: run it as that "
        "user "
        "(runuser -u nobody -- breakwater ...); only if no daemon runs as nobody, give it to root",
        in("kept"));
    assert_string_equal(diag.text, wanted);

    assert_int_equal(chown(in("kept"), 0, 0), 0);
    put("kept/state", 0600);
    assert_int_equal(chown(in("kept/state"), NOBODY, 0), 0);
    assert_int_equal(bw_path_check_dir(in("kept"), &diag), BW_ERR_REFUSED);
    assert_says("only if no daemon runs as nobody, give it to root");
    assert_null(strstr(diag.text, "chown"));
}

/* It may be somebody's home. */
static void a_directory_on_the_way_is_nobodys_to_give_away(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_lacking("root");
    make("home", 0755);
    put("home/file", 0600);
    assert_int_equal(chown(in("home"), NOBODY, 0), 0);
    assert_file(in("home/file"), BW_ERR_REFUSED);

    assert_says("/home belongs to user nobody, and this runs as root");
    assert_says("or keep it where only root can change the way to it");
    assert_null(strstr(diag.text, "chown"));
}

/* Who is not root cannot give anything away: root does, and to whom the file's readers need. */
static void what_only_root_can_do_is_said_to_be_roots(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_lacking("root");
    put("public", 0644);
    put("key", 0600);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chown(in("public"), 54321, 0), 0);
    assert_int_equal(chown(in("key"), 54321, 0), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    assert_file(in("public"), BW_ERR_REFUSED);
    assert_says("belongs to user 54321, and this runs as nobody: run it as that user (as root: ");
    assert_says("as root: chown root ");
    assert_file(in("key"), BW_ERR_REFUSED);
    assert_says("as root: chown nobody ");
    assert_int_equal(seteuid(0), 0);
}

/* What root keeps, a daemon that runs as another user may believe. */
static void a_file_of_root_is_anybodys_to_read(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_lacking("root");
    put("file", 0644);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    assert_file(in("file"), BW_OK);
    assert_int_equal(seteuid(0), 0);
}

static void each_directory_on_the_way_counts(void **state)
{
    (void)state;
    make("way", 0755);
    put("way/file", 0600);
    assert_file(in("way/file"), BW_OK);
    assert_int_equal(chmod(in("way"), 0775), 0);
    assert_file(in("way/file"), BW_ERR_REFUSED);
    assert_says("/way has mode 0775");
    assert_int_equal(chmod(in("way"), 0755), 0);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_file(in("way/file"), BW_ERR_REFUSED);
}

/* As /tmp, where others can add, and not replace what is not theirs. */
static void a_sticky_directory_on_the_way_is_none_that_others_can_change(void **state)
{
    (void)state;
    make("sticky", 01777);
    put("sticky/file", 0600);
    assert_file(in("sticky/file"), BW_OK);

    if (geteuid() != 0)
        skip_lacking("root");
    assert_int_equal(chown(in("sticky/file"), NOBODY, 0), 0);
    assert_file(in("sticky/file"), BW_ERR_REFUSED);
    assert_int_equal(chown(in("sticky/file"), 0, 0), 0);
    assert_int_equal(chown(in("sticky"), NOBODY, 0), 0); /* its owner may replace all the same */
    assert_file(in("sticky/file"), BW_ERR_REFUSED);
}

static void a_link_is_followed_and_both_ways_count(void **state)
{
    (void)state;
    make("from", 0755);
    make("to", 0755);
    put("to/file", 0600);
    assert_int_equal(symlink("../to/file", in("from/link")), 0);
    assert_file(in("from/link"), BW_OK);
    assert_int_equal(chmod(in("to"), 0770), 0);
    assert_file(in("from/link"), BW_ERR_REFUSED);
    assert_int_equal(chmod(in("to"), 0755), 0);
    assert_int_equal(chmod(in("from"), 0770), 0);
    assert_file(in("from/link"), BW_ERR_REFUSED);
    assert_int_equal(chmod(in("from"), 0755), 0);
    assert_int_equal(chmod(in("to/file"), 0660), 0);
    assert_file(in("from/link"), BW_ERR_REFUSED);
}

static void a_relative_path_counts_from_where_we_are(void **state)
{
    char before[512];

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    make("here", 0755);
    put("here/file", 0600);
    assert_int_equal(chdir(in("here")), 0);
    assert_file("file", BW_OK);
    assert_int_equal(chmod(in("here"), 0770), 0);
    assert_file("file", BW_ERR_REFUSED);
    assert_file("./file", BW_ERR_REFUSED);
    assert_int_equal(chdir(before), 0);
}

static void what_is_not_there_is_refused_by_whoever_opens_it(void **state)
{
    (void)state;
    assert_file(in("none"), BW_OK);
    assert_file(in("none/file"), BW_OK);
    assert_int_equal(bw_path_check_dir(in("none"), &diag), BW_OK);
    assert_int_equal(symlink("loop", in("loop")), 0);
    assert_file(in("loop"), BW_OK);
}

/* A sticky one lets others add to what is believed. */
static void a_directory_that_is_kept_is_nobody_elses_to_add_to(void **state)
{
    (void)state;
    make("kept", 0755);
    assert_int_equal(bw_path_check_dir(in("kept"), &diag), BW_OK);
    assert_int_equal(chmod(in("kept"), 01777), 0);
    assert_int_equal(bw_path_check_dir(in("kept"), &diag), BW_ERR_REFUSED);
    assert_says("/kept has mode 1777; run: chmod go-w ");
}

static void what_lies_in_a_kept_directory_counts(void **state)
{
    (void)state;
    make("kept", 0700);
    put("kept/state", 0600);
    assert_int_equal(symlink("nowhere", in("kept/link")), 0); /* its mode is 0777 */
    assert_int_equal(bw_path_check_dir(in("kept"), &diag), BW_OK);
    put("kept/other", 0620);
    assert_int_equal(bw_path_check_dir(in("kept"), &diag), BW_ERR_REFUSED);
    assert_says("/kept/other has mode 0620");
}

/* Who speaks to it is judged when he does. */
static void a_socket_in_a_kept_directory_may_be_for_all(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    make("kept", 0700);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.100s", in("kept/sock"));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(chmod(in("kept/sock"), 0777), 0);
    assert_int_equal(bw_path_check_dir(in("kept"), &diag), BW_OK);
    assert_int_equal(close(fd), 0);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_file_that_its_group_or_all_can_write_is_refused),
        CLAIM(the_refusal_says_what_to_run),
        CLAIM(a_file_of_another_user_is_refused),
        CLAIM(no_command_takes_a_kept_directory_from_its_user),
        CLAIM(a_directory_on_the_way_is_nobodys_to_give_away),
        CLAIM(what_only_root_can_do_is_said_to_be_roots),
        CLAIM(a_file_of_root_is_anybodys_to_read),
        CLAIM(each_directory_on_the_way_counts),
        CLAIM(a_sticky_directory_on_the_way_is_none_that_others_can_change),
        CLAIM(a_link_is_followed_and_both_ways_count),
        CLAIM(a_relative_path_counts_from_where_we_are),
        CLAIM(what_is_not_there_is_refused_by_whoever_opens_it),
        CLAIM(a_directory_that_is_kept_is_nobody_elses_to_add_to),
        CLAIM(what_lies_in_a_kept_directory_counts),
        CLAIM(a_socket_in_a_kept_directory_may_be_for_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
