/*
 * What a mock does wrong, and when: a list of rules, each "every n-th call", "the next n calls", "so many of a thousand
 * calls", "these calls" or "for so long", for one service or for all. Which calls of a thousand is drawn from the seed
 * and the number of the call alone, so a schedule repeats itself call for call. Belongs to its mock and is guarded by
 * the mock's lock.
 */
#ifndef LT_MOCK_FAULTS_H
#define LT_MOCK_FAULTS_H

#include "adapters/mock/call.h"
#include "gateway/config/opt.h"

enum lt_mock_fault {
    LT_FAULT_NONE,
    LT_FAULT_TIMEOUT_AFTER_APPLY, /* applied, then silence longer than any client waits */
    LT_FAULT_DROP_AFTER_APPLY,    /* applied, then the connection is cut */
    LT_FAULT_DROP_BEFORE,         /* cut, nothing applied */
    LT_FAULT_HTTP401,
    LT_FAULT_HTTP500,
    LT_FAULT_HTTP503,         /* with Retry-After: 1 */
    LT_FAULT_HTML200,         /* status 200, a page of a proxy as body, nothing applied */
    LT_FAULT_SESSION_EXPIRED, /* portal: the session of the call ends for good */
    LT_FAULT_SOAP_FAULT,      /* population: soapenv:Server, nothing applied */
    LT_FAULT_DELAY,           /* applied at once, answered `ms` later */
    LT_FAULT_APPLY_LATE,      /* silence, applied `ms` later, never answered */
    LT_FAULT_HTTP429,         /* with Retry-After of `ms`, nothing applied */
    LT_FAULT_HALF_BODY,       /* applied, the connection is cut in the midst of the answer */
    LT_FAULT_SLOW_BODY,       /* applied, the answer drips: it would take `ms` */
    LT_FAULT_RESET,           /* a TCP reset under the TLS connection, nothing applied */
    LT_FAULT_RESET_AFTER,     /* the same after applying */
    LT_FAULT_BUSY,            /* portal: "đang quá tải" in its own form, nothing applied */
    LT_FAULT_BACKWARDS,       /* portal: error_code "01", the status would go back, nothing applied */
    LT_FAULT_CERTIFICATE,     /* cut, nothing applied, and for `ms` new connections meet an expired certificate */
    LT_FAULT_MAINTENANCE,     /* for `ms`: every call, the login too, is answered 503 with the time left */
    LT_FAULTS
};

enum lt_mock_fault_when {
    LT_WHEN_NEXT,  /* the next `left` calls that fit */
    LT_WHEN_EVERY, /* each n-th */
    LT_WHEN_SHARE, /* n of a thousand */
    LT_WHEN_CALLS, /* those in `calls`, counted from 1 */
};

struct lt_mock_fault_rule {
    enum lt_mock_fault kind;
    enum lt_mock_fault_when when;
    uint64_t n, seen, left;
    const int64_t *calls; /* lent, ascending */
    size_t calls_len;
    int64_t ms;                /* what `ms` means for the kind; 0: the kind's own */
    int64_t from_ms, until_ms; /* of the mock's clock; until_ms 0: no window */
    uint64_t seed;
    bool lasting;     /* a reset keeps it */
    char service[64]; /* "" = every service but login */
};

/* The fault of one call. */
struct lt_mock_taken {
    enum lt_mock_fault kind;
    int64_t ms;
};

struct lt_mock_faults {
    uint32_t allowed; /* bit per kind this mock can do */
    int64_t hold_ms;  /* of timeout-after-apply, and of the others where a rule says nothing */
    int64_t begin_ms; /* windows of a schedule count from the first call */
    LT_VEC(struct lt_mock_fault_rule) rules;
    uint64_t injected;
};

/* What the server can do for every mock. */
#define LT_MOCK_FAULTS_COMMON                                                                                          \
    (1u << LT_FAULT_DELAY | 1u << LT_FAULT_APPLY_LATE | 1u << LT_FAULT_HTTP429 | 1u << LT_FAULT_HALF_BODY |            \
     1u << LT_FAULT_SLOW_BODY | 1u << LT_FAULT_RESET | 1u << LT_FAULT_RESET_AFTER | 1u << LT_FAULT_MAINTENANCE |       \
     1u << LT_FAULT_CERTIFICATE)
#define LT_MOCK_FAULT_RULES_MAX 64
#define LT_MOCK_FAULT_MS_MAX 600000

const char *lt_mock_fault_name(enum lt_mock_fault k);
void lt_mock_faults_init(struct lt_mock_faults *f, uint32_t allowed, int64_t hold_ms);
void lt_mock_faults_deinit(struct lt_mock_faults *f);
void lt_mock_faults_reset(struct lt_mock_faults *f); /* scheduled ones go, "every" rules count anew */
/* "10 http500" or "10 http500:DongBoHoSoMC". */
int lt_mock_faults_every(struct lt_mock_faults *f, struct lt_span text, struct lt_err *err) LT_MUST_CHECK;
/* One rule a text, up to the first that is wrong. */
int lt_mock_faults_every_of(struct lt_mock_faults *f, const struct lt_opt_strings *texts,
                            struct lt_err *err) LT_MUST_CHECK;
/*
 * A schedule from a YAML file:
 *     seed: 7
 *     faults:
 *       - {kind: drop-after-apply, service: DongBoHoSoMC, of_thousand: 100}
 *       - {kind: http500, every: 50}
 *       - {kind: apply-late, calls: [3, 17], ms: 2s}
 *       - {kind: maintenance, from: 30s, for: 10s}      # of the mock's life, from its first call
 *       - {kind: certificate-expired, calls: [40], ms: 5s}
 * from and for restrict the others too. Rules last: a reset counts them anew. path NULL: none. Everything in the arena.
 */
int lt_mock_faults_schedule(struct lt_mock_faults *f, const char *path, struct lt_arena *a,
                            struct lt_err *err) LT_MUST_CHECK;
/* The kind of a word; LT_E_INVALID names those this mock can do. */
int lt_mock_fault_kind(const struct lt_mock_faults *f, struct lt_span word, enum lt_mock_fault *ret,
                       struct lt_err *err) LT_MUST_CHECK;
/* LT_E_LIMIT: too many rules. */
int lt_mock_faults_add(struct lt_mock_faults *f, const struct lt_mock_fault_rule *rule,
                       struct lt_err *err) LT_MUST_CHECK;
/* The fault of this call; maintenance comes first, then scheduled ones, then the others; one fault a call. */
struct lt_mock_taken lt_mock_faults_take(struct lt_mock_faults *f, const char *service, int64_t now_ms);
/* Answer instead of applying the call. True when the kind is of that sort and r is complete. */
bool lt_mock_fault_before(const struct lt_mock_taken *t, struct lt_mock_reply *r);
/* Spoil the answer of a call that was applied. */
void lt_mock_fault_after(const struct lt_mock_taken *t, struct lt_mock_reply *r);
/*
 * /control/faults: GET lists the rules; POST {"kind": …, "count": n, "service": …, "ms": n} adds the next n calls
 * (service is optional, count 1 when absent; count 0 withdraws the scheduled ones of that kind and service).
 * Maintenance begins at once and lasts ms; count 0 ends it. So does certificate-expired here, without waiting for a
 * call: it is the server's and stands in r->expired_ms.
 */
void lt_mock_faults_control(struct lt_mock_faults *f, const struct lt_mock_call *c, struct lt_mock_reply *r);

#endif
