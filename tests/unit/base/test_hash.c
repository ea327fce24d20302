#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/hash.h"
#include "base/hash_private.h"

static void crc32c__gives_the_published_values(void **state)
{
    (void)state;
    uint8_t bytes[32] = { 0 };
    /* RFC 3720 B.4 */
    assert_int_equal(sl_crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(sl_crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(sl_crc32c(0, bytes, 32), 0x46dd794e);
    assert_int_equal(sl_crc32c(0, "123456789", 9), 0xe3069283);
}

static void crc32c__is_the_same_by_table_and_in_pieces(void **state)
{
    (void)state;
    static uint8_t
        bytes[20000]; /* of all ways to sum up: many parts, few, words, bytes */
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i * 37 + (i >> 8) + 11);
    for (size_t n = 0; n <= sizeof bytes; n += n < 1800 ? 1 : 97) {
        uint32_t whole = sl_crc32c(5, bytes, n);
        assert_int_equal(whole, sl_crc32c__table(5, bytes, n));
        uint32_t first = sl_crc32c(5, bytes, n / 3);
        assert_int_equal(whole, sl_crc32c(first, bytes + n / 3, n - n / 3));
        if (n > 0) /* of any alignment */
            assert_int_equal(sl_crc32c(0, bytes + 1, n - 1),
                             sl_crc32c__table(0, bytes + 1, n - 1));
    }
}

/* Key groups on disk depend on these: they must never change. */
static void hash__is_frozen(void **state)
{
    (void)state;
    char hex[33];
    assert_true(sl_hash64("", 0) == UINT64_C(0xd257df78b8e46de4));
    assert_true(sl_hash64("sluice", 6) == UINT64_C(0x1ac447fce2cb7231));
    sl_hash128_hex(sl_hash128_of("sluice", 6), hex);
    assert_string_equal(hex, "225dcfc989147260056bc885e32ed9f2");
    assert_true(sl_hash_mix(1, 2) == UINT64_C(0x1631f5f59ff9001a));
}

static void hash_mix__depends_on_order(void **state)
{
    (void)state;
    assert_true(sl_hash_mix(1, 2) != sl_hash_mix(2, 1));
    assert_true(sl_hash_mix(0, 1) != sl_hash_mix(1, 0));
}

static void hash128_hex__is_high_then_low(void **state)
{
    (void)state;
    char hex[33];
    sl_hash128_hex((sl_hash128){ .low = 1, .high = 0xab }, hex);
    assert_string_equal(hex, "00000000000000ab0000000000000001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c__gives_the_published_values),
        cmocka_unit_test(crc32c__is_the_same_by_table_and_in_pieces),
        cmocka_unit_test(hash__is_frozen),
        cmocka_unit_test(hash_mix__depends_on_order),
        cmocka_unit_test(hash128_hex__is_high_then_low),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
