"""Helm charts as objects of Pulumi's: where they are, how they are rendered, their CRDs.

Here lives what all charts have in common. The values of one chart do not: they are with what is
installed by it, in `cluster` and `trust`.
"""
