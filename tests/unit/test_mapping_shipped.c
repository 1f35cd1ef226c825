/* The configuration that ships: mappings, tables and digest profiles compile without a finding, and every example
 * holds. */
#include <glob.h>
#include <stdio.h>

#include "tests/unit/test_mapping_kit.h"

static void shipped_add(struct kit *k, enum kit_part part, const char *pattern)
{
    glob_t found;

    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        kit_file(k, part, found.gl_pathv[i]);
    globfree(&found);
}

static void shipped(struct kit *k)
{
    kit_init(k);
    k->config.schemas_dir = "schemas";
    shipped_add(k, KIT_TABLE, "config/tables/*.yaml");
    shipped_add(k, KIT_DIGEST, "config/digests/*.yaml");
    shipped_add(k, KIT_MAPPING, "config/mappings/*.yaml");
    kit_compile(k);
}

static void the_shipped_mappings_compile_and_all_their_examples_hold(void **state)
{
    struct kit k;
    size_t n;

    (void)state;
    shipped(&k);
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
    shipped(&k);
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
    shipped_add(&k, KIT_TABLE, "config/tables/*.yaml");
    shipped_add(&k, KIT_DIGEST, "config/digests/*.yaml");
    shipped_add(&k, KIT_MAPPING, "config/mappings/*.yaml");
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
