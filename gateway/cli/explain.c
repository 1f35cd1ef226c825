/* lienthong explain FILE: which rule made each canonical field, and from which place of the input. */
#include "gateway/base/file.h"
#include "gateway/cli/cli.h"

#include <stdio.h>

#define INPUT_MAX (16u << 20)

static const char *media_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".xml") == 0)
        return "application/xml";
    if (dot && strcmp(dot, ".ndjson") == 0)
        return "application/x-ndjson";
    return "application/json";
}

static int explain(int argc, char **argv)
{
    static const struct option extra[] = {{"media", required_argument, NULL, 'm'}, {0}};
    struct lt_cli_options o = {0};
    const char *media = NULL;
    int letter;
    while ((letter = lt_cli_option(argc, argv, extra, &o)) == 'm')
        media = optarg;
    if (o.help)
        return lt_cli_help(&lt_command_explain);
    if (letter != -1 || optind + 1 != argc)
        return lt_cli_usage(&lt_command_explain);
    const char *path = argv[optind];
    LT_AUTOFREE char *body = NULL;
    size_t len;
    struct lt_err err = LT_ERR_INIT;
    if (lt_file_read(path, INPUT_MAX, &body, &len, &err) < 0) {
        fprintf(stderr, "lienthong explain: %s\n", err.text);
        return LT_EXIT_USAGE;
    }
    struct lt_compiled c;
    int r = lt_compiled_load_or_complain(o.config, &c);
    if (r != LT_EXIT_OK)
        return r;
    struct lt_translator *t = lt_translator_new(c.mappings);
    struct lt_input in = {
        .media = lt_span_str(media ? media : media_of(path)),
        .body = lt_span(body, len),
        .depth_max = (size_t)c.config->ingest.depth_max,
        .batch_max = (size_t)c.config->ingest.batch_max,
    };
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(64 << 20);
    lt_explain(t, &in, o.json, &out);
    fwrite(out.ptr ? out.ptr : "", 1, out.len, stdout);

    /* The exit code tells whether the input would be accepted whole. */
    struct lt_translation tr;
    lt_translation_init(&tr);
    lt_translate(t, &in, &tr);
    bool accepted = !tr.refused;
    for (size_t i = 0; i < tr.items.len; i++)
        accepted = accepted && tr.items.v[i].accepted;
    lt_translation_deinit(&tr);
    lt_translator_free(t);
    lt_compiled_deinit(&c);
    return accepted ? LT_EXIT_OK : LT_EXIT_FINDING;
}

const struct lt_command lt_command_explain = {
    "explain", "[--media TYPE] [--json] FILE",
    "show for each canonical field the rule and the place in the input it came from", explain,
    "  --media TYPE    application/xml, application/json or application/x-ndjson; by the file's name when left out\n"
    "  --json          the canonical events as JSON, as the examples of a mapping hold them. Needs no Kafka and sends "
    "nothing\n"
    "  exit 0, 1 refused (with field and place), 78 the configuration has errors\n"};
