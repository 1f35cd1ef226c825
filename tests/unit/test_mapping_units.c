#include <stdio.h>

#include "tests/unit/test_mapping_kit.h"

/* H22.Q1 ended on 2025-07-01 for H22.P1, which ended on 2026-01-01 for H22.P2; H22.X ended on 2025-07-01 without a
 * successor. */
static const char *event(char *out, const char *code, const char *unit, const char *at, const char *accepted)
{
    char dossier[128] = "\"dossier\":{\"owner\":\"An\"}";

    if (accepted)
        sprintf(dossier, "\"dossier\":{\"owner\":\"An\",\"accepted\":\"%s\"}", accepted);
    sprintf(out,
            "{\"system\":\"a\",\"code\":\"%s\",\"action\":\"receive\",\"at\":\"%s\",\"agency\":{\"code\":\"%s\"},"
            "\"procedure\":\"1.001193\",%s}",
            code, at, unit, dossier);
    return out;
}

static void a_unit_in_force_is_itself(void **state)
{
    char body[1024];
    struct kit k;

    (void)state;
    kit_open_small(&k);
    assert_span_is(
        kit_event(&k, JSON,
                  event(body, "H22.Q1-250630-1", "H22.Q1", "2025-06-30T23:59:59+07:00", "2025-06-30T08:00:00"))
            ->unit,
        "H22.Q1");
    kit_deinit(&k);
}

static void an_ended_unit_is_accepted_for_a_dossier_from_before_and_becomes_its_successor(void **state)
{
    const struct lt_event *e;
    char body[1024];
    struct kit k;

    (void)state;
    kit_open_small(&k);
    e = kit_event(&k, JSON,
                  event(body, "H22.Q1-250620-1", "H22.Q1", "2025-07-01T00:00:00+07:00", "2025-06-30T23:59:59+07:00"));
    assert_span_is(e->unit, "H22.P1");
    assert_span_is(e->province, "H22");
    assert_contains(e->data.ptr, "\"DonVi\":\"Quận Một\""); /* the data keeps the unit that was sent */
    e = kit_event(&k, JSON,
                  event(body, "H22.Q1-250620-1", "H22.Q1", "2026-03-01T08:00:00+07:00", "2025-06-30T23:59:59+07:00"));
    assert_span_is(e->unit, "H22.P2");
    kit_deinit(&k);
}

static void an_ended_unit_is_refused_for_a_dossier_from_after_and_the_successor_is_named(void **state)
{
    const struct lt_refusal *r;
    char body[1024];
    struct kit k;

    (void)state;
    kit_open_small(&k);
    r = kit_refusal(&k, JSON,
                    event(body, "H22.Q1-250620-1", "H22.Q1", "2025-07-02T08:00:00+07:00", "2025-07-01T00:00:00+07:00"));
    assert_int_equal(r->status, 422);
    assert_string_equal(r->code, "unit-abolished");
    assert_string_equal(r->field, "unit");
    assert_string_equal(r->pointer, "/agency/code");
    assert_contains(r->detail, "H22.Q1, which ended on 2025-07-01; its successor is H22.P1");
    r = kit_refusal(&k, JSON, event(body, "H22.X-250720-1", "H22.X", "2025-07-22T08:00:00+07:00", NULL));
    assert_contains(r->detail, "H22.X, which ended on 2025-07-01 without a successor");
    kit_deinit(&k);
}

static void the_date_in_the_code_counts_where_the_data_has_none_and_the_events_time_at_last(void **state)
{
    static const struct {
        const char *code;
        bool accepted;
    } cases[] = {
        {"H22.Q1-250630-1", true},
        {"H22.Q1-250701-1", false},
        {"H22.Q1-20250630-0092637", true},
        {"H22.Q1-20250701-0092637", false},
        {"H22.Q1-251330-0001", false}, /* no date: the event's time */
        {"H22.Q1", false},
        {"000.00.53-H22-250630-0099", true},
    };
    char body[1024];
    struct kit k;

    (void)state;
    kit_open_small(&k);
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        event(body, cases[i].code, "H22.Q1", "2025-08-01T08:00:00+07:00", NULL);
        if (cases[i].accepted)
            (void)kit_event(&k, JSON, body);
        else
            assert_string_equal(kit_refusal(&k, JSON, body)->code, "unit-abolished");
    }
    kit_deinit(&k);
}

