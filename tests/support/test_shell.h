/* test_shell.h - a shell's command that a test needs done, as one line of what is printed into it. */
#ifndef BW_TEST_SHELL_H
#define BW_TEST_SHELL_H

/* Fails the test if it does not end with 0, or is longer than 511 bytes. Blocks. */
void test_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
