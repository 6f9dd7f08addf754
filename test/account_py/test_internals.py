"""The additions rest on names inside MiniStack: they must be there, and their absence must be told in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
from additions import internals

LAUNCHER = Path(__file__).parents[2] / "laptop" / "account" / "launcher.py"


def test_the_pinned_version_has_every_name():
    internals.check()


def test_a_name_that_is_gone_is_told_with_its_module_and_the_remedy(monkeypatch):
    import ministack.services.stepfunctions as stepfunctions

    monkeypatch.delattr(stepfunctions, "_SERVICE_DISPATCH")
    with pytest.raises(internals.MissingInternal) as caught:
        internals.check()
    message = str(caught.value)
    assert "has no ministack.services.stepfunctions._SERVICE_DISPATCH" in message
    assert "install the version that the requirements pin" in message
    assert "\n" not in message


def test_every_name_that_is_used_is_listed():
    with pytest.raises(internals.MissingInternal, match="not listed"):
        internals.need("ministack.app", "AUTH")


def test_the_launcher_ends_with_one_line_and_code_1(tmp_path):
    """With a MiniStack that lacks a registry, e.g. another version."""
    settings = tmp_path / "account.json"
    (tmp_path / "password").write_text("x")
    server = f'{{"host": "127.0.0.1", "port": 1, "user": "u", "passwordFile": "{tmp_path}/password"}}'
    settings.write_text(
        f'{{"port": 1, "region": "us-east-1", "jobsDir": "{tmp_path}", "logDir": "{tmp_path}",'
        f'"postgres": {{"host": "127.0.0.1", "port": 1, "user": "u", "database": "d"}}, "valkey": {server}}}'
    )
    code = (
        "import runpy, sys, ministack.core.router as router; del router.SERVICE_PATTERNS;"
        f"sys.argv = ['launcher', {str(settings)!r}]; runpy.run_path({str(LAUNCHER)!r}, run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("error: ministack ")
    assert "SERVICE_PATTERNS" in ended.stderr
    assert "Traceback" not in ended.stderr
