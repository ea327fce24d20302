/* text_private.h - small text helpers shared inside engine/columnar.  Thread: any. */

#ifndef SL_ENGINE_COLUMNAR_TEXT_PRIVATE_H
#define SL_ENGINE_COLUMNAR_TEXT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* Append text with LF CR TAB FF BS VT BEL as two characters each (spark:O11). */
void sl_text__escape(const char *text, size_t length, sl_bytes *out);

/* Cut blanks and control characters off both ends, as Spark's casts do. */
void sl_text__trim(const char **text, size_t *length);

/* Bytes of the UTF-8 character at text (1 for a byte that starts none); *ret_code is its
 * code point, or the byte itself. length > 0. */
uint32_t sl_text__utf8(const char *text, size_t length, uint32_t *ret_code);

/* Spark counts UTF-16 units where it cuts cells, and half-width units where it pads:
 * 2 for full-width characters (spark:O7, O8). */
uint32_t sl_text__utf16_units(uint32_t code);
uint32_t sl_text__half_widths(uint32_t code);

#endif /* SL_ENGINE_COLUMNAR_TEXT_PRIVATE_H */
