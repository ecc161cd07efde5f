#!/usr/bin/env python3
"""Bundles between this program and OPA: each one's verify in the other; what was changed or means harm is refused.

Environment: COUNTERSIGN (the built program), OPA (its binary; without it the cases that need it are left out)."""

import base64
import gzip
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COUNTERSIGN = os.environ.get("COUNTERSIGN") or os.path.join(ROOT, "build", "countersign")
OPA = os.environ.get("OPA") or shutil.which("opa") or ""
CASES = []


def case(function):
    CASES.append(function)
    return function


def needs_opa(function):
    if OPA:
        CASES.append(function)
    else:
        print(f"left out: {function.__name__}: no opa")
    return function


def run(*command, cwd=None, timeout=60):
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=timeout)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def ours(*arguments, **how):
    return run(COUNTERSIGN, *arguments, **how)


def good(result):
    assert result[0] == 0, f"exit status {result[0]}: {result[1]}"
    return result[1]


def refused(result, text):
    assert result[0] == 1, f"exit status {result[0]} instead of 1: {result[1]}"
    assert text in result[1], f"{text!r} is not in {result[1]!r}"


def archive(entries, path, name=gzip.compress):
    """A gzipped tar of (name, bytes) or ready TarInfo entries."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            tar.addfile(info, io.BytesIO(entry[1]))
    with open(path, "wb") as out:
        out.write(name(raw.getvalue()))
    return path


def content(path):
    with tarfile.open(path, "r:gz") as tar:
        return [(m.name, tar.extractfile(m).read()) for m in tar.getmembers() if m.isfile()]


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


FILES = {
    ".manifest": b'{"revision": "r1", "roots": ["app", "lists"], "metadata": {"by": "<tests>"}}',
    "app/policy.rego": b"package app.authz\n\ndefault allow := false\n\nallow if input.user in data.lists.admins\n",
    "app/more/other.rego": b'# comment\npackage app["x-y"].z\n\nanswer := 42\n',
    "lists/data.json": (
        '{"admins": ["ann", "böb", "\\u2028<&>"], "n": 1.50, "e": 1E3, "big": 12345678901234567890}'.encode()
    ),
    "lists/extra/data.yaml": b"a: 1\nb: [x, y]\nc: {d: null}\n",
    "lists/ignored.txt": b"not looked at",
}


class World:
    """A folder with keys and an example bundle."""

    def __init__(self, folder):
        self.dir = folder
        self.bundle = self.path("bundle")
        for name, text in FILES.items():
            os.makedirs(os.path.dirname(os.path.join(self.bundle, name)), exist_ok=True)
            with open(os.path.join(self.bundle, name), "wb") as out:
                out.write(text)
        self.rsa, self.rsa_pub = self.key("rsa", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        self.ec, self.ec_pub = self.key("ec", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        self.p384, self.p384_pub = self.key(
            "p384", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"
        )
        self.other, self.other_pub = self.key(
            "other", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"
        )
        self.algs = {
            "RS256": (self.rsa, self.rsa_pub),
            "PS384": (self.rsa, self.rsa_pub),
            "ES256": (self.ec, self.ec_pub),
            "ES384": (self.p384, self.p384_pub),
            "HS256": ("a long secret", "a long secret"),
            "HS512": ("another secret", "another secret"),
        }

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def key(self, name, *command):
        private, public = self.path(name + ".pem"), self.path(name + ".pub.pem")
        subprocess.run(["openssl", *command, "-out", private], check=True, capture_output=True)
        subprocess.run(
            ["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True
        )
        return private, public

    def build(self, out, *arguments, alg="RS256"):
        good(
            ours(
                "build",
                "-b",
                "bundle",
                "-o",
                out,
                "--signing-alg",
                alg,
                "--signing-key",
                self.algs[alg][0],
                *arguments,
                cwd=self.dir,
            )
        )
        return self.path(out)

    def verify(self, path, *arguments, alg="RS256"):
        return ours(
            "verify", path, "--verification-key", self.algs[alg][1], "--signing-alg", alg, *arguments, cwd=self.dir
        )

    def opa_verify(self, path, *arguments, alg="RS256"):
        return run(
            OPA,
            "build",
            "-b",
            path,
            "-o",
            self.path("again.tar.gz"),
            "--verification-key",
            self.algs[alg][1],
            "--signing-alg",
            alg,
            *arguments,
            cwd=self.dir,
        )

    def sign_folder(self, signer, alg="RS256", *arguments):
        """The bundle's folder signed in place and packed by tar."""
        folder = self.path("signed")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.bundle, folder)
        good(
            run(
                signer,
                "sign",
                "--bundle",
                ".",
                "--signing-alg",
                alg,
                "--signing-key",
                self.algs[alg][0],
                *arguments,
                cwd=folder,
            )
        )
        names = sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, fs in os.walk(folder) for f in fs)
        return archive([(n, open(os.path.join(folder, n), "rb").read()) for n in names], self.path("packed.tar.gz"))


