"""The lab: real Kubernetes clusters on one Linux machine, without a container engine."""
