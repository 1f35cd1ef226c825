/* The configuration that ships: mappings, tables and digest profiles compile without a finding, and every example
 * holds. */
#include <stdio.h>

#include "tests/unit/test_mapping_kit.h"

static void the_shipped_mappings_compile_and_all_their_examples_hold(void **state)
{
    struct kit k;
    size_t n;

    (void)state;
    kit_open_shipped(&k);
    n = lt_mappings_run_examples(k.m, &k.diags);
    free(kit_print(&k));
    assert_int_equal(k.diags.errors, 0);
    assert_true(n >= 18); /* three dialects, six or more each */
    kit_deinit(&k);
}

static void nothing_about_the_shipped_mappings_calls_for_a_warning(void **state)
{
    struct kit k;

    (void)state;
    kit_open_shipped(&k);
    free(kit_print(&k));
    assert_int_equal(k.diags.items.len, 0);
    kit_deinit(&k);
}

static void schemas_are_found_from_the_folder_above_too(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    k.config.schemas_dir = ".";
    kit_glob(&k, KIT_TABLE, "config/tables/*.yaml");
    kit_glob(&k, KIT_DIGEST, "config/digests/*.yaml");
    kit_glob(&k, KIT_MAPPING, "config/mappings/*.yaml");
    kit_compile(&k);
    kit_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_mappings_compile_and_all_their_examples_hold),
        cmocka_unit_test(nothing_about_the_shipped_mappings_calls_for_a_warning),
        cmocka_unit_test(schemas_are_found_from_the_folder_above_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
