"""The packed value against the vectors that the TypeScript codec is tested with."""

from __future__ import annotations

import json
import re

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from segue_ml.value import Value, ValueFormatError, decode, encode, quantise, release_tag

VECTORS = json.loads((ROOT / "test" / "vectors" / "value-v1.json").read_text(encoding="utf-8"))


def from_json(record: dict) -> Value:
    return Value(**{re.sub("[A-Z]", lambda c: f"_{c[0].lower()}", name): value for name, value in record.items()})


def named(cases: list[dict]) -> list:
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", named(VECTORS["valid"]))
def test_valid(case: dict) -> None:
    value, data = from_json(case["value"]), bytes.fromhex(case["hex"])
    assert encode(value).hex() == case["hex"]
    found = decode(data)
    assert found.scores == pytest.approx([byte / 127.5 - 1 for byte in case["scoreBytes"]])
    for name in ("source", "generated_at", "release_tag", "artists", "reasons", "reason_artists"):
        assert getattr(found, name) == getattr(value, name)


@pytest.mark.parametrize("case", named(VECTORS["refused"]))
def test_refused(case: dict) -> None:
    with pytest.raises(ValueFormatError):
        decode(bytes.fromhex(case["hex"]))


@pytest.mark.parametrize("case", named(VECTORS["unencodable"]))
def test_unencodable(case: dict) -> None:
    with pytest.raises(ValueFormatError) as error:
        encode(from_json(case["value"]))
    assert error.value.field == case["field"]


def test_scores_and_release_tags() -> None:
    assert [quantise(case["score"]) for case in VECTORS["quantised"]] == [case["byte"] for case in VECTORS["quantised"]]
    for case in VECTORS["releaseTags"]:
        assert release_tag(case["release"]) == case["tag"]


@given(st.data())
def test_what_is_written_is_read(data: st.DataObject) -> None:
    count, reasons = data.draw(st.integers(0, 100)), data.draw(st.integers(0, 15))
    numbers = st.integers(1, 0xFFFFFF)
    value = Value(
        data.draw(st.sampled_from(["personal", "segment", "popular"])),
        data.draw(st.integers(0, 0xFFFFFFFF)),
        data.draw(st.integers(0, 0xFFFFFFFF)),
        data.draw(st.lists(numbers, min_size=count, max_size=count)),
        data.draw(st.lists(st.floats(-1, 1), min_size=count, max_size=count)),
        data.draw(st.lists(st.integers(0, reasons), min_size=count, max_size=count)),
        data.draw(st.lists(numbers, min_size=reasons, max_size=reasons)),
    )
    packed = encode(value)
    found = decode(packed)
    assert found.scores == pytest.approx(value.scores, abs=1 / 255 + 1e-9)
    assert encode(found) == packed
    assert (found.artists, found.reasons, found.reason_artists) == (value.artists, value.reasons, value.reason_artists)
