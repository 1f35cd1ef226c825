#include "tests/unit/harness.h"

#include "tests/unit/http_pki.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct issuer {
    X509 *cert;
    EVP_PKEY *key;
};

char *pki_file(const char *folder, const char *name)
{
    return lt_asprintf("%s/%s", folder, name);
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void store(const char *folder, const char *name, X509 *cert, EVP_PKEY *key)
{
    LT_AUTOFREE char *pem = lt_asprintf("%s/%s.pem", folder, name);
    LT_AUTOFREE char *key_file = lt_asprintf("%s/%s.key", folder, name);
    FILE *f = fopen(pem, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, cert), 1);
    fclose(f);
    f = fopen(key_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
}

/* issuer NULL: signs itself as a CA. */
static struct issuer make(const char *folder, const char *name, const char *cn, const char *san,
                          const struct issuer *issuer, long days)
{
    static long serial = 1000;
    struct issuer self = {X509_new(), EVP_EC_gen("P-256")};
    assert_non_null(self.key);
    X509_set_version(self.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(self.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(self.cert), -86400 * 10);
    X509_gmtime_adj(X509_getm_notAfter(self.cert), 86400 * days);
    X509_set_pubkey(self.cert, self.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(self.cert), "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1,
                               0);
    X509_set_issuer_name(self.cert, X509_get_subject_name(issuer ? issuer->cert : self.cert));
    extend(self.cert, issuer ? issuer->cert : self.cert, NID_basic_constraints,
           issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (san)
        extend(self.cert, issuer ? issuer->cert : self.cert, NID_subject_alt_name, san);
    assert_true(X509_sign(self.cert, issuer ? issuer->key : self.key, EVP_sha256()) > 0);
    store(folder, name, self.cert, self.key);
    return self;
}

static void drop(struct issuer i)
{
    X509_free(i.cert);
    EVP_PKEY_free(i.key);
}

void pki_make(const char *folder)
{
    struct issuer ca = make(folder, "ca", "Test CA", NULL, NULL, 100);
    struct issuer other = make(folder, "stranger-ca", "Other CA", NULL, NULL, 100);
    static const char client_san[] = "DNS:h22.test,URI:urn:test:h22";
    drop(make(folder, "server", "localhost", "DNS:localhost,IP:127.0.0.1", &ca, 100));
    drop(make(folder, "client", "client-h22", client_san, &ca, 100));
    drop(make(folder, "expired", "client-h22", client_san, &ca, -1));
    drop(make(folder, "stranger", "client-h22", client_san, &other, 100));
    drop(make(folder, "gateway", "gateway", "DNS:gateway.test", &ca, 100));
    drop(ca);
    drop(other);
}

char *pki_folder;

int pki_setup(void **state)
{
    (void)state;
    pki_folder = harness_folder();
    pki_make(pki_folder);
    return 0;
}

int pki_teardown(void **state)
{
    (void)state;
    harness_folder_remove(pki_folder);
    return 0;
}
