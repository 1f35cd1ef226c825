#include "tests/unit/test_mock_call.h"

#include <stdio.h>

#include "adapters/portal/mock_portal.h"
#include "gateway/base/file.h"

#define ITEM                                                                                                            \
    "{\"MaHoSo\":\"%s\",\"MaTTHC\":\"1.001193\",\"TenTTHC\":\"Đăng ký khai sinh\",\"MaLinhVuc\":\"HT\","             \
    "\"TenLinhVuc\":\"Hộ tịch\",\"KenhThucHien\":\"1\",\"LoaiDoiTuong\":\"1\",\"NgayTiepNhan\":\"20240101083000\"," \
    "\"TrangThaiHoSo\":\"%s\",\"HinhThuc\":\"0\",\"DonViXuLy\":\"UBND xã Mẫu\"}"
#define ROW                                                                                                            \
    "{\"MaHoSo\":\"%s\",\"NguoiXuLy\":\"Cán bộ A\",\"ThoiDiemXuLy\":\"20240101090000\",\"TrangThai\":\"4\","        \
    "\"NoiDungXuLy\":\"Tiếp nhận\"}"

struct world {
    struct lt_mock_portal_settings settings;
    struct lt_mock_portal *portal;
    struct caller call;
    char session[64];
};

static int setup(void **state)
{
    struct world *w = lt_alloc(sizeof *w);
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_diags diags = LT_DIAGS_INIT;
    assert_int_equal(lt_opts_decode(NULL, "", lt_mock_portal_opts, lt_mock_portal_opts_len, &w->settings, &a, &diags),
                     0);
    /* What the defaults point to lives in the arena: the few texts are set again. */
    w->settings.login_path = "/login";
    w->settings.integration_path = "/integration";
    w->settings.share_path = "/share";
    w->settings.expired_message = "Phiên làm việc đã hết hạn";
    lt_arena_deinit(&a);
    lt_diags_deinit(&diags);
    w->call = (struct caller){
        .now_ms = CALL_NOW_MS, .content_type = "application/json", .dstcode = "VN", .reply = LT_MOCK_REPLY_INIT};
    *state = w;
    return 0;
}

static void start(struct world *w)
{
    assert_int_equal(lt_mock_portal_new(&w->settings, &w->portal, NULL), LT_OK);
    w->call.mock = (struct lt_mock){"portal", w->portal, lt_mock_portal_handle};
}

static void login(struct world *w)
{
    if (!w->portal)
        start(w);
    assert_int_equal(caller_post(&w->call, "/login", "{\"username\":\"h22\",\"password\":\"mau\"}"), 200);
    assert_int_equal(caller_code(&w->call, NULL), 0);
    struct lt_span s = caller_text(&w->call, "session");
    assert_true(s.len > 0 && s.len < sizeof w->session);
    memcpy(w->session, s.ptr, s.len + 1);
}

static int teardown(void **state)
{
    struct world *w = *state;
    caller_reset(&w->call);
    lt_mock_portal_free(w->portal);
    free(w);
    return 0;
}

static int ask(struct world *w, const char *path, const char *service, const char *members)
{
    LT_AUTOFREE char *body = lt_asprintf("{\"session\":\"%s\",\"madonvi\":\"H22\",\"service\":\"%s\"%s%s}", w->session,
                                         service, members[0] ? "," : "", members);
    return caller_post(&w->call, path, body);
}

static int64_t sync_item(struct world *w, const char *updating, const char *code, const char *status)
{
    LT_AUTOFREE char *item = lt_asprintf(ITEM, code, status);
    LT_AUTOFREE char *members = lt_asprintf("\"isUpdating\":\"%s\",\"data\":[%s]", updating, item);
    assert_int_equal(ask(w, "/integration", "DongBoHoSoMC", members), 200);
    return caller_code(&w->call, NULL);
}

static int64_t progress(struct world *w, const char *code)
{
    LT_AUTOFREE char *item = lt_asprintf(ROW, code);
    LT_AUTOFREE char *members = lt_asprintf("\"data\":[%s]", item);
    assert_int_equal(ask(w, "/integration", "CapNhatTienDoHoSoMC", members), 200);
    return caller_code(&w->call, NULL);
}

static int64_t counter(struct world *w, const char *name)
{
    return caller_number(&w->call, "/oracle/counters", name);
}