# ---- both directions


@needs_opa
def opa_builds_we_verify(w):
    for alg, (private, _) in w.algs.items():
        good(
            run(
                OPA,
                "build",
                "-b",
                "bundle",
                "-o",
                "opa.tar.gz",
                "--signing-alg",
                alg,
                "--signing-key",
                private,
                cwd=w.dir,
            )
        )
        out = good(w.verify("opa.tar.gz", alg=alg))
        assert "verified" in out and "revision r1" in out, out


@needs_opa
def opa_signs_a_folder_we_verify(w):
    for alg in ("RS256", "ES256", "HS256"):
        good(w.verify(w.sign_folder(OPA, alg), alg=alg))


@needs_opa
def we_build_opa_verifies(w):
    for alg in w.algs:
        good(w.opa_verify(w.build("ours.tar.gz", alg=alg), alg=alg))


@needs_opa
def we_sign_a_folder_opa_verifies(w):
    for alg in ("RS256", "ES256", "HS256"):
        packed = w.sign_folder(COUNTERSIGN, alg)
        good(w.opa_verify(packed, alg=alg))
        good(w.verify(packed, alg=alg))


@needs_opa
def a_signed_folder_is_named_as_by_opa(w):
    folder = w.path("tree")
    shutil.copytree(w.bundle, folder)
    good(ours("sign", "--bundle", "tree", "--signing-key", w.rsa, "-o", "tree", cwd=w.dir))
    good(run(OPA, "build", "-b", "tree", "-o", "again.tar.gz", "--verification-key", w.rsa_pub, cwd=w.dir))
    good(run(OPA, "sign", "--bundle", "tree", "--signing-key", w.rsa, "-o", "tree", cwd=w.dir))
    good(w.verify("tree"))


@needs_opa
def what_we_build_answers_the_same(w):
    path = w.build("ours.tar.gz", "-r", "mine")
    good(run(OPA, "build", "-b", "bundle", "-o", "opa.tar.gz", "-r", "mine", cwd=w.dir))
    for query in ("data", "data.app.authz.allow"):
        command = [OPA, "eval", "-f", "raw", "-I", query, "-b"]
        results = []
        for bundle in (path, "opa.tar.gz"):
            done = subprocess.run(
                [*command, bundle], cwd=w.dir, input=b'{"user": "ann"}', capture_output=True, timeout=60
            )
            results.append((done.returncode, done.stdout))
        assert results[0] == results[1] and results[0][0] == 0, results
    mine, theirs = dict(content(path)), dict(content(w.path("opa.tar.gz")))
    assert json.loads(mine["/.manifest"]) == json.loads(theirs["/.manifest"])
    assert json.loads(mine["/data.json"]) == json.loads(theirs["/data.json"])
    assert set(mine) - {"/.signatures.json"} == set(theirs)


