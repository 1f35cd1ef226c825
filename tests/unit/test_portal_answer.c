/* What the portal's answers mean: one row a known answer, for each kind of call. */
#include "adapters/portal/answer.h"
#include "tests/unit/harness.h"

static struct lt_yaml *yaml;
static struct lt_classifier *answers;
static struct lt_arena arena = LT_ARENA_INIT;

static int setup(void **state)
{
    (void)state;
    struct lt_diags diags = LT_DIAGS_INIT;
    assert_int_equal(lt_yaml_load("config/targets/portal.yaml", &yaml, &diags), LT_OK);
    int r = lt_classifier_new(&lt_portal_answers, lt_yaml_get(lt_yaml_root(yaml), "answers"), lt_yaml_root(yaml),
                              &answers, &diags);
    struct lt_buf text = LT_BUF_INIT(65536);
    lt_diags_print(&diags, &text);
    if (r != LT_OK)
        fail_msg("%s", lt_buf_take(&text));
    lt_diags_deinit(&diags);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lt_arena_deinit(&arena);
    lt_classifier_free(answers);
    lt_yaml_free(yaml);
    return 0;
}

static struct lt_portal_answer read_answer(enum lt_portal_call call, long status, const char *body)
{
    struct lt_portal_answer a;
    struct lt_http_answer http = {.failure = LT_HTTP_ANSWERED,
                                  .status = status,
                                  .body = lt_span_str(body),
                                  .content_type = "",
                                  .retry_after_s = -1};
    lt_portal_answer_read(answers, call, LT_SPAN_LIT("A-1"), &http, &arena, &a);
    return a;
}

struct row {
    enum lt_portal_call call;
    const char *body;
    enum lt_portal_meaning meaning;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct lt_portal_answer a = read_answer(rows[i].call, 200, rows[i].body);
        if (a.meaning != rows[i].meaning)
            fail_msg("call %d, %s: expected %s, got %s", (int)rows[i].call, rows[i].body,
                     lt_portal_meaning_name(rows[i].meaning), lt_portal_meaning_name(a.meaning));
        assert_true(*a.code && *a.reason);
    }
}
#define CHECK(...)                                                                                                     \
    do {                                                                                                               \
        static const struct row rows[] = {__VA_ARGS__};                                                                \
        check(rows, LT_ARRAY_LEN(rows));                                                                               \
    } while (0)