static void a_dossier_is_created_updated_and_progressed_in_order(void **state)
{
    struct world *w = *state;
    login(w);
    assert_int_equal(sync_item(w, "False", "H22-1", "2"), 0);
    assert_true(caller_body_has(&w->call, "thành công"));
    assert_int_equal(progress(w, "H22-1"), 0);
    assert_int_equal(sync_item(w, "True", "H22-1", "9"), 0);
    assert_int_equal(progress(w, "H22-1"), 0);

    assert_int_equal(caller_get(&w->call, "/oracle/dossiers/H22-1"), 200);
    static const struct {
        const char *list;
        size_t n;
        int64_t seq;
    } want[] = {{"creates", 1, 1}, {"updates", 1, 3}, {"progress", 2, 2}};
    for (size_t i = 0; i < LT_ARRAY_LEN(want); i++) {
        int64_t seq;
        lt_json_value list = lt_json_get(caller_root(&w->call), want[i].list);
        assert_int_equal(lt_json_len(list), want[i].n);
        assert_true(lt_json_int(lt_json_get(lt_json_at(list, 0), "seq"), &seq));
        assert_int_equal(seq, want[i].seq);
    }
    struct lt_span status;
    lt_json_value update = lt_json_at(lt_json_get(caller_root(&w->call), "updates"), 0);
    assert_true(lt_json_string(lt_json_get(lt_json_get(update, "item"), "TrangThaiHoSo"), &status));
    assert_span_is(status, "9");
    assert_int_equal(counter(w, "creates"), 1);
    assert_int_equal(counter(w, "updates"), 1);
    assert_int_equal(counter(w, "progress"), 2);
}

static void creating_a_known_dossier_is_answered_under_three_codes_in_turn(void **state)
{
    struct world *w = *state;
    login(w);
    assert_int_equal(sync_item(w, "False", "A", "2"), 0);
    static const int64_t turn[] = {0, 3, -3, 0};
    for (size_t i = 0; i < LT_ARRAY_LEN(turn); i++) {
        assert_int_equal(sync_item(w, "False", "A", "2"), turn[i]);
        assert_true(caller_body_has(&w->call, "Hồ sơ A đã tồn tại"));
    }
    assert_int_equal(counter(w, "creates"), 1);
    assert_int_equal(counter(w, "exists_refused"), 4);
}

static void error_code_is_text_and_number_in_turn_unless_told(void **state)
{
    struct world *w = *state;
    bool first, second;
    login(w);
    (void)ask(w, "/integration", "TraCuuHoSo", "\"mahoso\":\"A\"");
    (void)caller_code(&w->call, &first);
    (void)ask(w, "/integration", "TraCuuHoSo", "\"mahoso\":\"A\"");
    (void)caller_code(&w->call, &second);
    assert_true(first != second);

    w->settings.error_code = LT_MOCK_CODE_INT;
    for (int i = 0; i < 2; i++) {
        (void)ask(w, "/integration", "TraCuuHoSo", "\"mahoso\":\"A\"");
        (void)caller_code(&w->call, &first);
        assert_false(first);
    }
}

static void an_unknown_dossier_is_neither_updated_nor_progressed(void **state)
{
    struct world *w = *state;
    login(w);
    assert_int_equal(sync_item(w, "True", "B", "2"), -1);
    assert_true(caller_body_has(&w->call, "Hồ sơ B không tồn tại"));
    assert_int_equal(progress(w, "B"), -1);
    assert_true(caller_body_has(&w->call, "Hồ sơ B không tồn tại"));
    assert_int_equal(counter(w, "rejected"), 2);
    assert_int_equal(counter(w, "dossiers"), 0);
    assert_int_equal(caller_get(&w->call, "/oracle/dossiers/B"), 404);
}

static void a_look_up_of_an_unknown_dossier_is_an_empty_list(void **state)
{
    struct world *w = *state;
    struct lt_span status;
    login(w);
    (void)ask(w, "/integration", "TraCuuHoSo", "\"mahoso\":\"A\"");
    assert_int_equal(caller_code(&w->call, NULL), 0);
    assert_int_equal(lt_json_len(lt_json_get(caller_root(&w->call), "result")), 0);
    assert_int_equal(lt_json_type_of(lt_json_get(caller_root(&w->call), "result")), LT_JSON_ARRAY);

    (void)sync_item(w, "False", "A", "2");
    (void)sync_item(w, "True", "A", "5");
    (void)ask(w, "/integration", "TraCuuHoSo", "\"mahoso\":\"A\"");
    lt_json_value found = lt_json_at(lt_json_get(caller_root(&w->call), "result"), 0);
    assert_true(lt_json_string(lt_json_get(found, "TrangThaiHoSo"), &status));
    assert_span_is(status, "5");
}

