/* version.h - what this build calls itself; CMakeLists.txt decides. */

#ifndef SL_BASE_VERSION_H
#define SL_BASE_VERSION_H

#ifndef SL_VERSION
#error "SL_VERSION comes from the build"
#endif

#define SL_PRODUCT_VERSION SL_VERSION

#endif /* SL_BASE_VERSION_H */
