#include "tests/unit/config_fixture.h"

#include "gateway/base/file.h"

#include <stdio.h>
#include <unistd.h>

static const char gateway_yaml[] = "instance: one\n"
                                   "state_dir: state\n"
                                   "schemas_dir: ROOT/schemas\n"
                                   "kafka:\n"
                                   "  bootstrap.servers: 127.0.0.1:19092\n"
                                   "ingest:\n"
                                   "  tls: {certificate: s.crt, key: s.key, client_ca: ca.crt}\n"
                                   "  receipt_key: {file: receipt.key}\n"
                                   "clients: clients.yaml\n";
static const char clients_yaml[] = "clients:\n"
                                   "  - name: h22\n"
                                   "    role: province\n"
                                   "    match: {san: \"urn:lienthong:client:h22\"}\n"
                                   "    provinces: [H22]\n";

static char *path_of(const struct config_fixture *f, const char *name)
{
    return lt_asprintf("%s/%s", f->folder, name);
}

static void put(const struct config_fixture *f, const char *name, struct lt_span text, unsigned mode)
{
    LT_AUTOFREE char *path = path_of(f, name), *folder = lt_strdup(path);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(lt_mkdirs(folder, 0755, NULL), LT_OK);
    assert_int_equal(lt_file_write(path, text, mode, NULL), LT_OK);
}

void config_write(const struct config_fixture *f, const char *name, const char *text)
{
    put(f, name, lt_span_str(text), 0644);
}

void config_replace(const struct config_fixture *f, const char *name, const char *from, const char *to)
{
    LT_AUTOFREE char *path = path_of(f, name);
    LT_AUTOFREE char *text = NULL;
    size_t len;
    assert_int_equal(lt_file_read(path, 1 << 20, &text, &len, NULL), LT_OK);
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("%s does not hold \"%s\"", name, from);
    LT_AUTOFREE char *changed = lt_asprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    config_write(f, name, changed);
}

int config_fixture_make(void **state)
{
    struct config_fixture *f = lt_alloc(sizeof(*f));
    f->folder = harness_folder();
    char root[4096];
    assert_non_null(getcwd(root, sizeof(root)));
    config_write(f, "gateway.yaml", gateway_yaml);
    config_replace(f, "gateway.yaml", "ROOT", root);
    config_write(f, "clients.yaml", clients_yaml);
    put(f, "receipt.key", LT_SPAN_LIT("0123456789abcdef0123456789abcdef\n"), 0600);
    *state = f;
    return 0;
}

static void clear(struct config_fixture *f)
{
    lt_config_free(f->c);
    f->c = NULL;
    lt_diags_deinit(&f->diags);
    free(f->said);
    f->said = NULL;
}

int config_fixture_drop(void **state)
{
    struct config_fixture *f = *state;
    clear(f);
    harness_folder_remove(f->folder);
    free(f);
    return 0;
}

static char *without(const char *text, const char *part)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(SIZE_MAX);
    const char *at;
    for (; (at = strstr(text, part)); text = at + strlen(part))
        lt_buf_append(&out, text, (size_t)(at - text));
    lt_buf_str(&out, text);
    return lt_buf_take(&out);
}

int config_load(struct config_fixture *f)
{
    clear(f);
    LT_AUTOFREE char *path = path_of(f, "gateway.yaml"), *folder = path_of(f, "");
    f->code = lt_config_load(path, &f->c, &f->diags);
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 20);
    lt_diags_print(&f->diags, &out);
    LT_AUTOFREE char *said = lt_buf_take(&out);
    f->said = without(said, folder);
    assert_int_equal(f->code == LT_OK, f->c != NULL);
    return f->code;
}

void config_says_at(struct config_fixture *f, const char *message, const char *file, int line)
{
    config_load(f);
    if (strstr(f->said, message))
        return;
    print_error("expected \"%s\", got:\n%s", message, f->said);
    _fail(file, line);
}
