#include "gateway/base/crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>

/* What is hashed comes in many small pieces: gathered, as a call into the library costs more than hashing them. */
struct lt_sha256 {
    EVP_MD_CTX *ctx;
    size_t gathered;
    unsigned char gather[512];
};

static EVP_MD *md_sha256;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "OpenSSL: %s failed\n", what);
        ERR_print_errors_fp(stderr);
        abort();
    }
}

static void md_fetch(void)
{
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(md_sha256 != NULL, "EVP_MD_fetch(SHA256)");
}

/* Fetched once: OpenSSL 3 searches its providers at every start of a hash otherwise. */
static const EVP_MD *sha256(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, md_fetch);
    return md_sha256;
}

static void hash_start(struct lt_sha256 *h)
{
    must(EVP_DigestInit_ex(h->ctx, sha256(), NULL) == 1, "EVP_DigestInit_ex");
}

struct lt_sha256 *lt_sha256_new(void)
{
    struct lt_sha256 *h = lt_alloc(sizeof(*h));
    h->ctx = EVP_MD_CTX_new();
    must(h->ctx != NULL, "EVP_MD_CTX_new");
    hash_start(h);
    return h;
}

void lt_sha256_free(struct lt_sha256 *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

static void hash_bytes(struct lt_sha256 *h, const void *p, size_t len)
{
    must(EVP_DigestUpdate(h->ctx, p, len) == 1, "EVP_DigestUpdate");
}

static void hash_gathered(struct lt_sha256 *h)
{
    hash_bytes(h, h->gather, h->gathered);
    h->gathered = 0;
}

void lt_sha256_update(struct lt_sha256 *h, struct lt_span s)
{
    if (s.len > sizeof(h->gather) - h->gathered)
        hash_gathered(h);
    if (s.len > sizeof(h->gather)) {
        hash_bytes(h, s.ptr, s.len);
    } else if (s.len) {
        memcpy(h->gather + h->gathered, s.ptr, s.len);
        h->gathered += s.len;
    }
}

void lt_sha256_field(struct lt_sha256 *h, struct lt_span s)
{
    must(s.len <= UINT32_MAX, "a hash field of 4 GiB or more");
    const char size[4] = {(char)(s.len >> 24), (char)(s.len >> 16), (char)(s.len >> 8), (char)s.len};
    lt_sha256_update(h, lt_span(size, sizeof(size)));
    lt_sha256_update(h, s);
}

void lt_sha256_final(struct lt_sha256 *h, uint8_t out[LT_SHA256_SIZE])
{
    hash_gathered(h);
    must(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1, "EVP_DigestFinal_ex");
    hash_start(h);
}

void lt_sha256_once(struct lt_span s, uint8_t out[LT_SHA256_SIZE])
{
    must(EVP_Digest(s.ptr, s.len, out, NULL, sha256(), NULL) == 1, "EVP_Digest");
}

/*
 * Each thread keeps its last key's state: looking up the algorithm and taking the key in costs OpenSSL 3 many times
 * what a short text does.
 */
struct keyed {
    EVP_MAC_CTX *ctx;
    struct lt_span key; /* owned */
};

static EVP_MAC *mac_hmac;
static pthread_key_t keyed_of_thread;

static void keyed_free(void *p)
{
    struct keyed *k = p;
    EVP_MAC_CTX_free(k->ctx);
    OPENSSL_clear_free((void *)(uintptr_t)k->key.ptr, k->key.len);
    free(k);
}

static void mac_fetch(void)
{
    mac_hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    must(mac_hmac != NULL, "EVP_MAC_fetch(HMAC)");
    must(pthread_key_create(&keyed_of_thread, keyed_free) == 0, "pthread_key_create");
}

static EVP_MAC_CTX *keyed_start(struct lt_span key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, mac_fetch);
    struct keyed *k = pthread_getspecific(keyed_of_thread);
    if (k && lt_span_eq(k->key, key)) {
        must(EVP_MAC_init(k->ctx, NULL, 0, NULL) == 1, "EVP_MAC_init");
        return k->ctx;
    }
    if (k)
        keyed_free(k);
    k = lt_alloc(sizeof(*k));
    k->ctx = EVP_MAC_CTX_new(mac_hmac);
    must(k->ctx != NULL, "EVP_MAC_CTX_new");
    k->key = lt_span(OPENSSL_memdup(key.len ? key.ptr : "", LT_MAX(key.len, (size_t)1)), key.len);
    must(k->key.ptr != NULL, "OPENSSL_memdup");
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
                           OSSL_PARAM_construct_end()};
    must(EVP_MAC_init(k->ctx, (const unsigned char *)k->key.ptr, key.len, params) == 1, "EVP_MAC_init");
    must(pthread_setspecific(keyed_of_thread, k) == 0, "pthread_setspecific");
    return k->ctx;
}

void lt_hmac_sha256(struct lt_span key, struct lt_span s, uint8_t out[LT_SHA256_SIZE])
{
    EVP_MAC_CTX *ctx = keyed_start(key);
    size_t len = 0;
    must(EVP_MAC_update(ctx, (const unsigned char *)s.ptr, s.len) == 1, "EVP_MAC_update");
    must(EVP_MAC_final(ctx, out, &len, LT_SHA256_SIZE) == 1 && len == LT_SHA256_SIZE, "EVP_MAC_final");
}

bool lt_equal_ct(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

void lt_random(void *p, size_t len)
{
    unsigned char *at = p;
    while (len) {
        size_t n = LT_MIN(len, (size_t)INT_MAX);
        must(RAND_bytes(at, (int)n) == 1, "RAND_bytes");
        at += n;
        len -= n;
    }
}

void lt_base64(struct lt_span s, struct lt_buf *out)
{
    LT_AUTOFREE unsigned char *text = lt_alloc(s.len / 3 * 4 + 8);
    must(s.len <= INT_MAX, "EVP_EncodeBlock");
    int n = EVP_EncodeBlock(text, (const unsigned char *)s.ptr, (int)s.len);
    lt_buf_append(out, text, (size_t)n);
}

void lt_hex(const uint8_t *p, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = '\0';
}

/* Value of a digit + 1; 0: not a hexadecimal digit. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool lt_unhex(struct lt_span s, uint8_t *out, size_t len)
{
    if (s.len % 2 || s.len / 2 != len)
        return false;
    unsigned bad = 0; /* without a branch a digit: 96 of them a record */
    for (size_t i = 0; i < s.len; i++)
        bad |= hex_digits[(uint8_t)s.ptr[i]] - 1U; /* all bits, where it is no digit */
    if (bad > 15)
        return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)((hex_digits[(uint8_t)s.ptr[2 * i]] - 1) << 4 | (hex_digits[(uint8_t)s.ptr[2 * i + 1]] - 1));
    return true;
}
