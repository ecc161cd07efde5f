#!/usr/bin/env python3
"""docs/openapi.json: every route is in it and nothing else, the service serves it, and what schemathesis makes up out
of it never meets an answer that it does not describe.

Environment: COUNTERSIGN (the built program), OPENAPI_EXAMPLES (most examples of an operation; default 5)."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import serving
from serving import ROOT, ask

FILE = os.path.join(ROOT, "docs", "openapi.json")
SCHEMATHESIS = os.path.join(ROOT, "build", "venv", "bin", "schemathesis")
POLICY = """package system

main := {"allowed": true}

health.live := true
"""
# As OPA answers them: 500 where no rule of that name is there, or where nothing that is asked for is configured.
FAILING = ["/health/{rule}", "/health/budget", "/v1/status"]
SHAPES = "status_code_conformance,content_type_conformance,response_schema_conformance"
# GET /v1/compile and /v1/compile/ lead to each other, in OPA as here: who follows redirects never arrives.
LOOPS = {"positive": [], "negative": ["/v1/compile"]}
# What the description allows meets no 500. What it does not allow may: an empty query is one, in OPA as here.
RUNS = {"positive": "not_a_server_error," + SHAPES, "negative": SHAPES}


def routes():
    """(method, path) of routes.def, without what is there only to say no."""
    with open(os.path.join(ROOT, "src", "server", "routes.def"), encoding="utf-8") as f:
        found = re.findall(r'^ROUTE\("(\w+)", "([^"]+)"', f.read(), re.M)
    return [(m, p) for m, p in found if m != "NONE"]


def documented(api):
    return [(m.upper(), p) for p, item in api["paths"].items() for m in item]


def fits(route, operation):
    """Does the route take this operation?"""
    (method, path), (m, p) = route, operation
    if method not in ("ANY", m):
        return False
    if path.endswith("/{rest}"):
        return p.startswith(path[: -len("{rest}")])
    return p == path


def problems(api):
    known, told = routes(), documented(api)
    missing = [r for r in known if not any(fits(r, o) for o in told)]
    unknown = [o for o in told if not any(fits(r, o) for r in known)]
    return [f"{m} {p} is not in docs/openapi.json" for m, p in missing] + [f"{m} {p} is no route" for m, p in unknown]


def start(folder):
    policy = os.path.join(folder, "system.rego")
    with open(policy, "w", encoding="utf-8") as f:
        f.write(POLICY)
    port = serving.free_port()
    command = [serving.COUNTERSIGN, "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error", policy]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            if ask(port, "GET", "/health").status == 200:
                return server, port
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the service does not answer")


def schemathesis(port, folder, mode):
    examples = os.environ.get("OPENAPI_EXAMPLES") or "5"
    command = [SCHEMATHESIS, "run", FILE, "--url", f"http://127.0.0.1:{port}", "--mode", mode, "--checks", RUNS[mode],
               "--phases", "examples,coverage,fuzzing", "--max-examples", examples, "--seed", "1",
               "--generation-database", "none", "--no-color"]
    for path in FAILING + LOOPS[mode]:
        command += ["--exclude-path", path]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def main():
    with open(FILE, encoding="utf-8") as f:
        text = f.read()
    api = json.loads(text)
    results = []

    def check(name, good, why=""):
        results.append(good)
        print(("ok    " if good else "FAIL  ") + name + ("" if good else f"\n{why}"), flush=True)

    wrong = problems(api)
    check("every_route_is_described_and_nothing_else", not wrong, "\n".join(wrong))
    check("a_route_that_is_not_described_is_found", len(problems({"paths": {"/x": {"get": {}}}})) > len(routes()))
    with tempfile.TemporaryDirectory() as folder:
        server, port = start(folder)
        try:
            served = ask(port, "GET", "/docs/api/openapi.json")
            check("it_is_served", served.status == 200 and served.body.decode() == text, served)
            page = ask(port, "GET", "/docs/api")
            check("there_is_a_page_that_asks_no_other_host", page.status == 200 and b"http" not in page.body, page)
            if os.access(SCHEMATHESIS, os.X_OK):
                for mode in RUNS:
                    p = schemathesis(port, folder, mode)
                    check(f"schemathesis_{mode}", p.returncode == 0, (p.stdout + p.stderr)[-12000:])
                check("the_service_lives", server.poll() is None)
            else:
                print("left out: schemathesis (it is not in build/venv)")
        finally:
            server.terminate()
            server.wait()
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
