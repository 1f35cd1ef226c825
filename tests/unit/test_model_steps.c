#include "tests/unit/harness.h"

#include "gateway/config/yaml.h"
#include "gateway/model/steps.h"

#include <sys/stat.h>

static void same_steps(const struct lt_yaml_node *list, const enum lt_step *steps, size_t n)
{
    assert_non_null(list);
    assert_int_equal(list->kind, LT_YAML_SEQ);
    assert_int_equal(list->len, n);
    for (size_t i = 0; i < n; i++)
        assert_span_is(lt_yaml_text(list->items[i]), lt_step_name(steps[i]));
}

static void the_table_is_the_one_in_the_schemas(void **state)
{
    (void)state;
    struct lt_yaml *y = NULL;
    assert_int_equal(lt_yaml_load("schemas/canonical/steps.yaml", &y, NULL), LT_OK);
    const struct lt_yaml_node *events = lt_yaml_get(lt_yaml_root(y), "events");
    size_t n;
    const struct lt_event_type *types = lt_event_types(&n);
    assert_int_equal(events->len, n);
    for (size_t i = 0; i < n; i++) {
        const struct lt_yaml_node *e = events->items[i], *status = lt_yaml_get(e, "status");
        assert_int_equal(e->len, 4); /* word, status, population, portal: a new column needs code */
        assert_span_is(lt_yaml_text(lt_yaml_get(e, "word")), types[i].word);
        same_steps(lt_yaml_get(e, "population"), types[i].population, types[i].population_len);
        same_steps(lt_yaml_get(e, "portal"), types[i].portal, types[i].portal_len);
        assert_int_equal(status->len, types[i].status_len);
        for (size_t s = 0; s < status->len; s++)
            assert_span_is(lt_yaml_text(status->items[s]), types[i].status[s]);
    }
    lt_yaml_free(y);
}

static void every_event_type_has_its_schema(void **state)
{
    (void)state;
    size_t n;
    const struct lt_event_type *types = lt_event_types(&n);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        LT_AUTOFREE char *type = lt_asprintf("vn.lienthong.dossier.%s.v1", types[i].word);
        assert_string_equal(types[i].type, type);
        if (stat(types[i].schema, &st) != 0)
            fail_msg("no schema %s", types[i].schema);
    }
}

static void an_event_type_is_found_by_word_and_by_name_and_never_guessed(void **state)
{
    (void)state;
    const struct lt_event_type *t = lt_event_type_by_word(LT_SPAN_LIT("progressed"));
    assert_non_null(t);
    assert_ptr_equal(lt_event_type_by_name(LT_SPAN_LIT("vn.lienthong.dossier.progressed.v1")), t);
    assert_int_equal(t->population_len, 0);
    assert_int_equal(t->portal[0], LT_STEP_ENSURE);
    assert_null(lt_event_type_by_word(LT_SPAN_LIT("Progressed")));
    assert_null(lt_event_type_by_word(LT_SPAN_NULL));
    assert_null(lt_event_type_by_name(LT_SPAN_LIT("vn.lienthong.dossier.progressed.v2")));
    assert_null(lt_event_type_by_name(LT_SPAN_LIT("progressed")));
}

static void an_event_allows_its_own_statuses_only(void **state)
{
    (void)state;
    const struct lt_event_type *t = lt_event_type_by_word(LT_SPAN_LIT("received"));
    assert_true(lt_event_type_status(t, LT_SPAN_LIT("1")));
    assert_true(lt_event_type_status(t, LT_SPAN_LIT("2")));
    assert_false(lt_event_type_status(t, LT_SPAN_LIT("10")));
    assert_false(lt_event_type_status(t, LT_SPAN_NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_one_in_the_schemas),
        cmocka_unit_test(every_event_type_has_its_schema),
        cmocka_unit_test(an_event_type_is_found_by_word_and_by_name_and_never_guessed),
        cmocka_unit_test(an_event_allows_its_own_statuses_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
