/* kernels_text_private.h - strings in kernels: arguments, room for results, UTF-8. */

#ifndef SL_ENGINE_EXPR_KERNELS_TEXT_PRIVATE_H
#define SL_ENGINE_EXPR_KERNELS_TEXT_PRIVATE_H

#include "engine/expr/vector_private.h"

static inline const sl_string_view *sl_text__at(const sl_vector *v, uint32_t row)
{
    return &SL_VALUES(sl_string_view, v)[row * sl_vector__stride(v)];
}
static inline int32_t sl_int__at(const sl_vector *v, uint32_t row)
{
    return SL_VALUES(int32_t, v)[row * sl_vector__stride(v)];
}

/* Where to write the `length` bytes of *out; then call sl_text__finish. */
sl_code sl_text__room(sl_kernel_call *c, uint64_t length, sl_string_view *out, char **ret,
                      sl_error *err);
static inline void sl_text__finish(sl_string_view *out, const char *bytes,
                                   uint64_t length)
{
    if (length > SL_STRING_INLINE_MAX)
        *out = sl_string_view_make(bytes, (uint32_t)length);
}

/* Bytes of the character at p (1 for bytes that start none), at most `left`. */
static inline uint32_t sl_utf8__width(const char *p, uint32_t left)
{
    uint8_t b = (uint8_t)*p;
    uint32_t width = b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    return width < left ? width : left;
}
static inline uint32_t sl_utf8__count(const char *p, uint32_t length)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < length; i++)
        count += ((uint8_t)p[i] & 0xc0) != 0x80;
    return count;
}
/* The two words of a view that holds its text: the length is the low half of words[0].
 * Padding is zero, so that all twelve bytes may be looked at. */
static inline bool sl_text__is_short_ascii(const sl_string_view *v, uint64_t words[2])
{
    memcpy(words, v, 16);
    return v->length <= SL_STRING_INLINE_MAX &&
           (((words[0] & UINT64_C(0xffffffff00000000)) | words[1]) &
            UINT64_C(0x8080808080808080)) == 0;
}
/* Byte offset of character n, or length. */
uint32_t sl_utf8__offset(const char *p, uint32_t length, uint32_t n);
bool sl_utf8__is_ascii(const char *p, uint32_t length);

#endif /* SL_ENGINE_EXPR_KERNELS_TEXT_PRIVATE_H */
