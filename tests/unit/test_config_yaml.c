#include "tests/unit/harness.h"

#include "gateway/base/file.h"
#include "gateway/config/yaml.h"

static char *findings(struct lt_diags *d)
{
    struct lt_buf out = LT_BUF_INIT(1 << 20);
    lt_diags_print(d, &out);
    lt_diags_deinit(d);
    return lt_buf_take(&out);
}

/* The one message a text must give. */
static void refused(struct lt_span text, int code, const char *message)
{
    struct lt_diags d = LT_DIAGS_INIT;
    struct lt_yaml *y = NULL;
    assert_int_equal(lt_yaml_parse("f.yaml", text, &y, &d), code);
    assert_null(y);
    assert_int_equal(d.errors, 1);
    LT_AUTOFREE char *said = findings(&d);
    if (!strstr(said, message))
        fail_msg("expected \"%s\", got: %s", message, said);
    assert_int_equal(lt_yaml_parse("f.yaml", text, &y, NULL), code); /* diags are optional */
}

static struct lt_yaml *parsed(const char *text)
{
    struct lt_yaml *y = NULL;
    assert_int_equal(lt_yaml_parse("f.yaml", lt_span_str(text), &y, NULL), LT_OK);
    return y;
}

static void every_node_knows_its_file_line_and_column(void **state)
{
    (void)state;
    struct lt_yaml *y = parsed("a: 1\nb:\n  - x\n  - {c: \"d\"}\nđịa: e\n");
    const struct lt_yaml_node *root = lt_yaml_root(y), *b = lt_yaml_get(root, "b"), *c = lt_yaml_get(b->items[1], "c");
    assert_int_equal(root->kind, LT_YAML_MAP);
    assert_int_equal(root->len, 3);
    assert_string_equal(root->file, "f.yaml");
    assert_int_equal(b->kind, LT_YAML_SEQ);
    assert_int_equal(b->items[0]->line, 3);
    assert_int_equal(b->items[0]->column, 5);
    assert_int_equal(c->line, 4);
    assert_int_equal(c->column, 9);
    assert_int_equal(lt_yaml_get(root, "địa")->column, 6); /* characters, not bytes */
    lt_yaml_free(y);
}

static void quotes_tell_a_text_from_a_number_or_nothing(void **state)
{
    (void)state;
    struct lt_yaml *y = parsed("a: 007\nb: \"007\"\nc:\nd: ~\ne: null\nf: ''\ng: \"null\"\nh: |\n  x\n");
    const struct lt_yaml_node *r = lt_yaml_root(y);
    assert_false(lt_yaml_get(r, "a")->quoted);
    assert_true(lt_yaml_get(r, "b")->quoted);
    assert_span_is(lt_yaml_text(lt_yaml_get(r, "a")), "007");
    assert_true(lt_yaml_is_null(lt_yaml_get(r, "c")));
    assert_true(lt_yaml_is_null(lt_yaml_get(r, "d")));
    assert_true(lt_yaml_is_null(lt_yaml_get(r, "e")));
    assert_true(lt_yaml_is_null(lt_yaml_get(r, "none")));
    assert_false(lt_yaml_is_null(lt_yaml_get(r, "f")));
    assert_false(lt_yaml_is_null(lt_yaml_get(r, "g")));
    assert_true(lt_yaml_get(r, "h")->quoted);
    assert_span_is(lt_yaml_text(lt_yaml_get(r, "h")), "x\n");
    assert_span_is(lt_yaml_text(NULL), "");
    assert_null(lt_yaml_get(NULL, "a"));
    lt_yaml_free(y);
}

