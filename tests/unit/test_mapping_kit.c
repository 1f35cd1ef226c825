#include "tests/unit/test_mapping_kit.h"

#include <glob.h>
#include <stdio.h>

#include "gateway/codec/xml.h"

const char kit_units[] =
    "table: units\n"
    "kind: units\n"
    "entries:\n"
    "  - {code: H22.01, name: \"Sở Tư pháp\"}\n"
    "  - {code: 000.00.02.H22, name: \"Sở Nội vụ\", from: 2010-01-01}\n"
    "  - {code: H22.Q1, name: \"Quận Một\", from: 2010-01-01, to: 2025-07-01, successor: H22.P1}\n"
    "  - {code: H22.P1, name: \"Phường Một\", from: 2025-07-01, to: 2026-01-01, successor: H22.P2}\n"
    "  - {code: H22.P2, name: \"Phường Hai\", from: 2026-01-01}\n"
    "  - {code: H22.X, name: \"Xã Cũ\", to: 2025-07-01}\n";

const char kit_procedures[] = "table: procedures\n"
                              "kind: codes\n"
                              "entries:\n"
                              "  - {code: 1.001193, name: \"Đăng ký khai sinh\", sector: ho-tich}\n"
                              "  - {code: 1.001193.H22, value: 1.001193, name: \"Đăng ký khai sinh\"}\n"
                              "  - {code: 2.000815, name: \"Chứng thực\", to: 2024-06-01}\n"
                              "  - {code: 2.000815, value: 2.000999, name: \"Chứng thực mới\", from: 2024-06-01}\n";

const char kit_digest[] = "digest: small\n"
                          "version: 3\n"
                          "sources: [\"*\"]\n"
                          "fields:\n"
                          "  received: [/HoSo/MaHoSo, /HoSo/ChuHoSo, /HoSo/NgayTiepNhan, /HoSo/Giay/*/Ten]\n"
                          "  \"*\": [/HoSo/MaTTHC, /HoSo/Kenh, /HoSo/GhiChu, /TienDo/ThoiDiem]\n";

#define KIT_SMALL_REST "identity: [type, time, /TienDo/PhongBan]\n"

const char kit_small_xml[] =
    "mapping: small-xml\n"
    "accepts: {media: application/xml, root: \"{urn:small}Lo\", schema: small.xsd}\n"
    "namespaces: {s: \"urn:small\"}\n"
    "each: s:SuKien\n"
    "digest: small\n"
    "normal:\n"
    "  version: 1\n"
    "  loai: {TIEP_NHAN: received, XU_LY: progressed}\n"
    "  kenh: {TAI_CHO: \"1\", TRUC_TUYEN: \"2\"}\n"
    "source: {from: s:HeThong}\n"
    "type: {from: s:Loai, normal: loai}\n"
    "subject: {from: s:MaHoSo}\n"
    "time: {from: s:Luc, format: yyyyMMddHHmmss}\n" KIT_SMALL_REST "attributes:\n"
    "  unit: {from: s:DonVi, table: units}\n"
    "  procedure: {from: s:ThuTuc, table: procedures}\n"
    "  channel: {from: s:Kenh, normal: kenh, default: \"1\"}\n"
    "data:\n"
    "  HoSo:\n"
    "    if: s:HoSo\n"
    "    at: s:HoSo\n"
    "    data:\n"
    "      MaHoSo: ../s:MaHoSo\n"
    "      ChuHoSo: {from: s:Chu, max: 20, over: truncate}\n"
    "      NgayTiepNhan: {from: s:NgayNhan, format: yyyyMMddHHmmss}\n"
    "      MaTTHC: {from: ../s:ThuTuc, table: procedures}\n"
    "      TenTTHC: {from: ../s:ThuTuc, table: procedures, field: name}\n"
    "      DonVi: {from: ../s:DonVi, table: units, field: name}\n"
    "      Kenh: {from: ../s:Kenh, normal: kenh, default: \"1\"}\n"
    "      GhiChu: {from: s:GhiChu, max: 10}\n"
    "      Giay: {each: s:Giay/s:Tep, data: {Ten: {from: s:Ten, required: true}, Xoa: {const: \"False\"}}}\n"
    "      The: {each: s:The, from: .}\n"
    "  TienDo:\n"
    "    if: s:Buoc\n"
    "    at: s:Buoc\n"
    "    data:\n"
    "      ThoiDiem: {from: s:Luc, format: yyyyMMddHHmmss}\n"
    "      PhongBan: s:Phong\n"
    "examples: []\n";

