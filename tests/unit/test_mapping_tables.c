#include "gateway/base/clock.h"
#include "tests/unit/test_mapping_kit.h"

#include <pthread.h>
#include <stdatomic.h>

static int64_t at(const char *day)
{
    int64_t ms;

    assert_true(lt_time_parse(LT_TIME_RFC3339, lt_span_str(day), &ms));
    return ms;
}

/* The table of a file, compiled; table_free afterwards. */
static const struct lt_table *table(struct kit *k, struct lt_tables **ret, const char *text, const char *name)
{
    kit_init(k);
    kit_text(k, KIT_TABLE, "t.yaml", text);
    if (lt_tables_new(&k->config, &k->diags, ret) != LT_OK) {
        free(kit_print(k));
        fail_msg("the tables do not compile");
    }
    assert_non_null(lt_table_find(*ret, lt_span_str(name)));
    return lt_table_find(*ret, lt_span_str(name));
}

static void table_free(struct kit *k, struct lt_tables *ts)
{
    lt_tables_free(ts);
    kit_deinit(k);
}

/* The file does not compile, and the findings say all of this. */
static void refused_with(const char *text, const char *const *parts)
{
    struct lt_tables *t = NULL;
    struct kit k;

    kit_init(&k);
    kit_text(&k, KIT_TABLE, "t.yaml", text);
    assert_int_equal(lt_tables_new(&k.config, &k.diags, &t), LT_E_INVALID);
    assert_null(t);
    LT_AUTOFREE char *found = kit_print(&k);
    for (; *parts; parts++)
        assert_contains(found, *parts);
    kit_deinit(&k);
}
#define refused(text, ...) refused_with((text), (const char *const[]){__VA_ARGS__, NULL})

static void an_entry_is_in_force_from_its_first_moment_until_just_before_its_end(void **state)
{
    const struct lt_table_entry *other;
    const struct lt_table *t;
    struct lt_tables *ts;
    struct kit k;

    (void)state;
    t = table(&k, &ts, kit_units, "units");
    assert_null(lt_table_lookup(t, LT_SPAN_LIT("H22.Q1"), at("2009-12-31T23:59:59.999+07:00"), &other));
    assert_string_equal(other->code, "H22.Q1");
    assert_non_null(lt_table_lookup(t, LT_SPAN_LIT("H22.Q1"), at("2010-01-01T00:00:00+07:00"), NULL));
    assert_non_null(lt_table_lookup(t, LT_SPAN_LIT("H22.Q1"), at("2025-06-30T23:59:59.999+07:00"), &other));
    assert_null(other);
    assert_null(lt_table_lookup(t, LT_SPAN_LIT("H22.Q1"), at("2025-07-01T00:00:00+07:00"), &other));
    assert_int_equal(other->to_ms, at("2025-07-01T00:00:00+07:00"));
    assert_null(lt_table_lookup(t, LT_SPAN_LIT("H22.Q"), at("2025-07-01T00:00:00+07:00"), &other));
    assert_null(other);
    table_free(&k, ts);
}

static void one_code_can_mean_other_things_at_other_times(void **state)
{
    const struct lt_table *t;
    struct lt_tables *ts;
    struct kit k;

    (void)state;
    t = table(&k, &ts, kit_procedures, "procedures");
    assert_string_equal(lt_table_lookup(t, LT_SPAN_LIT("2.000815"), at("2024-05-31T12:00:00+07:00"), NULL)->value,
                        "2.000815");
    assert_string_equal(lt_table_lookup(t, LT_SPAN_LIT("2.000815"), at("2024-06-01T00:00:00+07:00"), NULL)->value,
                        "2.000999");
    assert_string_equal(lt_table_field(lt_table_at(t, 0), "sector"), "ho-tich");
    assert_string_equal(lt_table_field(lt_table_at(t, 1), "sector"), "");
    assert_string_equal(lt_table_field(lt_table_at(t, 1), "value"), "1.001193");
    assert_int_equal(lt_table_len(t), 4);
    table_free(&k, ts);
}

