/* No decoder: a bug that is planted, so that the runner is seen to be red. Four bytes that a fuzzer
 * must find one by one, then a write beyond an array. Built by the fuzz build only, and never among
 * the targets that `run` takes by itself. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static volatile uint8_t index[4];
    volatile size_t at = 0;

    if (size < 5 || data[0] != 'b' || data[1] != 'u' || data[2] != 'g')
        return 0;
    at = data[3];
    index[at] = data[4]; /* a sanitizer's to see, for 4 and beyond */
    return 0;
}
