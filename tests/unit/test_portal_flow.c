/* The portal adapter's choices: look-up, create, update, progress, session, batches. */
#include "adapters/portal/portal.h"
#include "tests/unit/adapter_host.h"

#include <stdio.h>

#define OPTIONS "username: u\npassword: {env: LT_TEST_PORTAL_PASSWORD}\ndstcode: D1\nmadonvi: H22\n"
#define UPSERT_DATA "{\"HoSo\":{\"MaHoSo\":\"A-1\",\"TrangThaiHoSo\":\"2\"},\"CongDan\":{\"HoVaTen\":\"NGƯỜI MẪU\"}}"
#define PROGRESS_DATA                                                                                                  \
    "{\"TienDo\":{\"MaHoSo\":\"A-1\",\"NguoiXuLy\":\"Cán "                                                            \
    "bộ\",\"ThoiDiemXuLy\":\"20240101090000\",\"TrangThai\":\"4\"}}"
#define LOGGED_IN "{\"session\":\"s-1\",\"error_code\":0}"
#define DONE "{\"error_code\":\"0\",\"message\":\"thành công\"}"
#define FOUND "{\"error_code\":0,\"result\":[{\"MaHoSo\":\"A-1\"}]}"
#define EMPTY "{\"error_code\":0,\"result\":[]}"
#define EXPIRED "{\"error_code\":\"-1\",\"message\":\"Phiên làm việc đã hết hạn\"}"
#define REFUSED "{\"error_code\":\"-1\",\"message\":\"Trường NgayTiepNhan sai\"}"
#define EXISTS "{\"error_code\":\"-3\",\"message\":\"Hồ sơ đã tồn tại\"}"

static struct host *portal(const char *more)
{
    LT_AUTOFREE char *options = lt_asprintf(OPTIONS "%s", more);
    setenv("LT_TEST_PORTAL_PASSWORD", "secret", 1);
    return host_new(&lt_portal_adapter, "https://portal/api", options);
}

static struct host *logged_in(const char *more)
{
    struct host *h = portal(more);
    struct host_work *w = host_submit(h, LT_STEP_ENSURE, "warm-up", "{}");
    host_answer(h, 200, LOGGED_IN);
    host_answer(h, 200, "{\"error_code\":0,\"result\":[{\"MaHoSo\":\"warm-up\"}]}");
    assert_int_equal(w->result.outcome, LT_OUTCOME_OK);
    return h;
}

static void is(const struct host_work *w, enum lt_outcome o)
{
    if (!w->done)
        fail_msg("not done");
    if (w->result.outcome != o)
        fail_msg("expected %s, got %s: %s", lt_outcome_name(o), lt_outcome_name(w->result.outcome), w->reason);
}

static void a_new_dossier_is_looked_up_after_the_login_and_created(void **state)
{
    (void)state;
    struct host *h = portal("");
    struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    assert_string_equal(host_call(h)->url, "https://portal/api/login");
    assert_string_equal(host_call(h)->body, "{\"username\":\"u\",\"password\":\"secret\"}");
    assert_non_null(strstr(host_call(h)->headers, "dstcode: D1\n"));
    assert_non_null(strstr(host_call(h)->headers, "Content-Type: application/json\n"));
    host_answer(h, 200, LOGGED_IN);
    assert_string_equal(host_call(h)->url, "https://portal/api/integration");
    host_expect(h, "\"session\":\"s-1\"");
    host_expect(h, "\"service\":\"TraCuuHoSo\",\"mahoso\":\"A-1\"");
    host_answer(h, 200, EMPTY);
    host_expect(h, "\"service\":\"DongBoHoSoMC\",\"isUpdating\":\"False\",\"data\":[{\"MaHoSo\":\"A-1\"");
    assert_null(strstr(host_call(h)->body, "CongDan")); /* never to the portal */
    host_answer(h, 200, DONE);
    is(w, LT_OUTCOME_OK);
    assert_int_equal(w->result.notes_len, 1);
    assert_int_equal(w->result.notes[0].to, LT_NOTE_ANSWER);
    assert_span_is(w->result.notes[0].data,
                   "{\"MaHoSo\":\"A-1\",\"event\":\"0123456789abcdef0123456789abcdef\",\"step\":\"upsert\","
                   "\"operation\":\"create\",\"outcome\":\"ok\",\"error_code\":\"0\",\"message\":\"thành công\","
                   "\"TrangThaiHoSo\":\"2\",\"attempts\":1,\"truncated\":[]}");
    host_free(h);
}

