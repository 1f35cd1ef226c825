/* Bytes to requests: heads, bodies of a length and in chunks, limits and budget; refusals that the handler never sees.
 */
#include <stdio.h>

#include "gateway/http/conn.h"

#define CHUNK_LINE_MAX 1024

static void count_refusal(struct lt_http_server *s, int status)
{
    atomic_fetch_add(status == 413   ? &s->refused_413
                     : status == 503 ? &s->refused_503
                     : status == 408 ? &s->refused_408
                                     : &s->refused_400,
                     1);
}

/* Answer what never becomes a request of the handler's; the connection ends because the rest of it has no meaning. */
void lt_http_input_refuse(struct lt_http_conn *c, int status, const char *code, const char *detail, int retry_after_s)
{
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(SIZE_MAX);
    struct lt_http_header_out retry = {"Retry-After", retry_after_s == 1 ? "1" : "5"};
    if (!c->req)
        c->req = lt_http_request_new(c->loop, c, c->peer);
    struct lt_http_request *r = c->req;
    count_refusal(c->loop->server, status);
    lt_http_problem_json(&body, status, code, detail, NULL);
    r->keep_alive = false;
    lt_http_build(r, status, &retry, retry_after_s ? 1 : 0, "application/problem+json", lt_buf_view(&body), false);
    lt_http_out_take(c, lt_steal(&r->reply), r->reply_len);
    c->req = NULL;
    lt_http_request_free(r);
    c->close_after = c->linger_after = true;
    c->state = ENDING;
    lt_http_set_deadline(c, LINGER_MS);
}

static void dispatch(struct lt_http_conn *c)
{
    struct lt_http_server *s = c->loop->server;
    struct lt_http_request *r = c->req;
    if (r->body)
        r->body[r->body_len] = '\0';
    r->keep_alive = r->head.keep_alive && !atomic_load(&s->draining);
    if (r->is_over && r->over_sha) {
        uint8_t sum[LT_SHA256_SIZE];
        lt_sha256_final(r->over_sha, sum);
        lt_hex(sum, sizeof(sum), r->over.sha256);
        r->over.whole = true;
    } else if (r->is_over) {
        r->keep_alive = false;
    }
    if (r->is_over)
        count_refusal(s, 413);
    c->state = HANDLING;
    c->deadline_ms = 0; /* the handler owes the answer */
    atomic_fetch_add(&s->requests, 1);
    s->s.handle(s->s.ctx, r);
}

static bool reserve(struct lt_http_conn *c, size_t more)
{
    struct lt_http_request *r = c->req;
    if (!lt_http_memory_take(c->loop->server, c->peer, more)) {
        lt_http_input_refuse(c, 503, "busy", "too many requests are in work just now; send it again later", 1);
        return false;
    }
    r->body_reserved += more;
    r->body = lt_realloc(r->body, r->body_reserved + 1);
    return true;
}

/* ---- bodies above body_max ---- */

#define OVER_READ ((uint64_t)256 << 20) /* more than this is not worth reading for its digest */
#define OVER_PAUSE_MS 2000

/* The sender waits for an answer that is known already: whoever pauses gets it. */
static void over_deadline(struct lt_http_conn *c)
{
    c->deadline_ms = LT_MIN(c->over_until_ms, c->loop->now_ms + OVER_PAUSE_MS);
}

void lt_http_input_spill(struct lt_http_conn *c, const char *bytes, size_t len)
{
    struct lt_http_request *r = c->req;
    size_t keep = LT_MIN(len, LT_HTTP_OVER_KEEP - r->body_len);
    lt_sha256_update(r->over_sha, lt_span(bytes, len));
    memcpy(r->body + r->body_len, bytes, keep);
    r->body_len += keep;
    over_deadline(c);
}

void lt_http_input_cut(struct lt_http_conn *c)
{
    lt_sha256_free(lt_steal(&c->req->over_sha));
    dispatch(c);
}

