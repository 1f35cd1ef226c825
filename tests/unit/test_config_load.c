#include "tests/unit/config_fixture.h"

#include "gateway/base/log.h"

#include <stdio.h>

#define DAY ((int64_t)86400000)

static const char *prop(const struct lt_config *c, const char *name)
{
    for (size_t i = 0; i < c->kafka.props_len; i++) {
        if (strcmp(c->kafka.props[i].name, name) == 0)
            return c->kafka.props[i].value;
    }
    return NULL;
}

static bool ends_with(const char *s, const char *tail)
{
    return strlen(s) >= strlen(tail) && strcmp(s + strlen(s) - strlen(tail), tail) == 0;
}

static void every_option_has_its_default(void **state)
{
    struct config_fixture *f = *state;
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    assert_string_equal(f->said, "");
    const struct lt_config *c = f->c;
    assert_string_equal(c->instance, "one");
    assert_true(ends_with(c->path, "/gateway.yaml"));
    assert_true(ends_with(c->state_dir, "/state") && c->state_dir[0] == '/');
    assert_int_equal(c->log.level, LT_LOG_INFO);
    assert_false(c->log.json);
    assert_int_equal(c->kafka.props_len, 1);
    assert_string_equal(c->kafka.bootstrap, "127.0.0.1:19092");
    assert_int_equal(c->topics.replication, 3);
    assert_int_equal(c->topics.min_insync, 2);
    assert_int_equal(c->topics.intake_partitions, 12);
    assert_int_equal(c->topics.queue_partitions, 12);
    assert_int_equal(c->topics.events_partitions, 12);
    assert_int_equal(c->topics.intake_retention_ms, 440 * DAY);
    assert_int_equal(c->topics.queue_retention_ms, 30 * DAY);
    assert_int_equal(c->topics.events_retention_ms, 30 * DAY);
    assert_int_equal(c->topics.long_retention_ms, 400 * DAY);
    assert_int_equal(c->topics.record_max, 1 << 20);
    assert_int_equal(c->window_ms, 400 * DAY);
    assert_string_equal(c->ingest.listen, "127.0.0.1:8443");
    assert_string_equal(c->ingest.advertise, "127.0.0.1:8443");
    assert_int_equal(c->ingest.threads, 2);
    assert_true(ends_with(c->ingest.tls.certificate, "/s.crt"));
    assert_true(ends_with(c->ingest.tls.key, "/s.key"));
    assert_true(ends_with(c->ingest.tls.ca, "/ca.crt"));
    assert_null(c->ingest.peer_tls.certificate);
    assert_int_equal(c->ingest.body_max, 4 << 20);
    assert_int_equal(c->ingest.memory, 256 << 20);
    assert_int_equal(c->ingest.depth_max, 64);
    assert_int_equal(c->ingest.batch_max, 1000);
    assert_int_equal(c->ingest.connections_max, 1000);
    assert_int_equal(c->ingest.ack_timeout_ms, 15000);
    assert_string_equal(c->ingest.receipt_key.text, "0123456789abcdef0123456789abcdef");
    assert_string_equal(c->admin.listen, "127.0.0.1:9464");
    assert_int_equal(c->core.workers, 1);
    assert_int_equal(c->core.commit_records, 30000);
    assert_int_equal(c->core.commit_bytes, 24 << 20);
    assert_int_equal(c->core.commit_linger_ms, 50);
    assert_int_equal(c->core.index_memory, 1 << 30);
    assert_int_equal(c->clients_len, 1);
    assert_int_equal(c->folders_len + c->bridges_len + c->targets_len, 0);
    assert_int_equal(c->mappings_len + c->digests_len + c->tables_len + c->routes_len, 0);
}