static void a_known_dossier_is_updated_without_a_look_up(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_answer(h, 200, FOUND);
    host_expect(h, "\"isUpdating\":\"True\"");
    host_answer(h, 200, DONE);
    is(w, LT_OUTCOME_OK);
    struct host_work *again = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_expect(h, "\"isUpdating\":\"True\"");
    host_answer(h, 200, DONE);
    is(again, LT_OUTCOME_OK);
    struct host_work *ensured = host_submit(h, LT_STEP_ENSURE, "A-1", PROGRESS_DATA);
    is(ensured, LT_OUTCOME_PASS);
    ensured->work.probe =
        true; /* is the portal back? A memory does not tell, and the row behind it cannot be repeated */
    host_submit_again(h, ensured, false);
    host_expect(h, "TraCuuHoSo");
    host_answer(h, 200, FOUND);
    is(ensured, LT_OUTCOME_OK);
    host_free(h);
}

static void a_create_that_meets_the_dossier_goes_on_with_an_update(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_answer(h, 200, EMPTY);
    host_answer(h, 200, EXISTS);
    assert_false(w->done);
    host_expect(h, "\"isUpdating\":\"True\"");
    host_answer(h, 200, DONE);
    is(w, LT_OUTCOME_EXISTS);
    host_free(h);
}

static void after_an_unknown_create_the_portal_is_asked_and_a_failed_question_stays_unknown(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_answer(h, 200, EMPTY);
    host_fail(h, LT_HTTP_UNKNOWN);
    is(w, LT_OUTCOME_UNKNOWN);
    host_submit_again(h, w, true);
    host_expect(h, "TraCuuHoSo");
    host_answer(h, 200, "{\"error_code\":\"-1\",\"message\":\"x\"}");
    is(w, LT_OUTCOME_RETRY); /* never taken for "not there" */
    host_submit_again(h, w, true);
    host_expect(h, "TraCuuHoSo");
    host_answer(h, 200, FOUND);
    host_expect(h, "\"isUpdating\":\"True\"");
    host_fail(h, LT_HTTP_UNKNOWN);
    is(w, LT_OUTCOME_UNKNOWN);
    host_submit_again(h, w, true); /* an unknown update too: asked first, then sent again */
    host_expect(h, "TraCuuHoSo");
    host_answer(h, 200, FOUND);
    host_answer(h, 200, DONE);
    is(w, LT_OUTCOME_OK);
    host_free(h);
}

static void an_update_of_a_dossier_that_is_gone_asks_once_and_creates(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_answer(h, 200, FOUND);
    host_answer(h, 200, "{\"error_code\":\"-1\",\"message\":\"Hồ sơ không tồn tại\"}");
    host_expect(h, "TraCuuHoSo");
    host_answer(h, 200, EMPTY);
    host_expect(h, "\"isUpdating\":\"False\"");
    host_answer(h, 200, DONE);
    is(w, LT_OUTCOME_OK);
    host_free(h);
}

static void progress_of_an_absent_dossier_is_created_from_the_snapshot_or_rejected(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *with = host_submit(h, LT_STEP_ENSURE, "A-1", UPSERT_DATA);
    host_answer(h, 200, EMPTY);
    host_expect(h, "\"isUpdating\":\"False\"");
    host_answer(h, 200, DONE);
    is(with, LT_OUTCOME_OK);
    struct host_work *without = host_submit(h, LT_STEP_ENSURE, "A-2", PROGRESS_DATA);
    host_answer(h, 200, EMPTY);
    is(without, LT_OUTCOME_REJECT);
    assert_string_equal(without->code, "unknown-at-target");
    struct host_work *no_snapshot = host_submit(h, LT_STEP_UPSERT, "A-3", PROGRESS_DATA);
    is(no_snapshot, LT_OUTCOME_REJECT);
    host_free(h);
}

