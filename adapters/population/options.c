#include "adapters/population/options.h"

#include <stddef.h>

#define FIELD(name) offsetof(struct lt_population_options, name)

static const char *const accents_words[] = {"strip", "keep", NULL};
static const char *const operation_words[] = {"lookup", "verify", NULL};
static const char *const auth_words[] = {"none", "basic-timestamp", NULL};
static const char *const media_words[] = {"text/xml", "application/xml", NULL};
static const char *const mismatch_words[] = {"forward", "park", NULL};
static const char *const unavailable_words[] = {"wait", "forward", NULL};

const struct lt_opt lt_population_opts[LT_POPULATION_OPTS] = {
    {.key = "service_code",
     .type = LT_OPT_STRING,
     .offset = FIELD(service_code),
     .fallback = "VPCP",
     .help = "MaDVC, as registered with the population database; an empty text: the event's procedure"},
    {.key = "integration_code",
     .type = LT_OPT_STRING,
     .offset = FIELD(integration_code),
     .help = "MaTichHop; default 037 for lookup, 033 for verify"},
    {.key = "operation",
     .type = LT_OPT_ENUM,
     .offset = FIELD(operation),
     .fallback = "lookup",
     .words = operation_words,
     .help =
         "lookup: TraCuuThongTinCongDan, id, name and birth must belong together; verify: XacThucThongTinCongDan, is "
         "there such a person"},
    {.key = "auth",
     .type = LT_OPT_ENUM,
     .offset = FIELD(auth),
     .fallback = "none",
     .words = auth_words,
     .help = "basic-timestamp: Basic of user and SHA-256 over service_url, user, timestamp and secret, with a header "
             "timestamp (ms): our clock must be right"},
    {.key = "content_type",
     .type = LT_OPT_ENUM,
     .offset = FIELD(media),
     .fallback = "text/xml",
     .words = media_words,
     .help = "of the question; text/xml is SOAP 1.1's own, some buses want application/xml"},
    {.key = "username", .type = LT_OPT_STRING, .offset = FIELD(username), .help = "of basic-timestamp"},
    {.key = "secret", .type = LT_OPT_SECRET, .offset = FIELD(secret), .help = "of basic-timestamp"},
    {.key = "service_url",
     .type = LT_OPT_STRING,
     .offset = FIELD(service_url),
     .help = "what basic-timestamp signs; default url"},
    {.key = "api_key", .type = LT_OPT_SECRET, .offset = FIELD(api_key), .help = "header ApiKey; none: left out"},
    {.key = "xroad_client",
     .type = LT_OPT_STRING,
     .offset = FIELD(xroad_client),
     .help = "INSTANCE/CLASS/MEMBER/SUBSYSTEM: X-Road headers in the envelope and X-Road-Client; none: left out"},
    {.key = "xroad_service",
     .type = LT_OPT_STRING,
     .offset = FIELD(xroad_service),
     .help = "INSTANCE/CLASS/MEMBER/SUBSYSTEM/CODE/VERSION of the service asked"},
    {.key = "officers",
     .type = LT_OPT_STRINGS,
     .offset = FIELD(officers),
     .help = "globs of MaCanBo that may ask; none: any. Another is rejected before a call is made"},
    {.key = "on_mismatch",
     .type = LT_OPT_ENUM,
     .offset = FIELD(on_mismatch),
     .fallback = "forward",
     .words = mismatch_words,
     .help = "forward: without DSKetNoiCSDL, the province is told; park: the dossier waits for people"},
    {.key = "on_unavailable",
     .type = LT_OPT_ENUM,
     .offset = FIELD(on_unavailable),
     .fallback = "wait",
     .words = unavailable_words,
     .help = "forward: after unavailable_attempts the dossier goes on unverified, and that is told"},
    {.key = "unavailable_attempts",
     .type = LT_OPT_INT,
     .offset = FIELD(unavailable_attempts),
     .fallback = "5",
     .min = 1,
     .max = 1000000,
     .help = "questions before on_unavailable: forward gives up"},
    {.key = "cache",
     .type = LT_OPT_DURATION,
     .offset = FIELD(cache_ms),
     .fallback = "0s",
     .min = 0,
     .max = 86400000,
     .help = "how long a match is remembered, for the same officer and procedure; 0: never. See the privacy note in "
             "adapters/population/README.md"},
    {.key = "cache_max",
     .type = LT_OPT_INT,
     .offset = FIELD(cache_max),
     .fallback = "100000",
     .min = 0,
     .max = 10000000,
     .help = "matches remembered at most"},
    {.key = "officer_default",
     .type = LT_OPT_STRING,
     .offset = FIELD(officer),
     .required = true,
     .help = "MaCanBo for events that name no officer (CanBo)"},
    {.key = "unit",
     .type = LT_OPT_STRING,
     .offset = FIELD(unit),
     .help = "MaDonVi; left out when neither this nor the event has it"},
    {.key = "account", .type = LT_OPT_STRING, .offset = FIELD(account), .help = "TaiKhoan; left out when empty"},
    {.key = "phone", .type = LT_OPT_STRING, .offset = FIELD(phone), .help = "SoDienThoai; left out when empty"},
    {.key = "accents",
     .type = LT_OPT_ENUM,
     .offset = FIELD(accents),
     .fallback = "strip",
     .words = accents_words,
     .help = "names without or with Vietnamese accents"},
    {.key = "upper", .type = LT_OPT_BOOL, .offset = FIELD(upper), .fallback = "true", .help = "names in upper case"},
    {.key = "database_code",
     .type = LT_OPT_STRING,
     .offset = FIELD(database_code),
     .required = true,
     .help = "MaCSDL that a match adds to DSKetNoiCSDL"},
};

