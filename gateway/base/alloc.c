#include "gateway/base/base.h"

#include <stdarg.h>
#include <stdio.h>

static void *alloc_checked(void *p, size_t size)
{
    if (!p) {
        fprintf(stderr, "out of memory (%zu bytes asked); restart to go on, nothing accepted is lost\n", size);
        abort();
    }
    return p;
}

void *lt_alloc(size_t size)
{
    return alloc_checked(calloc(1, size ? size : 1), size);
}

void *lt_realloc(void *p, size_t size)
{
    return alloc_checked(realloc(p, size ? size : 1), size);
}

void *lt_calloc(size_t n, size_t size)
{
    size_t total;
    if (!lt_mul_size(n, size, &total))
        alloc_checked(NULL, SIZE_MAX);
    return lt_alloc(total);
}

char *lt_strdup(const char *s)
{
    return lt_strndup(s, strlen(s));
}

char *lt_strndup(const char *s, size_t len)
{
    char *copy = lt_alloc(len + 1);
    if (len)
        memcpy(copy, s, len);
    return copy;
}

char *lt_asprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return alloc_checked(n < 0 ? NULL : s, 0);
}

void lt_freep(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof(p)); /* pp is the address of a pointer of any type */
    free(p);
    p = NULL;
    memcpy(pp, &p, sizeof(p));
}

void *lt_vec_grow_(void *v, size_t *size, size_t want, size_t elem)
{
    size_t bytes, wider;
    if (want <= *size)
        return v;
    /* What is large often stays alone. */
    wider = LT_MAX(want, *size ? *size * 2 : elem > 256 ? (size_t)1 : (size_t)8);
    if (wider < want || !lt_mul_size(wider, elem, &bytes))
        alloc_checked(NULL, SIZE_MAX);
    v = lt_realloc(v, bytes);
    memset((char *)v + *size * elem, 0, (wider - *size) * elem);
    *size = wider;
    return v;
}
