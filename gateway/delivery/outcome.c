#include "gateway/delivery/outcome.h"

const char *lt_outcome_name(enum lt_outcome o)
{
    static const char *const names[LT_OUTCOMES] = {
        [LT_OUTCOME_OK] = "ok",         [LT_OUTCOME_EXISTS] = "exists",     [LT_OUTCOME_PASS] = "pass",
        [LT_OUTCOME_RETRY] = "retry",   [LT_OUTCOME_THROTTLE] = "throttle", [LT_OUTCOME_CREDENTIAL] = "credential",
        [LT_OUTCOME_REJECT] = "reject", [LT_OUTCOME_UNKNOWN] = "unknown",
    };
    return (unsigned)o < LT_OUTCOMES ? names[o] : "?";
}
