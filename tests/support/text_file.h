/* text_file.h - what a program has written down. */
#ifndef TEST_TEXT_FILE_H
#define TEST_TEXT_FILE_H

#include <stdbool.h>

/* `text` stands in the first 64 KiB of the file; one that cannot be opened has none. */
bool text_file_has(const char *path, const char *text);

#endif
