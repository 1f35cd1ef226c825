#include "gateway/base/crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>

struct lt_sha256 {
    EVP_MD_CTX *ctx;
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

void lt_sha256_update(struct lt_sha256 *h, struct lt_span s)
{
    must(EVP_DigestUpdate(h->ctx, s.ptr, s.len) == 1, "EVP_DigestUpdate");
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
    must(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1, "EVP_DigestFinal_ex");
    hash_start(h);
}

void lt_sha256_once(struct lt_span s, uint8_t out[LT_SHA256_SIZE])
{
    must(EVP_Digest(s.ptr, s.len, out, NULL, sha256(), NULL) == 1, "EVP_Digest");
}

void lt_hmac_sha256(struct lt_span key, struct lt_span s, uint8_t out[LT_SHA256_SIZE])
{
    must(key.len <= INT_MAX, "an HMAC key of 2 GiB or more");
    const void *bytes = key.len ? key.ptr : "";
    must(HMAC(sha256(), bytes, (int)key.len, (const unsigned char *)s.ptr, s.len, out, NULL) != NULL, "HMAC");
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
    for (size_t i = 0; i < s.len; i++) {
        if (!hex_digits[(uint8_t)s.ptr[i]])
            return false;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)((hex_digits[(uint8_t)s.ptr[2 * i]] - 1) << 4 | (hex_digits[(uint8_t)s.ptr[2 * i + 1]] - 1));
    return true;
}
