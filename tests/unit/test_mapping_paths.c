#include "gateway/mapping/doc.h"
#include "tests/unit/test_mapping_kit.h"

struct paths {
    struct lt_arena arena;
    struct lt_walk walk;
    struct lt_xml *xml;
    struct lt_json *json;
    struct lt_place *root;
    struct lt_diags diags;
    struct lt_yaml *yaml;
    struct lt_path path;
};

static const struct lt_xml_ns ns[] = {{"s", "urn:a"}, {"t", "urn:b"}};

static void paths_open(struct paths *p, bool xml, const char *text)
{
    struct lt_xml_limits xl = {1 << 20, 64};
    struct lt_json_limits jl = {1 << 20, 64};
    struct lt_err err = LT_ERR_INIT;

    memset(p, 0, sizeof(*p));
    lt_xml_init();
    p->walk.xpath = lt_xpath_eval_new();
    p->walk.arena = &p->arena;
    if (xml) {
        assert_int_equal(lt_xml_parse(lt_span_str(text), &xl, &p->xml, &err), LT_OK);
        p->root = lt_place_xml(&p->arena, lt_xml_root(p->xml), NULL);
    } else {
        assert_int_equal(lt_json_parse(lt_span_str(text), &jl, &p->json, &err), LT_OK);
        p->root = lt_place_json(&p->arena, lt_json_root(p->json), NULL);
    }
    p->root->is_document = true;
}

static void paths_close(struct paths *p)
{
    lt_path_deinit(&p->path);
    lt_xpath_eval_free(p->walk.xpath);
    lt_xml_free(p->xml);
    lt_json_free(p->json);
    lt_yaml_free(p->yaml);
    lt_diags_deinit(&p->diags);
    lt_arena_deinit(&p->arena);
}

static bool path(struct paths *p, const char *text, bool many)
{
    struct lt_path_scope scope = {p->xml ? LT_DOC_XML : LT_DOC_JSON, ns, 2, &p->arena};
    struct lt_yaml *y = NULL;

    lt_path_deinit(&p->path);
    if (!p->yaml) {
        assert_int_equal(lt_yaml_parse("p.yaml", LT_SPAN_LIT("x"), &y, NULL), LT_OK);
        p->yaml = y;
    }
    return lt_path_compile(&scope, lt_yaml_root(p->yaml), lt_span_str(text), many, &p->path, &p->diags);
}

/* The text at a path, or NULL. */
static const char *text_at(struct paths *p, struct lt_place *from, const char *text)
{
    struct lt_span got = LT_SPAN_NULL;

    assert_true(path(p, text, false));
    if (lt_path_text(&p->walk, &p->path, from, &got) != LT_PATH_TEXT)
        return NULL;
    return lt_arena_str(&p->arena, got);
}

static struct lt_place **places_at(struct paths *p, struct lt_place *from, const char *text, size_t *ret_n)
{
    struct lt_place **all = NULL;

    assert_true(path(p, text, true));
    assert_true(lt_path_places(&p->walk, &p->path, from, &all, ret_n) >= 0);
    return all;
}

static const char *spot_at(struct paths *p, struct lt_place *from, const char *text)
{
    char *out = lt_arena_alloc(&p->arena, 256);
    int line;

    assert_true(path(p, text, false));
    lt_path_spot(&p->walk, &p->path, from, out, 256, &line);
    return out;
}

#define XML_TEXT                                                                                                       \
    "<a xmlns='urn:a' id='7'>\n"                                                                                       \
    "<b><c>one</c></b>\n"                                                                                              \
    "<b xmlns='urn:b'><c>other</c></b>\n"                                                                              \
    "<b><d>two</d><c> three </c></b>\n"                                                                                \
    "<e/></a>"

