#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void sl_assert_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "sluice: %s:%d: assertion failed: %s (this is a bug of sluice)\n",
            file, line, condition);
    fflush(stderr);
    abort();
}
