/* Compile a schema and check values against it. */
#include "gateway/codec/json_schema.hpp"

#include <cstring>

using lt::json::Finding;
using lt::json::Value;

namespace
{
/* The validator makes and drops a small state for every value: they live in a pool that goes with it, most of it on the
 * stack. */
using Pool = rapidjson::MemoryPoolAllocator<>;
using Validator =
    rapidjson::GenericSchemaValidator<rapidjson::SchemaDocument, rapidjson::BaseReaderHandler<rapidjson::UTF8<>>, Pool>;
constexpr std::size_t pool_first = 48 * 1024;

/* Reads a value to the validator and knows where it is when the validator says no. */
struct Reader {
    struct Step {
        const Step *up;
        const Value *name; /* NULL: element */
        rapidjson::SizeType index;
    };

    Validator &validator;
    Finding &finding;
    std::string_view base;
    std::size_t steps = 0;

    void append(std::string &pointer, const Step *at)
    {
        if (!at)
            return;
        append(pointer, at->up);
        if (at->name)
            lt::json::pointer_append(pointer, lt::json::view(*at->name));
        else
            lt::json::pointer_append(pointer, std::to_string(at->index));
    }

    bool refused(Finding::Event event, const Value &v, const Step *at, const Value *member = nullptr)
    {
        finding.event = event;
        finding.v = &v;
        finding.member = member;
        finding.pointer = base;
        finding.steps = steps;
        append(finding.pointer, at);
        return false;
    }

    bool text(const Value &v)
    {
        return !std::memchr(v.GetString(), 0, v.GetStringLength());
    }

    bool number(const Value &v)
    {
        if (v.IsInt())
            return v.IsUint() ? validator.Uint(v.GetUint()) : validator.Int(v.GetInt());
        if (v.IsUint())
            return validator.Uint(v.GetUint());
        if (v.IsUint64())
            return validator.Uint64(v.GetUint64());
        if (v.IsInt64())
            return validator.Int64(v.GetInt64());
        return validator.Double(v.GetDouble());
    }

    bool read(const Value &v, const Step *at)
    {
        bool fine;
        steps++;
        switch (v.GetType()) {
        case rapidjson::kNullType:
            fine = validator.Null();
            break;
        case rapidjson::kFalseType:
        case rapidjson::kTrueType:
            fine = validator.Bool(v.GetBool());
            break;
        case rapidjson::kStringType:
            if (!text(v))
                return refused(Finding::nul, v, at);
            fine = validator.String(v.GetString(), v.GetStringLength(), false);
            break;
        case rapidjson::kNumberType:
            fine = number(v);
            break;
        case rapidjson::kArrayType: {
            if (!validator.StartArray())
                return refused(Finding::value, v, at);
            Step step = {at, nullptr, 0};
            for (const Value &element : v.GetArray()) {
                if (!read(element, &step))
                    return false;
                step.index++;
            }
            return validator.EndArray(v.Size()) || refused(Finding::array_end, v, at);
        }
        default: {
            if (!validator.StartObject())
                return refused(Finding::value, v, at);
            for (const auto &member : v.GetObject()) {
                if (!text(member.name))
                    return refused(Finding::nul, v, at);
                if (!validator.Key(member.name.GetString(), member.name.GetStringLength(), false))
                    return refused(Finding::name, v, at, &member.name);
                Step step = {at, &member.name, 0};
                if (!read(member.value, &step))
                    return false;
            }
            return validator.EndObject(v.MemberCount()) || refused(Finding::object_end, v, at);
        }
        }
        return fine || refused(Finding::value, v, at);
    }
};

std::unique_ptr<rapidjson::SchemaDocument> compile(rapidjson::Document &bundle, const std::string &pointer)
{
    std::string ref = lt::json::fragment(pointer);
    bundle["$ref"].SetString(ref.c_str(), static_cast<rapidjson::SizeType>(ref.size()), bundle.GetAllocator());
    return std::make_unique<rapidjson::SchemaDocument>(bundle);
}
} // namespace

