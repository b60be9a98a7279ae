"""Runs an MLflow server for as long as standard input stays open, then leaves nothing behind.

The tests hold the other end of the pipe, so the server ends with them however they end. Prints one
line of JSON when the server answers, `{"url": …, "folder": …}`, or, when it does not come up,
`{"error": …}` with its log. In the folder: `mlflow.db`, `server.log` and, unless they go elsewhere,
`artifacts/`.

Arguments: --artifacts-destination URI, --user NAME --password TEXT (turns basic authentication on).
"""

import argparse
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

PATIENCE = 180.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def command(arguments: argparse.Namespace, folder: Path, port: int) -> list[str]:
    destination = arguments.artifacts_destination or str(folder / "artifacts")
    listed = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    listed += ["--host", "127.0.0.1", "--port", str(port)]
    listed += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    listed += ["--serve-artifacts", "--artifacts-destination", destination]
    return [*listed, "--app-name", "basic-auth"] if arguments.user else listed


def environment(arguments: argparse.Namespace, folder: Path) -> dict[str, str]:
    # Jobs are for evaluating language models; their eight processes double the time to start.
    given = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    if arguments.user:
        config = folder / "basic_auth.ini"
        config.write_text(
            "[mlflow]\n"
            "default_permission = READ\n"
            f"database_uri = sqlite:///{folder / 'basic_auth.db'}\n"
            f"admin_username = {arguments.user}\n"
            f"admin_password = {arguments.password}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        given["MLFLOW_AUTH_CONFIG_PATH"] = str(config)
        given["MLFLOW_FLASK_SERVER_SECRET_KEY"] = "a key for tests"
    return {**given, **os.environ}


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def closed(stdin: int, seconds: float) -> bool:
    readable, _, _ = select.select([stdin], [], [], seconds)
    return bool(readable) and os.read(stdin, 4096) == b""


def started(server: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline and not closed(0, 0.05):
        if answers(url):
            return True
    return False


def main(arguments: argparse.Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fraud-mlflow-"))
    url = f"http://127.0.0.1:{(port := free_port())}"
    log = folder / "server.log"
    with log.open("wb") as output:
        # A session of its own: uvicorn's workers are ended with the server, this process is not.
        server = subprocess.Popen(
            command(arguments, folder, port),
            cwd=folder,
            env=environment(arguments, folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        if started(server, url):
            print(json.dumps({"url": url, "folder": str(folder)}), flush=True)
            while not closed(0, 3600):
                pass
        else:
            print(json.dumps({"error": log.read_text(errors="replace")}), flush=True)
    finally:
        try:
            os.killpg(server.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    # The tests decide when this ends, by closing the pipe; Ctrl+C is meant for them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parser = argparse.ArgumentParser()
    parser.add_argument("--artifacts-destination")
    parser.add_argument("--user")
    parser.add_argument("--password")
    main(parser.parse_args())
