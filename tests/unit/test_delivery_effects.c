/* The records of an outcome transaction. */
#include "gateway/delivery/effects.h"
#include "tests/unit/harness.h"

static struct lt_log_record record(const char *path, const char *hop)
{
    struct lt_log_record r = {.key = LT_SPAN_LIT("H22/A-1"), .value = LT_SPAN_LIT("{\"HoSo\":{}}")};
    lt_headers_put(&r.headers, "ce_id", LT_SPAN_LIT("0123456789abcdef0123456789abcdef"));
    lt_headers_put(&r.headers, "lt_origin", LT_SPAN_LIT("feed/0/7"));
    if (path)
        lt_headers_put(&r.headers, "lt_path", lt_span_str(path));
    if (hop)
        lt_headers_put(&r.headers, "lt_hop", lt_span_str(hop));
    return r;
}

static const struct lt_event event = {.id = {"0123456789abcdef0123456789abcdef", 32},
                                      .subject = {"A-1", 3},
                                      .province = {"H22", 3},
                                      .unit = {"H22.01", 6},
                                      .key = {"H22/A-1", 7}};

static void the_next_hop_gets_the_same_event_with_its_hop_counted(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_log_record r = record("population,portal", "0");
    struct lt_effect f;
    assert_int_equal(lt_effect_forward(&r, "population", LT_SPAN_NULL, &a, &f, NULL), LT_OK);
    assert_string_equal(f.topic, "lt.portal");
    assert_span_is(lt_headers_value(&f.headers, "lt_hop"), "1");
    assert_span_is(lt_headers_value(&f.headers, "lt_path"), "population,portal");
    assert_span_is(lt_headers_value(&f.headers, "ce_id"), "0123456789abcdef0123456789abcdef");
    assert_span_is(lt_headers_value(&f.headers, "lt_origin"), "feed/0/7");
    assert_span_is(f.value, "{\"HoSo\":{}}");
    assert_int_equal(lt_effect_forward(&r, "population", LT_SPAN_LIT("{}"), &a, &f, NULL), LT_OK);
    assert_span_is(f.value, "{}");
    lt_arena_deinit(&a);
}

static void the_last_target_and_an_event_without_a_path_forward_nothing(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_effect f;
    struct lt_log_record last = record("population,portal", "1"), none = record(NULL, NULL);
    assert_int_equal(lt_effect_forward(&last, "portal", LT_SPAN_NULL, &a, &f, NULL), LT_EFFECTS_LAST);
    assert_int_equal(lt_effect_forward(&none, "portal", LT_SPAN_NULL, &a, &f, NULL), LT_EFFECTS_LAST);
    lt_arena_deinit(&a);
}

static void a_note_is_a_whole_event_keyed_like_its_dossier_unless_it_names_a_key(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_log_record r = record(NULL, NULL);
    struct lt_note n = {.to = LT_NOTE_PROVINCE, .type = "vn.lienthong.population.mismatch.v1", .data = {"{}", 2}};
    struct lt_effect f = {0};
    struct lt_event read;
    struct lt_err err = LT_ERR_INIT;
    lt_effect_note(&r, &event, "population", lt_step_name(LT_STEP_CHECK), 0, &n, 0, &a, &f);
    assert_string_equal(f.topic, "lt.province");
    assert_span_is(f.key, "H22/A-1");
    if (lt_event_read(f.key, &f.headers, f.value, &read, &err) != LT_OK)
        fail_msg("%s", err.text);
    n.to = LT_NOTE_AUDIT;
    n.key = LT_SPAN_LIT("cb01");
    lt_effect_note(&r, &event, "population", lt_step_name(LT_STEP_CHECK), 0, &n, 0, &a, &f);
    assert_string_equal(f.topic, "lt.audit");
    assert_span_is(f.key, "cb01");
    lt_arena_deinit(&a);
}

static void a_path_about_other_targets_or_a_hop_that_is_no_number_is_an_error(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_effect f;
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_record other = record("population,notify", "0"), bad = record("portal", "x"),
                         absent = record("portal", NULL);
    assert_int_equal(lt_effect_forward(&other, "portal", LT_SPAN_NULL, &a, &f, &err), LT_E_INVALID);
    assert_non_null(strstr(err.text, "lt_path"));
    assert_int_equal(lt_effect_forward(&bad, "portal", LT_SPAN_NULL, &a, &f, &err), LT_E_INVALID);
    assert_int_equal(lt_effect_forward(&absent, "portal", LT_SPAN_NULL, &a, &f, &err), LT_E_INVALID);
    lt_arena_deinit(&a);
}