/* From here on the body is hashed and thrown away but for its beginning. False: it is refused, or the handler's. */
static bool go_over(struct lt_http_conn *c, uint64_t more)
{
    struct lt_http_server *s = c->loop->server;
    struct lt_http_request *r = c->req;
    char detail[160];
    if (!s->s.give_over) {
        snprintf(detail, sizeof(detail), "the body is larger than %zu bytes, the most that is taken here",
                 s->s.body_max);
        lt_http_input_refuse(c, 413, "body-too-large", detail, 0);
        return false;
    }
    if (r->body_reserved < LT_HTTP_OVER_KEEP && !reserve(c, LT_HTTP_OVER_KEEP - r->body_reserved))
        return false;
    bool told = r->head.has_length; /* else in chunks, and so much has come before */
    size_t before = r->body_len;
    c->over_until_ms = c->deadline_ms;
    over_deadline(c);
    r->is_over = true;
    r->over_sha = lt_sha256_new();
    r->over.length = before + more;
    lt_sha256_update(r->over_sha, lt_span(r->body, before));
    r->body_len = LT_MIN(before, LT_HTTP_OVER_KEEP);
    if (r->over.length > OVER_READ || (told && r->head.expect_continue && lt_http_in_len(c) == 0)) {
        lt_http_input_cut(c);
        return false;
    }
    return true;
}

/* Count `more` bytes of body against body_max and the budget; false: refused, or given to the handler as it is. */
static bool admit(struct lt_http_conn *c, uint64_t more)
{
    struct lt_http_server *s = c->loop->server;
    struct lt_http_request *r = c->req;
    if (r->is_over) {
        r->over.length += more;
        if (r->over.length <= OVER_READ)
            return true;
        lt_http_input_cut(c);
        return false;
    }
    if (more > s->s.body_max || r->body_reserved + more > s->s.body_max)
        return go_over(c, more);
    return reserve(c, (size_t)more);
}

/*
 * The line at the start of the input: 1 taken, 0 not whole yet, -1 it does not end in CRLF or has a CR inside, where
 * two readers could cut differently (head.h).
 */
static int take_line(struct lt_http_conn *c, struct lt_span *ret)
{
    char *newline = memchr(c->in + c->in_at, '\n', lt_http_in_len(c));
    if (!newline)
        return 0;
    size_t len = (size_t)(newline - (c->in + c->in_at));
    if (len == 0 || memchr(c->in + c->in_at, '\r', len) != newline - 1)
        return -1;
    *ret = lt_span(c->in + c->in_at, len - 1);
    c->in_at += len + 1;
    return 1;
}

static bool start_body(struct lt_http_conn *c)
{
    struct lt_http_head *h = &c->req->head;
    if (h->chunked) {
        c->state = CHUNK_LINE;
    } else if (h->has_length && h->length > 0) {
        if (!admit(c, h->length))
            return false;
        c->body_left = h->length;
        c->state = BODY;
    } else {
        return true; /* dispatched by the caller */
    }
    if (h->expect_continue && lt_http_in_len(c) == 0)
        lt_http_out_take(c, lt_strdup("HTTP/1.1 100 Continue\r\n\r\n"), 25);
    return true;
}

