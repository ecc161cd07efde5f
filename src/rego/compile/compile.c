/* Runs the stages over modules. */
#include "countersign/base/time.h"
#include "rego/compile/internal.h"

#include <stdlib.h>

typedef struct stage {
    const char *name;
    void (*run)(cs_compiler *c);
} stage;

static const stage stages[] = {
#define CS_STAGE(name, function, file) {#name, function},
#include "rego/compile/stages.def"
#undef CS_STAGE
};

static int by_file(const void *x, const void *y)
{
    const cs_module *a = *(cs_module *const *)x;
    const cs_module *b = *(cs_module *const *)y;
    int c = cs_slice_compare(a->source.file, b->source.file);
    return c ? c : a->source.index < b->source.index ? -1 : a->source.index > b->source.index;
}

void cs_compile__begin(cs_compiler *c)
{
    cs_arena *a = c->ast->arena;
    cs_arena_init(&c->scratch, 0);
    c->rewritten = c->subjects = c->reserved = c->taken = cs_syms__new(a);
    (void)cs_syms__add(&c->reserved, c->ast->data);
    (void)cs_syms__add(&c->reserved, c->ast->input);
    c->eq = cs_sym_get(c->ast, CS_LIT("eq"));
    c->assign = cs_sym_get(c->ast, CS_LIT("assign"));
    c->equal = cs_sym_get(c->ast, CS_LIT("equal"));
    c->print = cs_sym_get(c->ast, CS_LIT("print"));
}

/* Calls of functions that there are not have no outputs: nothing can be told of what is bound behind them. */
static bool is_skipped(const cs_compile_options *options, const char *name)
{
    return options->policy->allow_undefined &&
           (strcmp(name, "CheckUndefinedFuncs") == 0 || strcmp(name, "CheckSafetyRuleBodies") == 0);
}

/* OPA's timers are called by the stages' names, some of them by another. */
static void tell_stage(cs_instrument *i, cs_arena *a, const char *of, int64_t ns)
{
    static const char *const other[][2] = {{"CheckDuplicateImports", "stage_check_imports"},
                                           {"SetAnnotationSet", "stage_set_annotationset"},
                                           {"CheckDeprecatedBuiltins", "state_check_deprecated_builtins"},
                                           {"RewriteDuplicateTestNames", ""},
                                           {"InjectTestCaseFunc", ""}};
    const char *name = NULL;
    for (size_t k = 0; k < sizeof other / sizeof *other; k++) {
        name = strcmp(other[k][0], of) == 0 ? other[k][1] : name;
    }
    if (!name) {
        char text[64] = "stage";
        size_t n = strlen(text);
        for (const char *p = of; *p && n + 2 < sizeof text; p++) {
            bool upper = *p >= 'A' && *p <= 'Z';
            if (upper) {
                text[n++] = '_';
            }
            text[n++] = (char)(upper ? *p - 'A' + 'a' : *p);
        }
        name = cs_arena_dup(a, text, n);
    }
    if (name[0]) {
        cs_instrument_time(i, cs_arena_printf(a, NULL, "compile_%s", name), ns);
    }
}

static void run_stages(cs_compiler *c, const cs_compile_options *options)
{
    for (size_t i = 0; i < sizeof stages / sizeof stages[0] && !c->stop; i++) {
        bool timed = options->after || options->policy->instrument;
        int64_t start = timed ? cs_time_mono_ns() : 0;
        cs_arena_mark mark = cs_arena_mark_now(&c->scratch);
        if (!is_skipped(options, stages[i].name)) {
            stages[i].run(c);
        }
        cs_arena_rewind(&c->scratch, mark);
        if (options->after) {
            options->after(options->self, stages[i].name, cs_time_mono_ns() - start);
        }
        if (options->policy->instrument) {
            tell_stage(options->policy->instrument, c->ast->arena, stages[i].name, cs_time_mono_ns() - start);
        }
        if (!c->stop) {
            cs_shape__check(c, stages[i].name);
        }
        if (options->policy->stop_after && strcmp(options->policy->stop_after, stages[i].name) == 0) {
            return;
        }
    }
}

cs_err cs_compile_modules(cs_ast *ast, cs_module **modules, uint32_t n, const cs_compile_options *options,
                          cs_compiled **out, cs_errors *errors)
{
    cs_compiled *compiled = cs_arena_new(ast->arena, cs_compiled);
    compiled->ast = ast;
    compiled->capabilities = options->policy->capabilities;
    compiled->n_modules = n;
    compiled->modules = (cs_module **)cs_arena_zalloc(ast->arena, (n + 1U) * sizeof(cs_module *));
    if (n) {
        memcpy(compiled->modules, modules, n * sizeof *modules);
        qsort(compiled->modules, n, sizeof *modules, by_file);
    }
    cs_compiler c = {.ast = ast, .policy = options->policy, .compiled = compiled, .out = compiled, .prefix = "__local"};
    c.modules = compiled->modules;
    c.n_modules = n;
    cs_compile__begin(&c);
    run_stages(&c, options);
    compiled->next_local = c.next_local;
    compiled->rewritten = cs_compile__keep_names(&c);
    cs_err err = cs_compile__report(&c, errors);
    cs_arena_destroy(&c.scratch);
    if (err == CS_OK) {
        *out = compiled;
    }
    return err;
}
