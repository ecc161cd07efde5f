"""What the suites that start the service share: keys, signed bundles, a configuration, the process, requests,
ports, the closing line.

Not a suite of its own: it is not executable."""

import atexit
import calendar
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COUNTERSIGN = os.environ.get("COUNTERSIGN") or os.path.join(ROOT, "build", "countersign")

RENAME = "3f1c8b0f0a3f9b1f9c3a7f0f6f3c1d5e8a9b7c6d5e4f3a2b1c0d9e8f7a6b5c4d"
MERGE = "71f7dc5758652baac68e4a10c50be732b741c892ade2883a99358f52b555286b"
ENTITY = "0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9eafb"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {dict(self.headers.items())} {self.body[:2000]!r}"


def ask(port, method, path, body=None, headers=None, timeout=20):
    """One request on a connection of its own. A body that is no bytes is sent as JSON."""
    headers = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("content-type", "application/json")
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        link.request(method, path, body, headers)
        reply = link.getresponse()
        return Reply(reply.status, reply.headers, reply.read())
    finally:
        link.close()


def wait_for(what, check, seconds=30, process=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{what}: the process ended with status {process.returncode}")
        try:
            if check():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def is_open(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


def archive(entries, compress=True):
    """A tar, gzipped or not, of (name, bytes) pairs and ready TarInfo entries, as bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz" if compress else "w") as tar:
        for entry in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry[0])
            if info is not entry:
                info.size = len(entry[1])
            tar.addfile(info, None if info is entry else io.BytesIO(entry[1]))
    return raw.getvalue()


def content(packed):
    """[(name, bytes)] of an archive."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:*") as tar:
        return [(m.name, tar.extractfile(m).read()) for m in tar.getmembers() if m.isfile()]


class Clock:
    """The wall clock of a process, which a test moves while it runs (Debian's libfaketime; the monotonic clock stays).
    `start` is an RFC 3339 instant at which it stands when the clock is made, then it goes on; None is now."""

    LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

    def __init__(self, w, name="clock", start=None):
        assert os.path.exists(self.LIBRARY), "libfaketime is missing: deploy/build/install-deps.sh test"
        self.path = w.path(name)
        self.offset = 0.0
        if start is not None:
            self.offset = calendar.timegm(time.strptime(start, "%Y-%m-%dT%H:%M:%SZ")) - time.time()
        self.move(0)

    def move(self, seconds):
        self.offset += seconds
        with open(self.path + ".new", "w") as out:
            out.write(f"{self.offset:+.3f}\n")
        os.replace(self.path + ".new", self.path)

    def now(self):
        return time.time() + self.offset

    def text(self, later=0):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now() + later))

    def env(self):
        return {
            **os.environ,
            "LD_PRELOAD": self.LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": self.path,
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # A sanitizer's library wants to be the first one.
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        }


class Issuer:
    """An identity provider: a key, the file of its public half, tokens signed by it."""

    def __init__(self, world, name="idp", issuer="https://idp.test", audience="countersign"):
        import jwt
        from cryptography.hazmat.primitives.asymmetric import ec

        self.jwt, self.issuer, self.audience = jwt, issuer, audience
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        self.jwks = {"keys": [dict(public, kid=name, alg="ES256", use="sig")]}
        self.kid, self.file = name, world.write(name + ".jwks.json", json.dumps(self.jwks))

    def configuration(self, **more):
        return {
            "jwt": {
                "jwks": {"file": self.file},
                "issuer": self.issuer,
                "audience": self.audience,
                "algorithms": ["ES256"],
                **more,
            }
        }

    def claims(self, subject, **more):
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.audience, "sub": subject, "iat": now, "exp": now + 90 * 86400}
        claims.update(more)
        return {k: v for k, v in claims.items() if v is not None}

    def token(self, subject, **more):
        return self.jwt.encode(self.claims(subject, **more), self.key, "ES256", headers={"kid": self.kid})

    def headers(self, subject, **more):
        return {"authorization": "Bearer " + self.token(subject, **more)}


