/* Spend events in bulk: the envelope and the members of `data` straight from the bytes, without values in between.
 *
 * Only what is plain is read here: ASCII without escapes, numbers without exponents, no member twice, nothing deeper
 * than an object in `data`. All else is for cs_event_read, which says what is wrong with it, if anything is. So there
 * is one place that refuses; this one must never take what that would not, nor read it differently
 * (tests/fuzz/fuzz_event.c compares the two). */
#include "countersign/base/limits.h"
#include "countersign/base/time.h"
#include "journal/plain.h"

enum { MEMBERS = CS_EVENT__MEMBERS, DEPTH = 4 };

typedef cs_event__reader reader;

/* For whoever wants to know where the values are. */
static void note(reader *r, const cs_event_member *m, uint8_t target)
{
    if (r->learning != NULL && (m->kind == CS_STRING || m->kind == CS_NUMBER)) {
        cs_event__learning *l = r->learning;
        if (l->n < CS_EVENT__SPOTS) {
            l->v[l->n] = (cs_event__found){.text = m->text, .target = target, .number = m->kind == CS_NUMBER};
        }
        l->n++;
    }
}

static bool same_name(const cs_event_member *from, const cs_event_member *to, cs_slice name)
{
    for (; from < to; from += 1 + from->inside) {
        if (cs_slice_eq(from->name, name)) {
            return true;
        }
    }
    return false;
}

static uint8_t word_of(cs_slice name)
{
    static const struct {
        const char *name;
        uint8_t n, word;
    } words[] = {
        {"kind", 4, CS_EVENT_KIND},           {"tags", 4, CS_EVENT_TAGS},          {"hold", 4, CS_EVENT_HOLD},
        {"scope", 5, CS_EVENT_SCOPE},         {"tenant", 6, CS_EVENT_TENANT},      {"amount", 6, CS_EVENT_AMOUNT},
        {"currency", 8, CS_EVENT_CURRENCY},   {"quantity", 8, CS_EVENT_QUANTITY},  {"corrects", 8, CS_EVENT_CORRECTS},
        {"estimated", 9, CS_EVENT_ESTIMATED}, {"operation", 9, CS_EVENT_OPERATION}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].n == name.n && memcmp(words[i].name, name.p, name.n) == 0) {
            return words[i].word;
        }
    }
    return CS_EVENT_OTHER;
}

/* The members of an object behind its brace, and of the objects in it while `deeper`. */
static bool members(reader *r, cs_event_member *list, size_t *n, bool deeper)
{
    size_t first = *n;
    if (cs_event__take(r, '}')) {
        return true;
    }
    for (;;) {
        if (*n == MEMBERS || !cs_event__take(r, '"')) {
            return false;
        }
        cs_event_member *m = &list[*n];
        m->inside = 0;
        if (!cs_event__text(r, &m->name) || same_name(&list[first], m, m->name) || !cs_event__take(r, ':')) {
            return false;
        }
        m->word = deeper ? word_of(m->name) : CS_EVENT_OTHER;
        (*n)++;
        if (cs_event__take(r, '{')) {
            m->kind = CS_OBJECT;
            if (!deeper || !members(r, list, n, false)) {
                return false;
            }
            m->inside = (uint8_t)(&list[*n] - m - 1);
        } else if (!cs_event__scalar(r, m)) {
            return false;
        } else {
            note(r, m, (uint8_t)(CS_EVENT__OF_MEMBERS + (m - list)));
        }
        if (!cs_event__take(r, ',')) {
            return cs_event__take(r, '}');
        }
    }
}

/* The texts of an envelope, by CS_EVENT__ID…; FIXED: the version, which is looked at, and the type. */
typedef struct envelope {
    cs_slice texts[CS_EVENT__OF_MEMBERS];
    cs_slice version, type;
    cs_event_member members[MEMBERS];
    size_t n_members;
    bool has_data;
} envelope;

static cs_slice *envelope_text(envelope *e, cs_slice name, uint8_t *target)
{
    static const struct {
        const char *name;
        uint8_t n, target;
    } known[] = {{"id", 2, CS_EVENT__ID},
                 {"time", 4, CS_EVENT__TIME},
                 {"type", 4, CS_EVENT__FIXED},
                 {"source", 6, CS_EVENT__SOURCE},
                 {"subject", 7, CS_EVENT__SUBJECT},
                 {"specversion", 11, CS_EVENT__FIXED},
                 {"correlationid", 13, CS_EVENT__CORRELATION}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].n == name.n && memcmp(known[i].name, name.p, name.n) == 0) {
            *target = known[i].target;
            return *target != CS_EVENT__FIXED ? &e->texts[*target] : name.n == 4 ? &e->type : &e->version;
        }
    }
    *target = CS_EVENT__IGNORED;
    return NULL;
}

