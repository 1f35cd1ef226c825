#include <stdio.h>

#include "gateway/base/crypto.h"
#include "tests/unit/test_mapping_kit.h"

static const char xml_event[] = "<?xml version='1.0' encoding='UTF-8'?>\n"
                                "<Lo xmlns='urn:small'><SuKien>\n"
                                "<HeThong>motcua.h22</HeThong><Loai>TIEP_NHAN</Loai><MaHoSo> H22.01-240105-0007 "
                                "</MaHoSo><Luc>20240105083000</Luc>\n"
                                "<DonVi>H22.01</DonVi><ThuTuc>1.001193</ThuTuc><Kenh>TRUC_TUYEN</Kenh>\n"
                                "<HoSo><Chu>NGUYỄN VĂN MẪU</Chu><NgayNhan>20240105082900</NgayNhan><Giay><Tep><Ten>Tờ "
                                "khai</Ten></Tep><Tep><Ten>Ảnh</Ten></Tep></Giay></HoSo>\n"
                                "<Buoc><Luc>20240105083000</Luc><Phong>Một cửa</Phong></Buoc>\n"
                                "</SuKien></Lo>";

/* The same event: epoch milliseconds, NFD text, numbers for words. */
static const char json_event[] =
    "{\"system\": \"motcua.h22\", \"code\": \"H22.01-240105-0007\", \"action\": \"receive\", \"at\": 1704418200000,"
    " \"agency\": {\"code\": \"H22.01\"}, \"procedure\": \"1.001193\", \"channel\": 1,"
    " \"dossier\": {\"owner\": \"NGUYE\xcc\x82\xcc\x83N VA\xcc\x86N MA\xcc\x82\xcc\x83U\", \"accepted\": "
    "\"2024-01-05T01:29:00Z\", \"note\": null,"
    "  \"files\": [{\"kind\": 1, \"name\": \"Tờ khai\"}, {\"kind\": 2, \"name\": \"Kết quả\"}, {\"kind\": 1, \"name\": "
    "\"Ảnh\"}]},"
    " \"step\": {\"at\": 1704418200999, \"office\": \"Một cửa\"}}";

/* ce_id and digest of the JSON event in a configuration with one text changed. */
struct identity {
    char id[LT_EVENT_ID_LEN + 1], digest[LT_EVENT_DIGEST_LEN + 1];
};

static struct identity identity_of(struct kit *k, const char *media, const char *body)
{
    const struct lt_event *e = kit_event(k, media, body);
    struct identity out = {"", ""};

    assert_int_equal(e->id.len, LT_EVENT_ID_LEN);
    assert_int_equal(e->digest.len, LT_EVENT_DIGEST_LEN);
    memcpy(out.id, e->id.ptr, e->id.len);
    memcpy(out.digest, e->digest.ptr, e->digest.len);
    return out;
}

static void replace(char *out, size_t size, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);

    assert_non_null(at);
    assert_true(strlen(text) + strlen(to) < size);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void an_event_gets_its_attributes_and_canonical_data(void **state)
{
    const struct lt_event *e;
    struct kit k;

    (void)state;
    kit_open_small(&k);
    e = kit_event(&k, "Application/XML; charset=utf-8", xml_event);
    assert_string_equal(k.out.mapping, "small-xml");
    assert_false(k.out.batch);
    assert_string_equal(k.out.items.v[0].type_word, "received");
    assert_span_is(e->type, "vn.lienthong.dossier.received.v1");
    assert_span_is(e->source, "motcua.h22");
    assert_span_is(e->subject, "H22.01-240105-0007");
    assert_span_is(e->key, "H22/H22.01-240105-0007");
    assert_span_is(e->province, "H22");
    assert_span_is(e->unit, "H22.01");
    assert_span_is(e->procedure, "1.001193");
    assert_span_is(e->channel, "2");
    assert_span_is(e->time, "2024-01-05T08:30:00.000+07:00");
    assert_int_equal(e->digest_v, 3);
    assert_span_is(k.out.items.v[0].raw, xml_event);
    assert_span_is(e->data,
                   "{\"HoSo\":{\"MaHoSo\":\"H22.01-240105-0007\",\"ChuHoSo\":\"NGUYỄN VĂN "
                   "MẪU\",\"NgayTiepNhan\":\"20240105082900\","
                   "\"MaTTHC\":\"1.001193\",\"TenTTHC\":\"Đăng ký khai sinh\",\"DonVi\":\"Sở Tư pháp\",\"Kenh\":\"2\","
                   "\"Giay\":[{\"Ten\":\"Tờ khai\",\"Xoa\":\"False\"},{\"Ten\":\"Ảnh\",\"Xoa\":\"False\"}],\"The\":[]},"
                   "\"TienDo\":{\"ThoiDiem\":\"20240105083000\",\"PhongBan\":\"Một cửa\"}}");
    kit_deinit(&k);
}