class World:
    """A temporary folder with keys, and every process that a suite starts: they end with it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="countersign-e2e-")
        self.processes = []
        atexit.register(self.end)
        self.make_key("ci")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.path(name), "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)

    def make_key(self, name):
        private, public = self.path(name + ".pem"), self.path(name + ".pub")
        subprocess.run(
            ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private],
            check=True,
            capture_output=True,
        )
        subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
        return private, public

    def build(self, folder, name, key="ci", keyid="ci", scope="write", iat=None, revision="r1"):
        """A signed bundle of a folder; its path."""
        claims = self.write(
            name + ".claims.json", json.dumps({"scope": scope, "keyid": keyid, "iat": iat or int(time.time())})
        )
        out = self.path(name + ".tar.gz")
        done = subprocess.run(
            [COUNTERSIGN, "build", "-b", folder, "-r", revision, "--signing-alg", "ES256", "--signing-key"]
            + [self.path(key + ".pem"), "--claims-file", claims, "-o", out],
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
        return out

    def build_files(self, files, name, **how):
        """A signed bundle of {name: text}."""
        folder = tempfile.mkdtemp(dir=self.dir)
        for path, text in files.items():
            full = os.path.join(folder, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as out:
                out.write(text if isinstance(text, bytes) else text.encode())
        return self.build(folder, name, **how)

    def start(self, *command, log="process.log", **how):
        out = open(self.path(log), "ab")
        process = subprocess.Popen([*command], stdout=out, stderr=out, cwd=self.dir, start_new_session=True, **how)
        self.processes.append(process)
        return process

    def serve(self, config, port=None, log="countersign.log", flags=(), **how):
        """The service on a configuration (a document): (process, port), once it is ready. `how` is for Popen."""
        port = port or free_port()
        path = self.write(f"countersign-{port}.json", json.dumps(config))
        process = self.start(
            COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "-c", path, "--log-level", "error", *flags,
            log=log, **how,
        )
        wait_for("countersign", lambda: ask(port, "GET", "/health?bundles").status == 200, 30, process)
        return process, port

    def stop(self, process, how=signal.SIGTERM):
        if process.poll() is None:
            os.killpg(process.pid, how)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)
        return process.returncode

    def journal(self, name):
        """The configuration of a journal of its own. The suite of Kafka (kafka_test.py) has another one here, and runs
        the cases of others on it, except those that are marked as about the file."""
        return {"sqlite": {"path": self.path(name + ".db")}}

    def end(self):
        for process in reversed(self.processes):
            self.stop(process)
        shutil.rmtree(self.dir, ignore_errors=True)


def base_config(w, *bundles):
    """Bundles by name (files NAME.tar.gz of the world), budgets, the journal: what every suite here needs."""
    return {
        "labels": {"environment": "test"},
        "bundles": {
            b: {"resource": "file://" + w.path(b + ".tar.gz"), "signing": {"keyid": "ci", "scope": "write"}}
            for b in bundles
        },
        "keys": {"ci": {"algorithm": "ES256", "key": open(w.path("ci.pub")).read()}},
        "journal": {"sqlite": {"path": w.path("journal.db")}},
        "spend": {"dedupe": "35d", "max_lateness": "48h", "stale_after": "5s", "on_stale": "deny"},
        "gateways": {"decision": "countersign/authz/result"},
        "persistence_directory": w.path("state"),
    }


def spend_event(tenant, amount, **other):
    """A spend event that happened just now; `other` replaces envelope members (None removes one)."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/tests",
        "type": "io.countersign.spend.recorded.v1",
        "subject": "tenant/" + tenant,
        "time": now,
        "data": {"tenant": tenant, "amount": amount, "currency": "USD", "kind": "usage"},
    }
    event.update(other)
    return {k: v for k, v in event.items() if v is not None}


def about_the_file(function):
    """Marks a case that means the SQLite file itself."""
    function.about_the_file = True
    return function


def run_cases(cases, *arguments, seconds=50):
    """Runs every case; prints what failed and the closing line; the exit status. A suite that hangs is ended."""

    def late():
        print(f"FAILED: not done within {seconds} s", flush=True)
        os.kill(os.getpid(), signal.SIGINT)

    alarm = threading.Timer(seconds, late)
    alarm.daemon = True
    alarm.start()
    passed = failed = 0
    for case in cases:
        try:
            case(*arguments)
            passed += 1
        except KeyboardInterrupt:
            failed += 1
            print(f"FAILED: {case.__name__}: did not end")
            break
        except Exception as e:
            failed += 1
            print(f"FAILED: {case.__name__}: {type(e).__name__}: {e}")
    alarm.cancel()
    return passed, failed


def run_scene(w, cases, logs, start=lambda: None, seconds=50):
    """A suite of one scene: starts what it needs besides the service, runs the cases, shows the ends of the logs (files
    of the scene's folder) if something failed, and ends the scene and the process."""
    done = (0, 1)
    try:
        start()
        done = run_cases(cases, w, seconds=seconds)
    except AssertionError as e:
        print(f"FAILED: {e}")
    finally:
        if done[1]:
            for log in logs:
                if os.path.exists(w.path(log)):
                    print(f"---- {log}\n" + open(w.path(log), errors="replace").read()[-3000:])
        w.end()
    close(*done)


def close(passed, failed):
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
