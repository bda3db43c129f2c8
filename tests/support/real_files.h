/* real_files.h - the files of a real cluster's sites, for those who play it. Any failure here ends
 * the test. */
#ifndef TEST_REAL_FILES_H
#define TEST_REAL_FILES_H

#include "real_cluster.h"

/* The path of a file of the site. */
void real_path(const struct real_site *site, const char *file, char out[REAL_PATH_BYTES]);
void real_write_file(const char *path, mode_t mode, const char *text);
/* The whole text of a file, less than 1 MiB of it; "" when there is none. Good until the next call.
 */
const char *real_read(const struct real_cluster *cluster, int site, const char *file);

#endif
