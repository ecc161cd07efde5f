/* Bundles: reading (tar.gz, folder, single files), verifying, signing, writing. Texts of refusals are OPA's where OPA
 * has the case.
 *
 * The order is fixed: the archive is unpacked under the limits bundle_*, the signature is verified over the raw bytes,
 * and only then is anything else parsed. Nothing is activated here; whoever activates compiles `modules` and publishes
 * `data`.
 *
 * Ownership: a cs_bundle owns all that it points to, in its arena, until cs_bundle_free. Immutable once read; any
 * thread may read it. */
#ifndef CS_BUNDLE_H
#define CS_BUNDLE_H

#include "countersign/base/arena.h"
#include "countersign/base/buf.h"
#include "countersign/base/err.h"
#include "countersign/crypto.h"
#include "countersign/rego.h"
#include "countersign/store.h"

typedef struct cs_bundle_module {
    cs_slice path; /* inside the bundle, with a leading slash: "/authz/a.rego" */
    cs_slice file; /* as errors name it: "foo/authz/a.rego" for a folder foo, the path as written for an archive */
    cs_slice url;  /* where it was read: "foo/authz/a.rego" or "x/b.tar.gz/authz/a.rego"; what `build` writes */
    cs_slice text;
    int rego_version; /* 0, 1 or 2 */
    cs_value package; /* array of strings, without `data`: what the roots were checked against */
} cs_bundle_module;

typedef struct cs_bundle_file {
    cs_slice path; /* inside the bundle, cleaned, without a leading slash: "authz/a.rego" */
    cs_slice bytes;
    cs_slice written;  /* as the archive has it; "" in files that are made */
    cs_value document; /* of a data file that was read: frozen in the bundle's segment; undefined otherwise */
} cs_bundle_file;

typedef struct cs_bundle_manifest {
    bool present; /* there was a .manifest */
    bool proto;   /* it was .manifest.pb */
    cs_slice revision;
    cs_slice *roots; /* without slashes at the ends; {""} by default */
    size_t n_roots;
    int rego_version;            /* -1 = not said */
    cs_value file_rego_versions; /* object, or undefined */
    cs_value metadata;           /* object, or undefined */
    cs_value document;           /* what OPA stores at data.system.bundles.<name>.manifest */
} cs_bundle_manifest;

typedef struct cs_bundle_signature {
    bool present;   /* there was a .signatures.json, and it was verified */
    cs_slice keyid; /* the key that verified it */
    cs_slice scope, issuer;
    int64_t iat; /* seconds since 1970; 0 = not said */
} cs_bundle_signature;

typedef struct cs_bundle {
    cs_arena arena;
    cs_slice name;
    cs_slice digest; /* "sha256:<hex>" of the archive; "" for folders */
    cs_slice etag;   /* as given by the caller */
    cs_bundle_manifest manifest;
    cs_bundle_signature signature;
    cs_value data;       /* an object */
    cs_segment *segment; /* what the data are frozen in; NULL in a bundle that was made out of others */
    cs_arena texts;      /* of large files */
    cs_bundle_module *modules;
    size_t n_modules, cap_modules;
    cs_bundle_file *files; /* every file in the order of the archive, .signatures.json and ignored ones included */
    size_t n_files, cap_files;
    cs_bundle_file
        *plans; /* plan.json, plan.pb; path: where it was read, as a module's url; written: as errors name it */
    size_t n_plans, cap_plans;
    bool delta;     /* patch.json only */
    cs_value patch; /* its operations, an array */
} cs_bundle;

typedef struct cs_bundle_key {
    cs_slice id, key, algorithm, scope; /* key: PEM, or the secret for HS* */
} cs_bundle_key;

/* How to verify. A NULL pointer to it: unsigned bundles are fine, and a signed one is refused ("verification key not
 * provided"). */