static void a_batch_is_taken_whole_or_not_at_all(void **state)
{
    struct world *w = *state;
    login(w);
    (void)sync_item(w, "False", "A", "2");
    LT_AUTOFREE char *a = lt_asprintf(ITEM, "A", "2");
    LT_AUTOFREE char *b = lt_asprintf(ITEM, "B", "2");
    LT_AUTOFREE char *bad = lt_asprintf(ITEM, "C", "11");
    const char *const second[] = {a, bad, b}; /* known; wrong; twice in the batch */
    for (size_t i = 0; i < LT_ARRAY_LEN(second); i++) {
        LT_AUTOFREE char *members = lt_asprintf("\"isUpdating\":\"False\",\"data\":[%s,%s]", b, second[i]);
        (void)ask(w, "/integration", "DongBoHoSoMC", members);
        assert_false(caller_body_has(&w->call, "thành công"));
        assert_int_equal(counter(w, "dossiers"), 1);
    }
    LT_AUTOFREE char *c = lt_asprintf(ITEM, "C", "2");
    LT_AUTOFREE char *members = lt_asprintf("\"isUpdating\":\"False\",\"data\":[%s,%s]", b, c);
    (void)ask(w, "/integration", "DongBoHoSoMC", members);
    assert_int_equal(caller_code(&w->call, NULL), 0);
    assert_int_equal(counter(w, "creates"), 3);
}

static void a_session_ends_by_time_and_by_calls(void **state)
{
    struct world *w = *state;
    w->settings.session_calls = 2;
    w->settings.session_seconds = 60;
    login(w);
    assert_int_equal(sync_item(w, "False", "A", "2"), 0);
    assert_int_equal(sync_item(w, "False", "B", "2"), 0);
    assert_int_equal(sync_item(w, "False", "C", "2"), -1);
    assert_true(caller_body_has(&w->call, "hết hạn"));
    login(w);
    w->call.now_ms += 59999;
    assert_int_equal(sync_item(w, "False", "C", "2"), 0);
    w->call.now_ms += 1;
    assert_int_equal(sync_item(w, "False", "D", "2"), -1);
    assert_int_equal(counter(w, "sessions_expired"), 2);
    assert_int_equal(counter(w, "logins"), 2);
    assert_int_equal(counter(w, "creates"), 3);
}

static void a_wrong_password_gets_an_empty_session(void **state)
{
    struct world *w = *state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/password", folder);
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("bi-mat\n"), 0600, NULL), LT_OK);
    w->settings.password_file = path;
    w->settings.username = "h22";
    start(w);
    static const char *const wrong[] = {"{\"username\":\"h22\",\"password\":\"bi-mat \"}",
                                        "{\"username\":\"h23\",\"password\":\"bi-mat\"}", "{\"username\":\"h22\"}",
                                        "{}"};
    for (size_t i = 0; i < LT_ARRAY_LEN(wrong); i++) {
        assert_int_equal(caller_post(&w->call, "/login", wrong[i]), 200);
        assert_int_equal(caller_code(&w->call, NULL), -1);
        assert_int_equal(caller_text(&w->call, "session").len, 0);
    }
    (void)caller_post(&w->call, "/login", "{\"username\":\"h22\",\"password\":\"bi-mat\"}");
    assert_int_equal(caller_text(&w->call, "session").len, 32);
    assert_int_equal(counter(w, "login_refused"), 4);
    harness_folder_remove(folder);
}

static void the_transport_wants_post_json_and_a_destination(void **state)
{
    struct world *w = *state;
    w->settings.dstcode = "VN:GOV:DVCQG";
    start(w);
    assert_int_equal(caller_post(&w->call, "/integration", "{}"), 400);
    w->call.dstcode = NULL;
    assert_int_equal(caller_post(&w->call, "/integration", "{}"), 400);
    w->call.dstcode = "VN:GOV:DVCQG";
    assert_int_equal(caller_post(&w->call, "/integration", "{}"), 200);
    assert_int_equal(caller_get(&w->call, "/integration"), 405);
    assert_int_equal(caller_post(&w->call, "/integration", "[1]"), 400);
    assert_int_equal(caller_post(&w->call, "/integration", "{\"session\":"), 400);
    w->call.content_type = "text/plain";
    assert_int_equal(caller_post(&w->call, "/integration", "{}"), 415);
    assert_int_equal(caller_post(&w->call, "/elsewhere", "{}"), 404);
    assert_int_equal(counter(w, "calls"), 7);
    assert_int_equal(counter(w, "errors"), 6);
}

