"""Shared by the tests of ml/: the package's path, planted data, and the job's folders."""

from __future__ import annotations

import base64
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]
ML = ROOT / "ml"
sys.path.insert(0, str(ML))

from segue_ml.blend import Blend  # noqa: E402
from segue_ml.export import Exported  # noqa: E402
from segue_ml.pairs import Pairs  # noqa: E402
from segue_ml.score import Scorer  # noqa: E402
from segue_ml.value import Value, decode  # noqa: E402

torch.set_num_threads(2)
# As test/seed.cjs: the same cases in each run, unless SEGUE_SEED asks for others.
settings.register_profile("segue", deadline=None, max_examples=40, derandomize="SEGUE_SEED" not in os.environ)
settings.load_profile("segue")

DAY = 86_400_000
START = 1_790_000_000_000 // DAY * DAY


def listener(name: str, artists: list[int], heard: list[float] | None = None, **more: object) -> dict:
    """A line of a scoring file: each artist on one day, by default one whole play."""
    return {"listenerId": name, "artists": artists, "days": [0] * len(artists), "heard": heard or [1.0] * len(artists), **more}


@dataclass
class Job:
    """The folders of a training job, and the environment that names them."""

    folder: Path

    def channel(self, name: str) -> Path:
        return self.folder / "input" / "data" / name

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def output(self) -> Path:
        return self.folder / "output" / "data"

    @property
    def failure(self) -> Path:
        return self.folder / "output" / "failure"

    @property
    def environment(self) -> dict[str, str]:
        channels = {f"SM_CHANNEL_{name.upper()}": str(self.channel(name)) for name in CHANNELS}
        folders = {
            "SM_MODEL_DIR": str(self.model),
            "SM_OUTPUT_DATA_DIR": str(self.output),
            "SM_OUTPUT_DIR": str(self.folder / "output"),
        }
        return {**os.environ, **channels, **folders, "TRAINING_JOB_NAME": "20261122t035200-1a2b3c4d-train"}

    def write(self, name: str, table: pa.Table) -> None:
        self.channel(name).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, self.channel(name) / "part-00000.parquet")


CHANNELS = ("interactions", "listeners", "artists")


def check_lists(found: Exported, blend: Blend, pairs: Pairs, numbers: np.ndarray, gone: int) -> list[Value]:
    """Holds the lists of an exported model's scorer, for the first 20 listeners, against the blend's own scores without what they
    played and the artist that is `gone`. Returns what the lists hold, one a listener."""
    expected, values = blend.scorer(pairs, torch.device("cpu"))(torch.arange(20)), []
    scorer = Scorer(found, 1, 1, 10, torch.device("cpu"))
    for row in range(20):
        own = pairs.columns[pairs.starts[row] : pairs.starts[row + 1]]
        line = listener("l1", numbers[own].tolist())
        value = decode(base64.b64decode(scorer.lines(json.dumps(line).encode())[0].split(" ")[1]))
        masked = expected[row].clone()
        masked[own], masked[gone] = -torch.inf, -torch.inf
        assert value.artists == numbers[masked.topk(10).indices.numpy()].tolist()
        assert set(value.reason_artists) <= set(numbers[own].tolist()) and any(value.reasons)
        assert all(-1 <= one <= 1 for one in value.scores)
        values.append(value)
    return values


def planted(listeners: int = 300, artists: int = 120, groups: int = 6, days: int = 30, seed: int = 1) -> dict:
    """Listeners of taste groups: nine plays in ten are of the group's artists, by a long tail. Returns the channels'
    tables. Artist numbers start at 101 and skip every third, so that they differ from positions."""
    rng = np.random.default_rng(seed)
    size = artists // groups
    tail = 1 / np.arange(1, size + 1) ** 0.7
    tail /= tail.sum()
    numbers = 101 + np.arange(artists) * 3 // 2
    seen: dict[tuple[int, int, int], float] = {}
    for listener in range(listeners):
        for _ in range(30):
            group = listener % groups if rng.random() < 0.9 else int(rng.integers(groups))
            artist = group * size + int(rng.choice(size, p=tail))
            key = (listener, artist, int(rng.integers(days)))
            seen[key] = seen.get(key, 0.0) + 1.0
    listener, artist, day = (np.array(part) for part in zip(*seen, strict=True))
    moments = START + day * DAY + rng.integers(DAY, size=len(day))
    ids = np.array([f"l{number}" for number in range(listeners)])
    ages = ["0-17", "18-24", "25-34", ""]
    return {
        "interactions": pa.table(
            {
                "listener_id": ids[listener],
                "artist_no": pa.array(numbers[artist], pa.int32()),
                "weight": pa.array(list(seen.values()), pa.float32()),
                "time": pa.array(moments, pa.timestamp("ms", tz="UTC")),
            }
        ),
        "listeners": pa.table(
            {
                "listener_id": ids,
                "age_group": [ages[number % 4] for number in range(listeners)],
                "country": ["US" if number % 2 else "SE" for number in range(listeners)],
                "region": ["CA" if number % 2 else "" for number in range(listeners)],
            }
        ),
        "artists": pa.table({"artist_no": pa.array(numbers, pa.int32())}),
    }


def with_genres(tables: dict, groups: int = 6) -> dict:
    """Planted data whose artists have their taste group as genre."""
    artists = tables["artists"]
    genres = [f"genre {at * groups // artists.num_rows}" for at in range(artists.num_rows)]
    return {**tables, "artists": artists.append_column("genre", pa.array(genres))}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job whose channels hold the planted data."""
    made = Job(tmp_path)
    for name, table in planted().items():
        made.write(name, table)
    return made


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that was run once, by the entry point, as SageMaker runs it."""
    import subprocess

    made = Job(tmp_path_factory.mktemp("trained"))
    for name, table in planted().items():
        made.write(name, table)
    done = subprocess.run(
        [sys.executable, str(ML / "train.py"), "--seed", "7"],
        env=made.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (made.folder / "stdout").write_text(done.stdout)
    return made
