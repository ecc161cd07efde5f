/* Who may call, as it is known from elsewhere: the tokens file and the identity provider's keys. A thread of its own
 * looks after both: files are read again when they have changed, keys of a URL are fetched at times, and soon when a
 * token names a key that is not known. What cannot be read or fetched leaves what is there. */
#ifndef CS_SERVER_IDENTITY_H
#define CS_SERVER_IDENTITY_H

#include <stdatomic.h>

#include "countersign/base/thread.h"
#include "countersign/base/vec.h"
#include "countersign/config.h"
#include "countersign/crypto.h"
#include "route.h"

/* Immutable, counted. */
typedef struct cs_identity__token {
    uint8_t digest[32]; /* SHA-256: comparing takes as long for any token */
    cs_value row;       /* of the file */
} cs_identity__token;

typedef struct cs_identity__tokens {
    _Atomic uint32_t refs;
    cs_arena arena;
    cs_identity__token *v;
    size_t n;
} cs_identity__tokens;

typedef struct cs_identity__keys {
    _Atomic uint32_t refs;
    cs_key_set set;
} cs_identity__keys;

/* When a file was last looked at, it was this. */
typedef struct cs_identity__stamp {
    uint64_t inode;
    int64_t size, changed_ns;
} cs_identity__stamp;

typedef struct cs_server__identity cs_server__identity;
struct cs_server__identity {
    const cs_config *config;
    const char *tokens_file, *keys_file, *keys_url; /* NULL = none */
    cs_arena arena;                                 /* of these texts */
    cs_identity__stamp tokens_stamp, keys_stamp;    /* the thread's, and before it the maker's */
    cs_mutex lock;                                  /* of what follows */
    cs_cond wake;
    cs_identity__tokens *tokens;
    cs_identity__keys *keys;
    bool stop, fetching, wanted; /* wanted: fetch now */
    int64_t tried_mono;          /* the last try to fetch began then; 0 = never */
    int64_t fetched_mono;        /* the last one that succeeded */
    bool failing;                /* the last one did not: said once */
    CS_VEC(cs_server__request *) waiting;
    cs_thread thread;
};

CS_MUST_CHECK cs_err cs_server__identity_new(const cs_config *config, cs_server__identity **out, cs_error *e);
/* Ends the thread: no request goes on afterwards. Before the HTTP server is freed. NULL is fine. */
void cs_server__identity_stop(cs_server__identity *identity);
void cs_server__identity_free(cs_server__identity *identity);

/* References, to be released. Any thread. */
cs_identity__tokens *cs_identity__tokens_now(cs_server__identity *id);
void cs_identity__tokens_release(cs_identity__tokens *t);
cs_identity__keys *cs_identity__keys_now(cs_server__identity *id);
void cs_identity__keys_release(cs_identity__keys *k);

/* A token names a key that is not known: the request goes on (cs_server__enter, on its loop) when the keys have been
 * fetched, or could not be. false if there is no URL, or they were just fetched. NULL: nobody waits. On a worker. */
bool cs_identity__wait_for_keys(cs_server__identity *id, cs_server__request *r);

/* false: an error was replied, or the request goes on later (cs_server__enter). */
bool cs_server__authenticate(cs_server__request *r);
/* From the beginning: who calls, may they, do it. */
void cs_server__enter(cs_server__request *r);

#endif
