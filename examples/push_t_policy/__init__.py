"""A policy for PushT, tried in the dream and in the real environment; see README.md."""
