#include <stdio.h>

#include "tests/unit/test_mapping_kit.h"

/* %s: what comes after MaHoSo of the item, such as a bad number. */
#define XML_ITEM(code, so)                                                                                             \
    "<s:SuKien><s:HeThong>motcua</s:HeThong><s:Loai>XU_LY</s:Loai><s:MaHoSo>" code                                     \
    "</s:MaHoSo><s:Luc>20240105083000</s:Luc><s:DonVi>H22.01</s:DonVi><s:ThuTuc>1.001193</s:ThuTuc>" so                \
    "<s:Buoc><s:Luc>20240105083000</s:Luc></s:Buoc></s:SuKien>\n"
#define XML_BATCH(inside) "<s:Lo xmlns:s='urn:small'>\n" inside "</s:Lo>"
#define BAD "<s:So>x</s:So>"

#define JSON_ITEM(code, action)                                                                                        \
    "{\"system\":\"motcua\",\"code\":\"" code "\",\"action\":\"" action                                                \
    "\",\"at\":\"2024-01-05T08:30:00+07:00\",\"agency\":{\"code\":\"H22.01\"},\"procedure\":\"1.001193\",\"step\":{"   \
    "\"at\":1704418200000}}"

static void an_xml_batch_with_one_bad_item_answers_item_by_item(void **state)
{
    const struct lt_item *bad;
    struct kit k;

    (void)state;
    kit_open_small(&k);
    kit_translate(&k, XML, XML_BATCH(XML_ITEM("H22.01-1", "") XML_ITEM("H22.01-2", BAD) XML_ITEM("H22.01-3", "")));
    assert_false(k.out.refused);
    assert_true(k.out.batch);
    assert_int_equal(k.out.items.len, 3);
    assert_true(k.out.items.v[0].accepted);
    assert_span_is(k.out.items.v[2].event.subject, "H22.01-3");
    bad = &k.out.items.v[1];
    assert_false(bad->accepted);
    assert_string_equal(bad->refusal.code, "xml-schema");
    assert_string_equal(bad->refusal.field, "So");
    assert_int_equal(bad->refusal.line, 3);
    assert_span_is(bad->event.subject, "H22.01-2");
    assert_contains(bad->raw.ptr, "xmlns:s=\"urn:small\"");
    assert_contains(bad->raw.ptr, "H22.01-2");
    assert_null(strstr(bad->raw.ptr, "H22.01-1"));
    kit_deinit(&k);
}

static void the_raw_bytes_of_an_xml_item_are_a_document_again(void **state)
{
    struct kit k;
    char *raw;

    (void)state;
    kit_open_small(&k);
    kit_translate(&k, XML, XML_BATCH(XML_ITEM("H22.01-1", "") XML_ITEM("H22.01-2", "")));
    raw = lt_asprintf("<Lo xmlns='urn:small'>" LT_SPAN_FMT "</Lo>", LT_SPAN_ARG(k.out.items.v[1].raw));
    assert_span_is(kit_event(&k, XML, raw)->subject, "H22.01-2");
    free(raw);
    kit_deinit(&k);
}

static void a_bad_envelope_refuses_the_whole_input(void **state)
{
    static const char *const bodies[] = {
        /* before the items, after good items, after a bad item */
        XML_BATCH("<s:Gui>today</s:Gui>" XML_ITEM("H22.01-1", "") XML_ITEM("H22.01-2", "")),
        XML_BATCH(XML_ITEM("H22.01-1", "") XML_ITEM("H22.01-2", "") "<s:Cuoi>x</s:Cuoi>"),
        XML_BATCH(XML_ITEM("H22.01-1", BAD) XML_ITEM("H22.01-2", "") "<s:Cuoi>x</s:Cuoi>"),
    };
    struct kit k;

    (void)state;
    kit_open_small(&k);
    for (size_t i = 0; i < LT_ARRAY_LEN(bodies); i++) {
        kit_translate(&k, XML, bodies[i]);
        assert_true(k.out.refused);
        assert_int_equal(k.out.refusal.status, 422);
        assert_string_equal(k.out.refusal.code, "xml-schema");
        assert_string_equal(k.out.refusal.field, i ? "Cuoi" : "Gui");
        assert_int_equal(k.out.items.len, 0);
    }
    kit_deinit(&k);
}

static void a_batch_of_bad_items_only_is_still_answered_item_by_item(void **state)
{
    struct kit k;

    (void)state;
    kit_open_small(&k);
    kit_translate(&k, XML, XML_BATCH(XML_ITEM("H22.01-1", BAD) XML_ITEM("H22.01-2", BAD)));
    assert_false(k.out.refused);
    assert_int_equal(k.out.items.len, 2);
    assert_string_equal(k.out.items.v[1].refusal.code, "xml-schema");
    kit_deinit(&k);
}