static void a_successor_is_followed_along_the_chain_to_the_moment(void **state)
{
    const struct lt_table_entry *first;
    const struct lt_table *t;
    struct lt_tables *ts;
    struct kit k;

    (void)state;
    t = table(&k, &ts, kit_units, "units");
    first = lt_table_lookup(t, LT_SPAN_LIT("H22.Q1"), at("2024-01-01T00:00:00Z"), NULL);
    assert_ptr_equal(lt_table_successor(t, first, at("2024-01-01T00:00:00Z")), first);
    assert_string_equal(lt_table_successor(t, first, at("2025-08-01T00:00:00Z"))->code, "H22.P1");
    assert_string_equal(lt_table_successor(t, first, at("2026-08-01T00:00:00Z"))->code, "H22.P2");
    first = lt_table_lookup(t, LT_SPAN_LIT("H22.X"), at("2024-01-01T00:00:00Z"), NULL);
    assert_null(lt_table_successor(t, first, at("2026-01-01T00:00:00Z")));
    table_free(&k, ts);
}

static void the_short_form_maps_codes_to_values(void **state)
{
    const struct lt_table *t;
    struct lt_tables *ts;
    struct kit k;

    (void)state;
    t = table(&k, &ts, "table: true-false\nkind: codes\nentries: {\"0\": \"False\", \"1\": \"True\"}\n", "true-false");
    assert_string_equal(lt_table_lookup(t, LT_SPAN_LIT("1"), 0, NULL)->value, "True");
    assert_string_equal(lt_table_field(lt_table_at(t, 0), "name"), "");
    table_free(&k, ts);
}

static void entries_of_one_code_that_overlap_are_refused(void **state)
{
    (void)state;
    refused(
        "table: t\nkind: codes\nentries:\n"
        "  - {code: A, to: 2025-01-02}\n"
        "  - {code: B}\n"
        "  - {code: A, from: 2025-01-01}\n",
        "t.yaml:6:", "A: expected entries of one code that do not overlap, got the time of the entry in line 4 too");
}

static void a_circle_of_successors_is_refused(void **state)
{
    (void)state;
    refused("table: t\nkind: units\nentries:\n"
            "  - {code: A, to: 2025-01-01, successor: B}\n"
            "  - {code: B, to: 2026-01-01, successor: A}\n"
            "  - {code: A, from: 2026-01-01, to: 2027-01-01, successor: B}\n"
            "  - {code: B, from: 2027-01-01, to: 2028-01-01, successor: B}\n",
            "expected a unit in force at 2028-01-01, when B ends, got B, which is not");
}

static void a_circle_through_later_entries_ends_in_a_finding(void **state)
{
    (void)state;
    refused("table: t\nkind: units\nentries:\n"
            "  - {code: A, from: 2025-01-01, to: 2026-01-01, successor: B}\n"
            "  - {code: B, from: 2025-06-01, to: 2026-06-01, successor: C}\n"
            "  - {code: C, from: 2026-06-01, to: 2026-07-01, successor: B}\n"
            "  - {code: B, from: 2026-07-01, to: 2026-08-01, successor: B}\n",
            "t.yaml:7:");
}

static void successors_must_exist_be_in_force_and_follow_an_end(void **state)
{
    (void)state;
    refused("table: t\nkind: units\nentries:\n"
            "  - {code: H22.Q1, to: 2025-01-01, successor: H22.P9}\n"
            "  - {code: H22.P1, from: 2025-02-01}\n"
            "  - {code: H22.Q2, to: 2025-01-01, successor: H22.P1}\n"
            "  - {code: H22.Q3, successor: H22.P1}\n",
            "t.yaml:4:", "successor: expected a code of table t, got H22.P9; did you mean H22.P1?",
            "expected a unit in force at 2025-01-01, when H22.Q2 ends, got H22.P1, which is not",
            "successor: expected only beside `to`: H22.Q3 has no end");
}