static void ten_mistakes_are_ten_messages_in_one_run(void **state)
{
    struct config_fixture *f = *state;
    config_replace(f, "gateway.yaml", "instance: one\nstate_dir: state\n", "instance: Gateway One\nstate_dri: state\n");
    config_replace(f, "gateway.yaml", "kafka:\n", "kafka:\n  acks: 1\n");
    config_replace(f, "gateway.yaml", "ingest:\n", "ingest:\n  threads: many\n  body_max: 4MB\n");
    config_replace(f, "gateway.yaml", "  receipt_key: {file: receipt.key}\n", "  receipt_key: not-a-secret-any-more\n");
    config_replace(f, "gateway.yaml", "clients: clients.yaml\n",
                   "clients: clients.yaml\n"
                   "topics: {retention: {intake: 30d}}\n"
                   "folders: [{name: spool, path: spool, client: h23}]\n"
                   "include: {routes: routes/*.yaml, targets: [portal.yaml]}\n");
    config_write(f, "portal.yaml",
                 "target: intake\nadapter: portall\nurl: https://127.0.0.1:1/\n"
                 "tls: {certificate: c, key: k, ca: a}\n");
    assert_int_equal(config_load(f), LT_E_INVALID);
    LT_AUTOFREE char *want = lt_asprintf(
        "gateway.yaml:1:1: state_dir: expected a path, got nothing\n"
        "gateway.yaml:1:11: instance: expected 1 to 32 of lower-case letters, digits and '-', got 'Gateway One'\n"
        "gateway.yaml:2:1: configuration: expected a known key, got 'state_dri' (did you mean 'state_dir'?)\n"
        "gateway.yaml:5:3: kafka: expected a property of the connection, got 'acks', which the gateway sets itself "
        "(2xx means "
        "acks=all)\n"
        "gateway.yaml:8:12: ingest.threads: expected a whole number from 1 to 64, got 'many'\n"
        "gateway.yaml:9:13: ingest.body_max: expected a size from 1KiB to 64MiB (4096 64KiB 4MiB 2GiB), got '4MB'\n"
        "gateway.yaml:11:16: ingest.receipt_key: expected {file: PATH} or {env: NAME}, got the secret itself (not "
        "shown)\n"
        "gateway.yaml:13:30: topics.retention.intake: expected at least 405d (window + 2 generations of window / 200 + "
        "1 day, and the "
        "longest outage on top), got 30d\n"
        "gateway.yaml:14:46: folders.client: expected the name of a client, got 'h23' (did you mean 'h22'?)\n"
        "gateway.yaml:15:19: include.routes: expected at least one file, got none that fits routes/*.yaml\n"
        "portal.yaml:1:9: target: expected a name that no topic of the gateway has, got 'intake' (lt.intake is another "
        "topic)\n"
        "portal.yaml:2:10: adapter: expected one of portal, population, provincial, notify, got 'portall' (did you "
        "mean 'portal'?)\n");
    assert_string_equal(f->said, want);
}

static void a_duplicate_key_does_not_hide_the_other_mistakes(void **state)
{
    struct config_fixture *f = *state;
    config_replace(f, "gateway.yaml", "instance: one\n", "instance: one\ninstance: two\nwindow: long\n");
    config_write(f, "clients.yaml", "clients:\n  - {name: a, name: b, role: operator, match: {san: x}}\n");
    assert_int_equal(config_load(f), LT_E_INVALID);
    assert_string_equal(
        f->said, "clients.yaml:2:15: name: expected each key once, got it again (first at line 2, column 6)\n"
                 "gateway.yaml:2:1: instance: expected each key once, got it again (first at line 1, column 1)\n"
                 "gateway.yaml:3:9: window: expected a duration from 1m to 3000d (500ms 10s 5m 2h 400d), got 'long'\n");
}

static void a_file_that_is_no_configuration_is_refused(void **state)
{
    struct config_fixture *f = *state;
    config_write(f, "gateway.yaml", "- a\n");
    config_says(f, "gateway.yaml:1:1: file: expected a mapping, got a list");
    config_write(f, "gateway.yaml", "a: [\n");
    config_says(f, "gateway.yaml:2:1: expected YAML");
    config_write(f, "gateway.yaml", "{}\n");
    config_says(f, "gateway.yaml:1:1: ingest.tls.certificate: expected a path, got nothing");
    config_says(f, "gateway.yaml:1:1: kafka.bootstrap.servers: expected host:port of at least one broker, got nothing");
    config_says(f, "gateway.yaml:1:1: clients: expected the file that says who may send (clients.yaml), got nothing");
    struct lt_config *c = NULL;
    struct lt_diags d = LT_DIAGS_INIT;
    assert_int_equal(lt_config_load("/nowhere/gateway.yaml", &c, &d), LT_E_NOT_FOUND);
    assert_int_equal(d.errors, 1);
    lt_diags_deinit(&d);
}

