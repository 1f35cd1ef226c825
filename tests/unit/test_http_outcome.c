#include "tests/unit/harness.h"

#include "gateway/http/outcome.h"

/* Numbers of libcurl's ABI (CURLcode). */
enum {
    OK = 0,
    RESOLVE = 6,
    CONNECT = 7,
    WEIRD = 8,
    PARTIAL = 18,
    WRITE = 23,
    TIMEDOUT = 28,
    SSL_CONNECT = 35,
    NOTHING = 52,
    SEND = 55,
    RECV = 56,
    CERTPROBLEM = 58,
    PEER_FAILED = 60,
    REWIND = 65
};

static void each_result_of_libcurl_becomes_one_outcome(void **state)
{
    (void)state;
    static const struct {
        struct lt_http_facts facts;
        enum lt_http_failure want;
    } cases[] = {
        {{OK, true, true, true, false, ""}, LT_HTTP_ANSWERED},
        {{RESOLVE, true, false, false, false, ""}, LT_HTTP_NOT_SENT},
        {{CONNECT, true, false, false, false, ""}, LT_HTTP_NOT_SENT},
        {{TIMEDOUT, true, false, false, false, ""}, LT_HTTP_NOT_SENT}, /* while connecting */
        {{TIMEDOUT, true, true, false, false, ""}, LT_HTTP_UNKNOWN},
        {{NOTHING, true, true, false, false, ""}, LT_HTTP_UNKNOWN},
        {{PARTIAL, true, true, true, false, ""}, LT_HTTP_UNKNOWN},
        {{WEIRD, true, true, true, false, ""}, LT_HTTP_UNKNOWN},
        {{WRITE, true, true, true, true, ""}, LT_HTTP_TOO_LARGE},
        {{REWIND, true, true, false, false, ""}, LT_HTTP_UNKNOWN}, /* a kept connection died under the request */
        {{SEND, true, false, false, false, "Broken pipe"}, LT_HTTP_NOT_SENT},
        {{SEND, true, true, false, false, "Broken pipe"}, LT_HTTP_UNKNOWN},
        {{RECV, true, true, false, false, "Connection reset by peer"}, LT_HTTP_UNKNOWN},
        {{RECV, true, true, false, false, "error:0A000412:SSL routines::sslv3 alert bad certificate"},
         LT_HTTP_CREDENTIAL},
        {{RECV, true, true, false, false, "error:0A00045C:SSL routines::tlsv13 alert certificate required"},
         LT_HTTP_CREDENTIAL},
        /* not the first thing on a new connection: the request may have been processed */
        {{RECV, false, true, false, false, "error:0A000412:SSL routines::sslv3 alert bad certificate"},
         LT_HTTP_UNKNOWN},
        {{RECV, true, true, true, false, "error:0A000412:SSL routines::sslv3 alert bad certificate"}, LT_HTTP_UNKNOWN},
        {{SSL_CONNECT, true, false, false, false, "error:0A000418:SSL routines::tlsv1 alert unknown ca"},
         LT_HTTP_CREDENTIAL},
        {{SSL_CONNECT, true, false, false, false, "error:0A000410:SSL routines::sslv3 alert handshake failure"},
         LT_HTTP_CREDENTIAL},
        {{SSL_CONNECT, true, false, false, false, "OpenSSL SSL_connect: Connection reset by peer"}, LT_HTTP_NOT_SENT},
        {{PEER_FAILED, true, false, false, false, "self-signed certificate"}, LT_HTTP_CREDENTIAL},
        {{CERTPROBLEM, true, false, false, false, "could not load PEM client certificate"}, LT_HTTP_CREDENTIAL},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        enum lt_http_failure got = lt_http_outcome(&cases[i].facts);
        if (got != cases[i].want)
            fail_msg("case %zu: got %d, want %d", i, (int)got, (int)cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_result_of_libcurl_becomes_one_outcome)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