static void what_makes_a_file_hard_to_read_is_refused_with_its_place(void **state)
{
    (void)state;
    refused(LT_SPAN_LIT("a: &x 1\n"), LT_E_INVALID, "f.yaml:1:4: expected the value alone, got an anchor");
    refused(LT_SPAN_LIT("a: *x\n"), LT_E_INVALID, "f.yaml:1:4: expected a value, got an alias");
    refused(LT_SPAN_LIT("a: !!int 1\n"), LT_E_INVALID, "f.yaml:1:4: expected the value alone, got a tag");
    refused(LT_SPAN_LIT("a: 1\n---\nb: 1\n"), LT_E_INVALID, "f.yaml:2:1: expected one document");
    refused(LT_SPAN_LIT("? [a]\n: 1\n"), LT_E_INVALID, "f.yaml:1:3: expected a text as key, got a list or a mapping");
    refused(LT_SPAN_LIT(""), LT_E_INVALID, "expected a mapping, got an empty file");
    refused(LT_SPAN_LIT("# nothing\n"), LT_E_INVALID, "got an empty file");
    refused(LT_SPAN_LIT("a: \"b\\0c\"\n"), LT_E_INVALID, "f.yaml:1:4: expected UTF-8 text without NUL");
    refused(LT_SPAN_LIT("a: \xff\n"), LT_E_INVALID, "expected UTF-8 text");
    refused(LT_SPAN_LIT("\xff\xfe"
                        "a\0:\0 \0b\0"),
            LT_E_INVALID, "expected UTF-8 text"); /* UTF-16 */
    refused(LT_SPAN_LIT("a: [1\nb: 2\n"), LT_E_INVALID, "f.yaml:");
    refused(LT_SPAN_LIT("\ta: 1\n"), LT_E_INVALID, "f.yaml:1:1: expected YAML");
}

static void a_duplicate_key_names_both_places(void **state)
{
    (void)state;
    refused(LT_SPAN_LIT("a: 1\nb: 2\n\"a\": 3\n"), LT_E_INVALID,
            "f.yaml:3:1: a: expected each key once, got it again (first at line 1, column 1)");
    refused(LT_SPAN_LIT("x: {k: 1, k: 2}\n"), LT_E_INVALID, "f.yaml:1:11: k: expected each key once");
}

static void a_tolerant_reader_tells_duplicates_and_goes_on(void **state)
{
    (void)state;
    struct lt_diags d = LT_DIAGS_INIT;
    struct lt_yaml *y = NULL;
    assert_int_equal(lt_yaml_parse_tolerant("f.yaml", LT_SPAN_LIT("a: 1\na: 2\nb: &x 3\na: 4\nc: 5\n"), &y, &d), LT_OK);
    assert_int_equal(d.errors, 3);
    const struct lt_yaml_node *r = lt_yaml_root(y);
    assert_int_equal(r->len, 3);
    assert_span_is(lt_yaml_text(lt_yaml_get(r, "a")), "1");
    assert_span_is(lt_yaml_text(lt_yaml_get(r, "b")), "3");
    assert_span_is(lt_yaml_text(lt_yaml_get(r, "c")), "5");
    lt_yaml_free(y);
    lt_diags_deinit(&d);
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf deep = LT_BUF_INIT(SIZE_MAX);
    for (int i = 0; i < 64; i++)
        lt_buf_char(&deep, '[');
    lt_buf_str(&deep, "1");
    for (int i = 0; i < 64; i++)
        lt_buf_char(&deep, ']');
    struct lt_yaml *y = NULL;
    assert_int_equal(lt_yaml_parse("f.yaml", lt_buf_view(&deep), &y, NULL), LT_OK);
    lt_yaml_free(y);
    lt_buf_reset(&deep);
    for (int i = 0; i < 100000; i++)
        lt_buf_char(&deep, '[');
    refused(lt_buf_view(&deep), LT_E_LIMIT, "f.yaml:1:65: expected at most 64 levels of nesting");
    LT_AUTOBUF struct lt_buf many = LT_BUF_INIT(SIZE_MAX);
    lt_buf_char(&many, '[');
    for (size_t i = 0; i < LT_YAML_NODES_MAX; i++)
        lt_buf_str(&many, "1,");
    refused(lt_buf_view(&many), LT_E_LIMIT, "expected at most 1048576 values");
    LT_AUTOFREE char *large = lt_alloc(LT_YAML_SIZE_MAX + 1);
    memset(large, '#', LT_YAML_SIZE_MAX + 1);
    refused(lt_span(large, LT_YAML_SIZE_MAX + 1), LT_E_LIMIT, "expected at most 16 MiB");
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct lt_diags d = LT_DIAGS_INIT;
    struct lt_yaml *y = NULL;
    assert_int_equal(lt_yaml_load("/nowhere/f.yaml", &y, &d), LT_E_NOT_FOUND);
    LT_AUTOFREE char *said = findings(&d);
    assert_non_null(strstr(said, "/nowhere/f.yaml"));
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/f.yaml", folder);
    assert_int_equal(lt_file_write(path,
                                   LT_SPAN_LIT("\xef\xbb\xbf"
                                               "a: b\n"),
                                   0644, NULL),
                     LT_OK); /* a BOM is no part of a key */
    assert_int_equal(lt_yaml_load(path, &y, NULL), LT_OK);
    assert_span_is(lt_yaml_text(lt_yaml_get(lt_yaml_root(y), "a")), "b");
    assert_string_equal(lt_yaml_root(y)->file, path);
    lt_yaml_free(y);
    harness_folder_remove(folder);
}