static void services_answer_on_their_own_endpoint_only(void **state)
{
    struct world *w = *state;
    login(w);
    (void)ask(w, "/share", "LayDanhSachTTHC", "");
    assert_int_equal(caller_code(&w->call, NULL), 0);
    assert_true(lt_json_len(lt_json_get(caller_root(&w->call), "result")) > 20);
    (void)ask(w, "/share", "LayDanhMucCoQuan", "");
    assert_true(caller_body_has(&w->call, "\"MADONVI\":\"H22\""));
    (void)ask(w, "/share", "LayDanhMucLinhVuc", "");
    assert_true(caller_body_has(&w->call, "\"MALINHVUC\":\"HT\""));
    (void)ask(w, "/integration", "LayDanhSachTTHC", "");
    assert_int_equal(caller_code(&w->call, NULL), -1);
    (void)ask(w, "/share", "TraCuuHoSo", "\"mahoso\":\"A\"");
    assert_int_equal(caller_code(&w->call, NULL), -1);
    (void)ask(w, "/integration", "LayThuTuc", "\"maTTHC\":\"1.001193\"");
    assert_true(caller_body_has(&w->call, "\"KENH\":\"3\""));
    (void)ask(w, "/integration", "LayThuTuc", "\"maTTHC\":\"9.999999\"");
    assert_int_equal(lt_json_len(lt_json_get(caller_root(&w->call), "result")), 0);
}

static void an_unknown_procedure_is_refused_when_asked_for(void **state)
{
    struct world *w = *state;
    w->settings.known_procedures = true;
    login(w);
    assert_int_equal(sync_item(w, "False", "A", "2"), 0);
    LT_AUTOFREE char *members = lt_asprintf("\"isUpdating\":\"False\",\"data\":[" ITEM "]", "B", "2");
    memcpy(strstr(members, "1.001193"), "9.999999", 8);
    (void)ask(w, "/integration", "DongBoHoSoMC", members);
    assert_int_equal(caller_code(&w->call, NULL), -1);
    assert_true(caller_body_has(&w->call, "MaTTHC"));
}

static void the_oracle_lists_dossiers_in_pages(void **state)
{
    struct world *w = *state;
    int64_t total;
    struct lt_span code;
    login(w);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "D/%d", i);
        assert_int_equal(sync_item(w, "False", name, "2"), 0);
    }
    assert_int_equal(caller_send(&w->call, "GET", "/oracle/dossiers", "offset=3&limit=10", LT_SPAN_NULL), 200);
    assert_true(lt_json_int(lt_json_get(caller_root(&w->call), "total"), &total));
    assert_int_equal(total, 5);
    lt_json_value list = lt_json_get(caller_root(&w->call), "dossiers");
    assert_int_equal(lt_json_len(list), 2);
    assert_true(lt_json_string(lt_json_get(lt_json_at(list, 0), "MaHoSo"), &code));
    assert_span_is(code, "D/3");
    assert_int_equal(caller_get(&w->call, "/oracle/dossiers/D/3"), 200);
    assert_int_equal(caller_send(&w->call, "GET", "/oracle/dossiers", "limit=x", LT_SPAN_NULL), 400);
    assert_int_equal(caller_get(&w->call, "/oracle/reset"), 405);
}

static void a_reset_forgets_dossiers_and_counters_but_not_sessions(void **state)
{
    struct world *w = *state;
    login(w);
    assert_int_equal(sync_item(w, "False", "A", "2"), 0);
    assert_int_equal(caller_post(&w->call, "/oracle/reset", ""), 200);
    assert_int_equal(counter(w, "creates"), 0);
    assert_int_equal(counter(w, "dossiers"), 0);
    assert_int_equal(sync_item(w, "False", "A", "2"), 0);
    assert_int_equal(counter(w, "creates"), 1);
}

