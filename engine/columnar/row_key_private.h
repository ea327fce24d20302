/* row_key_private.h - the marks inside a row key, frozen (docs/formats/key.md). */

#ifndef SL_ENGINE_COLUMNAR_ROW_KEY_PRIVATE_H
#define SL_ENGINE_COLUMNAR_ROW_KEY_PRIVATE_H

#include <stdint.h>

#include "engine/columnar/type.h"

#define SL_KEY_NULL 0x00u
#define SL_KEY_VALUE 0x01u
#define SL_KEY_ZERO_ESCAPE 0xffu /* after a 0x00 of the string */
#define SL_KEY_STRING_END 0x01u  /* after the closing 0x00 */

/* Bytes of a value after its null byte; 0 for strings, STRUCT and VOID. */
uint32_t sl_row_key__width(const sl_type *type);

#endif /* SL_ENGINE_COLUMNAR_ROW_KEY_PRIVATE_H */
