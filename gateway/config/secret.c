#include "gateway/config/secret.h"

#include "gateway/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX ((size_t)64 << 10)
#define SECRET_FORM "{file: PATH} or {env: NAME}"

bool lt_secret_is(const struct lt_yaml_node *n)
{
    return n && n->kind == LT_YAML_MAP && n->len == 1 && (lt_yaml_get(n, "file") || lt_yaml_get(n, "env"));
}

/* ---- its text ---- */

static void forget(const char *text, size_t len)
{
    OPENSSL_cleanse((char *)(uintptr_t)text, len);
    free((char *)(uintptr_t)text);
}

void lt_secret_deinit(struct lt_secret *s)
{
    if (s->text)
        forget(s->text, strlen(s->text));
    *s = (struct lt_secret){0};
}

/* ---- its file ---- */

static void closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* The file's kind and mode, of what was opened: nobody can put another one in between. */
static bool file_fits(int fd, const struct lt_yaml_node *n, const char *key, const char *path, struct lt_diags *diags)
{
    struct stat st;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got none at %s (%s)", key, path, strerror(errno));
    else if (fd < 0 || fstat(fd, &st) != 0)
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got one that cannot be opened at %s (%s)", key,
                      path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got something else at %s", key, path);
    else if (st.st_mode & 077)
        lt_yaml_error(diags, n, "%s: expected a file that only its owner can read (chmod 600 %s), got mode %04o", key,
                      path, (unsigned)(st.st_mode & 07777));
    else
        return true;
    return false;
}

/* All of it, -1 when it cannot be read; more than SECRET_MAX: too long. */
static ssize_t read_all(int fd, char *to)
{
    size_t len = 0;
    while (len <= SECRET_MAX) {
        ssize_t n = read(fd, to + len, SECRET_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -1 : (ssize_t)len;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* buf holds SECRET_MAX + 1 bytes and is the only place where the file's bytes ever stand. */
static struct lt_span file_text(const struct lt_yaml_node *n, const char *key, const char *path, char *buf,
                                struct lt_diags *diags)
{
    /* Not to wait: a pipe of that name must not hold the thread that looks. */
    LT_CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (!file_fits(fd, n, key, path, diags))
        return LT_SPAN_NULL;
    ssize_t len = read_all(fd, buf);
    struct lt_span s = lt_span(buf, len > 0 ? (size_t)len : 0);
    if (s.len && s.ptr[s.len - 1] == '\n')
        s.len--;
    if (s.len && s.ptr[s.len - 1] == '\r')
        s.len--;
    if (len < 0)
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got one that cannot be read at %s (%s)", key,
                      path, strerror(errno));
    else if ((size_t)len > SECRET_MAX)
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got one of more than %zu bytes at %s", key,
                      SECRET_MAX, path);
    else if (s.len == 0)
        lt_yaml_error(diags, n, "%s: expected a file with the secret, got an empty one at %s", key, path);
    else if (memchr(s.ptr, '\0', s.len))
        lt_yaml_error(diags, n, "%s: expected a secret as text, got bytes with NUL in %s", key, path);
    else
        return s;
    return LT_SPAN_NULL;
}

static char *from_file(const struct lt_yaml_node *n, const char *key, struct lt_diags *diags)
{
    LT_AUTOFREE char *path = lt_path_beside(n->file, n->text);
    char *buf = lt_alloc(SECRET_MAX + 1);
    struct lt_span s = file_text(n, key, path, buf, diags);
    char *text = s.ptr ? lt_strndup(s.ptr, s.len) : NULL;
    forget(buf, SECRET_MAX + 1);
    return text;
}

static char *from_environment(const struct lt_yaml_node *n, const char *key, struct lt_diags *diags)
{
    const char *text = getenv(n->text);
    if (text && *text)
        return lt_strdup(text);
    lt_yaml_error(diags, n, "%s: expected the environment variable %s to hold the secret, got %s", key, n->text,
                  text ? "an empty one" : "none");
    return NULL;
}

/* ---- the option ---- */

bool lt_secret_read(const struct lt_yaml_node *n, const char *key, struct lt_secret *ret, struct lt_diags *diags)
{
    static const char *const known[] = {"file", "env", NULL};
    if (n->kind == LT_YAML_SCALAR && !lt_yaml_is_null(n)) {
        /* Perhaps a real password: say what to write, show nothing of it. */
        lt_yaml_error(diags, n, "%s: expected " SECRET_FORM ", got the secret itself (not shown)", key);
        return false;
    }
    if (!lt_secret_is(n)) {
        if (n->kind == LT_YAML_MAP && n->len)
            lt_yaml_only_keys(diags, n, key, known);
        lt_yaml_expected(diags, n, key, SECRET_FORM);
        return false;
    }
    const struct lt_yaml_node *v = n->items[0];
    bool file = lt_yaml_get(n, "file") != NULL;
    if (v->kind != LT_YAML_SCALAR || lt_yaml_is_null(v) || !v->text_len) {
        lt_yaml_expected(diags, v, key, file ? "the path of a file" : "the name of an environment variable");
        return false;
    }
    const char *text = file ? from_file(v, key, diags) : from_environment(v, key, diags);
    if (text)
        *ret = (struct lt_secret){.text = text, .node = n, .key = key};
    return text != NULL;
}

char *lt_secret_path(const struct lt_secret *s)
{
    const struct lt_yaml_node *v = s->node ? lt_yaml_get(s->node, "file") : NULL;
    return v ? lt_path_beside(v->file, v->text) : NULL;
}

int lt_secret_renew(struct lt_secret *s, struct lt_err *err)
{
    struct lt_secret fresh = {0};
    struct lt_diags diags = LT_DIAGS_INIT;
    int r = LT_OK;
    if (!lt_secret_read(s->node, s->key, &fresh, &diags)) {
        r = lt_err_set(err, LT_E_INVALID, "bad-secret", "%s", diags.items.v[0].text);
    } else if (strcmp(fresh.text, s->text) != 0) {
        struct lt_secret former = *s;
        *s = fresh;
        fresh = former;
        r = LT_SECRET_RENEWED;
    }
    lt_secret_deinit(&fresh);
    lt_diags_deinit(&diags);
    return r;
}
