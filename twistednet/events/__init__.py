"""Events: their classes, the journal, and its exports."""