static void a_fault_before_applies_nothing_and_one_after_applies_all(void **state)
{
    struct world *w = *state;
    login(w);
    (void)caller_post(&w->call, "/control/faults", "{\"kind\":\"http500\",\"service\":\"DongBoHoSoMC\"}");
    LT_AUTOFREE char *item = lt_asprintf("\"isUpdating\":\"False\",\"data\":[" ITEM "]", "A", "2");
    assert_int_equal(ask(w, "/integration", "DongBoHoSoMC", item), 500);
    assert_int_equal(counter(w, "creates"), 0);

    (void)caller_post(&w->call, "/control/faults", "{\"kind\":\"timeout-after-apply\"}");
    (void)ask(w, "/integration", "DongBoHoSoMC", item);
    assert_int_equal(w->call.reply.action, LT_MOCK_HOLD);
    assert_true(w->call.reply.hold_ms >= 6000);
    assert_int_equal(counter(w, "creates"), 1);

    (void)caller_post(&w->call, "/control/faults", "{\"kind\":\"drop-before\"}");
    (void)ask(w, "/integration", "DongBoHoSoMC", item);
    assert_int_equal(w->call.reply.action, LT_MOCK_DROP);
    assert_int_equal(counter(w, "exists_refused"), 0);

    (void)caller_post(&w->call, "/control/faults", "{\"kind\":\"html200\"}");
    assert_int_equal(ask(w, "/integration", "DongBoHoSoMC", item), 200);
    assert_true(strncmp(w->call.reply.content_type, "text/html", 9) == 0);
    assert_int_equal(counter(w, "faults"), 4);
    assert_int_equal(counter(w, "errors"), 4);
}

static void a_busy_portal_and_a_status_that_would_go_back_apply_nothing(void **state)
{
    struct world *w = *state;
    login(w);
    assert_int_equal(sync_item(w, "False", "A", "9"), 0);
    (void)caller_post(&w->call, "/control/faults", "{\"kind\":\"busy\"}");
    assert_int_equal(sync_item(w, "True", "A", "9"), -1);
    assert_true(caller_body_has(&w->call, "quá tải"));
    (void)caller_post(&w->call, "/control/faults", "{\"kind\":\"backwards\"}");
    assert_int_equal(sync_item(w, "True", "A", "9"), 1);
    assert_true(caller_body_has(&w->call, "\"error_code\":\"01\""));
    w->settings.refuse_backwards = true;
    assert_int_equal(sync_item(w, "True", "A", "4"), 1);
    assert_int_equal(progress(w, "A"), 1); /* of status 4 */
    assert_int_equal(sync_item(w, "True", "A", "10"), 0);
    assert_int_equal(counter(w, "updates"), 1);
    assert_int_equal(counter(w, "progress"), 0);
}

static void a_status_of_a_dossier_born_here_and_ratings_are_taken_in_their_form_only(void **state)
{
    struct world *w = *state;
    login(w);
    static const struct {
        const char *service, *members;
        int64_t code;
    } rows[] = {
        {"DongBoTrangThaiHoSo", "\"type\":\"2\",\"data\":{\"MaHoSo\":\"G-1\",\"TrangThai\":\"2\"}", 0},
        {"DongBoTrangThaiHoSo", "\"type\":\"2\",\"data\":[{\"MaHoSo\":\"G-1\",\"TrangThai\":\"2\"}]", -1},
        {"DongBoTrangThaiHoSo", "\"type\":\"2\",\"data\":{\"MaHoSo\":\"G-1\",\"TrangThai\":\"4\"}", -1},
        {"DongBoTrangThaiHoSo", "\"data\":{\"MaHoSo\":\"G-1\",\"TrangThai\":\"2\"}", -1},
        {"DongBoDanhGia", "\"NgayTongHop\":\"9-2025\",\"TongSoNguoiDanhGia\":\"120\"", 0},
        {"DongBoDanhGia", "\"NgayTongHop\":\"2025-09\",\"TongSoNguoiDanhGia\":\"120\"", -1},
        {"DongBoDanhGia", "\"NgayTongHop\":\"9-2025\"", -1},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        assert_int_equal(ask(w, "/integration", rows[i].service, rows[i].members), 200);
        assert_int_equal(caller_code(&w->call, NULL), rows[i].code);
    }
    assert_int_equal(counter(w, "statuses"), 1);
    assert_int_equal(counter(w, "ratings"), 1);
}

