"""The side that starts servers and workers, and compares what they measure."""
