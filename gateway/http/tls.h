/* The server's side of TLS: its context, and who the peer is. TLS 1.2 and up, client certificate required.
 */
#ifndef LT_HTTP_TLS_H
#define LT_HTTP_TLS_H

#include <openssl/ssl.h>

#include "gateway/base/err.h"
#include "gateway/http/server.h"

/* Of the app data of a connection's SSL: whose certificate was not taken and why, "" otherwise. */
#define LT_HTTP_TLS_REFUSED_MAX 160

/* LT_E_IO: a file cannot be read, the key does not fit, …: text names the file and what to do. */
int lt_http_tls_server(const char *certificate, const char *key, const char *client_ca, SSL_CTX **ret,
                       struct lt_err *err) LT_MUST_CHECK;
/* LT_E_INVALID: the certificate has ended, or does not begin yet. */
int lt_http_tls_in_force(SSL_CTX *ctx, const char *certificate, struct lt_err *err) LT_MUST_CHECK;
/* Fill ret from the certificate of a finished handshake. False: there is none, or it has ended meanwhile (a resumed
 * session). */
bool lt_http_tls_peer(SSL *ssl, struct lt_http_peer *ret) LT_MUST_CHECK;
/* The oldest error of this thread's OpenSSL queue in words; the queue is empty afterwards. */
void lt_http_tls_reason(char *out, size_t size);
#endif
