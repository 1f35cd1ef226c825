#include "adapters/portal/options.h"

#include <stddef.h>

#define FIELD(name) offsetof(struct lt_portal_options, name)

static const char *const unknown_words[] = {"hold", "resend", NULL};
static const char *const tell_words[] = {"nothing", "refusals", "all", NULL};

const struct lt_opt lt_portal_opts[LT_PORTAL_OPTS] = {
    {.key = "auth_endpoint",
     .type = LT_OPT_URL_PATH,
     .offset = FIELD(auth_endpoint),
     .fallback = "/login",
     .help = "path of the login, appended to url"},
    {.key = "integration_endpoint",
     .type = LT_OPT_URL_PATH,
     .offset = FIELD(integration_endpoint),
     .fallback = "/integration",
     .help = "path of dossiers, progress and look-up, appended to url"},
    {.key = "share_endpoint",
     .type = LT_OPT_URL_PATH,
     .offset = FIELD(share_endpoint),
     .fallback = "/share",
     .help = "path of the dictionaries (procedures), appended to url"},
    {.key = "username", .type = LT_OPT_STRING, .offset = FIELD(username), .required = true, .help = "login"},
    {.key = "password", .type = LT_OPT_SECRET, .offset = FIELD(password), .required = true, .help = "login"},
    {.key = "dstcode",
     .type = LT_OPT_STRING,
     .offset = FIELD(dstcode),
     .required = true,
     .help = "destination code, a header of every call"},
    {.key = "madonvi",
     .type = LT_OPT_STRING,
     .offset = FIELD(madonvi),
     .required = true,
     .help = "code of the sending agency, in every body"},
    {.key = "session",
     .type = LT_OPT_DURATION,
     .offset = FIELD(session_ms),
     .fallback = "10m",
     .min = 1000,
     .max = 86400000,
     .help = "how long a session is used before a new login; the portal does not say"},
    {.key = "batch",
     .type = LT_OPT_INT,
     .offset = FIELD(batch),
     .fallback = "1",
     .min = 1,
     .max = LT_PORTAL_BATCH_MAX,
     .help = "dossiers in one DongBoHoSoMC call; only dossiers of the same isUpdating share a call"},
    {.key = "progress_batch",
     .type = LT_OPT_INT,
     .offset = FIELD(progress_batch),
     .fallback = "1",
     .min = 1,
     .max = LT_PORTAL_PROGRESS_BATCH_MAX,
     .help = "rows in one CapNhatTienDoHoSoMC call; with more than 1 a refusal leaves all its rows unknown"},
    {.key = "gather",
     .type = LT_OPT_DURATION,
     .offset = FIELD(gather_ms),
     .fallback = "10ms",
     .min = 1,
     .max = 1000,
     .help = "how long a batch waits to fill"},
    {.key = "known",
     .type = LT_OPT_INT,
     .offset = FIELD(known),
     .fallback = "200000",
     .min = 0,
     .max = 10000000,
     .help = "dossiers remembered to be at the portal, which spares their look-up; 0: ask every time"},
    {.key = "status_map",
     .type = LT_OPT_NODE,
     .offset = FIELD(status_map),
     .help = "TrangThaiHoSo sent instead of the dossier's own, e.g. {\"5\": \"9\"}; what was sent stands in the answer "
             "event"},
    {.key = "ttkm_origin",
     .type = LT_OPT_STRINGS,
     .offset = FIELD(ttkm_origin),
     .help = "NoiNopHoSo of dossiers born at the portal: their status goes by DongBoTrangThaiHoSo, the dossier itself "
             "never; "
             "default 1"},
    {.key = "ttkm_codes",
     .type = LT_OPT_STRINGS,
     .offset = FIELD(ttkm_codes),
     .help = "globs of MaHoSo that are such dossiers too, for events without a snapshot; none by default"},
    {.key = "ttkm_status_map",
     .type = LT_OPT_NODE,
     .offset = FIELD(ttkm_status_map),
     .help =
         "TrangThaiHoSo of ours to TrangThai of DongBoTrangThaiHoSo; default 2, 4, 6, 9, 10 to 2 (accepted) and 3, 5, "
         "7, 8 to 5 (supplement or refused); a status that is not there is not sent"},
    {.key = "tell_province",
     .type = LT_OPT_ENUM,
     .offset = FIELD(tell_province),
     .fallback = "refusals",
     .words = tell_words,
     .help = "what of the portal's answers goes to lt.province, for call-backs; nothing: not even that it refused"},
    {.key = "on_unknown_progress",
     .type = LT_OPT_ENUM,
     .offset = FIELD(on_unknown_progress),
     .fallback = "hold",
     .words = unknown_words,
     .help = "a progress row that may or may not be at the portal: hold parks its dossier, resend sends it again and "
             "counts it"},
};