static bool envelope_member(reader *r, envelope *e)
{
    cs_event_member m = {.kind = CS_NULL};
    uint8_t target = CS_EVENT__IGNORED;
    if (!cs_event__take(r, '"') || !cs_event__text(r, &m.name) || !cs_event__take(r, ':')) {
        return false;
    }
    if (cs_slice_is(m.name, "data")) {
        bool fresh = !e->has_data;
        e->has_data = true;
        return fresh && cs_event__take(r, '{') && members(r, e->members, &e->n_members, true);
    }
    if (!cs_event__scalar(r, &m)) {
        return false;
    }
    cs_slice *to = envelope_text(e, m.name, &target);
    if (target != CS_EVENT__FIXED) {
        note(r, &m, target);
    }
    if (to == NULL) {
        return true;
    }
    bool fresh = to->p == NULL;
    *to = m.text;
    return fresh && m.kind == CS_STRING && m.text.n > 0;
}

static bool read_envelope(reader *r, envelope *e)
{
    if (r->p == r->end || *r->p != '{' || !cs_event__take(r, '{')) {
        return false;
    }
    do {
        if (!envelope_member(r, e)) {
            return false;
        }
    } while (cs_event__take(r, ','));
    if (!cs_event__take(r, '}') || !e->has_data || !cs_slice_is(e->version, "1.0") ||
        !cs_slice_is(e->type, CS_EVENT__TYPE)) {
        return false;
    }
    cs_event__blanks(r);
    return r->p == r->end;
}

static bool read_plain(cs_arena *a, cs_slice body, cs_event__learning *learning, cs_event *event)
{
    reader r = {.p = body.p, .end = body.p + body.n, .learning = learning};
    envelope e;
    memset(e.texts, 0, sizeof e.texts);
    e.version = e.type = (cs_slice){NULL, 0};
    e.n_members = 0;
    e.has_data = false;
    if (body.n == 0 || !read_envelope(&r, &e)) {
        return false;
    }
    *event = (cs_event){.body = body,
                        .data = cs_undefined(),
                        .id = e.texts[CS_EVENT__ID],
                        .source = e.texts[CS_EVENT__SOURCE],
                        .subject = e.texts[CS_EVENT__SUBJECT],
                        .correlation = e.texts[CS_EVENT__CORRELATION],
                        .type = e.type,
                        .n_members = e.n_members};
    cs_slice time = e.texts[CS_EVENT__TIME];
    if (event->id.p == NULL || event->source.p == NULL || event->subject.p == NULL || time.p == NULL ||
        !cs_time_parse_rfc3339(time, &event->time_ns)) {
        return false;
    }
    if (event->correlation.p == NULL) {
        event->correlation = CS_LIT("");
    }
    size_t n = e.n_members * sizeof *e.members;
    event->members =
        memcpy(cs_arena_alloc(a, n + 1), e.members, n); /* never NULL, which would say that there is data */
    return true;
}

cs_err cs_event__read_bulk(cs_event__shapes *shapes, cs_arena *a, cs_slice body, bool limits, cs_event *event,
                           cs_event_reject *reject)
{
    const cs_limits *limit = cs_limits_get();
    bool within = !limits || (body.n <= limit->event_bytes && limit->event_depth >= DEPTH);
    bool read = within && shapes != NULL && cs_event__shape_read(shapes, a, body, event);
    if (within && !read) {
        cs_event__learning found = {.n = 0};
        bool learns = shapes != NULL && cs_event__shape_wanted(shapes);
        read = read_plain(a, body, learns ? &found : NULL, event);
        if (read && learns) {
            cs_event__shape_learn(shapes, event, &found);
        }
    }
    if (read) {
        *reject = (cs_event_reject){.id = event->id, .code = "", .message = CS_LIT("")};
        return CS_OK;
    }
    return cs_event_read(a, body, limits, event, reject);
}

cs_err cs_event_read_bulk(cs_arena *a, cs_slice body, bool limits, cs_event *event, cs_event_reject *reject)
{
    return cs_event__read_bulk(NULL, a, body, limits, event, reject);
}

cs_value cs_event_data(cs_arena *a, const cs_event *event)
{
    if (event->members == NULL) {
        return event->data;
    }
    cs_event whole;
    cs_event_reject reject;
    cs_err err = cs_event_read(a, event->body, false, &whole, &reject);
    cs_assert(err == CS_OK); /* what is plain can be read */
    return whole.data;
}
