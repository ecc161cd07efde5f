/* The top: packages, imports, rules in turn; then the module as a whole. */
#include "rego/syntax/annotate.h"
#include "rego/syntax/internal.h"

typedef enum stmt_kind { STMT_PACKAGE, STMT_IMPORT, STMT_RULE, STMT_BODY } stmt_kind;

typedef struct stmt {
    stmt_kind kind;
    cs_loc loc;
    union {
        cs_term *package;
        cs_import import;
        cs_rule *rule;
        cs_body body;
    } u;
} stmt;

typedef CS_VEC(stmt) stmt_vec;

/* ---- package and import */
static bool ident_or_keyword(cs_parser *p)
{
    if (p->s.token == CS_TOK_IDENT) {
        return true;
    }
    if (cs_parse__ref_keyword(p, p->s.token)) {
        p->s.token = CS_TOK_IDENT;
        return true;
    }
    return false;
}

/* Steps over `package` or `import`; false if the word begins a ref, or is not followed by a name (which is an error).
 */
static bool after_keyword(cs_parser *p)
{
    cs_parse__scan_space(p);
    if (p->s.token == CS_TOK_DOT || p->s.token == CS_TOK_LBRACK) {
        return false;
    }
    if (p->s.token == CS_TOK_WHITESPACE) {
        cs_parse__scan(p);
    }
    if (!ident_or_keyword(p)) {
        cs_parse__illegal_token(p);
        return false;
    }
    return true;
}

/* data.<path>, from the ref as it is written. */
static cs_term *package_path(cs_parser *p, cs_term *t)
{
    size_t mark = p->scratch.n;
    cs_term *first = t->kind == CS_TERM_VAR ? t : t->u.list.v[0];
    if (first->kind != CS_TERM_VAR) {
        cs_parse__error(p, first->loc, "unexpected %s token: expecting var", cs_term_kind_name(first));
        return NULL;
    }
    CS_VEC_PUSH(&p->scratch, cs_term_var(p->ast, p->ast->data, first->loc));
    CS_VEC_PUSH(&p->scratch, cs_term_string(p->ast, cs_sym_slice(first->u.var), first->loc));
    for (uint32_t i = 1; t->kind == CS_TERM_REF && i < t->u.list.n; i++) {
        cs_term *part = t->u.list.v[i];
        if (!cs_term_is_string(part)) {
            cs_parse__error(p, part->loc, "unexpected %s token: expecting string", cs_term_kind_name(part));
            p->scratch.n = mark;
            return NULL;
        }
        CS_VEC_PUSH(&p->scratch, part);
    }
    return cs_parse__take(p, mark, CS_TERM_REF, t->loc);
}

static bool parse_package(cs_parser *p, stmt *out)
{
    out->kind = STMT_PACKAGE;
    out->loc = cs_parse__loc(p);
    if (!after_keyword(p)) {
        return false;
    }
    cs_term *t = cs_parse__term(p);
    if (t && t->kind != CS_TERM_VAR && t->kind != CS_TERM_REF) {
        cs_parse__illegal_token(p);
        return false;
    }
    if (!t) {
        if (p->s.n_errors == 0) {
            cs_parse__error(p, cs_parse__loc(p), "expected path");
        }
        return false;
    }
    out->u.package = package_path(p, t);
    return out->u.package != NULL;
}

