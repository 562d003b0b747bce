"""The Linux machine: what it must have, and the cgroups, namespaces and processes made of it.

How a program runs is known here, not which ones do what or where they come from. So this room
imports neither `lab.software` nor `lab.cluster`, only `lab.instance` and `lab.errors`.
"""
