"""What the harness and its workers both know; only the standard library is needed."""
