#include "adapters/portal/mock_portal.h"

#include <stdio.h>

#include "adapters/portal/mock_portal_internal.h"
#include "adapters/portal/mock_portal_rules.h"
#include "gateway/base/crypto.h"
#include "gateway/base/file.h"

#define BODY_DEPTH 16
#define BODY_MAX ((size_t)64 << 20)

static const char *const code_forms[] = {"alternate", "int", "string", NULL};
static const char *const exists_codes[] = {"rotate", "0", "3", "-3", NULL};

#define AT(member) offsetof(struct lt_mock_portal_settings, member)
const struct lt_opt lt_mock_portal_opts[] = {
    {"login-path", LT_OPT_STRING, AT(login_path), false, "/login", 0, 0, NULL, "path of the login endpoint"},
    {"integration-path", LT_OPT_STRING, AT(integration_path), false, "/integration", 0, 0, NULL,
     "path of the integration endpoint"},
    {"share-path", LT_OPT_STRING, AT(share_path), false, "/share", 0, 0, NULL, "path of the share endpoint"},
    {"username", LT_OPT_STRING, AT(username), false, NULL, 0, 0, NULL, "the user that may log in; none: anyone"},
    {"password-file", LT_OPT_PATH, AT(password_file), false, NULL, 0, 0, NULL,
     "file with the password; none: any that is not empty"},
    {"dstcode", LT_OPT_STRING, AT(dstcode), false, NULL, 0, 0, NULL,
     "expected header dstcode; none: any, but it must be there"},
    {"units", LT_OPT_STRINGS, AT(units), false, NULL, 0, 0, NULL, "accepted madonvi; none: any"},
    {"session-seconds", LT_OPT_INT, AT(session_seconds), false, "600", 1, 86400, NULL, "life of a session"},
    {"session-calls", LT_OPT_INT, AT(session_calls), false, "0", 0, INT64_MAX, NULL,
     "calls a session is good for; 0: no limit"},
    {"expired-code", LT_OPT_INT, AT(expired_code), false, "-1", -1000000, 1000000, NULL,
     "error_code of an ended session"},
    {"expired-message", LT_OPT_STRING, AT(expired_message), false, "Phiên làm việc không hợp lệ hoặc đã hết hạn", 0, 0,
     NULL, "message of an ended session"},
    {"error-code", LT_OPT_ENUM, AT(error_code), false, "alternate", 0, 0, code_forms, "form of error_code"},
    {"exists-code", LT_OPT_ENUM, AT(exists_code), false, "rotate", 0, 0, exists_codes,
     "error_code of creating a known dossier"},
    {"batch-max", LT_OPT_INT, AT(batch_max), false, "100", 1, 100000, NULL, "items one call may carry"},
    {"known-procedures", LT_OPT_BOOL, AT(known_procedures), false, "false", 0, 0, NULL,
     "refuse a MaTTHC that the catalogue does not have"},
    {"catalogue", LT_OPT_PATH, AT(catalogue), false, NULL, 0, 0, NULL,
     "JSON file with procedures and agencies; none: a built-in sample"},
    {"memory", LT_OPT_SIZE, AT(memory), false, "2GiB", 1048576, INT64_MAX, NULL, "state above which it answers 503"},
    {"hold", LT_OPT_DURATION, AT(hold_ms), false, "60s", 1, 600000, NULL, "silence of the fault timeout-after-apply"},
    {"fault-every", LT_OPT_STRINGS, AT(fault_every), false, NULL, 0, 0, NULL,
     "\"N KIND[:SERVICE]\": a fault at every N-th call"},
    {"fault-schedule", LT_OPT_PATH, AT(fault_schedule), false, NULL, 0, 0, NULL,
     "YAML file with a seed and rules, see adapters/mock/README.md"},
    {"refuse-backwards", LT_OPT_BOOL, AT(refuse_backwards), false, "false", 0, 0, NULL,
     "refuse an update or a row with an earlier status than the dossier has: error_code 01"},
};
const size_t lt_mock_portal_opts_len = LT_ARRAY_LEN(lt_mock_portal_opts);

