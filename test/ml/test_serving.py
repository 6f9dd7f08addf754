"""Scoring: the rules of a list, the lines of a scoring file, and the container's server as the image starts it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Job, listener
from hypothesis import given
from hypothesis import strategies as st
from segue_ml import best, score, serve
from segue_ml.errors import SegueError
from segue_ml.blend import Blend, fold_in
from segue_ml.export import Exported, load
from segue_ml.pairs import Pairs
from segue_ml.lines import LineError, parse
from segue_ml.score import Scorer, choose_reasons
from segue_ml.serve import Setup
from segue_ml.value import Value, decode, release_tag

CPU = torch.device("cpu")
RELEASE, MADE = "20261122t035200-1a2b3c4d", 1_795_319_520


@pytest.fixture(scope="module")
def exported(trained: Job) -> Exported:
    return load(trained.model, CPU)


def scorer(exported: Exported, size: int = 20) -> Scorer:
    return Scorer(exported, release_tag(RELEASE), MADE, size, CPU)


def body(*records: dict) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def values(lines: list[str]) -> dict[str, Value]:
    return {line.split(" ")[0]: decode(base64.b64decode(line.split(" ")[1])) for line in lines}


def test_list_is_the_ranking_by_the_dot_product(exported: Exported) -> None:
    numbers = exported.artist_numbers
    played = np.array([3, 8, 15])
    found = values(scorer(exported, 10).lines(body(listener("l1", numbers[played].tolist(), [5.0, 2.0, 0.5]))))["l1"]
    history = Pairs(np.array([0, 3]), played.astype(np.int32), np.array([5, 2, 0.5], np.float32), len(numbers))
    vector = fold_in(exported.model, history, CPU)[0]
    bound = vector.norm() * exported.model.artists.norm(dim=1).max()
    scores = Blend(exported.model, exported.neighbours).scorer(history, CPU)(torch.tensor([0]))[0]
    if exported.neighbours is not None:
        bound += exported.neighbours.strongest()[played].sum()
    cosine = (scores / bound).numpy()
    order = [at for at in np.argsort(-cosine) if at not in played][:10]
    assert found.artists == numbers[order].tolist()
    assert found.scores == pytest.approx(np.sign(cosine[order]) * np.sqrt(np.abs(cosine[order])), abs=1 / 254)
    assert found.scores == sorted(found.scores, reverse=True)
    assert (found.source, found.generated_at, found.release_tag) == ("personal", MADE, release_tag(RELEASE))
    assert np.abs(cosine).max() <= 1


def test_planted_taste_is_recommended_and_explained_by_it(exported: Exported) -> None:
    # Twenty artists a group: number 101 + position × 3 // 2.
    group = [101 + at * 3 // 2 for at in range(20)]
    found = values(scorer(exported, 10).lines(body(listener("l1", group[:6]))))["l1"]
    assert len(set(found.artists) & set(group)) >= 8
    assert not set(found.artists) & set(group[:6])
    assert set(found.reason_artists) <= set(group[:6]) and 1 <= len(found.reason_artists) <= 5
    assert sum(reason > 0 for reason in found.reasons) >= 8


def test_listener_without_history_gets_the_segment_and_without_segment_the_popular_list(exported: Exported) -> None:
    found = values(
        scorer(exported, 5).lines(
            body(
                listener("known", [], ageGroup="18-24", place="US-CA"),
                listener("wider", [], ageGroup="18-24", place="US-NY"),
                listener("nothing", []),
                {"segment": "@18-24/US-CA"},
                {"segment": "@/"},
                listener("strange", [9_999_999], ageGroup="18-24"),
                listener("disliked", [101], [0.0], ageGroup="18-24"),
            )
        )
    )
    assert found["known"].source == "segment" and found["known"].artists == found["@18-24/US-CA"].artists
    assert found["wider"].source == "segment"
    assert found["nothing"].source == found["@/"].source == "popular"
    assert found["nothing"].artists == found["@/"].artists and len(found["@/"].artists) == 5
    assert found["strange"].source == "segment"
    assert found["disliked"].source == "segment" and 101 not in found["disliked"].artists
    for value in found.values():
        assert value.reasons == [0] * len(value.artists) and value.scores == sorted(value.scores, reverse=True)


def test_order_batches_and_blocks_change_nothing(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    numbers = exported.artist_numbers
    records = [
        listener(f"l{at}", rng.choice(numbers, int(rng.integers(0, 30)), replace=False).tolist()) for at in range(60)
    ]
    whole = scorer(exported).lines(body(*records))
    assert [line.split(" ")[0] for line in whole] == [record["listenerId"] for record in records]
    alone = [scorer(exported).lines(body(record))[0] for record in records[:10]]
    monkeypatch.setattr(score, "LISTENERS_AT_ONCE", 7)
    monkeypatch.setattr(best, "LISTENERS", 3)
    monkeypatch.setattr(best, "ARTISTS", 16)
    parts = scorer(exported).lines(b"\n" + body(*records) + b"\n\n")
    for others in (parts, alone):
        for one, other in zip(values(whole).values(), values(others).values(), strict=False):
            assert one.artists == other.artists
            assert one.scores == pytest.approx(other.scores, abs=2 / 255)


def test_one_who_played_nearly_everything_gets_what_is_left(exported: Exported) -> None:
    numbers = exported.artist_numbers.tolist()
    found = values(scorer(exported).lines(body(listener("most", numbers[:-3]), listener("all", numbers))))
    assert sorted(found["most"].artists) == numbers[-3:]
    assert found["all"].artists == []


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=30))
def test_reasons_name_picked_artists_only(sources: list[list[int]]) -> None:
    reasons, names = choose_reasons(sources)
    assert len(names) <= 5 and len(set(names)) == len(names) and 0 not in names
    for reason, item in zip(reasons, sources, strict=True):
        assert reason == 0 or names[reason - 1] in item
        if item and item[0] in names:
            assert names[reason - 1] == item[0]


@pytest.mark.parametrize(
    "line, message",
    [
        (b"{", "line 3: json"),
        (b"[]", "line 3: json: not an object"),
        (b'{"listenerId":"a b","artists":[],"days":[]}', "line 3: listenerId"),
        (b'{"artists":[],"days":[]}', "line 3: listenerId"),
        (b'{"listenerId":"a","days":[]}', "line 3: artists: not a list"),
        (b'{"listenerId":"a","artists":[]}', "line 3: days: not a list"),
        (b'{"listenerId":"a","artists":[],"days":[],"skips":null}', "line 3: skips: not a list"),
        (b'{"listenerId":"a","artists":[0],"days":[1]}', "line 3: artists: 0"),
        (b'{"listenerId":"a","artists":[16777216],"days":[1]}', "line 3: artists"),
        (b'{"listenerId":"a","artists":[1.5],"days":[1]}', "line 3: artists"),
        (b'{"listenerId":"a","artists":[true],"days":[1]}', "line 3: artists"),
        (b'{"listenerId":"a","artists":[1,2,1],"days":[7,7,7]}', "line 3: days: a day of an artist is listed twice"),
        (b'{"listenerId":"a","artists":[1],"days":[]}', "line 3: days: 0 values for 1 artists"),
        (b'{"listenerId":"a","artists":[1],"days":[7],"heard":[-1]}', "line 3: heard: -1 is not a number from 0"),
        (b'{"listenerId":"a","artists":[1],"days":[7],"heard":[NaN]}', "line 3: heard: nan"),
        (b'{"listenerId":"a","artists":[1],"days":[7],"heard":["1"]}', "line 3: heard: '1'"),
        (b'{"listenerId":"a","artists":[1],"days":[7],"likes":[0.5]}', "line 3: likes: 0.5 is not a whole number"),
        (b'{"listenerId":"a","artists":[1],"days":[7],"passed":[-1e99]}', "line 3: passed: -1e+99"),
        (b'{"listenerId":"a","artists":[1],"days":[7],"weights":[1]}', "line 3: weights: unknown field"),
        (b'{"listenerId":"a","artists":[],"days":[],"age":"1"}', "line 3: age: unknown field"),
        (b'{"listenerId":"a","artists":[],"days":[],"place":"usa"}', "line 3: ageGroup or place"),
        (b'{"segment":"25-34"}', "line 3: segment"),
        (b'{"segment":"@/","artists":[]}', "line 3: segment: stands alone"),
    ],
)
def test_a_bad_line_is_named(line: bytes, message: str) -> None:
    with pytest.raises(LineError) as error:
        parse(line, 3)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_folder_that_is_no_model_is_refused(trained: Job, tmp_path: Path) -> None:
    with pytest.raises(SegueError, match="not a model directory"):
        load(tmp_path, CPU)
    about = json.loads((trained.model / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**about, "schemaVersion": 1}))
    with pytest.raises(SegueError, match="schema version 1"):
        load(tmp_path, CPU)


def spoiled(values: np.ndarray) -> np.ndarray:
    return np.where(np.arange(values.size).reshape(values.shape) == 1, np.nan, values).astype(values.dtype)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("artist_factors", spoiled, "artist_factors.npy in .* holds 1 values that are not finite numbers"),
        ("spectrum", spoiled, "spectrum.npy in .* holds 1 values"),
        ("filter_degrees", spoiled, "filter_degrees.npy in .* holds 1 values"),
        ("artist_factors", lambda values: values[1:], "do not belong together"),
        ("artist_numbers", lambda values: values[::-1], "do not belong together"),
        ("filter_axes", lambda values: values[1:], "do not belong together"),
    ],
)
def test_a_damaged_model_lists_nothing(
    trained: Job, tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained.model, folder)
    load(folder, CPU)
    np.save(folder / f"{name}.npy", change(np.load(folder / f"{name}.npy")))
    with pytest.raises(SegueError, match=message):
        load(folder, CPU)


@pytest.mark.parametrize(
    "environment, message",
    [
        ({}, "SEGUE_RELEASE is not set"),
        ({"SEGUE_RELEASE": "r"}, "SEGUE_GENERATED_AT"),
        (
            {"SEGUE_RELEASE": "r", "SEGUE_GENERATED_AT": "2026-11-22T03:52:00Z", "SEGUE_LIST_SIZE": "x"},
            "SEGUE_LIST_SIZE",
        ),
    ],
)
def test_a_wrong_environment_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SegueError, match=message):
        Setup.read(environment)


@pytest.fixture(scope="module")
def server(trained: Job) -> Iterator[tuple[str, subprocess.Popen]]:
    """The container as the image starts it: its entry point evaluates `serve`, BASH_ENV says what that is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BASH_ENV": str(trained.model / "code" / "serve.sh"),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SEGUE_BIND_ADDRESS": "127.0.0.1",
        "SM_MODEL_DIR": str(trained.model),
        "SEGUE_RELEASE": RELEASE,
        "SEGUE_GENERATED_AT": "2026-11-22T03:52:00Z",
        "SEGUE_LIST_SIZE": "12",
    }
    started = subprocess.Popen(["bash", "-c", 'eval "$@"', "entrypoint", "serve"], env=environment, cwd="/")
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/ping", timeout=2)
                break
            except OSError:
                assert started.poll() is None, "the server ended"
                time.sleep(0.1)
        yield url, started
    finally:
        started.kill()
        started.wait()