static void a_json_array_is_a_batch_even_with_one_element(void **state)
{
    struct kit k;

    (void)state;
    kit_open_small(&k);
    kit_translate(&k, JSON, "[" JSON_ITEM("H22.01-1", "process") "]");
    assert_true(k.out.batch);
    assert_int_equal(k.out.items.len, 1);
    assert_true(k.out.items.v[0].accepted);
    assert_span_is(k.out.items.v[0].raw, JSON_ITEM("H22.01-1", "process"));
    kit_deinit(&k);
}

static void a_json_batch_refuses_items_with_pointers_from_the_root(void **state)
{
    struct kit k;

    (void)state;
    kit_open_small(&k);
    kit_translate(&k, JSON,
                  "[" JSON_ITEM("H22.01-1", "process") "," JSON_ITEM(
                      "H22.01-2", "proceed") ", 7, {\"code\": 1}," JSON_ITEM("H22.01-3", "process") "]");
    assert_false(k.out.refused);
    assert_int_equal(k.out.items.len, 5);
    assert_string_equal(k.out.items.v[1].refusal.code, "unknown-word");
    assert_string_equal(k.out.items.v[1].refusal.pointer, "/1/action");
    assert_span_is(k.out.items.v[1].event.key, "H22/H22.01-2");
    assert_string_equal(k.out.items.v[2].refusal.code, "json-schema");
    assert_string_equal(k.out.items.v[2].refusal.pointer, "/2");
    assert_string_equal(k.out.items.v[3].refusal.code, "json-schema");
    assert_int_equal(strncmp(k.out.items.v[3].refusal.pointer, "/3/", 3), 0);
    assert_true(k.out.items.v[4].accepted);
    kit_deinit(&k);
}

static void ndjson_lines_are_items_with_their_line(void **state)
{
    struct kit k;

    (void)state;
    kit_open_small(&k);
    kit_translate(&k, NDJSON,
                  "{broken\n" JSON_ITEM("H22.01-1", "process") "\r\n\n" JSON_ITEM("H22.01-2", "proceed") "\n" JSON_ITEM(
                      "H22.01-3", "process"));
    assert_false(k.out.refused);
    assert_true(k.out.batch);
    assert_string_equal(k.out.mapping, "small-json");
    assert_int_equal(k.out.items.len, 4);
    assert_string_equal(k.out.items.v[0].refusal.code, "json-syntax");
    assert_int_equal(k.out.items.v[0].refusal.status, 400);
    assert_int_equal(k.out.items.v[0].refusal.line, 1);
    assert_span_is(k.out.items.v[0].raw, "{broken");
    assert_true(k.out.items.v[1].accepted);
    assert_span_is(k.out.items.v[1].raw, JSON_ITEM("H22.01-1", "process"));
    assert_int_equal(k.out.items.v[2].refusal.line, 4);
    assert_string_equal(k.out.items.v[2].refusal.pointer, "/action");
    assert_true(k.out.items.v[3].accepted);
    kit_deinit(&k);
}

static void ndjson_without_a_line_that_is_json_is_refused_as_a_whole(void **state)
{
    struct kit k;

    (void)state;
    kit_open_small(&k);
    kit_translate(&k, NDJSON, "{broken\nthis too\n");
    assert_true(k.out.refused);
    assert_string_equal(k.out.refusal.code, "json-syntax");
    assert_int_equal(k.out.refusal.status, 400);
    kit_translate(&k, NDJSON, "{broken\n{\"no\": \"dialect\"}\n");
    assert_true(k.out.refused);
    assert_string_equal(k.out.refusal.code, "no-mapping");
    kit_deinit(&k);
}

static void more_events_than_allowed_are_refused_before_any_is_made(void **state)
{
#define SIX(x) x x x x x x
    struct kit k;
    char *array;

    (void)state;
    kit_open_small(&k); /* batch_max 5 */
    kit_translate(&k, XML, XML_BATCH(SIX(XML_ITEM("H22.01-1", ""))));
    assert_true(k.out.refused);
    assert_int_equal(k.out.refusal.status, 413);
    assert_string_equal(k.out.refusal.code, "batch-too-large");
    kit_translate(&k, NDJSON, SIX(JSON_ITEM("H22.01-1", "process") "\n"));
    assert_string_equal(k.out.refusal.code, "batch-too-large");
    array = lt_asprintf("[%s{}]", SIX(JSON_ITEM("H22.01-1", "process") ","));
    kit_translate(&k, JSON, array);
    assert_string_equal(k.out.refusal.code, "batch-too-large");
    assert_int_equal(k.out.items.len, 0);
    free(array);
    kit_deinit(&k);
}

