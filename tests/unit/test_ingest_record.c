#include "tests/unit/test_ingest_kit.h"

#include "gateway/base/crypto.h"

static const struct lt_config_client client = {.name = "tinh-h22"};
static const struct lt_event nothing;
static const struct lt_record_source source = {.client = &client,
                                               .origin = "http",
                                               .position = "item 3",
                                               .media = {"application/json", 16},
                                               .mapping = "small-json",
                                               .generation = 0xabc,
                                               .now_ms = 1700000000000};

static struct lt_span header(const struct lt_record *r, const char *name)
{
    return lt_headers_value(&r->headers, name);
}

static void an_event_record_carries_attributes_clock_client_and_generation(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_record r;
    struct lt_event e = {.id = LT_SPAN_LIT("00112233445566778899aabbccddeeff"),
                         .source = LT_SPAN_LIT("s"),
                         .type = LT_SPAN_LIT("t"),
                         .subject = LT_SPAN_LIT("m"),
                         .time = LT_SPAN_LIT("2024"),
                         .province = LT_SPAN_LIT("H22"),
                         .digest = LT_SPAN_LIT("d"),
                         .digest_v = 3,
                         .key = LT_SPAN_LIT("H22/m"),
                         .data = LT_SPAN_LIT("{}")};
    lt_record_event(&source, &e, &a, &r);
    assert_span_is(r.key, "H22/m");
    assert_span_is(r.value, "{}");
    assert_span_is(header(&r, "ce_id"), "00112233445566778899aabbccddeeff");
    assert_span_is(header(&r, "lt_digest_v"), "3");
    assert_span_is(header(&r, "lt_time"), "1700000000000");
    assert_span_is(header(&r, "lt_client"), "tinh-h22");
    assert_span_is(header(&r, "lt_generation"), "0000000000000abc");
    lt_arena_deinit(&a);
}

static void a_dead_letter_says_what_was_refused_why_and_where(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_record r;
    struct lt_refusal why = {422, "unknown-unit", "no such unit", "MaDonVi", "/agency/code", 7, 9};
    struct lt_raw raw = {.bytes = LT_SPAN_LIT("abc"), .length = 3};
    struct lt_event e = {.subject = LT_SPAN_LIT("H22.1"), .province = LT_SPAN_LIT("H22")};
    lt_record_deadletter(&source, &why, &e, &raw, 1 << 20, &a, &r);
    assert_span_is(r.key, "H22/H22.1");
    assert_span_is(r.value, "abc");
    static const char *const want[][2] = {
        {"lt_reason", "unknown-unit"},
        {"lt_detail", "no such unit"},
        {"lt_status", "422"},
        {"lt_field", "MaDonVi"},
        {"lt_pointer", "/agency/code"},
        {"lt_line", "7"},
        {"lt_column", "9"},
        {"lt_client", "tinh-h22"},
        {"lt_source", "http"},
        {"lt_position", "item 3"},
        {"lt_media", "application/json"},
        {"lt_mapping", "small-json"},
        {"lt_length", "3"},
        {"lt_sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"ce_subject", "H22.1"}};
    for (size_t i = 0; i < LT_ARRAY_LEN(want); i++)
        assert_span_is(header(&r, want[i][0]), want[i][1]);
    struct lt_span any;
    assert_false(lt_headers_get(&r.headers, "lt_truncated", &any));
    assert_false(lt_headers_get(&r.headers, "ce_id", &any));
    lt_record_deadletter(&source, &why, &nothing, &raw, 1 << 20, &a, &r);
    assert_span_is(r.key, "tinh-h22");
    lt_arena_deinit(&a);
}

static void above_the_record_limit_digest_length_and_the_first_64_kib_stay(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_record r;
    struct lt_refusal why = {.status = 422, .code = "x"};
    size_t max = 200000;
    LT_AUTOFREE char *bytes = lt_alloc(max);
    char digest[65];
    uint8_t sha[LT_SHA256_SIZE];
    memset(bytes, 'x', max);
    struct lt_raw raw = {.bytes = lt_span(bytes, max - 5000), .length = max - 5000};
    lt_record_deadletter(&source, &why, &nothing, &raw, max, &a, &r);
    assert_int_equal(r.value.len, max - 5000);
    assert_true(lt_record_size(&r) <= max - LT_RECORD_ROOM);
    raw = (struct lt_raw){.bytes = lt_span(bytes, max - 4000), .length = max - 4000};
    lt_sha256_once(raw.bytes, sha);
    lt_hex(sha, sizeof(sha), digest);
    lt_record_deadletter(&source, &why, &nothing, &raw, max, &a, &r);
    assert_int_equal(r.value.len, 65536);
    assert_span_is(header(&r, "lt_truncated"), "true");
    assert_span_is(header(&r, "lt_length"), "196000");
    assert_span_is(header(&r, "lt_sha256"), digest);
    /* only the head was kept in the first place */
    raw = (struct lt_raw){.bytes = lt_span(bytes, 10), .length = 5000000, .sha256 = "feed"};
    lt_record_deadletter(&source, &why, &nothing, &raw, max, &a, &r);
    assert_int_equal(r.value.len, 10);
    assert_span_is(header(&r, "lt_truncated"), "true");
    assert_span_is(header(&r, "lt_sha256"), "feed");
    lt_arena_deinit(&a);
}

static void an_audit_entry_names_the_actor_and_no_content(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_record r;
    struct lt_event e = {
        .subject = LT_SPAN_LIT("H22.1"), .province = LT_SPAN_LIT("H22"), .data = LT_SPAN_LIT("secret")};
    lt_record_audit(1700000000000, "tinh-h40", "http", "other-province", "may \"not\"", &e, &a, &r);
    assert_span_is(r.key, "tinh-h40");
    assert_span_is(
        r.value, "{\"time\":\"2023-11-15T05:13:20.000+07:00\",\"actor\":\"tinh-h40\",\"action\":\"submission-refused\","
                 "\"source\":\"http\",\"code\":\"other-province\",\"detail\":\"may \\\"not\\\"\",\"subject\":\"H22.1\","
                 "\"province\":\"H22\"}");
    lt_arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_record_carries_attributes_clock_client_and_generation),
        cmocka_unit_test(a_dead_letter_says_what_was_refused_why_and_where),
        cmocka_unit_test(above_the_record_limit_digest_length_and_the_first_64_kib_stay),
        cmocka_unit_test(an_audit_entry_names_the_actor_and_no_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
