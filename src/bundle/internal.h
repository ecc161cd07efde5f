/* What the files of bundle/ share. */
#ifndef CS_BUNDLE_INTERNAL_H
#define CS_BUNDLE_INTERNAL_H

#include "countersign/bundle.h"

/* ---- match.c */
/* Go's filepath.Match: '*' and '?' stop at '/', [a-z], [^a-z], '\' escapes. A malformed pattern matches nothing. */
bool cs_bundle__path_match(cs_slice pattern, cs_slice name);
/* Patterns of file_rego_versions: '*' crosses '/', {a,b}, [a-z], [!a-z], '\' escapes. */
bool cs_bundle__glob_match(cs_slice pattern, cs_slice text);

/* ---- inflate.c */
typedef struct cs_bundle__inflate cs_bundle__inflate;
/* A gzipped archive, which must outlive it. */
cs_bundle__inflate *cs_bundle__inflate_open(cs_slice archive);
/* The next piece, good until the next call; *n is 0 at the end. */
CS_MUST_CHECK cs_err cs_bundle__inflate_next(cs_bundle__inflate *f, const char **bytes, size_t *n, cs_error *e);
void cs_bundle__inflate_close(cs_bundle__inflate *f);

/* Files from this size on have memory of their own. */
#define CS_BUNDLE__LARGE ((size_t)1048576)

/* ---- archive.c */
/* Unpacks into bundle->files and sets bundle->digest. Nothing is parsed. */
CS_MUST_CHECK cs_err cs_bundle__unpack(cs_bundle *bundle, cs_slice archive, const cs_bundle_options *options,
                                       cs_error *e);

/* ---- archive_load.c */
/* libarchive is there; before the first of its functions is called. Thread-safe. */
CS_MUST_CHECK cs_err cs_bundle__archive_load(cs_error *e);

/* Appends; read.c. */
void cs_bundle__add_file(cs_bundle *bundle, cs_bundle_file file);

/* ---- names and files */
cs_slice cs_bundle__base(cs_slice path);
bool cs_bundle__is_signatures(cs_slice path);
bool cs_bundle__is_data(cs_slice path);
bool cs_bundle__is_yaml_data(cs_slice path);
/* Cleans a path lexically as Go's path.Clean ("/a/./b//c" -> "/a/b/c"). In the arena. */
cs_slice cs_bundle__clean(cs_arena *a, cs_slice path);
cs_slice cs_bundle__concat(cs_arena *a, cs_slice x, cs_slice y);
/* Joins with one slash and cleans, as Go's filepath.Join. */
cs_slice cs_bundle__join(cs_arena *a, cs_slice x, cs_slice y);
/* JSON, and if it is not that YAML, as OPA's util.Unmarshal. The text must live as long as the value. */
CS_MUST_CHECK cs_err cs_bundle__read_document(cs_arena *a, cs_slice text, cs_value *out, cs_error *e);

/* The document of a file of data, frozen in the bundle's segment; read once. */
CS_MUST_CHECK cs_err cs_bundle__file_document(cs_bundle *bundle, const cs_bundle_options *options, cs_freezer *freezer,
                                              cs_bundle_file *file, cs_value *out, cs_error *e);

/* ---- data.c */
/* Puts `value` at the place given by `keys` into *root, merging objects. On a clash CS_ERR_CONFLICT; *conflict (if
 * wanted) is then an array of the keys of the first clash in key order, or undefined when `value` is no object at the
 * root. */
CS_MUST_CHECK cs_err cs_bundle__insert(cs_arena *a, cs_value *root, const cs_slice *keys, size_t n, cs_value value,
                                       cs_value *conflict, cs_error *e);

/* ---- package.c */
/* The path of the package clause of a module, without `data`; CS_ERR_REGO_PARSE if the text does not start with one. */
CS_MUST_CHECK cs_err cs_bundle__package(cs_arena *a, cs_slice file, cs_slice text, cs_value *path, cs_error *e);

/* ---- manifest.c */
CS_MUST_CHECK cs_err cs_bundle__read_manifest(cs_bundle *bundle, cs_slice text, bool proto, cs_error *e);
/* Without a .manifest. */
void cs_bundle__default_manifest(cs_bundle *bundle);
/* Roots against each other, against modules, patches and data. */
CS_MUST_CHECK cs_err cs_bundle__check_manifest(const cs_bundle *bundle, cs_error *e);
int cs_bundle__rego_version(const cs_bundle *bundle, cs_slice path, int otherwise);
/* "[a b]" as Go prints a list of strings. */
void cs_bundle__print_roots(cs_buf *out, const cs_slice *roots, size_t n);
bool cs_bundle__root_contains_keys(const cs_slice *roots, size_t n, const cs_slice *keys, size_t n_keys);

/* ---- manifest_proto.c: .manifest.pb (OPA's v1/bundle/manifest.proto) */
cs_slice cs_bundle__manifest_to_proto(cs_arena *a, const cs_bundle_merged *m);
/* The same as a document of JSON. false: it is no such message. */
bool cs_bundle__manifest_of_proto(cs_arena *a, cs_slice bytes, cs_value *out);

/* ---- signature.c */
/* Verifies every file of the bundle; fills bundle->signature. `folder` stands in front of the names in the signature
 * ("" for an archive). Documents of data files are read by the way. */
CS_MUST_CHECK cs_err cs_bundle__verify(cs_bundle *bundle, const cs_bundle_options *options, cs_freezer *freezer,
                                       cs_slice folder, cs_error *e);

#endif
