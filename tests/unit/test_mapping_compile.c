#include "tests/unit/test_mapping_kit.h"

/* The small configuration with one change in the XML mapping; the findings. */
static char *findings_with(const char *from, const char *to)
{
    struct kit k;
    char *f;

    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text(&k, KIT_MAPPING, "small-json.yaml", kit_small_json);
    kit_text_with(&k, KIT_MAPPING, "small-xml.yaml", kit_small_xml, from, to);
    f = kit_findings(&k);
    kit_deinit(&k);
    return f;
}

static void each_mistake_is_named_at_its_place_with_what_was_expected(void **state)
{
    static const struct {
        const char *from, *to, *finding;
    } wrong[] = {
        {"s:DonVi, table: units}", "s:DonVi, table: unit}",
         "small-xml.yaml:16:32: table: expected the name of a table, got \"unit\"; did you mean units?"},
        {"normal: loai}", "normal: loia}",
         "normal: expected a vocabulary of `normal:`, got \"loia\"; did you mean loai?"},
        {"{from: s:Chu, max", "{form: s:Chu, max", "'form'"},
        {"{from: s:Chu, max", "{form: s:Chu, max", "exactly one of from, join, const"},
        {"over: truncate", "over: cut", "over: expected truncate or refuse"},
        {"max: 20", "max: many", "max: expected a number of characters"},
        {"format: yyyyMMddHHmmss", "format: yyyyMMddHHmm",
         "format: expected a form such as yyyyMMddHHmmss or rfc3339, got \"yyyyMMddHHmm\"; did you mean "
         "yyyyMMddHHmmss?"},
        {"/TienDo/PhongBan]", "/TienDo/PhongBna]", "did you mean /TienDo/PhongBan?"},
        {"[type, time", "[typ, time",
         "identity: expected an attribute or a pointer such as /TienDo/TrangThai, got \"typ\"; did you mean type?"},
        {"[type, time, /TienDo/PhongBan]", "[type, time, /HoSo/Giay/*/Ten]",
         "identity: expected the pointer of one value"},
        {"XU_LY: progressed", "XU_LY: progresed", "got \"progresed\"; did you mean progressed?"},
        {"digest: small", "digest: smal",
         "digest: expected the name of a digest profile, got \"smal\"; did you mean small?"},
        {"urn:small}Lo", "urn:small:Lo", "root: expected the root element as \"{namespace}Name\""},
        {"schema: small.xsd", "schema: smal.xsd", "got smal.xsd"},
        {"media: application/xml", "media: application/xlm", "media: expected application/xml or application/json"},
        {"from: s:Kenh", "from: \"s:Kenh[\"", "path \"s:Kenh[\""},
        {"from: s:Kenh", "from: q:Kenh", "path \"q:Kenh\""},
        {"field: name", "field: nam", "field: expected a field of table procedures, got \"nam\", which no entry has"},
        {"source: {from: s:HeThong}", "source: {from: s:HeThong, table: units}",
         "source: expected `normal`, got a table"},
        {"time: {from: s:Luc, format: yyyyMMddHHmmss}", "time: {from: s:Luc}", "time: expected {from: …, format: …}"},
        {"subject: {from: s:MaHoSo}\n", "", "subject: expected a rule such as {from: …}"},
        {"subject:", "sujbect:", "'sujbect' (did you mean 'subject'?)"},
        {"  version: 1\n", "", "version: expected a number from 1: vocabularies are part of the identity"},
        {"  unit: {", "  untis: {", "attributes: expected a known key, got 'untis'"},
        {"each: s:The, from: .", "each: s:The, from: ., data: {}", "/HoSo/The"},
        {"    if: s:Buoc\n    at: s:Buoc\n    data:", "    iff: s:Buoc\n    at: s:Buoc\n    data:",
         "/TienDo: expected a known key, got 'iff'"},
        {"examples: []", "examples: [{in: a.xml}]", "examples: expected either `refused`, or `out` and/or `same-as`"},
        {"examples: []", "examples: [{inn: a.xml, out: b}]", "'inn'"},
        {"required: true", "required: yes", "required: expected true or false"},
        {"Xoa: {const: \"False\"}", "Xoa: {const: \"False\", from: s:Xoa}", "exactly one of from, join, const"},
        {"Xoa: {const: \"False\"}", "Xoa: {const: \"False\", types: [recieved]}", "types: expected an event type"},
        {"TenTTHC: {from: ../s:ThuTuc, table: procedures, field: name}", "TenTTHC: {from: ../s:ThuTuc, field: name}",
         "field: expected a `table` beside it"},
        {"mapping: small-xml", "mapping: small-json",
         "mapping: expected a name used once, got small-json again (small-json.yaml:1)"},
    };

    (void)state;
    for (size_t i = 0; i < LT_ARRAY_LEN(wrong); i++) {
        char *f = findings_with(wrong[i].from, wrong[i].to);
        assert_contains(f, wrong[i].finding);
        assert_contains(f, "small-xml.yaml:");
        free(f);
    }
}

