/* Folds that are one row in a snapshot. */
#include "countersign/snapshot.h"

void cs_whole_init(cs_whole *w, void (*write)(void *self, cs_buf *out), void *self)
{
    *w = (cs_whole){.write = write, .self = self};
    cs_buf_init(&w->bytes);
}

void cs_whole_destroy(cs_whole *w)
{
    cs_buf_destroy(&w->bytes);
}

void cs_whole_cut(cs_whole *w, cs_snapshot *out)
{
    w->out = out;
    cs_buf_clear(&w->bytes);
    w->write(w->self, &w->bytes);
}

bool cs_whole_save(cs_whole *w)
{
    if (w->bytes.n > 0) {
        cs_snapshot_put(w->out, CS_LIT("all"), cs_buf_view(&w->bytes));
    }
    return true;
}

bool cs_whole_saved(cs_whole *w, bool ok)
{
    w->out = NULL;
    return !ok && w->bytes.n > 0;
}
