"""What goes out: graphs, weights, the manifest, the reward head. Imports worlds, data, model, stages."""
