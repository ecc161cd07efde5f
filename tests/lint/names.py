#!/usr/bin/env python3
"""Everything that the linker sees from src/ starts with cs_, and cs_<part>__<verb> is used only in its folder.
Looks at the objects of $B/release (default build/release) as they are; without any, it has nothing to say."""
import os
import subprocess

import tree

OURS = tuple("TDBRC")  # defined, strong
CXX = "_Z"             # what the one C++ file brings along
# Files that stand in for a library which is loaded when it is wanted, and how its functions' names begin.
STAND_INS = {"src/net/kafka_load": ("rd_kafka_",), "src/net/http_client_load": ("curl_",),
             "src/bundle/archive_load": ("archive_",), "src/journal/sqlite_load": ("sqlite3_",),
             "src/net/tls_load": ("SSL_", "TLS_"),
             "src/crypto/openssl_load": ("ASN1_", "BIO_", "BN_", "CRYPTO_", "EC_", "ECDSA_", "ERR_", "EVP_", "GENERAL_",
                                         "HMAC", "OPENSSL_", "OSSL_", "PEM_", "RAND_", "X509_", "d2i_", "i2d_")}


def objects(top):
    for at, dirs, names in os.walk(top):
        dirs.sort()
        for name in sorted(n for n in names if n.endswith(".o")):
            path = os.path.join(at, name)
            if any(os.path.exists(os.path.join(tree.ROOT, source_of(path, top) + end)) for end in (".c", ".cc")):
                yield path


def source_of(path, top):
    return "src/" + os.path.relpath(path, top)[:-2]


def main():
    top = os.path.join(tree.ROOT, os.environ.get("B") or "build", "release", "src")
    owner, uses = {}, []
    for path in objects(top):
        source = source_of(path, top)
        out = subprocess.run(["nm", "-g", path], capture_output=True, text=True).stdout
        for line in out.splitlines():
            *_, kind, name = line.split()
            if kind == "U":
                uses.append((source, name))
            elif kind in OURS and not name.startswith(CXX):
                owner[name] = source
                if not name.startswith(("cs_", *STAND_INS.get(source, ()))):
                    tree.report(source + ".c", 1, f"{name} is visible to the linker and does not start with cs_")
    for source, name in uses:
        home = owner.get(name)
        if home and "__" in name and os.path.dirname(home) != os.path.dirname(source):
            tree.report(source + ".c", 1, f"{name} is private to {os.path.dirname(home)}")
    tree.finish()


main()