namespace lt::json
{
bool schema_conforms(const rapidjson::SchemaDocument &compiled, const Value &v, std::string_view pointer,
                     Finding &finding)
{
    alignas(16) char room[pool_first];
    Pool pool(room, sizeof(room));
    Validator validator(compiled, &pool);
    Reader reader{validator, finding, pointer};
    if (reader.read(v, nullptr))
        return true;
    if (finding.event == Finding::nul)
        return false;
    rapidjson::StringBuffer place;
    validator.GetInvalidSchemaPointer().Stringify(place);
    finding.place = place.GetString();
    const char *keyword = validator.GetInvalidSchemaKeyword();
    finding.keyword = keyword ? keyword : "";
    return false;
}
} // namespace lt::json

struct lt_json_teller {
    Validator &validator;
    char text[4096];

    /* Patterns read up to a NUL: one must follow, and none may be inside. What is longer than usual is looked at
     * closer. */
    bool terminated(struct lt_span s)
    {
        if (s.len >= sizeof(text) || (s.len && std::memchr(s.ptr, 0, s.len)))
            return false;
        if (s.len)
            std::memcpy(text, s.ptr, s.len);
        text[s.len] = '\0';
        return true;
    }
};

extern "C" {

int lt_json_schema_load(const char *path, struct lt_json_schema **ret, struct lt_err *err)
{
    constexpr std::size_t branches_max = 100; /* each is a compiled copy; beyond that messages name no branch */
    auto s = std::make_unique<struct lt_json_schema>();
    std::vector<std::string> branches;
    int rc = lt::json::schema_load(path, *s, branches, err);
    if (rc)
        return rc;
    for (const std::string &branch : branches) {
        if (branches.size() <= branches_max)
            s->branches[branch] = compile(s->bundle, branch);
    }
    s->compiled = compile(s->bundle, lt::json::bundle_root);
    *ret = s.release();
    return LT_OK;
}

void lt_json_schema_free(struct lt_json_schema *s)
{
    delete s;
}

int lt_json_schema_check(const struct lt_json_schema *s, lt_json_value v, struct lt_err *err)
{
    Finding finding;
    if (lt::json::schema_conforms(*s->compiled, *lt::json::of(v), "", finding))
        return LT_OK;
    lt_err_set(err, LT_E_INVALID, "json-schema", "%s", "");
    if (err)
        lt::json::schema_explain(*s, finding, err);
    return LT_E_INVALID;
}

bool lt_json_schema_accepts(const struct lt_json_schema *s, bool (*tell)(void *ctx, struct lt_json_teller *t),
                            void *ctx)
{
    alignas(16) char room[pool_first];
    Pool pool(room, sizeof(room));
    Validator validator(*s->compiled, &pool);
    struct lt_json_teller t = {validator, {}};
    return tell(ctx, &t) && validator.IsValid();
}

bool lt_json_tell_begin_object(struct lt_json_teller *t)
{
    return t->validator.StartObject();
}

bool lt_json_tell_key(struct lt_json_teller *t, struct lt_span name)
{
    return t->terminated(name) && t->validator.Key(t->text, static_cast<rapidjson::SizeType>(name.len), true);
}

bool lt_json_tell_end_object(struct lt_json_teller *t, size_t members)
{
    return t->validator.EndObject(static_cast<rapidjson::SizeType>(members));
}

bool lt_json_tell_begin_array(struct lt_json_teller *t)
{
    return t->validator.StartArray();
}

bool lt_json_tell_end_array(struct lt_json_teller *t, size_t elements)
{
    return t->validator.EndArray(static_cast<rapidjson::SizeType>(elements));
}

bool lt_json_tell_string(struct lt_json_teller *t, struct lt_span s)
{
    return t->terminated(s) && t->validator.String(t->text, static_cast<rapidjson::SizeType>(s.len), true);
}
}
