"""Names of linked zones: our CoreDNS, and the edit of the cluster's own DNS that leads there.

May use what all components share.
"""