/* The path of an import, read without the newer keywords. */
static bool import_path(cs_parser *p, cs_import *import)
{
    cs_parse_pause pause;
    cs_parse__suspend(p, &pause, 0);
    p->in_import = true;
    cs_term *t = cs_parse__term(p);
    p->in_import = false;
    const cs_term *bad = NULL;
    for (uint32_t i = 1; t && t->kind == CS_TERM_REF && i < t->u.list.n && !bad; i++) {
        bad = cs_term_is_string(t->u.list.v[i]) ? NULL : t->u.list.v[i];
    }
    cs_parse__resume(p, &pause, bad != NULL);
    if (bad) {
        cs_parse__error(p, bad->loc, "unexpected %s token: expecting string", cs_term_kind_name(bad));
        return false;
    }
    if (t && t->kind == CS_TERM_VAR) {
        t = cs_term_list(p->ast, CS_TERM_REF, &t, 1, t->loc);
    }
    if (!t || t->kind != CS_TERM_REF) {
        cs_parse__error(p, cs_parse__loc(p), "expected path");
        return false;
    }
    import->path = t;
    return true;
}

static bool import_root_ok(cs_parser *p, const cs_import *import)
{
    const cs_term *head = import->path->u.list.v[0];
    const cs_sym *name = head->kind == CS_TERM_VAR ? head->u.var : NULL;
    if (name && (name == p->ast->data || name == p->ast->input || name == p->ast->future || name == p->ast->rego)) {
        return true;
    }
    cs_parse__hint(p, "if this is unexpected, try updating OPA");
    cs_parse__error(p, import->path->loc,
                    "unexpected import path, must begin with one of: {data, future, input, rego}, got: %s",
                    cs_parse__printed(p, head));
    return false;
}

/* After `as`. */
static bool import_alias(cs_parser *p, cs_import *import)
{
    cs_parse__scan(p);
    if (p->s.token != CS_TOK_IDENT) {
        cs_parse__illegal(p, "expected var");
        return false;
    }
    cs_term *t = cs_parse__term(p);
    if (t && t->kind == CS_TERM_VAR) {
        import->alias = t->u.var;
        import->alias_loc = t->loc;
        return true;
    }
    if (t && t->kind == CS_TERM_REF && t->u.list.n == 1) {
        cs_parse__error(p, t->loc, "unexpected import alias, must not be a reserved name, got: %s",
                        cs_parse__printed(p, t));
        return false;
    }
    cs_parse__illegal(p, "expected var");
    return false;
}

static bool parse_import(cs_parser *p, stmt *out)
{
    out->kind = STMT_IMPORT;
    out->loc = cs_parse__loc(p);
    cs_import *import = &out->u.import;
    *import = (cs_import){.loc = out->loc};
    if (!after_keyword(p) || !import_path(p, import) || !import_root_ok(p, import)) {
        return false;
    }
    if (p->s.token == CS_TOK_AS) {
        return import_alias(p, import);
    }
    cs_terms path = import->path->u.list;
    const cs_term *last = path.v[path.n - 1];
    if (path.n > 1 && path.v[0]->u.var != p->ast->future && cs_syntax_is_keyword(cs_text(last->u.value), p->version)) {
        cs_parse__hint(p, "import a different path or use an alias");
        cs_parse__error(p, last->loc, "unexpected import path, must not end with a keyword, got: %.*s",
                        CS_FMT(cs_text(last->u.value)));
    }
    return true;
}

/* ---- what an import turns on */
static void future_import(cs_parser *p, const cs_import *import)
{
    cs_terms path = import->path->u.list;
    if (path.n == 1 || !cs_slice_is(cs_text(path.v[1]->u.value), "keywords")) {
        cs_parse__error(p, import->path->loc, "invalid import, must be `future.keywords`");
        return;
    }
    if (import->alias) {
        cs_parse__error(p, import->alias_loc, "`future` imports cannot be aliased");
        return;
    }
    unsigned words = p->allowed;
    if (path.n == 3) {
        words = cs_token__word_bit(cs_text(path.v[2]->u.value)) & p->allowed;
        if (!words) {
            cs_parse__error(p, import->path->loc, "unexpected keyword, must be one of %s", cs_language__allowed(p));
            return;
        }
    }
    p->imported |= words;
    p->words |= words | (words & CS_WORD_EVERY ? (unsigned)CS_WORD_IN : 0U);
}

