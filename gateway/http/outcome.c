#include "gateway/http/outcome.h"

#include <curl/curl.h>

/* Alerts (OpenSSL's words) with which a server says that it will not talk to this certificate, or to none. */
static bool is_credential_alert(const char *text)
{
    static const char *const alerts[] = {
        "alert bad certificate",     "alert unsupported certificate", "alert certificate revoked",
        "alert certificate expired", "alert certificate unknown",     "alert unknown ca",
        "alert access denied",       "alert certificate required",    "alert handshake failure",
        "alert no certificate",      "alert decrypt error",           "alert insufficient security"};
    for (size_t i = 0; i < LT_ARRAY_LEN(alerts); i++)
        if (strstr(text, alerts[i]))
            return true;
    return false;
}

enum lt_http_failure lt_http_outcome(const struct lt_http_facts *f)
{
    if (f->too_large)
        return LT_HTTP_TOO_LARGE;
    switch (f->curl_code) {
    case CURLE_OK:
        return LT_HTTP_ANSWERED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return f->sent ? LT_HTTP_UNKNOWN : LT_HTTP_CREDENTIAL; /* all of them happen before anything is sent */
    case CURLE_SSL_CONNECT_ERROR:
        if (f->sent)
            return LT_HTTP_UNKNOWN;
        return is_credential_alert(f->text) ? LT_HTTP_CREDENTIAL : LT_HTTP_NOT_SENT;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        /*
         * In TLS 1.3 the client has finished, and sent, before the server has looked at its certificate. A server that
         * then refuses it has not processed a byte of the request; only as the first thing on a new connection can the
         * alert mean that.
         */
        if (f->fresh_connection && !f->answered && is_credential_alert(f->text))
            return LT_HTTP_CREDENTIAL;
        break;
    default:
        break;
    }
    return f->sent ? LT_HTTP_UNKNOWN : LT_HTTP_NOT_SENT;
}

static const struct {
    int code;
    const char *word;
} curl_words[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "COULDNT_RESOLVE_HOST"},
    {CURLE_COULDNT_RESOLVE_PROXY, "COULDNT_RESOLVE_PROXY"},
    {CURLE_COULDNT_CONNECT, "COULDNT_CONNECT"},
    {CURLE_OPERATION_TIMEDOUT, "OPERATION_TIMEDOUT"},
    {CURLE_SSL_CONNECT_ERROR, "SSL_CONNECT_ERROR"},
    {CURLE_PEER_FAILED_VERIFICATION, "PEER_FAILED_VERIFICATION"},
    {CURLE_SSL_CERTPROBLEM, "SSL_CERTPROBLEM"},
    {CURLE_SSL_CACERT_BADFILE, "SSL_CACERT_BADFILE"},
    {CURLE_SSL_ISSUER_ERROR, "SSL_ISSUER_ERROR"},
    {CURLE_SSL_CIPHER, "SSL_CIPHER"},
    {CURLE_SSL_SHUTDOWN_FAILED, "SSL_SHUTDOWN_FAILED"},
    {CURLE_GOT_NOTHING, "GOT_NOTHING"},
    {CURLE_SEND_ERROR, "SEND_ERROR"},
    {CURLE_RECV_ERROR, "RECV_ERROR"},
    {CURLE_PARTIAL_FILE, "PARTIAL_FILE"},
    {CURLE_WRITE_ERROR, "WRITE_ERROR"},
    {CURLE_WEIRD_SERVER_REPLY, "WEIRD_SERVER_REPLY"},
    {CURLE_HTTP2, "HTTP2"},
    {CURLE_BAD_CONTENT_ENCODING, "BAD_CONTENT_ENCODING"},
    {CURLE_TOO_MANY_REDIRECTS, "TOO_MANY_REDIRECTS"},
    {CURLE_UNSUPPORTED_PROTOCOL, "UNSUPPORTED_PROTOCOL"},
    {CURLE_URL_MALFORMAT, "URL_MALFORMAT"},
    {CURLE_SEND_FAIL_REWIND, "SEND_FAIL_REWIND"},
    {CURLE_ABORTED_BY_CALLBACK, "ABORTED_BY_CALLBACK"},
};

const char *lt_http_curl_name(int code)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(curl_words); i++)
        if (curl_words[i].code == code)
            return curl_words[i].word;
    return code == CURLE_OK ? "" : "OTHER";
}

bool lt_http_curl_word(struct lt_span word)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(curl_words); i++)
        if (lt_span_is(word, curl_words[i].word))
            return true;
    return lt_span_is(word, "OTHER");
}
