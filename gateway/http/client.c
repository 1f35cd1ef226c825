#include "gateway/http/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "gateway/http/outcome.h"

#define IDLE_MAX_S 4L /* servers close idle connections after 5 s and more */
#define CA_KEPT_S 1L  /* libcurl would keep what it read of a CA file for a day, whatever becomes of the file */
#define RETRY_AFTER_MAX_S 86400
#define HEAD_MAX ((size_t)64 << 10) /* header lines kept; libcurl itself refuses more than 300 KiB */

struct call {
    struct lt_http_client *client;
    struct call *next, **prev;
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    size_t body_len, body_at;
    struct lt_buf answer;
    struct lt_buf head; /* header lines of the answer, the last one when there were several (100 Continue) */
    bool too_large, got_headers;
    lt_http_done_fn fn;
    void *ctx;
    char text[CURL_ERROR_SIZE];
};

struct lt_http_client {
    struct lt_http_client_settings s; /* strings owned */
    CURLM *multi;
    struct call *calls; /* in flight */
    size_t calls_len;
    LT_VEC(CURL *) spare;
};

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int lt_http_client_new(const struct lt_http_client_settings *s, struct lt_http_client **ret, struct lt_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    if (s->certificate && !s->key)
        return lt_err_set(err, LT_E_INVALID, "tls-incomplete", "certificate %s needs its key", s->certificate);
    CURLM *multi = curl_multi_init();
    if (!multi)
        return lt_err_set(err, LT_E_IO, "curl", "libcurl cannot start");
    struct lt_http_client *c = lt_alloc(sizeof(*c));
    c->multi = multi;
    c->s = *s;
    c->s.certificate = s->certificate ? lt_strdup(s->certificate) : NULL;
    c->s.key = s->key ? lt_strdup(s->key) : NULL;
    c->s.ca = s->ca ? lt_strdup(s->ca) : NULL;
    if (!c->s.connections_max)
        c->s.connections_max = 64;
    if (!c->s.answer_max)
        c->s.answer_max = (size_t)16 << 20;
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->s.connections_max);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)c->s.connections_max);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    *ret = c;
    return LT_OK;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct call *call = arg;
    if (call->answer.len + size * n > call->client->s.answer_max) {
        call->too_large = true;
        return 0;
    }
    lt_buf_append(&call->answer, data, size * n);
    return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct call *call = arg;
    struct lt_span line = lt_span(data, size * n);
    call->got_headers = true;
    if (lt_span_starts(line, "HTTP/"))
        lt_buf_reset(&call->head);
    else
        lt_buf_span(&call->head, line);
    return size * n;
}

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
    struct call *call = arg;
    size_t len = LT_MIN(size * n, call->body_len - call->body_at);
    memcpy(to, call->body + call->body_at, len);
    call->body_at += len;
    return len;
}

/* Rewinding is what libcurl's silent repeat needs: refuse it, and the call ends with what is known (rule 7). */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct call *call = arg;
    (void)origin;
    return (size_t)offset == call->body_at ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static void call_free(struct call *call, bool keep_easy)
{
    struct lt_http_client *c = call->client;
    *call->prev = call->next;
    if (call->next)
        call->next->prev = call->prev;
    c->calls_len--;
    if (keep_easy && c->spare.len < c->s.connections_max)
        *lt_vec_push(&c->spare) = call->easy;
    else
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    free(call->body);
    lt_buf_deinit(&call->answer);
    lt_buf_deinit(&call->head);
    free(call);
}

bool lt_http_answer_header(const struct lt_http_answer *a, const char *name, struct lt_span *ret)
{
    struct lt_span rest = a->headers, line;
    size_t len = strlen(name);
    while (lt_span_cut(&rest, '\n', &line)) {
        if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0)
            continue;
        *ret = lt_span_trim(lt_span(line.ptr + len + 1, line.len - len - 1));
        return true;
    }
    return false;
}

