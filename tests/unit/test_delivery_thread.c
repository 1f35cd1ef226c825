/* The whole of delivery in its own thread: real HTTP client, portal adapter, the log in memory, and a portal of a few
 * lines on a socket. */
#include "adapters/portal/portal.h"
#include "gateway/base/log.h"
#include "gateway/delivery/delivery.h"
#include "gateway/kafka/log_memory.h"
#include "tests/unit/harness.h"
#include "tests/unit/http_wire.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

struct portal {
    atomic_int creates, progress;
};

static void answer(int fd, const char *body)
{
    char text[512];
    int n = snprintf(
        text, sizeof(text),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
        strlen(body), body);
    assert_int_equal(write(fd, text, (size_t)n), n);
}

/* One call a connection. */
static void serve(void *ctx, int fd)
{
    struct portal *p = ctx;
    char in[16384];
    if (!wire_request(fd, in, sizeof(in)))
        return;
    if (strstr(in, "\"password\"")) {
        answer(fd, "{\"session\":\"s-1\",\"error_code\":0}");
    } else if (strstr(in, "TraCuuHoSo")) {
        answer(fd, "{\"error_code\":\"0\",\"result\":[]}");
    } else {
        atomic_fetch_add(strstr(in, "CapNhatTienDoHoSoMC") ? &p->progress : &p->creates, 1);
        answer(fd, "{\"error_code\":0,\"message\":\"thành công\"}");
    }
}

static atomic_bool held; /* no log is opened and none answers: the thread that wants one hangs */
static struct lt_log_ops memory_ops;
static const struct lt_log_ops *memory_real;

static int held_poll(struct lt_log *l, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    WAIT_UNTIL(!atomic_load(&held));
    return memory_real->poll(l, timeout_ms, ret, err);
}

static int open_memory(void *ctx, const struct lt_log_settings *s, struct lt_log **ret, struct lt_err *err)
{
    WAIT_UNTIL(!atomic_load(&held));
    int r = lt_log_memory_new(ctx, s, ret, err);
    if (r != LT_OK)
        return r;
    memory_real = (*ret)->ops;
    memory_ops = *memory_real;
    memory_ops.poll = held_poll;
    (*ret)->ops = &memory_ops;
    return LT_OK;
}

static struct lt_memory *filled(void)
{
    struct lt_memory *m = lt_memory_new(1700000000000LL);
    char genesis[LT_DELIVERY_POSITION_MAX];
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_headers h = {0};
    lt_memory_topic(m, "lt.portal", 1, 0, false);
    lt_memory_topic(m, "lt.ledger.portal", 1, 0, false);
    lt_memory_topic(m, "lt.control.portal", 1, 0, false);
    lt_memory_topic(m, "lt.history.portal", 1, 0, false);
    lt_memory_topic(m, LT_TOPIC_ANSWERS, 1, 0, false);
    lt_delivery_genesis(7, genesis);
    lt_memory_offset_set(m, "lt.portal", "lt.portal", 0, 0, genesis);
    const struct lt_event e = {.id = LT_SPAN_LIT("0123456789abcdef0123456789abcdef"),
                               .source = LT_SPAN_LIT("mot-cua"),
                               .type = LT_SPAN_LIT("vn.lienthong.dossier.received.v1"),
                               .subject = LT_SPAN_LIT("A-1"),
                               .time = LT_SPAN_LIT("2024-01-01T08:30:00+07:00"),
                               .province = LT_SPAN_LIT("H22"),
                               .unit = LT_SPAN_LIT("H22.01"),
                               .procedure = LT_SPAN_LIT("1.001193"),
                               .channel = LT_SPAN_LIT("1"),
                               .digest =
                                   LT_SPAN_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                               .digest_v = 1,
                               .key = LT_SPAN_LIT("H22/A-1"),
                               .data = LT_SPAN_LIT("{\"HoSo\":{\"MaHoSo\":\"A-1\"},\"TienDo\":{\"NguoiXuLy\":\"x\"}}")};
    lt_event_headers(&e, &a, &h);
    lt_headers_put(&h, "lt_path", LT_SPAN_LIT("portal"));
    lt_headers_put(&h, "lt_hop", LT_SPAN_LIT("0"));
    lt_memory_append(m, "lt.portal", 0, e.key, &h, e.data);
    lt_arena_deinit(&a);
    return m;
}

static bool status_has(struct lt_delivery_engine *d, const char *part)
{
    struct lt_buf out = LT_BUF_INIT(1 << 20);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_delivery_status(d, &w);
    bool has = strstr(lt_buf_view(&out).ptr, part) != NULL;
    lt_buf_deinit(&out);
    return has;
}

/* An engine for the portal at a URL, on a log with one event. */
struct bench {
    struct lt_memory *m;
    struct lt_yaml *options, *shipped;
    struct lt_config config;
    struct lt_config_target target;
    struct lt_delivery_engine *engine;
};

