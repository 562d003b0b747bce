"""This stack: its providers, other stacks that it reads, and settings wired to components.

May use `config` and `components`. What is made of a cluster or a link belongs into `components`,
what a key means into `config`.
"""
