/* lienthong procedures pull: the portal's catalogue into an effective-dated table, with the difference shown. */
#include "adapters/portal/procedures.h"
#include "adapters/portal/client.h"
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/decide.h"
#include "gateway/cli/portal_target.h"
#include "gateway/ops/courier.h"

#include <stdio.h>
#include <unistd.h>

#define TABLE_MAX ((size_t)64 << 20)
#define TABLE_NAME "portal-procedures"

static const char *const words[] = {
    [LT_PROC_ADDED] = "added", [LT_PROC_CHANGED] = "changed", [LT_PROC_VANISHED] = "vanished", [LT_PROC_BACK] = "back"};

static int pull(struct lt_portal_client *client, struct lt_procedures *now, struct lt_err *err)
{
    struct lt_procedures codes = LT_PROCEDURES_INIT;
    struct lt_json *answer = NULL;
    bool terminal = isatty(STDERR_FILENO);
    int r = lt_portal_client_call(client, LT_PORTAL_PROCEDURES, "LayDanhSachTTHC", true, LT_SPAN_NULL, &answer, err);
    if (r == LT_OK)
        r = lt_procedures_codes(lt_json_root(answer), &codes, err);
    lt_json_free(lt_steal(&answer));
    for (size_t i = 0; r == LT_OK && i < codes.list.len; i++) {
        const char *code = codes.list.v[i].values[LT_PROC_CODE];
        LT_AUTOBUF struct lt_buf members = LT_BUF_INIT(4096);
        lt_buf_str(&members, "\"maTTHC\":");
        lt_buf_json(&members, lt_span_str(code));
        r = lt_portal_client_call(client, LT_PORTAL_PROCEDURE, "LayThuTuc", false, lt_buf_view(&members), &answer, err);
        if (r == LT_OK)
            r = lt_procedures_take(lt_json_root(answer), lt_span_str(code), now, err);
        lt_json_free(lt_steal(&answer));
        if (terminal)
            fprintf(stderr, "\r%zu of %zu procedures%s", i + 1, codes.list.len, i + 1 == codes.list.len ? "\n" : "");
    }
    lt_procedures_deinit(&codes);
    return r;
}

static void show(const struct lt_procedure_changes *changes, size_t now, bool json, bool written)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(TABLE_MAX);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_num(&w, "procedures", (int64_t)now);
    lt_json_flag(&w, "written", written);
    lt_json_key(&w, LT_SPAN_LIT("changes"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < changes->list.len; i++) {
        const struct lt_procedure_change *c = &changes->list.v[i];
        bool field = c->what == LT_PROC_CHANGED;
        if (!json)
            printf("%-8s %s %s\n", words[c->what], c->code, c->name);
        if (!json && field)
            printf("         %s: %s -> %s\n", c->field, *c->before ? c->before : "(nothing)",
                   *c->after ? c->after : "(nothing)");
        lt_json_begin_object(&w);
        lt_json_str(&w, "what", lt_span_str(words[c->what]));
        lt_json_str(&w, "code", lt_span_str(c->code));
        lt_json_str(&w, "name", lt_span_str(c->name));
        if (field) {
            lt_json_str(&w, "field", lt_span_str(c->field));
            lt_json_str(&w, "before", lt_span_str(c->before));
            lt_json_str(&w, "after", lt_span_str(c->after));
        }
        lt_json_end_object(&w);
    }
    lt_json_end_array(&w);
    lt_json_end_object(&w);
    if (json)
        puts(out.ptr);
    else
        printf("%zu procedures at the portal, %zu differences%s\n", now, changes->list.len,
               written             ? ", written"
               : changes->list.len ? ", nothing written"
                                   : "");
}

/* One pull: where to, on whose word. */
struct pull {
    const struct lt_portal_target *target;
    const char *path, *who;
    bool dry_run, json, force;
};

static size_t count(const struct lt_procedure_changes *changes, int what)
{
    size_t n = 0;
    for (size_t i = 0; i < changes->list.len; i++)
        n += (int)changes->list.v[i].what == what;
    return n;
}

/* Who changed the table, how much and whether by force; before it is written. */
static int audit(const struct pull *p, const struct lt_procedure_changes *changes, struct lt_err *err)
{
    LT_AUTOBUF struct lt_buf what = LT_BUF_INIT(4096);
    lt_buf_str(&what, "\"target\":");
    lt_buf_json(&what, lt_span_str(p->target->target->name));
    lt_buf_str(&what, ",\"table\":");
    lt_buf_json(&what, lt_span_str(p->path));
    for (size_t i = 0; i < LT_ARRAY_LEN(words); i++)
        lt_buf_printf(&what, ",\"%s\":%zu", words[i], count(changes, (int)i));
    lt_buf_printf(&what, ",\"forced\":%s", p->force ? "true" : "false");
    return lt_audit(p->target->config, p->who, "procedures-pull", lt_buf_view(&what), err);
}