static void error_code_is_a_number_or_a_text_and_the_message_is_read_too(void **state)
{
    (void)state;
    CHECK({LT_PORTAL_CREATE, "{\"error_code\":\"0\",\"message\":\"Đồng bộ hồ sơ thành công\"}", LT_PORTAL_DONE},
          {LT_PORTAL_CREATE, "{\"error_code\":0,\"message\":\"Đồng bộ hồ sơ THÀNH CÔNG\"}", LT_PORTAL_DONE},
          {LT_PORTAL_CREATE, "{\"error_code\":0}", LT_PORTAL_DONE},
          {LT_PORTAL_CREATE, "{\"error_code\":\"00\",\"message\":\"\"}", LT_PORTAL_DONE},
          {LT_PORTAL_UPDATE, "{\"error_code\":\" 0 \",\"result\":[]}", LT_PORTAL_DONE},
          {LT_PORTAL_CREATE, "{\"error_code\":\"-1\",\"message\":\"Trường MaTTHC sai\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_UPDATE, "{\"error_code\":-1,\"message\":\"thành công\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_CREATE, "{\"error_code\":\"0\",\"message\":\"Đồng bộ không thành công\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_CREATE, "{\"error_code\":\"0\",\"message\":\"Đang chờ duyệt\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_PROGRESS, "{\"error_code\":\"0\",\"message\":\"Đang chờ duyệt\"}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_PROGRESS, "{\"error_code\":\"0\",\"message\":\"Có lỗi\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_PROGRESS, "{\"error_code\":0,\"message\":\"Cập nhật tiến độ thành công\"}", LT_PORTAL_DONE});
}

static void an_existing_dossier_is_told_by_its_message_whatever_the_code(void **state)
{
    (void)state;
    CHECK({LT_PORTAL_CREATE, "{\"error_code\":\"0\",\"message\":\"Hồ sơ A-1 đã tồn tại\"}", LT_PORTAL_ALREADY},
          {LT_PORTAL_CREATE, "{\"error_code\":3,\"message\":\"Hồ sơ A-1 đã tồn tại\"}", LT_PORTAL_ALREADY},
          {LT_PORTAL_CREATE, "{\"error_code\":\"-3\",\"message\":\"HỒ SƠ ĐÃ TỒN TẠI\"}", LT_PORTAL_ALREADY},
          /* the same letters written with combining marks */
          {LT_PORTAL_CREATE, "{\"error_code\":\"-3\",\"message\":\"\\u0111a\\u0303 t\\u00f4\\u0300n ta\\u0323i\"}",
           LT_PORTAL_ALREADY},
          {LT_PORTAL_CREATE, "{\"error_code\":\"-3\",\"message\":\"khác\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_UPDATE, "{\"error_code\":\"0\",\"message\":\"đã tồn tại\"}", LT_PORTAL_DONE},
          {LT_PORTAL_UPDATE, "{\"error_code\":\"-3\",\"message\":\"đã tồn tại\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_UPDATE, "{\"error_code\":\"-1\",\"message\":\"Hồ sơ A-1 không tồn tại\"}", LT_PORTAL_EMPTY},
          {LT_PORTAL_CREATE, "{\"error_code\":\"-1\",\"message\":\"Mã thủ tục không tồn tại\"}", LT_PORTAL_REFUSED});
}

static void only_an_empty_list_is_a_definite_no_to_a_look_up(void **state)
{
    (void)state;
    CHECK({LT_PORTAL_LOOKUP, "{\"error_code\":0,\"result\":[]}", LT_PORTAL_EMPTY},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"0\",\"result\":[{\"MaHoSo\":\"A-1\"}]}", LT_PORTAL_FOUND},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"0\",\"result\":{\"TrangThaiHoSo\":\"2\"}}", LT_PORTAL_FOUND},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"0\",\"result\":[{\"MaHoSo\":\"A-2\"}]}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"0\"}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"0\",\"result\":null}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"0\",\"result\":[{}]}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"-1\",\"message\":\"Không tìm thấy hồ sơ\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"-1\",\"message\":\"madonvi sai\"}", LT_PORTAL_REFUSED});
}

static void an_ended_session_and_a_busy_portal_are_told_from_refusals(void **state)
{
    (void)state;
    CHECK({LT_PORTAL_PROGRESS, "{\"error_code\":\"-1\",\"message\":\"Phiên làm việc đã hết hạn\"}", LT_PORTAL_SESSION},
          {LT_PORTAL_LOOKUP, "{\"error_code\":\"-1\",\"message\":\"Session expired\"}", LT_PORTAL_SESSION},
          {LT_PORTAL_CREATE, "{\"error_code\":\"-1\",\"message\":\"Phiên bản dữ liệu sai\"}", LT_PORTAL_REFUSED},
          {LT_PORTAL_PROGRESS, "{\"error_code\":\"-1\",\"message\":\"Hệ thống quá tải\"}", LT_PORTAL_BUSY});
}

static void a_body_that_says_nothing_certain_leaves_the_call_uncertain(void **state)
{
    (void)state;
    CHECK({LT_PORTAL_CREATE, "<html><body>Bad gateway</body></html>", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_CREATE, "", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_CREATE, "{\"message\":\"thành công\"}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_CREATE, "{\"error_code\":null}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_CREATE, "{\"error_code\":[]}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_CREATE, "{\"error_code\":\"0\",\"error_code\":\"-1\"}", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_CREATE, "[{\"error_code\":\"0\"}]", LT_PORTAL_UNCERTAIN},
          {LT_PORTAL_PROGRESS, "{\"error_code\":\"0\",\"message\":\"thà", LT_PORTAL_UNCERTAIN});
}

static void http_statuses_say_whether_the_call_can_have_been_applied(void **state)
{
    (void)state;
    static const struct {
        long status;
        enum lt_portal_meaning meaning;
    } rows[] = {{401, LT_PORTAL_DENIED},    {403, LT_PORTAL_DENIED},    {404, LT_PORTAL_BUSY},
                {400, LT_PORTAL_REFUSED},   {413, LT_PORTAL_REFUSED},   {408, LT_PORTAL_UNCERTAIN},
                {429, LT_PORTAL_THROTTLED}, {503, LT_PORTAL_BUSY},      {500, LT_PORTAL_UNCERTAIN},
                {502, LT_PORTAL_UNCERTAIN}, {504, LT_PORTAL_UNCERTAIN}, {302, LT_PORTAL_UNCERTAIN},
                {204, LT_PORTAL_UNCERTAIN}};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_portal_answer a = read_answer(LT_PORTAL_CREATE, rows[i].status, "{\"error_code\":\"0\"}");
        if (a.meaning != rows[i].meaning)
            fail_msg("%ld: got %s", rows[i].status, lt_portal_meaning_name(a.meaning));
    }
    struct lt_http_answer http = {.failure = LT_HTTP_ANSWERED,
                                  .status = 503,
                                  .headers = LT_SPAN_LIT("Retry-After: 20\r\n"),
                                  .content_type = "",
                                  .retry_after_s = 20};
    struct lt_portal_answer a;
    lt_portal_answer_read(answers, LT_PORTAL_CREATE, LT_SPAN_LIT("A-1"), &http, &arena, &a);
    assert_int_equal(a.meaning, LT_PORTAL_THROTTLED);
    assert_int_equal(a.wait_ms, 20000);
}

static void failures_before_the_first_byte_are_not_uncertain(void **state)
{
    (void)state;
    static const struct {
        enum lt_http_failure failure;
        enum lt_portal_meaning meaning;
    } rows[] = {{LT_HTTP_NOT_SENT, LT_PORTAL_BUSY},
                {LT_HTTP_CREDENTIAL, LT_PORTAL_DENIED},
                {LT_HTTP_UNKNOWN, LT_PORTAL_UNCERTAIN},
                {LT_HTTP_TOO_LARGE, LT_PORTAL_UNCERTAIN}};
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct lt_http_answer http = {
            .failure = rows[i].failure, .content_type = "", .retry_after_s = -1, .text = "why"};
        struct lt_portal_answer a;
        lt_portal_answer_read(answers, LT_PORTAL_PROGRESS, LT_SPAN_LIT("A-1"), &http, &arena, &a);
        assert_int_equal(a.meaning, rows[i].meaning);
        assert_string_equal(a.reason, "why");
    }
}

static void a_login_needs_a_success_code_and_a_session(void **state)
{
    (void)state;
    struct lt_portal_answer a = read_answer(LT_PORTAL_LOGIN, 200, "{\"session\":\"s-1\",\"error_code\":0}");
    assert_int_equal(a.meaning, LT_PORTAL_DONE);
    assert_span_is(a.session, "s-1");
    CHECK({LT_PORTAL_LOGIN, "{\"session\":\"s-1\",\"error_code\":\"0\"}", LT_PORTAL_DONE},
          {LT_PORTAL_LOGIN, "{\"session\":\"\",\"error_code\":0}", LT_PORTAL_DENIED},
          {LT_PORTAL_LOGIN, "{\"error_code\":0}", LT_PORTAL_DENIED},
          {LT_PORTAL_LOGIN, "{\"session\":\"\",\"error_code\":-1,\"message\":\"Sai mật khẩu\"}", LT_PORTAL_DENIED},
          {LT_PORTAL_LOGIN, "<html>", LT_PORTAL_UNCERTAIN});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_code_is_a_number_or_a_text_and_the_message_is_read_too),
        cmocka_unit_test(an_existing_dossier_is_told_by_its_message_whatever_the_code),
        cmocka_unit_test(only_an_empty_list_is_a_definite_no_to_a_look_up),
        cmocka_unit_test(an_ended_session_and_a_busy_portal_are_told_from_refusals),
        cmocka_unit_test(a_body_that_says_nothing_certain_leaves_the_call_uncertain),
        cmocka_unit_test(http_statuses_say_whether_the_call_can_have_been_applied),
        cmocka_unit_test(failures_before_the_first_byte_are_not_uncertain),
        cmocka_unit_test(a_login_needs_a_success_code_and_a_session),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