#define FAULTS                                                                                                         \
    (1u << LT_FAULT_TIMEOUT_AFTER_APPLY | 1u << LT_FAULT_DROP_AFTER_APPLY | 1u << LT_FAULT_DROP_BEFORE |               \
     1u << LT_FAULT_HTTP401 | 1u << LT_FAULT_HTTP500 | 1u << LT_FAULT_HTTP503 | 1u << LT_FAULT_HTML200 |               \
     1u << LT_FAULT_SESSION_EXPIRED | LT_MOCK_FAULTS_COMMON | 1u << LT_FAULT_BUSY | 1u << LT_FAULT_BACKWARDS)

int lt_mock_portal_new(const struct lt_mock_portal_settings *s, struct lt_mock_portal **ret, struct lt_err *err)
{
    struct lt_mock_portal *p = lt_alloc(sizeof *p);
    int r;
    p->settings = s;
    pthread_mutex_init(&p->lock, NULL);
    p->sessions = lt_mock_sessions_new(s->session_seconds * 1000, s->session_calls);
    p->store = lt_mock_portal_store_new((size_t)s->memory);
    lt_mock_faults_init(&p->faults, FAULTS, s->hold_ms);
    r = lt_mock_faults_every_of(&p->faults, &s->fault_every, err);
    if (r == LT_OK)
        r = lt_mock_faults_schedule(&p->faults, s->fault_schedule, &p->arena, err);
    if (r == LT_OK)
        r = lt_mock_portal_catalogue_new(s->catalogue, &p->catalogue, err);
    if (r == LT_OK && s->password_file) {
        LT_AUTOFREE char *text = NULL;
        size_t len;
        r = lt_file_read(s->password_file, 4096, &text, &len, err);
        if (r == LT_OK) {
            struct lt_span word = lt_span_trim(lt_span(text, len));
            p->password = lt_strndup(word.ptr, word.len);
        }
    }
    if (r < 0) {
        lt_mock_portal_free(p);
        return r;
    }
    *ret = p;
    return LT_OK;
}

void lt_mock_portal_free(struct lt_mock_portal *p)
{
    if (!p)
        return;
    lt_mock_portal_catalogue_free(p->catalogue);
    lt_mock_portal_store_free(p->store);
    lt_mock_sessions_free(p->sessions);
    lt_mock_faults_deinit(&p->faults);
    lt_mock_arrivals_deinit(&p->arrivals);
    lt_arena_deinit(&p->arena);
    pthread_mutex_destroy(&p->lock);
    free(p->password);
    free(p);
}

/* ---- answers ---- */

static void put_code(struct lt_mock_portal *p, struct lt_json_writer *w, int64_t code)
{
    bool as_text = p->settings->error_code == LT_MOCK_CODE_STRING ||
                   (p->settings->error_code == LT_MOCK_CODE_ALTERNATE && p->answers % 2 == 0);
    p->answers++;
    if (as_text) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)code);
        lt_json_str(w, "error_code", lt_span_str(text));
    } else {
        lt_json_num(w, "error_code", code);
    }
}

static void answer(struct lt_mock_portal *p, struct lt_mock_reply *reply, int64_t code, struct lt_span message)
{
    struct lt_json_writer w;
    lt_buf_reset(&reply->body);
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    put_code(p, &w, code);
    lt_json_str(&w, "message", message);
    lt_json_end_object(&w);
}

static void answer_about(struct lt_mock_portal *p, struct lt_mock_reply *reply, int64_t code, struct lt_span dossier,
                         const char *what)
{
    struct lt_buf text = LT_BUF_INIT(4096);
    lt_buf_printf(&text, "Hồ sơ " LT_SPAN_FMT " %s", LT_SPAN_ARG(dossier), what);
    answer(p, reply, code, lt_buf_view(&text));
    lt_buf_deinit(&text);
}

static void reject(struct lt_mock_portal *p, struct lt_mock_reply *reply, const char *message)
{
    p->counters.rejected++;
    answer(p, reply, -1, lt_span_str(message));
}

