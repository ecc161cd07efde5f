/* What capabilities leave of the language: versions, keywords, features. */
#include "rego/syntax/internal.h"

static bool is_old(cs_rego_version version)
{
    return version == CS_REGO_V0 || version == CS_REGO_V0_V1;
}

static bool has(const cs_capabilities *c, unsigned feature, cs_rego_version version)
{
    unsigned implied = version == CS_REGO_V2 && (c->features & CS_FEATURE_REGO_V2)
                           ? (unsigned)(CS_FEATURE_KEYWORDS_IN_REFS | CS_FEATURE_TEMPLATE_STRINGS)
                           : 0U;
    return ((c->features | implied) & feature) != 0;
}

/* CS_WORD_* that modules of the version may import. */
static unsigned importable(const cs_capabilities *c, cs_rego_version version)
{
    unsigned granted = 0;
    for (uint32_t i = 0; i < cs_count(c->keywords); i++) {
        granted |= cs_token__word_bit(cs_text(c->keywords.u.items[i]));
    }
    if (is_old(version)) {
        return granted | (c->features & CS_FEATURE_REGO_V1 ? (unsigned)CS_WORDS_V0 : 0U);
    }
    return version == CS_REGO_V1 ? CS_WORDS_V0 | (granted & CS_WORDS_V1) : (unsigned)CS_WORDS_ALL;
}

void cs_language__limit(cs_parser *p, const cs_capabilities *c)
{
    p->capabilities = c;
    p->allowed = c ? importable(c, p->version) : (unsigned)CS_WORDS_ALL;
    if (c) {
        p->no_templates = !has(c, CS_FEATURE_TEMPLATE_STRINGS, p->version);
        p->no_keyword_refs = !has(c, CS_FEATURE_KEYWORDS_IN_REFS, p->version);
    }
}

static cs_err refuse(cs_errors *errors, const char *why, cs_slice what)
{
    return cs_errors_add(errors, CS_ERR_REGO_PARSE, CS_LIT(""), 0, 0, CS_LIT(""), "%s: %.*s", why, CS_FMT(what));
}

cs_err cs_language__check(const cs_parse_options *options, cs_errors *errors)
{
    static const char *const words[] = {"and", "contains", "every", "if", "in", "not", "or"};
    const cs_capabilities *c = options->capabilities;
    cs_rego_version version = options->version;
    unsigned feature = version == CS_REGO_V2 ? CS_FEATURE_REGO_V2 : CS_FEATURE_REGO_V1;
    if (!is_old(version) && !(c->features & feature)) {
        return refuse(errors, "illegal capabilities",
                      version == CS_REGO_V2 ? CS_LIT("rego_v2 feature required for parsing v2 Rego")
                                            : CS_LIT("rego_v1 feature required for parsing v1 Rego"));
    }
    for (uint32_t i = 0; i < cs_count(c->keywords); i++) {
        if (!cs_token__word_bit(cs_text(c->keywords.u.items[i]))) {
            return refuse(errors, "illegal capabilities: unknown keyword", cs_text(c->keywords.u.items[i]));
        }
    }
    unsigned missing = options->words == CS_WORDS_ALL ? 0 : options->words & ~importable(c, version);
    for (size_t i = 0; missing && i < sizeof words / sizeof *words; i++) {
        if (missing & cs_token__word_bit(cs_slice_of(words[i]))) {
            return refuse(errors, "unknown future keyword", cs_slice_of(words[i]));
        }
    }
    return CS_OK;
}

bool cs_language__has_import(const cs_parser *p, bool v2)
{
    unsigned v1_features = CS_FEATURE_REGO_V1_IMPORT | CS_FEATURE_REGO_V1 | CS_FEATURE_REGO_V2;
    unsigned v2_features = CS_FEATURE_REGO_V2_IMPORT | CS_FEATURE_REGO_V2;
    return !p->capabilities || (p->capabilities->features & (v2 ? v2_features : v1_features));
}

const char *cs_language__allowed(cs_parser *p)
{
    static const char *const words[] = {"and", "contains", "every", "if", "in", "not", "or"};
    const char *text = "[";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (p->allowed & cs_token__word_bit(cs_slice_of(words[i]))) {
            text = cs_arena_printf(p->arena, NULL, "%s%s%s", text, text[1] ? " " : "", words[i]);
        }
    }
    return cs_arena_printf(p->arena, NULL, "%s]", text);
}
