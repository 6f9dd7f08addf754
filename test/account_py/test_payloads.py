"""Batch Transform's bodies: nothing lost, nothing over the limit, in order."""

import pytest
from additions.sagemaker.errors import JobFailure
from additions.sagemaker.payloads import MEGABYTE, assembled, payloads
from hypothesis import given
from hypothesis import strategies as st


def bodies(file, **options):
    return list(payloads(file, **{"split": "Line", "strategy": "MultiRecord", "limit_mb": 1, **options}))


@given(
    lengths=st.lists(st.integers(0, MEGABYTE // 2), max_size=12),
    ended=st.booleans(),
)
def test_packs_whole_lines_under_the_limit_and_loses_none(tmp_path_factory, lengths, ended):
    file = tmp_path_factory.mktemp("payloads") / "input"
    content = b"\n".join(b"x" * length for length in lengths) + (b"\n" if ended and lengths else b"")
    file.write_bytes(content)
    cut = bodies(file)
    assert b"".join(cut) == content
    assert all(len(body) <= MEGABYTE for body in cut)
    assert all(body.endswith(b"\n") for body in cut[:-1])
    # No two neighbours would have fitted into one: as few requests as lines allow.
    first_lines = [body.split(b"\n")[0] + b"\n" for body in cut]
    assert all(len(one) + len(line) > MEGABYTE for one, line in zip(cut, first_lines[1:], strict=False))


def test_single_record_sends_a_line_a_time(tmp_path):
    (tmp_path / "input").write_bytes(b"a\nb\nc")
    assert bodies(tmp_path / "input", strategy="SingleRecord") == [b"a\n", b"b\n", b"c"]


def test_without_a_split_the_object_is_one_body(tmp_path):
    (tmp_path / "input").write_bytes(b"a\nb\n")
    assert bodies(tmp_path / "input", split="None") == [b"a\nb\n"]


@pytest.mark.parametrize("split", ["Line", "None"])
def test_a_record_over_the_limit_fails_the_job_and_names_the_object(tmp_path, split):
    (tmp_path / "input").write_bytes(b"x" * (MEGABYTE + 1))
    with pytest.raises(JobFailure, match="a record of input is larger than MaxPayloadInMB"):
        bodies(tmp_path / "input", split=split)


def test_an_answer_ends_with_one_newline_when_lines_are_assembled():
    assert [assembled(answer, "Line") for answer in (b"a", b"a\n")] == [b"a\n", b"a\n"]
    assert assembled(b"a", "None") == b"a"