static void xml_and_json_forms_of_one_event_have_one_identity_and_digest(void **state)
{
    struct identity a, b;
    struct lt_span data;
    struct kit k;
    char *xml_data;

    (void)state;
    kit_open_small(&k);
    a = identity_of(&k, XML, xml_event);
    data = k.out.items.v[0].event.data;
    xml_data = lt_strndup(data.ptr, data.len);
    b = identity_of(&k, JSON, json_event);
    assert_string_equal(k.out.mapping, "small-json");
    assert_string_equal(a.id, b.id);
    assert_string_equal(a.digest, b.digest);
    assert_span_is(k.out.items.v[0].event.data, xml_data);
    free(xml_data);
    kit_deinit(&k);
}

static void identity_and_digest_are_exactly_as_documented(void **state)
{
    static const char *const id_fields[] = {"motcua.h22", "H22.01-240105-0007", "received", "20240105083000",
                                            "Một cửa"};
    static const char *const digest_fields[] = {"motcua.h22",
                                                "received",
                                                "H22.01-240105-0007",
                                                "NGUYỄN VĂN MẪU",
                                                "20240105082900",
                                                "2",
                                                "Tờ khai",
                                                "Ảnh",
                                                "1.001193",
                                                "2",
                                                "",
                                                "20240105083000"};
    struct lt_sha256 *h = lt_sha256_new();
    uint8_t sum[LT_SHA256_SIZE];
    char hex[65];
    struct identity a;
    struct kit k;

    (void)state;
    kit_open_small(&k);
    a = identity_of(&k, XML, xml_event);
    for (size_t i = 0; i < LT_ARRAY_LEN(id_fields); i++)
        lt_sha256_field(h, lt_span_str(id_fields[i]));
    lt_sha256_final(h, sum);
    lt_hex(sum, 16, hex);
    assert_string_equal(a.id, hex);
    for (size_t i = 0; i < LT_ARRAY_LEN(digest_fields); i++)
        lt_sha256_field(h, lt_span_str(digest_fields[i]));
    lt_sha256_final(h, sum);
    lt_hex(sum, 32, hex);
    assert_string_equal(a.digest, hex);
    lt_sha256_free(h);
    kit_deinit(&k);
}

static void other_content_changes_the_digest_and_not_the_identity(void **state)
{
    struct identity a, b;
    struct kit k;
    char body[4096];

    (void)state;
    kit_open_small(&k);
    a = identity_of(&k, XML, xml_event);
    replace(body, sizeof(body), xml_event, "Tờ khai", "Đơn");
    b = identity_of(&k, XML, body);
    assert_string_equal(a.id, b.id);
    assert_string_not_equal(a.digest, b.digest);
    replace(body, sizeof(body), xml_event, "Một cửa", "Văn thư");
    b = identity_of(&k, XML, body);
    assert_string_not_equal(a.id, b.id);
    kit_deinit(&k);
}

/* Compiles the small configuration with a change and compares the event's identity and digest with those of the
 * unchanged one. */
static void assert_same_after(enum kit_part part, const char *name, const char *text, const char *from, const char *to,
                              const char *body, const char *data_now)
{
    struct identity before, after;
    struct kit k;
    char *data;

    kit_open_small(&k);
    before = identity_of(&k, JSON, body);
    kit_deinit(&k);

    kit_init(&k);
    if (part == KIT_TABLE && strcmp(name, "units.yaml") == 0)
        kit_text_with(&k, part, name, text, from, to);
    else
        kit_text(&k, KIT_TABLE, "units.yaml", kit_units);
    if (part == KIT_TABLE && strcmp(name, "procedures.yaml") == 0)
        kit_text_with(&k, part, name, text, from, to);
    else
        kit_text(&k, KIT_TABLE, "procedures.yaml", kit_procedures);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    if (part == KIT_MAPPING)
        kit_text_with(&k, part, name, text, from, to);
    else
        kit_text(&k, KIT_MAPPING, "small-json.yaml", kit_small_json);
    kit_compile(&k);
    after = identity_of(&k, JSON, body);
    assert_string_equal(before.id, after.id);
    assert_string_equal(before.digest, after.digest);
    data = lt_strndup(k.out.items.v[0].event.data.ptr, k.out.items.v[0].event.data.len);
    assert_contains(data, data_now); /* the change did change something */
    free(data);
    kit_deinit(&k);
}

