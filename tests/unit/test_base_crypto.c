#include "tests/unit/harness.h"

#include "gateway/base/crypto.h"

static void hex_is(const uint8_t hash[LT_SHA256_SIZE], const char *want)
{
    char text[2 * LT_SHA256_SIZE + 1];
    lt_hex(hash, LT_SHA256_SIZE, text);
    assert_string_equal(text, want);
}

/* FIPS 180-4 examples. */
static void sha256_gives_the_published_values(void **state)
{
    (void)state;
    uint8_t out[LT_SHA256_SIZE];
    lt_sha256_once(LT_SPAN_NULL, out);
    hex_is(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    lt_sha256_once(LT_SPAN_LIT("abc"), out);
    hex_is(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_running_hash_equals_the_hash_of_the_whole_and_starts_again(void **state)
{
    (void)state;
    uint8_t out[LT_SHA256_SIZE];
    struct lt_sha256 *h = lt_sha256_new();
    for (int round = 0; round < 2; round++) {
        lt_sha256_update(h, LT_SPAN_LIT("a"));
        lt_sha256_update(h, LT_SPAN_NULL);
        lt_sha256_update(h, LT_SPAN_LIT("bc"));
        lt_sha256_final(h, out);
        hex_is(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    lt_sha256_free(h);
    lt_sha256_free(NULL);
}

static void a_hash_is_the_same_however_its_input_is_cut(void **state)
{
    (void)state;
    static const size_t cuts[] = {1, 3, 511, 512, 513, 700, 1024, 5000};
    char text[5000];
    uint8_t whole[LT_SHA256_SIZE], out[LT_SHA256_SIZE];
    struct lt_sha256 *h = lt_sha256_new();
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 256);
    lt_sha256_once(lt_span(text, sizeof(text)), whole);
    for (size_t c = 0; c < LT_ARRAY_LEN(cuts); c++) {
        for (size_t at = 0; at < sizeof(text); at += cuts[c]) /* a small piece before each large one, too */
            lt_sha256_update(h, lt_span(text + at, LT_MIN(cuts[c], sizeof(text) - at)));
        lt_sha256_final(h, out);
        assert_memory_equal(out, whole, LT_SHA256_SIZE);
    }
    lt_sha256_update(h, lt_span(text, 500));
    lt_sha256_update(h, lt_span(text + 500, 4000));
    lt_sha256_update(h, lt_span(text + 4500, 500));
    lt_sha256_final(h, out);
    assert_memory_equal(out, whole, LT_SHA256_SIZE);
    lt_sha256_free(h);
}

static void fields_are_framed_by_their_length(void **state)
{
    (void)state;
    uint8_t framed[LT_SHA256_SIZE], by_hand[LT_SHA256_SIZE], other[LT_SHA256_SIZE];
    struct lt_sha256 *h = lt_sha256_new();
    lt_sha256_field(h, LT_SPAN_LIT("ab"));
    lt_sha256_field(h, LT_SPAN_LIT("c"));
    lt_sha256_final(h, framed);
    lt_sha256_field(h, LT_SPAN_LIT("a"));
    lt_sha256_field(h, LT_SPAN_LIT("bc"));
    lt_sha256_final(h, other);
    lt_sha256_free(h);
    lt_sha256_once(lt_span("\0\0\0\2ab\0\0\0\1c", 11), by_hand);
    assert_memory_equal(framed, by_hand, LT_SHA256_SIZE);
    assert_memory_not_equal(framed, other, LT_SHA256_SIZE);
}

/* RFC 4231, test cases 2 and 6 (a key longer than the block). */
static void hmac_gives_the_published_values(void **state)
{
    (void)state;
    uint8_t out[LT_SHA256_SIZE];
    char key[131];
    lt_hmac_sha256(LT_SPAN_LIT("Jefe"), LT_SPAN_LIT("what do ya want for nothing?"), out);
    hex_is(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xAA, sizeof(key));
    lt_hmac_sha256(lt_span(key, sizeof(key)), LT_SPAN_LIT("Test Using Larger Than Block-Size Key - Hash Key First"),
                   out);
    hex_is(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    lt_hmac_sha256(LT_SPAN_NULL, LT_SPAN_NULL, out);
    hex_is(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void two_keys_in_turn_do_not_disturb_each_other(void **state)
{
    (void)state;
    uint8_t first[2][LT_SHA256_SIZE], again[LT_SHA256_SIZE];
    const struct lt_span keys[] = {LT_SPAN_LIT("key one"), LT_SPAN_LIT("key two")};
    for (size_t i = 0; i < 6; i++) {
        lt_hmac_sha256(keys[i / 2 % 2], LT_SPAN_LIT("text"), again); /* one, one, two, two, one, one */
        if (i == 0 || i == 2)
            memcpy(first[i / 2], again, sizeof(again));
        assert_memory_equal(again, first[i / 2 % 2], LT_SHA256_SIZE);
    }
    assert_memory_not_equal(first[0], first[1], LT_SHA256_SIZE);
}

static void comparison_sees_every_byte(void **state)
{
    (void)state;
    assert_true(lt_equal_ct("abc", "abc", 3));
    assert_false(lt_equal_ct("abc", "abd", 3));
    assert_false(lt_equal_ct("xbc", "abc", 3));
    assert_true(lt_equal_ct(NULL, NULL, 0));
}

static void hex_reads_back_in_either_case(void **state)
{
    (void)state;
    uint8_t bytes[3] = {9, 9, 9};
    char text[7];
    assert_true(lt_unhex(LT_SPAN_LIT("00aFfE"), bytes, 3));
    lt_hex(bytes, 3, text);
    assert_string_equal(text, "00affe");
    assert_false(lt_unhex(LT_SPAN_LIT("11223g"), bytes, 3));
    assert_false(lt_unhex(LT_SPAN_LIT("1122"), bytes, 3));
    assert_false(lt_unhex(LT_SPAN_LIT("1122334"), bytes, 3));
    lt_hex(bytes, 3, text);
    assert_string_equal(text, "00affe");
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint8_t a[32] = {0}, b[32] = {0};
    lt_random(a, sizeof(a));
    lt_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_values),
        cmocka_unit_test(a_running_hash_equals_the_hash_of_the_whole_and_starts_again),
        cmocka_unit_test(a_hash_is_the_same_however_its_input_is_cut),
        cmocka_unit_test(fields_are_framed_by_their_length),
        cmocka_unit_test(hmac_gives_the_published_values),
        cmocka_unit_test(two_keys_in_turn_do_not_disturb_each_other),
        cmocka_unit_test(comparison_sees_every_byte),
        cmocka_unit_test(hex_reads_back_in_either_case),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
