#include "tests/unit/harness.h"

#include "gateway/model/event.h"

static struct lt_event sample(void)
{
    return (struct lt_event){
        .id = LT_SPAN_LIT("00112233445566778899aabbccddeeff"),
        .source = LT_SPAN_LIT("mot-cua-h22"),
        .type = LT_SPAN_LIT("vn.lienthong.dossier.received.v1"),
        .subject = LT_SPAN_LIT("000.00.01.H22-240101-0001"),
        .time = LT_SPAN_LIT("2024-01-01T08:30:00.000+07:00"),
        .province = LT_SPAN_LIT("H22"),
        .unit = LT_SPAN_LIT("000.00.01.H22"),
        .procedure = LT_SPAN_LIT("1.001193"),
        .channel = LT_SPAN_LIT("2"),
        .digest = LT_SPAN_LIT("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
        .digest_v = 12,
        .key = LT_SPAN_LIT("H22/000.00.01.H22-240101-0001"),
        .data = LT_SPAN_LIT("{}"),
    };
}

struct fixture {
    struct lt_event e;
    struct lt_arena arena;
    struct lt_headers h;
};

static int make(void **state)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    f->e = sample();
    f->arena = LT_ARENA_INIT;
    lt_event_headers(&f->e, &f->arena, &f->h);
    *state = f;
    return 0;
}

static int drop(void **state)
{
    struct fixture *f = *state;
    lt_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static void an_event_reads_back_as_it_was_written(void **state)
{
    struct fixture *f = *state;
    struct lt_event got;
    assert_int_equal(lt_event_read(f->e.key, &f->h, f->e.data, &got, NULL), LT_OK);
    const struct lt_span *a = (const struct lt_span *)&f->e.id, *b = (const struct lt_span *)&got.id;
    for (size_t i = 0; i < 10; i++) /* id … digest, all spans */
        assert_true(lt_span_eq(a[i], b[i]));
    assert_int_equal(got.digest_v, 12);
    assert_true(lt_span_eq(got.key, f->e.key));
    assert_true(lt_span_eq(got.data, f->e.data));
}

static void headers_are_written_in_a_fixed_order(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"content-type", "ce_specversion", "ce_id",       "ce_source", "ce_type",
                                        "ce_subject",   "ce_time",        "ce_province", "ce_unit",   "ce_procedure",
                                        "ce_channel",   "lt_digest",      "lt_digest_v"};
    assert_int_equal(f->h.len, LT_ARRAY_LEN(names));
    for (size_t i = 0; i < LT_ARRAY_LEN(names); i++)
        assert_span_is(f->h.v[i].name, names[i]);
    assert_span_is(lt_headers_value(&f->h, "lt_digest_v"), "12");
}

static void empty_optional_attributes_are_left_out_and_read_as_empty(void **state)
{
    struct fixture *f = *state;
    f->e.unit = f->e.procedure = f->e.channel = LT_SPAN_NULL;
    lt_event_headers(&f->e, &f->arena, &f->h);
    struct lt_span v;
    assert_false(lt_headers_get(&f->h, "ce_unit", &v));
    struct lt_event got;
    assert_int_equal(lt_event_read(f->e.key, &f->h, f->e.data, &got, NULL), LT_OK);
    assert_int_equal(got.unit.len + got.procedure.len + got.channel.len, 0);
}

static void refused(const struct fixture *f, const char *kind, const char *name)
{
    struct lt_event got = {.digest_v = 77};
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_event_read(f->e.key, &f->h, f->e.data, &got, &err), LT_E_INVALID);
    assert_string_equal(err.kind, kind);
    if (!lt_span_starts(lt_span_str(err.text), name))
        fail_msg("expected a text about %s, got: %s", name, err.text);
    assert_int_equal(got.digest_v, 77); /* written only on success */
}

static void each_missing_empty_or_repeated_required_header_is_a_fault(void **state)
{
    struct fixture *f = *state;
    static const char *const required[] = {"ce_specversion", "ce_id",       "ce_source", "ce_type",    "ce_subject",
                                           "ce_time",        "ce_province", "lt_digest", "lt_digest_v"};
    for (size_t i = 0; i < LT_ARRAY_LEN(required); i++) {
        struct lt_span was = lt_headers_value(&f->h, required[i]);
        lt_headers_drop_prefix(&f->h, required[i]);
        if (strcmp(required[i], "lt_digest") == 0) /* the prefix took lt_digest_v too */
            lt_headers_put(&f->h, "lt_digest_v", LT_SPAN_LIT("12"));
        refused(f, "missing-header", required[i]);
        lt_headers_put(&f->h, required[i], LT_SPAN_LIT(""));
        refused(f, "missing-header", required[i]);
        lt_headers_put(&f->h, required[i], was);
        lt_headers_add(&f->h, lt_span_str(required[i]), was);
        refused(f, "bad-header", required[i]);
        lt_headers_put(&f->h, required[i], was);
    }
    struct lt_event got;
    assert_int_equal(lt_event_read(f->e.key, &f->h, f->e.data, &got, NULL), LT_OK);
}