static void a_changed_table_changes_the_data_and_never_the_digest(void **state)
{
    (void)state;
    assert_same_after(KIT_TABLE, "procedures.yaml", kit_procedures, "{code: 1.001193, name",
                      "{code: 1.001193, value: 9.999999, name", json_event, "\"MaTTHC\":\"9.999999\"");
    assert_same_after(KIT_TABLE, "procedures.yaml", kit_procedures, "Đăng ký khai sinh", "Khai sinh", json_event,
                      "\"TenTTHC\":\"Khai sinh\"");
    assert_same_after(KIT_TABLE, "units.yaml", kit_units, "Sở Tư pháp", "Sở Mới", json_event, "\"DonVi\":\"Sở Mới\"");
}

static void defaults_and_truncation_change_the_data_and_never_the_digest(void **state)
{
    char body[4096];

    (void)state;
    replace(body, sizeof(body), json_event, " \"channel\": 1,", "");
    assert_same_after(KIT_MAPPING, "small-json.yaml", kit_small_json, "default: \"1\"}", "default: \"3\"}", body,
                      "\"Kenh\":\"3\"");
    assert_same_after(KIT_MAPPING, "small-json.yaml", kit_small_json, "max: 20, over", "max: 6, over", json_event,
                      "\"ChuHoSo\":\"NGUYỄN\"");
    assert_same_after(KIT_MAPPING, "small-json.yaml", kit_small_json, "Ten: {from: name, required: true}",
                      "Ten: {from: name, max: 2, over: truncate}", json_event, "\"Ten\":\"Tờ\"");
    /* an element that a default brings to life was counted before */
    replace(body, sizeof(body), json_event, "{\"kind\": 1, \"name\": \"Ảnh\"}",
            "{\"kind\": 1, \"name\": \"Ảnh\"}, {\"kind\": 1}");
    assert_same_after(KIT_MAPPING, "small-json.yaml", kit_small_json, "tags, from: \"-\"",
                      "tags, from: \"-\", default: \"x\"", json_event, "\"The\":[]");
}

static void truncations_are_counted_by_characters(void **state)
{
    struct kit k;
    char body[4096];

    (void)state;
    kit_open_small(&k);
    replace(body, sizeof(body), xml_event, "NGUYỄN VĂN MẪU", "ĐẶNG THỊ ÁNH NGUYỆT CÔNG HUYỀN");
    (void)kit_event(&k, XML, body);
    assert_int_equal(k.out.items.v[0].truncated, 1);
    assert_contains(k.out.items.v[0].event.data.ptr, "\"ChuHoSo\":\"ĐẶNG THỊ ÁNH NGUYỆT\"");
    kit_deinit(&k);
}

static void a_source_may_write_one_word_as_number_or_text_and_null_is_nothing(void **state)
{
    const struct lt_event *e;
    struct kit k;

    (void)state;
    kit_open_small(&k);
    e = kit_event(
        &k, JSON,
        "{\"system\":\"a\",\"code\":\"H22.01-1\",\"action\":\"receive\",\"at\":\"2024-01-01T08:00:00\",\"agency\":{"
        "\"code\":\"000.00.02.H22\"},"
        "\"procedure\":\"2.000815\",\"dossier\":{\"owner\":4711,\"tags\":[\"một\",\"\",null,\"hai\"],\"files\":null}}");
    assert_span_is(e->channel, "1");
    assert_span_is(e->province, "H22");
    assert_contains(e->data.ptr, "\"ChuHoSo\":\"4711\"");
    assert_contains(e->data.ptr, "\"The\":[\"một\",\"hai\"]");
    assert_contains(e->data.ptr, "\"Giay\":[]");
    assert_contains(e->data.ptr, "\"MaTTHC\":\"2.000815\"");
    kit_deinit(&k);
}

