"""The root of trust and the cluster CAs: issuing, checking, rotating, revoking.

May use what all components share, and knows of neither clusters nor links but by name.
"""