static bool is_status(struct lt_span s)
{
    uint64_t n;
    return lt_span_u64(s, &n) && n >= 1 && n <= 10;
}

static void check_status_map(const struct lt_yaml_node *n, const char *key, struct lt_diags *diags)
{
    if (!n)
        return;
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, key, "a mapping of statuses 1 to 10");
        return;
    }
    for (size_t i = 0; i < n->len; i++) {
        if (!is_status(lt_yaml_text(n->keys[i])))
            lt_yaml_expected(diags, n->keys[i], key, "a status 1 to 10");
        if (!is_status(lt_yaml_text(n->items[i])))
            lt_yaml_expected(diags, n->items[i], key, "a status 1 to 10");
    }
}

size_t lt_portal_options_read(const struct lt_config_target *t, struct lt_portal_options *ret, struct lt_arena *a,
                              struct lt_diags *diags)
{
    size_t errors = diags->errors;
    *ret = (struct lt_portal_options){0};
    if (!t->options) {
        lt_yaml_error(diags, t->node,
                      "options: expected a mapping with username, password, dstcode and madonvi, got nothing");
        return diags->errors - errors;
    }
    (void)lt_opts_decode(t->options, "options", lt_portal_opts, LT_PORTAL_OPTS, ret, a, diags);
    lt_config_target_appended(t, diags);
    check_status_map(ret->status_map, "options.status_map", diags);
    check_status_map(ret->ttkm_status_map, "options.ttkm_status_map", diags);
    if (!ret->ttkm_origin.v) {
        static const char *origin[] = {"1"};
        ret->ttkm_origin = (struct lt_opt_strings){origin, 1};
    }
    if (diags->errors == errors) {
        ret->auth_url = lt_arena_printf(a, "%s%s", t->url, ret->auth_endpoint);
        ret->share_url = lt_arena_printf(a, "%s%s", t->url, ret->share_endpoint);
        ret->integration_url = lt_arena_printf(a, "%s%s", t->url, ret->integration_endpoint);
    }
    return diags->errors - errors;
}

struct lt_span lt_portal_status(const struct lt_portal_options *o, struct lt_span status)
{
    if (o->status_map)
        for (size_t i = 0; i < o->status_map->len; i++)
            if (lt_span_eq(lt_yaml_text(o->status_map->keys[i]), status))
                return lt_yaml_text(o->status_map->items[i]);
    return status;
}

struct lt_span lt_portal_ttkm_status(const struct lt_portal_options *o, struct lt_span status)
{
    static const char *const accepted[] = {"2", "4", "6", "9", "10"}, *const returned[] = {"3", "5", "7", "8"};
    if (o->ttkm_status_map) {
        for (size_t i = 0; i < o->ttkm_status_map->len; i++)
            if (lt_span_eq(lt_yaml_text(o->ttkm_status_map->keys[i]), status))
                return lt_yaml_text(o->ttkm_status_map->items[i]);
        return LT_SPAN_NULL;
    }
    for (size_t i = 0; i < LT_ARRAY_LEN(accepted); i++)
        if (lt_span_is(status, accepted[i]))
            return LT_SPAN_LIT("2");
    for (size_t i = 0; i < LT_ARRAY_LEN(returned); i++)
        if (lt_span_is(status, returned[i]))
            return LT_SPAN_LIT("5");
    return LT_SPAN_NULL;
}
