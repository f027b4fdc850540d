"""The decision table: rule sets as data, the facts that they ask for, and the evaluator."""
