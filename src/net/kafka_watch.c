/* The reader's watch: a thread that may wait for brokers. Every second it asks for the topics' partitions: new ones are
 * placed, a topic that is gone or has fewer of them is told, and the answer itself says that the cluster is there. */
#include <stdio.h>
#include <string.h>

#include "countersign/base/log.h"
#include "countersign/base/time.h"
#include "net/kafka.h"

enum { ASK_MS = 2000, MAKE_MS = 10000 };
#define MADE_NS (3 * CS_NS_PER_S)

/* ---- where a partition starts */

static const cs_kafka_start *kept_start(const cs_kafka_in *in, const cs_kafka__topic *topic, uint32_t partition)
{
    for (size_t i = 0; i < in->starts.n; i++) {
        const cs_kafka_start *start = &in->starts.v[i];
        if (start->partition == partition && strcmp(start->topic, topic->name) == 0) {
            return start;
        }
    }
    return NULL;
}

/* Under the lock. `first`: the topic's partitions are heard of for the first time. */
static void meet(cs_kafka_in *in, cs_kafka__topic *topic, uint32_t partition, bool first)
{
    cs_kafka__part *part = cs_zalloc(sizeof *part);
    const cs_kafka_start *start = kept_start(in, topic, partition);
    bool others_kept = false;
    for (size_t i = 0; i < in->starts.n; i++) {
        others_kept = others_kept || strcmp(in->starts.v[i].topic, topic->name) == 0;
    }
    part->seen = (cs_kafka_part){.number = (uint32_t)in->met.n,
                                 .topic = (uint32_t)(topic - in->topics),
                                 .partition = partition,
                                 .next = start != NULL ? start->next : -1,
                                 .mark = start != NULL ? start->mark : 0};
    if (!first) { /* it was not there when a broker last answered */
        part->seen.as_of_ns = cs_time_wall_ns() - (cs_time_mono_ns() - atomic_load(&in->contact_mono));
    }
    part->eof = part->last_offset = -1;
    part->from = start != NULL           ? CS_KAFKA__FROM_POSITION
                 : first && !others_kept ? CS_KAFKA__FROM_TIME
                                         : CS_KAFKA__FROM_FIRST; /* added since, or while we were away */
    part->next = part->seen.next;
    part->mark = part->seen.mark;
    topic->parts = cs_realloc(topic->parts, (topic->n_parts + 1) * sizeof(cs_kafka__part *));
    topic->parts[topic->n_parts++] = part;
    CS_VEC_PUSH(&in->met, part);
}

static void answered(cs_kafka_in *in)
{
    atomic_store(&in->contact_mono, cs_time_mono_ns());
    atomic_store(&in->down, false);
}

/* Partitions whose start is looked for, all at once: a request waits behind the fetches that the broker holds. */
typedef struct placing {
    cs_kafka__part *part;
    cs_kafka__from from;
    int64_t next, low, high, by_time;
    uint64_t mark;
    bool good;
} placing;
typedef CS_VEC(placing) placings;

