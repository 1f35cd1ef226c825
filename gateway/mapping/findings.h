/*
 * Findings that two compilers would report both: tables are compiled for mappings and again for routes. Merging keeps
 * each finding once. Private to gateway/mapping.
 */
#ifndef LT_MAPPING_FINDINGS_H
#define LT_MAPPING_FINDINGS_H

#include "gateway/base/err.h"

/* Add what `from` has and `into` has not; `from` is emptied. */
void lt_findings_merge(struct lt_diags *into, struct lt_diags *from);
#endif
