#include "tests/unit/config_fixture.h"

#define HEX64 "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"

static void write_clients(struct config_fixture *f, const char *fingerprint)
{
    LT_AUTOFREE char *text = lt_asprintf("clients:\n"
                                         "  - name: h22\n"
                                         "    role: province\n"
                                         "    match: {fingerprint: \"%s\"}\n"
                                         "    provinces: [H22, G09]\n"
                                         "    sources: mot-cua-*\n"
                                         "    units: [\"*.H22\", H22.*]\n"
                                         "    types: [received, supplement-*]\n"
                                         "    rate: 50\n"
                                         "    body_max: 1MiB\n"
                                         "  - {name: op, role: operator, match: {subject: op}}\n"
                                         "  - {name: post, role: postal, match: {san: post.example}}\n",
                                         fingerprint);
    config_write(f, "clients.yaml", text);
}

static void a_client_has_all_it_was_given(void **state)
{
    struct config_fixture *f = *state;
    write_clients(f, HEX64);
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    assert_int_equal(f->c->clients_len, 3);
    const struct lt_config_client *c = lt_config_client(f->c, LT_SPAN_LIT("h22"));
    assert_ptr_equal(c, &f->c->clients[0]);
    assert_int_equal(c->role, LT_ROLE_PROVINCE);
    assert_string_equal(c->fingerprint, HEX64);
    assert_null(c->san);
    assert_null(c->subject_cn);
    assert_int_equal(c->provinces.len, 2);
    assert_string_equal(c->provinces.v[1], "G09");
    assert_int_equal(c->sources.len, 1);
    assert_string_equal(c->units.v[1], "H22.*");
    assert_string_equal(c->types.v[1], "supplement-*");
    assert_int_equal(c->rate, 50);
    assert_int_equal(c->body_max, 1 << 20);
    assert_int_equal(c->node->line, 2);
    assert_string_equal(f->c->clients[1].subject_cn, "op");
    assert_int_equal(f->c->clients[1].role, LT_ROLE_OPERATOR);
    assert_int_equal(f->c->clients[1].rate, 0);
    assert_int_equal(f->c->clients[2].role, LT_ROLE_POSTAL);
    assert_null(lt_config_client(f->c, LT_SPAN_LIT("h2")));
    assert_null(lt_config_client(f->c, LT_SPAN_NULL));
}

static void a_fingerprint_is_read_as_openssl_prints_it(void **state)
{
    struct config_fixture *f = *state;
    write_clients(f, "AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89");
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    assert_string_equal(f->c->clients[0].fingerprint, HEX64);
    static const char *const bad[] = {HEX64 "0", "ab", "", "xyz", HEX64 ":" HEX64};
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++) {
        write_clients(f, bad[i]);
        config_says(f, "clients.yaml:4:26: clients.match.fingerprint: expected ");
        assert_int_equal(f->diags.errors, 1);
    }
}