@needs_opa
def inspect_prints_what_opa_prints(w):
    good(run(OPA, "build", "-b", "bundle", "-o", "opa.tar.gz", "--signing-key", w.rsa, cwd=w.dir))
    for path in ("opa.tar.gz", "bundle"):
        assert good(ours("inspect", path, cwd=w.dir)) == good(run(OPA, "inspect", path, cwd=w.dir))
        mine = good(ours("inspect", "-f", "json", path, cwd=w.dir))
        theirs = good(run(OPA, "inspect", "-f", "json", path, cwd=w.dir))
        assert mine == theirs, (mine, theirs)


@needs_opa
def loose_files_build_as_opa(w):
    for paths in (["bundle"], ["bundle/app/policy.rego", "bundle/lists"], ["x.y:bundle/lists/data.json"]):
        good(ours("build", "-o", "a.tar.gz", *paths, cwd=w.dir))
        good(run(OPA, "build", "-o", "b.tar.gz", *paths, cwd=w.dir))
        mine, theirs = dict(content(w.path("a.tar.gz"))), dict(content(w.path("b.tar.gz")))
        assert set(mine) == set(theirs), (set(mine), set(theirs))
        assert mine == theirs, (mine, theirs)


@needs_opa
def opa_serves_what_we_build(w):
    path = w.build("ours.tar.gz")
    socket = w.path("opa.sock")
    command = [OPA, "run", "-s", "-b", path, "--verification-key", w.rsa_pub, "--verification-key-id", "default"]
    server = subprocess.Popen([*command, "--addr", "unix://" + socket], stderr=subprocess.PIPE, cwd=w.dir)
    try:
        deadline = time.time() + 20
        while not os.path.exists(socket) and server.poll() is None and time.time() < deadline:
            time.sleep(0.05)
        request = [
            "curl",
            "-s",
            "--unix-socket",
            socket,
            "-d",
            '{"input": {"user": "ann"}}',
            "http://x/v1/data/app/authz",
        ]
        assert json.loads(good(run(*request))) == {"result": {"allow": True}}
    finally:
        server.kill()
        server.communicate()


