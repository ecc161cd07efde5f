/* The audit log out of the configuration. */
#include "internal.h"

/* The key that signs checkpoints: one of `keys` by its name, or PEM text itself. */
static cs_err read_key(const cs_config *c, cs_audit_options *o, cs_error *e)
{
    cs_slice name = c->audit.checkpoint_key;
    if (name.n == 0) {
        return CS_OK;
    }
    const cs_config_key *key = cs_config_find_key(c, name);
    cs_slice text = key != NULL ? key->private_key : name, algorithm = key != NULL ? key->algorithm : CS_LIT("");
    o->keyid = key != NULL ? key->id : CS_LIT("");
    if (key != NULL && text.n == 0 && cs_slice_starts(algorithm, CS_LIT("HS"))) {
        text = key->key; /* a secret is both */
    }
    if (key == NULL && !cs_slice_starts(name, CS_LIT("-----BEGIN"))) {
        return cs_fail(e, CS_ERR_INVALID, "audit.checkpoint_key: keys has none of that name");
    }
    if (text.n == 0) {
        return cs_fail(e, CS_ERR_INVALID, "audit.checkpoint_key: keys.%.*s has no private_key", CS_FMT(name));
    }
    bool named = cs_sig_alg_find(algorithm, &o->alg);
    cs_err err = named ? cs_key_for(o->alg, text, &o->key, e) : cs_key_from_pem(text, false, &o->key, e);
    if (err == CS_OK && !named) {
        cs_key_kind kind = cs_key_get_kind(o->key);
        o->alg = kind == CS_KEY_RSA ? CS_RS256 : kind == CS_KEY_OKP ? CS_EDDSA : CS_ES256;
    }
    if (err == CS_OK && (!cs_key_is_private(o->key) || !cs_key_fits(o->key, o->alg))) {
        err = cs_fail(e, CS_ERR_INVALID, "it cannot sign with %s", cs_sig_alg_name(o->alg));
    }
    return err == CS_OK ? CS_OK : cs_fail_in(e, "audit.checkpoint_key: ");
}

cs_err cs_app__audit_check(const cs_config *c, cs_error *e)
{
    cs_audit_options o = {.key = NULL};
    cs_err err = c->audit.configured ? read_key(c, &o, e) : CS_OK;
    cs_key_release(o.key);
    return err;
}

static void reader_main(void *self)
{
    cs_loop_run(((cs_app *)self)->reader);
}

cs_err cs_app__audit_open(cs_app *app, cs_error *e)
{
    const cs_config *c = app->config;
    if (!c->audit.configured) {
        return CS_OK;
    }
    const cs_value *id = cs_object_get_text(app->labels, "id");
    cs_audit_options o = {
        .dir = cs_arena_dup(&app->arena, c->audit.dir.p, c->audit.dir.n),
        .sync = cs_slice_is(c->audit.sync, "commit")     ? CS_AUDIT_COMMIT
                : cs_slice_is(c->audit.sync, "interval") ? CS_AUDIT_INTERVAL
                                                         : CS_AUDIT_NONE,
        .block = cs_slice_is(c->audit.on_full, "block"),
        .required = c->audit.required,
        .file_bytes = c->audit.file_bytes,
        .daily = c->audit.daily,
        .room = c->audit.room,
        .metrics = app->metrics,
        .node = id != NULL && cs_is(*id, CS_STRING) ? cs_text(*id) : CS_LIT(""),
    };
    CS_TRY(read_key(c, &o, e));
    cs_err err = cs_audit_open(&o, &app->audit, e);
    cs_key_release(o.key);
    CS_TRY(err);
    CS_TRY(cs_loop_new(&app->reader, e));
    return cs_thread_start(&app->reader_thread, "audit-reader", reader_main, app, e);
}

/* ---- acts on approvals: once, where they were recorded */

static void copy(cs_arena *a, cs_value to, cs_value from, const char *name)
{
    const cs_value *v = cs_is(from, CS_OBJECT) ? cs_object_get_text(from, name) : NULL;
    if (v != NULL && !cs_is(*v, CS_NULL)) {
        cs_object_put_text(a, to, name, *v);
    }
}

/* What the approval is about, and what the act says; never the variables. */
static cs_value act_value(cs_app *app, cs_arena *a, const cs_approval_news *news)
{
    static const char *const of_approval[] = {"requester", "operation", "document_id", "cost",
                                              "currency",  "quorum",    "have",        "state"};
    static const char *const of_act[] = {"comment", "verified", "to", "until", "reason", "approver", "decision"};
    cs_value data = cs_object_new(a, 16), document;
    cs_object_put_text(a, data, "id", cs_string(news->id));
    cs_object_put_text(a, data, "digest", cs_string(news->digest));
    if (news->approved) {
        cs_object_put_text(a, data, "approved", cs_bool(true));
    }
    bool known = cs_approvals_document(app->approvals, news->id, a, &document);
    for (size_t i = 0; known && i < sizeof of_approval / sizeof *of_approval; i++) {
        copy(a, data, document, of_approval[i]);
    }
    for (size_t i = 0; i < sizeof of_act / sizeof *of_act; i++) {
        copy(a, data, news->data, of_act[i]);
    }
    return data;
}

static void heard(void *self, const cs_approval_news *news)
{
    cs_app *app = self;
    if (!news->ours) {
        return;
    }
    cs_arena a;
    cs_arena_init(&a, 0);
    cs_value actor = cs_undefined();
    if (news->actor.n != 0) {
        actor = cs_object_new(&a, 1);
        cs_object_put_text(&a, actor, "sub", cs_string(news->actor));
    }
    cs_audit_record record = {.type = cs_arena_printf(&a, NULL, "approval.%s", news->what),
                              .tenant = news->tenant,
                              .request_id = news->request_id,
                              .actor = actor,
                              .data = act_value(app, &a, news),
                              .done = true};
    (void)cs_audit_put(app->audit, &record, NULL, NULL);
    cs_arena_destroy(&a);
}

void cs_app__audit_listen(cs_app *app)
{
    if (app->audit != NULL && app->approvals != NULL) {
        cs_approvals_listen(app->approvals, heard, app);
    }
}
