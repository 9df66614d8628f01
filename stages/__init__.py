"""The stages of the pipeline, their state, workers and supervisor, and replay."""
