/* Options of a target with `adapter: portal`: what differs between connectors to the national portal
 * (domain 1.1, 1.5, 1.6). */
#ifndef LT_PORTAL_OPTIONS_H
#define LT_PORTAL_OPTIONS_H

#include "gateway/config/config.h"

#define LT_PORTAL_BATCH_MAX 50
#define LT_PORTAL_PROGRESS_BATCH_MAX 10 /* domain 1.5 */

enum lt_portal_tell { LT_PORTAL_TELL_NOTHING, LT_PORTAL_TELL_REFUSALS, LT_PORTAL_TELL_ALL };
enum lt_portal_unknown { LT_PORTAL_HOLD, LT_PORTAL_RESEND };

struct lt_portal_options {
    const char *auth_endpoint, *integration_endpoint, *share_endpoint; /* appended to the target's url */
    const char *username;
    struct lt_secret password; /* its holder's to deinit */
    const char *dstcode, *madonvi;
    int64_t session_ms;
    int64_t batch, progress_batch, gather_ms;
    int64_t known;
    const struct lt_yaml_node *status_map;
    struct lt_opt_strings ttkm_origin, ttkm_codes; /* dossiers born at the portal (domain 1.2, TTKM) */
    const struct lt_yaml_node *ttkm_status_map;
    int tell_province;       /* enum lt_portal_tell */
    int on_unknown_progress; /* enum lt_portal_unknown */
    /* made from url and the endpoints */
    const char *auth_url, *integration_url, *share_url;
};

#define LT_PORTAL_OPTS 18
extern const struct lt_opt lt_portal_opts[LT_PORTAL_OPTS];

/* Everything in the arena. Number of errors, which are in diags. */
size_t lt_portal_options_read(const struct lt_config_target *t, struct lt_portal_options *ret, struct lt_arena *a,
                              struct lt_diags *diags);
/* TrangThai of DongBoTrangThaiHoSo for a status of ours; ptr NULL: it is not sent. */
struct lt_span lt_portal_ttkm_status(const struct lt_portal_options *o, struct lt_span status);
/* TrangThaiHoSo as this portal wants it. */
struct lt_span lt_portal_status(const struct lt_portal_options *o, struct lt_span status);

#endif