typedef struct cs_bundle_verify {
    const cs_bundle_key *keys;
    size_t n_keys;
    cs_slice keyid;          /* the only key that counts; "" = the token names it */
    cs_slice scope;          /* "" = the key's */
    cs_slice token;          /* verify this one instead of the one in the archive; "" = that one */
    const cs_slice *exclude; /* names or patterns (as Go's filepath.Match) of files that need no signature */
    size_t n_exclude;
    bool optional;        /* an unsigned bundle is accepted; a signature that is there is verified all the same */
    bool unsigned_deltas; /* so is an unsigned delta */
} cs_bundle_verify;

typedef struct cs_bundle_options {
    cs_slice name;
    cs_slice etag;
    const cs_bundle_verify *verify;
    bool skip_verify;        /* neither look at nor ask for signatures */
    int rego_version;        /* of modules whose manifest says nothing: 0, 1 or 2 */
    bool persist;            /* it will be kept for the next start: deltas are refused */
    uint64_t max_file_bytes; /* 0 = the limit bundle_bytes */
    const cs_slice *ignore;  /* patterns of --ignore */
    size_t n_ignore;
    bool follow_links;     /* read what symbolic links in a folder lead to; otherwise they are left out */
    bool include_manifest; /* put the manifest at data.system.bundle.manifest, as OPA does for tar.gz files given with
                              -d */
    bool consume; /* nobody wants the texts of large data files of the bundle once they are read: they hold zeros */
    bool raw;     /* keep files only: no manifest, data, modules (for sign and inspect) */
    /* Asked about every module when its version is known; an error and the list of what is wrong with it end the
     * reading of a bundle, and are noted in that of files. NULL = nobody. */
    cs_err (*module)(void *self, const cs_bundle_module *module, cs_errors *errors);
    void *module_self;
    bool *saw_data; /* if wanted: cs_bundle_load_files sets it when it reads a document */
    bool only_rego; /* of files and folders given to cs_bundle_load_files only modules are looked at */
    /* Told of everything that cs_bundle_load_files finds wrong, in order: what `module` says of a module as a list of
     * one, anything else as a text (errors is NULL). `self` is module_self. NULL = nobody. */
    void (*problem)(void *self, const cs_errors *errors, cs_slice text);
    cs_buf *why; /* if wanted: all of the error's text, which may be longer than what fits into a cs_error */
} cs_bundle_options;

/* A gzipped tar in memory. CS_ERR_BUNDLE_INVALID for whatever is wrong with it, CS_ERR_LIMIT beyond a limit. */
CS_MUST_CHECK cs_err cs_bundle_read(cs_slice archive, const cs_bundle_options *options, cs_bundle **out, cs_error *e);
/* A folder or a .tar.gz on disk. */
CS_MUST_CHECK cs_err cs_bundle_read_path(const char *path, const cs_bundle_options *options, cs_bundle **out,
                                         cs_error *e);
void cs_bundle_free(cs_bundle *bundle); /* NULL is fine */

/* `-d`, `opa run FILES`: folders recursively, .json and .yaml merged at the root under the folders' names below the
 * argument, .rego as modules, .tar.gz as bundles that are not verified; "a.b:path" puts documents under data.a.b. A key
 * given twice is an error that names the path. Everything wrong is in the text ("2 errors occurred during loading: …").
 */
/* Their modules' path is the id of the policy API (the path without slashes at its ends), their file the path as given.
 */
typedef struct cs_bundle_loaded {
    cs_arena arena;
    cs_value data;
    cs_bundle_module *modules;
    size_t n_modules, cap_modules;
} cs_bundle_loaded;
CS_MUST_CHECK cs_err cs_bundle_load_files(const char *const *paths, size_t n, const cs_bundle_options *options,
                                          cs_bundle_loaded **out, cs_error *e);
void cs_bundle_loaded_free(cs_bundle_loaded *loaded); /* NULL is fine */
/* The same as a bundle with the root "", to be merged and written. Takes `loaded` over. */
cs_bundle *cs_bundle_of_loaded(cs_bundle_loaded *loaded);