const char kit_small_json[] =
    "mapping: small-json\n"
    "accepts: {media: application/json, discriminator: [code, action], schema: small.json}\n"
    "digest: small\n"
    "normal:\n"
    "  version: 1\n"
    "  action: {receive: received, process: progressed}\n"
    "  kenh: {\"0\": \"1\", \"1\": \"2\"}\n"
    "source: {from: system}\n"
    "type: {from: action, normal: action}\n"
    "subject: {from: code}\n"
    "time: {from: at, format: [epoch-ms, rfc3339]}\n" KIT_SMALL_REST "attributes:\n"
    "  unit: {from: agency/code, table: units}\n"
    "  procedure: {from: procedure, table: procedures}\n"
    "  channel: {from: channel, normal: kenh, default: \"1\"}\n"
    "data:\n"
    "  HoSo:\n"
    "    if: dossier\n"
    "    at: dossier\n"
    "    data:\n"
    "      MaHoSo: /code\n"
    "      ChuHoSo: {from: owner, max: 20, over: truncate}\n"
    "      NgayTiepNhan: {from: accepted, format: [epoch-ms, rfc3339]}\n"
    "      MaTTHC: {from: /procedure, table: procedures}\n"
    "      TenTTHC: {from: /procedure, table: procedures, field: name}\n"
    "      DonVi: {from: ../agency/code, table: units, field: name}\n"
    "      Kenh: {from: /channel, normal: kenh, default: \"1\"}\n"
    "      GhiChu: {from: note, max: 10}\n"
    "      Giay: {each: \"files/[kind=1]\", data: {Ten: {from: name, required: true}, Xoa: {const: \"False\"}}}\n"
    "      The: {each: tags, from: \"-\"}\n"
    "  TienDo:\n"
    "    if: step\n"
    "    at: step\n"
    "    data:\n"
    "      ThoiDiem: {from: at, format: [epoch-ms, rfc3339]}\n"
    "      PhongBan: office\n"
    "examples: []\n";

void kit_init(struct kit *k)
{
    memset(k, 0, sizeof(*k));
    lt_xml_init();
    k->config.schemas_dir = KIT_DATA "/schemas";
    k->config.mappings = k->parts[KIT_MAPPING];
    k->config.tables = k->parts[KIT_TABLE];
    k->config.digests = k->parts[KIT_DIGEST];
    lt_translation_init(&k->out);
}

void kit_deinit(struct kit *k)
{
    lt_translation_deinit(&k->out);
    lt_translator_free(k->t);
    lt_mappings_free(k->m);
    lt_diags_deinit(&k->diags);
    for (size_t i = 0; i < k->files_len; i++)
        lt_yaml_free(k->files[i]);
}

static void kit_add(struct kit *k, enum kit_part part, struct lt_yaml *y)
{
    size_t *len = part == KIT_MAPPING ? &k->config.mappings_len
                  : part == KIT_TABLE ? &k->config.tables_len
                                      : &k->config.digests_len;

    assert_true(*len < KIT_MAX);
    k->files[k->files_len++] = y;
    k->parts[part][(*len)++] = lt_yaml_root(y);
}

void kit_file(struct kit *k, enum kit_part part, const char *path)
{
    struct lt_yaml *y = NULL;

    if (lt_yaml_load(path, &y, &k->diags) != LT_OK) {
        free(kit_print(k));
        fail_msg("%s did not load", path);
    }
    kit_add(k, part, y);
}

