/* The shapes of events. What one producer writes differs in its values alone: the names, the order, the blanks between
 * are the same in all of it. Once an event was read, the next one like it is compared with those bytes and only its
 * values are looked at, a tenth of the work. */
#include "countersign/base/time.h"
#include "journal/plain.h"

enum { FIRST_SCORE = 8, MOST_SCORE = 64 };

/* ---- reading */

/* The first n of `left` bytes and those of a literal, behind which there are eight more. Mostly they are fewer than
 * what memcmp is for. */
static inline bool same_bytes(const char *a, size_t left, const char *b, size_t n)
{
    uint64_t x = 0, y = 0;
    for (; n >= 8; a += 8, left -= 8, b += 8, n -= 8) {
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        if (x != y) {
            return false;
        }
    }
    if (n == 0 || left < 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) {
        return n == 0 || memcmp(a, b, n) == 0;
    }
    memcpy(&x, a, 8);
    memcpy(&y, b, 8);
    return (x ^ y) << (64 - 8 * n) == 0;
}

/* The values, and where the bytes before each of them begin. */
typedef struct values {
    cs_slice v[CS_EVENT__SPOTS];
    const char *literals[CS_EVENT__SPOTS + 1];
} values;

static bool read_values(const cs_event__shape *shape, cs_slice body, values *out)
{
    cs_event__reader r = {.p = body.p, .end = body.p + body.n};
    const char *literal = shape->literals;
    for (size_t i = 0;; i++) {
        const cs_event__spot *spot = &shape->spots[i];
        size_t left = (size_t)(r.end - r.p);
        if (left < spot->literal || !same_bytes(r.p, left, literal, spot->literal)) {
            return false;
        }
        out->literals[i] = r.p;
        r.p += spot->literal;
        literal += spot->literal;
        if (i == shape->n || r.p == r.end) {
            return i == shape->n && r.p == r.end;
        }
        if (!spot->number) { /* the quote behind it is in the bytes that follow */
            const char *end = cs_event__skip_plain(r.p, r.end);
            out->v[i] = cs_slice_make(r.p, (size_t)(end - r.p));
            r.p = end;
        } else if (!cs_event__number(&r, &out->v[i])) {
            return false;
        }
    }
}

/* A text of the envelope: it cannot be empty. */
static inline bool envelope_text(const cs_event__shape *shape, const values *found, unsigned target, cs_slice *out)
{
    *out = found->v[shape->envelope[target]];
    return out->n > 0;
}

static bool read_event(const cs_event__shape *shape, cs_event_member *members, cs_slice body, cs_event *event)
{
    values found;
    if (!read_values(shape, body, &found)) {
        return false;
    }
    cs_slice time;
    *event = (cs_event){.body = body,
                        .data = cs_undefined(),
                        .type = CS_LIT(CS_EVENT__TYPE),
                        .correlation = CS_LIT(""),
                        .members = members,
                        .n_members = shape->n_members};
    if (!envelope_text(shape, &found, CS_EVENT__ID, &event->id) ||
        !envelope_text(shape, &found, CS_EVENT__SOURCE, &event->source) ||
        !envelope_text(shape, &found, CS_EVENT__SUBJECT, &event->subject) ||
        !envelope_text(shape, &found, CS_EVENT__TIME, &time) || !cs_time_parse_rfc3339(time, &event->time_ns) ||
        (shape->correlated && !envelope_text(shape, &found, CS_EVENT__CORRELATION, &event->correlation))) {
        return false;
    }
    for (size_t i = 0; i < shape->n_members; i++) {
        const cs_event__place *place = &shape->places[i];
        members[i].name.p = found.literals[place->spot] + place->name_at;
        if (place->varies) {
            members[i].text = found.v[place->value];
        }
    }
    return true;
}

bool cs_event__shape_read(cs_event__shapes *shapes, cs_arena *a, cs_slice body, cs_event *event)
{
    for (size_t i = 0; i < CS_EVENT__SHAPES; i++) {
        size_t at = (shapes->last + i) % CS_EVENT__SHAPES;
        cs_event__shape *shape = &shapes->v[at];
        if (shape->score == 0) {
            continue;
        }
        cs_arena_mark before = cs_arena_mark_now(a);
        size_t n = shape->n_members * sizeof *shape->members;
        cs_event_member *members = memcpy(cs_arena_alloc(a, n + 1), shape->members, n);
        if (read_event(shape, members, body, event)) {
            shapes->last = at;
            shape->score += shape->score < MOST_SCORE;
            return true;
        }
        cs_arena_rewind(a, before);
    }
    return false;
}

/* ---- learning */

bool cs_event__shape_wanted(cs_event__shapes *shapes)
{
    bool wanted = false;
    for (size_t i = 0; i < CS_EVENT__SHAPES; i++) {
        cs_event__shape *shape = &shapes->v[i];
        shape->score -= shape->score > 0;
        wanted = wanted || shape->score == 0;
    }
    return wanted;
}

static cs_event__shape *free_shape(cs_event__shapes *shapes)
{
    for (size_t i = 0; i < CS_EVENT__SHAPES; i++) {
        if (shapes->v[i].score == 0) {
            return &shapes->v[i];
        }
    }
    return NULL;
}

/* The bytes from `from` to `to`, and the names in them. */
static void add_spot(cs_event__shape *shape, size_t *bytes, size_t *named, const char *from, const char *to,
                     const cs_event *event)
{
    cs_event__spot *spot = &shape->spots[shape->n];
    *spot = (cs_event__spot){.literal = (uint16_t)(to - from)};
    memcpy(shape->literals + *bytes, from, spot->literal);
    *bytes += spot->literal;
    for (; *named < event->n_members && event->members[*named].name.p < to; (*named)++) {
        cs_event__place *place = &shape->places[*named];
        *place =
            (cs_event__place){.name_at = (uint16_t)(event->members[*named].name.p - from), .spot = (uint8_t)shape->n};
    }
}

void cs_event__shape_learn(cs_event__shapes *shapes, const cs_event *event, const cs_event__learning *found)
{
    cs_event__shape *shape = free_shape(shapes);
    size_t varying = 0;
    for (size_t i = 0; i < found->n && i < CS_EVENT__SPOTS; i++) {
        varying += found->v[i].text.n;
    }
    if (shape == NULL || found->n > CS_EVENT__SPOTS || event->body.n - varying > CS_EVENT__LITERALS) {
        return;
    }
    size_t bytes = 0;
    size_t named = 0;
    const char *at = event->body.p;
    shape->n_members = event->n_members;
    shape->correlated = false;
    if (event->n_members > 0) {
        memcpy(shape->members, event->members, event->n_members * sizeof *event->members);
    }
    for (shape->n = 0; shape->n < found->n; shape->n++) {
        const cs_event__found *f = &found->v[shape->n];
        add_spot(shape, &bytes, &named, at, f->text.p, event);
        shape->spots[shape->n].number = f->number;
        at = f->text.p + f->text.n;
        if (f->target < CS_EVENT__OF_MEMBERS) {
            shape->envelope[f->target] = (uint8_t)shape->n;
            shape->correlated = shape->correlated || f->target == CS_EVENT__CORRELATION;
        } else {
            shape->places[f->target - CS_EVENT__OF_MEMBERS].varies = true; /* its name is before its value */
            shape->places[f->target - CS_EVENT__OF_MEMBERS].value = (uint8_t)shape->n;
        }
    }
    add_spot(shape, &bytes, &named, at, event->body.p + event->body.n, event);
    shape->score = FIRST_SCORE;
}
