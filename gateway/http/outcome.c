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