static void a_progress_row_is_sent_once_and_its_unknown_is_told(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    host_expect(h, "\"service\":\"CapNhatTienDoHoSoMC\",\"data\":[{\"MaHoSo\":\"A-1\",\"NguoiXuLy\":\"Cán bộ\"");
    host_fail(h, LT_HTTP_UNKNOWN);
    is(w, LT_OUTCOME_UNKNOWN);
    struct host_work *refused = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    host_answer(h, 200, REFUSED);
    is(refused, LT_OUTCOME_REJECT);
    struct host_work *not_sent = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    host_fail(h, LT_HTTP_NOT_SENT);
    is(not_sent, LT_OUTCOME_RETRY);
    struct host_work *nothing = host_submit(h, LT_STEP_PROGRESS, "A-1", UPSERT_DATA);
    is(nothing, LT_OUTCOME_PASS);
    host_free(h);
}

/* By itself the row would be refused again and again: when it is retried the dossier is ensured first. */
static void a_row_of_a_dossier_that_the_portal_does_not_have_begins_anew_when_it_is_retried(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    host_answer(h, 200, "{\"error_code\":\"-1\",\"message\":\"Hồ sơ không tồn tại\"}");
    is(w, LT_OUTCOME_REJECT);
    assert_true(w->result.anew);
    w = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    host_answer(h, 200, REFUSED);
    is(w, LT_OUTCOME_REJECT);
    assert_false(w->result.anew);
    host_free(h);
}

static void an_ended_session_is_renewed_once_and_the_same_call_sent_again(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    host_answer(h, 200, EXPIRED);
    assert_string_equal(host_call(h)->url, "https://portal/api/login");
    host_answer(h, 200, "{\"session\":\"s-2\",\"error_code\":\"0\"}");
    host_expect(h, "\"session\":\"s-2\"");
    host_expect(h, "CapNhatTienDoHoSoMC");
    host_answer(h, 200, EXPIRED);
    is(w, LT_OUTCOME_CREDENTIAL);
    assert_int_equal(host_open(h), 0);
    host_free(h);
}

static void one_login_serves_everybody_and_its_failure_too(void **state)
{
    (void)state;
    struct host *h = portal("");
    struct host_work *one = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    struct host_work *two = host_submit(h, LT_STEP_ENSURE, "A-2", PROGRESS_DATA);
    assert_int_equal(host_open(h), 1);
    host_answer(h, 200, "{\"session\":\"\",\"error_code\":-1,\"message\":\"Sai mật khẩu\"}");
    is(one, LT_OUTCOME_CREDENTIAL);
    is(two, LT_OUTCOME_CREDENTIAL);
    host_submit_again(h, one, false);
    host_answer(h, 502, "<html>");
    is(one, LT_OUTCOME_RETRY); /* nothing of the dossier has left */
    host_submit_again(h, one, false);
    host_submit_again(h, two, false);
    host_answer(h, 200, LOGGED_IN);
    assert_int_equal(host_open(h), 2);
    host_free(h);
}

static void the_next_login_uses_a_password_that_was_replaced_and_the_session_goes_on_until_then(void **state)
{
    (void)state;
    struct host *h = logged_in("session: 1m\n");
    host_secret(h, "password", "the new one");
    struct host_work *w = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    host_tick(h, 1000);
    host_expect(h, "\"session\":\"s-1\"");
    host_answer(h, 200, DONE);
    is(w, LT_OUTCOME_OK);
    host_tick(h, 60000);
    w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    assert_string_equal(host_call(h)->body, "{\"username\":\"u\",\"password\":\"the new one\"}");
    host_free(h);
}

static void who_is_not_let_in_with_his_session_logs_in_at_the_next_attempt(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_answer(h, 401, "");
    is(w, LT_OUTCOME_CREDENTIAL);
    host_submit_again(h, w, false);
    assert_string_equal(host_call(h)->url, "https://portal/api/login");
    host_free(h);
}