/* True: went on. False: more input is needed (or refused). */
static bool read_head(struct lt_http_conn *c)
{
    struct lt_http_server *s = c->loop->server;
    if (c->out)
        return false; /* one answer at a time */
    while (lt_http_in_len(c) >= 2 && memcmp(c->in + c->in_at, "\r\n", 2) == 0)
        c->in_at += 2;
    size_t len = lt_http_in_len(c), from = c->head_scanned > 3 ? c->head_scanned - 3 : 0;
    if (len == 0)
        return false;
    char *start = c->in + c->in_at, *end = len > from ? memmem(start + from, len - from, "\r\n\r\n", 4) : NULL;
    if (!end) {
        if (c->head_scanned == 0)
            lt_http_set_deadline(c, 1000 * (int64_t)s->s.request_timeout_s);
        c->head_scanned = len;
        if (len >= s->s.header_max)
            lt_http_input_refuse(c, 431, "header-too-large",
                                 "the request line and headers are longer than is taken here", 0);
        return false;
    }
    size_t head_len = (size_t)(end - start) + 4;
    const char *why = "";
    struct lt_http_request *r = c->req = lt_http_request_new(c->loop, c, c->peer);
    c->head_scanned = 0;
    c->in_at += head_len;
    if (head_len > s->s.header_max) {
        lt_http_input_refuse(c, 431, "header-too-large", "the request line and headers are longer than is taken here",
                             0);
        return false;
    }
    r->head_text = lt_strndup(start, head_len);
    int status = memchr(start, '\0', head_len) ? 400 : lt_http_head_parse(r->head_text, head_len, &r->head, &why);
    if (status) {
        lt_http_input_refuse(c, status, status == 431 ? "header-too-large" : "bad-request",
                             *why ? why : "the request head has a NUL", 0);
        return false;
    }
    lt_http_set_deadline(c, 1000 * (int64_t)s->s.request_timeout_s);
    if (!start_body(c))
        return false;
    if (c->state == HEAD)
        dispatch(c);
    return true;
}

/* Move what is buffered into the body. */
static void take_body(struct lt_http_conn *c)
{
    struct lt_http_request *r = c->req;
    size_t n = (size_t)LT_MIN(c->body_left, (uint64_t)lt_http_in_len(c));
    if (r->is_over) {
        lt_http_input_spill(c, c->in + c->in_at, n);
    } else {
        memcpy(r->body + r->body_len, c->in + c->in_at, n);
        r->body_len += n;
    }
    c->in_at += n;
    c->body_left -= n;
}

/* One step over the input; false when more input or an answer is awaited. */
bool lt_http_input_step(struct lt_http_conn *c)
{
    struct lt_span line;
    uint64_t size;
    int taken;
    switch (c->state) {
    case HEAD:
        return read_head(c);
    case BODY:
        take_body(c);
        if (c->body_left)
            return false;
        dispatch(c);
        return true;
    case CHUNK_LINE:
        taken = take_line(c, &line);
        if (taken == 0) {
            if (lt_http_in_len(c) > CHUNK_LINE_MAX)
                lt_http_input_refuse(c, 400, "bad-request", "a chunk's size line is too long", 0);
            return false;
        }
        if (taken < 0 || !lt_http_chunk_size(line, &size)) {
            lt_http_input_refuse(c, 400, "bad-request",
                                 "a chunk's size line must be a hexadecimal number and end in CRLF", 0);
            return false;
        }
        if (size == 0) {
            c->state = TRAILER;
            return true;
        }
        if (!admit(c, size))
            return false;
        c->body_left = size;
        c->state = CHUNK_DATA;
        return true;
    case CHUNK_DATA:
        take_body(c);
        if (c->body_left)
            return false;
        c->state = CHUNK_END;
        return true;
    case CHUNK_END:
        taken = take_line(c, &line);
        if (taken == 0) {
            if (lt_http_in_len(c) > 1)
                lt_http_input_refuse(c, 400, "bad-request", "a chunk is longer than its size", 0);
            return false;
        }
        if (taken < 0 || line.len) {
            lt_http_input_refuse(c, 400, "bad-request", "a chunk is longer than its size", 0);
            return false;
        }
        c->state = CHUNK_LINE;
        return true;
    case TRAILER:
        taken = take_line(c, &line);
        if (taken < 0) {
            lt_http_input_refuse(c, 400, "bad-request", "a trailer must end in CRLF", 0);
            return false;
        }
        if (taken == 0) {
            if (lt_http_in_len(c) > CHUNK_LINE_MAX)
                lt_http_input_refuse(c, 431, "header-too-large", "a trailer is too long", 0);
            return false;
        }
        if (line.len == 0)
            dispatch(c);
        return true;
    case HANDSHAKE:
    case HANDLING:
    case ENDING:
    case LINGER:
        return false;
    }
    return false;
}
