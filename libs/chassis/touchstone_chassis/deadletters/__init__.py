"""The dead letter channel: what was dead-lettered is kept, shown, edited, replayed or discarded."""
