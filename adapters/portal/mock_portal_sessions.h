/*
 * Sessions of the mock portal: opaque words that end after a time or a number of calls, without telling the client.
 * Guarded by the mock's lock; bounded: the oldest goes when there are too many.
 */
#ifndef LT_PORTAL_MOCK_PORTAL_SESSIONS_H
#define LT_PORTAL_MOCK_PORTAL_SESSIONS_H

#include "gateway/base/base.h"

#define LT_MOCK_SESSION_LEN 32
#define LT_MOCK_SESSIONS_MAX 4096

struct lt_mock_sessions;
/* calls_max 0: no limit. */
struct lt_mock_sessions *lt_mock_sessions_new(int64_t life_ms, int64_t calls_max);
void lt_mock_sessions_free(struct lt_mock_sessions *s);
void lt_mock_sessions_open(struct lt_mock_sessions *s, int64_t now_ms, char ret[LT_MOCK_SESSION_LEN + 1]);
/* Count a call. false: unknown or ended. */
bool lt_mock_sessions_use(struct lt_mock_sessions *s, struct lt_span word, int64_t now_ms);
void lt_mock_sessions_end_all(struct lt_mock_sessions *s);
void lt_mock_sessions_end(struct lt_mock_sessions *s, struct lt_span word);

#endif
