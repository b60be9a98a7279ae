"""Measures requests a second, CPU time a request, memory and start of our service, of the Python
service that it replaces, and of the bare HTTP server; all in one run, alternating, medians.

Needs wrk and h2load (Debian: wrk, nghttp2-client). Arguments: --api, --constant (binaries), --model.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
FIELDS = {"Time": 0, **{f"V{i}": 0.1 for i in range(1, 29)}, "Amount": 100}
TICK = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 64


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def tree(pid: int) -> list[int]:
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    total = 0
    for each in tree(pid):
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_mib(pid: int) -> float:
    total = 0
    for each in tree(pid):
        status = pathlib.Path(f"/proc/{each}/status").read_text()
        total += int(re.search(r"VmRSS:\s+(\d+)", status)[1])
    return total / 1024


class Server:
    """A server on a free port, and how long it took until it answered."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self.name, self.port = name, free_port()
        command = [part.replace("PORT", str(self.port)) for part in command]
        started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        body = json.dumps(FIELDS).encode()
        url = f"http://127.0.0.1:{self.port}/predict"
        while True:
            try:
                request = urllib.request.Request(
                    url, data=body, headers={"content-type": "application/json"}
                )
                with urllib.request.urlopen(request, timeout=5) as answer:
                    answer.read()
                break
            except OSError:
                if self.process.poll() is not None or time.perf_counter() - started > 60:
                    sys.exit(f"{name} does not start: {command}")
                time.sleep(0.001)
        self.start_seconds = time.perf_counter() - started

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def load(self, script: pathlib.Path, seconds: int) -> tuple[float, float]:
        """Requests a second and microseconds of CPU a request under full load."""
        before = cpu_seconds(self.process.pid)
        wrk = ["wrk", "-t", "2", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "-s", str(script)]
        said = subprocess.run(
            [*wrk, f"http://127.0.0.1:{self.port}/predict"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        if "Non-2xx" in said or "Socket errors" in said:
            sys.exit(f"{self.name}: {said}")
        spent = cpu_seconds(self.process.pid) - before
        count = int(re.search(r"(\d+) requests in", said)[1])
        return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), 1e6 * spent / count

    def p99_milliseconds(self, rate: float, seconds: int, body: pathlib.Path) -> float:
        """99th percentile of the latency at a steady rate."""
        clients = 16
        with tempfile.NamedTemporaryFile() as log:
            subprocess.run(
                [
                    "h2load", "--h1", "-t", "1", "-c", str(clients), "-D", str(seconds),
                    f"--rps={rate / clients:.0f}", "-d", str(body),
                    "-H", "content-type: application/json", f"--log-file={log.name}",
                    f"http://127.0.0.1:{self.port}/predict",
                ],
                capture_output=True,
                check=True,
            )  # fmt: skip
            took = [int(line.split("\t")[2]) for line in open(log.name)]
        return statistics.quantiles(took, n=100)[98] / 1_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--api", required=True)
    parser.add_argument("--constant", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        body = pathlib.Path(folder) / "body.json"
        body.write_text(json.dumps(FIELDS))
        script = pathlib.Path(folder) / "post.lua"
        script.write_text(
            f"wrk.method = 'POST'\nwrk.body = [==[{json.dumps(FIELDS)}]==]\n"
            "wrk.headers['content-type'] = 'application/json'\n"
        )
        uvicorn = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "fastapi_service:app"]
        uvicorn += ["--port", "PORT", "--log-level", "warning", "--no-access-log"]
        model = {"MODEL": args.model}
        ours = [args.api, "--host", "127.0.0.1", "--port", "PORT", "--model", args.model]
        kinds = [
            ("fraud-api", [*ours, "--log", "warn"], {}),
            ("bare actix-web, a constant", [args.constant, "PORT"], {}),
            ("FastAPI, 1 worker", uvicorn, model),
            ("FastAPI, 2 workers", [*uvicorn, "--workers", "2"], model),
        ]
        servers = [Server(*kind) for kind in kinds]
        rates: dict[str, list[float]] = {server.name: [] for server in servers}
        costs: dict[str, list[float]] = {server.name: [] for server in servers}
        for round_ in range(args.repeat):
            for server in servers:
                print(f"round {round_ + 1}: {server.name}", file=sys.stderr)
                rate, cost = server.load(script, args.seconds)
                rates[server.name].append(rate)
                costs[server.name].append(cost)
        rate = {name: statistics.median(values) for name, values in rates.items()}
        cost = {name: statistics.median(values) for name, values in costs.items()}
        memory = {server.name: resident_mib(server.process.pid) for server in servers}
        p99 = {
            server.name: server.p99_milliseconds(rate[server.name] / 2, args.seconds, body)
            for server in servers
        }
        starts: dict[str, list[float]] = {server.name: [server.start_seconds] for server in servers}
        for server in servers:
            server.stop()
        for _ in range(4):
            again = Server(*kinds[0])
            starts[again.name].append(again.start_seconds)
            again.stop()

    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    print(f"\n{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores;", end=" ")
    print(f"wrk, {CONNECTIONS} connections, median of {args.repeat} alternating runs\n")
    print("| | requests/s | CPU a request | p99 at half of that | memory after | first answer |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in rate:
        print(
            f"| {name} | {rate[name]:,.0f} | {cost[name]:.1f} µs | {p99[name]:.2f} ms "
            f"| {memory[name]:.1f} MiB | {1e3 * statistics.median(starts[name]):.0f} ms |"
        )
    first, bare, one, two = rate
    print(
        f"\n{rate[first] / rate[one]:.0f} times the requests of one worker, "
        f"{rate[first] / rate[two]:.0f} times those of two, 1/{cost[one] / cost[first]:.0f} of the "
        f"CPU time, {rate[first] / rate[bare]:.2f} of the bare server."
    )


if __name__ == "__main__":
    main()