static void includes_are_read_in_name_order_and_once(void **state)
{
    struct config_fixture *f = *state;
    config_write(f, "t/b.yaml", "table: b\n");
    config_write(f, "t/a.yaml", "table: a\n");
    config_write(f, "t/c.yml", "table: c\n");
    config_write(f, "r.yaml", "routes: []\n");
    config_replace(f, "gateway.yaml",
                   "instance:", "include: {tables: [\"t/*.yaml\", t/a.yaml, t/c.yml], routes: r.yaml}\ninstance:");
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    assert_int_equal(f->c->tables_len, 3);
    assert_span_is(lt_yaml_text(lt_yaml_get(f->c->tables[0], "table")), "a");
    assert_span_is(lt_yaml_text(lt_yaml_get(f->c->tables[1], "table")), "b");
    assert_span_is(lt_yaml_text(lt_yaml_get(f->c->tables[2], "table")), "c");
    assert_int_equal(f->c->routes_len, 1);
    assert_true(ends_with(f->c->tables[0]->file, "/t/a.yaml"));
}

static void the_folder_of_the_configuration_is_no_pattern(void **state)
{
    struct config_fixture *f = *state;
    config_write(f, "a[b]*/t/x.yaml", "table: x\n");
    config_write(f, "a[b]*/clients.yaml", "clients: []\n");
    config_write(
        f, "a[b]*/gateway.yaml",
        "instance: one\nstate_dir: s\nschemas_dir: ..\nkafka: {bootstrap.servers: \"h:1\"}\nclients: clients.yaml\n"
        "include: {tables: t/*.yaml}\n");
    LT_AUTOFREE char *path = lt_asprintf("%s/a[b]*/gateway.yaml", f->folder);
    struct lt_diags d = LT_DIAGS_INIT;
    assert_int_equal(lt_config_load(path, &f->c, &d), LT_E_INVALID);
    for (size_t i = 0; i < d.items.len; i++) /* ingest and schemas are missing, files are not */
        assert_null(strstr(d.items.v[i].text, "at least one file"));
    lt_diags_deinit(&d);
}

static void a_broken_include_is_told_at_its_own_place(void **state)
{
    struct config_fixture *f = *state;
    config_write(f, "m/a.yaml", "mapping: &a x\n");
    config_write(f, "m/b.yaml", "- x\n");
    config_write(f, "m/c.yaml", "x: [\n");
    config_replace(f, "gateway.yaml", "instance:", "include: {mappings: m/*.yaml, digests: [], tabels: x}\ninstance:");
    config_says(f, "m/a.yaml:1:10: expected the value alone, got an anchor");
    config_says(f, "m/b.yaml:1:1: file: expected a mapping, got a list");
    config_says(f, "m/c.yaml:2:1: expected YAML");
    config_says(f, "gateway.yaml:1:44: include: expected a known key, got 'tabels' (did you mean 'tables'?)");
    assert_int_equal(f->diags.errors, 4);
}

static void the_generation_follows_the_content_and_not_the_place(void **state)
{
    struct config_fixture *f = *state;
    assert_int_equal(config_load(f), LT_OK);
    uint64_t first = f->c->generation;
    assert_int_equal(config_load(f), LT_OK);
    assert_true(f->c->generation == first);
    config_replace(f, "clients.yaml", "h22\n", "h22 # one\n");
    assert_int_equal(config_load(f), LT_OK);
    assert_true(f->c->generation != first && f->c->generation != 0);

    struct config_fixture *other = NULL;
    assert_int_equal(config_fixture_make((void **)&other), 0);
    assert_string_not_equal(other->folder, f->folder);
    assert_int_equal(config_load(other), LT_OK);
    assert_true(other->c->generation == first);
    assert_int_equal(config_fixture_drop((void **)&other), 0);
}

