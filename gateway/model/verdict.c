#include "gateway/model/verdict.h"

const char *lt_verdict_name(enum lt_verdict_kind v)
{
    static const char *const names[LT_VERDICTS] = {
        [LT_VERDICT_NEW] = "new",       [LT_VERDICT_DUPLICATE] = "duplicate", [LT_VERDICT_CONFLICT] = "conflict",
        [LT_VERDICT_REPLAY] = "replay", [LT_VERDICT_INVALID] = "invalid",
    };
    return (unsigned)v < LT_VERDICTS ? names[v] : "unknown";
}
