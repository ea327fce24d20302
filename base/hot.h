/* hot.h - loops over rows: a function marked SL_HOT is one, and is worth vectorising. */

#ifndef SL_BASE_HOT_H
#define SL_BASE_HOT_H

/* gcc vectorises loops at -O3 only; clang at -O2. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(SL_DEBUG)
#define SL_HOT __attribute__((optimize("O3")))
#else
#define SL_HOT
#endif

#endif /* SL_BASE_HOT_H */
