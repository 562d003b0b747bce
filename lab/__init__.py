"""The lab: real Kubernetes clusters on one Linux machine, without a container engine.

Here are the command line and what all of it shares (`instance`, `errors`). Of the rooms, each
imports only those before it: `machine` and `software`, `cluster`, `commands`. None imports anything
of the Pulumi program; `tools` may be imported.
"""
