/*
 * The mock of the population database (domain 2): SOAP 1.1, TraCuuThongTinCongDan (match and return) and
 * XacThucThongTinCongDan (is there such a person), elements in their order, registered services, faults, X-Road headers
 * echoed. A function from calls to replies; every call may come from any thread, one lock inside.
 */
#ifndef LT_POPULATION_MOCK_POPULATION_H
#define LT_POPULATION_MOCK_POPULATION_H

#include "adapters/mock/call.h"
#include "gateway/config/opt.h"

struct lt_mock_population_settings {
    const char *path;               /* NULL = any path that is not oracle or control */
    const char *citizens;           /* file, NULL = nobody */
    int accents;                    /* enum lt_mock_accents */
    struct lt_opt_strings services; /* registered MaDVC */
    struct lt_opt_strings officers; /* permitted MaCanBo; none = any */
    bool birth_optional;            /* TraCuu without NgayThangNamSinh compares id and name alone */
    const char *username;           /* Basic with timestamp (domain 2.1), NULL = no login */
    const char *secret_file, *service_url;
    int64_t clock_skew_ms;
    bool xroad; /* demand X-Road headers */
    int64_t body_max;
    int64_t hold_ms;
    struct lt_opt_strings fault_every;
    const char *fault_schedule; /* file, NULL = none */
};
extern const struct lt_opt lt_mock_population_opts[];
extern const size_t lt_mock_population_opts_len;

struct lt_mock_population;
/* s and its strings are lent until free. LT_E_INVALID, LT_E_NOT_FOUND, LT_E_IO: a file or a fault rule is wrong. */
int lt_mock_population_new(const struct lt_mock_population_settings *s, struct lt_mock_population **ret,
                           struct lt_err *err) LT_MUST_CHECK;
void lt_mock_population_free(struct lt_mock_population *p);
/* The `handle` of struct lt_mock: self is a struct lt_mock_population. */
void lt_mock_population_handle(void *self, const struct lt_mock_call *call, struct lt_mock_reply *reply);

#endif