void kit_text(struct kit *k, enum kit_part part, const char *name, const char *text)
{
    struct lt_yaml *y = NULL;

    if (lt_yaml_parse(name, lt_span_str(text), &y, &k->diags) != LT_OK) {
        free(kit_print(k));
        fail_msg("%s is no YAML", name);
    }
    kit_add(k, part, y);
}

void kit_text_with(struct kit *k, enum kit_part part, const char *name, const char *text, const char *from,
                   const char *to)
{
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1u << 20);
    const char *at = strstr(text, from);

    if (!at)
        fail_msg("the text has no \"%s\"", from);
    for (; at; at = strstr(text, from)) {
        lt_buf_append(&b, text, (size_t)(at - text));
        lt_buf_str(&b, to);
        text = at + strlen(from);
    }
    lt_buf_str(&b, text);
    kit_text(k, part, name, b.ptr);
}

void kit_tables(struct kit *k)
{
    kit_text(k, KIT_TABLE, "units.yaml", kit_units);
    kit_text(k, KIT_TABLE, "procedures.yaml", kit_procedures);
}

void kit_small(struct kit *k)
{
    kit_tables(k);
    kit_text(k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text(k, KIT_MAPPING, "small-xml.yaml", kit_small_xml);
    kit_text(k, KIT_MAPPING, "small-json.yaml", kit_small_json);
}

void kit_open_small(struct kit *k)
{
    kit_init(k);
    kit_small(k);
    kit_compile(k);
}

void kit_glob(struct kit *k, enum kit_part part, const char *pattern)
{
    glob_t found;

    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        kit_file(k, part, found.gl_pathv[i]);
    globfree(&found);
}

void kit_open_shipped(struct kit *k)
{
    kit_init(k);
    k->config.schemas_dir = "schemas";
    kit_glob(k, KIT_TABLE, "config/tables/*.yaml");
    kit_glob(k, KIT_DIGEST, "config/digests/*.yaml");
    kit_glob(k, KIT_MAPPING, "config/mappings/*.yaml");
    kit_compile(k);
}

char *kit_print(struct kit *k)
{
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1u << 20);

    lt_diags_print(&k->diags, &b);
    print_message(LT_SPAN_FMT, LT_SPAN_ARG(lt_buf_view(&b)));
    return lt_buf_take(&b);
}

void kit_compile(struct kit *k)
{
    if (lt_mappings_new(&k->config, &k->diags, &k->m) != LT_OK) {
        free(kit_print(k));
        fail_msg("the configuration does not compile");
    }
    k->t = lt_translator_new(k->m);
}

char *kit_findings(struct kit *k)
{
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1u << 20);

    assert_int_equal(lt_mappings_new(&k->config, &k->diags, &k->m), LT_E_INVALID);
    assert_null(k->m);
    lt_diags_print(&k->diags, &b);
    return lt_buf_take(&b);
}

void kit_translate(struct kit *k, const char *media, const char *body)
{
    struct lt_input in = {.media = lt_span_str(media), .body = lt_span_str(body), .depth_max = 64, .batch_max = 5};

    lt_translation_deinit(&k->out);
    lt_translate(k->t, &in, &k->out);
}

const struct lt_event *kit_event(struct kit *k, const char *media, const char *body)
{
    const struct lt_refusal *r;

    kit_translate(k, media, body);
    r = k->out.refused                                         ? &k->out.refusal
        : k->out.items.len == 1 && !k->out.items.v[0].accepted ? &k->out.items.v[0].refusal
                                                               : NULL;
    if (r)
        fail_msg("refused %d %s at %s line %d: %s", r->status, r->code, r->pointer, r->line, r->detail);
    assert_int_equal(k->out.items.len, 1);
    return &k->out.items.v[0].event;
}

const struct lt_refusal *kit_refusal(struct kit *k, const char *media, const char *body)
{
    kit_translate(k, media, body);
    if (k->out.refused) {
        assert_int_equal(k->out.items.len, 0);
        return &k->out.refusal;
    }
    assert_int_equal(k->out.items.len, 1);
    assert_false(k->out.items.v[0].accepted);
    return &k->out.items.v[0].refusal;
}
