/* Dead letters: those that come with a batch, and the newest ones, which are shown. */
#include <string.h>

#include "countersign/base/mem.h"
#include "journal/internal.h"

void cs_journal_batch_reject(cs_journal_batch *batch, const cs_event_reject *why, cs_slice body)
{
    if (batch->n_letters == batch->letters_cap) {
        batch->letters_cap = batch->letters_cap != 0 ? batch->letters_cap * 2 : 4;
        batch->letters = cs_realloc(batch->letters, batch->letters_cap * sizeof *batch->letters);
    }
    batch->letters[batch->n_letters++] = (cs_journal_letter){
        .posted = true, .topic = CS_LIT(""), .code = cs_slice_of(why->code), .reason = why->message, .body = body};
}

static cs_slice put(char **at, cs_slice text)
{
    if (text.n > 0) {
        memcpy(*at, text.p, text.n);
    }
    cs_slice copy = {*at, text.n};
    *at += text.n;
    return copy;
}

static cs_journal_letter copy_into(char *room, const cs_journal_letter *letter)
{
    cs_journal_letter copy = *letter;
    char *at = room;
    copy.code = put(&at, letter->code);
    copy.reason = put(&at, letter->reason);
    copy.topic = put(&at, letter->topic);
    copy.body = put(&at, letter->body);
    return copy;
}

static size_t texts_of(const cs_journal_letter *letter)
{
    return letter->code.n + letter->reason.n + letter->topic.n + letter->body.n;
}

void cs_journal__letter_show(cs_journal *j, const cs_journal_letter *letter)
{
    cs_journal_letter shown = *letter;
    shown.body.n = shown.body.n < CS_JOURNAL__LETTER_BYTES ? shown.body.n : CS_JOURNAL__LETTER_BYTES;
    shown = copy_into(cs_alloc(texts_of(&shown) + 1), &shown);
    cs_mutex_lock(&j->lock);
    cs_journal_letter *slot = &j->letters[j->n_letters++ % CS_JOURNAL__LETTERS];
    cs_free((char *)(uintptr_t)slot->code.p);
    *slot = shown;
    cs_mutex_unlock(&j->lock);
}

void cs_journal__letters_free(cs_journal *j)
{
    for (size_t i = 0; i < CS_JOURNAL__LETTERS; i++) {
        cs_free((char *)(uintptr_t)j->letters[i].code.p);
    }
}

size_t cs_journal_letters(cs_journal *j, cs_arena *a, cs_journal_letter **out)
{
    cs_mutex_lock(&j->lock);
    size_t n = j->n_letters < CS_JOURNAL__LETTERS ? (size_t)j->n_letters : CS_JOURNAL__LETTERS;
    cs_journal_letter *list = cs_arena_array(a, cs_journal_letter, n + 1);
    for (size_t i = 0; i < n; i++) {
        const cs_journal_letter *from = &j->letters[(j->n_letters - 1 - i) % CS_JOURNAL__LETTERS];
        list[i] = copy_into(cs_arena_alloc(a, texts_of(from) + 1), from);
    }
    cs_mutex_unlock(&j->lock);
    *out = list;
    return n;
}
