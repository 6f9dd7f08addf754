"""Several processes, and rows that go by disk: the same model as one process with everything in its memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import DAY, ML, START, Job, planted, with_genres
from segue_ml.errors import SegueError
from segue_ml.group import Group, join
from segue_ml.shards import Spill, footprint, sampled

FIXED = ("--rank", "24", "--sweeps", "4", "--a0", "0.1", "--word-ridge", "3", "--threads", "1", "--seed", "5")


def job_in(folder: Path) -> Job:
    made = Job(folder)
    for name, table in with_genres(planted()).items():
        made.write(name, table)
    return made


def train(job: Job, *arguments: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    scratch = job.folder / "scratch"
    scratch.mkdir()
    command = [str(ML / "train.py"), *FIXED, "--scratch", str(scratch), *arguments]
    if processes > 1:
        command = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--standalone", *command]
    return subprocess.run(
        [sys.executable, *command], env={**job.environment, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Job:
    made = job_in(tmp_path_factory.mktemp("alone"))
    assert train(made).returncode == 0
    return made


# Rows in many small parts, so that parts, passes and processes meet in every way.
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_metrics_and_the_model_are_those_of_one_process(alone: Job, tmp_path: Path, processes: int) -> None:
    job = job_in(tmp_path)
    # One process goes by disk when there are more rows than may be in memory, and then judges by a sample.
    most = planted()["interactions"].num_rows - (processes == 1)
    done = train(job, "--rows-in-memory", str(most), "--rows-at-once", "600", processes=processes)
    assert done.returncode == 0, done.stderr
    assert f"factors by {processes} processes" in done.stdout
    found, expected = (json.loads((each.output / "evaluation.json").read_text()) for each in (job, alone))
    assert found["data"] == expected["data"] and found["lineage"]["data"] == expected["lineage"]["data"]
    assert found["processes"] == processes
    for who, metrics in expected["metrics"].items() if processes > 1 else ():
        assert found["metrics"][who] == pytest.approx(metrics, abs=2e-3)
    mine, its = (np.load(each.model / "artist_factors.npy") for each in (job, alone))
    np.testing.assert_allclose(mine @ mine.T, its @ its.T, atol=1e-4)
    assert not list((tmp_path / "scratch").iterdir())


def test_bad_data_is_said_by_every_process(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    table = planted()["interactions"]
    weights = table["weight"].to_numpy().copy()
    weights[7] = -1
    job.write("interactions", table.set_column(2, "weight", pa.array(weights)))
    done = train(job, processes=2)
    assert done.returncode != 0
    assert job.failure.read_text().startswith("interactions: column 'weight' holds -1.0 in row 8")


def test_what_only_the_first_process_finds_ends_them_all(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    table = planted()["interactions"]
    one_moment = pa.array(np.full(table.num_rows, START), pa.timestamp("ms", tz="UTC"))
    job.write("interactions", table.set_column(3, "time", one_moment))
    done = train(job, processes=2)
    assert done.returncode != 0 and job.failure.read_text().startswith("interactions: nothing to evaluate on")


def test_instances_without_torchrun_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_HOSTS", '["algo-1", "algo-2"]')
    with pytest.raises(SegueError, match="2 instances, and no torchrun"):
        join(torch.device("cpu"))
    monkeypatch.setenv("SM_HOSTS", '["algo-1"]')
    assert join(torch.device("cpu")) == Group(0, 1)


def test_a_sample_holds_listeners_whole() -> None:
    table = planted()["interactions"]
    kept = sampled(table, 0.3)
    ids = table["listener_id"].to_numpy()
    assert not set(ids[kept]) & set(ids[~kept]) and 50 < len(set(ids[kept])) < 130
    assert sampled(table, 1.0).all() and not sampled(table, 0.0).any()


WORKER = """
import sys, tempfile
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import torch
from segue_ml.group import join
from segue_ml.ials import Settings
from segue_ml.runtime import peak_memory
from segue_ml.sharded import train_packed
from segue_ml.shards import Spill
folder, rank, at_once = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
cpu = torch.device("cpu")
torch.linalg.eigh(torch.eye(rank) @ torch.eye(rank))
group = join(cpu)
before = peak_memory()["host"]
spill = Spill(folder / "interactions", folder / "artists", Path(tempfile.mkdtemp(dir=folder)), group, at_once)
packed = spill.pack(Settings(rank=rank, sweeps=1), cpu)
train_packed(packed, Settings(rank=rank, sweeps=1), cpu, group)
print(f"grew {peak_memory()['host'] - before:.1f}", flush=True)
group.leave()
"""


def write(folder: Path, rows: int, listeners: int, artists: int) -> Path:
    """Interactions at random, in row groups as a writer that streams makes them."""
    rng = np.random.default_rng(0)
    for name in ("interactions", "artists"):
        (folder / name).mkdir(parents=True)
    pq.write_table(pa.table({"artist_no": pa.array(np.arange(1, artists + 1), pa.int32())}), folder / "artists/a.parquet")
    schema = pa.schema(
        [("listener_id", pa.string()), ("artist_no", pa.int32()), ("weight", pa.float32()), ("time", pa.timestamp("ms"))]
    )
    with pq.ParquetWriter(folder / "interactions" / "part-00000.parquet", schema) as out:
        for first in range(0, rows, 100_000):
            count = min(100_000, rows - first)
            ids = np.char.add("l", np.sort(rng.integers(listeners, size=count)).astype(str))
            out.write_table(
                pa.table(
                    [
                        pa.array(ids),
                        pa.array(rng.integers(1, artists + 1, size=count), pa.int32()),
                        pa.array(np.ones(count), pa.float32()),
                        pa.array(START + rng.integers(30 * DAY, size=count), pa.timestamp("ms")),
                    ],
                    schema=schema,
                )
            )
    return folder


def growth(folder: Path, rank: int, at_once: int, processes: int = 1) -> list[float]:
    """Peak memory in MiB of each process above what it was before the data."""
    launch = [] if processes == 1 else ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--standalone"]
    script = folder / "worker.py"
    script.write_text(WORKER)
    done = subprocess.run(
        [sys.executable, *launch, str(script), str(ML), str(folder), str(rank), str(at_once)],
        env={**Job(folder).environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [float(found) for found in re.findall(r"grew (\d+\.\d)", done.stdout)]  # lines of two may run together


def test_memory_does_not_follow_the_interactions(tmp_path: Path) -> None:
    few, many = 300_000, 1_500_000
    (small,) = growth(write(tmp_path / "few", few, 3000, 1500), 8, 50_000)
    (large,) = growth(write(tmp_path / "many", many, 3000, 1500), 8, 50_000)
    spilled = (many - few) * 24 / (1 << 20)  # what the added rows take as they lie on disk
    assert spilled > 25 and large - small < 0.4 * spilled


@pytest.mark.parametrize("processes", [1, 2])
def test_memory_by_process_keeps_to_the_formula(tmp_path: Path, processes: int) -> None:
    listeners, artists, rank, at_once = 150_000, 2000, 192, 30_000
    folder = write(tmp_path, 300_000, listeners, artists)
    held = footprint(listeners, artists, rank, processes, 400, at_once) / (1 << 20)
    vectors = 4 * rank * listeners * 0.85 / processes / (1 << 20)  # some listeners have no row
    found = growth(folder, rank, at_once, processes)
    assert len(found) == processes
    for each in found:
        # The peak before the data, while modules load, hides some of what came after.
        assert vectors * 0.5 < each < held


def test_a_spill_counts_what_there_is(tmp_path: Path) -> None:
    folder = write(tmp_path, 5000, 200, 100)
    (tmp_path / "spill").mkdir()
    spill = Spill(folder / "interactions", folder / "artists", tmp_path / "spill", Group(), 700)
    assert spill.total == 5000 and len(spill.artist_numbers) == 100
    assert START <= spill.first < spill.last < START + 30 * DAY
    assert sum(file.stat().st_size for file in (tmp_path / "spill").iterdir()) == 5000 * 24
