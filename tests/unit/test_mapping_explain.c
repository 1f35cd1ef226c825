/* `explain`, and the runner of examples with its differences. */
#include "gateway/base/file.h"
#include "gateway/codec/json.h"
#include "tests/unit/test_mapping_kit.h"

#define HERE KIT_DATA "/small.yaml" /* examples are beside the mapping's file */

static char *explained(struct kit *k, const char *media, const char *body, bool json)
{
    struct lt_input in = {.media = lt_span_str(media), .body = lt_span_str(body), .depth_max = 64, .batch_max = 5};
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1u << 20);

    lt_explain(k->t, &in, json, &out);
    assert_true(lt_buf_ok(&out));
    return lt_buf_take(&out);
}

static char *data_file(const char *name)
{
    LT_AUTOFREE char *path = lt_asprintf(KIT_DATA "/examples/%s", name);
    char *text = NULL;
    size_t len;

    assert_int_equal(lt_file_read(path, 1u << 20, &text, &len, NULL), LT_OK);
    return text;
}

/* The line of a table that begins with a field. */
static char *line_of(const char *table, const char *field)
{
    const char *at = strstr(table, field);

    assert_non_null(at);
    return lt_strndup(at, strcspn(at, "\n"));
}

static void explain_shows_rule_place_and_steps_of_each_field(void **state)
{
    struct kit k;
    char *body = data_file("nhan.xml"), *text, *line;

    (void)state;
    kit_open_small(&k);
    text = explained(&k, XML, body, false);
    assert_contains(text, "mapping small-xml, one input\n\nevent 1: accepted vn.lienthong.dossier.received.v1\n");
    assert_contains(text, "key H22/H22.01-240105-0007");
    line = line_of(text, "/HoSo/ChuHoSo");
    assert_contains(line, "NGUYỄN VĂN MẪU VÀ NG ");
    assert_contains(line, "small-xml.yaml:25");
    assert_contains(line, "/Chu (line 10)");
    assert_contains(line, "truncated 32 -> 20 characters");
    free(line);
    line = line_of(text, "/HoSo/TenTTHC");
    assert_contains(line, "table procedures field name: 1.001193 -> Đăng ký khai sinh");
    free(line);
    line = line_of(text, "/HoSo/Kenh");
    assert_contains(line, "default");
    free(line);
    line = line_of(text, "/HoSo/Giay/0/Ten");
    assert_contains(line, "/Tep/Ten");
    free(line);
    free(text);
    free(body);
    kit_deinit(&k);
}

static void explain_of_json_names_pointers_and_is_json_itself(void **state)
{
    struct lt_json_limits limits = {1u << 20, 64};
    struct kit k;
    char *body = data_file("nhan.json"), *text;
    LT_AUTO_JSON struct lt_json *json = NULL;
    struct lt_span got;
    lt_json_value item, rules;
    bool found = false;

    (void)state;
    kit_open_small(&k);
    text = explained(&k, JSON, body, true);
    assert_int_equal(lt_json_parse(lt_span_str(text), &limits, &json, NULL), LT_OK);
    item = lt_json_at(lt_json_get(lt_json_root(json), "items"), 0);
    assert_true(lt_json_string(lt_json_get(lt_json_get(item, "event"), "unit"), &got));
    assert_span_is(got, "H22.01");
    rules = lt_json_get(item, "rules");
    for (size_t i = 0; i < lt_json_len(rules); i++) {
        lt_json_value rule = lt_json_at(rules, i);
        struct lt_span field;
        assert_true(lt_json_string(lt_json_get(rule, "field"), &field));
        assert_true(lt_json_string(lt_json_get(rule, "place"), &got));
        if (lt_span_is(field, "/HoSo/Giay/0/Ten")) {
            assert_span_is(got, "/dossier/files/0/name");
            found = true;
        }
    }
    assert_true(found);
    free(text);
    free(body);
    kit_deinit(&k);
}

static void explain_of_a_refusal_says_why_and_where(void **state)
{
    struct kit k;
    char *text;

    (void)state;
    kit_open_small(&k);
    text = explained(&k, JSON,
                     "{\"system\":\"a\",\"code\":\"c\",\"action\":\"receive\",\"at\":\"20240230\",\"agency\":{\"code\":"
                     "\"H22.01\"},\"procedure\":\"p\"}",
                     false);
    assert_contains(text, "event 1: refused 422 bad-date: time: expected a moment from 2000 to 2199");
    assert_contains(text, "at /at");
    assert_contains(text, "normal action: receive -> received"); /* what was done before */
    free(text);
    text = explained(&k, JSON, "{\"x\": 1}", false);
    assert_contains(text, "mapping none, one input\nrefused 415 no-mapping");
    free(text);
    text = explained(&k, JSON, "{\"system\": 1, \"code\": \"c\", \"action\": \"x\"}", true);
    assert_contains(text, "\"refused\":\"json-schema\"");
    free(text);
    kit_deinit(&k);
}

/* Runs examples written in place of `examples: []` of both mappings; the findings. */
static char *examples_of(const char *xml, const char *json, size_t *ret_n)
{
    struct kit k;
    char *f;

    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text_with(&k, KIT_MAPPING, HERE, kit_small_xml, "examples: []", xml);
    kit_text_with(&k, KIT_MAPPING, HERE, kit_small_json, "examples: []", json);
    kit_compile(&k);
    assert_int_equal(k.diags.items.len, 0);
    *ret_n = lt_mappings_run_examples(k.m, &k.diags);
    f = kit_print(&k);
    kit_deinit(&k);
    return f;
}