static void malformed(struct lt_mock_portal *p, struct lt_mock_reply *reply, int status, const char *message)
{
    p->counters.errors++;
    reply->status = status;
    answer(p, reply, -1, lt_span_str(message));
}

/* {"error_code":0,"result":…}: the caller writes the value and ends the object. */
static void begin_result(struct lt_mock_portal *p, struct lt_mock_reply *reply, struct lt_json_writer *w)
{
    lt_json_writer_init(w, &reply->body);
    lt_json_begin_object(w);
    put_code(p, w, 0);
    lt_json_key(w, LT_SPAN_LIT("result"));
}

/* A dossier never goes back to an earlier status (domain 7): the code is a text, whatever the form of the others. */
static void backwards(struct lt_mock_portal *p, struct lt_mock_reply *reply)
{
    struct lt_json_writer w;
    p->counters.rejected++;
    lt_buf_reset(&reply->body);
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    lt_json_str(&w, "error_code", LT_SPAN_LIT("01"));
    lt_json_str(&w, "message", LT_SPAN_LIT("Trạng thái hồ sơ không hợp lệ"));
    lt_json_end_object(&w);
}

/* ---- one call ---- */

struct call {
    lt_json_value body;
    struct lt_span session, unit, service;
    int64_t now_ms;
};

static struct lt_span text_of(lt_json_value v, const char *name)
{
    struct lt_span s = LT_SPAN_LIT("");
    (void)lt_json_string(lt_json_get(v, name), &s); /* absent or no text: stays empty */
    return s;
}

static void portal_login(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    struct lt_span user = text_of(c->body, "username"), password = text_of(c->body, "password");
    const char *want_user = p->settings->username;
    bool known = user.len > 0 && (!want_user || lt_span_is(user, want_user));
    if (p->password)
        known = known && password.len == strlen(p->password) && lt_equal_ct(password.ptr, p->password, password.len);
    else
        known = known && password.len > 0;

    char session[LT_MOCK_SESSION_LEN + 1] = "";
    if (known)
        lt_mock_sessions_open(p->sessions, c->now_ms, session);
    *(known ? &p->counters.logins : &p->counters.login_refused) += 1;

    struct lt_json_writer w;
    lt_json_writer_init(&w, &reply->body);
    lt_json_begin_object(&w);
    lt_json_str(&w, "session", lt_span_str(session));
    put_code(p, &w, known ? 0 : -1);
    lt_json_str(&w, "message",
                known ? LT_SPAN_LIT("Đăng nhập thành công") : LT_SPAN_LIT("Sai tên đăng nhập hoặc mật khẩu"));
    lt_json_end_object(&w);
}

/* `data` as a list of items that the rules accept; false: refused already. */
static bool data_ok(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply,
                    bool (*item_ok)(lt_json_value, struct lt_buf *), lt_json_value *ret)
{
    lt_json_value data = lt_json_get(c->body, "data");
    if (!lt_json_present(data) || lt_json_type_of(data) != LT_JSON_ARRAY || lt_json_len(data) == 0) {
        reject(p, reply, "Trường data phải là danh sách có ít nhất một phần tử");
        return false;
    }
    if (lt_json_len(data) > (size_t)p->settings->batch_max) {
        reject(p, reply, "Số lượng hồ sơ trong một lần gửi vượt quá giới hạn");
        return false;
    }
    for (size_t i = 0; i < lt_json_len(data); i++) {
        struct lt_buf why = LT_BUF_INIT(4096);
        bool ok = item_ok(lt_json_at(data, i), &why);
        if (!ok) {
            p->counters.rejected++;
            answer(p, reply, -1, lt_buf_view(&why));
        }
        lt_buf_deinit(&why);
        if (!ok)
            return false;
    }
    *ret = data;
    return true;
}

