#include "adapters/portal/mock_portal_catalogue.h"

#include <stdio.h>

#include "gateway/base/file.h"

#define CATALOGUE_MAX ((size_t)64 << 20)

struct lt_mock_portal_catalogue {
    struct lt_json *doc;
    lt_json_value procedures, agencies;
};

/* A sample with the columns that differ; the rest of each procedure is the same for all. */
static const struct {
    const char *code, *name, *field, *field_name;
    int days;
    const char *fee;
} sample[] = {
    {"1.001193", "Đăng ký khai sinh", "HT", "Hộ tịch", 1, "0"},
    {"1.000894", "Đăng ký kết hôn", "HT", "Hộ tịch", 1, "0"},
    {"1.000656", "Đăng ký khai tử", "HT", "Hộ tịch", 1, "0"},
    {"1.004873", "Cấp Giấy xác nhận tình trạng hôn nhân", "HT", "Hộ tịch", 3, "15000"},
    {"1.004837", "Đăng ký giám hộ", "HT", "Hộ tịch", 3, "0"},
    {"1.004859", "Thay đổi, cải chính, bổ sung thông tin hộ tịch", "HT", "Hộ tịch", 3, "15000"},
    {"1.004772", "Đăng ký khai sinh cho người đã có hồ sơ, giấy tờ cá nhân", "HT", "Hộ tịch", 5, "8000"},
    {"2.000815", "Chứng thực bản sao từ bản chính giấy tờ, văn bản", "CT", "Chứng thực", 1, "2000"},
    {"2.000884", "Chứng thực chữ ký trong các giấy tờ, văn bản", "CT", "Chứng thực", 1, "10000"},
    {"2.000488", "Cấp Phiếu lý lịch tư pháp cho công dân Việt Nam", "LLTP", "Lý lịch tư pháp", 10, "200000"},
    {"1.001612", "Đăng ký thành lập hộ kinh doanh", "DN", "Thành lập và hoạt động doanh nghiệp", 3, "100000"},
    {"2.001610", "Đăng ký thành lập doanh nghiệp tư nhân", "DN", "Thành lập và hoạt động doanh nghiệp", 3, "50000"},
    {"1.001570", "Chấm dứt hoạt động hộ kinh doanh", "DN", "Thành lập và hoạt động doanh nghiệp", 3, "0"},
    {"1.004194", "Đăng ký tạm trú", "CTR", "Đăng ký, quản lý cư trú", 3, "15000"},
    {"1.004222", "Đăng ký thường trú", "CTR", "Đăng ký, quản lý cư trú", 7, "20000"},
    {"1.003003", "Đăng ký và cấp Giấy chứng nhận quyền sử dụng đất lần đầu", "DD", "Đất đai", 20, "100000"},
    {"1.004203", "Tách thửa hoặc hợp thửa đất", "DD", "Đất đai", 15, "100000"},
    {"2.000880", "Chuyển nhượng, tặng cho quyền sử dụng đất", "DD", "Đất đai", 10, "100000"},
    {"1.003554", "Hòa giải tranh chấp đất đai", "DD", "Đất đai", 30, "0"},
    {"1.009994", "Cấp giấy phép xây dựng nhà ở riêng lẻ", "XD", "Hoạt động xây dựng", 15, "75000"},
    {"1.009995", "Điều chỉnh giấy phép xây dựng nhà ở riêng lẻ", "XD", "Hoạt động xây dựng", 15, "15000"},
    {"1.001776", "Thực hiện trợ cấp xã hội hằng tháng", "BTXH", "Bảo trợ xã hội", 22, "0"},
    {"1.001731", "Hỗ trợ chi phí mai táng cho đối tượng bảo trợ xã hội", "BTXH", "Bảo trợ xã hội", 5, "0"},
    {"1.002809", "Đổi giấy phép lái xe", "GTVT", "Đường bộ", 5, "135000"},
    {"1.005092", "Cấp bản sao văn bằng, chứng chỉ từ sổ gốc", "GDDT", "Văn bằng, chứng chỉ", 1, "0"},
    {"1.003348", "Cấp Giấy chứng nhận cơ sở đủ điều kiện an toàn thực phẩm", "ATTP", "An toàn thực phẩm", 15, "700000"},
};

static const struct {
    const char *code, *name, *level;
} agencies[] = {
    {"H22", "Ủy ban nhân dân tỉnh Hà Giang", "1"},
    {"H29", "Ủy ban nhân dân Thành phố Hồ Chí Minh", "1"},
    {"H40", "Ủy ban nhân dân tỉnh Nam Định", "1"},
    {"H22.05", "Sở Tư pháp tỉnh Hà Giang", "2"},
    {"H29.05", "Sở Tư pháp Thành phố Hồ Chí Minh", "2"},
    {"H40.05", "Sở Tư pháp tỉnh Nam Định", "2"},
    {"G15", "Bộ Tư pháp", "1"},
    {"G12", "Bộ Tài chính", "1"},
};

