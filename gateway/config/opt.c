#include "gateway/config/opt.h"

#include "gateway/config/value.h"

#include <assert.h>

static const char *full_key(const char *context, const char *key, struct lt_arena *a)
{
    return context && *context ? lt_arena_printf(a, "%s.%s", context, key) : key;
}

/* A default is written as in a file and read by the same code, so what the table shows is what one could write. */
static void set_default(const struct lt_opt *o, const struct lt_yaml_node *n, void *ret, struct lt_arena *a)
{
    if (!o->fallback)
        return;
    if (!*o->fallback && o->type == LT_OPT_STRING) {
        *(const char **)((char *)ret + o->offset) = "";
        return;
    }
    struct lt_yaml_node as_written = {
        .kind = LT_YAML_SCALAR, .file = n ? n->file : NULL, .text = o->fallback, .text_len = strlen(o->fallback)};
    struct lt_diags none = LT_DIAGS_INIT;
    bool good = o->type != LT_OPT_SECRET && o->type != LT_OPT_NODE &&
                lt_value_decode(o, &as_written, o->key, (char *)ret + o->offset, a, &none);
    lt_diags_deinit(&none);
    assert(good);
    (void)good;
}

static void refuse_unknown(const struct lt_yaml_node *n, const char *context, const struct lt_opt *opts, size_t n_opts,
                           struct lt_diags *diags)
{
    LT_AUTOFREE const char **known = lt_calloc(n_opts + 1, sizeof(*known));
    for (size_t i = 0; i < n_opts; i++)
        known[i] = opts[i].key;
    lt_yaml_only_keys(diags, n, context && *context ? context : "configuration", known);
}

size_t lt_opts_decode(const struct lt_yaml_node *n, const char *context, const struct lt_opt *opts, size_t n_opts,
                      void *ret, struct lt_arena *a, struct lt_diags *diags)
{
    size_t errors = diags->errors;
    for (size_t i = 0; i < n_opts; i++)
        set_default(&opts[i], n, ret, a);
    if (n && n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, context && *context ? context : "configuration", "a mapping");
        return diags->errors - errors;
    }
    if (n)
        refuse_unknown(n, context, opts, n_opts, diags);
    for (size_t i = 0; i < n_opts; i++) {
        const struct lt_yaml_node *v = lt_yaml_get(n, opts[i].key);
        const char *key = full_key(context, opts[i].key, a);
        if (v && opts[i].offset == LT_OPT_NOWHERE)
            continue;
        if (v)
            (void)lt_value_decode(&opts[i], v, key, (char *)ret + opts[i].offset, a, diags);
        else if (opts[i].required)
            lt_yaml_error(diags, n, "%s: expected %s, got nothing", key, lt_value_expected(&opts[i], a));
    }
    return diags->errors - errors;
}

void lt_opts_print(const char *context, const struct lt_opt *opts, size_t n_opts, struct lt_buf *out)
{
    struct lt_arena a = LT_ARENA_INIT;
    for (size_t i = 0; i < n_opts; i++) {
        const struct lt_opt *o = &opts[i];
        lt_buf_printf(out, "%s: %s", full_key(context, o->key, &a), lt_value_expected(o, &a));
        if (o->required)
            lt_buf_str(out, ", required");
        else if (o->fallback)
            lt_buf_printf(out, ", default %s", o->fallback);
        lt_buf_printf(out, ". %s\n", o->help ? o->help : "");
    }
    lt_arena_deinit(&a);
}