/* A moment of an HTTP date, -1 when it is none. */
static int64_t date_of(const struct lt_http_answer *a, const char *name)
{
    struct lt_span value;
    char text[64];
    if (!lt_http_answer_header(a, name, &value) || value.len == 0 || value.len >= sizeof(text))
        return -1;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    return (int64_t)curl_getdate(text, NULL);
}

static long retry_after(const struct lt_http_answer *a, int64_t now_s)
{
    struct lt_span value;
    uint64_t seconds;
    if (!lt_http_answer_header(a, "Retry-After", &value))
        return -1;
    if (value.len > 0 && value.ptr[0] >= '0' && value.ptr[0] <= '9' && strspn(value.ptr, "0123456789") >= value.len)
        return lt_span_u64(value, &seconds) ? (long)LT_MIN(seconds, (uint64_t)RETRY_AFTER_MAX_S) : RETRY_AFTER_MAX_S;
    int64_t until = date_of(a, "Retry-After"), from = date_of(a, "Date");
    if (until < 0 || (value.len > 0 && (value.ptr[0] == '-' || value.ptr[0] == '+')))
        return -1; /* neither seconds nor a date: as if nothing had been said */
    return (long)LT_MAX(0, LT_MIN(until - (from >= 0 ? from : now_s), RETRY_AFTER_MAX_S));
}

/* Exactly one callback; the call is gone afterwards. */
static void finish(struct call *call, CURLcode code, const char *why)
{
    long connects = 0, request_size = 0;
    char *content_type = NULL;
    struct lt_http_answer a = {.retry_after_s = -1, .content_type = "", .curl = lt_http_curl_name((int)code)};
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request_size);
    struct lt_http_facts facts = {
        .curl_code = (int)code,
        .fresh_connection = connects > 0,
        .sent = request_size > 0 || call->body_at > 0 || call->got_headers,
        .answered = call->got_headers,
        .too_large = call->too_large,
        .text = why ? why : call->text,
    };
    a.failure = lt_http_outcome(&facts);
    if (a.failure == LT_HTTP_ANSWERED || a.failure == LT_HTTP_TOO_LARGE)
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &a.status);
    if (a.failure == LT_HTTP_ANSWERED) {
        int64_t now_s = (int64_t)time(NULL), theirs;
        a.body = lt_buf_view(&call->answer);
        a.headers = lt_buf_view(&call->head);
        a.retry_after_s = retry_after(&a, now_s);
        if ((theirs = date_of(&a, "Date")) >= 0)
            a.clock_ahead_s = theirs - now_s;
        if (curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &content_type) == CURLE_OK && content_type)
            a.content_type = content_type;
    } else if (a.failure == LT_HTTP_TOO_LARGE) {
        snprintf(a.text, sizeof(a.text), "the answer is larger than %zu bytes", call->client->s.answer_max);
    } else if (code == CURLE_SEND_FAIL_REWIND) { /* on_seek: its own words speak of a rewind that nobody asked for */
        snprintf(a.text, sizeof(a.text), "the connection was lost while the call was out");
    } else {
        snprintf(a.text, sizeof(a.text), "%s", *facts.text ? facts.text : curl_easy_strerror(code));
    }
    curl_multi_remove_handle(call->client->multi, call->easy);
    call->fn(call->ctx, &a);
    call_free(call, true);
}

void lt_http_client_free(struct lt_http_client *c)
{
    if (!c)
        return;
    while (c->calls)
        finish(c->calls, CURLE_ABORTED_BY_CALLBACK, "cancelled: this side stops");
    for (size_t i = 0; i < c->spare.len; i++)
        curl_easy_cleanup(c->spare.v[i]);
    lt_vec_deinit(&c->spare);
    curl_multi_cleanup(c->multi);
    free((char *)c->s.certificate);
    free((char *)c->s.key);
    free((char *)c->s.ca);
    free(c);
}

