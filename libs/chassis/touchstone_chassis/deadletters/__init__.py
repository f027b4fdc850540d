"""The dead letter channel: what was given up is kept, shown, mended, replayed or discarded."""