/* Do the roots of these bundles overlap? CS_ERR_BUNDLE_ROOTS with OPA's words ("detected overlapping roots in manifests
 * for these bundles: [a, b] (…)"). */
typedef struct cs_bundle_roots {
    cs_slice name;
    const cs_slice *roots;
    size_t n;
} cs_bundle_roots;
CS_MUST_CHECK cs_err cs_bundles_check_roots(const cs_bundle_roots *bundles, size_t n, cs_error *e);
/* Is the path (segments joined by '/', no slash in front) inside one of the roots? */
bool cs_bundle_root_contains(const cs_slice *roots, size_t n, cs_slice path);
bool cs_bundle_roots_overlap(cs_slice a, cs_slice b);

/* The id under which OPA's policy API shows a module of a bundle: "<name>/<file>", cleaned. In the arena. */
cs_slice cs_bundle_module_id(cs_arena *a, cs_slice bundle_name, const cs_bundle_module *module);

/* A pattern of --ignore against a path ('*' and '?' do not cross '/', a pattern without '/' meets any name on the way).
 */
bool cs_bundle_ignored(const cs_slice *patterns, size_t n, cs_slice path);

/* ---- signing and writing */
typedef struct cs_bundle_signing {
    cs_slice key;       /* PEM text, or the secret for HS* */
    cs_slice algorithm; /* "RS256" */
    cs_slice keyid;     /* kid of the header and keyid of the payload; "" = neither */
    cs_value claims;    /* object of further claims (scope, iat, iss…), or undefined */
} cs_bundle_signing;

/* The name that a file of a folder (or, with "", of an archive) has in a signature: "foo/authz/a.rego". In the arena.
 */
cs_slice cs_bundle_signed_name(cs_arena *a, cs_slice folder, cs_slice path);
/* "data.authz["a-b"]" from an array of keys, as OPA prints a reference. */
void cs_bundle_print_ref(cs_buf *out, cs_value keys);
/* The text of .signatures.json for these files. Structured files (data.json, data.yaml, .manifest) are hashed
 * canonically. */
CS_MUST_CHECK cs_err cs_bundle_sign(cs_arena *a, const cs_bundle_file *files, size_t n,
                                    const cs_bundle_signing *signing, cs_slice *text, cs_error *e);
/* A gzipped tar of the files in their order, times zero: the same input gives the same bytes. Appends to *out. */
CS_MUST_CHECK cs_err cs_bundle_write(const cs_bundle_file *files, size_t n, cs_buf *out, cs_error *e);

/* One bundle out of one or several: what `build` makes its own out of. Points into the bundles. */
typedef struct cs_bundle_build {
    const cs_slice *revision; /* NULL = as in the input */
    int rego_version;
} cs_bundle_build;

typedef struct cs_bundle_merged {
    cs_value data; /* an object */
    const cs_bundle_module **modules;
    size_t n_modules;
    cs_slice *roots;
    size_t n_roots;
    cs_slice revision;
    int rego_version;
    cs_value file_rego_versions, metadata; /* objects */
    const cs_bundle_file *plans;           /* plan.json or plan.pb: carried along, behind everything else */
    size_t n_plans;
    bool proto; /* the manifest is .manifest.pb */
} cs_bundle_merged;

/* CS_ERR_BUNDLE_ROOTS, CS_ERR_CONFLICT with OPA's words. */
CS_MUST_CHECK cs_err cs_bundle_merge(cs_arena *a, cs_bundle *const *bundles, size_t n, const cs_bundle_build *build,
                                     cs_bundle_merged *out, cs_error *e);
/* The root, unless it is in one that is there. */
void cs_bundle_add_root(cs_arena *a, cs_bundle_merged *merged, cs_slice root);
/* Its files: data.json, the given modules (NULL: its own as they are), plans, and the manifest. */
CS_MUST_CHECK cs_err cs_bundle_pack(cs_arena *a, const cs_bundle_merged *merged, const cs_bundle_file *modules,
                                    size_t n_modules, cs_bundle_file **files, size_t *n_files, cs_error *e);

#endif