static void each_mistake_of_a_client_is_told(void **state)
{
    struct config_fixture *f = *state;
    static const struct {
        const char *client, *message;
    } cases[] = {
        {"{role: operator, match: {san: x}}", "clients.yaml:2:5: clients.name: expected a text, got nothing"},
        {"{name: A b, role: operator, match: {san: x}}",
         "clients.yaml:2:12: clients.name: expected 1 to 64 of lower-case"},
        {"{name: a, match: {san: x}}",
         "clients.role: expected one of province, postal, operator, gateway, got nothing"},
        {"{name: a, role: provinc, match: {san: x}}", "(did you mean 'province'?)"},
        {"{name: a, role: operator, match: {san: x, subject: y}}",
         "clients.yaml:2:38: clients.match: expected one of san, subject, fingerprint, got more than one"},
        {"{name: a, role: operator, match: {}}", "clients.match: expected one of san, subject, fingerprint, got none"},
        {"{name: a, role: operator, match: {san: \"\"}}",
         "clients.yaml:2:44: clients.match: expected a name of the certificate, got ''"},
        {"{name: a, role: operator, match: x}", "clients.match: expected a mapping, got 'x'"},
        {"{name: a, role: operator}",
         "clients.yaml:2:5: clients.match: expected {san: …}, {subject: …} or {fingerprint: …} for 'a'"},
        {"{name: a, role: province, match: {san: x}}",
         "clients.provinces: expected the codes a province may send for ([H22])"},
        {"{name: a, role: province, match: {san: x}, provinces: []}",
         "clients.yaml:2:59: clients.provinces: expected the codes a province may send for ([H22]), got none"},
        {"{name: a, role: province, match: {san: x}, provinces: [H22, 22]}",
         "clients.yaml:2:65: clients.provinces: expected a code of one letter and two digits (H22), got '22'"},
        {"{name: a, role: province, match: {san: x}, provinces: h22}", "got 'h22'"},
        {"{name: a, role: postal, match: {san: x}, types: [recieved]}",
         "clients.yaml:2:54: clients.types: expected an event word of schemas/canonical/steps.yaml or a pattern of "
         "them, got "
         "'recieved' (did you mean 'received'?)"},
        {"{name: a, role: postal, match: {san: x}, types: x*}", "clients.types: expected an event word"},
        {"{name: a, role: postal, match: {san: x}, body_max: 5MiB}",
         "clients.yaml:2:56: clients.body_max: expected at most ingest.body_max, got '5MiB'"},
        {"{name: a, role: postal, match: {san: x}, rates: 5}", "(did you mean 'rate'?)"},
        {"a", "clients.yaml:2:5: clients: expected a mapping, got 'a'"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        LT_AUTOFREE char *text = lt_asprintf("clients:\n  - %s\n", cases[i].client);
        config_write(f, "clients.yaml", text);
        config_says(f, cases[i].message);
        if (f->diags.errors != 1)
            fail_msg("expected one error, got:\n%s", f->said);
    }
}

static void no_two_clients_share_a_name_or_a_certificate(void **state)
{
    struct config_fixture *f = *state;
    config_write(f, "clients.yaml",
                 "clients:\n"
                 "  - {name: a, role: operator, match: {san: x}}\n"
                 "  - {name: a, role: operator, match: {san: y}}\n"
                 "  - {name: b, role: operator, match: {san: x}}\n"
                 "  - {name: c, role: operator, match: {subject: x}}\n"
                 "  - {name: d, role: operator, match: {subject: x}}\n"
                 "  - {name: e, role: operator, match: {fingerprint: " HEX64 "}}\n"
                 "  - {name: f, role: operator, match: {fingerprint: " HEX64 "}}\n");
    config_says(f, "clients.yaml:3:12: clients.name: expected one that no other client has, got the one of 'a'");
    config_says(f, "clients.yaml:4:38: clients.match.san: expected one that no other client has, got the one of 'a'");
    config_says(f,
                "clients.yaml:6:38: clients.match.subject: expected one that no other client has, got the one of 'c'");
    config_says(
        f, "clients.yaml:8:38: clients.match.fingerprint: expected one that no other client has, got the one of 'e'");
    assert_int_equal(f->diags.errors, 4);
}

static void a_client_without_certificate_is_for_folders_and_bridges(void **state)
{
    struct config_fixture *f = *state;
    config_write(f, "clients.yaml",
                 "clients:\n"
                 "  - {name: spool, role: province, provinces: [H22]}\n"
                 "  - {name: feed, role: postal}\n"
                 "  - {name: op, role: operator, match: {san: x}}\n");
    config_replace(f, "gateway.yaml", "instance:",
                   "folders: [{name: s, path: in, client: spool}]\n"
                   "bridges: [{name: b, topic: other.events, client: feed, media: application/json}]\ninstance:");
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    assert_int_equal(f->c->folders_len, 1);
    assert_int_equal(f->c->folders[0].poll_ms, 2000);
    assert_string_equal(f->c->folders[0].client, "spool");
    assert_int_equal(f->c->bridges_len, 1);
    assert_string_equal(f->c->bridges[0].media, "application/json");
    assert_string_equal(f->c->bridges[0].topic, "other.events");
}

static void each_mistake_of_a_folder_or_bridge_is_told(void **state)
{
    struct config_fixture *f = *state;
    config_write(f, "clients.yaml",
                 "clients:\n"
                 "  - {name: h22, role: province, provinces: [H22], match: {san: x}}\n"
                 "  - {name: op, role: operator, match: {san: y}}\n");
    config_replace(f, "gateway.yaml", "instance:",
                   "folders:\n"
                   "  - {name: a, path: in, client: h22}\n"
                   "  - {name: a, path: in2, client: h22}\n"
                   "  - {name: b, path: in, client: op}\n"
                   "  - {name: c, client: h2}\n"
                   "bridges:\n"
                   "  - {name: A, topic: lt.intake, client: h22, media: application/xml}\n"
                   "  - {name: b, topic: \"a b\", client: h22, media: text/plain}\n"
                   "instance:");
    assert_int_equal(config_load(f), LT_E_INVALID);
    static const char *const messages[] = {
        "gateway.yaml:3:12: folders.name: expected a name of its own, got the one of line 2",
        "gateway.yaml:4:21: folders.path: expected a folder of its own, got the one of line 2",
        "gateway.yaml:4:33: folders.client: expected a client with role province or postal, got 'op'",
        "gateway.yaml:5:5: folders.path: expected a path, got nothing",
        "gateway.yaml:5:23: folders.client: expected the name of a client, got 'h2' (did you mean 'h22'?)",
        "gateway.yaml:7:12: bridges.name: expected 1 to 64 of lower-case",
        "gateway.yaml:7:22: bridges.topic: expected a foreign topic, not one of the gateway's own (lt.), got "
        "'lt.intake'",
        "gateway.yaml:8:22: bridges.topic: expected a topic: up to 249 letters",
        "gateway.yaml:8:49: bridges.media: expected one of application/xml, application/json, got 'text/plain'",
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(messages); i++) {
        if (!strstr(f->said, messages[i]))
            fail_msg("expected \"%s\", got:\n%s", messages[i], f->said);
    }
    assert_int_equal(f->diags.errors, LT_ARRAY_LEN(messages));
    config_replace(f, "gateway.yaml", "instance:", "x: 1\ninstance:");
    config_write(f, "clients.yaml", "clients: {}\n");
    config_says(f, "clients.yaml:1:10: clients: expected a list of clients, got a mapping");
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, config_fixture_make, config_fixture_drop)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_client_has_all_it_was_given),
        WITH_FOLDER(a_fingerprint_is_read_as_openssl_prints_it),
        WITH_FOLDER(each_mistake_of_a_client_is_told),
        WITH_FOLDER(no_two_clients_share_a_name_or_a_certificate),
        WITH_FOLDER(a_client_without_certificate_is_for_folders_and_bridges),
        WITH_FOLDER(each_mistake_of_a_folder_or_bridge_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
