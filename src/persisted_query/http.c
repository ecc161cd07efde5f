/* What a request says outside of its body, and what its body is: headers, the URL's parameters and path, JSON or a
 * form. Everything that readers of HTTP take in different ways makes the reading unclear. */
#include "request.h"

#include "countersign/base/encode.h"
#include "countersign/base/utf8.h"

static const char *const our_names[] = {"query", "operationName", "documentId", "doc_id",
                                        "id",    "variables",     "extensions"};
enum { N_TEXTS = 5 }; /* the first ones are texts in a URL, the others JSON */

void cs_pq__unclear(cs_pq__reading *r, const char *why)
{
    r->why = r->why != NULL ? r->why : why;
}

const char *cs_pq__our_name(cs_slice name)
{
    for (size_t i = 0; i < sizeof our_names / sizeof *our_names; i++) {
        if (cs_slice_eq_nocase(name, cs_slice_of(our_names[i]))) {
            return our_names[i];
        }
    }
    return NULL;
}

/* Some services read names whatever their case; what they find under such a name is not seen here. */
void cs_pq__check_names(cs_pq__reading *r, cs_value object)
{
    for (uint32_t i = 0; cs_is(object, CS_OBJECT) && i < cs_count(object); i++) {
        cs_slice name = cs_text(cs_entry(object, i, NULL));
        const char *ours = cs_pq__our_name(name);
        if (ours != NULL && !cs_slice_is(name, ours)) {
            cs_pq__unclear(r, "a member whose name differs from a known one in case only");
        }
    }
}

/* ---- headers */

/* The header's value; *several if it comes more than once with different ones. NULL if it is not there. */
static const cs_slice *header(const cs_pq_request *rq, const char *name, bool *several)
{
    const cs_slice *found = NULL;
    for (size_t i = 0; i < rq->n_headers; i++) {
        if (cs_slice_eq_nocase(rq->headers[i].name, cs_slice_of(name))) {
            *several |= found != NULL && !cs_slice_eq(*found, rq->headers[i].value);
            found = found != NULL ? found : &rq->headers[i].value;
        }
    }
    return found;
}

/* The first of these headers that says something. */
static cs_value first_header(cs_pq__reading *r, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool several = false;
        const cs_slice *h = header(r->rq, names[i], &several);
        if (h != NULL && h->n != 0 && !several && cs_utf8_valid(*h)) {
            return cs_string(*h);
        }
    }
    return cs_undefined();
}

cs_value cs_pq__client(cs_pq__reading *r)
{
    static const char *const names[] = {"apollographql-client-name", "graphql-client-name", "x-client-name"};
    static const char *const versions[] = {"apollographql-client-version", "graphql-client-version",
                                           "x-client-version"};
    cs_value name = first_header(r, names, 3), version = first_header(r, versions, 3);
    if (cs_is_undefined(name) && cs_is_undefined(version)) {
        return cs_undefined();
    }
    cs_value client = cs_object_new(r->a, 2);
    if (!cs_is_undefined(name)) {
        r->client = cs_text(name);
        cs_object_put_text(r->a, client, "name", name);
    }
    if (!cs_is_undefined(version)) {
        cs_object_put_text(r->a, client, "version", version);
    }
    return client;
}

/* ---- the URL */

/* A parameter, its name decoded: ours, or one that could be taken for ours. */
static void take_param(cs_pq__reading *r, cs_slice name, cs_slice value, bool decoded)
{
    const char *ours = cs_pq__our_name(cs_slice_sub(name, 0, cs_slice_find_byte(name, '[', 0)));
    if (ours == NULL) {
        return;
    }
    cs_value v = cs_string(value);
    bool text = false;
    for (size_t i = 0; i < N_TEXTS; i++) {
        text |= strcmp(ours, our_names[i]) == 0;
    }
    if (!decoded || !cs_slice_is(name, ours) || !cs_utf8_valid(value)) {
        cs_pq__unclear(r, "a parameter of the URL that not everybody reads alike");
    } else if (!text && value.n != 0 &&
               cs_json_read(r->a, value, &(cs_json_options){.unique = true}, &v, NULL, NULL) != CS_OK) {
        cs_pq__unclear(r, "a parameter of the URL that is no plain JSON");
    } else if (text || value.n != 0) {
        const cs_value *before = cs_object_get_text(r->url, ours);
        if (before != NULL && !cs_equal(*before, v)) {
            cs_pq__unclear(r, "a parameter of the URL that says two things"); /* first or last: services differ */
        }
        cs_object_put_text(r->a, r->url, ours, v);
    }
}

