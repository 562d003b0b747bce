"""The fast tier: no network, no cluster. Pulumi's engine is a recorder, kubectl is a fake."""