# ---- push


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what was put and gives the answer that the test wants."""

    answer = (200, b"{}")
    got = None

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        type(self).got = (self.path, dict(self.headers), body)
        self.send_response(self.answer[0])
        self.send_header("Content-Length", str(len(self.answer[1])))
        self.end_headers()
        self.wfile.write(self.answer[1])

    def log_message(self, *_):
        pass


@case
def push_sends_the_bundle_and_tells_the_answer(w):
    path = w.build("b.tar.gz")
    token = w.path("token")
    with open(token, "w") as out:
        out.write("t0ken\n")
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        Receiver.answer = (200, b'{"name":"authz","revision":"r1"}')
        for to in ("/authz", "/v1/bundles/authz"):
            out = good(ours("push", path, "--to", base + to, "--token-file", token))
            assert json.loads(out)["revision"] == "r1", out
            got = Receiver.got
            assert got[0] == "/v1/bundles/authz" and got[1]["Authorization"] == "Bearer t0ken", got[:2]
            assert got[1]["Content-Type"] == "application/gzip" and got[2] == open(path, "rb").read()
        good(ours("push", path, "--to", base + "/emergency-override?ttl=30m"))
        assert Receiver.got[0] == "/v1/bundles/emergency-override?ttl=30m" and "Authorization" not in Receiver.got[1]
        Receiver.answer = (400, b'{"code":"invalid_bundle","message":"scope mismatch"}')
        refused(ours("push", path, "--to", base + "/authz"), "400 invalid_bundle: scope mismatch")
        Receiver.answer = (
            422,
            b'{"code":"bundle_compile_error","message":"m","errors":[{"code":"rego_type_error"}]}',
        )
        refused(ours("push", path, "--to", base + "/authz"), "rego_type_error")
        Receiver.answer = (503, b"<html>")
        refused(ours("push", path, "--to", base + "/authz"), "answered 503")
        refused(ours("push", w.path("nothing"), "--to", base + "/authz"), "nothing: no such file or directory")
    finally:
        server.shutdown()
        server.server_close()
    refused(ours("push", path, "--to", base + "/authz"), "error: ")


# ---- signatures


@case
def the_same_input_gives_the_same_bytes(w):
    first = open(w.build("one.tar.gz"), "rb").read()
    assert first == open(w.build("two.tar.gz"), "rb").read()


@case
def verify_tells_what_was_signed(w):
    claims = w.path("claims.json")
    json.dump({"scope": "write", "iat": 1700000000, "iss": "ci", "keyid": "ci"}, open(claims, "w"))
    path = w.build("scoped.tar.gz", "--claims-file", claims)
    out = json.loads(good(w.verify(path, "--scope", "write", "-f", "json")))
    assert (
        out["scope"] == "write" and out["iat"] == 1700000000 and out["iss"] == "ci" and out["revision"] == "r1"
    ), out
    assert re.fullmatch("sha256:[0-9a-f]{64}", out["digest"]), out
    refused(w.verify(path), "scope mismatch")
    refused(w.verify(path, "--scope", "read"), "scope mismatch")


@case
def wrong_keys_and_algorithms(w):
    path = w.build("b.tar.gz")
    refused(ours("verify", path, "--verification-key", w.other_pub), "failed to verify JWT signature")
    refused(ours("verify", path, "--verification-key", w.ec_pub), "the key does not fit the algorithm RS256")
    refused(
        ours("verify", path, "--verification-key", w.rsa_pub, "--signing-alg", "PS256"),
        "failed to verify JWT signature",
    )
    refused(
        ours("verify", path, "--verification-key", w.rsa_pub, "--signing-alg", "none"),
        "unknown signature algorithm: none",
    )
    # The public key as an HMAC secret: the classic confusion.
    text = open(w.rsa_pub).read()
    forged = w.path("forged.tar.gz")
    good(ours("build", "-b", "bundle", "-o", forged, "--signing-alg", "HS256", "--signing-key", text, cwd=w.dir))
    refused(ours("verify", forged, "--verification-key", w.rsa_pub), "failed to verify JWT signature")


@case
def an_unsigned_bundle_is_no_signed_one(w):
    good(ours("build", "-b", "bundle", "-o", "plain.tar.gz", cwd=w.dir))
    refused(w.verify("plain.tar.gz"), "bundle missing .signatures.json file")


@case
def alg_none_never_verifies(w):
    path = w.build("b.tar.gz")
    entries = dict(content(path))
    header, payload, _ = json.loads(entries["/.signatures.json"])["signatures"][0].split(".")
    for alg in ('{"alg":"none"}', '{"alg":"None"}', '{"typ":"JWT"}', '{"alg":"RS256","crit":["x"],"x":1}'):

        token = base64.urlsafe_b64encode(alg.encode()).rstrip(b"=").decode() + "." + payload + "."
        entries["/.signatures.json"] = json.dumps({"signatures": [token]}).encode()
        refused(w.verify(archive(entries.items(), w.path("none.tar.gz"))), "failed to verify JWT signature")
    for text, why in (
        ('{"signatures": []}', "missing JWT"),
        ('{"signatures": ["a", "b"]}', "multiple JWTs"),
        ("{}", "missing JWT"),
        ('{"signatures": ["x"], "plugin": "mine"}', "no verifier exists under id mine"),
        ("[", "signatures decode"),
        ('{"signatures": ["a.b.c"]}', "failed to verify JWT signature"),
    ):
        entries["/.signatures.json"] = text.encode()
        refused(w.verify(archive(entries.items(), w.path("bad.tar.gz"))), why)


@case
def one_flipped_byte_is_refused(w):
    path = w.build("b.tar.gz")
    whole = open(path, "rb").read()
    # Bytes 4 to 9 of a gzip stream are a time and hints that mean nothing to anyone and have no checksum.
    places = [0, 1, 2, 3, *range(10, len(whole), 23), *range(len(whole) - 9, len(whole))]
    for at in places:
        changed = bytearray(whole)
        changed[at] ^= 1
        with open(w.path("flipped.tar.gz"), "wb") as out:
            out.write(changed)
        if at == 3:
            continue  # FTEXT, the flag in that bit, means nothing either
        status, text = w.verify("flipped.tar.gz")
        assert status == 1 and "error: bundle flipped.tar.gz: " in text, f"byte {at}: {status} {text}"


@case
def one_flipped_byte_of_a_file_is_refused(w):
    path = w.build("b.tar.gz")
    entries = content(path)
    for i, (name, text) in enumerate(entries):
        if name == "/.signatures.json":
            places = [text.index(b'"', 20) + 1 + k for k in range(0, len(text) - 40, 97)]
        else:
            places = range(0, len(text), max(1, len(text) // 12))
        for at in places:
            changed = bytearray(text)
            if changed[at : at + 1].isspace():
                continue  # white space between JSON tokens carries no meaning
            changed[at] = ord("0") if changed[at] != ord("0") else ord("1")
            tampered = [*entries[:i], (name, bytes(changed)), *entries[i + 1 :]]
            status, out = w.verify(archive(tampered, w.path("tampered.tar.gz")))
            assert status == 1, f"{name} byte {at}: {status} {out}"


@case
def white_space_in_structured_files_does_not_count(w):
    path = w.build("b.tar.gz")
    entries = dict(content(path))
    entries["/data.json"] = json.dumps(
        json.loads(entries["/data.json"], parse_float=str, parse_int=str), indent=3
    ).encode()
    entries["/data.json"] = re.sub(rb'"([0-9.E]+)"', rb"\1", entries["/data.json"])
    good(w.verify(archive(entries.items(), w.path("spaced.tar.gz"))))


@case
def extra_and_missing_files(w):
    path = w.build("b.tar.gz")
    entries = content(path)
    more = [*entries, ("/app/evil.rego", b"package app.evil\n\nallow := true\n")]
    refused(w.verify(archive(more, w.path("x.tar.gz"))), "file app/evil.rego not included in bundle signature")
    good(w.verify(w.path("x.tar.gz"), "--exclude-files-verify", "app/*.rego"))
    less = [e for e in entries if not e[0].endswith("other.rego")]
    refused(
        w.verify(archive(less, w.path("y.tar.gz"))),
        "file(s) [bundle/app/more/other.rego] specified in bundle signatures but not found in the target bundle",
    )
    twice = [*entries, ("/app/.signatures.json", dict(entries)["/.signatures.json"])]
    refused(w.verify(archive(twice, w.path("z.tar.gz"))), "bundle contains multiple signatures files")


@case
def verification_comes_before_parsing(w):
    path = w.build("b.tar.gz")
    entries = dict(content(path))
    entries["/.manifest"] = b"\x00\xff not json"
    refused(w.verify(archive(entries.items(), w.path("x.tar.gz"))), ".manifest: ")
    entries = dict(content(path))
    entries["/bundle/app/policy.rego"] = b"not rego at all {"
    refused(w.verify(archive(entries.items(), w.path("x.tar.gz"))), "bundle/app/policy.rego: digest mismatch (want: ")


# ---- archives that mean harm


@case
def malicious_archives(w):
    policy = ("a.rego", b"package a\n")
    big = tarfile.TarInfo("data.json")
    big.size = 3 << 30
    for entries, why in (
        ([("../a.rego", b"package a\n")], 'entry "../a.rego": the path leaves the bundle'),
        ([("a/../../b.rego", b"package a\n")], "the path leaves the bundle"),
        ([("/../etc/data.json", b"{}")], "the path leaves the bundle"),
        ([policy, special("b.rego", tarfile.SYMTYPE, "/etc/passwd")], "symbolic links are not allowed"),
        ([policy, special("b.rego", tarfile.LNKTYPE, "a.rego")], "hard links are not allowed"),
        ([policy, special("b", tarfile.FIFOTYPE)], "only files and folders are allowed"),
        ([policy, special("b", tarfile.CHRTYPE)], "only files and folders are allowed"),
        ([policy, policy], "the file is in the archive twice"),
        ([policy, ("./a.rego", b"package a\n")], "the file is in the archive twice"),
        ([policy, ("//a.rego", b"package a\n")], "the file is in the archive twice"),
        (
            [(".manifest", b'{"roots": ["a"]}'), ("b.rego", b"package b\n")],
            "manifest roots [a] do not permit 'package b' in module 'b.rego'",
        ),
    ):
        refused(ours("inspect", archive(entries, w.path("bad.tar.gz"))), why)
    # A header that announces 3 GiB: refused before a byte of it is read.
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("x"))
    with open(w.path("bad.tar.gz"), "wb") as out:
        out.write(gzip.compress(big.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024))
    refused(
        ours("inspect", w.path("bad.tar.gz")), "bundle file 'data.json' size (3221225472 bytes) exceeded max size"
    )


@case
def a_bomb_behind_the_end_of_the_archive(w):
    """Gigabytes of zeros behind the end mark cost a megabyte; they are counted, not kept."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        info = tarfile.TarInfo("data.json")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"{}"))
    path = w.path("bomb.tar.gz")
    with open(path, "wb") as out:
        out.write(gzip.compress(raw.getvalue()))
        zeros = gzip.compress(b"\0" * (64 << 20), 9)
        for _ in range(90):
            out.write(zeros)
    script = f"ulimit -v 4000000; exec '{COUNTERSIGN}' inspect '{path}'"
    if b"asan" in subprocess.run(["nm", "-D", COUNTERSIGN], capture_output=True).stdout:
        script = script.replace("ulimit -v 4000000; ", "")
    refused(run("bash", "-c", script, timeout=300), "bundle exceeded max size (4294967296 bytes)")