void cs_pq__read_query(cs_pq__reading *r)
{
    cs_slice rest = r->rq->query, pair;
    r->url = cs_object_new(r->a, 8);
    while (rest.n != 0 && cs_slice_next(&rest, '&', &pair)) {
        /* Old readers separate at semicolons too; new ones drop such a pair. */
        bool split = cs_slice_find_byte(pair, ';', 0) != SIZE_MAX;
        cs_slice piece;
        while (pair.n != 0 && cs_slice_next(&pair, ';', &piece)) {
            size_t at = cs_slice_find_byte(piece, '=', 0);
            cs_slice raw_name = cs_slice_sub(piece, 0, at), name = raw_name;
            cs_slice raw = at == SIZE_MAX ? CS_LIT("") : cs_slice_sub(piece, at + 1, piece.n), value = raw;
            bool decoded = cs_percent_decode(r->a, raw_name, true, &name);
            decoded = cs_percent_decode(r->a, raw, true, &value) && decoded;
            take_param(r, name, value, decoded && !split);
        }
    }
}

/* Cuts the last segment off a path. */
static cs_slice last_segment(cs_slice *path)
{
    size_t at = path->n;
    while (at > 0 && path->p[at - 1] != '/') {
        at--;
    }
    cs_slice segment = cs_slice_sub(*path, at, path->n);
    *path = cs_slice_sub(*path, 0, at > 0 ? at - 1 : 0);
    return segment;
}

static bool is_listed(const cs_pq__reading *r, cs_slice id)
{
    return cs_is(r->operations, CS_OBJECT) && cs_object_get(r->operations, cs_string(id)) != NULL;
}

/* …/<id> where it is a hash or on the list, …/persisted/<id> and …/persisted/<id>/<operation name> whatever it is. */
cs_value cs_pq__path_id(cs_pq__reading *r)
{
    cs_slice path = r->rq->path, id;
    cs_slice last = last_segment(&path), above = path;
    cs_slice second = last_segment(&above);
    cs_slice third = last_segment(&above);
    if (last.n == 0 || path.n == 0) {
        return cs_undefined();
    }
    bool with_name = cs_slice_is(third, "persisted");
    if (!cs_percent_decode(r->a, with_name ? second : last, false, &id) || id.n == 0 || !cs_utf8_valid(id)) {
        return cs_undefined();
    }
    bool is = with_name || cs_slice_is(second, "persisted") || cs_slice_starts(id, CS_LIT(CS_PQ_HASH_PREFIX)) ||
              cs_pq__is_hex(id, 64) || cs_pq__is_hex(id, 32) || is_listed(r, id);
    return is ? cs_string(id) : cs_undefined();
}

/* ---- the body */

typedef enum media { MEDIA_JSON, MEDIA_FORM, MEDIA_OTHER } media;

/* A body without a type is taken for JSON, as services do. One in another coding or character set can be JSON to us and
 * something else, too, to the service. */
static media media_of(const cs_pq_request *rq, cs_slice *type)
{
    bool several = false;
    const cs_slice *coding = header(rq, "content-encoding", &several);
    const cs_slice *h = header(rq, "content-type", &several);
    if (several || (coding != NULL && coding->n != 0 && !cs_slice_eq_nocase(*coding, CS_LIT("identity")))) {
        return MEDIA_OTHER;
    }
    *type = h != NULL ? *h : CS_LIT("");
    size_t at = cs_slice_find_byte(*type, ';', 0);
    cs_slice name = cs_slice_trim(cs_slice_sub(*type, 0, at)), charset;
    bool found;
    if (at != SIZE_MAX &&
        (!cs_pq__parameter(cs_slice_sub(*type, at + 1, type->n), "charset", &charset, &found) ||
         (found && !cs_slice_eq_nocase(charset, CS_LIT("utf-8")) && !cs_slice_eq_nocase(charset, CS_LIT("utf8"))))) {
        return MEDIA_OTHER;
    }
    if (cs_slice_eq_nocase(name, CS_LIT("multipart/form-data"))) {
        return MEDIA_FORM;
    }
    bool json = name.n == 0 || cs_slice_eq_nocase(name, CS_LIT("application/json")) ||
                (name.n > 5 && cs_slice_eq_nocase(cs_slice_sub(name, name.n - 5, name.n), CS_LIT("+json")));
    return json ? MEDIA_JSON : MEDIA_OTHER;
}