/* One batch, one answer: nothing of it is applied when one item cannot be (domain 1.5). */
static void store_all(struct lt_mock_portal *p, const struct call *c, lt_json_value data,
                      enum lt_mock_portal_row_kind kind)
{
    for (size_t i = 0; i < lt_json_len(data); i++) {
        lt_json_value item = lt_json_at(data, i);
        lt_mock_portal_store_add(p->store, kind, text_of(item, "MaHoSo"), c->unit, item, c->now_ms);
    }
}

static int64_t exists_code(struct lt_mock_portal *p)
{
    static const int64_t turn[] = {0, 3, -3};
    int form = p->settings->exists_code;
    return turn[form == LT_MOCK_EXISTS_ROTATE ? p->exists_answers++ % 3 : (uint64_t)form - 1];
}

static bool twice_in_batch(lt_json_value data, size_t i)
{
    struct lt_span code = text_of(lt_json_at(data, i), "MaHoSo");
    for (size_t k = 0; k < i; k++)
        if (lt_span_eq(text_of(lt_json_at(data, k), "MaHoSo"), code))
            return true;
    return false;
}

static int64_t status_of(lt_json_value item, const char *member)
{
    int64_t n = 0;
    (void)lt_span_i64(text_of(item, member), &n);
    return n;
}

/* Is the status of the item an earlier one than the dossier has? The supplement's round (5, then 4) goes on. */
static bool goes_back(const struct lt_mock_portal *p, lt_json_value item, const char *member)
{
    const struct lt_mock_portal_dossier *d =
        p->settings->refuse_backwards ? lt_mock_portal_store_find(p->store, text_of(item, "MaHoSo")) : NULL;
    LT_AUTO_JSON struct lt_json *doc = NULL;
    const struct lt_json_limits limits = {.bytes_max = BODY_MAX, .depth_max = BODY_DEPTH};
    if (!d || lt_json_parse(lt_mock_portal_dossier_snapshot(d), &limits, &doc, NULL) != LT_OK)
        return false;
    int64_t has = status_of(lt_json_root(doc), "TrangThaiHoSo"), wanted = status_of(item, member);
    return wanted < has && !(has == 5 && wanted == 4) && has != 6;
}

static void portal_dossier(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    struct lt_span flag = text_of(c->body, "isUpdating");
    bool updating = lt_span_is(flag, "True");
    lt_json_value data;
    if (!updating && !lt_span_is(flag, "False")) {
        reject(p, reply, "Trường isUpdating phải là \"True\" hoặc \"False\"");
        return;
    }
    if (!data_ok(p, c, reply, lt_mock_portal_dossier_ok, &data))
        return;

    size_t n = lt_json_len(data);
    for (size_t i = 0; i < n; i++) {
        struct lt_span code = text_of(lt_json_at(data, i), "MaHoSo");
        struct lt_span procedure = text_of(lt_json_at(data, i), "MaTTHC");
        bool known = lt_mock_portal_store_find(p->store, code) != NULL;
        if (p->settings->known_procedures && !lt_mock_portal_catalogue_has(p->catalogue, procedure)) {
            reject(p, reply, "Trường MaTTHC không có trong danh mục thủ tục hành chính");
            return;
        }
        if (updating && known && goes_back(p, lt_json_at(data, i), "TrangThaiHoSo")) {
            backwards(p, reply);
            return;
        }
        if (updating && !known) {
            p->counters.rejected++;
            answer_about(p, reply, -1, code, "không tồn tại");
            return;
        }
        if (!updating && (known || twice_in_batch(data, i))) {
            p->counters.exists_refused++;
            answer_about(p, reply, exists_code(p), code, "đã tồn tại");
            return;
        }
    }
    store_all(p, c, data, updating ? LT_MOCK_UPDATE : LT_MOCK_CREATE);
    *(updating ? &p->counters.updates : &p->counters.creates) += n;
    answer(p, reply, 0, updating ? LT_SPAN_LIT("Cập nhật hồ sơ thành công") : LT_SPAN_LIT("Đồng bộ hồ sơ thành công"));
}