@case
def damaged_archives(w):
    path = w.build("b.tar.gz")
    whole = open(path, "rb").read()
    for text, why in (
        (b"", "gzip: invalid header"),
        (b"PK\3\4zip", "gzip: invalid header"),
        (whole[: len(whole) // 2], "unexpected end"),
        (whole[:-4], "unexpected end"),
        (whole + b"garbage", "bundle read failed: "),
        (gzip.compress(b"this is no tar archive" * 100), "bundle read failed: "),
        (whole[:-8] + b"\0\0\0\0" + whole[-4:], "bundle read failed: "),
    ):
        with open(w.path("bad.tar.gz"), "wb") as out:
            out.write(text)
        refused(w.verify("bad.tar.gz"), why)


# ---- manifests, roots, data: OPA's words

REFUSALS = [
    ({".manifest": b"{"}, "bundle load failed on manifest decode: "),
    (
        {".manifest": b"[1]"},
        "bundle load failed on manifest decode: json: cannot unmarshal array into Go value of type bundle.Manifest",
    ),
    (
        {".manifest": b'{"revision": 1}'},
        "json: cannot unmarshal number into Go struct field Manifest.revision of type string",
    ),
    ({".manifest": b'{"roots": ["a", "a/b"]}'}, "manifest has overlapped roots: 'a' and 'a/b'"),
    ({".manifest": b'{"roots": ["/a/", "a"]}'}, "manifest has overlapped roots: 'a' and 'a'"),
    ({".manifest": b'{"roots": ["", "a"]}'}, "manifest has overlapped roots: '' and 'a'"),
    ({".manifest": b'{"rego_version": 7}'}, "manifest has unknown rego-version 7"),
    (
        {".manifest": b'{"file_rego_versions": {"/x.rego": 9}}'},
        "manifest has unknown rego-version 9 for file '/x.rego'",
    ),
    (
        {".manifest": b'{"roots": ["a", "b/c"]}', "x.rego": b"package b"},
        "manifest roots [a b/c] do not permit 'package b' in module ",
    ),
    (
        {".manifest": b'{"roots": ["a"]}', "x.rego": b'package b["c-d"].e'},
        "do not permit 'package b[\"c-d\"].e' in module ",
    ),
    (
        {".manifest": b'{"roots": ["a"]}', "x/data.json": b'{"y": 1}'},
        "manifest roots [a] do not permit data at path '/x' (hint: check bundle directory structure)",
    ),
    (
        {".manifest": b'{"roots": ["a/b"]}', "data.json": b'{"a": {"c": {"d": 1}}}'},
        "do not permit data at path '/a/c/d'",
    ),
    ({".manifest": b'{"roots": ["a/b"]}', "data.json": b'{"a": 7}'}, "do not permit data at path '/a'"),
    (
        {".manifest": b'{"roots": []}', "a.rego": b"package a"},
        "manifest roots [] do not permit 'package a' in module",
    ),
    ({"data.json": b"[1]"}, "root value must be object"),
    ({"data.json": b'{"a": 1} x'}, "bundle load failed on "),
    (
        {
            "a/data.yaml": b"a: [",
        },
        "bundle load failed on ",
    ),
    ({"data.json": b'{"a": {"b": 1}}', "a/data.json": b'{"b": 2}'}, "failed to insert data file from path "),
    ({".manifest": b"{}", "sub/.manifest": b"{}"}, "bundle contains multiple manifest files: "),
    (
        {"patch.json": b'{"data": [{"op": "upsert", "path": "/a", "value": 1}]}', "data.json": b'{"x": 1}'},
        "delta bundle expected to contain only patch file but data files found",
    ),
    (
        {"patch.json": b'{"data": [{"op": "upsert", "path": "/a", "value": 1}]}', "x.rego": b"package x"},
        "delta bundle expected to contain only patch file but policy files found",
    ),
    (
        {".manifest": b'{"roots": ["b"]}', "patch.json": b'{"data": [{"op": "upsert", "path": "/a/c", "value": 1}]}'},
        "manifest roots [b] do not permit data patch at path 'a/c'",
    ),
    ({"patch.json": b"{"}, "bundle load failed on patch decode: "),
]


@case
def what_is_wrong_is_named_in_opas_words(w):
    for files, why in REFUSALS:
        path = archive(sorted(files.items()), w.path("bad.tar.gz"))
        refused(ours("build", "-b", path, "-o", w.path("out.tar.gz")), why)
        assert not os.path.exists(w.path("out.tar.gz"))
        if OPA:
            refused(run(OPA, "build", "-b", path, "-o", w.path("out.tar.gz")), why)


@case
def data_goes_where_its_folder_says(w):
    files = {
        "data.json": b'{"r": 1}',
        "a/data.json": b'{"x": 1.0}',
        "a/b/data.yaml": b"y: [1, 2]",
        "a/data.yml": b"z: true",
        "a/other.json": b'{"no": 1}',
        "a/b/c.yaml": b"no: 1",
    }
    path = archive(files.items(), w.path("d.tar.gz"))
    good(ours("build", "-b", path, "-o", w.path("out.tar.gz")))
    assert dict(content(w.path("out.tar.gz")))["/data.json"] == b'{"a":{"b":{"y":[1,2]},"x":1.0,"z":true},"r":1}\n'


@case
def loose_files_clash(w):
    for name, text in (
        ("p.json", b'{"a": {"b": 1}}'),
        ("q.yaml", b"a: {b: 2}"),
        ("list.json", b"[1]"),
        ("bad.json", b"{,}"),
    ):
        with open(w.path(name), "wb") as out:
            out.write(text)
    clash = "q.yaml: merge error: conflicting values at data.a.b, also defined in p.json"
    refused(ours("build", "p.json", "q.yaml", cwd=w.dir), "1 error occurred during loading: " + clash)
    both = ours("build", "p.json", "q.yaml", "list.json", "bad.json", "none.rego", cwd=w.dir)
    refused(both, "4 errors occurred during loading:\n")
    refused(both, "list.json: document must be of type object")
    refused(both, "stat none.rego: no such file or directory")
    good(ours("build", "p.json", "p.json", "x:q.yaml", "-o", "ok.tar.gz", cwd=w.dir))
    if OPA:
        refused(run(OPA, "build", "p.json", "q.yaml", cwd=w.dir), clash)


@case
def bundles_merge_or_say_why_not(w):
    one = archive(
        [(".manifest", b'{"revision": "1", "roots": ["a"]}'), ("a/data.json", b'{"x": 1}')], w.path("1.tar.gz")
    )
    two = archive(
        [(".manifest", b'{"revision": "2", "roots": ["b"]}'), ("b/data.json", b'{"y": 2}')], w.path("2.tar.gz")
    )
    good(ours("build", "-b", one, two, "-o", w.path("both.tar.gz")))
    entries = dict(content(w.path("both.tar.gz")))
    assert json.loads(entries["/.manifest"]) == {"revision": "", "roots": ["a", "b"], "rego_version": 1}
    assert json.loads(entries["/data.json"]) == {"a": {"x": 1}, "b": {"y": 2}}
    good(ours("build", "-b", one, one, "-o", w.path("x.tar.gz")))  # once is enough
    shutil.copy(one, w.path("3.tar.gz"))
    again = ours("build", "-b", one, w.path("3.tar.gz"), "-o", w.path("x.tar.gz"))
    refused(again, "manifest has overlapped roots: 'a' and 'a'")


@case
def ignored_names_stay_out(w):
    good(ours("build", "-b", "bundle", "--ignore", "more,*.yaml", "-o", "small.tar.gz", cwd=w.dir))
    entries = dict(content(w.path("small.tar.gz")))
    assert "/bundle/app/policy.rego" in entries and "/bundle/app/more/other.rego" not in entries
    assert "extra" not in json.loads(entries["/data.json"])["lists"]


@case
def policy_that_does_not_compile_is_not_built(w):
    bad = archive([("a.rego", b"package a\n\np := undefined_function(1)\n")], w.path("bad.tar.gz"))
    refused(ours("build", "-b", bad, "-o", w.path("out.tar.gz")), "undefined function undefined_function")
    assert not os.path.exists(w.path("out.tar.gz"))


@case
def flags_that_make_no_sense(w):
    for arguments, why in (
        (["build"], "expected at least one path"),
        (["build", "bundle", "--signing-key", "x"], "enable bundle mode"),
        (["build", "-b", "bundle", "--claims-file", "x"], "specify the secret"),
        (["sign", "-b", "bundle"], "specify the secret"),
        (["sign", "--signing-key", "x", "bundle"], "enable bundle mode"),
        (["sign", "-b", "--signing-key", "x"], "specify atleast one path"),
        (["verify"], "specify exactly one bundle"),
        (["verify", "b", "--nonsense"], "unknown flag: --nonsense"),
        (["push", "b"], "specify exactly one bundle and --to"),
        (["push", "b", "--to", "host/x"], "--to must be"),
        (["nonsense"], 'unknown command "nonsense"'),
        (["build", "-b", "nowhere"], 'error reading "nowhere"'),
        (["sign", "-b", "bundle", "--signing-key", "no key"], "failed to parse PEM block containing the key"),
    ):
        refused(ours(*arguments, cwd=w.dir), why)
    good(ours("--help"))
    good(ours("build", "--help"))


def main():
    failed = 0
    for function in CASES:
        folder = tempfile.mkdtemp(prefix="bundle-")
        try:
            function(World(folder))
            print(f"ok    {function.__name__}")
        except Exception as e:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL  {function.__name__}: {type(e).__name__}: {e}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