static void rego_import(cs_parser *p, const cs_import *import)
{
    bool v1 = cs_ref_is(import->path, "rego.v1"), v2 = cs_ref_is(import->path, "rego.v2");
    if (!v1 && !v2) {
        cs_parse__error(p, import->path->loc, "invalid import `%s`, must be one of: `rego.v1`, `rego.v2`",
                        cs_parse__printed(p, import->path));
        return;
    }
    if (!cs_language__has_import(p, v2)) {
        cs_parse__error(p, import->path->loc, "invalid import, `rego.v%d` is not supported by current capabilities",
                        v2 ? 2 : 1);
        return;
    }
    if (import->alias) {
        cs_parse__error(p, import->alias_loc, "`rego` imports cannot be aliased");
        return;
    }
    p->imported |= v2 ? CS_WORDS_ALL : CS_WORDS_V0;
    p->words |= v2 ? CS_WORDS_ALL : CS_WORDS_V0;
}

static void apply_import(cs_parser *p, const cs_import *import)
{
    const cs_sym *root = import->path->u.list.v[0]->u.var;
    if (root == p->ast->rego) {
        rego_import(p, import);
    } else if (root == p->ast->future) {
        future_import(p, import);
    } else {
        return;
    }
    /* The word after the import was read before it was a keyword. */
    unsigned bit = p->s.token == CS_TOK_IDENT ? cs_token__word_bit(p->s.literal) : 0;
    if (bit & p->words) {
        for (cs_token t = CS_TOK_IN; t <= CS_TOK_LOGICAL_OR; t++) {
            if (cs_slice_is(p->s.literal, cs_token__name(t))) {
                p->s.token = t;
            }
        }
    }
}

/* ---- statements */
/* One statement onto `out`; false at the end or on an error. */
static bool parse_statement(cs_parser *p, stmt_vec *out)
{
    stmt s;
    if (!p->skip_rules && cs_parse__keyword_rule_name(p, false)) {
        return false;
    }
    cs_parse_state saved = p->s;
    if (p->s.token == CS_TOK_PACKAGE || p->s.token == CS_TOK_IMPORT) {
        bool import = p->s.token == CS_TOK_IMPORT;
        if (import ? parse_import(p, &s) : parse_package(p, &s)) {
            if (p->s.token == CS_TOK_SUB) {
                cs_parse__illegal_token(p);
                return false;
            }
            if (import) {
                apply_import(p, &s.u.import);
            }
            CS_VEC_PUSH(out, s);
            return true;
        }
        if (p->s.n_errors) {
            return false;
        }
        p->s = saved;
    }
    if (!p->skip_rules) {
        cs_rule_list rules;
        if (cs_parse__rules(p, &rules)) {
            for (uint32_t i = 0; i < rules.n; i++) {
                s = (stmt){.kind = STMT_RULE, .loc = rules.v[i]->loc, .u.rule = rules.v[i]};
                CS_VEC_PUSH(out, s);
            }
            return true;
        }
        if (p->s.n_errors) {
            return false;
        }
        p->s = saved;
    }
    cs_body body = cs_parse__query(p, true, CS_TOK_EOF);
    if (body.n == 0) {
        return false;
    }
    s = (stmt){.kind = STMT_BODY, .loc = body.v[0]->loc, .u.body = body};
    CS_VEC_PUSH(out, s);
    return true;
}

static cs_err parse_statements(cs_parser *p, stmt_vec *out)
{
    cs_lex__start(p);
    cs_parse__scan(p);
    while (p->s.token != CS_TOK_EOF && parse_statement(p, out)) {
        /* Nothing goes back over a statement. After a mistake OPA may read on at a place where it has failed before,
         * and is then silent: the memo of failures stays. */
        p->memo.n = p->s.n_errors ? p->memo.n : 0;
        p->scratch.n = 0;
        if (cs_arena_exceeded(p->arena)) {
            return CS_ERR_MEMORY;
        }
    }
    if (p->over) {
        p->s.errors = NULL;
        p->s.hints = NULL;
        p->s.n_errors = 0;
        cs_parse__error(p, p->over_loc, "%s", p->over);
    }
    return p->s.n_errors ? CS_ERR_REGO_PARSE : CS_OK;
}

