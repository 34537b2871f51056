"""The steps of a job. Each takes a job and its tools and comes back with an outcome; none sees the ledger."""