static void kafka_properties_pass_and_secrets_are_resolved(void **state)
{
    struct config_fixture *f = *state;
    config_replace(
        f, "gateway.yaml", "kafka:\n",
        "kafka:\n  security.protocol: SASL_SSL\n  sasl.password: {file: receipt.key}\n  ssl.ca.location: pki/ca.crt\n"
        "  socket.keepalive.enable: true\n  sasl.username: {env: LT_TEST_USER}\n");
    assert_int_equal(setenv("LT_TEST_USER", "u", 1), 0);
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    assert_string_equal(prop(f->c, "security.protocol"), "SASL_SSL");
    assert_string_equal(prop(f->c, "sasl.password"), "0123456789abcdef0123456789abcdef");
    assert_string_equal(prop(f->c, "socket.keepalive.enable"), "true");
    assert_string_equal(prop(f->c, "sasl.username"), "u");
    assert_true(ends_with(prop(f->c, "ssl.ca.location"), "/pki/ca.crt") && prop(f->c, "ssl.ca.location")[0] == '/');
    assert_int_equal(unsetenv("LT_TEST_USER"), 0);
}

static void kafka_properties_that_the_gateway_owns_or_that_show_secrets_are_refused(void **state)
{
    struct config_fixture *f = *state;
    config_replace(
        f, "gateway.yaml", "kafka:\n",
        "kafka:\n  transactional.id: x\n  group.id: x\n  enable.auto.commit: true\n  isolation.level: x\n"
        "  sasl.password: hunter2\n  ssl.key.pem: hunter2\n  Security.Protocol: SSL\n  ssl.ca.location: [a]\n");
    assert_int_equal(config_load(f), LT_E_INVALID);
    assert_int_equal(f->diags.errors, 8);
    assert_non_null(
        strstr(f->said, "got 'transactional.id', which the gateway sets itself (it follows from instance)"));
    assert_non_null(strstr(f->said, "got 'enable.auto.commit', which the gateway sets itself"));
    assert_non_null(strstr(
        f->said, "kafka.sasl.password: expected {file: PATH} or {env: NAME}, got the secret itself (not shown)"));
    assert_non_null(strstr(f->said, "kafka: expected a property of librdkafka in lower case"));
    assert_null(strstr(f->said, "hunter2"));
    config_write(f, "gateway.yaml", "kafka: {bootstrap.servers: \"a:1, b\"}\n");
    config_says(f, "kafka.bootstrap.servers: expected host:port, or several of them with commas between, got 'a:1, b'");
}

static void the_intake_log_must_outlive_the_window(void **state)
{
    struct config_fixture *f = *state;
    /* 400 d + 2 x 2 d + 1 d */
    config_replace(f, "gateway.yaml", "instance:", "topics: {retention: {intake: 405d}}\ninstance:");
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    config_replace(f, "gateway.yaml", "405d", "404d");
    config_says(f, "gateway.yaml:1:30: topics.retention.intake: expected at least 405d");
    config_replace(f, "gateway.yaml", "instance:", "window: 399d\ninstance:"); /* 399 + 2 x 1.995 + 1 */
    assert_int_equal(config_load(f), LT_OK);
    config_replace(f, "gateway.yaml", "{retention: {intake: 404d}}", "{}");
    config_replace(f, "gateway.yaml", "399d", "500d"); /* the default of 440 d is judged too */
    config_says(f, "gateway.yaml:1:9: topics.retention.intake: expected at least 506d");
}

