#include "tests/unit/harness.h"

#include "adapters/mock/options.h"
#include "gateway/base/file.h"

struct chosen {
    int64_t count;
    const char *name, *path;
    struct lt_opt_strings list, fault_every;
    int form;
};
static const char *const forms[] = {"round", "square", NULL};
#define AT(m) offsetof(struct chosen, m)
static const struct lt_opt opts[] = {
    {"count", LT_OPT_INT, AT(count), false, "7", 0, 100, NULL, "how many"},
    {"name", LT_OPT_STRING, AT(name), false, NULL, 0, 0, NULL, "what it is called"},
    {"path", LT_OPT_PATH, AT(path), false, NULL, 0, 0, NULL, "where it is"},
    {"list", LT_OPT_STRINGS, AT(list), false, NULL, 0, 0, NULL, "some"},
    {"fault-every", LT_OPT_STRINGS, AT(fault_every), false, NULL, 0, 0, NULL, "faults"},
    {"form", LT_OPT_ENUM, AT(form), false, "round", 0, 0, forms, "its form"},
};

struct world {
    struct chosen c;
    struct lt_arena a;
    struct lt_diags d;
};

static int setup(void **state)
{
    *state = lt_alloc(sizeof(struct world));
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    lt_arena_deinit(&w->a);
    lt_diags_deinit(&w->d);
    free(w);
    return 0;
}

#define READ(w, ...)                                                                                                   \
    ({                                                                                                                 \
        const char *words_[] = {__VA_ARGS__};                                                                          \
        lt_mock_options_read((int)LT_ARRAY_LEN(words_), (char **)(uintptr_t)words_, opts, LT_ARRAY_LEN(opts), &(w)->c, \
                             &(w)->a, &(w)->d);                                                                        \
    })

static void switches_and_defaults_fill_the_settings(void **state)
{
    struct world *w = *state;
    assert_int_equal(READ(w, "--name", "123", "--list", "a,b", "--list=c", "--fault-every", "5", "http500",
                          "--fault-every=9 html200", "--path", "x/y"),
                     LT_OK);
    assert_int_equal(w->c.count, 7);
    assert_string_equal(w->c.name, "123");
    assert_string_equal(w->c.path, "x/y");
    assert_int_equal(w->c.list.len, 3);
    assert_string_equal(w->c.list.v[2], "c");
    assert_int_equal(w->c.fault_every.len, 2);
    assert_string_equal(w->c.fault_every.v[0], "5 http500");
    assert_int_equal(w->c.form, 0);
}

static void the_command_line_wins_over_the_file_key_by_key(void **state)
{
    struct world *w = *state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/mock.yaml", folder);
    LT_AUTOFREE char *beside = lt_asprintf("%s/beside", folder);
    assert_int_equal(
        lt_file_write(path, LT_SPAN_LIT("count: 3\nlist: [x, y]\npath: beside\nform: square\n"), 0600, NULL), LT_OK);
    assert_int_equal(READ(w, "--count", "4", "--config", path), LT_OK);
    assert_int_equal(w->c.count, 4);
    assert_int_equal(w->c.list.len, 2);
    assert_string_equal(w->c.list.v[1], "y");
    assert_string_equal(w->c.path, beside);
    assert_int_equal(w->c.form, 1);
    harness_folder_remove(folder);
}

static void every_mistake_is_told_in_one_run(void **state)
{
    struct world *w = *state;
    struct lt_buf text = LT_BUF_INIT(1 << 16);
    assert_int_equal(READ(w, "stray", "--cuont", "3", "--count", "101", "--form", "rond", "--name"), LT_E_INVALID);
    lt_diags_print(&w->d, &text);
    assert_int_equal(w->d.errors, 5);
    assert_non_null(strstr(text.ptr, "did you mean --count?"));
    assert_non_null(strstr(text.ptr, "from 0 to 100"));
    assert_non_null(strstr(text.ptr, "--name: expected a value"));
    lt_buf_deinit(&text);
}

static void a_missing_file_is_an_error(void **state)
{
    struct world *w = *state;
    assert_int_equal(READ(w, "--config", "nowhere/mock.yaml"), LT_E_INVALID);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(switches_and_defaults_fill_the_settings),
        CASE(the_command_line_wins_over_the_file_key_by_key),
        CASE(every_mistake_is_told_in_one_run),
        CASE(a_missing_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
