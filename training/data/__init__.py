"""Recordings: made, imported, read, held out. Imports worlds."""
