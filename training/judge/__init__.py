"""How good an exported package is, held to the real environment. Imports all rooms; only the pipeline imports it."""