static void settings_that_do_not_fit_each_other_are_refused(void **state)
{
    struct config_fixture *f = *state;
    config_replace(f, "gateway.yaml", "instance:",
                   "topics: {replication: 1}\nadmin: {listen: \"0.0.0.0:1\"}\nschemas_dir: /nowhere\ninstance:");
    config_replace(f, "gateway.yaml", "ingest:\n",
                   "ingest:\n  listen: 0.0.0.0:1\n  memory: 1MiB\n  peer_tls: {key: k}\n");
    config_write(f, "short.key", "too short");
    config_replace(f, "gateway.yaml", "receipt_key: {file: receipt.key}", "receipt_key: {env: LT_TEST_KEY}");
    assert_int_equal(setenv("LT_TEST_KEY", "0123456789abcdef0123456789abcde", 1), 0);
    assert_int_equal(config_load(f), LT_E_INVALID);
    assert_non_null(strstr(f->said, "topics.min_insync: expected at most topics.replication (1), got 2"));
    assert_non_null(
        strstr(f->said, "admin.listen: expected an address of its own, got that of ingest.listen (0.0.0.0:1)"));
    assert_non_null(strstr(f->said, "warning: admin.listen: expected a loopback address"));
    assert_non_null(strstr(f->said, "warning: ingest.advertise: expected an address other instances can reach"));
    assert_non_null(strstr(f->said, "ingest.memory: expected at least ingest.body_max"));
    assert_non_null(
        strstr(f->said, "schemas_dir: expected the folder schemas with canonical/steps.yaml in it, got /nowhere"));
    assert_non_null(strstr(f->said, "ingest.peer_tls.certificate: expected a path, got nothing"));
    assert_non_null(strstr(f->said, "ingest.peer_tls.ca: expected a path, got nothing"));
    assert_non_null(
        strstr(f->said, "ingest.receipt_key: expected a secret of at least 32 bytes, got a shorter one (not shown)"));
    assert_null(strstr(f->said, "0123456789abcdef"));
    assert_int_equal(unsetenv("LT_TEST_KEY"), 0);
}

static void targets_have_their_defaults_and_their_own_rules(void **state)
{
    struct config_fixture *f = *state;
    config_replace(f, "gateway.yaml", "instance:", "include: {targets: t/*.yaml}\ninstance:");
    config_write(f, "t/a.yaml", "target: portal\nadapter: portal\nurl: http://127.0.0.1:1\n");
    config_write(f, "t/b.yaml",
                 "target: dan-cu\nadapter: population\nurl: https://h.example\n"
                 "tls: {certificate: ../c.crt, key: ../c.key, ca: ../ca.crt}\nretry: {max: 10s}\noptions: {x: 1}\n");
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    const struct lt_config_target *a = &f->c->targets[0], *b = &f->c->targets[1];
    assert_int_equal(f->c->targets_len, 2);
    assert_string_equal(a->name, "portal");
    assert_string_equal(a->adapter, "portal");
    assert_null(a->tls.certificate);
    assert_null(a->options);
    assert_int_equal(a->timeout_ms, 30000);
    assert_int_equal(a->connect_timeout_ms, 5000);
    assert_int_equal(a->concurrency, 32);
    assert_int_equal(a->rate, 0);
    assert_int_equal(a->retry_min_ms, 1000);
    assert_int_equal(a->retry_max_ms, 300000);
    assert_int_equal(a->settle_ms, 120000);
    assert_string_equal(b->adapter, "population");
    assert_int_equal(b->retry_max_ms, 10000);
    assert_true(ends_with(b->tls.ca, "/t/../ca.crt"));
    assert_span_is(lt_yaml_text(lt_yaml_get(b->options, "x")), "1");

    config_write(f, "t/b.yaml",
                 "target: portal\nadapter: population\nurl: https://h.example\nretry: {min: 10m}\noptions: x\n"
                 "timeout: 1s\n");
    assert_int_equal(config_load(f), LT_E_INVALID);
    assert_non_null(strstr(f->said, "t/b.yaml:1:9: target: expected a name of its own, got 'portal', which "));
    assert_non_null(strstr(
        f->said, "t/b.yaml:1:1: tls: expected {certificate: …, key: …, ca: …} for a url with https://, got nothing"));
    assert_non_null(strstr(f->said, "t/b.yaml:4:8: retry.min: expected at most retry.max, got more"));
    assert_non_null(strstr(f->said, "t/b.yaml:5:10: options: expected a mapping of the adapter's options, got 'x'"));
    assert_non_null(strstr(f->said, "t/b.yaml:6:10: connect_timeout: expected at most timeout, got more"));
    assert_int_equal(f->diags.errors, 5);

    static const char *const bad_names[] = {"Portal", "9a", "a.b", "lt_x", "abcdefghijklmnopqrstuvwxyz0123456"};
    for (size_t i = 0; i < LT_ARRAY_LEN(bad_names); i++) {
        LT_AUTOFREE char *text = lt_asprintf("target: %s\nadapter: portal\nurl: http://localhost\n", bad_names[i]);
        config_write(f, "t/b.yaml", text);
        config_says(f,
                    "t/b.yaml:1:9: target: expected a letter and up to 31 lower-case letters, digits and '-', got '");
    }
    static const char *const reserved[] = {"position",   "answers", "province", "quarantine",
                                           "deadletter", "audit",   "notify",   "ledger"};
    for (size_t i = 0; i < LT_ARRAY_LEN(reserved); i++) {
        LT_AUTOFREE char *text = lt_asprintf("target: %s\nadapter: portal\nurl: http://localhost\n", reserved[i]);
        config_write(f, "t/b.yaml", text);
        config_says(f, "target: expected a name that no topic of the gateway has");
    }
}

