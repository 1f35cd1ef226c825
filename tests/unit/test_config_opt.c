#include "tests/unit/harness.h"

#include "gateway/base/file.h"
#include "gateway/config/opt.h"

#include <sys/stat.h>

struct all {
    const char *text, *path, *address, *url, *url_path, *maybe;
    struct lt_secret secret;
    int64_t number, wait, size, any;
    bool flag;
    struct lt_opt_strings list;
    int word;
    const struct lt_yaml_node *node;
};
static const char *const words[] = {"low", "middle", "high", NULL};
#define O(member) offsetof(struct all, member)
static const struct lt_opt opts[] = {
    {.key = "text", .type = LT_OPT_STRING, .offset = O(text), .fallback = "plain"},
    {.key = "maybe", .type = LT_OPT_STRING, .offset = O(maybe), .fallback = ""},
    {.key = "path", .type = LT_OPT_PATH, .offset = O(path), .fallback = "here"},
    {.key = "number",
     .type = LT_OPT_INT,
     .offset = O(number),
     .fallback = "3",
     .min = 1,
     .max = 9,
     .help = "Of something."},
    {.key = "any", .type = LT_OPT_INT, .offset = O(any)},
    {.key = "wait", .type = LT_OPT_DURATION, .offset = O(wait), .fallback = "90s", .min = 1000, .max = 86400000},
    {.key = "size", .type = LT_OPT_SIZE, .offset = O(size), .fallback = "64KiB", .min = 1024, .max = 4 << 20},
    {.key = "flag", .type = LT_OPT_BOOL, .offset = O(flag), .fallback = "true"},
    {.key = "list", .type = LT_OPT_STRINGS, .offset = O(list)},
    {.key = "word", .type = LT_OPT_ENUM, .offset = O(word), .fallback = "middle", .words = words},
    {.key = "secret", .type = LT_OPT_SECRET, .offset = O(secret)},
    {.key = "address", .type = LT_OPT_ADDRESS, .offset = O(address), .fallback = "127.0.0.1:0"},
    {.key = "url", .type = LT_OPT_URL, .offset = O(url)},
    {.key = "url_path", .type = LT_OPT_URL_PATH, .offset = O(url_path)},
    {.key = "node", .type = LT_OPT_NODE, .offset = O(node)},
};

struct fixture {
    struct lt_arena arena;
    struct lt_diags diags;
    struct lt_yaml *y;
    struct all got;
    char *said;
};

static int make(void **state)
{
    *state = lt_alloc(sizeof(struct fixture));
    return 0;
}

static void clear(struct fixture *f)
{
    lt_secret_deinit(&f->got.secret);
    lt_yaml_free(f->y);
    f->y = NULL;
    lt_diags_deinit(&f->diags);
    lt_arena_deinit(&f->arena);
    free(f->said);
    f->said = NULL;
    f->got = (struct all){0};
}

static int drop(void **state)
{
    clear(*state);
    free(*state);
    return 0;
}

/* What one text decodes to; returns the number of errors. */
static size_t decode(struct fixture *f, const char *name, const char *text)
{
    clear(f);
    assert_int_equal(lt_yaml_parse(name, lt_span_str(text), &f->y, NULL), LT_OK);
    size_t errors = lt_opts_decode(lt_yaml_root(f->y), "part", opts, LT_ARRAY_LEN(opts), &f->got, &f->arena, &f->diags);
    assert_int_equal(errors, f->diags.errors);
    struct lt_buf out = LT_BUF_INIT(1 << 16);
    lt_diags_print(&f->diags, &out);
    f->said = lt_buf_take(&out);
    return errors;
}

static void says(struct fixture *f, const char *text, const char *message)
{
    assert_int_equal(decode(f, "conf/f.yaml", text), 1);
    LT_AUTOFREE char *line = lt_asprintf("conf/f.yaml:1:%s\n", message);
    assert_string_equal(f->said, line);
}

static void refused(struct fixture *f, const char *key, const char *value, const char *message)
{
    LT_AUTOFREE char *text = lt_asprintf("%s: \"%s\"", key, value);
    assert_int_equal(decode(f, "f.yaml", text), 1);
    assert_contains(f->said, message);
}

static void taken(struct fixture *f, const char *key, const char *value)
{
    LT_AUTOFREE char *text = lt_asprintf("%s: \"%s\"", key, value);
    assert_int_equal(decode(f, "f.yaml", text), 0);
}

