#include "gateway/codec/xml.h"
#include "gateway/codec/xpath_steps.h"
#include "tests/unit/harness.h"

#include <stdio.h>

static const struct lt_xml_limits limits = {4 << 20, 64};
static const struct lt_xml_ns namespaces[] = {{"s", "urn:s"}, {"d", "urn:d"}};

static const char document[] = "<s:A xmlns:s=\"urn:s\" xmlns=\"urn:d\" id=\"a\">\n"
                               "  <s:B id=\"b1\" s:id=\"sb1\"><s:C>một</s:C><C>hai</C><s:C>ba</s:C></s:B>\n"
                               "  <!-- c --><B id=\"b2\"><s:C>bốn</s:C></B>\n"
                               "  <s:B id=\"b3\"><x xmlns=\"\" id=\"x\"><s:C>năm</s:C></x></s:B>\n"
                               "  <s:B><s:C/><s:C> <![CDATA[ sáu ]]></s:C></s:B>\n"
                               "</s:A>";

struct fixture {
    struct lt_xml *x;
    struct lt_xpath_eval *e;
    struct lt_arena a;
    struct lt_err err;
};

static int setup(void **state)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    f->e = lt_xpath_eval_new();
    *state = f;
    return lt_xml_parse(LT_SPAN_LIT(document), &limits, &f->x, &f->err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lt_xpath_eval_free(f->e);
    lt_xml_free(f->x);
    lt_arena_deinit(&f->a);
    free(f);
    return 0;
}

static struct lt_xpath *compile(const char *expr)
{
    struct lt_xpath *p = NULL;
    struct lt_err err;
    if (lt_xpath_compile(expr, namespaces, LT_ARRAY_LEN(namespaces), &p, &err))
        fail_msg("%s", err.text);
    return p;
}

static void string_is(struct fixture *f, const char *expr, const char *want)
{
    struct lt_xpath *p = compile(expr);
    struct lt_span got = LT_SPAN_NULL;
    bool found = false;
    if (lt_xpath_string(f->e, p, lt_xml_root(f->x), &f->a, &got, &found, NULL, &f->err))
        fail_msg("%s", f->err.text);
    if (want && !found)
        fail_msg("%s: nothing found", expr);
    if (want)
        assert_span_is(got, want);
    else if (found)
        fail_msg("%s: found " LT_SPAN_FMT, expr, LT_SPAN_ARG(got));
    lt_xpath_free(p);
}

static void the_text_of_the_first_node_is_taken(void **state)
{
    struct fixture *f = *state;
    string_is(f, "s:B/s:C", "một");
    string_is(f, "s:B/s:C[2]", "ba");
    string_is(f, "s:B[3]/s:C", "");
    string_is(f, "s:B[4]", NULL);
    string_is(f, "s:B[3]/s:C[2]", "  sáu ");
    string_is(f, "/s:A/d:B/@id", "b2");
    string_is(f, "//x/@id", "x");
    string_is(f, "s:B/@s:id", "sb1");
    string_is(f, "s:B/s:D", NULL);
    string_is(f, "s:B/s:C/text()", "một");
    string_is(f, "d:B/s:C | s:B/s:C", "một");
}

static void functions_give_strings_numbers_and_truth(void **state)
{
    struct fixture *f = *state;
    string_is(f, "count(s:B)", "3");
    string_is(f, "concat(s:B/@id, '-', d:B/@id)", "b1-b2");
    string_is(f, "normalize-space(s:B[3]/s:C[2])", "sáu");
    string_is(f, "boolean(s:B)", "true");
    string_is(f, "s:B[last()]/s:C[position() = 1]", "");
    string_is(f, "s:B[contains(@id, '3')]/x/s:C", "năm");
    string_is(f, "string(s:Z)", "");
    string_is(f, "'s:x and (y)'", "s:x and (y)");
    string_is(f, "(1 + 2) * (3 div 1) mod (5)", "4");
}

static void the_node_of_a_text_is_told(void **state)
{
    struct fixture *f = *state;
    static const char *const exprs[] = {"d:B/s:C", "d:B/s:C[1]", "d:B/s:C/text()"};
    for (size_t i = 0; i < LT_ARRAY_LEN(exprs); i++) {
        struct lt_xpath *p = compile(exprs[i]);
        lt_xml_node n = {NULL};
        struct lt_span s;
        bool found;
        assert_int_equal(lt_xpath_string(f->e, p, lt_xml_root(f->x), &f->a, &s, &found, &n, &f->err), 0);
        char path[100];
        lt_xml_path_of(n, path, sizeof(path));
        assert_string_equal(path, "/s:A/B/s:C");
        lt_xpath_free(p);
    }
}

