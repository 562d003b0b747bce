"""The one setting of the host that the lab changes, while there is any lab.

Each cluster's root processes hold some 20 inotify instances; the kernel's usual limit of 128 per
user ends a kubelet of the third or fourth cluster with "too many open files".
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from lab.instance import STATE_ROOT, write_private

WANTED = 1024
_SETTING = Path("/proc/sys/fs/inotify/max_user_instances")
_ORIGINAL = STATE_ROOT / "inotify-max-user-instances"


def raise_limit() -> None:
    """Raise the limit and remember what it was. The instance's folder exists by now."""
    with _alone():
        original = int(_SETTING.read_text())
        if original < WANTED:
            write_private(_ORIGINAL, str(original))
            _SETTING.write_text(str(WANTED))


def restore_limit() -> None:
    """After the last instance, set it back, unless somebody else has changed it meanwhile."""
    if not STATE_ROOT.is_dir():
        return
    with _alone():
        if any(path.is_dir() for path in STATE_ROOT.iterdir()):
            return
        if _ORIGINAL.exists():
            if int(_SETTING.read_text()) == WANTED:
                _SETTING.write_text(_ORIGINAL.read_text())
            _ORIGINAL.unlink()
        STATE_ROOT.rmdir()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One process at a time, of whichever instance."""
    # The folder itself is locked: a lock file in it would keep it from being removed.
    folder = os.open(STATE_ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