static void what_is_not_written_has_its_default(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(decode(f, "conf/f.yaml", "{}"), 0);
    assert_string_equal(f->got.text, "plain");
    assert_string_equal(f->got.maybe, "");
    assert_string_equal(f->got.path, "conf/here");
    assert_int_equal(f->got.number, 3);
    assert_int_equal(f->got.any, 0);
    assert_int_equal(f->got.wait, 90000);
    assert_int_equal(f->got.size, 65536);
    assert_true(f->got.flag);
    assert_int_equal(f->got.list.len, 0);
    assert_int_equal(f->got.word, 1);
    assert_null(f->got.secret.text);
    assert_string_equal(f->got.address, "127.0.0.1:0");
    assert_null(f->got.url);
    assert_null(f->got.node);
    f->got = (struct all){0};
    assert_int_equal(lt_opts_decode(NULL, "part", opts, LT_ARRAY_LEN(opts), &f->got, &f->arena, &f->diags), 0);
    assert_string_equal(f->got.path, "here");
    assert_int_equal(f->got.word, 1);
}

static void what_is_written_is_read(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        decode(f, "conf/f.yaml",
               "{text: 007, maybe: \"\", path: ../x, number: 9, any: 12345678901, wait: 2h, size: 4MiB, flag: false, "
               "list: [a, \"b c\"], word: high, address: \"[::1]:8443\", url: \"https://h.example:1/x?y=1\", node: {k: "
               "v}}"),
        0);
    assert_string_equal(f->got.text, "007");
    assert_string_equal(f->got.maybe, "");
    assert_string_equal(f->got.path, "conf/../x");
    assert_int_equal(f->got.number, 9);
    assert_int_equal(f->got.any, 12345678901);
    assert_int_equal(f->got.wait, 7200000);
    assert_int_equal(f->got.size, 4 << 20);
    assert_false(f->got.flag);
    assert_int_equal(f->got.list.len, 2);
    assert_string_equal(f->got.list.v[1], "b c");
    assert_int_equal(f->got.word, 2);
    assert_string_equal(f->got.address, "[::1]:8443");
    assert_string_equal(f->got.url, "https://h.example:1/x?y=1");
    assert_span_is(lt_yaml_text(lt_yaml_get(f->got.node, "k")), "v");
    assert_int_equal(decode(f, "conf/f.yaml", "{text: \"\"}"), 0);
    assert_string_equal(f->got.text, "");
    assert_int_equal(decode(f, "/etc/f.yaml", "{list: one, path: /abs, size: 1024}"), 0);
    assert_int_equal(f->got.list.len, 1);
    assert_string_equal(f->got.path, "/abs");
    assert_int_equal(f->got.size, 1024);
}

static void each_wrong_value_is_told_with_its_place_and_what_was_expected(void **state)
{
    struct fixture *f = *state;
    says(f, "{text: }", "8: part.text: expected a text, got nothing");
    says(f, "{text: [a]}", "8: part.text: expected a text, got a list");
    says(f, "{path: {a: b}}", "8: part.path: expected a path, got a mapping");
    says(f, "{number: 10}", "10: part.number: expected a whole number from 1 to 9, got '10'");
    says(f, "{number: \"5\"}", "10: part.number: expected a whole number from 1 to 9, got '5' (a quoted text)");
    says(f, "{number: 5.0}", "10: part.number: expected a whole number from 1 to 9, got '5.0'");
    says(f, "{any: -1}", "7: part.any: expected a whole number, got '-1'");
    says(f, "{any: 99999999999999999999}", "7: part.any: expected a whole number, got '99999999999999999999'");
    says(f, "{wait: 10}", "8: part.wait: expected a duration from 1s to 1d (500ms 10s 5m 2h 400d), got '10'");
    says(f, "{wait: 2d}", "8: part.wait: expected a duration from 1s to 1d (500ms 10s 5m 2h 400d), got '2d'");
    says(f, "{size: 4MB}", "8: part.size: expected a size from 1KiB to 4MiB (4096 64KiB 4MiB 2GiB), got '4MB'");
    says(f, "{size: 99999999999GiB}",
         "8: part.size: expected a size from 1KiB to 4MiB (4096 64KiB 4MiB 2GiB), got '99999999999GiB'");
    says(f, "{flag: yes}", "8: part.flag: expected true or false, got 'yes'");
    says(f, "{flag: \"true\"}", "8: part.flag: expected true or false, got 'true' (a quoted text)");
    says(f, "{list: [a, [b]]}", "12: part.list: expected a text or a list of texts, got a list");
    says(f, "{list: {a: b}}", "8: part.list: expected a text or a list of texts, got a mapping");
    says(f, "{word: hihg}", "8: part.word: expected one of low, middle, high, got 'hihg' (did you mean 'high'?)");
    says(f, "{word: }", "8: part.word: expected one of low, middle, high, got nothing");
    says(f, "{nmuber: 3}", "2: part: expected a known key, got 'nmuber' (did you mean 'number'?)");
}

