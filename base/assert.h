/* assert.h - three strengths: SL_ASSERT stays in release (per call or per batch),
 * SL_DASSERT is for debug builds (per row), static_assert for relations between limits.
 * Bad input is never an assert: it is an error. */

#ifndef SL_BASE_ASSERT_H
#define SL_BASE_ASSERT_H

#include <assert.h> /* static_assert */

_Noreturn void sl_assert_failed(const char *file, int line, const char *condition);

#define SL_ASSERT(x) ((x) ? (void)0 : sl_assert_failed(__FILE__, __LINE__, #x))

#ifdef SL_DEBUG
#define SL_DASSERT(x) SL_ASSERT(x)
#else
#define SL_DASSERT(x) ((void)0)
#endif

#endif /* SL_BASE_ASSERT_H */