static void examples_that_hold_leave_no_finding(void **state)
{
    size_t n;
    char *f =
        examples_of("examples: [{in: examples/nhan.xml, out: examples/nhan.out.json}]",
                    "examples:\n"
                    "  - {in: examples/nhan.json, out: examples/nhan.out.json, same-as: small-xml/examples/nhan.xml}\n"
                    "  - {in: examples/nhan.json, same-as: small-xml/nhan.xml}\n"
                    "  - {in: examples/lo.ndjson, out: examples/lo.out.json}\n",
                    &n);

    (void)state;
    assert_string_equal(f, "");
    assert_int_equal(n, 4);
    free(f);
}

static void a_difference_names_the_pointer_what_was_expected_and_what_came(void **state)
{
    size_t n;
    char *f = examples_of("examples: []",
                          "examples:\n"
                          "  - {in: examples/khac.json, out: examples/nhan.out.json}\n"
                          "  - {in: examples/khac.json, same-as: small-json/khac.json}\n"
                          "  - {in: examples/lo.ndjson, out: examples/nhan.out.json}\n"
                          "  - {in: examples/nhan.json, refused: unknown-unit}\n"
                          "  - {in: examples/nhan.xml, refused: xml-schema}\n"
                          "  - {in: examples/none.json, refused: unknown-unit}\n",
                          &n);

    (void)state;
    assert_int_equal(n, 6);
    assert_contains(f, KIT_DATA "/small.yaml:39:35: example examples/khac.json: /data/HoSo/ChuHoSo: expected \"NGUYỄN "
                                "VĂN MẪU VÀ NG\", got \"TRẦN VĂN MẪU\"");
    assert_contains(f, "example examples/lo.ndjson: expected 1 event, got 2");
    assert_contains(f, "example examples/nhan.json: expected the refusal unknown-unit, got 1 item, accepted");
    assert_contains(f, "example examples/nhan.xml: expected the refusal xml-schema, got json-syntax");
    assert_contains(f, "examples/none.json");
    free(f);
}

static void sister_examples_that_differ_show_the_first_difference(void **state)
{
    size_t n;
    char *f = examples_of("examples: [{in: examples/nhan.xml, out: examples/nhan.out.json}]",
                          "examples:\n"
                          "  - {in: examples/khac.json, same-as: small-xml/nhan.xml}\n"
                          "  - {in: examples/khac.json, same-as: small-xml/other.xml}\n"
                          "  - {in: examples/khac.json, same-as: other/nhan.xml}\n",
                          &n);

    (void)state;
    assert_contains(f, "expected the digest of small-xml/nhan.xml, got another one; first difference of the data: "
                       "/HoSo/ChuHoSo: expected "
                       "\"NGUYỄN VĂN MẪU VÀ NG\", got \"TRẦN VĂN MẪU\"");
    assert_contains(f, "got small-xml/other.xml: the mapping has no such example");
    assert_contains(f, "got other/nhan.xml: there is no such mapping");
    free(f);
}

/* Of a mapping that is wrong its own findings say so; every mapping compared with it would only say it again. */
static void one_mistake_is_not_told_again_by_the_examples_compared_with_it(void **state)
{
    size_t n;
    char *f = examples_of("examples: [{in: examples/nhan.xml, refused: unknown-unit}]",
                          "examples:\n"
                          "  - {in: examples/nhan.json, same-as: small-xml/nhan.xml}\n"
                          "  - {in: examples/khac.json, out: examples/nhan.out.json, same-as: small-json/nhan.json}\n",
                          &n);

    (void)state;
    assert_contains(f, "example examples/nhan.xml: expected the refusal unknown-unit, got 1 item, accepted");
    assert_contains(f, "example examples/khac.json: /data/HoSo/ChuHoSo: expected");
    assert_null(strstr(f, "same-as"));
    assert_null(strstr(f, "the digest of"));
    assert_null(strstr(f, "as many accepted events"));
    free(f);
}

static void examples_compared_with_one_of_a_broken_mapping_are_silent(void **state)
{
    struct kit k;
    char *f;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text_with(&k, KIT_MAPPING, HERE, kit_small_xml, "examples: []",
                  "examples: [{in: examples/nhan.xml, out: examples/nhan.out.json}]\nnobody: knows this\n");
    kit_text_with(&k, KIT_MAPPING, HERE, kit_small_json, "examples: []",
                  "examples: [{in: examples/nhan.json, same-as: small-xml/nhan.xml}]");
    assert_int_equal(lt_mappings_survey(&k.config, &k.diags, &k.m), LT_E_INVALID);
    assert_int_equal(lt_mappings_run_examples(k.m, &k.diags), 1);
    f = kit_print(&k);
    assert_int_equal(k.diags.errors, 1);
    assert_contains(f, "nobody");
    free(f);
    kit_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explain_shows_rule_place_and_steps_of_each_field),
        cmocka_unit_test(explain_of_json_names_pointers_and_is_json_itself),
        cmocka_unit_test(explain_of_a_refusal_says_why_and_where),
        cmocka_unit_test(examples_that_hold_leave_no_finding),
        cmocka_unit_test(a_difference_names_the_pointer_what_was_expected_and_what_came),
        cmocka_unit_test(sister_examples_that_differ_show_the_first_difference),
        cmocka_unit_test(one_mistake_is_not_told_again_by_the_examples_compared_with_it),
        cmocka_unit_test(examples_compared_with_one_of_a_broken_mapping_are_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
