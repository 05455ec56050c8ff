"""What AWS's services say and keep: the operations of their APIs, and their state."""
