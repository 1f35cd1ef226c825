#include "tests/unit/config_fixture.h"

#include "gateway/base/clock.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>

#define DAY ((int64_t)86400000)

static FILE *create(const struct config_fixture *f, const char *name, mode_t mode)
{
    LT_AUTOFREE char *path = lt_asprintf("%s/%s", f->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), mode), 0);
    return file;
}

static EVP_PKEY *write_key(const struct config_fixture *f, const char *name, mode_t mode, const char *passphrase)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    FILE *file = create(f, name, mode);
    assert_int_equal(PEM_write_PrivateKey(file, key, passphrase ? EVP_aes_256_cbc() : NULL, NULL, 0, NULL,
                                          (void *)(uintptr_t)passphrase),
                     1);
    fclose(file);
    return key;
}

/* Self-signed, valid from and to so many days from now; added to the file when it is there. */
static void write_certificate(const struct config_fixture *f, const char *name, EVP_PKEY *key, int from_days,
                              int to_days, bool add)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_time_adj_ex(X509_getm_notBefore(x), from_days, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(x), to_days, 0, NULL);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    LT_AUTOFREE char *path = lt_asprintf("%s/%s", f->folder, name);
    FILE *file = fopen(path, add ? "a" : "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, x), 1);
    fclose(file);
    X509_free(x);
}

static int make(void **state)
{
    config_fixture_make(state);
    struct config_fixture *f = *state;
    EVP_PKEY *key = write_key(f, "s.key", 0600, NULL);
    write_certificate(f, "s.crt", key, -1, 365, false);
    write_certificate(f, "ca.crt", key, -1, 365, false);
    EVP_PKEY_free(key);
    return 0;
}

/* Findings of a check, or of a start; the load itself must find nothing. */
static char *found(struct config_fixture *f, int64_t days_from_now, bool starting, size_t *ret_errors)
{
    if (config_load(f) != LT_OK)
        fail_msg("%s", f->said);
    struct lt_diags d = LT_DIAGS_INIT;
    lt_config_check_certificates(f->c, lt_now_ms() + days_from_now * DAY, starting, &d);
    struct lt_buf out = LT_BUF_INIT(1 << 16);
    lt_diags_print(&d, &out);
    *ret_errors = d.errors;
    lt_diags_deinit(&d);
    return lt_buf_take(&out);
}

static char *check(struct config_fixture *f, int64_t days_from_now, size_t *ret_errors)
{
    return found(f, days_from_now, false, ret_errors);
}

static void finds(struct config_fixture *f, int64_t days_from_now, size_t errors, const char *message)
{
    size_t n;
    LT_AUTOFREE char *said = check(f, days_from_now, &n);
    if (n != errors || !strstr(said, message))
        fail_msg("expected %zu errors and \"%s\", got %zu:\n%s", errors, message, n, said);
}

static void good_certificates_give_no_finding(void **state)
{
    size_t n;
    LT_AUTOFREE char *said = check(*state, 0, &n);
    assert_string_equal(said, "");
}

static void expiry_is_a_warning_before_and_an_error_after(void **state)
{
    struct config_fixture *f = *state;
    size_t n;
    LT_AUTOFREE char *quiet = check(f, 365 - 31, &n);
    assert_string_equal(quiet, "");
    finds(
        f, 365 - 29, 0,
        "gateway.yaml:7:22: warning: ingest.tls.certificate: expected a certificate valid for more than 30 days, got ");
    finds(f, 366, 2, "gateway.yaml:7:22: ingest.tls.certificate: expected a certificate that has not expired, got ");
    finds(f, 366, 2,
          "gateway.yaml:7:52: ingest.tls.client_ca: expected a CA certificate that has not expired, got none in ");
    finds(f, -2, 1, "ingest.tls.certificate: expected a certificate that is valid now, got ");
}

static void a_key_of_another_certificate_is_told(void **state)
{
    struct config_fixture *f = *state;
    EVP_PKEY_free(write_key(f, "s.key", 0600, NULL));
    finds(f, 0, 1, "gateway.yaml:7:34: ingest.tls.key: expected the key of ");
}

static void a_key_that_others_can_read_is_told(void **state)
{
    struct config_fixture *f = *state;
    LT_AUTOFREE char *path = lt_asprintf("%s/s.key", f->folder);
    assert_int_equal(chmod(path, 0640), 0);
    finds(f, 0, 1, "ingest.tls.key: expected a key that only its owner can read (chmod 600 ");
    finds(f, 0, 1, "got mode 0640");
}

static void a_key_with_a_passphrase_is_refused_without_asking_for_one(void **state)
{
    struct config_fixture *f = *state;
    EVP_PKEY_free(write_key(f, "s.key", 0600, "hunter2"));
    finds(f, 0, 1, "ingest.tls.key: expected a PEM private key without a passphrase, got something else in ");
}

