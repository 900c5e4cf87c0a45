"""How the networks are trained, a file a stage. Imports model, data and the typed description of a world."""