/* What an example may lack on the machine it is read on: the test looks for mistakes in the files alone. */
static void has_only(const char *path, const char *const *allowed)
{
    struct lt_config *c = NULL;
    struct lt_diags d = LT_DIAGS_INIT;
    int r = lt_config_load(path, &c, &d);
    assert_int_equal(r == LT_OK, d.errors == 0);
    for (size_t i = 0; i < d.items.len; i++) {
        bool fine = false;
        for (const char *const *a = allowed; *a && !fine; a++)
            fine = strstr(d.items.v[i].text, *a) != NULL;
        if (!fine)
            fail_msg("%s:%d: %s", d.items.v[i].file, d.items.v[i].line, d.items.v[i].text);
    }
    lt_diags_deinit(&d);
    lt_config_free(c);
}

static void the_shipped_configurations_hold_no_mistake(void **state)
{
    (void)state;
    static const char *const quickstart[] = {"expected a file with the secret, got none", NULL};
    static const char *const production[] = {
        "expected a file with the secret, got none", "schemas_dir: expected the folder schemas",
        "config/production/clients.yaml", "got none that fits config/production/", NULL};
    has_only("config/gateway.yaml", quickstart);
    has_only("config/production/gateway.yaml", production);
}

static void every_option_is_listed_with_a_help_text(void **state)
{
    (void)state;
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 20);
    lt_config_print_options(&out);
    struct lt_span rest = lt_buf_view(&out), line;
    size_t lines = 0;
    while (lt_span_cut(&rest, '\n', &line)) {
        if (!line.len)
            continue;
        lines++;
        const char *help = memmem(line.ptr, line.len, ". ", 2);
        if (!help || help + 3 >= line.ptr + line.len)
            fail_msg("no help: " LT_SPAN_FMT, LT_SPAN_ARG(line));
    }
    assert_true(lines > 80);
    assert_non_null(
        strstr(out.ptr, "\ningest.body_max: a size from 1KiB to 64MiB (4096 64KiB 4MiB 2GiB), default 4MiB. Largest "));
    assert_non_null(strstr(out.ptr, "\nschemas_dir: a path, default ../schemas. "));
    assert_non_null(strstr(out.ptr, "\ntargets.retry.max: a duration from 10ms to 1d"));
}

int main(void)
{
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, config_fixture_make, config_fixture_drop)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(every_option_has_its_default),
        WITH_FOLDER(ten_mistakes_are_ten_messages_in_one_run),
        WITH_FOLDER(a_duplicate_key_does_not_hide_the_other_mistakes),
        WITH_FOLDER(a_file_that_is_no_configuration_is_refused),
        WITH_FOLDER(includes_are_read_in_name_order_and_once),
        WITH_FOLDER(the_folder_of_the_configuration_is_no_pattern),
        WITH_FOLDER(a_broken_include_is_told_at_its_own_place),
        WITH_FOLDER(the_generation_follows_the_content_and_not_the_place),
        WITH_FOLDER(kafka_properties_pass_and_secrets_are_resolved),
        WITH_FOLDER(kafka_properties_that_the_gateway_owns_or_that_show_secrets_are_refused),
        WITH_FOLDER(the_intake_log_must_outlive_the_window),
        WITH_FOLDER(settings_that_do_not_fit_each_other_are_refused),
        WITH_FOLDER(targets_have_their_defaults_and_their_own_rules),
        cmocka_unit_test(the_shipped_configurations_hold_no_mistake),
        cmocka_unit_test(every_option_is_listed_with_a_help_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
