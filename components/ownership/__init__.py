"""Whose a cluster is: the mark on it, what the state knows it by, and when a run is refused.

Here lives what looks at a cluster before anything is changed, and the rules by which a run ends
there. What is made of Istio on it does not: that is `cluster`.
"""