/* ---- the module */
static cs_rego_version raise_version(cs_rego_version version, const cs_import *import)
{
    if (cs_ref_is(import->path, "rego.v2")) {
        return CS_REGO_V2;
    }
    if (cs_ref_is(import->path, "rego.v1") && version == CS_REGO_V0) {
        return CS_REGO_V0_V1;
    }
    return version;
}

static const char *head_keyword(const stmt *s)
{
    const cs_sym *name = NULL;
    if (s->kind == STMT_RULE && s->u.rule->head.shows_name && s->u.rule->head.ref->u.list.v[0]->kind == CS_TERM_VAR) {
        name = s->u.rule->head.ref->u.list.v[0]->u.var;
    } else if (s->kind == STMT_BODY && s->u.body.n == 1 && s->u.body.v[0]->kind == CS_EXPR_TERM &&
               s->u.body.v[0]->u.term->kind == CS_TERM_VAR) {
        name = s->u.body.v[0]->u.term->u.var;
    }
    if (name && (cs_slice_is(cs_sym_slice(name), "if") || cs_slice_is(cs_sym_slice(name), "contains"))) {
        return name->s;
    }
    return NULL;
}

/* In v0 `p if { … }` falls into `p` and a rule named `if`: which keyword was it? */
static const char *missing_keyword(const stmt *s, const stmt *after)
{
    const char *word = head_keyword(s);
    if (!word && after && after->loc.row == s->loc.row) {
        word = head_keyword(after);
    }
    return word;
}

static void add_rule(cs_parser *p, cs_module *m, cs_rule *r)
{
    for (cs_rule *each = r; each; each = each->other) {
        each->module = m;
    }
    m->rules[m->n_rules++] = r;
    (void)p;
}

static void add_body(cs_parser *p, cs_module *m, const stmt *s, const stmt *after)
{
    const char *why;
    cs_rule *r = cs_parse__rule_from_body(p, s->u.body, &why);
    if (r) {
        add_rule(p, m, r);
        return;
    }
    const char *word = m->version == CS_REGO_V0 ? missing_keyword(s, after) : NULL;
    if (word) {
        cs_parse__error_plain(p, s->loc, "%s (hint: `import future.keywords.%s` for `%s` rules)", why, word,
                              strcmp(word, "if") == 0 ? "p if { ... }" : "p contains x");
    } else {
        cs_parse__error_plain(p, s->loc, "%s", why);
    }
}

/* What v1 asks of every rule. */
static void check_rule(cs_parser *p, const cs_rule *r)
{
    const cs_head *h = &r->head;
    const char *kind = h->args.n ? "function" : "rule";
    const cs_term *name = h->ref->u.list.v[0];
    bool generated_value = h->value && !h->value_written;
    if (h->ref->u.list.n < 2 && name->kind == CS_TERM_VAR &&
        cs_syntax_is_keyword(cs_sym_slice(name->u.var), CS_REGO_V1)) {
        cs_parse__error_plain(p, r->loc, "%s keyword cannot be used for rule name", name->u.var->s);
    }
    if (r->body_generated && generated_value) {
        cs_parse__error_plain(p, r->loc, "%s must have value assignment and/or body declaration", kind);
    }
    if (!r->body_generated && !h->uses_if && !r->is_default) {
        cs_parse__error_plain(p, r->loc, "`if` keyword is required before %s body", kind);
    }
    if (!h->value && h->key && !h->uses_contains) {
        cs_parse__error_plain(p, r->loc, "`contains` keyword is required for partial set rules");
    }
}

