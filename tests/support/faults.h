/* faults.h - runs programs with a disk that fails and a wall clock that is wrong, on the word of a
 * file (fault_preload.c says what may stand in it). Any failure here ends the test. */
#ifndef TEST_FAULTS_H
#define TEST_FAULTS_H

/* Breakwater processes that this test starts from now on obey `path`, which need not exist. Scripts
 * that they run do not. */
void faults_begin(const char *path);
/* Those started from now on are left alone. */
void faults_end(void);
/* What `path` says from now on, whole; "": nothing is wrong. */
void faults_say(const char *path, const char *text);

#endif
