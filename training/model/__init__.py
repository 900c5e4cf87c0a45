"""The networks, which know no world: pictures, actions and numbers. Imports nothing of the other rooms."""