static void wrong_dates_kinds_and_keys_are_all_found_in_one_run(void **state)
{
    (void)state;
    refused("table: t\nkind: unit\nentires: []\nentries:\n"
            "  - {code: A, from: 20250101}\n"
            "  - {code: B, from: 2025-02-30}\n"
            "  - {code: C, from: 2025-02-02, to: 2025-02-01}\n"
            "  - {name: x}\n",
            "kind: expected units or codes", "entires", "t.yaml:5:21: from: expected a date yyyy-MM-dd",
            "t.yaml:6:21: from: expected a date yyyy-MM-dd", "to: expected a date after from of C, got 2025-02-01",
            "t.yaml:8:", "code: expected a text, got nothing");
}

/* ---- replacing the contents of tables that are in use ---- */

#define FORMER "table: t\nkind: codes\nentries: {a: old, b: old}\n"
#define FRESH "table: t\nkind: codes\nentries: {a: new, c: new}\n"

static void a_table_that_is_looked_up_in_goes_on_with_other_contents(void **state)
{
    struct lt_tables *running, *fresh;
    struct lt_err err = LT_ERR_INIT;
    struct kit k, l;
    (void)state;
    const struct lt_table *t = table(&k, &running, FORMER, "t");
    kit_init(&l);
    kit_text(&l, KIT_TABLE, "t.yaml", FRESH);
    kit_text(&l, KIT_TABLE, "more.yaml", "table: more\nkind: codes\nentries: {x: y}\n");
    assert_int_equal(lt_tables_new(&l.config, &l.diags, &fresh), LT_OK);
    assert_int_equal(lt_tables_fit(running, fresh, &err), LT_OK);
    lt_tables_take(running, fresh);
    lt_tables_free(fresh); /* with the former contents */
    kit_deinit(&k);        /* and what these were texts of */
    assert_ptr_equal(lt_table_find(running, LT_SPAN_LIT("t")), t);
    assert_string_equal(lt_table_lookup(t, LT_SPAN_LIT("a"), 0, NULL)->value, "new");
    assert_string_equal(lt_table_lookup(t, LT_SPAN_LIT("c"), 0, NULL)->value, "new");
    assert_null(lt_table_lookup(t, LT_SPAN_LIT("b"), 0, NULL));
    assert_null(lt_table_find(running, LT_SPAN_LIT("more")));
    assert_string_equal(lt_tables_names(running)[0], "t");
    table_free(&l, running);
}

static void tables_that_lack_one_in_use_or_changed_its_kind_do_not_fit(void **state)
{
    static const char *const others[] = {"table: u\nkind: codes\nentries: {a: b}\n",
                                         "table: t\nkind: units\nentries: [{code: a}]\n"};
    (void)state;
    for (size_t i = 0; i < LT_ARRAY_LEN(others); i++) {
        struct lt_tables *running, *fresh;
        struct lt_err err = LT_ERR_INIT;
        struct kit k, l;
        (void)table(&k, &running, FORMER, "t");
        kit_init(&l);
        kit_text(&l, KIT_TABLE, "t.yaml", others[i]);
        assert_int_equal(lt_tables_new(&l.config, &l.diags, &fresh), LT_OK);
        assert_int_equal(lt_tables_fit(running, fresh, &err), LT_E_INVALID);
        assert_contains(err.text, "table t: expected kind codes");
        table_free(&l, fresh);
        table_free(&k, running);
    }
}

static struct {
    struct lt_tables *tables;
    const struct lt_table *t;
    atomic_bool stop;
    atomic_size_t looked;
} shared;

