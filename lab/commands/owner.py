"""Whose lab an instance is, and who is working on it at the moment."""

import contextlib
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.cluster import kubeconfig
from lab.errors import LabError
from lab.instance import CHECKOUT, PROJECT, STATE_ROOT, Instance, write_private


@dataclass(frozen=True)
class Owner:
    """Who started an instance, and the kubeconfig that has its contexts."""

    checkout: str
    user: str
    started: str
    kubeconfig: str

    @property
    def is_us(self) -> bool:
        """Whether it is this checkout."""
        return Path(self.checkout) == CHECKOUT


def read(instance: Instance) -> Owner | None:
    """The owner on record, if the instance exists."""
    try:
        return Owner(**json.loads(_file(instance).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def claim(instance: Instance, config: Path) -> None:
    """Become the owner of an instance, or fail with whose it is."""
    refuse_others(instance)
    present = read(instance)
    for other in (Instance(path.name) for path in STATE_ROOT.glob("*/") if path.is_dir()):
        owner = read(other)
        # Contexts are named by cluster: one lab's would take the place of the other's.
        if owner and other != instance and owner.kubeconfig == str(config):
            raise LabError(f"{config} is lab {other.name!r}'s: name another file with --kubeconfig")
    if present and present.kubeconfig != str(config):
        forget_contexts(instance, present)
    instance.dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    started = present.started if present else time.strftime("%Y-%m-%d %H:%M:%S")
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    owner = Owner(str(CHECKOUT), user, started, str(config))
    write_private(_file(instance), json.dumps(asdict(owner)))


def forget_contexts(instance: Instance, owner: Owner) -> None:
    """Take the instance's contexts out of its owner's kubeconfig."""
    contexts = {name for cluster in instance.clusters() for name in cluster.contexts.values()}
    kubeconfig.remove(Path(owner.kubeconfig), contexts)


def refuse_others(instance: Instance) -> None:
    """Fail if the instance belongs to another checkout."""
    owner = read(instance)
    if owner is None or owner.is_us:
        return
    raise LabError(
        f"lab {instance.name!r} belongs to the checkout {owner.checkout} (user {owner.user}, since "
        f"{owner.started}): use another one with --instance NAME, or remove it with "
        f"`python -m lab down --instance {instance.name}` there, or here with --force"
    )


@contextlib.contextmanager
def working(instance: Instance) -> Iterator[None]:
    """Let one process at a time change an instance."""
    # A name in the abstract namespace: it goes with the process, and there is no file to leave.
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(f"\0{PROJECT}/{instance.name}")
        except OSError:
            raise LabError(
                f"another `lab up` or `lab down` is at work on lab {instance.name!r}: "
                "wait until it ends, or end it"
            ) from None
        yield


def _file(instance: Instance) -> Path:
    return instance.dir / "owner.json"
