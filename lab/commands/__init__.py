"""What the user asks for: a module per command of `python -m lab`, and what the commands share.

Clusters are put together here out of the other rooms, all of which may be imported; none of them
imports this one.
"""
