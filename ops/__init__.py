"""Commands that operators run beside Pulumi: `python -m ops COMMAND`.

They read stack files, the stack's outputs and clusters, and make no resource. May use `config` and
the pure parts of `components`.
"""