static unsigned slashes(const char *s)
{
    unsigned n = 0;
    for (; *s; s++)
        n += *s == '/';
    return n;
}

size_t lt_population_options_read(const struct lt_config_target *t, struct lt_population_options *ret,
                                  struct lt_arena *a, struct lt_diags *diags)
{
    size_t errors = diags->errors;
    *ret = (struct lt_population_options){0};
    if (!t->options) {
        lt_yaml_error(diags, t->node,
                      "options: expected a mapping with officer_default and database_code, got nothing");
        return diags->errors - errors;
    }
    (void)lt_opts_decode(t->options, "options", lt_population_opts, LT_POPULATION_OPTS, ret, a, diags);
    const struct lt_yaml_node *n = t->options;
    if (!ret->integration_code)
        ret->integration_code = ret->operation == LT_POPULATION_ASK_VERIFY ? "033" : "037";
    if (!ret->service_url)
        ret->service_url = t->url;
    if (ret->auth == LT_POPULATION_BASIC && (!ret->username || !ret->secret.text))
        lt_yaml_error(diags, lt_yaml_get(n, "auth"),
                      "options.auth: expected username and secret beside it, got nothing");
    if (ret->xroad_client && slashes(ret->xroad_client) != 3)
        lt_yaml_expected(diags, lt_yaml_get(n, "xroad_client"), "options.xroad_client",
                         "INSTANCE/CLASS/MEMBER/SUBSYSTEM");
    if (ret->xroad_client && !ret->xroad_service)
        lt_yaml_error(diags, lt_yaml_get(n, "xroad_client"),
                      "options.xroad_client: expected xroad_service beside it, got nothing");
    if (ret->xroad_service && (slashes(ret->xroad_service) < 4 || slashes(ret->xroad_service) > 5))
        lt_yaml_expected(diags, lt_yaml_get(n, "xroad_service"), "options.xroad_service",
                         "INSTANCE/CLASS/MEMBER/SUBSYSTEM/CODE/VERSION");
    return diags->errors - errors;
}