static void a_note_is_an_event_whose_id_depends_on_target_step_and_type_only(void **state)
{
    (void)state;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_log_record r = record(NULL, NULL);
    const struct lt_note answer = {
        .to = LT_NOTE_ANSWER, .type = "vn.lienthong.portal.answer.v1", .data = LT_SPAN_LIT("{\"a\":1}")};
    const struct lt_note province = {
        .to = LT_NOTE_PROVINCE, .type = "vn.lienthong.population.mismatch.v1", .data = LT_SPAN_LIT("{}")};
    struct lt_effect one, again, other_step, other_target, mismatch;
    lt_effect_note(&r, &event, "portal", lt_step_name(LT_STEP_UPSERT), 0, &answer, 1000, &a, &one);
    lt_effect_note(&r, &event, "portal", lt_step_name(LT_STEP_UPSERT), 0, &answer, 9000, &a, &again);
    lt_effect_note(&r, &event, "portal", lt_step_name(LT_STEP_PROGRESS), 0, &answer, 1000, &a, &other_step);
    lt_effect_note(&r, &event, "portal2", lt_step_name(LT_STEP_UPSERT), 0, &answer, 1000, &a, &other_target);
    lt_effect_note(&r, &event, "portal", lt_step_name(LT_STEP_UPSERT), 0, &province, 1000, &a, &mismatch);
    struct lt_span id = lt_headers_value(&one.headers, "ce_id");
    assert_int_equal(id.len, 32);
    assert_true(lt_span_eq(id, lt_headers_value(&again.headers, "ce_id")));
    assert_false(lt_span_eq(id, lt_headers_value(&other_step.headers, "ce_id")));
    assert_false(lt_span_eq(id, lt_headers_value(&other_target.headers, "ce_id")));
    assert_false(lt_span_eq(id, lt_headers_value(&mismatch.headers, "ce_id")));
    assert_string_equal(one.topic, "lt.answers");
    assert_string_equal(mismatch.topic, "lt.province");
    assert_span_is(one.value, "{\"a\":1}");
    assert_span_is(lt_headers_value(&one.headers, "ce_type"), "vn.lienthong.portal.answer.v1");
    assert_span_is(lt_headers_value(&one.headers, "ce_source"), "urn:lienthong:target:portal");
    assert_span_is(lt_headers_value(&one.headers, "ce_subject"), "A-1");
    assert_span_is(lt_headers_value(&one.headers, "ce_unit"), "H22.01");
    assert_span_is(lt_headers_value(&one.headers, "lt_cause"), "0123456789abcdef0123456789abcdef");
    assert_span_is(lt_headers_value(&one.headers, "ce_specversion"), "1.0");
    struct lt_span absent;
    assert_false(lt_headers_get(&one.headers, "ce_procedure", &absent));
    lt_arena_deinit(&a);
}

static size_t bytes_of(const struct lt_effect *f)
{
    size_t n = f->key.len + f->value.len;
    for (size_t i = 0; i < f->headers.len; i++)
        n += f->headers.v[i].name.len + f->headers.v[i].value.len;
    return n;
}

/* A record of somebody else's may be all key or all headers, and no place left for ours. */
static void a_dead_letter_fits_and_says_why_whatever_the_record_brings(void **state)
{
    (void)state;
    const size_t max = 1000000, large = 998000;
    LT_AUTOFREE char *bytes = lt_alloc(large + 1);
    memset(bytes, 'x', large);
    const struct lt_span keys[] = {LT_SPAN_LIT("H22/C"), lt_span(bytes, large), lt_span(bytes, 10)},
                         values[] = {lt_span(bytes, large), LT_SPAN_LIT("short"), LT_SPAN_LIT("short")};
    const size_t header_bytes[] = {5, 5, 20000};
    const struct lt_refused why = {
        .target = "sim", .step = "queue", .reason = "bad-record", .code = "bad-record", .text = "no event"};
    for (size_t n = 0; n < LT_ARRAY_LEN(keys); n++) {
        struct lt_arena a = LT_ARENA_INIT;
        struct lt_log_record r = {.offset = 7, .key = keys[n], .value = values[n]};
        for (size_t i = 0; i < LT_HEADERS_MAX; i++)
            lt_headers_put(&r.headers, lt_arena_printf(&a, "foreign%zu", i), lt_span(bytes, header_bytes[n]));
        struct lt_effect f = {0};
        lt_effect_deadletter(&r, &why, max, &a, &f);
        assert_true(bytes_of(&f) < max - 1000);
        assert_false(f.headers.over);
        assert_span_is(lt_headers_value(&f.headers, "lt_reason"), "bad-record");
        assert_span_is(lt_headers_value(&f.headers, "lt_order"), "7");
        assert_true(lt_headers_value(&f.headers, "lt_refused").len > 0);
        assert_int_equal(lt_headers_value(&f.headers, "foreign0").len, n == 2 ? 0 : 5);
        assert_int_equal(lt_headers_value(&f.headers, "lt_truncated").len, n == 2 ? 0 : 4);
        lt_arena_deinit(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_hop_gets_the_same_event_with_its_hop_counted),
        cmocka_unit_test(the_last_target_and_an_event_without_a_path_forward_nothing),
        cmocka_unit_test(a_note_is_a_whole_event_keyed_like_its_dossier_unless_it_names_a_key),
        cmocka_unit_test(a_path_about_other_targets_or_a_hop_that_is_no_number_is_an_error),
        cmocka_unit_test(a_note_is_an_event_whose_id_depends_on_target_step_and_type_only),
        cmocka_unit_test(a_dead_letter_fits_and_says_why_whatever_the_record_brings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
