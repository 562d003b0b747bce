"""One Kubernetes cluster: certificates, control plane, node, add-ons, and its agent on the host.

A module here knows one cluster at a time; what concerns several, or the user, is in `lab.commands`,
which this room does not import. It may import `lab.machine` and `lab.software`.
"""
