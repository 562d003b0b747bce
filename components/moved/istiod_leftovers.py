"""Where states of version 0.1 look for it."""

from components.cluster.istiod_leftovers import IstiodLeftoversProvider as IstiodLeftoversProvider
