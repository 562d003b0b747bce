"""What Istio objects look like: pure functions from data to specs. No resource is made here.

`outbound` is the caller's side of HTTP, `inbound` the target's side of everything, and `streams`
has both sides of tls and tcp. May use what all components share.
"""
