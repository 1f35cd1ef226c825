/* lienthong check: everything that can be known wrong before anything runs. */
#include "gateway/base/clock.h"
#include "gateway/cli/adapters.h"
#include "gateway/cli/cli.h"
#include "gateway/codec/json.h"

#include <stdio.h>

static void print_text(struct lt_diags *diags, const struct lt_compiled *c, size_t examples)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(8 << 20);
    lt_diags_print(diags, &out);
    fputs(out.ptr ? out.ptr : "", stdout);
    size_t warnings = diags->items.len - diags->errors;
    if (c->config)
        printf("%s: %zu mappings, %zu examples, %zu tables, %zu clients, %zu targets: ", c->config->path,
               c->config->mappings_len, examples, c->config->tables_len, c->config->clients_len,
               c->config->targets_len);
    if (diags->errors)
        printf("%zu error%s, %zu warning%s\n", diags->errors, diags->errors == 1 ? "" : "s", warnings,
               warnings == 1 ? "" : "s");
    else
        printf("ok%s\n", warnings ? ", with warnings" : "");
}

static void print_json(const struct lt_diags *diags, size_t examples)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(8 << 20);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_flag(&w, "ok", diags->errors == 0);
    lt_json_num(&w, "errors", (int64_t)diags->errors);
    lt_json_num(&w, "examples", (int64_t)examples);
    lt_json_key(&w, LT_SPAN_LIT("findings"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < diags->items.len; i++) {
        const struct lt_diag *d = &diags->items.v[i];
        lt_json_begin_object(&w);
        lt_json_str(&w, "severity", lt_span_str(d->severity == LT_DIAG_ERROR ? "error" : "warning"));
        lt_json_str(&w, "file", lt_span_str(d->file ? d->file : ""));
        lt_json_num(&w, "line", d->line);
        lt_json_num(&w, "column", d->column);
        lt_json_str(&w, "text", lt_span_str(d->text));
        lt_json_end_object(&w);
    }
    lt_json_end_array(&w);
    lt_json_end_object(&w);
    puts(out.ptr);
}

static int print_options(void)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 20);
    lt_config_print_options(&out);
    lt_adapters_print_options(&out);
    fputs(out.ptr, stdout);
    return LT_EXIT_OK;
}

static int check(int argc, char **argv)
{
    static const struct option extra[] = {{"options", no_argument, NULL, 'o'}, {0}};
    struct lt_cli_options o = {0};
    bool options = false;
    int letter;
    while ((letter = lt_cli_option(argc, argv, extra, &o)) == 'o')
        options = true;
    if (letter != -1 || optind != argc)
        return lt_cli_usage(&lt_command_check);
    if (o.help)
        return lt_cli_help(&lt_command_check);
    if (options)
        return print_options();
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_compiled c;
    size_t examples = 0;
    int whole = lt_compiled_load(o.config, &c, &diags); /* the findings decide */
    if (c.mappings)
        examples = lt_mappings_run_examples(c.mappings, &diags);
    /* Of half of the routes or tables it would be hundreds of warnings around the one mistake. */
    if (whole == LT_EXIT_OK)
        lt_routes_check_reach(c.routes, c.tables, &diags);
    if (c.config) {
        lt_cli_check_kafka(c.config, &diags);
        lt_adapters_check(c.config, &diags);
        lt_config_check_certificates(c.config, lt_now_ms(), false, &diags);
    }
    if (o.json)
        print_json(&diags, examples);
    else
        print_text(&diags, &c, examples);
    int r = diags.errors ? LT_EXIT_CONFIG : LT_EXIT_OK;
    lt_compiled_deinit(&c);
    lt_diags_deinit(&diags);
    return r;
}

const struct lt_command lt_command_check = {
    "check", "[--json] | --options",
    "compile the configuration, run every example, check routes and certificates; exit 78 on errors", check,
    "  prints FILE:LINE:COLUMN: what was expected, for every finding; warnings alone are exit 0. Needs no Kafka\n"
    "  --json          the findings as JSON\n"
    "  --options       instead, every option that a configuration may hold: form, default, meaning\n"};