static void take_comments(cs_parser *p, cs_module *m)
{
    m->n_comments = p->s.n_comments;
    m->comments = cs_arena_array(p->arena, cs_comment, m->n_comments);
    uint32_t i = m->n_comments;
    for (const cs_parse_comment *c = p->s.comments; c; c = c->before) {
        m->comments[--i] = c->comment;
    }
}

static void add_statements(cs_parser *p, cs_module *m, const stmt_vec *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const stmt *s = &list->v[i];
        const stmt *after = i + 1 < list->n ? s + 1 : NULL;
        if (i == 0) {
            if (s->kind != STMT_PACKAGE) {
                cs_parse__error_plain(p, s->loc, "package expected");
            } else {
                m->package = s->u.package;
                m->package_loc = s->loc;
            }
            continue;
        }
        switch (s->kind) {
        case STMT_PACKAGE:
            cs_parse__error_plain(p, s->loc, "unexpected package");
            break;
        case STMT_IMPORT:
            m->version = raise_version(m->version, &s->u.import);
            m->imports[m->n_imports++] = s->u.import;
            break;
        case STMT_RULE:
            add_rule(p, m, s->u.rule);
            break;
        case STMT_BODY:
            add_body(p, m, s, after);
            break;
        }
    }
}

/* Statements to module. Errors go to the parser. */
static void build(cs_parser *p, cs_module *m, const stmt_vec *list)
{
    if (list->n == 0) {
        /* A block of annotations alone is a statement to OPA. */
        bool notes = m->n_annotations > 0;
        cs_parse__error_plain(p, notes ? m->annotations[0].loc : (cs_loc){.source = p->source},
                              notes ? "package expected" : "empty module");
        return;
    }
    m->imports = cs_arena_array(p->arena, cs_import, list->n);
    m->rules = cs_arena_array(p->arena, cs_rule *, list->n);
    add_statements(p, m, list);
    if (m->version != CS_REGO_V0) {
        for (uint32_t i = 0; i < m->n_rules; i++) {
            for (const cs_rule *r = m->rules[i]; r; r = r->other) {
                check_rule(p, r);
            }
        }
    }
}

/* ---- the outside */
void cs_parse__init(cs_parser *p, cs_ast *ast, const cs_source *source, const cs_parse_options *options)
{
    memset(p, 0, sizeof *p);
    p->ast = ast;
    p->arena = ast->arena;
    p->source = source;
    p->text = source->text;
    p->version = options ? options->version : CS_REGO_V1;
    bool old = p->version == CS_REGO_V0 || p->version == CS_REGO_V0_V1;
    p->no_templates = options && (options->templates || options->no_templates) ? !options->templates : old;
    cs_language__limit(p, options ? options->capabilities : NULL);
    p->is_builtin = options ? options->is_builtin : NULL;
    p->words = p->version == CS_REGO_V1 ? CS_WORDS_V0 : p->version == CS_REGO_V2 ? CS_WORDS_ALL : 0;
    p->words |= options ? options->words & p->allowed : 0U;
    uint64_t depth = cs_limits_get()->rego_depth;
    p->max_depth = depth < UINT16_MAX ? (uint32_t)depth : UINT16_MAX - 1;
    p->budget = 10000 + (uint64_t)p->text.n * 64;
}

void cs_parse__destroy(cs_parser *p)
{
    CS_VEC_FREE(&p->scratch);
    CS_VEC_FREE(&p->memo);
}

static bool is_space_byte(char c)
{
    unsigned char u = (unsigned char)c;
    return u == ' ' || (u >= '\t' && u <= '\r') || u == 0x85 || u == 0xA0;
}

