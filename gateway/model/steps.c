#include "gateway/model/steps.h"

#include "gateway/model/event.h"

#define EVENT(name, ...)                                                                                               \
    {                                                                                                                  \
        .word = name, .type = LT_TYPE_DOSSIER_PREFIX name ".v1", .schema = "schemas/canonical/" name ".json",          \
        __VA_ARGS__                                                                                                    \
    }
#define STATUS(...) .status = {__VA_ARGS__}, .status_len = LT_ARRAY_LEN(((const char *[]){__VA_ARGS__}))
#define CHECK .population = {LT_STEP_CHECK}, .population_len = 1
#define NO_CHECK .population_len = 0
#define UPSERT .portal = {LT_STEP_UPSERT, LT_STEP_PROGRESS}, .portal_len = 2
#define ENSURE .portal = {LT_STEP_ENSURE, LT_STEP_PROGRESS}, .portal_len = 2

/* Equal to schemas/canonical/steps.yaml, order included: test_model_steps compares the two. */
static const struct lt_event_type table[] = {
    EVENT("received", STATUS("1", "2"), CHECK, UPSERT),
    EVENT("rejected", STATUS("3"), CHECK, UPSERT),
    EVENT("progressed", STATUS("4"), NO_CHECK, ENSURE),
    EVENT("supplement-requested", STATUS("5"), CHECK, UPSERT),
    EVENT("supplement-received", STATUS("4"), CHECK, UPSERT),
    EVENT("payment-requested", STATUS("6"), CHECK, UPSERT),
    EVENT("withdrawn", STATUS("7"), CHECK, UPSERT),
    EVENT("suspended", STATUS("8"), CHECK, UPSERT),
    EVENT("extended", STATUS("4"), CHECK, UPSERT),
    EVENT("completed", STATUS("9"), CHECK, UPSERT),
    EVENT("returned", STATUS("10"), CHECK, UPSERT),
};

const struct lt_event_type *lt_event_type_by_word(struct lt_span word)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(table); i++) {
        if (lt_span_is(word, table[i].word))
            return &table[i];
    }
    return NULL;
}

const struct lt_event_type *lt_event_type_by_name(struct lt_span type)
{
    for (size_t i = 0; i < LT_ARRAY_LEN(table); i++) {
        if (lt_span_is(type, table[i].type))
            return &table[i];
    }
    return NULL;
}

const struct lt_event_type *lt_event_types(size_t *ret_len)
{
    *ret_len = LT_ARRAY_LEN(table);
    return table;
}

bool lt_event_type_status(const struct lt_event_type *t, struct lt_span status)
{
    for (size_t i = 0; i < t->status_len; i++) {
        if (lt_span_is(status, t->status[i]))
            return true;
    }
    return false;
}

const char *lt_step_name(enum lt_step s)
{
    switch (s) {
    case LT_STEP_CHECK:
        return "check";
    case LT_STEP_UPSERT:
        return "upsert";
    case LT_STEP_ENSURE:
        return "ensure";
    case LT_STEP_PROGRESS:
        return "progress";
    case LT_STEP_CALL:
        return "call";
    }
    return "unknown";
}
