"""Find binaries that the user has already, in a version that fits."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import cache
from tools.families import KUBERNETES, PULUMI, PULUMI_KUBERNETES

Version = tuple[int, ...]


@dataclass(frozen=True)
class Probe:
    """How to ask a binary for its version, and which versions fit."""

    arguments: Sequence[str]
    least: Version
    most: Version | None = None  # compared at its own length: (1, 38) lets 1.38.9 pass

    def fits(self, version: Version) -> bool:
        """Whether this version can be used."""
        most = self.most
        return version >= self.least and (most is None or version[: len(most)] <= most)


def parse(text: str) -> Version:
    """The first thing in the text that looks like a version; empty if there is none."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups(default="0")) if match else ()


_MAJOR, _MINOR = parse(KUBERNETES)[:2]

PROBES = {
    "pulumi": Probe(["version"], parse(PULUMI)),
    "kubectl": Probe(
        ["version", "--client", "--output=json"], (_MAJOR, _MINOR - 1), (_MAJOR, _MINOR + 1)
    ),
    "etcd": Probe(["--version"], (3, 5)),
    "actionlint": Probe(["-version"], (1, 7)),
}


def find(name: str) -> Path | None:
    """The user's own binary of this name, if there is one that fits."""
    if name == "pulumi-resource-kubernetes":
        return _provider()
    path = _which(name)
    probe = PROBES.get(name)
    if path is None or probe is None or not probe.fits(_version(path, probe.arguments)):
        return None
    return path


def has_language_host(pulumi: Path) -> bool:
    """Whether a `pulumi` comes with its own Python language host, as the official ones do."""
    return (pulumi.resolve().parent / "pulumi-language-python").is_file()


def _which(name: str) -> Path | None:
    """The first of this name on PATH that is not one of ours."""
    ours = str(cache.root().resolve())
    folders = [
        folder
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        if not str(Path(folder).resolve()).startswith(ours)
    ]
    path = shutil.which(name, path=os.pathsep.join(folders))
    return Path(path) if path else None


def _version(path: Path, arguments: Sequence[str]) -> Version:
    try:
        done = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    text = done.stdout
    if text.lstrip().startswith("{"):  # kubectl
        try:
            text = json.loads(text).get("clientVersion", {}).get("gitVersion", "")
        except ValueError:
            return ()
    return parse(text) if done.returncode == 0 else ()


def _provider() -> Path | None:
    """The newest fitting Kubernetes plugin that `pulumi plugin ls` would show, or one on PATH."""
    least = parse(PULUMI_KUBERNETES)
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    installed = [
        (parse(folder.name), folder / "pulumi-resource-kubernetes")
        for folder in home.glob("plugins/resource-kubernetes-v*")
        if not folder.name.endswith((".lock", ".partial"))
    ]
    fitting = [(version, path) for version, path in installed if version >= least]
    fitting = [(version, path) for version, path in fitting if path.is_file()]
    if fitting:
        return max(fitting)[1]
    path = _which("pulumi-resource-kubernetes")
    return path if path and _version(path, ["--version"]) >= least else None