static void codes_are_looked_up_at_the_time_of_the_event(void **state)
{
    const struct lt_event *e;
    struct kit k;

    (void)state;
    kit_open_small(&k);
    e = kit_event(&k, JSON,
                  "{\"system\":\"a\",\"code\":\"H22.01-1\",\"action\":\"receive\",\"at\":\"2024-06-01T00:00:00\","
                  "\"agency\":{\"code\":\"H22.01\"},"
                  "\"procedure\":\"2.000815\",\"dossier\":{\"owner\":\"An\"}}");
    assert_span_is(e->procedure, "2.000999");
    assert_contains(e->data.ptr, "\"TenTTHC\":\"Chứng thực mới\"");
    kit_deinit(&k);
}

static void what_is_wrong_is_refused_with_status_code_field_and_place(void **state)
{
    static const struct {
        const char *media, *body, *from, *to;
        int status;
        const char *code, *field, *pointer;
    } cases[] = {
        {"text/plain", xml_event, "Lo", "Lo", 415, "no-mapping", "", ""},
        {XML, xml_event, "urn:small", "urn:other", 415, "no-mapping", "", ""},
        {JSON, json_event, "\"code\"", "\"kode\"", 415, "no-mapping", "", ""},
        {XML, xml_event, "</SuKien>", "", 400, "xml-syntax", "", ""},
        {JSON, json_event, "{", "[", 400, "json-syntax", "", ""},
        {JSON, json_event, "\"channel\": 1", "\"code\": \"x\"", 400, "json-duplicate-member", "code", "/code"},
        {XML, xml_event, "<Kenh>", "<So>x</So><Kenh>", 422, "xml-schema", "So", ""},
        {JSON, json_event, "\"channel\": 1", "\"channel\": \"1\"", 422, "json-schema", "channel", "/channel"},
        {JSON, json_event, "\"channel\": 1", "\"chanel\": 1", 422, "json-schema", "chanel", "/chanel"},
        {XML, xml_event, "<Luc>20240105083000</Luc>\n<DonVi>", "<Luc>20240230083000</Luc>\n<DonVi>", 422, "bad-date",
         "time", "/Luc"},
        {JSON, json_event, "1704418200000", "20240105083000", 422, "bad-date", "time", "/at"},
        {JSON, json_event, "1704418200000", "20240105", 422, "bad-date", "time", "/at"},
        {JSON, json_event, "1704418200000", "\"2024-02-30T08:00:00+07:00\"", 422, "bad-date", "time", "/at"},
        {XML, xml_event, "<MaHoSo> H22.01-240105-0007 </MaHoSo>", "", 422, "field-missing", "MaHoSo", "/s:MaHoSo"},
        {XML, xml_event, "TIEP_NHAN", "TIEP_NHAM", 422, "unknown-word", "type", "/Loai"},
        {JSON, json_event, "\"H22.01\"", "\"H22.99\"", 422, "unknown-unit", "unit", "/agency/code"},
        {JSON, json_event, "1.001193", "1.001194", 422, "unknown-procedure", "procedure", "/procedure"},
        {JSON, json_event, "\"channel\": 1", "\"channel\": 7", 422, "unknown-word", "channel", "/channel"},
        {JSON, json_event, "\"note\": null", "\"note\": \"mười một chữ\"", 422, "too-long", "/HoSo/GhiChu",
         "/dossier/note"},
        {JSON, json_event, "{\"kind\": 1, \"name\": \"Ảnh\"}", "{\"kind\": 1}", 422, "field-missing",
         "/HoSo/Giay/*/Ten", "/dossier/files/2/name"},
        {JSON, json_event, "\"name\": \"Ảnh\"", "\"name\": {\"vi\": \"Ảnh\"}", 422, "bad-value", "/HoSo/Giay/*/Ten",
         "/dossier/files/2/name"},
        {JSON, json_event, "\"owner\": \"NGUYE\xcc\x82\xcc\x83N VA\xcc\x86N MA\xcc\x82\xcc\x83U\"", "\"owner\": \"X\"",
         422, "canonical-schema", "/HoSo/ChuHoSo", ""},
        {XML, "", NULL, NULL, 400, "xml-syntax", "", ""},
        {JSON, "", NULL, NULL, 400, "json-syntax", "", ""},
        {JSON, "\"text\"", NULL, NULL, 415, "no-mapping", "", ""},
        {JSON, "[]", NULL, NULL, 422, "empty-batch", "", ""},
        {NDJSON, "\n \n", NULL, NULL, 422, "empty-batch", "", ""},
        {XML, "<Lo xmlns='urn:small'/>", NULL, NULL, 422, "empty-batch", "", ""},
        {XML, "<Lo xmlns='urn:small'><X/></Lo>", NULL, NULL, 422, "xml-schema", "", ""},
        {XML, "<!DOCTYPE Lo [<!ENTITY a 'b'>]><Lo xmlns='urn:small'/>", NULL, NULL, 400, "xml-doctype", "", ""},
        {JSON, "\xff\xfe{\0}\0", NULL, NULL, 400, "json-encoding", "", ""},
    };
    struct kit k;

    (void)state;
    kit_open_small(&k);
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        const struct lt_refusal *r;
        char body[4096];
        if (cases[i].from)
            replace(body, sizeof(body), cases[i].body, cases[i].from, cases[i].to);
        else
            strcpy(body, cases[i].body);
        r = kit_refusal(&k, cases[i].media, body);
        if (strcmp(r->code, cases[i].code) != 0 || r->status != cases[i].status)
            fail_msg("case %zu: expected %d %s, got %d %s: %s", i, cases[i].status, cases[i].code, r->status, r->code,
                     r->detail);
        if (cases[i].field[0] && strcmp(r->field, cases[i].field) != 0)
            fail_msg("case %zu: expected the field %s, got %s: %s", i, cases[i].field, r->field, r->detail);
        assert_contains(r->pointer, cases[i].pointer);
        assert_true(r->detail[0]);
    }
    kit_deinit(&k);
}

