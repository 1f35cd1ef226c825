#include "gateway/config/load.h"

#include "gateway/base/file.h"

#include <errno.h>
#include <glob.h>

static void keep(struct lt_config *c, struct lt_yaml *y)
{
    c->files = lt_realloc(c->files, (c->files_len + 1) * sizeof(*c->files));
    c->files[c->files_len++] = y;
}

/* What the configuration says does not depend on the folder it stands in, so the hash knows no paths. */
static void hash_file(struct lt_config_load *l, struct lt_span text)
{
    lt_sha256_field(l->hash, text);
}

int lt_config_read(struct lt_config_load *l, const char *path, const struct lt_yaml_node *from,
                   const struct lt_yaml_node **ret)
{
    LT_AUTOFREE char *text = NULL;
    size_t len;
    struct lt_err err = LT_ERR_INIT;
    int r = lt_file_read(path, LT_YAML_SIZE_MAX, &text, &len, &err);
    if (r < 0) {
        lt_yaml_error(l->diags, from, "%s", err.text);
        return r;
    }
    struct lt_yaml *y;
    if ((r = lt_yaml_parse_tolerant(path, lt_span(text, len), &y, l->diags)) < 0)
        return r;
    keep(l->c, y);
    hash_file(l, lt_span(text, len));
    if (lt_yaml_root(y)->kind != LT_YAML_MAP) {
        lt_yaml_expected(l->diags, lt_yaml_root(y), "file", "a mapping");
        return LT_E_INVALID;
    }
    *ret = lt_yaml_root(y);
    return LT_OK;
}

static bool known(const struct lt_config_roots *roots, const char *path)
{
    for (size_t i = 0; i < roots->len; i++) {
        if (strcmp(roots->v[i]->file, path) == 0)
            return true;
    }
    return false;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b); /* the same in every locale */
}

/* The folder of the configuration may be called anything: only what is written in the file is a pattern. */
static char *literal(const char *path)
{
    struct lt_buf out = LT_BUF_INIT(SIZE_MAX);
    for (; *path; path++) {
        if (strchr("*?[\\", *path))
            lt_buf_char(&out, '\\');
        lt_buf_char(&out, *path);
    }
    return lt_buf_take(&out);
}

static void read_found(struct lt_config_load *l, const struct lt_yaml_node *n, const glob_t *found,
                       struct lt_config_roots *roots)
{
    qsort(found->gl_pathv, found->gl_pathc, sizeof(found->gl_pathv[0]), name_order);
    roots->v = lt_realloc(roots->v, (roots->len + found->gl_pathc) * sizeof(*roots->v));
    for (size_t i = 0; i < found->gl_pathc; i++) {
        const struct lt_yaml_node *root;
        if (!known(roots, found->gl_pathv[i]) && lt_config_read(l, found->gl_pathv[i], n, &root) == LT_OK)
            roots->v[roots->len++] = root;
    }
}

static void read_pattern(struct lt_config_load *l, const struct lt_yaml_node *n, const char *key,
                         struct lt_config_roots *roots)
{
    if (n->kind != LT_YAML_SCALAR || lt_yaml_is_null(n) || !n->text_len) {
        lt_yaml_expected(l->diags, n, key, "a path, a pattern (mappings/*.yaml), or a list of them");
        return;
    }
    LT_AUTOFREE char *file = literal(n->file), *pattern = lt_path_beside(file, n->text);
    glob_t found = {0};
    errno = 0;
    int r = glob(pattern, GLOB_ERR | GLOB_NOSORT, NULL, &found);
    if (r == GLOB_NOMATCH || (r == GLOB_ABORTED && (errno == ENOENT || errno == ENOTDIR)))
        lt_yaml_error(l->diags, n, "%s: expected at least one file, got none that fits %s", key, pattern);
    else if (r != 0)
        lt_yaml_error(l->diags, n, "%s: expected a readable folder, got an error for %s: %s", key, pattern,
                      strerror(errno));
    if (r == 0)
        read_found(l, n, &found, roots);
    globfree(&found);
}

struct lt_config_roots lt_config_read_all(struct lt_config_load *l, const struct lt_yaml_node *patterns,
                                          const char *key)
{
    struct lt_config_roots roots = {NULL, 0};
    if (patterns && patterns->kind == LT_YAML_SEQ) {
        for (size_t i = 0; i < patterns->len; i++)
            read_pattern(l, patterns->items[i], key, &roots);
    } else if (patterns) {
        read_pattern(l, patterns, key, &roots);
    }
    return roots;
}

const struct lt_yaml_node *lt_config_at(const struct lt_config_load *l, const char *dotted)
{
    const struct lt_yaml_node *at = l->root;
    struct lt_span rest = lt_span_str(dotted), part;
    while (lt_span_cut(&rest, '.', &part)) {
        char key[64];
        size_t n = LT_MIN(part.len, sizeof(key) - 1);
        memcpy(key, part.ptr, n);
        key[n] = '\0';
        const struct lt_yaml_node *next = lt_yaml_get(at, key);
        if (!next)
            break;
        at = next;
    }
    return at;
}

const struct lt_yaml_node *lt_config_section(struct lt_config_load *l, const struct lt_yaml_node *n,
                                             const struct lt_yaml_node *parent)
{
    if (n)
        return n;
    struct lt_yaml_node *empty = lt_arena_alloc(&l->c->arena, sizeof(*empty));
    *empty = (struct lt_yaml_node){
        .kind = LT_YAML_MAP, .file = parent->file, .line = parent->line, .column = parent->column, .text = ""};
    return empty;
}

const char *lt_config_suggest(struct lt_config_load *l, const char *word, const char *const *words)
{
    const char *near = lt_nearest(lt_span_str(word), words);
    return near ? lt_arena_printf(&l->c->arena, " (did you mean '%s'?)", near) : "";
}
