/*
 * The question to the population database: SOAP 1.1 TraCuuThongTinCongDan or XacThucThongTinCongDan, elements in the
 * order of domain 2.1, X-Road headers as of domain 2.2. Pure.
 */
#ifndef LT_POPULATION_REQUEST_H
#define LT_POPULATION_REQUEST_H

#include "adapters/population/options.h"
#include "gateway/codec/json.h"

struct lt_citizen {
    struct lt_span id;    /* 12 digits SoDinhDanh, or 9 digits SoCMND */
    struct lt_span name;  /* as it goes out: accents and case as configured */
    struct lt_span birth; /* yyyyMMdd or yyyy */
    struct lt_span officer, unit;
};

enum lt_citizen_result {
    LT_CITIZEN_NONE = 1,       /* the event carries no CongDan: nothing to check */
    LT_CITIZEN_INCOMPLETE = 2, /* id, name and birth must all be there for a question (domain 2.1, match semantics) */
};
/* LT_OK or one of the above. data: the event's canonical data. */
int lt_citizen_read(const struct lt_population_options *o, lt_json_value data, struct lt_arena *a,
                    struct lt_citizen *ret);

/* request_id: MaYeuCau, and the id of the X-Road message where it is one. */
void lt_population_body(const struct lt_population_options *o, const struct lt_citizen *c, struct lt_span request_id,
                        struct lt_span procedure, struct lt_buf *out);
/*
 * The HTTP headers of a call, NULL-terminated, in the arena: SOAP's, and what `auth`, `api_key` and `xroad_client` ask
 * for. now_ms: wall clock, which the other side compares with its own.
 */
const char *const *lt_population_headers(const struct lt_population_options *o, int64_t now_ms, struct lt_arena *a);

#endif