/* Each expression says the same in a form that takes the short way and one that does not. */
static void the_short_way_agrees_with_xpath(void **state)
{
    struct fixture *f = *state;
    static const char *const exprs[] = {
        "s:B",
        "s:B/s:C",
        "s:B/C",
        "d:B/s:C",
        "*",
        "*/*",
        "s:*/s:C",
        "s:B/@id",
        "*/@*",
        "s:B/@s:id",
        "*/@s:*",
        "..",
        "../s:A/s:B",
        "s:B/..",
        "s:B/s:C/..",
        "s:B/s:C/../s:C",
        "*/*/../..",
        "*/*/../../*/*",
        "/s:A",
        "/s:A/s:B/s:C",
        "/s:B",
        "/*",
        "/*/*/@id",
        ".",
        "./s:B",
        "s:B/./s:C",
        "s:B/x/s:C",
        "s:B/x/@id",
        "s:B/../@id",
        " s:B / s:C ",
        "../..",
        "../../*",
        "s:B/s:C/../../d:B/../s:B/@id",
        "/s:A/..",
        "@id/..",
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(exprs); i++) {
        struct lt_xpath_steps *steps = lt_xpath_steps_compile(exprs[i], namespaces, LT_ARRAY_LEN(namespaces));
        bool expected_long = strcmp(exprs[i], "@id/..") == 0;
        if (!steps != expected_long)
            fail_msg("%s: which way?", exprs[i]);
        lt_xpath_steps_free(steps);
        LT_AUTOFREE char *slow = lt_asprintf("(%s)[true()]", exprs[i]);
        struct lt_xpath *p1 = compile(exprs[i]), *p2 = compile(slow);
        static const char *const starts[] = {".", "s:B", "s:B/s:C", "d:B/s:C", "s:B/x", "s:B/@id"};
        for (size_t k = 0; k < LT_ARRAY_LEN(starts); k++) {
            struct lt_xpath *start = compile(starts[k]);
            lt_xml_node *at, from[16], *v, first[100];
            size_t n_from, n1, n2;
            assert_int_equal(lt_xpath_nodes(f->e, start, lt_xml_root(f->x), &at, &n_from, &f->err), 0);
            assert_true(n_from > 0 && n_from <= 16);
            memcpy(from, at, n_from * sizeof(*at));
            for (size_t m = 0; m < n_from; m++) {
                assert_int_equal(lt_xpath_nodes(f->e, p1, from[m], &v, &n1, &f->err), 0);
                assert_true(n1 <= 100);
                if (n1)
                    memcpy(first, v, n1 * sizeof(*v));
                assert_int_equal(lt_xpath_nodes(f->e, p2, from[m], &v, &n2, &f->err), 0);
                if (n1 != n2)
                    fail_msg("%s from %s: %zu and %zu", exprs[i], starts[k], n1, n2);
                for (size_t j = 0; j < n1; j++)
                    assert_ptr_equal(first[j].n, v[j].n);
                struct lt_span s1, s2;
                bool found1, found2;
                lt_xml_node o1, o2;
                assert_int_equal(lt_xpath_string(f->e, p1, from[m], &f->a, &s1, &found1, &o1, &f->err), 0);
                assert_int_equal(lt_xpath_string(f->e, p2, from[m], &f->a, &s2, &found2, &o2, &f->err), 0);
                /* XPath also finds the document itself, which is no element */
                if (found1 || o2.n) {
                    assert_true(found1 == found2 && lt_span_eq(s1, s2));
                    assert_ptr_equal(o1.n, o2.n);
                }
            }
            lt_xpath_free(start);
        }
        lt_xpath_free(p1);
        lt_xpath_free(p2);
    }
}