static void addresses_and_urls_have_one_form(void **state)
{
    struct fixture *f = *state;
    static const char *const bad_addresses[] = {"8443",   "host",        "host:",   ":1",      "host:65536",
                                                "host:x", "host:000080", "h t:1",   "[::1]",   "[::1:1",
                                                "a/b:1",  "host:1/x",    "host:-1", "h:1:2:3", "https://h"};
    static const char *const bad_urls[] = {"h.example",
                                           "http://h.example/",
                                           "http://127.0.0.1.evil.example/",
                                           "http://localhost.evil.example/",
                                           "https://",
                                           "https:///x",
                                           "https://h:0/",
                                           "https://h:x/",
                                           "https://h:99999/",
                                           "https://h x/",
                                           "ftp://h/"};
    static const char *const good_urls[] = {"http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost",
                                            "https://h.example", "https://h.example:65535"};
    for (size_t i = 0; i < LT_ARRAY_LEN(bad_addresses); i++)
        refused(f, "address", bad_addresses[i], "part.address: expected an address host:port, got '");
    for (size_t i = 0; i < LT_ARRAY_LEN(bad_urls); i++)
        refused(f, "url", bad_urls[i], "part.url: expected a URL https://");
    for (size_t i = 0; i < LT_ARRAY_LEN(good_urls); i++)
        taken(f, "url", good_urls[i]);
}

static void what_is_appended_to_a_url_cannot_change_whose_it_is(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {".other.example/x", "@other.example/", ":443/", "x", "/a b", "/x#y", ""};
    static const char *const good[] = {"/", "/login", "/a/b?c=d"};
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++)
        refused(f, "url_path", bad[i], "part.url_path: expected a path that begins with '/', got ");
    for (size_t i = 0; i < LT_ARRAY_LEN(good); i++) {
        taken(f, "url_path", good[i]);
        assert_string_equal(f->got.url_path, good[i]);
    }
}

static void a_url_with_a_password_is_refused_and_not_shown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(decode(f, "f.yaml", "url: \"https://user:hunter2@h.example/\""), 1);
    assert_null(strstr(f->said, "hunter2"));
    assert_non_null(strstr(f->said, "without a user name"));
    assert_int_equal(decode(f, "f.yaml", "url: \"http://127.0.0.1@evil.example/\""), 1);
}

static void a_secret_comes_from_a_file_or_the_environment(void **state)
{
    struct fixture *f = *state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/key", folder), *yaml = lt_asprintf("%s/f.yaml", folder);
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("p w\r\n"), 0600, NULL), LT_OK);
    assert_int_equal(decode(f, yaml, "secret: {file: key}"), 0);
    assert_string_equal(f->got.secret.text, "p w");
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("two\n\n"), 0400, NULL), LT_OK);
    assert_int_equal(decode(f, yaml, "secret: {file: key}"), 0);
    assert_string_equal(f->got.secret.text, "two\n"); /* one newline is the editor's, the rest is the secret */
    assert_int_equal(setenv("LT_TEST_SECRET", "from outside", 1), 0);
    assert_int_equal(decode(f, yaml, "secret: {env: LT_TEST_SECRET}"), 0);
    assert_string_equal(f->got.secret.text, "from outside");
    assert_int_equal(unsetenv("LT_TEST_SECRET"), 0);
    assert_int_equal(decode(f, yaml, "secret: {env: LT_TEST_SECRET}"), 1);
    assert_non_null(strstr(f->said, "expected the environment variable LT_TEST_SECRET to hold the secret, got none"));
    harness_folder_remove(folder);
}

static void a_secret_that_others_can_read_is_refused(void **state)
{
    struct fixture *f = *state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/key", folder), *yaml = lt_asprintf("%s/f.yaml", folder);
    static const unsigned modes[] = {0644, 0640, 0604, 0620, 0602};
    for (size_t i = 0; i < LT_ARRAY_LEN(modes); i++) {
        assert_int_equal(lt_file_write(path, LT_SPAN_LIT("hunter2"), modes[i], NULL), LT_OK);
        assert_int_equal(decode(f, yaml, "secret: {file: key}"), 1);
        assert_non_null(
            strstr(f->said, "f.yaml:1:16: part.secret: expected a file that only its owner can read (chmod 600 "));
        assert_null(strstr(f->said, "hunter2"));
        assert_null(f->got.secret.text);
    }
    harness_folder_remove(folder);
}