static int merge(const struct pull *p, const struct lt_procedures *now)
{
    struct lt_procedures table = LT_PROCEDURES_INIT;
    struct lt_procedure_changes changes = {0};
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_err err = LT_ERR_INIT;
    char day[9], today[16];
    int code = LT_EXIT_OK;
    lt_time_date(lt_now_ms(), day);
    snprintf(today, sizeof(today), "%.4s-%.2s-%.2s", day, day + 4, day + 6);
    if (lt_procedures_load(p->path, &table, &diags) != LT_OK) {
        LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(1 << 20);
        lt_diags_print(&diags, &text);
        fputs(lt_buf_view(&text).ptr, stderr);
        code = LT_EXIT_CONFIG;
    } else {
        size_t before = lt_procedures_in_force(&table);
        lt_procedures_merge(&table, now, today, &changes);
        bool many = before > 0 && count(&changes, LT_PROC_VANISHED) * 2 > before;
        bool write = !p->dry_run && changes.list.len > 0;
        if (write && many && !p->force) {
            fprintf(stderr, "lienthong procedures: more than half of the procedures in force vanished at the portal; "
                            "look at it, then "
                            "pull again with --force\n");
            write = false;
            code = LT_EXIT_FINDING;
        }
        LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(TABLE_MAX);
        lt_procedures_write(&table, TABLE_NAME, &out);
        if (write &&
            (audit(p, &changes, &err) != LT_OK || lt_file_write(p->path, lt_buf_view(&out), 0644, &err) != LT_OK)) {
            fprintf(stderr, "lienthong procedures: %s\n", err.text);
            write = false;
            code = LT_EXIT_UNAVAILABLE;
        }
        show(&changes, now->list.len, p->json, write);
        if (p->dry_run && changes.list.len > 0)
            code = LT_EXIT_FINDING;
    }
    lt_vec_deinit(&changes.list);
    lt_procedures_deinit(&table);
    lt_diags_deinit(&diags);
    return code;
}

static int procedures(int argc, char **argv)
{
    static const struct option extra[] = {{"target", required_argument, NULL, 't'},
                                          {"table", required_argument, NULL, 'T'},
                                          {"force", no_argument, NULL, 'f'},
                                          {"who", required_argument, NULL, 'w'},
                                          {0}};
    struct lt_cli_options o = {0};
    struct lt_portal_target t;
    struct pull p = {.target = &t, .path = "config/tables/" TABLE_NAME ".yaml", .who = lt_decide_login()};
    const char *target = NULL;
    int letter;
    while ((letter = lt_cli_option(argc, argv, extra, &o)) > 0) {
        if (letter == 't')
            target = optarg;
        else if (letter == 'T')
            p.path = optarg;
        else if (letter == 'f')
            p.force = true;
        else if (letter == 'w')
            p.who = optarg;
        else
            return lt_cli_usage(&lt_command_procedures);
    }
    if (o.help)
        return lt_cli_help(&lt_command_procedures);
    if (letter != -1 || optind + 1 != argc || strcmp(argv[optind], "pull") != 0)
        return lt_cli_usage(&lt_command_procedures);
    p.dry_run = o.dry_run;
    p.json = o.json;
    int code = lt_portal_target_open(o.config, target, "procedures", &t);
    if (code != LT_EXIT_OK)
        return code;
    struct lt_procedures now = LT_PROCEDURES_INIT;
    struct lt_err err = LT_ERR_INIT;
    int r = pull(t.client, &now, &err);
    if (r == LT_OK && now.list.len == 0)
        r = lt_err_set(&err, LT_E_INVALID, "empty", "the portal listed no procedures at all: nothing is changed");
    if (r == LT_OK) {
        code = merge(&p, &now);
    } else { /* a table of half a catalogue would end the other half */
        fprintf(stderr, "lienthong procedures: %s; the table is as it was\n", err.text);
        code = r == LT_E_INVALID ? LT_EXIT_FINDING : LT_EXIT_UNAVAILABLE;
    }
    lt_procedures_deinit(&now);
    lt_portal_target_close(&t);
    return code;
}

const struct lt_command lt_command_procedures = {
    "procedures", "pull [--target NAME] [--table FILE] [--force] [--who NAME] [--dry-run] [--json]",
    "the portal's procedures into config/tables/portal-procedures.yaml, with the difference; exit 1: differences "
    "(--dry-run) or too many vanished",
    procedures,
    "  --target NAME   which portal, where there are several; --table FILE: another table of the configuration's "
    "folder\n"
    "  --force         write although more than half vanished; --dry-run: only the difference; --who NAME for the "
    "audit (the login); --json\n"
    "  exit 0, 1 as above, 69 the portal or Kafka does not answer, 78 configuration\n"};
