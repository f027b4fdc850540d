"""Competing consumers: takes messages from queues, hands them to workers, retries, and gives up."""