/* Offsets of all of them for one question: a timestamp, or one of librdkafka's names for the ends. */
static void ask_offsets(cs_kafka_in *in, placings *all, int64_t (*question)(const cs_kafka_in *in, const placing *p),
                        size_t to)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)all->n);
    for (size_t i = 0; i < all->n; i++) {
        const cs_kafka_part *seen = &all->v[i].part->seen;
        rd_kafka_topic_partition_list_add(list, in->topics[seen->topic].name, (int32_t)seen->partition)->offset =
            question(in, &all->v[i]);
    }
    bool good = rd_kafka_offsets_for_times(in->client, list, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    for (size_t i = 0; i < all->n; i++) {
        const cs_kafka_part *seen = &all->v[i].part->seen;
        const rd_kafka_topic_partition_t *item =
            rd_kafka_topic_partition_list_find(list, in->topics[seen->topic].name, (int32_t)seen->partition);
        all->v[i].good = all->v[i].good && good && item != NULL && item->err == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (all->v[i].good) {
            memcpy((char *)&all->v[i] + to, &item->offset, sizeof item->offset);
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (good) {
        answered(in);
    }
}

static int64_t first_offset(const cs_kafka_in *in, const placing *p)
{
    (void)in;
    (void)p;
    return RD_KAFKA_OFFSET_BEGINNING;
}

static int64_t last_offset(const cs_kafka_in *in, const placing *p)
{
    (void)in;
    (void)p;
    return RD_KAFKA_OFFSET_END;
}

static int64_t since(const cs_kafka_in *in, const placing *p)
{
    int64_t ns = p->from == CS_KAFKA__FROM_TIME ? in->since_ns : in->again_since_ns;
    return ns > 0 ? ns / CS_NS_PER_MS : 0;
}

/* Under the lock. */
static void place(cs_kafka_in *in, const placing *p)
{
    cs_kafka__part *part = p->part;
    const cs_kafka__topic *topic = &in->topics[part->seen.topic];
    int32_t partition = (int32_t)part->seen.partition;
    bool position = p->from == CS_KAFKA__FROM_POSITION;
    char text[300];
    if (position && p->next > p->high) {
        (void)snprintf(text, sizeof text,
                       "the log ends at offset %lld, before %lld, which was read; it is another log now, or lost its "
                       "end, and is read again by time",
                       (long long)p->high, (long long)p->next);
        cs_kafka__tell(in, CS_KAFKA_RECREATED, false, topic, partition, 0, text);
        part->from = CS_KAFKA__FROM_AGAIN;
        position = false;
    } else if (position && p->next < p->low) {
        (void)snprintf(text, sizeof text, "offsets %lld to %lld were removed before they were read", (long long)p->next,
                       (long long)p->low - 1);
        cs_kafka__tell(in, CS_KAFKA_GAP, false, topic, partition, p->low - p->next, text);
    }
    if (p->from == CS_KAFKA__FROM_FIRST || (position && p->next < p->low)) {
        part->start = p->low;
    } else if (position) {
        part->start = p->mark != 0 && p->next > p->low ? p->next - 1 : p->next;
    } else {
        part->start = p->by_time >= 0 ? p->by_time : p->high; /* nothing that young */
    }
    part->high = p->high;
    part->stop = false;
    part->stage = CS_KAFKA__PLACED;
}

/* Asks without the lock; a part is the watch's as long as its stage says so. */
static void place_all(cs_kafka_in *in)
{
    placings all = {0};
    cs_mutex_lock(&in->lock);
    for (size_t i = 0; i < in->n_topics; i++) {
        const cs_kafka__topic *topic = &in->topics[i];
        for (size_t k = 0; !topic->gone && !topic->denied && k < topic->n_parts && k < topic->count; k++) {
            cs_kafka__part *part = topic->parts[k];
            if (part->stage == CS_KAFKA__UNPLACED) {
                placing p = {.part = part, .from = part->from, .next = part->next, .mark = part->mark, .good = true};
                CS_VEC_PUSH(&all, p);
            }
        }
    }
    cs_mutex_unlock(&in->lock);
    if (all.n > 0) {
        ask_offsets(in, &all, first_offset, offsetof(placing, low));
        ask_offsets(in, &all, last_offset, offsetof(placing, high));
        ask_offsets(in, &all, since, offsetof(placing, by_time));
        cs_mutex_lock(&in->lock);
        for (size_t i = 0; i < all.n; i++) {
            if (all.v[i].good) {
                place(in, &all.v[i]);
            }
        }
        cs_mutex_unlock(&in->lock);
        cs_kafka__wake(in);
    }
    CS_VEC_FREE(&all);
}

/* ---- topics */

/* Under the lock: a lasting state of a topic begins or ends. */
static void turn(cs_kafka_in *in, cs_kafka__topic *topic, bool *state, bool now, cs_kafka_fault fault, const char *text)
{
    if (*state != now) {
        *state = now;
        cs_kafka__tell(in, fault, !now, topic, -1, 0, text);
    }
}

/* Under the lock. The topic is not what it was: whatever is read of it is placed again. */
static void stop_parts(cs_kafka__topic *topic)
{
    for (size_t i = 0; i < topic->n_parts; i++) {
        topic->parts[i]->stop = true;
    }
}

/* Under the lock. */
static void heard(cs_kafka_in *in, cs_kafka__topic *topic, const rd_kafka_metadata_topic_t *m)
{
    bool denied = m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    bool gone = m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || m->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    turn(in, topic, &topic->denied, denied, CS_KAFKA_DENIED,
         denied ? "no permission for the topic" : "permitted again");
    if (gone && !topic->gone) {
        stop_parts(topic);
    }
    if (gone && !topic->known) { /* it may just have been made, and not be known everywhere */
        int64_t now = cs_time_mono_ns();
        topic->missing_mono = topic->missing_mono != 0 ? topic->missing_mono : now;
        gone = now - topic->missing_mono > MADE_NS;
    }
    turn(in, topic, &topic->gone, gone, CS_KAFKA_GONE, gone ? "the topic does not exist" : "the topic exists again");
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR || m->partition_cnt <= 0) {
        return;
    }
    size_t count = (size_t)m->partition_cnt;
    size_t had = topic->n_parts;
    for (size_t i = 0; i < in->starts.n; i++) {
        const cs_kafka_start *start = &in->starts.v[i];
        had = strcmp(start->topic, topic->name) == 0 && start->partition >= had ? start->partition + (size_t)1 : had;
    }
    char text[200];
    (void)snprintf(text, sizeof text, "the topic has %zu partitions; it had %zu", count, had);
    if (count < had && !topic->shrunk) {
        stop_parts(topic);
    }
    turn(in, topic, &topic->shrunk, count < had, CS_KAFKA_SHRUNK, text);
    bool first = !topic->known;
    while (topic->n_parts < count) {
        meet(in, topic, (uint32_t)topic->n_parts, first);
    }
    topic->known = true;
    topic->count = count;
}

static bool ask_topic(cs_kafka_in *in, cs_kafka__topic *topic)
{
    const rd_kafka_metadata_t *m = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(in->client, 0, topic->handle, &m, ASK_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        cs_mutex_lock(&in->lock);
        if (in->reason[0] == '\0') {
            (void)snprintf(in->reason, sizeof in->reason, "%s", rd_kafka_err2str(err));
        }
        cs_mutex_unlock(&in->lock);
        return false;
    }
    cs_mutex_lock(&in->lock);
    for (int i = 0; i < m->topic_cnt; i++) {
        if (strcmp(m->topics[i].topic, topic->name) == 0) {
            heard(in, topic, &m->topics[i]);
        }
    }
    in->reason[0] = '\0';
    cs_mutex_unlock(&in->lock);
    rd_kafka_metadata_destroy(m);
    answered(in);
    return true;
}

static bool learn_cluster(cs_kafka_in *in)
{
    if (!atomic_load(&in->clustered)) {
        char *id = rd_kafka_clusterid(in->client, ASK_MS);
        if (id != NULL) {
            (void)snprintf(in->cluster, sizeof in->cluster, "%s", id);
            atomic_store(&in->clustered, true);
            rd_kafka_mem_free(in->client, id);
        }
    }
    return atomic_load(&in->clustered);
}

/* ---- making topics */

static bool exists(cs_kafka_in *in, const char *name, bool *known)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(in->client, name, NULL);
    const rd_kafka_metadata_t *m = NULL;
    bool found = false;
    *known = handle != NULL && rd_kafka_metadata(in->client, 0, handle, &m, ASK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (*known) {
        found = m->topic_cnt != 1 || m->topics[0].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        rd_kafka_metadata_destroy(m);
    }
    if (handle != NULL) {
        rd_kafka_topic_destroy(handle);
    }
    return found;
}

static void make_topic(cs_kafka_in *in, const char *name)
{
    char why[300] = "no answer";
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, -1, -1, why, sizeof why);
    if (topic == NULL) {
        return;
    }
    rd_kafka_queue_t *answers = rd_kafka_queue_new(in->client);
    rd_kafka_CreateTopics(in->client, &topic, 1, NULL, answers);
    rd_kafka_event_t *event = rd_kafka_queue_poll(answers, MAKE_MS);
    bool made = false;
    const rd_kafka_CreateTopics_result_t *result = event != NULL ? rd_kafka_event_CreateTopics_result(event) : NULL;
    if (result != NULL) {
        size_t n = 0;
        const rd_kafka_topic_result_t **all = rd_kafka_CreateTopics_result_topics(result, &n);
        rd_kafka_resp_err_t err = n == 1 ? rd_kafka_topic_result_error(all[0]) : rd_kafka_event_error(event);
        made = n == 1 && (err == RD_KAFKA_RESP_ERR_NO_ERROR || err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS);
        (void)snprintf(why, sizeof why, "%s", rd_kafka_err2str(err));
    }
    cs_log(made ? CS_LOG_INFO : CS_LOG_WARN, made ? "Kafka topic made." : "Kafka topic cannot be made.", 2,
           (cs_log_field[]){CS_LOG_S("topic", cs_slice_of(name)), CS_LOG_S("error", cs_slice_of(made ? "" : why))});
    if (event != NULL) {
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(answers);
    rd_kafka_NewTopic_destroy(topic);
}

/* Once, when the cluster is first there. A topic that goes away later is for people to look at. */
static bool make_topics(cs_kafka_in *in)
{
    for (size_t i = 0; i < in->n_make; i++) {
        bool known = false;
        bool there = exists(in, in->make[i], &known);
        if (!known || atomic_load(&in->stop)) {
            return false;
        }
        if (!there) {
            make_topic(in, in->make[i]);
        }
    }
    return true;
}

/* ---- the thread */

static bool unplaced(const cs_kafka_in *in)
{
    for (size_t i = 0; i < in->n_topics; i++) {
        const cs_kafka__topic *topic = &in->topics[i];
        for (size_t k = 0; k < topic->n_parts && k < topic->count; k++) {
            if (topic->parts[k]->stage == CS_KAFKA__UNPLACED && !topic->gone) {
                return true;
            }
        }
    }
    return false;
}

void cs_kafka__watch(void *self)
{
    cs_kafka_in *in = self;
    bool made = false;
    while (!atomic_load(&in->stop)) {
        made = made || make_topics(in);
        bool all = made && learn_cluster(in); /* before anything is read: is it the cluster of the positions? */
        for (size_t i = 0; all && i < in->n_topics && !atomic_load(&in->stop); i++) {
            all = ask_topic(in, &in->topics[i]);
        }
        if (all && !atomic_load(&in->stop)) {
            place_all(in);
        }
        cs_mutex_lock(&in->lock);
        if (in->told.n > 0) {
            cs_kafka__wake(in);
        }
        int64_t wait = !all || in->hurry || unplaced(in) ? CS_NS_PER_S / 10 : CS_NS_PER_S;
        in->hurry = false;
        if (!atomic_load(&in->stop)) {
            (void)cs_cond_wait_for(&in->changed, &in->lock, wait);
        }
        cs_mutex_unlock(&in->lock);
    }
}
