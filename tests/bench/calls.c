/*
 * The yardstick of `tools/bench delivery`: a bare libcurl multi client with a client certificate. It makes the calls
 * that the gateway makes of a received event (look up, create, one progress row), a dossier after the other in each of
 * CONCURRENCY chains, with the gateway's own bodies, and keeps nothing: no queue, no ledger, no outcome.
 *
 *   bench_calls URL CERT KEY CA PASSWORD-FILE MADONVI DSTCODE DOSSIER-FILE ROW-FILE CONCURRENCY SECONDS FIRST
 *
 * DOSSIER-FILE and ROW-FILE hold one item each, @CODE@ in them stands for the dossier's code. Prints one JSON line. It
 * uses libcurl alone, nothing of the gateway: a yardstick must not share what it measures.
 */
#include "tests/bench/common.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY_MAX 65536
#define ANSWER_MAX 65536
#define SAMPLES_MAX 4000000
#define MARK "@CODE@"

static const char *url, *certificate, *key, *ca, *madonvi;
static char *dossier_item, *row_item, session[256];
static struct curl_slist *headers;
static CURLM *multi;
static uint64_t next_number, calls;
static double ends;
static uint32_t *samples;

enum chain_step { CHAIN_LOOKUP, CHAIN_CREATE, CHAIN_PROGRESS, CHAIN_STEPS };

struct chain {
    CURL *easy;
    enum chain_step step;
    char code[32];
    char body[BODY_MAX], answer[ANSWER_MAX];
    size_t got;
    double begun;
};

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(BODY_MAX);
    if (!f)
        bench_die(path, "cannot be read");
    size_t len = fread(text, 1, BODY_MAX - 1, f);
    fclose(f);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    text[len] = 0;
    return text;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct chain *c = arg;
    if (c->got + size * n >= ANSWER_MAX)
        return 0;
    memcpy(c->answer + c->got, data, size * n);
    c->got += size * n;
    c->answer[c->got] = 0;
    return size * n;
}

static CURL *easy_new(struct chain *c, const char *path)
{
    char address[512];
    CURL *e = curl_easy_init();
    snprintf(address, sizeof(address), "%s%s", url, path);
    curl_easy_setopt(e, CURLOPT_URL, address);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_CAINFO, ca);
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(e, CURLOPT_SSLCERT, certificate);
    curl_easy_setopt(e, CURLOPT_SSLKEY, key);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(e, CURLOPT_PRIVATE, c);
    return e;
}

/* Put the item with its code into the body; returns the bytes written. */
static size_t put_item(char *to, const char *item, const char *code)
{
    char *at = to;
    for (const char *mark; (mark = strstr(item, MARK)); item = mark + sizeof(MARK) - 1) {
        memcpy(at, item, (size_t)(mark - item));
        at += mark - item;
        at = stpcpy(at, code);
    }
    return (size_t)(stpcpy(at, item) - to);
}

static void begin_call(struct chain *c)
{
    char *at = c->body;
    const char *service = c->step == CHAIN_LOOKUP   ? "TraCuuHoSo"
                          : c->step == CHAIN_CREATE ? "DongBoHoSoMC"
                                                    : "CapNhatTienDoHoSoMC";
    at += sprintf(at, "{\"session\":\"%s\",\"madonvi\":\"%s\",\"service\":\"%s\",", session, madonvi, service);
    if (c->step == CHAIN_LOOKUP) {
        at += sprintf(at, "\"mahoso\":\"%s\"}", c->code);
    } else {
        at += sprintf(at, "%s\"data\":[", c->step == CHAIN_CREATE ? "\"isUpdating\":\"False\"," : "");
        at += put_item(at, c->step == CHAIN_CREATE ? dossier_item : row_item, c->code);
        at = stpcpy(at, "]}");
    }
    c->got = 0;
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)(at - c->body));
    c->begun = bench_now();
    if (curl_multi_add_handle(multi, c->easy) != CURLM_OK)
        bench_die("curl", "does not take a call");
}