static void portal_progress(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    lt_json_value data;
    if (!data_ok(p, c, reply, lt_mock_portal_progress_ok, &data))
        return;
    size_t n = lt_json_len(data);
    for (size_t i = 0; i < n; i++) {
        struct lt_span code = text_of(lt_json_at(data, i), "MaHoSo");
        if (!lt_mock_portal_store_find(p->store, code)) {
            p->counters.rejected++;
            answer_about(p, reply, -1, code, "không tồn tại");
            return;
        }
        if (goes_back(p, lt_json_at(data, i), "TrangThai")) {
            backwards(p, reply);
            return;
        }
    }
    store_all(p, c, data, LT_MOCK_PROGRESS);
    p->counters.progress += n;
    answer(p, reply, 0, LT_SPAN_LIT("Cập nhật tiến độ hồ sơ thành công"));
}

static void portal_lookup(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    static const char *const shown[] = {"MaHoSo",       "MaTTHC",       "TenTTHC",       "MaLinhVuc",
                                        "TenLinhVuc",   "LoaiDoiTuong", "TrangThaiHoSo", "HinhThuc",
                                        "NgayTiepNhan", "NgayHenTra",   "DonViXuLy"};
    struct lt_span code = text_of(c->body, "mahoso");
    if (code.len == 0) {
        reject(p, reply, "Thiếu trường bắt buộc mahoso");
        return;
    }
    p->counters.lookups++;
    const struct lt_mock_portal_dossier *d = lt_mock_portal_store_find(p->store, code);
    LT_AUTO_JSON struct lt_json *doc = NULL;
    const struct lt_json_limits limits = {.bytes_max = BODY_MAX, .depth_max = BODY_DEPTH};
    struct lt_json_writer w;
    begin_result(p, reply, &w);
    lt_json_begin_array(&w);
    if (d && lt_json_parse(lt_mock_portal_dossier_snapshot(d), &limits, &doc, NULL) == LT_OK) {
        lt_json_begin_object(&w);
        for (size_t i = 0; i < LT_ARRAY_LEN(shown); i++)
            lt_json_str(&w, shown[i], text_of(lt_json_root(doc), shown[i]));
        lt_json_end_object(&w);
    }
    lt_json_end_array(&w);
    lt_json_end_object(&w);
}

static void portal_procedure(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    struct lt_span code = text_of(c->body, "maTTHC");
    struct lt_json_writer w;
    if (code.len == 0) {
        reject(p, reply, "Thiếu trường bắt buộc maTTHC");
        return;
    }
    begin_result(p, reply, &w);
    lt_mock_portal_catalogue_procedure(p->catalogue, code, &w);
    lt_json_end_object(&w);
}

static void portal_list(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    (void)c;
    struct lt_json_writer w;
    begin_result(p, reply, &w);
    lt_mock_portal_catalogue_list(p->catalogue, &w);
    lt_json_end_object(&w);
}

static void portal_fields(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    (void)c;
    struct lt_json_writer w;
    begin_result(p, reply, &w);
    lt_mock_portal_catalogue_fields(p->catalogue, &w);
    lt_json_end_object(&w);
}

static void portal_agencies(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    (void)c;
    struct lt_json_writer w;
    begin_result(p, reply, &w);
    lt_mock_portal_catalogue_agencies(p->catalogue, &w);
    lt_json_end_object(&w);
}

static void portal_status(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    LT_AUTOBUF struct lt_buf why = LT_BUF_INIT(1024);
    if (!lt_mock_portal_status_ok(c->body, &why)) {
        reject(p, reply, why.ptr);
    } else {
        p->counters.statuses++;
        answer(p, reply, 0, LT_SPAN_LIT("Đồng bộ trạng thái hồ sơ thành công"));
    }
}

static void portal_rating(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply)
{
    LT_AUTOBUF struct lt_buf why = LT_BUF_INIT(1024);
    if (!lt_mock_portal_rating_ok(c->body, &why)) {
        reject(p, reply, why.ptr);
    } else {
        p->counters.ratings++;
        answer(p, reply, 0, LT_SPAN_LIT("Đồng bộ đánh giá thành công"));
    }
}

