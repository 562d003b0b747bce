"""`down`: remove everything that an instance made, whatever state it is in, and nothing else."""

import shutil

from lab.commands import owner
from lab.instance import Instance
from lab.machine import cgroups, host_limits, namespaces

_TIMEOUT = 30.0


def down(instance: Instance, *, force: bool) -> bool:
    """Remove an instance; return whether there was one."""
    with owner.working(instance):
        if not force:
            owner.refuse_others(instance)
        if not instance.dir.exists() and not cgroups.exists(instance.cgroup):
            return False
        cgroups.kill(instance.cgroup, _TIMEOUT)
        cgroups.remove(instance.cgroup, _TIMEOUT)
        namespaces.remove(instance)
        if found := owner.read(instance):
            owner.forget_contexts(instance, found)
        if instance.dir.exists():
            shutil.rmtree(instance.dir)
        host_limits.restore_limit()
        return True