static void begin_dossier(struct chain *c)
{
    c->step = CHAIN_LOOKUP;
    snprintf(c->code, sizeof(c->code), "H22.00847-250902-%09" PRIu64, next_number++);
    begin_call(c);
}

static void ended(struct chain *c, CURLcode code)
{
    long status = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK)
        bench_die("a call failed", curl_easy_strerror(code));
    if (status != 200 || (!strstr(c->answer, "\"error_code\":0") && !strstr(c->answer, "\"error_code\":\"0\"")))
        bench_die("a call was not taken", c->answer);
    if (calls < SAMPLES_MAX)
        samples[calls] = (uint32_t)((bench_now() - c->begun) * 1e6);
    calls++;
    curl_multi_remove_handle(multi, c->easy);
    if (bench_now() >= ends)
        return;
    if (++c->step < CHAIN_STEPS)
        begin_call(c);
    else
        begin_dossier(c);
}

static void log_in(const char *password_file)
{
    struct chain *c = calloc(1, sizeof(*c));
    char *password = read_file(password_file);
    c->easy = easy_new(c, "/login");
    snprintf(c->body, sizeof(c->body), "{\"username\":\"lienthong\",\"password\":\"%s\"}", password);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body);
    CURLcode code = curl_easy_perform(c->easy);
    if (code != CURLE_OK)
        bench_die("login", curl_easy_strerror(code));
    char *at = strstr(c->answer, "\"session\":\"");
    if (!at || sscanf(at, "\"session\":\"%255[^\"]\"", session) != 1)
        bench_die("login refused", c->answer);
    curl_easy_cleanup(c->easy);
    free(password);
    free(c);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    char dstcode[128];
    if (argc != 13) {
        fprintf(stderr, "usage: bench_calls URL CERT KEY CA PASSWORD-FILE MADONVI DSTCODE DOSSIER-FILE ROW-FILE "
                        "CONCURRENCY SECONDS FIRST\n");
        return 2;
    }
    url = argv[1];
    certificate = argv[2];
    key = argv[3];
    ca = argv[4];
    madonvi = argv[6];
    snprintf(dstcode, sizeof(dstcode), "dstcode: %s", argv[7]);
    dossier_item = read_file(argv[8]);
    row_item = read_file(argv[9]);
    if (strlen(dossier_item) + strlen(row_item) > BODY_MAX / 2)
        bench_die("items", "too large");
    long concurrency = atol(argv[10]);
    double seconds = atof(argv[11]);
    next_number = strtoull(argv[12], NULL, 10);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    headers = curl_slist_append(headers, "Accept: application/json");
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, dstcode);
    headers = curl_slist_append(headers, "Expect:");
    samples = malloc(SAMPLES_MAX * sizeof(*samples));
    log_in(argv[5]);
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, concurrency);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, concurrency);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    struct chain *chains = calloc((size_t)concurrency, sizeof(*chains));
    double begun = bench_now(), cpu_begun = bench_cpu();
    uint64_t first = next_number;
    ends = begun + seconds;
    for (long i = 0; i < concurrency; i++) {
        chains[i].easy = easy_new(&chains[i], "/integration");
        begin_dossier(&chains[i]);
    }
    for (int running = 1; running > 0;) {
        int left;
        curl_multi_perform(multi, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));) {
            struct chain *c = NULL;
            CURLcode code = m->data.result;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&c);
            ended(c, code);
            running = 1; /* it may have begun another */
        }
        if (running > 0)
            curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    double took = bench_now() - begun;
    size_t kept = calls < SAMPLES_MAX ? calls : SAMPLES_MAX;
    qsort(samples, kept, sizeof(*samples), by_size);
    printf("{\"calls\":%" PRIu64 ",\"seconds\":%.3f,\"cpu_s\":%.3f,\"dossiers\":%" PRIu64
           ",\"p50_us\":%u,\"p99_us\":%u}\n",
           calls, took, bench_cpu() - cpu_begun, next_number - first, kept ? samples[kept / 2] : 0,
           kept ? samples[kept * 99 / 100] : 0);
    return 0;
}