static const struct service {
    const char *name;
    bool share;  /* of the share endpoint, else integration */
    bool stores; /* refused when the memory is full */
    void (*run)(struct lt_mock_portal *p, const struct call *c, struct lt_mock_reply *reply);
} services[] = {
    {"DongBoHoSoMC", false, true, portal_dossier},        {"CapNhatTienDoHoSoMC", false, true, portal_progress},
    {"TraCuuHoSo", false, false, portal_lookup},          {"LayThuTuc", false, false, portal_procedure},
    {"DongBoTrangThaiHoSo", false, false, portal_status}, {"DongBoDanhGia", false, false, portal_rating},
    {"LayDanhSachTTHC", true, false, portal_list},        {"LayDanhMucLinhVuc", true, false, portal_fields},
    {"LayDanhMucCoQuan", true, false, portal_agencies},
};

static bool unit_ok(const struct lt_opt_strings *units, struct lt_span unit)
{
    for (size_t i = 0; i < units->len; i++)
        if (lt_span_is(unit, units->v[i]))
            return true;
    return units->len == 0 && unit.len > 0;
}

static void expired(struct lt_mock_portal *p, struct lt_mock_reply *reply)
{
    p->counters.sessions_expired++;
    answer(p, reply, p->settings->expired_code, lt_span_str(p->settings->expired_message));
}

static void portal_service(struct lt_mock_portal *p, const struct call *c, bool share, struct lt_mock_reply *reply)
{
    const struct service *service = NULL;
    for (size_t i = 0; i < LT_ARRAY_LEN(services); i++)
        if (services[i].share == share && lt_span_is(c->service, services[i].name))
            service = &services[i];
    if (!lt_mock_sessions_use(p->sessions, c->session, c->now_ms)) {
        expired(p, reply);
    } else if (!unit_ok(&p->settings->units, c->unit)) {
        reject(p, reply, "Trường madonvi không hợp lệ");
    } else if (!service) {
        reject(p, reply, "Dịch vụ không được hỗ trợ");
    } else if (service->stores && lt_mock_portal_store_full(p->store)) {
        malformed(p, reply, 503, "Hết bộ nhớ");
        reply->retry_after_s = 1;
    } else {
        service->run(p, c, reply);
    }
}

/* The transport's own demands: what an integration platform refuses before the portal sees it. */
static bool transport_ok(struct lt_mock_portal *p, const struct lt_mock_call *call, struct lt_mock_reply *reply)
{
    const char *want = p->settings->dstcode;
    if (strcmp(call->method, "POST") != 0) {
        malformed(p, reply, 405, "Chỉ hỗ trợ phương thức POST");
    } else if (!call->content_type || strncmp(call->content_type, "application/json", 16) != 0) {
        malformed(p, reply, 415, "Content-Type phải là application/json");
    } else if (!call->dstcode || !call->dstcode[0] || (want && strcmp(want, call->dstcode) != 0)) {
        malformed(p, reply, 400, "Thiếu hoặc sai mã điểm đến (dstcode)");
    } else {
        return true;
    }
    return false;
}

enum endpoint { LOGIN, INTEGRATION, SHARE, NO_ENDPOINT };

static enum endpoint endpoint_of(const struct lt_mock_portal_settings *s, const char *path)
{
    return strcmp(path, s->login_path) == 0         ? LOGIN
           : strcmp(path, s->integration_path) == 0 ? INTEGRATION
           : strcmp(path, s->share_path) == 0       ? SHARE
                                                    : NO_ENDPOINT;
}

/* The first dossier a call is about, "" for none. */
static struct lt_span subject_of(lt_json_value body)
{
    lt_json_value data = lt_json_get(body, "data");
    if (!lt_json_present(data))
        return text_of(body, "mahoso");
    return text_of(lt_json_type_of(data) == LT_JSON_ARRAY ? lt_json_at(data, 0) : data, "MaHoSo");
}