static bool read_json(cs_pq__reading *r, cs_slice text, cs_value *out)
{
    return cs_utf8_valid(text) &&
           cs_json_read(r->a, text, &(cs_json_options){.borrow = true, .unique = true}, out, NULL, NULL) == CS_OK;
}

/* The place that a file of a form goes to: a variable, and null there. */
static bool is_free_place(cs_pq__reading *r, cs_value operations, cs_value path)
{
    cs_slice rest = cs_is(path, CS_STRING) ? cs_text(path) : CS_LIT(""), step;
    cs_value v = operations;
    bool inside = false;
    for (unsigned depth = 0; rest.n != 0 && cs_slice_next(&rest, '.', &step); depth++) {
        uint64_t index;
        if (cs_is(v, CS_ARRAY)) {
            v = cs_slice_u64(step, &index) && index < v.n ? v.u.items[index] : cs_undefined();
        } else if (cs_is(v, CS_OBJECT)) {
            const cs_value *next = cs_object_get(v, cs_string(step));
            v = next != NULL ? *next : cs_undefined();
        } else {
            return false;
        }
        inside |= depth == (cs_is(operations, CS_ARRAY) ? 1U : 0U) && cs_slice_is(step, "variables");
    }
    (void)r;
    return inside && cs_is(v, CS_NULL);
}

static bool is_map(cs_pq__reading *r, cs_value operations, cs_value map)
{
    for (uint32_t i = 0; cs_is(map, CS_OBJECT) && i < cs_count(map); i++) {
        cs_value places;
        (void)cs_entry(map, i, &places);
        for (uint32_t k = 0; cs_is(places, CS_ARRAY) && k < places.n; k++) {
            if (!is_free_place(r, operations, places.u.items[k])) {
                return false;
            }
        }
        if (!cs_is(places, CS_ARRAY)) {
            return false;
        }
    }
    return cs_is(map, CS_OBJECT);
}

/* The fields `operations` and `map` of a form with files (GraphQL multipart request specification). */
static bool read_form(cs_pq__reading *r, cs_slice type, cs_value *out)
{
    const cs_pq_part *parts;
    size_t n;
    const char *why;
    if (!cs_pq_read_form(r->a, type, r->rq->body, &parts, &n, &why)) {
        cs_pq__unclear(r, why);
        return false;
    }
    cs_value operations = cs_undefined(), map = cs_object_new(r->a, 0);
    for (size_t i = 0; i < n; i++) {
        bool is_operations = cs_slice_eq_nocase(parts[i].name, CS_LIT("operations"));
        bool is_the_map = cs_slice_eq_nocase(parts[i].name, CS_LIT("map"));
        if (!is_operations && !is_the_map) {
            if (cs_pq__our_name(parts[i].name) != NULL) {
                cs_pq__unclear(r, "a form with a request outside of its operations");
            }
        } else if (parts[i].file || !(cs_slice_is(parts[i].name, "operations") || cs_slice_is(parts[i].name, "map")) ||
                   !read_json(r, parts[i].content, is_operations ? &operations : &map)) {
            return false;
        }
    }
    if (cs_is_undefined(operations)) {
        return false;
    }
    if (!is_map(r, operations, map)) {
        cs_pq__unclear(r, "a form whose map points elsewhere than to empty variables");
    }
    *out = operations;
    return true;
}

const char *cs_pq__read_body(cs_pq__reading *r, cs_value *out)
{
    const cs_pq_request *rq = r->rq;
    *out = cs_undefined();
    if (rq->bodyless || rq->body.n == 0) {
        return "absent";
    }
    if (rq->truncated) {
        return "truncated";
    }
    cs_slice type = CS_LIT("");
    cs_value v = cs_undefined();
    media m = media_of(rq, &type);
    bool ok = m == MEDIA_JSON ? read_json(r, rq->body, &v) : m == MEDIA_FORM && read_form(r, type, &v);
    if (!ok || (!cs_is(v, CS_OBJECT) && !cs_is(v, CS_ARRAY))) {
        return "not_json";
    }
    *out = v;
    return "complete";
}