static void ten_mistakes_are_ten_messages_in_one_run(void **state)
{
    static const char text[] =
        "mapping: wrong\n"
        "accepts: {media: application/json, discriminator: [a], schema: small.json, root: x}\n" /* 1 */
        "digest: smal\n"                                                                        /* 2 */
        "normal: {version: 1, w: {A: recieved}}\n"                                              /* 3, at type */
        "source: {from: s, tabel: units}\n"                                                     /* 4 */
        "type: {from: t, normal: w}\n"
        "subject: {from: \"a/*/b\"}\n"   /* 5 */
        "time: {from: c, format: iso}\n" /* 6 and 7: no format is left */
        "identity: [type, tiem]\n"       /* 8 */
        "attributes:\n"
        "  unit: {from: u, table: unit}\n"                             /* 9 */
        "  procedure: {from: p, table: procedures, unknown: ignore}\n" /* 10 */
        "data:\n"
        "  HoSo: {data: {A: {from: a, one-of: x}}}\n" /* 11 */
        "examples: []\n";
    struct kit k;
    char *f;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_MAPPING, "wrong.yaml", text);
    f = kit_findings(&k);
    assert_int_equal(k.diags.errors, 11);
    for (size_t i = 0; i < k.diags.items.len; i++)
        assert_true(k.diags.items.v[i].line > 0 && k.diags.items.v[i].column > 0);
    free(f);
    kit_deinit(&k);
}

static void two_mappings_for_one_input_are_refused(void **state)
{
    struct kit k;
    char *f;

    (void)state;
    kit_init(&k);
    kit_small(&k);
    kit_text_with(&k, KIT_MAPPING, "again.yaml", kit_small_xml, "small-xml", "again-xml");
    kit_text_with(&k, KIT_MAPPING, "more.yaml", kit_small_json,
                  "mapping: small-json\naccepts: {media: application/json, discriminator: [code, action]",
                  "mapping: more-json\naccepts: {media: application/json, discriminator: [code, action, more]");
    f = kit_findings(&k);
    assert_contains(
        f, "again.yaml:2:10: accepts: expected inputs that no other mapping accepts, got those of mapping small-xml");
    assert_contains(
        f, "more.yaml:2:10: accepts: expected inputs that no other mapping accepts, got those of mapping small-json");
    free(f);
    kit_deinit(&k);
}

static void discriminators_with_other_values_tell_dialects_apart(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text(&k, KIT_DIGEST, "digest.yaml", kit_digest);
    kit_text_with(&k, KIT_MAPPING, "a.yaml", kit_small_json, "[code, action]", "[code, system=one]");
    kit_text_with(&k, KIT_MAPPING, "b.yaml", kit_small_json,
                  "mapping: small-json\naccepts: {media: application/json, discriminator: [code, action]",
                  "mapping: other\naccepts: {media: application/json, discriminator: [code, system=two]");
    kit_compile(&k);
    kit_translate(&k, JSON, "{\"code\": \"c\", \"system\": \"two\"}");
    assert_string_equal(k.out.mapping, "other");
    kit_translate(&k, JSON, "{\"code\": \"c\", \"system\": \"three\"}");
    assert_string_equal(k.out.refusal.code, "no-mapping");
    kit_deinit(&k);
}

