/*
 * What a mock does wrong, and when: a list of rules, each "every n-th call" or "the next n calls", for one service or
 * for all. Belongs to its mock and is guarded by the mock's lock.
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
    LT_FAULTS
};

struct lt_mock_fault_rule {
    enum lt_mock_fault kind;
    uint64_t every; /* > 0: each n-th call that fits; 0: the next `left` calls */
    uint64_t seen, left;
    char service[64]; /* "" = every service but login */
};

struct lt_mock_faults {
    uint32_t allowed; /* bit per kind this mock can do */
    int64_t hold_ms;  /* of timeout-after-apply */
    LT_VEC(struct lt_mock_fault_rule) rules;
    uint64_t injected;
};

#define LT_MOCK_FAULT_RULES_MAX 64

const char *lt_mock_fault_name(enum lt_mock_fault k);
void lt_mock_faults_init(struct lt_mock_faults *f, uint32_t allowed, int64_t hold_ms);
void lt_mock_faults_deinit(struct lt_mock_faults *f);
void lt_mock_faults_reset(struct lt_mock_faults *f); /* scheduled ones go, "every" rules count anew */
/* "10 http500" or "10 http500:DongBoHoSoMC". */
int lt_mock_faults_every(struct lt_mock_faults *f, struct lt_span text, struct lt_err *err) LT_MUST_CHECK;
/* One rule a text, up to the first that is wrong. */
int lt_mock_faults_every_of(struct lt_mock_faults *f, const struct lt_opt_strings *texts,
                            struct lt_err *err) LT_MUST_CHECK;
/* The fault of this call; scheduled ones come before the periodic ones, one fault a call. */
enum lt_mock_fault lt_mock_faults_take(struct lt_mock_faults *f, const char *service);
/* Answer instead of applying the call. True when the kind is of that sort and r is complete. */
bool lt_mock_fault_before(enum lt_mock_fault k, struct lt_mock_reply *r);
/* Spoil the answer of a call that was applied. */
void lt_mock_fault_after(const struct lt_mock_faults *f, enum lt_mock_fault k, struct lt_mock_reply *r);
/*
 * /control/faults: GET lists the rules; POST {"kind": …, "count": n, "service": …} adds the next n calls (service is
 * optional, count 1 when absent; count 0 withdraws the scheduled ones of that kind and service).
 */
void lt_mock_faults_control(struct lt_mock_faults *f, const struct lt_mock_call *c, struct lt_mock_reply *r);

#endif
