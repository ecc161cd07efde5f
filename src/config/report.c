/* All problems of a configuration at once, in the order of the file; and the manual page made from the rows. */
#include "config/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "countersign/base/limits.h"

void cs_config_report_init(cs_config_report *report)
{
    *report = (cs_config_report){0};
    cs_arena_init(&report->arena, 0);
}

void cs_config_report_destroy(cs_config_report *report)
{
    cs_arena_destroy(&report->arena);
    *report = (cs_config_report){0};
}

void cs_config__problem(cs_config_report *report, bool warning, const cs_node *at, const char *format, ...)
{
    char text[CS_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    cs_config_problem p = {.warning = warning, .line = at != NULL ? at->line : 0};
    cs_slice file = at != NULL ? at->file : CS_LIT("");
    p.file = cs_slice_make(cs_arena_dup(&report->arena, file.p != NULL ? file.p : "", file.n), file.n);
    p.text = cs_slice_make(cs_arena_dup(&report->arena, text, length), length);
    struct {
        cs_config_problem *v;
        size_t n, cap;
    } list = {report->v, report->n, report->cap};
    /* Sorted by line as they come in; those without a line stand behind. */
    CS_VEC_PUSH_IN(&report->arena, &list, p);
    size_t i = list.n - 1;
    while (i > 0 && p.line != 0 && (list.v[i - 1].line > p.line || list.v[i - 1].line == 0) &&
           cs_slice_eq(list.v[i - 1].file, p.file)) {
        list.v[i] = list.v[i - 1];
        i--;
    }
    list.v[i] = p;
    report->v = list.v;
    report->n = list.n;
    report->cap = list.cap;
    report->errors += !warning;
}

void cs_config_report_print(cs_buf *out, const cs_config_report *report, bool warnings)
{
    for (size_t i = 0; i < report->n; i++) {
        const cs_config_problem *p = &report->v[i];
        if (p->warning && !warnings) {
            continue;
        }
        if (p->file.n > 0) {
            cs_buf_slice(out, p->file);
            cs_buf_byte(out, ':');
            if (p->line > 0) {
                cs_buf_printf(out, "%u:", p->line);
            }
            cs_buf_byte(out, ' ');
        }
        cs_buf_text(out, p->warning ? "warning: " : "");
        cs_buf_slice(out, p->text);
        cs_buf_byte(out, '\n');
    }
}

static const char *type_name(cs_option_type type)
{
    static const char *const names[] = {"boolean",      "integer",       "text",          "word",
                                        "duration",     "list of texts", "list of words", "list of numbers",
                                        "map of texts", "anything"};
    return names[type];
}

static void print_rows(cs_buf *out, unsigned flag)
{
    size_t n;
    const cs_option *rows = cs_config__rows(&n);
    cs_buf_text(out, "| option | type | range | default | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        if ((rows[i].flags & flag) == 0) {
            continue;
        }
        cs_buf_printf(out, "| `%s` | %s | ", rows[i].path, type_name(rows[i].type));
        for (const char *c = rows[i].range; *c != '\0'; c++) {
            cs_buf_text(out, *c == '|' ? ", " : "");
            if (*c != '|') {
                cs_buf_byte(out, *c);
            }
        }
        cs_buf_printf(out, " | %s%s%s | %s%s |\n", rows[i].otherwise[0] ? "`" : "", rows[i].otherwise,
                      rows[i].otherwise[0] ? "`" : "", rows[i].help,
                      (rows[i].flags & CS_OPTION_IDLE) != 0 ? " (accepted, without effect in this version)" : "");
    }
}

void cs_config_print_docs(cs_buf *out)
{
    cs_buf_text(out,
                "# Configuration\n\nOne file, YAML or JSON, given by `-c`. `${NAME}` is replaced from the environment "
                "before parsing; `--set a.b=c` and `--set-file a.b=path` win over the file. Wrong values anywhere and "
                "unknown keys in countersign's own sections are errors, all reported at once with file and line; "
                "unknown keys in OPA's sections are warnings. `countersign run --check-config` only checks. `*` stands "
                "for a name of your own.\n\n## OPA's sections\n\n");
    print_rows(out, CS_OPTION_OPA);
    cs_buf_text(out, "\n## countersign's sections\n\n");
    print_rows(out, CS_OPTION_OWN);
    cs_buf_text(out, "\n## Limits (`limits.<name>`)\n\n| limit | default | unit | reason |\n|---|---|---|---|\n");
    size_t n;
    const cs_limit_row *limits = cs_limit_rows(&n);
    for (size_t i = 0; i < n; i++) {
        cs_buf_printf(out, "| `%s` | %llu | %s | %s |\n", limits[i].name, (unsigned long long)limits[i].value,
                      limits[i].unit, limits[i].reason);
    }
}