static void put(struct lt_json_writer *w, const char *name, const char *value)
{
    lt_json_str(w, name, lt_span_str(value));
}

/* Time limit and fee differ per channel: 1 at the counter, 2 online, 3 by post (domain 1.7). */
static void write_channel(struct lt_json_writer *w, int channel, int days, const char *fee)
{
    char number[12];
    lt_json_begin_object(w);
    snprintf(number, sizeof number, "%d", channel);
    put(w, "KENH", number);
    lt_json_key(w, LT_SPAN_LIT("THOIGIAN"));
    lt_json_begin_array(w);
    lt_json_begin_object(w);
    snprintf(number, sizeof number, "%d", channel == 3 ? days + 2 : days);
    put(w, "THOIGIANGIAIQUYET", number);
    put(w, "DONVITINH", "Ngày làm việc");
    put(w, "MOTA", "");
    lt_json_key(w, LT_SPAN_LIT("PHILEPHI"));
    lt_json_begin_array(w);
    if (strcmp(fee, "0") != 0) {
        lt_json_begin_object(w);
        put(w, "MAPHILEPHI", "LP01");
        put(w, "SOTIEN", fee);
        put(w, "DONVI", "Đồng");
        put(w, "MOTA", "Lệ phí");
        lt_json_end_object(w);
    }
    lt_json_end_array(w);
    lt_json_end_object(w);
    lt_json_end_array(w);
    lt_json_end_object(w);
}

static void write_one_of(struct lt_json_writer *w, const char *list, const char *code_key, const char *code,
                         const char *name_key, const char *name)
{
    lt_json_key(w, lt_span_str(list));
    lt_json_begin_array(w);
    lt_json_begin_object(w);
    put(w, code_key, code);
    put(w, name_key, name);
    lt_json_end_object(w);
    lt_json_end_array(w);
}

static void write_sample(struct lt_json_writer *w, size_t i)
{
    lt_json_begin_object(w);
    put(w, "ID", sample[i].code);
    put(w, "MATTHC", sample[i].code);
    put(w, "TENTTHC", sample[i].name);
    put(w, "LOAITTHC", "1");
    put(w, "TRANGTHAI", "1");
    write_one_of(w, "LINHVUCTHUCHIEN", "MALINHVUC", sample[i].field, "TENLINHVUC", sample[i].field_name);
    lt_json_key(w, LT_SPAN_LIT("CACHTHUCTHUCHIEN"));
    lt_json_begin_array(w);
    for (int channel = 1; channel <= 3; channel++)
        write_channel(w, channel, sample[i].days, sample[i].fee);
    lt_json_end_array(w);
    lt_json_key(w, LT_SPAN_LIT("THANHPHANHOSO"));
    lt_json_begin_array(w);
    lt_json_begin_object(w);
    put(w, "TRUONGHOP", "");
    write_one_of(w, "GIAYTO", "MAGIAYTO", "GT01", "TENGIAYTO", "Tờ khai theo mẫu quy định");
    lt_json_end_object(w);
    lt_json_end_array(w);
    put(w, "YEUCAU", "");
    put(w, "MOTADOITUONGTHUCHIEN", "Công dân Việt Nam");
    write_one_of(w, "KETQUATHUCHIEN", "MAKETQUA", "KQ01", "TENKETQUA", "Giấy tờ kết quả");
    write_one_of(w, "COQUANTHUCHIEN", "MADONVI", "H22", "TENDONVI", "Ủy ban nhân dân cấp có thẩm quyền");
    lt_json_end_object(w);
}

