"""What joins clusters: links, global services, clusters of other stacks, and who imports from whom.

May use `cluster`, `dns`, `specs` and what all components share.
"""
