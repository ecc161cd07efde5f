/* `countersign journal export|import`: the log of a configuration as lines of JSON, and back. */
#include "countersign/json.h"
#include "countersign/move.h"
#include "countersign/number.h"
#include "internal.h"

typedef struct moving {
    cs_app_move *move;
    cs_buf line;
} moving;

static cs_err write_entry(void *self, const cs_journal_entry *entry, cs_error *e)
{
    moving *m = self;
    if (entry->body.n == 0) {
        m->move->left++;
        return CS_OK;
    }
    m->line.n = 0;
    cs_buf_text(&m->line, "{\"topic\":");
    cs_json_write_string(&m->line, entry->topic, 0);
    cs_buf_printf(&m->line, ",\"partition\":%u,\"offset\":%llu,\"arrived_ns\":%lld,\"event\":", entry->partition,
                  (unsigned long long)entry->offset, (long long)entry->arrived_ns);
    /* As it came, on one line: a line break can stand between its tokens only. */
    for (size_t i = 0; i < entry->body.n; i++) {
        char c = entry->body.p[i];
        cs_buf_byte(&m->line, c == '\n' || c == '\r' ? ' ' : c);
    }
    cs_buf_text(&m->line, "}\n");
    m->move->moved++;
    return m->move->write(m->move->self, cs_buf_view(&m->line)) ? CS_OK : cs_fail(e, CS_ERR_IO, "cannot be written");
}

/* The event's text within the line, and its arrival. */
static cs_slice event_of(cs_arena *a, cs_slice line, int64_t *arrived_ns)
{
    cs_value v;
    *arrived_ns = 0;
    cs_json_options options = {.borrow = true};
    if (cs_json_read(a, line, &options, &v, NULL, NULL) != CS_OK || !cs_is(v, CS_OBJECT)) {
        return line;
    }
    const cs_value *event = cs_object_get_text(v, "event");
    if (event == NULL || cs_object_get_text(v, "specversion") != NULL) {
        return line;
    }
    const cs_value *arrived = cs_object_get_text(v, "arrived_ns");
    if (arrived == NULL || !cs_is(*arrived, CS_NUMBER) || !cs_number_is_int(*arrived, arrived_ns)) {
        *arrived_ns = 0;
    }
    cs_buf text;
    cs_buf_init(&text);
    cs_json_write(&text, *event, 0);
    cs_slice out = {cs_arena_dup(a, cs_buf_view(&text).p, text.n), text.n};
    cs_buf_destroy(&text);
    return out;
}

static cs_err take_line(cs_app *app, cs_app_move *move, cs_arena *a, cs_slice line, cs_error *e)
{
    int64_t arrived_ns = 0;
    cs_event_reject reject;
    bool taken = false;
    CS_TRY(cs_journal_import(app->journal, arrived_ns, event_of(a, line, &arrived_ns), &taken, &reject, e));
    if (taken) {
        move->moved++;
    } else {
        move->left++;
        move->refused(move->self, reject.message);
    }
    return CS_OK;
}

static cs_err import(cs_app *app, cs_app_move *move, cs_error *e)
{
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_slice line;
    cs_err r = CS_OK;
    while (r == CS_OK && move->read(move->self, &line)) {
        if (cs_slice_trim(line).n > 0) {
            r = take_line(app, move, &a, line, e);
            cs_arena_reset(&a);
        }
    }
    cs_arena_destroy(&a);
    return r == CS_OK ? cs_journal_import_end(app->journal, e) : r;
}

static cs_err open_and(cs_app_move *move, bool out, cs_buf *message)
{
    cs_app_options options = {.config = move->config};
    cs_app app = {.o = &options};
    cs_arena_init(&app.arena, 0);
    cs_config_report report;
    cs_config_report_init(&report);
    cs_error e = {0};
    cs_err r = cs_config_load(&move->config, &app.config, &report);
    if (r != CS_OK) {
        cs_config_report_print(message, &report, false);
    } else {
        r = cs_app__journal_open_alone(&app, &e);
        if (r == CS_OK) {
            moving m = {.move = move};
            cs_buf_init(&m.line);
            r = out ? cs_journal_export(app.journal, write_entry, &m, &e) : import(&app, move, &e);
            cs_buf_destroy(&m.line);
        }
        if (r != CS_OK) {
            cs_buf_text(message, e.text);
        }
    }
    cs_app__journal_close(&app);
    cs_config_free(app.config);
    cs_config_report_destroy(&report);
    cs_arena_destroy(&app.arena);
    return r;
}

cs_err cs_app_export(cs_app_move *move, cs_buf *message)
{
    return open_and(move, true, message);
}

cs_err cs_app_import(cs_app_move *move, cs_buf *message)
{
    return open_and(move, false, message);
}
