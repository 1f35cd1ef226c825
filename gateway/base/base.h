/*
 * Vocabulary every module speaks: attributes, borrowed and owned bytes, an arena, checked sizes.
 *
 * lt_span is borrowed by value and never NUL-terminated unless its maker says so. lt_buf is owned, grows, and has a
 * maximum fixed when it is made. lt_arena gives memory that lives until the arena is reset or freed. None of these is
 * thread-safe; each belongs to whoever holds it.
 *
 * Out of memory is not an outcome anybody here can handle better than a restart can: allocation failure of small
 * objects aborts through lt_alloc (the log in Kafka is the truth and nothing is lost). Everything whose size comes
 * from outside is bounded before it is allocated.
 */
#ifndef LT_BASE_BASE_H
#define LT_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LT_MUST_CHECK __attribute__((warn_unused_result))
#define LT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define LT_CLEANUP(fn) __attribute__((cleanup(fn)))
#define LT_UNUSED __attribute__((unused))
#define LT_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* Each argument is evaluated once. */
#define LT_PICK_(a, b, op, n)                                                                                          \
    ({                                                                                                                 \
        __typeof__((a) + (b)) lt_a_##n = (a);                                                                          \
        __typeof__((a) + (b)) lt_b_##n = (b);                                                                          \
        lt_a_##n op lt_b_##n ? lt_a_##n : lt_b_##n;                                                                    \
    })
#define LT_PICK(a, b, op, n) LT_PICK_(a, b, op, n)
#ifdef __cppcheck__ /* which does not read statement expressions everywhere */
#define LT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LT_MAX(a, b) ((a) > (b) ? (a) : (b))
#else
#define LT_MIN(a, b) LT_PICK(a, b, <, __COUNTER__)
#define LT_MAX(a, b) LT_PICK(a, b, >, __COUNTER__)
#endif

/* Give the pointer away: the variable is left NULL so that its cleanup does nothing. */
#define lt_steal(pp)                                                                                                   \
    ({                                                                                                                 \
        __typeof__(*(pp)) lt_stolen_ = *(pp);                                                                          \
        *(pp) = NULL;                                                                                                  \
        lt_stolen_;                                                                                                    \
    })

#ifdef __cplusplus
extern "C" {
#endif

/* ---- allocation: never NULL ---- */

void *lt_alloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));    /* zeroed */
void *lt_realloc(void *p, size_t size) __attribute__((returns_nonnull, alloc_size(2))); /* new part not zeroed */
void *lt_calloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));        /* checked n * size */
char *lt_strdup(const char *s) __attribute__((returns_nonnull));
char *lt_strndup(const char *s, size_t len) __attribute__((returns_nonnull));
char *lt_asprintf(const char *fmt, ...) LT_PRINTF(1, 2); /* caller frees */
void lt_freep(void *pp);                                 /* for LT_CLEANUP on any pointer */
#define LT_AUTOFREE LT_CLEANUP(lt_freep)

/* ---- spans ---- */

struct lt_span {
    const char *ptr;
    size_t len;
};

#define LT_SPAN_NULL ((struct lt_span){NULL, 0})
#define LT_SPAN_LIT(s) ((struct lt_span){(s), sizeof(s) - 1})
#define LT_SPAN_FMT "%.*s"
#define LT_SPAN_ARG(s) ((int)(s).len), ((s).ptr ? (s).ptr : "")

static inline struct lt_span lt_span(const void *ptr, size_t len)
{
    struct lt_span s = {(const char *)ptr, len};
    return s;
}

static inline struct lt_span lt_span_str(const char *s)
{
    return lt_span(s, s ? strlen(s) : 0);
}