static void arrived(struct lt_mock_portal *p, const char *service, const struct call *c,
                    const struct lt_mock_taken *fault, bool late)
{
    struct lt_span flag = text_of(c->body, "isUpdating");
    const char *what = lt_span_is(flag, "True") ? "update" : lt_span_is(flag, "False") ? "create" : "";
    lt_mock_arrivals_add(&p->arrivals, service, what, subject_of(c->body), lt_mock_fault_name(fault->kind), late,
                         c->now_ms);
    lt_json_value item = lt_json_get(c->body, "data");
    if (lt_json_present(item) && lt_json_type_of(item) == LT_JSON_ARRAY)
        item = lt_json_at(item, 0);
    lt_mock_arrivals_note(&p->arrivals, text_of(item, *what ? "TrichYeuHoSo" : "NoiDungXuLy"));
}

static uint64_t changes(const struct lt_mock_portal_counters *c)
{
    return c->creates + c->updates + c->progress + c->statuses + c->ratings + c->logins;
}

static void portal_run(struct lt_mock_portal *p, enum endpoint at, const struct lt_mock_call *call,
                       const struct lt_json *doc, struct lt_mock_reply *reply)
{
    struct call c = {.body = lt_json_root(doc), .now_ms = call->now_ms};
    c.session = text_of(c.body, "session");
    c.unit = text_of(c.body, "madonvi");
    c.service = text_of(c.body, "service");

    char name[64];
    snprintf(name, sizeof name, LT_SPAN_FMT, LT_SPAN_ARG(c.service));
    struct lt_mock_taken fault = {LT_FAULT_NONE, 0};
    if (!call->late)
        fault = lt_mock_faults_take(&p->faults, at == LOGIN ? "login" : name, call->now_ms);
    arrived(p, at == LOGIN ? "login" : name, &c, &fault, call->late);
    if (lt_mock_fault_before(&fault, reply)) {
        p->counters.errors++;
        return;
    }
    uint64_t before = changes(&p->counters);
    if (fault.kind == LT_FAULT_SESSION_EXPIRED)
        lt_mock_sessions_end(p->sessions, c.session);

    if (fault.kind == LT_FAULT_BUSY)
        answer(p, reply, -1, LT_SPAN_LIT("Hệ thống đang quá tải, vui lòng thử lại sau"));
    else if (fault.kind == LT_FAULT_BACKWARDS)
        backwards(p, reply);
    else if (at == LOGIN)
        portal_login(p, &c, reply);
    else
        portal_service(p, &c, at == SHARE, reply);

    if (changes(&p->counters) != before)
        lt_mock_arrivals_applied(&p->arrivals);
    lt_mock_fault_after(&fault, reply);
    if (reply->action != LT_MOCK_ANSWER)
        p->counters.errors++;
}

void lt_mock_portal_handle(void *self, const struct lt_mock_call *call, struct lt_mock_reply *reply)
{
    struct lt_mock_portal *p = self;
    enum endpoint at = endpoint_of(p->settings, call->path);
    LT_AUTO_JSON struct lt_json *doc = NULL;
    const struct lt_json_limits limits = {.bytes_max = BODY_MAX, .depth_max = BODY_DEPTH};
    int parsed = LT_E_INVALID;
    if (at != NO_ENDPOINT) /* outside the lock: the only costly part */
        parsed = lt_json_parse(call->body, &limits, &doc, NULL);

    pthread_mutex_lock(&p->lock);
    if (at == NO_ENDPOINT) {
        if (!lt_mock_portal_oracle(p, call, reply))
            lt_mock_refuse(reply, 404, "nothing at %s", call->path);
    } else {
        p->counters.calls += !call->late;
        if (transport_ok(p, call, reply)) {
            if (parsed == LT_OK && lt_json_type_of(lt_json_root(doc)) == LT_JSON_OBJECT)
                portal_run(p, at, call, doc, reply);
            else
                malformed(p, reply, 400, "Nội dung không phải là một đối tượng JSON");
        }
    }
    pthread_mutex_unlock(&p->lock);
}