static void a_session_is_renewed_when_its_time_is_over(void **state)
{
    (void)state;
    struct host *h = logged_in("session: 1m\n");
    host_tick(h, 59999);
    struct host_work *w = host_submit(h, LT_STEP_ENSURE, "A-1", PROGRESS_DATA);
    host_expect(h, "TraCuuHoSo");
    host_answer(h, 200, FOUND);
    is(w, LT_OUTCOME_OK);
    host_tick(h, 1);
    (void)host_submit(h, LT_STEP_ENSURE, "A-2", PROGRESS_DATA);
    assert_string_equal(host_call(h)->url, "https://portal/api/login");
    host_free(h);
}

static void the_intents_time_limit_goes_with_the_call(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    host_fail(h, LT_HTTP_NOT_SENT);
    w->work.start_by_ms = 4711;
    host_submit_again(h, w, false);
    assert_int_equal(host_call(h)->start_by_ms, 4711);
    host_free(h);
}

/* n dossiers B-0, B-1 … that the portal does not have, looked up. */
static void looked_up(struct host *h, struct host_work **w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char code[32], data[128];
        snprintf(code, sizeof(code), "B-%zu", i);
        snprintf(data, sizeof(data), "{\"HoSo\":{\"MaHoSo\":\"%s\"}}", code);
        w[i] = host_submit(h, LT_STEP_UPSERT, code, data);
        host_answer(h, 200, EMPTY);
    }
}

static void items_of_one_flag_share_a_call_when_it_is_full_or_old(void **state)
{
    (void)state;
    struct host *h = logged_in("batch: 3\ngather: 10ms\n");
    struct host_work *w[5];
    looked_up(h, w, 3);
    assert_int_equal(host_open(h), 1);
    host_expect(h, "\"MaHoSo\":\"B-0\"");
    host_expect(h, "\"MaHoSo\":\"B-2\"");
    host_answer(h, 200, DONE);
    for (int i = 0; i < 3; i++)
        is(w[i], LT_OUTCOME_OK);
    struct host_work *update = host_submit(h, LT_STEP_UPSERT, "B-0", "{\"HoSo\":{\"MaHoSo\":\"B-0\"}}");
    struct host_work *create = host_submit(h, LT_STEP_UPSERT, "C-1", "{\"HoSo\":{\"MaHoSo\":\"C-1\"}}");
    host_answer(h, 200, EMPTY);
    host_tick(h, 9);
    assert_int_equal(host_open(h), 0);
    host_tick(h, 1);
    assert_int_equal(host_open(h), 2); /* one of each flag */
    host_answer(h, 200, DONE);
    host_answer(h, 200, DONE);
    is(update, LT_OUTCOME_OK);
    is(create, LT_OUTCOME_OK);
    host_free(h);
}

static void a_refused_batch_is_split_until_the_bad_item_is_alone(void **state)
{
    (void)state;
    struct host *h = logged_in("batch: 4\n");
    struct host_work *w[4];
    looked_up(h, w, 4);
    while (host_open(h) > 0) /* the portal refuses whatever holds B-2 */
        host_answer(h, 200, strstr(host_call(h)->body, "\"B-2\"") ? REFUSED : DONE);
    for (int i = 0; i < 4; i++)
        is(w[i], i == 2 ? LT_OUTCOME_REJECT : LT_OUTCOME_OK);
    host_free(h);
}

static void a_batch_cut_off_is_unknown_for_each_of_its_items(void **state)
{
    (void)state;
    struct host *h = logged_in("batch: 4\nprogress_batch: 2\n");
    struct host_work *w[4];
    looked_up(h, w, 4);
    host_fail(h, LT_HTTP_UNKNOWN);
    for (int i = 0; i < 4; i++)
        is(w[i], LT_OUTCOME_UNKNOWN);
    struct host_work *one = host_submit(h, LT_STEP_PROGRESS, "A-1", PROGRESS_DATA);
    struct host_work *two = host_submit(h, LT_STEP_PROGRESS, "A-2", PROGRESS_DATA);
    host_answer(h, 200, REFUSED); /* which row was bad, and were others taken? nobody says */
    is(one, LT_OUTCOME_UNKNOWN);
    is(two, LT_OUTCOME_UNKNOWN);
    host_free(h);
}

