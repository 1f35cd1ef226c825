#include "adapters/population/options.h"

#include <stddef.h>

#define FIELD(name) offsetof(struct lt_population_options, name)

static const char *const accents_words[] = {"strip", "keep", NULL};

const struct lt_opt lt_population_opts[LT_POPULATION_OPTS] = {
    {.key = "service_code",
     .type = LT_OPT_STRING,
     .offset = FIELD(service_code),
     .fallback = "VPCP",
     .help = "MaDVC, as registered with the population database; an empty text: the event's procedure"},
    {.key = "integration_code",
     .type = LT_OPT_STRING,
     .offset = FIELD(integration_code),
     .fallback = "037",
     .help = "MaTichHop of TraCuuThongTinCongDan"},
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
    {.key = "faults",
     .type = LT_OPT_NODE,
     .offset = FIELD(faults),
     .help =
         "SOAP fault codes: a mapping of globs to retry, throttle, credential or reject; the first that fits counts"},
};

static bool fault_outcome(struct lt_span word, enum lt_outcome *ret)
{
    static const enum lt_outcome allowed[] = {LT_OUTCOME_RETRY, LT_OUTCOME_THROTTLE, LT_OUTCOME_CREDENTIAL,
                                              LT_OUTCOME_REJECT};
    for (size_t i = 0; i < LT_ARRAY_LEN(allowed); i++)
        if (lt_span_is(word, lt_outcome_name(allowed[i]))) {
            *ret = allowed[i];
            return true;
        }
    return false;
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
    const struct lt_yaml_node *n = ret->faults;
    if (n && n->kind != LT_YAML_MAP)
        lt_yaml_expected(diags, n, "options.faults", "a mapping of fault codes");
    for (size_t i = 0; n && n->kind == LT_YAML_MAP && i < n->len; i++) {
        enum lt_outcome o;
        if (!fault_outcome(lt_yaml_text(n->items[i]), &o))
            lt_yaml_expected(diags, n->items[i], "options.faults", "retry, throttle, credential or reject");
    }
    return diags->errors - errors;
}

/* Without the prefix: soapenv:Server.Busy -> Server.Busy */
static struct lt_span local(struct lt_span code)
{
    const char *colon = code.len ? memchr(code.ptr, ':', code.len) : NULL;
    return colon ? lt_span(colon + 1, code.len - (size_t)(colon + 1 - code.ptr)) : code;
}

enum lt_outcome lt_population_fault(const struct lt_population_options *o, struct lt_span faultcode)
{
    struct lt_span code = local(lt_span_trim(faultcode));
    enum lt_outcome outcome;
    if (o->faults)
        for (size_t i = 0; i < o->faults->len; i++)
            if (lt_glob_match(o->faults->keys[i]->text, code) &&
                fault_outcome(lt_yaml_text(o->faults->items[i]), &outcome))
                return outcome;
    return lt_span_starts(code, "Client") ? LT_OUTCOME_REJECT : LT_OUTCOME_RETRY;
}
