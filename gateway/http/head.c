#include "gateway/http/head.h"

#include <strings.h>

static bool is_token_char(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (!is_token_char((unsigned char)*s))
            return false;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* In place; false for a broken escape or an encoded NUL. */
static bool percent_decode(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (*s != '%') {
            *to++ = *s;
            continue;
        }
        int high = hex_digit(s[1]), low = high < 0 ? -1 : hex_digit(s[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high << 4 | low);
        s += 2;
    }
    *to = '\0';
    return true;
}

static int parse_target(char *target, struct lt_http_head *ret, const char **ret_why)
{
    for (const char *p = target; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            *ret_why = "the request target has characters that must be percent-encoded";
            return 400;
        }
    }
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        char *slash = strchr(strstr(target, "://") + 3, '/');
        if (!slash) {
            *ret_why = "the request target has no path";
            return 400;
        }
        target = slash;
    }
    if (target[0] != '/' && strcmp(target, "*") != 0) {
        *ret_why = "the request target must be a path that starts with /";
        return 400;
    }
    char *fragment = strchr(target, '#');
    if (fragment)
        *fragment = '\0';
    char *query = strchr(target, '?');
    if (query)
        *query++ = '\0';
    ret->query = query ? query : target + strlen(target);
    ret->path = target;
    if (!percent_decode(ret->path)) {
        *ret_why = "the path has a broken percent escape";
        return 400;
    }
    return 0;
}

static int parse_request_line(char *line, struct lt_http_head *ret, const char **ret_why)
{
    char *space = strchr(line, ' ');
    char *last = strrchr(line, ' ');
    if (!space || space == last) {
        *ret_why = "the request line must be METHOD TARGET HTTP/1.1";
        return 400;
    }
    *space = '\0';
    *last = '\0';
    ret->method = line;
    if (!is_token(line)) {
        *ret_why = "the method is no token";
        return 400;
    }
    const char *version = last + 1;
    if (strncmp(version, "HTTP/", 5) != 0) {
        *ret_why = "the request line must end in HTTP/1.1";
        return 400;
    }
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0) {
        *ret_why = "only HTTP/1.1 and HTTP/1.0 are spoken here";
        return 505;
    }
    ret->minor = version[7] - '0';
    return parse_target(space + 1, ret, ret_why);
}

/* Is word one of the comma-separated words of list, any case? */
static bool list_has(const char *list, const char *word)
{
    struct lt_span rest = lt_span_str(list), part;
    while (lt_span_cut(&rest, ',', &part)) {
        part = lt_span_trim(part);
        if (part.len == strlen(word) && strncasecmp(part.ptr, word, part.len) == 0)
            return true;
    }
    return false;
}

static int understand(struct lt_http_head *h, const char **ret_why)
{
    size_t hosts = 0;
    h->keep_alive = h->minor >= 1;
    for (size_t i = 0; i < h->fields_len; i++) {
        const char *name = h->fields[i].name, *value = h->fields[i].value;
        if (strcasecmp(name, "content-length") == 0) {
            if (h->has_length || !lt_span_u64(lt_span_str(value), &h->length)) {
                *ret_why = "Content-Length must come once and be a decimal number";
                return 400;
            }
            h->has_length = true;
        } else if (strcasecmp(name, "transfer-encoding") == 0) {
            if (h->chunked || h->minor == 0) {
                *ret_why = "Transfer-Encoding must come once, and only in HTTP/1.1";
                return 400;
            }
            if (strcasecmp(value, "chunked") != 0) {
                *ret_why = "of transfer encodings only chunked is understood";
                return 501;
            }
            h->chunked = true;
        } else if (strcasecmp(name, "host") == 0) {
            hosts++;
        } else if (strcasecmp(name, "connection") == 0) {
            if (list_has(value, "close"))
                h->keep_alive = false;
            else if (h->minor == 0 && list_has(value, "keep-alive"))
                h->keep_alive = true;
        } else if (strcasecmp(name, "expect") == 0) {
            if (strcasecmp(value, "100-continue") != 0) {
                *ret_why = "of expectations only 100-continue is understood";
                return 417;
            }
            h->expect_continue = h->minor >= 1;
        }
    }
    if (h->chunked && h->has_length) {
        *ret_why = "Content-Length and Transfer-Encoding exclude each other";
        return 400;
    }
    if (hosts > 1 || (hosts == 0 && h->minor >= 1)) {
        *ret_why = "a request of HTTP/1.1 has exactly one Host header";
        return 400;
    }
    return 0;
}

static int parse_field(char *line, struct lt_http_head *ret, const char **ret_why)
{
    if (ret->fields_len == LT_HTTP_HEAD_FIELDS) {
        *ret_why = "too many headers";
        return 431;
    }
    char *colon = strchr(line, ':');
    if (!colon) {
        *ret_why = "a header line has no colon";
        return 400;
    }
    *colon = '\0';
    if (!is_token(line)) {
        *ret_why =
            "a header name has characters that are not allowed there (a folded line, or a space before the colon?)";
        return 400;
    }
    struct lt_span value = lt_span_trim(lt_span_str(colon + 1));
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            *ret_why = "a header value has control characters";
            return 400;
        }
    }
    char *end = (char *)value.ptr + value.len; /* inside line, which is ours to change */
    *end = '\0';
    ret->fields[ret->fields_len].name = line;
    ret->fields[ret->fields_len].value = (char *)value.ptr;
    ret->fields_len++;
    return 0;
}

int lt_http_head_parse(char *text, size_t len, struct lt_http_head *ret, const char **ret_why)
{
    ret->fields_len = 0;
    ret->minor = 0;
    ret->has_length = ret->chunked = ret->keep_alive = ret->expect_continue = false;
    ret->length = 0;
    if (memchr(text, '\0', len)) {
        *ret_why = "the request head has a NUL";
        return 400;
    }
    bool first = true;
    char *at = text, *end = text + len;
    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline || newline == at || newline[-1] != '\r') {
            *ret_why = "lines of the request head must end in CRLF";
            return 400;
        }
        newline[-1] = '\0';
        if (strchr(at, '\r')) {
            *ret_why = "the request head has a lone CR";
            return 400;
        }
        if (!*at)
            break;
        int status = first ? parse_request_line(at, ret, ret_why) : parse_field(at, ret, ret_why);
        if (status)
            return status;
        first = false;
        at = newline + 1;
    }
    if (first) {
        *ret_why = "the request line is missing";
        return 400;
    }
    return understand(ret, ret_why);
}

const char *lt_http_head_field(const struct lt_http_head *h, const char *name)
{
    for (size_t i = 0; i < h->fields_len; i++)
        if (strcasecmp(h->fields[i].name, name) == 0)
            return h->fields[i].value;
    return NULL;
}

bool lt_http_chunk_size(struct lt_span line, uint64_t *ret)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < line.len; i++) {
        int digit = hex_digit(line.ptr[i]);
        if (digit < 0)
            break;
        if (n >> 56)
            return false;
        n = n << 4 | (uint64_t)digit;
    }
    if (i == 0)
        return false;
    struct lt_span rest = lt_span_trim(lt_span(line.ptr + i, line.len - i));
    if (rest.len && rest.ptr[0] != ';')
        return false;
    *ret = n;
    return true;
}