/* Whatever was taken up: a look-up sees one content or the other, whole, as long as it holds it. */
static void *look_up(void *arg)
{
    (void)arg;
    while (!atomic_load(&shared.stop)) {
        lt_tables_hold(shared.tables);
        const struct lt_table_entry *a = lt_table_lookup(shared.t, LT_SPAN_LIT("a"), 0, NULL),
                                    *b = lt_table_lookup(shared.t, LT_SPAN_LIT("b"), 0, NULL),
                                    *c = lt_table_lookup(shared.t, LT_SPAN_LIT("c"), 0, NULL);
        bool former = strcmp(a->value, "old") == 0;
        assert_true(former ? b && !c : !b && c);
        lt_tables_release(shared.tables);
        atomic_fetch_add(&shared.looked, 1);
    }
    return NULL;
}

static void contents_are_replaced_under_readers(void **state)
{
    struct kit k, last;
    pthread_t readers[2];
    (void)state;
    shared.t = table(&k, &shared.tables, FORMER, "t");
    last = k;
    for (size_t i = 0; i < LT_ARRAY_LEN(readers); i++)
        assert_int_equal(pthread_create(&readers[i], NULL, look_up, NULL), 0);
    for (int n = 0; n < 200; n++) {
        struct lt_tables *fresh;
        struct kit l;
        size_t before = atomic_load(&shared.looked);
        (void)table(&l, &fresh, n % 2 ? FORMER : FRESH, "t");
        lt_tables_take(shared.tables, fresh);
        table_free(&last, fresh);
        last = l;
        while (atomic_load(&shared.looked) == before)
            sched_yield();
    }
    atomic_store(&shared.stop, true);
    for (size_t i = 0; i < LT_ARRAY_LEN(readers); i++)
        pthread_join(readers[i], NULL);
    table_free(&last, shared.tables);
}

static void a_table_name_is_used_once(void **state)
{
    struct lt_tables *t = NULL;
    struct kit k;
    char *f;

    (void)state;
    kit_init(&k);
    kit_text(&k, KIT_TABLE, "a.yaml", "table: t\nkind: codes\nentries: {a: b}\n");
    kit_text(&k, KIT_TABLE, "b.yaml", "table: t\nkind: codes\nentries: {a: c}\n");
    assert_int_equal(lt_tables_new(&k.config, &k.diags, &t), LT_E_INVALID);
    f = kit_print(&k);
    assert_contains(f, "b.yaml:1:8: table: expected a name used once, got t again (a.yaml:1)");
    free(f);
    kit_deinit(&k);
}

static void findings_of_tables_compiled_twice_are_reported_once(void **state)
{
    struct lt_tables *t = NULL;
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_text(&k, KIT_TABLE, "a.yaml", "table: t\nkind: code\nentries: {a: b}\n");
    assert_int_equal(lt_tables_new(&k.config, &k.diags, &t), LT_E_INVALID);
    assert_int_equal(lt_mappings_new(&k.config, &k.diags, &k.m), LT_E_INVALID);
    assert_int_equal(k.diags.items.len, 1);
    kit_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_in_force_from_its_first_moment_until_just_before_its_end),
        cmocka_unit_test(one_code_can_mean_other_things_at_other_times),
        cmocka_unit_test(a_successor_is_followed_along_the_chain_to_the_moment),
        cmocka_unit_test(the_short_form_maps_codes_to_values),
        cmocka_unit_test(entries_of_one_code_that_overlap_are_refused),
        cmocka_unit_test(a_circle_of_successors_is_refused),
        cmocka_unit_test(a_circle_through_later_entries_ends_in_a_finding),
        cmocka_unit_test(successors_must_exist_be_in_force_and_follow_an_end),
        cmocka_unit_test(wrong_dates_kinds_and_keys_are_all_found_in_one_run),
        cmocka_unit_test(a_table_that_is_looked_up_in_goes_on_with_other_contents),
        cmocka_unit_test(tables_that_lack_one_in_use_or_changed_its_kind_do_not_fit),
        cmocka_unit_test(contents_are_replaced_under_readers),
        cmocka_unit_test(a_table_name_is_used_once),
        cmocka_unit_test(findings_of_tables_compiled_twice_are_reported_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
