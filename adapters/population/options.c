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
};

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
    return diags->errors - errors;
}