static void an_ended_unit_without_successor_stays_itself_for_old_dossiers(void **state)
{
    char body[1024];
    struct kit k;

    (void)state;
    kit_open_small(&k);
    assert_span_is(kit_event(&k, JSON, event(body, "H22.X-250620-1", "H22.X", "2025-07-22T08:00:00+07:00", NULL))->unit,
                   "H22.X");
    kit_deinit(&k);
}

static void a_unit_that_begins_later_is_unknown_yet(void **state)
{
    const struct lt_refusal *r;
    char body[1024];
    struct kit k;

    (void)state;
    kit_open_small(&k);
    r = kit_refusal(&k, JSON, event(body, "H22.P1-250620-1", "H22.P1", "2025-06-22T08:00:00+07:00", NULL));
    assert_string_equal(r->code, "unknown-unit");
    assert_contains(r->detail, "H22.P1, which begins on 2025-07-01");
    kit_deinit(&k);
}

static void the_province_is_the_level_1_part_wherever_it_stands_in_the_unit(void **state)
{
    static const struct {
        const char *unit, *province;
    } cases[] = {{"H22.01", "H22"}, {"000.00.01.H48", "H48"}, {"H37.DN.002", "H37"}, {"G09.20", "G09"}, {"H29", "H29"}};
    char body[1024];
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text_with(&k, KIT_MAPPING, "small-json.yaml", kit_small_json, "table: units", "table: units, unknown: keep");
    kit_compile(&k);
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++)
        assert_span_is(kit_event(&k, JSON, event(body, "c-1", cases[i].unit, "2024-01-01T08:00:00", NULL))->province,
                       cases[i].province);
    assert_string_equal(kit_refusal(&k, JSON, event(body, "c-1", "12.34", "2024-01-01T08:00:00", NULL))->code,
                        "unknown-province");
    kit_deinit(&k);
}

static void a_province_may_be_sent_by_itself_and_must_be_one(void **state)
{
    char body[1024];
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text_with(&k, KIT_MAPPING, "small-json.yaml", kit_small_json, "attributes:\n",
                  "attributes:\n  province: {from: system}\n");
    kit_compile(&k);
    event(body, "c-1", "H22.01", "2024-01-01T08:00:00", NULL);
    assert_string_equal(kit_refusal(&k, JSON, body)->field, "province");
    sprintf(body, "{\"system\":\"H40\",\"code\":\"c-1\",\"action\":\"receive\",\"at\":\"2024-01-01T08:00:00\","
                  "\"agency\":{\"code\":\"H22.01\"},"
                  "\"procedure\":\"1.001193\",\"dossier\":{\"owner\":\"An\"}}");
    assert_span_is(kit_event(&k, JSON, body)->key, "H40/c-1");
    kit_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_unit_in_force_is_itself),
        cmocka_unit_test(an_ended_unit_is_accepted_for_a_dossier_from_before_and_becomes_its_successor),
        cmocka_unit_test(an_ended_unit_is_refused_for_a_dossier_from_after_and_the_successor_is_named),
        cmocka_unit_test(the_date_in_the_code_counts_where_the_data_has_none_and_the_events_time_at_last),
        cmocka_unit_test(an_ended_unit_without_successor_stays_itself_for_old_dossiers),
        cmocka_unit_test(a_unit_that_begins_later_is_unknown_yet),
        cmocka_unit_test(the_province_is_the_level_1_part_wherever_it_stands_in_the_unit),
        cmocka_unit_test(a_province_may_be_sent_by_itself_and_must_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
