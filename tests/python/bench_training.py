"""Training, ours against the Python peer: whole processes, alternating, medians, in one run.

Prints a Markdown table: wall time and peak resident memory on Kaggle-size synthetic data, and how our
time grows with ten times the rows. Run it through `cargo xtask bench`.
"""

import argparse
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

KAGGLE_ROWS = 284_807


def measure(command: list[str]) -> tuple[float, float]:
    """Wall time in seconds and peak resident memory in MiB of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return wall, usage.ru_maxrss / 1024


def data_of(trainer: str, folder: pathlib.Path, rows: int) -> str:
    path = folder / f"synthetic-{rows}.csv"
    if not path.exists():
        command = [trainer, "synth", "--rows", str(rows), "--output", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return str(path)


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trainer", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--repeat", type=int, default=7)
    args = parser.parse_args()
    args.data.mkdir(parents=True, exist_ok=True)
    small = data_of(args.trainer, args.data, KAGGLE_ROWS)
    large = data_of(args.trainer, args.data, 10 * KAGGLE_ROWS)
    peer = str(pathlib.Path(__file__).with_name("train_peer.py"))

    with tempfile.TemporaryDirectory() as folder:
        model, other = f"{folder}/model", f"{folder}/peer.json"

        def ours(data: str, *flags: str) -> list[str]:
            train = [args.trainer, "train", "--bootstrap", "0", "--force", "--no-tracking"]
            return [*train, "--data", data, "--output", model, *flags]

        candidates = {
            "fraud-trainer, newton-cholesky": ours(small),
            "fraud-trainer, lbfgs": ours(small, "--solver", "lbfgs"),
            "pandas + scikit-learn, lbfgs": [sys.executable, peer, small, other, "lbfgs"],
            "fraud-trainer, ten times the rows": ours(large),
        }
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
        for _ in range(args.repeat):
            for name, command in candidates.items():
                results[name].append(measure(command))

    medians = {
        name: tuple(statistics.median(values) for values in zip(*runs))
        for name, runs in results.items()
    }
    print(f"{processor()}, {os.cpu_count()} cores, median of {args.repeat} alternating runs\n")
    print("| | rows | wall time | peak memory |")
    print("|---|---:|---:|---:|")
    for name, (wall, memory) in medians.items():
        rows = 10 * KAGGLE_ROWS if "ten times" in name else KAGGLE_ROWS
        print(f"| {name} | {rows:,} | {wall:.2f} s | {memory:.0f} MiB |")
    wall, memory = medians["fraud-trainer, newton-cholesky"]
    peer_wall, peer_memory = medians["pandas + scikit-learn, lbfgs"]
    large_wall, _ = medians["fraud-trainer, ten times the rows"]
    print(
        f"\nThe peer takes {peer_wall / wall:.1f} times as long and {peer_memory / memory:.1f} times "
        f"the memory; ten times the rows take {large_wall / wall:.1f} times as long."
    )


if __name__ == "__main__":
    main()
