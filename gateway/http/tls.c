#include "gateway/http/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"

void lt_http_tls_reason(char *out, size_t size)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (code && ERR_SYSTEM_ERROR(code))
        snprintf(out, size, "%s", strerror(ERR_GET_REASON(code)));
    else
        snprintf(out, size, "%s", reason ? reason : "unknown reason");
    ERR_clear_error();
}

/* Whose certificate is not taken, and why: an operator has to tell its owner. The name is what was presented, so it is
 * shown in plain characters only. */
static int on_verify(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    char *out = ssl ? SSL_get_app_data(ssl) : NULL;
    const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    char name[LT_HTTP_TLS_REFUSED_MAX / 2] = "";
    if (good || !out)
        return good;
    if (certificate)
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
    for (char *c = name; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    snprintf(out, LT_HTTP_TLS_REFUSED_MAX, "certificate of '%s': %s", name,
             X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    return good;
}

static int failed(struct lt_err *err, const char *what, const char *file)
{
    char reason[160];
    lt_http_tls_reason(reason, sizeof(reason));
    return lt_err_set(err, LT_E_IO, "tls-file", "%s %s cannot be used: %s; expected a readable PEM file", what, file,
                      reason);
}

int lt_http_tls_server(const char *certificate, const char *key, const char *client_ca, SSL_CTX **ret,
                       struct lt_err *err)
{
    if (!key || !client_ca)
        return lt_err_set(err, LT_E_INVALID, "tls-incomplete",
                          "certificate %s needs its key and the CA that signs clients: every edge is mutual TLS",
                          certificate);
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int rc = LT_OK;
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        rc = failed(err, "TLS for", certificate);
    } else if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1) {
        rc = failed(err, "certificate", certificate);
    } else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        rc = failed(err, "key", key);
    } else if (SSL_CTX_check_private_key(ctx) != 1) {
        rc = failed(err, "key (it must fit the certificate)", key);
    } else if (SSL_CTX_load_verify_locations(ctx, client_ca, NULL) != 1) {
        rc = failed(err, "client CA", client_ca);
    } else {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);
        if (!names)
            rc = failed(err, "client CA", client_ca);
        else
            SSL_CTX_set_client_CA_list(ctx, names);
    }
    if (rc != LT_OK) {
        SSL_CTX_free(ctx);
        return rc;
    }
    static const unsigned char id[] = "lienthong";
    SSL_CTX_set_session_id_context(ctx, id,
                                   sizeof(id) - 1); /* without it a resumed session with a client certificate fails */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only: no lock shared by the loops */
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1); /* else a system call for the head of each record, and one for the rest */
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
    *ret = ctx;
    return LT_OK;
}

int lt_http_tls_in_force(SSL_CTX *ctx, const char *certificate, struct lt_err *err)
{
    const X509 *cert = SSL_CTX_get0_certificate(ctx);
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
        return lt_err_set(err, LT_E_INVALID, "certificate-ended", "certificate %s has ended", certificate);
    if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
        return lt_err_set(err, LT_E_INVALID, "certificate-early", "certificate %s does not begin yet", certificate);
    return LT_OK;
}

/* A name that does not fit or hides a NUL is left out: a cut name could match somebody else. */
static bool copy_name(const ASN1_STRING *from, char *out, size_t size)
{
    const unsigned char *p = ASN1_STRING_get0_data(from);
    int len = ASN1_STRING_length(from);
    if (len <= 0 || (size_t)len >= size || memchr(p, 0, (size_t)len))
        return false;
    memcpy(out, p, (size_t)len);
    out[len] = '\0';
    return true;
}

static void read_common_name(X509 *cert, struct lt_http_peer *ret)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return; /* none, or several: which one counts is nobody's guess */
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len > 0 && (size_t)len < sizeof(ret->subject_cn) && !memchr(utf8, 0, (size_t)len))
        memcpy(ret->subject_cn, utf8, (size_t)len);
    OPENSSL_free(utf8);
}

static void read_san(X509 *cert, struct lt_http_peer *ret)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && ret->san_len < LT_ARRAY_LEN(ret->san); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if ((name->type == GEN_DNS || name->type == GEN_URI) &&
            copy_name(name->d.ia5, ret->san[ret->san_len], sizeof(ret->san[0])))
            ret->san_len++;
    }
    GENERAL_NAMES_free(names);
}

bool lt_http_tls_peer(SSL *ssl, struct lt_http_peer *ret)
{
    memset(ret, 0, sizeof(*ret));
    X509 *cert = SSL_get1_peer_certificate(ssl);
    if (!cert)
        return false;
    struct tm tm;
    bool live = X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm))
        lt_time_rfc3339((int64_t)timegm(&tm) * 1000, ret->not_after);
    read_common_name(cert, ret);
    read_san(cert, ret);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    if (X509_digest(cert, EVP_sha256(), digest, &len) && len == LT_SHA256_SIZE)
        lt_hex(digest, len, ret->fingerprint);
    X509_free(cert);
    return live;
}
