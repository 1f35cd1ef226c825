/*
 * Events under way to a target by a path that the routes do not send them by any more. What comes by the new path could
 * overtake them, so a changed path may take effect only when the hops of the old one have drained. Reads
 * Kafka only.
 */
#ifndef LT_OPS_OLD_PATHS_H
#define LT_OPS_OLD_PATHS_H

#include "gateway/config/config.h"
#include "gateway/core/routes.h"
#include "gateway/kafka/admin.h"

struct lt_old_path {
    char *queue, *path, *now; /* where they are, by which path, and which one the routes say */
    char *dossier;            /* one of them */
    size_t waiting, parked;
};
struct lt_old_paths {
    LT_VEC(struct lt_old_path) list;
};

/* The topics of the targets must be there. LT_OK; LT_E_TIMEOUT: an open transaction hides some of it (err says where);
 * or what Kafka says. */
int lt_old_paths_find(struct lt_admin *a, const struct lt_config *c, const struct lt_routes *routes,
                      struct lt_old_paths *ret, struct lt_err *err) LT_MUST_CHECK;
void lt_old_paths_deinit(struct lt_old_paths *p);

#endif
