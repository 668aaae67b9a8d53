"""No key, token or password lies in the repository."""

from __future__ import annotations

import re
import subprocess

import pytest

from local.bundles import ROOT
from local.signing_identity import make_signing_identity
from local.signing_key import make_signing_key

#: What the keys of those who give out keys look like.
SECRETS = {
    "private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?:\\n|\s)+[A-Za-z0-9+/=]{40}",
    "Google API key": rb"AIza[0-9A-Za-z_-]{35}",
    "Google OAuth token": rb"ya29\.[0-9A-Za-z_-]{30}",
    "GitHub token": rb"gh[pousr]_[0-9A-Za-z]{36}",
    "AWS key": rb"(?:AKIA|ASIA)[0-9A-Z]{16}",
    "Hugging Face token": rb"hf_[A-Za-z]{34}",
    "Slack token": rb"xox[abpr]-[0-9A-Za-z-]{20}",
    "Azure connection string": rb"AccountKey=[A-Za-z0-9+/]{40}",
    "signed token": rb"eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}",
}


def found_in(content: bytes) -> list[str]:
    return [name for name, pattern in SECRETS.items() if re.search(pattern, content)]


def test_no_secret_lies_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git repository")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert len(paths) > 100

    found = {str(path.relative_to(ROOT)): found_in(path.read_bytes()) for path in paths if path.is_file()}

    assert {path: names for path, names in found.items() if names} == {}


def test_keys_as_this_project_makes_them_would_be_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("keys")

    for make in (make_signing_identity, make_signing_key):
        assert found_in(make(folder / f"{make.__name__}.pem").read_bytes()) == ["private key"]


@pytest.mark.parametrize("token", ["AIza" + "x" * 35, "ghp_" + "a1" * 18, "AKIA" + "A1" * 8, "hf_" + "a" * 34])
def test_tokens_of_others_would_be_found(token: str) -> None:
    assert len(found_in(f"key = '{token}'".encode())) == 1
