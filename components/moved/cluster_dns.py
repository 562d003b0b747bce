"""Where the state of a stack may still look for it, see `components/__init__.py`."""

from components.dynamic import Kind


class ClusterDnsProvider(Kind):
    """Its pickle in the state has nothing but the path of this class."""

    name = "ClusterDns"
