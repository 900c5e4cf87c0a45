"""What comes in: environments and the one typed description of a world. Imports nothing of the other rooms."""
