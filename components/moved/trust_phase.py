"""Where states of version 0.1 look for it."""

from components.trust.rotation_guard import TrustPhaseProvider as TrustPhaseProvider