static void closing_forgets_what_is_out(void **state)
{
    (void)state;
    struct host *h = logged_in("batch: 4\n");
    struct host_work *w[3];
    looked_up(h, w, 3);
    (void)host_submit(h, LT_STEP_ENSURE, "A-1", PROGRESS_DATA);
    host_free(h); /* the sanitizer finds what is left */
}

static void mistakes_in_the_options_are_all_named(void **state)
{
    (void)state;
    struct lt_yaml *yaml = NULL;
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_buf text = LT_BUF_INIT(65536);
    void *adapter = NULL;
    struct lt_adapter_traits traits;
    assert_int_equal(
        lt_yaml_parse(
            "t.yaml",
            LT_SPAN_LIT(
                "{username: u, dstcodes: d, madonvi: m, batch: 0, auth_endpoint: \".other.example\", status_map: "
                "{\"11\": \"9\"}}"),
            &yaml, NULL),
        LT_OK);
    const struct lt_config_target t = {.name = "portal", .url = "https://p/?a=b", .options = lt_yaml_root(yaml)};
    const struct lt_adapter_settings s = {.target = &t};
    assert_int_equal(lt_portal_adapter.new(&s, &adapter, &traits, &diags), LT_E_INVALID);
    lt_diags_print(&diags, &text);
    static const char *const parts[] = {
        "dstcodes", "password", "batch", "status_map", "url: expected no '?'", "auth_endpoint: expected a path"};
    for (size_t i = 0; i < LT_ARRAY_LEN(parts); i++)
        if (!strstr(lt_buf_view(&text).ptr, parts[i]))
            fail_msg("%s is not named in:\n%s", parts[i], text.ptr);
    lt_buf_deinit(&text);
    lt_diags_deinit(&diags);
    lt_yaml_free(yaml);
}

#define BORN_DATA                                                                                                      \
    "{\"HoSo\":{\"MaHoSo\":\"A-1\",\"TrangThaiHoSo\":\"%s\",\"NoiNopHoSo\":\"1\"},\"TienDo\":{\"NoiDungXuLy\":\"x\"}}"

static void a_dossier_born_at_the_portal_is_told_its_status_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *status, *told;
    } rows[] = {{"2", "2"}, {"4", "2"}, {"6", "2"}, {"9", "2"}, {"10", "2"},
                {"3", "5"}, {"5", "5"}, {"7", "5"}, {"8", "5"}};
    struct host *h = logged_in("");
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        LT_AUTOFREE char *data = lt_asprintf(BORN_DATA, rows[i].status);
        LT_AUTOFREE char *told =
            lt_asprintf("\"service\":\"DongBoTrangThaiHoSo\",\"type\":\"2\",\"data\":{\"MaHoSo\":\"A-1\",\"TrangThai\":"
                        "\"%s\",\"ThoiDiemXuLy\":\"\",\"NoiDungXuLy\":\"x\"}}",
                        rows[i].told);
        struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", data);
        host_expect(h, told);
        host_answer(h, 200, DONE);
        is(w, LT_OUTCOME_OK);
        assert_contains(w->result.notes[0].data.ptr, "\"operation\":\"status\"");
        is(host_submit(h, LT_STEP_PROGRESS, "A-1", data), LT_OUTCOME_PASS);
    }
    LT_AUTOFREE char *first = lt_asprintf(BORN_DATA, "1");
    struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", first);
    is(w, LT_OUTCOME_PASS);
    assert_string_equal(w->code, "status-not-told");
    host_free(h);
}

