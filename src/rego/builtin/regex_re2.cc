/* The one C++ file: RE2 behind a C header. */
#include "rego/builtin/regex_re2.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <re2/re2.h>

struct cs_re2 {
    std::unique_ptr<RE2> re;
};

static cs_re2_error error_of(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::NoError:
        return CS_RE2_OK;
    case RE2::ErrorBadEscape:
        return CS_RE2_BAD_ESCAPE;
    case RE2::ErrorBadCharClass:
        return CS_RE2_BAD_CLASS;
    case RE2::ErrorBadCharRange:
        return CS_RE2_BAD_RANGE;
    case RE2::ErrorMissingBracket:
        return CS_RE2_MISSING_BRACKET;
    case RE2::ErrorMissingParen:
        return CS_RE2_MISSING_PAREN;
    case RE2::ErrorUnexpectedParen:
        return CS_RE2_UNEXPECTED_PAREN;
    case RE2::ErrorTrailingBackslash:
        return CS_RE2_TRAILING_BACKSLASH;
    case RE2::ErrorRepeatArgument:
        return CS_RE2_REPEAT_ARGUMENT;
    case RE2::ErrorRepeatSize:
        return CS_RE2_REPEAT_SIZE;
    case RE2::ErrorRepeatOp:
        return CS_RE2_REPEAT_OP;
    case RE2::ErrorBadPerlOp:
        return CS_RE2_BAD_PERL;
    case RE2::ErrorBadUTF8:
        return CS_RE2_BAD_UTF8;
    case RE2::ErrorBadNamedCapture:
        return CS_RE2_BAD_NAME;
    case RE2::ErrorPatternTooLarge:
        return CS_RE2_TOO_LARGE;
    case RE2::ErrorInternal:
        break;
    }
    return CS_RE2_INTERNAL;
}

cs_re2 *cs_re2_new(const char *pattern, size_t n, int64_t max_memory, cs_re2_error *error, char *about, size_t room)
{
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(max_memory);
    auto re = std::make_unique<RE2>(re2::StringPiece(pattern, n), options);
    *error = error_of(re->error_code());
    if (*error == CS_RE2_OK) {
        return new cs_re2{std::move(re)};
    }
    size_t length = std::min(re->error_arg().size(), room - 1);
    std::memcpy(about, re->error_arg().data(), length);
    about[length] = '\0';
    return nullptr;
}

void cs_re2_free(cs_re2 *re)
{
    delete re;
}

int cs_re2_groups(const cs_re2 *re)
{
    return re->re->NumberOfCapturingGroups();
}

int cs_re2_group(const cs_re2 *re, const char *name, size_t n)
{
    const auto &groups = re->re->NamedCapturingGroups();
    auto found = groups.find(std::string(name, n));
    return found == groups.end() ? -1 : found->second;
}

bool cs_re2_match(const cs_re2 *re, const char *text, size_t n, size_t start, cs_re2_span *spans, int n_spans)
{
    re2::StringPiece few[16];
    std::vector<re2::StringPiece> many;
    re2::StringPiece *groups = few;
    if (n_spans > 16) {
        many.resize(static_cast<size_t>(n_spans));
        groups = many.data();
    }
    if (!re->re->Match(re2::StringPiece(text, n), start, n, RE2::UNANCHORED, groups, n_spans)) {
        return false;
    }
    for (int i = 0; i < n_spans; i++) {
        if (groups[i].data() == nullptr) {
            spans[i] = {SIZE_MAX, SIZE_MAX};
        } else {
            size_t from = static_cast<size_t>(groups[i].data() - text);
            spans[i] = {from, from + groups[i].size()};
        }
    }
    return true;
}
