#include "gateway/config/value.h"

#include "gateway/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define SECRET_MAX ((size_t)64 << 10)
#define SECRET_FORM "{file: PATH} or {env: NAME}"

bool lt_secret_is(const struct lt_yaml_node *n)
{
    return n && n->kind == LT_YAML_MAP && n->len == 1 && (lt_yaml_get(n, "file") || lt_yaml_get(n, "env"));
}

static void wipe(struct lt_span s)
{
    explicit_bzero((char *)(uintptr_t)s.ptr, s.len);
}

static const char *from_file(const struct lt_yaml_node *n, const char *key, struct lt_arena *a, struct lt_diags *diags)
{
    LT_AUTOFREE char *path = lt_path_beside(n->file, n->text);
    struct stat st;
    if (stat(path, &st) != 0) {
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got none at %s (%s)", key, path, strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got something else at %s", key, path);
        return NULL;
    }
    if (st.st_mode & 077) {
        lt_yaml_error(diags, n, "%s: expected a file that only its owner can read (chmod 600 %s), got mode %04o", key,
                      path, (unsigned)(st.st_mode & 07777));
        return NULL;
    }
    LT_AUTOFREE char *text = NULL;
    size_t len;
    struct lt_err err = LT_ERR_INIT;
    if (lt_file_read(path, SECRET_MAX, &text, &len, &err) < 0) {
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got: %s", key, err.text);
        return NULL;
    }
    struct lt_span s = lt_span(text, len);
    if (s.len && s.ptr[s.len - 1] == '\n')
        s.len--;
    if (s.len && s.ptr[s.len - 1] == '\r')
        s.len--;
    const char *ret = NULL;
    if (s.len == 0)
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got an empty one at %s", key, path);
    else if (memchr(s.ptr, '\0', s.len))
        lt_yaml_error(diags, n, "%s: expected a secret as text, got bytes with NUL in %s", key, path);
    else
        ret = lt_arena_str(a, s);
    wipe(lt_span(text, len));
    return ret;
}

const char *lt_secret_read(const struct lt_yaml_node *n, const char *key, struct lt_arena *a, struct lt_diags *diags)
{
    static const char *const known[] = {"file", "env", NULL};
    if (n->kind == LT_YAML_SCALAR && !lt_yaml_is_null(n)) {
        /* Perhaps a real password: say what to write, show nothing of it. */
        lt_yaml_error(diags, n, "%s: expected " SECRET_FORM ", got the secret itself (not shown)", key);
        return NULL;
    }
    if (!lt_secret_is(n)) {
        if (n->kind == LT_YAML_MAP && n->len)
            lt_yaml_only_keys(diags, n, key, known);
        lt_yaml_expected(diags, n, key, SECRET_FORM);
        return NULL;
    }
    const struct lt_yaml_node *v = n->items[0];
    if (v->kind != LT_YAML_SCALAR || lt_yaml_is_null(v) || !v->text_len) {
        lt_yaml_expected(diags, v, key,
                         lt_yaml_get(n, "file") ? "the path of a file" : "the name of an environment variable");
        return NULL;
    }
    if (lt_yaml_get(n, "file"))
        return from_file(v, key, a, diags);
    const char *text = getenv(v->text);
    if (!text || !*text) {
        lt_yaml_error(diags, v, "%s: expected the environment variable %s to hold the secret, got %s", key, v->text,
                      text ? "an empty one" : "none");
        return NULL;
    }
    return lt_arena_str(a, lt_span_str(text));
}
