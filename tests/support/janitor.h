/* janitor.h - what a test made outlives it nowhere, however it ends: by a signal, a failed assertion,
 * or killed by whoever lost patience. */
#ifndef TEST_JANITOR_H
#define TEST_JANITOR_H

/* A process beside the test, begun with the first call, keeps the list. When the test program and
 * all that it forked have ended, it ends what runs in the cgroups breakwater-TAG, removes them, and
 * removes the directories. What the test has removed itself is not there any more: nothing happens.
 * At most 512 entries of at most 160 bytes. Before threads are started. */
void janitor_add_dir(const char *path);
#define JANITOR_CLUSTER "prod"
void janitor_add_cgroups(const char *tag);
/* The test has removed it, and the name may become somebody else's. */
void janitor_forget(const char *path_or_tag);

/* Ends every enforcer of `site` on this machine, found by its command line, at once: for a test that has
 * ended the guards of a site, and its services, itself. */
void janitor_end_enforcers(const char *site);
/* Ends the enforcers of the site TAG, and all in the cgroups breakwater-TAG/NAME and
 * breakwater-TAG@prod/NAME, and removes these, now. Bounded: 60 s, then it says so on
 * stderr. What found its processes by scan has none. */
void janitor_clear_cgroups(const char *tag);
/* A directory and all in it; what cannot be removed stays. */
void janitor_remove_dir(const char *path);

#endif
