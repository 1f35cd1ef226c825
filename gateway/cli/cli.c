#include "gateway/cli/cli.h"

#include "gateway/codec/xml.h"
#include "gateway/kafka/properties.h"

#include <stdio.h>
#include <unistd.h>

#define OPTIONS_MAX 24

static const struct option common[] = {
    {"config", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, 'j'},
    {"dry-run", no_argument, NULL, 'n'},
    {"help", no_argument, NULL, 'h'},
};

int lt_cli_option(int argc, char **argv, const struct option *extra, struct lt_cli_options *ret)
{
    struct option all[OPTIONS_MAX] = {0};
    size_t n = 0;
    for (; n < LT_ARRAY_LEN(common); n++)
        all[n] = common[n];
    for (; extra && extra->name && n + 1 < OPTIONS_MAX; extra++)
        all[n++] = *extra;
    if (!ret->config) {
        const char *env = getenv("LIENTHONG_CONFIG");
        ret->config = env && *env ? env : "config/gateway.yaml";
    }
    for (;;) {
        int o = getopt_long(argc, argv, "c:jnh", all, NULL);
        switch (o) {
        case 'c':
            ret->config = optarg;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'n':
            ret->dry_run = true;
            break;
        case 'h':
            ret->help = true;
            break;
        default:
            return o;
        }
    }
}

/* Who sends events has no configuration of the gateway. */
static bool reads_config(const struct lt_command *c)
{
    return c != &lt_command_submit && c != &lt_command_version;
}

static void print_usage(FILE *to, const struct lt_command *c)
{
    fprintf(to, "usage: lienthong %s %s%s\n  %s\n", c->name, reads_config(c) ? "[--config FILE] " : "", c->arguments,
            c->summary);
}

int lt_cli_usage(const struct lt_command *c)
{
    print_usage(stderr, c);
    return LT_EXIT_USAGE;
}

int lt_cli_help(const struct lt_command *c)
{
    print_usage(stdout, c);
    printf("\n%s", c->details ? c->details : "");
    if (reads_config(c))
        puts("  --config FILE   else $LIENTHONG_CONFIG, else config/gateway.yaml; paths in it are relative to it");
    return LT_EXIT_OK;
}

#define WHERE "--config FILE or $LIENTHONG_CONFIG says where the configuration is"

int lt_cli_bad_config(const struct lt_command *c, const char *path)
{
    if (access(path, F_OK) != 0)
        fprintf(stderr, "lienthong %s: there is no %s: " WHERE "\n", c->name, path);
    else
        fprintf(stderr, "lienthong %s: the configuration %s has errors; `lienthong check` shows them\n", c->name, path);
    return LT_EXIT_CONFIG;
}

int lt_compiled_load(const char *path, struct lt_compiled *ret, struct lt_diags *diags)
{
    *ret = (struct lt_compiled){0};
    lt_xml_init();
    /* Each step reports what it finds in diags and leaves what could be compiled, so that one run finds every mistake.
     */
    bool whole = lt_config_survey(path, &ret->config, diags) == LT_OK;
    if (!ret->config) {
        if (access(path, F_OK) != 0)
            lt_diags_add(diags, LT_DIAG_WARNING, path, 0, 0, WHERE);
        return LT_EXIT_CONFIG;
    }
    whole = lt_tables_survey(ret->config, diags, &ret->tables) == LT_OK && whole;
    whole = lt_routes_new(ret->config, ret->tables, diags, &ret->routes) == LT_OK && whole;
    whole = lt_mappings_survey(ret->config, diags, &ret->mappings) == LT_OK && whole;
    return whole && diags->errors == 0 ? LT_EXIT_OK : LT_EXIT_CONFIG;
}

void lt_compiled_deinit(struct lt_compiled *c)
{
    lt_routes_free(c->routes);
    lt_mappings_free(c->mappings);
    lt_tables_free(c->tables);
    lt_config_free(c->config);
    *c = (struct lt_compiled){0};
}

int lt_compiled_load_or_complain(const char *path, struct lt_compiled *ret)
{
    struct lt_diags diags = LT_DIAGS_INIT;
    int r = lt_compiled_load(path, ret, &diags);
    if (r != LT_EXIT_OK) {
        LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 20);
        lt_diags_print(&diags, &out);
        fprintf(stderr, "%slienthong: the configuration %s has errors; `lienthong check` shows all findings\n",
                out.ptr ? out.ptr : "", path);
        lt_compiled_deinit(ret);
    }
    lt_diags_deinit(&diags);
    return r;
}

void lt_cli_check_kafka(const struct lt_config *c, struct lt_diags *diags)
{
    const struct lt_yaml_node *section = lt_yaml_get(lt_yaml_root(c->files[0]), "kafka"), *at = section;
    const struct lt_config_prop *props = c->kafka.props;
    struct lt_err err = LT_ERR_INIT;
    size_t before = diags->errors;
    for (size_t i = 0; i < c->kafka.props_len; i++)
        if (lt_kafka_property_check(&props[i], &err) < 0)
            lt_yaml_error(diags, lt_yaml_get(section, props[i].name), "kafka: expected what librdkafka takes, got %s",
                          err.text);
    if (diags->errors > before || lt_kafka_properties_check(props, c->kafka.props_len, &err) == LT_OK)
        return;
    for (size_t i = 0; i < c->kafka.props_len; i++)
        if (strstr(err.text, props[i].name))
            at = lt_yaml_get(section, props[i].name);
    lt_yaml_error(diags, at, "kafka: expected what librdkafka takes, got %s", err.text);
}
