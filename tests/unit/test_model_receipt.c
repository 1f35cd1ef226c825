#include "tests/unit/harness.h"

#include "gateway/model/receipt.h"

#define KEY LT_SPAN_LIT("0123456789abcdef0123456789abcdef")
#define CLIENT LT_SPAN_LIT("h22")

static const struct lt_receipt receipt = {11, 123456789012, "00112233445566778899aabbccddeeff"};

static void a_receipt_reads_back_for_its_client(void **state)
{
    (void)state;
    char text[LT_RECEIPT_MAX];
    struct lt_receipt r;
    lt_receipt_format(&receipt, CLIENT, KEY, text);
    /* printf '11.123456789012.00112233445566778899aabbccddeeff.h22' | openssl dgst -sha256 -hmac <KEY>, first 32 digits
     */
    assert_string_equal(text, "11.123456789012.00112233445566778899aabbccddeeff.d9a53f2bcb7de719ce6c9f424ede7916");
    assert_true(lt_receipt_parse(lt_span_str(text), CLIENT, KEY, &r));
    assert_int_equal(r.partition, 11);
    assert_int_equal(r.offset, 123456789012);
    assert_string_equal(r.ce_id, receipt.ce_id);
}

static void the_largest_receipt_fits(void **state)
{
    (void)state;
    const struct lt_receipt large = {INT32_MAX, INT64_MAX, "ffffffffffffffffffffffffffffffff"};
    char text[LT_RECEIPT_MAX];
    struct lt_receipt r;
    lt_receipt_format(&large, CLIENT, KEY, text);
    assert_true(strlen(text) < LT_RECEIPT_MAX);
    assert_true(lt_receipt_parse(lt_span_str(text), CLIENT, KEY, &r));
    assert_int_equal(r.partition, INT32_MAX);
    assert_int_equal(r.offset, INT64_MAX);
}

static void another_client_or_another_key_cannot_use_a_receipt(void **state)
{
    (void)state;
    char text[LT_RECEIPT_MAX];
    struct lt_receipt r;
    lt_receipt_format(&receipt, CLIENT, KEY, text);
    assert_false(lt_receipt_parse(lt_span_str(text), LT_SPAN_LIT("h40"), KEY, &r));
    assert_false(lt_receipt_parse(lt_span_str(text), LT_SPAN_NULL, KEY, &r));
    assert_false(lt_receipt_parse(lt_span_str(text), CLIENT, LT_SPAN_LIT("fedcba9876543210fedcba9876543210"), &r));
}

static void a_receipt_with_any_byte_changed_does_not_verify(void **state)
{
    (void)state;
    char text[LT_RECEIPT_MAX];
    struct lt_receipt r;
    lt_receipt_format(&receipt, CLIENT, KEY, text);
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        char was = text[i];
        for (const char *other = "09afA. -"; *other; other++) {
            text[i] = *other;
            assert_int_equal(lt_receipt_parse(lt_span(text, len), CLIENT, KEY, &r), *other == was);
        }
        text[i] = was;
    }
    for (size_t shorter = 0; shorter < len; shorter++)
        assert_false(lt_receipt_parse(lt_span(text, shorter), CLIENT, KEY, &r));
}

static void a_receipt_has_one_spelling(void **state)
{
    (void)state;
    char text[LT_RECEIPT_MAX];
    struct lt_receipt r;
    lt_receipt_format(&receipt, CLIENT, KEY, text);
    LT_AUTOFREE char *zero = lt_asprintf("0%s", text);
    LT_AUTOFREE char *more = lt_asprintf("%s.", text);
    LT_AUTOFREE char *twice = lt_asprintf("%s%s", text, text);
    LT_AUTOFREE char *minus = lt_asprintf("-%s", text);
    assert_false(lt_receipt_parse(lt_span_str(zero), CLIENT, KEY, &r));
    assert_false(lt_receipt_parse(lt_span_str(more), CLIENT, KEY, &r));
    assert_false(lt_receipt_parse(lt_span_str(twice), CLIENT, KEY, &r));
    assert_false(lt_receipt_parse(lt_span_str(minus), CLIENT, KEY, &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_reads_back_for_its_client),
        cmocka_unit_test(the_largest_receipt_fits),
        cmocka_unit_test(another_client_or_another_key_cannot_use_a_receipt),
        cmocka_unit_test(a_receipt_with_any_byte_changed_does_not_verify),
        cmocka_unit_test(a_receipt_has_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
