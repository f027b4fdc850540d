"""The dead letter channel: what was given up is kept, shown, edited, replayed or discarded."""