static void one_json_document_can_hold_several_events(void **state)
{
    static const char body[] = "{\"system\":\"motcua\",\"code\":\"H22.01-9\",\"action\":\"receive\",\"at\":\"2024-01-"
                               "05T08:30:00\",\"agency\":{\"code\":\"H22.01\"},"
                               "\"procedure\":\"1.001193\",\"dossier\":{\"owner\":\"An\",\"files\":[{\"kind\":1,"
                               "\"name\":\"%s\"},{\"kind\":1,\"name\":\"b\"}]}}";
    char text[1024];
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", "digest: d\nversion: 0\nsources: [\"*\"]\nfields: {\"*\": [/HoSo/Ten]}\n");
    kit_text(&k, KIT_MAPPING, "each.yaml",
             "mapping: each\naccepts: {media: application/json, discriminator: [code], schema: small.json}\ndigest: d\n"
             "each: dossier/files\nsource: {from: /system}\ntype: {const: received}\nsubject: {from: /code}\n"
             "time: {from: /at, format: rfc3339}\nidentity: [type, /HoSo/Ten]\n"
             "attributes: {unit: {from: ../../../agency/code, table: units}, procedure: {from: /procedure, table: "
             "procedures}}\n"
             "data: {HoSo: {data: {Ten: {from: name, required: true}, MaHoSo: /code, ChuHoSo: /dossier/owner, Giay: "
             "{each: nothing, from: \"-\"}}}}\n"
             "examples: []\n");
    kit_compile(&k);
    snprintf(text, sizeof(text), body, "a");
    kit_translate(&k, JSON, text);
    assert_false(k.out.refused);
    assert_true(k.out.batch);
    assert_int_equal(k.out.items.len, 2);
    assert_true(k.out.items.v[0].accepted && k.out.items.v[1].accepted);
    assert_false(lt_span_eq(k.out.items.v[0].event.id, k.out.items.v[1].event.id));
    assert_span_is(k.out.items.v[1].raw, "{\"kind\":1,\"name\":\"b\"}");
    snprintf(text, sizeof(text), body, "");
    kit_translate(&k, JSON, text);
    assert_string_equal(k.out.items.v[0].refusal.pointer, "/dossier/files/0/name");
    assert_true(k.out.items.v[1].accepted);
    kit_deinit(&k);
}

static void many_events_use_the_memory_of_one(void **state)
{
    struct kit k;
    size_t after_first = 0;

    (void)state;
    kit_open_small(&k);
    for (int i = 0; i < 200; i++) {
        (void)kit_event(&k, JSON, JSON_ITEM("H22.01-1", "process"));
        if (i == 0)
            after_first = k.out.arena.used;
        assert_int_equal(k.out.arena.used, after_first);
    }
    kit_deinit(&k);
}

static void an_envelope_made_anew_leads_to_the_item_step_by_step(void **state)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1000);
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text_with(&k, KIT_MAPPING, "small-xml.yaml", kit_small_xml, "each: s:SuKien\n", "each: s:Than/Ds/s:SuKien\n");
    kit_text(&k, KIT_MAPPING, "small-json.yaml", kit_small_json);
    kit_compile(&k);
    assert_true(lt_mappings_envelope(k.m, LT_SPAN_LIT("small-xml"), LT_SPAN_LIT("<x/>"), &out));
    assert_string_equal(out.ptr,
                        "<lt0:Lo xmlns:lt0=\"urn:small\"><lt1:Than xmlns:lt1=\"urn:small\"><Ds><x/></Ds></lt1:Than>"
                        "</lt0:Lo>");
    lt_buf_reset(&out);
    assert_false(lt_mappings_envelope(k.m, LT_SPAN_LIT("small-json"), LT_SPAN_LIT("<x/>"), &out));
    assert_false(lt_mappings_envelope(k.m, LT_SPAN_LIT("gone"), LT_SPAN_LIT("<x/>"), &out));
    assert_int_equal(out.len, 0);
    kit_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_xml_batch_with_one_bad_item_answers_item_by_item),
        cmocka_unit_test(the_raw_bytes_of_an_xml_item_are_a_document_again),
        cmocka_unit_test(a_bad_envelope_refuses_the_whole_input),
        cmocka_unit_test(a_batch_of_bad_items_only_is_still_answered_item_by_item),
        cmocka_unit_test(a_json_array_is_a_batch_even_with_one_element),
        cmocka_unit_test(a_json_batch_refuses_items_with_pointers_from_the_root),
        cmocka_unit_test(ndjson_lines_are_items_with_their_line),
        cmocka_unit_test(ndjson_without_a_line_that_is_json_is_refused_as_a_whole),
        cmocka_unit_test(more_events_than_allowed_are_refused_before_any_is_made),
        cmocka_unit_test(one_json_document_can_hold_several_events),
        cmocka_unit_test(many_events_use_the_memory_of_one),
        cmocka_unit_test(an_envelope_made_anew_leads_to_the_item_step_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