static void plain_steps_find_the_first_element_in_document_order(void **state)
{
    struct lt_place *b, **all;
    struct paths p;
    size_t n;

    (void)state;
    paths_open(&p, true, XML_TEXT);
    assert_string_equal(text_at(&p, p.root, "s:b/s:c"), "one");
    assert_true(p.path.simple);
    assert_string_equal(text_at(&p, p.root, "s:b/s:d"), "two"); /* the first b has no d */
    assert_string_equal(text_at(&p, p.root, "t:b/t:c"), "other");
    assert_null(text_at(&p, p.root, "b/c")); /* no prefix is no namespace */
    assert_null(text_at(&p, p.root, "s:x"));
    assert_string_equal(text_at(&p, p.root, "s:e"), "");
    all = places_at(&p, p.root, "s:b", &n);
    assert_int_equal(n, 2);
    b = all[1];
    assert_string_equal(text_at(&p, b, "../s:b/s:c"), "one");
    assert_string_equal(text_at(&p, b, "s:c"), " three ");
    assert_string_equal(text_at(&p, b, "."), "two three ");
    assert_null(text_at(&p, p.root, "../s:b")); /* above the root is the document, which has one element */
    paths_close(&p);
}

static void everything_else_of_xpath_works_too(void **state)
{
    struct lt_place **all;
    struct paths p;
    size_t n;

    (void)state;
    paths_open(&p, true, XML_TEXT);
    assert_string_equal(text_at(&p, p.root, "@id"), "7");
    assert_false(p.path.simple);
    assert_string_equal(text_at(&p, p.root, "s:b[s:d]/s:c"), " three ");
    assert_string_equal(text_at(&p, p.root, "concat(s:b/s:c, '-', @id)"), "one-7");
    all = places_at(&p, p.root, "s:b[s:d]", &n);
    assert_int_equal(n, 1);
    assert_string_equal(text_at(&p, all[0], "s:d"), "two");
    assert_string_equal(text_at(&p, all[0], "../@id"), "7");
    assert_string_equal(text_at(&p, all[0], "../s:b/s:c"), "one"); /* its parent is not known: XPath answers */
    assert_true(path(&p, "s:b/s:d = 'two'", false));
    assert_int_equal(lt_path_exists(&p.walk, &p.path, p.root), 1);
    assert_true(path(&p, "s:b/s:d = 'three'", false));
    assert_int_equal(lt_path_exists(&p.walk, &p.path, p.root), 0);
    paths_close(&p);
}

static void a_spot_names_the_element_or_where_it_would_be(void **state)
{
    struct paths p;

    (void)state;
    paths_open(&p, true, XML_TEXT);
    assert_contains(spot_at(&p, p.root, "s:b/s:d"), "/d");
    assert_contains(spot_at(&p, p.root, "s:b/s:zz"), "a/s:b/s:zz");
    paths_close(&p);
}

#define JSON_TEXT                                                                                                      \
    "{\"a\": {\"b\": \"x\", \"n\": 12, \"t\": true, \"z\": null, \"e\": \"\"},"                                        \
    " \"l\": [{\"k\": 1, \"v\": \"one\"}, {\"k\": \"2\", \"v\": \"two\"}, {\"k\": 1, \"v\": \"three\"}],"              \
    " \"f\": [{\"name\": \"F1\", \"g\": [{\"i\": 1}, {\"i\": 2}]}, {\"name\": \"F2\", \"g\": []}, {\"name\": \"F3\", " \
    "\"g\": [{\"i\": 3}]}],"                                                                                           \
    " \"one\": {\"v\": \"single\"}, \"a/b\": \"slash\", \"m~n\": \"tilde\", \"0\": \"zero\"}"

static void pointers_read_texts_numbers_and_booleans(void **state)
{
    struct lt_span got;
    struct paths p;

    (void)state;
    paths_open(&p, false, JSON_TEXT);
    assert_string_equal(text_at(&p, p.root, "a/b"), "x");
    assert_string_equal(text_at(&p, p.root, "a/n"), "12");
    assert_string_equal(text_at(&p, p.root, "a/t"), "true");
    assert_string_equal(text_at(&p, p.root, "a~1b"), "slash");
    assert_string_equal(text_at(&p, p.root, "m~0n"), "tilde");
    assert_string_equal(text_at(&p, p.root, "l/1/v"), "two");
    assert_string_equal(text_at(&p, p.root, "0"), "zero"); /* a number names a member of an object */
    assert_null(text_at(&p, p.root, "a/z"));
    assert_null(text_at(&p, p.root, "a/b/c"));
    assert_null(text_at(&p, p.root, "l/3/v"));
    assert_true(path(&p, "a", false));
    assert_int_equal(lt_path_text(&p.walk, &p.path, p.root, &got), LT_PATH_NO_TEXT);
    assert_contains(p.walk.err.text, "expected a text, got an object");
    paths_close(&p);
}