static void xml_refusals_have_the_line(void **state)
{
    struct kit k;
    char body[4096];

    (void)state;
    kit_open_small(&k);
    replace(body, sizeof(body), xml_event, "TRUC_TUYEN", "FAX");
    assert_int_equal(kit_refusal(&k, XML, body)->line, 4);
    replace(body, sizeof(body), xml_event, "<Kenh>", "<So>x</So><Kenh>");
    assert_int_equal(kit_refusal(&k, XML, body)->line, 4);
    kit_deinit(&k);
}

static void a_refused_event_still_names_its_dossier_when_it_can(void **state)
{
    const struct lt_event *e;
    struct kit k;
    char body[4096];

    (void)state;
    kit_open_small(&k);
    replace(body, sizeof(body), json_event, "\"channel\": 1", "\"channel\": \"1\"");
    (void)kit_refusal(&k, JSON, body);
    e = &k.out.items.v[0].event;
    assert_span_is(e->subject, "H22.01-240105-0007");
    assert_span_is(e->key, "H22/H22.01-240105-0007");
    assert_span_is(e->source, "motcua.h22");
    assert_span_is(e->id, "");
    kit_deinit(&k);
}

static void depth_beyond_the_limit_is_refused_as_syntax(void **state)
{
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1u << 20);
    struct kit k;

    (void)state;
    kit_open_small(&k);
    for (int i = 0; i < 10000; i++)
        lt_buf_char(&b, '[');
    assert_string_equal(kit_refusal(&k, JSON, b.ptr)->code, "json-depth");
    assert_int_equal(k.out.refusal.status, 400);
    lt_buf_reset(&b);
    for (int i = 0; i < 10000; i++)
        lt_buf_str(&b, "<a>");
    assert_string_equal(kit_refusal(&k, XML, b.ptr)->code, "xml-depth");
    assert_int_equal(k.out.refusal.status, 400);
    kit_deinit(&k);
}

static void a_source_outside_the_digest_profile_is_refused(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text_with(&k, KIT_DIGEST, "digest.yaml", kit_digest, "[\"*\"]", "[\"dichvu.*\"]");
    kit_text(&k, KIT_MAPPING, "small-json.yaml", kit_small_json);
    kit_compile(&k);
    assert_string_equal(kit_refusal(&k, JSON, json_event)->code, "unknown-source");
    kit_deinit(&k);
}