static void what_was_got_is_shown_short_and_whole_in_characters(void **state)
{
    (void)state;
    struct lt_yaml *y = parsed("a: đđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđđ\nb: []\nc: {x: 1}\nd:\ne: \"5\"\n");
    const struct lt_yaml_node *r = lt_yaml_root(y);
    struct lt_diags d = LT_DIAGS_INIT;
    for (size_t i = 0; i < r->len; i++)
        lt_yaml_expected(&d, r->items[i], r->keys[i]->text, "a number");
    lt_yaml_expected(&d, NULL, "f", "a number");
    LT_AUTOFREE char *said = findings(&d);
    assert_string_equal(said, "f: expected a number, got nothing\n"
                              "f.yaml:1:4: a: expected a number, got 'đđđđđđđđđđđđđđđđđđđđđđđđđđđđđđ…'\n"
                              "f.yaml:2:4: b: expected a number, got a list\n"
                              "f.yaml:3:4: c: expected a number, got a mapping\n"
                              "f.yaml:4:3: d: expected a number, got nothing\n"
                              "f.yaml:5:4: e: expected a number, got '5' (a quoted text)\n");
    lt_yaml_free(y);
}

static void an_unknown_key_comes_with_the_nearest_known_one(void **state)
{
    (void)state;
    static const char *const known[] = {"listen", "threads", "body_max", "tls", NULL};
    struct lt_yaml *y = parsed("lisen: 1\nbody-max: 2\nthreads: 3\nfar_away: 4\nlts: 5\n");
    struct lt_diags d = LT_DIAGS_INIT;
    lt_yaml_only_keys(&d, lt_yaml_root(y), "ingest", known);
    LT_AUTOFREE char *said = findings(&d);
    assert_string_equal(said, "f.yaml:1:1: ingest: expected a known key, got 'lisen' (did you mean 'listen'?)\n"
                              "f.yaml:2:1: ingest: expected a known key, got 'body-max' (did you mean 'body_max'?)\n"
                              "f.yaml:4:1: ingest: expected one of listen, threads, body_max, tls, got 'far_away'\n"
                              "f.yaml:5:1: ingest: expected a known key, got 'lts' (did you mean 'tls'?)\n");
    lt_yaml_free(y);
}

static void the_nearest_word_is_near(void **state)
{
    (void)state;
    static const char *const words[] = {"received", "rejected", "returned", "x", NULL};
    assert_string_equal(lt_nearest(LT_SPAN_LIT("recieved"), words), "received");
    assert_string_equal(lt_nearest(LT_SPAN_LIT("RETURNED"), words), "returned");
    assert_string_equal(lt_nearest(LT_SPAN_LIT("returnd"), words), "returned");
    assert_null(lt_nearest(LT_SPAN_LIT("y"), words)); /* one letter is no likeness */
    assert_null(lt_nearest(LT_SPAN_LIT("completed"), words));
    assert_null(lt_nearest(LT_SPAN_LIT(""), words));
    assert_null(
        lt_nearest(LT_SPAN_LIT("0123456789012345678901234567890123456789012345678901234567890123456789"), words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_knows_its_file_line_and_column),
        cmocka_unit_test(quotes_tell_a_text_from_a_number_or_nothing),
        cmocka_unit_test(what_makes_a_file_hard_to_read_is_refused_with_its_place),
        cmocka_unit_test(a_duplicate_key_names_both_places),
        cmocka_unit_test(a_tolerant_reader_tells_duplicates_and_goes_on),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(what_was_got_is_shown_short_and_whole_in_characters),
        cmocka_unit_test(an_unknown_key_comes_with_the_nearest_known_one),
        cmocka_unit_test(the_nearest_word_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
