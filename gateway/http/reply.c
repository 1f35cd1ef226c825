/* Answers: the bytes of a response, and how they get from any thread to the loop. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "gateway/http/internal.h"

_Thread_local struct lt_http_loop *lt_http_current_loop;

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } table[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {413, "Content Too Large"},
                 {415, "Unsupported Media Type"},
                 {417, "Expectation Failed"},
                 {421, "Misdirected Request"},
                 {422, "Unprocessable Content"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"},
                 {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < LT_ARRAY_LEN(table); i++)
        if (table[i].status == status)
            return table[i].phrase;
    return status < 400 ? "Done" : "Error";
}

static const char *date_now(void)
{
    static _Thread_local time_t second;
    static _Thread_local char text[40];
    time_t now = time(NULL);
    if (now != second) {
        struct tm tm;
        second = now;
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    }
    return text;
}

static void put_line(struct lt_buf *out, const char *name, const char *between, const char *value)
{
    lt_buf_str(out, name);
    lt_buf_str(out, between);
    lt_buf_str(out, value);
    lt_buf_append(out, "\r\n", 2);
}

void lt_http_build(struct lt_http_request *r, int status, const struct lt_http_header_out *headers, size_t n_headers,
                   const char *content_type, struct lt_span body, bool head_only)
{
    struct lt_buf out = LT_BUF_INIT(SIZE_MAX);
    char number[24];
    lt_buf_reserve(&out, 512 + body.len);
    snprintf(number, sizeof(number), "HTTP/1.1 %d ", status);
    lt_buf_str(&out, number);
    put_line(&out, reason_phrase(status), "", "");
    put_line(&out, "Date", ": ", date_now());
    if (content_type)
        put_line(&out, "Content-Type", ": ", content_type);
    if (status != 204) {
        snprintf(number, sizeof(number), "%zu", body.len);
        put_line(&out, "Content-Length", ": ", number);
    }
    for (size_t i = 0; i < n_headers; i++)
        put_line(&out, headers[i].name, ": ", headers[i].value);
    if (!r->keep_alive)
        lt_buf_str(&out, "Connection: close\r\n");
    else if (r->head.minor == 0)
        lt_buf_str(&out, "Connection: keep-alive\r\n");
    lt_buf_str(&out, "\r\n");
    if (!head_only && status != 204)
        lt_buf_span(&out, body);
    r->reply_len = out.len;
    r->reply = lt_buf_take(&out);
}

void lt_http_post(struct lt_http_request *r)
{
    struct lt_http_loop *loop = r->loop;
    bool wake = false, closed;
    pthread_mutex_lock(&loop->lock);
    closed = loop->closed;
    if (!closed) {
        wake = loop->mail == NULL;
        r->next = NULL;
        *loop->mail_tail = r;
        loop->mail_tail = &r->next;
        if (wake) {
            uint64_t one = 1;
            ssize_t n =
                write(loop->wake_fd, &one, sizeof(one)); /* under the lock: the descriptor lives as long as !closed */
            (void)n; /* fails only when the counter is full, and then the loop is awake already */
        }
    }
    pthread_mutex_unlock(&loop->lock);
    if (closed)
        lt_http_end(r);
}

void lt_http_end(struct lt_http_request *r)
{
    if (r->answered)
        lt_http_request_free(r);
    else
        r->later_fn(r->later_ctx, r);
}

void lt_http_come_back(struct lt_http_request *r, void (*fn)(void *ctx, struct lt_http_request *r), void *ctx)
{
    r->later_fn = fn;
    r->later_ctx = ctx;
    if (lt_http_current_loop == r->loop)
        fn(ctx, r);
    else
        lt_http_post(r);
}

static void answer(struct lt_http_request *r)
{
    if (r->answered)
        abort(); /* our bug: a request is answered exactly once */
    r->answered = true;
    if (lt_http_current_loop == r->loop)
        lt_http_conn_answer(r);
    else
        lt_http_post(r);
}

void lt_http_reply_paced(struct lt_http_request *r, int status, const struct lt_http_header_out *headers,
                         size_t n_headers, const char *content_type, struct lt_span body,
                         const struct lt_http_pace *pace)
{
    if (atomic_load_explicit(&r->loop->server->draining, memory_order_relaxed))
        r->keep_alive = false;
    lt_http_build(r, status, headers, n_headers, content_type, body, strcmp(r->head.method, "HEAD") == 0);
    r->pace = *pace;
    answer(r);
}

void lt_http_reply(struct lt_http_request *r, int status, const struct lt_http_header_out *headers, size_t n_headers,
                   const char *content_type, struct lt_span body)
{
    lt_http_reply_paced(r, status, headers, n_headers, content_type, body, &(struct lt_http_pace){0, 0, SIZE_MAX});
}

void lt_http_drop(struct lt_http_request *r)
{
    r->ending = LT_HTTP_END_DROP;
    answer(r);
}

void lt_http_reset(struct lt_http_request *r)
{
    r->ending = LT_HTTP_END_RESET;
    answer(r);
}

void lt_http_problem_json(struct lt_buf *out, int status, const char *code, const char *detail, const char *extra_json)
{
    lt_buf_printf(out, "{\"type\":\"urn:lienthong:problem:%s\",\"title\":", code);
    lt_buf_json(out, lt_span_str(reason_phrase(status)));
    lt_buf_printf(out, ",\"status\":%d,\"detail\":", status);
    lt_buf_json(out, lt_span_str(detail));
    lt_buf_str(out, ",\"code\":");
    lt_buf_json(out, lt_span_str(code));
    if (extra_json && *extra_json) {
        lt_buf_char(out, ',');
        lt_buf_str(out, extra_json);
    }
    lt_buf_char(out, '}');
}

void lt_http_problem(struct lt_http_request *r, int status, const char *code, const char *detail,
                     const char *extra_json, int retry_after_s)
{
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(SIZE_MAX);
    char seconds[16];
    struct lt_http_header_out retry = {"Retry-After", seconds};
    snprintf(seconds, sizeof(seconds), "%d", retry_after_s);
    lt_http_problem_json(&body, status, code, detail, extra_json);
    lt_http_reply(r, status, &retry, retry_after_s > 0 ? 1 : 0, "application/problem+json", lt_buf_view(&body));
}

void lt_http_not_allowed(struct lt_http_request *r, const char *allow)
{
    LT_AUTOBUF struct lt_buf body = LT_BUF_INIT(4096);
    struct lt_http_header_out header = {"Allow", allow};
    lt_http_problem_json(&body, 405, "method-not-allowed", "this method means nothing here, see Allow", NULL);
    lt_http_reply(r, 405, &header, 1, "application/problem+json", lt_buf_view(&body));
}
