/* notify: what the service manager hears. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include <breakwater/sys/notify.h>

static void the_state_arrives_and_scripts_do_not_inherit_the_socket(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char name[64], contact[64] = "";
    struct bw_diag diag = {0};

    (void)state;
    (void)snprintf(name, sizeof name, "@breakwater-notify-%ld", (long)getpid());
    memcpy(address.sun_path, name, strlen(name));
    address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);

    assert_int_equal(bw_notify("READY=1", &diag), BW_OK);
    assert_true(recv(fd, contact, sizeof contact - 1, 0) > 0);
    assert_string_equal(contact, "READY=1");
    assert_null(getenv("NOTIFY_SOCKET"));
    memset(contact, 0, sizeof contact);
    assert_int_equal(bw_notify("STOPPING=1", &diag), BW_OK);
    assert_true(recv(fd, contact, sizeof contact - 1, 0) > 0);

    assert_string_equal(contact, "STOPPING=1");
    assert_int_equal(close(fd), 0);
    assert_int_not_equal(bw_notify("READY=1", &diag), BW_OK); /* nobody is there any more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_arrives_and_scripts_do_not_inherit_the_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
