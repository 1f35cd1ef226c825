/* An event as a receiver wants it. */
#include "gateway/delivery/message.h"
#include "tests/unit/harness.h"

static const struct lt_event event = {.id = {"0123456789abcdef0123456789abcdef", 32},
                                      .source = {"urn:lienthong:target:portal", 27},
                                      .type = {"vn.lienthong.portal.answer.v1", 29},
                                      .subject = {"A-1", 3},
                                      .time = {"2024-01-01T08:30:00+07:00", 25},
                                      .province = {"H22", 3}};
#define DATA "{\"outcome\":\"reject\",\"truncated\":[\"/a\",\"/b\"],\"HoSo\":{\"n\":1,\"Ten\":\"A & B\"}}"

/* The document, or the findings. Caller frees. */
static char *message(const char *yaml, const char *data)
{
    struct lt_yaml *y = NULL;
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_message *m = NULL;
    struct lt_buf out = LT_BUF_INIT(1 << 16);
    LT_AUTO_JSON struct lt_json *json = NULL;
    const struct lt_json_limits limits = {.bytes_max = 1 << 16, .depth_max = 16};
    if (yaml)
        assert_int_equal(lt_yaml_parse("t.yaml", lt_span_str(yaml), &y, &diags), LT_OK);
    if (lt_message_new(y ? lt_yaml_root(y) : NULL, &m, &diags) == LT_OK) {
        assert_int_equal(lt_json_parse(lt_span_str(data), &limits, &json, NULL), LT_OK);
        lt_message_write(m, &event, lt_json_root(json), &out);
    } else {
        lt_diags_print(&diags, &out);
        m = NULL;
    }
    lt_message_free(m);
    lt_yaml_free(y);
    lt_diags_deinit(&diags);
    return lt_buf_take(&out);
}

static void without_a_word_the_whole_event_goes_out_as_json(void **state)
{
    (void)state;
    LT_AUTOFREE char *text = message(NULL, "{\"a\":1}");
    assert_string_equal(text,
                        "{\"id\":\"0123456789abcdef0123456789abcdef\",\"type\":\"vn.lienthong.portal.answer.v1\","
                        "\"source\":\"urn:lienthong:target:portal\",\"time\":\"2024-01-01T08:30:00+07:00\","
                        "\"province\":\"H22\",\"unit\":\"\",\"procedure\":\"\",\"MaHoSo\":\"A-1\",\"data\":{\"a\":1}}");
}

static void fields_have_the_receivers_names_and_order(void **state)
{
    (void)state;
    LT_AUTOFREE char *json = message(
        "{fields: {maHoSo: subject, ketQua: /outcome, cat: /truncated/1, so: /HoSo/n, nguon: =lienthong, la: /x/y}}",
        DATA);
    assert_string_equal(
        json, "{\"maHoSo\":\"A-1\",\"ketQua\":\"reject\",\"cat\":\"/b\",\"so\":1,\"nguon\":\"lienthong\",\"la\":\"\"}");
    LT_AUTOFREE char *xml = message("{format: xml, root: \"{urn:h40}ThongBao\", fields: {maHoSo: subject, cat: "
                                    "/truncated, hoSo: /HoSo, la: /x}}",
                                    DATA);
    assert_string_equal(xml,
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ThongBao xmlns=\"urn:h40\"><maHoSo>A-1</maHoSo>"
                        "<cat>/a</cat><cat>/b</cat><hoSo><n>1</n><Ten>A &amp; B</Ten></hoSo><la></la></ThongBao>\n");
}

static void mistakes_are_told_with_their_place(void **state)
{
    (void)state;
    LT_AUTOFREE char *text = message("{format: csv, fields: {a: subjct}}", "{}");
    assert_contains(text, "t.yaml:1:10: message.format: expected json or xml, got 'csv'");
    assert_contains(text, "t.yaml:1:27: a: expected id, type, source");
    LT_AUTOFREE char *name = message("{format: xml, root: \"{u}1a\", fields: {\"a b\": id}}", "{}");
    assert_contains(name, "message.root: expected {namespace}Element");
    assert_contains(name, "message.fields: expected the name of an XML element, got 'a b'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_the_whole_event_goes_out_as_json),
        cmocka_unit_test(fields_have_the_receivers_names_and_order),
        cmocka_unit_test(mistakes_are_told_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