static void sister_mappings_must_have_one_identity(void **state)
{
    char *f = findings_with("identity: [type, time, /TienDo/PhongBan]", "identity: [type, time]");

    (void)state;
    assert_contains(f, "small-xml.yaml:14:11: identity: expected the list of mapping small-json, which shares the "
                       "digest profile small");
    free(f);
}

static void digest_pointers_are_checked_against_the_mappings(void **state)
{
    struct kit k;
    char *f;

    (void)state;
    kit_init(&k);
    kit_tables(&k);
    kit_text_with(&k, KIT_DIGEST, "digest.yaml", kit_digest, "/HoSo/ChuHoSo", "/HoSo/ChuHoSoo");
    kit_text(&k, KIT_MAPPING, "small-json.yaml", kit_small_json);
    kit_text_with(&k, KIT_MAPPING, "small-xml.yaml", kit_small_xml, "      GhiChu: {from: s:GhiChu, max: 10}\n", "");
    f = kit_findings(&k);
    assert_contains(f, "digest.yaml:5:");
    assert_contains(
        f, "expected a value that a mapping of digest small makes, got /HoSo/ChuHoSoo; did you mean /HoSo/ChuHoSo?");
    assert_contains(f, "warning: fields: /HoSo/GhiChu has no rule in mapping small-xml");
    free(f);
    kit_deinit(&k);
}

static void digest_versions_are_numbers_used_once_and_sources_belong_to_one_profile(void **state)
{
    struct kit k;
    char *f;

    (void)state;
    kit_init(&k);
    kit_small(&k);
    kit_text_with(&k, KIT_DIGEST, "again.yaml", kit_digest, "fields:", "fields:");
    kit_text_with(&k, KIT_DIGEST, "seventeenth.yaml", kit_digest, "version: 3", "version: 16");
    kit_text(&k, KIT_DIGEST, "other.yaml",
             "digest: other\nversion: 0\nsources: [\"motcua.*\"]\nfields: {recieved: [/HoSo/MaHoSo]}\n");
    f = kit_findings(&k);
    assert_contains(
        f, "again.yaml:2:10: version: expected a number that digest small has not used, got 3 again (digest.yaml:1)");
    assert_contains(f, "seventeenth.yaml:2:10: version: expected a number from 0 to 15");
    assert_contains(f, "other.yaml:3:");
    assert_contains(f, "sources: expected systems that no other digest profile serves, got an overlap with small");
    assert_contains(f, "'recieved' (did you mean 'received'?)");
    free(f);
    kit_deinit(&k);
}

static void the_highest_version_of_a_profile_is_used(void **state)
{
    static const char body[] = "{\"system\":\"a\",\"code\":\"H22.01-240101-1\",\"action\":\"receive\",\"at\":\"2024-01-"
                               "01T08:00:00+07:00\",\"agency\":"
                               "{\"code\":\"H22.01\"},\"procedure\":\"1.001193\",\"dossier\":{\"owner\":\"An\"}}";
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_small(&k);
    kit_text_with(&k, KIT_DIGEST, "new.yaml", kit_digest, "version: 3", "version: 7");
    kit_text_with(&k, KIT_DIGEST, "old.yaml", kit_digest, "version: 3", "version: 2");
    kit_compile(&k);
    assert_int_equal(kit_event(&k, JSON, body)->digest_v, 7);
    kit_deinit(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_named_at_its_place_with_what_was_expected),
        cmocka_unit_test(ten_mistakes_are_ten_messages_in_one_run),
        cmocka_unit_test(two_mappings_for_one_input_are_refused),
        cmocka_unit_test(discriminators_with_other_values_tell_dialects_apart),
        cmocka_unit_test(sister_mappings_must_have_one_identity),
        cmocka_unit_test(digest_pointers_are_checked_against_the_mappings),
        cmocka_unit_test(digest_versions_are_numbers_used_once_and_sources_belong_to_one_profile),
        cmocka_unit_test(the_highest_version_of_a_profile_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
