"""AWS for other processes: an HTTP endpoint into the world."""
