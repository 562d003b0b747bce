"""Where states of version 0.1 look for it."""

from components.link.destroy_guard import ImportersProvider as ImportersProvider