static inline bool lt_span_eq(struct lt_span a, struct lt_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool lt_span_is(struct lt_span a, const char *s)
{
    return lt_span_eq(a, lt_span_str(s));
}

static inline bool lt_span_starts(struct lt_span a, const char *prefix)
{
    size_t n = strlen(prefix);
    return a.len >= n && memcmp(a.ptr, prefix, n) == 0;
}

struct lt_span lt_span_trim(struct lt_span s);                              /* ASCII white space, both ends */
bool lt_span_cut(struct lt_span *rest, char sep, struct lt_span *ret_part); /* next part; false when rest is spent */
bool lt_span_u64(struct lt_span s, uint64_t *ret);                          /* decimal digits only, whole span */
bool lt_span_i64(struct lt_span s, int64_t *ret);                           /* optional '-', decimal */
bool lt_glob_match(const char *pattern, struct lt_span s); /* '*' matches any run, nothing else special */

/* ---- owned bytes ---- */

/* Writing past max sets `over` and drops the bytes: check lt_buf_ok() once at the end. ptr is NUL-terminated once
 * anything was appended. */
struct lt_buf {
    char *ptr;
    size_t len, size, max;
    bool over;
};

#define LT_BUF_INIT(maximum) ((struct lt_buf){NULL, 0, 0, (maximum), false})

void lt_buf_deinit(struct lt_buf *b);
void lt_buf_reset(struct lt_buf *b);
void lt_buf_reserve(struct lt_buf *b, size_t len); /* room for len more at once, as far as max allows */
void lt_buf_append(struct lt_buf *b, const void *p, size_t len);
void lt_buf_span(struct lt_buf *b, struct lt_span s);
void lt_buf_str(struct lt_buf *b, const char *s);
void lt_buf_char(struct lt_buf *b, char c);
void lt_buf_printf(struct lt_buf *b, const char *fmt, ...) LT_PRINTF(2, 3);
void lt_buf_json(struct lt_buf *b, struct lt_span s); /* s as a quoted JSON string; invalid UTF-8 becomes U+FFFD */
void lt_buf_xml(struct lt_buf *b, struct lt_span s);  /* s with & < > " ' escaped, control characters dropped */
char *lt_buf_take(struct lt_buf *b);                  /* the bytes, NUL-terminated, never NULL; b is empty again */
static inline bool lt_buf_ok(const struct lt_buf *b)
{
    return !b->over;
}
static inline struct lt_span lt_buf_view(const struct lt_buf *b)
{
    return lt_span(b->ptr ? b->ptr : "", b->len);
}
#define LT_AUTOBUF LT_CLEANUP(lt_buf_deinit)

/* ---- arena ---- */

struct lt_arena_block;
struct lt_arena {
    struct lt_arena_block *head;
    size_t used; /* bytes handed out since init or reset */
};
#define LT_ARENA_INIT ((struct lt_arena){NULL, 0})

void *lt_arena_alloc(struct lt_arena *a, size_t size) __attribute__((returns_nonnull));    /* zeroed, 16-aligned */
char *lt_arena_str(struct lt_arena *a, struct lt_span s) __attribute__((returns_nonnull)); /* NUL-terminated copy */
struct lt_span lt_arena_span(struct lt_arena *a, struct lt_span s); /* copy, NUL-terminated too */
char *lt_arena_printf(struct lt_arena *a, const char *fmt, ...) LT_PRINTF(2, 3);
void lt_arena_reset(struct lt_arena *a); /* keeps one block for the next user */
void lt_arena_deinit(struct lt_arena *a);

/* ---- growing arrays: struct { T *v; size_t len, size; } ---- */

#define LT_VEC(T)                                                                                                      \
    struct {                                                                                                           \
        T *v;                                                                                                          \
        size_t len, size;                                                                                              \
    }
void *lt_vec_grow_(void *v, size_t *size, size_t want, size_t elem);
#define lt_vec_push(vec)                                                                                               \
    ((vec)->v = lt_vec_grow_((vec)->v, &(vec)->size, (vec)->len + 1, sizeof(*(vec)->v)), &(vec)->v[(vec)->len++])
#define lt_vec_deinit(vec) (free((vec)->v), (vec)->v = NULL, (vec)->len = (vec)->size = 0)

/* ---- checked size arithmetic ---- */

static inline bool lt_mul_size(size_t a, size_t b, size_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

#ifdef __cplusplus
}
#endif
#endif
