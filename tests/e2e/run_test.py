#!/usr/bin/env python3
"""The flags of `run`: what is refused and in which words, files and a configuration that change while it serves,
certificates, Unix sockets, the log, the end. Expected texts and statuses are OPA's.

Environment: COUNTERSIGN (the built program)."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

from serving import COUNTERSIGN, World, ask, close, free_port, run_cases, wait_for

CASES = []


def case(function):
    CASES.append(function)
    return function


class Server:
    def __init__(self, w, *args, env=None, port=None, addr=True):
        self.w, self.port = w, port or free_port()
        self.name = f"run-{self.port}.log"
        first = ["--addr", f"127.0.0.1:{self.port}"] if addr else []
        more = {"env": {**os.environ, **env}} if env else {}
        self.process = w.start(COUNTERSIGN, "run", "--server", *first, *args, log=self.name, **more)
        wait_for("countersign", lambda: ask(self.port, "GET", "/health").status == 200, 20, self.process)

    def lines(self):
        return [json.loads(line) for line in open(self.w.path(self.name)) if line.startswith("{")]

    def said(self, message):
        return [line for line in self.lines() if line["msg"] == message]

    def data(self, path):
        return ask(self.port, "GET", "/v1/data/" + path).json().get("result")

    def end(self, how=signal.SIGTERM):
        os.kill(self.process.pid, how)
        return self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.w.stop(self.process)


def refused(w, *args):
    done = subprocess.run([COUNTERSIGN, "run", "-s", "--addr", f"127.0.0.1:{free_port()}", *args], cwd=w.dir,
                          capture_output=True, timeout=20)
    assert done.returncode == 1, (args, done)
    return done.stdout.decode(), done.stderr.decode()


@case
def what_is_refused(w):
    for args, text in (
        (["--set", "x"], 'config error: failed parsing --set data: key "x" has no value'),
        (["--set", "a.b"], 'config error: failed parsing --set data: key map "a" has no value'),
        (["--set", "a={1,2"], "config error: failed parsing --set data: list must terminate with '}'"),
        (["--set-file", "x=/none"],
         "config error: failed parsing --set-file data: open /none: no such file or directory"),
        (["-c", "/none"], "config error: open /none: no such file or directory"),
        (["/none"], "load error: 1 error occurred during loading: stat /none: no such file or directory"),
        (["--tls-cert-file", "x"], "--tls-cert-file and --tls-private-key-file must be specified together"),
        (["--tls-cert-file", "x", "--tls-private-key-file", "y"], "open x: no such file or directory"),
        (["--tls-ca-cert-file", "/none"], "read CA cert file: open /none: no such file or directory"),
        (["--tls-cipher-suites", "X"], "invalid cipher suite X"),
        (["--tls-cipher-suites", "TLS_AES_128_GCM_SHA256"],
         'TLS 1.3 cipher suite "TLS_AES_128_GCM_SHA256" is not configurable'),
        (["--verification-key", "x"], "enable bundle mode (ie. --bundle) to verify bundle files or directories"),
    ):
        out, _ = refused(w, *args)
        assert out == f"error: {text}\n", (args, out)


@case
def addresses_that_are_none(w):
    for address, message, why in (
        ("foo://x", "Unable to create listeners.", 'invalid url scheme "foo"'),
        ("127.0.0.1:abc", "Unable to create listeners.",
         'parse "http://127.0.0.1:abc": invalid port ":abc" after host'),
        (":::", "Unable to create listeners.", 'parse "http://:::": invalid port ":::" after host'),
        ("https://127.0.0.1:1", "Unable to create listeners.", "TLS certificate required but not supplied"),
        ("127.0.0.1:99999", "Listener failed.", "listen tcp: address 99999: invalid port"),
    ):
        out, err = refused(w, "--addr", address)
        line = json.loads(err.splitlines()[-1])
        assert (out, line["level"], line["msg"], line["err"]) == ("", "error", message, why), (address, out, line)
    _, err = refused(w, "--unix-socket-perm", "999", "--addr", "unix://" + w.path("p.sock"))
    assert json.loads(err.splitlines()[-1])["err"] == 'strconv.ParseUint: parsing "999": invalid syntax'


@case
def the_environment_gives_defaults(w):
    port = free_port()
    with Server(w, env={"OPA_RUN_ADDR": f"127.0.0.1:{port}", "OPA_RUN_LOG_LEVEL": "debug", "NAME": "n1"}, port=port,
                addr=False) as s:
        assert s.said("Server initialized."), "shown at level debug only"
    config = w.write("env.yaml", 'labels: {a: "${NAME}", b: "${NOT_SET_HERE}"}\n')
    with Server(w, "-c", config, "--set", "labels.c=${NAME}", "--set", "labels.d=x\\,y",
                "--set-file", "labels.f=" + w.write("value", " text \n"), env={"NAME": "n1"}) as s:
        labels = ask(s.port, "GET", "/v1/config").json()["result"]["labels"]
        got = {k: labels.get(k) for k in "abcdf"}
        assert got == {"a": "n1", "b": "${NOT_SET_HERE}", "c": "n1", "d": "x,y", "f": "text"}, labels


@case
def files_that_change(w):
    folder = w.path("watched")
    os.makedirs(folder)
    put = lambda name, text: w.write(os.path.join("watched", name), text)
    put("a.rego", "package a\nv := 1\n")
    put("b.rego", "package b\nv := data.d.x\n")
    put("data.json", '{"d": {"x": 1}, "gone": 2}')
    with Server(w, "-w", folder, "--log-level", "info", "--log-level-request", "debug") as s:
        ask(s.port, "PUT", "/v1/policies/mine", b"package mine\nv := 7\n")
        ask(s.port, "PUT", "/v1/data/put", b"3")
        put("a.rego", "package a\nv := 2\n")
        wait_for("the new policy", lambda: s.data("a/v") == 2, 10, s.process)
        assert s.data("mine/v") == 7, "what came by the API stays"
        assert s.data("put") is None, "data of the files replaces all"
        put("data.json", '{"d": {"x": 5}}')
        wait_for("the new data", lambda: s.data("b/v") == 5, 10, s.process)
        assert s.data("gone") is None
        put("a.rego", "package a\nv := \n")
        wait_for("the error", lambda: any(line["err"] for line in s.said("Processed file watch event.")), 10)
        told = [line for line in s.said("Processed file watch event.") if line["err"]][-1]
        assert "rego_parse_error" in told["err"] and told["duration"] > 0 and told["level"] == "info", told
        assert s.data("a/v") == 2 and s.data("b/v") == 5, "what was good serves on"
        put("a.rego", "package a\nv := 3\n")
        wait_for("the next policy", lambda: s.data("a/v") == 3, 10, s.process)
        os.remove(os.path.join(folder, "a.rego"))
        wait_for("the policy to go", lambda: s.data("a/v") is None, 10, s.process)


@case
def a_configuration_that_changes(w):
    config = w.write("changing.yaml", "labels: {v: one}\n")
    label = lambda s: ask(s.port, "GET", "/v1/config").json()["result"]["labels"]["v"]
    policy = w.write("kept.rego", "package kept\nv := 1\n")
    with Server(w, "-c", config, "--watch-config", "--log-level-request", "debug", policy) as s:
        assert label(s) == "one"
        w.write("changing.yaml", "labels: [\n")
        wait_for("the refusal", lambda: s.said("Failed to reload configuration."), 10, s.process)
        assert label(s) == "one" and s.said("Failed to reload configuration.")[0]["level"] == "error"
        w.write("changing.yaml", "labels: {v: two}\n")
        wait_for("the new one", lambda: label(s) == "two", 15, s.process)
        assert s.data("kept/v") == 1
        assert s.said("Reloading configuration.") and s.said("Restarting to apply the new configuration.")
        # One that is well-formed and cannot come up: the one before comes back.
        w.write("changing.yaml", "labels: {v: three}\naudit: {dir: /dev/null/x}\n")
        text = "Failed to come up under the new configuration, falling back to the previous one."
        wait_for("the way back", lambda: s.said(text), 15, s.process)
        wait_for("the one before", lambda: label(s) == "two", 15, s.process)
        assert s.end() == 0


def certificate(w, name, serial):
    cert, key = w.path(name + ".crt"), w.path(name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-set_serial", str(serial)],
                   check=True, capture_output=True)
    return cert, key


def serial_of(port, **how):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in how.items():
        setattr(context, name, value)
    with socket.create_connection(("127.0.0.1", port), 5) as s, context.wrap_socket(s) as t:
        der = t.getpeercert(True)
        show = ["openssl", "x509", "-inform", "der", "-noout", "-serial"]
        serial = subprocess.run(show, input=der, capture_output=True).stdout.decode().strip()
        return serial, t.version(), t.cipher()[0]


@case
def certificates_that_change(w):
    cert, key = certificate(w, "live", 17)
    other = certificate(w, "other", 18)
    port = free_port()
    process = w.start(COUNTERSIGN, "run", "-s", "--addr", f"127.0.0.1:{port}", "--tls-cert-file", cert,
                      "--tls-private-key-file", key, "--tls-cert-refresh-period", "1h", "--log-level", "error",
                      "--min-tls-version", "1.2", "--tls-cipher-suites", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
    wait_for("TLS", lambda: serial_of(port)[0] == "serial=11", 20, process)
    old = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    assert serial_of(port, **old)[1:] == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    shutil.copy(other[0], cert)
    shutil.copy(other[1], key)
    time.sleep(1.5)
    assert serial_of(port)[0] == "serial=11", "not looked at yet"
    os.kill(process.pid, signal.SIGHUP)
    wait_for("the other certificate", lambda: serial_of(port)[0] == "serial=12", 10, process)
    w.stop(process)
    process = w.start(COUNTERSIGN, "run", "-s", "--addr", f"127.0.0.1:{port}", "--tls-cert-file", cert,
                      "--tls-private-key-file", key, "--min-tls-version", "1.3", "--log-level", "error")
    wait_for("TLS 1.3", lambda: serial_of(port)[1] == "TLSv1.3", 20, process)
    try:
        serial_of(port, **old)
        raise AssertionError("TLS 1.2 was accepted")
    except (ssl.SSLError, ConnectionError):
        pass
    w.stop(process)


@case
def unix_sockets(w):
    path = w.path("x.sock")
    name = f"@countersign-{os.getpid()}"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    with Server(w, "--addr", "unix://" + path, "--addr", "unix://" + name, "--unix-socket-perm", "700") as s:
        assert os.stat(path).st_mode & 0o777 == 0o700
        for where in (path, "\0" + name[1:]):
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(where)
                c.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert c.recv(100).startswith(b"HTTP/1.1 200"), where
        assert s.end() == 0


@case
def the_log(w):
    with Server(w, "--log-level-request", "error", "--log-timestamp-format", "2006-01-02") as s:
        ask(s.port, "POST", "/v1/data/a?pretty", {"input": 1})
        line = s.said("Sent response.")[-1]
        assert list(line) == sorted(line) and line["level"] == "error", line
        assert set(line) == {"client_addr", "level", "msg", "req_id", "req_method", "req_path", "resp_bytes",
                             "resp_duration", "resp_status", "time"}, line
        assert line["time"] == time.strftime("%Y-%m-%d", time.gmtime()), line
    with Server(w, "--log-level", "debug") as s:
        ask(s.port, "POST", "/v1/data/a?pretty&x=1&x=2", {"input": 1})
        line = s.said("Received request.")[-1]
        assert line["req_body"] == '{"input": 1}' and line["req_params"] == {"pretty": [""], "x": ["1", "2"]}, line
        assert s.said("Sent response.")[-1]["resp_body"] == "{}\n"
    with Server(w, "--log-level-request", "debug") as s:
        ask(s.port, "GET", "/v1/data")
        assert not s.said("Sent response."), "level debug does not show"
        assert s.said("Initializing server.")[0]["addrs"] == [f"127.0.0.1:{s.port}"]
    with Server(w, "--log-format", "text") as s:
        pass
    text = open(w.path(s.name)).read()
    first = f'[INFO] Initializing server.\n  addrs = |\n      [\n        "127.0.0.1:{s.port}"\n      ]\n'
    assert text.startswith(first), text
    with Server(w, "--log-format", "json-pretty") as s:
        pass
    text = open(w.path(s.name)).read()
    assert text.startswith(f'{{\n  "addrs": [\n    "127.0.0.1:{s.port}"\n  ],\n  "diagnostic-addrs": [],\n'), text


@case
def the_end(w):
    with Server(w, "--shutdown-wait-period", "1") as s:
        began = time.monotonic()
        os.kill(s.process.pid, signal.SIGTERM)
        time.sleep(0.3)
        assert ask(s.port, "GET", "/health").status == 200, "it serves on"
        assert s.process.wait(10) == 0 and time.monotonic() - began >= 1
        assert s.said("Waiting 1s before initiating shutdown...") and s.said("Server shutdown.")
    with Server(w, "--shutdown-grace-period", "1") as s:
        with socket.create_connection(("127.0.0.1", s.port), 5) as c:
            c.sendall(b"POST /v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
            time.sleep(0.2)
            assert s.end() == 1, "one was not answered in time"
        assert "deadline exceeded" in s.said("Failed to shutdown server gracefully.")[0]["err"]


def main():
    w = World()
    wanted = [c for c in CASES if not sys.argv[1:] or c.__name__ in sys.argv[1:]]
    done = run_cases(wanted, w, seconds=90)
    w.end()
    close(*done)


main()
