#!/usr/bin/env python3
"""Runs the README's tour: every `$ command` of its console blocks, against the demo that `make run` starts, compared
with the output that the README shows. The demo listens on a free port; the README's address is replaced by it."""
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README_ADDRESS = "127.0.0.1:8181"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tour(text):
    """(command, expected output) of every console block."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        command, output = None, []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, "\n".join(output)
                command, output = line[2:], []
            else:
                output.append(line)
        if command:
            yield command, "\n".join(output)


def wait_until_ready(address, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            return False
        try:
            with urllib.request.urlopen(f"http://{address}/health?bundles", timeout=1) as reply:
                if reply.status == 200:
                    return True
        except OSError:
            time.sleep(0.1)
    return False


def main():
    os.chdir(ROOT)
    address = f"127.0.0.1:{free_port()}"
    subprocess.run(["rm", "-rf", "build/demo/state"], check=True)
    log = open("build/test-readme-demo.log", "wb")
    demo = subprocess.Popen(
        ["deploy/demo.sh"], env=dict(os.environ, DEMO_ADDR=address), stdout=log, stderr=log, start_new_session=True
    )
    passed = failed = 0
    try:
        if not wait_until_ready(address, demo):
            print(open("build/test-readme-demo.log").read()[-3000:])
            print("the demo did not become ready")
            print("0 passed, 1 failed")
            return 1
        for command, expected in tour(open("README.md").read()):
            run = subprocess.run(
                ["bash", "-c", command.replace(README_ADDRESS, address)], capture_output=True, text=True, timeout=60
            )
            got = run.stdout.rstrip("\n")
            if got == expected:
                passed += 1
            else:
                failed += 1
                print(f"FAILED: {command}\n  expected: {expected}\n  got:      {got}\n  stderr:   {run.stderr.strip()}")
    finally:
        os.killpg(demo.pid, signal.SIGTERM)
        try:
            demo.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(demo.pid, signal.SIGKILL)
            failed += 1
            print("FAILED: the demo did not stop on SIGTERM")
    if passed == 0:
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
