"""Everything that turns a real environment into a world package: record, train, evaluate, export."""
