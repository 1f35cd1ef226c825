/* SHA-256, HMAC-SHA-256, random bytes and hex, over OpenSSL. Thread-safe; failure of the library is a bug and aborts.
 */
#ifndef LT_BASE_CRYPTO_H
#define LT_BASE_CRYPTO_H

#include "gateway/base/base.h"

#define LT_SHA256_SIZE 32

struct lt_sha256; /* a running hash */
struct lt_sha256 *lt_sha256_new(void);
void lt_sha256_free(struct lt_sha256 *h);
void lt_sha256_update(struct lt_sha256 *h, struct lt_span s);
/* Length (4 bytes, big endian) before the bytes, so that ("ab","c") and ("a","bc") differ. */
void lt_sha256_field(struct lt_sha256 *h, struct lt_span s);
void lt_sha256_final(struct lt_sha256 *h, uint8_t out[LT_SHA256_SIZE]); /* h is ready for the next hash */

void lt_sha256_once(struct lt_span s, uint8_t out[LT_SHA256_SIZE]);
void lt_hmac_sha256(struct lt_span key, struct lt_span s, uint8_t out[LT_SHA256_SIZE]);
bool lt_equal_ct(const void *a, const void *b, size_t len); /* constant time */
void lt_random(void *p, size_t len);
void lt_hex(const uint8_t *p, size_t len, char *out); /* 2 * len digits and NUL */
void lt_base64(struct lt_span s, struct lt_buf *out); /* with padding, one line */
bool lt_unhex(struct lt_span s, uint8_t *out, size_t len);
#endif