static void such_a_dossier_is_told_by_its_code_where_the_event_has_no_snapshot(void **state)
{
    (void)state;
    struct host *h = logged_in("ttkm_codes: [\"G*\"]\nttkm_status_map: {\"4\": \"2\"}\n");
    struct host_work *w = host_submit(h, LT_STEP_ENSURE, "G01-1", PROGRESS_DATA);
    host_expect(h, "\"TrangThai\":\"2\"");
    host_fail(h, LT_HTTP_UNKNOWN);
    is(w, LT_OUTCOME_UNKNOWN);
    host_submit_again(h, w, true); /* the same status again changes nothing */
    host_answer(h, 200, DONE);
    is(w, LT_OUTCOME_OK);
    host_free(h);
}

static void the_province_hears_of_refusals_and_where_asked_of_every_answer(void **state)
{
    (void)state;
    struct host *h = logged_in("");
    struct host_work *w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_answer(h, 200, EMPTY);
    host_answer(h, 200, REFUSED);
    is(w, LT_OUTCOME_REJECT);
    assert_int_equal(w->result.notes_len, 1);
    assert_int_equal(w->result.notes[0].to, LT_NOTE_PROVINCE);
    assert_string_equal(w->result.notes[0].type, "vn.lienthong.portal.refusal.v1");
    assert_contains(w->result.notes[0].data.ptr, "\"message\":\"Trường NgayTiepNhan sai\"");
    host_free(h);
    h = logged_in("tell_province: all\n");
    assert_false(h->traits.tell_no_refusals);
    w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_answer(h, 200, EMPTY);
    host_answer(h, 200, DONE);
    is(w, LT_OUTCOME_OK);
    assert_int_equal(w->result.notes_len, 2);
    assert_int_equal(w->result.notes[1].to, LT_NOTE_PROVINCE);
    host_free(h);
    h = logged_in("tell_province: nothing\n");
    assert_true(h->traits.tell_no_refusals); /* nor does the engine, when it parks the event */
    w = host_submit(h, LT_STEP_UPSERT, "A-1", UPSERT_DATA);
    host_answer(h, 200, EMPTY);
    host_answer(h, 200, REFUSED);
    assert_int_equal(w->result.notes_len, 0);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_dossier_is_looked_up_after_the_login_and_created),
        cmocka_unit_test(a_known_dossier_is_updated_without_a_look_up),
        cmocka_unit_test(a_create_that_meets_the_dossier_goes_on_with_an_update),
        cmocka_unit_test(after_an_unknown_create_the_portal_is_asked_and_a_failed_question_stays_unknown),
        cmocka_unit_test(an_update_of_a_dossier_that_is_gone_asks_once_and_creates),
        cmocka_unit_test(progress_of_an_absent_dossier_is_created_from_the_snapshot_or_rejected),
        cmocka_unit_test(a_progress_row_is_sent_once_and_its_unknown_is_told),
        cmocka_unit_test(a_row_of_a_dossier_that_the_portal_does_not_have_begins_anew_when_it_is_retried),
        cmocka_unit_test(an_ended_session_is_renewed_once_and_the_same_call_sent_again),
        cmocka_unit_test(one_login_serves_everybody_and_its_failure_too),
        cmocka_unit_test(the_next_login_uses_a_password_that_was_replaced_and_the_session_goes_on_until_then),
        cmocka_unit_test(who_is_not_let_in_with_his_session_logs_in_at_the_next_attempt),
        cmocka_unit_test(a_session_is_renewed_when_its_time_is_over),
        cmocka_unit_test(the_intents_time_limit_goes_with_the_call),
        cmocka_unit_test(items_of_one_flag_share_a_call_when_it_is_full_or_old),
        cmocka_unit_test(a_refused_batch_is_split_until_the_bad_item_is_alone),
        cmocka_unit_test(a_batch_cut_off_is_unknown_for_each_of_its_items),
        cmocka_unit_test(closing_forgets_what_is_out),
        cmocka_unit_test(mistakes_in_the_options_are_all_named),
        cmocka_unit_test(a_dossier_born_at_the_portal_is_told_its_status_and_nothing_else),
        cmocka_unit_test(such_a_dossier_is_told_by_its_code_where_the_event_has_no_snapshot),
        cmocka_unit_test(the_province_hears_of_refusals_and_where_asked_of_every_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
