#include "gateway/config/config.h"

#include "gateway/base/clock.h"
#include "gateway/base/file.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <time.h>

#define PEM_MAX ((size_t)4 << 20)
#define DAY_MS ((int64_t)86400000)
#define WARN_DAYS 30

struct check {
    int64_t now_ms;
    struct lt_diags *diags;
    bool out_of_date_ends_it; /* else it is a warning */
};

#define OUT_OF_DATE(k, ...) ((k)->out_of_date_ends_it ? lt_yaml_error : lt_yaml_warning)((k)->diags, __VA_ARGS__)

/* A key with a passphrase cannot be used by a service: never ask for one at the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *ctx)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static const char *openssl_reason(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    return reason ? reason : "no reason given";
}

/* The bytes of a PEM file as a BIO over them; NULL was told. */
static BIO *open_pem(const struct check *k, const struct lt_yaml_node *n, const char *key, const char *path,
                     char **ret_text)
{
    size_t len;
    struct lt_err err = LT_ERR_INIT;
    if (lt_file_read(path, PEM_MAX, ret_text, &len, &err) < 0) {
        lt_yaml_error(k->diags, n, "%s: expected a readable PEM file, got: %s", key, err.text);
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(*ret_text, (int)len);
    if (!bio)
        abort();
    return bio;
}

static bool moment(const ASN1_TIME *t, int64_t *ret_ms)
{
    struct tm tm;
    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static void check_dates(const struct check *k, const struct lt_yaml_node *n, const char *key, const char *path, X509 *x)
{
    int64_t from, to;
    char text[30];
    if (!moment(X509_get0_notBefore(x), &from) || !moment(X509_get0_notAfter(x), &to)) {
        lt_yaml_error(k->diags, n, "%s: expected a certificate with readable dates, got %s", key, path);
        return;
    }
    if (k->now_ms < from) {
        lt_time_rfc3339(from, text);
        OUT_OF_DATE(k, n, "%s: expected a certificate that is valid now, got %s, valid from %s", key, path, text);
    } else if (k->now_ms >= to) {
        lt_time_rfc3339(to, text);
        OUT_OF_DATE(k, n, "%s: expected a certificate that has not expired, got %s, expired at %s", key, path, text);
    } else if (to - k->now_ms <= WARN_DAYS * DAY_MS) {
        lt_time_rfc3339(to, text);
        lt_yaml_warning(k->diags, n,
                        "%s: expected a certificate valid for more than %d days, got %s, which ends in %d days (%s)",
                        key, WARN_DAYS, path, (int)((to - k->now_ms) / DAY_MS), text);
    }
}

static X509 *read_certificate(const struct check *k, const struct lt_yaml_node *n, const char *key, const char *path)
{
    LT_AUTOFREE char *text = NULL;
    BIO *bio = open_pem(k, n, key, path, &text);
    if (!bio)
        return NULL;
    ERR_clear_error();
    X509 *x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (!x)
        lt_yaml_error(k->diags, n, "%s: expected a PEM certificate, got something else in %s (%s)", key, path,
                      openssl_reason());
    BIO_free(bio);
    return x;
}

static EVP_PKEY *read_key(const struct check *k, const struct lt_yaml_node *n, const char *key, const char *path)
{
    LT_AUTOFREE char *text = NULL;
    struct stat st;
    BIO *bio = open_pem(k, n, key, path, &text);
    if (!bio)
        return NULL;
    if (stat(path, &st) == 0 && (st.st_mode & 077))
        lt_yaml_error(k->diags, n, "%s: expected a key that only its owner can read (chmod 600 %s), got mode %04o", key,
                      path, (unsigned)(st.st_mode & 07777));
    ERR_clear_error();
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (!pkey)
        lt_yaml_error(k->diags, n, "%s: expected a PEM private key without a passphrase, got something else in %s (%s)",
                      key, path, openssl_reason());
    BIO_free(bio);
    explicit_bzero(text, strlen(text));
    return pkey;
}

/* Every certificate of the bundle counts: one that has expired is a warning while another is left. */
static void check_bundle(const struct check *k, const struct lt_yaml_node *n, const char *key, const char *path)
{
    LT_AUTOFREE char *text = NULL;
    BIO *bio = open_pem(k, n, key, path, &text);
    if (!bio)
        return;
    size_t found = 0, valid = 0;
    X509 *x;
    ERR_clear_error();
    while ((x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
        int64_t to;
        found++;
        valid += moment(X509_get0_notAfter(x), &to) && to > k->now_ms;
        X509_free(x);
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (found == 0 || !ended)
        lt_yaml_error(k->diags, n, "%s: expected a PEM bundle of CA certificates, got something else in %s (%s)", key,
                      path, ended ? "no certificate" : openssl_reason());
    else if (valid == 0)
        OUT_OF_DATE(k, n, "%s: expected a CA certificate that has not expired, got none in %s", key, path);
    else if (valid < found)
        lt_yaml_warning(k->diags, n, "%s: expected CA certificates that have not expired, got %zu of %zu expired in %s",
                        key, found - valid, found, path);
    ERR_clear_error();
    BIO_free(bio);
}

static void check_identity(const struct check *k, const struct lt_yaml_node *tls, const char *context,
                           const char *ca_key, const struct lt_config_tls *t)
{
    if (!t->certificate || !t->key || !t->ca)
        return; /* none wanted, or found missing before */
    LT_AUTOFREE char *certificate_key = lt_asprintf("%s.certificate", context);
    LT_AUTOFREE char *key_key = lt_asprintf("%s.key", context);
    LT_AUTOFREE char *bundle_key = lt_asprintf("%s.%s", context, ca_key);
    const struct lt_yaml_node *certificate_node = lt_yaml_get(tls, "certificate"), *key_node = lt_yaml_get(tls, "key");
    X509 *x = read_certificate(k, certificate_node, certificate_key, t->certificate);
    EVP_PKEY *pkey = read_key(k, key_node, key_key, t->key);
    if (x)
        check_dates(k, certificate_node, certificate_key, t->certificate, x);
    if (x && pkey && X509_check_private_key(x, pkey) != 1)
        lt_yaml_error(k->diags, key_node, "%s: expected the key of %s, got another key in %s", key_key, t->certificate,
                      t->key);
    check_bundle(k, lt_yaml_get(tls, ca_key), bundle_key, t->ca);
    X509_free(x);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
}

void lt_config_check_certificates(const struct lt_config *c, int64_t now_ms, bool starting, struct lt_diags *diags)
{
    struct check k = {now_ms, diags, true};
    const struct lt_yaml_node *ingest = lt_yaml_get(lt_yaml_root(c->files[0]), "ingest");
    check_identity(&k, lt_yaml_get(ingest, "tls"), "ingest.tls", "client_ca", &c->ingest.tls);
    k.out_of_date_ends_it = !starting;
    check_identity(&k, lt_yaml_get(ingest, "peer_tls"), "ingest.peer_tls", "ca", &c->ingest.peer_tls);
    for (size_t i = 0; i < c->targets_len; i++)
        check_identity(&k, lt_yaml_get(c->targets[i].node, "tls"), "tls", "ca", &c->targets[i].tls);
}