static void the_gateways_marks_are_the_first_of_their_name_and_are_found_in_what_is_no_event_too(void **state)
{
    struct fixture *f = *state;
    struct lt_event got;
    struct lt_event_marks m;
    assert_int_equal(lt_event_read_marks(f->e.key, &f->h, f->e.data, &got, &m, NULL), LT_OK);
    assert_true(m.time.len == 0 && m.replay.len == 0 && m.effects.len == 0 && !m.is_routed);
    lt_headers_add(&f->h, LT_SPAN_LIT("lt_effects"), LT_SPAN_LIT("portal"));
    lt_headers_add(&f->h, LT_SPAN_LIT("lt_time"), LT_SPAN_LIT("17"));
    lt_headers_add(&f->h, LT_SPAN_LIT("lt_replay"), LT_SPAN_LIT("rep-1"));
    lt_headers_add(&f->h, LT_SPAN_LIT("lt_time"), LT_SPAN_LIT("18"));
    lt_headers_add(&f->h, LT_SPAN_LIT("lt_tim"), LT_SPAN_LIT("19"));
    lt_headers_add(&f->h, LT_SPAN_LIT(""), LT_SPAN_LIT("20"));
    for (int i = 0; i < 2; i++) {
        int want = i == 0 ? LT_OK : LT_E_INVALID;
        assert_int_equal(lt_event_read_marks(f->e.key, &f->h, f->e.data, &got, &m, NULL), want);
        assert_true(lt_span_is(m.time, "17") && lt_span_is(m.replay, "rep-1") && lt_span_is(m.effects, "portal"));
        assert_false(m.is_routed);
        lt_headers_drop_prefix(&f->h, "ce_id");
    }
    static const char *const of_copies[] = {"lt_origin", "lt_path", "lt_hop", "lt_verdict"};
    for (size_t i = 0; i < LT_ARRAY_LEN(of_copies); i++) {
        lt_headers_add(&f->h, lt_span_str(of_copies[i]), LT_SPAN_LIT("x"));
        (void)!lt_event_read_marks(f->e.key, &f->h, f->e.data, &got, &m, NULL);
        assert_true(m.is_routed);
        lt_headers_drop_prefix(&f->h, of_copies[i]);
    }
}

static void headers_in_any_order_give_the_same_event(void **state)
{
    struct fixture *f = *state;
    struct lt_headers turned;
    struct lt_event got;
    for (size_t by = 0; by < f->h.len; by++) {
        lt_headers_reset(&turned);
        for (size_t i = f->h.len; i-- > 0;)
            lt_headers_add(&turned, f->h.v[(i + by) % f->h.len].name, f->h.v[(i + by) % f->h.len].value);
        assert_int_equal(lt_event_read(f->e.key, &turned, f->e.data, &got, NULL), LT_OK);
        assert_true(lt_span_eq(got.id, f->e.id) && lt_span_eq(got.digest, f->e.digest) &&
                    lt_span_eq(got.source, f->e.source) && lt_span_eq(got.type, f->e.type) &&
                    lt_span_eq(got.time, f->e.time) && lt_span_eq(got.unit, f->e.unit) &&
                    lt_span_eq(got.procedure, f->e.procedure) && got.digest_v == f->e.digest_v);
    }
}

static void each_malformed_header_is_a_fault(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *value;
    } bad[] = {
        {"ce_specversion", "0.3"},
        {"ce_specversion", "1"},
        {"ce_id", "00112233445566778899aabbccddeef"},
        {"ce_id", "00112233445566778899aabbccddeeff0"},
        {"ce_id", "00112233445566778899AABBCCDDEEFF"},
        {"ce_id", "0011223344556677 899aabbccddeeff"},
        {"lt_digest", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g"},
        {"lt_digest", "00"},
        {"lt_digest_v", "16"},
        {"lt_digest_v", "-1"},
        {"lt_digest_v", "01"},
        {"lt_digest_v", "1x"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++) {
        struct lt_span was = lt_headers_value(&f->h, bad[i].name);
        lt_headers_put(&f->h, bad[i].name, lt_span_str(bad[i].value));
        refused(f, "bad-header", bad[i].name);
        lt_headers_put(&f->h, bad[i].name, was);
    }
}

static void a_key_that_is_not_province_and_dossier_is_a_fault(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",
                                      "H22",
                                      "H22/",
                                      "/000.00.01.H22-240101-0001",
                                      "H22-000.00.01.H22-240101-0001",
                                      "H40/000.00.01.H22-240101-0001",
                                      "H22/000.00.01.H22-240101-0002",
                                      "H22/000.00.01.H22-240101-00011"};
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++) {
        f->e.key = lt_span_str(bad[i]);
        refused(f, "bad-header", "key");
    }
    f->e.key = LT_SPAN_NULL;
    refused(f, "bad-header", "key");
}

static void more_headers_than_fit_are_a_fault(void **state)
{
    struct fixture *f = *state;
    f->h.over = true;
    refused(f, "bad-header", "headers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_reads_back_as_it_was_written, make, drop),
        cmocka_unit_test_setup_teardown(headers_are_written_in_a_fixed_order, make, drop),
        cmocka_unit_test_setup_teardown(empty_optional_attributes_are_left_out_and_read_as_empty, make, drop),
        cmocka_unit_test_setup_teardown(each_missing_empty_or_repeated_required_header_is_a_fault, make, drop),
        cmocka_unit_test_setup_teardown(
            the_gateways_marks_are_the_first_of_their_name_and_are_found_in_what_is_no_event_too, make, drop),
        cmocka_unit_test_setup_teardown(headers_in_any_order_give_the_same_event, make, drop),
        cmocka_unit_test_setup_teardown(each_malformed_header_is_a_fault, make, drop),
        cmocka_unit_test_setup_teardown(a_key_that_is_not_province_and_dossier_is_a_fault, make, drop),
        cmocka_unit_test_setup_teardown(more_headers_than_fit_are_a_fault, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
