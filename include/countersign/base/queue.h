/* A bounded queue of pointers: any thread puts in, one thread takes out. An eventfd wakes the taker's event loop.
 *
 * Nobody waits for anybody: a put into a full queue fails, and what then happens (drop and count, refuse the request)
 * is the caller's policy. Items put in by one thread come out in its order. The queue owns no item. */
#ifndef CS_BASE_QUEUE_H
#define CS_BASE_QUEUE_H

#include "countersign/base/err.h"

typedef struct cs_queue cs_queue;

/* Room for at least `capacity` items (rounded up to a power of two, at least 2). CS_ERR_IO if there is no file
 * descriptor left. */
CS_MUST_CHECK cs_err cs_queue_new(size_t capacity, cs_queue **out, cs_error *e);
/* No thread may use it any more. Items still inside are the caller's to take out before. NULL is allowed. */
void cs_queue_free(cs_queue *q);

/* Any thread. false if the queue is full. `item` must not be NULL. What the thread wrote before is visible to the
 * taker. */
CS_MUST_CHECK bool cs_queue_put(cs_queue *q, void *item);

/* The rest is for the taking thread only. */

/* Readable when items may have come since the last cs_queue_awake. Belongs to the queue. */
int cs_queue_fd(const cs_queue *q);
/* Call when the fd is readable, before taking: clears the signal. Then take until NULL, or the wake-up is lost. */
void cs_queue_awake(cs_queue *q);
/* The oldest item, or NULL if there is none (or its putter is still on its way: it will signal). */
void *cs_queue_take(cs_queue *q);
/* For threads without an event loop: waits until the fd is readable, clears the signal and returns true; false after
 * timeout_ms (-1 = for ever). */
bool cs_queue_wait(cs_queue *q, int timeout_ms);
/* Any thread: items inside, a moment ago. */
size_t cs_queue_length(const cs_queue *q);

#endif