static bool has_header(const char *const *headers, const char *name)
{
    size_t len = strlen(name);
    for (; headers && *headers; headers++)
        if (strncasecmp(*headers, name, len) == 0 && (*headers)[len] == ':')
            return true;
    return false;
}

static void add_header(struct call *call, const char *line)
{
    struct curl_slist *longer = curl_slist_append(call->headers, line);
    if (!longer)
        abort(); /* out of memory, as in lt_alloc */
    call->headers = longer;
}

static void set_tls(CURL *e, const struct lt_http_client_settings *s)
{
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    /* A resumed session goes on under the certificates it began with, though their files were replaced since. */
    curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (s->ca) {
        curl_easy_setopt(e, CURLOPT_CAINFO, s->ca);
        curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, CA_KEPT_S);
        curl_easy_setopt(e, CURLOPT_CAPATH,
                         NULL); /* this CA only: Debian's libcurl would accept every public one beside it */
    }
    if (s->certificate) {
        curl_easy_setopt(e, CURLOPT_SSLCERT, s->certificate);
        curl_easy_setopt(e, CURLOPT_SSLKEY, s->key);
    }
}

int lt_http_client_call(struct lt_http_client *c, const char *method, const char *url, const char *const *headers,
                        struct lt_span body, lt_http_done_fn fn, void *ctx, struct lt_err *err)
{
    bool get = strcmp(method, "GET") == 0, head = strcmp(method, "HEAD") == 0;
    CURL *e = c->spare.len ? c->spare.v[--c->spare.len] : curl_easy_init();
    if (!e)
        return lt_err_set(err, LT_E_IO, "curl", "libcurl cannot make a handle");
    curl_easy_reset(e);
    struct call *call = lt_alloc(sizeof(*call));
    call->client = c;
    call->easy = e;
    call->fn = fn;
    call->ctx = ctx;
    call->answer = LT_BUF_INIT(c->s.answer_max + 1);
    call->head = LT_BUF_INIT(HEAD_MAX);
    call->next = c->calls;
    call->prev = &c->calls;
    if (call->next)
        call->next->prev = &call->next;
    c->calls = call;
    c->calls_len++;
    for (size_t i = 0; headers && headers[i]; i++)
        add_header(call, headers[i]);
    add_header(call, "Expect:"); /* no second round trip for large bodies */
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->text);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, c->s.timeout_ms > 0 ? c->s.timeout_ms : 30000L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, c->s.connect_timeout_ms > 0 ? c->s.connect_timeout_ms : 10000L);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    set_tls(e, &c->s);
    if (head) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (body.len > 0 || !get) {
        call->body = lt_alloc(body.len + 1);
        if (body.len)
            memcpy(call->body, body.ptr, body.len);
        call->body_len = body.len;
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(e, CURLOPT_READDATA, call);
        curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(e, CURLOPT_SEEKDATA, call);
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
        if (!has_header(headers, "Content-Type"))
            add_header(call, "Content-Type:"); /* not the form type that libcurl would claim */
        if (body.len == 0)                     /* nothing to rewind, so nothing would stop a silent repeat */
            curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    }
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
    if (curl_easy_setopt(e, CURLOPT_URL, url) != CURLE_OK || curl_multi_add_handle(c->multi, e) != CURLM_OK) {
        call_free(call, false);
        return lt_err_set(err, LT_E_IO, "curl", "libcurl does not take the call to %s", url);
    }
    return LT_OK;
}

static bool reap(struct lt_http_client *c)
{
    bool any = false;
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        if (m->msg != CURLMSG_DONE)
            continue;
        struct call *call = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(call, code, NULL);
        any = true;
    }
    return any;
}

size_t lt_http_client_run(struct lt_http_client *c, int timeout_ms)
{
    int running;
    curl_multi_perform(c->multi, &running);
    if (!reap(c)) {
        curl_multi_poll(c->multi, NULL, 0, timeout_ms, NULL);
        curl_multi_perform(c->multi, &running);
        reap(c);
    }
    return c->calls_len;
}
