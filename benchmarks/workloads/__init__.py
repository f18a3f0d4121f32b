"""What the contenders are made to do; every workload drives all of them in the same way."""
