/*
 * The head of an HTTP/1.1 request: request line and headers, parsed in place. Pure: no I/O, no memory of its own, no
 * clock.
 *
 * Strict on purpose: lines end in CRLF, no folding, no space before the colon, no control characters, at most one
 * Content-Length, never Content-Length beside Transfer-Encoding. What two readers could understand differently is
 * refused, never repaired (request smuggling).
 */
#ifndef LT_HTTP_HEAD_H
#define LT_HTTP_HEAD_H

#include "gateway/base/base.h"

#define LT_HTTP_HEAD_FIELDS 100

struct lt_http_head {
    char *method, *path, *query; /* path percent-decoded, query raw ("" when none) */
    struct {
        char *name, *value;
    } fields[LT_HTTP_HEAD_FIELDS];
    size_t fields_len;
    int minor;       /* HTTP/1.<minor> */
    bool has_length; /* Content-Length came */
    uint64_t length;
    bool chunked;
    bool keep_alive;
    bool expect_continue;
};

/*
 * text: len bytes up to and including the empty line (CRLF CRLF), changed in place; ret points into it.
 * 0; else the HTTP status to answer with (400, 417, 431, 501, 505) and why, a text with static life.
 */
int lt_http_head_parse(char *text, size_t len, struct lt_http_head *ret, const char **ret_why) LT_MUST_CHECK;
/* Value of the first field of that name, any case; NULL when absent. */
const char *lt_http_head_field(const struct lt_http_head *h, const char *name);
/* Length of a chunk from its size line without CRLF; extensions are ignored. False: not a size, or above 2^60. */
bool lt_http_chunk_size(struct lt_span line, uint64_t *ret);
#endif