/* The line of the place, and a caret under it; the last line with text when the place is at the end. */
static void caret(cs_buf *out, cs_slice text, size_t offset)
{
    if (text.n == 0) {
        return;
    }
    offset = offset < text.n ? offset : text.n - 1;
    while (offset > 0 && is_space_byte(text.p[offset])) {
        offset--;
    }
    size_t begin = offset, end = offset;
    while (begin > 0 && text.p[begin] != '\n' && text.p[begin] != '\r') {
        begin--;
    }
    if (text.p[begin] == '\n' || text.p[begin] == '\r') {
        begin++;
    }
    while (end < text.n && text.p[end] != '\n' && text.p[end] != '\r') {
        end++;
    }
    begin = begin < end ? begin : end;
    cs_buf_slice(out, cs_slice_sub(text, begin, end));
    cs_buf_byte(out, '\n');
    for (size_t i = begin; i < offset; i++) {
        cs_buf_byte(out, ' ');
    }
    cs_buf_byte(out, '^');
}

void cs_parse__report(const cs_parser *p, cs_errors *errors)
{
    uint32_t n = p->s.n_errors;
    const cs_parse_error **list = cs_arena_array(p->arena, const cs_parse_error *, n);
    uint32_t i = n;
    for (const cs_parse_error *e = p->s.errors; e; e = e->before) {
        list[--i] = e;
    }
    cs_buf details;
    cs_buf_init(&details);
    for (i = 0; i < n; i++) {
        cs_buf_clear(&details);
        if (list[i]->caret) {
            caret(&details, p->text, list[i]->loc.offset);
        }
        (void)cs_errors_add(errors, CS_ERR_REGO_PARSE, p->source->file, list[i]->loc.row, list[i]->loc.col,
                            cs_buf_view(&details), "%s", list[i]->text);
        cs_errors_set_source(errors, cs_parse__text(p, list[i]->loc.from, list[i]->loc.from + list[i]->loc.length));
    }
    cs_buf_destroy(&details);
}

static cs_err check_start(cs_slice file, cs_slice text, const cs_parse_options *options, cs_errors *errors)
{
    if (options && options->capabilities) {
        CS_TRY(cs_language__check(options, errors));
    }
    if (text.n <= cs_limits_get()->rego_bytes && text.n < UINT32_MAX - 1) {
        return CS_OK;
    }
    return cs_errors_add(errors, CS_ERR_REGO_PARSE, file, 0, 0, CS_LIT(""),
                         "module of %zu bytes is over the limit rego_bytes", text.n);
}

cs_err cs_parse_module(cs_ast *ast, cs_slice file, cs_slice text, const cs_parse_options *options, cs_module **out,
                       cs_errors *errors)
{
    CS_TRY(check_start(file, text, options, errors));
    cs_module *m = cs_arena_new(ast->arena, cs_module);
    m->source = (cs_source){.file = file, .text = text, .index = options ? options->index : 0};
    cs_parser p;
    stmt_vec list = {0};
    cs_parse__init(&p, ast, &m->source, options);
    m->version = p.version;
    cs_err err = parse_statements(&p, &list);
    cs_annotation *notes = NULL;
    uint32_t n_notes = 0;
    take_comments(&p, m);
    if (err != CS_ERR_MEMORY && options && options->annotations) {
        notes = cs_annotate__parse(&p, m->comments, m->n_comments, &n_notes);
    }
    if (err == CS_OK && p.s.n_errors == 0) {
        m->annotations = notes;
        m->n_annotations = n_notes;
        build(&p, m, &list);
        if (p.s.n_errors == 0) {
            cs_annotate__attach(&p, m);
        }
    }
    if (err == CS_OK && p.s.n_errors) {
        err = CS_ERR_REGO_PARSE;
    }
    if (err == CS_ERR_MEMORY) {
        (void)cs_errors_add(errors, err, file, 0, 0, CS_LIT(""), "not enough memory to parse the module");
    } else {
        cs_parse__report(&p, errors);
    }
    if (err == CS_OK) {
        *out = m;
    }
    CS_VEC_FREE(&list);
    cs_parse__destroy(&p);
    return err;
}