static void a_bad_secret_is_told_and_never_shown(void **state)
{
    struct fixture *f = *state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/key", folder), *yaml = lt_asprintf("%s/f.yaml", folder);
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"secret: hunter2", "part.secret: expected {file: PATH} or {env: NAME}, got the secret itself (not shown)"},
        {"secret: \"hunter2\"", "got the secret itself (not shown)"},
        {"secret:", "part.secret: expected {file: PATH} or {env: NAME}, got nothing"},
        {"secret: [hunter2]", "part.secret: expected {file: PATH} or {env: NAME}, got a list"},
        {"secret: {flie: key}", "(did you mean 'file'?)"},
        {"secret: {file: key, env: X}", "part.secret: expected {file: PATH} or {env: NAME}, got a mapping"},
        {"secret: {file: none}", "part.secret: expected a file with the secret, got none at "},
        {"secret: {file: .}", "part.secret: expected a file with the secret, got something else at "},
        {"secret: {file: [a]}", "part.secret: expected the path of a file, got a list"},
        {"secret: {env: }", "part.secret: expected the name of an environment variable, got nothing"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        assert_true(decode(f, yaml, cases[i].text) >= 1);
        if (!strstr(f->said, cases[i].message))
            fail_msg("expected \"%s\", got: %s", cases[i].message, f->said);
        assert_null(strstr(f->said, "hunter2"));
    }
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("\n"), 0600, NULL), LT_OK);
    assert_int_equal(decode(f, yaml, "secret: {file: key}"), 1);
    assert_non_null(strstr(f->said, "got an empty one"));
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("hun\0ter2"), 0600, NULL), LT_OK);
    assert_int_equal(decode(f, yaml, "secret: {file: key}"), 1);
    assert_non_null(strstr(f->said, "got bytes with NUL"));
    harness_folder_remove(folder);
}

static void required_options_and_wrong_sections_are_told(void **state)
{
    struct fixture *f = *state;
    static const struct lt_opt needed[] = {
        {.key = "name", .type = LT_OPT_STRING, .offset = O(text), .required = true},
        {.key = "size", .type = LT_OPT_SIZE, .offset = O(size), .required = true},
        {.key = "below", .type = LT_OPT_NODE, .offset = LT_OPT_NOWHERE},
    };
    assert_int_equal(lt_yaml_parse("f.yaml", LT_SPAN_LIT("below: {x: 1}"), &f->y, NULL), LT_OK);
    assert_int_equal(lt_opts_decode(lt_yaml_root(f->y), "", needed, 3, &f->got, &f->arena, &f->diags), 2);
    assert_string_equal(f->diags.items.v[0].text, "name: expected a text, got nothing");
    assert_string_equal(f->diags.items.v[1].text, "size: expected a size (4096 64KiB 4MiB 2GiB), got nothing");
    assert_int_equal(f->diags.items.v[0].line, 1);
    assert_int_equal(lt_opts_decode(lt_yaml_get(lt_yaml_root(f->y), "below")->items[0], "s", needed, 3, &f->got,
                                    &f->arena, &f->diags),
                     1);
    assert_string_equal(f->diags.items.v[2].text, "s: expected a mapping, got '1'");
    lt_yaml_free(f->y);
    assert_int_equal(lt_yaml_parse("f.yaml", LT_SPAN_LIT("{name: \"\", size: 1}"), &f->y, NULL), LT_OK);
    assert_int_equal(lt_opts_decode(lt_yaml_root(f->y), "", needed, 3, &f->got, &f->arena, &f->diags), 1);
    assert_string_equal(f->diags.items.v[3].text, "name: expected a text, got ''");
}

static void the_table_prints_one_line_an_option(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 16);
    lt_opts_print("part", &opts[3], 1, &out);
    lt_opts_print("", &opts[9], 1, &out);
    assert_span_is(lt_buf_view(&out), "part.number: a whole number from 1 to 9, default 3. Of something.\n"
                                      "word: one of low, middle, high, default middle. \n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_written_has_its_default, make, drop),
        cmocka_unit_test_setup_teardown(what_is_written_is_read, make, drop),
        cmocka_unit_test_setup_teardown(each_wrong_value_is_told_with_its_place_and_what_was_expected, make, drop),
        cmocka_unit_test_setup_teardown(addresses_and_urls_have_one_form, make, drop),
        cmocka_unit_test_setup_teardown(what_is_appended_to_a_url_cannot_change_whose_it_is, make, drop),
        cmocka_unit_test_setup_teardown(a_url_with_a_password_is_refused_and_not_shown, make, drop),
        cmocka_unit_test_setup_teardown(a_secret_comes_from_a_file_or_the_environment, make, drop),
        cmocka_unit_test_setup_teardown(a_secret_that_others_can_read_is_refused, make, drop),
        cmocka_unit_test_setup_teardown(a_bad_secret_is_told_and_never_shown, make, drop),
        cmocka_unit_test_setup_teardown(required_options_and_wrong_sections_are_told, make, drop),
        cmocka_unit_test_setup_teardown(the_table_prints_one_line_an_option, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
