/* fuzz.h - what the fuzz targets share.  A target is one function that may do anything
 * with its bytes but crash, hang, leak or break a promise it checks with FUZZ_CHECK.
 *
 * Codecs that check a sum get bytes both as they are and sealed with a right sum, or no
 * input would ever get behind the check. */

#ifndef SL_TESTS_FUZZ_H
#define SL_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                            \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__,           \
                    #condition);                                                         \
            abort();                                                                     \
        }                                                                                \
    } while (0)

/* A failure must come with words. */
static inline void fuzz_check_error(sl_code code, const sl_error *err)
{
    FUZZ_CHECK(code == SL_OK || (err->code == code && err->text[0] != '\0'));
}

static inline bool fuzz_same_bytes(const sl_bytes *a, const sl_bytes *b)
{
    return a->size_bytes == b->size_bytes &&
           (a->size_bytes == 0 || memcmp(a->data, b->data, a->size_bytes) == 0);
}

#endif /* SL_TESTS_FUZZ_H */