static void expressions_beyond_steps_take_the_long_way(void **state)
{
    (void)state;
    static const char *const exprs[] = {"//s:B",   "s:B[1]",     "s:B//s:C",  "text()",      "s:B/text()", "child::s:B",
                                        "s:B|d:B", "count(s:B)", "/",         "s:B/node()",  "@id/s:B",    "'x'",
                                        "1",       "s:B + 1",    "s:B = 'x'", "self::node()"};
    for (size_t i = 0; i < LT_ARRAY_LEN(exprs); i++) {
        if (lt_xpath_steps_compile(exprs[i], namespaces, LT_ARRAY_LEN(namespaces)))
            fail_msg("%s", exprs[i]);
        lt_xpath_free(compile(exprs[i]));
    }
}

static void refused(const char *expr, const char *says)
{
    struct lt_xpath *p = NULL;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_xpath_compile(expr, namespaces, LT_ARRAY_LEN(namespaces), &p, &err), LT_E_INVALID);
    assert_string_equal(err.kind, "xpath");
    if (!strstr(err.text, says))
        fail_msg("%s: \"%s\" does not say \"%s\"", expr, err.text, says);
}

static void mistakes_are_found_when_compiled(void **state)
{
    (void)state;
    refused("s:B/t:C", "unknown prefix t");
    refused("s:B[t:C = 's:x']", "unknown prefix t");
    refused("s:B/@xs:nil", "unknown prefix xs");
    refused("s:B[", "not an XPath");
    refused("", "not an XPath");
    refused("s:B/", "not an XPath");
    refused("s:B]", "not an XPath");
    refused("lower-case(s:B)", "unknown function lower-case");
    refused("s:B[matches(., 'x')]", "unknown function matches");
    refused("document('file:///etc/hostname')", "unknown function document");
    refused("s:f(1)", "only the functions");
    refused("$x", "no variables");
    refused("'x", "quote");
}

static void an_expression_that_needs_too_much_is_stopped(void **state)
{
    struct fixture *f = *state;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(4 << 20);
    lt_buf_str(&b, "<a>");
    for (int i = 0; i < 20000; i++)
        lt_buf_str(&b, "<b/>");
    lt_buf_str(&b, "</a>");
    struct lt_xml *x = NULL;
    assert_int_equal(lt_xml_parse(lt_buf_view(&b), &limits, &x, &f->err), 0);
    struct lt_xpath *p = compile("//b[count(//b[. = '1']) > 1]");
    struct lt_span s;
    bool found;
    assert_int_equal(lt_xpath_string(f->e, p, lt_xml_root(x), &f->a, &s, &found, NULL, &f->err), LT_E_LIMIT);
    assert_string_equal(f->err.kind, "xpath-limit");
    lt_xml_node *v;
    size_t n;
    assert_int_equal(lt_xpath_nodes(f->e, p, lt_xml_root(x), &v, &n, NULL), LT_E_LIMIT);
    lt_xpath_free(p);
    /* the evaluator is as good as before */
    string_is(f, "s:B[1]/s:C", "một");
    lt_xml_free(x);
}

static void nodes_are_asked_of_expressions_that_select_nodes(void **state)
{
    struct fixture *f = *state;
    struct lt_xpath *p = compile("count(s:B)");
    lt_xml_node *v;
    size_t n;
    assert_int_equal(lt_xpath_nodes(f->e, p, lt_xml_root(f->x), &v, &n, &f->err), LT_E_INVALID);
    lt_xpath_free(p);
    p = compile("s:B[1]/s:C/text() | s:B[1]/s:C");
    assert_int_equal(lt_xpath_nodes(f->e, p, lt_xml_root(f->x), &v, &n, &f->err), 0);
    assert_int_equal(n, 2);
    lt_xpath_free(p);
}

/* Evaluators keep expressions with function calls by number; a freed one must not be mistaken for a new one. */
static void many_expressions_come_and_go(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3000; i++) {
        LT_AUTOFREE char *expr = lt_asprintf("string(%d)", i);
        LT_AUTOFREE char *want = lt_asprintf("%d", i);
        string_is(f, expr, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_text_of_the_first_node_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(functions_give_strings_numbers_and_truth, setup, teardown),
        cmocka_unit_test_setup_teardown(the_node_of_a_text_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_short_way_agrees_with_xpath, setup, teardown),
        cmocka_unit_test(expressions_beyond_steps_take_the_long_way),
        cmocka_unit_test(mistakes_are_found_when_compiled),
        cmocka_unit_test_setup_teardown(an_expression_that_needs_too_much_is_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(nodes_are_asked_of_expressions_that_select_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(many_expressions_come_and_go, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