static void files_that_are_missing_or_no_pem_are_told_each(void **state)
{
    struct config_fixture *f = *state;
    config_write(f, "s.crt", "no certificate\n");
    config_write(f, "ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    LT_AUTOFREE char *path = lt_asprintf("%s/s.key", f->folder);
    assert_int_equal(remove(path), 0);
    finds(f, 0, 3, "ingest.tls.certificate: expected a PEM certificate, got something else in ");
    finds(f, 0, 3, "ingest.tls.client_ca: expected a PEM bundle of CA certificates, got something else in ");
    finds(f, 0, 3, "ingest.tls.key: expected a readable PEM file, got: ");
    config_write(f, "ca.crt", "");
    finds(f, 0, 3, "ingest.tls.client_ca: expected a PEM bundle of CA certificates");
}

static void one_expired_ca_of_two_is_a_warning(void **state)
{
    struct config_fixture *f = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    write_certificate(f, "ca.crt", key, -20, -10, true);
    EVP_PKEY_free(key);
    finds(f, 0, 0,
          "warning: ingest.tls.client_ca: expected CA certificates that have not expired, got 1 of 2 expired in ");
}

static void a_target_and_peers(struct config_fixture *f, const char *target_tls, const char *peer_tls)
{
    LT_AUTOFREE char *target =
        lt_asprintf("target: portal\nadapter: portal\nurl: https://h.example\ntls: %s\n", target_tls);
    LT_AUTOFREE char *ingest = lt_asprintf("ingest:\n  peer_tls: %s\n", peer_tls);
    config_write(f, "portal.yaml", target);
    config_replace(f, "gateway.yaml", "instance:", "include: {targets: portal.yaml}\ninstance:");
    config_replace(f, "gateway.yaml", "ingest:\n", ingest);
}

static void targets_and_peers_are_checked_too(void **state)
{
    struct config_fixture *f = *state;
    a_target_and_peers(f, "{certificate: none.crt, key: s.key, ca: ca.crt}",
                       "{certificate: s.crt, key: s.key, ca: none.crt}");
    finds(f, 0, 2, "portal.yaml:4:20: tls.certificate: expected a readable PEM file, got: ");
    finds(f, 0, 2, "gateway.yaml:8:50: ingest.peer_tls.ca: expected a readable PEM file, got: ");
}

/* It pauses the target; the listener's own keeps everybody out, and ends the start. */
static void what_is_out_of_date_towards_a_target_does_not_end_a_start(void **state)
{
    struct config_fixture *f = *state;
    EVP_PKEY *key = write_key(f, "t.key", 0600, NULL);
    write_certificate(f, "t.crt", key, -20, 10, false);
    EVP_PKEY_free(key);
    a_target_and_peers(f, "{certificate: t.crt, key: t.key, ca: t.crt}", "{certificate: t.crt, key: t.key, ca: t.crt}");
    size_t errors;
    LT_AUTOFREE char *checked = found(f, 11, false, &errors);
    assert_int_equal(errors, 4);
    LT_AUTOFREE char *started = found(f, 11, true, &errors);
    assert_int_equal(errors, 0);
    assert_contains(started, "warning: tls.certificate: expected a certificate that has not expired, got ");
    assert_contains(started, "warning: ingest.peer_tls.ca: expected a CA certificate that has not expired, got none");
    LT_AUTOFREE char *early = found(f, -21, true, &errors);
    assert_contains(early, "warning: tls.certificate: expected a certificate that is valid now, got ");
    LT_AUTOFREE char *late = found(f, 366, true, &errors);
    assert_int_equal(errors, 2);
    assert_contains(late, ": ingest.tls.certificate: expected a certificate that has not expired, got ");
}

int main(void)
{
#define WITH_PKI(test) cmocka_unit_test_setup_teardown(test, make, config_fixture_drop)
    const struct CMUnitTest tests[] = {
        WITH_PKI(good_certificates_give_no_finding),
        WITH_PKI(expiry_is_a_warning_before_and_an_error_after),
        WITH_PKI(a_key_of_another_certificate_is_told),
        WITH_PKI(a_key_that_others_can_read_is_told),
        WITH_PKI(a_key_with_a_passphrase_is_refused_without_asking_for_one),
        WITH_PKI(files_that_are_missing_or_no_pem_are_told_each),
        WITH_PKI(one_expired_ca_of_two_is_a_warning),
        WITH_PKI(targets_and_peers_are_checked_too),
        WITH_PKI(what_is_out_of_date_towards_a_target_does_not_end_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