static const char *statement_type(const stmt *s)
{
    return s->kind == STMT_PACKAGE ? "*ast.Package" : s->kind == STMT_IMPORT ? "*ast.Import" : "*ast.Rule";
}

cs_err cs_parse_query(cs_ast *ast, cs_slice text, const cs_parse_options *options, cs_body *out, cs_errors *errors)
{
    CS_TRY(check_start(CS_LIT(""), text, options, errors));
    cs_source *source = cs_arena_new(ast->arena, cs_source);
    *source = (cs_source){.file = CS_LIT(""), .text = text, .index = options ? options->index : 0};
    cs_parser p;
    stmt_vec list = {0};
    cs_parse__init(&p, ast, source, options);
    p.skip_rules = !(options && options->rules);
    cs_err err = parse_statements(&p, &list);
    cs_parse__report(&p, errors);
    cs_body body = {0};
    for (size_t i = 0; err == CS_OK && i < list.n; i++) {
        if (list.v[i].kind != STMT_BODY) {
            err = cs_errors_add(errors, CS_ERR_REGO_PARSE, CS_LIT(""), 0, 0, CS_LIT(""), "expected body but got %s",
                                statement_type(&list.v[i]));
            break;
        }
        for (uint32_t k = 0; k < list.v[i].u.body.n; k++) {
            cs_body_append(ast, &body, list.v[i].u.body.v[k]);
        }
    }
    if (err == CS_OK) {
        *out = body;
    } else if (err == CS_ERR_MEMORY) {
        (void)cs_errors_add(errors, err, CS_LIT(""), 0, 0, CS_LIT(""), "not enough memory to parse the query");
    }
    CS_VEC_FREE(&list);
    cs_parse__destroy(&p);
    return err;
}

cs_err cs_parse_imports(cs_ast *ast, cs_slice text, const cs_import **out, uint32_t *n, unsigned *words,
                        cs_errors *errors)
{
    CS_TRY(check_start(CS_LIT(""), text, NULL, errors));
    cs_source *source = cs_arena_new(ast->arena, cs_source);
    *source = (cs_source){.file = CS_LIT(""), .text = text};
    cs_parser p;
    stmt_vec list = {0};
    cs_parse__init(&p, ast, source, NULL);
    cs_err err = parse_statements(&p, &list);
    cs_parse__report(&p, errors);
    cs_import *imports = cs_arena_array(ast->arena, cs_import, list.n + 1);
    *n = 0;
    for (size_t i = 0; err == CS_OK && i < list.n; i++) {
        if (list.v[i].kind == STMT_IMPORT) {
            imports[(*n)++] = list.v[i].u.import;
        } else {
            err = cs_errors_add(errors, CS_ERR_REGO_PARSE, CS_LIT(""), 0, 0, CS_LIT(""), "expected import but got %s",
                                statement_type(&list.v[i]));
        }
    }
    *out = imports;
    *words = p.imported;
    CS_VEC_FREE(&list);
    cs_parse__destroy(&p);
    return err;
}

cs_err cs_parse_term(cs_ast *ast, cs_slice text, cs_term **out, cs_errors *errors)
{
    cs_body body = {0};
    CS_TRY(cs_parse_query(ast, text, NULL, &body, errors));
    if (body.n == 1 && body.v[0]->kind == CS_EXPR_TERM && body.v[0]->n_with == 0 && !body.v[0]->negated) {
        *out = body.v[0]->u.term;
        return CS_OK;
    }
    cs_buf b;
    cs_buf_init(&b);
    cs_body_print(&b, body);
    cs_err err = cs_errors_add(errors, CS_ERR_REGO_PARSE, CS_LIT(""), 0, 0, CS_LIT(""),
                               body.n == 1 ? "expected term but got %s" : "expected exactly one term but got: %s",
                               cs_buf_cstr(&b));
    cs_buf_destroy(&b);
    return err;
}
