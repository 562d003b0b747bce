"""A cache per user, outside any checkout. An entry is either complete or not there."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout


def root() -> Path:
    """The cache's directory: `istio-multicluster` under XDG_CACHE_HOME or ~/.cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "istio-multicluster"


def digest(parts: Iterable[str | Path]) -> str:
    """A short digest of strings and of the content of files; each part is delimited."""
    total = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part.encode()
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()[:16]


def path_of(kind: str, version: str, key: str) -> Path:
    """Where the entry is, or will be."""
    return root() / kind / f"{version}-{key}"


def entry(
    kind: str,
    version: str,
    key: str,
    make: Callable[[Path], None],
    say: Callable[[str], None] = lambda text: None,
) -> Path:
    """The entry's directory; when missing, `make` fills a temporary one that is then renamed.

    One process makes an entry, others wait for it and say so.
    """
    final = path_of(kind, version, key)
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(final)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for {_maker(final)}, which makes the same")
        lock.acquire()
    try:
        if final.is_dir():
            return final
        _remove_stale(final)
        temporary = final.parent / f".{final.name}.{os.getpid()}.tmp"
        temporary.mkdir()
        try:
            make(temporary)
            temporary.rename(final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    finally:
        lock.release()
    return final


def _lock(final: Path) -> FileLock:
    return FileLock(final.parent / f".{final.name}.lock")


def _maker(final: Path) -> str:
    """The process that makes the entry, read from its temporary directory's name."""
    names = [path.name for path in final.parent.glob(f".{final.name}.*.tmp")]
    return f"process {names[0].split('.')[-2]}" if names else "another process"


def _remove_stale(final: Path) -> None:
    """Remove what killed builds left: temporary directories whose lock nobody else holds."""
    for temporary in final.parent.glob(".*.tmp"):
        owner = final.parent / temporary.name[1:].rsplit(".", 2)[0]
        if owner == final:  # the caller holds this lock
            shutil.rmtree(temporary, ignore_errors=True)
            continue
        lock = _lock(owner)
        with suppress(Timeout), lock.acquire(timeout=0):
            shutil.rmtree(temporary, ignore_errors=True)