static void rules_for_some_types_join_one_of_and_pattern_hold(void **state)
{
    struct kit k;
    char body[4096];

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text_with(&k, KIT_MAPPING, "small-json.yaml", kit_small_json, "      GhiChu: {from: note, max: 10}\n",
                  "      GhiChu: {from: note, one-of: [a, b], pattern: \"a*\"}\n"
                  "      Chi: {from: owner, types: [progressed]}\n"
                  "      Co: {from: owner, types: [received, progressed], if: /system=motcua.h22}\n"
                  "      Khong: {from: owner, if: /system=khac}\n"
                  "      Trong: {from: nothing, default: \"\"}\n"
                  "      Noi: {join: [/system, nothing, ../code], with: \" - \"}\n");
    kit_compile(&k);
    (void)kit_event(&k, JSON, json_event);
    assert_contains(k.out.items.v[0].event.data.ptr,
                    "\"Co\":\"NGUYỄN VĂN MẪU\",\"Trong\":\"\",\"Noi\":\"motcua.h22 - H22.01-240105-0007\"");
    assert_null(strstr(k.out.items.v[0].event.data.ptr, "\"Chi\""));
    replace(body, sizeof(body), json_event, "\"note\": null", "\"note\": \"c\"");
    assert_contains(kit_refusal(&k, JSON, body)->detail, "expected one of 2 values (a, …), got \"c\"");
    replace(body, sizeof(body), json_event, "\"note\": null", "\"note\": \"b\"");
    assert_contains(kit_refusal(&k, JSON, body)->detail, "expected the form a*, got \"b\"");
    kit_deinit(&k);
}

static void birth_dates_may_be_days_or_years(void **state)
{
    static const char *const days[][2] = {{"05/01/1990", "19900105"}, {"1990", "1990"}};
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text_with(&k, KIT_MAPPING, "small-json.yaml", kit_small_json, "GhiChu: {from: note, max: 10}",
                  "GhiChu: {from: note, format: [dd/MM/yyyy, yyyy], as: date}");
    kit_compile(&k);
    for (size_t i = 0; i < LT_ARRAY_LEN(days); i++) {
        char body[4096], note[64], want[64];
        sprintf(note, "\"note\": \"%s\"", days[i][0]);
        sprintf(want, "\"GhiChu\":\"%s\"", days[i][1]);
        replace(body, sizeof(body), json_event, "\"note\": null", note);
        assert_contains(kit_event(&k, JSON, body)->data.ptr, want);
    }
    kit_deinit(&k);
}

static void translating_again_gives_the_same_bytes(void **state)
{
    const struct lt_event *e;
    struct kit k;
    char *first;

    (void)state;
    kit_open_small(&k);
    e = kit_event(&k, JSON, json_event);
    first = lt_strndup(e->data.ptr, e->data.len);
    (void)kit_refusal(&k, XML, "<Lo xmlns='urn:small'><X/></Lo>");
    (void)kit_event(&k, XML, xml_event);
    assert_span_is(kit_event(&k, JSON, json_event)->data, first);
    free(first);
    kit_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_gets_its_attributes_and_canonical_data),
        cmocka_unit_test(xml_and_json_forms_of_one_event_have_one_identity_and_digest),
        cmocka_unit_test(identity_and_digest_are_exactly_as_documented),
        cmocka_unit_test(other_content_changes_the_digest_and_not_the_identity),
        cmocka_unit_test(a_changed_table_changes_the_data_and_never_the_digest),
        cmocka_unit_test(defaults_and_truncation_change_the_data_and_never_the_digest),
        cmocka_unit_test(truncations_are_counted_by_characters),
        cmocka_unit_test(a_source_may_write_one_word_as_number_or_text_and_null_is_nothing),
        cmocka_unit_test(codes_are_looked_up_at_the_time_of_the_event),
        cmocka_unit_test(what_is_wrong_is_refused_with_status_code_field_and_place),
        cmocka_unit_test(xml_refusals_have_the_line),
        cmocka_unit_test(a_refused_event_still_names_its_dossier_when_it_can),
        cmocka_unit_test(depth_beyond_the_limit_is_refused_as_syntax),
        cmocka_unit_test(a_source_outside_the_digest_profile_is_refused),
        cmocka_unit_test(rules_for_some_types_join_one_of_and_pattern_hold),
        cmocka_unit_test(birth_dates_may_be_days_or_years),
        cmocka_unit_test(translating_again_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