static void the_oracle_lists_every_call_in_the_order_it_arrived(void **state)
{
    struct world *w = *state;
    login(w);
    (void)caller_post(&w->call, "/control/faults", "{\"kind\":\"http500\",\"service\":\"DongBoHoSoMC\"}");
    LT_AUTOFREE char *item = lt_asprintf("\"isUpdating\":\"False\",\"data\":[" ITEM "]", "A", "2");
    (void)ask(w, "/integration", "DongBoHoSoMC", item);
    assert_int_equal(sync_item(w, "False", "A", "2"), 0);
    assert_int_equal(progress(w, "A"), 0);
    (void)sync_item(w, "False", "A", "2"); /* it is there already: nothing is applied */
    assert_int_equal(caller_get(&w->call, "/oracle/arrivals"), 200);
    static const struct {
        const char *service, *what, *subject, *note, *fault;
        bool applied;
    } want[] = {{"login", "", "", "", "none", true},
                {"DongBoHoSoMC", "create", "A", "", "http500", false},
                {"DongBoHoSoMC", "create", "A", "", "none", true},
                {"CapNhatTienDoHoSoMC", "", "A", "Tiếp nhận", "none", true},
                {"DongBoHoSoMC", "create", "A", "", "none", false}};
    lt_json_value list = lt_json_get(caller_root(&w->call), "arrivals");
    assert_int_equal(lt_json_len(list), LT_ARRAY_LEN(want));
    for (size_t i = 0; i < LT_ARRAY_LEN(want); i++) {
        const char *const members[] = {"service",       want[i].service, "what",       want[i].what, "subject",
                                       want[i].subject, "note",          want[i].note, "fault",      want[i].fault};
        for (size_t m = 0; m < LT_ARRAY_LEN(members); m += 2) {
            struct lt_span s;
            assert_true(lt_json_string(lt_json_get(lt_json_at(list, i), members[m]), &s));
            assert_span_is(s, members[m + 1]);
        }
        bool applied;
        assert_true(lt_json_bool(lt_json_get(lt_json_at(list, i), "applied"), &applied));
        assert_int_equal(applied, want[i].applied);
    }
}

static void a_session_that_a_fault_ended_stays_ended(void **state)
{
    struct world *w = *state;
    login(w);
    (void)caller_post(&w->call, "/control/faults", "{\"kind\":\"session-expired\"}");
    assert_int_equal(sync_item(w, "False", "A", "2"), -1);
    assert_int_equal(sync_item(w, "False", "A", "2"), -1);
    login(w);
    assert_int_equal(sync_item(w, "False", "A", "2"), 0);
}

static void a_full_memory_is_said_and_nothing_is_stored(void **state)
{
    struct world *w = *state;
    w->settings.memory = 1;
    login(w);
    assert_int_equal(sync_item(w, "False", "A", "2"), 0);
    LT_AUTOFREE char *item = lt_asprintf("\"isUpdating\":\"False\",\"data\":[" ITEM "]", "B", "2");
    assert_int_equal(ask(w, "/integration", "DongBoHoSoMC", item), 503);
    assert_int_equal(w->call.reply.retry_after_s, 1);
    assert_int_equal(counter(w, "dossiers"), 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_dossier_is_created_updated_and_progressed_in_order),
        CASE(creating_a_known_dossier_is_answered_under_three_codes_in_turn),
        CASE(error_code_is_text_and_number_in_turn_unless_told),
        CASE(an_unknown_dossier_is_neither_updated_nor_progressed),
        CASE(a_look_up_of_an_unknown_dossier_is_an_empty_list),
        CASE(a_batch_is_taken_whole_or_not_at_all),
        CASE(a_session_ends_by_time_and_by_calls),
        CASE(a_wrong_password_gets_an_empty_session),
        CASE(the_transport_wants_post_json_and_a_destination),
        CASE(services_answer_on_their_own_endpoint_only),
        CASE(an_unknown_procedure_is_refused_when_asked_for),
        CASE(the_oracle_lists_dossiers_in_pages),
        CASE(a_reset_forgets_dossiers_and_counters_but_not_sessions),
        CASE(a_fault_before_applies_nothing_and_one_after_applies_all),
        CASE(a_busy_portal_and_a_status_that_would_go_back_apply_nothing),
        CASE(a_status_of_a_dossier_born_here_and_ratings_are_taken_in_their_form_only),
        CASE(the_oracle_lists_every_call_in_the_order_it_arrived),
        CASE(a_session_that_a_fault_ended_stays_ended),
        CASE(a_full_memory_is_said_and_nothing_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