static void bench_start(struct bench *b, const char *url, int64_t timeout_ms, int64_t hangs_ms)
{
    struct lt_diags diags = LT_DIAGS_INIT;
    *b = (struct bench){.m = filled(), .config = {.instance = "gw1"}};
    setenv("LT_TEST_PORTAL_PASSWORD", "secret", 1);
    lt_log_threshold = LT_LOG_ERROR + 1;
    assert_int_equal(
        lt_yaml_parse("portal.yaml",
                      LT_SPAN_LIT("{username: u, password: {env: LT_TEST_PORTAL_PASSWORD}, dstcode: d, madonvi: m}"),
                      &b->options, &diags),
        LT_OK);
    assert_int_equal(lt_yaml_load("config/targets/portal.yaml", &b->shipped, &diags), LT_OK);
    b->target = (struct lt_config_target){.name = "portal",
                                          .adapter = "portal",
                                          .url = url,
                                          .timeout_ms = timeout_ms,
                                          .connect_timeout_ms = timeout_ms,
                                          .concurrency = 4,
                                          .retry_min_ms = 1,
                                          .retry_max_ms = 10,
                                          .settle_ms = 10,
                                          .options = lt_yaml_root(b->options),
                                          .answers = lt_yaml_get(lt_yaml_root(b->shipped), "answers")};
    const struct lt_delivery_settings s = {.config = &b->config,
                                           .target = &b->target,
                                           .adapter = &lt_portal_adapter,
                                           .ctx = b->m,
                                           .open_log = open_memory,
                                           .hangs_ms = hangs_ms};
    assert_int_equal(lt_delivery_check(&b->target, &lt_portal_adapter, &diags), LT_OK);
    assert_int_equal(lt_delivery_start(&s, &b->engine, &diags), LT_OK);
}

/* The engine is stopped; how many answers it left. */
static size_t bench_stop(struct bench *b)
{
    lt_delivery_stop(b->engine);
    lt_delivery_free(b->engine);
    size_t answers = lt_memory_count(b->m, LT_TOPIC_ANSWERS);
    lt_memory_free(b->m);
    lt_yaml_free(b->options);
    lt_yaml_free(b->shipped);
    return answers;
}

static void an_event_travels_through_thread_client_and_adapter(void **state)
{
    (void)state;
    struct portal portal = {0};
    struct wire_server server;
    struct bench b;
    char url[64];
    wire_server_start(&server, serve, &portal);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
    bench_start(&b, url, 5000, 0);
    WAIT_UNTIL(status_has(b.engine, "\"ok\":1"));
    assert_true(lt_delivery_ready(b.engine));
    struct lt_buf metrics = LT_BUF_INIT(1 << 16);
    lt_delivery_metrics(b.engine, &metrics);
    assert_non_null(strstr(lt_buf_view(&metrics).ptr, "outcome=\"ok\"} 1\n"));
    lt_buf_deinit(&metrics);
    assert_int_equal(bench_stop(&b), 2);
    wire_server_stop(&server);
    assert_int_equal(atomic_load(&portal.creates), 1);
    assert_int_equal(atomic_load(&portal.progress), 1);
}

static void a_portal_that_is_away_is_waited_for(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, "http://127.0.0.1:1", 5000, 0);
    WAIT_UNTIL(status_has(b.engine, "\"reason\":\"trouble\"")); /* the breaker */
    assert_false(status_has(b.engine, "\"unknown\":1"));
    assert_int_equal(bench_stop(&b), 0);
}

static void a_thread_that_hangs_is_seen_by_its_silence(void **state)
{
    (void)state;
    struct bench b;
    bench_start(&b, "http://127.0.0.1:1", 200, 600);
    WAIT_UNTIL(lt_delivery_ready(b.engine));
    atomic_store(&held, true);
    WAIT_UNTIL(lt_delivery_hangs(b.engine));
    assert_false(lt_delivery_ready(b.engine));
    assert_true(status_has(b.engine, "\"ready\":true")); /* what it told last */
    assert_true(lt_delivery_silent_ms(b.engine) > 600 + 2 * 200);
    struct lt_buf metrics = LT_BUF_INIT(1 << 16);
    lt_delivery_metrics(b.engine, &metrics);
    const char *told = strstr(lt_buf_view(&metrics).ptr, "lienthong_delivery_silent_ms{target=\"portal\"} ");
    assert_non_null(told);
    assert_true(strtol(strchr(told, ' '), NULL, 10) > 1000);
    lt_buf_deinit(&metrics);
    atomic_store(&held, false);
    WAIT_UNTIL(lt_delivery_ready(b.engine) && !lt_delivery_hangs(b.engine));
    (void)bench_stop(&b);
}

/* Before a partition is given back its calls are waited for, up to their time limit. */
static void a_thread_that_waits_as_long_as_a_call_may_take_does_not_hang(void **state)
{
    (void)state;
    struct bench b;
    atomic_store(&held, true);
    bench_start(&b, "http://127.0.0.1:1", 60000, 1);
    WAIT_UNTIL(lt_delivery_silent_ms(b.engine) > 300);
    assert_false(lt_delivery_hangs(b.engine));
    atomic_store(&held, false);
    (void)bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_travels_through_thread_client_and_adapter),
        cmocka_unit_test(a_portal_that_is_away_is_waited_for),
        cmocka_unit_test(a_thread_that_hangs_is_seen_by_its_silence),
        cmocka_unit_test(a_thread_that_waits_as_long_as_a_call_may_take_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