def post(url: str, data: bytes, content_type: str = "application/jsonlines") -> tuple[int, str]:
    request = urllib.request.Request(f"{url}/invocations", data, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_server_scores_over_http(server: tuple[str, subprocess.Popen], exported: Exported) -> None:
    url, _ = server
    with urllib.request.urlopen(f"{url}/execution-parameters", timeout=5) as answer:
        parameters = json.load(answer)
    assert parameters["BatchStrategy"] == "MULTI_RECORD"
    assert parameters["MaxConcurrentTransforms"] * parameters["MaxPayloadInMB"] <= 100
    records = [listener("l1", exported.artist_numbers[:4].tolist()), {"segment": "@/"}, listener("l2", [])]
    status, text = post(url, body(*records))
    assert status == 200 and text.endswith("\n")
    expected = Scorer(exported, release_tag(RELEASE), MADE, 12, CPU).lines(body(*records))
    assert [value.artists for value in values(text.splitlines()).values()] == [
        value.artists for value in values(expected).values()
    ]
    assert [line.split(" ")[0] for line in text.splitlines()] == ["l1", "@/", "l2"]


def test_server_refuses_what_it_cannot_score_and_goes_on(server: tuple[str, subprocess.Popen]) -> None:
    url, _ = server
    status, text = post(url, b'{"segment":"@/"}\n{"listenerId":"l1","artists":[1],"days":[7],"heard":["x"]}\n')
    assert (status, text) == (400, "line 2: heard: 'x' is not a number from 0 to 1e+09\n")
    assert post(url, b"", "application/json")[0] == 415
    assert post(url, b"") == (200, "")
    for path in ("/", "/invocations"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{url}{path}", timeout=5)
    assert post(url, b'{"segment":"@/"}')[0] == 200


def test_reading_serve_sh_does_nothing_else(trained: Job) -> None:
    # Every bash below the entry point reads BASH_ENV: strict ones and nested ones must not notice.
    script = trained.model / "code" / "serve.sh"
    for options in ("-c", "-euc"):
        done = subprocess.run(
            ["bash", options, "bash -c 'echo inner'; echo outer"],
            env={"PATH": os.environ["PATH"], "BASH_ENV": str(script)},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "inner\nouter\n", "")


def test_server_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "SM_MODEL_DIR": str(tmp_path),
        "SEGUE_RELEASE": "r",
        "SEGUE_GENERATED_AT": "2026-11-22",
    }.items():
        monkeypatch.setenv(name, value)
    assert serve.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("serve: model: ") and said.count("\n") == 1


def test_server_ends_on_sigterm(server: tuple[str, subprocess.Popen]) -> None:
    _, process = server
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
