"""One cluster: Istio and its gateways, the CA that it signs with, what leaves and enters it.

May use `specs`, `trust` and what all components share; knows of no link.
"""