static void a_selector_takes_the_first_and_in_each_every_match(void **state)
{
    struct lt_place **all;
    struct paths p;
    size_t n;

    (void)state;
    paths_open(&p, false, JSON_TEXT);
    assert_string_equal(text_at(&p, p.root, "l/[k=1]/v"), "one");
    assert_string_equal(text_at(&p, p.root, "l/[k=2]/v"), "two");
    assert_null(text_at(&p, p.root, "l/[k=3]/v"));
    assert_string_equal(spot_at(&p, p.root, "l/[k=2]/v"), "/l/1/v");
    all = places_at(&p, p.root, "l/[k=1]", &n);
    assert_int_equal(n, 2);
    assert_string_equal(text_at(&p, all[1], "v"), "three");
    assert_string_equal(spot_at(&p, all[1], "v"), "/l/2/v");
    paths_close(&p);
}

static void each_flattens_with_stars_and_climbs_with_dots(void **state)
{
    static const char *const each[] = {"f/*/g", "f/*/g/*"};
    struct lt_place **all;
    struct paths p;
    size_t n;

    (void)state;
    paths_open(&p, false, JSON_TEXT);
    for (size_t i = 0; i < 2; i++) {
        all = places_at(&p, p.root, each[i], &n);
        assert_int_equal(n, 3);
        assert_string_equal(text_at(&p, all[2], "i"), "3");
        assert_string_equal(text_at(&p, all[2], "../../name"), "F3");
        assert_string_equal(spot_at(&p, all[2], "i"), "/f/2/g/0/i");
        assert_string_equal(text_at(&p, all[2], "/a/b"), "x");
    }
    assert_string_equal(text_at(&p, all[0], "../../../1/name"), "F2");
    paths_close(&p);
}

static void each_on_one_value_is_a_list_of_one_and_on_null_of_none(void **state)
{
    struct lt_place **all;
    struct paths p;
    size_t n;

    (void)state;
    paths_open(&p, false, JSON_TEXT);
    all = places_at(&p, p.root, "one", &n);
    assert_int_equal(n, 1);
    assert_string_equal(text_at(&p, all[0], "v"), "single");
    (void)places_at(&p, p.root, "a/z", &n);
    assert_int_equal(n, 0);
    (void)places_at(&p, p.root, "-", &n);
    assert_int_equal(n, 1);
    (void)places_at(&p, p.root, "nothing", &n);
    assert_int_equal(n, 0);
    paths_close(&p);
}

static void wrong_paths_are_findings(void **state)
{
    static const struct {
        bool xml;
        const char *path, *finding;
    } wrong[] = {
        {true, "s:a[", "path \"s:a[\""},
        {true, "q:a", "path \"q:a\""},
        {false, "a/*/b", "allowed in `each` only"},
        {false, "l/[k]/v", "expected a selector [name=value]"},
        {false, "a~2b", "expected ~0 or ~1 after ~"},
        {false, "a/../b", "expected \"..\" at the beginning only"},
        {false, "", "expected a JSON Pointer, got nothing"},
    };

    (void)state;
    for (size_t i = 0; i < LT_ARRAY_LEN(wrong); i++) {
        struct paths p;
        paths_open(&p, wrong[i].xml, wrong[i].xml ? XML_TEXT : JSON_TEXT);
        assert_false(path(&p, wrong[i].path, false));
        assert_int_equal(p.diags.errors, 1);
        assert_contains(p.diags.items.v[0].text, wrong[i].finding);
        paths_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_steps_find_the_first_element_in_document_order),
        cmocka_unit_test(everything_else_of_xpath_works_too),
        cmocka_unit_test(a_spot_names_the_element_or_where_it_would_be),
        cmocka_unit_test(pointers_read_texts_numbers_and_booleans),
        cmocka_unit_test(a_selector_takes_the_first_and_in_each_every_match),
        cmocka_unit_test(each_flattens_with_stars_and_climbs_with_dots),
        cmocka_unit_test(each_on_one_value_is_a_list_of_one_and_on_null_of_none),
        cmocka_unit_test(wrong_paths_are_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
