"""What happened: events, the journal, and its exports."""