static void write_built_in(struct lt_buf *out)
{
    struct lt_json_writer w;
    lt_json_writer_init(&w, out);
    lt_json_begin_object(&w);
    lt_json_key(&w, LT_SPAN_LIT("procedures"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < LT_ARRAY_LEN(sample); i++)
        write_sample(&w, i);
    lt_json_end_array(&w);
    lt_json_key(&w, LT_SPAN_LIT("agencies"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < LT_ARRAY_LEN(agencies); i++) {
        lt_json_begin_object(&w);
        put(&w, "MADONVI", agencies[i].code);
        put(&w, "TENDONVI", agencies[i].name);
        put(&w, "CAPDONVI", agencies[i].level);
        lt_json_end_object(&w);
    }
    lt_json_end_array(&w);
    lt_json_end_object(&w);
}

int lt_mock_portal_catalogue_new(const char *path, struct lt_mock_portal_catalogue **ret, struct lt_err *err)
{
    LT_AUTOFREE char *text = NULL;
    size_t len = 0;
    struct lt_buf built_in = LT_BUF_INIT(CATALOGUE_MAX);
    if (path) {
        int r = lt_file_read(path, CATALOGUE_MAX, &text, &len, err);
        if (r < 0)
            return r;
    } else {
        write_built_in(&built_in);
        len = built_in.len;
        text = lt_buf_take(&built_in);
    }

    const struct lt_json_limits limits = {.bytes_max = CATALOGUE_MAX, .depth_max = 16};
    struct lt_json *doc = NULL;
    int r = lt_json_parse(lt_span(text, len), &limits, &doc, err);
    if (r < 0) {
        lt_err_prefix(err, "catalogue %s", path ? path : "(built in)");
        return r;
    }
    struct lt_mock_portal_catalogue *c = lt_alloc(sizeof *c);
    c->doc = doc;
    c->procedures = lt_json_get(lt_json_root(doc), "procedures");
    c->agencies = lt_json_get(lt_json_root(doc), "agencies");
    if (!lt_json_present(c->procedures) || lt_json_type_of(c->procedures) != LT_JSON_ARRAY) {
        lt_mock_portal_catalogue_free(c);
        return lt_err_set(err, LT_E_INVALID, "catalogue", "catalogue %s: procedures: expected a list", path);
    }
    *ret = c;
    return LT_OK;
}

void lt_mock_portal_catalogue_free(struct lt_mock_portal_catalogue *c)
{
    if (!c)
        return;
    lt_json_free(c->doc);
    free(c);
}

static lt_json_value catalogue_find(const struct lt_mock_portal_catalogue *c, struct lt_span procedure)
{
    for (size_t i = 0; i < lt_json_len(c->procedures); i++) {
        struct lt_span code;
        lt_json_value p = lt_json_at(c->procedures, i);
        if (lt_json_string(lt_json_get(p, "MATTHC"), &code) && lt_span_eq(code, procedure))
            return p;
    }
    return (lt_json_value){NULL};
}

bool lt_mock_portal_catalogue_has(const struct lt_mock_portal_catalogue *c, struct lt_span procedure)
{
    return lt_json_present(catalogue_find(c, procedure));
}

static void put_value(struct lt_json_writer *w, lt_json_value v)
{
    struct lt_buf text = LT_BUF_INIT(CATALOGUE_MAX);
    lt_json_write(v, &text);
    lt_json_put_raw(w, lt_buf_view(&text));
    lt_buf_deinit(&text);
}

void lt_mock_portal_catalogue_procedure(const struct lt_mock_portal_catalogue *c, struct lt_span procedure,
                                        struct lt_json_writer *w)
{
    lt_json_value p = catalogue_find(c, procedure);
    lt_json_begin_array(w);
    if (lt_json_present(p))
        put_value(w, p);
    lt_json_end_array(w);
}

static struct lt_span text_of(lt_json_value v, const char *name)
{
    struct lt_span s = LT_SPAN_LIT("");
    (void)lt_json_string(lt_json_get(v, name), &s); /* absent: stays empty */
    return s;
}

static lt_json_value field_of(const struct lt_mock_portal_catalogue *c, size_t i)
{
    return lt_json_at(lt_json_get(lt_json_at(c->procedures, i), "LINHVUCTHUCHIEN"), 0);
}

void lt_mock_portal_catalogue_list(const struct lt_mock_portal_catalogue *c, struct lt_json_writer *w)
{
    lt_json_begin_array(w);
    for (size_t i = 0; i < lt_json_len(c->procedures); i++) {
        lt_json_value p = lt_json_at(c->procedures, i), field = field_of(c, i);
        lt_json_begin_object(w);
        lt_json_str(w, "MATTHC", text_of(p, "MATTHC"));
        lt_json_str(w, "TENTTHC", text_of(p, "TENTTHC"));
        lt_json_str(w, "MALINHVUC", text_of(field, "MALINHVUC"));
        lt_json_str(w, "TENLINHVUC", text_of(field, "TENLINHVUC"));
        lt_json_str(w, "TRANGTHAI", text_of(p, "TRANGTHAI"));
        lt_json_end_object(w);
    }
    lt_json_end_array(w);
}

void lt_mock_portal_catalogue_fields(const struct lt_mock_portal_catalogue *c, struct lt_json_writer *w)
{
    lt_json_begin_array(w);
    for (size_t i = 0; i < lt_json_len(c->procedures); i++) {
        lt_json_value field = field_of(c, i);
        struct lt_span code = text_of(field, "MALINHVUC");
        size_t first = 0;
        while (!lt_span_eq(text_of(field_of(c, first), "MALINHVUC"), code))
            first++;
        if (first != i || code.len == 0)
            continue;
        lt_json_begin_object(w);
        lt_json_str(w, "MALINHVUC", code);
        lt_json_str(w, "TENLINHVUC", text_of(field, "TENLINHVUC"));
        lt_json_str(w, "MANGANH", code);
        lt_json_end_object(w);
    }
    lt_json_end_array(w);
}

void lt_mock_portal_catalogue_agencies(const struct lt_mock_portal_catalogue *c, struct lt_json_writer *w)
{
    if (lt_json_present(c->agencies))
        put_value(w, c->agencies);
    else
        lt_json_put_raw(w, LT_SPAN_LIT("[]"));
}
